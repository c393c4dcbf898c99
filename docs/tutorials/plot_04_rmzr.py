"""
The resolved mass-metallicity relation
======================================

You fit the relation between metallicity and density of the pixels, to the truth and
to what a model makes of four bands, and ask how much of the estimated metallicity is
more than that relation. At the end you can put a published relation of your own
choice beside it.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved import RandomForest, make_atlas, read_atlas, split, train
from euclid_resolved.diagnostics import (
    PUBLISHED_RELATIONS,
    Relation,
    plot_rmzr,
    plot_shuffle,
    read_relation,
    run_chain,
    write_relation,
)
from euclid_resolved.training import extract

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
training, test = split(galaxies, fraction=0.25, seed=14)
names = ("stellar_mass_density", "stellar_metallicity")
pixels, unseen = extract(training, names), extract(test, names)
model = train(pixels, names, RandomForest(n_trees=20))
tables = run_chain(("rmzr", "rmzr_shuffle"), model, pixels, unseen)

# %%
# The relation
# ------------
# Three forms are fitted, each with errors from drawing *galaxies* again: pixels of one
# galaxy are alike, and errors from drawing pixels would be many times too small.

figure = plot_rmzr(tables["rmzr"])

# %%
# The estimates follow the relation of the training galaxies more tightly than the truth
# does. That is what an estimator does which knows the relation and little else: its
# scatter is too small, its slope about right.

table = tables["rmzr"]
rows = (table["form"] == "linear") & np.isin(table["quantity"], ("b", "scatter"))
table[rows]["metallicity", "quantity", "value", "error"]

# %%
# How much of it is the relation alone?
# -------------------------------------
# The shuffle test exchanges metallicity among training pixels of one density. The
# relation stays and everything else is destroyed; a model is trained on that, and
# tested on untouched galaxies. What it still reaches, the relation gave.

figure = plot_shuffle(tables["rmzr_shuffle"])

# %%
# Only the difference between the first two bars is metallicity that was seen in the
# light. The partial correlation says the same in one number: that of true and estimated
# metallicity at fixed density.

tables["rmzr_shuffle"]

# %%
# Published relations
# -------------------
# The relations of the paper's Fig. 8 are known by name and reference, without values,
# since none could be verified:

for relation in PUBLISHED_RELATIONS.values():
    print(f"{relation.name:24s} {relation.sample:28s} values: {relation.supplied}")

# %%
# Supply a table with ``log_density``, ``log_metallicity`` and the conventions behind
# them, and it is drawn. For want of a published one, this table holds the median of the
# training galaxies of the mock atlas.

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
# A relation without values is named below the figure, so that nobody takes it for
# forgotten.

figure = plot_rmzr(tables["rmzr"], [relation, PUBLISHED_RELATIONS["Zibetti+2020"]])

# %%
# Nothing is converted unless you ask, and what was done is said in the legend. From a
# solar metallicity of 0.02 to 0.0142:

print(relation.to_solar(0.0142).label)
plt.show()
