"""Prompts that end in an open thought -> the thoughts that a model writes there, and the texts after which it answers.

A thought depends on its prompt, the model and, if it is sampled, on the seed and which sample it is: not on the batch,
the process or the run in which it is written (generation.py says how). So thoughts are kept one by one, and one that
came to its end serves every limit that it fits under.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibaudit.files.checked_lines import count_of, flag_in, text_in
from calibaudit.models.devices import is_out_of_memory
from calibaudit.models.distributed import gathered, leads, own_share
from calibaudit.models.model import Model
from calibaudit.scores.schema import padded
from calibaudit.scores.thinking import Thinking, Thought, Thoughts
from calibaudit.scoring.batches import BatchSize, make_room
from calibaudit.scoring.cache import LineCache, PromptResult
from calibaudit.scoring.encode import Encoder, Tokens
from calibaudit.scoring.engines.versions import versions_of
from calibaudit.scoring.generation import GivenRow, Sampling, WrittenRow, own_sampling, pads_truly, write
from calibaudit.scoring.thought_prompt import ThoughtPrompt

logger = logging.getLogger(__name__)

TOKENS_PER_BATCH = {"cpu": 8_192, "cuda": 131_072}
"""What a batch starts from where nobody chose its rows, prompts and thoughts together; halved when memory runs out."""

ROOM_AFTER = 32
"""Tokens of the context window that a thought leaves to the answer, beside what closes the thought."""

_N_ANCHOR = 4
"""Tokens of the prompt that are decoded with a thought: some tokenizers drop a space from the first token of a text."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class KeptThought:
    """A thought in the cache. key: of the prompt and the sample, and of the limit where that cut the thought off."""

    key: str
    text: str
    n_tokens: int
    truncated: bool
    unclosed: bool


class ThoughtCache(LineCache[KeptThought]):
    """Thoughts of one model, one by one."""

    kind = "thoughts"
    format = 2

    def _read(self, fields: Mapping[str, Any]) -> KeptThought:
        return KeptThought(
            text_in(fields, "key"),
            text_in(fields, "text"),
            count_of(fields["n_tokens"]),
            flag_in(fields, "truncated"),
            flag_in(fields, "unclosed"),
        )


