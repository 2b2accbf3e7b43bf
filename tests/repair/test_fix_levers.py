"""`fix` with the levers of its loss, and the recipe that it tunes by where no flag says another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calibaudit.cli.groups import LeverFlags, TuningFlags, WhereChoice
from calibaudit.cli.inputs import training_settings, with_levers
from calibaudit.errors import CalibauditError


def test_levers_from_flags_to_page(cli: Any, few_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps on few rows: what was done is on the page, in the record and in the saved norm."""
    monkeypatch.setenv("CALIBAUDIT_CACHE", str(tmp_path / "cache"))
    rows, out = tmp_path / "rows.jsonl", tmp_path / "fixed"
    rows.write_text("".join(few_rows.read_text("utf-8").splitlines(keepends=True)[:48]), encoding="utf-8")
    code, page, err = cli(
        "fix", "demo:instruct", "--base", "demo:base", "--data", rows, "--method", "smooth", "--out", out,
        "-t", "arithmetic,reading", "--limit", "20", "--max-steps", "2", "--batch-size", "4",
        "--gradient-accumulation", "2", "--smoothing", "0.3", "--logit-scale", "2", "--softcap", "50",
        "--where", "known", "--packing", "--lr-scheduler", "inverse_sqrt", "--neftune-alpha", "0.5",
    )  # fmt: skip
    assert code in (0, 1), err
    result = json.loads((out / "fix.json").read_text("utf-8"))
    training, run = result["settings"]["training"], result["training"]
    assert {name: training[name] for name in ("logit_scale", "softcap", "where", "accumulation")} == {
        "logit_scale": 2.0, "softcap": 50.0, "where": "known", "accumulation": 2,
    }  # fmt: skip
    assert run["rows_per_step"] == 8
    assert 0 < run["n_known"] < result["data"]["n_examples"]
    assert run["softcap_kept"] is False
    assert run["packed"] is True
    said = " ".join(page.split())
    assert "logits times 2 in the loss and now in the weights" in said
    assert "logits capped at 50 in the loss only, since the config has no place for it" in said
    assert f"smoothed on the {run['n_known']:,} rows that base knows, rows packed, NEFTune 0.5, inverse sqrt" in said
    from safetensors.torch import load_file

    from calibaudit.models.checkpoints import find_checkpoint

    start = find_checkpoint("demo:base", cache_dir=None, offline=True).path
    before, after = (
        load_file(folder / "model.safetensors")["model.norm.weight"].float() for folder in (Path(start), out)
    )
    assert (after / before).median().item() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(
    ("data", "lora", "rate", "epochs", "rows"),
    [
        ("rows.jsonl", False, 2e-5, 2.0, 8),
        ("rows.jsonl", True, 2e-4, 2.0, 8),
        ("demo:sft", False, 3e-4, 3.0, 64),
        ("demo:sft", True, 3e-3, 3.0, 64),
    ],
)
def test_the_recipe(data: str, lora: bool, rate: float, epochs: float, rows: int) -> None:
    found = training_settings(data, TuningFlags(), None, 7, lora=lora)
    assert found.learning_rate == pytest.approx(rate, rel=1e-12)
    assert (found.epochs, found.batch_size, found.accumulation, found.seed) == (epochs, rows, None, 7)


def test_a_step_of_the_recipe_has_its_rows_on_any_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert training_settings("demo:sft", TuningFlags(), None, 0).batch_size == 64 // 4
    assert training_settings("demo:sft", TuningFlags(), 3, 0).batch_size == 3


@pytest.mark.parametrize("lora", [False, True])
def test_what_the_user_says_is_done(lora: bool) -> None:
    flags = TuningFlags(learning_rate=1e-5, epochs=1.5, max_steps=9)
    for data in ("rows.jsonl", "demo:sft"):
        found = training_settings(data, flags, 3, 0, lora=lora)
        assert (found.learning_rate, found.epochs, found.max_steps, found.batch_size) == (1e-5, 1.5, 9, 3)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_levers_out_of_range(value: float) -> None:
    training = training_settings("rows.jsonl", TuningFlags(), None, 0)
    assert with_levers(training, LeverFlags()) == training
    with pytest.raises(CalibauditError, match=f"^--logit-scale {value:g}: give a number above 0$"):
        with_levers(training, LeverFlags(logit_scale=value))
    with pytest.raises(CalibauditError, match=f"^--softcap {value:g}: give a number above 0$"):
        with_levers(training, LeverFlags(softcap=value))
    assert with_levers(training, LeverFlags(where=WhereChoice.known)).where == "known"
