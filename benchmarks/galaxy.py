"""One galaxy from FITS to FITS: where the time goes, and what a plain script takes for the same.

python benchmarks/galaxy.py [--quick]
"""

import resource
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import astropy.units as u
import numpy as np
import plain
from astropy.io import fits

from euclid_resolved import (
    LinearRegression,
    RandomForest,
    make_atlas,
    read_atlas,
    read_euclid,
    train,
    write,
)
from euclid_resolved.errors import DataWarning
from euclid_resolved.imaging import observe, observe_atlas
from euclid_resolved.io import read
from euclid_resolved.maps import PROPERTIES
from euclid_resolved.models import _mapping as mapping, _model as model_module
from euclid_resolved.training import extract, split

ALL = tuple(PROPERTIES)
SIDE = 1600
ZERO_POINT = 30.0
COUNT = 3631e-6 * 10 ** (-0.4 * ZERO_POINT) / ((0.1 * u.arcsec) ** 2).to_value(u.sr)  # MJy/sr
EXTENSIONS = {"IE": "VIS", "YE": "NIR_Y", "JE": "NIR_J", "HE": "NIR_H"}
# What predict_maps calls, by the name in the table. The estimator's own work is told apart from the rest.
PARTS = {
    (mapping, "judge"): "which pixels to judge",
    (model_module, "make_features"): "features",
    (model_module, "checked_predict"): "estimator: estimates",
    (mapping, "map_errors"): "errors and intervals",
    (mapping, "plane_of"): "planes",
    (mapping, "SpatialMap"): "maps",
    (mapping, "noise_scatter"): "noise drawn again, all of it",
    (model_module.Domain, "outside"): "domain",
    (model_module.Model, "_spread"): "estimator: spread",
}


