"""How the documentation is built."""

import ast
import importlib
import os
import sys
from pathlib import Path

from docutils import nodes
from sphinx.ext.intersphinx import InventoryAdapter
from sphinx.pycode import ModuleAnalyzer
from sphinx_gallery.directives import imgsgnode

import euclid_resolved
from euclid_resolved import __version__

sys.path.insert(0, str(Path(__file__).parent))  # gallery_setup, bands_table

project = "euclid_resolved"
author = "The euclid_resolved developers"
copyright = "2026, the euclid_resolved developers"
release = version = __version__

extensions = [
    "bands_table",
    "mathml",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_argparse_cli",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
# What these pages name of other projects is listed in inventories/, so that a build needs no network.
_ELSEWHERE = {
    "astropy": "https://docs.astropy.org/en/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "photutils": "https://photutils.readthedocs.io/en/stable/",
    "python": "https://docs.python.org/3/",
    "regions": "https://astropy-regions.readthedocs.io/en/stable/",
    "reproject": "https://reproject.readthedocs.io/en/stable/",
}
intersphinx_mapping = {name: (url, f"inventories/{name}.txt") for name, url in _ELSEWHERE.items()}
# Classes get pages that list their members; numpydoc's own member tables would name each twice.
numpydoc_show_class_members = False
autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True}
default_role = "py:obj"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["custom.css", "tutorials.css"]
html_math_renderer = "mathml"
html_title = f"euclid_resolved {release.split('+')[0]}"
html_theme_options = {
    "logo": {"text": "euclid_resolved"},
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "navbar_end": ["version-switcher", "theme-switcher", "navbar-icon-links"],
    # The menu of versions. A published site names the newest list, so that old pages know of new versions.
    "switcher": {
        "json_url": os.environ.get("EUCLID_RESOLVED_VERSIONS", "_static/switcher.json"),
        "version_match": "dev" if "dev" in release or "+" in release else release,
    },
    "check_switcher": "EUCLID_RESOLVED_VERSIONS" not in os.environ,
}
# Of prompts, and of what a command prints, nothing is copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# Pages that a script makes in the browser have no anchors that could be found.
linkcheck_anchors_ignore_for_url = [r"https://github\.com/.*"]
linkcheck_timeout = 30
linkcheck_retries = 3
templates_path = ["_templates"]
exclude_patterns = ["_build", "tutorials"]
sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", "gallery_setup.reset"),
    "reset_modules_order": "both",
    "min_reported_time": 1,
    "write_computation_times": False,
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "ignore_repr_types": r"matplotlib|'list'|'int'",
    "download_all_examples": False,
    "doc_module": ("euclid_resolved",),
    "backreferences_dir": "gallery/backreferences",
}


def setup(app):
    """Users meet names in the package and its rooms; what is private stays so."""
    app.connect("env-updated", _offered)
    app.connect("missing-reference", _full_name, priority=400)  # before intersphinx
    app.connect("doctree-resolved", _boxes)
    app.connect("autodoc-process-bases", _public_bases)
    app.connect("autodoc-process-docstring", _constants, priority=400)  # before numpydoc


def _full_name(app, env, node, content):
    """What annotations call ``u.Quantity`` or ``QTable`` is listed under the name where it is documented."""
    listed = InventoryAdapter(env).main_inventory.get("py:class", {})
    if node.get("reftype") == "class" and node["reftarget"] not in listed:
        last = node["reftarget"].rpartition(".")[2]
        node["reftarget"] = next((name for name in listed if name.endswith(f".{last}")), node["reftarget"])


def _boxes(app, doctree, name):
    """Figures of tutorials get a box, in which those that are wider than a phone can be moved."""
    for picture in list(doctree.findall(imgsgnode)):
        box = nodes.container(classes=["figure-box"])
        picture.replace_self(box)
        box += picture


def _stub(package):
    """The names that a package offers, each with the module below it that has them."""
    tree = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    return {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def _offered(app, env):
    """What a room documents, `euclid_resolved.training.train`, is found as `euclid_resolved.train`, too."""
    objects = env.domains["py"].objects
    for name, room in _stub(euclid_resolved).items():
        there = f"euclid_resolved.{room}.{name}"
        for known in [key for key in objects if key == there or key.startswith(f"{there}.")]:
            short = f"euclid_resolved.{name}{known.removeprefix(there)}"
            objects.setdefault(short, objects[known]._replace(aliased=True))


def _public_bases(app, name, obj, options, bases):
    """In place of a private base stand the nearest ones that a user can import."""
    bases[:] = list(dict.fromkeys(shown for base in bases for shown in _shown(base))) or [object]


def _shown(base):
    package, _, rest = getattr(base, "__module__", "").partition(".")
    if package != "euclid_resolved":
        return [base]
    room = importlib.import_module(f"euclid_resolved.{rest.split('.')[0]}")
    if base.__name__ in room.__all__:
        return [f":py:class:`~{room.__name__}.{base.__name__}`"]
    return [shown for above in base.__bases__ if above is not object for shown in _shown(above)]


def _constants(app, what, name, obj, options, lines):
    """A constant is documented beside its definition; otherwise its type's documentation would show."""
    if what != "data":
        return
    room, _, constant = name.rpartition(".")
    module = f"{room}.{_stub(sys.modules[room])[constant]}"
    lines[:] = ModuleAnalyzer.for_module(module).find_attr_docs()[("", constant)]
    if isinstance(obj, list):  # of checks, each of which opens with its rule
        lines += [f"- {check.__doc__.splitlines()[0]}" for check in obj]
    elif isinstance(obj, float | tuple):
        lines += [f"Its value is ``{obj!r}``.", ""]
