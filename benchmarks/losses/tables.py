"""The benchmark's rows as tables, the bars they are held against, and the claim over peers, which the rows decide.

A row is a dictionary with `kind`: machine, products, forward, step, anchored, rows, absent. A file of them is JSON, one
a line, so that a page can show what a run measured on a machine that is not at hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
FITS = 1.01
"""A side whose peak is at most this times a budget fits in it: the allocator rounds up."""

BARS: dict[str, tuple[float, float]] = {
    "forward, smoothed": (1.08, 1.05),
    "step, 160 MiB": (1.38, 1.25),
    "step, 512 MiB": (1.25, 1.15),
    "step, 2,252 MiB": (1.12, 1.05),
    "anchored step, 512 MiB": (2.3, 2.3),
}
"""Time over the products of the same run, for shapes A and B: one product for a forward pass, three for a step."""


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _of(rows: Iterable[Row], kind: str, shape: str | None = None) -> list[Row]:
    return [row for row in rows if row["kind"] == kind and (shape is None or row["shape"] == shape)]


def _grid(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def _ratio(row: Row, products: Row, which: str) -> str:
    return f"{row['ms'] / products[which]:.2f}"


def _in_turns(row: Row) -> str:
    """Over the products that ran in turns with it."""
    return f"{row['ms'] / row['in_turns']:.2f}" if row.get("in_turns") else ""


def machine(rows: list[Row]) -> str:
    row = _of(rows, "machine")[0]
    return f"{row['card']}, torch {row['torch']}, Triton {row['triton']}, {row['date']}"


def shape_line(products: Row) -> str:
    n, d, v = products["size"]
    return f"shape {products['shape']}: N {n:,}, D {d:,}, V {v:,}"


def _floor(products: Row, which: int) -> str:
    """The median, and between what the products of the run lay."""
    values = [floor[which] for floor in products["floors"]]
    return f"{products['one' if which == 0 else 'three']:.2f} ms, {min(values):.2f} to {max(values):.2f}"


def forward_table(rows: list[Row], shape: str) -> str:
    (products,) = _of(rows, "products", shape)
    cells = [
        [row["side"], f"{row['ms']:.2f}", _ratio(row, products, "one"), _in_turns(row), f"{row['mib']:,.1f}"]
        if row.get("ms") is not None
        else [row["side"], f"no speed: {row['why']}", "", "", ""]
        for row in _of(rows, "forward", shape)
    ]
    title = f"**Forward, {shape_line(products)}** (one product: {_floor(products, 0)})"
    return f"{title}\n\n{_grid(['', 'ms', '/ product', 'in turns', 'MiB'], cells)}"


def step_table(rows: list[Row], shape: str) -> str:
    (products,) = _of(rows, "products", shape)
    cells = []
    for row in _of(rows, "step", shape):
        errors = [f"{row[name]:.1e}" if name in row else "" for name in ("error_hidden", "error_weight")]
        if row.get("ms") is None:
            cells.append([row["side"], f"no speed: {row['why']}", "", "", "", *errors])
        else:
            ratios = [_ratio(row, products, "three"), _in_turns(row)]
            cells.append([row["side"], f"{row['ms']:.2f}", *ratios, f"{row['mib']:,.0f}", *errors])
    title = f"**Forward and backward, {shape_line(products)}** (three products: {_floor(products, 1)})"
    return f"{title}\n\n{_grid(['', 'ms', '/ products', 'in turns', 'MiB', 'error dH', 'error dW'], cells)}"


def anchored_line(rows: list[Row], shape: str) -> str:
    (products,) = _of(rows, "products", shape)
    parts = [
        f"{row['budget']:,} MiB: {row['ms']:.2f} ms = {_ratio(row, products, 'three')} of the products, "
        f"in turns with them {_in_turns(row) or '–'}, peak "
        f"{row['mib']:,.0f} MiB, error dH {row['error_hidden']:.1e} (allowed {row['allowed']:.1e})"
        for row in _of(rows, "anchored", shape)
    ]
    return f"**Anchored step, shape {shape}**: {'; '.join(parts)}"


def rows_table(rows: list[Row], shape: str) -> str:
    cells = [
        [f"{row['n']:,}", f"{1e3 * row['ms'] / row['n']:.2f}", f"{row['mib']:,.0f}"] for row in _of(rows, "rows", shape)
    ]
    return f"**By rows, shape {shape}, 512 MiB**\n\n{_grid(['N', 'microseconds a row', 'MiB'], cells, left=0)}"


def absent_line(rows: list[Row]) -> str:
    found = {row["peer"]: row["why"] for row in _of(rows, "absent")}
    if not found:
        return "No peer was absent."
    return "Absent peers: " + "; ".join(f"{peer} ({why})" for peer, why in found.items()) + "."


def measured(rows: list[Row], bar: str, shape: str) -> tuple[float, str] | None:
    """What stands against a bar, time over the products alone, and the same in turns with them."""
    products = _of(rows, "products", shape)
    kind = "anchored" if bar.startswith("anchored") else bar.split(",")[0]
    for row in _of(rows, kind, shape):
        if row.get("bar") == bar and row.get("ms") is not None and products:
            return float(row["ms"] / products[0]["one" if kind == "forward" else "three"]), _in_turns(row)
    return None


def bars_table(rows: list[Row]) -> str:
    cells = []
    for bar, limits in BARS.items():
        row = [bar]
        for shape, limit in zip("AB", limits, strict=True):
            ratio, in_turns = measured(rows, bar, shape) or (None, "")
            state = "not run" if ratio is None else f"{ratio:.3f}, {'met' if ratio <= limit else 'missed'}"
            row += [f"≤ {limit:.2f}", state, in_turns]
        cells.append(row)
    return _grid(["", "A, bar", "A", "in turns", "B, bar", "B", "in turns"], cells)


def claims(rows: list[Row], shape: str, smoothing: bool) -> list[tuple[str, bool | None, str]]:
    """At each memory budget: (budget, whether ours is faster than every peer that fits in it, the figures).

    The budgets are ours and each peer's own peak. At a peer's peak ours runs with the largest of its budgets that is
    not larger. None: no peer that ran fits, or ours has no budget so small.
    """
    steps = [row for row in _of(rows, "step", shape) if row.get("ms") is not None and bool(row["eps"]) == smoothing]
    own = sorted((row for row in steps if row["own"]), key=lambda row: row["budget"])
    peers = [row for row in steps if not row["own"]]
    budgets = {float(row["budget"]) for row in own} | {float(row["mib"]) for row in peers}
    found = []
    for budget in sorted(budgets):
        fitting = [row for row in peers if row["mib"] <= budget * FITS]
        ours = [row for row in own if row["budget"] <= budget and row["mib"] <= budget * FITS]
        name = f"{budget:,.0f} MiB"
        if not fitting:
            found.append((name, None, "no peer that ran fits"))
            continue
        best = min(fitting, key=lambda row: float(row["ms"]))
        if not ours:
            found.append((name, None, f"ours was not run with so little; {best['side']} {best['ms']:.2f} ms"))
            continue
        mine = min(ours, key=lambda row: float(row["ms"]))
        figures = f"{mine['ms']:.2f} ms against {best['ms']:.2f} ms of {best['side']}"
        found.append((name, bool(mine["ms"] < best["ms"]), figures))
    return found


def claim_table(rows: list[Row], smoothing: bool) -> str:
    words = {True: "true", False: "**false**", None: "–"}
    cells = [
        [shape, budget, words[holds], figures]
        for shape in sorted({row["shape"] for row in _of(rows, "step")})
        for budget, holds, figures in claims(rows, shape, smoothing)
    ]
    return _grid(["shape", "within", "faster than every peer that fits", ""], cells, left=4)


def page(rows: list[Row]) -> str:
    """All tables of a run, in the order in which they are read."""
    shapes = [row["shape"] for row in _of(rows, "products")]
    parts = [machine(rows), bars_table(rows)]
    for shape in shapes:
        if _of(rows, "forward", shape):
            parts.append(forward_table(rows, shape))
        if _of(rows, "step", shape):
            parts.append(step_table(rows, shape))
        if _of(rows, "anchored", shape):
            parts.append(anchored_line(rows, shape))
        if _of(rows, "rows", shape):
            parts.append(rows_table(rows, shape))
    parts += [f"Failed: {row['section']}, shape {row['shape']}: {row['why']}" for row in _of(rows, "failed")]
    if _of(rows, "step"):
        parts += [absent_line(rows), "With smoothing:", claim_table(rows, True), "Without:", claim_table(rows, False)]
    return "\n\n".join(parts)


MARKS = ("<!-- measured -->", "<!-- /measured -->")


def put(page_text: str, text: str) -> str:
    """The page with `text` between its marks."""
    before, _, rest = page_text.partition(MARKS[0])
    _, mark, after = rest.partition(MARKS[1])
    if not mark:
        raise SystemExit(f"the page has no {MARKS[0]} … {MARKS[1]} to put tables between")
    return f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}"
