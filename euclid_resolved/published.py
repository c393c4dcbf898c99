"""Accuracy printed in the paper (A&A 695, A284), to stand beside what is measured here."""

__all__ = ["PUBLISHED_R2", "PUBLISHED_SPREAD", "published_r2"]

PUBLISHED_R2 = {
    ("stellar_mass_density", "linear", "HE"): 0.85,
    ("stellar_mass_density", "random_forest", "HE"): 0.85,
    ("stellar_mass_density", "linear", "bands"): 0.873,
    ("stellar_mass_density", "linear", "bands+colours"): 0.908,
    ("stellar_mass_density", "random_forest", "bands"): 0.927,
    ("stellar_mass_density", "dnn", "bands"): 0.927,
    ("stellar_metallicity", "linear", "HE"): 0.36,
    ("stellar_metallicity", "random_forest", "HE"): 0.36,
    ("stellar_metallicity", "linear", "bands"): 0.417,
    ("stellar_metallicity", "linear", "bands+colours"): 0.435,
    ("stellar_metallicity", "random_forest", "bands"): 0.595,
    ("stellar_metallicity", "dnn", "HE"): 0.39,
    ("stellar_metallicity", "dnn", "bands"): 0.595,
    ("stellar_age", "dnn", "bands"): 0.382,
}
"""R2 on the paper's test galaxies by (property, estimator, features); Sects. 4.1 to 4.3 and Table C.1.

What is not here is not printed in the text: for age the text gives "about 0" for single bands and
"below 0.4" for the forest.
"""

PUBLISHED_SPREAD = {"stellar_mass_density": 0.481, "stellar_metallicity": 0.119, "stellar_age": 0.163}
"""Standard deviation of the truth in dex that the paper's RMSE and R2 imply together."""


def published_r2(property, estimator, features):
    """The paper's R2 as text, ``-`` where it prints none.

    Parameters
    ----------
    property, estimator, features : str
        For example ``"stellar_age"``, ``"dnn"``, ``"bands"``.

    Returns
    -------
    text : str
    """
    value = PUBLISHED_R2.get((property, estimator, features))
    return "-" if value is None else f"{value:.3f}"
