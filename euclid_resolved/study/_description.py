"""The description of a study: a TOML file, checked before anything runs."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved._checks import check_positive, check_whole, did_you_mean
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.features._sets import feature_columns
from euclid_resolved.images._bands import EUCLID_BANDS, band_names
from euclid_resolved.images._guard import read_text
from euclid_resolved.maps._properties import PROPERTIES, get_property
from euclid_resolved.models._clip import DEFAULT_CLIP, check_clip
from euclid_resolved.plugins._registry import available, lookup

if TYPE_CHECKING:
    from euclid_resolved.estimators._contract import Estimator

__all__ = ["read_study"]


SHIPPED = {"paper": "paper.toml", "paper-fast": "paper-fast.toml"}
"""The studies that come with the package, by name."""

_LARGEST = 2**20  # bytes of a description
_FILES = ("training_list", "test_list")  # options of parts that name files
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Input:
    """What the methods look at: feature sets, and perhaps some of their columns only."""

    features: tuple[str, ...]
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Method:
    """An estimator with its settings.

    Attributes
    ----------
    estimator : str
        The registered name.
    settings : dict
    plugin : str
        The distribution that brings it, where a study is to run without it, too.
    """

    estimator: str
    settings: dict[str, Any]
    plugin: str = ""

    @property
    def installed(self) -> bool:
        """Whether the name is registered."""
        return self.estimator in available("estimators")

    def make(self, seed: int) -> Estimator:
        """The estimator, with a seed if it has one."""
        kind = lookup("estimators", self.estimator)
        names = {field.name for field in fields(kind) if field.init}
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in self.settings.items()}
        return kind(**({"seed": seed} if "seed" in names else {}), **settings)


@dataclass(frozen=True)
class Part:
    """One part of the report.

    Attributes
    ----------
    label : str
        The paper's own: ``Table 3``, ``Fig. 5``, ...
    title : str
    run : str
        The name of a part that studies have, or of a diagnostic.
    options : dict
    """

    label: str
    title: str
    run: str
    options: dict[str, Any]

    @property
    def slug(self) -> str:
        """The name of its folder."""
        words = "".join(c if c.isalnum() else " " for c in f"{self.label} {self.run}".lower())
        return "-".join(words.split())


@dataclass(frozen=True)
class Description:
    """A study, checked.

    Attributes
    ----------
    name, reference : str
    atlas : str or None
        The folder, where the file names one.
    observer : str
    sample : dict
        ``test_fraction``, ``stratified``, ``seed``, ``clip`` (MJy/sr), ``galaxies`` (0 takes all), and the
        file of ``test_galaxies`` (empty where the test galaxies are drawn).
    properties : tuple of str
    bands : tuple of str
    inputs : dict of str to `Input`
    main : str
        The input that parts use which need only one.
    methods : dict of str to `Method`
    runs : int
        How often each case is trained, with another seed each time.
    parts : tuple of `Part`
    relations : dict of str to str
        Tables of published relations by the relation's name.
    text : str
        The file itself.
    published : str
        A table of published values; empty where what the text of the paper quotes is all there is.
    budget : dict
        ``pixels``, the most training pixels by method, and ``hours``, what all may take (0: no limit).

    Examples
    --------
    >>> from euclid_resolved.study import read_study
    >>> study = read_study("paper-fast")
    >>> study.observer, study.runs
    ('O5', 2)
    >>> sorted(study.inputs)[4:]
    ['bands', 'bands+colours', 'bands+colours+squared', 'bands+flux_ratios', 'bands+neighbourhood']
    """

    name: str
    reference: str
    atlas: str | None
    observer: str
    sample: dict[str, Any]
    properties: tuple[str, ...]
    bands: tuple[str, ...]
    inputs: dict[str, Input]
    main: str
    methods: dict[str, Method]
    runs: int
    parts: tuple[Part, ...]
    relations: dict[str, str]
    text: str
    published: str = ""
    budget: dict[str, Any] = field(default_factory=lambda: {"pixels": {}, "hours": 0.0})

    @property
    def more_maps(self) -> list[str]:
        """The properties of the study that are none of the three of the stars."""
        return [name for name in self.properties if name not in PROPERTIES]


def read_study(path: str | Path, *, bands: Sequence[str] | None = None) -> Description:
    """Read and check a study.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        A TOML file, or the name of a study that comes with the package: ``paper`` or ``paper-fast``.
    bands : sequence of str, optional
        In place of those of the study.

    Returns
    -------
    description : Description
        The study, part by part.

    Raises
    ------
    InputError
        If the file is no TOML, a name is unknown (the message lists what exists) or something is
        missing.

    Examples
    --------
    >>> from euclid_resolved import InputError
    >>> from euclid_resolved.study import read_study
    >>> read_study("paper").name
    'Euclid preparation LXVIII, the whole study'
    >>> try:
    ...     read_study("papers")
    ... except InputError as error:
    ...     print(error)
    papers: there is no such file; the package brings paper, paper-fast
    """
    name = str(path)
    path = _DATA / SHIPPED[name] if name in SHIPPED else Path(path)
    if not path.exists():
        raise InputError(f"{path}: there is no such file; the package brings {', '.join(SHIPPED)}")
    text = read_text(path, most=_LARGEST)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: this is no TOML: {error}") from error
    if bands is not None:
        content["bands"] = list(bands)
    try:
        return _check(content, text, path)
    except PluginError as error:
        raise InputError(f"{path}: {error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _texts(what, value):
    """Names, which in TOML are a list of texts."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InputError(f"{what} must be a list of names, got {value!r}")
    return tuple(value)


