"""How far an estimate may be off: intervals calibrated on galaxies held out, and noise drawn again."""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.intervals import FEWEST_GALAXIES, LEVELS, Interval, shared_part
from euclid_resolved.metrics import estimate_pixels
from euclid_resolved.sample import pixels_of
from euclid_resolved.scale import from_dex, to_dex
from euclid_resolved.splits import group_name, group_numbers

__all__ = [
    "PixelErrors",
    "calibrate",
    "coverage",
    "draw_noise",
    "map_errors",
    "noise_scatter",
    "shared_variance",
    "with_intervals",
]

_BLOCK = 65536  # pixels whose noise is drawn at a time
_GAP = 200  # pixels; numbers for the pixels of a smaller gap are made in less time than a new start takes


def calibrate(model, galaxies, *, levels=LEVELS, progress=False):
    """Give a model intervals that hold as many pixels of unseen galaxies as they say.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        Neither training nor test galaxies, observed as the images will be that are to be mapped.
    levels : sequence of float, optional
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    model : `~euclid_resolved.Model`
        The same, with an `Interval` for each property.

    Raises
    ------
    InputError
        If there are fewer than five galaxies, or the model was trained on one of them.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, calibrate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies(30, side=8)
    >>> model = calibrate(train(galaxies[:8], estimator=LinearRegression()), galaxies[8:])
    >>> density = model.predict(galaxies[0].image)
    >>> low, high = density.interval
    >>> density.meta["interval"], bool((low < high).all())
    (0.68, True)
    """
    pixels = pixels_of(galaxies, model, progress=progress)
    _check_unseen(model, pixels, "calibrate it on others")
    if len(pixels.names) < 20:
        message = (
            f"intervals calibrated on {len(pixels.names)} galaxies only are rough; 20 or more are better"
        )
        warnings.warn(message, DataWarning, stacklevel=2)
    training = {**model.training, "calibration_galaxies": list(pixels.names)}
    return replace(with_intervals(model, [(model, pixels)], levels), training=training)


def with_intervals(model, parts, levels=LEVELS):
    """A model with intervals from estimates for galaxies that were not seen by whatever made the estimates.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    parts : sequence of (`~euclid_resolved.Model`, `~euclid_resolved.sample.Pixels`)
        Models trained alike, each with pixels of galaxies it has not seen.
    levels : sequence of float, optional

    Returns
    -------
    model : `~euclid_resolved.Model`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.sample import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.uncertainty import with_intervals
    >>> galaxies = example_galaxies(12)
    >>> model = train(galaxies[:6], estimator=LinearRegression())
    >>> model = with_intervals(model, [(model, pixels_of(galaxies[6:], model))])
    >>> model.outputs["stellar_mass_density"].interval.levels
    array([0.68, 0.95])
    """
    light, noise = (np.concatenate(p) for p in zip(*(_clip_band(m, p) for m, p in parts), strict=True))
    # Of all parts together: projections of one galaxy are one, whichever part they are in.
    names, counts = ([each for _, p in parts for each in getattr(p, key)] for key in ("names", "counts"))
    groups = np.repeat(group_numbers(names), counts)
    # The first is what a map's uncertainty is made of.
    levels = sorted({LEVELS[0], *levels})
    outputs, estimates = {}, [estimate_pixels(m, p) for m, p in parts]
    for name, output in model.outputs.items():
        truth = np.concatenate([to_dex(p.truth[name]) for _, p in parts])
        dex = np.concatenate([each[name] for each in estimates])
        interval = Interval.of(truth - dex, light, noise, groups, levels)
        interval = interval.with_shared(truth, dex, light, noise, groups)
        outputs[name] = replace(output, interval=interval)
    return replace(model, outputs=outputs)


def _clip_band(model, pixels):
    """Brightness and noise of every pixel in the model's clip band; zero where the noise is not known."""
    light = pixels.brightness[model.clip_band]
    noise = pixels.noise.get(model.clip_band, np.zeros_like(light))
    return light, noise


def coverage(model, galaxies, *, level=LEVELS[0]):
    """Which pixels of galaxies have their truth inside the interval.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Calibrated.
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    level : float, optional

    Returns
    -------
    inside : dict of str to `~numpy.ndarray` of bool
        By property, one value a pixel.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, calibrate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.uncertainty import coverage
    >>> galaxies = example_galaxies(60, side=8)
    >>> model = calibrate(train(galaxies[:10], estimator=LinearRegression()), galaxies[10:40])
    >>> inside = coverage(model, galaxies[40:], level=0.68)
    >>> print(f"{inside['stellar_mass_density'].mean():.1f} of the pixels")
    0.7 of the pixels
    """
    pixels = pixels_of(galaxies, model)
    light, noise = _clip_band(model, pixels)
    inside, estimates = {}, estimate_pixels(model, pixels)
    for name, output in model.outputs.items():
        if output.interval is None:
            raise InputError("the model has no intervals: calibrate() it on galaxies held out")
        low, high = output.interval.offsets(light, noise, level)
        difference = to_dex(pixels.truth[name]) - estimates[name]
        inside[name] = (difference >= low) & (difference <= high)
    return inside


