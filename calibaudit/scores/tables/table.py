"""Plain tables of options' probabilities, log-probabilities or logits -> Scores.

What numbers and answers mean is taken as certain where the columns' names or the numbers themselves leave one reading;
else the user is asked, in one line that names a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.scores.logs.collected import LETTERS
from calibaudit.scores.logs.settings import ImportSettings, Notice, ValueKind, tell
from calibaudit.scores.schema import ROUNDING
from calibaudit.scores.scores import Scores, unknown_model
from calibaudit.scores.tables.columns import Layout, decimals_of, layout_of, numbers_of
from calibaudit.scores.tables.rows import Table, read_rows
from calibaudit.tasks.items import document_hash

MOST_FOR_ZERO = 0.01
"""What a probability of 0 may at most be taken as: more would be another number and no rounding."""

TASK = "items"
"""What a table's items are called where neither a column `task` nor the user names them."""


def read_table(path: Path, settings: ImportSettings, notice: Notice | None) -> list[Scores]:
    """The scores of each task in the table, in order of appearance. Raises ScoresError naming file, row and value."""
    table = read_rows(path)
    layout = layout_of(table, settings)
    if layout.unknown:
        tell(notice, f"{path}: columns not read: {', '.join(layout.unknown)}")
    if settings.task is not None and "task" in layout.at:
        raise ScoresError(f"{path}: --task {settings.task}: the column {layout.at['task']!r} names the tasks already")
    numbers = numbers_of(table, layout)
    kind = _kind(table, layout, numbers, settings)
    masses = _masses(table, layout, numbers, kind, settings)
    if kind == "probabilities":
        numbers = _summed(table, layout, numbers, masses, settings, notice)
    answers = _answers(table, layout, numbers, settings)
    if "id" not in layout.at:
        tell(notice, f"{path}: no column id: items are numbered by their rows, and pair with others by that")
    model = settings.model or _model(table, layout) or path.stem
    lettered = layout.listed is None and layout.names == tuple(LETTERS[: len(layout.names)])
    scoring = settings.scoring or ("letter" if lettered or masses is not None else "cloze")
    places: dict[str, list[int]] = {}
    for i in range(len(table.rows)):
        places.setdefault(_text(table, layout, i, "task") or settings.task or TASK, []).append(i)
    found = []
    for task, rows in places.items():
        names = [_text(table, layout, i, "id") or str(n) for n, i in enumerate(rows)]
        groups = [_text(table, layout, i, "group") for i in rows]
        if "group" in layout.at and None in groups:
            i = rows[groups.index(None)]
            raise ScoresError(f"{table.place(i)}: column {layout.at['group']}: no group; give every item one, or none")
        documents = [_document(table, layout, i, answers[i]) for i in rows]
        values = [numbers[i] for i in rows]
        try:
            found.append(
                Scores.from_arrays(
                    answer=[answers[i] for i in rows],
                    probs=values if kind == "probabilities" else None,
                    logprobs=values if kind == "logprobs" else None,
                    logits=values if kind == "logits" else None,
                    task=task,
                    model=unknown_model(model, "a table"),
                    scoring=scoring,
                    item_ids=names,
                    groups=[group or "" for group in groups] if "group" in layout.at else None,
                    documents=None if None in documents else [document or "" for document in documents],
                    option_mass=None if masses is None else [masses[i] for i in rows],
                )
            )
        except ScoresError as error:
            raise ScoresError(f"{path}: {error}") from None
    return found


