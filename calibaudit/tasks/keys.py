"""What the keys of a task file may hold: templates, choices, targets, and what a data set is loaded with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from calibaudit.errors import TaskError
from calibaudit.files.text import json_value
from calibaudit.tasks.templates import compile_template
from calibaudit.tasks.yaml_file import Function

METRICS = (
    "acc", "acc_norm", "acc_bytes", "acc_mutual_info",
    "brier_score", "bypass", "exact_match", "f1", "likelihood", "mcc",
)  # fmt: skip


class Keys(BaseModel):
    """A mapping all keys of which are known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


def _text_or_texts(value: object) -> object:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value)):
        return value
    raise ValueError(f"expected text or a list of strings, found {json_value(value, 80)}")


def _template(value: object) -> object:
    if isinstance(value, str):
        try:
            compile_template(value)
        except TaskError as error:
            raise ValueError(str(error)) from None
    return value


def _target(value: object) -> object:
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError("a list of right answers is not supported: an item has one right choice")
        (value,) = value
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return _template(value)
    raise ValueError(f"expected a column, a template or the index of the right choice, found {json_value(value, 80)}")


def _choices(value: object) -> object:
    if isinstance(value, str):
        return _template(value)
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(parts, list):
        raise ValueError(f"expected a column, a template or a list of strings, found {json_value(value, 80)}")
    for index, part in enumerate(parts):
        if not isinstance(part, str):
            hint = "; YAML reads no, yes, on, off as booleans" if isinstance(part, bool) else ""
            raise ValueError(f"choice {index}: expected text, found {json_value(part)}: quote it{hint}")
    if len(parts) < 2:
        raise ValueError(f"{len(parts)} choice(s): at least 2 are needed")
    return value


def _files(value: object) -> object:
    if value is None:
        return value
    if isinstance(value, dict) and value:
        return {str(split): _text_or_texts(files) for split, files in value.items()}
    return _text_or_texts(value)


def _header(value: object) -> object:
    if value is None or value == "infer" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"expected a row number, `infer`, or null for a file without a header, found {json_value(value)}")


def _columns(value: object) -> object:
    kinds = {type(part) for part in value} if isinstance(value, list) else set()
    if kinds in ({int}, {str}):
        return value
    raise ValueError(f"expected a list of names or a list of numbers, found {json_value(value, 80)}")


def _rows(value: object) -> object:
    parts = value if isinstance(value, list) else [value]
    if all(isinstance(part, int) and not isinstance(part, bool) and part >= 0 for part in parts):
        return value
    raise ValueError(f"expected a number of rows or a list of row numbers, found {json_value(value, 80)}")


def _one_repeat(value: object) -> object:
    if value != 1 or isinstance(value, bool):
        raise ValueError(f"{value!r}: only 1 is possible, since the score of a choice does not vary")
    return value


def _only_pass_through(value: object) -> object:
    steps = [step for entry in value for step in _steps(entry)] if isinstance(value, list) else [value]
    for step in steps:
        if step is not None and step != "take_first":
            raise ValueError(
                f"the filter {step!r} works on a model's answers; calibaudit scores given choices and knows only "
                "`take_first`, which leaves them as they are: leave it out"
            )
    return value


def _steps(entry: object) -> list[object]:
    """The functions of one entry of filter_list."""
    steps = entry.get("filter") if isinstance(entry, dict) else None
    if not isinstance(steps, list):
        return [entry]
    return [step.get("function") if isinstance(step, dict) and len(step) == 1 else step for step in steps]


def _metric(value: object) -> object:
    if value in METRICS or isinstance(value, Function):
        return value
    raise ValueError(f"expected one of {', '.join(METRICS)}; found {json_value(value)}")


Text = Annotated[str, BeforeValidator(_template)]
Target = Annotated[str | int, BeforeValidator(_target)]
Choices = Annotated[str | list[str] | dict[Any, str], BeforeValidator(_choices)]
Texts = Annotated[str | list[str], BeforeValidator(_text_or_texts)]
Repeats = Annotated[int | None, BeforeValidator(_one_repeat)]
Filters = Annotated[list[Any] | None, BeforeValidator(_only_pass_through)]


class Metric(Keys):
    """One entry of metric_list: accepted, without effect."""

    model_config = ConfigDict(extra="ignore")
    metric: Annotated[Any, BeforeValidator(_metric)]


_PANDAS = {"column_names": "names", "delimiter": "sep"}


class DatasetKwargs(Keys):
    """What is handed to `datasets.load_dataset` besides path and name: only what is written in the file.

    Below `field` are options of its readers for CSV, JSON, Parquet and text.
    """

    data_files: Annotated[str | list[str] | dict[str, str | list[str]] | None, BeforeValidator(_files)] = None
    data_dir: str | None = None
    revision: str | None = None
    trust_remote_code: bool | None = None
    streaming: bool | None = None
    field: str | None = None
    encoding: str | None = None
    encoding_errors: str | None = None
    sep: str | None = None
    delimiter: str | None = None
    header: Annotated[int | str | None, BeforeValidator(_header)] = None
    names: list[str] | None = None
    column_names: list[str] | None = None
    usecols: Annotated[list[int | str], BeforeValidator(_columns)] | None = None
    skiprows: Annotated[int | list[int], BeforeValidator(_rows)] | None = None
    nrows: Annotated[int, Field(ge=1)] | None = None
    skipfooter: int | None = None
    skipinitialspace: bool | None = None
    skip_blank_lines: bool | None = None
    na_values: Texts | None = None
    keep_default_na: bool | None = None
    na_filter: bool | None = None
    true_values: list[str] | None = None
    false_values: list[str] | None = None
    thousands: str | None = None
    decimal: str | None = None
    lineterminator: str | None = None
    quotechar: str | None = None
    quoting: Annotated[int, Field(ge=0, le=5)] | None = None
    doublequote: bool | None = None
    escapechar: str | None = None
    comment: str | None = None
    on_bad_lines: Literal["error", "warn", "skip"] | None = None
    columns: list[str] | None = None
    keep_linebreaks: bool | None = None
    sample_by: Literal["line", "paragraph", "document"] | None = None

    @property
    def written(self) -> dict[str, Any]:
        """The keys that stand in the file, `header: null` among them, less those without effect here.

        No data set's own code is run whatever `trust_remote_code` says, and all documents are read at once.
        `column_names` and `delimiter` go by pandas' names: `datasets` hears the two only where a path is a file format.
        """
        found = self.model_dump(exclude_unset=True, exclude={"trust_remote_code", "streaming"})
        return {_PANDAS.get(key, key): value for key, value in found.items()}
