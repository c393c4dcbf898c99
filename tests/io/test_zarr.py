"""Maps as Zarr: what a program that knows Zarr, xarray and FITS headers reads is what was written."""

import os
import sys

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from astropy.wcs import WCS
from helpers import NAMES, sky_wcs
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved import LinearRegression, Quality, SpatialMap, train, write
from euclid_resolved.cli import main
from euclid_resolved.errors import InputError
from euclid_resolved.io import _zarr as module
from euclid_resolved.io._fits import maps_to_hdulist
from euclid_resolved.io._leftovers import sweep
from euclid_resolved.testing import example_galaxies

SHAPE = (19, 21)


@pytest.fixture
def zarr(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 8)
    return pytest.importorskip("zarr", minversion="3.1")


def some_maps():
    """Maps with errors, an interval, bins, flags, a mask and a record."""
    rng, maps = np.random.default_rng(1), {}
    quality = rng.integers(0, 64, SHAPE).astype("i4")
    quality[:9, :17] = Quality.MASKED  # whole chunks without a value
    gone = (quality & Quality.unjudged()) != 0
    for name in NAMES:
        values = (10 ** rng.uniform(0, 4, SHAPE)).astype("f4")
        values[gone] = np.nan
        meta = {"interval": 0.68, "model": "0a" * 32, "shared_variance": 0.3, "name": "Größe 1"}
        meta |= {"pixel_scale": 0.1 * u.arcsec, "bins": rng.integers(-1, 9, SHAPE).astype("i4")}
        maps[name] = SpatialMap(
            values, property=name, quality=quality, wcs=sky_wcs(SHAPE), meta=meta,
            planes={"lo": values * 0.8, "hi": values * 1.3}, uncertainty=StdDevUncertainty(values * 0.2),
        )  # fmt: skip
    return maps


def test_every_plane_and_header_is_that_of_fits(tmp_path, zarr):
    maps = some_maps()
    write(tmp_path / "maps.zarr", maps)
    group = zarr.open_group(tmp_path / "maps.zarr", mode="r")
    hdus = {hdu.name: hdu for hdu in maps_to_hdulist(maps, checksums=False)}
    assert sorted(name.upper() for name in group.array_keys()) == sorted(hdus)
    assert group.attrs["maps"] == list(maps)
    for name, array in group.arrays():
        hdu = hdus[name.upper()]
        assert_array_equal(array[:], hdu.data)
        assert array.dtype == hdu.data.dtype.newbyteorder("=") and array.chunks == (8, 8)
        header = fits.Header.fromstring(array.attrs["fits_header"], sep="\n")
        own = {key: value for key, value in hdu.header.items() if key not in ("DATE", "NHDUS", "EXTEND")}
        assert own.items() >= {key: value for key, value in header.items() if key != "DATE"}.items()
        assert array.attrs.get("units", "") == hdu.header["BUNIT"]
        assert_allclose(WCS(header).wcs_pix2world([[3, 4]], 0), sky_wcs(SHAPE).wcs_pix2world([[3, 4]], 0))
    age = group["stellar_age"].attrs
    assert u.Unit(age["units"]) == u.Gyr and age["long_name"] == "mass-weighted stellar age"
    assert set(age["ancillary_variables"].split()) <= set(group.array_keys())
    flags = group["quality"].attrs
    assert dict(zip(flags["flag_meanings"].split(), flags["flag_masks"], strict=True)) == {
        bit.name: bit.value for bit in Quality
    }
    # A chunk without a value takes no room.
    assert not (tmp_path / "maps.zarr" / "stellar_age" / "c" / "0" / "0").exists()


def test_xarray_opens_it_as_documented(tmp_path, zarr):
    xarray = pytest.importorskip("xarray")
    maps = some_maps()
    write(tmp_path / "maps.zarr", maps)
    found = xarray.open_zarr(tmp_path / "maps.zarr", chunks=None)
    assert found["quality"].dtype == "i4" and found["stellar_age"].dims == ("y", "x")
    assert_array_equal(found["stellar_age"].values, maps["stellar_age"].data)
    assert_array_equal(found["stellar_age_err"].values, maps["stellar_age"].uncertainty.array)
    assert found["stellar_age"].attrs["units"] == "Gyr"


def test_a_group_appears_whole_and_replaces_nothing_else(tmp_path, zarr, monkeypatch):
    maps, path = some_maps(), tmp_path / "maps.zarr"
    write(path, maps)
    with pytest.raises(InputError, match="the group exists"):
        write(path, maps)
    write(path, {"stellar_age": maps["stellar_age"]}, overwrite=True)
    assert set(os.listdir(path)) == {"zarr.json", "quality", "bins"} | {
        f"stellar_age{end}" for end in ("", "_err", "_lo", "_hi")
    }
    monkeypatch.setattr(zarr, "consolidate_metadata", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(path, maps, overwrite=True)
    assert len(zarr.open_group(path, mode="r")) == 6
    (tmp_path / "data.zarr").mkdir()
    (tmp_path / "data.zarr" / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="no Zarr group"):
            write(tmp_path / "data.zarr", maps, overwrite=overwrite)
    with pytest.raises(InputError, match="'a/b' in a Zarr group"):
        write(tmp_path / "new.zarr", {"a/b": maps["stellar_age"]})
    with pytest.raises(InputError, match="files of maps take"):
        write(tmp_path / "new.zarr", "x")
    assert sorted(os.listdir(tmp_path)) == ["data.zarr", "maps.zarr"]


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    left = tmp_path / module.temporary_name(".zarr").replace(str(os.getpid()), "4194305")
    (left / "stellar_age").mkdir(parents=True)
    own = tmp_path / module.temporary_name(".zarr")
    own.mkdir()
    sweep(tmp_path)
    assert os.listdir(tmp_path) == [own.name]


def test_without_zarr_one_error_says_what_to_install(tmp_path, monkeypatch, capsys):
    model, image = tmp_path / "model.asdf", tmp_path / "image.asdf"
    galaxies = example_galaxies(6)
    write(model, train(galaxies[:5], "stellar_age", LinearRegression()))
    write(image, galaxies[5].image)
    words = ["predict", str(model), str(image), "-o", str(tmp_path / "maps.zarr")]
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "zarr", None)
        with pytest.raises(InputError, match=r"pip install 'euclid_resolved\[zarr\]'"):
            write(tmp_path / "maps.zarr", galaxies[5].maps)
        assert main(words) != 0
        assert "euclid_resolved[zarr]" in capsys.readouterr().err
    pytest.importorskip("zarr", minversion="3.1")
    assert main(words) == 0 and (tmp_path / "maps.zarr" / "stellar_age" / "zarr.json").exists()
    with pytest.raises(SystemExit):
        main([*words, "--compress", "lossless"])
