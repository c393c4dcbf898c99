"""Diagnostics: ways to find out what a model leans on and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from euclid_resolved._checks import check_names, check_type
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.features._scale import to_dex
from euclid_resolved.maps._properties import get_property
from euclid_resolved.models._metrics import METRICS, metrics as all_metrics, with_estimate
from euclid_resolved.plugins._offers import blamed
from euclid_resolved.plugins._registry import lookup
from euclid_resolved.training._evaluate import PIECE, estimate_pixels, finish  # noqa: F401 (PIECE is for other diagnostics)
from euclid_resolved.training._groups import warn_of_both
from euclid_resolved.training._sample import Pixels

if TYPE_CHECKING:
    import numpy as np
    from astropy.table import QTable
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model

__all__ = ["Diagnostic", "diagnose", "estimates", "finish", "run_chain"]


@dataclass(frozen=True)
class Diagnostic:
    """A named way to look at a model; called, it gives a table, and `plot` draws that table.

    Attributes
    ----------
    run : callable
        ``run(model, training, test, **options)`` returns a `~astropy.table.QTable`. `training` and `test`
        are lists of `~euclid_resolved.Galaxy` or `~euclid_resolved.training.Pixels`; neither they nor the
        model are changed.
    plot : callable or None
        ``plot(table)`` returns a `~matplotlib.figure.Figure`.
    summary : str
        One line for the list of plugins.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import Diagnostic, estimates, finish
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> def largest_error(model, training, test):
    ...     truth, guess = estimates(model, pixels_of(test, model), "stellar_mass_density")
    ...     return finish([{"property": "stellar_mass_density", "largest": float(abs(truth - guess).max())}])
    >>> worst = Diagnostic(largest_error, None, "the largest error of all pixels")
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> print(worst(model, galaxies[:3], galaxies[3:]))
          property       largest
    -------------------- -------
    stellar_mass_density  0.5246
    """

    run: Callable[..., QTable]
    plot: Callable[..., Figure] | None
    summary: str

    def __call__(
        self,
        model: Model,
        training: Sequence[Galaxy] | Pixels,
        test: Sequence[Galaxy] | Pixels,
        **options: Any,
    ) -> QTable:
        """Run it; see ``run``."""
        return self.run(model, training, test, **options)


def diagnose(
    name: str,
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    **options: Any,
) -> QTable:
    """Run a diagnostic by its registered name.

    Parameters
    ----------
    name : str
        See ``euclid-resolved plugins``.
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        What it was trained on, and galaxies it has not seen. Pixels save reading the images again.
    **options
        The diagnostic's own.

    Returns
    -------
    table : `~astropy.table.QTable`

    Raises
    ------
    PluginError
        If the name is unknown or what is registered fails.
    InputError
        If an option is unknown or the galaxies do not fit.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, diagnose, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> print(diagnose("sample_bias", model, galaxies[:3], galaxies[3:])["set", "r2", "rmse"])
      set      r2    rmse
                     dex
    -------- ------ ------
    training 0.9882 0.0792
        test 0.9892 0.0760
    """
    return run_chain((name,), model, training, test, **{name: options})[name]


def run_chain(
    names: Sequence[str],
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    **options: Mapping[str, Any],
) -> dict[str, QTable]:
    """Run several diagnostics on one model, reading the galaxies once.

    Parameters
    ----------
    names : sequence of str
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    **options : dict
        Options by the name of the diagnostic.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`

    Warns
    -----
    DataWarning
        If training and test share a galaxy, or galaxies of one group.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import run_chain
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> tables = run_chain(("lofo", "sample_bias"), model, galaxies[:3], galaxies[3:])
    >>> print(tables["sample_bias"]["set", "rmse"])
      set     rmse
              dex
    -------- ------
    training 0.0792
        test 0.0760
    """
    from astropy.table import QTable

    names = check_names(names, "diagnostics")
    found = {name: lookup("diagnostics", name) for name in names}  # every name, before hours of work
    warn_of_both(training, test)
    tables = {}
    for name, diagnostic in found.items():
        with blamed(f"diagnostic {name!r}"):
            try:
                table = diagnostic(model, training, test, **options.get(name, {}))
            except TypeError as error:
                if "unexpected keyword" in str(error):
                    what = f"diagnostic {name!r} does not take these options: {error}"
                    raise InputError(what) from error
                raise
        if not isinstance(table, QTable):
            raise PluginError(f"diagnostic {name!r} returned {type(table).__name__}, a QTable is needed")
        tables[name] = table
    return tables


def get_metric(name: str) -> Callable[[ArrayLike, ArrayLike], float]:
    """One of the six metrics by its name.

    Parameters
    ----------
    name : str
        For example ``"rmse"``.

    Returns
    -------
    metric : callable

    Examples
    --------
    >>> from euclid_resolved.diagnostics._contract import get_metric
    >>> get_metric("rmse")([1.0, 2.0], [1.5, 2.5])
    0.5
    """
    for metric in METRICS:
        if metric.__name__ == name:
            return metric
    raise InputError(f"unknown metric {name!r}; known are {', '.join(m.__name__ for m in METRICS)}")


def estimates(model: Model, pixels: Pixels, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and estimate of a property, log10 of its unit.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`
    name : str

    Returns
    -------
    truth, estimate : `~numpy.ndarray` of float32

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import estimates
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.models import rmse
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> truth, estimate = estimates(model, pixels_of(galaxies[3:], model), "stellar_mass_density")
    >>> print(f"{rmse(truth, estimate):.2f} dex")
    0.08 dex
    """
    check_type(pixels, Pixels, "pixels_of(galaxies, model) reads those of galaxies")
    return to_dex(pixels.truth[get_property(name).name]), estimate_pixels(model, pixels, (name,))[name]


def accuracies(model: Model, pixels: Pixels) -> dict[str, dict[str, float]]:
    """The six metrics of every property; features are made once, for some pixels at a time.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`

    Returns
    -------
    values : dict of str to dict of str to float
        By property, what `accuracy_columns` gives.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._contract import accuracies
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> for name, values in accuracies(model, pixels_of(galaxies[3:], model)).items():
    ...     print(f"{name:20} {values['r2']:.3f}")
    stellar_mass_density 0.989
    stellar_metallicity  0.991
    stellar_age          0.994
    """
    return {name: all_metrics(*pair) for name, pair in truth_and_estimate(model, pixels).items()}


def truth_and_estimate(model: Model, pixels: Pixels) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Truth and estimate of every property, in dex, of the pixels that have an estimate.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`

    Returns
    -------
    pairs : dict of str to (`~numpy.ndarray`, `~numpy.ndarray`)
    """
    found = estimate_pixels(model, pixels)
    return {name: with_estimate(to_dex(pixels.truth[name]), dex, name) for name, dex in found.items()}


def accuracy_columns(model: Model, pixels: Pixels, name: str) -> dict[str, float]:
    """The six metrics of one property as columns of a row.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`
    name : str

    Returns
    -------
    values : dict of str to float

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics._contract import accuracy_columns
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], estimator=LinearRegression())
    >>> row = accuracy_columns(model, pixels_of(galaxies[3:], model), "stellar_mass_density")
    >>> list(row)
    ['r2', 'rmse', 'nmad', 'bias', 'outlier_fraction', 'pearson']
    """
    return all_metrics(*with_estimate(*estimates(model, pixels, name), name))
