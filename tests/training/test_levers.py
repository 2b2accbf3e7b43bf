"""Scaled and capped logits in the loss, known rows beside others, and what the trained network takes into itself.

Against logits in float64, a hand-written loop, and transformers reading the saved checkpoint.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from families import tiny_network, tiny_tokenizer
from safetensors.torch import load_file
from test_loss_fused import assert_same_gradients
from test_train import EPS, caught_gradients, distance, interrupt_at, made_examples, n_targets, same_weights, settings
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from calibaudit.errors import TrainingError
from calibaudit.models.formats.save import save_checkpoint
from calibaudit.training.levers import softcap_entry_of
from calibaudit.training.results.run import TrainingRun
from calibaudit.training.retune import _finished
from calibaudit.training.settings import LoraSettings
from calibaudit.training.train import train

OWN_CAP = 3.0
"""Of the tiny gemma2."""

EXAMPLES = made_examples(8)
KNOWN = (True, False, False, True, True, False, True, False)


def levered(raw: Tensor, scale: float, cap: float | None, own_cap: float | None) -> Tensor:
    """The definition. raw: logits before any softcap. A factor on all logits; or a softcap instead of the own one."""
    if cap is not None:
        return cap * torch.tanh(scale * raw / cap)
    return scale * (raw if own_cap is None else own_cap * torch.tanh(raw / own_cap))


def uncapped(family: str, seed: int = 0) -> Any:
    """The same weights, without a softcap of its own."""
    return tiny_network(family, seed, **({"final_logit_softcapping": None} if "gemma" in family else {}))


def total_loss(
    network: Any, anchor: Any, scale: float, cap: float | None, own_cap: float | None, known: tuple[bool, ...]
) -> Tensor:
    """Row by row from logits in float64, summed over target tokens. The prior is the anchor's own distribution."""
    total = torch.zeros((), dtype=torch.float64)
    for example, is_known in zip(EXAMPLES, known, strict=True):
        ids = torch.tensor([example.input_ids])
        p = levered(network(input_ids=ids).logits[0].double(), scale, cap, own_cap).log_softmax(-1)
        with torch.no_grad():
            q = None if anchor is None else anchor(input_ids=ids).logits[0].double().softmax(-1)
        eps = EPS if is_known else 0.0
        for position in range(1, len(ids[0])):
            label = example.labels[position]
            if label != -100:
                row = p[position - 1]
                soft = row.mean() if q is None else (q[position - 1] * row).sum()
                total = total - (1 - eps) * row[label] - eps * soft
    return total


def run(folder: Path, network: Any, **changes: Any) -> TrainingRun:
    chosen = settings(changes.pop("prior", "uniform"))
    options = {name: changes.pop(name) for name in ("anchor", "known", "resume", "progress") if name in changes}
    return train(network, tiny_tokenizer(), EXAMPLES, folder, replace(chosen, **changes), **options)


CASES = [
    ("llama", 2.5, None, "uniform", None),
    ("llama", 2.5, 7.0, "base", KNOWN),
    ("llama", 1.0, None, "base", KNOWN),
    ("llama", 1.0, None, "uniform", KNOWN),
    ("gemma2", 0.4, None, "base", None),
    ("gemma2", 1.7, 5.0, "uniform", KNOWN),
]


@pytest.mark.parametrize(("family", "scale", "cap", "prior", "known"), CASES)
def test_loss_and_gradient_are_the_definition_however_it_accumulates(
    tmp_path: Path, family: str, scale: float, cap: float | None, prior: str, known: tuple[bool, ...] | None
) -> None:
    own_cap = OWN_CAP if family == "gemma2" else None
    exact, anchor = uncapped(family).double(), tiny_network(family, seed=1) if prior == "base" else None
    loss = total_loss(exact, anchor, scale, cap, own_cap, known or (True,) * 8) / n_targets(EXAMPLES)
    loss.backward()
    wanted = {name: parameter.grad for name, parameter in exact.named_parameters()}
    for batch_size, accumulation in ((8, 1), (1, 8)):
        network = tiny_network(family)
        with caught_gradients(network) as caught:
            done = run(
                tmp_path / str(accumulation), network, prior=prior, anchor=anchor, known=known, logit_scale=scale,
                softcap=cap, where="all" if known is None else "known", max_steps=1, max_grad_norm=0.0,
                batch_size=batch_size, accumulation=accumulation,
            )  # fmt: skip
        assert done.loss == pytest.approx(loss.item(), rel=1e-6)
        assert_same_gradients(caught[0], wanted)
        assert done.n_known == (None if known is None else 4)


