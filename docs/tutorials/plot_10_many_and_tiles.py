"""
Many galaxies and whole tiles
=============================

This tutorial is for those who have many images or large ones. You keep the pixels of an
atlas in files, map a list of images in one call that can be interrupted, and map a tile
that need not fit into memory. At the end you have the masses of all galaxies of a tile,
beside the true ones.
"""

import tempfile
from pathlib import Path

from euclid_resolved import make_atlas, read_atlas, split

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
work = tempfile.TemporaryDirectory()
out = Path(work.name)
galaxies = read_atlas(make_atlas(folder / "atlas", 32, pixels=64))
training, test = split(galaxies, fraction=0.25, seed=14)

# %%
# The pixels of an atlas, kept
# ----------------------------
# An atlas of terabytes is read only once. Its pixels above the clip, a limit of surface
# brightness, stay in files, with one file for each column. A training uses them without
# having all of them in memory. If the call is interrupted, it continues with the next
# galaxy.

import astropy.units as u

from euclid_resolved import RandomForest, observe_atlas, train, write
from euclid_resolved.io import read_sample, write_sample

write_sample(out / "sample", observe_atlas(training, (50, 150) * u.Mpc, seed=1))
pixels = read_sample(out / "sample")
print(f"{len(pixels)} pixels of {len(pixels.names)} galaxies")
model = train(pixels, "stellar_mass_density", RandomForest(n_trees=15), calibration=4)
write(out / "model.asdf", model)

# %%
# On the command line this is ``euclid-resolved atlas extract ATLAS -o SAMPLE``. Then
# use ``SAMPLE`` wherever ``ATLAS`` is asked for.
#
# Many images
# -----------
# `~euclid_resolved.survey.predict_many` takes everything that can be opened: cut-outs,
# folders, galaxies of an atlas. Here it maps the test galaxies, and one file that does
# not exist.

from euclid_resolved.survey import predict_many

(out / "images").mkdir()
(out / "maps").mkdir()
images = []
for galaxy in observe_atlas(test, (50, 150) * u.Mpc, seed=2):
    images.append(out / "images" / f"{galaxy.name}.asdf")
    write(images[-1], galaxy.image)
images.append(out / "images" / "missing.fits")
report = predict_many(out / "model.asdf", images, out / "maps")
report["message"] = [text.replace(work.name, "...") for text in report["message"]]
report["name", "status", "judged", "flagged", "message"]

# %%
# One bad image does not stop the others, and finished maps are kept. If you make the
# same call again, with one image added or after an interruption, it makes only the
# missing maps. A file that was made by another model, image or option is refused, not
# replaced.

report = predict_many(out / "model.asdf", images, out / "maps")
print(*report["status"])

# %%
# ``workers=8`` uses several processes, and ``scheduler="tcp://..."`` uses the machines
# of a Dask cluster (``pip install 'euclid_resolved[dask]'``). The maps are the same, to
# the last bit.
#
# A tile
# ------
# A tile of MER has 19200 x 19200 pixels in each of four bands. This one is a miniature,
# with pixels of 2 arcsec and the eight test galaxies at 100 Mpc. Its files have the
# names that the archive gives.

import numpy as np
from astropy.io import fits
from astropy.nddata import NDData
from astropy.wcs import WCS

from euclid_resolved import MultiBandImage
from euclid_resolved.imaging import observe

