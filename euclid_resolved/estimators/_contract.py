"""The estimators' contract, and the simplest of them: linear regression."""

from __future__ import annotations

import abc
import numbers
from collections.abc import Mapping
from dataclasses import Field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from euclid_resolved._checks import check_positive, check_whole
from euclid_resolved.errors import InputError, NotFittedError
from euclid_resolved.estimators._setting_names import OwnNames

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from euclid_resolved.features._scale import Scale

__all__ = ["Estimator", "check_X", "check_X_y", "check_positive", "check_whole", "state_array"]


_BLOCK = 65536  # rows that are predicted at a time: the sums of a block stay in cache


def check_X(X: ArrayLike, n_features: int | None = None, *, nan: bool = False) -> np.ndarray:
    """Check features before they are used.

    Parameters
    ----------
    X : array_like
        Shape (n, k).
    n_features : int, optional
        The number of columns that is expected.
    nan : bool, optional
        Whether NaN, what is not known of a pixel, is taken. Infinity never is.

    Returns
    -------
    X : `~numpy.ndarray`
        float32, C-contiguous; a copy only where it has to be.

    Raises
    ------
    InputError
        If the shape is wrong or a value is not finite.

    Examples
    --------
    >>> from euclid_resolved import InputError
    >>> from euclid_resolved.estimators import check_X
    >>> check_X([[0.0, 0.5]], 2).dtype
    dtype('float32')
    >>> try:
    ...     check_X([[0.0, float("nan")]])
    ... except InputError as error:
    ...     print(error)
    features contain NaN or infinity; mask those pixels first
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
        X = np.ascontiguousarray(X, dtype=np.float32)
    if X.ndim != 2 or X.shape[1] == 0:
        raise InputError(f"features must have shape (pixels, columns), got {X.shape}")
    if n_features is not None and X.shape[1] != n_features:
        raise InputError(f"the estimator was fitted to {n_features} columns, got {X.shape[1]}")
    if nan and np.isinf(X).any():
        raise InputError("features contain infinity; mask those pixels first")
    if not nan and not np.isfinite(X).all():
        raise InputError("features contain NaN or infinity; mask those pixels first")
    return X


def check_X_y(X: ArrayLike, y: ArrayLike, *, nan: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Check features and target before a fit.

    Parameters
    ----------
    X : array_like
        Shape (n, k), n > 0.
    y : array_like
        Shape (n,).
    nan : bool, optional
        Whether NaN is taken in the features; never in the target.

    Returns
    -------
    X, y : `~numpy.ndarray` of float32

    Raises
    ------
    InputError
        If shapes do not fit, there is no row, or a value is not finite.

    Examples
    --------
    >>> from euclid_resolved import InputError
    >>> from euclid_resolved.estimators import check_X_y
    >>> X, y = check_X_y([[0.0], [1.0]], [0.2, 0.4])
    >>> X.shape, y.dtype
    ((2, 1), dtype('float32'))
    >>> try:
    ...     check_X_y([[0.0], [1.0]], [0.2])
    ... except InputError as error:
    ...     print(error)
    the target must have shape (2,), got (1,)
    """
    X, y = check_X(X, nan=nan), np.ascontiguousarray(y, dtype=np.float32)
    if y.shape != (len(X),):
        raise InputError(f"the target must have shape ({len(X)},), got {y.shape}")
    if len(y) == 0:
        raise InputError("there are no pixels to fit")
    if not np.isfinite(y).all():
        raise InputError("the target contains NaN or infinity")
    return X, y


