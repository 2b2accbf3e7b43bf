"""What the pages show as printed is printed: the words as they are, the numbers as near as another CPU brings them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_scores import TUNED, made_scores
from markdown_pages import PAGES, ROOT, blocks
from stand_ins import WHOLE_REPAIR, WHOLE_THOUGHTS, run_in

from calibaudit.scores.scores import Scores
from tests.command import Cli

NUMBER = re.compile(r"[+−]?(?:\d[\d,]*)?\.?\d+")
FORMULAS = ("loss = lse(z)", "reach_y = V", "p_y <= 1")
"""How the text blocks begin that nothing prints."""

NEAR = 0.01
"""bfloat16 products of another CPU move the third digit."""


def shown(beginning: str) -> list[tuple[str, str]]:
    """Place and text of the text blocks that begin so."""
    return [(block.place, block.text) for block in blocks("text") if block.text.lstrip().startswith(beginning)]


def shape(text: str) -> str:
    """The words, numbers as #; lines are joined, and a p-value's sign and the stars of significance left out."""
    text = re.sub(r"p [<=] ", "p ", text.replace("*", "").replace("─", ""))
    return " ".join(NUMBER.sub("#", text).split())


def numbers(text: str) -> list[str]:
    return NUMBER.findall(text)


def value(number: str) -> float:
    return float(number.replace(",", "").replace("−", "-"))


def check_near(text: str, printed: str, place: str) -> None:
    """Counts are equal, shares within NEAR, and percentage points within 100 times that."""
    pairs = list(zip(numbers(text), numbers(printed), strict=True))
    for told, found in pairs:
        if "." in told:
            near = NEAR if abs(value(told)) < 2 else 100 * NEAR
            assert value(told) == pytest.approx(value(found), abs=near + 1e-9), f"{place}: {told}, here {found}"
        else:
            assert told == found, place


def beginning_of(printed: str, text: str) -> str:
    """As much of what was printed as has the words of `text`."""
    lines = printed.splitlines()
    for n in range(1, len(lines) + 1):
        if shape("\n".join(lines[:n])) == shape(text):
            return "\n".join(lines[:n])
    raise AssertionError(f"not printed:\n{text}\nbut:\n{printed}")


def test_every_text_block_is_held_against_something() -> None:
    known = (
        " demo:instruct → fixed",
        " demo:instruct → smoothed",  # a training run of two minutes: only held against its own numbers, below
        " demo:instruct → lettered",  # another: not held
        " demo:base → demo:instruct",
        " It helped:",
        " lab/base",
        "Advice:",
        "demo:sft:",
        " thinker",
        "calibaudit: ../pyproject.toml:",
    )
    for block in blocks("text"):
        assert block.text.startswith((*known, *FORMULAS)), f"{block.place}: say here what prints this"


def test_the_audit_of_the_bundled_pair(demo_audit: Path) -> None:
    printed = (demo_audit / "page.txt").read_text(encoding="utf-8")
    ((place, text),) = shown("demo:base → demo:instruct")
    check_near(text, beginning_of(printed, text), place)
    ((place, text),) = shown("Advice:")
    advice = printed[printed.index("Advice:") : printed.index("\n Run: ")]
    result = json.loads((demo_audit / "result.json").read_text(encoding="utf-8"))
    advice += f"\nWhy: {result['recommendation']['reason']}."
    assert shape(text) == shape(advice)
    check_near(text, advice, place)


def test_the_pictures_are_of_the_same_audit(demo_audit: Path) -> None:
    """docs/images/demo.json: today's form, the same items, and the same numbers to two digits."""
    again = "run `python docs/images/make.py`"
    saved = json.loads((ROOT / "docs" / "images" / "demo.json").read_text(encoding="utf-8"))
    fresh = json.loads((demo_audit / "result.json").read_text(encoding="utf-8"))
    old, new = (
        [(task["name"], task["fingerprint"], task["n_items"]) for task in one["tasks"]] for one in (saved, fresh)
    )
    assert (saved.keys(), old) == (fresh.keys(), new), again
    for side in ("before", "after"):
        was, now = (one["overall"]["pooled"][side] for one in (saved, fresh))
        for key in ("accuracy", "ece", "gap", "brier"):
            assert was[key]["value"] == pytest.approx(now[key]["value"], abs=NEAR), f"{side} {key}: {again}"


def test_a_wrong_value_in_a_settings_file(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, text),) = shown("calibaudit: ../pyproject.toml:")
    (tmp_path / "pyproject.toml").write_text('[tool.calibaudit.gate]\nalpha = "low"\n')
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert cli("gate", "baseline.json", "candidate").err == text


