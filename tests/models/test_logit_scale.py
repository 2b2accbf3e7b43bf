"""A factor on all logits, written into networks of every family: what plain transformers computes afterwards."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from calibaudit.errors import ModelError
from calibaudit.models.logit_scale import ScalePlan, scale_plan
from tests.families import BIASED, FAMILIES, LAYERED, OLD_MASKS, VOCAB, config_of, tiny_network

MINUS_ONE = ("gemma2", "gemma3", "qwen3-next")
SCALED = ("cohere", "granite", "granite-hybrid", "falcon-h1")
CLOSE = {torch.float32: 2e-6, torch.bfloat16: 2e-2, torch.float16: 3e-3}
"""Of the largest logit: a few roundings."""


def lively(family: str, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """A tiny network whose norms' gains differ from one another, and from what families start them at."""
    network = tiny_network(family, **changes)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1 and "norm" in name and name.endswith("weight"):
                parameter.add_(torch.rand(parameter.shape, generator=generator) - 0.3)
    return network.to(dtype)


@torch.no_grad()
def logits(network: Any) -> Tensor:
    ids = torch.randint(VOCAB, (2, 10), generator=torch.Generator().manual_seed(3))
    return network(input_ids=ids, use_cache=False).logits.float()


def plan_of(network: Any) -> ScalePlan:
    found = scale_plan(network)
    assert isinstance(found, ScalePlan), found
    return found


