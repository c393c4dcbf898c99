"""The built-in sets of features, registered as a plugin's would be, and what makes a set of features."""

from __future__ import annotations

import inspect

from euclid_resolved.features import _neighbourhood, _sets
from euclid_resolved.features._image_sets import ImageFeatureSet, is_of_image, reach_with_unit
from euclid_resolved.plugins._offers import hookimpl, wrong_with


@hookimpl
def register_features() -> dict[str, _sets.FeatureSet | ImageFeatureSet]:
    """Bands, colours, squared colours and flux ratios of a pixel; its neighbourhood."""
    return {
        "bands": _sets.FeatureSet(_sets.bands, "dex(MJy / sr)", "log10 surface brightness"),
        "colours": _sets.FeatureSet(_sets.colours, "mag", "all colours, bluer band first"),
        "squared_colours": _sets.FeatureSet(_sets.squared_colours, "mag2", "squares of the colours"),
        "flux_ratios": _sets.FeatureSet(_sets.flux_ratios, "", "ratios of surface brightness"),
        "neighbourhood": ImageFeatureSet(
            _neighbourhood.neighbourhood,
            "mag",
            "brightness and colours smoothed over 2 and 4 pixels, where noisy over more",
            _neighbourhood.REACH,
            _neighbourhood.steady_light,
        ),
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

    if not isinstance(value, _sets.FeatureSet | ImageFeatureSet):
        what = value.__name__ if isinstance(value, type) else type(value).__name__
        return f"{what} is offered, a FeatureSet is needed: FeatureSet(function, unit, summary)"
    kind, takes = ("planes", "of an image's planes") if is_of_image(value) else ("dex", "of the bands")
    if not callable(value.make) or isinstance(value.make, type):
        return f"its make is {value.make!r}, a function {takes} is needed"
    try:
        inspect.signature(value.make).bind({})
    except TypeError as error:
        return f"its make cannot be called as make({kind}): {error}"
    except ValueError:  # what is compiled may have no signature
        pass
    if isinstance(value, ImageFeatureSet):
        wrong = _wrong_reach(value)
        if wrong:
            return wrong
    try:
        Unit(value.unit)
    except (TypeError, ValueError):
        return f"its unit {value.unit!r} is none that Astropy knows; '' has none"
    if not isinstance(value.summary, str) or not value.summary.strip() or "\n" in value.summary:
        return f"its summary is {value.summary!r}, one line of text is needed"
    return ""


def _wrong_reach(value):
    """Why the reach or the light of a set of features of an image is none; empty if it is."""
    import numpy as np
    from astropy import units as u

    try:
        reach = reach_with_unit(value)
        good = reach.isscalar and 0 <= reach.value < np.inf
        good = good and (reach.unit.is_equivalent(u.pix) or reach.unit.is_equivalent(u.pc))
    except (TypeError, ValueError):
        good = False
    if not good:
        return f"its reach is {value.reach!r}, a number of pixels or a length is needed"
    if value.light is not None and not callable(value.light):
        return f"its light is {value.light!r}, a function of an image's planes is needed"
    return ""
