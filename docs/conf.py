"""How the documentation is built."""

import os
import sys
from pathlib import Path

from euclid_resolved import __version__

sys.path.insert(0, str(Path(__file__).parent))  # gallery_setup

project = "euclid_resolved"
author = "The euclid_resolved developers"
copyright = "2026, the euclid_resolved developers"
release = version = __version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_argparse_cli",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
if os.environ.get("EUCLID_RESOLVED_DOCS_LINKS"):
    # Links into other projects need the network at build time, so they are asked for.
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "astropy": ("https://docs.astropy.org/en/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
    }
# Classes get pages that list their members; numpydoc's own member tables would name each twice.
numpydoc_show_class_members = False
autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True}
default_role = "py:obj"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["custom.css", "tutorials.css"]
html_title = f"euclid_resolved {release}"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
linkcheck_anchors = False  # many pages make theirs by a script
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
    """Let names be found where the package offers them, though they are documented where they live."""
    app.connect("env-updated", _offered)


def _offered(app, env):
    from euclid_resolved import _HOME_OF

    objects = env.domains["py"].objects
    for name, home in _HOME_OF.items():
        there = f"euclid_resolved.{home}.{name}"
        for known in [key for key in objects if key == there or key.startswith(f"{there}.")]:
            short = f"euclid_resolved.{name}{known.removeprefix(there)}"
            objects.setdefault(short, objects[known]._replace(aliased=True))
