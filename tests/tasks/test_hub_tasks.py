"""The prompts of hub tasks and of made-up settings, byte for byte as lm-evaluation-harness 0.4.13 makes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from calibaudit.tasks.items import Item, Task
from calibaudit.tasks.load import load_task, load_tasks
from calibaudit.tasks.yaml_file import bundled_folder

ORACLES = Path(__file__).resolve().parents[1] / "oracles"
sys.path.insert(0, str(ORACLES))
from cases import CASES, Case, item_hash, write_mirror  # noqa: E402

HASHES: dict[str, list[str]] = json.loads((ORACLES / "prompts.json").read_text(encoding="utf-8"))["items"]


def requests(item: Item) -> list[tuple[str, str]]:
    """Prompt and continuation of every choice, as the model sees them without a chat template."""
    leads = item.leads or ("",) * len(item.choices)
    context = item.system + item.context
    return [(context + lead, item.delimiter + choice) for lead, choice in zip(leads, item.choices, strict=True)]


def load(case: Case, folder: Path, mirror: Path) -> Task:
    if case.ours is not None and not case.keys:
        return load_task(case.ours, num_fewshot=case.num_fewshot, limit=case.limit, mirror=mirror, offline=True)
    include = {} if case.ours is None else {"include": str(bundled_folder() / "hub" / f"{case.ours}.yaml")}
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump({**include, "task": "case", **case.keys}))
    return load_task(str(path), num_fewshot=case.num_fewshot, limit=case.limit, mirror=mirror, offline=True)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder, None)
    return folder


def compare(case: Case, task: Task) -> None:
    expected = HASHES[case.name]
    assert len(task.items) == len(expected) >= min(case.limit, 100)
    different = [i for i, item in enumerate(task.items) if item_hash(requests(item), item.answer) != expected[i]]
    assert not different, f"{len(different)} items differ; the first: {requests(task.items[different[0]])}"


@pytest.mark.parametrize("case", [case for case in CASES if not case.shared], ids=lambda case: case.name)
def test_prompts_equal_lm_eval_on_made_up_rows(case: Case, tmp_path: Path, made_up: Path) -> None:
    compare(case, load(case, tmp_path, made_up))


@pytest.mark.shared
@pytest.mark.parametrize("case", [case for case in CASES if case.shared], ids=lambda case: case.name)
def test_prompts_equal_lm_eval_on_public_rows(case: Case, tmp_path: Path, shared: Path) -> None:
    mirror = shared / "data" / "hub"
    if case.keys.get("dataset_path", "").startswith("real/"):
        mirror = tmp_path / "mirror"
        write_mirror(mirror, shared)
    compare(case, load(case, tmp_path, mirror))


def test_every_case_has_its_oracle() -> None:
    assert set(HASHES) == {case.name for case in CASES}


@pytest.mark.shared
@pytest.mark.parametrize(("name", "log"), [("arc_challenge", "arc_challenge"), ("openbookqa", "openbookqa_letters")])
def test_local_tasks_equal_the_harness_logs(name: str, log: str, shared: Path) -> None:
    (path,) = (shared / "data" / "lm_eval_logs" / "stories260k").glob(f"samples_{log}_local_*.jsonl")
    task = load_task(str(Path(__file__).parent / f"{name}.yaml"), limit=300)
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(task.items) == 300
    for row, item in zip(sorted(rows, key=lambda row: row["doc_id"]), task.items, strict=True):
        sent = [(pair["arg_0"], pair["arg_1"]) for pair in row["arguments"].values()]
        assert requests(item) == sent
        assert item.id == row["doc"]["id"]
        target = row["target"]
        assert item.answer == (int(target) if target.isdigit() else item.choices.index(target))


@pytest.mark.shared
def test_local_copies_load_whole(shared: Path) -> None:
    tasks = load_tasks([str(Path(__file__).parent)])
    assert {task.name: (len(task.items), task.scoring) for task in tasks} == {
        "arc_challenge_local": (1172, "cloze"),
        "commonsense_qa_local": (1221, "letter"),
        "hellaswag_local": (1000, "cloze"),
        "openbookqa_letters_local": (500, "letter"),
        "truthfulqa_mc1_local": (817, "cloze"),
    }
    assert all(not task.warnings for task in tasks)


@pytest.mark.shared
def test_hellaswag_copy_carries_no_wikihow_marks(shared: Path) -> None:
    task = load_task(str(Path(__file__).parent / "hellaswag.yaml"))
    raw = json.loads((shared / "data" / "hellaswag" / "dev.json").read_text(encoding="utf-8"))
    assert any("[step]" in row["question"] for row in raw)
    for row, item in zip(raw, task.items, strict=True):
        assert "[" not in item.context
        assert item.answer == "ABCD".index(row["answer"])
        assert item.id.split()[0] == str(row["id"])


def test_mmlu_describes_its_57_subjects(made_up: Path) -> None:
    folder = bundled_folder() / "hub"
    members = yaml.safe_load((folder / "mmlu.yaml").read_text())["task"]
    assert len({member["dataset_name"] for member in members}) == 57
    for member in members:
        subject = member["dataset_name"].replace("_", " ")
        assert member["task"] == f"mmlu_{member['dataset_name']}"
        assert member["description"] == (
            f"The following are multiple choice questions (with answers) about {subject}.\n\n"
        )
    task = load_task("mmlu_us_foreign_policy", mirror=made_up, offline=True, limit=1)
    assert task.scoring == "letter"
    assert task.n_fewshot == 0
    assert task.items[0].system.endswith("about us foreign policy.\n\n")


def test_boolq_and_social_iqa_know_their_groups(made_up: Path) -> None:
    for name in ("boolq", "social_iqa"):
        task = load_task(name, mirror=made_up, offline=True, limit=5)
        assert all(item.group and item.group in item.context for item in task.items)
