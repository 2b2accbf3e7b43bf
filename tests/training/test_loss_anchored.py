"""The loss anchored to a prior model: against materialised logits in every family, and to a network's own weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from families import FAMILIES, VOCAB, tiny_network
from test_loss_fused import assert_same_gradients, batch, gradients
from torch import nn

from calibaudit.errors import ModelError
from calibaudit.training.loss.anchored import use_anchored_loss
from calibaudit.training.loss.fused import use_fused_loss

EPS = 0.3


def materialised(
    network: Any, anchor: Any, inputs: dict[str, torch.Tensor], eps: float, n_items: int | None = None
) -> torch.Tensor:
    """Both models' logits in float64, and the definition written out row by row."""
    ids = {name: value for name, value in inputs.items() if name != "labels"}
    logits = network(**ids).logits.double()
    with torch.no_grad():
        prior = anchor(**ids).logits.double().softmax(-1)
    losses = []
    for row, labels in enumerate(inputs["labels"]):
        for position in range(1, len(labels)):
            if labels[position] == -100:
                continue
            wanted = eps * prior[row, position - 1]
            wanted[labels[position]] += 1 - eps
            losses.append(-(wanted * logits[row, position - 1].log_softmax(-1)).sum())
    return torch.stack(losses).sum() / (len(losses) if n_items is None else n_items)


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_of_every_family(family: str) -> None:
    network, anchor = tiny_network(family), tiny_network(family, seed=1)
    inputs = batch()
    for n_items in (None, 40):
        wanted = materialised(network, anchor, inputs, EPS, n_items)
        exact = gradients(network, wanted)
        with use_anchored_loss(network, EPS, anchor):
            options = {} if n_items is None else {"num_items_in_batch": torch.tensor(n_items)}
            output = network(**inputs, **options)
            assert output.logits is None
            torch.testing.assert_close(output.loss.double(), wanted, atol=1e-5, rtol=1e-5)
            assert_same_gradients(gradients(network, output.loss), exact)
    assert all(parameter.grad is None for parameter in anchor.parameters())


