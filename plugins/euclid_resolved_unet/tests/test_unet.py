"""The U-Net: what it learns from, what runs it, its maps, its file, and its place beside a model."""

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from astropy.nddata import NDData
from euclid_resolved_unet import UNet, evaluate_unet, read_unet, train_unet, training
from euclid_resolved_unet.evaluation import compare
from euclid_resolved_unet.network import Layer, check_layers, reach, run, shapes
from euclid_resolved_unet.planes import bin_edges, value_within

from euclid_resolved import (
    DataWarning,
    Galaxy,
    InputError,
    LinearRegression,
    ModelFileError,
    MultiBandImage,
    PluginError,
    Quality,
    evaluate,
    train,
)
from euclid_resolved.plugins import lookup
from euclid_resolved.testing import DIAGNOSTIC_CHECKS, example_galaxies
from euclid_resolved.training import pixels_of

SMALL = {"widths": (6, 8), "bins": 4, "epochs": 2, "batch": 4, "side": 16, "progress": False}
GALAXIES = example_galaxies(6)


@pytest.fixture(scope="module")
def unet():
    return train_unet(GALAXIES[:4], **{**SMALL, "epochs": 25, "learning_rate": 2e-2})


@pytest.fixture(scope="module")
def path(unet, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "unet.npz"
    unet.write(path)
    return path


def darkened(galaxy, where, value=np.nan, mask=False):
    """A galaxy with other values in some pixels of one band, or with these masked."""
    bands = {}
    for band in galaxy.image.bands:
        data, masked = np.array(galaxy.image.brightness(band)), np.zeros(galaxy.image.shape, bool)
        if band == "YE":
            data[where], masked[where] = value, mask
        bands[band] = NDData(data, unit="MJy / sr", mask=masked)
    return Galaxy(galaxy.name, MultiBandImage(bands, name=galaxy.name), galaxy.maps)


def quiet_compare(model, galaxies, test):
    return compare(model, galaxies, test, **{**SMALL, "widths": (4,), "epochs": 1})


@pytest.mark.parametrize("check", DIAGNOSTIC_CHECKS, ids=lambda check: check.__name__)
def test_contract(check):
    check(quiet_compare)


def test_registered():
    assert lookup("diagnostics", "unet").run is compare


# The network


def test_numpy_equals_keras_and_pieces_the_whole(monkeypatch):
    rng = np.random.default_rng(1)
    layers = training.first_layers(5, (6, 8, 10), 12, rng)
    planes = rng.normal(0, 1, (5, 45, 70)).astype("f4")
    whole = run(layers, planes)
    assert whole.shape == (12, 45, 70)
    padded = np.pad(planes, ((0, 0), (0, 3), (0, 2)))
    theirs = np.array(training.build(layers)[0](padded.transpose(1, 2, 0)[None]))[0, :45, :70]
    np.testing.assert_allclose(whole, theirs.transpose(2, 0, 1), rtol=1e-4, atol=1e-5)
    for tile, rows in ((16, 16384), (32, 100)):
        monkeypatch.setattr("euclid_resolved_unet.network._TILE", tile)
        monkeypatch.setattr("euclid_resolved_unet.network._ROWS", rows)
        np.testing.assert_allclose(run(layers, planes), whole, rtol=1e-4, atol=1e-5)


def test_nothing_comes_from_beyond_its_reach():
    layers = training.first_layers(1, (4, 4, 4), 2, np.random.default_rng(2))
    planes = np.zeros((1, 96, 96), "f4")
    other = planes.copy()
    other[0, 48, 48] = 5
    rows, columns = np.nonzero((run(layers, planes) != run(layers, other)).any(axis=0))
    assert 8 < np.abs(np.stack([rows, columns]) - 48).max() <= reach(3)


def test_values_stay_within_the_range_of_training():
    edges = np.stack([bin_edges(np.random.default_rng(1).normal(0, 1, 999), 5), np.linspace(-2.0, 3, 6)])
    out = np.random.default_rng(2).normal(0, 1, (20, 30, 30)).astype("f4")
    for scale in (1, 100, 1e30):
        values = value_within((out * np.float32(scale)).astype("f4"), edges)
        for each, own in zip(values, edges, strict=True):
            assert np.float32(own[0]) <= each.min() and each.max() <= np.float32(own[-1])
    # One bin alone is likely, and the place in it is its upper end.
    sure = np.zeros((20, 1, 1), "f4")
    sure[12], sure[17] = 80, 80
    assert value_within(sure, edges)[1, 0, 0] == pytest.approx(1.0, abs=1e-6)


def test_bins_hold_as_many_pixels_and_increase_where_values_repeat():
    values = np.random.default_rng(3).normal(0, 1, 10_000)
    counts, _ = np.histogram(values, bin_edges(values, 8))
    assert counts.sum() == 10_000 and np.ptp(counts) < 100
    assert (np.diff(bin_edges(np.r_[np.zeros(99), 1.0], 8)) > 0).all()


def test_pixels_that_do_not_count_change_no_loss():
    keras, rng = training.keras_library(), np.random.default_rng(4)
    loss = training._loss(keras, np.stack([np.linspace(-1.0, 1, 5)] * 2))
    made, true = rng.normal(0, 1, (2, 4, 4, 16)).astype("f4"), rng.uniform(-1, 1, (2, 4, 4, 3)).astype("f4")
    true[..., 2] = rng.random((2, 4, 4)) < 0.5
    other = true.copy()
    other[true[..., 2] == 0] = 0
    moved = np.where(true[..., 2:] == 1, made, 7)
    value = float(loss(true, made))
    assert value > 0 and float(loss(other, moved)) == pytest.approx(value, rel=1e-6)
    true[..., 2] = 0
    assert float(loss(true, made)) == 0


def test_eight_ways_to_turn():
    planes = np.arange(2 * 4 * 6).reshape(2, 4, 6)
    ways = [training.turned(planes, way) for way in range(8)]
    assert len({way.tobytes() + bytes(way.shape) for way in ways}) == 8
    for number, way in enumerate(ways):
        np.testing.assert_array_equal(training.turned_back(way, number), planes)


def test_crops_are_pieces_turned():
    planes = np.random.default_rng(5).random((4, 40, 12)).astype("f4")
    planes[-1] = 0
    planes[-1, 5:30, 3:9] = 1
    crops = training.Crops([planes, planes], 16)
    (first, *_), (again, *_) = (list(crops.batches(4, np.random.default_rng(6))) for _ in "ab")
    assert first.shape == (4, 4, 16, 16)
    np.testing.assert_array_equal(first, again)
    values = set(planes.ravel().tolist()) | {0.0}
    assert set(first.ravel().tolist()) <= values and (first[:, -1].sum(axis=(1, 2)) > 0).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda layers: layers[:-1],
        lambda layers: [Layer(layers[0].kernel[:2], layers[0].bias), *layers[1:]],
        lambda layers: [Layer(layers[0].kernel * np.nan, layers[0].bias), *layers[1:]],
        lambda layers: [Layer(layer.kernel * 1e12, layer.bias) for layer in layers],
    ],
)
def test_layers_are_checked(change):
    layers = training.first_layers(3, (4, 6), 8, np.random.default_rng(1))
    check_layers(layers, 3, (4, 6), 8)
    with pytest.raises(InputError):
        check_layers(change(layers), 3, (4, 6), 8)


