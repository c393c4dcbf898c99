"""Chained regression: each property's estimate is fed to the next, without learning from fitted values."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, RandomForest, evaluate, read, train, write
from euclid_resolved.estimators import Estimator, Mean, Ridge, check_X, check_X_y
from euclid_resolved.models import Model
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import extract

PAPER = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
DENSITY, METALLICITY, AGE = PAPER


@dataclass
class Recorder(Estimator):
    """Fits as another estimator does, and records what it was given."""

    kind: type = LinearRegression
    given: ClassVar = []

    def prepare(self, columns, feature_scale, target_scale):
        self._columns = columns

    def fit(self, X, y, validation=None):
        self.given.append((self._columns, X.copy(), y.copy()))
        self._fitted = self.kind().fit(X, y)
        return self

    def predict(self, X):
        return self._fitted.predict(X)

    def state(self):
        return self._fitted.state()

    def restore(self, state):
        self._fitted = self.kind().restore(state)
        return self


@dataclass
class Memory(Mean):
    """One nearest neighbour: repeats what it was fitted to, to the last bit."""

    def fit(self, X, y, validation=None):
        from scipy.spatial import cKDTree

        X, y = check_X_y(X.copy(), y.copy())
        self._tree, self._y = cKDTree(X), y
        return self

    def predict(self, X):
        return self._y[self._tree.query(check_X(X, self._tree.m))[1]]

    def state(self):
        return {"X": self._tree.data.copy(), "y": self._y}


@pytest.fixture
def given():
    Recorder.given.clear()
    return Recorder.given


@pytest.fixture(scope="module")
def galaxies():
    return example_galaxies(6, side=12)


def last_fits(given, n_columns):
    """The fits of the final estimators: those to the most pixels, by their number of columns."""
    most = max(len(X) for _, X, _ in given)
    (one,) = [fit for fit in given if len(fit[1]) == most and fit[1].shape[1] == n_columns]
    return one


def test_later_properties_see_the_earlier_ones(given, galaxies):
    train(galaxies, PAPER, Recorder(), chain=True)
    for i in range(3):
        columns, X, _ = last_fits(given, 4 + i)
        assert columns == ("IE", "YE", "JE", "HE", *PAPER[:i])
        assert X.shape[1] == len(columns)


def test_without_chain_they_do_not(given, galaxies):
    train(galaxies, PAPER, Recorder())
    assert {X.shape[1] for _, X, _ in given} == {4}
    assert len(given) == 3


def test_a_memory_does_not_leak(given, galaxies):
    # Fitted to the same pixels, a nearest neighbour would hand the truth itself to the next property.
    train(galaxies, (DENSITY, AGE), Recorder(Memory), chain=True)
    _, _, truth = last_fits(given, 4)
    _, X, _ = last_fits(given, 5)
    assert not np.isclose(X[:, 4], truth, atol=1e-6).mean() > 0.05
    assert np.corrcoef(X[:, 4], truth)[0, 1] > 0.8


@pytest.mark.parametrize("n", [2, 3, 6])
def test_no_estimate_comes_from_its_own_galaxy(given, n):
    # Each galaxy has a density of its own, and the estimate is the mean of the galaxies fitted to: the sum of
    # a few of these powers of two says which.
    galaxies = example_galaxies(n, side=12)
    pixels = extract(galaxies, (DENSITY, AGE))
    dex = 2.0 ** -np.arange(n)
    density = 10 ** (1.5 + 0.5 * dex[pixels.galaxy])
    pixels = replace(pixels, truth={**pixels.truth, DENSITY: density.astype(np.float32)})
    train(pixels, (DENSITY, AGE), Recorder(Mean), chain=True, validation_fraction=0)
    _, _, truth = last_fits(given, 4)
    _, X, _ = last_fits(given, 5)
    order = np.random.default_rng(1).permutation(len(pixels))  # the rows as train shuffles them
    galaxy = pixels.galaxy[order]
    assert [len(np.unique(truth[galaxy == i])) for i in range(n)] == [1] * n
    scaled = np.array([truth[galaxy == i][0] for i in range(n)], float)
    size = np.bincount(galaxy)
    for i in range(n):
        (estimate,) = np.unique(X[galaxy == i, 4])
        others = [
            np.average(scaled[list(subset)], weights=size[list(subset)])
            for subset in _subsets(n)
            if i not in subset
        ]
        assert np.isclose(others, estimate, atol=1e-5).any()


def _subsets(n):
    for bits in range(1, 2**n):
        yield tuple(i for i in range(n) if bits >> i & 1)


def test_order_matters(galaxies):
    training, test = galaxies[:4], galaxies[4:]
    forest = RandomForest(n_trees=5, n_jobs=1)
    one, other, alone = (
        train(training, properties, forest, chain=chain)
        for properties, chain in (((DENSITY, AGE), True), ((AGE, DENSITY), True), ((DENSITY, AGE), False))
    )
    assert one.outputs[AGE].chain == (DENSITY,)
    assert one.outputs[DENSITY].chain == ()
    assert other.outputs[DENSITY].chain == (AGE,)
    pixels = extract(test, (DENSITY, AGE))
    first = [model.estimate(pixels.brightness, DENSITY) for model in (one, alone, other)]
    # The first property of a chain is what it would be alone.
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])


def test_estimates_of_a_chain_are_those_of_its_links(galaxies):
    model = train(galaxies, PAPER, LinearRegression(), chain=True)
    pixels = extract(galaxies, PAPER)
    density, metallicity, age = (model.outputs[name] for name in PAPER)
    X = model.feature_scale.apply(np.log10(np.column_stack([pixels.brightness[b] for b in model.bands])))
    for output in (density, metallicity, age):
        y = output.estimator.predict(X)
        expected = output.scale.invert(y)
        np.testing.assert_allclose(model.estimate(pixels.brightness, output.property), expected, atol=1e-5)
        X = np.column_stack([X, y])


@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        Ridge(alpha=0.1),
        Mean(),
        RandomForest(n_trees=3, n_jobs=1),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_any_estimator_and_one_file(estimator, galaxies, tmp_path):
    model = train(galaxies[:4], "all", estimator, chain=True)
    write(tmp_path / "chain.asdf", model)
    restored = read(tmp_path / "chain.asdf")
    assert [output.chain for output in restored.outputs.values()] == [(), PAPER[:1], PAPER[:2]]
    assert restored.digest == model.digest
    for name in PAPER:
        maps = [m.predict(galaxies[5].image, name).data for m in (model, restored)]
        np.testing.assert_array_equal(*maps)
    np.testing.assert_array_equal(evaluate(model, galaxies[4:])["r2"], evaluate(restored, galaxies[4:])["r2"])


def test_maps_of_a_chain_made_together_or_apart(galaxies):
    model = train(galaxies[:4], PAPER, RandomForest(n_trees=3, n_jobs=1), chain=True)
    together = model.predict_maps(galaxies[5].image)
    for name in PAPER:
        np.testing.assert_array_equal(model.predict(galaxies[5].image, name).data, together[name].data)


def test_broken_chain_in_a_file(galaxies):
    tree = train(galaxies[:3], (DENSITY, AGE), LinearRegression(), chain=True).to_tree()
    Model.from_tree(tree)
    tree["outputs"][1]["chain"] = [AGE]
    with pytest.raises(InputError, match="chained to stellar_age, which do not come before it"):
        Model.from_tree(tree)
    tree["outputs"][1]["chain"] = []
    with pytest.raises(InputError):
        Model.from_tree(tree)


def test_chain_does_no_harm():
    galaxies = example_galaxies(8, side=12)
    forest = RandomForest(n_trees=10, n_jobs=1)
    chained, alone = (
        evaluate(train(galaxies[:5], "all", forest, chain=chain), galaxies[5:])["r2"]
        for chain in (True, False)
    )
    assert (chained > alone - 0.05).all()
