"""`calibaudit score` on one device against `torchrun` with several processes: the whole command, and its scoring part.

    python benchmarks/parallel/scoring.py [--processes 1 2 4] [--items 20000] [--tensor 2]
    python benchmarks/parallel/scoring.py --size middle --device cpu --cores 4

A random Llama of Llama 3.2 1B's shape (bfloat16; 1.24 billion parameters), or a smaller one, and one cloze task as long
as ARC's: a question of about 33 tokens, four answers of about 6. Each row is one run of the command as a user starts
it, without kept items: torchrun's own start, imports, weights, scoring, statistics and the saved result are in it.
Loading and scoring are clocked inside the first process; scoring ends when all processes know all results, so that it
waits for the slowest. A run of a few items goes before, which compiles kernels and brings the weights into the page
cache. --cores gives each process so many cores of its own, and as many threads: a machine without several GPUs shows
so how the work is shared, if nobody else is on it. No ratio is printed where any log-probability differs from one
process's by more than three roundings of 2^-8.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 3_000
SHAPES = {
    "large": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "vocab_size": 128_256},
    "middle": {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 3, "vocab_size": 4_096},
    "small": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 4_096},
}
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def save_model(folder: Path, size: str) -> int:
    """A random Llama and a word-level tokenizer in a folder; the number of parameters."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(["<s>", "</s>", "<unk>", *made_words()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    large = size == "large"
    config = LlamaConfig(
        **SHAPES[size],
        num_attention_heads=32 if large else 4,
        num_key_value_heads=8 if large else 4,
        max_position_embeddings=4_096,
        rope_theta=500_000.0,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        dtype="bfloat16" if large else "float32",
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() and large else "cpu"):
        network = LlamaForCausalLM(config).to(config.dtype)
    network.save_pretrained(folder)
    return sum(p.numel() for p in network.parameters())


def made_words() -> list[str]:
    rng = np.random.default_rng(0)
    letters = np.array(list("aeioubcdfghklmnprst"))
    words: dict[str, None] = {}
    while len(words) < WORDS:
        words["".join(rng.choice(letters, rng.integers(2, 9)))] = None
    return list(words)


def save_task(folder: Path, n_items: int) -> Path:
    """Questions of 33 words in the mean and four answers of 6, drawn from gamma distributions."""
    rng, words = np.random.default_rng(1), np.array(made_words())

    def text(mean: float, deviation: float) -> str:
        n = max(1, round(rng.gamma((mean / deviation) ** 2, deviation**2 / mean)))
        return " ".join(rng.choice(words, n))

    with (folder / "made.jsonl").open("w") as file:
        for i in range(n_items):
            choices = [f"{text(6, 4)} {words[(i + k) % WORDS]}" for k in range(4)]
            row = {"question": f"{text(33, 19)} {i % 97}", "choices": choices, "answer": int(rng.integers(4))}
            file.write(json.dumps(row) + "\n")
    task = folder / "made.yaml"
    task.write_text(
        "task: made\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: made.jsonl\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_text: 'Question : {{question}}\n\n  Answer :'\n"
        "doc_to_choice: '{{choices}}'\ndoc_to_target: answer\n"
    )
    return task


def clocked(clock: Path, arguments: list[str]) -> None:
    """The command in this process, its parts timed; the first process writes them to `clock`."""
    if n_cores := int(os.environ.get("BENCHMARK_CORES", "0")):
        first = n_cores * int(os.environ.get("LOCAL_RANK", "0"))
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[first : first + n_cores])
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS"), str(n_cores))
    from calibaudit.models import model
    from calibaudit.models.distributed import rank
    from calibaudit.scoring import score as scoring

    times: dict[str, float] = {"imports": time.time() - float(os.environ["BENCHMARK_START"])}

    def timed(name: str, function: Any) -> Any:
        def run(*args: Any, **options: Any) -> Any:
            start = time.time()
            try:
                return function(*args, **options)
            finally:
                times[name] = times.get(name, 0.0) + time.time() - start

        return run

    model.load_model = timed("loading", model.load_model)
    scoring._answered = timed("scoring", scoring._answered)
    sys.argv = ["calibaudit", *arguments]
    try:
        runpy.run_module("calibaudit", run_name="__main__", alter_sys=True)
    finally:
        if rank() == 0:
            clock.write_text(json.dumps(times))


def command(folder: Path, n_processes: int, n_cores: int, arguments: list[str]) -> dict[str, Any]:
    """Seconds of one run of the command and of its parts, and the log-probabilities that it saved."""
    clock, result = folder / "clock.json", folder / "result.json"
    launcher = [*LAUNCHER, str(n_processes)] if n_processes > 1 else []
    saved = ["-o", str(result), "--no-cache", "--no-progress", "-q"]
    whole = [sys.executable, *launcher, str(Path(__file__).resolve()), *arguments, *saved]
    start = time.time()
    env = {**os.environ, "BENCHMARK_START": str(start), "BENCHMARK_CLOCK": str(clock)}
    env |= {"BENCHMARK_CORES": str(n_cores)}
    done = subprocess.run(whole, capture_output=True, text=True, env=env, check=False)
    seconds = time.time() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(whole)} failed:\n{done.stderr[-3000:]}")
    logprobs = json.loads(result.read_text())["scores"][0]["logprobs"]
    return {"whole": seconds, **json.loads(clock.read_text()), "logprobs": logprobs}


def differs(found: list[list[float]], one: list[list[float]]) -> tuple[float, bool]:
    """The largest difference, nats, and whether one is beyond three roundings of bfloat16 and a tenth of a nat."""
    a, b = (np.array(values, dtype=float) for values in (found, one))
    off = np.abs(a - b)
    return float(off.max()), bool((off > 3 / 256 * np.abs(b) + 0.1).any())


def main() -> None:
    if "BENCHMARK_CLOCK" in os.environ:
        clocked(Path(os.environ["BENCHMARK_CLOCK"]), sys.argv[1:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="the first is what others are held to")
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--tensor", type=int, nargs="*", default=[], help="also --parallel tensor:N with N processes")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", choices=SHAPES, default="large")
    parser.add_argument("--cores", type=int, default=0, help="of each process [default: all, for all]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parallel-") as name:
        folder = Path(name)
        n_parameters = save_model(folder / "model", args.size)
        task = save_task(folder, args.items)
        fixed = ["score", str(folder / "model"), "-t", str(task), "--device", args.device]
        command(folder, 1, args.cores, [*fixed, "--limit", "64"])
        print(f"{n_parameters / 1e9:.2f} B parameters, {args.items:,} items; seconds", flush=True)
        print("| processes | whole | imports | loading | scoring | items/s | whole, times | scoring, times | differs |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        runs = [(n, "data") for n in args.processes] + [(n, f"tensor:{n}") for n in args.tensor]
        one: dict[str, Any] = {}
        for n, parallel in runs:
            try:
                run = command(folder, n, args.cores, [*fixed, *(["--parallel", parallel] if n > 1 else [])])
            except RuntimeError as error:
                print(f"| {n} {parallel} | failed |\n{error}", flush=True)
                continue
            one = one or run
            most, wrong = differs(run["logprobs"], one["logprobs"])
            times = [f"{one[part] / run[part]:.2f}" if not wrong else "–" for part in ("whole", "scoring")]
            label = f"{n}" if parallel == "data" else f"{n}, {parallel}"
            parts = [f"{run[part]:.1f}" for part in ("whole", "imports", "loading", "scoring")]
            cells = [label, *parts, f"{args.items / run['scoring']:,.0f}", *times, f"{most:.2g}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
