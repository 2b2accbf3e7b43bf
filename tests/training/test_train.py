"""Training against hand-written loops, and what happens when it is stopped, fails or is taken up again."""

from __future__ import annotations

import copy
import errno
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from families import VOCAB, tiny_network, tiny_tokenizer
from test_known import half_known
from test_loss_fused import assert_same_gradients
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from calibaudit.errors import OutputError, TrainingError
from calibaudit.models.checkpoints import find_checkpoint
from calibaudit.models.formats.save import save_checkpoint
from calibaudit.models.load import load_network
from calibaudit.training.data.encode import Example
from calibaudit.training.known import known_rows
from calibaudit.training.results.run import TrainingRun
from calibaudit.training.settings import LoraSettings, TrainingSettings
from calibaudit.training.train import train
from tests.command import in_a_process, in_two

EPS = 0.3
PRIORS = ("uniform", "base")


def made_examples(n: int, seed: int = 0) -> list[Example]:
    """Random rows of 4 to 20 tokens, of which the last few are learned: means of means are not the mean."""
    generator = torch.Generator().manual_seed(seed)
    examples = []
    for _ in range(n):
        length = int(torch.randint(4, 21, (1,), generator=generator))
        ids = torch.randint(3, VOCAB, (length,), generator=generator).tolist()
        start = int(torch.randint(1, length, (1,), generator=generator))
        examples.append(Example(tuple(ids), (-100,) * start + tuple(ids[start:])))
    return examples


def settings(prior: str = "uniform", **changes: Any) -> TrainingSettings:
    return replace(TrainingSettings(EPS, prior, learning_rate=1e-3, batch_size=4, warmup=0.0), **changes)


def tuned(folder: Path, chosen: TrainingSettings, n: int = 24, **options: Any) -> tuple[Any, TrainingRun]:
    """A tiny network after training, beside a prior of other weights where the settings want one."""
    network = options.pop("network", None) or tiny_network("llama")
    anchor = tiny_network("llama", seed=1) if chosen.prior == "base" else None
    anchor = options.pop("anchor", anchor)
    examples = options.pop("examples", None) or made_examples(n)
    return network, train(network, tiny_tokenizer(), examples, folder, chosen, anchor=anchor, **options)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def same_weights(one: Any, other: Any) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def total_loss(network: Any, anchor: Any, examples: list[Example]) -> Tensor:
    """The definition, a row at a time, out of logits, summed over target tokens; without padding, in float64."""
    total = torch.zeros((), dtype=torch.float64)
    for example in examples:
        ids = torch.tensor([example.input_ids])
        logprobs = network(input_ids=ids).logits[0].double().log_softmax(-1)
        with torch.no_grad():
            q = anchor(input_ids=ids).logits[0].double().softmax(-1) if anchor is not None else None
        for position, label in enumerate(example.labels):
            if label == -100 or position == 0:
                continue
            p = logprobs[position - 1]
            soft = p.mean() if q is None else (q[position - 1] * p).sum()
            total = total - (1 - EPS) * p[label] - EPS * soft
    return total


def n_targets(examples: list[Example]) -> int:
    return sum(label != -100 for example in examples for label in example.labels[1:])


@contextmanager
def caught_gradients(network: Any) -> Iterator[list[dict[str, Tensor]]]:
    """The gradients at each optimiser step, by name, in float64."""
    caught: list[dict[str, Tensor]] = []

    def catch(*_: Any) -> None:
        caught.append({name: p.grad.double() for name, p in network.named_parameters() if p.grad is not None})

    hook = register_optimizer_step_pre_hook(catch)
    try:
        yield caught
    finally:
        hook.remove()


def hand_written(prior: str, examples: list[Example], n_steps: int, rate: float) -> tuple[Any, list[float]]:
    """In float64: AdamW on materialised logits, the rate falling linearly, the gradient clipped to norm 1."""
    network = tiny_network("llama").double()
    anchor = tiny_network("llama", seed=1) if prior == "base" else None
    decayed = [p for name, p in network.named_parameters() if "norm" not in name]
    others = [p for name, p in network.named_parameters() if "norm" in name]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=rate
    )
    losses = []
    for step in range(n_steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / n_steps)
        optimizer.zero_grad()
        loss = total_loss(network, anchor, examples) / n_targets(examples)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return network, losses


