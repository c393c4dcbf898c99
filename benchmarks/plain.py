"""What an astronomer would write with Astropy and scikit-learn alone: train on an atlas, map a galaxy.

python benchmarks/plain.py ATLAS GALAXY OUT.fits    (GALAXY: a folder with one galaxy, laid out as the atlas)
"""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import MinMaxScaler

BANDS = "Euclid_VIS", "Euclid_Y", "Euclid_J", "Euclid_H"
MAPS = "stellarmass", "stellarmetallicity", "stellarage"
CLIP = 0.0234  # MJy/sr in H


def read(folder, stem, names):
    """Planes of one galaxy, stacked."""
    return np.array([fits.getdata(Path(folder) / f"{stem}_{name}.fits") for name in names], np.float32)


def usable(planes):
    """Pixels above the clip with a logarithm in every band."""
    return (planes[3] > CLIP) & (planes > 0).all(axis=0)


def gather(folder, stems):
    """Logarithms of bands and maps of all usable pixels."""
    X, Y = [], []
    for stem in stems:
        bands, maps = read(folder, stem, BANDS), read(folder, stem, MAPS)
        good = usable(bands) & np.isfinite(maps).all(axis=0) & (maps > 0).all(axis=0)
        X.append(np.log10(bands[:, good].T))
        Y.append(np.log10(maps[:, good].T))
    return np.concatenate(X), np.concatenate(Y)


def train(folder, stems, n_trees=50, leaf=20, validation=0.2, seed=1):
    """Linear regression and a forest for each map, on four fifths of the pixels."""
    X, Y = gather(folder, stems)
    rows = np.random.default_rng(seed).permutation(len(X))[int(validation * len(X)) :]
    scaler = MinMaxScaler().fit(X[rows])
    X = scaler.transform(X[rows])
    most = min(2_000_000, len(X))
    models = {}
    for i, name in enumerate(MAPS):
        forest = RandomForestRegressor(
            n_trees, min_samples_leaf=leaf, max_samples=most, n_jobs=-1, random_state=seed
        )
        models[name] = LinearRegression().fit(X, Y[rows, i]), forest.fit(X, Y[rows, i])
    return scaler, models


def predict(scaler, models, folder, stem, out, which=1):
    """Map a galaxy with the forests (`which` 1) or the linear regressions (0), and write FITS."""
    bands = read(folder, stem, BANDS)
    good = usable(bands)
    X = scaler.transform(np.log10(bands[:, good].T))
    hdus = [fits.PrimaryHDU()]
    for name, pair in models.items():
        plane = np.full(good.shape, np.nan, np.float32)
        plane[good] = 10 ** pair[which].predict(X)
        hdus.append(fits.ImageHDU(plane, name=name))
    fits.HDUList(hdus).writeto(out, overwrite=True)


def stems_of(folder):
    """The galaxies of an atlas."""
    return sorted({path.name.rsplit("_Euclid", 1)[0] for path in Path(folder).glob("*_Euclid_H.fits")})


if __name__ == "__main__":
    atlas, galaxy, out = sys.argv[1:]
    stems = stems_of(atlas)
    test = set(np.random.default_rng(1).permutation(stems)[: len(stems) // 5])
    trained = train(atlas, [stem for stem in stems if stem not in test])
    predict(*trained, galaxy, stems_of(galaxy)[0], out)
