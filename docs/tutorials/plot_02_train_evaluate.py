"""
Train and evaluate on an atlas
==============================

This tutorial is for those who want to state the accuracy of a model. You train two
estimators on the same pixels, and test them on galaxies that were left out, galaxy by
galaxy and in folds. At the end you know what an accuracy means and how much it varies
by chance. The last section describes the TNG50-SKIRT Atlas.
"""

import tempfile
from pathlib import Path

from euclid_resolved import make_atlas, read_atlas

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))

# %%
# Gather the pixels once
# ----------------------
# `~euclid_resolved.training.extract` reads every galaxy and keeps the pixels that are
# bright enough to learn from. Several models can then use the same pixels. State in
# every paper how many pixels were kept.

from euclid_resolved import split
from euclid_resolved.training import extract

training, test = split(galaxies, fraction=0.25, seed=14)
names = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
pixels = extract(training, names, source="mock atlas, seed 1")
unseen = extract(test, names)
print(
    f"{len(pixels)} pixels of {len(training)} galaxies above {pixels.clip} MJy/sr:",
    end=" ",
)
print(f"{100 * pixels.kept:.1f} % of all")

# %%
# Two estimators
# --------------
# These are the paper's baseline and its random forest.

from euclid_resolved import LinearRegression, RandomForest, evaluate, train

linear = train(pixels, names, LinearRegression())
forest = train(pixels, names, RandomForest(n_trees=30))
evaluate(forest, unseen)

# %%
# Blue points are running medians with the 16-84 % range. Dashed lines mark 0.3 dex; an
# estimate beyond them counts as an outlier. A flat cloud means that the estimator
# returns little more than the mean, as it does for age.

from euclid_resolved.diagnostics import estimates
from euclid_resolved.plotting import plot_predicted_against_true

panels = {
    name: {
        "linear": estimates(linear, unseen, name),
        "random forest": estimates(forest, unseen, name),
    }
    for name in names
}
figure = plot_predicted_against_true(panels)

# %%
# By galaxy
# ---------
# One number for all pixels hides the differences between galaxies. It also depends
# mostly on bright, large galaxies, because they have most of the pixels.

table = evaluate(forest, unseen, per_galaxy=True)
table = table[table["property"] == "stellar_mass_density"]
table.sort("rmse")
table["galaxy", "rmse", "bias", "r2", "n_pixels"]

# %%
# In folds
# --------
# Every galaxy is tested once, by a model that has not seen it. The scatter between
# folds shows how much the result of one split varies by chance. Differences between
# estimators that are smaller than this scatter mean nothing.

import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved.diagnostics import diagnose

folds = diagnose("cross_validation", forest, pixels, unseen, k=4)
for name in names:
    r2 = np.array(folds["r2"][folds["property"] == name])
    print(
        f"{name:21s} R2 in four folds: {np.round(r2, 2)}, scatter {r2.std(ddof=1):.2f}"
    )
plt.show()

# %%
# The same on the TNG50-SKIRT Atlas
# ---------------------------------
# The mock atlas shows how the method behaves. For science you need the simulated
# galaxies of the paper. They are not part of this package. To download them, you need a
# TNG API key of your own, which goes into the header ``api-key`` of every request. One
# galaxy is one ``tar.gz`` of about 2 GB. A download should therefore continue after an
# interruption, and wait longer after every refusal. With the addresses of the galaxies
# in ``urls.txt``:
#
# .. code-block:: sh
#
#    while read -r url; do
#        curl --fail --location --header "api-key: $TNG_API_KEY" \
#             --continue-at - --retry 8 --remote-name "$url"
#    done < urls.txt
#
# Unpacked, a galaxy is 240 files such as ``TNG000008_O5_Euclid_VIS.fits`` and
# ``TNG000008_O5_stellarmass.fits``. There are five viewing directions ``O1`` to ``O5``,
# each in 22 bands with and without dust, and four maps. Put all of them in one folder,
# or in one folder for each galaxy, with the sample table beside them. Then nothing else
# changes::
#
#     galaxies = read_atlas("TNG50-SKIRT", observer="O5")
#
# The layout is that of the mock atlas. If your files differ,
# `~euclid_resolved.io.read_atlas` says what it expected; it does not guess. On the
# command line it is one line:
#
# .. code-block:: sh
#
#    euclid-resolved train TNG50-SKIRT -o model.asdf --estimator random_forest
