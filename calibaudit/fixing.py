"""`fix`: tune again with label smoothing, and prove on held-out items whether it helped.

The factor, where it is not given, is chosen on one half of the audited items and the repair proven on the other half.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from calibaudit.checkpoints import Checkpoint, context_window, fetch, find_checkpoint
from calibaudit.comparing import compare
from calibaudit.errors import CalibauditError
from calibaudit.evaluating import Notice, Progress, RunOptions, evaluate_model, free_memory, load
from calibaudit.heldout import halves, without_seen
from calibaudit.items import Task
from calibaudit.loading import load_tokenizer
from calibaudit.proving import ACCURACY_MARGIN, Proof, RepairVerdict, check_accuracy_margin, judge, prove
from calibaudit.recommending import Recommendation, recommend
from calibaudit.retuning import check_folder, retune
from calibaudit.sampling import Settings
from calibaudit.scores import ModelInfo, Scores
from calibaudit.sftencoding import Example, encode_rows
from calibaudit.sftfit import Fit, fit_of
from calibaudit.sftrows import read_rows
from calibaudit.training import TrainingRun, TrainingSettings
from calibaudit.vocabularies import check_vocabularies

Start = Literal["base", "instruct"]
PriorChoice = Literal["auto", "uniform", "base"]

N_FAULTS = 20
"""Unusable rows that a result names; it counts them all."""


@dataclass(frozen=True)
class FixSettings:
    """start: tune base again, or go on from instruct. smoothing: the factor in [0, 1], None for the recommended one.

    prior: what to smooth towards; auto: as recommended, and base where the factor is given. training: the rest of the
    run; its label_smoothing and prior are filled in. max_length: tokens of a row. split: of a data set with several.
    """

    start: Start = "base"
    smoothing: float | None = None
    prior: PriorChoice = "auto"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(label_smoothing=0.0, prior="uniform"))
    max_length: int = 4096
    split: str = "train"
    accuracy_margin: float = ACCURACY_MARGIN

    def __post_init__(self) -> None:
        if self.smoothing is not None and not 0 <= self.smoothing <= 1:
            raise CalibauditError(f"--smoothing {self.smoothing:g}: give a factor between 0 and 1, or auto")
        if self.max_length < 8:
            raise CalibauditError(f"--max-length {self.max_length}: give 8 tokens or more")
        check_accuracy_margin(self.accuracy_margin)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class SftSummary:
    """What became of the tuning data. n_faulty: rows that could not be used, the first of them in faults.

    n_items_left_out: audited items whose question stands in the data, and which therefore prove nothing.
    """

    source: str
    n_rows: int
    n_examples: int
    n_faulty: int
    n_truncated: int
    n_target_tokens: int
    n_items_left_out: int
    faults: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Repair:
    """What `fix` did. advice: None where the factor was given; from other items than the proof.

    training, fits, proof: None where nothing was trained. fits: of `base`, `before` and `after` to the tuning data.
    """

    base: ModelInfo
    instruct: ModelInfo
    settings: FixSettings
    data: SftSummary
    advice: Recommendation | None
    n_advice_items: int
    training: TrainingRun | None
    fits: Mapping[str, Fit] | None
    proof: Proof | None
    verdict: RepairVerdict


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is known before any weights are loaded."""

    base: Checkpoint
    instruct: Checkpoint
    tokenizer: Any
    examples: tuple[Example, ...]
    data: SftSummary
    advice_tasks: tuple[Task, ...]
    proof_tasks: tuple[Task, ...]


@dataclass(frozen=True, eq=False)
class _Side:
    """A checkpoint's scores on the two parts of the items, and its fit to the tuning data."""

    info: ModelInfo
    advice: list[Scores]
    proof: list[Scores]
    fit: Fit


@dataclass(frozen=True)
class Listener:
    """Called while `fix` works. progress: (label, items done, all). training: (step, steps, loss, tokens/s)."""

    progress: Progress = lambda *_: None
    training: Callable[[int, int, float, float], None] = lambda *_: None
    notice: Notice = lambda _: None


