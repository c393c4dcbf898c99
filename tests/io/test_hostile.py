"""Files that are damaged, cut short, edited or made to do harm end in one clear error, never in more."""

import contextlib
import errno
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import time

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import NDData, StdDevUncertainty
from astropy.wcs import WCS
from helpers import write_tree

from euclid_resolved import (
    Galaxy,
    LinearRegression,
    Model,
    MultiBandImage,
    SpatialMap,
    read,
    train,
    write,
)
from euclid_resolved.errors import ImageFileError, InputError, ModelFileError
from euclid_resolved.io._files import atomic_path
from euclid_resolved.io.asdf._files import read_asdf, read_model

pytestmark = pytest.mark.slow


def a_map(shape=(6, 7)):
    wcs = WCS(naxis=2)
    wcs.wcs.cunit, wcs.wcs.cdelt, wcs.wcs.crpix = ("pc", "pc"), (100, 100), (3, 2)
    data = np.random.default_rng(1).lognormal(3, 1, shape).astype("f4")
    data[0, 0] = np.nan
    return SpatialMap(
        data,
        property="stellar_mass_density",
        unit="Msun / pc2",
        wcs=wcs,
        quality=np.arange(data.size, dtype="i4").reshape(shape),
        uncertainty=StdDevUncertainty(data * np.float32(0.1)),
        meta={"model": "0a" * 32, "training_set": "mock", "pixel_scale": 100 * u.pc},
    )


def a_model():
    galaxies = []
    for i in range(2):
        he = np.random.default_rng(i).uniform(0.5, 4, (4, 5)).astype("f4")
        bands = {"HE": NDData(he, unit=u.MJy / u.sr), "IE": NDData(he**0.7, unit=u.MJy / u.sr)}
        truth = {"stellar_mass_density": SpatialMap(he * 150, property="stellar_mass_density")}
        galaxies.append(Galaxy(f"G{i}", MultiBandImage(bands), truth))
    return train(galaxies, "stellar_mass_density", LinearRegression(), bands=("IE", "HE"), source="two")


