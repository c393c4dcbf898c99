"""What a new user gets wrong is said in one sentence: what was wrong, what was given, what is possible."""

import ast
import errno
import re
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import NDData
from helpers import NAMES, an_image, density_map, galaxies, galaxy
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso

import euclid_resolved
from euclid_resolved import (
    Galaxy,
    LinearRegression,
    MultiBandImage,
    Quality,
    RandomForest,
    SpatialMap,
    evaluate,
    make_features,
    quicklook,
    read,
    read_atlas,
    read_euclid,
    split,
    train,
    write,
)
from euclid_resolved._checks import check_name, check_names, check_type
from euclid_resolved.cli._main import _parser
from euclid_resolved.errors import InputError
from euclid_resolved.estimators import MultiLayerPerceptron, check_whole
from euclid_resolved.io._files import atomic_path
from euclid_resolved.plotting import plot_image, plot_map, plot_maps

FOUR = galaxies(4)
IMAGE = an_image()
MAP = density_map(np.ones((12, 14)))


def training(*arguments, **options):
    return lambda: train(FOUR, *(arguments or ("all", LinearRegression())), **options)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda: split(FOUR[:1]), "at least two galaxies, got 1"),
        (lambda: split("atlas"), "a list of galaxies is needed, got the text 'atlas'; read_atlas reads"),
        (lambda: split(FOUR[0]), "a list of galaxies is needed, got Galaxy"),
        (lambda: split(FOUR, "a lot"), "fraction must lie between 0 and 1, got 'a lot'"),
        (lambda: train([]), "no galaxies were given"),
        (lambda: train(FOUR[:1]), "at least two galaxies, got 1"),
        (lambda: train("atlas"), "a list of galaxies is needed, got the text 'atlas'; read_atlas reads"),
        (lambda: train([IMAGE, IMAGE]), "a Galaxy is needed, got .*MultiBandImage; read_atlas"),
        (training("mass"), "unknown property 'mass'; known are stellar_mass_density, stellar_metallicity"),
        (training("stellar_agee"), "did you mean 'stellar_age'"),
        (
            training("all", "random forest"),
            "no estimator 'random forest'; there are .*; did you mean 'random_forest'",
        ),
        (
            training("all", RandomForestRegressor()),
            r"RandomForestRegressor is an object of scikit-learn and no Estimator: use RandomForest",
        ),
        (
            training("all", Lasso),
            "Lasso is an object of scikit-learn and no Estimator: write a class",
        ),
        (lambda: RandomForest(n_estimators=9), "RandomForest: n_estimators is called n_trees here"),
        (lambda: RandomForest(9, random_state=1), "RandomForest: random_state is called seed here"),
        (lambda: MultiLayerPerceptron(hidden_layer_sizes=(9,)), "hidden_layer_sizes is called layers here"),
        (training("all", RandomForest), r"got the class .*RandomForest: call it, RandomForest\(...\)"),
        (training(features=("colors",)), "no set of features 'colors'; there are .*; did you mean 'colours'"),
        (training(columns=("KE",)), "no column KE; these features make IE, YE, JE, HE"),
        (training(columns="HE"), r"columns are given as a sequence of names: \('HE',\), not 'HE'"),
        (training(bands=("IE", "H")), "no band H; the image has IE, YE, JE, HE; did you mean 'HE'"),
        (training(bands="HE"), r"bands are given as a sequence of names: \('HE',\), not 'HE'"),
        (training(clip=-1), "the clip is a number of at least 0, in MJy/sr, or None for no clip; got -1"),
        (training(clip=np.nan), "the clip is a number of at least 0.*got nan"),
        (training(clip=0.1 * u.MJy / u.sr), "the clip is a number.*got <Quantity 0.1 MJy / sr>"),
        (training(clip=1e9), "no pixel of 4 galaxies is brighter than"),
        (lambda: RandomForest(n_trees="many"), "n_trees must be a whole number and at least 1, got 'many'"),
        (lambda: RandomForest(n_trees=2.5), "n_trees must be a whole number and at least 1, got 2.5"),
        (lambda: RandomForest(max_features=3), "max_features is a fraction, above 0 and at most 1; got 3"),
        (lambda: make_features({}), "features are made of a MultiBandImage, or of arrays by band; got dict"),
        (lambda: make_features("a.fits"), "features are made of .*; got str"),
        (lambda: make_features({"IE": [1.0], "HE": [1.0, 2.0]}), "as many pixels, got {'IE': 1, 'HE': 2}"),
        (lambda: make_features({"IE": [-1.0]}), "band IE: surface brightness must be finite and positive"),
        (lambda: MultiBandImage({"IE": np.ones((3, 3))}), "band IE: NDData is needed, got ndarray"),
        (lambda: MultiBandImage({"IE": NDData(np.ones((3, 3)))}), "unit missing is no surface brightness"),
        (lambda: IMAGE.select("IE"), r"bands are given as a sequence of names: \('IE',\)"),
        (lambda: IMAGE.select(("IE", "H")), "no band H; the image has IE, YE, JE, HE; did you mean 'HE'"),
        (lambda: IMAGE[0], r"cut out with one or two slices, image\[y0:y1, x0:x1\]"),
        (lambda: SpatialMap(np.ones((3, 3)), property="age"), "unknown property 'age'; known are"),
        (lambda: MAP.fraction("MASKED"), "a bit of Quality is needed, for example Quality.MASKED; got 'MASK"),
        (
            lambda: MAP.radial_profile(1 * u.kpc),
            "bin_width 1.0 kpc does not fit a pixel of 1.0 pix; give a mul",
        ),
        (lambda: evaluate("model.asdf", FOUR), "a Model is needed, got the text 'model.asdf'; read opens"),
        (lambda: evaluate(FOUR, FOUR), "a Model is needed, got list"),
        (
            lambda: plot_map(IMAGE),
            "a SpatialMap is needed, got .*MultiBandImage; plot_map and plot_maps draw",
        ),
        (lambda: plot_image(MAP), "a MultiBandImage is needed, got .*SpatialMap"),
        (lambda: plot_maps(MAP), "a Mapping is needed, got .*SpatialMap; for one map there is plot_map"),
        (lambda: quicklook(IMAGE, model="model.asdf"), "a Model is needed, got the text 'model.asdf'"),
        (
            lambda: write(MAP, "map.fits"),
            "the path of a file is needed, got SpatialMap; the file comes first",
        ),
        (lambda: read(None), "the path of a file is needed, got NoneType"),
        (lambda: read_euclid(3), "a path, a mapping or a list is needed, got int"),
        (
            lambda: LinearRegression().predict(np.ones((2, 4), np.float32)),
            "has learned nothing yet: call fit",
        ),
    ],
)
def test_a_mistake_is_met_with_what_is_possible(does, says):
    with pytest.raises(InputError, match=says):
        does()


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda m: m.predict("cutout.fits", "stellar_age"), "got the text 'cutout.fits'; read_euclid opens"),
        (
            lambda m: m.predict(IMAGE),
            "which property\\? The model estimates stellar_mass_density, stellar_met",
        ),
        (lambda m: m.predict(IMAGE, "age"), "unknown property 'age'; known are"),
        (lambda m: m.predict_maps(IMAGE, "stellar_age"), r"properties are given as .*\('stellar_age',\)"),
        (
            lambda m: m.predict_maps(an_image(bands=("IE", "HE"))),
            r"no band YE, JE, only IE, HE; train a model",
        ),
        (lambda m: m.predict_maps(IMAGE, draws=9), "has to know it: an uncertainty in every band"),
        (
            lambda m: m.estimate({"IE": [1.0]}, "stellar_age"),
            "needs the brightness in IE, YE, JE, HE; YE, JE, HE",
        ),
    ],
)
def test_a_mistake_with_a_model_is_met_with_what_is_possible(does, says, linear_model):
    with pytest.raises(InputError, match=says):
        does(linear_model)


