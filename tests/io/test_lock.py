"""One output, one job; no output over an input; nothing left behind by what was killed."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from astropy.table import Table
from helpers import an_image
from tiles import make_tile

from euclid_resolved import InputError, make_atlas, predict_many, predict_tile, read, read_atlas, write
from euclid_resolved.cli import main
from euclid_resolved.errors import printable
from euclid_resolved.io import write_sample
from euclid_resolved.io._files import atomic_path
from euclid_resolved.io._leftovers import _machine, fitting_name, sweep, temporary_name
from euclid_resolved.io._lock import check_apart, hold, lock_path
from euclid_resolved.survey._many import name_images

HELD = rf"another job is writing it \(process {os.getpid()} on {socket.gethostname()}, since 20\d\d-"


# One output, one job


def test_the_loser_says_who_holds_it(tmp_path):
    path = tmp_path / "maps.fits"
    with hold(path):
        record = json.loads(lock_path(path).read_text())
        assert record["process"] == os.getpid() and record["host"] == socket.gethostname()
        for _ in range(2):  # the first loser leaves the record to the second
            with pytest.raises(InputError, match=HELD) as error, hold(path):
                pass
            assert "\n" not in str(error.value)
        with hold(tmp_path / "other.fits"):
            pass
    assert not list(tmp_path.iterdir())
    with hold(path):
        pass


def test_a_link_is_locked_as_the_file_behind_it(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "maps.fits"
    link.symlink_to(tmp_path / "elsewhere" / "maps.fits")
    with hold(link), pytest.raises(InputError, match="another job"), hold(tmp_path / "elsewhere/maps.fits"):
        pass


HOLDER = """
import sys, time
from euclid_resolved.io._lock import hold
with hold(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_goes_with_its_process(tmp_path):
    path = tmp_path / "maps.fits"
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {child.pid} on"), hold(path):
            pass
    finally:
        child.kill()
        child.communicate()
    assert lock_path(path).exists()
    with hold(path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_file_that_says_nothing_is_no_riddle(tmp_path):
    path = tmp_path / "maps.fits"
    for content in ("", "[]", '{"process": 1}', '{"process": "\x1b[31m", "host": "\\u001b[2J", "since": 1}'):
        with hold(path):
            lock_path(path).write_text(content)
            with pytest.raises(InputError, match="another job is writing it") as error, hold(path):
                pass
            assert str(error.value).isprintable()


@pytest.fixture
def tile(tmp_path):
    return make_tile(tmp_path / "tile")


def test_a_second_tile_job_does_not_take_the_part_of_the_first(
    linear_model, tile, tmp_path, monkeypatch, capsys
):
    """While the first writes its second strip, another with other options and --overwrite begins."""
    from euclid_resolved.survey import _tile as module

    path, model = tmp_path / "maps.fits", tmp_path / "model.asdf"
    write(model, linear_model)
    original, met = module.StripFile.write, []

    def write_beside_another(self, start, planes):
        if start == 8 and not met:
            met.append("first")
            with pytest.raises(InputError, match=HELD):
                predict_tile(linear_model, tile, path, rows=8, min_sn=1.0, overwrite=True)
            command = ["predict", str(model), str(tile), "-o", str(path), "--strips", "--overwrite"]
            assert main(command) == 1
            met.append(capsys.readouterr().err)
        return original(self, start, planes)

    monkeypatch.setattr(module.StripFile, "write", write_beside_another)
    count = predict_tile(linear_model, tile, path, rows=8, n_jobs=1)
    assert met[1].count("\n") == 1 and "another job is writing it" in met[1]
    predict_tile(linear_model, tile, tmp_path / "alone.fits", rows=8, n_jobs=1)
    ours, alone = read(path), read(tmp_path / "alone.fits")
    assert all((ours[name].quality == alone[name].quality).all() for name in ours) and count.judged
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alone.fits", "maps.fits", "model.asdf", "tile"]


def test_one_job_a_folder(sample, linear_model, tmp_path):
    (tmp_path / "sample").mkdir()
    with hold(tmp_path / "sample" / "sample.json"), pytest.raises(InputError, match=HELD):
        write_sample(tmp_path / "sample", sample[:2], overwrite=True)
    assert len(write_sample(tmp_path / "sample", sample[:2]).names) == 2
    assert not list((tmp_path / "sample").glob(".*"))

    (tmp_path / "atlas").mkdir()
    with hold(tmp_path / "atlas" / "sample.txt"), pytest.raises(InputError, match=HELD):
        make_atlas(tmp_path / "atlas", 1, pixels=8)
    assert not list((tmp_path / "atlas").glob("*"))

    write(tmp_path / "model.asdf", linear_model)
    write(tmp_path / "one.asdf", an_image())
    write(tmp_path / "two.asdf", an_image(seed=2))
    images, out = [tmp_path / "one.asdf", tmp_path / "two.asdf"], tmp_path / "out"
    out.mkdir()
    with hold(out / "report.ecsv"), pytest.raises(InputError, match=HELD):
        predict_many(tmp_path / "model.asdf", images, out, progress=False)
    # One map is being written by a job of another kind: the other map is made.
    with hold(out / "one_maps.fits"):
        report = predict_many(tmp_path / "model.asdf", images, out, progress=False)
    assert list(report["status"]) == ["failed", "mapped"] and "another job" in report["message"][0]
    assert sorted(p.name for p in out.iterdir()) == ["report.ecsv", "two_maps.fits"]


# No output over an input


@pytest.mark.parametrize("how", ["same", "dots", "symbolic link", "hard link"])
def test_an_output_is_no_input(tmp_path, how):
    image, output = tmp_path / "image.fits", tmp_path / "maps.fits"
    image.write_bytes(b"the only one")
    if how == "same":
        output = image
    elif how == "dots":
        (tmp_path / "sub").mkdir()
        output = tmp_path / "sub" / ".." / "image.fits"
    elif how == "symbolic link":
        output.symlink_to(image)
    else:
        os.link(image, output)
    with pytest.raises(InputError, match="this is the input"):
        check_apart([tmp_path / "new.fits", output], [tmp_path / "none.fits", image])
    check_apart([tmp_path / "new.fits"], [image])


@pytest.fixture
def model(linear_model, tmp_path):
    write(tmp_path / "model.asdf", linear_model)
    return str(tmp_path / "model.asdf")


def refused(words, capsys, *files):
    """That a command ends with one line, and leaves files as they are."""
    before = [file.read_bytes() for file in files]
    capsys.readouterr()
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "this is the input" in said and said.count("\n") == 1
    assert [file.read_bytes() for file in files] == before


def test_predict_destroys_no_input(model, tile, tmp_path, capsys):
    image = tmp_path / "image.asdf"
    write(image, an_image())
    link = tmp_path / "link.asdf"
    link.symlink_to(image)
    for output in (image, link):
        refused(["predict", model, str(image), "-o", str(output), "--overwrite"], capsys, image)
    refused(["predict", model, str(image), "-o", model, "--overwrite"], capsys, tmp_path / "model.asdf")
    # One of several files, a companion that was not named, and the figure.
    vis, rms = next(tile.glob("*BGSUB*VIS*")), next(tile.glob("*VIS-RMS*"))
    picture = tmp_path / "maps.png"
    picture.symlink_to(vis)
    words = [f"{band}={next(tile.glob(f'*BGSUB*{name}_*'))}" for band, name in (("IE", "VIS"), ("YE", "Y"))]
    for source in ([str(tile)], words):
        for output in (vis, rms):
            refused(["predict", model, *source, "-o", str(output), "--overwrite"], capsys, vis, rms)
        new = str(tmp_path / "new.fits")
        refused(["predict", model, *source, "-o", new, "--figure", str(picture), "--overwrite"], capsys, vis)


def test_predict_replaces_no_other_galaxy_of_an_atlas(model, atlas, capsys):
    other, table = next(atlas.glob("TNG000002_O5_stellarmass.fits")), next(atlas.glob("*.txt"))
    link = atlas.parent / "linked.fits"
    link.symlink_to(table)
    for output in (other, link):
        refused(
            ["predict", model, str(atlas / "TNG000001_O5"), "-o", str(output), "--overwrite"],
            capsys,
            other,
            table,
        )
    link.unlink()


def test_a_tile_is_not_written_over_itself(linear_model, tile, tmp_path):
    vis = next(tile.glob("*BGSUB*VIS*"))
    before = vis.read_bytes()
    with pytest.raises(InputError, match="this is the input"):
        predict_tile(linear_model, tile, vis, overwrite=True)
    # What a tile is called while it grows counts as well.
    part = tmp_path / "maps.fits.part"
    part.symlink_to(vis)
    with pytest.raises(InputError, match="this is the input"):
        predict_tile(linear_model, tile, tmp_path / "maps.fits", overwrite=True)
    assert vis.read_bytes() == before and part.is_symlink()


def test_many_images_are_not_written_over_each_other(model, tile, tmp_path, capsys):
    write(tmp_path / "a.asdf", an_image())
    other = tmp_path / "a_maps.fits"
    write(tmp_path / "kept.asdf", an_image(seed=3))
    other.symlink_to(tmp_path / "kept.asdf")
    images = [tmp_path / "a.asdf", tmp_path / "kept.asdf"]
    before = images[1].read_bytes()
    with pytest.raises(InputError, match="this is the input"):
        predict_many(model, images, tmp_path, overwrite=True, progress=False)
    # The report is not written over the table that names the fields.
    table = tmp_path / "report.ecsv"
    Table({"ra": [150.0], "dec": [2.0], "radius": [3.0]}).write(table, format="ascii.ecsv")
    command = ["predict", model, str(tile), "--table", str(table), "-o", str(tmp_path), "--overwrite"]
    refused(command, capsys, table)
    assert images[1].read_bytes() == before


def test_a_model_or_a_table_replaces_nothing_of_an_atlas_or_sample(atlas, sample, model, tmp_path, capsys):
    galaxy = next(atlas.glob("*_stellarmass.fits"))
    link = tmp_path / "new.asdf"
    link.symlink_to(galaxy)
    refused(["train", str(atlas), "-o", str(link), "--estimator", "linear", "--overwrite"], capsys, galaxy)
    write_sample(tmp_path / "sample", sample[:3])
    column = next((tmp_path / "sample").glob("*.f4"))
    link.unlink()
    link.symlink_to(column)
    words = ["train", str(tmp_path / "sample"), "-o", str(link), "--estimator", "linear", "--overwrite"]
    refused(words, capsys, column)
    (tmp_path / "lofo.ecsv").symlink_to(galaxy)
    refused(["diagnose", "lofo", model, str(atlas), "-o", str(tmp_path), "--overwrite"], capsys, galaxy)
    with pytest.raises(InputError, match="name a folder for the sample alone"):
        write_sample(atlas, read_atlas(atlas)[:2], overwrite=True)


# What was killed leaves nothing


def left(folder, name, age=0.0):
    path = folder / name
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_temporary_files_of_killed_runs_are_removed_by_the_next(tmp_path):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    gone, here = int(child.stdout), _machine()
    there = "00000000" if here != "00000000" else "11111111"
    dead = left(tmp_path, f".euclid-resolved-{here}-{gone}-0123abcd.fits")
    old = left(tmp_path, f".euclid-resolved-{there}-1-0123abcd.asdf", age=90_000)
    kept = [
        left(tmp_path, temporary_name(".fits")),  # of this process
        left(tmp_path, f".euclid-resolved-{there}-{gone}-0123abcd.fits"),  # of another host
        left(tmp_path, ".euclid-resolved-maps.fits.lock", age=90_000),
        left(tmp_path, ".euclid-resolved-notes.txt", age=90_000),  # a name that we do not give
        left(tmp_path, "maps.fits", age=90_000),
    ]
    (tmp_path / f".euclid-resolved-{here}-{gone}-00000000.fits").mkdir()
    with atomic_path(tmp_path / "new.txt") as path:
        path.write_text("new")
    assert not dead.exists() and not old.exists() and all(path.exists() for path in kept)
    assert (tmp_path / f".euclid-resolved-{here}-{gone}-00000000.fits").is_dir()


def test_files_of_others_are_left_alone(tmp_path, monkeypatch):
    old = left(tmp_path, f".euclid-resolved-{_machine()}-1-0123abcd.asdf", age=90_000)
    monkeypatch.setattr(os, "getuid", lambda: old.stat().st_uid + 1)
    sweep(tmp_path)
    assert old.exists()


# Names


def test_long_names(linear_model, tile, tmp_path):
    name = 240 * "m" + ".fits"
    count = predict_tile(linear_model, tile, tmp_path / name, rows=20)
    assert count.judged and [p.name for p in tmp_path.iterdir() if p != tile] == [name]
    for letters in (245 * "m", 122 * "ö"):
        write(tmp_path / f"{letters}.asdf", an_image())
        assert read(tmp_path / f"{letters}.asdf").shape == (12, 14)
    for wrong in (260 * "m" + ".asdf", 130 * "ö" + ".asdf"):
        with pytest.raises(InputError, match=r"a name of \d+ bytes is too long, a file has at most 255"):
            write(tmp_path / wrong, an_image())
    with pytest.raises(InputError, match="too long"):
        name_images({250 * "m": "a.fits"})


@pytest.mark.parametrize("name", ["maps.fits", 250 * "m", 127 * "ö", 83 * "星" + "x.fits", "\udcff" * 250])
def test_a_name_with_an_ending_more_fits(name):
    made = fitting_name(name, ".part")
    assert made.endswith(".part") and len(os.fsencode(made + ".json")) <= 255
    assert made == fitting_name(name, ".part") != fitting_name(name + "x", ".part")


EVIL = "a\x1b]0;owned\x07\x1b[31m\u202eb"


def test_what_a_terminal_would_obey_is_written_as_an_escape(tmp_path, capsys):
    assert printable("Größe 星 µ ± é\n") == "Größe 星 µ ± é\n"
    assert printable("\x1b[2J\r\udcff\x9b") == r"\x1b[2J\r\udcff\x9b"
    path = tmp_path / f"{EVIL}.asdf"
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value).isprintable() and r"\x1b]0;owned\x07" in str(error.value)
    # In what went well, in errors, and in what argparse says.
    write(path, an_image(name=EVIL))
    assert main(["info", str(path)]) == 0
    assert main(["info", str(tmp_path / f"{EVIL}.none")]) == 1
    for words in ([EVIL], ["predict", str(path), str(tmp_path / EVIL), "-o", str(tmp_path / "x.fits")]):
        with pytest.raises(SystemExit):
            main(words)
    said = capsys.readouterr()
    assert r"\x1b]0;owned\x07" in said.out and said.err.count(r"\x1b]0;owned\x07") >= 3
    for text in (said.out, said.err):
        assert text.replace("\n", "").replace("\t", "").isprintable()


IMPORTING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
import euclid_resolved
sys.meta_path.insert(0, Interrupting())
sys.argv = ["euclid-resolved", "plugins"]
from euclid_resolved.__main__ import run
sys.exit(run())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["euclid_resolved.cli._main", "argparse", "euclid_resolved.cli._info", "numpy"]
)
def test_an_interrupt_while_modules_are_imported_is_one_line(name):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING.format(name=name)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130
    assert done.stderr.startswith("euclid-resolved: interrupted") and done.stderr.count("\n") == 1
