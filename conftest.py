"""How the examples in docstrings are run: in an empty folder, without a display, nothing left behind."""

import importlib.util
import os

import pytest
from _pytest.doctest import DoctestItem

os.environ["MPLBACKEND"] = "Agg"

# Examples of what an extra brings are left out where it is not installed.
NEEDS = {"euclid_resolved.imaging._binning.bin_voronoi": "powerbin"}


@pytest.fixture(autouse=True)
def an_empty_folder(request):
    """Files that an example writes go where nobody keeps them, and its figures are closed."""
    if not isinstance(request.node, DoctestItem):
        yield
        return
    needed = NEEDS.get(request.node.name)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
    request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
