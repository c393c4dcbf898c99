"""A clip from the statistics of the radiative transfer, on light and errors with a known answer."""

import json

import numpy as np
import pytest
from astropy.io import fits

from euclid_resolved import InputError
from euclid_resolved.cli import main
from euclid_resolved.training._reliable import relative_error, reliable_clip


def light_and_error(n=10_000):
    """A relative error that is 0.1 at a brightness of 0.0234, and falls as the root of the packets."""
    light = 10 ** np.linspace(-4, 2, n)
    return light, 0.1 * np.sqrt(0.0234 / light)


def test_the_clip_is_where_the_error_reaches_its_limit():
    light, error = light_and_error()
    assert reliable_clip(light, error, unreliable=0) == pytest.approx(0.0234, rel=2e-3)
    assert reliable_clip(light, error, limit=0.2, unreliable=0) == pytest.approx(0.0234 / 4, rel=2e-3)
    # One in a hundred may be unreliable: a little fainter, by 1 % of the pixels above, which fill 3.63 dex.
    assert np.log10(0.0234 / reliable_clip(light, error)) == pytest.approx(3.63 * 0.0101, rel=0.03)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(light))
    assert reliable_clip(light[order], error[order]) == reliable_clip(light, error)


def test_pixels_without_light_do_not_count_and_those_without_packets_are_unreliable():
    light, error = light_and_error()
    more = np.r_[light, np.zeros(9000), -1.0, np.nan], np.r_[error, np.full(9000, 9.0), 0.0, 0.0]
    assert reliable_clip(*more) == reliable_clip(light, error)
    error[light > 1] = np.nan
    with pytest.raises(InputError, match="even the brightest pixels have relative errors above 0.1"):
        reliable_clip(light, error)
    assert reliable_clip([1.0, 2.0], [0.01, 0.01]) == 0.0
    assert reliable_clip([2.0, 1.0, 1.0], [0.01, 0.01, 0.5]) == 1.0  # one brightness is not taken apart


def test_relative_errors_of_equal_packets_are_those_of_their_number():
    packets = np.array([0, 1, 100, 10_000])
    for scale in (1.0, 1e-6):  # SKIRT scales the sums
        error = relative_error(scale * 3.0 * packets, scale**2 * 9.0 * packets)
        assert error == pytest.approx([np.inf, 1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 0}, "limit"),
        ({"unreliable": 1.0}, "below 1"),
        ({"error": np.ones(3)}, "not of the same pixels"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    light, error = light_and_error(100)
    with pytest.raises(InputError, match=message):
        reliable_clip(**{"brightness": light, "error": error, **change})
    with pytest.raises(InputError, match="not of the same pixels"):
        relative_error(np.ones(3), np.ones(4))


def save(path, values, **cards):
    fits.PrimaryHDU(values.astype(np.float32), fits.Header(cards)).writeto(path)
    return str(path)


def test_the_command_takes_errors_or_skirts_own_sums(tmp_path, capsys):
    light, error = (values.reshape(100, 100) for values in light_and_error())
    image = save(tmp_path / "one.fits", light, BUNIT="MJy/sr")
    errors = save(tmp_path / "r.fits", error)
    packets = error**-2.0
    save(tmp_path / "sky_stats1.fits", packets / packets.max())
    save(tmp_path / "sky_stats2.fits", packets / packets.max() ** 2)
    found = []
    for words in (["--relative-error", errors], ["--statistics", str(tmp_path / "sky")]):
        assert main(["atlas", "clip", image, *words, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["clip"] == pytest.approx(reliable_clip(light, error), rel=1e-4)
    assert found[1]["clip"] == pytest.approx(found[0]["clip"], rel=1e-3)
    assert found[0]["fraction_unreliable"] <= 0.01
    small = save(tmp_path / "small.fits", error[:50])
    for words, message in (
        ([image, image, "--relative-error", errors], "2 images and 1 of their errors"),
        ([image, "--relative-error", small], r"shape (100, 100), and its errors of (50, 100)"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["atlas", "clip", *words])
        assert message in capsys.readouterr().err
    assert main(["atlas", "clip", image, "--statistics", str(tmp_path / "nothing")]) == 1
