"""The surroundings of a pixel: brightness and colours smoothed over a few pixels, as noise allows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import read_only
from euclid_resolved.features._planes import WIDE, ImagePlanes, compiled, kernel_radius

if TYPE_CHECKING:
    from collections.abc import Sequence

SCALES = 2.0, 4.0
"""Sigma in pixels of the Gaussians whose means are columns."""

LADDER = 0.0, 1.0, 2.0, 4.0
"""Sigma of the means that are looked at, from a single pixel to the largest."""

_ENOUGH = 5.0  # signal-to-noise, in every band, at which a pixel is not smoothed any further
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
        enough = np.ones(planes.shape, bool)
        for band, values in mean.brightness.items():
            with np.errstate(invalid="ignore"):
                enough &= values >= _ENOUGH * mean.noise[band]
        # Enough here counts, whatever a larger mean has: that one may lie across the edge of a galaxy.
        rung[enough] = number
    planes._found["rungs"] = read_only(rung)
    return planes._found["rungs"]


def _promising(planes):
    """By block, whether a mean but the largest may have enough signal in some pixel; None for all of them.

    In most blocks of a tile one band alone shows that none has: the others need not be smoothed there.
    """
    code = compiled() if planes.shape[1] >= WIDE else None
    if code is None:
        return None
    with np.errstate(invalid="ignore"):
        enough = {band: values >= _ENOUGH * planes.noise[band] for band, values in planes.brightness.items()}
        band = min(enough, key=lambda band: np.count_nonzero(enough[band]))
        pixels, light = enough[band], {band: planes.brightness[band]}
        one = ImagePlanes(light, {band: planes.noise[band]}, planes.correlation, planes.pixel_scale)
        for sigma in LADDER[1:-1]:
            mean = one.smoothed(sigma)
            pixels |= mean.brightness[band] >= _ENOUGH * mean.noise[band]
    for axis, side in enumerate(code.BLOCK):
        pixels = np.logical_or.reduceat(pixels, np.arange(0, pixels.shape[axis], side), axis=axis)
    return pixels


def _at_least(planes, rung, sigma, noise=True):
    """The means over `sigma`, or over more where that has too little signal; with their noise or without."""
    first = LADDER.index(sigma)
    base = planes._mean(sigma)
    if rung is None or not (rung > first).any():
        return base
    kinds = ("brightness", "noise") if noise else ("brightness",)
    numbers = range(first + 1, len(LADDER))
    means = {number: planes._mean(LADDER[number]) for number in numbers if (rung == number).any()}
    made = {}
    for kind in kinds:
        made[kind] = {
            band: _picked(rung, first, plane, {n: getattr(mean, kind)[band] for n, mean in means.items()})
            for band, plane in getattr(base, kind).items()
        }
    return ImagePlanes(made["brightness"], made.get("noise", {}), {}, planes.pixel_scale)


def _picked(rung, first, plane, others):
    """A plane with, where `rung` has the number of one of the others, the values of that."""
    code = compiled() if plane.shape[1] >= WIDE else None
    if code is None:
        made = np.array(plane)
        for number, other in others.items():
            np.copyto(made, other, where=rung == number)
        return made
    made = np.empty(plane.shape, np.float32)
    code.picked(rung, first, *(others.get(number, plane) for number in range(len(LADDER))), made)
    return made


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
