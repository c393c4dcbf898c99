"""The mock atlas: its populations, its physics, and the folder it writes."""

import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from astropy.io import fits

from euclid_resolved.errors import InputError
from euclid_resolved.images import EUCLID_BANDS
from euclid_resolved.io import read_atlas
from euclid_resolved.mock import MockSettings, make_atlas, mock_galaxies
from euclid_resolved.mock._galaxy import EDGES, build_galaxy
from euclid_resolved.mock._populations import bin_averages, composite, luminosity, remaining_mass

CLIP = 0.0234  # MJy/sr in HE
BANDS = ("Euclid_VIS", "Euclid_Y", "Euclid_J", "Euclid_H")


def galaxy(number, pixels=48, **changes):
    rngs = np.random.default_rng([1, number]), np.random.default_rng([1, number, 5])
    return build_galaxy(*rngs, pixels, MockSettings(**changes))


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return make_atlas(tmp_path_factory.mktemp("atlas"), 3, pixels=32)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("age", "expected"), [(0.01, 0.30), (0.1, 0.03), (1, 0.012), (5, 0.0043), (10, 0.0028)]
)
def test_brightness_of_solar_populations(age, expected):
    # Bruzual & Charlot (2003), Chabrier, solar: MJy/sr in HE per formed Msun/pc2, known to two digits.
    assert luminosity(age, 0.02)[3] == pytest.approx(expected, rel=0.08)


def test_colour_of_an_old_population():
    ie, _, _, he = luminosity(10.0, 0.02)
    assert 2.5 * np.log10(he / ie) == pytest.approx(0.99, abs=0.02)


def test_older_and_more_metal_rich_is_redder():
    colour = -2.5 * np.log10(luminosity([2.0, 10.0, 10.0], [0.02, 0.02, 0.05]))
    ie_he = colour[:, 0] - colour[:, 3]
    assert ie_he[0] < ie_he[1] < ie_he[2]


def test_remaining_mass_falls_from_one_to_about_half():
    left = remaining_mass(np.geomspace(0.001, 13, 50), 0.02)
    assert left[0] == pytest.approx(1.0)
    assert np.all(np.diff(left) <= 0)
    np.testing.assert_allclose(remaining_mass([0.01, 1, 5, 10], 0.02), [0.87, 0.60, 0.50, 0.46], atol=0.005)


def test_populations_broadcast_and_hold_their_ends():
    assert luminosity(np.ones((3, 1)), np.full(2, 0.02)).shape == (3, 2, 4)
    np.testing.assert_array_equal(luminosity(0.0, 1e-6), luminosity(0.001, 0.0001))


def test_composite_of_one_bin_is_that_bin():
    formed = np.zeros((len(EDGES) - 1, 1))
    formed[6] = 50.0
    light, mass = composite(formed, np.full(formed.shape, np.log10(0.02)), EDGES)
    expected = 50 * bin_averages(EDGES)[6, 4]
    np.testing.assert_allclose(light[6, 0], expected[:4], rtol=1e-6)
    assert mass.sum() == pytest.approx(expected[4], rel=1e-6)
    assert mass.sum() < formed.sum()


def test_galaxy_is_physical():
    for number in range(1, 6):
        g = galaxy(number)
        assert g.images.shape == g.dust_free.shape == (4, 48, 48)
        used = g.images[3] >= CLIP
        assert np.isfinite(g.images).all() and (g.images >= 0).all()
        assert (g.stellarage[used] > 0).all() and (g.stellarage <= 13.2).all()
        assert (g.stellarmetallicity[used] > 1e-4).all() and (g.stellarmetallicity <= 0.08).all()
        # HE brightness per current Msun/pc2 of any population without dust.
        ratio = g.dust_free[3][used] / g.stellarmass[used]
        assert (ratio > 0.002).all() and (ratio < 0.5).all()


def test_dust_dims_and_reddens():
    g = galaxy(1, noise_at_clip=1e-6)
    used = g.dust_free[3] >= CLIP
    assert (g.images[:, used] <= g.dust_free[:, used] * 1.0001).all()
    loss = (g.images[:, used] / g.dust_free[:, used]).mean(axis=1)
    assert np.all(np.diff(loss) > 0)
    deep = g.dustmass[used] > np.median(g.dustmass[used])
    dimming = g.images[0][used] / g.dust_free[0][used]
    assert dimming[deep].mean() < dimming[~deep].mean()


