"""Does anything at hand tell that a checkpoint holds more than supervised tuning: preferences, rewards, safety?

Tuning again from base would throw that away. Only files that are there already are read; a sign that is missing proves
nothing, since most checkpoints do not say how they were made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibaudit.models.checkpoints import Checkpoint

METHODS = frozenset(
    {
        "dpo", "ipo", "kto", "orpo", "cpo", "simpo", "xpo", "bco", "ppo", "grpo", "gspo", "rloo", "reinforce",
        "rlhf", "rlaif", "rlvr", "online-dpo", "nash-md", "reward-trainer", "prm",
    }
)  # fmt: skip
"""Ways of tuning on preferences or rewards, as TRL's trainers tag the model cards that they write, and their like."""

_CARD = "README.md"
_MOST = 1 << 16  # bytes of a card that are looked at: the front matter stands first
_PARTS = re.compile(r"[^a-z0-9]+")


def signs_of(checkpoint: Checkpoint) -> str | None:
    """What tells it, in words that stand in brackets; None where nothing does. Asks no network, raises nothing.

    The tags of the model card, of an adapter also those of its base's; else, as a weaker sign, a part of a name.
    """
    chain = [checkpoint]
    while chain[-1].base is not None:
        chain.append(chain[-1].base)
    return _sign([(one.name, one.path) for one in chain])


def sign_of_model(name: str, revision: str | None, scored_as: str) -> str | None:
    """`signs_of` what the command line calls `name`, without a look at its weights.

    scored_as: the name that stands in its scores, which is all that is known of saved scores and of a server's model.
    """
    from calibaudit.errors import CalibauditError
    from calibaudit.files.paths import is_there, user_path
    from calibaudit.models.checkpoints import find_checkpoint
    from calibaudit.models.formats.hub import HUB_ID

    found: list[tuple[str, Path | None]] = [(scored_as, None)]
    for part in [name] if is_there(name, Path.is_dir) else name.split("+"):  # BASE+ADAPTER
        try:
            folder = user_path(part, CalibauditError)
        except CalibauditError:  # said where it is loaded
            continue
        if folder.is_dir():
            found.append((part, folder))
        elif HUB_ID.fullmatch(part) and not folder.exists():
            with suppress(CalibauditError):  # not in the cache
                return _sign(found) or signs_of(find_checkpoint(part, revision=revision, offline=True))
    return _sign(found)


def _sign(models: Sequence[tuple[str, Path | None]]) -> str | None:
    """models: name and folder of each, None where there is none."""
    for name, folder in models:
        for tag in [] if folder is None else _tags(folder / _CARD):
            if tag in METHODS:
                return f"the model card of {_own_name(name)} is tagged {tag}"
    for name in dict.fromkeys(_own_name(name) for name, _ in models):
        found = next((part for part in _PARTS.split(name.lower()) if part in METHODS), None)
        if found is not None:
            return f"the name {name} says {found}, which is a weaker sign than a model card"
    return None


def _own_name(name: str) -> str:
    """The last part of a path or hub id; of a training's `checkpoint-500` also that before it."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    last = parts[-1:] if parts and not re.fullmatch(r"checkpoint-\d+", parts[-1]) else parts[-2:]
    return "/".join(last)


def _tags(card: Path) -> list[str]:
    """The tags in a model card's front matter, in lower case; none where it cannot be read."""
    tags = front_matter(card).get("tags")
    return [tag.strip().lower() for tag in (tags if isinstance(tags, list) else [tags]) if isinstance(tag, str)]


def front_matter(card: Path) -> dict[Any, Any]:
    """What stands in front of a model card, by its keys; nothing where it cannot be read."""
    from calibaudit.errors import CalibauditError
    from calibaudit.files.read import open_file
    from calibaudit.files.yaml_text import NotYaml, parse_yaml

    try:
        with open_file(card, CalibauditError) as file:
            text = file.read(_MOST).decode("utf-8", "replace").removeprefix("\ufeff")
        front = re.match(r"\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", text, re.DOTALL)
        found: Any = {} if front is None else parse_yaml(front[1])
    except (CalibauditError, OSError, NotYaml):
        return {}
    return found if isinstance(found, dict) else {}
