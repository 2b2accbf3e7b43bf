"""One number divides all logits: fitted to right answers, or, without labels, to base where both models agree."""

from __future__ import annotations

import dataclasses
import time

from calibaudit.advice.aligned import aligned_temperature, alignment_caution
from calibaudit.models.distributed import gathered, rank
from calibaudit.repair.candidates import Attempt, Setting
from calibaudit.repair.job import Job
from calibaudit.repair.settings import Method
from calibaudit.repair.temperature import choose_temperature, same_first_choices, write_tempered
from calibaudit.scoring.evaluate import load


def try_temperature(job: Job) -> Attempt:
    """The temperature whose checkpoint has the least NLL on the half that chooses.

    Raises ModelError where the family has no place for it.
    """
    start = time.monotonic()
    options = dataclasses.replace(job.audited.options, revision=job.revision)
    model = load(job.ready.instruct.name, options, job.audited.listener.notice)
    found = choose_temperature(model, job.audited.advice, job.before.advice.scores, options)
    del model
    return _tempered(job, "temperature", found.temperature, start, (found.how,))


def try_aligned(job: Job) -> Attempt:
    """The temperature at which INSTRUCT is as sure as base where both choose the same. Needs no label.

    Raises ModelError where the family has no place for it.
    """
    start = time.monotonic()
    found = aligned_temperature(job.base.advice.matched, job.before.advice.matched, job.audit)
    return _tempered(job, "aligned", found.temperature, start, (alignment_caution(found),))


def _tempered(job: Job, method: Method, temperature: float, start: float, notes: tuple[str, ...]) -> Attempt:
    folder = job.empty(method)
    if rank() == 0:
        write_tempered(job.ready.instruct, temperature, folder)
    gathered([0])
    seconds = time.monotonic() - start
    side = job.on_advice(folder, f"{method} {temperature:.2f}")
    same = same_first_choices(job, folder)
    attempt = Attempt(Setting(method, temperature), folder, side, job.retention(side.fit, same), 0.0, notes=notes)
    return job.finished(attempt, (), seconds)
