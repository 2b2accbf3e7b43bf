"""Write the folders of logs here: what lm-evaluation-harness 0.4.13 itself logs of tasks/ (--log_samples).

    pip install "lm_eval[hf]==0.4.13" "torch==2.13.0" "transformers==5.24.0"
    python make.py BASE

BASE: folder of a small checkpoint (the logs here: stories260k, float32, CPU). `plain`: as running text, without
examples. `plain_2shot`: with two. `chat_2shot`: the same inside the template tests/saved/lm_eval_chat/templates/chatml,
which the checkpoint was given. Paths and descriptions of the machine are left out of the results files; nothing else is
changed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TASKS = ("letters", "words", "blanks", "ragged", "several", "perplexity", "written")
RUNS = {"plain": (0, False, TASKS), "plain_2shot": (2, False, TASKS[:3]), "chat_2shot": (2, True, TASKS[:3])}
KEPT = ("configs", "versions", "n-shot", "config", "lm_eval_version", "transformers_version", "system_instruction")
KEPT += ("fewshot_as_multiturn", "chat_template", "chat_template_sha", "results")


def main(base: Path) -> None:
    from lm_eval.__main__ import cli_evaluate

    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(HERE / "tasks", work / "tasks")
        sys.path.insert(0, str(HERE.parents[2]))
        from tests.saved.lm_eval_chat.make import write_checkpoint

        checkpoint = write_checkpoint(base, "chatml", work / "stories260k")
        os.chdir(work / "tasks")
        for name, (n_fewshot, chat, tasks) in RUNS.items():
            sys.argv = [
                *("lm_eval", "--model", "hf", "--model_args", f"pretrained={checkpoint},dtype=float32"),
                *("--tasks", ",".join(tasks), "--include_path", ".", "--device", "cpu", "--batch_size", "1"),
                *("--num_fewshot", str(n_fewshot), "--log_samples", "--output_path", str(work / name)),
                *(("--apply_chat_template", "--fewshot_as_multiturn") if chat else ()),
            ]
            cli_evaluate()
            (written,) = (work / name).iterdir()
            _keep(written, HERE / name, str(work))


def _keep(written: Path, into: Path, work: str) -> None:
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    for file in sorted(written.iterdir()):
        text = file.read_text(encoding="utf-8")
        if file.name.startswith("results"):
            found: dict[str, Any] = json.loads(text)
            text = json.dumps({key: found[key] for key in KEPT if key in found}, indent=1) + "\n"
        (into / file.name).write_text(text.replace(f"{work}/", ""), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