def shared_variance(model, galaxies):
    """The part of the variance of the errors that all pixels of a galaxy share, measured on unseen galaxies.

    With e the error of a pixel (truth minus estimate, dex), <e> its mean over the pixels of a galaxy, and
    E the mean over galaxies::

        f = E[(<e> - E[<e>])^2] / E[<(e - E[<e>])^2>]

    0 where galaxies as a whole are off by the same, 1 where all pixels of each are. Every galaxy counts
    once. It can be ``correlated_fraction`` of `euclid_resolved.regions.total` and
    `~euclid_resolved.regions.mean`. Maps of a calibrated model need none: calibration measures on sums of
    galaxies what makes the error of a sum right, which is more, since bright pixels count for more there.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
        That the model was not trained on; viewing directions of one count as one. Few galaxies give a rough
        fraction, however many pixels they have.

    Returns
    -------
    fractions : dict of str to float
        By property, from 0 to 1.

    Raises
    ------
    InputError
        If there are fewer than five galaxies, or the model was trained on one of them.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.uncertainty import shared_variance
    >>> galaxies = example_galaxies(12)
    >>> model = train(galaxies[:6], estimator=LinearRegression())
    >>> shared = shared_variance(model, galaxies[6:])["stellar_mass_density"]
    >>> print(f"{shared:.1f} of the variance is shared")
    0.0 of the variance is shared
    """
    pixels = pixels_of(galaxies, model)
    _check_unseen(model, pixels, "measure it on others")
    groups = np.unique(np.repeat(group_numbers(pixels.names), pixels.counts), return_inverse=True)[1]
    n_galaxies = groups.max(initial=-1) + 1
    if n_galaxies < FEWEST_GALAXIES:
        raise InputError(f"at least {FEWEST_GALAXIES} galaxies are needed, got {n_galaxies} with pixels")
    weight, estimates = 1 / np.bincount(groups)[groups], estimate_pixels(model, pixels)
    errors = {name: np.asarray(to_dex(pixels.truth[name]) - dex, float) for name, dex in estimates.items()}
    return {name: float(shared_part(error, weight, groups)) for name, error in errors.items()}


def _check_unseen(model, pixels, advice):
    seen = {group_name(name) for name in model.training.get("galaxies", ())}
    seen &= {group_name(name) for name in pixels.names}
    if seen:
        raise InputError(f"the model was trained on {', '.join(sorted(seen)[:3])}: {advice}")


