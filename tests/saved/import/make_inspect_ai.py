"""inspect-ai 0.3.285's log of the sample, run in this folder with a link demo-base to calibaudit/demo/base."""

import json
from pathlib import Path

from inspect_ai import Task, eval, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate

rows = [json.loads(line) for line in Path("questions.jsonl").read_text().splitlines()]


@task
def words_direct() -> Task:
    data = [
        Sample(id=r["id"], input=r["letter_prompt"], choices=r["choices"], target="ABCD"[r["answer"]]) for r in rows
    ]
    return Task(dataset=MemoryDataset(data), solver=generate(), scorer=match(location="begin"))


plain = "{{ messages[0]['content'] }}"
model = get_model("hf/demo-base", model_path="demo-base", device="cpu", chat_template=plain, tokenizer_call_args={})
eval(
    words_direct(),
    model=model,
    log_dir="out",
    log_format="eval",
    max_tokens=1,
    logprobs=True,
    top_logprobs=20,
    temperature=0.001,
)
