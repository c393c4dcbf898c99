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
        self._names = _index(self._builtin.values())

    def _others(self) -> dict[str, Band]:
        from euclid_resolved.plugins._registry import of_plugins

        return {band.name: band for bands in of_plugins("instruments").values() for band in bands}

    def __getitem__(self, name: str) -> Band:
        return self._builtin[name] if name in self._builtin else self._others()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._builtin | self._others())

    def __len__(self) -> int:
        return len(self._builtin | self._others())

    def __repr__(self) -> str:
        return f"<bands {', '.join(self)}>"

    def called(self, name: str) -> Band | None:
        """The band that has a name, whichever of its names it is; `name` as `plain` gives it."""
        return self._names.get(name) or _index(self._others().values()).get(name)


def _index(bands):
    return {name: band for band in bands for name in all_names(band)}


_BANDS = _Bands(band for bands in INSTRUMENTS.values() for band in bands)
BANDS: Mapping[str, Band] = _BANDS
"""Every known band by name, built in or brought by a plugin, instrument by instrument from blue to red."""


def band_name(text: str, among: Iterable[str] = ()) -> str:
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
    >>> try:
    ...     band_name("g", ["DECAM_g", "HSC_g"])
    ... except ValueError as error:
    ...     print(error)
    the band 'g' may be DECAM_g or HSC_g: say which
    """
    text = text.strip()
    there = list(among)
    if text in there or not text:
        return text
    name = plain(text)
    found = _BANDS.called(name)
    if found is not None:
        return found.name
    matching = [band for band in there if band in BANDS and name in filter_names(BANDS[band])]
    if len(matching) > 1:
        raise InputError(f"the band {text!r} may be {' or '.join(matching)}: say which")
    return matching[0] if matching else text


def band_names(texts: str | Iterable[str], among: Iterable[str] = ()) -> list[str]:
    """The names of several bands, each from any of its usual names.

    Parameters
    ----------
    texts : str or iterable of str
    among : iterable of str, optional
        As for `band_name`.

    Returns
    -------
    names : list of str

    Raises
    ------
    InputError
        If there is none, two are one band, or one may be several.

    Examples
    --------
    >>> from euclid_resolved.images._bands import band_names
    >>> band_names(["g", "VIS"], among=["IE", "HSC_g"])
    ['HSC_g', 'IE']
    """
    texts, there = [str(text) for text in ([texts] if isinstance(texts, str) else texts)], list(among)
    names = [band_name(text, there) for text in texts]
    if not names:
        raise InputError("no band is given")
    for name in names:
        if names.count(name) > 1:
            twice = [text for text, other in zip(texts, names, strict=True) if other == name]
            raise InputError(f"band {name} is given {len(twice)} times: {', '.join(twice)}")
    return names


def known_bands(names: Iterable[str]) -> list[str]:
    """Those of some names that are known bands, from blue to red.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    known : list of str

    Examples
    --------
    >>> from euclid_resolved.images._bands import known_bands
    >>> known_bands(["HE", "HSC_g", "chart", "IE"])
    ['HSC_g', 'IE', 'HE']
    """
    known = {name: BANDS[name] for name in names if name in BANDS}
    return sorted(known, key=lambda name: known[name].pivot.to_value(u.AA))
