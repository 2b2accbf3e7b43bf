"""The gate's page: the sentence first, expected against found, never wider than the console."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from made_scores import TUNED, made_scores
from rich.console import Console

from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.gating.verdict import Limits, Verdict, gate
from calibaudit.report.terminal.verdict import render_verdict
from calibaudit.report.words.models import run_facts
from calibaudit.report.words.text import bounds, number, p_text, signed
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


def test_quiet_is_the_verdict_and_the_table(verdicts: dict[str, Verdict]) -> None:
    text = page(verdicts["regressed"], quiet=True)
    assert re.search(r"^ task-1 +300 .* regressed$", text, re.MULTILINE)
    assert text.startswith(page(verdicts["regressed"]).split("\n\n")[0])
    for more in ("the dtype differs", "what is broken"):
        assert more not in text
        assert more in page(verdicts["regressed"])


@pytest.mark.parametrize("width", [50, 60, 80, 120])
@pytest.mark.parametrize("name", ["regressed", "over_limit"])
def test_what_it_judges_by_stays_at_every_width(verdicts: dict[str, Verdict], name: str, width: int) -> None:
    """Of all items each check's limit, value, bounds and p; of each task both changes with their p, and its outcome."""
    text, found = page(verdicts[name], width), verdicts[name]
    for check in found.overall.checks:
        for part in (number(check.allowed), number(check.found), bounds(check.low, check.high)):
            assert part in text
        if check.p_value is not None:
            assert p_text(check.p_value) in text
    heads = [line for line in text.splitlines() if line.startswith(" task ")]
    assert sum(line.count("change") for line in heads) == 2
    assert sum(len(re.findall(r" p\b", line)) for line in heads) == 2
    for task in found.tasks:
        (start,) = {task.name[:4]}
        rows = [line for line in text.splitlines() if line.startswith(f" {start}") and "what is" not in line]
        said = " ".join(row for row in rows if row.rstrip().split()[0][-4:] == task.name[-4:])
        for check in task.checks[:2]:
            assert signed(check.found) in said
        for check in task.checks[2:]:
            assert number(check.found) in said
        assert task.outcome.replace("_", " ") in said


def test_each_p_stands_beside_its_own_change(verdicts: dict[str, Verdict]) -> None:
    """At 80 columns a task's line showed the smaller p of both measures beside the change of ECE."""
    task = verdicts["inconclusive"].tasks[1]
    line = next(line for line in page(verdicts["inconclusive"]).splitlines() if line.startswith(f" {task.name} "))
    shown = [cell for check in task.checks for cell in (signed(check.found), p_text(check.p_value).split()[-1])]
    assert re.findall(r"[+−]?1?\.\d+", line) == [cell for cell in shown if cell != "<"]


def test_how_models_were_run_is_said() -> None:
    """As `compare` says it."""
    how = {"quantization": "int8 (torchao)", "adapter": "LoRA of rank 8", "engine": "vLLM 0.9"}
    tuned = dataclasses.replace(TUNED, **how)
    found = gate([made_scores(150)], [made_scores(150, model=tuned)], Limits(), FAST)
    (fact,) = run_facts(compare([made_scores(150)], [made_scores(150, model=tuned)], FAST))
    assert fact.startswith("tuned: int8 weights (torchao), LoRA of rank 8, run by vLLM")
    assert fact in " ".join(page(found).split())


def test_one_name_for_both_is_named() -> None:
    found = gate([made_scores(300, model=TUNED)], [made_scores(300, model=TUNED, heat=1.02)], Limits(margin=0.5), FAST)
    assert sentence(found).startswith("Passed: the calibration of tuned is no worse than the baseline's")


def test_scores_without_documents_are_told() -> None:
    candidate = made_scores(150, model=TUNED, documents=None)
    (told,) = compare([made_scores(150)], [candidate], FAST).warnings
    assert told.startswith("lab/tuned: scores without documents, so items were paired by id and by the fingerprint")
    assert "(quiz)" in told
