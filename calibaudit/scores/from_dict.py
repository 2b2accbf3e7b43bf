"""Scores of their saved dictionary: the inverse of `Scores.to_dict`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.scores.prompt_format import prompt_format_from_dict
from calibaudit.scores.scores import ROWS, FloatArray, ModelInfo, Scores, padded
from calibaudit.scores.thinking import thoughts_from_dict


def compacted(data: dict[str, Any]) -> dict[str, Any]:
    """The dictionary of one task's scores with arrays in place of its lists of lists; any other as it is.

    For a JSON reader, object by object: of a file of millions of numbers only one task's ever stand there as Python
    objects. What does not fit stays as it is, for `scores_from_dict` to name.
    """
    if "item_ids" in data and "logprobs" in data:
        for name, fill in ROWS.items():
            if isinstance(data.get(name), list):
                with contextlib.suppress(TypeError, ValueError):
                    rows = padded(data[name], fill)
                    data[name] = rows if np.isinf(fill) else rows.astype(np.int64)
    return data


def scores_from_dict(data: Mapping[str, Any], model: ModelInfo, source: str) -> Scores:
    """The inverse of `Scores.to_dict`, `compacted` or not. Raises ScoresError naming `source` and what is at fault."""

    def rows(name: str) -> FloatArray:
        return data[name] if isinstance(data[name], np.ndarray) else padded(data[name], ROWS[name])

    def texts(value: Sequence[str] | None) -> tuple[str, ...] | None:
        return None if value is None else tuple(value)

    try:
        mass = data["option_mass"]
        return Scores(
            task=data["task"],
            version=data["version"],
            scoring=data["scoring"],
            fingerprint=data["fingerprint"],
            model=model,
            chat_template=data["chat_template"],
            item_ids=tuple(data["item_ids"]),
            groups=texts(data["groups"]),
            logprobs=rows("logprobs"),
            answer=np.array(data["answer"], dtype=np.int64),
            n_tokens=rows("n_tokens").astype(np.int64, copy=False),
            n_bytes=rows("n_bytes").astype(np.int64, copy=False),
            n_chars=rows("n_chars").astype(np.int64, copy=False),
            option_mass=None if mass is None else np.array(mass, dtype=np.float64),
            unconditional=None if data["unconditional"] is None else rows("unconditional"),
            n_truncated=data["n_truncated"],
            n_healed=data["n_healed"],
            documents=texts(data.get("documents")),
            n_moved=data.get("n_moved", 0),
            n_bounded=data.get("n_bounded", 0),
            prompt=prompt_format_from_dict(data.get("prompt")),
            thinking=thoughts_from_dict(data.get("thinking")),
            levels=None if data.get("levels") is None else tuple(data["levels"]),
        )
    except KeyError as error:
        raise ScoresError(f"{source}: scores without the field {error.args[0]!r}") from error
    except (TypeError, ValueError) as error:
        raise ScoresError(f"{source}: scores of task {data.get('task')!r} are malformed: {error}") from error
