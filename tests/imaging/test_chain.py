"""The whole preparation: on a mosaic made here, on the real cut-outs, and from the command line."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import SHARED
from numpy.testing import assert_array_equal

from euclid_resolved import EUCLID_BANDS, MultiBandImage, read_euclid
from euclid_resolved.errors import InputError
from euclid_resolved.images import BANDS, pixel_scale
from euclid_resolved.imaging import MaskReason, history, mask_reasons, prepare
from euclid_resolved.imaging._kernels import gaussian_kernel
from euclid_resolved.imaging._prepare import describe_history
from euclid_resolved.io import read, write

DATA = SHARED
CUTOUTS = sorted(DATA.glob("euclid_q1_cutout_*.fits")) if DATA.is_dir() else []
UNIT = u.MJy / u.sr
N = 200
Y, X = np.indices((N, N))
SKY = {"IE": 0.02, "YE": -0.05, "JE": 0.03, "HE": 0.04}
LIGHT = {"IE": 1.0, "YE": 1.6, "JE": 1.9, "HE": 2.2}


def observed(seed=1, redshift=0.02, ebv=0.1):
    """A disc of known brightness behind dust, PSFs, sky, a star and noise."""
    from scipy.signal import fftconvolve

    rng = np.random.default_rng(seed)
    disc = np.exp(-np.hypot(X - 100, Y - 100) / 14)
    bands = {}
    for band in EUCLID_BANDS:
        psf = gaussian_kernel({"IE": 2.0, "YE": 3.6, "JE": 3.5, "HE": 4.4}[band])
        light = LIGHT[band] * disc * (1 + redshift) ** -3 * 10 ** (-0.4 * BANDS[band].extinction * ebv)
        light[30, 150] += 500.0
        sigma = 0.008 if band == "IE" else 0.03
        data = fftconvolve(light, psf, mode="same") + SKY[band] + rng.normal(0, sigma, (N, N))
        error = StdDevUncertainty(np.full((N, N), sigma))
        bands[band] = NDData(data.astype("f4"), unit=UNIT, uncertainty=error, meta={"psf": psf})
    return MultiBandImage(bands, name="disc", meta={"pixel_scale": 0.1 * u.arcsec}), disc


def test_what_was_put_in_comes_out(tmp_path):
    image, disc = observed()
    out = prepare(image, background="constant", mask_stars=True, match_psf=True, ebv=0.1, redshift=0.02)
    steps = [entry["step"] for entry in history(out)]
    assert steps == ["background", "saturated", "neighbours", "psf", "extinction", "distance"]
    assert history(image) == [] and not image.mask().any()
    good = ~out.mask() & (disc > 0.05) & (disc < 0.5)
    assert good.sum() > 2000
    for band in EUCLID_BANDS:
        ratio = out.brightness(band)[good] / (LIGHT[band] * disc[good])
        assert np.median(ratio) == pytest.approx(1, abs=0.015)
        level = history(out)[0]["measured"][band]
        assert abs(level["level"] - SKY[band]) < 0.01
        # The noise is what the uncertainty says.
        sky = ~out.mask() & (np.hypot(X - 100, Y - 100) > 90)
        scatter = np.std(out.brightness(band)[sky])
        assert scatter == pytest.approx(np.median(out[band].uncertainty.array[sky]), rel=0.25)
    assert out.mask()[30, 150] and mask_reasons(out)[30, 150] & MaskReason.NEIGHBOUR
    assert_array_equal(out.mask(), mask_reasons(out) != 0)
    # Colours are those of the disc, the centre apart: that is what matching is for.
    colour = out.brightness("IE") / out.brightness("HE")
    assert np.median(colour[good]) == pytest.approx(LIGHT["IE"] / LIGHT["HE"], rel=0.02)
    # All of it goes through a file.
    write(tmp_path / "out.asdf", out)
    again = read(tmp_path / "out.asdf")
    assert history(again) == history(out)
    assert_array_equal(mask_reasons(again), mask_reasons(out))
    steps = describe_history(out)
    assert len(steps) == 6 and "HE" in steps[3]
    assert max(len(line) for step in steps for line in step.splitlines()) <= 100


def test_resampled_to_a_length():
    image, disc = observed()
    out = prepare(image, background="constant", redshift=0.02, scale=200 * u.pc)
    assert pixel_scale(out).to_value(u.pc) == pytest.approx(200)
    assert 40 < out.shape[0] < 50
    row, column = (n // 2 for n in out.shape)
    # The mean over 4.8 pixels of a disc of scale length 14, behind 4 % of dust.
    assert out.brightness("HE")[row, column] == pytest.approx(2.2 * 0.85, rel=0.1)


def test_nothing_asked_nothing_done():
    image, _ = observed()
    assert prepare(image) is image


@pytest.mark.slow
@pytest.mark.parametrize("path", CUTOUTS or [pytest.param(None, marks=pytest.mark.skip("no real cut-outs"))])
def test_real_cutouts(path):
    image = read_euclid(path)
    before = {band: image[band].data.copy() for band in image.bands}
    out = prepare(
        image, background="constant", mask_stars=True, match_psf=True, ebv=0.02, sfd=True, redshift=0.3,
        scale=1000 * u.pc,
    )  # fmt: skip
    for band in image.bands:
        assert_array_equal(image[band].data, before[band])
    psf = next(entry for entry in history(out) if entry["step"] == "psf")
    for band, measured in psf["measured"].items():
        if band != psf["settings"]["to"]:
            assert measured["energy_error"] < 0.05 and measured["flux_error"] < 0.01
            assert measured["kernel_negative"] <= 0.5
        assert 0.9 < measured["psf_sum"] < 1.1
    masked = out.mask()
    assert 0.1 < masked.mean() < 0.7  # more where the kernels for the seeing of the ground are wide
    assert_array_equal(masked, mask_reasons(out) != 0)
    # The galaxy in the middle is there, in all bands of Euclid.
    middle = tuple(slice(n // 2 - 1, n // 2 + 2) for n in out.shape)
    assert not masked[middle].any()
    for band in EUCLID_BANDS:
        light = out.brightness(band)
        noise = np.nanmedian(out[band].uncertainty.array)
        assert np.median(light[middle]) > 20 * noise
        error = out[band].uncertainty.array
        assert np.isfinite(error[~out.mask(band)]).all() and (error[~out.mask(band)] > 0).all()


def test_command_line(tmp_path, monkeypatch, capsys):
    """The options reach the steps, and nonsense is refused before any work."""
    from euclid_resolved.cli import main

    seen = {}

    class Model:
        bands = tuple(BANDS)
        missing, digest = None, "0"

        def predict_maps(self, image, *args, **kwargs):
            seen["image"] = image
            raise InputError("far enough")

    monkeypatch.setattr("euclid_resolved.io.asdf._files.read_model", lambda path: Model())
    image, _ = observed()
    write(tmp_path / "image.asdf", image)
    words = ["predict", "model.asdf", str(tmp_path / "image.asdf"), "-o", str(tmp_path / "maps.fits")]
    chain = ["--background", "constant", "--mask-stars", "--match-psf", "--ebv", "0.1", "--distance", "80"]
    assert main([*words, *chain, "--scale", "100"]) == 1
    assert [entry["step"] for entry in history(seen["image"])] == [
        "background", "saturated", "neighbours", "psf", "extinction", "distance", "resample",
    ]  # fmt: skip
    assert pixel_scale(seen["image"]).to_value(u.pc) == pytest.approx(100)
    out = capsys.readouterr()
    assert "corrected for E(B-V) 0.1" in " ".join(out.out.split()) and "far enough" in out.err
    for wrong in (
        ["--position", "60", "-49"],
        ["--size", "5"],
        ["--position", "60", "-49", "--region", "a.reg"],
    ):
        with pytest.raises(SystemExit, match="2"):
            main([*words, *wrong])
    assert main([*words, "--ebv", "-1"]) == 1
    assert main([*words, "--position", "60", "-49", "--size", "5"]) == 1
    assert "celestial WCS" in capsys.readouterr().err
