"""`CalibrationCallback`: any Trainer audits the model that it trains, every few steps, by the rules of this project."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from transformers import Trainer, TrainerCallback

from calibaudit.analysis.audit import ModelAudit
from calibaudit.analysis.settings import Settings
from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import TrainingError
from calibaudit.models.formats.save import whole_folder
from calibaudit.repair.monitor.in_memory import audit_network, plain_network
from calibaudit.repair.monitor.trained_rows import untrained
from calibaudit.tasks.items import Task
from calibaudit.tasks.load import load_tasks

logger = logging.getLogger(__name__)

PREFIX = "eval_audit_"
"""Of the names in the trainer's log. `eval_` is what Trainer's `metric_for_best_model` expects, and may leave out."""

LOGGED = ("ece", "gap", "accuracy", "confidence", "nll")
BEST = "best"
"""The folder of the best model, in the trainer's output_dir."""

AUDIT = "audit.json"
"""In that folder: when the model was audited, and with what result."""


class CalibrationCallback(TrainerCallback):  # type: ignore[misc]
    """Audits the model of `trainer` while it is trained: `trainer.add_callback(CalibrationCallback(trainer, ...))`.

    tasks: what is asked: a name as `-t` takes it, a Task, or several. limit: the first so many items of each task that
    is named; a Task is asked whole. Items whose question stands in the trainer's training set are left out
    (n_left_out; None where the set cannot be looked through, which is said).
    every: steps between audits; there is one before the first step too, and one after the last. None: an audit with
    each evaluation of the trainer. Evaluations are audited in any case, and get the numbers among their metrics, so
    that Trainer's `load_best_model_at_end` goes by `metric_for_best_model="audit_nll"`, `greater_is_better=False`.
    Each audit is an entry of the trainer's log, and so in `report_to`: eval_audit_ece, with the ends _low and _high of
    its 95 % interval, _gap, _accuracy, _confidence, _nll; over all items, as `calibaudit score` has them of the model
    saved at that step. One that does not exist is left out.
    max_ece: training stops after an audit, step 0 apart, whose ECE is above it. patience: or after so many audits in a
    row that did not lower the least NLL so far, that of step 0 included. keep_best: the model of the least ece or nll,
    step 0 apart, is kept in the folder `best` of output_dir; of several that are calibrated as far as can be told (an
    ECE of 0 or below) the first. A `best` of an earlier run is replaced.
    chat: how prompts stand in the chat template; None: as the command has it. batch_size: rows a forward pass; None: as
    many as fit. settings: of the findings, as the command's `--seed` and `--bins`.
    Training itself is untouched: with the callback it ends at the same weights, bit for bit. Under DDP each process
    scores its share.
    Raises TrainingError, TaskError, SftError or ModelError, before training, for what cannot be audited: FSDP and
    ZeRO-3, where no process holds the network; a trainer without a tokenizer; items that are all in the training set.
    """

    def __init__(
        self,
        trainer: Trainer,
        tasks: str | Task | Sequence[str | Task],
        *,
        every: int | None = None,
        limit: int | None = 64,
        chat: ChatSettings | None = None,
        batch_size: int | None = None,
        max_ece: float | None = None,
        patience: int | None = None,
        keep_best: Literal["ece", "nll"] | None = None,
        settings: Settings | None = None,
    ) -> None:
        _check(trainer, every, chat, max_ece, patience, keep_best)
        _check_types(limit=limit, batch_size=batch_size, settings=settings)
        self._trainer, self._every, self._batch_size = trainer, every, batch_size
        self._max_ece, self._patience, self._keep_best = max_ece, patience, keep_best
        self._chat, self._settings = chat or ChatSettings(), settings or Settings()
        self._tokenizer = _tokenizer_of(trainer)
        self._said: set[str] = set()
        plain_network(trainer.model)
        self.tasks, self.n_left_out = untrained(_loaded(tasks, limit), trainer.train_dataset, self._tokenizer)
        if self.n_left_out is None:
            self._say("the training set cannot be looked through: whether it holds audited items is not known")
        elif self.n_left_out:
            self._say(f"{self.n_left_out:,} items are not audited: their questions are in the training set")
        self.audits: list[tuple[int, ModelAudit]] = []
        self.stopped = ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Trainer calls it: the audit before the first step. Raises TrainingError under another trainer."""
        if args is not self._trainer.args:
            raise TrainingError("CalibrationCallback: it was made for another trainer; make one for each")
        best = Path(args.output_dir) / BEST
        if self._keep_best and best.exists() and not (best / AUDIT).is_file():
            raise TrainingError(
                f"CalibrationCallback: {best} already exists and is not from an earlier run; move it away"
            )
        self.audits, self.stopped = [], ""
        if self._every is not None and state.global_step == 0:
            self._audit(state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Trainer calls it: an audit where `every` says so, and after the last step."""
        step = state.global_step
        if self._every is not None and (step % self._every == 0 or step >= state.max_steps):
            self._audit(state, control)
        return control

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> Any:
        """Trainer chooses its best model by `metrics`, after this."""
        in_training = self._trainer.is_in_train
        if not (in_training and self.audits and self.audits[-1][0] == state.global_step):
            self._audit(state, control)
        metrics |= values_of(self.audits[-1][1])
        return control

    def _audit(self, state: Any, control: Any) -> None:
        step = state.global_step
        found = audit_network(
            self._trainer.model,
            self._tokenizer,
            self.tasks,
            name=f"step {step}",
            chat=self._chat,
            batch_size=self._batch_size,
            settings=self._settings,
            notice=self._say,
        )
        self.audits.append((step, found))
        values, earlier = values_of(found), _logged(state)
        should_log = control.should_log
        # Not the trainer's own `log`: TRL's adds what it has gathered since its last entry, and begins anew.
        Trainer.log(self._trainer, dict(values))
        control.should_log = should_log  # a log of the step itself may be due
        if not self._trainer.is_in_train or step == 0:
            return
        self._keep(step, values, earlier)
        self.stopped = self._why_stop(values, earlier)
        if self.stopped:
            self._say(f"step {step}: {self.stopped}: training stops")
            control.should_training_stop = True

    def _why_stop(self, values: dict[str, float], earlier: Sequence[dict[str, float]]) -> str:
        ece = values.get(f"{PREFIX}ece")
        if self._max_ece is not None and ece is not None and ece > self._max_ece:
            return f"ECE is {ece:.3f}, above {self._max_ece:g}"
        name = f"{PREFIX}nll"
        if self._patience is None or name not in values:
            return ""
        course = [entry[name] for entry in (*earlier, values)]
        since = len(course) - 1 - course.index(min(course))
        if since >= self._patience:
            return f"NLL is {course[-1]:.3f}, and was least, {min(course):.3f}, {since} audits ago"
        return ""

    def _keep(self, step: int, values: dict[str, float], earlier: Sequence[dict[str, float]]) -> None:
        name, trainer = f"{PREFIX}{self._keep_best}", self._trainer
        if name not in values:
            return
        before = [max(0.0, entry[name]) for entry in earlier if entry["step"] > 0 and name in entry]
        if (before and max(0.0, values[name]) >= min(before)) or not trainer.args.should_save:
            return
        with whole_folder(Path(trainer.args.output_dir) / BEST) as partial:
            trainer.save_model(str(partial), _internal_call=True)
            (partial / AUDIT).write_text(json.dumps({"step": step, **values}) + "\n", encoding="utf-8")

    def _say(self, text: str) -> None:
        """Once."""
        if text not in self._said and self._trainer.is_world_process_zero():
            logger.warning("audit in training: %s", text)
        self._said.add(text)


