"""The command that makes and proves the advised repair, as a shell takes it: with this pair's names."""

from __future__ import annotations

import shlex

from calibaudit.advice.options.option import RepairMethod
from calibaudit.advice.recommendation import Recommendation
from calibaudit.files.text import one_line
from calibaudit.scores.scores import ModelInfo

OUT = "fixed"
_MOST_NAME = 200
_TRAINED: tuple[RepairMethod, ...] = ("merge", "smooth")
_DEMO = ("demo:base", "demo:instruct")
_NO_CHECKPOINT = "logged by "


def advised_command(recommendation: Recommendation, base: ModelInfo, instruct: ModelInfo) -> str | None:
    """The command on one line; None where no repair is advised."""
    return " ".join(advised_parts(recommendation, base, instruct)) or None


def advised_parts(recommendation: Recommendation, base: ModelInfo, instruct: ModelInfo) -> tuple[str, ...]:
    """`calibaudit fix INSTRUCT --base BASE --method METHOD --out fixed`, each option with its
    value; empty where no repair is advised.

    BASE and INSTRUCT stand where a name is none that `fix` could load: of a server's or a logged model, of an
    adapter's base, or with a character that is not to be seen. DATA stands for the tuning rows.
    """
    option = recommendation.advised
    method = recommendation.action if option is None else option.method
    if recommendation.command is None:
        return ()
    data = "demo:sft" if (base.name, instruct.name) == _DEMO else "DATA"
    return (
        "calibaudit",
        "fix",
        _argument(instruct, "INSTRUCT"),
        f"--base {_argument(base, 'BASE')}",
        f"--method {method}",
        *([f"--data {data}"] if method in _TRAINED else []),
        f"--out {OUT}",
    )


def _argument(model: ModelInfo, otherwise: str) -> str:
    name = model.name
    typed = name and not name.startswith("-") and one_line(name, _MOST_NAME) == name
    if not typed or model.engine or model.adapter or model.head.startswith(_NO_CHECKPOINT):
        return otherwise
    return shlex.quote(name)
