"""Rows that share a line: the loss and gradient of rows alone, nothing seen of each other, or else no packing."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from families import HYBRID, OLD_MASKS, tiny_network
from test_loss_fused import assert_same_gradients
from test_train import (
    caught_gradients,
    interrupt_at,
    log,
    made_examples,
    n_targets,
    same_weights,
    settings,
    total_loss,
    tuned,
)

from calibaudit.training.loss.forward import SMOOTHED_ROWS
from calibaudit.training.packed.lines import PackedBatches, cheapest_lines, lines_of, n_passes
from calibaudit.training.packed.proof import why_not_packed
from calibaudit.training.schedule import plan_steps
from calibaudit.training.settings import LoraSettings

pytestmark = pytest.mark.skipif(OLD_MASKS, reason="transformers keeps the rows of a line apart from 4.53 on")

EXAMPLES = made_examples(24)
FAMILIES = ("llama", "gemma2", "qwen2-window", "gpt2", "falcon-alibi")
"""Full attention, local windows, positions of the network's own, biases by distance."""


def sure_network(family: str) -> Any:
    """Without dropout."""
    network = tiny_network(family)
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


def batches(n_processes: int = 1, batch_size: int = 2, n_micro: int = 4, **options: Any) -> PackedBatches:
    plan = plan_steps(EXAMPLES, batch_size=batch_size, n_micro=n_micro, epochs=1, max_steps=None, seed=0)
    return PackedBatches(EXAMPLES, plan, 2, batch_size=batch_size, n_processes=n_processes, **options)


def test_lines_are_filled_first_fit_the_longest_first() -> None:
    """By hand."""
    lengths = [5, 9, 3, 4, 2, 1]
    assert lines_of(range(6), lengths, 10) == [(1, 5), (0, 3), (2, 4)]
    assert lines_of([], lengths, 10) == []


def test_the_width_is_the_cheapest() -> None:
    """Rows of one length are left alone; short ones beside a long one fill its lines."""
    assert cheapest_lines(range(4), [100] * 4, 1_000) == ([(0,), (1,), (2,), (3,)], 100)
    assert cheapest_lines(range(4), [90, 30, 30, 30], 1_000) == ([(0,), (1, 2, 3)], 90)
    assert cheapest_lines(range(3), [60, 50, 10], 50) == ([(0,), (1, 2)], 60)


@pytest.mark.parametrize("n_processes", [1, 2])
@pytest.mark.parametrize("smoothed", [None, [bool(i % 3) for i in range(24)]])
def test_a_step_has_the_rows_of_the_plan_within_the_memory_of_unpacked_ones(n_processes: int, smoothed: Any) -> None:
    plan = plan_steps(EXAMPLES, batch_size=2, n_micro=4, epochs=1, max_steps=None, seed=0)
    made = PackedBatches(EXAMPLES, plan, 2, batch_size=2, n_processes=n_processes, smoothed=smoothed)
    longest = max(len(example.input_ids) for example in EXAMPLES)
    per_step = made.n_rounds * n_processes
    assert len(made) == per_step * len(plan.steps)
    for step, planned in enumerate(plan.steps):
        items = range(step * per_step, (step + 1) * per_step)
        rows = [row for index in items for line in made.lines(index) for row in line]
        assert sorted(rows) == sorted(row for part in planned for row in part)
        widths = [made[index]["input_ids"].shape[1] for index in items]
        assert all(len(made.lines(index)) * width <= 2 * longest for index, width in zip(items, widths, strict=True))
        for first in items[::n_processes]:  # all processes have a round or none has it, and the last is run
            assert len({made[index]["input_ids"].shape[1] == 0 for index in range(first, first + n_processes)}) == 1
        assert widths[-1] > 0
        if smoothed is not None:
            for index in items:
                found = made[index].get(SMOOTHED_ROWS, torch.zeros(0)).tolist()
                wanted = [[smoothed[row] for row in line] for line in made.lines(index)]
                assert all(set(line) == {one} for line, one in zip(wanted, found, strict=False))
    assert n_passes(made) < 4 * len(plan.steps)


def test_a_line_holds_its_rows_whole_and_each_begins_anew() -> None:
    made = batches()
    for index in range(len(made)):
        batch = made[index]
        for place, line in enumerate(made.lines(index)):
            at = 0
            for row in line:
                example, n = EXAMPLES[row], len(EXAMPLES[row].input_ids)
                part = slice(at, at + n)
                assert batch["input_ids"][place, part].tolist() == list(example.input_ids)
                assert batch["labels"][place, part].tolist() == list(example.labels)
                assert batch["position_ids"][place, part].tolist() == list(range(n))
                at += n
            rest = batch["position_ids"][place, at:].tolist()
            assert rest == list(range(n, n + len(rest))), "of no row of their own"
            assert set(batch["labels"][place, at:].tolist()) <= {-100}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_packed_loss_and_gradient_are_the_definition(family: str, tmp_path: Path) -> None:
    """Of rows alone, out of logits, in float64; the loss to 1e-5, as every micro-batch of it."""
    exact, examples = sure_network(family).double(), made_examples(8)
    loss = total_loss(exact, None, examples) / n_targets(examples)
    loss.backward()
    wanted = {name: parameter.grad for name, parameter in exact.named_parameters() if parameter.grad is not None}
    chosen = settings(packing=True, batch_size=2, accumulation=4, max_steps=1, max_grad_norm=0.0)
    network = sure_network(family)
    with caught_gradients(network) as caught:
        _, run = tuned(tmp_path, chosen, examples=examples, network=network)
    assert run.packed is True
    assert run.loss == pytest.approx(loss.item(), rel=1e-5)
    assert_same_gradients(caught[0], wanted)