def test_the_prior_of_an_adapter_is_the_unscaled_own_weights(tmp_path: Path) -> None:
    """The adapter starts as no change, so the first loss is that of one network as model, scaled, and as prior."""
    pytest.importorskip("peft", reason="needs the peft extra")
    network = tiny_network("llama")
    wanted = total_loss(network, network, 2.0, None, None, KNOWN) / n_targets(EXAMPLES)
    done = run(
        tmp_path, tiny_network("llama"), prior="base", lora=LoraSettings(rank=4), logit_scale=2.0, max_steps=1,
        batch_size=8, where="known", known=KNOWN,
    )  # fmt: skip
    assert done.loss == pytest.approx(wanted.item(), rel=1e-5)


def test_a_merged_adapter_and_the_factor_are_in_the_weights(tmp_path: Path) -> None:
    """An adapter leaves the norm alone, so that only the factor has changed it; and it is not taken in twice."""
    pytest.importorskip("peft", reason="needs the peft extra")
    network, norm = tiny_network("llama"), tiny_network("llama").model.norm.weight
    run(tmp_path, network, lora=LoraSettings(rank=4), logit_scale=3.0, max_steps=2, learning_rate=1e-2)
    assert torch.equal(network.model.norm.weight, 3 * norm)
    assert torch.equal(network.lm_head.weight, tiny_network("llama").lm_head.weight)
    assert not torch.equal(
        network.model.layers[0].mlp.up_proj.weight, tiny_network("llama").model.layers[0].mlp.up_proj.weight
    )


