"""A scheduler that goes away: what was done stays done, and what is left goes on when it is back."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from helpers import ROOT, an_image

from euclid_resolved import predict_many, write
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._workers import SchedulerGone
from euclid_resolved.io._lock import hold
from euclid_resolved.survey import _many as module
from euclid_resolved.survey._piece import map_piece

ADDRESS = "tcp://somewhere:8786"


@pytest.fixture
def files(linear_model, tmp_path):
    """A model and four images."""
    write(tmp_path / "model.asdf", linear_model)
    for i in range(4):
        write(tmp_path / f"g{i}.asdf", an_image(seed=i, sigma=0.003, name=f"g{i}"))
    return tmp_path / "model.asdf", sorted(tmp_path.glob("g*.asdf")), tmp_path / "maps"


class Scheduler:
    """One that is gone after as many pieces as each of its lives says; each piece is then at work, too."""

    def __init__(self, *lives):
        self.lives, self.patience, self.given = list(lives), [], []

    @contextmanager
    def on_workers(self, workers, scheduler, most, patience):
        self.patience.append(patience)
        if not self.lives:
            raise InputError("no Dask scheduler answers")
        yield self

    def spread(self, function, pieces, ahead):
        self.given.append([piece["name"] for piece in pieces])
        life = self.lives.pop(0)
        for number, piece in enumerate(pieces[:life]):
            yield number, function(piece)
        if life < len(pieces):
            map_piece(pieces[life])  # whose result nobody hears of
            raise SchedulerGone


def test_what_is_left_is_given_to_the_scheduler_that_is_back(files, monkeypatch, caplog):
    model, images, out = files
    scheduler = Scheduler(2, 0, 9)
    monkeypatch.setattr(module, "on_workers", scheduler.on_workers)
    report = predict_many(model, images, out, scheduler=ADDRESS, progress=False)
    assert list(report["status"]) == ["mapped", "mapped", "kept", "mapped"]
    assert scheduler.given == [["g0", "g1", "g2", "g3"], ["g2", "g3"], ["g2", "g3"]]
    assert scheduler.patience == [None, module.BACK, module.BACK]
    assert "2 of 4 images are done" in caplog.text


def test_one_that_does_not_come_back_costs_no_image(files, monkeypatch):
    model, images, out = files
    with monkeypatch.context() as patch:
        patch.setattr(module, "on_workers", Scheduler(3).on_workers)
        with pytest.raises(InputError, match="what is done is kept: the same call goes on from there"):
            predict_many(model, images, out, scheduler=ADDRESS, progress=False)
    report = predict_many(model, images, out, progress=False)
    assert list(report["status"]) == ["kept"] * 4


def test_a_lock_is_waited_for_as_long_as_was_said(tmp_path):
    with hold(tmp_path / "maps.fits"):
        with pytest.raises(InputError, match="another job"), hold(tmp_path / "maps.fits", 0.2):
            pass
    with hold(tmp_path / "maps.fits", 0.2):
        pass


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_survey_in_miniature():
    """Workers are killed and the scheduler is: nothing is lost or done twice, all is as in one process."""
    pytest.importorskip("distributed")
    words = ["--fields", "24", "--workers", "2", "--kill", "1"]
    script = ROOT / "benchmarks" / "rehearsal.py"
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, timeout=880)
    assert done.returncode == 0, done.stderr
    found = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    found = {name: float(text.split()[0]) for name, text in found.items()}
    assert found["workers killed"] == 1 and found["scheduler restarted"] == 1
    assert found["lost"] == found["failed"] == found["mapped more than once"] == 0
    assert found["rows of the report"] == found["rows of the catalogue"] == found["same maps"] == 24
    assert found["same tables"] == 2
    assert "Traceback" not in done.stderr and "images are done, the others wait" in done.stderr
