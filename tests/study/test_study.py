"""Studies: checked before they run, resumed where they stopped, reported part by part."""

import base64
import hashlib
import html
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import studies
from astropy.table import Table
from matplotlib.figure import Figure
from studies import STUDY

from euclid_resolved import InputError, LinearRegression, make_atlas, read, train, write
from euclid_resolved.cli import main
from euclid_resolved.diagnostics import published
from euclid_resolved.diagnostics._published import NOT_PUBLISHED, PUBLISHED_METRICS
from euclid_resolved.io._lock import hold
from euclid_resolved.study import _examples as examples, _runner as runner, read_study, reproduce
from euclid_resolved.study._description import SHIPPED
from euclid_resolved.study._findings import judge_findings
from euclid_resolved.study._published import KEY
from euclid_resolved.study._report import render_table, write_report
from euclid_resolved.study._store import kept_file
from euclid_resolved.testing import example_galaxies

pytestmark = pytest.mark.slow

PARTS = {
    "Fig. 2": 'run = "distributions"',
    "Table 3": 'run = "accuracy"\ninputs = ["HE", "bands"]',
    "Fig. 3": 'run = "predicted_against_true"',
    "Table 4": 'run = "example_galaxies"\nestimators = ["NET"]',
    "Table 5": 'run = "edge_on"',
    "Fig. 8": 'run = "relation"\nestimators = ["LR"]\nbootstrap = 5',
    "Table 6": 'run = "coefficients"\nestimators = ["LR"]',
    "Fig. 9": 'run = "importance"\nestimators = ["RF"]',
    "Table 7": 'run = "leave_one_out"\nestimators = ["LR", "RF", "NET"]\nruns = 2',
    "Table A.1": 'run = "projections_test"\nestimators = ["LR"]',
    "Table B.1": 'run = "sample_bias_test"\nestimators = ["RF"]',
    "Table D.1": 'run = "colours_test"\nestimators = ["LR"]',
    "Table 1": 'run = "hyper_parameters"\nestimators = ["RF"]\nsettings = { max_depth = [2, 4] }\nk = 2',
    "Sect. 3.1": 'run = "cross_validation"\nestimators = ["LR"]\nk = 3',
}


def study_file(folder, parts=PARTS, text=STUDY):
    return studies.study_file(folder, parts, text)


@pytest.fixture(scope="module")
def small_atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "atlas"
    for observer in ("O5", "O1"):
        make_atlas(folder, 5, pixels=32, observer=observer, progress=False)
    return folder


class Counted:
    """A function, and how often it was called."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.function(*args, **kwargs)


@pytest.fixture(scope="module")
def done(small_atlas, tmp_path_factory):
    """A whole study, run once, and what the command said."""
    folder = tmp_path_factory.mktemp("done")
    said = []
    cell = ("Table 3", "stellar_mass_density", "linear", "bands", "nmad")
    Table(rows=[dict(zip(KEY, cell, strict=True)) | {"value": "0.123"}]).write(folder / "tables.ecsv")
    path = reproduce(
        small_atlas,
        folder / "out",
        study=study_file(folder, text='published = "tables.ecsv"\n' + STUDY),
        say=said.append,
        command="as before",
    )
    return path, said, folder


def test_report_has_every_label_and_needs_no_network(done):
    path, said, _ = done
    page = path.read_text(encoding="utf-8")
    for label in PARTS:
        assert re.search(rf"<h2 id=[^>]+>{re.escape(label)}:", page), label
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page) and "url(" not in page
    assert page.count("data:image/png;base64,") >= 10
    assert (
        "as before" in page and "The atlas is a mock" in page and "seeds" in page and "scikit-learn" in page
    )
    assert NOT_PUBLISHED in page and "A small study" in page


class Checker(HTMLParser):
    """Every tag that is opened is closed, in order."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_report_is_well_formed(done):
    checker = Checker()
    checker.feed(done[0].read_text(encoding="utf-8"))
    assert not checker.open


