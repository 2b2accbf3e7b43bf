"""The readers that are fuzzed: what each is given, and how far what it accepts is carried on."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import inputs
from tests.fuzz.mutate import Sample

RARE = 0.002
"""How often what costs much is done with an input that was accepted: an HTML page with its pictures."""


class Lie(AssertionError):
    """A reader handed on as true what its file does not hold."""


@dataclass(frozen=True)
class Case:
    """One input on disk. file: what was mutated, in its folder. out: an empty folder for what is written."""

    file: Path
    out: Path
    rng: Random


@dataclass(frozen=True)
class Reader:
    """read: raises CalibauditError, or gives all that was read, in which no number may be NaN or above all numbers.

    own: whether the format is ours to read, and not transformers'.
    """

    name: str
    samples: Callable[[], Sequence[Sample]]
    read: Callable[[Case], object]
    own: bool = True


def _task_file(case: Case) -> object:
    from calibaudit.tasks.load import check_task_file, load_tasks

    if case.rng.random() < 0.3:
        return check_task_file(case.file, offline=True)
    return [(task.fingerprint, task.items) for task in load_tasks([str(case.file)], offline=True)]


def _task_rows(case: Case) -> object:
    from calibaudit.tasks.load import load_tasks

    return [(task.fingerprint, task.items) for task in load_tasks([str(case.file.parent / "task.yaml")], offline=True)]


def _scores(case: Case) -> object:
    """As `score` and `gate` take saved scores: read, audited or gated, saved again."""
    from calibaudit.scores.saved import is_saved_scores, read_scores

    is_saved_scores(str(case.file))
    return _carried_on(read_scores(case.file), case)


def _carried_on(scores: Any, case: Case) -> object:
    """Scores to all that is made of them, written as the commands write it."""
    from calibaudit.analysis.audit import audit_model
    from calibaudit.gating import gate
    from calibaudit.report.result_json import audit_dict
    from calibaudit.scores.align import without_doubles
    from calibaudit.scores.baseline import bless

    scores, _ = without_doubles(scores, scores)
    draw = case.rng.random()
    if draw < 0.05:
        return scores, gate(scores, scores).to_dict()
    if draw < 0.4:
        from calibaudit.files.write import write_whole

        write_whole(bless(scores), case.out / "baseline.json")
        return scores
    if draw < 0.9:
        return scores, [part.to_dict() for part in scores]
    result = {**audit_dict(audit_model(scores)), "scores": [part.to_dict() for part in scores]}
    _delivered(result, case)
    return scores, result


def _delivered(result: Any, case: Case) -> None:
    """Saved in some formats, and printed, as `cli.outputs.deliver` does."""
    from calibaudit.files.write import write_whole
    from calibaudit.report.formats import content
    from calibaudit.report.terminal.saved import page_of

    names = ["result.json", "result.md", "result.csv"]
    if case.rng.random() < RARE:
        names += ["result.html", "reliability.svg"]
    for data, path in [(content(result, case.out / name, case.file.name), case.out / name) for name in names]:
        write_whole(data, path)
    _shown(page_of(result, case.file.name), case.file.read_bytes())


def _shown(render: Callable[[Any], None], held: bytes) -> None:
    from rich.console import Console

    text = io.StringIO()
    render(Console(file=text, width=80))
    if " nan" in text.getvalue().lower() and not re.search(rb"\bnan\b", held.lower()):  # else a text says it itself
        raise Lie("the page says nan")


def _result(case: Case) -> object:
    from calibaudit.report.formats import check_format
    from calibaudit.report.result_json import is_repair, read_result
    from calibaudit.report.saved import is_comparison

    result = read_result(case.file)
    repaired = is_repair(result)
    check_format(case.out / "x.md", two_models=repaired or is_comparison(result), gated=False)
    _delivered(result, case)
    return result


def _baseline(case: Case) -> object:
    """As `gate` takes it: read, and held against the scores that it was blessed from."""
    from calibaudit.gating import gate
    from calibaudit.scores.saved import read_scores

    found = read_scores(case.file)
    candidates = [part for part in inputs.scores_made() if part.task in {entry.task for entry in found}]
    if candidates and case.rng.random() < 0.2:
        return found, gate(found, candidates).to_dict()
    return _carried_on(found, case)


def _logs(case: Case, *, of_folder: bool = False) -> object:
    from calibaudit.scores.logs.formats import is_log, read_logs

    path = case.file.parent if of_folder and case.rng.random() < 0.2 else case.file
    is_log(path)
    scores = read_logs([path])
    return _carried_on(scores, case) if case.rng.random() < 0.1 else scores


def _tables(case: Case) -> object:
    from calibaudit.scores.logs.formats import read_logs
    from calibaudit.scores.logs.settings import ImportSettings

    values = case.rng.choice((None, None, "probabilities", "logprobs", "logits"))
    settings = ImportSettings(values=values, answers_from=case.rng.choice((None, 0, 1)))  # type: ignore[arg-type]
    scores = read_logs([case.file], settings=settings)
    return _carried_on(scores, case) if case.rng.random() < 0.1 else scores


def _tuning_rows(case: Case) -> object:
    from calibaudit.training.data.rows import read_row, read_rows

    if case.rng.random() < 0.2:
        return read_row(str(case.file), case.rng.randrange(3))
    columns = case.rng.choice(({}, {}, {"prompt": "instruction"}))
    return read_rows(str(case.file), offline=True, columns=columns)


@lru_cache(maxsize=1)
def _command() -> Any:
    import typer

    from calibaudit.cli.app import app

    return typer.main.get_command(app)


def _configuration(case: Case) -> object:
    """The flags' values as a command gets them, and what it makes of them before it reads anything else."""
    from calibaudit.cli.settings.files import COMMANDS

    name = case.rng.choice(COMMANDS)
    root = _command()
    arguments = {"recommend": ["x"], "fix": ["x"]}.get(name, ["x"] if name in ("score", "bless") else ["x", "y"])
    with root.make_context("calibaudit", [name]) as above:
        flags = [*arguments, "--config", str(case.file)]
        with root.commands[name].make_context(name, flags, parent=above) as context:
            values = dict(context.params)
    return _checked_flags(name, values)


