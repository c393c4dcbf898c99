"""The network: its contract, what it learns, how it is run, stored, interrupted and drawn."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from euclid_resolved_dnn import DeepNetwork, plot_history, training
from euclid_resolved_dnn.network import ACTIVATIONS, Layer, check_layers, glorot, run

from euclid_resolved import InputError, PluginError, read, train, write
from euclid_resolved.plugins import lookup
from euclid_resolved.testing import ESTIMATOR_CHECKS, example_galaxies

SMALL = DeepNetwork(
    layers=2, width=16, batch=64, learning_rate=2e-2, epochs=4, epoch_batches=15, activation="relu"
)


BUILD, BUILT = training._build, {}


def build_again(keras, arrays, activation, learning_rate):
    """A network of this shape as it was before its first step."""
    key = activation, *(array.shape for array in arrays)
    if key not in BUILT:
        BUILT[key] = BUILD(keras, arrays, activation, learning_rate)
        return BUILT[key]
    network = BUILT[key]
    network.set_weights(arrays)
    for variable in network.optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    network.optimizer.learning_rate = learning_rate
    return network


@pytest.fixture(autouse=True, scope="module")
def built_once():
    """A network of each shape is built once: compiling it takes seconds, and the steps of a test do not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_build", build_again)
        yield


def wave(n, seed=1):
    """Pixels of a function that no plane comes near to."""
    X = np.random.default_rng(seed).random((n, 3), dtype=np.float32)
    return X, (0.5 + 0.4 * np.sin(6 * X[:, 0]) * X[:, 1]).astype(np.float32)


def r2(y, p):
    return 1 - np.mean((y - p) ** 2) / np.var(y)


@pytest.fixture(scope="module")
def fitted():
    X, y = wave(3000)
    est = DeepNetwork(width=32, batch=256, learning_rate=1e-2, epochs=10, epoch_batches=40)
    return est.fit(X, y, validation=wave(500, 2))


@pytest.fixture(scope="module")
def model():
    """Of all properties, by one small network."""
    return train(example_galaxies(), "all", SMALL)


def network(est):
    """Keras's own network with the weights of an estimator."""
    layers = est.state()["layers"]
    arrays = [layer[name] for layer in layers for name in ("weights", "bias")]
    return training._build(training._keras(), arrays, layers[0]["activation"], 1e-3)


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS, ids=lambda check: check.__name__)
def test_contract(check):
    check(SMALL)


def test_registered():
    assert lookup("estimators", "dnn") is DeepNetwork


def test_learns_a_curved_function(fitted):
    X, y = wave(2000, 3)
    slope, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y, rcond=None)
    assert r2(y, np.column_stack([X, np.ones(len(X))]) @ slope) < 0.7
    assert r2(y, fitted.predict(X)) > 0.98


def test_presets():
    paper = DeepNetwork.paper()
    plan = paper._plan()
    assert paper == DeepNetwork(preset="paper", joint=False)
    assert (plan["layers"], plan["width"], plan["activation"], plan["batch"]) == (4, 64, "relu", 8192)
    assert (plan["schedule"], plan["learning_rate"], plan["patience"]) == ("plateau", 1e-4, 2000)
    assert (plan["decay"], plan["decay_patience"], plan["epoch_batches"]) == (0.8, 300, 0)
    assert sum(a.size for a in glorot([4, 64, 64, 64, 64, 1], np.random.default_rng(1))) == 12865
    # What is said wins over the preset, and a copy under another preset takes all of that one's values.
    assert DeepNetwork.paper(epochs=7)._plan()["epochs"] == 7
    assert replace(DeepNetwork(joint=False), preset="paper") == paper
    assert DeepNetwork(preset="paper", schedule="one_cycle")._plan()["schedule"] == "one_cycle"


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "best"}, {"layers": 0}, {"layers": 17}, {"width": 0}, {"width": 5000}, {"batch": 0},
        {"activation": "linear"}, {"activation": "lambda"}, {"schedule": "cosine"}, {"epochs": 0},
        {"epochs": 10**7}, {"patience": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")},
        {"decay": 1.0}, {"seed": -1}, {"epochs": "many"}, {"width": 6.5}, {"epoch_batches": -1},
        {"learning_rate": "high"}, {"standardise": 1},
    ],
    ids=str,
)  # fmt: skip
def test_settings_are_checked(settings):
    with pytest.raises(InputError):
        DeepNetwork(**settings)


