"""Write logs/ and made.json: what lm-evaluation-harness 0.4.13 itself makes of the tasks here inside chat templates.

    pip install "lm_eval[hf]==0.4.13" "torch==2.13.0" "transformers==5.24.0"
    python make.py BASE [INTO]

BASE: folder of a small checkpoint whose tokenizer puts <s> before a text and knows </s> (the logs here: stories260k,
float32, one thread of a CPU). INTO: where logs/ and made.json go; this folder if not given. Two runs of one day on one
machine write the same bytes; on another day the prompts of llama32_dated differ, and their log-likelihoods with them.

A checkpoint of each template is BASE with templates/NAME.jinja in its tokenizer's configuration and a window of
WINDOW tokens; the weights are BASE's, and a template's marks are tokenized in pieces. Nothing of lm_eval is imported
until the logs are made, so that tests can take `write_checkpoint` and `RUNS` from here.

A line of logs/RUN.TASK.jsonl is one document, in the order of the data:

    doc_id           its row, from 0
    prompts          the text before the continuation: one for all requests where it is the same for all, else one each
    continuations    one a request
    loglikelihoods, is_greedy                  of a run with batch size 1, one a request
    loglikelihoods_batch4, is_greedy_batch4    of a second run, with batch size 4

made.json: versions, the day, the largest difference between the two batch sizes of each run, and for each template the
first and last tokens of a short conversation and its continuation's, as the harness cuts them.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TASKS = ("chat_letter", "chat_cloze", "chat_inputs")
TEMPLATES = ("chatml", "chatml_nobos", "mistral_v3", "qwen3", "llama32_dated")
NUM_FEWSHOT = 5
WINDOW = 4096
"""Five examples with the marks in pieces are longer than the 512 tokens that stories260k was trained with."""

GEN_PREFIX = "The answer is"
SYSTEM = "You are a careful reader."


@dataclass(frozen=True)
class Run:
    """template: a name of TEMPLATES, or "" for plain text. The others: the harness's own options and task key."""

    template: str
    fewshot_as_multiturn: bool = True
    gen_prefix: str = ""
    system_instruction: str = ""
    enable_thinking: bool | None = None


RUNS = {
    **{name: Run(name) for name in TEMPLATES},
    "chatml_singleturn": Run("chatml", fewshot_as_multiturn=False),
    "chatml_singleturn_prefix": Run("chatml", fewshot_as_multiturn=False, gen_prefix=GEN_PREFIX),
    "mistral_v3_singleturn": Run("mistral_v3", fewshot_as_multiturn=False),
    **{f"{name}_prefix": Run(name, gen_prefix=GEN_PREFIX) for name in ("chatml", "mistral_v3", "qwen3")},
    "qwen3_thoughtless": Run("qwen3", enable_thinking=False),
    "chatml_system": Run("chatml", system_instruction=SYSTEM),
    "plain": Run("", fewshot_as_multiturn=False),
    "plain_prefix": Run("", fewshot_as_multiturn=False, gen_prefix=GEN_PREFIX),
    "plain_system": Run("", fewshot_as_multiturn=False, system_instruction=SYSTEM),
}
"""Every run is made of every task."""


def write_checkpoint(base: Path, template: str, into: Path) -> Path:
    """A copy of a checkpoint with another chat template, or "" for none, and room for long prompts."""
    into.mkdir(parents=True)
    for file in base.iterdir():
        if file.is_file() and file.suffix != ".jinja":
            shutil.copyfile(file, into / file.name)
    config = _read(into / "config.json")
    _write(into / "config.json", {**config, "max_position_embeddings": WINDOW})
    tokenizer = _read(into / "tokenizer_config.json")
    tokenizer.pop("chat_template", None)
    if template:
        tokenizer["chat_template"] = (HERE / "templates" / f"{template}.jinja").read_text(encoding="utf-8")
    _write(into / "tokenizer_config.json", {**tokenizer, "model_max_length": WINDOW})
    return into


def write_tasks(into: Path, gen_prefix: str = "") -> Path:
    """A copy of the tasks, with the key gen_prefix where one is given."""
    shutil.copytree(HERE / "tasks", into)
    for name in TASKS if gen_prefix else ():
        with (into / f"{name}.yaml").open("a", encoding="utf-8") as file:
            file.write(f"gen_prefix: {json.dumps(gen_prefix)}\n")
    return into


