"""Short tuning runs over a grid of smoothing factors and priors, each scored: what `recommend --pilot` is told by.

Every run has the same rows, seed and steps: they differ in factor and prior only. The runs and their checkpoints lie
in a folder that the caller gives, one at a time.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.checkpoints import Checkpoint, context_window, fetch, find_checkpoint
from calibaudit.errors import CalibauditError
from calibaudit.evaluating import Notice, Progress, RunOptions, evaluate
from calibaudit.heldout import without_seen
from calibaudit.items import Task
from calibaudit.loading import load_tokenizer
from calibaudit.parallel import gathered, rank
from calibaudit.recommending import PilotRun, Prior
from calibaudit.retuning import retune
from calibaudit.scores import Scores
from calibaudit.sftencoding import Example, encode_rows
from calibaudit.sftrows import read_rows
from calibaudit.training import TrainingSettings
from calibaudit.vocabularies import check_vocabularies

EPSILONS = (0.1, 0.3, 0.5, 0.7)
PRIORS: tuple[Prior, ...] = ("base", "uniform")


@dataclass(frozen=True)
class GridPoint:
    """A run of the pilot. label: for people."""

    epsilon: float
    prior: Prior

    @property
    def label(self) -> str:
        return "hard labels" if self.epsilon == 0 else f"{self.prior} {self.epsilon:g}"


def grid_of(epsilons: Sequence[float] = EPSILONS, priors: Sequence[Prior] = PRIORS) -> tuple[GridPoint, ...]:
    """Hard labels first, then every factor with every prior. Raises CalibauditError for a factor outside (0, 1]."""
    for epsilon in epsilons:
        if not 0 < epsilon <= 1:
            raise CalibauditError(f"pilot grid: factor {epsilon:g} is outside 0..1; the run with hard labels is added")
    if not epsilons or not priors:
        raise CalibauditError("pilot grid: no factor, or no prior, to try")
    points = [GridPoint(epsilon, prior) for epsilon in sorted(set(epsilons)) for prior in dict.fromkeys(priors)]
    return (GridPoint(0.0, "uniform"), *points)


@dataclass(frozen=True, eq=False)
class PilotPlan:
    """What is known before any weights are loaded. tokenizer: instruct's, whose chat template the data goes through.

    tasks: without the items whose question stands in the data. notices: what the user should read.
    """

    base: Checkpoint
    tokenizer: Any
    examples: tuple[Example, ...]
    tasks: tuple[Task, ...]
    notices: tuple[str, ...]


def plan_pilot(
    base: str,
    instruct: str,
    data: str,
    tasks: Sequence[Task],
    *,
    max_length: int = 4096,
    split: str = "train",
    revisions: tuple[str | None, str | None] = (None, None),
    offline: bool = False,
) -> PilotPlan:
    """Rows read and encoded, audited items kept apart from them.

    Raises CalibauditError where the checkpoints, their vocabularies or the data are unusable.
    """
    sides = [
        fetch(find_checkpoint(name, revision=revision, offline=offline))
        for name, revision in zip((base, instruct), revisions, strict=True)
    ]
    tokenizers = [load_tokenizer(side) for side in sides]
    check_vocabularies(sides[0], sides[1], *tokenizers)
    rows = read_rows(data, split=split, offline=offline)
    encoded = encode_rows(rows.rows, tokenizers[1], min(max_length, *map(context_window, sides)))
    kept, n_left_out = without_seen(tasks, rows.rows)
    notices = []
    if faults := (*rows.faults, *encoded.faults):
        more = "; ..." if len(faults) > 3 else ""
        shown = "; ".join(faults[:3])
        notices.append(f"{data}: {len(faults):,} of {rows.n_read:,} rows are left out: {shown}{more}")
    if encoded.n_truncated:
        notices.append(f"{data}: {encoded.n_truncated:,} rows are cut to the length that --max-length allows")
    if n_left_out:
        notices.append(f"{n_left_out:,} audited items are left out: their questions stand in {data}")
    return PilotPlan(sides[0], tokenizers[1], encoded.examples, kept, tuple(notices))


@dataclass(frozen=True)
class PilotListener:
    """Called while a pilot works. training: (label, step, steps, loss, tokens/s). progress: (label, items done, all).

    done: (run, runs finished, all) after each run.
    """

    training: Callable[[str, int, int, float, float], None] = lambda *_: None
    progress: Progress = lambda *_: None
    notice: Notice = lambda _: None
    done: Callable[[PilotRun, int, int], None] = lambda *_: None


def pilot(
    start: Checkpoint,
    prior: Checkpoint | None,
    tokenizer: Any,
    examples: Sequence[Example],
    tasks: Sequence[Task],
    folder: Path,
    training: TrainingSettings,
    *,
    grid: Sequence[GridPoint] | None = None,
    options: RunOptions | None = None,
    dtype: str = "float32",
    listener: PilotListener | None = None,
) -> tuple[PilotRun, ...]:
    """Tune `start` on the examples at every point of the grid, and score each result on the tasks.

    prior: the frozen model that runs with prior base smooth towards; None where the grid has none. tokenizer: with the
    chat template that the examples were made with; it is saved with each result, and so used in scoring too. folder:
    of the caller's, existing; every run's files are removed when it is scored. training: its label_smoothing and prior
    are filled in. dtype: the results' weights, as scored. Under torchrun every process calls it, with the same folder.
    Raises CalibauditError for a grid without hard labels or for an unusable run.
    """
    grid, options, listener = grid or grid_of(), options or RunOptions(), listener or PilotListener()
    if sum(point.epsilon == 0 for point in grid) != 1 or len(grid) < 2:
        raise CalibauditError("pilot grid: give the run with hard labels (factor 0) once, and others")
    if prior is None and any(point.prior == "base" and point.epsilon for point in grid):
        raise CalibauditError("pilot grid: runs with prior base need the model to smooth towards")
    # A result's name is its folder's, the same for all: cached items would be another run's.
    options = dataclasses.replace(options, cache_dir=None, revision=None)
    runs = []
    for i, point in enumerate(grid):
        out = folder / f"run-{i}"

        def trained(step: int, n_steps: int, loss: float, speed: float, label: str = point.label) -> None:
            listener.training(label, step, n_steps, loss, speed)

        run = retune(
            start,
            tokenizer,
            examples,
            out,
            dataclasses.replace(training, label_smoothing=point.epsilon, prior=point.prior),
            prior=prior,
            device=options.device,
            dtype=dtype,
            resume=False,
            progress=trained,
        )

        def scored(task: str, done: int, total: int, label: str = point.label) -> None:
            listener.progress(f"{label}: {task}", done, total)

        scores = evaluate(str(out), tasks, options, scored, listener.notice)
        gathered([0])  # no process removes what another still reads
        if rank() == 0:
            shutil.rmtree(out, ignore_errors=True)
        runs.append(
            PilotRun(
                point.epsilon,
                point.prior,
                tuple(_named(entry, f"{start.name} tuned, {point.label}") for entry in scores),
                loss=run.loss,
                n_steps=run.n_steps,
                seconds=run.seconds,
            )
        )
        listener.done(runs[-1], len(runs), len(grid))
    return tuple(runs)


def _named(scores: Scores, name: str) -> Scores:
    """Its folder is gone when it is read."""
    return dataclasses.replace(scores, model=dataclasses.replace(scores.model, name=name))
