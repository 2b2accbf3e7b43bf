"""What became of the tuning data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

N_UNREAD = 12
"""Unread columns that a notice names; the summary has them all."""


@dataclass(frozen=True)
class SftSummary:
    """What became of the tuning data. n_faulty: rows that could not be used, the first of them in faults.

    n_items_left_out: audited items whose question stands in the data, and which therefore prove nothing. unread:
    (name, number of usable rows) of the columns and keys of turns that held a value and were not read. n_merged:
    rows whose system turn opens the user's turn. n_unstopped: rows that teach no token at which generation stops.
    """

    source: str
    n_rows: int
    n_examples: int
    n_faulty: int
    n_truncated: int
    n_target_tokens: int
    n_items_left_out: int
    faults: tuple[str, ...]
    unread: tuple[tuple[str, int], ...]
    n_merged: int = 0
    n_unstopped: int = 0

    def to_dict(self) -> dict[str, Any]:
        unread = [{"name": name, "n_rows": n_rows} for name, n_rows in self.unread]
        return {**dataclasses.asdict(self), "faults": list(self.faults), "unread": unread}

    def notices(self) -> list[str]:
        """What the user should read, a sentence each."""
        found = []
        if self.n_faulty:
            shown = "; ".join(self.faults[:3]) + ("; ..." if self.n_faulty > 3 else "")
            found.append(f"{self.source}: {self.n_faulty:,} of {self.n_rows:,} rows are left out: {shown}")
        if self.unread:
            shown = ", ".join(f"{name} ({n_rows:,})" for name, n_rows in self.unread[:N_UNREAD])
            more = f" and {len(self.unread) - N_UNREAD:,} more" if len(self.unread) > N_UNREAD else ""
            found.append(f"{self.source}: not read, with the number of rows that have it: {shown}{more}")
        if self.n_truncated:
            found.append(f"{self.source}: {self.n_truncated:,} rows are cut to the length that --max-length allows")
        if self.n_merged:
            found.append(
                f"{self.source}: the chat template has no system turn: in {self.n_merged:,} rows its text opens "
                "the user's turn, as it does in scoring"
            )
        if self.n_unstopped:
            found.append(
                f"{self.source}: {self.n_unstopped:,} rows end with a mark at which the model's generation config does "
                "not stop; a model tuned on them may write on"
            )
        if self.n_items_left_out:
            found.append(
                f"{self.n_items_left_out:,} audited items are left out: their questions are in {self.source}, so "
                "they would prove nothing"
            )
        return found
