"""Limits in force: what a baseline holds can be tightened and not loosened, and no tightening lets more through."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scores import TUNED, made_scores

from calibaudit.errors import CalibauditError, ScoresError
from calibaudit.gating.coverage import check_complete, coverage_of, in_common
from calibaudit.gating.evidence import Evidence, Level, Moved
from calibaudit.gating.limits import DEFAULTS, NAMES, Given, Limits, held_limits, in_force, is_looser
from calibaudit.gating.verdict import decide
from calibaudit.scores.baseline import bless
from calibaudit.scores.saved import read_limits, read_scores

HELD = {**DEFAULTS, "margin": 0.03, "max_ece": 0.1, "strict": True}


def rules(held: dict[str, Any] | None = HELD, *, allow: bool = False, **given: Any) -> Any:
    flags = {name: Given(value, f"--{name}") for name, value in given.items()}
    return in_force(flags, held, baseline="baseline.json", allow_looser=allow)


@pytest.mark.parametrize(
    ("name", "value", "looser"),
    [
        ("margin", 0.02, False),
        ("margin", 0.03, False),
        ("margin", 0.031, True),
        ("max_ece", 0.09, False),
        ("max_ece", 0.11, True),
        ("max_ece", None, True),
        ("max_gap", 0.5, False),  # the baseline has none
        ("strict", False, True),
        ("strict", True, False),
        # neither direction is only tighter: a pass hangs on bounds that a higher alpha narrows
        ("alpha", 0.01, True),
        ("alpha", 0.2, True),
        ("min_items", 1000, True),
        ("min_items", 10, True),
        ("bins", 1, True),
        ("bins", 15, False),
    ],
)
def test_what_a_flag_or_a_file_may_change(name: str, value: Any, looser: bool) -> None:
    assert is_looser(name, value, HELD[name]) is looser
    if not looser:
        (entry,) = (entry for entry in rules(**{name: value}).in_force if entry.name == name)
        assert (entry.value, entry.source, entry.is_looser) == (value, f"--{name}", False)
        return
    with pytest.raises(CalibauditError, match=r"that baseline.json holds; bless it again.*--allow-looser") as caught:
        rules(**{name: value})
    assert f"--{name.replace('_', '-')}" in str(caught.value)
    (entry,) = (entry for entry in rules(allow=True, **{name: value}).in_force if entry.is_looser)
    assert (entry.name, entry.value) == (name, value)


def test_each_limit_says_where_it_comes_from() -> None:
    found = rules(margin=0.01)
    assert [entry.name for entry in found.in_force] == list(NAMES)
    assert {entry.source for entry in found.in_force} == {"--margin", "baseline"}
    assert found.limits == Limits(margin=0.01, max_ece=0.1, strict=True)
    assert found.from_baseline
    # a baseline of before there were limits: flags and defaults, whatever they are
    free = rules(None, margin=0.9, min_items=10**6)
    assert {entry.source for entry in free.in_force} == {"--margin", "--min_items", "default"}
    assert not free.from_baseline
    assert not any(entry.is_looser for entry in free.in_force)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"margni": 0.5}, "'margni', which this calibaudit does not know; did you mean 'margin'?"),
        ({"quorum": 0.5}, "a newer calibaudit may have written it"),
        ({"margin": 2}, "margin is 2; it must be a number above 0 and below 1"),
        ({"margin": True}, "margin is True"),
        ({"margin": "0.1"}, "margin is 0.1; it must be a number"),
        ({"margin": math.nan}, "margin is nan"),
        ({"min_items": 1.5}, "min_items is 1.5"),
        ({"bins": 0}, "bins is 0"),
        ({"bins": 10**6}, "bins is 1000000"),
        ({"strict": "no"}, "strict is 'no'"),
        ({"alpha": [0.05]}, "alpha is"),
    ],
)
def test_limits_of_a_baseline_that_are_not_understood_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(CalibauditError, match=r"^b.json: its limits") as caught:
        held_limits({**HELD, **change}, "b.json")
    assert said in str(caught.value)
    with pytest.raises(CalibauditError, match=r"b.json: its limits lack 'margin'"):
        held_limits({}, "b.json")
    with pytest.raises(CalibauditError, match="its limits: expected a table, found a list"):
        held_limits([], "b.json")


def test_a_baseline_keeps_its_limits_to_the_digit(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    held = {**HELD, "margin": 0.1 + 0.2}
    path.write_text(bless([made_scores(30)], held), encoding="utf-8")
    assert held_limits(read_limits(str(path)), "b") == held
    assert json.loads(path.read_text())["limits"] == held
    (scores,) = read_scores(path)
    assert scores.n_items == 30
    path.write_text(bless([made_scores(30)]), encoding="utf-8")
    assert held_limits(read_limits(str(path)), "b") is None


PARTS = st.floats(0, 0.3)


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    def moved() -> Moved:
        low, change, high = sorted(draw(st.tuples(*(st.floats(-0.1, 0.2),) * 3)))
        return Moved(0.05, 0.05 + change, low, high, draw(st.sampled_from([1e-6, 0.004, 0.02, 0.04, 0.3])))

    def level() -> Level:
        low, value, high = sorted(draw(st.tuples(PARTS, PARTS, PARTS)))
        return Level(value, low, high)

    n = draw(st.sampled_from([50, 200, 5000]))
    return Evidence("t", n, n, moved(), moved(), level(), level(), level())


LIMIT_SETS = st.fixed_dictionaries(
    {
        "margin": st.sampled_from([0.01, 0.02, 0.05, 0.1]),
        "alpha": st.sampled_from([0.01, 0.05]),
        **{name: st.sampled_from([None, 0.05, 0.1, 0.2]) for name in ("max_ece", "max_gap", "max_brier")},
        "min_items": st.sampled_from([10, 100, 1000]),
        "strict": st.booleans(),
        "bins": st.sampled_from([10, 15]),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(evidence(), min_size=1, max_size=4), LIMIT_SETS, LIMIT_SETS)
def test_what_the_baselines_limits_stop_no_other_limits_let_through(
    parts: list[Evidence], held: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """The promise of `in_force`, on the rule itself: exit code 0 under tighter limits means 0 under the baseline's."""
    flags = {name: Given(value, "file") for name, value in wanted.items() if not is_looser(name, value, held[name])}
    tighter = in_force(flags, held, baseline="b").limits

    def passes(limits: Limits) -> bool:
        outcome = decide(parts[0], parts if len(parts) == 1 else parts[1:], limits)[0]
        return outcome == "passed" or (outcome == "inconclusive" and not limits.strict)

    if passes(tighter):
        assert passes(Limits(**{key: value for key, value in held.items() if key != "bins"}))


