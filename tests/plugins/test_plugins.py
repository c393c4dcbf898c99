"""Plugins as users install them: good, broken, in conflict, and missing.

Each test installs small distributions (a module and its ``dist-info``, which is all that pip leaves behind)
into a folder, and looks at them from a Python of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from doctest import DocTestParser
from importlib.metadata import entry_points
from textwrap import dedent
from types import ModuleType, SimpleNamespace

import pytest
from helpers import ROOT

from euclid_resolved import plugins, read, train, write
from euclid_resolved.errors import InputError, PluginError
from euclid_resolved.estimators import Mean
from euclid_resolved.plugins import _hookspecs as hookspecs, _registry as registry
from euclid_resolved.plugins._offers import KINDS
from euclid_resolved.testing import (
    check_diagnostic,
    check_estimator,
    check_features,
    example_galaxies,
)

GUIDE = ROOT / "docs" / "plugins.rst"
EXAMPLE = ROOT / "plugins" / "euclid_resolved_knn"

GOOD = """
    from dataclasses import dataclass
    from euclid_resolved.estimators import Mean
    from euclid_resolved.plugins import hookimpl

    @dataclass
    class Good(Mean):
        pass

    @hookimpl
    def register_estimators():
        return {"good": Good}
"""


@pytest.fixture
def install(tmp_path):
    """A function that installs a distribution, with the modules that its entry points name."""

    def install(distribution, version="1.0", entry_points=None, **modules):
        site = tmp_path / "site"  # not where Python is started: that is on its path anyway
        info = site / f"{distribution}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        points = entry_points or {module: module for module in modules}
        lines = [f"{name} = {target}" for name, target in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[euclid_resolved]", *lines, ""]))
        for module, code in modules.items():
            (site / f"{module}.py").write_text(dedent(code))

    return install


@pytest.fixture
def run(tmp_path):
    """A function that runs code in a fresh Python that has the installed distributions."""

    def run(code, with_plugins=True, fails=False):
        environment = dict(os.environ)
        path = [str(tmp_path / "site")] if with_plugins else []
        environment["PYTHONPATH"] = os.pathsep.join([*path, environment.get("PYTHONPATH", "")]).strip(
            os.pathsep
        )
        done = subprocess.run(
            [sys.executable, "-c", dedent(code)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done

    return run


# What there is, what it warns of, and what looking some names up says.
LOOK = """
    import json, warnings
    from euclid_resolved.errors import PluginError, PluginWarning
    from euclid_resolved.plugins import available, describe, lookup

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = describe()
    said = {}
    for kind, name in NAMES:
        try:
            lookup(kind, name)
            said[name] = "ok"
        except PluginError as error:
            said[name] = str(error)
    warned = [str(w.message) for w in caught if issubclass(w.category, PluginWarning)]
    rows = [[r.kind, r.name, r.distribution, r.version, r.status] for r in rows]
    print(json.dumps({"rows": rows, "warned": warned, "said": said}))
