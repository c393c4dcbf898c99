"""What the command ``atlas clip`` does: a clip from the statistics of the radiative transfer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved.cli._commands import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def clip_options(new: ArgumentParser) -> None:
    """Add what ``atlas clip`` takes."""
    new.add_argument("images", nargs="+", metavar="IMAGE", help="images in HE, one a galaxy, in MJy/sr")
    which = new.add_mutually_exclusive_group(required=True)
    text = "images of the relative error of each pixel, one for each IMAGE, in this order"
    which.add_argument("--relative-error", nargs="+", metavar="FILE", help=text)
    text = "SKIRT's statistics of each IMAGE: what PREFIX_stats1.fits and PREFIX_stats2.fits begin with"
    which.add_argument("--statistics", nargs="+", metavar="PREFIX", help=text)
    text = "largest relative error of a reliable pixel (%(default)s)"
    new.add_argument("--limit", type=float, default=0.1, metavar="ERROR", help=text)
    text = "fraction of the pixels above the clip that may be unreliable (%(default)s)"
    new.add_argument("--unreliable", type=float, default=0.01, metavar="FRACTION", help=text)


def atlas_clip(options: Namespace) -> dict[str, Any]:
    """Print the clip above which nearly all pixels are reliable."""
    import numpy as np

    from euclid_resolved.io._atlas import read_light
    from euclid_resolved.io._fits_read import open_fits, read_plane
    from euclid_resolved.training._reliable import relative_error, reliable_clip

    beside = options.relative_error or options.statistics
    if len(beside) != len(options.images):
        raise UsageError(f"{len(options.images)} images and {len(beside)} of their errors do not go together")

    def plane(path):
        with open_fits(path) as hdus:
            return read_plane(path, hdus[0], np.float64)

    light, errors = [], []
    for image, other in zip(options.images, beside, strict=True):
        light.append(read_light(Path(image))[0].astype(float))
        if options.relative_error:
            errors.append(plane(other))
        else:
            errors.append(relative_error(*(plane(f"{other}_stats{power}.fits") for power in (1, 2))))
        if light[-1].shape != errors[-1].shape:
            raise UsageError(
                f"{image} has pixels of shape {light[-1].shape}, and its errors of {errors[-1].shape}"
            )
    values, errors = (np.concatenate([one.ravel() for one in each]) for each in (light, errors))
    clip = reliable_clip(values, errors, options.limit, options.unreliable)
    kept = values > clip
    bad = float(np.mean(~(errors[kept] <= options.limit)))
    print(
        f"clip: {clip:.4g} MJy/sr. {100 * kept.mean():.2f} % of the pixels of {len(light)} images are "
        "brighter; "
        f"{100 * bad:.2f} % of these have a relative error above {options.limit:g}."
    )
    return {"clip": clip, "fraction_of_pixels_kept": float(kept.mean()), "fraction_unreliable": bad}
