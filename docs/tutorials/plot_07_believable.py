"""
Is this pixel believable?
=========================

You calibrate intervals, check that they hold what they say, and see how pixels unlike
the training set are flagged, and which are not. At the end you can say for any pixel
of a map why to believe it or not.
"""

import tempfile
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.nddata import NDData

from euclid_resolved import (
    Galaxy,
    MockSettings,
    MultiBandImage,
    Quality,
    RandomForest,
    make_atlas,
    observe_atlas,
    read_atlas,
    split,
    train,
)
from euclid_resolved.diagnostics import estimates
from euclid_resolved.plotting import plot_map, plot_uncertainty
from euclid_resolved.training import coverage, extract

# %%
# Galaxies as Euclid would see them: at 30 to 100 Mpc, blurred, with the noise of the
# Wide Survey.

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = observe_atlas(
    read_atlas(make_atlas(folder / "atlas", 32, pixels=64)), (30, 100) * u.Mpc, seed=1
)
training, test = split(galaxies, fraction=0.25, seed=14)

# %%
# Calibrate
# ---------
# Between an image and the truth lie noise, the choice of one fit, and what four bands
# cannot tell. Only galaxies that a fit has not seen know all of it: four fits leave a
# quarter of the galaxies out each.

names = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
pixels, unseen = extract(training, names), extract(test, names)
model = train(pixels, names, RandomForest(n_trees=12), calibration=4)

# %%
# Does it hold? Of test pixels 68 % should have their truth inside. The bars show each
# test galaxy: a few galaxies can be far off, since the pixels of a galaxy err together.
# That is why galaxies, not pixels, decide how sharp the fractions are.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
for axis, (name, inside) in zip(axes, coverage(model, unseen).items(), strict=True):
    each = [inside[unseen.galaxy == i].mean() for i in range(len(unseen.names))]
    axis.bar(range(len(each)), np.sort(each), color="0.7")
    axis.axhline(0.68, color="black", ls="--", lw=1)
    axis.set(
        title=f"{name.replace('_', ' ')}\n{inside.mean():.2f} of all pixels",
        xlabel="test galaxy",
        ylim=(0, 1),
    )
axes[0].set_ylabel("fraction inside the 68 % interval")

# %%
# The error of a pixel
# --------------------
# A calibrated map has an interval, and half of it as one sigma. With ``draws`` the
# noise of the image is drawn again: the plane ``noise`` is the part of the error that a
# deeper image would cure.

galaxy = next(one for one in test if one.name == "TNG000019_O5")
image, truth = galaxy.load()
density = model.predict(image, "stellar_mass_density", draws=16)
figure, axes = plt.subplots(
    1,
    3,
    figsize=(12, 3.5),
    layout="compressed",
    subplot_kw={"xticks": [], "yticks": []},
)
plot_map(density, ax=axes[0])
plot_uncertainty(density, ax=axes[1], title="one sigma, everything")
plot_uncertainty(density, "noise", ax=axes[2], title="of which noise of the image")
brightest = np.nanargmax(density.data)
low, high = (plane.flat[brightest] for plane in density.interval)
print(f"68 % for the brightest pixel: {low:.0f} to {high:.0f} {density.unit}")

# %%
# Nearly all of the error is no noise: it is what four bands do not tell.
#
# Unlike the training set
# -----------------------
# ``OUT_OF_DOMAIN`` leaves the value and says that it is an extrapolation. Let the halo
# of a bright blue star lie over the galaxy, from the upper right, as no mask catches
# it:

y, x = np.indices(image.shape)
halo = 100 / ((x - 66) ** 2 + (y - 58) ** 2 + 50) ** 1.3
spilt = {
    band: NDData(
        image[band].data + np.float32(part) * halo.astype("f4"),
        unit=image[band].unit,
        uncertainty=image[band].uncertainty,
        mask=image[band].mask,
    )
    for band, part in {"IE": 1.0, "YE": 0.5, "JE": 0.35, "HE": 0.25}.items()
}
density = model.predict(MultiBandImage(spilt, meta=image.meta), "stellar_mass_density")
flagged = (density.quality & Quality.OUT_OF_DOMAIN) > 0
error = np.log10(truth["stellar_mass_density"].data / density.quantity.value)

# sphinx_gallery_thumbnail_number = 3
figure, axes = plt.subplots(
    1,
    3,
    figsize=(12, 3.5),
    layout="compressed",
    subplot_kw={"xticks": [], "yticks": []},
)
plot_map(density, ax=axes[0], title="density under the halo of a star")
residual = plt.colormaps["RdBu_r"].with_extremes(bad="0.8")
unflagged = np.where(flagged, np.nan, error)
for axis, shown, title in (
    (axes[1], error, "all pixels"),
    (axes[2], unflagged, "without OUT_OF_DOMAIN"),
):
    picture = axis.imshow(
        shown,
        origin="lower",
        cmap=residual,
        vmin=-0.6,
        vmax=0.6,
        interpolation="nearest",
    )
    axis.set_title(title, size="medium")
figure.colorbar(picture, ax=axes[1:], label="true − predicted density [dex]")

good = ~density.mask & np.isfinite(error)
for label, these in (("flagged", good & flagged), ("not flagged", good & ~flagged)):
    middle = np.median(error[these])
    print(f"{label:12s} {these.sum():5d} pixels, median error {middle:+.2f} dex")

# %%
# The flag takes the light of the star itself, which would be mass from nothing. It does
# not take the rim of the galaxy nearest to it: a galaxy under a little blue light looks
# like a younger galaxy, which weighs less. Stars have to be masked before, the flag is
# no substitute.
#
# Unlike, and yet not flagged
# ---------------------------
# Another population of stars can have the colours of the training set. The preset
# ``broad`` is wide in age, metallicity and dust, with little relation between
# metallicity and density. The flag hardly notices; the metallicity is wrong all the
# same. Every mock atlas calls its galaxies alike, so these get names of their own: else
# they would be taken for the training galaxies.

others = [
    Galaxy(f"broad {one.name}", one.image, one.maps, meta=one.meta)
    for one in read_atlas(
        make_atlas(
            folder / "broad", 12, pixels=64, settings=MockSettings.preset("broad")
        )
    )
]
foreign = extract(observe_atlas(others, (30, 100) * u.Mpc, seed=1), names)
for label, these in (("like training", unseen), ("foreign", foreign)):
    outside = model.domain.outside(these.brightness, these.noise)
    print(f"{label}: flagged {100 * outside.mean():.1f} %")
    for name, inside in coverage(model, these).items():
        true, guess = estimates(model, these, name)
        print(f"  {name:21s} rms {np.std(true - guess):.2f} dex,", end=" ")
        print(f"inside the 68 % interval {inside.mean():.2f}")
plt.show()

# %%
# So, for a pixel:
#
# 1. It has a value: it was bright and clean enough (otherwise ``quality`` says what was
#    wrong).
# 2. Its interval holds for galaxies like those of the training set, observed alike.
# 3. ``OUT_OF_DOMAIN`` means extrapolation. No flag does not mean that the galaxy is of
#    the training set's kind.
# 4. Density survives a foreign population best. Metallicity does not, and age was never
#    there.
