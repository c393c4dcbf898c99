"""What a FITS file holds, so that everything that opens one agrees: maps, or an image of the sky."""

from __future__ import annotations

import warnings
from pathlib import Path

import astropy.units as u

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._bands import BANDS, SURFACE_BRIGHTNESS, band_name
from euclid_resolved.io._fits_read import first_card, header_unit, opened
from euclid_resolved.io.euclid._calibration import ZERO_POINTS, is_counts
from euclid_resolved.io.euclid._mer_files import band_of
from euclid_resolved.io.euclid._names import name_parts
from euclid_resolved.maps._properties import KNOWN


def is_sky_image(path: Path) -> bool:
    """Whether a FITS file holds an image of the sky in some bands, and not maps of properties.

    What this package wrote, or what is called after a property, holds maps. An image of the sky is known by
    the name of the file or of an extension, by a filter, by a zero point, or by its unit.

    Parameters
    ----------
    path : `~pathlib.Path`

    Returns
    -------
    sky : bool
        False for a file that astropy cannot read: whoever reads it will say why.

    Raises
    ------
    ImageFileError
        If it is no regular file, or its sizes are not true.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with opened(path, memmap=False) as hdus:
                images = [(hdu.name, hdu.header) for hdu in hdus if hdu.is_image]
        except ImageFileError:
            raise
        except Exception:  # astropy raises many kinds on damaged files
            return False
    if any(_is_map(name, header) for name, header in images):
        return False
    return band_of(path.name) is not None or any(_is_sky(name, header) for name, header in images)


def _is_map(name, header):
    ours = str(header.get("CREATOR", "")).startswith("euclid_resolved")
    return ours or name.lower() in KNOWN or header.get("PROPERTY") in KNOWN


def _is_sky(name, header):
    parts = name_parts(name)
    if parts is not None and parts.band and parts.of in BANDS:
        return True
    if band_name(str(header.get("FILTER", ""))) in BANDS or first_card([header], *ZERO_POINTS) is not None:
        return True
    unit = header_unit(header)
    if unit is None or isinstance(unit, u.UnrecognizedUnit) or unit == u.dimensionless_unscaled:
        return False
    return unit.is_equivalent(SURFACE_BRIGHTNESS) or is_counts(unit)
