"""
Your own estimator as a plugin
==============================

This tutorial is for those who want to add an estimator of their own. You write it,
offer it by name, test it against the contract and train it beside a built-in one. At
the end you know the one command that makes a package of it, which anybody can install
without a change in this package.
"""

from dataclasses import dataclass

import numpy as np

from euclid_resolved import errors, estimators

# %%
# The class
# ---------
# The example is a parabola in all columns at once: least squares on the columns, their
# squares and their products. The features are scaled to [0, 1], and so is the target.
# Settings are the fields of the dataclass. ``fit`` learns, and ``predict`` estimates.
# ``state`` returns what was learned as plain arrays, which a model file stores.
# ``restore`` takes it back from a file that may be damaged or made to do harm, so it
# checks everything that could cause a crash.


@dataclass
class Parabola(estimators.Estimator):
    """Least squares on columns, squares and products, held back by `strength`."""

    strength: float = 1e-3

    def fit(self, X, y, validation=None):
        X, y = estimators.check_X_y(X, y)
        terms = self._terms(X)
        gram = terms.T @ terms + self.strength * np.eye(terms.shape[1])
        coefficients = np.linalg.solve(gram, terms.T @ y)
        return self.restore({"coefficients": coefficients, "n_columns": X.shape[1]})

    def predict(self, X):
        X = estimators.check_X(X, self._n_columns)
        # Term by term: the sum of a row then never depends on how many rows there are.
        y = np.zeros(len(X))
        for term, coefficient in zip(self._terms(X).T, self._coefficients, strict=True):
            y += coefficient * term
        return y.astype(np.float32)

    def state(self):
        return {"coefficients": self._coefficients, "n_columns": self._n_columns}

    def restore(self, state):
        coefficients = estimators.state_array(state, "coefficients", 1).astype(float)
        n = int(estimators.state_array(state, "n_columns", 0, "iu"))
        if n < 1 or len(coefficients) != (n + 1) * (n + 2) // 2:
            raise errors.InputError(f"{len(coefficients)} coefficients for {n} columns")
        self._coefficients, self._n_columns = coefficients, n
        return self

    @staticmethod
    def _terms(X):
        X = np.column_stack([np.ones(len(X)), X]).astype(float)
        first, second = np.triu_indices(X.shape[1])
        return X[:, first] * X[:, second]


# %%
# Offer it by name
# ----------------
# A model file needs a name for its estimator. The hook is a function that returns names
# and classes. ``plugins.register`` makes the name known until Python ends, which is
# enough for a notebook.

from euclid_resolved import plugins


@plugins.hookimpl
def register_estimators():
    return {"parabola": Parabola}


plugins.register(register_estimators)

# %%
# Does it keep the contract?
# --------------------------
# The contract is a set of rules, and the package has a test for each: batches, order,
# seeds, NaN, constant columns, damaged states, side effects. A broken rule gives an
# error of one sentence. The first call prints nothing, because no rule is broken. The
# estimator of the second call does not refuse NaN, and was not given a name.

from euclid_resolved.testing import check_estimator

check_estimator(Parabola())


class Careless(Parabola):
    def predict(self, X):
        return super().predict(np.nan_to_num(X))


try:
    check_estimator(Careless())
except AssertionError as broken:
    print(broken)

# %%
# Use it
# ------
# The parabola is better than the straight line, because the ratio of mass to light is
# not a power law of four brightnesses.

import tempfile
from pathlib import Path

from euclid_resolved import (
    LinearRegression,
    evaluate,
    make_atlas,
    read_atlas,
    split,
    train,
)

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
training, test = split(galaxies, fraction=0.25, seed=14)
straight = train(training, "stellar_mass_density", LinearRegression())
bent = train(training, "stellar_mass_density", Parabola())
for label, model in (("straight line", straight), ("parabola", bent)):
    print(f"{label:13s} rmse of density {evaluate(model, test)['rmse'][0]:.3f}")

# %%
# The file of the model has the name of the estimator and its state, but no code.
# Everybody who opens the file needs the plugin. A colleague who has only the file sees
# this message:

from euclid_resolved import read, write

out = tempfile.TemporaryDirectory()
path = Path(out.name) / "parabola.asdf"
write(path, bent)
print("digests agree:", read(path).digest == bent.digest)

plugins.unregister(register_estimators)
try:
    read(path)
except errors.InputError as error:
    print(str(error).replace(out.name, "..."))
out.cleanup()

# %%
# Give it to others
# -----------------
# This command writes a small package with an example in the place of your class, its
# entry point and its test:
#
# .. code-block:: sh
#
#    euclid-resolved plugins new parabola
#
# Put the class into ``euclid_resolved_parabola/euclid_resolved_parabola.py``. Then run
# in that folder
#
# .. code-block:: sh
#
#    pip install --no-deps -e .
#    euclid-resolved plugins --check parabola
#    euclid-resolved train ATLAS -o model.asdf --estimator parabola --set strength=0.01
#
# (``--no-deps`` because ``euclid_resolved`` is installed already.) From now on the file
# opens in every Python that has the plugin. The page on plugins in this documentation
# explains the parts of the package, and the other kinds of plugin.
