"""A family's chat template: where it is read from, and its text by Jinja alone, without calibaudit or transformers."""

from __future__ import annotations

import datetime
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

DATE = datetime.date(2024, 7, 26)
"""Today, for templates that ask."""

_WRITTEN = Path(__file__).with_name("templates")
_MARK = re.compile(r"\{%[-+]?\s*((?:end)?generation)\s*[-+]?%\}")
_INSTEAD = {"generation": "if true", "endgeneration": "endif"}


class TemplateError(Exception):
    """What a template raises when it refuses a conversation."""


@cache
def template_text(name: str) -> str:
    """`trl:NAME`: a published template, as the installed trl has it. `written:NAME`: one written anew for the tests."""
    source, _, stem = name.partition(":")
    folder = {"trl": trl_folder, "written": lambda: _WRITTEN}[source]()
    return (folder / f"{stem}.jinja").read_text(encoding="utf-8")


def trl_is_there() -> bool:
    return importlib.util.find_spec("trl") is not None


def trl_folder() -> Path:
    """trl's folder of templates, found without importing trl."""
    spec = importlib.util.find_spec("trl")
    assert spec is not None, "trl is not installed: pip install -e '.[dev,oracles]'"
    assert spec.origin is not None
    return Path(spec.origin).parent / "chat_templates"


def rendered(
    name: str,
    messages: Sequence[Mapping[str, str]],
    names: Mapping[str, str | None],
    kwargs: Mapping[str, Any],
    *,
    prompt: bool = False,
) -> str:
    """The conversation's text. names: the tokenizer's special tokens by name. prompt: with the generation prompt.

    Raises TemplateError where the template refuses the conversation.
    """
    given = {key: value for key, value in names.items() if value is not None}
    return _compiled(name).render(
        messages=list(messages),
        add_generation_prompt=prompt,
        raise_exception=_refuse,
        strftime_now=DATE.strftime,
        **given,
        **kwargs,
    )


@cache
def _compiled(name: str) -> Template:
    # The whitespace rules are transformers' own; its {% generation %} marks write nothing.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    text = _MARK.sub(lambda mark: mark[0].replace(mark[1], _INSTEAD[mark[1]]), template_text(name))
    return environment.from_string(text)


def _refuse(why: str) -> None:
    raise TemplateError(why)
