"""The paper's findings, each held against what a study measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from euclid_resolved.study._patterns import PATTERNS
from euclid_resolved.study._verdict import (
    AGE,
    BANDS,
    DENSITY,
    METALLICITY,
    SAME,
    SHORT,
    WORD,
    Finding,
    differences,
    finding,
    gain,
    r2_of,
    same,
    with_error,
)


def judge_findings(values: Mapping[str, float]) -> list[Finding]:
    """Judge each of the paper's findings by the values that the parts of a study left.

    Parameters
    ----------
    values : dict of str to float
        Those of all parts together; None where a value is not finite.

    Returns
    -------
    findings : list of `Finding`
    """
    values = {key: value for key, value in values.items() if value is not None}
    found = []
    for judge in _JUDGES:
        read = _Read(values)
        found.append(replace(judge(read), keys=tuple(read.keys_read)))
    return found


class _Read(Mapping[str, float]):
    """Values that remember which of them were read, so that a report can say where a verdict is from."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values
        self.keys_read: dict[str, None] = {}

    def __getitem__(self, key: str) -> float:
        value = self._values[key]
        self.keys_read[key] = None
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _single_band(values):
    checks, figures = [], []
    for estimator in WORD:
        for name in (DENSITY, METALLICITY):
            found = {band: r2_of(values, estimator, band, name) for band in BANDS}
            if None in found.values():
                continue
            best = max(found, key=found.get)
            checks.append(best == "HE")
            text = ", ".join(f"{band} {r2:.3f}" for band, r2 in found.items())
            figures.append(f"R2 {WORD[estimator]} {SHORT[name]}: {text}")
    statement = "HE is the best single band for density and metallicity"
    return finding(statement, "Sect. 3.2", "HE has the largest R2 of the four", checks, figures)


def _age_single_band(values):
    checks, figures = [], []
    for estimator in WORD:
        found = {band: r2_of(values, estimator, band, AGE) for band in BANDS}
        found = {band: r2 for band, r2 in found.items() if r2 is not None}
        if not found:
            continue
        checks.append(max(found.values()) < 0.1)
        figures.append(f"R2 {WORD[estimator]}: " + ", ".join(f"{b} {r2:.3f}" for b, r2 in found.items()))
    return finding("No single band tells age", "Sect. 4.3", "R2 below 0.1", checks, figures)


def _colours_add_nothing(values):
    pairs = [((e, "bands"), (e, "bands+colours")) for e in ("random_forest", "dnn")]
    checks, figures = differences(values, pairs, same)
    statement = "Colours beside the bands add nothing to RF and DNN"
    rule = f"R2 (four bands, with colours) the same to {SAME} or two errors"
    return finding(statement, "Sect. 5.1", rule, checks, figures)


def _nonlinear(values):
    pairs = [(("linear", "bands"), (e, "bands")) for e in ("random_forest", "dnn")]
    checks, figures = differences(values, pairs, gain)
    statement = "RF and DNN do better than LR with four bands"
    return finding(
        statement, "Sects. 4.1-4.3", f"R2 larger by more than {SAME} and two errors", checks, figures
    )


def _forest_like_network(values):
    pairs = [(("random_forest", "bands"), ("dnn", "bands"))]
    checks, figures = differences(values, pairs, same)
    statement = "RF is about as good as DNN"
    return finding(
        statement, "Sect. 3.1", f"R2 with four bands the same to {SAME} or two errors", checks, figures
    )


def _lofo_order(values):
    checks, figures = [], []
    for estimator in ("random_forest", "dnn"):
        for name in SHORT:
            lost = {band: values.get(f"lofo/{estimator}/{name}/{band}") for band in BANDS}
            if None in lost.values():
                continue
            order = sorted(lost, key=lost.get, reverse=True)
            errors = {b: values.get(f"lofo_error/{estimator}/{name}/{b}") or 0.0 for b in BANDS}
            margin = abs(lost["IE"] - lost[order[1] if order[0] == "IE" else order[0]])
            rival = errors[order[1] if order[0] == "IE" else order[0]]
            sure = margin > 2 * math.hypot(errors["IE"], rival)
            checks.append(order[0] == "IE" if sure or margin == 0 else None)
            text = ", ".join(f"{band} {100 * lost[band]:+.1f} %" for band in order)
            figures.append(f"without a band, {WORD[estimator]} {SHORT[name]}: {text}")
    for name in (DENSITY, METALLICITY):
        found = {band: values.get(f"importance/random_forest/{name}/{band}") for band in BANDS}
        if None not in found.values():
            checks.append(max(found, key=found.get) == "HE")
            text = ", ".join(f"{b} {100 * v:.1f} %" for b, v in sorted(found.items(), key=lambda i: -i[1]))
            figures.append(f"importance RF {SHORT[name]}: {text}")
    statement = "IE is missed most when left out, though HE is first in impurity importance"
    rule = "IE first in LOFO for each property; HE first in importance for density and metallicity"
    return finding(statement, "Sect. 5.4, Figs. 9 and 10", rule, checks, figures)


def _network_without_ie(values):
    with_all = [values.get(f"lofo_pearson/{e}/{AGE}/none") for e in ("random_forest", "dnn")]
    without = [values.get(f"lofo_pearson/{e}/{AGE}/IE") for e in ("random_forest", "dnn")]
    checks, figures = [], []
    if None not in (*with_all, *without):
        drops = [a - b for a, b in zip(with_all, without, strict=True)]
        checks = [drops[0] > drops[1] + 0.05]
        pairs = zip(("RF", "DNN"), with_all, without, strict=True)
        figures = [f"{word}: ρ {a:.2f}, without IE {b:.2f}" for word, a, b in pairs]
    statement = "Without IE the DNN keeps its age, the RF does not (published ρ: RF 0.6 to 0.36, DNN 0.59)"
    rule = "the correlation of RF drops by 0.05 more than that of DNN"
    return finding(statement, "Sect. 5.4.2", rule, checks, figures)


