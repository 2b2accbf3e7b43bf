"""One hostile text in every text of every input; every output of every command keeps its reader's rules.

Of each input, first every text alone: what is refused is refused in one line. Then all that are taken at once, through
every command that takes the input, to every kind of output. The rules are those of sinks.py.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ci_readers import runner
from made_results import audit_result, comparison_result, piloted_result
from made_scores import INFO, TUNED, made_scores
from rich.console import Console

from calibaudit.cli.outputs import visible_streams
from calibaudit.cli.progress.lines import log_text
from calibaudit.cli.progress.reporter import Reporter, _Notices, _on_terminal
from calibaudit.report.result_json import result_text
from calibaudit.report.terminal.saved import page_of
from calibaudit.scores.logs.formats import read_logs
from calibaudit.scores.logs.settings import ImportSettings
from calibaudit.scores.saved import read_saved
from tests.command import Cli, Ended
from tests.visible.hostile import SEEN, hostile, mark, taken
from tests.visible.sinks import check_errors, check_file, check_log, check_text

SAVED = Path(__file__).resolve().parents[1] / "saved"


def check_run(ended: Ended, *files: Path, refused: bool = False) -> str:
    """All that a run left; its texts together. refused: it must have said no, in one line."""
    check_text(ended.out, "stdout")
    check_errors(ended.err, "stderr")
    assert ended.code in ((2,) if refused else (0, 1)), ended.err
    if refused:
        assert len(ended.err.splitlines()) == 1
    return "\n".join([ended.out, ended.err, *map(check_file, files)])


def outputs(folder: Path, *endings: str) -> tuple[list[Path], list[str]]:
    """Files that are not there yet, and the flags that ask for them."""
    files = [folder / f"changes-out.{ending}" for ending in endings]
    return files, [part for file in files for part in ("-o", str(file))]


RESULTS: dict[str, Callable[[], dict[str, Any]]] = {
    "compare": lambda: comparison_result(names=("a",), n_items=60),
    "gate": lambda: comparison_result(names=("a", "b"), n_items=60, gated=True),
    "score": lambda: audit_result(names=("a",), n_items=60),
    "recommend": lambda: piloted_result(names=("a",), n_items=60),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_a_saved_result(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    result = json.loads(result_text(RESULTS[kind]()))
    whole, places = taken(result, lambda value: page_of(value, "saved.json"))
    if kind == "gate":  # a time that is none is no timestamp, which the schema of JUnit asks for
        whole["created"] = result["created"]
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(whole))
    endings = ("json", "md", "html", "csv", *{"gate": ("xml",), "recommend": ("svg",)}.get(kind, ()))
    files, flags = outputs(tmp_path, *endings)
    found = check_run(cli("report", path, *flags), *files)
    by_name = {at[-1]: mark(n) for n, at in places.items()}
    assert by_name.keys() >= {"name", "question", "text", "task", "item_id"}
    markdown, html = (file.read_text() for file in files[1:3])
    for field in ("name", "revision"):
        assert by_name[field] in markdown
    for field in ("question", "text", "item_id"):
        assert f"{by_name[field]}{SEEN[:8]}" in html  # readable, and inert
    assert f"{by_name['name']}{SEEN}" in found


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path, dict[Any, str]]:
    """Two files of saved scores, and the mark that each field bears."""
    paths, marks = [], {}
    for name, info, heat in (("base", INFO, 1.0), ("tuned", TUNED, 4.0)):
        parts = [made_scores(90, task=f"t{i}", seed=i, heat=heat, model=info).to_dict() for i in range(2)]
        saved = json.loads(json.dumps({"schema_version": 2, "model": info.to_dict(), "scores": parts}))
        path = tmp_path / f"{name}.json"

        def read(value: Any, path: Path = path) -> None:
            path.write_text(json.dumps(value))
            read_saved(str(path), None)

        whole, places = taken(saved, read)
        for i, part in enumerate(whole["scores"]):  # both sides are of the same items
            part["item_ids"][0] = hostile(20 + i, surrogate=False)
            part |= {"task": hostile(i, surrogate=False), "version": hostile(2, surrogate=False)}
            part |= {"fingerprint": f"f{i}", "documents": saved["scores"][i]["documents"], "scoring": "cloze"}
        path.write_text(json.dumps(whole))
        paths.append(path)
        marks = {at[-1]: mark(n) for n, at in places.items()}
    return paths[0], paths[1], marks


def test_saved_scores(cli: Cli, tmp_path: Path, sides: tuple[Path, Path, dict[str, str]]) -> None:
    base, tuned, marks = sides
    assert marks.keys() >= {"name", "revision", "device", "dtype"}
    for command in (("score", tuned), ("compare", base, tuned), ("recommend", base, tuned)):
        files, flags = outputs(tmp_path, "json", "md", "csv")
        assert f"{marks['name']}{SEEN}" in check_run(cli(*command, *flags), *files)
    check_run(cli("compare", base, tuned, "--json"))
    blessed = tmp_path / "blessed.json"
    assert mark(0) in check_run(cli("bless", base, "-o", blessed), blessed)
    check_run(cli("score", blessed, "--expert"))
    check_run(cli("gate", blessed, tuned))


def test_the_gate_on_github(
    cli: Cli, tmp_path: Path, sides: tuple[Path, Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files, flags = outputs(tmp_path, "json", "md", "csv", "xml")
    ended = cli("gate", *sides[:2], *flags)
    assert ended.code == 1
    check_log(ended.out, "the log")
    check_errors(ended.err, "stderr")
    for file in (*files, summary):
        check_file(file)
    assert runner(ended.out)[0].data.startswith("Regressed: ")


LOGS = {
    "lm-evaluation-harness": SAVED / "lm_eval_logs" / "plain_2shot",
    "lighteval": SAVED / "import/lighteval/details/demo-base/run/details_words_letter.parquet",
    "inspect-ai": SAVED / "import/inspect_ai/words.eval",
    "OpenCompass": SAVED / "import/opencompass/demo-base/words_letter.json",
    "HELM": SAVED / "import/helm/separate_original",
}


@pytest.mark.parametrize("harness", LOGS)
def test_a_log(cli: Cli, tmp_path: Path, harness: str) -> None:
    source, log = LOGS[harness], tmp_path / "log"
    log = log if source.is_dir() else log / source.name
    parts = read_parts(source)
    write_parts(log, parts)

    def read(value: Any) -> None:
        write_parts(log, value)
        read_logs([log], None, ImportSettings())

    whole, places = taken(parts, read)
    assert len(places) >= {"lm-evaluation-harness": 20}.get(harness, 5), places
    write_parts(log, whole)
    files, flags = outputs(tmp_path, "json", "md", "csv")
    check_run(cli("import", log, *flags), *files)
    check_run(cli("import", log, "--model", hostile(7)[:200], "--expert"))


def read_parts(source: Path) -> dict[str, Any]:
    """The files of a log, or a file's parts, as JSON values; of many entries of a kind the first eleven."""
    if source.is_dir():
        files = sorted(path for path in source.iterdir() if "blanks" not in path.name)
        return {path.name: read_parts(path)[path.name] for path in files}
    if source.suffix == ".parquet":
        return {source.name: pq.read_table(source).to_pylist()[:11]}
    if source.suffix == ".eval":
        with zipfile.ZipFile(source) as archive:
            parts = {entry.filename: json.loads(unpacked(source, entry)) for entry in archive.infolist()}
        samples = [name for name in parts if name.startswith("samples/")]
        for name in samples:  # what happened on the way is not read
            parts[name].pop("events", None)
        return {name: part for name, part in parts.items() if name == "header.json" or name in samples[:2]}
    text = source.read_text()
    if source.suffix == ".jsonl":
        return {source.name: [json.loads(line) for line in text.splitlines()[:11]]}
    return {source.name: json.loads(text)}


