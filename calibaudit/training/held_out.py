"""Audited items that tuning has not seen, and their halves: one to choose by, one to prove by."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibaudit.chat.messages import Conversation
from calibaudit.errors import SftError
from calibaudit.tasks.items import Item, Task
from calibaudit.training.data.rows import Completion, Row

Words = tuple[str, ...]

_WORD = re.compile(r"\w+|[^\w\s]")
_LABEL = re.compile(r"^\s*(question|query|problem|q)\s*:", re.IGNORECASE | re.MULTILINE)
_CUE = re.compile(r"\s*\b(answer|solution|response|a)\s*:\s*$", re.IGNORECASE)
_BLOCK_LABEL = re.compile(r"\s*([^\W\d_][\w ]{0,30}:)")
_OPTION = re.compile(r"^\s*\(?([A-Z])[.):]\s*(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class _Question:
    """What an item asks, as words, without label, options and answer cue. answer: the right choice's words."""

    texts: tuple[Words, ...]
    answer: Words


def without_seen(tasks: Sequence[Task], rows: Sequence[Row]) -> tuple[tuple[Task, ...], int]:
    """The tasks without the items whose question stands in a tuning row, and how many items that are.

    A question stands in a row when its words follow one another there; case, whitespace and width do not count. The
    question is the context without the examples and the label before it, the lettered options and the answer cue
    behind it. A question that several items with different answers share ("Which of these is prime?") says little:
    there the right answer must stand in the row too. A task that loses all items goes.
    Raises SftError when no item is left.
    """
    questions = [[_question(item, task.n_fewshot) for item in task.items] for task in tasks]
    answers: defaultdict[Words, set[Words]] = defaultdict(set)
    for question in (question for part in questions for question in part):
        for text in question.texts:
            answers[text].add(question.answer)
    seen = _seen_in_rows(answers, rows)
    kept = []
    n_left_out = 0
    for task, part in zip(tasks, questions, strict=True):
        items = tuple(
            item
            for item, question in zip(task.items, part, strict=True)
            if not any(question.answer in seen.get(text, ()) for text in question.texts)
        )
        n_left_out += len(task.items) - len(items)
        if items:
            kept.append(task if len(items) == len(task.items) else replace(task, items=items))
    if not kept:
        raise SftError(
            f"the questions of all {n_left_out:,} audited items are in the tuning data, so none can prove anything; "
            "audit tasks that tuning has not seen"
        )
    return tuple(kept), n_left_out


def halves(tasks: Sequence[Task], seed: int) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """(advice, proof): each task's items in two parts, as equal as its groups allow; the odd item goes to proof.

    Items of one group, and of one id, stay on one side, over all tasks: the lettered form of a question says as much
    as the open one. A task of one group is on one side only. Order within a task is kept.
    Raises SftError when a side would have no item.
    """
    rng = np.random.default_rng(seed)
    side: dict[str, bool] = {}  # unit -> whether it is for advice
    parts: tuple[list[Task], list[Task]] = ([], [])
    for task in tasks:
        units = [f"item {item.id}" if item.group is None else f"group {item.group}" for item in task.items]
        sizes = Counter(units)
        n_advice = sum(size for unit, size in sizes.items() if side.get(unit))
        free = [unit for unit in sizes if unit not in side]
        order = [free[i] for i in rng.permutation(len(free))]
        chosen = _subset([sizes[unit] for unit in order], len(units) / 2 - n_advice)
        side.update((unit, index in chosen) for index, unit in enumerate(order))
        for part, wanted in zip(parts, (True, False), strict=True):
            items = tuple(item for item, unit in zip(task.items, units, strict=True) if side[unit] is wanted)
            if items:
                part.append(replace(task, items=items))
    if not all(parts):
        raise SftError(
            "the audited items cannot be halved, since they form one group: audit more tasks, or give the factor "
            "with --smoothing"
        )
    return tuple(parts[0]), tuple(parts[1])


def _subset(sizes: Sequence[int], wanted: float) -> set[int]:
    """Indices whose sizes sum up to as near `wanted` as can be, below if two are as near."""
    reachable = [1]  # bit n of reachable[i]: some of the first i sizes sum up to n
    for size in sizes:
        reachable.append(reachable[-1] | reachable[-1] << size)
    possible = [n for n in range(sum(sizes) + 1) if reachable[-1] >> n & 1]
    left = min(possible, key=lambda n: (abs(n - wanted), n))
    chosen = set()
    for index in range(len(sizes) - 1, -1, -1):
        size = sizes[index]
        if left >= size and reachable[index] >> (left - size) & 1:
            chosen.add(index)
            left -= size
    return chosen


def _question(item: Item, n_fewshot: int) -> _Question:
    context = _last_block(item.context) if n_fewshot else item.context
    bare = context.rstrip()
    cue = _CUE.search(bare)
    stem, options = _split_options(bare[: cue.start()] if cue else bare)
    texts = tuple(dict.fromkeys(_words(stem + lead) for lead in item.leads)) if item.leads else (_words(stem),)
    answer = item.choices[item.answer]
    return _Question(tuple(filter(None, texts)), _words(options.get(answer.strip(), answer)))


def _last_block(context: str) -> str:
    """The context without the examples before the question.

    Blocks begin alike: the last line that begins with the context's own first label, else the last paragraph.
    """
    if label := _BLOCK_LABEL.match(context):
        starts = [match.start() for match in re.finditer(rf"^\s*{re.escape(label[1])}", context, re.MULTILINE)]
        return context[starts[-1] :]
    return re.split(r"\n\s*\n", context.strip())[-1]


def _split_options(text: str) -> tuple[str, dict[str, str]]:
    """(text before the lettered options, letter -> option)."""
    found = list(_OPTION.finditer(text))
    for index, match in enumerate(found):
        letters = "".join(option[1] for option in found[index:])
        if len(letters) > 1 and "ABCDEFGHIJKLMNOPQRSTUVWXYZ".startswith(letters):
            return text[: match.start()], {option[1]: option[2] for option in found[index:]}
    return text, {}


def _words(text: str) -> Words:
    """Words and signs, folded; the label of a question is none of them."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", _LABEL.sub(" ", text)).casefold()))


def _seen_in_rows(answers: dict[Words, set[Words]], rows: Iterable[Row]) -> dict[Words, set[Words]]:
    """Of each question (its words), the answers of the items that a row gives away."""
    by_start: defaultdict[str, dict[int, set[Words]]] = defaultdict(dict)
    for text in answers:
        by_start[text[0]].setdefault(len(text), set()).add(text)
    seen: defaultdict[Words, set[Words]] = defaultdict(set)
    for row in rows:
        words = _words(_row_text(row))
        for text in _held(words, by_start):
            if len(answers[text]) == 1:
                seen[text] |= answers[text]
            else:
                seen[text] |= {answer for answer in answers[text] if _contains(words, answer)}
    return seen


def _held(words: Words, by_start: dict[str, dict[int, set[Words]]]) -> Iterator[Words]:
    for index, word in enumerate(words):
        if (by_length := by_start.get(word)) is not None:
            for length, texts in by_length.items():
                if (part := words[index : index + length]) in texts:
                    yield part


def _contains(words: Words, part: Words) -> bool:
    return any(words[i : i + len(part)] == part for i in range(len(words) - len(part) + 1))


def _row_text(row: Row) -> str:
    if isinstance(row, Conversation):
        return "\n".join(f"{message.reasoning}\n{message.content}" for message in row.messages)
    return f"{row.prompt}\n{row.completion}" if isinstance(row, Completion) else row.text
