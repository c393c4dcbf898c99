"""Train the network with Keras."""

import contextlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from euclid_resolved.errors import InputError, PluginError
from euclid_resolved_unet.network import Layer, shapes, wire

_BACKENDS = "tensorflow", "jax", "torch"
_BIN_WEIGHT = 0.1  # of the bin's likelihood beside the squared error, which is in units of the variance
_WARM_UP = 0.2  # of a cycle, in which the learning rate rises
_JUDGED = 2  # an epoch has crops of this many times the area that can be learned from
_WEIGHT_DECAY = 1e-2


def keras_library() -> Any:
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
        f"training a U-Net needs Keras and one of its back-ends, {what}. They come with "
        "pip install './plugins/euclid_resolved_unet[cpu]' (or [gpu] or [jax]) in a clone. "
        "A trained one needs neither."
    )


def build(layers: Sequence[Layer]) -> tuple[Any, list[Any]]:
    """The network for Keras, with these weights.

    Parameters
    ----------
    layers : sequence of `~euclid_resolved_unet.network.Layer`

    Returns
    -------
    network : `keras.Model`
    convolutions : list of `keras.layers.Conv2D`
        In the order of `layers`.
    """
    keras = keras_library()
    last = len(layers) - 1
    convolutions = [
        keras.layers.Conv2D(
            len(layer.bias),
            len(layer.kernel),
            padding="same",
            activation="relu" if number < last else "linear",
            # Zeros: Keras would draw from the global random state, and the weights are replaced at once.
            kernel_initializer="zeros",
            dtype="float32",
        )
        for number, layer in enumerate(layers)
    ]
    start = keras.Input((None, None, layers[0].kernel.shape[2]), dtype="float32")
    end = wire(
        start,
        convolutions,
        halve=lambda x: keras.layers.AveragePooling2D(2)(x),
        double=lambda x: keras.layers.UpSampling2D(2)(x),
        join=lambda a, b: keras.layers.Concatenate()([a, b]),
    )
    network = keras.Model(start, end)
    for convolution, layer in zip(convolutions, layers, strict=True):
        convolution.set_weights(list(layer))
    return network, convolutions


def first_layers(inputs: int, widths: Sequence[int], outputs: int, rng: np.random.Generator) -> list[Layer]:
    """Weights to begin with: normal, with the variance of He and others (2015); biases are zero."""
    layers = []
    for shape in shapes(inputs, widths, outputs):
        sigma = np.sqrt((2 if shape[0] > 1 else 0.1) / np.prod(shape[:3]))
        layers.append(Layer(rng.normal(0, sigma, shape).astype(np.float32), np.zeros(shape[3], np.float32)))
    return layers


