"""How the default model is made, and others like it: again to the last bit, and on from an interrupt."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import EUCLID_BANDS

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

TRUST = (
    "Trained on mock galaxies, simple models and no simulation, observed as Euclid would. Density is "
    "estimated from light: trust it within its error, which allows for other libraries of stellar "
    "populations, not for another initial mass function. Metallicity mostly repeats the training galaxies' "
    "relation with density: do not trust it beyond that. Age: do not trust it."
)
"""What maps of a model made here say about themselves."""

COMMAND = "euclid-resolved default-model make -o euclid_resolved/mock/data/default_model.asdf --overwrite"
"""What a developer runs, in the folder of the repository, when the recipe has changed."""

LOOKED_AT = 1000  # galaxies that tell what all of them look like

# CPU seconds of one core of 2024: to make, observe and gather a galaxy, and to fit a thousand of its pixels.
_OF_A_GALAXY, _OF_A_FIT = 0.018, 0.0066


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model of mock galaxies is made; the defaults are those of the default model.

    Parameters
    ----------
    preset : str
        Of `~euclid_resolved.MockSettings`.
    features : tuple of str
        Sets of features.
    galaxies, pixels, seed : int
        Of the mock atlas.
    share : float
        Of the pixels: so many are drawn at random for trees to learn from, since those of a galaxy tell much
        the same. Intervals are made of all.
    distance : tuple of float
        Mpc; each galaxy is observed at its own.
    depth : tuple of float
        In units of the Euclid Wide Survey's. The mock's pixels are some arcsec wide at these distances; the
        low end makes them as noisy as the mosaics' pixels of 0.1 arcsec.
    mosaic : int
        Every so many galaxies one is seen as in a mosaic that was prepared instead: in pixels finer than the
        PSF (`~euclid_resolved.mock._mosaic.in_mosaic`). 0 for none.
    folds : int
        Of galaxies that are left out in turn, to measure accuracy and to calibrate intervals.
    n_trees : int
        The most trees of gradient boosting for each property.
    learning_rate : float
        Of gradient boosting.
    missing_bands : float or None
        How often a pixel is learned without a band, as of `~euclid_resolved.train`. None makes a model that
        needs every band; so do features that look around a pixel.

    Examples
    --------
    >>> from euclid_resolved.mock._recipe import Recipe
    >>> Recipe().galaxies, Recipe().preset
    (2000, 'broad')
    >>> Recipe(seed=2).digest == Recipe().digest
    False
    """

    preset: str = "broad"
    features: tuple[str, ...] = ("bands",)
    galaxies: int = 2000
    pixels: int = 32
    share: float = 0.5
    seed: int = 20
    distance: tuple[float, float] = (20.0, 100.0)
    depth: tuple[float, float] = (0.001, 1.0)
    mosaic: int = 3
    folds: int = 4
    n_trees: int = 80
    learning_rate: float = 0.2
    missing_bands: float | None = 0.3

    def __post_init__(self) -> None:
        least_of = {"galaxies": 2, "pixels": 8, "folds": 2, "n_trees": 1, "seed": 0, "mosaic": 0}
        for name, least in least_of.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} of a recipe is a whole number of at least {least}, got {value!r}")
        if not 0 < self.share <= 1:
            raise InputError(f"share of a recipe is a number above 0 and at most 1, got {self.share!r}")
        if self.folds > self.galaxies:
            raise InputError(f"{self.galaxies} galaxies cannot be left out in {self.folds} folds")

    @property
    def digest(self) -> str:
        """A SHA-256 over the recipe and the constants it uses, as hexadecimal text."""
        from euclid_resolved.images._noise import SKY_RMS
        from euclid_resolved.mock._atlas import GENERATOR
        from euclid_resolved.mock._mosaic import DEPTH, FWHM
        from euclid_resolved.mock._population_names import DEFAULT, find_populations
        from euclid_resolved.mock._settings import MockSettings
        from euclid_resolved.models._clip import DEFAULT_CLIP, MIN_SN

        settings = MockSettings.preset(self.preset).as_text()
        populations = find_populations(DEFAULT)
        # Light in the bands that are learned from, and mass, which comes last: others may be added.
        used = [*(populations.bands.index(band) for band in EUCLID_BANDS), -1]
        light = hashlib.sha256(np.asarray(populations.values[..., used], "<f4").tobytes()).hexdigest()
        constants = f"{GENERATOR} {settings} {light} {sorted(SKY_RMS.items())} {DEFAULT_CLIP} {MIN_SN}"
        constants += f" {FWHM} {DEPTH}"
        return hashlib.sha256(f"{constants} {sorted(asdict(self).items())!r}".encode()).hexdigest()

    @property
    def lacking(self) -> float | None:
        """How often pixels are learned without a band: not where features look around, which need all."""
        from euclid_resolved.features._image_sets import image_sets

        return None if image_sets(self.features) else self.missing_bands

    @property
    def cpu_minutes(self) -> float:
        """About how much CPU time it takes."""
        pixels = 0.15 * self.share * self.galaxies * (self.pixels / 32) ** 2  # thousands
        fits = (self.folds + 1) * 3 * self.n_trees / 300
        fits *= 1 if self.lacking is None else 2.5  # whole, and copies that lack bands
        return (_OF_A_GALAXY * self.galaxies + _OF_A_FIT * pixels * fits * len(self.features)) / 60

    def _galaxies(self, n: int, progress: bool = False) -> Sequence[Galaxy]:
        """The first galaxies, as they are observed."""
        from euclid_resolved.imaging._observe import observe_atlas
        from euclid_resolved.mock._galaxies import mock_galaxies
        from euclid_resolved.mock._mosaic import in_mosaic
        from euclid_resolved.mock._settings import MockSettings

        galaxies = mock_galaxies(
            n,
            seed=self.seed,
            pixels=self.pixels,
            settings=MockSettings.preset(self.preset),
            progress=None if progress else False,
        )
        observed = observe_atlas(galaxies, self.distance * u.Mpc, depth=self.depth, seed=self.seed)
        for number in range(self.mosaic - 1, len(observed), self.mosaic) if self.mosaic else ():
            observed[number] = in_mosaic(galaxies[number], self.seed)
        return observed

    def observed(
        self, n: int | None = None, *, progress: bool = False, fields: dict[str, np.ndarray] | None = None
    ) -> Pixels:
        """The pixels to learn from, of all galaxies or of the first ones.

        `fields` takes what the first galaxies look like, by their name: `fields_of`.
        """
        from euclid_resolved.maps._properties import PROPERTIES
        from euclid_resolved.training._extract import extract

        observed = self._galaxies(self.galaxies if n is None else n, progress)
        if fields is not None:
            first = [_looked_at(one, self.features, fields) for one in observed[:LOOKED_AT]]
            observed = [*first, *observed[LOOKED_AT:]]
        source = f"default: {self.galaxies} mock galaxies, preset {self.preset}, seed {self.seed}"
        pixels = extract(
            observed, tuple(PROPERTIES), features=self.features, source=source, progress=progress
        )
        # Any atlas has a galaxy TNG000001, which is not this one: the model has not seen it.
        names = tuple(f"{self.preset} {self.seed}, {name}" for name in pixels.names)
        return replace(pixels, names=names, groups=names)

    def sample(self) -> list[float]:
        """What the first three galaxies look like: numbers that change when whatever makes them does.

        The number of their pixels, medians in dex of brightness, noise, truth and surroundings, and those of
        what tells how like the training galaxies others are.
        """
        found: dict[str, np.ndarray] = {}
        pixels = self.observed(3, fields=found)
        planes = [pixels.brightness[band] for band in pixels.brightness]
        planes += [pixels.noise[band] for band in pixels.noise]
        planes += [pixels.truth[name] for name in pixels.truth]
        dex = [float(np.median(np.log10(np.asarray(plane)))) for plane in planes]
        around = [float(np.median(np.asarray(pixels.around[name]))) for name in pixels.around]
        fields = np.concatenate(list(found.values()))
        looks = np.median(fields, axis=0).tolist() if len(fields) else []
        return [round(value, 4) for value in (float(len(pixels)), *dex, *around, *looks)]


