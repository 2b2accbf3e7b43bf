"""A saved result is read and shown without a network's packages: no page waits for torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from made_repairs import made
from made_results import comparison_result

from calibaudit.report.repair_json import repair_dict
from calibaudit.report.result_json import result_text

SHOW = """
import sys
from calibaudit.cli.app import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("loaded:", *sorted({"torch", "transformers", "datasets", "pandas"} & set(sys.modules)))
"""
RESULTS = {"repair": lambda: repair_dict(made("helped")), "comparison": lambda: comparison_result(n_items=60)}


@pytest.mark.parametrize("name", RESULTS)
def test_report_loads_no_network(name, tmp_path):
    saved = tmp_path / "result.json"
    saved.write_text(result_text(RESULTS[name]()), encoding="utf-8")
    files = [word for ending in ("html", "md", "csv") for word in ("-o", tmp_path / f"page.{ending}")]
    for words in (["report", saved, *files], ["card", saved]):
        run = subprocess.run([sys.executable, "-c", SHOW, *words], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        assert run.stdout.splitlines()[-1] == "loaded:", words
    assert all((tmp_path / f"page.{ending}").stat().st_size > 1_000 for ending in ("html", "md", "csv"))