def test_a_packed_run_takes_the_steps_of_an_unpacked_one(tmp_path: Path) -> None:
    """Beside a prior, which reads the same lines."""
    chosen, anchor = settings("base", accumulation=3, max_steps=2), tiny_network("llama", seed=1)
    runs = [
        tuned(tmp_path / str(packed), replace(chosen, packing=packed), anchor=anchor)[1] for packed in (False, True)
    ]
    assert [run.packed for run in runs] == [None, True]
    for one, other in zip(log(tmp_path / "False"), log(tmp_path / "True"), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=2e-5)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
        assert (one["tokens"], one["target_tokens"]) == (other["tokens"], other["target_tokens"])


def test_an_adapters_own_prior_reads_the_same_lines(tmp_path: Path) -> None:
    """The adapter starts as no change, so the first loss is the network's own."""
    examples, network = made_examples(8), tiny_network("llama")
    chosen = settings("base", lora=LoraSettings(), max_steps=1, accumulation=2, packing=True)
    _, run = tuned(tmp_path, chosen, examples=examples, anchor=None)
    wanted = total_loss(network, network, examples) / n_targets(examples)
    assert run.loss == pytest.approx(wanted.item(), rel=1e-5)


def test_known_rows_alone_are_smoothed_when_packed(tmp_path: Path) -> None:
    examples, known = made_examples(12), tuple(bool(row % 2) for row in range(12))
    losses = []
    for packing in (False, True):
        chosen = settings(where="known", packing=packing, batch_size=12, max_steps=1)
        losses.append(tuned(tmp_path / str(packing), chosen, examples=examples, known=known)[1].loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_resuming_gives_the_uninterrupted_runs_weights(tmp_path: Path) -> None:
    chosen = settings(packing=True, accumulation=2)
    whole, _ = tuned(tmp_path / "whole", chosen)
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "parts", chosen, progress=interrupt_at(1))
    parts, run = tuned(tmp_path / "parts", chosen, resume=True)
    assert run.resumed_from == 1
    assert same_weights(whole, parts)


class TestNetworksThatMixRows:
    LINE = tuple(example.input_ids for example in made_examples(4))

    @pytest.mark.parametrize("family", [*FAMILIES, "gemma3", "phi3", "gpt-neox", "gpt-oss", "bloom", "mpt", *HYBRID])
    def test_the_proof_tells_which_do(self, family: str) -> None:
        """By hand: whether the second row's states behind the first are those of the row alone.

        Not those of recurrent layers, of networks that take no positions, or, in transformers 5.24, of gpt-oss, whose
        mask is not told the positions.
        """
        network, (first, second) = tiny_network(family), self.LINE[:2]
        positions = torch.tensor([[*range(len(first)), *range(len(second))]])
        body = network.base_model
        with torch.no_grad():
            alone = body(input_ids=torch.tensor([second]), use_cache=False)[0]
            try:
                line = body(input_ids=torch.tensor([[*first, *second]]), position_ids=positions, use_cache=False)[0]
                apart = torch.allclose(line[:, len(first) :], alone, atol=1e-3)
            except TypeError:
                apart = False
        assert (why_not_packed(network, self.LINE) is None) is apart
        assert apart or family not in FAMILIES
        assert not (apart and family in HYBRID)

    @pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
    def test_attention_that_crosses_is_found_out(self, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """With transformers' detection switched off each row sees those before it."""
        network = tiny_network(family)
        assert why_not_packed(network, self.LINE) is None
        monkeypatch.setattr("transformers.masking_utils.find_packed_sequence_indices", lambda _: None)
        assert "change with the row before it in its line" in (why_not_packed(network, self.LINE) or "")

    def test_they_are_trained_unpacked_and_it_is_said(self, tmp_path: Path, caplog: Any) -> None:
        examples = made_examples(8)
        with caplog.at_level(logging.WARNING):
            chosen = settings(packing=True, max_steps=1, accumulation=2)
            _, run = tuned(tmp_path, chosen, network=sure_network("bloom"), examples=examples)
        assert "packing: BloomForCausalLM: " in caplog.text
        assert "rows are not packed" in caplog.text
        assert run.packed is False
        wanted = total_loss(sure_network("bloom"), None, examples) / n_targets(examples)
        assert run.loss == pytest.approx(wanted.item(), rel=1e-5)


def test_a_row_of_a_line_has_nothing_of_its_neighbours_in_its_gradient() -> None:
    """The second row's loss is the same to the last bit whatever the first one says, and no gradient reaches that."""
    network = tiny_network("llama")
    first, second = ((5, 6, 7, 8), (9, 10, 11))
    positions = torch.tensor([[*range(4), *range(3)]])
    losses = []
    for start in (first, (20, 21, 22, 23)):
        embedded = network.get_input_embeddings()(torch.tensor([[*start, *second]])).detach().requires_grad_()
        logits = network(inputs_embeds=embedded, position_ids=positions, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[0, 4:6], torch.tensor(second[1:]))
        loss.backward()
        assert bool((embedded.grad[0, :4] == 0).all())
        assert bool((embedded.grad[0, 4:6] != 0).any())
        losses.append(loss.item())
    assert losses[0] == losses[1]
