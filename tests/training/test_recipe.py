"""The recipe's settings reach Trainer: rates against their closed forms, noise, and where a run is watched."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from families import tiny_network
from test_train import log, made_examples, same_weights, settings, tuned

from calibaudit.errors import CalibauditError, TrainingError
from calibaudit.repair.settings import FixSettings
from calibaudit.training.resume import deciding
from calibaudit.training.retune import _put_in_place
from calibaudit.training.settings import LoraSettings
from calibaudit.training.watching import check_reporters, own_wandb_run

N_STEPS, N_WARM, PEAK = 8, 2, 1e-3

RATES = {
    "cosine": lambda step: (1 + math.cos(math.pi * (step - N_WARM) / (N_STEPS - N_WARM))) / 2,
    "inverse_sqrt": lambda step: math.sqrt(N_WARM / step),
    "constant": lambda _: 1.0,
}


@pytest.mark.parametrize("scheduler", RATES)
def test_the_rate_goes_as_the_scheduler_says(tmp_path: Path, scheduler: str) -> None:
    tuned(tmp_path, settings(lr_scheduler=scheduler, warmup=0.25, max_steps=N_STEPS, batch_size=2), n=2)
    rates = [record["learning_rate"] / PEAK for record in log(tmp_path)]
    wanted = [step / N_WARM if step < N_WARM else RATES[scheduler](step) for step in range(N_STEPS)]
    assert rates == pytest.approx(wanted)


def test_weight_decay_shrinks_what_has_no_gradient(tmp_path: Path) -> None:
    """AdamW's own rule: the embedding of a token that is in no row is multiplied by 1 - rate x decay at each step."""
    examples, decay, n_steps = made_examples(4), 0.5, 3
    seen = {token for example in examples for token in example.input_ids}
    unseen = [token for token in range(3, 131) if token not in seen]
    network = tiny_network("llama")
    before = network.get_input_embeddings().weight[unseen].double()
    chosen = settings(weight_decay=decay, max_steps=n_steps, lr_scheduler="constant", learning_rate=1e-2)
    tuned(tmp_path, chosen, network=network, examples=examples)
    after = network.get_input_embeddings().weight[unseen].double()
    assert torch.allclose(after, before * (1 - 1e-2 * decay) ** n_steps, rtol=1e-6, atol=0)


class Embedded:
    """What stands behind an embedding while a network is trained, noise included, against the plain rows."""

    def __init__(self, network: Any) -> None:
        self.distances: list[tuple[float, float]] = []
        self._embedding = network.get_input_embeddings()
        self._embedding.register_forward_hook(self._look, always_call=True)
        network.get_decoder().layers[0].register_forward_pre_hook(self._behind, with_kwargs=True)

    def _look(self, _: Any, arguments: Any, __: Any) -> None:
        self._plain = self._embedding.weight.detach()[arguments[0]]

    def _behind(self, _: Any, arguments: Any, named: Any) -> None:
        states = arguments[0] if arguments else named["hidden_states"]
        bound = 1 / math.sqrt(states.shape[1] * states.shape[2])
        self.distances.append(((states.detach() - self._plain).abs().max().item(), bound))


def test_noise_is_on_the_embeddings_of_what_learns_and_on_nothing_else(tmp_path: Path) -> None:
    """Uniform up to alpha / sqrt(length x width); the prior, here the same network without its adapter, sees none."""
    network = tiny_network("llama")
    seen = Embedded(network)
    chosen = settings("base", neftune_alpha=5.0, max_steps=3, lora=LoraSettings(rank=2))
    tuned(tmp_path, chosen, network=network, anchor=None)
    assert len(seen.distances) >= 6
    noisy = [(found, 5 * bound) for found, bound in seen.distances if found > 0]
    assert len(noisy) == 3
    assert len([found for found, _ in seen.distances if found == 0]) >= 3
    assert all(0.9 * bound < found <= bound * (1 + 1e-5) for found, bound in noisy)
    ids, before = torch.tensor([[5, 6, 7]]), len(seen.distances)
    network(input_ids=ids)
    network.train()(input_ids=ids)
    assert [found for found, _ in seen.distances[before:]] == [0, 0]


def test_noise_goes_also_when_training_fails(tmp_path: Path) -> None:
    network = tiny_network("llama")
    with pytest.raises(TrainingError, match="the loss is"):
        tuned(tmp_path, settings(neftune_alpha=5.0, learning_rate=1e30, max_steps=5), network=network)
    assert not network.get_input_embeddings()._forward_hooks
    assert not hasattr(network.get_input_embeddings(), "neftune_noise_alpha")


def test_another_recipe_is_another_run(tmp_path: Path) -> None:
    """But for where it is watched."""
    tuned(tmp_path, settings(max_steps=1))
    with pytest.raises(TrainingError, match=r"lr_scheduler linear \(now cosine\), neftune_alpha None \(now 1.0\)"):
        tuned(tmp_path, settings(max_steps=1, lr_scheduler="cosine", neftune_alpha=1.0), resume=True)
    recipe = {"warmup", "weight_decay", "max_grad_norm", "lr_scheduler", "neftune_alpha", "packing"}
    assert recipe <= deciding(settings()).keys()
    assert deciding(settings(report_to=("wandb",))) == deciding(settings())


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("lr_scheduler", "cosin", "one of linear, cosine, inverse_sqrt, constant"),
        ("neftune_alpha", 0.0, "above 0"),
    ],
)
def test_settings_out_of_range(tmp_path: Path, name: str, value: Any, rule: str) -> None:
    with pytest.raises(TrainingError, match=f"{name} must be {rule}, not {value}"):
        tuned(tmp_path, settings(**{name: value}))


