"""Rows in a forest against whole rows, its layout by hand, and a proof that finds what is wrong."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import OLD_MASKS, save_tiny, tiny_network
from torch import Tensor
from whole_rows import WORDS, assert_equal, make_task, whole_rows

from calibaudit.errors import ModelError, TaskError
from calibaudit.models import sharing
from calibaudit.models.attention import forest as forests
from calibaudit.models.attention import segments, ways
from calibaudit.models.attention.forest import Forest, columns_of, cut
from calibaudit.models.formats.families import text_config
from calibaudit.models.head import probe_ids
from calibaudit.models.model import Model, load_model
from calibaudit.scoring import batches, sums
from calibaudit.scoring.batches import BatchSize, path
from calibaudit.scoring.encode import Encoder, Row, encoded_blocks
from calibaudit.scoring.packing import plant
from calibaudit.scoring.prompts import plain_prompt
from calibaudit.scoring.score import score

NO_FORESTS = "this version of transformers masks an attention that it does not know: its rows run in the other ways"
with_forests = pytest.mark.skipif(OLD_MASKS, reason=NO_FORESTS)


def in_forests(folder: Path, family: str, **changes: Any) -> Model:
    """The tiny model, its rows in forests where that is proven: on a CPU too, where loading does not ask."""
    model = load_model(str(save_tiny(folder, network=tiny_network(family, **changes))), device="cpu")
    assert not model.forest_length, "a CPU keeps its own ways"
    ids = probe_ids(model.network, 2 * sharing.N_PROBE, seed=1)
    ways.prove_forest(model, text_config(model.network.config), ids, sharing.TOLERANCE[torch.float32])
    return model


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return in_forests(tmp_path_factory.mktemp("llama"), "llama")


def test_the_layout_is_the_one_drawn_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows that start with 1 2, each with two continuations, of which the second row's start with 8."""
    monkeypatch.setattr(forests, "LEAST_SHARED", 2)
    forest = Forest()
    first = forest.add((1, 2, 3), [(4,), (5, 6)])
    second = forest.add((1, 2, 7), [(8,), (8, 9)])
    assert forest.tokens == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert forest.positions().tolist() == [0, 1, 2, 3, 3, 4, 2, 3, 4]
    found = forest.segments()
    assert found.ends.tolist() == [0, 4, 6, 8, 9]
    sources = [found.sources[a:b].tolist() for a, b in zip(found.source_ends, found.source_ends[1:], strict=False)]
    assert sources == [[0, 1, 2, 3], [0, 1, 2, 4, 5], [0, 1, 6, 7], [0, 1, 6, 7, 8]]
    assert (found.longest, found.longest_source, forest.n_sources) == (4, 5, 18)
    assert [columns_of(way) for way in (*first, *second)] == [[2, 3], [2, 4, 5], [6, 7], [6, 7, 8]]
    assert cut(((0, 2), (6, 2)), 1, 3) == ((1, 1), (6, 1))


def test_every_column_sees_its_own_row_and_no_other() -> None:
    rng = np.random.default_rng(5)
    start = tuple(rng.integers(0, 9, 30))
    rows = sorted(
        (
            (*start[: rng.integers(0, 30)], *rng.integers(0, 9, rng.integers(1, 6))),
            sorted({tuple(rng.integers(0, 3, rng.integers(0, 5))) for _ in range(4)}),
        )
        for _ in range(60)
    )
    forest = Forest()
    planted = [forest.add(context, continuations) for context, continuations in rows]
    assert forest.n_tokens < 0.8 * sum(len(c) + sum(map(len, tails)) for c, tails in rows), "starts are shared"
    tokens, positions, found = np.array(forest.tokens), forest.positions(), forest.segments()
    seen: dict[int, tuple[int, ...]] = {}  # of each column the tokens up to itself
    for s in range(len(found.ends) - 1):
        sources = found.sources[found.source_ends[s] : found.source_ends[s + 1]]
        assert positions[sources].tolist() == list(range(len(sources)))
        own = range(found.ends[s], found.ends[s + 1])
        assert sources[-len(own) :].tolist() == list(own)
        seen |= {c: tuple(tokens[sources[: len(sources) - len(own) + 1 + n]]) for n, c in enumerate(own)}
    assert sorted(seen) == list(range(forest.n_tokens))
    for (context, continuations), row_ways in zip(rows, planted, strict=True):
        for continuation, way in zip(continuations, row_ways, strict=True):
            whole = (*context, *continuation)
            columns = columns_of(way)
            assert [seen[c] for c in columns] == [whole[: len(context) + n] for n in range(len(columns))]
            assert len(columns) == len(continuation) + 1


