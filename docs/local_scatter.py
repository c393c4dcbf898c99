"""A set of features of an image: how much the light scatters about each pixel."""

import numpy as np

from euclid_resolved.features import ImageFeatureSet
from euclid_resolved.plugins import hookimpl

SIGMA = 2.0  # pixels; the mean ends at three sigma


def local_scatter(planes):
    """The variance of each band around a pixel over its square, without that of the image's noise."""
    mean = planes.smoothed(SIGMA).brightness
    squares = {band: values**2 for band, values in planes.brightness.items()}
    if planes.noise:
        # What noise adds is no structure of the galaxy.
        squares = {band: values - planes.noise[band] ** 2 for band, values in squares.items()}
    mean_square = planes.with_brightness(squares).smoothed(SIGMA).brightness
    return {
        f"{band} scatter~{SIGMA:g}": np.where(values > 0, mean_square[band] / values**2 - 1, np.nan)
        for band, values in mean.items()
    }


@hookimpl
def register_features():
    """Local scatter."""
    summary = "variance of the light around a pixel"
    return {"local_scatter": ImageFeatureSet(local_scatter, "", summary, reach=3 * SIGMA)}
