"""Neighbouring pixels in a study: totals with known answers, altered galaxies, and the part itself."""

import json
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from euclid_resolved import Galaxy, InputError, LinearRegression, make_atlas, read_atlas, train
from euclid_resolved.mock import mock_galaxies
from euclid_resolved.study import read_study, reproduce
from euclid_resolved.study._altered import blurred, far, noise_free_mock, rebinned
from euclid_resolved.study._same_pixels import errors_on_images
from euclid_resolved.study._totals import (
    QUANTITIES,
    galaxy_totals,
    half_light_radius,
    radius_of_pixels,
    scatter_and_bias,
    totals,
)

NAMES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")


@pytest.fixture(scope="module")
def galaxies():
    return mock_galaxies(5, pixels=48, progress=False)


@pytest.fixture(scope="module")
def model(galaxies):
    return train(galaxies[:3], "all", LinearRegression())


class Knows:
    """A model whose maps are the truth times a factor for each property."""

    properties, clip_band = NAMES, "HE"

    def __init__(self, galaxies, factors=(1.0, 1.0, 1.0), hide=None):
        self.by_name = {galaxy.image.name: galaxy for galaxy in galaxies}
        self.factors, self.hide = dict(zip(NAMES, factors, strict=True)), hide

    def predict_maps(self, image):
        maps = self.by_name[image.name].maps
        hidden = np.zeros(image.shape, bool) if self.hide is None else self.hide(image.shape)
        found = {}
        for name, factor in self.factors.items():
            data = np.asarray(maps[name].data, float) * factor
            planes = {"mean": 2 * data}
            found[name] = SimpleNamespace(data=data, mask=hidden | ~np.isfinite(data), planes=planes)
        return found


# --- totals ---


def test_totals_of_the_truth_are_right_and_factors_come_out_as_factors(galaxies):
    for row in galaxy_totals(Knows(galaxies), galaxies):
        assert row["mapped"] == pytest.approx(1.0)
        assert all(row[name] == pytest.approx(0.0, abs=1e-9) for name in QUANTITIES)
    expected = np.log10([2.0, 6.0, 3.0, 0.5])  # mass, metals = mass times 3, metallicity, age
    for row in galaxy_totals(Knows(galaxies, (2.0, 3.0, 0.5)), galaxies):
        assert [row[name] for name in QUANTITIES] == pytest.approx(expected)


