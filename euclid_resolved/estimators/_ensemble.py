"""Several fits of one estimator that differ in their seeds alone: their mean, and how far they are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import Estimator, check_X
from euclid_resolved.images._guard import literal

if TYPE_CHECKING:
    from euclid_resolved.features._scale import Scale

__all__ = ["Ensemble"]


_MOST = 100


@dataclass
class Ensemble(Estimator):
    """The mean of fits with different seeds; their scatter is the epistemic error (the paper's section 3.4).

    A forest knows that of itself, from its trees; this is for estimators that do not.

    Parameters
    ----------
    member : str
        The name of a registered estimator with a setting ``seed``.
    members : int
        How many.
    options : tuple of str
        Further settings of the members, each as ``"name=value"``.
    seed : int
        Of the first member; the next has the next number.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import Ensemble
    >>> X = np.random.default_rng(1).random((200, 4)).astype(np.float32)
    >>> estimator = Ensemble("extra_trees", members=3, options=("n_trees=5", "n_jobs=1"))
    >>> fitted = estimator.fit(X, X[:, 0] * X[:, 1])
    >>> fitted.predict(X).shape  # the mean of three fits
    (200,)
    >>> bool((fitted.spread(X) > 0).all())  # and their scatter
    True
    """

    member: str = "mlp"
    members: int = 5
    options: tuple[str, ...] = ()
    seed: int = 1

    def __post_init__(self) -> None:
        if not 2 <= self.members <= _MOST:
            raise InputError(f"members must lie between 2 and {_MOST}, got {self.members}")
        if self.member == "ensemble":
            raise InputError("an ensemble of ensembles is refused; give it more members")
        self._prepared: tuple[tuple[str, ...], Scale, Scale] | None = None

    def _new(self, number):
        from euclid_resolved.plugins._registry import lookup

        kind = lookup("estimators", self.member)
        if "seed" not in {f.name for f in fields(kind)}:
            raise InputError(f"{self.member} has no seed: its fits would all be the same")
        settings = dict(_setting(option) for option in self.options)
        try:
            return kind(**{**settings, "seed": self.seed + number})
        except TypeError as error:
            raise InputError(f"{self.member} does not take these settings: {error}") from error

    def prepare(self, columns: tuple[str, ...], feature_scale: Scale, target_scale: Scale) -> None:
        """Kept for the members; see `Estimator.prepare`."""
        self._prepared = columns, feature_scale, target_scale

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Fit the members, one after the other; see `Estimator.fit`."""
        fitted = []
        for number in range(self.members):
            member = self._new(number)
            if self._prepared:
                member.prepare(*self._prepared)
            fitted.append(member.fit(X, y, validation=validation))
        self._fitted = fitted
        return self

    def _moments(self, X):
        X = check_X(X)
        mean, square = np.zeros(len(X)), np.zeros(len(X))
        for i, member in enumerate(self._fitted):
            y = member.predict(X).astype(np.float64)
            change = y - mean
            mean += change / (i + 1)
            square += change * (y - mean)
        return mean, square

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The mean of the members; see `Estimator.predict`."""
        return self._moments(X)[0].astype(np.float32)

    def spread(self, X: np.ndarray) -> np.ndarray | None:
        """Scatter of the members over the root of their number; see `Estimator.spread`."""
        n = self.members
        return np.sqrt(self._moments(X)[1] / (n - 1) / n).astype(np.float32)

    def parts(self) -> list[tuple[float, Estimator]] | None:
        """The members; see `Estimator.parts`."""
        return [(1 / self.members, member) for member in self._fitted]

    @property
    def uses(self) -> tuple[str, ...]:  # type: ignore[override]  # its member's name
        """The name of the members' estimator; see `Estimator.uses`."""
        return (self.member,)

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]  # asked of the members
        """Those of the members; see `Estimator.libraries`."""
        return self._fitted[0].libraries

    @property
    def feature_importance(self) -> np.ndarray | None:
        """The mean of the members' importance, where they have one."""
        known = [member.feature_importance for member in self._fitted]
        return None if any(one is None for one in known) else np.mean(known, axis=0)

    def state(self) -> dict[str, Any]:
        """The states of the members."""
        return {"members": [member.state() for member in self._fitted]}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back the members; see `Estimator.restore`."""
        states = state.get("members") if isinstance(state, dict) else None
        if not isinstance(states, list | tuple) or len(states) != self.members:
            raise InputError(f"the state has no list of {self.members} members")
        self._fitted = [self._new(number).restore(one) for number, one in enumerate(states)]
        return self


def _setting(option):
    """A name and its value from ``name=value``."""
    name, equals, text = str(option).partition("=")
    if not equals:
        raise InputError(f"an option of an ensemble is 'name=value', got {option!r}")
    return name, literal(text)
