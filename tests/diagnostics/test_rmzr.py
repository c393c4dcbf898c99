"""The resolved mass-metallicity relation: known relations are found again, with errors of the right size."""

from dataclasses import replace

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, RandomForest, train
from euclid_resolved.diagnostics import Relation, fit_relation, plot_rmzr, rmzr, rmzr_shuffle
from euclid_resolved.diagnostics._observed import OBSERVED_RELATIONS
from euclid_resolved.diagnostics._relation_fit import FORMS, Binned, partial_correlation
from euclid_resolved.diagnostics._rmzr import shuffle_at_fixed_density
from euclid_resolved.diagnostics._rmzr_observed import (
    QUANTITIES,
    Points,
    compare,
    in_our_conventions,
    relations_to_compare,
)
from euclid_resolved.features import to_dex
from euclid_resolved.training import Pixels

MASSES = (
    "8.75 to 9.75",
    "9.75 to 10.25",
    "10.25 to 10.75",
    "10.75 to 11.75",
)  # of CALIFA, for Chabrier's IMF


def relation_pixels(form, parameters, rng, galaxies=30, each=300, galaxy_scatter=0.05, scatter=0.08):
    """Density and metallicity that follow a form, offset from galaxy to galaxy."""
    galaxy = np.repeat(np.arange(galaxies), each)
    x = rng.normal(1.5, 0.6, galaxies * each)
    offset = rng.normal(0, galaxy_scatter, galaxies)[galaxy]
    return x, FORMS[form][0](x, *parameters) + offset + rng.normal(0, scatter, len(x)), galaxy


@pytest.mark.parametrize(
    ("form", "parameters"),
    [("linear", (-0.1, 0.15)), ("quadratic", (-0.1, 0.15, -0.05)), ("saturating", (0.1, 0.4, 1.5))],
)
def test_the_input_relation_is_recovered_within_errors(form, parameters):
    x, y, galaxy = relation_pixels(form, parameters, np.random.default_rng(1), galaxies=60, each=800)
    values, errors = fit_relation(x, y, galaxy, form, bootstrap=60)
    for name, true in zip(FORMS[form][1], parameters, strict=True):
        assert abs(values[name] - true) < 3 * errors[name], name
        assert errors[name] < 0.1
    assert abs(values["scatter"] - np.hypot(0.05, 0.08)) < 4 * errors["scatter"]


def test_bootstrap_errors_have_the_right_size():
    """The scatter of the fitted values over many universes is what a single one claims."""
    rng = np.random.default_rng(2)
    found = [fit_relation(*relation_pixels("linear", (0, 0.1), rng), bootstrap=50) for _ in range(40)]
    for name in ("a", "b"):
        actual = np.std([values[name] for values, _ in found], ddof=1)
        claimed = np.mean([errors[name] for _, errors in found])
        assert 0.65 < claimed / actual < 1.5, name
    # Drawn as if pixels were independent, the error of the zero point would be many times too small.
    assert np.mean([errors["a"] for _, errors in found]) > 3 * 0.08 / np.sqrt(30 * 300)


def test_binned_fit_is_the_fit_to_pixels():
    x, y, galaxy = relation_pixels("linear", (0, 0.1), np.random.default_rng(3))
    values, _ = fit_relation(x, y, galaxy, bootstrap=2)
    slope, zero = np.polyfit(x - 2, y, 1)
    assert abs(values["b"] - slope) < 2e-4 and abs(values["a"] - zero) < 2e-4


def test_scatter_is_about_the_relation_and_not_about_the_means_of_bins():
    """In bins of 0.05 dex a slope of 1 alone would make 0.05 / sqrt(12) = 0.0144 dex of it."""
    rng = np.random.default_rng(6)
    x, galaxy = rng.uniform(0, 4, 20_000), np.arange(20_000) % 10
    y = 1.0 * (x - 2) + rng.normal(0, 0.001, len(x))
    values, _ = fit_relation(x, y, galaxy, bootstrap=2)
    assert abs(values["scatter"] - 0.001) < 5e-5
    values, _ = fit_relation(
        x, 0.5 * (x - 2) ** 2 + rng.normal(0, 0.01, len(x)), galaxy, "quadratic", bootstrap=2
    )
    assert abs(values["scatter"] - 0.01) < 3e-4
    # Two quantities that follow density alone have nothing in common at fixed density.
    binned = Binned(x, [y, -2 * x + rng.normal(0, 0.001, len(x))], galaxy)
    assert abs(partial_correlation(binned.sums())) < 0.03


