"""The bounds against brute force on small heads, closed forms, and networks of every family read from their files."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calibaudit.advice.head_bound import (
    HeadBound,
    bound_checkpoint,
    bound_head,
    bound_warning,
    least_entropy,
    least_entropy_below,
    scale_needed,
)
from calibaudit.errors import ModelError
from calibaudit.models.head import decoders
from tests.families import FAMILIES, save_tiny, tiny_network


def entropy(logits: torch.Tensor) -> torch.Tensor:
    logprobs = logits.log_softmax(dim=-1)
    return -(logprobs.exp() * logprobs.clamp(min=-1e30)).sum(dim=-1)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.floats(0.0, 30.0), st.integers(0, 999))
def test_no_logits_within_the_norm_have_less_entropy(n: int, norm: float, seed: int) -> None:
    logits = torch.randn(4000, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    logits = logits**3  # many nearly one-hot
    logits -= logits.mean(dim=1, keepdim=True)
    logits *= norm / logits.norm(dim=1, keepdim=True).clamp(min=1e-12)
    assert float(entropy(logits).min()) >= least_entropy(norm, n) - 1e-9


@pytest.mark.parametrize(("norm", "n"), [(0.5, 3), (2.0, 5), (4.0, 20), (8.0, 200), (3.0, 2)])
def test_descent_reaches_the_least_entropy_and_stops_there(norm: float, n: int) -> None:
    """The best of many descents on the sphere, started everywhere and at one logit high."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(64, n, dtype=torch.float64, generator=generator)
    start[0] = torch.eye(n, dtype=torch.float64)[0]
    free = start.requires_grad_()
    optimizer = torch.optim.Adam([free], lr=0.05)

    def on_sphere() -> torch.Tensor:
        centred = free - free.mean(dim=1, keepdim=True)
        return centred * norm / centred.norm(dim=1, keepdim=True)

    for _ in range(800):
        optimizer.zero_grad()
        entropy(on_sphere()).sum().backward()
        optimizer.step()
    reached = float(entropy(on_sphere()).min().detach())
    assert reached >= least_entropy(norm, n) - 1e-9
    assert reached == pytest.approx(least_entropy(norm, n), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.floats(0.01, 1.0), st.integers(0, 999))
def test_no_distribution_below_the_cap_has_less_entropy(n: int, cap: float, seed: int) -> None:
    cap = max(cap, 1 / n)
    probs = np.random.default_rng(seed).dirichlet(np.full(n, 0.2), size=2000)
    probs = probs[probs.max(axis=1) <= cap]
    found = -(probs * np.log(np.maximum(probs, 1e-300))).sum(axis=1)
    assert (found >= least_entropy_below(cap, n) - 1e-9).all()


def test_closed_forms() -> None:
    assert least_entropy(0.0, 50) == pytest.approx(math.log(50))
    assert least_entropy(1e4, 50) == pytest.approx(0.0, abs=1e-12)
    assert least_entropy_below(1 / 8, 100) == pytest.approx(math.log(8))
    assert least_entropy_below(1.0, 100) == 0.0
    assert least_entropy_below(0.4, 9) == pytest.approx(-0.8 * math.log(0.4) - 0.2 * math.log(0.2))


def small_head(seed: int = 0, n: int = 60, size: int = 4, scale: float = 0.5) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(n, size, generator=g) * scale,
        "gain": torch.rand(size, generator=g) + 0.5,
        "shift": torch.randn(size, generator=g) * 0.2,
        "bias": torch.randn(n, generator=g) * 0.3,
    }


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_no_state_takes_a_head_beyond_its_bounds(seed: int, softcap: float | None) -> None:
    """20,000 states of the largest length a norm gives, and each token's own steepest ones."""
    head = {key: value.double() for key, value in small_head(seed).items()}
    bound = bound_head(**small_head(seed), logit_scale=0.7, softcap=softcap)
    n, size = head["weight"].shape
    steepest = (head["weight"] - head["weight"].mean(dim=0)) * head["gain"]
    units = torch.randn(20_000, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    units = torch.cat([units, steepest])
    units *= size**0.5 / units.norm(dim=1, keepdim=True)
    z = ((units * head["gain"] + head["shift"]) @ head["weight"].T + head["bias"]) * 0.7
    z = z if softcap is None else softcap * torch.tanh(z / softcap)
    probs = z.softmax(dim=1)
    highest = probs.max(dim=0).values
    assert float(highest.max()) <= bound.top_prob + 1e-6
    assert float(highest.median()) <= bound.median_prob + 1e-6
    assert float(entropy(z).min()) >= bound.least_entropy - 1e-6
    reach = (z - (z.sum(dim=1, keepdim=True) - z) / (n - 1)).max(dim=0).values
    assert float(reach.median()) <= bound.reach + 1e-5
    if softcap is None:
        assert float(reach.median()) == pytest.approx(bound.reach, rel=1e-4)  # the steepest state attains it


def test_the_bound_is_attained_where_the_other_rows_coincide() -> None:
    weight = torch.zeros(9, 4)
    weight[0, 0] = 1.5
    bound = bound_head(weight)
    z = torch.zeros(9)
    z[0] = 1.5 * math.sqrt(4)
    assert bound.top_prob == pytest.approx(float(z.softmax(dim=0)[0]), rel=1e-6)
    assert bound.least_entropy == pytest.approx(float(entropy(z)), rel=1e-5)


def test_rows_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bound_head(**small_head())
    monkeypatch.setattr("calibaudit.advice.head_bound._CHUNK", 28)
    assert dataclasses.astuple(bound_head(**small_head())) == pytest.approx(dataclasses.astuple(whole), rel=1e-5)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "qwen2-window"])
