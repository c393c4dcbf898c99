"""What was done to an image, as cards of its maps: numbers under their own names, all steps as HISTORY."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import astropy.units as u
from astropy.io import fits

from euclid_resolved.images._history import step_words
from euclid_resolved.io._fits_text import escape, unescape

WIDTH = 72  # characters of one HISTORY card
_MASKS = ("compact", "neighbours", "positions", "saturated")


def done_cards(meta: Mapping[str, Any]) -> list[fits.Card]:
    """The cards that say what was done to the image of a map.

    Parameters
    ----------
    meta : dict
        Of the map: its ``history``, ``redshift`` and ``distance``, where they are known.

    Returns
    -------
    cards : list of `~astropy.io.fits.Card`
        REDSHIFT, DISTMPC, EBV, BACKGRND and MASKS where such a step was done, and HISTORY: a step begins at
        the margin, its further lines are indented.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.io._fits_history import done_cards
    >>> step = {"step": "extinction", "settings": {"ebv": 0.02}, "measured": {}}
    >>> for card in done_cards({"history": [step], "distance": 18 * u.Mpc}):
    ...     print(str(card).strip())
    DISTMPC =                 18.0 / [Mpc] angular-diameter distance
    EBV     =                 0.02 / [mag] Galactic E(B-V) corrected for
    HISTORY extinction: ebv 0.02
    """
    steps = [entry for entry in meta.get("history", ()) if isinstance(entry, dict)]
    cards: list[tuple[str, ...] | tuple[str, float, str]] = []
    settings = {entry.get("step"): entry.get("settings") or {} for entry in steps}
    if isinstance(meta.get("redshift"), float | int):
        cards.append(("REDSHIFT", float(meta["redshift"]), "of the galaxy"))
    if isinstance(meta.get("distance"), u.Quantity):
        cards.append(("DISTMPC", float(meta["distance"].to_value(u.Mpc)), "[Mpc] angular-diameter distance"))
    ebv = meta.get("ebv", settings.get("extinction", {}).get("ebv"))
    if ebv is not None:
        cards.append(("EBV", float(ebv), "[mag] Galactic E(B-V) corrected for"))
    background = meta.get("background", settings.get("background", {}).get("method"))
    if background is not None:
        cards.append(("BACKGRND", escape(str(background)), "how the sky was subtracted"))
    masks = meta.get("masks", ", ".join(name for name in _MASKS if name in settings))
    if masks:
        cards.append(("MASKS", escape(str(masks)), "what was masked"))
    for entry in steps:
        text = escape(" ".join(step_words(entry).split()))
        cards += [("HISTORY", line) for line in textwrap.wrap(text, WIDTH, subsequent_indent="    ")]
    return [fits.Card(*card) for card in cards]


def done_meta(header: fits.Header) -> dict[str, Any]:
    """The entries of a map's meta that `done_cards` wrote.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`

    Returns
    -------
    meta : dict
        Each step of ``history`` has its name and, as ``text``, what the header says of it.
    """
    meta: dict[str, Any] = {}
    steps: list[str] = []
    for card, key in (("REDSHIFT", "redshift"), ("EBV", "ebv")):
        if isinstance(header.get(card), float | int):
            meta[key] = float(header[card])
    if isinstance(header.get("DISTMPC"), float | int):
        meta["distance"] = float(header["DISTMPC"]) * u.Mpc
    for card, key in (("BACKGRND", "background"), ("MASKS", "masks")):
        if isinstance(header.get(card), str):
            meta[key] = unescape(header[card])
    for line in header.get("HISTORY", ()):
        if line.startswith(" ") and steps:
            steps[-1] += f" {line.strip()}"
        else:
            steps.append(line.strip())
    if steps:
        meta["history"] = [_step(unescape(text)) for text in steps]
    return meta


def _step(text):
    name, _, rest = text.partition(": ")
    return {"step": name, "settings": {}, "measured": {}, "text": rest}
