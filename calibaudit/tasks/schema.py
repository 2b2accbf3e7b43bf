"""The schema of a task file: the multiple-choice subset of lm-evaluation-harness's, and four keys of our own."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from calibaudit.files.text import json_value
from calibaudit.tasks.items import Scoring, scoring_of_choices
from calibaudit.tasks.keys import Choices, DatasetKwargs, Filters, Keys, Metric, Repeats, Target, Text, Texts
from calibaudit.tasks.yaml_file import Function, KeyPath, Place, Source, TaskFileError

CONVERT = "where lm-evaluation-harness is installed, `calibaudit tasks convert {file} -o FOLDER`"
"""The way out for a task file that needs its own Python code, named for one file."""

_MEDIA = "calibaudit audits text models"
UNSUPPORTED: Mapping[str, str] = {
    "process_docs": "it stands for Python code, as `!function module.name`; say the same in Jinja in doc_to_text, "
    "doc_to_choice and doc_to_target",
    "process_results": "calibaudit has its own metrics: leave it out where doc_to_target gives one right choice",
    "custom_dataset": "it stands for Python code, as `!function module.name`; take dataset_path, or JSONL",
    "class": "it is a task written in Python; describe the task by keys",
    "use_prompt": "promptsource templates are not loaded; write the template into doc_to_text",
    "doc_to_image": _MEDIA,
    "doc_to_audio": _MEDIA,
    "task_list": "write a group file: `group: NAME` and `task: [...]`",
}
"""Keys that lm-evaluation-harness knows and calibaudit does not, with the reason or the way out."""

_WITHOUT_EFFECT = (
    *("metric_list", "aggregate_metric_list", "metadata", "generation_kwargs"),
    *("should_decontaminate", "doc_to_decontamination_query"),
)
"""Keys whose values change neither prompts nor choices nor answers: a function there is passed over."""


class FewshotConfig(Keys):
    """How few-shot examples are chosen and written; what is None is as for the question itself."""

    sampler: Literal["default", "first_n"] = "default"
    split: str | None = None
    samples: list[dict[str, Any]] | None = None
    fewshot_indices: list[Annotated[int, Field(ge=0)]] | None = None
    doc_to_text: Text | None = None
    doc_to_target: Target | None = None
    doc_to_choice: Choices | None = None
    target_delimiter: str | None = None
    fewshot_delimiter: str | None = None
    gen_prefix: Text | None = None


class TaskSpec(Keys):
    """A task file's keys."""

    task: Annotated[str, Field(pattern=r"^[^\s,/\\]+$")]
    task_alias: str | None = None
    tag: Texts | None = None
    dataset_path: Annotated[str, Field(min_length=1)]
    dataset_name: str | None = None
    dataset_kwargs: DatasetKwargs | None = None
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    doc_to_text: Text
    doc_to_target: Target
    doc_to_choice: Choices
    description: Text | None = None
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    gen_prefix: Text | None = None
    fewshot_config: FewshotConfig | None = None
    num_fewshot: Annotated[int, Field(ge=0)] | None = None
    output_type: Literal["multiple_choice"]
    metric_list: list[Metric] | None = None
    metadata: dict[str, Any] | None = None
    generation_kwargs: Any = None
    should_decontaminate: Any = None
    doc_to_decontamination_query: Any = None
    repeats: Repeats = None
    filter_list: Filters = None
    unsafe_code: bool | None = None
    scoring: Scoring | None = None
    doc_to_id: Text | None = None
    doc_to_group: Text | None = None
    doc_to_level: Text | None = None

    @property
    def evaluated_split(self) -> str:
        """The split whose documents become items: the test split, else the validation split."""
        split = self.test_split or self.validation_split
        assert split, "checked when the file was read"
        return split

    @property
    def default_scoring(self) -> Scoring:
        """`scoring:` if given; else by `scoring_of_choices` for a list; cloze for a template, before it is rendered."""
        if self.scoring is not None:
            return self.scoring
        choices = list(self.doc_to_choice.values()) if isinstance(self.doc_to_choice, dict) else self.doc_to_choice
        return "cloze" if isinstance(choices, str) else scoring_of_choices([choices], is_constant=True)


class GroupSpec(Keys):
    """A group file's own keys; all others are defaults of its members."""

    group: Annotated[str, Field(pattern=r"^[^,/\\]+$")]
    group_alias: str | None = None
    task: list[str | dict[str, Any]]
    aggregate_metric_list: list[dict[str, Any]] | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class Definition:
    """A sound task file, or one member of a group file. `path`: the file that messages name."""

    path: Path
    spec: TaskSpec
    source: Source

    def folder(self, *keys: str) -> Path:
        """The folder of the file in which a key was written: relative paths start there."""
        return self.source.place(*keys).path.parent

    @property
    def where(self) -> str:
        """How messages begin."""
        return f"task {self.spec.task} ({self.path})"


def parse_task(source: Source) -> Definition:
    """A task's mapping, checked. Raises TaskFileError with every fault."""
    faults = sorted({*_function_faults(source), *_schema_faults(TaskSpec, source), *_relation_faults(source)})
    if faults:
        raise TaskFileError(f"{place}: {what}" for place, what in faults)
    return Definition(source.path, TaskSpec.model_validate(_supported(source.data)), source)


