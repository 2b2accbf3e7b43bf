"""The notebook runs, and the outputs that it is stored with are those of its cells.

Its cells run in this process, one after the other, with what Jupyter does for them: the last expression of a cell is
its output. A kernel of its own would cost the start of two more processes and tell nothing of calibaudit.
"""

from __future__ import annotations

import ast
import base64
import json
import re
from pathlib import Path
from pprint import pformat
from typing import Any

import pytest

NUMBER = re.compile(r"[-+−]?\d*\.?\d+(e-?\d+)?")


def run(code: str, names: dict[str, Any]) -> Any:
    """What Jupyter would show: the value of a last expression without a semicolon."""
    body = ast.parse(code).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    value = None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return None if code.endswith(";") else value


def masked(text: str) -> str:
    return " ".join(NUMBER.sub("#", text).split())


def test_the_notebook_runs(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "docs" / "notebook.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert path.stat().st_size < 100_000
    monkeypatch.chdir(tmp_path)
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    names: dict[str, Any] = {}
    n_shown = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        value = run(source, names)
        stored = [output["data"] for output in cell["outputs"]]
        if pyplot.get_fignums():
            assert base64.b64decode(stored.pop(0)["image/png"]).startswith(b"\x89PNG")
            pyplot.close("all")
        assert len(stored) == (value is not None), source
        if value is not None:
            (data,) = stored
            n_shown += 1
            assert masked("".join(data["text/plain"])) == masked(pformat(value, width=79, sort_dicts=False)), source
            assert ("text/html" in data) == hasattr(value, "_repr_html_")
            if "text/html" in data:
                assert masked("".join(data["text/html"])) == masked(value._repr_html_()), source
    assert n_shown > 8
    assert list(tmp_path.glob("*.json")) == []  # it leaves nothing behind
    assert names["comparison"].pooled.change["ece"].p_value < 0.05
    assert names["again"][0].to_dict() == names["after"][0].to_dict()