def test_a_knee_that_the_data_do_not_reach_is_not_constrained():
    rng = np.random.default_rng(7)
    x, galaxy = rng.uniform(1, 3, 5000), np.arange(5000) % 20
    values, errors = fit_relation(
        x, 0.2 * x + rng.normal(0, 0.05, len(x)), galaxy, "saturating", bootstrap=20
    )
    assert np.isnan([*values.values(), *errors.values()]).all()
    bent = FORMS["saturating"][0](x, 0.1, 0.8, 2.0) + rng.normal(0, 0.05, len(x))
    values, errors = fit_relation(x, bent, galaxy, "saturating", bootstrap=20)
    assert abs(values["x0"] - 2) < 3 * errors["x0"] < 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_without_a_number_are_left_out(bad):
    x, y, galaxy = relation_pixels("linear", (0, 0.1), np.random.default_rng(3))
    wanted = fit_relation(x[2:], y[2:], galaxy[2:], bootstrap=5)
    x, y = x.copy(), y.copy()
    x[0], y[1] = bad, bad
    assert fit_relation(x, y, galaxy, bootstrap=5) == wanted


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"equally long; their shapes are \(3,\), \(2,\), \(3,\)"):
        fit_relation([1, 2, 3], [1, 2], [0, 0, 0])
    with pytest.raises(InputError, match="none of 2 pixels has a finite x and y"):
        fit_relation([np.nan, 1], [1, np.inf], [0, 0])


def test_one_galaxy_has_no_error():
    x, y, galaxy = relation_pixels("linear", (0, 0.1), np.random.default_rng(3), galaxies=1)
    values, errors = fit_relation(x, y, galaxy)
    assert np.isfinite(values["b"]) and np.isnan(errors["b"])
    with pytest.raises(InputError, match="unknown form 'cubic'; known are linear"):
        fit_relation(x, y, galaxy, "cubic")


def test_partial_correlation_is_that_of_the_residuals():
    rng = np.random.default_rng(4)
    x = rng.normal(1.5, 0.5, 50_000)
    common, own = rng.normal(0, 1, (2, len(x)))
    first = 2 * x + common
    second = -3 * x + 0.6 * common + 0.8 * own
    found = partial_correlation(Binned(x, [first, second], np.zeros(len(x), int)).sums())
    assert abs(found - 0.6) < 0.02


def pixels_with_relation(n=20_000, galaxies=20, beyond=0.0, seed=5):
    """Pixels whose metallicity follows density; `beyond` of its scatter is told by the colour."""
    rng = np.random.default_rng(seed)
    x, hidden = rng.normal(1.5, 0.5, n), rng.normal(0, 1, n)
    metallicity = (
        -1.8 + 0.2 * (x - 1.5) + 0.05 * (beyond * hidden + np.sqrt(1 - beyond**2) * rng.normal(0, 1, n))
    )
    dex = {"HE": x - 2, "JE": x - 2.1, "YE": x - 2.2, "IE": x - 2.5 + 0.1 * hidden}
    return Pixels(
        brightness={band: (10**v).astype(np.float32) for band, v in dex.items()},
        truth={
            "stellar_mass_density": (10**x).astype(np.float32),
            "stellar_metallicity": (10**metallicity).astype(np.float32),
        },
        counts=np.bincount(rng.integers(0, galaxies, n), minlength=galaxies),
        names=tuple(f"galaxy {i}" for i in range(galaxies)),
        clip=None,
        clip_band="HE",
        seen=n,
        without_truth=0,
    )


def test_shuffling_keeps_the_relation_and_destroys_the_rest():
    pixels = pixels_with_relation(beyond=1.0)
    shuffled = shuffle_at_fixed_density(pixels)
    x = to_dex(pixels.truth["stellar_mass_density"])
    before, after = (to_dex(p.truth["stellar_metallicity"]) for p in (pixels, shuffled))
    assert sorted(before) == sorted(after) and (before != after).mean() > 0.9
    assert abs(np.polyfit(x, before, 1)[0] - np.polyfit(x, after, 1)[0]) < 0.005
    hidden = np.log10(pixels.brightness["IE"] / pixels.brightness["HE"])
    assert np.corrcoef(hidden, after - 0.2 * x)[0, 1] < 0.05
    assert np.array_equal(
        pixels.truth["stellar_metallicity"], pixels_with_relation(beyond=1.0).truth["stellar_metallicity"]
    )


