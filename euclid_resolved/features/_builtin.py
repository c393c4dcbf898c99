"""The built-in sets of features, registered as a plugin's would be."""

from __future__ import annotations

from euclid_resolved.features import _sets
from euclid_resolved.plugins._registry import hookimpl


@hookimpl
def register_features() -> dict[str, _sets.FeatureSet]:
    """Bands, colours, squared colours and flux ratios."""
    return {
        "bands": _sets.FeatureSet(_sets.bands, "dex(MJy / sr)", "log10 surface brightness"),
        "colours": _sets.FeatureSet(_sets.colours, "mag", "all colours, bluer band first"),
        "squared_colours": _sets.FeatureSet(_sets.squared_colours, "mag2", "squares of the colours"),
        "flux_ratios": _sets.FeatureSet(_sets.flux_ratios, "", "ratios of surface brightness"),
    }
