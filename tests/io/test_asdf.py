"""Models, images and maps come back from ASDF as they were, after the file is closed."""

import subprocess
import sys

import asdf
import astropy.units as u
import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.nddata import InverseVariance, NDData, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS
from helpers import SHARED
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from euclid_resolved import (
    Galaxy,
    LinearRegression,
    MultiBandImage,
    RandomForest,
    SpatialMap,
    read,
    read_euclid,
    train,
    write,
)
from euclid_resolved.errors import ImageFileError, InputError, ModelFileError
from euclid_resolved.images._grid import corner_offset
from euclid_resolved.io.asdf._extension import get_extensions, get_resource_mappings
from euclid_resolved.io.asdf._files import read_model, strict_config
from euclid_resolved.io.asdf._tree import array

DATA = SHARED
CUTOUTS = [
    ("euclid_q1_cutout_300px.fits", ("VIS", "NIR_Y", "NIR_J", "NIR_H")),
    ("euclid_q1_cutout_100px_ugriz.fits", ("VIS", "NIR_H", "NIR_J", "NIR_Y")),
]


def tan_wcs(shape, **attributes):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = 63.123456789012345, -49.98765432109876
    wcs.wcs.crpix = 7854.123456789, 77.7777777777
    wcs.wcs.cd = np.array([[-0.94, 0.34], [0.34, 0.94]]) * 0.1 / 3600
    for name, value in attributes.items():
        setattr(wcs.wcs, name, value)
    wcs.array_shape = shape
    return wcs


def pc_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.cunit, wcs.wcs.cdelt, wcs.wcs.crpix = ("pc", "pc"), (100, 100), (3, 2)
    return wcs


def a_map(shape=(5, 7), **keywords):
    rng = np.random.default_rng(1)
    data = rng.lognormal(3, 1, shape).astype("f4")
    data[0, 0] = np.nan
    keywords.setdefault("meta", {"model": "0a" * 32, "training_set": "mock α"})
    keywords.setdefault("quality", rng.integers(0, 64, shape).astype("i4"))
    return SpatialMap(data, property="stellar_mass_density", unit="Msun / pc2", **keywords)


def an_image(bands=("HE", "IE", "YE"), shape=(6, 5), wcs=None):
    rng = np.random.default_rng(2)
    shared = rng.random(shape) > 0.8
    made = {}
    for i, band in enumerate(bands):
        data = rng.lognormal(0, 1, shape).astype(">f4")
        error = (StdDevUncertainty, VarianceUncertainty, InverseVariance)[i % 3](data * 0.1)
        made[band] = NDData(
            data, unit=u.MJy / u.sr, mask=shared, uncertainty=error, wcs=wcs, meta={"zero_point": 24.6 + i}
        )
    return MultiBandImage(made, name="NGC 1", meta={"pixel_scale": 100 * u.pc, "from": ["a", "b"]})


def galaxy(i, shape=(8, 9)):
    rng = np.random.default_rng(i)
    he = rng.uniform(0.5, 4, shape).astype("f4")
    bands = {"HE": NDData(he, unit=u.MJy / u.sr), "IE": NDData(he**0.7, unit=u.MJy / u.sr)}
    truth = {
        "stellar_mass_density": SpatialMap(he * 150, property="stellar_mass_density"),
        "stellar_age": SpatialMap(he + 1, property="stellar_age"),
    }
    return Galaxy(f"G{i}", MultiBandImage(bands, name=f"G{i}"), truth)


def same(a, b):
    """Compare two trees of meta."""
    if isinstance(a, dict):
        return isinstance(b, dict) and set(a) == set(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, u.Quantity):
        return isinstance(b, u.Quantity) and a.unit == b.unit and np.array_equal(a.value, b.value)
    if isinstance(a, np.ndarray):
        alike = isinstance(b, np.ndarray) and a.dtype == b.dtype
        return alike and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    return a == b or (a != a and b != b)


