"""A study says beforehand how long it takes, keeps to a budget, and is the same side by side on workers."""

import json
from functools import partial

import pytest
from studies import STUDY, study_file
from workers import train_or_die

from euclid_resolved import InputError, make_atlas, read
from euclid_resolved.cli import main
from euclid_resolved.study import _spread, read_study, reproduce
from euclid_resolved.study._clock import forecast
from euclid_resolved.study._plan import all_trainings
from euclid_resolved.study._readings import galaxies_of, readings_of
from euclid_resolved.study._runner import Runner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # workers import all that a study needs, twice each

PARTS = {
    "Table 3": 'run = "accuracy"\ninputs = ["HE", "bands"]',
    "Table 7": 'run = "leave_one_out"\nestimators = ["RF"]\nruns = 2',
    "Table A.1": 'run = "projections_test"\nestimators = ["LR"]',
    "Table D.1": 'run = "colours_test"\nestimators = ["LR"]',
    "Depth": 'run = "observed"\nestimators = ["LR"]\ndepth = [1.0, 0.1]\nat = 20.0',
}


@pytest.fixture(scope="module")
def small_atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "atlas"
    for observer in ("O5", "O1"):
        make_atlas(folder, 5, pixels=32, observer=observer, progress=False)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_file(tmp_path_factory.mktemp("described"), PARTS)


@pytest.fixture(scope="module")
def serial(small_atlas, study, tmp_path_factory):
    """The folder of a study that was run without workers, and what it said."""
    out, said = tmp_path_factory.mktemp("serial"), []
    reproduce(small_atlas, out, study=study, say=said.append)
    return out, said