def test_missing_plugin_is_said_on_top_and_in_the_cells(done):
    page = done[0].read_text(encoding="utf-8")
    reason = "plugin some_network not installed (pip install euclid_resolved_some_network)"
    assert f"<b>NET was not run: {reason}.</b>" in page.split("<h2>")[0]
    assert any("NET" in line and "not installed" in line for line in done[1])
    # The others are measured: two properties, two methods, two inputs, six metrics.
    table = re.search(r"<h2 id=.table-3.*?<table[^>]*>(.*?)</table>", page, re.S)[1]
    assert len(re.findall(r'<td class="number">-?[0-9.]+ ±\s[^<]+</td>', table)) == 2 * 2 * 2 * 6
    assert table.count('<td class="missing">not run</td>') >= 2 * 2 * 6


def test_published_values_stand_beside_measured_ones(done):
    manifest = json.loads((done[2] / "out" / "manifest.json").read_text())
    file = manifest["table-3-accuracy"]["tables"][0]["file"]
    table = Table.read(done[2] / "out" / file, format="ascii.ecsv")
    row = table[(table["method"] == "LR") & (table["input"] == "bands")][0]
    assert row["property"] == "stellar_mass_density" and row["r2_published"] == "≈0.873"
    # The file fills one cell of this column; the column of RMSE has none that is published for these methods.
    assert row["nmad_published"] == "0.123" and 0 < row["r2"] < 1
    assert "bias_published" not in table.colnames
    assert published("stellar_age", "dnn", "HE", "r2") == "≈0"
    case = ("stellar_metallicity", "dnn", "bands+colours+squared_colours")
    assert set(PUBLISHED_METRICS[case]) == {"r2", "rmse", "nmad", "bias", "outlier_fraction", "pearson"}


def test_each_table_figure_and_finding_names_where_it_is_from(done):
    page = done[0].read_text(encoding="utf-8")
    manifest = json.loads((done[2] / "out" / "manifest.json").read_text())
    for entry in manifest.values():
        for each in entry["tables"] + entry["figures"]:
            assert page.count(f">{each['file']}<") == 1, each["file"]
    findings = page.split("<h2>Findings</h2>")[1].split("<h2>")[0]
    row = findings.split("IE is missed most when left out")[1].split("</tr>")[0]
    assert re.findall(r'<a href="#([^"]+)">', row) == ["fig-9-importance", "table-7-leave-one-out"]
    assert "measured in" not in findings.split("Squared colours add nothing")[1].split("</tr>")[0]


def test_figures_are_as_wide_as_a_column_or_a_page_of_a_paper(done):
    page = done[0].read_text(encoding="utf-8")
    widths = {int(width) for width in re.findall(r'<img [^>]*width="(\d+)"', page)}
    # 88, 120 and 180 mm at 120 pixels an inch.
    assert {415, 850} <= widths <= {415, 566, 850}
    assert page.count("<img ") == len(re.findall(r'<img [^>]*width="', page))


def test_the_linear_regression_learns_from_all_training_pixels(done):
    held = {
        label: read(next((done[2] / "out" / "models").glob(f"{label}-bands-*.asdf"))).training[
            "n_validation_pixels"
        ]
        for label in ("lr", "rf")
    }
    assert held["lr"] == 0 < held["rf"]


def test_sets_and_examples_have_the_definitions_of_the_paper(done):
    manifest = json.loads((done[2] / "out" / "manifest.json").read_text())

    def tables(slug):
        files = [each["file"] for each in manifest[slug]["tables"]]
        return [Table.read(done[2] / "out" / file, format="ascii.ecsv") for file in files]

    sets, ranges = tables("fig-2-distributions")
    assert np.isfinite(sets["median_log_mass"]).all()
    assert set(ranges["set"]) == {"all", "training", "test"} and "minimum_published" in ranges.colnames
    assert (ranges["minimum"] < ranges["inner_99_low"]).all()
    (examples,) = tables("table-4-example-galaxies")
    assert (examples["inner_p16"] < examples["inner_p84"]).all() and "profile_difference" in examples.colnames


