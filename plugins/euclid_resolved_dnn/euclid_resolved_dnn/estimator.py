"""The network as an estimator: settings, presets, and a state that is checked."""

from dataclasses import dataclass, fields, replace

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators import Estimator, check_X, check_X_y, state_array
from euclid_resolved_dnn.network import ACTIVATIONS, Layer, check_layers, run

__all__ = ["PRESETS", "DeepNetwork"]

_MOST_LAYERS, _GREATEST_WIDTH, _MOST_EPOCHS = 16, 4096, 1_000_000

PRESETS = {
    "fast": {
        "batch": 2048,
        "schedule": "one_cycle",
        "learning_rate": 4e-3,
        "epochs": 120,
        "epoch_batches": 200,
        "patience": _MOST_EPOCHS,  # a cycle is worth its end
        "standardise": True,
    },
    "paper": {
        "batch": 8192,
        "schedule": "plateau",
        "learning_rate": 1e-4,
        "epochs": 100_000,
        "epoch_batches": 0,
        "patience": 2000,
        "standardise": False,
    },
}
"""What a preset says about the settings that are left to it."""

_SCHEDULES = ("one_cycle", "plateau")
_HIDDEN = sorted(set(ACTIVATIONS) - {"linear"})
_WHOLE = (
    "layers", "width", "batch", "epochs", "epoch_batches", "patience", "decay_patience", "seed", "n_jobs"
)  # fmt: skip
_HELD = 0.2  # of the pixels, where no validation pixels are given


