"""Radial profiles of maps, in elliptical annuli."""

from collections.abc import Mapping

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import QTable

from euclid_resolved.checks import check_angle
from euclid_resolved.errors import InputError
from euclid_resolved.pixels import pixel_scale, pixel_sides, stretch

__all__ = ["axis_ratio", "ellipse_in_pixels", "orientation", "radial_profile", "radial_profiles"]

_THRESHOLD, _MIN_PIXELS = 3.0, 10  # what a galaxy is, to `orientation`


def axis_ratio(inclination):
    """The axis ratio of a circle seen at an inclination.

    Parameters
    ----------
    inclination : `~astropy.units.Quantity` or float
        A plain number is in degrees.

    Returns
    -------
    ratio : float

    Raises
    ------
    InputError
        If it does not lie in [0, 90) degrees.

    Examples
    --------
    >>> from euclid_resolved.profiles import axis_ratio
    >>> print(f"{axis_ratio(60):.2f}")
    0.50
    """
    tilt = check_angle("inclination", inclination)
    if not 0 <= tilt < 90:
        raise InputError(f"inclination must lie in [0, 90) degrees, got {inclination}")
    return float(np.cos(np.radians(tilt)))


def _centre_in_pixels(map_, centre):
    if centre is None:
        return (map_.data.shape[1] - 1) / 2, (map_.data.shape[0] - 1) / 2
    if isinstance(centre, SkyCoord):
        if not getattr(map_.wcs, "has_celestial", False):
            raise InputError("a centre on the sky needs a map with a celestial WCS; give (x, y) in pixels")
        centre = map_.wcs.world_to_pixel(centre)
    x, y = (float(value) for value in centre)
    ny, nx = map_.data.shape
    if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5):
        raise InputError(f"the centre ({x:.1f}, {y:.1f}) lies off the map, whose shape is {map_.data.shape}")
    return x, y


def ellipse_in_pixels(map_, position, inner, outer, ratio, position_angle):
    """An elliptical annulus of the sky on the pixels of a map, which need not be squares.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap` or `~euclid_resolved.MultiBandImage`
    position : (x, y)
        Its centre in pixels, counted from 0.
    inner, outer : float
        Radii along the major axis, in square pixels as large as those of the map; with `inner` 0 it is an
        ellipse.
    ratio : float
        Minor over major axis.
    position_angle : `~astropy.units.Quantity` or float
        Of the major axis, counter-clockwise from the y axis of the pixels; a plain number is in degrees.

    Returns
    -------
    aperture : `~photutils.aperture.PixelAperture`

    Examples
    --------
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.profiles import ellipse_in_pixels
    >>> age = SpatialMap(np.ones((21, 21)), property="stellar_age")
    >>> ellipse = ellipse_in_pixels(age, (10, 10), 0, 4, 0.5, 90)
    >>> print(f"{ellipse.a:.0f} {ellipse.b:.0f} {ellipse.area:.2f}, 8 pi = {8 * np.pi:.2f}")
    4 2 25.13, 8 pi = 25.13
    """
    from photutils.aperture import EllipticalAnnulus, EllipticalAperture

    theta = np.radians(check_angle("position_angle", position_angle) + 90)
    across, square = ratio, stretch(map_)
    if not np.array_equal(square, np.eye(2)):
        # The unit circle becomes the ellipse, then what the pixels make of it: its axes are those we need.
        turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        axes, (major, minor), _ = np.linalg.svd(np.linalg.inv(square) @ turn @ np.diag([1.0, ratio]))
        theta, across = np.arctan2(axes[1, 0], axes[0, 0]), minor / major
        inner, outer = inner * major, outer * major
    theta = theta * u.rad
    if inner == 0:
        return EllipticalAperture(position, a=outer, b=outer * across, theta=theta)
    return EllipticalAnnulus(position, inner, outer, b_out=outer * across, theta=theta)


