"""Run a study: read the atlas once, train what is needed once, and keep every result for the next time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from euclid_resolved.citation import __version__
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.io._atlas import read_atlas
from euclid_resolved.io._files import write_table, write_text
from euclid_resolved.io._fingerprint import digest_of, file_digest, fingerprint
from euclid_resolved.io._galaxy_list import galaxy_key, read_galaxy_list, with_listed
from euclid_resolved.io._read_write import write
from euclid_resolved.maps._properties import PROPERTIES
from euclid_resolved.plugins._how_to_install import how_to_install
from euclid_resolved.study._details import accuracy_of
from euclid_resolved.study._published import Published, read_published, without_empty
from euclid_resolved.study._store import (
    keep_accuracy,
    kept_accuracy,
    kept_file,
    kept_model,
    kept_parts,
    plain_number,
)
from euclid_resolved.training._extract import extract, made_of_images
from euclid_resolved.training._splits import split
from euclid_resolved.training._train import train

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model
    from euclid_resolved.study._description import Description, Part
    from euclid_resolved.study._result import Result
    from euclid_resolved.training._sample import Pixels

_FORMAT = 2  # raised when a change to this package makes old results of a study wrong

_NOT_VALIDATED = ("linear",)  # learns from all training pixels: the paper sets some aside for RF and DNN

MANIFEST = "manifest.json"
FOLDERS = ("models", "accuracy", "parts")  # that a study makes in its own


class Runner:
    """A study at work on one atlas, with its results in one folder.

    Parameters
    ----------
    description : ``Description``
    atlas, out : `~pathlib.Path`
    say : callable
    """

    def __init__(
        self, description: Description, atlas: Path, out: Path, say: Callable[[str], object] = print
    ) -> None:
        self.description, self.atlas, self.out, self.say = description, atlas, out, say
        sample, file = description.sample, description.sample["test_galaxies"]
        self.listed = read_galaxy_list(file) if file else {}
        everything, test = with_listed(
            lambda side: read_atlas(atlas, side, description.bands, properties=self.more_maps),
            description.observer,
            self.listed,
            file,
        )
        named = test or self._examples(everything)
        if sample["galaxies"]:
            everything = _some(everything, sample["galaxies"], sample["seed"], named)
        self.galaxies = everything
        self.training, self.test = split(
            everything,
            None if file else sample["test_fraction"],
            sample["seed"],
            stratified=sample["stratified"],
            test=named,
        )
        self.published = Published(read_published(description.published) if description.published else {})
        out.mkdir(parents=True, exist_ok=True)
        self.missing = {
            label: f"plugin {method.estimator} not installed ({how_to_install(method.plugin)})"
            for label, method in description.methods.items()
            if not method.installed
        }
        self._models: dict[str, Model] = {}
        self._pixels: dict[tuple[str, tuple[str, ...]], Pixels] = {}

    @property
    def more_maps(self) -> list[str]:
        """The properties of the study that are none of the three of the stars."""
        return [name for name in self.description.properties if name not in PROPERTIES]

    def _examples(self, galaxies):
        """Names of the example galaxies of the study, which are tested whatever the seed."""
        wanted = {galaxy_key(n) for part in self.description.parts for n in part.options.get("galaxies", ())}
        return [one.name for one in galaxies if galaxy_key(one.group) in wanted]

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
        features = made_of_images(self.description.inputs[input or self.description.main].features)
        key = which, features
        if key not in self._pixels:
            galaxies = self.training if which == "training" else self.test
            beside = f", with {', '.join(features)}" if features else ""
            self.say(f"Reading {len(galaxies)} {which} galaxies{beside}")
            self._pixels[key] = self.extract(galaxies, features)
        return self._pixels[key]

    def extract(
        self, galaxies: Sequence[Galaxy], features: Sequence[str] = (), bands: Sequence[str] | None = None
    ) -> Pixels:
        """The pixels of any galaxies, clipped as the study says; see `euclid_resolved.training.extract`."""
        d = self.description
        options = {"clip": d.sample["clip"], "source": self.source, "progress": True}
        return extract(galaxies, d.properties, bands or d.bands, features=features, **options)

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
        return [_FORMAT, __version__, fingerprint(self.atlas), names, *of]

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
        what, method = self.description.inputs[input], self.description.methods[label]
        columns = what.columns if columns is None else tuple(columns)
        key = self.key("model", asdict(method), what.features, columns, run)
        if key in self._models:
            return self._models[key]
        words = "".join(c if c.isalnum() else "-" for c in f"{label}-{input}").lower()
        path = self.out / "models" / f"{words}-{key[:12]}.asdf"
        model = kept_model(path, key)
        if model is None:
            started = time.perf_counter()
            model = self._train(label, input, columns, run)
            self.say(
                f"  trained {label} on {input}{_left(columns, what)}: {time.perf_counter() - started:.1f} s"
            )
            model.training["study"] = key
            if run == 0 if keep is None else keep:
                path.parent.mkdir(exist_ok=True)
                write(path, model, overwrite=True)
        if len(self._models) >= 2:  # forests are large
            self._models.pop(next(iter(self._models)))
        self._models[key] = model
        return model

    def _train(self, label, input, columns, run):
        seed, method = self.seed(run), self.description.methods[label]
        properties, features = self.description.properties, self.description.inputs[input].features
        bands = self.description.bands
        options = {"features": features, "columns": columns, "bands": bands, "seed": seed}
        if method.estimator in _NOT_VALIDATED:
            options["validation_fraction"] = 0
        try:
            return train(self.pixels("training", input), properties, method.make(seed), **options)
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
        what, method = self.description.inputs[input], self.description.methods[label]
        key = self.key("accuracy", asdict(method), what.features, what.columns, run)
        path = self.out / "accuracy" / f"{key[:24]}.ecsv"
        kept = kept_accuracy(path)
        if kept is None:
            found = accuracy_of(self.model(label, input, run), self.pixels("test", input))
            kept = {name: {c: float(v) for c, v in values.items()} for name, values in found.items()}
            keep_accuracy(path, kept, method=label, input=input, run=run)
        return kept

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

    @cached_property
    def observers(self) -> list[str]:
        """The observers for which the atlas holds galaxies."""
        from euclid_resolved.io._atlas import _index

        return sorted({observer for _, observer in _index(self.atlas) if observer})

    def step(self, part: Part, run: Callable[[Runner, Part], Result]) -> None:
        """Run a part, unless its result lies in the folder already."""
        manifest, key = self.manifest, self.step_key(part)
        if manifest.get(part.slug, {}).get("key") == key:
            self.say(f"{part.label}: done before")
            return
        self.say(f"{part.label}: {part.title or part.run}")
        started = time.perf_counter()
        try:
            result = run(self, part)
        except Missing as error:
            self.missing[error.label] = error.reason
            self.say(f"  {error.label}: {error.reason}")
            return self.step(part, run)
        entry = self._keep(part, result)
        entry |= {"key": key, "seconds": round(time.perf_counter() - started, 1)}
        manifest = self.manifest | {part.slug: entry}
        write_text(self.out / MANIFEST, json.dumps(manifest, indent=1))

    def _keep(self, part, result):
        from euclid_resolved.plotting._style import save_figure

        folder = Path("parts") / part.slug
        (self.out / folder).mkdir(parents=True, exist_ok=True)
        entry = {"tables": [], "figures": [], "notes": list(result.notes)}
        entry["values"] = {key: plain_number(value) for key, value in result.values.items()}
        for i, (caption, table) in enumerate(result.tables.items(), 1):
            path = folder / f"table-{i}.ecsv"
            write_table(self.out / path, without_empty(table))
            entry["tables"].append(kept_file(self.out, caption, path))
        for i, (caption, figure) in enumerate(result.figures.items(), 1):
            path = folder / f"figure-{i}.png"
            save_figure(figure, self.out / path)
            entry["figures"].append(kept_file(self.out, caption, path))
        return entry


class Missing(Exception):
    """A method turned out not to work on this machine."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(reason)
        self.label, self.reason = label, reason


def _some(galaxies, n, seed, named=()):
    """Some of the galaxies, those named and others drawn at random; all where there are no more."""
    if n <= len(named):
        raise InputError(
            f"galaxies = {n} leaves none to train on beside {len(named)} that are named for the test"
        )
    order = np.random.default_rng(seed).permutation(len(galaxies))
    order = sorted(order, key=lambda i: galaxies[i].name not in named)
    return [galaxies[i] for i in sorted(order[:n])]


def _left(columns, what):
    return "" if columns == what.columns else f" ({', '.join(columns)})"