@dataclass(frozen=True)
class _Job:
    """One thought that is to be written."""

    prompt: ThoughtPrompt
    sample: int
    n_tokens: int

    @property
    def key(self) -> str:
        return f"{self.prompt.key}:{self.sample}"

    def seed(self, seed: int) -> int:
        """63 bits, of what the sample depends on."""
        digest = hashlib.sha256(json.dumps([seed, self.sample, self.prompt.key]).encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def found(self, cache: ThoughtCache) -> Thought | None:
        """The kept thought: one that ended within the limit, or one that this very limit cut off."""
        kept = cache.get(self.key)
        if kept is None or kept.n_tokens > self.n_tokens:
            kept = cache.get(f"{self.key}:{self.n_tokens}")
        return None if kept is None else Thought(kept.text, kept.n_tokens, kept.truncated, kept.unclosed)

    def kept(self, thought: Thought) -> KeptThought:
        return KeptThought(f"{self.key}:{self.n_tokens}" if thought.truncated else self.key, **asdict(thought))


def think(
    model: Model,
    prompts: Sequence[ThoughtPrompt],
    thinking: Thinking,
    batch_size: int | None = None,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> list[tuple[Thought, ...]]:
    """The thoughts of each prompt, `thinking.samples` each, in order.

    One sample is greedy; several are drawn as the model's generation_config says (temperature, top_k, top_p, min_p), at
    temperature 1 where it says nothing. batch_size: thoughts that are written at once, None for as many as fit.
    cache_dir: keep thoughts there and read them back, None for neither. progress: called with (finished, all) thoughts
    of this process; under torchrun each process writes its share.
    Raises ModelError when one thought alone does not fit in memory.
    """
    sampling = own_sampling(model) if thinking.samples > 1 else None
    jobs = [_Job(prompt, k, thinking.n_tokens) for prompt in prompts for k in range(thinking.samples)]
    n_ranks = model.n_ranks
    with ThoughtCache(cache_dir if leads(n_ranks) else None, _settings(model, thinking, sampling)) as cache:
        own = own_share(list({job.key: job for job in jobs}.values()), n_ranks)
        if n_ranks > 1:  # all processes of a copy write the same: they must know of the same ones
            cache.remember(gathered([job.kept(kept) for job in own if (kept := job.found(cache))], n_ranks))
        _complete(own, model, thinking, sampling, batch_size, cache, progress, claims=n_ranks == 1)
        cache.remember(gathered([job.kept(_done(job, cache)) for job in own], n_ranks))
        thoughts = [_done(job, cache) for job in jobs]
    n = thinking.samples
    return [tuple(thoughts[start : start + n]) for start in range(0, len(thoughts), n)]


def record(
    thinking: Thinking,
    thoughts: Sequence[Sequence[tuple[Thought, ...]]],
    direct: Sequence[PromptResult],
    save_thoughts: bool,
) -> Thoughts:
    """What scores say of the thoughts behind them. thoughts: of each item, of each of its places. direct: the results
    of the same items without."""
    every = [thought for item in thoughts for place in item for thought in place]
    return Thoughts(
        asked=thinking,
        n_thoughts=len(every),
        n_truncated=sum(thought.truncated for thought in every),
        n_unclosed=sum(thought.unclosed for thought in every),
        mean_tokens=sum(thought.n_tokens for thought in every) / len(every),
        direct=padded([result.logprobs for result in direct], -np.inf),
        texts=tuple(tuple(t.text for place in item for t in place) for item in thoughts) if save_thoughts else None,
    )


def _settings(model: Model, thinking: Thinking, sampling: Sampling | None) -> dict[str, Any]:
    """What a kept thought depends on besides its prompt, the sample and the limit."""
    info = model.info
    return {
        "revision": info.revision,
        "dtype": info.dtype,
        "device": model.device.type,
        "max_length": model.max_length,
        "versions": versions_of(info),
        "sampling": None if sampling is None else {**asdict(sampling), "seed": thinking.seed},
    }


def _done(job: _Job, cache: ThoughtCache) -> Thought:
    thought = job.found(cache)
    assert thought is not None
    return thought


def _complete(
    jobs: Sequence[_Job],
    model: Model,
    thinking: Thinking,
    sampling: Sampling | None,
    batch_size: int | None,
    cache: ThoughtCache,
    progress: Progress | None,
    *,
    claims: bool,
) -> None:
    """Writes what the cache lacks, longest prompts first, and keeps each batch as soon as it is done.

    claims: leave what another process on the cache is at to the end, and wait for it.
    """
    todo = [job for job in jobs if job.found(cache) is None]
    done = len(jobs) - len(todo)
    rows = _rows(todo, model, thinking)
    full = [job for job, row in zip(todo, rows, strict=True) if row.limit < 1]
    if full:
        logger.warning(
            "%s: the prompt leaves no room for a thought in the model's window of %d tokens (so do %d prompts in all)",
            full[0].prompt.where, model.max_length, len(full),
        )  # fmt: skip
    cache.add([job.kept(Thought("", 0, truncated=True)) for job in full])
    done += len(full)
    _report(progress, done, len(jobs))
    order = sorted((i for i, row in enumerate(rows) if row.limit > 0), key=lambda i: len(rows[i].tokens), reverse=True)
    size = _batch_size(model, batch_size, [rows[i] for i in order])

    def is_open(i: int) -> bool:
        return todo[i].found(cache) is None

    left: list[int] = []  # to another process, which is at it
    while order:
        width = len(rows[order[0]].tokens) + thinking.n_tokens
        offered = order[: size.rows_of(width)]
        batch = [i for i in offered if not claims or (cache.claim(todo[i].key) and is_open(i))]
        try:
            written = write(model, [rows[i] for i in batch], sampling) if batch else []
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            make_room(model, size, width, todo[batch[0]].prompt.where, error)
            continue
        cache.add([todo[i].kept(_thought(rows[i], w, model)) for i, w in zip(batch, written, strict=True)])
        cache.release(todo[i].key for i in batch)
        left += [i for i in offered if is_open(i)]
        done += len(offered) - sum(map(is_open, offered))
        _report(progress, done, len(jobs))
        order = order[len(offered) :]
        if not order and left:
            cache.wait([todo[i].key for i in left])
            order, left = left, []


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _batch_size(model: Model, n_rows: int | None, rows: Sequence[GivenRow]) -> BatchSize:
    """One row where others beside it would change what it gets: padding, or a longer row's rotary factors."""
    longest = max((len(row.tokens) + row.limit for row in rows), default=0)
    if model.rope_switch is not None and longest > model.rope_switch:
        n_rows = 1
    elif rows and n_rows != 1 and not pads_truly(model):
        logger.warning("%s: padding changes what it writes: thoughts are written one at a time", model.info.name)
        n_rows = 1
    budget = TOKENS_PER_BATCH.get(model.device.type, TOKENS_PER_BATCH["cpu"])
    return BatchSize(n_rows, min(budget, model.max_tokens or budget))


def _rows(jobs: Sequence[_Job], model: Model, thinking: Thinking) -> list[GivenRow]:
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length, model.n_embeddings)
    texts = [(job.prompt.text, job.prompt.adds_special) for job in jobs]
    contexts = encoder.contexts(texts, [job.prompt.where for job in jobs])
    closes = {job.prompt.close: 0 for job in jobs}
    for close in closes:
        closes[close] = len(model.tokenizer(close, add_special_tokens=False)["input_ids"])
    specials = _end_tokens(model)
    return [
        GivenRow(
            tokens,
            min(thinking.n_tokens, model.max_length - len(tokens) - closes[job.prompt.close] - ROOM_AFTER),
            job.prompt.mark,
            frozenset(i for i, token in specials.items() if not _is_of_thought(token, job.prompt)),
            job.seed(thinking.seed),
        )
        for job, tokens in zip(jobs, contexts, strict=True)
    ]


def _end_tokens(model: Model) -> dict[int, str]:
    """Ids that end a turn, with their text: what the checkpoint stops at, and special tokens, which are in no text."""
    tokenizer = model.tokenizer
    stops = model.network.generation_config.eos_token_id
    ids = {*(stops if isinstance(stops, list | tuple) else [stops]), tokenizer.eos_token_id, *tokenizer.all_special_ids}
    ids -= {None, tokenizer.unk_token_id}
    return {i: str(tokenizer.convert_ids_to_tokens(i)) for i in ids}


def _is_of_thought(token: str, prompt: ThoughtPrompt) -> bool:
    return token in prompt.close or prompt.text.rstrip().endswith(token)


def _thought(row: GivenRow, written: WrittenRow, model: Model) -> Thought:
    tokens = written.tokens[:-1] if written.ended else written.tokens
    text = _decoded(row.tokens[-_N_ANCHOR:], tokens, model.tokenizer)
    if written.closed:
        return Thought(text.partition(row.close)[0], len(written.tokens))
    # The last character may be cut in the middle of its bytes.
    return Thought(text.rstrip("\ufffd"), len(written.tokens), truncated=not written.ended, unclosed=written.ended)


def _decoded(before: Tokens, tokens: Tokens, tokenizer: Any) -> str:
    options = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    start, whole = (tokenizer.decode(list(ids), **options) for ids in (before, before + tokens))
    return str(whole[len(start) :] if whole.startswith(start) else tokenizer.decode(list(tokens), **options))