def make_model(
    recipe: Recipe | None = None,
    *,
    keep: Path | None = None,
    progress: bool = True,
    say: Callable[[str], object] = print,
) -> Model:
    """Make a model by a recipe, the same each time on one machine.

    One thread grows the trees, since sums of several threads differ in their last bits.

    Parameters
    ----------
    recipe : Recipe, optional
    keep : `~pathlib.Path`, optional
        A folder for the fits that are done, from which the same call goes on after an interrupt; it is
        removed at the end.
    progress : bool, optional
        Show progress bars on a terminal.
    say : callable, optional
        Takes each line of the report.

    Returns
    -------
    model : `~euclid_resolved.Model`

    Examples
    --------
    >>> from euclid_resolved.mock._recipe import Recipe, make_model
    >>> small = Recipe(galaxies=8, pixels=16, n_trees=2, folds=2)
    >>> make_model(small, progress=False, say=lambda line: None).properties
    ('stellar_mass_density', 'stellar_metallicity', 'stellar_age')
    """
    from tqdm import tqdm

    from euclid_resolved.estimators._scikit_learn import GradientBoosting
    from euclid_resolved.training._train import cross_calibrate, train

    recipe = recipe or Recipe()
    say(
        f"{recipe.galaxies} mock galaxies (preset {recipe.preset}), then {recipe.folds + 1} fits: about "
        f"{recipe.cpu_minutes:.1g} minutes of one core."
    )
    fields: dict[str, np.ndarray] = {}
    pixels = recipe.observed(progress=progress, fields=fields)
    estimator = GradientBoosting(
        n_trees=recipe.n_trees, learning_rate=recipe.learning_rate, seed=recipe.seed, n_jobs=1
    )
    bar = tqdm(total=recipe.folds + 1, desc="fits", unit="fit", disable=None if progress else True)
    number = itertools.count(1)

    def fit(some: Pixels) -> Model:
        kept = None if keep is None else keep / f"fit-{next(number)}.asdf"
        some = some.draw(max(round(recipe.share * len(some)), 1), recipe.seed)
        model = _kept(kept, recipe, some)
        if model is None:
            model = train(
                some, "all", estimator, features=recipe.features, seed=recipe.seed,
                missing_bands=recipe.lacking,
            )  # fmt: skip
            _keep(kept, model, recipe)
        bar.update()
        return model

    with bar:
        model = cross_calibrate(fit(pixels), pixels, recipe.folds, fit, recipe.seed)
    for output in model.outputs.values():
        output.estimator.n_jobs = -1  # whoever maps has other threads than whoever made it
    if keep is not None:
        shutil.rmtree(keep, ignore_errors=True)
    training: dict[str, Any] = {**model.training, "trust": TRUST, "recipe": recipe.digest}
    training["recipe_sample"] = recipe.sample()
    return replace(model, training=training, likeness=_likeness(fields))


