"""Damage files and open them, kill what writes them, fill the disk: what happens is counted by class.

Each case runs in a process of its own that may take 4 GiB of memory and 20 s. A file is opened (clean) if
it is refused with an error of this package, or gives what it gave before, or, where no sums stand guard,
anything. The columns behind that must be zero; then the exit status is 0.

Then files are written over older ones by processes that are killed at some moment, and by such that may
write no more than some bytes, as on a full disk. Clean is the older file or the new one, whole, and nothing
left behind after the next run.

Before all that, cut-outs are fetched from an archive on the loopback address that lies in every way that
``tests/hostile_answers.py`` knows. Clean is one error of this package, no file left, nothing asked elsewhere.

    python benchmarks/hostile.py                       # 10,000 damaged files
    python benchmarks/hostile.py --n 70 --kills 6 --disks 6 --answers 6 --seed 3
"""

import argparse
import hashlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

from euclid_resolved import LinearRegression, RandomForest, read, read_euclid, train, write
from euclid_resolved.errors import InputError
from euclid_resolved.io import fetch, open_large, read_sample, write_sample
from euclid_resolved.io.euclid import _fetch
from euclid_resolved.study import read_study
from euclid_resolved.testing import example_galaxies

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from archives import DEC, RA
from hostile_answers import ANSWERS, MOST, Server

MEMORY = 4 * 2**30  # bytes
SECONDS = 20
OUTCOMES = ("clean", "silent change", "crash", "hang", "memory", "raw exception")


def make_files(folder):
    """The files that are damaged: class -> file, what opens it, and whether sums stand guard."""
    galaxies = example_galaxies(4)
    write(folder / "maps.fits", galaxies[0].maps)
    write(folder / "maps.fits.gz", galaxies[0].maps)
    write(folder / "image.asdf", galaxies[0].image)
    write(folder / "linear.asdf", train(galaxies, estimator=LinearRegression()))
    write(folder / "forest.asdf", train(galaxies, estimator=RandomForest(n_trees=5)))
    write_sample(folder / "sample", galaxies)
    plane = np.random.default_rng(1).lognormal(0, 1, (48, 48)).astype("f4")
    hdus = [fits.PrimaryHDU()]
    for band in ("VIS", "NIR_H"):
        header = fits.Header({"BUNIT": "MJy/sr", "FILTER": band})
        hdus += [
            fits.ImageHDU(plane, header, name=band),
            fits.ImageHDU(plane / 10, header, name=f"{band}_RMS"),
        ]
    fits.HDUList(hdus).writeto(folder / "cutout.fits", checksum=True)
    packed = [hdus[0], *(fits.CompImageHDU(hdu.data, hdu.header) for hdu in hdus[1:])]
    fits.HDUList(packed).writeto(folder / "rice.fits", checksum=True)
    import euclid_resolved.study as room

    shutil.copy(Path(room.__file__).parent / "data" / "paper-fast.toml", folder / "study.toml")
    return {
        "FITS maps": ("maps.fits", read, True),
        "FITS maps, gzipped": ("maps.fits.gz", read, True),
        "FITS cut-out": ("cutout.fits", read_euclid, True),
        "FITS cut-out, by strips": ("cutout.fits", strips, False),
        "FITS cut-out, Rice": ("rice.fits", read_euclid, True),
        "ASDF image": ("image.asdf", read, True),
        "ASDF model, linear": ("linear.asdf", read, True),
        "ASDF model, forest": ("forest.asdf", read, True),
        "sample, its manifest": ("sample/sample.json", sample, True),
        "sample, a column": ("sample/brightness_HE.f4", sample, True),
        "study": ("study.toml", read_study, False),
    }


def strips(path):
    """Some rows of an image, by strips."""
    with open_large(path) as image:
        return image.strip(image.read(0, 7))


def sample(path):
    """The sample in whose folder a file lies."""
    return read_sample(path.parent)


def digest(content):
    """What tells one content of a file from another."""
    if hasattr(content, "digest"):  # a model
        return content.digest
    if hasattr(content, "brightness") and hasattr(content, "truth"):  # pixels
        parts = [*content.brightness.values(), *content.truth.values(), *content.noise.values()]
    elif hasattr(content, "values"):  # maps or an image
        parts = []
        for each in content.values():
            parts += [each.data, each.mask, getattr(each.uncertainty, "array", None), str(each.unit)]
    else:
        return ""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes())
    return sha.hexdigest()


