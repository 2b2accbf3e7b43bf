"""Items a second against lm-evaluation-harness: same checkpoint, same requests, one process each, on a CPU or a GPU.

    python benchmarks/scoring.py MODEL -t TASK [-t TASK ...] [--limit 300] [--repeats 3] [--peer-python PYTHON]
    python benchmarks/scoring.py --device cuda [--limit 1172] [--repeats 3] [--peer-python PYTHON]

Both sides get the same (context, continuation) texts and are timed from text to log-likelihoods, tokenization included,
imports and loading not. The peer runs `HFLM.loglikelihood` at each of its batch sizes and counts with its best. Sides
take turns; the figure is the median of the repeats. `--peer-python` is an interpreter that has `lm-eval[hf]` installed
(the default is the running one). No speed is printed where the log-likelihoods differ by more than 1e-4.
`--random-llama` adds a randomly initialised Llama (33 M parameters, vocabulary 32,000, the tokenizer of MODEL), where
the arithmetic and not the calls around it takes the time.

`--device cuda` makes a random Llama of 1.24 B parameters and items as long as those of ARC, of HellaSwag, and letters
behind five examples (benchmarks/made_llama.py), runs both sides in bfloat16, each warmed up on 64 items that are timed
again later, and prints items/s (ours the median of the repeats, the peer's one run) and peak memory beside the weights.
Tokens/s are of each token that the network runs, of `score` as a whole and of its rows alone, tokenized before, and
stand against a plain `network(ids)` of as many tokens, in rows as long as the task's mean one, logits of all positions
included, and its decoder's without them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TOLERANCE = 1e-4
BFLOAT16 = 2**-8
"""Largest mean difference on a GPU, of the log-likelihood's size: both sides round every layer to bfloat16."""

N_WARM = 64


def peer(model: str, requests: list[list[list[str]]], batch_size: int) -> tuple[float, list[list[float]]]:
    """Seconds and log-likelihoods of lm-evaluation-harness."""
    from lm_eval.models.huggingface import HFLM

    return asked(HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=batch_size), requests)


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


def ours_on_gpu(model: str, limit: int, repeats: int) -> list[dict[str, Any]]:
    """Seconds, tokens run, peak bytes and log-likelihoods of each made task, and tokens/s of a plain forward pass."""
    import torch
    from made_llama import made_tasks

    from calibaudit import load_model, score
    from calibaudit.models.model import Model

    checkpoint = load_model(model, dtype="bfloat16", device="cuda")
    assert checkpoint.forest_length, "its rows do not run in a forest"
    counted, run_forest = [0], Model.run_forest

    def counting(self: Model, forest: Any) -> Any:
        counted[0] += forest.n_tokens
        return run_forest(self, forest)

    Model.run_forest = counting  # type: ignore[method-assign]
    found = []
    for task in made_tasks(limit):
        score(dataclasses.replace(task, items=task.items[:N_WARM]), checkpoint)
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(repeats):
            counted[0] = 0
            torch.cuda.synchronize()
            start = time.perf_counter()
            scores = score(task, checkpoint)
            seconds.append(time.perf_counter() - start)
        peak = torch.cuda.max_memory_allocated() - held
        own = {"seconds": statistics.median(seconds), "tokens": counted[0], "peak": peak}
        own |= {"rows": scores.logprobs.tolist(), "alone": counted[0] / rows_alone(task, checkpoint, repeats)}
        width = sum(len(checkpoint.tokenizer(item.context).input_ids) for item in task.items[:N_WARM]) // N_WARM
        found.append(own | plain_tokens_per_second(checkpoint, width))
    return found


