"""The commands that measure maps: totals and means in regions, and radial profiles."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from euclid_resolved.cli._commands import UsageError, _print, _usage
from euclid_resolved.cli._logging import log
from euclid_resolved.cli._options import NAMES, command
from euclid_resolved.cli._report import say
from euclid_resolved.errors import InputError

if TYPE_CHECKING:
    from argparse import Namespace

_STATISTICS = ("total", "mean", "median")


def add_measure(commands: Any) -> None:
    """The parser of ``measure``."""
    text = "measure totals, means and medians of maps, with errors, in regions"
    new = command(commands, "measure", measure, text, writes=True, json=True)
    new.add_argument("maps", metavar="MAPS", help="a file of maps that predict wrote, FITS or ASDF")
    where = new.add_mutually_exclusive_group()
    text = "measure inside each of these regions: DS9 files, or their text, as 'image; circle(50, 60, 10)'"
    where.add_argument("--region", nargs="+", metavar="FILE", help=text)
    text = (
        "measure inside an ellipse of this radius along the major axis, or between two radii; a radius is a "
        "length (5kpc), an angle (10arcsec) or a number of pixels (30). The whole map without it"
    )
    where.add_argument("--ellipse", nargs="+", type=_size, metavar="RADIUS", help=text)
    _shape(new)
    text = "which numbers to print: total, mean, median (total mean); only densities have a total"
    new.add_argument("--statistic", **NAMES, known=_STATISTICS, default=["total", "mean"], help=text)
    text = "weigh each pixel in a mean with the map of this property, as stellar_mass_density"
    new.add_argument("--weights", metavar="PROPERTY", help=text)
    text = "angular-diameter distance; a total needs it where the maps do not know the length of a pixel"
    new.add_argument("--distance", type=float, metavar="MPC", help=text)
    text = "fill pixels without a value for totals, with the mean of the region or of their radius"
    new.add_argument("--fill", choices=("mean", "radial"), help=text)
    text = "part of each pixel's variance that all pixels share, 0 to 1; without it, what the model measured"
    new.add_argument("--correlated-fraction", type=float, metavar="PART", help=text)
    text = "length in pixels over which errors are correlated; without it, what the maps know"
    new.add_argument("--correlation-length", type=float, metavar="PIXELS", help=text)
    new.add_argument("-o", "--output", metavar="TABLE.ecsv", help="also write the table to this ECSV file")


def add_profile(commands: Any) -> None:
    """The parser of ``profile``."""
    text = "print radial profiles of maps: median, its error and scatter of the pixels in elliptical rings"
    new = command(commands, "profile", profile, text, writes=True, json=True)
    new.add_argument("maps", metavar="MAPS", help="a file of maps that predict wrote, FITS or ASDF")
    text = "width of a ring along the major axis: 500pc, 2arcsec or 5 pixels (a twentieth of the map)"
    new.add_argument("--bin-width", type=_size, metavar="WIDTH", help=text)
    new.add_argument("--region", metavar="FILE", help="use only pixels in this DS9 region")
    _shape(new)
    new.add_argument("-o", "--output", metavar="TABLE.ecsv", help="also write the table to this ECSV file")


def _shape(parser):
    parser.add_argument("--property", **NAMES, help="only these maps (all in the file)")
    centre = parser.add_mutually_exclusive_group()
    text = "centre of the ellipses on the sky, ICRS, degrees (the centre of the map)"
    centre.add_argument("--centre", nargs=2, type=float, metavar=("RA", "DEC"), help=text)
    text = "centre of the ellipses in pixels, counted from 0"
    centre.add_argument("--centre-pixels", nargs=2, type=float, metavar=("X", "Y"), help=text)
    text = "of the major axis, from the y axis of the pixels towards smaller x (%(default)g)"
    parser.add_argument("--position-angle", type=float, default=0.0, metavar="DEGREES", help=text)
    text = "of the disc; 0 is face-on and makes circles (%(default)g)"
    parser.add_argument("--inclination", type=float, default=0.0, metavar="DEGREES", help=text)


def _size(text):
    """A length, an angle, or pixels."""
    import astropy.units as u

    try:
        size = u.Quantity(text)
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"as 5kpc, 10arcsec or 30 (pixels), not {text!r}") from None
    return size * u.pix if size.unit == u.dimensionless_unscaled else size


def measure(options: Namespace) -> dict[str, Any]:
    """Measure maps in regions."""
    from astropy.table import Table

    from euclid_resolved.maps._region_pixels import annulus

    if options.ellipse and len(options.ellipse) > 2:
        raise UsageError(
            f"--ellipse takes one radius, or an inner and an outer one; got {len(options.ellipse)}"
        )
    maps, all_maps = _chosen(options)
    if options.weights is not None and options.weights not in all_maps:
        raise InputError(f"{options.maps} has no map of {options.weights}; there are {', '.join(all_maps)}")
    regions: dict[str, Any] = {"the whole map": None}
    if options.region:
        regions = {region: region for region in options.region}
    elif options.ellipse:
        inner, outer = options.ellipse if len(options.ellipse) == 2 else (0, options.ellipse[0])
        text = f"ellipse of {outer:g}" if len(options.ellipse) == 1 else f"ring of {inner:g} to {outer:g}"
        regions = {text: annulus(next(iter(maps.values())), inner, outer, **_placed(options))}
    found, skipped = [], False
    for name, where in regions.items():
        for map_ in maps.values():
            for statistic in options.statistic:
                if statistic == "total" and not (map_.property and map_.property.density):
                    continue
                if statistic == "total" and options.distance is None and not _has_length(map_):
                    skipped = True
                    continue
                value = vars(_value(statistic, map_, where, all_maps, options))
                weighted = statistic == "mean" and options.weights
                value = {**value, "statistic": "weighted mean"} if weighted else value
                found.append({"region": name, **value})
    if skipped:
        say("No total: the maps do not know the length of a pixel. Give --distance MPC.")
    if not found:
        raise InputError(f"nothing to measure: {' and '.join(options.statistic)} of {', '.join(maps)}")
    table = Table(rows=[_row(each) for each in found])
    shown = table["region", "property", "statistic", "value", "error", "unit", "area", "without a value"]
    _print(shown)
    if any(each["lower_limit"] for each in found):
        say("Errors are lower limits: nobody knows which part of them the pixels share.")
    if any(each["statistic"] == "total" and each["masked_fraction"] and not each["filled"] for each in found):
        say("Totals leave out pixels without a value; --fill estimates what they hold.")
    _keep(_plain_columns(found), options)
    return {"maps": options.maps, "values": found}


def _value(statistic, map_, where, all_maps, options):
    import astropy.units as u

    from euclid_resolved.maps import _regions

    settings = {
        "correlation_length": options.correlation_length,
        "correlated_fraction": options.correlated_fraction,
    }
    if statistic == "mean" and options.weights:
        settings["weights"] = all_maps[options.weights]
    if statistic == "total":
        settings["fill"] = options.fill
        settings |= _placed(options) if options.fill == "radial" else {}
        settings["distance"] = None if options.distance is None else options.distance * u.Mpc
    return getattr(_regions, statistic)(map_, where, **settings)


def _row(each):
    """A row as it is printed: an error has two digits, and its value as many as four."""
    import numpy as np

    value, error = each["value"], each["error"].to_value(each["value"].unit)
    return {
        **each,
        "value": f"{value.value:.4g}",
        "error": f"{error:.2g}" if np.isfinite(error) else "-",
        "unit": str(value.unit) or "-",
        "area": f"{each['area']:.1f} pixels",
        "without a value": f"{100 * each['masked_fraction']:.1f} %",
    }


def _plain_columns(found):
    """The values as a table to be written: the unit of each in a column of its own, for they differ."""
    from astropy.table import Table

    rows, known = [], list(dict.fromkeys(name for each in found for name in each["parts"]))
    for each in found:
        unit = each["value"].unit
        row = {name: value for name, value in each.items() if name != "parts"}
        row |= {"value": each["value"].value, "error": each["error"].to_value(unit), "unit": str(unit)}
        for name in known:
            part = each["parts"].get(name)
            row[f"error_{name}"] = float("nan") if part is None else part.to_value(unit)
        rows.append(row)
    return Table(rows=rows, names=list(rows[0]))


def profile(options: Namespace) -> dict[str, Any]:
    """Print radial profiles of maps."""
    import numpy as np
    from astropy.table import QTable

    from euclid_resolved.maps._profiles import radial_profile

    maps, _ = _chosen(options)
    tables = {
        name: radial_profile(map_, options.bin_width, where=options.region, **_placed(options))
        for name, map_ in maps.items()
    }
    columns = {}
    for name, table in tables.items():
        columns["radius"] = table["radius"]
        columns |= {f"{name}_{column}": table[column] for column in table.colnames[1:]}
        print(f"{name}:")
        # Rings beyond the last value have nothing to show; a file that is written has them.
        last = np.flatnonzero(table["n_pixels"] > 0)
        shown = QTable(table[: last[-1] + 1 if len(last) else 0])
        for column in table.colnames[:-1]:
            shown[column].info.format = ".6g" if column == "radius" else ".4g"
        for line in shown.pformat(max_width=-1, max_lines=-1, show_unit=True):
            print("  " + line)
        if not len(last):
            print("  no pixel has a value")
    if any(not np.isfinite(table["error"]).any() for table in tables.values()):
        say("Errors are not known (nan) where a map has none: its model was trained without calibration.")
    if any(table.meta["lower_limit"] for table in tables.values()):
        say("Errors are lower limits: nobody knows which part of them the pixels share.")
    _keep(QTable(columns), options)
    return {"maps": options.maps, "profiles": tables}


def _chosen(options):
    """The maps asked for, and all of the file."""
    from euclid_resolved._checks import check_name
    from euclid_resolved.io._files import check_target
    from euclid_resolved.io._lock import check_apart
    from euclid_resolved.io._read_write import read
    from euclid_resolved.maps._properties import get_property

    if options.output:
        if not options.output.lower().endswith(".ecsv"):
            raise UsageError(f"-o must end in .ecsv, got {options.output}")
        check_apart([options.output], [options.maps, *_files(options.region)])
        check_target(options.output, options.overwrite)
    with _usage():
        names = [get_property(name).name for name in options.property or ()]
    content = read(options.maps)
    if not isinstance(content, dict):
        what = f"one {type(content).__name__}"
        raise InputError(f"{options.maps}: maps are needed, as predict writes them; the file holds {what}")
    for name in names:
        check_name(name, content, "map of", f"{options.maps} has")
    return {name: content[name] for name in names or content}, content


def _files(region):
    return [region] if isinstance(region, str) else region or []


def _placed(options):
    """Where ellipses are, as the functions for maps take it."""
    centre = options.centre_pixels
    if options.centre is not None:
        from astropy.coordinates import SkyCoord

        centre = SkyCoord(*options.centre, unit="deg")
    angles = {"position_angle": options.position_angle, "inclination": options.inclination}
    return {"centre": centre, **angles}


def _has_length(map_):
    import astropy.units as u

    from euclid_resolved.images._pixels import pixel_scale

    return pixel_scale(map_).unit.is_equivalent(u.pc)


def _keep(table, options):
    from euclid_resolved.io._files import write_table

    if options.output:
        write_table(options.output, table, options.overwrite)
        log.info(f"Written: {options.output}")