def _looked_at(galaxy, features, fields):
    """The same galaxy; what its image looks like is kept whenever that is made."""
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._likeness import fields_of

    def image():
        made = galaxy.image
        fields[galaxy.name] = fields_of(made, EUCLID_BANDS, features)
        return made

    return Galaxy(
        galaxy.name, image, lambda: galaxy.maps, star_forming=galaxy.star_forming, group=galaxy.group
    )


def _likeness(fields):
    """What galaxies look like; None where they are too few to tell."""
    from euclid_resolved.models._likeness import FEWEST_FIELDS, Likeness

    known = np.concatenate(list(fields.values()))
    return Likeness.of(known) if len(known) >= FEWEST_FIELDS else None


def _keep(path, model, recipe):
    """Keep a fit that took long."""
    from euclid_resolved.io._read_write import write

    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, replace(model, training={**model.training, "recipe": recipe.digest}), overwrite=True)


def _kept(path, recipe, pixels):
    """A fit that was kept, if it is of this recipe and of these pixels."""
    from euclid_resolved.io.asdf._files import read_model

    if path is None or not path.is_file():
        return None
    try:
        model = read_model(path)
    except InputError:
        return None
    same = model.training.get("recipe") == recipe.digest and model.training.get("digest") == pixels.digest
    return model if same else None


def check_model(model: Model, recipe: Recipe | None = None) -> None:
    """Refuse a model that another recipe made, or galaxies that look otherwise now.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
        From `make_model`.
    recipe : Recipe, optional

    Raises
    ------
    InputError
        It names the command that makes the model again.
    """
    recipe = recipe or Recipe()
    if model.training.get("recipe") != recipe.digest:
        raise InputError(f"the default model was made by another recipe than that of the code: run {COMMAND}")
    before, now = model.training.get("recipe_sample", []), recipe.sample()
    if len(before) != len(now) or not np.allclose(before, now, rtol=0, atol=2e-3):
        raise InputError(
            "the galaxies that the default model was trained on look otherwise now (medians of the first "
            f"three were {before}, are {now}): run {COMMAND}"
        )


def compare(model: Model, other: Model, recipe: Recipe, galaxies: int = 40) -> float:
    """How far the estimates of two models are apart: the largest rms of a property, dex.

    On galaxies that neither has seen, of the seed after the recipe's.
    """
    from euclid_resolved.training._evaluate import estimate_pixels

    pixels = replace(recipe, seed=recipe.seed + 1).observed(galaxies)
    one, two = (estimate_pixels(each, pixels) for each in (model, other))
    return max(float(np.sqrt(np.nanmean((one[name] - two[name]) ** 2))) for name in one)
