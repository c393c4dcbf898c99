"""Values of the paper's tables from a file, beside what its text quotes."""

import pytest
from astropy.table import Table

from euclid_resolved import InputError
from euclid_resolved.cli import main
from euclid_resolved.diagnostics import published, published_r2
from euclid_resolved.diagnostics._published import NOT_PUBLISHED
from euclid_resolved.study._published import (
    KEY,
    Published,
    cells,
    quoted,
    read_published,
    without_empty,
    write_template,
)

CELL = dict(zip(KEY, ("Table 4", "stellar_age", "dnn", "TNG294869_O5", "nmad"), strict=True))


def test_a_template_that_is_filled_in_fills_the_cells(tmp_path, capsys):
    path = tmp_path / "tables.ecsv"
    assert main(["reproduce", "--published-template", str(path)]) == 0
    empty = [key for key in cells() if quoted(key) == NOT_PUBLISHED]
    assert f"{len(empty)} values" in capsys.readouterr().out and len(empty) > 400
    table = Table.read(path, format="ascii.ecsv")
    assert len(table) == len(list(cells())) == len(set(cells()))
    assert set(read_published(path).values()).isdisjoint({"", NOT_PUBLISHED})
    # Text in columns of text; a column of numbers is read as well.
    filled = [
        f"0.{i:03d}" if key in empty else value
        for i, (key, value) in enumerate(zip(cells(), table["value"], strict=True))
    ]
    table["value"] = filled
    table.write(path, format="ascii.ecsv", overwrite=True)
    values = Published(read_published(path))
    assert all(values(*key) == text for key, text in zip(cells(), filled, strict=True))
    with pytest.raises(InputError, match="exists"):
        write_template(path)


def test_about_values_keep_their_sign():
    assert published("stellar_mass_density", "linear", "HE", "r2") == "≈0.85"
    assert published_r2("stellar_metallicity", "dnn", "bands") == "0.595"
    # Sect. 5.1: "regardless of the choice of ML algorithm", of which the linear regression is none.
    assert published("stellar_age", "random_forest", "bands", "rmse") == "≈0.128"
    assert published("stellar_age", "linear", "bands", "rmse") == NOT_PUBLISHED


def test_a_figure_for_one_method_is_not_shown_for_another():
    paper = Published()
    assert paper("Table 4", "stellar_mass_density", "dnn", "TNG539333_O5", "r2") == "≈0.973"
    for other in (("random_forest", "TNG539333_O5"), ("dnn", "TNG539333_O2")):
        assert paper("Table 4", "stellar_mass_density", *other, "r2") == NOT_PUBLISHED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"metric": "nmda"},
            "row 1: no table of the paper has the cell Table 4 / stellar_age / .*; did you mean",
        ),
        ({"value": "good"}, "row 1: a number is needed, perhaps with a sign such as ≈ or <, got 'good'"),
        ({"table": "Table 9"}, "no table of the paper has the cell Table 9"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_error(tmp_path, change, message):
    path = tmp_path / "tables.ecsv"
    Table(rows=[CELL | {"value": "0.1"} | change]).write(path, format="ascii.ecsv")
    with pytest.raises(InputError, match=message):
        read_published(path)


def test_a_file_without_its_columns_or_with_one_cell_twice(tmp_path):
    path = tmp_path / "tables.ecsv"
    with pytest.raises(InputError, match="there is no such file; reproduce --published-template"):
        read_published(path)
    Table(rows=[CELL]).write(path, format="ascii.ecsv")
    with pytest.raises(InputError, match="needs the columns value"):
        read_published(path)
    Table(rows=[CELL | {"value": 0.1}] * 2).write(path, format="ascii.ecsv", overwrite=True)
    with pytest.raises(InputError, match="row 2: .* comes twice"):
        read_published(path)
    path.write_text("no table")
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_published(path)
    with pytest.raises(InputError, match=r"ends in \.ecsv"):
        write_template(tmp_path / "tables.txt")


def test_columns_without_a_published_value_are_left_out():
    table = Table(
        {"r2": [0.4, 0.5], "r2_published": [NOT_PUBLISHED, "0.1"], "nmad_published": [NOT_PUBLISHED] * 2}
    )
    assert without_empty(table).colnames == ["r2", "r2_published"]
    assert len(table.colnames) == 3
