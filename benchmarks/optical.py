"""What ground-based optical bands add to the four of Euclid, and what stands in the way.

    python benchmarks/optical.py [--atlas ATLAS] [--only PART ...]

``accuracy``: a forest with IE, YE, JE, HE, and with u, g, r, i, z of LSST beside them, on galaxies that it
has not seen. ``why``: the same on mocks without noise, without dust, and with other things left out one by
one: what keeps age and metallicity from being told. ``lofo``: which of ten bands (y, too) is missed most,
left out of training (LOFO) or shuffled in the test galaxies. ``one_more``: four bands and each of the others.
Without an atlas a mock of 240 galaxies, seed 7, is made, in ten bands. ``cutout``: a real cut-out with u, g,
r and z beside Euclid's bands, mapped with four, seven and eight of them by models of one mock atlas; with
``--cutout FILE`` only, and a figure of the maps in ``--figure FILE.png``. Takes some forty minutes on one
core.
"""

import argparse
import tempfile
import time
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import Table

from euclid_resolved import (
    MockSettings,
    Quality,
    RandomForest,
    evaluate,
    make_atlas,
    observe_atlas,
    read_atlas,
    read_euclid,
    split,
    train,
)
from euclid_resolved.diagnostics import lofo, permutation_importance
from euclid_resolved.images import EUCLID_BANDS, image_noise
from euclid_resolved.imaging import match_psf, resample
from euclid_resolved.mock import mock_galaxies
from euclid_resolved.training import extract

NAMES = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
# From blue to red, for the bluer band of a colour is the first.
TEN = ("LSST_u", "LSST_g", "LSST_r", "IE", "LSST_i", "LSST_z", "LSST_y", "YE", "JE", "HE")
NINE = tuple(band for band in TEN if band != "LSST_y")
FEATURES = (("bands",), ("bands", "colours"), ("bands", "neighbourhood"))
EIGHT = ("MEGACAM_u", "HSC_g", "MEGACAM_r", "IE", "HSC_z", "YE", "JE", "HE")  # of the cut-out
LIMITS = (3.0, 1.0)  # of the signal-to-noise in every band
SHOWN = (("four", 3.0), ("seven", 3.0), ("eight", 1.0))
PARTS = ("accuracy", "why", "lofo", "one_more", "cutout")
NO_DUST = {"dust_to_stars": 0.0, "birth_cloud_depth": 0.0}
NO_NOISE = {"noise_at_clip": 1e-4}
MOCKS = {
    "as it is": {},
    "no noise": NO_NOISE,
    "noise common to all bands": {"noise_common": 0.9999},
    "no dust": NO_DUST,
    "no noise, no dust": NO_NOISE | NO_DUST,
    "no bursts": {"young_scatter": 0.0},
    "no noise, no dust, no bursts": NO_NOISE | NO_DUST | {"young_scatter": 0.0},
}


def forest(n_trees=40, max_samples=150_000):
    """Smaller than the default, as in neighbourhood.py."""
    return RandomForest(n_trees=n_trees, max_samples=max_samples, max_features=0.5, joint=True)


def fitted(pixels, features, bands, estimator=None):
    """A model of all three properties on some of the bands of pixels."""
    return train(pixels, "all", estimator or forest(), features=features, bands=bands)


def row(model, test, **about):
    """What a model reaches, R2 and RMSE by property."""
    table = evaluate(model, test)
    found = dict(about)
    for each in table:
        name = str(each["property"]).removeprefix("stellar_").removeprefix("mass_")
        found[f"R2 {name}"] = f"{float(each['r2']):.3f}"
        found[f"RMSE {name}"] = f"{each['rmse'].value:.3f}"
    return found


def accuracy(atlas):
    """Four bands and nine, with single pixels and with their surroundings."""
    rows = []
    for features in FEATURES:
        around = [name for name in features if name == "neighbourhood"]
        for bands in (EUCLID_BANDS, NINE):
            training, test = split(read_atlas(atlas, bands=bands), 0.1, seed=1)
            started = time.perf_counter()
            pixels, unseen = (extract(g, NAMES, bands, features=around) for g in (training, test))
            model = fitted(pixels, features, bands)
            about = {"features": "+".join(features), "bands": len(bands), "columns": len(model.columns)}
            rows.append(row(model, unseen, **about))
            print(f"{about}: {len(pixels)} pixels, {time.perf_counter() - started:.0f} s", flush=True)
    show("Accuracy on 24 galaxies, trained on 216", rows)


