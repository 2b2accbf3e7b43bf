"""A causal language model ready to score: hidden states, log-probabilities, and what was proven on loading."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from calibaudit.errors import ModelError, told
from calibaudit.files.shown.card import Card, Shown, count
from calibaudit.kernels import LinearLogprobs, logprobs_from_logits
from calibaudit.models import lengths, prefix_cache, sharing
from calibaudit.models.attention.forest import Forest
from calibaudit.models.attention.segments import attending, configs_of, to_device
from calibaudit.models.attention.ways import CACHE_NAMES, prove_sharing
from calibaudit.models.checkpoints import Checkpoint, fetch, find_checkpoint
from calibaudit.models.devices import is_out_of_memory
from calibaudit.models.formats.families import text_config
from calibaudit.models.head import Head, check_finite, find_head, probe_ids
from calibaudit.models.library import first_line
from calibaudit.models.load import Loaded, load_network
from calibaudit.models.parallel.split import devices_of, head_maker, tokens_that_fit
from calibaudit.models.tokenizer import prefix_token_id
from calibaudit.scores.scores import ModelInfo


@dataclass(eq=False, repr=False)
class Model(Shown):
    """network: a transformers causal LM in eval mode. tokenizer: its tokenizer.

    head: None when it cannot be separated; then forward gives the network's own logits.
    max_length: context window, tokens. sliding_window: the smallest local attention window of any layer, or None.
    rope_switch: rows longer than this many tokens use other rotary factors (LongRoPE), and with them every row of their
    batch, cached keys apart: rows on both sides of it must share neither a batch nor a cache. None for most.
    forest_length: the longest row, in tokens, that may stand in a forest (`run_forest`); 0 where none may.
    shares_prefix: whether packed rows (a context, its continuations side by side, behind a block mask), the start of
    their contexts cached, were found to give what whole rows give; up to max_packed_length columns.
    copies_cache: whether continuations behind copies of their context's cache were; asked only where packed rows do not
    serve all lengths. Rows for which neither is true run whole, once a choice. max_copies: rows of such a batch, which
    a recurrent state of many megabytes a row limits. one_by_one: behind a copied cache it takes one token a call.
    n_ranks: processes that hold a part of every layer each; they must run the same calls, in the same order.
    max_tokens: of their batches at most, padding included; None: as many as fit.
    warnings: one line each, for the user.
    """

    info: ModelInfo
    network: Any
    tokenizer: Any
    head: Head | None
    max_length: int
    sliding_window: int | None
    rope_switch: int | None
    forest_length: int
    shares_prefix: bool
    copies_cache: bool
    max_copies: int
    one_by_one: bool
    warnings: tuple[str, ...]
    _body: Any
    _takes_positions: bool
    _cache_name: str | None
    n_ranks: int = 1
    max_tokens: int | None = None
    _packed_cache: prefix_cache.CacheKind = "plain"
    _copied_cache: prefix_cache.CacheKind = "own"
    _tells_positions: bool = False
    _windows: prefix_cache.Locals = None
    _configs: list[Any] | None = None

    def _card(self) -> Card:
        info = self.info
        facts = [info.family, f"{info.n_parameters:,} parameters", f"{info.dtype} on {info.device}"]
        facts += [info.quantization] if info.quantization else []
        facts += [f"context {self.max_length:,} tokens", f"vocabulary {info.vocab_size:,}"]
        facts += [count(len(self.warnings), "warning")] if self.warnings else []
        rows = [
            ("Family", f"{info.family}, {info.n_parameters:,} parameters"),
            ("Weights", ", ".join(part for part in (info.dtype, info.quantization, info.revision) if part)),
            *([("Adapter", info.adapter)] if info.adapter else []),
            ("Device", info.device),
            ("Context", f"{self.max_length:,} tokens"),
            ("Vocabulary", f"{info.vocab_size:,} tokens"),
            (
                "Output head",
                "apart from the network" if self.head is not None else "not apart: its own logits are used",
            ),
        ]
        return Card("Model", info.name, tuple(facts), rows=tuple(rows), notes=self.warnings)

    @property
    def device(self) -> torch.device:
        """Where input ids go."""
        return torch.device(self.network.device)

    @property
    def max_packed_length(self) -> int:
        """Columns of the widest packed row whose mask and positions are still true, at most max_length.

        Some networks keep buffers of max_length columns, and some cut a local window out of any mask, by columns.
        """
        if self.sliding_window is None or self._windows is not None:
            return self.max_length
        return min(self.max_length, self.sliding_window)

    @property
    def n_embeddings(self) -> int:
        """Tokens that it both reads and predicts; a tokenizer may have more."""
        return min(int(self.network.get_input_embeddings().weight.shape[0]), self.info.vocab_size)

    @property
    def prefix_token_id(self) -> int | None:
        """What stands for an empty context."""
        return prefix_token_id(self.tokenizer)

    @torch.no_grad()
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Any = None,
        position_ids: Tensor | None = None,
        past: Any = None,
        use_cache: bool = False,
    ) -> tuple[Tensor, Any]:
        """(B, T) ids -> (B, T, D) hidden states that `target_logprobs` takes, and the cache or None.

        With head None the last axis is V instead: the batch's own logits, all of them.
        attention_mask: None where columns may attend to all before them (padding on the right), else `block_mask`'s.
        position_ids: (B, T), 0 at a row's first token; None: columns count.
        past: an earlier call's cache, which is extended in place (see `repeat_cache`), or `empty_cache`'s.
        Proven on loading: right padding without a mask always; `block_mask`, with and without a past, where
        `shares_prefix` is true; `extend`, behind rows of one length, where `copies_cache` is.
        """
        options: dict[str, Any] = {"use_cache": use_cache or past is not None}
        if attention_mask is not None:
            options["attention_mask"] = attention_mask
        if self._takes_positions and position_ids is not None:
            options["position_ids"] = position_ids
        if past is not None and self._cache_name is not None:
            options[self._cache_name] = past
        output = self._body(input_ids=input_ids, **options)
        features = output.logits if self.head is None else output.last_hidden_state
        return features, getattr(output, self._cache_name or "", None) if options["use_cache"] else None

    @torch.no_grad()
    def run_forest(self, forest: Forest) -> Tensor:
        """(1, columns, D) of all rows of a forest, as `forward`'s: each column as in a row of its own.

        Proven on loading for rows of at most forest_length tokens.
        """
        tokens, positions = to_device([forest.tokens, forest.positions()], self.device)
        options = {"position_ids": positions[None], "use_cache": False}
        if self._configs is None:
            self._configs = configs_of(self.network)
        with attending(self._configs, forest.segments()):
            output = self._body(input_ids=tokens[None], **options)
        features: Tensor = output.logits if self.head is None else output.last_hidden_state
        return features

    def extend(self, input_ids: Tensor, past: Any, n_past: int, use_cache: bool = False) -> tuple[Tensor, Any]:
        """`forward` behind a copied cache of n_past tokens (0: an empty one), as this network was found to go on."""
        width = input_ids.shape[1]
        step = 1 if self.one_by_one and n_past else width
        features = []
        for tokens in torch.split(input_ids, step, dim=1):
            positions = None
            if self._tells_positions and n_past:
                positions = torch.arange(n_past, n_past + step, device=tokens.device).expand(len(tokens), -1)
            found, past = self.forward(tokens, None, positions, past, use_cache or step < width)
            features.append(found)
            n_past += step
        return torch.cat(features, dim=1) if len(features) > 1 else features[0], past

    def empty_cache(self, *, packed: bool) -> Any:
        """What `forward` fills for packed rows, or for rows whose cache is copied; None: the network makes its own."""
        return prefix_cache.fresh_cache(self._packed_cache if packed else self._copied_cache)

    def block_mask(self, ends: Tensor, positions: Tensor, n_common: int, length: int) -> Any:
        """The mask of packed rows, as this network takes it, windows included: see `prefix_cache.block_masks`."""
        dtype = self.network.dtype
        return prefix_cache.block_masks(ends, positions, n_common, dtype, self._windows, length)

    def repeat_cache(self, past: Any, rows: Tensor) -> Any:
        """A new cache whose row i is row rows[i] of `past`; `past` stays as it is and can be used again."""
        return prefix_cache.repeat_cache(past, rows)

    def target_logprobs(self, features: Tensor, targets: Tensor, *, known: bool = False) -> LinearLogprobs:
        """Rows of `forward`'s features (n, D or V), targets (n,) or (n, K) -> log-probabilities in nats, float32.

        -100 marks padding in targets; its logprob is 0. known: they are an `Encoder`'s, which has checked them; others
        are checked, for which the host waits.
        """
        if self.head is None:
            return logprobs_from_logits(features, targets.to(features.device))
        result = self.head.logprobs(features, targets, known=known)
        return LinearLogprobs(*(tensor.to(features.device) for tensor in result))


def load_model(
    name: str | os.PathLike[str] | Checkpoint,
    *,
    revision: str | None = None,
    dtype: str | torch.dtype = "auto",
    device: str = "auto",
    parallel: str = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
) -> Model:
    """Load a decoder-only causal LM and prove on a few tokens that what scoring relies on holds for it.

    name: a folder, a hub id, `demo:base` or `demo:instruct`, an adapter, or what find_checkpoint gave (then revision,
    cache_dir and offline are its own). revision: a hub branch, tag or commit. cache_dir: the hub cache. offline: never
    ask the network.
    dtype: auto, float32, bfloat16, float16, or one of torch's. device: auto, cpu, cuda, cuda:N, mps. parallel: see
    `layout_of`.
    Proven: logits are finite; the model is causal; the head apart gives the network's own logits (else head is None);
    packing and caching change nothing (else shares_prefix, copies_cache are False). What fell back is in `warnings`.
    Raises ModelError: one line that names the checkpoint, the fault and the way out.
    """
    if isinstance(name, Checkpoint):
        checkpoint = name
    else:
        if not isinstance(name, str | os.PathLike) or not os.fspath(name).strip():
            raise ModelError(f"{told(name)} names no model: give a folder, a hub id, or demo:base or demo:instruct")
        checkpoint = find_checkpoint(os.fspath(name), revision=revision, cache_dir=cache_dir, offline=offline)
    loaded = load_network(fetch(checkpoint), str(dtype).removeprefix("torch."), device, parallel)
    try:
        return prove(checkpoint, loaded)
    except ModelError:
        raise
    except Exception as error:  # a forward pass of a network that nobody here wrote
        if is_out_of_memory(error):
            reason = f"out of memory on {loaded.device} at its first tokens; try --dtype bfloat16 or a larger device"
        else:
            reason = f"its forward pass fails ({first_line(error)})"
        raise ModelError(f"{checkpoint.name}: {reason}") from error


def prove(checkpoint: Checkpoint, loaded: Loaded) -> Model:
    network, tokenizer, dtype, notes = loaded.network, loaded.tokenizer, loaded.dtype, list(loaded.warnings)
    config = text_config(network.config)
    vocab_size = check_finite(network, checkpoint.name)
    found = find_head(network, vocab_size, head_maker(network))
    if isinstance(found, str):
        notes.append(f"the head cannot be separated ({found}): its own logits are used, which takes more memory")
    body, head = (network, None) if isinstance(found, str) else found
    parameters = inspect.signature(body.forward).parameters
    model = Model(
        info=ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            dtype=str(dtype).removeprefix("torch."),
            device=devices_of(network, loaded.n_ranks),
            family=str(network.config.model_type),
            n_parameters=loaded.n_parameters,
            vocab_size=vocab_size,
            head="own logits" if head is None else "separated",
            quantization=loaded.quantization,
            adapter=loaded.adapter,
        ),
        network=network,
        tokenizer=tokenizer,
        head=head,
        max_length=lengths.max_length(config, tokenizer),
        sliding_window=lengths.sliding_window(config),
        rope_switch=lengths.rope_switch(config),
        forest_length=0,
        shares_prefix=False,
        copies_cache=False,
        max_copies=1,
        one_by_one=False,
        warnings=(),
        _body=body,
        _takes_positions="position_ids" in parameters,
        _cache_name=next((name for name in CACHE_NAMES if name in parameters), None),
        n_ranks=loaded.n_ranks,
    )
    tolerance = sharing.TOLERANCE.get(dtype, sharing.TOLERANCE[torch.float32])
    ids, other = (probe_ids(network, 2 * sharing.N_PROBE, seed) for seed in (1, 2))
    n_probe = min(model.max_length, sharing.N_PROBE)
    if not sharing.is_causal(model.forward, ids[:, :n_probe], other[:, :n_probe], tolerance):
        raise ModelError(
            f"{checkpoint.name}: not a causal LM: its states change when later tokens do ({model.info.family})"
        )
    part = sharing.neighbours_part(model.forward, ids[:, :n_probe], other[:, :n_probe])
    if not part <= tolerance:
        notes.append(
            f"its layers round a row by what stands beside it in a batch ({loaded.quantization or 'own arithmetic'}), "
            f"which moved a probe's states by {part:.1g} of their size: numbers depend on --batch-size"
        )
    note = prove_sharing(model, config, ids, tolerance)
    notes += [] if note is None else [note]
    model.max_tokens = tokens_that_fit(network, model.forward, model.max_length) if model.n_ranks > 1 else None
    model.warnings = tuple(f"{checkpoint.name}: {note}" for note in notes)
    return model