def test_nothing_is_done_twice(done, small_atlas, monkeypatch):
    _, _, folder = done
    monkeypatch.setattr(runner, "train", counted := Counted(runner.train))
    monkeypatch.setattr(runner.Runner, "extract", read := Counted(runner.Runner.extract))
    said = []
    reproduce(small_atlas, folder / "out", study=folder / "study.toml", say=said.append)
    assert counted.calls == 0 and read.calls == 0
    assert sum("done before" in line for line in said) == len(PARTS)


def test_an_interrupted_study_resumes(small_atlas, tmp_path, monkeypatch):
    parts = {label: PARTS[label] for label in ("Fig. 2", "Table 3", "Fig. 3")}
    study, out = study_file(tmp_path / "s", parts), tmp_path / "out"
    real, calls = runner.train, []

    def dies_at_the_fourth(*args, **kwargs):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(runner, "train", dies_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        reproduce(small_atlas, out, study=study, say=lambda line: None)
    assert not (out / "report.html").exists()
    assert list(json.loads((out / "manifest.json").read_text())) == ["fig-2-distributions"]
    monkeypatch.setattr(runner, "train", counted := Counted(real))
    reproduce(small_atlas, out, study=study, say=lambda line: None)
    # Two methods, two inputs, two runs, less the three that were done; Fig. 3 finds its models in the folder.
    assert counted.calls == 8 - 3
    # Another setting of one method: only that method is trained again.
    changed = study.read_text().replace("n_trees = 2", "n_trees = 3")
    study.write_text(changed)
    counted.calls = 0
    reproduce(small_atlas, out, study=study, say=lambda line: None)
    assert counted.calls == 4


def test_a_damaged_model_is_trained_again(small_atlas, tmp_path, monkeypatch):
    parts = {"Fig. 3": 'run = "predicted_against_true"\nestimators = ["LR"]'}
    study, out = study_file(tmp_path / "s", parts), tmp_path / "out"
    reproduce(small_atlas, out, study=study, say=lambda line: None)
    (model,) = (out / "models").iterdir()
    model.write_bytes(model.read_bytes()[:-2000])
    (out / "manifest.json").write_text("no json")
    monkeypatch.setattr(runner, "train", counted := Counted(runner.train))
    reproduce(small_atlas, out, study=study, say=lambda line: None)
    assert counted.calls == 1


def test_results_that_others_changed_are_made_again(small_atlas, tmp_path, monkeypatch):
    """A pipe, a map or another model as model; a table, a figure or a sum that is another; secrets."""
    parts = {
        "Fig. 3": 'run = "predicted_against_true"\nestimators = ["LR"]',
        "Table 3": 'run = "accuracy"\nestimators = ["LR"]\ninputs = ["bands"]',
    }
    study, out = study_file(tmp_path / "s", parts), tmp_path / "out"
    (tmp_path / "secret.png").write_bytes(b"secret")

    def again():
        said = []
        monkeypatch.setattr(runner, "train", counted := Counted(real))
        reproduce(small_atlas, out, study=study, say=said.append)
        return counted.calls, sum("done before" in line for line in said)

    def edit(old, new):
        text = manifest.read_text()
        assert old in text
        manifest.write_text(text.replace(old, new, 1))

    real = runner.train
    trained, _ = again()
    assert again() == (0, 2)
    (model,) = (out / "models").glob("lr-bands-*.asdf")
    manifest, good = out / "manifest.json", (out / "manifest.json").read_text()
    other = example_galaxies()
    model.unlink()
    os.mkfifo(model)
    manifest.unlink()
    with pytest.raises(InputError, match="it exists and is not a regular file"):
        again()
    for plant in (
        lambda: write(model, other[0].maps),
        lambda: write(model, train(other, estimator=LinearRegression())),
        lambda: model.write_bytes(b""),
    ):
        model.unlink()
        manifest.unlink(missing_ok=True)
        plant()
        assert again() == (1, 0)
    entries = json.loads(good)
    (figure,) = entries["fig-3-predicted-against-true"]["figures"]
    table = entries["table-3-accuracy"]["tables"][0]
    for spoil in (
        lambda: (out / table["file"]).write_text("no table"),
        lambda: (out / figure["file"]).write_bytes(b"png"),
        lambda: (out / figure["file"]).unlink(),
        lambda: edit(figure["sha256"], "0" * 64),
        lambda: edit(figure["file"], "../secret.png"),
        lambda: edit('"values": {', '"values": {"r2": "1",'),
    ):
        spoil()
        assert again() == (0, 1)
    for text in ('{"fig-3-predicted-against-true": []}', "[" * 99_999):
        manifest.write_text(text)
        assert again() == (0, 0)
    for accuracy in (out / "accuracy").iterdir():
        accuracy.write_text(accuracy.read_text().replace("0.", "1."))
    manifest.unlink()
    assert again() == (1, 0)  # the model of the second run was not kept
    new = json.loads(manifest.read_text())
    assert all(new[slug]["values"] == entry["values"] for slug, entry in entries.items())
    assert trained > 0 and "secret" not in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'estimator = "linear"',
            'estimator = "liner"',
            "no estimator 'liner'; there are .*linear.*did you mean",
        ),
        ("n_trees = 2", "trees = 2", "no setting of random_forest 'trees'; there are n_trees"),
        ("n_trees = 2", "n_trees = 0", "must be a whole number and at least 1"),
        (
            'features = ["bands"] }\nHE',
            'features = ["band"] }\nHE',
            "no set of features 'band'; there are bands",
        ),
        ('columns = ["HE"]', 'columns = ["KE"]', "no column in input 'HE' 'KE'; there are IE, YE, JE, HE"),
        ('"stellar_metallicity"]', '"metals"]', "unknown property 'metals'; known are stellar_mass_density"),
        ("runs = 2", "runs = 0", "runs must be a number from 1"),
        ("runs = 2", 'runs = 2\nmain = "band"', "no input 'band'; there are bands, HE"),
        ("[study]", "[stdy]", "no key 'stdy'; there are study.*did you mean 'study'"),
        ("test_fraction = 0.4", "test_fraction = 4", "test_fraction must lie between 0 and 1"),
        ("runs = 2", "runs = ", "this is no TOML"),
        ("runs = 2", "runs = 2\nmain = []", "no input"),
        ("runs = 2", "runs = true", "runs must be a number from 1"),
        ("runs = 2", "runs = 2\natlas = { path = 3 }", "a file or a folder must have a name, got 3"),
        ("runs = 2", "runs = 2\npublished = 3", "a file or a folder must have a name, got 3"),
        ("runs = 2", "runs = 2\nrelations = { rmzr = [] }", "a file or a folder must have a name"),
        ('["stellar_mass_density", "stellar_metallicity"]', "3", "properties must be a list of names, got 3"),
        ("test_fraction = 0.4", 'test_fraction = "x"', "test_fraction must be a number above 0, got 'x'"),
        ("test_fraction = 0.4", "stratified = 1", "stratified is true or false, got 1"),
        ("test_fraction = 0.4", "test_galaxies = 3", "test_galaxies is the name of a file, got 3"),
        (
            "test_fraction = 0.4",
            'test_galaxies = "a"\nstratified = true',
            "test_galaxies is the test set: without test_fraction and stratified",
        ),
        ("test_fraction = 0.4", "seed = 1.5", "seed must be a whole number"),
        ("test_fraction = 0.4", "galaxies = -1", "galaxies must be a whole number"),
        ("test_fraction = 0.4", "clip = nan", "the clip is a number"),
        ('columns = ["HE"]', "columns = 3", "columns of input 'HE' must be a list of names, got 3"),
        (
            'features = ["bands"], c',
            'features = "bands", c',
            "features of input 'HE' must be a list of names",
        ),
    ],
)
def test_names_and_values_are_checked_with_what_exists(tmp_path, old, new, message):
    assert old in STUDY
    with pytest.raises(InputError, match=message):
        read_study(study_file(tmp_path, text=STUDY.replace(old, new)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'run = "acuracy"',
            "no part or diagnostic 'acuracy'; there are distributions, accuracy.*lofo.*did you mean",
        ),
        ('run = "accuracy"\nestimators = ["SVM"]', "no estimator of this study 'SVM'; there are LR, RF, NET"),
        ('run = "accuracy"\ninputs = ["colours"]', "no input of this study 'colours'; there are bands, HE"),
        ("title = 'nothing'", "needs 'label' and 'run'"),
    ],
)
def test_parts_are_checked(tmp_path, body, message):
    with pytest.raises(InputError, match=message):
        read_study(study_file(tmp_path, {"Table 3": body}))


