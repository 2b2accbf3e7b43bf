"""The lines of a sample file of lm-evaluation-harness (0.4.x) as documents with their choices.

A line holds one document under one filter: `arguments` (context and continuation of each request), `resps` (the
log-likelihood of each and whether it was the greedy continuation, numbers as strings in newer versions) or
`filtered_resps` (the same, one level less deep), `target` and the metrics. A document stands there once for each
filter; log-likelihoods do not pass through filters, so the first is taken. Under `acc_mutual_info` the continuations
stand there a second time, with an empty context.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibaudit.errors import ScoresError
from calibaudit.files.read import NotJson, decode_json, json_lines, read_text
from calibaudit.files.text import json_kind, json_value


class NothingToAudit(ScoresError):
    """A file is whole, and holds no log-likelihoods of choices of which one is right."""


@dataclass(frozen=True)
class Sample:
    """One document. lls, unconditional: (choices,) nats; unconditional is empty where it was not asked for.

    greedy: of each choice whether it was the model's own continuation; None where the log does not say. doc: the row as
    the harness had it, doc_hash its hash; None where they were not logged. metrics: those that are numbers.
    """

    where: str
    doc_id: int
    doc: dict[str, Any] | None
    doc_hash: str | None
    contexts: tuple[str, ...]
    continuations: tuple[str, ...]
    lls: tuple[float, ...]
    greedy: tuple[bool | None, ...]
    unconditional: tuple[float, ...]
    target: Any
    metrics: dict[str, float]

    @property
    def has_one_context(self) -> bool:
        """False in WinoGrande's form, where the choices stand in the contexts."""
        return len(set(self.contexts)) == 1


def read_samples(file: Path) -> list[Sample]:
    """The documents in order of their number, each once.

    Raises NothingToAudit where they are no questions with choices, ScoresError where the file is damaged; both name
    the line.
    """
    found: dict[int, Sample] = {}
    for number, line in json_lines(read_text(file, ScoresError)):
        sample = _sample(line, f"{file}:{number}")
        found.setdefault(sample.doc_id, sample)
    if not found:
        raise ScoresError(f"{file}: no samples in it; was the task run with --log_samples?")
    return [found[key] for key in sorted(found)]


def _sample(line: str, where: str) -> Sample:
    row = _row(line, where)
    requests = _entries(row["arguments"], where)
    _check_kind(requests, where)
    pairs = [_pair(entry, where) for entry in requests]
    lls, greedy = _responses(row, where)
    if len(pairs) != len(lls):
        raise ScoresError(f"{where}: {len(pairs)} requests and {len(lls)} responses; the file is damaged")
    bad = next((value for value in lls if not math.isfinite(value)), None)
    if bad is not None:
        raise ScoresError(f"{where}: a log-likelihood is {bad}; the model overflowed there, run it again in float32")
    n = len(pairs)
    if n % 2 == 0 and all(not pair[0] for pair in pairs[n // 2 :]) and any(pair[0] for pair in pairs[: n // 2]):
        n //= 2
    if n < 2:
        raise NothingToAudit(f"{where}: {n} choice; at least 2 are needed")
    doc, logged = row.get("doc"), row.get("doc_hash")
    return Sample(
        where=where,
        doc_id=row["doc_id"],
        doc=doc if isinstance(doc, dict) else None,
        doc_hash=logged if isinstance(logged, str) else None,
        contexts=tuple(context for context, _ in pairs[:n]),
        continuations=tuple(continuation for _, continuation in pairs[:n]),
        lls=tuple(lls[:n]),
        greedy=tuple(greedy[:n]),
        unconditional=tuple(lls[n:]),
        target=row["target"],
        metrics=_metrics(row),
    )


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = decode_json(line, finite=False)
    except NotJson as error:
        raise ScoresError(f"{where}: {error.reason}; the file is damaged") from None
    if not isinstance(row, dict):
        raise ScoresError(f"{where}: expected a sample of lm-evaluation-harness (an object), found {json_kind(row)}")
    missing = [name for name in ("doc_id", "target", "arguments") if name not in row]
    if missing or not (row.get("resps") or row.get("filtered_resps")):
        raise ScoresError(
            f"{where}: no {missing[0] if missing else 'resps'!r}: not a sample of lm-evaluation-harness 0.4"
        )
    try:
        return {**row, "doc_id": int(row["doc_id"])}
    except (TypeError, ValueError):
        raise ScoresError(f"{where}: doc_id: expected a whole number, found {json_value(row['doc_id'])}") from None


def _entries(arguments: Any, where: str) -> list[list[Any]]:
    """Each request's arguments, in order.

    Requests are a list, or in newer versions a mapping from gen_args_0, gen_args_1, ...; so are their arguments.
    """
    try:
        if isinstance(arguments, dict):
            arguments = [arguments[key] for key in sorted(arguments, key=_number)]
        return [[e[key] for key in sorted(e, key=_number)] if isinstance(e, dict) else list(e) for e in arguments]
    except (TypeError, ValueError):
        raise ScoresError(
            f"{where}: arguments: expected requests of lm-evaluation-harness 0.4, found {json_value(arguments, 60)}"
        ) from None


def _number(key: str) -> int:
    return int(key.rpartition("_")[2])


def _check_kind(requests: Sequence[Sequence[Any]], where: str) -> None:
    """Raises NothingToAudit for a task without choices."""
    if any(len(request) > 1 and isinstance(request[1], dict) for request in requests):
        raise NothingToAudit(f"{where}: a generated task: generated answers have no log-likelihoods to audit")
    if requests and all(len(request) == 1 for request in requests):
        raise NothingToAudit(f"{where}: a log-likelihood of whole texts (perplexity): there are no choices (no arg_1)")


def _pair(request: Sequence[Any], where: str) -> tuple[str, str]:
    context, continuation = (*request, None, None)[:2]
    if not isinstance(context, str) or not isinstance(continuation, str):
        raise ScoresError(
            f"{where}: a request: expected two texts, found {json_value(context)} and {json_value(continuation)}"
        )
    return context, continuation


def _responses(row: dict[str, Any], where: str) -> tuple[list[float], list[bool | None]]:
    """The log-likelihoods, and whether each was greedy."""
    lls, greedy = [], []
    for response in row.get("resps") or row["filtered_resps"]:
        entry = response
        while isinstance(entry, list) and entry and isinstance(entry[0], list):
            entry = entry[0]
        value = entry[0] if isinstance(entry, list) and entry else entry
        try:
            lls.append(float(value))
        except (TypeError, ValueError):
            raise NothingToAudit(
                f"{where}: a response is {value!r:.40}: generated answers have no log-likelihoods to audit"
            ) from None
        greedy.append(_flag(entry[1]) if isinstance(entry, list) and len(entry) > 1 else None)
    return lls, greedy


def _flag(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _metrics(row: dict[str, Any]) -> dict[str, float]:
    found = {}
    for name in ("acc", "acc_norm", "exact_match"):
        try:
            found[name] = float(row[name])
        except (KeyError, TypeError, ValueError):
            continue
    return found
