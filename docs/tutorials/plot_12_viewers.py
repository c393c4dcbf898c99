"""
Maps in DS9, glue and jdaviz
============================

This tutorial is for those who look at maps with a viewer. You write maps as FITS, and
find every plane, unit, position and flag where a viewer finds it. Each step is checked
here with ``astropy`` alone. At the end you know what to type in DS9, glue and jdaviz.
"""

import tempfile
from pathlib import Path

from euclid_resolved import RandomForest, make_atlas, read_atlas, split, train

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
training, test = split(
    read_atlas(make_atlas(folder / "atlas", 32, pixels=64)), fraction=0.25, seed=14
)
model = train(training, "all", RandomForest(n_trees=10), calibration=3)

# %%
# Images of Euclid have a WCS. Those of an atlas do not, so this galaxy gets a position
# on the sky, at 100 Mpc.

import astropy.units as u
from astropy.nddata import NDData
from astropy.wcs import WCS

from euclid_resolved import MultiBandImage, write

image = test[5].image
scale = (image.meta["pixel_scale"] / (100 * u.Mpc)).to(u.deg, u.dimensionless_angles())
sky = WCS(naxis=2)
sky.wcs.ctype, sky.wcs.crval, sky.wcs.crpix = (
    ("RA---TAN", "DEC--TAN"),
    (59.1, -49.3),
    (32.5, 32.5),
)
sky.wcs.cdelt = -scale.value, scale.value
bands = {
    band: NDData(image[band].data, unit=image[band].unit, wcs=sky) for band in image
}
image = MultiBandImage(bands, name="a galaxy on the sky", meta=image.meta)
maps = model.predict_maps(image)

out = tempfile.TemporaryDirectory()
path = Path(out.name) / "maps.fits"
write(path, maps)

# %%
# What is in the file
# -------------------
# Each plane is one HDU. The density comes first, in the primary HDU, which every viewer
# shows.

from astropy.io import fits

with fits.open(path) as hdus:
    for i, hdu in enumerate(hdus):
        print(f"{i:2d} {hdu.name:25s} {hdu.data.dtype} {hdu.header.get('BUNIT', '')}")
    header = hdus["STELLAR_MASS_DENSITY"].header
    density, quality = hdus[0].data.astype(float), hdus["QUALITY"].data

# %%
# Values are linear, so choose a logarithmic scale in DS9. Pixels without a value are
# NaN. Viewers show them in the colour of blanks.
#
# Where it is
# -----------
# Every HDU has the WCS of the image, so that viewers can lock frames to each other:

from astropy.coordinates import SkyCoord

position = WCS(header).pixel_to_world(31.5, 31.5)
offset = position.separation(SkyCoord(59.1, -49.3, unit="deg"))
print(
    position.to_string("hmsdms", precision=1),
    f"off by {offset.to_value(u.mas):.6f} mas",
)

# %%
# What the flags are
# ------------------
# ``QUALITY`` is a sum of bits. Its header says what each bit means, so that you need
# not look them up:

with fits.open(path) as hdus:
    for key, meaning in hdus["QUALITY"].header["QUAL*"].items():
        print(f"{key:9s} {meaning}")

# %%
# In any viewer that can calculate, ``QUALITY & 8`` selects the pixels that are fainter
# than the training set. Here the bits are listed by name:

from euclid_resolved import Quality

for bit in Quality:
    if (quality & bit).any():
        print(f"{bit.name:14s} {((quality & bit) > 0).mean():.1%} of the pixels")

# %%
# A viewer should show this: the map on the sky, grey where there is no value.

axes = maps["stellar_mass_density"].plot()

# %%
# DS9
# ---
# .. code-block:: sh
#
#    ds9 maps.fits -scale log -cmap heat
#    ds9 "maps.fits[STELLAR_METALLICITY]" "maps.fits[QUALITY]" -lock frame wcs
#    ds9 -multiframe maps.fits
#
# Draw a region and save it in ``fk5`` as ``galaxy.reg``. Its mass is
# ``total(maps["stellar_mass_density"], "galaxy.reg")``. You can also give the text of a
# region in place of its file. The map contains the side of a pixel, so you need not
# give a distance:

from euclid_resolved.maps import total

region = 'fk5; ellipse(59.1, -49.3, 12", 20", 15)'
print(total(maps["stellar_mass_density"], region))

# %%
# The package ``regions`` reads the same file. With it you can check whether the region
# is where DS9 draws it:

from euclid_resolved.maps import read_region
from euclid_resolved.plotting import plot_map

axes = plot_map(maps["stellar_mass_density"], title="and a region of DS9")
read_region(region)[0].to_pixel(sky).plot(ax=axes, edgecolor="deepskyblue", lw=1.5)

# %%
# glue
# ----
# .. code-block:: sh
#
#    glue maps.fits
#
# glue makes one data set of the HDUs, since all have one shape. If you select points in
# a scatter plot of ``STELLAR_METALLICITY`` against ``STELLAR_MASS_DENSITY``, glue shows
# where in the galaxy those pixels are. This is the same plot without glue:

import matplotlib.pyplot as plt
import numpy as np

good = quality == 0
with fits.open(path) as hdus:
    metallicity = hdus["STELLAR_METALLICITY"].data.astype(float) / 0.02
chosen = good & (
    np.log10(metallicity) > np.nanpercentile(np.log10(metallicity[good]), 90)
)
figure, axes = plt.subplots(1, 2, figsize=(7.1, 3.2), layout="constrained")
axes[0].plot(density[good], metallicity[good], ".", color="0.6", ms=3)
axes[0].plot(density[chosen], metallicity[chosen], ".", color="#0072B2", ms=4)
axes[0].set(
    xscale="log",
    xlabel=r"density [M$_\odot$ pc$^{-2}$]",
    ylabel=r"metallicity [Z$_\odot$]",
)
axes[0].set_title("select the richest tenth")
grey = plt.colormaps["inferno"].with_extremes(bad="0.8")
axes[1].imshow(np.log10(density), origin="lower", cmap=grey, interpolation="nearest")
axes[1].plot(*np.nonzero(chosen)[::-1], "s", color="deepskyblue", ms=2.5)
axes[1].set(title="and see where they are", xticks=[], yticks=[])

# %%
# In a notebook
# -------------
# Two viewers work inside a notebook, and need no file. Neither comes with this package
# (``pip install jdaviz`` brings both). Imviz of jdaviz takes `~astropy.nddata.NDData`,
# and a map is one, and so is every band of an image::
#
#     from jdaviz import Imviz
#
#     imviz = Imviz()
#     for name, map_ in maps.items():
#         imviz.load(map_, data_label=name)
#     imviz.load(image["HE"], data_label="HE")
#     imviz.show()
#
# glue takes the HDUs of a map: its values, their errors and the flags. Points that you
# select in one view are then shown in the other::
#
#     from glue_jupyter import jglue
#
#     app = jglue(density=maps["stellar_mass_density"].to_hdulist())
#     app.imshow(data=app.data_collection[0])
#     app.histogram1d(data=app.data_collection[0])
#
# Both use unit and WCS, and Imviz mask and uncertainty. This checks that they are those
# of `~astropy.nddata.NDData`.

map_ = maps["stellar_mass_density"]
print(
    isinstance(map_, NDData),
    map_.unit,
    map_.wcs.wcs.ctype[0],
    map_.mask.dtype,
    map_.uncertainty.uncertainty_type,
)
out.cleanup()
plt.show()