def test_relations_are_checked(tmp_path, small_atlas):
    text = STUDY + '\n[relations]\n"Zibetti+2020" = "mine.ecsv"\n'
    path = study_file(tmp_path, {"Fig. 8": PARTS["Fig. 8"]}, text)
    with pytest.raises(InputError, match="mine.ecsv: there is no such"):
        reproduce(small_atlas, tmp_path / "out", study=path, say=lambda line: None)
    with pytest.raises(InputError, match="no relation 'Zibeti'; there are CALIFA Re, .*Gonzalez"):
        read_study(study_file(tmp_path, text=text.replace("Zibetti+2020", "Zibeti")))


def test_the_shipped_studies_are_the_paper(tmp_path):
    for name in SHIPPED:
        description = read_study(name)
        labels = " ".join(part.label for part in description.parts)
        for label in ("Table 3", "Table 4", "Table 5", "Table 6", "Table 7", "Table A.1", "Table B.1"):
            assert label in labels
        for label in ("Table C.1", "Table D.1", "Fig. 2", "Fig. 3", "Figs. 4, 5 and 6", "Fig. 7", "Fig. 8"):
            assert label in labels
        assert "Fig. 9" in labels and "Fig. 10" in labels and description.methods["DNN"].plugin
    assert read_study("paper").runs == 10
    with pytest.raises(InputError, match="there is no such file; the package brings paper, paper-fast"):
        read_study(tmp_path / "none.toml")


