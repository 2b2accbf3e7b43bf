"""A causal language model ready to score: hidden states, log-probabilities, and what was proven on loading."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibaudit.errors import ModelError
from calibaudit.kernels import LinearLogprobs, logprobs_from_logits
from calibaudit.models import prefix_cache
from calibaudit.models.checkpoints import Checkpoint, fetch, find_checkpoint
from calibaudit.models.devices import is_out_of_memory
from calibaudit.models.formats.families import text_config
from calibaudit.models.head import Head, check_finite, find_head, probe_ids
from calibaudit.models.library import first_line
from calibaudit.models.load import Loaded, load_network
from calibaudit.models.tokenizer import prefix_token_id
from calibaudit.scores.scores import ModelInfo

DEFAULT_MAX_LENGTH = 2048

CACHE_NAMES = ("cache", "past_key_values")
"""What a decoder calls its key-value cache, as argument and as output: the name changed in transformers 5.24."""


@dataclass(eq=False)
class Model:
    """network: a transformers causal LM in eval mode. tokenizer: its tokenizer.

    head: None when it cannot be separated; then forward gives the network's own logits.
    max_length: context window, tokens. sliding_window: the smallest local attention window of any layer, or None.
    rope_switch: rows longer than this many tokens use other rotary factors (LongRoPE), and with them every row of their
    batch, cached keys apart: rows on both sides of it must share neither a batch nor a cache. None for most.
    shares_prefix: whether packed rows (a context, its continuations side by side, behind a block mask), the start of
    their contexts cached, were found to give what whole rows give.
    warnings: one line each, for the user.
    """

    info: ModelInfo
    network: Any
    tokenizer: Any
    head: Head | None
    max_length: int
    sliding_window: int | None
    rope_switch: int | None
    shares_prefix: bool
    warnings: tuple[str, ...]
    _body: Any
    _takes_positions: bool
    _cache_name: str | None
    _cache: str

    @property
    def device(self) -> torch.device:
        """Where input ids go."""
        return torch.device(self.network.device)

    @property
    def max_packed_length(self) -> int:
        """Columns of the widest packed row whose mask and positions are still true, at most max_length.

        A local window may be cut out of the mask by columns, and some networks keep buffers of max_length columns.
        """
        return self.max_length if self.sliding_window is None else min(self.max_length, self.sliding_window)

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
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past: Any = None,
        use_cache: bool = False,
    ) -> tuple[Tensor, Any]:
        """(B, T) ids -> (B, T, D) hidden states that `target_logprobs` takes, and the cache or None.

        With head None the last axis is V instead: the batch's own logits, all of them.
        attention_mask: None where columns may attend to all before them (padding on the right), else additive,
        (B, 1, T, past + T). position_ids: (B, T), 0 at a row's first token; None: columns count.
        past: an earlier call's cache, which is extended in place (see `repeat_cache`).
        Proven on loading: right padding without a mask always; `prefix_cache.block_mask`, with and without a past,
        where `shares_prefix` is true.
        """
        options: dict[str, Any] = {"use_cache": use_cache or past is not None}
        if attention_mask is not None:
            options["attention_mask"] = attention_mask
        if self._takes_positions and position_ids is not None:
            options["position_ids"] = position_ids
        if past is None and use_cache:
            past = prefix_cache.fresh_cache(self._cache)
        if past is not None and self._cache_name is not None:
            options[self._cache_name] = past
        output = self._body(input_ids=input_ids, **options)
        features = output.logits if self.head is None else output.last_hidden_state
        return features, getattr(output, self._cache_name or "", None) if options["use_cache"] else None

    def repeat_cache(self, past: Any, rows: Tensor) -> Any:
        """A new cache whose row i is row rows[i] of `past`; `past` stays as it is and can be used again."""
        return prefix_cache.repeat_cache(past, rows)

    def target_logprobs(self, features: Tensor, targets: Tensor) -> LinearLogprobs:
        """Rows of `forward`'s features (n, D or V), targets (n,) or (n, K) -> log-probabilities in nats, float32.

        -100 marks padding in targets; its logprob is 0.
        """
        if self.head is None:
            return logprobs_from_logits(features, targets.to(features.device))
        result = self.head.logprobs(features, targets)
        return LinearLogprobs(*(tensor.to(features.device) for tensor in result))


def load_model(
    name: str | Checkpoint,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    cache_dir: str | Path | None = None,
    offline: bool = False,
) -> Model:
    """Load a decoder-only causal LM and prove on a few tokens that what scoring relies on holds for it.

    name: a folder, a hub id, or what find_checkpoint gave (then revision, cache_dir and offline are its own).
    dtype: auto, float32, bfloat16, float16. device: auto, cpu, cuda, cuda:N, mps.
    Proven: logits are finite; the model is causal; the head apart gives the network's own logits (else head is None);
    packing and caching change nothing (else shares_prefix is False). What fell back is in `warnings`.
    Raises ModelError: one line that names the checkpoint, the fault and the way out.
    """
    if isinstance(name, Checkpoint):
        checkpoint = name
    else:
        checkpoint = find_checkpoint(name, revision=revision, cache_dir=cache_dir, offline=offline)
    loaded = load_network(fetch(checkpoint), dtype, device)
    try:
        return _prove(checkpoint, loaded)
    except ModelError:
        raise
    except Exception as error:  # a forward pass of a network that nobody here wrote
        if is_out_of_memory(error):
            reason = f"out of memory on {loaded.device} at its first tokens; try --dtype bfloat16 or a larger device"
        else:
            reason = f"its forward pass fails ({first_line(error)})"
        raise ModelError(f"{checkpoint.name}: {reason}") from error


def _prove(checkpoint: Checkpoint, loaded: Loaded) -> Model:
    network, tokenizer, dtype, notes = loaded.network, loaded.tokenizer, loaded.dtype, list(loaded.warnings)
    config = text_config(network.config)
    vocab_size = check_finite(network, checkpoint.name)
    found = find_head(network, vocab_size)
    if isinstance(found, str):
        notes.append(f"the head cannot be separated ({found}): its own logits are used, which takes more memory")
    body, head = (network, None) if isinstance(found, str) else found
    parameters = inspect.signature(body.forward).parameters
    devices = {str(parameter.device) for parameter in network.parameters()}
    model = Model(
        info=ModelInfo(
            name=checkpoint.name,
            revision=checkpoint.revision,
            dtype=str(dtype).removeprefix("torch."),
            device=str(network.device) if len(devices) == 1 else " + ".join(sorted(devices)),
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
        max_length=_max_length(config, tokenizer),
        sliding_window=_sliding_window(config),
        rope_switch=_rope_switch(config),
        shares_prefix=False,
        warnings=(),
        _body=body,
        _takes_positions="position_ids" in parameters,
        _cache_name=next((name for name in CACHE_NAMES if name in parameters), None),
        _cache="plain",
    )
    tolerance = prefix_cache.TOLERANCE.get(dtype, prefix_cache.TOLERANCE[torch.float32])
    ids, other = (probe_ids(network, 2 * prefix_cache.N_PROBE, seed) for seed in (1, 2))
    n_probe = min(model.max_length, prefix_cache.N_PROBE)
    if not prefix_cache.is_causal(model.forward, ids[:, :n_probe], other[:, :n_probe], tolerance):
        raise ModelError(
            f"{checkpoint.name}: not a causal LM: its states change when later tokens do ({model.info.family})"
        )
    part = prefix_cache.neighbours_part(model.forward, ids[:, :n_probe], other[:, :n_probe])
    if not part <= tolerance:
        notes.append(
            f"its layers round a row by what stands beside it in a batch ({loaded.quantization or 'own arithmetic'}), "
            f"which moved a probe's states by {part:.1g} of their size: numbers depend on --batch-size"
        )
    reason = _why_not_shared(model, ids, tolerance)
    model.shares_prefix = reason is None
    if reason is not None:
        notes.append(
            f"a context cannot be shared by its choices ({reason}): each choice runs the whole row, which is slower"
        )
    model.warnings = tuple(f"{checkpoint.name}: {note}" for note in notes)
    return model


def _why_not_shared(model: Model, ids: Tensor, tolerance: float) -> str | None:
    if model._cache_name is None:
        return "it has no key-value cache"
    if not model._takes_positions:
        return "it takes no positions"
    if model.max_packed_length < prefix_cache.N_PROBE:
        return f"its window of {model.max_packed_length} tokens is too short to tell"
    reason = None
    for model._cache in ("plain", "own"):
        why = prefix_cache.why_not_shared(model.forward, ids, model.network.dtype, tolerance)
        if why is None:
            return None
        reason = reason or why
    return reason


def _max_length(config: Any, tokenizer: Any) -> int:
    """lm-evaluation-harness's rule, so that truncation agrees: the config's window, else the tokenizer's, else 2048.

    (MPT's name for it is one the harness does not look for.)
    """
    for name in ("n_positions", "max_position_embeddings", "n_ctx", "max_seq_len"):
        value = getattr(config, name, None)
        if value is not None:
            return int(value)
    length = getattr(tokenizer, "model_max_length", None)
    return int(length) if length is not None and length < 10**9 else DEFAULT_MAX_LENGTH


def _sliding_window(config: Any) -> int | None:
    """Tokens; None when every layer attends to the whole past. Local chunks (Llama 4) count as windows."""
    kinds = getattr(config, "layer_types", None)
    if kinds and all("full" in kind or "linear" in kind for kind in kinds):
        return None
    if getattr(config, "use_sliding_window", None) is False:
        return None
    names = ["sliding_window", "attention_window_size", "attention_chunk_size"]
    if "local" in (getattr(config, "attention_layers", None) or ()):  # GPT-Neo
        names.append("window_size")
    sizes = [value for name in names if isinstance(value := getattr(config, name, None), int) and value > 0]
    return min(sizes, default=None)


def _rope_switch(config: Any) -> int | None:
    rope = getattr(config, "rope_scaling", None) or getattr(config, "rope_parameters", None) or {}
    if not isinstance(rope, dict) or rope.get("rope_type", rope.get("type")) != "longrope":
        return None
    length = getattr(config, "original_max_position_embeddings", None) or rope.get("original_max_position_embeddings")
    return None if length is None else int(length)
