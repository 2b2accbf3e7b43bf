"""The commands that write, each on 20 items and tiny models; and what of their files is the same in every run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "tests" / "saved" / "import" / "inspect_ai" / "words.eval"
RESULT = ROOT / "tests" / "saved" / "v0.1.0" / "comparison.json"
ROWS = 24

_SCORED = "-t words --limit 20 --chat-template off --cache-dir {top}/cache --offline"
_TUNED = f"fix demo:instruct --base demo:base {_SCORED} --out {{top}}/out/fixed"


@dataclass(frozen=True)
class Job:
    """A command, its files below {top}/out, what it keeps in {top}/cache. again: what is added when it is run again.

    Among what it reads are {top}/baseline.json and {top}/rows.jsonl.
    """

    name: str
    command: str
    again: str = ""

    def arguments(self, top: Path, *, resumed: bool = False) -> list[str]:
        return (self.command + (self.again if resumed else "")).format(top=top).split()


JOBS: tuple[Job, ...] = (
    Job("score", f"score demo:base {_SCORED} --batch-size 1 -q -o {{top}}/out/s.json -o {{top}}/out/s.csv"),
    Job(
        "compare",
        f"compare demo:base demo:instruct {_SCORED} --batch-size 1 -q -o {{top}}/out/c.json -o {{top}}/out/c.md",
    ),
    Job("bless", f"bless demo:base {_SCORED} --batch-size 1 -q -o {{top}}/out/baseline.json"),
    Job(
        "gate",
        f"gate {{top}}/baseline.json demo:instruct {_SCORED} --batch-size 4 -q -o {{top}}/out/g.json",
    ),
    Job("recommend", f"recommend demo:base demo:instruct {_SCORED} -q -o {{top}}/out/r.json"),
    Job("import", f"import {LOG} -q -o {{top}}/out/i.json -o {{top}}/out/i.md"),
    Job("report", f"report {RESULT} -q -o {{top}}/out/p.json -o {{top}}/out/p.md -o {{top}}/out/p.csv"),
    Job("card", f"card {RESULT} -o {{top}}/out/README.md"),
    Job("fix temperature", f"{_TUNED} --method temperature", again=" --resume"),
    Job("fix merge", f"{_TUNED} --method merge", again=" --resume"),
    Job(
        "fix smooth",
        f"{_TUNED} --method smooth --data {{top}}/rows.jsonl --smoothing 0.1 --prior uniform --start instruct "
        "--batch-size 2 --gradient-accumulation 1 --max-steps 8 --save-steps 2",
        again=" --resume",
    ),
)


def prepared(top: Path, baseline: bytes) -> None:
    """A folder for one run: what the commands read, and where they write."""
    for name in ("out", "cache", "tmp"):
        (top / name).mkdir(parents=True)
    (top / "baseline.json").write_bytes(baseline)
    rows = (ROOT / "calibaudit" / "demo" / "sft.jsonl").read_bytes().splitlines(keepends=True)
    (top / "rows.jsonl").write_bytes(b"".join(rows[:ROWS]))


_MOMENTS = r"\d{4}-\d\d-\d\d[T ][\d:]+Z?|[\d.,]+ (s|seconds|min|minutes|tokens/s|[kMG]i?B)\b"
"""The same in text."""
_MOMENT = {"created", "seconds", "calibaudit_version", "tokens_per_second", "peak_bytes", "resumed_from"}
"""Keys of our JSON that say when something was, in what time and memory, and from which step it went on."""


def without_moments(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: without_moments(inner) for key, inner in value.items() if key not in _MOMENT}
    return [without_moments(inner) for inner in value] if isinstance(value, list) else value


def contents(out: Path) -> dict[str, Any]:
    """Of every file of a folder what two runs must agree on. Raises ValueError for JSON that is none."""
    return {path.relative_to(out).as_posix(): content(path, out) for path in sorted(out.rglob("*")) if path.is_file()}


def content(path: Path, out: Path) -> Any:
    """A file's bytes, but for moments and the run's own folder."""
    data = path.read_bytes()
    if path.suffix in (".safetensors", ".bin", ".pt"):
        return data
    text = data.decode("utf-8").replace(str(out.parent), "TOP")
    if path.suffix == ".json":
        return without_moments(json.loads(text))
    if path.suffix == ".jsonl":
        return without_moments([json.loads(line) for line in text.splitlines()])
    return re.sub(_MOMENTS, "MOMENT", text)
