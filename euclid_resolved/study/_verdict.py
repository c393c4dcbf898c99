"""Verdicts on statements of the paper: what a check is, and when the scatter of runs forbids one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

DENSITY, METALLICITY, AGE = "stellar_mass_density", "stellar_metallicity", "stellar_age"
BANDS = ("IE", "YE", "JE", "HE")
WORD = {"linear": "LR", "random_forest": "RF", "dnn": "DNN"}
SHORT = {DENSITY: "density", METALLICITY: "metallicity", AGE: "age"}
SAME = 0.02
"""In R2: smaller differences count as none."""

UNSURE = 0.05
"""In R2: where two errors of a difference are larger, that it is not seen says nothing."""

Values = Mapping[str, float]


@dataclass(frozen=True)
class Finding:
    """A statement of the paper and what this atlas says to it.

    Attributes
    ----------
    statement : str
    where : str
        In the paper.
    verdict : {"holds", "in part", "does not hold", "not decided", "not tested"}
        Not decided where runs that differ by their seed scatter too much to tell.
    figures : str
        The measured values behind the verdict.
    rule : str
        What the verdict asks for.
    keys : tuple of str
        Of the values that it was judged by.
    """

    statement: str
    where: str
    verdict: str
    figures: str
    rule: str
    keys: tuple[str, ...] = ()


def finding(
    statement: str, where: str, rule: str, checks: Sequence[bool | None], figures: Sequence[str]
) -> Finding:
    """The verdict of single checks: all, some or none of those that can be told; None is one that cannot.

    Examples
    --------
    >>> from euclid_resolved.study._verdict import finding
    >>> for checks in ([True, True], [True, False], [False], [True, None], [None, False], []):
    ...     print(finding("", "", "", checks, ["figures"]).verdict)
    holds
    in part
    does not hold
    not decided
    not decided
    not tested
    """
    if not checks:
        verdict, figures = "not tested", ["what it needs was not run"]
    elif True in checks and False in checks:
        verdict = "in part"
    elif None in checks:
        verdict = "not decided"
    else:
        verdict = "holds" if all(checks) else "does not hold"
    return Finding(statement, where, verdict, "; ".join(figures), rule)


def same(difference: float, error: float, limit: float = SAME) -> bool | None:
    """Whether two accuracies are the same, upwards and downwards, within the error of their difference.

    Parameters
    ----------
    difference, error : float
        Two errors hold 95 %; zero where nothing is random.
    limit : float, optional
        Differences up to this count as none.

    Returns
    -------
    verdict : bool or None
        None where a difference that matters could hide in the error.

    Examples
    --------
    >>> from euclid_resolved.study._verdict import same
    >>> same(0.01, 0.0), same(-0.2, 0.01), same(-0.03, 0.02), same(-0.03, 0.1)
    (True, False, True, None)
    """
    if abs(difference) > max(limit, 2 * error):
        return False
    return True if 2 * error <= max(UNSURE, limit) else None


def gain(difference: float, error: float, limit: float = SAME) -> bool | None:
    """Whether an accuracy is better than another by more than a limit and two errors.

    Examples
    --------
    >>> from euclid_resolved.study._verdict import gain
    >>> gain(0.05, 0.0), gain(0.01, 0.0), gain(-0.2, 0.01), gain(0.05, 0.1)
    (True, False, False, None)
    """
    if difference > max(limit, 2 * error):
        return True
    return None if difference + 2 * error > max(UNSURE, limit) else False


def r2_of(values: Values, estimator: str, input: str, name: str) -> float | None:
    """R2 of a case, the median of its runs; None where it was not run."""
    return values.get(f"r2/{estimator}/{input}/{name}")


def error_of(values: Values, estimator: str, input: str, name: str) -> float:
    """The error of that median; zero where there is one run."""
    return values.get(f"error/{estimator}/{input}/{name}") or 0.0


def with_error(value: float, error: float) -> str:
    """A value, and its error where it has one."""
    return f"{value:.3f}" + (f" ± {error:.3f}" if error else "")


def median_error(scatter: float, n: int) -> float:
    """The error of the median of a number of runs, from their standard deviation; zero where not known.

    That of the mean times sqrt(pi / 2), which holds for many runs of a normal distribution, and wider for few
    runs, whose standard deviation is uncertain: two errors hold 95 % of Student's t as they do of a normal
    distribution.

    Examples
    --------
    >>> from euclid_resolved.study._verdict import median_error
    >>> print([f"{median_error(0.01, n):.3f}" for n in (2, 3, 10)])
    ['0.057', '0.016', '0.005']
    """
    if n < 2 or not np.isfinite(scatter):
        return 0.0
    wider = stdtrit(n - 1, 0.975) / ndtri(0.975)
    return float(np.sqrt(np.pi / 2) * scatter / np.sqrt(n) * wider)


def differences(
    values: Values,
    pairs: Sequence[tuple[tuple[str, str], tuple[str, str]]],
    rule: Callable[..., bool | None],
    limit: float = SAME,
    names: Sequence[str] = tuple(SHORT),
) -> tuple[list[bool | None], list[str]]:
    """Checks of differences of R2 of pairs of (estimator, input), for every property that has both."""
    checks, figures = [], []
    for first, second in pairs:
        for name in names:
            found = [r2_of(values, *case, name) for case in (first, second)]
            r2 = [one for one in found if one is not None]
            if len(r2) < 2:
                continue
            errors = [error_of(values, *case, name) for case in (first, second)]
            checks.append(rule(r2[1] - r2[0], math.hypot(*errors), limit))
            label = WORD[first[0]] if first[0] == second[0] else f"{WORD[first[0]]}, {WORD[second[0]]}"
            text = ", ".join(with_error(*each) for each in zip(r2, errors, strict=True))
            figures.append(f"R2 {label} {SHORT[name]}: {text}")
    return checks, figures
