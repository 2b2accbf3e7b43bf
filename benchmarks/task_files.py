"""Every multiple-choice task file of the installed lm-evaluation-harness: does it load, unchanged or converted?

    python benchmarks/task_files.py [--mirror FOLDER] [--quick N] [--largest N] [--jobs N] [--failures FILE]

Needs lm-evaluation-harness (`pip install lm_eval`) beside calibaudit, and runs its tasks' functions. Nothing is
downloaded: documents are real where `--mirror` (a folder laid out like the hub) has the data set, else made with the
columns that the file's templates and functions ask for (benchmarks/made_documents.py). A file that loads unchanged is
counted as such; of the others, those that are alike but for name, data set and description are run once. Whatever is
run has its prompts, continuations and answers held against the harness at its own number of examples and at 2.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import json
import multiprocessing
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import made_documents

from calibaudit.errors import TaskError
from calibaudit.tasks.convert.harness import downloading, quietly
from calibaudit.tasks.convert.proof import compare_file, shots_to_try
from calibaudit.tasks.convert.rows import Refused, make_plain
from calibaudit.tasks.convert.write import proved
from calibaudit.tasks.registry import definitions_of_file
from calibaudit.tasks.yaml_file import TaskFileError

APART = ("task", "dataset_name", "dataset_path", "tag", "task_alias", "description", "metadata")
"""Keys in which files may differ and still be run once: they choose the rows, not what is made of them."""

N_COMPARED = 20


@dataclass
class Outcome:
    """What became of one file, or of all that are alike. equal: documents compared by number of examples."""

    way: str
    reason: str = ""
    equal: dict[int, int] = field(default_factory=dict)


def task_files() -> tuple[Path, dict[Path, dict[str, Any]]]:
    """The harness's folder of tasks, and its multiple-choice files: includes merged, functions by name."""
    import lm_eval
    from lm_eval.tasks._yaml_loader import load_yaml

    root = Path(lm_eval.__file__).parent / "tasks"
    found = {}
    for path in sorted(root.rglob("*.yaml")):
        try:
            config = load_yaml(path, resolve_func=False)
        except Exception:
            continue  # a template whose include is not there; the harness passes it over too
        if config.get("output_type") == "multiple_choice" and isinstance(config.get("task"), str):
            found[path] = config
    return root, found


def resolved(path: Path) -> dict[str, Any]:
    from lm_eval.tasks._yaml_loader import load_yaml

    config = copy.deepcopy(load_yaml(path, resolve_func=True))
    return {key: value for key, value in config.items() if key not in ("tag", "group", "task_list", "task_alias")}


def unchanged(path: Path) -> str:
    """Why calibaudit does not load a file as it is; empty: it does."""
    try:
        definitions_of_file(path)
    except TaskFileError as error:
        return "; ".join(sorted({re.sub(r"^\S+?:\d+: ", "", fault) for fault in error.faults}))
    return ""


def convert_one(path: Path, made: Any, known: list[Any], version: str) -> Outcome:
    """made: None, or the mirror in which the data set lies."""
    from lm_eval.api.task import ConfigurableTask

    try:
        config = resolved(path)
    except Exception as error:
        return Outcome("not", f"its functions cannot be imported: {type(error).__name__}: {error}"[:160])

    def attempt(schema: Any) -> Outcome:
        with quietly(offline=True), downloading(lambda task: dataset(config, schema, made)):
            task = ConfigurableTask(config=copy.deepcopy(config))
            plain = make_plain(task, version, limit=None if made is None else N_COMPARED)
        _, equal = proved(task, plain, Path(), N_COMPARED)
        return Outcome("converted", "", equal)

    try:
        if made is not None:
            return attempt(None)
        outcome, error = made_documents.search(config, attempt, known)
    except Exception as raised:
        outcome, error = None, raised
    if outcome is not None:
        return outcome
    return Outcome("refused" if isinstance(error, Refused) else "not", reason_of(error))