def damage(content, rng):
    """The bytes of a file after one of several accidents, or some malice."""
    content = bytearray(content)
    kind, n = rng.integers(8), len(content)
    # Most of what can go wrong stands in the text at the beginning of a file or behind a mark.
    marks = [0, *(m for m in range(0, n, 2880) if content[m : m + 8] == b"XTENSION")]
    text = int(rng.choice(marks)) + int(rng.integers(min(n, 4000)))
    at = min(text if rng.random() < 0.6 else int(rng.integers(n)), n - 1)
    if kind == 0:
        return content[: int(rng.integers(n))]
    if kind == 1:  # single bits
        for _ in range(int(rng.integers(1, 9))):
            content[min(at + int(rng.integers(200)), n - 1)] ^= 1 << int(rng.integers(8))
    elif kind == 2:  # a block of a disk
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    elif kind == 3:  # a piece from elsewhere
        piece = int(rng.integers(1, 3000))
        start = int(rng.integers(n))
        content[at : at + piece] = content[start : start + piece]
    elif kind == 4:  # something that comes in between
        content[at:at] = rng.integers(256, size=int(rng.integers(1, 3000)), dtype=np.uint8).tobytes()
    elif kind == 5:
        del content[at : at + int(rng.integers(1, 3000))]
    else:  # another number, of the same length or not
        digits = [i for i in range(at, min(at + 600, n)) if 48 <= content[i] < 58]
        if digits:
            new = [b"-", b"9", b"0", b"9" * 12, b"-32", b"1e30", b"nan", b"[" * 50][int(rng.integers(8))]
            where = int(rng.choice(digits))
            content[where : where + (len(new) if kind == 6 else 1)] = new
    return content


def outcome(path, opener, known):
    """What comes of opening a file, in this process."""
    try:
        found = digest(opener(path))
    except InputError:
        return "clean"
    except MemoryError:
        return "memory"
    except Exception as error:
        print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
        return "raw exception"
    return "clean" if known in (None, found) else "silent change"


def in_a_child(path, opener, known):
    """The same in a process with limits."""
    child = os.fork()
    if child == 0:
        status = OUTCOMES.index("raw exception")
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            status = OUTCOMES.index(outcome(path, opener, known))
        finally:
            sys.stderr.flush()
            os._exit(status)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "crash" if os.WIFSIGNALED(status) else OUTCOMES[os.waitstatus_to_exitcode(status)]
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hang"


def writer(path, content, before=lambda: None):
    """A process that writes a file over an older one."""
    child = os.fork()
    if child == 0:
        try:
            before()
            write(path, content, overwrite=True)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def written_over(folder, content, spoil, rng):
    """What is left of a file where writing another one over it was spoilt."""
    path, old, new = folder / content[0], content[1], content[2]
    write(path, old, overwrite=True)
    known = {digest(read(path))}
    child = writer(path, new, lambda: spoil(None, rng))
    spoil(child, rng)
    os.waitpid(child, 0)
    try:
        left = digest(read(path))
        os.waitpid(writer(path, new), 0)  # the next run, which clears away what the spoilt one left
        known.add(digest(read(path)))
    except Exception as error:
        print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
        return "raw exception"
    strays = [each for each in folder.iterdir() if each != path]
    if left not in known or strays:
        print(f"{path}: {'another content' if left not in known else strays}", file=sys.stderr)
        return "silent change"
    return "clean"


def killed(child, rng):
    """Kill the process that writes, at some moment."""
    wait = rng.uniform(0, 0.06)
    if child is not None:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)


