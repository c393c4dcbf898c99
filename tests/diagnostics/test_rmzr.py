"""The resolved mass-metallicity relation: known relations are found again, with errors of the right size."""

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, train
from euclid_resolved.diagnostics import fit_relation, rmzr, rmzr_shuffle
from euclid_resolved.diagnostics._relation_fit import FORMS, Binned, partial_correlation
from euclid_resolved.diagnostics._rmzr import shuffle_at_fixed_density
from euclid_resolved.features import to_dex
from euclid_resolved.training import Pixels


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

    from euclid_resolved.diagnostics import PUBLISHED_RELATIONS, Relation, plot_rmzr

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
