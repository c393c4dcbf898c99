"""Make docs/_static/hero.png: a mock galaxy as Euclid would see it, and its three maps, errors and flags.

``python docs/make_hero.py`` takes about a minute of one core and needs no network.
"""

import tempfile
from pathlib import Path

import astropy.units as u
import matplotlib
import numpy as np
from astropy.visualization import make_lupton_rgb

from euclid_resolved import make_atlas, observe_atlas, read_atlas, train
from euclid_resolved.estimators import GradientBoosting
from euclid_resolved.plotting import (
    figure_size,
    paper_style,
    plot_map,
    plot_quality,
    plot_uncertainty,
    save_figure,
)
from euclid_resolved.plotting._quality import quality_legend
from euclid_resolved.plotting._sky_axes import draw_scale_bar

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
SHOWN = 19  # the galaxy of the picture: a large, inclined disc that forms stars
TITLES = {"stellar_mass_density": "density", "stellar_metallicity": "metallicity", "stellar_age": "age"}


def galaxies_and_model(folder):
    """The galaxy to show, and a calibrated model that has not seen it."""
    sky = {"depth": 0.03, "seed": 1}
    small = read_atlas(make_atlas(folder / "training", 140, pixels=48, seed=2))
    observed = observe_atlas(small, (20, 60) * u.Mpc, **sky)
    model = train(observed, "all", GradientBoosting(n_trees=200), calibration=4)
    large = read_atlas(make_atlas(folder / "shown", SHOWN, pixels=160, seed=1))
    return observe_atlas(large[-1:], 30 * u.Mpc, **sky)[0], model


def light(axes, image):
    """Three of the four bands as red, green and blue."""
    red, green, blue = (image.brightness(band) for band in ("HE", "YE", "IE"))
    scale = np.nanpercentile(red, 99.5)
    colours = make_lupton_rgb(red / scale, green / scale * 1.15, blue / scale * 2.0, stretch=0.15, Q=9)
    axes.imshow(colours, origin="lower", interpolation="nearest")
    axes.set_title(r"$H_\mathrm{E}$, $Y_\mathrm{E}$ and $I_\mathrm{E}$", size="medium")
    draw_scale_bar(axes, image, "white")


def draw(image, maps):
    """The picture: the galaxy and its flags at the left, maps above their errors at the right."""
    good = ~maps["stellar_mass_density"].mask
    rows, columns = np.nonzero(good)
    middle = good.shape[0] // 2
    half = int(np.percentile(np.hypot(rows - middle, columns - middle), 99)) + 3
    side = slice(max(middle - half, 0), middle + half)
    image, maps = image[side, side], {name: maps[name][side, side] for name in TITLES}
    figure = plt.figure(figsize=figure_size("page", 0.57), layout="compressed")
    axes = figure.subplots(2, 4, subplot_kw={"xticks": [], "yticks": []})
    light(axes[0, 0], image)
    density = maps["stellar_mass_density"]
    plot_quality(density, ax=axes[1, 0], legend=False, title="flags")
    for column, (name, title) in enumerate(TITLES.items(), start=1):
        plot_map(maps[name], ax=axes[0, column], title=title)
        plot_uncertainty(maps[name], ax=axes[1, column], title=f"one sigma of {title}")
    figure.legend(handles=quality_legend(density), loc="outside lower left", frameon=False, fontsize="small")
    return figure


def main():
    """Make the picture."""
    with tempfile.TemporaryDirectory() as folder:
        galaxy, model = galaxies_and_model(Path(folder))
        image = galaxy.image
        with paper_style():
            figure = draw(image, model.predict_maps(image))
            save_figure(figure, HERE / "_static" / "hero.png")


if __name__ == "__main__":
    main()
