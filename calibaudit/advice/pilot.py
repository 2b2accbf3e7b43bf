"""Short tuning runs over a grid of smoothing factors and priors, each scored: what `recommend --pilot` is told by.

Every run has the same rows, seed and steps: they differ in factor and prior only.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.advice.recommendation import GridPoint, PilotRun, Prior
from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.files.read import read_json
from calibaudit.models.checkpoints import Checkpoint
from calibaudit.models.devices import free_memory
from calibaudit.models.distributed import gathered, rank
from calibaudit.scores.saved import read_scores
from calibaudit.scores.scores import SCHEMA_VERSION
from calibaudit.scoring.evaluate import Notice, Progress, RunOptions, evaluate_model, load
from calibaudit.tasks.items import Task
from calibaudit.training.data.encode import Example
from calibaudit.training.fit import fit_of
from calibaudit.training.resume import deciding
from calibaudit.training.retune import retune
from calibaudit.training.settings import TrainingSettings

logger = logging.getLogger(__name__)

EPSILONS = (0.1, 0.3, 0.5, 0.7)
PRIORS: tuple[Prior, ...] = ("base", "uniform")


def grid_of(epsilons: Sequence[float] = EPSILONS, priors: Sequence[Prior] = PRIORS) -> tuple[GridPoint, ...]:
    """Hard labels first, then every factor with every prior. Raises CalibauditError for a factor outside (0, 1]."""
    for epsilon in epsilons:
        if not 0 < epsilon <= 1:
            raise CalibauditError(f"pilot grid: factor {epsilon:g} is outside 0..1; the run with hard labels is added")
    if not epsilons or not priors:
        raise CalibauditError("pilot grid: no factor, or no prior, to try")
    points = [GridPoint(epsilon, prior) for epsilon in sorted(set(epsilons)) for prior in dict.fromkeys(priors)]
    return (GridPoint(0.0, "uniform"), *points)


def read_grid(text: str, priors: Sequence[Prior] = PRIORS) -> tuple[GridPoint, ...]:
    """`0.1,0.3` as a grid. Raises CalibauditError."""
    try:
        return grid_of([float(part) for part in text.split(",")], priors)
    except ValueError:
        raise CalibauditError(f"--grid {text}: give factors between 0 and 1, separated by commas") from None


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
    training: TrainingSettings,
    *,
    grid: Sequence[GridPoint] | None = None,
    options: RunOptions | None = None,
    dtype: str = "float32",
    listener: PilotListener | None = None,
) -> tuple[PilotRun, ...]:
    """Tune `start` on the examples at every point of the grid, and score each result on the tasks.

    prior: the frozen model that runs with prior base smooth towards, and that knows the rows where training.where is
    known; None where the grid has none. tokenizer: with the
    chat template that the examples were made with; it is saved with each result, and so used in scoring too. training:
    its label_smoothing and prior are filled in. dtype: the results' weights, as scored. Under options.cache_dir every
    finished run's scores are kept, so that an interrupted pilot goes on with the next run; weights are not.
    Under torchrun every process calls it. Raises CalibauditError for a grid without hard labels or for an unusable run.
    """
    grid, options, listener = grid or grid_of(), options or RunOptions(), listener or PilotListener()
    if sum(point.epsilon == 0 for point in grid) != 1 or len(grid) < 2:
        raise CalibauditError("pilot grid: give the run with hard labels (factor 0) once, and others")
    if prior is None and any(point.prior == "base" and point.epsilon for point in grid):
        raise CalibauditError("pilot grid: runs with prior base need the model to smooth towards")
    runs = []
    for point in grid:
        settings = dataclasses.replace(training, label_smoothing=point.epsilon, prior=point.prior)
        anchor = prior if point.epsilon and (point.prior == "base" or training.where == "known") else None
        kept = _kept_file(options, [start, anchor], examples, tasks, settings, dtype)
        run = gathered([_kept(kept, point) if rank() == 0 else None])[0]  # all processes do as the first
        if run is None:
            run = _run(start, anchor, tokenizer, examples, tasks, point, settings, options, dtype, listener)
            _keep(kept, run)
        runs.append(run)
        listener.done(run, len(runs), len(grid))
    return tuple(runs)


def _run(
    start: Checkpoint,
    prior: Checkpoint | None,
    tokenizer: Any,
    examples: Sequence[Example],
    tasks: Sequence[Task],
    point: GridPoint,
    settings: TrainingSettings,
    options: RunOptions,
    dtype: str,
    listener: PilotListener,
) -> PilotRun:
    """One run, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="calibaudit-pilot-") as own:
        out = Path(next(name for name in gathered([own if rank() == 0 else None]) if name is not None)) / "run"
        run = retune(
            start, tokenizer, examples, out, settings,
            prior=prior, device=options.device, dtype=dtype, resume=False,
            progress=functools.partial(listener.training, point.label),
        )  # fmt: skip
        # Its name is its folder's: cached items could be another run's.
        plain = dataclasses.replace(options, cache_dir=None, revision=None)
        model = load(str(out), plain, listener.notice)
        scores = evaluate_model(
            model, tasks, plain,
            lambda task, done, total: listener.progress(f"{point.label}: {task}", done, total), listener.notice,
        )  # fmt: skip
        learned = fit_of(model, examples).top1
        del model
        free_memory()
        gathered([0])  # no process removes what another still reads
    name = f"{start.name} tuned, {point.label}"
    named = tuple(dataclasses.replace(part, model=dataclasses.replace(part.model, name=name)) for part in scores)
    return PilotRun(
        point.epsilon, point.prior, named,
        loss=run.loss, n_steps=run.n_steps, seconds=run.seconds, learned=learned,
    )  # fmt: skip


def _kept_file(
    options: RunOptions,
    models: Sequence[Checkpoint | None],
    examples: Sequence[Example],
    tasks: Sequence[Task],
    settings: TrainingSettings,
    dtype: str,
) -> Path | None:
    """Named for all that a run's scores depend on; None where nothing is kept."""
    if options.cache is None:
        return None
    parts = [
        *(None if model is None else model.revision for model in models),
        [task.fingerprint for task in tasks],
        deciding(settings),
        [dtype, options.device, dataclasses.asdict(options.chat)],
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for example in examples:
        digest.update(repr((example.input_ids, example.labels)).encode())
    return options.cache / "pilots" / f"{digest.hexdigest()[:32]}.json"


def _kept(path: Path | None, point: GridPoint) -> PilotRun | None:
    if path is None or not path.is_file():
        return None
    try:
        facts = read_json(path, ScoresError)["run"]
        return PilotRun(point.epsilon, point.prior, read_scores(path), **facts)
    except (KeyError, TypeError, ScoresError):  # of another version, or torn: run it again
        return None


def _keep(path: Path | None, run: PilotRun) -> None:
    """A cache that cannot be written costs time, not the pilot."""
    if path is None or rank() > 0:
        return
    facts = {"loss": run.loss, "n_steps": run.n_steps, "seconds": run.seconds, "learned": run.learned}
    content = {
        "schema_version": SCHEMA_VERSION,
        "model": run.scores[0].model.to_dict(),
        "scores": [part.to_dict() for part in run.scores],
        "run": facts,
    }
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        logger.warning("%s: a finished pilot run cannot be kept: %s", path.parent, error.strerror or error)