def reason_of(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    text = text.partition(": ")[2] if isinstance(error, TaskError) else f"{type(error).__name__}: {text}"
    return re.sub(r"document \d+|row \d+|[\"'].*?[\"']", "…", text)[:150]


def dataset(config: dict[str, Any], schema: Any, mirror: Path | None) -> Any:
    import datasets

    if mirror is None:
        made = {name: made_documents.rows(schema, k) for k, name in enumerate(made_documents.split_names(config))}
        return datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in made.items()})
    with tempfile.TemporaryDirectory() as cache:
        return datasets.load_dataset(
            str(mirror / config["dataset_path"]), config.get("dataset_name"), cache_dir=cache, keep_in_memory=True
        )


def compare_unchanged(path: Path, mirror: Path | None, known: list[Any]) -> Outcome:
    """The file as it is, asked by both programs on the same documents."""
    from lm_eval.api.task import ConfigurableTask

    from calibaudit.tasks import build, documents

    try:
        config = resolved(path)
    except Exception as error:
        return Outcome("not asked", f"its functions cannot be imported: {type(error).__name__}: {error}"[:160])
    real = build.load_documents

    def attempt(schema: Any) -> Outcome:
        with quietly(offline=True):
            held = dataset(config, schema, mirror)
            if config.get("training_split") not in held:
                config["training_split"] = None
            with downloading(lambda task: held):
                task = ConfigurableTask(config=copy.deepcopy(config))
        splits = {
            name: (lambda part: lambda: documents.Split(part.to_list(), tuple(part.column_names), "made"))(held[name])
            for name in held
        }
        build.load_documents = lambda definition, **_: documents.Documents(splits, definition.where)
        try:
            docs = list(task.task_docs)[:N_COMPARED]
            return Outcome("unchanged", "", {n: compare_file(task, docs, path, n) for n in shots_to_try(task)})
        finally:
            build.load_documents = real

    try:
        if mirror is not None:
            return attempt(None)
        outcome, error = made_documents.search(config, attempt, known)
    except Exception as raised:
        outcome, error = None, raised
    return outcome or Outcome("differs", reason_of(error))


def in_mirror(config: dict[str, Any], mirror: Path | None) -> bool:
    folder = None if mirror is None else mirror / str(config.get("dataset_path"))
    return folder is not None and folder.is_dir() and (folder / str(config.get("dataset_name") or "default")).is_dir()


_KNOWN: dict[str, list[Any]] = defaultdict(list)