def assert_same_nddata(a, b):
    assert a.data.dtype.newbyteorder("=") == b.data.dtype.newbyteorder("=")
    np.testing.assert_array_equal(a.data, b.data)
    assert a.unit == b.unit
    assert (a.mask is None) == (b.mask is None)
    if a.mask is not None:
        np.testing.assert_array_equal(np.broadcast_to(a.mask, a.data.shape), b.mask)
    assert type(a.uncertainty) is type(b.uncertainty)
    if a.uncertainty is not None:
        np.testing.assert_array_equal(a.uncertainty.array, b.uncertainty.array)
        assert a.uncertainty.unit == b.uncertainty.unit
    assert (a.wcs is None) == (b.wcs is None)
    if a.wcs is not None:
        assert corner_offset(a.wcs, b.wcs, a.data.shape) < 1e-6
        assert list(a.wcs.world_axis_units) == list(b.wcs.world_axis_units)
    assert same(dict(a.meta), dict(b.meta)), (a.meta, b.meta)


def assert_same_map(a, b):
    assert type(b) is SpatialMap
    assert_same_nddata(a, b)
    np.testing.assert_array_equal(a.quality, b.quality)
    assert a.quality.dtype == b.quality.dtype


@pytest.mark.parametrize("wcs", [None, pc_wcs(), tan_wcs((5, 7))], ids=["no WCS", "pc", "sky"])
def test_map(tmp_path, wcs):
    path = tmp_path / "map.asdf"
    original = a_map(wcs=wcs, uncertainty=StdDevUncertainty(np.full((5, 7), 0.5, "f4")))
    write(path, original)
    assert_same_map(original, read(path))
    assert [p.name for p in tmp_path.iterdir()] == ["map.asdf"]


META = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | arrays(st.sampled_from(["f8", "i2", "?", "c8", "u8", "<U3"]), array_shapes(min_dims=0, max_dims=3))
    | st.floats(-1e9, 1e9).map(lambda x: x * u.kpc),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text("abc /~:-?\n'\"é", max_size=4), children, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_map(tmp_path, data):
    shape = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    dtype = data.draw(st.sampled_from(["f4", ">f4", "f8", "i2", "u1"]))
    values = data.draw(arrays(dtype, shape))
    unit = data.draw(
        st.sampled_from(["", "Msun / pc2", "Gyr", "1e-20 erg / (s cm2 Angstrom)", "MJy/sr", "pc(1/2)"])
        | st.none()
    )
    mask = data.draw(st.none() | st.booleans() | arrays(bool, shape))
    original = SpatialMap(
        values,
        unit=unit,
        mask=mask,
        quality=data.draw(st.none() | arrays(st.sampled_from(["i4", "u1", ">i2"]), shape)),
        meta=data.draw(st.dictionaries(st.text("abc", min_size=1, max_size=3), META, max_size=3)),
        wcs=data.draw(st.sampled_from([None, pc_wcs(), tan_wcs(shape)])),
    )
    path = tmp_path / "any.asdf"
    write(path, original, overwrite=True)
    back = read(path)
    assert_same_nddata(original, back)
    np.testing.assert_array_equal(original.quality, back.quality)


def test_arrays_that_are_views_or_shared(tmp_path):
    """A cut-out writes its own pixels only, and one array under two names is two arrays."""
    path, large = tmp_path / "cut.asdf", np.random.default_rng(3).random((500, 500))
    cut = SpatialMap(large, unit="Gyr", meta={"a": large[3], "b": large[3]})[10:14, 20:25]
    write(path, cut)
    assert path.stat().st_size < 20_000
    assert_same_map(cut, read(path))
    for flipped in (large[:9, :7].T, large[:6:2, ::-50], np.asfortranarray(large[:4, :5])):
        write(path, SpatialMap(flipped, unit="Gyr"), overwrite=True)
        np.testing.assert_array_equal(read(path).data, flipped)


