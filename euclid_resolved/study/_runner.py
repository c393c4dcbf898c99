"""Run a study: read the atlas once, train what is needed once, and keep every result for the next time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved.citation import __version__
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.images._bands import EUCLID_BANDS
from euclid_resolved.io._files import write_text
from euclid_resolved.io._fingerprint import digest_of, file_digest
from euclid_resolved.io._read_write import write
from euclid_resolved.io._sample import write_sample
from euclid_resolved.plugins._how_to_install import how_to_install
from euclid_resolved.study._details import accuracy_of
from euclid_resolved.study._galaxies import choose_galaxies
from euclid_resolved.study._published import Published, read_published
from euclid_resolved.study._result import Missing
from euclid_resolved.study._source import NEEDS_IMAGES, open_source
from euclid_resolved.study._store import (
    keep_accuracy,
    keep_result,
    kept_accuracy,
    kept_model,
    kept_parts,
)
from euclid_resolved.training._extract import made_of_images
from euclid_resolved.training._train import train

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.study._clock import Clock
    from euclid_resolved.study._description import Description, Part
    from euclid_resolved.study._result import Result
    from euclid_resolved.training._sample import Pixels

_FORMAT = 2  # raised when a change to this package makes old results of a study wrong

_NOT_VALIDATED = ("linear",)  # learns from all training pixels: the paper sets some aside for RF and DNN

MANIFEST = "manifest.json"
FOLDERS = ("models", "accuracy", "parts", "pixels")  # that a study makes in its own


class Runner:
    """A study at work on one atlas or sample, with its results in one folder.

    Parameters
    ----------
    description : ``Description``
    atlas, out : `~pathlib.Path`
    say : callable
    shared : bool
        Whether the pixels lie in the folder, for several processes to look at.
    """

    clock: Clock | None

    def __init__(
        self,
        description: Description,
        atlas: Path,
        out: Path,
        say: Callable[[str], object] = print,
        shared: bool = False,
    ) -> None:
        self.description, self.atlas, self.out, self.say = description, atlas, out, say
        self.data, self.shared, self.clock = open_source(atlas), shared, None
        self.listed, self.galaxies, self.training, self.test = choose_galaxies(self.data, description)
        known = read_published(description.published) if description.published else {}
        self.published = Published(known, comparable=set(description.bands) == set(EUCLID_BANDS))
        if not self.can_look(description.main):
            have = ", ".join(self.data.features) or "single pixels"
            raise InputError(
                f"{atlas}: the sample has the pixels of {have}, and the main input {description.main!r} "
                "needs others: extract it with the features of that input"
            )
        self.missing = {
            label: f"plugin {method.estimator} not installed ({how_to_install(method.plugin)})"
            for label, method in description.methods.items()
            if not method.installed
        }
        self._models: dict[str, Model] = {}
        self._pixels: dict[tuple[str, ...], Pixels] = {}

    # --- pixels, read once for all inputs that look at single pixels, and once for each other one ---

    @property
    def training_pixels(self) -> Pixels:
        """The pixels of the training galaxies, for the main input."""
        return self.pixels("training")

    @property
    def test_pixels(self) -> Pixels:
        """The pixels of the test galaxies, for the main input."""
        return self.pixels("test")

    def pixels(self, which: str, input: str | None = None) -> Pixels:
        """The pixels of the training or test galaxies.

        Parameters
        ----------
        which : {"training", "test"}
        input : str, optional
            The input that they are for; the main one without it.

        Returns
        -------
        pixels : `~euclid_resolved.training.Pixels`
        """
        features = self.image_features(input)
        galaxies = self.training if which == "training" else self.test
        beside = f", with {', '.join(features)}" if features else ""
        what = f"{len(galaxies)} {which} galaxies{beside}"
        return self.remembered((which, *features), lambda: galaxies, features, what)

    def image_features(self, input: str | None = None) -> tuple[str, ...]:
        """Those of the features of an input that are made of images."""
        return made_of_images(self.description.inputs[input or self.description.main].features)

    def can_look(self, input: str) -> bool:
        """Whether the pixels that an input looks at can be had: a sample has those of some features only."""
        return self.data.images or sorted(self.image_features(input)) == sorted(self.data.features)

    def can_run(self, part: Part) -> bool:
        """Whether a part can be run, or needs the images that a sample lacks."""
        return self.data.images or part.run not in NEEDS_IMAGES

    def remembered(
        self,
        key: tuple[str, ...],
        galaxies: Callable[[], Sequence[Galaxy]],
        features: Sequence[str],
        what: str,
    ) -> Pixels:
        """The pixels of galaxies, read at most once and kept under a key, in the folder if it is shared."""
        if key not in self._pixels:
            self.say(f"Reading {what}")
            self._pixels[key] = self.extract(galaxies(), features, of=key)
        return self._pixels[key]

    def extract(
        self,
        galaxies: Sequence[Galaxy],
        features: Sequence[str] = (),
        bands: Sequence[str] | None = None,
        of: Sequence[str] = (),
    ) -> Pixels:
        """The pixels of any galaxies, clipped as the study says; see `euclid_resolved.training.extract`.

        `of` tells galaxies of the same names, but seen otherwise, from each other in the folder.
        """
        d, bands = self.description, bands or self.description.bands
        clip = d.sample["clip"]
        if not (self.shared and self.data.images):
            return self.data.extract(
                galaxies, d.properties, bands, clip=clip, features=features, source=self.source
            )
        names = [galaxy.name for galaxy in galaxies]
        folder = self.out / "pixels" / self.key(names, list(features), list(bands), list(of))[:24]
        folder.parent.mkdir(exist_ok=True)
        options = {"clip": clip, "features": features, "source": self.source, "progress": True}
        return write_sample(folder, galaxies, d.properties, bands, **options)

    @property
    def source(self) -> str:
        """The name of the training set."""
        return f"{self.atlas.resolve().name}, {len(self.training)} galaxies of {self.description.observer}"

    # --- keys ---

    @cached_property
    def _base(self):
        names = [g.name for g in self.training], [g.name for g in self.test]
        d = self.description
        # The names say what a list of test galaxies says, wherever the list lies.
        sample = {key: value for key, value in d.sample.items() if key != "test_galaxies"}
        of = [sample, d.observer, d.properties, d.bands]
        return [_FORMAT, __version__, self.data.digest, names, *of]

    def key(self, *parts: object) -> str:
        """A digest of everything that a result depends on, as hexadecimal text."""
        return digest_of([self._base, *parts], sort=True, default=str)

    # --- models ---

    def seed(self, run: int = 0) -> int:
        """The seed of a run."""
        return int(self.description.sample["seed"]) + run

    def present(self, labels: Iterable[str] | None = None) -> list[str]:
        """The methods among `labels` that can be used."""
        labels = self.description.methods if labels is None else labels
        return [label for label in labels if label not in self.missing]

    def model(
        self,
        label: str,
        input: str | None = None,
        run: int = 0,
        columns: Sequence[str] | None = None,
        keep: bool | None = None,
    ) -> Model:
        """A trained model: from memory, from the folder, or trained now.

        Parameters
        ----------
        label : str
            The method.
        input : str, optional
            The main input without it.
        run : int, optional
            Another seed each.
        columns : sequence of str, optional
            Only these of the input's columns.
        keep : bool, optional
            Whether to leave the model in the folder; first runs are, without it.

        Returns
        -------
        model : `~euclid_resolved.Model`
        """
        input = input or self.description.main
        what = self.description.inputs[input]
        columns = what.columns if columns is None else tuple(columns)
        path, key = self.model_file(label, input, run, columns)
        if key in self._models:
            return self._models[key]
        model = kept_model(path, key)
        if model is None:
            model = self.timed(
                f"{label} on {input}{_left(columns, what)}",
                label,
                lambda: self._train(label, input, columns, run),
            )
            model.training["study"] = key
            if run == 0 if keep is None else keep:
                path.parent.mkdir(exist_ok=True)
                write(path, model, overwrite=True)
        if len(self._models) >= 2:  # forests are large
            self._models.pop(next(iter(self._models)))
        self._models[key] = model
        return model

    def model_file(
        self, label: str, input: str, run: int = 0, columns: Sequence[str] | None = None
    ) -> tuple[Path, str]:
        """Where a model is kept, and under which key."""
        what, method = self.description.inputs[input], self.description.methods[label]
        columns = what.columns if columns is None else tuple(columns)
        key = self.key("model", asdict(method), what.features, columns, run, *self._budget(label))
        words = "".join(c if c.isalnum() else "-" for c in f"{label}-{input}").lower()
        return self.out / "models" / f"{words}-{key[:12]}.asdf", key

    def _budget(self, label):
        """The most pixels that a method learns from, as a list; empty where there is no limit."""
        most = self.description.budget["pixels"].get(label)
        return [] if most is None else [most]

    def within_budget(self, label: str, pixels: Pixels) -> Pixels:
        """The pixels that a method may learn from: all, or as many as the budget says, drawn at random."""
        most = self.description.budget["pixels"].get(label)
        return pixels if most is None else pixels.draw(most, self.seed())

    def timed(self, what: str, label: str, fit: Callable[[], Any]) -> Any:
        """Train, and say how long that took and how much is left."""
        wall, cpu = time.perf_counter(), time.process_time()
        found = fit()
        left = self.clock.done(label, time.process_time() - cpu) if self.clock else ""
        self.say(f"  trained {what}: {time.perf_counter() - wall:.1f} s{left}")
        return found

    def _train(self, label, input, columns, run):
        return self.train_on(self.pixels("training", input), label, input, run, columns)

    def train_on(
        self,
        pixels: Pixels,
        label: str,
        input: str,
        run: int = 0,
        columns: Sequence[str] | None = None,
        bands: Sequence[str] | None = None,
    ) -> Model:
        """Train on any pixels, as far as the budget allows, as the study says of a method and an input."""
        seed, method = self.seed(run), self.description.methods[label]
        properties, features = self.description.properties, self.description.inputs[input].features
        bands = bands or self.description.bands
        options: dict[str, Any] = {"features": features, "columns": columns, "bands": bands, "seed": seed}
        if method.estimator in _NOT_VALIDATED:
            options["validation_fraction"] = 0
        try:
            pixels = self.within_budget(label, pixels)
            return train(pixels, properties, method.make(seed), **options)
        except PluginError as error:
            if not method.plugin:
                raise
            raise Missing(label, f"plugin {method.estimator} does not work: {error}") from error

    def refit(self, label: str, input: str | None = None, run: int = 0) -> Callable[..., Model]:
        """A function for ``lofo_models`` that keeps the models it trains."""
        return lambda model, pixels, *, columns: self.model(label, input, run, columns)

    def accuracy(self, label: str, input: str | None = None, run: int = 0) -> dict[str, dict[str, float]]:
        """The metrics and `details` on the test galaxies by property, kept in the folder."""
        input = input or self.description.main
        return self.measured(
            self.accuracy_key(label, input, run),
            lambda: accuracy_of(self.model(label, input, run), self.pixels("test", input)),
            method=label,
            input=input,
            run=run,
        )

    def accuracy_key(self, label: str, input: str, run: int = 0, *of: object) -> str:
        """The key under which an accuracy is kept: on the test galaxies, or of something else."""
        what, method = self.description.inputs[input], self.description.methods[label]
        budget = self._budget(label)
        return self.key("accuracy", asdict(method), what.features, what.columns, run, *budget, *of)

    def measured(
        self, key: str, measure: Callable[[], dict[str, dict[str, float]]], **about: object
    ) -> dict[str, dict[str, float]]:
        """Metrics by property that are kept in the folder under a key, or measured now."""
        path = self.accuracy_file(key)
        kept = kept_accuracy(path)
        if kept is None:
            kept = {name: {c: float(v) for c, v in values.items()} for name, values in measure().items()}
            keep_accuracy(path, kept, **about)
        return kept

    def accuracy_file(self, key: str) -> Path:
        """The file of metrics of a key."""
        return self.out / "accuracy" / f"{key[:24]}.ecsv"

    # --- steps ---

    @property
    def manifest(self) -> dict[str, Any]:
        """What is done: for each part its key, files, notes and values."""
        return kept_parts(self.out / MANIFEST)

    def step_key(self, part: Part) -> str:
        """The digest of what a part depends on."""
        d = self.description
        methods = {label: (asdict(method), self.missing.get(label)) for label, method in d.methods.items()}
        inputs = {name: asdict(value) for name, value in d.inputs.items()}
        files = d.relations | ({"published": d.published} if d.published else {})
        tables = {name: file_digest(path) for name, path in files.items()}
        return self.key("part", asdict(part), methods, inputs, d.main, d.runs, tables, self.observers)

    @property
    def observers(self) -> list[str]:
        """The observers for which there are galaxies."""
        return self.data.observers

    def is_done(self, part: Part) -> bool:
        """Whether the result of a part lies in the folder."""
        return bool(self.manifest.get(part.slug, {}).get("key") == self.step_key(part))

    def step(self, part: Part, run: Callable[[Runner, Part], Result]) -> None:
        """Run a part, unless its result lies in the folder already."""
        if self.is_done(part):
            self.say(f"{part.label}: done before")
            return
        self.say(f"{part.label}: {part.title or part.run}")
        try:
            entry = self.entry(part, run)
        except Missing as error:
            self.missing[error.label] = error.reason
            self.say(f"  {error.label}: {error.reason}")
            return self.step(part, run)
        self.enter(part, entry)

    def entry(self, part: Part, run: Callable[[Runner, Part], Result]) -> dict[str, Any]:
        """Run a part and leave its tables and figures in the folder: what the manifest says of it."""
        started, key = time.perf_counter(), self.step_key(part)
        entry = keep_result(self.out, part.slug, run(self, part))
        return entry | {"key": key, "seconds": round(time.perf_counter() - started, 1)}

    def enter(self, part: Part, entry: dict[str, Any]) -> None:
        """Put a part that is done into the manifest."""
        write_text(self.out / MANIFEST, json.dumps(self.manifest | {part.slug: entry}, indent=1))


def _left(columns, what):
    return "" if columns == what.columns else f" ({', '.join(columns)})"
