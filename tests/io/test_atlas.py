"""Reading atlases in the layout of the TNG50-SKIRT Atlas."""

import gzip
import pickle
import re

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from euclid_resolved import make_atlas
from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.io import open_image, read_atlas, read_galaxy
from euclid_resolved.io._opening import image_files
from euclid_resolved.maps import Galaxy, SpatialMap

SHAPE = (6, 8)
IMAGES = ("Euclid_VIS", "Euclid_Y", "Euclid_J", "Euclid_H")
MAPS = {"stellarmass": "Msun/pc2", "stellarage": "Gyr", "stellarmetallicity": None, "dustmass": "Msun/pc2"}
COLUMNS = "subhalo_id stellar_mass_msun gas_mass_msun dark_matter_mass_msun sfr_msun_per_year "
SAMPLE = f"""# a comment
# {COLUMNS} stellar_half_mass_radius_kpc
8 1e10 2e9 1e12 1.0 3.5
10 1e11 2e9 1e12 0.1 7.5
"""


def write_plane(path, data, bunit="MJy/sr", **cards):
    """A plane as SKIRT writes it: no sky coordinates, parsecs a pixel."""
    h = fits.Header(
        {"CTYPE1": "", "CTYPE2": "", "CUNIT1": "pc", "CUNIT2": "pc", "CDELT1": 100.0, "CDELT2": 100.0}
    )
    h["ORIGIN"] = "SKIRT simulation"
    if bunit is not None:
        h["BUNIT"] = bunit
    h.update(cards)
    fits.PrimaryHDU(np.asarray(data, dtype=">f4"), h).writeto(path, overwrite=True)


def write_galaxy(folder, name="TNG000008_O5", images=IMAGES, skip=()):
    folder.mkdir(exist_ok=True)
    for i, plane in enumerate(images, 1):
        for suffix, value in (("", i), ("_nodust", 10 * i)):
            if plane + suffix not in skip:
                write_plane(folder / f"{name}_{plane}{suffix}.fits", np.full(SHAPE, value))
    for i, (plane, unit) in enumerate(MAPS.items(), 1):
        data = np.full(SHAPE, i / 10)
        data[0, 0] = 0
        if plane not in skip:
            write_plane(folder / f"{name}_{plane}.fits", data, unit)
    return folder


@pytest.fixture
def atlas(tmp_path):
    return write_galaxy(tmp_path / "atlas")


def test_a_galaxy(atlas):
    (galaxy,) = read_atlas(atlas)
    assert isinstance(galaxy, Galaxy) and galaxy.name == "TNG000008_O5"
    assert galaxy.star_forming is None and galaxy.meta == {}
    image, maps = galaxy.load()
    assert image.bands == ("IE", "YE", "JE", "HE") and image.shape == SHAPE and image.wcs is None
    assert image.name == "TNG000008_O5"
    assert_array_equal(image["HE"].data, 4)
    assert image["HE"].data.dtype == np.float32 and image["HE"].data.dtype.isnative
    assert image.meta["pixel_scale"] == 100 * u.pc and image.meta["pixel_scale"].unit == u.pc
    assert not image.mask().any()
    assert list(maps) == ["stellar_mass_density", "stellar_metallicity", "stellar_age"]
    mass = maps["stellar_mass_density"]
    assert isinstance(mass, SpatialMap) and mass.unit == u.Msun / u.pc**2 and mass.data.dtype == np.float32
    assert maps["stellar_metallicity"].unit == u.dimensionless_unscaled
    assert maps["stellar_age"].unit == u.Gyr
    assert mass.meta["pixel_scale"] == 100 * u.pc
    assert_allclose(mass.data[1:], 0.1)
    assert_allclose(maps["stellar_age"].data[1:], 0.2)
    for truth in maps.values():
        assert np.isnan(truth.data[0, 0]) and truth.mask[0, 0] and truth.mask.sum() == 1


def test_bands_and_dust(atlas):
    write_plane(atlas / "TNG000008_O5_LSST_g.fits", np.full(SHAPE, 7))
    (galaxy,) = read_atlas(atlas, bands=["LSST_g", "HE", "VIS"])
    assert galaxy.image.bands == ("LSST_g", "HE", "IE")
    assert_array_equal(galaxy.image["LSST_g"].data, 7)
    (galaxy,) = read_atlas(atlas, nodust=True)
    assert_array_equal(galaxy.image["HE"].data, 40)
    assert read_atlas(atlas, bands="HE")[0].image.bands == ("HE",)
    with pytest.raises(ImageFileError, match="no band LSST_u; there are|no band LSST_u .there are.*LSST_g"):
        read_atlas(atlas, bands=["IE", "LSST_u"])
    with pytest.raises(ImageFileError, match="no band LSST_g_nodust"):
        read_atlas(atlas, bands=["LSST_g"], nodust=True)
    for bad in ((), ("IE", "VIS")):
        with pytest.raises(InputError, match="given 2 times|no band is given"):
            read_atlas(atlas, bands=bad)


