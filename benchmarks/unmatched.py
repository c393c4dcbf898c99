"""Whether the flag UNMATCHED_PSF finds the pixels that are wrong: cut-outs with their PSFs taken away.

python benchmarks/unmatched.py CUTOUT.fits [CUTOUT.fits ...]
"""

import sys
import warnings

import numpy as np
from astropy.nddata import NDData

from euclid_resolved import MultiBandImage, Quality, read_euclid
from euclid_resolved.imaging import prepare
from euclid_resolved.mock import default_model


def without_psfs(image):
    """The same image, of which nobody knows the PSFs."""
    bands = {}
    for band, each in image.items():
        parts = {"unit": each.unit, "mask": each.mask, "uncertainty": each.uncertainty, "wcs": each.wcs}
        bands[band] = NDData(each.data, **parts)
    return MultiBandImage(bands, name=image.name, meta=image.meta)


def main(*paths):
    """Print how far the maps are from those of matched bands, on flagged pixels and on the others."""
    model = default_model()
    for path in paths:
        image = read_euclid(path, bands=model.bands)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            right, wrong = (
                model.predict_maps(prepare(each, auto=True)) for each in (image, without_psfs(image))
            )
        for name in right:
            both = ~right[name].mask & ~wrong[name].mask
            flagged = (wrong[name].quality & Quality.UNMATCHED_PSF > 0)[both]
            apart = np.log10(wrong[name].data[both] / right[name].data[both])
            rms = [np.sqrt(np.mean(apart[part] ** 2)) for part in (flagged, ~flagged)]
            print(
                f"{path}: {name}: {flagged.sum()} of {both.sum()} flagged, rms {rms[0]:.3f}, {rms[1]:.3f} dex"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
