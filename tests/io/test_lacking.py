"""Which bands of a model an image has is found without reading it, whatever holds it."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from helpers import an_image, galaxies, sky_wcs
from tiles import make_tile

from euclid_resolved import EUCLID_BANDS, RandomForest, make_atlas, train, write
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.io import open_image
from euclid_resolved.io._lacking import bands_for

SOME = ("IE", "JE", "HE")


@pytest.fixture(scope="module")
def model():
    return train(galaxies(3), "stellar_age", RandomForest(n_trees=2, n_jobs=1), missing_bands=0.3)


def cutout(path, bands):
    header = sky_wcs((12, 14)).to_header()
    header["MAGZERO"] = 25.0
    names = {"IE": "VIS", "YE": "NIR_Y", "JE": "NIR_J", "HE": "NIR_H"}
    images = [fits.ImageHDU(np.ones((12, 14), "f4"), header, f"{names[band]}_FLUX") for band in bands]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    return path


def in_an_atlas(folder):
    make_atlas(folder, 1, pixels=16)
    (folder / "TNG000001_O5_Euclid_Y.fits").unlink()
    return folder / "TNG000001_O5"


def in_a_folder(folder):
    for path in make_tile(folder).glob("*NIR-Y*"):
        path.unlink()
    return folder


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: cutout(folder / "cutout.fits", SOME),
        lambda folder: {band: cutout(folder / f"{band}.fits", (band,)) for band in SOME},
        lambda folder: [f"{band}={cutout(folder / f'{band}.fits', (band,))}" for band in SOME],
        lambda folder: in_an_atlas(folder / "atlas"),
        lambda folder: in_a_folder(folder / "tile"),
    ],
    ids=["one file", "mapping", "pairs", "atlas", "folder"],
)
def test_the_bands_that_are_there(model, make, tmp_path):
    source = make(tmp_path)
    assert bands_for(model, source) == SOME
    assert open_image(source, bands_for(model, source), raw=True).bands == SOME
    assert bands_for(replace(model, missing=None), source) == EUCLID_BANDS
    with pytest.raises(InputError, match="no band (Euclid_Y|YE)"):
        open_image(source, EUCLID_BANDS, raw=True)


def test_what_is_wrong_otherwise_is_no_missing_band(model, tmp_path):
    path = cutout(tmp_path / "cutout.fits", EUCLID_BANDS)
    path.write_bytes(path.read_bytes()[:-3000])
    assert bands_for(model, path) == EUCLID_BANDS
    with pytest.raises(ImageFileError):
        open_image(path, bands_for(model, path), raw=True)


def test_a_source_of_something_else_is_said_by_who_reads_it(model, tmp_path):
    """Such as maps, which a user takes for the image that they were made of."""
    maps = model.predict_maps(an_image(sigma=0.001))
    write(tmp_path / "maps.fits", maps)
    assert bands_for(model, tmp_path / "maps.fits") == EUCLID_BANDS
    with pytest.raises(ImageFileError, match="STELLAR_"):
        open_image(tmp_path / "maps.fits", bands_for(model, tmp_path / "maps.fits"), raw=True)


def test_an_image_that_write_wrote_tells_when_it_is_read(model, tmp_path):
    write(tmp_path / "image.asdf", an_image(bands=SOME))
    assert bands_for(model, tmp_path / "image.asdf") == EUCLID_BANDS
    image = open_image(tmp_path / "image.asdf", EUCLID_BANDS, raw=True)
    assert np.isfinite(model.predict(image).data).all()
