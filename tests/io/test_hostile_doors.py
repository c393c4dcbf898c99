"""Pipes, devices, and files that hang or swell: each door refuses them soon and without memory.

What could hang or fill the memory runs in a process of its own, with limits.
"""

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from helpers import SHARED, write_tree

from euclid_resolved import ImageFileError, InputError, LinearRegression, read, read_euclid, train
from euclid_resolved.images._guard import Budget, literal, open_unpacked, read_text, refuse_input
from euclid_resolved.io import open_large
from euclid_resolved.io._fits_walk import MAX_EXTENSIONS, MAX_HEADER, walk
from euclid_resolved.testing import example_galaxies

pytestmark = pytest.mark.slow

SECONDS = 120  # for a process; the machines of tests are slow at times

_CHILD = """
import json, resource, sys, time, warnings
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)
warnings.simplefilter("ignore")
from pathlib import Path
from euclid_resolved import read, read_atlas, read_euclid
from euclid_resolved.cli import main
from euclid_resolved.diagnostics import read_relation
from euclid_resolved.io import open_image, open_large, read_mosaics, read_sample
from euclid_resolved.maps import read_region
from euclid_resolved.study import read_study
from euclid_resolved.io.asdf._files import read_model

def strips(path):
    with open_large(path) as image:
        image.strip(image.read(0, 2))

def command(path):
    if main(["info", str(path)]):
        raise ValueError("refused")

def table(path):
    from euclid_resolved.cli._predict import _read_table
    return _read_table(path)

def sample(path):
    return read_sample(Path(path).parent)

doors = {f.__name__: f for f in (
    read, read_euclid, read_model, read_relation, read_region, read_study, open_image, strips, command,
    table, sample)}
answers = []
for door, path in json.loads(sys.argv[1]):
    start = time.monotonic()
    try:
        doors[door](path)
        answer = "opened"
    except ValueError as error:  # InputError and the errors of files are such
        answer = f"{type(error).__name__}: {error}"
    except BaseException as error:
        answer = f"RAW {type(error).__name__}: {error}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    answers.append([door, path, answer, time.monotonic() - start, peak])
print(json.dumps(answers))
"""


def at_the_doors(cases):
    """What each door says to each file, with the seconds it took and the MiB of the process till then."""
    words = [sys.executable, "-c", _CHILD, json.dumps([[door, str(path)] for door, path in cases])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


DOORS = (
    "read", "read_euclid", "read_model", "read_relation", "read_region", "read_study", "open_image", "strips",
    "command", "table",
)  # fmt: skip


def test_pipes_and_devices(tmp_path):
    pipe, link, loop = tmp_path / "pipe.fits", tmp_path / "link.asdf", tmp_path / "loop.ecsv"
    os.mkfifo(pipe)
    os.mkfifo(tmp_path / "sample.json")
    link.symlink_to("/dev/zero")
    loop.symlink_to(pipe)
    cases = [(door, path) for door in DOORS for path in (pipe, link, loop, "/dev/zero")]
    for door, path, answer, seconds, peak in at_the_doors([*cases, ("sample", tmp_path / "sample.json")]):
        assert "Error: " in answer and not answer.startswith("RAW"), (door, path, answer)
        assert "no regular file" in answer or door in ("command", "sample"), (door, answer)
        assert seconds < 30 and peak < 1024, (door, path, seconds, peak)


def image(n=40):
    header = fits.Header({"BUNIT": "MJy/sr", "FILTER": "VIS", "EXTNAME": "VIS"})
    return fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((n, n), "f4"), header)])


def as_bytes(hdus, path):
    hdus.writeto(path, overwrite=True)
    return path.read_bytes()


def card(key, value):
    return fits.Card(key, value).image.encode()


def with_card(content, key, value, extension=1):
    """The content of a FITS file with another value in the header of an extension."""
    start = 0 if extension == 0 else content.index(b"XTENSION")
    end = content.index(b"END" + b" " * 77, start)
    at = next((i for i in range(start, end, 80) if content[i : i + 8] == key.encode().ljust(8)), end)
    at, rest = at, content[at + 80 :]
    return content[:at] + card(key, value) + (rest if at < end else (b"END" + b" " * 77) + rest[80:])


HEADERS = {
    "negative side": (0, "NAXIS1", -32),
    "negative side in an extension": (1, "NAXIS1", -32),
    "negative heap": (1, "PCOUNT", -4096),
    "negative groups": (1, "GCOUNT", -1),
    "a side longer than the file": (1, "NAXIS2", 2**40),
    "as many groups": (1, "GCOUNT", 2**40),
    "more axes than are told": (1, "NAXIS", 5),
    "a thousand axes": (1, "NAXIS", 1000),
    "negative axes": (1, "NAXIS", -2),
    "unknown numbers": (1, "BITPIX", -33),
    "a fraction": (1, "NAXIS1", 40.5),
    "text": (1, "NAXIS1", "40"),
    "truth": (1, "NAXIS1", True),
}


