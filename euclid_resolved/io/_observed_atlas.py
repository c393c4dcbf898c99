"""Observed galaxies as an atlas: the layout of the TNG50-SKIRT Atlas, with the noise beside each band."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from tqdm import tqdm

from euclid_resolved.errors import InputError
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.io._atlas import COLUMNS, GALAXY_NAME, RMS, band_files
from euclid_resolved.io._files import atomic_path, write_text
from euclid_resolved.io._fingerprint import OBSERVED
from euclid_resolved.io._lock import hold
from euclid_resolved.maps._properties import PROPERTIES

if TYPE_CHECKING:
    from euclid_resolved.maps._galaxy import Galaxy

ORIGIN = "euclid_resolved observed atlas"
_CARD = "OBSID"
# The mass map is written last: where it lies, the galaxy is complete.
_UNITS = {"stellar_age": "Gyr", "stellar_metallicity": "", "stellar_mass_density": "Msun/pc2"}
_TABLE = "observed_sample.txt"


def write_observed(
    directory: str | Path,
    galaxies: Sequence[Galaxy],
    settings: Mapping[str, Any],
    bands: Sequence[str],
    *,
    overwrite: bool = False,
    progress: bool | None = None,
) -> int:
    """Write galaxies of `~euclid_resolved.observe_atlas` as an atlas, one after the other.

    Galaxies that lie there complete, of the same settings, stay. Each file appears whole or not at all.

    Parameters
    ----------
    directory : path-like
        Made if missing.
    galaxies : sequence of `~euclid_resolved.Galaxy`
        Named as in an atlas, ``TNG000008_O5``.
    settings : mapping of str to object
        All that determines the numbers but galaxy and band; kept in the headers as text. ``"atlas"`` is the
        ``fingerprint`` of the atlas that was observed, by which its galaxies are known again.
    bands : sequence of str
    overwrite : bool, optional
        Write all of them again, and remove those of other settings.
    progress : bool, optional
        Show a progress bar; by default only on a terminal.

    Returns
    -------
    written : int
        How many galaxies were written now.

    Raises
    ------
    InputError
        If the folder holds galaxies of other settings or no observed ones, or another job fills it.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved import make_atlas, observe_atlas, read_atlas
    >>> from euclid_resolved.io._observed_atlas import write_observed
    >>> galaxies = read_atlas(make_atlas("atlas", 1, pixels=16))
    >>> write_observed("far", observe_atlas(galaxies, 40 * u.Mpc), {"distance": "40 Mpc"}, ("IE", "HE"))
    1
    >>> read_atlas("far", bands=["HE"])[0].image["HE"].uncertainty.uncertainty_type
    'std'
    """
    directory, planes = Path(directory), band_files(bands)
    identity = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:16]
    wrong = [galaxy.name for galaxy in galaxies if not GALAXY_NAME.fullmatch(galaxy.name)]
    if wrong or not galaxies:
        raise InputError(f"galaxies of an atlas are needed, got {', '.join(wrong[:3]) or 'none'}")
    directory.mkdir(parents=True, exist_ok=True)
    silent, written = None if progress is None else not progress, 0
    with hold(directory / _TABLE):
        _check_folder(directory, identity, overwrite)
        for galaxy in tqdm(galaxies, desc="observed galaxies", unit="galaxy", disable=silent):
            paths = _paths(directory, galaxy.name, planes)
            if overwrite or not all(path.exists() for path in paths.values()):
                _write(galaxy, paths, settings, identity, planes)
                written += 1
        _write_sample(directory / _TABLE, galaxies)
    return written


def _paths(directory, name, planes):
    """The files of a galaxy by what they hold, in the order in which they are written."""
    ends = {}
    for band, plane in planes.items():
        ends |= {(band, ""): plane, (band, RMS): plane + RMS}
    ends |= {(name, ""): PROPERTIES[name].atlas for name in _UNITS}
    return {key: directory / f"{name}_{end}.fits" for key, end in ends.items()}


def _check_folder(directory, identity, overwrite):
    """Refuse a folder that holds something else; with `overwrite`, clear it of other observations."""
    groups = {}
    for path in sorted(directory.glob("TNG*.fits*")):
        groups.setdefault(path.name.split("_")[0], []).append(path)
    for paths in groups.values():
        # One file speaks for its galaxy, unless an older galaxy has to go: then each is looked at.
        for path in paths if overwrite else paths[-1:]:
            header = fits.getheader(path)
            if header.get(_CARD) == identity:
                continue
            if header.get("ORIGIN") != ORIGIN:
                what = "which is of no observed atlas: choose another folder"
                raise InputError(f"{directory} holds {path.name}, {what}")
            if not overwrite:
                raise InputError(
                    f"{directory} holds galaxies observed otherwise ({path.name}): choose another folder or "
                    "say overwrite=True (--overwrite)"
                )
            path.unlink()


def _write(galaxy, paths, settings, identity, planes):
    image, maps = galaxy.load()
    scale = pixel_scale(image).to_value(u.pc)
    seen, shape = galaxy.meta["observation"], image.shape
    for (name, end), path in paths.items():
        if name in planes:
            values = np.where(image.mask(name), np.nan, image.brightness(name))
            values, unit = image[name].uncertainty.array if end else values, "MJy/sr"
        else:
            values, unit = maps[name].quantity.value, _UNITS[name]
        header = _header(galaxy.name, shape, scale, seen, settings, identity)
        header["BUNIT"] = unit
        with atomic_path(path, overwrite=True) as part:
            fits.PrimaryHDU(np.asarray(values, np.float32), header).writeto(part, overwrite=True)


def _header(name, shape, scale, seen, settings, identity):
    header = fits.Header()
    for axis, size in ((1, shape[1]), (2, shape[0])):
        header[f"CTYPE{axis}"] = ("", "offset from the centre, no sky coordinates")
        header[f"CUNIT{axis}"] = "pc"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"] = (size + 1) / 2, 0.0
        header[f"CDELT{axis}"] = (scale, "[pc] pixel scale")
    header["ORIGIN"] = ORIGIN
    header["OBJECT"], header["OBSERVER"] = name.partition("_")[::2]
    header["DISTANCE"] = (seen.distance.to_value(u.Mpc), "[Mpc]")
    header["REDSHIFT"] = (seen.redshift, "by which it is dimmed")
    header["DEPTH"] = (seen.depth, "of the Wide Survey's exposure")
    header["OBSSEED"] = (seen.seed, "of what was drawn")
    if "atlas" in settings:
        header[OBSERVED] = str(settings["atlas"]).partition(":")[0]
    header[_CARD] = (identity, "digest of the settings below")
    for key, value in settings.items():
        header.add_history(f"{key}: {value}")
    return header


def _write_sample(path, galaxies):
    """The sample table of the atlas, for the galaxies whose masses and rates are known."""
    known = {column[0]: (name, column[1]) for name, column in COLUMNS.items() if column}
    rows = {}
    for galaxy in galaxies:
        if set(known) <= set(galaxy.meta):
            number = int(GALAXY_NAME.fullmatch(galaxy.name)["number"])
            values = (galaxy.meta[key].to_value(unit) for key, (_, unit) in known.items())
            rows[number] = " ".join([str(number), *(f"{value:.8g}" for value in values)])
    if rows:
        lines = [f"# {ORIGIN}", "# " + " ".join(["subhalo_id", *(name for name, _ in known.values())])]
        write_text(path, "\n".join([*lines, *(rows[number] for number in sorted(rows))]) + "\n")