def values_of(audit: ModelAudit) -> dict[str, float]:
    """The numbers of an audit, over all its items, by their names in the log; what does not exist is not among them."""
    metrics = audit.pooled.metrics
    found = {name: metrics[name].value for name in LOGGED}
    found |= {"ece_low": metrics["ece"].low, "ece_high": metrics["ece"].high}
    return {f"{PREFIX}{name}": value for name, value in found.items() if value is not None}


def _logged(state: Any) -> list[dict[str, float]]:
    """Earlier audits of the run, those before an interruption too."""
    return [entry for entry in state.log_history if f"{PREFIX}nll" in entry]


def _loaded(tasks: str | Task | Sequence[str | Task], limit: int | None) -> tuple[Task, ...]:
    given = [tasks] if isinstance(tasks, str | Task) else list(tasks) if isinstance(tasks, Iterable) else [tasks]
    for task in given:
        if not isinstance(task, str | Task) or task == "":
            raise TrainingError(f"CalibrationCallback: tasks must be names of tasks, or Tasks, not {task!r:.60}")
    names = [name.strip() for task in given if isinstance(task, str) for name in task.split(",")]
    names = list(dict.fromkeys(names))
    named = load_tasks(names, limit=limit) if names or not given else ()
    return (*named, *(task for task in given if isinstance(task, Task)))


