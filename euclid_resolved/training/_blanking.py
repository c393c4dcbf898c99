"""Training pixels with bands left out at random, for models of pixels that lack some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators._contract import Estimator
from euclid_resolved.features._image_sets import image_sets
from euclid_resolved.features._known import number_of
from euclid_resolved.features._sets import needed_bands
from euclid_resolved.models._asking import registered_name
from euclid_resolved.models._missing import check_number, checked_sets
from euclid_resolved.plugins._registry import available

COPIES = {4: 2, 16: 6}
"""By the most bands, how often every pixel is learned from without some, beside once with all of them.

Measured in ``benchmarks/missing_bands.py`` (``copies``)."""


@dataclass(frozen=True)
class Blanking:
    """How bands are left out of training pixels.

    Every pixel is learned from as it is, and `copies` times without some of its bands, which are drawn anew
    for each pixel. Features of single pixels cannot tell a hole from a band that the whole image lacks, so
    that one stands for both; pixels of one galaxy that lack different bands tell a fit more than those that
    lack the same.

    Attributes
    ----------
    bands : tuple of str
        All bands.
    probability : float
        With which each band is left out of a copy, on condition that one is and one is not; 0 where only
        `sets` are left out.
    sets : tuple of tuple of str
        Sets of bands that are left out, each as often: in one copy where there is a probability,
        in all without one.
    unusable : tuple of int
        Sets that leave no column, as of `~euclid_resolved.features._known.sets_of_bands`.

    Examples
    --------
    >>> from euclid_resolved.training._blanking import Blanking
    >>> Blanking(("IE", "HE"), 0.3, ()).draw(5, 1)  # 1: without IE, 2: without HE
    array([[1, 1, 1, 1, 2],
           [1, 1, 2, 2, 1]])
    """

    bands: tuple[str, ...]
    probability: float
    sets: tuple[tuple[str, ...], ...]
    unusable: tuple[int, ...] = ()

    @property
    def copies(self) -> int:
        """How many copies of every pixel there are."""
        return next(copies for most, copies in COPIES.items() if len(self.bands) <= most)

    def draw(self, n: int, seed: int) -> np.ndarray:
        """Which bands the copies of pixels lack.

        Parameters
        ----------
        n : int
        seed : int

        Returns
        -------
        missing : `~numpy.ndarray` of int
            Shape (copies, n), as of `~euclid_resolved.features._known.sets_of_bands`.
        """
        rng = np.random.default_rng([seed, 2])
        named = np.array([number_of(self.bands, each) for each in self.sets])
        if not self.probability:
            return rng.choice(named, (self.copies, n))
        every = np.arange(1, (1 << len(self.bands)) - 1)
        every = every[~np.isin(every, self.unusable)]
        count = np.sum([every >> i & 1 for i in range(len(self.bands))], axis=0)
        weight = self.probability**count * (1 - self.probability) ** (len(self.bands) - count)
        rest = self.copies - bool(len(named))
        drawn = rng.choice(every, (rest, n), p=weight / weight.sum())
        return np.concatenate([drawn, rng.choice(named, (1, n))]) if len(named) else drawn


def blank(brightness: Mapping[str, np.ndarray], missing: np.ndarray) -> dict[str, np.ndarray]:
    """The brightness of pixels without the bands that they are to lack: NaN there.

    Parameters
    ----------
    brightness : mapping of str to `~numpy.ndarray`
        By band, shape (n,).
    missing : `~numpy.ndarray` of int
        Shape (n,), as of `~euclid_resolved.features._known.sets_of_bands`.

    Returns
    -------
    blanked : dict of str to `~numpy.ndarray`
    """
    return {
        band: np.where(missing >> number & 1, np.float32(np.nan), values)
        for number, (band, values) in enumerate(brightness.items())
    }


def blanking_of(
    given: Any, bands: tuple[str, ...], features: Sequence[str], columns: Sequence[str]
) -> Blanking | None:
    """What ``missing_bands`` of `~euclid_resolved.train` says, checked.

    Parameters
    ----------
    given : float, sequence or None
    bands, features, columns : sequence of str
        The model's.

    Returns
    -------
    blanking : `Blanking` or None
        None where no band may be missing.

    Raises
    ------
    InputError
        If it is no probability and no sets of these bands, or a set leaves no column.

    Examples
    --------
    >>> from euclid_resolved.training._blanking import blanking_of
    >>> blanking_of(["YE"], ("IE", "YE"), ("bands",), ("IE", "YE")).sets
    (('YE',),)
    """
    if given is None:
        return None
    if image_sets(features):
        raise InputError(
            f"features {', '.join(image_sets(features))} look at surroundings, for which an image needs "
            "all its bands: train with missing_bands on features of single pixels, for example 'colours'"
        )
    check_number(bands)
    numbers, names = _told_apart(given)
    if len(numbers) > 1:
        raise InputError(f"missing_bands holds {len(numbers)} probabilities, one is the most")
    unusable: tuple[int, ...] = ()
    for probability in numbers:
        if not 0 < probability < 1:
            raise InputError(f"missing_bands, as a probability, must lie between 0 and 1, got {probability}")
        every = np.arange(1, (1 << len(bands)) - 1)
        usable = _leave_a_column(every, bands, features, columns)
        if not usable.any():
            raise InputError(f"every column ({', '.join(columns)}) needs all bands: none may be missing")
        unusable = tuple(every[~usable].tolist())
    sets = checked_sets(names, bands)
    if not sets and not numbers:
        raise InputError("missing_bands holds no set of bands")
    for each in sets:
        if not _leave_a_column(np.array([number_of(bands, each)]), bands, features, columns).all():
            what = f"none of the columns {', '.join(columns)} can be made"
            raise InputError(f"without {', '.join(each)} {what}")
    return Blanking(bands, float(numbers[0]) if numbers else 0.0, sets, unusable)


def _told_apart(given):
    """The numbers and the sets of bands in what is given."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return [given], []
    if isinstance(given, str | bool) or not hasattr(given, "__iter__"):
        raise InputError(
            "missing_bands is a probability between 0 and 1, or sets of bands such as ('YE', ('YE', 'JE')); "
            f"got {given!r}"
        )
    given = list(given)
    numbers = [each for each in given if isinstance(each, int | float)]
    return numbers, [each for each in given if not isinstance(each, int | float)]


def _leave_a_column(missing, bands, features, columns):
    """Which sets of missing bands, as numbers, leave a column that can be made."""
    usable = np.zeros(len(missing), bool)
    for column in columns:
        usable |= missing & number_of(bands, needed_bands(bands, features, (column,))) == 0
    return usable


def check_takes_nan(estimator: Estimator) -> None:
    """Refuse an estimator that cannot learn from pixels that lack bands.

    Parameters
    ----------
    estimator : `~euclid_resolved.Estimator`

    Raises
    ------
    InputError
        It names those that can.

    Examples
    --------
    >>> from euclid_resolved import InputError, LinearRegression
    >>> from euclid_resolved.training._blanking import check_takes_nan
    >>> try:
    ...     check_takes_nan(LinearRegression())
    ... except InputError as error:
    ...     print(str(error).split(";")[0])
    linear cannot learn from pixels that lack bands
    """
    if not estimator.accepts_nan:
        can = [name for name, kind in available("estimators").items() if getattr(kind, "accepts_nan", False)]
        name = registered_name(estimator)
        raise InputError(f"{name} cannot learn from pixels that lack bands; {', '.join(sorted(can))} can")
