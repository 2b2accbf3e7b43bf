"""Task + Model -> Scores."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibaudit.chat.settings import ChatSettings, checked_chat
from calibaudit.errors import ModelError, ScoresError
from calibaudit.files.paths import user_path
from calibaudit.models.distributed import dealt, gathered, leads, rank, world_size
from calibaudit.scores.prompt_format import PromptFormat
from calibaudit.scores.schema import padded
from calibaudit.scores.scores import Scores
from calibaudit.scores.thinking import Thinking, Thought
from calibaudit.scoring.cache import ItemCache, PromptResult
from calibaudit.scoring.encode import EncodedPrompt, Encoder, encoded_blocks
from calibaudit.scoring.engines.engine import Engine, engine_of
from calibaudit.scoring.engines.remembered import PromptCache, TaskPrompts, task_key
from calibaudit.scoring.prompts import ChatPrompts, PlainPrompts, Prompt, prompts_for, where_of
from calibaudit.scoring.thought_prompt import ThoughtPrompt, reasoned_text
from calibaudit.tasks.items import Item, Task, check_task

if TYPE_CHECKING:
    from calibaudit.models.model import Model

PROMPTS_PER_BLOCK = 4_096
"""Prompts are tokenized and sorted in blocks of this size, so that a 14,000-item task starts at once."""

FIRST_PROMPTS = {"cuda": 128}
"""Prompts of the first block: a GPU waits for it alone, while the next one is tokenized as this one is scored."""

Progress = Callable[[int, int], None]


def score(
    task: Task,
    model: Model | Engine,
    *,
    chat: ChatSettings | None = None,
    thinking: Thinking | None = None,
    save_thoughts: bool = False,
    batch_size: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    kept: PromptCache | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Log-probabilities of every choice of every item.

    model: a network in this process, or an engine that runs one elsewhere; that writes no thoughts. chat: how prompts
    stand in the tokenizer's chat template; None for as the command does it, inside the template where there is one.
    thinking: what the model may write before it answers; None: answers are direct. save_thoughts: keep that with the
    scores. batch_size: rows a forward pass, None for as many as fit. cache_dir: where finished items are kept and read
    from, None for nowhere. progress: called with (finished, all) items, or thoughts, of this process: those that were
    kept, and its share of the others. kept: where to note which prompts the task came to, for `kept_score`. Results do
    not depend on batch_size, on what was cached or on how many processes share the work, to 1e-4 nats in float32, where
    these processes run the network.
    Raises TaskError, ModelError or ScoresError with the item's name.
    """
    check_task(task)
    chat = checked_chat(chat)
    folder = None if cache_dir is None else user_path(cache_dir, ScoresError)
    engine = engine_of(model, batch_size)
    writer = prompts_for(model.tokenizer, chat)
    engine.check_task(task)
    direct = _Questions(task.items, lambda i, item: writer.prompt(item, where_of(task, item)))
    direct.prompt(0)  # what is recorded of the prompts is read off the first
    bare = _Questions(
        task.items if task.scoring == "pmi" else (), lambda i, item: writer.unconditional(item, where_of(task, item))
    )
    if thinking is None:
        asked, alone = _answered([direct, bare], engine, folder, progress)
        form = writer.format(task)
        if kept is not None and (key := task_key(task, chat)) is not None:
            keys = (tuple(result.key for result in part) for part in (asked, alone))
            kept.add([TaskPrompts(key, writer.is_chat, form, *keys)])
        return _collect(task, model, writer.is_chat, form, asked, alone)
    if isinstance(writer, PlainPrompts):
        raise ModelError(f"{model.info.name}: --think needs a chat template: it says where a thought begins and ends")
    from calibaudit.models.model import Model
    from calibaudit.scoring.thoughts import record, think

    if not isinstance(model, Model):
        raise ModelError(
            f"{model.info.name}: --think: only a model that runs in this process can think, not {model.info.engine}"
        )
    places = [writer.thought_prompts(item, where_of(task, item)) for item in task.items]
    found = think(
        model,
        [place for item in places for place in item],
        thinking,
        batch_size,
        cache_dir=folder,
        progress=progress,
    )
    thoughts = _per_item(found, [len(item) for item in places])
    samples = [_behind(task, writer, places, thoughts, k) for k in range(thinking.samples)]
    asked, alone, *reasoned = _answered([direct, bare, *samples], engine, folder, progress)
    results = [mean_result(results) for results in zip(*reasoned, strict=True)]
    scores = _collect(task, model, True, writer.format(task, thinking), results, alone)
    return dataclasses.replace(scores, thinking=record(thinking, thoughts, asked, save_thoughts))


