"""Maps that others made: FITS images of a property, linear or logarithmic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import NDData

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.io._fits_read import header_unit, is_plane, list_extensions, open_fits, read_plane
from euclid_resolved.io._wcs import celestial
from euclid_resolved.maps._properties import KNOWN, get_property
from euclid_resolved.maps._spatial_map import SpatialMap

_LOGARITHM = re.compile(r"(?:dex|log(?:10|_10)?) *[(\[](?P<of>.*)[)\]]", re.IGNORECASE)
_MASK = "MASK"  # as CCDData of Astropy calls it


def read_maps(path: str | Path) -> dict[str, SpatialMap]:
    """The maps of a file that `write` made, by property.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    maps : dict of str to `~euclid_resolved.SpatialMap`

    Raises
    ------
    InputError
        If it holds something else.

    Examples
    --------
    >>> from euclid_resolved import write
    >>> from euclid_resolved.io._other_maps import read_maps
    >>> from euclid_resolved.testing import example_galaxies
    >>> write("maps.asdf", example_galaxies(1)[0].maps["stellar_age"])
    >>> list(read_maps("maps.asdf"))
    ['stellar_age']
    """
    from euclid_resolved.io._read_write import read

    found = read(path)
    if isinstance(found, SpatialMap):
        found = {found.property.name if found.property else "map": found}
    maps = found if isinstance(found, dict) else {}
    if not set(maps) & set(KNOWN):
        raise InputError(
            f"{path}: there is no map of a property in it that says so; name the property, for example "
            f"stellar_mass_density={path}"
        )
    return maps


def read_other(words: Sequence[str], units: Mapping[str, str] | None = None) -> dict[str, NDData]:
    """Maps made otherwise.

    Parameters
    ----------
    words : sequence of str
        One file that `write` made, or ``PROPERTY=FILE`` or ``PROPERTY=FILE:EXTENSION`` of FITS images.
    units : mapping of str to str, optional
        The unit of a property, whatever its file says.

    Returns
    -------
    maps : dict of str to `~astropy.nddata.NDData`
        By property, in the unit of the file. Pixels that are NaN, or not 0 in an extension MASK, are masked.

    Raises
    ------
    InputError
        If the words are neither, a property is not known or named twice, or a unit is missing or none.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from euclid_resolved.io._other_maps import read_other
    >>> fits.writeto("mass.fits", np.full((4, 4), 7.5))
    >>> maps = read_other(["stellar_mass_density=mass.fits"], {"stellar_mass_density": "dex(Msun/kpc2)"})
    >>> maps["stellar_mass_density"].unit
    Unit("dex(solMass / kpc2)")
    """
    units = dict(units or {})
    pairs = [word for word in words if "=" in word and not Path(word).exists()]
    if not pairs and len(words) == 1:
        maps = read_maps(words[0])
        for name, text in units.items():
            raise InputError(f"{words[0]} says the units of its maps: {text} for {name} is of no use")
        return dict(maps)
    if len(pairs) < len(words):
        raise InputError(f"give one file of maps, or PROPERTY=FILE pairs, not {' '.join(words)}")
    found = {}
    for word in pairs:
        name, _, place = word.partition("=")
        name = get_property(name).name
        if name in found:
            raise InputError(f"{name} is given twice")
        found[name] = _read_image(name, place, units.pop(name, None))
    for name in units:
        raise InputError(f"a unit is given for {get_property(name).name}, but no map of it")
    return found


def files_of(words: Sequence[str]) -> list[Path]:
    """The files that the words for other maps name."""
    pairs = (word for word in words)
    return [
        Path(word) if "=" not in word or Path(word).exists() else _place(word.partition("=")[2])[0]
        for word in pairs
    ]


def _place(text):
    """A file and the extension named after a colon, or None."""
    path, colon, extension = text.rpartition(":")
    return (Path(text), None) if not colon or Path(text).exists() else (Path(path), extension)


def _read_image(name, place, unit):
    path, extension = _place(place)
    with open_fits(path) as hdus:
        hdu = _extension(path, hdus, extension)
        header = hdu.header.copy()  # reading the data takes cards out of it
        data = read_plane(path, hdu, np.float64)
        mask = ~np.isfinite(data)
        if _MASK in hdus and hdus[_MASK] is not hdu and is_plane(hdus[_MASK]):
            flags = read_plane(path, hdus[_MASK], None)
            if flags.shape == data.shape:
                mask |= flags != 0
        wcs = celestial(path, [header, hdus[0].header], data.shape)
    return NDData(data, unit=_unit(path, name, header, unit), mask=mask, wcs=wcs)


def _extension(path, hdus, extension):
    if extension is None:
        images = [hdu for hdu in hdus if is_plane(hdu) and hdu.name != _MASK]
        if len(images) == 1:
            return images[0]
        what = f"{len(images) or 'no'} 2-D images in it: {list_extensions(hdus)}"
        raise ImageFileError(path, what, "name one as FILE:EXTENSION" if images else "")
    try:
        return hdus[int(extension) if extension.isdigit() else extension]
    except (KeyError, IndexError):
        raise ImageFileError(path, f"no extension {extension}; there are {list_extensions(hdus)}") from None


def _unit(path, name, header, given):
    """The unit asked for, or that of the header; a logarithm says of what it is one."""
    text = str(header.get("BUNIT", "")).strip() if given is None else given.strip()
    prop = get_property(name)
    example = f"as {prop.unit or '1'} or dex({prop.unit or '1'})"
    if not text:
        raise InputError(f"{path}: BUNIT does not say the unit of {name}; state it, {example}")
    if match := _LOGARITHM.fullmatch(text):
        inner = _linear(match["of"] or "1")
        unit = None if inner is None else u.dex(inner)
    else:
        unit = _linear(text)
    physical = getattr(unit, "physical_unit", unit)
    if unit is None or unit == u.dex or not physical.is_equivalent(prop.unit):
        raise InputError(f"{path}: {text!r} is no unit of {name}; state it, {example}")
    return unit


def _linear(text):
    if text.strip() in ("1", "dimensionless"):
        return u.dimensionless_unscaled
    unit = header_unit(fits.Header({"BUNIT": text}))
    return unit if isinstance(unit, u.UnitBase) and not isinstance(unit, u.UnrecognizedUnit) else None
