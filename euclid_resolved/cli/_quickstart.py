"""The whole line on a small mock atlas: make, train, evaluate, map, draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved.diagnostics._published import published_r2
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._linear import LinearRegression
from euclid_resolved.estimators._trees import RandomForest
from euclid_resolved.features._scale import to_dex
from euclid_resolved.io._atlas import read_atlas
from euclid_resolved.io._fingerprint import fingerprint
from euclid_resolved.io._read_write import write
from euclid_resolved.maps._properties import PROPERTIES
from euclid_resolved.mock._atlas import make_atlas
from euclid_resolved.plotting._comparison import plot_galaxy, plot_predicted_against_true
from euclid_resolved.plotting._maps import plot_image
from euclid_resolved.plotting._style import save_figure
from euclid_resolved.training._evaluate import estimate_pixels, evaluate
from euclid_resolved.training._extract import extract
from euclid_resolved.training._splits import split
from euclid_resolved.training._train import train

_FILES = ("model.asdf", "maps.fits", "maps.asdf", "image.png", "galaxy.png", "predicted_against_true.png")


def quickstart(
    directory: str | Path = "quickstart",
    *,
    galaxies: int = 40,
    seed: int = 1,
    overwrite: bool = False,
    say: Callable[[str], object] = print,
) -> Table:
    """Run the whole line on a mock atlas and leave model, maps and figures in a folder.

    Parameters
    ----------
    directory : str or `~pathlib.Path`, optional
        Made where it does not exist. A mock atlas that is there already is used again.
    galaxies : int, optional
        How many galaxies the mock atlas has; a fifth of them is the test set.
    seed : int, optional
        Of the mock atlas and the split.
    overwrite : bool, optional
        Replace the files of an earlier run.
    say : callable, optional
        Takes each line of the report.

    Returns
    -------
    table : `~astropy.table.Table`
        Accuracy on the test galaxies beside the paper's.

    Raises
    ------
    InputError
        If a file of an earlier run is there and `overwrite` is False.
    """
    directory = Path(directory)
    existing = [name for name in _FILES if (directory / name).exists()]
    if existing and not overwrite:
        raise InputError(f"{directory} holds {', '.join(existing)} already; use overwrite=True (--overwrite)")
    atlas = _atlas(directory / "atlas", galaxies, seed, overwrite)
    say(f"Mock atlas of {galaxies} galaxies in {atlas}: simple models, not a cosmological simulation.")
    training, test = split(read_atlas(atlas)[:galaxies], fraction=0.2, seed=seed)
    source = f"mock atlas, {galaxies} galaxies, seed {seed}"
    pixels = extract(training, tuple(PROPERTIES), source=source, progress=True)
    unseen = extract(test, tuple(PROPERTIES), progress=True)
    say(
        f"{len(pixels)} pixels of {len(training)} galaxies to train on, {len(unseen)} of {len(test)} to test."
    )
    rows, models = [], {}
    panels: dict[str, dict[str, Any]] = {name: {} for name in PROPERTIES}
    for title, estimator in (
        ("linear", LinearRegression()),
        ("random_forest", RandomForest(n_trees=50, seed=seed)),
    ):
        model = models[title] = train(pixels, "all", estimator, seed=seed)
        guess = estimate_pixels(model, unseen)
        for row in evaluate(model, unseen):
            name = row["property"]
            values = {key: float(np.asarray(row[key])) for key in ("r2", "rmse", "nmad", "bias", "pearson")}
            paper = published_r2(name, title, "bands")
            rows.append({"property": name, "estimator": title, "paper_r2": paper, **values})
            panels[name][title.replace("_", " ")] = to_dex(unseen.truth[name]), guess[name]
    table = Table(rows=sorted(rows, key=lambda row: list(PROPERTIES).index(row["property"])))
    for name in ("r2", "rmse", "nmad", "bias", "pearson"):
        table[name].info.format = ".3f"
    say("Accuracy on the test galaxies (dex), and the paper's R2 on TNG50-SKIRT ('-': not printed there):")
    for line in table.pformat(max_width=-1, max_lines=-1):
        say("  " + line)
    model = models["random_forest"]
    model.training.update(atlas=fingerprint(atlas), test_galaxies=[galaxy.name for galaxy in test])
    # The test galaxy with the most pixels above the clip: the one worth a figure.
    galaxy = test[int(np.argmax(np.bincount(unseen.galaxy, minlength=len(test))))]
    image, truth = galaxy.load()
    maps = model.predict_maps(image)
    write(directory / "model.asdf", model, overwrite=overwrite)
    write(directory / "maps.fits", maps, overwrite=overwrite)
    write(directory / "maps.asdf", maps, overwrite=overwrite)
    judged = 1 - float(np.mean(np.asarray(next(iter(maps.values())).mask)))
    say(
        f"{galaxy.name}, which no model has seen, is mapped; {100 * judged:.1f} % of its pixels have a value."
    )
    figures = {
        "image.png": plot_image(image),
        "galaxy.png": plot_galaxy(truth, maps, bin_width=1.5 * u.kpc, title=f"{galaxy.name} (mock)"),
        "predicted_against_true.png": plot_predicted_against_true(panels),
    }
    for name, figure in figures.items():
        save_figure(figure, directory / name)
    say("Written: " + ", ".join(str(directory / name) for name in _FILES))
    return table


def _atlas(directory, galaxies, seed, overwrite):
    """A mock atlas: the one that is there, if it is the one wanted, or with `overwrite` a new one."""
    try:
        return make_atlas(directory, galaxies, seed=seed)
    except InputError:
        if not overwrite:
            raise
        return make_atlas(directory, galaxies, seed=seed, overwrite=True)
