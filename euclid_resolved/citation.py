"""How to cite the package: the paper whose method it implements, and the software with its version."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__bibtex__", "__citation__", "__version__"]

try:
    __version__ = version("euclid_resolved")  # its build took it from the tags of the repository
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__bibtex__ = (
    r"""@article{euclid_resolved_paper,
  author = {{Euclid Collaboration} and Kova{\v{c}}i{\'c}, I. and Baes, M. and Nersesian, A. and others},
  title = {{Euclid preparation. LXVIII. Extracting physical parameters from galaxies with machine learning}},
  journal = {Astronomy \& Astrophysics},
  volume = {695},
  eid = {A284},
  year = {2025},
  doi = {10.1051/0004-6361/202453111},
  archivePrefix = {arXiv},
  eprint = {2501.14408},
}

@misc{euclid_resolved,
  author = {{The euclid_resolved developers}},
  title = {{euclid_resolved}},
  note = {Software, version """
    + __version__
    + r"""},
}
"""
)
"""Both entries for a bibliography in BibTeX."""

__citation__ = __bibtex__
"""The same: `__citation__` is the name that Astropy gave it."""
