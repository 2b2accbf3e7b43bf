"""One family of the table: its tokenizer, template, stop tokens and expected rows."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.chat.model_families.render import rendered, template_text
from tests.chat.model_families.stand_ins import stand_in

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SYSTEM = "Be brief."
USERS = ("One?", "Two?", "Three?")
ANSWERS = ("red sky", "green tea", "blue ink")
SHAPES = {"one": (False, 1), "system": (True, 1), "three": (False, 3), "system_three": (True, 3)}
"""By name: is there a system turn, and how many exchanges; a single one is the last of the three."""


@dataclass(frozen=True)
class Family:
    """A row of the table.

    title: as a reader knows it. models: a checkpoint with this template. template: where it is, see `template_text`.
    twin: trl's template that marks what is learned, or "". how: where the expected values come from.
    kind, special, added, rstrip, bos, eos, adds_bos: the stand-in tokenizer. stops: generation_config's eos_token_id.
    kwargs: the template's arguments. before: by shape, the text before the last answer's own first character; shapes
    with a system turn are missing where the template refuses or drops one. tail: what of it belongs to the answer's
    turn. prompt: the same in the generation prompt. first: the answer's first token, as text. ends: by turn, its end.
    """

    name: str
    title: str
    models: str
    template: str
    how: str
    kind: str
    special: tuple[str, ...]
    eos: str
    stops: tuple[str, ...]
    before: Mapping[str, str]
    tail: str
    prompt: str
    ends: tuple[str, str, str]
    first: str = "blue"
    twin: str = ""
    added: tuple[str, ...] = ()
    rstrip: tuple[str, ...] = ()
    bos: str | None = None
    adds_bos: bool = False
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Any:
        """The stand-in tokenizer with the chat template set; the same object each time, so it must be left as it is."""
        return _tokenizer(self.name)

    def new_tokenizer(self, template: str) -> Any:
        """A tokenizer of one's own with another template, named as for `template_text`."""
        made = stand_in(
            self.kind,
            self.special,
            self.added,
            bos=self.bos,
            eos=self.eos,
            adds_bos=self.adds_bos,
            rstrip=self.rstrip,
        )
        made.chat_template = template_text(template)
        return made

    @property
    def stop_ids(self) -> tuple[int, ...]:
        return tuple(self.tokenizer.convert_tokens_to_ids(list(self.stops)))

    @property
    def prefix_id(self) -> int:
        """What stands for an empty context: BOS, else EOS."""
        tokenizer = self.tokenizer
        return int(tokenizer.eos_token_id if self.bos is None else tokenizer.bos_token_id)

    def ends_of(self, shape: str) -> tuple[str, ...]:
        """What ends each assistant's turn of the shape."""
        return self.ends[-SHAPES[shape][1] :]

    def text(self, turns: list[dict[str, str]], *, prompt: bool = False) -> str:
        """The conversation by Jinja alone."""
        return rendered(
            self.template, turns, {"bos_token": self.bos, "eos_token": self.eos}, self.kwargs, prompt=prompt
        )


def messages(shape: str, *, answered: bool = True) -> list[dict[str, str]]:
    """The conversation of that shape, with its last answer or without."""
    system, n = SHAPES[shape]
    turns = [{"role": "system", "content": SYSTEM}] if system else []
    for user, answer in list(zip(USERS, ANSWERS, strict=True))[-n:]:
        turns += [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return turns if answered else turns[:-1]


@cache
def _tokenizer(name: str) -> Any:
    return family(name).new_tokenizer(family(name).template)


@cache
def _table() -> dict[str, Family]:
    found: dict[str, Family] = {}
    for path in sorted(Path(__file__).with_name("table").glob("*.toml")):
        for name, row in tomllib.loads(path.read_text(encoding="utf-8")).items():
            assert name not in found, f"{path.name}: {name} stands there twice"
            found[name] = Family(name, **{key: tuple(v) if isinstance(v, list) else v for key, v in row.items()})
    return found


def names() -> list[str]:
    """Every family, in the table's order."""
    return list(_table())


def family(name: str) -> Family:
    return _table()[name]
