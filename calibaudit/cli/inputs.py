"""From the flags of a command to what it works on: options of a run, tasks, the models' scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from calibaudit.cli.saved_prompts import refuse_idle
from calibaudit.errors import CalibauditError

if TYPE_CHECKING:
    from calibaudit.analysis.settings import Settings
    from calibaudit.chat.settings import ChatSettings
    from calibaudit.cli.groups import (
        ChatFlags,
        EngineFlags,
        ItemFlags,
        LeverFlags,
        RecipeFlags,
        RunFlags,
        StatisticsFlags,
        TemplateFlags,
        TuningFlags,
    )
    from calibaudit.cli.progress.reporter import Reporter
    from calibaudit.scores.scores import Scores
    from calibaudit.scoring.evaluate import RunOptions
    from calibaudit.tasks.items import Task
    from calibaudit.training.settings import TrainingSettings

DEMO_TASKS = ("bundled",)
"""What the demo pair is asked where no task is named: it answers nothing else."""

DEFAULT_TASKS = ("bundled_all",)
DEFAULT_PER_LEVEL = 32
"""What other models are asked: 2,560 items, where `bundled` has 2,304, and 1.6 times its text."""


@dataclass(frozen=True)
class Asked:
    """What the models are asked. names: of tasks, as the user gave them; None: none was named.

    tasks: loaded; None where every model is a file of saved scores. notices: which flags say nothing to such files.
    """

    names: Sequence[str] | None
    tasks: Sequence[Task] | None
    notices: tuple[str, ...] = ()

    def loaded(self) -> Sequence[Task]:
        """The tasks, none where none was loaded."""
        return self.tasks or ()


def load_numpy() -> None:
    """Import NumPy, its linear algebra on one thread: the products here are small, and threads wait for each other.

    OPENBLAS_NUM_THREADS is obeyed where it is set, and taken back where it is not: PyTorch keeps its own threads.
    """
    name = "OPENBLAS_NUM_THREADS"
    chosen = name in os.environ
    os.environ.setdefault(name, "1")
    try:
        import numpy  # noqa: F401  # reads the variable once, now
    finally:
        if not chosen:
            del os.environ[name]


def run_options(
    run: RunFlags,
    chat: ChatFlags,
    batch_size: str = "auto",
    engines: EngineFlags | None = None,
    *,
    save_thoughts: bool = False,
) -> RunOptions:
    """Raises CalibauditError for a batch size that is neither `auto` nor a positive number, or other faulty flags."""
    from calibaudit.models.distributed import check_parallel
    from calibaudit.scores.thinking import Thinking
    from calibaudit.scoring.evaluate import RunOptions

    if chat.think is None and (chat.think_samples != 1 or save_thoughts):
        flag = "--save-thoughts" if save_thoughts else "--think-samples"
        raise CalibauditError(f"{flag}: needs --think N")
    if chat.think is not None and chat.chat_template == "off":
        raise CalibauditError(f"--think {chat.think}: thinking needs a chat template; drop --chat-template off")
    if batch_size != "auto" and not (batch_size.isascii() and batch_size.isdigit() and int(batch_size) > 0):
        raise CalibauditError(f"--batch-size {batch_size}: give a number of rows from 1, or auto")
    check_parallel(run.parallel)
    return RunOptions(
        dtype=run.dtype,
        device=run.device,
        parallel=run.parallel,
        batch_size=None if batch_size == "auto" else int(batch_size),
        chat=chat_settings(chat),
        thinking=None if chat.think is None else Thinking(chat.think, chat.think_samples, chat.think_seed),
        save_thoughts=save_thoughts,
        cache_dir=None if run.no_cache else _cache_folder(run.cache_dir),
        verify=run.verify,
        offline=run.offline,
        engine="transformers" if engines is None else engines.engine.value,
        concurrency=8 if engines is None else engines.concurrency,
    )


def _cache_folder(named: Path | None) -> Path:
    """Where finished items are kept, there or not. Raises CalibauditError for what is no folder."""
    from calibaudit.files.paths import user_path
    from calibaudit.scoring.cache import default_cache_dir

    source = "CALIBAUDIT_CACHE" if named is None else "--cache-dir"
    try:
        folder = user_path(named or default_cache_dir(), CalibauditError)
    except CalibauditError as error:
        raise CalibauditError(f"{source} {error}") from None
    if folder.exists() and not folder.is_dir():
        raise CalibauditError(f"{source} {folder}: expected a folder, found a file")
    return folder


def chat_settings(chat: TemplateFlags) -> ChatSettings:
    """Raises CalibauditError for what is no date, no JSON object, or neither a choice nor a file."""
    from calibaudit.chat.settings import ChatSettings
    from calibaudit.files.paths import user_path

    named = chat.chat_template
    if os.sep in named or named.endswith(".jinja"):
        file = user_path(named, CalibauditError)
        if not file.is_file():
            what = "expected a file, found a folder" if file.is_dir() else "there is no such file"
            raise CalibauditError(f"--chat-template {named}: {what}")
    return ChatSettings(
        template=chat.chat_template,
        answer_at=chat.answer_at.value,
        date=chat.template_date,
        kwargs=chat.chat_template_kwargs,
        multiturn=chat.fewshot_as_multiturn,
    )


def pair_of(base: str | None, instruct: str | None) -> tuple[str, str]:
    """Both models of a comparison; the bundled pair when none is named. Raises CalibauditError for one alone."""
    if base is None:
        return "demo:base", "demo:instruct"
    if instruct is None:
        raise CalibauditError(f"{base} alone cannot be compared: name INSTRUCT too, or no model for the bundled pair")
    return base, instruct


def on_its_base(models: tuple[str, str], report: Reporter, *, offline: bool) -> tuple[str, str]:
    """Both models; the second, where it is an adapter whose own base is not found, on the first, with a notice."""
    from calibaudit.scores.saved import is_saved_scores
    from calibaudit.scoring.engines.address import is_server

    if any(is_saved_scores(name) or is_server(name) for name in models):
        return models
    from calibaudit.models.checkpoints import base_beside

    name, sentence = base_beside(*models, offline=offline)
    if sentence is not None:
        report.notice(sentence)
    return models[0], name


def asked(models: Sequence[str], items: ItemFlags, *, offline: bool) -> Asked:
    """What to ask the models; where one of two is a file of saved scores, the items that it holds.

    Of that file's tasks those that are named, or all; of their items all where the flags say how many.
    Raises TaskError when a task is unusable.
    """
    from calibaudit.errors import TaskError
    from calibaudit.scores.saved import check_there, is_saved_scores, saved_items

    check_there(models)
    held = (saved_items(models) if len(models) > 1 else None) or {}
    named = split_names(items.tasks)
    names = named or list(held) or None
    if all(map(is_saved_scores, models)):
        refuse_idle(models)
        numbers = (("--limit", items.limit), ("--per-level", items.per_level))
        idle = [f"{flag} {number}" for flag, number in numbers if number is not None]
        return Asked(names, None, tuple(f"{flag}: saved scores are taken with all their items" for flag in idle))
    try:
        tasks = tasks_of(names, items, models, offline=offline)
    except TaskError as error:
        if named or not held:
            raise
        from calibaudit.files.paths import is_there
        from calibaudit.models.checkpoints import find_checkpoint

        (saved,) = filter(is_saved_scores, models)
        for other in models:
            if other != saved and is_there(other):
                find_checkpoint(other, offline=offline)  # raises ModelError for what is none
        reason = f"{saved}: its items cannot be asked again without their task file, which -t names ({error})"
        raise TaskError(reason) from error
    if items.limit is None and items.per_level is None:
        tasks = tuple(task.only(held[task.name]) if task.name in held else task for task in tasks)
    return Asked(names, tasks)


def tasks_of(
    names: Sequence[str] | None, items: ItemFlags, models: Sequence[str] = (), *, offline: bool
) -> tuple[Task, ...]:
    """The named tasks, loaded; where none is named, the bundled ones for these models.

    Raises TaskError when one is unusable.
    """
    from calibaudit.tasks.load import load_tasks

    per_level = items.per_level
    if names is None:
        names = DEMO_TASKS if any(name.startswith("demo:") for name in models) else DEFAULT_TASKS
        if names is DEFAULT_TASKS and items.limit is None and per_level is None:
            per_level = DEFAULT_PER_LEVEL
    return load_tasks(
        names,
        num_fewshot=items.num_fewshot,
        seed=items.fewshot_seed,
        limit=items.limit,
        per_level=per_level,
        mirror=items.mirror,
        offline=offline,
        scoring=None if items.scoring is None else items.scoring.value,
        system=items.system,
        answer_prefix=items.answer_prefix,
    )


def split_names(values: Sequence[str] | None) -> list[str] | None:
    """`-t a,b -t c` as [a, b, c]; None without -t. Raises CalibauditError when -t names nothing."""
    if not values:
        return None
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if not names:
        raise CalibauditError(f"-t {values[0]!r}: no task named; `calibaudit tasks` lists those known")
    return names


def score_all(
    models: Sequence[str],
    revisions: Sequence[str | None],
    questions: Asked,
    options: RunOptions,
    report: Reporter,
    engines: EngineFlags,
) -> list[list[Scores]]:
    """The scores of each model, in order; revisions: of each on the hub."""
    from calibaudit.scores.saved import is_saved_scores
    from calibaudit.scoring.evaluate import hash_ahead, scores_of

    tokenizers = _tokenizers(models, engines.tokenizer or ())
    for text in questions.notices:
        report.notice(text)
    n_items = sum(len(task.items) for task in questions.loaded()) * (2 if options.chat.template == "both" else 1)
    report.expect([(name, n_items) for name in models if not is_saved_scores(name)])
    hash_ahead(models[1:], options)
    found = [
        scores_of(
            name,
            questions.names,
            questions.tasks,
            replace(options, revision=revision, tokenizer=tokenizer),
            report.progress,
            report.notice,
        )
        for name, revision, tokenizer in zip(models, revisions, tokenizers, strict=True)
    ]
    if options.thinking is not None and not any(part.thinking for side in found for part in side):
        raise CalibauditError(
            f"--think {options.thinking.n_tokens}: {' and '.join(models)}: no chat template with a place for a thought"
        )
    return found


def _tokenizers(models: Sequence[str], named: Sequence[str]) -> list[str | None]:
    """Of each model the one named for it. Raises CalibauditError for more of them than models, or for no served one."""
    from calibaudit.scoring.engines.address import is_server

    if len(named) > len(models):
        raise CalibauditError(f"--tokenizer {named[-1]}: there are {len(models)} models for {len(named)} tokenizers")
    if named and not any(map(is_server, models)):
        raise CalibauditError(f"--tokenizer {named[0]}: only a served model (server:URL#NAME) takes one")
    return [named[min(i, len(named) - 1)] if named else None for i in range(len(models))]


def settings_of(statistics: StatisticsFlags) -> Settings:
    from calibaudit.analysis.settings import Settings

    return Settings(n_bins=statistics.bins, seed=statistics.seed)


LORA_RATE = 10
"""An adapter's learning rate over that of all weights (Schulman et al. 2025, LoRA Without Regret)."""


