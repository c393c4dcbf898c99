"""The resolved mass-metallicity relation: fits, scatter, and how much of an estimate is nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.diagnostics._contract import estimates, finish
from euclid_resolved.diagnostics._relation_fit import (
    FORMS,
    Binned,
    fitted,
    partial_correlation,
)
from euclid_resolved.diagnostics._rmzr_observed import (
    ALL,
    QUANTITIES,
    Points,
    as_plain,
    compare,
    in_our_conventions,
    relations_to_compare,
)
from euclid_resolved.features._scale import to_dex
from euclid_resolved.maps._properties import PROPERTIES
from euclid_resolved.models._columns import Columns
from euclid_resolved.models._metrics import pearson, r2, rmse
from euclid_resolved.training._extract import pixels_of
from euclid_resolved.training._groups import group_numbers
from euclid_resolved.training._train import retrain

if TYPE_CHECKING:
    from astropy.table import QTable

    from euclid_resolved.diagnostics._relations import Relation
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

__all__ = ["rmzr", "rmzr_shuffle"]


DENSITY, METALLICITY = "stellar_mass_density", "stellar_metallicity"
_FINE = 0.02  # dex: bins of density within which metallicity is shuffled
_DENSITY_GRID, _METALLICITY_GRID = (60, -0.5, 5.5), (60, -1.6, 0.8)  # bins and limits of the density plot


def _density_and_metallicity(model, pixels):
    """log10 of true density, of true and of estimated metallicity in solar units."""
    solar = np.float32(np.log10(PROPERTIES[METALLICITY].zero_point))
    truth, guess = estimates(model, pixels, METALLICITY)
    return to_dex(pixels.truth[DENSITY]), truth - solar, guess - solar


def _with_metallicity(model, training, test):
    """The model, trained anew for metallicity where it does not estimate it, and the pixels."""
    properties = dict.fromkeys((*model.properties, DENSITY, METALLICITY))
    pixels, unseen = (pixels_of(part, model, properties) for part in (training, test))
    if METALLICITY not in model.properties:
        model = retrain(model, pixels, properties=(METALLICITY,))
    return model, pixels, unseen


def rmzr(
    model: Model,
    training: Sequence[Galaxy] | Pixels,
    test: Sequence[Galaxy] | Pixels,
    *,
    relations: Sequence[Relation | str] | None = None,
    imf_shift: float | None = None,
    bootstrap: int = 200,
    seed: int = 1,
) -> QTable:
    """Fit the resolved mass-metallicity relation, compare it with observed ones, and ask what estimates add.

    The fits and the density plots are those of the paper's figure 8.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        One that does not estimate metallicity is trained anew to do so.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    relations : sequence of `Relation` or str, optional
        Observed relations to compare with, by name or with values of your own; none of them where it is
        empty. Without it all that are registered, have values and are mass-weighted as the maps are: CALIFA
        at one effective radius.
    imf_shift : float, optional
        What to add to log10 of their densities and masses for the IMF of the maps, Chabrier; -0.25 dex where
        theirs is Salpeter, without it.
    bootstrap : int, optional
        Samples of galaxies drawn for the errors.
    seed : int, optional

    Returns
    -------
    table : `~astropy.table.QTable`
        One quantity a row, with ``error``: for the metallicity of ``all`` galaxies, and the ``true`` and
        ``predicted`` one of the test galaxies, always at true density, the parameters of each form (see
        `fit_relation`) and the ``scatter`` about it (dex). Then the ``partial correlation`` of true and
        predicted metallicity at fixed density: 0 where the estimate is the relation and nothing else. Values
        are NaN for a form that the data do not constrain, and ``note`` says so.

        Last, with the name of a relation as ``form``, how the pixels in its range of density differ from it:
        ``offset``, the mean of metallicity less the relation (dex); ``slope difference`` (dex per dex); ``rms
        of means``, of the means in each 0.05 dex of density, and ``rms of pixels`` (dex). ``galaxies`` says
        of which: all, or those in a range of log10 stellar mass, which are compared with what the relation
        is for that mass. Errors are those of drawing galaxies again, NaN for fewer than five. The error of
        the relation's own densities changes the offset by ``density error``. ``meta`` has what was converted
        (``relations``), these rows as numbers (``compared``), and medians and counts for figures
        (``panels``).

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import rmzr
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> table = rmzr(model, galaxies[:3], galaxies[3:], bootstrap=20)
    >>> table.colnames
    ['metallicity', 'form', 'galaxies', 'quantity', 'value', 'error', 'note']
    >>> rows = table[(table["form"] == "CALIFA Re") & (table["galaxies"] == "all")]
    >>> print(rows[rows["metallicity"] == "true"]["quantity", "value"])
        quantity      value
    ---------------- -------
    """
    observed = [in_our_conventions(one, imf_shift) for one in relations_to_compare(relations)]
    model, pixels, unseen = _with_metallicity(model, training, test)
    solar = np.log10(PROPERTIES[METALLICITY].zero_point)
    x, truth, guess = _density_and_metallicity(model, unseen)
    x_all = np.concatenate([to_dex(pixels.truth[DENSITY]), x])
    y_all = np.concatenate([to_dex(pixels.truth[METALLICITY]) - solar, truth])
    numbers = np.split(group_numbers([*pixels.groups, *unseen.groups]), [len(pixels.groups)])
    galaxies = [own[each.galaxy] for own, each in zip(numbers, (pixels, unseen), strict=True)]
    everything = np.concatenate(galaxies)
    pair = Binned(x, [truth, guess], galaxies[1])
    cases = {"all": (Binned(x_all, [y_all], everything), 0), "true": (pair, 0), "predicted": (pair, 1)}
    rows = []
    for case, (binned, which) in cases.items():
        for form in FORMS:
            values, errors = fitted(binned, form, which, bootstrap, seed)
            lost = "not constrained" if np.isnan(list(values.values())).any() else ""
            rows += [_line(case, form, ALL, key, value, errors[key], lost) for key, value in values.items()]
    drawn = [partial_correlation(pair.sums(w)) for w in pair.draws(bootstrap, seed)]
    error = float(np.nanstd(drawn)) if len(pair) > 1 else np.nan
    rows.append(
        _line("true and predicted", "", ALL, "partial correlation", partial_correlation(pair.sums()), error)
    )
    masses = [_masses(part) for part in (pixels, unseen)]
    points = Points(x, (truth, guess), galaxies[1], masses[1])
    whole = Points(x_all, (y_all,), everything, np.concatenate(masses))
    beside = {"all": (whole, 0), "true": (points, 0), "predicted": (points, 1)}
    compared = [row for one, _ in observed for row in compare(one, beside, bootstrap=bootstrap, seed=seed)]
    for row in compared:
        rows += _lines_of(row)
    sets = {"all": (x_all, y_all), "true": (x, truth), "predicted": (x, guess)}
    panels = {case: _panel(*xy) for case, xy in sets.items()}
    return finish(
        rows, panels=panels, compared=compared, relations=[as_plain(one, said) for one, said in observed]
    )


def _line(case, form, galaxies, quantity, value, error=np.nan, note=""):
    row = {"metallicity": case, "form": form, "galaxies": galaxies, "quantity": quantity}
    return row | {"value": value, "error": error, "note": note}


def _lines_of(row):
    """The rows of a comparison, one a quantity."""
    said = ALL if np.isnan(row["low"]) else f"log mass {row['low']:.2f} to {row['high']:.2f}"
    note = f"{row['n_galaxies']} galaxies"
    lines = [
        _line(row["metallicity"], row["relation"], said, name, row[name], row[f"{name} error"], note)
        for name in QUANTITIES
        if said == ALL or name in QUANTITIES[:2]
    ]
    if said == ALL and np.isfinite(row["density error"]):
        lines.append(_line(row["metallicity"], row["relation"], said, "density error", row["density error"]))
    return lines


def _masses(pixels):
    """log10 of the stellar mass of the galaxy that each pixel belongs to; NaN where that is not known."""
    masses = np.array(pixels.log_masses or np.full(len(pixels.names), np.nan))
    return np.repeat(masses, pixels.counts)


def _panel(x, y):
    """Counts on a grid, and running medians, as plain lists that go into a file."""
    from euclid_resolved.plotting._comparison import running_median

    nx, x0, x1 = _DENSITY_GRID
    ny, y0, y1 = _METALLICITY_GRID
    counts = np.histogram2d(x, y, bins=(nx, ny), range=((x0, x1), (y0, y1)))[0].astype(int)
    medians = [np.round(v, 4).tolist() for v in running_median(x, y, bins=14)]
    return {"x": [x0, x1], "y": [y0, y1], "counts": counts.tolist(), "medians": medians}


def shuffle_at_fixed_density(pixels: Pixels, seed: int = 1) -> Pixels:
    """The same pixels with metallicity exchanged among pixels of one density.

    The relation between density and metallicity, and its scatter, stay; whatever else says metallicity is
    destroyed.

    Parameters
    ----------
    pixels : `~euclid_resolved.training.Pixels`
    seed : int, optional

    Returns
    -------
    pixels : `~euclid_resolved.training.Pixels`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved.diagnostics._rmzr import shuffle_at_fixed_density
    >>> from euclid_resolved.training import extract
    >>> from euclid_resolved.testing import example_galaxies
    >>> pixels = extract(example_galaxies(), ("stellar_mass_density", "stellar_metallicity"))
    >>> before, after = (p.truth["stellar_metallicity"] for p in (pixels, shuffle_at_fixed_density(pixels)))
    >>> np.array_equal(np.sort(before), np.sort(after)), bool((before != after).any())
    (True, True)
    """
    check_whole("seed", seed, 0)
    bins = np.floor(to_dex(pixels.truth[DENSITY]) / _FINE).astype(np.int64)
    order = np.lexsort((np.random.default_rng(seed).random(len(pixels)), bins))
    shuffled = np.empty_like(pixels.truth[METALLICITY])
    shuffled[np.argsort(bins, kind="stable")] = pixels.truth[METALLICITY][order]
    return replace(pixels, truth=Columns({**pixels.truth, METALLICITY: shuffled}))


def rmzr_shuffle(
    model: Model, training: Sequence[Galaxy] | Pixels, test: Sequence[Galaxy] | Pixels, *, seed: int = 1
) -> QTable:
    """Is metallicity estimated, or density and then the relation? Train with the rest destroyed.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Says what to train.
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
    seed : int, optional
        Of the shuffling.

    Returns
    -------
    table : `~astropy.table.QTable`
        R2, RMSE, Pearson coefficient and partial correlation at fixed density of metallicity, on the
        untouched test galaxies: ``as trained``; trained on metallicity ``shuffled at fixed density``;
        and ``relation alone``, the mean metallicity of the training pixels of the *true* density, the best
        that density can say.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.diagnostics import rmzr_shuffle
    >>> from euclid_resolved.testing import example_galaxies
    >>> galaxies = example_galaxies()
    >>> model = train(galaxies[:3], "all", LinearRegression())
    >>> print(rmzr_shuffle(model, galaxies[:3], galaxies[3:])["case", "r2"])
               case             r2
    ------------------------- ------
                   as trained 0.9908
    shuffled at fixed density 0.7617
               relation alone 0.6643
    """
    model, pixels, unseen = _with_metallicity(model, training, test)
    shuffled = retrain(model, shuffle_at_fixed_density(pixels, seed), properties=(METALLICITY,))
    x, truth, guess = _density_and_metallicity(model, unseen)
    solar = np.log10(PROPERTIES[METALLICITY].zero_point)
    known = to_dex(pixels.truth[METALLICITY]) - solar
    sums = Binned(to_dex(pixels.truth[DENSITY]), [known], pixels.galaxy * 0).sums()
    cases = {
        "as trained": guess,
        "shuffled at fixed density": estimates(shuffled, unseen, METALLICITY)[1] - solar,
        "relation alone": np.interp(x, sums.x, sums.y[0] / sums.n),
    }
    rows = []
    for case, values in cases.items():
        partial = partial_correlation(Binned(x, [truth, values], unseen.galaxy).sums())
        row = {"case": case, "r2": r2(truth, values), "rmse": rmse(truth, values)}
        row |= {"pearson": pearson(truth, values), "partial_correlation": partial}
        if case == "relation alone":
            row["partial_correlation"] = np.nan  # a function of density says nothing at fixed density
        rows.append(row)
    return finish(rows)
