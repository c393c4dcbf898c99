"""World coordinate systems as header cards, for every format."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs import WCS, FITSFixedWarning

from euclid_resolved.errors import ImageFileError, InputError
from euclid_resolved.images._grid import corner_offset
from euclid_resolved.images._pixels import POLYNOMIALS, sky_matrix

if TYPE_CHECKING:
    from astropy.io import fits

# How many times as long as wide a pixel may be: 36000 is one side in arcsec and one left out.
_MAX_SIDES = 100


def wcs_to_header(wcs: WCS, shape: tuple[int, ...], what: str) -> fits.Header:
    """A FITS WCS as header cards, checked to come back as the same one.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
    shape : tuple of int
        The shape of the image.
    what : str
        What it belongs to, for messages.

    Returns
    -------
    header : `~astropy.io.fits.Header`

    Raises
    ------
    InputError
        If the WCS is of another kind, or needs tables that cards do not hold.
    """
    if not isinstance(wcs, WCS):
        raise InputError(f"{what}: only a FITS WCS can be written, not {type(wcs).__name__}")
    if any(table is not None for table in (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)):
        raise InputError(f"{what}: the WCS has distortion tables, which are not written; resample first")
    header = wcs.to_header(relax=True)
    offset = corner_offset(wcs, header_to_wcs(header, shape), shape)
    # NaN where the corners lie off the projection: then there is nothing to compare.
    if offset > 1e-3:
        raise InputError(f"{what}: the WCS cannot be written as header cards ({offset:.3g} pixels off)")
    return header


def header_to_wcs(header: fits.Header, shape: tuple[int, ...]) -> WCS:
    """The WCS of header cards, for an image of this shape.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        It may say one thing twice, by CD and by PC and CDELT, as cut-outs do.
    shape : tuple of int

    Returns
    -------
    wcs : `~astropy.wcs.WCS`
        Of the first two axes, with one linear matrix.

    Raises
    ------
    InputError
        If a header with two matrices says two things.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(_with_one_matrix(header, shape), naxis=2)
    wcs.array_shape = shape
    return wcs


def celestial(path: str | Path, headers: Iterable[fits.Header], shape: tuple[int, ...]) -> WCS | None:
    """The celestial WCS of an image.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    headers : list of `~astropy.io.fits.Header`
    shape : tuple of int

    Returns
    -------
    wcs : `~astropy.wcs.WCS` or None
        Of the first header that has one with a scale: without, it does not say where pixels lie.

    Raises
    ------
    ImageFileError
        If it says two things, does not lead from positions back to pixels, or makes pixels no squares by far.
    """
    for header in headers:
        try:
            wcs = header_to_wcs(header, shape)
        except InputError as error:
            raise ImageFileError(path, str(error)) from None
        matrix = sky_matrix(wcs, shape)
        if matrix is None:
            continue
        if not np.isfinite(matrix).all() or not corner_offset(wcs, wcs, shape) < 0.1:
            raise ImageFileError(path, "its WCS cannot be used: positions do not lead back to pixels")
        ratio = np.linalg.cond(matrix)
        if not ratio < _MAX_SIDES:
            what = f"its WCS makes pixels {ratio:.3g} times as long as wide"
            raise ImageFileError(path, what, "is one of CDELT1 and CDELT2, or a part of CD, missing?")
        return wcs
    return None


def _with_one_matrix(header, shape):
    """The header, or a copy without what would mislead wcslib."""
    pairs = [(i, j) for i in (1, 2) for j in (1, 2)]
    given = {kind: any(f"{kind}{i}_{j}" in header for i, j in pairs) for kind in ("CD", "PC")}
    step = np.diag([float(header.get(f"CDELT{i}", 1)) for i in (1, 2)])
    turned = [float(header.get(f"PC{i}_{j}", i == j)) for i, j in pairs]
    matrix = step @ np.reshape(turned, (2, 2))
    others = {}
    if given["CD"] and given["PC"]:
        others["CD"] = np.reshape([float(header.get(f"CD{i}_{j}", 0)) for i, j in pairs], (2, 2))
    if given["PC"] and header.get("CROTA2") and np.all(np.diag(step)):
        angle = np.radians(float(header["CROTA2"]))
        c, s, ratio = np.cos(angle), np.sin(angle), step[1, 1] / step[0, 0]
        others["CROTA2"] = step @ np.array([[c, -s * ratio], [s / ratio, c]])
    for kind, other in others.items():
        off = _apart(matrix, other, header, shape)
        if not off < 0.1:
            raise InputError(
                f"its WCS says two things: {kind} and PC with CDELT put a corner {off:.3g} pixels apart; "
                "remove the keywords that are wrong"
            )
    polynomial = any(name in str(header.get("CTYPE1", "")) for name in POLYNOMIALS) and not given["CD"]
    if others or polynomial:
        header = header.copy()
        for kind in others:
            for key in [f"CD{i}_{j}" for i, j in pairs] if kind == "CD" else ["CROTA1", "CROTA2"]:
                header.remove(key, ignore_missing=True)
    if polynomial:
        # Its numbers are for degrees, as CD gives them; wcslib would use them on what CDELT has not scaled.
        header.update({f"PC{i}_{j}": matrix[i - 1, j - 1] for i, j in pairs} | {"CDELT1": 1.0, "CDELT2": 1.0})
    return header


def _apart(matrix, other, header, shape):
    """How far two matrices put the corners of an image apart, in pixels; NaN where one has no inverse."""
    ny, nx = shape
    corners = np.array([(x, y) for x in (1, nx) for y in (1, ny)], float)
    corners -= [float(header.get(f"CRPIX{i}", 0)) for i in (1, 2)]
    try:
        return float(np.max(np.hypot(*(np.linalg.solve(other, matrix) @ corners.T - corners.T))))
    except np.linalg.LinAlgError:
        return np.nan
