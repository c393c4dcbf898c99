"""Splits by galaxy, verdicts on pixels, and the gathering of pixels galaxy by galaxy."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import NAMES, an_image, brightness, density_map, galaxies, galaxy, image_of, messages
from hypothesis import given, strategies as st

from euclid_resolved import EUCLID_BANDS, Galaxy, Quality, SpatialMap, folds, split
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.maps._galaxy import group_name
from euclid_resolved.models import DEFAULT_CLIP
from euclid_resolved.models._clip import clip_band, judge
from euclid_resolved.training import extract

DENSITY = ("stellar_mass_density",)


def names(some):
    return [one.name for one in some]


def nothing(n, kinds=(None,)):
    """Galaxies without content: a split must not look at images."""
    return [Galaxy(f"G{i}", None, None, star_forming=kinds[i % len(kinds)]) for i in range(n)]


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 9))
def test_a_split_shares_no_galaxy_and_loses_none(n, fraction, seed):
    given_ = nothing(n)
    training, test = split(given_, fraction, seed)
    assert not set(names(training)) & set(names(test))
    assert sorted(names(training + test)) == sorted(names(given_))
    assert len(test) == min(max(round(fraction * n), 1), n - 1)


@given(st.permutations(range(20)))
def test_a_split_does_not_depend_on_the_listing(order):
    listed = nothing(20, (True, True, True, False))
    _, test = split(listed, 0.3)
    _, again = split([listed[i] for i in order], 0.3)
    assert set(names(test)) == set(names(again))


def test_a_split_repeats_with_its_seed_only():
    listed = nothing(40)
    chosen = [tuple(names(split(listed, 0.2, seed)[1])) for seed in range(8)]
    assert tuple(names(split(listed, 0.2, 3)[1])) == chosen[3]
    assert len(set(chosen)) == 8


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_a_split_is_stratified_to_within_one_galaxy(fraction, seed):
    listed = nothing(120, (True, True, True, False))
    _, test = split(listed, fraction, seed)
    quiescent = sum(not one.star_forming for one in test)
    assert abs(quiescent - fraction * 30) <= 1
    assert len(test) == fraction * 120


def test_the_sample_of_the_paper():
    # 1154 galaxies, 285 of them quiescent: 10 % are 115 with 86 star-forming and 29 quiescent.
    listed = [Galaxy(str(i), None, None, star_forming=i >= 285) for i in range(1154)]
    _, test = split(listed, 0.1)
    assert len(test) == 115
    assert abs(sum(one.star_forming for one in test) - 86) <= 1


def projections(n, seen_by=("O1", "O3", "O5")):
    return [Galaxy(f"TNG{i:06d}_{o}", None, None, star_forming=i % 4 > 0) for i in range(n) for o in seen_by]


@pytest.mark.parametrize("seed", range(4))
def test_projections_of_one_galaxy_stay_together(seed):
    listed = projections(20)
    parts = [split(listed, 0.2, seed), *folds(listed, 4, seed)]
    for training, test in parts:
        assert not {group_name(one) for one in training} & {group_name(one) for one in test}
        assert len(training) + len(test) == 60
    assert len(parts[0][1]) == 12


def test_projections_of_one_galaxy_cannot_be_split():
    with pytest.raises(InputError, match="got 3 projections of one"):
        split(projections(1))


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("TNG000008_O5", "TNG000008"),
        ("TNG8_O1", "TNG8"),
        ("NGC 628", "NGC 628"),
        ("TNG8_O9", "TNG8_O9"),
        ("X_O1", "X_O1"),
    ],
)
def test_a_projection_is_known_by_its_name(name, group):
    assert group_name(name) == group_name(Galaxy(name, None, None)) == group


def test_folds_can_be_made_of_names():
    training, validation = folds(["a", "b", "c"], 3)[0]
    assert len(training) == 2 and set(training + validation) == set("abc")


def test_a_split_keeps_the_order_given():
    training, test = split(nothing(30), 0.4)
    for part in (training, test):
        assert part == sorted(part, key=lambda one: int(one.name[1:]))


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_galaxies_cannot_be_split(n):
    with pytest.raises(InputError, match=f"at least two galaxies, got {n}"):
        split(nothing(n))


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, float("nan")])
def test_a_fraction_lies_between_0_and_1(fraction):
    with pytest.raises(InputError, match="fraction must lie between 0 and 1"):
        split(nothing(5), fraction)


def test_two_galaxies_of_one_name_are_refused():
    for divide in (split, lambda some: folds(some, 2)):
        with pytest.raises(InputError, match="two galaxies share the name G1"):
            divide(nothing(3) + nothing(2)[1:])


@given(st.integers(2, 40), st.data())
def test_every_galaxy_is_validated_once(n, data):
    k = data.draw(st.integers(2, n))
    parts = folds(nothing(n), k)
    assert len(parts) == k
    assert sorted(name for _, validation in parts for name in names(validation)) == sorted(names(nothing(n)))
    for training, validation in parts:
        assert not set(names(training)) & set(names(validation)) and len(training) + len(validation) == n
    sizes = [len(validation) for _, validation in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("k", [1, 0, 7])
def test_the_number_of_folds_must_fit(k):
    with pytest.raises(InputError, match=r"between 2 and the number of galaxies \(6\)|at least 2"):
        folds(nothing(6), k)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (1.0, 0),
        (np.nan, Quality.NONFINITE | Quality.MISSING_BAND),
        (np.inf, Quality.NONFINITE | Quality.MISSING_BAND),
        (-np.inf, Quality.NONFINITE | Quality.MISSING_BAND),
        (0.0, Quality.NONPOSITIVE),
        (-1.0, Quality.NONPOSITIVE),
    ],
)
def test_the_verdict_on_a_value(value, verdict):
    light = brightness((3, 3))
    light["YE"][1, 1] = value
    quality = judge(image_of(light), EUCLID_BANDS)
    assert quality[1, 1] == verdict
    assert quality.dtype == np.int32 and (np.delete(quality.ravel(), 4) == 0).all()


def test_the_clip_is_about_he_and_inclusive():
    light = {band: np.ones((1, 4), np.float32) for band in EUCLID_BANDS}
    light["HE"][0, :3] = 0.0234, 0.02, 0.024
    light["IE"][0, 3] = 0.001
    assert judge(image_of(light), EUCLID_BANDS).tolist() == [[Quality.BELOW_CLIP] * 2 + [0, 0]]
    assert not judge(image_of(light), EUCLID_BANDS, clip=None).any()
    assert judge(image_of(light), EUCLID_BANDS, 0.01, "IE").tolist() == [[0, 0, 0, Quality.BELOW_CLIP]]


def test_negative_brightness_in_the_clip_band_has_both_bits():
    light = {band: np.full((1, 1), -1.0) for band in EUCLID_BANDS}
    assert judge(image_of(light), EUCLID_BANDS)[0, 0] == Quality.NONPOSITIVE | Quality.BELOW_CLIP


def test_what_lies_below_a_mask_is_not_looked_at():
    light = brightness((2, 2))
    light["HE"][:] = [[-1, np.nan], [1e-9, 1]]
    mask = np.ones((2, 2), bool)
    quality = judge(image_of(light, masks={"HE": mask}), EUCLID_BANDS)
    assert (quality == Quality.MASKED | Quality.MISSING_BAND).all()


def test_a_pixel_masked_in_all_bands_does_not_lack_one():
    masks = {band: np.eye(3, dtype=bool) for band in EUCLID_BANDS}
    quality = judge(an_image((3, 3), masks=masks), EUCLID_BANDS)
    assert (quality[np.eye(3, dtype=bool)] == Quality.MASKED).all()
    assert not quality[~np.eye(3, dtype=bool)].any()


def test_a_pixel_below_three_sigma_in_any_band_is_noise():
    light = {band: np.array([[2.9, 3.0, 5.0, 0.0]], np.float32) for band in EUCLID_BANDS}
    light["JE"][0, 2] = 2.0
    quality = judge(image_of(light, sigma=1.0), EUCLID_BANDS)
    assert quality.tolist() == [[Quality.NOISE, 0, Quality.NOISE, Quality.NONPOSITIVE | Quality.BELOW_CLIP]]
    assert not judge(image_of(light, sigma=1.0), EUCLID_BANDS, clip=None, min_sn=None)[0, :3].any()
    assert not judge(image_of(light), EUCLID_BANDS)[0, :3].any()


def test_noise_that_is_not_known_in_a_pixel_is_too_much():
    assert judge(image_of({"HE": np.ones((1, 1))}, sigma=np.nan), ("HE",))[0, 0] == Quality.NOISE


def test_bands_that_are_not_needed_are_not_judged():
    light = brightness((2, 2))
    light["IE"][:] = np.nan
    assert not judge(image_of(light), ("JE", "HE")).any()


def test_the_clip_band_is_he_or_else_the_last():
    assert clip_band(EUCLID_BANDS) == "HE" and clip_band(["HE", "IE"]) == "HE"
    assert clip_band(("IE", "YE")) == "YE"


def test_the_pixels_of_galaxies_are_theirs():
    some = galaxies(3)
    pixels = extract(some, NAMES, source="here")
    assert pixels.names == ("G001", "G002", "G003") and pixels.source == "here"
    assert len(pixels) == pixels.seen == 3 * 168 and pixels.kept == 1
    image, maps = some[1].load()
    own = pixels.galaxy == 1
    np.testing.assert_array_equal(pixels.brightness["JE"][own], image.brightness("JE").ravel())
    np.testing.assert_array_equal(pixels.truth["stellar_age"][own], maps["stellar_age"].data.ravel())
    columns = [*pixels.brightness.values(), *pixels.truth.values()]
    assert {column.dtype for column in columns} == {np.dtype(np.float32)}


def test_galaxies_are_read_one_at_a_time():
    alive, most, reads = 0, 0, []

    class Counted(dict):
        def __init__(self, *args):
            nonlocal alive, most
            super().__init__(*args)
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    def lazy(number):
        one = galaxy(number)

        def maps():
            reads.append(number)
            return Counted(one.maps)

        return Galaxy(one.name, lambda: one.image, lambda: maps())

    extract([lazy(number) for number in range(1, 7)], DENSITY)
    assert reads == [1, 2, 3, 4, 5, 6]
    assert most == 1 and alive == 0


def test_the_noise_of_the_pixels_is_kept_where_it_is_known():
    quiet, noisy = galaxies(2)
    light = {band: noisy.image.brightness(band) for band in EUCLID_BANDS}
    noisy = Galaxy("N", image_of(light, sigma=0.001), noisy.maps)
    pixels = extract([quiet, noisy], DENSITY)
    assert extract([quiet], DENSITY).noise == {}
    for band in EUCLID_BANDS:
        np.testing.assert_allclose(pixels.noise[band], np.where(pixels.galaxy == 1, 0.001, 0))
    np.testing.assert_allclose(pixels.of(["N"]).noise["IE"], 0.001)


def test_only_pixels_above_the_clip_are_kept():
    some = galaxies(2)
    bright = sum((one.image.brightness("HE") > 1).sum() for one in some)
    pixels = extract(some, DENSITY, clip=1.0)
    assert len(pixels) == bright and pixels.kept == pytest.approx(bright / pixels.seen)
    assert pixels.brightness["HE"].min() > 1 and pixels.clip == 1.0 and pixels.clip_band == "HE"
    assert len(extract(some, DENSITY, clip=None)) == 2 * 168


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -3.0])
def test_truth_without_logarithm_is_left_out_and_counted(bad):
    one, other = galaxies(2)
    maps = one.maps
    values = maps["stellar_age"].data.copy()
    values[0, :5] = bad
    maps["stellar_age"] = SpatialMap(values, property="stellar_age")
    pixels, said = messages(lambda: extract([Galaxy("A", one.image, maps), other], NAMES), DataWarning)
    assert said == ["5 pixels above the clip have no usable truth and are left out"]
    assert pixels.without_truth == 5 and len(pixels) == 2 * 168 - 5
    assert all(np.isfinite(v).all() and (v > 0).all() for v in pixels.truth.values())


def test_masked_truth_is_left_out_too():
    one, other = galaxies(2)
    mask = np.zeros((12, 14), bool)
    mask[3, 3] = True
    maps = {**one.maps, "stellar_age": SpatialMap(np.ones((12, 14)), property="stellar_age", mask=mask)}
    with pytest.warns(DataWarning, match="^1 pixels"):
        pixels = extract([Galaxy("A", one.image, maps), other], NAMES)
    assert len(pixels) == 2 * 168 - 1


def test_truth_in_another_unit_is_converted():
    one, other = galaxies(2)
    values = one.maps["stellar_mass_density"].data
    in_kpc = {"stellar_mass_density": density_map(values * 1e6, unit="Msun / kpc2")}
    pixels = extract([Galaxy(one.name, one.image, in_kpc), other], DENSITY)
    expected = extract([one, other], DENSITY)
    np.testing.assert_allclose(pixels.truth[DENSITY[0]], expected.truth[DENSITY[0]], rtol=1e-6)


@pytest.mark.parametrize("factor", [23.504, 1 / 23.504])
def test_brightness_in_another_unit_than_it_says_is_refused_with_the_hint(factor):
    wrong = []
    for one in galaxies(2):
        light = {band: one.image.brightness(band) * np.float32(factor) for band in EUCLID_BANDS}
        wrong.append(Galaxy(one.name, image_of(light), one.maps))
    with pytest.raises(InputError, match="a unit error\\? 23.5 is the factor between MJy/sr and uJy/arcsec2"):
        extract(wrong, DENSITY, clip=None)


def test_density_per_square_kiloparsec_that_says_parsec_is_refused():
    one, other = galaxies(2)
    wrong = {"stellar_mass_density": density_map(one.maps["stellar_mass_density"].data * 1e6)}
    with pytest.raises(InputError, match="1e6 that between Msun/pc2 and Msun/kpc2"):
        extract([Galaxy("A", one.image, wrong)], DENSITY)


def test_nothing_above_the_clip_is_refused():
    with pytest.raises(InputError, match="no pixel of 2 galaxies is brighter than 99 MJy/sr in HE"):
        extract(galaxies(2), DENSITY, clip=99)


def test_no_galaxies_are_refused():
    with pytest.raises(InputError, match="no galaxies were given"):
        extract([], DENSITY)


def test_a_missing_band_or_map_is_named():
    with pytest.raises(InputError, match="no band LSST_g; the image has IE, YE, JE, HE"):
        extract(galaxies(2), DENSITY, ("LSST_g", "HE"))
    with pytest.raises(InputError, match="G001: no true map of stellar_age; it has stellar_mass_density"):
        extract(galaxies(2, properties=DENSITY), ("stellar_age",))
    with pytest.raises(InputError, match="unknown property 'age'"):
        extract(galaxies(2), ("age",))


def test_some_of_the_galaxies_can_be_taken_out():
    some = galaxies(4)
    whole = extract(some, NAMES)
    part = whole.of([some[2], "G001"])
    expected = extract([some[0], some[2]], NAMES)
    assert part.names == expected.names == ("G001", "G003") and part.digest == expected.digest
    np.testing.assert_array_equal(part.galaxy, expected.galaxy)
    assert part.kept == expected.kept and len(whole) == 4 * 168
    with pytest.raises(InputError, match="no pixels of G009; there are 4 galaxies"):
        whole.of(["G009"])


@pytest.mark.parametrize("column", ["brightness", "truth"])
def test_the_digest_changes_with_any_value(column):
    pixels, again = (extract(galaxies(2), NAMES) for _ in range(2))
    assert pixels.digest == again.digest and len(pixels.digest) == 64
    changed = extract(galaxies(2), NAMES)
    columns = {name: values.copy() for name, values in getattr(changed, column).items()}
    next(iter(columns.values()))[-1] *= np.float32(1.0001)
    changed = replace(changed, **{column: columns})
    assert changed.digest != pixels.digest


def test_the_digest_knows_names_and_clip():
    digests = {extract(galaxies(2), NAMES, clip=clip).digest for clip in (None, DEFAULT_CLIP, 0.01)}
    renamed = [Galaxy(name, one.image, one.maps) for name, one in zip("AB", galaxies(2), strict=True)]
    assert len(digests | {extract(renamed, NAMES).digest}) == 4
