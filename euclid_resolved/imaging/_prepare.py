"""The whole preparation in one call, in the order that makes sense."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import astropy.units as u

from euclid_resolved.errors import InputError
from euclid_resolved.images._history import step_words
from euclid_resolved.imaging._automatic import (
    mask_all_others,
    match_if_known,
    steps_needed,
    subtract_if_there,
)
from euclid_resolved.imaging._background import subtract_background
from euclid_resolved.imaging._binning import bin_voronoi
from euclid_resolved.imaging._compact import mask_compact
from euclid_resolved.imaging._distance import set_distance
from euclid_resolved.imaging._extinction import correct_extinction
from euclid_resolved.imaging._masking import mask_neighbours, mask_saturated
from euclid_resolved.imaging._psf import match_psf as match
from euclid_resolved.imaging._resample import resample
from euclid_resolved.imaging._steps import history

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from euclid_resolved.images._image import MultiBandImage

__all__ = ["describe_history", "prepare"]


def prepare(
    image: MultiBandImage,
    *,
    target: SkyCoord | Sequence[float] | None = None,
    auto: bool = False,
    background: str | bool | None = None,
    mask_stars: bool | str | None = None,
    match_psf: bool | str | None = None,
    ebv: float | None = None,
    sfd: bool = False,
    redshift: float | None = None,
    distance: u.Quantity | None = None,
    scale: u.Quantity | float | None = None,
    signal_to_noise: float | None = None,
) -> MultiBandImage:
    """Prepare an image for a model; every step is done only if it is asked for, or needed with `auto`.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`
    target : `~astropy.coordinates.SkyCoord` or (x, y), optional
        The galaxy; the source at the centre without it.
    auto : bool, optional
        Do to an image of the sky, which has a celestial WCS or pixels of an angle, what it needs of the three
        steps below, unless it was done before or is said otherwise here: the sky is subtracted where its
        level differs from zero by three sigma and does not fall with distance from the target, as the light
        of a galaxy would; saturated cores, compact sources and sources that do not touch the target are
        masked; bands are brought to one PSF where all bring theirs. Where one does not, a warning says so
        and `~euclid_resolved.Quality` UNMATCHED_PSF marks the pixels of which a colour is false by more than
        0.1 mag. Other images, such as those of an atlas, are left as they are.
    background : str or False, optional
        ``"constant"`` or ``"mesh"``: subtract the sky, see `subtract_background`. False: do not.
    mask_stars : bool or "compact", optional
        Mask saturated cores and every source but the target; or compact sources only, see `mask_compact`.
    match_psf : bool or "gaussian", optional
        Bring all bands to one PSF; with Gaussians of typical width where there are no PSFs.
    ebv : float, optional
        Galactic E(B-V); `sfd` says that it is from the SFD maps.
    redshift, distance : optional
        See `set_distance`.
    scale : `~astropy.units.Quantity`, optional
        The side of the pixels wanted, see `resample`.
    signal_to_noise : float, optional
        See `bin_voronoi`.

    Returns
    -------
    image : `~euclid_resolved.MultiBandImage`
        What was done is in ``meta["history"]``.

    Examples
    --------
    >>> import astropy.units as u
    >>> from euclid_resolved.imaging import describe_history, prepare
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = example_galaxies(1, side=32)[0].image
    >>> image.meta["pixel_scale"] = 0.1 * u.arcsec
    >>> image = prepare(image, ebv=0.02, distance=20 * u.Mpc, scale=20 * u.pc)
    >>> image.shape
    (15, 15)
    >>> [line.split(":")[0].split(" ")[0] for line in describe_history(image)]
    ['extinction', 'distance', 'resample']
    """
    if sfd and ebv is None:
        raise InputError("sfd=True says where E(B-V) is from: give ebv=, too (--ebv)")
    # A position in pixels moves with the pixels, one on the sky does not; all that needs it comes first.
    needed = steps_needed(image) if auto else frozenset()
    if isinstance(background, str):
        image = subtract_background(image, background)
    elif background is None and "background" in needed:
        image = subtract_if_there(image, target)
    elif background:
        raise InputError('background is "constant", "mesh" or False, not True')
    if isinstance(mask_stars, str):
        if mask_stars != "compact":
            raise InputError(f"mask_stars is True, False or 'compact', got {mask_stars!r}")
        image = mask_compact(image, target)
    elif mask_stars:
        image = mask_neighbours(mask_saturated(image), target)
    elif mask_stars is None and "stars" in needed:
        image = mask_all_others(image, target)
    if match_psf:
        image = match(image, psf=match_psf if isinstance(match_psf, str) else None)
    elif match_psf is None and "psf" in needed:
        image = match_if_known(image)
    if ebv is not None:
        image = correct_extinction(image, ebv, sfd=sfd)
    if redshift is not None or distance is not None:
        image = set_distance(image, redshift=redshift, distance=distance)
    if scale is not None:
        image = resample(image, u.Quantity(scale))
    if signal_to_noise is not None:
        image = bin_voronoi(image, signal_to_noise)
    return image


def describe_history(image: MultiBandImage) -> list[str]:
    """What was done to an image, a text a step.

    Parameters
    ----------
    image : `~euclid_resolved.MultiBandImage`

    Returns
    -------
    steps : list of str
        Each to be printed as it is: in lines of at most 100 characters, all but the first indented.

    Examples
    --------
    >>> from euclid_resolved.imaging import crop, describe_history
    >>> from euclid_resolved.testing import example_galaxies
    >>> image = crop(example_galaxies(1, side=32)[0].image, (10, 12), 8)
    >>> for step in describe_history(image):
    ...     print(step)
    crop: x 10, y 12, size 8
    """
    texts = [step_words(entry, settings=False) for entry in history(image)]
    return [textwrap.fill(text, 100, subsequent_indent="    ", break_on_hyphens=False) for text in texts]
