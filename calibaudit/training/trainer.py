"""transformers' Trainer, kept to the plan: rows as planned, every step checked and recorded, whole checkpoints."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from calibaudit.errors import TrainingError
from calibaudit.files.text import one_line
from calibaudit.models.formats.save import write_failure
from calibaudit.training.resume import last_checkpoint
from calibaudit.training.schedule import Plan
from calibaudit.training.settings import TrainingSettings
from calibaudit.training.state.checkpoints import WRITING, Checkpoints
from calibaudit.training.state.interrupt import Interrupt
from calibaudit.training.state.sharding import whole
from calibaudit.training.state.tensors import set_rates
from calibaudit.training.watching import WATCHED, tell, write_below

LOG = "training.jsonl"
_SCHEDULER = "scheduler.pt"

LEAST_SECONDS = 600.0
"""Between two checkpoints, where no number of steps is given: what an interruption costs is bounded by that as well."""


@dataclass(frozen=True)
class Job:
    """What a run is, beside transformers' arguments. made_from: goes into each checkpoint. n_rows: in the data.

    save_steps: after each so many steps a checkpoint is due, where least_seconds have gone by since the last one.
    sharded: whether the network's weights lie in shares.
    """

    folder: Path
    plan: Plan
    made_from: Mapping[str, Any]
    n_rows: int
    save_steps: int
    least_seconds: float
    max_grad_norm: float
    progress: Callable[[int, int, float, float], None] | None
    sharded: bool = False


class DeviceArguments(TrainingArguments):  # type: ignore[misc]
    """On the network's own device: in one process Trainer would take the first GPU, or spread over all of them."""

    _own_device: torch.device | None = None

    @property
    def device(self) -> torch.device:
        found: torch.device = super().device
        return self._own_device or found

    @property
    def n_gpu(self) -> int:
        # not by the device: that is asked for while it is being found
        return int(not self.use_cpu and torch.cuda.is_available())


def arguments_of(settings: TrainingSettings, folder: Path, n_steps: int, device: torch.device) -> DeviceArguments:
    """What Trainer is told. folder: of the checkpoints."""
    kind = device.type
    arguments = DeviceArguments(
        output_dir=str(folder / WRITING),
        per_device_train_batch_size=1,  # an item of the data set is a whole micro-batch
        gradient_accumulation_steps=settings.accumulation,
        max_steps=n_steps,
        learning_rate=settings.learning_rate,
        # Trainer's `constant` has no warm-up
        lr_scheduler_type="constant_with_warmup" if settings.lr_scheduler == "constant" else settings.lr_scheduler,
        warmup_steps=math.floor(settings.warmup * n_steps),
        weight_decay=settings.weight_decay,
        optim=_optimizer_of(settings, kind),
        max_grad_norm=0.0,  # the Recorder clips
        seed=settings.seed,
        # sharded weights are gathered in bfloat16 already
        bf16=kind == "cuda" and torch.cuda.is_bf16_supported() and settings.sharding == "none",
        use_cpu=kind == "cpu",
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.gradient_checkpointing else None,
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=kind == "cuda",
        remove_unused_columns=False,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        neftune_noise_alpha=settings.neftune_alpha,
        report_to=list(settings.report_to),
        run_name=one_line(folder.parent.name.removesuffix(".partial"), 120),
        disable_tqdm=True,
    )
    if arguments.world_size == 1:
        arguments._own_device = device
        if kind == "cuda":
            torch.cuda.set_device(device)
    return arguments


def _optimizer_of(settings: TrainingSettings, kind: str) -> str:
    """Trainer's name for it. Raises TrainingError where the package that has it is missing."""
    if settings.optim == "adamw":
        return "adamw_torch" if kind == "mps" else "adamw_torch_fused"
    if importlib.util.find_spec("torchao") is not None:
        return "adamw_torch_8bit"
    if settings.sharding == "none" and importlib.util.find_spec("bitsandbytes") is not None:
        return "adamw_bnb_8bit"
    needed = "torchao" if settings.sharding == "fsdp" else "torchao or bitsandbytes"
    raise TrainingError(f"optim adamw-8bit needs {needed}: pip install torchao")


