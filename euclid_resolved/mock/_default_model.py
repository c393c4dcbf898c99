"""The model that is used when none is named: trained once on mock galaxies, then kept."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u

from euclid_resolved.citation import __version__
from euclid_resolved.errors import DataWarning, InputError

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model

__all__ = ["default_model"]


TRUST = (
    "Trained on mock galaxies, simple models and no simulation, observed as Euclid would. Density is "
    "estimated from light; its errors allow for other libraries of stellar populations, within the spread of "
    "published ones, not for another initial mass function. Metallicity mostly repeats the training "
    "galaxies' relation with density: do not trust it beyond that. Age: do not trust it."
)
"""What maps of the default model say about themselves."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the default model is made; its digest names the file it is kept in.

    Parameters
    ----------
    preset : str
        Of `~euclid_resolved.MockSettings`.
    galaxies, pixels, seed : int
        Of the mock atlas.
    distance : tuple of float
        Mpc; each galaxy is observed at its own.
    depth : tuple of float
        In units of the Euclid Wide Survey's. The mock's pixels are some arcsec wide at these distances; the
        low end makes them as noisy as the mosaics' pixels of 0.1 arcsec.
    folds : int
        Of galaxies that are left out in turn, to measure accuracy and to calibrate intervals.
    n_trees : int
        The most trees of gradient boosting for each property.

    Examples
    --------
    >>> from euclid_resolved.mock._default_model import Recipe, default_path
    >>> Recipe().galaxies, Recipe().preset
    (2400, 'broad')
    >>> default_path(Recipe(seed=2)).name == default_path().name  # another recipe, another file
    False
    """

    preset: str = "broad"
    galaxies: int = 2400
    pixels: int = 32
    seed: int = 20
    distance: tuple[float, float] = (20.0, 100.0)
    depth: tuple[float, float] = (0.001, 1.0)
    folds: int = 4
    n_trees: int = 300

    @property
    def digest(self) -> str:
        """A SHA-256 over the recipe and what it uses, as hexadecimal text."""
        from euclid_resolved.mock._atlas import GENERATOR
        from euclid_resolved.mock._settings import MockSettings
        from euclid_resolved.models._clip import MIN_SN

        settings = MockSettings.preset(self.preset).as_text()
        text = f"{__version__} {GENERATOR} {settings} {MIN_SN} {sorted(asdict(self).items())!r}"
        return hashlib.sha256(text.encode()).hexdigest()


def default_path(recipe: Recipe | None = None) -> Path:
    """Where the default model is kept: in Astropy's cache directory.

    Parameters
    ----------
    recipe : `Recipe`, optional

    Returns
    -------
    path : `~pathlib.Path`

    Examples
    --------
    >>> from euclid_resolved.mock._default_model import default_path
    >>> default_path().suffix
    '.asdf'
    """
    from astropy.config import get_cache_dir

    digest = (recipe or Recipe()).digest[:16]
    return Path(get_cache_dir()) / "euclid_resolved" / f"default-{digest}.asdf"


def kept_path(recipe: Recipe | None = None) -> Path | None:
    """Where the default model is kept; None where the system has no place for it."""
    try:
        return default_path(recipe)
    except OSError:  # the cache directory cannot be made
        return None


_in_memory: dict[str, Model] = {}


def default_model(
    recipe: Recipe | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], object] = print,
) -> Model:
    """The default model: read if it was made before, else made and kept.

    Parameters
    ----------
    recipe : Recipe, optional
        Another way to make it, for tests and measurements; it is kept in a file of its own.
    progress : bool, optional
        Show progress bars on a terminal.
    say : callable, optional
        Takes each line of the report while the model is made.

    Returns
    -------
    model : `~euclid_resolved.Model`
        Of all three properties, with calibrated intervals; ``model.training["trust"]`` says what it may
        not be trusted for. Where it cannot be kept in a file, which is found out first, it is kept in memory
        until the process ends.

    Raises
    ------
    InputError
        If another process is making it.

    Examples
    --------
    The first call takes minutes and keeps the model; later ones read it.

    >>> from euclid_resolved import read_euclid
    >>> from euclid_resolved.mock import default_model
    >>> maps = default_model().predict_maps(read_euclid("cutout.fits"))  # doctest: +SKIP
    """
    from euclid_resolved.io._lock import hold
    from euclid_resolved.io._read_write import write

    recipe = recipe or Recipe()
    if recipe.digest in _in_memory:
        return _in_memory[recipe.digest]
    path = kept_path(recipe)
    if path is not None and path.exists():
        try:
            return _read(path, recipe)
        except InputError as error:
            warnings.warn(f"the default model is made again: {error}", DataWarning, stacklevel=2)
    reason = _why_not(path)
    on = f"on {recipe.galaxies} mock galaxies (preset {recipe.preset}) observed as Euclid would"
    if path is None or reason:
        say(f"There is no default model yet: it is trained {on}, and kept in memory only: {reason}")
        model = _in_memory[recipe.digest] = _make(recipe, progress)
        return model
    say(f"There is no default model yet: it is trained, once, {on}.")
    with hold(path):
        model = _make(recipe, progress)
        try:
            write(path, model, overwrite=True)
            say(f"Kept in {path}")
        except (OSError, InputError) as error:
            _in_memory[recipe.digest] = model
            say(f"The default model is kept in memory only: {error}")
    return model


def _read(path, recipe):
    """The model of a file, if it was made by this recipe: a name alone proves nothing."""
    from euclid_resolved.io.asdf._files import read_model

    model = read_model(path)
    if model.training.get("recipe") != recipe.digest:
        raise InputError(f"{path}: another recipe made it than the one that its name says")
    return model


def _why_not(path):
    """Why no model can be kept under this path, found out before minutes of training; None where it can."""
    from euclid_resolved.io._files import atomic_path

    if path is None:
        return "there is no cache directory that could be written"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not tell: a disk may be full, or mounted to be read only.
        with contextlib.suppress(_Tried), atomic_path(path, overwrite=True) as temporary:
            temporary.write_bytes(bytes(4096))
            raise _Tried
    except (OSError, InputError) as error:
        return f"{path.parent} cannot be written ({error})"
    return None


class _Tried(Exception):
    """Ends an attempt to write before it replaces anything."""


def _make(recipe, progress):
    from euclid_resolved.estimators._scikit_learn import GradientBoosting
    from euclid_resolved.imaging._observe import observe_atlas
    from euclid_resolved.maps._properties import PROPERTIES
    from euclid_resolved.mock._galaxies import mock_galaxies
    from euclid_resolved.mock._settings import MockSettings
    from euclid_resolved.training._extract import extract
    from euclid_resolved.training._train import train

    source = f"default: {recipe.galaxies} mock galaxies, preset {recipe.preset}, seed {recipe.seed}"
    galaxies = mock_galaxies(
        recipe.galaxies,
        seed=recipe.seed,
        pixels=recipe.pixels,
        settings=MockSettings.preset(recipe.preset),
        progress=None if progress else False,
    )
    observed = observe_atlas(galaxies, recipe.distance * u.Mpc, depth=recipe.depth, seed=recipe.seed)
    pixels = extract(observed, tuple(PROPERTIES), source=source, progress=progress)
    model = train(
        pixels,
        "all",
        GradientBoosting(n_trees=recipe.n_trees, seed=recipe.seed),
        calibration=recipe.folds,
        seed=recipe.seed,
    )
    return replace(model, training={**model.training, "trust": TRUST, "recipe": recipe.digest})
