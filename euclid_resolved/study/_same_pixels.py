"""Errors of several models on the same pixels: where one judges more than another, both are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model


def errors_on_images(
    models: Mapping[str, Model], galaxies: Sequence[Galaxy]
) -> dict[tuple[str, str], dict[str, float]]:
    """RMSE and bias of models on pixels that all of them judge, and on all that each does.

    Parameters
    ----------
    models : mapping of str to `~euclid_resolved.Model`
        Of the same properties.
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Galaxies that no model has seen.

    Returns
    -------
    values : dict
        By label of the model and property: ``rmse`` and ``bias`` (truth minus estimate, dex) on the
        ``pixels`` that all models judge, and ``rmse_all``, ``bias_all`` and ``pixels_all`` on its own. NaN
        without any.
    """
    sums: dict[tuple[str, str], np.ndarray] = {}
    for galaxy in galaxies:
        image, truth = galaxy.load()
        maps = {label: model.predict_maps(image) for label, model in models.items()}
        for name in next(iter(maps.values())):
            true = np.asarray(truth[name].data, float)
            mask = truth[name].mask
            known = (true > 0) if mask is None else (true > 0) & ~np.asarray(mask)
            judged = {label: known & ~np.asarray(each[name].mask) for label, each in maps.items()}
            shared = np.logical_and.reduce(list(judged.values()))
            for label, each in maps.items():
                with np.errstate(divide="ignore", invalid="ignore"):
                    error = np.log10(true / np.asarray(each[name].data, float))
                found = [_sums(error[where]) for where in (shared, judged[label])]
                sums[label, name] = sums.get((label, name), 0) + np.array(found)
    return {key: _told(*values) for key, values in sums.items()}


def _sums(error):
    return len(error), error.sum(), (error**2).sum()


def _told(shared, own):
    values = {}
    for end, (n, total, squares) in (("", shared), ("_all", own)):
        values[f"rmse{end}"] = float(np.sqrt(squares / n)) if n else np.nan
        values[f"bias{end}"] = float(total / n) if n else np.nan
        values[f"pixels{end}"] = int(n)
    return values
