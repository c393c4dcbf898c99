"""Figures of diagnostics: importance, relations, learning curves, profiles."""

import numpy as np

from euclid_resolved.plotting import axis_label
from euclid_resolved.quantities import get_property

__all__ = [
    "plot_colour_recovery",
    "plot_importance",
    "plot_learning_curve",
    "plot_lofo",
    "plot_permutation",
    "plot_profiles",
    "plot_rmzr",
    "plot_runs",
    "plot_sample_bias",
    "plot_shuffle",
]

BAND_COLOURS = {"IE": "tab:blue", "YE": "tab:green", "JE": "tab:orange", "HE": "tab:red"}
_PROPERTY_COLOURS = {
    "stellar_mass_density": "tab:purple",
    "stellar_metallicity": "tab:green",
    "stellar_age": "tab:orange",
}
METRIC_LABELS = {
    "r2": r"$R^2$",
    "rmse": "RMSE [dex]",
    "nmad": "NMAD [dex]",
    "bias": "bias [dex]",
    "outlier_fraction": r"$f_\mathrm{out}$",
    "pearson": r"Pearson $\rho$",
}
_LINES = ("-", "--", "-.", ":")


def _numbers(column):
    return np.asarray(getattr(column, "value", column), float)


def _symbol(name):
    return f"${get_property(name).symbol}$"


def _properties(table):
    return list(dict.fromkeys(str(name) for name in table["property"]))


def _of(table, name):
    return table[np.asarray(table["property"]) == name]


def panels(n, width=3.4, height=3.0, **options):
    """A figure with a row of `n` panels."""
    import matplotlib.pyplot as plt

    size = (width * n, height)
    return plt.subplots(1, n, figsize=size, squeeze=False, layout="constrained", **options)


def _bars(axis, labels, values, errors=None):
    colours = [BAND_COLOURS.get(label, "0.5") for label in labels]
    axis.barh(range(len(labels)), values, xerr=errors, color=colours, height=0.7, error_kw={"lw": 1})
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    axis.axvline(0, color="black", lw=0.8)


