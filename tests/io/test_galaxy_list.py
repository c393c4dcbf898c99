"""Lists of test galaxies: every way to write them, and what is refused."""

import pytest
from astropy.table import Table
from helpers import galaxy

from euclid_resolved import EUCLID_BANDS, Galaxy, InputError, split
from euclid_resolved.io import write_sample
from euclid_resolved.io._galaxy_list import galaxy_key, read_galaxy_list, with_listed
from euclid_resolved.io._truth import open_truth

DENSITY = "stellar_mass_density"
WANTED = {"TNG539333": "O2", "TNG000008": ""}


@pytest.mark.parametrize(
    "text",
    [
        "TNG539333 O2\nTNG000008\n",
        "# the paper's\n\nTNG539333_O2   # edge-on\nTNG8\n",
        "539333, O2\n8\n",
        "TNG 539333\tO2\nTNG 000008,\n",
    ],
)
def test_names_padded_or_not_with_and_without_an_observer(tmp_path, text):
    path = tmp_path / "test.txt"
    path.write_text(text)
    assert read_galaxy_list(path) == WANTED


@pytest.mark.parametrize("ending", ["csv", "ecsv"])
@pytest.mark.parametrize("column", ["galaxy", "name", "subhalo_id"])
def test_tables_of_galaxies(tmp_path, ending, column):
    names = [539333, 8] if column == "subhalo_id" else ["TNG539333", "TNG8"]
    path = tmp_path / f"test.{ending}"
    Table({column: names, "observer": ["O2", ""]}).write(path, format=f"ascii.{ending}")
    assert read_galaxy_list(path) == WANTED
    Table({column: names}).write(path, format=f"ascii.{ending}", overwrite=True)
    assert read_galaxy_list(path) == dict.fromkeys(WANTED, "")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "# nothing\n", "a.txt names no galaxy; one a line is needed"),
        ("a.txt", "TNG8\nTNG000008 O2\n", "a.txt names TNG000008 twice; a galaxy is tested once"),
        ("a.csv", "mass\n3\n", "a column galaxy, name or subhalo_id is needed, has mass"),
        ("a.ecsv", "no table", "a.ecsv: it cannot be read as a table"),
        ("b.txt", None, "b.txt: there is no such file"),
    ],
)
def test_a_list_that_makes_no_sense_is_one_error(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_galaxy_list(tmp_path / name)


def named(number, side):
    one = galaxy(number)
    return Galaxy(f"TNG{number:06d}_{side}", one.image, one.maps)


def test_galaxies_of_a_list_come_from_the_sides_that_it_names():
    seen_by = {side: [named(n, side) for n in (1, 2, 3)] for side in ("O5", "O2")}
    galaxies, names = with_listed(seen_by.__getitem__, "O5", {galaxy_key("2"): "O2", galaxy_key("TNG3"): ""})
    assert names == ["TNG000002_O2", "TNG000003_O5"]
    assert sorted(one.name for one in galaxies) == ["TNG000001_O5", *names]
    with pytest.raises(InputError, match="x.txt names TNG000009 of O5, which is not there; did you mean"):
        with_listed(seen_by.__getitem__, "O5", {"TNG000009": "", "TNG000001": ""}, "x.txt")


def test_a_sample_has_the_galaxies_of_a_list_from_their_sides(tmp_path):
    galaxies = [named(n, side) for n in (1, 2, 3) for side in ("O5", "O2")]
    sample = write_sample(tmp_path / "sample", galaxies, (DENSITY,), EUCLID_BANDS)
    truth = open_truth(tmp_path / "sample", "O5", EUCLID_BANDS, {"TNG000002": "O2"})
    assert truth.listed == ("TNG000002_O2",)
    names = {one.name for one in truth.galaxies}
    assert names == {"TNG000001_O5", "TNG000002_O2", "TNG000003_O5"} < set(sample.names)
    training, test = split(truth.galaxies, None, test=truth.listed)
    pixels = truth.pixels((DENSITY,), EUCLID_BANDS)
    assert set(pixels.names) == names and len(pixels.of(test)) + len(pixels.of(training)) == len(pixels)
