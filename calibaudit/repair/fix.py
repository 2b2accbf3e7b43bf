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

from calibaudit.advice.head_bound import HeadBound, bound_files
from calibaudit.advice.pilot import GridPoint, PilotListener, pilot
from calibaudit.advice.recommend import recommend, recommend_from_pilot
from calibaudit.advice.recommendation import Recommendation
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError
from calibaudit.models.devices import free_memory
from calibaudit.repair.proof import ACCURACY_MARGIN, Outcome, Proof, RepairVerdict, check_accuracy_margin, judge, prove
from calibaudit.scores.scores import ModelInfo, Scores
from calibaudit.scoring.evaluate import Notice, Progress, RunOptions, evaluate_model, load
from calibaudit.tasks.items import Task
from calibaudit.training.data.encode import Example
from calibaudit.training.fit import Fit, fit_of
from calibaudit.training.held_out import halves
from calibaudit.training.prepare import Prepared, SftSummary, prepare
from calibaudit.training.retune import check_folder, retune
from calibaudit.training.settings import TrainingSettings
from calibaudit.training.train import TrainingRun

Start = Literal["base", "instruct"]
PriorChoice = Literal["auto", "uniform", "base"]


@dataclass(frozen=True)
class FixSettings:
    """start: tune base again, or go on from instruct. smoothing: the factor in [0, 1], None for the recommended one.

    prior: what to smooth towards; auto: as recommended, and base where the factor is given. training: the rest of the
    run; its label_smoothing and prior are filled in. max_length: tokens of a row. split: of a data set with several.
    columns: a column of the data -> the key that it is read as. pilot: try these factors first, each as long as the run
    itself; without smoothing only.
    """

    start: Start = "base"
    smoothing: float | None = None
    prior: PriorChoice = "auto"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(label_smoothing=0.0, prior="uniform"))
    max_length: int = 4096
    split: str = "train"
    columns: Mapping[str, str] = field(default_factory=dict)
    accuracy_margin: float = ACCURACY_MARGIN
    pilot: tuple[GridPoint, ...] = ()

    def __post_init__(self) -> None:
        if self.smoothing is not None and not 0 <= self.smoothing <= 1:
            raise CalibauditError(f"--smoothing {self.smoothing:g}: give a factor between 0 and 1, or auto")
        if self.max_length < 8:
            raise CalibauditError(f"--max-length {self.max_length}: give 8 tokens or more")
        if self.pilot and self.smoothing is not None:
            raise CalibauditError(f"--pilot chooses the factor: leave out --smoothing {self.smoothing:g}")
        check_accuracy_margin(self.accuracy_margin)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class Repair:
    """What `fix` did. advice: None where the factor was given; from other items than the proof.

    training, fits, proof: None where nothing was trained. fits: of `base`, `before` and `after` to the tuning data;
    None also where base lacks some of its tokens.
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
class _Side:
    """A checkpoint's scores on the two parts of the items. fit: to the tuning data, if it knows all the tokens."""

    info: ModelInfo
    advice: list[Scores]
    proof: list[Scores]
    fit: Fit | None


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
    revisions: tuple[str | None, str | None] = (None, None),
    options: RunOptions | None = None,
    audit: Settings | None = None,
    resume: bool = False,
    listener: Listener | None = None,
) -> Repair:
    """Tune on `data` with label smoothing, save to `out`, and audit base, instruct and the result on held-out items.

    instruct, base: checkpoints. data: rows as `read_rows` takes them. out: a folder that does not exist yet, or is
    empty. tasks: the audit's. revisions: of base and instruct on the hub. resume: go on from what an interrupted run
    left. Under torchrun every process calls it.
    Raises CalibauditError where the models, the data or the folder are unusable; nothing is trained then.
    """
    settings, options, audit = settings or FixSettings(), options or RunOptions(), audit or Settings()
    listener = listener or Listener()
    check_folder(out, resume=resume)
    ready = prepare(
        base, instruct, data, tasks,
        max_length=settings.max_length,
        split=settings.split,
        columns=settings.columns,
        revisions=revisions,
        offline=options.offline,
        start=settings.start,
        one_vocabulary=settings.start == "base" or settings.prior != "uniform",
        chat=options.chat.for_rows(),
    )  # fmt: skip
    for text in ready.data.notices():
        listener.notice(text)
    parts = halves(ready.tasks, audit.seed) if settings.smoothing is None else ((), ready.tasks)
    started, before = (
        _score(name, *parts, ready.examples, dataclasses.replace(options, revision=revision), listener)
        for name, revision in zip((base, instruct), revisions, strict=True)
    )
    advice = None
    if settings.smoothing is None:
        advice = _advise(ready, parts[0], started, before, settings, options, audit, listener)
    settings = dataclasses.replace(settings, training=_chosen(settings, advice))
    made = functools.partial(
        Repair,
        base=started.info,
        instruct=before.info,
        settings=settings,
        data=ready.data,
        advice=advice,
        n_advice_items=sum(part.n_items for part in before.advice),
    )
    if advice is not None and advice.action != "smooth":
        outcome: Outcome = "not_needed" if advice.action == "none_needed" else "no_factor"
        verdict = RepairVerdict(outcome, settings.accuracy_margin)
        return made(training=None, fits=None, proof=None, verdict=verdict)
    run = retune(
        ready.base if settings.start == "base" else ready.instruct,
        ready.tokenizer,
        ready.examples,
        out,
        settings.training,
        prior=ready.base,
        device=options.device,
        dtype=before.info.dtype,
        resume=resume,
        progress=listener.training,
    )
    after = _score(str(out), (), parts[1], ready.examples, options, listener)
    proof = prove(started.proof, before.proof, after.proof, audit)
    fits = {name: side.fit for name, side in (("base", started), ("before", before), ("after", after)) if side.fit}
    return made(
        training=run,
        fits=fits if len(fits) == 3 else None,
        proof=proof,
        verdict=judge(proof.repair, settings.accuracy_margin),
    )


