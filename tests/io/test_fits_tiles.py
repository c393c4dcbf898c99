"""Compressed maps come back to the last bit, or within what was allowed; flags and NaN always do."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from helpers import NAMES, sky_wcs
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from tiles import make_tile

from euclid_resolved import Quality, SpatialMap, read, write
from euclid_resolved.cli import main
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.io import _fits_tiles as module
from euclid_resolved.io._fits import read_fits
from euclid_resolved.io._fits_tiles import rounded
from euclid_resolved.survey import predict_many, predict_tile

SHAPE = (19, 21)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Several tiles a row and a column, the last of them narrower."""
    monkeypatch.setattr(module, "TILE", 8)


def some_maps(dtype="f4"):
    """Maps with every plane, with values over four decades, and NaN."""
    rng, maps = np.random.default_rng(1), {}
    quality = rng.integers(0, 64, SHAPE).astype("i4")
    quality[:9, :17] = Quality.MASKED  # whole tiles without a value
    quality[9:, 16:] = 0
    gone = (quality & Quality.unjudged()) != 0
    bins = rng.integers(-1, 9, SHAPE).astype("i4")
    for name in NAMES:
        values = (10 ** rng.uniform(0, 4, SHAPE)).astype(dtype)
        values[gone] = np.nan
        planes = {"lo": values * 0.8, "hi": values * 1.3, "noise": values * 0.1, "mean": values * 1.02}
        meta = {"interval": 0.68, "model": "0a" * 32, "shared_variance": 0.3, "name": "NGC 1"}
        meta |= {"pixel_scale": 0.1 * u.arcsec, "bins": bins}
        maps[name] = SpatialMap(
            values, property=name, quality=quality, wcs=sky_wcs(SHAPE), planes=planes, meta=meta,
            uncertainty=StdDevUncertainty(values * np.asarray(0.2, dtype)),
        )  # fmt: skip
    return maps


def planes_of(map_):
    return {"data": map_.data, "error": map_.uncertainty.array, **map_.planes}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_lossless_is_the_file_that_is_not_compressed(tmp_path, dtype):
    maps = some_maps(dtype)
    write(tmp_path / "plain.fits", maps)
    write(tmp_path / "small.fits", maps, compress="lossless")
    plain, small = read(tmp_path / "plain.fits"), read(tmp_path / "small.fits")
    assert list(plain) == list(small) == list(NAMES)
    for name in NAMES:
        for plane, values in planes_of(plain[name]).items():
            found = planes_of(small[name])[plane]
            assert found.tobytes() == values.tobytes() and found.dtype == values.dtype, (name, plane)
        np.testing.assert_array_equal(small[name].quality, plain[name].quality)
        np.testing.assert_array_equal(small[name].meta["bins"], plain[name].meta["bins"])
        for key in ("interval", "model", "shared_variance", "name", "pixel_scale"):
            assert small[name].meta[key] == plain[name].meta[key]
        assert "rounding" not in small[name].meta
        assert small[name].wcs.wcs.compare(plain[name].wcs.wcs) and small[name].unit == plain[name].unit


