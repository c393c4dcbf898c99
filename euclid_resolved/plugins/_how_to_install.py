"""How a plugin that is missing is installed, and which ones come with the package."""

from __future__ import annotations

# What the plugins in the folder ``plugins`` of the repository offer; they are on no index of packages.
IN_THE_REPOSITORY = {
    ("estimators", "dnn"): "euclid_resolved_dnn",
    ("estimators", "knn"): "euclid_resolved_knn",
    ("diagnostics", "unet"): "euclid_resolved_unet",
    ("estimators", "xgboost"): "euclid_resolved_xgboost",
    ("estimators", "xgboost_forest"): "euclid_resolved_xgboost",
}


def how_to_install(distribution: str, version: str = "") -> str:
    """The command that installs a plugin; those of this repository are installed from a clone of it.

    Parameters
    ----------
    distribution : str
    version : str, optional
        A distribution of others is asked for in this version.

    Returns
    -------
    words : str

    Examples
    --------
    >>> from euclid_resolved.plugins._how_to_install import how_to_install
    >>> how_to_install("my-huber", "0.3")
    'pip install my-huber==0.3'
    >>> how_to_install("euclid_resolved_dnn")
    'pip install ./plugins/euclid_resolved_dnn in a clone of euclid_resolved'
    """
    folder = distribution.replace("-", "_")
    if folder in IN_THE_REPOSITORY.values():
        tag = f" of version {version}" if version else ""
        return f"pip install ./plugins/{folder} in a clone of euclid_resolved{tag}"
    return f"pip install {distribution}" + (f"=={version}" if version else "")