LISTED = {
    "Table 4": 'run = "example_galaxies"\nestimators = ["LR"]\ngalaxies = ["TNG4", "TNG1"]',
    "Table 5": 'run = "edge_on"\nestimators = ["LR"]\ngalaxies = ["TNG4", "TNG1"]\nobservers = ["O1", "O3"]',
    "Table A.1": 'run = "projections_test"\nestimators = ["LR"]\ntest_list = "sides.txt"',
}


def test_the_galaxies_of_a_list_are_tested_and_those_named_are_shown(small_atlas, tmp_path, monkeypatch):
    """From the sides that lists name; what is named and is not there is said, and nothing stands for it."""
    for name in ("plot_galaxy", "plot_image"):
        monkeypatch.setattr(examples, name, lambda *args, **options: Figure())
    study, out = study_file(tmp_path / "s", LISTED), tmp_path / "out"
    (tmp_path / "s" / "sides.txt").write_text("TNG2 O1\nTNG3 O5\n")
    (tmp_path / "s" / "test.txt").write_text("TNG1\nTNG000004\n")
    text = study.read_text().replace("test_fraction = 0.4", 'test_galaxies = "test.txt"')
    study.write_text(text)
    page = reproduce(small_atlas, out, study=study, say=lambda line: None).read_text(encoding="utf-8")
    assert "3 and 2 whole galaxies" in page and "test galaxies as listed in test.txt" in page
    entries = json.loads((out / "manifest.json").read_text())

    def table(slug):
        return Table.read(out / entries[slug]["tables"][0]["file"], format="ascii.ecsv")

    shown = table("table-4-example-galaxies")
    assert list(dict.fromkeys(shown["galaxy"])) == ["TNG000004_O5", "TNG000001_O5"]
    assert "those named in the study" in entries["table-4-example-galaxies"]["notes"][0]
    assert set(table("table-5-edge-on")["galaxy"]) == {"TNG000004_O1"}
    assert "TNG000001_O5: nothing of observer O3" in entries["table-5-edge-on"]["notes"]
    sides = entries["table-a-1-projections-test"]
    assert sides["notes"][0].startswith("3 training galaxies; 2 test galaxies")
    # The command line goes before the study; an example galaxy that is trained on is named.
    other = tmp_path / "other.txt"
    other.write_text("TNG4\nTNG5 O1\n")
    words = [
        "reproduce",
        str(small_atlas),
        "--study",
        str(study),
        "-o",
        str(out),
        "--test-galaxies",
        str(other),
    ]
    assert main(words) == 0
    entries = json.loads((out / "manifest.json").read_text())
    assert list(dict.fromkeys(table("table-4-example-galaxies")["galaxy"])) == [
        "TNG000004_O5",
        "TNG000005_O1",
    ]
    notes = entries["table-4-example-galaxies"]["notes"]
    assert "TNG000001, named in the study, is a training galaxy; another galaxy stands in its place." in notes


