"""lm-evaluation-harness's own objects: tasks built by it, what it asks of a document, what it holds for right.

This is the one place of calibaudit where the harness's code and the functions of its task files run, and
`calibaudit tasks convert` is the only way to it. `lm_eval` is imported in functions alone.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import CalibauditError, TaskError
from calibaudit.files.hub import out_of_reach
from calibaudit.files.paths import user_path
from calibaudit.tasks.documents import BUILDERS
from calibaudit.tasks.library import closed_network, quiet_datasets

Download = Callable[[Any], Any]
"""A harness task (its `config` is set) -> its splits, a mapping of names to data sets."""

MISSING = (
    "lm-evaluation-harness is not installed here, and it is what runs a task's functions: "
    "`pip install lm_eval`, then run `calibaudit tasks convert` in the same environment"
)


@dataclass(frozen=True)
class Built:
    """What a name stands for. groups: name -> names of its members, which are tasks or further groups."""

    tasks: dict[str, Any]
    groups: dict[str, tuple[str, ...]]


def harness_version() -> str:
    """The installed version. Raises TaskError when there is none, or one that is too old."""
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise TaskError(f"{MISSING} (Python says: {error})") from None
    from importlib.metadata import version

    found = version("lm_eval")
    if not hasattr(TaskManager, "load"):
        raise TaskError(f"lm-evaluation-harness {found} is too old for convert: `pip install --upgrade lm_eval`")
    return found


def build(name: str, *, include_path: Path | None = None, mirror: Path | None = None, offline: bool = False) -> Built:
    """The task, group or tag of this name, or of this YAML file, built by the harness with its documents.

    Raises TaskError when the harness knows no such name, or cannot build it.
    """
    harness_version()
    from lm_eval.tasks import TaskManager

    with quietly(offline=offline), downloading(lambda task: _downloaded(task, mirror)):
        try:
            manager = TaskManager(
                include_path=None if include_path is None else str(include_path),
                include_defaults=not _is_one_task(name),
            )
            if name not in manager.all_tasks and not user_path(name, TaskError).is_file():
                raise TaskError(
                    f"lm-evaluation-harness knows no task, group or tag {name!r}, and there is no such file"
                )
            loaded = manager.load([name])
        except CalibauditError:
            raise
        except Exception as error:
            # The harness, the data set's readers and the task's own functions raise what they like.
            raise TaskError(f"{name}: lm-evaluation-harness cannot build it: {told(error)}") from error
        is_tag = name in manager.all_tags
    groups = {str(group): tuple(members) for group, members in loaded.get("group_map", {}).items()}
    return Built(dict(loaded["tasks"]), {name: tuple(loaded["tasks"])} if is_tag else groups)


def told(error: BaseException) -> str:
    """An exception as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.300}".rstrip(": ")


def _is_one_task(name: str) -> bool:
    """Whether a name is a file that holds one task: then the harness's own 14,000 files need not be read."""
    from calibaudit.tasks.yaml_file import TaskFileError, read_source

    path = user_path(name, TaskError)
    if not path.is_file():
        return False
    try:
        data = read_source(path).data
    except TaskFileError:
        return False
    return "group" not in data and isinstance(data.get("task"), str)


def _downloaded(task: Any, mirror: Path | None) -> Any:
    """A task's data set, from a local copy where there is one. The cache of `datasets` never serves a local copy."""
    import datasets

    config = task.config
    kwargs = {key: value for key, value in (config.dataset_kwargs or {}).items() if key != "trust_remote_code"}
    if callable(config.custom_dataset):
        return config.custom_dataset(**(config.metadata or {}), **(config.dataset_kwargs or {}))
    copy = None if mirror is None else mirror / config.dataset_path
    if copy is None or not copy.exists():
        cut_off = config.dataset_path not in BUILDERS and out_of_reach() is not None
        with quiet_datasets(offline=cut_off):
            return datasets.load_dataset(path=config.dataset_path, name=config.dataset_name, **kwargs)
    with tempfile.TemporaryDirectory(prefix="calibaudit-", ignore_cleanup_errors=True) as cache:
        return datasets.load_dataset(str(copy), config.dataset_name, cache_dir=cache, keep_in_memory=True, **kwargs)


@contextmanager
def downloading(download: Download) -> Iterator[None]:
    """While it lasts, the harness's tasks get their documents from `download`."""
    from lm_eval.api.task import ConfigurableTask

    def given(self: Any, dataset_kwargs: Any = None, **_: Any) -> None:
        self.dataset = download(self)

    before = ConfigurableTask.download
    ConfigurableTask.download = given
    try:
        yield
    finally:
        ConfigurableTask.download = before


@contextmanager
def quietly(*, offline: bool) -> Iterator[None]:
    """Without the harness's log lines and progress bars; with offline, without the network."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    with quiet_datasets(offline=offline), closed_network(offline):
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


def requests(task: Any, doc: Any, n_fewshot: int) -> list[tuple[str, str]]:
    """(context, continuation) of each choice, as the harness hands them to a model.

    Examples are drawn one document after another: ask in order, after `task.set_fewshot_seed`.
    """
    context = task.fewshot_context(doc, n_fewshot, gen_prefix=task.doc_to_prefix(doc))
    instances = task.construct_requests(doc=doc, ctx=context, metadata=(task.config.task, 0, 1))
    n = len(task.doc_to_choice(doc))  # behind them: what a mutual-information metric asks for
    return [(str(instance.arguments[0]), str(instance.arguments[1])) for instance in instances[:n]]


def gold(task: Any, doc: Any) -> int | None:
    """The right choice's index by the harness's rule; None where it finds none."""
    value = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    return gold_of(value, task.doc_to_choice(doc))


def gold_of(value: object, choices: Sequence[object]) -> int | None:
    """The index that a target stands for: itself, or the place of the same text."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, str):
        return list(choices).index(value) if value in choices else None
    if isinstance(value, (int, float)) and float(value).is_integer() and 0 <= value < len(choices):
        return int(value)
    return None
