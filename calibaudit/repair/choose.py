"""Which of several repairs is taken: the first that is enough, else the best that passed, or a cheaper one as good."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.repair.candidates import Attempt, Candidate


def best_of(tried: Sequence[tuple[Candidate, Attempt]], audit: Settings) -> int:
    """Which is taken. tried: from cheap to dear, judged on the half that proves.

    One that is enough is taken at once. Of several that passed, by the half that chooses, so that the other's figures
    stay free of the choice: the one of least ECE, or the cheapest whose ECE is not surely higher than that. Where none
    passed, the one of least NLL there, if there is one of those that keep the tuning: its verdict says what is wrong.
    """
    candidates = [candidate for candidate, _ in tried]
    if len(tried) == 1:
        return 0
    if found := [i for i, candidate in enumerate(candidates) if candidate.enough]:
        return found[0]
    passed = [i for i, one in enumerate(candidates) if one.verdict is not None and one.verdict.passed]
    if not passed:
        keeping = [
            i for i, one in enumerate(candidates) if one.verdict is not None and "kept" not in one.verdict.faults
        ]
        return min(keeping or range(len(tried)), key=lambda i: _value(tried[i][1], audit, "nll"))
    best = min(passed, key=lambda i: _value(tried[i][1], audit, "ece"))
    return next(i for i in passed if i == best or _as_good(tried[i][1], tried[best][1], audit))


def _as_good(cheaper: Attempt, best: Attempt, audit: Settings) -> bool:
    high = compare(cheaper.side.advice.scores, best.side.advice.scores, audit).pooled.change["ece"].high
    return high is None or high >= 0


def _value(attempt: Attempt, audit: Settings, metric: str) -> float:
    scores = attempt.side.advice.scores
    value = compare(scores, scores, audit).pooled.after.metrics[metric].value
    return float("inf") if value is None else value
