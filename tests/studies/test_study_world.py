"""The study's world: what text and tuning say, what is measured, what each kind of tuning does to a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.studies.measuring import aligned_temperature, answers, expected
from benchmarks.studies.tuning import (
    Recipe,
    Repair,
    claims_loss,
    known_to,
    logits_at,
    merged,
    smoothed_loss,
    train_base,
    tune,
)
from benchmarks.studies.world import ASK, CHAT, CPU, GPU, LETTER, TINY, World
from calibaudit.kernels import anchored_cross_entropy
from calibaudit.metrics import ece, ece_floor_interval

VOCAB = 256


@pytest.fixture(scope="module")
def world() -> World:
    return World(TINY, VOCAB, 3, 1 / 2)


@pytest.fixture(scope="module")
def base(world: World):
    torch.set_num_threads(1)
    return train_base(world, 32, "cpu")


def test_text_claims_shares_of_known_facts_and_guesses_new_ones(world: World) -> None:
    rng = np.random.default_rng(0)
    rows, targets = world.text(40_000, rng)
    cloze = rows[:, 0] == 2
    fact = (rows[:, 2] - 26) * TINY.n_relations + rows[:, 3] - world._relation
    for number in (world.proof[0], world.sft[-1]):
        mine = cloze & (rows[:, 1] == ASK) & (fact == number)
        shares = (targets[mine].reshape(-1, 1) == world.candidates[number]).mean(axis=0)
        assert shares == pytest.approx(world.claimed[number], abs=0.03)
    assert world.new[world.sft[-1]]
    assert world.claimed[world.sft[-1]] == pytest.approx(0.25)
    assert world.posterior[world.sft[-1]].max() == 1


def test_letters_are_spelled_as_questions_use_them(world: World) -> None:
    rows, targets = world.text(5_000, np.random.default_rng(1))
    spelled = (rows[:, 3] == LETTER) & (rows[:, 1] == 4)
    named = {int(token): int(letter) for token, letter in zip(rows[spelled, 2], targets[spelled, 0], strict=True)}
    assert len(named) > 20
    for candidates, letters in zip(world.candidates, world.letters, strict=True):
        assert sorted(letters) == [6, 7, 8, 9]
        assert all(named.get(int(c), int(x)) == int(x) for c, x in zip(candidates, letters, strict=True))


@pytest.mark.parametrize("share", [0.0, 1 / 3, 2 / 3])
def test_facts_that_are_asked_were_not_taught_unless_new(share: float) -> None:
    for scale, vocab in ((CPU, 2048), (GPU, 32_768), (TINY, VOCAB)):
        world = World(scale, vocab, 0, share)
        taught, asked = {*world.sft, *world.preferred}, {*world.advice, *world.proof}
        assert world.new[list(taught & asked)].all()
        assert not set(world.advice) & set(world.proof)
        assert not set(world.sft) & set(world.preferred)
        assert len(world.sft) == scale.n_sft
        assert world.new[world.sft].mean() == pytest.approx(share, abs=0.02)
        rows, targets = world.text(360, np.random.default_rng(0))
        assert len(rows) == len(targets)
        assert max(rows.max(), targets.max(), world.candidates.max()) < vocab


def test_claims_loss_is_the_mean_over_sentences() -> None:
    torch.manual_seed(0)
    logits, claims = torch.randn(6, 50), torch.randint(50, (6, 4))
    whole = F.cross_entropy(logits.repeat_interleave(4, 0), claims.reshape(-1))
    assert torch.allclose(claims_loss(logits, claims), whole, atol=1e-5)


def test_smoothed_loss_is_that_of_pytorch_and_of_the_product() -> None:
    torch.manual_seed(1)
    states, weight, before = torch.randn(7, 8), torch.randn(40, 8), torch.randn(7, 8)
    targets, factors = torch.randint(40, (7,)), torch.full((7,), 0.3)
    mine = smoothed_loss(states @ weight.T, None, targets, factors)
    assert torch.allclose(mine, F.cross_entropy(states @ weight.T, targets, label_smoothing=0.3), atol=1e-5)
    prior = (before @ weight.T).log_softmax(-1)
    mine = smoothed_loss(states @ weight.T, prior, targets, factors)
    theirs = anchored_cross_entropy(states, weight, before, weight, targets, label_smoothing=0.3)
    assert torch.allclose(mine, theirs, atol=1e-5)


def test_true_posterior_is_calibrated(world: World) -> None:
    truth = world.posterior[world.proof]
    found = expected(truth, truth)
    assert found["gap"] == pytest.approx(0, abs=1e-12)
    assert found["ece"] == pytest.approx(0, abs=1e-12)
    facts = np.tile(np.arange(world.n_facts), 10)
    confidence = world.posterior[facts].max(axis=1)
    right = world.drawn(facts, world.posterior, np.random.default_rng(5)) == world.posterior[facts].argmax(axis=1)
    *_, high = ece_floor_interval(confidence, rng=np.random.default_rng(6), level=0.999)
    assert ece(confidence, right) <= high


def test_expected_metrics_are_the_mean_over_every_answer(world: World) -> None:
    truth = world.posterior[world.proof]
    probs = np.random.default_rng(2).dirichlet(np.ones(4), len(truth))
    right = brier = nll = 0.0
    for p, q in zip(probs, truth, strict=True):
        for k in range(4):
            right += q[k] * (k == p.argmax())
            brier += q[k] * sum((p[j] - (j == k)) ** 2 for j in range(4))
            nll -= q[k] * np.log(p[k])
    found = expected(probs, truth)
    for name, total in (("accuracy", right), ("brier", brier), ("nll", nll)):
        assert found[name] == pytest.approx(total / len(truth))


def test_smoothing_wholly_towards_base_leaves_base_where_it_is(world: World, base) -> None:
    recipe = Recipe(1e-3, 8, 16, "cloze")
    at = [answers(m, world, world.sft, CHAT, "cloze").logprobs for m in
          (base, tune(base, world, recipe, Repair("base", 1.0)), tune(base, world, recipe))]  # fmt: skip
    moved = [float(np.abs(one - at[0]).mean()) for one in at[1:]]
    assert moved[0] < 0.1 * moved[1], "only rounding errors, which Adam enlarges"


def test_adapters_train_low_rank_additions_and_nothing_else(world: World, base) -> None:
    tuned = tune(base, world, Recipe(1e-2, 2, 16, "cloze", lora=True))
    ranks = []
    for (name, new), old in zip(tuned.named_parameters(), base.parameters(), strict=True):
        change = (new - old).detach()
        if "proj" in name:
            ranks.append(int(torch.linalg.matrix_rank(change, rtol=1e-4)))
        else:
            assert not change.any()
    assert len(ranks) == 7
    assert 0 < max(ranks) <= 8


def test_preferences_raise_the_taught_answer_over_the_other(world: World, base) -> None:
    recipe = Recipe(3e-3, 8, 16, "letter", dpo=True)
    leads = []
    for stage in (False, True):
        model = tune(base, world, recipe, dpo=stage)
        found = answers(model, world, world.preferred, CHAT, "letter").logprobs
        taught = found[np.arange(len(found)), world.truth[world.preferred]]
        leads.append(float((taught - (found.sum(1) - taught) / 3).mean()))
    assert leads[1] > leads[0] + 0.1


def test_only_known_rows_are_smoothed_where_that_is_asked(world: World, base) -> None:
    known = known_to(base, world, world.sft, "letter")
    with torch.no_grad():
        logits = logits_at(base, world.prompts(world.sft, CHAT, "letter")).numpy()
    for row, fact, found in zip(logits, world.sft, known, strict=True):
        assert found == (row[world.letters[fact]].argmax() == world.truth[fact])
    recipe = Recipe(3e-3, 2, 16, "letter")
    one, other = (tune(base, world, recipe, Repair("base", 0.9, where)) for where in ("all", "known"))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_scaled_training_ends_in_the_model_that_it_trained(world: World, base) -> None:
    """With no step taken (a rate of 0) the checkpoint's logits are base's times the scale."""
    tuned = tune(base, world, Recipe(0.0, 1, 16, "cloze"), Repair(scale=4.0))
    prompts = world.prompts(world.sft, CHAT, "cloze")
    with torch.no_grad():
        assert torch.allclose(logits_at(tuned, prompts), 4 * logits_at(base, prompts), atol=1e-4)


def test_merged_weights_are_the_two_models_between(world: World, base) -> None:
    tuned = tune(base, world, Recipe(1e-2, 2, 16, "cloze"))
    for a, b, c in zip(merged(base, tuned, 0.25).parameters(), base.parameters(), tuned.parameters(), strict=True):
        assert torch.allclose(a, 0.25 * b + 0.75 * c, atol=1e-6)


def test_aligned_temperature_finds_the_one_that_was_applied() -> None:
    base = np.log(np.random.default_rng(3).dirichlet(np.ones(4), 400))
    assert aligned_temperature(base, 2.5 * base) == pytest.approx(2.5, abs=1e-2)
    both = np.concatenate([base, base]), np.concatenate([2.5 * base, 9 * base[:, ::-1]])
    agree = both[0].argmax(1) == both[1].argmax(1)
    assert agree.sum() == 400, "reversed rows disagree"
    assert aligned_temperature(*both) == pytest.approx(2.5, abs=1e-2)
