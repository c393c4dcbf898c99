"""What a header says of an image reads right in plain astropy, and comes back: text, steps, shares."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from helpers import an_image, density_map
from hypothesis import given, strategies as st

from euclid_resolved import Quality, SpatialMap, read, write
from euclid_resolved.imaging import correct_extinction, describe_history, mask_positions, set_distance
from euclid_resolved.io._fits_text import escape, unescape

PLAIN = [
    "O'Neill's galaxy",
    "'quoted'",
    "'",
    "NGC 1 & NGC 2",
    "C:\\new\\alpha\\x",
    "Barnard's star, d'Arrest's comet, " * 9 + "and the end",
    "100 % of 'all' pixels; a = b / c",
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_astropy_reads_the_right_text(tmp_path, text):
    path = tmp_path / "m.fits"
    write(path, density_map(np.ones((3, 3)), meta={"name": text, "trust": text}))
    with fits.open(path) as hdus:
        assert hdus[0].header["OBJECT"] == text
    assert read(path)["stellar_mass_density"].meta["name"] == text
    assert read(path)["stellar_mass_density"].meta["trust"] == text


@given(st.text(st.characters(max_codepoint=0x1F600), max_size=200))
def test_any_text_comes_back(text):
    header = fits.Header()
    header["OBJECT"] = escape(text)
    assert unescape(fits.Header.fromstring(header.tostring())["OBJECT"]) == text


@given(st.text(st.sampled_from("ab '&/\\x27="), max_size=150))
def test_text_that_readers_stumble_over_comes_back(text):
    header = fits.Header()
    header["OBJECT"] = escape(text)
    assert unescape(fits.Header.fromstring(header.tostring())["OBJECT"]) == text


def test_what_was_done_is_in_the_header(tmp_path, linear_model):
    """E(B-V) 0.05 corrected, z = 0.01 at 40 Mpc, a star masked by hand."""
    image = an_image((12, 14))
    image.meta["pixel_scale"] = 0.1 * u.arcsec
    image = mask_positions(correct_extinction(image, 0.05), [(3, 4)], 1)
    image = set_distance(image, redshift=0.01, distance=40 * u.Mpc)
    maps = linear_model.predict_maps(image)
    path = tmp_path / "maps.fits"
    write(path, maps)
    with fits.open(path) as hdus:
        for name in ("STELLAR_MASS_DENSITY", "STELLAR_AGE"):
            header = hdus[name].header
            assert header["REDSHIFT"] == 0.01 and header["DISTMPC"] == 40 and header["EBV"] == 0.05
            assert header["MASKS"] == "positions" and "BACKGRND" not in header
            steps = [line.split(":")[0] for line in header["HISTORY"] if not line.startswith(" ")]
            assert steps == ["extinction", "positions", "distance"]
            assert "ebv 0.05" in str(header["HISTORY"]) and "distance_mpc 40" in str(header["HISTORY"])
    back = read(path)["stellar_mass_density"]
    assert back.meta["redshift"] == 0.01 and back.meta["distance"] == 40 * u.Mpc and back.meta["ebv"] == 0.05
    assert [step["step"] for step in back.meta["history"]] == steps
    assert describe_history_of(back)[0].startswith("extinction: ebv 0.05")
    # Written again, it says the same.
    again = tmp_path / "again.fits"
    write(again, back)
    with fits.open(path) as first, fits.open(again) as second:
        for card in ("REDSHIFT", "DISTMPC", "EBV", "MASKS"):
            assert first[0].header[card] == second[0].header[card]
        assert list(first[0].header["HISTORY"]) == list(second[0].header["HISTORY"])


def describe_history_of(map_):
    from euclid_resolved.images._history import step_words

    return [step_words(step) for step in map_.meta["history"]]


def test_the_background_and_all_steps_on_screen(tmp_path, linear_model):
    step = {"step": "background", "settings": {"method": "mesh"}, "measured": {"HE": {"level": 0.01}}}
    image = an_image((12, 14))
    image.meta["history"] = [step]
    assert describe_history(image) == ["background: HE (level 0.01)"]
    write(tmp_path / "m.fits", linear_model.predict_maps(image))
    header = fits.getheader(tmp_path / "m.fits")
    assert header["BACKGRND"] == "mesh" and "method mesh, HE (level 0.01)" in str(header["HISTORY"])


# Shares of flags


def flagged():
    """Ten pixels: 3 masked, of which 2 are a neighbour's; 2 below the clip, one of them noisy; 1 outside."""
    q = Quality
    quality = [q.MASKED, q.MASKED | q.NEIGHBOUR, q.MASKED | q.NEIGHBOUR, q.BELOW_CLIP, q.BELOW_CLIP | q.NOISE]
    quality = np.array([*quality, q.OUT_OF_DOMAIN, 0, 0, 0, 0], np.int32).reshape(2, 5)
    values = np.where((quality & Quality.unjudged()) != 0, np.nan, 1.0)
    return SpatialMap(values, property="stellar_mass_density", quality=quality)


SHARES = {"NEIGHBOUR": 20.0, "MASKED": 10.0, "BELOW_CLIP": 20.0, "OUT_OF_DOMAIN": 10.0}


def test_shares_are_the_same_on_screen_in_figure_card_and_header(tmp_path, capsys):
    from euclid_resolved.cli._logging import to_terminal
    from euclid_resolved.cli._report import report
    from euclid_resolved.plotting._quality import quality_legend

    map_ = flagged()
    with to_terminal("info"):
        report("maps.fits", {"stellar_mass_density": map_})
    screen = capsys.readouterr().out
    assert "under the first of its flags" in screen
    labels = [patch.get_label() for patch in quality_legend(map_)]
    card = map_._repr_html_()
    write(tmp_path / "m.fits", map_)
    header = fits.getheader(tmp_path / "m.fits", "QUALITY")
    for name, share in SHARES.items():
        assert f"{name} {share:.1f} %" in " ".join(screen.split())
        assert any(label.startswith(f"{share:.1f} % {name}:") for label in labels)
        assert header[f"QP{Quality[name].value}"] == share
        assert f"{name}</td>" in card and f"({share:.1f} %)" in card
    assert "NOISE:" not in screen and header["QP64"] == 0
    assert labels[0] == "40.0 % no remark" and "first flag" in card
    assert sum(float(label.split()[0]) for label in labels) == pytest.approx(100)


def test_a_constant_error_is_shown_as_one():
    """52 % in single precision: the colours reach from 49.4 to 54.6 %, not over the rounding."""
    from astropy.nddata import StdDevUncertainty

    from euclid_resolved.plotting import plot_map, plot_uncertainty

    values = np.random.default_rng(1).uniform(1, 300, (20, 20)).astype("f4")
    error = StdDevUncertainty((values * np.float32(0.52)).astype("f4"))
    axes = plot_uncertainty(density_map(values, uncertainty=error))
    assert axes.images[0].get_clim() == pytest.approx((0.95 * 52, 1.05 * 52), rel=1e-4)
    low, high = plot_map(density_map(np.full((5, 5), 1.0))).images[0].get_clim()
    assert low < 0 < high and high - low == pytest.approx(0.1)
    # What does differ is shown as it is.
    error = StdDevUncertainty(values * np.linspace(0.50, 0.54, 20, dtype="f4"))
    low, high = plot_uncertainty(density_map(values, uncertainty=error)).images[0].get_clim()
    assert low == pytest.approx(50, abs=0.1) and high == pytest.approx(54, abs=0.1)