@contextlib.contextmanager
def quiet():
    """Keep TensorFlow from advice about how often it compiles: a network is compiled once a training."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _loss(keras, edges):
    """The loss of values within bins, on the pixels that count.

    What is true has the planes of the properties and one more, 1 where a pixel counts.
    """
    ops, low, high = keras.ops, edges[:, :-1].astype(np.float32), edges[:, 1:].astype(np.float32)
    middle, half = (low + high) / 2, (high - low) / 2
    properties, bins = low.shape
    low[:, 0], high[:, -1] = -np.inf, np.inf  # the largest value of training has a bin, too

    def loss(true, made):
        counts, true = true[..., properties:], true[..., :properties, None]
        made = ops.reshape(made, (*ops.shape(made)[:3], properties, 2, bins))
        likely = ops.log_softmax(made[..., 0, :], axis=-1)
        inside = ops.cast((true >= low) & (true < high), "float32")
        value = ops.sum(ops.exp(likely) * (middle + half * ops.tanh(made[..., 1, :])), axis=-1)
        error = (value - true[..., 0]) ** 2 - _BIN_WEIGHT * ops.sum(inside * likely, axis=-1)
        return ops.sum(error * counts) / (properties * ops.maximum(ops.sum(counts), 1))

    return loss


def one_cycle(part: float) -> float:
    """The learning rate as a fraction of its peak, when this part of all batches is done."""
    if part < _WARM_UP:
        return 0.04 + 0.96 * part / _WARM_UP
    return 0.5 * (1 + np.cos(np.pi * (part - _WARM_UP) / (1 - _WARM_UP))) + 1e-4


def turned(planes: np.ndarray, way: int) -> np.ndarray:
    """One of the eight ways to turn and mirror an image; its rows and columns are the last two axes.

    Parameters
    ----------
    planes : `~numpy.ndarray`
    way : int
        0 to 7; 0 leaves it as it is.

    Returns
    -------
    planes : `~numpy.ndarray`
    """
    planes = planes[..., ::-1] if way >= 4 else planes
    return np.rot90(planes, way % 4, axes=(-2, -1))


def turned_back(planes: np.ndarray, way: int) -> np.ndarray:
    """Undo `turned`."""
    planes = np.rot90(planes, -(way % 4), axes=(-2, -1))
    return planes[..., ::-1] if way >= 4 else planes


class Crops:
    """Pieces of galaxies at random places, turned and mirrored at random.

    Parameters
    ----------
    examples : sequence of `~numpy.ndarray`
        For each galaxy float32 planes of shape (inputs + properties + 1, ny, nx); the last is 1 where a
        pixel counts.
    side : int
        Of a piece, in pixels.
    """

    def __init__(self, examples: Sequence[np.ndarray], side: int) -> None:
        self.examples, self.side = examples, side
        self.places = [np.argwhere(planes[-1] > 0) for planes in examples]
        of_galaxy = [max(1, round(_JUDGED * len(each) / side**2)) for each in self.places]
        self.order = np.repeat(np.arange(len(examples)), of_galaxy)

    def batches(self, size: int, rng: np.random.Generator):
        """Batch after batch of one epoch, float32, shape (size, planes, side, side)."""
        order = rng.permutation(self.order)
        # What does not fill the last batch is filled up: batches of one size are compiled once.
        order = np.resize(order, -(-len(order) // size) * size)
        for numbers in order.reshape(-1, size):
            yield np.stack([self._crop(int(number), rng) for number in numbers])

    def _crop(self, number, rng):
        planes, places = self.examples[number], self.places[number]
        piece = np.zeros((len(planes), self.side, self.side), np.float32)
        source, target = [], []
        for centre, length in zip(places[rng.integers(len(places))], planes.shape[1:], strict=True):
            # The pixel drawn lies anywhere in the middle half of the piece.
            start = int(centre) - int(rng.integers(self.side // 4, self.side - self.side // 4))
            if length >= self.side:
                start = min(max(start, 0), length - self.side)
            begin, end = max(start, 0), min(start + self.side, length)
            source.append(slice(begin, end))
            target.append(slice(begin - start, end - start))
        piece[:, target[0], target[1]] = planes[:, source[0], source[1]]
        return turned(piece, int(rng.integers(8)))


def fit(
    examples: Sequence[np.ndarray],
    edges: np.ndarray,
    *,
    widths: Sequence[int],
    epochs: int,
    batch: int,
    side: int,
    learning_rate: float,
    seed: int,
    progress: bool,
) -> tuple[list[Layer], np.ndarray]:
    """Train a network.

    Parameters
    ----------
    examples : sequence of `~numpy.ndarray`
        See `Crops`.
    edges : `~numpy.ndarray`
        Of the bins, shape (properties, bins + 1), in the units of the true planes.
    widths, epochs, batch, side, learning_rate, seed, progress
        See `~euclid_resolved_unet.train_unet`.

    Returns
    -------
    layers : list of `~euclid_resolved_unet.network.Layer`
    history : `~numpy.ndarray`
        float64, the mean loss of each epoch.
    """
    from tqdm import tqdm

    keras = keras_library()
    rng = np.random.default_rng(seed)
    properties, bins = len(edges), edges.shape[1] - 1
    inputs = len(examples[0]) - properties - 1
    network, convolutions = build(first_layers(inputs, widths, properties * 2 * bins, rng))
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=_WEIGHT_DECAY, global_clipnorm=1.0)
    network.compile(optimizer=optimizer, loss=_loss(keras, edges))
    crops = Crops(examples, side)
    per_epoch = -(-len(crops.order) // batch)
    history = []
    bar = tqdm(
        total=epochs, desc="training U-Net", unit="epoch", disable=None if progress else True, leave=False
    )
    with quiet(), bar:
        for epoch in range(epochs):
            loss = 0.0
            for i, planes in enumerate(crops.batches(batch, rng)):
                network.optimizer.learning_rate = learning_rate * one_cycle((epoch + i / per_epoch) / epochs)
                planes = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
                loss += float(network.train_on_batch(planes[..., :inputs], planes[..., inputs:])) / per_epoch
            if not np.isfinite(loss):
                raise InputError(f"the network diverged in epoch {epoch + 1}; try a smaller learning_rate")
            history.append(loss)
            bar.set_postfix(loss=f"{loss:.3g}", refresh=False)
            bar.update()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # with JAX, Keras uses what NumPy warns of
        layers = [Layer(*(np.array(a, np.float32) for a in each.get_weights())) for each in convolutions]
    return layers, np.array(history)
