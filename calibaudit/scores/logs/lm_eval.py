"""Sample files of lm-evaluation-harness (0.4.x, `--log_samples`) -> Scores: no model is run.

A line holds one document under one filter: `arguments` (context and continuation of each request), `resps` (the
log-likelihood of each and whether it was the greedy continuation, numbers as strings in newer versions), `target` and
the metrics. A document stands there once for each filter; log-likelihoods do not pass through filters, so the first
is taken. Under `acc_mutual_info` the continuations stand there a second time, with an empty context.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibaudit.errors import ScoresError
from calibaudit.files.read import decode_json, json_lines, read_json, read_text
from calibaudit.scores.scores import ModelInfo, Scores, padded
from calibaudit.tasks.items import Item, Scoring, Task, content_of, document_hash

SAMPLES = "samples_*.jsonl"
SCORINGS: tuple[Scoring, ...] = ("letter", "cloze", "cloze_byte", "cloze_char", "pmi")
"""What the logs hold enough for. Not cloze_token: they do not say how many tokens a continuation has."""

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")


@dataclass(frozen=True)
class _Sample:
    """One document. lls, unconditional: (choices,) nats; unconditional is empty where it was not asked for.

    document: a hash of what was asked, empty where the log does not tell it apart from the prompt.
    """

    where: str
    doc_id: int
    document: str
    name: Any
    contexts: tuple[str, ...]
    continuations: tuple[str, ...]
    lls: tuple[float, ...]
    unconditional: tuple[float, ...]
    target: Any
    accuracy: float | None


def is_log_folder(path: Path) -> bool:
    """Whether this is a folder that the harness wrote sample files into."""
    return path.is_dir() and any(path.glob(SAMPLES))


def read_lm_eval(paths: Sequence[Path], scoring: Scoring | None = None) -> tuple[Scores, ...]:
    """One model's scores out of its sample files, or of the folders they lie in; tasks in order of name.

    What the results file beside them says of model, template and delimiter is taken from there. scoring: one of
    SCORINGS; None: letter where the continuations are letters, else cloze. Of several runs of a task the last counts.
    Raises ScoresError naming file and line.
    """
    if scoring is not None and scoring not in SCORINGS:
        raise ScoresError(f"scoring {scoring!r} cannot be had from these logs; choose one of {', '.join(SCORINGS)}")
    files = _latest(file for path in paths for file in _files(path))
    return tuple(_scores(files[task], task, scoring) for task in sorted(files))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(SAMPLES))
    if not found:
        raise ScoresError(f"{path}: no {SAMPLES} in this folder; run lm-eval with --log_samples --output_path")
    return found


def _latest(files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, tuple[str, Path]] = {}
    for file in files:
        match = _NAME.fullmatch(file.name)
        task, date = (match["task"], match["date"]) if match else (file.stem.removeprefix("samples_"), "")
        known = found.get(task)
        if known is not None and known[1].parent != file.parent:
            raise ScoresError(f"task {task!r} stands in two folders: {known[1]} and {file}; give one model's logs")
        if known is None or date > known[0]:
            found[task] = (date, file)
    return {task: file for task, (_, file) in found.items()}


def _scores(file: Path, name: str, asked: Scoring | None) -> Scores:
    samples = _samples(file)
    results = _results(file)
    config = results.get("configs", {}).get(name, {})
    scoring = asked or _scoring(samples)
    delimiter = _delimiter(samples, config)
    answers = _answers(samples, delimiter)
    items = tuple(
        _item(sample, identity, delimiter, answer)
        for sample, identity, answer in zip(samples, _identities(samples), answers, strict=True)
    )
    if scoring == "pmi" and not all(sample.unconditional for sample in samples):
        raise ScoresError(f"{file}: no unconditional log-likelihoods; pmi needs a log of a task with acc_mutual_info")
    logprobs = padded([sample.lls for sample in samples], -np.inf)
    choices = [item.choices for item in items]
    version = str(results.get("versions", {}).get(name, config.get("metadata", {}).get("version", 0)))
    return Scores(
        task=name,
        version=version,
        scoring=scoring,
        fingerprint=Task(name, version, scoring, items).fingerprint,
        model=_model(file, results),
        chat_template=bool(results.get("chat_template")),
        item_ids=tuple(item.id for item in items),
        groups=None,
        logprobs=logprobs,
        answer=np.array(answers, dtype=np.int64),
        n_tokens=padded([[1] * len(row) for row in choices], 0).astype(np.int64),
        n_bytes=padded([[len(choice.encode()) for choice in row] for row in choices], 0).astype(np.int64),
        n_chars=padded([[len(choice) for choice in row] for row in choices], 0).astype(np.int64),
        option_mass=np.exp(logprobs).sum(axis=1).clip(max=1.0) if scoring == "letter" else None,
        unconditional=padded([sample.unconditional for sample in samples], -np.inf) if scoring == "pmi" else None,
        documents=tuple(item.document for item in items),
    )


def _samples(file: Path) -> list[_Sample]:
    """The documents in order, each once."""
    found: dict[int, _Sample] = {}
    for number, line in json_lines(read_text(file, ScoresError)):
        sample = _sample(line, f"{file}:{number}")
        found.setdefault(sample.doc_id, sample)
    if not found:
        raise ScoresError(f"{file}: no samples in it; was the task run with --log_samples?")
    return [found[key] for key in sorted(found)]


def _sample(line: str, where: str) -> _Sample:
    try:
        row = decode_json(line)
        pairs = [_pair(entry) for entry in _entries(row["arguments"])]
        lls = [float(response[0][0]) for response in row["resps"]]
        doc_id, doc = int(row["doc_id"]), row.get("doc")
        target = row["target"]
        accuracy = None if "acc" not in row else float(row["acc"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ScoresError(
            f"{where}: not a multiple-choice sample of lm-evaluation-harness 0.4 ({reason}); generated answers have no "
            "log-likelihoods to audit"
        ) from error
    if len(pairs) != len(lls):
        raise ScoresError(f"{where}: {len(pairs)} requests and {len(lls)} responses; the file is damaged")
    bad = next((value for value in lls if not math.isfinite(value)), None)
    if bad is not None:
        raise ScoresError(f"{where}: a log-likelihood is {bad}; the model overflowed there, run it again in float32")
    n = len(pairs)
    if n % 2 == 0 and all(not pair[0] for pair in pairs[n // 2 :]) and any(pair[0] for pair in pairs[: n // 2]):
        n //= 2
    if n < 2:
        raise ScoresError(f"{where}: {n} choice; at least 2 are needed")
    return _Sample(
        where=where,
        doc_id=doc_id,
        document=_document(doc, row.get("doc_hash")),
        name=doc.get("id") if isinstance(doc, dict) else None,
        contexts=tuple(context for context, _ in pairs[:n]),
        continuations=tuple(continuation for _, continuation in pairs[:n]),
        lls=tuple(lls[:n]),
        unconditional=tuple(lls[n:]),
        target=target,
        accuracy=accuracy,
    )


def _document(doc: Any, logged: Any) -> str:
    """Of the `doc`, else of the hash that was logged of it.

    The harness's own preparation may have changed the row, so that it never counts as the same as a task file's.
    """
    content: object = content_of(doc) if isinstance(doc, dict) else None
    if doc is None and isinstance(logged, str):
        content = logged
    return document_hash(["lm-evaluation-harness", content]) if content else ""


def _entries(arguments: Any) -> list[Any]:
    """The requests in order: a list, or in newer versions a mapping from gen_args_0, gen_args_1, ..."""
    if isinstance(arguments, dict):
        return [arguments[key] for key in sorted(arguments, key=lambda key: int(key.rpartition("_")[2]))]
    return list(arguments)


def _pair(entry: Any) -> tuple[str, str]:
    context, continuation = (entry["arg_0"], entry["arg_1"]) if isinstance(entry, dict) else entry[:2]
    if not isinstance(context, str) or not isinstance(continuation, str):
        raise TypeError(f"a request is {context!r:.40}, {continuation!r:.40}, where two texts are wanted")
    return context, continuation


def _scoring(samples: Sequence[_Sample]) -> Scoring:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    listed = all([c.strip() for c in s.continuations] == list(letters[: len(s.continuations)]) for s in samples)
    return "letter" if listed else "cloze"


def _delimiter(samples: Sequence[_Sample], config: dict[str, Any]) -> str:
    """What stands before each choice: the task's own, where the log agrees, else one space if it is everywhere."""
    for candidate in (config.get("target_delimiter"), " "):
        if isinstance(candidate, str) and all(c.startswith(candidate) for s in samples for c in s.continuations):
            return candidate
    return ""