def assert_unchanged(a, b):
    if isinstance(b, dict) and not isinstance(a, dict):  # FITS gives a dict
        (b,) = b.values()
    assert type(a) is type(b)
    if isinstance(a, Model):
        assert a.digest == b.digest and a.training == b.training and a.versions == b.versions
        return
    np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_array_equal(a.quality, b.quality)
    np.testing.assert_array_equal(a.uncertainty.array, b.uncertainty.array)
    assert a.unit == b.unit and a.uncertainty.unit == b.uncertainty.unit
    assert str(a.wcs.to_header()) == str(b.wcs.to_header())
    assert dict(a.meta) == dict(b.meta)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What is written, and the bytes of its file, by kind."""
    folder, made = tmp_path_factory.mktemp("files"), {}
    for kind, name, obj in (
        ("model", "model.asdf", a_model()),
        ("map", "map.asdf", a_map()),
        ("fits", "map.fits", a_map()),
    ):
        write(folder / name, obj)
        made[kind] = obj, (folder / name).read_bytes(), name
    return made


KINDS = pytest.mark.parametrize("kind", ["model", "map", "fits"])


@KINDS
def test_truncation(files, kind, tmp_path):
    obj, content, name = files[kind]
    path = tmp_path / name
    cuts = [int(len(content) * i / 20) for i in range(20)]
    cuts += [1, 4, 9, 100, len(content) - 1] + [m.start() for m in re.finditer(b"\xd3BLK", content)]
    refused = 0
    for cut in cuts:
        path.write_bytes(content[:cut])
        try:
            back = read(path)
        except (ModelFileError, ImageFileError) as error:
            assert str(path) in str(error)
            refused += 1
        else:  # only the index behind the arrays, which is not used, or padding was lost
            assert cut > 0.8 * len(content)
            assert_unchanged(obj, back)
    assert refused >= 18


@KINDS
def test_flipped_bytes(files, kind, tmp_path):
    """A changed byte is refused, or it lies where it does not matter."""
    obj, content, name = files[kind]
    path, rng, refused = tmp_path / name, np.random.default_rng(5), 0
    for where in rng.integers(len(content), size=300):
        damaged = bytearray(content)
        damaged[where] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            back = read(path)
        except (ModelFileError, ImageFileError):
            refused += 1
        else:
            assert_unchanged(obj, back)
    assert refused > 75


def edited(files, tmp_path, kind, *changes):
    """A file whose YAML text was changed, array blocks as they were."""
    _, content, name = files[kind]
    for old, new in changes:
        content, n = re.subn(old, new.replace(b"\\", b"\\\\"), content, count=1)
        assert n == 1, old
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        # foreign tags and what else YAML offers to build things with
        (rb"\n  meta:\n", b"\n  meta: !!python/object/apply:os.system {a: 1}\n  m:\n", "foreign tag"),
        (rb"training_set: mock", b"training_set: !core/complex-1.0.0 1+1j", "foreign tag"),
        (rb"training_set: mock", b"training_set: !core/externalarray-1.0.0 {fileuri: x}", "foreign tag"),
        (rb"training_set: mock", b"training_set: !unit/quantity-1.1.0 {value: 1, unit: m}", "foreign tag"),
        (rb"training_set: mock", b"training_set: !!binary aGk=", "foreign tag"),
        (rb"training_set: mock", b"training_set: ! mock", "foreign tag"),
        (rb"spatial_map-1\.0\.0", b"spatial_map-1.1.0", "newer euclid_resolved"),
        (rb"spatial_map-1\.0\.0", b"model-1.0.0", "additional|Additional|required"),
        (rb"training_set: mock", b"training_set: &a mock", "anchors"),
        (rb"training_set: mock", b"training_set: &a [x]\n    b: *a", "anchors"),
        (rb"training_set: mock", b"training_set: *a", "aliases"),
        (rb"training_set: mock", b"<<: {a: b}", "reference"),
        # references
        (rb"training_set: mock", b'training_set: {$ref: "file:///etc/passwd#/"}', "reference"),
        (rb"training_set: mock", b"$ref: other.asdf#/x", "reference"),
        # arrays from elsewhere, or of absurd size
        (rb"source: 0", b"source: other.asdf", "outside the file"),
        (rb"source: 0", b'source: "0"', "outside the file"),
        (rb"source: 0", b"source: http://localhost/x.asdf", "outside the file"),
        (rb"source: 0", b"source: -1", "outside the file"),
        (rb"source: 0", b"source: 77", "from block 77"),
        (rb"source: 0", b"source: [1, 2]", "outside the file"),
        (rb"source: 0", b"data: [1, 2]", "written into the text"),
        (rb"shape: \[6, 7\]", b"shape: [-6, -7]", "shape"),
        (rb"shape: \[6, 7\]", b"shape: ['*', 7]", "shape"),
        (rb"shape: \[6, 7\]", b"shape: [6, 7, 1000000000000]", "from a block of"),
        (rb"shape: \[6, 7\]", b"shape: [8192, 8192]", "from a block of"),
        (rb"shape: \[6, 7\]", b"shape: [6, 7]\n    strides: [0, 0]", "view"),
        (rb"shape: \[6, 7\]", b"shape: [6, 7]\n    offset: 99999", "view"),
        (rb"shape: \[6, 7\]", b"shape: [6, 7]\n    mask: 3", "view"),
        (rb"datatype: float32", b"datatype: [{name: a, datatype: float32}]", "type"),
        (rb"datatype: float32", b"datatype: object", "type"),
        (rb"byteorder: little", b"byteorder: middle", "order"),
        # what a hand might change
        (rb"training_set: mock", b"training_set: real", "not what was written"),
        (rb"quantity: 100\.0", b"quantity: 101.0", "not what was written"),
        (rb"unit: solMass / pc2", b"unit: solMass / kpc2", "not what was written"),
        (rb"CDELT1, 100\.0", b"CDELT1, 10.0", "not what was written"),
        (rb"byteorder: little", b"byteorder: big", "not what was written"),
        (rb"shape: \[6, 7\]", b"shape: [7, 6]", "not what was written"),
        (rb"training_set: mock", b"training_set: 2020-01-01", "date does not belong"),
        (rb"training_set: mock", b"training_set: mock\n    1: 2", "not text"),
        (rb"metadata: [0-9a-f]{64}", b"metadata: 0", "not of type|does not match|pattern"),
        (rb"checksums:", b"check:", "required|additional|Additional"),
        (rb"/data: [0-9a-f]{64}", b"/data: " + b"a" * 64, "array data is not"),
        (rb"training_set: mock", b"training_set: mock\n    training_set: mock", "twice"),
        (rb"training_set: mock", b"training_set: mock\n    'training_set': mock", "twice"),
        (rb"training_set: mock", b"? [a]\n    : mock", "not text"),
        (rb"training_set: mock", b"training_set: " + b"[" * 50 + b"]" * 50, "deeper"),
        # Newer versions of PyYAML refuse the depth before we see it.
        (rb"training_set: mock", b"training_set: " + b"[" * 100_000, "deeper|increasing flow level"),
        (rb"training_set: mock", b"training_set: " + b"{a: " * 100_000, "deeper|increasing flow level"),
        (rb"training_set: mock", b"training_set:\n   " + b" -" * 50 + b" mock", "deeper"),
        (rb"training_set: mock", b"training_set: [" + b"1," * 200_001 + b"]", "200000 values"),
        (rb"training_set: mock", b"training_set: " + b"9" * 5000, "400 digits"),
        (rb"training_set: mock", b"training_set: 1" + b":59" * 5000, "400 digits"),
        (rb"\n\.\.\.\n", b"\n...\n--- {}\n...\n", "something other than arrays"),
        (rb"\nmap: ", b"\n--- {}\n---\nmap: ", "more than one|no YAML"),
        (rb"\nmap: ", b"\nmore: {a: 1}\nmap: ", "2 things"),
        (rb"%YAML 1\.1", b"%YAML 9.9", "no YAML"),
        (rb"%YAML", b"\x00YAML", "no text"),
        (rb"#ASDF 1\.0\.0", b"#ASDF 9.0.0", "no ASDF"),
        (rb"training_set: mock", b"training_set: \xff\xfe", "no YAML"),
    ],
)  # fmt: skip
def test_edited_text(files, tmp_path, old, new, what):
    with pytest.raises((ImageFileError, ModelFileError), match=what):
        read(edited(files, tmp_path, "map", (old, new)))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (rb"clip: 0\.0234", b"clip: 0.0235", "not what was written"),
        (rb"clip: 0\.0234", b"clip: null", "not what was written"),
        (rb"estimator: linear", b"estimator: os.system", "not what was written"),
        (rb"bands: \[IE, HE\]", b"bands: [HE, IE]", "not what was written"),
        (rb"source: two", b"source: ten", "not what was written"),
        (rb"settings: \{\}", b"settings: {a: [1, {b: c}]}", "not what was written"),
        (rb"settings: \{\}", b"settings: " + b"[" * 100_000, "deeper|increasing flow level"),
        (rb"columns: \[IE, HE\]", b"columns: 3", "not of type"),
        (rb"\n  outputs:\n", b"\n  outputs: []\n  x:\n", "too short|non-empty|Additional"),
    ],
)
def test_edited_model(files, tmp_path, old, new, what):
    for reader in (read, read_model):
        with pytest.raises(ModelFileError, match=what):
            reader(edited(files, tmp_path, "model", (old, new)))


def test_a_model_with_fresh_sums_must_still_repeat_its_predictions(tmp_path):
    """Sums can be made anew by anyone: then the model's own checks stand behind them."""
    path, model = tmp_path / "bad.asdf", a_model()
    write_tree(path, model.to_tree())
    assert_unchanged(model, read(path))
    output = model.to_tree()["outputs"][0]
    for change, what in (
        ({"golden": output["golden"] + np.float32(0.1)}, "no longer gives"),
        ({"estimator": "lenear"}, "lenear"),
        ({"state": {}}, "no 'coefficients'"),
        ({"state": {**output["state"], "coefficients": np.array([np.nan, 1])}}, "not finite"),
        ({"state": {**output["state"], "coefficients": np.ones(3)}}, "fitted to 3 columns"),
        ({"settings": {"n_jobs": 1}}, "n_jobs"),
        ({"scale": {"minimum": np.zeros(2), "maximum": np.zeros(1)}}, "minima"),
    ):
        write_tree(path, {**model.to_tree(), "outputs": [{**output, **change}]})
        with pytest.raises(ModelFileError, match=what):
            read(path)


