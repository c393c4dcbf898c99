"""Training on workers: the same models, tables and files as in one process, to the last bit."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from workers import grow_or_die_once

from euclid_resolved import (
    InputError,
    LinearRegression,
    RandomForest,
    lofo,
    make_atlas,
    read_atlas,
    train,
)
from euclid_resolved.errors import ImageFileError
from euclid_resolved.estimators import ExtraTrees, _trees
from euclid_resolved.io import read, read_sample, write_sample
from euclid_resolved.testing import example_galaxies
from euclid_resolved.training import extract, search

FOREST = RandomForest(n_trees=6, n_jobs=1, joint=True, max_samples=300)
PROPERTIES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")


@pytest.fixture(scope="module")
def galaxies():
    return example_galaxies(8)


@pytest.fixture(scope="module")
def sample(galaxies, tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("some") / "sample", galaxies)


@pytest.mark.parametrize(
    "estimator, options",
    [
        (FOREST, {}),
        (FOREST, {"missing_bands": 0.3}),
        (LinearRegression(), {"calibration": 3}),
        pytest.param(ExtraTrees(n_trees=3, n_jobs=1, max_samples=200), {}, marks=pytest.mark.slow),
        pytest.param(
            RandomForest(n_trees=3, n_jobs=-1), {"chain": True, "calibration": 3}, marks=pytest.mark.slow
        ),
    ],
    ids=["joint", "missing bands", "linear, folds", "scikit-learn's trees", "chained, folds"],
)
@pytest.mark.filterwarnings("ignore:intervals calibrated on:")
def test_a_model_is_the_same_to_the_last_bit(sample, cluster, estimator, options):
    alone = train(sample, PROPERTIES, estimator, **options)
    assert train(sample, PROPERTIES, estimator, scheduler=cluster, **options).digest == alone.digest


@pytest.mark.slow
def test_tables_are_the_same(galaxies, sample, cluster):
    model = train(sample, PROPERTIES, FOREST)
    for pixels in (sample, extract(galaxies, PROPERTIES)):  # in files, which are sent by name, and in memory
        alone, there = lofo(model, pixels, pixels), lofo(model, pixels, pixels, scheduler=cluster)
        assert alone.colnames == there.colnames and (alone.as_array() == there.as_array()).all()
    settings = {"min_samples_leaf": [5, 300]}
    tables = [
        search(sample, FOREST, settings, k=3, fraction=0.5, **on) for on in ({}, {"scheduler": cluster})
    ]
    for name in ("min_samples_leaf", "r2", "r2_scatter"):
        np.testing.assert_array_equal(*(table[name] for table in tables))


def contents(folder):
    """All files but locks, whose pixels and headers are compared byte by byte."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_an_atlas_and_its_sample_are_the_same_and_go_on_where_they_stopped(cluster, tmp_path):
    make_atlas(tmp_path / "alone", 4, pixels=16)
    make_atlas(tmp_path / "there", 2, pixels=16)
    make_atlas(tmp_path / "there", 4, pixels=16, scheduler=cluster)
    assert contents(tmp_path / "there") == contents(tmp_path / "alone")
    found = read_atlas(tmp_path / "alone")
    path = next((tmp_path / "there").glob("TNG000003*_stellarmass.fits"))
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    words = {"scheduler": cluster}
    with pytest.raises(InputError, match="TNG000003"):
        write_sample(tmp_path / "b", read_atlas(tmp_path / "there"), **words)
    with pytest.raises(ImageFileError, match="2 of 4 galaxies"):
        read_sample(tmp_path / "b")
    path.write_bytes(whole)
    write_sample(tmp_path / "a", found)
    write_sample(tmp_path / "b", read_atlas(tmp_path / "there"), **words)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.slow
def test_the_commands_take_workers(cluster, tmp_path, capsys):
    from euclid_resolved.cli import main

    atlas = make_atlas(tmp_path / "atlas", 6, pixels=16)
    on = ["--scheduler", cluster]
    for words in (
        ["atlas", "observe", atlas, "-o", tmp_path / "far", *on],
        ["atlas", "observe", atlas, "-o", tmp_path / "near"],
        ["atlas", "extract", tmp_path / "far", "-o", tmp_path / "sample", *on],
        ["train", tmp_path / "sample", "-o", tmp_path / "a.asdf", "--set", "n_trees=3", *on],
        ["train", tmp_path / "sample", "-o", tmp_path / "b.asdf", "--set", "n_trees=3"],
        ["diagnose", "lofo", tmp_path / "a.asdf", tmp_path / "sample", "-o", tmp_path / "there", *on],
        ["diagnose", "lofo", tmp_path / "a.asdf", tmp_path / "sample", "-o", tmp_path / "alone"],
    ):
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    assert contents(tmp_path / "far") == contents(tmp_path / "near")
    assert read(tmp_path / "a.asdf").digest == read(tmp_path / "b.asdf").digest
    assert contents(tmp_path / "there")["lofo.ecsv"] == contents(tmp_path / "alone")["lofo.ecsv"]


@pytest.mark.slow
def test_a_killed_worker_costs_its_trees_only(sample, cluster, tmp_path, monkeypatch):
    forest = RandomForest(n_trees=12, n_jobs=1, joint=True)
    alone = train(sample, PROPERTIES, forest)
    monkeypatch.setattr(_trees, "_grow_there", partial(grow_or_die_once, marks=tmp_path))
    assert train(sample, PROPERTIES, forest, scheduler=cluster).digest == alone.digest
    assert (tmp_path / "killed").exists()
    # Grown again is the tree at work, and what had not been fetched yet.
    assert 12 <= len(list(tmp_path.glob("grown *"))) <= 12 + 2 * _trees._AHEAD


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
from euclid_resolved.cli import main
from euclid_resolved.estimators import _trees

