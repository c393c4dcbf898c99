"""Stars are told from nuclei and clumps: known scenes, mock galaxies, real cut-outs."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from helpers import SHARED, sky_wcs

from euclid_resolved import MultiBandImage
from euclid_resolved.errors import InputError
from euclid_resolved.images._bands import BANDS
from euclid_resolved.imaging import MaskReason, history, mask_compact, mask_reasons, observe, prepare
from euclid_resolved.io import open_image

SIDE, MIDDLE = 201, 100
Y, X = np.indices((SIDE, SIDE))
# What is about a galaxy of Euclid: fainter in IE than in HE.
LIGHT = {"IE": 0.5, "YE": 0.8, "JE": 0.9, "HE": 1.0}
SIGMA = 0.01
REAL = {"300px": (245, 40), "100px_ugriz": (0, 31)}
real = pytest.mark.skipif(
    not all((SHARED / f"euclid_q1_cutout_{name}.fits").exists() for name in REAL),
    reason="the real cut-outs are not here",
)


def point(x, y, flux, band, width=0.0):
    """A point source of a flux, in surface brightness x pixels, as wide as the PSF, or wider."""
    fwhm = np.hypot(BANDS[band].psf_fwhm.to_value(u.arcsec) / 0.1, width)
    s = fwhm / np.sqrt(8 * np.log(2))
    return flux / (2 * np.pi * s**2) * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * s**2))


def scene(*parts, sky=True, noise=SIGMA, seed=1):
    """A disc of scale length 20 pixels in all bands, and what `parts` add in each band."""
    rng, bands = np.random.default_rng(seed), {}
    for band, light in LIGHT.items():
        data = light * np.exp(-np.hypot(X - MIDDLE, (Y - MIDDLE) / 0.7) / 20)
        data = data + sum(part(band) for part in parts) + rng.normal(0, noise, (SIDE, SIDE))
        error = StdDevUncertainty(np.full((SIDE, SIDE), noise, np.float32))
        wcs = sky_wcs((SIDE, SIDE)) if sky else None
        bands[band] = NDData(data.astype(np.float32), unit=u.MJy / u.sr, uncertainty=error, wcs=wcs)
    return MultiBandImage(bands, name="a disc")


def star(x, y, flux=30.0):
    return lambda band: point(x, y, flux, band)


def n_sources(image):
    return history(image)[-1]["measured"]["n_sources"]


def test_stars_on_the_disc_and_beside_it():
    at = [(120, 110), (90, 75), (30, 170), (180.5, 20.5)]
    image = scene(*(star(x, y) for x, y in at))
    out = mask_compact(image)
    assert n_sources(out) == 4
    for x, y in at:
        assert out.mask()[round(y), round(x)]
        assert mask_reasons(out)[round(y), round(x)] == MaskReason.NEIGHBOUR
        # No light of a star is left that is above the noise, and a tenth of the disc.
        near = np.hypot(X - x, Y - y) < 15
        for band in LIGHT:
            left = point(x, y, 30.0, band)[near & ~out.mask()]
            disc = LIGHT[band] * np.exp(-np.hypot(x - MIDDLE, (y - MIDDLE) / 0.7) / 20)
            assert left.max() < 1.5 * max(SIGMA, 0.1 * disc)
    assert not image.mask().any()  # the input is as it was
    assert out.mask()[Y > 190].sum() == 0


def test_a_disc_without_stars_loses_nothing():
    assert not mask_compact(scene()).mask().any()


def test_a_nucleus_is_kept_wherever_its_galaxy_is():
    """A point source of half the disc's light within 5 pixels, at its centre; and in a galaxy of its own."""
    assert not mask_compact(scene(star(MIDDLE, MIDDLE))).mask().any()

    def second(band):
        host = 0.5 * LIGHT[band] * np.exp(-np.hypot(X - 30, Y - 30) / 5)
        return host + point(30, 30, 3.0, band)

    assert not mask_compact(scene(second)).mask().any()