def _answers(samples: Sequence[_Sample], delimiter: str) -> list[int]:
    """The right choice of each sample. A target is an index or the choice's text; the logged accuracy tells which."""
    readings = [[_as_index(sample) for sample in samples], [_as_text(sample, delimiter) for sample in samples]]
    wrong = []
    for reading in readings:
        known = [index for index in reading if index is not None]
        faults = [
            sample
            for sample, index in zip(samples, reading, strict=True)
            if index is None or sample.accuracy not in (None, float(int(np.argmax(sample.lls)) == index))
        ]
        if not faults:
            return known
        wrong.append(faults)
    sample = min(wrong, key=len)[0]
    raise ScoresError(
        f"{sample.where}: target {sample.target!r:.60} fits neither the choices nor the accuracy that was logged "
        f"({sample.accuracy})"
    )


def _as_index(sample: _Sample) -> int | None:
    text = str(sample.target).strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) < len(sample.lls) else None


def _as_text(sample: _Sample, delimiter: str) -> int | None:
    choices = _choices(sample, delimiter)
    if len(set(sample.contexts)) > 1:  # the choices stand before the continuation: the target is no choice's text
        return None
    for clean in (str, str.strip):
        cleaned = [clean(choice) for choice in choices]
        if clean(str(sample.target)) in cleaned:
            return cleaned.index(clean(str(sample.target)))
    return None