def _known(what, names, known):
    """Refuse unknown names, with what exists."""
    for name in names:
        if not isinstance(name, str) or name not in known:
            there = ", ".join(map(str, known))
            raise InputError(f"no {what} {name!r}; there are {there}{did_you_mean(name, known)}")


def _section(content, key, kind=dict, default=None):
    value = content.get(key, default)
    if not isinstance(value, kind):
        raise InputError(f"{key!r} must be a {'table' if kind is dict else kind.__name__}")
    return value


def _check(content, text, path):
    _known(
        "key",
        content,
        (
            "study",
            "atlas",
            "sample",
            "properties",
            "bands",
            "inputs",
            "main",
            "estimators",
            "runs",
            "parts",
            "relations",
            "published",
            "budget",
        ),
    )
    study, atlas = _section(content, "study", default={}), _section(content, "atlas", default={})
    _known("key in [study]", study, ("name", "reference"))
    _known("key in [atlas]", atlas, ("path", "observer"))
    properties = tuple(
        get_property(name).name for name in _texts("properties", content.get("properties", PROPERTIES))
    )
    bands = tuple(band_names(_texts("bands", content.get("bands", EUCLID_BANDS))))
    inputs = {name: _input(name, value, bands) for name, value in _section(content, "inputs").items()}
    methods = {label: _method(label, v) for label, v in _section(content, "estimators").items()}
    if not (properties and inputs and methods):
        raise InputError("a study needs at least one property, one input and one estimator")
    main = content.get("main", next(iter(inputs)))
    _known("input", [main], inputs)
    parts = tuple(
        _part(value, inputs, methods, bands, path.parent) for value in _section(content, "parts", list)
    )
    if len({part.slug for part in parts}) < len(parts):
        raise InputError("two parts share label and name")
    runs = content.get("runs", 1)
    if not isinstance(runs, int) or isinstance(runs, bool) or runs < 1:
        raise InputError(f"runs must be a number from 1, got {runs!r}")
    tables = _section(content, "relations", default={})
    published = content.get("published")
    named = [file for file in (atlas.get("path"), published) if file is not None]
    for file in [*tables.values(), *named]:
        if not isinstance(file, str) or not file or "\0" in file:
            raise InputError(f"a file or a folder must have a name, got {file!r}")
    relations = {name: str(path.parent / file) for name, file in tables.items()}
    _known("relation", relations, available("relations"))
    return Description(
        name=str(study.get("name", path.stem)),
        reference=str(study.get("reference", "")),
        atlas=None if "path" not in atlas else str(path.parent / atlas["path"]),
        observer=str(atlas.get("observer", "O5")),
        sample=_sample(_section(content, "sample", default={}), path.parent),
        properties=properties,
        bands=bands,
        inputs=inputs,
        main=main,
        methods=methods,
        runs=runs,
        parts=parts,
        relations=relations,
        text=text,
        published="" if published is None else str(path.parent / published),
        budget=_budget(_section(content, "budget", default={}), methods),
    )