def _carried_by_relation(values):
    checks, figures = [], []
    for estimator in WORD:
        trained = values.get(f"shuffle/{estimator}/as trained")
        shuffled = values.get(f"shuffle/{estimator}/shuffled at fixed density")
        alone = values.get(f"shuffle/{estimator}/relation alone")
        if trained is None or shuffled is None or trained <= 0:
            continue
        share, partial = shuffled / trained, values.get(f"partial/{estimator}", np.nan)
        checks.append(share >= 0.5)
        figures.append(
            f"{WORD[estimator]}: R2 {trained:.3f}, {shuffled:.3f} when only the relation is left "
            f"({100 * share:.0f} %), {alone:.3f} from true density alone; correlation at fixed density "
            f"{partial:.2f} ± {values.get(f'partial_error/{estimator}', np.nan):.2f}"
        )
    statement = "Metallicity is carried by the resolved mass-metallicity relation"
    rule = "at least half of R2 stays when metallicity is shuffled at fixed density before training"
    return finding(statement, "Sect. 5.2", rule, checks, figures)


def _tighter_prediction(values):
    checks, figures = [], []
    for estimator in WORD:
        both = [values.get(f"relation_scatter/{estimator}/{case}") for case in ("true", "predicted")]
        if None not in both:
            checks.append(both[1] < both[0])
            figures.append(f"{WORD[estimator]}: scatter {both[0]:.3f} dex true, {both[1]:.3f} dex predicted")
    statement = "Predicted metallicity follows the relation more tightly than true metallicity"
    return finding(statement, "Fig. 8", "smaller scatter about the quadratic fit", checks, figures)


def _projections(values):
    checks, figures = [], []
    for estimator in WORD:
        for name in SHORT:
            start = f"projections/{estimator}/{name}/"
            found = {key.rpartition("/")[2]: values[key] for key in values if key.startswith(start)}
            if len(found) < 2:
                continue
            numbers = sorted(found, key=int)
            errors = {n: values.get(f"projections_error/{estimator}/{name}/{n}") or 0.0 for n in numbers}
            apart = {n: abs(found[n] - found[numbers[0]]) for n in numbers[1:]}
            most = max(apart, key=apart.get)
            checks.append(same(apart[most], float(np.hypot(errors[most], errors[numbers[0]]))))
            text = ", ".join(with_error(found[n], errors[n]) for n in numbers)
            figures.append(f"R2 {WORD[estimator]} {SHORT[name]}, one to {len(numbers)}: {text}")
    rule = f"R2 with any number the same as with one to {SAME} or two errors"
    statement = "More projections of the training galaxies change nothing"
    return finding(statement, "Appendix A", rule, checks, figures)


def _sample_bias(values):
    checks, figures = [], []
    for name in SHORT:
        difference = values.get(f"sample_bias/random_forest/{name}")
        if difference is not None:
            checks.append(abs(difference) <= 0.1)
            figures.append(f"R2 RF {SHORT[name]}: {100 * difference:+.1f} % on training galaxies")
    statement = "Training and test galaxies give the same accuracy"
    return finding(statement, "Appendix B", "R2 within 10 %", checks, figures)


def _squared_colours(values):
    more = "bands+colours+squared_colours"
    pairs = [((e, "bands+colours"), (e, more)) for e in ("random_forest", "dnn")]
    checks, figures = differences(values, pairs, same)
    rule = f"R2 (bands and colours, with squares) the same to {SAME} or two errors"
    return finding("Squared colours add nothing", "Appendix C", rule, checks, figures)


def _colours_recovered(values):
    checks, figures = [], []
    for estimator in WORD:
        worst = values.get(f"colours/{estimator}")
        if worst is not None:
            checks.append(round(worst, 3) >= 0.998)
            figures.append(f"{WORD[estimator]}: worst R2 {worst:.4f}")
    statement = "The colours can be inferred from the bands"
    return finding(statement, "Appendix D", "R2 of every colour at least 0.998", checks, figures)


def _epistemic(values):
    checks, figures = [], []
    for estimator, limit in (("random_forest", 2), ("dnn", 5)):
        relative = {}
        for key in values:
            if key.startswith(f"scatter/{estimator}/"):
                scatter = values[key]
                r2 = values.get(key.replace("scatter/", "r2/", 1))
                if r2 is not None and r2 > 0.2:
                    relative[key] = 100 * scatter / r2
        if relative:
            worst = max(relative, key=relative.get)
            _, _, input, name = worst.split("/")
            checks.append(relative[worst] <= limit)
            figures.append(f"{WORD[estimator]}: {relative[worst]:.1f} % of R2 ({input}, {SHORT[name]})")
    statement = "Runs that differ only by seed agree: R2 to 2 % for RF, 5 % for DNN"
    rule = "the largest relative scatter among cases with R2 above 0.2"
    return finding(statement, "Sect. 3.4", rule, checks, figures)


_JUDGES = (
    _single_band,
    _age_single_band,
    _nonlinear,
    _colours_add_nothing,
    _forest_like_network,
    _lofo_order,
    _network_without_ie,
    _carried_by_relation,
    _tighter_prediction,
    _projections,
    _sample_bias,
    _squared_colours,
    _colours_recovered,
    _epistemic,
    *PATTERNS,
)
