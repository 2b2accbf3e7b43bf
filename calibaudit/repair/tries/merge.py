"""Weights between INSTRUCT's and base's: the smallest weight of base that serves, found by scoring each."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from calibaudit.advice.recommend import MARGIN
from calibaudit.models.distributed import gathered, rank
from calibaudit.repair.candidates import Attempt, Rejection, Setting, Trial, trial_of
from calibaudit.repair.job import Job, drop
from calibaudit.repair.merge import write_merged

WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of base."""


def try_merge(job: Job) -> Attempt:
    """The smallest weight of base whose |gap| is within MARGIN, of those that keep the tuning and are no worse.

    Where none comes so near, the one that comes nearest. Weights go up until one keeps too little of the tuning, since
    a larger one keeps less. Each checkpoint is written, scored and dropped, so that one is on disk beside the best.
    Raises ModelError where the two cannot be merged.
    """
    trials: list[Trial] = []
    best: Attempt | None = None
    least, seconds = float("inf"), 0.0
    for weight in WEIGHTS:
        start = time.monotonic()
        folder = _written(job, weight)
        seconds += time.monotonic() - start
        side = job.on_advice(folder, f"merged, {weight:g} of base,")
        retention = job.retention(side.fit)
        verdict, repair = job.tried(side, retention)
        gap = repair.pooled.after.metrics["gap"].value
        assert gap is not None
        off = max(0.0, abs(gap) - MARGIN)
        far: tuple[Rejection, ...] = () if off == 0 else ("too_sure",) if gap > 0 else ("not_sure",)
        trials.append(trial_of(weight, retention, repair, verdict.faults or far))
        attempt = Attempt(Setting("merge", weight), folder, side, retention, 0.0)
        score = float("inf") if verdict.faults else off
        if best is None or score < least:
            if best is not None:
                drop(best)
            best, least = attempt, score
        else:
            drop(attempt)
        if (off == 0 and not verdict.faults) or "kept" in verdict.faults:
            break
    assert best is not None
    return job.proven(dataclasses.replace(best, trials=tuple(trials), seconds=seconds))


def _written(job: Job, weight: float) -> Path:
    folder = job.empty(f"merge-{weight:g}")
    if rank() == 0:
        write_merged(job.ready.base, job.ready.instruct, weight, folder)
    gathered([0])
    return folder