def test_a_small_file_that_declares_much(tmp_path):
    """Under a kilobyte of text and one small block, 268 MB by its own word."""
    path = tmp_path / "small.asdf"
    for extra in (b"", b", strides: [0, 0]"):
        text = (
            b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n"
            b"--- !core/asdf-1.1.0\nmap: !<asdf://euclid-resolved/tags/spatial_map-1.0.0>\n"
            b"  data: !core/ndarray-1.1.0 {source: 0, "
            b"datatype: float32, byteorder: little, shape: [8192, 8192]" + extra + b"}\n...\n"
        )
        size = 8192 * 8192 * 4
        for declared in (16, size):
            header = b"\0\x30" + b"\0" * 8 + declared.to_bytes(8, "big") * 3 + b"\0" * 16
            path.write_bytes(text + b"\xd3BLK" + header + b"\0" * 16)
            with pytest.raises(ImageFileError, match="larger than the file|from a block|view"):
                read(path)


@pytest.mark.parametrize(
    ("offset", "value", "what"),
    [
        (4, b"\0\x10", "header is damaged"),
        (6, b"\0\0\0\x01", "stream"),
        (10, b"zlib", "compressed"),
        (10, b"bzp2", "compressed"),
        (10, b"lz4\0", "compressed"),
        (14, b"\xff" * 8, "larger than the file"),
        (22, b"\0" * 8, "stream"),
    ],
)
def test_block_headers(files, tmp_path, offset, value, what):
    _, content, name = files["map"]
    start = content.index(b"\xd3BLK") + offset
    (tmp_path / name).write_bytes(content[:start] + value + content[start + len(value) :])
    with pytest.raises(ImageFileError, match=what):
        read(tmp_path / name)


