"""
A Euclid cut-out, from the archive to the map
=============================================

This tutorial is for those who have a Euclid image. You take a cut-out in the form in
which the archive gives it, and prepare it: sky, stars, PSF, dust and distance. Then you
map it. At the end you know what each step is for, and how to see whether it did what it
should.
"""

import tempfile
from pathlib import Path

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"

# %%
# Fetch
# -----
# From the archive it is one call (this page is made without a network, so it is not run
# here)::
#
#     from astropy.coordinates import SkyCoord
#     from euclid_resolved.io import fetch
#     from euclid_resolved.io import read_mosaics
#
#     tile = fetch(59.1, -49.3, 30)                       # degrees, degrees, arcsec
#     image = read_mosaics(tile, SkyCoord(59.1, -49.3, unit="deg"), 1 * u.arcmin)
#
# This page uses a made-up cut-out in its place. It shows a mock galaxy at 300 Mpc
# behind stars and a little sky, and is written in the form of the mosaics. Pixel values
# are counts, with the zero point in ``MAGZERO``. The RMS map and the PSF are beside
# each image, without a WCS of their own.

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from euclid_resolved import make_atlas, read_atlas
from euclid_resolved.images import BANDS
from euclid_resolved.imaging import observe

distance, redshift, ebv = 300 * u.Mpc, 0.065, 0.03
galaxy = read_atlas(make_atlas(folder / "spiral", 1, seed=5, pixels=128))[0]
observed = observe(
    galaxy.image[24:104, 24:104],
    distance,
    redshift=redshift,
    stars=30,
    background=0.1,
    seed=2,
)

sky = WCS(naxis=2)
sky.wcs.ctype, sky.wcs.crval = ("RA---TAN", "DEC--TAN"), (59.1, -49.3)
sky.wcs.cdelt, sky.wcs.crpix = (
    (-0.1 / 3600, 0.1 / 3600),
    (observed.shape[1] / 2, observed.shape[0] / 2),
)
files = {
    "IE": ("VIS", 24.6),
    "YE": ("NIR_Y", 29.8),
    "JE": ("NIR_J", 30.0),
    "HE": ("NIR_H", 29.9),
}
hdus = [fits.PrimaryHDU()]
y, x = np.indices((33, 33)) - 16
for band, (name, zero_point) in files.items():
    header = sky.to_header()
    header["MAGZERO"], header["FILTER"] = zero_point, name
    count = (
        3631e-6 * 10 ** (-0.4 * zero_point) / (0.1 * u.arcsec).to_value(u.rad) ** 2
    )  # MJy/sr
    count *= 10 ** (0.4 * BANDS[band].extinction * ebv)  # the dust of the Milky Way
    sigma = BANDS[band].psf_fwhm.to_value(u.arcsec) / 0.1 / np.sqrt(8 * np.log(2))
    psf = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    hdus += [
        fits.ImageHDU(
            observed[band].data / np.float32(count), header, name=f"{name}_FLUX"
        ),
        fits.ImageHDU(
            observed[band].uncertainty.array / np.float32(count), name=f"{name}_RMS"
        ),
        fits.ImageHDU((psf / psf.sum()).astype("f4"), name=f"{name}_PSF"),
    ]
out = tempfile.TemporaryDirectory()
cutout = Path(out.name) / "cutout.fits"
fits.HDUList(hdus).writeto(cutout)

# %%
# Read
# ----
# Counts become MJy/sr; a file without zero point would be refused. First check the
# unit, the bands, and that the centre is where you think it is.

from euclid_resolved import read_euclid

image = read_euclid(cutout)
image

# %%

figure = image.plot()

# %%
# Sky
# ---
# The level is measured in the sky around the galaxy. Its error comes from patches and
# not from pixels, since the noise of mosaics is correlated.

from euclid_resolved import imaging

image = imaging.subtract_background(image)
for band, found in imaging.history(image)[-1]["measured"].items():
    print(
        f"{band}: {found['level']:+.5f} +- {found['level_error']:.5f} MJy/sr", end=" "
    )
    print(f"from {found['n_pixels']} pixels")

# %%
# Stars and neighbours
# --------------------
# Everything but the source in the centre is masked. A galaxy of bright clumps may be
# divided into several sources, so look at the result. With ``deblend=False`` and
# `~euclid_resolved.imaging.mask_positions` you mask by hand.

from euclid_resolved.imaging import describe_history

image = imaging.mask_saturated(image)
image = imaging.mask_neighbours(image, contrast=0.1)
print(describe_history(image)[-1])

# %%
# One PSF for all bands
# ---------------------
# A colour is meaningful only if all bands show the same piece of the galaxy. IE is
# sharper than the others by a factor of two.

image = imaging.match_psf(image)
for band, found in imaging.history(image)[-1]["measured"].items():
    before, now = 0.1 * found["fwhm"], 0.1 * found["fwhm_matched"]  # arcsec
    print(f"{band}: FWHM {before:.2f} arcsec, now {now:.2f}")

# %%
# Dust, distance, pixels
# ----------------------
# First the extinction by the dust of the Milky Way is corrected, then the dimming by
# redshift. The distance gives a pixel its length. Then pixels of 0.1 arcsec are
# averaged until the outer disc is brighter than the noise. Use pixels of about the size
# of those that the model was trained on.

image = imaging.correct_extinction(image, ebv)
image = imaging.set_distance(
    image, redshift=redshift, distance=distance / (1 + redshift) ** 2
)
image = imaging.resample(image, 1 * u.kpc)
print(*describe_history(image), sep="\n")

# %%
# ``imaging.prepare`` does all of it in one call. So does ``euclid-resolved predict``
# with ``--background constant --mask-stars --match-psf --ebv 0.03 --redshift 0.065
# --distance 264.5 --scale 1000``. Where nothing is said of sky, stars and PSFs, the
# command deals with them by itself, and so does ``prepare`` with ``auto=True``.
#
# A model for images with noise
# -----------------------------
# The images of an atlas have no sky noise. A model for the sky is trained on galaxies
# observed as Euclid would observe them, at about the distance of the galaxy, with its
# PSF. ``redshift=0`` leaves them undimmed, because
# `~euclid_resolved.imaging.set_distance` has corrected the dimming of the image.

from euclid_resolved import RandomForest, observe_atlas, train

galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
seen = observe_atlas(
    galaxies, (200, 400) * u.Mpc, redshift=0, psf_fwhm=0.4 * u.arcsec, seed=1
)
model = train(seen, "all", RandomForest(n_trees=12), calibration=4)
maps = model.predict_maps(image)

# %%
# The quick look
# --------------
# This figure shows bands, maps, errors, and the reason of every pixel without a value.
# Look at it first, and keep it beside every map.

from euclid_resolved import quicklook

# sphinx_gallery_thumbnail_number = 2
figure = quicklook(image, maps, title="a made-up cut-out")

# %%
# You can believe the density. Take the metallicity as that of a typical galaxy of this
# density, and ignore the age. Pixels under stars and below the limit of surface
# brightness (the clip) have no value, so the mass on the map is a lower limit. The
# galaxy is a mock, so that its mass is known:

import matplotlib.pyplot as plt

from euclid_resolved.maps import total

print(total(maps["stellar_mass_density"]))
print(total(galaxy.maps["stellar_mass_density"]))
out.cleanup()
plt.show()
