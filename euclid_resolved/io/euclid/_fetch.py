"""Fetch cut-outs of Euclid's MER mosaics from an archive; nothing here is called unless a user asks."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import urllib.error
import urllib.parse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from euclid_resolved._checks import check_positive
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.images._bands import EUCLID_BANDS, band_names
from euclid_resolved.images._guard import check_content
from euclid_resolved.io._files import atomic_path
from euclid_resolved.io.euclid._download import (
    Web,
    check_address,
    check_fits,
    check_origins,
    listed,
    masked,
    receive,
)
from euclid_resolved.io.euclid._mer_files import newest

__all__ = ["fetch"]


IRSA = "https://irsa.ipac.caltech.edu/SIA"
ORIGINS = ("https://irsa.ipac.caltech.edu",)  # that are asked without being allowed
COLLECTION = "euclid_DpdMerBksMosaic"
MAX_RADIUS = 0.5 * u.deg  # what the archive of ESA allows; a tile is as large
KINDS = ("", "RMS", "FLAG", "PSF")

_NAME = re.compile(r"EUC_MER_[A-Za-z0-9][A-Za-z0-9_.+-]{0,180}\.fits(\.gz)?")
_ESA = re.compile(r"\w{1,20}\|\d{1,12}\|/?[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*")
_LISTING = 2**24  # bytes of a listing: thousands of files
_PIXEL = 0.1  # arcsec, of a mosaic
_SPARE = 2**28  # bytes: a raster of PSFs is not cut


def fetch(
    ra: float | u.Quantity,
    dec: float | u.Quantity,
    radius: float | u.Quantity,
    *,
    bands: Sequence[str] = EUCLID_BANDS,
    service: str = "irsa",
    folder: str | Path | None = None,
    timeout: float = 60.0,
    refresh: bool = False,
    session: Any = None,
    allow: Sequence[str] = (),
) -> Path:
    """Fetch cut-outs around a position, of every tile that reaches it.

    Parameters
    ----------
    ra, dec : float or `~astropy.units.Quantity`
        ICRS; degrees without a unit.
    radius : float or `~astropy.units.Quantity`
        Half the side of the cut-outs; arcsec without a unit.
    bands : sequence of str, optional
        By any of their names, ground-based ones too: ``"CFIS-U"``, ``"DECAM_g"``, or the filter alone where
        the archive has one such band there.
    service : {"irsa", "esa"}, optional
        The archive of NASA/IPAC, by Simple Image Access: images with their RMS and FLAG maps and PSFs; or
        that of ESA, with `astroquery.esa.euclid`: images only.
    folder : path-like, optional
        Where to put the files; by default a folder of this field in Astropy's cache directory.
    timeout : float, optional
        Seconds until an answer must have come as a whole, and one more for each MiB that came. (What
        astroquery does for the archive of ESA has time-outs of its own.)
    refresh : bool, optional
        Ask again and fetch again what is there already.
    session : optional
        For IRSA something with ``get(url, timeout)`` that returns bytes or gives them in pieces; for ESA
        something with the methods of `~astroquery.esa.euclid.EuclidClass`. Without it the archive itself.
    allow : sequence of str, optional
        Where files may come from beside the archive's own host: ``https://HOST`` or ``http://HOST:PORT``.

    Returns
    -------
    folder : `~pathlib.Path`
        For `euclid_resolved.io.read_mosaics`. Files have the names of the archive, the newest
        version of each. What was there before was not fetched again, so that a second call needs no
        network.

    Raises
    ------
    InputError
        If the position or radius makes no sense, the archive has no image there, does not answer in time, or
        answers with something else, with too much, with part of a file or with an address elsewhere; or
        astroquery is not installed.

    Examples
    --------
    >>> from euclid_resolved import InputError
    >>> from euclid_resolved.io import fetch
    >>> try:
    ...     fetch(59.1, -49.3, 30, service="mast")  # with service="irsa" the folder of the files
    ... except InputError as error:
    ...     print(error)
    service must be 'irsa' or 'esa', got 'mast'
    """
    position, radius = _field(ra, dec, radius)
    if service not in ("irsa", "esa"):
        raise InputError(f"service must be 'irsa' or 'esa', got {service!r}")
    bands = band_names(bands)
    place = _folder(folder, service, position, radius)
    timeout = check_positive("timeout", timeout)
    origins = (*ORIGINS, *check_origins(allow))
    archive = _Irsa(session, timeout, origins) if service == "irsa" else _Esa(session)
    most = int(_SPARE + 2 * 4 * (2 * radius.to_value(u.arcsec) / _PIXEL) ** 2)
    listing = _listing(place / f"{service}_listing.ecsv", archive, position, radius, refresh)
    wanted = _choose(listing, bands, service, position)
    for name in wanted:
        path = place / name
        if refresh or not _is_whole(path, most):
            with atomic_path(path, overwrite=True) as temporary:
                archive.download(listing[name], position, radius, temporary, most)
                check_fits(temporary, name, most)
    return place


def _is_whole(path, most):
    """Whether a file is there and was not cut short."""
    try:
        check_fits(path, path.name, most)
    except (InputError, OSError):
        return False
    return True


def _field(ra, dec, radius):
    try:
        ra, dec = u.Quantity(ra, u.deg).to_value(u.deg), u.Quantity(dec, u.deg).to_value(u.deg)
        radius = u.Quantity(radius, u.arcsec).to(u.arcsec)
    except (TypeError, ValueError, u.UnitConversionError):
        raise InputError(
            f"ra and dec are degrees and radius arcsec, or Quantities; got {ra!r}, {dec!r}, {radius!r}"
        ) from None
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise InputError(f"({ra}, {dec}) is no position on the sky")
    if not 0 * u.arcsec < radius <= MAX_RADIUS:
        raise InputError(f"radius must lie between 0 and {MAX_RADIUS}, got {radius}")
    return SkyCoord(ra, dec, unit="deg"), radius


def _folder(folder, service, position, radius):
    if folder is not None:
        return Path(folder)
    from astropy.config.paths import get_cache_dir

    field = f"{service}_{position.ra.deg:09.5f}{position.dec.deg:+09.5f}_{radius.to_value(u.arcsec):.1f}"
    return Path(get_cache_dir("euclid_resolved")) / "fetch" / field


def _listing(path, archive, position, radius, refresh):
    """What the archive has there: name of the file -> what is needed to fetch it; kept in a file."""
    from astropy.table import Table

    found = None if refresh else _kept(path, archive)
    if found:
        return found
    found = {name: address for name, address in archive.search(position, radius).items() if _is_name(name)}
    if found:  # there may be more tomorrow
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, overwrite=True) as temporary:
            table = Table({"name": list(found), "address": list(found.values())}, dtype=(str, str))
            table.write(temporary, format="ascii.ecsv", overwrite=True)
    return found


def _kept(path, archive):
    """A listing that an earlier call has left; None where it cannot be one."""
    from astropy.table import Table

    try:
        if not path.is_file() or path.stat().st_size > _LISTING:
            return None
        check_content(path)
        table = Table.read(path, format="ascii.ecsv")
        found = {str(row["name"]): str(row["address"]) for row in table}
        for name, address in found.items():
            archive.check(address)
            if not _is_name(name):
                return None
    except Exception:  # the reader of tables raises many types, and others may have written this file
        return None
    return found


def _is_name(name):
    """Whether a name that an archive gives can be that of a file here, and of nothing elsewhere."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def _choose(listing, bands, service, position):
    """The names of the files to fetch."""
    tiles = newest(listing)
    available = {band for files in tiles.values() for band, kinds in files.items() if "" in kinds}
    where = f"{position.to_string('hmsdms', precision=1)} (ICRS)"
    if not available:
        raise InputError(f"the archive ({service}) has no Euclid mosaic at {where}")
    bands = band_names(bands, sorted(available))
    missing = [band for band in bands if band not in available]
    if missing:
        raise InputError(
            f"the archive ({service}) has no band {', '.join(missing)} at {where}, only "
            f"{', '.join(sorted(available))}"
        )
    files = [files.get(band, {}) for files in tiles.values() for band in bands]
    wanted = [kinds[kind] for kinds in files for kind in KINDS if "" in kinds and kind in kinds]
    if not any("RMS" in kinds for kinds in files):
        text = f"the archive ({service}) gives no RMS maps at {where}: the image will have no uncertainty"
        warnings.warn(text, DataWarning, stacklevel=3)
    return wanted


