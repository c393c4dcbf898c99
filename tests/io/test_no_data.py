"""Blocks of exact zeros are no data, single zeros are measurements: in files and in the background."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import NDData
from numpy.testing import assert_array_equal

from euclid_resolved import MultiBandImage, read_euclid
from euclid_resolved.errors import InputError
from euclid_resolved.images import zero_blocks
from euclid_resolved.imaging import history, mask_neighbours, subtract_background
from euclid_resolved.io import open_large


def sky(shape=(200, 200), level=0.5, noise=0.01, seed=1):
    return np.random.default_rng(seed).normal(level, noise, shape).astype("f4")


def an_image(data):
    return MultiBandImage({"HE": NDData(data, unit=u.MJy / u.sr)})


def in_a_file(path, data, **cards):
    header = fits.Header({"FILTER": "NIR_H", "MAGZERO": 29.9, **cards})
    for axis, ctype in ((1, "RA---TAN"), (2, "DEC--TAN")):
        header[f"CTYPE{axis}"], header[f"CRPIX{axis}"] = ctype, 1
    header["CDELT1"], header["CDELT2"] = -0.1 / 3600, 0.1 / 3600
    fits.PrimaryHDU(data, header).writeto(path)
    return path


ONE_COUNT = 0.0169382  # MJy/sr of one count of zero point 29.9 in a pixel of 0.1"


@pytest.mark.parametrize("fraction", [0.45, 0.6, 0.9])
@pytest.mark.parametrize("turned", [False, True])
def test_a_footprint_that_was_filled_with_zeros_is_no_sky(fraction, turned):
    data = sky()
    y, x = np.indices(data.shape)
    # Along the axes, or an edge of 30 degrees across the image.
    across = x + 0.58 * y if turned else x
    outside = across < np.quantile(across, fraction)
    data[outside] = 0
    before = data.copy()
    out = subtract_background(an_image(data))
    record = history(out)[-1]["measured"]["HE"]
    assert record["level"] == pytest.approx(0.5, abs=0.001)
    assert record["pixel_scatter"] == pytest.approx(0.01, rel=0.1)
    # A turned edge has corners of single zeros, which count as measurements.
    assert np.mean(out.mask() != outside) < 0.002 and not out.mask()[~outside].any()
    assert_array_equal(data, before)


def test_a_footprint_that_was_filled_does_not_hide_a_source():
    data = sky(level=0.0)
    y, x = np.indices(data.shape)
    data += np.exp(-np.hypot(x - 150, y - 100) / 5).astype("f4")
    data[:, :120] = 0
    out = mask_neighbours(an_image(data), (150, 100))
    assert not out.mask()[95:105, 145:155].any()


def test_a_sky_that_does_not_scatter_is_refused():
    quantised = np.rint(np.random.default_rng(1).normal(0.3, 0.3, (200, 200))).astype("f4")
    for data in (np.full((100, 100), 0.5, "f4"), quantised):
        with pytest.raises(InputError, match="does not scatter"):
            subtract_background(an_image(data), mask_sources=False)


@pytest.mark.parametrize("mean", [0.3, 1.0, 3.0])
def test_counts_of_few_photons_keep_their_zeros(tmp_path, mean):
    # With the zeros left out the mean would be mean / (1 - exp(-mean)): 1.16, 1.58, 3.16.
    counts = np.random.default_rng(2).poisson(mean, (300, 300)).astype("i2")
    image = read_euclid(in_a_file(tmp_path / "p.fits", counts))
    assert not image.mask().any()
    assert image["HE"].data.mean() / ONE_COUNT == pytest.approx(mean, rel=0.01)


def test_a_quantised_sky_keeps_its_zeros(tmp_path):
    # Of a sky of 0.3 counts with noise 0.3, three quarters are zero; the others are mostly one.
    counts = np.rint(np.random.default_rng(3).normal(0.3, 0.3, (300, 300))).astype("f4")
    true = counts.mean()
    counts[:150] = 0
    image = read_euclid(in_a_file(tmp_path / "q.fits", counts))
    mask = image.mask()
    assert mask[:140].all() and not mask[160:].any()
    assert image["HE"].data[160:].mean() / ONE_COUNT == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("what", ["columns", "frame", "hole", "nothing"])
def test_kinds_of_blocks(what):
    data = sky((60, 80))
    data[5, 7] = data[20, 30:33] = data[40, 40] = data[41, 41] = 0  # measurements
    expected = np.zeros(data.shape, bool)
    place = {
        "columns": np.s_[:, 17:18],
        "frame": np.s_[:2],
        "hole": np.s_[30:34, 60:64],
        "nothing": np.s_[:0],
    }[what]
    data[place] = 0
    expected[place] = True
    assert_array_equal(zero_blocks(data), expected)


def test_zeros_only_and_what_is_not_finite():
    assert zero_blocks(np.zeros((20, 20), "f4")).all()
    assert not zero_blocks(np.full((20, 20), np.nan)).any()
    assert not zero_blocks(np.zeros((2, 2))).any()


@pytest.mark.parametrize("rows", [1, 7, 64])
@pytest.mark.parametrize("counts", [False, True])
def test_strips_find_the_same_blocks(tmp_path, rows, counts):
    data = np.random.default_rng(4).poisson(0.5, (64, 90)).astype("f4") if counts else sky((64, 90))
    data[20:44, 10:50] = data[:, 70] = data[60:] = 0
    path = in_a_file(tmp_path / "s.fits", data)
    whole = read_euclid(path).mask()
    assert whole[25:40, 15:45].all() and not whole[2:18, 5:60].any()
    with open_large(path) as image:
        strips = [image.strip(image.read(y, min(y + rows, 64))).mask() for y in range(0, 64, rows)]
    assert_array_equal(np.concatenate(strips), whole)


@pytest.mark.parametrize(
    ("dtype", "blank", "raw"),
    [("u2", -32768, 0), ("u2", 0, 32768), ("i2", 0, 0), ("i2", -5, -5), ("u1", 0, 0), ("u4", -(2**31), 0)],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_blank_integers_are_no_data(tmp_path, dtype, blank, raw, compressed):
    """BLANK counts for unsigned integers, whose zero is moved by 2^15 or 2^31, and when it is 0."""
    if compressed and dtype == "u4":
        pytest.skip("Rice compression takes no unsigned integers of 32 bits")
    data = np.random.default_rng(5).integers(1, 100, (20, 30)).astype(dtype)
    data[3, 4] = data[5, 6] = raw
    path = in_a_file(tmp_path / "plain.fits", data)
    with fits.open(path) as hdus:
        header = hdus[0].header.copy()
    header["BLANK"] = blank
    if compressed:
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, header)])
    else:
        hdus = fits.HDUList([fits.PrimaryHDU(data, header)])
    path = tmp_path / "blank.fits"
    hdus.writeto(path)
    image = read_euclid(path)
    assert sorted(zip(*np.nonzero(image.mask()), strict=True)) == [(3, 4), (5, 6)]
    with open_large(path) as large:
        assert_array_equal(large.strip(large.read(0, 20)).mask(), image.mask())
