"""What this distribution registers with euclid_resolved."""

from euclid_resolved.plugins import hookimpl
from euclid_resolved_dnn.estimator import DeepNetwork

__all__ = []


@hookimpl
def register_estimators():
    """The network, under the name ``dnn``."""
    return {"dnn": DeepNetwork}
