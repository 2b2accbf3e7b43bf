"""A small task file with its documents beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_task(folder: Path, name: str, documents: Iterable[Mapping[str, Any]], **keys: object) -> Path:
    """documents: with `q`, `options` and `gold`. keys: of the task file, over its own; `...` leaves one out."""
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    whole = {
        "task": name,
        "dataset_path": f"{name}.jsonl",
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "q",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        **keys,
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({key: value for key, value in whole.items() if value is not ...}))
    return path
