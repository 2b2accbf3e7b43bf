"""A checkpoint as an earlier run found it: where all of its answers are kept, its network is never loaded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import CHOICES
from calibaudit.files.checked_lines import count_of, flag_in, text_in
from calibaudit.files.memory import Memory
from calibaudit.models.checkpoints import Checkpoint, fetch_tokenizer
from calibaudit.models.tokenizer import TokenizerKind, kind_of, load_tokenizer
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.scores import ModelInfo
from calibaudit.scoring.cache import LineCache
from calibaudit.scoring.engines.engine import InProcess, RowResults
from calibaudit.scoring.engines.versions import installed
from calibaudit.tasks.items import Task

if TYPE_CHECKING:
    from calibaudit.models.model import Model
    from calibaudit.scoring.cache import ItemCache
    from calibaudit.scoring.encode import Row, Take

FILE = "models.jsonl"
"""Where it is remembered, below the cache's folder."""

FORMAT = 2
"""To be raised when what loading finds out changes: what was remembered in another format is not read."""

_LIBRARIES = (
    "calibaudit", "torch", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "bitsandbytes", "torchao",
    "compressed-tensors", "optimum", "gptqmodel", "autoawq", "kernels", "jinja2", "sentencepiece", "tiktoken",
)  # fmt: skip


class ChangedModelError(Exception):
    """The network was loaded, and is run in another way than was remembered. model: it."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.info.name)
        self.model = model


@dataclass(frozen=True)
class Facts:
    """What loading a checkpoint found out, as far as scores and keys of kept items hold it.

    settings: an engine's. has_template: whether its tokenizer has a chat template; None where it has several by name.
    """

    info: ModelInfo
    max_length: int
    prefix_token_id: int | None
    n_embeddings: int
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]
    tokenizer: TokenizerKind | None
    has_template: bool | None


def facts_of(model: Model) -> Facts:
    return Facts(
        info=model.info,
        max_length=model.max_length,
        prefix_token_id=model.prefix_token_id,
        n_embeddings=model.n_embeddings,
        settings=InProcess(model).settings(),
        warnings=model.warnings,
        tokenizer=kind_of(model.tokenizer),
        has_template=bool(own) if (own := model.tokenizer.chat_template) is None or isinstance(own, str) else None,
    )


class ModelMemory:
    """Facts of checkpoints, by what they hang on. folder: the cache's; None knows nothing and keeps nothing.

    They hang on the checkpoint's files and name, what it was asked to run as, the machine's GPUs, the libraries and
    the code that finds them out.
    """

    def __init__(self, folder: Path | None) -> None:
        self._memory = Memory(None if folder is None else folder / FILE)

    def get(self, checkpoint: Checkpoint, dtype: str, device: str) -> Facts | None:
        entry = self._memory.get(_key(checkpoint, dtype, device))
        if entry is None:
            return None
        try:
            return Facts(
                info=_info(entry["info"]),
                max_length=count_of(entry["max_length"]),
                prefix_token_id=None if (found := entry["prefix_token_id"]) is None else count_of(found),
                n_embeddings=count_of(entry["n_embeddings"]),
                settings=dict(entry["settings"]),
                warnings=tuple(str(warning) for warning in entry["warnings"]),
                tokenizer=None if entry["tokenizer"] is None else TokenizerKind(**entry["tokenizer"]),
                has_template=entry["has_template"],
            )
        except (KeyError, TypeError, ValueError):
            return None

    def keep(self, checkpoint: Checkpoint, dtype: str, device: str, facts: Facts) -> None:
        self._memory.keep(_key(checkpoint, dtype, device), dataclasses.asdict(facts))


def _info(entry: Mapping[str, Any]) -> ModelInfo:
    """Raises TypeError or KeyError where the entry is not of its fields' types."""
    for field in dataclasses.fields(ModelInfo):
        if field.name in entry and field.type == "str":
            text_in(entry, field.name)
        elif field.name in entry and field.type == "int":
            count_of(entry[field.name])
    return ModelInfo(**entry)


