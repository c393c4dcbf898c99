"""The built-in library of stellar populations, registered as a plugin's would be."""

from __future__ import annotations

from importlib.resources import files

# What says why a thing is no table of populations comes with this.
from euclid_resolved.mock._population_names import DEFAULT
from euclid_resolved.plugins._offers import hookimpl


@hookimpl
def register_populations() -> dict[str, str]:
    """The table that ships."""
    return {DEFAULT: str(files(__package__) / "data" / "populations.ecsv")}
