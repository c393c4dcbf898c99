"""Which galaxies a study learns from, and on which it is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.io._galaxy_list import galaxy_key, read_galaxy_list, with_listed
from euclid_resolved.training._splits import split

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.study._description import Description
    from euclid_resolved.study._source import Atlas


FOLDS = {"cross_validation": 10, "hyper_parameters": 5}
"""Parts that make folds of the training galaxies, and how many where their option ``k`` does not say."""


def choose_galaxies(
    data: Atlas, description: Description
) -> tuple[dict[str, str], list[Galaxy], list[Galaxy], list[Galaxy]]:
    """The galaxies of a study: those of its list are tested, and its examples, whatever the seed.

    Parameters
    ----------
    data : ``Atlas``
    description : ``Description``

    Returns
    -------
    listed : dict of str to str
        The observers of the test galaxies by name, where the study has a list of them.
    galaxies, training, test : list of `~euclid_resolved.Galaxy`

    Raises
    ------
    InputError
        If a galaxy of the list is not there, none is left to train on, or a search makes more folds of the
        training galaxies than there are.
    """
    sample, file = description.sample, description.sample["test_galaxies"]
    listed = read_galaxy_list(file) if file else {}
    galaxies, listed_there = with_listed(
        lambda side: data.galaxies(side, description.bands, description.more_maps),
        description.observer,
        listed,
        file,
    )
    named = listed_there or _examples(description, galaxies)
    if sample["galaxies"]:
        galaxies = _some(galaxies, sample["galaxies"], sample["seed"], named)
    share = None if file else sample["test_fraction"]
    training, test = split(galaxies, share, sample["seed"], stratified=sample["stratified"], test=named)
    _check_folds(description, len({galaxy.group for galaxy in training}))
    return listed, galaxies, training, test


def _check_folds(description, n):
    """Refuse more folds than training galaxies now: the part may come after hours."""
    for part in description.parts:
        k = part.options.get("k", FOLDS.get(part.run))
        if part.run not in FOLDS or not isinstance(k, int):
            continue
        # A cross-validation makes do with fewer folds. A fit needs two galaxies.
        fewest = k if part.run == "hyper_parameters" else 3
        if n < fewest:
            raise InputError(
                f"{part.label}: folds of whole galaxies need at least {fewest} training galaxies, and there "
                f"are {n}: take a larger atlas, or leave this part out of the study"
            )


def _examples(description, galaxies):
    """Names of the example galaxies of the study."""
    wanted = {galaxy_key(name) for part in description.parts for name in part.options.get("galaxies", ())}
    return [one.name for one in galaxies if galaxy_key(one.group) in wanted]


def _some(galaxies, n, seed, named=()):
    """Some of the galaxies, those named and others drawn at random; all where there are no more."""
    if n <= len(named):
        raise InputError(
            f"galaxies = {n} leaves none to train on beside {len(named)} that are named for the test"
        )
    order = np.random.default_rng(seed).permutation(len(galaxies))
    order = sorted(order, key=lambda i: galaxies[i].name not in named)
    return [galaxies[i] for i in sorted(order[:n])]
