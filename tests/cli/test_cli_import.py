"""`calibaudit import`, and tables and logs where commands take a model; one real pair in four forms."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calibaudit.analysis.compare import compare
from calibaudit.scores.baseline import bless
from calibaudit.scores.saved import read_saved, read_scores
from calibaudit.scores.scores import Scores
from tests.command import Cli

SAVED = Path(__file__).resolve().parents[1] / "saved" / "import"
SIDES = {"base": "Llama-3.1-8B.json", "instruct": "Llama-3.1-8B-Instruct.json"}
TASKS = ("mmlu_astronomy", "mmlu_virology", "mmlu_sociology")


@pytest.fixture(scope="module")
def real(shared: Path) -> dict[str, list[Scores]]:
    """Three subjects of the real pair."""
    folder = shared / "data" / "real_pairs"
    return {side: [s for s in read_scores(folder / name) if s.task in TASKS] for side, name in SIDES.items()}


def probabilities(part: Scores) -> Any:
    odds = np.exp(part.logprobs)
    return odds / odds.sum(axis=1, keepdims=True)


def as_baseline(parts: list[Scores], path: Path) -> Path:
    path = path.with_suffix(".json")
    path.write_text(bless(parts))
    return path


def as_csv(parts: list[Scores], path: Path) -> Path:
    path = path.with_suffix(".csv")
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "task", "answer", *"ABCD"])
        for part in parts:
            rows = zip(part.item_ids, part.answer, probabilities(part).tolist(), strict=True)
            table.writerows([name, part.task, "ABCD"[answer], *row] for name, answer, row in rows)
    return path


def as_parquet(parts: list[Scores], path: Path) -> Path:
    path = path.with_suffix(".parquet")
    pq.write_table(
        pa.Table.from_pylist(
            [
                {"id": name, "task": part.task, "answer": answer, "logprobs": np.log(row).tolist()}
                for part in parts
                for name, answer, row in zip(part.item_ids, part.answer.tolist(), probabilities(part), strict=True)
            ]
        ),
        path,
    )
    return path


def as_lighteval(parts: list[Scores], path: Path) -> Path:
    for part in parts:
        rows = [
            {
                "doc": {
                    "task_name": f"{part.task}|0",
                    "id": name,
                    "query": f"{part.task} {name}",
                    "choices": [" A", " B", " C", " D"],
                    "gold_index": [answer],
                },
                "metric": {"acc": float(row.argmax() == answer)},
                "model_response": {"logprobs": np.log(row).tolist(), "output_tokens": [[1], [2], [3], [4]]},
            }
            for name, answer, row in zip(part.item_ids, part.answer.tolist(), probabilities(part), strict=True)
        ]
        path.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path / f"details_{part.task}_2026-11-28T12-00-00.parquet")
    return path


@pytest.mark.parametrize("form", [as_csv, as_parquet, as_lighteval])
def test_a_real_pair_has_the_same_numbers_in_every_form(
    form: Callable[[list[Scores], Path], Path], real: dict[str, list[Scores]], tmp_path: Path
) -> None:
    committed = [read_saved(str(as_baseline(parts, tmp_path / side)), None) for side, parts in real.items()]
    others = [read_saved(str(form(parts, tmp_path / f"{side}-form")), None) for side, parts in real.items()]
    one, two = compare(*committed), compare(*others)
    by_name = {task.name: task for task in two.tasks}
    pairs = [(task, by_name[task.name]) for task in one.tasks] + [(one.pooled, two.pooled)]
    for old, new in pairs:
        assert old.n_items == new.n_items
        for side in ("before", "after"):
            for name, value in getattr(old, side).metrics.items():
                if name not in ("option_mass", "temperature", "ece_floor"):
                    assert getattr(new, side).metrics[name].value == pytest.approx(value.value, abs=2e-4), (side, name)
            new_mass = getattr(new, side).metrics["option_mass"].value
            assert new_mass is None if form is not as_lighteval else new_mass == pytest.approx(1.0)
        assert new.before.metrics["accuracy"].value == old.before.metrics["accuracy"].value
        assert new.after.metrics["temperature"].value == pytest.approx(old.after.metrics["temperature"].value, abs=2e-3)


def test_compare_takes_tables_and_an_unknown_mass_stands_nowhere(
    cli: Cli, real: dict[str, list[Scores]], tmp_path: Path
) -> None:
    base, tuned = (as_csv(real[side], tmp_path / side) for side in SIDES)
    files = [tmp_path / f"out.{ending}" for ending in ("json", "html", "md", "csv")]
    ended = cli("compare", base, tuned, "--expert", *[word for file in files for word in ("-o", file)])
    assert ended.code == 0, ended.err
    assert "option mass" not in ended.out
    assert "probability is on the options" not in ended.out
    result = json.loads(files[0].read_text())
    assert {part["before"]["option_mass"]["value"] for part in result["tasks"]} == {None}
    assert cli("gate", base, tuned).code in (0, 1)
    blessed = tmp_path / "blessed.json"
    assert cli("bless", base, "-o", blessed).code == 0
    assert [part.option_mass for part in read_scores(blessed)] == [None] * 3
    assert cli("recommend", base, tuned).code == 0


@pytest.mark.parametrize("missing", ["nothere.csv", "nothere.parquet", "a/nothere.eval"])
def test_a_file_that_is_not_there_is_not_taken_for_a_model(missing: str, cli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,answer,A,B\nq1,A,.7,.3\nq2,B,.4,.6\n")
    for sides in ((missing, table), (table, missing)):
        ended = cli("compare", *sides)
        assert ended.code == 2
        assert ended.err.strip() == f"calibaudit: {missing}: no such file"


def test_a_table_beside_a_checkpoint_asks_for_the_task_file(cli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,answer,A,B\nq1,A,.7,.3\nq2,B,.4,.6\n")
    ended = cli("compare", "demo:base", table)
    assert ended.code == 2
    assert f"{table}: its items cannot be asked again without their task file, which -t names" in ended.err
    assert ended.err.count("\n") == 1
    (tmp_path / "empty").mkdir()
    ended = cli("compare", tmp_path / "empty", table)
    assert (ended.code, "empty: no config.json in this folder" in ended.err) == (2, True)


def test_import_saves_scores_that_compare_reads(cli: Cli, tmp_path: Path) -> None:
    table, saved = tmp_path / "t.csv", tmp_path / "scores.json"
    rows = [f"{i},{i % 3},{i % 5 - 2},{i % 7 - 3},1.5" for i in range(120)]
    table.write_text("id,answer,A,B,C\n" + "\n".join(rows) + "\n")
    refused = cli("import", table, "-o", saved)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "say --values logits" in refused.err
    assert not saved.exists()
    done = cli("import", table, "--values", "logits", "--task", "quiz", "--model", "mine", "-o", saved)
    assert done.code == 0, done.err
    (scores,) = read_scores(saved)
    assert (scores.task, scores.model.name, scores.n_items) == ("quiz", "mine", 120)
    logits = np.array([[i % 5 - 2, i % 7 - 3, 1.5] for i in range(120)])
    accuracy = (logits.argmax(axis=1) == np.arange(120) % 3).mean()
    assert json.loads(saved.read_text())["tasks"][0]["metrics"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert cli("compare", saved, saved).code == 0


@pytest.mark.parametrize("name", ["lighteval", "inspect_ai", "opencompass/demo-base", "helm"])
def test_import_knows_each_format_by_looking(name: str, cli: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "scores.json"
    ended = cli("import", SAVED / name, "-o", saved)
    assert ended.code == 0, ended.err
    assert read_scores(saved)
    assert cli("score", SAVED / name).code == 0


def test_flags_of_tables_say_nothing_to_logs_and_the_old_name_is_kept(cli: Cli, tmp_path: Path) -> None:
    ended = cli("import", SAVED / "lighteval", "--values", "logits")
    assert "--values does not apply to a log of lighteval" in ended.err
    assert cli("import", SAVED / "helm" / "separate_original", "--scoring", "cloze_token").code == 0
    refused = cli("import", SAVED / "inspect_ai", "--scoring", "pmi")
    assert refused.code == 2
    assert "scoring pmi is not available from it; choose one of letter" in refused.err
    assert "import-lm-eval" not in cli("--help").out
    assert cli("import-lm-eval", "--help").code == 0
