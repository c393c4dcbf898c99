"""Read galaxies in the layout of the TNG50-SKIRT Atlas, which the mock atlas shares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved.errors import ImageFileError
from euclid_resolved.images._bands import BANDS, EUCLID_BANDS, SURFACE_BRIGHTNESS, band_names
from euclid_resolved.images._guard import read_text
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.io._fits_read import header_unit, open_fits, read_plane
from euclid_resolved.maps._galaxy import Galaxy
from euclid_resolved.maps._properties import PROPERTIES, get_property
from euclid_resolved.maps._spatial_map import SpatialMap

__all__ = ["read_atlas", "read_galaxy"]


STAR_FORMING_SSFR = 1e-11
"""Specific star formation rate, per year, above which a galaxy counts as star-forming (our choice)."""

_RATE = u.Msun / u.yr

FILE_NAME = re.compile(r"TNG(?P<number>\d+)_(?P<observer>O\d)_(?P<plane>.+)\.fits(?:\.gz)?")
GALAXY_NAME = re.compile(r"TNG(?P<number>\d+)(?:_(?P<observer>O\d))?")
DEPTH = 3  # folders in folders: a release, a galaxy, an observer
RMS = "_rms"  # what the name of a band's file ends in where it is the noise of an observed atlas
MAPS = ("stellarmass", "stellarage", "stellarmetallicity", "dustmass")
LAYOUT = "expected are files such as TNG000008_O5_Euclid_VIS.fits, in it or in folders in it"
# The columns of the sample table and what they are called in Galaxy.meta.
COLUMNS = {
    "subhalo_id": None,
    "stellar_mass_msun": ("stellar_mass", u.Msun),
    "gas_mass_msun": ("gas_mass", u.Msun),
    "dark_matter_mass_msun": ("dark_matter_mass", u.Msun),
    "sfr_msun_per_year": ("sfr", u.Msun / u.yr),
    "stellar_half_mass_radius_kpc": ("stellar_half_mass_radius", u.kpc),
}


def read_atlas(
    directory: str | Path,
    observer: str = "O5",
    bands: Sequence[str] = EUCLID_BANDS,
    *,
    properties: Sequence[str] = (),
    nodust: bool = False,
) -> list[Galaxy]:
    """Find the galaxies of an atlas; their images and maps are read when they are looked at.

    Parameters
    ----------
    directory : path-like
        A folder with files ``TNG000008_O5_Euclid_VIS.fits``, ``TNG000008_O5_stellarmass.fits``, ... (or
        ``.fits.gz``), all in it or in folders in it, of any name and at most three deep, for example
        ``665976/TNG665976_O5_Euclid_VIS.fits``. Numbers need not be padded with zeros.
    observer : str, optional
        The viewing direction, ``"O1"`` to ``"O5"``.
    bands : sequence of str, optional
        Bands of the Euclid filters by any of their names, others as in the files: ``"LSST_g"``.
    properties : sequence of str, optional
        True maps to read beside the three of the stars: ``"dust_mass_density"``.
    nodust : bool, optional
        Read the images without dust.

    Returns
    -------
    galaxies : list of `~euclid_resolved.Galaxy`
        Sorted by number, named ``TNG000008_O5``, of the group ``TNG000008``.

        - ``image``: float32 in MJy/sr, without WCS; ``mask`` is True where a value is not finite.
          ``image.meta["pixel_scale"]`` is the side of a pixel as a length, if the file tells it. A file
          ``TNG000008_O5_Euclid_VIS_rms.fits`` beside a band, as an observed atlas has, is its uncertainty.
        - ``maps``: the three properties of the stars, and those asked for, float32; NaN and masked where
          there are no stars, or no dust (the value is zero or negative), since nothing has a logarithm there.
        - ``meta``: masses, star formation rate and half-mass radius as quantities, if there is a
          sample table (``*sample*.txt`` or ``*.dat``) in `directory`, or in a folder in it.
        - ``star_forming``: specific star formation rate above 1e-11 / yr, a limit of ours; None
          without sample table.

    Raises
    ------
    ImageFileError
        If the folder holds no atlas, or nothing of the observer or of a band. On access of a galaxy's
        image or maps: if a file is missing or damaged, has no proper unit, or pixels of another size than
        the others (CDELT1).

    Examples
    --------
    >>> from euclid_resolved import make_atlas, read_atlas
    >>> folder = make_atlas("atlas", 2, pixels=16)
    >>> galaxies = read_atlas(folder, observer="O5")
    >>> [galaxy.name for galaxy in galaxies]
    ['TNG000001_O5', 'TNG000002_O5']
    >>> galaxies[0].image.shape
    (16, 16)
    """
    directory = Path(directory)
    planes = band_files(bands, nodust)
    galaxies = _index(directory)
    there = _of_observer(directory, galaxies, observer)
    _check_bands(directory, planes, there)
    sample = _read_sample(directory)
    maps = {prop.name: prop.atlas for prop in (*PROPERTIES.values(), *map(get_property, properties))}
    return [_galaxy(number, observer, files, planes, sample, maps) for number, files in there.items()]


def read_galaxy(path: str | Path, bands: Sequence[str] = EUCLID_BANDS, *, nodust: bool = False) -> Galaxy:
    """One galaxy of an atlas, by the path its files begin with.

    Parameters
    ----------
    path : path-like
        The folder of the atlas and the galaxy's name, ``"atlas/TNG000008_O5"``.
    bands : sequence of str, optional
        As for `read_atlas`.
    nodust : bool, optional
        As for `read_atlas`.

    Returns
    -------
    galaxy : `~euclid_resolved.Galaxy`
        As from `read_atlas`.

    Raises
    ------
    ImageFileError
        If there is no such galaxy, or nothing of the observer or of a band.

    Examples
    --------
    >>> from euclid_resolved import make_atlas
    >>> from euclid_resolved.io import read_galaxy
    >>> folder = make_atlas("atlas", 1, pixels=16)
    >>> galaxy = read_galaxy(folder / "TNG000001_O5")
    >>> galaxy.maps["stellar_age"].unit
    Unit("Gyr")
    """
    path = Path(path)
    match = GALAXY_NAME.fullmatch(path.name)
    if not match:
        raise ImageFileError(path, "is no galaxy of an atlas", "a path such as atlas/TNG000008_O5 is needed")
    directory, number, observer = path.parent, int(match["number"]), match["observer"]
    planes = band_files(bands, nodust)
    galaxies = {key: files for key, files in _index(directory).items() if key[0] == number}
    if not galaxies:
        raise ImageFileError(directory, f"holds no files of galaxy TNG{number:06d}")
    there = _of_observer(directory, galaxies, observer)
    _check_bands(directory, planes, there)
    maps = {prop.name: prop.atlas for prop in PROPERTIES.values()}
    return _galaxy(number, observer, there[number], planes, _read_sample(directory), maps)


def band_files(bands: Sequence[str] | str, nodust: bool = False) -> dict[str, str]:
    """The part of the names of files that stands for each band, by the band's name."""
    names = band_names(bands)
    suffix = "_nodust" if nodust else ""
    own = {name: BANDS[name].atlas if name in BANDS else None for name in names}
    return {name: (file or name) + suffix for name, file in own.items()}


