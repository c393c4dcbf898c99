"""Tables that users bring, looked at before Astropy reads them."""

from pathlib import Path

from euclid_resolved.images._guard import check_content, open_unpacked, refuse_input as refuse
from euclid_resolved.io._fits_walk import walk


def check_table(path: str | Path) -> None:
    """Refuse a table that is no regular file, or too large, or a FITS file whose sizes are not true.

    Parameters
    ----------
    path : path-like
        In any format, which may be compressed.

    Raises
    ------
    InputError
        If it must not be opened.
    """
    check_content(path, refuse)
    with open_unpacked(path, refuse) as file:
        if file.read(6) == b"SIMPLE":
            walk(path, file, refuse)
