"""A model (or a file of saved scores) and tasks -> Scores of every task: what `compare` and `score` run."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import CHOICES, template_source
from calibaudit.errors import CalibauditError, ModelError, TaskError
from calibaudit.files.paths import is_there, user_path
from calibaudit.models.distributed import once_a_node, world_size
from calibaudit.scores.saved import is_saved_scores, read_saved
from calibaudit.scores.scores import Scores
from calibaudit.scores.thinking import Thinking
from calibaudit.scoring.engines.address import is_server, refuse_served, shown
from calibaudit.scoring.prompts import prompts_for, where_of
from calibaudit.tasks.items import Task
from calibaudit.tasks.load import member_names

if TYPE_CHECKING:
    from calibaudit.models.checkpoints import Checkpoint
    from calibaudit.models.model import Model
    from calibaudit.scoring.engines.engine import Engine
    from calibaudit.scoring.engines.remembered import PromptCache

stages = logging.getLogger("calibaudit.stages")

Progress = Callable[[str, int, int], None]
Notice = Callable[[str], None]


@dataclass(frozen=True)
class RunOptions:
    """How a checkpoint is loaded and run; the names are those of the command line's flags.

    parallel: how processes share a model's work, see `layout_of`. batch_size: rows a forward pass, None for auto. chat:
    how prompts stand in the chat template. thinking: what models that can think are allowed before they answer.
    cache_dir: where finished items are kept, and what was found out about checkpoints; None to keep nothing. verify:
    hash a folder's files though it is known what they hold. engine: what runs a checkpoint's network, `transformers` or
    `vllm`. tokenizer: of a served model, a folder or hub id; None where its name is one. concurrency: requests at once
    to a server.
    """

    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    parallel: str = "auto"
    batch_size: int | None = None
    chat: ChatSettings = field(default_factory=ChatSettings)
    thinking: Thinking | None = None
    save_thoughts: bool = False
    cache_dir: str | os.PathLike[str] | None = None
    verify: bool = False
    offline: bool = False
    engine: str = "transformers"
    tokenizer: str | None = None
    concurrency: int = 8

    def __post_init__(self) -> None:
        """A folder given as a text is a path from here on. Raises CalibauditError for what no path can be."""
        if self.cache_dir is not None and not isinstance(self.cache_dir, Path):
            object.__setattr__(self, "cache_dir", user_path(self.cache_dir, CalibauditError))

    @property
    def cache(self) -> Path | None:
        """cache_dir as a path."""
        assert self.cache_dir is None or isinstance(self.cache_dir, Path)
        return self.cache_dir


def evaluate(name: str, tasks: Sequence[Task], options: RunOptions, progress: Progress, notice: Notice) -> list[Scores]:
    """The scores of checkpoint or served model `name` on every task, in order; see `evaluate_model`."""
    from calibaudit.scoring.engines.remembered import ChangedModelError

    model, checkpoint = _opened(name, options, notice)
    with _kept_prompts(checkpoint, options) as kept:
        try:
            results = evaluate_model(model, tasks, options, progress, notice, kept)
        except ChangedModelError as changed:
            results = evaluate_model(changed.model, tasks, options, progress, notice)
    del model
    if "torch" in sys.modules:
        from calibaudit.models.devices import free_memory

        free_memory()
    return results


def _kept_prompts(checkpoint: Checkpoint | None, options: RunOptions) -> AbstractContextManager[PromptCache | None]:
    """Of one process alone: several have to agree on what is kept before they share what is not."""
    from calibaudit.scoring.engines.remembered import PromptCache

    if checkpoint is None or options.cache is None or options.thinking is not None or world_size() > 1:
        return nullcontext()
    return PromptCache(options.cache, checkpoint)


def open_engine(name: str, options: RunOptions, notice: Notice) -> Model | Engine:
    """What runs `name`: a server where it is the name of a served model, else what `options` say.

    notice: called with each sentence the user should read.
    """
    return _opened(name, options, notice)[0]


def _opened(name: str, options: RunOptions, notice: Notice) -> tuple[Model | Engine, Checkpoint | None]:
    """The same, with the checkpoint whose network this process would run."""
    if options.parallel.startswith("tensor") and (is_server(name) or options.engine != "transformers"):
        runner = "a server" if is_server(name) else options.engine
        raise ModelError(f"{shown(name)}: --parallel {options.parallel}: {runner} splits its models itself; drop it")
    if is_server(name):
        from calibaudit.scoring.engines.server import open_server

        if options.revision is not None:
            raise ModelError(f"{shown(name)}: --revision {options.revision} chooses nothing on a server; drop it")
        served = open_server(
            name,
            tokenizer=options.tokenizer,
            concurrency=options.concurrency,
            offline=options.offline,
            notice=notice,
        )
        return served, None
    if options.engine == "vllm":
        from calibaudit.scoring.engines.vllm_engine import open_vllm

        vllm = open_vllm(
            name,
            revision=options.revision,
            dtype=options.dtype,
            device=options.device,
            offline=options.offline,
            notice=notice,
        )
        return vllm, None
    refuse_served((name,), "this needs them")
    return _remembered_or_loaded(name, options, notice)


def load(name: str, options: RunOptions, notice: Notice) -> Model:
    """The checkpoint, loaded as `options` say. notice: called with each sentence the user should read."""
    refuse_served((name,), "this needs them")
    model = _load(_found(name, options), options)
    for warning in model.warnings:
        notice(warning)
    return model


def _remembered_or_loaded(name: str, options: RunOptions, notice: Notice) -> tuple[Model | Engine, Checkpoint]:
    """What an earlier run found out about the checkpoint, in the place of its network, which is loaded when needed."""
    from calibaudit.scoring.engines.remembered import ModelMemory, Remembered, facts_of

    checkpoint = _found(name, options)
    memory = ModelMemory(options.cache)
    alone = world_size() == 1  # several processes would have to agree on what is remembered, and by whom
    facts = memory.get(checkpoint, options.dtype, options.device) if alone and options.thinking is None else None
    model: Model | Engine
    if facts is None:
        model = _load(checkpoint, options)
        facts = facts_of(model)
        if alone:
            memory.keep(checkpoint, options.dtype, options.device, facts)
    else:
        model = Remembered(checkpoint, facts, lambda: _load(checkpoint, options), options.batch_size)
    for warning in facts.warnings:
        notice(warning)
    return model, checkpoint


def _found(name: str, options: RunOptions) -> Checkpoint:
    """The checkpoint; while a folder's files are hashed, PyTorch starts."""
    finding = _finding(name, options)
    if wait([finding], timeout=_AT_ONCE).not_done:
        import calibaudit.models.model  # noqa: F401  # what loading needs
    return finding.result()