def test_example_galaxies_are_tested_whatever_the_seed(small_atlas, tmp_path):
    for seed in range(4):
        text = STUDY.replace("test_fraction = 0.4", f"test_fraction = 0.4\nseed = {seed}")
        study = read_study(study_file(tmp_path, {"Table 4": LISTED["Table 4"]}, text))
        worker = runner.Runner(study, small_atlas, tmp_path / "out", lambda line: None)
        assert {g.name for g in worker.test} == {"TNG000001_O5", "TNG000004_O5"}


def test_no_atlas(tmp_path):
    with pytest.raises(InputError, match="which atlas"):
        reproduce(study=study_file(tmp_path), out=tmp_path / "out")


def test_command(small_atlas, tmp_path, capsys):
    study = study_file(tmp_path, {"Fig. 9": PARTS["Fig. 9"]})
    out = str(tmp_path / "out")
    assert main(["reproduce", str(small_atlas), "--study", str(study), "-o", out]) == 0
    assert "report.html" in capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"euclid-resolved reproduce {small_atlas} --study {study} -o {out}" in page
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", str(small_atlas), "--fast", "--study", str(study)])
    assert stopped.value.code == 2


def test_findings_follow_the_values():
    values = {f"r2/linear/{b}/stellar_mass_density": r2 for r2, b in enumerate(("IE", "YE", "JE", "HE"), 1)}
    values |= {"colours/dnn": 0.9981, "colours/linear": 1.0}
    found = {finding.statement: finding for finding in judge_findings(values)}
    first = found["HE is the best single band for density and metallicity"]
    assert first.verdict == "holds" and "HE 4.000" in first.figures
    assert found["The colours can be inferred from the bands"].verdict == "holds"
    assert found["RF is about as good as DNN"].verdict == "not tested"
    values["r2/linear/IE/stellar_mass_density"] = 5
    values["colours/dnn"] = 0.99
    found = {finding.statement: finding for finding in judge_findings(values)}
    assert found["HE is the best single band for density and metallicity"].verdict == "does not hold"
    assert found["The colours can be inferred from the bands"].verdict == "in part"


def test_table_cells():
    table = Table(rows=[{"what": "<a>", "r2": 0.5, "r2_scatter": 0.01, "r2_published": "0.6", "n": 3}])
    text = render_table(table)
    assert (
        "&lt;a&gt;" in text
        and "0.500 ±\N{NO-BREAK SPACE}0.010" in text
        and '<td class="paper">0.6</td>' in text
    )
    assert "<td>3</td>" in text and "colspan" in text and "not published" not in text
    table.replace_column("r2_published", [NOT_PUBLISHED])
    text = render_table(table)
    assert '<td class="missing">–</td>' in text and text.count(NOT_PUBLISHED) == 1
    wide = Table({f"c{i}": [1.0] for i in range(13)})
    assert 'class="dense"' in render_table(wide) and 'class="dense"' not in text
    assert "<td" not in render_table(Table({"radius": np.arange(201.0)}))


