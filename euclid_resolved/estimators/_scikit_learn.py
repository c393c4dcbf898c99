"""What the paper tried before it chose (section 5.4), trained by scikit-learn and kept as plain arrays."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from euclid_resolved._checks import check_positive, check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import Estimator, check_X, check_X_y, state_array
from euclid_resolved.estimators._forest import LARGEST, arrange, round_down
from euclid_resolved.estimators._linear import LinearRegression
from euclid_resolved.estimators._trees import SampledTrees, TreeEnsemble

__all__ = ["ExtraTrees", "GradientBoosting", "MultiLayerPerceptron", "Ridge", "SupportVector"]


_CELLS = 1 << 20  # numbers in one block of intermediate results: they stay in cache


@dataclass
class Ridge(LinearRegression):
    """Linear regression whose coefficients are held small.

    Parameters
    ----------
    alpha : float
        The penalty: this times the sum of the squared coefficients is added to the sum of squared errors.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators import Ridge
    >>> X = np.linspace(0, 1, 11, dtype=np.float32)[:, None]
    >>> steep, flat = Ridge(alpha=1e-6).fit(X, X[:, 0]), Ridge(alpha=10.0).fit(X, X[:, 0])
    >>> print(steep.predict(X[-1:]), flat.predict(X[-1:]))
    [0.9999995] [0.5495496]
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha)

    def _solve(self, gram: np.ndarray, moment: np.ndarray) -> np.ndarray:
        return np.linalg.solve(gram + self.alpha * np.eye(len(gram)), moment)


@dataclass
class ExtraTrees(SampledTrees):
    """Extremely randomised trees: like a random forest, but thresholds are drawn, not searched.

    scikit-learn grows them. The settings mean what they mean in `~euclid_resolved.RandomForest`; each tree is
    grown on `max_samples` pixels drawn without repetition.

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.estimators import ExtraTrees
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=ExtraTrees(n_trees=5, n_jobs=1))
    >>> bool(evaluate(model, galaxies[3:])["r2"][0] > 0.9)
    True
    """

    def _sample(self, rng, n):
        if n <= self.max_samples:
            return np.arange(n), None
        return np.sort(rng.choice(n, self.max_samples, replace=False)), None

    def _new_tree(self, **settings):
        from sklearn.tree import ExtraTreeRegressor

        return ExtraTreeRegressor(**settings)


@dataclass
class GradientBoosting(TreeEnsemble):
    """Histogram gradient boosting: small trees, each fitted to what those before it left over.

    Parameters
    ----------
    n_trees : int
        The most trees. With more than 10,000 pixels a tenth of them is set aside, and growing ends when
        these have not improved for ten trees.
    learning_rate : float
    max_leaves : int
        The most leaves of a tree.
    min_samples_leaf : int
    seed : int
    n_jobs : int
        Threads; -1 takes every core.

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.estimators import GradientBoosting
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=GradientBoosting(n_trees=20, n_jobs=1))
    >>> bool(evaluate(model, galaxies[3:])["r2"][0] > 0.9)
    True
    """

    n_trees: int = 500
    learning_rate: float = 0.1
    max_leaves: int = 31
    min_samples_leaf: int = 20
    seed: int = 1
    n_jobs: int = -1

    accepts_nan = True
    _boosted = True

    def __post_init__(self) -> None:
        check_positive("learning_rate", self.learning_rate)
        for name, least in (("n_trees", 1), ("max_leaves", 2), ("min_samples_leaf", 1)):
            check_whole(name, getattr(self, name), least)

    def work(self, n: int) -> float:
        """The pixels of all trees; see `Estimator.work`."""
        return float(self.n_trees * n)

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Grow the trees; see `Estimator.fit`."""
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        X, y = check_X_y(X, y, nan=True)
        missing = bool(np.isnan(X).any())
        boosting = HistGradientBoostingRegressor(
            max_iter=self.n_trees,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.max_leaves,
            min_samples_leaf=self.min_samples_leaf,
            random_state=self.seed,
        )
        # With few pixels, waiting for each other takes threads longer than the work.
        threads = 1 if len(X) < 10_000 else self._threads()
        with threadpool_limits(threads, user_api="openmp"):
            fitted = boosting.fit(X, y)
        trees, gain = [], np.zeros(X.shape[1])
        for (predictor,) in fitted._predictors:
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            feature = np.where(leaf, -1, nodes["feature_idx"])
            np.add.at(gain, feature[~leaf], nodes["gain"][~leaf])
            value = np.where(leaf, nodes["value"].astype(np.float32), round_down(nodes["num_threshold"]))
            # Infinite is the threshold between all numbers and NaN.
            value = np.minimum(value, LARGEST)
            tree = feature, nodes["left"].astype(int), nodes["right"].astype(int), value
            trees.append((*tree, nodes["missing_go_to_left"]) if missing else tree)
        importance = gain / gain.sum() if gain.sum() > 0 else gain
        offset = np.ravel(fitted._baseline_prediction)[0]
        return self._set(arrange(trees, X.shape[1]), X.shape[1], importance, offset, missing)


def sampled(X: np.ndarray, y: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many pixels, drawn at random and in the order in which they were.

    Parameters
    ----------
    X, y : `~numpy.ndarray`
        Features and target, one row a pixel.
    most, seed : int

    Returns
    -------
    X, y : `~numpy.ndarray`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._scikit_learn import sampled
    >>> [len(part) for part in sampled(np.zeros((9, 2)), np.zeros(9), 4, seed=1)]
    [4, 4]
    """
    if len(X) <= most:
        return X, y
    rows = np.sort(np.random.default_rng(seed).choice(len(X), most, replace=False))
    return X[rows], y[rows]


