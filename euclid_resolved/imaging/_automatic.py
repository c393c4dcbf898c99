"""What an image of the sky needs before it is mapped, found out from the image itself."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import astropy.units as u
import numpy as np

from euclid_resolved.errors import DataWarning, InputError
from euclid_resolved.images._pixels import pixel_scale, radius_in_pixels
from euclid_resolved.images._positions import position_in_pixels
from euclid_resolved.images._sources import noise_of, smooth
from euclid_resolved.imaging._background import measure_level, source_mask, subtract_background
from euclid_resolved.imaging._compact import (
    angular_scale,
    mask_compact,
    psf_width,
    width_is_known,
    widths_are_known,
)
from euclid_resolved.imaging._kernels import SIGMA_TO_FWHM
from euclid_resolved.imaging._masking import mask_neighbours, mask_saturated
from euclid_resolved.imaging._psf import match_psf
from euclid_resolved.imaging._steps import FLAGS, history, new_image, planes, record_of
from euclid_resolved.maps._spatial_map import Quality

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from euclid_resolved.images._image import MultiBandImage

    Target: TypeAlias = SkyCoord | Sequence[float] | None

SURE = 3.0  # sigma: a level of the sky, or a change with radius, that is larger is taken for real
FALSE_COLOUR = 0.1  # mag: a colour that bands of one sharpness would show by this much otherwise is flagged


def steps_needed(image: MultiBandImage) -> frozenset[str]:
    """Which of ``"background"``, ``"stars"`` and ``"psf"`` an image still needs.

    Nothing where it is no image of the sky, that is neither has a celestial WCS nor pixels of an angle; or
    where it was resampled or binned, since neither noise nor PSF are those of its pixels then.
    """
    sky = getattr(image.wcs, "has_celestial", False) or pixel_scale(image).unit.is_equivalent(u.arcsec)
    done = {entry.get("step") for entry in history(image)}
    if not sky or done & {"resample", "binning"}:
        return frozenset()
    needed = {"background", "stars", "psf"}
    needed -= {"background"} if done & {"background", "sky"} else set()
    # After matching, the PSF is no longer what the width of a star is held against.
    needed -= {"stars"} if done & {"compact", "neighbours", "psf"} else set()
    needed -= {"psf"} if done & {"psf", "psf_unmatched"} else set()
    return frozenset(needed)


def subtract_if_there(image: MultiBandImage, target: Target = None) -> MultiBandImage:
    """Subtract the sky if its level differs from zero, and is the sky's and not the galaxy's.

    The level (`subtract_background`) has to exceed three times its error in a band. What is left of the sky
    is halved by distance from the target: where the inner half is brighter by three sigma in a band, the
    galaxy reaches into it, and nothing is subtracted. Why nothing was is recorded as the step ``sky``.
    """
    try:
        result = subtract_background(image)
    except InputError as error:
        return _left(image, f"the sky cannot be measured ({_first(error)})")
    found = _measured(result, "background")
    if not any(abs(each["level"]) > SURE * each["level_error"] for each in found.values()):
        return _left(image, "the sky does not differ from zero", found)
    reaching = _reaching(image, target)
    if reaching:
        return _left(image, f"light of the galaxy reaches into it in {', '.join(reaching)}", found)
    return result


def _left(image, why, measured=None):
    return new_image(image, planes(image), "sky", {"subtracted": "no", "why": why}, measured)


def _first(error):
    return str(error).split(";")[0].split(" (")[0]


def _measured(image, step):
    record = record_of(image, step)
    return record["measured"] if record else {}


def _reaching(image, target):
    """The bands in which what was taken for sky is brighter near the target than far from it."""
    allowed = ~source_mask(image)
    radius = radius_in_pixels(image, *position_in_pixels(image, target))
    middle = np.median(radius[allowed])
    found = []
    for band, plane in planes(image).items():
        sky = allowed & plane.measured()
        near, far = (measure_level(plane.data, sky & half) for half in (radius < middle, radius >= middle))
        error = np.hypot(near["level_error"], far["level_error"])
        if near["level"] - far["level"] > SURE * error:
            found.append(band)
    return found


def mask_all_others(image: MultiBandImage, target: Target = None) -> MultiBandImage:
    """Mask saturated cores, compact sources, and the other sources where the galaxy does not fill the image.

    Sources that touch the galaxy are not taken off it, for a clumpy galaxy would be taken apart; compact ones
    on it are stars. Where the sky could not be told from the galaxy, neither can a neighbour.
    """
    image = mask_saturated(image)
    if widths_are_known(image):
        image = mask_compact(image, target)
    try:
        if not _measured(image, "background") and not _measured(image, "sky"):
            subtract_background(image)  # which refuses where the galaxy fills the image
        return mask_neighbours(image, target, deblend=False)
    except InputError:  # so it does; or there is no source at all
        return image


def match_if_known(image: MultiBandImage) -> MultiBandImage:
    """Bring all bands to one PSF where they have one; else flag the pixels whose colours are false."""
    if len(image) < 2:
        return image
    unknown = [band for band in image if image[band].meta.get("psf") is None]
    if not unknown:
        try:
            return match_psf(image)
        except InputError as error:
            return flag_unmatched(image, f"the PSFs cannot be matched: {_first(error)}")
    return flag_unmatched(image, f"the image brings no PSF for {', '.join(unknown)}")


def flag_unmatched(image: MultiBandImage, why: str) -> MultiBandImage:
    """Flag the pixels whose colours would be others if all bands were as blurred as the broadest.

    Each band is blurred by the Gaussian between its own PSF, measured or typical (`~euclid_resolved.BANDS`),
    and the broadest. Where a colour changes by more than 0.1 mag, and by more than three sigma of the noise,
    it is not that of the stars there. Bands whose width nobody knows are left out.
    """
    bands = planes(image)
    width = {band: psf_width(image, band) for band in bands if width_is_known(image, band)}
    broadest = max(width.values(), default=0.0)
    low, high = np.zeros(image.shape), np.zeros(image.shape)
    for band, own in width.items():
        sigma = np.sqrt(broadest**2 - own**2) / SIGMA_TO_FWHM
        if not sigma > 0:
            continue
        plane = bands[band]
        blurred, _ = smooth(plane.data, plane.good, sigma)
        noise = SURE * noise_of(plane.data, plane.good, plane.sigma)
        # A pixel, or its surroundings, that is hardly there is noise, whatever its colour.
        known = plane.good & (plane.data > noise) & (blurred > noise) & (np.abs(blurred - plane.data) > noise)
        change = np.zeros(image.shape)
        change[known] = -2.5 * np.log10(blurred[known] / plane.data[known])
        low, high = np.minimum(low, change), np.maximum(high, change)
    false = high - low > FALSE_COLOUR
    flags = np.asarray(image.meta.get(FLAGS, np.zeros(image.shape, np.int32)))
    flags = flags | np.where(false, Quality.UNMATCHED_PSF, 0).astype(np.int32)
    warnings.warn(
        f"{why}: the bands are left as sharp as they are, and {int(false.sum())} pixels whose colours are "
        "false for that are flagged UNMATCHED_PSF; match_psf='gaussian' (--match-psf gaussian) takes PSFs of "
        "typical width",
        DataWarning,
        stacklevel=4,
    )
    settings = {"why": why, "false_colour": FALSE_COLOUR}
    measured = {"flagged_fraction": float(false.mean()), "fwhm": width}
    return new_image(image, bands, "psf_unmatched", settings, measured, meta={FLAGS: flags})


def preparation_words(image: MultiBandImage) -> str:
    """What was done to an image before it is mapped, in one sentence; empty where nothing was.

    Examples
    --------
    >>> from euclid_resolved.imaging._automatic import preparation_words
    >>> from euclid_resolved.testing import example_galaxies
    >>> preparation_words(example_galaxies(1)[0].image)
    ''
    """
    said = [words for entry in history(image) if (words := _words(entry, image))]
    return "; ".join(said)


def _words(entry, image):
    measured, settings = entry.get("measured") or {}, entry.get("settings") or {}
    match entry.get("step"):
        case "background":
            levels = ", ".join(f"{band} {each['level']:.2g}" for band, each in measured.items())
            return f"sky subtracted ({levels} MJy/sr)"
        case "sky":
            return f"no sky subtracted: {settings['why']}"
        case "compact":
            return _number(measured["n_sources"], "star") + " masked"
        case "neighbours":
            return _number(measured["n_neighbours"], "neighbour") + " masked"
        case "saturated" if any(measured["core_pixels"].values()):
            return "saturated cores masked"
        case "psf":
            wide = measured[settings["to"]]["fwhm_matched"]
            scale = angular_scale(image)
            size = f"{wide:.1f} pixels" if scale is None else f"{wide * scale:.2f} arcsec"
            return f"PSFs matched to {settings['to']} ({size})"
        case "psf_unmatched":
            return "PSFs not matched"
        case "extinction":
            return f"corrected for E(B-V) {settings['ebv']:.3g}"
        case "distance" | "resample" | "binning" | "crop" as step:
            done = {
                "distance": "distance set",
                "resample": "resampled",
                "binning": "binned",
                "crop": "cut out",
            }
            return done[step]
    return ""


def _number(n, word):
    return f"{n} {word}{'' if n == 1 else 's'}"
