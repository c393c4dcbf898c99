"""Take the dust of the Milky Way off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from astropy.coordinates import SkyCoord

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS, band_name
from euclid_resolved.images._positions import position_in_pixels
from euclid_resolved.imaging._steps import new_image, planes, record_of

if TYPE_CHECKING:
    from euclid_resolved.images._image import MultiBandImage

__all__ = ["correct_extinction", "query_ebv"]


SFD_FACTOR = 0.86
"""What E(B-V) of the SFD maps is multiplied by (Schlafly & Finkbeiner 2011, ApJ 737, 103)."""


def correct_extinction(
    image: MultiBandImage,
    ebv: float,
    *,
    sfd: bool = False,
    ebv_error: float = 0.0,
    coefficients: Mapping[str, float] | None = None,
) -> MultiBandImage:
    """Correct the surface brightness for extinction by Galactic dust.

    Every band is multiplied by 10^(0.4 A), A = coefficient x E(B-V). One value holds for the whole image:
    dust maps resolve several arcminutes, more than a galaxy mostly covers.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    ebv : float
        E(B-V) in magnitudes.
    sfd : bool, optional
        Whether `ebv` is from the maps of Schlegel, Finkbeiner & Davis (1998), which are 0.86 times too
        red (Schlafly & Finkbeiner 2011). It is not assumed: say it.
    ebv_error : float, optional
        Its error. It is common to all pixels and all bands: it is in the uncertainty, and stays as large when
        pixels are averaged (`euclid_resolved.images.common_errors`).
    coefficients : mapping of str to float, optional
        A / E(B-V) by band; by default those of `euclid_resolved.BANDS` (Fitzpatrick 1999, R_V = 3.1, a
        flat spectrum). Needed for bands that have none.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        Mask as before. The record gives ``ebv`` as it was used and ``magnitudes`` by band.

    Raises
    ------
    InputError
        If E(B-V) is negative or no number, a band has no coefficient, or the image was corrected before.

    Examples
    --------
    >>> from euclid_resolved.imaging import correct_extinction
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1)[0].image
    >>> corrected = correct_extinction(image, 0.05)
    >>> for band in ("IE", "HE"):
    ...     print(band, f"{corrected[band].data[0, 0] / image[band].data[0, 0]:.3f}")
    IE 1.106
    HE 1.022
    """
    bands = planes(image)
    before = record_of(image, "extinction")
    if before is not None:
        raise InputError(f"the image was corrected for E(B-V) = {before['settings']['ebv']:.4g} already")
    try:
        value, error = float(ebv), float(ebv_error)
    except (TypeError, ValueError):
        raise InputError(f"E(B-V) is a plain number of magnitudes, got {ebv!r}") from None
    if not 0 <= value < 20 or not 0 <= error < 20:
        raise InputError(f"E(B-V) and its error must not be negative, got {value} and {error}")
    typical = {band: BANDS[band].extinction for band in bands if band in BANDS}
    known = {band: value for band, value in typical.items() if value is not None}
    known |= {band_name(band, bands): value for band, value in (coefficients or {}).items()}
    missing = [band for band in bands if band not in known]
    if missing:
        what = ", ".join(f"{band!r}: ..." for band in missing)
        raise InputError(
            f"no extinction coefficient for band {', '.join(missing)}; give coefficients={{{what}}}, "
            "A/E(B-V), or select bands that have one"
        )
    factor = SFD_FACTOR if sfd else 1.0
    magnitudes = {}
    for band, plane in bands.items():
        magnitudes[band] = known[band] * value * factor
        relative = 0.4 * np.log(10) * known[band] * error * factor
        plane.multiply(10 ** (0.4 * magnitudes[band]))
        if relative > 0:
            plane.common["extinction"] = {"relative": float(relative), "all_bands": True}
    settings = {"ebv": value, "ebv_error": error, "sfd": bool(sfd)}
    measured = {"ebv_used": value * factor, "magnitudes": magnitudes}
    return new_image(image, bands, "extinction", settings, measured)


def query_ebv(image: MultiBandImage, position: SkyCoord | Sequence[float] | None = None) -> float:
    """E(B-V) of the SFD map at a position, with the package dustmaps.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
        With a celestial WCS.
    position : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The centre of the image without it.

    Returns
    -------
    ebv : float
        As the map has it: use it with ``correct_extinction(image, ebv, sfd=True)``.

    Raises
    ------
    InputError
        If dustmaps or its map is not installed, or the image has no celestial WCS.

    Examples
    --------
    >>> from euclid_resolved import InputError
    >>> from euclid_resolved.imaging import query_ebv
    >>> from euclid_resolved.testing import example_galaxies
    >>> try:
    ...     query_ebv(example_galaxies(1)[0].image)  # a galaxy of an atlas has no place on the sky
    ... except InputError as error:
    ...     print("refused")
    refused
    """
    if not isinstance(position, SkyCoord):
        if image.wcs is None or not getattr(image.wcs, "has_celestial", False):
            raise InputError("a dust map needs a position on the sky, and the image has no celestial WCS")
        position = image.wcs.pixel_to_world(*position_in_pixels(image, position))
    try:
        from dustmaps.sfd import SFDQuery
    except ImportError:
        raise InputError(
            "dustmaps is not installed (pip install euclid_resolved[dust]); or give E(B-V) as a number"
        ) from None
    try:
        return float(SFDQuery()(position))
    except OSError as error:
        raise InputError(
            f"the SFD map is not on this disk ({error}); dustmaps.sfd.fetch() downloads it; or give E(B-V) "
            "as a number"
        ) from None
