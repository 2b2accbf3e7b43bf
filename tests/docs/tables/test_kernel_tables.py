"""benchmarks/kernels.py decides its claim from its rows, and docs/kernels.md shows the tables of the rows it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.losses import tables

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "docs" / "kernels"


def step(
    side: str, ms: float, mib: float, *, budget: int | None = None, eps: float = 0.1, **more: Any
) -> dict[str, Any]:
    own = {"own": budget is not None} | ({} if budget is None else {"budget": budget})
    return {"kind": "step", "shape": "A", "side": side, "eps": eps, "ms": ms, "mib": mib, **own, **more}


OURS = [step("ours", 60.0, 159.0, budget=160), step("ours, more", 50.0, 511.0, budget=512)]


def claimed(*peers: dict[str, Any]) -> dict[str, bool | None]:
    return {budget: holds for budget, holds, _ in tables.claims([*OURS, *peers], "A", smoothing=True)}


def test_a_claim_is_over_the_peers_that_fit_in_a_budget() -> None:
    assert claimed(step("small", 70.0, 100.0)) == {"100 MiB": None, "160 MiB": True, "512 MiB": True}
    assert claimed(step("small", 55.0, 100.0)) == {"100 MiB": None, "160 MiB": False, "512 MiB": True}
    large = claimed(step("large", 49.0, 4000.0))
    assert large == {"160 MiB": None, "512 MiB": None, "4,000 MiB": False}


def test_what_got_no_speed_or_does_not_smooth_stands_in_no_claim() -> None:
    wrong = step("wrong", 1.0, 10.0) | {"ms": None, "why": "off"}
    plain = step("plain", 1.0, 10.0, eps=0.0)
    assert claimed(wrong, plain) == {"160 MiB": None, "512 MiB": None}


def test_our_own_peak_must_fit_too() -> None:
    rows = [step("ours", 60.0, 900.0, budget=160), step("small", 70.0, 100.0)]
    assert {holds for _, holds, _ in tables.claims(rows, "A", smoothing=True)} == {None}


def test_a_bar_is_held_against_the_products_of_its_own_run() -> None:
    rows = [
        {"kind": "products", "shape": "A", "size": [8192, 2304, 256000], "one": 10.0, "three": 40.0},
        step("ours", 50.0, 511.0, budget=512, bar="step, 512 MiB", in_turns=42.0),
        step("ours", 56.0, 159.0, budget=160, bar="step, 160 MiB"),
    ]
    lines = {line.split(" | ")[0].strip("| "): line for line in tables.bars_table(rows).splitlines()}
    assert "| 1.250, met | 1.19 |" in lines["step, 512 MiB"]
    assert "| 1.400, missed |" in lines["step, 160 MiB"]
    assert lines["anchored step, 512 MiB"].count("not run") == 2


def test_the_page_shows_what_a_kept_run_measured() -> None:
    (path,) = KEPT.glob("*.jsonl")
    text = (ROOT / "docs" / "kernels.md").read_text("utf-8")
    assert tables.put(text, tables.page(tables.read(path))) == text
