"""The pages' Python runs: the blocks of a page one after the other, as a reader would type them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from markdown_pages import PAGES, ROOT, blocks

from tests.families import tiny_network

STAND_INS = {
    '"arc_challenge", limit=300': '"words", limit=20',
    '"bundled", every=100': '"words", limit=8, every=1',
    '"bundled")': '"words", limit=8)',
    "max_steps=400": "max_steps=2, use_cpu=True, per_device_train_batch_size=2",
    "eval_steps=100": "eval_steps=1",
    "save_steps=100": "save_steps=1",
}
"""The hub is out of reach, and nobody waits for 400 steps; BASE, INSTRUCT and files are in the current folder
(conftest.py)."""


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks("python", page=page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_python_runs(page: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"model": tiny_network("llama")}
    for block in blocks("python", page=page):
        code = block.text
        if "from trl import" in code and find_spec("trl") is None:
            if page.name == "callback.md":
                pytest.skip("trl is not installed")
            continue
        for shown, stand_in in STAND_INS.items():
            code = code.replace(shown, stand_in)
        before = set(names)
        exec(compile("\n" * block.line + code, str(page), "exec"), names)
        printed = capsys.readouterr().out
        assert bool(printed) == ("print(" in code), block.place
        if "CalibrationCallback(" in code:
            check_callback(names["trainer"], printed)
        elif page.name == "README.md" and printed:
            assert re.fullmatch(r"Change\(value=\S+, low=\S+, high=\S+, p_value=\S+\)\n", printed)
        if page.name == "programs.md":  # the answer stands under the program
            assert f"**{printed.rstrip()}** (" in page.read_text(encoding="utf-8")
        for name in set(names) - before:
            if name.startswith("test_"):  # a recipe for pytest
                names.pop(name)()


def check_callback(trainer: Any, printed: str) -> None:
    """The numbers are those of the audits in the trainer's log, and the best is the best of them."""
    audits = [entry for entry in trainer.state.log_history if "eval_audit_nll" in entry]
    by_evaluation = trainer.args.metric_for_best_model == "audit_nll"
    assert [entry["step"] for entry in audits] == ([1, 2] if by_evaluation else [0, 1, 2])
    if by_evaluation:
        last = printed.rstrip().splitlines()[-1]
        assert float(last.split()[0]) == min(entry["eval_audit_nll"] for entry in audits)
    else:
        nlls = [float(line.split()[-1]) for line in printed.splitlines() if re.match(r"\d ", line)]
        assert nlls == [entry["eval_audit_nll"] for entry in audits]


def test_there_are_examples() -> None:
    assert len(blocks("python", page=ROOT / "README.md")) >= 3
    assert len(blocks("python")) >= 9
