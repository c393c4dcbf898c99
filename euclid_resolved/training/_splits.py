"""Split galaxies into training and test: whole galaxies, never pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from euclid_resolved._checks import check_names, check_whole, did_you_mean
from euclid_resolved.errors import InputError
from euclid_resolved.maps._galaxy import check_galaxies, group_name
from euclid_resolved.training._groups import check_groups, warn_of_views

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy

__all__ = ["folds", "split"]


_Named = TypeVar("_Named", bound="Galaxy | str")


def split(
    galaxies: Sequence[Galaxy],
    fraction: float | None = 0.1,
    seed: int = 1,
    *,
    stratified: bool = True,
    test: Collection[str | Galaxy] = (),
) -> tuple[list[Galaxy], list[Galaxy]]:
    """Split galaxies into training and test; whole galaxies, never pixels (the paper's section 2.3).

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Those of one group, views of one object, stay together: see `~euclid_resolved.Galaxy`.
    fraction : float or None, optional
        The fraction of galaxies in the test set; each set gets at least one. With None the test set is
        `test` and nothing else.
    seed : int, optional
        The split depends on the seed, the galaxies' names and groups, not on their order.
    stratified : bool, optional
        Whether star-forming and quiescent galaxies are split in the same proportion, where ``star_forming``
        is known of all. A plain random split, as the paper's (86 of 869 star-forming and 29 of 285 quiescent
        galaxies, where a stratified one has 87 and 28), has these numbers by chance.
    test : collection of str or `~euclid_resolved.Galaxy`, optional
        Names, or groups, of galaxies that are in the test set whatever the seed; each counts for its group.

    Returns
    -------
    training, test : list of `~euclid_resolved.Galaxy`
        In the order given.

    Raises
    ------
    InputError
        If there are fewer than two groups, two galaxies share a name, the fraction is not between 0 and 1,
        or galaxies of `test` are not there or leave none to train on.

    Warns
    -----
    DataWarning
        If names look like views of one object, but are not of one group.

    Examples
    --------
    >>> from euclid_resolved import split
    >>> from euclid_resolved.testing import example_galaxies
    >>> training, test = split(example_galaxies(10), fraction=0.2, seed=1)
    >>> len(training), len(test)
    (8, 2)
    >>> sorted(galaxy.star_forming for galaxy in test)
    [False, True]
    >>> _, test = split(example_galaxies(10), fraction=None, test=["example 3", "example 7"])
    >>> [galaxy.name for galaxy in test]
    ['example 3', 'example 7']
    """
    galaxies = check_galaxies(galaxies)
    if len(galaxies) < 2:
        raise InputError(f"a split by galaxy needs at least two galaxies, got {len(galaxies)}")
    if fraction is not None and (not isinstance(fraction, int | float) or not 0 < fraction < 1):
        raise InputError(f"fraction must lie between 0 and 1, got {fraction!r}")
    ranked = _shuffled_groups(galaxies, seed)
    if len(ranked) < 2:
        raise InputError(f"a split needs at least two galaxies, got {len(galaxies)} projections of one")
    always = _groups_of(galaxies, test)
    if fraction is None and not always:
        raise InputError("without a fraction the galaxies of the test set must be named")
    wanted = 0 if fraction is None else min(max(round(fraction * len(ranked)), 1), len(ranked) - 1)
    if len(always) == len(ranked):
        raise InputError(f"all {len(ranked)} galaxies are named for the test; none is left to train on")
    ranked.sort(key=lambda name: name not in always)  # those named come first, the others stay as drawn
    # Strata interleaved by their rank within the stratum, so that any prefix is in proportion.
    kinds = {group_name(g): g.star_forming for g in galaxies}
    if stratified and None not in kinds.values():
        place: dict[str, float] = {}
        for kind in (True, False):
            members = [name for name in ranked if kinds[name] == kind]
            place.update({name: (i + 0.5) / len(members) for i, name in enumerate(members)})
        ranked = sorted(ranked, key=lambda name: (name not in always, place[name]))
    chosen = set(ranked[: max(wanted, len(always))])
    training = [g for g in galaxies if group_name(g) not in chosen]
    return training, [g for g in galaxies if group_name(g) in chosen]


def _groups_of(galaxies, named):
    """The groups of galaxies that are named, each by its name or its group."""
    known = {key: group_name(g) for g in galaxies for key in (g.name, group_name(g))}
    names = [getattr(one, "name", one) for one in check_names(named, "test galaxies")]
    lost = [str(name) for name in names if name not in known]
    if lost:
        what = f"{', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}"
        hint = did_you_mean(lost[0], known)
        raise InputError(f"test names {what}, none of the {len(galaxies)} galaxies{hint}")
    return {known[name] for name in names}


def folds(galaxies: Sequence[_Named], k: int = 10, seed: int = 1) -> list[tuple[list[_Named], list[_Named]]]:
    """Split galaxies into `k` folds for cross-validation by galaxy.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy` or of their names
        Those of one group stay together: see `~euclid_resolved.Galaxy`.
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
    check_whole("k", k, 2)
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
    check_whole("seed", seed, 0)
    own = sorted((str(getattr(galaxy, "name", galaxy)), group_name(galaxy)) for galaxy in galaxies)
    names, groups = [name for name, _ in own], [group for _, group in own]
    check_groups(names, groups)
    twice = {a for a, b in zip(names[:-1], names[1:], strict=True) if a == b} if names else ()
    if twice:
        raise InputError(f"two galaxies share the name {', '.join(sorted(twice))}")
    warn_of_views(names, groups, stacklevel=3)
    groups = list(dict.fromkeys(groups))
    return [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
