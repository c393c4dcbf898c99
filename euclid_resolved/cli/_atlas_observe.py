"""What the command ``atlas observe`` does: an atlas as a telescope would see its galaxies from far away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved.cli._commands import UsageError, _usage

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def observe_options(new: ArgumentParser) -> None:
    """Add what ``atlas observe`` takes."""
    new.add_argument("atlas", metavar="ATLAS", help="its folder, of galaxies without noise")
    new.add_argument("-o", "--output", required=True, metavar="OUT", help="the folder of the observed atlas")
    text = "luminosity distance; of LOW:HIGH each galaxy draws its own (%(default)s)"
    new.add_argument("--distance", default="20:100", metavar="MPC", help=text)
    text = "exposure time over that of the Euclid Wide Survey, or LOW:HIGH (%(default)s)"
    new.add_argument("--depth", default="1", metavar="DEPTH", help=text)
    text = "side of a pixel, or LOW:HIGH (the pixels of the atlas)"
    new.add_argument("--pixel-scale", metavar="ARCSEC", help=text)
    text = (
        "full width at half maximum of the PSF, of all or as IE=0.16 HE=0.35 (those of the mosaics), or "
        "IE=FILE.fits, the PSF itself on pixels of 0.1 arcsec"
    )
    new.add_argument("--psf", nargs="+", metavar="[BAND=]ARCSEC|FILE", help=text)
    text = "foreground stars per square arcmin (%(default)s)"
    new.add_argument("--stars", type=float, default=0.0, metavar="N", help=text)
    text = "what is left of the sky, in units of its rms in a mosaic pixel (%(default)s)"
    new.add_argument("--background", type=float, default=0.0, metavar="RMS", help=text)
    text = "dim by the redshift of the distance, for images mapped without --redshift or --distance"
    new.add_argument("--dim", action="store_true", help=text)
    new.add_argument("--seed", type=int, default=1, help="of all that is drawn (%(default)s)")


def atlas_observe(options: Namespace) -> None:
    """Observe the galaxies of an atlas, and write what is seen as another atlas."""
    import astropy.units as u

    from euclid_resolved.images._bands import EUCLID_BANDS, band_names
    from euclid_resolved.imaging._observe import observe_atlas
    from euclid_resolved.io._atlas import read_atlas
    from euclid_resolved.io._fingerprint import file_digest, fingerprint
    from euclid_resolved.io._observed_atlas import write_observed
    from euclid_resolved.io.euclid._psf import read_psf

    distance, depth = _range("--distance", options.distance), _range("--depth", options.depth)
    side = None if options.pixel_scale is None else _range("--pixel-scale", options.pixel_scale)
    settings: dict[str, Any] = {"distance": distance, "depth": depth, "pixel_scale": side}
    widths, files = _psfs(options.psf)
    settings |= {"psf_fwhm": widths, "stars": options.stars, "background": options.background}
    settings |= {"redshift": None if options.dim else 0.0, "seed": options.seed}
    atlas, output = Path(options.atlas).resolve(), Path(options.output).resolve()
    if atlas == output or atlas in output.parents or output in atlas.parents:
        raise UsageError(
            "OUT must lie outside ATLAS, and ATLAS outside OUT: what lies in an atlas is part of it"
        )
    with _usage():
        bands = tuple(band_names(options.bands or EUCLID_BANDS))
    galaxies = read_atlas(options.atlas, observer=options.observer, bands=bands)
    stamps = {band: read_psf(path) for band, path in files.items()} or None
    observed = observe_atlas(galaxies, **{**settings, "distance": distance * u.Mpc}, psf=stamps)
    told = {**settings, "atlas": fingerprint(atlas)}
    told |= {"psf": {band: file_digest(Path(path)) for band, path in files.items()}} if files else {}
    written = write_observed(
        options.output, observed, told, bands, overwrite=options.overwrite, workers=options.workers,
        scheduler=options.scheduler,
    )  # fmt: skip
    print(f"{len(observed)} observed galaxies in {options.output}, {written} of them made now")


def _range(option, text):
    """A positive number, or a pair of them."""
    import numpy as np

    try:
        values = [float(word) for word in text.split(":")]
    except ValueError:
        values = []
    positive = all(0 < value < np.inf for value in values)
    if len(values) not in (1, 2) or not positive or values != sorted(values):
        raise UsageError(f"{option} needs a positive number, or two as LOW:HIGH, got {text!r}")
    return values[0] if len(values) == 1 else tuple(values)


def _psfs(words):
    """The widths of PSFs, one for all or by band, and the files of PSFs by band."""
    from euclid_resolved.images._bands import band_name

    widths, files = {}, {}
    for word in words or ():
        band, _, value = word.partition("=")
        band, value = (band, value) if value else ("", band)
        name = band_name(band) if band else ""
        if name in widths or name in files or "" in widths:
            raise UsageError(f"--psf is given twice for one band: {' '.join(words)}")
        try:
            widths[name] = float(value)
        except ValueError:
            if not name or not value.lower().endswith((".fits", ".fits.gz")):
                text = f"--psf needs arcsec, as 0.3 or IE=0.16, or IE=FILE.fits, got {word!r}"
                raise UsageError(text) from None
            files[name] = value
    if "" in widths and len(widths) > 1:
        raise UsageError(f"--psf is given twice for one band: {' '.join(words)}")
    return widths.get("", widths or None), files