"""


@pytest.fixture
def look(run):
    def look(*names):
        names = [("estimators", name) for name in (*names, "linear", "random_forest")]
        answer = json.loads(run(f"NAMES = {names!r}\n" + dedent(LOOK)).stdout)
        # Whatever happens to plugins, the built-in ones are there.
        assert answer["said"]["linear"] == answer["said"]["random_forest"] == "ok"
        return answer

    return look


def status(answer, distribution):
    return [row[4] for row in answer["rows"] if row[2] == distribution]


# --- broken plugins -----------------------------------------------------------------------------------


def test_good_plugin(install, look):
    install("good_plugin", "2.3", good_module=GOOD)
    answer = look("good")
    assert answer["said"]["good"] == "ok"
    assert answer["warned"] == []
    assert ["estimators", "good", "good_plugin", "2.3", "ok"] in answer["rows"]


@pytest.mark.parametrize("name", ["euclid-resolved", "euclid_resolved", "Euclid_Resolved"])
def test_the_package_is_itself_however_its_name_is_written(name):
    from types import SimpleNamespace

    from euclid_resolved.plugins import _registry

    point = SimpleNamespace(dist=SimpleNamespace(name=name, version="1"), name="estimators", value="x")
    assert _registry._distribution(point) == "euclid_resolved"
    other = SimpleNamespace(dist=SimpleNamespace(name="euclid-resolved-dnn", version="1"))
    assert _registry._distribution(other) == "euclid-resolved-dnn"


def test_import_error(install, look):
    install("broken_plugin", "0.7", broken="import a_library_that_nobody_has")
    install("good_plugin", good_module=GOOD)
    answer = look("good", "borken")
    (warned,) = answer["warned"]
    assert "broken_plugin 0.7" in warned
    assert "ModuleNotFoundError: No module named 'a_library_that_nobody_has'" in warned
    assert answer["said"]["good"] == "ok"
    assert "not loaded: broken_plugin" in answer["said"]["borken"]
    assert status(answer, "broken_plugin")[0].startswith("cannot be loaded: ModuleNotFoundError")


def test_misspelt_hook(install, look):
    install("typo_plugin", "3.1", typo=GOOD.replace("register_estimators", "register_estimator"))
    install("good_plugin", good_module=GOOD)
    answer = look("good")
    (warned,) = answer["warned"]
    assert "typo_plugin 3.1" in warned
    assert "unknown hook 'register_estimator'; did you mean 'register_estimators'?" in warned
    assert answer["said"]["good"] == "ok"


def test_many_broken_plugins_at_once(install, look):
    body = 'return {"good": Good}'
    broken = {
        "torn": ("def register_estimators(:", "cannot be loaded: SyntaxError"),
        "unmarked": (GOOD.replace("@hookimpl\n", "\n"), "registers nothing: mark one of register_features"),
        "eager": (GOOD.replace("register_estimators()", "register_estimators(names)"), "names"),
        "unlucky": (
            GOOD.replace(body, "raise RuntimeError('out of luck')"),
            "register_estimators failed: RuntimeError: out of luck",
        ),
        "listed": (GOOD.replace(body, "return [Good]"), "returned list, a mapping is needed"),
        "numbered": (GOOD.replace(body, "return {1: Good}"), "name 1 is no text"),
    }
    for name, (code, _) in broken.items():
        install(f"{name}_plugin", "0.7", **{name: code})
    install("half_plugin", "0.7", entry_points={"half": "not_there"})
    install("good_plugin", good_module=GOOD)
    answer = look("good")
    said = {re.search(r"of (\w+)_plugin 0.7: ", text)[1]: text for text in answer["warned"]}
    assert said.keys() == {*broken, "half"}
    for name, (_, words) in broken.items():
        assert words in said[name]
    assert "not_there" in said["half"]
    assert answer["said"]["good"] == "ok"


def test_one_hook_fails_and_the_other_works(install, look):
    more = """
    @hookimpl
    def register_features():
        raise RuntimeError("out of luck")
    """
    install("mixed_plugin", mixed=GOOD + more)
    answer = look("good")
    assert answer["said"]["good"] == "ok"
    assert sorted(s != "ok" for s in status(answer, "mixed_plugin")) == [False, True]


def test_a_plugin_may_raise_anything_and_the_rest_works(install, look):
    body = 'return {"good": Good}'
    broken = {
        "leaves": ("raise SystemExit('no licence')", "cannot be loaded: SystemExit: no licence"),
        "leaps": ("class Leap(BaseException): pass\nraise Leap('up')", "cannot be loaded: Leap: up"),
        "exits": (
            GOOD.replace(body, "import sys; sys.exit(3)"),
            "register_estimators failed: SystemExit: 3",
        ),
        "closes": (
            GOOD.replace(body, "raise GeneratorExit('shut')"),
            "register_estimators failed: GeneratorExit: shut",
        ),
        "mumbles": (
            GOOD.replace(body, "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()"),
            "register_estimators failed: Mute",
        ),
        "hides": (
            GOOD + "\n    def __dir__():\n        raise RuntimeError('nothing to see')",
            "cannot be looked through: RuntimeError: nothing to see",
        ),
        "asks": (
            GOOD.replace(body, "from euclid_resolved.plugins import lookup; lookup('estimators', 'linear')"),
            "register_estimators failed: PluginError: plugins are being loaded: a hook, or a module on",
        ),
        "lists": (
            GOOD.replace(body, "from euclid_resolved.plugins import available; available('features')"),
            "register_estimators failed: PluginError: plugins are being loaded",
        ),
        "early": (
            "from euclid_resolved.plugins import describe\ndescribe()",
            "cannot be loaded: PluginError: plugins are being loaded",
        ),
    }  # fmt: skip
    for name, (code, _) in broken.items():
        install(f"{name}_plugin", "0.7", **{name: code})
    install("good_plugin", good_module=GOOD)
    answer = look("good")
    said = {re.search(r"of (\w+)_plugin 0.7: ", text)[1]: text for text in answer["warned"]}
    assert said.keys() == broken.keys()
    for name, (_, words) in broken.items():
        assert words in said[name]
        assert len(status(answer, f"{name}_plugin")) == 1
    assert answer["said"]["good"] == "ok"


def test_wrong_things_are_listed_with_what_is_wrong(install, look):
    code = (
        GOOD
        + """
    @hookimpl
    def register_features():
        return {"lambda": lambda dex: {}}

    @hookimpl
    def register_diagnostics():
        return {"number": 3}
    """
    )
    install("mixed_plugin", mixed=code.replace('{"good": Good}', '{"good": Good, "made": Good()}'))
    answer = look("good", "made")
    assert answer["said"]["good"] == "ok"
    assert answer["said"]["made"] == (
        "estimator 'made': an object of Good is offered, the class itself is needed"
    )
    rows = {row[1]: row[4] for row in answer["rows"] if row[2] == "mixed_plugin"}
    assert rows["good"] == "ok" and rows.keys() == {"good", "made", "lambda", "number"}
    assert "a FeatureSet is needed" in rows["lambda"] and "3 cannot be called" in rows["number"]
    assert len(answer["warned"]) == 3


# --- conflicts ----------------------------------------------------------------------------------------


def test_two_plugins_with_one_name(install, look):
    install("first_plugin", "1.1", first=GOOD + "\n    also = Good")
    more = GOOD.replace('{"good": Good}', '{"good": Good, "other": Good}')
    install("second_plugin", "2.2", second=more)
    answer = look("good", "other")
    assert "registered by first_plugin 1.1 and second_plugin 2.2; uninstall one" in answer["said"]["good"]
    assert answer["said"]["other"] == "ok"


def test_built_ins_keep_their_names(install, run, look):
    run("""
        from euclid_resolved import LinearRegression, train, write
        from euclid_resolved.testing import example_galaxies
        write("before.asdf", train(example_galaxies(), estimator=LinearRegression()))
    """)
    more = GOOD.replace('{"good": Good}', '{"good": Good, "linear": Good}')
    install("greedy_plugin", "1.2", greedy=more)
    install("other_plugin", "1.3", other=more.replace("good", "fine"))
    answer = look("good", "fine")
    assert answer["said"]["good"] == answer["said"]["fine"] == answer["said"]["linear"] == "ok"
    rows = [row for row in answer["rows"] if row[1] == "linear"]
    assert [row[2:] for row in rows] == [
        ["euclid_resolved", rows[0][3], "ok"],
        ["greedy_plugin", "1.2", "'linear' is the name of a built-in estimator: choose another"],
        ["other_plugin", "1.3", "'linear' is the name of a built-in estimator: choose another"],
    ]
    assert len(answer["warned"]) == 2
    said = run("""
        import warnings
        warnings.simplefilter("ignore")
        from euclid_resolved import read
        print(type(read("before.asdf").outputs["stellar_mass_density"].estimator).__module__)
    """)
    assert said.stdout.strip() == "euclid_resolved.estimators._linear"


def test_two_distributions_with_one_entry_point_name(install, look):
    install("first_plugin", entry_points={"mine": "first"}, first=GOOD)
    install("second_plugin", entry_points={"mine": "second"}, second=GOOD.replace('"good"', '"better"'))
    answer = look("good", "better")
    assert answer["said"]["good"] == answer["said"]["better"] == "ok"
    assert answer["warned"] == []


def test_misspelt_name(install, look):
    install("good_plugin", good_module=GOOD)
    assert "did you mean 'good'?" in look("goood")["said"]["goood"]


# --- registered by a session --------------------------------------------------------------------------


@pytest.fixture
def session():
    """A hook that this process may register; it is forgotten afterwards."""

    class Middle(Mean):
        pass

    @plugins.hookimpl
    def register_estimators():
        return {"middle": Middle}

    yield register_estimators
    plugins.unregister()


def test_a_session_registers_and_forgets(session, tmp_path):
    before = plugins.describe()
    plugins.register(session)
    (row,) = [row for row in plugins.describe() if row.distribution == "this session"]
    assert (row.kind, row.name, row.status) == ("estimators", "middle", "ok")
    plugins.reload()
    middle = plugins.lookup("estimators", "middle")
    check_estimator(middle)
    galaxies = example_galaxies(3)
    model = train(galaxies, estimator=middle())
    write(tmp_path / "middle.asdf", model)
    assert read(tmp_path / "middle.asdf").digest == model.digest
    plugins.unregister(session)
    assert plugins.describe() == before
    with pytest.raises(InputError, match="needs estimator 'middle', registered for a session only"):
        read(tmp_path / "middle.asdf")
    with pytest.raises(InputError, match=r"Middle \(not registered\).*plugins.register"):
        write(tmp_path / "again.asdf", model)
    assert not (tmp_path / "again.asdf").exists()


def test_a_session_registers_modules_and_objects(session):
    for plugin in (SimpleNamespace(register_estimators=session), type("Mine", (), {})()):
        plugin.register_estimators = session
        plugins.register(plugin)
        assert "middle" in plugins.available("estimators")
        plugins.unregister(plugin)
        assert "middle" not in plugins.available("estimators")
    module = ModuleType("mine")
    exec(dedent(GOOD), module.__dict__)
    plugins.register(module)
    assert plugins.lookup("estimators", "good") is module.Good


@plugins.hookimpl
def register_estimators():
    return {"linear": Mean}


@plugins.hookimpl
def register_estimator():
    return {}


@plugins.hookimpl
def register_relations():
    raise RuntimeError("out of luck")


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (register_estimators, "estimator 'linear' is registered by euclid_resolved .* already; choose anoth"),
        (register_estimator, "unknown hook 'register_estimator'; did you mean 'register_estimators'"),
        (register_relations, "register_relations failed: RuntimeError: out of luck"),
        (Mean, "Mean was not registered: registers nothing"),
        ("mean", "str was not registered: registers nothing"),
        (None, "registers nothing"),
    ],
)
def test_a_session_registers_nothing_that_is_broken(plugin, words):
    before = plugins.describe()
    with pytest.raises(PluginError, match=words):
        plugins.register(plugin)
    assert plugins.describe() == before
    with pytest.raises(PluginError, match="was not registered in this session; registered: nothing"):
        plugins.unregister(plugin or "nothing")


def test_a_session_registers_a_name_once(session):
    plugins.register(session)
    with pytest.raises(PluginError, match=r"'middle' is registered by this session already; unregister\(\)"):
        plugins.register(session)
    assert "middle" in plugins.available("estimators")


def test_a_session_and_a_distribution_with_one_name(install, run):
    install("good_plugin", good_module=GOOD)
    code = """
    import sys
    from types import ModuleType
    from euclid_resolved import plugins
    from euclid_resolved.errors import PluginError
    path, sys.path[:] = list(sys.path), [place for place in sys.path if not place.endswith("site")]
    module = ModuleType("mine")
    exec(GOOD, module.__dict__)
    plugins.register(module)
    sys.path[:] = path  # now it is installed
    plugins.reload()
    try:
        plugins.lookup("estimators", "good")
    except PluginError as error:
        print(error)
    plugins.unregister()
    print(plugins.lookup("estimators", "good").__name__)
    """
    said = run(f"GOOD = {dedent(GOOD)!r}\n" + dedent(code)).stdout.splitlines()
    assert "good_plugin 1.0 and this session; uninstall one of them or unregister() it" in said[0]
    assert said[1] == "Good"


# --- plugins that break their contract while at work --------------------------------------------------


def test_predict_breaks_its_contract(install, run):
    bodies = {
        "raises": "raise ZeroDivisionError('oh')",
        "column": "return super().predict(X)[:, None]",
        "short": "return super().predict(X)[:-1]",
        "nothing": "return None",
        "integers": "return super().predict(X).astype(int)",
    }
    words = {
        "raises": "raises failed to predict stellar_mass_density: ZeroDivisionError: oh",
        "column": r"column predicted float32 of shape \(\d+, 1\), float32 \(\d+,\) is needed",
        "short": r"short predicted float32 of shape \(\d+,\), float32",
        "nothing": r"nothing predicted object of shape \(\)",
        "integers": "integers predicted int64",
    }
    for name, body in bodies.items():
        code = GOOD.replace("        pass\n", f"        def predict(self, X):\n            {body}\n")
        install(f"{name}_plugin", **{name: code.replace('"good"', f'"{name}"')})
    code = """
    from euclid_resolved.errors import PluginError
    from euclid_resolved.plugins import lookup
    from euclid_resolved.testing import check_estimator, example_galaxies
    from euclid_resolved.training import train

    galaxies = example_galaxies()
    for name in NAMES:
        try:
            train(galaxies, estimator=lookup("estimators", name)()).predict(galaxies[0].image)
        except PluginError as error:
            print(error)
        try:
            check_estimator(name)
        except AssertionError as error:
            print(str(error).splitlines()[1])
    linear = train(galaxies, estimator=lookup("estimators", "linear")())
    print(linear.predict(galaxies[0].image).data.shape)
    """
    said = run(f"NAMES = {list(bodies)}\n" + dedent(code)).stdout.splitlines()
    for i, name in enumerate(bodies):
        assert re.search(words[name], said[2 * i])
        assert said[2 * i + 1].startswith(f"{name} breaks the rule ")
    assert said[-1] == "(16, 16)"


def test_features_break_their_contract(install, run):
    code = """
    import numpy as np
    from euclid_resolved.features import FeatureSet
    from euclid_resolved.plugins import hookimpl

    @hookimpl
    def register_features():
        return {
            "short": FeatureSet(lambda dex: {"half": dex["HE"][::2]}, "", "too few"),
            "again": FeatureSet(lambda dex: {"HE": dex["HE"]}, "", "twice"),
            "number": FeatureSet(lambda dex: 1.0, "", "no columns"),
        }
    """
    install("bad_plugin", bad=code)
    said = run(
        """
        from euclid_resolved import make_features
        from euclid_resolved.errors import PluginError
        for name in ("short", "again", "number"):
            try:
                make_features({"IE": [1.0] * 4, "HE": [1.0] * 4}, ("bands", name))
            except PluginError as error:
                print(error)
        print(make_features({"IE": [1.0] * 4, "HE": [1.0] * 4}, ("bands", "colours")).columns)
        """
    ).stdout.splitlines()
    assert said == [
        "features 'short': column 'half' has float32 of shape (2,), float32 of shape (4,) is needed",
        "features bands, again: column 'HE' comes twice",
        "features 'number' returned float, a mapping is needed",
        "('IE', 'HE', 'IE-HE')",
    ]


# --- model files --------------------------------------------------------------------------------------


WRITE = """
    from euclid_resolved import train, write
    from euclid_resolved.plugins import lookup
    from euclid_resolved.testing import example_galaxies
    galaxies = example_galaxies()
    for name in ("good", "linear"):
        write(name + ".asdf", train(galaxies, estimator=lookup("estimators", name)()))
