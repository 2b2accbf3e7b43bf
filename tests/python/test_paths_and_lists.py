"""Public functions take a path as a text, `~` expanded, and one thing in the place of a list; else they say what to
write."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_results import sides
from made_scores import made_scores

import calibaudit
from calibaudit.errors import CalibauditError, ModelError, OutputError, ScoresError, TaskError
from calibaudit.repair import fix as repairing
from calibaudit.scoring.evaluate import RunOptions
from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import check_task_file

MODULES = ("calibaudit.metrics", "calibaudit.kernels", "calibaudit.gating")
OTHERS = {"RunOptions": RunOptions, "check_task_file": check_task_file}
"""Not in `calibaudit.__all__`, but what docs/python.md hands to functions that are."""

YAML = """task: tiny
dataset_path: tiny.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: q
doc_to_choice: c
doc_to_target: a
"""


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions, constructors and methods that a reader of the documentation can call, by name."""
    homes = [("", calibaudit), *((f"{name.rpartition('.')[2]}.", importlib.import_module(name)) for name in MODULES)]
    names = [(f"{prefix}{name}", getattr(home, name)) for prefix, home in homes for name in home.__all__]
    for name, value in [*names, *OTHERS.items()]:
        if inspect.isclass(value):
            if not issubclass(value, BaseException):
                yield name, value.__init__
            for method, function in inspect.getmembers(value, inspect.isroutine):
                inside = getattr(function, "__module__", "") or ""
                if not method.startswith("_") and inside.startswith("calibaudit."):
                    yield f"{name}.{method}", function
        elif callable(value):
            yield name, value


def path_parameters() -> dict[tuple[str, str], str]:
    """(function, parameter) -> its annotation, of those that are paths."""
    found = {}
    for name, function in public():
        for parameter in inspect.signature(function).parameters.values():
            annotation = str(parameter.annotation)
            if re.search(r"\bPath(Like)?\b", annotation) and "Callable" not in annotation:
                found[name, parameter.name] = annotation
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the user; it holds saved scores, a table, a task file, and a checkpoint."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    calibaudit.save(made_scores(), tmp_path / "scores.json")
    (tmp_path / "table.csv").write_text("id,answer,A,B\na,A,0.9,0.1\nb,B,0.4,0.6\n")
    (tmp_path / "tiny.yaml").write_text(YAML)
    (tmp_path / "tiny.jsonl").write_text('{"q": "Yes?", "c": ["yes", "no"], "a": 0}\n')
    (tmp_path / "mirror" / "x" / "tiny").mkdir(parents=True)
    (tmp_path / "mirror" / "x" / "tiny" / "test.jsonl").write_text('{"q": "There?", "c": ["yes", "no"], "a": 0}\n')
    (tmp_path / "far.yaml").write_text(YAML.replace("tiny", "far").replace("far.jsonl", "x/tiny"))
    (tmp_path / "model").symlink_to(Path(calibaudit.__file__).parent / "demo" / "base")
    return tmp_path


def model(name: Any) -> Any:
    return calibaudit.load_model(name).info.revision


def in_fix(name: str) -> Callable[[Any, Path], Any]:
    """What of fix's arguments reaches the part that trains."""

    def call(path: Any, home: Path) -> Any:
        class ReachedError(Exception):
            pass

        def prepare(base: str, instruct: str, data: str, *_: Any, **__: Any) -> None:
            raise ReachedError(base, instruct, data)

        seen: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(repairing, "prepare", prepare)
            patch.setattr(repairing, "check_folder", lambda out, **_: seen.append(out))
            given: dict[str, Any] = {"instruct": "i", "base": "b", "data": "d", "out": str(home / "out")}
            with pytest.raises(ReachedError) as caught:
                calibaudit.fix(**{**given, name: path}, tasks=Task("t", "", "cloze", ()))
        assert isinstance(seen[0], Path)
        return [*map(os.path.expanduser, caught.value.args), seen[0]]

    return call


