"""The rule as a table, the verdict on made scores, and small simulations of its error rates."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_scores import INFO, TUNED, made_scores
from scipy import stats

from calibaudit.analysis.compare import compare
from calibaudit.analysis.samples import items_of, rows_of
from calibaudit.analysis.settings import Settings
from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.gating.evidence import Evidence, Level, Moved, weigh
from calibaudit.gating.verdict import Limits, decide, gate, shares

FAST = Settings()
LIMITS = Limits()
KEPT = Moved(0.03, 0.031, -0.01, 0.012, 0.4)
OPEN = Moved(0.03, 0.035, -0.02, 0.04, 0.3)
WORSE = Moved(0.03, 0.08, 0.03, 0.07, 1e-5)
NOWHERE = Level(0.5, None, None)


def evidence(ece=KEPT, gap=KEPT, name="t", n_items=1000, n_units=1000, **levels):
    return Evidence(
        name, n_items, n_units, ece, gap, *(levels.get(key, NOWHERE) for key in ("max_ece", "max_gap", "max_brier"))
    )


def moved(change, p_value, low=None, high=None):
    ends = (change - 0.02 if low is None else low, change + 0.02 if high is None else high)
    return Moved(0.03, 0.03 + change, *ends, p_value)


@pytest.mark.parametrize(
    ("ece", "gap", "outcome"),
    [
        (KEPT, KEPT, "passed"),
        (WORSE, KEPT, "regressed"),
        (KEPT, WORSE, "regressed"),
        (WORSE, WORSE, "regressed"),
        (OPEN, KEPT, "inconclusive"),
        (KEPT, OPEN, "inconclusive"),
        (WORSE, OPEN, "regressed"),
        # significant, but the change is at the margin or below it
        (Moved(0.0, 0.02, 0.01, 0.03, 1e-9), KEPT, "inconclusive"),
        (moved(0.019, 1e-9, 0.01, 0.0199), KEPT, "passed"),
        # above the margin, but not significant
        (moved(0.05, 0.2), KEPT, "inconclusive"),
        # alone at .026 it would pass .05; two measures are tested, so it must pass .025
        (moved(0.05, 0.026), KEPT, "inconclusive"),
        (moved(0.05, 0.0249), KEPT, "regressed"),
        # once one measure is rejected, the other has all of alpha (Holm)
        (moved(0.05, 0.0249), moved(0.05, 0.049), "regressed"),
        # the interval must end below the margin, not at it
        (moved(0.0, 0.5, -0.02, 0.02), KEPT, "inconclusive"),
        (moved(0.0, 0.5, -0.02, 0.0199), KEPT, "passed"),
        # a candidate that is better passes
        (moved(-0.1, 1.0), moved(-0.1, 1.0), "passed"),
    ],
)
def test_the_rule(ece, gap, outcome):
    one = evidence(ece, gap)
    found, overall, tasks = decide(one, [one], LIMITS)
    assert (found, overall.outcome, [task.outcome for task in tasks]) == (outcome, outcome, [outcome])


def test_holm_gives_the_second_measure_what_the_first_left():
    one = evidence(moved(0.05, 0.0249), moved(0.05, 0.049))
    checks = decide(one, [one], LIMITS)[1].checks
    assert [check.finding for check in checks] == ["broken", "broken"]
    assert [check.p_value for check in checks] == pytest.approx([0.0498, 0.0498])


@pytest.mark.parametrize(
    ("level", "limit", "outcome"),
    [
        (Level(0.06, 0.051, 0.07), 0.05, "over_limit"),
        (Level(0.06, 0.05, 0.07), 0.05, "inconclusive"),
        (Level(0.04, 0.03, 0.05), 0.05, "passed"),
        (Level(0.04, 0.03, 0.0501), 0.05, "inconclusive"),
        (Level(0.06, None, None), 0.05, "inconclusive"),
    ],
)
@pytest.mark.parametrize("name", ["max_ece", "max_gap", "max_brier"])
def test_absolute_limits(name, level, limit, outcome):
    one = evidence(**{name: level})
    found, overall, _ = decide(one, [one], Limits(**{name: limit}))
    assert found == outcome
    check = overall.checks[-1]
    assert (check.measure, check.allowed, check.found, check.p_value) == (name, limit, level.value, None)
    assert decide(one, [one], LIMITS)[0] == "passed"  # no such limit, no such check


def test_regressed_counts_before_over_limit():
    one = evidence(WORSE, max_ece=Level(0.2, 0.1, 0.3))
    assert decide(one, [one], Limits(max_ece=0.05))[0] == "regressed"


@pytest.mark.parametrize(
    ("overall", "tasks", "outcome"),
    [
        ({}, [{}, {}, {}], "passed"),
        # one task's regression fails the whole, whatever the pooled items say
        ({}, [{}, {"ece": WORSE}, {}], "regressed"),
        ({"gap": WORSE}, [{}, {}, {}], "regressed"),
        # a task that is too small to tell does not hold up what all items together can tell
        ({}, [{"ece": OPEN}, {"gap": OPEN}, {}], "passed"),
        ({"ece": OPEN}, [{}, {}, {}], "inconclusive"),
        # three tasks share half of alpha, two measures each: .05 / 2 / 3 / 2
        ({}, [{"ece": moved(0.05, 0.0041)}, {}, {}], "regressed"),
        ({}, [{"ece": moved(0.05, 0.0043)}, {}, {}], "passed"),
        # the whole has the other half: .05 / 2 / 2
        ({"ece": moved(0.05, 0.0124)}, [{}, {}, {}], "regressed"),
        ({"ece": moved(0.05, 0.0126)}, [{}, {}, {}], "inconclusive"),
        # too few items, or independent groups, to be judged on its own
        ({}, [{"ece": WORSE, "n_items": 99}, {}, {}], "passed"),
        ({}, [{"ece": WORSE, "n_units": 9}, {}, {}], "passed"),
        ({"n_units": 9}, [{"n_units": 9}] * 3, "inconclusive"),
        # and then what it would have had of alpha goes to the others: .05 / 2 / 2 / 2
        ({}, [{"ece": moved(0.05, 0.0061)}, {"n_items": 99}, {}], "regressed"),
        ({}, [{"ece": moved(0.05, 0.0064)}, {"n_items": 99}, {}], "passed"),
        # or all of it to the whole, when no task is judged
        ({"ece": moved(0.05, 0.0249)}, [{"n_items": 99}] * 3, "regressed"),
    ],
)
def test_several_tasks(overall, tasks, outcome):
    parts = [evidence(name=f"t{i}", **fields) for i, fields in enumerate(tasks)]
    found, _, judged = decide(evidence(name="all", **overall), parts, LIMITS)
    assert found == outcome
    for part, task in zip(parts, judged, strict=True):
        assert task.judged == (part.n_items >= 100 and part.n_units >= 10)
        if not task.judged:
            assert {check.finding for check in task.checks} == {"undecided"}


def test_a_task_over_a_limit():
    parts = [evidence(name=f"t{i}", max_ece=Level(0.1, 0.08, 0.12) if i else Level(0.03, 0.02, 0.04)) for i in range(2)]
    whole = evidence(name="all", max_ece=Level(0.04, 0.03, 0.05))
    found, overall, tasks = decide(whole, parts, Limits(max_ece=0.07))
    assert (found, overall.outcome, [task.outcome for task in tasks]) == (
        "over_limit",
        "passed",
        ["passed", "over_limit"],
    )


def test_no_evidence_is_never_passed():
    nothing = Moved(0.03, 0.03, None, None, None)
    one = evidence(nothing, nothing, n_items=500, n_units=5)
    found, overall, _ = decide(one, [one], LIMITS)
    assert (found, overall.judged) == ("inconclusive", False)


def test_alpha_is_divided_and_never_exceeded():
    assert shares(1, 1) == (1.0, 1.0)
    assert shares(4, 0) == (1.0, 1.0)
    for n in range(1, 30):
        overall, task = shares(30, n)
        assert overall + n * task == pytest.approx(1)


def test_the_order_of_tasks_plays_no_part():
    rng = np.random.default_rng(0)
    parts = [
        evidence(moved(*rng.random(2) * (0.1, 0.03)), moved(*rng.random(2) * (0.1, 0.03)), f"t{i}") for i in range(6)
    ]
    whole = evidence(OPEN, OPEN, "all")
    there = {part.name: part for part in decide(whole, parts, LIMITS)[2]}
    back = {part.name: part for part in decide(whole, parts[::-1], LIMITS)[2]}
    assert there == back
    assert {part.outcome for part in there.values()} == {"regressed", "inconclusive"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"margin": 0}, "margin is 0; it must be a number above 0 and below 1"),
        ({"margin": float("nan")}, "margin is nan"),
        ({"alpha": 0.5}, "alpha is 0.5; it must be a number above 0 and below 0.5"),
        ({"max_ece": 5}, "max_ece is 5"),
        ({"max_gap": -0.1}, "max_gap is -0.1"),
        ({"max_brier": 2}, "max_brier is 2; it must be a number above 0 and below 2"),
        ({"margin": "2 %"}, "margin is 2 %"),
        ({"min_items": 0}, "min_items is 0; it must be a whole number of at least 1"),
        ({"min_items": 1.5}, "min_items is 1.5"),
    ],
)
def test_limits_that_make_no_sense(fields, text):
    with pytest.raises(CalibauditError, match=text):
        Limits(**fields)


@pytest.mark.parametrize(
    ("outcome", "strict", "code"),
    [
        ("passed", False, 0),
        ("passed", True, 0),
        ("regressed", False, 1),
        ("over_limit", True, 1),
        ("inconclusive", False, 0),
        ("inconclusive", True, 3),
    ],
)
def test_exit_codes(outcome, strict, code):
    verdict = gate([made_scores(20)], [made_scores(20, model=TUNED)], Limits(strict=strict), FAST)
    assert dataclasses.replace(verdict, outcome=outcome).exit_code == code


def test_items_to_settle():
    # half-distances .03 and .01; the wider must shrink to .02 / (1 + z.8/z.95): n (half (1 + .5117) / .02)^2
    one = evidence(moved(0.01, 0.3, -0.02, 0.04), moved(0.015, 0.3, 0.005, 0.025), n_items=1000)
    checks = decide(one, [one], LIMITS)[1].checks
    z = stats.norm.ppf(0.8) / stats.norm.ppf(0.95)
    assert checks[0].n_to_settle == pytest.approx(1000 * (0.03 * (1 + z) / 0.02) ** 2, rel=0.05)
    assert checks[0].n_to_settle == 5200
    assert checks[1].n_to_settle == 1100  # narrow enough already; but more than there are
    limit = evidence(max_ece=Level(0.05, 0.03, 0.07), n_items=1000)
    assert decide(limit, [limit], Limits(max_ece=0.06))[1].checks[2].n_to_settle == 4000
    assert decide(limit, [limit], Limits(max_ece=0.05))[1].checks[2].n_to_settle is None


# --- whole, on made scores


def items(scores):
    return items_of(rows_of(scores, FAST))


def test_the_figures_are_those_of_compare():
    before = [made_scores(300, task=name, seed=i) for i, name in enumerate("ab")]
    after = [made_scores(300, task=name, seed=i, heat=1.5, noise=0.3, model=TUNED) for i, name in enumerate("ab")]
    # One-sided at alpha .05, two-sided at 90 %: where the bias does not matter, the bounds are the interval's ends.
    verdict, comparison = gate(before, after, LIMITS, FAST), compare(before, after, Settings(level=0.9))
    for part, other in zip((verdict.overall, *verdict.tasks), (comparison.pooled, *comparison.tasks), strict=True):
        ece, gap = part.checks[:2]
        change = other.change["ece"]
        assert ece.found == pytest.approx(change.value)
        assert ece.low <= change.low + 1e-12
        assert ece.high >= change.high - 1e-12
        assert (ece.before, ece.after) == pytest.approx(
            (other.before.metrics["ece"].value, other.after.metrics["ece"].value)
        )
        assert gap.after == pytest.approx(abs(other.after.metrics["gap"].value))


def test_evidence_recomputed_by_hand():
    before, after = made_scores(150), made_scores(150, heat=1.6, noise=0.4, model=TUNED)
    found = weigh("t", items([before]), items([after]), 1.0, 0.05)
    sides = []
    for scores in (before, after):
        probs = np.exp(scores.logprobs) / np.exp(scores.logprobs).sum(axis=1, keepdims=True)
        sides.append((probs.max(axis=1), probs.argmax(axis=1) == scores.answer))
    e0, e1 = (confidence - correct for confidence, correct in sides)
    sign = np.sign(e1.mean())
    one = max(stats.ttest_rel(sign * e1, other, alternative="greater").pvalue for other in (sign * e0, -sign * e0))
    assert found.gap.p_value == pytest.approx(one, rel=1e-6)
    assert (found.gap.before, found.gap.after) == pytest.approx((abs(e0.mean()), abs(e1.mean())))
    low, high = stats.ttest_1samp(e1, 0).confidence_interval(0.9)  # each end with an error of 5 %
    assert (found.max_gap.low, found.max_gap.high) == pytest.approx((max(0, low, -high), max(-low, high)))


@pytest.mark.parametrize("heat", [0.7, 1.0, 1.3, 1.8])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_p_and_the_low_bound_agree_and_the_change_lies_inside(heat, alpha):
    for seed in range(8):
        before, after = made_scores(120, seed=seed), made_scores(120, seed=seed, heat=heat, noise=0.3, model=TUNED)
        found = weigh("t", items([before]), items([after]), 1.0, alpha)
        for moved_ in (found.ece, found.gap):
            assert moved_.low <= moved_.change <= moved_.high
            assert (moved_.p_value <= alpha) == (moved_.low > 0)


def test_the_verdict_does_not_depend_on_the_order_of_tasks():
    names = ["c", "a", "b"]
    before = [made_scores(120, task=name, seed=i) for i, name in enumerate(names)]
    after = [made_scores(120, task=name, seed=i, heat=1.4, noise=0.3, model=TUNED) for i, name in enumerate(names)]
    there, back = gate(before, after, LIMITS, FAST), gate(before[::-1], after[::-1], LIMITS, FAST)
    assert there.overall.to_dict() == back.overall.to_dict()
    assert [task.to_dict() for task in there.tasks] == [task.to_dict() for task in back.tasks[::-1]]


def test_one_task_is_the_whole():
    verdict = gate([made_scores(200)], [made_scores(200, heat=3, model=TUNED)], LIMITS, FAST)
    assert verdict.outcome == "regressed"
    assert dataclasses.replace(verdict.tasks[0], name="all") == verdict.overall


def test_the_same_scores_again_are_no_regression():
    scores = [made_scores(400, heat=1.5)]
    verdict = gate(scores, scores, LIMITS, FAST)
    assert verdict.outcome == "passed"
    for check in verdict.overall.checks:
        assert check.found == 0
        assert check.p_value >= 0.5


def test_a_regression_of_one_task_among_many_is_found():
    # 20 tasks: .05 / 2 / 20 / 2 = .000625.
    before = [made_scores(200, task=f"t{i}", seed=i) for i in range(20)]
    after = [made_scores(200, task=f"t{i}", seed=i, heat=4 if i == 7 else 1, model=TUNED) for i in range(20)]
    verdict = gate(before, after, LIMITS, FAST)
    assert [task.name for task in verdict.tasks if task.outcome == "regressed"] == ["t7"]
    assert verdict.tasks[7].checks[0].finding == "broken"


def test_items_seen_twice_are_one_piece_of_evidence():
    before = [made_scores(60), made_scores(60, chat_template=True)]
    after = [made_scores(60, heat=1.5, noise=0.2, model=TUNED, chat_template=flag) for flag in (False, True)]
    twice = weigh("all", items(before), items(after), 1.0, 0.05)
    once = weigh("all", items(before[:1]), items(after[:1]), 1.0, 0.05)
    assert (twice.n_units, twice.n_items) == (once.n_units, once.n_items) == (60, 60)
    assert twice.gap.p_value == pytest.approx(once.gap.p_value, rel=0.05)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"chat_template": True},
            "template differs: the baseline was scored without one, the candidate inside",
        ),
        ({"scoring": "cloze_byte"}, "scoring differs: cloze before, cloze_byte after"),
        ({"fingerprint": "changed"}, "another content"),
        ({"n_items": 19}, "number of items differs: 20 before, 19 after"),
        ({"task": "other"}, "'quiz' was not scored after"),
    ],
)
def test_sides_that_cannot_be_compared_are_no_regression(fields, text):
    with pytest.raises(ScoresError, match=text) as caught:
        gate([made_scores(20)], [made_scores(**{"n_items": 20, "heat": 5, "model": TUNED, **fields})])
    assert caught.value.exit_code == 2


def test_to_dict_is_plain():
    import json

    verdict = gate(
        [made_scores(150)], [made_scores(150, heat=1.2, model=TUNED)], Limits(max_ece=0.1, strict=True), FAST
    )
    data = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert data["outcome"] == verdict.outcome
    assert data["exit_code"] == verdict.exit_code
    assert data["limits"]["max_ece"] == 0.1
    assert [check["measure"] for check in data["overall"]["checks"]] == ["ece", "gap", "max_ece"]
    assert data["overall"]["n_items"] == 150


# --- how often it errs: a small simulation; the whole one is benchmarks/gate.py


def world(rng, n, d=1.3, heat=1.0, answer=None, shared=None):
    """A model that knows its posterior (signal strength d) and reports it with its logits times heat."""
    signal = np.sqrt(0.7) * shared + np.sqrt(0.3) * rng.normal(size=(n, 4))
    signal[np.arange(n), answer] += d
    logits = heat * d * signal
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def regressed(seed, n, old, new, n_tasks=1):
    rng = np.random.default_rng(seed)
    sides = [], []
    for task in range(n_tasks):
        answer, shared = rng.integers(4, size=n), rng.normal(size=(n, 4))
        for side, model, settings in zip(sides, (INFO, TUNED), (old, new), strict=True):
            logprobs = world(rng, n, answer=answer, shared=shared, **settings)
            side.append(made_scores(n, task=f"t{task}", model=model, logprobs=logprobs, answer=answer))
    return gate(*sides, LIMITS, FAST).outcome == "regressed"


@pytest.mark.parametrize(
    ("n", "old", "new", "n_tasks"),
    [
        (300, {}, {}, 1),
        (300, {}, {"d": 0.8}, 1),  # calibrated, less accurate
        (300, {"d": 4.0}, {}, 1),  # calibrated, far less accurate
        (1000, {"heat": 0.816}, {"heat": 1.232}, 1),  # under- to overconfident, ECE .052 on both sides
        (1000, {"heat": 0.816}, {}, 1),  # underconfident to calibrated
        (150, {"heat": 0.816}, {"heat": 1.232}, 4),
    ],
)
def test_false_alarms_stay_below_their_rate(n, old, new, n_tasks):
    alarms = sum(regressed([seed, n], n, old, new, n_tasks) for seed in range(150))
    assert alarms <= stats.binom.ppf(0.975, 150, 0.05)


def test_a_true_regression_is_found():
    # true ECE .016 -> .052 at 2,000 items: the measured power is above .8
    found = sum(regressed([seed, 1], 2000, {"heat": 1.065}, {"heat": 1.232}) for seed in range(60))
    assert found >= stats.binom.ppf(0.025, 60, 0.8)