def results(folder):
    """The digests of models, and the bytes of accuracies, tables and figures."""
    found = {path.name: read(path).digest for path in (folder / "models").iterdir()}
    for kind in ("accuracy", "parts"):
        files = (path for path in (folder / kind).rglob("*") if path.is_file())
        found |= {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return found


def test_trainings_are_counted_before_they_begin(small_atlas, study, tmp_path):
    runner = Runner(read_study(study), small_atlas, tmp_path)
    plan = {slug: len(some) for slug, some in all_trainings(runner, runner.description.parts).items()}
    assert plan == {
        "table-3-accuracy": 2 * 2 * 2,
        # Each without a band; the forest again with another seed, with all bands, too: it was measured only.
        "table-7-leave-one-out": 4 + 5,
        "table-a-1-projections-test": 2,
        "table-d-1-colours-test": 0,
        "depth-observed": 2,
    }
    trainings = [one for some in all_trainings(runner, runner.description.parts).values() for one in some]
    read = [(one.part, one.case, len(galaxies_of(runner, one))) for one in readings_of(runner, trainings)]
    assert read == [
        ("", "", 3),
        ("", "", 2),
        ("table-a-1-projections-test", "", 2 * 3),  # each from two sides
        ("table-a-1-projections-test", "", 2),
        ("depth-observed", "depth=1.0", 3),
        ("depth-observed", "depth=1.0", 2),
        ("depth-observed", "depth=0.1", 3),
        ("depth-observed", "depth=0.1", 2),
    ]
    expected = forecast(runner)
    # The colours' six fits are not kept, but take their time.
    assert list(expected.methods["trainings"]) == [4 + 2 + 6 + 2, 4 + 9]
    assert (expected.methods["pixels"] > 0).all() and expected.seconds > 0
    assert expected.clock.total == sum(plan.values())


def test_more_folds_than_galaxies_are_refused_before_anything_is_trained(small_atlas, tmp_path):
    search = 'run = "hyper_parameters"\nestimators = ["RF"]\nsettings = { max_depth = [2] }\nk = 9'
    study = study_file(tmp_path / "s", {"Table 3": 'run = "accuracy"', "Table 1": search})
    with pytest.raises(
        InputError, match="Table 1: folds .* need at least 9 training galaxies, and there are 3"
    ):
        reproduce(small_atlas, tmp_path / "out", study=study)
    assert not (tmp_path / "out").exists()


def test_methods_that_look_at_a_sample_take_no_longer_with_more_pixels(small_atlas, tmp_path):
    """Fits of as many pixels tell nothing of the time for more."""
    text = STUDY + "".join(
        f'\n[estimators.{name}]\nestimator = "{name}"\nmax_samples = 40\n'
        for name in ("ada_boost", "mlp", "support_vector")
    )
    parts = {"Sect. 5.4": 'run = "accuracy"\ninputs = ["bands"]\nruns = 1'}
    runner = Runner(read_study(study_file(tmp_path / "s", parts, text)), small_atlas, tmp_path)
    expected = forecast(runner).methods
    assert len(expected) == 5 and (expected["CPU minutes each"] < 0.5).all()


def test_a_dry_run_says_how_long_it_takes_and_writes_nothing(small_atlas, study, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reproduce", str(small_atlas), "--study", str(study), "-o", str(out), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "Table A.1" in said and "trainings" in said and "Estimated time one after the other" in said
    assert not out.exists()


def test_what_is_left_is_said_while_it_runs(serial):
    lines = [line for line in serial[1] if line.startswith("  trained")]
    assert len(lines) == 8 + 9 + 2 + 2 and all(" of 21 trainings; " in line for line in lines)
    assert "(21 of 21 trainings" in lines[-1]


def test_workers_give_the_same_bits(small_atlas, study, serial, tmp_path):
    pytest.importorskip("distributed")
    reproduce(small_atlas, tmp_path / "out", study=study, workers=2, say=lambda line: None)
    expected, found = results(serial[0]), results(tmp_path / "out")
    # Workers keep the models of other runs, too.
    assert {name: found.get(name) for name in expected} == expected
    values = [json.loads((folder / "manifest.json").read_text()) for folder in (serial[0], tmp_path / "out")]
    assert {k: e["values"] for k, e in values[0].items()} == {k: e["values"] for k, e in values[1].items()}


def test_a_killed_worker_costs_its_training_only(small_atlas, tmp_path, monkeypatch, serial):
    pytest.importorskip("distributed")
    study = study_file(tmp_path / "s", {"Table 3": PARTS["Table 3"] + "\nruns = 1"})
    log = tmp_path / "log"
    monkeypatch.setattr(_spread, "_do", partial(train_or_die, log=str(log), often=False))
    reproduce(small_atlas, tmp_path / "out", study=study, workers=2, say=lambda line: None)
    found, expected = results(tmp_path / "out"), results(serial[0])
    assert all(
        found[name] == value
        for name, value in expected.items()
        if name.startswith("accuracy/") and name in found
    )
    assert sum(name.startswith("accuracy/") for name in found) == 4
    # Four trainings, of which the one that was killed was begun twice, and perhaps one beside it.
    begun = log.read_text().split()
    assert begun.count("killed") == 1 and 5 <= len(begun) - 1 <= 6


def test_work_that_kills_its_workers_is_named_when_the_rest_is_done(small_atlas, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    part = 'run = "accuracy"\ninputs = ["bands"]\nruns = 1'
    study, out = study_file(tmp_path / "s", {"Table 3": part}), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(_spread, "_do", partial(train_or_die, log=str(tmp_path / "log"), often=True))
        with pytest.raises(InputError, match="not done: RF: its worker died, alone with it too"):
            reproduce(small_atlas, out, study=study, workers=2, say=lambda line: None)
    assert len(list((out / "accuracy").iterdir())) == 1  # that of the linear regression
    said = []
    reproduce(small_atlas, out, study=study, say=said.append)
    assert sum("trained" in line for line in said) == 1


def test_workers_that_make_no_sense_are_refused(small_atlas, study, tmp_path):
    with pytest.raises(InputError, match="not both"):
        reproduce(small_atlas, tmp_path, study=study, workers=2, scheduler="tcp://localhost:1")


def test_a_budget_limits_pixels_and_says_when_it_is_exceeded(small_atlas, tmp_path):
    text = STUDY + "\n[budget]\npixels = { LR = 60 }\nhours = 1e-9\n"
    study = study_file(tmp_path / "s", {"Table 3": 'run = "accuracy"\ninputs = ["bands"]\nruns = 1'}, text)
    said = []
    reproduce(small_atlas, tmp_path / "out", study=study, say=said.append)
    models = {label: read(next((tmp_path / "out" / "models").glob(f"{label}-*"))) for label in ("lr", "rf")}
    assert models["lr"].training["n_pixels"] == 60 < models["rf"].training["n_pixels"]
    assert any("more than the 1e-09 h of the study's [budget]" in line for line in said)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("pixels = { GB = 5 }", "no estimator of this study 'GB'; there are LR, RF, NET"),
        ("pixels = { LR = 0 }", "pixels of LR in .budget. must be a whole number and at least 1"),
        ("hours = -1", "hours in .budget."),
        ("days = 1", "no key in .budget. 'days'; there are pixels, hours"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(tmp_path, budget, message):
    with pytest.raises(InputError, match=message):
        read_study(study_file(tmp_path, PARTS, f"{STUDY}\n[budget]\n{budget}\n"))
