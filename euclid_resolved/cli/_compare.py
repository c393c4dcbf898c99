"""What the command ``compare`` does: maps beside maps of the same galaxy made otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from euclid_resolved.cli._commands import UsageError, _print, _usage
from euclid_resolved.cli._logging import log
from euclid_resolved.cli._report import say
from euclid_resolved.maps._properties import get_property

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_DENSITY = "stellar_mass_density"


def compare_options(new: ArgumentParser) -> None:
    """Add what ``compare`` takes."""
    new.add_argument("maps", metavar="MAPS", help="that predict wrote")
    text = "others, or FITS images as stellar_mass_density=FILE[:EXTENSION] stellar_age=FILE ..."
    new.add_argument("other", nargs="+", metavar="OTHER", help=text)
    new.add_argument("-o", "--output", metavar="FOLDER", help="for tables (ECSV) and figures (PNG)")
    text = "of an image, whatever BUNIT says; logarithms as stellar_mass_density='dex(Msun/kpc2)'"
    new.add_argument("--unit", action="append", default=[], metavar="PROPERTY=UNIT", help=text)
    text = "multiply the other map of a property (the density), as between initial mass functions"
    new.add_argument("--scale-other", action="append", default=[], metavar="[PROPERTY=]FACTOR", help=text)
    text = "initial mass functions of both, to be told beside the results"
    new.add_argument("--imf", nargs=2, metavar=("MAPS", "OTHER"), help=text)
    new.add_argument("--region", metavar="FILE.reg", help="compare each DS9 region in it as well")
    new.add_argument("--bin-width", metavar="WIDTH", help="of annuli, as '1.5 kpc' or '2 arcsec'")
    text = "of the annuli, degrees (the centre of the map)"
    new.add_argument("--centre", nargs=2, type=float, metavar=("RA", "DEC"), help=text)
    text = "of the major axis, from the y axis of the pixels (%(default)s)"
    new.add_argument("--position-angle", type=float, default=0.0, metavar="DEG", help=text)
    new.add_argument("--inclination", type=float, default=0.0, metavar="DEG", help="(%(default)s)")
    text = "draws of blocks of pixels, for errors (%(default)s)"
    new.add_argument("--bootstrap", type=int, default=200, metavar="N", help=text)
    new.add_argument("--seed", type=int, default=1, help="of these draws (%(default)s)")


def compare(options: Namespace) -> None:
    """Compare maps with maps made otherwise."""
    from euclid_resolved.diagnostics._common_grid import put_together
    from euclid_resolved.diagnostics._compare import tables_of
    from euclid_resolved.io._files import check_target, write_table
    from euclid_resolved.io._lock import check_apart
    from euclid_resolved.io._other_maps import files_of, read_maps, read_other

    units = _by_property("--unit", options.unit)
    factors = {
        name: _number(text) for name, text in _by_property("--scale-other", options.scale_other).items()
    }
    shape = _shape(options)
    folder = Path(options.output) if options.output else None
    outputs = []
    if folder:
        names = ("pixels.ecsv", "profile.ecsv", "regions.ecsv", "rmzr.ecsv", "maps.png", "rmzr.png")
        outputs = [folder / name for name in names]
        if not folder.is_dir():
            check_target(folder)
        check_apart(outputs, [options.maps, *files_of(options.other), *filter(None, [options.region])])
        for path in outputs if folder.is_dir() else ():
            check_target(path, options.overwrite)
    maps, other = read_maps(options.maps), read_other(options.other, units)
    pair = put_together(maps, other, factors)
    tables = tables_of(pair, options.region, options.bin_width, shape, options.bootstrap, options.seed)
    imf = options.imf or ("not stated", "not stated")
    for name in pair.maps:
        factor = f", times {factors[name]:g} (--scale-other)" if name in factors else ""
        given = str(getattr(other[name], "unit", None) or "") or "no unit"
        say(f"{name}: in {str(get_property(name).unit) or 'no unit'}; the other in {given}{factor}")
    say(pair.grid)
    say(f"Initial mass functions: of the maps {imf[0]}, of the other {imf[1]}. Only --scale-other converts.")
    if imf[0] != imf[1] and _DENSITY in pair.maps and _DENSITY not in factors:
        say("These differ, and densities are not converted: the offset holds the difference.")
    say(
        "Differences are log10 of the maps less log10 of the other, their errors from blocks of pixels "
        "drawn again."
    )
    for name, table in tables.items():
        table.meta |= {
            "maps": options.maps,
            "other": list(options.other),
            "factors": factors,
            "imf": list(imf),
        }
        print(f"{name}:")
        _print(table)
    if folder is None:
        return
    from euclid_resolved.diagnostics._compare_figures import draw_comparison, draw_relations
    from euclid_resolved.plotting._style import save_figure

    folder.mkdir(exist_ok=True)
    written = []
    for name, table in tables.items():
        write_table(folder / f"{name}.ecsv", table, options.overwrite)
        written.append(f"{name}.ecsv")
    figures = {"maps.png": draw_comparison(pair, tables)}
    if "rmzr" in tables:
        figures["rmzr.png"] = draw_relations(pair, tables["rmzr"])
    for name, figure in figures.items():
        save_figure(figure, folder / name, overwrite=options.overwrite)
        written.append(name)
    log.info(f"Written to {folder}: {', '.join(written)}")


def _by_property(option, words):
    """The values of an option by property; one without a property is of the density."""
    found = {}
    for word in words:
        name, _, value = word.rpartition("=")
        with _usage():
            name = get_property(name or _DENSITY).name
        if name in found:
            raise UsageError(f"{option} is given twice for {name}")
        found[name] = value
    return found


def _number(text):
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"--scale-other needs a positive number, got {text!r}")
    return number


def _shape(options):
    """Where the annuli lie; the width of one is checked here, before anything is read."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    try:
        width = None if options.bin_width is None else u.Quantity(options.bin_width)
    except (TypeError, ValueError):
        width = -1 * u.one
    if width is not None and not (width.isscalar and width.value > 0):
        raise UsageError(f"--bin-width needs a width, as '1.5 kpc' or '2 arcsec', got {options.bin_width!r}")
    centre = None if options.centre is None else SkyCoord(*options.centre, unit="deg")
    return {"centre": centre, "position_angle": options.position_angle, "inclination": options.inclination}
