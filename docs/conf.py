"""How the documentation is built."""

import os

from euclid_resolved import __version__

project = "euclid_resolved"
author = "The euclid_resolved developers"
copyright = "2026, the euclid_resolved developers"
release = version = __version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
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
html_title = f"euclid_resolved {release}"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
exclude_patterns = ["_build"]