def test_arrays_beyond_the_limit(files, tmp_path):
    _, content, name = files["map"]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageFileError, match="more than the 300 bytes"):
        read_asdf(tmp_path / name, max_bytes=300)


@pytest.mark.parametrize("ending", ["asdf", "fits", "fits.gz"])
def test_what_is_no_such_file(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    with pytest.raises(ImageFileError, match="no such file"):
        read(path)
    for content, what in (
        (pickle.dumps(print), "pickles are never opened"),
        (b"", "empty"),
        (b"#ASDF", "ASDF"),
        (b"\x1f\x8b", "x."),
        (b"SIMPLE  =", "x."),
        (b"\x89HDF\r\n\x1a\n", "neither ASDF nor FITS"),
        (b"#ASDF 1.0.0\n" * 1000, "no text section"),
    ):
        path.write_bytes(content)
        with pytest.raises(ImageFileError, match=what):
            read(path)
        with pytest.raises(ModelFileError):
            read_model(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ImageFileError, match="folder"):
        read(path)
    with pytest.raises(ModelFileError, match="folder"):
        read_model(path)
    path.rmdir()
    os.mkfifo(path)  # reading one would wait for ever
    with pytest.raises(ImageFileError, match="no regular file"):
        read(path)


def test_the_content_decides_not_the_name(files, tmp_path):
    for kind in ("model", "fits"):
        obj, content, _ = files[kind]
        (tmp_path / "download").write_bytes(content)
        assert_unchanged(obj, read(tmp_path / "download"))


# Writing


@pytest.mark.parametrize("name", ["m.asdf", "m.fits", "m.fits.gz"])
def test_an_existing_file_is_kept(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"overwrite=True \(--overwrite\)"):
        write(path, a_map())
    assert path.read_bytes() == b"mine"
    path.chmod(0o640)
    write(path, a_map(), overwrite=True)
    assert_unchanged(a_map(), read(path))
    assert path.stat().st_mode & 0o777 == 0o640


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "folder.asdf").mkdir()
    os.mkfifo(tmp_path / "pipe.asdf")
    for name, what in (
        ("none/m.asdf", "no folder"),
        ("folder.asdf", "not a regular file"),
        ("pipe.asdf", "not a regular file"),
        ("m.txt", "must end in"),
    ):
        with pytest.raises(InputError, match=what):
            write(tmp_path / name, a_map(), overwrite=True)
    for obj in (3, [a_map()], {}, {"a": 1}, None):
        with pytest.raises(InputError, match="can be written as ASDF"):
            write(tmp_path / "m.asdf", obj)
    with pytest.raises(InputError, match="files of maps take"):
        write(tmp_path / "m.fits", a_model())


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.asdf").write_bytes(b"old")
    (tmp_path / "link.asdf").symlink_to("real.asdf")
    write(tmp_path / "link.asdf", a_map(), overwrite=True)
    assert (tmp_path / "link.asdf").is_symlink()
    assert_unchanged(a_map(), read(tmp_path / "real.asdf"))


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    with pytest.raises(InputError, match="exists"), atomic_path(tmp_path / "m") as temporary:
        temporary.write_bytes(b"new")
        (tmp_path / "m").write_bytes(b"other")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("m", b"other")]


