"""
The resolved mass-metallicity relation
======================================

This tutorial is for those who study the relation between metallicity and density of
pixels. You fit this relation to the truth and to the estimates of a model, and ask how
much of the estimated metallicity is more than the relation. Then you compare both with
an observed relation. At the end you can plot a published relation of your own choice.
"""

import tempfile
from pathlib import Path

from euclid_resolved import RandomForest, make_atlas, read_atlas, split, train

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
training, test = split(galaxies, fraction=0.25, seed=14)

# %%
# A model of both properties is trained. Two diagnostics, found by their names, make the
# tables that this page shows.

from euclid_resolved.diagnostics import run_chain
from euclid_resolved.training import extract

names = ("stellar_mass_density", "stellar_metallicity")
pixels, unseen = extract(training, names), extract(test, names)
model = train(pixels, names, RandomForest(n_trees=20))
tables = run_chain(("rmzr", "rmzr_shuffle"), model, pixels, unseen)

# %%
# The relation
# ------------
# Three forms are fitted. Their errors come from drawing *galaxies* again and again. The
# pixels of one galaxy are alike, so that errors from drawing pixels would be many times
# too small.

from euclid_resolved.diagnostics import plot_rmzr

figure = plot_rmzr(tables["rmzr"])

# %%
# The estimates follow the relation of the training galaxies more tightly than the truth
# does. This is typical of an estimator that has learned the relation and little else:
# its scatter is too small, and its slope about right.

import numpy as np

table = tables["rmzr"]
rows = (table["form"] == "linear") & np.isin(table["quantity"], ("b", "scatter"))
table[rows]["metallicity", "quantity", "value", "error"]

# %%
# How much of it is the relation alone?
# -------------------------------------
# The shuffle test exchanges metallicity among training pixels of one density. The
# relation remains and everything else is destroyed. A model is trained on these pixels,
# and tested on unchanged galaxies. The accuracy that it still reaches comes from the
# relation.

from euclid_resolved.diagnostics import plot_shuffle

figure = plot_shuffle(tables["rmzr_shuffle"])

# %%
# Only the difference between the first two bars is metallicity that was seen in the
# light. The partial correlation says the same in one number. It is the correlation of
# true and estimated metallicity at fixed density.

tables["rmzr_shuffle"]

# %%
# Beside an observed relation
# ---------------------------
# One observed relation comes with its values: CALIFA at one effective radius. The
# figure above shows it in purple, with a band for the error of its densities. The table
# has the comparison as numbers, with errors from drawing galaxies: the mean offset, the
# difference of the slopes, and the root mean square.

rows = (table["form"] == "CALIFA Re") & (table["galaxies"] == "all")
table[rows]["metallicity", "quantity", "value", "error"]

# %%
# These sentences say what was done to the relation before it was compared:

print("\n".join(table.meta["relations"][0]["conversions"]))

# %%
# The relation depends on the mass of the galaxy. So galaxies of some mass are also
# compared with galaxies of CALIFA that have this mass. The mock was not made to follow
# CALIFA, and an offset is expected here. It says nothing of TNG50.

figure = plot_rmzr(table, by="mass")

# %%
# Published relations
# -------------------
# The relations of the paper's Fig. 8 are registered with name and reference. They have
# no values, because none could be verified:

from euclid_resolved.diagnostics import PUBLISHED_RELATIONS

for relation in PUBLISHED_RELATIONS.values():
    print(f"{relation.name:24s} {relation.sample:28s} values: {relation.supplied}")

# %%
# To draw a relation, supply a table with ``log_density``, ``log_metallicity`` and the
# conventions behind them. This example uses the median of the training galaxies of the
# mock atlas in place of a published relation.

from euclid_resolved.diagnostics import Relation, read_relation, write_relation

x = np.log10(pixels.truth["stellar_mass_density"])
y = np.log10(pixels.truth["stellar_metallicity"] / 0.02)
edges = np.linspace(*np.percentile(x, (1, 99)), 11)
bins = np.digitize(x, edges)
relation = Relation(
    name="the mock",
    reference="this tutorial",
    weighting="mass",
    imf="Chabrier",
    solar_metallicity=0.02,
    log_density=(edges[:-1] + edges[1:]) / 2,
    log_metallicity=np.array([np.median(y[bins == i]) for i in range(1, len(edges))]),
)
with tempfile.TemporaryDirectory() as out:
    path = Path(out) / "relation.ecsv"
    write_relation(path, relation)
    print(path.read_text())
    relation = read_relation(path)

# %%
# A relation without values is named below the figure, so that its absence is no
# surprise.

figure = plot_rmzr(tables["rmzr"], [relation, PUBLISHED_RELATIONS["Zibetti+2020"]])

# %%
# Nothing is converted unless you ask for it, and the legend states what was done. This
# converts from a solar metallicity of 0.02 to 0.0142:

import matplotlib.pyplot as plt

print(relation.to_solar(0.0142).label)
plt.show()
