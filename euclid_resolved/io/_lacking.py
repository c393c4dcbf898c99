"""Which bands of a model an image has, before it is read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from euclid_resolved.errors import InputError
from euclid_resolved.io._opening import _GALAXY

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model


def bands_for(model: Model, source: str | Path | Mapping[str, str | Path] | Sequence[str]) -> tuple[str, ...]:
    """The bands of a model that an image has; only headers and names of files are looked at.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    source : path-like, mapping or list of str
        As for `~euclid_resolved.io.open_image`.

    Returns
    -------
    bands : tuple of str
        All that the model has, where it needs all or where the source does not tell before it is read.

    Raises
    ------
    InputError
        If the model cannot do without those that are missing.

    Examples
    --------
    >>> from euclid_resolved import RandomForest, make_atlas, train
    >>> from euclid_resolved.io._lacking import bands_for
    >>> from euclid_resolved.testing import example_galaxies
    >>> model = train(example_galaxies(), estimator=RandomForest(n_trees=3, n_jobs=1), missing_bands=0.3)
    >>> folder = make_atlas("atlas", 1, pixels=16)
    >>> names = {"IE": "VIS", "HE": "H"}
    >>> bands_for(model, [f"{b}={folder}/TNG000001_O5_Euclid_{name}.fits" for b, name in names.items()])
    ('IE', 'HE')
    """
    if model.missing is None:
        return model.bands
    lost = _missing(source, model.bands)
    there = tuple(band for band in model.bands if band not in lost)
    if not there:
        return model.bands  # reading says what the source holds instead
    model.missing.check_absent(lost)
    return there


def _missing(source, bands):
    """The bands that an image lacks; none where something else is wrong with it, which reading will say."""
    from euclid_resolved.io._atlas import read_galaxy
    from euclid_resolved.io.euclid._mer_files import list_tiles
    from euclid_resolved.io.euclid._strips import open_large

    path = Path(source) if isinstance(source, str | Path) else None
    if path is not None and str(path).endswith(".asdf"):
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is opened once more, and then they are shown
            if path is not None and _GALAXY.fullmatch(path.name):
                read_galaxy(source, bands=bands)
            elif path is not None and path.is_dir():
                tiles = list_tiles(source).values()
                return tuple(b for b in bands if not any("" in files.get(b, {}) for files in tiles))
            else:
                with open_large(source, bands):
                    pass
    except InputError as error:
        return error.missing
    return ()
