"""What was done to an image, step by step, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def step_words(entry: Mapping[str, Any], *, settings: bool = True) -> str:
    """One step in one line.

    Parameters
    ----------
    entry : dict
        With ``step`` (its name), ``settings`` (what was asked for) and ``measured`` (what was found), as
        `euclid_resolved.imaging.history` gives it; or with ``text``, as it was read from FITS.
    settings : bool, optional
        Say the settings even where something was measured.

    Returns
    -------
    text : str

    Examples
    --------
    >>> from euclid_resolved.images._history import step_words
    >>> step_words({"step": "crop", "settings": {"size": 40}, "measured": {"level": {"HE": 0.12345}}})
    'crop: size 40, level (HE 0.1235)'
    """
    asked, found = entry.get("settings") or {}, entry.get("measured") or {}
    words = entry.get("text") or _words({**asked, **found} if settings else found or asked)
    return f"{entry.get('step', '')}: {words}" if words else str(entry.get("step", ""))


def _words(values):
    def word(value):
        if isinstance(value, dict):
            return f"({_words(value)})"
        if isinstance(value, list):
            return " ".join(map(word, value))
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return ", ".join(f"{key} {word(value)}" for key, value in values.items() if value is not None)
