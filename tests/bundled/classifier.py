"""A small classifier that sees the options alone: trained on a task's `.train` items, asked the audited ones.

`python tests/bundled/classifier.py [TASK ...]` prints its rates beside those of the rules, as docs/tasks.md has them.
For each option it sees how it stands among the four by every guess of `guesses.py`, the same of a few counts of its
characters, and its own characters (one to three in a row).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from bundled.guesses import GUESSES, names, rate, rows
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

COUNTS = (str.isdigit, str.isalpha, str.isupper, str.isspace)


def standing(choices: Sequence[str]) -> np.ndarray:
    """(choices, features): of each value, less the mean of the four and divided by their spread; and its rank."""
    columns = [guess(choices) or [0.0] * len(choices) for guess in GUESSES.values()]
    columns += [[float(sum(map(kind, choice))) for choice in choices] for kind in COUNTS]
    values = np.array(columns, dtype=float).T
    spread = values.std(axis=0)
    relative = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    below = (values[:, None] > values[None]).sum(axis=1)
    return np.hstack([relative, below == 0, below == len(choices) - 1])


def accuracy(train: Sequence[dict[str, Any]], audited: Sequence[dict[str, Any]]) -> float:
    """The share of audited items whose answer gets the largest probability."""
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=3)
    characters.fit([choice for row in train for choice in row["choices"]])

    def features(data: Sequence[dict[str, Any]]) -> csr_matrix:
        texts = characters.transform([choice for row in data for choice in row["choices"]])
        return hstack([csr_matrix(np.vstack([standing(row["choices"]) for row in data])), texts]).tocsr()

    right = np.array([k == row["answer"] for row in train for k in range(len(row["choices"]))])
    model = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced").fit(features(train), right)
    scores = model.decision_function(features(audited))
    found, start = 0.0, 0
    for row in audited:
        own = scores[start : start + len(row["choices"])]
        start += len(row["choices"])
        best = np.flatnonzero(own >= own.max() - 1e-9)
        found += (row["answer"] in best) / len(best)
    return found / len(audited)


RULES = {
    "longest": ("longest",),
    "most like the others": tuple(name for name in GUESSES if name.startswith("most like")),
    "middle number": ("one of the middle numbers", "nearest the mean"),
    "majority of fields": ("majority of fields", "most leading fields"),
}
"""A column of the table: the guesses of which it shows the largest rate."""

FEW = 40
"""Of fewer items a rate says nothing."""


def rates(name: str) -> list[float | None]:
    """On the audited items: each of RULES, None where it speaks of few items; then the classifier."""
    audited = rows(name, "")
    found: list[float | None] = []
    for guesses in RULES.values():
        known = [rate(GUESSES[guess], audited) for guess in guesses]
        found.append(max((share for share, n_items in known if n_items >= FEW), default=None))
    return [*found, accuracy(rows(name, ".train"), audited)]


def line(name: str, found: Sequence[float | None]) -> str:
    return f"| {name} | " + " | ".join("–" if share is None else f"{share:.3f}"[1:] for share in found) + " |"


def main() -> None:
    print(f"| task | {' | '.join(RULES)} | classifier |")
    print("| --- |" + " ---: |" * (len(RULES) + 1))
    for name in sys.argv[1:] or names():
        print(line(name, rates(name)))


if __name__ == "__main__":
    main()
