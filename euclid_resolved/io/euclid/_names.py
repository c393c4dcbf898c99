"""How files name what they hold: which extension shows which band, and which are its companions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from euclid_resolved.images._band import all_names
from euclid_resolved.images._bands import BANDS, band_name
from euclid_resolved.images._euclid import EUCLID

if TYPE_CHECKING:
    from euclid_resolved.io._fits_read import ImageExtension

IMAGE, FLAG, PSF, OTHER = "IMAGE", "FLAG", "PSF", "OTHER"
NOISE = ("RMS", "VAR", "IVAR", "WHT")
"""The kinds of noise map, the most direct first: of several the first one is used."""

# A scheme of names a line; {band} and {part} are any text with a letter, {kind} one of the words below.
SCHEMES = (
    "{part}.{kind}",  # DET11.SCI: a detector, whose band the header tells
    "{band}_{kind}",  # VIS_FLUX, VIS_BGSUB, NIR-Y_SCI, VIS_RMS
    "{kind}_{band}",  # FLUX_VIS, RMS_NIR_Y
    "{kind}",  # SCI, RMS
    "{euclid}",  # VIS, NIR_Y, NIR-Y
)
# The words that files use for a kind, a kind a line.
WORDS = {
    IMAGE: "FLUX SCI SCIENCE IMAGE IMG DATA BGSUB MOSAIC SIGNAL",
    "RMS": "RMS ERR ERROR SIGMA STD STDDEV UNC UNCERT UNCERTAINTY NOISE",
    "VAR": "VAR VARIANCE",
    "IVAR": "IVAR INVVAR IVM",
    "WHT": "WHT WEIGHT WEIGHTS WGT",
    FLAG: "FLAG FLAGS FLG DQ MASK",
    PSF: "PSF",
    OTHER: "BGMOD BKG BACKGROUND SEGMAP SEG CHI2 MODEL RESIDUAL EXP EXPTIME EXPOSURE CTX CON COV COVERAGE",
}
KIND_OF = {word: kind for kind, words in WORDS.items() for word in words.split()}


_BETWEEN = "[_ -]+"


def _compiled(scheme):
    words = "|".join(sorted(KIND_OF, key=len, reverse=True))
    parts = {
        "part": r"(?P<part>[^.]*[A-Z][^.]*)",
        "band": r"(?P<band>.*[A-Z].*?)",
        "kind": f"(?P<kind>{words})",
        "euclid": f"(?P<euclid>{'|'.join(_euclid_names())})",
    }
    return re.compile(scheme.replace(".", r"\.").replace("_", _BETWEEN).format(**parts))


def _euclid_names():
    names = sorted(name.upper() for band in EUCLID for name in all_names(band))
    return [name.replace("_", _BETWEEN) for name in names]


_PATTERNS = tuple(_compiled(scheme) for scheme in SCHEMES)


@dataclass(frozen=True)
class Named:
    """What a name says.

    Attributes
    ----------
    of : str
        The band (a key of `~euclid_resolved.BANDS`, or in capital letters what is none), the detector, or
        nothing.
    kind : str
        ``IMAGE``, one of `NOISE`, ``FLAG``, ``PSF`` or ``OTHER``.
    band : bool
        Whether `of` is a band.
    """

    of: str
    kind: str
    band: bool


def name_parts(name: str) -> Named | None:
    """Take the name of an extension apart.

    Parameters
    ----------
    name : str
        Case does not matter.

    Returns
    -------
    parts : `Named` or None
        None for a name that follows none of the schemes.

    Examples
    --------
    >>> from euclid_resolved.io.euclid._names import name_parts
    >>> for name in ("VIS_BGSUB", "NIR-Y", "FLUX_VIS", "HSC_g_RMS", "DET11.SCI", "chart"):
    ...     print(name, name_parts(name))
    VIS_BGSUB Named(of='IE', kind='IMAGE', band=True)
    NIR-Y Named(of='YE', kind='IMAGE', band=True)
    FLUX_VIS Named(of='IE', kind='IMAGE', band=True)
    HSC_g_RMS Named(of='HSC_g', kind='RMS', band=True)
    DET11.SCI Named(of='DET11', kind='IMAGE', band=False)
    chart None
    """
    name = name.strip().upper()
    if name == "COMPRESSED_IMAGE":  # what FITS calls a compressed image without a name
        return None
    found = next((match for pattern in _PATTERNS if (match := pattern.fullmatch(name))), None)
    if found is None:
        bare = band_name(name)
        return Named(bare, IMAGE, True) if bare in BANDS else None
    found = found.groupdict()
    if found.get("euclid"):
        return Named(band_name(found["euclid"]), IMAGE, True)
    kind, of = KIND_OF[found["kind"]], found.get("band") or found.get("part") or ""
    inner = None if band_name(of) in BANDS else name_parts(of)
    if inner is not None:  # VIS_BGSUB_RMS, FLUX_ERR_VIS
        return Named(inner.of, inner.kind if kind == IMAGE else kind, inner.band)
    known = band_name(of)
    return Named(known, kind, known in BANDS or "band" in found and bool(of))


def companions(
    hdus: Iterable[ImageExtension], image: ImageExtension, band: str = ""
) -> dict[str, ImageExtension]:
    """The extensions that belong to an image.

    Parameters
    ----------
    hdus : sequence of extensions
    image : the extension of the image
    band : str, optional
        What it shows, where its name does not say it.

    Returns
    -------
    found : dict
        Extension by kind. A band's own stand above those that name no band; these belong to an image only
        if there is no other (flags: to every image).
    """
    parts = name_parts(image.name)
    own = "" if parts is None else parts.of.upper()
    # A bare name, such as MINE_G, is that of a band if others are called after it.
    called = {own, image.name.strip().upper(), "" if own else band.upper()}
    alone = sum(map(is_image, hdus)) <= 1
    found: dict[str, ImageExtension] = {}
    lone: dict[str, ImageExtension] = {}
    for hdu in hdus:
        parts = name_parts(hdu.name)
        if hdu is image or not hdu.is_image or parts is None or parts.kind == IMAGE:
            continue
        if parts.of and parts.of.upper() in called:
            place = found
        elif not parts.of and (not own or alone or parts.kind == FLAG):
            place = lone
        else:
            continue
        # Extensions of one name are told apart by EXTVER.
        if parts.kind not in place or hdu.ver == image.ver:
            place[parts.kind] = hdu
    return {**lone, **found}


def is_image(hdu: ImageExtension) -> bool:
    """Whether an extension can be the image of a band: its name says nothing else."""
    if not hdu.is_image or not hdu.shape:
        return False
    parts = name_parts(hdu.name)
    return parts is None or parts.kind == IMAGE