def why(n_galaxies=240, pixels=64):
    """The same forests on mocks that lack something."""
    rows = []
    for title, changes in MOCKS.items():
        settings = MockSettings(**changes)
        options = {"seed": 7, "pixels": pixels, "settings": settings, "bands": NINE}
        training, test = split(mock_galaxies(n_galaxies, progress=False, **options), 0.25, seed=1)
        pixels_of, unseen = (extract(galaxies, NAMES, NINE) for galaxies in (training, test))
        for bands in (EUCLID_BANDS, NINE):
            model = fitted(pixels_of, ("bands", "colours"), bands)
            rows.append(row(model, unseen, mock=title, bands=len(bands)))
            print(rows[-1], flush=True)
    show(f"{n_galaxies} galaxies of {pixels} pixels, a quarter held out, bands and colours", rows)


def leave_out(atlas):
    """LOFO and permutation importance over ten bands."""
    training, test = split(read_atlas(atlas, bands=TEN), 0.1, seed=1)
    training, test = (extract(galaxies, NAMES, TEN) for galaxies in (training, test))
    model = fitted(training, ("bands", "colours"), TEN)
    show("Ten bands", [row(model, test, bands=len(TEN))])
    table = lofo(model, training, test)
    rows = {}
    for each in table:
        key = str(each["left_out"])
        name = str(each["property"]).removeprefix("stellar_").removeprefix("mass_")
        rows.setdefault(key, {"left out": key})[f"LOFO {name} [%]"] = f"{100 * each['lofo_relative']:+.1f}"
    for each in permutation_importance(model, training, test):
        key = str(each["band"])
        name = str(each["property"]).removeprefix("stellar_").removeprefix("mass_")
        value = np.asarray(each["importance"]).item()
        rows.setdefault(key, {"left out": key})[f"shuffled {name}"] = f"{value:.3f}"
    show("RMSE without a band relative to that with all, and the rise of RMSE where it is shuffled", [
        {**dict.fromkeys(rows[TEN[0]], ""), **rows[band]} for band in rows
    ])  # fmt: skip


def one_more(atlas):
    """Four bands and each further one; then u and g."""
    training, test = split(read_atlas(atlas, bands=TEN), 0.1, seed=1)
    training, test = (extract(galaxies, NAMES, TEN) for galaxies in (training, test))
    cases = [(band,) for band in TEN if band not in EUCLID_BANDS] + [("LSST_u", "LSST_g")]
    rows = []
    for more in cases:
        bands = tuple(band for band in TEN if band in EUCLID_BANDS or band in more)
        model = fitted(training, ("bands", "colours"), bands)
        rows.append(row(model, test, beside=" ".join(more)))
        print(rows[-1], flush=True)
    show("Four bands and others", rows)


def cutout(path, figure, side=0.5 * u.arcsec, worst=0.91 * u.arcsec):
    """A real cut-out in four, seven and eight bands, all with the PSF of u, in pixels of half an arcsec."""
    image = resample(match_psf(read_euclid(path, bands=EIGHT)), side)
    ratio = {band: np.nanmax(image.brightness(band) / image_noise(image, band)) for band in image}
    text = ", ".join(f"{band} {value:.1f}" for band, value in ratio.items())
    print(f"largest signal-to-noise of a pixel of {side}: {text}", flush=True)
    galaxies = mock_galaxies(80, seed=7, pixels=64, bands=EIGHT, progress=False)
    seen = observe_atlas(galaxies, (20, 100) * u.Mpc, depth=(0.001, 1.0), psf_fwhm=worst, seed=7)
    maps = {}
    for name, bands in {"four": EUCLID_BANDS, "seven": EIGHT[1:], "eight": EIGHT}.items():
        model = train(seen, "all", forest(), features=("bands", "colours"), bands=bands, calibration=4)
        for min_sn in LIMITS:
            maps[name, min_sn] = model.predict_maps(image, min_sn=min_sn)
        accuracy = model.training["cross_validation"]
        print(name, {prop: f"R2 {each['r2']:.3f}" for prop, each in accuracy.items()}, flush=True)
    rows = []
    for (name, min_sn), found in maps.items():
        if name != "four":
            for prop, map_ in found.items():
                rows.append({"bands": name, "S/N": min_sn, "map": prop})
                rows[-1] |= agreement(maps["four", min_sn][prop], map_)
    show("Cut-out: maps of more bands beside those of four", rows)
    if figure:
        draw({each: maps[each] for each in SHOWN}, figure)


