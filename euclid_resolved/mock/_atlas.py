"""Write a mock atlas: a folder of FITS files in the layout of the TNG50-SKIRT Atlas, and its sample table."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from astropy.io import fits

from euclid_resolved._checks import check_whole
from euclid_resolved.errors import InputError
from euclid_resolved.estimators._side_by_side import side_by_side
from euclid_resolved.estimators._workers import check_workers, on_workers
from euclid_resolved.images._bands import EUCLID_BANDS
from euclid_resolved.io._atlas import band_files
from euclid_resolved.io._files import write_text
from euclid_resolved.io._lock import hold
from euclid_resolved.mock._galaxies import check_number, draw_galaxy, further_of
from euclid_resolved.mock._population_names import find_populations
from euclid_resolved.mock._population_tables import attenuations, in_bands
from euclid_resolved.mock._settings import MockSettings
from euclid_resolved.mock._systematics import labels

__all__ = ["make_atlas"]


ORIGIN = "euclid_resolved mock atlas"
# Raised when a change to the generator alters its numbers, so that an old folder is not silently continued.
GENERATOR = 1
# The mass map is written last: where it lies, the galaxy is complete.
MAPS = {"stellarage": "Gyr", "stellarmetallicity": "", "dustmass": "Msun/pc2", "stellarmass": "Msun/pc2"}
COLUMNS = {
    "MSTAR": "stellar_mass_msun",
    "MGAS": "gas_mass_msun",
    "MDARK": "dark_matter_mass_msun",
    "SFR": "sfr_msun_per_year",
    "RHALF": "stellar_half_mass_radius_kpc",
}
NAME = re.compile(r"TNG(\d{6})_(O\d)_\w+\.fits")


def make_atlas(
    directory: str | Path,
    n_galaxies: int = 60,
    *,
    seed: int = 1,
    pixels: int | None = None,
    observer: str = "O5",
    settings: MockSettings | None = None,
    bands: Sequence[str] = EUCLID_BANDS,
    overwrite: bool = False,
    progress: bool | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Path:
    """Make a mock atlas of galaxies whose stellar mass, age and metallicity are known.

    A model trained on it is trained on a mock; the documentation says what it was tuned to, and what differs.

    Parameters
    ----------
    directory : path-like
        Folder to fill; made if missing.
    n_galaxies : int, optional
        Galaxies 1 to `n_galaxies`. Each depends on the seed and its own number only, so that a small atlas
        begins a large one. Galaxies that lie there complete, of the same seed and settings, stay.
    seed : int, optional
    pixels : int, optional
        Side of the images, 128 by default. The field of view stays that of `settings` (ten scale lengths for
        the largest discs), so the pixel scale adapts: 64 kpc over 128 pixels are 500 pc a pixel, more for the
        largest discs. Images of several galaxies on one grid have to be resampled first
        (`euclid_resolved.imaging.resample`).
    observer : {'O5', 'O1', 'O2', 'O3', 'O4'}, optional
        Name of the viewing direction; each has its own inclination.
    settings : MockSettings, optional
        The population drawn from; ``MockSettings()`` by default.
    bands : sequence of str, optional
        Any bands that its populations have; those that ship have the ground-based ones of Euclid's mosaics
        and LSST's, too (``"HSC_g"``, ``"LSST_u"``). A band looks the same whatever others there are, and may
        be added to an atlas later.
    overwrite : bool, optional
        Remake everything, and remove a mock atlas of another seed or other settings from the folder.
    progress : bool, optional
        Show a progress bar; by default only on a terminal.
    workers : int, optional
        Make galaxies in as many processes on this machine; needs Dask.
    scheduler : str, optional
        Or on the workers of this Dask scheduler, which see the same files. The galaxies are the same.

    Returns
    -------
    `~pathlib.Path`
        The folder, with two FITS files a band of each galaxy, its four maps, and ``sample.txt``.

    Raises
    ------
    InputError
        If the folder holds an atlas of another seed or other settings, or FITS files that are no mock at all;
        or another job fills it; or there are no populations of the name in `settings`, or what is there is
        damaged or does not cover the mock or its bands.

    Examples
    --------
    >>> from euclid_resolved import make_atlas, read_atlas
    >>> galaxies = read_atlas(make_atlas("atlas", 2, seed=1, pixels=16))
    >>> print(galaxies[0].maps["stellar_mass_density"].unit)
    solMass / pc2
    >>> galaxies[0].image.bands
    ('IE', 'YE', 'JE', 'HE')
    """
    settings = MockSettings() if settings is None else settings
    pixels = 128 if pixels is None else pixels
    for what, value, least in (("n_galaxies", n_galaxies, 1), ("pixels", pixels, 8), ("seed", seed, 0)):
        check_whole(what, value, least)
    check_number(n_galaxies)
    pixels = int(pixels)  # its digest is of the text
    if not isinstance(observer, str) or not re.fullmatch("O[1-5]", observer):
        raise InputError(f"the observer is one of O1, O2, O3, O4, O5, not {observer!r}")
    # What looks the populations up comes before the folder is made.
    digest, planes = _digest(int(seed), pixels, settings), band_files(bands)
    further = {band: _band_digest(digest, settings, band) for band in further_of(planes)}
    check_workers(workers, scheduler)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    numbers = range(1, int(n_galaxies) + 1)
    with hold(directory / "sample.txt"):
        _check_folder(directory, digest, overwrite)
        _check_further(directory, planes, further, overwrite)
        missing = [n for n in numbers if overwrite or not _complete(directory, n, observer, planes)]
        write = partial(
            _write_galaxy, directory=directory.resolve(), seed=int(seed), pixels=pixels, observer=observer,
            settings=settings, planes=planes, identity=(digest, further),
        )  # fmt: skip
        with on_workers(workers, scheduler, len(missing)):
            for _ in side_by_side(
                write, missing, 1, what="mock galaxies", unit="galaxy", progress=progress,
                done=len(numbers) - len(missing),
            ):  # fmt: skip
                pass
        _write_sample(directory, planes)
    return directory


def _digest(seed, pixels, settings):
    """Short name of everything that determines the numbers, apart from observer and galaxy."""
    text = f"{GENERATOR} {seed} {pixels} {settings.as_text()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _band_digest(digest, settings, band):
    """Short name of everything that determines the numbers of a band that is none of Euclid's."""
    light = labels(settings, (band,))
    names = settings.populations if isinstance(settings.populations, tuple) else (settings.populations,)
    dust = [attenuations(in_bands(find_populations(name), (band,)), name)[0] for name in names]
    text = f"{digest} {band} {light} {', '.join(map(str, dust))}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _paths(directory, number, observer, planes):
    """The files of a galaxy, in the order in which they are written."""
    stem = f"TNG{number:06d}_{observer}_"
    names = [f"{plane}{suffix}" for plane in planes.values() for suffix in ("", "_nodust")] + list(MAPS)
    return [directory / f"{stem}{name}.fits" for name in names]


