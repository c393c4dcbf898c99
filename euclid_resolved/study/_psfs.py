"""PSFs that a study varies: widths of Gaussians, and PSFs that were delivered, in a FITS file by band."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import band_name
from euclid_resolved.imaging._kernels import check_psf
from euclid_resolved.imaging._observation import Observation
from euclid_resolved.io._fingerprint import file_digest
from euclid_resolved.io.euclid._psf import read_psf

if TYPE_CHECKING:
    from euclid_resolved.study._description import Part


@dataclass(frozen=True)
class BandPsfs:
    """The PSFs of bands; bands that it does not name have those of the mosaics.

    Attributes
    ----------
    text : str
        As it is called in tables: ``IE=psf.fits HE=0.35``.
    widths : dict of str to float
        Full widths at half maximum of Gaussians, arcsec.
    files : dict of str to str
        FITS files with a PSF each.
    digests : dict of str to str
        Of their content: other PSFs under the same names give other results.
    """

    text: str
    widths: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


def is_positive(value: object) -> bool:
    """Whether a value of a TOML file is a finite number above zero."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf


def checked_psf(value: Any, label: str, bands: Sequence[str], folder: Path) -> float | BandPsfs:
    """What a study says of a PSF, its files read once to see that they can be used.

    Parameters
    ----------
    value : float or mapping of str to float or str
        Full width at half maximum in arcsec, of all bands or by band, or the file of a band's PSF.
    label : str
        The part that it is of, for messages.
    bands : sequence of str
        Those of the study.
    folder : `~pathlib.Path`
        Where the study lies, from which names of files count.

    Returns
    -------
    psf : float or `BandPsfs`

    Raises
    ------
    InputError
        If it is neither, a band is not among those of the study, or a file is not there or holds no PSF that
        can be used.
    """
    if not isinstance(value, Mapping):
        if not is_positive(value):
            raise InputError(
                f"{label}: psf needs positive numbers, or tables of bands such as "
                f'{{ IE = "FILE.fits", HE = 0.35 }}, got {value!r}'
            )
        return value
    widths: dict[str, float] = {}
    files: dict[str, str] = {}
    for key, each in value.items():
        band = band_name(key)
        if band not in bands:
            raise InputError(f"{label}: psf names {key}, and the bands of the study are {', '.join(bands)}")
        if band in widths or band in files:
            raise InputError(f"{label}: psf names {band} twice")
        if is_positive(each):
            widths[band] = float(each)
        elif isinstance(each, str) and each and "\0" not in each:
            files[band] = str(folder / each)
            _stamp(files[band], f"{label}: band {band}")
        else:
            raise InputError(f"{label}: psf of {band} is a positive number or a file, got {each!r}")
    if not value:
        raise InputError(f"{label}: psf has a table without a band")
    text = " ".join(
        f"{band}={each:g}" if band in widths else f"{band}={each}" for band, each in _named(value)
    )
    psf = BandPsfs(text, widths, files, {band: file_digest(Path(path)) for band, path in files.items()})
    mean_width(psf, bands)  # refuses a band that has neither a PSF here nor a typical one
    return psf


def _named(value):
    return [(band_name(key), each) for key, each in value.items()]


def _stamp(path, label):
    if not Path(path).exists():
        raise InputError(f"{label}: {path}: there is no such file")
    return check_psf(read_psf(path), f"{label}: {path}")[0]


def observed_with(psf: float | BandPsfs) -> dict[str, Any]:
    """The options of `~euclid_resolved.imaging.observe_atlas` for a PSF of a study.

    Parameters
    ----------
    psf : float or `BandPsfs`

    Returns
    -------
    options : dict
        ``psf_fwhm`` in arcsec, and ``psf``, arrays on pixels of 0.1 arcsec.
    """
    if not isinstance(psf, BandPsfs):
        return {"psf_fwhm": float(psf)}
    stamps = {band: _stamp(path, f"band {band}") for band, path in psf.files.items()}
    return {"psf_fwhm": psf.widths or None, "psf": stamps or None}


def mean_width(psf: float | BandPsfs, bands: Sequence[str]) -> float:
    """The mean over bands of the full width at half maximum, arcsec.

    Of a delivered PSF it is that of the Gaussian that fits its core.

    Parameters
    ----------
    psf : float or `BandPsfs`
    bands : sequence of str

    Returns
    -------
    width : float
    """
    seen = Observation(distance=1 * u.Mpc, redshift=0.0, **observed_with(psf))
    return float(np.mean([seen.fwhm(band) for band in bands]))


def psf_files(parts: Iterable[Part]) -> list[str]:
    """The files of all PSFs that parts of a study name."""
    psfs = [psf for part in parts if part.run == "observed" for psf in part.options.get("psf", ())]
    return [file for psf in psfs if isinstance(psf, BandPsfs) for file in psf.files.values()]
