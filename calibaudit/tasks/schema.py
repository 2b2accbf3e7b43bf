"""The schema of a task file: the multiple-choice subset of lm-evaluation-harness's, and four keys of our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from calibaudit.errors import TaskError
from calibaudit.tasks.items import Scoring, scoring_of_choices
from calibaudit.tasks.templates import compile_template
from calibaudit.tasks.yaml_file import Place, Source, TaskFileError

METRICS = (
    "acc", "acc_norm", "acc_bytes", "acc_mutual_info",
    "brier_score", "bypass", "exact_match", "f1", "likelihood", "mcc",
)  # fmt: skip

_PYTHON = "it runs Python code; say the same in Jinja in doc_to_text, doc_to_choice and doc_to_target"
_GENERATION = "it belongs to generation; calibaudit scores given choices"
_MEDIA = "calibaudit audits text models"
UNSUPPORTED: Mapping[str, str] = {
    "process_docs": _PYTHON,
    "process_results": "calibaudit has its own metrics",
    "custom_dataset": "it runs Python code; take dataset_path, or JSONL",
    "class": "it runs Python code; describe the task by keys",
    "use_prompt": "promptsource templates are not loaded; write the template into doc_to_text",
    "generation_kwargs": _GENERATION,
    "doc_to_image": _MEDIA,
    "doc_to_audio": _MEDIA,
    "task_list": "write a group file: `group: NAME` and `task: [...]`",
}
"""Keys that lm-evaluation-harness knows and calibaudit does not, with the reason or the way out."""


def _text_or_texts(value: object) -> object:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        return value
    raise ValueError(f"text or a list of texts is wanted, not {value!r}")


def _template(value: object) -> object:
    if isinstance(value, str):
        try:
            compile_template(value)
        except TaskError as error:
            raise ValueError(str(error)) from None
    return value


def _target(value: object) -> object:
    if isinstance(value, list):
        raise ValueError("a list of right answers is not supported: an item has one right choice")
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return _template(value)
    raise ValueError(f"a column, a template or the index of the right choice is wanted, not {value!r}")


def _choices(value: object) -> object:
    if isinstance(value, str):
        return _template(value)
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(parts, list):
        raise ValueError(f"a column, a template or a list of texts is wanted, not {value!r}")
    for index, part in enumerate(parts):
        if not isinstance(part, str):
            hint = "; YAML reads no, yes, on, off as booleans" if isinstance(part, bool) else ""
            raise ValueError(f"choice {index} is {part!r}, text is wanted: quote it{hint}")
    if len(parts) < 2:
        raise ValueError(f"{len(parts)} choice(s): at least 2 are needed")
    return value


def _files(value: object) -> object:
    if isinstance(value, dict) and value:
        return {str(split): _text_or_texts(files) for split, files in value.items()}
    return _text_or_texts(value)


def _no_remote_code(value: object) -> object:
    if value is True:
        raise ValueError("true is refused: a data set's own code is never run; take a copy without a loading script")
    return value


def _one_repeat(value: object) -> object:
    if value != 1 or isinstance(value, bool):
        raise ValueError(f"{value!r}: only 1 is possible, since the score of a choice does not vary")
    return value


def _no_filters(value: object) -> object:
    if value is not None:
        raise ValueError("filters work on generated text; calibaudit scores given choices: leave it out")
    return value


Text = Annotated[str, BeforeValidator(_template)]
Target = Annotated[str | int, BeforeValidator(_target)]
Choices = Annotated[str | list[str] | dict[Any, str], BeforeValidator(_choices)]
Texts = Annotated[str | list[str], BeforeValidator(_text_or_texts)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class DatasetKwargs(_Keys):
    """What is handed to `datasets.load_dataset` besides path and name."""

    data_files: Annotated[str | list[str] | dict[str, str | list[str]] | None, BeforeValidator(_files)] = None
    revision: str | None = None
    trust_remote_code: Annotated[bool | None, BeforeValidator(_no_remote_code)] = None


class FewshotConfig(_Keys):
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


class Metric(_Keys):
    """One entry of metric_list: accepted, without effect."""

    model_config = ConfigDict(extra="ignore")
    metric: Literal[METRICS]  # type: ignore[valid-type]


class TaskSpec(_Keys):
    """A task file's keys. docs/tasks.md has the table."""

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
    should_decontaminate: bool | None = None
    doc_to_decontamination_query: str | None = None
    repeats: Annotated[int | None, BeforeValidator(_one_repeat)] = None
    filter_list: Annotated[None, BeforeValidator(_no_filters)] = None
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


class GroupSpec(_Keys):
    """A group file's own keys; all others are defaults of its members."""

    group: Annotated[str, Field(pattern=r"^[^\s,/\\]+$")]
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
    faults = sorted({*_schema_faults(TaskSpec, source), *_relation_faults(source)})
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
    return GroupSpec.model_validate(own.data)


def _supported(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if not (key in UNSUPPORTED and value is None)}


def _schema_faults(model: type[_Keys], source: Source) -> Iterator[tuple[Place, str]]:
    """Faults of the keys themselves, each with its place."""
    try:
        model.model_validate(_supported(source.data))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            loc = detail["loc"]
            place = source.place(*loc)
            key = ".".join(str(part) for part in loc if _is_key(part))
            if detail["type"] == "extra_forbidden":
                yield place, _unknown_key(model, loc)
            elif detail["type"] == "missing":
                yield place, f"key {key!r} is missing{_why_needed(key)}"
            else:
                message = detail["msg"].removeprefix("Value error, ")
                found = "" if detail["type"] == "value_error" else f" (found {detail['input']!r:.80})"
                yield place, f"{key}: {message}{found}"


def _is_key(part: str | int) -> bool:
    """Not one of pydantic's names for the branch of a union, such as `list[str]`."""
    return isinstance(part, int) or (part.isidentifier() and part not in {"str", "int", "bool"})


def _why_needed(key: str) -> str:
    if key == "output_type":
        return ": write `output_type: multiple_choice` (without it lm-evaluation-harness generates text)"
    if key == "doc_to_choice":
        return ": calibaudit scores given choices"
    return ""


def _unknown_key(model: type[_Keys], loc: tuple[str | int, ...]) -> str:
    key, above = str(loc[-1]), loc[:-1]
    inside = f" in {above[0]}" if above else ""
    if key in UNSUPPORTED:
        return f"key {key!r}{inside} is not supported: {UNSUPPORTED[key]}"
    nested: dict[str, type[_Keys]] = {"fewshot_config": FewshotConfig, "dataset_kwargs": DatasetKwargs}
    known = nested.get(str(above[0]), model) if above else model
    names = [*known.model_fields, *(() if above else ("include", "group"))]
    near = get_close_matches(key, names, n=1, cutoff=0.0)
    return f"key {key!r}{inside} is unknown: did you mean {near[0]!r}?"


def _relation_faults(source: Source) -> Iterator[tuple[Place, str]]:
    """What holds between keys."""
    if not source.data.get("test_split") and not source.data.get("validation_split"):
        yield source.place(), "neither test_split nor validation_split is set: one of them names what is evaluated"
