"""Many images: serial and on workers the same bits, done once, and no image or worker stops the others."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import MappingProxyType

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from helpers import an_image, sky_wcs
from tiles import make_tile
from workers import die, die_once

from euclid_resolved import LinearRegression, plugins, read, train, write
from euclid_resolved.errors import InputError, ModelFileError
from euclid_resolved.estimators import Mean, _workers
from euclid_resolved.io import open_image
from euclid_resolved.survey import _many as module, _piece as _piece, predict_many
from euclid_resolved.survey._many import fields_of, name_images

pytestmark = pytest.mark.slow

SHAPE, N = (12, 14), 6


@pytest.fixture(scope="module")
def model(linear_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.asdf"
    write(path, linear_model)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i in range(N):
        write(folder / f"galaxy{i}.asdf", an_image(SHAPE, seed=i, sigma=0.003, name=f"galaxy{i}"))
    return sorted(folder.iterdir())


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def contents(folder):
    """The pixels and headers of all maps, but times and sums."""
    found, changing = {}, ("DATE", "CHECKSUM")
    for path in sorted(folder.glob("*_maps.fits")):
        with fits.open(path, checksum=True) as hdus:
            found[path.name] = [
                (hdu.data.tobytes(), {key: hdu.header[key] for key in hdu.header if key not in changing})
                for hdu in hdus
            ]
    return found


@pytest.fixture(scope="module")
def serial(model, images, tmp_path_factory):
    """What one process makes of the images."""
    folder = tmp_path_factory.mktemp("serial")
    predict_many(model, images, folder, draws=3)
    return folder


def test_any_mapping_names_its_images():
    named = name_images(MappingProxyType({"M 51": "/tiles/one.fits"}))
    assert named == [("M 51", "/tiles/one.fits", {})]


def test_the_maps_are_those_of_the_model(model, images, serial):
    report = Table.read(serial / "report.ecsv")
    assert list(report["name"]) == [f"galaxy{i}" for i in range(N)]
    assert set(report["status"]) == {"mapped"} and (report["judged"] > 0).all()
    for row, path in zip(report, images, strict=True):
        maps = read(serial / f"{row['name']}_maps.fits")
        alone = read(model).predict_maps(read(path), draws=3)
        for name, map_ in alone.items():
            np.testing.assert_array_equal(maps[name].data, map_.data)
            np.testing.assert_array_equal(maps[name].planes["noise"], map_.planes["noise"])
            np.testing.assert_array_equal(maps[name].quality, map_.quality)
        assert row["judged"] == (~map_.mask).sum()


def test_what_is_done_is_kept_and_what_is_missing_made(model, images, out, monkeypatch):
    predict_many(model, images[:3], out)
    before = contents(out)
    (out / "galaxy1_maps.fits").unlink()
    opened, original = [], open_image
    monkeypatch.setattr(_piece, "open_image", lambda s, *a, **k: opened.append(s) or original(s, *a, **k))
    report = predict_many(model, images[:4], out)
    assert list(report["status"]) == ["kept", "mapped", "kept", "mapped"]
    assert opened == [str(images[1]), str(images[3])] and (report["judged"] > 0).all()
    assert {name: contents(out)[name] for name in before} == before


@pytest.mark.parametrize("change", ["options", "model", "image"])
def test_maps_of_something_else_are_not_replaced_unasked(
    model, images, sample, out, tmp_path, linear_model, change
):
    path = tmp_path / "galaxy.asdf"
    write(path, read(images[0]))
    predict_many(model, [path], out)
    options = {"min_sn": 2.0} if change == "options" else {}
    if change == "image":
        write(path, read(images[1]), overwrite=True)
    if change == "model":
        model = tmp_path / "other.asdf"
        write(model, train(sample[:3], linear_model.properties, LinearRegression()))
    before = contents(out)
    report = predict_many(model, [path], out, **options)
    assert report["status"][0] == "failed" and "the file exists" in report["message"][0]
    assert contents(out) == before
    assert predict_many(model, [path], out, overwrite=True, **options)["status"][0] == "mapped"
    assert contents(out) != before


@pytest.mark.parametrize("damage", [b"SIMPLE", b"", None])
def test_a_file_in_the_way_that_has_no_record_is_not_replaced(model, images, out, damage):
    path = out / "galaxy0_maps.fits"
    if damage is None:  # maps, and the record of these, but not the counts that go with it
        predict_many(model, images[:1], out)
        fits.delval(path, "NJUDGED")
    else:
        path.write_bytes(damage)
    report = predict_many(model, images[:1], out)
    assert report["status"][0] == "failed" and "the file exists" in report["message"][0]
    assert predict_many(model, images[:1], out, overwrite=True)["status"][0] == "mapped"


def test_a_broken_image_does_not_stop_the_others(model, images, out, tmp_path):
    bad = tmp_path / "bad.asdf"
    bad.write_bytes(images[0].read_bytes()[:3000])
    dark = tmp_path / "dark.asdf"
    write(dark, an_image(SHAPE, sigma=1e6))
    report = predict_many(model, [images[0], bad, tmp_path / "none.fits", dark, images[1]], out)
    assert list(report["status"]) == ["mapped", "failed", "failed", "mapped", "mapped"]
    assert "bad.asdf" in report["message"][1] and "no such file" in report["message"][2]
    assert "can be estimated" in report["message"][3] and report["judged"][3] == 0
    assert "\n" not in "".join(report["message"])
    assert len(list(out.glob("*_maps.fits"))) == 3 and len(list(out.iterdir())) == 4


@pytest.mark.filterwarnings("ignore:the image brings no PSF")
def test_fields_of_a_tile_are_cut_and_mapped(model, tmp_path, out):
    tile = make_tile(tmp_path / "tile")
    ra, dec = sky_wcs((41, 37)).pixel_to_world_values([10, 20, 18], [10, 30, 25])
    table = Table({"ra": ra, "dec": dec, "radius": [1.0, 0.8, 1.2]})
    report = predict_many(model, fields_of(tile, table), out)
    assert set(report["status"]) == {"mapped"}, report["message"]
    name = report["name"][1]
    assert name.startswith("J63.5") and "-49.2" in name
    image = open_image(tile, position=(ra[1], dec[1]), size=1.6)
    alone = read(model).predict_maps(image)["stellar_age"]
    map_ = read(out / f"{name}_maps.fits")["stellar_age"]
    assert map_.data.shape == (16, 16)
    np.testing.assert_array_equal(map_.data, alone.data)
    table["name"] = ["a", "b", "c"]
    table["radius"].unit = "arcmin"
    for kind in (Table, QTable):
        assert fields_of(tile, kind(table))["b"][1]["size"] == pytest.approx(96)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ra": [1.0], "dec": [2.0]}, "no column radius"),
        ({"ra": [np.nan], "dec": [2.0], "radius": [1.0]}, "column ra"),
        ({"ra": [1.0], "dec": [2.0], "radius": [0.0]}, "column radius"),
        ({"ra": ["a"], "dec": [2.0], "radius": [1.0]}, "column ra must hold numbers"),
        ({"ra": [1.0], "dec": [2.0], "radius": [1.0] * u.Mpc}, "column radius must hold numbers in arcsec"),
        ({"ra": MaskedColumn([1.0], mask=[True]), "dec": [2.0], "radius": [1.0]}, "without a value"),
        ({"ra": [1.0, 1.0], "dec": [2.0, 2.0], "radius": [1.0, 1.0]}, "the same name"),
    ],
)
def test_tables_that_are_no_positions_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        fields_of("tiles", Table(columns))


def test_bad_input_is_refused_before_anything_is_mapped(model, images, out, linear_model, tmp_path):
    for wrong, message in (
        (str(images[0]), "a list of images is needed"),
        ([], "no image is given"),
        ([3], "a path or a pair"),
        ([images[0], images[0]], "the same name"),
        ([("a/b", images[0])], "cannot be the name"),
    ):
        with pytest.raises(InputError, match=message):
            predict_many(model, wrong, out)
    with pytest.raises(InputError, match="the path of a model file"):
        predict_many(linear_model, images, out)
    with pytest.raises(ModelFileError, match="holds an image, not a model"):
        predict_many(images[0], images, out)
    with pytest.raises(InputError, match="is no folder"):
        predict_many(model, images, out / "maps.fits")
    with pytest.raises(InputError, match="not both"):
        predict_many(model, images, out, workers=2, scheduler="tcp://localhost:1")
    with pytest.raises(InputError, match="workers must be"):
        predict_many(model, images, out, workers=0)
    assert not list(out.iterdir())


def test_another_model_in_its_place_is_refused(model, images, out):
    piece = {"model": [str(model), "0" * 64], "name": "a"}
    with pytest.raises(ModelFileError, match="this is another model .* than the one meant"):
        _piece.map_piece(piece)


def test_without_dask_one_line_says_what_to_install(model, images, out, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(InputError, match=r"pip install 'euclid_resolved\[dask\]'"):
        predict_many(model, images, out, workers=2)


# With Dask


def test_two_workers_of_its_own_give_the_same_bits(model, images, out, serial):
    pytest.importorskip("distributed")
    report = predict_many(model, images, out, workers=2, draws=3)
    assert list(report["name"]) == [f"galaxy{i}" for i in range(N)]
    assert set(report["status"]) == {"mapped"}, report["message"]
    assert contents(out) == contents(serial)


def test_a_killed_worker_costs_its_piece_only(model, images, out, serial, cluster, tmp_path, monkeypatch):
    marker = tmp_path / "killed"
    monkeypatch.setattr(module, "map_piece", partial(die_once, marker=str(marker)))
    report = predict_many(model, images, out, scheduler=cluster, draws=3)
    # What the worker had mapped before is found again.
    assert marker.exists() and set(report["status"]) <= {"mapped", "kept"}, report["message"]
    assert contents(out) == contents(serial)


def test_a_piece_that_kills_its_workers_takes_no_other_with_it(model, images, out, serial, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(module, "map_piece", die)
    report = predict_many(model, images, out, workers=2, draws=3)
    rest = [name for name in report["name"] if name != "galaxy2"]
    assert set(report["status"][report["name"] != "galaxy2"]) <= {"mapped", "kept"}, report["message"]
    assert "its worker died, alone with it too" in report["message"][report["name"] == "galaxy2"][0]
    assert sorted(contents(out)) == [f"{name}_maps.fits" for name in rest]


def test_a_scheduler_that_is_not_there_or_has_no_worker_is_said_within_seconds(
    model, images, out, monkeypatch
):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(_workers, "PATIENCE", 1.0)
    began = time.monotonic()
    for address in ("tcp://127.0.0.1:1", "nonsense", "http://[::1"):
        with pytest.raises(InputError, match="no Dask scheduler answers at"):
            predict_many(model, images, out, scheduler=address)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        with pytest.raises(InputError, match="has no worker after 1 s"):
            predict_many(model, images, out, scheduler=empty.scheduler_address)
    assert time.monotonic() - began < 30


def test_a_worker_without_the_plugin_is_named(images, out, sample, cluster, tmp_path):
    @plugins.hookimpl
    def register_estimators():
        return {"mine": type("Mine", (Mean,), {})}

    plugins.register(register_estimators)
    try:
        mine = plugins.lookup("estimators", "mine")()
        write(tmp_path / "mine.asdf", train(sample, "stellar_age", mine))
        with pytest.raises(ModelFileError, match=r"on the worker tcp://.*estimator 'mine'"):
            predict_many(tmp_path / "mine.asdf", images, out, scheduler=cluster)
    finally:
        plugins.unregister(register_estimators)


@pytest.mark.parametrize(
    "name, wrong, message",
    [
        ("PACKAGE", "no_such_package", r"the worker tcp://.* has no no_such_package: install"),
        ("__version__", "99.0", r"has euclid_resolved .*, this process 99\.0"),
    ],
)
def test_a_worker_with_another_package_is_named(
    model, images, out, cluster, monkeypatch, name, wrong, message
):
    monkeypatch.setattr(_workers, name, wrong)
    with pytest.raises(InputError, match=message):
        predict_many(model, images, out, scheduler=cluster)


def test_each_image_is_a_line_where_there_is_no_terminal(model, images, out, capsys):
    predict_many(model, images[:2], out)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" pixels")[0].rsplit(" ", 1)[0] for line in lines] == [
        "galaxy0: mapped", "galaxy1: mapped",
    ]  # fmt: skip


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from euclid_resolved.cli import main
from euclid_resolved.survey import _many

def slow(piece):
    Path(MARKER).touch()
    time.sleep(60)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where this runs in the background
    _many.map_piece = slow
    sys.exit(main(["predict", *WORDS, "--workers", "2"]))
"""