@dataclass
class DeepNetwork(Estimator):
    """The deep neural network of Euclid preparation LXVIII (section 3.1): dense layers, trained by Adam.

    Keras trains it, and is imported only then; code compiled by Numba runs it.

    Parameters
    ----------
    preset : {"fast", "paper"}
        Where the settings that are None come from. ``fast`` is one cycle of the learning rate, up and
        down again, over a fixed number of batches: minutes on two cores. ``paper`` is a small learning
        rate that is lowered when progress stops, and patience: hours.
    layers : int
        Hidden layers, at most 16.
    width : int
        Neurons in each, at most 4096.
    activation : {"relu", "elu", "silu", "tanh"}
        Of the hidden layers.
    batch : int, optional
        Pixels in a step of the optimiser.
    schedule : {"one_cycle", "plateau"}, optional
        How the learning rate changes.
    learning_rate : float, optional
        Of a plateau, that to begin with; of one cycle, the highest.
    epochs : int, optional
        Of one cycle, its length; of a plateau, the most there may be.
    epoch_batches : int, optional
        Batches of an epoch, or as many as make five passes through the training pixels if that is fewer;
        0 makes it one pass.
    patience : int, optional
        Training ends after so many epochs without a smaller validation loss.
    decay, decay_patience : float, int
        On a plateau, the learning rate is multiplied by `decay` after `decay_patience` epochs without a
        smaller validation loss, and after as many again.
    standardise : bool, optional
        Whether features and targets have mean 0 and standard deviation 1 while it learns, so that it learns
        in fewer steps. Its layers are those for features and targets as they are. The paper has them between
        0 and 1.
    joint : bool
        Whether one network learns all properties that `~euclid_resolved.train` is asked for: layers in
        common, one output each. That takes about the time of one. The paper has one network each.
    seed : int
        Of the initial weights, of the order of the pixels, and of the choice of validation pixels where
        none are given.
    n_jobs : int
        Threads that predict; -1 takes every core. Keras takes what it is given by its own settings.
    """

    preset: str = "fast"
    layers: int = 4
    width: int = 64
    activation: str = "relu"
    batch: int | None = None
    schedule: str | None = None
    learning_rate: float | None = None
    epochs: int | None = None
    epoch_batches: int | None = None
    patience: int | None = None
    decay: float = 0.8
    decay_patience: int = 300
    standardise: bool | None = None
    joint: bool = True
    seed: int = 1
    n_jobs: int = -1

    def __post_init__(self):
        if self.preset not in PRESETS:
            raise InputError(f"no preset {self.preset!r}; there are {', '.join(PRESETS)}")
        plan = self._plan()
        for name in _WHOLE:
            if not isinstance(plan[name], int | np.integer):
                raise InputError(f"{name} is a whole number, got {plan[name]!r}")
        for name in ("learning_rate", "decay"):
            if not isinstance(plan[name], float | np.floating) or not 0 < plan[name] < 1:
                raise InputError(f"{name} is a number between 0 and 1, got {plan[name]!r}")
        for name in ("standardise", "joint"):
            if not isinstance(plan[name], bool):
                raise InputError(f"{name} is True or False, got {plan[name]!r}")
        if not 1 <= self.layers <= _MOST_LAYERS or not 1 <= self.width <= _GREATEST_WIDTH:
            raise InputError(
                f"layers lie between 1 and {_MOST_LAYERS} and width between 1 and {_GREATEST_WIDTH}, got "
                f"{self.layers} and {self.width}"
            )
        if self.activation not in _HIDDEN:
            raise InputError(f"no activation {self.activation!r}; there are {', '.join(_HIDDEN)}")
        if plan["schedule"] not in _SCHEDULES:
            raise InputError(f"no schedule {self.schedule!r}; there are {', '.join(_SCHEDULES)}")
        for name in ("batch", "epochs", "patience", "decay_patience"):
            if plan[name] < 1:
                raise InputError(f"{name} must be at least 1, got {plan[name]}")
        if plan["epochs"] > _MOST_EPOCHS:
            raise InputError(f"at most {_MOST_EPOCHS} epochs, got {plan['epochs']}")
        if plan["epoch_batches"] < 0 or self.seed < 0:
            raise InputError("epoch_batches and seed must not be negative")

    @classmethod
    def paper(cls, **settings):
        """A network with the paper's settings, one for each property.

        Parameters
        ----------
        **settings
            Those to change.

        Returns
        -------
        estimator : `DeepNetwork`
        """
        return cls(**{"preset": "paper", "joint": False, **settings})

    def _plan(self):
        """The settings, with those left to the preset filled in."""
        plan = {field.name: getattr(self, field.name) for field in fields(self)}
        return plan | {name: value for name, value in PRESETS[self.preset].items() if plan[name] is None}

    @property
    def history(self):
        """``loss``, ``val_loss`` and the last ``learning_rate`` of each epoch, as arrays.

        Of a network of several properties the losses are the mean over these, each in units of its variance.
        """
        return dict(self._history)

    @property
    def trained(self):
        """What trained it: ``backend`` and ``device``."""
        return dict(self._trained)

    @property
    def libraries(self):
        """Keras and its back-end; see `~euclid_resolved.estimators.Estimator.libraries`."""
        return "keras", self._trained["backend"]

    def fit(self, X, y, validation=None):
        """Train with Keras; see `~euclid_resolved.estimators.Estimator.fit`.

        The weights of the epoch with the smallest loss on the validation pixels are kept. Without
        validation pixels a fifth of the rows is set aside. An interrupt (Ctrl-C) ends the training and is
        passed on: nothing is learned.

        Raises
        ------
        InputError
            If X or y cannot be used, or the network diverges at once.
        PluginError
            If Keras or its back-end is not installed.
        """
        X, y = check_X_y(X, y)
        if validation is not None and len(validation[1]):
            X_held, y_held = check_X_y(*validation)
            validation = X_held, y_held[:, None]
        (learned,) = self._train(X, y[:, None], validation)
        return self._set(*learned)

    def fit_together(self, X, Y, validation=None):
        """One network for all targets where `joint` says so, else one each.

        See `~euclid_resolved.estimators.Estimator.fit_together`. Each target counts as much as any other, in
        units of its variance. Every estimator returned has the common layers and its own output.
        """
        if not self.joint:
            return super().fit_together(X, Y, validation=validation)
        X, Y = check_X(X), np.asarray(Y, np.float32)
        for column in Y.T:
            check_X_y(X, column)
        if validation is not None:
            validation = validation[0], np.asarray(validation[1], np.float32)
        return [replace(self)._set(*learned) for learned in self._train(X, Y, validation)]

    def _train(self, X, Y, validation):
        """For each target its layers, the history, and what trained it."""
        from euclid_resolved_dnn.training import train

        if validation is None or not len(validation[1]):
            order = np.random.default_rng(self.seed).permutation(len(X))
            held = order[: int(_HELD * len(X))]
            rows = order[len(held) :]
            # Fewer than five rows cannot spare one.
            validation = (X[held], Y[held]) if len(held) else (X, Y)
            X, Y = X[rows], Y[rows]
        X_held, Y_held = check_X(validation[0], X.shape[1]), validation[1]
        (*common, last), *rest = train(X, Y, (X_held, Y_held), self._plan())
        learned = []
        for weights, bias in zip(last.weights.T, last.bias, strict=True):
            own = Layer(weights[:, None].copy(), bias[None].copy(), last.activation)
            learned.append(([*common, own], *rest))
        return learned

    def _set(self, layers, history, trained):
        check_layers(layers)  # rather now than when its file is opened
        self._layers, self._history, self._trained = layers, history, trained
        return self

    def predict(self, X):
        """Run the network; see `~euclid_resolved.estimators.Estimator.predict`.

        Always finite: features are held within 1000 times the training range.
        """
        return run(self._layers, check_X(X, len(self._layers[0].weights)), self.n_jobs)[:, 0]

    def work(self, n):
        """The pixels of all batches, at most; see `~euclid_resolved.estimators.Estimator.work`."""
        from euclid_resolved_dnn.training import batches_of_epoch

        plan = self._plan()
        size, number = batches_of_epoch(n, plan)
        return float(plan["epochs"] * number * size)

    def state(self):
        """The layers (``weights``, ``bias``, ``activation``), the ``history``, and what ``trained`` it."""
        layers = [layer._asdict() for layer in self._layers]
        return {"layers": layers, "history": self.history, "trained": self.trained}

    def restore(self, state):
        """Take back what `state` gave, checked; see `~euclid_resolved.estimators.Estimator.restore`."""
        try:
            stored, history, trained = state["layers"], state["history"], state["trained"]
            layers = [
                Layer(_float32(layer, "weights", 2), _float32(layer, "bias", 1), layer["activation"])
                for layer in stored
            ]
            trained = {name: trained[name] for name in ("backend", "device")}
        except (KeyError, TypeError) as error:
            raise InputError(f"the state is no network's: {type(error).__name__} {error}") from None
        names = [self.activation] * self.layers + ["linear"]
        shapes = [layer.weights.shape[1] for layer in layers]
        if [layer.activation for layer in layers] != names or shapes != [self.width] * self.layers + [1]:
            raise InputError(
                f"the state's layers are not {self.layers} of {self.width} neurons with {self.activation}"
            )
        if not all(isinstance(text, str) and len(text) <= 200 for text in trained.values()):
            raise InputError("'trained' must name a backend and a device")
        columns = {name: state_array(history, name, 1) for name in ("loss", "val_loss", "learning_rate")}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1 or not 1 <= max(lengths) <= _MOST_EPOCHS:
            raise InputError(f"the history's columns have lengths {sorted(lengths)}, one is needed")
        return self._set(layers, columns, trained)


def _float32(state, name, ndim):
    with np.errstate(over="ignore"):  # what becomes infinite is refused when the layers are checked
        return np.ascontiguousarray(state_array(state, name, ndim), np.float32)
