"""Train a network with Keras."""

import os
import warnings

import numpy as np

from euclid_resolved.errors import DataWarning, InputError, PluginError
from euclid_resolved_dnn.network import Layer, glorot, run

# Validation pixels that are looked at after each epoch: more would cost time and not change the choice,
# since it is always the same ones that are compared.
_WATCHED = 2**18
_PASSES = 5  # most passes of an epoch through the pixels: few pixels are soon learned, and then by heart
_WARM_UP = 0.25  # of a cycle, in which the learning rate rises from nearly zero to its highest


def _keras():
    """Keras, on the back-end that KERAS_BACKEND names, or on TensorFlow."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # Both only keep TensorFlow from writing to the terminal: its note about oneDNN has no other switch.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they use of each other that is deprecated is their affair
            import keras
    except ImportError as error:
        raise PluginError(
            f"training a network needs Keras and its back-end {os.environ['KERAS_BACKEND']} ({error}): "
            "pip install './plugins/euclid_resolved_dnn[cpu]' (or [gpu]) in a clone. "
            "A trained model needs neither."
        ) from error
    return keras


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
    return network


def _layers(network, activation):
    arrays = [np.array(array, np.float32) for array in network.get_weights()]
    names = [activation] * (len(arrays) // 2 - 1) + ["linear"]
    return [Layer(*layer) for layer in zip(arrays[::2], arrays[1::2], names, strict=True)]


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
        float32, shapes (n, k) and (n, targets). Several targets count alike if they vary alike.
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
                loss += float(network.train_on_batch(X[rows], Y[rows])) / per_epoch
            layers = _layers(network, plan["activation"])
            with np.errstate(over="ignore", invalid="ignore"):
                val_loss = float(np.mean((run(layers, X_watched, plan["n_jobs"]) - Y_watched) ** 2))
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
    devices = keras.distribution.list_devices()
    return best, history, {"backend": keras.config.backend(), "device": str(devices[0]) if devices else ""}
