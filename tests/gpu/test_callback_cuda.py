"""The audit inside a training on CUDA: the training does not feel it, and its numbers are those of the saved model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

from calibaudit import CalibrationCallback
from calibaudit.analysis.audit import audit_model
from calibaudit.scoring.evaluate import RunOptions, evaluate

DEMO = Path(__file__).resolve().parents[2] / "calibaudit" / "demo"


def collate(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "labels": ids.masked_fill(ids == 0, -100)}


def trained(folder: Path, bf16: bool, *, audited: bool) -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(DEMO / "instruct")
    rows = [json.loads(line) for line in (DEMO / "sft.jsonl").read_text(encoding="utf-8").splitlines()[:32]]
    texts = [tokenizer.apply_chat_template(row["messages"], tokenize=False) for row in rows]
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(DEMO / "base", dtype=torch.float32, attention_dropout=0.2),
        args=TrainingArguments(
            str(folder), max_steps=4, per_device_train_batch_size=4, learning_rate=1e-3, report_to=[],
            save_strategy="no", disable_tqdm=True, seed=3, bf16=bf16, remove_unused_columns=False,
        ),
        train_dataset=[tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts],
        data_collator=collate,
        processing_class=tokenizer,
    )  # fmt: skip
    callback = None
    if audited:
        callback = CalibrationCallback(trainer, "words", every=2, limit=32, keep_best="nll")
        trainer.add_callback(callback)
    trainer.train()
    return trainer.model.state_dict(), callback


def apart(one: Any, other: Any) -> float:
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


@pytest.mark.parametrize("bf16", [False, True])
def test_training_does_not_feel_it_and_the_numbers_are_the_saved_models(bf16: bool, tmp_path: Path) -> None:
    """Where CUDA's kernels give two plain runs the same weights, the audited one has them too."""
    plain, again = (trained(tmp_path / "plain", bf16, audited=False)[0] for _ in range(2))
    audited, callback = trained(tmp_path / "audited", bf16, audited=True)
    assert apart(audited, plain) <= apart(again, plain)
    best = tmp_path / "audited" / "best"
    logged = json.loads((best / "audit.json").read_text(encoding="utf-8"))
    scores = evaluate(str(best), callback.tasks, RunOptions(device="cuda"), lambda *_: None, lambda _: None)
    metrics = audit_model(scores).pooled.metrics
    for name in ("ece", "gap", "accuracy", "nll"):
        assert logged[f"eval_audit_{name}"] == pytest.approx(metrics[name].value, abs=1e-6), name