# Training


def test_it_learns(unet):
    assert unet.history[-1] < 0.5 * unet.history[0]
    assert unet.weights == sum(np.prod(s) + s[3] for s in shapes(5, (6, 8), 24))
    table = evaluate_unet(unet, GALAXIES[4:])
    assert table["r2"][0] > 0.8  # that of the mean is 0
    theirs = evaluate(train(GALAXIES[:4], "all", LinearRegression()), GALAXIES[4:])
    assert table.colnames == theirs.colnames
    for column in ("property", "n_pixels", "n_galaxies"):
        assert list(table[column]) == list(theirs[column])
    assert table["rmse"].unit == theirs["rmse"].unit


def test_the_seed_decides():
    first, again = (train_unet(GALAXIES[:3], **SMALL, seed=2) for _ in "ab")
    assert first.digest == again.digest
    assert first.training["settings"]["seed"] == 2


def test_untrue_and_faint_pixels_do_not_count():
    galaxy = GALAXIES[0]
    maps = {name: np.array(each.data) for name, each in galaxy.maps.items()}
    maps["stellar_age"][:4] = np.nan
    lacking = Galaxy(galaxy.name, galaxy.image, maps)
    galaxies = [lacking, darkened(GALAXIES[1], np.s_[:2]), *GALAXIES[2:4]]
    with pytest.warns(DataWarning, match="64 pixels above the clip have no usable truth"):
        made = train_unet(galaxies, **{**SMALL, "epochs": 1})
    assert made.training["n_pixels"] == 4 * 256 - 4 * 16 - 2 * 16
    bright = train_unet(GALAXIES[:4], "stellar_age", clip=1.0, **{**SMALL, "epochs": 1})
    assert bright.properties == ("stellar_age",) and bright.training["n_pixels"] < 500


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bins": 1}, "bins"), ({"epochs": 0}, "epochs"), ({"epochs": 2.5}, "epochs"), ({"side": 17}, "side"),
        ({"widths": (0,)}, "widths"), ({"widths": "wide"}, "widths"), ({"widths": (300, 300)}, "weights"),
        ({"ways": 9}, "ways"), ({"seed": -1}, "seed"), ({"learning_rate": 2.0}, "learning_rate"),
        ({"properties": "stellar_mass"}, "property"), ({"bands": ("IE", "XE")}, "XE"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_are_checked(settings, message):
    with pytest.raises(InputError, match=message):
        train_unet(GALAXIES[:3], **{**SMALL, **settings})


def test_galaxies_are_checked(unet):
    model = train(GALAXIES[:3], "stellar_age", LinearRegression())
    with pytest.raises(InputError, match="images"):
        compare(model, pixels_of(GALAXIES[:3], model), GALAXIES[3:])
    with pytest.raises(InputError, match="images"):
        evaluate_unet(unet, pixels_of(GALAXIES[:3], model))
    with pytest.warns(DataWarning, match="trained on 1 of these galaxies: example 1"):
        evaluate_unet(unet, [GALAXIES[0]])
    same = [Galaxy(g.name, g.image, {"stellar_age": np.full((16, 16), 3.0)}) for g in GALAXIES[:2]]
    with pytest.warns(DataWarning), pytest.raises(InputError, match="stellar_age is 3 everywhere"):
        train_unet(same, "stellar_age", **SMALL)


def test_without_keras(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(PluginError, match=r"pip install './plugins/euclid_resolved_unet\[cpu\]'"):
        train_unet(GALAXIES[:3], **SMALL)


# Maps


def test_maps_are_judged_as_those_of_a_model(unet):
    galaxy = darkened(GALAXIES[5], np.s_[3:5, 6], value=-1.0)
    masked = darkened(GALAXIES[4], np.s_[0], value=1e9, mask=True)
    model = train(GALAXIES[:4], "all", LinearRegression())
    for one, bit in ((galaxy, Quality.NONPOSITIVE), (masked, Quality.MASKED)):
        maps, theirs = unet.predict_maps(one.image), model.predict_maps(one.image)
        assert list(maps) == list(unet.properties)
        for name, made in maps.items():
            np.testing.assert_array_equal(made.quality, theirs[name].quality)
            np.testing.assert_array_equal(made.mask, theirs[name].mask)
            np.testing.assert_array_equal(np.isnan(made.data), made.mask)
            assert made.unit == theirs[name].unit and made.property == theirs[name].property
            assert made.meta["model"] == unet.digest and made.meta["name"] == one.name
        assert (maps["stellar_age"].quality & bit > 0).any()
    assert not unet.predict(one.image, "stellar_age", min_sn=None).mask[1:].any()


def test_what_is_masked_is_not_seen(unet):
    here = np.s_[5:8, 5:8]
    first, second = (darkened(GALAXIES[4], here, value, mask=True).image for value in (1e-5, 1e9))
    for one, other in zip(unet.predict_maps(first).values(), unet.predict_maps(second).values(), strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def test_estimates_turn_with_the_image_and_stay_in_range(unet):
    image = np.stack([GALAXIES[5].image.brightness(band) for band in unet.bands])
    dex = unet.estimate(image)
    for way in range(1, 8):
        np.testing.assert_allclose(
            training.turned_back(unet.estimate(training.turned(image, way)), way), dex, atol=1e-4
        )
    for absurd in (image * np.float32(1e30), -image, np.full_like(image, np.nan), image[:, :1, :3]):
        made = unet.estimate(absurd)
        for each, edges in zip(made, unet.edges.astype("f4"), strict=True):
            assert edges[0] <= each.min() and each.max() <= edges[-1]
    with pytest.raises(InputError, match="4 bands"):
        unet.estimate(image[:2])


def test_questions_it_cannot_answer(unet):
    image = GALAXIES[5].image
    with pytest.raises(InputError, match="which property"):
        unet.predict(image)
    with pytest.raises(InputError, match="no band JE, HE"):
        unet.predict_maps(image.select(("IE", "YE")))
    with pytest.raises(InputError, match="unknown property"):
        unet.predict_maps(image, ("mass",))


def test_pixels_of_another_size_are_warned_of(unet):
    import astropy.units as u

    image = GALAXIES[5].image
    image = MultiBandImage(dict(image), name="near", meta={"pixel_scale": 20 * u.pc})
    known = replace(unet, training={**unet.training, "pixel_scale": "100.0 pc"})
    with pytest.warns(DataWarning, match="near are 20 pc wide, those of training were 100 pc"):
        known.predict_maps(image)


# Files


def test_a_file_gives_the_same_maps_without_keras(unet, path):
    again = read_unet(path)
    assert isinstance(again, UNet) and again.digest == unet.digest and again.training == unet.training
    for one, other in zip(
        unet.predict_maps(GALAXIES[5].image).values(),
        again.predict_maps(GALAXIES[5].image).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(one.data, other.data)
    code = (
        "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
        "from euclid_resolved_unet import read_unet\n"
        "from euclid_resolved.testing import example_galaxies\n"
        f"print(len(read_unet({str(path)!r}).predict_maps(example_galaxies(1)[0].image)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "3", done.stderr
    with pytest.raises(InputError, match="overwrite"):
        unet.write(path)
    with pytest.raises(InputError, match=r"\.npz"):
        unet.write(path.with_suffix(".asdf"))


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def record(path, **changes):
    text = json.loads(np.load(io.BytesIO(members(path)["record.npy"])).tobytes())
    return npy(np.frombuffer(json.dumps({**text, **changes}).encode(), np.uint8))


HUGE = npy(np.zeros(4, "f4")).replace(b"'shape': (4,), }" + b" " * 9, b"'shape': (4000000000,), }")
assert b"4000000000" in HUGE and len(HUGE) == len(npy(np.zeros(4, "f4")))

DAMAGE = {
    "pickle": lambda path: {"edges.npy": npy(np.array([{}], object), allow_pickle=True)},
    "huge": lambda path: {"bias_0.npy": HUGE},
    "no kernel": lambda path: {"kernel_1.npy": None},
    "other shape": lambda path: {"kernel_1.npy": npy(np.zeros((3, 3, 6, 7), "f4"))},
    "not finite": lambda path: {"bias_0.npy": npy(np.full(6, np.nan, "f4"))},
    "float64": lambda path: {"bias_0.npy": npy(np.zeros(6))},
    "other weights": lambda path: {"bias_6.npy": npy(np.arange(24, dtype="f4"))},
    "falling edges": lambda path: {"edges.npy": npy(np.zeros((3, 5)))},
    "no width": lambda path: {"width.npy": npy(np.zeros(4, "f4"))},
    "no guide": lambda path: {"guide.npy": npy(np.zeros(99, np.uint8))},
    "no text": lambda path: {"record.npy": npy(np.zeros(99, np.uint8))},
    "widths": lambda path: {"record.npy": record(path, widths=[6, 10**9])},
    "many widths": lambda path: {"record.npy": record(path, widths=[6] * 99)},
    "ways": lambda path: {"record.npy": record(path, ways=10**9)},
    "properties": lambda path: {"record.npy": record(path, properties=["mass"])},
    "twice": lambda path: {"record.npy": record(path, properties=["stellar_age"] * 3)},
    "format": lambda path: {"record.npy": record(path, format="other")},
    "training": lambda path: {"record.npy": record(path, training=3)},
    "scale": lambda path: {"record.npy": record(path, training={"pixel_scale": "wide"})},
    "foreign": lambda path: {"run.py": b"print(1)"},
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_refused(path, tmp_path, name):
    content, damaged = members(path) | DAMAGE[name](path), tmp_path / "damaged.npz"
    with zipfile.ZipFile(damaged, "w") as archive:
        for member, data in content.items():
            if data is not None:
                archive.writestr(member, data)
    with pytest.raises(ModelFileError, match=r"damaged\.npz: this is no U-Net"):
        read_unet(damaged)


def test_other_files_are_refused(path, tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        read_unet(tmp_path / "nowhere.npz")
    content = path.read_bytes()
    rng = np.random.default_rng(7)
    for cut in (0, 10, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.npz").write_bytes(content[:cut])
        with pytest.raises(ModelFileError):
            read_unet(tmp_path / "cut.npz")
    packed = tmp_path / "packed.npz"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("record.npy", b"0" * 2**20)
    with pytest.raises(ModelFileError, match="no plain array"):
        read_unet(packed)
    for _ in range(10):  # a byte somewhere: refused, or the same network
        spoilt = bytearray(content)
        spoilt[rng.integers(len(spoilt))] ^= 1 << int(rng.integers(8))
        (tmp_path / "spoilt.npz").write_bytes(spoilt)
        try:
            read_unet(tmp_path / "spoilt.npz")
        except ModelFileError:
            pass