EVIL = '<script>alert("1")</script><img src=x onerror=alert(1)>&amp;\'"'


def test_nothing_in_a_report_is_html_but_its_templates(small_atlas, tmp_path):
    """Names and texts of the study, of the atlas, of tables and of their columns are shown as they are."""
    from dataclasses import replace

    atlas = tmp_path / EVIL.replace("/", "|")
    atlas.symlink_to(small_atlas, target_is_directory=True)
    study = study_file(tmp_path / "s", {"Fig. 2": PARTS["Fig. 2"]})
    d = read_study(study)
    part = replace(d.parts[0], label=EVIL, title=EVIL)
    d = replace(d, name=EVIL, reference=EVIL, text=EVIL, parts=(part,))
    worker = runner.Runner(d, atlas, tmp_path / "out", lambda line: None)
    worker.missing["LR" + EVIL] = EVIL
    table = Table({EVIL: [EVIL], "r2": [0.5], "r2_published": [EVIL], "status": [EVIL]})
    place = Path("parts") / part.slug
    (tmp_path / "out" / place).mkdir(parents=True)
    table.write(tmp_path / "out" / place / "table-1.ecsv", format="ascii.ecsv")
    (tmp_path / "out" / place / "figure-1.png").write_bytes(b"png")
    entry = {
        "key": "", "seconds": 1.0, "notes": [EVIL], "values": {},
        "tables": [kept_file(tmp_path / "out", EVIL, place / "table-1.ecsv")],
        "figures": [kept_file(tmp_path / "out", EVIL, place / "figure-1.png")],
    }  # fmt: skip
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({part.slug: entry}))
    page = write_report(worker, EVIL).read_text(encoding="utf-8")

    class Tags(Checker):
        seen, texts = [], []

        def handle_starttag(self, tag, attrs):
            super().handle_starttag(tag, attrs)
            self.seen.append((tag, dict(attrs)))

        def handle_data(self, data):
            self.texts.append(data)

    checker = Tags()
    checker.feed(page)
    assert not checker.open and "script" not in {tag for tag, _ in checker.seen}
    assert not any(name.startswith("on") for _, attrs in checker.seen for name in attrs)
    images = [attrs for tag, attrs in checker.seen if tag == "img"]
    assert images == [{"alt": EVIL, "src": "data:image/png;base64,cG5n"}]
    assert sum(EVIL in text for text in checker.texts) >= 14
    assert EVIL in html.unescape(render_table(table)) and "<script" not in render_table(table)


def test_a_browser_may_only_show_a_report(done):
    page = done[0].read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1])
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "style-src": f"'sha256-{digest}'", "base-uri": "'none'",
        "form-action": "'none'",
    }  # fmt: skip
    assert page.index("Content-Security-Policy") < page.index("<style>") and "style=" not in page


def test_one_job_a_study_and_no_result_over_an_input(small_atlas, tmp_path):
    parts = {"Fig. 2": PARTS["Fig. 2"]}
    study, out = study_file(tmp_path / "s", parts), tmp_path / "out"
    out.mkdir()
    with hold(out / "report.html"), pytest.raises(InputError, match="another job is writing it"):
        reproduce(small_atlas, out, study=study, say=lambda line: None)
    with pytest.raises(InputError, match="is the atlas; name another folder"):
        reproduce(small_atlas, small_atlas, study=study, say=lambda line: None)
    mine = out / "parts" / "study.toml"
    mine.parent.mkdir()
    mine.write_bytes(study.read_bytes())
    with pytest.raises(InputError, match="lies where results of the study are written"):
        reproduce(small_atlas, out, study=mine, say=lambda line: None)
    assert sorted(path.name for path in out.iterdir()) == ["parts"]