def hash_ahead(names: Sequence[str], options: RunOptions) -> None:
    """Begins to hash those that are folders, so that this is done when their turn comes. Faults are told then."""
    for name in names:
        if _is_hashed_beside(name):
            _finding(name, options)


def _finding(name: str, options: RunOptions) -> Future[Checkpoint]:
    """The search for a checkpoint, in a thread where it hashes; a second search waits for the first one's digest."""
    from calibaudit.models.checkpoints import find_checkpoint
    from calibaudit.models.formats.digests import Digests

    finding: Future[Checkpoint] = Future()

    def find() -> None:
        try:
            digests = Digests(options.cache, options.verify)
            found = partial(find_checkpoint, name, revision=options.revision, offline=options.offline, digests=digests)
            finding.set_result(once_a_node(found))
        except BaseException as error:
            finding.set_exception(error)

    if _is_hashed_beside(name):
        threading.Thread(target=find, daemon=True).start()  # not waited for when the command is interrupted
    else:
        find()
    return finding


def _is_hashed_beside(name: str) -> bool:
    """Of a hub id nothing is hashed, and an adapter is small; several processes meet in the search: no thread does."""
    return world_size() == 1 and is_there(Path(name) / "config.json", Path.is_file)


_AT_ONCE = 0.1
"""Seconds in which a folder is found whose files need no hashing."""


def _load(checkpoint: Checkpoint, options: RunOptions) -> Model:
    stages.info("loading %s", checkpoint.name)
    if world_size() == 1:
        _wake(options.device)
    from calibaudit.models.model import load_model

    return load_model(checkpoint, dtype=options.dtype, device=options.device, parallel=options.parallel)


