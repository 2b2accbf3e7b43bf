"""Which rows a model knows: against a plain loop over its own logits, in shares, and in runs that smooth only those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from families import VOCAB, save_tiny, tiny_network, tiny_tokenizer

from calibaudit.errors import TrainingError
from calibaudit.models.checkpoints import Checkpoint, find_checkpoint
from calibaudit.training import known
from calibaudit.training.data.encode import Example
from calibaudit.training.known import known_rows, marks_of
from calibaudit.training.retune import retune
from calibaudit.training.settings import TrainingSettings

END = 1
"""</s> of the tiny tokenizer: a mark."""


@torch.no_grad()
def half_known(network: Any, n: int, seed: int = 0) -> list[Example]:
    """Rows of a random prompt, one to three tokens to learn, and END. In every second row the tokens are what the
    network would say itself; in the others the last one is its second choice."""
    generator = torch.Generator().manual_seed(seed)
    examples = []
    for row in range(n):
        prompt = torch.randint(3, VOCAB, (int(torch.randint(2, 9, (1,), generator=generator)),), generator=generator)
        ids = prompt.tolist()
        for place in range(1 + row % 3):
            best = network(input_ids=torch.tensor([ids])).logits[0, -1].topk(2).indices.tolist()
            ids.append(best[int(row % 2 == 1 and place == row % 3)])
        labels = (-100,) * len(prompt) + (*ids[len(prompt) :], END)
        examples.append(Example((*ids, END), labels))
    return examples


@torch.no_grad()
def looped(network: Any, example: Example, marks: set[int]) -> bool:
    """The definition, position by position, without padding."""
    best = network(input_ids=torch.tensor([example.input_ids])).logits[0].argmax(-1)
    right = [
        bool(best[position - 1] == label)
        for position, label in enumerate(example.labels)
        if position and label != -100 and label not in marks
    ]
    return bool(right) and all(right)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "cohere"])
def test_equals_a_loop_over_whole_rows(family: str) -> None:
    network = tiny_network(family)
    examples = half_known(network, 30)
    for marks in (set(), {END}, {END, examples[3].input_ids[-2]}):
        assert known_rows(network, examples, marks) == tuple(looped(network, row, marks) for row in examples)
    assert 10 <= sum(known_rows(network, examples, {END})) <= 15


def test_a_row_of_marks_alone_is_not_known_nor_is_the_first_token_counted() -> None:
    network = tiny_network("llama")
    (known_row, _) = half_known(network, 2)
    ids = known_row.input_ids
    only_end = Example(ids, (-100,) * (len(ids) - 1) + (END,))
    whole_label = Example(ids, (ids[0], *known_row.labels[1:]))  # nothing stands before it: it cannot be predicted
    assert known_rows(network, [known_row, only_end, whole_label], {END}) == (True, False, True)


def test_marks_are_special_and_added_tokens() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<turn>"])
    added = tokenizer.convert_tokens_to_ids("<turn>")
    assert marks_of(tokenizer) == {0, 1, added}


@pytest.mark.parametrize("n_processes", [2, 3, 5])
def test_shares_of_several_processes_are_put_in_order(monkeypatch: pytest.MonkeyPatch, n_processes: int) -> None:
    network = tiny_network("llama")
    examples = half_known(network, 13)
    whole = known_rows(network, examples, {END})
    parts: list[tuple[bool, ...]] = []

    class _Apart(Exception):
        pass

    def caught(values: Any) -> Any:
        parts.append(tuple(values))
        raise _Apart

    monkeypatch.setattr(known, "gathered", caught)
    for rank in range(n_processes):
        monkeypatch.setattr(known, "own_share", lambda rows, rank=rank: rows[rank::n_processes])
        with pytest.raises(_Apart):
            known_rows(network, examples, {END})
    monkeypatch.setattr(known, "gathered", lambda _: [value for part in parts for value in part])
    monkeypatch.setattr(known, "world_size", lambda: n_processes)
    assert known_rows(network, examples, {END}) == whole


def test_a_network_that_cannot_tell_is_refused() -> None:
    network = tiny_network("llama")
    with pytest.raises(TrainingError, match="an example has token 131, LlamaForCausalLM only 131; smooth all rows"):
        known_rows(network, [Example((3, 131), (-100, 131))])
    network.lm_head.register_forward_hook(lambda *_: _[-1] * 2)
    with pytest.raises(TrainingError, match=r"^known rows: LlamaForCausalLM: its logits are not a scaled"):
        known_rows(network, [Example((3, 4), (-100, 4))])


class TestRetune:
    """From checkpoint to checkpoint: base says which rows are known, whatever is tuned and smoothed towards."""

    @staticmethod
    def checkpoint(folder: Path, seed: int) -> Checkpoint:
        return find_checkpoint(str(save_tiny(folder, "llama", seed=seed)), cache_dir=None, offline=True)

    @classmethod
    def run(cls, folder: Path, start: int, chosen: TrainingSettings, base: int | None = 0) -> dict[str, Any]:
        names = {seed: folder / f"model-{seed}" for seed in (0, 1)}
        sides = {seed: cls.checkpoint(name, seed) for seed, name in names.items() if not name.exists()}
        sides |= {seed: find_checkpoint(str(name), cache_dir=None, offline=True) for seed, name in names.items()}
        examples = half_known(tiny_network("llama"), 10)[:9]
        out = folder / "out"
        run = retune(
            sides[start], tiny_tokenizer(), examples, out, chosen,
            prior=None if base is None else sides[base], device="cpu", dtype="float32", resume=False,
            progress=lambda *_: None,
        )  # fmt: skip
        record = json.loads((out / "training.json").read_text())
        assert record["run"]["n_known"] == run.n_known
        return record

    @pytest.mark.parametrize("start", [0, 1])
    @pytest.mark.parametrize("prior", ["uniform", "base"])
    def test_base_is_asked(self, tmp_path: Path, start: int, prior: Any) -> None:
        chosen = TrainingSettings(0.3, prior, max_steps=1, batch_size=4, where="known")
        record = self.run(tmp_path, start, chosen)
        assert record["run"]["n_known"] == 5
        assert record["made_from"]["where"] == "known"

    def test_where_nothing_is_smoothed_nobody_is_asked(self, tmp_path: Path) -> None:
        chosen = TrainingSettings(0.0, "uniform", max_steps=1, batch_size=4, where="known")
        assert self.run(tmp_path, 1, chosen, base=None)["run"]["n_known"] is None

    def test_without_base_it_is_refused(self, tmp_path: Path) -> None:
        chosen = TrainingSettings(0.3, "uniform", max_steps=1, batch_size=4, where="known")
        with pytest.raises(TrainingError, match=r"^where known: base says which rows are known"):
            self.run(tmp_path, 1, chosen, base=None)
        assert not (tmp_path / "out.partial").exists()

    def test_where_base_knows_none_it_is_refused(self, tmp_path: Path) -> None:
        chosen = TrainingSettings(0.3, "uniform", max_steps=1, batch_size=4, where="known")
        with pytest.raises(
            TrainingError, match=r"^where known: base's first choices are the answer in none of the 9 rows"
        ):
            self.run(tmp_path, 0, chosen, base=1)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model-0", "model-1"]
