"""From drafts of questions, with pools of wrong answers, to the questions of a task, spread over levels and topics."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from build.making import LEVELS, Question, distinct
from build.wording import listed

PER_LEVEL = 124
"""Questions yielded of each level: 620, of which a task takes 576."""


Draft = Question
"""A question whose distractors are a pool, the most plausible first, of which three are still to be chosen."""


def words(text: str) -> list[str]:
    return text.split()


def near(
    rng: random.Random, answer: int, low: int, high: int, slips: Iterable[int] = (), reach: int = 3
) -> tuple[str, ...]:
    """Numbers of low..high to stand beside the answer: the slips (common errors), then those within reach, shuffled."""
    close = [n for n in range(answer - reach, answer + reach + 1) if n != answer]
    rng.shuffle(close)
    pool = dict.fromkeys(n for n in (*slips, *close) if low <= n <= high and n != answer)
    return tuple(map(str, pool))


def capped(level: int) -> int:
    """The nearest level there is."""
    return max(LEVELS[0], min(LEVELS[-1], level))


def shuffled(rng: random.Random, *pools: Iterable[str]) -> tuple[str, ...]:
    """The pools one after the other, each in random order; the first is the most plausible."""
    order: list[str] = []
    for pool in pools:
        texts = list(dict.fromkeys(pool))
        rng.shuffle(texts)
        order += texts
    return tuple(dict.fromkeys(order))


def which(rng: random.Random, fact: str, topic: str, level: int, names: Sequence[str], text: str, said: str) -> Draft:
    """Which of the things named, in random order, has a property: the first of names. said: the same as a noun."""
    mentioned = list(names)
    rng.shuffle(mentioned)
    listing = listed(mentioned)
    question, statement = f"Which of {listing} {text}?", f"Of {listing}, {said} is {{}}."
    return Draft(fact, topic, level, question, statement, names[0], tuple(names[1:]))


def selected(
    drafts: Iterable[Draft], rng: random.Random, per_level: int = PER_LEVEL, levels: Sequence[int] = LEVELS
) -> list[Draft]:
    """As many drafts of each level, dealt topic by topic in turn, so that a topic with few of them keeps them all.

    Two drafts about one fact stay only when their levels are the same: the split, which keeps a fact on one side, can
    then spread the levels evenly. Raises ValueError when a level has too few.
    """
    heaps: dict[int, dict[str, list[Draft]]] = {level: {} for level in levels}
    for draft in drafts:
        pool = distinct(draft.answer, draft.distractors)
        heaps[draft.level].setdefault(draft.topic, []).append(replace(draft, distractors=pool))
    settled: dict[str, int] = {}
    chosen: list[Draft] = []
    for level, topics in heaps.items():
        for heap in topics.values():
            rng.shuffle(heap)
        taken: list[Draft] = []
        while len(taken) < per_level and any(topics.values()):
            for _, heap in sorted(topics.items()):
                while heap and settled.get(heap[-1].fact, level) != level:
                    heap.pop()
                if heap and len(taken) < per_level:
                    taken.append(heap.pop())
                    settled[taken[-1].fact] = level
        if len(taken) < per_level:
            raise ValueError(f"level {level}: {len(taken)} drafts; {per_level} are needed")
        chosen += taken
    rng.shuffle(chosen)
    return chosen