def distance(one: Any, other: Any) -> float:
    """The sum of absolute differences of all weights."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return sum((a.double() - b.double()).abs().sum().item() for a, b in pairs)


class TestTheLossIsTheMeanOverTokens:
    @pytest.mark.parametrize("prior", PRIORS)
    def test_however_it_accumulates(self, tmp_path: Path, prior: str) -> None:
        examples = made_examples(8)
        exact, anchor = tiny_network("llama").double(), tiny_network("llama", seed=1) if prior == "base" else None
        loss = total_loss(exact, anchor, examples) / n_targets(examples)
        loss.backward()
        wanted = {name: parameter.grad for name, parameter in exact.named_parameters()}
        for batch_size, accumulation in ((8, 1), (1, 8), (3, 3)):
            chosen = settings(prior, batch_size=batch_size, accumulation=accumulation, max_steps=1, max_grad_norm=0.0)
            folder, network = tmp_path / str(accumulation), tiny_network("llama")
            with caught_gradients(network) as caught:
                _, run = tuned(folder, chosen, examples=examples, anchor=anchor, network=network)
            assert len(caught) == 1
            assert run.loss == pytest.approx(loss.item(), rel=1e-6)
            assert_same_gradients(caught[0], wanted)
            norm = torch.stack([g.norm() for g in wanted.values()]).norm().item()
            assert log(folder)[0]["grad_norm"] == pytest.approx(norm, rel=1e-5)

    @pytest.mark.parametrize("prior", PRIORS)
    def test_a_run_is_the_hand_written_loop(self, tmp_path: Path, prior: str) -> None:
        """Off by rounding, which Adam magnifies where a gradient is nearly 0; a wrong rate or mean is far more."""
        examples, n_steps, rate = made_examples(12), 6, 3e-3
        chosen = settings(prior, batch_size=12, max_steps=n_steps, learning_rate=rate, weight_decay=0.1)
        network, run = tuned(tmp_path, chosen, examples=examples)
        exact, losses = hand_written(prior, examples, n_steps, rate)
        found = log(tmp_path)
        assert [record["loss"] for record in found] == pytest.approx(losses, rel=1e-4)
        rates = [record["learning_rate"] for record in found]
        assert rates == pytest.approx([rate * (1 - step / n_steps) for step in range(n_steps)])
        assert distance(network, exact) < 2e-4 * distance(exact, tiny_network("llama"))
        assert run.loss == pytest.approx(losses[-1], rel=1e-4)


def test_what_a_run_reports(tmp_path: Path) -> None:
    examples, seen = made_examples(22), []
    chosen = settings(epochs=2.5, batch_size=2, accumulation=2, warmup=0.25)
    _, run = tuned(tmp_path, chosen, examples=examples, progress=lambda *values: seen.append(values))
    records = log(tmp_path)
    assert run.n_steps == 15 == len(records) == len(seen)  # 6 steps an epoch
    assert [step for step, *_ in seen] == [record["step"] for record in records] == list(range(1, 16))
    assert {n for _, n, *_ in seen} == {15}
    assert [loss for _, _, loss, _ in seen] == [record["loss"] for record in records]
    assert all(speed > 0 for *_, speed in seen)
    rates = [record["learning_rate"] / 1e-3 for record in records]
    assert rates == pytest.approx([0, 1 / 3, 2 / 3, *[1 - step / 12 for step in range(12)]])
    assert run.loss == records[-1]["loss"]
    assert run.epochs == pytest.approx(records[-1]["epoch"], abs=1e-4)
    assert 2.4 < run.epochs < 2.6
    assert run.n_tokens == sum(record["tokens"] for record in records)
    assert run.n_target_tokens == sum(record["target_tokens"] for record in records)
    assert run.tokens_per_second == pytest.approx(run.n_tokens / run.seconds)
    assert run.peak_bytes > 1e7
    assert run.resumed_from is None


@pytest.mark.parametrize("lora", [None, LoraSettings(rank=4)], ids=["full", "lora"])
def test_the_network_is_left_plain(tmp_path: Path, lora: LoraSettings | None) -> None:
    network = tiny_network("llama").requires_grad_(False)
    own_class, names, cache = type(network), list(network.state_dict()), network.config.use_cache
    chosen = settings(lora=lora, gradient_checkpointing=True, max_steps=2)
    tuned(tmp_path / "a", chosen, network=network)
    with pytest.raises(TrainingError, match="the loss is"):
        tuned(tmp_path / "b", replace(chosen, learning_rate=1e30, max_steps=5), network=network)
    assert type(network) is own_class
    assert list(network.state_dict()) == names
    assert network.config.use_cache is cache
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(module.training for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert "forward" not in network.__dict__
    assert not network.is_gradient_checkpointing
    assert not hasattr(network, "peft_config")


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tuned(tmp_path, settings(max_steps=2))
    assert capfd.readouterr() == ("", "")


def test_no_smoothing_needs_no_prior(tmp_path: Path) -> None:
    chosen = settings("base", label_smoothing=0.0, max_steps=3)
    network, _ = tuned(tmp_path / "a", chosen, anchor=None)
    other, _ = tuned(tmp_path / "b", replace(chosen, prior="uniform"), anchor=None)
    assert same_weights(network, other)


class TestLora:
    def test_only_the_adapter_learns_and_is_merged(self, tmp_path: Path) -> None:
        network, _ = tuned(tmp_path, settings(lora=LoraSettings(rank=4, alpha=8), max_steps=3))
        before, after = tiny_network("llama").state_dict(), network.state_dict()
        assert before.keys() == after.keys()
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {name for name in before if "_proj" in name}
        for name in moved:
            assert torch.linalg.matrix_rank(after[name] - before[name], atol=1e-5) <= 4

    def test_the_prior_with_the_adapter_off_is_a_frozen_copy(self, tmp_path: Path) -> None:
        chosen = settings("base", lora=LoraSettings(rank=4, dropout=0.1), max_steps=6, learning_rate=1e-2)
        one, first = tuned(tmp_path / "a", chosen, anchor=None)
        other, second = tuned(tmp_path / "b", chosen, anchor=tiny_network("llama"))
        assert same_weights(one, other)
        assert first.loss == second.loss

    @pytest.mark.parametrize("accumulation", [1, 8])
    def test_accumulates_over_tokens(self, tmp_path: Path, accumulation: int) -> None:
        """The adapter starts as no change, so the first loss is the network's own."""
        examples = made_examples(8)
        chosen = settings(
            "base", lora=LoraSettings(), max_steps=1, batch_size=8 // accumulation, accumulation=accumulation
        )
        _, run = tuned(tmp_path, chosen, examples=examples, anchor=None)
        network = tiny_network("llama")
        wanted = total_loss(network, network, examples) / n_targets(examples)
        assert run.loss == pytest.approx(wanted.item(), rel=1e-5)

    def test_without_peft(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "peft", None)
        with pytest.raises(TrainingError, match=r"LoRA needs peft: pip install 'calibaudit\[peft\]'"):
            tuned(tmp_path, settings(lora=LoraSettings()))