def _kind(table: Table, layout: Layout, numbers: list[list[float]], settings: ImportSettings) -> ValueKind:
    """What the numbers are: as the user or the columns' names say, else as all rows leave but one reading."""
    if settings.values is not None:
        if layout.kind not in (None, settings.values):
            raise ScoresError(f"{table.path}: --values {settings.values}: its columns are called {layout.kind}")
        return settings.values
    if layout.kind is not None:
        return layout.kind
    near = _tolerance(table, layout)
    if all(0 <= value <= 1 for row in numbers for value in row):
        off = next((i for i, row in enumerate(numbers) if abs(sum(row) - 1) > near), None)
        if off is None or (settings.rest_outside and all(sum(row) <= 1 + near for row in numbers)):
            return "probabilities"
        raise ScoresError(
            f"{table.place(off)}: the numbers lie in 0 to 1 and sum to {sum(numbers[off]):.4g}: say what they are with "
            "--values probabilities (and --rest-outside, if the rest is outside the options) or --values logits"
        )
    if all(value <= 0 for row in numbers for value in row):
        totals = [sum(map(math.exp, row)) for row in numbers]
        off = next((i for i, total in enumerate(totals) if abs(total - 1) > ROUNDING), None)
        if off is None:
            return "logprobs"
        above = next((i for i, total in enumerate(totals) if total > 1 + ROUNDING), None)
        if above is not None:
            raise ScoresError(
                f"{table.place(above)}: the exponentials of its numbers sum to {totals[above]:.4g}, above 1: they are "
                "not the log-probabilities of one distribution: say --values logits, if that is what they are"
            )
        raise ScoresError(
            f"{table.place(off)}: the numbers are at most 0, and their exponentials sum to "
            f"{sum(map(math.exp, numbers[off])):.4g}: say what they are with --values logprobs or --values logits"
        )
    if all(min(row) >= 0 and abs(sum(row) - 100) <= 1 for row in numbers):
        raise ScoresError(
            f"{table.place(0)}: its numbers sum to {sum(numbers[0]):.4g}, as percentages do: divide by 100"
        )
    i = next(i for i, row in enumerate(numbers) if any(not 0 <= value <= 1 for value in row))
    value = next(value for value in numbers[i] if not 0 <= value <= 1)
    raise ScoresError(
        f"{table.place(i)}: {value:.6g} rules out probabilities, and numbers above 0 log-probabilities: say "
        "--values logits, if that is what they are"
    )


def _tolerance(table: Table, layout: Layout) -> float:
    """How far from 1 a row's sum may be: half precision's rounding, or that of the digits written, to 2 decimals."""
    decimals = decimals_of(table, layout)
    return ROUNDING if decimals is None else max(ROUNDING, len(layout.options) * 0.5 * 10.0 ** -max(2, decimals) + 1e-9)


def _masses(
    table: Table, layout: Layout, numbers: list[list[float]], kind: ValueKind, settings: ImportSettings
) -> list[float] | None:
    """(rows,) the probability on the options, None where it is unknown."""
    if settings.rest_outside:
        if "option_mass" in layout.at or kind == "logits":
            reason = "logits leave no rest" if kind == "logits" else "there is a column option_mass"
            raise ScoresError(f"{table.path}: --rest-outside: {reason}")
        return [min(1.0, sum(row if kind == "probabilities" else map(math.exp, row))) for row in numbers]
    if "option_mass" not in layout.at:
        return None
    cells = [row.get(layout.at["option_mass"]) for row in table.rows]
    if all(cell is None for cell in cells):
        return None
    for i, cell in enumerate(cells):
        try:
            fits = 0 < float(cell) <= 1  # type: ignore[arg-type]
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ScoresError(f"{table.place(i)}: column option_mass: {cell!r:.40} is not a probability above 0")
    return [float(cell) for cell in cells]  # type: ignore[arg-type]


def _summed(
    table: Table,
    layout: Layout,
    numbers: list[list[float]],
    masses: list[float] | None,
    settings: ImportSettings,
    notice: Notice | None,
) -> list[list[float]]:
    """Rows that sum to 1 after all that rounding took, or as they stand where a rest is outside; no zeros."""
    near = _tolerance(table, layout)
    for i, row in enumerate(numbers):
        odd = next((value for value in row if not 0 <= value <= 1), None)
        if odd is not None:
            raise ScoresError(f"{table.place(i)}: {odd:.6g} is not a probability (0 to 1)")
        total = sum(row)
        if total == 0 or (masses is None and abs(total - 1) > near) or total > 1 + near:
            how = "; --rest-outside, if the rest is outside the options" if 0 < total < 1 else ""
            raise ScoresError(f"{table.place(i)}: the probabilities sum to {total:.4g}, not to 1{how}")
    zeros = sum(row.count(0.0) for row in numbers)
    if zeros:
        least = min(value for row in numbers for value in row if value) / 2
        if least > MOST_FOR_ZERO:
            i = next(i for i, row in enumerate(numbers) if 0.0 in row)
            raise ScoresError(
                f"{table.place(i)}: a probability is 0, which no softmax gives, and the least that is not, "
                f"{2 * least:.3g}, is too large to say what it was rounded from: give more digits, or log-probabilities"
            )
        tell(
            notice,
            f"{table.path}: {zeros} probabilities are 0, which no softmax gives: taken as {least:.3g}, half of the "
            "least that is not",
        )
        numbers = [[value or least for value in row] for row in numbers]
    if settings.rest_outside:
        return numbers
    close = [masses is None or abs(sum(row) - 1) <= near for row in numbers]
    return [[v / sum(row) for v in row] if is_one else row for row, is_one in zip(numbers, close, strict=True)]


