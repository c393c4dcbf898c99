"""What lies outside of training: ranges, gaps between training pixels, and noise."""

import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import UNIT, brightness

from euclid_resolved import (
    EUCLID_BANDS,
    LinearRegression,
    MultiBandImage,
    Quality,
    read,
    train,
    write,
)
from euclid_resolved.errors import InputError
from euclid_resolved.models import Domain, Model
from euclid_resolved.models._domain import FLAGGED, NEIGHBOURS

DENSITY = "stellar_mass_density"


def two_clusters(n, rng, colours=(0.0, 2.0)):
    """Pixels of two kinds of galaxy: IE-HE of 0 or 2 mag, and nothing between."""
    he = rng.uniform(-1, 1, n)
    colour = rng.choice(colours, n) + rng.normal(0, 0.05, n)
    return {"IE": 10 ** (he - 0.4 * colour), "HE": 10**he}


@pytest.fixture(scope="module")
def domain():
    return Domain.of(two_clusters(20_000, np.random.default_rng(1)), groups=np.arange(20_000) % 40)


def test_pixels_like_those_of_training_are_seldom_outside(domain):
    outside = domain.outside(two_clusters(20_000, np.random.default_rng(2)))
    assert FLAGGED / 2 < outside.mean() < 2 * FLAGGED


def test_a_cluster_between_those_of_training_is_outside_although_in_range(domain):
    rng = np.random.default_rng(3)
    between = two_clusters(2000, rng, colours=(1.0,))
    dex = np.log10(np.column_stack([between["IE"], between["HE"]]))
    low, high = domain.scale.minimum, domain.scale.maximum
    box = ((dex >= low[:2]) & (dex <= high[:2])).all(axis=1)
    assert box.mean() > 0.85
    assert domain.outside(between)[box].mean() > 0.98
    # A little off is still like the training set.
    near = two_clusters(2000, rng, colours=(0.03, 1.97))
    assert domain.outside(near).mean() < 0.1


def test_what_is_close_depends_on_how_close_training_pixels_lie():
    rng = np.random.default_rng(4)
    he = rng.uniform(-2, 2, 30_000)
    width = np.where(he > 0, 0.01, 0.3)  # colours are tight where it is bright
    light = {"IE": 10 ** (he + width * rng.normal(size=he.size)), "HE": 10**he}
    domain = Domain.of(light, groups=np.arange(he.size) % 30)
    shifted = {}
    for name, level in (("bright", 1.0), ("faint", -1.0)):
        some = level + rng.uniform(-0.3, 0.3, 500)
        shifted[name] = domain.outside({"IE": 10 ** (some + 0.12), "HE": 10**some}).mean()
    assert shifted["bright"] > 0.95 and shifted["faint"] < 0.05


def test_colours_and_brightness_beyond_the_range_are_outside(domain):
    assert domain.outside({"IE": np.array([1e3]), "HE": np.array([1e3])})[0]
    assert domain.outside({"IE": np.array([1.0]), "HE": np.array([1e-1])})[0]


def test_pixels_seen_in_training_are_inside():
    light = two_clusters(1000, np.random.default_rng(5))
    assert not Domain.of(light).outside(light).any()


def test_the_domain_does_not_depend_on_chance():
    light = two_clusters(5000, np.random.default_rng(6))
    first, again = Domain.of(light), Domain.of(light)
    np.testing.assert_array_equal(first.reference, again.reference)
    assert first.limit == again.limit


@pytest.mark.slow
def test_a_score_is_that_of_the_textbook():
    rng = np.random.default_rng(11)
    domain = Domain.of(two_clusters(5000, rng))
    some = two_clusters(300, rng, colours=(0.0, 1.0, 2.0))
    dex = np.log10(np.column_stack(list(some.values()))).astype(np.float32)
    reference = domain.reference.astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(reference.T))
    white = reference @ vectors / np.sqrt(values)
    apart = np.linalg.norm(white[:, None] - white, axis=2)
    spacing = np.sort(apart, axis=1)[:, NEIGHBOURS]  # the nearest is the pixel itself
    away = np.linalg.norm((dex @ vectors / np.sqrt(values))[:, None] - white, axis=2)
    nearest = np.argsort(away, axis=1)[:, :NEIGHBOURS]
    expected = np.sort(away, axis=1)[:, NEIGHBOURS - 1] / spacing[nearest].mean(axis=1)
    np.testing.assert_allclose(domain.score(dex), expected, rtol=1e-5)