def draw_noise(seed, draw, pixels, n_bands):
    """Standard normal numbers that depend on seed, draw and pixel, not on which other pixels are drawn.

    Parameters
    ----------
    seed, draw : int
    pixels : array_like of int
        The numbers of the pixels, ascending.
    n_bands : int

    Returns
    -------
    noise : `~numpy.ndarray` of float64
        Shape (pixels, bands).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.uncertainty import draw_noise
    >>> whole = draw_noise(1, 0, np.arange(6), 4)  # of six pixels in four bands
    >>> np.array_equal(whole[[2, 5]], draw_noise(1, 0, [2, 5], 4))
    True
    """
    from scipy.special import ndtri

    # A generator that counts: its stream can be entered anywhere, at steps of four numbers, and each
    # uniform number becomes one normal number.
    pixels, steps = np.asarray(pixels, np.int64), -(-n_bands // 4)
    uniform = np.empty((len(pixels), n_bands))
    breaks = (np.diff(pixels) > _GAP) | (np.diff(pixels // _BLOCK) > 0)
    ends = [0, *(np.flatnonzero(breaks) + 1), len(pixels)]
    counter, reached = np.random.Philox(key=[seed, draw]), 0
    generator = np.random.Generator(counter)
    for start, stop in zip(ends[:-1], ends[1:], strict=True) if len(pixels) else ():
        first, last = int(pixels[start]), int(pixels[stop - 1])
        counter.advance((first - reached) * steps)
        numbers = generator.random((last + 1 - first, 4 * steps))
        uniform[start:stop] = numbers[pixels[start:stop] - first, :n_bands]
        reached = last + 1
    return ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))


def noise_scatter(
    estimate, brightness, noise, *, draws=32, seed=1, floor=None, block=_BLOCK, pixels=None
):  # fmt: skip
    """Scatter of estimates when the image's noise is drawn again.

    Parameters
    ----------
    estimate : callable
        Takes brightness by band, returns estimates in dex by property.
    brightness, noise : dict of str to `~numpy.ndarray`
        Surface brightness and its one sigma, MJy/sr, shape (n,).
    draws : int, optional
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
    >>> from euclid_resolved.uncertainty import noise_scatter
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
    floor = floor or {}
    pixels = np.arange(n) if pixels is None else pixels
    parts = {}
    for start in range(0, max(n, 1), block):
        piece = slice(start, min(start + block, n))
        mean, square = {}, {}
        for draw in range(draws):
            normal = draw_noise(seed, draw, pixels[piece], len(brightness))
            drawn = {}
            for column, (band, light) in zip(normal.T, brightness.items(), strict=True):
                value = light[piece] + noise[band][piece] * column
                least = floor.get(band, float(np.finfo(np.float32).tiny))
                drawn[band] = np.maximum(value, np.minimum(least, light[piece])).astype(np.float32)
            for name, dex in estimate(drawn).items():
                # Welford's sums: no draw is kept, and nothing cancels.
                dex = dex.astype(np.float64)
                before = mean.setdefault(name, np.zeros(len(dex)))
                change = dex - before
                mean[name] = before + change / (draw + 1)
                square[name] = square.get(name, 0.0) + change * (dex - mean[name])
        for name, total in square.items():
            parts.setdefault(name, []).append(np.sqrt(total / (draws - 1)).astype(np.float32))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


@dataclass(frozen=True, eq=False)
class PixelErrors:
    """What is known about the errors of estimates, in the linear unit of the map.

    Attributes
    ----------
    sigma : `~numpy.ndarray` or None
        One sigma.
    planes : dict of str to `~numpy.ndarray`
        See `~euclid_resolved.maps.PLANES`.
    meta : dict
        ``uncertainty``: what sigma holds, in words; ``interval``: the fraction of pixels in the interval.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.uncertainty import map_errors
    >>> output = train(example_galaxies(), estimator=LinearRegression()).outputs["stellar_mass_density"]
    >>> dex, light, noise = np.array([2.0]), np.array([1.0]), np.array([0.1])
    >>> errors = map_errors(output, dex, light, None, noise, None, 0.68)
    >>> print(f"{errors.sigma[0]:.1f} Msun/pc2: {errors.meta['uncertainty']}")
    23.0 Msun/pc2: noise of the image, without the error of the model
    """

    sigma: np.ndarray | None
    planes: dict
    meta: dict


def map_errors(output, dex, light, noise, scatter, spread, level, common=None):
    """Put together what is known about the errors of one property's estimates.

    Parameters
    ----------
    output : `~euclid_resolved.model.Output`
    dex : `~numpy.ndarray`
        Estimates, shape (n,).
    light, noise : `~numpy.ndarray`
        Surface brightness in the model's clip band and its one sigma, or None.
    scatter, spread : `~numpy.ndarray` or None
        One sigma in dex from the image's noise and from the estimator.
    level : float
        Of the interval.
    common : `~numpy.ndarray`, optional
        One sigma in dex from errors that all pixels share. Galaxies to calibrate on have none, so that it
        widens the interval.

    Returns
    -------
    errors : `PixelErrors`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.uncertainty import map_errors
    >>> output = train(example_galaxies(), estimator=LinearRegression()).outputs["stellar_mass_density"]
    >>> dex, light, noise, model = np.array([2.0]), np.array([1.0]), np.array([0.03]), np.array([0.04])
    >>> errors = map_errors(output, dex, light, None, noise, model, 0.68)
    >>> print(f"{errors.sigma[0] / 100 / np.log(10):.3f} dex of 0.03 and 0.04 in quadrature")
    0.050 dex of 0.03 and 0.04 in quadrature
    """
    value, sigma, planes, meta = from_dex(dex), None, {}, {}
    # To first order: a Gaussian in dex has no standard deviation of its own on the linear scale.
    linear = value * np.float32(np.log(10))
    parts = {
        "noise": (scatter, "noise of the image"),
        "model": (spread, "scatter of the estimator"),
        "common": (common, "errors that all pixels share"),
    }
    known = {name: part for name, part in parts.items() if part[0] is not None}
    for name, (part, _) in known.items():
        planes[name] = linear * part
    if known:
        sigma = np.sqrt(sum(plane**2 for plane in planes.values()))
        meta["uncertainty"] = (
            " and ".join(text for _, text in known.values()) + ", without the error of the model"
        )
    if output.interval is not None:
        light = np.asarray(light)
        noise = np.zeros_like(light) if noise is None else noise
        low, high = _ends(output.interval, light, noise, level, common)
        planes |= {"lo": from_dex(dex + low), "hi": from_dex(dex + high)}
        low, high = _ends(output.interval, light, noise, LEVELS[0], common)
        sigma = (from_dex(dex + high) - from_dex(dex + low)) / 2
        words = "half of the calibrated 68 % interval"
        words += "" if common is None else ", widened by errors that all pixels share"
        meta |= {"uncertainty": words, "interval": float(level)}
        if output.interval.shared is not None:
            meta["shared_variance"] = output.interval.shared
        to_mean = output.interval.to_mean(light, noise)
        if to_mean is not None:
            planes["mean"] = from_dex(dex + to_mean)
    return PixelErrors(sigma, planes, meta)


def _ends(interval, light, noise, level, common):
    """What to add to estimates for the ends of an interval, dex; errors that all pixels share widen it."""
    low, high = interval.offsets(light, noise, level)
    if common is None:
        return low, high
    from scipy.special import ndtri

    middle, half = (low + high) / 2, np.hypot((high - low) / 2, ndtri((1 + level) / 2) * common)
    return middle - half, middle + half
