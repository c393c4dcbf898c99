"""Compare a model's estimates with the truth of galaxies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.features._scale import to_dex
from euclid_resolved.models._metrics import metrics, with_estimate
from euclid_resolved.models._missing import checked_sets

if TYPE_CHECKING:
    from astropy.table import QTable

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

__all__ = ["estimate_pixels", "evaluate"]


PIECE = 1 << 18


"""Pixels that are estimated at a time: enough for all threads of a forest."""


def estimate_pixels(
    model: Model,
    pixels: Pixels,
    properties: Sequence[str] | None = None,
    *,
    missing: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """A model's estimates for pixels; features are made once, for some pixels at a time.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`
    properties : sequence of str, optional
        All that the model estimates without it.
    missing : sequence of str, optional
        Estimate as if the pixels lacked these bands; for a model that can.

    Returns
    -------
    dex : dict of str to `~numpy.ndarray`
        float32, shape (n,), by property.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.training import estimate_pixels
    >>> from euclid_resolved.training import pixels_of
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "stellar_age", LinearRegression())
    >>> estimate_pixels(model, pixels_of(galaxies[3:], model))["stellar_age"].shape
    (256,)
    """
    found = {name: np.empty(len(pixels), np.float32) for name in properties or model.properties}
    bands = without(model, missing)
    for start, piece, around in _together(pixels.pieces(bands, model.around, PIECE)):
        if properties is None:
            made = model.estimate_all(piece, around=around)
        else:
            made = {name: model.estimate(piece, name, around=around) for name in properties}
        for name, dex in made.items():
            found[name][start : start + len(dex)] = dex
    return found


def _together(pieces):
    """Pieces of pixels with small ones joined: each galaxy by itself would take longer."""
    held, n = [], 0
    for piece in pieces:
        size = len(next(iter(piece[1].values())))
        if held and n + size > PIECE:
            yield _joined(held)
            held, n = [], 0
        held.append(piece)
        n += size
    if held:
        yield _joined(held)


def _joined(pieces):
    starts, *columns = zip(*pieces, strict=True)
    if len(starts) == 1:
        return pieces[0]
    light, around = ({name: np.concatenate([p[name] for p in each]) for name in each[0]} for each in columns)
    return starts[0], light, around


def without(model: Model, missing: Sequence[str]) -> tuple[str, ...]:
    """The bands of a model but those that pixels are taken to lack.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    missing : sequence of str

    Returns
    -------
    bands : tuple of str

    Raises
    ------
    InputError
        If the model needs one of these, or has no such band.

    Examples
    --------
    >>> from euclid_resolved import RandomForest, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training._evaluate import without
    >>> model = train(example_galaxies(), estimator=RandomForest(n_trees=3, n_jobs=1), missing_bands=0.3)
    >>> without(model, ("YE",))
    ('IE', 'JE', 'HE')
    """
    missing = (missing,) if isinstance(missing, str) else tuple(missing)
    if missing:
        if model.missing is None:
            raise InputError("the model needs all its bands: train it with missing_bands")
        (missing,) = checked_sets([missing], model.bands)
        model.missing.check_absent(missing)
    return tuple(band for band in model.bands if band not in missing)


def evaluate(
    model: Model,
    galaxies: Sequence[Galaxy] | Pixels,
    *,
    per_galaxy: bool = False,
    missing: Sequence[str] = (),
    progress: bool = False,
) -> QTable:
    """Compare a model with the truth, on the pixels brighter than its clip.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    galaxies : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        Galaxies the model has not seen, if the figures are to mean anything. Of pixels that were kept down to
        a lower clip, or to none, those above the model's count.
    per_galaxy : bool, optional
        A row for every galaxy and property instead of one a property.
    missing : sequence of str, optional
        Compare estimates that are made as if the images lacked these bands, on the same pixels; of a model
        that can (``train(..., missing_bands=...)``).
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row a property: ``r2``, ``rmse``, ``nmad``, ``bias`` (dex), ``outlier_fraction``,
        ``pearson``, ``n_pixels``, ``n_galaxies`` (groups: views of one count as one). The fraction of pixels
        that were kept is in ``meta["kept"]``, the galaxies that the model was trained on, from whatever side,
        in ``meta["seen_in_training"]``.

    Raises
    ------
    InputError
        If a band or the truth is missing, no pixel is left, or pixels above the model's clip are not there.

    Warns
    -----
    DataWarning
        If the model was trained on some of the galaxies, or on what looks like other views of them.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, evaluate, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], ("stellar_mass_density", "stellar_age"), LinearRegression())
    >>> print(evaluate(model, galaxies[3:])["property", "r2", "rmse", "n_pixels"])
          property         r2   rmse n_pixels
                                dex
    -------------------- ----- ----- --------
    stellar_mass_density 0.989 0.076      256
             stellar_age 0.994 0.009      256
    """
    import astropy.units as u
    from astropy.table import QTable

    from euclid_resolved.training._extract import pixels_of
    from euclid_resolved.training._groups import warn_of_seen

    pixels = pixels_of(galaxies, model, progress=progress)
    if not len(pixels):
        raise InputError(f"no pixel of {len(pixels.names)} galaxies is above the model's clip")
    seen = warn_of_seen(model, pixels)
    rows = []
    for name, estimate in estimate_pixels(model, pixels, missing=missing).items():
        truth = to_dex(pixels.truth[name])
        if per_galaxy:
            stops = np.cumsum(pixels.counts)
            for galaxy, stop, n in zip(pixels.names, stops, pixels.counts, strict=True):
                own = with_estimate(truth[stop - n : stop], estimate[stop - n : stop], name)
                counts = {"n_pixels": len(own[0])}
                rows.append({"property": name, "galaxy": galaxy, **metrics(*own), **counts})
        else:
            own = with_estimate(truth, estimate, name)
            counts = {"n_pixels": len(own[0]), "n_galaxies": len(set(pixels.groups))}
            rows.append({"property": name, **metrics(*own), **counts})
    table = QTable(rows=rows)
    for name in ("rmse", "nmad", "bias"):
        table[name] = table[name] * u.dex
    for name in ("r2", "rmse", "nmad", "bias", "outlier_fraction", "pearson"):
        table[name].info.format = ".3f"
    table.meta["kept"] = pixels.kept
    table.meta["seen_in_training"] = list(seen)
    return table


def finish(rows: Sequence[Mapping[str, Any]], **meta: Any) -> QTable:
    """A table of rows with units and formats where they belong.

    Parameters
    ----------
    rows : list of dict
    **meta
        Kept in the table.

    Returns
    -------
    table : `~astropy.table.QTable`

    Examples
    --------
    >>> from euclid_resolved.diagnostics import finish
    >>> table = finish([{"property": "stellar_age", "r2": 0.38214, "rmse": 0.1279}], runs=1)
    >>> print(table)
      property    r2    rmse
                        dex
    ----------- ------ ------
    stellar_age 0.3821 0.1279
    >>> table.meta["runs"]
    1
    """
    import astropy.units as u
    from astropy.table import QTable

    table = QTable(rows=rows)
    for name in ("rmse", "nmad", "bias", "estimate_scatter"):
        if name in table.colnames:
            table[name] = table[name] * u.dex
    for name in table.colnames:
        if np.asarray(table[name]).dtype.kind == "f":
            table[name].info.format = ".4f"
    table.meta.update(meta)
    return table
