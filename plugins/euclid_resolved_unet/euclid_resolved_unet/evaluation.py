"""How well a U-Net does: a table like that of `euclid_resolved.evaluate`, and a diagnostic."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.table import QTable

from euclid_resolved import DataWarning, Galaxy, InputError, Model, evaluate
from euclid_resolved.diagnostics import finish
from euclid_resolved.features import to_dex
from euclid_resolved.models import metrics
from euclid_resolved.training import Pixels
from euclid_resolved_unet.learning import train_unet
from euclid_resolved_unet.unet import UNet

__all__ = ["compare", "evaluate_unet"]


def evaluate_unet(unet: UNet, galaxies: Sequence[Galaxy], *, per_galaxy: bool = False) -> QTable:
    """Compare a U-Net with the truth, on the pixels that it judges.

    On these pixels `euclid_resolved.evaluate` compares a model of single pixels with the same clip.

    Parameters
    ----------
    unet : `~euclid_resolved_unet.UNet`
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Galaxies that it has not seen, if the figures are to mean anything.
    per_galaxy : bool, optional
        A row for every galaxy and property instead of one a property.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row a property: ``r2``, ``rmse``, ``nmad``, ``bias`` (dex), ``outlier_fraction``, ``pearson``,
        ``n_pixels``, ``n_galaxies``, as from `euclid_resolved.evaluate`. The galaxies that the network was
        trained on, from whatever side, are in ``meta["seen_in_training"]``.

    Raises
    ------
    InputError
        If a band or the truth is missing, or no pixel is left.

    Warns
    -----
    DataWarning
        If the network was trained on some of the galaxies.
    """
    if isinstance(galaxies, Pixels):
        raise InputError("a U-Net needs galaxies with their images, not pixels gathered from them")
    galaxies = list(galaxies)
    trained = set(unet.training.get("groups", ()))
    seen = [galaxy.name for galaxy in galaxies if galaxy.group in trained]
    if seen:
        message = f"the network was trained on {len(seen)} of these galaxies: {', '.join(seen[:5])}"
        warnings.warn(message, DataWarning, stacklevel=2)
    pairs = [_pairs(unet, galaxy) for galaxy in galaxies]
    if not sum(pair.shape[-1] for pair in pairs):
        raise InputError(f"no pixel of {len(galaxies)} galaxies is above the network's clip with known truth")
    rows = []
    for number, name in enumerate(unet.properties):
        own = [pair[:, number] for pair in pairs]
        if per_galaxy:
            for galaxy, (true, made) in zip(galaxies, own, strict=True):
                if len(true):
                    row = {"property": name, "galaxy": galaxy.name}
                    rows.append({**row, **metrics(true, made), "n_pixels": len(true)})
        else:
            true, made = np.concatenate(own, axis=1)
            counts = {"n_pixels": len(true), "n_galaxies": len({galaxy.group for galaxy in galaxies})}
            rows.append({"property": name, **metrics(true, made), **counts})
    return finish(rows, seen_in_training=seen)


def _pairs(unet, galaxy):
    """log10 of truth and estimate, shape (2, properties, pixels), of the pixels where all truth is known."""
    image, truth = galaxy.load()
    lacking = [name for name in unet.properties if name not in truth]
    if lacking:
        raise InputError(f"{galaxy.name}: no true map of {', '.join(lacking)}; it has {', '.join(truth)}")
    maps = unet.predict_maps(image)
    usable = ~next(iter(maps.values())).mask
    for name in unet.properties:
        values = np.asarray(truth[name].data)
        usable &= np.isfinite(values) & (values > 0)
        if truth[name].mask is not None:
            usable &= ~truth[name].mask
    return np.stack(
        [
            np.stack([to_dex(np.asarray(each[name].data)[usable]) for name in unet.properties])
            for each in (truth, maps)
        ]
    )


def compare(
    model: Model, training: Sequence[Galaxy], test: Sequence[Galaxy], *, seed: int = 1, **settings: Any
) -> QTable:
    """Train a U-Net on the galaxies that a model was trained on, and put its accuracy beside the model's.

    Registered as the diagnostic ``unet``.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        Its bands, clip and properties are the network's.
    training, test : sequence of `~euclid_resolved.Galaxy`
        With images: pixels gathered from them are not enough.
    seed : int, optional
    **settings
        As for `~euclid_resolved_unet.train_unet`.

    Returns
    -------
    table : `~astropy.table.QTable`
        The columns of `euclid_resolved.evaluate`, and ``estimator``: for each property a row of the model and
        one of the network.

    Raises
    ------
    InputError
        If pixels are given for galaxies, or as for `~euclid_resolved_unet.train_unet`.
    """
    if isinstance(training, Pixels) or isinstance(test, Pixels):
        raise InputError("a U-Net learns from images: give galaxies, not pixels gathered from them")
    own = {"bands": model.bands, "clip": model.clip, "progress": False}
    unet = train_unet(training, model.properties, seed=seed, **{**own, **settings})
    rows = []
    theirs, ours = evaluate(model, test), evaluate_unet(unet, test)
    for one, other in zip(theirs, ours, strict=True):
        for name, row in (("model", one), ("unet", other)):
            plain = {key: getattr(row[key], "value", row[key]) for key in ours.colnames}
            rows.append({"property": plain.pop("property"), "estimator": name, **plain})
    return finish(rows, weights=unet.weights, seed=seed)
