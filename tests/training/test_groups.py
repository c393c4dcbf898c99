"""Views of one object stay together, whatever they are called: in splits, folds, fits, files and figures."""

import json
import warnings

import numpy as np
import pytest
from helpers import NAMES, galaxies, image_of, messages

from euclid_resolved import (
    DataWarning,
    Galaxy,
    InputError,
    LinearRegression,
    RandomForest,
    calibrate,
    diagnose,
    evaluate,
    folds,
    observe_atlas,
    read,
    split,
    train,
    write,
)
from euclid_resolved.diagnostics import cross_validation, learning_curve, projections
from euclid_resolved.io import read_sample, write_sample
from euclid_resolved.mock import mock_galaxies
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import Pixels, coverage, extract, search
from euclid_resolved.training._groups import stem_of

DENSITY = ("stellar_mass_density",)


def views(n=6, endings=("rot0", "rot90", "noise1"), grouped=True):
    """Several objects, each seen several times with hardly any difference, and a truth of its own."""
    rng, made = np.random.default_rng(1), []
    for i, one in enumerate(galaxies(n), 1):
        offset = np.float32(10 ** rng.normal(0, 0.3))
        maps = {name: map_ * offset for name, map_ in one.maps.items()}
        tint = 1 + 0.1 * rng.normal(size=4)
        for ending in endings:
            light = {b: one.image.brightness(b) * np.float32(t) for b, t in zip(one.image, tint, strict=True)}
            light = {b: (v * rng.normal(1, 0.003, v.shape)).astype("f4") for b, v in light.items()}
            group = f"object {i}" if grouped else None
            made.append(Galaxy(f"object{i}_{ending}", image_of(light), maps, group=group))
    return made


def objects(some):
    return {one.name.split("_")[0] for one in some}


def test_a_galaxy_is_its_own_group_unless_it_says_otherwise():
    assert Galaxy("NGC 1", None, None).group == "NGC 1"
    assert Galaxy("TNG000008_O3", None, None).group == "TNG000008"
    assert Galaxy("TNG000008_O3", None, None, group="mine").group == "mine"
    assert "group mine" in repr(Galaxy("A", None, None, group="mine"))
    for wrong in ("", " ", ["a"], 1.5):
        with pytest.raises(InputError, match="A: a group is the name of an object"):
            Galaxy("A", None, None, group=wrong)


@pytest.mark.parametrize("seed", range(4))
def test_no_view_of_a_test_galaxy_is_trained_on(seed):
    listed = views()
    for training, test in [split(listed, 0.3, seed), *folds(listed, 3, seed)]:
        assert objects(test) and not objects(training) & objects(test)
        assert len(training) + len(test) == 18


def test_without_groups_every_test_galaxy_leaks_and_that_is_said():
    listed = views(8, grouped=False)
    (training, test), said = messages(lambda: split(listed, 0.25), DataWarning)
    assert objects(test) <= objects(training)  # all of them
    assert len(said) == 1 and "object1_noise1 and object1_rot0 look like views of one object" in said[0]
    assert "7 more such sets" in said[0] and "group='object1'" in said[0]


def test_the_honest_accuracy_is_the_lower_one():
    forest = RandomForest(n_trees=20, n_jobs=1)
    leaky, _ = messages(lambda: split(views(grouped=False), 0.3), DataWarning)
    honest, found = split(views(), 0.3), []
    for training, test in (leaky, honest):
        model = train(training, estimator=forest)
        table, said = messages(lambda model=model, test=test: evaluate(model, test), DataWarning)
        found.append((table["r2"][0], bool(said)))
    (high, warned), (low, silent) = found
    assert high > 0.96 and low < 0.93 and warned and not silent


@pytest.mark.parametrize("pair", [
    ("G1_rot90", "G1_rot180"), ("G1_v1", "G1_v2"), ("G1_noise3", "G1_noise4"), ("G1_a", "G1_b"),
    ("NGC 628 view 1", "NGC 628 view 2"), ("disk_flip", "disk_mirrored"), ("X_O1", "X_O2"), ("G1", "G1_v2"),
    ("G1-i30", "G1-i60"),
    ("g.xy", "g.yz"), ("G1_30deg", "G1_60deg"), ("G1_rot90_noise1", "G1_rot0_noise2"), ("G1v1", "G1v2"),
    ("g1_face-on", "g1_edge-on"), ("TNG000008_seed1", "TNG000008_seed2"),
])  # fmt: skip
def test_names_that_look_like_views_are_pointed_out(pair):
    names = [*pair, "another"]
    _, said = messages(lambda: folds(names, 3), DataWarning)
    assert len(said) == 1 and "look like views of one object" in said[0]
    same = [Galaxy(name, None, None, group="G" if name in pair else None) for name in names]
    _, said = messages(lambda: folds(same, 2), DataWarning)
    assert not said


