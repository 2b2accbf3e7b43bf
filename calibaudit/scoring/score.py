"""Task + Model -> Scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibaudit.chat.settings import ChatSettings
from calibaudit.errors import ScoresError
from calibaudit.models.distributed import gathered, own_share
from calibaudit.models.model import Model
from calibaudit.scores.scores import Scores, padded
from calibaudit.scoring.batches import batch_size_for, score_rows
from calibaudit.scoring.cache import ItemCache, PromptResult
from calibaudit.scoring.encode import EncodedPrompt, Encoder
from calibaudit.scoring.prompts import ChatPrompts, PlainPrompts, Prompt, prompts_for, prompts_of
from calibaudit.tasks.items import Task

PROMPTS_PER_BLOCK = 4_096
"""Prompts are tokenized and sorted in blocks of this size, so that a 14,000-item task starts at once."""

Progress = Callable[[int, int], None]


def score(
    task: Task,
    model: Model,
    *,
    chat: ChatSettings | None = None,
    batch_size: int | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Log-probabilities of every choice of every item.

    chat: how prompts stand in the tokenizer's chat template; None for as the command does it, inside the template where
    there is one. batch_size: rows a forward pass, None for as many as fit. cache_dir: keep finished items there and
    read them back, None for neither. progress: called with (finished, all) items of this process; under torchrun each
    process scores its share. Results do not depend on batch_size or on what was cached, to 1e-4 nats in float32.
    Raises TaskError, ModelError or ScoresError with the item's name.
    """
    writer = prompts_for(model.tokenizer, chat or ChatSettings())
    prompts, bare = prompts_of(task, writer)
    with ItemCache(cache_dir, _settings(model)) as cache:
        for part, shown in ((prompts, progress), (bare, None)):
            own = own_share(part)
            _complete(own, model, batch_size, cache, _counter(len(own), shown))
            cache.remember(gathered(_results(own, cache)))
        return _collect(task, model, writer, _results(prompts, cache), _results(bare, cache))


def _settings(model: Model) -> dict[str, Any]:
    """What a kept log-probability depends on besides the text; the text is the key."""
    info = model.info
    return {
        "revision": info.revision,
        "dtype": info.dtype,
        "device": model.device.type,
        "head": info.head,
        "max_length": model.max_length,
    }


def _counter(total: int, progress: Progress | None) -> Callable[[int], None]:
    done = 0

    def add(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None:
            progress(done, total)

    return add


def _complete(
    prompts: Sequence[Prompt], model: Model, batch_size: int | None, cache: ItemCache, report: Callable[[int], None]
) -> None:
    """Computes what the cache lacks, and keeps each prompt as soon as its last row is done."""
    missing = {prompt.key: prompt for prompt in prompts if cache.get(prompt.key) is None}
    todo = list(missing.values())
    report(len(prompts) - len(todo))
    encoder = Encoder(model.tokenizer, model.prefix_token_id, model.max_length)
    size = batch_size_for(model, batch_size)
    for start in range(0, len(todo), PROMPTS_PER_BLOCK):
        block = todo[start : start + PROMPTS_PER_BLOCK]
        encoded = encoder.encode(block)
        rows = [row for prompt in encoded for row in (*prompt.rows, *prompt.shared)]
        owner = [i for i, prompt in enumerate(encoded) for _ in (*prompt.rows, *prompt.shared)]
        open_rows = [len(prompt.rows) + len(prompt.shared) for prompt in encoded]
        values: list[dict[int, float]] = [{} for _ in block]
        for batch in score_rows(model, rows, size, [block[i].where for i in owner]):
            finished = []
            for index, logprobs in zip(batch.indices, batch.logprobs, strict=True):
                i = owner[index]
                values[i].update(zip(rows[index].choices, logprobs, strict=True))
                open_rows[i] -= 1
                if not open_rows[i]:
                    finished.append(_result(block[i], encoded[i], values[i]))
            cache.add(finished)
            report(len(finished))


def _result(prompt: Prompt, encoded: EncodedPrompt, values: dict[int, float]) -> PromptResult:
    n = len(prompt.pairs)
    logprobs = tuple(values[choice] for choice in sorted(values))
    for choice, value in enumerate(logprobs):
        if not np.isfinite(value):
            raise ScoresError(
                f"{prompt.where}: choice {choice % n} has log-probability {value}: the model overflows on it; "
                "try --dtype float32"
            )
    return PromptResult(prompt.key, logprobs[:n], encoded.n_tokens, encoded.truncated, logprobs[n:])


def _results(prompts: Iterable[Prompt], cache: ItemCache) -> list[PromptResult]:
    results = [cache.get(prompt.key) for prompt in prompts]
    assert all(result is not None for result in results)
    return [result for result in results if result is not None]


def _collect(
    task: Task,
    model: Model,
    writer: PlainPrompts | ChatPrompts,
    results: list[PromptResult],
    bare: list[PromptResult],
) -> Scores:
    items = task.items
    logprobs = padded([result.logprobs for result in results], -np.inf)
    grouped = any(item.group is not None for item in items)
    scores = Scores(
        task=task.name,
        version=task.version,
        scoring=task.scoring,
        fingerprint=task.fingerprint,
        model=model.info,
        chat_template=writer.is_chat,
        item_ids=tuple(item.id for item in items),
        groups=tuple(item.group if item.group is not None else item.id for item in items) if grouped else None,
        logprobs=logprobs,
        answer=np.array([item.answer for item in items], dtype=np.int64),
        n_tokens=padded([result.n_tokens for result in results], 0).astype(np.int64),
        n_bytes=padded([[len(c.encode()) for c in item.choices] for item in items], 0).astype(np.int64),
        n_chars=padded([[len(c) for c in item.choices] for item in items], 0).astype(np.int64),
        option_mass=np.exp(logprobs).sum(axis=1).clip(max=1.0) if task.scoring == "letter" else None,
        unconditional=padded([result.logprobs for result in bare], -np.inf) if bare else None,
        n_truncated=sum(result.truncated for result in results),
        n_healed=sum(result.healed for result in results),
        documents=tuple(item.document for item in items),
        prompt=writer.format(task),
    )
    shared = padded([result.shared or result.logprobs for result in results], -np.inf)
    first, at_one_place = (
        part.choice_scores().argmax(axis=1) for part in (scores, dataclasses.replace(scores, logprobs=shared))
    )
    return dataclasses.replace(scores, n_moved=int((first != at_one_place).sum()))