@pytest.mark.parametrize("name", ["TNG8_O5", "TNG000008_O5"])
def test_folders_and_names(tmp_path, name):
    write_galaxy(tmp_path / "atlas")
    (tmp_path / "deep").mkdir()
    write_galaxy(tmp_path / "deep" / name[:-3], name)
    write_galaxy(tmp_path / "deep" / "TNG10", "TNG10_O5")
    write_galaxy(tmp_path / "deep" / "TNG10", "TNG10_O1")
    galaxies = read_atlas(tmp_path / "deep")
    assert [galaxy.name for galaxy in galaxies] == ["TNG000008_O5", "TNG000010_O5"]
    assert_array_equal(galaxies[0].load()[0]["IE"].data, 1)
    assert [galaxy.name for galaxy in read_atlas(tmp_path / "deep", "O1")] == ["TNG000010_O1"]
    with pytest.raises(ImageFileError, match="nothing of observer O3 .there are O1, O5"):
        read_atlas(tmp_path / "deep", "O3")


@pytest.mark.parametrize("where", ["665976", "TNG50-1/665976", "TNG50-1/665976/O5"])
@pytest.mark.parametrize("zipped", [False, True])
def test_folders_of_any_name(tmp_path, where, zipped):
    deep = tmp_path / "atlas" / where
    deep.mkdir(parents=True)
    write_galaxy(deep, "TNG665976_O5")
    (tmp_path / "atlas" / ".hidden").mkdir()
    write_galaxy(tmp_path / "atlas" / ".hidden", "TNG665976_O5")
    if zipped:
        for path in list(deep.iterdir()):
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    (galaxy,) = read_atlas(tmp_path / "atlas")
    assert galaxy.name == "TNG665976_O5"
    image, maps = galaxy.load()
    assert_array_equal(image["HE"].data, 4)
    assert image.meta["pixel_scale"] == 100 * u.pc and len(maps) == 3
    for path in (deep / "TNG665976_O5", tmp_path / "atlas" / "TNG665976_O5"):
        assert_array_equal(read_galaxy(path).image["HE"].data, 4)
        assert len(image_files(path)) == 12
        assert open_image(path, bands=("IE",)).bands == ("IE",)


def sides(value, unit="pc"):
    """The cards of square pixels."""
    return {f"{key}{axis}": v for key, v in (("CDELT", value), ("CUNIT", unit)) for axis in (1, 2)}


def test_planes_with_pixels_of_another_size_are_refused(atlas):
    write_plane(atlas / "TNG000008_O5_Euclid_J.fits", np.ones(SHAPE), **sides(50.0))
    (galaxy,) = read_atlas(atlas)
    with pytest.raises(
        ImageFileError, match="Euclid_J.fits: its pixels are 50 pc wide .* other planes 100 pc"
    ):
        _ = galaxy.image
    write_plane(atlas / "TNG000008_O5_Euclid_J.fits", np.ones(SHAPE))
    write_plane(atlas / "TNG000008_O5_stellarage.fits", np.ones(SHAPE), "Gyr", **sides(0.05, "kpc"))
    with pytest.raises(ImageFileError, match="stellarage.fits: its pixels are 50 pc wide"):
        _ = galaxy.maps
    for plane, unit in MAPS.items():
        write_plane(atlas / f"TNG000008_O5_{plane}.fits", np.ones(SHAPE), unit, **sides(50.0))
    with pytest.raises(
        InputError, match="map of stellar_mass_density are 50 pc wide, those of the image 100 pc"
    ):
        galaxy.load()
    # The same size in another unit is the same.
    for plane, unit in MAPS.items():
        write_plane(atlas / f"TNG000008_O5_{plane}.fits", np.ones(SHAPE), unit, **sides(0.1, "kpc"))
    galaxy.load()


def test_the_same_galaxy_twice(atlas):
    write_plane(atlas / "TNG8_O5_Euclid_H.fits", np.ones(SHAPE))
    with pytest.raises(ImageFileError, match="the same image as"):
        read_atlas(atlas)


