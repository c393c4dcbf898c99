"""Noise drawn again: what it costs, and how well it knows the scatter, beside independent draws.

python benchmarks/draws.py [--quick]

The reference are 256 independent draws of the noise of all pixels. A scatter of 32 independent draws is off
by 13 % (one sigma) where errors are normal: 1 / sqrt(2 (n - 1)).
"""

import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import astropy.units as u
import numpy as np

from euclid_resolved import RandomForest, make_atlas, read_atlas, train
from euclid_resolved.errors import DataWarning
from euclid_resolved.estimators import GradientBoosting
from euclid_resolved.imaging import observe, observe_atlas
from euclid_resolved.maps import PROPERTIES
from euclid_resolved.models import _mapping as mapping
from euclid_resolved.models._draws import draw_noise
from euclid_resolved.training import extract

ALL = tuple(PROPERTIES)
DRAWS, REFERENCE = 32, 256
FEATURES = {"pixels": ("bands",), "neighbourhood": ("bands", "neighbourhood")}


def independent(estimate, brightness, noise, *, draws, seed, floor, pixels):
    """What `noise_scatter` gives, from draws one after the other."""
    found = {}
    for draw in range(draws):
        normal, drawn = draw_noise(seed, draw, pixels, len(brightness)), {}
        for column, (band, light) in zip(normal.T, brightness.items(), strict=True):
            value = light + noise[band] * column
            drawn[band] = np.maximum(value, np.minimum(floor[band], light)).astype(np.float32)
        for name, dex in estimate(drawn).items():
            total, square = found.setdefault(name, (np.zeros(len(dex)), np.zeros(len(dex))))
            change = dex - total
            total += change / (draw + 1)
            square += change * (dex - total)
    return {name: np.sqrt(square / (draws - 1)) for name, (_, square) in found.items()}


@contextmanager
def independently():
    """Have the noise of an image drawn as a whole, draw by draw."""
    ours = mapping.noise_scatter, mapping.smoothing_alone
    mapping.noise_scatter, mapping.smoothing_alone = independent, lambda features: False
    try:
        yield
    finally:
        mapping.noise_scatter, mapping.smoothing_alone = ours


def noise_of(model, image, draws, seed, repeats=1):
    """The scatter in dex by property, and the CPU seconds that it took on top of maps without."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        model.predict_maps(image)
        between = time.process_time()
        maps = model.predict_maps(image, draws=draws, seed=seed)
        seconds.append(time.process_time() - between - (between - start))
    sigma = {name: (m.planes["noise"] / m.data / np.log(10))[~m.mask] for name, m in maps.items()}
    return sigma, min(seconds)


def off(sigma, reference):
    """By how much a scatter is off the reference: the median, and half of what 68 % of the pixels lie in."""
    known = {name: values > 0 for name, values in reference.items()}
    ratio = np.concatenate([sigma[name][known[name]] / reference[name][known[name]] for name in reference])
    low, middle, high = np.percentile(ratio, (16, 50, 84))
    return 100 * (middle - 1), 50 * (high - low)


def main(quick=False, pixels=256):
    """Print the table.

    Parameters
    ----------
    quick : bool, optional
    pixels : int, optional
        On a side of the image.

    Returns
    -------
    rows : list of dict
        ``name``, ``value``, ``unit``, ``against``.
    """
    warnings.simplefilter("ignore", DataWarning)
    rows, repeats = [], 1 if quick else 3
    estimators = {"forest of 40 trees": RandomForest(n_trees=40, n_jobs=1)}
    if not quick:
        estimators["boosting of 300 trees"] = GradientBoosting(n_trees=300, n_jobs=1)
    with tempfile.TemporaryDirectory() as folder:
        atlas = read_atlas(make_atlas(Path(folder) / "atlas", 12 if quick else 80, pixels=48, progress=False))
        large = read_atlas(
            make_atlas(Path(folder) / "one", 1, seed=5, pixels=64 if quick else pixels, progress=False)
        )
        image = observe(large[0], 20 * u.Mpc, depth=4.0, pixel_scale=None, psf_fwhm=0.0, seed=2).load()[0]
        seen = observe_atlas(atlas, (20, 100) * u.Mpc, depth=(0.005, 4.0), seed=7)
        for kind, features in FEATURES.items():
            training = extract(seen, ALL, features=features)
            for title, estimator in estimators.items():
                model = train(training, ALL, estimator, features=features)
                model.predict_maps(image, draws=2)  # compiled code is made ready
                rows += one_model(f"{title}, {kind}", model, image, repeats)
    for row in rows:
        print(f"{row['name']:55s} {row['value']:8.3g} {row['unit']:12s} {row['against']}")
    return rows


def one_model(title, model, image, repeats):
    """The rows of one model."""
    ours, seconds = noise_of(model, image, DRAWS, 1, repeats)
    with independently():
        others, longer = noise_of(model, image, DRAWS, 2, repeats)
        reference, _ = noise_of(model, image, REFERENCE, 3)
    (bias, width), (their_bias, their_width) = off(ours, reference), off(others, reference)
    return [
        {
            "name": f"{title}, draws={DRAWS}: independent draws take",
            "value": longer / seconds,
            "unit": "x CPU time",
            "against": f"{1e6 * seconds / len(ours[ALL[0]]):.3g} CPU s a million pixels",
        },
        {
            "name": f"{title}: scatter too high by",
            "value": bias,
            "unit": "%",
            "against": f"{their_bias:.2g} % by independent draws",
        },
        {
            "name": f"{title}: off in single pixels by",
            "value": width,
            "unit": "%",
            "against": f"{their_width:.3g} % by independent draws",
        },
    ]


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