class Estimator(OwnNames, abc.ABC):
    """What every estimator does; derive from it, as a dataclass whose fields are the settings.

    Features come scaled to [0, 1] by the training set's range (predictions may leave it), float32,
    shape (n pixels, k columns); the target likewise, shape (n,). A fitted estimator keeps its
    state in attributes that begin with an underscore. A fresh copy is ``dataclasses.replace(estimator)``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from euclid_resolved.estimators import Estimator, check_X, check_X_y, state_array
    >>> @dataclass
    ... class Median(Estimator):
    ...     def fit(self, X, y, *, validation=None):
    ...         X, y = check_X_y(X, y)
    ...         return self.restore({"median": np.median(y), "n": X.shape[1]})
    ...     def predict(self, X):
    ...         return np.full(len(check_X(X, self._n)), self._median, np.float32)
    ...     def state(self):
    ...         return {"median": self._median, "n": self._n}
    ...     def restore(self, state):
    ...         self._median, self._n = float(state_array(state, "median", 0)), int(state["n"])
    ...         return self
    >>> X = np.array([[0.0], [0.5], [1.0]], np.float32)
    >>> Median().fit(X, [0.1, 0.2, 0.9]).predict(X)
    array([0.2, 0.2, 0.2], dtype=float32)
    """

    # For type checkers: a derived class is a dataclass.
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def prepare(self, columns: tuple[str, ...], feature_scale: Scale, target_scale: Scale) -> None:  # noqa: B027 (most need not know)
        """Hear, before a fit, what the columns mean; for estimators with physics in them.

        Parameters
        ----------
        columns : tuple of str
            The columns' names; in a chain the names of earlier properties stand behind the features.
        feature_scale : `~euclid_resolved.features.Scale`
            Their range in dex and mag, one value for each of the features proper.
        target_scale : `~euclid_resolved.features.Scale`
            The target's range in dex.
        """

    @abc.abstractmethod
    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Learn.

        Parameters
        ----------
        X : `~numpy.ndarray`
            float32, shape (n, k); never changed.
        y : `~numpy.ndarray`
            float32, shape (n,); never changed.
        validation : tuple of `~numpy.ndarray`, optional
            Pixels (X, y) set aside, for estimators that stop early; others leave them alone.

        Returns
        -------
        self : Estimator
        """

    libraries: tuple[str, ...] = ()
    """The modules that a fit has worked with: a model's record of versions names them."""

    uses: tuple[str, ...] = ()
    """The registered names of other estimators that it works with: a model's record names their plugins."""

    threads: int | None = None
    """How many threads a fit works with, where several fits can run at once; None where they cannot."""

    accepts_nan: bool = False
    """Whether it learns from features some of which are not known (NaN), and then predicts from such: what
    `~euclid_resolved.train` with ``missing_bands`` needs. Fitted to features without NaN it refuses NaN."""

    joint: bool = False  # whether one fit learns several targets together; a setting where it is a choice

    def fit_together(
        self, X: np.ndarray, Y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> list[Self]:
        """Learn several targets of the same pixels.

        Here one by one. An estimator that learns them faster together overrides this, and says so by its
        attribute ``joint``: then `~euclid_resolved.train` calls it for all properties at once (but not in a
        chain, where each needs those before it), and what `prepare` hears as the target's range has one
        value for each of them.

        Parameters
        ----------
        X : `~numpy.ndarray`
            float32, shape (n, k); never changed.
        Y : `~numpy.ndarray`
            float32, shape (n, targets); never changed.
        validation : tuple of `~numpy.ndarray`, optional
            Pixels (X, Y) set aside, as in `fit`.

        Returns
        -------
        fitted : list of Estimator
            One for each column of Y, with the same settings; itself is not changed.
        """
        fitted = []
        for i in range(np.shape(Y)[1]):
            held = None if validation is None else (validation[0], validation[1][:, i])
            fitted.append(replace(self).fit(X, Y[:, i], validation=held))
        return fitted

    @abc.abstractmethod
    def predict(self, X: np.ndarray) -> np.ndarray:
        """Estimate.

        Parameters
        ----------
        X : `~numpy.ndarray`
            float32, shape (m, k), finite, m >= 0.

        Returns
        -------
        y : `~numpy.ndarray`
            float32, shape (m,). Each value depends on its own row only.
        """

    def work(self, n: int) -> float:
        """What there is to do in a fit to n pixels, in any unit: twice as much takes twice the time.

        Here the number of pixels. An estimator that looks at some of them, or again and again at all, says
        how many it looks at. From that, and from small fits, the time of large ones is told beforehand.

        Parameters
        ----------
        n : int

        Returns
        -------
        work : float

        Examples
        --------
        >>> from euclid_resolved import LinearRegression, RandomForest
        >>> LinearRegression().work(1000), RandomForest(n_trees=10, max_samples=200).work(1000)
        (1000.0, 2000.0)
        """
        return float(n)

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """What a fit has learned, as nested mappings and lists of arrays, numbers and text.

        Returns
        -------
        state : dict
        """

    @abc.abstractmethod
    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back what `state` gave, in an estimator with the same settings.

        Parameters
        ----------
        state : dict
            Untrusted: it comes from a file. Everything that could crash or hang must be checked.

        Returns
        -------
        self : Estimator

        Raises
        ------
        InputError
            If the state is no state of this estimator.
        """

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not there. What a fit has learned is private, so that asking for it too
        # early, by a method or by a property of the class, ends here.
        kind = type(self).__name__
        private = name.startswith("_") and not name.endswith("_")
        if private or isinstance(getattr(type(self), name, None), property):
            raise NotFittedError(f"this {kind} has learned nothing yet: call fit, or use a trained model")
        raise AttributeError(f"{kind} has no attribute {name!r}")

    @property
    def feature_importance(self) -> np.ndarray | None:
        """The impurity importance of each column, summing to 1; None where the estimator has none."""
        return None

    def spread(self, X: np.ndarray) -> np.ndarray | None:
        """How far a fit with another seed would differ, one sigma in scaled units; None where not known.

        Parameters
        ----------
        X : `~numpy.ndarray`
            float32, shape (m, k), finite.

        Returns
        -------
        sigma : `~numpy.ndarray` or None
            float32, shape (m,).
        """
        return None

    def parts(self) -> list[tuple[float, Estimator]] | None:
        """The estimators whose mean this one is, alike but for their seeds; None where it is no such mean.

        Returns
        -------
        parts : list of (float, Estimator) or None
            Two or more, each with its share of the mean; the shares sum to 1.
        """
        return None

    def settings(self) -> dict[str, Any]:
        """The settings as a dict of numbers, text and lists."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.init}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def state_array(state: Mapping[str, Any], name: str, ndim: int, kinds: str = "f") -> np.ndarray:
    """An array of a restored state, checked for what it must be.

    Parameters
    ----------
    state : dict
        What `Estimator.restore` was given.
    name : str
    ndim : int
        The number of dimensions it must have.
    kinds : str, optional
        The kinds of dtype it may have, for example ``"iu"``.

    Returns
    -------
    array : `~numpy.ndarray`
        Finite.

    Raises
    ------
    InputError
        If it is missing or is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.estimators import state_array
    >>> state_array({"slopes": np.array([0.5, 0.25])}, "slopes", 1)
    array([0.5 , 0.25])
    >>> try:
    ...     state_array({"slopes": np.array([0.5, np.nan])}, "slopes", 1)
    ... except ValueError as error:
    ...     print(error)
    'slopes' has values that are not finite
    """
    try:
        array = np.asarray(state[name])
    except (KeyError, TypeError):
        raise InputError(f"the state has no {name!r}") from None
    except ValueError:  # nested lists of unequal length
        raise InputError(f"{name!r} is no array") from None
    if array.ndim != ndim or array.dtype.kind not in kinds:
        raise InputError(
            f"{name!r} must have {ndim} dimensions and type {kinds}, got {array.dtype} {array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{name!r} has values that are not finite")
    return array


def is_plain(value: object) -> bool:
    """Whether a setting can be kept in a file: a number, text, None, or a list or tuple of them.

    Parameters
    ----------
    value : object

    Returns
    -------
    plain : bool

    Examples
    --------
    >>> from euclid_resolved.estimators._contract import is_plain
    >>> is_plain((64, 32)), is_plain(print)
    (True, False)
    """
    each = value if isinstance(value, list | tuple) else [value]
    return all(one is None or isinstance(one, str | numbers.Real) for one in each)
