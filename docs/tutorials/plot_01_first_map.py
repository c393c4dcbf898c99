"""
Five minutes to a map
=====================

You train a model on mock galaxies whose stars are known, and map a galaxy that it has
never seen. At the end you can read such a map, compare it with the truth, and have it
in a file that any FITS viewer opens.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved import (
    RandomForest,
    evaluate,
    make_atlas,
    read,
    read_atlas,
    split,
    train,
    write,
)
from euclid_resolved.plotting import plot_galaxy

# %%
# An atlas is a folder of galaxies with images in the four Euclid bands and true maps of
# their stars. The mock atlas made here takes a few seconds; a galaxy that lies in the
# folder already is not made again. Any folder will do.

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
print(*galaxies[:3])

# %%
# What a galaxy looks like
# ------------------------
# Nothing was read yet: image and maps are read when they are looked at. Brightness is
# in MJy/sr.

image = galaxies[21].image
image

# %%

figure = image.plot()

# %%
# Train
# -----
# Whole galaxies are kept for the test, never single pixels: the pixels of one galaxy
# are so alike that a test on them would say nothing.

training, test = split(galaxies, fraction=0.25, seed=14)
model = train(training, "all", RandomForest(n_trees=30))
model

# %%
# How good is it, on galaxies that it has not seen? ``r2`` is 1 for a perfect estimate
# and 0 for one that knows no more than the mean; ``rmse``, ``nmad`` and ``bias`` are in
# dex.

evaluate(model, test)

# %%
# Map
# ---
# One of the test galaxies. Every map is an `astropy.nddata.NDData`, with unit, mask
# and, where the image has one, WCS.

galaxy = test[5]
maps = model.predict_maps(galaxy.image)
maps["stellar_mass_density"]

# %%
# Grey pixels have no value: they are fainter than anything the model was trained on,
# and a guess there would look like a measurement. ``quality`` says why each pixel is
# empty.

# sphinx_gallery_thumbnail_number = 2
figure = plot_galaxy(galaxy.maps, maps, title=f"{galaxy.name} (mock)")

# %%
# The columns are not equally good, and this is no accident:
#
# - **Density** is what near-infrared light measures.
# - **Metallicity** mostly repeats the relation between metallicity and density that the
#   training galaxies obey. Where a galaxy departs from it, so will the map.
# - **Age** is hardly recovered from four bands. Its map is a by-product; do not publish
#   it.
#
# Keep it
# -------
# FITS for viewers, with the density first; ASDF keeps everything, to the last bit.

with tempfile.TemporaryDirectory() as out:
    write(Path(out) / "maps.fits", maps)
    write(Path(out) / "model.asdf", model)
    again = read(Path(out) / "model.asdf").predict(galaxy.image, "stellar_mass_density")

difference = np.abs((again - maps["stellar_mass_density"]).quantity)
print(f"largest difference after reading the model back: {np.nanmax(difference)}")
plt.show()
