"""One property that a model estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from euclid_resolved.estimators._contract import Estimator
from euclid_resolved.features._scale import Scale
from euclid_resolved.models._intervals import Interval

__all__ = ["Output"]


@dataclass(frozen=True, eq=False)
class Output:
    """One property that a model estimates.

    Attributes
    ----------
    property : str
        The property's name.
    estimator : `~euclid_resolved.estimators.Estimator`
        Fitted.
    scale : `~euclid_resolved.features.Scale`
        Of the target in dex.
    golden : `~numpy.ndarray`
        float32: what the estimator gives for the model's golden rows.
    chain : tuple of str
        Other properties of the model whose scaled estimates follow the features as further columns.
    interval : `~euclid_resolved.models.Interval` or None
        Calibrated on galaxies held out; see `~euclid_resolved.training.calibrate`.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> model = train(example_galaxies(), "stellar_age", LinearRegression())
    >>> output = model.outputs["stellar_age"]
    >>> output.estimator, output.chain
    (LinearRegression(), ())
    >>> low, high = output.scale.minimum.item(), output.scale.maximum.item()
    >>> print(f"log10 age (Gyr) of the training set: {low:.2f} to {high:.2f}")
    log10 age (Gyr) of the training set: 0.21 to 0.94
    """

    property: str
    estimator: Estimator
    scale: Scale
    golden: np.ndarray = field(repr=False)
    chain: tuple[str, ...] = ()
    interval: Interval | None = None


def append(X: np.ndarray, columns: Sequence[np.ndarray]) -> np.ndarray:
    """The features with further columns behind them."""
    return np.column_stack([X, *columns]) if columns else X
