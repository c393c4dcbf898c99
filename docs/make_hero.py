"""Make docs/_static/hero.png: a mock galaxy as Euclid would see it, and its three maps, errors and flags.

``python docs/make_hero.py`` takes about two minutes of one core and needs no network.
"""

import tempfile
from pathlib import Path

import astropy.units as u
import matplotlib
import numpy as np
from astropy.visualization import make_lupton_rgb

from euclid_resolved import Quality, make_atlas, observe_atlas, read_atlas, train
from euclid_resolved.estimators import GradientBoosting

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
SHOWN = 19  # the galaxy of the picture: a large, inclined disc that forms stars
NAMES = {
    "stellar_mass_density": ("Density", r"$\Sigma_\star$ [M$_\odot$ pc$^{-2}$]", "magma"),
    "stellar_metallicity": ("Metallicity", r"$Z_\star/Z_\odot$", "viridis"),
    "stellar_age": ("Age", r"$t_\star$ [Gyr]", "cividis"),
}
# A pixel is shown under the first of these that it carries.
FLAGS = {
    "judged": "#d9d9d9",
    "out of domain": "#fdb462",
    "too noisy": "#80b1d3",
    "below the clip": "#1f3a5f",
}


def galaxies_and_model(folder):
    """The galaxy to show, and a calibrated model that has not seen it."""
    sky = {"depth": 0.03, "seed": 1}
    small = read_atlas(make_atlas(folder / "training", 140, pixels=48, seed=2))
    observed = observe_atlas(small, (20, 60) * u.Mpc, **sky)
    model = train(observed, "all", GradientBoosting(n_trees=200), calibration=4)
    large = read_atlas(make_atlas(folder / "shown", SHOWN, pixels=160, seed=1))
    return observe_atlas(large[-1:], 30 * u.Mpc, **sky)[0], model


def flags_of(quality):
    """Which of `FLAGS` each pixel is shown under."""
    shown = np.zeros(quality.shape, int)
    shown[quality & Quality.OUT_OF_DOMAIN > 0] = 1
    shown[quality & Quality.NOISE > 0] = 2
    shown[quality & (Quality.BELOW_CLIP | Quality.NONPOSITIVE) > 0] = 3
    return shown


def panel(figure, place, values, title, label, **style):
    """One map with its colour bar below."""
    axis = figure.add_subplot(place)
    drawn = axis.imshow(values, origin="lower", interpolation="nearest", **style)
    bar = figure.colorbar(drawn, ax=axis, orientation="horizontal", fraction=0.05, pad=0.03)
    bar.set_label(label, fontsize=9, labelpad=1)
    bar.ax.tick_params(labelsize=8, length=2)
    axis.set_title(title, fontsize=11)
    axis.set_facecolor("0.93")
    axis.set(xticks=[], yticks=[])


def draw(image, maps):
    """The picture: the galaxy and its flags at the left, maps above their errors at the right."""
    good = ~maps["stellar_mass_density"].mask
    rows, columns = np.nonzero(good)
    middle = good.shape[0] // 2
    half = int(np.percentile(np.hypot(rows - middle, columns - middle), 99)) + 3
    side = slice(max(middle - half, 0), middle + half)
    window = (side, side)
    figure = plt.figure(figsize=(12, 6.6), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, 4)

    axis = figure.add_subplot(grid[0, 0])
    red, green, blue = (image.brightness(band)[window] for band in ("HE", "YE", "IE"))
    scale = np.nanpercentile(red, 99.5)
    axis.imshow(
        make_lupton_rgb(red / scale, green / scale * 1.15, blue / scale * 2.0, stretch=0.15, Q=9),
        origin="lower",
        interpolation="nearest",
    )
    axis.set_title("Four bands (here H$_E$, Y$_E$, I$_E$)", fontsize=11)
    axis.set(xticks=[], yticks=[])

    shown = flags_of(maps["stellar_mass_density"].quality)[window]
    axis = figure.add_subplot(grid[1, 0])
    axis.imshow(shown, origin="lower", cmap=matplotlib.colors.ListedColormap(list(FLAGS.values())),
                vmin=-0.5, vmax=len(FLAGS) - 0.5, interpolation="nearest")  # fmt: skip
    axis.set_title("Flags", fontsize=11)
    axis.set(xticks=[], yticks=[])
    patches = [matplotlib.patches.Patch(color=colour, label=name) for name, colour in FLAGS.items()]
    legend = axis.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2,
                         frameon=False, fontsize=8.5)  # fmt: skip
    legend.set_in_layout(False)  # it has the room that colour bars take beside it

    for column, (name, (title, label, colours)) in enumerate(NAMES.items(), start=1):
        map_ = maps[name][window]
        values = map_.quantity.value / (map_.property.zero_point or 1)
        low, high = map_.interval
        error = 0.5 * np.log10(high / low)  # half the 68 % interval
        limits = np.nanpercentile(values, [1, 99.5])
        scale = matplotlib.colors.LogNorm if name == "stellar_mass_density" else matplotlib.colors.Normalize
        panel(figure, grid[0, column], values, title, label, norm=scale(*limits), cmap=colours)
        error[~np.isfinite(values)] = np.nan
        style = {"cmap": "inferno", "vmin": 0.05, "vmax": 0.2}
        panel(figure, grid[1, column], error, f"{title}, one sigma", "dex", **style)
    return figure


def main():
    """Make the picture."""
    with tempfile.TemporaryDirectory() as folder:
        galaxy, model = galaxies_and_model(Path(folder))
        image = galaxy.image
        figure = draw(image, model.predict_maps(image))
    figure.savefig(HERE / "_static" / "hero.png")


if __name__ == "__main__":
    main()