def plot_importance(table):
    """Impurity importance of each column, a panel a property (the paper's Fig. 9).

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.importance.impurity_importance`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    names = _properties(table)
    figure, axes = panels(len(names))
    for axis, name in zip(axes[0], names, strict=True):
        part = _of(table, name)
        part = part[np.argsort(-_numbers(part["importance"]), kind="stable")]
        values = 100 * _numbers(part["importance"])
        _bars(axis, [str(c) for c in part["column"]], values)
        for i, value in enumerate(values):
            if np.isfinite(value):
                axis.text(value, i, f" {value:.1f}", va="center", size="small")
        axis.set(title=_symbol(name), xlabel="importance [%]")
        if np.isfinite(values).any():
            axis.set_xlim(0, max(np.nanmax(values) * 1.2, 1))
        else:
            axis.text(0.5, 0.5, "the estimator has none", ha="center", transform=axis.transAxes)
    return figure


def plot_lofo(table):
    """What is lost without each band, a panel a property (the right of the paper's Fig. 10).

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.importance.lofo`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    names, metric = _properties(table), table.meta.get("metric", "rmse")
    figure, axes = panels(len(names))
    for axis, name in zip(axes[0], names, strict=True):
        part = _of(table, name)
        part = part[np.asarray(part["left_out"]) != "none"]
        _bars(axis, [str(b) for b in part["left_out"]], 100 * _numbers(part["lofo_relative"]))
        label = METRIC_LABELS.get(metric, metric).split(" [")[0]
        axis.set(title=_symbol(name), xlabel=f"change of {label} without the band [%]", ylabel="left out")
    return figure


def plot_permutation(table):
    """What is lost when each band is shuffled, among all pixels and within galaxies.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.importance.permutation_importance`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    names, metric = _properties(table), table.meta.get("metric", "r2")
    figure, axes = panels(len(names))
    for axis, name in zip(axes[0], names, strict=True):
        part = _of(table, name)
        _bars(axis, [str(b) for b in part["band"]], _numbers(part["importance"]))
        within = _numbers(part["importance_within"])
        axis.plot(within, range(len(part)), "D", color="black", ms=4, label="within galaxies")
        label = METRIC_LABELS.get(metric, metric)
        axis.set(title=_symbol(name), xlabel=f"loss in {label} when shuffled", ylabel="band")
    axes[0][0].legend(frameon=False, fontsize="small")
    return figure


def plot_learning_curve(table):
    """R2 against the number of training galaxies.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.robustness.learning_curve`, or of `~euclid_resolved.robustness.projections`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    steps = "projections" if "projections" in table.colnames else "training_galaxies"
    label = "projections of each training galaxy" if steps == "projections" else "training galaxies"
    figure, axes = panels(1, 4.4, 3.4)
    axis = axes[0][0]
    for name in _properties(table):
        part = _of(table, name)
        style = {"color": _PROPERTY_COLOURS.get(name), "label": _symbol(name), "ms": 4}
        axis.plot(part[steps], _numbers(part["r2"]), "o-", **style)
    axis.set(xlabel=label, ylabel=r"$R^2$ on the test galaxies")
    if steps == "training_galaxies":
        axis.set_xscale("log", base=2)
    ticks = sorted(set(np.asarray(table[steps]).tolist()))
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.legend(frameon=False)
    return figure


def plot_runs(table):
    """R2 of folds, or its mean and scatter over runs, by property.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.robustness.cross_validation` or `~euclid_resolved.robustness.epistemic_scatter`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    names = _properties(table)
    figure, axes = panels(1, 4.4, 3.2)
    axis = axes[0][0]
    for i, name in enumerate(names):
        part, colour = _of(table, name), _PROPERTY_COLOURS.get(name)
        if "fold" in part.colnames:
            values = _numbers(part["r2"])
            axis.plot(np.linspace(i - 0.15, i + 0.15, len(values)), values, "o", ms=4, color=colour)
            axis.hlines(values.mean(), i - 0.25, i + 0.25, color="black", lw=1)
        else:
            error = _numbers(part["r2_scatter"])
            axis.errorbar([i], _numbers(part["r2"]), yerr=error, fmt="o", color=colour, capsize=3)
    axis.set_xticks(range(len(names)), [_symbol(name) for name in names])
    axis.set(ylabel=r"$R^2$", xlim=(-0.6, len(names) - 0.4))
    return figure


def plot_sample_bias(table):
    """R2 on training and on test galaxies, side by side.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.robustness.sample_bias`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    names = _properties(table)
    figure, axes = panels(1, 4.4, 3.2)
    for which, shift, colour in (("training", -0.18, "0.7"), ("test", 0.18, "tab:blue")):
        part = table[np.asarray(table["set"]) == which]
        axes[0][0].bar(np.arange(len(names)) + shift, _numbers(part["r2"]), 0.34, color=colour, label=which)
    axes[0][0].set_xticks(range(len(names)), [_symbol(name) for name in names])
    axes[0][0].set_ylabel(r"$R^2$")
    axes[0][0].legend(frameon=False)
    return figure


def plot_colour_recovery(table):
    """1 - R2 of each colour, logarithmic: the smaller, the better recovered (the paper's Table D.1).

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.robustness.colour_recovery`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    figure, axes = panels(1, 4.6, 3.0)
    missing = np.maximum(1 - _numbers(table["r2"]), 1e-7)
    axes[0][0].barh(range(len(table)), missing, color="0.5")
    axes[0][0].set_yticks(range(len(table)), [str(c) for c in table["colour"]])
    axes[0][0].invert_yaxis()
    axes[0][0].axvline(0.002, color="tab:red", ls="--", lw=1, label=r"published: $R^2\geq0.998$")
    axes[0][0].set(xscale="log", xlabel=r"$1-R^2$")
    axes[0][0].legend(frameon=False, fontsize="small")
    return figure


def plot_shuffle(table):
    """R2 of metallicity with and without what is known beyond density.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.rmzr.rmzr_shuffle`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    figure, axes = panels(1, 5.4, 2.4)
    axes[0][0].barh(range(len(table)), _numbers(table["r2"]), color=["tab:green", "0.6", "0.3"][: len(table)])
    axes[0][0].set_yticks(range(len(table)), [str(c) for c in table["case"]])
    axes[0][0].invert_yaxis()
    axes[0][0].axvline(0, color="black", lw=0.8)
    axes[0][0].set_xlabel(r"$R^2$ of metallicity on the test galaxies")
    return figure


def plot_rmzr(table, relations=()):
    """Density plots of metallicity against density, with running medians and fits (the paper's Fig. 8).

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.rmzr.rmzr`.
    relations : sequence of `~euclid_resolved.relations.Relation`, optional
        Drawn over all galaxies; those without values are named below the figure.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt

    from euclid_resolved.rmzr import FORMS

    shown = table.meta["panels"]
    titles = {"all": "all galaxies", "predicted": "test galaxies, predicted", "true": "test galaxies, true"}
    figure, axes = plt.subplots(1, 3, figsize=(12.5, 4.3), sharex=True, sharey=True, layout="constrained")
    reference = [np.array(v) for v in shown["all"]["medians"]]
    inside = [], []
    brightest = np.log10(max(np.max(panel["counts"]) for panel in shown.values()))
    for axis, (case, title) in zip(axes, titles.items(), strict=True):
        panel = shown[case]
        counts = np.array(panel["counts"], float).T
        counts[counts < 3] = np.nan
        style = {"origin": "lower", "aspect": "auto", "cmap": "Greys", "vmin": 0.3, "vmax": brightest}
        picture = axis.imshow(np.log10(counts), extent=(*panel["x"], *panel["y"]), **style)
        middle, median, p16, p84 = (np.array(v) for v in panel["medians"])
        if case != "all":
            axis.fill_between(reference[0], reference[2], reference[3], color="0.5", alpha=0.35, lw=0)
            axis.plot(*reference[:2], color="black", lw=1.5, label="all galaxies, median and 16-84 %")
        errors = (median - p16, p84 - median)
        axis.errorbar(middle, median, errors, fmt="o", color="deepskyblue", ms=4, capsize=2, label="median")
        for form, line in zip(FORMS, _LINES, strict=False):
            chosen = (np.asarray(table["metallicity"]) == case) & (np.asarray(table["form"]) == form)
            values = dict(zip(table["quantity"][chosen], _numbers(table["value"][chosen]), strict=True))
            scatter = values.pop("scatter")
            x = np.linspace(middle.min(), middle.max(), 80)
            y = FORMS[form][0](x, *values.values())
            axis.plot(x, y, line, color="tab:red", lw=1.2, label=f"{form}, scatter {scatter:.3f} dex")
        rows, columns = np.nonzero(np.isfinite(counts))
        for i, (cells, key) in enumerate(((columns, "x"), (rows, "y"))):
            low, high = panel[key]
            step = (high - low) / counts.shape[1 - i]
            inside[i].extend((low + step * cells.min(), low + step * (cells.max() + 1)))
        axis.set(title=title, xlabel=axis_label("stellar_mass_density"))
    supplied = [relation for relation in relations if relation.supplied]
    for i, relation in enumerate(supplied):
        style = {"color": f"C{i % 10}", "ls": _LINES[i % 4], "lw": 1.6, "label": relation.label}
        axes[0].plot(relation.log_density, relation.log_metallicity, **style)
    axes[0].set(ylabel=axis_label("stellar_metallicity"))
    axes[0].set(xlim=(min(inside[0]), max(inside[0])), ylim=(min(inside[1]), max(inside[1]) + 0.4))
    for axis in axes:
        axis.legend(frameon=False, fontsize="x-small", loc="upper left")
    missing = [relation.name for relation in relations if not relation.supplied]
    if missing:
        figure.supxlabel(f"not drawn, no table supplied: {', '.join(missing)}", size="x-small", color="0.4")
    figure.colorbar(picture, ax=axes, label=r"$\log_{10}$ pixels", shrink=0.9)
    return figure


def plot_profiles(table):
    """True and predicted radial profiles, a row a galaxy (at most six), a column a property.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        Of `~euclid_resolved.profiles.radial_profiles`.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
    """
    import matplotlib.pyplot as plt

    galaxies = list(dict.fromkeys(str(name) for name in table["galaxy"]))[:6]
    names, unit = _properties(table), table["radius"].unit
    size = (3.6 * len(names), 2.6 * len(galaxies))
    figure, axes = plt.subplots(len(galaxies), len(names), figsize=size, squeeze=False, layout="constrained")
    for row, galaxy in zip(axes, galaxies, strict=True):
        for axis, name in zip(row, names, strict=True):
            part = _of(table[np.asarray(table["galaxy"]) == galaxy], name)
            zero_point = np.log10(get_property(name).zero_point)
            for key, colour in (("true", "tab:red"), ("predicted", "tab:blue")):
                median, p16, p84 = (_numbers(part[key + s]) - zero_point for s in ("", "_p16", "_p84"))
                errors = (median - p16, p84 - median)
                style = {"color": colour, "label": key, "ms": 3, "lw": 1, "capsize": 2}
                axis.errorbar(part["radius"].value, median, errors, fmt="o-", **style)
            axis.set(ylabel=axis_label(name), xlabel=f"radius [{unit}]")
        row[0].set_title(galaxy, size="small")
        row[0].legend(frameon=False, fontsize="small")
    return figure