def _budget(budget, methods):
    _known("key in [budget]", budget, ("pixels", "hours"))
    pixels, hours = _section(budget, "pixels", default={}), budget.get("hours", 0.0)
    _known("estimator of this study", pixels, methods)
    for label, most in pixels.items():
        check_whole(f"pixels of {label} in [budget]", most)
    return {"pixels": pixels, "hours": check_positive("hours in [budget]", hours, zero=True)}


def _sample(sample, folder):
    default = {"test_fraction": 0.1, "stratified": True, "test_galaxies": ""}
    default |= {"seed": 1, "clip": DEFAULT_CLIP, "galaxies": 0}
    _known("key in [sample]", sample, default)
    if "test_galaxies" in sample and {"test_fraction", "stratified"} & set(sample):
        raise InputError("test_galaxies is the test set: without test_fraction and stratified")
    sample = default | sample
    if check_positive("test_fraction", sample["test_fraction"]) >= 1:
        raise InputError(f"test_fraction must lie between 0 and 1, got {sample['test_fraction']}")
    check_whole("seed", sample["seed"], 0)
    check_whole("galaxies", sample["galaxies"], 0)
    check_clip(sample["clip"])
    if not isinstance(sample["stratified"], bool):
        raise InputError(f"stratified is true or false, got {sample['stratified']!r}")
    file = sample["test_galaxies"]
    if not isinstance(file, str) or "\0" in file:
        raise InputError(f"test_galaxies is the name of a file, got {file!r}")
    return sample | {"test_galaxies": str(folder / file) if file else ""}


def _input(name, value, bands):
    if not isinstance(value, dict) or "features" not in value:
        raise InputError(f"input {name!r} needs 'features'")
    _known(f"key of input {name!r}", value, ("features", "columns"))
    features = _texts(f"features of input {name!r}", value["features"])
    columns = feature_columns(bands, features)
    if "columns" not in value:
        return Input(features)
    chosen = _texts(f"columns of input {name!r}", value["columns"])
    _known(f"column in input {name!r}", chosen, columns)
    return Input(features, chosen)


def _method(label, value):
    if not isinstance(value, dict) or "estimator" not in value:
        raise InputError(f"estimator {label!r} needs 'estimator', the registered name")
    settings = {key: v for key, v in value.items() if key not in ("estimator", "plugin")}
    method = Method(str(value["estimator"]), settings, str(value.get("plugin", "")))
    if method.installed:
        kind = lookup("estimators", method.estimator)
        _known(f"setting of {method.estimator}", settings, [f.name for f in fields(kind) if f.init])
        method.make(seed=1)  # a wrong value is refused by the estimator itself
    elif not method.plugin:
        _known("estimator", [method.estimator], sorted(available("estimators")))
    return method


def _part(value, inputs, methods, bands, folder):
    from euclid_resolved.study._observed import checked_options
    from euclid_resolved.study._parts import PARTS

    if not isinstance(value, dict) or not {"label", "run"} <= set(value):
        raise InputError("each of 'parts' needs 'label' and 'run'")
    _known("part or diagnostic", [value["run"]], [*PARTS, *available("diagnostics")])
    options = {key: v for key, v in value.items() if key not in ("label", "title", "run")}
    options |= {key: str(folder / str(v)) for key, v in options.items() if key in _FILES}
    if value["run"] == "observed":
        options = checked_options(options, str(value["label"]), bands, folder)
    _known("estimator of this study", _texts("estimators", options.get("estimators", ())), methods)
    _known("input of this study", _texts("inputs", options.get("inputs", ())), inputs)
    return Part(str(value["label"]), str(value.get("title", "")), str(value["run"]), options)