def _choices(sample: _Sample, delimiter: str) -> tuple[str, ...]:
    return tuple(continuation.removeprefix(delimiter) for continuation in sample.continuations)


def _identities(samples: Sequence[_Sample]) -> list[str]:
    """The documents' ids where all have different ones, else their numbers: as tasks name their items."""
    names = [str(s.name) if isinstance(s.name, str | int) and str(s.name).strip() else "" for s in samples]
    return names if all(names) and len(set(names)) == len(names) else [str(sample.doc_id) for sample in samples]


def _item(sample: _Sample, identity: str, delimiter: str, answer: int) -> Item:
    choices = _choices(sample, delimiter)
    same = len(set(sample.contexts)) == 1
    leads = () if same else sample.contexts
    context = sample.contexts[0] if same else ""
    return Item(identity, context, choices, answer, None, "", delimiter, leads, sample.document)


def _results(file: Path) -> dict[str, Any]:
    """The results file of the same run, beside the samples; empty where there is none or it is not readable JSON."""
    match = _NAME.fullmatch(file.name)
    if match is None:
        return {}
    try:
        found = read_json(file.parent / f"results_{match['date']}.json", ScoresError)
    except ScoresError:
        return {}
    return found if isinstance(found, dict) else {}


def _model(file: Path, results: dict[str, Any]) -> ModelInfo:
    config = results.get("config", {})
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):
        arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
    return ModelInfo(
        name=str(arguments.get("pretrained") or arguments.get("model") or file.parent.name),
        revision=str(config.get("model_sha") or config.get("model_revision") or "unknown"),
        dtype=str(config.get("model_dtype") or "unknown").removeprefix("torch."),
        device=str(config.get("device") or "unknown"),
        family="unknown",
        n_parameters=max(0, int(config.get("model_num_parameters") or 0)),
        vocab_size=0,
        head=f"logged by lm-evaluation-harness {results.get('lm_eval_version', '0.4')}",
    )
