"""The proofs on loading: that they find planted faults, and leave a config as it was."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from families import COPIES_STATES, HYBRID, LAYERED, VOCAB, WINDOW, skip_old_llama4, tiny_network
from transformers import DynamicCache

from calibaudit.models import lengths, prefix_cache, sharing
from calibaudit.models.prefix_cache import Local, block_mask, block_masks

IDS = torch.randint(2, VOCAB, (1, 200), generator=torch.Generator().manual_seed(5))
TOLERANCE = sharing.TOLERANCE[torch.float32]


def forward_of(network: Any) -> Any:
    """Model.forward, without a Model."""
    parameters = inspect.signature(network.model.forward).parameters
    cache_name = "cache" if "cache" in parameters else "past_key_values"

    @torch.no_grad()
    def forward(ids: Any, mask: Any = None, positions: Any = None, past: Any = None, use_cache: bool = False) -> Any:
        use_cache = use_cache or past is not None
        cache = {cache_name: past}
        output = network.model(ids, attention_mask=mask, position_ids=positions, use_cache=use_cache, **cache)
        return output.last_hidden_state, output[cache_name] if use_cache else None

    return forward


def extend_of(forward: Any) -> Any:
    def extend(ids: Any, past: Any, n_past: int, use_cache: bool = False) -> Any:
        positions = torch.arange(n_past, n_past + ids.shape[1]).expand(len(ids), -1)
        return forward(ids, None, positions, past, use_cache)

    return extend


def masks_of(local: prefix_cache.Locals) -> Any:
    return lambda ends, positions, n_common, length: block_masks(
        ends, positions, n_common, torch.float32, local, length
    )


WINDOWS = {"gpt-oss": "sliding_attention", "llama4": "chunked_attention"}


@pytest.mark.parametrize("family", ["mistral", *WINDOWS])
def test_a_window_is_proven_beyond_its_width_and_one_token_too_many_is_found(family: str) -> None:
    skip_old_llama4(family)
    network = tiny_network(family)
    local = lengths.windows(network.config)
    if family == "mistral":
        assert local == Local(WINDOW)
    else:
        assert local == {"full_attention": None, WINDOWS[family]: Local(WINDOW, chunked=family == "llama4")}
    forward = forward_of(network)
    assert sharing.follows_its_config(forward, network.config, IDS[:, : sharing.N_PROBE], TOLERANCE)
    with lengths.narrow_windows(network.config):
        narrow = lengths.narrowed(local)
        assert sharing.why_not_packed(forward, masks_of(narrow), DynamicCache, IDS, TOLERANCE) is None
        for wrong in (1, -1):
            other: Any = (
                narrow._replace(size=narrow.size + wrong)
                if isinstance(narrow, Local)
                else {kind: window and window._replace(size=window.size + wrong) for kind, window in narrow.items()}
            )
            said = sharing.why_not_packed(forward, masks_of(other), DynamicCache, IDS, TOLERANCE)
            assert said is not None
            assert said.startswith("choices set side by side differ from whole rows by")
    assert lengths.windows(network.config) == local
    # A mask without the windows serves up to their width only.
    assert sharing.why_not_packed(forward, masks_of(None), DynamicCache, IDS, TOLERANCE) is None


def test_windows_of_layers_that_nothing_is_known_of_are_left_alone() -> None:
    known = SimpleNamespace(layer_types=["sliding_attention"] * 2, sliding_window=8)
    assert lengths.windows(known) == {"full_attention": None, "sliding_attention": Local(8)}
    assert lengths.windows(SimpleNamespace(layer_types=["full_attention"], sliding_window=8)) is None
    assert lengths.windows(SimpleNamespace(layer_types=["full_attention", "odd"], sliding_window=8)) is None
    assert lengths.windows(SimpleNamespace(attention_chunk_size=8)) == Local(8, chunked=True)
    assert lengths.windows(SimpleNamespace(sliding_window=None)) is None


class Varied(SimpleNamespace):
    """A config whose layers differ in their window, as transformers tells of it."""

    @property
    def sliding_window(self) -> int:
        raise RuntimeError("'sliding_window' is a per-layer attribute and may vary across layers")


def test_of_layers_that_differ_in_their_window_the_smallest_counts() -> None:
    layers = [SimpleNamespace(sliding_window=size) for size in (64, None, 16)]
    config = Varied(per_layer_config=layers, layer_types=["sliding_attention", "full_attention"])
    assert lengths.sliding_window(config) == 16
    assert not sharing.follows_its_config(lambda ids: (torch.zeros(1, 3, 4), None), config, IDS, TOLERANCE)


@pytest.mark.parametrize("chunked", [False, True])
def test_windows_in_a_mask_are_of_positions_not_of_columns(chunked: bool) -> None:
    """Column by column from the definition; continuations stand side by side, so neighbours may be far apart."""
    layout = prefix_cache.lay_out((5, 6, 7, 8, 9), [(1, 2, 3), (4, 5, 6)], 2)
    ends, positions = torch.tensor([layout.ends]), torch.tensor([layout.positions])
    plain = block_mask(ends, 2, torch.float32)
    masks = block_masks(ends, positions, 2, torch.float32, {"a": None, "b": Local(3, chunked)}, 8)
    assert torch.equal(masks["a"], plain)
    places = [0, 1, *layout.positions]
    for query, column in enumerate(range(2, len(places))):
        for key in range(len(places)):
            p, q = places[key], places[column]
            near = p // 3 == q // 3 if chunked else q - p < 3
            assert (masks["b"][0, 0, query, key] == 0) == (bool(plain[0, 0, query, key] == 0) and near)
    assert block_masks(ends, positions, 2, torch.float32, {"a": None, "b": Local(8, chunked)}, 8)["b"] is not None
    inside = block_masks(ends, positions, 2, torch.float32, Local(8, chunked), 8)
    assert torch.equal(inside, plain)


@pytest.mark.parametrize("family", [name for name in LAYERED if name != "jamba"])
def test_caches_are_copied_whole(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_old_llama4(family)
    forward = forward_of(tiny_network(family))

    def why(repeat: Any = prefix_cache.repeat_cache) -> str | None:
        monkeypatch.setattr(sharing, "repeat_cache", repeat)
        return sharing.why_not_copied(forward, extend_of(forward), lambda: None, IDS, (7, 20), TOLERANCE, True)

    if family in HYBRID and not COPIES_STATES:
        assert why() == "its layers keep a recurrent state that this version of transformers cannot copy"
        return
    assert why() is None
    assert why(lambda past, rows: prefix_cache.repeat_cache(past, rows.flip(0))) is not None, "rows in another order"

    def unsupported(past: Any, rows: Any) -> Any:
        raise NotImplementedError("batch_select_indices of SomeLayer is not there")

    assert why(unsupported) == "its layers keep a recurrent state that this version of transformers cannot copy"


def test_a_copy_leaves_the_cache_as_it_was() -> None:
    """Recurrent layers change their states in place."""
    forward = forward_of(tiny_network("qwen3-next"))
    past = forward(IDS[:, :9], use_cache=True)[1]
    copies = [prefix_cache.repeat_cache(past, torch.tensor([0, 0])) for _ in range(2)]
    first = forward(IDS[:, 9:12].expand(2, -1), past=copies[0])[0]
    torch.testing.assert_close(forward(IDS[:, 9:12].expand(2, -1), past=copies[1])[0], first)
    torch.testing.assert_close(forward(IDS[:, 9:12], past=past)[0], first[:1])


def test_a_copied_cache_is_proven_across_a_window_that_cannot_be_narrowed() -> None:
    assert sharing.copied_lengths(None, 4096) == (7, 72)
    assert sharing.copied_lengths(256, 4096) == (7, 260)
    assert sharing.copied_lengths(2048, 4096) is None
    assert sharing.copied_lengths(12, 96) == (7, 72)
    assert sharing.copied_lengths(90, 92) is None
