"""Train a network with Keras."""

import importlib.util
import os
import sys
import warnings

import numpy as np

from euclid_resolved.errors import DataWarning, InputError, PluginError
from euclid_resolved_dnn.network import Layer, glorot, run

# Validation pixels that are looked at after each epoch: more would cost time and not change the choice,
# since it is always the same ones that are compared. Means and widths are those of about as many pixels.
_WATCHED = 2**18
_NARROWEST = (
    1e-3  # standard deviation that a feature between 0 and 1 is taken to have at least: outliers stay near
)
_PASSES = 5  # most passes of an epoch through the pixels: few pixels are soon learned, and then by heart
_WARM_UP = 0.25  # of a cycle, in which the learning rate rises from nearly zero to its highest
_BACKENDS = "tensorflow", "jax", "torch"


def _keras():
    """Keras, on the back-end that KERAS_BACKEND names, else on the first that is installed."""
    if "KERAS_BACKEND" not in os.environ and "keras" not in sys.modules:
        found = [name for name in _BACKENDS if importlib.util.find_spec(name)]
        if not found:
            raise _missing("none of TensorFlow, JAX and PyTorch is installed")
        os.environ["KERAS_BACKEND"] = found[0]
    backend = os.environ.get("KERAS_BACKEND", "")
    if backend == "tensorflow":
        # Both only keep it from writing to the terminal: its note about oneDNN has no other switch.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they use of each other that is deprecated is their affair
            import keras
    # Keras has a ValueError for a back-end that it does not know.
    except (ImportError, ValueError) as error:
        raise _missing(f"with KERAS_BACKEND={backend} it fails: {error}") from error
    return keras


def _missing(what):
    return PluginError(
        f"training a network needs Keras and one of its back-ends, {what}. They come with "
        "pip install './plugins/euclid_resolved_dnn[cpu]' (or [gpu] or [jax]) in a clone. "
        "A trained model needs neither."
    )


def _device(keras):
    """The device that trains: Keras takes a GPU where its back-end finds one."""
    try:
        devices = [str(device) for device in keras.distribution.list_devices()]
    except (AttributeError, NotImplementedError):  # Keras lists none for PyTorch
        return ""
    return next((device for device in devices if not device.startswith("cpu")), devices[0] if devices else "")