@pytest.mark.parametrize("names", [
    ["G001", "G002", "G003"], ["NGC 1", "NGC 2", "IC 1", "IC 2"], ["NGC_1", "NGC_2", "IC_1", "IC_2"],
    ["example 1", "example 2"], ["TNG50_1", "TNG50_2", "TNG50_3", "TNG100_1", "TNG100_2", "TNG100_3"],
    ["a", "b", "c"], ["halo_g1", "halo_g2"], ["M31", "M33"],
])  # fmt: skip
def test_numbered_galaxies_are_not_views(names):
    _, said = messages(lambda: folds(names, 2), DataWarning)
    assert not said
    assert [stem_of(name) for name in names] == names


def test_the_same_endings_of_many_objects_are_views():
    names = [f"g{i}_{angle}" for i in range(1, 5) for angle in (0, 45, 90)]
    _, said = messages(lambda: folds(names, 2), DataWarning)
    assert len(said) == 1 and "group='g1'" in said[0]


def test_one_name_in_two_groups_is_refused():
    one, other = galaxies(2)
    twice = [Galaxy("G", g.image, g.maps, group=group) for g, group in ((one, "a"), (other, "b"))]
    for function in (split, lambda some: folds(some, 2), lambda some: extract(some, NAMES), train):
        with pytest.raises(InputError, match="G is in two groups, a and b|G is in two groups, b and a"):
            function(twice)


def test_pixels_know_the_groups(tmp_path):
    listed = views(3)
    pixels = extract(listed, NAMES)
    assert pixels.groups == tuple(one.group for one in listed)
    assert [one.group for one in pixels.galaxies] == list(pixels.groups)
    assert pixels.of(listed[3:]).groups == pixels.groups[3:]
    assert extract(galaxies(2), NAMES).groups == ("G001", "G002")
    with pytest.raises(InputError, match="1 galaxies need as many groups, got 2"):
        Pixels({"HE": [1.0]}, {}, (1,), ("a",), None, "HE", 1, 0, groups=("a", "b"))


def test_a_sample_keeps_the_groups_and_wrong_ones_are_refused(tmp_path):
    write_sample(tmp_path / "new", views(3), NAMES)
    assert read_sample(tmp_path / "new").groups == extract(views(3), NAMES).groups
    changed = [Galaxy(g.name, g.image, g.maps) for g in views(3)]
    with pytest.raises(InputError, match=r"holds another sample \(groups\)"):
        write_sample(tmp_path / "new", changed, NAMES)

    from euclid_resolved.io._fingerprint import digest_of

    some = [Galaxy(f"TNG00000{i}_O1", g.image, g.maps) for i, g in enumerate(galaxies(3))]
    write_sample(tmp_path / "old", some, NAMES)
    path = tmp_path / "old" / "sample.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    assert read_sample(tmp_path / "old").groups == ("TNG000000", "TNG000001", "TNG000002")
    for wrong in (["a"], [1, 2, 3], ["", "b", "c"]):
        path.write_text(
            json.dumps({**content, "groups": wrong, "sha256": digest_of({**content, "groups": wrong})})
        )
        with pytest.raises(InputError, match="groups do not go with the names|sample.json cannot be used"):
            read_sample(tmp_path / "old")


def test_a_model_remembers_the_groups_in_its_file(tmp_path):
    training, rest = views(8)[:9], views(8)[9:]
    write(tmp_path / "m.asdf", train(training, estimator=LinearRegression()))
    model = read(tmp_path / "m.asdf")
    assert list(model.training["groups"]) == [one.group for one in training]
    unseen = [Galaxy(f"new {i}", g.image, g.maps, group=g.group) for i, g in enumerate(views(8)[:15])]
    with pytest.raises(
        InputError, match="the model was trained on new 0, new 1, new 2: calibrate it on others"
    ):
        calibrate(model, unseen)
    calibrated, said = messages(lambda: calibrate(model, rest), DataWarning)
    assert said == ["intervals calibrated on 5 galaxies only are rough; 20 or more are better"]
    assert set(calibrated.training["calibration_groups"]) == {one.group for one in rest}


