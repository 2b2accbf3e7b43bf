"""Logs of inspect-ai (.eval, or .json) -> Scores, where the options' letters are among the logged top tokens.

Read of each sample is the token where the model answered: the first option's letter it wrote, if nothing but `ANSWER:`
stands before it, else the first token. An option's probability is that of all logged spellings of its letter (`A` and
` A`). One that is not among the logged tokens is given the most it can have: the least of the logged ones, or what they
leave of 1 if that is less.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.read import parse_json, read_json
from calibaudit.files.tables import is_zip, zip_entries
from calibaudit.scores.logs.collected import LETTERS, Logged, scores_of, usable
from calibaudit.scores.logs.settings import ImportSettings, Notice, tell
from calibaudit.scores.scores import Scores, unknown_model

_MOST_UNSEEN = 0.01
"""Above it a bound says too little, and the item is not used."""
_BLANK = " \t\n\u0120\u010a\u2581"
"""What stands before a word: blanks, and the signs that tokenizers have for them."""


def is_eval_log(path: Path) -> bool:
    """Whether a zip file is an inspect-ai log."""
    try:
        with zip_entries(path, ScoresError) as (entries, _):
            return bool({"header.json", "_journal/start.json"} & entries.keys())
    except ScoresError:
        return False


def read_inspect(path: Path, settings: ImportSettings, notice: Notice | None) -> Scores:
    """One log's scores, of the first epoch. Raises ScoresError naming file and sample."""
    log, samples = _log(path)
    spec = log.get("eval") or {}
    if any((step.get("params") or {}).get("shuffle") for step in (log.get("plan") or {}).get("steps") or ()):
        raise ScoresError(f"{path}: the solver shuffled the choices, so that its letters are not the target's")
    first = [sample for sample in samples if sample.get("epoch", 1) == 1]
    if len(first) < len(samples):
        tell(notice, f"{path}: {len(samples) - len(first)} samples of further epochs left out")
    bounds: list[float] = []
    items = usable(first, lambda sample: _item(sample, bounds), str(path), notice)
    if bounds:
        tell(
            notice,
            f"{path}: {len(bounds)} options are outside the logged tokens; they are given the most they can have, "
            f"at most {max(bounds):.2g}",
        )
    model = unknown_model(str(spec.get("model") or path.stem), "logged by inspect-ai")
    task = str(spec.get("task") or path.stem)
    return scores_of(
        items,
        str(path),
        task=task,
        model=model,
        asked=settings.scoring,
        possible=["letter"],
        version=str(spec.get("task_version", "")),
        chat_template=True,
    )


def _log(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if not is_zip(path):
        log = read_json(path, ScoresError, finite=False)
        samples = log.get("samples") if isinstance(log, dict) else None
        if not isinstance(samples, list):
            raise ScoresError(f"{path}: a log without samples; run inspect with log_samples")
        return log, samples
    with zip_entries(path, ScoresError) as (entries, content):
        header = entries.get("header.json") or entries.get("_journal/start.json")
        if header is None:
            raise ScoresError(f"{path}: no log of inspect-ai")
        wanted = sorted(name for name in entries if name.startswith("samples/"))
        log = parse_json(content(header), f"{path}: {header.filename}", ScoresError, finite=False)
        samples = [parse_json(content(entries[name]), f"{path}: {name}", ScoresError, finite=False) for name in wanted]
    if not isinstance(log, dict):
        raise ScoresError(f"{path}: {header.filename} is not a JSON object")
    return log, samples


def _item(sample: dict[str, Any], bounds: list[float]) -> Logged:
    name = str(sample.get("id"))
    choices = sample.get("choices")
    if not isinstance(choices, list) or not 2 <= len(choices) <= len(LETTERS):
        raise ScoresError(f"sample {name!r} has no choices: only multiple choice can be audited")
    letters = LETTERS[: len(choices)]
    target = sample.get("target")
    target = target[0] if isinstance(target, list) and len(target) == 1 else target
    if not isinstance(target, str) or len(target) != 1 or target not in letters:
        raise ScoresError(f"sample {name!r}: target {target!r:.40} is not one of {', '.join(letters)}")
    outputs = (sample.get("output") or {}).get("choices") or [{}]
    tokens = ((outputs[0] or {}).get("logprobs") or {}).get("content") or []
    if not tokens or not tokens[0].get("top_logprobs"):
        raise ScoresError(f"sample {name!r} has no top log-probabilities; run inspect with logprobs and top_logprobs")
    top = _answer_token(name, tokens, letters)["top_logprobs"]
    probs = {letter: sum(_prob(t) for t in top if _word(t["token"]) == letter) for letter in letters}
    bound = min(min(_prob(t) for t in top), max(0.0, 1 - sum(_prob(t) for t in top)))
    unseen = [letter for letter in letters if probs[letter] == 0]
    if unseen and not 0 < bound <= _MOST_UNSEEN:
        raise ScoresError(
            f"sample {name!r}: option {unseen[0]} is outside the {len(top)} logged tokens, and could have {bound:.2g}; "
            "ask for more top_logprobs"
        )
    bounds += [bound] * len(unseen)
    filled = [probs[letter] or bound for letter in letters]
    question = sample.get("input")
    text = question if isinstance(question, str) else json.dumps(question, sort_keys=True, default=str)
    return Logged(
        id=name,
        question=text,
        choices=tuple(letters),
        answer=letters.index(target),
        lls=tuple(map(math.log, filled)),
        content=["inspect-ai", _said(question), choices, target],
        option_mass=min(1.0, sum(probs.values())),
    )


def _answer_token(name: str, tokens: list[dict[str, Any]], letters: Iterable[str]) -> dict[str, Any]:
    for i, token in enumerate(tokens):
        if _word(token["token"]) in set(letters):
            before = re.sub(r"[^a-z]", "", "".join(_word(t["token"]) for t in tokens[:i]).lower())
            if before not in ("", "answer"):
                raise ScoresError(
                    f"sample {name!r}: {i} tokens stand before the answer, which is not the model's first"
                )
            return token
    return tokens[0]


def _word(token: str) -> str:
    return token.strip(_BLANK)


def _prob(token: dict[str, Any]) -> float:
    return math.exp(float(token["logprob"]))


def _said(question: Any) -> Any:
    """The texts of the messages, without the identities that every run makes anew."""
    if isinstance(question, list):
        return [[message.get("role"), message.get("content")] for message in question if isinstance(message, dict)]
    return question