@pytest.mark.parametrize("family", ["llama", "qwen2-window", "gpt2", "gemma3"])
def test_forests_give_what_whole_rows_give(family: str, tmp_path: Path) -> None:
    """Also beyond the window, which is 12 tokens: Gemma's layers keep it for themselves, Qwen's read the config."""
    if family != "gpt2" and OLD_MASKS:
        pytest.skip(NO_FORESTS)
    model = in_forests(tmp_path, family)
    assert model.forest_length == model.max_length
    for task in (make_task(12), make_task(6, "letter", shots=" ".join(WORDS) + ". ", longest=12)):
        expected = whole_rows(task, model)
        for batch_size in (1, 5, None):
            assert_equal(score(task, model, batch_size=batch_size), expected)


@pytest.mark.parametrize("family", ["gemma2", "bloom"])
def test_what_flash_attention_cannot_do_keeps_its_own_way(family: str, tmp_path: Path) -> None:
    """Softcaps of attention and biases of distance."""
    assert in_forests(tmp_path, family).forest_length == 0


@with_forests
def test_a_window_that_does_not_reach_the_attention_bounds_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attend = segments.attend

    def forgets(*arguments: Any, sliding_window: int | None = None, **options: Any) -> tuple[Tensor, None]:
        return attend(*arguments, **options)

    monkeypatch.setattr(segments, "attend", forgets)
    monkeypatch.setattr(segments, "NAME", "forgets")
    model = in_forests(tmp_path, "mistral", sliding_window=40)
    assert model.forest_length == model.sliding_window == 40
    short, long = Row((1, 2, 3), ((4, 5),), (0,)), Row(tuple(range(40)), ((4, 5),), (0,))
    assert (path(model, short), path(model, long)) == ("forest", "packed")


def test_rows_that_see_each_other_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(
        module: Any, query: Tensor, key: Tensor, value: Tensor, *_arguments: Any, **_options: Any
    ) -> tuple[Tensor, None]:
        key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
        found = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return found.transpose(1, 2), None

    monkeypatch.setattr(segments, "attend", plain)
    monkeypatch.setattr(segments, "NAME", "plain")
    assert in_forests(tmp_path, "llama").forest_length == 0


def test_the_network_is_as_before_when_a_forest_has_run(llama: Model) -> None:
    ids = torch.arange(2, 12)[None]
    before = llama.forward(ids)[0]
    names = [config._attn_implementation for config in (llama.network.config, llama._body.config)]
    score(make_task(3), llama)
    assert [config._attn_implementation for config in (llama.network.config, llama._body.config)] == names
    assert names == ["sdpa", "sdpa"]
    assert torch.equal(llama.forward(ids)[0], before)


