"""
Look around the pixel
=====================

This tutorial is for those who have faint galaxies. You train a model that uses the
surroundings of a pixel and one that does not, map a faint galaxy with both, and compare
the maps with the truth. At the end you know what neighbouring pixels add, and where a
map has values only because of them.
"""

import tempfile
from pathlib import Path

from euclid_resolved import make_atlas, observe_atlas, read_atlas, split

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "around", 32, pixels=96))
training, test = split(galaxies, fraction=0.25, seed=14)

# %%
# The training galaxies are observed as Euclid would see them, from bright and clear to
# faint and noisy. A model that has seen only clean images takes noise for structure.

import astropy.units as u

training = observe_atlas(training, (20, 100) * u.Mpc, depth=(0.01, 1.0), seed=3)

# %%
# Two models of the same galaxies
# -------------------------------
# ``neighbourhood`` adds surface brightness and colours, smoothed over a few pixels, to
# the four bands of the pixel itself. The number behind the ``~`` is the sigma of the
# Gaussian in pixels. Everything else is the same.

from euclid_resolved import RandomForest, train

forest = RandomForest(n_trees=20, max_features=0.5, joint=True)
alone = train(training, "all", forest, features="bands")
around = train(training, "all", forest, features=("bands", "neighbourhood"))
print(", ".join(around.columns))

# %%
# First compare them on galaxies that neither has seen, in images without the noise of
# an observation, so that both give a value to the same pixels:

from euclid_resolved import evaluate

for label, model in (("single pixels", alone), ("with neighbours", around)):
    print(label)
    print(evaluate(model, test)["property", "r2", "rmse", "bias", "n_pixels"])

# %%
# A faint galaxy
# --------------
# This is one of the test galaxies, at 60 Mpc, in a fiftieth of the exposure of the Wide
# Survey. In much of it the noise is stronger than the light. A model gives a value
# where the light that it uses has a signal-to-noise of 3 in every band. For the model
# of single pixels this is the light of the pixel. The other model first smooths noisy
# pixels, as little as is needed for 5, and uses the smoothed light.

import numpy as np

from euclid_resolved.imaging import observe


def look(galaxy):
    """Image, true density and the density that each model maps."""
    seen = observe(galaxy, 60 * u.Mpc, depth=0.02, pixel_scale=None, redshift=0)
    image, truth = seen.load()
    models = {"single pixels": alone, "with neighbours": around}
    return (
        image,
        truth[name],
        {key: one.predict(image, name) for key, one in models.items()},
    )


name = "stellar_mass_density"
by_name = {galaxy.name: galaxy for galaxy in test}
image, truth, maps = look(by_name["TNG000019_O5"])
for label, map_ in maps.items():
    print(f"{label}: {np.sum(~map_.mask)} pixels have a value")

# %%
# The upper row has the maps side by side, and the lower row their differences from the
# truth.

import matplotlib.pyplot as plt

from euclid_resolved.plotting import plot_map

# sphinx_gallery_thumbnail_number = 1
limits, window = (0.5, 2.7), (slice(8, 88), slice(8, 88))
figure, axes = plt.subplots(
    2,
    3,
    figsize=(7.1, 4.4),
    layout="compressed",
    subplot_kw={"xticks": [], "yticks": []},
)
plot_map(truth[window], ax=axes[0, 0], title="truth", limits=limits)
residual = plt.colormaps["RdBu_r"].with_extremes(bad="0.85")
for column, (label, map_) in enumerate(maps.items(), 1):
    plot_map(map_[window], ax=axes[0, column], title=label, limits=limits)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.log10(map_.data / truth.data)[window]
    picture = axes[1, column].imshow(
        error,
        origin="lower",
        cmap=residual,
        vmin=-0.5,
        vmax=0.5,
        interpolation="nearest",
    )
axes[1, 0].imshow(
    np.log10(np.clip(image.brightness("HE")[window], 0.01, None)),
    origin="lower",
    cmap="gray",
    interpolation="nearest",
)
axes[1, 0].set_title("the image in HE", size="medium")
figure.colorbar(picture, ax=axes[1, 1:], label="log estimate / truth [dex]")

# %%
# These are the numbers for the pixels to which both models give a value, and for those
# to which only the second does.


def errors(truth, maps):
    """Print the error of the pixels in both maps, and of those that were gained."""
    alone, around = maps.values()
    known = truth.data > 0
    both = known & ~alone.mask & ~around.mask
    gained = known & alone.mask & ~around.mask
    for label, map_, where in (
        ("single pixels, both", alone, both),
        ("with neighbours, both", around, both),
        ("with neighbours, gained", around, gained),
    ):
        error = np.log10(map_.data[where] / truth.data[where])
        print(f"{label:24s} {where.sum():5d} pixels,", end=" ")
        print(f"rms {np.sqrt(np.mean(error**2)):.3f} dex, mean {error.mean():+.3f} dex")


errors(truth, maps)

# %%
# What to mind
# ------------
# A value that became possible by smoothing is a mean over neighbours. It cannot show
# anything smaller. A galaxy seen edge-on is thinner than the area of that mean. Its
# light is spread over its rim, where there is little mass:

_, thin, thin_maps = look(by_name["TNG000010_O5"])
errors(thin, thin_maps)

# %%
# A pixel of which most surroundings are missing is flagged ``FEW_NEIGHBOURS``. It keeps
# its value, which was made from fewer pixels. Here nothing is masked.

from euclid_resolved import Quality

density = maps["with neighbours"]
few = (density.quality & Quality.FEW_NEIGHBOURS) > 0
outside = (density.quality & Quality.OUT_OF_DOMAIN) > 0
print(f"few neighbours: {few.sum()} pixels; unlike training: {outside.sum()}")
plt.show()

# %%
# The page on neighbouring pixels in this documentation has the figures for images that
# are blurred, noisy, or have other pixels than those of the training.
