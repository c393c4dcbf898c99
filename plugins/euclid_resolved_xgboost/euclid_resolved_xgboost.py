"""XGBoost for euclid_resolved: boosted trees with early stopping, and a random forest.

XGBoost is needed to train only. What it learned is kept as the node arrays of `euclid_resolved.estimators`,
checked when a file is opened and run without XGBoost.
"""

import json
from dataclasses import dataclass

import numpy as np

from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.estimators import TreeEnsemble, arrange, check_positive, check_whole, check_X_y
from euclid_resolved.plugins import hookimpl

__all__ = ["XGBoost", "XGBoostForest"]


@dataclass
class _XGBoost(TreeEnsemble):
    """What boosting and forest share: the settings, the way into XGBoost, and that out of it again."""

    n_trees: int = 1000
    max_depth: int = 8
    min_samples_leaf: int = 20
    max_bin: int = 256
    device: str = "cpu"
    seed: int = 1
    n_jobs: int = -1

    accepts_nan = True
    _boosted = True  # a forest's trees are already divided by their number
    libraries = ("xgboost",)

    def __post_init__(self):
        for name in ("n_trees", "max_depth", "min_samples_leaf"):
            check_whole(name, getattr(self, name))
        check_whole("max_bin", self.max_bin, 2)

    def _train(self, X, y, validation, parameters, rounds, patience=None):
        xgboost = _import()
        parameters = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "max_bin": self.max_bin,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_samples_leaf,  # the hessian of a squared error is 1 a pixel
            "device": self.device,
            # A given one: XGBoost would otherwise estimate it, and write it down with fewer digits.
            "base_score": float(y.mean(dtype=np.float64)),
            "seed": self.seed,
            "nthread": self._threads(),
            "verbosity": 0,
            **parameters,
        }
        data = xgboost.QuantileDMatrix(X, y, max_bin=self.max_bin, nthread=parameters["nthread"])
        options = {}
        if validation is not None and patience:
            held = xgboost.DMatrix(*check_X_y(*validation, nan=True), nthread=parameters["nthread"])
            options = {"evals": [(held, "validation")], "early_stopping_rounds": patience}
        booster = xgboost.train(parameters, data, rounds, verbose_eval=False, **options)
        best = getattr(booster, "best_iteration", rounds - 1) if options else rounds - 1
        n_trees = (best + 1) * parameters.get("num_parallel_tree", 1)
        return self._keep(booster, X.shape[1], n_trees, bool(np.isnan(X).any()))

    def _keep(self, booster, n_features, n_trees, missing):
        """Take over the first trees of a booster."""
        learner = json.loads(bytes(booster.save_raw("json")))["learner"]
        trees, gain = [], np.zeros(n_features)
        for tree in learner["gradient_booster"]["model"]["trees"][:n_trees]:
            left, right = (np.array(tree[f"{side}_children"]) for side in ("left", "right"))
            feature, leaf = np.where(left < 0, -1, tree["split_indices"]), left < 0
            np.add.at(gain, feature[~leaf], np.array(tree["loss_changes"])[~leaf])
            value = np.array(tree["split_conditions"], np.float32)
            # XGBoost goes left where x < threshold, we where x <= threshold.
            value = np.where(leaf, value, np.nextafter(value, np.float32(-np.inf)))
            nodes = feature, left, right, value
            trees.append((*nodes, np.array(tree["default_left"])) if missing else nodes)
        # A number in XGBoost 2, a list of one in XGBoost 3.
        offset = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
        importance = gain / gain.sum() if gain.sum() > 0 else gain
        return self._set(arrange(trees, n_features), n_features, importance, offset, missing)


def _import():
    try:
        import xgboost
    except ImportError as error:
        raise PluginError(
            f"training with XGBoost needs it installed ({error}): pip install "
            "'./plugins/euclid_resolved_xgboost[cpu]' in a clone, or [gpu] for the large build; "
            "opening and using a model does not"
        ) from error
    return xgboost


def _check_fraction(name, value):
    if check_positive(name, value) > 1:
        raise InputError(f"{name} is a fraction, above 0 and at most 1; got {value}")


@dataclass
class XGBoost(_XGBoost):
    """Boosted trees: each one fitted to what those before it left over.

    Parameters
    ----------
    n_trees : int
        The most trees.
    max_depth : int
        Deepest level of a tree.
    min_samples_leaf : int
        Fewest pixels in a leaf.
    max_bin : int
        Bins of each column that thresholds are looked for between.
    device : str
        Where to train: ``"cpu"``, or ``"cuda"`` with the large build.
    seed : int
    n_jobs : int
        Threads; -1 takes every core.
    patience : int
        Growing ends when the validation pixels have not improved for so many trees, and the best number of
        trees is kept; 0, or a fit without validation pixels, takes all `n_trees`.
    learning_rate : float
        What part of each tree counts.
    subsample : float
        The fraction of pixels that each tree sees.
    """

    patience: int = 20
    learning_rate: float = 0.1
    subsample: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_whole("patience", self.patience, 0)
        _check_fraction("learning_rate", self.learning_rate)
        _check_fraction("subsample", self.subsample)

    def fit(self, X, y, validation=None):
        """Grow the trees; see `euclid_resolved.Estimator.fit`."""
        X, y = check_X_y(X, y, nan=True)
        parameters = {"eta": self.learning_rate, "subsample": self.subsample}
        return self._train(X, y, validation, parameters, self.n_trees, self.patience)


@dataclass
class XGBoostForest(_XGBoost):
    """A random forest grown by XGBoost on binned columns: each tree on its own sample of pixels.

    Parameters
    ----------
    n_trees, max_depth, min_samples_leaf, max_bin, device, seed, n_jobs
        As for `XGBoost`.
    max_samples : int
        The pixels a tree is grown on, drawn without repetition; at most 63.2 % of all, which is what a
        bootstrap sample sees.
    max_features : float
        The fraction of columns that is tried at a split.
    """

    n_trees: int = 100
    max_depth: int = 14
    max_samples: int = 2_000_000
    max_features: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_whole("max_samples", self.max_samples)
        _check_fraction("max_features", self.max_features)

    def fit(self, X, y, validation=None):
        """Grow the trees; see `euclid_resolved.Estimator.fit`."""
        X, y = check_X_y(X, y, nan=True)
        parameters = {
            "eta": 1.0,
            "lambda": 0.0,
            "num_parallel_tree": self.n_trees,
            "subsample": min(0.632, self.max_samples / len(X)),
            "colsample_bynode": self.max_features,
        }
        return self._train(X, y, validation, parameters, 1)


@hookimpl
def register_estimators():
    """Boosted trees and a random forest."""
    return {"xgboost": XGBoost, "xgboost_forest": XGBoostForest}
