"""
Chain and compare estimators
============================

This tutorial is for those who compare methods. You run several estimators and sets of
features on the same pixels, use one property as an input for the next, and compare the
results with the paper's. At the end you know which choices matter (a non-linear
estimator) and which hardly do.
"""

import tempfile
from pathlib import Path

from euclid_resolved import make_atlas, read_atlas, split

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
training, test = split(
    read_atlas(make_atlas(folder / "atlas", 32, pixels=64)), fraction=0.25, seed=14
)

# %%
# The pixels are gathered once, and all models learn from the same ones.

from euclid_resolved.training import extract

names = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
pixels, unseen = extract(training, names), extract(test, names)

# %%
# Estimators
# ----------
# All registered estimators, the built-in ones and those of plugins, are found by name:

from euclid_resolved.plugins import available

print(", ".join(available("estimators")))

# %%
# You can use any of them in any example of this documentation. Here are two straight
# lines, two kinds of trees, and the usual estimates from colours (for density only),
# all on the same pixels:

import numpy as np

from euclid_resolved import evaluate, train
from euclid_resolved.plugins import lookup

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
# Diamonds show what the paper prints for TNG50-SKIRT. Those are other galaxies, so
# compare differences, not heights.

import matplotlib.pyplot as plt

from euclid_resolved.diagnostics import published_r2

figure, axes = plt.subplots(1, 3, figsize=(7.1, 3), sharey=True, layout="constrained")
for axis, name in zip(axes, names, strict=True):
    for i, kind in enumerate(r2):
        if name in r2[kind]:
            axis.barh(i, r2[kind][name], color="#0072B2", height=0.7)
        else:
            axis.text(
                0.02, i, "for density only", va="center", size="small", color="0.4"
            )
        # "-" where it prints none, "≈" before a rounded one
        paper = published_r2(name, kind, "bands")
        if paper != "-":
            axis.plot(float(paper.lstrip("≈")), i, "D", color="black", ms=5)
    axis.axvline(0, color="black", lw=0.8)
    axis.set(
        title=name.replace("_", " "),
        xlabel=r"$R^2$ on the test galaxies",
        xlim=(-0.25, 1),
        xticks=(0, 0.5, 1),
    )
axes[0].set_yticks(range(len(r2)), [kind.replace("_", " ") for kind in r2])
axes[0].invert_yaxis()

# %%
# The step that matters is that from the straight line to any non-linear estimator. The
# kinds of trees differ by less than the result changes from one split of the galaxies
# to another.
#
# Features
# --------
# Sets of features are combined by name, and estimators need not use all columns.
# Colours in magnitudes are differences of inputs that a linear regression already has,
# so they change nothing for it. Ratios of flux do.

from euclid_resolved import LinearRegression, RandomForest

for features in (("bands",), ("bands", "colours"), ("bands", "flux_ratios")):
    for estimator in (LinearRegression(), RandomForest(n_trees=25)):
        model = train(pixels, names[0], estimator, features=features)
        value = float(evaluate(model, unseen)["r2"][0])
        label = f"{' + '.join(features):20s} {type(estimator).__name__}"
        print(f"{label:40s} R2 of density {value:.3f}")

# %%
# Chain the properties
# --------------------
# With ``chain=True`` the estimate of density is an input for metallicity, and both are
# inputs for age. During training, a galaxy's density comes from a fit to other
# galaxies. The chain therefore does not learn from values that were fitted to the same
# pixels.

alone = evaluate(train(pixels, names, RandomForest(n_trees=25)), unseen)
chained = evaluate(train(pixels, names, RandomForest(n_trees=25), chain=True), unseen)
for name, before, after in zip(names, alone["r2"], chained["r2"], strict=True):
    print(f"{name:21s} R2 alone {before:.3f}, chained {after:.3f}")

# %%
# The estimates that the chain adds contain nothing but the same four bands, so nothing
# can be gained, and nothing is. A chain is useful if another property is known better
# than its light.
#
# Chain estimators
# ----------------
# ``Ensemble`` is an estimator made of others that differ only in their seeds. Its
# estimate is their mean:

from euclid_resolved import Ensemble

several = train(pixels, names[0], Ensemble("mlp", members=3, options=("epochs=20",)))
print(f"three networks together: R2 {float(evaluate(several, unseen)['r2'][0]):.3f}")

# %%
# The scatter between such fits is the part of the error that another seed would change.
# It is small compared with the ``rmse``, which contains everything that four bands
# cannot distinguish:

from euclid_resolved.diagnostics import diagnose

forest = train(pixels, names, RandomForest(n_trees=25))
runs = diagnose("epistemic_scatter", forest, pixels, unseen, runs=3)
runs