"""
READ = """
    from euclid_resolved import read
    from euclid_resolved.errors import ModelFileError
    from euclid_resolved.testing import example_galaxies
    for name in ("good", "linear"):
        try:
            print(read(name + ".asdf").predict(example_galaxies()[0].image).data.shape)
        except ModelFileError as error:
            print(error)
"""


@pytest.mark.slow
def test_model_file_whose_plugin_is_missing(install, run):
    install("good_plugin", good_module=GOOD)
    run(WRITE)
    assert run(READ).stdout.splitlines() == ["(16, 16)"] * 2
    missing, linear = run(READ, with_plugins=False).stdout.splitlines()
    assert missing == "good.asdf: needs estimator 'good' of good_plugin 1.0: pip install good_plugin"
    assert linear == "(16, 16)"


def test_model_file_whose_plugin_has_changed(install, run, tmp_path):
    install("good_plugin", good_module=GOOD)
    run(WRITE)
    changed = GOOD.replace(
        "        pass\n", "        def predict(self, X):\n            return super().predict(X) + 1\n"
    )
    (tmp_path / "site" / "good_module.py").write_text(dedent(changed))
    said, linear = run(READ).stdout.splitlines()
    assert "no longer gives the predictions stored with it" in said
    assert "good has changed" in said
    assert linear == "(16, 16)"


@pytest.mark.slow
def test_a_newer_version_that_predicts_otherwise_is_named_with_what_to_install(install, run, tmp_path):
    install("my-good", "0.2", good_module=GOOD)
    run(WRITE)
    changed = GOOD.replace(
        "        pass\n", "        def predict(self, X):\n            return super().predict(X) + 1\n"
    )
    shutil.rmtree(tmp_path / "site")
    install("my-good", "0.3", good_module=changed)
    said, _ = run(READ).stdout.splitlines()
    assert "good was of my-good 0.2, here it is of my-good 0.3: pip install my-good==0.2" in said
    shutil.rmtree(tmp_path / "site")
    install("my-good", "0.4", good_module=GOOD.replace('"good"', '"better"'))
    said, _ = run(READ).stdout.splitlines()
    assert "needs estimator 'good' of my-good 0.2, here is 0.4: pip install my-good==0.2" in said


# --- every hook, and the guide ------------------------------------------------------------------------

HOOKS = [name for name in hookspecs.__all__ if name.startswith("register_")]

EVERYTHING = """
    from astropy.table import QTable, Table
    from euclid_resolved.estimators import Mean
    from euclid_resolved.features import FeatureSet
    from euclid_resolved.plugins import hookimpl

    class Mine(Mean):
        pass

    def count(model, training, test):
        return QTable({"galaxies": [len(training) + len(test)]})

    def twice(dex):
        return {"twice": 2 * dex["HE"]} if "HE" in dex else {}

    @hookimpl
    def register_features():
        return {"mine_register_features": FeatureSet(twice, "", "twice HE")}

    @hookimpl
    def register_estimators():
        return {"mine_register_estimators": Mine}

    @hookimpl
    def register_diagnostics():
        return {"mine_register_diagnostics": count}

    @hookimpl
    def register_relations():
        meta = {"reference": "mine", "weighting": "mass", "imf": "Chabrier", "solar_metallicity": 0.02}
        table = Table({"log_density": [1.0, 2.0], "log_metallicity": [-0.1, 0.0]}, meta=meta)
        return {"mine_register_relations": table}

    @hookimpl
    def register_populations():
        rows = [(z, age, 1e-4, 0.5) for z in (0.004, 0.02) for age in (6.5, 10.2)]
        table = Table(rows=rows, names=["metallicity", "log_age", "u", "remaining_mass"])
        table["u"].unit = "MJy pc2 / (sr Msun)"
        table.meta.update(library="mine", license="BSD", initial_mass_function="any", solar_metallicity=0.02)
        return {"mine_register_populations": table}

    @hookimpl
    def register_instruments():
        import astropy.units as u
        from euclid_resolved.images import Band

        passband = [4000, 4100, 5400, 5500] * u.AA, [0, 1, 1, 0]
        g = Band("MINE_g", 4720 * u.AA, [4050, 5450] * u.AA, passband, extinction=3.7, aliases=("g_mine",))
        return {"mine_register_instruments": [g]}