def radial_profile(
    map_, bin_width=None, *, centre=None, position_angle=0 * u.deg, inclination=0 * u.deg, where=None
):
    """Median and spread of a map against radius, one row an annulus.

    Values are medians and percentiles of pixels, never sums. Masked pixels and NaN are left out.

    Parameters
    ----------
    map_ : `~euclid_resolved.SpatialMap`
    bin_width : `~astropy.units.Quantity`, optional
        Width of the annuli along the major axis: a length where the pixel scale is one, an angle, or
        pixels. A twentieth of the map without it.
    centre : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The centre of the map without it.
    position_angle : `~astropy.units.Quantity` or float, optional
        Of the major axis, counter-clockwise from the y axis of the pixels; a plain number is in degrees.
    inclination : `~astropy.units.Quantity` or float, optional
        The annuli are circles seen at this inclination (0 is face-on, thin disc); a plain number is in
        degrees.
    where : `~numpy.ndarray` of bool, optional
        Use only these pixels.

    Returns
    -------
    profile : `~astropy.table.QTable`
        ``radius`` (middle of the annulus), ``median``, ``p16``, ``p84`` (the map's unit) and
        ``n_pixels``; NaN where an annulus has no pixel.

    Raises
    ------
    InputError
        If the centre lies off the map, the bin width has no unit that fits, or an angle is none.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from euclid_resolved import SpatialMap
    >>> from euclid_resolved.profiles import radial_profile
    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> values, scale = 100 * 10 ** (-np.hypot(x, y) / 20), {"pixel_scale": 0.5 * u.kpc}
    >>> disc = SpatialMap(values, property="stellar_mass_density", meta=scale)
    >>> for row in radial_profile(disc, 2.5 * u.kpc)[:3]:
    ...     print(f"{row['radius']:.2f}: {row['median']:.0f}, {row['n_pixels']} pixels")
    1.25 kpc: 69 solMass / pc2, 69 pixels
    3.75 kpc: 41 solMass / pc2, 236 pixels
    6.25 kpc: 23 solMass / pc2, 392 pixels
    """
    scale = pixel_scale(map_)
    position = _centre_in_pixels(map_, centre)
    reach = float(np.max((pixel_sides(map_) / scale).value * map_.data.shape[::-1])) / 2
    if bin_width is None:
        width = max(reach / 10, 1.0)
    else:
        try:
            width = (u.Quantity(bin_width) / scale).to_value(u.dimensionless_unscaled)
        except u.UnitConversionError:
            raise InputError(
                f"bin_width {bin_width} does not fit a pixel of {scale}; give a multiple of {scale.unit}"
            ) from None
    if not width > 0:
        raise InputError(f"bin_width must be positive, got {bin_width}")
    ratio = axis_ratio(inclination)
    check_angle("position_angle", position_angle)
    bad = ~np.isfinite(map_.data)
    if map_.mask is not None:
        bad |= np.asarray(map_.mask, bool)
    if where is not None:
        bad |= ~where
    rows = []
    for i in range(int(np.ceil(reach / width))):
        inner, outer = i * width, (i + 1) * width
        aperture = ellipse_in_pixels(map_, position, inner, outer, ratio, position_angle)
        values = aperture.to_mask(method="center").get_values(map_.data, mask=bad)
        spread = np.percentile(values, (50, 16, 84)) if len(values) else (np.nan,) * 3
        rows.append(((inner + outer) / 2, *spread, len(values)))
    table = QTable(rows=rows, names=("radius", "median", "p16", "p84", "n_pixels"))
    table["radius"] = table["radius"] * scale
    for name in ("median", "p16", "p84"):
        table[name] = table[name] * (map_.unit or u.dimensionless_unscaled)
    return table


def orientation(image, band="HE", clip=None):
    """Position angle and axis ratio of a galaxy, from the second moments of its light.

    The galaxy is the source at the middle of the image, or the largest near it: what stands out from the
    noise of the smoothed image, down to where it would reach the edge. The moments of noise, and of what an
    edge cuts off, are those of the frame.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
        The sky need not be subtracted. Masked pixels do not count.
    band : str, optional
    clip : float, optional
        Only where the smoothed light is brighter than this, MJy/sr.

    Returns
    -------
    position_angle : `~astropy.units.Quantity`
        Of the major axis, counter-clockwise from the y axis of the pixels.
    axis_ratio : float
        Minor over major axis: about the cosine of the inclination of a thin disc.

    Raises
    ------
    InputError
        If nothing stands out from the noise, or is above the clip.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.nddata import NDData
    >>> from euclid_resolved import MultiBandImage
    >>> from euclid_resolved.profiles import orientation
    >>> y, x = np.mgrid[-20:21, -20:21]
    >>> disc = np.exp(-np.hypot(x, 2 * y) / 4)
    >>> disc += np.random.default_rng(1).normal(0, 0.03, disc.shape)
    >>> angle, ratio = orientation(MultiBandImage({"HE": NDData(disc, unit=u.MJy / u.sr)}))
    >>> print(f"position angle {angle:.0f}, axis ratio {ratio:.2f}")
    position angle 89 deg, axis ratio 0.50
    """
    from euclid_resolved.imaging.sources import label_at, segments_above, significance
    from euclid_resolved.imaging.steps import planes, smooth

    if not isinstance(image, Mapping):
        raise InputError(f"an image (MultiBandImage) is needed, got {type(image).__name__}")
    image = image.select([band])
    (plane,) = planes(image).values()
    snr, known = significance(image)
    light, _ = smooth(plane.data, plane.good, 1.0)
    if clip is not None:
        known &= light > clip
    galaxies, threshold = [], _THRESHOLD
    while (labels := segments_above(snr, known, threshold, _MIN_PIXELS)) is not None:
        y, x = ((n - 1) / 2 for n in labels.shape)
        galaxies.append(labels == label_at(labels, x, y, given=False))
        if not _at_the_edge(galaxies[-1]):
            break
        threshold *= 1.2
    if not galaxies:
        name = image.name or "the image"
        raise InputError(f"{name}: no light above the noise and the clip, so no orientation")
    # Where all of it, however bright, reaches the edge, what there is of it has to do.
    galaxy = galaxies[0] if _at_the_edge(galaxies[-1]) else galaxies[-1]
    # The square root, so that a bright bulge does not decide alone.
    weight = np.sqrt(np.where(galaxy, snr, 0.0))
    moments = stretch(image) @ _moments(weight) @ stretch(image)
    values, vectors = np.linalg.eigh(moments)
    if not values[1] > 0:
        return 0.0 * u.deg, 1.0
    angle = np.degrees(np.arctan2(-vectors[0, 1], vectors[1, 1])) % 180
    return angle * u.deg, float(np.sqrt(max(values[0], 0) / values[1]))


