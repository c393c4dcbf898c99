"""Findings of the paper about where estimates go wrong: faint pixels, old ages, discs from the side."""

from __future__ import annotations

from euclid_resolved.study._verdict import (
    AGE,
    DENSITY,
    METALLICITY,
    SAME,
    SHORT,
    WORD,
    Finding,
    Values,
    differences,
    finding,
    gain,
)

_FLOOR = 4.0  # Msun/pc2, the paper's lower boundary of the linear regression
_FACTOR = 2.0  # either way, within which a floor is that of the paper
_COLOURS = 0.01  # in R2: the paper's gains are 0.035 and 0.018
_OFF_PLANE = 0.02  # dex: smaller differences count as none
_EDGE_ON = 0.5  # axis ratio of a thin disc that is seen from 60 degrees
_SIDES = f"; of galaxies with an axis ratio of at most {_EDGE_ON}, or whose side the study names"
_ML = ("random_forest", "dnn")


def _detail(values, metric, estimator, name):
    return values.get(f"{metric}/{estimator}/bands/{name}")


def density_floor(values: Values) -> Finding:
    """Whether the linear regression estimates no density below the one that the clip stands for."""
    checks, figures = [], []
    floor, true = (_detail(values, key, "linear", DENSITY) for key in ("floor", "true_floor"))
    if floor is not None and true is not None:
        checks.append(_FLOOR / _FACTOR <= 10**floor <= _FLOOR * _FACTOR and floor > true)
        figures.append(f"LR: {10**floor:.2f} Msun/pc2, of the true values {10**true:.2f}")
    statement = "The clip is a lower boundary of LR's density, about 4 Msun/pc2"
    rule = f"the 0.5th percentile within a factor of {_FACTOR:g} of 4, and above that of the true values"
    return finding(statement, "Sect. 4.1", rule, checks, figures)


def faint_scatter(values: Values) -> Finding:
    """Whether density scatters more where it is low."""
    checks, figures = [], []
    for estimator, word in WORD.items():
        faint, bright = (_detail(values, f"scatter_{key}", estimator, DENSITY) for key in ("faint", "bright"))
        if faint is not None and bright is not None:
            checks.append(faint > 1.2 * bright)
            figures.append(f"{word}: {faint:.3f} dex at and below, {bright:.3f} dex above")
    statement = "Density scatters more at and below 30 Msun/pc2"
    rule = "half the 16-84 % range of the residuals larger by a fifth"
    return finding(statement, "Sect. 4.1, Fig. 3", rule, checks, figures)


def old_ages(values: Values) -> Finding:
    """Whether old ages are under-predicted, the more so the older."""
    checks, figures = [], []
    for estimator, word in WORD.items():
        upper, high = (_detail(values, f"bias_{key}", estimator, AGE) for key in ("upper", "high"))
        if upper is not None and high is not None:
            checks.append(high > 0 and high > upper)
            figures.append(
                f"{word}: {upper:+.3f} dex above the median age, {high:+.3f} dex in the oldest tenth"
            )
    statement = "Age is under-predicted where it is high, the more so the older"
    rule = "median of truth minus estimate above zero in the oldest tenth, and larger than in the four before"
    return finding(statement, "Sect. 4.3, Fig. 3", rule, checks, figures)


def reversed_bias(values: Values) -> Finding:
    """Whether the bias of metallicity has the other sign than those of density and age."""
    checks, figures = [], []
    for estimator in _ML:
        found = {name: _detail(values, "bias", estimator, name) for name in SHORT}
        if None in found.values():
            continue
        errors = {name: _detail(values, "bias_error", estimator, name) or 0.0 for name in SHORT}
        for name in (DENSITY, AGE):
            sure = all(abs(found[each]) > 2 * errors[each] for each in (METALLICITY, name))
            checks.append(found[METALLICITY] * found[name] < 0 if sure else None)
        text = ", ".join(f"{SHORT[n]} {v:+.4f}" + _pm(errors[n]) for n, v in found.items())
        figures.append(f"{WORD[estimator]}: {text}")
    statement = "The bias of metallicity has the other sign than those of density and age"
    rule = "opposite signs of the mean of truth minus estimate with four bands, each beyond two errors"
    return finding(statement, "Sect. 4.4.2, Table 3", rule, checks, figures)


def _pm(error):
    return f" ± {error:.4f}" if error else ""


