"""The settings file that `config init` writes: every key that a file may set, with its default, commented out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import Any

from calibaudit.cli.help.flags import Flag
from calibaudit.cli.help.panels import PANELS
from calibaudit.cli.settings.files import COMMAND_LINE_ONLY, COMMANDS, LIMITS, NOT_OF_GATE

_WIDTH = 100
_HEAD = """\
# Settings of calibaudit: defaults for the options of its commands; the command line beats them.
# Found from the working directory upwards. Paths are relative to this file's folder.
# To make a setting, take away the # before its key. The value is the default, or an example where
# there is none or it depends.
"""
_SHARED = "For every command that has the option."

_EXAMPLES: dict[str, Any] = {
    "tasks": ["bundled_hard"],
    "limit": 100,
    "per-level": 32,
    "num-fewshot": 5,
    "scoring": "cloze",
    "mirror": "data",
    "system": "Answer the question.",
    "answer-prefix": "Answer:",
    "chat-template-kwargs": '{"enable_thinking": false}',
    "think": 256,
    "cache-dir": "~/.cache/calibaudit",
    "tokenizer": ["OWNER/NAME"],
    "revision": "main",
    "base-revision": "main",
    "instruct-revision": "main",
    "output": ["report.html"],
    "plot": ["reliability.svg"],
    "margin": 0.02,
    "alpha": 0.05,
    "max-ece": 0.1,
    "max-gap": 0.1,
    "max-brier": 0.6,
    "min-items": 100,
    "learning-rate": 2e-5,
    "epochs": 2.0,
    "max-steps": 200,
    "neftune-alpha": 5.0,
    "softcap": 30.0,
    "columns": "question=prompt,response=completion",
    "report-to": "tensorboard",
    "data": "sft.jsonl",
    "method": "auto",
    "batch-size": 8,
    "train-batch-size": 8,
    "gradient-accumulation": 16,
    "save-steps": 50,
    "base": "OWNER/NAME",
    "out": "fixed",
}
"""What a key may be where its default is none or depends on something."""


def template(keys: Mapping[str, Mapping[str, Flag]], *, in_pyproject: bool) -> str:
    """The text of the file. keys: of each command its options, by the keys that a file calls them by.

    in_pyproject: as tables of [tool.calibaudit], without the head of a file.
    """
    own = {name: {key: keys[name][key] for key in keys[name] if key not in COMMAND_LINE_ONLY} for name in COMMANDS}
    shared: dict[str, Flag] = {}
    for name in COMMANDS:
        for key, flag in own[name].items():
            same = [other for other in COMMANDS if own[other].get(key) == flag]
            if len(same) > 1 and key not in NOT_OF_GATE and not (key in LIMITS and "gate" in same):
                shared.setdefault(key, flag)
    table = "tool.calibaudit" if in_pyproject else ""
    lines = [f"[{table}]"] if table else [_HEAD.rstrip()]
    lines += ["", f"# {_SHARED}", *_panels(shared.values())]
    for name in COMMANDS:
        left = [flag for key, flag in own[name].items() if shared.get(key) != flag and _is_of(key, name)]
        lines += ["", "", f"[{table}.{name}]" if table else f"[{name}]", *_panels(left)] if left else []
    return "\n".join(lines) + "\n"


def _is_of(key: str, command: str) -> bool:
    """Whether a command's own table may hold the key; `bless` reads the limits from gate's."""
    return not (command == "gate" and key in NOT_OF_GATE) and not (command == "bless" and key in LIMITS)


def _panels(flags: Iterable[Flag]) -> Iterator[str]:
    flags = tuple(flags)
    for panel in PANELS:
        its = [flag for flag in flags if flag.panel == panel]
        if its:
            yield f"\n# --- {panel} ---"
        for flag in its:
            yield from _setting(flag)


def _setting(flag: Flag) -> Iterator[str]:
    told = flag.help
    if isinstance(flag.shown_default, str):
        told += f" Default: {flag.shown_default}."
    if not all(choice in told for choice in flag.choices):
        told += f" One of {', '.join(flag.choices)}."
    yield ""
    yield from (f"# {line}" for line in wrap(told, _WIDTH - 2, break_on_hyphens=False))
    value = _EXAMPLES[flag.key] if flag.default in (None, "") else flag.default
    yield f"#{flag.key} = {json.dumps(value if isinstance(value, bool | int | float | list) else str(value))}"