def test_pixels_without_a_value_count_on_neither_side(galaxies):
    def left_half(shape):
        hidden = np.zeros(shape, bool)
        hidden[:, : shape[1] // 2] = True
        return hidden

    for row in galaxy_totals(Knows(galaxies, hide=left_half), galaxies):
        assert row["mass"] == pytest.approx(0.0, abs=1e-9) and 0.3 < row["mapped"] < 0.7
    nothing = Knows(galaxies, hide=lambda shape: np.ones(shape, bool))
    assert galaxy_totals(nothing, galaxies) == []


def test_only_what_lies_within_the_radius_is_summed(galaxies):
    galaxy = galaxies[0]
    outside = radius_of_pixels(galaxy.image.shape) > 2 * half_light_radius(galaxy.image.brightness("HE"))

    class Outside(Knows):
        def predict_maps(self, image):
            maps = super().predict_maps(image)
            for map_ in maps.values():
                map_.data[outside] *= 1000
            return maps

    (row,) = galaxy_totals(Outside([galaxy]), [galaxy])
    assert row["mass"] == pytest.approx(0.0, abs=1e-9)
    (wide,) = galaxy_totals(Outside([galaxy]), [galaxy], radii=20)
    assert wide["mass"] > 1


def test_the_plane_of_means_is_summed_where_it_is_wanted(galaxies, model):
    (row,) = galaxy_totals(Knows(galaxies), galaxies[:1], plane="mean")
    assert row["mass"] == pytest.approx(np.log10(2)) and row["mass of metals"] == pytest.approx(np.log10(4))
    with pytest.raises(InputError, match="no plane 'mean', only none"):
        galaxy_totals(model, galaxies[3:], plane="mean")


def test_a_model_of_one_property_has_no_totals(galaxies):
    one = train(galaxies[:3], estimator=LinearRegression())
    with pytest.raises(InputError, match="totals need stellar_mass_density, stellar_metallicity"):
        galaxy_totals(one, galaxies[3:])


def test_totals_are_sums_and_means_by_mass():
    found = totals([1.0, 3.0], [0.01, 0.03], [10.0, 2.0])
    expected = {"mass": 4.0, "mass of metals": 0.1, "metallicity": 0.025, "age": 4.0}
    assert {name: 10**value for name, value in found.items()} == pytest.approx(expected)


def test_scatter_and_bias_of_no_galaxy_are_not_known():
    values = scatter_and_bias([])
    assert all(np.isnan(one) for each in values.values() for one in each.values())


def test_half_light_radius_of_an_exponential_disc():
    radius = radius_of_pixels((401, 401))
    # 1.678 scale lengths hold half of the light of an exponential disc.
    assert half_light_radius(np.exp(-radius / 15)) == pytest.approx(1.678 * 15, rel=0.01)
    with pytest.raises(InputError, match="without light"):
        half_light_radius(np.full((5, 5), np.nan))


# --- other images of the same galaxies ---


def test_altered_galaxies_keep_light_mass_and_group(galaxies):
    galaxy = galaxies[1]
    image, truth = galaxy.load()
    area = image.meta["pixel_scale"] ** 2
    for other in (blurred(galaxy, 2.0), rebinned(galaxy, 2), *far([galaxy], 60 * u.Mpc)):
        seen, maps = other.load()
        assert other.group == galaxy.group
        factor = (seen.meta["pixel_scale"] ** 2 / area).to_value("")
        for values, before in (
            (seen.brightness("HE"), image.brightness("HE")),
            (maps[NAMES[0]].data, truth[NAMES[0]].data),
        ):
            assert np.nansum(values) * factor == pytest.approx(np.nansum(before), rel=0.02)
    assert rebinned(galaxy, 2).image.shape == (24, 24)
    seen = blurred(galaxy, 2.0).image.brightness("HE")
    from scipy.ndimage import gaussian_filter

    bright = seen > 0.0234
    expected = gaussian_filter(image.brightness("HE"), 2.0)
    inner = bright & (radius_of_pixels(seen.shape) < 12)
    assert np.median(np.abs(seen / expected - 1)[inner]) < 0.01


def test_noise_free_galaxies_are_smooth_and_in_no_training_set(galaxies):
    quiet = noise_free_mock(2, seed=1, pixels=48)  # the same galaxies as those of seed 1, but for the noise
    assert not {one.group for one in quiet} & {one.group for one in galaxies}
    noisy, light = (one.image.brightness("HE") for one in (galaxies[0], quiet[0]))
    bright = light > 0.0234
    ratio = noisy[bright] / light[bright]
    assert 0.01 < np.std(ratio) < 0.2 and np.mean(ratio) == pytest.approx(1, abs=0.02)
    assert np.array_equal(quiet[0].maps[NAMES[0]].data, galaxies[0].maps[NAMES[0]].data, equal_nan=True)


# --- several models on the same pixels ---


def test_models_are_compared_on_the_pixels_that_all_of_them_judge(galaxies):
    def left_half(shape):
        hidden = np.zeros(shape, bool)
        hidden[:, : shape[1] // 2] = True
        return hidden

    models = {"all": Knows(galaxies, (10.0, 1.0, 1.0)), "half": Knows(galaxies, hide=left_half)}
    found = errors_on_images(models, galaxies)
    every, half = found["all", NAMES[0]], found["half", NAMES[0]]
    assert every["pixels"] == half["pixels"] == half["pixels_all"] < every["pixels_all"]
    # Ten times too much is a bias of -1 dex, truth minus estimate, without scatter.
    assert every["bias"] == pytest.approx(-1) and every["rmse_all"] == pytest.approx(1)
    assert half["rmse"] == pytest.approx(0, abs=1e-9)


def test_models_that_share_no_pixel_have_no_error_in_common(galaxies):
    nothing = Knows(galaxies, hide=lambda shape: np.ones(shape, bool))
    found = errors_on_images({"all": Knows(galaxies), "none": nothing}, galaxies[:1])
    assert np.isnan(found["all", NAMES[1]]["rmse"]) and found["all", NAMES[1]]["pixels"] == 0
    assert found["all", NAMES[1]]["rmse_all"] == pytest.approx(0, abs=1e-9)


# --- the part ---

STUDY = """
properties = ["stellar_mass_density", "stellar_metallicity", "stellar_age"]
main = "bands"

[sample]
test_fraction = 0.3

[inputs]
bands = { features = ["bands"] }
around = { features = ["bands", "neighbourhood"] }

[estimators.RF]
estimator = "random_forest"
n_trees = 2
n_jobs = 1

[[parts]]
label = "Table 3"
run = "accuracy"

[[parts]]
label = "Beyond"
run = "neighbouring_pixels"
test_galaxies = 1
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("neighbours")
    atlas = make_atlas(folder / "atlas", 6, pixels=24, progress=False)
    (folder / "study.toml").write_text(STUDY)
    said = []
    path = reproduce(atlas, folder / "out", study=folder / "study.toml", say=said.append)
    return path, said, folder


def tables_of(done):
    entry = json.loads((done[2] / "out" / "manifest.json").read_text())["beyond-neighbouring-pixels"]
    read = {
        each["caption"].split(" ")[0]: Table.read(done[2] / "out" / each["file"], format="ascii.ecsv")
        for each in entry["tables"]
    }
    return read, entry


@pytest.mark.slow
def test_the_part_compares_the_inputs_in_three_tables(done):
    tables, entry = tables_of(done)
    assert set(tables) == {"Accuracy", "RMSE", "Totals"}
    assert set(tables["Accuracy"]["input"]) == {"bands", "around"}
    assert len(set(tables["RMSE"]["images"])) == 5 and np.isfinite(tables["RMSE"]["rmse"]).all()
    # Images of the atlas have no noise of an observation: both inputs judge the same pixels.
    assert len(set(tables["Accuracy"]["n_pixels"])) == 1
    network = tables["Totals"][tables["Totals"]["of"] == "mass of metals"]
    assert set(network["scatter_published"]) == {"0.14"} and set(network["bias_published"]) == {"-0.16"}
    assert set(tables["Totals"]["bias_published"]) == {"-0.16", "not given"}
    assert "neighbours/random_forest/around/stellar_age" in entry["values"]
    page = done[0].read_text(encoding="utf-8")
    assert "Buck &amp; Wolf" in page and "<h2 id=" in page and entry["figures"]


def test_pixels_are_read_once_for_each_kind_of_input(done):
    said = "\n".join(done[1])
    assert said.count("training galaxies, with neighbourhood") == 1
    assert said.count(" training galaxies") == 2


def test_the_part_agrees_with_the_table_of_accuracy(done):
    tables, _ = tables_of(done)
    manifest = json.loads((done[2] / "out" / "manifest.json").read_text())
    file = manifest["table-3-accuracy"]["tables"][0]["file"]
    all_cases = Table.read(done[2] / "out" / file, format="ascii.ecsv")
    for row in tables["Accuracy"]:
        same = all_cases[(all_cases["input"] == row["input"]) & (all_cases["property"] == row["property"])]
        assert same["rmse"][0] == row["rmse"]


def test_inputs_without_neighbours_are_refused(tmp_path, done):
    wrong = STUDY.replace("test_galaxies = 1", 'inputs = ["bands"]')
    (tmp_path / "study.toml").write_text(wrong)
    with pytest.raises(InputError, match="Beyond: none of the inputs bands looks at neighbouring pixels"):
        reproduce(done[2] / "atlas", tmp_path / "out", study=tmp_path / "study.toml", say=lambda line: None)


def test_pixels_of_an_unknown_length_are_not_observed(tmp_path, done):
    from euclid_resolved.study._neighbours import _ways

    galaxy = read_atlas(done[2] / "atlas")[0]
    image = galaxy.image
    image.meta["pixel_scale"] = 0.3 * u.arcsec
    unknown = Galaxy("far", image, {})
    assert list(_ways(None, [unknown])) == ["as in the atlas"]


def test_the_shipped_studies_have_the_part():
    for name in ("paper", "paper-fast"):
        (part,) = [part for part in read_study(name).parts if part.run == "neighbouring_pixels"]
        assert part.options["inputs"] == ["bands", "bands+neighbourhood"]