@pytest.mark.parametrize(("beyond", "partial"), [(0.0, 0.0), (0.9, 0.9)])
def test_what_an_estimate_knows_beyond_the_relation(beyond, partial):
    training, test = (pixels_with_relation(beyond=beyond, seed=seed) for seed in (5, 6))
    model = train(training, ("stellar_mass_density", "stellar_metallicity"), LinearRegression())
    table = rmzr_shuffle(model, training, test)
    trained, shuffled, alone = table["r2"]
    assert abs(shuffled - alone) < 0.02  # only the relation is left
    assert (trained - shuffled > 0.1) == (beyond > 0)
    assert abs(table["partial_correlation"][0] - partial) < 0.06


def test_table_and_figure_of_the_diagnostic():
    import matplotlib.pyplot as plt

    from euclid_resolved.diagnostics import PUBLISHED_RELATIONS

    training, test = pixels_with_relation(seed=5), pixels_with_relation(seed=6)
    model = train(training, "stellar_mass_density", LinearRegression())  # metallicity is trained anew
    table = rmzr(model, training, test, bootstrap=20)
    slopes = table[(table["form"] == "linear") & (table["quantity"] == "b")]
    assert list(slopes["metallicity"]) == ["all", "true", "predicted"]
    assert all(abs(row["value"] - 0.2) < 0.02 for row in slopes)
    values = np.array([0.0, 4.0])
    known = Relation("mine", "nobody 2020", "mass", "Chabrier", 0.02, values, values / 10)
    figure = plot_rmzr(table, [known, *PUBLISHED_RELATIONS.values()])
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert sum("mine (mass-weighted" in text for text in legend) == 1
    assert not any("Zibetti" in text for text in legend)
    assert "not drawn, no table supplied: Gonzalez Delgado+2014" in figure.get_supxlabel()
    plt.close(figure)


def pixels_beside(offset, slope, galaxies=40, each=400, scatter=0.0, galaxy_scatter=0.0, seed=1):
    """Pixels that lie off the mass-weighted relation of CALIFA by a known offset and slope."""
    rng = np.random.default_rng(seed)
    relation, _ = in_our_conventions(OBSERVED_RELATIONS["CALIFA Re"])
    x = rng.uniform(1.13, 2.81, galaxies * each)
    galaxy = np.repeat(np.arange(galaxies), each)
    y = np.interp(x, relation.log_density, relation.log_metallicity) + offset + slope * (x - 1.97)
    y += rng.normal(0, galaxy_scatter, galaxies)[galaxy] + rng.normal(0, scatter, len(x))
    return relation, Points(x, (y,), galaxy, np.linspace(8.8, 11.6, galaxies)[galaxy])


def test_offset_slope_and_rms_beside_an_observed_relation():
    relation, points = pixels_beside(0.1, 0.05, scatter=0.06)
    row = compare(relation, {"true": (points, 0)}, bootstrap=20)[0]
    assert (row["metallicity"], row["n_galaxies"], row["n_pixels"]) == ("true", 40, 16_000)
    assert np.isnan(row["low"]) and row["offset"] == pytest.approx(0.1, abs=2e-3)
    assert row["slope difference"] == pytest.approx(0.05, abs=2e-3)
    line = 0.05**2 * 1.68**2 / 12  # the mean square of the slope over the range of densities
    assert row["rms of means"] == pytest.approx(np.sqrt(0.1**2 + line), abs=2e-3)
    assert row["rms of pixels"] == pytest.approx(np.sqrt(0.1**2 + line + 0.06**2), abs=2e-3)
    assert compare(relation, {"true": (points, 0)}, bootstrap=20)[0] == pytest.approx(row, nan_ok=True)