@contextmanager
def clock(times, name):
    """Add CPU and wall seconds to `times[name]`."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    cpu, wall = before.ru_utime + before.ru_stime, time.perf_counter()
    try:
        yield
    finally:
        after = resource.getrusage(resource.RUSAGE_SELF)
        spent = times.setdefault(name, [0.0, 0.0])
        spent[0] += after.ru_utime + after.ru_stime - cpu
        spent[1] += time.perf_counter() - wall


def make_galaxy(folder, seed=1):
    """A galaxy of 1600 x 1600 pixels in the atlas's layout: one of half the side, four times."""
    small = make_atlas(Path(folder) / "small", 1, seed=seed, pixels=SIDE // 2, progress=False)
    large = Path(folder) / "large"
    large.mkdir()
    for path in sorted(small.glob("*.fits")):
        with fits.open(path) as hdus:
            fits.PrimaryHDU(np.tile(hdus[0].data, (2, 2)), hdus[0].header).writeto(large / path.name)
    (large / "sample.txt").write_text((small / "sample.txt").read_text())
    return large


def make_cutout(folder, galaxy):
    """The galaxy as Euclid would see it, as a file of counts with rms maps."""
    observed = observe(galaxy, 20 * u.Mpc, depth=4.0, pixel_scale=None, psf_fwhm=0.0, seed=2).load()[0]
    hdus = [fits.PrimaryHDU()]
    for band, stem in EXTENSIONS.items():
        header = fits.Header({"MAGZERO": ZERO_POINT, "FILTER": stem})
        for axis, (ctype, value) in enumerate((("RA---TAN", 63.0), ("DEC--TAN", -49.5)), 1):
            header[f"CTYPE{axis}"], header[f"CRVAL{axis}"], header[f"CUNIT{axis}"] = ctype, value, "deg"
            header[f"CRPIX{axis}"] = (SIDE + 1) / 2
        header["CD1_1"], header["CD2_2"] = -0.1 / 3600, 0.1 / 3600
        counts = (observed[band].data / COUNT).astype(np.float32)
        noise = (observed[band].uncertainty.array / COUNT).astype(np.float32)
        hdus += [fits.ImageHDU(counts, header, f"{stem}_FLUX"), fits.ImageHDU(noise, None, f"{stem}_RMS")]
    fits.HDUList(hdus).writeto(Path(folder) / "cutout.fits")
    return Path(folder) / "cutout.fits"


@contextmanager
def parts_timed(times):
    """Have the parts of predict_maps clocked."""
    originals = {place: getattr(*place) for place in PARTS}

    def clocked(function, label):
        def wrapper(*args, **kwargs):
            with clock(times, label):
                return function(*args, **kwargs)

        return wrapper

    for (module, name), label in PARTS.items():
        setattr(module, name, clocked(originals[module, name], label))
    try:
        yield
    finally:
        for (module, name), function in originals.items():
            setattr(module, name, function)


def one_galaxy(title, model, cutout, folder, draws, rows):
    """Print where the time of one galaxy goes; returns the maps."""
    times = {}
    with clock(times, "all"):
        with clock(times, "read FITS"):
            image = read_euclid(cutout)
        with clock(times, "predict_maps"), parts_timed(times):
            maps = model.predict_maps(image, draws=draws)
        with clock(times, "write FITS"):
            write(Path(folder) / "maps.fits", maps, overwrite=True)
        with clock(times, "write ASDF"):
            write(Path(folder) / "maps.asdf", maps, overwrite=True)
    judged = int((~next(iter(maps.values())).mask).sum())
    own = sum(spent[0] for name, spent in times.items() if name.startswith("estimator"))
    rest = times["all"][0] - own
    print(
        f"\n{title}, draws={draws}: {judged} of {SIDE * SIDE} pixels judged, three properties; CPU s, wall s"
    )
    for name, (cpu, wall) in times.items():
        print(f"  {name:32s} {cpu:7.2f} {wall:7.2f}")
    print(f"  all but the estimator's own work {rest:7.2f}         = {100 * rest / own:.0f} % of it")
    name = f"{title}, draws={draws}"
    rows.append({"name": f"{name}: all", "value": times["all"][0], "unit": "CPU s", "against": ""})
    against = "the estimator's own work"
    rows.append({"name": f"{name}: the rest", "value": rest / own, "unit": "ratio", "against": against})
    return maps


def ours(atlas, large, folder, names, n_trees):
    """What `plain` does: train on the galaxies named, map one, write FITS."""
    galaxies = [galaxy for galaxy in read_atlas(atlas) if galaxy.name in names]
    pixels = extract(galaxies, ALL)
    image = read_atlas(large)[0].image
    models = {}
    for title, estimator in (("linear", LinearRegression()), ("forest", RandomForest(n_trees=n_trees))):
        models[title] = train(pixels, ALL, estimator)
        write(Path(folder) / f"{title}.fits", models[title].predict_maps(image), overwrite=True)
    return models["forest"]


def side_by_side(atlas, large, folder, n_trees, rows):
    """CPU and wall time of both, and how far their maps are apart."""
    training, _ = split(read_atlas(atlas), 0.2)
    names = {galaxy.name for galaxy in training}
    stems = [stem for stem in plain.stems_of(atlas) if stem in names]
    times = {}
    with clock(times, "plain"):
        trained = plain.train(atlas, stems, n_trees)
        for which, title in enumerate(("linear", "forest")):
            out = Path(folder) / f"plain_{title}.fits"
            plain.predict(*trained, large, plain.stems_of(large)[0], out, which)
    with clock(times, "ours"):
        model = ours(atlas, large, folder, names, n_trees)
    (cpu, wall), (cpu_plain, wall_plain) = times["ours"], times["plain"]
    print(f"\nTrain on {len(names)} galaxies, LR and RF of {n_trees} trees, and map one of {SIDE} x {SIDE}")
    print(f"  plain script    {cpu_plain:7.1f} CPU s {wall_plain:7.1f} s")
    print(f"  euclid_resolved {cpu:7.1f} CPU s {wall:7.1f} s; the script takes {cpu_plain / cpu:.1f} times")
    print(f"  the CPU time and {wall_plain / wall:.1f} times the wall time")
    for unit, value in (("CPU time", cpu_plain / cpu), ("wall time", wall_plain / wall)):
        rows.append({"name": "train and map", "value": value, "unit": f"x {unit}", "against": "plain script"})
    compare(model, large, folder)


def compare(model, large, folder):
    """Make sure that both gave the same maps, apart from the trees' own scatter."""
    image = read_atlas(large)[0].image
    good = mapping.judge(image, model.bands, model.clip, model.clip_band) == 0
    X = model._scaled({band: image.brightness(band)[good] for band in model.bands})
    for title in ("linear", "forest"):
        mine, other = read(Path(folder) / f"{title}.fits"), fits.open(Path(folder) / f"plain_{title}.fits")
        with other:
            for name, plane in zip(ALL, plain.MAPS, strict=True):
                theirs = np.log10(other[plane].data)
                np.testing.assert_array_equal(np.isfinite(theirs), good)
                difference = np.log10(mine[name].data[good]) - theirs[good]
                rms = float(np.sqrt(np.mean(difference**2)))
                # Two forests of other random numbers, on other four fifths of the pixels.
                output = model.outputs[name]
                spread = np.sqrt(2 * np.mean(model._spread(X, output, {}) ** 2)) if title == "forest" else 0
                most = 2 * spread if title == "forest" else 0.01
                print(f"  {title} {name}: maps differ by {rms:.4f} dex rms; at most {most:.4f} expected")
                assert rms < most, f"{title} {name}: the maps differ by {rms} dex"


def main(quick=False):
    """Print the tables.

    Returns
    -------
    rows : list of dict
        ``name``, ``value``, ``unit``, ``against``.
    """
    warnings.simplefilter("ignore", DataWarning)
    rows, n_trees = [], 10 if quick else 50
    with tempfile.TemporaryDirectory() as folder:
        atlas = make_atlas(Path(folder) / "atlas", 40, seed=1, progress=False)
        large = make_galaxy(folder)
        # Compiled code is made ready, and libraries are loaded, before anything is clocked.
        small = read_atlas(atlas)[:3]
        warm = train(extract(small, ALL), ALL, RandomForest(n_trees=20))
        warm.predict_maps(read_atlas(large)[0].image)
        side_by_side(atlas, large, folder, n_trees, rows)
        seen = observe_atlas(read_atlas(atlas), (20, 100) * u.Mpc, depth=(0.005, 4.0), seed=7)
        pixels, cutout = extract(seen, ALL), make_cutout(folder, read_atlas(large)[0])
        estimators = {f"forest of {2 * n_trees} trees": RandomForest(n_trees=2 * n_trees)}
        try:
            from euclid_resolved_dnn import DeepNetwork

            # Few steps: how long a network takes does not depend on how well it is trained.
            estimators["network"] = DeepNetwork(epochs=3, epoch_batches=20)
        except ImportError:
            print("euclid_resolved_dnn is not installed: no network")
        for title, estimator in estimators.items():
            model = train(pixels, ALL, estimator, calibration=0.3)
            for draws in (0,) if quick else (0, 32):
                one_galaxy(title, model, cutout, folder, draws, rows)
    return rows


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
