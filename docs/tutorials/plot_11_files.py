"""
What is in a model file, and opening it in five years
=====================================================

This tutorial is for those who keep models, or pass them on. You look into a model file,
damage one on purpose, and see what is checked when it is opened. At the end you can say
where a map came from, and give a model to somebody who trusts neither you nor your
libraries.
"""

import tempfile
from pathlib import Path

from euclid_resolved import RandomForest, make_atlas, read_atlas, split, train, write

folder = Path(tempfile.gettempdir()) / "euclid_resolved_tutorials"
training, test = split(
    read_atlas(make_atlas(folder / "atlas", 32, pixels=64)), fraction=0.25, seed=14
)
names = ("stellar_mass_density", "stellar_metallicity", "stellar_age")
model = train(
    training,
    names,
    RandomForest(n_trees=10),
    source="mock atlas, seed 1",
    calibration=3,
)

out = tempfile.TemporaryDirectory()
path = Path(out.name) / "model.asdf"
write(path, model)
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")

# %%
# What it says of itself
# ----------------------
# ``euclid-resolved info model.asdf`` prints the record of a model: its training set,
# the seed, its accuracy on pixels that were set aside, and the libraries. In Python the
# record is in two mappings:

print(model)
for key in (
    "source",
    "galaxies",
    "n_pixels",
    "fraction_of_pixels_kept",
    "seed",
    "calibration_folds",
    "digest",
):
    print(f"{key}: {str(model.training[key])[:72]}")
print(f"versions: {model.versions}")

# %%
# What is in it
# -------------
# An ASDF file begins with a text, the tree. The arrays follow as they are in memory,
# each with its checksum. You can read the text with any editor. These are its first
# lines, and the branches of the model:

import re

text = path.read_bytes().split(b"\n...\n")[0].decode().splitlines()
print("\n".join(text[:4]))
print("\n".join(line[:90] for line in text if re.match("  [a-z]|[a-z]", line)))

# %%
# The figure shows how much of the file each part takes. Nearly all of it is trees.

import matplotlib.pyplot as plt
import numpy as np


def sizes(tree, name=""):
    """Bytes of all arrays below a branch, by the names of the leaves."""
    if isinstance(tree, dict):
        return {
            k: v
            for key, value in tree.items()
            for k, v in sizes(value, f"{name}/{key}").items()
        }
    if isinstance(tree, list | tuple):
        return {
            k: v
            for i, value in enumerate(tree)
            for k, v in sizes(value, f"{name}/{i}").items()
        }
    return {name: tree.nbytes} if isinstance(tree, np.ndarray) else {}


found = sizes(model.to_tree())
parts = {
    "trees": sum(v for k, v in found.items() if "/state/" in k),
    "intervals": sum(v for k, v in found.items() if "/interval/" in k),
    "domain": sum(v for k, v in found.items() if k.startswith("/domain/")),
    "golden rows": sum(v for k, v in found.items() if "golden" in k),
    "ranges": sum(v for k, v in found.items() if "scale" in k),
}
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.barh(list(parts), [value / 1e3 for value in parts.values()], color="#0072B2")
for i, value in enumerate(parts.values()):
    axes.text(value / 1e3, i, f" {value / 1e3:.3g} kB", va="center", size="small")
axes.set(xscale="log", xlabel="size of the arrays [kB]", xlim=(0.05, 2e4))
axes.invert_yaxis()

# %%
# - The **trees** are compact arrays of nodes. There is no pickle, so nothing in the
#   file can run, and no version of scikit-learn is needed.
# - The **domain** is what the training set covered. It is needed for ``OUT_OF_DOMAIN``.
# - The **golden rows** are pixels whose predictions are stored in the file. They are
#   predicted again whenever the file is opened. If a library, a plugin or this package
#   now predicts something else, the file is refused with a message.
#
# A file is untrusted data
# ------------------------
# Here one byte of the file is changed, in the middle of a tree:

from euclid_resolved import read
from euclid_resolved.errors import InputError

damaged = bytearray(path.read_bytes())
damaged[len(damaged) // 2] ^= 1
broken = Path(out.name) / "broken.asdf"
broken.write_bytes(damaged)
try:
    read(broken)
except InputError as error:
    print(str(error).replace(out.name, "..."))

# %%
# Here the file is cut short, as after a full disk:

broken.write_bytes(path.read_bytes()[:100_000])
try:
    read(broken)
except InputError as error:
    print(str(error).replace(out.name, "..."))

# %%
# Here a pickle has the name of a model. It is refused without being loaded:

broken.write_bytes(b"\x80\x04\x95 whatever a pickle would do")
try:
    read(broken)
except InputError as error:
    print(str(error).replace(out.name, "..."))

# %%
# The undamaged file gives the same values to the last digit. ``digest`` is a checksum
# over all that was learned. Every map has the digest of its model, so that you can find
# the model of a map years later.

from euclid_resolved import evaluate

again = read(path)
galaxy = test[5]
first, second = (one.predict(galaxy.image, names[0]) for one in (model, again))
print("digests agree:", model.digest == again.digest == first.meta["model"])
print("values agree:", np.array_equal(first.data, second.data, equal_nan=True))
evaluate(again, test)

# %%
# In five years
# -------------
# Keep three things together: the model file, the maps with their digest, and the
# version of this package, which the file names. The tags in a file have a version of
# their own (``model-1.0.0``), and a schema for every released version stays in the
# package. The trees run in scikit-learn as long as it accepts them, and in plain NumPy
# when it no longer does.
#
# Maps in ASDF keep everything. Maps in FITS keep what a header can hold:

maps = again.predict_maps(galaxy.image)
for name in ("maps.asdf", "maps.fits"):
    write(Path(out.name) / name, maps)
    kept = read(Path(out.name) / name)[names[0]]
    print(f"{name}: model {kept.meta['model'][:12]}, planes", *kept.planes)

out.cleanup()
plt.show()
