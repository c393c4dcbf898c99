"""How tutorials are run: warnings are errors, figures are cut close, one temporary folder serves all."""

import atexit
import shutil
import tempfile
import warnings

__all__ = ["reset"]

_filters = []
_folder = tempfile.mkdtemp(prefix="euclid_resolved_tutorials_")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def reset(gallery_conf, fname, when):
    """Called by Sphinx-Gallery before and after each script."""
    import matplotlib

    if _filters:
        warnings.filters[:] = _filters.pop()
    # The scripts share their mock atlas, which goes with the build.
    tempfile.tempdir = _folder if when == "before" else None
    if when == "before":
        matplotlib.rcParams["savefig.bbox"] = "tight"
        _filters.append(list(warnings.filters))
        warnings.simplefilter("error")
        # plt.show() at the end of a script is for those who run it by hand.
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive", UserWarning)