def test_a_checkpoint_of_each_family(family: str, tmp_path: Path) -> None:
    """Read from files: no state that the network's own final norm gives exceeds the bounds, by its own head."""
    network = tiny_network(family)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if (parameter.ndim == 1 and "norm" in name.rsplit(".", 2)[-2]) or "ln_f" in name:
                parameter.add_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(1)))
    bound = bound_checkpoint(str(save_tiny(tmp_path, network=network)))
    assert isinstance(bound, HeadBound), bound
    decoder = decoders(network)[-1]
    norm = [child for child in decoder.children() if "norm" in type(child).__name__.lower()][-1]
    size = bound.hidden_size
    with torch.no_grad():
        hidden = norm(torch.randn(1, 4000, size, generator=torch.Generator().manual_seed(2)))
        hook = decoder.register_forward_hook(lambda _module, _arguments, output: _put(output, hidden))
        logits = network(input_ids=torch.zeros(1, 8, dtype=torch.long), use_cache=False).logits[0]
        hook.remove()
    probs = logits.double().softmax(dim=1)
    assert probs.shape == (4000, bound.vocab_size)
    assert float(probs.max()) <= bound.top_prob + 1e-5
    assert float(probs.max(dim=0).values.median()) <= bound.median_prob + 1e-5
    assert float(entropy(logits.double()).min()) >= bound.least_entropy - 1e-5
    if family not in ("gemma2", "gemma3"):  # their softcap's bound is looser
        reach = (logits - (logits.sum(dim=1, keepdim=True) - logits) / (bound.vocab_size - 1)).max(dim=0).values
        assert float(reach.median()) >= (0.3 if family not in ("cohere", "granite") else 0.08) * bound.reach


def _put(output: object, hidden: torch.Tensor) -> object:
    output["last_hidden_state"] = hidden  # type: ignore[index]
    return output


def test_the_demo_pair_can_be_sure() -> None:
    """256 hidden over 2,048 tokens: far from the bound, so no warning."""
    bound = bound_checkpoint("demo:instruct")
    assert isinstance(bound, HeadBound)
    assert (bound.vocab_size, bound.hidden_size) == (2048, 256)
    assert bound_warning(bound, 0.1) is None
    json.dumps(dataclasses.asdict(bound), allow_nan=False)


def test_no_such_checkpoint_is_an_error_and_an_unknown_head_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        bound_checkpoint(str(tmp_path / "nothing"))
    folder = save_tiny(tmp_path / "model", network=tiny_network("llama"))
    settings_file = folder / "config.json"
    settings_file.write_text(json.dumps(json.loads(settings_file.read_text()) | {"model_type": "nothing"}))
    assert isinstance(bound_checkpoint(str(folder)), str)


@pytest.mark.parametrize(("size", "warned"), [(16, True), (400, False)])
def test_the_warning_is_for_a_large_vocabulary_over_a_small_hidden_state(size: int, warned: bool) -> None:
    """Rows of length 1, as at the start of training: log(V - 1) + log(.9 / .1) against sqrt(D)."""
    weight = torch.randn(20_000, size, generator=torch.Generator().manual_seed(0)) / size**0.5
    bound = bound_head(weight)
    assert bound.reach == pytest.approx(size**0.5, rel=0.05)
    sentence = bound_warning(bound, 0.1)
    assert (sentence is not None) is warned
    if sentence:
        assert f"20,000 over a hidden size of {size}" in sentence
        assert "asks for 0.9" in sentence
    assert bound_warning(bound, 0.0) is None


@pytest.mark.parametrize(
    ("n_vocab", "reach", "epsilon", "needed", "shown"),
    [
        (128_256, 8.0, 0.1, 1.74487, "1.8"),  # log(128,255) + log(9) = 11.76178 + 2.19722 = 13.95900 nats
        (128_256, 13.95, 0.1, 1.000645, "1.1"),
        (10, 0.5, 0.1, 8.78890, "8.8"),  # 2 log(9) = 4.39445
        (10, 0.05, 0.5, 43.9445, "44"),  # log(9) + 0
    ],
)
def test_the_warning_names_the_factor_that_lifts_the_bound(
    n_vocab: int, reach: float, epsilon: float, needed: float, shown: str
) -> None:
    median = 1 / (1 + (n_vocab - 1) * math.exp(-reach))
    bound = HeadBound(n_vocab, 64, reach, median_prob=median, top_prob=median, least_entropy=0.0)
    assert scale_needed(bound, epsilon) == pytest.approx(needed, rel=1e-5)
    sentence = bound_warning(bound, epsilon)
    assert sentence is not None
    assert sentence.endswith(f"; trained with --logit-scale {shown} that bound would be {1 - epsilon:.2g}")


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_that_factor_on_a_real_head(softcap: float | None) -> None:
    """All logits times it, a softcap scaled along: the median token's bound is 1 - epsilon, and below it is not."""
    head = small_head(3, n=500, size=8, scale=0.1)
    factor = scale_needed(bound_head(**head, softcap=softcap), 0.2)
    assert factor is not None
    for times, holds in ((factor * 1.001, True), (factor * 0.999, False)):
        scaled = bound_head(**head, logit_scale=times, softcap=None if softcap is None else softcap * times)
        assert (bound_warning(scaled, 0.2) is None) is holds
        assert scaled.median_prob == pytest.approx(0.8, abs=2e-3)


def test_where_no_factor_helps_none_is_named() -> None:
    """A token that is never above the mean of the others, or smoothing that asks for no more than a coin's toss."""
    bound = HeadBound(50, 4, reach=-0.5, median_prob=0.01, top_prob=0.02, least_entropy=3.0)
    assert scale_needed(bound, 0.1) is None
    sentence = bound_warning(bound, 0.1)
    assert sentence is not None
    assert sentence.endswith("may not hold confidence back")
