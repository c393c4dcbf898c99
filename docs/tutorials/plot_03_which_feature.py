"""
Which band matters: importance against leave-one-out
====================================================

You ask a forest in three ways which band it leans on, and get three answers. At the
end you know which question each of them answers, and why the paper finds HE first in
one and IE first in another.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved import RandomForest, make_atlas, read_atlas, split, train
from euclid_resolved.diagnostics import run_chain
from euclid_resolved.plugins import lookup
from euclid_resolved.training import extract

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
training, test = split(galaxies, fraction=0.25, seed=14)
names = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
pixels, unseen = extract(training, names), extract(test, names)
model = train(pixels, names, RandomForest(n_trees=15))

# %%
# Diagnostics are found by name, take a model with its training and test galaxies, and
# give a table. Several run in one call; leave-one-out trains a new model for every
# band, so it takes longest.

tables = run_chain(
    ("impurity_importance", "lofo", "permutation_importance"), model, pixels, unseen
)

# %%
# What the trees used
# -------------------
# *Impurity importance* is the part of the squared error that the splits on a band
# removed. It is quick and always at hand. Of two bands that say nearly the same, either
# may get nearly all.

figure = lookup("diagnostics", "impurity_importance").plot(
    tables["impurity_importance"]
)

# %%
# What cannot be replaced
# -----------------------
# *Leave one feature out* trains again without a band. A band that the others can stand
# in for costs nothing, however important the trees found it.

figure = lookup("diagnostics", "lofo").plot(tables["lofo"])

# %%
# What the trained model relies on
# --------------------------------
# *Permutation* shuffles a band among the test pixels and trains nothing. Diamonds
# shuffle it within each galaxy only: what is then lost is what the band tells inside a
# galaxy, not which galaxy it is.

figure = lookup("diagnostics", "permutation_importance").plot(
    tables["permutation_importance"]
)

# %%
# Side by side
# ------------
# Ranks from 1, the most important, for density. For RMSE a band that matters has a
# positive ``lofo``.


def ranks(table, key, column):
    """The place of every band, for density."""
    table = table[table["property"] == "stellar_mass_density"]
    table = table[np.isin(table[key], ("IE", "YE", "JE", "HE"))]
    order = np.argsort(-np.array(table[column], float))
    return {str(table[key][i]): place + 1 for place, i in enumerate(order)}


impurity = ranks(tables["impurity_importance"], "column", "importance")
lofo = ranks(tables["lofo"], "left_out", "lofo")
permutation = ranks(tables["permutation_importance"], "band", "importance")
print("band  impurity  leave-one-out  permutation")
for band in ("IE", "YE", "JE", "HE"):
    print(f"{band:4s}  {impurity[band]:8d}  {lofo[band]:13d}  {permutation[band]:11d}")
plt.show()

# %%
# HE carries the mass, so the trees split on it first and fail when it is shuffled; but
# JE says nearly the same and stands in for it when a model is trained without. IE is
# the only optical band, and its colours with the others are the only strong ones:
# nothing replaces it. To say "this band is not needed", look at leave-one-out, never at
# impurity importance.
#
# With so few galaxies the lower ranks trade places from one split to the next.
