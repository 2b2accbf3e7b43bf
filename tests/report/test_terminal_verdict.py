"""The gate's page: the sentence first, expected against found, never wider than the console."""

from __future__ import annotations

import io

import pytest
from made_scores import TUNED, made_scores
from rich.console import Console

from calibaudit.analysis.settings import Settings
from calibaudit.gating.verdict import Limits, Verdict, gate
from calibaudit.report.terminal.verdict import render_verdict
from calibaudit.report.words.verdict import sentence

FAST = Settings()


def verdict(n_tasks: int = 3, n_items: int = 300, limits: Limits | None = None, **tuned: object) -> Verdict:
    names = [f"task-{i}" if i else "a_task_with_a_rather_long_name" for i in range(n_tasks)]
    before = [made_scores(n_items, task=name, seed=i) for i, name in enumerate(names)]
    after = [made_scores(n_items, task=name, seed=i, model=TUNED, **tuned) for i, name in enumerate(names)]
    return gate(before, after, limits or Limits(), FAST)


def page(found: Verdict, width: int = 80, *, encoding: str = "utf-8", quiet: bool = False) -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=width)
    render_verdict(found, ["the dtype differs"], console, quiet=quiet)
    console.file.flush()
    return raw.getvalue().decode(encoding)


CASES = {
    "regressed": lambda: verdict(heat=3.0),
    "one task regressed": lambda: verdict(1, 500, heat=3.0),
    "over_limit": lambda: verdict(limits=Limits(margin=0.9, max_ece=0.05, max_gap=0.05, max_brier=1.0), heat=3.0),
    "inconclusive": lambda: verdict(heat=1.05),
    "too few": lambda: verdict(1, 30, heat=3.0),
    "passed": lambda: verdict(limits=Limits(margin=0.5), heat=1.02),
}


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    return {name: make() for name, make in CASES.items()}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [50, 80, 140])
def test_no_line_is_wider_than_the_console(verdicts: dict[str, Verdict], name: str, width: int) -> None:
    text = page(verdicts[name], width)
    assert max(map(len, text.splitlines())) <= width
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize("name", CASES)
def test_ascii_where_the_stream_knows_no_more(verdicts: dict[str, Verdict], name: str) -> None:
    assert page(verdicts[name], encoding="ascii").isascii()


@pytest.mark.parametrize(
    ("name", "outcome", "start"),
    [
        ("regressed", "regressed", "Regressed: tuned is worse calibrated than the baseline: ECE "),
        ("one task regressed", "regressed", "Regressed: tuned is worse calibrated than the baseline: ECE "),
        ("over_limit", "over_limit", "Over a limit: ECE ."),
        ("inconclusive", "inconclusive", "Inconclusive: no regression found, but 900 items cannot rule out"),
        (
            "too few",
            "inconclusive",
            "Inconclusive: no regression found, but 30 items in 30 independent units are too",
        ),
        ("passed", "passed", "Passed: the calibration of tuned is no worse than the baseline's by .500 or more"),
    ],
)
def test_the_sentence_comes_first(verdicts: dict[str, Verdict], name: str, outcome: str, start: str) -> None:
    found = verdicts[name]
    assert found.outcome == outcome
    assert sentence(found).startswith(start)
    lines = page(found).splitlines()
    blank = lines.index("")
    assert " ".join(lines[blank + 1 :]).strip().startswith(start[:40])


def test_a_regression_of_one_task_is_named() -> None:
    before = [made_scores(400, task=f"t{i}", seed=i) for i in range(6)]
    after = [made_scores(400, task=f"t{i}", seed=i, heat=4 if i == 4 else 1, model=TUNED) for i in range(6)]
    found = gate(before, after, Limits(margin=0.1), FAST)
    assert found.outcome == "regressed"
    assert "than the baseline on t4: ECE" in sentence(found)
    assert "t4: what is broken" in page(found)
    assert "t3: what is broken" not in page(found)


def test_every_limit_shows_expected_against_found(verdicts: dict[str, Verdict]) -> None:
    text = page(verdicts["over_limit"])
    for line in ("ECE change    at most +.900", "|gap| change  at most +.900", "Brier         at most 1.000"):
        assert line in text
    for check in verdicts["over_limit"].overall.checks[2:]:
        assert f"{check.found:.3f}".lstrip("0") in text


def test_quiet_leaves_the_tasks_out(verdicts: dict[str, Verdict]) -> None:
    text = page(verdicts["regressed"], quiet=True)
    assert "task-1" not in text.split("expected and found")[1]
    assert "the dtype differs" not in text
    assert "the dtype differs" in page(verdicts["regressed"])
