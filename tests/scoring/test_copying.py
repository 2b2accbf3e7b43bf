"""Contexts that are shared by copies of their cache, and rows beyond a window, against whole rows in float64."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from families import (
    COPIES_STATES,
    HYBRID,
    LAYERED,
    MAX_LENGTH,
    UNSHARED,
    VOCAB,
    WINDOW,
    save_tiny,
    skip_old_llama4,
    tiny_network,
)
from whole_rows import WORDS, assert_equal, make_task, whole_rows

from calibaudit.models.model import Model, load_model
from calibaudit.scoring.batches import BatchSize, path, score_rows
from calibaudit.scoring.copying import Group, plan
from calibaudit.scoring.encode import Row
from calibaudit.scoring.score import score


def made(n_context: int, *n_fed: int, seed: int = 0, start: tuple[int, ...] = ()) -> Row:
    """A row of random tokens, whose continuations feed the network n_fed tokens behind a context of n_context."""
    generator = torch.Generator().manual_seed(seed + 31 * n_context)
    tokens = torch.randint(3, VOCAB, (n_context + sum(n_fed) + len(n_fed),), generator=generator).tolist()
    ends = list(itertools.accumulate((n + 1 for n in n_fed), initial=n_context))
    continuations = tuple(tuple(tokens[i:j]) for i, j in itertools.pairwise(ends))
    return Row((*start, *tokens[len(start) : n_context]), continuations, tuple(range(len(n_fed))))


def scored(model: Model, rows: Sequence[Row]) -> tuple[list[Any], int]:
    """The rows' log-probabilities in one batch, and the tokens that the network was given."""
    found: list[Any] = [None] * len(rows)
    numbers: list[int] = []
    hook = model._body.register_forward_pre_hook(
        lambda _module, _args, named: numbers.append(named["input_ids"].numel()), with_kwargs=True
    )
    try:
        for batch in score_rows(model, rows, BatchSize(64, 0), ["row"] * len(rows)):
            for i, values in zip(batch.indices, batch.logprobs, strict=True):
                found[i] = values
    finally:
        hook.remove()
    return found, sum(numbers)


def assert_exact(found: Sequence[Any], network: Any, rows: Sequence[Row]) -> None:
    for row, values in zip(rows, found, strict=True):
        for continuation, value in zip(row.continuations, values, strict=True):
            with torch.no_grad():
                logits = network(input_ids=torch.tensor([row.context + continuation[:-1]]), use_cache=False).logits
            logprobs = logits[0, len(row.context) - 1 :].double().log_softmax(-1)
            expected = float(logprobs.gather(1, torch.tensor(continuation)[:, None]).sum())
            assert value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("family", [*LAYERED, *UNSHARED])
def test_each_path_gives_what_whole_rows_give(family: str, tmp_path: Path) -> None:
    """Contexts shorter than the window, across it and longer, also where what they have in common is."""
    skip_old_llama4(family)
    network = tiny_network(family)
    model = load_model(str(save_tiny(tmp_path, network=network)), device="cpu")
    copied = family in HYBRID or family in UNSHARED
    whole = family in HYBRID and not COPIES_STATES
    assert ["cannot copy): each choice runs the whole row" in warning for warning in model.warnings] == [True] * whole
    shots = made(2 * WINDOW, 0).context
    short = [made(n, 2, 0, 5, seed=n) for n in (1, 5, 5, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW)]
    long = [made(2 * WINDOW + n, 1, 4, 4, start=shots) for n in (1, 3, 3, 9, 30)]
    for rows in (short, long, [made(2 * WINDOW + n, 0, 0, start=shots) for n in (1, 7, 20)]):
        assert {path(model, row) for row in rows} == {"whole" if whole else "copied" if copied else "packed"}
        found, _ = scored(model, rows)
        assert_exact(found, network, rows)
    task = make_task(6, shots=" ".join(WORDS) + ". ", longest=12)
    for batch_size in (1, 64):
        assert_equal(score(task, model, batch_size=batch_size), whole_rows(task, model))


@pytest.mark.parametrize("family", ["qwen3-next", "lfm2", "gpt-oss"])
def test_contexts_run_once_beyond_windows_and_in_recurrent_layers(family: str, tmp_path: Path) -> None:
    model = load_model(str(save_tiny(tmp_path, family)), device="cpu")
    rows = [made(60, 8, 8, 8, 8, seed=n) for n in range(4)]
    needed = sum(len(row.context) + sum(len(c) - 1 for c in row.continuations) for row in rows)
    whole = sum(len(row.context) + len(c) - 1 for row in rows for c in row.continuations)
    found, run = scored(model, rows)
    assert needed <= run <= 1.05 * needed < whole / 2  # a copy begins with its context's last token; columns are 16n
    assert_exact(found, model.network, rows)