def work(job: tuple[str, Path, str, Path | None]) -> tuple[Path, str, Outcome]:
    kind, path, version, mirror = job
    import datasets

    datasets.disable_caching()
    known = _KNOWN[str(path.parent)]
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # some functions print what they think of a row
        if kind == "unchanged":
            outcome = compare_unchanged(path, mirror, known)
        else:
            outcome = convert_one(path, mirror, known, version)
    del known[6:]
    if time.perf_counter() - started > 20:
        print(f"slow: {path.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return path, kind, outcome


def main() -> None:
    parser = argparse.ArgumentParser(description="Count the harness's task files that load, unchanged or converted.")
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--quick", type=int, metavar="N", help="only every Nth of the files that are run")
    parser.add_argument("--largest", type=int, metavar="N", help="only the N files that most others are like")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--failures", type=Path, help="a file for one line a file that neither loads nor converts")
    asked = parser.parse_args()
    from calibaudit.tasks.convert.harness import harness_version

    version, started = harness_version(), time.perf_counter()
    root, files = task_files()
    why = {path: unchanged(path) for path in files}
    alike: dict[str, list[Path]] = defaultdict(list)
    for path, config in files.items():
        if why[path]:
            key = {name: value for name, value in config.items() if name not in APART}
            real = config["dataset_path"] if in_mirror(config, asked.mirror) else ""
            alike[json.dumps([key, real], sort_keys=True, default=str)].append(path)
    jobs: list[tuple[str, Path, str, Path | None]] = []
    mirrors = {path: asked.mirror if in_mirror(config, asked.mirror) else None for path, config in files.items()}
    groups = sorted(alike.values(), key=len, reverse=True)[: asked.largest] if asked.largest else list(alike.values())
    jobs += [("convert", paths[0], version, mirrors[paths[0]]) for paths in groups[:: asked.quick or 1]]
    seen: Counter[str] = Counter()
    for path in files:
        family = path.relative_to(root).parts[0]
        if not why[path] and (mirrors[path] is not None or seen[family] < 2):
            seen[family] += mirrors[path] is None
            jobs.append(("unchanged", path, version, mirrors[path]))
    results: dict[Path, Outcome] = {}
    importlib.import_module("lm_eval.api.task")  # once, before the processes part
    with multiprocessing.get_context("fork").Pool(asked.jobs) as pool:
        for n, (path, _, outcome) in enumerate(pool.imap_unordered(work, jobs, chunksize=8)):
            results[path] = outcome
            if sys.stderr.isatty() or n % 200 == 0:
                print(f"{n + 1} of {len(jobs)} run, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    table(root, files, why, alike, mirrors, results, asked)
    print(f"\n{len(jobs)} files run in {time.perf_counter() - started:.0f} s, lm-evaluation-harness {version}")


def table(root: Path, files: Any, why: Any, alike: Any, mirrors: Any, results: Any, asked: Any) -> None:
    n = len(files)
    counts: Counter[str] = Counter(unchanged=sum(not reason for reason in why.values()))
    reasons: Counter[str] = Counter()
    lines = []
    run = 0
    for paths in alike.values():
        outcome = results.get(paths[0])
        if outcome is None:
            counts["not run"] += len(paths)
            continue
        run += 1
        way = outcome.way
        if way == "converted":
            way += " on real documents" if mirrors[paths[0]] is not None else " on made documents"
        else:
            reasons[f"{way}: {outcome.reason}"] += len(paths)
            lines += [f"{path.relative_to(root)}\t{way}\t{outcome.reason}" for path in paths]
        counts[way] += len(paths)
    print(f"| {n} multiple-choice files | files | share |\n| --- | ---: | ---: |")
    for way, count in counts.most_common():
        print(f"| {way} | {count} | {100 * count / n:.1f} % |")
    loads = sum(count for way, count in counts.items() if way.startswith(("unchanged", "converted")))
    print(f"| **load unchanged or through convert** | {loads} | {100 * loads / n:.1f} % |")
    print(
        f"\n{run} of {sum(map(len, alike.values()))} files that need convert were run; the others differ from one of "
        f"these in {', '.join(APART)} alone."
    )
    if asked.quick:
        tried = sum(counts.values()) - counts["unchanged"] - counts["not run"]
        share = (loads - counts["unchanged"]) / tried
        likely = counts["unchanged"] + share * (n - counts["unchanged"])
        print(
            f"Of the {tried} files that the sample stands for {100 * share:.1f} % convert; were the others like them, "
            f"{100 * likely / n:.0f} % of all would load."
        )
    print("\n| not loaded, by reason | files |\n| --- | ---: |")
    for reason, count in reasons.most_common(25):
        print(f"| {reason} | {count} |")
    families: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    documents: Counter[int] = Counter()
    for path, outcome in results.items():
        family = path.relative_to(root).parts[0]
        source = "real" if mirrors[path] is not None else "made"
        for shots, compared in outcome.equal.items():
            documents[shots] += compared
            if compared:
                families[source][str(shots)].add(family)
    print(
        "\n| families with equal prompts and answers | 0 examples | 2 examples | both |\n| --- | ---: | ---: | ---: |"
    )
    for source, found in families.items():
        both = found["0"] & found["2"]
        print(f"| on {source} documents | {len(found['0'])} | {len(found['2'])} | {len(both)} |")
    print(
        "\ndocuments compared:", ", ".join(f"{count} at {shots} examples" for shots, count in sorted(documents.items()))
    )
    differs = {path: outcome for path, outcome in results.items() if outcome.way in ("differs", "not asked")}
    print(
        f"files that load unchanged and were asked by both: {sum(not why[p] for p in results)}, "
        f"not equal: {len(differs)}"
    )
    for path, outcome in list(differs.items())[:25]:
        print(f"- {path.relative_to(root)}: {outcome.reason}")
    if asked.failures:
        asked.failures.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
