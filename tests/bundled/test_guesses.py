"""No guess from the options alone finds many answers: by rules, or by a classifier that learned from other items."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bundled.classifier import FEW, RULES, accuracy, line, rates
from bundled.guesses import GUESSES, fields, folder, names, rate, rows

NAMES = names()
MOST = 0.30
"""The largest rate of a guess; by chance it is 0.25. Over few items it may be larger by what chance gives."""
MOST_LEARNED = 0.32


@pytest.mark.parametrize("part", [("",), ("", ".train")], ids=["audited", "all"])
@pytest.mark.parametrize("name", NAMES)
def test_no_guess_is_right_much_more_often_than_chance(name: str, part: tuple[str, ...]) -> None:
    data = rows(name, *part)
    for label, guess in GUESSES.items():
        found, n_items = rate(guess, data)
        slack = (0.3 * 0.7 / max(n_items, 1)) ** 0.5
        assert found <= MOST + (slack / 2 if n_items >= 200 else 2 * slack), (label, found, n_items)
        if folder(name).name == "hard" and n_items >= 100:
            assert found <= MOST, (label, found, n_items)


@pytest.mark.parametrize("name", NAMES)
def test_the_options_tell_a_classifier_nothing_and_the_page_has_the_rates(name: str, root: Path) -> None:
    found = rates(name)
    assert found[-1] is not None
    assert found[-1] < MOST_LEARNED
    page = (root / "docs" / "tasks.md").read_text(encoding="utf-8")
    shown = re.search(rf"^\| {name} \| .*\|$", page.partition("options alone give away")[2], flags=re.MULTILINE)
    assert shown
    told, made = (text.strip("| ").split(" | ") for text in (shown[0], line(name, found)))
    assert told[:-1] == made[:-1]
    assert float(told[-1]) == pytest.approx(float(made[-1]), abs=0.03)  # another scikit-learn may end elsewhere


def test_the_classifier_learns_what_there_is_to_learn() -> None:
    """Of items whose answer is the longest, and of items that tell nothing."""

    def made(telling: bool, start: int) -> list[dict[str, object]]:
        data = []
        for n in range(start, start + 120):
            options = [f"{(n * 7 + k * 13) % 89 + 10}" for k in range(4)]
            answer = n % 4
            if telling:
                options[answer] += "0"
            data.append({"choices": options, "answer": answer})
        return data

    assert accuracy(made(True, 0), made(True, 500)) > 0.9
    assert accuracy(made(False, 0), made(False, 500)) < 0.4
    assert len(RULES) == 4
    assert FEW >= 20


def test_the_guesses_do_what_they_are_called() -> None:
    choices = ["4 30 0", "6 42 42", "6 30 0", "6 30 30"]
    for label in ("most like: edit distance", "most like: words", "majority of fields", "most leading fields"):
        values = GUESSES[label](choices)
        assert values.index(max(values)) == 2, label
    assert GUESSES["longest"](choices) == [6, 7, 6, 7]
    assert GUESSES["one of the middle numbers"](["7", "-3", "12", "9"]) == [1, 0, 0, 1]
    assert GUESSES["nearest the mean"](["1", "2", "3", "10"]) == [-3, -2, -1, -6]
    assert GUESSES["one of the middle numbers"](["seven", "1", "2", "3"]) == []
    assert fields("[9, -8] 16:30") == ["9", "-8", "16:30"]
