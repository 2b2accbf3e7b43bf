"""The mixture estimate against a hand loop and closed forms, and each warning made to appear."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from made_scores import INFO, TUNED, made_scores

from calibaudit.comparing import compare
from calibaudit.recommending import LITERATURE, MARGIN, Recommendation, recommend
from calibaudit.sampling import Settings
from calibaudit.scores import Scores

SETTINGS = Settings(n_resamples=200, n_permutations=100)


def pair(n: int = 2_000, heat: float = 2.5, **fields: Any) -> tuple[Scores, Scores]:
    return made_scores(n, model=INFO, **fields), made_scores(n, model=TUNED, heat=heat, **fields)


def advice(*pairs: tuple[Scores, Scores], **options: Any) -> Recommendation:
    before, after = ([p[i] for p in pairs] for i in (0, 1))
    return recommend(before, after, compare(before, after, SETTINGS), **options)


def hand_gap(before: Scores, after: Scores, weight: float) -> float:
    """Mean confidence minus accuracy of the mixture, item by item."""
    total = 0.0
    for row_b, row_a, y in zip(before.logprobs, after.logprobs, after.answer, strict=True):
        probs = [(1 - weight) * np.exp(a) + weight * np.exp(b) for a, b in zip(row_a, row_b, strict=True)]
        total += max(probs) - (int(np.argmax(probs)) == y)
    return total / len(after.answer)


@pytest.mark.parametrize("margin", [0.0, MARGIN, 0.1])
def test_the_weight_is_the_smallest_that_brings_the_gap_within_the_margin(margin: float) -> None:
    before, after = pair()
    found = advice((before, after), margin=margin)
    assert (found.method, found.prior, found.margin) == ("stack", "base", margin)
    weight = found.epsilon.value
    assert weight is not None
    assert 0 < weight < 1
    assert hand_gap(before, after, weight) <= margin + 1e-9
    assert hand_gap(before, after, weight - 0.01) > margin
    assert found.epsilon.low is not None
    assert found.epsilon.high is not None
    assert 0 <= found.epsilon.low <= weight <= found.epsilon.high <= 1


def test_the_interval_covers_the_weight_of_a_large_sample() -> None:
    """Twenty samples of 1,000 items against the weight of 60,000: 95 % intervals may miss twice, not five times."""
    truth = advice(pair(60_000, seed=99)).epsilon.value
    assert truth is not None
    missed = 0
    for seed in range(20):
        epsilon = advice(pair(1_000, seed=seed)).epsilon
        assert epsilon.low is not None
        assert epsilon.high is not None
        missed += not epsilon.low <= truth <= epsilon.high
    assert missed <= 4


def test_the_option_epsilon_closes_the_gap_when_mixed_with_uniform() -> None:
    before, after = pair()
    epsilon = advice((before, after)).demand.option_epsilon
    assert epsilon is not None
    probs = np.exp(after.logprobs)
    confidence, accuracy = probs.max(axis=1).mean(), (probs.argmax(axis=1) == after.answer).mean()
    assert (1 - epsilon) * confidence + epsilon / 4 == pytest.approx(accuracy, abs=1e-12)


def test_the_nll_weight_is_the_best_of_the_grid() -> None:
    before, after = pair()
    found = advice((before, after)).nll_weight
    rows = np.arange(len(after.answer))

    def nll(weight: float) -> float:
        mixed = (1 - weight) * np.exp(after.logprobs) + weight * np.exp(before.logprobs)
        return float(-np.log(mixed[rows, after.answer]).mean())

    assert found == pytest.approx(min((nll(w / 100), w / 100) for w in range(101))[1])


def test_nothing_to_repair_is_a_factor_of_zero() -> None:
    found = advice(pair(4_000, heat=1.0))
    assert (found.epsilon.value, found.method) == (0.0, "stack")
    assert found.demand.option_epsilon is None or found.demand.option_epsilon < 0.05
    assert "already" in found.reason
    assert any("covers 0" in warning for warning in found.warnings)


def test_where_base_is_no_better_the_literature_is_named_and_said_so() -> None:
    before, after = made_scores(2_000, heat=3.0), made_scores(2_000, heat=2.5, model=TUNED)
    found = advice((before, after))
    assert (found.epsilon.value, found.epsilon.low, found.prior, found.method) == (
        LITERATURE,
        None,
        "uniform",
        "literature",
    )
    assert "literature" in found.reason
    assert any("no less overconfident" in warning for warning in found.warnings)


def test_tasks_of_opposite_sign_are_warned_of() -> None:
    found = advice(pair(task="a"), pair(task="b", seed=1, heat=0.3))
    assert any("disagree" in warning and "a" in warning and "b" in warning for warning in found.warnings)
    assert not any("disagree" in warning for warning in advice(pair(task="a"), pair(task="b", seed=1)).warnings)


def test_a_temperature_that_fits_better_is_named() -> None:
    """Here the tuned model is base with every logit times 2.5, so a temperature of 2.5 undoes it exactly."""
    found = advice(pair())
    assert any("temperature of 2." in warning for warning in found.warnings)
    noisy_before, noisy_after = made_scores(2_000), made_scores(2_000, heat=2.5, noise=2.0, model=TUNED)
    assert not any("temperature" in warning for warning in advice((noisy_before, noisy_after)).warnings)


def test_few_items_and_low_option_mass_are_warned_of() -> None:
    assert any("only 200 items" in warning for warning in advice(pair(200)).warnings)
    letter = {"scoring": "letter", "option_mass": np.full(2_000, 0.3)}
    assert any("30 %" in warning for warning in advice(pair(**letter)).warnings)
    assert not any("options of letter" in warning for warning in advice(pair()).warnings)


def test_the_result_is_plain_json() -> None:
    data = json.loads(json.dumps(advice(pair()).to_dict(), allow_nan=False))
    assert set(data) >= {"epsilon", "prior", "method", "reason", "warnings", "demand"}
    assert set(data["epsilon"]) == {"value", "low", "high"}
