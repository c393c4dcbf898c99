"""An observed atlas is read as it was observed, and an interrupted call goes on with the next galaxy."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from euclid_resolved import (
    ImageFileError,
    InputError,
    LinearRegression,
    make_atlas,
    observe_atlas,
    read,
    read_atlas,
    train,
)
from euclid_resolved.cli import main
from euclid_resolved.imaging._kernels import gaussian_kernel
from euclid_resolved.io._fingerprint import fingerprint
from euclid_resolved.io._observed_atlas import write_observed
from euclid_resolved.io.euclid._psf import read_psf

OPTIONS = {"depth": (0.01, 1.0), "seed": 3, "stars": 2.0}


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return make_atlas(tmp_path_factory.mktemp("observed") / "atlas", 3, pixels=24)


def observe(atlas, folder, *words):
    try:
        return main(["atlas", "observe", str(atlas), "-o", str(folder), *map(str, words)])
    except SystemExit as stop:
        return stop.code


@pytest.mark.slow
def test_what_is_read_is_what_was_observed(atlas, tmp_path):
    galaxies = read_atlas(atlas)
    observed = observe_atlas(galaxies, (20, 100) * u.Mpc, **OPTIONS)
    assert write_observed(tmp_path / "far", observed, OPTIONS, ("IE", "HE")) == 3
    for original, seen, back in zip(
        galaxies, observed, read_atlas(tmp_path / "far", bands=("IE", "HE")), strict=True
    ):
        assert (back.name, back.group, back.star_forming) == (seen.name, seen.group, original.star_forming)
        for band in back.image:
            mask = seen.image.mask(band)
            assert np.array_equal(back.image.mask(band), mask)
            pairs = [(each.image[band].data, each.image[band].uncertainty.array) for each in (back, seen)]
            for mine, other in zip(*pairs, strict=True):
                assert np.array_equal(mine[~mask], other[~mask])
        scales = [each.image.meta["pixel_scale"].to_value(u.pc) for each in (back, seen)]
        assert np.isclose(*scales, rtol=1e-12)
        for name, map_ in back.maps.items():
            assert np.allclose(map_.quantity, seen.maps[name].quantity, rtol=1e-6, equal_nan=True)
    # Its noise is there for whoever learns from it.
    model = train(
        read_atlas(tmp_path / "far", bands=("IE", "HE")), "all", LinearRegression(), bands=("IE", "HE")
    )
    assert model.bands == ("IE", "HE")


@pytest.mark.slow
def test_the_command_goes_on_where_it_was_and_keeps_other_observations(atlas, tmp_path, capsys):
    far = tmp_path / "far"
    words = ["--distance", "20:100", "--depth", "0.01:1", "--seed", 2]
    assert observe(atlas, far, *words) == 0 and "3 of them" in capsys.readouterr().out
    path = far / "TNG000002_O5_stellarmass.fits"
    before = {each.name: each.read_bytes() for each in far.glob("TNG*")}
    path.unlink()  # it is written last
    assert observe(atlas, far, *words) == 0 and "1 of them" in capsys.readouterr().out
    assert {each.name: each.read_bytes() for each in far.glob("TNG*")} == before
    header = fits.getheader(path)
    assert 20 <= header["DISTANCE"] <= 100 and 0.01 <= header["DEPTH"] <= 1 and header["REDSHIFT"] == 0
    assert observe(atlas, far, "--depth", 0.1) == 1 and "observed otherwise" in capsys.readouterr().err
    assert observe(atlas, far, "--depth", 0.1, "--overwrite") == 0
    assert {fits.getheader(each)["DEPTH"] for each in far.glob("TNG*")} == {0.1}


@pytest.mark.slow
def test_distance_blurs_and_depth_lowers_noise(atlas, tmp_path):
    for folder, words in (
        ("deep", ["--depth", 10]),
        ("shallow", ["--depth", 0.1]),
        ("blurred", ["--psf", 60]),
    ):
        assert observe(atlas, tmp_path / folder, "--distance", 40, *words) == 0
    images = {name: read_atlas(tmp_path / name)[0].image["HE"] for name in ("deep", "shallow", "blurred")}
    sigma = {name: np.median(image.uncertainty.array) for name, image in images.items()}
    assert 5 < sigma["shallow"] / sigma["deep"] < 15
    assert images["blurred"].data.max() < images["deep"].data.max()


def test_a_psf_from_a_file_blurs_its_band_and_tells_atlases_apart(atlas, tmp_path, capsys):
    broad = gaussian_kernel(40.0).astype(np.float32)  # 4 arcsec
    fits.writeto(tmp_path / "he.fits", broad)
    words = ["--distance", 100, "--depth", 10]
    assert observe(atlas, tmp_path / "usual", *words) == 0
    assert observe(atlas, tmp_path / "broad", *words, "--psf", f"HE={tmp_path / 'he.fits'}") == 0
    usual, seen = (read_atlas(tmp_path / name)[0].image for name in ("usual", "broad"))
    assert seen["HE"].data.max() < usual["HE"].data.max()
    np.testing.assert_array_equal(seen["IE"].data, usual["IE"].data)
    fits.writeto(tmp_path / "he.fits", broad[1:-1, 1:-1], overwrite=True)
    assert observe(atlas, tmp_path / "broad", *words, "--psf", f"HE={tmp_path / 'he.fits'}") == 1
    assert "observed otherwise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "shape", "message"),
    [
        ({"STMPSIZE": 5}, (25, 25), "holds many PSFs"),
        (
            {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -1e-4, "CDELT2": 1e-4},
            (9, 9),
            "0.36 arcsec",
        ),
        ({}, (9,), "holds no PSF"),
    ],
)
def test_a_file_without_a_psf_is_refused(tmp_path, header, shape, message):
    fits.writeto(tmp_path / "psf.fits", np.ones(shape, np.float32), fits.Header(header))
    with pytest.raises(ImageFileError, match=message):
        read_psf(tmp_path / "psf.fits")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--distance", "100:20"], "LOW:HIGH"),
        (["--depth", "deep"], "LOW:HIGH"),
        (["--psf", "IE=wide"], "--psf needs arcsec"),
        (["--psf", "0.3", "IE=0.2"], "twice"),
        (["--psf", "IE=0.3", "VIS=psf.fits"], "twice"),
        (["--psf", "psf.fits"], "IE=FILE.fits"),
        (["--psf", "IE=there_is_none.fits"], "there_is_none.fits"),
        (["--bands", "XX"], "XX"),
    ],
)
def test_words_that_make_no_sense(atlas, tmp_path, capsys, words, message):
    assert observe(atlas, tmp_path / "far", *words) != 0
    assert message in capsys.readouterr().err and not (tmp_path / "far").exists()


def test_an_atlas_is_not_written_into_another(atlas, tmp_path, capsys):
    assert observe(atlas, atlas / "far") == 2
    assert "outside" in capsys.readouterr().err
    galaxies = observe_atlas(read_atlas(atlas), 40 * u.Mpc)
    with pytest.raises(InputError, match="of no observed atlas"):
        write_observed(atlas, galaxies, {}, ("IE",))


@pytest.mark.slow
def test_a_model_knows_its_own_galaxies_in_an_observed_copy(atlas, tmp_path, capsys):
    own, far = tmp_path / "own", tmp_path / "far"
    make_atlas(own, 6, seed=5, pixels=24)
    assert observe(own, far, "--depth", 10) == 0
    assert fingerprint(far).partition(":")[0] == fingerprint(own) != fingerprint(far)
    model = tmp_path / "model.asdf"
    words = ["--estimator", "linear", "--test-fraction", 0.3]
    assert main(["train", str(own), "-o", str(model), *map(str, words)]) == 0
    held_out = read(model).training["test_galaxies"]
    capsys.readouterr()
    assert main(["evaluate", str(model), str(far)]) == 0
    told = capsys.readouterr().out
    assert f"{len(held_out)} held-out galaxies of the atlas it was trained on, observed otherwise" in told
    # Another atlas has galaxies of the same names, but they are others.
    assert main(["evaluate", str(model), str(atlas)]) == 0
    assert "3 galaxies of another atlas" in capsys.readouterr().out
    # A diagnostic grows its models again: on the galaxies as they were seen, or not at all.
    assert main(["diagnose", "lofo", str(model), str(far)]) == 1
    assert "was not trained on" in capsys.readouterr().err