def evaluate(run: Run, checkpoint: Path, tasks: Path, batch_size: int) -> dict[str, list[dict[str, Any]]]:
    """The harness's samples log (--log_samples) of each task."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    os.chdir(tasks)  # the harness looks for data_files in the current folder
    result = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(checkpoint), "dtype": "float32", "enable_thinking": run.enable_thinking},
        tasks=list(TASKS),
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        num_fewshot=NUM_FEWSHOT,
        batch_size=batch_size,
        device="cpu",
        apply_chat_template=bool(run.template),
        fewshot_as_multiturn=run.fewshot_as_multiturn,
        system_instruction=run.system_instruction or None,
        log_samples=True,
        bootstrap_iters=0,
    )
    return {name: sorted(result["samples"][name], key=lambda sample: sample["doc_id"]) for name in TASKS}


def trimmed(one: list[dict[str, Any]], four: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is kept of two logs of the same requests."""
    lines = []
    for first, second in zip(one, four, strict=True):
        if first["arguments"] != second["arguments"]:
            raise SystemExit(f"document {first['doc_id']}: its requests differ between two runs")
        prompts = [str(prompt) for prompt, _ in first["arguments"]]
        lines.append(
            {
                "doc_id": first["doc_id"],
                "prompts": prompts[:1] if len(set(prompts)) == 1 else prompts,
                "continuations": [str(continuation) for _, continuation in first["arguments"]],
                "loglikelihoods": [response[0][0] for response in first["resps"]],
                "is_greedy": [response[0][1] for response in first["resps"]],
                "loglikelihoods_batch4": [response[0][0] for response in second["resps"]],
                "is_greedy_batch4": [response[0][1] for response in second["resps"]],
            }
        )
    return lines


def tokens_of(checkpoint: Path) -> dict[str, Any]:
    """How the harness cuts a short conversation into a context and a continuation, and what stands at its start."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(str(checkpoint), device="cpu", dtype="float32")
    bos = model.tokenizer.bos_token_id
    prompt = model.apply_chat_template([{"role": "user", "content": "What do we drink?"}])
    context, continuation = model._encode_pair(prompt, "A")
    return {
        "prompt": prompt,
        "continuation": "A",
        "first_ids": context[:4],
        "last_ids": context[-4:],
        "continuation_ids": continuation,
        "bos_tokens": context.count(bos),
        "bos_tokens_by_add_special_tokens": {
            str(add): model.tokenizer(prompt, add_special_tokens=add)["input_ids"].count(bos) for add in (False, True)
        },
    }


def main(base: Path, into: Path) -> None:
    (into / "logs").mkdir(parents=True, exist_ok=True)
    day = datetime.date.today()
    spread: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"] = folder
        scratch = Path(folder)
        checkpoints = {name: write_checkpoint(base, name, scratch / f"model-{name}") for name in ("", *TEMPLATES)}
        tasks = {prefix: write_tasks(scratch / f"tasks-{bool(prefix)}", prefix) for prefix in ("", GEN_PREFIX)}
        for name, run in RUNS.items():
            one, four = (evaluate(run, checkpoints[run.template], tasks[run.gen_prefix], size) for size in (1, 4))
            spread[name] = {}
            for task in TASKS:
                lines = trimmed(one[task], four[task])
                text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                (into / "logs" / f"{name}.{task}.jsonl").write_text(text, encoding="utf-8")
                spread[name][task] = max(
                    abs(a - b)
                    for line in lines
                    for a, b in zip(line["loglikelihoods"], line["loglikelihoods_batch4"], strict=True)
                )
        tokens = {name: tokens_of(checkpoints[name]) for name in TEMPLATES}
        os.chdir(into)
    if datetime.date.today() != day:
        raise SystemExit("midnight passed between the runs: run again for one date in all of them")
    packages = ("lm_eval", "torch", "transformers", "tokenizers", "datasets", "jinja2")
    made = {
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "date": day.isoformat(),
        "base": base.name,
        "num_fewshot": NUM_FEWSHOT,
        "runs": {name: asdict(run) for name, run in RUNS.items()},
        "largest_difference_between_batch_sizes": spread,
        "tokens": tokens,
    }
    (into / "made.json").write_text(_lined(made, 2) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _lined(value: Any, depth: int) -> str:
    """JSON with a line for each key down to a depth."""
    if depth == 0 or not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_lined(part, depth - 1)}" for key, part in value.items()) + "\n}"


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[_name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else HERE)