def _complete(directory, number, observer, planes):
    return all(path.exists() for path in _paths(directory, number, observer, planes))


def _check_folder(directory, digest, overwrite):
    """Refuse a folder that holds something else; with `overwrite`, clear it of other mock galaxies."""
    groups = {}
    for path in sorted(directory.glob("TNG*.fits")):
        groups.setdefault(path.name[:12], []).append(path)
    for paths in groups.values():
        # One file speaks for its galaxy, unless an older galaxy has to go: then each is looked at.
        for path in paths if overwrite else paths[-1:]:
            header = fits.getheader(path)
            if header.get("MOCKID") == digest:
                continue
            if header.get("ORIGIN") != ORIGIN:
                raise InputError(
                    f"{directory} holds {path.name}, which is no mock galaxy: choose another folder"
                )
            if not overwrite:
                raise InputError(
                    f"{directory} holds a mock atlas of another seed, size or settings ({path.name}: seed "
                    f"{header.get('MOCKSEED')}, {header.get('NAXIS1')} pixels): choose another folder or "
                    "say overwrite=True (--overwrite)"
                )
            path.unlink()


def _check_further(directory, planes, further, overwrite):
    """Refuse a folder whose bands are made of other populations; with `overwrite`, clear it of them."""
    for band, digest in further.items():
        files = [path for end in ("", "_nodust") for path in directory.glob(f"TNG*_{planes[band]}{end}.fits")]
        # As above, one file speaks for all.
        for path in files if overwrite else files[:1]:
            if fits.getheader(path).get("BANDID") == digest:
                continue
            if not overwrite:
                raise InputError(
                    f"{directory} holds {band} of other populations ({path.name}): choose another folder or "
                    "say overwrite=True (--overwrite)"
                )
            path.unlink()


