"""`fix`: try repairs from cheap to dear, choose on one half of the items, and prove on the other whether it helped."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from calibaudit.advice.head_bound import HeadBound, bound_files
from calibaudit.advice.recommend import recommend
from calibaudit.advice.recommendation import Recommendation
from calibaudit.advice.tuning_signs import signs_of
from calibaudit.advice.words.repairs import more_than_sft
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings, checked_settings
from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import CHOICES, template_source
from calibaudit.errors import CalibauditError, ModelError, OutputError, TrainingError
from calibaudit.files.paths import user_path
from calibaudit.models.distributed import gathered, rank
from calibaudit.models.formats.digests import Digests
from calibaudit.repair.candidates import Attempt, Candidate, Judged, Repair, enough
from calibaudit.repair.choose import best_of
from calibaudit.repair.job import Job, NothingServesError, drop
from calibaudit.repair.proof import Proof
from calibaudit.repair.settings import CHEAP_TO_DEAR, FixSettings, Method, checked_fix_settings
from calibaudit.repair.sides import Audited, Listener
from calibaudit.repair.tries.merge import try_merge
from calibaudit.repair.tries.smooth import check_smooth, try_smooth
from calibaudit.repair.tries.temperature import try_aligned, try_temperature
from calibaudit.repair.verdict import RepairVerdict, Retention, judge
from calibaudit.repair.workspace import put_at, settle, workspace
from calibaudit.scoring.engines.address import refuse_served
from calibaudit.scoring.evaluate import RunOptions
from calibaudit.tasks.items import Task, task_list
from calibaudit.training.held_out import halves
from calibaudit.training.prepare import Prepared, prepare
from calibaudit.training.retune import check_folder, partial_folder, worth_resuming

_TRIES: Mapping[Method, Callable[[Job], Attempt]] = {
    "temperature": try_temperature,
    "aligned": try_aligned,
    "merge": try_merge,
    "smooth": try_smooth,
}


def fix(
    instruct: str | os.PathLike[str],
    base: str | os.PathLike[str],
    data: str | os.PathLike[str] | None,
    out: str | os.PathLike[str],
    tasks: Task | Sequence[Task],
    settings: FixSettings | None = None,
    *,
    revisions: tuple[str | None, str | None] = (None, None),
    options: RunOptions | None = None,
    audit: Settings | None = None,
    resume: bool = False,
    listener: Listener | None = None,
    describe: Callable[[Repair, Path], None] | None = None,
) -> Repair:
    """Repair INSTRUCT's calibration, save it to `out`, and audit base, INSTRUCT and the result on held-out items.

    instruct, base: checkpoints. data: tuning rows as `read_rows` takes them; None: what a repair keeps of the tuning is
    then not known, and nothing is trained. out: a folder that does not exist yet, or is empty. tasks: the audit's, one
    or several.
    settings: the method, and how a smoothed run tunes. options: how checkpoints are loaded, run and cached. audit:
    bins, level and seed of the findings. listener: called as the work goes on.
    revisions: of base and instruct on the hub. resume: go on from what an interrupted run left. Under torchrun every
    process calls it. describe: called by the first with the repair and its folder, before that is put at `out` whole.
    Raises CalibauditError where the models, the data or the folder are unusable; nothing is saved then.
    """
    settings, options = checked_fix_settings(settings), options or RunOptions()
    audit = checked_settings(audit, "audit")
    listener = listener or Listener()
    instruct, base, data = os.fspath(instruct), os.fspath(base), None if data is None else os.fspath(data)
    out, tasks = user_path(out, OutputError), task_list(tasks)
    refuse_served((base, instruct), "a repair changes and compares them")
    if data is None and settings.method == "smooth":
        raise CalibauditError("--method smooth tunes: name the tuning rows with --data")
    settle(out)
    check_folder(out, resume=resume)
    if resume and settings.method not in ("auto", "smooth") and worth_resuming(out):
        raise CalibauditError(
            f"--method {settings.method}: {partial_folder(out)} holds an interrupted training run; go on with its own "
            "method, or remove it"
        )
    ready = prepare(
        base, instruct, data, tasks,
        max_length=settings.max_length,
        split=settings.split,
        columns=settings.columns,
        revisions=revisions,
        offline=options.offline,
        start=None,
        chat=options.chat.for_rows(),
        digests=Digests(options.cache, options.verify),
    )  # fmt: skip
    if settings.method == "smooth":  # of the others this is seen when they are tried
        check_smooth(ready, settings)
    gathered([0])  # every process has looked at OUT.partial before the first makes it
    for text in [] if ready.data is None else ready.data.notices():
        listener.notice(text)
    advice_tasks, proof_tasks = halves(ready.tasks, audit.seed) if settings.smoothing is None else ((), ready.tasks)
    with workspace(out, resume=resume) as folder:
        audited = Audited(advice_tasks, proof_tasks, ready.examples, options, listener)
        within, of_base = _within(ready, options.chat, folder)
        job = Job(
            ready, audited,
            audited.score(base, revision=revisions[0], inside=of_base, inside_advises=within is None),
            audited.score(instruct, revision=revisions[1], inside=within),
            settings, audit, folder, within, revisions[1], resume,
        )  # fmt: skip
        repair, chosen = _repaired(job)
        if chosen is None:
            return repair
        assert repair.proof is not None
        repair = dataclasses.replace(repair, proof=repair.proof.of(str(out)))
        if describe is not None and rank() == 0:
            describe(repair, chosen.folder)
        put_at(chosen.folder, out)
    return repair


def _repaired(job: Job) -> tuple[Repair, Attempt | None]:
    """The repair, and the attempt that was chosen; its checkpoint still lies in the workspace."""
    advice = _advice(job) if job.audited.advice else None
    none = Repair(
        base=job.base.info,
        instruct=job.before.info,
        settings=job.settings,
        data=job.ready.data,
        advice=advice,
        n_advice_items=sum(part.n_items for part in job.before.advice.scores),
        candidates=(),
        training=None,
        retention=None,
        proof=None,
        verdict=RepairVerdict("not_needed", job.settings.accuracy_margin),
    )
    if advice is not None and advice.action == "none_needed":
        return none, None
    try:
        tried, candidates = _tried(job)
    except NothingServesError as error:
        tried, candidates = [], [_impossible("smooth", error)]
        none = dataclasses.replace(none, advice=error.advice)
    if not tried:
        verdict = RepairVerdict("nothing_known", job.settings.accuracy_margin)
        return dataclasses.replace(none, candidates=tuple(candidates), verdict=verdict), None
    index = best_of(tried, job.audit)
    candidate, chosen = tried[index]
    assert candidate.verdict is not None
    return dataclasses.replace(
        none,
        candidates=tuple(dataclasses.replace(one, chosen=one is candidate) for one in candidates),
        training=chosen.training,
        advice=chosen.advice or advice,
        retention=chosen.retention,
        proof=_proof(job, chosen.judged),
        verdict=candidate.verdict,
        notes=(*chosen.notes, *_signs(job, chosen)),
    ), chosen


def _signs(job: Job, chosen: Attempt) -> tuple[str, ...]:
    """What to know of a repair that may lose preference tuning, where there are signs of some."""
    sign = signs_of(job.ready.instruct)
    if sign is None or chosen.setting.method in ("temperature", "aligned"):
        return ()
    return (more_than_sft(sign),)


def _advice(job: Job) -> Recommendation:
    """From the half that proves nothing, base and INSTRUCT within one template."""
    before, after = job.base.advice.matched, job.before.advice.matched
    bound = bound_files(job.ready.instruct)
    head = bound if isinstance(bound, HeadBound) else None
    sign = signs_of(job.ready.instruct)
    return recommend(before, after, compare(before, after, job.audit), head=head, sign=sign)


def _tried(job: Job) -> tuple[list[tuple[Candidate, Attempt]], list[Candidate]]:
    """The repairs that could be made, with what they gave; and all, in order, those that could not among them."""
    methods = CHEAP_TO_DEAR if job.settings.method == "auto" else (job.settings.method,)
    one_checkpoint = job.ready.base.revision == job.ready.instruct.revision
    tried: list[tuple[Candidate, Attempt]] = []
    candidates: list[Candidate] = []
    for method in methods:
        try:
            if job.ready.data is None and method != "temperature" and job.settings.method == "auto":
                raise ModelError("what it keeps of the tuning can only be seen on the tuning rows (--data)")
            if one_checkpoint and method != "temperature" and job.settings.method == "auto":
                raise ModelError("base and INSTRUCT are one checkpoint: nothing was tuned between them")
            attempt = _judged(job, _TRIES[method](job))
        except (ModelError, TrainingError) as error:  # what was made before is not lost
            if job.settings.method != "auto" or (isinstance(error, TrainingError) and not tried):
                raise
            candidates.append(_impossible(method, error))
            continue
        candidate = _candidate(job, attempt)
        tried.append((candidate, attempt))
        candidates.append(candidate)
        if candidate.enough:
            break
        if any(_passed(one) for one, _ in tried):
            for one, other in tried:
                if not _passed(one):  # it will not be taken, so it need not take up the disk
                    drop(other)
    return tried, candidates


def _impossible(method: Method, error: CalibauditError) -> Candidate:
    return Candidate(method, None, None, False, None, Retention(), 0.0, impossible=str(error))


def _passed(candidate: Candidate) -> bool:
    return candidate.verdict is not None and candidate.verdict.passed


def _candidate(job: Job, attempt: Attempt) -> Candidate:
    judged = attempt.judged
    assert judged is not None
    n_tried = len(CHEAP_TO_DEAR) if job.settings.method == "auto" else 1
    verdict = judge(judged.repair, attempt.retention, job.settings.accuracy_margin, judged.inside, n_tried)
    return Candidate(
        method=attempt.setting.method,
        setting=attempt.setting,
        verdict=verdict,
        enough=enough(verdict, judged.left),
        proven=judged.repair.pooled,
        retention=attempt.retention,
        seconds=attempt.seconds,
        trials=attempt.trials,
    )


def _judged(job: Job, attempt: Attempt) -> Attempt:
    base, before, after = job.base.proof, job.before.proof, attempt.side.proof
    inside = compare(before.inside, after.inside, job.audit) if before.inside else None
    repair, left = (compare(side.scores, after.scores, job.audit) for side in (before, base))
    return dataclasses.replace(attempt, judged=Judged(repair, left, inside))


def _proof(job: Job, judged: Judged | None) -> Proof:
    assert judged is not None
    base, before = job.base.proof, job.before.proof
    tuning = compare(base.scores, before.scores, job.audit)
    matched = compare(base.inside, before.matched, job.audit) if base.inside else None
    return Proof(tuning, judged.repair, judged.left, matched, judged.inside)


def _within(ready: Prepared, chat: ChatSettings, folder: Path) -> tuple[ChatSettings | None, ChatSettings | None]:
    """(INSTRUCT's chat template where the audit stands outside it, the same for base, which may have none)."""
    inside = chat.for_rows()
    if inside.template not in CHOICES:  # both are audited in it
        return None, None
    source = template_source(ready.tokenizer, inside.template)
    if source is None:
        return None, None
    within = inside if chat.template == "off" else None
    if template_source(ready.base_tokenizer, inside.template) == source:
        return within, within
    if not _reads_alike(ready, source):
        return within, None
    path = folder / "template.jinja"
    path.write_text(source, encoding="utf-8")
    return within, dataclasses.replace(inside, template=str(path))


def _reads_alike(ready: Prepared, source: str) -> bool:
    """Whether base's tokenizer knows the template's marks as INSTRUCT's does."""
    ids = [tokenizer.encode(source, add_special_tokens=False) for tokenizer in (ready.base_tokenizer, ready.tokenizer)]
    return bool(ids[0] == ids[1])