CALLS: dict[tuple[str, str], tuple[str, Callable[[Any, Path], Any]]] = {
    ("read_scores", "path"): (
        "scores.json",
        lambda path, _: [part.fingerprint for part in calibaudit.read_scores(path)],
    ),
    ("read_logs", "paths"): ("table.csv", lambda path, _: [part.fingerprint for part in calibaudit.read_logs(path)]),
    ("load_tasks", "names"): ("tiny.yaml", lambda path, _: calibaudit.load_tasks(path)),
    ("load_tasks", "mirror"): ("mirror", lambda path, home: calibaudit.load_tasks(home / "far.yaml", mirror=path)),
    ("load_task", "name"): ("tiny.yaml", lambda path, _: calibaudit.load_task(path)),
    ("load_task", "mirror"): ("mirror", lambda path, home: calibaudit.load_task(home / "far.yaml", mirror=path)),
    ("load_model", "name"): ("model", lambda path, _: model(path)),
    ("load_model", "cache_dir"): (
        "cache",
        lambda path, home: calibaudit.load_model(home / "model", cache_dir=path).info,
    ),
    ("save", "path"): (
        "saved.json",
        lambda path, home: (
            calibaudit.save(made_scores(), path),
            calibaudit.read_scores(home / "saved.json")[0].fingerprint,
        ),
    ),
    ("score", "cache_dir"): ("kept", lambda path, home: kept(path, home)),
    ("fix", "instruct"): ("model", in_fix("instruct")),
    ("fix", "base"): ("model", in_fix("base")),
    ("fix", "data"): ("rows.jsonl", in_fix("data")),
    ("fix", "out"): ("out", in_fix("out")),
    ("RunOptions", "cache_dir"): ("kept", lambda path, _: RunOptions(cache_dir=path).cache),
    ("check_task_file", "path"): ("tiny.yaml", lambda path, _: check_task_file(path)),
    ("check_task_file", "mirror"): ("mirror", lambda path, home: check_task_file(home / "far.yaml", mirror=path)),
}
"""A path below the home, and what calls the function with it and gives what shows that it was read or written."""


def kept(path: Any, home: Path) -> list[str]:
    """Finished items are found in the folder."""
    task = calibaudit.load_task(home / "tiny.yaml")
    calibaudit.score(task, calibaudit.load_model(home / "model", dtype="float32"), cache_dir=path)
    return sorted(str(file.relative_to(home)) for file in (home / "kept").rglob("*") if file.is_file())


def test_every_path_is_called_below() -> None:
    assert set(path_parameters()) == set(CALLS)
    for where, annotation in path_parameters().items():
        assert "str | os.PathLike[str]" in annotation, where


