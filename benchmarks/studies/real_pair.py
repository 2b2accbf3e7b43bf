"""Repairs that need no training on a real pair: Llama-3.1-8B and -8B-Instruct on MMLU, from saved scores of the
letters.

    python -m benchmarks.studies.real_pair [FOLDER] [--seeds 0 1 2]

FOLDER holds Llama-3.1-8B.json and Llama-3.1-8B-Instruct.json (default: ../shared/data/real_pairs; where it is not
there, this says so and ends). Items are cut into two halves by chance: what is fitted is fitted on one and judged on
the other, then the other way round; means over both and the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.studies.intervals import shown
from benchmarks.studies.measuring import aligned_temperature, softmax
from calibaudit.advice.weights import WEIGHTS, target_of
from calibaudit.metrics import ece, fit_temperature, nll
from calibaudit.scores.align import paired
from calibaudit.scores.saved import read_scores

NAMES = ("Llama-3.1-8B", "Llama-3.1-8B-Instruct")
Figures = tuple[float, float, float]


def figures(probs: np.ndarray, answer: np.ndarray) -> Figures:
    """ECE (15 bins, as papers print it), accuracy, NLL."""
    correct = probs.argmax(1) == answer
    return ece(probs.max(1), correct), float(correct.mean()), nll(probs, answer)


def repaired(
    base: np.ndarray, tuned: np.ndarray, answer: np.ndarray, fit: np.ndarray
) -> Iterator[tuple[str, np.ndarray, str]]:
    """(name, probabilities of all items, what was fitted). base, tuned: (items, 4) log-probabilities. fit: the items
    that may be looked at."""
    p, q = softmax(tuned), softmax(base)
    yield "base", q, ""
    yield "instruct", p, ""
    temperature = fit_temperature(tuned[fit], answer[fit])
    yield "temperature", softmax(tuned / temperature), f"T {temperature:.2f}"
    aligned = aligned_temperature(base[fit], tuned[fit])
    agreement = float((base[fit].argmax(1) == tuned[fit].argmax(1)).mean())
    yield "aligned", softmax(tuned / aligned), f"T {aligned:.2f}, both alike in {agreement:.2f}"
    gaps = np.array([_gap((1 - w) * p[fit] + w * q[fit], answer[fit]) for w in WEIGHTS])
    target = target_of(gaps)
    if target is not None:
        yield "outputs mixed by `stack`", (1 - target.weight) * p + target.weight * q, f"{target.weight:.2f} of base"
    for weight in (0.3, 0.5, 0.7):
        yield f"outputs mixed by {weight:g}", (1 - weight) * p + weight * q, ""


def _gap(probs: np.ndarray, answer: np.ndarray) -> float:
    return float((probs.max(1) - (probs.argmax(1) == answer)).mean())


def rows(folder: Path, seeds: list[int]) -> list[list[str]]:
    pairs = paired(*(read_scores(folder / f"{name}.json") for name in NAMES))
    base, tuned = (np.concatenate([np.asarray(pair[side].logprobs) for pair in pairs]) for side in (0, 1))
    answer = np.concatenate([np.asarray(pair[0].answer) for pair in pairs])
    found: dict[str, list[Figures]] = {}
    fitted: dict[str, str] = {}
    for seed in seeds:
        half = np.random.default_rng(seed).permutation(len(answer)) < len(answer) // 2
        for fit in (half, ~half):
            for name, probs, what in repaired(base, tuned, answer, fit):
                found.setdefault(name, []).append(figures(probs[~fit], answer[~fit]))
                fitted.setdefault(name, what)
    return [[name, *(shown(float(m)) for m in np.mean(values, axis=0)), fitted[name]] for name, values in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_pairs"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(f"not run: {options.folder} is not there")
        return
    for row in [
        ["", "ECE", "accuracy", "NLL", "fitted (first half, seed 0)"],
        ["---"] * 5,
        *rows(options.folder, options.seeds),
    ]:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
