"""What docs/metrics.md and docs/gate.md say of the simulations is what their printed tables show."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[3] / "docs"
METRICS, GATE, INFERENCE = ((DOCS / f"{name}.md").read_text("utf-8") for name in ("metrics", "gate", "inference"))

Rows = dict[str, list[str]]


def joined(text: str) -> str:
    """Without line breaks: sentences are looked for wherever a line ends."""
    return " ".join(text.split())


def table(text: str, after: str) -> Rows:
    """The first table behind these words, as row name -> cells."""
    lines = text[text.index(after) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| ---"))
    found = {}
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").replace("\\|", "¦").split("|"))
        found[name] = [name, *cells]
    return found


def figures(rows: Rows, column: int = 0) -> list[float]:
    """Every figure of the cells, of `a / b` the one at this place."""
    cells = [cell.split(" / ")[column] for row in rows.values() for cell in row[1:]]
    return [float(cell) for cell in cells if re.fullmatch(r"\d+\.\d", cell)]


def test_sizes() -> None:
    rows = table(METRICS, "**Size.**")
    assert rows == table(INFERENCE, "p < .05 in % where both true ECEs are equal.")
    found = figures(rows)
    assert f"The largest of {len(found)} cells is {max(found)}" in joined(METRICS)
    # The bars: 1,000 samples a cell, 3,000 with groups.
    for name, row in rows.items():
        assert max(figures({name: row}), default=0) <= 5 + 3 * (0.4 if "groups" in name else 0.69)
    assert sum(figure > 5 + 2 * 0.69 for figure in found) <= len(found) / 20


def test_power_is_at_least_what_was_promised() -> None:
    rows = table(METRICS, "**Power**")
    assert rows == table(INFERENCE, "Power: p < .05 in %; where")
    power = {name: [float(cell.split(" / ")[0]) for cell in row[1:]] for name, row in rows.items()}
    error = 2 * 100 * (0.25 / 600) ** 0.5
    assert power["calibrated → .05 over"][3] > 46 - error
    for place, bar in ((1, 52), (2, 93), (3, 99.5)):
        assert power["calibrated → .10 over"][place] > bar - error
    assert power[".126 → .03 over"][1] > 82 - error
    assert power[".126 → .03 over"][2] > 99.5


def test_coverage() -> None:
    changes = [float(row[2]) for row in coverage_rows()]
    assert f"a change of ECE {sum(changes) / len(changes):.1f} % on average, {min(changes)} at least" in joined(METRICS)
    levels = figures(table(INFERENCE, "Coverage in % of the 95 % interval of ECE itself"))
    levels += [float(row[3]) for row in coverage_rows()]
    assert f"a single model's ECE {sum(levels) / len(levels):.1f} and {min(levels)}" in joined(METRICS)
    assert min(changes) > 93 - 2 * 0.9
    assert min(levels) > 93 - 2 * 0.9
    macro = [
        min(figures(table(INFERENCE, f"Coverage in % of the 95 % intervals of {what}")))
        for what in ("the changes", "ECE itself")
    ]
    assert f"means over 9 and 57 tasks {macro[0]} and {macro[1]} at least" in joined(METRICS)
    assert min(macro) > 93 - 2 * 1.1


def coverage_rows() -> list[list[str]]:
    text = INFERENCE[INFERENCE.index("## Power") :]
    text = text[text.index("Coverage in % of the 95 % intervals.") :].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| N = " in line]
    assert len(rows) > 50
    return rows


def test_stars_and_the_one_model_test() -> None:
    rows = table(METRICS, "**Stars.**")
    assert rows == table(INFERENCE, "Samples in % with a star by Holm")
    assert max(figures(rows)) < 5
    nulls = table(INFERENCE, "p < .05 in % of calibrated models")
    grouped = {name: row for name, row in nulls.items() if "groups" in name}
    ours, theirs = max(figures(grouped)), max(figures(grouped, 1))
    assert f"it keeps its size (at most {ours} %) where z rejects up to {theirs} %" in joined(METRICS)
    power = table(INFERENCE, "Power: p < .05 in % of models that are not")
    shift, waves = (power[name][3].split(" / ") for name in (".05 over", ".05 waves"))
    shares = [f"{float(a):.0f} against {float(b):.0f} %" for a, b in (shift, waves)]
    assert f"(.05 at 1,000 items: {shares[0]})" in joined(METRICS)
    assert f"for errors of both signs more (waves of .05: {shares[1]})" in joined(METRICS)


def test_the_gaps_corner_is_named() -> None:
    rows = table(INFERENCE, "The gaps' p < .05 in % where they are equal too.")
    found = figures(rows)
    assert f"rejects {max(found)} % in one corner" in joined(METRICS)
    others = sorted(found)[:-1]
    assert min(others) >= 2.5
    assert max(others) < 7.1
    assert f"{max(found)} % of 1,000 rejected" in INFERENCE.split("## Bars")[1]


def test_the_gates_rates() -> None:
    alarms = table(GATE, "**False alarms, %**")
    rates = [float(cell.split(" ")[0]) for row in alarms.values() for cell in row[2:] if "±" in cell]
    # Rows of one name and several K share a key: the text's maximum is of all lines.
    every = [float(rate) for rate in re.findall(r"(\d+\.\d) ± \d\.\d", GATE.split("**Power, %")[0])]
    assert max(rates) <= max(every)
    assert f"below 5 %, the largest {max(every)}" in joined(GATE)
    power = table(GATE, "**Power, %")
    waves = [cell.split(" ")[0] for cell in power["waves (no gap)"][2:]]
    assert f"waves of .052 are found in {waves[1]} % at 1,000 items and {waves[2]} % at 2,000" in joined(GATE)
    sharpened = list(re.findall(r"\| sharpened \| 4 \| ([^\n]*) \|", GATE))
    found = [float(cell.split(" ")[0]) for cell in sharpened[0].split(" | ")]
    assert found[1] >= 45
    assert found[2] >= 80