def _index(directory):
    """All files of an atlas: (number, observer) -> plane -> path, sorted by number."""
    if not directory.is_dir():
        what = "is a file, not a folder" if directory.exists() else "no such folder"
        raise ImageFileError(directory, what, LAYOUT)
    galaxies = {}
    for path in _walk(directory, DEPTH):
        match = FILE_NAME.fullmatch(path.name)
        if match:
            files = galaxies.setdefault((int(match["number"]), match["observer"]), {})
            other = files.setdefault(match["plane"], path)
            if other is not path:
                raise ImageFileError(path, f"the same image as {other}", "keep one of them")
    if not galaxies:
        raise ImageFileError(directory, "holds no galaxy of an atlas", LAYOUT)
    return dict(sorted(galaxies.items()))


def planes_there(directory: str | Path, observer: str) -> set[str]:
    """The planes that every galaxy of an observer has: bands and maps by the end of their files' names."""
    galaxies = [set(files) for (_, seen_by), files in _index(Path(directory)).items() if seen_by == observer]
    return set.intersection(*galaxies) if galaxies else set()


def _walk(directory, depth):
    """The files of a folder, then those of the folders in it; what is hidden is passed over."""
    entries = sorted(entry for entry in directory.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()] if depth else []
    yield from (entry for entry in entries if FILE_NAME.fullmatch(entry.name))
    for folder in folders:
        yield from _walk(folder, depth - 1)


