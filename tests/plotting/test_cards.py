"""Cards for notebooks: everything is said, nothing is executed, and nothing ever fails."""

import base64
import io
import re
from html.parser import HTMLParser

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from helpers import NAMES, an_image, density_map, galaxy, image_of, sky_wcs
from PIL import Image

from euclid_resolved import (
    Galaxy,
    MockSettings,
    MultiBandImage,
    Quality,
    RandomForest,
    make_features,
    train,
)
from euclid_resolved.diagnostics import PUBLISHED_RELATIONS
from euclid_resolved.plotting import _cards as cards
from euclid_resolved.training import extract

EVIL = "<script>alert('x')</script>\"&"
VOID = {"img", "br"}


class Tags(HTMLParser):
    """The tags of a text, and whether each is closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def card(thing):
    """The HTML of an object, checked to be whole, harmless and small."""
    text = thing._repr_html_()
    assert set(Tags(text).seen) <= {"div", "b", "span", "img", "table", "tr", "th", "td", "pre"}
    assert "http" not in text and "color:" not in text.replace("border-color:", "")
    assert len(text) < 60_000
    return text


def pictures(text):
    """The pictures in a card as arrays of red, green, blue and opacity."""
    found = re.findall(r"data:image/png;base64,([^']+)'", text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each))).convert("RGBA")) for each in found]


def a_map(**options):
    values = np.full((10, 12), 50.0)
    values[:5] = np.nan
    quality = np.zeros((10, 12), np.int32)
    quality[:5] = Quality.NOISE
    sigma = StdDevUncertainty(np.full((10, 12), 5.0))
    return density_map(values, quality=quality, wcs=sky_wcs((10, 12)), uncertainty=sigma, **options)


def things(model):
    """One of everything that has a card, with a name that would be run if it were not escaped."""
    image = an_image(name=EVIL, wcs=sky_wcs((12, 14)), meta={"history": [{"step": EVIL}]})
    one = galaxy(1)
    evil = Galaxy(EVIL, one.image, one.maps, meta={EVIL: EVIL})
    meta = {"name": EVIL, "trust": EVIL, "training_set": EVIL, "estimator": EVIL, "uncertainty": EVIL}
    pixels = extract([evil, galaxy(2)], NAMES, source=EVIL)
    model = train(pixels, NAMES, RandomForest(n_trees=2))
    model.training.update(trust=EVIL, source=EVIL)
    model.versions[EVIL] = EVIL
    return [image, a_map(meta=meta), model, evil, pixels]


def test_nothing_that_comes_with_the_data_is_executed(linear_model):
    for thing in things(linear_model):
        text = card(thing)
        assert "<script" not in text and "&lt;script&gt;" in text, type(thing)
        assert "<div" in text and "<pre>" not in text, type(thing)


def test_a_name_of_any_length_is_cut():
    assert len(card(an_image(name="x" * 1_000_000))) < 30_000


def test_the_card_of_an_image_says_what_one_asks_first():
    mask = np.zeros((12, 14), bool)
    mask[:3] = True
    light = {band: values.copy() for band, values in ((b, an_image().brightness(b)) for b in ("IE", "HE"))}
    light["HE"][5] = -1
    text = card(image_of(light, masks={"IE": mask}, wcs=sky_wcs((12, 14)), sigma=0.25, name="NGC 1"))
    for part in ("NGC 1", "12 x 14 pixels", "0.1 arcsec", "04h14m00", "42 (25.0 %)", "14 (8.3 %)", "0.25"):
        assert part in text, part
    assert len(pictures(text)) == 2


def test_the_card_of_a_map_says_what_it_is_worth():
    meta = {"trust": "not at all", "training_set": "mock", "estimator": "linear", "uncertainty": "half of it"}
    text = card(a_map(meta=meta))
    for part in (
        "stellar mass surface density", "solMass / pc2", "60 (50.0 %) of the pixels", "median 50",
        "half of it", "mock", "linear", "not at all", "NOISE", "signal-to-noise in a band below",
    ):  # fmt: skip
        assert part in text, part
    (shown,) = pictures(text)
    assert shown.shape == (10, 12, 4)
    assert (shown[:5, :, 3] == 255).all()  # rows are drawn from the bottom
    assert (shown[5:] == (128, 128, 128, 90)).all()


def test_the_card_of_a_model_says_how_good_it_is_and_on_what(linear_model):
    text = card(linear_model)
    assert all(name in text for name in NAMES) and "LinearRegression()" in text
    assert "validation pixels of training galaxies" in text and "1.000" in text
    assert "synthetic" in text and linear_model.digest[:12] in text


def test_a_galaxy_on_disk_is_not_read_to_be_shown():
    def never():
        raise AssertionError("read")

    text = card(Galaxy("TNG000001_O5", never, never, star_forming=True))
    assert "TNG000001_O5" in text and "star-forming" in text and "read from its files" in text
    assert "true maps" in card(galaxy(1)) and len(pictures(card(galaxy(1)))) == 1


def test_the_card_of_pixels_counts_them():
    pixels = extract([galaxy(1), galaxy(2)], NAMES, source="two")
    text = card(pixels)
    assert f"{len(pixels)}, 100.00 % of {len(pixels)}" in text and "two" in text
    assert "HE above 0.0234 MJy/sr" in text and "stellar_age" in text


def test_no_pixels_are_shown_too():
    pixels = extract([galaxy(1), galaxy(2)], NAMES).of([])
    assert "<td" in card(pixels) and "<pre>" not in card(pixels)


def test_a_large_image_of_noise_is_small():
    noise = {band: v for band, v in an_image((1600, 1600)).items()}
    image = MultiBandImage(noise)
    shown = pictures(card(image))
    assert len(shown) == 4 and max(max(each.shape) for each in shown) <= 100


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (97, 3), (193, 192)])
def test_any_shape_has_a_picture(shape):
    (shown,) = pictures(card(density_map(np.full(shape, 2.0))))
    assert shown.size and (shown[..., 3] == 255).all()


def test_a_picture_keeps_the_mean_of_what_it_makes_smaller():
    values = np.ones((400, 400))
    values[:200] = 100
    values[:, ::7] = np.nan
    (shown,) = pictures(card(density_map(values)))
    assert (shown[:40] == shown[0, 0]).all() and (shown[-40:] == shown[-1, 0]).all()
    assert (shown[0, 0] != shown[-1, 0]).any() and (shown[..., 3] == 255).all()


@pytest.mark.parametrize("fill", [np.nan, 0.0, -1.0, np.inf])
def test_a_map_without_a_logarithm_has_a_card_without_a_picture(fill):
    text = card(density_map(np.full((4, 4), fill)))
    assert not pictures(text) and "solMass" in text


def test_a_broken_picture_leaves_the_text(monkeypatch):
    monkeypatch.setattr(cards, "_smaller", lambda *_: 1 / 0)
    text = card(a_map())
    assert not pictures(text) and "60 (50.0 %)" in text


def test_whatever_breaks_there_is_a_card(monkeypatch, linear_model):
    monkeypatch.setattr(cards, "_frame", lambda *_: 1 / 0)
    for thing in things(linear_model):
        text = card(thing)
        assert text.startswith("<pre>") and "&lt;" in text and "<script" not in text


def test_a_wcs_that_fails_is_said():
    class Broken:
        has_celestial = True
        celestial = sky_wcs((10, 12))

        def pixel_to_world(self, x, y):
            raise ValueError("no")

    map_ = a_map()
    map_._wcs = Broken()
    assert "the WCS gives none" in card(map_)


def test_text_is_short(linear_model, sample):
    model = train(sample, NAMES, RandomForest(n_trees=2))
    output = model.outputs["stellar_age"]
    pixels = extract(sample, NAMES)
    for thing in (
        model, output, output.scale, model.feature_scale, model.domain, output.estimator, pixels,
        output.estimator._forest, make_features(pixels.brightness, ("bands", "colours")), MockSettings(),
        *PUBLISHED_RELATIONS.values(), sample[0], an_image(), a_map(),
    ):  # fmt: skip
        text = repr(thing)
        assert len(text) < 400 and "array(" not in text and "\n" not in text, text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (repr(MockSettings()), ["MockSettings()"]),
        (repr(MockSettings(dust_slope=1.0)), ["MockSettings(dust_slope=1.0)"]),
        (repr(PUBLISHED_RELATIONS["Zibetti+2020"]), ["Zibetti+2020", "light (r)", "to be supplied"]),
        (repr(make_features({"HE": [1.0, 2.0]}, ("bands",))), ["2 pixels; HE [dex(MJy / sr)]"]),
    ],
)
def test_text_says_what_matters(text, parts):
    assert all(part in text for part in parts), text


def test_pixels_of_known_size_say_so():
    assert "120 pc" in card(a_map(meta={"pixel_scale": 120 * u.pc}))