def test_a_score_depends_on_its_own_pixel_only_to_the_last_bit(domain):
    rng = np.random.default_rng(12)
    light = two_clusters(5003, rng, colours=(0.0, 1.0, 2.0))
    dex = np.log10(np.column_stack(list(light.values()))).astype(np.float32)
    score, order = domain.score(dex), rng.permutation(len(dex))
    np.testing.assert_array_equal(domain.score(dex[order]), score[order])
    for part in (slice(0, 1), slice(7, 100), slice(1001, 5003)):
        np.testing.assert_array_equal(domain.score(dex[part]), score[part])
    assert domain.score(dex[:0]).shape == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clusters", "narrow", "twice", "few", "flat", "one", "six"])
def test_what_is_proven_is_what_the_scores_say(monkeypatch, kind):
    monkeypatch.setattr("euclid_resolved.models._outliers._MANY", 100)
    rng = np.random.default_rng(13)
    light = two_clusters(210 if kind == "few" else 6000, rng)
    if kind == "narrow":
        light["IE"] = light["HE"] * 10 ** rng.normal(0, np.where(light["HE"] > 1, 1e-3, 0.3))
    elif kind == "twice":
        light = {band: np.round(values, 1) + 0.05 for band, values in light.items()}
    elif kind == "flat":
        light["IE"] = 2 * light["HE"]
    some = two_clusters(4000, rng, colours=(0.0, 0.1, 0.5, 1.0, 2.0))
    if kind == "six":  # bands: more than are looked at at once
        for each in (light, some):
            more = {f"B{i}": each["HE"] * 10 ** rng.normal(0, 0.2, len(each["HE"])) for i in range(4)}
            each.update(more)
    elif kind == "one":
        light, some = ({"HE": each["HE"]} for each in (light, some))
    domain = Domain.of(light)
    some = {band: np.concatenate([values, light[band][:200]]) for band, values in some.items()}
    dex = np.log10(np.column_stack(list(some.values()))).astype(np.float32)
    for limit in (0.5, 1.0, domain.limit, 3.0, np.inf):
        expected = domain.score(dex) > limit
        np.testing.assert_array_equal(domain._outliers.beyond(dex, limit), expected)
        order = rng.permutation(len(dex))
        np.testing.assert_array_equal(domain._outliers.beyond(dex[order], limit), expected[order])
    outside = domain.outside(some)
    monkeypatch.setattr("euclid_resolved.models._outliers._MANY", 10**9)
    np.testing.assert_array_equal(domain.outside(some), outside)


def test_far_outside_there_is_still_a_score(domain):
    assert (domain.score(np.array([[30.0, -30.0], [-38.0, 38.0]], np.float32)) > domain.limit).all()


def test_too_few_pixels_leave_the_range_alone():
    light = two_clusters(10 * NEIGHBOURS, np.random.default_rng(7))
    small = Domain.of(light)
    assert small.reference is None and not small.outside(light).any()


def test_bands_that_are_one_do_not_divide_by_zero():
    one = 10 ** np.random.default_rng(8).uniform(-1, 1, 2000)
    for light in ({"HE": one}, {"IE": one, "HE": one}, {"HE": np.ones(2000)}):
        assert not Domain.of(light).outside(light).any()


def test_more_noise_than_training_had_is_outside():
    light = two_clusters(3000, np.random.default_rng(9))
    noise = {"IE": np.full(3000, 0.01), "HE": np.full(3000, 0.02)}
    trained = Domain.of(light, noise)
    np.testing.assert_allclose(trained.noise, [0.01, 0.02])
    assert not trained.outside(light, noise).any() and not trained.outside(light).any()
    assert trained.outside(light, {**noise, "IE": noise["IE"] * 1.2}).all()
    assert not trained.outside(light, {**noise, "IE": noise["IE"] / 10}).any()


