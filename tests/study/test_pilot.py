"""The paper's first tests: ratios of bands, other algorithms, and chained regression, with known answers."""

from types import SimpleNamespace

import numpy as np
import pytest

from euclid_resolved import InputError, LinearRegression, train
from euclid_resolved.estimators import Ridge
from euclid_resolved.plugins import available
from euclid_resolved.study import read_study
from euclid_resolved.study._accuracy import accuracy
from euclid_resolved.study._chained import chained, with_truth
from euclid_resolved.study._description import Input, Method, Part
from euclid_resolved.study._details import accuracy_of
from euclid_resolved.study._findings import judge_findings
from euclid_resolved.study._leaning import coefficients
from euclid_resolved.study._published import Published
from euclid_resolved.training import Pixels

DENSITY, METALS, AGE = "stellar_mass_density", "stellar_metallicity", "stellar_age"


def made_up(seed, n=4000, galaxies=8):
    """Light that tells half of density, metallicity that is a function of density, age one of metallicity."""
    rng = np.random.default_rng(seed)
    light, hidden = rng.normal(0, 0.3, n), rng.normal(0, 0.3, n)
    dex = {band: light + i * 0.01 + rng.normal(0, 1e-3, n) for i, band in enumerate(("IE", "YE", "JE", "HE"))}
    density = 2 + light + hidden
    metals = -1.7 + 0.2 * (density - 2)
    truth = {DENSITY: density, METALS: metals, AGE: 0.5 - (metals + 1.7)}
    return Pixels(
        brightness={band: (10**values).astype(np.float32) for band, values in dex.items()},
        truth={name: (10**values).astype(np.float32) for name, values in truth.items()},
        counts=(n // galaxies,) * galaxies,
        names=tuple(f"galaxy {seed} {i}" for i in range(galaxies)),
        clip=None,
        clip_band="HE",
        seen=n,
        without_truth=0,
    )


class Bench:
    """What a part needs of a study, with made-up pixels."""

    def __init__(self, inputs=None, methods=None):
        self.description = SimpleNamespace(
            properties=(DENSITY, METALS, AGE),
            bands=("IE", "YE", "JE", "HE"),
            inputs=inputs or {"bands": Input(("bands",))},
            main="bands",
            methods=methods or {"LR": Method("linear", {})},
            runs=1,
        )
        self.missing, self.training_pixels, self.test_pixels = {}, made_up(1), made_up(2)

    def seed(self, run=0):
        return 1 + run

    def say(self, text):
        pass

    def can_look(self, name):
        return True

    def within_budget(self, label, pixels):
        return pixels

    def model(self, label, input="bands", run=0):
        what = self.description.inputs[input]
        return train(
            self.training_pixels,
            self.description.properties,
            self.description.methods[label].make(1),
            features=what.features,
            columns=what.columns,
        )

    def accuracy(self, label, input="bands", run=0):
        return accuracy_of(self.model(label, input), self.test_pixels)

    def published(self, table, *cell):
        return Published({})(table, *cell)


def a_part(run, **options):
    return Part("Sect. 7", "", run, options)


def test_a_chain_gains_what_the_estimate_adds_and_at_most_what_the_truth_does():
    """Half of the variance of density is in the light: so is that of metallicity, unless density is told."""
    result = chained(Bench(), a_part("chained"))
    table = result.tables["Accuracy with another property among the features"]
    assert len(table) == 6 and list(table["property"]) == [METALS] * 3 + [AGE] * 3
    said = ["nothing", f"estimated {DENSITY}", f"true {DENSITY}"]
    assert list(table["beside_the_bands"][:3]) == said
    nothing, estimated, true = table["r2"][:3]
    assert nothing == pytest.approx(0.5, abs=0.03)
    assert estimated == pytest.approx(nothing, abs=0.01)  # of the same light, nothing new
    assert true == pytest.approx(1, abs=1e-4)
    assert result.values[f"chain/linear/{AGE}/true"] == pytest.approx(1, abs=1e-4)
    (verdict,) = (one for one in judge_findings(result.values) if one.where == "Sect. 7")
    assert (
        verdict.verdict == "in part" and "with the estimate 0.5" in verdict.figures
    )  # the truth helps, its estimate not
    assert list(table["beside_the_bands"][3:]) == ["nothing", f"estimated {METALS}", f"true {METALS}"]


def test_a_chain_needs_its_properties_and_all_bands():
    bench = Bench()
    bench.description.properties = (DENSITY, AGE)
    with pytest.raises(InputError, match="a chain needs stellar_mass_density and stellar_metallicity or"):
        chained(bench, a_part("chained"))
    with pytest.raises(InputError, match="'bands', is of some columns only"):
        chained(Bench({"bands": Input(("bands",), ("HE",))}), a_part("chained"))


def test_the_truth_is_a_column_like_a_band():
    pixels = made_up(3)
    model = train(with_truth(pixels, METALS), AGE, LinearRegression(), bands=("HE", METALS))
    assert model.columns == ("HE", METALS)
    assert list(pixels.brightness) == ["IE", "YE", "JE", "HE"]


def test_ratios_of_bands_can_help_a_linear_regression_and_colours_cannot():
    """A target that is linear in a ratio of fluxes, which no sum of logarithms is."""
    rng = np.random.default_rng(4)
    pixels, colour = made_up(4), rng.uniform(-0.5, 0.5, 4000)
    brightness = {**pixels.brightness, "IE": (pixels.brightness["HE"] * 10**colour).astype(np.float32)}
    truth = {AGE: (10 ** (0.5 * 10**colour)).astype(np.float32)}
    pixels = Pixels(brightness, truth, pixels.counts, pixels.names, None, "HE", len(pixels), 0)
    r2 = {}
    for more in ((), ("colours",), ("flux_ratios",)):
        model = train(pixels, AGE, LinearRegression(), features=("bands", *more), validation_fraction=0)
        r2[more] = accuracy_of(model, pixels)[AGE]["r2"]
    assert r2["colours",] == pytest.approx(r2[()], abs=1e-3) and r2[()] < 0.97
    assert r2["flux_ratios",] == pytest.approx(1, abs=1e-4)


def test_the_ranges_of_table_3_are_of_its_methods_and_inputs():
    inputs = {
        "HE": Input(("bands",), ("HE",)),
        "bands": Input(("bands",)),
        "bands+colours": Input(("bands", "colours")),
        "bands+flux_ratios": Input(("bands", "flux_ratios")),
    }
    bench = Bench(inputs, {"LR": Method("linear", {}), "Stiff": Method("ridge", {"alpha": 1e6})})
    result = accuracy(bench, a_part("accuracy"))
    table = result.tables["Accuracy on the test galaxies"]
    assert len(table) == 3 * 2 * 4
    (row,) = (r for r in result.tables["Ranges over methods and inputs"] if r["property"] == DENSITY)
    own = [r["pearson"] for r in table if (r["property"], r["method"]) == (DENSITY, "LR")][:3]
    assert (row["least"], row["largest"]) == pytest.approx((min(own), max(own)))


def test_published_coefficients_stand_beside_both_forms():
    table = coefficients(Bench(), a_part("coefficients")).tables["Coefficients"]
    row = table[(table["property"] == DENSITY) & (table["column"] == "IE")][0]
    assert row["scaled_published"] == row["raw_logarithm_published"] == "-11.113"
    slopes = table[(table["property"] == METALS) & (table["column"] != "intercept")]
    assert slopes["raw_logarithm"].sum() == pytest.approx(0.2, abs=0.02)  # metallicity rises so with light


@pytest.mark.parametrize("name", ["paper", "paper-fast"])
def test_the_algorithms_of_the_first_tests_are_in_the_study(name):
    study = read_study(name)
    (part,) = (part for part in study.parts if part.label == "Sect. 5.4")
    tried = {study.methods[label].estimator for label in part.options["estimators"]}
    assert (
        {"ada_boost", "extra_trees", "ridge", "support_vector", "mlp"} < tried <= set(available("estimators"))
    )
    assert isinstance(study.methods["Ridge"].make(1), Ridge) and study.methods["Ridge"].make(1).alpha == 1.0
    assert {"chained"} < {part.run for part in study.parts}
    (table,) = (part for part in study.parts if part.label == "Table 3")
    assert "bands+flux_ratios" in table.options["inputs"] and table.options["estimators"] == [
        "LR",
        "RF",
        "DNN",
    ]
