"""No guess from the options alone finds many answers: the odd one, the middle one and the one most like the rest."""

from __future__ import annotations

import pytest
from bundled.guesses import GUESSES, fields, rate, rows

NAMES = ("arithmetic", "calendar", "elements", "logic", "places", "programs", "reading", "units", "words")
MOST = 0.30
"""The largest rate of a guess; by chance it is 0.25. Over few items it may be larger by what chance gives."""


@pytest.mark.parametrize("part", [("",), ("", ".train")], ids=["audited", "all"])
@pytest.mark.parametrize("name", NAMES)
def test_no_guess_is_right_much_more_often_than_chance(name: str, part: tuple[str, ...]) -> None:
    data = rows(name, *part)
    for label, guess in GUESSES.items():
        found, n_items = rate(guess, data)
        slack = (0.3 * 0.7 / max(n_items, 1)) ** 0.5
        assert found <= MOST + (slack / 2 if n_items >= 200 else 2 * slack), (label, found, n_items)


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
