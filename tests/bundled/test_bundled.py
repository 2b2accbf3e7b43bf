"""Every bundled task: rebuilt byte for byte, sound items, balance, and no shortcut around the question."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TASKS = ROOT / "tasks"
EASY = sorted(path.parent.name for path in (TASKS / "build").glob("*/questions.py"))
HARD = sorted(path.parent.name for path in (TASKS / "build").glob("hard/*/questions.py"))
NAMES = [*EASY, *HARD]
N_TEST, N_TRAIN = 256, 320


def folder_of(name: str) -> Path:
    return TASKS / "hard" if name in HARD else TASKS


def levels_of(name: str) -> set[int]:
    return set(range(6, 11) if name in HARD else range(1, 6))


def rows(name: str, part: str = "") -> list[dict[str, Any]]:
    text = (folder_of(name) / f"{name}{part}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_there_are_at_least_eight_and_the_groups_name_them() -> None:
    from calibaudit.tasks.load import member_names

    grouped = list(member_names("bundled"))
    assert len(grouped) >= 8
    assert set(grouped) <= set(EASY)
    hard = list(member_names("bundled_hard"))
    assert len(hard) >= 6
    assert hard == HARD
    assert list(member_names("bundled_letter")) == [f"{name}_letter" for name in grouped]


def test_every_shipped_file_has_a_builder() -> None:
    for folder, names in ((TASKS, EASY), (TASKS / "hard", HARD)):
        built = [f"{name}{part}.jsonl" for name in names for part in ("", ".train")]
        assert sorted(built) == sorted(path.name for path in folder.glob("*.jsonl"))


@pytest.mark.parametrize("name", NAMES)
def test_building_gives_the_shipped_files_byte_for_byte(name: str, tmp_path: Path) -> None:
    """A task a test, so that workers divide them: its own name is its seed."""
    command = [sys.executable, str(TASKS / "build"), name, "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.jsonl"))
    assert [path.name for path in made] == [f"{name}.jsonl", f"{name}.train.jsonl"]
    for file in made:
        assert (tmp_path / file).read_bytes() == (TASKS / file).read_bytes(), file


@pytest.mark.parametrize("name", NAMES)
def test_items_are_sound(name: str) -> None:
    test, train = rows(name), rows(name, ".train")
    assert (len(test), len(train)) == (N_TEST, N_TRAIN)
    texts = [(row.get("passage", ""), row["question"]) for row in test + train]
    assert len(set(texts)) == len(texts), "a question occurs twice, or on both sides"
    assert not {row["passage"] for row in test if "passage" in row} & {row.get("passage") for row in train}
    statements = [row["statement"].format(row["choices"][row["answer"]]) for row in test + train]
    assert len(set(statements)) == len(statements), "two items state the same fact"
    for row in test + train:
        folded = {" ".join(choice.casefold().split()) for choice in row["choices"]}
        assert len(folded) == len(row["choices"]) == 4, row["id"]
        assert 0 <= row["answer"] < 4
        assert all(choice == choice.strip() != "" for choice in row["choices"]), row["id"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_stand_equally_often_at_each_place_and_levels_are_spread(name: str) -> None:
    for part in ("", ".train"):
        data = rows(name, part)
        places = Counter(row["answer"] for row in data)
        assert set(places.values()) == {len(data) // 4}
        levels = Counter(row["level"] for row in data)
        assert set(levels) == levels_of(name)
        if name in HARD:
            assert max(levels.values()) - min(levels.values()) <= 1, levels
        assert min(levels.values()) >= 0.12 * len(data), levels
        assert max(levels.values()) <= 0.30 * len(data), levels


def _number(text: str) -> float | None:
    try:
        return float(text.split()[0].replace(",", ""))
    except ValueError:
        return None


def _by_number(pick: Callable[[Sequence[float]], float]) -> Callable[[Sequence[str]], int | None]:
    def choose(choices: Sequence[str]) -> int | None:
        numbers = [_number(choice) for choice in choices]
        if any(number is None for number in numbers):
            return None
        known = [number for number in numbers if number is not None]
        return known.index(pick(known))

    return choose


SHORTCUTS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "longest": lambda choices: max(range(4), key=lambda i: len(choices[i])),
    "shortest": lambda choices: min(range(4), key=lambda i: len(choices[i])),
    "first in the alphabet": lambda choices: min(range(4), key=lambda i: choices[i]),
    "last in the alphabet": lambda choices: max(range(4), key=lambda i: choices[i]),
    "largest number": _by_number(max),
    "smallest number": _by_number(min),
    "second smallest number": _by_number(lambda numbers: sorted(numbers)[1]),
    "second largest number": _by_number(lambda numbers: sorted(numbers)[2]),
}


@pytest.mark.parametrize("name", NAMES)
def test_no_shortcut_finds_the_answers(name: str) -> None:
    """Right more often than 35 % is a giveaway; where only part of the items are numbers, so many as chance allows."""
    data = rows(name) + rows(name, ".train")
    for label, choose in SHORTCUTS.items():
        hits = [choose(row["choices"]) == row["answer"] for row in data if choose(row["choices"]) is not None]
        bound = 0.35 + 2 * (0.25 * 0.75 / max(1, len(hits))) ** 0.5
        assert not hits or sum(hits) / len(hits) <= bound, f"{name}: {label} is right in {sum(hits)} of {len(hits)}"


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}_letter" for name in NAMES)])
def test_files_have_no_fault_and_show_what_the_model_sees(name: str) -> None:
    from calibaudit.tasks.load import check_task_file, load_task

    plain = name.removesuffix("_letter")
    assert check_task_file(folder_of(plain) / f"{name}.yaml") == ()
    task = load_task(name)
    source = rows(plain)
    assert task.scoring == ("letter" if name.endswith("_letter") else "cloze")
    assert len(task.items) == N_TEST
    for item, row in zip(task.items, source, strict=True):
        assert item.id == row["id"]
        assert item.answer == row["answer"]
        assert f"Question: {row['question']}\n" in item.context
        assert item.context.endswith("\nAnswer:")
        assert item.group == row.get("passage")
        assert item.level == row["level"]
        if task.scoring == "letter":
            assert item.choices == ("A", "B", "C", "D")
            assert "\n".join(f"{letter}. {c}" for letter, c in zip("ABCD", row["choices"], strict=True)) in item.context
        else:
            assert item.choices == tuple(row["choices"])


@pytest.mark.parametrize("name", NAMES)
def test_the_card_s_table_and_examples_are_the_task_s(name: str) -> None:
    card = (ROOT / "docs" / "tasks" / f"{name}.md").read_text(encoding="utf-8")
    assert len(card.splitlines()) >= 20
    assert f"tasks/build {name}" in card
    test, train = rows(name), rows(name, ".train")
    levels = sorted(levels_of(name))
    table = card[card.index("| topic |") :].partition("\n\n")[0].splitlines()[2:]
    made = []
    for topic in [*sorted({row["topic"] for row in test + train}), "all"]:
        own, other = ([row for row in part if topic in (row["topic"], "all")] for part in (test, train))
        counts = Counter(row["level"] for row in own + other)
        made.append([topic, *(str(counts[level]) for level in levels), str(len(own)), str(len(other))])
    assert [line.strip("| ").split(" | ") for line in table] == made
    answered = {
        (" / ".join(row["choices"]), row["choices"][row["answer"]], row["topic"], str(row["level"]))
        for row in test + train
    }
    examples = re.findall(r"^> (.* / .*): \*\*(.*)\*\* \((.*), level (\d+)\)$", card, flags=re.MULTILINE)
    assert len(examples) >= 2
    assert set(examples) <= answered


def test_letter_and_cloze_ask_the_same_documents() -> None:
    from calibaudit.tasks.load import load_task

    seen: set[str] = set()
    for name in NAMES:
        cloze, letter = ([item.document for item in load_task(task).items] for task in (name, f"{name}_letter"))
        assert cloze == letter, name
        assert len(set(cloze)) == N_TEST, name
        assert not seen & set(cloze), name
        seen |= set(cloze)