def unpacked(path: Path, entry: zipfile.ZipInfo) -> bytes:
    """zstd, which Python's zipfile learns with 3.14."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + 26)
        file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)
        packed = file.read(entry.compress_size)
    return packed if not entry.compress_type else pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read()


def write_parts(log: Path, parts: dict[str, Any]) -> None:
    log.parent.mkdir(exist_ok=True)
    if log.suffix == ".parquet":
        schema = pq.read_schema(LOGS["lighteval"])
        pq.write_table(pa.Table.from_pylist(parts[log.name], schema=schema), log)
    elif log.suffix == ".eval":
        with zipfile.ZipFile(log, "w") as archive:
            for part, content in parts.items():
                archive.writestr(part, json.dumps(content))
    elif log.suffix == ".json":
        log.write_text(json.dumps(parts[log.name]))
    else:
        log.mkdir(exist_ok=True)
        for name, content in parts.items():
            lines = (json.dumps(row) + "\n" for row in content) if name.endswith(".jsonl") else [json.dumps(content)]
            (log / name).write_text("".join(lines))


def test_a_table(cli: Cli, tmp_path: Path) -> None:
    def text(n: int) -> str:
        return hostile(n, surrogate=False)

    rows = [
        {"id": text(i), "task": text(i % 2), "group": text(i // 2), "A": 0.6, "B": 0.4, "answer": "AB"[i % 2]}
        | {"model": text(3), "question": text(4), text(5): "x"}
        for i in range(12)
    ]
    files, flags = outputs(tmp_path, "json", "md", "csv")
    for name in ("t.jsonl", "t.csv"):
        path = tmp_path / name
        with path.open("w", newline="") as file:
            if name == "t.csv":
                table = csv.DictWriter(file, list(rows[0]))
                table.writeheader()
                table.writerows({key: str(value).replace("\x00", "") for key, value in row.items()} for row in rows)
            else:
                file.writelines(json.dumps(row) + "\n" for row in rows)
        found = check_run(cli("import", path, *flags), *files)
        assert all(mark(n) in found for n in (0, 1, 3, 5))  # the tasks, the model, a column that is not read


CODES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|\r")
"""What rich itself sends to a terminal: colours, and where the cursor goes."""


def on_terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=2_000)


def check_terminal(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert "\x1b]" not in written  # no link, title or clipboard
    text = CODES.sub("", written)
    check_text(text, "a terminal")
    return text


def test_progress_and_notices_on_a_terminal() -> None:
    console = on_terminal()
    report = Reporter(console)
    report.progress(hostile(1), 1, 2)
    with _on_terminal(console, report.board):
        report.notice(hostile(3))
        logger = logging.getLogger("calibaudit.test")
        logger.propagate = False  # what catches it for pytest's report cannot send half a character to another process
        logger.addHandler(handler := _Notices(console))
        logger.warning("%s: cannot be read", hostile(4))
        logger.removeHandler(handler)
    found = check_terminal(console)
    assert all(f"{mark(n)}{SEEN}" in found for n in (3, 4))
    assert "<script>[red][/red]" in found  # markup of rich's is text
    report.board.stage(hostile(5))
    told = log_text(report.board.state())
    check_text(told, "a log")
    assert f"{mark(1)}{SEEN}" in told


@pytest.mark.parametrize("kind", RESULTS)
def test_a_page_in_colour(kind: str) -> None:
    result = json.loads(result_text(RESULTS[kind]()))
    whole, places = taken(result, lambda value: page_of(value, "saved.json"))
    console = on_terminal()
    page_of(whole, "saved.json", expert=True)(console)
    found = check_terminal(console)
    assert any(mark(n) in found for n, at in places.items() if at[-1] == "name")


def test_what_other_packages_say() -> None:
    """Of what they log or warn of, while a command runs."""
    stream = io.StringIO()
    logger = logging.getLogger("another")
    logger.propagate = False
    logger.addHandler(handler := logging.StreamHandler(stream))
    with visible_streams():
        logger.warning("%s", hostile(1))
        warned = warnings.formatwarning(hostile(2), UserWarning, "file.py", 1, hostile(3))
    logger.removeHandler(handler)
    for text, n in ((stream.getvalue(), 1), (warned, 2), (warned, 3)):
        check_text(text, "stderr")
        assert mark(n) in text
    logger.warning("afterwards")
    assert warnings.formatwarning("\a", UserWarning, "file.py", 1).count("\a") == 1
