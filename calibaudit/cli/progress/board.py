"""How far a command is: what was announced, what is done, what is at work, and how long the rest will take.

No clock of its own and nothing printed, so that a test can walk through a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass
class _Label:
    """A task of a model, or a training run. weight: its items, or steps. share: of them that is done, in [0, 1]."""

    weight: int
    share: float = 0.0
    is_begun: bool = False


@dataclass
class _Part:
    """What is done in one go: a model on all tasks, a training run. expected: its items before they are announced.

    worked, seconds: the items (or steps) that were not kept from earlier runs, and what they took.
    """

    name: str
    expected: int | None = None
    unit: str = "items"
    labels: dict[str, _Label] = field(default_factory=dict)
    worked: float = 0.0
    seconds: float = 0.0

    @property
    def is_begun(self) -> bool:
        return any(label.is_begun for label in self.labels.values())

    @property
    def total(self) -> int:
        announced = sum(label.weight for label in self.labels.values())
        return announced if self.is_begun or self.expected is None else max(self.expected, announced)

    @property
    def done(self) -> float:
        return sum(label.weight * label.share for label in self.labels.values())


@dataclass(frozen=True)
class State:
    """done, total: items, or steps. n_done, n_all: tasks that are finished, and all that are known of.

    left: seconds, None as long as nothing says. now: what is at work, with its own figures.
    """

    done: int
    total: int
    unit: str
    n_done: int
    n_all: int
    left: float | None
    now: str


class Board:
    """Told of a run's steps as they happen."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._parts: list[_Part] = []
        self._at = -1
        self._label: str | None = None
        self._detail = ""
        self._stage = ""
        self._told = clock()

    def expect(self, parts: Sequence[tuple[str, int]]) -> None:
        """The models to come, by the name that their labels begin with, and the items of each."""
        self._parts += [_Part(name, expected) for name, expected in parts]

    def update(self, label: str, done: int, total: int, detail: str = "", unit: str = "items") -> None:
        """done 0: announced. A label's first figure after that is what was kept; a label that begins anew does more."""
        part = self._part_of(label, done, unit)
        known, now = part.labels.get(label), self._clock()
        if known is None:
            known = part.labels[label] = _Label(total)
            if done == 0 and unit == "items":
                return
        share = min(1.0, done / total) if total else 1.0
        if share > known.share:
            if known.is_begun:
                part.worked += (share - known.share) * known.weight
            known.share = share
        if known.is_begun and label == self._label:
            part.seconds += now - self._told
        known.is_begun = True
        self._label, self._told = label, now
        self._detail = detail or f"{done:,}/{total:,}"

    def stage(self, text: str) -> None:
        """What goes on besides, or before: `hashing base, 40 %`; empty when it is over."""
        self._stage = text

    def state(self) -> State | None:
        """None before anything is known."""
        if self._label is None or self._at < 0:
            total = sum(part.total for part in self._parts)
            return State(0, total, "items", 0, 0, None, self._stage) if total or self._stage else None
        at = self._parts[self._at]
        parts = [at] if at.expected is None else [part for part in self._parts if part.expected is not None]
        done, total = sum(part.done for part in parts), sum(part.total for part in parts)
        worked, seconds = sum(part.worked for part in parts), sum(part.seconds for part in parts)
        if at.expected is None and done >= total:  # what comes next is not known
            return State(0, 0, at.unit, 0, 0, None, self._stage or f"{self._label} done")
        labels = [label for part in parts for label in part.labels.values()]
        known = [len(part.labels) for part in parts if part.labels]
        n_all = sum(len(part.labels) or max(known) for part in parts)
        return State(
            done=int(done + 1e-9),
            total=total,
            unit=at.unit,
            n_done=sum(label.share >= 1 for label in labels),
            n_all=n_all,
            left=(total - done) * seconds / worked if worked > 0 and seconds > 0 else None,
            now="; ".join(filter(None, (self._now(at), self._stage))),
        )

    def _now(self, part: _Part) -> str:
        assert self._label is not None
        is_over = part.labels[self._label].share >= 1 and bool(self._stage)
        return "" if is_over else f"{self._label}  {self._detail}"

    def _part_of(self, label: str, done: int, unit: str) -> _Part:
        """The one at work, the next that was expected, or one that no one expected."""
        at = self._parts[self._at] if self._at >= 0 else None
        if at is not None:
            begins_anew = label in at.labels and done == 0 and at.labels[label].share >= 1
            if label in at.labels and (not begins_anew or label == self._label):
                return at  # behind thoughts of its own the same label has answers
            is_its_own = at.expected is not None and label.startswith(f"{at.name} ")
            is_announced = at.expected is None and not at.is_begun and at.unit == unit
            if label not in at.labels and (is_its_own or is_announced):
                return at
        for i in range(self._at + 1, len(self._parts)):
            if self._parts[i].expected is not None and label.startswith(f"{self._parts[i].name} "):
                self._at = i
                return self._parts[i]
        self._at = len(self._parts)
        self._parts.append(_Part("", None, unit))
        return self._parts[-1]