def away(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", [*FAMILIES, *LAYERED])
def test_logits_become_a_multiple_and_nothing_changes_before(family: str, dtype: torch.dtype) -> None:
    network = lively(family, dtype)
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    settings, before = network.config.to_dict(), logits(network)
    plan = plan_of(network)
    assert network.config.to_dict() == settings
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    changed = plan.apply(network, 1 / 1.7)
    assert away(logits(network), before / 1.7) < CLOSE[dtype]
    assert plan.place == ("config" if family in SCALED else "norm")
    assert set(plan.tensors.values()) <= ({1.0} if family in MINUS_ONE else {0.0})
    assert ("lm_head.bias" in plan.tensors) == (family in BIASED)
    touched = {name for name, value in network.state_dict().items() if not torch.equal(value, weights[name])}
    assert touched == set(plan.tensors)
    assert {name: value for name, value in network.config.to_dict().items() if settings[name] != value} == changed


_ONE_HEAD = {"tie_word_embeddings": False}
_PLAIN = {name: value for name, value in FAMILIES["llama"].items() if name != "model_type"}
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "olmo": (_ONE_HEAD, "head"),  # its norms have no weights
    "nemotron": (_ONE_HEAD, "norm"),  # a layer norm that stores its gain minus one
    "recurrent_gemma": (
        {"lru_width": 32, "logits_soft_cap": 3.0, "attention_window_size": 12, "num_hidden_layers": 3},
        "norm",
    ),
    "gemma4_text": (  # a narrower norm stands behind the final one
        {"hidden_size_per_layer_input": 16, "vocab_size_per_layer_input": VOCAB, "final_logit_softcapping": 3.0},
        "norm",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_families_that_are_made_otherwise(kind: str) -> None:
    changes, place = OTHERS[kind]
    if kind == "recurrent_gemma" and OLD_MASKS:
        pytest.skip("in this version of transformers its layers keep the state of the last batch, of whatever size")
    try:
        config = AutoConfig.for_model(kind, **(_PLAIN | {"tie_word_embeddings": True} | changes))
    except ValueError:
        pytest.skip(f"this transformers does not know {kind}")
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            spread = 0.3 if parameter.ndim == 1 else 0.5 / parameter.shape[-1] ** 0.5
            parameter.add_(torch.randn(parameter.shape) * spread)
    before = logits(network)
    plan = plan_of(network)
    assert plan.place == place
    changed = plan.apply(network, 1 / 1.7)
    assert away(logits(network), before / 1.7) < CLOSE[torch.float32]
    assert list(changed.values()) == ([pytest.approx(3 / 1.7)] if plan.entries else [])
    assert bool(plan.entries) == any("soft" in name for name in changes)


def test_tied_and_without_a_norm_of_weights_it_goes_nowhere() -> None:
    config = config_of("olmo", **(_PLAIN | {"tie_word_embeddings": True}))
    network = AutoModelForCausalLM.from_config(config).eval()
    assert scale_plan(network) == "no norm with weights stands right before its head and its head is its embedding too"


@pytest.mark.parametrize("family", ["gemma2", "cohere", "granite", "phi", "llama-tied"])
def test_what_is_saved_gives_the_same_in_plain_transformers(family: str, tmp_path: Path) -> None:
    network = lively(family)
    before = logits(network)
    plan_of(network).apply(network, 3.0)
    network.save_pretrained(tmp_path)
    assert away(logits(AutoModelForCausalLM.from_pretrained(tmp_path).eval()), 3 * before) < CLOSE[torch.float32]


def test_the_changed_values_by_hand() -> None:
    """The gain g of a plain norm becomes f g; of one that stores w = g - 1, f (1 + w) - 1; a cap c becomes f c."""
    plain, minus = lively("llama"), lively("gemma2")
    old = [network.model.norm.weight.clone() for network in (plain, minus)]
    plan_of(plain).apply(plain, 0.4)
    changed = plan_of(minus).apply(minus, 0.4)
    torch.testing.assert_close(plain.model.norm.weight, 0.4 * old[0])
    torch.testing.assert_close(minus.model.norm.weight, 0.4 * (1 + old[1]) - 1)
    assert changed == {"final_logit_softcapping": pytest.approx(1.2)}
    granite = lively("granite")
    assert plan_of(granite).apply(granite, 0.4) == {"logits_scaling": pytest.approx(7.5)}


def test_a_head_of_its_own_takes_the_factor_where_no_norm_can() -> None:
    network = lively("phi")
    network.model.final_layernorm = nn.Identity()
    before = logits(network)
    plan = plan_of(network)
    assert (plan.place, set(plan.tensors)) == ("head", {"lm_head.weight", "lm_head.bias"})
    assert plan.described == "the head (lm_head.weight, lm_head.bias)"
    plan.apply(network, 0.5)
    assert away(logits(network), before / 2) < CLOSE[torch.float32]


def test_a_norm_whose_output_goes_elsewhere_too_is_left_alone() -> None:
    """Here the last norm stands inside the loop: what it gives comes back to the head by a second way."""

    class Twice(nn.Module):
        def __init__(self, norm: nn.Module) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, hidden: Tensor) -> Tensor:
            return self.norm(hidden) + hidden

    Twice.__name__ = "TwiceNorm"
    network = lively("llama-tied")
    network.model.norm = Twice(network.model.norm)
    assert scale_plan(network) == "its logits do not follow its final norm and its head is its embedding too"
    untied = lively("llama")
    untied.model.norm = Twice(untied.model.norm)
    assert plan_of(untied).place == "head"


def test_a_scale_that_the_family_ignores_is_not_taken_for_one() -> None:
    network = lively("llama")
    network.config.logit_scale = 0.5
    assert plan_of(network).place == "norm"


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_only_positive_finite_factors(factor: float) -> None:
    network = lively("llama")
    with pytest.raises(ModelError, match="positive finite number"):
        plan_of(network).apply(network, factor)


def test_a_ruled_out_token_stays_so() -> None:
    network = lively("phi")
    with torch.no_grad():
        network.lm_head.bias[5] = -torch.inf
    before = logits(network)
    plan_of(network).apply(network, 0.5)
    after = logits(network)
    assert (after[..., 5] == -torch.inf).all()
    assert away(after.clamp(min=-1e3), before.clamp(min=-2e3) / 2) < CLOSE[torch.float32]