def _write_galaxy(number, directory, seed, pixels, observer, settings, planes, identity):
    """Build one galaxy and write its files, each beside its place and then renamed into it."""
    galaxy, places = draw_galaxy(seed, number, int(observer[1]), pixels, settings, tuple(planes))
    digest, further = identity
    header = _header(galaxy, number, seed, pixels, observer, settings, digest)
    content = [
        (planes_of[place], "MJy/sr", further.get(band))
        for band, place in places.items()
        for planes_of in (galaxy.images, galaxy.dust_free)
    ]
    content += [(getattr(galaxy, name), unit, None) for name, unit in MAPS.items()]
    paths = _paths(directory, number, observer, planes)
    for path, (plane, unit, band_digest) in zip(paths, content, strict=True):
        header["BUNIT"] = unit
        header.remove("BANDID", ignore_missing=True)
        if band_digest:
            card = ("BANDID", band_digest, "digest of the populations in this band")
            header.insert("MOCKID", card, after=True)
        part = path.with_name(path.name + ".part")
        fits.PrimaryHDU(plane, header).writeto(part, overwrite=True)
        os.replace(part, path)


def _header(galaxy, number, seed, pixels, observer, settings, digest):
    """Header shared by the files of one galaxy."""
    header = fits.Header()
    header["BUNIT"] = ("MJy/sr", "unit of the pixel values")
    for axis in (1, 2):
        header[f"CTYPE{axis}"] = ("", "offset from the centre, no sky coordinates")
        header[f"CUNIT{axis}"] = "pc"
        header[f"CRPIX{axis}"] = (pixels + 1) / 2
        header[f"CRVAL{axis}"] = 0.0
        header[f"CDELT{axis}"] = (galaxy.pixel_scale, "[pc] pixel scale")
    header["ORIGIN"] = (ORIGIN, "a MOCK, not a simulation")
    header["OBJECT"] = f"TNG{number:06d}"
    header["OBSERVER"] = observer
    header["MOCKSEED"] = (seed, "seed of the mock atlas")
    header["MOCKID"] = (digest, "digest of seed, pixels and settings")
    header["QUIESC"] = (galaxy.properties["quiescent"], "galaxy is quiescent")
    units = {"SFR": "[Msun/yr] over 100 Myr", "RHALF": "[kpc] half-mass radius, face-on"}
    for key, name in COLUMNS.items():
        header[key] = (float(f"{galaxy.properties[name]:.6g}"), units.get(key, "[Msun] within the field"))
    header.add_history(f"MockSettings({settings.as_text()})")
    return header


def _write_sample(directory, planes):
    """Write ``sample.txt`` from the headers of all complete galaxies in the folder."""
    rows = {}
    for path in sorted(directory.glob("TNG*_stellarmass.fits")):
        number, observer = NAME.fullmatch(path.name).groups()
        if int(number) not in rows and _complete(directory, int(number), observer, planes):
            header = fits.getheader(path)
            rows[int(number)] = [f"{int(number):d}"] + [f"{header[key]:.6g}" for key in COLUMNS]
    lines = [f"# {ORIGIN}", "# " + " ".join(["subhalo_id", *COLUMNS.values()])]
    lines += [" ".join(rows[number]) for number in sorted(rows)]
    write_text(directory / "sample.txt", "\n".join(lines) + "\n")
