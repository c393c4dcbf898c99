"""What the tests share: no display, no figure left open, galaxies and an atlas made once."""

import os

os.environ["MPLBACKEND"] = "Agg"

import matplotlib
import numpy as np
import pytest
from helpers import NAMES, galaxies
from hypothesis import settings

from euclid_resolved import LinearRegression, make_atlas, train
from euclid_resolved.cli import main

matplotlib.use("Agg")
# A busy machine is no reason for a test to fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    """Close the figures of a test, and none of another's."""
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(autouse=True)
def global_random_state_is_left_alone():
    """Nothing in the package may draw from NumPy's global generator."""
    before = np.random.get_state()[1].copy()
    yield
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.fixture(scope="session")
def sample():
    """Six synthetic galaxies, never changed."""
    return galaxies(6)


@pytest.fixture(scope="session")
def linear_model(sample):
    """A linear model of all properties; on the synthetic galaxies it is exact."""
    return train(sample, NAMES, LinearRegression(), source="synthetic")


@pytest.fixture(scope="session")
def atlas(tmp_path_factory):
    """A tiny mock atlas of twelve galaxies."""
    return make_atlas(tmp_path_factory.mktemp("mock") / "atlas", 12, pixels=48)


@pytest.fixture(scope="session")
def model_file(atlas, tmp_path_factory):
    """A linear model of all properties, trained on that atlas by the command line."""
    path = tmp_path_factory.mktemp("models") / "linear.asdf"
    command = ["train", str(atlas), "-o", str(path), "--estimator", "linear", "--test-fraction", "0.25"]
    assert main(command) == 0
    return path


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as made:
        yield made.scheduler_address