def test_training_without_noise_knows_little_of_noise():
    light = two_clusters(3000, np.random.default_rng(10))
    trained = Domain.of(light)
    quiet = {band: values / 20 for band, values in light.items()}
    assert not trained.outside(light, quiet).any()
    assert trained.outside(light, {**quiet, "HE": light["HE"] / 5}).all()


def test_maps_flag_noise_that_training_did_not_have(linear_model):
    def seen(relative):
        light = brightness((12, 14), 1)
        bands = {
            b: NDData(v, unit=UNIT, uncertainty=StdDevUncertainty(relative * v)) for b, v in light.items()
        }
        return linear_model.predict(MultiBandImage(bands), DENSITY)

    assert seen(0.01).fraction(Quality.OUT_OF_DOMAIN) == 0
    noisy = seen(0.2)
    assert noisy.fraction(Quality.OUT_OF_DOMAIN) == 1 and not np.any(noisy.mask)


def test_a_file_keeps_the_domain(sample, tmp_path):
    model = train(sample, DENSITY, LinearRegression())
    write(tmp_path / "m.asdf", model)
    again = read(tmp_path / "m.asdf").domain
    np.testing.assert_array_equal(again.reference, model.domain.reference)
    np.testing.assert_array_equal(again.noise, model.domain.noise)
    assert again.limit == model.domain.limit and again.reference.dtype == np.float32
    light = brightness((30, 30), 44, faintest=0.01, brightest=20)
    light = {band: values.ravel() for band, values in light.items()}
    np.testing.assert_array_equal(again.outside(light), model.domain.outside(light))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("reference", lambda a: a[:, :3], "do not fit the model's bands"),
        ("reference", lambda a: a.astype(int), "do not fit the model's bands"),
        ("reference", lambda a: a[:5], "too few"),
        ("reference", lambda a: np.repeat(a, 200, axis=0), "too many"),
        ("reference", lambda a: a * np.inf, "no brightness"),
        ("noise", lambda a: a[:2], "noise does not fit"),
        ("noise", lambda a: a - 1, "noise does not fit"),
        ("noise", lambda a: a * np.nan, "noise does not fit"),
        ("limit", lambda a: -a, "limit must be positive"),
        ("limit", lambda a: float("nan"), "limit must be positive"),
    ],
)
def test_a_damaged_domain_is_refused(linear_model, name, damage, message):
    tree = linear_model.to_tree()
    tree["domain"] = {**tree["domain"], name: damage(tree["domain"][name])}
    with pytest.raises(InputError, match=message):
        Model.from_tree(tree)


def test_a_model_without_density_or_noise_still_opens(linear_model):
    tree = linear_model.to_tree()
    tree["domain"] = {key: tree["domain"][key] for key in ("columns", "minimum", "maximum")}
    old = Model.from_tree(tree)
    assert old.domain.reference is None and old.domain.noise is None
    light = {band: values.ravel() for band, values in brightness((12, 14), 1).items()}
    assert not old.domain.outside(light).any() and set(light) == set(EUCLID_BANDS)


def test_the_domain_of_galaxies_in_a_row_needs_no_number_for_every_pixel():
    light, counts = two_clusters(20_000, np.random.default_rng(1)), [5000, 0, 9000, 1000, 2000, 3000]
    numbers = np.array([4, 9, 2, 4, 0, 1])
    one = Domain.of(light, groups=np.repeat(numbers, counts))
    other = Domain.of(light, groups=numbers, counts=counts)
    assert one.limit == other.limit < np.inf
    np.testing.assert_array_equal(one.reference, other.reference)


def test_without_numba_the_same_pixels_are_outside(monkeypatch):
    rng = np.random.default_rng(6)
    light = {band: (10 ** rng.normal(0, 0.5, 25_000)).astype(np.float32) for band in EUCLID_BANDS}
    domain = Domain.of({band: values[:5000] for band, values in light.items()})
    expected = domain.outside(light)
    monkeypatch.setattr("euclid_resolved.models._outliers._compiled", lambda: None)
    np.testing.assert_array_equal(domain.outside(light), expected)
    assert 0 < expected.mean() < 1