def _at_the_edge(where):
    return bool(where[[0, -1]].any() or where[:, [0, -1]].any())


def _moments(weight):
    """The second moments about the centroid, (2, 2), x first."""
    y, x = np.indices(weight.shape)
    total = weight.sum()
    dx, dy = x - (weight * x).sum() / total, y - (weight * y).sum() / total
    return np.array([[(weight * a * b).sum() / total for a in (dx, dy)] for b in (dx, dy)])


def radial_profiles(
    model, training, test, *, bin_width=None, inclination=0.0, position_angle=0.0, region=None
):
    """True and estimated radial profiles of the test galaxies (the paper's Figs. 5 and 6).

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    training
        Not looked at.
    test : sequence of `~euclid_resolved.Galaxy`
        Galaxies, not pixels: a profile needs to know where pixels lie.
    bin_width : `~astropy.units.Quantity`, str or float, optional
        Width of the annuli; a number is in kpc. Without it 1.5 kpc (the paper's) where the pixel scale is a
        length, else a twentieth of the map.
    inclination, position_angle : `~astropy.units.Quantity`, float or "image", optional
        Of all galaxies, a number in degrees; ``"image"`` takes `orientation` of each.
    region : str or `~regions.Region`, optional
        Use only pixels at least half inside: a DS9 file, or what else
        `~euclid_resolved.region_pixels.region_weights` takes.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each galaxy, property and annulus: ``radius``, ``n_pixels``, and ``true`` and
        ``predicted`` medians with ``_p16`` and ``_p84``, all log10 of the property's unit.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, make_atlas, read_atlas, train
    >>> from euclid_resolved.profiles import radial_profiles
    >>> galaxies = read_atlas(make_atlas("atlas", 3, pixels=16))
    >>> model = train(galaxies[:2], estimator=LinearRegression())
    >>> table = radial_profiles(model, galaxies[:2], galaxies[2:], bin_width=4)
    >>> table.colnames[:4]
    ['galaxy', 'property', 'radius', 'n_pixels']
    """
    from euclid_resolved.diagnostics import finish
    from euclid_resolved.region_pixels import region_weights
    from euclid_resolved.sample import Pixels

    if isinstance(test, Pixels):
        raise InputError("radial profiles need galaxies (images and maps); pixels do not know where they lie")
    rows, unit = [], None
    for galaxy in test:
        image, truth = galaxy.load()
        scale = pixel_scale(image)
        width = _bin_width(bin_width, scale)
        angle, tilt = _orientation_of(image, model, position_angle, inclination)
        for name, predicted in model.predict_maps(image).items():
            known = ~np.asarray(predicted.mask, bool)
            if region is not None:
                known &= region_weights(predicted, region) >= 0.5
            options = {"position_angle": angle, "inclination": tilt, "where": known}
            profiles = [radial_profile(map_, width, **options) for map_ in (truth[name], predicted)]
            found = profiles[0]["radius"].unit
            unit = unit or (u.kpc if found.is_equivalent(u.kpc) else found)
            rows += _profile_rows(galaxy.name, name, profiles, unit)
    if not rows:
        raise InputError("no annulus of any galaxy has a pixel that can be judged")
    table = finish(rows)
    table["radius"] = table["radius"] * unit
    return table


def _bin_width(width, scale):
    if width is None:
        return 1.5 * u.kpc if scale.unit.is_equivalent(u.kpc) else None
    width = u.Quantity(width)
    return width * u.kpc if width.unit == u.dimensionless_unscaled else width


def _orientation_of(image, model, position_angle, inclination):
    """Position angle and inclination as angles, from the image where that is asked for."""
    band = model.clip_band
    if "image" in (position_angle, inclination):
        angle, ratio = orientation(image, band, model.clip)
        position_angle = angle if isinstance(position_angle, str) else position_angle
        # Not quite edge-on: an annulus needs a width.
        tilt = np.degrees(np.arccos(max(ratio, 0.1))) * u.deg
        inclination = tilt if isinstance(inclination, str) else inclination
    return position_angle, inclination


def _profile_rows(galaxy, name, profiles, unit):
    rows = []
    for true, predicted in zip(*profiles, strict=True):
        if not true["n_pixels"] or not predicted["n_pixels"]:
            continue
        row = {"galaxy": galaxy, "property": name, "radius": float(true["radius"].to_value(unit))}
        row["n_pixels"] = int(predicted["n_pixels"])
        for key, profile in (("true", true), ("predicted", predicted)):
            for column in ("median", "p16", "p84"):
                suffix = "" if column == "median" else f"_{column}"
                row[key + suffix] = float(np.log10(profile[column].value))
        rows.append(row)
    return rows