@pytest.mark.parametrize("other", ["gemma2", "cohere", "phi", "llama-tied"])
def test_a_prior_of_another_family_and_width(other: str) -> None:
    wider = {"hidden_size": 48, "head_dim": 12} if other == "llama-tied" else {}
    network, anchor = tiny_network("llama"), tiny_network(other, seed=1, **wider)
    inputs = batch()
    wanted = materialised(network, anchor, inputs, EPS)
    use_anchored_loss(network, EPS, anchor)
    torch.testing.assert_close(network(**inputs).loss.double(), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("eps", [0.0, 1.0])
def test_the_ends_of_the_range(eps: float) -> None:
    network, anchor, inputs = tiny_network("llama"), tiny_network("llama", seed=1), batch()
    wanted = materialised(network, anchor, inputs, eps)
    use_anchored_loss(network, eps, anchor)
    torch.testing.assert_close(network(**inputs).loss.double(), wanted, atol=1e-5, rtol=1e-5)


def test_at_no_smoothing_the_prior_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    network, anchor = tiny_network("llama"), tiny_network("llama", seed=1)
    use_anchored_loss(network, 0.0, anchor)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the prior ran")

    monkeypatch.setattr(anchor.model, "forward", never)
    network(**batch()).loss.backward()


def test_its_own_prediction_as_prior_leaves_nothing_to_learn() -> None:
    """At eps 1 towards an equal model the gradient of the cross-entropy is softmax(z) - q = 0."""
    network = tiny_network("llama")
    use_anchored_loss(network, 1.0, copy.deepcopy(network))
    found = gradients(network, network(**batch()).loss)
    assert max(value.abs().max().item() for value in found.values()) < 1e-6


def test_the_prior_has_no_dropout_and_keeps_its_modes() -> None:
    network, anchor = tiny_network("llama"), tiny_network("gpt2", seed=1, resid_pdrop=0.5, embd_pdrop=0.5)
    inputs = batch()
    wanted = materialised(network, anchor, inputs, EPS)
    anchor.train()
    use_anchored_loss(network, EPS, anchor)
    torch.testing.assert_close(network.train()(**inputs).loss.double(), wanted, atol=1e-5, rtol=1e-5)
    assert all(module.training for module in anchor.modules())


def test_no_logits_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    network, anchor = tiny_network("llama"), tiny_network("llama", seed=1)
    use_anchored_loss(network, EPS, anchor)
    heads, own = (network.lm_head, anchor.lm_head), nn.Linear.forward

    def forward(self: nn.Linear, x: torch.Tensor) -> torch.Tensor:
        assert self not in heads, "an output layer ran"
        return own(self, x)

    monkeypatch.setattr(nn.Linear, "forward", forward)
    network(**batch()).loss.backward()


def test_restore_gives_the_own_loss_back() -> None:
    network, inputs = tiny_network("llama"), batch()
    own_class, own = type(network), network(**inputs)
    handle = use_anchored_loss(network, EPS, tiny_network("llama", seed=1))
    assert set(dict(network.named_modules())) == set(dict(own_class(network.config).named_modules()))
    handle.restore()
    assert type(network) is own_class
    assert torch.equal(network(**inputs).loss, own.loss)


def test_under_autocast_both_heads_are_cast() -> None:
    network, anchor, inputs = tiny_network("llama"), tiny_network("llama", seed=1), batch()
    wanted = materialised(network, anchor, inputs, EPS)
    use_anchored_loss(network, EPS, anchor)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = network(**inputs).loss
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(wanted.item(), rel=2e-2)


def test_a_prior_in_bfloat16() -> None:
    network, anchor, inputs = tiny_network("llama"), tiny_network("llama", seed=1).bfloat16(), batch()
    wanted = materialised(network, anchor, inputs, EPS)
    use_anchored_loss(network, EPS, anchor)
    assert network(**inputs).loss.item() == pytest.approx(wanted.item(), rel=1e-2)


class TestAdapterOff:
    """The prior is the network's own weights without its LoRA: as a separate frozen copy of them would be."""

    @staticmethod
    def adapted(network: Any, **options: Any) -> Any:
        peft = pytest.importorskip("peft", reason="needs the peft extra")
        adapted = peft.get_peft_model(
            network, peft.LoraConfig(target_modules=["q_proj", "v_proj", "down_proj"], **options)
        )
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(generator=torch.Generator().manual_seed(0))
        return adapted

    def test_equals_a_separate_frozen_copy(self) -> None:
        inputs, frozen = batch(), tiny_network("llama")
        adapted = self.adapted(tiny_network("llama"), lora_dropout=0.0)
        exact_loss = materialised(adapted, frozen, inputs, EPS)
        exact = gradients(adapted, exact_loss)
        with use_anchored_loss(adapted, EPS, frozen):
            loss = adapted(**inputs).loss
            apart = gradients(adapted, loss)
        with use_anchored_loss(adapted, EPS):
            own_loss = adapted(**inputs).loss
            own = gradients(adapted, own_loss)
        torch.testing.assert_close(own_loss.double(), exact_loss, atol=1e-5, rtol=1e-5)
        assert torch.equal(own_loss, loss)
        assert own.keys() == apart.keys()
        assert all(torch.equal(own[name], apart[name]) for name in own)
        assert_same_gradients(own, exact)
        assert all("lora" in name for name in own)

    def test_leaves_adapters_on_and_trained_as_they_were(self) -> None:
        adapted = self.adapted(tiny_network("llama"))
        trained = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
        use_anchored_loss(adapted, EPS)
        adapted.train()
        adapted(**batch()).loss.backward()
        assert [name for name, parameter in adapted.named_parameters() if parameter.requires_grad] == trained
        assert adapted.get_model_status().enabled is True

    def test_under_gradient_checkpointing(self) -> None:
        inputs = batch()
        adapted = self.adapted(tiny_network("llama"))
        use_anchored_loss(adapted, EPS)
        exact = gradients(adapted, adapted.train()(**inputs).loss)
        adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        assert_same_gradients(gradients(adapted, adapted(**inputs, use_cache=False).loss), exact)

    def test_without_an_adapter_is_refused(self) -> None:
        with pytest.raises(ModelError, match="LlamaForCausalLM has no adapter to switch off"):
            use_anchored_loss(tiny_network("llama"), EPS)

    def test_a_weight_trained_beside_the_adapter_is_refused(self) -> None:
        adapted = self.adapted(tiny_network("llama"))
        network = adapted.get_base_model()
        network.model.norm.weight.requires_grad_(True)
        with pytest.raises(ModelError, match=r"model\.norm\.weight is trained outside the adapter"):
            use_anchored_loss(adapted, EPS)
        assert not hasattr(network, "accepts_loss_kwargs")


class TestRefusals:
    def test_another_vocabulary(self) -> None:
        anchor = tiny_network("llama", vocab_size=VOCAB + 5)
        with pytest.raises(ModelError, match="vocabulary has 136 tokens, the model's 131"):
            use_anchored_loss(tiny_network("llama"), EPS, anchor)

    def test_a_prior_that_moves_along(self) -> None:
        network = tiny_network("llama")
        with pytest.raises(ModelError, match="shares weights"):
            use_anchored_loss(network, EPS, network)
        anchor = tiny_network("llama")
        anchor.model.embed_tokens = network.model.embed_tokens
        with pytest.raises(ModelError, match="shares weights"):
            use_anchored_loss(network, EPS, anchor)

    @pytest.mark.parametrize("eps", [-0.1, 1.1, float("nan")])
    def test_smoothing_out_of_range(self, eps: float) -> None:
        with pytest.raises(ModelError, match=r"label_smoothing must be in 0\.\.1"):
            use_anchored_loss(tiny_network("llama"), eps, tiny_network("llama", seed=1))

    def test_twice(self) -> None:
        network = tiny_network("llama")
        use_fused_loss(network, EPS)
        with pytest.raises(ModelError, match="computes a fused loss already"):
            use_anchored_loss(network, EPS, tiny_network("llama", seed=1))

    def test_no_causal_lm(self) -> None:
        with pytest.raises(ModelError, match="Linear is not a transformers causal LM"):
            use_anchored_loss(tiny_network("llama"), EPS, nn.Linear(2, 2))

    def test_a_prior_whose_head_cannot_be_separated(self) -> None:
        anchor = tiny_network("llama", seed=1)
        anchor.lm_head.register_forward_hook(lambda *_: None)
        with pytest.raises(ModelError, match="output layer has hooks"):
            use_anchored_loss(tiny_network("llama"), EPS, anchor)

    def test_calls_that_the_prior_cannot_follow(self) -> None:
        network, inputs = tiny_network("llama"), batch()
        use_anchored_loss(network, EPS, tiny_network("llama", seed=1))
        embedded = network.get_input_embeddings()(inputs["input_ids"])
        with pytest.raises(ModelError, match="inputs_embeds: an anchored loss needs whole rows of token ids"):
            network(inputs_embeds=embedded, labels=inputs["labels"])

    def test_a_prior_on_another_device(self) -> None:
        network, anchor = tiny_network("llama"), tiny_network("llama", seed=1)
        use_anchored_loss(network, EPS, anchor)
        anchor.to("meta")
        with pytest.raises(ModelError, match="the prior model is on meta, but the model on cpu"):
            network(**batch())
