"""Scores against whole rows, one at a time, through the network's own logits in float64; and a run cut off midway."""

from __future__ import annotations

import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, WINDOW, save_tiny, tiny_network
from whole_rows import WORDS, assert_equal, make_task, whole_rows

from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ModelError
from calibaudit.models.model import Model, is_out_of_memory, load_model
from calibaudit.scoring import batches, packing
from calibaudit.scoring.encode import Encoder
from calibaudit.scoring.prompts import plain_prompt
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Item, Task
from tests.command import in_a_process, processes


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(str(save_tiny(tmp_path_factory.mktemp("llama"), "llama")))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_at_every_batch_size(family: str, tmp_path: Path) -> None:
    model = load_model(str(save_tiny(tmp_path, family)))
    shots = " ".join(WORDS) + ". "
    for task in (make_task(16), make_task(10, "letter"), make_task(10, shots=shots, longest=12)):
        expected = whole_rows(task, model)
        for batch_size in (1, 3, 64, None):
            assert_equal(score(task, model, batch_size=batch_size), expected)
    if model.sliding_window is not None:
        assert model.sliding_window == WINDOW


def test_rows_of_their_own_where_a_context_cannot_be_shared(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "shares_prefix", False)
    assert not llama.copies_cache
    for task in (make_task(), make_task(scoring="letter")):
        for batch_size in (1, 64):
            assert_equal(score(task, llama, batch_size=batch_size), whole_rows(task, llama))


