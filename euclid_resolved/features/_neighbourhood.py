"""The surroundings of a pixel: brightness and colours smoothed over a few pixels, as noise allows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.features._convolving import blocks_of, compiled, pieces_of
from euclid_resolved.features._planes import ImagePlanes, kernel_radius

if TYPE_CHECKING:
    from collections.abc import Sequence

SCALES = 2.0, 4.0
"""Sigma in pixels of the Gaussians whose means are columns."""

LADDER = 0.0, 1.0, 2.0, 4.0
"""Sigma of the means that are looked at, from a single pixel to the largest."""

_ENOUGH = 5.0  # signal-to-noise, in every band, at which a pixel is not smoothed any further
_STEP = 16  # rows, of which one is looked at to see which band is the faintest
REACH = kernel_radius(LADDER[-1])
# AB magnitude per square arcsec of 1 MJy/sr: 8.90 - 2.5 log10(1e6 Jy/sr in Jy/arcsec2).
_ZERO = 8.90 - 2.5 * np.log10(1e6 * (np.pi / 180 / 3600) ** 2)


def neighbourhood(planes: ImagePlanes) -> dict[str, np.ndarray]:
    """Surface brightness and colours of the surroundings: ``HE~2``, ``IE-HE~2``, ...

    Behind the ``~`` stands the sigma of the Gaussian in pixels. Surface brightness is in AB mag per square
    arcsec. Masked pixels are left out of the means. Where the smoothed brightness is zero or negative there
    is no value.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features import ImagePlanes
    >>> from euclid_resolved.features._neighbourhood import neighbourhood
    >>> flat = ImagePlanes({"IE": np.full((3, 3), 1.0, "f4"), "HE": np.full((3, 3), 10.0, "f4")})
    >>> print({name: f"{plane[1, 1]:.2f}" for name, plane in neighbourhood(flat).items() if "2" in name})
    {'IE~2': '20.47', 'HE~2': '17.97', 'IE-HE~2': '2.50'}
    """
    columns: dict[str, np.ndarray] = {}
    rung = rungs_of(planes)
    for sigma in SCALES:
        smooth = _at_least(planes, rung, sigma, noise=False)
        magnitude = {band: _magnitude(values) for band, values in smooth.brightness.items()}
        columns |= {f"{band}~{sigma:g}": values for band, values in magnitude.items()}
        # Neighbours only: with all bands at hand trees gain nothing from further differences.
        columns |= {f"{a}-{b}~{sigma:g}": magnitude[a] - magnitude[b] for a, b in pairwise(magnitude)}
    return columns


def _magnitude(brightness):
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log10(brightness, dtype=np.float32)
    values[brightness == 0] = np.nan
    values *= np.float32(-2.5)
    values += np.float32(_ZERO)
    return values


def steady_light(planes: ImagePlanes) -> ImagePlanes:
    """The image, smoothed where its pixels are noisy: as little as gives a signal-to-noise of 5 in all bands.

    All bands of a pixel are smoothed alike, so that its colours stay true. An image that does not know its
    noise is left as it is. A pixel for which the largest mean (sigma of 4 pixels) is not enough has that.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.features import ImagePlanes
    >>> from euclid_resolved.features._neighbourhood import steady_light
    >>> rng, noise = np.random.default_rng(1), np.full((64, 64), 1.0, "f4")
    >>> planes = ImagePlanes({"HE": (2 + rng.normal(size=noise.shape)).astype("f4")}, {"HE": noise})
    >>> light = steady_light(planes)  # of signal-to-noise 2
    >>> ratio = light.brightness["HE"] / light.noise["HE"]
    >>> print(f"median signal-to-noise {np.median(ratio):.0f}; scatter {light.brightness['HE'].std():.1f}")
    median signal-to-noise 7; scatter 0.3
    """
    return _at_least(planes, rungs_of(planes), 0.0)


def rungs_of(planes: ImagePlanes) -> np.ndarray | None:
    """By pixel, the number in `LADDER` of the smallest mean that has enough signal; None without noise."""
    if "rungs" in planes._found:
        return planes._found["rungs"]
    if not planes.noise:
        return None
    rung = np.full(planes.shape, len(LADDER) - 1, np.int8)
    active = _promising(planes)
    for number in reversed(range(len(LADDER) - 1)):
        sigma = LADDER[number]
        mean = planes.smoothed(sigma) if active is None else planes._smoothed_in(sigma, active)
        for piece in pieces_of(active):
            enough = np.logical_and.reduce([_clear(mean, band, piece) for band in planes.bands])
            # Enough here counts, whatever a larger mean has: that one may lie across the edge of a galaxy.
            rung[piece][enough] = number
    if active is not None:
        planes._found["active"] = active
    planes._found["rungs"] = read_only(rung)
    return planes._found["rungs"]


def _clear(planes, band, piece=...):
    """Where one band has enough signal, in a piece of the planes."""
    with np.errstate(invalid="ignore"):
        return planes.brightness[band][piece] >= _ENOUGH * planes.noise[band][piece]


def _promising(planes):
    """By block, whether a mean but the largest may have enough signal in some pixel; None for all of them.

    In most blocks of a tile one band alone shows that none has: the others need not be smoothed there.
    """
    blocks = blocks_of(planes.shape)
    if blocks is None:
        return None
    some = slice(None, None, _STEP)
    band = min(planes.bands, key=lambda band: np.count_nonzero(_clear(planes, band, some)))
    light, noise = {band: planes.brightness[band]}, {band: planes.noise[band]}
    one = ImagePlanes(light, noise, planes.correlation, planes.pixel_scale)
    active = np.zeros(blocks, bool)
    high, wide = compiled().BLOCK
    for sigma in LADDER[:-1]:
        mean = one.smoothed(sigma)
        for number, row in enumerate(active):
            pixels = _clear(mean, band, slice(number * high, (number + 1) * high)).any(axis=0)
            row |= np.logical_or.reduceat(pixels, np.arange(0, len(pixels), wide))
    return active


def _at_least(planes, rung, sigma, noise=True):
    """The means over `sigma`, or over more where that has too little signal; with their noise or without."""
    first = LADDER.index(sigma)
    if rung is None or not rung.size:
        return planes._mean(sigma)
    numbers = sorted({max(number, first) for number in range(len(LADDER)) if (rung == number).any()})
    means = {number: planes._mean(LADDER[number]) for number in numbers}
    most = means.pop(numbers[-1])
    if not means:
        return most
    # Most pixels of a tile have the largest mean: the others are in a few blocks.
    chosen = []
    for piece in pieces_of(planes._found.get("active")):
        here = np.maximum(rung[piece], first)
        chosen += [(piece, number, here == number) for number in means]
    made = {}
    for kind in ("brightness", "noise") if noise else ("brightness",):
        made[kind] = {band: np.array(plane) for band, plane in getattr(most, kind).items()}
        for band, plane in made[kind].items():
            for piece, number, where in chosen:
                np.copyto(plane[piece], getattr(means[number], kind)[band][piece], where=where)
    return ImagePlanes(made["brightness"], made.get("noise", {}), {}, planes.pixel_scale)


def scales_of(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Columns by the scale that their name ends in; those of single pixels under ``"pixel"``.

    Examples
    --------
    >>> from euclid_resolved.features._neighbourhood import scales_of
    >>> scales_of(("IE", "HE~2", "IE-HE~2", "HE~4"))
    {'pixel': ('IE',), '2 pix': ('HE~2', 'IE-HE~2'), '4 pix': ('HE~4',)}
    """
    found: dict[str, list[str]] = {}
    for column in columns:
        _, mark, scale = column.rpartition("~")
        found.setdefault(f"{scale} pix" if mark else "pixel", []).append(column)
    return {scale: tuple(names) for scale, names in found.items()}
