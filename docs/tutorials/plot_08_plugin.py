"""
Your own estimator as a plugin
==============================

This tutorial is for those who want to add an estimator of their own. You write it,
offer it by name, test it against the contract, train it beside the built-in ones, and
see the two files that make it a distribution. At the end anybody can ``pip install``
it, without a change in this package.
"""

from dataclasses import dataclass

import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.estimators import Estimator, check_X, check_X_y, state_array

# %%
# The class
# ---------
# The example is a parabola in all columns at once: least squares on the columns, their
# squares and their products. The features are scaled to [0, 1], and so is the target.
# Settings are the fields of the dataclass.


@dataclass
class Parabola(Estimator):
    """Least squares on columns, squares and products, held back by `strength`."""

    strength: float = 1e-3

    def fit(self, X, y, validation=None):
        X, y = check_X_y(X, y)
        terms = self._terms(X)
        gram = terms.T @ terms + self.strength * np.eye(terms.shape[1])
        return self.restore(
            {
                "coefficients": np.linalg.solve(gram, terms.T @ y),
                "n_columns": X.shape[1],
            }
        )

    def predict(self, X):
        X = check_X(X, self._n_columns)
        # Term by term: the sum of a row then never depends on how many rows there are.
        y = np.zeros(len(X))
        for term, coefficient in zip(self._terms(X).T, self._coefficients, strict=True):
            y += coefficient * term
        return y.astype(np.float32)

    def state(self):
        return {"coefficients": self._coefficients, "n_columns": self._n_columns}

    def restore(self, state):
        coefficients = state_array(state, "coefficients", 1).astype(float)
        n = int(state_array(state, "n_columns", 0, "iu"))
        if n < 1 or len(coefficients) != (n + 1) * (n + 2) // 2:
            raise InputError(
                f"{len(coefficients)} coefficients do not belong to {n} columns"
            )
        self._coefficients, self._n_columns = coefficients, n
        return self

    @staticmethod
    def _terms(X):
        X = np.column_stack([np.ones(len(X)), X]).astype(float)
        first, second = np.triu_indices(X.shape[1])
        return X[:, first] * X[:, second]


# %%
# The class has four methods. ``fit`` learns, and ``predict`` estimates. ``state``
# returns what was learned as plain arrays, which a model file stores. ``restore`` takes
# it back from a file that may be damaged or made to do harm, so it checks everything
# that could cause a crash.
#
# Offer it by name
# ----------------
# A model file needs a name for its estimator. The hook is a function that returns names
# and classes. There are other hooks for features, diagnostics and published relations.
# ``plugins.register`` makes the name known until Python ends, which is enough for a
# notebook.

from euclid_resolved import plugins


@plugins.hookimpl
def register_estimators():
    return {"parabola": Parabola}


plugins.register(register_estimators)
print(*[row for row in plugins.describe() if row.name == "parabola"])

# %%
# Does it keep the contract?
# --------------------------
# The contract is a set of rules, and the package has a test for each: batches, order,
# seeds, NaN, constant columns, damaged states, side effects. A broken rule gives an
# error of one sentence. This call prints nothing, because no rule is broken.

from euclid_resolved.testing import check_estimator

check_estimator(Parabola())

# %%
# The next estimator breaks a rule: it does not refuse NaN.


class Careless(Parabola):
    """A parabola that takes whatever comes."""

    def predict(self, X):
        return super().predict(np.nan_to_num(X))


try:
    check_estimator(Careless())
except AssertionError as broken:
    print(broken)

# %%
# Use it
# ------
# An estimator is an object, and `~euclid_resolved.training.train` takes it as it is.
# Only a file needs its name.

import tempfile
from pathlib import Path

from euclid_resolved import LinearRegression, make_atlas, read_atlas, split, train
from euclid_resolved.diagnostics import estimates
from euclid_resolved.plotting import plot_predicted_against_true
from euclid_resolved.training import extract

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
training, test = split(
    read_atlas(make_atlas(folder / "atlas", 32, pixels=64)), fraction=0.25, seed=14
)
names = ("stellar_mass_density", "stellar_metallicity")
pixels, unseen = extract(training, names), extract(test, names)
straight, bent = (
    train(pixels, names, LinearRegression()),
    train(pixels, names, Parabola()),
)

panels = {
    name: {
        "straight": estimates(straight, unseen, name),
        "parabola": estimates(bent, unseen, name),
    }
    for name in names
}
figure = plot_predicted_against_true(panels)

# %%
# The parabola is better than the straight line, because the ratio of mass to light is
# not a power law of four brightnesses.
#
# Save and open
# -------------
# The file has the name and the state, but no code.

from euclid_resolved import evaluate, read, write

out = tempfile.TemporaryDirectory()
path = Path(out.name) / "parabola.asdf"
write(path, bent)
evaluate(read(path), unseen)

# %%
# Everybody who opens the file needs the plugin. Without it there is a message. A
# colleague who has only the file sees this:

import matplotlib.pyplot as plt

plugins.unregister(register_estimators)
try:
    read(path)
except InputError as error:
    print(str(error).replace(out.name, "..."))
out.cleanup()
plt.show()

# %%
# Give it to others
# -----------------
# To give the estimator to others, make it a distribution. The class, the hook and their
# imports become a module. Copy them into ``euclid_resolved_parabola.py``, in a folder
# of its own, without the line ``plugins.register(...)``. The module begins with
#
# .. code-block:: python
#
#    """A parabola in all columns, as an estimator of euclid_resolved."""
#
#    from dataclasses import dataclass
#
#    import numpy as np
#
#    from euclid_resolved import plugins
#    from euclid_resolved.errors import InputError
#    from euclid_resolved.estimators import Estimator, check_X, check_X_y, state_array
#
# You need two more files beside it. ``setup.cfg`` names the distribution, and names the
# module in the entry-point group ``euclid_resolved``:
#
# .. code-block:: ini
#
#    [metadata]
#    name = euclid_resolved_parabola
#    version = 1.0
#
#    [options]
#    py_modules = euclid_resolved_parabola
#    install_requires = euclid_resolved
#
#    [options.entry_points]
#    euclid_resolved =
#        parabola = euclid_resolved_parabola
#
# ``pyproject.toml`` says what builds it:
#
# .. code-block:: toml
#
#    [build-system]
#    requires = ["setuptools>=77"]
#    build-backend = "setuptools.build_meta"
#
# Then run in that folder
#
# .. code-block:: sh
#
#    pip install --no-deps -e .
#    euclid-resolved plugins --check parabola
#    euclid-resolved train ATLAS -o model.asdf --estimator parabola --set strength=0.01
#
# (``--no-deps`` because ``euclid_resolved`` is installed already.) From now on the file
# opens in every Python that has the plugin.