def interrupt_at(step: int) -> Any:
    def progress(done: int, *_: Any) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


class TestResuming:
    @pytest.mark.parametrize("kind", ["full", "lora", "dropout"])
    def test_gives_the_uninterrupted_runs_weights(self, tmp_path: Path, kind: str) -> None:
        chosen = settings("base", epochs=2, accumulation=2, seed=3)
        family, changes = "llama", {}
        if kind == "lora":
            chosen = replace(chosen, lora=LoraSettings(rank=4, dropout=0.2))
        if kind == "dropout":
            family, changes = "gpt2", {"resid_pdrop": 0.2, "embd_pdrop": 0.2}
        start = tiny_network(family, **changes)
        whole, run = tuned(tmp_path / "whole", chosen, network=copy.deepcopy(start))
        with pytest.raises(KeyboardInterrupt, match="stopped after step 2 of 6"):
            tuned(tmp_path / "parts", chosen, network=copy.deepcopy(start), progress=interrupt_at(2))
        with pytest.raises(KeyboardInterrupt, match="stopped after step 5 of 6"):
            tuned(tmp_path / "parts", chosen, network=copy.deepcopy(start), progress=interrupt_at(5), resume=True)
        parts, resumed = tuned(tmp_path / "parts", chosen, network=copy.deepcopy(start), resume=True)
        assert same_weights(whole, parts)
        assert not same_weights(whole, start)
        assert (run.resumed_from, resumed.resumed_from) == (None, 5)
        assert (resumed.loss, resumed.n_tokens, resumed.epochs) == (run.loss, run.n_tokens, run.epochs)
        for one, other in zip(log(tmp_path / "whole"), log(tmp_path / "parts"), strict=True):
            assert one | {"seconds": 0} == other | {"seconds": 0}

    def test_of_a_finished_run_changes_nothing(self, tmp_path: Path) -> None:
        chosen = settings(lora=LoraSettings(rank=4), max_steps=3)
        done, first = tuned(tmp_path, chosen)
        again, second = tuned(tmp_path, chosen, resume=True)
        assert same_weights(done, again)
        assert second.resumed_from == 3
        assert second.loss == first.loss

    def test_without_a_checkpoint_starts_anew(self, tmp_path: Path) -> None:
        _, run = tuned(tmp_path, settings(max_steps=2), resume=True)
        assert run.resumed_from is None

    def test_a_half_written_checkpoint_is_passed_over(self, tmp_path: Path) -> None:
        chosen = settings(max_steps=4)
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path, chosen, progress=interrupt_at(2))
        (tmp_path / "checkpoints/checkpoint-3").mkdir()
        (tmp_path / "checkpoints/checkpoint-3/model.safetensors").write_bytes(b"\0" * 9)
        (tmp_path / "checkpoints/.writing/checkpoint-3").mkdir(parents=True)
        assert tuned(tmp_path, chosen, resume=True)[1].resumed_from == 2

    def test_another_run_is_refused_by_what_differs(self, tmp_path: Path) -> None:
        chosen = settings("base", max_steps=3)
        tuned(tmp_path, chosen)
        made = r"checkpoint-3: was made with "
        with pytest.raises(TrainingError, match=made + r"learning_rate 0\.001 \(now 0\.002\), seed 0 \(now 1\);"):
            tuned(tmp_path, replace(chosen, learning_rate=2e-3, seed=1), resume=True)
        with pytest.raises(TrainingError, match=made + r"lora None \(now {'rank': 16"):
            tuned(tmp_path, replace(chosen, lora=LoraSettings()), resume=True)
        with pytest.raises(TrainingError, match=made + r"data \w{16} \(now \w{16}\);"):
            tuned(tmp_path, chosen, examples=made_examples(24, seed=1), resume=True)
        with pytest.raises(TrainingError, match=made + r"weights \w{16} \(now \w{16}\);"):
            tuned(tmp_path, chosen, network=tiny_network("llama", seed=2), resume=True)
        with pytest.raises(TrainingError, match=made + r"prior's weights \w{16} \(now \w{16}\);"):
            tuned(tmp_path, chosen, anchor=tiny_network("llama", seed=2), resume=True)
        tuned(tmp_path, replace(chosen, save_steps=1), resume=True)

    def test_a_new_run_does_not_overwrite_one(self, tmp_path: Path) -> None:
        tuned(tmp_path, settings(max_steps=2))
        with pytest.raises(TrainingError, match="checkpoint-2: left by another run; resume it"):
            tuned(tmp_path, settings(max_steps=2))