@pytest.mark.parametrize("packed", [False, True])
def test_sizes_that_are_not_true(tmp_path, packed):
    content, cases = as_bytes(image(), tmp_path / "good.fits"), []
    for name, (extension, key, value) in HEADERS.items():
        changed = with_card(content, key, value, extension)
        if extension == 0:
            changed = with_card(changed, "NAXIS", 1, 0)
            changed = changed.replace(b"END" + b" " * 77, card("NAXIS1", -32) + b"END" + b" " * 77, 1)
            changed = changed[:2880] + changed[2960:] if len(changed) % 2880 else changed
        path = tmp_path / f"{name.replace(' ', '_')}.fits{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(changed) if packed else changed)
        cases += [(door, path) for door in ("read", "read_euclid", "strips")]
    for door, path, answer, seconds, _ in at_the_doors(cases):
        assert answer.startswith("ImageFileError"), (door, path, answer)
        assert seconds < 10, (door, path, seconds)  # a hundredth of a second on a machine at rest


def test_headers_without_end(tmp_path):
    content = as_bytes(image(), tmp_path / "good.fits")
    end = b"END" + b" " * 77
    at = content.index(b"XTENSION")
    bad = {
        "no_end": content[:at] + content[at:].replace(end, b" " * 80, 1),
        "no_end_at_all": content.replace(end, b" " * 80),
        "blanks": content[:at] + content[at : at + 240] + b" " * (MAX_HEADER * 2),
        "blank_first_header": content[:80] + b" " * (2880 - 80) + b" " * MAX_HEADER,
        "cut_in_a_header": content[: at + 1000],
        "something_behind": content + b"\xff" * 2880 * 40,
        "two_sizes": with_card(content, "NAXIS1", 40).replace(
            end, card("NAXIS1", 2**30) + end, 2
        ),
    }  # fmt: skip
    cases = []
    for name, changed in bad.items():
        for path, written in (
            (tmp_path / f"{name}.fits", changed),
            (tmp_path / f"{name}.fits.gz", gzip.compress(changed)),
        ):
            path.write_bytes(written)
            cases += [(door, path) for door in ("read", "read_euclid", "strips")]
    for door, path, answer, seconds, peak in at_the_doors(cases):
        assert answer.startswith("ImageFileError"), (door, path, answer)
        assert seconds < 10 and peak < 1024, (door, path, seconds, peak)


def test_files_that_swell(tmp_path):
    """A file of some MB that becomes GiB."""
    header = fits.PrimaryHDU(np.zeros((2, 2), "f4")).header
    header["NAXIS1"], header["NAXIS2"] = 30_000, 30_000
    cases = []
    for name, pack, doors in (
        ("zeros.gz", gzip.compress, ("read_euclid", "strips", "read_region")),
        ("zeros.xz", lzma.compress, ("read_euclid",)),
    ):
        # One packed piece again and again: members behind each other are one file.
        path = tmp_path / name
        path.write_bytes(pack(header.tostring().encode()) + pack(bytes(2**23)) * 400)
        assert path.stat().st_size < 2**23
        cases += [(door, path) for door in doors]
    for door, path, answer, seconds, peak in at_the_doors(cases):
        assert "Error: " in answer and "MiB allowed" in answer, (door, path, answer)
        assert seconds < 60 and peak < 1500, (door, path, seconds, peak)


def test_many_small_extensions(tmp_path):
    path = tmp_path / "many.fits"
    small = fits.ImageHDU().header.tostring().encode()
    path.write_bytes(fits.PrimaryHDU().header.tostring().encode() + small * (MAX_EXTENSIONS + 1))
    with pytest.raises(ImageFileError, match="extensions"):
        read(path)


def test_compressed_images_claim_no_more_than_they_hold(tmp_path):
    path = tmp_path / "rice.fits"
    data = np.random.default_rng(1).normal(size=(64, 64)).astype("f4")
    header = image()[1].header
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, header, name="VIS")]).writeto(path)
    with path.open("rb") as file:
        walk(path, file, ImageFileError)  # an ordinary table
    content = path.read_bytes()
    for value in (2**28, -64, 2**60):
        path.write_bytes(with_card(content, "ZNAXIS1", value))
        with pytest.raises(ImageFileError, match="claims an image|ZNAXIS1"):
            read_euclid(path)


def test_good_files_pass(tmp_path):
    """Random groups, a table, a compressed image, an empty image, gzip, bzip2 and xz."""
    groups = fits.GroupData(np.ones((3, 1, 4), "f4"), bitpix=-32, parnames=["a"], pardata=[np.arange(3.0)])
    table = fits.BinTableHDU.from_columns([fits.Column("x", "PJ()", array=np.array([[1], [2, 3]], object))])
    packed_image = fits.CompImageHDU(np.ones((9, 9), "i2"))
    for number, hdus in enumerate(
        (
            fits.HDUList([fits.GroupsHDU(groups)]),
            fits.HDUList([fits.PrimaryHDU(), table, fits.ImageHDU(), packed_image]),
        )
    ):
        path = tmp_path / f"{number}.fits"
        content = as_bytes(hdus, path)
        for ending, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
            packed = tmp_path / f"{number}.fits.{ending}"
            packed.write_bytes(pack(content))
            with open_unpacked(packed, ImageFileError) as file:
                walk(packed, file, ImageFileError)
                assert file.read() == content


