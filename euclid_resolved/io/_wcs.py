"""World coordinate systems as header cards, for every format."""

import warnings

from astropy.wcs import WCS, FITSFixedWarning

from euclid_resolved.errors import InputError
from euclid_resolved.images._grid import corner_offset


def wcs_to_header(wcs, shape, what):
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


def header_to_wcs(header, shape):
    """The WCS of header cards, for an image of this shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header, naxis=2)
    wcs.array_shape = shape
    return wcs
