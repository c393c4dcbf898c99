"""Diagnostics: ways to find out what a model leans on and how far it can be trusted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.metrics import METRICS
from euclid_resolved.metrics import metrics as all_metrics
from euclid_resolved.plugins import lookup
from euclid_resolved.quantities import get_property
from euclid_resolved.sample import pixels_of
from euclid_resolved.scale import to_dex

__all__ = [
    "Diagnostic",
    "accuracy_columns",
    "diagnose",
    "estimates",
    "finish",
    "get_metric",
    "pixels_of",
    "run_chain",
]


@dataclass(frozen=True)
class Diagnostic:
    """A named way to look at a model; called, it gives a table, and `plot` draws that table.

    Attributes
    ----------
    run : callable
        ``run(model, training, test, **options)`` returns a `~astropy.table.QTable`. `training` and `test`
        are lists of `~euclid_resolved.Galaxy` or `~euclid_resolved.sample.Pixels`; neither they nor the
        model are changed.
    plot : callable or None
        ``plot(table)`` returns a `~matplotlib.figure.Figure`.
    summary : str
        One line for the list of plugins.
    """

    run: Callable
    plot: Callable | None
    summary: str

    def __call__(self, model, training, test, **options):
        """Run it; see ``run``."""
        return self.run(model, training, test, **options)


def diagnose(name, model, training, test, **options):
    """Run a diagnostic by its registered name.

    Parameters
    ----------
    name : str
        See ``euclid-resolved plugins``.
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
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
    """
    return run_chain((name,), model, training, test, **{name: options})[name]


def run_chain(names, model, training, test, **options):
    """Run several diagnostics on one model, reading the galaxies once.

    Parameters
    ----------
    names : sequence of str
    model : `~euclid_resolved.Model`
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.sample.Pixels`
    **options : dict
        Options by the name of the diagnostic.

    Returns
    -------
    tables : dict of str to `~astropy.table.QTable`
    """
    from astropy.table import QTable

    found = {name: lookup("diagnostics", name) for name in names}  # every name, before hours of work
    tables = {}
    for name, diagnostic in found.items():
        try:
            table = diagnostic(model, training, test, **options.get(name, {}))
        except InputError:
            raise
        except TypeError as error:
            if "unexpected keyword" in str(error):
                raise InputError(f"diagnostic {name!r} does not take these options: {error}") from error
            raise PluginError(f"diagnostic {name!r} failed: TypeError: {error}") from error
        except Exception as error:  # a plugin may raise anything
            raise PluginError(f"diagnostic {name!r} failed: {type(error).__name__}: {error}") from error
        if not isinstance(table, QTable):
            raise PluginError(f"diagnostic {name!r} returned {type(table).__name__}, a QTable is needed")
        tables[name] = table
    return tables


def get_metric(name):
    """One of the six metrics by its name.

    Parameters
    ----------
    name : str
        For example ``"rmse"``.

    Returns
    -------
    metric : callable
    """
    for metric in METRICS:
        if metric.__name__ == name:
            return metric
    raise InputError(f"unknown metric {name!r}; known are {', '.join(m.__name__ for m in METRICS)}")


def estimates(model, pixels, name):
    """Truth and estimate of a property, log10 of its unit.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.sample.Pixels`
    name : str

    Returns
    -------
    truth, estimate : `~numpy.ndarray` of float32
    """
    brightness = {band: pixels.brightness[band] for band in model.bands}
    return to_dex(pixels.truth[get_property(name).name]), model.estimate(brightness, name)


def accuracy_columns(model, pixels, name):
    """The six metrics of one property as columns of a row.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.sample.Pixels`
    name : str

    Returns
    -------
    values : dict of str to float
    """
    return all_metrics(*estimates(model, pixels, name))


def finish(rows, **meta):
    """A table of rows with units and formats where they belong.

    Parameters
    ----------
    rows : list of dict
    **meta
        Kept in the table.

    Returns
    -------
    table : `~astropy.table.QTable`
    """
    import astropy.units as u
    from astropy.table import QTable

    table = QTable(rows=rows)
    for name in ("rmse", "nmad", "bias"):
        if name in table.colnames:
            table[name] = table[name] * u.dex
    for name in table.colnames:
        if np.asarray(table[name]).dtype.kind == "f":
            table[name].info.format = ".4f"
    table.meta.update(meta)
    return table