def test_clumps_are_kept():
    """Those that are wider than the PSF, blue ones that are faint in HE, and those fainter than the disc."""
    wide = lambda band: point(130, 100, 60.0, band, width=4)  # noqa: E731
    blue = lambda band: point(80, 120, 20.0, band) * (1.0 if band == "IE" else 0.1)  # noqa: E731
    faint = lambda band: point(110, 110, 1.0, band)  # noqa: E731
    assert not mask_compact(scene(wide, blue, faint)).mask().any()


@pytest.mark.slow
def test_mock_galaxies_lose_nothing_and_their_stars_are_found():
    """Pixels of 400 pc at 250 Mpc, a third of an arcsec: clumps of one are three pixels of the image."""
    from euclid_resolved.mock import mock_galaxies
    from euclid_resolved.models._clip import judge

    lost = good = masked = lit = 0
    for number, galaxy in enumerate(mock_galaxies(3, pixels=160, progress=False), 1):
        for stars in (0, 30):
            image = observe(galaxy.image, 250 * u.Mpc, stars=stars, seed=number)
            truth = image.mask()
            bands = {
                band: NDData(image[band].data, unit=image[band].unit, uncertainty=image[band].uncertainty)
                for band in image
            }
            image = MultiBandImage(bands, meta=image.meta)
            judged, found = judge(image, image.bands) == 0, mask_compact(image).mask()
            if stars:
                masked, lit = masked + (found & judged & truth).sum(), lit + (judged & truth).sum()
            else:
                lost, good = lost + (found & judged).sum(), good + judged.sum()
    assert good > 10_000 and lost == 0
    assert lit > 300 and masked > 0.9 * lit


@real
@pytest.mark.parametrize("name", REAL)
def test_real_cutouts(name):
    """One star each; the galaxy at the centre is left whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = open_image(SHARED / f"euclid_q1_cutout_{name}.fits", raw=True, mask_stars="compact")
        plain = open_image(SHARED / f"euclid_q1_cutout_{name}.fits", raw=True)
    x, y = REAL[name]
    assert n_sources(image) == 1 and image.mask()[y, x]
    rows, columns = np.indices(image.shape)
    new = image.mask() & ~plain.mask()
    assert np.hypot(columns - x, rows - y)[new].max() < 20
    assert not any(step["step"] == "compact" for step in history(plain))


def test_what_is_done_is_not_done_again(tmp_path):
    from euclid_resolved import write

    write(tmp_path / "image.asdf", prepare(scene(star(150, 150)), mask_stars=True, match_psf="gaussian"))
    again = open_image(tmp_path / "image.asdf", background=False)
    assert [step["step"] for step in history(again)] == ["saturated", "neighbours", "psf"]


def test_refused():
    with pytest.raises(InputError, match="width of each PSF has to be known"):
        mask_compact(scene(sky=False))
    with pytest.raises(InputError, match="True, False or 'compact'"):
        prepare(scene(), mask_stars="stars")
    with pytest.raises(InputError, match="lies off the image"):
        mask_compact(scene(), (900, 3))


def test_masked_pixels_and_nothing_but_sky():
    rng = np.random.default_rng(5)
    sky = {
        band: NDData(
            rng.normal(0, SIGMA, (60, 60)).astype("f4"),
            unit=u.MJy / u.sr,
            wcs=sky_wcs((60, 60)),
            mask=rng.random((60, 60)) < 0.1,
        )
        for band in LIGHT
    }
    assert n_sources(mask_compact(MultiBandImage(sky))) == 0
    nothing, wcs = np.full((40, 40), np.nan), sky_wcs((40, 40))
    gone = {band: NDData(nothing, unit=u.MJy / u.sr, wcs=wcs) for band in LIGHT}
    assert n_sources(mask_compact(MultiBandImage(gone))) == 0
