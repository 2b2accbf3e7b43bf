"""A quantity that occurs twice on a page is the same text both times, whatever the models and the width.

Pages are read as a person reads them: cells below their heads, figures in sentences.
"""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from made_scores import TUNED, made_scores
from rich.console import Console

from calibaudit.advice.recommend import recommend
from calibaudit.analysis.audit import audit_model
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.gating.verdict import Limits, gate
from calibaudit.report.terminal.advice import render_advice
from calibaudit.report.terminal.comparison import render_audit, render_comparison
from calibaudit.report.terminal.verdict import render_verdict
from calibaudit.scores.scores import Scores

NUMBER = r"[+−]?\d*\.\d+"
HEAD = re.compile(r"\d+ % interval|p calibrated|risk 80 %|smooth ECE|≤ [\d.]+|\S+")
CELL = re.compile(rf"\[{NUMBER}, {NUMBER}\]|< \.001|–|{NUMBER}|[\d,]+(?: tasks)?")
Figures = dict[tuple[str, str], set[str]]
"""(row, quantity) -> how it is written."""


def page(render: Callable[[Console], None], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    render(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def tables(text: str) -> Iterator[tuple[str, str, str]]:
    """(row, `title head`, cell) of every table of tasks, the star of a cell left out."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if not re.match(r" task(?: |$)", line):
            continue
        titles = [(m.start(), m[0]) for m in re.finditer(r"\S+(?: \S+)*", lines[i - 1])] if lines[i - 1] else []
        heads = [(m.start(), m.end(), m[0]) for m in HEAD.finditer(line, len(" task"))]
        for row in lines[i + 1 :]:
            if not row.strip():
                break
            if set(row.strip()) == {"─"}:
                continue
            name = re.split(r"  +", row.strip())[0]
            spots = [(m.start(), m.end(), m[0]) for m in CELL.finditer(row, row.index(name) + len(name))]
            for start, end, cell in spots:
                for at, until, head in heads:
                    if start < until and end > at:  # cells stand below their heads
                        title = next((said for place, said in reversed(titles) if place <= at + 1), "")
                        yield name, f"{title} {head}".strip(), cell


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """(quantity, figure) of `ECE a → b (+c [l, h], p = d)` in the text."""
    said = " ".join(text.split())
    moved = rf"(ECE|accuracy|\|gap\|) ({NUMBER}) → ({NUMBER}) \(({NUMBER}) (\[{NUMBER}, {NUMBER}\])"
    pattern = rf"{moved}(?:, p (?:= )?(< \.001|1?\.\d+))?"
    for found in re.finditer(pattern, said):
        yield from ((f"{found[1]} was", found[2]), (f"{found[1]} now", found[3]), (f"{found[1]} change", found[4]))
        yield f"{found[1]} interval", found[5]
        if found[6]:
            yield f"{found[1]} p", found[6]


def check_once(figures: Figures) -> None:
    assert {key: texts for key, texts in figures.items() if len(texts) > 1} == {}


def agree(coarse: str, fine: str) -> bool:
    """Whether two roundings can be of one number."""
    one, two = (float(text.replace("−", "-")) for text in (coarse, fine))
    digits = [len(text.partition(".")[2]) for text in (coarse, fine)]
    return abs(one - two) <= sum(0.5 * 10.0**-n for n in digits) + 1e-9


SIDES = st.tuples(st.integers(1, 3), st.integers(12, 90), st.floats(0.3, 4.0), st.floats(0.0, 1.5), st.integers(0, 99))


def pair(n_tasks: int, n_items: int, heat: float, noise: float, seed: int) -> tuple[list[Scores], list[Scores]]:
    names = [f"task-{i}" for i in range(n_tasks)]
    before = [made_scores(n_items, task=name, seed=seed + i) for i, name in enumerate(names)]
    how = {"heat": heat, "noise": noise, "model": TUNED}
    return before, [made_scores(n_items, task=name, seed=seed + i, **how) for i, name in enumerate(names)]


def check_comparison(text: str, comparison: Comparison) -> None:
    figures: Figures = defaultdict(set)
    for row, quantity, cell in tables(text):
        figures[row, quantity.replace("95 % interval", "interval")].add(cell)
    whole = "all (pooled)" if len(comparison.tasks) > 1 else comparison.tasks[0].name
    (headline,) = [part for part in text.split("\n\n") if re.search(r"ECE\s+\S+ →", part)][:1] or [""]
    n_said = 0
    for quantity, figure in sentences(headline.partition("Advice")[0]):
        figures[whole, quantity].add(figure)
        n_said += 1
    assert n_said >= 4 or comparison.pooled.change["ece"].low is None
    check_once(figures)
    for row in {row for row, _ in figures} - {"all (pooled)", "all (macro)"}:
        if (row, "ECE Holm") in figures:  # with --expert: the star is that of the p beside it
            (p,) = figures[row, "ECE Holm"]
            starred = re.search(rf"^ {row} .*{NUMBER}\*", text, re.MULTILINE) is not None
            assert starred == (p.startswith("<") or (p != "–" and float(p) < 0.05)), (row, p)
    for title, value in re.findall(rf" (accuracy|gap|Brier) +({NUMBER}) +\[", text.partition("Change over all")[2]):
        for coarse in figures[whole, f"{title} change"]:
            assert agree(coarse, value)
    for points in re.findall(r"([\d.]+) points (surer|less sure) than right", " ".join(text.split()))[:1]:
        signed_gap = f"{'−' if points[1] == 'less sure' else ''}{float(points[0]) / 100:.3f}"
        assert all(agree(coarse, signed_gap) for coarse in figures[whole, "gap now"])


@settings(max_examples=8, deadline=None)
@given(SIDES, st.sampled_from([50, 60, 80, 100, 120, 200]), st.booleans())
def test_compare(how: tuple[int, int, float, float, int], width: int, expert: bool) -> None:
    comparison = compare(*pair(*how))
    check_comparison(page(lambda c: render_comparison(comparison, c, expert=expert), width), comparison)
    after = audit_model(pair(*how)[1])
    figures: Figures = defaultdict(set)
    text = page(lambda c: render_audit(after, c, expert=True), width)
    for row, quantity, cell in tables(text):
        figures[row, {"ECE value": "ECE", "ECE 95 % interval": "interval"}.get(quantity, quantity)].add(cell)
    whole = "all (pooled)" if len(after.tasks) > 1 else after.tasks[0].name
    for value, interval in re.findall(rf"ECE ({NUMBER}) (\[.*?\])", " ".join(text.split("\n\n")[1].split())):
        figures[whole, "ECE"].add(value)
        figures[whole, "interval"].add(interval)
    check_once({key: {t for t in texts if key[1] != "ECE" or "[" not in t} for key, texts in figures.items()})
    assert (whole, "ECE") in figures


@settings(max_examples=8, deadline=None)
@given(SIDES, st.sampled_from([50, 60, 80, 120]))
def test_gate(how: tuple[int, int, float, float, int], width: int) -> None:
    found = gate(*pair(*how), Limits(margin=0.01, min_items=20, max_brier=1.0))
    text = page(lambda c: render_verdict(found, (), c), width)
    figures: Figures = defaultdict(set)
    for row, quantity, cell in tables(text):
        figures[row, quantity].add(cell)
    said = " ".join(text.split())
    named = re.search(r"than the baseline on (\S+):", said)
    whole = named[1] if named else "all"
    for quantity, figure in sentences(text.split("\n\n")[1]):
        figures[whole, quantity].add(figure)
    for block in text.split("\n\n"):
        title = re.match(r" (?:expected and found|(\S+): what is broken)", block)
        for measure, value, rest in re.findall(
            rf"(ECE|\|gap\|) change +at most {NUMBER} +({NUMBER}) ([^B]*?)(?:BROKEN|ok|undecided|not judged)",
            " ".join(block.split()) if title else "",
        ):
            row = title[1] or ("all" if len(found.tasks) > 1 else found.tasks[0].name) if title else ""
            figures[row, f"{measure} change"].add(value)
            for p in re.findall(r"p (?:= )?(< \.001|1?\.\d+)", rest):
                figures[row, f"{measure} p"].add(p)
            for interval in re.findall(r"\[.*?\]", rest):
                figures[row, f"{measure} interval"].add(interval)
    check_once(figures)
    assert any(quantity == "ECE change" for _, quantity in figures)


@settings(max_examples=3, deadline=None)
@given(SIDES)
def test_recommend(how: tuple[int, int, float, float, int]) -> None:
    before, after = pair(*how)
    comparison = compare(before, after)
    advice = recommend(before, after, comparison)
    text = page(lambda c: render_advice(comparison, advice, c), 80)
    said = " ".join(text.split())
    shown = set(re.findall(r"temperature of (\S+) ", said)) | set(re.findall(r"> temperature (\S+) ", said))
    assert len(shown) <= 1
    (gap,) = re.findall(rf" gap +({NUMBER}) \[", said)
    for size in re.findall(rf"confidence (?:exceeds|falls short of) accuracy by ({NUMBER})", said):
        assert size == gap.lstrip("+−")
    (ece,) = set(re.findall(rf"ECE ({NUMBER}) → ", said)) or {""}
    whole = page(lambda c: render_comparison(comparison, c, advice), 80)
    check_comparison(whole, comparison)
    if ece:  # of the tuned model, in the reason and in the table of `compare`
        assert ece in {cell for row, quantity, cell in tables(whole) if quantity == "ECE now" and row != "all (macro)"}
