"""Samples on disk: interrupted, resumed, damaged, foreign, and as good to train on as an atlas."""

import json

import numpy as np
import pytest
from helpers import NAMES, galaxies, galaxy, image_of

from euclid_resolved import (
    EUCLID_BANDS,
    Galaxy,
    LinearRegression,
    RandomForest,
    evaluate,
    lofo,
    read,
    read_atlas,
    split,
    train,
)
from euclid_resolved.cli import main
from euclid_resolved.errors import DataWarning, ImageFileError, InputError
from euclid_resolved.io import _sample as module, read_sample, write_sample
from euclid_resolved.io._fingerprint import digest_of
from euclid_resolved.io._sample import is_sample
from euclid_resolved.io._truth import open_truth
from euclid_resolved.training import extract

COLUMNS = [*(f"brightness_{band}.f4" for band in EUCLID_BANDS), *(f"truth_{name}.f4" for name in NAMES)]


def noisy(number):
    one = galaxy(number)
    light = {band: one.image.brightness(band) for band in EUCLID_BANDS}
    return Galaxy(one.name, image_of(light, sigma=0.001 * number), one.maps)


def mixed():
    """Galaxies of known and unknown noise and kind."""
    return [galaxy(1, star_forming=True), noisy(2), galaxy(3, star_forming=False), noisy(4)]


@pytest.fixture
def written(tmp_path):
    """A sample of four galaxies, two of which know their noise."""
    write_sample(tmp_path / "sample", mixed(), NAMES, source="here", atlas="abc")
    return tmp_path / "sample"


def same(pixels, others):
    assert pixels.digest == others.digest and pixels.names == others.names and pixels.counts == others.counts
    for part in ("brightness", "truth", "noise"):
        mine, theirs = getattr(pixels, part), getattr(others, part)
        assert list(mine) == list(theirs)
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])
    for name in ("clip", "clip_band", "seen", "without_truth", "source", "star_forming", "kept"):
        assert getattr(pixels, name) == getattr(others, name), name


def test_a_sample_is_what_extract_gives(written):
    pixels = read_sample(written)
    same(pixels, extract(mixed(), NAMES, source="here"))
    assert pixels.atlas == "abc" and pixels.star_forming == (True, None, False, None)
    assert [one.star_forming for one in pixels.galaxies] == [True, None, False, None]
    expected = extract(mixed(), NAMES, source="here")
    same(pixels.of(["G002", "G004"]), expected.of(["G002", "G004"]))


