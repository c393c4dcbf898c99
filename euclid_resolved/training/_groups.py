"""Which galaxies are one object: the same from other sides, turned, or with other noise."""

import re
import warnings
from collections import defaultdict

import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.maps._galaxy import group_name

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


def group_numbers(groups):
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


def check_groups(names, groups):
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
    known = {}
    for name, group in zip(names, groups, strict=True):
        if known.setdefault(name, group) != group:
            raise InputError(f"{name} is in two groups, {known[name]} and {group}: one name, one galaxy")
    return groups


def stem_of(name):
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
    found = True
    while found:
        found = next((match for each in _ENDINGS if (match := each.fullmatch(name))), None)
        name = found[1] if found else name
    return name


def warn_of_views(names, groups, stacklevel=3):
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
    own, members = dict(zip(names, groups, strict=True)), defaultdict(list)
    for name in own:
        members[stem_of(name)].append(name)
    unnamed = [name for name, group in own.items() if group == group_name(name)]
    for alike in (members.values(), _same_endings(unnamed)):
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


def seen_by(model, names, groups, atlas=""):
    """Which galaxies a model was trained on, from whatever side.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    names, groups : sequence of str
    atlas : str, optional
        Their atlas, where it is known: another atlas holds other galaxies, whatever their names.

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
    here = str(model.training.get("atlas", ""))
    if atlas and here and atlas != here:
        return ()
    trained = [str(name) for name in model.training.get("galaxies", ())]
    known, trained = set(check_groups(trained, model.training.get("groups", ()))), set(trained)
    both = zip(names, groups, strict=True)
    return tuple(name for name, group in both if name in trained or group in known)
