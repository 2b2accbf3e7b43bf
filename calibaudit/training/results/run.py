"""What a training run was: its steps, rows and time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingRun:
    """What was done. epochs: rows seen / rows there are. loss: nats a target token, mean over the last tenth of steps.

    n_tokens, n_target_tokens: without padding, all processes. seconds: of all its parts, where it was resumed.
    peak_bytes: of the GPU, else of the process; None: unknown. resumed_from: a step; None: from the start.
    rows_per_step: of all processes; 0 in records of earlier versions. n_known: rows of the data that base knows, which
    alone were smoothed; None: all were. softcap_kept: whether the trained network has settings.softcap in its config,
    else it acted in training only; None: there is no such setting. packed: whether rows shared lines, where that was
    wanted; None: it was not.
    """

    n_steps: int
    epochs: float
    loss: float
    n_tokens: int
    n_target_tokens: int
    seconds: float
    tokens_per_second: float
    peak_bytes: int | None
    resumed_from: int | None
    rows_per_step: int = 0
    n_known: int | None = None
    softcap_kept: bool | None = None
    packed: bool | None = None