"""


def test_there_is_a_hook_for_each_kind():
    assert sorted(HOOKS) == sorted(f"register_{kind}" for kind in KINDS)


@pytest.fixture
def everything(install, run):
    install("everything", everything=EVERYTHING)
    return run


def test_every_hook_is_used(everything):
    code = """
    from euclid_resolved import MultiBandImage, make_features
    from euclid_resolved.diagnostics import diagnose
    from euclid_resolved.plugins import available, hookimpl
    from euclid_resolved.diagnostics._relations import get_relation
    from euclid_resolved.imaging import correct_extinction
    from euclid_resolved.mock._population_names import find_populations
    from euclid_resolved.testing import (
        check_diagnostic,
        check_estimator,
        check_features,
        example_galaxies,
    )
    from euclid_resolved.training import train

    kinds = "features", "estimators", "diagnostics", "relations", "populations", "instruments"
    print([n for kind in kinds for n in available(kind) if n.startswith("mine")])
    galaxies = example_galaxies()
    estimator = available("estimators")["mine_register_estimators"]()
    model = train(galaxies[:3], estimator=estimator, features="mine_register_features")
    print(model.columns, model.predict(galaxies[3].image).data.shape)
    print(diagnose("mine_register_diagnostics", model, galaxies[:3], galaxies[3:])["galaxies"][0])
    print(get_relation("mine_register_relations").reference)
    print(find_populations("mine_register_populations").bands)
    image = MultiBandImage({"MINE_g": galaxies[3].image["IE"]})
    print(image.select(["g_mine"]).bands, correct_extinction(image, 0.1, coefficients={"g": 3.6}).bands)
    check_estimator("mine_register_estimators")
    check_features("mine_register_features")
    check_diagnostic("mine_register_diagnostics")
    """
    said = everything(code).stdout.splitlines()
    assert said[0] == repr([f"mine_{hook}" for hook in HOOKS])
    assert said[1:] == ["('twice',) (16, 16)", "4", "mine", "('u',)", "('MINE_g',) ('MINE_g',)"]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook):
    page = GUIDE.with_name("hooks.rst").read_text()
    assert f"\n``{hook}``\n" in page, f"docs/hooks.rst has no section on {hook}"
    assert getattr(hookspecs, hook).__doc__


def test_every_hook_is_in_the_test_above():
    assert all(f"def {hook}():" in EVERYTHING for hook in HOOKS)


@pytest.mark.parametrize("kind", ["features", "diagnostics"])
def test_examples_of_the_hooks_pass_the_kit(kind):
    module, hook = {}, f"register_{kind}"
    for example in DocTestParser().get_examples(getattr(hookspecs, hook).__doc__)[:-1]:
        exec(example.source, module)
    for value in module[hook]().values():
        {"features": check_features, "diagnostics": check_diagnostic}[kind](value)


def test_a_plugin_of_the_repository_that_is_not_installed_is_named(monkeypatch):
    points = [
        point for point in entry_points(group="euclid_resolved") if point.dist.name == "euclid_resolved"
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    plugins.reload()
    try:
        with pytest.raises(
            PluginError, match=r"; 'dnn' comes with .*: pip install \./plugins/euclid_resolved_dnn"
        ):
            plugins.lookup("estimators", "dnn")
        with pytest.raises(PluginError) as caught:
            plugins.lookup("features", "dnn")
        assert "pip install" not in str(caught.value)
    finally:
        monkeypatch.undo()
        plugins.reload()


def test_guide_shows_the_example_itself():
    guide = GUIDE.read_text()
    shown = re.findall(r"literalinclude:: \.\./plugins/euclid_resolved_knn/(\S+)", guide)
    assert "euclid_resolved_knn.py" in shown
    for name in shown:
        assert (EXAMPLE / name).is_file()


def test_installed_example_is_saved_and_opened(run, tmp_path):
    """The guide, from the folder to the map, with pip."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--disable-pip-version-check", "--target", str(tmp_path / "site")]
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.cfg", "README.md", "euclid_resolved_knn.py"):
        (source / name).write_bytes((EXAMPLE / name).read_bytes())
    fallback = re.search(r'fallback_version = "(.*)"', (source / "pyproject.toml").read_text())[1]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr or "BackendUnavailable" in done.stderr:
        pytest.skip("no pip or setuptools here")
    assert done.returncode == 0, done.stderr
    said = run(
        """
        from euclid_resolved import evaluate, read, train, write
        from euclid_resolved.plugins import describe, lookup
        from euclid_resolved.testing import example_galaxies
        (knn,) = [row for row in describe() if row.name == "knn"]
        print(knn.distribution.replace("-", "_"), knn.version, knn.status)
        galaxies = example_galaxies(6)
        model = train(galaxies[:4], estimator=lookup("estimators", "knn")(k=5))
        write("knn.asdf", model)
        print(float(evaluate(read("knn.asdf"), galaxies[4:])["r2"][0]) > 0.9)
        """
    ).stdout.splitlines()
    assert said == [f"euclid_resolved_knn {fallback} ok", "True"]