def agreement(few, many):
    """How far two maps of one property agree, in dex and in units of their 68 % intervals."""
    both = ~few.mask & ~many.mask
    found = {"four": int((~few.mask).sum()), "both": int(both.sum())}
    if not both.any():
        return found | dict.fromkeys(("median", "scatter", "half", "of more", "within", "unlike"), "-")
    level = [np.log10(np.asarray(each.data)[both]) for each in (few, many)]
    widths = [half_width(each)[both] for each in (few, many)]
    apart = level[1] - level[0]
    unlike = (np.asarray(many.quality)[both] & Quality.OUT_OF_DOMAIN) > 0
    return found | {
        "median": f"{np.median(apart):+.3f}",
        "scatter": f"{1.4826 * np.median(abs(apart - np.median(apart))):.3f}",
        "half": f"{np.median(widths[0]):.3f}",
        "of more": f"{np.median(widths[1]):.3f}",
        "within": f"{np.mean(abs(apart) < np.hypot(*widths)):.2f}",
        "unlike": f"{unlike.mean():.2f}",
    }


def half_width(map_):
    """Half of the 68 % interval in dex."""
    low, high = (np.asarray(each, float) for each in map_.interval)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 0.5 * np.log10(high / low)


def draw(maps, path):
    """The maps side by side: a row a property, a column a number of bands and a lowest S/N."""
    import matplotlib.pyplot as plt

    from euclid_resolved.plotting import plot_map
    from euclid_resolved.plotting._maps import logarithm, robust_limits

    figure, axes = plt.subplots(
        3,
        len(maps),
        figsize=(7.1, 6.4),
        layout="constrained",
        squeeze=False,
        subplot_kw={"xticks": [], "yticks": []},
    )
    for row, prop in enumerate(NAMES):
        found = [each[prop] for each in maps.values()]
        limits = robust_limits(*map(logarithm, found))
        for ax, map_, (name, limit) in zip(axes[row], found, maps, strict=True):
            title = f"{name} bands, S/N > {limit:g}" if row == 0 else ""
            plot_map(map_, ax=ax, title=title, limits=limits)
    figure.savefig(path, dpi=120)


def show(title, rows):
    """Print rows as a table."""
    print(f"\n{title}")
    print("\n".join(Table(rows=rows).pformat(max_width=-1, max_lines=-1)), flush=True)


def main(arguments=None):
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--atlas", help="an atlas in ten bands that is there already, instead of a mock")
    parser.add_argument("--cutout", metavar="FILE", help="a cut-out with u, g, r, z and Euclid's bands")
    parser.add_argument("--figure", metavar="FILE.png", help="of the maps of the cut-out")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args(arguments)
    if "why" in options.only:
        why()
    if "cutout" in options.only and options.cutout:
        cutout(options.cutout, options.figure)
    if not {"accuracy", "lofo", "one_more"} & set(options.only):
        return
    with tempfile.TemporaryDirectory() as folder:
        atlas = options.atlas or make_atlas(Path(folder) / "atlas", 240, seed=7, bands=TEN, progress=False)
        if "accuracy" in options.only:
            accuracy(atlas)
        if "lofo" in options.only:
            leave_out(atlas)
        if "one_more" in options.only:
            one_more(atlas)


if __name__ == "__main__":
    main()
