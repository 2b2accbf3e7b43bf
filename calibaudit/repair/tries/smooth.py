"""A smoothed run: the factor as given, as a pilot says, or the largest of a few that keeps the tuning."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

from calibaudit.advice.cautions import MOST
from calibaudit.advice.head_bound import HeadBound, bound_files
from calibaudit.advice.pilot import PilotListener, pilot
from calibaudit.advice.recommend import recommend_from_pilot
from calibaudit.advice.recommendation import Prior, Recommendation
from calibaudit.advice.tuning_signs import signs_of
from calibaudit.analysis.compare import compare
from calibaudit.errors import TrainingError
from calibaudit.files.read import read_json
from calibaudit.models.distributed import gathered, rank
from calibaudit.repair.candidates import Attempt, Setting, Trial, trial_of
from calibaudit.repair.job import Job, NothingServesError
from calibaudit.repair.settings import FixSettings, Start
from calibaudit.training.prepare import Prepared, check_tunable
from calibaudit.training.results.run import TrainingRun
from calibaudit.training.retune import retune
from calibaudit.training.settings import TrainingSettings

FIRST = MOST
"""The factor that is tried first. None that was estimated beforehand did surely better in the study."""

TRIES = 3
"""Runs at most: each has half of the factor of the one before."""

_REJECTED = "rejected.json"
"""In the folder of a run that was not taken: what it showed, so that a resumed repair need not train it again."""


def try_smooth(job: Job) -> Attempt:
    """Tune with label smoothing: from base again, or on from INSTRUCT.

    Where no factor is given: FIRST, halved as long as less than .95 of what tuning added is kept. Raises ModelError
    where the model cannot be tuned so, NothingServesError where no factor of a pilot served.
    """
    start = check_smooth(job.ready, job.settings)
    advice = _piloted(job, start) if job.settings.pilot else None
    prior: Prior = "base" if job.settings.prior == "auto" else job.settings.prior
    if advice is not None:
        if advice.epsilon.value is None or advice.action != "smooth":
            raise NothingServesError(f"no factor of the pilot works: {advice.reason}", advice)
        factors, prior = [advice.epsilon.value], advice.prior if job.settings.prior == "auto" else prior
    elif job.settings.smoothing is not None:
        factors = [job.settings.smoothing]
    else:
        factors = [FIRST / 2**i for i in range(TRIES)]
    trials: list[Trial] = []
    begun = time.monotonic()
    for i, factor in enumerate(factors):
        setting = Setting("smooth", factor, prior, start)
        folder = job.workspace / f"smooth-{factor:g}"
        training = dataclasses.replace(job.settings.training, label_smoothing=factor, prior=prior)
        run = _trained(job, start, training, folder)
        if (known := _rejected(folder)) is not None:
            trials.append(known)
            continue
        side = job.on_advice(folder, f"smoothed, {factor:g},")
        retention = job.retention(side.fit)
        if not job.before.advice.scores:  # the factor was given: all items prove
            break
        verdict, repair = job.tried(side, retention)
        trials.append(trial_of(factor, retention, repair, verdict.faults))
        if "kept" not in verdict.faults or i == len(factors) - 1:
            break
        _reject(folder, trials[-1])
    seconds = time.monotonic() - begun
    return job.proven(Attempt(setting, folder, side, retention, seconds, tuple(trials), run, advice=advice))


def check_smooth(ready: Prepared, settings: FixSettings) -> Start:
    """What is to be tuned: base, but for signs that INSTRUCT holds more than the rows teach. Raises ModelError where
    that is not possible."""
    start: Start = "base" if settings.start == "auto" else settings.start
    if settings.start == "auto" and signs_of(ready.instruct) is not None:
        start = "instruct"
    check_tunable(ready, start, one_vocabulary=start == "base" or settings.prior != "uniform")
    return start


def _trained(job: Job, start: Start, training: TrainingSettings, folder: Path) -> TrainingRun:
    label = f"smoothed, {training.label_smoothing:g}"
    return retune(
        job.ready.base if start == "base" else job.ready.instruct,
        job.ready.tokenizer,
        job.ready.examples,
        folder,
        training,
        prior=job.ready.base,
        device=job.audited.options.device,
        dtype=job.before.info.dtype,
        resume=job.resume,
        progress=lambda *step: job.audited.listener.training(label, *step),
    )


def _piloted(job: Job, start: Start) -> Recommendation:
    options, listener = job.audited.options, job.audited.listener
    runs = pilot(
        job.ready.base if start == "base" else job.ready.instruct,
        job.ready.base,
        job.ready.tokenizer,
        job.ready.examples,
        job.audited.advice,
        job.settings.training,
        grid=job.settings.pilot,
        options=options,
        dtype=job.before.info.dtype,
        listener=PilotListener(training=listener.training, progress=listener.progress, notice=listener.notice),
    )
    bound = bound_files(job.ready.instruct)
    tuned = compare(job.before.advice.scores, job.before.advice.scores, job.audit).pooled.after
    return recommend_from_pilot(
        runs, settings=job.audit, head=bound if isinstance(bound, HeadBound) else None, tuned_gap=tuned.metrics["gap"]
    )


def _reject(folder: Path, trial: Trial) -> None:
    """Its weights go, what it showed stays for a resumed repair."""
    if rank() == 0:
        (folder / _REJECTED).write_text(json.dumps(trial.to_dict()), encoding="utf-8")
        for file in folder.glob("*.safetensors"):
            file.unlink()
    gathered([0])


def _rejected(folder: Path) -> Trial | None:
    path = folder / _REJECTED
    if not path.is_file():
        return None
    found = read_json(path, TrainingError)
    return Trial(**{**found, "rejected": tuple(found["rejected"])})
