"""Map an image that is larger than the memory, such as a whole Euclid tile, strip by strip."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from astropy.nddata import NDData, StdDevUncertainty

from euclid_resolved._checks import check_whole
from euclid_resolved.citation import __version__
from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.images._bands import SURFACE_BRIGHTNESS
from euclid_resolved.images._image import MultiBandImage
from euclid_resolved.images._pixels import pixel_scale
from euclid_resolved.imaging._psf import Matching
from euclid_resolved.io._files import check_target, put_in_place
from euclid_resolved.io._fingerprint import fingerprint_files
from euclid_resolved.io._fits import share_cards
from euclid_resolved.io._fits_budget import cards_of_pieces
from euclid_resolved.io._fits_strips import StripFile, planes_of
from euclid_resolved.io._fits_sums import datasum
from euclid_resolved.io._fits_tiles import check_compression, pack_file
from euclid_resolved.io._lacking import bands_for
from euclid_resolved.io._leftovers import fitting_name
from euclid_resolved.io._lock import check_apart, hold
from euclid_resolved.io._wcs import wcs_to_header
from euclid_resolved.io.euclid._strips import open_large
from euclid_resolved.maps._budget import budget_counts
from euclid_resolved.maps._shares import flag_counts
from euclid_resolved.maps._spatial_map import Quality
from euclid_resolved.models._clip import MIN_SN
from euclid_resolved.models._intervals import LEVELS
from euclid_resolved.models._options import check_options
from euclid_resolved.models._provenance import plugins_here
from euclid_resolved.survey._journal import Journal

if TYPE_CHECKING:
    from euclid_resolved.io.euclid._strips import LargeImage
    from euclid_resolved.maps._spatial_map import SpatialMap
    from euclid_resolved.models._model import Model

__all__ = ["predict_tile"]


IN_MEMORY = 2**21  # pixels that are read, worked on and waiting at one time; 250 bytes each


@dataclass(frozen=True)
class PixelCount:
    """How many pixels maps have, and what their quality plane says of them.

    Attributes
    ----------
    pixels : int
    judged : int
        Those with a value.
    extrapolated : int
        Those with a value that is flagged OUT_OF_DOMAIN.
    bits : dict of str to int
        How many pixels have each bit of `~euclid_resolved.Quality` as the first of their flags, by its name;
        bits of none are left out.

    Examples
    --------
    >>> from euclid_resolved.survey._tile import PixelCount
    >>> PixelCount(10, 4, 1, {"NOISE": 6}) + PixelCount(5, 0, 0, {"MASKED": 5})
    PixelCount(pixels=15, judged=4, extrapolated=1, bits={'NOISE': 6, 'MASKED': 5})
    """

    pixels: int = 0
    judged: int = 0
    extrapolated: int = 0
    bits: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: PixelCount) -> PixelCount:
        return PixelCount(
            self.pixels + other.pixels,
            self.judged + other.judged,
            self.extrapolated + other.extrapolated,
            dict(Counter(self.bits) + Counter(other.bits)),
        )


def count_pixels(maps: Mapping[str, SpatialMap]) -> PixelCount:
    """Count the pixels of maps of one image.

    Parameters
    ----------
    maps : dict of str to `~euclid_resolved.SpatialMap`

    Returns
    -------
    count : `PixelCount`

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> from euclid_resolved.survey._tile import count_pixels
    >>> galaxies = example_galaxies(6)
    >>> model = train(galaxies[:5], "stellar_age", LinearRegression())
    >>> count_pixels(model.predict_maps(galaxies[5].image)).pixels
    256
    """
    first = next(iter(maps.values()))
    judged = ~np.asarray(first.mask)
    return PixelCount(
        judged.size,
        int(judged.sum()),
        int((first.quality[judged] & Quality.OUT_OF_DOMAIN != 0).sum()),
        flag_counts(first.quality),
    )


def predict_tile(
    model: Model,
    source: str | Path | Mapping[str, str | Path] | Sequence[str],
    output: str | Path,
    *,
    properties: Sequence[str] | None = None,
    rows: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
    level: float = LEVELS[0],
    min_sn: float | None = MIN_SN,
    draws: int = 0,
    seed: int = 1,
    n_jobs: int = -1,
    zero_point: float | Mapping[str, float] | None = None,
    flag_bits: int | None = None,
    match_psf: bool | None = None,
    ebv: float | None = None,
    sfd: bool = False,
    compress: Literal["lossless"] | float | None = None,
) -> PixelCount:
    """Map an image on disk strip by strip, into one FITS file.

    The file is the one that `euclid_resolved.write` makes of ``model.predict_maps(read_euclid(source))``,
    with PSFs matched where the image brings them, but neither image nor maps are ever in memory as a whole.
    What has to be found out from a whole field is not done: the sky is left in, and stars are not looked for,
    so that there is mass where they are. While it grows it is called ``NAME.fits.part``, beside a journal of
    what is done, ``NAME.fits.part.json``; after an interrupt the same call goes on from there.

    Parameters
    ----------
    model : `~euclid_resolved.Model`
    source : path-like, mapping or list of str
        As for `euclid_resolved.read_euclid`. Checksums, which need the whole file, are not verified.
    output : path-like
        Ends in ``.fits``.
    properties : sequence of str, optional
        All that the model estimates without it.
    rows : int, optional
        Of a strip. Memory grows with it, the result does not depend on it. A file that was left unfinished
        goes on in the strips that it was begun in.
    overwrite : bool, optional
        Replace a file of that name, or one that another call left unfinished.
    progress : bool, optional
        Show a progress bar on a terminal.
    level, min_sn, draws, seed
        As for `euclid_resolved.Model.predict_maps`.
    n_jobs : int, optional
        Strips at a time; -1 for one a core.
    zero_point, flag_bits
        As for `euclid_resolved.read_euclid`.
    match_psf : bool, optional
        Bring all bands to one PSF (`euclid_resolved.imaging.match_psf`). Without it an image of the sky is
        matched where each band brings its PSF; of a MER tile that at its middle is taken for all of it. Each
        strip is read with as many rows more as the kernels look at; the result differs from that of the whole
        image by rounding only.
    ebv, sfd
        As for `euclid_resolved.imaging.correct_extinction`: one value for all of the image.
    compress : {None, "lossless"} or float, optional
        As for `euclid_resolved.write`. Strips are compressed when all of them are there, so that the disk
        needs room for both files.

    Returns
    -------
    count : PixelCount
        How many ``pixels`` there are, how many were ``judged``, how many of these are ``extrapolated``, and
        in ``bits`` how many carry each bit of `~euclid_resolved.Quality`.

    Raises
    ------
    InputError
        If the file exists, is one of the image's own or is being written by another job, the disk has no room
        for it, or an unfinished one is of another model, image or options.
    ImageFileError
        If the image cannot be read.

    Examples
    --------
    >>> from euclid_resolved import LinearRegression, make_atlas, predict_tile, read, train
    >>> from euclid_resolved.testing import example_galaxies
    >>> model = train(example_galaxies(6), "stellar_age", LinearRegression())
    >>> folder = make_atlas("atlas", 1, pixels=16)
    >>> names = {"IE": "VIS", "YE": "Y", "JE": "J", "HE": "H"}
    >>> files = {band: folder / f"TNG000001_O5_Euclid_{name}.fits" for band, name in names.items()}
    >>> count = predict_tile(model, files, "maps.fits", rows=4)
    >>> count.pixels, read("maps.fits")["stellar_age"].shape
    (256, (16, 16))
    """
    path = Path(output)
    if not path.name.lower().endswith(".fits"):
        raise InputError(f"{path}: maps are written strip by strip into a file that ends in .fits only")
    check_options(draws, seed, level, min_sn)
    check_compression(compress)
    if rows is not None:
        check_whole("rows", rows)
    if sfd and ebv is None:
        raise InputError("sfd=True says where E(B-V) is from: give ebv=, too (--ebv)")
    target = check_target(path, overwrite)
    part = target.with_name(fitting_name(target.name, ".part"))
    options = {"level": level, "min_sn": min_sn, "draws": draws, "seed": seed, "properties": properties}
    workers = (os.cpu_count() or 1) if n_jobs < 0 else max(n_jobs, 1)
    reading: dict[str, Any] = {"zero_point": zero_point, "flag_bits": flag_bits}
    with (
        hold(path),
        open_large(source, bands_for(model, source), **reading) as image,
        warnings.catch_warnings(),
    ):
        check_apart((path, part, Journal.beside(part)), image.files)
        # A strip without a galaxy is nothing to speak of.
        warnings.filterwarnings("ignore", "no pixel of .* can be estimated", DataWarning)
        matching = Matching.of(image.row) if matches(image, match_psf) else None
        work = _Work(model, image, options, None if ebv is None else {"ebv": ebv, "sfd": sfd}, matching)
        file = StripFile.like(part, work.empty(), image.shape)
        journal = Journal.open(part, work.identity(reading), overwrite)
        if not journal.strips:
            rows = _rows(rows, image.shape, workers, work.reach)
            journal = replace(journal, rows=rows)
            part.unlink(missing_ok=True)
        file.allocate()
        journal.keep()
        _fill(work, file, journal, workers, progress)
        count = sum((PixelCount(**strip["count"]) for strip in journal.strips.values()), PixelCount())
        sums = [strip["sums"] for strip in journal.strips.values()]
        file.finish(sums, share_cards(count.bits, count.pixels), _cards(journal.strips.values()))
        if compress is None:
            put_in_place(part, path, overwrite)
        else:
            pack_file(part, path, compress, overwrite)
            part.unlink()
        journal.path.unlink()
    if not count.judged:
        message = f"no pixel of {image.name or 'the image'} can be estimated: every map is empty"
        warnings.warn(message, DataWarning, stacklevel=2)
    return count


def matches(image: LargeImage, match_psf: bool | None) -> bool:
    """Whether the PSFs of an image are matched strip by strip: as was said, or as it can be."""
    if match_psf is not None:
        return bool(match_psf)
    sky = getattr(image.wcs, "has_celestial", False)
    return sky and len(image.row) > 1 and all("psf" in image.row[band].meta for band in image.row)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is done to every strip."""

    model: object
    image: object
    options: dict
    extinction: dict | None
    matching: Matching | None = None

    def identity(self, reading):
        """All that the result depends on, as JSON would give it back."""
        what = {
            "version": __version__,
            "model": self.model.digest,
            "plugins": plugins_here(self.model),
            "image": fingerprint_files(self.image.files),
            "shape": self.image.shape,
            "options": {**self.options, **reading, "extinction": self.extinction},
            "matching": self.matching and self.matching.settings,
        }
        return json.loads(json.dumps(what, default=dict))

    @cached_property
    def reach(self):
        """How many rows above and below a strip kernels and the model look at."""
        own = self.model.reach(pixel_scale(self.image.row))
        return own + (self.matching.reach if self.matching else 0)

    def read(self, start, stop):
        """The numbers of a strip and of the rows that it looks at, and how many of these there are."""
        first, last = max(start - self.reach, 0), min(stop + self.reach, self.image.shape[0])
        return self.image.read(first, last), (start - first, last - stop)

    def empty(self):
        """The maps of a single masked pixel: everything about the file but its pixels and their number."""
        wcs = None
        if self.image.wcs is not None:
            wcs = self.image.wcs.deepcopy()
            wcs_to_header(wcs, self.image.shape, self.image.name or "the image")  # while nothing is done yet
            wcs.array_shape = None
        planes = {}
        for band, nddata in self.image.row.items():
            error = None if nddata.uncertainty is None else StdDevUncertainty(np.full((1, 1), np.nan, "f4"))
            planes[band] = NDData(
                np.full((1, 1), np.nan, "f4"), unit=SURFACE_BRIGHTNESS, mask=np.ones((1, 1), bool), wcs=wcs,
                uncertainty=error, meta=nddata.meta,
            )  # fmt: skip
        image = self._prepared(MultiBandImage(planes, name=self.image.name))
        return self.model.predict_maps(image, **self.options)

    def __call__(self, start, numbers, halo):
        """The planes of a strip, and what its journal keeps."""
        image = self._prepared(self.image.strip(numbers))
        maps = self.model.predict_maps(image, first_row=start, halo=halo, **self.options)
        planes, count = planes_of(maps), count_pixels(maps)
        known = {name.upper(): map_.meta.get("shared_variance") for name, map_ in maps.items()}
        shared = {name: value for name, value in known.items() if value is not None and count.judged}
        return planes, {
            "sums": [datasum(plane) for plane in planes],
            "count": asdict(count),
            "shared": shared,
            "budget": {
                name.upper(): {"counts": budget_counts(map_), "calibrated": "interval" in map_.meta}
                for name, map_ in maps.items()
            },
        }

    def _prepared(self, image):
        if self.matching is not None:
            image = self.matching(image)
        if self.extinction is None:
            return image
        from euclid_resolved.imaging._extinction import correct_extinction

        return correct_extinction(image, **self.extinction)


