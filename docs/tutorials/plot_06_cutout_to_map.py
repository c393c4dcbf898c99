"""
A Euclid cut-out, from the archive to the map
=============================================

This tutorial is for those who have a Euclid image. You map a cut-out in two lines, and
then take the steps of its preparation one by one: sky, stars, PSF, dust, distance and
pixels. At the end you know what each step is for, and how to see whether it did what it
should.
"""

import tempfile
from pathlib import Path

from euclid_resolved import MultiBandImage, make_atlas, quicklook, read_atlas

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"

# %%
# The image
# ---------
# From the archive it is one call, and a file on disk is another (this page is made
# without a network, so they are not run here)::
#
#     tile = fetch(59.1, -49.3, 30)                       # degrees, degrees, arcsec
#     raw = read_mosaics(tile, SkyCoord(59.1, -49.3, unit="deg"), 1 * u.arcmin)
#
#     raw = read_euclid("cutout.fits")
#
# Both turn the counts of the file into MJy/sr. This page uses a made-up cut-out in
# their place: a mock galaxy at 300 Mpc, behind stars and a little sky.

import astropy.units as u

from euclid_resolved.imaging import observe

distance, redshift = 300 * u.Mpc, 0.065
galaxy = read_atlas(make_atlas(folder / "spiral", 1, seed=5, pixels=128))[0]
seen = observe(
    galaxy.image[24:104, 24:104],
    distance,
    redshift=redshift,
    stars=30,
    background=0.1,
    seed=2,
)
raw = MultiBandImage(seen, name="cut-out", meta={"pixel_scale": 0.1 * u.arcsec})
raw

# %%

figure = raw.plot()

# %%
# The map
# -------
# With ``auto=True`` the sky is subtracted if it is not zero, stars and neighbours are
# masked, and PSFs are matched. (The made-up image brings no PSF, so Gaussians take
# their place.) Distance and size of the new pixels you say. Then the model that comes
# with the package maps the image.

from euclid_resolved import imaging

known = {"redshift": redshift, "distance": distance / (1 + redshift) ** 2}
image = imaging.prepare(raw, auto=True, match_psf="gaussian", scale=1 * u.kpc, **known)
figure = quicklook(image)

# %%
# The figure shows bands, maps, errors, and the reason of every pixel without a value.
# Look at it first, and keep it beside every map. All pixels are flagged
# ``UNLIKE_TRAINING`` here: averaging the pixels of matched bands leaves noise that
# neighbours share, and no training galaxy was treated like that. The flag says that the
# error of such an image was not measured. You can believe the density. Take the
# metallicity as that of a typical galaxy of this density, and ignore the age. In a
# shell the same is one command:
#
# .. code-block:: sh
#
#    euclid-resolved predict cutout.fits -o maps.fits --figure maps.png
#
# What was done
# -------------
# Every step is recorded in the image:

print(*imaging.describe_history(image), sep="\n")

# %%
# Now the same steps one by one. Use them where the automatic preparation does not do
# what you want.
#
# Sky
# ---
# The level is measured in the sky around the galaxy. Its error comes from patches and
# not from pixels, since the noise of mosaics is correlated.

image = imaging.subtract_background(raw)
for band, found in imaging.history(image)[-1]["measured"].items():
    level = f"{found['level']:+.5f} +- {found['level_error']:.5f} MJy/sr"
    print(f"{band}: {level} from {found['n_pixels']} pixels")

# %%
# Stars and neighbours
# --------------------
# Everything but the source in the centre is masked. A galaxy of bright clumps may be
# divided into several sources, so look at the result. With ``deblend=False`` and
# `~euclid_resolved.imaging.mask_positions` you mask by hand.

image = imaging.mask_saturated(image)
image = imaging.mask_neighbours(image, contrast=0.1)
print(imaging.describe_history(image)[-1])

# %%
# One PSF for all bands
# ---------------------
# A colour is meaningful only if all bands show the same piece of the galaxy. IE is
# sharper than the others by a factor of two. Images of the archive bring their PSFs;
# then leave out ``psf``.

image = imaging.match_psf(image, psf="gaussian")
for band, found in imaging.history(image)[-1]["measured"].items():
    before, now = 0.1 * found["fwhm"], 0.1 * found["fwhm_matched"]  # arcsec
    print(f"{band}: FWHM {before:.2f} arcsec, now {now:.2f}")

# %%
# Dust, distance, pixels
# ----------------------
# First the extinction by the dust of the Milky Way is corrected (the mock galaxy has
# none before it), then the dimming by redshift. The distance gives a pixel its length.
# Then pixels of 0.1 arcsec are averaged until the outer disc is brighter than the
# noise. Use pixels of about the size of those that the model was trained on.

image = imaging.correct_extinction(image, 0.0)
image = imaging.set_distance(image, **known)
image = imaging.resample(image, 1 * u.kpc)
figure = image.plot()

# %%
# The mass
# --------
# Pixels under stars and below the limit of surface brightness (the clip) have no value,
# so the map lacks their mass. The galaxy is a mock, so that its mass is known:

import matplotlib.pyplot as plt

from euclid_resolved.maps import total
from euclid_resolved.mock import default_model

density = default_model().predict(image, "stellar_mass_density")
print("on the map:", total(density))
print("true:      ", total(galaxy.maps["stellar_mass_density"]))
plt.show()
