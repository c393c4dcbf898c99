"""One figure of an image and its maps: every panel is there, and the legend adds up."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.io import fits
from helpers import NAMES, SHARED, an_image, sky_wcs

from euclid_resolved import EUCLID_BANDS, MultiBandImage, quicklook
from euclid_resolved.errors import InputError

DATA = SHARED


def titles(figure):
    """Titles of the panels, each in one line."""
    return [axes.get_title().replace("\n", " ") for axes in figure.axes if axes.get_title()]


BANDS = [rf"${band[0]}_\mathrm{{E}}$" for band in EUCLID_BANDS]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_bands_maps_and_quality_are_drawn(linear_model):
    mask = np.zeros((12, 14), bool)
    mask[:3] = True
    image = an_image(masks={"YE": mask})
    maps = linear_model.predict_maps(image)
    figure = quicklook(image, maps)
    assert titles(figure) == [*BANDS, *(map_.label for map_ in maps.values()), "quality"]
    assert figure.get_suptitle() == "field"
    assert "25.0 % MASKED: masked in at least one band of the input image" in legend(figure)
    shares = [float(re.match(r"([0-9.]+) %", text)[1]) for text in legend(figure)]
    assert sum(shares) == pytest.approx(100, abs=0.1 * len(shares))
    figure.canvas.draw()


def errors_drawn(figure):
    """How many panels show an error."""
    return sum(title.startswith("one sigma") for title in titles(figure))


def test_errors_are_drawn_where_they_are_known(linear_model):
    image = an_image(sigma=0.001)
    assert errors_drawn(quicklook(image, linear_model.predict_maps(image))) == 0
    assert errors_drawn(quicklook(image, linear_model.predict_maps(image, draws=4))) == len(NAMES)


def test_a_model_makes_the_maps(linear_model):
    image = an_image(sigma=0.001)
    figure = quicklook(image, model=linear_model, draws=4, seed=2, title="mine")
    assert errors_drawn(figure) == len(NAMES) and figure.get_suptitle() == "mine"


def test_without_a_model_the_default_one_makes_them(linear_model, monkeypatch):
    monkeypatch.setattr("euclid_resolved.mock._default_model.default_model", lambda: linear_model)
    linear_model.training["trust"] = "Do not trust <this>. " * 20
    try:
        figure = quicklook(an_image())
    finally:
        del linear_model.training["trust"]
    assert "Do not trust <this>." in figure.legends[0].get_title().get_text()
    assert len(titles(figure)) == 8


@pytest.mark.filterwarnings("ignore:the image brings no PSF")
def test_a_path_is_enough(linear_model, tmp_path):
    stems = {"IE": "VIS", "YE": "NIR_Y", "JE": "NIR_J", "HE": "NIR_H"}
    hdus = [fits.PrimaryHDU()]
    for band, nddata in an_image(wcs=sky_wcs((12, 14))).items():
        header = sky_wcs((12, 14)).to_header()
        header["MAGZERO"] = 24.6
        hdus.append(fits.ImageHDU(nddata.data, header, name=f"{stems[band]}_FLUX"))
    fits.HDUList(hdus).writeto(tmp_path / "cutout.fits")
    figure = quicklook(tmp_path / "cutout.fits", model=linear_model)
    assert figure.get_suptitle() == "cutout" and len(titles(figure)) == 8


def test_a_figure_that_is_given_is_used(linear_model):
    image = an_image()
    part = plt.figure(layout="constrained").subfigures(1, 2)[0]
    assert quicklook(image, linear_model.predict_maps(image), figure=part) is part
    figure = quicklook(image, model=linear_model, figsize=(7, 6))
    np.testing.assert_allclose(figure.get_size_inches(), (7, 6))


def test_what_does_not_fit_together_is_refused(linear_model):
    image = an_image()
    maps = linear_model.predict_maps(image)
    with pytest.raises(InputError, match=r"shape \(5, 5\) are needed, got stellar_mass_density \(12, 14\)"):
        quicklook(image[:5, :5], maps)
    with pytest.raises(InputError, match="there is no map to draw"):
        quicklook(image, {})
    with pytest.raises(InputError, match="a Mapping is needed, got euclid_resolved.maps.SpatialMap; maps"):
        quicklook(image, maps["stellar_age"])
    with pytest.raises(InputError, match="give maps, or a model"):
        quicklook(image, maps, linear_model)
    with pytest.raises(InputError, match="give maps, or a model"):
        quicklook(image, maps, draws=3)


@pytest.mark.skipif(not DATA.exists(), reason="real cut-outs are not part of the project")
def test_a_real_cutout_is_drawn(linear_model):
    figure = quicklook(DATA / "euclid_q1_cutout_300px.fits", model=linear_model)
    assert titles(figure)[:4] == BANDS
    assert isinstance(MultiBandImage, type) and len(legend(figure)) >= 2


def test_a_small_galaxy_is_enlarged_and_framed(linear_model):
    away = np.ones((60, 80), bool)
    away[40:52, 50:62] = False
    image = an_image(sigma=0.001, shape=away.shape, masks={"IE": away})
    figure = quicklook(image, model=linear_model, draws=4)
    density = next(axes for axes in figure.axes if axes.get_title().startswith("stellar mass"))
    bands = next(axes for axes in figure.axes if axes.get_title() == BANDS[0])
    # 24 of 60 rows, as a pixel has to be seen, and 32 of 80 columns, around the middle of what is known.
    assert density.images[0].get_array().shape == (24, 32)
    assert np.ma.count(density.images[0].get_array()) == 144
    assert [patch.get_bbox().bounds for patch in bands.patches if patch.get_width() == 32] == [
        (39.5, 33.5, 32, 24)
    ]


def test_a_galaxy_that_fills_the_image_is_drawn_as_it_is(linear_model):
    image = an_image(sigma=0.001, shape=(60, 80))
    figure = quicklook(image, model=linear_model)
    shapes = {axes.images[0].get_array().shape[:2] for axes in figure.axes if axes.images}
    assert shapes == {(60, 80)}