class _Questions:
    """The prompts of items, each made when it is asked for: a process makes those of its share alone.

    costs: of each item, about what it takes to score, in characters: its context once, and its choices.
    """

    def __init__(self, items: Sequence[Item], make: Callable[[int, Item], Prompt]) -> None:
        self._items, self._make = items, make
        self._made: dict[int, Prompt] = {}
        self.costs = [len(item.context) + sum(map(len, item.choices)) for item in items]

    def prompt(self, i: int) -> Prompt:
        """Raises ModelError, naming the item, when the template fails."""
        if i not in self._made:
            self._made[i] = self._make(i, self._items[i])
        return self._made[i]


def kept_score(
    task: Task, engine: Engine, *, chat: ChatSettings, cache_dir: Path, kept: PromptCache, progress: Progress
) -> Scores | None:
    """What `score` gives, of kept prompts and kept results alone; None where one of them is missing."""
    key = task_key(task, chat)
    prompts = None if key is None else kept.get(key)
    if prompts is None:
        return None
    with ItemCache(cache_dir, engine.settings()) as cache:
        asked, bare = ([cache.get(one) for one in keys] for keys in (prompts.asked, prompts.bare))
    if None in asked or None in bare:
        return None
    progress(len(asked), len(asked))
    found, alone = ([one for one in part if one is not None] for part in (asked, bare))
    return _collect(task, engine, prompts.is_chat, prompts.form, found, alone)


def _answered(
    parts: Sequence[_Questions],
    engine: Engine,
    cache_dir: Path | None,
    progress: Progress | None,
) -> list[list[PromptResult]]:
    """The results of each part's questions, in order; progress goes by the first part."""
    with ItemCache(cache_dir, engine.settings()) as cache:
        engine.check_kept(cache)
        return [_answers(part, engine, cache, None if i else progress) for i, part in enumerate(parts)]


