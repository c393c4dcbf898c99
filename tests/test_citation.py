"""What is cited is what CITATION.cff says."""

import re

import pytest
import yaml
from helpers import ROOT

import euclid_resolved
from euclid_resolved import __bibtex__, __citation__, __version__

FILE = ROOT / "CITATION.cff"


@pytest.fixture(scope="module")
def cited():
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def fields(kind):
    """The fields of the one BibTeX entry of a kind, TeX accents as letters."""
    (body,) = re.findall(rf"@{kind}{{[^,]+,\n(.*?)\n}}\n", __bibtex__, re.S)
    plain = body.replace(r"{\v{c}}", "č").replace(r"{\'c}", "ć").replace(r"\&", "&")
    return {key: value.strip("{}") for key, value in re.findall(r"  (\w+) = (\{.*\}),", plain)}


def test_the_names_of_astropy_are_there():
    assert __citation__ == __bibtex__
    assert {"__citation__", "__bibtex__"} <= set(euclid_resolved.__all__)
    assert __bibtex__.count("@") == 2 and __bibtex__.count("{") == __bibtex__.count("}")


def test_the_paper_is_the_one_of_the_citation_file(cited):
    (paper,) = cited["references"]
    entry = fields("article")
    for key, theirs in {"title": "title", "journal": "journal", "volume": "volume", "eid": "start",
                        "year": "year", "doi": "doi"}.items():  # fmt: skip
        assert entry[key] == str(paper[theirs]), key
    assert f"{entry['archivePrefix']}:{entry['eprint']}" == paper["identifiers"][0]["value"]
    names = paper["authors"][0]["name"].replace("Euclid Collaboration: ", "").replace(", et al.", "")
    given_last = [f"{last}, {first}" for first, last in (name.split(" ") for name in names.split(", "))]
    assert entry["author"] == " and ".join(["Euclid Collaboration}", *given_last, "others"])


def test_the_software_is_the_one_of_the_citation_file(cited):
    entry = fields("misc")
    assert entry["title"] == cited["title"] and entry["author"] == cited["authors"][0]["name"]
    # The version is that of a tag, so the file has none that could be another.
    assert entry["note"].endswith(__version__) and "version" not in cited
