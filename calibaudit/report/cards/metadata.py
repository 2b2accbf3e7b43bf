"""What stands in front of a model card for the hub: whose child a model is, and its measured numbers.

Form: the hub's model-card metadata, as huggingface_hub's ModelCardData and EvalResult read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from calibaudit.analysis.audit import Audit, ModelAudit
from calibaudit.analysis.compare import Comparison
from calibaudit.files.paths import is_there
from calibaudit.files.text import one_line
from calibaudit.scores.scores import ModelInfo

OURS = "calibaudit"
"""The key in an entry's `dataset.args` that says who measured it: by it a later run finds what it replaces."""

TAGS = ("calibration", OURS)
MEASURED = {
    "accuracy": "Accuracy",
    "ece": "ECE",
    "gap": "Confidence minus accuracy",
    "brier": "Brier score",
    "nll": "NLL",
}
_DIGITS = 4
_MOST_NAME = 100
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def hub_id(model: ModelInfo) -> str | None:
    """The model's name where it is one on the hub, for which its revision is a commit; a folder's name is not."""
    on_hub = _HUB_ID.fullmatch(model.name) and _COMMIT.fullmatch(model.revision) and not is_there(model.name)
    return model.name if on_hub else None


def dataset_id(source: str) -> str | None:
    """The rows' source where it is a data set on the hub, and no file or folder."""
    name = source.partition(" ")[0]
    return name if _HUB_ID.fullmatch(name) and "/" in name and not is_there(name) else None


def measured(result: Comparison | ModelAudit, model_name: str, by: str) -> list[dict[str, Any]]:
    """`model-index`: of the model, of two the one after, each task's numbers, and those of all items.

    by: the version of calibaudit that measured them.
    """
    if isinstance(result, Comparison):
        parts = [(task.name, task.scoring, task.chat_template[1], task.after) for task in result.tasks]
        whole = result.pooled.after
    else:
        parts = [(task.name, task.scoring, task.chat_template, task.audit) for task in result.tasks]
        whole = result.pooled
    entries = [
        _entry(name, name, audit, {OURS: by, "scoring": scoring, "chat_template": in_chat})
        for name, scoring, in_chat, audit in parts
    ]
    if len(parts) > 1:
        entries.append(_entry(OURS, f"all {len(parts)} tasks, pooled", whole, {OURS: by}))
    return [{"name": one_line(model_name, _MOST_NAME), "results": entries}]


def _entry(name: str, shown: str, audit: Audit, how: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: audit.metrics[key].value for key in MEASURED}
    return {
        "task": {"type": "multiple-choice", "name": "Answer choice"},
        "dataset": {
            "type": re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:_MOST_NAME] or "task",
            "name": one_line(shown, _MOST_NAME),
            "args": {**how, "items": audit.n_items},
        },
        "metrics": [
            {"type": key, "name": MEASURED[key], "value": round(value, _DIGITS)}
            for key, value in values.items()
            if value is not None
        ],
    }


def metadata(found: Mapping[str, Any], tags: Sequence[str], index: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of a new card: what is known, its tags and its numbers."""
    return {**found, "tags": list(tags), "model-index": list(index)}


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether a result of `model-index` is calibaudit's own, by its `dataset.args`."""
    dataset = entry.get("dataset")
    args = dataset.get("args") if isinstance(dataset, dict) else None
    return isinstance(args, dict) and OURS in args
