"""
Chain and compare estimators
============================

You run several estimators and sets of features over the same pixels, feed one
property to the next, and put the paper's figures beside your own. At the end you know
which choices matter (leaving the straight line) and which hardly do.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved import (
    Ensemble,
    LinearRegression,
    RandomForest,
    evaluate,
    make_atlas,
    read_atlas,
    split,
    train,
)
from euclid_resolved.diagnostics import diagnose, published_r2
from euclid_resolved.plugins import available, lookup
from euclid_resolved.training import extract

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
training, test = split(
    read_atlas(make_atlas(folder / "atlas", 32, pixels=64)), fraction=0.25, seed=14
)
names = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
pixels, unseen = extract(training, names), extract(test, names)

# %%
# Estimators
# ----------
# All that are registered, the built-in ones and those of plugins, go by name:

print(", ".join(available("estimators")))

# %%
# Any of them can stand in any line of this documentation. Two straight lines, two kinds
# of trees, and what the field does with colours (for density only), all on the same
# pixels:

settings = {"random_forest": {"n_trees": 25}, "extra_trees": {"n_trees": 25}}
r2 = {}
for kind in (
    "mean",
    "colour_mass_to_light",
    "two_colour_table",
    "linear",
    "random_forest",
    "extra_trees",
):
    estimator = lookup("estimators", kind)(**settings.get(kind, {}))
    wanted = names[:1] if kind.endswith(("to_light", "table")) else names
    table = evaluate(train(pixels, wanted, estimator), unseen)
    r2[kind] = dict(zip(table["property"], np.array(table["r2"]), strict=True))

# %%
# Diamonds are what the paper prints for TNG50-SKIRT: not the same galaxies, so compare
# differences, not heights.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True, layout="constrained")
for axis, name in zip(axes, names, strict=True):
    for i, kind in enumerate(r2):
        if name in r2[kind]:
            axis.barh(i, r2[kind][name], color="#0072B2", height=0.7)
        else:
            axis.text(
                0.02, i, "for density only", va="center", size="small", color="0.4"
            )
        paper = published_r2(name, kind, "bands")  # "-" where it prints none
        if paper != "-":
            axis.plot(
                float(paper),
                i,
                "D",
                color="black",
                ms=5,
                label=None if i < 4 else "the paper",
            )
    axis.axvline(0, color="black", lw=0.8)
    axis.set(
        title=name.replace("_", " "),
        xlabel=r"$R^2$ on the test galaxies",
        xlim=(-0.25, 1),
        xticks=(0, 0.5, 1),
    )
axes[0].set_yticks(range(len(r2)), [kind.replace("_", " ") for kind in r2])
axes[0].invert_yaxis()
axes[1].legend(loc="lower right", frameon=False)

# %%
# The step that counts is from the straight line to anything that bends. Between the
# kinds of trees there is less than one split of the galaxies moves.
#
# Features
# --------
# Sets of features are chained by name, and estimators need not see all columns. Colours
# in magnitudes are differences of what a linear regression has already, so they change
# nothing for it; ratios of flux do.

for features in (("bands",), ("bands", "colours"), ("bands", "flux_ratios")):
    for estimator in (LinearRegression(), RandomForest(n_trees=25)):
        model = train(pixels, names[0], estimator, features=features)
        value = float(evaluate(model, unseen)["r2"][0])
        label = f"{' + '.join(features):20s} {type(estimator).__name__}"
        print(f"{label:40s} R2 of density {value:.3f}")

# %%
# Chain the properties
# --------------------
# ``chain=True`` feeds the density to metallicity, and both to age. While training, a
# galaxy's density comes from a fit to other galaxies, so that the chain does not learn
# from values fitted to the same pixels.

alone = evaluate(train(pixels, names, RandomForest(n_trees=25)), unseen)
chained = evaluate(train(pixels, names, RandomForest(n_trees=25), chain=True), unseen)
for name, before, after in zip(names, alone["r2"], chained["r2"], strict=True):
    print(f"{name:21s} R2 alone {before:.3f}, chained {after:.3f}")

# %%
# What the chain adds is made of the same four bands, so there is nothing to gain, and
# indeed nothing is gained. It is the right tool where another property is better known
# than its light.
#
# Chain estimators
# ----------------
# ``Ensemble`` is an estimator made of others that differ in their seeds alone. Its
# estimate is their mean:

several = train(pixels, names[0], Ensemble("mlp", members=3, options=("epochs=20",)))
print(f"three networks together: R2 {float(evaluate(several, unseen)['r2'][0]):.3f}")

# %%
# How far such fits are apart is the part of the error that another seed would change.
# It is small beside what four bands do not tell, the ``rmse``:

forest = train(pixels, names, RandomForest(n_trees=25))
runs = diagnose("epistemic_scatter", forest, pixels, unseen, runs=3)
runs
