"""Decision trees as plain arrays: made from those of other libraries, checked, and run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["arrange"]

LARGEST = np.finfo(np.float32).max
"""As a threshold it has all numbers on its left, and NaN on its right."""


@dataclass(frozen=True, eq=False)
class Forest:
    """Regression trees as node arrays; the left child of node i is node i + 1.

    Attributes
    ----------
    first : `~numpy.ndarray`
        int64, shape (trees + 1,): where each tree's nodes begin, and the total at the end.
    feature : `~numpy.ndarray`
        int16, shape (nodes,): the column a node splits on, -1 for a leaf.
    right : `~numpy.ndarray`
        int32: the right child, counted within the tree; 0 for a leaf.
    value : `~numpy.ndarray`
        float32: a node's threshold (left where x <= value), or a leaf's value.

    What is not known (NaN) goes right at every split. A split at which it goes left is one of the column's
    negative with its children exchanged: columns from ``n_features`` on are the negatives of the first ones.

    Examples
    --------
    >>> from euclid_resolved.estimators import arrange
    >>> forest = arrange([([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 0.1, 0.9])])
    >>> len(forest)
    1
    >>> forest.tree(0)
    (array([ 0, -1, -1], dtype=int16), array([2, 0, 0], dtype=int32), array([0.5, 0.1, 0.9], dtype=float32))
    """

    first: np.ndarray
    feature: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def __repr__(self) -> str:
        return f"<Forest of {len(self)} trees, {len(self.value)} nodes>"

    def __len__(self) -> int:
        return len(self.first) - 1

    def tree(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The node arrays of one tree.

        Parameters
        ----------
        i : int

        Returns
        -------
        feature, right, value : `~numpy.ndarray`
        """
        nodes = slice(self.first[i], self.first[i + 1])
        return self.feature[nodes], self.right[nodes], self.value[nodes]


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree as it was grown, for one target or several; the left child of node i is node i + 1.

    Attributes
    ----------
    feature, right : `~numpy.ndarray`
        As in `Forest`.
    value : `~numpy.ndarray`
        float32, shape (nodes, targets): a node's threshold, or a leaf's value of each target.
    importance : `~numpy.ndarray`
        float64, shape (targets, columns): the fraction of the removed squared error of each target that the
        splits on each column remove; zeros where nothing is removed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from euclid_resolved.estimators._forest import unpack
    >>> X = np.array([[0.0, 1.0], [1.0, 1.0]], np.float32)
    >>> tree = unpack(DecisionTreeRegressor().fit(X, [0.25, 0.75]).tree_)
    >>> tree.importance  # only the first column was of use
    array([[1., 0.]])
    """

    feature: np.ndarray
    right: np.ndarray
    value: np.ndarray
    importance: np.ndarray


def join(trees: Sequence[Tree]) -> list[Forest]:
    """Collect trees of several targets.

    Parameters
    ----------
    trees : sequence of `Tree`

    Returns
    -------
    forests : list of `Forest`
        One for each target; they share the arrays of the splits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from euclid_resolved.estimators._forest import join, unpack
    >>> X = np.array([[0.0], [1.0]], np.float32)
    >>> Y = [[0.25, 1.0], [0.75, 0.0]]
    >>> trees = [unpack(DecisionTreeRegressor(random_state=seed).fit(X, Y).tree_) for seed in (1, 2)]
    >>> [len(forest) for forest in join(trees)]
    [2]
    """
    first = np.concatenate([[0], np.cumsum([len(tree.feature) for tree in trees])]).astype(np.int64)
    feature, right, value = (
        np.concatenate([getattr(tree, name) for tree in trees]) for name in ("feature", "right", "value")
    )
    return [Forest(first, feature, right, np.ascontiguousarray(column)) for column in value.T]


def pack(trees: Sequence[Any]) -> Forest:
    """Collect fitted scikit-learn trees into a `Forest`.

    Parameters
    ----------
    trees : sequence of `sklearn.tree._tree.Tree`
        Built depth first, for features in float32.

    Returns
    -------
    forest : `Forest`
        It decides as the trees do, to the last bit; leaf values are rounded to float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from euclid_resolved.estimators._forest import pack
    >>> X = np.array([[0.0], [1.0]], np.float32)
    >>> forest = pack([DecisionTreeRegressor().fit(X, [0.25, 0.75]).tree_])
    >>> forest.feature, forest.value
    (array([ 0, -1, -1], dtype=int16), array([0.5 , 0.25, 0.75], dtype=float32))
    """
    return join([unpack(tree) for tree in trees])[0]


def unpack(tree: Any) -> Tree:
    """Take the arrays of a fitted scikit-learn tree.

    Parameters
    ----------
    tree : `sklearn.tree._tree.Tree`
        Of one target, built depth first, for features in float32.

    Returns
    -------
    tree : `Tree`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from euclid_resolved.estimators._forest import unpack
    >>> X = np.array([[0.0], [1.0]], np.float32)
    >>> tree = unpack(DecisionTreeRegressor().fit(X, [0.25, 0.75]).tree_)
    >>> tree.feature, tree.right
    (array([ 0, -1, -1], dtype=int16), array([2, 0, 0], dtype=int32))
    """
    leaf = tree.children_left < 0
    inner = np.flatnonzero(~leaf)
    if not np.array_equal(tree.children_left[inner], inner + 1):
        raise InputError("trees must be built depth first")
    value = np.where(leaf, tree.value[:, 0, 0].astype(np.float32), round_down(tree.threshold))
    right = np.where(leaf, 0, tree.children_right).astype(np.int32)
    feature = np.where(leaf, -1, tree.feature).astype(np.int16)
    return Tree(feature, right, value[:, None], tree.compute_feature_importances()[None])


def round_down(threshold: np.ndarray) -> np.ndarray:
    """The largest float32 not above each threshold: for x in float32, x <= either is the same.

    Parameters
    ----------
    threshold : `~numpy.ndarray` of float64

    Returns
    -------
    threshold : `~numpy.ndarray` of float32

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import round_down
    >>> threshold = np.array([0.1])
    >>> bool(round_down(threshold)[0] <= threshold[0])
    True
    """
    rounded = threshold.astype(np.float32)
    above = rounded.astype(np.float64) > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


def arrange(trees: Sequence[Sequence[ArrayLike]], n_features: int | None = None) -> Forest:
    """Collect the trees of any library into the node arrays that `TreeEnsemble` runs.

    Parameters
    ----------
    trees : sequence of (feature, left, right, value)
        One array each, one entry a node, in any order that begins with the root: the column it splits on
        (negative for a leaf), its children (ignored for a leaf), and its threshold (left where x <= value)
        or a leaf's value. A fifth array says at which nodes NaN goes left; without it NaN goes right.
    n_features : int, optional
        The number of columns; needed with a fifth array.

    Returns
    -------
    forest : Forest
        Four arrays of all nodes, tree after tree: where each tree begins, and of each node its column, its
        right child, and its threshold or value.

    Examples
    --------
    >>> from euclid_resolved.estimators import arrange
    >>> tree = ([1, -1, -1], [2, 0, 0], [1, 0, 0], [0.5, 0.75, 0.25])  # column 1 <= 0.5: to node 2
    >>> feature, right, value = arrange([tree]).tree(0)  # the left child now follows its parent
    >>> print(feature, right, value)
    [ 1 -1 -1] [2 0 0] [0.5  0.25 0.75]
    """
    return join([_arrange_one(n_features, *(np.asarray(array) for array in tree)) for tree in trees])[0]


def _arrange_one(n_features, feature, left, right, value, nan_left=None):
    if nan_left is not None:
        other = nan_left.astype(bool) & (feature >= 0)
        # x > value is -x <= the number before -value, where NaN goes right, which is to the left child.
        left, right = np.where(other, right, left), np.where(other, left, right)
        feature = np.where(other, feature + n_features, feature)
        with np.errstate(over="ignore"):
            before = np.nextafter(-value.astype(np.float32), np.float32(-np.inf))
        value = np.where(other, np.maximum(before, -LARGEST), value)
    levels = [np.zeros(1, np.int64)]
    while levels[-1].size:
        split = levels[-1][feature[levels[-1]] >= 0]
        levels.append(np.concatenate([left[split], right[split]]))
    # Nodes that a library has pruned away, and that the root no longer reaches, are left out.
    nodes = np.concatenate(levels)
    splits = [level[feature[level] >= 0] for level in levels]
    size = np.ones(len(feature), np.int64)  # of the subtree below each node
    for split in reversed(splits):
        size[split] += size[left[split]] + size[right[split]]
    place = np.zeros(len(feature), np.int64)  # depth first, left before right
    for split in splits:
        place[left[split]] = place[split] + 1
        place[right[split]] = place[split] + 1 + size[left[split]]
    inner, at = feature[nodes] >= 0, place[nodes]
    columns = (
        np.full(len(nodes), -1, np.int16),
        np.zeros(len(nodes), np.int32),
        np.empty(len(nodes), np.float32),
    )
    columns[0][at[inner]] = feature[nodes[inner]]
    columns[1][at[inner]] = place[right[nodes[inner]]]
    columns[2][at] = value[nodes]
    return Tree(*columns[:2], columns[2][:, None], np.zeros((1, 0)))


def check(forest: Forest, n_features: int) -> None:
    """Refuse node arrays that are no trees: a damaged or hostile file could crash or hang a walk.

    Parameters
    ----------
    forest : `Forest`
    n_features : int

    Raises
    ------
    InputError
        If sizes differ, an index points outside its tree, a node has no or two parents, or a value is
        not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import Forest, check
    >>> first, feature, value = np.array([0, 3]), np.array([0, -1, -1], "i2"), np.array([0.5, 0, 1], "f4")
    >>> check(Forest(first, feature, np.array([2, 0, 0], "i4"), value), 1)
    >>> try:
    ...     check(Forest(first, feature, np.array([0, 0, 0], "i4"), value), 1)  # the root is its own child
    ... except ValueError as error:
    ...     print(error)
    the forest has children outside their tree or before their parents
    """
    first, feature, right, value = forest.first, forest.feature, forest.right, forest.value
    n = len(feature)
    expected = (first, "iu"), (feature, "i"), (right, "i"), (value, "f")
    if any(a.ndim != 1 or a.dtype.kind not in kinds for a, kinds in expected):
        raise InputError("the forest's arrays have wrong types")
    # Compared, not subtracted: differences can overflow, and agree again in their sum.
    if len(first) < 2 or first[0] != 0 or first[-1] != n or (first[1:] <= first[:-1]).any():
        raise InputError("the forest's trees do not fill its nodes")
    if len(right) != n or len(value) != n:
        raise InputError("the forest's arrays differ in length")
    if not np.isfinite(value).all():
        raise InputError("the forest has values that are not finite")
    if ((feature < -1) | (feature >= n_features)).any():
        raise InputError(f"the forest splits on columns other than its {n_features}")
    start = np.repeat(first[:-1], np.diff(first))
    size = np.repeat(np.diff(first), np.diff(first))
    node = np.arange(n) - start
    inner = feature >= 0
    if ((right <= node + 1) | (right >= size))[inner].any() or right[~inner].any():
        raise InputError("the forest has children outside their tree or before their parents")
    parents = np.zeros(n, np.int64)
    np.add.at(parents, (start + right)[inner], 1)
    np.add.at(parents, (start + node + 1)[inner], 1)
    if (parents != (node > 0)).any():
        raise InputError("the forest has nodes without exactly one parent")


def runner(forest: Forest, n_features: int) -> list[Callable[[np.ndarray], np.ndarray]]:
    """The fastest way at hand to run a forest.

    Parameters
    ----------
    forest : `Forest`
        Checked.
    n_features : int

    Returns
    -------
    run : list of callable
        One function a tree, from float32 features (n, k) to float64 leaf values (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import arrange, runner
    >>> forest = arrange([([0, -1, -1], [1, 0, 0], [2, 0, 0], [0.5, 0.25, 0.75])] * 2)
    >>> [run(np.array([[0.2], [0.7]], np.float32)) for run in runner(forest, 1)]
    [array([0.25, 0.75]), array([0.25, 0.75])]
    """
    try:
        return [_sklearn_tree(*forest.tree(i), n_features) for i in range(len(forest))]
    except (ImportError, AttributeError, TypeError, ValueError, KeyError):
        # scikit-learn's trees have no public constructor; if it changes, old models must still open.
        return [partial(_walk_tree, forest.tree(i)) for i in range(len(forest))]


def _sklearn_tree(feature, right, value, n_features):
    """The same tree as scikit-learn's own object, whose compiled walk is the faster one."""
    from sklearn.tree import _tree

    leaf = feature < 0
    nodes = np.zeros(len(feature), dtype=_tree.NODE_DTYPE)
    nodes["left_child"] = np.where(leaf, -1, np.arange(len(feature)) + 1)
    nodes["right_child"] = np.where(leaf, -1, right)
    nodes["feature"] = np.where(leaf, -2, feature)
    nodes["threshold"] = np.where(leaf, -2.0, value)
    nodes["n_node_samples"] = 1
    nodes["weighted_n_node_samples"] = 1.0
    values = np.where(leaf, value, 0.0).astype(np.float64).reshape(-1, 1, 1)
    tree = _tree.Tree(n_features, np.ones(1, dtype=np.intp), 1)
    state = {"max_depth": len(feature), "node_count": len(feature), "nodes": nodes, "values": values}
    tree.__setstate__(state)
    return lambda X: tree.predict(X)[:, 0]


def _walk_tree(nodes, X):
    return walk(X, *nodes)


def walk(X: np.ndarray, feature: np.ndarray, right: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Run one tree with NumPy alone.

    Parameters
    ----------
    X : `~numpy.ndarray`
        float32, shape (n, k).
    feature, right, value : `~numpy.ndarray`
        The tree's node arrays.

    Returns
    -------
    y : `~numpy.ndarray` of float64
        Shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators._forest import walk
    >>> feature, right, value = np.array([0, -1, -1]), np.array([2, 0, 0]), np.array([0.5, 0.25, 0.75])
    >>> walk(np.array([[0.2], [0.5], [0.7]], np.float32), feature, right, value)
    array([0.25, 0.25, 0.75])
    """
    node = np.zeros(len(X), np.int64)
    active = np.arange(len(X))
    while active.size:
        at = node[active]
        column = feature[at]
        inner = column >= 0
        active, at, column = active[inner], at[inner], column[inner]
        node[active] = np.where(X[active, column] <= value[at], at + 1, right[at])
    return value[node].astype(np.float64)