@pytest.mark.slow
def test_groups_are_set_aside_and_left_out_whole():
    pixels = extract(views(8), DENSITY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = train(pixels, estimator=LinearRegression(), calibration=0.7)
    assert not set(model.training["groups"]) & set(model.training["calibration_groups"])
    model = train(pixels, estimator=LinearRegression(), calibration=8)
    assert model.training["calibration_folds"] == 8
    with pytest.raises(InputError, match=r"k must lie between 2 and the number of galaxies \(8\), got 9"):
        train(pixels, estimator=LinearRegression(), calibration=9)
    with pytest.raises(InputError, match=r"number of galaxies \(8\), got 9"):
        search(pixels, RandomForest(n_trees=1, n_jobs=1), {"max_depth": [2]}, k=9)


def test_accuracy_on_training_galaxies_is_said_to_be_that():
    listed = views(4)
    model = train(listed[:6], estimator=LinearRegression())
    table, said = messages(lambda: evaluate(model, listed), DataWarning)
    assert len(said) == 1 and "trained on 6 of these 12 galaxies" in said[0]
    assert table.meta["seen_in_training"] == [one.name for one in listed[:6]]
    turned = Galaxy("turned", listed[0].image, listed[0].maps, group=listed[0].group)
    table, said = messages(lambda: evaluate(model, [turned]), DataWarning)
    assert table.meta["seen_in_training"] == ["turned"] and "trained on 1 of these 1" in said[0]
    table, said = messages(lambda: evaluate(model, listed[6:]), DataWarning)
    assert table.meta["seen_in_training"] == [] and not said and table["n_galaxies"][0] == 2


def test_a_view_of_a_training_galaxy_by_name_is_pointed_out():
    listed = views(4, grouped=False)
    model, _ = messages(lambda: train(listed[:11], estimator=LinearRegression()), DataWarning)
    table, said = messages(lambda: evaluate(model, listed[11:]), DataWarning)
    assert len(said) == 1 and "look like views of one object" in said[0]
    assert table.meta["seen_in_training"] == []


def test_diagnostics_count_and_leave_out_groups():
    pixels, unseen = extract(views(4), DENSITY), extract(views(6)[12:], DENSITY)
    model = train(pixels, estimator=LinearRegression())
    table = cross_validation(model, pixels, ())
    assert list(table["fold"]) == [1, 2, 3, 4] and set(table["n_galaxies"]) == {1}
    assert list(learning_curve(model, pixels, unseen)["training_galaxies"]) == [2, 4]
    table = projections(model, pixels, unseen)
    assert list(table["projections"]) == [1, 2, 3]
    assert list(table["training_pixels"]) == [len(pixels) // 3, 2 * len(pixels) // 3, len(pixels)]
    with pytest.raises(InputError, match="object 4: in training and test"):
        projections(model, pixels, extract(views(4)[9:10], DENSITY))


def test_diagnostics_warn_where_training_and_test_share_a_group():
    training, test = views(4)[:6], views(4)[5:]
    model = train(training, estimator=LinearRegression())
    sets = [(training, test), (extract(training, DENSITY), extract(test, DENSITY))]
    for both in sets:
        _, said = messages(lambda both=both: diagnose("sample_bias", model, *both), DataWarning)
        assert len(said) == 1 and "training and test share object 2, object2_noise1" in said[0]
    assert not messages(lambda: diagnose("sample_bias", model, training, test[1:]), DataWarning)[1]


def test_coverage_of_what_was_calibrated_on_is_said_to_be_that():
    listed = views(30, endings=("a",))
    model = calibrate(train(listed[:5], estimator=LinearRegression()), listed[5:25])
    for some in (listed[:2], listed[10:12]):
        assert (
            "trained or calibrated on 2 of these 2"
            in messages(lambda s=some: coverage(model, s), DataWarning)[1][0]
        )
    assert not messages(lambda: coverage(model, listed[25:]), DataWarning)[1]


def test_a_warning_points_at_who_has_called():
    names = ["G1_rot0", "G1_rot90", "H"]
    bare = [Galaxy(name, None, None) for name in names]
    some = [Galaxy(name, g.image, g.maps) for name, g in zip(names, galaxies(3), strict=True)]
    pixels, model = extract(some, DENSITY), train(some[1:], estimator=LinearRegression())
    for function in (
        lambda: split(bare),
        lambda: folds(bare, 2),
        lambda: search(pixels, RandomForest(n_trees=1, n_jobs=1), {"max_depth": [2]}, k=2),
        lambda: evaluate(model, some[:1]),
        lambda: evaluate(model, some[1:]),
    ):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", DataWarning)
            function()
        assert [each.filename for each in found] == [__file__]


def test_what_shows_a_galaxy_is_of_its_group():
    mock = mock_galaxies(2, pixels=16, progress=False)
    assert [one.group for one in mock] == ["TNG000001", "TNG000002"]
    renamed = [Galaxy("A", mock[0].image, mock[0].maps, group="mine", meta=mock[0].meta)]
    assert observe_atlas(renamed, seed=1)[0].group == observe_atlas(renamed, seed=2)[0].group == "mine"
    assert all(one.group == one.name for one in example_galaxies(2))