def test_noise_is_unbiased_and_larger_where_fainter():
    ratios, brightness = [], []
    for number in range(1, 9):
        noisy, quiet = galaxy(number), galaxy(number, noise_at_clip=1e-6)
        used = quiet.images[3] >= CLIP
        ratios.append(noisy.images[3][used] / quiet.images[3][used])
        brightness.append(quiet.images[3][used])
    ratio, brightness = np.concatenate(ratios), np.concatenate(brightness)
    faint, bright = brightness < 2 * CLIP, brightness > 20 * CLIP
    assert ratio[faint].std() > 3 * ratio[bright].std()
    assert ratio.mean() == pytest.approx(1, abs=0.02)


def test_quiescent_galaxies_form_fewer_stars():
    rates = {True: [], False: []}
    for number in range(1, 25):
        properties = galaxy(number, pixels=16).properties
        rates[properties["quiescent"]].append(
            properties["sfr_msun_per_year"] / properties["stellar_mass_msun"]
        )
    assert 2 <= len(rates[True]) <= 12
    # Either side of 1e-11 per year, the usual divide.
    assert np.median(rates[True]) < 1e-11 < np.median(rates[False])


def test_layout_and_units(atlas):
    names = [f"{band}{suffix}" for band in BANDS for suffix in ("", "_nodust")]
    units = {name: "MJy/sr" for name in names}
    units |= dict(stellarmass="Msun/pc2", dustmass="Msun/pc2", stellarage="Gyr", stellarmetallicity="")
    expected = {f"TNG{number:06d}_O5_{name}.fits" for number in (1, 2, 3) for name in units}
    assert {path.name for path in atlas.iterdir()} == expected | {"sample.txt"}
    for name, unit in units.items():
        with fits.open(atlas / f"TNG000002_O5_{name}.fits") as hdus:
            assert len(hdus) == 1
            header, data = hdus[0].header, hdus[0].data
        assert data.shape == (32, 32) and data.dtype == np.dtype(">f4")
        assert header["BUNIT"].strip() == unit
        assert (header["CDELT1"], header["CUNIT1"], header["CTYPE1"].strip()) == (2000.0, "pc", "")
        assert "mock" in header["ORIGIN"] and header["MOCKSEED"] == 1
        assert "noise_at_clip" in str(header["HISTORY"]).replace("\n", "")


def test_current_mass_in_the_sample_table(atlas):
    lines = (atlas / "sample.txt").read_text().splitlines()
    names = [line for line in lines if line.startswith("#")][-1].strip("# ").split()
    assert names == [
        "subhalo_id",
        "stellar_mass_msun",
        "gas_mass_msun",
        "dark_matter_mass_msun",
        "sfr_msun_per_year",
        "stellar_half_mass_radius_kpc",
    ]
    table = np.loadtxt(atlas / "sample.txt")
    np.testing.assert_array_equal(table[:, 0], [1, 2, 3])
    mass = fits.getdata(atlas / "TNG000001_O5_stellarmass.fits").sum(dtype=float) * 2000.0**2
    assert table[0, 1] == pytest.approx(mass, rel=1e-4)


def test_seed_repeats_bit_for_bit(atlas, tmp_path):
    assert contents(make_atlas(tmp_path, 3, pixels=32)) == contents(atlas)


def test_small_atlas_begins_a_large_one(atlas, tmp_path):
    small = contents(make_atlas(tmp_path, 2, pixels=32))
    large = contents(atlas)
    assert len(small) == 25
    assert all(large[name] == data for name, data in small.items() if name != "sample.txt")


def test_galaxies_in_memory_are_those_of_the_atlas(atlas):
    read = read_atlas(atlas)
    made = mock_galaxies(len(read), pixels=32)
    for one, other in zip(read, made, strict=True):
        assert (one.name, one.star_forming) == (other.name, other.star_forming)
        assert one.image.meta["pixel_scale"] == other.image.meta["pixel_scale"]
        for band in EUCLID_BANDS:
            np.testing.assert_array_equal(one.image.brightness(band), other.image.brightness(band))
        for name, truth in one.maps.items():
            np.testing.assert_array_equal(truth.data, other.maps[name].data)
            assert truth.unit == other.maps[name].unit
        for name, value in one.meta.items():
            assert other.meta[name].to_value(value.unit) == pytest.approx(value.value, rel=1e-5)
    with pytest.raises(InputError, match="n_galaxies must be a whole number and at least 1"):
        mock_galaxies(0)