def fix(
    instruct: str,
    base: str,
    data: str,
    out: Path,
    tasks: Sequence[Task],
    settings: FixSettings | None = None,
    *,
    options: RunOptions | None = None,
    audit: Settings | None = None,
    resume: bool = False,
    listener: Listener | None = None,
) -> Repair:
    """Tune on `data` with label smoothing, save to `out`, and audit base, instruct and the result on held-out items.

    instruct, base: checkpoints. data: rows as `read_rows` takes them. out: a folder that does not exist yet, or is
    empty. tasks: the audit's. resume: go on from what an interrupted run left. Under torchrun every process calls it.
    Raises CalibauditError where the models, the data or the folder are unusable; nothing is trained then.
    """
    settings, options, audit = settings or FixSettings(), options or RunOptions(), audit or Settings()
    listener = listener or Listener()
    check_folder(out, resume=resume)
    plan = _plan(instruct, base, data, tasks, settings, options, audit)
    _tell(plan, listener.notice)
    started = _score(base, plan, options, listener)
    before = _score(instruct, plan, options, listener)
    advice = None
    if settings.smoothing is None:
        advice = recommend(started.advice, before.advice, compare(started.advice, before.advice, audit))
    settings = dataclasses.replace(settings, training=_chosen(settings, advice))
    made = functools.partial(
        Repair,
        base=started.info,
        instruct=before.info,
        settings=settings,
        data=plan.data,
        advice=advice,
        n_advice_items=sum(part.n_items for part in before.advice),
    )
    if advice is not None and advice.epsilon.value == 0:
        verdict = RepairVerdict("not_needed", settings.accuracy_margin)
        return made(training=None, fits=None, proof=None, verdict=verdict)
    run = retune(
        plan.base if settings.start == "base" else plan.instruct,
        plan.tokenizer,
        plan.examples,
        out,
        settings.training,
        prior=plan.base,
        device=options.device,
        dtype=before.info.dtype,
        resume=resume,
        progress=listener.training,
    )
    after = _score(str(out), plan, options, listener, proof_only=True)
    proof = prove(started.proof, before.proof, after.proof, audit)
    fits = {"base": started.fit, "before": before.fit, "after": after.fit}
    return made(training=run, fits=fits, proof=proof, verdict=judge(proof.repair, settings.accuracy_margin))


def _plan(
    instruct: str,
    base: str,
    data: str,
    tasks: Sequence[Task],
    settings: FixSettings,
    options: RunOptions,
    audit: Settings,
) -> _Plan:
    found = [fetch(find_checkpoint(name, offline=options.offline)) for name in (base, instruct)]
    tokenizers = [load_tokenizer(side) for side in found]
    if settings.start == "base" or settings.prior != "uniform":
        check_vocabularies(found[0], found[1], *tokenizers)
    rows = read_rows(data, split=settings.split, offline=options.offline)
    encoded = encode_rows(rows.rows, tokenizers[1], min(settings.max_length, *map(context_window, found)))
    kept, n_left_out = without_seen(tasks, rows.rows)
    faults = (*rows.faults, *encoded.faults)
    summary = SftSummary(
        source=data,
        n_rows=rows.n_read,
        n_examples=len(encoded.examples),
        n_faulty=len(faults),
        n_truncated=encoded.n_truncated,
        n_target_tokens=sum(label >= 0 for example in encoded.examples for label in example.labels),
        n_items_left_out=n_left_out,
        faults=faults[:N_FAULTS],
    )
    parts = halves(kept, audit.seed) if settings.smoothing is None else ((), tuple(kept))
    return _Plan(found[0], found[1], tokenizers[1], encoded.examples, summary, *parts)


def _tell(plan: _Plan, notice: Notice) -> None:
    data = plan.data
    if data.n_faulty:
        shown = "; ".join(data.faults[:3])
        notice(f"{data.source}: {data.n_faulty:,} of {data.n_rows:,} rows are left out: {shown}"
               + ("; ..." if data.n_faulty > 3 else ""))  # fmt: skip
    if data.n_truncated:
        notice(f"{data.source}: {data.n_truncated:,} rows are cut to the length that --max-length allows")
    if data.n_items_left_out:
        notice(
            f"{data.n_items_left_out:,} audited items are left out: their questions stand in {data.source}, so they "
            "would prove nothing"
        )


def _score(name: str, plan: _Plan, options: RunOptions, listener: Listener, *, proof_only: bool = False) -> _Side:
    model = load(name, options, listener.notice)
    advice_tasks = () if proof_only else plan.advice_tasks

    def progress(label: str, done: int, total: int) -> None:
        listener.progress(f"{name} {label}", done, total)

    scores = evaluate_model(model, [*advice_tasks, *plan.proof_tasks], options, progress, listener.notice)
    n_advice = len(scores) - len(plan.proof_tasks)
    side = _Side(model.info, scores[:n_advice], scores[n_advice:], fit_of(model, plan.examples))
    del model
    free_memory()
    return side


def _chosen(settings: FixSettings, advice: Recommendation | None) -> TrainingSettings:
    """The training's settings with factor and prior filled in: as given, else as recommended."""
    factor, prior = settings.smoothing, settings.prior
    if factor is None:
        assert advice is not None
        assert advice.epsilon.value is not None
        factor = advice.epsilon.value
        prior = advice.prior if prior == "auto" else prior
    return dataclasses.replace(settings.training, label_smoothing=factor, prior="base" if prior == "auto" else prior)
