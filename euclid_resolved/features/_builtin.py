"""The built-in sets of features, registered as a plugin's would be, and what makes a set of features."""

from __future__ import annotations

import inspect

from euclid_resolved.features import _sets
from euclid_resolved.plugins._offers import hookimpl, wrong_with


@hookimpl
def register_features() -> dict[str, _sets.FeatureSet]:
    """Bands, colours, squared colours and flux ratios."""
    return {
        "bands": _sets.FeatureSet(_sets.bands, "dex(MJy / sr)", "log10 surface brightness"),
        "colours": _sets.FeatureSet(_sets.colours, "mag", "all colours, bluer band first"),
        "squared_colours": _sets.FeatureSet(_sets.squared_colours, "mag2", "squares of the colours"),
        "flux_ratios": _sets.FeatureSet(_sets.flux_ratios, "", "ratios of surface brightness"),
    }


@wrong_with("features")
def wrong_features(value: object) -> str:
    """Why something is no set of features; empty for one.

    Examples
    --------
    >>> from euclid_resolved.features._builtin import wrong_features
    >>> wrong_features(lambda dex: {})
    'function is offered, a FeatureSet is needed: FeatureSet(function, unit, summary)'
    """
    from astropy.units import Unit

    if not isinstance(value, _sets.FeatureSet):
        what = value.__name__ if isinstance(value, type) else type(value).__name__
        return f"{what} is offered, a FeatureSet is needed: FeatureSet(function, unit, summary)"
    if not callable(value.make) or isinstance(value.make, type):
        return f"its make is {value.make!r}, a function of the bands is needed"
    try:
        inspect.signature(value.make).bind({})
    except TypeError as error:
        return f"its make cannot be called as make(dex): {error}"
    except ValueError:  # what is compiled may have no signature
        pass
    try:
        Unit(value.unit)
    except (TypeError, ValueError):
        return f"its unit {value.unit!r} is none that Astropy knows; '' has none"
    if not isinstance(value.summary, str) or not value.summary.strip() or "\n" in value.summary:
        return f"its summary is {value.summary!r}, one line of text is needed"
    return ""
