"""Whole tiles by strips: the same maps as in one go, to the last bit, whatever happens on the way."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from helpers import NAMES, brightness, galaxies, messages, sky_wcs
from tiles import FILES, SHAPE, make_tile

from euclid_resolved import Quality, RandomForest, read, read_euclid, train, write
from euclid_resolved.errors import DataWarning, ImageFileError, InputError
from euclid_resolved.imaging import match_psf
from euclid_resolved.imaging._kernels import gaussian_kernel
from euclid_resolved.io.euclid import _strips as strips
from euclid_resolved.mock import default_model
from euclid_resolved.survey import _tile as module, predict_tile
from euclid_resolved.survey._tile import PixelCount, count_pixels


@pytest.fixture(scope="module")
def tile(tmp_path_factory):
    return make_tile(tmp_path_factory.mktemp("mer") / "tile", gap="YE")


@pytest.fixture(scope="module")
def calibrated():
    """A forest of one property and intervals, on synthetic galaxies."""
    some = galaxies(26)
    forest = RandomForest(n_trees=3, n_jobs=1)
    return train(some[:6], NAMES[:1], forest, calibration=some[6:], source="synthetic")


def same_file(path, other):
    """Whether two files have the same HDUs: the same pixels, and the same headers but for times and sums."""
    with fits.open(path, checksum=True) as ours, fits.open(other, checksum=True) as theirs:
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in theirs]
        for mine, its in zip(ours, theirs, strict=True):
            left = {card: mine.header[card] for card in mine.header if card not in ("DATE", "CHECKSUM")}
            right = {card: its.header[card] for card in its.header if card not in ("DATE", "CHECKSUM")}
            assert left == right, mine.name
            assert mine.data.tobytes() == its.data.tobytes(), mine.name
    return True


def in_one_go(model, source, path, reading=None, **options):
    write(path, model.predict_maps(read_euclid(source, **(reading or {})), **options))
    return path


@pytest.mark.parametrize(("rows", "n_jobs"), [(1, 1), (7, 2), (41, 1), (100, 3), (None, 2)])
def test_strips_give_the_file_of_the_whole_image(calibrated, tile, tmp_path, rows, n_jobs):
    whole = in_one_go(calibrated, tile, tmp_path / "whole.fits", draws=3)
    count = predict_tile(calibrated, tile, tmp_path / "maps.fits", rows=rows, n_jobs=n_jobs, draws=3)
    assert same_file(tmp_path / "maps.fits", whole)
    maps = read(tmp_path / "maps.fits")
    assert count == count_pixels(maps)
    assert 0 < count.judged < count.pixels == SHAPE[0] * SHAPE[1]
    assert set(maps["stellar_mass_density"].planes) >= {"lo", "hi", "noise", "model"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps.fits", "whole.fits"]


def test_the_default_model_maps_strips_as_the_whole_image(tile, tmp_path):
    model = default_model()
    # Fields have 32 rows, which no strip here has; all are unlike if nothing may differ.
    model = replace(model, likeness=replace(model.likeness, limit=0.1))
    whole = in_one_go(model, tile, tmp_path / "whole.fits")
    predict_tile(model, tile, tmp_path / "maps.fits", rows=9, n_jobs=1)
    assert same_file(tmp_path / "maps.fits", whole)
    density = read(whole)["stellar_mass_density"]
    unlike = density.quality & Quality.UNLIKE_TRAINING > 0
    assert unlike.any() and np.isfinite(density.data[unlike]).all()


def test_a_tile_without_a_band_is_mapped_by_a_model_that_can_do_without(tile, tmp_path):
    forest = RandomForest(n_trees=3, n_jobs=1)
    model = train(galaxies(6), NAMES[:1], forest, missing_bands=0.3, source="synthetic")
    some = shutil.copytree(tile, tmp_path / "tile", ignore=shutil.ignore_patterns("*NIR-J*"))
    whole = in_one_go(model, some, tmp_path / "whole.fits", {"bands": ("IE", "YE", "HE")})
    count = predict_tile(model, some, tmp_path / "maps.fits", rows=7)
    assert same_file(tmp_path / "maps.fits", whole)
    # Where the tile has no YE, either, there are two bands left.
    lacking = read(whole)["stellar_mass_density"].quality & Quality.MISSING_BAND > 0
    assert 0 < count.judged and lacking.mean() > 0.95
    for path in some.glob("*-H*"):
        path.unlink()
    with pytest.raises(
        InputError, match="the image has no band JE, HE; the model was trained to do without YE; JE"
    ):
        predict_tile(
            train(galaxies(6), NAMES[:1], forest, missing_bands=["YE", "JE"]), some, tmp_path / "b.fits"
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_options_reach_the_strips(linear_model, tile, tmp_path, seed):
    reading = {"flag_bits": 4, "zero_point": {"IE": 24.9, "HE": 25.1}}
    options = {"min_sn": 1.0, "draws": 2, "seed": seed}
    whole = in_one_go(linear_model, tile, tmp_path / "whole.fits", reading, **options)
    predict_tile(linear_model, tile, tmp_path / "maps.fits", rows=6, n_jobs=1, **reading, **options)
    assert same_file(tmp_path / "maps.fits", whole)


def test_one_property_of_dereddened_light(linear_model, tile, tmp_path):
    from euclid_resolved.imaging import correct_extinction

    image = correct_extinction(read_euclid(tile), 0.2, sfd=True)
    write(tmp_path / "whole.fits", linear_model.predict_maps(image, NAMES[1:2]))
    options = {"properties": NAMES[1:2], "ebv": 0.2, "sfd": True}
    predict_tile(linear_model, tile, tmp_path / "maps.fits", rows=6, **options)
    assert same_file(tmp_path / "maps.fits", tmp_path / "whole.fits")


def test_bad_pixels_are_flagged_as_in_the_whole_image(linear_model, tile, tmp_path):
    predict_tile(linear_model, tile, tmp_path / "maps.fits", rows=4, n_jobs=1)
    quality = read(tmp_path / "maps.fits")["stellar_age"].quality
    # The median noise of all the image tells that a whole strip of large noise is absurd.
    assert (quality[32] & Quality.MASKED).all()
    for pixel in ((25, 3), (30, 6), (31, 7)):
        assert quality[pixel] & Quality.MASKED
    assert quality[26, 4] & Quality.NONPOSITIVE and quality[40, 4] & Quality.MISSING_BAND


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["scaled", "compressed", "gzipped"])
def test_files_that_hold_other_numbers_or_are_compressed(linear_model, tmp_path, kind):
    def hdu(plane, header):
        if kind == "compressed":
            lossless = {"compression_type": "GZIP_1", "quantize_level": 0}
            return fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(plane, header, **lossless)])
        made = fits.PrimaryHDU(plane, header)
        if kind == "scaled" and plane.dtype.kind == "i":
            made.scale("int32", bzero=2**31)
        return made

    folder = make_tile(tmp_path / "tile", kind=hdu)
    if kind == "gzipped":
        import gzip

        for path in list(folder.iterdir()):
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    whole = in_one_go(linear_model, folder, tmp_path / "whole.fits", {"flag_bits": 4})
    predict_tile(linear_model, folder, tmp_path / "maps.fits", rows=9, flag_bits=4)
    assert same_file(tmp_path / "maps.fits", whole)


def test_a_list_of_files_without_noise_or_wcs_of_their_own(linear_model, tile, tmp_path):
    words = [f"{band}={next(tile.glob(f'*BGSUB*{name}_*'))}" for band, name in FILES.items()]
    whole = in_one_go(linear_model, words, tmp_path / "whole.fits")
    predict_tile(linear_model, words, tmp_path / "maps.fits", rows=10)
    assert same_file(tmp_path / "maps.fits", whole)


# Interrupted, and resumed


def stop_after(monkeypatch, strips_done, error=KeyboardInterrupt):
    """Let an error strike when so many strips are done."""
    original, calls = module.StripFile.write, []

    def write_or_stop(self, start, planes):
        if len(calls) == strips_done:
            raise error
        calls.append(start)
        return original(self, start, planes)

    monkeypatch.setattr(module.StripFile, "write", write_or_stop)
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("done", [0, 3])
def test_what_was_interrupted_goes_on_where_it_stopped(linear_model, tile, tmp_path, monkeypatch, done):
    whole = in_one_go(linear_model, tile, tmp_path / "whole.fits")
    path = tmp_path / "maps.fits"
    with monkeypatch.context() as patch:
        stop_after(patch, done)
        with pytest.raises(KeyboardInterrupt):
            predict_tile(linear_model, tile, path, rows=8, n_jobs=2)
    assert not path.exists() and (tmp_path / "maps.fits.part").exists()
    assert len(json.loads((tmp_path / "maps.fits.part.json").read_text())["strips"]) == done
    written = stop_after(monkeypatch, 99)
    predict_tile(linear_model, tile, path, rows=5 if done else 8)  # the strips are those of the first call
    assert written == [0, 8, 16, 24, 32, 40][done:]
    assert same_file(path, whole)
    assert not list(tmp_path.glob("*.part*"))


def test_a_strip_that_did_not_reach_the_disk_is_done_again(linear_model, tile, tmp_path, monkeypatch):
    whole, path = in_one_go(linear_model, tile, tmp_path / "whole.fits"), tmp_path / "maps.fits"
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            predict_tile(linear_model, tile, path, rows=8)
    part = tmp_path / "maps.fits.part"
    content = bytearray(part.read_bytes())
    with fits.open(whole) as hdus:
        at = hdus["QUALITY"].fileinfo()["datLoc"] + 20 * SHAPE[1] * 4
    content[at : at + 8] = b"\0\0\0\7" * 2
    part.write_bytes(content)
    written = stop_after(monkeypatch, 99)
    predict_tile(linear_model, tile, path)
    assert written == [16, 32, 40]
    assert same_file(path, whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model", "another model"),
        ("image", "another image"),
        ("options", "another options"),
        ("damage", "damaged"),
    ],
)
def test_an_unfinished_file_of_something_else_is_not_touched_unasked(
    linear_model, calibrated, tile, tmp_path, monkeypatch, change, message
):
    path, journal = tmp_path / "maps.fits", tmp_path / "maps.fits.part.json"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            predict_tile(linear_model, tile, path, rows=8)
    model = calibrated if change == "model" else linear_model
    source = make_tile(tmp_path / "other", seed=5) if change == "image" else tile
    options = {"min_sn": 2.0} if change == "options" else {}
    if change == "damage":
        journal.write_text('{"strips": ')
    before = journal.read_bytes()
    with pytest.raises(InputError, match=f"left unfinished by another call.*{message}"):
        predict_tile(model, source, path, **options)
    assert journal.read_bytes() == before
    predict_tile(model, source, path, overwrite=True, **options)
    assert same_file(path, in_one_go(model, source, tmp_path / "whole.fits", **options))


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda journal: journal.update(rows=0),
        lambda journal: journal.update(rows=2.5),
        lambda journal: journal.update(strips=[]),
        lambda journal: journal.update(identity=None),
        lambda journal: journal["strips"].update({"3": journal["strips"]["0"]}),
        lambda journal: journal["strips"].update({"8": {}}),
        lambda journal: journal["strips"]["0"].update(sums="much"),
        lambda journal: journal["strips"]["0"]["count"].update(judged=-1),
        lambda journal: journal["strips"]["0"]["count"].update(more=1),
    ],
)
def test_nothing_in_a_journal_is_trusted(linear_model, tile, tmp_path, monkeypatch, change):
    path, kept = tmp_path / "maps.fits", tmp_path / "maps.fits.part.json"
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            predict_tile(linear_model, tile, path, rows=8)
    journal = json.loads(kept.read_text())
    for resealed in (False, True):
        change(journal)
        if resealed:  # with a sum that is right, too
            del journal["sha256"]
            journal["sha256"] = hashlib.sha256(json.dumps(journal).encode()).hexdigest()
        kept.write_text(json.dumps(journal))
        with pytest.raises(InputError, match="left unfinished by another call.*its journal is damaged"):
            predict_tile(linear_model, tile, path)


def test_the_counts_of_a_journal_are_under_its_sum(linear_model, tile, tmp_path, monkeypatch):
    path, kept = tmp_path / "maps.fits", tmp_path / "maps.fits.part.json"
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            predict_tile(linear_model, tile, path, rows=8)
    journal = json.loads(kept.read_text())
    journal["strips"]["0"]["count"]["judged"] += 1  # possible, but not what was counted
    kept.write_text(json.dumps(journal))
    with pytest.raises(InputError, match="its journal is damaged"):
        predict_tile(linear_model, tile, path)


# What cannot be done is said at once


def test_bad_input_is_refused_before_anything_is_written(linear_model, tile, tmp_path, monkeypatch):
    path = tmp_path / "maps.fits"
    with pytest.raises(InputError, match=r"a file that ends in .fits only"):
        predict_tile(linear_model, tile, tmp_path / "maps.fits.gz")
    with pytest.raises(InputError, match="there is no folder"):
        predict_tile(linear_model, tile, tmp_path / "none" / "maps.fits")
    for rows in (0, 1.5, True):
        with pytest.raises(InputError, match="rows must be a whole number"):
            predict_tile(linear_model, tile, path, rows=rows)
    with pytest.raises(ImageFileError, match="no such file"):
        predict_tile(linear_model, "none.fits", path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match="the disk has 0.0 GB left"):
        predict_tile(linear_model, tile, path)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="the file exists"):
        predict_tile(linear_model, tile, path)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("pattern", "damage", "message"),
    [
        ("*BGSUB*NIR-J*", lambda path: path.write_bytes(path.read_bytes()[:4000]), "it is truncated"),
        ("*BGSUB*NIR-J*", lambda path: path.unlink(), "no band JE"),
        ("*NIR-J-RMS*", lambda path: fits.writeto(path, np.ones((3, 3), "f4"), overwrite=True), "shape"),
        ("*BGSUB*NIR-J*", lambda path: fits.setval(path, "FILTER", value="VIS"), "files of two bands"),
        ("*BGSUB*NIR-J*", lambda path: fits.setval(path, "CRPIX1", value=30.0), "pixels apart"),
        ("*NIR-J-FLAG*", lambda path: path.unlink(), "has no FLAG map"),
    ],
)  # fmt: skip
def test_damaged_files_give_one_error(linear_model, tmp_path, pattern, damage, message):
    folder = make_tile(tmp_path / "tile")
    damage(next(folder.glob(pattern)))
    with pytest.raises(InputError, match=message):
        predict_tile(linear_model, folder, tmp_path / "maps.fits", rows=8, flag_bits=4)
    assert not (tmp_path / "maps.fits").exists()


def test_a_tile_without_a_galaxy_is_empty_and_said_to_be(linear_model, tile, tmp_path):
    path = tmp_path / "maps.fits"
    count, said = messages(lambda: predict_tile(linear_model, tile, path, rows=8, min_sn=1e9), DataWarning)
    assert count.judged == 0 and len(said) == 1 and "TILE102 can be estimated" in said[0]
    assert np.isnan(read(path)["stellar_age"].data).all()


def test_a_whole_tile_is_never_read_at_once(linear_model, tile, tmp_path, monkeypatch):
    heights, original = [], strips._Plane.rows

    def rows(self, start, stop, dtype=np.float32):
        heights.append(stop - start)
        return original(self, start, stop, dtype)

    monkeypatch.setattr(strips._Plane, "rows", rows)
    predict_tile(linear_model, tile, tmp_path / "maps.fits", rows=5)
    assert max(heights) == 5


def test_counts_add_up():
    one = PixelCount(10, 4, 1, {"NOISE": 6})
    assert one + PixelCount(5, 0, 0, {"MASKED": 5}) == PixelCount(15, 4, 1, {"NOISE": 6, "MASKED": 5})


# PSFs


WIDTHS = {"IE": 1.6, "YE": 3.5, "JE": 3.4, "HE": 4.0}


@pytest.mark.slow
def test_psfs_are_matched_as_in_the_whole_image(calibrated, tmp_path):
    """Kernels look farther than a strip has rows, at bad pixels too."""
    hdus = [fits.PrimaryHDU()]
    for (band, width), stem in zip(WIDTHS.items(), ("VIS", "NIR_Y", "NIR_J", "NIR_H"), strict=True):
        light = brightness(SHAPE, 3)[band]
        light[20, 10] = np.nan
        header = sky_wcs(SHAPE).to_header()
        header["BUNIT"] = "MJy/sr"
        hdus.append(fits.ImageHDU(light, header, name=f"{stem}_FLUX"))
        hdus.append(fits.ImageHDU(np.full(SHAPE, 0.01, "f4"), header, name=f"{stem}_RMS"))
        hdus.append(fits.ImageHDU(gaussian_kernel(width).astype("f4"), name=f"{stem}_PSF"))
    fits.HDUList(hdus).writeto(tmp_path / "image.fits")
    whole = calibrated.predict(match_psf(read_euclid(tmp_path / "image.fits")))
    predict_tile(calibrated, tmp_path / "image.fits", tmp_path / "maps.fits", rows=6)
    (map_,) = read(tmp_path / "maps.fits").values()
    np.testing.assert_array_equal(map_.quality, whole.quality)
    np.testing.assert_allclose(map_.data, whole.data, rtol=1e-5)
    assert [step["step"] for step in map_.meta["history"]] == ["psf"] and (map_.quality & Quality.PSF).any()
    options = {"overwrite": True, "match_psf": False}
    predict_tile(calibrated, tmp_path / "image.fits", tmp_path / "maps.fits", **options)
    write(tmp_path / "plain.fits", calibrated.predict_maps(read_euclid(tmp_path / "image.fits")))
    assert same_file(tmp_path / "maps.fits", tmp_path / "plain.fits")


def test_of_a_tile_the_psf_at_its_middle_is_taken(tmp_path):
    folder = make_tile(tmp_path / "tile")
    middle = sky_wcs(SHAPE).pixel_to_world(18, 20)
    for band, name in FILES.items():
        stamp = gaussian_kernel(WIDTHS[band])
        stamps = fits.ImageHDU(np.concatenate([np.ones_like(stamp), stamp], axis=1).astype("f4"))
        side = stamps.header["STMPSIZE"] = len(stamp)
        places = {"x_center": [side // 2, side + side // 2], "y_center": [side // 2] * 2}
        places |= {"RA": [middle.ra.deg + 1, middle.ra.deg], "Dec": [middle.dec.deg] * 2}
        table = fits.BinTableHDU.from_columns([fits.Column(k, "D", array=v) for k, v in places.items()])
        path = folder / f"EUC_MER_GRID-PSF-{name}_TILE102-AB_20250101T000000.0Z_00.00.fits"
        fits.HDUList([fits.PrimaryHDU(), stamps, table]).writeto(path)
    with strips.open_large(folder) as image:
        first = image.strip(image.read(0, 1))
        assert module.matches(image, None) and not module.matches(image, False)
    for band, width in WIDTHS.items():
        np.testing.assert_allclose(first[band].meta["psf"], gaussian_kernel(width), rtol=1e-6)


def test_psfs_that_are_missing_cannot_be_matched(linear_model, tile, tmp_path):
    with pytest.raises(InputError, match="no PSF for band IE"):
        predict_tile(linear_model, tile, tmp_path / "maps.fits", match_psf=True)
    assert not list(tmp_path.iterdir())