def test_arrays_are_written_without_a_copy_and_two_are_never_one(tmp_path):
    values, quality = np.random.default_rng(4).random((300, 200)), np.zeros((300, 200), np.int32)
    assert np.shares_memory(array(values, "values"), values)
    assert np.shares_memory(array(np.broadcast_to(values, values.shape), "values"), values)
    for other in (values[1:], values.T, values.astype(">f8"), np.broadcast_to(values[0], (3, 200))):
        stored = array(other, "values")
        assert not np.shares_memory(stored, values) and stored.flags.c_contiguous
        np.testing.assert_array_equal(stored, other)
    maps = {name: SpatialMap(values, unit="Gyr", quality=quality, planes={"lo": values}) for name in "ab"}
    write(tmp_path / "maps.asdf", maps)
    assert (tmp_path / "maps.asdf").stat().st_size > 4 * values.nbytes + 2 * quality.nbytes
    back = read(tmp_path / "maps.asdf")
    back["a"].data[:], back["a"].quality[:] = -1, 1
    for plane in (back["b"].data, back["a"].planes["lo"], back["b"].planes["lo"]):
        np.testing.assert_array_equal(plane, values)
    assert not back["b"].quality.any()


@pytest.mark.parametrize("md5", [bytes(16), b"\x01" * 16], ids=["none", "wrong"])
def test_damage_is_found_by_our_own_sums(tmp_path, md5):
    """Whichever versions of asdf write and read: the sums of its blocks are not looked at."""
    path = tmp_path / "map.asdf"
    write(path, SpatialMap(np.full((30, 30), 1234.5), unit="Gyr"))
    content = bytearray(path.read_bytes())
    start = content.index(b"\xd3BLK")
    content[start + 38 : start + 54] = md5  # zeros where asdf leaves it out
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path).data, 1234.5)
    at = content.index(np.full(30, 1234.5).tobytes())
    content[at + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match="is not what was written"):
        read(path)


def test_maps_keep_their_names_and_order(tmp_path):
    path, one = tmp_path / "maps.asdf", a_map(wcs=tan_wcs((5, 7)))
    maps = {"stellar_mass_density": one, "Résidu": one, "a": one * 2}
    write(path, maps)
    back = read(path)
    assert type(back) is dict and list(back) == list(maps)
    for name in maps:
        assert_same_map(maps[name], back[name])


@pytest.mark.parametrize("wcs", [None, tan_wcs((6, 5))], ids=["no WCS", "sky"])
def test_image(tmp_path, wcs):
    path, original = tmp_path / "image.asdf", an_image(wcs=wcs)
    write(path, original)
    back = read(path)
    assert back.bands == original.bands == ("HE", "IE", "YE")
    assert back.name == original.name and same(original.meta, back.meta)
    for band in original:
        assert_same_nddata(original[band], back[band])


def test_bands_that_were_accepted_stay_accepted(tmp_path):
    """An image made with a larger tolerance opens again."""
    shape = (6, 5)
    bands = {
        "IE": NDData(np.ones(shape), unit="MJy/sr", wcs=tan_wcs(shape)),
        "HE": NDData(np.ones(shape), unit="MJy/sr", wcs=tan_wcs(shape, crpix=(7853.7, 77.7))),
    }
    write(tmp_path / "i.asdf", MultiBandImage(bands, tolerance=1))
    assert read(tmp_path / "i.asdf").bands == ("IE", "HE")


