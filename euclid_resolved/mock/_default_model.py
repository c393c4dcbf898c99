"""The model that is used when none is named: it comes with the package."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model

__all__ = ["default_model"]


def default_path() -> Path:
    """The file of the default model.

    Examples
    --------
    >>> from euclid_resolved.mock._default_model import default_path
    >>> default_path().name
    'default_model.asdf'
    """
    return Path(__file__).parent / "data" / "default_model.asdf"


@lru_cache(maxsize=1)
def default_model() -> Model:
    """The default model: of all three properties, with calibrated intervals.

    It was trained on mock galaxies of the preset ``broad`` observed as Euclid would, and comes with the
    package. ``euclid-resolved default-model make`` makes it again, and others like it.

    Returns
    -------
    model : `~euclid_resolved.Model`
        ``model.training["trust"]`` says what it may not be trusted for, ``model.training["recipe"]`` how it
        was made.

    Examples
    --------
    >>> from euclid_resolved.mock import default_model
    >>> from euclid_resolved.testing import example_galaxies
    >>> model = default_model()
    >>> maps = model.predict_maps(example_galaxies(1, side=32)[0].image)
    >>> list(maps)
    ['stellar_mass_density', 'stellar_metallicity', 'stellar_age']
    """
    from euclid_resolved.io.asdf._files import read_model

    return read_model(default_path())
