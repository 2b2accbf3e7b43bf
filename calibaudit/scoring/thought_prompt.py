"""Where a model is to think before it answers, and what it reads once it has thought."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from calibaudit.scores.thinking import Thought


@dataclass(frozen=True)
class ThoughtPrompt:
    """text: all that the model has read, up to and with the mark that opens its thought. close: what stands between the
    thought and the answer; without the whitespace around it, it is the closing mark. where: how errors name it.
    adds_special: as a Prompt has it."""

    where: str
    text: str
    close: str
    adds_special: bool = False

    def __post_init__(self) -> None:
        assert self.mark, "a thought that nothing closes"

    @property
    def mark(self) -> str:
        return self.close.strip()

    @cached_property
    def key(self) -> str:
        """sha256 (hex) of the texts."""
        content = [self.text, self.close, self.adds_special]
        return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()


def reasoned_text(prompt: ThoughtPrompt, thought: Thought) -> str:
    """What the answer stands behind: the prompt, the thought and what closes it.

    Whitespace before the mark is the model's own where it wrote the mark itself, else that of `close`.
    """
    if thought.truncated or thought.unclosed:
        return prompt.text + thought.text.rstrip() + prompt.close
    return prompt.text + thought.text + prompt.close.lstrip()