def colours_help_linear(values: Values) -> Finding:
    """Whether colours beside the bands help the linear regression."""
    pairs = [(("linear", "bands"), ("linear", "bands+colours"))]
    checks, figures = differences(values, pairs, gain, _COLOURS, (DENSITY, METALLICITY))
    # What the paper's gain may be of: it speaks of dividing two features (Sect. 5.1).
    pairs = [(("linear", "bands"), ("linear", "bands+flux_ratios"))]
    ratios = differences(values, pairs, gain, _COLOURS, (DENSITY, METALLICITY))[1]
    figures += [f"{text} with ratios of the bands instead" for text in ratios]
    statement = "Colours beside the bands help LR (published R2: 0.873 to 0.908, 0.417 to 0.435)"
    rule = (
        f"R2 larger by more than {_COLOURS}. Colours in magnitudes are differences of logarithms of the "
        "bands, which a linear regression cannot gain from"
    )
    return finding(statement, "Sects. 4.1 and 4.2", rule, checks, figures)


def chains_help(values: Values) -> Finding:
    """Whether density among the features helps metallicity, and metallicity helps age."""
    checks, figures = [], []
    for estimator, word in WORD.items():
        for name in (METALLICITY, AGE):
            found = [values.get(f"chain/{estimator}/{name}/{key}") for key in ("bands", "estimated", "true")]
            r2 = [one for one in found if one is not None]
            if len(r2) == 3:
                checks += [gain(one - r2[0], 0.0) for one in r2[1:]]
                text = f"bands {r2[0]:.3f}, with the estimate {r2[1]:.3f}, with the truth {r2[2]:.3f}"
                figures.append(f"R2 {word} {SHORT[name]}: {text}")
    statement = "Density among the features helps metallicity, and metallicity helps age"
    rule = (
        f"R2 larger by more than {SAME} than with the bands alone, with the estimate of the other "
        "property and with "
        "its true value: the paper does not say which it took"
    )
    return finding(statement, "Sect. 7", rule, checks, figures)


def face_on_against_edge_on(values: Values) -> Finding:
    """Whether a galaxy is estimated as well from the side."""
    checks, figures = [], []
    for group, name in _views(values):
        both = [values.get(f"view/{kind}/{group}/{name}/rmse") for kind in ("face_on", "edge_on")]
        seen = [one for one in both if one is not None]
        if len(seen) == 2:
            checks.append(abs(seen[1] - seen[0]) <= 0.05 if _is_edge_on(values, group) else None)
            text = f"RMSE {seen[0]:.3f} dex face-on, {seen[1]:.3f} dex edge-on"
            figures.append(f"{group} {SHORT[name]}: {text}{_from_where(values, group)}")
    statement = "Galaxies seen edge-on are estimated about as well as face-on"
    return finding(statement, "Sect. 4.5", f"RMSE the same to 0.05 dex{_SIDES}", _told(checks), figures)


def above_the_disc(values: Values) -> Finding:
    """Whether metallicity is over-predicted above and below a disc, and age under-predicted."""
    checks, figures = [], []
    for group, name in _views(values):
        inside, outside = (
            values.get(f"vertical/{group}/{name}/{place}") for place in ("in_plane", "off_plane")
        )
        if name == DENSITY or inside is None or outside is None:
            continue
        sign = -1 if name == METALLICITY else 1  # over-predicted is truth below estimate
        over = sign * outside > 0 and sign * (outside - inside) > _OFF_PLANE
        checks.append(over if _is_edge_on(values, group) else None)
        text = f"{inside:+.3f} dex in the disc, {outside:+.3f} dex off it"
        figures.append(f"{group} {SHORT[name]}: {text}{_from_where(values, group)}")
    statement = "Above and below a disc metallicity is over-predicted, and age under-predicted"
    rule = (
        f"truth minus estimate off the plane below zero for metallicity, above for age, and by {_OFF_PLANE} "
        f"dex more than in the disc{_SIDES}"
    )
    return finding(statement, "Sect. 4.5, Fig. 7", rule, _told(checks), figures)


def _is_edge_on(values, group):
    """Whether a galaxy is seen from the side, where the study did not say from where to look."""
    return values.get(f"axis_ratio/{group}", 0.0) <= _EDGE_ON


def _from_where(values, group):
    ratio = values.get(f"axis_ratio/{group}")
    if ratio is None:
        return ""
    return f" (axis ratio {ratio:.2f}{'' if ratio <= _EDGE_ON else ': not from the side'})"


def _told(checks):
    """The checks of galaxies that are seen from the side; of the others where there are no such."""
    return [one for one in checks if one is not None] or checks


def _views(values):
    """The galaxies and properties that were looked at edge-on."""
    keys = [key.split("/") for key in values if key.startswith("view/edge_on/")]
    return list(dict.fromkeys((group, name) for _, _, group, name, _ in keys))


PATTERNS = (
    density_floor,
    faint_scatter,
    old_ages,
    reversed_bias,
    colours_help_linear,
    chains_help,
    face_on_against_edge_on,
    above_the_disc,
)
"""Functions of the values of all parts that give a `Finding`."""