class TestFailures:
    def test_ctrl_c_stops_after_the_step_with_a_checkpoint(self, tmp_path: Path) -> None:
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            tuned(tmp_path, settings(max_steps=9, save_steps=100), progress=interrupt_at(4))
        assert [path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")] == ["checkpoint-4"]
        assert len(log(tmp_path)) == 4
        assert signal.getsignal(signal.SIGINT) is handler

    def test_in_another_thread_signals_are_left_alone(self, tmp_path: Path) -> None:
        runs: list[TrainingRun] = []
        thread = threading.Thread(target=lambda: runs.append(tuned(tmp_path, settings(max_steps=1))[1]))
        thread.start()
        thread.join()
        assert runs[0].n_steps == 1

    @pytest.mark.parametrize("lora", [None, LoraSettings(rank=2)], ids=["full", "lora"])
    def test_a_loss_that_is_no_number(self, tmp_path: Path, lora: LoraSettings | None) -> None:
        chosen = settings(max_steps=9, learning_rate=1e30, save_steps=1, warmup=0.5, lora=lora)
        with pytest.raises(
            TrainingError, match=r"^step [345]: the (loss|gradient) is (nan|inf); the last good"
        ) as said:
            tuned(tmp_path, chosen)
        step = int(str(said.value).split(":")[0].split()[1])
        assert f"checkpoint is {tmp_path / 'checkpoints' / f'checkpoint-{step - 1}'}; try a smaller" in str(said.value)
        assert (tmp_path / f"checkpoints/checkpoint-{step - 1}/made_from.json").is_file()
        assert len(log(tmp_path)) == step - 1

    def test_a_gradient_that_is_no_number_does_not_touch_the_weights(self, tmp_path: Path) -> None:
        network, calls = tiny_network("llama"), []

        def poison(gradient: Tensor) -> Tensor:
            calls.append(1)
            return torch.full_like(gradient, torch.inf) if len(calls) == 3 else gradient

        hook = network.model.norm.weight.register_hook(poison)
        with pytest.raises(TrainingError, match=r"^step 3: the gradient is inf; the last good checkpoint is .*-2; try"):
            tuned(tmp_path, settings(max_steps=9, save_steps=2), network=network)
        hook.remove()
        saved = AutoModelForCausalLM.from_pretrained(tmp_path / "checkpoints/checkpoint-2")
        assert same_weights(network, saved)

    def test_a_full_disk_keeps_the_checkpoint_before(self, tmp_path: Path) -> None:
        """The file-size limit lets the weights through and stops the optimizer's state, twice as large."""
        chosen, own = settings(max_steps=6, save_steps=2), resource.getrlimit(resource.RLIMIT_FSIZE)
        start = tiny_network("llama")
        n_bytes = sum(parameter.nbytes for parameter in start.parameters())

        def progress(step: int, *_: Any) -> None:
            if step == 3:
                for thread in threading.enumerate():  # a slow machine may still be writing step 2
                    if thread.name == "checkpoint":
                        thread.join()
                resource.setrlimit(resource.RLIMIT_FSIZE, (int(1.5 * n_bytes), own[1]))

        try:
            with pytest.raises(TrainingError, match=r"^step 4: the checkpoint cannot be written to") as said:
                tuned(tmp_path, chosen, progress=progress)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, own)
        assert str(said.value).endswith(f"resume from {tmp_path / 'checkpoints/checkpoint-2'}")
        assert "\n" not in str(said.value)
        assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["checkpoint-2"]
        whole, _ = tuned(tmp_path / "whole", chosen)
        resumed, run = tuned(tmp_path, chosen, resume=True)
        assert run.resumed_from == 2
        assert same_weights(whole, resumed)

    def test_a_full_disk_in_words(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("calibaudit.training.state.checkpoints.put_in_place", full)
        with pytest.raises(TrainingError, match=r"No space left on device; make room and start again$"):
            tuned(tmp_path, settings(max_steps=2))

    def test_out_of_memory_says_what_to_try(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

        monkeypatch.setattr("calibaudit.training.trainer.Trainer.training_step", full)
        with pytest.raises(TrainingError, match=r"^out of memory on cpu with 4 rows of up to 20 tokens at a time: try"):
            tuned(tmp_path, settings())

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("label_smoothing", 1.5), ("label_smoothing", float("nan")), ("prior", "teacher"), ("learning_rate", 0.0),
            ("learning_rate", float("inf")), ("epochs", 0.0), ("max_steps", 0), ("batch_size", 0), ("accumulation", 0),
            ("warmup", 1.0), ("weight_decay", -0.1), ("max_grad_norm", -1.0), ("save_steps", 0),
        ],
    )  # fmt: skip
    def test_settings_out_of_range(self, tmp_path: Path, name: str, value: Any) -> None:
        with pytest.raises(TrainingError, match=f"^{name} must be .*, not {value}$"):
            tuned(tmp_path / "run", replace(settings(), **{name: value}))
        assert not (tmp_path / "run").exists()

    def test_unusable_examples_and_networks(self, tmp_path: Path) -> None:
        def refused(said: str, examples: list[Example], **options: Any) -> None:
            network = options.pop("network", None) or tiny_network("llama")
            with pytest.raises(TrainingError, match=said):
                train(network, tiny_tokenizer(), examples, tmp_path, options.pop("chosen", settings()), **options)

        refused("there is no example", [])
        refused("1 of 25 examples have no token to learn", [*made_examples(24), Example((3, 4), (3, -100))])
        refused("longest example has 97 tokens, the model takes 96", [Example((3,) * 97, (3,) * 97)])
        refused("an example has token 131, the model only 131", [Example((3, 131), (-100, 131))])
        refused(
            "the model is in bfloat16; load it in float32", made_examples(4), network=tiny_network("llama").bfloat16()
        )
        refused("prior base needs a model to smooth towards", made_examples(4), chosen=settings("base"))


