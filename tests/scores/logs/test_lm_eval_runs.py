"""Folders that the harness wrote itself, against task files, checkpoints and plain Python over the raw lines.

tests/saved/lm_eval_logs/make.py made them; ../shared has more.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibaudit.analysis.audit import audit
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.chat.settings import ChatSettings
from calibaudit.models.model import Model, load_model
from calibaudit.scores.logs.lm_eval import read_lm_eval
from calibaudit.scores.scores import Scores
from calibaudit.scoring.score import score
from calibaudit.tasks.items import Task
from calibaudit.tasks.load import load_task
from tests.saved.lm_eval_chat import make

SAVED = Path(__file__).parents[2] / "saved" / "lm_eval_logs"
RUNS = {"plain": 0, "plain_2shot": 2, "chat_2shot": 2}
TASKS = ("blanks", "letters", "words")


def lines(folder: Path, task: str) -> list[dict[str, Any]]:
    (path,) = folder.glob(f"samples_{task}_*.jsonl")
    return sorted((json.loads(line) for line in path.read_text("utf-8").splitlines()), key=lambda row: row["doc_id"])


def log(run: str, task: str) -> Scores:
    return next(part for part in read_lm_eval([SAVED / run]) if part.task == task)


def asked(task: str, n_fewshot: int = 0) -> Task:
    return load_task(str(SAVED / "tasks" / f"{task}.yaml"), num_fewshot=n_fewshot)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("run", RUNS)
def test_a_log_has_the_items_and_scoring_of_its_task_file(run: str, task: str) -> None:
    """Whatever stood around them: a description, examples, a chat template; and of plain prompts the whole text."""
    logged, file = log(run, task), asked(task, RUNS[run])
    assert logged.documents == tuple(item.document for item in file.items)
    assert logged.answer.tolist() == [item.answer for item in file.items]
    assert logged.item_ids == tuple(item.id for item in file.items)
    assert (logged.scoring, logged.version) == (file.scoring, file.version)
    assert logged.chat_template == (run == "chat_2shot")
    assert logged.n_chars.tolist() == [[len(choice) for choice in item.choices] for item in file.items]
    assert logged.prompt is not None
    assert logged.prompt.n_fewshot == RUNS[run]
    if not logged.chat_template:
        assert logged.fingerprint == file.fingerprint


def test_the_chat_template_is_recorded_by_the_hash_of_its_source() -> None:
    (path,) = (SAVED / "chat_2shot").glob("results_*.json")
    prompt = log("chat_2shot", "words").prompt
    assert prompt is not None
    assert prompt.template == json.loads(path.read_text("utf-8"))["chat_template_sha"][:16]
    assert (prompt.answer_at, prompt.multiturn) == ("generation-prompt", True)


def test_two_models_templates_do_not_make_two_sets_of_prompts(tmp_path: Path) -> None:
    """Inside a template the text is the template's; what was asked of both is the same."""
    for file in (SAVED / "chat_2shot").iterdir():
        text = file.read_text("utf-8").replace("<|im_start|>", "<turn>").replace("0dc5dd3f7d2bf00", "fffffffffffffff")
        (tmp_path / file.name).write_text(text, "utf-8")
    other = next(part for part in read_lm_eval([tmp_path]) if part.task == "words")
    assert other.fingerprint == log("chat_2shot", "words").fingerprint
    assert other.fingerprint != log("plain_2shot", "words").fingerprint


@pytest.fixture(scope="module")
def checkpoint(shared: Path) -> Model:
    return load_model(str(shared / "models" / "stories260k"), dtype="float32")