class Remembered:
    """An Engine that loads its network only when a row is to be scored, by `load`.

    score_rows raises ChangedModelError where that is run in another way than was remembered.
    """

    def __init__(
        self, checkpoint: Checkpoint, facts: Facts, load: Callable[[], Model], batch_size: int | None = None
    ) -> None:
        self._checkpoint = checkpoint
        self._facts = facts
        self._load = load
        self._batch_size = batch_size
        self.has_template = facts.has_template
        self.max_length = facts.max_length
        self.prefix_token_id = facts.prefix_token_id
        self.n_embeddings: int | None = facts.n_embeddings

    @property
    def info(self) -> ModelInfo:
        """Of the network where it was loaded; it may lie on another device than the last time."""
        return self._engine.info if "_engine" in self.__dict__ else self._facts.info

    @property
    def n_ranks(self) -> int:
        """Processes that run one copy of the network together. Loads it."""
        return int(getattr(self._engine, "n_ranks", 1))

    @cached_property
    def tokenizer(self) -> Any:
        """As loading the network gives it."""
        from calibaudit.models.library import quiet

        found = fetch_tokenizer(self._checkpoint)
        with quiet():
            return load_tokenizer(found, self._facts.tokenizer)

    @cached_property
    def _engine(self) -> InProcess:
        model = self._load()
        if _decisive(facts_of(model)) != _decisive(self._facts):
            raise ChangedModelError(model)
        return InProcess(model, self._batch_size)

    def settings(self) -> Mapping[str, Any]:
        return self._facts.settings

    def check_task(self, task: Task) -> None:
        pass

    def check_kept(self, cache: ItemCache) -> None:
        pass

    def score_rows(self, rows: Sequence[Row], names: Sequence[str], take: Take | None = None) -> Iterator[RowResults]:
        return self._engine.score_rows(rows, names, take)


@dataclass(frozen=True)
class TaskPrompts:
    """A task's prompts, by the keys under which their results are kept. bare: those of the pmi scoring.

    is_chat: whether they stand in the chat template. form: how. key: see `task_key`.
    """

    key: str
    is_chat: bool
    form: PromptFormat | None
    asked: tuple[str, ...]
    bare: tuple[str, ...]


class PromptCache(LineCache[TaskPrompts]):
    """Which prompts the tasks of earlier runs came to, so that they need not be written again to be looked up.

    They hang on the tokenizer's files, on the libraries that read them and on the code that writes prompts.
    """

    kind = "prompts"
    format = FORMAT

    def __init__(self, folder: Path | None, checkpoint: Checkpoint) -> None:
        super().__init__(folder, {"revision": checkpoint.revision, "versions": _versions(), "code": _code(_WRITES)})

    def _read(self, fields: Mapping[str, Any]) -> TaskPrompts:
        asked, bare = (tuple(fields[name]) for name in ("asked", "bare"))
        if not all(isinstance(key, str) for key in (*asked, *bare)):
            raise TypeError("a key is not text")
        form = None if fields["form"] is None else PromptFormat(**fields["form"])
        return TaskPrompts(text_in(fields, "key"), flag_in(fields, "is_chat"), form, asked, bare)


def task_key(task: Task, chat: ChatSettings) -> str | None:
    """Of everything in the task and the settings that a prompt is made of; None where a file holds some of it."""
    if chat.template not in CHOICES:
        return None
    items = [dataclasses.astuple(item) for item in task.items]
    content = [task.scoring, task.system, task.n_fewshot, dataclasses.asdict(chat), items]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


_FINDS = ("models", "scoring")
"""What finds facts out."""

_WRITES = ("chat", "scoring/prompts.py", "models/tokenizer.py")
"""What makes prompts of items."""


@cache
def _code(places: tuple[str, ...]) -> str:
    """A digest of calibaudit's own modules there."""
    root = Path(__file__).parents[2]
    files = [file for place in places for file in sorted((root / place).rglob("*.py")) or [root / place]]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:32]


def _decisive(facts: Facts) -> str:
    """What the rows and the keys of kept items hang on; as JSON, which is how one side of a comparison was kept."""
    return json.dumps([facts.max_length, facts.prefix_token_id, facts.n_embeddings, facts.settings], sort_keys=True)


def _key(checkpoint: Checkpoint, dtype: str, device: str) -> str:
    names = []
    part: Checkpoint | None = checkpoint
    while part is not None:
        names.append([part.name, str(part.path.resolve())])
        part = part.base
    found = [FORMAT, checkpoint.revision, names, dtype, device, _machine(), _versions(), _code(_FINDS)]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _machine() -> list[Any]:
    """What decides where `auto` is, as far as it can be seen without starting PyTorch."""
    gpus = sorted(str(path) for place in ("nvidia[0-9]*", "kfd", "dxg") for path in Path("/dev").glob(place))
    chosen = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "LOCAL_RANK")}
    return [platform.node(), platform.machine(), gpus, chosen]


@cache
def _versions() -> Mapping[str, str]:
    return installed(_LIBRARIES)