def test_pixels_on_the_relation_differ_by_nothing_and_others_do_not_count():
    relation, points = pixels_beside(0.0, 0.0)
    beyond = np.r_[0.0, 5.0], np.r_[9.0, -9.0]
    points = Points(
        np.r_[points.density, beyond[0]],
        (np.r_[points.metallicities[0], beyond[1]],),
        np.r_[points.galaxy, 0, 1],
        np.r_[points.log_mass, np.nan, np.nan],
    )
    row = compare(relation, {"all": (points, 0)}, bootstrap=3)[0]
    assert [row[name] for name in QUANTITIES] == pytest.approx([0, 0, 0, 0], abs=1e-6)
    assert row["n_pixels"] == 16_000
    away = Points(points.density + 9, points.metallicities, points.galaxy, points.log_mass)
    rows = compare(relation, {"all": (away, 0)}, bootstrap=3)
    assert all(np.isnan(row["offset"]) and row["n_galaxies"] == row["n_pixels"] == 0 for row in rows)


def test_errors_of_the_comparison_are_those_of_galaxies():
    """The offset of 40 galaxies that scatter by 0.1 dex is known to 0.1 / sqrt(40), however many pixels."""
    found = []
    for seed in range(30):
        relation, points = pixels_beside(0.0, 0.0, each=40, galaxy_scatter=0.1, seed=seed)
        found.append(compare(relation, {"true": (points, 0)}, bootstrap=60)[0])
    claimed = np.mean([row["offset error"] for row in found])
    assert claimed == pytest.approx(0.1 / np.sqrt(40), rel=0.1)
    assert np.std([row["offset"] for row in found], ddof=1) == pytest.approx(claimed, rel=0.35)
    few = Points(points.density[:160], (points.metallicities[0][:160],), points.galaxy[:160], points.log_mass)
    assert np.isnan(compare(replace(relation, by_mass=None), {"true": (few, 0)})[0]["offset error"])


def test_galaxies_of_some_mass_are_compared_with_the_relation_for_that_mass():
    relation = OBSERVED_RELATIONS["CALIFA Re"].to_imf("Chabrier", -0.25)
    assert relation.by_mass[:, 0] == pytest.approx([8.75, 9.75, 10.25, 10.75])
    assert relation.by_mass[:, 2] == pytest.approx(2.0)
    x, mass = np.tile(np.linspace(1.2, 2.8, 50), 20), np.repeat(np.linspace(9.8, 10.2, 20), 50)
    y = -0.22 + 0.03 + (0.05 + 0.02) * (x - 2.0)  # 0.03 dex and 0.02 dex per dex above that of 10^10 Msun
    rows = compare(relation, {"true": (Points(x, (y,), np.repeat(np.arange(20), 50), mass), 0)}, bootstrap=5)
    assert [row["n_galaxies"] for row in rows] == [20, 0, 20, 0, 0]
    assert rows[2]["offset"] == pytest.approx(0.03 - 0.0, abs=1e-6)
    assert rows[2]["slope difference"] == pytest.approx(0.02, abs=1e-6)
    assert (rows[2]["low"], rows[2]["high"]) == (9.75, 10.25)


def test_the_error_of_the_densities_moves_the_offset():
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    relation = Relation("r", "-", "mass", "Chabrier", 0.02, x, 0.2 * x, density_error=0.3)
    density = np.linspace(1, 3, 400)
    points = Points(density, (0.2 * density,), np.arange(400) % 8, np.full(400, np.nan))
    (row,) = compare(relation, {"all": (points, 0)}, bootstrap=4)
    assert row["density error"] == pytest.approx(0.06)  # 0.3 dex along a slope of 0.2


def test_conversions_are_made_where_they_are_known_and_said():
    relation, said = in_our_conventions(OBSERVED_RELATIONS["CALIFA Re, light"])
    assert relation.imf == "Chabrier" and relation.log_density[0] == pytest.approx(1.38 - 0.25)
    assert said == [
        "Densities and masses are converted from the IMF Salpeter to Chabrier: -0.25 dex.",
        "Metallicities are in units of 0.02 in both: nothing is converted.",
        "Metallicities are light-weighted in it and mass-weighted in the maps: they are compared as they "
        "are.",
    ]
    relation, said = in_our_conventions(Relation("r", "-", "mass", "Kroupa", 0.019, np.ones(2), np.zeros(2)))
    assert relation.log_metallicity == pytest.approx(np.log10(0.019 / 0.02))
    assert "Its IMF is Kroupa: densities and masses are compared as they are" in said[0]
    assert "from units of 0.019 to 0.02: -0.022 dex" in said[1]
    relation, _ = in_our_conventions(relation, imf_shift=0.05)
    assert relation.log_density == pytest.approx(1.05) and relation.imf == "Chabrier"
    unknown = in_our_conventions(Relation("r", "-", "mass", "Chabrier", np.nan, np.ones(2), np.zeros(2)))
    assert "is not known" in unknown[1][1] and "in both" in unknown[1][0]


