"""Whether a candidate was asked as its baseline was: another prompt alone moves confidence."""

from __future__ import annotations

from calibaudit.errors import ScoresError
from calibaudit.scores.prompt_format import PromptFormat, differences
from calibaudit.scores.scores import Scores


def check_same_prompts(before: Scores, after: Scores) -> None:
    """Raises ScoresError, with what differs, unless both sides of a task were asked, and put to their templates, alike.

    The two hold the same items already; equal fingerprints show that their prompts are the same before any template.
    """
    if before.chat_template != after.chat_template:
        word = {False: "without", True: "inside"}
        raise ScoresError(
            f"task {before.task!r}: the chat template differs: the baseline was scored {word[before.chat_template]} "
            f"one, the candidate {word[after.chat_template]} one, and that alone moves confidence; score both the "
            "same way (--chat-template off), or bless a new baseline"
        )
    if before.model.gave_no_prompts or after.model.gave_no_prompts:
        return  # there is nothing to hold against each other
    if before.fingerprint != after.fingerprint:
        raise _of_other_prompts(before, after)
    if after.prompt is None or not after.chat_template:
        return
    told = f"task {before.task!r}: the prompts are not those of the baseline"
    if before.prompt is not None:
        if is_other_choice(before.prompt, after.prompt):
            raise ScoresError(
                f"{told} (--chat-template {before.prompt.named} before, {after.prompt.named} after, another "
                "template), and that alone moves confidence; score both the same way, or bless a new baseline"
            )
        if chosen := differences(before.prompt, after.prompt):
            raise ScoresError(
                f"{told} ({'; '.join(chosen)}), and that alone moves confidence; score the candidate as the baseline "
                "was, or bless a new one"
            )
    elif after.prompt.between or after.prompt.date or after.prompt.multiturn:
        raise ScoresError(
            f"{told}: it does not say how its chat prompts were written, and earlier versions scored at the end of the "
            "generation prompt, with today's date and examples in one turn; bless a new baseline"
        )


def is_other_choice(before: PromptFormat, after: PromptFormat) -> bool:
    """Whether the caller chose the two templates differently. That a model brings another template is no such choice.

    A file is another choice where its text is another: it comes with a change, and not with the model.
    """
    if before.template == after.template:
        return False
    return _own(before.named) != _own(after.named) or _is_file(before.named)


def _own(named: str) -> str:
    """The model's own template is one choice, alone or beside plain prompts."""
    return "auto" if named == "both" else named


def _is_file(named: str) -> bool:
    return "/" in named or "\\" in named or named.endswith(".jinja")


def _of_other_prompts(before: Scores, after: Scores) -> ScoresError:
    told = f"task {before.task!r}: the items are the same, but their prompts have another content (fingerprint "
    told += f"{before.fingerprint[:12]} before, {after.fingerprint[:12]} after)"
    if before.prompt is not None and after.prompt is not None and (chosen := differences(before.prompt, after.prompt)):
        told += f": {'; '.join(chosen)}"
    elif before.version != after.version:
        told += f": version {before.version} before, {after.version} after"
    elif before.chat_template and before.model.logged_by != after.model.logged_by:
        told += ", as far as they can be told: a log has them inside its chat template"
    return ScoresError(
        f"{told}; that alone moves confidence; score both with the same task file, examples and description, or bless "
        "a new baseline"
    )
