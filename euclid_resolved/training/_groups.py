"""Which galaxies are one object: the same from other sides, turned, or with other noise."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.maps._galaxy import Galaxy, group_name

if TYPE_CHECKING:
    from euclid_resolved.models._model import Model
    from euclid_resolved.training._sample import Pixels

# What names of views of one object end in; a number may follow.
_WORDS = (
    "rot rotated rotation rotate turn turned flip flipped flipx flipy fliph flipv flipud fliplr mirror "
    "mirrored transpose transposed view views ver version los obs observer observed cam camera proj "
    "projection side dir direction orient orientation inc incl inclination angle azimuth theta phi face "
    "edge noise noisy snr seed draw real realisation realization depth deep shallow exposure dither "
    "dithered epoch visit aug augmented augmentation copy dup duplicate clean crop shift shifted scaled "
    "blur blurred psf dust dusty nodust"
)
_NUMBER = r"[ _.-]?[+-]?\d+(?:\.\d+)?(?:deg)?"
_ENDINGS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(.*[^\W_])(?:[ _.-]+|(?<=\d))(?:{'|'.join(_WORDS.split())}|(?:face|edge)[ _.-]?on)(?:{_NUMBER})?",
        rf"(.*[^\W_])(?:[ _.-]+|(?<=\d))[vo]{_NUMBER}",
        r"(.*[^\W_])[ _.-]+[+-]?\d+(?:\.\d+)?deg",
        r"(.*[^\W_])[_.-]+(?:[a-f]|[xyz]{1,2})",
        # One letter and a number say as much of different objects, unless what comes before names one.
        rf"(.*\d.*[^\W_])[ _.-]+[a-z]{_NUMBER}",
        rf"(.*\d)[ _.-]+[a-z]{_NUMBER}",
    )
]


def group_numbers(groups: Sequence[str]) -> np.ndarray:
    """Groups as numbers.

    Parameters
    ----------
    groups : sequence of str

    Returns
    -------
    numbers : `~numpy.ndarray`
        int32, the same for all of one group: estimates from a fit to another view of a galaxy are none for a
        galaxy that was not seen.

    Examples
    --------
    >>> from euclid_resolved.training._groups import group_numbers
    >>> group_numbers(["TNG000001", "TNG000001", "TNG000002"])
    array([0, 0, 1], dtype=int32)
    """
    return np.unique(list(groups), return_inverse=True)[1].astype(np.int32)


def check_groups(names: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """Groups as texts, one for each name; those that the names tell, where none are given.

    Parameters
    ----------
    names, groups : sequence of str

    Returns
    -------
    groups : tuple of str

    Raises
    ------
    InputError
        If there are not as many groups as names, or one name is in two groups.

    Examples
    --------
    >>> from euclid_resolved.training._groups import check_groups
    >>> check_groups(("TNG000001_O1", "NGC 1"), ())
    ('TNG000001', 'NGC 1')
    """
    groups = tuple(map(str, groups)) or tuple(group_name(name) for name in names)
    if len(groups) != len(names):
        raise InputError(f"{len(names)} galaxies need as many groups, got {len(groups)}")
    known: dict[str, str] = {}
    for name, group in zip(names, groups, strict=True):
        if known.setdefault(name, group) != group:
            raise InputError(f"{name} is in two groups, {known[name]} and {group}: one name, one galaxy")
    return groups


def stem_of(name: str) -> str:
    """The name of the object, where a name looks like that of one of its views.

    Parameters
    ----------
    name : str

    Returns
    -------
    stem : str
        The name itself, where it does not.

    Examples
    --------
    >>> from euclid_resolved.training._groups import stem_of
    >>> stem_of("NGC628_rot90_noise3"), stem_of("NGC_628"), stem_of("example 12")
    ('NGC628', 'NGC_628', 'example 12')
    """
    while found := next((match for each in _ENDINGS if (match := each.fullmatch(name))), None):
        name = found[1]
    return name


def warn_of_views(names: Sequence[str], groups: Sequence[str], stacklevel: int = 2) -> None:
    """Warn where names look like views of one object that are not in one group.

    Parameters
    ----------
    names, groups : sequence of str
    stacklevel : int, optional
        Of the warning.

    Examples
    --------
    >>> import warnings
    >>> from euclid_resolved.training._groups import warn_of_views
    >>> with warnings.catch_warnings(record=True) as found:
    ...     warnings.simplefilter("always")
    ...     warn_of_views(["G1_rot0", "G1_rot90"], ["G1_rot0", "G1_rot90"])
    ...     warn_of_views(["G1_rot0", "G1_rot90"], ["G1", "G1"])
    >>> [str(each.message)[:49] for each in found]
    ['G1_rot0 and G1_rot90 look like views of one objec']
    """
    own, by_stem = dict(zip(names, groups, strict=True)), defaultdict(list)
    for name in own:
        by_stem[stem_of(name)].append(name)
    unnamed = [name for name, group in own.items() if group == group_name(name)]
    for alike in (list(by_stem.values()), _same_endings(unnamed)):
        members = [some for some in alike if len({own[name] for name in some}) > 1]
        if members:
            break
    if members:
        first = members[0][0]
        other = next(name for name in members[0] if own[name] != own[first])
        stems = {stem_of(first), stem_of(other)} - {first, other} or {
            re.split(r"[_.-](?=[^_.-]*$)", first)[0]
        }
        rest = f" (and {len(members) - 1} more such sets)" if len(members) > 1 else ""
        message = (
            f"{first} and {other} look like views of one object{rest}, but are in different groups: if they "
            f"are, say Galaxy(..., group={min(stems, key=len)!r}), or the test knows what was trained on"
        )
        warnings.warn(message, DataWarning, stacklevel=stacklevel + 1)


def _same_endings(names):
    """Names that differ in their endings alone, where more objects than endings have the same ones."""
    endings, several = defaultdict(dict), defaultdict(list)
    for name in names:
        match = re.fullmatch(r"(.*\d[^_.-]*)[_.-]+([^\W_]+)", name)
        if match:
            endings[match[1]][match[2]] = name
    for stem, found in endings.items():
        if len(found) > 1:
            several[frozenset(found)].append(stem)
    return [
        list(endings[stem].values())
        for found, stems in several.items()
        if len(stems) >= max(len(found), 2)
        for stem in stems
    ]


def seen_by(
    model: Model,
    names: Sequence[str],
    groups: Sequence[str],
    atlas: str = "",
    kinds: Sequence[str] = ("",),
) -> tuple[str, ...]:
    """Which galaxies a model was trained on, from whatever side.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    names, groups : sequence of str
    atlas : str, optional
        Their atlas, where it is known: another atlas holds other galaxies, whatever their names.
    kinds : sequence of str, optional
        What the model has done with them: ``""`` learned from, ``"calibration_"`` calibrated on.

    Returns
    -------
    seen : tuple of str
        Of the names.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training._groups import seen_by
    >>> model = train(example_galaxies(), estimator=LinearRegression())
    >>> seen_by(model, ["example 1", "a", "b"], ["A", "example 1", "B"])
    ('example 1', 'a')
    """
    if same_atlas(model, atlas) is False:
        return ()
    known = [record_of(model, kind) for kind in kinds]
    known_names, known_groups = (set().union(*each) for each in zip(*known, strict=True))
    both = zip(names, groups, strict=True)
    return tuple(name for name, group in both if name in known_names or group in known_groups)


def same_atlas(model: Model, atlas: str) -> bool | None:
    """Whether an atlas holds the galaxies that a model was trained on, perhaps observed otherwise.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    atlas : str
        The ``fingerprint`` of the atlas. That of an observed atlas begins with the one of the atlas that was
        observed, and a colon.

    Returns
    -------
    same : bool or None
        None if one of the two is not known.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.training._groups import same_atlas
    >>> model = train(example_galaxies(), estimator=LinearRegression())
    >>> model.training["atlas"] = "a1"
    >>> same_atlas(model, "a1:f7"), same_atlas(model, "b2"), same_atlas(model, "")
    (True, False, None)
    """
    here = str(model.training.get("atlas", ""))
    return here.partition(":")[0] == atlas.partition(":")[0] if here and atlas else None


def record_of(model: Model, kind: str = "") -> tuple[list[str], tuple[str, ...]]:
    """The names and groups of the galaxies that a model was trained on, or calibrated on."""
    names = [str(name) for name in model.training.get(f"{kind}galaxies", ())]
    return names, check_groups(names, model.training.get(f"{kind}groups", ()))


def warn_of_seen(
    model: Model, pixels: Pixels, kinds: Sequence[str] = ("",), stacklevel: int = 2
) -> tuple[str, ...]:
    """Say so where a model is judged on galaxies that it knows.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    pixels : `~euclid_resolved.training.Pixels`
    kinds : sequence of str, optional
        As for `seen_by`.
    stacklevel : int, optional
        Of the warning.

    Returns
    -------
    seen : tuple of str
        As `seen_by` gives them.
    """
    seen = seen_by(model, pixels.names, pixels.groups, pixels.atlas, kinds)
    if seen:
        which = f"{', '.join(seen[:3])}{', ...' if len(seen) > 3 else ''}"
        message = (
            f"the model was trained {'or calibrated ' * (len(kinds) > 1)}on {len(seen)} of these "
            f"{len(pixels.names)} galaxies ({which}), or on others of their group: this says nothing of "
            "galaxies that it has not seen"
        )
        warnings.warn(message, DataWarning, stacklevel=stacklevel + 1)
    elif same_atlas(model, pixels.atlas) is not False:
        names, groups = record_of(model)
        warn_of_views([*names, *pixels.names], [*groups, *pixels.groups], stacklevel=stacklevel + 1)
    return seen


def warn_of_both(
    training: Sequence[Galaxy] | Pixels, test: Sequence[Galaxy] | Pixels, stacklevel: int = 2
) -> None:
    """Warn where training and test share a galaxy, or galaxies of one group.

    Parameters
    ----------
    training, test : sequence of `~euclid_resolved.Galaxy`, or `~euclid_resolved.training.Pixels`
        Anything else is left to who uses them.
    stacklevel : int, optional
        Of the warning.
    """
    sets = []
    for each in (training, test):
        each = getattr(each, "galaxies", each)
        galaxies = [one for one in each if isinstance(one, Galaxy)] if isinstance(each, list | tuple) else []
        sets.append({text for one in galaxies for text in (one.name, one.group)})
    both = sorted(sets[0] & sets[1])
    if both:
        which = f"{', '.join(both[:3])}{', ...' if len(both) > 3 else ''}"
        message = f"training and test share {which}: the test says nothing of galaxies that are not known"
        warnings.warn(message, DataWarning, stacklevel=stacklevel + 1)