canvas = {band: np.zeros((170, 300), "f4") for band in model.bands}
corners = [(8 + 90 * (i // 4), 4 + 76 * (i % 4)) for i in range(len(test))]
for galaxy, (row, column) in zip(test, corners, strict=True):
    for band, light in canvas.items():
        light[row : row + 64, column : column + 64] += galaxy.image.brightness(band)
bands = {band: NDData(light, unit=u.MJy / u.sr) for band, light in canvas.items()}
scale = 1 * u.kpc  # one for all galaxies: the larger ones become smaller here
tile = observe(
    MultiBandImage(bands, meta={"pixel_scale": scale}),
    100 * u.Mpc,
    pixel_scale=None,
    stars=0.5,
)

side = tile.meta["angular_pixel_scale"].to_value(u.deg)
sky = WCS(naxis=2)
sky.wcs.ctype, sky.wcs.crval, sky.wcs.crpix = (
    ("RA---TAN", "DEC--TAN"),
    (59.1, -49.3),
    (150.5, 85.5),
)
sky.wcs.cdelt = -side, side
mosaics = out / "tile"
mosaics.mkdir()
files = {
    "IE": ("VIS", 24.6),
    "YE": ("NIR-Y", 29.8),
    "JE": ("NIR-J", 30.0),
    "HE": ("NIR-H", 29.9),
}
for band, (name, zero_point) in files.items():
    header = sky.to_header()
    header["MAGZERO"], header["FILTER"] = zero_point, name.replace("-", "_")
    count = 3631e-6 * 10 ** (-0.4 * zero_point) / np.radians(side) ** 2  # MJy/sr
    end = "TILE102018211-ABC_20260101T000000.0Z_00.00.fits"
    for kind, plane in (
        (f"BGSUB-MOSAIC-{name}", np.where(tile.mask(band), np.nan, tile[band].data)),
        (f"MOSAIC-{name}-RMS", tile[band].uncertainty.array),
    ):
        fits.writeto(
            mosaics / f"EUC_MER_{kind}_{end}", (plane / count).astype("f4"), header
        )

# %%
# The tile is mapped strip by strip into one file. The memory depends on ``rows``, the
# result does not. After an interruption the same call continues.

from euclid_resolved import read
from euclid_resolved.survey import predict_tile

count = predict_tile(model, mosaics, out / "tile_maps.fits", rows=50)
print(f"{count.judged} of {count.pixels} pixels have a value,", end=" ")
print(f"{count.extrapolated} of them flagged")
density = read(out / "tile_maps.fits")["stellar_mass_density"]

# %%
# Galaxies of a tile
# ------------------
# A table of positions, for example a catalogue, defines fields of the same tile. Each
# field is mapped into a file of its own. A field is prepared by itself: its sky is
# subtracted if it is not zero, stars and neighbours are masked, and PSFs are matched
# where there are any. Dust and distance you say: the same call takes the options of
# ``imaging.prepare``.

from astropy.table import Table

from euclid_resolved.survey import fields_of

centres = sky.pixel_to_world(
    *np.array([(column + 31.5, row + 31.5) for row, column in corners]).T
)
table = Table(
    {"name": [galaxy.name for galaxy in test], "ra": centres.ra, "dec": centres.dec}
)
table["radius"] = 32 * tile.meta["angular_pixel_scale"].to(u.arcsec)
(out / "fields").mkdir()
report = predict_many(out / "model.asdf", fields_of(mosaics, table), out / "fields")
report["name", "status", "judged", "flagged"]

# %%
# This is the map of the tile, with the fields on it.

import matplotlib.pyplot as plt

# sphinx_gallery_thumbnail_number = 1
figure, axes = plt.subplots(
    2, 1, figsize=(7.1, 8), subplot_kw={"projection": sky}, layout="compressed"
)
light = np.arcsinh(tile.brightness("HE") / 0.15)
axes[0].imshow(
    light, origin="lower", cmap="bone", vmin=0, vmax=3, interpolation="nearest"
)
axes[0].set_title("HE")
dark = plt.colormaps["inferno"].with_extremes(bad="0.8")
picture = axes[1].imshow(
    np.log10(density.quantity.value), origin="lower", cmap=dark, interpolation="nearest"
)
axes[1].set_title(density.label)
for axis in axes:
    axis.coords[0].set_axislabel("right ascension")
    axis.coords[1].set_axislabel("declination")
for name, (row, column) in zip(table["name"], corners, strict=True):
    square = plt.Rectangle((column, row), 63, 63, fill=False, color="black", lw=0.8)
    axes[1].add_patch(square)
    axes[1].text(column, row + 66, name[3:9], size="small")
figure.colorbar(
    picture,
    ax=axes,
    label=r"log$_{10}$ [$\Sigma_\star$ / (M$_\odot$ pc$^{-2}$)]",
    shrink=0.6,
)

# %%
# Now compare the masses with the true ones. The files contain the part of the variance
# that all pixels of a galaxy share. The distance gives a pixel its area.

from euclid_resolved.maps import total

true, found, error = [], [], []
distance = tile.meta["distance"] / (1 + tile.meta["redshift"]) ** 2
for galaxy in test:
    field = read(out / "fields" / f"{galaxy.name}_maps.fits")["stellar_mass_density"]
    mass = total(field, distance=distance)
    truth = galaxy.maps["stellar_mass_density"].quantity
    mapped = np.nansum(truth[~field.mask]) / np.nansum(truth)
    true.append((np.nansum(truth) * scale**2).to_value(u.Msun))
    found.append(mass.value.to_value(u.Msun))
    error.append(mass.error.to_value(u.Msun))
    kind = "star-forming" if galaxy.star_forming else "quiescent"
    print(
        f"{galaxy.name} {kind:12s} {100 * mapped:3.0f} % of its mass mapped,", end=" "
    )
    print(f"estimated - true {np.log10(found[-1] / true[-1]):+.2f} dex")

figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
axes.errorbar(true, found, error, fmt="o", color="#0072B2", capsize=2)
axes.plot([2e9, 2e11], [2e9, 2e11], color="0.4", lw=1, zorder=0)
axes.set(
    xscale="log",
    yscale="log",
    xlabel=r"true mass [M$_\odot$]",
    ylabel=r"mass on the map [M$_\odot$]",
)
work.cleanup()
plt.show()

# %%
# Up to a tenth of the mass is below the clip and under stars. The rest of the
# difference comes from the model, whose error is similar in all pixels of a galaxy.
# With independent pixels the bars would be smaller than the points.
#
# On the sky every galaxy of a tile has its own redshift, and a map of the whole tile
# cannot correct the dimming of each. Up to z = 0.02 it is 6 per cent. Beyond that, map
# fields, with ``redshift=`` and ``distance=``.