class TestWatching:
    def test_tensorboard_has_the_record_of_each_step(self, tmp_path: Path) -> None:
        pytest.importorskip("tensorboard", reason="tensorboard is not installed")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        partial = tmp_path / "out.partial"
        watched, _ = tuned(partial, settings(max_steps=3, report_to=("tensorboard",)))
        (partial / "model").mkdir()
        _put_in_place(partial / "model", tmp_path / "out", {})
        events = EventAccumulator(str(tmp_path / "out" / "runs")).Reload()
        records = log(tmp_path / "out")
        for name in ("loss", "learning_rate", "grad_norm", "target_tokens"):
            found = events.Scalars(f"train/{name}")
            assert [event.step for event in found] == [1, 2, 3]
            assert [event.value for event in found] == pytest.approx([record[name] for record in records])
        alone, _ = tuned(tmp_path / "alone", settings(max_steps=3))
        assert same_weights(watched, alone)

    def test_what_is_absent_is_said_before_anything_is_loaded(self, cli: Any, monkeypatch: Any, tmp_path: Path) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        call = ("fix", "nowhere", "--base", "nothing", "--out", tmp_path / "out", "--report-to", "tensorboard,wandb")
        ended = cli(*call)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == (
            "calibaudit: --report-to tensorboard,wandb: report to tensorboard: not installed; pip install "
            "tensorboard, or leave it out\n"
        )

    @pytest.mark.parametrize("own", [None, "the caller's"])
    def test_wandb_has_a_run_for_each_training(self, own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Trainer begins one where none goes on, and leaves it open: the next training would go on in it."""
        ended: list[bool] = []
        wandb = SimpleNamespace(run=own, finish=lambda: ended.append(True))
        monkeypatch.setitem(sys.modules, "wandb", wandb)
        with own_wandb_run(["wandb"]):
            wandb.run = own or "Trainer's"
        assert ended == ([] if own else [True])
        with own_wandb_run(["tensorboard"]):
            wandb.run = "another's"
        assert len(ended) == (0 if own else 1)

    def test_offline_wandb_writes_to_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(run=None, finish=lambda: None))
        monkeypatch.delenv("WANDB_MODE", raising=False)
        for offline, mode in ((True, "offline"), (False, None)):
            monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
            with own_wandb_run(["wandb"]):
                assert os.environ.get("WANDB_MODE") == mode
            assert "WANDB_MODE" not in os.environ

    def test_what_nobody_knows(self) -> None:
        with pytest.raises(TrainingError, match="report to 'mlflow': not one of tensorboard, trackio, wandb"):
            check_reporters(["mlflow"])


def test_the_flags_reach_the_settings(cli: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Out of the call and of the configuration file."""
    given: list[FixSettings] = []

    def caught(*arguments: Any, **_: Any) -> None:
        given.append(arguments[5])
        raise CalibauditError("seen")

    monkeypatch.setattr("calibaudit.repair.fix.fix", caught)
    config = tmp_path / "c.toml"
    config.write_text('[fix]\nlr-scheduler = "cosine"\nwarmup = 0.5\nneftune-alpha = 2.0\n', encoding="utf-8")
    ended = cli(
        "fix", "demo:instruct", "--base", "demo:base", "--data", "demo:sft", "--out", tmp_path / "out",
        "--weight-decay", "0.1", "--max-grad-norm", "0.5", "--packing", "--report-to", "tensorboard",
        "-t", "words", "--limit", "8", "--config", config,
    )  # fmt: skip
    assert ended.err == "calibaudit: seen\n"
    found = given[0].training
    assert (found.lr_scheduler, found.warmup, found.neftune_alpha) == ("cosine", 0.5, 2.0)
    assert (found.weight_decay, found.max_grad_norm, found.packing) == (0.1, 0.5, True)
    assert found.report_to == ("tensorboard",)


@pytest.mark.parametrize(
    ("flag", "value", "rule"),
    [
        ("--warmup", "1", "give a share from 0 and below 1"),
        ("--weight-decay", "-1", "give 0 or more"),
        ("--neftune-alpha", "0", "give a number above 0"),
    ],
)
def test_flags_out_of_range(cli: Any, tmp_path: Path, flag: str, value: str, rule: str) -> None:
    ended = cli("fix", "nowhere", "--base", "nothing", "--out", tmp_path / "out", flag, value)
    assert (ended.code, ended.err) == (2, f"calibaudit: {flag} {value}: {rule}\n")


def test_only_a_training_takes_a_recipe(cli: Any, tmp_path: Path) -> None:
    call = ("fix", "demo:instruct", "--base", "demo:base", "--out", tmp_path / "out", "--method", "temperature")
    ended = cli(*call, "--lr-scheduler", "cosine")
    assert (ended.code, ended.err) == (
        2,
        "calibaudit: --lr-scheduler cosine: only --method smooth trains, not temperature\n",
    )
