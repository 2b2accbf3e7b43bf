"""One number divides all logits: fitted to right answers, or, without labels, to base where both models agree."""

from __future__ import annotations

import dataclasses
import time

from calibaudit.advice.aligned import aligned_caution, aligned_temperature
from calibaudit.errors import ModelError
from calibaudit.models.devices import free_memory
from calibaudit.models.distributed import gathered, rank
from calibaudit.models.model import Model
from calibaudit.repair.candidates import Attempt, Setting
from calibaudit.repair.job import Job
from calibaudit.repair.settings import Method
from calibaudit.repair.tempering.greedy import contexts_of, counted_same, greedy_tokens
from calibaudit.repair.tempering.temperature import choose_aligned, choose_temperature
from calibaudit.repair.tempering.tempered import Placement, place_temperature, write_tempered
from calibaudit.scoring.evaluate import load

N_CONTEXTS = 512
"""Prompts, at even distances, whose first choices are compared before and after."""

_AT_BOUND = "the temperature is an end of the search range, not an optimum within it"


def try_temperature(job: Job) -> Attempt:
    """The temperature whose checkpoint has the least NLL on the half that chooses.

    Raises ModelError where the family has no place for it.
    """
    return _tempered(job, "temperature")


def try_aligned(job: Job) -> Attempt:
    """The temperature whose checkpoint is as sure as base where both choose the same: no label is needed.

    Raises ModelError where the family has no place for it, ScoresError where the two agree on nothing.
    """
    return _tempered(job, "aligned")


def _tempered(job: Job, method: Method) -> Attempt:
    start = time.monotonic()
    audited, before = job.audited, job.before.advice.scores
    options = dataclasses.replace(audited.options, revision=job.revision)
    model = load(job.ready.instruct.name, options, audited.listener.notice)
    placement = _place(job, model)
    if method == "temperature":
        found = choose_temperature(model, audited.advice, before, placement, options)
        notes = [found.how]
    else:
        base = job.base.advice.scores if job.before.advice.inside else job.base.advice.matched  # of the same prompts
        found = choose_aligned(model, audited.advice, base, before, placement, options)
        agreed = aligned_temperature(base, before, job.audit)
        notes = [found.how, aligned_caution(dataclasses.replace(agreed, temperature=found.temperature))]
    if found.at_bound:
        notes.append(_AT_BOUND)
    contexts = contexts_of(model, [*audited.advice, *audited.proof], options)
    contexts = contexts[:: -(-len(contexts) // N_CONTEXTS)]
    was = greedy_tokens(model, contexts, options.batch_size)
    now: list[tuple[int, ...]] = []
    del model
    free_memory()
    folder = job.empty(method)
    if rank() == 0:
        write_tempered(job.ready.instruct, found.temperature, folder, placement)
    gathered([0])
    seconds = time.monotonic() - start

    def look(after: Model) -> None:
        now.append(greedy_tokens(after, contexts, options.batch_size))

    side = job.on_both(folder, f"{method} {found.temperature:.2f}", look)
    retention = job.retention(side.fit, counted_same(was, now[0]))
    return Attempt(Setting(method, found.temperature), folder, side, retention, seconds, notes=tuple(notes))


def _place(job: Job, model: Model) -> Placement:
    found = place_temperature(model.network, job.ready.instruct)
    if isinstance(found, str):
        raise ModelError(f"{job.ready.instruct.name}: a temperature has no exact place in its weights: {found}")
    return found