class _Irsa:
    """IRSA: Simple Image Access to search, its cut-out service to fetch."""

    def __init__(self, session, timeout, origins):
        self._origins = (*origins, "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(IRSA)))
        self._session, self._timeout = session or Web(self._origins), timeout

    def check(self, address):
        check_address(address, self._origins)

    def _get(self, url, file, most):
        self.check(url)
        shown = masked(url)
        try:
            receive(self._session.get(url, self._timeout), file, most, self._timeout)
        except InputError as error:
            raise InputError(f"IRSA: {masked(error)} ({shown})") from error
        except urllib.error.HTTPError as error:
            raise InputError(f"IRSA refuses {shown}: HTTP {error.code} {masked(error.reason)}") from error
        except (OSError, ValueError) as error:  # URLError and time-outs are OSErrors
            reason = masked(getattr(error, "reason", error) or type(error).__name__)
            raise InputError(
                f"IRSA cannot be reached within {self._timeout:g} s: {reason} ({shown})"
            ) from error

    def search(self, position, radius):
        where = f"circle {position.ra.deg:.7f} {position.dec.deg:.7f} {radius.to_value(u.deg):.7f}"
        query = {"COLLECTION": COLLECTION, "POS": where, "RESPONSEFORMAT": "VOTABLE"}
        file = io.BytesIO()
        self._get(f"{IRSA}?{urllib.parse.urlencode(query)}", file, _LISTING)
        answer = file.getvalue()
        try:
            addresses = listed(answer)
        except ValueError as error:
            text = " ".join(answer[:200].decode("utf-8", "replace").split())
            raise InputError(
                f"IRSA did not answer with a table of images but with: {masked(text[:120])}"
            ) from error
        found = {}
        for address in addresses:
            name = re.split("[?#]", address)[0].rpartition("/")[2]
            if _is_name(name):
                self.check(address)
                found[name] = address
        return found

    def download(self, address, position, radius, path, most):
        if "GRID-PSF" not in address:  # a raster of stamps has no sky to cut from
            size = 2 * radius.to_value(u.arcsec)
            address += (
                f"?center={position.ra.deg:.7f},{position.dec.deg:.7f}&size={size:.3f}arcsec&gzip=false"
            )
        with open(path, "wb") as file:
            self._get(address, file, most)


class _Esa:
    """The Euclid archive of ESA, through astroquery."""

    QUERY = (
        "SELECT file_name, file_path, instrument_name, filter_name, tile_index FROM sedm.mosaic_product "
        "WHERE mosaic_product.fov IS NOT NULL AND "
        "INTERSECTS(CIRCLE('ICRS', {ra:.7f}, {dec:.7f}, {radius:.7f}), mosaic_product.fov) = 1"
    )

    def __init__(self, session):
        self._session = session

    def _client(self):
        if self._session is None:
            try:
                # Here and not above: it asks the archive for its messages when it is imported.
                from astroquery.esa.euclid import EuclidClass
            except ImportError:
                raise InputError(
                    "astroquery is not installed (pip install euclid_resolved[fetch]); service='irsa' does "
                    "without"
                ) from None
            self._session = EuclidClass(environment="PDR", show_server_messages=False)
        return self._session

    def search(self, position, radius):
        query = self.QUERY.format(ra=position.ra.deg, dec=position.dec.deg, radius=radius.to_value(u.deg))
        try:
            table = self._client().launch_job(query).get_results()
        except InputError:
            raise
        except Exception as error:  # astroquery passes on whatever its transport raises
            raise InputError(f"the archive of ESA cannot be asked: {masked(error)}") from error
        keys = ("file_path", "file_name", "instrument_name", "tile_index")
        rows = [[_text(row[key]) for key in keys] for row in table]
        found = {name: f"{instrument}|{tile}|{folder}/{name}" for folder, name, instrument, tile in rows}
        for name, address in found.items():
            if _is_name(name):
                self.check(address)
        return found

    def check(self, address):
        if not _ESA.fullmatch(address) or ".." in address:
            raise InputError(f"the archive of ESA names a file that cannot be one: {masked(address)[:200]}")

    def download(self, address, position, radius, path, most):
        instrument, tile, source = address.split("|")
        files = None
        with contextlib.suppress(OSError):  # it has logged the reason, and gives None
            files = self._client().get_cutout(
                file_path=source,
                instrument=instrument,
                id=tile,
                coordinate=position,
                radius=radius,
                output_file=str(path),
            )
        found = [Path(file) for file in np.atleast_1d(files or []) if Path(file).is_file()]
        if not found:
            raise InputError(f"the archive of ESA gives no cut-out of {Path(source).name}")
        if found[0].stat().st_size > most:
            raise InputError(
                f"the archive of ESA gives more than the {most / 2**20:.0f} MiB that can be meant"
            )
        if found[0] != path:  # it adds an ending, or unpacks into a folder
            shutil.move(found[0], path)


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
