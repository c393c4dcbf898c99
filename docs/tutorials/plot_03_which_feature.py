"""
Which band matters: importance against leave-one-out
====================================================

This tutorial is for those who want to know which band matters. You ask a forest in
three ways which band it depends on, and get three answers. At the end you know which
question each of them answers, and why the paper finds HE first in one and IE first in
another.
"""

import tempfile
from pathlib import Path

from euclid_resolved import RandomForest, make_atlas, read_atlas, split, train

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
training, test = split(galaxies, fraction=0.25, seed=14)

# %%
# The pixels are gathered once. The forest and all that follows use the same ones.

from euclid_resolved.training import extract

names = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
pixels, unseen = extract(training, names), extract(test, names)
model = train(pixels, names, RandomForest(n_trees=15))

# %%
# Diagnostics are functions that are found by name. They take a model with its training
# and test galaxies, and return a table. Several of them run in one call. Leave-one-out
# takes longest, because it trains a new model for every band.

from euclid_resolved.diagnostics import run_chain

tables = run_chain(
    ("impurity_importance", "lofo", "permutation_importance"), model, pixels, unseen
)

# %%
# What the trees used
# -------------------
# *Impurity importance* is the part of the squared error that the splits on a band
# removed. It needs no further computation. If two bands contain nearly the same
# information, either of them may get nearly all of the importance.

from euclid_resolved.plugins import lookup

figure = lookup("diagnostics", "impurity_importance").plot(
    tables["impurity_importance"]
)

# %%
# What cannot be replaced
# -----------------------
# *Leave one feature out* trains again without a band. If the other bands can replace
# it, nothing is lost, however important the trees found it.

figure = lookup("diagnostics", "lofo").plot(tables["lofo"])

# %%
# What the trained model relies on
# --------------------------------
# *Permutation* shuffles a band among the test pixels and trains nothing. Diamonds show
# the result of shuffling within each galaxy only. The loss is then the information that
# the band gives within a galaxy, without the differences between galaxies.

figure = lookup("diagnostics", "permutation_importance").plot(
    tables["permutation_importance"]
)

# %%
# Side by side
# ------------
# These are ranks for density; rank 1 is the most important band. For RMSE a band that
# matters has a positive ``lofo``.

import matplotlib.pyplot as plt
import numpy as np


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
# HE is closest to the mass, so the trees split on it first, and the estimates fail when
# it is shuffled. But JE contains nearly the same information and replaces HE if a model
# is trained without it. IE is the only optical band, and its colours with the others
# are the only strong ones, so nothing replaces it. If you want to say "this band is not
# needed", use leave-one-out, never impurity importance.
#
# With so few galaxies the lower ranks change from one split to the next.
