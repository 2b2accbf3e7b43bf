"""What a repair is asked to be: the method, and how a smoothed run tunes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from calibaudit.advice.cautions import WORSE
from calibaudit.advice.recommendation import GridPoint
from calibaudit.errors import CalibauditError, told
from calibaudit.repair.verdict import check_accuracy_margin
from calibaudit.training.settings import TrainingSettings

Method = Literal["temperature", "aligned", "merge", "smooth"]
MethodChoice = Literal["auto", "temperature", "aligned", "merge", "smooth"]
Start = Literal["base", "instruct"]
StartChoice = Literal["auto", "base", "instruct"]
PriorChoice = Literal["auto", "uniform", "base"]

METHODS: tuple[Method, ...] = get_args(Method)
CHEAP_TO_DEAR: tuple[Method, ...] = ("temperature", "merge", "smooth")
"""What `auto` tries, in this order. `aligned` is for users without labels; where there are some it does no better."""


@dataclass(frozen=True)
class FixSettings:
    """method: how to repair; auto: CHEAP_TO_DEAR. The rest is of `smooth`, but for accuracy_margin.

    start: tune base again, or go on from instruct; auto: base, unless there are signs that instruct is more than what
    the rows teach. smoothing: the factor in [0, 1], None for one that is found by trying. prior: what to smooth
    towards; auto: base, or as the pilot says. training: the rest of the run; its label_smoothing and prior are filled
    in. max_length: tokens of a row. split: of a data set with several. columns: a column of the data -> the key that it
    is read as. pilot: try these factors first, each as long as the run itself; without smoothing only.
    Raises CalibauditError for values that are out of range or do not go together.
    """

    method: MethodChoice = "auto"
    start: StartChoice = "auto"
    smoothing: float | None = None
    prior: PriorChoice = "auto"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(label_smoothing=0.0, prior="uniform"))
    max_length: int = 4096
    split: str = "train"
    columns: Mapping[str, str] = field(default_factory=dict)
    accuracy_margin: float = WORSE
    pilot: tuple[GridPoint, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("method", MethodChoice), ("start", StartChoice), ("prior", PriorChoice)):
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise CalibauditError(f"{name} is {told(getattr(self, name))}; give one of {known}")
        if self.smoothing is not None and not 0 <= self.smoothing <= 1:
            raise CalibauditError(f"--smoothing {self.smoothing:g}: give a factor between 0 and 1, or auto")
        if self.max_length < 8:
            raise CalibauditError(f"--max-length {self.max_length}: give 8 tokens or more")
        if self.pilot and self.smoothing is not None:
            raise CalibauditError(f"--pilot chooses the factor: leave out --smoothing {self.smoothing:g}")
        if self.method != "smooth" and (self.pilot or self.smoothing is not None):
            given = "--pilot" if self.pilot else f"--smoothing {self.smoothing:g}"
            raise CalibauditError(f"{given}: only --method smooth trains with a factor, not {self.method}")
        if self.method not in ("auto", "smooth") and (lever := _lever(self.training)):
            raise CalibauditError(f"{lever}: only --method smooth trains, not {self.method}")
        check_accuracy_margin(self.accuracy_margin)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


def checked_fix_settings(settings: object) -> FixSettings:
    """The settings; the defaults for None. Raises CalibauditError for anything else."""
    if settings is None:
        return FixSettings()
    if not isinstance(settings, FixSettings):
        method = settings if settings in get_args(MethodChoice) else "auto"
        raise CalibauditError(f"settings is {told(settings)}; give calibaudit.FixSettings(method={method!r})")
    return settings


def _lever(training: TrainingSettings) -> str:
    """The flag of a lever of the loss that was pulled; empty where none was."""
    if training.lora is not None:
        return "--lora"
    if training.logit_scale != 1:
        return f"--logit-scale {training.logit_scale:g}"
    if training.softcap is not None:
        return f"--softcap {training.softcap:g}"
    if training.report_to:
        return f"--report-to {','.join(training.report_to)}"
    flags = {"where": "--where known", "lr_scheduler": f"--lr-scheduler {training.lr_scheduler}"}
    flags |= {"warmup": f"--warmup {training.warmup:g}", "weight_decay": f"--weight-decay {training.weight_decay:g}"}
    flags |= {"max_grad_norm": f"--max-grad-norm {training.max_grad_norm:g}", "packing": "--packing"}
    flags |= {"neftune_alpha": f"--neftune-alpha {training.neftune_alpha}"}
    plain = TrainingSettings(label_smoothing=0.0, prior="uniform")
    return next((flag for name, flag in flags.items() if getattr(training, name) != getattr(plain, name)), "")