def test_coverage_counts_what_is_there_and_names_what_is_not() -> None:
    held = [made_scores(30, task="sums"), made_scores(20, task="maps"), made_scores(10, task="odd")]
    whole = coverage_of(held, held)
    assert (whole.n_tasks, whole.n_items, whole.is_complete, whole.missing) == ((3, 3), (60, 60), True, ())
    check_complete(whole, "b.json")
    part = coverage_of(held, [held[0], made_scores(5, task="maps"), made_scores(9, task="new")])
    assert (part.n_tasks, part.n_items, part.is_complete, part.missing) == ((2, 3), (35, 60), False, ("odd",))
    with pytest.raises(ScoresError) as caught:
        check_complete(part, "b.json")
    assert "b.json holds 3 tasks and 60 items, of which 2 and 35 would be judged" in str(caught.value)
    assert "missing 'maps' (5 of 20 items), 'odd'; " in str(caught.value)


def test_only_whole_tasks_are_left_out() -> None:
    before = [made_scores(30, task="sums"), made_scores(20, task="maps")]
    after = [dataclasses.replace(made_scores(20, task="maps"), model=TUNED), made_scores(9, task="new")]
    olds, news = in_common(before, after)
    assert [part.task for part in (*olds, *news)] == ["maps", "maps"]
    with pytest.raises(ScoresError, match="no task in common"):
        in_common(before[:1], after)