def test_columns_stay_in_their_files(written):
    pixels = read_sample(written)
    for columns in (pixels.brightness, pixels.truth, pixels.noise):
        for values in columns.values():
            assert isinstance(values, np.memmap) and not values.flags.writeable
    part = pixels.of(["G002", "G003"])
    assert isinstance(part.brightness["IE"], np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        part.brightness["IE"][0] = 1


def test_seven_columns_and_a_manifest_are_all_there_is(tmp_path):
    pixels = write_sample(tmp_path / "s", galaxies(3), NAMES)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == sorted([*COLUMNS, "sample.json"])
    assert all((tmp_path / "s" / name).stat().st_size == 4 * len(pixels) for name in COLUMNS)


def test_galaxies_of_a_sample_have_no_images(written):
    with pytest.raises(InputError, match="without the images"):
        _ = read_sample(written).galaxies[0].image


@pytest.mark.parametrize("stop", [1, 9, 12, 30])
def test_an_interrupt_amid_the_columns_of_a_galaxy_costs_that_galaxy(tmp_path, monkeypatch, stop):
    calls = []

    def path(*args):
        calls.append(args)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return original(*args)

    original = module._path
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_path", path)
        write_sample(tmp_path / "s", mixed(), NAMES)
    with pytest.raises(ImageFileError, match="of 4 galaxies are in it: the extraction was interrupted"):
        read_sample(tmp_path / "s")
    same(write_sample(tmp_path / "s", mixed(), NAMES), extract(mixed(), NAMES))
    read_sample(tmp_path / "s")


@pytest.mark.parametrize("stop", [1, 2, 4, 5])
def test_a_kill_between_columns_and_manifest_costs_that_galaxy(tmp_path, monkeypatch, stop):
    calls = []

    def write(*args):
        calls.append(args)
        if len(calls) == stop:
            raise SystemExit
        return original(*args)

    original = module.write_manifest
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(module, "write_manifest", write)
        write_sample(tmp_path / "s", mixed(), NAMES)
    with pytest.raises(ImageFileError):
        read_sample(tmp_path / "s")
    same(write_sample(tmp_path / "s", mixed(), NAMES), extract(mixed(), NAMES))


def counted(some, reads):
    """The galaxies, which note that they are looked at."""

    def lazy(one):
        return Galaxy(one.name, lambda: reads.append(one.name) or one.image, one.maps)

    return [lazy(one) for one in some]


def test_what_is_there_is_not_read_again(tmp_path):
    some, reads = galaxies(4), []
    broken = [*some[:2], Galaxy("G003", lambda: 1 / 0, some[2].maps), some[3]]
    with pytest.raises(ZeroDivisionError):
        write_sample(tmp_path / "s", broken, NAMES)
    write_sample(tmp_path / "s", counted(some, reads), NAMES)
    assert reads == ["G003", "G004"]
    write_sample(tmp_path / "s", counted(some, reads), NAMES)
    assert reads == ["G003", "G004"]


def test_what_was_damaged_meanwhile_is_gathered_again(tmp_path):
    some, reads = galaxies(4), []
    write_sample(tmp_path / "s", some, NAMES)
    with open(tmp_path / "s" / "truth_stellar_age.f4", "rb+") as file:
        file.seek(4 * 170)
        file.write(b"\xff")
    write_sample(tmp_path / "s", counted(some, reads), NAMES)
    assert reads == ["G002", "G003", "G004"]
    same(read_sample(tmp_path / "s"), extract(some, NAMES))
    with open(tmp_path / "s" / "brightness_IE.f4", "rb+") as file:
        file.truncate(4 * 3 * 168)
    write_sample(tmp_path / "s", counted(some, reads), NAMES)
    assert reads[3:] == ["G004"]
    same(read_sample(tmp_path / "s"), extract(some, NAMES))


@pytest.mark.parametrize("change", [{"clip": 0.1}, {"bands": ("IE", "HE")}, {"source": "x"}, {"atlas": "x"}])
def test_another_sample_is_not_replaced_unasked(written, change):
    options = {"properties": NAMES, "source": "here", "atlas": "abc", **change}
    before = read_sample(written).digest
    with pytest.raises(InputError, match="holds another sample .*; to replace it say overwrite=True"):
        write_sample(written, mixed(), **options)
    assert read_sample(written).digest == before
    same(
        write_sample(written, mixed(), **options, overwrite=True),
        extract(mixed(), **{k: v for k, v in options.items() if k != "atlas"}),
    )


def test_the_order_of_bands_is_part_of_a_sample(written):
    with pytest.raises(InputError, match=r"another sample \(bands\)"):
        write_sample(written, mixed(), NAMES, EUCLID_BANDS[::-1], source="here", atlas="abc")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="holds notes.txt; name a folder for the sample alone"):
            write_sample(tmp_path, galaxies(2), NAMES, overwrite=overwrite)
    with pytest.raises(InputError, match="is a file"):
        write_sample(tmp_path / "notes.txt", galaxies(2), NAMES)
    with pytest.raises(InputError, match="there is no folder"):
        write_sample(tmp_path / "a" / "b", galaxies(2), NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"] and not is_sample(tmp_path)


def test_what_makes_no_sense_never_reads_as_a_sample(tmp_path):
    light = [{b: g.image.brightness(b) * np.float32(23.5) for b in EUCLID_BANDS} for g in galaxies(2)]
    wrong = [Galaxy(g.name, image_of(x), g.maps) for g, x in zip(galaxies(2), light, strict=True)]
    for some, clip, message in ((wrong, 0.01, "a unit error"), (galaxies(2), 99, "no pixel of 2 galaxies")):
        with pytest.raises(InputError, match=message):
            write_sample(tmp_path / f"{clip}", some, NAMES, clip=clip)
        with pytest.raises(ImageFileError, match="1 of 2 galaxies"):
            read_sample(tmp_path / f"{clip}")
    with pytest.raises(InputError, match="no galaxies were given"):
        write_sample(tmp_path / "x", [], NAMES)
    with pytest.raises(InputError, match="bands are given as a sequence"):
        write_sample(tmp_path / "x", galaxies(2), NAMES, "HE")
    with pytest.raises(InputError, match="properties are given as a sequence"):
        write_sample(tmp_path / "x", galaxies(2), "stellar_age")
    with pytest.raises(InputError, match="a list of galaxies is needed"):
        write_sample(tmp_path / "x", "atlas")
    with pytest.raises(InputError, match="the clip is a number"):
        write_sample(tmp_path / "x", galaxies(2), NAMES, clip="faint")
    with pytest.raises(InputError, match="share a name"):
        write_sample(tmp_path / "x", galaxies(2) + galaxies(1), NAMES)
    with pytest.raises(InputError, match="a plain name, got '../HE'"):
        write_sample(tmp_path / "x", galaxies(2), NAMES, ("IE", "../HE"))


def test_truth_that_is_missing_is_counted(tmp_path):
    one, other = galaxies(2)
    maps = one.maps
    maps["stellar_age"].data[0, :5] = np.nan
    with pytest.warns(DataWarning, match="^5 pixels above the clip have no usable truth"):
        pixels = write_sample(tmp_path / "s", [Galaxy("A", one.image, maps), other], NAMES)
    assert pixels.without_truth == 5 and len(pixels) == 2 * 168 - 5


# Damage


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("name", ["brightness_YE.f4", "truth_stellar_age.f4", "noise_HE.f4"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip, "the pixels of G00. do not have the checksum"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "has 2687 bytes, 2688 are needed"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "has 2689 bytes"),
        (lambda path: path.unlink(), "is missing or is no regular file"),
        (link, "is missing or is no regular file"),
    ],
)
def test_a_damaged_column_is_found(written, name, damage, message):
    damage(written / name)
    with pytest.raises(ImageFileError, match=message):
        read_sample(written)