def rows_alone(task: Any, checkpoint: Any, repeats: int) -> float:
    """Seconds of the task's rows, tokenized before: what is left of `score` is prompts, tokens and results."""
    from calibaudit.scoring.batches import batch_size_for, score_rows
    from calibaudit.scoring.encode import Encoder
    from calibaudit.scoring.prompts import plain_prompt

    encoder = Encoder(checkpoint.tokenizer, checkpoint.prefix_token_id, checkpoint.max_length)
    encoded = encoder.encode([plain_prompt(item, task.name) for item in task.items])
    rows = [row for prompt in encoded for row in prompt.rows]
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        list(score_rows(checkpoint, rows, batch_size_for(checkpoint, None), [""] * len(rows)))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def plain_tokens_per_second(checkpoint: Any, width: int) -> dict[str, float]:
    """Of `network(ids)`, logits of all positions included, and of its decoder alone."""
    import torch

    from calibaudit.scoring.batches import TOKENS_PER_FOREST

    ids = torch.randint(5, 2_000, (TOKENS_PER_FOREST // width, width), device="cuda")
    found = {}
    for name, network in (("plain", checkpoint.network), ("decoder", checkpoint.network.get_decoder())):
        with torch.inference_mode():
            network(input_ids=ids, use_cache=False)
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(5):
                network(input_ids=ids, use_cache=False)
            torch.cuda.synchronize()
        found[name] = 5 * ids.numel() / (time.perf_counter() - start)
    return found


def peer_on_gpu(model: str, parts: list[list[list[list[str]]]], batch_size: str) -> list[dict[str, Any]]:
    """As `ours_on_gpu`, of lm-evaluation-harness."""
    import torch
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, dtype="bfloat16", device="cuda", batch_size=batch_size)
    found = []
    for requests in parts:
        asked(lm, requests[:N_WARM])
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        seconds, rows = asked(lm, requests)
        peak = torch.cuda.max_memory_allocated() - held
        found.append({"seconds": seconds, "rows": rows, "peak": peak})
    return found


def asked(lm: Any, requests: list[list[list[str]]]) -> tuple[float, list[list[float]]]:
    """Seconds and log-likelihoods of the harness's model."""
    from lm_eval.api.instance import Instance

    instances = [
        Instance(request_type="loglikelihood", doc={}, arguments=tuple(pair), idx=k, metadata=("t", i, 1))
        for i, pairs in enumerate(requests)
        for k, pair in enumerate(pairs)
    ]
    start = time.perf_counter()
    values = iter(lm.loglikelihood(instances, disable_tqdm=True))
    seconds = time.perf_counter() - start
    return seconds, [[next(values)[0] for _ in pairs] for pairs in requests]


def measure_on_gpu(args: argparse.Namespace, folder: Path) -> None:
    """Prints the table, a line for each task."""
    import torch
    from made_llama import made_tasks, save_llama

    from calibaudit.scoring.prompts import plain_prompt

    model, tasks = args.model or save_llama(folder / "llama"), made_tasks(args.limit)
    requests = folder / "requests.json"
    requests.write_text(json.dumps([[plain_prompt(item, task.name).pairs for item in task.items] for task in tasks]))
    options = [f"--limit={args.limit}", f"--repeats={args.repeats}"]
    mine = child(["--run=gpu", model, *options], sys.executable)["found"]
    peers = {
        size: child([f"--run=gpu-peer:{size}", model, f"--requests={requests}", *options], args.peer_python)["found"]
        for size in args.peer_batch_size
    }
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, bfloat16, {args.limit:,} items a task")
    print(
        "| task | calibaudit, items/s | lm-eval, items/s | ratio | tokens/s | of network(ids) | rows alone "
        "| of network(ids) | of its decoder | GiB, ours | lm-eval | mean difference |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for t, (task, own) in enumerate(zip(tasks, mine, strict=True)):
        size = min(peers, key=lambda size: peers[size][t]["seconds"])
        other = peers[size][t]
        pairs = [(x, y) for a, b in zip(own["rows"], other["rows"], strict=True) for x, y in zip(a, b, strict=True)]
        away = statistics.mean(abs(x - y) / abs(y) for x, y in pairs)
        speed = own["tokens"] / own["seconds"]
        if away > BFLOAT16:
            print(f"| {task.name} | – | – | log-likelihoods differ | – | – | – | – | – | – | – | {away:.1e} |")
            continue
        print(
            f"| {task.name} | {args.limit / own['seconds']:,.0f} | {args.limit / other['seconds']:,.0f} (batch {size}) "
            f"| {other['seconds'] / own['seconds']:.2f} | {speed:,.0f} | {speed / own['plain']:.2f} "
            f"| {own['alone']:,.0f} | {own['alone'] / own['plain']:.2f} | {own['alone'] / own['decoder']:.2f} "
            f"| {own['peak'] / 2**30:.1f} | {other['peak'] / 2**30:.1f} | {away:.1e} |"
        )


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
    parser.add_argument("model", nargs="?")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("-t", "--tasks", action="append", default=[])
    parser.add_argument("--limit", type=int, help="items of each task: 300, or 1,172 of a made one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--mirror", type=Path)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-batch-size", nargs="+", help="16 64, or 64 auto on a GPU")
    parser.add_argument("--random-llama", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    on_gpu = args.device == "cuda"
    args.limit = args.limit or (1_172 if on_gpu else 300)
    args.peer_batch_size = args.peer_batch_size or ["64", "auto"] if on_gpu else args.peer_batch_size or ["16", "64"]
    if args.run == "gpu":
        print(json.dumps({"found": ours_on_gpu(args.model, args.limit, args.repeats)}))
        return
    if args.run and args.run.startswith("gpu-peer"):
        parts, size = json.loads(args.requests.read_text()), args.run.partition(":")[2]
        print(json.dumps({"found": peer_on_gpu(args.model, parts, size)}))
        return
    if on_gpu:
        with tempfile.TemporaryDirectory() as folder:
            measure_on_gpu(args, Path(folder))
        return
    if args.model is None:
        parser.error("MODEL is missing: only --device cuda makes one of its own")
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