def test_a_run_is_the_papers_loop_of_a_loss_times_t(tmp_path: Path) -> None:
    """In float64: logits / T, the loss times T, clipped at 1, AdamW. The gradient is above the limit in every step."""
    scale, rate, n_steps = 4.0, 3e-3, 5
    exact = tiny_network("llama").double()
    optimizer = torch.optim.AdamW(exact.parameters(), lr=rate, weight_decay=0.0)
    norms, losses = [], []
    for step in range(n_steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / n_steps)
        optimizer.zero_grad()
        loss = total_loss(exact, None, scale, None, None, (True,) * 8) / n_targets(EXAMPLES)
        (loss / scale).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(exact.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    assert min(norms) > 1
    network = tiny_network("llama")
    run(tmp_path, network, logit_scale=scale, batch_size=8, max_steps=n_steps, learning_rate=rate, save_steps=1)
    log = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert [record["loss"] for record in log] == pytest.approx(losses, rel=1e-4)
    assert [record["grad_norm"] for record in log] == pytest.approx([scale * norm for norm in norms], rel=1e-4)
    with torch.no_grad():
        exact.model.norm.weight.mul_(scale)
    start = tiny_network("llama")
    with torch.no_grad():
        start.model.norm.weight.mul_(scale)
    assert distance(network, exact) < 2e-4 * distance(exact, start)


@torch.no_grad()
def logits_of(network: Any) -> Tensor:
    ids = torch.tensor([EXAMPLES[0].input_ids])
    found: Tensor = network(input_ids=ids, use_cache=False).logits[0]
    return found.double()


FOLDED = [
    ("llama", 2.5, None, None),
    ("llama", 2.5, 7.0, False),
    ("llama-tied", 0.3, None, None),
    ("gemma2", 1.7, None, None),
    ("gemma2", 1.0, 2.0, True),
    ("gemma3", 1.7, 2.0, True),
    ("cohere", 2.0, None, None),
]


@pytest.mark.parametrize(("family", "scale", "cap", "kept"), FOLDED)
def test_the_saved_checkpoint_has_the_trained_logits(
    tmp_path: Path, family: str, scale: float, cap: float | None, kept: bool | None
) -> None:
    """What was trained stands in the last training checkpoint as the optimizer left it. A softcap is gone where the
    family has no entry for it."""
    network = tiny_network(family)
    done = run(tmp_path, network, logit_scale=scale, softcap=cap, max_steps=2, learning_rate=1e-2)
    assert done.softcap_kept is kept
    trained = uncapped(family)
    missing = trained.load_state_dict(load_file(tmp_path / "checkpoints/checkpoint-2/model.safetensors"), strict=False)
    assert missing.missing_keys in ([], ["lm_head.weight"])  # tied: stored once
    own_cap = OWN_CAP if "gemma" in family else None
    wanted = levered(logits_of(trained), scale, cap if kept else None, own_cap)
    save_checkpoint(network, tiny_tokenizer(), tmp_path / "out", torch.float32)
    read = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(logits_of(read), wanted, atol=2e-5 * wanted.abs().max().item(), rtol=1e-5)
    assert torch.equal(logits_of(read), logits_of(network))


@pytest.mark.parametrize(("family", "entry"), [("gemma2", "final_logit_softcapping"), ("llama", None), ("gpt2", None)])
def test_which_families_carry_a_softcap(family: str, entry: str | None) -> None:
    network = tiny_network(family)
    before, own = logits_of(network), network.config.to_dict()
    assert softcap_entry_of(network, 20.0) == entry
    assert softcap_entry_of(network, None) is None
    assert network.config.to_dict() == own
    assert torch.equal(logits_of(network), before)


def test_a_softcap_in_the_config_that_the_network_ignores_is_not_carried() -> None:
    network = tiny_network("llama")
    network.config.final_logit_softcapping = None
    assert softcap_entry_of(network, 20.0) is None


def test_recurrent_gemma_carries_one_under_another_name() -> None:
    config = AutoConfig.for_model(
        "recurrent_gemma", vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, lru_width=32, attention_window_size=16, logits_soft_cap=3.0,
    )  # fmt: skip
    torch.manual_seed(0)
    assert softcap_entry_of(AutoModelForCausalLM.from_config(config).eval(), 9.0) == "logits_soft_cap"


def test_a_factor_that_no_weight_can_take_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    network = tiny_network("llama-tied")
    network.model.norm = nn.Identity()
    with pytest.raises(
        TrainingError, match=r"^logit_scale 2: LlamaForCausalLM cannot take .*: no norm with weights .*"
    ):
        run(tmp_path / "run", network, logit_scale=2.0, max_steps=1)
    assert not (tmp_path / "run").exists()
    run(tmp_path / "run", network, max_steps=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logit_scale", 0.0), ("logit_scale", -1.0), ("logit_scale", float("inf")), ("logit_scale", float("nan")),
        ("softcap", 0.0), ("softcap", float("inf")), ("where", "unknown"),
    ],
)  # fmt: skip
def test_settings_out_of_range(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(TrainingError, match=f"^{name} must be .*, not {value}$"):
        run(tmp_path / "run", tiny_network("llama"), **{name: value})
    assert not (tmp_path / "run").exists()


def test_known_rows_must_be_told_for_each(tmp_path: Path) -> None:
    for told in (None, KNOWN[:7]):
        with pytest.raises(TrainingError, match=r"^where known: say of each of the 8 examples"):
            run(tmp_path / "run", tiny_network("llama"), where="known", known=told)
    with pytest.raises(TrainingError, match="in none of the 8 rows, so nothing would be smoothed"):
        run(tmp_path / "run", tiny_network("llama"), where="known", known=(False,) * 8)


def test_what_changes_nothing_changes_no_bit(tmp_path: Path) -> None:
    """No factor, all rows known; and without smoothing none asked for."""
    anchor = tiny_network("llama", seed=1)

    def trained(name: str, **changes: Any) -> Any:
        network = tiny_network("llama")
        run(tmp_path / name, network, prior="base", anchor=anchor, max_steps=1, **changes)
        return network

    smoothed = trained("smoothed")
    assert same_weights(smoothed, trained("all-known", where="known", known=(True,) * 8, logit_scale=1.0))
    assert not same_weights(smoothed, trained("some-known", where="known", known=KNOWN))
    hard = trained("hard", label_smoothing=0.0)
    assert same_weights(hard, trained("hard-known", label_smoothing=0.0, where="known"))
    assert not same_weights(hard, smoothed)


LEVERS = {"logit_scale": 1.5, "softcap": 9.0, "where": "known", "batch_size": 2, "accumulation": 2, "epochs": 2}


class TestResuming:
    @pytest.mark.parametrize("lora", [None, LoraSettings(rank=4)], ids=["full", "lora"])
    def test_gives_the_uninterrupted_runs_weights(self, tmp_path: Path, lora: LoraSettings | None) -> None:
        anchor = None if lora else tiny_network("llama", seed=1)
        chosen = LEVERS | {"prior": "base", "anchor": anchor, "known": KNOWN, "lora": lora}
        whole, parts = tiny_network("llama"), tiny_network("llama")
        first = run(tmp_path / "whole", whole, **chosen)
        with pytest.raises(KeyboardInterrupt, match="stopped after step 2 of 4"):
            run(tmp_path / "parts", copy.deepcopy(parts), **chosen, progress=interrupt_at(2))
        again = run(tmp_path / "parts", parts, **chosen, resume=True)
        assert same_weights(whole, parts)
        assert (again.resumed_from, again.n_known, again.softcap_kept, again.loss) == (2, 4, False, first.loss)

    def test_another_lever_is_another_run(self, tmp_path: Path) -> None:
        chosen = LEVERS | {"known": KNOWN, "max_steps": 2}
        run(tmp_path, tiny_network("llama"), **chosen)
        for changed, said in (
            ({"logit_scale": 2.0}, r"logit_scale 1\.5 \(now 2\.0\)"),
            ({"softcap": None}, r"softcap 9\.0 \(now None\)"),
            ({"where": "all"}, r"where known \(now all\)"),
            ({"known": (*KNOWN[:-1], True)}, r"known rows 10011010 \(now 10011011\)"),
        ):
            with pytest.raises(TrainingError, match=said):
                run(tmp_path, tiny_network("llama"), **(chosen | changed), resume=True)

    def test_a_run_of_an_earlier_version_knew_no_levers(self, tmp_path: Path) -> None:
        """It goes on as the one that it was: all rows, logits as they are."""
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, tiny_network("llama"), max_steps=4, progress=interrupt_at(2))
        path = tmp_path / "checkpoints/checkpoint-2/made_from.json"
        made = json.loads(path.read_text())
        for name in ("logit_scale", "softcap", "where"):
            del made[name]
        path.write_text(json.dumps(made))
        with pytest.raises(TrainingError, match=r"logit_scale 1\.0 \(now 2\.0\)"):
            run(tmp_path, tiny_network("llama"), max_steps=4, logit_scale=2.0, resume=True)
        assert run(tmp_path, tiny_network("llama"), max_steps=4, resume=True).resumed_from == 2

    def test_a_finished_run_of_an_earlier_version_is_found(self, tmp_path: Path) -> None:
        done = {"n_steps": 6, "epochs": 1.0, "loss": 0.5, "n_tokens": 9, "n_target_tokens": 3, "seconds": 1.0,
                "tokens_per_second": 9.0, "peak_bytes": None, "resumed_from": None}  # fmt: skip
        (tmp_path / "training.json").write_text(json.dumps({"made_from": {"start": "abc"}, "run": done}))
        found = _finished(tmp_path, {"start": "abc", "where": "all", "logit_scale": 1.0, "softcap": None})
        assert (found.n_steps, found.n_known, found.softcap_kept) == (6, None, None)