def _answers(questions: _Questions, engine: Engine, cache: ItemCache, progress: Progress | None) -> list[PromptResult]:
    """All processes first tell each other what is kept, so that they agree on what is missing: another run may write
    to the file meanwhile. That is then dealt among the copies of the model, by cost."""
    costs = questions.costs
    looked_up = dealt(costs, world_size())[rank()]
    found = dict(gathered([(i, cache.get(questions.prompt(i).key)) for i in looked_up]))
    missing = [i for i in range(len(costs)) if found[i] is None]
    own: list[int] = []
    n_ranks = engine.n_ranks if missing else 1
    if missing:
        share = dealt([costs[i] for i in missing], world_size() // n_ranks)[rank() // n_ranks]
        own = [missing[k] for k in share]
    report = _counter(len(costs) - len(missing) + len(own), progress)
    report(len(costs) - len(missing))
    prompts = [questions.prompt(i) for i in own]
    keep = cache.add if leads(n_ranks) else cache.remember
    _complete(prompts, engine, cache, keep, report, claims=n_ranks == 1)
    if missing:
        found |= gathered([(i, cache.get(prompt.key)) for i, prompt in zip(own, prompts, strict=True)], n_ranks)
    results = [found[i] for i in range(len(costs))]
    assert all(result is not None for result in results)
    return [result for result in results if result is not None]


def _per_item(found: Sequence[tuple[Thought, ...]], counts: Sequence[int]) -> list[list[tuple[Thought, ...]]]:
    """The thoughts, place after place, as those of each item."""
    rest = iter(found)
    return [[next(rest) for _ in range(n)] for n in counts]


def _behind(
    task: Task,
    writer: ChatPrompts,
    places: Sequence[Sequence[ThoughtPrompt]],
    thoughts: Sequence[Sequence[tuple[Thought, ...]]],
    sample: int,
) -> _Questions:
    """Each item behind its thoughts of one sample."""
    texts = [
        [reasoned_text(place, thought[sample]) for place, thought in zip(own, found, strict=True)]
        for own, found in zip(places, thoughts, strict=True)
    ]
    return _Questions(task.items, lambda i, item: writer.reasoned(item, where_of(task, item), texts[i]))


def mean_result(results: Sequence[PromptResult]) -> PromptResult:
    """Probabilities averaged over several thoughts of one item."""
    if len(results) == 1:
        return results[0]

    def mean(rows: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
        return tuple(np.logaddexp.reduce(np.array(rows), axis=0) - np.log(len(rows)))

    healed = any(result.healed for result in results)
    return PromptResult(
        results[0].key,
        mean([result.logprobs for result in results]),
        results[0].n_tokens,
        any(result.truncated for result in results),
        mean([result.shared or result.logprobs for result in results]) if healed else (),
    )


def _counter(total: int, progress: Progress | None) -> Callable[[int], None]:
    done = 0

    def add(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None:
            progress(done, total)

    return add


def _complete(
    prompts: Sequence[Prompt],
    engine: Engine,
    cache: ItemCache,
    keep: Callable[[Sequence[PromptResult]], None],
    report: Callable[[int], None],
    *,
    claims: bool,
) -> None:
    """Computes what the cache lacks, and keeps each prompt as soon as its last row is done.

    claims: leave out what another process on the cache is at, and wait for that at the end; without it all processes
    that run one copy of a model run the same rows.
    """
    todo = list({prompt.key: prompt for prompt in prompts}.values())
    report(len(prompts) - len(todo))
    while todo:
        done = _compute(todo, engine, cache, keep, report, claims)
        left = [prompt for prompt in todo if cache.get(prompt.key) is None]
        report(len(todo) - len(left) - done)
        todo = left
        if todo:
            assert claims
            cache.wait([prompt.key for prompt in todo])


def _compute(
    todo: Sequence[Prompt],
    engine: Engine,
    cache: ItemCache,
    keep: Callable[[Sequence[PromptResult]], None],
    report: Callable[[int], None],
    claims: bool,
) -> int:
    """The prompts, but for those that another process is at or has finished meanwhile; how many it was."""
    done = 0
    encoder = Encoder(engine.tokenizer, engine.prefix_token_id, engine.max_length, engine.n_embeddings)
    first = FIRST_PROMPTS.get(engine.settings().get("device", ""), PROMPTS_PER_BLOCK)
    for start, encoded in encoded_blocks(encoder, todo, first, PROMPTS_PER_BLOCK):
        block = todo[start : start + len(encoded)]
        rows = [row for prompt in encoded for row in (*prompt.rows, *prompt.shared)]
        owner = [i for i, prompt in enumerate(encoded) for _ in (*prompt.rows, *prompt.shared)]
        open_rows = [len(prompt.rows) + len(prompt.shared) for prompt in encoded]
        values: list[dict[int, float]] = [{} for _ in block]
        bounded: list[set[int]] = [set() for _ in block]

        def take(row: int, owner: list[int] = owner, block: Sequence[Prompt] = block) -> bool:
            key = block[owner[row]].key
            return cache.claim(key) and cache.get(key) is None

        for batch in engine.score_rows(rows, [block[i].where for i in owner], take if claims else None):
            finished = []
            for n, (index, logprobs) in enumerate(zip(batch.indices, batch.logprobs, strict=True)):
                i = owner[index]
                values[i].update(zip(rows[index].choices, logprobs, strict=True))
                if batch.bounded:
                    bounded[i].update(rows[index].choices[c] for c in batch.bounded[n])
                open_rows[i] -= 1
                if not open_rows[i]:
                    finished.append(_result(block[i], encoded[i], values[i], bounded[i]))
            keep(finished)
            report(len(finished))
            done += len(finished)
    return done


def _result(prompt: Prompt, encoded: EncodedPrompt, values: dict[int, float], bounded: set[int]) -> PromptResult:
    n = len(prompt.pairs)
    logprobs = tuple(values[choice] for choice in sorted(values))
    for choice, value in enumerate(logprobs):
        if not np.isfinite(value):
            raise ScoresError(
                f"{prompt.where}: choice {choice % n} has log-probability {value}: the model overflows on it; "
                "try --dtype float32"
            )
    below = tuple(sorted(choice for choice in bounded if choice < n))
    return PromptResult(prompt.key, logprobs[:n], encoded.n_tokens, encoded.truncated, logprobs[n:], below)


def _collect(
    task: Task,
    model: Model | Engine,
    is_chat: bool,
    form: PromptFormat | None,
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
        chat_template=is_chat,
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
        n_bounded=sum(bool(result.bounded) for result in results),
        documents=tuple(item.document for item in items),
        prompt=form,
        levels=tuple(item.level for item in items) if any(item.level is not None for item in items) else None,
    )
    shared = padded([result.shared or result.logprobs for result in results], -np.inf)
    first, at_one_place = (
        part.choice_scores().argmax(axis=1) for part in (scores, dataclasses.replace(scores, logprobs=shared))
    )
    return dataclasses.replace(scores, n_moved=int((first != at_one_place).sum()))
