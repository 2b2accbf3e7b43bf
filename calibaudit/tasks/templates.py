"""Jinja in task files: sandboxed, undefined names are errors, an empty cell is no text, the filter regex_replace."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from calibaudit.errors import CalibauditError, TaskError
from calibaudit.files.limits import TooMuch, limited, substituted
from calibaudit.files.text import json_kind


def regex_replace(string: str, pattern: str, repl: str, count: int = 0) -> str:
    """`re.sub` as a Jinja filter; the name and order of arguments of lm-evaluation-harness. count 0: all.

    Text alone: `re` would call a function, and so let the template out of its sandbox.
    """
    for name, value in (("text", string), ("pattern", pattern), ("replacement", repl)):
        if not isinstance(value, str):
            raise TaskError(f"regex_replace: the {name} must be text, not {json_kind(value)}")
    return substituted(pattern, repl, string, count)


_ADDRESS = re.compile(r"<[^<>]* at (0x[0-9a-fA-F]+)>")
"""How Python writes what has no text of its own: by its place in memory, another one in every run."""

_DRAWN = "the filter `random` draws anew in every run, so prompts and fingerprints never stay the same: leave it out"


def _random(*_: object) -> None:
    raise TaskError(_DRAWN)


def _check_repeatable(text: str, document: Mapping[str, Any]) -> None:
    """Raises TaskError where a rendered text names a place in memory that the document does not."""
    found = _ADDRESS.search(text) if " at 0x" in text else None
    if found is not None and found[1] not in str(document):
        raise TaskError(
            f"it writes {found[0]:.80}, which differs in every run: end it with `| list`, `| join` or a value"
        )


_WHOLE = "doc"
"""The name of the whole document in a template, unless a column is called so."""


class _Null:
    """An empty cell (JSON's null) inside a template: no text when written, else what None is.

    Python would write the word "None", with or without a filter such as `trim`. `written` counts the times.
    """

    written = 0

    def __str__(self) -> str:
        _Null.written += 1
        return ""

    def __repr__(self) -> str:
        return "None"  # so that a list of choices with an empty cell does not pass for a list of texts

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, _Null)

    def __hash__(self) -> int:
        return hash(None)

    def __bool__(self) -> bool:
        return False


_Null.__name__ = _Null.__qualname__ = "NoneType"  # what messages call it
_Null.__module__ = "builtins"
_NULL = _Null()


def nulls_written() -> int:
    """How many empty cells templates have written as no text so far."""
    return _Null.written


def _with_nulls(value: Any) -> Any:
    """The same value, None replaced in it and in its lists and mappings; itself where it holds none."""
    if value is None:
        return _NULL
    if isinstance(value, Mapping):
        changed = {key: _with_nulls(part) for key, part in value.items()}
        return changed if any(changed[key] is not part for key, part in value.items()) else value
    if isinstance(value, list):
        parts = [_with_nulls(part) for part in value]
        return parts if any(new is not old for new, old in zip(parts, value, strict=True)) else value
    return value


def _for_json(value: object) -> None:
    if not isinstance(value, _Null):
        raise TypeError(f"{json_kind(value)} cannot be written as JSON")


MOST_CHARACTERS = 1_000_000
"""Of what a template writes; the longest contexts hold as many."""


class EndlessTemplate(CalibauditError):
    """A template computes on and on, or writes without measure: no fault of one document, so nothing goes on."""


class _Template(Template):
    def render(self, *args: Any, **kwargs: Any) -> str:
        try:
            with limited():
                text = super().render(*args, **kwargs)
        except TooMuch as error:
            raise EndlessTemplate(f"the template is refused: {error}") from None
        if len(text) > MOST_CHARACTERS:
            raise EndlessTemplate(f"the template writes {len(text):,} characters; the limit is {MOST_CHARACTERS:,}")
        return text


class _Environment(ImmutableSandboxedEnvironment):
    template_class = _Template

    def from_string(self, source: Any, *args: Any, **kwargs: Any) -> Template:
        """What parses and compiles trips over in a template that is too deep, too long or computes is its syntax."""
        try:
            with limited():
                return super().from_string(source, *args, **kwargs)
        except TemplateSyntaxError:
            raise
        except (ArithmeticError, RuntimeError, SyntaxError, TooMuch, TypeError, ValueError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
            raise TemplateSyntaxError(reason, 1) from None


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = _Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=lambda value: _NULL if value is None else value,
    )
    environment.filters["regex_replace"] = regex_replace
    environment.filters["random"] = _random
    del environment.globals["lipsum"]  # random too
    environment.tests["none"] = lambda value: value is None or isinstance(value, _Null)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "default": _for_json}
    return environment


@lru_cache(maxsize=4096)
def compile_template(text: str) -> Template:
    """A template, compiled once. Raises TaskError naming the line of a syntax error, and for the filter `random`."""
    try:
        if "random" in text and any(
            part.name == "random" for part in _environment().parse(text).find_all(nodes.Filter)
        ):
            raise TaskError(_DRAWN)
        return _environment().from_string(text)
    except TemplateSyntaxError as error:
        raise TaskError(f"not a valid Jinja template: {error.message} (its line {error.lineno})") from None


def _named(part: nodes.Node) -> str:
    """The column in `doc['column']` and `doc.column`; else ""."""
    if not (
        isinstance(part, (nodes.Getitem, nodes.Getattr))
        and isinstance(part.node, nodes.Name)
        and part.node.name == _WHOLE
    ):
        return ""
    if isinstance(part, nodes.Getattr):
        return part.attr
    return str(part.arg.value) if isinstance(part.arg, nodes.Const) else ""


class Field:
    """A `doc_to_...` string: a column's name stands for that column's value, anything else is a template.

    In a template `doc` is the whole document, for columns whose names are no words: `{{doc['Correct Answer']}}`.

    columns: names of the columns of the evaluated documents. `is_column` says which of the two it is.
    """

    def __init__(self, key: str, text: str, columns: Collection[str]) -> None:
        self.key = key
        self.text = text
        self.is_column = text in columns
        self._has_doc_column = _WHOLE in columns
        self._template = None if self.is_column else compile_template(text)

    @property
    def names(self) -> frozenset[str]:
        """The columns it draws on, in whichever branch of its template."""
        if self.is_column:
            return frozenset({self.text})
        tree = _environment().parse(self.text)
        by_name = {_named(part) for part in tree.find_all((nodes.Getitem, nodes.Getattr))}
        not_columns = {""} if self._has_doc_column else {"", _WHOLE}
        try:
            with limited():  # Jinja computes what is constant to see what is not
                undeclared = meta.find_undeclared_variables(tree)
        except TooMuch as error:
            raise EndlessTemplate(f"{self.key}: the template is refused: {error}") from None
        return frozenset({*undeclared, *by_name} - not_columns)

    def __call__(self, document: Mapping[str, Any]) -> Any:
        """The value for one document: the column's own, or the rendered text. Raises TaskError."""
        if self._template is None:
            if self.text not in document:
                raise TaskError(f"{self.key}: column {self.text!r} is missing")
            return document[self.text]
        try:
            values = _with_nulls(document)
            text = self._template.render({_WHOLE: values, **values})
            _check_repeatable(text, document)
            return text
        except TaskError as error:
            raise TaskError(f"{self.key}: {error}") from None
        except EndlessTemplate as error:
            raise EndlessTemplate(f"{self.key}: {error}") from None
        except UndefinedError as error:
            columns = ", ".join(map(str, document))
            raise TaskError(f"{self.key}: {error.message} (columns: {columns})") from None
        except SecurityError as error:
            raise TaskError(f"{self.key}: refused by Jinja's sandbox: {error}") from None
        except Exception as error:
            # A template calls methods of the values in a row, so any exception can come out of it.
            raise TaskError(f"{self.key}: {type(error).__name__}: {' '.join(str(error).split())}") from None

    def text_of(self, document: Mapping[str, Any]) -> str:
        """The value as text. Raises TaskError for an empty cell or a list."""
        value = self(document)
        if isinstance(value, str):
            return value
        if isinstance(value, (bool, int, float)):
            return str(value)
        raise TaskError(f"{self.key}: column {self.text!r}: expected text, found {json_kind(value)}")

    def optional_text_of(self, document: Mapping[str, Any]) -> str:
        """The value as text, "" for an empty cell. Raises TaskError for a list."""
        return "" if self._template is None and self(document) is None else self.text_of(document)
