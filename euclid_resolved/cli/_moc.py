"""The coverage map that ``predict --moc`` writes beside its maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from euclid_resolved.cli._report import say
from euclid_resolved.io._files import check_target

if TYPE_CHECKING:
    from argparse import Namespace

    from astropy.table import Table

    from euclid_resolved.maps._spatial_map import SpatialMap


def check_moc(options: Namespace) -> None:
    """Find out before anything is mapped what would keep ``--moc`` from being written."""
    from euclid_resolved.io._moc import check_moc_name
    from euclid_resolved.maps._moc import import_moc

    if options.moc is None:
        return
    check_moc_name(options.moc)
    check_target(options.moc, options.overwrite)
    import_moc()


def check_place(options: Namespace, wcs: Any, what: str) -> None:
    """Refuse ``--moc`` of an image that has no place on the sky."""
    if options.moc is not None:
        from euclid_resolved.maps._moc import check_sky

        check_sky(wcs, what)


def cover_one(options: Namespace, source: Any, first: SpatialMap | None = None) -> dict[str, str]:
    """Write the MOC of one image: of a map in memory, or of the file that was written in strips."""
    if options.moc is None:
        return {}
    from euclid_resolved.io._moc import moc_of_file, moc_of_map

    moc, header = moc_of_file(options.output) if first is None else moc_of_map(first)
    return _write(options, moc, header, _names([source]))


def cover_many(options: Namespace, sources: list[Any], table: Table) -> dict[str, str]:
    """Write one MOC of all images that have a value."""
    if options.moc is None:
        return {}
    from euclid_resolved.errors import InputError
    from euclid_resolved.io._moc import moc_of_file

    names = [str(row["name"]) for row in table if row["status"] != "failed" and row["judged"] > 0]
    if not names:
        raise InputError("no pixel of any image has a value: there is nothing to cover")
    moc, header = moc_of_file(_maps(options, names[0]))
    # All at once: one after the other takes a time that grows with the square of their number.
    moc = moc.union(*(moc_of_file(_maps(options, name))[0] for name in names[1:])) if names[1:] else moc
    return _write(options, moc, header, names if len(names) > 1 else _names(sources), len(names))


def _maps(options, name):
    return Path(options.output) / f"{name}_maps.fits"


def _names(sources):
    from euclid_resolved.io._opening import image_files

    return [Path(path).name for source in sources for path in image_files(source)]


def _write(options, moc, header, images, count=1):
    import math

    from euclid_resolved.io._moc import write_moc

    write_moc(options.moc, moc, header, options.output, images, count=count, overwrite=options.overwrite)
    area = moc.sky_fraction * 4 * math.pi * math.degrees(1) ** 2 * 3600
    say(f"{options.moc}: {area:.4g} arcmin2 have a value, cells down to order {moc.max_order}")
    return {"moc": options.moc}
