"""The fused loss inside real networks: against materialised logits, in every family, and under Trainer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from families import FAMILIES, VOCAB, tiny_network
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, Trainer, TrainingArguments

from calibaudit.errors import ModelError
from calibaudit.kernels.chunked import at_once
from calibaudit.training.loss.fused import use_fused_loss

EPS = 0.2


def batch(n_rows: int = 3, length: int = 11, seed: int = 0) -> dict[str, torch.Tensor]:
    """Token ids; labels that start late and end early in some rows; the mask of what ends early."""
    ids = torch.randint(3, VOCAB, (n_rows, length), generator=torch.Generator().manual_seed(seed))
    labels, mask = ids.clone(), torch.ones_like(ids)
    labels[0, :4] = -100
    if n_rows > 1:
        labels[1, -3:], mask[1, -3:] = -100, 0
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def materialised(network: Any, inputs: dict[str, torch.Tensor], eps: float, n_items: int | None = None) -> torch.Tensor:
    """What it must be: torch's own cross-entropy of the network's own logits, shifted by one."""
    logits = network(**{name: value for name, value in inputs.items() if name != "labels"}).logits
    reduction = "mean" if n_items is None else "sum"
    rows, targets = logits[:, :-1].flatten(0, 1).float(), inputs["labels"][:, 1:].flatten()
    loss = F.cross_entropy(rows, targets, label_smoothing=eps, reduction=reduction)
    return loss if n_items is None else loss / n_items


def gradients(network: nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def assert_same_gradients(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], rtol: float = 1e-4) -> None:
    """Each to its own size, with room for rounding where the exact gradient is 0, as of a bias on keys."""
    assert found.keys() == wanted.keys()
    floor = 1e-6 * max(value.abs().max().item() for value in wanted.values())
    for name, value in wanted.items():
        atol = rtol * value.abs().max().item() + floor
        torch.testing.assert_close(found[name], value, atol=atol, rtol=rtol, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_of_every_family(family: str) -> None:
    network = tiny_network(family)
    inputs = batch()
    for n_items in (None, 40):
        wanted = materialised(network, inputs, EPS, n_items)
        exact = gradients(network, wanted)
        with use_fused_loss(network, EPS):
            options = {} if n_items is None else {"num_items_in_batch": torch.tensor(n_items)}
            output = network(**inputs, **options)
            assert output.logits is None
            torch.testing.assert_close(output.loss, wanted, atol=1e-5, rtol=1e-5)
            assert_same_gradients(gradients(network, output.loss), exact)


@pytest.mark.parametrize("family", ["llama", "gemma2", "cohere", "phi"])
def test_no_logits_are_made(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network(family)
    use_fused_loss(network, EPS)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the output layer ran")

    monkeypatch.setattr(type(network.get_output_embeddings()), "forward", _unless_head(network, never))
    network(**batch()).loss.backward()
    with pytest.raises(AssertionError, match="the output layer ran"):
        network(input_ids=batch()["input_ids"])


def _unless_head(network: Any, never: Any) -> Any:
    own, head = nn.Linear.forward, network.get_output_embeddings()
    return lambda self, x: never() if self is head else own(self, x)


def test_without_labels_nothing_changes_and_undo_gives_the_own_loss_back() -> None:
    network, inputs = tiny_network("llama"), batch()
    own_class, own = type(network), network(**inputs)
    handle = use_fused_loss(network, EPS)
    ids = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    assert torch.equal(network(**ids).logits, own.logits)
    assert isinstance(network, own_class)
    assert type(network).__name__ == own_class.__name__  # what save_pretrained writes as the architecture
    handle.restore()
    handle.restore()
    assert type(network) is own_class
    again = network(**inputs)
    assert torch.equal(again.loss, own.loss)
    assert torch.equal(again.logits, own.logits)
    assert not hasattr(network, "accepts_loss_kwargs")


def test_a_wrapper_that_outlives_the_undo_calls_the_own_forward() -> None:
    network, inputs = tiny_network("llama"), batch()
    handle = use_fused_loss(network, EPS)
    kept = network.forward
    handle.restore()
    assert kept(**inputs).logits is not None


def test_a_copy_uses_its_own_weights() -> None:
    network, inputs = tiny_network("llama"), batch()
    use_fused_loss(network, EPS)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    assert other(**inputs).loss != network(**inputs).loss
    torch.testing.assert_close(other(**inputs).loss, materialised(other, inputs, EPS))


def test_saved_weights_are_the_networks_own(tmp_path: Path) -> None:
    network = tiny_network("llama")
    use_fused_loss(network, EPS)
    network.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config.architectures == ["LlamaForCausalLM"]
    ids = batch()["input_ids"]
    assert torch.equal(loaded(input_ids=ids).logits, network(input_ids=ids).logits)


def test_modes_are_left_as_they_were() -> None:
    network = tiny_network("gpt2", resid_pdrop=0.5).train()
    network.transformer.h[0].eval()
    modes = [module.training for module in network.modules()]
    use_fused_loss(network, EPS)
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.grad is None for parameter in network.parameters())


def test_other_ways_to_call() -> None:
    network, inputs = tiny_network("llama"), batch()
    wanted = materialised(network, inputs, EPS)
    use_fused_loss(network, EPS)
    ids, mask, labels = inputs["input_ids"], inputs["attention_mask"], inputs["labels"]
    torch.testing.assert_close(network(ids, mask, labels=labels).loss, wanted)
    as_tuple = network(ids, mask, labels=labels, return_dict=False, use_cache=False)
    assert isinstance(as_tuple, tuple)
    torch.testing.assert_close(as_tuple[0], wanted)
    embedded = network.get_input_embeddings()(ids)
    torch.testing.assert_close(network(inputs_embeds=embedded, attention_mask=mask, labels=labels).loss, wanted)
    shifted = F.pad(labels, (0, 1), value=-100)[:, 1:]
    torch.testing.assert_close(network(ids, mask, labels=labels, shift_labels=shifted).loss, wanted)
    torch.testing.assert_close(network(ids, mask, shift_labels=shifted).loss, wanted)
    detailed = network(ids, mask, labels=labels, output_hidden_states=True)
    assert len(detailed.hidden_states) == network.config.num_hidden_layers + 1
    # all ignored: no target, no loss, no NaN
    assert network(ids, mask, labels=torch.full_like(ids, -100)).loss == 0


def test_tied_embeddings_get_both_gradients() -> None:
    network, inputs = tiny_network("llama-tied"), batch()
    exact = gradients(network, materialised(network, inputs, EPS))
    use_fused_loss(network, EPS)
    found = gradients(network, network(**inputs).loss)
    assert "lm_head.weight" not in found
    unseen = [token for token in range(VOCAB) if token not in set(inputs["input_ids"].flatten().tolist())]
    assert found["model.embed_tokens.weight"][unseen].abs().sum() > 0  # only the head reaches these
    assert_same_gradients(found, exact)


def test_autocast_acts_on_the_head_as_on_the_layer() -> None:
    network, inputs = tiny_network("llama"), batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        own = network(**inputs)
        use_fused_loss(network)
        loss = network(**inputs).loss
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(own.loss.item(), abs=2**-8 * own.logits.abs().max().item())
    loss.backward()
    assert network.lm_head.weight.grad.dtype == torch.float32


def test_compiles_without_a_graph_break() -> None:
    network, inputs = tiny_network("llama"), batch()
    use_fused_loss(network, EPS)
    options = {"use_cache": False}
    wanted = network(**inputs, **options).loss
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(**inputs, **options).loss, wanted)


class TestRefusals:
    def test_not_a_causal_lm(self) -> None:
        with pytest.raises(ModelError, match="Linear is not a transformers causal LM"):
            use_fused_loss(nn.Linear(2, 2), EPS)
        with pytest.raises(ModelError, match="OptimizedModule is not a transformers causal LM"):
            use_fused_loss(torch.compile(tiny_network("llama")), EPS)

    def test_a_headless_network(self) -> None:
        with pytest.raises(ModelError, match="its output layer is NoneType, not a plain Linear"):
            use_fused_loss(tiny_network("llama").model, EPS)

    @pytest.mark.parametrize("eps", [-0.1, 1.1, float("nan")])
    def test_smoothing_out_of_range(self, eps: float) -> None:
        with pytest.raises(ModelError, match=r"label_smoothing must be in 0\.\.1"):
            use_fused_loss(tiny_network("llama"), eps)

    def test_twice(self) -> None:
        network = tiny_network("llama")
        use_fused_loss(network, EPS)
        with pytest.raises(ModelError, match="computes a fused loss already"):
            use_fused_loss(network, EPS)

    def test_a_head_with_hooks_or_another_forward(self) -> None:
        network = tiny_network("llama")
        hook = network.lm_head.register_forward_hook(lambda *_: None)
        with pytest.raises(ModelError, match="output layer has hooks"):
            use_fused_loss(network, EPS)
        hook.remove()
        network.lm_head.forward = lambda x: x
        with pytest.raises(ModelError, match="output layer's forward was replaced"):
            use_fused_loss(network, EPS)

    def test_a_loss_that_is_not_cross_entropy(self) -> None:
        network = tiny_network("llama")
        network.loss_function = lambda logits, labels, vocab_size, **_: logits.square().mean()
        with pytest.raises(ModelError, match="is not the shifted cross-entropy of its logits"):
            use_fused_loss(network, EPS)
        assert network(**batch()).logits is not None

    def test_a_head_that_cannot_be_separated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        network = tiny_network("llama")
        own = type(network).forward

        def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
            output = own(self, *args, **kwargs)
            output.logits = output.logits * output.logits.std()
            return output

        monkeypatch.setattr(type(network), "forward", forward)
        with pytest.raises(ModelError, match=r"cannot be fused: its logits are not a scaled, soft-capped linear map"):
            use_fused_loss(network, EPS)

    def test_a_routers_loss(self) -> None:
        config = AutoConfig.for_model(
            "mixtral", vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, num_local_experts=2, output_router_logits=True,
        )  # fmt: skip
        network = AutoModelForCausalLM.from_config(config).eval()
        with pytest.raises(ModelError, match="router's loss"):
            use_fused_loss(network, EPS)
        network.config.output_router_logits = False
        use_fused_loss(network, EPS)
        torch.testing.assert_close(network(**batch()).loss, materialised(network, batch(), EPS))
        with pytest.raises(ModelError, match="output_router_logits"):
            network(**batch(), output_router_logits=True)

    def test_later_changes_of_the_head(self) -> None:
        network = tiny_network("llama")
        use_fused_loss(network, EPS)
        network.resize_token_embeddings(VOCAB + 5)
        with pytest.raises(ModelError, match=r"can no longer be fused: its output layer has shape \(136, 32\)"):
            network(**batch())

    def test_logits_to_keep(self) -> None:
        network = tiny_network("llama")
        use_fused_loss(network, EPS)
        network(**batch(), logits_to_keep=0)
        with pytest.raises(ModelError, match="logits_to_keep"):
            network(**batch(), logits_to_keep=1)


class TestAdapters:
    """LoRA starts as no change at all, so a skipped adapter would pass every check of values."""

    @staticmethod
    def adapted(network: Any, targets: list[str], **options: Any) -> Any:
        peft = pytest.importorskip("peft", reason="needs the peft extra")
        return peft.get_peft_model(network, peft.LoraConfig(target_modules=targets, **options))

    @pytest.mark.parametrize("before", [True, False])
    def test_on_the_decoder(self, before: bool) -> None:
        network = tiny_network("llama")
        if before:
            use_fused_loss(network, EPS)
        adapted = self.adapted(network, ["q_proj", "v_proj"])
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(generator=torch.Generator().manual_seed(0))
        inputs = batch()
        exact = gradients(adapted, materialised(adapted, inputs, EPS))
        if not before:
            use_fused_loss(adapted, EPS)
        output = adapted(**inputs)
        assert output.logits is None
        found = gradients(adapted, output.loss)
        assert_same_gradients(found, exact)
        assert all("lora" in name for name in found)

    @pytest.mark.parametrize("options", [{}, {"modules_to_save": ["lm_head"]}], ids=["adapter", "saved"])
    def test_on_the_head_is_refused_before_and_after(self, options: dict[str, Any]) -> None:
        targets = ["q_proj"] if options else ["q_proj", "lm_head"]
        said = "ModulesToSaveWrapper" if options else "its output layer is Linear, not a plain Linear"
        with pytest.raises(ModelError, match=said):
            use_fused_loss(self.adapted(tiny_network("llama"), targets, **options), EPS)
        network = tiny_network("llama")
        use_fused_loss(network, EPS)
        with pytest.raises(ModelError, match="can no longer be fused"):
            self.adapted(network, targets, **options)(**batch())


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Eight rows whose labels count differs a lot, so that a mean of means is not the mean."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(3, VOCAB, (12,), generator=torch.Generator().manual_seed(index))
        labels = ids.clone()
        labels[: index + 1] = -100
        return {"input_ids": ids, "labels": labels}


def trained(folder: Path, network: Any, batch_size: int, accumulation: int, **options: Any) -> tuple[Any, float]:
    """The network after one step of plain SGD at rate 1 over all eight rows, and the loss that Trainer logged."""
    arguments = TrainingArguments(
        output_dir=str(folder), per_device_train_batch_size=batch_size, gradient_accumulation_steps=accumulation,
        max_steps=1, learning_rate=1.0, optim="sgd", lr_scheduler_type="constant", max_grad_norm=0.0, report_to=[],
        save_strategy="no", logging_steps=1, use_cpu=True, disable_tqdm=True, **options,
    )  # fmt: skip
    trainer = Trainer(model=network, args=arguments, train_dataset=Rows())
    trainer.train()
    return network, next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)


def all_rows() -> dict[str, torch.Tensor]:
    rows = [Rows()[index] for index in range(8)]
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize(("batch_size", "accumulation"), [(8, 1), (1, 8), (2, 4)])
@pytest.mark.parametrize("family", ["llama-tied", "mpt"])
def test_trainer_normalises_over_tokens_however_it_accumulates(
    tmp_path: Path, family: str, batch_size: int, accumulation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it tells the divisor beforehand, so that gradients made with the loss need no pass over them afterwards."""
    factors: list[float] = []
    own = at_once.scale_by

    def watched(tensors: Any, factor: torch.Tensor) -> None:
        factors.append(factor.item())
        own(tensors, factor)

    monkeypatch.setattr(at_once, "scale_by", watched)
    start = tiny_network(family)
    wanted = materialised(start, all_rows(), EPS)
    exact = gradients(start, wanted)
    network = tiny_network(family)
    use_fused_loss(network, EPS)
    network, logged = trained(tmp_path, network, batch_size, accumulation)
    before = dict(start.named_parameters())
    moved = {name: (before[name] - p).detach() for name, p in network.named_parameters() if name in exact}
    assert logged == pytest.approx(wanted.item(), rel=1e-3)
    assert set(factors) == {1.0}
    for name, value in exact.items():
        size = before[name].abs().max().item()
        torch.testing.assert_close(moved[name], value, atol=2e-6 * max(1.0, size), rtol=1e-3)


def test_trainers_own_smoothing_on_top_is_refused(tmp_path: Path) -> None:
    network = tiny_network("llama")
    use_fused_loss(network, EPS)
    with pytest.raises(ModelError, match="set label_smoothing_factor to 0"):
        trained(tmp_path, network, 8, 1, label_smoothing_factor=0.1)


def test_trainer_evaluates(tmp_path: Path) -> None:
    network = tiny_network("llama")
    use_fused_loss(network, EPS)
    arguments = TrainingArguments(
        output_dir=str(tmp_path), per_device_eval_batch_size=8, report_to=[], use_cpu=True, disable_tqdm=True
    )
    found = Trainer(model=network, args=arguments, eval_dataset=Rows()).evaluate()
    assert found["eval_loss"] == pytest.approx(materialised(network, all_rows(), EPS).item(), rel=1e-4)
