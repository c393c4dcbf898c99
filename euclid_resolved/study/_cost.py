"""What a fit takes on this machine: CPU seconds, from small fits, and memory, from the number of pixels."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.estimators._linear import LinearRegression
from euclid_resolved.features._scale import Scale, to_dex
from euclid_resolved.features._sets import make_features
from euclid_resolved.training._train import train

if TYPE_CHECKING:
    from euclid_resolved.estimators._contract import Estimator
    from euclid_resolved.study._plan import Fits
    from euclid_resolved.study._runner import Runner
    from euclid_resolved.training._sample import Pixels

_GALAXIES = 6  # that are read to time it, and to count their pixels
_ROWS = 20_000  # of a fit that is timed
_SMALL = {"n_trees": (1, 3), "epochs": (1, 3)}  # settings that only repeat the same work, made small
_AFFORDABLE = 2.0  # CPU seconds of a fit that is made with all its trees or epochs
_WORK = 1e6  # of a timed fit over several epochs: less of it drowns in what every fit takes


@dataclass(frozen=True)
class Cost:
    """What a method takes on this machine, in CPU seconds of one core.

    Attributes
    ----------
    fixed : float
        Of a fit, whatever it is fitted to.
    rate : float
        For a unit of `~euclid_resolved.Estimator.work`, with all columns of the main input.
    column : float
        How much of `rate` is due to one column, as a fraction.
    columns : int
        Of the main input.
    predict : float
        For a pixel and property.
    joint : bool
        Whether a fit is of all properties.
    """

    fixed: float
    rate: float
    column: float
    columns: int
    predict: float
    joint: bool


@dataclass(frozen=True)
class Size:
    """How many pixels a study has.

    Attributes
    ----------
    training, test : int
        Pixels above the clip.
    galaxy : float
        CPU seconds to read a galaxy; zero where pixels are read already.
    training_fixed, prepare : float
        CPU seconds of a training, and for a pixel that it looks at, whatever the method: features, scales,
        metrics.
    domain : float
        CPU seconds to find the domain of a set of pixels.
    """

    training: int
    test: int
    galaxy: float
    training_fixed: float
    prepare: float
    domain: float


def measure_size(runner: Runner) -> tuple[Size, Pixels]:
    """Estimate the number of pixels from a few galaxies, and give the pixels of these.

    Parameters
    ----------
    runner : `Runner`

    Returns
    -------
    size : `Size`
    pixels : `~euclid_resolved.training.Pixels`
    """
    order = np.random.default_rng(runner.seed()).permutation(len(runner.training))
    galaxies = [runner.training[i] for i in sorted(order[:_GALAXIES])]
    began, d = time.process_time(), runner.description
    features = runner.image_features(d.main)
    pixels = runner.data.extract(
        galaxies, d.properties, d.bands, clip=d.sample["clip"], features=features, source=runner.source
    )
    each, seconds = len(pixels) / len(galaxies), (time.process_time() - began) / len(galaxies)
    n, m = len(runner.training), len(runner.test)
    seconds = seconds if runner.data.images else 0.0
    return Size(round(each * n), round(each * m), seconds, *_beside_the_fit(runner, pixels)), pixels


def _beside_the_fit(runner, pixels):
    """CPU seconds of what every training does, with a fit that is almost nothing: fixed, a pixel, domain."""
    d, what = runner.description, runner.description.inputs[runner.description.main]

    def once(some: Pixels) -> float:
        began = time.process_time()
        options: dict[str, Any] = {"features": what.features, "columns": what.columns}
        train(some, d.properties, LinearRegression(), bands=d.bands, validation_fraction=0, **options)
        return time.process_time() - began

    few = pixels.of(pixels.names[: len(pixels.names) // 2 + 1])
    once(few)  # imports what is needed, and finds the domain
    least = min(once(few) for _ in range(3))
    first, again = once(pixels), min(once(pixels) for _ in range(3))
    each = max(again - least, 0.0) / max(len(pixels) - len(few), 1)
    return max(again - each * len(pixels), 0.0), each, max(first - again, 0.0)


def measure_cost(runner: Runner, label: str, pixels: Pixels) -> Cost:
    """Time small fits of a method: the same settings, but few trees or epochs.

    Parameters
    ----------
    runner : `Runner`
    label : str
    pixels : `~euclid_resolved.training.Pixels`
        Of a few galaxies.

    Returns
    -------
    cost : `Cost`
    """
    d = runner.description
    what, estimator = d.inputs[d.main], d.methods[label].make(runner.seed())
    table = make_features(pixels.brightness, what.features, columns=what.columns, around=pixels.around)
    rows = np.sort(np.random.default_rng(1).permutation(len(pixels))[:_ROWS])
    scale = Scale.of(table.values[rows], table.columns)
    X = scale.apply(table.values[rows])
    y = to_dex(np.asarray(pixels.truth[d.properties[0]])[rows]).astype(np.float32)
    target = Scale.of(y[:, None], d.properties[:1])
    y, held = target.apply(y[:, None])[:, 0], len(X) // 5

    def fitted(estimator: Estimator, columns: int, n: int) -> tuple[float, float, Estimator]:
        """CPU seconds of a fit to n rows, its work, and what was fitted."""
        fresh = replace(estimator)
        own = Scale.of(table.values[rows][:, :columns], table.columns[:columns])
        fresh.prepare(table.columns[:columns], own, target)
        # As a training has them: loops are compiled anew for views of larger arrays.
        learned = np.ascontiguousarray(X[held : held + n, :columns])
        validation = np.ascontiguousarray(X[:held, :columns]), y[:held]
        began = time.process_time()
        fresh.fit(learned, y[held : held + n], validation=validation)
        return time.process_time() - began, float(fresh.work(min(n, len(X) - held))), fresh

    (less, some), k, n = _reduced(estimator), len(table.columns), len(X) - held
    fitted(less, k, n)  # compiles and imports what a method needs
    few, first, _ = fitted(less, k, n if less != some else n // 4)
    more, second, known = fitted(some, k, n)
    rate = max(more - few, 0.0) / (second - first) if second > first else 0.0
    fixed, whole = max(more - rate * second, 0.0), float(estimator.work(n))
    column = 0.0
    if k > 1:
        alone, _, _ = fitted(some, 1, n)
        column = float(np.clip((more - alone) / max(more, 1e-9) * k / (k - 1), 0, 1))
    if some is not estimator and fixed + rate * whole < _AFFORDABLE:
        # Boosting may stop before its last tree: what can be afforded is fitted as it is.
        seconds, _, known = fitted(estimator, k, n)
        some, rate = estimator, max(seconds - fixed, 0.0) / whole
    known.predict(X)  # compiles
    began = time.process_time()
    known.predict(X)
    repeats = _trees(estimator) / _trees(some)
    predict = (time.process_time() - began) / len(X) * repeats
    return Cost(fixed, rate, column, k, predict, bool(estimator.joint))


def _reduced(estimator):
    """Two copies with fewer trees or epochs; the same one twice where its work does not depend on these."""
    for name, (few, some) in _SMALL.items():
        if name in estimator.settings():
            if name == "epochs":
                one = replace(estimator, epochs=1).work(_ROWS)
                some = int(np.clip(_WORK / one, some, max(estimator.settings()[name] or some, some)))
            less, more = replace(estimator, **{name: few}), replace(estimator, **{name: some})
            if less.work(_ROWS) < more.work(_ROWS) <= estimator.work(_ROWS):
                return less, more
    return estimator, estimator


def _trees(estimator):
    return estimator.settings().get("n_trees", 1)


def seconds_of(runner: Runner, cost: Cost, size: Size, fits: Fits) -> float:
    """CPU seconds of one of some fits, with the estimates of its validation and test pixels.

    Parameters
    ----------
    runner : `Runner`
    cost : `Cost`
    size : `Size`
    fits : `Fits`

    Returns
    -------
    seconds : float
    """
    n = pixels_of_fit(runner, size, fits)
    work = runner.description.methods[fits.label].make(runner.seed()).work(n)
    wider = 1 - cost.column + cost.column * fits.columns / cost.columns
    times = 1 if cost.joint else fits.properties
    estimated = (0.2 * n + size.test) * fits.properties * cost.predict
    wide = (fits.columns + fits.properties) / (cost.columns + len(runner.description.properties))
    beside = size.training_fixed + size.prepare * (n + size.test) * wide + (size.domain if fits.own else 0)
    return times * (cost.fixed + cost.rate * work * wider) + estimated + beside


def pixels_of_fit(runner: Runner, size: Size, fits: Fits) -> int:
    """How many pixels a fit learns from, within the budget."""
    n = round(size.training * fits.share)
    return min(n, runner.description.budget["pixels"].get(fits.label, n))


def memory_of(runner: Runner, size: Size, fits: Fits) -> float:
    """Bytes of the training set of a fit: 4 for each pixel and column, property, place and order."""
    return 4.0 * pixels_of_fit(runner, size, fits) * (fits.columns + fits.properties + 2)