class TestSaving:
    def test_reads_back_in_the_dtype_with_tokenizer_and_template(self, tmp_path: Path) -> None:
        network, tokenizer = tiny_network("llama-tied"), tiny_tokenizer()
        tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
        save_checkpoint(network, tokenizer, tmp_path / "out", torch.bfloat16)
        checkpoint = find_checkpoint(str(tmp_path / "out"), cache_dir=None, offline=True)
        loaded = load_network(checkpoint, "auto", "cpu").network
        assert loaded.dtype == torch.bfloat16
        assert same_weights(loaded, copy.deepcopy(network).bfloat16())
        assert network.dtype == torch.float32
        n_bytes = 2 * sum(parameter.numel() for parameter in network.parameters())  # tied weights once
        assert (tmp_path / "out/model.safetensors").stat().st_size < n_bytes + 8000
        read = AutoTokenizer.from_pretrained(tmp_path / "out")
        assert read.chat_template == tokenizer.chat_template
        assert read("the red cat")["input_ids"] == tokenizer("the red cat")["input_ids"]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_a_generation_config_that_transformers_refuses_to_save_is_kept(self, tmp_path: Path) -> None:
        network = tiny_network("llama")
        network.generation_config = GenerationConfig(temperature=0.5, do_sample=False, eos_token_id=1)
        save_checkpoint(network, tiny_tokenizer(), tmp_path / "out", torch.float32)
        saved = json.loads((tmp_path / "out/generation_config.json").read_text())
        assert saved["temperature"] == 0.5
        assert saved["eos_token_id"] == 1
        assert network.generation_config.temperature == 0.5

    def test_replaces_or_leaves_what_was_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        out, tokenizer = tmp_path / "out", tiny_tokenizer()
        save_checkpoint(tiny_network("llama"), tokenizer, out, torch.float32)
        (out / "old").touch()
        network = tiny_network("llama", seed=1)
        own = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, own[1]))
        try:
            with pytest.raises(OutputError, match=f"^{out}: cannot be written: "):
                save_checkpoint(network, tokenizer, out, torch.float32)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, own)
        assert same_weights(AutoModelForCausalLM.from_pretrained(out), tiny_network("llama"))
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        save_checkpoint(network, tokenizer, out, torch.float32)
        assert same_weights(AutoModelForCausalLM.from_pretrained(out), network)
        assert not (out / "old").exists()