def _checked_flags(name: str, values: dict[str, Any]) -> object:
    """Of what no parser refuses, what the commands' own code checks before anything is run."""
    from calibaudit.analysis.settings import Settings
    from calibaudit.gating import Limits

    if name == "gate":
        names = ("margin", "alpha", "max_ece", "max_gap", "max_brier", "min_items", "strict")
        return Limits(**{flag: values[flag] for flag in names})
    if name in ("compare", "score"):
        return Settings(n_bins=values["bins"], seed=values["seed"])
    return None


def _prompt_results() -> list[Any]:
    from calibaudit.scoring.cache import PromptResult

    return [
        PromptResult(
            f"{i:064x}", (-1.25 - i, -2.5), (1, 2), truncated=bool(i % 2), shared=(-1.0, -2.0) if i == 2 else ()
        )
        for i in range(6)
    ]


SETTINGS = {"model": "sha256:0", "dtype": "float32"}


@lru_cache(maxsize=1)
def _cache_lines() -> list[Sample]:
    import tempfile

    from calibaudit.scoring.cache import ItemCache

    with tempfile.TemporaryDirectory() as folder:
        with ItemCache(Path(folder), SETTINGS) as cache:
            cache.add(_prompt_results())
            assert cache.path is not None
        return [Sample(cache.path.name, cache.path.read_bytes(), "jsonl")]


def _cache(case: Case) -> object:
    """A line is what was kept, or is computed again; then the file is whole for the next run."""
    from calibaudit.scoring.cache import ItemCache

    folder = case.out.parent / "cache"
    target = folder / ItemCache.kind / case.file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(case.file.read_bytes())
    kept = {result.key: result for result in _prompt_results()}
    for _ in range(2):
        with ItemCache(folder, SETTINGS) as cache:
            found = {key: cache.get(key) for key in kept}
            for key, result in found.items():
                if result is not None and result != kept[key]:
                    raise Lie(f"served {result} for {kept[key]}")
            cache.add([kept[key] for key, result in found.items() if result is None])
    with ItemCache(folder, SETTINGS) as cache:
        lost = [key for key in kept if cache.get(key) is None]
    if lost:
        raise Lie(f"{len(lost)} results that were added are not there in the next run")
    return found


def _memory_lines() -> list[Sample]:
    import tempfile

    from calibaudit.files.memory import Memory

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "revisions.jsonl"
        for i in range(3):
            Memory(path).keep(f"{i:064x}", {"sha256": f"{i:064d}", "n": i})
        return [Sample(path.name, path.read_bytes(), "jsonl")]


def _memory(case: Case) -> object:
    from calibaudit.files.memory import Memory

    kept = {f"{i:064x}": {"sha256": f"{i:064d}", "n": i} for i in range(3)}
    memory = Memory(case.file)
    for key, value in kept.items():
        if (found := memory.get(key)) is not None and found != value:
            raise Lie(f"served {found} for {value}")
    memory.keep("new", {"a": 1})
    if memory.get("new") != {"a": 1}:
        raise Lie("what was kept is not there")
    return None


def _answer(case: Case) -> object:
    from calibaudit.errors import ScoresError
    from calibaudit.files.read import read_json
    from calibaudit.scoring.engines import replies

    answer = read_json(case.file, ScoresError)
    read = case.rng.choice((replies.read_prompt_logprobs, replies.read_next, partial(replies.read_echo, n_prompt=2)))
    with contextlib.suppress(replies.Unreadable):
        reply = read(answer)
        return [token.logprob for token in reply.prompt + reply.next if token.logprob != -math.inf]  # theirs for none
    return None


READERS: tuple[Reader, ...] = (
    Reader("task-file", inputs.task_files, _task_file),
    Reader("task-rows", inputs.task_rows, _task_rows),
    Reader("scores", inputs.score_files, _scores),
    Reader("result", inputs.results, _result),
    Reader("baseline", inputs.baselines, _baseline),
    Reader("lm-eval", inputs.harness_logs, partial(_logs, of_folder=True)),
    Reader("lighteval", inputs.lighteval_logs, _logs),
    Reader("inspect", inputs.inspect_logs, _logs),
    Reader("opencompass", inputs.opencompass_logs, _logs),
    Reader("helm", inputs.helm_logs, partial(_logs, of_folder=True)),
    Reader("table", inputs.tables, _tables),
    Reader("sft-rows", inputs.tuning_rows, _tuning_rows),
    Reader("toml", inputs.configurations, _configuration),
    Reader("cache", _cache_lines, _cache),
    Reader("memory", _memory_lines, _memory),
    Reader("server", inputs.server_answers, _answer),
)


def written(out: Path) -> Iterator[str]:
    """What is wrong with the files of a folder: half of one, or one that is left behind."""
    for path in sorted(out.rglob("*")):
        if path.name.endswith((".part", ".partial")) or path.name.startswith("."):
            yield f"{path.name} is left behind"
        elif path.suffix == ".json":
            try:
                json.loads(path.read_bytes(), parse_constant=lambda name: 1 / 0)
            except (ValueError, ZeroDivisionError) as error:
                yield f"{path.name} is no strict JSON: {error}"