def _cards(strips):
    """What the header of each map says of all its pixels: the largest shared variance, the error budget."""
    strips = list(strips)
    names = dict.fromkeys(name for strip in strips for name in strip["budget"])
    cards = {name: cards_of_pieces(strip["budget"][name] for strip in strips) for name in names}
    for name in names:
        known = [strip["shared"][name] for strip in strips if name in strip["shared"]]
        cards[name] |= {"SHAREVAR": max(known)} if known else {}
    return cards


def _rows(rows, shape, workers, reach):
    """The rows of a strip: what was asked for, or as many as memory is meant for, or as lie around it."""
    if rows is None:
        room = IN_MEMORY * 3 // 2 if reach else IN_MEMORY  # fewer rows are worked on twice
        return max(1, room // (workers + 1) // shape[1], reach)
    return int(rows)


def _fill(work, file, journal, workers, progress):
    """Do the strips that are not done: files are read and written here, pixels are worked on in threads."""
    from tqdm import tqdm

    height = file.shape[0]
    bar = tqdm(total=height, desc="mapping", unit="row", disable=None if progress else True)
    with bar, ThreadPoolExecutor(workers) as pool:
        waiting = deque()

        def finish():
            start, future = waiting.popleft()
            planes, entry = future.result()
            file.write(start, planes)
            journal.strips[start] = entry
            journal.keep()
            bar.update(min(journal.rows, height - start))

        try:
            for start in range(0, height, journal.rows):
                stop = min(start + journal.rows, height)
                done = journal.strips.pop(start, None)
                # What a journal says was written may never have reached the disk.
                if done is not None and file.sums(start, stop) == done["sums"]:
                    journal.strips[start] = done
                    bar.update(stop - start)
                    continue
                waiting.append((start, pool.submit(work, start, *work.read(start, stop))))
                if len(waiting) > workers:
                    finish()
            while waiting:
                finish()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