def test_budget_of_seconds():
    budget = Budget("a.fits", refuse_input, seconds=-1)
    with pytest.raises(InputError, match="a.fits: reading it takes more than"):
        budget.spend(1)


def test_texts_and_settings(tmp_path):
    path = tmp_path / "long.toml"
    path.write_bytes(b"a" * 100)
    with pytest.raises(InputError, match="more than the 99 bytes"):
        read_text(path, most=99)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_text(path)
    path.write_bytes(b"a\r\nb\rc")
    assert read_text(path) == "a\nb\nc"
    assert [literal(text) for text in ("3", "auto", "(1, 2)", "1_0")] == [3, "auto", (1, 2), 10]
    assert literal("(" * 900) == "(" * 900  # no value, and not too deep for Python
    with pytest.raises(InputError, match="a setting of 28000000 letters"):
        literal("1," * 14_000_000)


@pytest.mark.filterwarnings("ignore::euclid_resolved.DataWarning")  # of noise that lost its name
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared real data")
def test_damaged_cutouts_by_strips(tmp_path):
    """89 seeded damages of a real cut-out: one of our errors, or the pixels of the file as it was."""
    content = (SHARED / "euclid_q1_cutout_100px_ugriz.fits").read_bytes()
    starts = [i for i in range(0, len(content), 2880) if content[i : i + 8] in (b"SIMPLE  ", b"XTENSION")]
    rng, path, refused = np.random.default_rng(89), tmp_path / "damaged.fits", 0
    for number in range(89):
        damaged, start = bytearray(content), int(rng.choice(starts))
        if number % 4 == 0:
            damaged = damaged[: int(rng.integers(len(content)))]
        elif number % 4 == 1:
            at = start + 80 * int(rng.integers(36))
            damaged[at : at + 80] = rng.integers(32, 127, 80, dtype=np.uint8).tobytes()
        else:
            for at in rng.integers(start, start + 2880, 3):
                damaged[at] = int(rng.integers(256))
        path.write_bytes(damaged)
        try:
            with open_large(path) as opened:
                opened.strip(opened.read(0, 5))
        except InputError as error:
            assert str(path) in str(error) or "band" in str(error)
            refused += 1
    assert refused > 30


def test_models_that_swell(tmp_path):
    """29 MB of text as the option of an estimator; arrays of 2 GiB in a file with holes."""
    tree = train(example_galaxies(), estimator=LinearRegression()).to_tree()
    output = tree["outputs"][0]
    settings = {"member": "mlp", "members": 5, "options": ["a=(" + "1," * 14_000_000 + ")"], "seed": 1}
    text = tmp_path / "text.asdf"
    changed = {**output, "estimator": "ensemble", "settings": settings, "state": {"members": [{}] * 5}}
    write_tree(text, {**tree, "outputs": [changed]})
    holes, size = tmp_path / "holes.asdf", 2**31
    start = (
        b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n"
        b"--- !core/asdf-1.1.0\nmodel: !<asdf://euclid-resolved/tags/model-1.0.0>\n"
        b"  data: !core/ndarray-1.1.0 {source: 0, datatype: uint8, byteorder: little, "
        b"shape: [2147483648]}\n...\n"
    )
    with holes.open("wb") as file:
        file.write(start + b"\xd3BLK\0\x30" + b"\0" * 8 + size.to_bytes(8, "big") * 3 + b"\0" * 16)
        file.truncate(file.tell() + size)
    answers = at_the_doors([("read", text), ("read_model", text), ("read", holes), ("read_model", holes)])
    for _, path, answer, seconds, peak in answers:
        what = "a setting of 28000002 letters" if path == str(text) else "more than the 1073741824 allowed"
        assert answer.startswith("ModelFileError") and what in answer, answer
        assert seconds < 40 and peak < 1500, (path, seconds, peak)


def test_a_header_that_lost_its_checksum(tmp_path):
    """Where damage takes a name and the checksum away, the band must not be missed silently."""
    path = tmp_path / "cutout.fits"
    image().writeto(path, checksum=True)
    content = path.read_bytes()
    at = content.index(b"CHECKSUM", 2880)
    (tmp_path / "half.fits").write_bytes(content[:at] + b"CHACKSUM" + content[at + 8 :])
    start = content.index(b"EXTNAME")
    (tmp_path / "none.fits").write_bytes(content[:start] + b" or 8) ".ljust(240) + content[start + 240 :])
    for name in ("half.fits", "none.fits"):
        for door in (read, read_euclid, lambda path: open_large(path).__enter__()):
            with pytest.raises(ImageFileError, match="lost its CHECKSUM"):
                door(tmp_path / name)
    assert read_euclid(path).bands == ("IE",)
