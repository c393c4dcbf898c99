"""Studies of a sample, of other bands, and of galaxies observed at several depths, PSFs and distances."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose
from studies import study_file

from euclid_resolved import InputError, make_atlas, read_atlas
from euclid_resolved.cli import main
from euclid_resolved.io import write_sample
from euclid_resolved.study import read_study, reproduce
from euclid_resolved.study._source import NO_IMAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BANDS = ("IE", "YE", "JE", "HE", "LSST_r")


@pytest.fixture(scope="module")
def small_atlas(tmp_path_factory):
    return make_atlas(tmp_path_factory.mktemp("other") / "atlas", 6, pixels=32, bands=BANDS, progress=False)


@pytest.fixture(scope="module")
def small_sample(small_atlas, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other") / "sample"
    write_sample(folder, read_atlas(small_atlas, bands=BANDS), bands=BANDS)
    return folder


def run(data, folder, parts, **options):
    """Run a study; the tables of each part by its folder, its notes, and its values."""
    folder.mkdir(exist_ok=True)
    study = study_file(folder / "s", parts)
    reproduce(data, folder / "out", study=study, say=lambda line: None, **options)
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    tables = {
        slug: [Table.read(folder / "out" / each["file"], format="ascii.ecsv") for each in entry["tables"]]
        for slug, entry in manifest.items()
    }
    return tables, {slug: entry["notes"] for slug, entry in manifest.items()}, manifest


def test_a_sample_gives_what_its_atlas_gives_and_says_what_it_cannot(small_atlas, small_sample, tmp_path):
    parts = {
        "Table 3": 'run = "accuracy"',
        "Fig. 2": 'run = "distributions"',
        "Table 4": 'run = "example_galaxies"',
    }
    parts |= {
        "Profiles": 'run = "radial_profiles"\nestimators = ["LR"]',
        "Depth": 'run = "observed"\ndepth = [1.0]',
    }
    tables, notes, _ = run(small_sample, tmp_path / "sample", parts)
    of_atlas, _, _ = run(small_atlas, tmp_path / "atlas", {"Table 3": parts["Table 3"]})
    for mine, other in zip(tables["table-3-accuracy"], of_atlas["table-3-accuracy"], strict=True):
        assert mine.pformat() == other.pformat()
    for slug in ("table-4-example-galaxies", "profiles-radial-profiles", "depth-observed"):
        assert notes[slug] == [NO_IMAGES] and not tables[slug]
    assert list(tables["fig-2-distributions"][0]["galaxies"]) == [4, 2]
    assert "Global masses, metallicities and ages are left out" in notes["fig-2-distributions"][0]
    page = (tmp_path / "sample" / "out" / "report.html").read_text(encoding="utf-8")
    assert "<th>Sample</th>" in page and NO_IMAGES in page


def test_a_sample_that_lacks_what_a_study_needs_is_refused(small_atlas, small_sample, tmp_path):
    parts = {"Table 3": 'run = "accuracy"'}
    with pytest.raises(InputError, match="the sample has no LSST_g, only IE"):
        run(small_sample, tmp_path / "a", parts, bands=("IE", "LSST_g", "HE"))
    brighter = tmp_path / "brighter"
    write_sample(brighter, read_atlas(small_atlas), clip=1.0)
    with pytest.raises(InputError, match="keeps pixels brighter than 1.0"):
        run(brighter, tmp_path / "b", parts)


def test_other_bands_take_the_place_of_those_of_the_study(small_atlas, tmp_path):
    parts = {"Table 7": 'run = "leave_one_out"\nestimators = ["LR"]'}
    tables, _, _ = run(small_atlas, tmp_path, parts, bands=BANDS)
    table = tables["table-7-leave-one-out"][0]
    assert set(table["left_out"]) == {"none", *BANDS}
    # The paper's values are those of its own bands.
    assert not [name for name in table.colnames if name.endswith("_published")]
    with pytest.raises(InputError, match="no column in input 'HE' 'HE'; there are IE, YE"):
        read_study(study_file(tmp_path / "t", parts), bands=("IE", "YE"))


def test_bands_on_the_command_line(small_sample, tmp_path, capsys):
    study = study_file(tmp_path / "s", {"Table 6": 'run = "coefficients"\nestimators = ["LR"]'})
    words = ["reproduce", str(small_sample), "--study", str(study), "--bands", "IE", "HE", "-o"]
    assert main([*words, str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "--bands IE HE" in page and "observer O5; IE, HE" in page


def test_galaxies_observed_deeply_and_sharply_are_those_of_the_atlas(small_atlas, tmp_path):
    """And shallow ones are estimated less well, unless training saw such."""
    parts = {"Table 3": 'run = "accuracy"\nestimators = ["LR"]\ninputs = ["bands"]'}
    parts |= {"Sharp": 'run = "observed"\nestimators = ["LR"]\npsf = [1e-3, 3000.0]\nat = 1.0'}
    parts |= {"Deep": 'run = "observed"\nestimators = ["LR"]\ndepth = [1e8, 1e-7]\nat = 1.0'}
    tables, notes, manifest = run(small_atlas, tmp_path, parts)
    (deep,) = tables["deep-observed"]
    assert set(deep["trained_on"]) == {"the atlas as it is", "galaxies observed likewise"}
    known = tables["table-3-accuracy"][0]
    for row in known:
        own = deep[(deep["property"] == row["property"]) & (deep["trained_on"] == "the atlas as it is")]
        shallow, right = own[own["depth"] < 1][0], own[own["depth"] > 1][0]
        assert right["rmse"] == pytest.approx(row["rmse"], abs=0.02)
        assert shallow["rmse"] > right["rmse"]
    values = manifest["sharp-observed"]["values"]
    assert (
        values["observed/as_is/psf/3000.0/linear/stellar_mass_density"]
        < values["observed/as_is/psf/0.001/linear/stellar_mass_density"]
    )
    assert len(manifest["deep-observed"]["figures"]) == 1 and "at 1 Mpc" in notes["deep-observed"][0]


def gaussian_psf(path, fwhm):
    """A FITS file of a Gaussian, its width in arcsec, as a PSF is delivered: on pixels of 0.1 arcsec."""
    at = np.arange(-120, 121) / 10
    profile = np.exp(-4 * np.log(2) * (at / fwhm) ** 2)
    fits.writeto(path, np.outer(profile, profile).astype("f4"), overwrite=True)


def test_delivered_gaussians_give_the_rows_of_their_widths(small_atlas, tmp_path):
    """Also where they are not alike in all bands, and where a band has a width of its own."""
    folder = tmp_path / "s"
    folder.mkdir()
    gaussian_psf(folder / "a.fits", 6.0)
    gaussian_psf(folder / "b.fits", 3.0)
    every = "{ VIS = 'a.fits', YE = 'a.fits', JE = 'a.fits', HE = 'a.fits' }"
    some = "{ IE = 'b.fits', YE = 'a.fits', JE = 6.0, HE = 6 }"
    widths = "{ IE = 3.0, YE = 6.0, JE = 6.0, HE = 6.0 }"
    how = 'run = "observed"\nestimators = ["LR"]\nmatched = false\nat = 400.0\npsf ='  # pixels of 1 arcsec
    tables, _, manifest = run(small_atlas, tmp_path, {"PSF": f"{how} [6.0, {every}, {some}, {widths}]"})
    (table,) = tables["psf-observed"]
    own = {text: table[table["psf"] == text] for text in dict.fromkeys(table["psf"])}
    wide, delivered, mixed, by_band = own.values()
    assert list(own) == [
        "6.0",
        "IE=a.fits YE=a.fits JE=a.fits HE=a.fits",
        "IE=b.fits YE=a.fits JE=6 HE=6",
        "IE=3 YE=6 JE=6 HE=6",
    ]
    for one, other in ((wide, delivered), (mixed, by_band)):
        assert_allclose(one["rmse"], other["rmse"], atol=0.01)
    assert np.abs(wide["rmse"] - mixed["rmse"]).min() > 0.03
    assert table["mean_fwhm"].unit == "arcsec"
    assert_allclose([each["mean_fwhm"][0] for each in own.values()], [6, 6, 5.25, 5.25], rtol=2e-3)
    assert len(manifest["psf-observed"]["figures"]) == 1
    # Other PSFs in files of the same names are other PSFs.
    gaussian_psf(folder / "a.fits", 3.0)
    again, _, _ = run(small_atlas, tmp_path, {"PSF": f"{how} [6.0, {every}]"})
    assert_allclose(again["psf-observed"][0]["mean_fwhm"][[0, -1]], [6, 3], rtol=2e-3)
    assert abs(again["psf-observed"][0]["rmse"][1] - table["rmse"][1]) > 0.01


def test_psfs_that_cannot_be_used_are_refused_before_anything_runs(tmp_path):
    fits.writeto(tmp_path / "cube.fits", np.ones((3, 5, 5), "f4"))
    fits.writeto(tmp_path / "dark.fits", np.zeros((5, 5), "f4"))
    (tmp_path / "text.fits").write_text("no FITS")
    for psf, message in {
        "2.0": r"Depth: psf needs a list, such as \[2.0\]",
        "['a.fits']": "Depth: psf needs positive numbers, or tables of bands such as .*, got 'a.fits'",
        "[{ IE = 'none.fits' }]": "Depth: band IE: .*none.fits: there is no such file",
        "[{ LSST_r = 0.7 }]": "psf names LSST_r, and the bands of the study are IE, YE, JE, HE",
        "[{ IR = 0.7 }]": "IR",
        "[{ IE = 0.7, VIS = 0.8 }]": "psf names IE twice",
        "[{ IE = -1.0 }]": "psf of IE is a positive number or a file, got -1.0",
        "[{}]": "a table without a band",
        "[{ IE = 'cube.fits' }]": "cube.fits: holds no PSF: a small image with two axes",
        "[{ IE = 'dark.fits' }]": "dark.fits: its PSF has a sum of 0",
        "[{ IE = 'text.fits' }]": "text.fits",
    }.items():
        with pytest.raises(InputError, match=message) as error:
            read_study(study_file(tmp_path, {"Depth": f'run = "observed"\npsf = {psf}'}))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "say what to vary: depth = "),
        ("depth = [0.0]", "depth needs positive numbers, got 0.0"),
        ('distance = ["near"]', "distance needs positive numbers, got 'near'"),
        ("depth = [1.0]\nat = -3", "at needs positive numbers, got -3"),
    ],
)
def test_observations_that_cannot_be_are_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read_study(study_file(tmp_path, {"Depth": f'run = "observed"\n{options}'}))