def full(child, rng):
    """Let the process that writes have no more than some bytes in a file."""
    most = int(rng.integers(1, 60_000))
    if child is None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def spoilt(folder, spoil, n, seed):
    """Counts of outcomes for maps and models that are written over."""
    galaxies = example_galaxies(4, side=64)
    forests = [train(galaxies, estimator=RandomForest(n_trees=t, n_jobs=1)) for t in (8, 9)]
    contents = [
        ("maps.fits", galaxies[0].maps, galaxies[1].maps),
        ("image.asdf", galaxies[0].image, galaxies[1].image),
        ("model.asdf", *forests),
    ]
    counts = dict.fromkeys(OUTCOMES, 0)
    for case in range(n):
        place = folder / f"{spoil.__name__}{case % 3}"
        place.mkdir(exist_ok=True)
        counts[written_over(place, contents[case % 3], spoil, np.random.default_rng([seed, case]))] += 1
    return counts


def archive():
    """A process that serves the hostile answers: its number and its address."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            server = Server([*(answer[:2] for answer in ANSWERS.values()), (None, None)])
            server.ends = float("inf")
            os.write(write_end, server.origin.encode())
            os.close(write_end)
            server.serve_forever()
        finally:
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end) as file:
        return child, file.read()


def downloads(origin, numbers, folder):
    """Counts of outcomes of answers, by their numbers."""
    results, honest = {}, len(ANSWERS)
    for number in [honest, *numbers]:
        place = folder / str(number)

        def download(place, number=number):
            _fetch.IRSA, _fetch._SPARE = f"{origin}/{number}/SIA", MOST - 30_000
            try:
                fetch(RA, DEC, 3, bands=["IE"], folder=place, timeout=1, allow=[origin])
            except InputError:
                if not [path for path in place.rglob("*") if path.suffix != ".ecsv"]:
                    raise
            return "something was taken"

        results[number] = in_a_child(place, download, "nothing")
    if results.pop(honest) != "silent change":  # else the others say nothing
        raise SystemExit("the honest answer was not taken")
    with urllib.request.urlopen(f"{origin}/asked") as answer:
        led = {int(path.split("/")[1]) for path in answer.read().decode().split() if "elsewhere" in path}
    results |= dict.fromkeys(led & set(results), "silent change")
    for number, result in results.items():
        if result != "clean":
            print(f"{[*ANSWERS][number]}: {result}", file=sys.stderr)
    return {word: list(results.values()).count(word) for word in OUTCOMES}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="damaged files, of all classes together")
    parser.add_argument("--kills", type=int, default=300, help="writing processes that are killed")
    parser.add_argument("--disks", type=int, default=30, help="disks that are full")
    parser.add_argument("--answers", type=int, default=len(ANSWERS), help="answers of an archive that lies")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the files that were not clean")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["no_proxy"] = "127.0.0.1,localhost"
    table, (server, origin) = {}, archive()
    try:
        with tempfile.TemporaryDirectory() as made:
            numbers = np.random.default_rng(options.seed).permutation(len(ANSWERS))[: options.answers]
            answers = downloads(origin, sorted(map(int, numbers)), Path(made))
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for number, (name, (file, opener, guarded)) in enumerate(make_files(folder).items()):
            path, counts = folder / file, dict.fromkeys(OUTCOMES, 0)
            content = path.read_bytes()
            known = digest(opener(path)) if guarded else None
            for case in range(number, options.n, 11):
                rng = np.random.default_rng([options.seed, case])
                path.write_bytes(damage(content, rng))
                result = in_a_child(path, opener, known)
                counts[result] += 1
                if result != "clean":
                    print(f"{name}, case {case}: {result}", file=sys.stderr)
                    if options.keep:
                        options.keep.mkdir(exist_ok=True)
                        shutil.copy(path, options.keep / f"{case}_{path.name}")
            path.write_bytes(content)
            table[name] = counts
        (folder / "over").mkdir()
        table["killed while writing"] = spoilt(folder / "over", killed, options.kills, options.seed)
        table["disk full while writing"] = spoilt(folder / "over", full, options.disks, options.seed)
    table["download answers"] = answers
    print(f"{'class':26s}{'tried':>7s}" + "".join(f"{word:>15s}" for word in OUTCOMES))
    for name, counts in table.items():
        print(f"{name:26s}{sum(counts.values()):7d}" + "".join(f"{counts[word]:15d}" for word in OUTCOMES))
    return int(any(counts[word] for counts in table.values() for word in OUTCOMES[1:]))


if __name__ == "__main__":
    sys.exit(main())
