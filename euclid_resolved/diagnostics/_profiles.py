"""True and estimated radial profiles of galaxies whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.maps._profiles import inside, orientation, radial_profile

if TYPE_CHECKING:
    from astropy.table import QTable
    from regions import Region

    from euclid_resolved.maps._galaxy import Galaxy
    from euclid_resolved.models._model import Model

__all__ = ["radial_profiles"]


def radial_profiles(
    model: Model,
    training: object,
    test: Sequence[Galaxy],
    *,
    bin_width: u.Quantity | str | float | None = None,
    inclination: u.Quantity | float | str = 0.0,
    position_angle: u.Quantity | float | str = 0.0,
    region: Region | str | Path | None = None,
) -> QTable:
    """True and estimated radial profiles of the test galaxies (the paper's figures 5 and 6).

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
        Of all galaxies, a number in degrees; ``"image"`` takes
        `~euclid_resolved.maps.orientation` of each.
    region : optional
        Use only pixels at least half inside: a DS9 file, or what else
        `~euclid_resolved.maps.region_weights` takes.

    Returns
    -------
    table : `~astropy.table.QTable`
        A row for each galaxy, property and annulus: ``radius``, ``n_pixels``, and ``true`` and
        ``predicted`` medians with ``_p16`` and ``_p84``, all log10 of the property's unit.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, make_atlas, read_atlas, train
    >>> from euclid_resolved.diagnostics import radial_profiles
    >>> galaxies = read_atlas(make_atlas("atlas", 3, pixels=16))
    >>> model = train(galaxies[:2], estimator=LinearRegression())
    >>> table = radial_profiles(model, galaxies[:2], galaxies[2:], bin_width=4)
    >>> table.colnames[:4]
    ['galaxy', 'property', 'radius', 'n_pixels']
    """
    from euclid_resolved.diagnostics._contract import finish
    from euclid_resolved.training._sample import Pixels

    if isinstance(test, Pixels):
        raise InputError("radial profiles need galaxies (images and maps); pixels do not know where they lie")
    rows, unit = [], None
    for galaxy in test:
        image, truth = galaxy.load()
        scale = pixel_scale(image)
        width = bin_width_of(bin_width, scale)
        angle, tilt = _orientation_of(image, model, position_angle, inclination)
        for name, predicted in model.predict_maps(image).items():
            known = ~np.asarray(predicted.mask, bool)
            if region is not None:
                known &= inside(predicted, region)
            options = {"position_angle": angle, "inclination": tilt, "where": known}
            profiles = [radial_profile(map_, width, **options) for map_ in (truth[name], predicted)]
            found = profiles[0]["radius"].unit
            unit = unit or (u.kpc if found.is_equivalent(u.kpc) else found)
            rows += _profile_rows(galaxy.name, name, profiles, unit)
    if not rows:
        raise InputError("no annulus of any galaxy has a pixel that can be estimated")
    table = finish(rows)
    table["radius"] = table["radius"] * unit
    return table


def bin_width_of(width, scale):
    """The width of annuli as a quantity; a plain number is in kpc."""
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