def parse_group(source: Source) -> GroupSpec:
    """A group file's own keys, checked. Raises TaskFileError with every fault."""
    own = source.without(*(key for key in source.data if key not in GroupSpec.model_fields))
    if isinstance(own.data.get("task"), str):
        own = Source(own.path, {**own.data, "task": [own.data["task"]]}, own.places)
    if faults := sorted({*_schema_faults(GroupSpec, own)}):
        raise TaskFileError(f"{place}: {what}" for place, what in faults)
    try:
        return GroupSpec.model_validate(own.data)
    except ValidationError as error:  # of a function, which says for itself that it is not run, no fault is made above
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"][:2]))
        raise TaskFileError([f"{own.path}: {where}: {_in_words(first)}"]) from None


def _supported(data: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in data.items() if not (key in UNSUPPORTED and value is None)}
    if isinstance(kept.get("fewshot_config"), dict):
        kept["fewshot_config"] = _supported(kept["fewshot_config"])
    return kept


def _functions(value: object, keys: KeyPath = (), seen: set[int] | None = None) -> Iterator[tuple[KeyPath, Function]]:
    """Every function below a value, with its key path; those without effect are passed over. YAML's aliases may
    repeat a value, even inside itself: it is entered once."""
    seen = set() if seen is None else seen
    if isinstance(value, Function):
        yield keys, value
    elif isinstance(value, (dict, list)) and id(value) not in seen:
        seen.add(id(value))
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if keys or key not in _WITHOUT_EFFECT:
                yield from _functions(part, (*keys, key), seen)


def _function_faults(source: Source) -> Iterator[tuple[Place, str]]:
    """Functions where they decide what is asked, each named with the way out."""
    for keys, function in _functions(dict(source.data)):
        key = ".".join(map(str, keys))
        if keys[0] == "class":
            way = UNSUPPORTED["class"]
        elif keys[0] == "filter_list":
            way = "filters work on a model's answers; calibaudit scores given choices: leave it out"
        elif keys == ("fewshot_config", "sampler"):
            way = "take `default` or `first_n`"
        else:
            file = shlex.quote(str(source.path))
            way = f"{CONVERT.format(file=file)} runs it once and writes a plain task file with its documents"
        yield source.place(*keys), f"{key}: {function} is Python code, which is never run here: {way}"


def _schema_faults(model: type[Keys], source: Source) -> Iterator[tuple[Place, str]]:
    """Faults of the keys themselves, each with its place; of one that holds a function, `_function_faults` tells."""
    told = {keys for keys, _ in _functions(dict(source.data))}
    if ("process_results",) in told:
        told.add(("metric_list",))  # the names of its metrics are that function's own
    try:
        model.model_validate(_supported(source.data))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            loc = detail["loc"]
            if any(loc[: len(keys)] == keys[: len(loc)] for keys in told):
                continue
            place = source.place(*loc)
            key = ".".join(str(part) for part in loc if _is_key(part))
            if detail["type"] == "extra_forbidden":
                yield place, _unknown_key(model, loc)
            elif detail["type"] == "missing":
                yield place, f"key {key!r} is missing{_why_needed(key)}"
            else:
                yield place, f"{key}: {_in_words(detail)}"


_WANTED: Mapping[str, str] = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "literal": "{expected}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "string_pattern_mismatch": "a name without {barred}",
    "string_too_short": "non-empty text",
}
"""How pydantic's kinds of faults begin, the longest counts -> what would be none."""


def _in_words(fault: Mapping[str, Any]) -> str:
    """One of pydantic's faults, in words of a task file: its own speak of inputs and their types."""
    kind, bound = str(fault["type"]), fault.get("ctx") or {}
    if kind == "value_error":
        return str(bound["error"])
    start = max((start for start in _WANTED if kind.startswith(start)), key=len, default="")
    barred = "spaces, commas or slashes" if r"\s" in str(bound.get("pattern")) else "commas or slashes"
    wanted = _WANTED.get(start, "another kind of value").format(barred=barred, **bound).replace("'", '"')
    return f"expected {wanted}, found {json_value(fault['input'], 80)}"


def _is_key(part: str | int) -> bool:
    """Not one of pydantic's names for the branch of a union, such as `list[str]`."""
    return isinstance(part, int) or (part.isidentifier() and part not in {"str", "int", "bool"})


def _why_needed(key: str) -> str:
    if key == "output_type":
        return ": write `output_type: multiple_choice` (without it lm-evaluation-harness generates text)"
    if key == "doc_to_choice":
        return ": calibaudit scores given choices"
    return ""


def _unknown_key(model: type[Keys], loc: tuple[str | int, ...]) -> str:
    key, above = str(loc[-1]), loc[:-1]
    inside = f" in {above[0]}" if above else ""
    if key in UNSUPPORTED:
        return f"key {key!r}{inside} is not supported: {UNSUPPORTED[key]}"
    nested: dict[str, type[Keys]] = {"fewshot_config": FewshotConfig, "dataset_kwargs": DatasetKwargs}
    known = nested.get(str(above[0]), model) if above else model
    names = [*known.model_fields, *(() if above else ("include", "group"))]
    near = get_close_matches(key, names, n=1, cutoff=0.0)
    return f"key {key!r}{inside} is unknown: did you mean {near[0]!r}?"


def _relation_faults(source: Source) -> Iterator[tuple[Place, str]]:
    """What holds between keys."""
    if not source.data.get("test_split") and not source.data.get("validation_split"):
        yield source.place(), "neither test_split nor validation_split is set: one of them names what is evaluated"
