"""Which extension of a file is which: the image of a band, and the maps that belong to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from euclid_resolved.errors import DataWarning, ImageFileError
from euclid_resolved.io._fits_read import is_plane, list_extensions, open_fits, plane_shape, read_plane
from euclid_resolved.io.euclid._calibration import noise_scale
from euclid_resolved.io.euclid._names import IMAGE, NOISE, companions, is_image, name_parts

if TYPE_CHECKING:
    from astropy.io import fits
    from numpy.typing import DTypeLike

    from euclid_resolved.io._fits_read import ImageExtension
    from euclid_resolved.io.euclid._calibration import Calibration, NoiseScale


def choose(path: str | Path, hdus: fits.HDUList, kinds: Sequence[str] = (IMAGE,)) -> ImageExtension:
    """The science image, or the map of one of some kinds, where there is no doubt which it is."""
    images = [hdu for hdu in hdus if is_plane(hdu)]
    if IMAGE in kinds:
        images = [hdu for hdu in images if is_image(hdu)]
    named = [hdu for hdu in images if (part := name_parts(hdu.name)) is not None and part.kind in kinds]
    found = images if len(images) == 1 else named
    if len(found) != 1:
        what = "image" if IMAGE in kinds else f"{kinds[0]} map"
        what = f"nothing tells which extension holds the {what}; it has {list_extensions(hdus)}"
        raise ImageFileError(path, what, "give hdu= or --hdu" if IMAGE in kinds else "")
    return found[0]


def headers_of(hdus: fits.HDUList, image: ImageExtension) -> list[fits.Header]:
    """The header of an image, and those of extensions without data beside it: keywords sit in either."""
    return [image.header, *(h.header for h in hdus[:2] if h is not image and h.is_image and not h.shape)]


@dataclass(frozen=True)
class Companion:
    """The map of a kind that belongs to an image, in a file that is open."""

    path: str | Path
    hdu: ImageExtension
    kind: str
    headers: list[fits.Header]

    def read(self, shape: tuple[int, ...] | None = None, dtype: DTypeLike | None = np.float32) -> np.ndarray:
        """Its pixels, refused if they have another shape than the image."""
        plane = read_plane(self.path, self.hdu, dtype)
        self.check(shape or plane.shape)
        return plane

    def check(self, shape: Sequence[int]) -> None:
        """Refuse a map of another shape than the image."""
        own = plane_shape(self.path, self.hdu)
        if own != tuple(shape):
            what = f"the {self.kind} map has shape {own}, the image {tuple(shape)}"
            raise ImageFileError(self.path, what)

    def noise_scale(self, band: str, calibration: Calibration) -> NoiseScale:
        """What its values mean, if it is a map of noise."""
        return noise_scale(self.path, band, self.kind, self.headers, calibration)


@contextmanager
def found_companion(
    path: str | Path,
    hdus: fits.HDUList,
    image: ImageExtension,
    band: str,
    kinds: Sequence[str],
    others: Mapping[str, str | Path],
    opening: Callable[[str | Path], AbstractContextManager[fits.HDUList]] = open_fits,
) -> Iterator[Companion | None]:
    """The `Companion` of one of some kinds: from a file of its own, else an extension, else None."""
    kind = next((kind for kind in kinds if kind in others), None)
    if kind is not None:
        with opening(others[kind]) as opened:
            named = [(hdu, part) for hdu in opened if (part := name_parts(hdu.name)) is not None]
            own = [hdu for hdu, part in named if part.kind in kinds and part.of.upper() == band.upper()]
            hdu = own[0] if len(own) == 1 else choose(others[kind], opened, (kind, *kinds))
            part = name_parts(hdu.name)
            kind = part.kind if part is not None and part.kind in kinds else kind
            yield Companion(others[kind], hdu, kind, headers_of(opened, hdu))
        return
    found = companions(hdus, image, band)
    kind = next((kind for kind in kinds if kind in found), None)
    # Not the headers beside it: they are about the image.
    yield None if kind is None else Companion(path, found[kind], kind, [found[kind].header])


def unused(hdus: fits.HDUList, images: Mapping[str, ImageExtension]) -> list[str]:
    """The noise maps of a file that belong to none of its images; those that were read are given by band."""
    bands = {id(hdu): band for band, hdu in images.items()}
    found = [companions(hdus, hdu, bands.get(id(hdu), "")) for hdu in hdus if is_image(hdu)]
    used = {id(hdu) for each in found for hdu in each.values()}
    return [
        hdu.name
        for hdu in hdus
        if hdu.is_image and id(hdu) not in used
        and (part := name_parts(hdu.name)) is not None and part.kind in NOISE
    ]  # fmt: skip


def warn_of_unused(path: str | Path, names: Sequence[str], without: Sequence[str]) -> None:
    """Say that bands have no noise though there are noise maps, by name, that nothing ties to them."""
    if without and names:
        what = f"{path}: {', '.join(names)} belongs to no band, and {', '.join(without)} has no noise"
        warnings.warn(f"{what}; call it after the band, as VIS_RMS", DataWarning, stacklevel=4)
