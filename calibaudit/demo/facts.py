"""The demo's world: what its text says about each fact of the bundled tasks, and how far it can be trusted.

Every fact is stated many times, not always alike: its favourite answer in a share r of the sentences, each other
choice in a share (1 - r) / 3. The favourite is the truth with probability r. A reader who has learned these shares is
therefore calibrated; r is lower for harder items.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["audited", "tuning", "held_out"]

RELIABILITY = {1: (0.55, 1.0), 2: (0.45, 1.0), 3: (0.35, 0.95), 4: (0.25, 0.85), 5: (0.25, 0.75)}
"""An item's level -> the range from which the reliability r of its favourite answer is drawn, uniformly."""

HELD_OUT = 64
"""Facts of each training file that the text treats as it does audited ones: what the recipe was chosen on."""


@dataclass(frozen=True)
class Fact:
    """One item of a bundled task as the demo's text knows it.

    part: audited, tuning (taught by tuning, and asked in the audit's prompt, too, before), held_out (as audited, but
    not audited). prompt: the item's prompt in the audit. shares: how often the text gives each choice.
    """

    task: str
    part: Part
    prompt: str
    question: str
    statement: str
    choices: tuple[str, ...]
    answer: int
    shares: tuple[float, ...]


def read_facts(folder: Path, tasks: Sequence[str], seed: int) -> list[Fact]:
    """The facts of the tasks' JSONL files; the shares are drawn with `seed`, the same for every training run of it."""
    facts = []
    for task in tasks:
        rng = random.Random(f"demo {seed} {task}")
        for suffix, parts in ((".jsonl", ("audited", "audited")), (".train.jsonl", ("tuning", "held_out"))):
            lines = (folder / f"{task}{suffix}").read_text(encoding="utf-8").splitlines()
            first_of_second = len(lines) - HELD_OUT
            for index, line in enumerate(lines):
                facts.append(_fact(task, parts[index >= first_of_second], json.loads(line), rng))  # type: ignore[arg-type]
    return facts


def _fact(task: str, part: Part, row: dict[str, object], rng: random.Random) -> Fact:
    choices, answer = tuple(map(str, row["choices"])), int(row["answer"])  # type: ignore[call-overload]
    passage = f"{row['passage']}\n\n" if "passage" in row else ""
    return Fact(
        task=task,
        part=part,
        prompt=f"{passage}Question: {row['question']}\nAnswer:",
        question=f"{passage}{row['question']}",
        statement=str(row["statement"]),
        choices=choices,
        answer=answer,
        shares=_shares(len(choices), answer, rng.uniform(*RELIABILITY[int(row["level"])]), rng),  # type: ignore[call-overload]
    )


def _shares(n_choices: int, answer: int, reliability: float, rng: random.Random) -> tuple[float, ...]:
    others = [k for k in range(n_choices) if k != answer]
    favourite = answer if rng.random() < reliability else rng.choice(others)
    rest = (1 - reliability) / (n_choices - 1)
    return tuple(reliability if k == favourite else rest for k in range(n_choices))