@pytest.fixture
def folder(tmp_path, monkeypatch, linear_model):
    """A folder with one file of each kind."""
    monkeypatch.chdir(tmp_path)
    write("model.asdf", linear_model)
    write("maps.fits", linear_model.predict_maps(IMAGE))
    write("image.asdf", IMAGE)
    fits.PrimaryHDU(np.ones((5, 5))).writeto("plain.fits")
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "folder").mkdir()


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda: read("nope.asdf"), "nope.asdf: there is no such file"),
        (lambda: read("folder"), "folder: this is a folder, not a file .read_atlas opens a folder"),
        (lambda: read("note.txt"), "note.txt: this is neither ASDF nor FITS"),
        (lambda: read_euclid("nope.fits"), "nope.fits: there is no such file"),
        (
            lambda: read_euclid("image.asdf"),
            r"image.asdf: cannot be read as FITS: an ASDF file, which read\(\)",
        ),
        (lambda: read_euclid("note.txt"), "note.txt: cannot be read as FITS: it is no FITS file"),
        (
            lambda: read_euclid("plain.fits"),
            "plain.fits: does not say which band it shows .name it, as in IE=",
        ),
        (lambda: read_euclid({"IE": "plain.fits"}), "band IE has no zero point .* .give zero_point="),
        (
            lambda: read_euclid("maps.fits"),
            "nothing tells which extension holds the image; it has 0 STELLAR_M",
        ),
        (lambda: read_euclid("folder"), "folder: holds no file EUC_MER_"),
        (lambda: read_atlas("nope"), "nope: no such folder .expected are files such as TNG000008_O5_Euclid"),
        (lambda: read_atlas("folder"), "folder: holds no galaxy of an atlas"),
        (lambda: read_atlas("plain.fits"), "plain.fits: is a file, not a folder"),
        (lambda: write("model.asdf", MAP), "model.asdf: the file exists; to replace it say overwrite=True"),
        (lambda: write("map.pkl", MAP), "map.pkl: the name must end in .asdf, .fits, .fits.gz or .zarr"),
        (lambda: write("no/map.fits", MAP), "no/map.fits: there is no folder"),
        (lambda: write("image.fits", IMAGE), "files of maps take a SpatialMap, or a list or dict of them"),
        (
            lambda: write("g.asdf", FOUR[0]),
            "a Model, a MultiBandImage, .* can be written as ASDF, not a Galaxy",
        ),
    ],
)
def test_a_mistake_with_a_file_is_met_with_what_is_possible(folder, does, says):
    with pytest.raises(InputError, match=says):
        does()


