"""What stands for the names in the examples: small models, few items, made-up data, files that commands made."""

from __future__ import annotations

import io
import itertools
import json
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_pages import ROOT

from calibaudit.cli.app import main

DEMO = ROOT / "calibaudit" / "demo"
CHECKPOINTS = {"BASE": "base", "INSTRUCT": "instruct", "CHECKPOINT": "instruct", "CANDIDATE": "instruct"}
ON_GITHUB = ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
WHOLE_AUDIT = "calibaudit compare"
WHOLE_REPAIR = "calibaudit fix demo:instruct --base demo:base --data demo:sft --out fixed"
WHOLE_THOUGHTS = "calibaudit score tests/saved/thinker -t tests/saved/thinker/letter_steps.yaml --think 32"
SETTINGS = """[tool.calibaudit]
tasks = ["arithmetic", "words"]
limit = 16
mirror = "mirror"
[tool.calibaudit.fix]
max-steps = 2
[tool.calibaudit.gate]
limit = 60
margin = 0.5
[tool.calibaudit.recommend]
train-batch-size = 8
"""
ARC = {"choices": {"text": ["the mat", "a dog"], "label": ["A", "B"]}}
TASK = """task: NAME
dataset_path: NAME.jsonl
test_split: test
output_type: multiple_choice
doc_to_text: question
doc_to_choice: choices
doc_to_target: answer
"""


class Ended(NamedTuple):
    """A finished run of the command."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run_in(folder: Path, line: str, cache: Path) -> Ended:
    """The command in this process, typed in `folder`; nothing is fetched."""
    import datasets  # noqa: F401  # as in conftest's `cli`

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", shlex.split(line))
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        for name, value in {**offline, "CALIBAUDIT_CACHE": str(cache), "COLUMNS": "80"}.items():
            patch.setenv(name, value)
        for name in ON_GITHUB:
            patch.delenv(name, raising=False)
        with pytest.raises(SystemExit) as caught:
            main()
    return Ended(int(caught.value.code or 0), out.getvalue(), err.getvalue())


def lm_eval_row(index: int, hot: float) -> dict[str, object]:
    """A sample as lm-evaluation-harness 0.4.13 logs it."""
    words = ("red", "green", "blue")
    lls = [-hot * ((index + k) % 3 + 0.1 * k) for k in range(3)]
    pairs = {f"gen_args_{k}": {"arg_0": f"Question {index}\nAnswer:", "arg_1": f" {w}"} for k, w in enumerate(words)}
    return {
        "doc_id": index,
        "doc": {"id": f"q{index}"},
        "target": str(index % 2),
        "arguments": pairs,
        "resps": [[[str(value), "False"]] for value in lls],
        "filter": "none",
    }


def write_adapter(folder: Path) -> None:
    """A fresh adapter of PEFT's for the bundled base, as its training leaves it."""
    import peft
    from transformers import AutoModelForCausalLM

    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"])
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(DEMO / "base"), config).save_pretrained(folder)


def make(folder: Path, cache: Path) -> None:
    """Every name that the pages' commands use, in `folder`."""
    write_adapter(folder / "ADAPTER")
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    for name, checkpoint in CHECKPOINTS.items():
        (folder / name).symlink_to(DEMO / checkpoint)
    rows = [json.loads(line) for line in (DEMO / "sft.jsonl").read_text(encoding="utf-8").splitlines()[:32]]
    write_rows(folder / "sft.jsonl", rows)
    write_rows(folder / "DATA" / "train.jsonl", rows)
    said = [row["messages"] for row in rows]
    pairs = [
        {"prompt": one[:1], "chosen": one[1:], "rejected": other[1:]}
        for one, other in itertools.pairwise(said)
        if one[1:] != other[1:]
    ]
    write_rows(folder / "preferences.jsonl", pairs)
    for file in ("my_task.yaml", "my_folder/one.yaml"):
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(TASK.replace("NAME", path.stem), encoding="utf-8")
        made_up = [{"question": f"{path.stem} {i}", "choices": ["sat", "ran"], "answer": i % 2} for i in range(12)]
        write_rows(path.with_suffix(".jsonl"), made_up)
    for name in ("ARC-Easy", "ARC-Challenge"):
        arc = [{"question": f"the cat sat on? {i}", **ARC, "answerKey": "AB"[i % 2]} for i in range(12)]
        write_rows(folder / "mirror" / "allenai" / "ai2_arc" / name / "test.jsonl", arc)
    configs = [
        {"config_name": n, "data_files": [{"split": "test", "path": f"{n}/*"}]} for n in ("ARC-Easy", "ARC-Challenge")
    ]
    card = f"---\nconfigs: {json.dumps(configs)}\n---\n"
    (folder / "mirror" / "allenai" / "ai2_arc" / "README.md").write_text(card, encoding="utf-8")
    for name, hot in (("logs/base", 1.0), ("logs/instruct", 3.0), ("LOGS", 2.0)):
        write_rows(
            folder / name / "samples_quiz_2026-11-22T15-54-19.477662.jsonl", [lm_eval_row(i, hot) for i in range(30)]
        )
    for name, hot in (("base.csv", 0.5), ("instruct.csv", 0.9)):
        rest = f"{(1 - hot) / 2:.3f}"
        made_up = "".join(f"q{i},{'ABC'[i % 3]},{hot},{rest},{rest}\n" for i in range(30))
        (folder / name).write_text(f"id,answer,A,B,C\n{made_up}", encoding="utf-8")
    for line in (
        "calibaudit bless CHECKPOINT -o baseline.json --limit 60",
        "calibaudit score CANDIDATE -o candidate.json --limit 60",
        "calibaudit compare BASE INSTRUCT -o result.json -o result.csv",
        "calibaudit gate baseline.json candidate.json -o gated.json",
    ):
        ended = run_in(folder, line, cache)
        assert ended.code == 0, (line, ended)