def test_growing_keeps_what_is_there(tmp_path):
    make_atlas(tmp_path, 1, pixels=16)
    stamp = (tmp_path / "TNG000001_O5_Euclid_H.fits").stat().st_mtime_ns
    make_atlas(tmp_path, 2, pixels=16)
    assert (tmp_path / "TNG000001_O5_Euclid_H.fits").stat().st_mtime_ns == stamp
    assert len(np.loadtxt(tmp_path / "sample.txt")) == 2


def test_interrupted_run_resumes(tmp_path, monkeypatch):
    from euclid_resolved.mock import _atlas as module

    written = []
    replace = module.os.replace

    def stop_in_the_second_galaxy(source, target):
        written.append(target)
        if len(written) == 18:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "replace", stop_in_the_second_galaxy)
        with pytest.raises(KeyboardInterrupt):
            make_atlas(tmp_path / "a", 3, pixels=16)
    assert not (tmp_path / "a" / "TNG000002_O5_stellarmass.fits").exists()
    resumed = contents(make_atlas(tmp_path / "a", 3, pixels=16))
    assert resumed == contents(make_atlas(tmp_path / "b", 3, pixels=16))


@pytest.mark.parametrize(
    "change", [dict(seed=2), dict(pixels=20), dict(settings=MockSettings(noise_at_clip=0.01))]
)
def test_another_atlas_is_refused_unless_overwritten(tmp_path, change):
    make_atlas(tmp_path, 2, pixels=16)
    arguments = dict(pixels=16) | change
    with pytest.raises(InputError, match="another seed, size or settings"):
        make_atlas(tmp_path, 1, **arguments)
    make_atlas(tmp_path, 1, overwrite=True, **arguments)
    assert len(list(tmp_path.glob("*.fits"))) == 12


def test_files_that_are_no_mock_are_never_touched(tmp_path):
    real = tmp_path / "TNG000007_O5_Euclid_H.fits"
    fits.PrimaryHDU(np.zeros((4, 4), "f4")).writeto(real)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="no mock"):
            make_atlas(tmp_path, 1, pixels=16, overwrite=overwrite)
    assert real.exists()


def test_observers_see_the_same_galaxy_from_elsewhere(tmp_path):
    make_atlas(tmp_path, 1, pixels=32)
    make_atlas(tmp_path, 1, pixels=32, observer="O1")
    one, five = (fits.getdata(tmp_path / f"TNG000001_{name}_stellarmass.fits") for name in ("O1", "O5"))
    assert not np.array_equal(one, five)
    assert one.sum() == pytest.approx(five.sum(), rel=0.15)
    assert np.loadtxt(tmp_path / "sample.txt").shape == (6,)


@pytest.mark.parametrize(
    "wrong",
    [
        dict(n_galaxies=0),
        dict(pixels=4),
        dict(seed=-1),
        dict(seed=None),
        dict(pixels="x"),
        dict(observer="5"),
        dict(observer="O6"),
        dict(observer=5),
    ],
)
def test_bad_arguments(tmp_path, wrong):
    with pytest.raises(InputError, match="must be a whole number and at least|observer is one of"):
        make_atlas(tmp_path, **(dict(n_galaxies=1) | wrong))


def test_presets():
    assert MockSettings.preset("tng50-like") == MockSettings()
    narrow, wide = [], []
    for number in range(1, 13):
        for preset, found in (("tng50-like", narrow), ("broad", wide)):
            g = galaxy(number, 24, **asdict(MockSettings.preset(preset)))
            found.append(np.median(np.log10(g.stellarmetallicity[g.images[3] >= CLIP])))
    assert np.std(wide) > 1.5 * np.std(narrow)
    with pytest.raises(InputError, match="tng50-like"):
        MockSettings.preset("tng500")


def test_import_needs_no_learning_library():
    heavy = "('sklearn', 'matplotlib', 'h5py')"
    code = f"import sys, euclid_resolved.mock; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("make", [make_atlas, mock_galaxies])
def test_more_galaxies_than_names_have_room_for(make, tmp_path):
    folder = [tmp_path / "atlas"] if make is make_atlas else []
    with pytest.raises(InputError, match="at most 999999"):
        make(*folder, 2**70)
    assert not (tmp_path / "atlas").exists()