def galaxy_files(path: str | Path) -> list[Path]:
    """The files of one galaxy, by the path they begin with; none where there is no such galaxy."""
    path = Path(path)
    match = GALAXY_NAME.fullmatch(path.name)
    if not match or not path.parent.is_dir():
        return []
    key = int(match["number"]), match["observer"]
    return sorted(_index(path.parent).get(key, {}).values())


def _of_observer(directory, galaxies, observer):
    there = {number: files for (number, seen_by), files in galaxies.items() if seen_by == observer}
    if not there:
        observers = ", ".join(sorted({seen_by for _, seen_by in galaxies}))
        what = f"holds nothing of observer {observer}" if observer else "the name lacks the observer"
        raise ImageFileError(directory, what, f"there are {observers}")
    return there


def _check_bands(directory, bands, galaxies):
    planes = {plane for files in galaxies.values() for plane in files}
    missing = {band: file for band, file in bands.items() if file not in planes}
    if missing:
        there = ", ".join(sorted(p for p in planes.difference(MAPS) if not p.endswith(RMS))) or "none"
        what = f"holds no band {', '.join(missing.values())}"
        raise ImageFileError(directory, what, f"there are {there}").of_bands(missing)


def _galaxy(number, observer, files, bands, sample, maps):
    name = f"TNG{number:06d}_{observer}"
    meta = dict(sample.get(number, {}))
    # Partials of functions of the module can be sent to other processes.
    noise = {band: files[plane + RMS] for band, plane in bands.items() if plane + RMS in files}
    paths = {band: _path(name, files, plane) for band, plane in bands.items()}
    image = partial(_read_image, name, paths, noise)
    maps = partial(_read_maps, {prop: _path(name, files, plane) for prop, plane in maps.items()})
    # All that show one simulated galaxy are one group, whatever side they show.
    group = f"TNG{number:06d}"
    return Galaxy(name, image, maps, star_forming=is_star_forming(meta), meta=meta, group=group)


def quantities_of(row: Mapping[str, Any]) -> dict[str, u.Quantity]:
    """What a row of the sample table says, with units, under the names of ``Galaxy.meta``."""
    known = [(COLUMNS.get(name), value) for name, value in row.items()]
    return {column[0]: value * column[1] for column, value in known if column}


def is_star_forming(meta: Mapping[str, u.Quantity]) -> bool | None:
    """Whether a galaxy forms stars, from its mass and star formation rate; None where not known."""
    if not meta.get("stellar_mass", 0) > 0 or "sfr" not in meta:
        return None
    ssfr = meta["sfr"].to_value(_RATE) / meta["stellar_mass"].to_value(u.Msun)
    return bool(ssfr > STAR_FORMING_SSFR) if np.isfinite(ssfr) else None


def _path(name, files, plane):
    """The file of a plane; where it is missing, the one that should be there, for the message on access."""
    return files.get(plane) or next(iter(files.values())).parent / f"{name}_{plane}.fits"


def _read_image(name, paths, noise):
    bands, meta = {}, {}
    for band, path in paths.items():
        data, scale = read_light(path)
        _check_scale(path, scale, meta)
        meta |= scale
        sigma = None
        if band in noise:
            sigma, scale = read_light(noise[band])
            _check_scale(noise[band], scale, meta)
            sigma = StdDevUncertainty(sigma)
        mask = ~np.isfinite(data)
        own = {"file": str(path)}
        bands[band] = NDData(data, unit=SURFACE_BRIGHTNESS, mask=mask, uncertainty=sigma, meta=own)
    return MultiBandImage(bands, name=name, meta=meta)


