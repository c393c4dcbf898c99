"""Split galaxies into training and test: whole galaxies, never pixels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.maps._galaxy import check_galaxies

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy

__all__ = ["folds", "split"]


_Named = TypeVar("_Named", bound="Galaxy | str")


def group_name(name: str | Galaxy) -> str:
    """The galaxy behind a name: ``TNG000008`` for all its projections ``TNG000008_O1`` to ``TNG000008_O5``.

    Parameters
    ----------
    name : str or `~euclid_resolved.Galaxy`

    Returns
    -------
    group : str

    Examples
    --------
    >>> from euclid_resolved.training._splits import group_name
    >>> group_name("TNG000008_O3")
    'TNG000008'
    """
    return re.sub(r"(?<=\d)_O[1-5]$", "", str(getattr(name, "name", name)))


def group_numbers(names: Iterable[str | Galaxy]) -> np.ndarray:
    """Which galaxy each name stands for, as numbers.

    Parameters
    ----------
    names : sequence of str or `~euclid_resolved.Galaxy`

    Returns
    -------
    groups : `~numpy.ndarray`
        int32, one number a name: the same for all projections of one galaxy, because estimates from a fit to
        another projection would be none for a galaxy that was not seen.

    Examples
    --------
    >>> from euclid_resolved.training._splits import group_numbers
    >>> group_numbers(["TNG000001_O1", "TNG000001_O2", "TNG000002_O1"])
    array([0, 0, 1], dtype=int32)
    """
    groups = [group_name(name) for name in names]
    return np.unique(groups, return_inverse=True)[1].astype(np.int32)


def split(
    galaxies: Sequence[Galaxy], fraction: float = 0.1, seed: int = 1
) -> tuple[list[Galaxy], list[Galaxy]]:
    """Split galaxies into training and test; whole galaxies, never pixels (the paper's Sect. 2.3).

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Projections of one galaxy, ``TNG000008_O1`` to ``TNG000008_O5``, stay together.
    fraction : float, optional
        The fraction of galaxies in the test set; each set gets at least one.
    seed : int, optional
        The split depends on the seed and the galaxies' names, not on their order.

    Returns
    -------
    training, test : list of `~euclid_resolved.Galaxy`
        In the order given. Where ``star_forming`` is known of all galaxies, star-forming
        and quiescent galaxies are split in the same proportion.

    Raises
    ------
    InputError
        If there are fewer than two galaxies, two share a name, or the fraction is not between 0 and 1.

    Examples
    --------
    >>> from euclid_resolved import split
    >>> from euclid_resolved.testing import example_galaxies
    >>> training, test = split(example_galaxies(10), fraction=0.2, seed=1)
    >>> len(training), len(test)
    (8, 2)
    >>> sorted(galaxy.star_forming for galaxy in test)
    [False, True]
    """
    galaxies = check_galaxies(galaxies)
    if len(galaxies) < 2:
        raise InputError(f"a split by galaxy needs at least two galaxies, got {len(galaxies)}")
    if not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise InputError(f"fraction must lie between 0 and 1, got {fraction!r}")
    ranked = _shuffled_groups(galaxies, seed)
    if len(ranked) < 2:
        raise InputError(f"a split needs at least two galaxies, got {len(galaxies)} projections of one")
    wanted = min(max(round(fraction * len(ranked)), 1), len(ranked) - 1)
    # Strata interleaved by their rank within the stratum, so that any prefix is in proportion.
    kinds = {group_name(g): g.star_forming for g in galaxies}
    if None not in kinds.values():
        place: dict[str, float] = {}
        for kind in (True, False):
            members = [name for name in ranked if kinds[name] == kind]
            place.update({name: (i + 0.5) / len(members) for i, name in enumerate(members)})
        ranked = sorted(ranked, key=place.__getitem__)
    chosen = set(ranked[:wanted])
    training = [g for g in galaxies if group_name(g) not in chosen]
    return training, [g for g in galaxies if group_name(g) in chosen]


def folds(galaxies: Sequence[_Named], k: int = 10, seed: int = 1) -> list[tuple[list[_Named], list[_Named]]]:
    """Split galaxies into `k` folds for cross-validation by galaxy.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy` or of their names
        Projections of one galaxy, ``TNG000008_O1`` to ``TNG000008_O5``, stay together.
    k : int, optional
    seed : int, optional

    Returns
    -------
    folds : list of (training, validation)
        Each galaxy is in exactly one validation list.

    Examples
    --------
    >>> from euclid_resolved import folds
    >>> from euclid_resolved.testing import example_galaxies
    >>> for training, held_out in folds(example_galaxies(6), k=3):
    ...     print(len(training), [galaxy.name for galaxy in held_out])
    4 ['example 2', 'example 5']
    4 ['example 1', 'example 6']
    4 ['example 3', 'example 4']
    """
    galaxies = list(galaxies)
    groups = _shuffled_groups(galaxies, seed)
    if not 2 <= k <= len(groups):
        raise InputError(f"k must lie between 2 and the number of galaxies ({len(groups)}), got {k}")
    number = {group: i % k for i, group in enumerate(groups)}
    mine = [number[group_name(g)] for g in galaxies]
    return [
        (
            [g for g, m in zip(galaxies, mine, strict=True) if m != i],
            [g for g, m in zip(galaxies, mine, strict=True) if m == i],
        )
        for i in range(k)
    ]


def _shuffled_groups(galaxies: Iterable[str | Galaxy], seed: int) -> list[str]:
    names = sorted(str(getattr(g, "name", g)) for g in galaxies)
    twice = {a for a, b in zip(names[:-1], names[1:], strict=True) if a == b} if names else ()
    if twice:
        raise InputError(f"two galaxies share the name {', '.join(sorted(twice))}")
    groups = list(dict.fromkeys(group_name(name) for name in names))
    return [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
