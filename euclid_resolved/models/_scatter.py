"""Scatter of estimates where the noise of an image is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.models._draws import balanced_noise, balanced_sigma, draw_noise, points_of

_Mean = tuple[str, float]
_ROWS = 1 << 19  # pixels times points at which they are estimated at a time


def noise_scatter(
    estimate: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]],
    brightness: Mapping[str, np.ndarray],
    noise: Mapping[str, np.ndarray],
    *,
    draws: int = 32,
    seed: int = 1,
    floor: Mapping[str, float] | None = None,
    block: int | None = None,
    pixels: Sequence[int] | np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Scatter of estimates when the image's noise is drawn again.

    Every pixel is estimated at the points of `balanced_noise`, all of them at once: they are near each other,
    and a forest walks a part of its trees for many of them together.

    Parameters
    ----------
    estimate : callable
        Takes brightness by band, returns estimates in dex by property.
    brightness, noise : dict of str to `~numpy.ndarray`
        Surface brightness and its one sigma, MJy/sr, shape (n,).
    draws : int, optional
        How many draws that know nothing of each other the scatter is as accurate as, or more.
    seed : int, optional
    floor : dict of str to float, optional
        The faintest brightness by band: a fainter draw has no logarithm, or lies below all training.
    block : int, optional
        Pixels at a time; the result does not depend on it.
    pixels : array_like of int, optional
        The numbers of the pixels, ascending, on which their noise depends; 0, 1, 2, ... without it.

    Returns
    -------
    sigma : dict of str to `~numpy.ndarray`
        Standard deviation in dex by property, float32.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._scatter import noise_scatter
    >>> def estimate(light):
    ...     return {"density": np.log10(light["HE"])}
    >>> light, sigma = {"HE": np.ones(1000)}, {"HE": np.full(1000, 0.1)}
    >>> scatter = noise_scatter(estimate, light, sigma, draws=50)["density"]
    >>> print(f"{scatter.mean():.3f} dex; to first order 0.1 / ln 10 = {0.1 / np.log(10):.3f}")
    0.044 dex; to first order 0.1 / ln 10 = 0.043
    """
    if draws < 2:
        raise InputError(f"a scatter needs at least 2 draws, got {draws}")
    n = len(next(iter(brightness.values())))
    pixels = np.arange(n) if pixels is None else pixels
    points = points_of(draws, len(brightness))
    block = max(_ROWS // points, 1) if block is None else block
    tiny = float(np.finfo(np.float32).tiny)
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, max(n, 1), block):
        piece = slice(start, min(start + block, n))
        normal = balanced_noise(seed, draws, pixels[piece], len(brightness))
        drawn = {}
        for number, (band, light) in enumerate(brightness.items()):
            least = np.minimum((floor or {}).get(band, tiny), light[piece])
            value = light[piece, None] + noise[band][piece, None] * normal[..., number]
            drawn[band] = np.maximum(value, least[:, None]).astype(np.float32).ravel()
        for name, dex in estimate(drawn).items():
            parts.setdefault(name, []).append(balanced_sigma(dex.reshape(-1, points), len(brightness)))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def mean_scatter(
    estimate: Callable[[dict[_Mean, np.ndarray], slice], Mapping[str, np.ndarray]],
    light: Mapping[_Mean, np.ndarray],
    noise: Mapping[_Mean, np.ndarray],
    mixing: Sequence[np.ndarray],
    *,
    draws: int,
    seed: int,
    pixels: np.ndarray,
) -> dict[str, np.ndarray]:
    """Scatter of estimates when the noise of the means that features look at is drawn again.

    Parameters
    ----------
    estimate : callable
        Takes means, shape (pixels, points), and which pixels they are of; returns estimates in dex by
        property, shape (pixels * points,).
    light, noise : mapping of (str, float) to `~numpy.ndarray`
        By band and sigma of the mean, shape (n,).
    mixing : sequence of `~numpy.ndarray`
        For each band what correlates its means, shape (means, numbers).
    draws, seed, pixels
        As for `noise_scatter`.

    Returns
    -------
    sigma : dict of str to `~numpy.ndarray`
        Standard deviation in dex by property, float32.
    """
    keys, (means, each), n = list(light), mixing[0].shape, len(pixels)
    numbers = each * len(mixing)
    points = points_of(draws, numbers)
    block = max(_ROWS // points, 1)
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, max(n, 1), block):
        piece = slice(start, min(start + block, n))
        normal = balanced_noise(seed, draws, pixels[piece], numbers)
        drawn = {}
        for number, key in enumerate(keys):
            band, own = divmod(number, means)
            # One after the other: the last bit of a product of matrices depends on where a pixel stands.
            value = sum(normal[..., band * each + i] * np.float32(mixing[band][own, i]) for i in range(each))
            drawn[key] = light[key][piece, None] + noise[key][piece, None] * value
        for name, dex in estimate(drawn, piece).items():
            parts.setdefault(name, []).append(balanced_sigma(dex.reshape(-1, points), numbers))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def plane_scatter(
    estimate: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]],
    brightness: Mapping[str, np.ndarray],
    noise: Mapping[str, np.ndarray],
    kernels: Mapping[str, np.ndarray],
    *,
    draws: int,
    seed: int,
    first: int = 0,
) -> dict[str, np.ndarray]:
    """Scatter of estimates when the noise of a whole image is drawn again, for features of an image.

    Parameters
    ----------
    estimate : callable
        Takes planes of brightness by band, returns estimates in dex by property.
    brightness, noise : mapping of str to `~numpy.ndarray`
        Planes of surface brightness and its one sigma, MJy/sr; a pixel with NaN in either is left as it is.
    kernels : mapping of str to `~numpy.ndarray`
        What makes white noise correlated as that of the band is (`correlating_kernel`).
    draws, seed : int
    first : int, optional
        The number of the first pixel in the image that this one is a part of.

    Returns
    -------
    sigma : dict of str to `~numpy.ndarray`
        Standard deviation in dex by property, float32.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._scatter import plane_scatter
    >>> def estimate(light):
    ...     return {"density": np.log10(light["HE"]).ravel()}
    >>> light, sigma = {"HE": np.ones((40, 40))}, {"HE": np.full((40, 40), 0.1)}
    >>> scatter = plane_scatter(estimate, light, sigma, {"HE": np.ones((1, 1))}, draws=50, seed=1)["density"]
    >>> print(f"{scatter.mean():.3f} dex; to first order 0.1 / ln 10 = {0.1 / np.log(10):.3f}")
    0.044 dex; to first order 0.1 / ln 10 = 0.043
    """
    from scipy.ndimage import correlate

    shape = next(iter(brightness.values())).shape
    # Correlated noise comes from pixels around, above and below the image, too: a strip draws those that it
    # does not have, which have their numbers in the larger image.
    above = max(kernel.shape[0] // 2 for kernel in kernels.values())
    inside, wide = slice(above, above + shape[0]), (shape[0] + 2 * above, shape[1])
    pixels = np.arange(first, first + wide[0] * wide[1])
    scatter = _Scatter()
    for draw in range(draws):
        normal = draw_noise(seed, draw, pixels, len(brightness))
        drawn = {}
        for column, (band, light) in zip(normal.T, brightness.items(), strict=True):
            plane = column.reshape(wide).astype(np.float32)
            if kernels[band].size > 1:
                plane = correlate(plane, kernels[band], mode="reflect")
            change = noise[band] * plane[inside]
            drawn[band] = np.where(np.isfinite(change), light + change, light).astype(np.float32)
        scatter.add(estimate(drawn))
    return scatter.sigma()


class _Scatter:
    """The standard deviation of estimates over draws by Welford's sums: none is kept, and nothing cancels."""

    def __init__(self):
        self._n, self._mean, self._square = 0, {}, {}

    def add(self, estimates: Mapping[str, np.ndarray]) -> None:
        """The estimates of one more draw, by property."""
        self._n += 1
        for name, dex in estimates.items():
            dex = dex.astype(np.float64)
            before = self._mean.setdefault(name, np.zeros(len(dex)))
            change = dex - before
            self._mean[name] = before + change / self._n
            self._square[name] = self._square.get(name, 0.0) + change * (dex - self._mean[name])

    def sigma(self) -> dict[str, np.ndarray]:
        """One sigma by property, float32."""
        return {
            name: np.sqrt(total / (self._n - 1)).astype(np.float32) for name, total in self._square.items()
        }


def correlating_kernel(correlation: np.ndarray | None) -> np.ndarray:
    """The kernel that gives white noise a correlation, and leaves its variance.

    Parameters
    ----------
    correlation : `~numpy.ndarray` or None
        Both sides odd.

    Returns
    -------
    kernel : `~numpy.ndarray`
        The sum of its squares is one.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.signal import correlate2d
    >>> from euclid_resolved.models._scatter import correlating_kernel
    >>> wanted = np.array([[0, 0.2, 0], [0.3, 1, 0.3], [0, 0.2, 0]])
    >>> kernel = correlating_kernel(wanted)
    >>> middle = correlate2d(kernel, kernel)[kernel.shape[0] - 2 :, kernel.shape[1] - 2 :][:3, :3]
    >>> print(middle.round(2))
    [[0.   0.2  0.  ]
     [0.3  1.   0.3]
     [0.   0.2  0.  ]]
    """
    if correlation is None or correlation.size == 1:
        return np.ones((1, 1), np.float32)
    # Wide enough for the tails of the root.
    sides = [2 * n + 1 for n in correlation.shape]
    padded = np.pad(
        correlation, [((side - n) // 2,) * 2 for side, n in zip(sides, correlation.shape, strict=True)]
    )
    power = np.clip(np.fft.fft2(np.fft.ifftshift(padded)).real, 0, None)
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(power)).real)
    return (kernel / np.sqrt(np.sum(kernel**2))).astype(np.float32)