def _wake(device: str) -> None:
    """Starts the GPU beside the import of what loads networks: its context and its libraries take a second or so."""
    import torch

    def first_product() -> None:
        with suppress(Exception):  # loading says what is wrong
            ones = torch.ones(16, 16, dtype=torch.bfloat16, device="cuda" if device == "auto" else device)
            (ones @ ones).sum().item()

    if device == "auto" or device.startswith("cuda"):
        threading.Thread(target=first_product, daemon=True).start()


def evaluate_model(
    model: Model | Engine,
    tasks: Sequence[Task],
    options: RunOptions,
    progress: Progress,
    notice: Notice,
    kept: PromptCache | None = None,
) -> list[Scores]:
    """The model's scores on every task, in order. kept: which prompts earlier runs came to.

    With the template `both`, two entries a task: plain, then inside the chat template (plain again for a model that
    has none). progress: called with (label, finished, all), before all else with (label, 0, all) of every
    label. notice: called with each sentence the user should read.
    """
    from calibaudit.scoring.engines.remembered import Remembered
    from calibaudit.scoring.score import kept_score, score

    chosen = options.chat.template
    if isinstance(model, Remembered) and model.has_template is not None and chosen in CHOICES:
        templated = model.has_template and chosen != "off"
    else:
        templated = template_source(model.tokenizer, chosen) is not None
    if chosen == "both" and not templated:
        notice(f"{model.info.name}: its tokenizer has no chat template; both rows of a task show the plain prompt")
    passes = ["off", "auto"] if chosen == "both" else [chosen]
    if not templated:
        passes = ["off"] * len(passes)
    can_think = options.thinking is not None and templated and _can_think(model, tasks, options.chat)
    if options.thinking is not None and not can_think:
        notice(f"{model.info.name}: its chat template has no place for a thought, so its answers are direct")
    results: list[Scores] = []
    for task in tasks:
        for template in dict.fromkeys(passes):
            progress(_label(task, template), 0, len(task.items))
    for task in tasks:
        for template in dict.fromkeys(passes):
            label = _label(task, template)

            def report(done: int, total: int, label: str = label) -> None:
                progress(label, done, total)

            chat = replace(options.chat, template=template)
            scores = None
            if isinstance(model, Remembered) and kept is not None and options.cache is not None:
                scores = kept_score(task, model, chat=chat, cache_dir=options.cache, kept=kept, progress=report)
            if scores is None:
                scores = score(
                    task,
                    model,
                    chat=chat,
                    thinking=options.thinking if can_think and template != "off" else None,
                    save_thoughts=options.save_thoughts,
                    batch_size=options.batch_size,
                    cache_dir=options.cache,
                    kept=kept,
                    progress=report,
                )
            results += [scores] * (len(passes) if len(set(passes)) == 1 else 1)
    return results


def _label(task: Task, template: str) -> str:
    return task.name if template == "off" else f"{task.name} (chat)"


def _can_think(model: Model | Engine, tasks: Sequence[Task], chat: ChatSettings) -> bool:
    prompts = prompts_for(model.tokenizer, replace(chat, template="auto") if chat.template == "both" else chat)
    return prompts.is_chat and all(prompts.can_think(task.items[0], where_of(task, task.items[0])) for task in tasks)


def scores_of(
    name: str,
    task_names: Sequence[str] | None,
    tasks: Sequence[Task] | None,
    options: RunOptions,
    progress: Progress,
    notice: Notice,
) -> list[Scores]:
    """Saved scores, or those of model `name` on the tasks (None: `name` is a file, read by task_names alone)."""
    if is_saved_scores(name):
        if tasks is not None:
            return read_saved(name, [task.name for task in tasks], notice)
        return read_saved(name, None if task_names is None else _scored_names(task_names), notice)
    assert tasks is not None
    return evaluate(name, tasks, options, lambda label, done, n: progress(f"{name} {label}", done, n), notice)


def _scored_names(names: Sequence[str]) -> list[str]:
    """Groups and task files as the names their scores are saved under; any other name as it is, it may be one."""
    found: dict[str, None] = {}
    for name in names:
        try:
            found |= dict.fromkeys(member_names(name))
        except TaskError:
            found[name] = None
    return list(found)