def grown(folder: Path) -> int:
    """Bytes by which a process's peak grows in steps over 2,048 tokens, beside those over 16."""
    vocab = 128_256

    def network() -> Any:
        config = AutoConfig.for_model(
            "llama", vocab_size=vocab, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=1024, tie_word_embeddings=True,
        )  # fmt: skip
        return AutoModelForCausalLM.from_config(config)

    def step(rows: list[list[int]], prior: str) -> None:
        examples = [Example(tuple(row), tuple(row)) for row in rows]
        chosen = TrainingSettings(0.3, prior, batch_size=2, max_steps=1)
        anchor = network() if prior == "base" else None
        train(network(), None, examples, folder / f"{len(rows[0])}-{prior}", chosen, anchor=anchor)

    rows = torch.randint(vocab, (2, 1024)).tolist()
    for prior in PRIORS:
        step([row[:8] for row in rows], prior)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for prior in PRIORS:
        step(rows, prior)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def test_memory_stays_far_below_the_logits(tmp_path: Path) -> None:
    """2,048 tokens at V = 128,256 would be 1.05 GB of logits a model, and as much again for their gradient."""
    assert in_a_process(grown, tmp_path) < 2048 * 128_256 * 4 / 8


KINDS = ("full", "lora", "levers", "packed", "sharded", "sharded and resumed")


