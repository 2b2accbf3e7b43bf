from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibaudit.errors import ScoresError
from calibaudit.metrics import ece, holm, split_ece, split_ece_change


def made(n: int, seed: int, over: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(confidence, correct) of a model that is `over` surer than it is right."""
    rng = np.random.default_rng(seed)
    q = 0.25 + 0.75 * rng.beta(1.2, 1.2, size=n)
    return np.minimum(q + over, 1.0), rng.random(n) < q


def all_half_splits(e: np.ndarray) -> float:
    """The signed sum of one half, its sign learnt on the other, both ways, over all 2^n splits."""
    n = len(e)
    first = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool) @ e
    second = e.sum() - first
    return float((np.sign(first) * second + np.sign(second) * first).mean())


@pytest.mark.parametrize("seed", [0, 4, 36, 108, 113, 127, 149, 198])
def test_one_bin_is_the_mean_over_all_half_splits(seed: int) -> None:
    """16 items whose answers scatter as their confidences say, so that the variance is known."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.2, 0.9, 16)
    correct = rng.random(16) < confidence - rng.choice([0, 0.3, -0.1])
    excess, expected = confidence - correct, (confidence * (1 - confidence)).sum()
    assert (excess**2).sum() == pytest.approx(expected, rel=0.06)
    found = 16 * split_ece(confidence, correct, n_bins=1).value
    assert found == pytest.approx(all_half_splits(excess), abs=0.06 * expected**0.5)


def test_bins_add_up_and_none_disturbs_another() -> None:
    parts = [(np.full(40, c), np.arange(40) < right) for c, right in ((0.3, 20), (0.7, 20), (0.98, 38))]
    whole = split_ece(np.concatenate([c for c, _ in parts]), np.concatenate([a for _, a in parts]))
    assert whole.value == pytest.approx(np.mean([split_ece(c, a).value for c, a in parts]))


def test_a_calibrated_models_mean_is_0_and_a_clear_error_is_the_plug_in() -> None:
    drawn = [split_ece(*made(300, seed)).value for seed in range(400)]
    assert abs(np.mean(drawn)) < 4 * np.std(drawn) / 20
    assert np.mean([ece(*made(300, seed)) for seed in range(50)]) > 0.05  # which has a floor
    confidence, correct = made(40_000, 1, 0.2)
    assert split_ece(confidence, correct).value == pytest.approx(ece(confidence, correct), abs=0.002)


@st.composite
def designs(draw: st.DrawFn) -> dict[str, object]:
    """300 items, with or without units and tasks."""
    unit = draw(st.sampled_from([None, np.arange(300) // 5, np.arange(300) % 150]))
    task = draw(st.sampled_from([None, np.arange(300) // 100]))
    return {"unit": unit, "task": task, "macro": draw(st.booleans()), "n_bins": draw(st.sampled_from([1, 5, 15]))}


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0, 0.4), designs(), st.sampled_from([0.8, 0.95, 0.99]))
def test_no_sample_contradicts_itself(seed: int, over: float, design: dict, level: float) -> None:
    before, after = made(300, seed), made(300, seed + 1, over)
    pairs = (before[0], after[0]), (before[1], after[1])
    for estimate in (split_ece(*after, **design), split_ece_change(*pairs, **design)):
        low, high = estimate.interval(level)
        assert low <= estimate.value <= high
        assert (estimate.p_value() < 1 - level) == (not low <= 0 <= high)
    change = split_ece_change(*pairs, **design)
    values = [split_ece(*side, **design).value for side in (before, after)]
    assert change.value == pytest.approx(values[1] - values[0], abs=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10_000), designs())
def test_swapped_sides_and_shuffled_items(seed: int, design: dict) -> None:
    before, after = made(300, seed), made(300, seed + 1, 0.1)
    change = split_ece_change((before[0], after[0]), (before[1], after[1]), **design)
    back = split_ece_change((after[0], before[0]), (after[1], before[1]), **design)
    assert back.value == pytest.approx(-change.value, abs=1e-12)
    assert back.p_value() == pytest.approx(change.p_value(), rel=1e-9)
    assert back.interval() == pytest.approx([-end for end in change.interval()[::-1]], abs=1e-9)
    order = np.random.default_rng(seed).permutation(300)
    moved = {name: v[order] if isinstance(v, np.ndarray) else v for name, v in design.items()}
    other = split_ece_change((before[0][order], after[0][order]), (before[1][order], after[1][order]), **moved)
    assert other.interval() == pytest.approx(change.interval(), abs=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 10_000), designs())
def test_the_same_model_twice(seed: int, design: dict) -> None:
    confidence, correct = made(300, seed, 0.1)
    change = split_ece_change((confidence, confidence), (correct, correct), **design)
    assert change.value == 0
    assert change.p_value() == 1
    low, high = change.interval()
    assert low <= 0 <= high


def test_macro_is_the_mean_of_the_tasks() -> None:
    parts = [made(n, n, over) for n, over in ((60, 0.0), (200, 0.1), (90, 0.3))]
    task = np.repeat([5, 2, 8], [60, 200, 90])
    confidence, correct = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    found = split_ece(confidence, correct, task=task, macro=True)
    alone = [split_ece(*part) for part in parts]
    assert found.value == pytest.approx(np.mean([one.value for one in alone]))
    assert found.se == pytest.approx(sum(one.se**2 for one in alone) ** 0.5 / 3, rel=0.1)
    one_task = split_ece(*parts[1], task=np.zeros(200), macro=True)
    assert one_task == split_ece(*parts[1])


def test_items_seen_again_are_no_more_evidence() -> None:
    """Every item ten times, as units: about the noise of the items once."""
    before, after = made(400, 3), made(400, 4, 0.15)
    once = split_ece_change((before[0], after[0]), (before[1], after[1]))
    sides = [[np.tile(x, 10) for x in side] for side in (before, after)]
    pairs = (sides[0][0], sides[1][0]), (sides[0][1], sides[1][1])
    again = split_ece_change(*pairs, unit=np.tile(np.arange(400), 10))
    assert again.se == pytest.approx(once.se, rel=0.25)
    assert split_ece_change(*pairs).se < 0.6 * once.se


def test_one_of_sixty_tasks_can_be_starred() -> None:
    """A p-value has no floor that Holm's factor could lift above .05."""
    p_values = []
    for task in range(60):
        before, after = made(300, 2 * task), made(300, 2 * task + 1, 0.4 if task == 7 else 0.0)
        p_values.append(split_ece_change((before[0], after[0]), (before[1], after[1])).p_value())
    assert np.flatnonzero(holm(p_values) < 0.05).tolist() == [7]


@pytest.mark.parametrize("n", [300, 1000])
def test_all_items_in_one_cell_against_one_as_wrong_in_every_cell(n: int) -> None:
    """Both ECEs are .05; the cells of the second err in turn to either side, each with an eleventh of the evidence."""
    rejected = 0
    for seed in range(2000):
        rng = np.random.default_rng([seed, n])
        one, many = np.full(n, 0.8), rng.uniform(4 / 15, 1, n)
        side = np.where((many * 15).astype(int) % 2 == 0, 1, -1)
        correct = rng.random(n) < one - 0.05, rng.random(n) < np.clip(many - 0.05 * side, 0, 1)
        rejected += split_ece_change((one, many), correct).p_value() < 0.05
    assert rejected / 2000 < 0.05 + 3 * 0.0049


def test_no_errors_and_one_item() -> None:
    for confidence, correct in ((np.ones(50), np.ones(50)), (np.full(1, 0.7), np.ones(1))):
        found = split_ece(confidence, correct)
        assert np.isfinite([found.value, *found.interval(), found.p_value()]).all()
    assert split_ece(np.ones(50), np.ones(50)).value == 0


def test_unusable_input_is_refused() -> None:
    with pytest.raises(ScoresError):
        split_ece([0.5, 0.5], [1])
    for other, hits in (([0.5], [1, 0]), ([0.5], [1]), ([0.5, 0.4, 0.3], [1, 0]), ([0.5, 0.4], [1])):
        with pytest.raises(ScoresError, match="same items"):
            split_ece_change(([0.5, 0.5], other), ([1, 0], hits))
    with pytest.raises(ScoresError):
        split_ece([0.5, 1.5], [1, 0])
    with pytest.raises(ScoresError):
        split_ece([0.5, 0.5], [1, 0], unit=[1, 2, 3])
