"""Prepare an image for a model: each step takes a `MultiBandImage`, returns a new one and records itself.

The order that makes sense: background, masks, PSF, extinction, distance, resampling, binning.
"""

from euclid_resolved.imaging.background import subtract_background
from euclid_resolved.imaging.binning import bin_voronoi
from euclid_resolved.imaging.compact import mask_compact
from euclid_resolved.imaging.distance import set_distance
from euclid_resolved.imaging.extinction import correct_extinction, query_ebv
from euclid_resolved.imaging.masking import mask_neighbours, mask_positions, mask_saturated
from euclid_resolved.imaging.positions import crop
from euclid_resolved.imaging.prepare import prepare
from euclid_resolved.imaging.psf import match_psf
from euclid_resolved.imaging.resample import resample
from euclid_resolved.imaging.steps import MaskReason, history, mask_reasons

__all__ = [
    "MaskReason",
    "bin_voronoi",
    "correct_extinction",
    "crop",
    "history",
    "mask_compact",
    "mask_neighbours",
    "mask_positions",
    "mask_reasons",
    "mask_saturated",
    "match_psf",
    "prepare",
    "query_ebv",
    "resample",
    "set_distance",
    "subtract_background",
]
