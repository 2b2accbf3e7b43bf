"""Checkpoints that are written while training goes on: what they hold, when they are due, what is refused."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from families import tiny_network
from safetensors.torch import load_file
from test_train import interrupt_at, made_examples, same_weights, settings, tuned
from transformers import AutoModelForCausalLM

from calibaudit.errors import TrainingError
from calibaudit.training.settings import LoraSettings
from calibaudit.training.state import checkpoints, host_copy
from calibaudit.training.state.host_copy import HostCopy, Layout, n_blocks, write_blocks

CPU = torch.device("cpu")


@pytest.mark.parametrize("through", [False, True], ids=["copied", "piece by piece"])
def test_a_file_is_read_by_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: bool) -> None:
    """In blocks of 40 bytes, so that tensors begin, end and go on over several of them."""
    monkeypatch.setattr(host_copy, "BLOCK", 40)
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "matrix": torch.randn(7, 5, generator=generator),
        "turned": torch.randn(4, 6, generator=generator).T,
        "half": torch.randn(3, generator=generator).bfloat16(),
        "none": torch.empty(0, 4),
        "step": torch.tensor(3.0),
        "marks": torch.tensor([True, False, True]),
        "bytes": torch.arange(9, dtype=torch.uint8),
    }
    layout, copy = Layout(tensors, {"format": "pt"}), HostCopy(CPU)
    if through:
        copy.write_through(layout, tmp_path / "file")
        assert len(copy._blocks) == 1
    else:
        (blocks,) = copy.take([layout])
        assert len(blocks) == n_blocks(layout) == 7
        for tensor in tensors.values():
            tensor.zero_()  # what was copied is what is written
        write_blocks(tmp_path / "file", layout, blocks)
    read = load_file(tmp_path / "file")
    assert read.keys() == tensors.keys()
    generator.manual_seed(0)
    assert torch.equal(read["matrix"], torch.randn(7, 5, generator=generator))
    assert torch.equal(read["turned"], torch.randn(4, 6, generator=generator).T)
    for name, tensor in tensors.items():
        assert (read[name].dtype, read[name].shape) == (tensor.dtype, tensor.shape)
    assert read["step"].item() == 3
    assert read["marks"].tolist() == [True, False, True]


def test_training_goes_on_while_one_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is held until step 4 is done; the checkpoint is of step 2 all the same."""
    go_on, network, seen = threading.Event(), tiny_network("llama"), {}
    write = checkpoints.write_blocks

    def held(*arguments: Any) -> None:
        assert go_on.wait(60)
        write(*arguments)

    def progress(step: int, *_: Any) -> None:
        seen[step] = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        if step == 4:
            assert not list((tmp_path / "checkpoints").glob("checkpoint-*"))
            go_on.set()

    monkeypatch.setattr(checkpoints, "write_blocks", held)
    monkeypatch.setattr(checkpoints, "drop_earlier", lambda _: None)
    tuned(tmp_path, settings(max_steps=5, save_steps=2), network=network, progress=progress)
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"checkpoint-2", "checkpoint-4", "checkpoint-5"}
    for step in (2, 4, 5):
        read = AutoModelForCausalLM.from_pretrained(tmp_path / f"checkpoints/checkpoint-{step}")
        assert all(torch.equal(value, seen[step][name]) for name, value in read.named_parameters())
    assert not (tmp_path / "checkpoints/checkpoint-5/optimizer.safetensors").exists()
    assert (tmp_path / "checkpoints/checkpoint-4/optimizer.safetensors").exists()


def test_without_host_memory_training_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = tuned(tmp_path / "whole", settings(max_steps=4))
    monkeypatch.setattr(HostCopy, "fits", lambda *_: False)
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "parts", settings(max_steps=4), progress=interrupt_at(2))
    parts, run = tuned(tmp_path / "parts", settings(max_steps=4), resume=True)
    assert run.resumed_from == 2
    assert same_weights(whole, parts)


def test_by_default_a_fifth_of_the_run_and_not_too_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    own = checkpoints.Checkpoints.save

    def save(self: Any, step: int, *arguments: Any) -> None:
        saved.append(step)
        own(self, step, *arguments)

    monkeypatch.setattr(checkpoints.Checkpoints, "save", save)
    tuned(tmp_path / "short", settings(max_steps=10))
    assert saved == [10]
    monkeypatch.setattr("calibaudit.training.train.LEAST_SECONDS", 0.0)
    tuned(tmp_path / "long", settings(max_steps=10))
    assert saved == [10, 2, 4, 6, 8, 10]


def test_a_checkpoint_of_other_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, settings(max_steps=4), progress=interrupt_at(2))
    path = tmp_path / "checkpoints/checkpoint-2/model.safetensors"
    layout = Layout({"other": torch.zeros(2)}, {})
    write_blocks(path, layout, HostCopy(CPU).take([layout])[0])
    with pytest.raises(TrainingError, match=r"checkpoint-2/model.safetensors: holds other tensors than this run;"):
        tuned(tmp_path, settings(max_steps=4), resume=True)


class TestRefusals:
    def test_lora_is_not_sharded(self, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"^LoRA is not sharded: each process has the whole model; leave"):
            tuned(tmp_path, settings(sharding="fsdp", lora=LoraSettings()))

    def test_a_network_without_known_layers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        network = tiny_network("llama")
        monkeypatch.setattr(network, "_no_split_modules", [])
        with pytest.raises(TrainingError, match="cannot be sharded: LlamaForCausalLM does not say what its layers are"):
            tuned(tmp_path, settings(sharding="fsdp"), network=network)

    def test_deepspeed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
        with pytest.raises(TrainingError, match=r"^DeepSpeed is not supported: .*--sharding fsdp$"):
            tuned(tmp_path, settings())

    @pytest.mark.parametrize(("sharding", "needed"), [("none", "torchao or bitsandbytes"), ("fsdp", "torchao")])
    def test_eight_bits_without_their_package(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharding: str, needed: str
    ) -> None:
        own = importlib.util.find_spec
        monkeypatch.setattr(
            "calibaudit.training.trainer.importlib.util.find_spec",
            lambda name: None if name in ("torchao", "bitsandbytes") else own(name),
        )
        with pytest.raises(TrainingError, match=f"^optim adamw-8bit needs {needed}: pip install torchao$"):
            tuned(tmp_path, settings(sharding=sharding, optim="adamw-8bit"), examples=made_examples(4))


def test_compiled_layers_train_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the backend that runs what was traced as it stands; what a real one makes of it, tests/gpu shows."""
    compiled: list[Any] = []
    own = torch.compile

    def noted(forward: Any) -> Any:
        compiled.append(forward.__self__)
        return own(forward, backend="eager")

    plain, first = tuned(tmp_path / "plain", settings(max_steps=2))
    monkeypatch.setattr(torch, "compile", noted)
    network, second = tuned(tmp_path / "compiled", settings(max_steps=2, compiled=True))
    assert compiled == list(network.model.layers)
    assert not any("forward" in layer.__dict__ for layer in network.model.layers)
    assert second.loss == pytest.approx(first.loss, rel=1e-6)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, atol=1e-5, rtol=1e-4)
