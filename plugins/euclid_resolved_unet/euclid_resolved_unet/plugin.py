"""What this distribution registers with euclid_resolved."""

from euclid_resolved.diagnostics import Diagnostic
from euclid_resolved.plugins import hookimpl
from euclid_resolved_unet.evaluation import compare

__all__ = []


@hookimpl
def register_diagnostics():
    """The accuracy of a U-Net beside that of a model, under the name ``unet``."""
    return {"unet": Diagnostic(compare, None, "train a small U-Net on the same galaxies, and compare")}