def test_a_row_as_the_model_sees_it(tmp_path: Path) -> None:
    """The command in the block above it; a tokenizer's work is the same everywhere."""
    ((place, text),) = shown("demo:sft:")
    page = next(page for page in PAGES if page.name == "sft-data.md")
    (line,) = (block.text for block in blocks("sh", page=page) if "demo:sft" in block.text)
    assert run_in(tmp_path, line, tmp_path) == (0, text, ""), place


def test_quoted_gaps_of_the_bundled_pair(demo_audit: Path) -> None:
    result = json.loads((demo_audit / "result.json").read_text(encoding="utf-8"))
    gap = 100 * result["overall"]["pooled"]["after"]["gap"]["value"]
    # A table's lines are of other pairs (docs/audit.md), and held where they are made.
    texts = [re.sub(r"(?m)^\|.*$", "", page.read_text(encoding="utf-8")) for page in PAGES]
    found = [re.findall(r"([\d.]+)\s+points\s+surer", text) for text in texts]
    quoted = [float(number) for numbers in found for number in numbers]
    assert len(quoted) == 2
    assert quoted == pytest.approx([gap] * 2, abs=100 * NEAR)


@pytest.fixture(scope="module")
def repair(demo_audit: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the repair, which takes no training."""
    ended = run_in(tmp_path_factory.mktemp("repair"), WHOLE_REPAIR, demo_audit / "cache")
    assert ended.code == 0, ended
    return ended.out


def test_the_repair_of_the_bundled_pair(repair: str) -> None:
    """All words; the numbers of the four models, and of what was tried."""
    ((place, text),) = shown("demo:instruct → fixed")
    assert shape(text) == shape(repair)
    for row in (" base  ", " base, in template ", " before  ", " after  ", "   temperature, T", " * merge"):
        lines = [line for part in (text, repair) for line in part.splitlines() if line.startswith(row)]
        one, other = (re.sub(r"[\d<]+ s, no training", "", line) for line in lines)
        check_near(one, other, place)


def test_the_repairs_are_told_once() -> None:
    """README quotes the sentences of docs/fix.md, whose numbers are those of its tables."""
    pages = [page for _, page in (*shown("demo:instruct → fixed"), *shown("demo:instruct → smoothed"))]
    quotes = [quoted for _, quoted in shown("It helped:")]
    assert len(pages) == len(quotes) == 2
    for quoted, page in zip(quotes, pages, strict=True):
        assert quoted.strip() in page
        before, after = (
            re.findall(rf"^ {side} +(\S+) +(\S+)", page, flags=re.MULTILINE)[0] for side in ("before", "after")
        )
        assert f"ECE {before[1]} → {after[1]} " in quoted
        assert f"accuracy {before[0]} → {after[0]} " in quoted


def test_the_ways_side_by_side_are_those_of_the_runs() -> None:
    """docs/fix.md has the table that `benchmarks/repair/side_by_side.py --table` prints."""
    from benchmarks.repair.side_by_side import read, table

    lines = read(ROOT / "docs" / "studies" / "demo_repairs.jsonl")
    assert "\n".join(table(lines)).split("\n\n")[0] in (ROOT / "docs" / "fix.md").read_text(encoding="utf-8")
    assert {line["outcome"] for line in lines if line["way"] in ("merge", "smooth", "auto")} == {"helped"}


def test_what_thinking_did() -> None:
    ended = run_in(ROOT, f"{WHOLE_THOUGHTS} --no-cache", ROOT)
    assert ended.code == 0
    ((place, text),) = shown("thinker")
    found = next(part for part in ended.out.split("\n\n") if part.startswith(" thinker answered"))
    assert shape(found) == shape(text)
    check_near(text, found, place)


def test_the_gate_of_two_made_up_tasks(tmp_path: Path) -> None:
    """Nothing is scored here, so the numbers are the same everywhere."""
    for name, how in (("base", {}), ("tuned", {"heat": 2.0, "model": TUNED})):
        save(tmp_path / f"{name}.json", [made_scores(1_200, task=f"task-{i}", seed=i, **how) for i in range(2)])
    ended = run_in(tmp_path, "calibaudit gate base.json tuned.json", tmp_path)
    assert ended.code == 1
    ((place, text),) = shown("lab/base → lab/tuned")
    assert beginning_of(ended.out, text).split() == text.split(), place


def save(path: Path, scores: list[Scores]) -> None:
    data: dict[str, Any] = {"schema_version": 1, "model": scores[0].model.to_dict()}
    path.write_text(json.dumps({**data, "scores": [entry.to_dict() for entry in scores]}), encoding="utf-8")


def test_the_third_digit_is_excused_where_it_is_shown() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "fix.md"):
        assert "third digit depends on the CPU" in page.read_text(encoding="utf-8")