def _score(
    name: str,
    advice_tasks: Sequence[Task],
    proof_tasks: Sequence[Task],
    examples: Sequence[Example],
    options: RunOptions,
    listener: Listener,
) -> _Side:
    model = load(name, options, listener.notice)

    def progress(label: str, done: int, total: int) -> None:
        listener.progress(f"{name} {label}", done, total)

    scores = evaluate_model(model, [*advice_tasks, *proof_tasks], options, progress, listener.notice)
    n = len(advice_tasks)
    n_rows = model.network.get_input_embeddings().weight.shape[0]
    speaks = max(max(example.input_ids) for example in examples) < n_rows
    side = _Side(model.info, scores[:n], scores[n:], fit_of(model, examples) if speaks else None)
    del model
    free_memory()
    return side


def _advise(
    ready: Prepared,
    tasks: Sequence[Task],
    started: _Side,
    before: _Side,
    settings: FixSettings,
    options: RunOptions,
    audit: Settings,
    listener: Listener,
) -> Recommendation:
    """From the items that prove nothing: by mixing the two models' probabilities, or by a pilot."""
    comparison = compare(started.advice, before.advice, audit)
    bound = bound_files(ready.instruct)
    head = bound if isinstance(bound, HeadBound) else None
    if not settings.pilot:
        return recommend(started.advice, before.advice, comparison, head=head)
    runs = pilot(
        ready.base if settings.start == "base" else ready.instruct,
        ready.base,
        ready.tokenizer,
        ready.examples,
        tasks,
        settings.training,
        grid=settings.pilot,
        options=options,
        dtype=before.info.dtype,
        listener=PilotListener(
            training=lambda _label, *step: listener.training(*step),
            progress=listener.progress,
            notice=listener.notice,
        ),
    )
    tuned_gap = comparison.pooled.after.metrics["gap"]
    return recommend_from_pilot(runs, settings=audit, head=head, tuned_gap=tuned_gap)


def _chosen(settings: FixSettings, advice: Recommendation | None) -> TrainingSettings:
    """The training's settings with factor and prior filled in: as given, else as recommended."""
    factor, prior = settings.smoothing, settings.prior
    if factor is None:
        assert advice is not None
        assert advice.epsilon.value is not None
        factor = advice.epsilon.value
        prior = advice.prior if prior == "auto" else prior
    return dataclasses.replace(settings.training, label_smoothing=factor, prior="base" if prior == "auto" else prior)