def test_plateau_lowers_the_rate_and_stops(monkeypatch):
    losses = iter([4.0, 3.0, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5])
    est = DeepNetwork.paper(batch=64, epochs=50, decay_patience=2, patience=6, layers=1, width=4)
    monkeypatch.setattr(
        training, "run", lambda layers, X, n_jobs: np.sqrt(np.full((len(X), 1), next(losses)))
    )
    X, _ = wave(200)
    est.fit(X, np.zeros(200, np.float32), validation=(X[:9], np.zeros(9, np.float32)))
    rate = est.history["learning_rate"] / 1e-4
    np.testing.assert_allclose(rate, [1, 1, 1, 1, 0.8, 0.8, 0.64, 0.64])
    np.testing.assert_allclose(est.history["val_loss"], [4, 3] + 6 * [3.5])


def test_best_epoch_is_kept(fitted):
    X, y = wave(500, 2)
    loss = np.mean((fitted.predict(X) - y.astype(float)) ** 2)
    assert loss == fitted.history["val_loss"].min()


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"linear"}))
def test_numpy_equals_keras(fitted, activation):
    X, y = wave(5000, 4)
    est = fitted
    if activation != "relu":
        est = replace(SMALL, activation=activation).fit(X[:2000], y[:2000])
    theirs = network(est).predict(X, batch_size=1000, verbose=0)[:, 0]
    # 1, the target's range in training, is what a scaled prediction is measured by.
    assert np.abs(est.predict(X) - theirs).max() < 1e-6


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"linear"}))
def test_rows_are_independent_to_the_last_bit(monkeypatch, activation):
    rng = np.random.default_rng(5)
    arrays = [a + rng.normal(0, 0.1, a.shape).astype(np.float32) for a in glorot([5, 64, 33, 64, 2], rng)]
    names = [activation] * 3 + ["linear"]
    layers = [Layer(*layer) for layer in zip(arrays[::2], arrays[1::2], names, strict=True)]
    X = rng.random((5000, 5), dtype=np.float32)
    y, order = run(layers, X, 1), rng.permutation(len(X))
    assert y.shape == (5000, 2) and y.dtype == np.float32
    h = X.astype(np.float64)
    for weights, bias, name in layers:
        h = h @ weights.astype(np.float64) + bias
        ACTIVATIONS[name](h)
    np.testing.assert_allclose(y, h, rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(run(layers, X[order], 1), y[order])
    for start, stop in ((0, 1), (1, 8), (3, 1030), (17, 2066), (1024, 5000), (9, 9)):
        np.testing.assert_array_equal(run(layers, X[start:stop], 1), y[start:stop])
    for threads in (2, 3, -1):
        np.testing.assert_array_equal(run(layers, X, threads), y)
    for block in (100, 128, 4096):
        monkeypatch.setattr("euclid_resolved_dnn.network._BLOCK", block)
        np.testing.assert_array_equal(run(layers, X, 2), y)


def test_far_outside_training_stays_finite(fitted):
    X = np.full((4, 3), np.finfo(np.float32).max, np.float32) * np.array(
        [[1], [-1], [0], [1e-30]], np.float32
    )
    assert np.isfinite(fitted.predict(X)).all()


def test_same_seed_same_network(monkeypatch):
    monkeypatch.setattr(training, "_build", BUILD)
    X, y = wave(600)
    one, two, other = (replace(SMALL, seed=seed).fit(X, y) for seed in (1, 1, 2))
    for a, b in zip(one.state()["layers"], two.state()["layers"], strict=True):
        np.testing.assert_array_equal(a["weights"], b["weights"])
    assert not np.array_equal(one.predict(X), other.predict(X))


def test_random_state_of_others_is_left_alone():
    import random

    X, y = wave(100)
    random.seed(1), np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1), np.random.seed(1)
    replace(SMALL, epochs=1).fit(X, y)
    assert (random.random(), np.random.random()) == expected


def test_an_interrupt_is_passed_on_and_nothing_is_learned(monkeypatch):
    X, y = wave(1000)
    calls = []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(*args)

    monkeypatch.setattr(training, "run", interrupted)
    stopped = replace(SMALL)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, y)
    with pytest.raises(InputError, match="has learned nothing yet"):
        stopped.predict(X)
    # Of several properties none is begun after it.
    calls[:] = [1, 1, 1]
    with pytest.raises(KeyboardInterrupt):
        train(example_galaxies(), ("stellar_mass_density", "stellar_age"), replace(SMALL, joint=False))
    assert len(calls) == 4