def test_other_programs_see_the_same_images(tmp_path):
    """Of the standard: an empty primary HDU, then each image with its header, signed, in tiles."""
    maps = some_maps()
    write(tmp_path / "plain.fits", maps)
    write(tmp_path / "small.fits", maps, compress="lossless")
    with (
        fits.open(tmp_path / "plain.fits") as plain,
        fits.open(tmp_path / "small.fits", checksum=True) as small,
    ):
        small.verify("exception")
        assert small[0].data is None and [hdu.name for hdu in small[1:]] == [hdu.name for hdu in plain]
        for theirs, ours in zip(plain, small[1:], strict=True):
            assert ours.data.tobytes() == theirs.data.astype(ours.data.dtype).tobytes()
            left = {
                "SIMPLE",
                "XTENSION",
                "EXTEND",
                "NHDUS",
                "CHECKSUM",
                "DATASUM",
                "DATE",
                "PCOUNT",
                "GCOUNT",
            }
            cards = {key: theirs.header[key] for key in theirs.header if key not in left}
            assert {key: ours.header[key] for key in cards} == cards
            np.testing.assert_array_equal(ours.section[7:17, 5:9], theirs.data[7:17, 5:9])


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [0.01, 1e-3, 1e-5])
def test_values_are_rounded_as_far_as_was_said_and_flags_never(tmp_path, accuracy):
    maps = some_maps()
    write(tmp_path / "maps.fits", maps, compress=accuracy)
    back = read(tmp_path / "maps.fits")
    for name, map_ in maps.items():
        for plane, values in planes_of(map_).items():
            found = planes_of(back[name])[plane]
            np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
            change = np.abs(found / values.astype(float) - 1)
            assert accuracy / 4 < np.nanmax(change) <= accuracy
            assert abs(np.nanmean(found / values.astype(float) - 1)) < accuracy / 5  # no bias
        found = back[name]
        good = ~found.mask
        assert (found.planes["lo"][good] < found.data[good]).all()
        assert (found.data[good] < found.planes["hi"][good]).all()
        np.testing.assert_array_equal(found.quality & 63, map_.quality & 63)
        np.testing.assert_array_equal(found.meta["bins"], map_.meta["bins"])
        assert found.meta["rounding"] == pytest.approx(accuracy)
    # What is rounded once more may be wrong by the sum.
    write(tmp_path / "again.fits", back, compress=0.05)
    assert read(tmp_path / "again.fits")[NAMES[0]].meta["rounding"] == pytest.approx(accuracy + 0.05)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@given(data=st.data())
def test_any_number_is_rounded_within_the_bound(dtype, data):
    values = data.draw(arrays(dtype, 5, elements=st.floats(width=8 * int(dtype[1]), allow_nan=True)))
    accuracy = data.draw(st.floats(1e-7, 0.1))
    before = values.copy()
    found = rounded(values, accuracy)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(values))
    np.testing.assert_array_equal(found[~np.isfinite(values)], values[~np.isfinite(values)])
    usual = np.isfinite(values) & (np.abs(values) >= np.finfo(dtype).tiny)
    exact = values[usual].astype(np.longdouble)
    assert (np.abs(found[usual] - exact) <= accuracy * np.abs(exact)).all()


def test_a_large_table_of_tiles_is_read_as_well(tmp_path, monkeypatch):
    """Positions of 64 bits, which an image of more than 1 GiB has."""
    monkeypatch.setattr(module, "LARGE", 100)
    maps = some_maps()
    write(tmp_path / "maps.fits", maps, compress="lossless")
    with fits.open(tmp_path / "maps.fits", disable_image_compression=True) as hdus:
        assert hdus[1].header["TFORM1"].startswith("1QB(")
    np.testing.assert_array_equal(read(tmp_path / "maps.fits")[NAMES[0]].data, maps[NAMES[0]].data)


@pytest.mark.parametrize("wrong", [0, 0.2, -0.001, True, np.nan, "fpack", "0.001"])
def test_what_says_no_accuracy_is_refused(tmp_path, wrong):
    with pytest.raises(InputError, match="'lossless' or the largest relative change"):
        write(tmp_path / "maps.fits", some_maps(), compress=wrong)
    for name in ("maps.asdf", "maps.fits.gz"):
        with pytest.raises(InputError, match="a name that ends in .fits"):
            write(tmp_path / name, some_maps(), compress="lossless")
    assert not list(tmp_path.iterdir())


