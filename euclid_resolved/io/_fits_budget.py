"""The parts of a map's error as cards of a FITS header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from euclid_resolved.maps._budget import error_budget

if TYPE_CHECKING:
    from euclid_resolved.maps._spatial_map import SpatialMap

CARDS = {
    "total": ("SIGTOTAL", "[dex] one sigma of a pixel, median"),
    "noise": ("SIGNOISE", "[dex] of it: noise of the image"),
    "model": ("SIGMODEL", "[dex] of it: another fit"),
    "calibration": ("SIGCALIB", "[dex] of it: sky level and E(B-V), shared"),
    "populations": ("SIGPOPUL", "[dex] of it: what the bands cannot tell"),
}
"""By the part of `~euclid_resolved.maps._budget.error_budget`, its card and what this says."""


def budget_cards(map_: SpatialMap) -> dict[str, tuple[float, str]]:
    """The error budget of a map as cards.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`

    Returns
    -------
    cards : dict of str to (float, str)
        Of the parts that are known, dex; none where the map has no error.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.nddata import StdDevUncertainty
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.io._fits_budget import budget_cards
    >>> error = StdDevUncertainty(np.full((2, 2), 39.1))
    >>> map_ = SpatialMap(np.full((2, 2), 100.0), property="stellar_mass_density", uncertainty=error)
    >>> budget_cards(map_)
    {'SIGTOTAL': (0.1698, '[dex] one sigma of a pixel, median')}
    """
    return {CARDS[name][0]: (round(part, 4), CARDS[name][1]) for name, part in error_budget(map_).items()}
