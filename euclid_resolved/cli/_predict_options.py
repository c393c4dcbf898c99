"""The options of the command that maps images."""

from __future__ import annotations

import argparse
from typing import Any

from euclid_resolved.cli._options import command, count
from euclid_resolved.cli._predict import predict


def add_predict(commands: Any) -> None:
    """The parser of ``predict``."""
    text = "map images with a model, or with the default one"
    new = command(commands, "predict", predict, text, writes=True, json=True)
    new.add_argument("model", nargs="?", metavar="MODEL.asdf", help="(the default model)")
    new.add_argument(
        "image",
        nargs="+",
        metavar="IMAGE",
        help="cut-out, folder, IE=a.fits YE=b.fits ..., or ATLAS/TNG000008_O5",
    )
    new.add_argument(
        "-o", "--output", required=True, metavar="MAPS.fits", help="or .asdf; a folder for several"
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
    new.add_argument("--flag-bits", type=int, metavar="BITS", help="mask pixels with any of these flags set")
    new.add_argument("--align", action="store_true", help="reproject all bands to the grid of the first")
    new.add_argument("--figure", metavar="FILE.png", help="draw the maps as well")
    new.add_argument(
        "--draws", type=int, default=0, metavar="N", help="draw the image's noise N times (%(default)s)"
    )
    new.add_argument("--seed", type=int, default=1, help="of the draws (%(default)s)")
    new.add_argument("--min-sn", type=float, default=3.0, help="faintest pixel, in sigmas (%(default)s)")
    new.add_argument(
        "--level", type=float, default=0.68, help="of calibrated intervals, 0.68 or 0.95 (%(default)s)"
    )
    _preparation(new)
    _scale(new)


def _preparation(parser):
    """The options that prepare a real image; see `euclid_resolved.imaging.prepare`."""
    group = parser.add_argument_group(
        "preparation of images",
        "An image of the sky is prepared by itself: its sky subtracted if it differs from zero, stars and "
        "neighbours masked, PSFs matched where the image brings them. What is said here goes before.",
    )
    group.add_argument(
        "--raw", action="store_true", help="leave the image as it is, but for what is said here"
    )
    group.add_argument("--position", nargs=2, type=float, metavar=("RA", "DEC"), help="cut out here, degrees")
    group.add_argument("--size", type=float, metavar="ARCSEC", help="side of what --position cuts out")
    group.add_argument("--region", metavar="FILE.reg", help="cut out around a DS9 region")
    group.add_argument("--background", choices=("constant", "mesh", "none"), help="subtract the sky")
    group.add_argument(
        "--mask-stars",
        action=argparse.BooleanOptionalAction,
        help="mask all but the galaxy at the centre, parted from what touches it; or nothing",
    )
    group.add_argument(
        "--match-psf", nargs="?", const=True, choices=("gaussian", "none"), help="one PSF for all bands"
    )
    group.add_argument("--ebv", type=float, metavar="MAG", help="Galactic E(B-V)")
    group.add_argument("--sfd", action="store_true", help="it is from the SFD maps: times 0.86")
    group.add_argument("--redshift", type=float, metavar="Z", help="undo dimming; distance from Planck 2015")
    group.add_argument("--distance", type=float, metavar="MPC", help="measured distance")
    group.add_argument("--scale", type=float, metavar="PC", help="average to pixels of this size")
    group.add_argument("--signal-to-noise", type=float, metavar="S/N", help="bin adaptively")


def _scale(parser):
    """The options for what is large or many; see `euclid_resolved.survey`."""
    group = parser.add_argument_group("whole tiles and many images")
    group.add_argument(
        "--strips", action="store_true", help="read some rows at a time, as over 4096 x 4096 pixels anyway"
    )
    group.add_argument("--table", metavar="FILE", help="fields of mosaics: ra, dec, radius (arcsec)")
    group.add_argument("--workers", type=count, metavar="N", help="map many images in N processes (Dask)")
    group.add_argument("--scheduler", metavar="ADDRESS", help="or on the workers of this Dask scheduler")


def _zero_point(text):
    """A band, or None for all that lack one, and its zero point."""
    band, given, number = text.rpartition("=")
    if given and not band:
        raise argparse.ArgumentTypeError(f"as 24.6 or IE=24.6, not {text!r}")
    try:
        return band or None, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"as 24.6 or IE=24.6, not {text!r}") from None
