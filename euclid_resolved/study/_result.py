"""What a part of a study found."""

from dataclasses import dataclass, field


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

    tables: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    values: dict = field(default_factory=dict)
