"""A served model against the same checkpoint in this process: how far their log-probabilities lie apart.

    python benchmarks/engines/server.py server:http://127.0.0.1:8000/v1#base demo:base --limit 20

Needs a running server of that checkpoint, in float32 for a comparison to the last digit. Prints, per task, the items,
the largest and the mean difference of a choice's log-probability in nats, and first choices that differ; nothing is
kept. For llama-cpp-python's server on the bundled pair: make the files with benchmarks/engines/gguf_of.py, then

    python -m llama_cpp.server --model base.gguf --model_alias base --n_ctx 512 --logits_all true
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from calibaudit.models.model import load_model
from calibaudit.scoring.engines.server import open_server
from calibaudit.scoring.score import score
from calibaudit.tasks.load import load_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("served", help="server:URL#MODEL")
    parser.add_argument("checkpoint", help="its folder or hub id, or a bundled one")
    parser.add_argument("--tasks", default="bundled")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--scoring", default=None)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--concurrency", type=int, default=8)
    asked = parser.parse_args()
    tasks = load_tasks(asked.tasks.split(","), limit=asked.limit, scoring=asked.scoring)
    model = load_model(asked.checkpoint, dtype=asked.dtype)
    served = open_server(asked.served, tokenizer=asked.checkpoint, concurrency=asked.concurrency, notice=print)
    differences = []
    for task in tasks:
        start = time.perf_counter()
        there = score(task, served)
        seconds = time.perf_counter() - start
        here = score(task, model)
        real = np.isfinite(here.logprobs)
        apart = np.abs(there.logprobs - here.logprobs)[real]
        other = int((there.choice_scores().argmax(axis=1) != here.choice_scores().argmax(axis=1)).sum())
        differences.append(apart)
        print(
            f"{task.name:<24} {task.scoring:<7} {here.n_items:4} items  largest {apart.max():.2e}  "
            f"mean {apart.mean():.2e} nats  other first choice {other}  bounded {there.n_bounded}  {seconds:.1f} s"
        )
    every = np.concatenate(differences)
    print(f"all: {every.size} choices, largest {every.max():.2e}, mean {every.mean():.2e} nats")


if __name__ == "__main__":
    main()
