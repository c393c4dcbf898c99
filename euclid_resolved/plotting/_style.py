"""How figures look: colours of properties, bands and flags, the widths of a paper, embedded fonts."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS
from euclid_resolved.maps._properties import get_property
from euclid_resolved.maps._spatial_map import Quality

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from euclid_resolved.maps._properties import Property

__all__ = ["figure_size", "paper_style", "save_figure"]


PAPER_WIDTHS = {"column": 88 * u.mm, "wide": 120 * u.mm, "page": 180 * u.mm}
"""Widths of figures in Astronomy & Astrophysics: one column, a side caption, the whole page.

From its instructions to authors, https://www.aanda.org/for-authors/latex-issues/figures
"""

FIGURE_DPI = 200
FIGURE_ENDINGS = (".pdf", ".png", ".svg")

# The palette of Okabe & Ito, which the colour-blind can tell apart; A&A asks for no red beside green.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
_BAND_COLOURS = {"IE": BLUE, "YE": SKY, "JE": ORANGE, "HE": RED}
_BLUEST, _REDDEST = 0.3 * u.um, 2.5 * u.um  # the ends of the colours of other bands
PROPERTY_COLOURS = {"stellar_mass_density": PURPLE, "stellar_metallicity": BLUE, "stellar_age": ORANGE}
PROPERTY_COLOURS["dust_mass_density"] = GREEN
COLOUR_MAPS = {"stellar_mass_density": "inferno", "stellar_metallicity": "viridis", "stellar_age": "plasma"}
COLOUR_MAPS["dust_mass_density"] = "cividis"
TRUE, PREDICTED = RED, BLUE
TEXT = 8.5  # points; small text, five sixths of it, has seven, which A&A asks for at least
NO_VALUE = "0.8"  # grey: where there is nothing to show

# The first of these that a pixel has is what it is shown as: why it is empty before what is odd about it.
QUALITY_COLOURS = {
    Quality.NEIGHBOUR: SKY,
    Quality.SATURATED: YELLOW,
    Quality.TILE_GAP: "#332288",
    Quality.PSF: PURPLE,
    Quality.RESAMPLED: GREEN,
    Quality.UNBINNED: BLUE,
    Quality.MASKED: BLACK,
    Quality.NONFINITE: RED,
    Quality.MISSING_BAND: "#882255",
    Quality.BELOW_CLIP: "0.85",
    Quality.NONPOSITIVE: "0.45",
    Quality.NOISE: "0.65",
    Quality.NOT_ESTIMATED: "#999933",
    Quality.OUT_OF_DOMAIN: ORANGE,
    Quality.FEW_NEIGHBOURS: "#CC6677",
    Quality.UNMATCHED_PSF: "#DDCC77",
    Quality.UNLIKE_TRAINING: "#AA4499",
}

_TEX = {
    "stellar_mass_density": r"(M_\odot\,\mathrm{pc}^{-2})",
    "stellar_metallicity": r"Z_\odot",
    "dust_mass_density": r"(M_\odot\,\mathrm{pc}^{-2})",
}
# Type 42 (TrueType) keeps text as text; publishers refuse matplotlib's default, type 3.
_EMBEDDED: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "euclid_resolved"}


def band_colour(name: str) -> Any:
    """The colour of a band in figures: one from violet to yellow by wavelength, grey where it is not known.

    Parameters
    ----------
    name : str

    Returns
    -------
    colour
        As matplotlib takes it. The bands of Euclid have colours of their own.

    Examples
    --------
    >>> from euclid_resolved.plotting._style import band_colour
    >>> band_colour("HE"), band_colour("scale 4")
    ('#D55E00', '0.5')
    """
    if name in _BAND_COLOURS:
        return _BAND_COLOURS[name]
    if name not in BANDS:
        return "0.5"
    import matplotlib as mpl

    place = float(np.log(BANDS[name].pivot / _BLUEST) / np.log(_REDDEST / _BLUEST))
    return mpl.colormaps["viridis"](min(max(place, 0.0), 1.0))


def band_label(name: str) -> str:
    """What a band is called in figures: those of Euclid with their subscript.

    Parameters
    ----------
    name : str

    Returns
    -------
    label : str

    Examples
    --------
    >>> from euclid_resolved.plotting._style import band_label
    >>> print(band_label("IE"), band_label("F444W"))
    $I_\\mathrm{E}$ F444W
    """
    return rf"${name[0]}_\mathrm{{E}}$" if name in _BAND_COLOURS else name


def axis_label(name: str | Property) -> str:
    """What an axis shows, as TeX: the logarithm of a property in its unit (or in solar units).

    Parameters
    ----------
    name : str or `~euclid_resolved.Property`

    Returns
    -------
    label : str

    Examples
    --------
    >>> from euclid_resolved.plotting._style import axis_label
    >>> "Gyr" in axis_label("stellar_age"), "odot" in axis_label("stellar_metallicity")
    (True, True)
    """
    prop = get_property(name)
    unit = _TEX.get(prop.name, rf"\mathrm{{{prop.unit}}}")
    return rf"$\log_{{10}}\,[{prop.symbol}\,/\,{unit}]$"


def figure_size(width: str | u.Quantity = "column", ratio: float = 0.75) -> tuple[float, float]:
    """The size of a figure for a paper, in inches, as matplotlib's ``figsize`` takes it.

    Parameters
    ----------
    width : str or `~astropy.units.Quantity`, optional
        ``column`` (88 mm), ``wide`` (120 mm) or ``page`` (180 mm) of Astronomy & Astrophysics, or a length.
    ratio : float, optional
        Height over width.

    Returns
    -------
    size : (float, float)

    Raises
    ------
    InputError
        If the width is neither, or a size is not above zero.

    Examples
    --------
    >>> from euclid_resolved.plotting import figure_size
    >>> width, height = figure_size("column", ratio=1)
    >>> print(f"{width:.2f} x {height:.2f} inches")
    3.46 x 3.46 inches
    """
    try:
        length = u.Quantity(PAPER_WIDTHS[width] if isinstance(width, str) else width).to_value(
            u.imperial.inch
        )
    except (KeyError, TypeError, ValueError, u.UnitConversionError):
        known = ", ".join(PAPER_WIDTHS)
        raise InputError(f"a width is one of {known}, or a length with its unit; got {width!r}") from None
    if not (length > 0 and ratio > 0):
        raise InputError(f"a figure needs a width and a ratio above zero, got {width} and {ratio}")
    return float(length), float(length * ratio)


def page_size(panels: int, ratio: float) -> tuple[float, float]:
    """The size of a new figure of panels beside each other, in inches; `ratio` is that of one panel."""
    width = ("column", "wide", "page")[min(max(panels, 1), 3) - 1]
    return figure_size(width, ratio / max(panels, 1))


def text_style(*given: object) -> AbstractContextManager[None]:
    """The style of a new figure: small text, unless somebody chose a size. What is given keeps its own.

    Parameters
    ----------
    *given
        Axes or figures to draw in; None where there are none.

    Returns
    -------
    context : context manager
    """
    import matplotlib

    chosen = matplotlib.rcParams["font.size"] != matplotlib.rcParamsDefault["font.size"]
    if chosen or any(one is not None for one in given):
        return nullcontext()
    return paper_style()


def keep_text_size(axes: Axes) -> None:
    """Fix the size of numbers beside ticks, which matplotlib makes late, in the style of that moment."""
    import matplotlib
    from matplotlib.font_manager import FontProperties

    across, up = matplotlib.rcParams["xtick.labelsize"], matplotlib.rcParams["ytick.labelsize"]
    axes.tick_params(axis="x", labelsize=FontProperties(size=across).get_size_in_points())
    axes.tick_params(axis="y", labelsize=FontProperties(size=up).get_size_in_points())


def paper_style(font_size: float = TEXT) -> AbstractContextManager[None]:
    """Small text and thin lines, for figures as wide as a column; a context, that leaves no trace.

    Parameters
    ----------
    font_size : float, optional
        In points. Small text, as beside ticks and in legends, has five sixths of it.

    Returns
    -------
    context : context manager
        While it is open, figures are drawn and saved in this style.

    Examples
    --------
    >>> from euclid_resolved.plotting import plot_map
    >>> from euclid_resolved.plotting import paper_style
    >>> from euclid_resolved.testing import example_galaxies
    >>> with paper_style(font_size=8):
    ...     axes = plot_map(example_galaxies(1)[0].maps["stellar_age"])
    ...     axes.figure.savefig("age.pdf")
    """
    import matplotlib

    thin: dict[Any, Any] = {"axes.linewidth": 0.6, "lines.linewidth": 1.0, "lines.markersize": 3.0}
    thin |= {"axes.titlesize": "medium", "figure.titlesize": "medium", "axes.titlepad": 3, "axes.labelpad": 2}
    thin |= {"legend.fontsize": "small", "legend.title_fontsize": "small"}
    for axis in ("xtick", "ytick"):
        thin |= {f"{axis}.labelsize": "small", f"{axis}.major.size": 2.5, f"{axis}.major.pad": 2}
        thin |= {f"{axis}.major.width": 0.6}
    return matplotlib.rc_context({"font.size": font_size, **thin, **_EMBEDDED})


def check_figure_name(path: str | Path) -> None:
    """Refuse a name that says no format."""
    if Path(path).suffix.lower() not in FIGURE_ENDINGS:
        raise InputError(f"{path}: the name of a figure ends in one of {', '.join(FIGURE_ENDINGS)}")


def save_figure(
    figure: Figure | SubFigure | Axes, path: str | Path, *, dpi: float = FIGURE_DPI, overwrite: bool = True
) -> None:
    """Save a figure at once or not at all, its fonts embedded, and close it.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure` or `~matplotlib.axes.Axes`
        Or axes in it, as `~euclid_resolved.plotting.plot_map` gives them.
    path : str or `~pathlib.Path`
        Its suffix gives the format: ``.pdf`` and ``.svg`` keep lines and text as such, only pictures are
        made of pixels; ``.png`` is for the screen.
    dpi : float, optional
        Pixels an inch, of the figure or of the pictures in it.
    overwrite : bool, optional
        Replace a file that exists.

    Raises
    ------
    InputError
        If the name ends in something else, or the file exists and `overwrite` is False.

    Examples
    --------
    >>> from pathlib import Path
    >>> from euclid_resolved.plotting import plot_map
    >>> from euclid_resolved.plotting import save_figure
    >>> from euclid_resolved.testing import example_galaxies
    >>> axes = plot_map(example_galaxies(1)[0].maps["stellar_age"])
    >>> _ = save_figure(axes.figure, "age.png")
    >>> Path("age.png").exists()
    True
    """
    import matplotlib
    import matplotlib.pyplot as plt

    from euclid_resolved.io._files import atomic_path

    path, whole = Path(path), figure.figure.figure  # that of axes may be a part of it
    check_figure_name(path)
    kind = path.suffix[1:].lower()
    # Without the date, so that the same figure makes the same file.
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    with matplotlib.rc_context(_EMBEDDED), atomic_path(path, overwrite=overwrite) as temporary:
        whole.savefig(temporary, format=kind, dpi=dpi, metadata=undated)
    plt.close(whole)