def test_divergence_is_said():
    X, y = wave(300)
    with pytest.raises(InputError, match="diverged in epoch 1"):
        replace(SMALL, standardise=False).fit(X, y * np.float32(1e30))


def test_keras_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(PluginError, match=r"euclid_resolved_dnn\[cpu\]"):
        SMALL.fit(*wave(10))


BACKENDS = ("tensorflow", "jax", "torch")
WITHOUT = """
import sys
import numpy as np
from euclid_resolved import PluginError
from euclid_resolved_dnn import DeepNetwork
for name in sys.argv[1:]:
    sys.modules[name] = None
try:
    DeepNetwork().fit(np.zeros((10, 2), np.float32), np.zeros(10, np.float32))
except PluginError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("asked", "missing", "said"),
    [
        (
            None,
            BACKENDS,
            r"none of TensorFlow, JAX and PyTorch is installed.*dnn\[cpu\]' \(or \[gpu\] or \[jax\]\)",
        ),
        ("jax", ["jax"], r"KERAS_BACKEND=jax .*jax.*or \[jax\]"),
    ],
)
def test_a_missing_back_end_is_said(asked, missing, said, tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    env |= {"KERAS_HOME": str(tmp_path)} | ({"KERAS_BACKEND": asked} if asked else {})
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *missing], check=True, env=env, capture_output=True, text=True
    )
    assert re.search(said, done.stdout)


ON_JAX = """
import sys
import numpy as np
from euclid_resolved import train, write
from euclid_resolved.testing import example_galaxies
from euclid_resolved_dnn import DeepNetwork
galaxies = example_galaxies()
small = DeepNetwork(layers=2, width=16, batch=64, learning_rate=2e-2, epochs=4, epoch_batches=15)
model = train(galaxies, "all", small)
write(sys.argv[1] + "/model.asdf", model)
np.save(sys.argv[1] + "/age.npy", model.predict_maps(galaxies[0].image)["stellar_age"].data)
assert "tensorflow" not in sys.modules
"""


def test_a_model_from_jax_is_the_same_here(tmp_path):
    if find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    env = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", ON_JAX, str(tmp_path)], check=True, env=env)
    model = read(tmp_path / "model.asdf")
    assert model.versions["jax"] and "tensorflow" not in model.versions
    maps = model.predict_maps(example_galaxies()[0].image)
    np.testing.assert_array_equal(maps["stellar_age"].data, np.load(tmp_path / "age.npy"))
    # The back-end that is here does the same sums, and learns nearly the same from the same start.
    estimator = model.outputs["stellar_age"].estimator
    assert estimator.trained["backend"] == "jax"
    X = np.random.default_rng(1).random((1000, len(model.columns)), dtype=np.float32)
    theirs = network(estimator).predict(X, batch_size=1000, verbose=0)[:, 0]
    assert np.abs(estimator.predict(X) - theirs).max() < 1e-5
    again = train(example_galaxies(), "all", SMALL).outputs["stellar_age"].estimator
    assert np.abs(again.predict(X[:100]) - estimator.predict(X[:100])).max() < 0.1


def test_layers_undo_the_standardising():
    rng = np.random.default_rng(1)
    X = (0.3 + 0.01 * rng.random((500, 3))).astype(np.float32)
    Y = (0.7 + 0.02 * rng.random((500, 2))).astype(np.float32)
    seen, made = training._moments(X, True), training._moments(Y, True)
    arrays = [a + rng.normal(0, 0.1, a.shape).astype(np.float32) for a in glorot([3, 16, 16, 2], rng)]
    keras_network = training._build(training._keras(), arrays, "relu", 1e-3)
    theirs = keras_network.predict(training._standardised(X, seen), verbose=0)
    ours = run(training._layers(keras_network, "relu", seen, made), X)
    # Near 0.7, float32 knows a value to 1e-7: a few such steps.
    np.testing.assert_allclose(ours, theirs * made[1] + made[0], rtol=1e-6)
    assert abs(theirs.mean()) < 3 and abs(ours.mean() - 0.71) < 0.1


def test_features_in_a_narrow_range_are_learned_as_well():
    X, y = wave(3000)
    X, X_test = 0.3 + X / 30, 0.3 + wave(1000, 3)[0] / 30
    X[:, 2] = 0.4  # a feature that says nothing
    X_test[:, 2] = 0.4
    settings = dict(width=32, batch=256, learning_rate=1e-2, epochs=5, epoch_batches=40)
    reached = {
        s: r2(wave(1000, 3)[1], DeepNetwork(standardise=s, **settings).fit(X, y).predict(X_test))
        for s in (True, False)
    }
    assert reached[True] > 0.95 > reached[False]


def test_not_fitted():
    for use in (lambda e: e.predict(wave(2)[0]), lambda e: e.state(), lambda e: e.history):
        with pytest.raises(InputError, match="has learned nothing yet"):
            use(DeepNetwork())


def two_waves(n, seed=1):
    """Pixels of two functions, the second in a narrow range about another mean."""
    X, y = wave(n, seed)
    return X, np.column_stack([y, 0.9 - 0.02 * np.cos(5 * X[:, 2]) * X[:, 0]]).astype(np.float32)


def test_one_network_for_several_properties():
    X, Y = two_waves(3000)
    joint = DeepNetwork(width=32, batch=256, learning_rate=1e-2, epochs=10, epoch_batches=40)
    fitted = joint.fit_together(X, Y, validation=two_waves(500, 2))
    X_test, Y_test = two_waves(2000, 3)
    for estimator, y in zip(fitted, Y_test.T, strict=True):
        assert r2(y, estimator.predict(X_test)) > 0.97  # although one varies twenty times less
        again = replace(estimator).restore(estimator.state())
        np.testing.assert_array_equal(again.predict(X_test), estimator.predict(X_test))
    first, second = (estimator.state()["layers"] for estimator in fitted)
    for one, other in zip(first[:-1], second[:-1], strict=True):
        np.testing.assert_array_equal(one["weights"], other["weights"])
    np.testing.assert_array_equal(fitted[0].history["val_loss"], fitted[1].history["val_loss"])
    # The loss is the mean over the properties of the error over the variance.
    (X_held, Y_held), sigma = two_waves(500, 2), Y.std(axis=0, dtype=np.float64)
    errors = [e.predict(X_held) - y for e, y in zip(fitted, Y_held.T.astype(float), strict=True)]
    loss = np.mean([np.mean(e**2) / s**2 for e, s in zip(errors, sigma, strict=True)])
    np.testing.assert_allclose(loss, fitted[0].history["val_loss"].min(), rtol=1e-3)


def test_a_model_of_one_network_for_all_its_properties(model, tmp_path):
    galaxies = example_galaxies()
    hidden = [output.estimator.state()["layers"][0]["weights"] for output in model.outputs.values()]
    assert len(hidden) == 3 and all(np.array_equal(hidden[0], other) for other in hidden)
    write(tmp_path / "model.asdf", model)
    maps, again = (m.predict_maps(galaxies[0].image) for m in (model, read(tmp_path / "model.asdf")))
    for name, map_ in maps.items():
        np.testing.assert_array_equal(again[name].data, map_.data)
        assert np.isfinite(map_.data).any()


def test_one_network_each_if_joint_says_so():
    X, Y = two_waves(400)
    apart = replace(SMALL, joint=False).fit_together(X, Y)
    np.testing.assert_array_equal(apart[1].predict(X), replace(SMALL).fit(X, Y[:, 1]).predict(X))
    with pytest.raises(InputError, match="joint is True or False"):
        DeepNetwork(joint="yes")
    with pytest.raises(InputError, match="NaN"):
        SMALL.fit_together(X, Y * np.nan)


def test_a_model_knows_the_versions_of_keras_and_its_back_end(model):
    import keras  # after the training, which chooses the back-end

    assert model.versions["keras"] == keras.__version__
    assert model.versions[keras.config.backend()] == sys.modules[keras.config.backend()].__version__


SCRIPT = """
import sys
for name in ("tensorflow", "keras", "jax", "torch"):
    sys.modules[name] = None