def test_which_relations_are_compared():
    assert [one.name for one in relations_to_compare(None)] == ["CALIFA Re"]
    assert relations_to_compare(()) == []
    assert [one.weighting for one in relations_to_compare("CALIFA Re, light")] == ["light"]
    with pytest.raises(InputError, match=r"Zibetti\+2020 .* no verified values"):
        relations_to_compare(["Zibetti+2020"])
    with pytest.raises(InputError, match="different names"):
        relations_to_compare(["CALIFA Re", "CALIFA Re"])
    with pytest.raises(InputError, match="Relation"):
        relations_to_compare([3])


def test_the_diagnostic_compares_truth_and_prediction_with_califa():
    """Truth that is CALIFA's own relation lies on it, and so do the estimates, which know density."""
    import matplotlib.pyplot as plt

    relation, _ = in_our_conventions(OBSERVED_RELATIONS["CALIFA Re"])

    def sample(seed):
        pixels = pixels_with_relation(n=6000, seed=seed)
        x = to_dex(pixels.truth["stellar_mass_density"])
        y = np.interp(x, relation.log_density, relation.log_metallicity) + np.log10(0.02)
        truth = {**pixels.truth, "stellar_metallicity": (10**y).astype(np.float32)}
        return replace(pixels, truth=truth, log_masses=np.linspace(9.8, 10.7, len(pixels.names)))

    training, test = sample(5), sample(6)
    model = train(training, "stellar_metallicity", RandomForest(n_trees=5, min_samples_leaf=20, n_jobs=1))
    table = rmzr(model, training, test, bootstrap=10)
    for case in ("all", "true", "predicted"):
        rows = table[(table["metallicity"] == case) & (table["form"] == "CALIFA Re")]
        found = dict(zip(rows["quantity"][:5], rows["value"][:5], strict=True))
        assert abs(found["offset"]) < 0.005 and found["rms of means"] < 0.01, case
        assert set(rows["galaxies"][5:]) == {f"log mass {a}" for a in MASSES}
    assert table.meta["relations"][0]["conversions"][0].endswith(
        "from the IMF Salpeter to Chabrier: -0.25 dex."
    )
    empty = [row for row in table.meta["compared"] if row["low"] == 10.75]
    assert len(empty) == 3 and all(row["n_galaxies"] == 0 for row in empty)
    figure = plot_rmzr(table)
    legend = [text.get_text().replace("\n", " ") for text in figure.axes[0].get_legend().get_texts()]
    assert any(text.startswith("CALIFA Re (mass-weighted, IMF Chabrier") for text in legend)
    other = plot_rmzr(table, by="mass")
    assert other.axes[0].get_ylabel() == "metallicity − CALIFA Re [dex]"
    with pytest.raises(InputError, match="no choice for by 'age'"):
        plot_rmzr(table, by="age")
    without = rmzr(model, training, test, relations=(), bootstrap=3)
    assert without.meta["compared"] == [] and without["quantity"][-1] == "partial correlation"
    with pytest.raises(InputError, match="compared with no relation"):
        plot_rmzr(without, by="mass")
    plt.close("all")


def test_a_table_of_the_diagnostic_goes_through_a_file(tmp_path):
    from astropy.table import QTable

    training, test = pixels_with_relation(n=4000, seed=5), pixels_with_relation(n=4000, seed=6)
    model = train(training, "stellar_metallicity", LinearRegression())
    table = rmzr(model, training, test, bootstrap=5)
    table.write(tmp_path / "rmzr.ecsv")
    again = QTable.read(tmp_path / "rmzr.ecsv")
    assert again.meta["relations"] == table.meta["relations"]
    assert len(again.meta["compared"]) == len(table.meta["compared"]) == 15