def slow(*args):
    Path(MARKER).touch()
    time.sleep(60)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where this runs in the background
    _trees._grow_there = slow
    sys.exit(main(["train", *WORDS, "--workers", "2"]))
"""


def at_work(group):
    """The processes of a group, without those that have ended and that nobody has asked about."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, own = path.read_text().rpartition(")")[2].split()[:3]
            found += [path.parent.name] if int(own) == group and state not in "ZX" else []
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_an_interrupt_leaves_nothing_behind(sample, tmp_path):
    pytest.importorskip("distributed")
    script, marker = tmp_path / "script.py", tmp_path / "marker"
    folder = Path(sample.brightness["IE"].filename).parent
    words = [str(folder), "-o", str(tmp_path / "model.asdf")]
    script.write_text(INTERRUPTED.replace("MARKER", repr(str(marker))).replace("WORDS", repr(words)))
    run = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path
    )
    try:
        while run.poll() is None and not marker.exists():
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=60)[1]
        for _ in range(300):  # a process that tracks resources ends when it sees that the others have
            if not at_work(run.pid):
                break
            time.sleep(0.1)
        assert not at_work(run.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 130, said
    assert said.splitlines()[-1] == "euclid-resolved: interrupted; nothing was half written"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marker", "script.py"]


# Without Dask


def test_without_dask_one_line_says_what_to_install(galaxies, tmp_path, monkeypatch):
    model, pixels = train(galaxies, estimator=LinearRegression()), extract(galaxies, PROPERTIES)
    monkeypatch.setitem(sys.modules, "dask", None)
    for call in (
        lambda: train(galaxies, estimator=FOREST, workers=2),
        lambda: lofo(model, galaxies[:6], galaxies[6:], workers=2),
        lambda: search(pixels, FOREST, {"max_depth": [2]}, scheduler="tcp://localhost:1"),
        lambda: make_atlas(tmp_path / "atlas", 2, workers=2),
        lambda: write_sample(tmp_path / "sample", galaxies, workers=2),
    ):
        with pytest.raises(InputError, match=r"pip install 'euclid_resolved\[dask\]'"):
            call()
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="not both"):
        train(galaxies, estimator=FOREST, workers=2, scheduler="tcp://localhost:1")


def test_a_sample_is_sent_by_its_name_and_its_digest(sample, tmp_path):
    some = sample.of(sample.names[2:5])
    sent = pickle.dumps(some)
    assert len(sent) < 20_000 < 28 * len(sample)
    again = pickle.loads(sent)
    assert again.digest == some.digest and again.counts == some.counts
    write_sample(tmp_path / "sample", example_galaxies(3))
    other = pickle.dumps(read_sample(tmp_path / "sample"))
    write_sample(tmp_path / "sample", example_galaxies(2), overwrite=True)
    with pytest.raises(ImageFileError, match="another sample than the one meant"):
        pickle.loads(other)


def test_of_pixels_in_memory_those_chosen_are_sent(galaxies):
    pixels = extract(galaxies, PROPERTIES)
    some = pixels.of(pixels.names[2:4])
    assert pickle.loads(pickle.dumps(some)).digest == some.digest
    assert len(pickle.dumps(some)) < len(pickle.dumps(pixels)) / 3


# Draws


def test_a_draw_is_that_of_the_seed_and_the_same_from_files(galaxies, sample):
    memory = extract(galaxies, tuple(sample.truth))
    drawn = sample.draw(500, seed=3)
    assert len(drawn) == 500 == sum(drawn.counts) and drawn.names == sample.names
    assert drawn.digest == memory.draw(500, seed=3).digest != sample.draw(500, seed=4).digest
    part = sample.of(sample.names[1:3])  # runs of rows
    values = np.concatenate([memory.brightness["IE"][sum(memory.counts[:1]) : sum(memory.counts[:3])]])
    some = part.draw(len(part) // 3, seed=1)
    assert np.isin(some.brightness["IE"], values).all() and some.names == part.names
    assert sample.draw(len(sample)) is sample
    for wrong in (0, 2.5):
        with pytest.raises(InputError, match="the number of pixels to draw"):
            sample.draw(wrong)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_every_pixel_is_drawn_as_often(sample, share):
    from euclid_resolved.training._sample import _drawn

    n, times = 50, np.zeros(50)
    for seed in range(400):
        rows = _drawn(n, int(share * n), np.random.default_rng(seed))
        assert (np.diff(rows) > 0).all() and len(rows) == int(share * n)
        times[rows] += 1
    expected = 400 * share
    assert np.abs(times - expected).max() < 5 * np.sqrt(expected * (1 - share))


@pytest.mark.slow
def test_a_model_of_a_draw_says_so_and_one_of_all_is_what_it_was(sample):
    alone = train(sample, PROPERTIES, FOREST)
    assert train(sample, PROPERTIES, FOREST, max_pixels=len(sample)).digest == alone.digest
    model = train(sample, PROPERTIES, FOREST, max_pixels=600)
    record = model.training
    assert (record["max_pixels"], record["drawn_from"]) == (600, len(sample))
    assert record["n_pixels"] + record["n_validation_pixels"] == 600