@pytest.mark.parametrize("task", [*TASKS, "ragged"])
def test_a_log_and_the_checkpoint_it_is_of(task: str, checkpoint: Model) -> None:
    """Tasks with a description, with a number of options that differs, with the options before the scored text."""
    logged, scored = log("plain", task), score(asked(task), checkpoint)
    real = np.isfinite(logged.logprobs)
    assert (real == np.isfinite(scored.logprobs)).all()
    assert np.abs(logged.logprobs[real] - scored.logprobs[real]).max() < 1e-4
    for sides in ([logged], [scored]), ([scored], [logged]):
        found = compare(*sides, Settings())
        assert found.tasks[0].change["accuracy"].value == 0
        assert not any("prompt" in text for text in found.warnings)


def test_a_ragged_letter_task_is_letter_on_both_sides(checkpoint: Model) -> None:
    logged, scored = log("plain", "ragged"), score(asked("ragged"), checkpoint)
    rows = lines(SAVED / "plain", "ragged")
    counts = [len(row["resps"]) for row in rows]
    assert sorted(set(counts)) == [2, 3, 4]
    masses = [sum(math.exp(float(response[0][0])) for response in row["resps"]) for row in rows]
    for side in (logged, scored):
        assert side.scoring == "letter"
        assert side.option_mass == pytest.approx(masses, rel=2e-4)
        assert side.chance == pytest.approx(sum(1 / n for n in counts) / len(counts))


def softmax(row: dict[str, Any]) -> list[float]:
    values = [float(response[0][0]) for response in row["resps"]]
    exps = [math.exp(value - max(values)) for value in values]
    return [value / sum(exps) for value in exps]


def expected(pairs: list[tuple[list[float], int]], n_bins: int = 15) -> dict[str, float]:
    """Accuracy, Brier score and plug-in ECE of (probabilities, right answer), by their definitions."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for probs, gold in pairs:
        confidence = max(probs)
        place = min(n_bins - 1, max(0, math.ceil(confidence * n_bins) - 1))
        bins.setdefault(place, []).append((confidence, probs.index(confidence) == gold))
    gaps = [abs(sum(c for c, _ in inside) - sum(right for _, right in inside)) for inside in bins.values()]
    return {
        "accuracy": sum(right for inside in bins.values() for _, right in inside) / len(pairs),
        "brier": sum(sum((p - (k == g)) ** 2 for k, p in enumerate(probs)) for probs, g in pairs) / len(pairs),
        "ece_plugin": sum(gaps) / len(pairs),
    }


def check_metrics(scores: Scores, pairs: list[tuple[list[float], int]]) -> None:
    found = audit(scores, Settings()).metrics
    for name, value in expected(pairs).items():
        assert found[name].value == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("task", ["letters", "ragged"])
def test_metrics_are_those_of_the_raw_lines(task: str) -> None:
    rows = lines(SAVED / "plain", task)
    check_metrics(log("plain", task), [(softmax(row), int(row["target"])) for row in rows])


def test_options_before_a_shared_text_with_three_of_them() -> None:
    """There the target is the shared text, and the right one stands in the row: the task's doc_to_text names it."""
    rows = lines(SAVED / "plain_2shot", "blanks")
    assert not rows[0]["target"].isdigit()
    check_metrics(log("plain_2shot", "blanks"), [(softmax(row), row["doc"]["answer"]) for row in rows])


@pytest.mark.shared
def test_winogrande_is_settled_by_its_accuracy(shared: Path) -> None:
    folder = shared / "data" / "lm_eval_logs" / "winogrande_style"
    rows = lines(folder, "l_wg")
    (part,) = read_lm_eval([folder])
    assert part.scoring == "cloze"
    assert part.answer.tolist() == [row["doc"]["gold"] for row in rows]
    check_metrics(part, [(softmax(row), row["doc"]["gold"]) for row in rows])


