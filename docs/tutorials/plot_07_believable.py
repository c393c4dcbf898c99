"""
Is this pixel believable?
=========================

This tutorial is for those who need an error for every pixel. You calibrate intervals,
check that they hold the stated fraction of pixels, and see which pixels unlike the
training set are flagged, and which are not. At the end you can say for any pixel of a
map why to believe it or not.
"""

import tempfile
from pathlib import Path

from euclid_resolved import make_atlas, observe_atlas, read_atlas, split

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"

# %%
# The galaxies are observed as Euclid would observe them: at 30 to 100 Mpc, blurred,
# with the noise of the Wide Survey.

import astropy.units as u

galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
galaxies = observe_atlas(galaxies, (30, 100) * u.Mpc, seed=1)
training, test = split(galaxies, fraction=0.25, seed=14)

# %%
# Calibrate
# ---------
# An estimate differs from the truth for three reasons: noise, the choice of one fit,
# and properties that four bands cannot distinguish. Only galaxies that a fit has not
# seen show all three. Four fits are therefore made, each without a quarter of the
# galaxies.

from euclid_resolved import RandomForest, train
from euclid_resolved.training import extract

names = ("stellar_mass_density", "stellar_metallicity")
pixels, unseen = extract(training, names), extract(test, names)
model = train(pixels, names, RandomForest(n_trees=12), calibration=4)

# %%
# Now check the intervals. In the test, 68 % of the pixels should have their truth
# inside. The bars show each test galaxy. A few galaxies can be far off, since the
# errors of the pixels of a galaxy are correlated. The number of galaxies, not of
# pixels, therefore decides how precise the fractions are.

import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved.training import coverage

figure, axes = plt.subplots(1, 2, figsize=(7.1, 2.8), sharey=True, layout="constrained")
for axis, (name, inside) in zip(axes, coverage(model, unseen).items(), strict=True):
    each = [inside[unseen.galaxy == i].mean() for i in range(len(unseen.names))]
    axis.bar(range(len(each)), np.sort(each), color="0.7")
    axis.axhline(0.68, color="black", ls="--", lw=1)
    axis.set(title=f"{name.replace('_', ' ')}: {inside.mean():.2f}", ylim=(0, 1))
    axis.set_xlabel("test galaxy")
axes[0].set_ylabel("fraction in the interval")

# %%
# The error of a pixel
# --------------------
# A calibrated map has an interval, and half of its width as one sigma. With ``draws``
# the noise of the image is drawn again. The plane ``noise`` is the part of the error
# that a deeper image would remove.

from euclid_resolved.plotting import plot_uncertainty

galaxy = next(one for one in test if one.name == "TNG000019_O5")
image, truth = galaxy.load()
density = model.predict(image, "stellar_mass_density", draws=16)
blank = {"xticks": [], "yticks": []}
figure, axes = plt.subplots(
    1, 2, figsize=(7.1, 3), layout="compressed", subplot_kw=blank
)
plot_uncertainty(density, ax=axes[0], title="one sigma, everything")
plot_uncertainty(density, "noise", ax=axes[1], title="of which noise of the image")
brightest = np.nanargmax(density.data)
low, high = (plane.flat[brightest] for plane in density.interval)
print(f"68 % for the brightest pixel: {low:.0f} to {high:.0f} {density.unit}")

# %%
# Nearly none of the error is noise. Nearly all of it is what four bands cannot
# distinguish.
#
# Unlike the training set
# -----------------------
# ``OUT_OF_DOMAIN`` keeps the value and says that it is an extrapolation. As an example,
# the halo of a bright blue star is added to the upper right of the galaxy, where no
# mask removes it:

from astropy.nddata import NDData

from euclid_resolved import MultiBandImage, Quality

y, x = np.indices(image.shape)
halo = (100 / ((x - 66) ** 2 + (y - 58) ** 2 + 50) ** 1.3).astype("f4")
colours = {"IE": 1.0, "YE": 0.5, "JE": 0.35, "HE": 0.25}
spilt = {}
for band, part in colours.items():
    seen = image[band]
    spilt[band] = NDData(seen, copy=True)
    spilt[band].data[:] += np.float32(part) * halo
density = model.predict(MultiBandImage(spilt, meta=image.meta), "stellar_mass_density")
flagged = (density.quality & Quality.OUT_OF_DOMAIN) > 0
error = np.log10(truth["stellar_mass_density"].data / density.quantity.value)

# sphinx_gallery_thumbnail_number = 3
figure, axes = plt.subplots(
    1, 2, figsize=(7.1, 3), layout="compressed", subplot_kw=blank
)
residual = plt.colormaps["RdBu_r"].with_extremes(bad="0.8")
style = {"origin": "lower", "cmap": residual, "vmin": -0.6, "vmax": 0.6}
axes[0].imshow(error, interpolation="nearest", **style)
axes[0].set_title("all pixels", size="medium")
rest = np.where(flagged, np.nan, error)
picture = axes[1].imshow(rest, interpolation="nearest", **style)
axes[1].set_title("without OUT_OF_DOMAIN", size="medium")
figure.colorbar(picture, ax=axes, label="true − predicted density [dex]")

# %%
# The flag marks the light of the star itself, which would otherwise become mass. It
# does not mark the nearest rim of the galaxy. A galaxy with a little additional blue
# light looks like a younger galaxy, which has less mass. Stars have to be masked
# before; the flag cannot replace this.
#
# Unlike, and yet not flagged
# ---------------------------
# Another population of stars can have the colours of the training set. The preset
# ``broad`` of the mock galaxies has a wide range of age, metallicity and dust, and
# little relation between metallicity and density. The flag marks few of their pixels,
# but the error of their metallicity is two to three times as large.

from euclid_resolved import Galaxy, MockSettings
from euclid_resolved.diagnostics import estimates

broad = make_atlas(
    folder / "broad", 12, pixels=64, settings=MockSettings.preset("broad")
)
# Every mock atlas uses the same names, but these are other galaxies.
others = [
    Galaxy(f"broad {one.name}", one.image, one.maps, meta=one.meta)
    for one in read_atlas(broad)
]
foreign = extract(observe_atlas(others, (30, 100) * u.Mpc, seed=1), names)
for label, these in (("like training", unseen), ("foreign", foreign)):
    outside = model.domain.outside(these.brightness, these.noise)
    true, guess = estimates(model, these, "stellar_metallicity")
    print(f"{label:14s} flagged {100 * outside.mean():4.1f} %,", end=" ")
    print(f"rms of metallicity {np.std(true - guess):.2f} dex")
plt.show()

# %%
# For a pixel you can now conclude:
#
# 1. It has a value: it was bright and clean enough (otherwise ``quality`` says what was
#    wrong).
# 2. Its interval holds for galaxies like those of the training set that were observed
#    in the same way.
# 3. ``OUT_OF_DOMAIN`` means extrapolation. A pixel without the flag may still belong to
#    a galaxy that is unlike the training set.
# 4. Density is least affected by a different population. Metallicity is strongly
#    affected, and age was never reliable.
