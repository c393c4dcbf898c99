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
    intervals_without : dict
        The same for pixels that lack bands, by the tuple of those, or by their number for all sets of that.

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
    intervals_without: dict[tuple[str, ...] | int, Interval] = field(default_factory=dict)


def append(X: np.ndarray, columns: Sequence[np.ndarray]) -> np.ndarray:
    """The features with further columns behind them."""
    return np.column_stack([X, *columns]) if columns else X


def plane_of(values, good):
    """Values of the good pixels in a plane that is NaN elsewhere."""
    plane = np.full(good.shape, np.nan, np.float32)
    plane[good] = values
    return plane


def of_known(brightness, function, form):
    """What a function makes of the pixels that are known in every band; NaN for the others.

    Parameters
    ----------
    brightness : dict of str to `~numpy.ndarray`
        By band, all of one size, NaN where it is not known.
    function : callable
        Takes such a dict without NaN and which pixels it holds, and gives a dict of arrays with a value for
        each of them, or of None.
    form : callable
        Gives what `function` would of one pixel: what it makes of none is known without it.

    Returns
    -------
    made : dict of str to `~numpy.ndarray`
        float32, shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.models._output import of_known
    >>> of_known({"IE": np.array([1.0, np.nan])}, lambda light, where: {"twice": 2 * light["IE"]}, None)
    {'twice': array([ 2., nan], dtype=float32)}
    """
    light = {band: np.ravel(values) for band, values in brightness.items()}
    known = ~np.any([np.isnan(values) for values in light.values()], axis=0)
    if known.all():
        return function(light, slice(None))
    if known.any():
        made = function({band: values[known] for band, values in light.items()}, known)
    else:
        made = {name: None if each is None else each[:0] for name, each in form().items()}
    return {name: None if each is None else plane_of(each, known) for name, each in made.items()}
