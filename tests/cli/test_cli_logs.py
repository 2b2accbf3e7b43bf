"""Logs of the harness as a command's MODEL: beside checkpoints, several of them, and what is skipped is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import Cli

SAVED = Path(__file__).parents[1] / "saved" / "lm_eval_logs"
PLAIN, CHAT = SAVED / "plain", SAVED / "chat_2shot"
QUICK = ("--no-cache", "--no-progress", "--device", "cpu", "--dtype", "float32")


def result(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """The task file with its data, to be changed."""
    folder = tmp_path / "tasks"
    shutil.copytree(SAVED / "tasks", folder)
    return folder / "words.yaml"


def change(task: Path, **keys: Any) -> None:
    task.write_text(yaml.safe_dump(yaml.safe_load(task.read_text()) | keys))


@pytest.mark.shared
def test_a_log_and_a_checkpoint_either_way_round(cli: Cli, shared: Path, words: Path, tmp_path: Path) -> None:
    """A task with a description, as MMLU's have one. The log is of this very checkpoint, so nothing has changed."""
    model, out = shared / "models" / "stories260k", tmp_path / "out.json"
    for sides in ((PLAIN, model), (model, PLAIN)):
        ended = cli("compare", *sides, "-t", words, "-o", out, *QUICK)
        assert ended.code == 0, ended.err
        found = result(out)
        (task,) = found["tasks"]
        assert (task["name"], task["n_items"], task["scoring"]) == ("words", 12, "cloze")
        # 5 of 12: counted in the log by hand, summed log-likelihoods without any normalisation
        assert task["before"]["accuracy"]["value"] == task["after"]["accuracy"]["value"] == pytest.approx(5 / 12)
        assert abs(task["change"]["confidence"]["value"]) < 1e-4
        assert not any("prompt" in text for text in found["warnings"])
    assert "samples_written_" in ended.err


@pytest.mark.shared
def test_a_folder_of_logs_is_no_candidate_for_a_checkpoint(cli: Cli, shared: Path, words: Path) -> None:
    """Whoever made the folder could have put a good run's logs where the weights were; a file is named on purpose."""
    model = shared / "models" / "stories260k"
    ended = cli("gate", model, PLAIN, "-t", words, *QUICK)
    assert ended.code == 2
    assert "a folder of lm-evaluation-harness's logs, but the baseline is a checkpoint" in ended.err
    assert cli("gate", model, next(PLAIN.glob("samples_words_*")), "-t", words, *QUICK).code == 0