@pytest.mark.parametrize(("name", "bands"), CUTOUTS, ids=["300", "ugriz"])
@pytest.mark.parametrize("cut", [np.s_[:, :], np.s_[13:70, 21:90]], ids=["whole", "cut"])
def test_wcs_of_real_images(tmp_path, name, bands, cut):
    if not (DATA / name).exists():
        pytest.skip("the Euclid cut-outs are not beside this checkout")
    with fits.open(DATA / name) as hdulist:
        made = {}
        for band in bands:
            hdu = hdulist[f"{band}_FLUX"]
            made[band] = NDData(np.array(hdu.data), unit=u.MJy / u.sr, wcs=WCS(hdu.header))
    original = MultiBandImage(made)[cut]
    write(tmp_path / "cut.asdf", original)
    back = read(tmp_path / "cut.asdf")
    for band in bands:
        assert_same_nddata(original[band], back[band])
        assert back[band].wcs.array_shape == original.shape


def test_what_the_readers_give_can_be_written(tmp_path):
    """Everything that `read_euclid` keeps in meta survives, the PSF among it."""
    if not (DATA / CUTOUTS[0][0]).exists():
        pytest.skip("the Euclid cut-outs are not beside this checkout")
    original = read_euclid(DATA / CUTOUTS[0][0])
    write(tmp_path / "e.asdf", original)
    back = read(tmp_path / "e.asdf")
    assert same(original.meta, back.meta)
    for band in original:
        assert_same_nddata(original[band], back[band])


def test_wcs_with_polynomial_distortion(tmp_path):
    header = tan_wcs((5, 7)).to_header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["A_ORDER"] = header["B_ORDER"] = 2
    header["A_2_0"], header["B_0_2"], header["A_1_1"] = 1.23456789e-8, -9.876e-9, 3.3e-9
    original = a_map(wcs=WCS(header))
    write(tmp_path / "sip.asdf", original)
    assert_same_map(original, read(tmp_path / "sip.asdf"))


def test_wcs_that_cards_do_not_hold_is_refused(tmp_path):
    from astropy.wcs import DistortionLookupTable
    from astropy.wcs.wcsapi import HighLevelWCSWrapper, SlicedLowLevelWCS

    table = tan_wcs((5, 7))
    table.cpdis1 = DistortionLookupTable(np.ones((2, 2), "f4"), (1, 1), (1, 1), (1, 1))
    wrapped = HighLevelWCSWrapper(SlicedLowLevelWCS(tan_wcs((5, 7)), np.s_[:, :]))
    for wcs, what in ((table, "distortion tables"), (wrapped, "FITS WCS")):
        with pytest.raises(InputError, match=what):
            write(tmp_path / "w.asdf", a_map(wcs=wcs))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("meta", "what"),
    [
        ({"when": {"header": [1, fits.Header()]}}, "meta/when/header/1: Header"),
        ({"o": np.array([None, 1])}, "meta/o: an array of object"),
        ({"m": np.ma.array([1, 2], mask=[0, 1])}, "meta/m: a masked array"),
        ({"mag": 20 * u.ABmag}, "meta/mag: the unit 'mag\\(AB\\)'"),
        ({"big": 2**70}, "meta/big: the integer"),
        ({3: "x"}, "meta: keys must be text"),
        ({"$ref": "http://x"}, "meta/\\$ref"),
        ({"q": {"quantity": 3, "unit": "m"}}, "meta/q/quantity: this key"),
        ({"s": "\ud800"}, "meta/s: the text"),
        ({"f": print}, "meta/f: builtin_function_or_method cannot"),
        ({"b": b"\x80"}, "meta/b: bytes"),
    ],
)
def test_meta_that_cannot_be_stored_is_refused(tmp_path, meta, what):
    with pytest.raises(InputError, match=what):
        write(tmp_path / "m.asdf", a_map(meta=meta))
    assert not list(tmp_path.iterdir())


def test_meta_nested_without_end_is_refused(tmp_path):
    meta = {}
    meta["self"] = meta
    with pytest.raises(InputError, match="levels deep"):
        write(tmp_path / "m.asdf", a_map(meta=meta))


