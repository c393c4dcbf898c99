"""
Regions, profiles and the total mass
====================================

This tutorial is for those who measure on a map. You measure the stellar mass in a
region with its error, the mean metallicity weighted by mass, and a profile in inclined
annuli. At the end you know why the error of a total needs more than the errors of its
pixels.
"""

import tempfile
from pathlib import Path

from euclid_resolved import make_atlas, read_atlas, split

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
training, test = split(galaxies, fraction=0.25, seed=14)
galaxy = next(one for one in test if one.name == "TNG000019_O5")

# %%
# A model that knows its errors
# -----------------------------
# With ``calibration=4`` every training galaxy is left out of one of four fits. The
# errors of these fits become the interval of a pixel. Half of the 68 % interval is the
# uncertainty of the map.

from euclid_resolved import RandomForest, train

names = ("stellar_mass_density", "stellar_metallicity")
model = train(training, names, RandomForest(n_trees=12), calibration=4)
maps = model.predict_maps(galaxy.image)
density, metallicity = maps.values()
print("one sigma is", density.meta["uncertainty"])

# %%
# Regions
# -------
# A region is a DS9 file or its text, a region of the package ``regions``, an aperture
# of ``photutils``, or an array of bool. A region on the sky needs a map with WCS. This
# mock galaxy has none, so the regions are in pixels or in kpc. The orientation of the
# disc is measured from its light. Angles without a unit are in degrees.

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from euclid_resolved.maps import annulus, orientation
from euclid_resolved.plotting import plot_map

angle, ratio = orientation(galaxy.image, clip=model.clip)
tilt = {"position_angle": angle, "inclination": np.degrees(np.arccos(ratio))}
inner = annulus(density, 0, 8 * u.kpc, **tilt)
outer = annulus(density, 8 * u.kpc, 20 * u.kpc, **tilt)
edge = "image; circle(40, 44, 4)"

axes = plot_map(density)
outer.plot(ax=axes, color="deepskyblue", lw=1.5)
inner.plot(ax=axes, color="white", lw=1.5)
axes.add_patch(plt.Circle((39, 43), 4, fill=False, color="lime", lw=1.5))

# %%
# (DS9 counts pixels from 1, so its circle at 40, 44 is drawn at 39, 43.)
#
# The mass
# --------
# Only a density has a total. The logarithm of an estimate is right on average, so that
# a sum of estimates would be too low. A calibrated map has a correction for this, and
# totals and means use it. Masked pixels are left out unless ``fill`` says otherwise.
# The printed line says which part of the region that is.

from euclid_resolved.maps import total

for region in (inner, outer, edge):
    print(total(density, region))
print(total(density, edge, fill="radial", **tilt, centre=(31.5, 31.5)))

# %%
# The errors of the pixels of one galaxy are correlated, because its dust, its history
# and its distance are the same everywhere. The calibration measures which part of the
# variance they share, on sums over galaxies. The map keeps this part, and the errors
# above include it. (Two dozen galaxies give no more than its order of magnitude.) With
# independent pixels the error would be far too small:

print(f"{density.meta['shared_variance']:.2f} of the variance is shared in a galaxy")
mass = total(density, outer)
print(f"{mass.error:.1e}; independent:", end=" ")
print(f"{total(density, outer, correlated_fraction=0).error:.1e}")

# %%
# Compare with the truth, on the same pixels:

from euclid_resolved.maps import region_weights

known = np.where(density.mask, np.nan, galaxy.maps["stellar_mass_density"].data)
true_mass = (
    np.nansum(known * region_weights(density, outer)) * density.unit * (1 * u.kpc) ** 2
)
print(
    f"true: {true_mass.to(u.Msun):.3e}, estimated {mass.value:.3e} +- {mass.error:.1e}"
)

# %%
# Means
# -----
# The mean metallicity of the stars is weighted by their mass. A mean by area is that of
# the pixels. In a calibrated map the difference between the two is real. The absolute
# value depends on the relation that holds in the training galaxies.

from euclid_resolved.maps import mean, median

print(mean(metallicity, inner, weights=density))
print(mean(metallicity, inner))
print(median(metallicity, inner))

# %%
# Profiles
# --------
# These are medians in the same inclined annuli, of the map and of the truth. The truth
# is used only where the map has a value. A profile ends where the map ends. Further
# out, only the brightest pixels have a value, and their median would not represent the
# annulus.

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
truth = galaxy.maps["stellar_mass_density"]
for map_, colour, label in (
    (truth, "#D55E00", "true"),
    (density, "#0072B2", "predicted"),
):
    profile = map_.radial_profile(2 * u.kpc, where=~density.mask, **tilt)
    profile = profile[profile["n_pixels"] >= 20]
    radius = profile["radius"].to_value(u.kpc)
    axes.plot(radius, profile["median"].value, "o-", color=colour, label=label)
    axes.fill_between(
        radius,
        profile["p16"].value,
        profile["p84"].value,
        color=colour,
        alpha=0.2,
        lw=0,
    )
axes.set(
    yscale="log",
    xlabel="radius [kpc]",
    ylabel=r"stellar mass surface density [M$_\odot$ pc$^{-2}$]",
)
axes.legend(title="median, 16-84 %")
plt.show()
