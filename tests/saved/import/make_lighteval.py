"""lighteval 0.13.0's custom tasks of the sample, run in this folder, with questions.jsonl as qs/test.jsonl:

    lighteval accelerate "model_name=demo-base,dtype=float32,batch_size=4" "words_letter|0,words_cloze|0" \
        --custom-tasks make_lighteval.py --output-dir out --save-details

demo-base is a link to calibaudit/demo/base.
"""

from typing import Any

from lighteval.metrics.metrics import Metrics
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc


def letter(line: dict[str, Any], task_name: str) -> Doc:
    choices = [" A", " B", " C", " D"]
    return Doc(task_name=task_name, query=line["letter_prompt"], choices=choices, gold_index=line["answer"])


def cloze(line: dict[str, Any], task_name: str) -> Doc:
    choices = [f" {choice}" for choice in line["choices"]]
    return Doc(
        task_name=task_name,
        query=line["cloze_prompt"],
        choices=choices,
        gold_index=line["answer"],
        unconditioned_query="Answer:",
    )


TASKS_TABLE = [
    LightevalTaskConfig(
        name=name,
        prompt_function=function,
        hf_repo="./qs",
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        metrics=[Metrics.loglikelihood_acc],
        generation_size=-1,
        stop_sequence=[],
    )
    for name, function in (("words_letter", letter), ("words_cloze", cloze))
]
