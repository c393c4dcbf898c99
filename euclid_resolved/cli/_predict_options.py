"""The options of the command that maps images."""

from __future__ import annotations

import argparse
from typing import Any

from euclid_resolved.cli._options import add_workers, command
from euclid_resolved.cli._predict import predict


def add_predict(commands: Any) -> None:
    """The parser of ``predict``."""
    text = "map images with a model, or with the default one"
    new = command(commands, "predict", predict, text, writes=True, json=True)
    new.add_argument(
        "model", nargs="?", metavar="MODEL.asdf", help="a model that train wrote (the default model)"
    )
    new.add_argument(
        "image",
        nargs="+",
        metavar="IMAGE",
        help="what to map: a cut-out, a folder, IE=a.fits YE=b.fits ..., or ATLAS/TNG000008_O5; or several",
    )
    new.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="MAPS.fits",
        help="the file to write, FITS, ASDF or Zarr; a folder for several images",
    )
    new.add_argument(
        "--zero-point",
        action="append",
        type=_zero_point,
        metavar="[BAND=]MAG",
        help="AB zero point where a file does not say it, or of one band (IE=24.6) whatever its file says; "
        "may be repeated",
    )
    new.add_argument("--hdu", metavar="NAME", help="name or number of the extension that holds the image")
    new.add_argument(
        "--pixel-scale", type=float, metavar="ARCSEC", help="side of a pixel, where there is no celestial WCS"
    )
    new.add_argument(
        "--flag-bits", type=int, metavar="BITS", help="mask pixels with any of these bits set in their flags"
    )
    new.add_argument("--align", action="store_true", help="reproject all bands to the grid of the first")
    new.add_argument("--figure", metavar="FILE.png", help="also draw the maps, to this file")
    new.add_argument(
        "--moc",
        metavar="FILE.fits",
        help="also write where there are values, as a multi-order coverage map (MOC); one for all images",
    )
    new.add_argument(
        "--compress",
        nargs="?",
        const="lossless",
        type=_compression,
        metavar="CHANGE",
        help="compress images of a FITS file without loss, or after rounding by this part at most (0.001)",
    )
    new.add_argument(
        "--draws",
        type=int,
        default=0,
        metavar="N",
        help="repeat with the image's noise drawn N times, for the errors (%(default)s)",
    )
    new.add_argument("--seed", type=int, default=1, help="seed of the draws (%(default)s)")
    new.add_argument(
        "--min-sn",
        type=float,
        default=3.0,
        help="leave out pixels with less signal-to-noise in a band (%(default)s)",
    )
    new.add_argument(
        "--level",
        type=float,
        default=0.68,
        help="part of the truth that calibrated intervals hold: 0.68 or 0.95 (%(default)s)",
    )
    _preparation(new)
    _scale(new)


def _preparation(parser):
    """The options that prepare a real image; see `euclid_resolved.imaging.prepare`."""
    group = parser.add_argument_group(
        "preparation of images",
        "An image of the sky is prepared by itself: its sky subtracted if it differs from zero, stars and "
        "neighbours masked, PSFs matched where the image brings them. These options take precedence.",
    )
    group.add_argument(
        "--raw", action="store_true", help="leave the image as it is, apart from what these options ask for"
    )
    group.add_argument(
        "--position",
        nargs=2,
        type=float,
        metavar=("RA", "DEC"),
        help="cut out a field around this position, ICRS, degrees",
    )
    group.add_argument(
        "--size", type=float, metavar="ARCSEC", help="side of the field that --position cuts out"
    )
    group.add_argument("--region", metavar="FILE.reg", help="cut out a field around this DS9 region")
    group.add_argument(
        "--background",
        choices=("constant", "mesh", "none"),
        help="how to subtract the sky: one number a band, a mesh, or not at all",
    )
    group.add_argument(
        "--mask-stars",
        action=argparse.BooleanOptionalAction,
        help="mask stars and neighbours of the galaxy at the centre, or nothing",
    )
    group.add_argument(
        "--match-psf",
        nargs="?",
        const=True,
        choices=("gaussian", "none"),
        help="bring all bands to one PSF; gaussian: of typical widths where the image has none",
    )
    group.add_argument("--ebv", type=float, metavar="MAG", help="correct for this Galactic E(B-V)")
    group.add_argument(
        "--sfd", action="store_true", help="the E(B-V) is from the SFD maps and is multiplied by 0.86"
    )
    group.add_argument(
        "--redshift",
        type=float,
        metavar="Z",
        help="undo the dimming of this redshift, and take the distance from Planck 2015",
    )
    group.add_argument(
        "--distance", type=float, metavar="MPC", help="distance of the galaxy, where it was measured"
    )
    group.add_argument("--scale", type=float, metavar="PC", help="average to pixels of this size in parsec")
    group.add_argument(
        "--signal-to-noise",
        type=float,
        metavar="S/N",
        help="bin pixels until they reach this signal-to-noise",
    )


def _scale(parser):
    """The options for what is large or many; see `euclid_resolved.survey`."""
    group = parser.add_argument_group("whole tiles and many images")
    group.add_argument(
        "--strips", action="store_true", help="read some rows at a time, as over 4096 x 4096 pixels anyway"
    )
    text = (
        "fields of mosaics: ra, dec, radius (arcsec); also redshift, distance (Mpc) and ebv of each, if any"
    )
    group.add_argument("--table", metavar="FILE", help=text)
    text = "also write totals and means of many images with errors, and their profiles: .ecsv or .parquet"
    group.add_argument("--catalogue", metavar="FILE", help=text)
    add_workers(group, "map many images")


def _compression(text):
    """Lossless, or the largest relative change."""
    from euclid_resolved.errors import InputError
    from euclid_resolved.io._fits_tiles import check_compression

    try:
        compress = text if text == "lossless" else float(text)
        check_compression(compress)
    except (ValueError, InputError):
        raise argparse.ArgumentTypeError(f"lossless, or a part as 0.001, at most 0.1; not {text!r}") from None
    return compress


def _zero_point(text):
    """A band, or None for all that lack one, and its zero point."""
    band, given, number = text.rpartition("=")
    if given and not band:
        raise argparse.ArgumentTypeError(f"as 24.6 or IE=24.6, not {text!r}")
    try:
        return band or None, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"as 24.6 or IE=24.6, not {text!r}") from None