class _Sampled(Estimator):
    """Fitted by scikit-learn to a random sample of pixels, and run from its state by NumPy.

    A fit ends in `restore`, so that a fresh estimator and one from a file are the same.
    """

    def work(self, n: int) -> float:
        """The pixels of the sample, as often as they are looked at; see `Estimator.work`."""
        return float(min(n, self.max_samples) * getattr(self, "epochs", 1))

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Fit to at most `max_samples` pixels; see `Estimator.fit`."""
        return self.restore(self._learn(*sampled(*check_X_y(X, y), self.max_samples, self.seed)))

    @abc.abstractmethod
    def _learn(self, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        """The state after a fit to these pixels."""

    def state(self) -> dict[str, Any]:
        """The arrays that `predict` uses."""
        return self._state

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Estimate, in blocks; see `Estimator.predict`."""
        X = check_X(X, self._n_features)
        y = np.empty(len(X), np.float32)
        rows = max(_CELLS // self._width, 1)
        for start in range(0, len(X), rows):
            y[start : start + rows] = self._run(X[start : start + rows])
        return y


@dataclass
class SupportVector(_Sampled):
    """Support vector regression with a Gaussian (RBF) kernel.

    Training time grows with the square of the number of pixels, and prediction time with the number of
    support vectors, a good part of the training pixels. So it learns from a random sample only.

    Parameters
    ----------
    max_samples : int
        The most pixels it learns from.
    C : float
        The price of an error beyond `epsilon`.
    epsilon : float
        Errors up to this, in units of the target's range, cost nothing.
    seed : int
        Of the sample.

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.estimators import SupportVector
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=SupportVector())
    >>> bool(evaluate(model, galaxies[3:])["r2"][0] > 0.9)
    True
    """

    max_samples: int = 5000
    C: float = 1.0
    epsilon: float = 0.05
    seed: int = 1

    def __post_init__(self) -> None:
        check_whole("max_samples", self.max_samples)
        check_positive("C", self.C)
        if not self.epsilon >= 0:
            raise InputError(f"epsilon must not be negative, got {self.epsilon}")

    def _learn(self, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        from sklearn.svm import SVR

        variance = float(X.var(dtype=np.float64))
        gamma = 1 / (X.shape[1] * variance) if variance > 0 else 1.0
        fitted = SVR(C=self.C, epsilon=self.epsilon, gamma=gamma)
        fitted.random_state = self.seed  # or it would draw from NumPy's global random numbers
        fitted.fit(X, y)
        return {
            "support_vectors": fitted.support_vectors_.astype(np.float32),
            "weights": fitted.dual_coef_[0],
            "intercept": float(fitted.intercept_[0]),
            "gamma": gamma,
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back support vectors and weights; see `Estimator.restore`."""
        vectors = state_array(state, "support_vectors", 2).astype(np.float64)
        weights = state_array(state, "weights", 1).astype(np.float64)
        if len(vectors) != len(weights) or not vectors.shape[1]:
            raise InputError(f"{len(weights)} weights do not fit support vectors of shape {vectors.shape}")
        self._vectors, self._weights = vectors, weights
        self._squares = (vectors * vectors).sum(axis=1)
        self._intercept, self._gamma = (float(state_array(state, n, 0)) for n in ("intercept", "gamma"))
        if not self._gamma > 0:
            raise InputError(f"gamma must be above 0, got {self._gamma}")
        self._n_features, self._width = vectors.shape[1], max(len(vectors), 1)
        self._state = {name: state[name] for name in ("support_vectors", "weights", "intercept", "gamma")}
        return self

    def _run(self, X):
        X = X.astype(np.float64)
        # |x - s|^2 as a product of matrices; rounding must not make it negative.
        kernel = X @ self._vectors.T
        kernel *= -2
        kernel += self._squares
        kernel += (X * X).sum(axis=1)[:, None]
        np.maximum(kernel, 0, out=kernel)
        kernel *= -self._gamma
        return np.exp(kernel, out=kernel) @ self._weights + self._intercept


@dataclass
class MultiLayerPerceptron(_Sampled):
    """A multi-layer perceptron with ReLU units, trained by Adam on the squared error.

    The paper's own network, which learns from every pixel and follows the paper's schedule, is a plugin
    (``dnn``); this one needs nothing but scikit-learn.

    Parameters
    ----------
    layers : tuple of int
        Units in each hidden layer.
    max_samples : int
        The most pixels it learns from, a random sample.
    epochs : int
        The most passes over the sample. Training ends earlier when a tenth of the pixels, set aside, has
        not improved for ten passes.
    batch : int
        Pixels a step.
    learning_rate : float
    seed : int

    Examples
    --------
    >>> from euclid_resolved import evaluate, train
    >>> from euclid_resolved.estimators import MultiLayerPerceptron
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=MultiLayerPerceptron(layers=(8,), epochs=20))
    >>> bool(evaluate(model, galaxies[3:])["r2"][0] > 0.9)
    True
    """

    layers: tuple[int, ...] = (64, 64)
    max_samples: int = 200_000
    epochs: int = 200
    batch: int = 256
    learning_rate: float = 0.001
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.layers or min(self.layers) < 1:
            raise InputError(f"layers needs at least one unit in each layer, got {self.layers}")
        for name in ("max_samples", "epochs", "batch"):
            check_whole(name, getattr(self, name))
        check_positive("learning_rate", self.learning_rate)

    def _learn(self, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor
        from threadpoolctl import threadpool_limits

        fitted = MLPRegressor(
            hidden_layer_sizes=tuple(self.layers),
            batch_size=min(self.batch, len(X)),
            learning_rate_init=self.learning_rate,
            max_iter=self.epochs,
            # Of a handful of pixels none can be spared.
            early_stopping=len(X) >= 1000,
            random_state=self.seed,
        )
        # The matrices of a step are so small that more threads only wait for each other.
        with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
            # Ending after `epochs` is what was asked for.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.fit(X, y)
        return {
            "weights": [weights.astype(np.float32) for weights in fitted.coefs_],
            "biases": [biases.astype(np.float32) for biases in fitted.intercepts_],
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back weights and biases, layer by layer; see `Estimator.restore`."""
        layers = [self._list(state, name) for name in ("weights", "biases")]
        weights = [state_array({"weights": a}, "weights", 2).astype(np.float32) for a in layers[0]]
        biases = [state_array({"biases": a}, "biases", 1).astype(np.float32) for a in layers[1]]
        shapes = [a.shape for a in weights]
        fits = len(weights) == len(biases) > 0 and shapes[-1][1] == 1 and min(min(s) for s in shapes) > 0
        fits = fits and all(a[1] == b[0] for a, b in zip(shapes, shapes[1:], strict=False))
        if not fits or any(s[1] != len(b) for s, b in zip(shapes, biases, strict=True)):
            raise InputError(f"weights of shape {shapes} are no network with {len(biases)} biases")
        self._layers = list(zip(weights, biases, strict=True))
        self._n_features, self._width = shapes[0][0], max(s[1] for s in shapes)
        self._state = {"weights": weights, "biases": biases}
        return self

    @staticmethod
    def _list(state, name):
        values = state.get(name) if isinstance(state, dict) else None
        if not isinstance(values, list | tuple):
            raise InputError(f"the state has no list {name!r}")
        return values

    def _run(self, X):
        *hidden, (weights, biases) = self._layers
        for w, b in hidden:
            X = X @ w
            X += b
            np.maximum(X, 0, out=X)
        return (X @ weights + biases)[:, 0]