@pytest.mark.parametrize("where", CALLS, ids=".".join)
def test_a_path_may_be_a_text(where: tuple[str, str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, call = CALLS[where]
    expected = call(home / name, home)
    assert expected is not None
    assert call(str(home / name), home) == expected
    if where[1] not in ("instruct", "base", "data"):  # which also are names, and expanded where they are opened
        assert call(f"~/{name}", home) == expected
    monkeypatch.chdir(home)
    if where[0] not in ("fix", "RunOptions", "load_model", "score"):  # another path, or slow
        assert call(name, home) == expected


def test_a_single_name_is_a_list_of_one() -> None:
    (task,) = calibaudit.load_tasks("arithmetic", limit=3)
    assert task == calibaudit.load_tasks(["arithmetic"], limit=3)[0] == calibaudit.load_task("arithmetic", limit=3)
    with pytest.raises(TaskError, match=r"^3 is not a task's name or file: write load_tasks\(\["):
        calibaudit.load_tasks([3])  # type: ignore[list-item]
    with pytest.raises(TaskError, match="is not a task's name or file"):
        calibaudit.load_tasks(task)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="no task is named"):
        calibaudit.load_tasks([])


def test_one_models_scores_of_one_task_are_a_list_of_one() -> None:
    before, after, _ = sides(("one",))
    assert calibaudit.compare(before[0], after[0]).to_dict() == calibaudit.compare(before, after).to_dict()
    assert calibaudit.gate(before[0], after[0]).to_dict() == calibaudit.gate(before, after).to_dict()
    assert calibaudit.audit_model(before[0]).to_dict() == calibaudit.audit_model(before).to_dict()
    whole = calibaudit.recommend(before, after, calibaudit.compare(before, after))
    assert calibaudit.recommend(before[0], after[0]).to_dict() == whole.to_dict()


ITEM = Item("a", "Question?", ("yes", "no"), 0)
TASK = Task("t", "1", "cloze", (ITEM,))
SCORES = made_scores(20)
WRONG: dict[str, tuple[Callable[[], Any], type[CalibauditError], str]] = {
    "compare paths": (
        lambda: calibaudit.compare("base.json", "tuned.json"),  # type: ignore[arg-type]
        ScoresError,
        "before: expected scores, found a path: use read_scores('base.json')",
    ),
    "compare audits": (
        lambda: calibaudit.compare([SCORES], calibaudit.audit(SCORES)),  # type: ignore[arg-type]
        ScoresError,
        "after: expected Scores (from score or read_scores), found Audit",
    ),
    "audit several": (
        lambda: calibaudit.audit([SCORES]),  # type: ignore[arg-type]
        ScoresError,
        "audit takes one task's Scores, not list: for several, audit_model(...)",
    ),
    "gate nothing": (
        lambda: calibaudit.gate(None, [SCORES]),  # type: ignore[arg-type]
        ScoresError,
        "before: expected Scores (from score or read_scores), found NoneType",
    ),
    "score a name": (lambda: calibaudit.score("words", None), TaskError, "expected a Task: use load_task('words')"),  # type: ignore[arg-type]
    "score tasks": (
        lambda: calibaudit.score([TASK], None),  # type: ignore[arg-type]
        TaskError,
        "expected one Task (from load_task), found list",
    ),
    "score by name": (
        lambda: calibaudit.score(TASK, "demo:base"),  # type: ignore[arg-type]
        ModelError,
        "'demo:base' is a name; expected a model: use load_model('demo:base')",
    ),
    "fix names": (
        lambda: calibaudit.fix("i", "b", None, "out", ["words"]),  # type: ignore[list-item]
        TaskError,
        "load_task('words')",
    ),
    "save a dictionary": (lambda: calibaudit.save({}, "x.json"), ScoresError, "no scores"),  # type: ignore[arg-type]
    "save a number": (lambda: calibaudit.save(3, "x.json"), ScoresError, "save: int in the place of Scores"),  # type: ignore[arg-type]
    "save as a text": (lambda: calibaudit.save(SCORES, "x.docx"), OutputError, "x.docx: cannot write .docx; known: "),
    "save changes": (lambda: calibaudit.save(SCORES, "changes.svg"), OutputError, "changes.svg: which diagram?"),
    "save a verdict": (lambda: calibaudit.save(calibaudit.compare(SCORES, SCORES), "x.xml"), OutputError, "JUnit"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_such_thing_is_refused_with_what_to_write(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, kind, says = WRONG[case]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=re.escape(says)) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_is_what_the_commands_save(tmp_path: Path) -> None:
    before, after, _ = sides(("one", "two"), 60)
    comparison = calibaudit.compare(before, after)
    verdict = calibaudit.gate(before, after)
    advice = calibaudit.recommend(before, after, comparison)
    calibaudit.save(comparison, tmp_path / "result.json", recommendation=advice, verdict=verdict)
    from calibaudit.report.result_json import read_result
    from calibaudit.report.saved import comparison_of, verdict_of

    result = read_result(str(tmp_path / "result.json"))
    assert comparison_of(result, "it").to_dict() == comparison.to_dict()
    assert verdict_of(result, "it").to_dict() == verdict.to_dict()
    assert result["recommendation"]["action"] == advice.action
    for name in ("page.html", "page.md", "table.csv", "reliability.svg"):
        calibaudit.save(comparison, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 500
    calibaudit.save(comparison, tmp_path / "checks.xml", verdict=verdict)
    calibaudit.save(calibaudit.audit_model(before), tmp_path / "audit.md")
    calibaudit.save(before, tmp_path / "scores.json")
    for was, now in zip(before, calibaudit.read_scores(tmp_path / "scores.json"), strict=True):
        assert was.to_dict() == now.to_dict()
        assert dataclasses.asdict(was.model) == dataclasses.asdict(now.model)
    with pytest.raises(ScoresError, match="stands beside a Comparison"):
        calibaudit.save(before, tmp_path / "x.json", verdict=verdict)


def test_a_repair_is_saved_as_fix_saves_it(tmp_path: Path) -> None:
    from calibaudit.report.result_json import read_result
    from calibaudit.report.saved_repair import repair_of
    from tests.report.repairs.made_repairs import CASES

    repair = CASES["smoothed"]()
    calibaudit.save(repair, str(tmp_path / "fix.json"))
    assert repr(repair_of(read_result(tmp_path / "fix.json"), "it")) == repr(repair)
