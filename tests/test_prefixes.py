"""Block masks against their definition entry by entry, and attention in blocks against attention by hand in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from calibaudit import prefixes
from calibaudit.prefixes import block_mask

BRANCHES = [[0, 0, 1, 1, 2, -1, -1], [0, 1, 2, 2, 2, 3, 3]]


def mask_by_hand(branches: list[list[int]], n_common: int) -> torch.Tensor:
    """(B, 1, T, n_common + T) by its definition, entry by entry."""
    width = len(branches[0])
    mask = torch.full((len(branches), 1, width, n_common + width), torch.finfo(torch.float32).min)
    for row, owners in enumerate(branches):
        for i, owner in enumerate(owners):
            mask[row, 0, i, :n_common] = 0
            for j in range(i + 1):
                if owners[j] in (0, owner):
                    mask[row, 0, i, n_common + j] = 0
    return mask


def test_block_mask_is_its_definition() -> None:
    for n_common in (0, 3):
        found = block_mask(torch.tensor(BRANCHES), n_common, torch.float32)
        assert torch.equal(found, mask_by_hand(BRANCHES, n_common))
    assert (block_mask(torch.tensor(BRANCHES), 0, torch.bfloat16) == 0).sum() == (mask_by_hand(BRANCHES, 0) == 0).sum()


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
    monkeypatch.setattr(prefixes, "_BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    width = 27
    branches = torch.tensor([[0] * 9 + [1] * 8 + [2] * 10, [0] * 3 + [1] * 15 + [2] * 4 + [-1] * 5])
    query = torch.randn(2, 4, width, 8, generator=generator)
    key, value = (torch.randn(2, n_heads, n_common + width, 8, generator=generator) for _ in range(2))
    mask = block_mask(branches, n_common, torch.float32)
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
    monkeypatch.setattr(prefixes, "_BLOCK", 4)
    query, key, value = (torch.ones(1, 1, 8, 8) for _ in range(3))
    key[..., 4:, :] = torch.nan
    mask = block_mask(torch.zeros((1, 8), dtype=torch.int64), 0, torch.float32)
    found = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert found[..., :4, :].isfinite().all()
    assert found[..., 4:, :].isnan().all()


def test_a_lower_mask_is_a_plain_tensor_to_everything_else() -> None:
    mask = block_mask(torch.tensor(BRANCHES), 0, torch.float32)
    made = [mask + 1, mask[..., :3], mask.contiguous().double(), mask.expand(-1, 4, -1, -1), torch.cat([mask, mask])]
    assert {type(tensor) for tensor in made} == {torch.Tensor}