def test_read_galaxy(atlas):
    write_galaxy(atlas, "TNG000010_O5")
    (atlas / "sample.txt").write_text(SAMPLE)
    for path in (atlas / "TNG000008_O5", str(atlas / "TNG8_O5")):
        galaxy = read_galaxy(path)
        assert galaxy.name == "TNG000008_O5" and galaxy.star_forming
        assert_array_equal(galaxy.load()[0]["IE"].data, 1)
    assert_array_equal(read_galaxy(atlas / "TNG8_O5", bands=["HE"], nodust=True).image["HE"].data, 40)
    for name, message in (
        ("TNG000008_O3", "nothing of observer O3 .there are O5"),
        ("TNG000008", "lacks the observer .there are O5"),
        ("TNG000009_O5", "no files of galaxy TNG000009"),
        ("cutout.fits", "is no galaxy of an atlas"),
    ):
        with pytest.raises(ImageFileError, match=message):
            read_galaxy(atlas / name)
    with pytest.raises(ImageFileError, match="no such folder"):
        read_galaxy(atlas / "none" / "TNG000008_O5")
    with pytest.raises(ImageFileError, match="no band LSST_g"):
        read_galaxy(atlas / "TNG000008_O5", bands=["LSST_g"])


@pytest.mark.parametrize("table", ["sample.txt", "TNG50_sample_v2.txt", "galaxies.dat"])
@pytest.mark.parametrize("named", [True, False])
def test_sample_table(atlas, table, named):
    write_galaxy(atlas, "TNG000010_O5")
    write_galaxy(atlas, "TNG000011_O5")
    (atlas / table).write_text(SAMPLE if named else "\n".join(SAMPLE.splitlines()[2:]))
    first, second, third = read_atlas(atlas)
    assert first.star_forming is True and second.star_forming is False and third.star_forming is None
    assert first.meta["stellar_mass"] == 1e10 * u.Msun
    assert first.meta["sfr"] == 1 * u.Msun / u.yr
    assert second.meta["stellar_half_mass_radius"] == 7.5 * u.kpc
    assert third.meta == {}


def test_sample_tables_without_use(atlas):
    (atlas / "other.dat").write_bytes(b"\xff\x00 not a table")
    (atlas / "sample.txt").write_text("# subhalo_id stellar_mass_msun sfr_msun_per_year\n8 0 nan\n")
    (galaxy,) = read_atlas(atlas)
    assert galaxy.star_forming is None
    (atlas / "sample.txt").write_text("8 1e10\n")
    with pytest.raises(ImageFileError, match="sample.txt: is no sample table"):
        read_atlas(atlas)
    (atlas / "sample.txt").unlink()
    assert read_atlas(atlas)[0].meta == {}


def test_wrong_folder(tmp_path):
    for path, message in ((tmp_path, "holds no galaxy of an atlas"), (tmp_path / "none", "no such folder")):
        with pytest.raises(ImageFileError, match=message) as caught:
            read_atlas(path)
        assert "TNG000008_O5_Euclid_VIS.fits" in str(caught.value)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ImageFileError, match="is a file, not a folder"):
        read_atlas(tmp_path / "file")


def test_incomplete_galaxy_fails_on_access(tmp_path):
    atlas = write_galaxy(tmp_path / "a")
    write_galaxy(atlas, "TNG9_O5", skip=("Euclid_J", "stellarage"))
    galaxy = read_atlas(atlas)[1]
    with pytest.raises(ImageFileError, match="TNG000009_O5_Euclid_J.fits: there is no such file"):
        _ = galaxy.image
    with pytest.raises(ImageFileError, match="TNG000009_O5_stellarage.fits: there is no such file"):
        _ = galaxy.maps


def test_dust_map_is_not_needed(tmp_path):
    (galaxy,) = read_atlas(write_galaxy(tmp_path / "a", skip=("dustmass",)))
    galaxy.load()


def test_nothing_is_kept_and_galaxies_travel(atlas):
    (galaxy,) = read_atlas(atlas)
    image = galaxy.image
    image["IE"].data[:] = -1
    assert_array_equal(galaxy.image["IE"].data, 1)
    assert_array_equal(pickle.loads(pickle.dumps(galaxy)).image["IE"].data, 1)


@pytest.mark.parametrize(
    "bunit, message", [(None, "has no BUNIT"), ("Msun/pc2", "no surface brightness"), ("xyz", "BUNIT is xyz")]
)
def test_units_of_images(atlas, bunit, message):
    write_plane(atlas / "TNG000008_O5_Euclid_J.fits", np.ones(SHAPE), bunit)
    with pytest.raises(ImageFileError, match=f"Euclid_J.fits.*{message}"):
        _ = read_atlas(atlas)[0].image


def test_units_are_converted(atlas):
    write_plane(atlas / "TNG000008_O5_Euclid_J.fits", np.ones(SHAPE), "Jy/sr", CUNIT1="kpc", CDELT1=0.1)
    write_plane(atlas / "TNG000008_O5_stellarage.fits", np.ones(SHAPE), "Myr", CUNIT1="deg")
    write_plane(atlas / "TNG000008_O5_stellarmass.fits", np.ones(SHAPE), None)
    galaxy = read_atlas(atlas, bands=["JE"])[0]
    assert_allclose(galaxy.image["JE"].data, 1e-6)
    assert_allclose(galaxy.image.meta["pixel_scale"].to_value(u.pc), 100)
    assert_allclose(galaxy.maps["stellar_age"].data, 1e-3)
    assert "pixel_scale" not in galaxy.maps["stellar_age"].meta
    assert galaxy.maps["stellar_mass_density"].unit == u.Msun / u.pc**2


