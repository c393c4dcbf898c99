"""What a part of a study found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table
    from matplotlib.figure import Figure


@dataclass
class Result:
    """What a part of a study found.

    Attributes
    ----------
    tables : dict of str to `~astropy.table.Table`
        By caption.
    figures : dict of str to `~matplotlib.figure.Figure`
        By caption.
    notes : list of str
        What a reader has to know.
    values : dict of str to float
        What the findings are judged by.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)


class Missing(Exception):
    """A method turned out not to work on this machine, so that a part has no result of it."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(reason)
        self.label, self.reason = label, reason
