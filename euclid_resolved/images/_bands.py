"""The bands by name: the built-in ones and those that plugins bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import astropy.units as u

from euclid_resolved.errors import InputError
from euclid_resolved.images._band import Band, all_names, filter_names, plain
from euclid_resolved.images._euclid import EUCLID
from euclid_resolved.images._ground import DECAM, HSC, MEGACAM, PANSTARRS
from euclid_resolved.images._rubin import LSST

__all__ = ["BANDS", "EUCLID_BANDS", "SURFACE_BRIGHTNESS"]

SURFACE_BRIGHTNESS = u.MJy / u.sr
"""The unit of surface brightness inside the package."""

INSTRUMENTS = {
    "euclid": EUCLID,
    "megacam": MEGACAM,
    "hsc": HSC,
    "panstarrs": PANSTARRS,
    "decam": DECAM,
    "lsst": LSST,
}
"""The built-in instruments, each with its bands from blue to red."""

EUCLID_BANDS = tuple(band.name for band in EUCLID)
"""The names of the Euclid bands, from blue to red: the bands of the paper."""


class _Bands(Mapping[str, Band]):
    """Bands by name. What is built in is there at once; plugins are loaded when something else is wanted."""

    def __init__(self, builtin: Iterable[Band]) -> None:
        self._builtin = {band.name: band for band in builtin}

    def _all(self) -> dict[str, Band]:
        from euclid_resolved.plugins._registry import available

        bands = (band for instrument in available("instruments").values() for band in instrument)
        return self._builtin | {band.name: band for band in bands}

    def __getitem__(self, name: str) -> Band:
        if name in self._builtin:
            return self._builtin[name]
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return f"<bands {', '.join(self)}>"

    def called(self, name: str) -> Band | None:
        """The band of any name."""
        for band in self._builtin.values():
            if name in all_names(band):
                return band
        return next((band for band in self._all().values() if name in all_names(band)), None)


BANDS: Mapping[str, Band] = _Bands(band for bands in INSTRUMENTS.values() for band in bands)
"""Every known band by name, built in or brought by a plugin, instrument by instrument from blue to red."""


def band_name(text: str, among: Iterable[str] | None = None) -> str:
    """The name of a band from any of its usual names.

    Parameters
    ----------
    text : str
        For example ``"VIS"``, ``"NIR_Y"``, ``"NIR-Y"``, ``"Euclid_H"``, ``"DES_G"`` or ``"g_DECam"``; case
        does not matter.
    among : iterable of str, optional
        The names of the bands that there are. The filter alone, ``"g"``, is understood where one of these has
        it.

    Returns
    -------
    name : str
        A key of `~euclid_resolved.BANDS`, or `text` unchanged where it names none of them.

    Raises
    ------
    InputError
        If several of the bands that there are have this filter.

    Examples
    --------
    >>> from euclid_resolved.images._bands import band_name
    >>> band_name("VIS"), band_name("NIR_H"), band_name("DES_G"), band_name("g")
    ('IE', 'HE', 'DECAM_g', 'g')
    >>> band_name("g", ["IE", "HSC_g"])
    'HSC_g'
    >>> band_name("g", ["DECAM_g", "HSC_g"])
    Traceback (most recent call last):
        ...
    euclid_resolved.errors.InputError: the band 'g' may be DECAM_g or HSC_g: say which
    """
    name = plain(text)
    found = BANDS.called(name)  # type: ignore[attr-defined]
    if found is not None:
        return str(found.name)
    there = [] if among is None else list(among)
    if text.strip() in there:
        return text.strip()
    matching = [band for band in there if band in BANDS and name in filter_names(BANDS[band])]
    if len(matching) > 1:
        raise InputError(f"the band {text.strip()!r} may be {' or '.join(matching)}: say which")
    return matching[0] if matching else text.strip()