def test_damage_is_found_and_what_is_too_large_refused(tmp_path):
    path = tmp_path / "maps.fits"
    write(path, some_maps(), compress="lossless")
    content = path.read_bytes()
    with pytest.raises(ImageFileError, match="need more than the 20000 bytes"):
        read_fits(path, max_bytes=20_000)
    with fits.open(path, disable_image_compression=True) as hdus:
        places = [hdu._data_offset + 20 for hdu in hdus[1::6]] + [hdus[-1]._data_offset + 400]
    for place in places:
        broken = bytearray(content)
        broken[place] ^= 16
        path.write_bytes(broken)
        with pytest.raises(ImageFileError, match="checksum"):
            read(path)
    path.write_bytes(content[:-5760])
    with pytest.raises(ImageFileError, match="truncated|NHDUS|HDUs"):
        read(path)


def contents(path):
    with fits.open(path) as hdus:
        return [
            (hdu.name, hdu.data.astype(hdu.data.dtype.newbyteorder("=")).tobytes())
            for hdu in hdus
            if hdu.size
        ]


def test_a_tile_is_compressed_after_its_last_strip(linear_model, tmp_path, monkeypatch):
    tile = make_tile(tmp_path / "tile")
    predict_tile(linear_model, tile, tmp_path / "plain.fits", rows=7)
    plain = contents(tmp_path / "plain.fits")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_packed_tile", None)  # what fails on the way leaves all strips as they are
        with pytest.raises(TypeError):
            predict_tile(linear_model, tile, tmp_path / "maps.fits", rows=7, compress="lossless")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"tile", "plain.fits", "maps.fits.part", "maps.fits.part.json"}
    monkeypatch.setattr("euclid_resolved.survey._tile._Work.__call__", None)  # nothing is mapped again
    predict_tile(linear_model, tile, tmp_path / "maps.fits", compress="lossless")
    assert contents(tmp_path / "maps.fits") == plain
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps.fits", "plain.fits", "tile"]
    with pytest.raises(InputError, match="largest relative change"):
        predict_tile(linear_model, tile, tmp_path / "b.fits", compress=1)


@pytest.mark.slow
def test_many_images_are_kept_only_if_they_are_as_compressed(linear_model, tmp_path):
    model, tile = tmp_path / "model.asdf", make_tile(tmp_path / "tile")
    write(model, linear_model)
    options = {"raw": True, "progress": False}
    status = [
        predict_many(model, [("a", tile)], tmp_path / "maps", compress=compress, **options)["status"][0]
        for compress in ("lossless", "lossless", 0.001, None)
    ]
    assert status == ["mapped", "kept", "failed", "failed"]  # a file of other maps is not replaced unasked
    report = predict_many(model, [("a", tile)], tmp_path / "maps", overwrite=True, compress=0.001, **options)
    assert report["status"][0] == "mapped"
    assert read(tmp_path / "maps" / "a_maps.fits")["stellar_age"].meta["rounding"] == 0.001


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--compress"], ["--compress", "0.001", "--strips"]])
def test_on_the_command_line(linear_model, tmp_path, words):
    model, tile, maps = tmp_path / "model.asdf", make_tile(tmp_path / "tile"), tmp_path / "maps.fits"
    write(model, linear_model)
    given = ["predict", str(model), str(tile), "-o", str(maps), "--raw"]
    assert main([*given, *words]) == 0
    with fits.open(maps) as hdus:
        assert type(hdus[1]).__name__ == "CompImageHDU"
        assert hdus[1].header.get("ROUNDING") == (0.001 if "--strips" in words else None)
    for wrong in ([*given, "--compress", "2"], [*given, "-o", str(tmp_path / "maps.asdf"), "--compress"]):
        with pytest.raises(SystemExit):
            main(wrong)


def test_the_moc_of_a_compressed_file(tmp_path):
    pytest.importorskip("mocpy")
    from euclid_resolved.io._moc import moc_of_file

    for name, compress in (("plain.fits", None), ("small.fits", 0.01)):
        write(tmp_path / name, some_maps(), compress=compress)
    assert moc_of_file(tmp_path / "plain.fits")[0] == moc_of_file(tmp_path / "small.fits")[0]
