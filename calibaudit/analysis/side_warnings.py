"""What a reader must know about how a model was scored, a sentence each."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from calibaudit.scores.prompt_format import PromptFormat, differences
from calibaudit.scores.same_items import are_paired_by_ids
from calibaudit.scores.scores import Scores

LOW_OPTION_MASS = 0.5  # below it, most of the probability went to something that was not asked for

FEW_ITEMS = 100


def side_warnings(scores: Sequence[Scores], masses: Sequence[float | None]) -> list[str]:
    """What a reader must know about how one model was scored.

    masses: of each task, the mean probability on the options.
    """
    low = [
        f"{part.label} {value * 100:.0f} %"
        for part, value in zip(scores, masses, strict=True)
        if value is not None and value < LOW_OPTION_MASS
    ]
    cut = [f"{part.label} {part.n_truncated:,} of {part.n_items:,} items" for part in scores if part.n_truncated]
    healed = [f"{part.label} {part.n_healed:,} of {part.n_items:,} items" for part in scores if part.n_healed]
    moved = [f"{part.label} {part.n_moved:,} of {part.n_healed:,} items" for part in scores if part.n_moved]
    found = []
    if low:
        found.append(
            f"little of the probability is on the options ({listed(low)}): the model was mostly not answering "
            "the question asked"
        )
    if cut:
        found.append(f"contexts lost their beginning to fit the model's window ({listed(cut)})")
    if healed:
        found.append(
            "choices share their first token with the context, so the choices of an item are not all scored from one "
            f"position ({listed(healed)})"
        )
    if moved:
        found.append(
            "this changes answers: with all choices scored from one position, the first choice differs "
            f"({listed(moved)})"
        )
    found += _bounded(scores)
    closed = next((part.prompt for part in scores if part.prompt is not None and part.prompt.is_closed), None)
    if closed is not None:
        found.append(
            f"answers are scored {_place_of(closed)}, so this is an audit of answers without "
            "thinking (--think N lets the model think first)"
        )
    return found


def prompt_warnings(pairs: Sequence[tuple[Scores, Scores]]) -> list[str]:
    """What lies between the prompts of two sides that were asked the same items. pairs: of `scores.align.paired`."""
    found = []
    word = {False: "off", True: "on"}
    mixed = [(old, new) for old, new in pairs if old.chat_template != new.chat_template]
    if mixed:
        ways = [f"{word[o.chat_template]} before, {word[n.chat_template]} after" for o, n in mixed]
        where = listed([f"{o.task}: {way}" for (o, _), way in zip(mixed, ways, strict=True)])
        if len(mixed) > 1 and len(set(ways)) == 1:  # they all say the same: once
            tasks = list(dict.fromkeys(o.task for o, _ in mixed))
            of_all = "both tasks" if len(tasks) == 2 else f"all {len(tasks)} tasks"
            where = f"{ways[0]}, in {of_all if len(mixed) == len(pairs) > 1 else listed(tasks)}"
        logged = any(part.model.logged_by for pair in mixed for part in pair)
        how = "log both sides the same way" if logged else "use --chat-template off"
        found.append(
            f"the chat template is on one side only ({where}): the template alone can move confidence; {how} "
            "for the same prompt"
        )
    named = [_named_differences(old, new) for old, new in pairs]
    chosen = dict.fromkeys(text for texts in named for text in texts)
    if chosen:
        found.append(f"the prompts were written differently ({'; '.join(chosen)}): that alone can move confidence")
    apart = [
        old.label + _versions(old, new)
        for (old, new), texts in zip(pairs, named, strict=True)
        if not (old.model.gave_no_prompts or new.model.gave_no_prompts)
        if old.fingerprint != new.fingerprint and not texts and _is_rendered(old) == _is_rendered(new)
    ]
    if apart:
        found.append(
            "prompts differ: the same items were asked with different wording, examples or description "
            f"({listed(apart)}): that alone can move confidence"
        )
    hidden = [
        old.label
        for old, new in pairs
        if old.chat_template and new.chat_template and _is_rendered(old) != _is_rendered(new)
    ]
    if hidden:
        found.append(
            "it is unknown whether both sides have the same wording and examples: a log holds its questions inside a "
            f"chat template ({listed(hidden)})"
        )
    tables = [old.label for old, new in pairs if old.model.gave_no_prompts or new.model.gave_no_prompts]
    if tables:
        found.append(
            "it is unknown whether both sides were asked in the same words: a table holds no prompts "
            f"({listed(tables)})"
        )
    by_ids = [old.label for old, new in pairs if are_paired_by_ids(old, new)]
    if by_ids:
        found.append(
            "a log's rows are not those of the data set, so its items were matched by id, right answer and choices "
            f"({listed(by_ids)})"
        )
    return [*found, *_undocumented(pairs)]


def _undocumented(pairs: Sequence[tuple[Scores, Scores]]) -> list[str]:
    """At most one sentence: of which tasks nothing but the files' own word says that the questions are the same."""
    blind = [pair for pair in pairs if any(part.documents is None for part in pair)]
    names = dict.fromkeys(part.model.name for pair in blind for part in pair if part.documents is None)
    if not blind:
        return []
    return [
        f"{' and '.join(names)}: scores without documents, so items were paired by id and by the fingerprint that the "
        f"file states, not question by question ({listed([old.label for old, _ in blind])}); score again to have them"
    ]


def _named_differences(old: Scores, new: Scores) -> list[str]:
    return [] if old.prompt is None or new.prompt is None else differences(old.prompt, new.prompt)


def _is_rendered(scores: Scores) -> bool:
    """Whether the prompts that were read are those of a template."""
    return bool(scores.model.logged_by) and scores.chat_template


def _versions(old: Scores, new: Scores) -> str:
    return "" if old.version == new.version else f", version {old.version} before and {new.version} after"


def _bounded(scores: Sequence[Scores]) -> list[str]:
    """At most one sentence: whose options were outside the list of most probable tokens that a server gave."""
    outside = [f"{part.label} {part.n_bounded:,} of {part.n_items:,} items" for part in scores if part.n_bounded]
    if not outside:
        return []
    unranked = 0
    for part in scores:
        real = np.isfinite(part.logprobs)
        least, most = (np.where(real, part.logprobs, fill) for fill in (np.inf, -np.inf))
        unranked += int((least.min(axis=1) == most.max(axis=1)).sum()) if part.n_bounded else 0
    text = (
        f"an option was outside the most probable tokens that the server lists ({listed(outside)}): it gets the number "
        "of the last in the list, which is at least its own, so the mass on the options and the probability of these "
        "options are upper bounds, and that of the others a lower one"
    )
    return [text + (f"; with {unranked:,} items no option was listed: nothing ranks them" if unranked else "")]


def _place_of(prompt: PromptFormat) -> str:
    if not prompt.beyond:
        return f"behind {shown_text(prompt.between)}"
    return f"where the template writes them, not behind the {shown_text(prompt.beyond)} of its generation prompt"


def shown_text(text: str) -> str:
    """A short text in quotes, its line breaks visible."""
    return json.dumps(text if len(text) <= 60 else text[:57] + "...", ensure_ascii=False)


def few_items_warning(tasks: Sequence[tuple[str, int]]) -> list[str]:
    """At most one sentence: the tasks, (label, items), that are too small to say much."""
    few = [f"{label} {n_items}" for label, n_items in tasks if n_items < FEW_ITEMS]
    return [f"fewer than {FEW_ITEMS} items: expect wide intervals ({listed(few)})"] if few else []


def listed(entries: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(entries[:most])
    return f"{shown} and {len(entries) - most} more" if len(entries) > most else shown
