"""The worst confident errors of a report: which of them are new, and what the model before said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from calibaudit.analysis.worst_errors import ConfidentError, OptionShown
from calibaudit.files.text import one_line

AS_SURE = 5.0
"""Percentage points: not so much less sure of the same wrong answer is as sure."""
_MOST_NAME = 60


Kind = Literal["as_sure", "surer", "new", ""]


@dataclass(frozen=True)
class ErrorShown:
    """task: its row's name. said: what the model before answered; "" where there is none, or it is not known.

    kind: `as_sure` where it was that, or surer, of the same wrong answer; `surer` where it chose that answer too, but
    less surely; `new` where it did not choose it; "" where that is not known.
    """

    error: ConfidentError
    task: str
    kind: Kind
    said: str

    @property
    def title(self) -> str:
        return {"as_sure": "Not new", "surer": "Surer than before", "new": "New", "": "Before"}[self.kind]


def shown_errors(
    errors: Sequence[ConfidentError], rows: Mapping[str, str], before: str | None
) -> tuple[ErrorShown, ...]:
    """rows: a task's label -> its row's name. before: the name of the model before, None where there is one model."""
    found = []
    kind: Kind
    for error in errors:
        kind, said = ("", "") if before is None else _said(error, one_line(before, _MOST_NAME))
        found.append(ErrorShown(error, rows.get(error.task, error.task), kind, said))
    return tuple(found)


def shared_sentence(errors: Sequence[ErrorShown], before: str) -> str:
    """How many of them are not new; "" where that is not known of any."""
    kinds = [error.kind for error in errors if error.kind]
    if not kinds:
        return ""
    name = one_line(before, _MOST_NAME)
    n_as_sure, n_surer = kinds.count("as_sure"), kinds.count("surer")
    if not n_as_sure and not n_surer:
        return f"All of them are new: {name} did not choose these answers."
    of = f"of the {len(kinds)}" if len(kinds) == len(errors) else f"of {len(kinds)} where that is known"
    return (
        f"On {n_as_sure} {of}, {name} was as sure of the same wrong answer, or surer; on {n_surer} it chose that "
        "answer less surely."
    )


def percent(probability: float) -> str:
    """`99.8 %`; never 0 or 100, which a softmax never gives."""
    shown = f"{probability * 100:.1f} %"
    return {"100.0 %": "> 99.9 %", "0.0 %": "< 0.1 %"}.get(shown, shown)


def _said(error: ConfidentError, name: str) -> tuple[Kind, str]:
    options = {option.index: option for option in error.options}
    was = options[error.chosen].before
    if was is None:
        return "", ""
    first = _first_choice(error)
    if first is None:
        return "", f"{name} gave this answer {percent(was)}."
    if first.index == error.chosen:
        more = (error.confidence - was) * 100
        if more > AS_SURE:
            return "surer", f"{name} chose the same answer, {percent(was)} sure: {more:.1f} points less."
        much = f"{abs(more):.1f} points {'less' if more > 0 else 'more'}"
        by = "just as much" if much.startswith("0.0 ") else much
        return "as_sure", f"{name} was as sure of the same wrong answer: {percent(was)}, {by}."
    what = "was right" if first.index == error.answer else "chose another wrong answer"
    return "new", f"{name} {what}, {percent(first.before or 0.0)} sure, and gave this one {percent(was)}."


def _first_choice(error: ConfidentError) -> OptionShown | None:
    """The option that the model before gave most; None where one that is not shown may have more."""
    best = max(error.options, key=lambda option: option.before or 0.0)
    rest = 1.0 - sum(option.before or 0.0 for option in error.options)
    return best if error.n_options == len(error.options) or (best.before or 0.0) > rest else None
