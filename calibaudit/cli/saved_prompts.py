"""What saved scores settle: no flag changes how they were asked, and a candidate is asked as its saved baseline was.

The chat template is the baseline's by default; another one is refused before a model is loaded.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibaudit.cli.settings.given import sources
from calibaudit.errors import CalibauditError, ScoresError

if TYPE_CHECKING:
    from calibaudit.cli.groups import ChatFlags
    from calibaudit.scores.scores import Scores
    from calibaudit.scoring.evaluate import RunOptions


_OF_PROMPTS = frozenset({
    *("limit", "per_level", "num_fewshot", "scoring", "fewshot_seed", "system", "answer_prefix", "mirror"),
    *("chat_template", "chat_template_kwargs", "template_date", "answer_at", "fewshot_as_multiturn"),
    *("think", "think_samples", "think_seed", "save_thoughts", "dtype", "engine", "tokenizer"),
    *("revision", "baseline_revision", "base_revision", "instruct_revision"),
})  # fmt: skip
"""What decides which numbers a model gives: of saved ones nothing more is decided."""


def refuse_idle(models: Sequence[str]) -> None:
    """Raises CalibauditError for a flag of the command line that says nothing to saved scores."""
    idle = [flag for name, flag in sources(flags_only=True).items() if name in _OF_PROMPTS]
    if idle:
        which, are = " and ".join(models), "are" if len(models) > 1 else "is"
        raise CalibauditError(
            f"{', '.join(idle)}: no effect: {which} {are} saved scores, with the items and prompts they were "
            f"scored with; drop {'it' if len(idle) == 1 else 'them'}, or name a checkpoint"
        )


def with_template_of(held: Sequence[Scores], chat: ChatFlags) -> ChatFlags:
    """The flags, with the baseline's chat template where none names one.

    held: all that the baseline holds. A template that stood in a file is that file again.
    """
    chosen = template_choice(held)
    if chosen is None or "chat_template" in sources():
        return chat
    return dataclasses.replace(chat, chat_template=chosen)


def template_choice(held: Sequence[Scores]) -> str | None:
    """What `--chat-template` was for these scores; None where they do not tell, or not one thing for all."""
    if any(part.model.gave_no_prompts for part in held):
        return None
    inside = {part.chat_template for part in held}
    if inside == {False}:
        return "off"
    if inside == {True}:
        named = {"auto" if part.prompt is None else part.prompt.named for part in held}
        return named.pop() if len(named) == 1 else None
    twice = {part.task for part in held if part.chat_template} == {part.task for part in held if not part.chat_template}
    return "both" if twice else None


def check_prompts(held: Sequence[Scores], baseline: str, candidate: str, options: RunOptions) -> None:
    """Raises ScoresError where the candidate, a checkpoint, would be asked otherwise than the baseline was.

    Its tokenizer says whether there is a chat template; the network is not loaded.
    """
    if any(part.model.gave_no_prompts for part in held):
        return
    chosen = options.chat.template
    templates = {part.prompt.template for part in held if part.chat_template and part.prompt is not None}
    source = None if chosen == "off" else _source(candidate, options)
    inside = {False} if source is None else {False, True} if chosen == "both" else {True}
    known = {part.chat_template for part in held}
    given = sources().get("chat_template")
    how = f"--chat-template {chosen}" + (f" of {given}" if given and given != "--chat-template" else "")
    if inside != known:
        words = {(False,): "without a chat template", (True,): "inside one", (False, True): "both ways"}
        old, new = (words[tuple(sorted(side))] for side in (known, inside))
        raise ScoresError(
            f"the chat template differs: {baseline} was scored {old}, {candidate} would be scored {new} ({how}), and "
            "that alone moves confidence; leave the flag out, or bless a new baseline"
        )
    if source is not None:
        from calibaudit.gating.same_prompts import is_other_choice

        digest = hashlib.sha256(source.encode()).hexdigest()[:16]
        for part in held:
            if part.chat_template and part.prompt is not None and templates:
                named = "auto" if chosen == "both" else chosen
                if is_other_choice(part.prompt, dataclasses.replace(part.prompt, named=named, template=digest)):
                    raise ScoresError(
                        f"the chat template differs: {baseline} was scored with --chat-template {part.prompt.named}, "
                        f"{how} gives {candidate} another, and that alone moves confidence; leave the flag out, or "
                        "bless a new baseline"
                    )
    _check_settings(held, baseline, options)


def _check_settings(held: Sequence[Scores], baseline: str, options: RunOptions) -> None:
    from calibaudit.scores.prompt_format import differences

    for part in held:
        if not part.chat_template or part.prompt is None or part.model.logged_by:
            continue
        thinking = "" if options.thinking is None else options.thinking.words
        asked = dataclasses.replace(
            part.prompt, answer_at=options.chat.answer_at, kwargs=options.chat.kwargs, thinking=thinking
        )
        if chosen := differences(part.prompt, asked):
            raise ScoresError(
                f"task {part.task!r}: the prompts are not those of {baseline} ({'; '.join(chosen)}), and that alone "
                "moves confidence; score the candidate as the baseline was, or bless a new one"
            )


def _source(candidate: str, options: RunOptions) -> str | None:
    """The chat template that the candidate would be asked in; None for none."""
    from calibaudit.chat.template import template_source
    from calibaudit.models.checkpoints import fetch_tokenizer, find_checkpoint
    from calibaudit.models.distributed import once_a_node
    from calibaudit.models.formats.digests import Digests
    from calibaudit.models.tokenizer import load_tokenizer

    digests = Digests(options.cache, options.verify)
    checkpoint = once_a_node(
        lambda: find_checkpoint(candidate, revision=options.revision, offline=options.offline, digests=digests)
    )
    return template_source(load_tokenizer(once_a_node(lambda: fetch_tokenizer(checkpoint))), options.chat.template)
