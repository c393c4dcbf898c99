"""
Five minutes to a map
=====================

This tutorial is for everybody who uses the package for the first time. You train a
model on mock galaxies, whose true properties are known, and map a galaxy that the model
has never seen. At the end you can read such a map, compare it with the truth, and write
it to a file that any FITS viewer opens.
"""

import tempfile
from pathlib import Path

from euclid_resolved import make_atlas, read_atlas

# %%
# An atlas is a folder of galaxies. It contains images in the four Euclid bands and true
# maps of the stars. The mock atlas made here takes a few seconds. A galaxy that is
# already in the folder is not made again. You can use any folder.

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
print(*galaxies[:3])

# %%
# What a galaxy looks like
# ------------------------
# Nothing was read yet: image and maps are read when they are used. Brightness is in
# MJy/sr.

image = galaxies[21].image
image

# %%

figure = image.plot()

# %%
# Train
# -----
# Whole galaxies are set aside for the test, never single pixels. The pixels of one
# galaxy are so alike that a test on some of them would not measure the accuracy on
# other galaxies.

from euclid_resolved import RandomForest, split, train

training, test = split(galaxies, fraction=0.25, seed=14)
model = train(training, "all", RandomForest(n_trees=30))
model

# %%
# How good is the model on galaxies that it has not seen? ``r2`` is 1 for a perfect
# estimate, and 0 for one that is as good as the mean. ``rmse``, ``nmad`` and ``bias``
# are in dex.

from euclid_resolved import evaluate

evaluate(model, test)

# %%
# Map
# ---
# Now map one of the test galaxies. Every map is an `astropy.nddata.NDData`, with unit,
# mask and, if the image has one, WCS.

galaxy = test[5]
maps = model.predict_maps(galaxy.image)
maps["stellar_mass_density"]

# %%
# Grey pixels have no value. They are fainter than anything that the model was trained
# on, and a guess there would look like a measurement. ``quality`` says why a pixel is
# empty.

from euclid_resolved.plotting import plot_galaxy

# sphinx_gallery_thumbnail_number = 2
figure = plot_galaxy(galaxy.maps, maps, title=f"{galaxy.name} (mock)")

# %%
# The three maps are not equally good, and there are reasons for this:
#
# - **Density** follows near-infrared light, which Euclid measures.
# - **Metallicity** mostly repeats the relation between metallicity and density of the
#   training galaxies. If a galaxy departs from this relation, its map will be wrong.
# - **Age** can hardly be estimated from four bands. Its map is a by-product; do not
#   publish it.
#
# Keep it
# -------
# FITS is for viewers, and has the density first. ASDF keeps everything, to the last
# bit.

import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved import read, write

with tempfile.TemporaryDirectory() as out:
    write(Path(out) / "maps.fits", maps)
    write(Path(out) / "model.asdf", model)
    again = read(Path(out) / "model.asdf").predict(galaxy.image, "stellar_mass_density")

difference = np.abs((again - maps["stellar_mass_density"]).quantity)
print(f"largest difference after reading the model back: {np.nanmax(difference)}")
plt.show()
