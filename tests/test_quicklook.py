"""One figure of an image and its maps: every panel is there, and the legend adds up."""

import re

import numpy as np
import pytest
from helpers import an_image

from euclid_resolved import EUCLID_BANDS
from euclid_resolved.errors import InputError
from euclid_resolved.quicklook import plot_quicklook


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_bands_maps_and_quality_are_drawn(linear_model):
    mask = np.zeros((12, 14), bool)
    mask[:3] = True
    image = an_image(masks={"YE": mask})
    maps = linear_model.predict_maps(image)
    figure = plot_quicklook(image, maps)
    assert titles(figure) == [*EUCLID_BANDS, *(map_.label for map_ in maps.values()), "quality"]
    labels = [text.get_text() for text in figure.axes[-1].get_yticklabels()]
    assert "MASKED 25.0 %" in labels
    shares = [float(re.search(r"([0-9.]+) %", label)[1]) for label in labels]
    assert sum(shares) == pytest.approx(100, abs=0.1 * len(shares))


def test_errors_are_drawn_where_they_are_known(linear_model):
    image = an_image(sigma=0.001)
    maps = linear_model.predict_maps(image, draws=4)
    shown = titles(plot_quicklook(image, maps))
    assert {f"one sigma: {map_.label}" for map_ in maps.values()} <= set(shown)


def test_maps_of_another_grid_are_refused(linear_model):
    image = an_image()
    maps = linear_model.predict_maps(image)
    with pytest.raises(InputError, match="shape"):
        plot_quicklook(image[:5, :5], maps)
    with pytest.raises(InputError, match="maps"):
        plot_quicklook(image, {})
