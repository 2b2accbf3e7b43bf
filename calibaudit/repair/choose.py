"""Which of several repairs is taken, by the half that chooses: the best that passed, or a cheaper one that equals it."""

from __future__ import annotations

from collections.abc import Sequence

from calibaudit.analysis.compare import compare
from calibaudit.repair.candidates import Attempt, Candidate
from calibaudit.repair.job import Job


def best_of(tried: Sequence[tuple[Candidate, Attempt]], job: Job) -> int:
    """Of those that passed the one of least ECE, or the cheapest whose ECE is not surely higher than that.

    tried: from cheap to dear. One that is enough is taken at once. Where none passed, the one of least NLL: its verdict
    says what is wrong with it.
    """
    enough = [i for i, (candidate, _) in enumerate(tried) if candidate.enough]
    if enough:
        return enough[0]
    passed = [i for i, (candidate, _) in enumerate(tried) if candidate.choice is not None and candidate.choice.passed]
    if not passed:
        return min(range(len(tried)), key=lambda i: _value(tried[i][1], job, "nll"))
    best = min(passed, key=lambda i: _value(tried[i][1], job, "ece"))
    return next(i for i in passed if i == best or _as_good(tried[i][1], tried[best][1], job))


def _as_good(cheaper: Attempt, best: Attempt, job: Job) -> bool:
    high = compare(cheaper.side.advice.scores, best.side.advice.scores, job.audit).pooled.change["ece"].high
    return high is None or high >= 0


def _value(attempt: Attempt, job: Job, metric: str) -> float:
    scores = attempt.side.advice.scores
    if not scores:  # a factor was given, so there is one attempt
        return 0.0
    value = compare(scores, scores, job.audit).pooled.after.metrics[metric].value
    return float("inf") if value is None else value