class PlannedTrainer(Trainer):  # type: ignore[misc]
    """Trainer over micro-batches in the plan's order, whose checkpoints appear under their name only when whole."""

    def __init__(
        self,
        network: Any,
        arguments: TrainingArguments,
        batches: Dataset[Any],
        job: Job,
        interrupt: Interrupt,
    ) -> None:
        self._job = job
        self.checkpoints = Checkpoints(job.folder, job.made_from, arguments.device, sharded=job.sharded)
        self.step_loss: Tensor | float = 0.0
        super().__init__(
            model=network,
            args=arguments,
            train_dataset=batches,
            data_collator=_only,
            callbacks=[Recorder(self, job, interrupt)],
        )
        for callback in list(self.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                self.remove_callback(callback)
            elif type(callback).__name__ == "TensorBoardCallback":
                write_below(callback, arguments, job.folder.parent / WATCHED)
        if job.sharded:  # it is distributed already: no DDP around it
            self.accelerator.prepare_model = functools.partial(self.accelerator.prepare_model, evaluation_mode=True)

    def _get_train_sampler(self, *_: Any) -> Any:
        return SequentialSampler(self.train_dataset)

    def _get_grad_norm(self, *_: Any, **__: Any) -> float:
        return 0.0  # the Recorder takes it, on every version

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Tensor:
        if inputs["input_ids"].shape[1] == 0:  # a round in which no process has rows (packing)
            return torch.zeros((), device=self.args.device)
        loss: Tensor = super().training_step(model, inputs, *args, **kwargs)
        self.step_loss = self.step_loss + loss.detach().float()
        return loss

    def _save_checkpoint(self, *_: Any, **__: Any) -> None:
        step = self.state.global_step
        is_last = step == len(self._job.plan.steps)
        self.checkpoints.save(step, self.model, None if is_last else self.optimizer, self._write_small)

    def _write_small(self, folder: Path) -> None:
        self._save_rng_state(str(folder))
        if self.is_world_process_zero():
            self.state.save_to_json(str(folder / "trainer_state.json"))
            torch.save(self.lr_scheduler.state_dict(), folder / _SCHEDULER)
            self.model.config.save_pretrained(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self.checkpoints.load_network(Path(resume_from_checkpoint), self.model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.checkpoints.load_optimizer(Path(checkpoint), self.model, self.optimizer)
            self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / _SCHEDULER, weights_only=True))
            set_rates(self.optimizer, self.lr_scheduler.get_last_lr())


class Recorder(TrainerCallback):  # type: ignore[misc]
    """Clips and checks each step's gradient, records the step, and asks for checkpoints when they are due.

    Records are kept in Trainer's own state, so that a checkpoint brings them back.
    """

    def __init__(self, trainer: PlannedTrainer, job: Job, interrupt: Interrupt) -> None:
        self._trainer, self._job, self._interrupt = trainer, job, interrupt
        self._loss = self._norm = self._rate = 0.0
        self._stop = self._due = False
        self._saved = 0.0
        self._before = 0.0
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        done = records(state)
        self._before = done[-1]["seconds"] if done else 0.0
        self._first = state.global_step
        self._started = self._saved = time.monotonic()
        self._write("".join(json.dumps(record) + "\n" for record in done), "w")

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before weights are touched: a step that is no number ends the run with the weights that it began with."""
        trainer = self._trainer
        self._rate = float(trainer.optimizer.param_groups[0]["lr"])
        parameters = trainer.model_wrapped.parameters()
        norm = trainer.accelerator.clip_grad_norm_(parameters, self._job.max_grad_norm or float("inf"))
        loss = torch.as_tensor(trainer.step_loss, device=args.device)
        trainer.step_loss = 0.0
        checkpoints = trainer.checkpoints
        due = time.monotonic() - self._saved >= self._job.least_seconds
        # what happened in one process, all act on after the same step
        flags = (self._interrupt.pressed, due, checkpoints.failed, checkpoints.busy)
        values = torch.cat([loss.reshape(1), loss.new_tensor(list(map(float, flags)))])
        if args.world_size > 1:
            values = trainer.accelerator.reduce(values, "mean")
        self._loss = float(values[0])
        self._stop, self._due, failed, busy = (value > 0 for value in values[1:].tolist())
        self._norm = float(whole(norm))
        if failed:
            raise checkpoints.failure()
        if checkpoints.pending and not busy:
            checkpoints.finish()
        for what, value in (("loss", self._loss), ("gradient", self._norm)):
            if not abs(value) < float("inf"):
                checkpoints.settle()
                good = last_checkpoint(self._job.folder)
                kept = "no checkpoint was written yet" if good is None else f"the last good checkpoint is {good}"
                raise TrainingError(
                    f"step {state.global_step + 1}: the {what} is {value}; {kept}; try a smaller learning rate"
                )
        checkpoints.before_change()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        step, plan = state.global_step, self._job.plan
        seconds = time.monotonic() - self._started
        done = plan.tokens[self._first : step]
        speed = sum(done) / max(seconds, 1e-9)
        record = {
            "step": step,
            "epoch": round(sum(plan.rows[:step]) / self._job.n_rows, 4),
            "loss": self._loss,
            "grad_norm": self._norm,
            "learning_rate": self._rate,
            "tokens": plan.tokens[step - 1],
            "target_tokens": plan.targets[step - 1],
            "seconds": round(self._before + seconds, 3),
        }
        state.log_history.append(record)
        self._write(json.dumps(record) + "\n", "a")
        if args.report_to:
            tell(self._trainer, record)
        if self._job.progress and state.is_world_process_zero:
            self._job.progress(step, len(plan.steps), self._loss, speed)
        stop = self._stop or (args.world_size == 1 and self._interrupt.pressed)
        is_last = step == len(plan.steps)
        control.should_save = stop or is_last or (self._due and step % self._job.save_steps == 0)
        control.should_training_stop = stop or is_last
        if control.should_save:
            self._saved = time.monotonic()
        elif step == self._first + 1 and step + self._job.save_steps < len(plan.steps):
            self._trainer.checkpoints.reserve(self._trainer.model, self._trainer.optimizer)
        return control

    def _write(self, text: str, mode: str) -> None:
        if not self._trainer.is_world_process_zero():
            return
        path = self._job.folder.parent / LOG
        try:
            with path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written: {write_failure(error, path)}; make room") from error


def records(state: Any) -> list[dict[str, Any]]:
    """The Recorder's own entries, one a step, among Trainer's."""
    return [entry for entry in state.log_history if "target_tokens" in entry]


def run_trainer(trainer: PlannedTrainer, checkpoint: Path | None) -> list[dict[str, Any]]:
    """Train, from the checkpoint on; the records of all steps. The network keeps its own forward."""
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        trainer.checkpoints.settle()
        return records(trainer.state)
    except BaseException:
        trainer.checkpoints.leave()
        raise
    finally:
        trainer.checkpoints.close()
        if (noise := getattr(trainer, "neftune_hook_handle", None)) is not None:  # Trainer leaves it after a failure
            noise.remove()
            for module in trainer.model.modules():
                module.__dict__.pop("neftune_noise_alpha", None)
        # Accelerate puts autocast around the network's own forward
        with contextlib.suppress(Exception):
            trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)


def _only(batches: list[Any]) -> Any:
    """A data loader's batch is one micro-batch, padded already."""
    return batches[0]