@pytest.mark.shared
def test_another_description_warns_and_other_data_are_refused(
    cli: Cli, shared: Path, words: Path, tmp_path: Path
) -> None:
    model, out = shared / "models" / "stories260k", tmp_path / "out.json"
    change(words, description="Say it in a word.\n\n")
    assert cli("compare", PLAIN, model, "-t", words, "-o", out, *QUICK).code == 0
    (text,) = [text for text in result(out)["warnings"] if "prompt" in text]
    assert "prompts differ" in text
    assert "(words)" in text
    ended = cli("gate", PLAIN, model, "-t", words, *QUICK)
    assert ended.code == 2
    assert "in another prompt" in ended.err
    rows = [json.loads(line) for line in (words.parent / "letters.jsonl").read_text().splitlines()]
    rows[3]["question"] += " Really?"
    (words.parent / "letters.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = cli("compare", PLAIN, model, "-t", words, *QUICK)
    assert ended.code == 2
    assert "the row of '3' before is none of those after; the other rows are as they were" in ended.err


@pytest.mark.shared
def test_rows_that_the_harness_prepared_are_matched_by_what_the_log_still_has(
    cli: Cli, shared: Path, words: Path, tmp_path: Path
) -> None:
    """As under `process_docs`: columns were renamed, so no row is the data set's."""
    log, out = tmp_path / "log", tmp_path / "out.json"
    shutil.copytree(PLAIN, log)
    (path,) = log.glob("samples_words_*")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows:
        row["doc"] = {"query": row["doc"]["question"], "gold": row["doc"]["answer"]}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    model = shared / "models" / "stories260k"
    assert cli("compare", log, model, "-t", words, "-o", out, *QUICK).code == 0
    assert abs(result(out)["tasks"][0]["change"]["confidence"]["value"]) < 1e-4  # each item beside itself
    change(words, description="Say it in a word.\n\n")
    assert cli("compare", log, model, "-t", words, "-o", out, *QUICK).code == 0
    assert any("its items were matched by id, right answer and choices (words)" in w for w in result(out)["warnings"])
    data = words.parent / "letters.jsonl"
    data.write_text("".join(data.read_text().splitlines(keepends=True)[::-1]))
    ended = cli("compare", log, model, "-t", words, *QUICK)
    assert ended.code == 2
    assert "item '0' has another answer or other choices" in ended.err


def test_the_plain_and_the_chat_log_compare_and_do_not_gate(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    plain = SAVED / "plain_2shot"
    assert cli("compare", plain, CHAT, "-o", out).code == 0
    found = result(out)
    assert [task["chat_template"] for task in found["tasks"]] == [{"before": False, "after": True}] * 3
    assert found["tasks"][0]["prompt"]["after"]["n_fewshot"] == 2
    assert any("the chat template is on one side only" in text for text in found["warnings"])
    ended = cli("gate", plain, CHAT)
    assert ended.code == 2
    assert "the chat template differs" in ended.err
    ended = cli("gate", PLAIN, plain, "-t", "words", "--allow-missing")
    assert ended.code == 2
    assert "another content (fingerprint" in ended.err
    assert "--num-fewshot 0 before, 2 after" in ended.err


def split_log(tmp_path: Path) -> tuple[Path, Path]:
    """The plain log as two folders, with one task each."""
    parts = tmp_path / "a", tmp_path / "b"
    for folder, task in zip(parts, ("words", "letters"), strict=True):
        folder.mkdir()
        for file in (*PLAIN.glob(f"samples_{task}_*"), *PLAIN.glob("results_*")):
            shutil.copy(file, folder)
    return parts


def test_several_logs_are_one_side(cli: Cli, tmp_path: Path) -> None:
    one, two = split_log(tmp_path)
    out, saved, again = tmp_path / "out.json", tmp_path / "scores.json", tmp_path / "again.json"
    assert cli("compare", f"{one},{two}", PLAIN, "-t", "words,letters", "-o", out).code == 0
    assert [task["name"] for task in result(out)["tasks"]] == ["words", "letters"]
    assert result(out)["overall"]["pooled"]["n_items"] == 12, "one set of questions, asked in two ways"
    # a file of scores beside a log
    assert cli("score", one, "-o", saved, "-q").code == 0
    assert cli("score", f"{saved},{two}", "-o", again, "-q").code == 0
    assert [entry["task"] for entry in result(again)["scores"]] == ["words", "letters"]
    assert cli("bless", f"{saved},{two}", "-o", tmp_path / "baseline.json", "-q").code == 0
    assert cli("gate", tmp_path / "baseline.json", f"{one},{two}").code == 0
    assert cli("gate", f"{saved},{two}", PLAIN, "-t", "words,letters").code == 0
    assert cli("recommend", f"{one},{two}", f"{saved},{two}").code == 0


def test_several_paths_that_are_not_one_side(cli: Cli, tmp_path: Path) -> None:
    one, two = split_log(tmp_path)
    saved = tmp_path / "scores.json"
    assert cli("score", one, "-o", saved, "-q").code == 0
    results = next(two.glob("results_*"))
    for models, said in (
        (f"{one},{tmp_path / 'none'}", "none: no such path; one side is several files"),
        (f"{one},{SAVED / 'tasks'}", "tasks: no scores or logs; one side is"),
        (f"{saved},{one}", f"task 'words' is in {saved} and in {one}"),
        (f"{one},{PLAIN}", "task 'words' is in two folders"),
    ):
        ended = cli("score", models)
        assert ended.code == 2
        assert said in ended.err
        assert ended.err.count("\n") == 1
    results.write_text(results.read_text().replace('"pretrained": "stories260k"', '"pretrained": "other"'))
    for models, first, second in (
        (f"{one},{two}", "of stories260k", "of other"),
        (f"{saved},{two}", "holds scores of two models, stories260k (", " and other ("),
    ):
        ended = cli("score", models)
        assert ended.code == 2
        assert first in ended.err
        assert second in ended.err


def test_a_path_with_a_comma_in_its_name_is_one(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "base,tuned"
    shutil.copytree(PLAIN, folder)
    ended = cli("score", folder, "-t", "words", "-o", tmp_path / "out.json")
    assert ended.code == 0, ended.err
    assert [entry["task"] for entry in result(tmp_path / "out.json")["scores"]] == ["words"]


def test_the_import_tells_what_it_passes_over(cli: Cli, tmp_path: Path) -> None:
    ended = cli("import-lm-eval", PLAIN, "-o", tmp_path / "out.json")
    assert ended.code == 0
    told = [line for line in ended.err.splitlines() if "skipped" in line]
    assert len(told) == 3
    ended = cli("import-lm-eval", next(PLAIN.glob("samples_written_*")))
    assert ended.code == 2
    assert "a generated task" in ended.err
    assert ended.err.count("\n") == 1
