"""Two checkpoints, tuning rows and audited items -> what a tuning run needs, before any weights are loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibaudit.chat.settings import ChatSettings
from calibaudit.chat.template import CHOICES, template_source
from calibaudit.errors import ModelError
from calibaudit.models.checkpoints import Checkpoint, context_window, fetch, find_checkpoint, read_settings, stop_ids
from calibaudit.models.formats.digests import Digests
from calibaudit.models.formats.quantization import described, quantization_settings
from calibaudit.models.tokenizer import check_vocabularies, load_tokenizer
from calibaudit.tasks.items import Task
from calibaudit.training.data.encode import Example, encode_rows
from calibaudit.training.data.rows import read_rows
from calibaudit.training.held_out import without_seen
from calibaudit.training.results.data import SftSummary

N_FAULTS = 20
"""Unusable rows that a summary names; it counts them all."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """tokenizer: instruct's, whose chat template the data goes through. tasks: without the items seen in the data.

    data: None without tuning rows; then there are no examples.
    """

    base: Checkpoint
    instruct: Checkpoint
    tokenizer: Any
    base_tokenizer: Any
    examples: tuple[Example, ...]
    tasks: tuple[Task, ...]
    data: SftSummary | None


def prepare(
    base: str,
    instruct: str,
    data: str | None,
    tasks: Sequence[Task],
    *,
    max_length: int = 4096,
    split: str = "train",
    columns: Mapping[str, str] | None = None,
    revisions: tuple[str | None, str | None] = (None, None),
    offline: bool = False,
    one_vocabulary: bool = True,
    start: str | None = "base",
    chat: ChatSettings | None = None,
    digests: Digests | None = None,
) -> Prepared:
    """Rows read and encoded, audited items kept apart from them.

    data: None for no rows. max_length: tokens of a row; fewer where the models' windows are shorter. columns: a
    column's name -> the key that it is read as. revisions: of base and instruct. one_vocabulary: whether base has to
    know all of instruct's tokens. start: base or instruct, which is tuned; see `check_tunable`; None where that is seen
    later. chat: how rows stand in the chat template. digests: where those of the weights are remembered.
    Raises CalibauditError where the checkpoints, their vocabularies or the data are unusable.
    """
    sides = [
        fetch(find_checkpoint(name, revision=revision, offline=offline, digests=digests))
        for name, revision in zip((base, instruct), revisions, strict=True)
    ]
    tokenizers = [load_tokenizer(side) for side in sides]
    if chat is not None and chat.template not in CHOICES:
        # What is tuned in a template of the caller's is saved with it.
        tokenizers[1].chat_template = template_source(tokenizers[1], chat.template)
    ready = Prepared(sides[0], sides[1], tokenizers[1], tokenizers[0], (), tuple(tasks), None)
    if start is not None:
        check_tunable(ready, start, one_vocabulary=one_vocabulary)
    if data is None:
        return ready
    rows = read_rows(data, split=split, offline=offline, columns=columns)
    encoded = encode_rows(
        rows.rows,
        tokenizers[1],
        min(max_length, *map(context_window, sides)),
        chat=chat,
        stop_ids=stop_ids(sides[1]),
    )
    kept, n_left_out = without_seen(tasks, rows.rows)
    faults = (*rows.faults, *encoded.faults)
    summary = SftSummary(
        source=data,
        n_rows=rows.n_read,
        n_examples=len(encoded.examples),
        n_faulty=len(faults),
        n_truncated=encoded.n_truncated,
        n_target_tokens=sum(label >= 0 for example in encoded.examples for label in example.labels),
        n_items_left_out=n_left_out,
        faults=faults[:N_FAULTS],
        unread=rows.unread,
        n_merged=encoded.n_merged,
        n_unstopped=encoded.n_unstopped,
    )
    return dataclasses.replace(ready, examples=encoded.examples, tasks=kept, data=summary)


def check_tunable(ready: Prepared, start: str, *, one_vocabulary: bool = True) -> None:
    """Raises ModelError unless `start`, base or instruct, has plain weights, and base knows all of instruct's tokens.

    one_vocabulary: whether it has to.
    """
    tuned = ready.instruct if start == "instruct" else ready.base
    settings = quantization_settings(read_settings(tuned))
    if settings is not None:
        raise ModelError(
            f"{tuned.name}: its weights are quantized ({described(settings)}) and cannot be tuned further; give the "
            "checkpoint that was quantized"
        )
    if one_vocabulary:
        check_vocabularies(ready.base, ready.instruct, ready.base_tokenizer, ready.tokenizer)
