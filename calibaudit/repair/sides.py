"""A checkpoint's scores on both halves of the items, and how well it knows the tuning rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from calibaudit.chat.settings import ChatSettings
from calibaudit.models.devices import free_memory
from calibaudit.models.model import Model
from calibaudit.scores.scores import ModelInfo, Scores
from calibaudit.scoring.evaluate import Notice, Progress, RunOptions, evaluate_model, load
from calibaudit.tasks.items import Task
from calibaudit.training.data.encode import Example
from calibaudit.training.fit import fit_of
from calibaudit.training.results.fit import Fit


@dataclass(frozen=True)
class Listener:
    """Called while `fix` works. progress: (label, items done, all). training: (label, step, steps, loss, tokens/s)."""

    progress: Progress = lambda *_: None
    training: Callable[[str, int, int, float, float], None] = lambda *_: None
    notice: Notice = lambda _: None


@dataclass(frozen=True, eq=False)
class Half:
    """Scores on one half of the items, a task each. inside: within another prompt, where that was asked for; then
    `scores` may be empty."""

    scores: tuple[Scores, ...]
    inside: tuple[Scores, ...] = ()

    @property
    def matched(self) -> tuple[Scores, ...]:
        """Within the chat template, as far as this is known."""
        return self.inside or self.scores


@dataclass(frozen=True, eq=False)
class Side:
    """A checkpoint on both halves.

    fit: to the tuning rows; None without rows, or where it lacks some of their tokens.
    """

    info: ModelInfo
    advice: Half
    proof: Half
    fit: Fit | None


@dataclass(frozen=True, eq=False)
class Audited:
    """What every checkpoint of a repair is scored on. options: as the audit's command says. examples: the tuning rows.

    advice, proof: the two halves; advice is empty where nothing has to be chosen.
    """

    advice: tuple[Task, ...]
    proof: tuple[Task, ...]
    examples: tuple[Example, ...]
    options: RunOptions
    listener: Listener

    def score(
        self,
        name: str,
        *,
        revision: str | None = None,
        label: str | None = None,
        inside: ChatSettings | None = None,
        look: Callable[[Model], None] = lambda _: None,
        enough: Callable[[Fit | None], bool] = lambda _: False,
        inside_advises: bool = False,
    ) -> Side:
        """label: what progress calls it, where that is not its name. inside: another prompt, scored besides.

        look: called with the loaded model. enough: whether its fit to the tuning rows says all; then nothing is scored.
        inside_advises: the half that chooses is asked inside alone.
        """
        options = dataclasses.replace(self.options, revision=revision)
        model = load(name, options, self.listener.notice)
        fit = self.fit_of(model)
        if enough(fit):
            return Side(model.info, Half(()), Half(()), fit)
        outside = dataclasses.replace(self, advice=()) if inside is not None and inside_advises else self
        plain = outside._halves(model, label or name, options)
        within = self._halves(model, label or name, dataclasses.replace(options, chat=inside)) if inside else ((), ())
        advice, proof = (Half(*parts) for parts in zip(plain, within, strict=True))
        side = Side(model.info, advice, proof, fit)
        look(model)
        del model
        free_memory()
        return side

    def fit_of(self, model: Model) -> Fit | None:
        if not self.examples:
            return None
        n_rows = model.network.get_input_embeddings().weight.shape[0]
        speaks = max(max(example.input_ids) for example in self.examples) < n_rows
        return fit_of(model, self.examples) if speaks else None

    def _halves(self, model: Model, label: str, options: RunOptions) -> tuple[tuple[Scores, ...], tuple[Scores, ...]]:
        def progress(task: str, done: int, total: int) -> None:
            self.listener.progress(f"{label} {task}", done, total)

        scores = evaluate_model(model, [*self.advice, *self.proof], options, progress, self.listener.notice)
        n = len(self.advice)
        return tuple(scores[:n]), tuple(scores[n:])
