"""What the command ``populations`` does: list libraries of stellar populations and make tables of them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from euclid_resolved.cli._commands import UsageError, _print


def populations_list(options: Namespace) -> None:
    """List the libraries that are there and those that a table can be made of."""
    from astropy.table import Table

    from euclid_resolved.mock._libraries import LIBRARIES
    from euclid_resolved.mock._population_names import DEFAULT, find_populations, registered

    rows = []
    for name in [DEFAULT, *registered()]:
        meta = find_populations(name).meta
        rows.append((name, "ready", meta["initial_mass_function"], meta["license"], meta["library"]))
    for name, library in LIBRARIES.items():
        if name != DEFAULT:
            state = "can be made" if library.path() else "not installed"
            rows.append((name, state, library.initial_mass_function, library.license, library.summary))
    _print(Table(rows=rows, names=["name", "state", "initial mass function", "licence", "library"]))


def populations_make(options: Namespace) -> None:
    """Make the table of a library that the user has."""
    from euclid_resolved.errors import InputError
    from euclid_resolved.io._files import check_target, write_table
    from euclid_resolved.io._lock import check_apart
    from euclid_resolved.mock._libraries import LIBRARIES
    from euclid_resolved.mock._make_populations import make_table
    from euclid_resolved.mock._passbands import BUILT_IN
    from euclid_resolved.mock._population_tables import BANDS, from_table

    if options.name not in LIBRARIES:
        raise UsageError(f"no library {options.name!r} can be read; there are {', '.join(LIBRARIES)}")
    output = Path(options.output or f"{options.name}.ecsv")
    if output.suffix != ".ecsv":
        raise InputError(f"a table of populations is an ECSV file: {output.with_suffix('.ecsv').name}")
    check_apart([output], [options.library] if options.library else [])
    check_target(output, options.overwrite)
    bands = tuple(options.bands or BANDS)
    table = make_table(
        options.name,
        options.library,
        bands=BUILT_IN if bands == ("all",) else bands,
        passbands=options.passbands,
        fill_young=options.fill_young,
        mass_scale=options.mass_scale,
    )
    populations = from_table(table, f"the table of {options.name}")
    write_table(output, table, options.overwrite)
    young, old = 10 ** (populations.log_age[[0, -1]] - 6)
    print(
        f"{options.name}: {len(populations.log_metallicity)} metallicities, ages of {young:.3g} to {old:.5g} "
        f"Myr, {', '.join(populations.bands)}, in {output}"
    )
    print(f"library: {table.meta['library']}; {table.meta['initial_mass_function']}")
    print(f"licence: {table.meta['license']}")
    for key in ("youngest", "left_out", "mass_scale"):
        if key in table.meta:
            print(table.meta[key])