def test_an_interrupt_is_one_line(model, images, out, tmp_path):
    """Ctrl-C reaches the workers, too: they are in the same group of processes."""
    pytest.importorskip("distributed")
    marker, script = tmp_path / "started", tmp_path / "script.py"
    words = [str(model), *map(str, images), "-o", str(out)]
    script.write_text(INTERRUPTED.replace("MARKER", repr(str(marker))).replace("WORDS", repr(words)))
    run = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        for _ in range(600):
            if marker.exists() or run.poll() is not None:
                break
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=60)[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 130, said
    assert said.splitlines() == ["euclid-resolved: interrupted; nothing was half written"]


def test_a_broken_image_among_good_ones_and_resumed(model, images, out, serial, cluster, tmp_path):
    bad = tmp_path / "bad.asdf"
    bad.write_bytes(b"#ASDF 1.0.0\n")
    predict_many(model, images[:2], out, draws=3)
    report = predict_many(model, [*images, bad], out, scheduler=cluster, draws=3)
    assert list(report["status"]) == ["kept"] * 2 + ["mapped"] * (N - 2) + ["failed"]
    assert contents(out) == contents(serial)


def test_a_worker_with_another_model_ends_the_run(model, images, out, cluster, tmp_path, monkeypatch):
    elsewhere = tmp_path / "model.asdf"
    elsewhere.write_bytes(Path(model).read_bytes())
    original = module.read_model

    class Seen:
        digest = "0" * 64

    monkeypatch.setattr(
        module, "read_model", lambda path: Seen if Path(path) == elsewhere else original(path)
    )
    with pytest.raises(ModelFileError, match="this is another model"):
        predict_many(elsewhere, images, out, scheduler=cluster)
    assert not list(out.glob("*_maps.fits"))
