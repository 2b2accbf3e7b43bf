"""Items a second against lm-evaluation-harness: same checkpoint, same requests, one process each, CPU.

    python benchmarks/scoring.py MODEL -t TASK [-t TASK ...] [--limit 300] [--repeats 3] [--peer-python PYTHON]

Both sides get the same (context, continuation) texts and are timed from text to log-likelihoods, tokenization included,
imports and loading not. The peer runs `HFLM.loglikelihood` at each of its batch sizes and counts with its best. Sides
take turns; the figure is the median of the repeats. `--peer-python` is an interpreter that has `lm-eval[hf]` installed
(the default is the running one). No speed is printed where the log-likelihoods differ by more than 1e-4.
`--random-llama` adds a randomly initialised Llama (33 M parameters, vocabulary 32,000, the tokenizer of MODEL), where
the arithmetic and not the calls around it takes the time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TOLERANCE = 1e-4


def peer(model: str, requests: list[list[list[str]]], batch_size: int) -> tuple[float, list[list[float]]]:
    """Seconds and log-likelihoods of lm-evaluation-harness."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=batch_size)
    instances = [
        Instance(request_type="loglikelihood", doc={}, arguments=tuple(pair), idx=k, metadata=("t", i, 1))
        for i, pairs in enumerate(requests)
        for k, pair in enumerate(pairs)
    ]
    start = time.perf_counter()
    values = iter(lm.loglikelihood(instances, disable_tqdm=True))
    seconds = time.perf_counter() - start
    return seconds, [[next(values)[0] for _ in pairs] for pairs in requests]


def ours(model: str, tasks: list[str], limit: int, mirror: Path | None) -> tuple[float, list[list[float]]]:
    """Seconds and log-likelihoods of calibaudit; nothing is read from a cache."""
    from calibaudit import load_model, load_tasks, score

    loaded = load_tasks(tasks, limit=limit, mirror=mirror)
    checkpoint = load_model(model, dtype="float32", device="cpu")
    seconds, rows = 0.0, []
    for task in loaded:
        start = time.perf_counter()
        scores = score(task, checkpoint)
        seconds += time.perf_counter() - start
        rows += [row[row > float("-inf")].tolist() for row in scores.logprobs]
    return seconds, rows


def child(arguments: list[str], python: str) -> dict[str, Any]:
    """This script again, in a process of its own; what it printed last, as JSON."""
    command = [python, str(Path(__file__).resolve()), *arguments]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    if output.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{output.stderr[-3000:]}")
    return dict(json.loads(output.stdout.strip().splitlines()[-1]))


def random_llama(model: str, folder: Path) -> str:
    """A larger Llama with random weights and MODEL's tokenizer, saved in `folder`."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=384,
        intermediate_size=1_024,
        num_hidden_layers=5,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=512,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return str(folder)


def measure(name: str, model: str, args: argparse.Namespace, requests: Path) -> None:
    """Prints one line of the table."""
    tasks = [f"--tasks={task}" for task in args.tasks]
    mirror = [f"--mirror={args.mirror}"] if args.mirror else []
    our_runs, peer_runs = [], {size: [] for size in args.peer_batch_size}
    for _ in range(args.repeats):
        our_runs.append(child(["--run=ours", model, *tasks, *mirror, f"--limit={args.limit}"], sys.executable))
        for size in args.peer_batch_size:
            run = child([f"--run=peer:{size}", model, f"--requests={requests}"], args.peer_python)
            peer_runs[size].append(run)
    our_seconds = statistics.median(run["seconds"] for run in our_runs)
    by_size = {size: statistics.median(run["seconds"] for run in runs) for size, runs in peer_runs.items()}
    best = min(by_size, key=lambda size: by_size[size])
    rows = our_runs[0]["rows"]
    difference = max(
        abs(x - y)
        for mine, other in zip(rows, peer_runs[best][0]["rows"], strict=True)
        for x, y in zip(mine, other, strict=True)
    )
    n = len(rows)
    if difference > TOLERANCE:
        print(f"| {name} | {n} | – | – | log-likelihoods differ | {difference:.1e} |")
        return
    print(
        f"| {name} | {n:,} | {n / our_seconds:,.0f} | {n / by_size[best]:,.0f} (batch {best}) "
        f"| {by_size[best] / our_seconds:.2f} | {difference:.1e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("-t", "--tasks", action="append", default=[])
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-batch-size", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--random-llama", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run == "ours":
        seconds, rows = ours(args.model, args.tasks, args.limit, args.mirror)
        print(json.dumps({"seconds": seconds, "rows": rows}))
        return
    if args.run:
        seconds, rows = peer(args.model, json.loads(args.requests.read_text()), int(args.run.partition(":")[2]))
        print(json.dumps({"seconds": seconds, "rows": rows}))
        return

    from calibaudit import load_tasks
    from calibaudit.scoring.prompts import plain_prompt

    loaded = load_tasks(args.tasks, limit=args.limit, mirror=args.mirror)
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests.json"
        requests.write_text(json.dumps([plain_prompt(item, task.name).pairs for task in loaded for item in task.items]))
        print("| model | items | calibaudit, items/s | lm-eval, items/s | ratio | largest difference, nats |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        measure(Path(args.model).name, args.model, args, requests)
        if args.random_llama:
            model = random_llama(args.model, Path(folder) / "llama")
            measure("random Llama, 33 M, V 32,000", model, args, requests)


if __name__ == "__main__":
    main()
