"""The audit inside somebody else's training: the command's numbers, and a training that does not feel it."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

from calibaudit import CalibrationCallback, load_tasks
from calibaudit.errors import CalibauditError, ModelError, SftError, TrainingError
from calibaudit.repair.monitor.in_memory import plain_network, undisturbed

DEMO = Path(__file__).resolve().parents[2] / "calibaudit" / "demo"
ROWS = [json.loads(line) for line in (DEMO / "sft.jsonl").read_text(encoding="utf-8").splitlines()[:16]]
N_ITEMS = 12


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(DEMO / "instruct")


def examples(tokenizer: Any, rows: list[Any] = ROWS) -> list[dict[str, list[int]]]:
    texts = [tokenizer.apply_chat_template(row["messages"], tokenize=False) for row in rows]
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    return [{"input_ids": row, "labels": row} for row in ids]


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for row in rows)
    return {
        "input_ids": torch.tensor([row["input_ids"] + [0] * (width - len(row["input_ids"])) for row in rows]),
        "labels": torch.tensor([row["labels"] + [-100] * (width - len(row["labels"])) for row in rows]),
    }


def trainer_of(
    folder: Path,
    tokenizer: Any,
    *,
    network: Any = None,
    rows: Any = None,
    processing_class: Any = None,
    callbacks: Any = None,
    **options: Any,
) -> Trainer:
    """Three steps of two rows on the demo's base, with dropout, so that random numbers count."""
    if network is None:
        network = AutoModelForCausalLM.from_pretrained(DEMO / "base", dtype=torch.float32, attention_dropout=0.2)
    chosen: dict[str, Any] = {"max_steps": 3, "per_device_train_batch_size": 2, "learning_rate": 1e-3, "use_cpu": True}
    chosen |= {"report_to": [], "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True, "seed": 3}
    return Trainer(
        model=network,
        args=TrainingArguments(output_dir=str(folder), **chosen | options),
        train_dataset=examples(tokenizer) if rows is None else rows,
        eval_dataset=examples(tokenizer)[:2],
        data_collator=collate,
        processing_class=processing_class or tokenizer,
        callbacks=callbacks,
    )


def audited(trainer: Trainer, **options: Any) -> CalibrationCallback:
    callback = CalibrationCallback(trainer, "words", **{"every": 1, "limit": N_ITEMS} | options)
    trainer.add_callback(callback)
    trainer.train()
    return callback


def entries(trainer: Trainer, name: str) -> list[dict[str, Any]]:
    return [entry for entry in trainer.state.log_history if name in entry]


def scored(cli: Any, checkpoint: Path, folder: Path) -> dict[str, Any]:
    """What the command finds, over all items, in the dtype of the training: an adapter's base is stored in bfloat16."""
    out = folder / "scored.json"
    ended = cli(
        "score", checkpoint, "-t", "words", "--limit", N_ITEMS, "--no-cache", "-o", out, "-q", "--dtype", "float32"
    )
    assert ended.code == 0, ended.err
    return dict(json.loads(out.read_text(encoding="utf-8"))["overall"]["pooled"]["metrics"])


def adapted(network: Any) -> Any:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")
    return peft.get_peft_model(network, config)


KINDS = ("autocast", "adapter")


def trainer_of_kind(kind: str, folder: Path, tokenizer: Any, **options: Any) -> Trainer:
    if kind != "adapter":
        return trainer_of(folder, tokenizer, bf16=True, **options)
    network = AutoModelForCausalLM.from_pretrained(DEMO / "base", dtype=torch.float32)
    network.enable_input_require_grads()  # as PEFT and TRL do under gradient checkpointing
    again = {"use_reentrant": False}
    return trainer_of(
        folder, tokenizer, network=adapted(network), gradient_checkpointing=True,
        gradient_checkpointing_kwargs=again, **options,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_training_does_not_feel_it_and_the_numbers_are_the_commands(
    kind: str, tokenizer: Any, tmp_path: Path, cli: Any
) -> None:
    alone = trainer_of_kind(kind, tmp_path / "alone", tokenizer)
    alone.train()
    beside = trainer_of_kind(kind, tmp_path / "beside", tokenizer)  # made now: it seeds the random numbers
    callback = audited(beside, keep_best="nll", every=2)
    one, other = alone.model.state_dict(), beside.model.state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("loss", "grad_norm", "learning_rate"):
        assert [entry[name] for entry in entries(alone, name)] == [entry[name] for entry in entries(beside, name)]
    found = entries(beside, "eval_audit_ece")
    assert [entry["step"] for entry in found] == [0, 2, 3] == [step for step, _ in callback.audits]
    best = json.loads((tmp_path / "beside" / "best" / "audit.json").read_text(encoding="utf-8"))
    (entry,) = (entry for entry in found if entry["step"] == best["step"])
    assert entry["eval_audit_nll"] == min(entry["eval_audit_nll"] for entry in found[1:])
    metrics = scored(cli, tmp_path / "beside" / "best", tmp_path)
    near = {"abs": 1e-5} if kind == "adapter" else {"abs": 0, "rel": 0}  # an adapter is merged when it is loaded
    for name in ("ece", "gap", "accuracy", "confidence", "nll"):
        assert entry[f"eval_audit_{name}"] == pytest.approx(metrics[name]["value"], **near), name
    assert entry["eval_audit_ece_low"] == pytest.approx(metrics["ece"]["low"], abs=1e-4)


def test_nothing_is_left_behind(tokenizer: Any) -> None:
    network = AutoModelForCausalLM.from_pretrained(DEMO / "base", dtype=torch.float32)
    network.train()
    network.model.layers[1].eval()
    network.forward = own = network.forward
    states = (random.getstate(), torch.get_rng_state(), np.random.get_state()[1].tolist())
    modes = [module.training for module in network.modules()]
    with undisturbed(network, network):
        assert not any(module.training for module in network.modules())
        assert "forward" not in network.__dict__
        assert not torch.is_grad_enabled()
        torch.rand(3), random.random(), np.random.rand()
    assert [module.training for module in network.modules()] == modes
    assert network.forward is own
    assert torch.is_grad_enabled()
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert np.random.get_state()[1].tolist() == states[2]


def test_the_network_is_found_in_its_wrappers() -> None:
    network = AutoModelForCausalLM.from_pretrained(DEMO / "base")
    assert plain_network(nn.DataParallel(adapted(network))) is network
    with pytest.raises(ModelError, match="Linear is not a transformers causal LM"):
        plain_network(nn.Linear(2, 2))


class Heard(TrainerCallback):
    """What a reporter is told."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        self.logs.append({**logs, "step": state.global_step})


def test_the_trainers_own_best_model_goes_by_it(tokenizer: Any, tmp_path: Path) -> None:
    heard = Heard()
    trainer = trainer_of(
        tmp_path, tokenizer, callbacks=[heard], eval_strategy="steps", eval_steps=1, save_strategy="steps",
        save_steps=1, load_best_model_at_end=True, metric_for_best_model="audit_nll", greater_is_better=False,
        learning_rate=3e-2,
    )  # fmt: skip
    audited(trainer, every=None, limit=8)
    found = {entry["step"]: entry["eval_audit_nll"] for entry in entries(trainer, "eval_audit_nll")}
    assert list(found) == [1, 2, 3]
    best = min(found, key=lambda step: found[step])
    assert best < 3, "else the last model would do"
    assert trainer.state.best_metric == found[best]
    assert trainer.state.best_model_checkpoint == str(tmp_path / f"checkpoint-{best}")
    assert trainer.evaluate()["eval_audit_nll"] == found[best]
    assert [log["step"] for log in heard.logs if "eval_audit_gap" in log] == [1, 2, 3, 3]


def test_it_stops_when_the_ece_is_too_high(tokenizer: Any, tmp_path: Path, caplog: Any) -> None:
    trainer = trainer_of(tmp_path, tokenizer, max_steps=6, learning_rate=3e-2)
    with caplog.at_level(logging.WARNING):
        callback = audited(trainer, max_ece=1e-6, every=2, limit=8)
    stopped, after = trainer.state.global_step, entries(trainer, "eval_audit_ece")
    assert stopped == 2
    assert after[-1]["eval_audit_ece"] > 1e-6
    assert callback.stopped == f"ECE is {after[-1]['eval_audit_ece']:.3f}, above 1e-06"
    assert f"step {stopped}: {callback.stopped}: training stops" in caplog.text


def test_it_stops_when_nll_has_not_fallen_for_so_many_audits(tokenizer: Any, tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, tokenizer, max_steps=6, learning_rate=3e-2)
    callback = audited(trainer, patience=2, limit=8)
    found = [entry["eval_audit_nll"] for entry in entries(trainer, "eval_audit_nll")]
    least = found.index(min(found))
    assert len(found) == trainer.state.global_step + 1 == least + 3 < 7
    assert callback.stopped.endswith("2 audits ago")


class TestWhatIsTrainedOnIsNotAudited:
    TASKS = load_tasks(["words"], limit=N_ITEMS)

    def rows(self, n: int) -> list[Any]:
        return [
            {"messages": [{"role": "user", "content": i.context}, {"role": "assistant", "content": "yes"}]}
            for i in self.TASKS[0].items[:n]
        ]

    @pytest.mark.parametrize("form", ["texts", "ids", "dataset"])
    def test_items_in_the_training_set_are_left_out(
        self, form: str, tokenizer: Any, tmp_path: Path, caplog: Any
    ) -> None:
        rows: Any = [*ROWS, *self.rows(3)]
        rows = Dataset.from_list(rows) if form == "dataset" else rows
        rows = examples(tokenizer, rows) if form == "ids" else rows
        with caplog.at_level(logging.WARNING):
            callback = CalibrationCallback(trainer_of(tmp_path, tokenizer, rows=rows), self.TASKS, every=1)
        assert callback.n_left_out == 3
        assert callback.tasks[0].items == self.TASKS[0].items[3:]
        assert "3 items are not audited: their questions are in the training set" in caplog.text

    def test_all_of_them_is_refused(self, tokenizer: Any, tmp_path: Path) -> None:
        rows = examples(tokenizer, self.rows(N_ITEMS))
        with pytest.raises(SftError, match=f"the questions of all {N_ITEMS} audited items are in the tuning data"):
            CalibrationCallback(trainer_of(tmp_path, tokenizer, rows=rows), self.TASKS, every=1)

    def test_a_stream_cannot_be_looked_through(self, tokenizer: Any, tmp_path: Path, caplog: Any) -> None:
        rows = Dataset.from_list(examples(tokenizer)).to_iterable_dataset()
        with caplog.at_level(logging.WARNING):
            callback = CalibrationCallback(trainer_of(tmp_path, tokenizer, rows=rows), self.TASKS, every=1)
        assert callback.n_left_out is None
        assert "the training set cannot be looked through" in caplog.text


def test_names_are_read_as_the_command_reads_them(tokenizer: Any, tmp_path: Path) -> None:
    callback = CalibrationCallback(trainer_of(tmp_path, tokenizer), ["words,logic", "words"], every=1, limit=2)
    assert [task.name for task in callback.tasks] == ["words", "logic"]


def test_a_callback_is_of_its_trainer_and_a_best_folder_of_the_callback(tokenizer: Any, tmp_path: Path) -> None:
    one, other = trainer_of(tmp_path / "one", tokenizer), trainer_of(tmp_path / "other", tokenizer)
    other.add_callback(CalibrationCallback(one, "words", every=1, limit=2))
    with pytest.raises(TrainingError, match="it was made for another trainer"):
        other.train()
    mine = tmp_path / "one" / "best" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("kept")
    with pytest.raises(TrainingError, match=r"best already exists and is not from an earlier run"):
        audited(one, keep_best="nll")
    assert mine.read_text() == "kept"


def test_what_cannot_be_audited_is_said_before_training(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(tmp_path, tokenizer)

    def refused(match: str, **options: Any) -> None:
        with pytest.raises(CalibauditError, match=match):
            CalibrationCallback(trainer, "words", **{"every": 1} | options)

    refused("every must be a number of steps, since the trainer never evaluates, not None", every=None)
    refused("every must be 1 or more steps", every=0)
    refused("max_ece must be above 0 and at most 1, not 2", max_ece=2)
    refused("patience must be 1 or more audits, not 0", patience=0)
    refused("keep_best must be ece or nll, not accuracy", keep_best="accuracy")
    refused("every must be 1 or more steps, .*, not 1.5", every=1.5)
    refused("patience must be 1 or more audits, not True", patience=True)
    refused("max_ece must be above 0 and at most 1, not x", max_ece="x")
    refused("batch_size must be a whole number from 1, or None, not 0", batch_size=0)
    refused("limit must be a whole number from 1, or None, not 2.5", limit=2.5)
    refused("settings must be a Settings, not dict", settings={"seed": 1})
    refused("chat must be a ChatSettings, not 'off'", chat="off")
    for nothing in (None, 5, "", ["words", ""]):
        with pytest.raises(TrainingError, match="tasks must be names of tasks, or Tasks, not "):
            CalibrationCallback(trainer, nothing, every=1)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="give the trainer itself first, not str"):
        CalibrationCallback("words", "words", every=1)
    monkeypatch.setattr(trainer, "processing_class", None)
    refused("the trainer has no tokenizer")
    monkeypatch.setattr(trainer, "model", nn.Linear(2, 2))
    monkeypatch.setattr(trainer, "processing_class", tokenizer)
    refused("Linear is not a transformers causal LM")
    monkeypatch.setattr(type(trainer.accelerator.state), "fsdp_plugin", object(), raising=False)
    refused("under FSDP no process holds the network")
