"""The catalogue of many images: what `measure` and `profile` find in their maps, whoever made them and when."""

import sys

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from astropy.table import MaskedColumn, QTable, Table
from helpers import NAMES, an_image, sky_wcs
from tiles import make_tile

from euclid_resolved import Quality, SpatialMap, predict_many, read, write
from euclid_resolved.cli import main
from euclid_resolved.errors import InputError
from euclid_resolved.maps import mean, radial_profile, total
from euclid_resolved.survey._catalogue import catalogue_tables, measure_maps
from euclid_resolved.survey._many import fields_of

SHAPE, N = (16, 18), 4
OPTIONS = {"raw": True, "distance": 20.0, "progress": False}


@pytest.fixture(scope="module")
def model(linear_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.asdf"
    write(path, linear_model)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images on the sky; the last of them is no image."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(N):
        image = an_image(SHAPE, seed=i, sigma=0.003, name=f"g{i}", wcs=sky_wcs(SHAPE))
        write(folder / f"g{i}.asdf", image)
    (folder / "none.asdf").write_bytes(b"#ASDF 1.0.0\n")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def serial(model, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial")
    predict_many(model, images, folder / "maps", catalogue=folder / "all.ecsv", **OPTIONS)
    return folder


def some_maps(shared=0.25):
    """Half of the mass is old and metal-poor: 3 of its parts against 1 of the young."""
    density, age = np.full((20, 20), 30.0), np.full((20, 20), 9.0)
    density[:, 10:], age[:, 10:] = 10.0, 1.0
    quality = np.zeros((20, 20), int)
    quality[:5] = Quality.MASKED
    quality[5:9] = Quality.OUT_OF_DOMAIN
    quality[5:] |= Quality.UNMATCHED_PSF
    maps = {}
    for name, values in (("stellar_mass_density", density), ("stellar_age", age)):
        values[:5] = np.nan
        meta = {"pixel_scale": 100 * u.pc, "shared_variance": shared}
        maps[name] = SpatialMap(
            values, property=name, quality=quality, uncertainty=StdDevUncertainty(0.2 * values), meta=meta
        )
    return maps


def test_the_numbers_are_those_that_arithmetic_gives():
    row = measure_maps(some_maps())["row"]
    assert row["stellar_mass"] == pytest.approx(150 * (30 + 10) * 1e4)
    assert row["stellar_age"] == pytest.approx(0.75 * 9 + 0.25 * 1)
    each = 0.2 * 1e4 * np.r_[np.full(150, 30.0), np.full(150, 10.0)]
    expected = np.sqrt(0.75 * (each**2).sum() + 0.25 * each.sum() ** 2)
    assert row["stellar_mass_err"] == pytest.approx(expected)
    assert row["stellar_mass_err"] > 0.5 * 0.2 * row["stellar_mass"]  # the shared part does not average down
    assert (row["n_pixels"], row["masked"]) == (300, 0.25) and row["err_lower_limit"] is False
    assert row["flagged"] == pytest.approx(4 / 15) and row["quality"] == Quality.UNMATCHED_PSF
    assert np.isnan(row["ra"]) and np.isnan(row["dec"])


def test_what_is_not_known_is_nan():
    maps = some_maps()
    for map_ in maps.values():
        map_.meta["pixel_scale"] = 0.1 * u.arcsec
        del map_.meta["shared_variance"]
    row = measure_maps(maps)["row"]
    assert np.isnan(row["stellar_mass"]) and row["stellar_age"] > 0 and row["err_lower_limit"] is True
    empty = {
        name: SpatialMap(np.full((9, 9), np.nan), property=name, quality=np.full((9, 9), 1)) for name in NAMES
    }
    found = measure_maps(empty)
    assert found["profiles"] == [] and found["row"]["n_pixels"] == found["row"]["quality"] == 0
    assert np.isnan(found["row"]["stellar_mass_err"]) and np.isnan(found["row"]["stellar_age"])
    alone = measure_maps({"stellar_age": some_maps()["stellar_age"]})["row"]
    assert alone["stellar_age"] == pytest.approx(5.0) and "stellar_mass" not in alone


def test_rows_are_what_measure_and_profile_say_of_the_files(model, images, serial):
    table = QTable.read(serial / "all.ecsv")
    assert list(table["name"]) == [f"g{i}" for i in range(N)]  # one failed, and stands in the report
    assert table.meta["model"] == read(model).digest
    assert all(table[name].info.description for name in table.colnames)
    maps = read(serial / "maps" / "g2_maps.fits")
    mass = total(maps[NAMES[0]])
    assert table["stellar_mass"].unit == u.Msun and table["stellar_age"].unit == u.Gyr
    assert table["stellar_mass"][2] == mass.value
    np.testing.assert_equal(table["stellar_mass_err"][2].value, mass.error.value)
    for name in NAMES[1:]:
        assert table[name][2] == mean(maps[name], weights=maps[NAMES[0]]).value
    assert table["ra"][2].value == pytest.approx(63.5) and table["dec"][2].value == pytest.approx(-49.25)
    report = Table.read(serial / "maps" / "report.ecsv")
    assert "measured" not in report.colnames and report["status"][N] == "failed"
    np.testing.assert_array_equal(table["n_pixels"], report["judged"][:N])
    np.testing.assert_allclose(table["flagged"], report["flagged"][:N], atol=1e-4)
    profiles = Table.read(serial / "all_profiles.ecsv")
    some = profiles[(profiles["name"] == "g2") & (profiles["property"] == NAMES[2])]
    expected = radial_profile(maps[NAMES[2]])
    expected = expected[expected["n_pixels"] > 0]
    for column in ("radius", "median", "error", "p16", "p84"):
        np.testing.assert_array_equal(some[column], expected[column].value)
    assert set(some["radius_unit"]) == {"pc"} and set(some["unit"]) == {"Gyr"}
    assert set(profiles["property"]) == set(NAMES) and set(profiles["name"]) == set(table["name"])


def same(folder, other):
    return all(
        (folder / name).read_bytes() == (other / name).read_bytes()
        for name in ("all.ecsv", "all_profiles.ecsv")
    )


def test_a_run_that_goes_on_makes_the_same_tables(model, images, serial, tmp_path):
    predict_many(model, images[:2], tmp_path / "maps", **OPTIONS)
    report = predict_many(model, images, tmp_path / "maps", catalogue=tmp_path / "all.ecsv", **OPTIONS)
    assert list(report["status"]) == ["kept"] * 2 + ["mapped"] * 2 + ["failed"]
    assert same(tmp_path, serial)
    before = (tmp_path / "all.ecsv").read_bytes()
    with pytest.raises(InputError, match="the file exists"):
        predict_many(model, images[:1], tmp_path / "maps", catalogue=tmp_path / "all.ecsv", **OPTIONS)
    assert (tmp_path / "all.ecsv").read_bytes() == before
    predict_many(
        model, images[:1], tmp_path / "maps", catalogue=tmp_path / "all.ecsv", overwrite=True, **OPTIONS
    )
    assert len(Table.read(tmp_path / "all.ecsv")) == 1


@pytest.mark.slow
def test_workers_make_the_same_tables(model, images, serial, tmp_path):
    pytest.importorskip("distributed")
    predict_many(model, images, tmp_path / "maps", workers=2, catalogue=tmp_path / "all.ecsv", **OPTIONS)
    assert same(tmp_path, serial)


def test_without_any_image_there_is_an_empty_catalogue(model, images, tmp_path):
    predict_many(model, images[-1:], tmp_path / "maps", catalogue=tmp_path / "all.ecsv", **OPTIONS)
    table = QTable.read(tmp_path / "all.ecsv")
    assert len(table) == 0 and table["stellar_mass"].unit == u.Msun
    assert len(Table.read(tmp_path / "all_profiles.ecsv")) == 0


def test_parquet(model, images, serial, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(InputError, match=r"pip install 'euclid_resolved\[parquet\]'"):
            predict_many(model, images, tmp_path / "maps", catalogue=tmp_path / "all.parquet", **OPTIONS)
    assert not list(tmp_path.iterdir())
    pytest.importorskip("pyarrow")
    predict_many(model, images, tmp_path / "maps", catalogue=tmp_path / "all.parquet", **OPTIONS)
    for name in ("all", "all_profiles"):
        ours, theirs = Table.read(tmp_path / f"{name}.parquet"), Table.read(serial / f"{name}.ecsv")
        assert ours.colnames == theirs.colnames and ours.meta["model"] == theirs.meta["model"]
        for column in ours.colnames:
            np.testing.assert_array_equal(
                np.asarray(ours[column]).astype(theirs[column].dtype), theirs[column]
            )
            assert ours[column].unit == theirs[column].unit
            assert ours[column].description == theirs[column].description


def test_a_catalogue_is_no_other_file(model, images, tmp_path):
    for name in ("all.csv", "all"):
        with pytest.raises(InputError, match="ends in .ecsv or .parquet"):
            predict_many(model, images, tmp_path / "maps", catalogue=tmp_path / name, **OPTIONS)
    with pytest.raises(InputError, match="there is no folder"):
        predict_many(model, images, tmp_path / "maps", catalogue=tmp_path / "no" / "all.ecsv", **OPTIONS)


def test_a_table_of_fields_has_options_of_each():
    columns = {"name": ["a", "b"], "ra": [1.0, 2.0], "dec": [2.0, 3.0], "radius": [5.0, 5.0]}
    columns["redshift"] = MaskedColumn([0.003, 0.0], mask=[False, True])
    columns["distance"] = [20e3, 30e3] * u.kpc
    columns["ebv"] = [0.01, 0.02]
    fields = fields_of("tiles", Table(columns))
    assert fields["a"][1] == {
        "position": [1.0, 2.0], "size": 10.0, "redshift": 0.003, "distance": 20.0, "ebv": 0.01
    }  # fmt: skip
    assert "redshift" not in fields["b"][1] and fields["b"][1]["distance"] == 30.0
    assert fields_of("tiles", QTable(columns))["b"][1] == fields["b"][1]
    with pytest.raises(InputError, match="column ebv holds values that are not finite"):
        fields_of("tiles", Table({**columns, "ebv": [0.01, np.nan]}))


@pytest.mark.filterwarnings("ignore:the image brings no PSF")
def test_on_the_command_line(model, tmp_path, capsys):
    """Each field at its own distance: the mass goes with its square."""
    tile = make_tile(tmp_path / "tile")
    ra, dec = sky_wcs((41, 37)).pixel_to_world_values([18, 18], [25, 25])
    table = Table(
        {"name": ["near", "far"], "ra": ra, "dec": dec, "radius": [1.2, 1.2], "distance": [10.0, 30.0]}
    )
    table.write(tmp_path / "fields.ecsv")
    words = ["predict", str(model), str(tile), "--table", str(tmp_path / "fields.ecsv"), "--raw"]
    words += ["-o", str(tmp_path / "maps"), "--catalogue", str(tmp_path / "all.ecsv")]
    assert main(words) == 0
    found = QTable.read(tmp_path / "all.ecsv")
    assert (found["stellar_mass"][1] / found["stellar_mass"][0]).value == pytest.approx(9)
    with pytest.raises(SystemExit):
        main(["predict", str(model), str(tile), "-o", "maps.fits", "--catalogue", "all.ecsv"])
    assert "--catalogue goes with several images" in capsys.readouterr().err


def test_columns_do_not_depend_on_there_being_rows():
    catalogue, _ = catalogue_tables(["stellar_age"], [], "ab")
    assert "stellar_age_err" in catalogue.colnames and "stellar_mass" not in catalogue.colnames
    assert "by area" in catalogue["stellar_age"].description