def test_what_is_right_passes():
    check_name("IE", ["IE"], "band")
    assert check_names(["IE"], "bands") == ("IE",)
    check_type(galaxy(1), Galaxy)
    check_whole("n", np.int64(3))
    assert MAP.fraction(Quality.MASKED) == 0 and MAP.fraction(int(Quality.MASKED)) == 0


@pytest.mark.parametrize("value", [True, 0, -1, 1.0, "1", None])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(InputError, match=f"n must be a whole number and at least 1, got {value!r}"):
        check_whole("n", value)


def test_names_that_are_no_sequence_are_refused():
    with pytest.raises(InputError, match="bands are given as a sequence of names, not 3"):
        check_names(3, "bands")
    with pytest.raises(InputError, match="no band 'x'; known are none"):
        check_name("x", [], "band")


def test_a_galaxy_whose_maps_do_not_fit_is_named():
    with pytest.raises(
        InputError, match=r"G: the map of stellar_age has shape \(3, 14\), the image \(12, 14\)"
    ):
        Galaxy("G", IMAGE, {"stellar_age": SpatialMap(np.ones((3, 14)), property=NAMES[2])}).load()


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(
        InputError, match=f"map.fits: there is no permission to write in the folder {tmp_path}"
    ):
        write(tmp_path / "map.fits", MAP)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_leaves_nothing_and_names_the_file(tmp_path, number):
    with (
        pytest.raises(OSError, match=r"notes.txt'$") as caught,
        atomic_path(tmp_path / "notes.txt") as temporary,
    ):
        temporary.write_text("half")
        raise OSError(number, "sorry", str(temporary))
    assert caught.value.errno == number and not list(tmp_path.iterdir())


def test_another_file_s_trouble_keeps_its_name(tmp_path):
    with pytest.raises(OSError, match="other.fits"), atomic_path(tmp_path / "notes.txt"):
        raise OSError(errno.EACCES, "sorry", "other.fits")


def _advice():
    """The texts of the package that can end up in an error."""
    for path in sorted(Path(euclid_resolved.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            and node.body and isinstance(node.body[0], ast.Expr)
        }  # fmt: skip
        for node in ast.walk(tree):
            text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if text and id(node) not in documented and "<" not in node.value:
                yield path.name, node.value, tree


@pytest.mark.slow
def test_options_and_arguments_that_errors_advise_exist():
    known = set()

    def collect(parser):
        for action in parser._actions:
            known.update(action.option_strings)
            for sub in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
                collect(sub)

    collect(_parser())
    arguments, seen = set(), 0
    texts = list(_advice())
    for _, _, tree in texts:
        for node in ast.walk(tree) if id(tree) not in arguments else ():
            if isinstance(node, ast.FunctionDef):
                arguments.update(a.arg for a in (*node.args.args, *node.args.kwonlyargs))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                arguments.add(node.target.id)
        arguments.add(id(tree))
    for name, text, _ in texts:
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text):
            assert option in known, f"{name}: {text}"
            seen += 1
        for argument in re.findall(r"(?:give|or|less|leave|with|as in|say|,) ([a-z][a-z_]+)=", text):
            assert argument in arguments, f"{name}: {text}"
            seen += 1
    assert seen > 40