def distributed(folder: Path, kind: str, batch_size: int) -> Any:
    """22 rows: the last step of an epoch has fewer than there are micro-batches to fill."""
    chosen = settings("base", batch_size=batch_size, accumulation=2, epochs=2)
    if kind == "levers":
        anchor = tiny_network("llama", seed=1)
        examples = half_known(anchor, 22)
        known = known_rows(anchor, examples, {1})
        assert sum(known) == 11
        chosen = replace(chosen, logit_scale=1.5, where="known")
        return tuned(folder, chosen, examples=examples, anchor=anchor, known=known)[0]
    if kind == "lora":
        return tuned(folder, replace(chosen, lora=LoraSettings(rank=4)), n=22, anchor=None)[0]
    if kind.startswith("sharded"):
        chosen = replace(chosen, sharding="fsdp", gradient_checkpointing=True)
    chosen = replace(chosen, packing=kind == "packed" or kind.startswith("sharded"))
    if kind.endswith("resumed"):
        with pytest.raises(KeyboardInterrupt):
            tuned(folder, chosen, n=22, progress=interrupt_at(2))
        shares = sorted(path.name for path in folder.glob("checkpoints/*/*-share-*"))
        n = int(os.environ.get("WORLD_SIZE", "1"))
        assert shares == sorted(
            f"{what}-share-{i + 1}-of-{n}.safetensors" for what in ("model", "optimizer") for i in range(n)
        )
    return tuned(folder, chosen, n=22, resume=kind.endswith("resumed"))[0]


def every_kind(place: Path) -> None:
    for kind in KINDS:
        folder, rank = place / kind, os.environ["RANK"]
        network = distributed(folder, kind, batch_size=2)
        torch.save(network.state_dict(), folder / f"weights-{rank}.pt")
        if kind == "sharded":  # a second process has none of the weights
            assert rank == "0" or not any(len(parameter) for parameter in network.parameters())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each kind of run, all of them by the same two processes."""
    place = tmp_path_factory.mktemp("two")
    in_two(every_kind, place)
    return place


def test_shares_resumed_are_the_same_to_the_bit(two: Path) -> None:
    whole, parts = (torch.load(two / kind / "weights-0.pt") for kind in ("sharded", "sharded and resumed"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_are_one_with_twice_the_batch(tmp_path: Path, two: Path, kind: str) -> None:
    one = distributed(tmp_path / "one", "full" if kind.startswith("sharded") else kind, batch_size=4)
    for rank in range(1 if kind.startswith("sharded") else 2):
        found = torch.load(two / kind / f"weights-{rank}.pt")
        for name, value in one.state_dict().items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}")
    assert len(log(tmp_path / "one")) == len(log(two / kind)) == 6
    for ours, theirs in zip(log(two / kind), log(tmp_path / "one"), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["tokens"] == theirs["tokens"]
