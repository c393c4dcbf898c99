"""Verdicts: two-sided, against the scatter of runs, and those on where estimates go wrong."""

import pytest

from euclid_resolved.study._accuracy import median_of
from euclid_resolved.study._findings import judge_findings

DENSITY, METALS, AGE = "stellar_mass_density", "stellar_metallicity", "stellar_age"
PROJECTIONS = "More projections of the training galaxies change nothing"
COLOURS = "Colours beside the bands add nothing to RF and DNN"


def verdict(values, statement):
    (found,) = [one for one in judge_findings(values) if one.statement.startswith(statement)]
    return found.verdict


def projections(r2, error):
    keys = [f"dnn/{AGE}/{n}" for n in range(1, 6)]
    values = {f"projections/{key}": one for key, one in zip(keys, r2, strict=True)}
    return values | {f"projections_error/{key}": error for key in keys}


@pytest.mark.parametrize(
    ("r2", "error", "expected"),
    [
        ([0.33, 0.33, 0.34, 0.33, 0.33], 0.0, "holds"),
        ([0.33, 0.33, 0.34, 0.33, 0.13], 0.0, "does not hold"),  # a fall counts as well as a rise
        ([0.33, 0.33, 0.34, 0.33, 0.43], 0.0, "does not hold"),
        ([0.33, 0.33, 0.34, 0.33, 0.13], 0.1, "not decided"),
        ([0.33, 0.33, 0.34, 0.33, 0.36], 0.015, "holds"),
    ],
)
def test_more_projections_change_nothing_upwards_and_downwards(r2, error, expected):
    assert verdict(projections(r2, error), PROJECTIONS) == expected


def test_a_start_that_is_stuck_does_not_move_the_median():
    found = median_of([{"r2": value} for value in (0.33, 0.34, 0.13)])
    assert found["r2"] == 0.33 and found["r2_scatter"] > 0.1


@pytest.mark.parametrize(
    ("with_colours", "error", "expected"),
    [
        (0.93, 0.0, "holds"),
        (0.97, 0.0, "does not hold"),
        (0.80, 0.0, "does not hold"),
        (0.80, 0.1, "not decided"),
    ],
)
def test_colours_that_change_nothing(with_colours, error, expected):
    case = f"dnn/{{}}/{DENSITY}"
    values = {f"r2/{case.format('bands')}": 0.93, f"r2/{case.format('bands+colours')}": with_colours}
    values |= {f"error/{case.format(name)}": error for name in ("bands", "bands+colours")}
    assert verdict(values, COLOURS) == expected


def pair(first, second, estimator, name, values, input="bands"):
    """Two values under keys such as ``floor/linear/bands/stellar_age``."""
    return {f"{key}/{estimator}/{input}/{name}": v for key, v in zip((first, second), values, strict=True)}


def floors(*values):
    return pair("floor", "true_floor", "linear", DENSITY, values)


def scatters(*values):
    return pair("scatter_faint", "scatter_bright", "dnn", DENSITY, values)


def old(*values):
    return pair("bias_upper", "bias_high", "dnn", AGE, values)


def linear(*values):
    inputs = zip(("bands", "bands+colours"), values, strict=True)
    return {f"r2/linear/{input}/{DENSITY}": value for input, value in inputs}


def views(*values):
    kinds = zip(("face_on", "edge_on"), values, strict=True)
    return {f"view/{kind}/G/{DENSITY}/rmse": value for kind, value in kinds}


@pytest.mark.parametrize(
    ("statement", "values", "expected"),
    [
        ("The clip is a lower", floors(0.6, 0.2), "holds"),
        ("The clip is a lower", floors(1.6, 0.2), "does not hold"),
        ("The clip is a lower", floors(0.6, 0.7), "does not hold"),
        ("Density scatters", scatters(0.2, 0.1), "holds"),
        ("Density scatters", scatters(0.1, 0.1), "does not hold"),
        ("Age is under", old(0.02, 0.1), "holds"),
        ("Age is under", old(0.2, 0.1), "does not hold"),
        ("Colours beside the bands help LR", linear(0.873, 0.908), "holds"),
        ("Colours beside the bands help LR", linear(0.873, 0.873), "does not hold"),
        ("Galaxies seen edge-on", views(0.1, 0.1), "holds"),
        ("Galaxies seen edge-on", views(0.1, 0.3), "does not hold"),
        ("The bias of metallicity", {}, "not tested"),
    ],
)
def test_patterns_of_residuals(statement, values, expected):
    assert verdict(values, statement) == expected


@pytest.mark.parametrize(
    ("biases", "error", "expected"),
    [
        ((0.01, -0.01, 0.01), 0.0, "holds"),
        ((0.01, 0.01, 0.01), 0.001, "does not hold"),
        ((0.01, -0.01, -0.01), 0.001, "in part"),
        ((0.01, -0.01, 0.01), 0.02, "not decided"),
    ],
)
def test_a_reversal_of_bias_is_told_from_its_scatter(biases, error, expected):
    names = (DENSITY, METALS, AGE)
    values = {f"bias/dnn/bands/{name}": bias for name, bias in zip(names, biases, strict=True)}
    values |= {f"bias_error/dnn/bands/{name}": error for name in names}
    assert verdict(values, "The bias of metallicity") == expected


def test_what_lies_above_and_below_a_disc():
    values = {f"view/edge_on/G/{name}/rmse": 0.1 for name in (METALS, AGE)}
    values |= {f"vertical/G/{METALS}/in_plane": 0.05, f"vertical/G/{METALS}/off_plane": -0.2}
    values |= {f"vertical/G/{AGE}/in_plane": -0.05, f"vertical/G/{AGE}/off_plane": 0.1}
    statement = "Above and below a disc"
    assert verdict(values, statement) == "holds"
    assert verdict(values | {f"vertical/G/{AGE}/off_plane": -0.1}, statement) == "in part"


def test_a_galaxy_that_no_side_shows_edge_on_does_not_count():
    values = {}
    for group, edge_on in (("G", 0.1), ("H", 0.4)):
        values |= {f"view/face_on/{group}/{AGE}/rmse": 0.1, f"view/edge_on/{group}/{AGE}/rmse": edge_on}
    statement = "Galaxies seen edge-on"
    assert verdict(values, statement) == "in part"
    assert verdict(values | {"axis_ratio/G": 0.4, "axis_ratio/H": 0.6}, statement) == "holds"
    assert verdict(values | {"axis_ratio/G": 0.6, "axis_ratio/H": 0.4}, statement) == "does not hold"
    assert verdict(values | {"axis_ratio/G": 0.6, "axis_ratio/H": 0.6}, statement) == "not decided"


@pytest.mark.parametrize(
    ("lost", "error", "expected"),
    [
        ((0.5, 0.1, 0.1, 0.2), 0.01, "holds"),
        ((0.2, 0.1, 0.1, 0.5), 0.01, "does not hold"),
        ((0.5, 0.1, 0.1, 0.2), 0.3, "not decided"),
    ],
)
def test_the_band_that_is_missed_most_is_told_from_the_scatter_of_runs(lost, error, expected):
    values = {}
    for band, value in zip(("IE", "YE", "JE", "HE"), lost, strict=True):
        values |= {f"lofo/dnn/{AGE}/{band}": value, f"lofo_error/dnn/{AGE}/{band}": error}
    assert verdict(values, "IE is missed most") == expected
