"""Split galaxies into training and test: whole galaxies, never pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.maps._galaxy import check_galaxies, group_name
from euclid_resolved.training._groups import check_groups, warn_of_views

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy

__all__ = ["folds", "split"]


_Named = TypeVar("_Named", bound="Galaxy | str")


def split(
    galaxies: Sequence[Galaxy], fraction: float = 0.1, seed: int = 1
) -> tuple[list[Galaxy], list[Galaxy]]:
    """Split galaxies into training and test; whole galaxies, never pixels (the paper's section 2.3).

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Those of one group, views of one object, stay together: see `~euclid_resolved.Galaxy`.
    fraction : float, optional
        The fraction of galaxies in the test set; each set gets at least one.
    seed : int, optional
        The split depends on the seed, the galaxies' names and groups, not on their order.

    Returns
    -------
    training, test : list of `~euclid_resolved.Galaxy`
        In the order given. Where ``star_forming`` is known of all galaxies, star-forming
        and quiescent galaxies are split in the same proportion.

    Raises
    ------
    InputError
        If there are fewer than two groups, two galaxies share a name, or the fraction is not between 0 and 1.

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
