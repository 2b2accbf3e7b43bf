"""Which choice is right, from what lm-evaluation-harness logged: the target, read in the way that the metrics bear out.

A target is an index or a choice's text. In WinoGrande's form it is the text that follows every choice, and the task's
`doc_to_text` is the right one's index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from calibaudit.errors import TaskError
from calibaudit.scores.logs.lm_eval_samples import NothingToAudit, Sample

_Reading = Callable[[Sample], int | None]


def choices_of(sample: Sample, delimiter: str) -> tuple[str, ...]:
    return tuple(continuation.removeprefix(delimiter) for continuation in sample.continuations)


def right_choices(samples: Sequence[Sample], delimiter: str, config: Mapping[str, Any]) -> list[int]:
    """The right choice of each sample. config: the task's, as the results file has it.

    Raises NothingToAudit, naming the line, where none can be made out that agrees with the logged metrics.
    """
    for sample in samples:
        _check_single(sample)
    readings: list[_Reading] = [_as_index, lambda sample: _as_text(sample, delimiter)]
    if not all(sample.has_one_context for sample in samples):
        readings += [_by_doc_to_text(config), _by_accuracy]
    wrong = []
    for reading in readings:
        found = [reading(sample) for sample in samples]
        known = [index for index in found if index is not None]
        faults = [
            sample
            for sample, index in zip(samples, found, strict=True)
            if index is None or not _agrees(sample, index, delimiter)
        ]
        if not faults:
            return known
        wrong.append(faults)
    sample = min(wrong, key=len)[0]
    raise NothingToAudit(
        f"{sample.where}: target {sample.target!r:.60} fits neither the choices nor the accuracy that was logged "
        f"({sample.metrics.get('acc')})"
    )


def _check_single(sample: Sample) -> None:
    """Raises NothingToAudit for a question with several right answers, or with none."""
    target = sample.target
    many = isinstance(target, list) and len(target) != 1
    if many or (
        isinstance(target, str) and _indices(target) and target.strip() not in map(str.strip, sample.continuations)
    ):
        raise NothingToAudit(f"{sample.where}: target {target!r:.60}: several right answers, where an item has one")
    accuracy = sample.metrics.get("acc")
    if accuracy not in (None, 0.0, 1.0):
        raise NothingToAudit(
            f"{sample.where}: its accuracy is {accuracy:.3g}, neither 0 nor 1: several answers are right, or it is "
            "another measure"
        )


def _indices(text: str) -> bool:
    """Whether it is a list of several numbers, `[0, 2]`."""
    inner = text.strip()
    parts = inner[1:-1].split(",")
    return inner[:1] == "[" and inner[-1:] == "]" and len(parts) > 1 and all(part.strip().isdigit() for part in parts)


def _agrees(sample: Sample, index: int, delimiter: str) -> bool:
    """Whether the first metric that was logged is what this answer gives; True where none was."""
    metrics, lls = sample.metrics, np.array(sample.lls)
    if "acc" in metrics:
        return metrics["acc"] == float(int(lls.argmax()) == index)
    if not sample.has_one_context:  # acc_norm divides by the length of a choice, which is not in the log by itself
        return True
    if "acc_norm" in metrics:
        lengths = np.array([max(len(choice), 1) for choice in choices_of(sample, delimiter)])
        return metrics["acc_norm"] == float(int((lls / lengths).argmax()) == index)
    if "exact_match" in metrics and sample.greedy[index] is not None:
        return metrics["exact_match"] == float(bool(sample.greedy[index]))
    return True


def _target(sample: Sample) -> str:
    target = sample.target[0] if isinstance(sample.target, list) else sample.target
    return str(target)


def _as_index(sample: Sample) -> int | None:
    text = _target(sample).strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) < len(sample.lls) else None


def _as_text(sample: Sample, delimiter: str) -> int | None:
    if not sample.has_one_context:  # the choices stand before the continuation: the target is no choice's text
        return None
    choices, target = choices_of(sample, delimiter), _target(sample)
    for clean in (str, str.strip):
        cleaned = [clean(choice) for choice in choices]
        if clean(target) in cleaned:
            return cleaned.index(clean(target))
    return None


def _by_doc_to_text(config: Mapping[str, Any]) -> _Reading:
    """The index that `doc_to_text` gives of the logged row, where the choices are part of the question."""
    from calibaudit.tasks.templates import Field

    written = config.get("doc_to_text")

    def reading(sample: Sample) -> int | None:
        if not isinstance(written, str) or sample.doc is None:
            return None
        try:
            value = str(Field("doc_to_text", written, sample.doc.keys())(sample.doc)).strip()
        except TaskError:
            return None
        return int(value) if value.isascii() and value.isdigit() and int(value) < len(sample.lls) else None

    return reading


def _by_accuracy(sample: Sample) -> int | None:
    """With two choices the likelier one is right where the accuracy is 1, else the other one."""
    accuracy = sample.metrics.get("acc")
    if accuracy is None or len(sample.lls) != 2:
        return None
    likelier = int(np.argmax(sample.lls))
    return likelier if accuracy == 1.0 else 1 - likelier
