"""A temperature from base's agreement, against a grid, made worlds and a real pair."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scores import TUNED, made_scores
from scipy.special import log_softmax

from calibaudit.advice.aligned import TEMPERATURES, Aligned, aligned_caution, aligned_temperature, matching_temperature
from calibaudit.errors import ScoresError
from calibaudit.metrics import fit_temperature
from calibaudit.scores.saved import read_scores
from calibaudit.scores.scores import Scores

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real_pairs"


def cross_entropy(probs: np.ndarray, scores: np.ndarray, temperature: float) -> float:
    total = 0.0
    for wanted, row in zip(probs, scores / temperature, strict=True):
        odds = [math.exp(value - max(row)) for value in row]
        total -= sum(w * math.log(o / sum(odds)) for w, o in zip(wanted, odds, strict=True) if w)
    return total / len(probs)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.floats(0.4, 5.0), st.integers(0, 999))
def test_no_temperature_of_a_grid_is_nearer_to_base(n_choices: int, heat: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, heat, (12, n_choices))
    probs = rng.dirichlet(np.ones(n_choices), size=12)
    found = matching_temperature(scores, probs)
    least = cross_entropy(probs, scores, found)
    assert all(least <= cross_entropy(probs, scores, t) + 1e-9 for t in np.geomspace(*TEMPERATURES, 60))


def test_padding_and_certain_answers_by_hand() -> None:
    """One item of two choices: softmax((2, 0) / T) = (3/4, 1/4) where T = 2 / log 3. The pad says nothing."""
    padded = np.array([[2.0, 0.0, -np.inf]])
    assert matching_temperature(padded, np.array([[0.75, 0.25, 0.0]])) == pytest.approx(2 / math.log(3))
    assert matching_temperature(padded, np.array([[1.0, 0.0, 0.0]])) == TEMPERATURES[0]
    assert matching_temperature(padded, np.array([[0.5, 0.5, 0.0]])) == TEMPERATURES[1]


def test_a_model_with_base_logits_times_a_number() -> None:
    base = made_scores(800)
    found = aligned_temperature([base], [made_scores(800, heat=2.5, model=TUNED)])
    assert found.temperature == pytest.approx(2.5, rel=1e-9)
    assert (found.agreement, found.n_agreeing, found.n_items, found.at_bound) == (1.0, 800, 800, False)
    assert "800 of 800 items (100%)" in aligned_caution(found)


def test_items_that_are_answered_otherwise_have_no_say() -> None:
    """Where they disagree the tuned model's scores are torn apart: with them in, the temperature would be another."""
    base, tuned = made_scores(600), made_scores(600, heat=2.0, noise=1.0, model=TUNED)
    agree = base.logprobs.argmax(axis=1) == tuned.logprobs.argmax(axis=1)
    found = aligned_temperature([base], [tuned])
    torn = np.where(agree[:, None], tuned.logprobs, log_softmax(9 * tuned.logprobs, axis=1))
    assert aligned_temperature([base], [dataclasses.replace(tuned, logprobs=torn)]) == found
    assert found.n_agreeing == int(agree.sum()) < 600
    every = matching_temperature(tuned.logprobs, np.exp(base.logprobs))
    assert every > found.temperature * 1.02  # what the paper's title names: disagreement makes it larger


def test_answers_are_not_looked_at() -> None:
    base, tuned = made_scores(300), made_scores(300, heat=2.0, noise=0.5, model=TUNED)
    wrong = (base.answer + 1) % 4
    relabelled = [dataclasses.replace(one, answer=wrong) for one in (base, tuned)]
    assert aligned_temperature([relabelled[0]], [relabelled[1]]) == aligned_temperature([base], [tuned])


def test_no_agreement_is_no_temperature() -> None:
    base = made_scores(50)
    turned = np.roll(base.logprobs, 1, axis=1)
    with pytest.raises(ScoresError, match=r"answer none of the 50 items alike"):
        aligned_temperature([base], [dataclasses.replace(base, logprobs=turned, model=TUNED)])


def test_the_caution_names_a_template_on_one_side_and_an_end_of_the_range() -> None:
    base = made_scores(100)
    one_sided = aligned_temperature([base], [made_scores(100, heat=2.0, model=TUNED, chat_template=True)])
    assert one_sided.one_sided
    assert "give both the same prompts" in aligned_caution(one_sided)
    assert "template" not in aligned_caution(Aligned(2.0, 60, 100))
    assert "an end of the search range, 0.25 to 8" in aligned_caution(Aligned(8.0, 60, 100))


def ece(scores: np.ndarray, answer: np.ndarray) -> float:
    """15 equal bins, plain."""
    probs = np.exp(log_softmax(scores, axis=1))
    confidence, right = probs.max(axis=1), scores.argmax(axis=1) == answer
    index = np.minimum((confidence * 15).astype(int), 14)
    return sum(abs(float((confidence - right)[index == b].sum())) for b in range(15)) / len(answer)


def part(scores: list[Scores], odd: int) -> list[Scores]:
    """Every second item of all tasks, counted through."""
    ends = np.cumsum([0, *(one.n_items for one in scores)])
    return [
        one.in_order(np.flatnonzero((start + np.arange(one.n_items)) % 2 == odd))
        for one, start in zip(scores, ends, strict=False)
    ]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real pair's scores lie beside the checkout, not in it")
def test_a_real_pair_overshoots_with_a_template_on_one_side() -> None:
    """Llama-3.1-8B on MMLU, chosen on one half and looked at on the other."""
    base, tuned = (list(read_scores(REAL / f"Llama-3.1-8B{name}.json")) for name in ("", "-Instruct"))
    found = aligned_temperature(part(base, 0), part(tuned, 0))
    chosen, held = part(tuned, 0), part(tuned, 1)
    labelled = fit_temperature(
        np.concatenate([one.logprobs for one in chosen]), np.concatenate([one.answer for one in chosen])
    )
    logits, answer = np.concatenate([one.logprobs for one in held]), np.concatenate([one.answer for one in held])
    assert found.temperature == pytest.approx(2.94, abs=0.06)
    assert labelled == pytest.approx(2.29, abs=0.06)
    assert found.agreement == pytest.approx(0.60, abs=0.01)
    assert found.one_sided
    assert ece(logits, answer) == pytest.approx(0.119, abs=0.006)
    assert ece(logits / found.temperature, answer) == pytest.approx(0.090, abs=0.006)
    assert ece(logits / labelled, answer) == pytest.approx(0.045, abs=0.006)
