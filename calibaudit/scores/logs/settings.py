"""What a user says of logs and tables that they do not say themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from calibaudit.tasks.items import Scoring

ValueKind = Literal["probabilities", "logprobs", "logits"]
Notice = Callable[[str], None]
"""Is called with one line for each thing that was left out or taken in one of several ways."""


@dataclass(frozen=True)
class ImportSettings:
    """scoring: instead of the format's own choice. task, model: names instead of those found.

    Of tables alone: values: what the numbers are. answers_from: what the first option is called where answers are
    numbers. options: the columns that hold the options' numbers. groups: the column that holds the groups.
    rest_outside: what a row's probabilities lack of 1 stands outside the options.
    """

    scoring: Scoring | None = None
    task: str | None = None
    model: str | None = None
    values: ValueKind | None = None
    answers_from: int | None = None
    options: tuple[str, ...] = ()
    groups: str | None = None
    rest_outside: bool = False

    def of_tables(self) -> list[str]:
        """The flags given that say something of tables only."""
        given = {
            "--values": self.values is not None,
            "--answers-from": self.answers_from is not None,
            "--options": bool(self.options),
            "--groups": self.groups is not None,
            "--rest-outside": self.rest_outside,
        }
        return [flag for flag, is_given in given.items() if is_given]


def tell(notice: Notice | None, line: str) -> None:
    if notice is not None:
        notice(line)
