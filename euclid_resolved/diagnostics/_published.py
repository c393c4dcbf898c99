"""Accuracy printed in the paper (A&A 695, A284), to stand beside what is measured here."""

from __future__ import annotations

__all__ = ["published", "published_r2"]


NOT_PUBLISHED = "not published in our copy"
"""What a cell says where the text of the paper at hand has no number: Tables 1, 3, 4, 5, 7, A.1 and B.1 are
empty there, and what is known of them is what the prose quotes."""

PUBLISHED_R2 = {
    ("stellar_mass_density", "linear", "HE"): "≈0.85",
    ("stellar_mass_density", "random_forest", "HE"): "≈0.85",
    ("stellar_mass_density", "dnn", "HE"): "≈0.85",
    ("stellar_mass_density", "linear", "bands"): "≈0.873",
    ("stellar_mass_density", "linear", "bands+colours"): "≈0.908",
    ("stellar_mass_density", "random_forest", "bands"): "≈0.927",
    ("stellar_mass_density", "dnn", "bands"): "0.927",
    ("stellar_metallicity", "linear", "HE"): "≈0.36",
    ("stellar_metallicity", "random_forest", "HE"): "≈0.36",
    ("stellar_metallicity", "linear", "bands"): "≈0.417",
    ("stellar_metallicity", "linear", "bands+colours"): "≈0.435",
    ("stellar_metallicity", "random_forest", "bands"): "≈0.595",
    ("stellar_metallicity", "dnn", "HE"): "≈0.39",
    ("stellar_metallicity", "dnn", "bands"): "0.595",
    ("stellar_age", "random_forest", "bands"): "≈0.382",
    ("stellar_age", "dnn", "bands"): "0.382",
}
"""R2 on the paper's test galaxies by (property, estimator, features), as the text has them, with its sign for
about; Sects. 4.1 to 4.3, and 5.1, which gives values for four bands "regardless of the choice of ML
algorithm": they are those of the network (4.1, Table C.1), and about those of the forest. The linear
regression is none of these algorithms (Sect. 3.1)."""

PUBLISHED_SPREAD = {"stellar_mass_density": 0.481, "stellar_metallicity": 0.119, "stellar_age": 0.163}
"""Standard deviation of the truth in dex that the paper's RMSE and R2 imply together."""


def published_r2(property: str, estimator: str, features: str) -> str:
    """The paper's R2 as text, ``-`` where it prints none.

    Parameters
    ----------
    property, estimator, features : str
        For example ``"stellar_age"``, ``"dnn"``, ``"bands"``.

    Returns
    -------
    text : str

    Examples
    --------
    >>> from euclid_resolved.diagnostics import published_r2
    >>> published_r2("stellar_mass_density", "linear", "bands")
    '≈0.873'
    >>> published_r2("stellar_age", "linear", "bands")  # not in the text, and the table is empty in our copy
    '-'
    """
    return PUBLISHED_R2.get((property, estimator, features), "-")


_DENSITY, _METALLICITY, _AGE = "stellar_mass_density", "stellar_metallicity", "stellar_age"
_ALL = ("linear", "random_forest", "dnn")
_SQUARED = "bands+colours+squared_colours"


def _row(r2, rmse, outlier_fraction, nmad, bias, pearson):
    return {
        "r2": r2,
        "rmse": rmse,
        "outlier_fraction": outlier_fraction,
        "nmad": nmad,
        "bias": bias,
        "pearson": pearson,
    }


PUBLISHED_METRICS = {
    # Table C.1, in full.
    (_DENSITY, "dnn", _SQUARED): _row("0.927", "0.130", "0.0325", "0.1088", "0.0020", "0.963"),
    (_METALLICITY, "dnn", _SQUARED): _row("0.595", "0.076", "0.0007", "0.0719", "0.0024", "0.773"),
    (_AGE, "dnn", _SQUARED): _row("0.382", "0.128", "0.0281", "0.0994", "-0.0017", "0.623"),
    # Sect. 5.1, with four bands, "regardless of the choice of ML algorithm": the network's values, and about
    # those of the forest; outlier fractions from Sects. 4.1 to 4.3.
    (_DENSITY, "dnn", "bands"): {"rmse": "0.130", "pearson": "0.963", "outlier_fraction": "≈0.03"},
    (_METALLICITY, "dnn", "bands"): {"rmse": "0.076", "pearson": "0.773", "outlier_fraction": "≈0.0007"},
    (_AGE, "dnn", "bands"): {"rmse": "0.128", "pearson": "0.623", "outlier_fraction": "≈0.028"},
    (_DENSITY, "linear", "bands"): {"outlier_fraction": "≈0.07"},
    (_DENSITY, "random_forest", "bands"): {
        "rmse": "≈0.130",
        "pearson": "≈0.963",
        "outlier_fraction": "≈0.03",
    },
    (_METALLICITY, "linear", "bands"): {"outlier_fraction": "≈0.0025"},
    (_METALLICITY, "random_forest", "bands"): {
        "rmse": "≈0.076",
        "pearson": "≈0.773",
        "outlier_fraction": "≈0.0007",
    },
    (_AGE, "linear", "bands"): {"outlier_fraction": "≈0.035", "r2": "<0.4"},
    (_AGE, "random_forest", "bands"): {"rmse": "≈0.128", "pearson": "≈0.623", "outlier_fraction": "≈0.028"},
    **{(_METALLICITY, one, "HE"): {"outlier_fraction": "≈0.005"} for one in _ALL},
    **{(_AGE, one, "HE"): {"outlier_fraction": "≈0.05", "r2": "≈0"} for one in _ALL},
    **{(_AGE, one, band): {"r2": "≈0"} for one in _ALL for band in ("IE", "YE", "JE")},
}
"""What else is printed, as text, by (property, estimator, features) and metric."""

