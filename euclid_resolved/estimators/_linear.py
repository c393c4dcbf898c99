"""Linear regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from euclid_resolved.estimators._contract import Estimator, check_X, check_X_y, state_array

__all__ = ["LinearRegression"]


_BLOCK = 65536  # rows that are summed at a time: the sums of a block stay in cache


@dataclass
class LinearRegression(Estimator):
    """Ordinary least squares (the paper's equation 10).

    Columns that are combinations of others, such as colours beside their bands, are allowed: the
    solution of smallest norm is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import LinearRegression
    >>> X = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    >>> fitted = LinearRegression().fit(X, 0.25 + X @ [0.5, 0.25])
    >>> print(fitted.predict(X))
    [0.25 0.75 0.5  1.  ]
    >>> {name: np.round(value, 3).tolist() for name, value in fitted.state().items()}
    {'coefficients': [0.5, 0.25], 'intercept': 0.25}
    """

    def fit(
        self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Self:
        """Fit coefficients and intercept; see `Estimator.fit`."""
        X, y = check_X_y(X, y)
        k = X.shape[1]
        centre, target = X.mean(axis=0, dtype=np.float64), y.mean(dtype=np.float64)
        # Sums of centred products, block by block: the float64 copy of all pixels would be the largest
        # array of a training run.
        gram, moment = np.zeros((k, k)), np.zeros(k)
        for start in range(0, len(X), _BLOCK):
            block = X[start : start + _BLOCK] - centre
            gram += block.T @ block
            moment += block.T @ (y[start : start + _BLOCK] - target)
        self._coefficients = self._solve(gram, moment)
        self._intercept = float(target - centre @ self._coefficients)
        return self

    def _solve(self, gram: np.ndarray, moment: np.ndarray) -> np.ndarray:
        # Below 1e-11 lies only the float32 rounding of columns that depend on each other.
        return np.linalg.lstsq(gram, moment, rcond=1e-11)[0]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Apply the coefficients; see `Estimator.predict`."""
        X = check_X(X, len(self._coefficients))
        # Column by column: the sum of a row then never depends on how many rows there are.
        y = np.full(len(X), self._intercept)
        for column, coefficient in zip(X.T, self._coefficients, strict=True):
            y += column * coefficient
        return y.astype(np.float32)

    def state(self) -> dict[str, Any]:
        """``coefficients`` (float64, k) and ``intercept``, on the scaled features."""
        return {"coefficients": self._coefficients, "intercept": self._intercept}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take back coefficients and intercept; see `Estimator.restore`."""
        self._coefficients = state_array(state, "coefficients", 1).astype(np.float64)
        self._intercept = float(state_array(state, "intercept", 0, "fiu"))
        return self