def _answers(table: Table, layout: Layout, numbers: list[list[float]], settings: ImportSettings) -> list[int]:
    """The index of each row's right option. Raises ScoresError where that is not certain."""
    column = layout.at["answer"]
    found: list[int | None] = []
    plain: dict[int, int] = {}
    for i, row in enumerate(table.rows):
        cell, k = row.get(column), len(numbers[i])
        named = _named(cell, _names(table, layout, i, k))
        if named is None:
            number = _whole(cell)
            if number is None:
                raise ScoresError(
                    f"{table.place(i)}: answer {cell!r:.40} is neither one of its {k} options nor a number"
                )
            plain[i] = number
        found.append(named)
    if plain:
        start = _start(table, plain, numbers, settings)
        for i, number in plain.items():
            if not start <= number < len(numbers[i]) + start:
                raise ScoresError(
                    f"{table.place(i)}: answer {number} is outside its {len(numbers[i])} options, counted from {start}"
                )
            found[i] = number - start
    return [index for index in found if index is not None]


def _start(table: Table, plain: dict[int, int], numbers: list[list[float]], settings: ImportSettings) -> int:
    if settings.answers_from is not None:
        return settings.answers_from
    if 0 in plain.values():
        return 0
    if any(number == len(numbers[i]) for i, number in plain.items()):
        return 1
    i = next(iter(plain))
    raise ScoresError(
        f"{table.place(i)}: answer {plain[i]}: no answer is 0 and none the last option's number, so that they may "
        "count from 0 or from 1; say --answers-from 0 or --answers-from 1"
    )


def _names(table: Table, layout: Layout, row: int, k: int) -> list[Sequence[str]]:
    """What the options may be called in the column answer: the columns' names, letters, the options' texts."""
    choices = table.rows[row].get(layout.at.get("choices", ""))
    texts = [str(choice) for choice in choices] if isinstance(choices, list) else []
    if layout.listed is None:
        return [layout.names[:k], texts]
    own = [str(table.rows[row].get(column)) for _, column in layout.options[:k]]
    return [LETTERS[:k], texts or own]


def _named(cell: Any, names: Sequence[Sequence[str]]) -> int | None:
    for called in names:
        if isinstance(cell, str) and cell in list(called):
            return list(called).index(cell)
    return None


def _whole(cell: Any) -> int | None:
    if isinstance(cell, bool):
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return int(value) if value.is_integer() and value >= 0 else None


def _text(table: Table, layout: Layout, row: int, name: str) -> str | None:
    cell = table.rows[row].get(layout.at[name]) if name in layout.at else None
    return None if cell is None else str(cell)


def _document(table: Table, layout: Layout, row: int, answer: int) -> str | None:
    """What tells the item's content: the column `document`, else a hash of question, options, answer, group."""
    given = _text(table, layout, row, "document")
    if given is not None:
        return given
    question = _text(table, layout, row, "question")
    if question is None:
        return None
    cells = table.rows[row]
    texts = [cells.get(column) for _, column in layout.options] if layout.listed is not None else []
    choices = cells.get(layout.at.get("choices", "")) or texts
    return document_hash(["table", question, choices, answer, _text(table, layout, row, "group")])


def _model(table: Table, layout: Layout) -> str | None:
    names = {_text(table, layout, i, "model") for i in range(len(table.rows))} - {None}
    if len(names) > 1:
        raise ScoresError(f"{table.path}: models {', '.join(sorted(map(str, names)))}: give one model's rows per file")
    return next(iter(names), None)