PUBLISHED_R2_SCATTER = {"linear": "0", "random_forest": "≤2 %", "dnn": "≤5 %"}
"""Standard deviation of R2 over ten runs relative to its mean, at worst (Sect. 3.4)."""

PUBLISHED_IMPORTANCE = {
    (_DENSITY, "HE"): 0.915,
    (_METALLICITY, "HE"): 0.586,
    (_AGE, "IE"): 0.368,
    (_AGE, "HE"): 0.327,
}
"""Impurity importance by (property, band), Fig. 9."""

PUBLISHED_LOFO_ORDER = ("IE", "HE", "JE", "YE")
"""The bands of the forest from the one that is missed most to the one that is missed least (Sect. 5.4.2)."""

PUBLISHED_LOFO_PEARSON = {
    (_AGE, "random_forest", "none"): "≈0.6",
    (_AGE, "random_forest", "IE"): "0.36",
    (_AGE, "dnn", "IE"): "0.59",
}
"""Pearson coefficients by (property, estimator, band left out), Sect. 5.4.2."""

PUBLISHED_EXAMPLES = {
    ("TNG539333", _DENSITY): {"r2": "≈0.973", "pearson": "≈0.995", "profile_difference": "0.18"},
    ("TNG539333", _METALLICITY): {"r2": "≈0.682", "pearson": "≈0.878", "profile_difference": "0.056"},
    ("TNG539333", _AGE): {"r2": "≈-2.653", "pearson": "≈0.013", "profile_difference": "≈0.082"},
    ("TNG294869", _DENSITY): {"r2": "≈0.890", "pearson": "≈0.968", "profile_difference": "≈0.29"},
    ("TNG294869", _METALLICITY): {"r2": "≈0.192", "pearson": "≈0.693", "profile_difference": "0.13"},
    ("TNG294869", _AGE): {"r2": "≈-2.520", "pearson": "≈0.082", "profile_difference": "0.13"},
}
"""The network on the two example galaxies, by (galaxy, property), Sect. 4.4; ``profile_difference`` is the
largest difference of true and predicted radial profile, dex."""

PUBLISHED_RANGES = {
    (_DENSITY, "pearson"): ("0.923", "0.963"),
    (_METALLICITY, "rmse"): ("0.076", "<0.1"),
}
"""The least and the largest value over methods and inputs by (property, metric), Sects. 4.1 and 4.2."""

PUBLISHED_TARGETS = {
    ("all", _DENSITY, "minimum"): "-2.5",
    ("all", _DENSITY, "maximum"): "5.3",
    ("all", _DENSITY, "inner_99_low"): "0",
    ("all", _DENSITY, "inner_99_high"): "3",
    ("all", _METALLICITY, "minimum"): "-2.8",
    ("all", _METALLICITY, "maximum"): "-1.1",
    ("all", _METALLICITY, "inner_99_low"): "-2.2",
    ("all", _METALLICITY, "inner_99_high"): "-1.2",
    ("all", _AGE, "minimum"): "-3.3",
    ("all", _AGE, "maximum"): "1.1",
    ("test", _AGE, "inner_99_low"): "0.2",
    ("test", _AGE, "inner_99_high"): "1.1",
}
"""Ranges of the properties by (set, property, end), dex of Msun/pc2, mass fraction and Gyr, Sect. 2.3; the
inner 99 % of age is said of the test set."""

PUBLISHED_NARROW = {(_AGE, "dnn", "bands+colours"): ">0.1"}
"""Fraction of pixels further than 0.2 dex from the truth, by (property, estimator, features), Sect. 4.3."""

PUBLISHED_COEFFICIENTS = {
    _DENSITY: {"IE": -11.113, "YE": 4.941, "JE": 2.156, "HE": 7.924, "intercept": 1.446},
    _METALLICITY: {"IE": -4.823, "YE": 0.549, "JE": -0.318, "HE": 3.178, "intercept": 0.045},
    _AGE: {"IE": -8.035, "YE": 1.058, "JE": 0.031, "HE": 3.870, "intercept": 3.650},
}
"""Coefficients of the linear regression, Table 6. The slopes for density sum to 3.9: they are no slopes of
logarithms, which sum to about one. Whether they belong to inputs scaled to [0, 1] the text does not say, and
the ranges are not published. Compare signs and order."""

PUBLISHED_COLOURS = {
    "IE-YE": {"r2": "0.999", "rmse": "0.004"},
    "IE-JE": {"r2": "0.999", "rmse": "0.003"},
    "IE-HE": {"r2": "0.998", "rmse": "0.011"},
    "YE-JE": {"r2": "0.999", "rmse": "0.009"},
    "YE-HE": {"r2": "0.999", "rmse": "0.005"},
    "JE-HE": {"r2": "0.999", "rmse": "0.005"},
}
"""Colours learned from the bands by the network, Table D.1."""


def published(property: str, estimator: str, features: str, metric: str) -> str:
    """What the paper prints for one case, as text.

    Parameters
    ----------
    property, estimator, features, metric : str
        For example ``"stellar_age"``, ``"dnn"``, ``"bands"``, ``"rmse"``.

    Returns
    -------
    text : str
        ``not published in our copy`` where there is no number.

    Examples
    --------
    >>> from euclid_resolved.diagnostics import published
    >>> published("stellar_mass_density", "dnn", "bands", "rmse")
    '0.130'
    """
    case = (property, estimator, features)
    text = PUBLISHED_METRICS.get(case, {}).get(metric)
    if text is None and metric == "r2" and case in PUBLISHED_R2:
        text = PUBLISHED_R2[case]
    return NOT_PUBLISHED if text is None else text
