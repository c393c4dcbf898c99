"""What another seed would change: many fits, and what one fit says of it."""

import numpy as np
import pytest

from euclid_resolved import Ensemble, InputError, LinearRegression, RandomForest, train
from euclid_resolved.diagnostics import epistemic_scatter, estimates
from euclid_resolved.diagnostics._seed_scatter import known_or_trained, scatter_of_one_fit
from euclid_resolved.estimators import Estimator
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import pixels_of, retrain


@pytest.fixture(scope="module")
def galaxies():
    everything = example_galaxies(10)
    return everything[:6], everything[6:]


def test_one_forest_says_what_ten_say(galaxies):
    # No pixel is set aside: the runs then differ in their seeds alone, as the trees of one do.
    forest = RandomForest(n_trees=40, n_jobs=1, joint=True)
    model = train(galaxies[0], "all", forest, validation_fraction=0)
    one, ten = (epistemic_scatter(model, *galaxies, runs=runs) for runs in (None, 10))
    assert list(one["property"]) == list(model.properties) and one["estimate_scatter"].unit == "dex"
    ratio = one["estimate_scatter"] / ten["estimate_scatter"]
    assert np.all(abs(ratio - 1) < 0.15), ratio  # 0.2 % on 100,000 pixels; here neighbours share their leaves
    # Of a standard deviation ten runs know 24 %, twenty parts 16 %.
    for metric in ("r2", "rmse", "pearson", "bias"):
        ratio = one[f"{metric}_scatter"] / ten[f"{metric}_scatter"]
        assert np.all((ratio > 0.4) & (ratio < 2.5)), (metric, ratio)
    assert one["r2"][0] == pytest.approx(ten["r2"][0], abs=5 * ten["r2_scatter"][0])
    assert one.meta["runs"] == 1 and ten.meta["runs"] == 10


def test_the_spread_of_a_model_is_that_of_its_trees_in_dex(galaxies):
    model = train(galaxies[0], "stellar_age", RandomForest(n_trees=9, n_jobs=1))
    unseen = pixels_of(galaxies[1], model)
    output = model.outputs["stellar_age"]
    parts = output.estimator.parts()
    assert len(parts) == 9 and sum(share for share, _ in parts) == pytest.approx(1)
    X = model._scaled(unseen.brightness)
    trees = np.array([tree.predict(X) for _, tree in parts], float)
    width = output.scale.maximum - output.scale.minimum
    expected = trees.std(axis=0, ddof=1) / 3 * width
    assert np.allclose(model.spread(unseen.brightness), expected, rtol=1e-4, atol=1e-7)
    assert np.allclose(trees.mean(axis=0), output.estimator.predict(X), atol=1e-6)
    row = scatter_of_one_fit(model, unseen)[0]
    assert row["estimate_scatter"] == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-4)


def test_parts_of_unequal_size_keep_their_share():
    X = np.random.default_rng(1).random((200, 2)).astype(np.float32)
    forest = RandomForest(n_trees=31, n_jobs=1).fit(X, X[:, 0])
    parts = forest.parts()
    assert len(parts) == 20 and {round(share * 31) for share, _ in parts} == {1, 2}
    mean = sum(share * part.predict(X).astype(float) for share, part in parts)
    assert np.allclose(mean, forest.predict(X), atol=1e-6)


def test_who_does_not_know_says_so(galaxies):
    model = train(galaxies[0], estimator=LinearRegression())
    with pytest.raises(InputError, match="LinearRegression does not know .* say how many runs"):
        epistemic_scatter(model, *galaxies, runs=None)
    assert Estimator.parts(LinearRegression()) is None
    assert RandomForest(n_trees=1, n_jobs=1).fit(np.eye(2), np.ones(2)).parts() is None


def test_parts_without_a_spread_leave_the_estimates_unknown(galaxies, monkeypatch):
    model = train(galaxies[0], estimator=RandomForest(n_trees=4, n_jobs=1))
    monkeypatch.setattr(RandomForest, "spread", Estimator.spread)
    row = epistemic_scatter(model, *galaxies, runs=None)[0]
    assert np.isnan(row["estimate_scatter"]) and row["r2_scatter"] > 0


def test_an_ensemble_knows_it_by_its_members(galaxies):
    members = Ensemble("random_forest", members=3, options=("n_trees=2", "n_jobs=1"))
    model = train(galaxies[0], estimator=members)
    row = epistemic_scatter(model, *galaxies, runs=None)[0]
    assert row["estimate_scatter"].value > 0 and row["r2_scatter"] > 0


def test_a_model_is_not_trained_again_where_it_is_known(galaxies, monkeypatch):
    model = train(galaxies[0], estimator=RandomForest(n_trees=2, n_jobs=1))
    pixels, unseen = (pixels_of(part, model) for part in galaxies)
    again = retrain(model, pixels, seed=1)
    assert np.array_equal(*(estimates(m, unseen, model.properties[0])[1] for m in (model, again)))
    assert known_or_trained(model, pixels) is model and known_or_trained(model, pixels, seed=1) is model
    trained = []

    def counted(model, pixels, **options):
        trained.append(options)
        return retrain(model, pixels, **options)

    monkeypatch.setattr("euclid_resolved.diagnostics._seed_scatter.retrain", counted)
    epistemic_scatter(model, pixels, unseen, runs=3)
    assert [options["seed"] for options in trained] == [2, 3]
    # Other pixels, or a model whose two seeds are not the same, are another matter.
    assert known_or_trained(model, pixels.of(pixels.names[:3])) is not model
    odd = train(galaxies[0], estimator=RandomForest(n_trees=2, n_jobs=1, seed=5))
    assert known_or_trained(odd, pixels) is odd and known_or_trained(odd, pixels, seed=1) is not odd