import numpy as np
from euclid_resolved import read
model = read(sys.argv[1])
rows = np.load(sys.argv[2])
np.save(sys.argv[3], model.estimate(dict(zip(model.bands, rows.T)), "stellar_age"))
"""


def test_file_opens_without_tensorflow(model, tmp_path):
    galaxies = example_galaxies()
    write(tmp_path / "model.asdf", model)
    rows = np.column_stack([galaxies[0].image.brightness(band).ravel() for band in model.bands])
    np.save(tmp_path / "rows.npy", rows)
    paths = [str(tmp_path / name) for name in ("model.asdf", "rows.npy", "y.npy")]
    subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT, *paths], check=True)
    expected = model.estimate(dict(zip(model.bands, rows.T, strict=True)), "stellar_age")
    np.testing.assert_array_equal(np.load(paths[2]), expected)


def test_importing_brings_no_tensorflow():
    code = "import sys, euclid_resolved_dnn.plugin as p; p.register_estimators()['dnn'](); "
    code += "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'matplotlib')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bit_flips_are_refused_or_harmless(fitted):
    X, _ = wave(64, 6)
    X[0] = 1e30
    rng, refused = np.random.default_rng(1), 0
    for _ in range(400):
        state = fitted.state()
        layer = rng.integers(len(state["layers"]))
        name = ("weights", "bias")[rng.integers(2)]
        damaged = state["layers"][layer][name].copy()
        damaged.view(np.uint8).reshape(-1)[rng.integers(damaged.nbytes)] ^= 1 << rng.integers(8)
        state["layers"][layer] = {**state["layers"][layer], name: damaged}
        try:
            y = replace(fitted).restore(state).predict(X)
        except InputError:
            refused += 1
        else:
            assert np.isfinite(y).all()
    assert refused > 0


def test_hostile_states_are_refused(fitted):
    good = fitted.state()

    def layers(i, **changes):
        return {
            **good,
            "layers": [{**layer, **(changes if j == i else {})} for j, layer in enumerate(good["layers"])],
        }

    weights = good["layers"][1]["weights"]
    bad = [
        None, {}, [], {**good, "layers": []}, {**good, "layers": {}}, {**good, "layers": good["layers"][:-1]},
        {**good, "layers": 2 * good["layers"]}, {**good, "history": None}, {**good, "history": {}},
        {**good, "trained": None}, {**good, "trained": {"backend": "b", "device": "x" * 1000}},
        {**good, "history": {**good["history"], "loss": np.empty(0)}},
        layers(1, activation="tanh"), layers(1, activation=None), layers(1, activation=["relu"]),
        layers(1, weights=weights[:-1]), layers(1, weights=weights[:, :-1]), layers(1, weights="a"),
        layers(1, weights=weights * np.nan), layers(1, weights=weights.astype(int)),
        layers(1, weights=weights.astype(np.float64) * 1e200), layers(1, weights=weights * np.float32(1e36)),
        layers(1, bias=np.zeros((32, 1), np.float32)),
        layers(0, weights=np.empty((0, 32), np.float32)),
    ]  # fmt: skip
    for state in bad:
        with pytest.raises(InputError):
            replace(fitted).restore(state)


def test_check_layers_names_the_layer():
    one = Layer(np.ones((2, 1), np.float32), np.ones(1, np.float32), "linear")
    check_layers([one])
    with pytest.raises(InputError, match="layer 2"):
        check_layers([one, one])
    with pytest.raises(InputError, match="no activation 'exec'"):
        check_layers([one._replace(activation="exec")])
    with pytest.raises(InputError, match="2 outputs"):
        check_layers([Layer(np.ones((2, 2), np.float32), np.ones(2, np.float32), "linear")])


def test_history_and_its_figure(fitted):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    history = fitted.history
    assert {len(column) for column in history.values()} == {10}
    assert history["loss"][-1] < history["loss"][0]
    assert history["learning_rate"].argmax() == 2
    assert fitted.trained["backend"] == training._keras().config.backend() and fitted.trained["device"]
    figure, ax = plt.subplots()
    assert plot_history(replace(fitted).restore(fitted.state()), ax) is ax
    assert len(ax.lines[0].get_xdata()) == 10
    plt.close(figure)


def test_work_is_the_pixels_of_all_batches():
    assert DeepNetwork(batch=10, epochs=3, epoch_batches=4).work(1000) == 3 * 4 * 10
    # Few pixels are passed through five times an epoch at most; without a number of batches once.
    assert DeepNetwork(batch=10, epochs=3, epoch_batches=400).work(100) == 3 * 5 * 100
    assert DeepNetwork(batch=10, epochs=3, epoch_batches=0).work(100) == 3 * 100
