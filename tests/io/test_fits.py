"""Maps come back from FITS as they were, and what others see in the file is what the headers promise."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from astropy.wcs import WCS
from helpers import SHARED
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from euclid_resolved import Quality, SpatialMap, read, write
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._grid import corner_offset
from euclid_resolved.io._fits import maps_to_hdulist, read_fits
from euclid_resolved.maps import PROPERTIES

CUTOUT = SHARED / "euclid_q1_cutout_300px.fits"
META = {"model": "0a" * 32, "training_set": "mock atlas", "estimator": "forest", "name": "NGC 1"}


def tan_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix = ("RA---TAN", "DEC--TAN"), (7854.123456789, 77.7777777777)
    wcs.wcs.crval = 63.123456789012345, -49.98765432109876
    wcs.wcs.cd = np.array([[-0.94, 0.34], [0.34, 0.94]]) * 0.1 / 3600
    return wcs


def pc_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.cunit, wcs.wcs.cdelt, wcs.wcs.crpix = ("pc", "pc"), (100, 100), (3, 2)
    return wcs


def a_map(name="stellar_mass_density", shape=(5, 7), wcs=None, seed=1, **keywords):
    rng = np.random.default_rng(seed)
    data, quality = rng.lognormal(3, 1, shape).astype("f4"), rng.integers(0, 64, shape).astype("i4")
    data[(quality & Quality.unjudged()) != 0] = np.nan
    keywords.setdefault("meta", dict(META))
    return SpatialMap(data, property=name, quality=quality, wcs=wcs, **keywords)


def assert_same(a, b, quality=True):
    mask = np.broadcast_to(False if a.mask is None else a.mask, a.data.shape)
    np.testing.assert_array_equal(np.where(mask, np.nan, a.data), b.data)
    assert b.data.dtype.isnative
    np.testing.assert_array_equal(mask, False if b.mask is None else b.mask)
    assert a.unit == b.unit
    if quality:
        np.testing.assert_array_equal(a.quality, b.quality)
    assert (a.wcs is None) == (b.wcs is None)
    if a.wcs is not None:
        assert corner_offset(a.wcs, b.wcs, a.data.shape) < 1e-6
        assert a.wcs.world_axis_units == b.wcs.world_axis_units
    assert (a.uncertainty is None) == (b.uncertainty is None)
    if a.uncertainty is not None:
        sigma = a.uncertainty.represent_as(StdDevUncertainty).array
        np.testing.assert_array_equal(np.asarray(sigma, b.uncertainty.array.dtype), b.uncertainty.array)
    for key in ("property", *META):
        assert a.meta.get(key) == b.meta.get(key)


@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
@pytest.mark.parametrize("wcs", [None, pc_wcs(), tan_wcs()], ids=["no WCS", "pc", "sky"])
def test_three_maps(tmp_path, wcs, ending):
    path = tmp_path / f"maps.{ending}"
    maps = {name: a_map(name, wcs=wcs) for name in reversed(PROPERTIES)}
    write(path, maps)
    back = read(path)
    assert list(back) == list(PROPERTIES)
    for name in maps:
        assert_same(maps[name], back[name])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_layout(tmp_path):
    """Names, units, sums, bits and WCS are where DS9, `astropy` and the command line expect them."""
    path = tmp_path / "maps.fits"
    error = StdDevUncertainty(np.full((5, 7), 0.5, "f4"))
    scale = {"pixel_scale": 0.1 * u.kpc}
    maps = [a_map(name, wcs=tan_wcs(), meta=META | scale) for name in ("stellar_age", "stellar_metallicity")]
    write(path, [*maps, a_map(wcs=tan_wcs(), uncertainty=error, meta=META | scale)])
    with fits.open(path, checksum=True) as hdulist:
        assert [hdu.name for hdu in hdulist] == [
            "STELLAR_MASS_DENSITY",
            "STELLAR_MASS_DENSITY_ERR",
            "STELLAR_METALLICITY",
            "STELLAR_AGE",
            "QUALITY",
        ]
        assert hdulist["STELLAR_MASS_DENSITY"] is hdulist[0] and isinstance(hdulist[0], fits.PrimaryHDU)
        assert hdulist[0].data.dtype == ">f4" and hdulist["QUALITY"].data.dtype == ">i4"
        units = [hdu.header["BUNIT"] for hdu in hdulist]
        assert units == ["solMass pc-2", "solMass pc-2", "", "Gyr", ""]
        for hdu in hdulist:
            assert {"CHECKSUM", "DATASUM", "CREATOR", "DATE", "CRVAL1"} <= set(hdu.header)
            assert hdu.header["PIXSCALE"] == 100 and hdu.header["PIXSUNIT"] == "pc"
            assert corner_offset(tan_wcs(), WCS(hdu.header), (5, 7)) < 1e-6
        header = hdulist["STELLAR_AGE"].header
        assert (header["PROPERTY"], header["MODEL"]) == ("stellar_age", META["model"])
        assert header["TRAINSET"] == "mock atlas"
        for bit in Quality:
            assert hdulist["QUALITY"].header[f"QB{bit.value}"].startswith(f"{bit.name}: ")
        hdulist.verify("exception")
    assert read(path)["stellar_age"].meta["pixel_scale"] == 100 * u.pc


def test_the_header_explains_quality_bits_as_the_code_does():
    header = maps_to_hdulist(a_map())["QUALITY"].header
    for bit in Quality:
        assert bit.meaning
        assert header[f"QB{bit.value}"] == f"{bit.name}: {bit.meaning}"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_map(tmp_path, data):
    shape = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    values = data.draw(arrays(st.sampled_from(["f4", ">f4", "f8", "i2", "i4"]), shape))
    wcs = data.draw(st.sampled_from([None, pc_wcs(), tan_wcs()]))
    name = data.draw(
        st.text("abcXYZ09_ -", min_size=1, max_size=70).filter(lambda n: n == n.strip() and len(n) < 60)
    )
    original = SpatialMap(
        values,
        unit=data.draw(st.sampled_from(["", "Msun / pc2", "Gyr", "MJy/sr", "1e-10 W / m2"]) | st.none()),
        mask=data.draw(st.none() | st.booleans() | arrays(bool, shape)),
        quality=data.draw(st.none() | arrays("i2", shape, elements=st.integers(0, 2**15 - 1))),
        meta={"model": data.draw(TEXT), "training_set": data.draw(TEXT)},
        wcs=wcs,
    )
    path = tmp_path / "any.fits"
    write(path, {name: original}, overwrite=True)
    back = read(path)
    assert list(back) == [name]
    assert_same(original, back[name])


@pytest.mark.parametrize(
    "text",
    [
        "x" * 400,
        "é" * 90,
        "O'Brien & 'co'" * 12,
        "ends in a space ",
        "&" * 80,
        "C:\\new\\x41",
        "two\nlines",
        "' ",
        "",
    ],
)
def test_long_and_foreign_text(tmp_path, text):
    write(tmp_path / "m.fits", a_map(meta={"training_set": text}))
    assert read(tmp_path / "m.fits")["stellar_mass_density"].meta["training_set"] == text


def test_uncertainties(tmp_path):
    variance = VarianceUncertainty(np.full((5, 7), 0.25, "f4"), unit="Msun2 / pc4")
    for error in (variance, StdDevUncertainty(np.full((5, 7), 0.5), unit="kg / m2")):
        write(tmp_path / "m.fits", a_map(unit="Msun / pc2", uncertainty=error), overwrite=True)
        back = read(tmp_path / "m.fits")["stellar_mass_density"].uncertainty
        expected = 0.5 if error is variance else (0.5 * u.kg / u.m**2).to_value("Msun / pc2")
        np.testing.assert_allclose(back.array, expected)
        assert back.unit == u.Unit("Msun / pc2")
    with pytest.raises(InputError, match="one sigma"):
        write(tmp_path / "x.fits", a_map(uncertainty=UnknownUncertainty(np.ones((5, 7)))))


def test_qualities_are_merged(tmp_path):
    maps = {name: a_map(name, seed=i) for i, name in enumerate(PROPERTIES)}
    write(tmp_path / "m.fits", maps)
    expected = np.bitwise_or.reduce([m.quality for m in maps.values()])
    for name, back in read(tmp_path / "m.fits").items():
        np.testing.assert_array_equal(back.quality, expected)
        assert_same(maps[name], back, quality=False)


def test_double_precision_is_kept(tmp_path):
    precise = SpatialMap(np.full((2, 2), 1 + 1e-12), unit="Gyr")
    write(tmp_path / "m.fits", precise)
    assert read(tmp_path / "m.fits")["map0"].data[0, 0] == 1 + 1e-12


@pytest.mark.parametrize("cut", [np.s_[:, :], np.s_[13:70, 21:90]], ids=["whole", "cut"])
def test_wcs_of_real_images(tmp_path, cut):
    if not CUTOUT.exists():
        pytest.skip("the Euclid cut-outs are not beside this checkout")
    with fits.open(CUTOUT) as hdulist:
        for band in ("VIS", "NIR_Y", "NIR_J", "NIR_H"):
            hdu = hdulist[f"{band}_FLUX"]
            original = SpatialMap(np.array(hdu.data), unit="MJy / sr", wcs=WCS(hdu.header))[cut]
            write(tmp_path / "m.fits", {band: original}, overwrite=True)
            assert_same(original, read(tmp_path / "m.fits")[band])


@pytest.mark.parametrize(
    ("maps", "what"),
    [
        ([], "files of maps take"),
        ({}, "files of maps take"),
        ("x", "files of maps take"),
        ([a_map(), "x"], "files of maps take"),
        ({"quality": a_map()}, "'QUALITY'"),
        ({"a_err": a_map()}, "'A_ERR'"),
        ({"a": a_map(), "A": a_map()}, "'A'"),
        ([a_map(), a_map()], "two maps"),
        ({"é": a_map()}, "'É'"),
        ({"a": a_map(), "b": a_map(shape=(3, 3))}, r"b has \(3, 3\), not \(5, 7\)"),
        (SpatialMap(np.ones((2, 2)), unit=0.3 * u.Msun), "FITS has no way to write the unit"),
        (SpatialMap(np.ones((2, 2)), unit=u.imperial.inch), "FITS has no way to write the unit"),
        (SpatialMap(np.ones((2, 2)), unit="Gyr", quality=np.full((2, 2), -1)), "31-bit"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, maps, what):
    with pytest.raises(InputError, match=what):
        write(tmp_path / "m.fits", maps)
    assert not list(tmp_path.iterdir())


def test_maps_of_other_software_are_read(tmp_path):
    """An image with a FITS unit and no more is a map without property, quality or checksum."""
    hdu = fits.PrimaryHDU(np.arange(6, dtype="i2").reshape(2, 3))
    hdu.header["BUNIT"] = "Jy/beam"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(hdu.data, hdu.header, name="FLUX")]).writeto(
        tmp_path / "o.fits"
    )
    back = read_fits(tmp_path / "o.fits")["flux"]
    assert back.property is None and back.wcs is None and back.unit == u.Unit("Jy / beam")
    np.testing.assert_array_equal(back.data, hdu.data)


def damaged(path, how):
    with fits.open(path) as hdulist:
        hdulist = fits.HDUList([hdu.copy() for hdu in hdulist])
        how(hdulist)
        hdulist.writeto(path, overwrite=True, checksum=False)


@pytest.mark.parametrize(
    ("how", "what"),
    [
        (lambda h: h["QUALITY"].data.__setitem__((0, 0), 77), "checksum of QUALITY"),
        (lambda h: h[0].header.__setitem__("BUNIT", "Gyr"), "checksum of STELLAR_MASS_DENSITY"),
        (lambda h: h.pop(), "1 HDUs instead of 2"),
        (lambda h: h[0].header.remove("DATASUM"), "lost their checksum"),
        (lambda h: h.append(fits.BinTableHDU.from_columns([])), "tables"),
    ],
)
def test_damage_is_found(tmp_path, how, what):
    path = tmp_path / "m.fits"
    write(path, a_map())
    damaged(path, how)
    with pytest.raises(ImageFileError, match=what):
        read(path)


def test_a_header_that_promises_too_much(tmp_path):
    path = tmp_path / "m.fits"
    write(path, a_map())
    with pytest.raises(ImageFileError, match="more than the 100 bytes"):
        read_fits(path, max_bytes=100)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"NAXIS1  =                    7", b"NAXIS1  =           7000000000"))
    with pytest.raises(ImageFileError):
        read(path)


def test_no_map_in_the_file(tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(ImageFileError, match="no map"):
        read(tmp_path / "empty.fits")


def test_a_file_written_plane_by_plane_is_that_of_the_list(tmp_path):
    one = a_map(wcs=tan_wcs(), uncertainty=StdDevUncertainty(np.full((5, 7), 0.5, "f4")))
    one.meta["bins"] = np.arange(35, dtype=np.int32).reshape(5, 7)
    one.planes = {"lo": one.data / 2, "hi": one.data * 2}
    maps = {"stellar_mass_density": one, "stellar_age": a_map("stellar_age", wcs=tan_wcs(), seed=2)}
    write(tmp_path / "maps.fits", maps)
    hdulist = maps_to_hdulist(maps)
    hdulist.writeto(tmp_path / "list.fits")
    assert (tmp_path / "maps.fits").stat().st_size == (tmp_path / "list.fits").stat().st_size
    # DATE, and the comments of the sums, say when.
    with fits.open(tmp_path / "maps.fits", checksum=True) as found:
        assert [hdu.name for hdu in found] == [hdu.name for hdu in hdulist]
        for mine, other in zip(found, hdulist, strict=True):
            assert list(mine.header) == list(other.header)
            assert mine.data.tobytes() == other.data.tobytes()
            assert mine.header["DATASUM"] == other.header["DATASUM"]
        assert found[0].header["EXTEND"] is True and found[0].header["NHDUS"] == len(found) == 7