@pytest.mark.parametrize("estimator", [LinearRegression(), RandomForest(n_trees=3, n_jobs=1)])
def test_model(tmp_path, estimator):
    path = tmp_path / "model.asdf"
    model = train(
        [galaxy(1), galaxy(2)],
        ("stellar_mass_density", "stellar_age"),
        estimator,
        bands=("IE", "HE"),
        features=("bands", "colours"),
        chain=True,
        source="two galaxies Ω",
    )
    write(path, model)
    back = read(path)
    assert back.digest == model.digest
    assert back.columns == model.columns and back.bands == ("IE", "HE")
    assert same(model.training, back.training) and back.versions == model.versions
    image = galaxy(3).image
    for name, expected in model.predict_maps(image).items():
        assert_same_map(expected, back.predict(image, name))
    assert type(read_model(path)) is type(model)


def test_read_model_says_what_the_file_holds(tmp_path):
    for name, obj, what in (
        ("m", a_map(), "a map"),
        ("i", an_image(), "an image"),
        ("d", {"x": a_map()}, "maps"),
    ):
        write(tmp_path / f"{name}.asdf", obj)
        with pytest.raises(ModelFileError, match=f"holds {what}, not a model"):
            read_model(tmp_path / f"{name}.asdf")


def test_blocks_are_uncompressed_whatever_the_user_has_configured(tmp_path):
    path, original = tmp_path / "map.asdf", a_map()
    with asdf.config_context() as config:
        config.all_array_compression, config.array_inline_threshold = "zlib", 10_000
        write(path, original)
    assert_same_map(original, read(path))


def test_plain_asdf_reads_and_writes_our_objects(tmp_path):
    path, original = tmp_path / "plain.asdf", a_map(wcs=tan_wcs((5, 7)))
    write(path, original)
    with asdf.config_context() as config:
        if get_resource_mappings()[0].keys() - config.resource_manager.keys():
            for mapping in get_resource_mappings():
                config.add_resource_mapping(mapping)
            config.add_extension(get_extensions()[0])
        with asdf.open(path) as opened:
            assert_same_map(original, opened["map"])
        asdf.AsdfFile({"anything": original}).write_to(path)
    assert_same_map(original, read(path))


SCHEMAS = [
    uri
    for mapping in get_resource_mappings()
    for uri in mapping
    if uri.startswith("asdf://euclid-resolved/schemas")
]


@pytest.mark.parametrize("uri", SCHEMAS)
def test_schema_examples(tmp_path, uri):
    """Every schema is a schema, has an example, and each example opens."""
    with strict_config():
        schema = asdf.schema.load_schema(uri, resolve_references=True)
        asdf.schema.check_schema(schema)
        assert schema["additionalProperties"] is False and schema["examples"]
        for _, text in schema["examples"]:
            path = tmp_path / "example.asdf"
            body = "\n".join("  " + line for line in text.splitlines())
            path.write_text(
                "#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n"
                f"--- !core/asdf-1.1.0\nx:\n{body}\n...\n"
            )
            with asdf.open(path, lazy_load=False) as opened:
                assert type(opened["x"]).__name__.lower() in uri.replace("_", "")


def test_the_manifest_names_every_schema():
    manifest = [m for mapping in get_resource_mappings() for u, m in mapping.items() if "manifests" in u]
    tags = yaml.safe_load(manifest[0])["tags"]
    assert sorted(tag["schema_uri"] for tag in tags) == sorted(SCHEMAS)
    with strict_config():
        converters = get_extensions()[0].converters
    assert {tag["tag_uri"] for tag in tags} == {tag for c in converters for tag in c.tags}


def test_importing_stays_light():
    """`import euclid_resolved.io` brings in neither asdf nor scikit-learn, the entry points no astropy."""
    code = (
        "import sys, euclid_resolved.io;"
        "assert not {'asdf', 'sklearn', 'astropy.io.fits'} & set(sys.modules);"
        "import euclid_resolved.io.asdf._extension as e; e.get_resource_mappings();"
        "assert not {'astropy.wcs', 'astropy.nddata', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