@with_forests
def test_out_of_memory_halves_a_forest_and_goes_on(
    llama: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task, run_forest, sizes = make_task(), Model.run_forest, []

    def limited(self: Model, forest: Forest) -> Tensor:
        sizes.append(forest.n_tokens)
        if forest.n_tokens > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run_forest(self, forest)

    monkeypatch.setattr(Model, "run_forest", limited)
    limit = 200
    for batch_size in (None, 24):
        with caplog.at_level(logging.WARNING, "calibaudit"):
            assert_equal(score(task, llama, batch_size=batch_size), whole_rows(task, llama))
        assert "going on with half of them" in caplog.text
        assert max(sizes) > limit
        caplog.clear()
    limit = 3
    with pytest.raises(ModelError, match=r"made: item 'i\d+': \d+ tokens do not fit in memory even alone"):
        score(task, llama)


def test_a_forest_is_as_large_as_its_tokens_and_what_they_see_allow() -> None:
    shots = tuple(range(100, 900))
    rows = [Row((*shots, i, i + 1), ((1, 2), (3,)), (0, 1)) for i in range(50)]
    fits = BatchSize(None, 1_000).fits
    planted = plant(rows, fits)
    assert planted.forest.n_tokens < 900, "few tokens run"
    assert planted.forest.n_sources // 8 <= 1_000, "but all of them look at the examples"
    assert len(plant(rows, BatchSize(7, 10**6).fits).rows) == 7
    assert len(plant(rows, BatchSize(None, 10).fits).rows) == 1


@with_forests
def test_rows_are_filled_up_to_what_the_kernels_are_compiled_for(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    task, counts, logprobs = make_task(7), [], Model.target_logprobs
    expected = score(task, llama).logprobs

    def counted(self: Model, features: Tensor, targets: Tensor, **options: Any) -> Any:
        counts.append(len(features))
        return logprobs(self, features, targets, **options)

    monkeypatch.setattr(Model, "target_logprobs", counted)
    score(task, llama)
    assert counts[0] % 16, "or else nothing is to be filled up"
    monkeypatch.setattr(sums, "ROWS_MULTIPLE", {"cpu": 16})
    found = score(task, llama).logprobs
    assert counts == [counts[0], -(-counts[0] // 16) * 16]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@with_forests
def test_values_are_read_a_batch_late_and_none_is_lost(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, by a model that says that it is on one: its batches wait, its tensors do not."""
    order, run_planted = [], batches.run_planted

    def running(*arguments: Any) -> Any:
        order.append("run")
        late = run_planted(*arguments)

        def read() -> Any:
            order.append("read")
            return late()

        return read

    monkeypatch.setattr(batches, "run_planted", running)
    encoder = Encoder(llama.tokenizer, llama.prefix_token_id, llama.max_length)
    encoded = encoder.encode([plain_prompt(item, "t") for item in make_task().items])
    rows = [row for prompt in encoded for row in prompt.rows]

    def scored() -> dict[int, tuple[float, ...]]:
        found = list(batches.score_rows(llama, rows, BatchSize(5, 10**6), [""] * len(rows)))
        return {i: values for batch in found for i, values in zip(batch.indices, batch.logprobs, strict=True)}

    at_once = scored()
    n = len(order) // 2
    assert order == ["run", "read"] * n
    order.clear()
    monkeypatch.setattr(batches, "is_late", lambda _model: True)
    assert scored() == at_once
    assert order == ["run", *["run", "read"] * (n - 1), "read"]
    assert len(at_once) == len(rows)


def test_the_next_prompts_are_tokenized_meanwhile(llama: Model) -> None:
    prompts = [plain_prompt(item, item.id) for item in make_task(24).items]
    encoder = Encoder(llama.tokenizer, llama.prefix_token_id, llama.max_length)
    blocks, starts = [], []
    for start, block in encoded_blocks(encoder, prompts, 2, 9):
        starts.append(start)
        blocks += block
    assert starts == [0, 2, 8, 17]
    assert blocks == encoder.encode(prompts)
    assert list(encoded_blocks(encoder, [], 2, 9)) == []
    assert not [thread for thread in threading.enumerate() if "tokenizing" in thread.name]
    found = encoded_blocks(Encoder(llama.tokenizer, None, 8), prompts, 1, 1)
    with pytest.raises((TaskError, ModelError)):
        list(found)
