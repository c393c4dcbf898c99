"""Images of one field in several bands on one pixel grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, overload

import astropy.units as u
import numpy as np
from astropy.nddata import NDData

from euclid_resolved._checks import check_names, did_you_mean
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS, band_name
from euclid_resolved.images._grid import (
    Described,
    check_nddata,
    check_slices,
    corner_offset,
    describe_centre,
    native_float32,
    slice_wcs,
)

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from matplotlib.figure import Figure

__all__ = ["MultiBandImage"]


class MultiBandImage(Described, Mapping[str, NDData]):
    """Images of one field in several bands on one pixel grid.

    A mapping from band name to `~astropy.nddata.NDData`. What does not fit together is refused here,
    so that everything that takes a `MultiBandImage` can rely on it. The arrays are not copied and
    never changed.

    Parameters
    ----------
    bands : mapping of str to `~astropy.nddata.NDData`
        One 2-D image a band, all of one shape, in a unit of surface brightness (convertible to
        MJy/sr). ``mask`` is True where a pixel is bad; ``uncertainty`` is one sigma. World coordinate
        systems must agree; either all bands have one or none.
    name : str, optional
        What the image shows.
    meta : dict, optional
        Anything else worth keeping, for example where the image came from. `pixel_scale`, the length
        or angle of a pixel's side, counts before the celestial WCS.
    tolerance : float, optional
        How far apart, in pixels, the world coordinate systems of two bands may put a corner.

    Raises
    ------
    InputError
        If there is no band, or shapes, units, masks, uncertainties or world coordinate systems do not
        fit together.

    Examples
    --------
    >>> import numpy as np, astropy.units as u
    >>> from astropy.nddata import NDData
    >>> from euclid_resolved import MultiBandImage
    >>> flat = NDData(np.ones((3, 4), dtype="f4"), unit=u.MJy / u.sr)
    >>> MultiBandImage({"IE": flat, "HE": flat}, name="flat")
    <MultiBandImage flat; bands IE, HE; shape (3, 4); unit MJy / sr; masked 0.0 %>
    """

    def __init__(
        self,
        bands: Mapping[str, NDData],
        *,
        name: str = "",
        meta: Mapping[str, Any] | None = None,
        tolerance: float = 0.1,
    ) -> None:
        if not isinstance(bands, Mapping):
            raise InputError(f"bands must be a mapping of band name to NDData, got {type(bands).__name__}")
        if not bands:
            raise InputError("an image needs at least one band")
        for band, nddata in bands.items():
            if not isinstance(nddata, NDData):
                raise InputError(f"band {band}: NDData is needed, got {type(nddata).__name__}")
            check_nddata(f"band {band}", nddata)
            if nddata.unit is None or not nddata.unit.is_equivalent(SURFACE_BRIGHTNESS):
                raise InputError(
                    f"band {band}: unit {nddata.unit or 'missing'} is no surface brightness (MJy/sr); for "
                    "counts use read_euclid with zero_point, for a flux per pixel divide by its solid angle"
                )
            if not isinstance(nddata.unit, u.UnitBase):
                raise InputError(f"band {band}: {nddata.unit} is logarithmic; convert it to MJy/sr first")
        self._bands = dict(bands)
        self.name = str(name)
        self.meta = dict(meta or {})
        self._check_common_grid(tolerance)

    def _check_common_grid(self, tolerance):
        first, reference = next(iter(self._bands.items()))
        for band, nddata in self._bands.items():
            if nddata.data.shape != reference.data.shape:
                raise InputError(
                    f"bands {first} {reference.data.shape} and {band} {nddata.data.shape} differ in shape; "
                    "put them on one grid first (align, or the reproject package)"
                )
            if (nddata.wcs is None) != (reference.wcs is None):
                without = band if nddata.wcs is None else first
                raise InputError(f"band {without} has no WCS, others have one")
            if nddata.wcs is not None and nddata is not reference:
                offset = corner_offset(reference.wcs, nddata.wcs, reference.data.shape)
                if not offset <= tolerance:
                    raise InputError(
                        f"the WCS of bands {first} and {band} are {offset:.2f} pixels apart (at most "
                        f"{tolerance} allowed); put them on one grid first (align=True)"
                    )

    @overload
    def __getitem__(self, key: str) -> NDData: ...

    @overload
    def __getitem__(self, key: slice | tuple[slice, ...]) -> MultiBandImage: ...

    def __getitem__(self, key: str | slice | tuple[slice, ...]) -> NDData | MultiBandImage:
        if not isinstance(key, str):
            return self._cutout(key)
        try:
            return self._bands[key]
        except KeyError:
            raise KeyError(f"no band {key!r}; the image has {', '.join(self._bands)}") from None

    def _cutout(self, item):
        item = check_slices(item, self.shape)
        bands = {}
        for band, nd in self._bands.items():
            mask = nd.mask if nd.mask is None or np.ndim(nd.mask) == 0 else nd.mask[item]
            error = nd.uncertainty
            error = error if error is None or np.ndim(error.array) == 0 else error[item]
            wcs = slice_wcs(nd.wcs, item)
            parts = {"mask": mask, "uncertainty": error, "wcs": wcs}
            bands[band] = NDData(nd.data[item], unit=nd.unit, meta=nd.meta, **parts)
        # Planes that came with the image, such as the reasons of its mask, are cut with it.
        meta = {
            key: value[item] if isinstance(value, np.ndarray) and value.shape == self.shape else value
            for key, value in self.meta.items()
        }
        return MultiBandImage(bands, name=self.name, meta=meta)

    def __iter__(self) -> Iterator[str]:
        return iter(self._bands)

    def __len__(self) -> int:
        return len(self._bands)

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the bands, in order."""
        return tuple(self._bands)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of every band."""
        return next(iter(self._bands.values())).data.shape

    @property
    def wcs(self) -> WCS | None:
        """The WCS of the first band, which the others share; None where there is none."""
        return next(iter(self._bands.values())).wcs

    def select(self, bands: Iterable[str]) -> MultiBandImage:
        """The same image with only these bands, in this order.

        Parameters
        ----------
        bands : sequence of str
            By any of their names: ``"VIS"`` is IE.

        Returns
        -------
        image : `MultiBandImage`

        Raises
        ------
        InputError
            If a band is missing or named twice.
        """
        bands = [band if band in self._bands else band_name(band) for band in check_names(bands, "bands")]
        missing = [band for band in bands if band not in self._bands]
        if missing:
            hint = did_you_mean(missing[0], self._bands)
            raise InputError(f"no band {', '.join(missing)}; the image has {', '.join(self._bands)}{hint}")
        if len(set(bands)) != len(bands):
            raise InputError(f"a band is named twice: {', '.join(bands)}")
        return MultiBandImage({band: self._bands[band] for band in bands}, name=self.name, meta=self.meta)

    def brightness(self, band: str) -> np.ndarray:
        """The surface brightness in one band as a plain array.

        Parameters
        ----------
        band : str

        Returns
        -------
        brightness : `~numpy.ndarray`
            float32, in MJy/sr. Masked pixels are as they are in the data.
        """
        nddata = self[band]
        data = native_float32(nddata.data)
        factor = nddata.unit.to(SURFACE_BRIGHTNESS)
        return data if factor == 1 else data * np.float32(factor)

    def mask(self, band: str | None = None) -> np.ndarray:
        """Where a pixel is bad.

        Parameters
        ----------
        band : str, optional
            One band; without it, bad in any of them.

        Returns
        -------
        mask : `~numpy.ndarray` of bool
            A new array, True where bad.
        """
        result = np.zeros(self.shape, dtype=bool)
        for name in (band,) if band else self._bands:
            if self[name].mask is not None:
                result |= np.asarray(self[name].mask, dtype=bool)
        return result

    def plot(self, **kwargs: Any) -> Figure:
        """Draw every band beside the others; see `euclid_resolved.plotting.plot_image`."""
        from euclid_resolved.plotting._maps import plot_image

        return plot_image(self, **kwargs)

    def _rows(self):
        units = list(dict.fromkeys(str(nddata.unit) for nddata in self._bands.values()))
        return [
            ("", self.name),
            ("bands", ", ".join(self._bands)),
            ("shape", str(self.shape)),
            ("unit", ", ".join(units)),
            ("", describe_centre(self.wcs, self.shape)),
            ("masked", f"{100 * self.mask().mean():.1f} %"),
        ]