def longrope_network(switch: int) -> Any:
    """A Phi-3 whose rotary factors change for every row of a batch once one of them is longer than `switch`."""
    return tiny_network(
        "phi3",
        sliding_window=None,
        rope_scaling={"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [8.0] * 4},
        original_max_position_embeddings=switch,
    )


@pytest.mark.parametrize("switch", [5, 20, 60])
def test_rows_on_both_sides_of_a_rotary_switch_share_no_batch(switch: int, tmp_path: Path) -> None:
    model = load_model(str(save_tiny(tmp_path, network=longrope_network(switch))))
    assert model.rope_switch == switch
    ids = torch.arange(2, switch + 3)[None]
    short, long = model.forward(ids[:, :-1])[0], model.forward(ids)[0]
    assert (short - long[:, :-1]).abs().max() > 0.1, "the switch must matter for this test to mean anything"
    for task in (make_task(), make_task(8, shots=" ".join(WORDS) + ". ", longest=12)):
        expected = whole_rows(task, model)
        for batch_size in (1, 64):
            assert_equal(score(task, model, batch_size=batch_size), expected)


def test_many_choices_are_split_over_rows_of_the_network(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    phrases = [" ".join(rng.choice(WORDS, 4)) for _ in range(90)]
    items = [Item(f"i{n}", "the cat sat on", tuple(f"{p} {k}" for k, p in enumerate(phrases[:n])), 0) for n in (2, 90)]
    task = Task("many", "1", "cloze", tuple(items))
    shapes: list[tuple[int, int]] = []
    forward = Model.forward

    def watched(self: Model, ids: Any, *args: Any, **rest: Any) -> Any:
        shapes.append(tuple(ids.shape))
        return forward(self, ids, *args, **rest)

    monkeypatch.setattr(Model, "forward", watched)
    scores = score(task, llama)
    assert max(width for _, width in shapes) <= llama.max_length
    assert sum(n_rows for n_rows, _ in shapes) > len(items)
    monkeypatch.setattr(packing, "COLUMNS_BESIDE", 8)
    narrow = score(task, llama)
    monkeypatch.undo()
    expected = whole_rows(task, llama)
    assert_equal(scores, expected)
    assert_equal(narrow, expected)


def test_a_context_runs_once_with_its_choices_beside_each_other(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[int] = []
    forward = Model.forward

    def watched(self: Model, ids: Any, *args: Any, **rest: Any) -> Any:
        tokens.append(ids.numel())
        return forward(self, ids, *args, **rest)

    monkeypatch.setattr(Model, "forward", watched)
    task = make_task()
    score(task, llama, batch_size=1)
    encoded = Encoder(llama.tokenizer, 0, 96).encode([plain_prompt(item, "t") for item in task.items])
    rows = [row for e in encoded for row in e.rows]
    starts = [{t[:n] for t in row.continuations for n in range(1, len(t))} for row in rows]  # what stands in a row once
    least = sum(len(row.context) + len(distinct) for row, distinct in zip(rows, starts, strict=True))
    whole = sum(len(row.context) + len(t) - 1 for row in rows for t in row.continuations)
    assert least <= sum(tokens) < least + 16 * len(tokens) < whole


def test_a_model_without_a_head_apart_uses_its_own_logits(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "head", None)
    monkeypatch.setattr(llama, "_body", llama.network)
    task = make_task()
    assert_equal(score(task, llama), whole_rows(task, llama))


def test_long_contexts_are_cut_counted_and_scored(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "max_length", 40)
    task = make_task()
    scores = score(task, llama)
    assert_equal(scores, whole_rows(task, llama))
    encoded = Encoder(llama.tokenizer, llama.prefix_token_id, 40).encode([plain_prompt(i, "t") for i in task.items])
    assert scores.n_truncated == sum(e.truncated for e in encoded) > 0


def test_lengths_mass_and_pmi(llama: Model) -> None:
    task = make_task()
    scores = score(task.with_scoring("cloze_byte"), llama)
    item, k = task.items[0], len(task.items[0].choices)
    assert scores.n_bytes[0, :k].tolist() == [len(c.encode()) for c in item.choices]
    assert scores.n_chars[0, :k].tolist() == [len(c) for c in item.choices]
    np.testing.assert_allclose(
        scores.choice_scores()[0, :k],
        [v / len(c.encode()) for v, c in zip(scores.logprobs[0], item.choices, strict=False)],
    )
    pmi = score(task.with_scoring("pmi"), llama)
    bare = Task("bare", "1", "cloze", tuple(Item(i.id, "", i.choices, i.answer) for i in task.items))
    alone = whole_rows(bare, llama)
    for row, conditional, unconditional in zip(pmi.choice_scores(), whole_rows(task, llama), alone, strict=True):
        difference = np.array(conditional) - np.array(unconditional)
        np.testing.assert_allclose(row[: len(difference)], difference, atol=2e-4)
    letters = score(make_task(scoring="letter"), llama)
    assert letters.option_mass is not None
    for mass, values in zip(letters.option_mass, whole_rows(make_task(scoring="letter"), llama), strict=True):
        assert mass == pytest.approx(np.exp(values).sum(), abs=1e-5)
    assert scores.option_mass is None


def test_chat_template_is_what_the_model_sees(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[ai]{% endif %}"
    )
    monkeypatch.setattr(llama.tokenizer, "chat_template", template)
    task = make_task(longest=10)
    chat, plain = score(task, llama), score(task, llama, chat=ChatSettings("off"))
    assert chat.chat_template
    assert chat.label == "made (chat)"
    assert_equal(chat, whole_rows(task, llama, chat=True))
    assert np.abs(chat.logprobs[:, 0] - plain.logprobs[:, 0]).max() > 0.1
    assert chat.fingerprint == plain.fingerprint
    assert chat.documents == plain.documents == tuple(item.document for item in task.items)


def test_doubled_logits_double_the_temperature(tmp_path: Path) -> None:
    """A sibling with a doubled untied head: on one-token choices every logit is twice the original."""
    from calibaudit.metrics import fit_temperature

    folder = save_tiny(tmp_path / "a", "llama")
    model = load_model(str(folder))
    task = make_task(120, "letter")
    base = score(task, model)
    with torch.no_grad():
        model.network.lm_head.weight.mul_(2)
    hot = score(task, load_model(str(save_tiny(tmp_path / "b", network=model.network))))
    assert (base.logprobs.argmax(1) == hot.logprobs.argmax(1)).all()
    cold, warm = fit_temperature(base.logprobs, base.answer), fit_temperature(hot.logprobs, hot.answer)
    assert np.isinf(cold) == np.isinf(warm)
    if np.isfinite(cold):
        assert warm == pytest.approx(2 * cold, rel=0.01)


def test_answers_that_a_merge_moves_are_counted(llama: Model) -> None:
    """Each choice by hand from the one place before the first token in which two of them differ."""
    text = "the cat sat on a mat while we ran far away to see it"
    items = tuple(
        Item(f"{cut}-{end}", text[:cut], (text[cut : cut + 4], end), 0, delimiter="")
        for cut in range(2, 30)
        for end in ("at", "we", "t r")
    )
    scores = score(Task("merged", "1", "cloze", items), llama)
    assert 0 < scores.n_healed <= len(items)
    moved = 0
    for item, row in zip(items, scores.logprobs, strict=True):
        wholes = [llama.tokenizer(item.context + choice)["input_ids"] for choice in item.choices]
        shared = min(map(len, wholes))
        first = next((i for i, pair in enumerate(zip(*wholes, strict=False)) if len(set(pair)) > 1), shared)
        first = min(first, len(llama.tokenizer(item.context.rstrip())["input_ids"]))
        if not first:  # nothing is common: both stand behind what stands for an empty context
            first, wholes = 1, [[llama.prefix_token_id, *ids] for ids in wholes]
        sums = []
        for ids in wholes:
            with torch.no_grad():
                logits = llama.network(torch.tensor([ids]), use_cache=False).logits[0].double().log_softmax(-1)
            sums.append(sum(float(logits[i - 1, ids[i]]) for i in range(first, len(ids))))
        moved += int(np.argmax(sums)) != int(row.argmax())
    assert scores.n_moved == moved


class Failing:
    """Raises the allocator's own error while a batch has more than `limit` rows, as a full device does."""

    def __init__(self, limit: int, error: Exception) -> None:
        self.limit, self.error, self.sizes = limit, error, []
        self.forward = Model.forward

    def __call__(self, model: Model, ids: Any, *args: Any, **kwargs: Any) -> Any:
        self.sizes.append(len(ids))
        if len(ids) > self.limit:
            raise self.error
        return self.forward(model, ids, *args, **kwargs)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("batch_size", [None, 16])
def test_out_of_memory_halves_the_batch_and_goes_on(
    llama: Model,
    batch_size: int | None,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = make_task()
    expected = whole_rows(task, llama)
    failing = Failing(3, error)
    monkeypatch.setattr(Model, "forward", lambda self, *a, **k: failing(self, *a, **k))
    assert_equal(score(task, llama, batch_size=batch_size), expected)
    assert max(failing.sizes) > 3
    assert "out of memory with" in caplog.text


def test_out_of_memory_at_one_row_names_the_item(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(0, torch.OutOfMemoryError("CUDA out of memory."))
    monkeypatch.setattr(Model, "forward", lambda self, *a, **k: failing(self, *a, **k))
    with pytest.raises(
        ModelError, match=r"made: item 'i\d+': \d+ tokens do not fit in memory even alone on cpu; try --dtype"
    ):
        score(make_task(), llama)


def test_another_runtime_error_is_not_taken_for_a_lack_of_memory(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    monkeypatch.setattr(Model, "forward", lambda self, *a, **k: failing(self, *a, **k))
    with pytest.raises(RuntimeError, match="mat1"):
        score(make_task(), llama)


def test_the_cache_leaves_only_what_is_missing(llama: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []
    score_rows = batches.score_rows

    def counted(model: Model, rows: Any, size: Any, names: Any, take: Any) -> Any:
        scored.append(len(set(names)))
        return score_rows(model, rows, size, names, take)

    monkeypatch.setattr("calibaudit.scoring.batches.score_rows", counted)
    task = make_task(24)
    seen: list[tuple[int, int]] = []
    first = score(task.limited(10), llama, cache_dir=tmp_path)
    whole = score(task, llama, cache_dir=tmp_path, progress=lambda done, total: seen.append((done, total)))
    again = score(task, llama, cache_dir=tmp_path)
    assert scored == [10, 14]
    assert seen[0] == (10, 24)
    assert seen[-1] == (24, 24)
    np.testing.assert_array_equal(first.logprobs[:, :2], whole.logprobs[:10, :2])
    np.testing.assert_array_equal(again.logprobs, whole.logprobs)
    assert_equal(whole, whole_rows(task, llama))


def run_told(folder: Path, cache: Path, told: Connection) -> None:
    model = load_model(str(folder))
    score(make_task(200), model, batch_size=2, cache_dir=cache, progress=lambda done, total: told.send(done))


def test_a_run_killed_midway_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = save_tiny(tmp_path / "model", "llama"), tmp_path / "cache"
    here, there = processes().Pipe(duplex=False)
    process = processes().Process(target=run_told, args=(folder, cache, there))  # type: ignore[attr-defined]
    process.start()
    there.close()
    while here.recv() < 60:
        pass
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (told, rows, second), (_, none, third) = (counting(folder, cache, monkeypatch) for _ in range(2))
    assert 60 <= told[0] < 200
    assert rows == [200 - told[0]]
    assert none == []
    assert third == second
    expected = whole_rows(make_task(200), load_model(str(folder)))
    for row, values in zip(second, expected, strict=True):
        np.testing.assert_allclose(row, values, atol=1e-4)


def counting(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[int], list[int], list[list[float]]]:
    """What the run was told of its progress, how many items each of its calls scored, and what it found."""
    told: list[int] = []
    rows: list[int] = []
    plain = batches.score_rows

    def counted(model: Any, todo: Any, size: Any, names: Any, take: Any) -> Any:
        rows.append(len(set(names)))
        return plain(model, todo, size, names, take)

    with monkeypatch.context() as patch:
        patch.setattr(batches, "score_rows", counted)
        scores = score(
            make_task(200), load_model(str(folder)), batch_size=2, cache_dir=cache,
            progress=lambda done, total: told.append(done),
        )  # fmt: skip
    return told, rows, [row[row > -1e9].tolist() for row in scores.logprobs]


def grown(folder: Path) -> int:
    """KiB by which the peak grows from 4 items to 64."""
    model = load_model(str(folder))
    score(make_task(4), model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    score(make_task(64), model, batch_size=64)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def test_items_by_vocabulary_logits_never_exist(tmp_path: Path) -> None:
    vocab = 128_256
    folder = save_tiny(tmp_path, "llama", vocab_size=vocab)
    task = make_task(64)
    encoded = Encoder(load_model(str(folder)).tokenizer, 0, 96).encode([plain_prompt(item, "t") for item in task.items])
    n_positions = sum(sum(e.n_tokens) for e in encoded)
    bytes_grown, logits = in_a_process(grown, folder) * 1024, n_positions * vocab * 4
    assert logits > 400 * 2**20, "the logits must be large for this test to mean anything"
    assert bytes_grown < logits / 3


def lacks_memory() -> bool:
    """Whether a tensor that does not fit is told as a lack of memory; the address space is capped for real."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
    try:
        torch.ones(2**33)
    except (RuntimeError, MemoryError) as error:
        return is_out_of_memory(error)
    return False


def test_real_lack_of_host_memory_is_one_error() -> None:
    assert in_a_process(lacks_memory)
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 0


def test_a_common_prefix_is_not_run_apart_below_a_rotary_switch(llama: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """All contexts lie above the switch, what they share below it: run alone, it would get short rows' factors."""
    task = make_task(8, shots=" ".join(WORDS) + ". ", longest=12)
    encoded = Encoder(llama.tokenizer, 0, 96).encode([plain_prompt(item, "t") for item in task.items])
    monkeypatch.setattr(llama, "rope_switch", min(len(row.context) for e in encoded for row in e.rows) - 1)
    prefixes: list[int] = []
    forward = Model.forward

    def watched(self: Model, ids: Any, *args: Any, past: Any = None, **rest: Any) -> Any:
        if rest.get("use_cache") and len(ids) == 1:
            prefixes.append(ids.shape[1])
        return forward(self, ids, *args, past=past, **rest)

    monkeypatch.setattr(Model, "forward", watched)
    scores = score(task, llama, batch_size=64)
    assert not prefixes
    monkeypatch.setattr(llama, "rope_switch", None)
    score(task, llama, batch_size=64)
    assert prefixes, "without a switch the shared examples do run once, or this test means nothing"
    monkeypatch.undo()
    assert_equal(scores, whole_rows(task, llama))