def test_noise_where_none_was_known_is_found(written):
    with open(written / "noise_IE.f4", "rb+") as file:
        file.write(np.float32(1).tobytes())
    with pytest.raises(ImageFileError, match="the pixels of G001 do not have the checksum"):
        read_sample(written)


def test_checksums_can_be_left_out_but_lengths_are_always_seen(written):
    flip(written / "brightness_YE.f4")
    assert len(read_sample(written, verify=False)) == 4 * 168
    (written / "brightness_YE.f4").write_bytes(b"")
    with pytest.raises(ImageFileError, match="has 0 bytes"):
        read_sample(written, verify=False)


def forge(folder, change):
    """Change the manifest and give it the digest that goes with it."""
    content = json.loads((folder / "sample.json").read_text())
    del content["sha256"]
    change(content)
    (folder / "sample.json").write_text(json.dumps({**content, "sha256": digest_of(content)}))


def test_a_changed_manifest_is_found(written):
    text = (written / "sample.json").read_text()
    (written / "sample.json").write_text(text.replace("0.0234", "0.0235"))
    with pytest.raises(ImageFileError, match="it was changed after it was written"):
        read_sample(written)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "{}", "7", "null", '{"format": "x"}', "[" * 100_000, "\x00", "9" * 5000]
)
def test_what_is_no_manifest_is_refused_in_one_line(written, text):
    (written / "sample.json").write_text(text)
    with pytest.raises(ImageFileError, match="sample.json cannot be used"):
        read_sample(written)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("names"),
        lambda c: c.pop("galaxies"),
        lambda c: c.update(names="G"),
        lambda c: c.update(names=["a", "a", "b", "c"]),
        lambda c: c.update(names=[1, 2, 3, 4]),
        lambda c: c.update(star_forming=[True]),
        lambda c: c.update(star_forming=[1, 2, 3, 4]),
        lambda c: c.update(clip="0.1"),
        lambda c: c.update(clip=float("nan")),
        lambda c: c.update(clip=True),
        lambda c: c.update(bands={}),
        lambda c: c.update(bands=["IE"]),
        lambda c: c.update(bands={"../../etc/passwd": "MJy / sr"}),
        lambda c: c.update(bands={"/etc/passwd": "MJy / sr"}),
        lambda c: c.update(bands={"": "MJy / sr"}),
        lambda c: c.update(bands={"IE": "Jy"}),
        lambda c: c.update(properties={"../x": ""}),
        lambda c: c.update(properties={"stellar_age": "yr"}),
        lambda c: c.update(galaxies={}),
        lambda c: c.update(galaxies=[1, 2, 3, 4]),
        lambda c: c["galaxies"].append(c["galaxies"][0]),
        lambda c: c["galaxies"][0].update(pixels=-1),
        lambda c: c["galaxies"][0].update(pixels=1.5),
        lambda c: c["galaxies"][0].update(pixels=1 << 60),
        lambda c: c["galaxies"][0].update(noise=0),
        lambda c: c["galaxies"][0].pop("sha256"),
    ],
)
def test_a_forged_manifest_is_refused_in_one_line(written, change):
    forge(written, change)
    with pytest.raises(ImageFileError, match="sample.json cannot be used"):
        read_sample(written)


