"""The parts of a map's error as cards of a FITS header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from euclid_resolved.maps._budget import budget_counts, budget_of

if TYPE_CHECKING:
    from euclid_resolved.maps._spatial_map import SpatialMap

CARDS = {
    "total": ("SIGTOTAL", "[dex] one sigma of a pixel, median"),
    "noise": ("SIGNOISE", "[dex] of it: noise of the image"),
    "model": ("SIGMODEL", "[dex] of it: another fit"),
    "calibration": ("SIGCALIB", "[dex] of it: sky level and E(B-V), shared"),
    "populations": ("SIGPOPUL", "[dex] of it: what the bands cannot tell"),
}
"""By the part of `~euclid_resolved.maps._budget.budget_of`, its card and what this says."""


def budget_cards(budget: Mapping[str, float | None]) -> dict[str, tuple[float | None, str]]:
    """An error budget as cards.

    Parameters
    ----------
    budget : mapping of str to float or None
        From `~euclid_resolved.maps._budget.budget_of`.

    Returns
    -------
    cards : dict of str to (float or None, str)
        dex; a card without a value for a part of which no pixel is known.

    Examples
    --------
    >>> from euclid_resolved.io._fits_budget import budget_cards
    >>> budget_cards({"total": 0.17})
    {'SIGTOTAL': (0.17, '[dex] one sigma of a pixel, median')}
    """
    return {
        CARDS[name][0]: (None if part is None else round(part, 4), CARDS[name][1])
        for name, part in budget.items()
    }


def cards_of(map_: SpatialMap) -> dict[str, tuple[float | None, str]]:
    """The error budget of a map as cards; none where the map has no errors."""
    return budget_cards(budget_of(budget_counts(map_), "interval" in map_.meta))


def cards_of_pieces(pieces: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float | None, str]]:
    """The same of a map of which each piece tells its ``counts``, and whether it is ``calibrated``."""
    whole: dict[str, Counter[int]] = {}
    calibrated = False
    for piece in pieces:
        calibrated = piece["calibrated"]
        for name, counts in piece["counts"].items():
            # A journal has the numbers as text.
            own = {int(step): count for step, count in counts.items()}
            whole.setdefault(name, Counter()).update(own)
    return budget_cards(budget_of(whole, calibrated))
