"""Find the sources of an image, in all bands together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.images._sources import segments_above, significance

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage

LEVELS = 32  # thresholds between which a blend is looked for, as many as SExtractor uses


def detect(
    image: MultiBandImage,
    threshold: float = 3.0,
    minimum_pixels: int = 10,
    deblend: bool = True,
    contrast: float = 0.01,
    sign: int = 1,
) -> np.ndarray | None:
    """The sources of an image, found in all bands together.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
        Its sky should be subtracted, but the median of each band is taken off here anyway.
    threshold, minimum_pixels, deblend, contrast
        As for `euclid_resolved.imaging.mask_neighbours`.
    sign : {1, -1}, optional
        -1 finds holes.

    Returns
    -------
    labels : `~numpy.ndarray` of int or None
        0 where there is no source; None where there is none at all.
    """
    snr, known = significance(image)
    labels = segments_above(sign * snr, known, threshold, minimum_pixels)
    if labels is None or not deblend:
        return labels
    return _deblend(sign * snr, labels, int(minimum_pixels), float(contrast))


def _deblend(snr, labels, minimum_pixels, contrast):
    """Give sources that touch a label each: branches at rising thresholds, as SExtractor finds them.

    photutils does the same but needs scikit-image.
    """
    from scipy.ndimage import find_objects

    result, last = np.zeros_like(labels), 0
    for label, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        inside = labels[box] == label
        values = np.where(inside, snr[box], 0.0)
        branches = _branches(values, inside, minimum_pixels, contrast)
        parts = _flood(values, inside, branches) if len(branches) > 1 else inside.astype(labels.dtype)
        result[box][inside] = parts[inside] + last
        last += len(branches)
    return result


def _branches(values, inside, minimum_pixels, contrast):
    """The regions around the peaks that are sources of their own."""
    from scipy.ndimage import label

    branches, total = [inside], values.sum()
    low, high = values[inside].min(), values.max()
    if not 0 < low < high:
        return branches
    for level in np.geomspace(low, high, LEVELS, endpoint=False)[1:]:
        rising = []
        for branch in branches:
            parts, number = label(branch & (values > level), np.ones((3, 3)))
            sizes = np.bincount(parts.ravel(), minlength=number + 1)
            light = np.bincount(parts.ravel(), values.ravel(), minlength=number + 1)
            enough = [
                i for i in range(1, number + 1) if sizes[i] >= minimum_pixels and light[i] >= contrast * total
            ]
            rising += [parts == i for i in enough] if len(enough) > 1 else [branch]
        branches = rising
    return branches


def _flood(values, inside, branches):
    """Divide a source among its branches along the valleys between them, numbered from 1."""
    from scipy.ndimage import watershed_ift

    depth = np.log(np.clip(values, values[inside].min(), None))
    depth = np.uint16(np.round((depth.max() - depth) / (np.ptp(depth) or 1.0) * 60_000))
    markers = np.zeros(values.shape, np.int32)
    for i, branch in enumerate(branches, start=1):
        markers[branch] = i
    # Everything outside is one basin that is full already.
    markers[~inside] = len(branches) + 1
    parts = watershed_ift(depth, markers, structure=np.ones((3, 3)))
    return np.where(parts > len(branches), 1, parts)


def grow_mask(mask: np.ndarray, radius: float) -> np.ndarray:
    """A mask grown by a radius in pixels."""
    from scipy.ndimage import distance_transform_edt

    if radius <= 0 or not mask.any():
        return mask
    return distance_transform_edt(~mask) <= radius
