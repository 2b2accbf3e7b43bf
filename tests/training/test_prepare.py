"""What became of the data is counted and said: a tiny file through the bundled pair's tokenizers, no weights."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from calibaudit.tasks.load import load_tasks
from calibaudit.training.prepare import prepare
from calibaudit.training.results.data import N_UNREAD, SftSummary

NOTHING = SftSummary("d", 3, 3, 0, 0, 9, 0, (), ())


def test_what_is_not_read_is_named_and_counted(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b", "weight": 0.5}]
    rows = [
        {"chat": turns, "label": False, "rejected": "no"},
        {"chat": [turns[0], {**turns[1], "weight": 1}], "label": True},
        {"chat": [], "label": True},
    ]
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    ready = prepare(
        "demo:base", "demo:instruct", str(path), load_tasks(["words"], limit=2), columns={"chat": "messages"}
    )
    assert len(ready.examples) == 2
    assert ready.data.unread == (("label", 2), ("chat[].weight", 1), ("rejected", 1))
    assert ready.data.notices() == [
        f"{path}: 1 of 3 rows are left out: {path}:3: chat: there are no messages in it",
        f"{path}: not read, with the number of rows that have it: label (2), chat[].weight (1), rejected (1)",
    ]
    assert ready.data.to_dict()["unread"] == [
        {"name": "label", "n_rows": 2},
        {"name": "chat[].weight", "n_rows": 1},
        {"name": "rejected", "n_rows": 1},
    ]


def test_a_notice_stays_short() -> None:
    names = [(f"column {n}", 1_000) for n in range(N_UNREAD + 3)]
    (notice,) = SftSummary(**{**vars(NOTHING), "unread": tuple(names)}).notices()
    assert notice.endswith(f"column {N_UNREAD - 1} (1,000) and 3 more")
    assert NOTHING.notices() == []
