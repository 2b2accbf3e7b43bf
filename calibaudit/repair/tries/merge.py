"""Weights between INSTRUCT's and base's, and a temperature on top: the weight found by scoring each.

In the study of repairs no other repair ended nearer to the least ECE and NLL of those that keep the tuning.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calibaudit.advice.aligned import TEMPERATURES
from calibaudit.advice.cautions import CLEARLY
from calibaudit.analysis.samples import items_of, rows_of
from calibaudit.analysis.settings import Settings
from calibaudit.metrics.choices import log_softmax
from calibaudit.metrics.temperature import temperature_of
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.devices import free_memory
from calibaudit.models.distributed import gathered, rank
from calibaudit.models.tokenizer import check_same_tokens
from calibaudit.repair.candidates import Attempt, Setting, Trial, trial_of
from calibaudit.repair.job import Job, drop
from calibaudit.repair.merge import write_merged
from calibaudit.repair.tempering.temperature import choose_temperature
from calibaudit.repair.tempering.tempered import place_temperature, write_tempered
from calibaudit.scores.scores import Scores
from calibaudit.scoring.evaluate import load
from calibaudit.training.results.fit import Fit

WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of base."""


def try_merge(job: Job) -> Attempt:
    """Of the weights that keep the tuning and are not worse otherwise, the one of least NLL with its temperature.

    Weights go up until one keeps too little, since a larger one keeps less. Each checkpoint is written, scored and
    dropped, so that one is on disk beside the best. Where every weight has a fault, the first. Raises ModelError where
    the two cannot be merged.
    """
    ready = job.ready
    check_same_tokens(
        ready.base, ready.instruct, ready.base_tokenizer, ready.tokenizer, "name the base that instruct was made from"
    )
    start, trials = time.monotonic(), []
    best: Attempt | None = None
    least = float("inf")
    for weight in WEIGHTS:
        folder = _written(job, weight)

        def too_little(fit: Fit | None, others: bool = best is not None) -> bool:
            return others and job.retention(fit).fault() == "kept"

        side = job.on_advice(folder, f"merged, {weight:g} of base,", too_little)
        retention = job.retention(side.fit)
        if not side.advice.scores:  # its fit to the rows rules it out
            trials.append(Trial(weight, retention.kept, rejected=("kept",)))
            drop(Attempt(Setting("merge", weight), folder, side, retention, 0.0))
            break
        verdict, repair = job.tried(side, retention)
        cooled = cooled_nll(side.advice.scores, job.audit)
        blamed = tuple(fault for fault in verdict.faults if fault != "unmeasured")  # that tells no weight from another
        rejected = blamed or ("not_least",)
        trials.append(dataclasses.replace(trial_of(weight, retention, repair, rejected), nll_cooled=cooled))
        attempt = Attempt(Setting("merge", weight), folder, side, retention, 0.0)
        if best is None or (not blamed and cooled < least):
            if best is not None:
                drop(best)
            best, least = attempt, float("inf") if blamed else cooled
        else:
            drop(attempt)
        if "kept" in verdict.faults:
            break
    assert best is not None
    best = _cooled(job, best)
    shown = tuple(_as_taken(trial, best.setting.value) for trial in trials)
    return job.proven(dataclasses.replace(best, trials=shown, seconds=time.monotonic() - start))


def cooled_nll(scores: Sequence[Scores], audit: Settings) -> float:
    """The mean NLL of all items pooled, their choices' scores divided by the temperature that fits them, in nats."""
    sample = items_of(rows_of(scores, audit)).whole
    temperature = temperature_of(sample.scores, sample.answer)
    low, high = TEMPERATURES
    logprobs = log_softmax(sample.scores / (1.0 if math.isnan(temperature) else min(max(temperature, low), high)))
    return float(-logprobs[np.arange(len(logprobs)), sample.answer].mean())


def _written(job: Job, weight: float) -> Path:
    folder = job.empty(f"merge-{weight:g}")
    if rank() == 0:
        for text in write_merged(job.ready.base, job.ready.instruct, weight, folder).notices():
            job.audited.listener.notice(text)
    gathered([0])
    return folder


def _cooled(job: Job, merged: Attempt) -> Attempt:
    """With the temperature that fits the merged checkpoint, where it lowers NLL clearly and brings no fault."""
    options = dataclasses.replace(job.audited.options, revision=None)
    checkpoint = find_checkpoint(str(merged.folder))
    model = load(str(merged.folder), options, job.audited.listener.notice)
    placement = place_temperature(model.network, checkpoint)
    if isinstance(placement, str):
        return merged
    found = choose_temperature(model, job.audited.advice, merged.side.advice.scores, placement, options)
    del model
    free_memory()
    if found.loss_at_one - found.loss <= CLEARLY:
        return merged
    folder = job.empty(f"{merged.folder.name}-temperature")
    if rank() == 0:
        write_tempered(checkpoint, found.temperature, folder, placement)
    gathered([0])
    side = job.on_advice(folder, f"merged, {merged.setting.value:g} of base, T {found.temperature:.2f},")
    setting = dataclasses.replace(merged.setting, temperature=found.temperature)
    cooled = Attempt(setting, folder, side, job.retention(side.fit), 0.0)
    before, _ = job.tried(merged.side, merged.retention)
    after, _ = job.tried(side, cooled.retention)
    if set(after.faults) <= set(before.faults):
        drop(merged)
        return cooled
    drop(cooled)
    note = (
        f"a temperature of {found.temperature:.2f} on top would lower NLL further, but something else got worse with "
        "it, so it was left out"
    )
    return dataclasses.replace(merged, notes=(note,))


def _as_taken(trial: Trial, value: float) -> Trial:
    """The taken one's only fault was that it was not known to be the best."""
    if trial.value == value and trial.rejected == ("not_least",):
        return dataclasses.replace(trial, rejected=())
    return trial
