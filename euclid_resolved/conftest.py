"""How the examples in docstrings are run: in an empty folder, without a display, nothing left behind."""

import importlib.util
import os

import pytest

os.environ["MPLBACKEND"] = "Agg"

# Examples of what an extra brings are left out where it is not installed.
NEEDS = {
    "euclid_resolved.histogram.grow": "numba",
    "euclid_resolved.imaging.binning.bin_voronoi": "powerbin",
    "euclid_resolved.walk.CompiledWalk": "numba",
}


@pytest.fixture(autouse=True)
def an_empty_folder(request, tmp_path, monkeypatch):
    """Files that an example writes go where nobody keeps them, and its figures are closed."""
    needed = NEEDS.get(request.node.name)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
    monkeypatch.chdir(tmp_path)
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