def test_units_of_maps(atlas):
    write_plane(atlas / "TNG000008_O5_stellarmass.fits", np.ones(SHAPE), "Msun/kpc")
    with pytest.raises(ImageFileError, match="stellarmass.fits: BUNIT is .*needs solMass / pc2"):
        _ = read_atlas(atlas)[0].maps
    write_plane(atlas / "TNG000008_O5_stellarmass.fits", np.ones(SHAPE), "Msun/pc2")
    write_plane(atlas / "TNG000008_O5_stellarmetallicity.fits", np.ones(SHAPE), "Zsun")
    with pytest.raises(ImageFileError, match="needs no unit, as a mass fraction"):
        _ = read_atlas(atlas)[0].maps


def test_values_without_logarithm(atlas):
    data = np.ones(SHAPE)
    data[0, :4] = np.nan, np.inf, -1, 0
    write_plane(atlas / "TNG000008_O5_stellarmass.fits", data, "Msun/pc2")
    write_plane(atlas / "TNG000008_O5_Euclid_J.fits", data)
    image, maps = read_atlas(atlas)[0].load()
    assert_array_equal(image["JE"].mask[0, :5], [True, True, False, False, False])
    assert_array_equal(maps["stellar_mass_density"].mask[0, :5], [True] * 4 + [False])
    assert np.isnan(maps["stellar_mass_density"].data[0, :4]).all()


def test_shapes_that_differ(atlas):
    write_plane(atlas / "TNG000008_O5_stellarage.fits", np.ones((3, 3)), "Gyr")
    with pytest.raises(InputError, match="shape"):
        read_atlas(atlas)[0].load()
    write_plane(atlas / "TNG000008_O5_Euclid_J.fits", np.ones((3, 3)))
    with pytest.raises(InputError, match="JE"):
        _ = read_atlas(atlas)[0].image


@pytest.mark.parametrize("content", [b"", b"text " * 1000, None])
def test_damaged_file(atlas, content):
    path = atlas / "TNG000008_O5_Euclid_J.fits"
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    (galaxy,) = read_atlas(atlas)
    with pytest.raises(ImageFileError, match="Euclid_J.fits"):
        _ = galaxy.image


def test_mock_atlas_has_this_layout(tmp_path):
    from euclid_resolved.mock import make_atlas

    folder = make_atlas(tmp_path / "mock", 2, pixels=16, progress=False)
    galaxies = read_atlas(folder)
    assert [galaxy.name for galaxy in galaxies] == ["TNG000001_O5", "TNG000002_O5"]
    image, maps = galaxies[0].load()
    assert image.shape == (16, 16) and len(maps) == 3
    assert galaxies[0].star_forming in (True, False)
    assert image.meta["pixel_scale"].unit == u.pc


def as_users_keep_it(atlas, folder):
    """The same files with plain numbers, one level deeper: a folder a galaxy, and the table beside these."""
    for path in atlas.iterdir():
        match = re.fullmatch(r"TNG0*(\d+)(_.*)", path.name)
        target = folder / "TNG50-1" / (f"{match[1]}/TNG{match[1]}{match[2]}" if match else path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


@pytest.mark.slow
def test_an_atlas_as_users_keep_it_is_the_same(tmp_path):
    """Plain numbers, one level deeper: the same galaxies, masses and test set, and so the same model."""
    from euclid_resolved import LinearRegression, evaluate, split, train
    from euclid_resolved.cli import main
    from euclid_resolved.study._store import is_mock

    atlas = make_atlas(tmp_path / "atlas", 6, pixels=16, progress=False)
    other = as_users_keep_it(atlas, tmp_path / "mine")
    galaxies, same = read_atlas(atlas), read_atlas(other)
    assert [(g.name, g.group, g.star_forming) for g in same] == [
        (g.name, g.group, g.star_forming) for g in galaxies
    ]
    assert all(g.meta["stellar_mass"] == h.meta["stellar_mass"] for g, h in zip(galaxies, same, strict=True))
    assert is_mock(other)
    tables = []
    for each in (galaxies, same):
        training, test = split(each, fraction=0.4, seed=1)
        tables.append(evaluate(train(training, "all", LinearRegression()), test))
    assert tables[0]["r2"].tolist() == tables[1]["r2"].tolist()
    model = str(tmp_path / "model.asdf")
    words = ["--estimator", "linear", "--test-fraction", "0.4"]
    assert main(["train", str(other), "-o", model, *words]) == 0
    assert main(["evaluate", model, str(other)]) == 0
    assert main(["diagnose", "sample_bias", model, str(other)]) == 0