def read_light(path):
    """The pixels of an image in MJy/sr, and their side as {"pixel_scale": length} where the file has it."""
    data, unit, scale = _read(path)
    if unit is None or not unit.is_equivalent(SURFACE_BRIGHTNESS):
        what = f"BUNIT is {unit}, no surface brightness" if unit else "has no BUNIT"
        raise ImageFileError(path, what, "images of an atlas are in MJy/sr")
    factor = unit.to(SURFACE_BRIGHTNESS)
    return (data if factor == 1 else data * np.float32(factor)), scale


def _read_maps(paths):
    maps, common = {}, {}
    for name, path in paths.items():
        data, unit, scale = _read(path)
        _check_scale(path, scale, common)
        common |= scale
        expected = get_property(name).unit
        unit = expected if unit is None else unit
        if not unit.is_equivalent(expected):
            needed = str(expected) or "no unit, as a mass fraction"
            raise ImageFileError(path, f"BUNIT is {unit}", f"a map of {name} needs {needed}")
        data *= np.float32(unit.to(expected))
        with np.errstate(invalid="ignore"):
            data[~(data > 0) | ~np.isfinite(data)] = np.nan
        meta = {"file": str(path), **scale}
        maps[name] = SpatialMap(data, property=name, unit=expected, mask=np.isnan(data), meta=meta)
    return maps


def _check_scale(path, scale, others):
    """Refuse a plane whose pixels have another size than those of the planes before it."""
    if scale and others and not np.isclose(scale["pixel_scale"], others["pixel_scale"], rtol=1e-3, atol=0):
        what = f"its pixels are {scale['pixel_scale']:.4g} wide (CDELT1), those of other planes"
        hint = "the planes of a galaxy lie on one grid"
        raise ImageFileError(path, f"{what} {others['pixel_scale']:.4g}", hint)


def _read(path):
    """Data, unit and, if the file tells it, the side of a pixel as {"pixel_scale": length}."""
    with open_fits(path) as hdus:
        header = hdus[0].header
        # Not through a WCS: that would turn parsecs into metres.
        sides = [_side(header, axis) for axis in (1, 2)]
        if None not in sides and abs(sides[1] / sides[0] - 1) > 0.005:
            what = f"its pixels are {sides[0]:.4g} x {sides[1]:.4g} pc"
            raise ImageFileError(path, what, "those of an atlas are squares")
        scale = {} if sides[0] is None else {"pixel_scale": sides[0] * u.pc}
        return read_plane(path, hdus[0]), header_unit(header), scale


def _side(header, axis):
    """The side of a pixel along an axis in pc, or None."""
    unit, step = (
        u.Unit(str(header.get(f"CUNIT{axis}", "")), parse_strict="silent"),
        header.get(f"CDELT{axis}"),
    )
    if unit.is_equivalent(u.pc) and isinstance(step, int | float) and 0 < abs(step) < np.inf:
        return abs(float(step)) * unit.to(u.pc)
    return None


def _read_sample(directory):
    """Rows of the sample table by number, with units; empty if there is no table."""
    for path in sample_tables(directory):
        return _parse_sample(path)
    for path in [*sorted(directory.glob("*.dat")), *sorted(directory.glob("*/*.dat"))]:
        try:
            return _parse_sample(path)
        except ImageFileError:
            continue  # a file of that ending can be anything
    return {}


def sample_tables(directory: Path) -> list[Path]:
    """The sample tables of an atlas by their names: those in its folder, then those one folder deeper."""
    return [*sorted(directory.glob("*sample*.txt")), *sorted(directory.glob("*/*sample*.txt"))]


def _parse_sample(path):
    names, rows = None, {}
    try:
        for line in read_text(path, ImageFileError).splitlines():
            words = line.replace("#", " ", 1).split()
            if words[:1] == ["subhalo_id"]:
                names = words
            elif words and not line.lstrip().startswith("#"):
                # Without a line of names the columns are those of the atlas, in its order.
                row = dict(zip(names or COLUMNS, map(float, words), strict=True))
                rows[int(row["subhalo_id"])] = quantities_of(row)
    except ImageFileError:
        raise
    except (OSError, ValueError, OverflowError) as error:
        hint = f"columns {', '.join(COLUMNS)}, separated by blanks"
        raise ImageFileError(path, f"is no sample table: {error}", hint) from error
    return rows
