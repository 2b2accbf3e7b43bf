"""Layouts and block masks against their definition, attention in blocks against attention by hand in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from calibaudit.models import prefix_cache
from calibaudit.models.prefix_cache import NEVER, block_mask, lay_out

CONTEXT = (5, 3, 9, 2)
CONTINUATIONS = [(), (1,), (1, 4), (1, 4, 4, 2), (1, 7), (3,), (3, 3), (8, 1, 4)]  # sorted


def padded(rows: list[list[int]], width: int) -> torch.Tensor:
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])


def seen_by_hand(n_context: int, paths: list[list[int]], width: int) -> torch.Tensor:
    """(width, width): what each column attends to. Path by path: the context, then the path up to the column itself."""
    seen = torch.eye(width, dtype=torch.bool)
    for path in paths or [[]]:
        row = [*range(n_context), *path]
        for i, column in enumerate(row):
            seen[column, row[: i + 1]] = True
    seen[:, :n_context] |= torch.arange(width)[:, None] >= torch.arange(n_context)
    return seen


@pytest.mark.parametrize("first", [0, 3])
def test_every_path_of_a_layout_spells_its_row_and_shares_what_it_can(first: int) -> None:
    layout = lay_out(CONTEXT, CONTINUATIONS, first)
    n_context = len(CONTEXT) - first
    for continuation, columns in zip(CONTINUATIONS, layout.columns, strict=True):
        path = [*range(n_context), *columns]
        assert [layout.tokens[column] for column in path] == [*CONTEXT[first:], *continuation]
        assert [layout.positions[column] for column in path] == [*range(first, len(CONTEXT) + len(continuation))]
    starts = {continuation[:n] for continuation in CONTINUATIONS for n in range(1, len(continuation) + 1)}
    assert len(layout.tokens) == len(layout.positions) == len(layout.ends) == n_context + len(starts)


tokens = st.lists(st.integers(0, 2), max_size=5).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.lists(tokens, max_size=5)), min_size=1
    ),
    n_common=st.integers(0, 3),
)
def test_block_mask_shows_each_column_its_own_path(rows: list[tuple[list[int], list[Any]]], n_common: int) -> None:
    layouts = [lay_out(context, sorted(continuations)) for context, continuations in rows]
    width = max(len(layout.tokens) for layout in layouts) + 2
    mask = block_mask(padded([layout.ends for layout in layouts], width), n_common, torch.float32)
    assert mask.shape == (len(rows), 1, width, n_common + width)
    assert (mask[..., :n_common] == 0).all()
    for row, ((context, _), layout) in enumerate(zip(rows, layouts, strict=True)):
        expected = seen_by_hand(len(context), layout.columns, width)
        assert torch.equal(mask[row, 0, :, n_common:] == 0, expected)
        assert (mask[row, 0, :, n_common:][~expected] == torch.finfo(torch.float32).min).all()
    assert block_mask(padded([layouts[0].ends], width), 0, torch.bfloat16).min() == torch.finfo(torch.bfloat16).min


def attention_by_hand(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    repeats = query.shape[1] // key.shape[1]
    key, value = (tensor.double().repeat_interleave(repeats, dim=1) for tensor in (key, value))
    scores = query.double() @ key.transpose(-1, -2) * 0.3
    return (scores + mask.double()).softmax(-1) @ value


@pytest.mark.parametrize("block", [1, 4, 16, 64])
@pytest.mark.parametrize("n_common", [0, 5])
@pytest.mark.parametrize("n_heads", [2, 4])
def test_attention_in_blocks_is_attention(
    block: int, n_common: int, n_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_cache, "_BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    width = 27
    ends = torch.tensor([[NEVER] * 9 + [17] * 8 + [27] * 10, [NEVER] * 3 + [18] * 15 + [22] * 4 + [0] * 5])
    query = torch.randn(2, 4, width, 8, generator=generator)
    key, value = (torch.randn(2, n_heads, n_common + width, 8, generator=generator) for _ in range(2))
    mask = block_mask(ends, n_common, torch.float32)
    expected = attention_by_hand(query, key, value, mask)
    options: dict[str, Any] = {"scale": 0.3, "enable_gqa": n_heads != 4}
    for found in (
        scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=False, **options),
        scaled_dot_product_attention(query, key, value, mask[..., : n_common + width], 0.0, **options),
        scaled_dot_product_attention(query, key, value, mask + 0.0, **options),
    ):
        assert type(found) is torch.Tensor
        torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-5)


def test_columns_that_a_block_cannot_see_are_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their keys are not numbers: any product with them would show."""
    monkeypatch.setattr(prefix_cache, "_BLOCK", 4)
    query, key, value = (torch.ones(1, 1, 8, 8) for _ in range(3))
    key[..., 4:, :] = torch.nan
    mask = block_mask(torch.full((1, 8), NEVER), 0, torch.float32)
    found = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert found[..., :4, :].isfinite().all()
    assert found[..., 4:, :].isnan().all()


def test_a_lower_mask_is_a_plain_tensor_to_everything_else() -> None:
    mask = block_mask(torch.tensor([[NEVER, NEVER, 3, 4, 0], [NEVER, 3, 3, 5, 5]]), 0, torch.float32)
    made = [mask + 1, mask[..., :3], mask.contiguous().double(), mask.expand(-1, 4, -1, -1), torch.cat([mask, mask])]
    assert {type(tensor) for tensor in made} == {torch.Tensor}