def test_more_pixels_than_there_are_are_refused(written):
    forge(written, lambda c: c["galaxies"][0].update(pixels=10**9, seen=10**9))
    with pytest.raises(ImageFileError, match="brightness_IE.f4 has 2688 bytes, 4000002016 are needed"):
        read_sample(written)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_what_is_no_sample_is_said(tmp_path, name):
    with pytest.raises(ImageFileError, match="no such folder|has no sample.json"):
        read_sample(tmp_path / name)


# Training


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [LinearRegression(), RandomForest(n_trees=2, n_jobs=1)])
def test_training_on_a_sample_is_training_on_the_galaxies(tmp_path, estimator):
    some = galaxies(8)
    training, test = split(some, 0.3)
    pixels = write_sample(tmp_path / "s", some, NAMES)
    assert [[one.name for one in part] for part in split(pixels.galaxies, 0.3)] == [
        [one.name for one in part] for part in (training, test)
    ]
    model = train(training, NAMES, estimator)
    again = train(pixels.of(training), NAMES, estimator)
    assert again.digest == model.digest and again.training == model.training
    for table, other in (
        (evaluate(model, test), evaluate(again, pixels.of(test))),
        (lofo(model, training, test), lofo(again, pixels.of(training), pixels.of(test))),
    ):
        for name in table.colnames:
            np.testing.assert_array_equal(np.asarray(table[name]), np.asarray(other[name]))


# Command line


def run(*words):
    return main([str(word) for word in words])


@pytest.mark.slow
def test_the_commands_take_a_sample_for_its_atlas(atlas, tmp_path, capsys):
    sample, options = tmp_path / "sample", ["--estimator", "linear", "--test-fraction", 0.25]
    assert run("atlas", "extract", atlas, "-o", sample) == 0
    assert "pixels of 12 galaxies" in capsys.readouterr().out
    assert run("train", atlas, "-o", tmp_path / "a.asdf", *options) == 0
    shown = capsys.readouterr().out
    assert run("train", sample, "-o", tmp_path / "s.asdf", *options) == 0
    assert capsys.readouterr().out.replace("s.asdf", "a.asdf") == shown
    model, again = (read(tmp_path / f"{name}.asdf") for name in "as")
    assert model.digest == again.digest and model.training == again.training
    assert run("evaluate", tmp_path / "a.asdf", atlas, "--json") == 0
    shown = capsys.readouterr().out
    assert run("evaluate", tmp_path / "a.asdf", sample, "--json") == 0
    assert capsys.readouterr().out == shown
    assert run("diagnose", "lofo", tmp_path / "a.asdf", sample) == 0
    assert "left_out" in capsys.readouterr().out
    assert run("info", sample) == 0
    assert "every checksum as it was written" in capsys.readouterr().out


def test_of_a_sample_of_several_observers_one_is_taken(tmp_path):
    names = ("TNG000001_O1", "TNG000001_O5", "TNG000002_O5", "NGC 1")
    some = [Galaxy(name, one.image, one.maps) for name, one in zip(names, galaxies(4), strict=True)]
    write_sample(tmp_path / "s", some, NAMES)
    truth = open_truth(tmp_path / "s", "O5", EUCLID_BANDS)
    assert [one.name for one in truth.galaxies] == list(names[1:]) == list(truth.pixels(NAMES, ()).names)
    assert [one.name for one in open_truth(tmp_path / "s", "O3", EUCLID_BANDS).galaxies] == ["NGC 1"]


def test_what_a_sample_cannot_give_is_said_in_one_line(atlas, model_file, tmp_path, capsys):
    sample = tmp_path / "sample"
    assert run("atlas", "extract", atlas, "-o", sample, "--bands", "IE", "HE", "--clip", 0.05) == 0
    words = ["train", sample, "-o", tmp_path / "m.asdf", "--estimator", "linear", "--bands", "IE", "HE"]
    for command, message in (
        (words[:-3], "holds no band YE, JE; there are IE, HE"),
        ([*words, "--clip", 0.1], "keeps pixels brighter than 0.05 MJy/sr in HE, not those above 0.1"),
        ([*words, "--observer", "O3"], "holds nothing of observer O3; there are O5"),
        (["evaluate", model_file, sample], "holds no band YE, JE"),
        (["atlas", "extract", atlas, "-o", sample], "holds another sample (clip, bands)"),
    ):
        assert run(*command) == 1
        assert message in capsys.readouterr().err
    assert run(*words) == 0 and read(tmp_path / "m.asdf").bands == ("IE", "HE")
    assert run("atlas", "extract", atlas, "-o", sample, "--overwrite") == 0
    assert len(read_sample(sample).names) == len(read_atlas(atlas))