def _build(keras, arrays, activation, learning_rate):
    """The network for Keras, with the weights given."""
    network = keras.Sequential([keras.Input((len(arrays[0]),), dtype="float32")])
    names = [activation] * (len(arrays) // 2 - 1) + ["linear"]
    for weights, name in zip(arrays[::2], names, strict=True):
        # Zeros: Keras would draw from the global random state, and the weights are replaced at once.
        network.add(
            keras.layers.Dense(weights.shape[1], activation=name, kernel_initializer="zeros", dtype="float32")
        )
    network.set_weights(arrays)
    network.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse")
    # Its moments are there before the first batch: otherwise TensorFlow traces the step twice.
    network.optimizer.build(network.trainable_variables)
    return network


def _layers(network, activation, seen, made):
    """The layers, made such that they take features and give targets that are not standardised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # with JAX, Keras uses what NumPy warns of
        arrays = [np.array(array, np.float64) for array in network.get_weights()]
    (mean, sigma), (centre, width) = seen, made
    arrays[0] /= sigma[:, None]
    arrays[1] -= mean @ arrays[0]
    arrays[-2] *= width
    arrays[-1] = arrays[-1] * width + centre
    names = [activation] * (len(arrays) // 2 - 1) + ["linear"]
    arrays = [array.astype(np.float32) for array in arrays]
    return [Layer(*layer) for layer in zip(arrays[::2], arrays[1::2], names, strict=True)]


def _moments(values, wanted, least=0.0):
    """Mean of each column, and its standard deviation or `least` if that is more; 0 and 1 if not wanted."""
    n = values.shape[1]
    if not wanted:
        return np.zeros(n), np.ones(n)
    some = values[:: len(values) // _WATCHED + 1].astype(np.float64)
    sigma = some.std(axis=0)
    return some.mean(axis=0), np.where(sigma > 0, np.maximum(sigma, least), 1)


def _standardised(values, moments):
    mean, sigma = (moment.astype(np.float32) for moment in moments)
    return (values - mean) / sigma


def _batches(n, size, rng):
    """Row numbers of batch after batch, through all rows again and again, shuffled each time."""
    left = np.empty(0, np.uint32)
    while True:
        # What does not fill a batch begins the next pass: batches of one size are compiled once.
        left = np.concatenate([left, rng.permutation(np.arange(n, dtype=np.uint32))])
        whole = len(left) // size * size
        yield from left[:whole].reshape(-1, size)
        left = left[whole:]


def batches_of_epoch(n, plan):
    """The size of a batch, and how many an epoch has, of n pixels.

    Parameters
    ----------
    n : int
    plan : dict
        The settings, none of them None.

    Returns
    -------
    size, number : int
    """
    size = min(plan["batch"], n)
    one_pass = max(n // size, 1)
    return size, min(plan["epoch_batches"] or one_pass, _PASSES * one_pass)


def _one_cycle(part):
    """The learning rate as a fraction of its peak, when this part of all batches is done."""
    if part < _WARM_UP:
        return 0.04 + 0.96 * part / _WARM_UP
    return 0.5 * (1 + np.cos(np.pi * (part - _WARM_UP) / (1 - _WARM_UP))) + 1e-4


def train(X, Y, validation, plan):
    """Train a network by mean squared error and Adam, and keep it at its best.

    Parameters
    ----------
    X, Y : `~numpy.ndarray`
        float32, shapes (n, k) and (n, targets). Several targets count alike: each in units of its variance.
    validation : tuple of `~numpy.ndarray`
        Pixels (X, Y) that decide which epoch was best.
    plan : dict
        The settings of `~euclid_resolved_dnn.DeepNetwork`, none of them None.

    Returns
    -------
    layers : list of `~euclid_resolved_dnn.network.Layer`
        As they were after the epoch of smallest validation loss.
    history : dict of str to `~numpy.ndarray`
        ``loss``, ``val_loss`` and ``learning_rate`` of each epoch.
    trained : dict of str to str
        The back-end and the device that trained it.
    """
    from tqdm import tqdm

    keras = _keras()
    rng = np.random.default_rng(plan["seed"])
    sizes = [X.shape[1], *[plan["width"]] * plan["layers"], Y.shape[1]]
    network = _build(keras, glorot(sizes, rng), plan["activation"], plan["learning_rate"])
    several = Y.shape[1] > 1
    seen, made = _moments(X, plan["standardise"], _NARROWEST), _moments(Y, plan["standardise"] or several)
    # What a loss is measured in: one target has its own units.
    unit = made[1] if several else np.ones(1)
    loss_unit = 1 if several else float(made[1][0]) ** 2
    watched = np.random.default_rng(plan["seed"]).permutation(len(validation[1]))[:_WATCHED]
    X_watched, Y_watched = validation[0][watched], validation[1][watched].astype(np.float64)

    size, per_epoch = batches_of_epoch(len(X), plan)
    batches = _batches(len(X), size, rng)
    rate, history, best, best_epoch, lowered = plan["learning_rate"], [], None, 0, 0
    bar = tqdm(total=plan["epochs"], desc="training network", unit="epoch", disable=None, leave=False)
    try:
        for epoch in range(plan["epochs"]):
            loss = 0.0
            for i in range(per_epoch):
                if plan["schedule"] == "one_cycle":
                    rate = plan["learning_rate"] * _one_cycle((epoch + i / per_epoch) / plan["epochs"])
                    network.optimizer.learning_rate = rate
                rows = next(batches)
                x, y = _standardised(X[rows], seen), _standardised(Y[rows], made)
                loss += float(network.train_on_batch(x, y)) * loss_unit / per_epoch
            with np.errstate(over="ignore", invalid="ignore"):
                layers = _layers(network, plan["activation"], seen, made)
                errors = (run(layers, X_watched, plan["n_jobs"]) - Y_watched) / unit
                val_loss = float(np.mean(errors**2))
            if not np.isfinite([loss, val_loss]).all():
                message = f"the network diverged in epoch {epoch + 1}; try a smaller learning_rate"
                if best is None:
                    raise InputError(message)
                warnings.warn(f"{message} (what came before is kept)", DataWarning, stacklevel=3)
                break
            history.append((loss, val_loss, rate))
            bar.set_postfix(val_loss=f"{val_loss:.3g}", refresh=False)
            bar.update()
            if best is None or val_loss < history[best_epoch][1]:
                best, best_epoch = layers, epoch
            elif epoch - best_epoch >= plan["patience"]:
                break
            elif plan["schedule"] == "plateau" and epoch - max(best_epoch, lowered) >= plan["decay_patience"]:
                rate, lowered = rate * plan["decay"], epoch
                network.optimizer.learning_rate = rate
    finally:
        bar.close()
    columns = np.array(history, dtype=np.float64).T
    history = dict(zip(("loss", "val_loss", "learning_rate"), columns, strict=True))
    return best, history, {"backend": keras.config.backend(), "device": _device(keras)}