@pytest.mark.shared
def test_base_plain_against_instruct_in_its_template(shared: Path) -> None:
    folders = [shared / "data" / "lm_eval_logs" / "chat_vs_plain" / name for name in ("base", "instruct")]
    (base,), (instruct,) = (read_lm_eval([folder]) for folder in folders)
    found = compare([base], [instruct], Settings())
    assert found.tasks[0].n_items == 12
    assert found.tasks[0].chat_template == (False, True)
    sides = found.tasks[0].before.metrics, found.tasks[0].after.metrics
    for folder, metrics in zip(folders, sides, strict=True):
        pairs = [(softmax(row), int(row["target"])) for row in lines(folder, "l_piqa")]
        for name, value in expected(pairs).items():
            assert metrics[name].value == pytest.approx(value, abs=1e-9), name
    assert any("the chat template is on one side only (l_piqa: off before, on after)" in w for w in found.warnings)
    assert not any("--chat-template off" in warning for warning in found.warnings)


@pytest.mark.shared
def test_a_generated_task_in_a_folder_is_passed_over(shared: Path) -> None:
    told: list[str] = []
    folder = shared / "data" / "lm_eval_logs" / "mixed_folder"
    (part,) = read_lm_eval([folder], notice=told.append)
    assert (part.task, part.n_items, part.scoring) == ("l_lq", 2, "letter")
    (line,) = told
    assert "samples_l_gen_2026-11-28T00-47-25.754136.jsonl:1: a generated task" in line
    assert line.endswith("the file is skipped")


def test_what_a_log_has_of_other_kinds_is_named_line_by_line() -> None:
    told: list[str] = []
    found = read_lm_eval([SAVED / "plain"], notice=told.append)
    assert [part.task for part in found] == ["blanks", "letters", "ragged", "words"]
    assert len(told) == 3
    for line, task, reason in zip(
        told,
        ("perplexity", "several", "written"),
        ("there are no choices", "several right answers", "generated"),
        strict=True,
    ):
        assert f"samples_{task}_" in line
        assert reason in line
        assert "\n" not in line


def test_other_examples_and_another_template_are_named() -> None:
    def warnings(before: str, after: str) -> str:
        return "\n".join(compare([log(before, "words")], [log(after, "words")], Settings()).warnings)

    text = warnings("plain", "plain_2shot")
    assert "the prompts were written differently (--num-fewshot 0 before, 2 after)" in text
    assert "chat template" not in text
    text = warnings("plain_2shot", "chat_2shot")
    assert "the chat template is on one side only (words: off before, on after)" in text
    assert "--num-fewshot" not in text
    assert "prompts differ" not in text


def test_a_checkpoint_asked_otherwise_is_compared_with_a_warning(checkpoint: Model) -> None:
    found = compare([log("plain_2shot", "words")], [score(asked("words"), checkpoint)], Settings())
    (text,) = [warning for warning in found.warnings if "prompt" in warning]
    assert text.startswith("prompts differ: the same items were asked with different wording, examples")
    assert "(words)" in text


@pytest.mark.parametrize("task", TASKS)
def test_a_chat_log_and_the_checkpoint_it_is_of(task: str, chat_checkpoint: Model) -> None:
    """Numbers are the harness's; whether the wording is, a rendered prompt does not say."""
    scored = score(asked(task, 2), chat_checkpoint, chat=ChatSettings(answer_at="generation-prompt"))
    logged = log("chat_2shot", task)
    real = np.isfinite(logged.logprobs)
    assert np.abs(logged.logprobs[real] - scored.logprobs[real]).max() < 2e-4
    assert logged.prompt is not None
    assert scored.prompt is not None
    assert (logged.prompt.template, logged.prompt.settings) == (scored.prompt.template, scored.prompt.settings)
    told = [text for text in compare([logged], [scored], Settings()).warnings if "prompt" in text or "wording" in text]
    assert told == [
        "it is unknown whether both sides have the same wording and examples: a log holds its questions inside a chat "
        f"template ({task} (chat))"
    ]


@pytest.fixture(scope="module")
def chat_checkpoint(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("checkpoints") / "chatml"
    make.write_checkpoint(shared / "models" / "stories260k", "chatml", folder)
    return load_model(str(folder), dtype="float32")