def training_settings(
    data: str, tuning: TuningFlags, batch_size: int | None, seed: int, *, lora: bool = False
) -> TrainingSettings:
    """How to tune, with hard labels. lora: whether an adapter is trained.

    What no flag gives is as in Huang, Lu, Zeng 2025 (arXiv 2508.00264), their 128 rows a step in passes of 8 rows; for
    the bundled data, whose models are a thousandth of the usual size, as the bundled instruct was made. An adapter
    has ten times the rate.
    """
    from calibaudit.training.settings import TrainingSettings

    rate, times, rows = 2e-5, 2.0, 8
    if data == "demo:sft":
        from calibaudit.demo.train import Recipe
        from calibaudit.models.distributed import world_size

        recipe = Recipe()  # its rows are a step's, of all processes together
        rate, times, rows = recipe.sft_rate, float(recipe.sft_epochs), max(1, recipe.sft_rows // world_size())
    rate *= LORA_RATE if lora else 1
    return TrainingSettings(
        label_smoothing=0.0,
        prior="uniform",
        learning_rate=rate if tuning.learning_rate is None else tuning.learning_rate,
        epochs=times if tuning.epochs is None else tuning.epochs,
        max_steps=tuning.max_steps,
        batch_size=rows if batch_size is None else batch_size,
        seed=seed,
    )


def with_levers(training: TrainingSettings, levers: LeverFlags) -> TrainingSettings:
    """Raises CalibauditError as `LeverFlags.check`."""
    levers.check()
    return replace(training, logit_scale=levers.logit_scale, softcap=levers.softcap, where=levers.where.value)


def with_recipe(training: TrainingSettings, recipe: RecipeFlags) -> TrainingSettings:
    """Raises CalibauditError as `RecipeFlags.reporters`."""
    return replace(
        training,
        lr_scheduler=recipe.lr_scheduler.value,
        warmup=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        neftune_alpha=recipe.neftune_alpha,
        packing=recipe.packing,
        report_to=recipe.reporters(),
    )
