"""Scores of their saved dictionary: the inverse of `Scores.to_dict`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.files.read import plain_reason
from calibaudit.files.text import json_kind, json_value
from calibaudit.scores.prompt_format import prompt_format_from_dict
from calibaudit.scores.schema import KEYS, ROWS, check_keys, floats, rows_of_numbers, whole_numbers
from calibaudit.scores.scores import ModelInfo, Scores
from calibaudit.scores.thinking import thoughts_from_dict


def compacted(data: dict[str, Any]) -> dict[str, Any]:
    """The dictionary of one task's scores with arrays in place of its lists of lists; any other as it is.

    For a JSON reader, object by object: of a file of millions of numbers only one task's ever stand there as Python
    objects. What does not fit stays as it is, for `scores_from_dict` to name.
    """
    if "item_ids" in data and "logprobs" in data:
        for name, fill in ROWS.items():
            if isinstance(data.get(name), list):
                with contextlib.suppress(OverflowError, TypeError, ValueError):
                    data[name] = rows_of_numbers(data[name], fill)
    return data


def scores_from_dict(data: Mapping[str, Any], model: ModelInfo, source: str) -> Scores:
    """The inverse of `Scores.to_dict`, `compacted` or not. Raises ScoresError naming `source` and what is at fault."""

    def rows(name: str) -> Any:
        return data[name] if isinstance(data[name], np.ndarray) else rows_of_numbers(data[name], ROWS[name])

    def listed(value: Any) -> tuple[Any, ...] | None:
        if not isinstance(value, list | tuple | None):
            raise TypeError(f"expected a list, found {json_value(value)}")
        return None if value is None else tuple(value)

    if not isinstance(data, Mapping):
        raise ScoresError(f"{source}: expected an object in each entry of its scores, found {json_kind(data)}")
    check_keys(data, KEYS, f"{source}: scores of task {data.get('task')!r:.60}")
    try:
        mass = data["option_mass"]
        found = Scores(
            task=data["task"],
            version=data["version"],
            scoring=data["scoring"],
            fingerprint=data["fingerprint"],
            model=model,
            chat_template=data["chat_template"],
            item_ids=listed(data["item_ids"]) or (),
            groups=listed(data["groups"]),
            logprobs=rows("logprobs"),
            answer=whole_numbers(data["answer"]),
            n_tokens=rows("n_tokens"),
            n_bytes=rows("n_bytes"),
            n_chars=rows("n_chars"),
            option_mass=None if mass is None else floats(mass),
            unconditional=None if data["unconditional"] is None else rows("unconditional"),
            n_truncated=data["n_truncated"],
            n_healed=data["n_healed"],
            documents=listed(data.get("documents")),
            n_moved=data.get("n_moved", 0),
            n_bounded=data.get("n_bounded", 0),
            prompt=prompt_format_from_dict(data.get("prompt")),
            thinking=thoughts_from_dict(data.get("thinking")),
            levels=listed(data.get("levels")),
        )
        for name in ("n_bytes", "n_chars"):
            beyond = (getattr(found, name) != 0) & ~np.isfinite(found.logprobs)
            if beyond.any():
                item = found.item_ids[int(beyond.any(axis=1).argmax())]
                raise ScoresError(
                    f"scores of task {found.task!r:.60}: item {item!r}: more {name} than the item has choices"
                )
        return found
    except KeyError as error:
        raise ScoresError(f"{source}: its scores lack the field {error.args[0]!r}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"{source}: scores of task {data.get('task')!r:.60} are malformed"
        raise ScoresError(f"{what}: {plain_reason(error)}") from error
    except ScoresError as error:
        raise ScoresError(f"{source}: {error}") from None