def _tokenizer_of(trainer: Any) -> Any:
    processing = getattr(trainer, "processing_class", None)
    tokenizer = getattr(processing, "tokenizer", processing)
    if not hasattr(tokenizer, "get_vocab"):
        raise TrainingError("the trainer has no tokenizer, which the audit needs: pass it as processing_class")
    return tokenizer


def _check_types(*, limit: Any, batch_size: Any, settings: Any) -> None:
    for name, value in (("limit", limit), ("batch_size", batch_size)):
        if value is not None and not _counts(value):
            raise TrainingError(f"CalibrationCallback: {name} must be a whole number from 1, or None, not {value!r}")
    if settings is not None and not isinstance(settings, Settings):
        raise TrainingError(f"CalibrationCallback: settings must be a Settings, not {type(settings).__name__}")


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value <= 1


def _check(
    trainer: Any,
    every: int | None,
    chat: ChatSettings | None,
    max_ece: float | None,
    patience: int | None,
    keep_best: str | None,
) -> None:
    if not isinstance(trainer, Trainer):
        raise TrainingError(f"CalibrationCallback: give the trainer itself first, not {type(trainer).__name__}")
    strategy = getattr(trainer.args.eval_strategy, "value", trainer.args.eval_strategy)
    rules = (
        ("every", every, every is None or _counts(every), "1 or more steps, or None for the trainer's evaluations"),
        ("every", every, every is not None or strategy != "no", "a number of steps, since the trainer never evaluates"),
        (
            "max_ece",
            max_ece,
            max_ece is None or (isinstance(max_ece, int | float) and 0 < max_ece <= 1),
            "above 0 and at most 1",
        ),
        ("patience", patience, patience is None or _counts(patience), "1 or more audits"),
        ("keep_best", keep_best, keep_best in (None, "ece", "nll"), "ece or nll"),
    )
    for name, value, holds, rule in rules:
        if not holds:
            raise TrainingError(f"CalibrationCallback: {name} must be {rule}, not {value}")
    if chat is not None and not isinstance(chat, ChatSettings):
        raise TrainingError(f"CalibrationCallback: chat must be a ChatSettings, not {chat!r:.60}")
    if chat is not None and chat.template == "both":
        raise TrainingError("CalibrationCallback: chat template `both`: an audit in training uses one prompt")
    plugin = getattr(trainer.accelerator.state, "deepspeed_plugin", None)
    if getattr(trainer.accelerator.state, "fsdp_plugin", None) is not None:
        raise TrainingError("CalibrationCallback: under FSDP no process holds the network; audit the saved checkpoints")
    if plugin is not None and plugin.zero_stage == 3:
        raise TrainingError("CalibrationCallback: under ZeRO-3 no process holds the network; audit the checkpoints")