@contextlib.contextmanager
def small_disk(limit):
    """Writing past `limit` bytes of a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", ["m.asdf", "m.fits", "m.fits.gz"])
@pytest.mark.parametrize("old", [b"", b"old"], ids=["new", "old"])
def test_a_full_disk_leaves_all_as_it_was(tmp_path, monkeypatch, name, old):
    path = tmp_path / name
    if old:
        path.write_bytes(old)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted(descriptor):
        raise KeyboardInterrupt

    with pytest.raises(OSError), small_disk(20_000):
        write(path, a_map((300, 300)), overwrite=True)
    for failure, error in ((full, OSError), (interrupted, KeyboardInterrupt)):
        monkeypatch.setattr(os, "fsync", failure)
        with pytest.raises(error):
            write(path, a_map(), overwrite=True)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == ([(name, old)] if old else [])


@pytest.mark.parametrize("name", ["m.asdf", "m.fits"])
def test_a_really_full_disk(tmp_path, name):
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("mounting a small file system is not permitted here")
    try:
        write(tmp_path / name, a_map())
        before = (tmp_path / name).read_bytes()
        with pytest.raises(OSError):
            write(tmp_path / name, a_map((300, 300)), overwrite=True)
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, before)]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True, timeout=10)


KILLED = """
import itertools, sys
import numpy as np
from euclid_resolved import SpatialMap, write
maps = [SpatialMap(np.full((500, 500), i, "f4"), unit="Gyr") for i in (1, 2)]
for i in itertools.count():
    write(sys.argv[1], maps[i % 2], overwrite=True)
    print(i, flush=True)
"""


@pytest.mark.parametrize("name", ["m.asdf", "m.fits"])
def test_kill_while_writing(tmp_path, name):
    """Whenever a process dies, the file of that name is one of those it was writing, whole."""
    rng = np.random.default_rng(7)
    for i in range(2):
        path = tmp_path / str(i) / name
        path.parent.mkdir()
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        with process:
            process.stdout.readline()
            time.sleep(rng.uniform(0.02, 0.15))
            process.send_signal(signal.SIGKILL)
        back = read(path)
        data = (back if isinstance(back, SpatialMap) else back["map0"]).data
        assert data.shape == (500, 500) and data[0, 0] in (1, 2) and (data == data[0, 0]).all()