def test_rows_that_a_window_keeps_from_sharing_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A network that takes no mask of its own and whose cache cannot be copied; on loading it is said, too."""
    monkeypatch.setattr("calibaudit.models.sharing.follows_its_config", lambda *_: False)
    monkeypatch.setattr("calibaudit.models.sharing.why_not_copied", lambda *_: "a reason")
    model = load_model(str(save_tiny(tmp_path, "mistral")), device="cpu")
    assert model.warnings[0].endswith(
        f"choices longer with their context than its window of {WINDOW} tokens cannot share it (a reason): "
        "each of them runs the whole row, which is slower"
    )
    rows = [made(5, 2, 3), made(WINDOW, 2, 3), made(40, 2, 3), made(40, 0, 0)]
    with caplog.at_level(logging.WARNING):
        found, _ = scored(model, rows)
    assert_exact(found, model.network, rows)
    assert [path(model, row) for row in rows] == ["packed", "whole", "whole", "whole"]
    # The last one's choices are read from one row.
    said = f"2 of 4 rows ran whole, once a choice, which is slower: they are longer than the model's window of {WINDOW}"
    assert said in caplog.text


def test_a_large_state_limits_the_rows_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(str(save_tiny(tmp_path, "granite-hybrid")), device="cpu")
    past = model.forward(torch.tensor([[5]]), past=model.empty_cache(packed=False), use_cache=True)[1]
    state = sum(t.numel() for layer in past.layers for t in getattr(layer, "recurrent_states", {}).values())
    assert 0 < model.max_copies <= (2 << 30) // (4 * state)
    monkeypatch.setattr(model, "max_copies", 3)
    sizes: list[int] = []
    forward = Model.forward

    def watched(self: Model, ids: Any, *args: Any, **rest: Any) -> Any:
        sizes.append(len(ids))
        return forward(self, ids, *args, **rest)

    monkeypatch.setattr(Model, "forward", watched)
    rows = [made(30, 3, 4, 5, seed=n) for n in range(5)]
    found, _ = scored(model, rows)
    assert max(sizes) == 3
    assert_exact(found, model.network, rows)


def cost_by_hand(rows: Sequence[Row], groups: Sequence[Group], n_common: int, call: int) -> int:
    """Tokens and calls of a plan, counted out one by one."""
    cost = 0
    for group in groups:
        if group.cut > n_common:
            cost += call + len(group.rows) * (group.cut - n_common)
        fed = {(r, c[:-1]) for r in group.rows for c in rows[r].continuations}
        cost += call + sum(len(rows[r].context) - group.cut + len(tokens) for r, tokens in fed)
    return cost


def partitions(ordered: Sequence[int]) -> Any:
    """All ways to cut a sequence into runs."""
    for n in range(len(ordered)):
        for cuts in itertools.combinations(range(1, len(ordered)), n):
            yield [tuple(ordered[i:j]) for i, j in itertools.pairwise((0, *cuts, len(ordered)))]


@pytest.mark.parametrize("call", [0, 8, 200])
@pytest.mark.parametrize("n_common", [0, 3])
def test_a_plan_costs_least_of_all(call: int, n_common: int) -> None:
    rows = [
        made(n, *fed) for n, fed in ((4, (1, 2)), (30, (0, 0)), (9, (3, 3, 3)), (31, (2, 2)), (9, (1,)), (60, (5, 6)))
    ]
    cost, groups = plan(rows, n_common, call)
    assert sorted(r for group in groups for r in group.rows) == [*range(6)]
    assert cost == cost_by_hand(rows, groups, n_common, call)
    ordered = sorted(range(6), key=lambda r: len(rows[r].context))
    least = min(
        sum(
            min(
                cost_by_hand(rows, [Group(run, cut)], n_common, call)
                for cut in {n_common, max(n_common, len(rows[run[0]].context) - 1)}
            )
            for run in runs
        )
        for runs in partitions(ordered)
    )
    assert cost == least


def test_one_token_a_call_is_only_worth_it_behind_long_contexts() -> None:
    rows = [made(40, 9, 9, 9, 9)]
    assert plan(rows, 0, 32, one_by_one=False)[1] == [Group((0,), 39)]
    assert plan(rows, 0, 32, one_by_one=True)[1] == [Group((0,), 0)]
    assert plan([made(MAX_LENGTH * 4, 9, 9, 9, 9)], 0, 32, one_by_one=True)[1] == [Group((0,), MAX_LENGTH * 4 - 1)]
