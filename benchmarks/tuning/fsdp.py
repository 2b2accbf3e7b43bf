"""Training in shares over several GPUs: is it one GPU's training, how fast, in how much memory, beside Trainer's own?

    python benchmarks/tuning/fsdp.py [--gpus 1,2,4] [--small 3b] [--large 8b] [--resume]

Random Llamas of the shapes of Llama 3.2 3B and Llama 3.1 8B, made on the GPU; rows of 4096 random tokens that are all
learned from, smoothing 0.1 towards the uniform distribution, 8 rows a step however many GPUs share them. The small one
runs on each number of GPUs, and each step's loss is held against one GPU's; the large one on the most. `trainer` is
transformers.Trainer with `fsdp` (version 2) and label_smoothing_factor, on the same weights, rows and dtypes: float32
shares, bfloat16 products. With `--resume` the large one is stopped after half its steps, taken up again, and its losses
held against those of the run that went through. Times are medians over the steps after the second; no checkpoint is
written while they are taken. Each number of GPUs is a torchrun of its own, in which the cases follow each other.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

SMOOTHING = 0.1
ROWS_PER_STEP = 8
WARM_UP = 2
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 1_000, "tie_word_embeddings": True},
    "3b": {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
           "num_key_value_heads": 8, "vocab_size": 128_256, "tie_word_embeddings": True},
    "8b": {"hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 8, "vocab_size": 128_256, "tie_word_embeddings": False},
}  # fmt: skip


def network_of(shape: str, length: int, device: torch.device, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    config = LlamaConfig(
        **SHAPES[shape], max_position_embeddings=length, use_cache=False, attn_implementation="sdpa", dtype=dtype
    )
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def rows_of(shape: str, length: int, n_rows: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(5, SHAPES[shape]["vocab_size"], (n_rows, length), generator=generator).tolist()


class Watch:
    """Losses, seconds a step and the peak of one process's device."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.losses: list[float] = []
        self.seconds: list[float] = []
        self.peak = 0
        self._stop_at = stop_at
        self._last: float | None = None

    def tick(self, loss: float | None) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            self.peak = torch.cuda.max_memory_allocated()
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now
        if loss is not None:
            self.losses.append(loss)
        if self._stop_at is not None and len(self.losses) == self._stop_at:
            os.kill(os.getpid(), signal.SIGINT)


def ours(network: Any, rows: list[list[int]], n_steps: int, batch: int, folder: Path, watch: Watch, **how: Any) -> None:
    from calibaudit.training.data.encode import Example
    from calibaudit.training.settings import TrainingSettings
    from calibaudit.training.train import train

    settings = TrainingSettings(
        label_smoothing=SMOOTHING, prior="uniform", batch_size=batch,
        accumulation=ROWS_PER_STEP // (batch * world()), max_steps=n_steps, warmup=0.0, sharding="fsdp",
        save_steps=n_steps,
    )  # fmt: skip
    examples = [Example(tuple(row), tuple(row)) for row in rows]
    with contextlib.suppress(KeyboardInterrupt):
        train(
            network, None, examples, folder, settings,
            progress=lambda _step, _n, loss, _speed: watch.tick(loss), **how,
        )  # fmt: skip


def peer(network: Any, rows: list[list[int]], n_steps: int, batch: int, folder: Path, watch: Watch) -> None:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Callback(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            watch.tick(None)

        def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                watch.losses.append(float(logs["loss"]))

    cuda = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(folder), per_device_train_batch_size=batch, max_steps=n_steps, learning_rate=2e-5,
        gradient_accumulation_steps=ROWS_PER_STEP // (batch * world()), lr_scheduler_type="linear",
        label_smoothing_factor=SMOOTHING, bf16=cuda, logging_steps=1, save_strategy="no", report_to=[],
        disable_tqdm=True, use_cpu=not cuda, optim="adamw_torch_fused", fsdp=True,
        fsdp_config={"version": 2, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "reshard_after_forward": True},
    )  # fmt: skip
    data = [{"input_ids": row, "labels": row} for row in rows]

    def stacked(chosen: list[dict[str, Any]]) -> dict[str, Any]:
        return {name: torch.tensor([row[name] for row in chosen]) for name in ("input_ids", "labels")}

    Trainer(network, arguments, data_collator=stacked, train_dataset=data, callbacks=[Callback()]).train()


def world() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def nothing_written() -> Iterator[None]:
    """No checkpoint, and the trained weights stay where they are."""
    from calibaudit.training.state import sharding
    from calibaudit.training.state.checkpoints import Checkpoints

    nothing = mock.Mock()
    with mock.patch.object(Checkpoints, "save", nothing), mock.patch.object(sharding, "take_back", nothing):
        yield


def case(name: str, n_steps: int, length: int, batch: int, folder: Path) -> dict[str, Any]:
    """`ours:3b`, `trainer:3b`, `resume:8b`: losses of the steps, tokens a second, the highest peak of any GPU."""
    kind, shape = name.split(":")
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    _fresh()
    watch, notes = Watch(), {}
    rows = rows_of(shape, length, ROWS_PER_STEP * n_steps)
    run = (rows, n_steps, batch)
    if kind == "resume":
        began = time.perf_counter()
        ours(network_of(shape, length, device, dtype), *run, folder, Watch(stop_at=n_steps // 2))
        notes["seconds_to_the_checkpoint"] = time.perf_counter() - began
        notes["checkpoint_bytes"] = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
        _fresh()
        began = time.perf_counter()
        with nothing_written():
            ours(network_of(shape, length, device, dtype), *run, folder, watch, resume=True)
        notes["seconds_resumed"] = time.perf_counter() - began
    elif kind == "ours":
        with nothing_written():
            ours(network_of(shape, length, device, dtype), *run, folder, watch)
    else:
        peer(network_of(shape, length, device, dtype), *run, folder, watch)
    result = (
        {"losses": watch.losses, "peak": max(_everywhere(torch.cuda.max_memory_allocated()))}
        if (device.type == "cuda")
        else {"losses": watch.losses, "peak": 0}
    )
    if len(watch.seconds) >= WARM_UP:
        seconds = statistics.median(watch.seconds[WARM_UP - 1 :])
        result["tokens_per_second"] = ROWS_PER_STEP * length / seconds
    return result | notes


def _everywhere(value: int) -> list[int]:
    from calibaudit.models.distributed import gathered

    return gathered([value])


def _fresh() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def work(args: argparse.Namespace) -> None:
    """In each process: the cases one after another, a line of JSON each from the first."""
    first = os.environ.get("RANK", "0") == "0"
    for name in args.cases.split(","):
        folder = Path(args.folder) / name.replace(":", "-")
        began = time.perf_counter()
        try:
            result = case(name, args.steps, args.length, args.batch, folder)
        except Exception as error:  # the others of its kind may still run, unless the processes have parted
            lines = str(error).strip().splitlines() or [""]
            result = {"error": f"{type(error).__name__}: {lines[0]}"[:200]}
        if first:
            print("RESULT " + json.dumps({"case": name, "took": time.perf_counter() - began, **result}), flush=True)
            shutil.rmtree(folder, ignore_errors=True)


def launch(n_gpus: int, first_gpu: int, cases: list[str], args: argparse.Namespace, folder: str) -> Any:
    visible = ",".join(str(first_gpu + i) for i in range(n_gpus))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n_gpus), "--standalone", __file__]
    command += ["--cases", ",".join(cases), "--folder", folder]
    command += [f"--{name}={getattr(args, name)}" for name in ("steps", "length", "batch")]
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": visible} if torch.cuda.is_available() else {})
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", default="1,2,4", help="numbers of GPUs, rising; those that fit run beside each other")
    parser.add_argument("--small", default="3b", choices=SHAPES)
    parser.add_argument("--large", default="8b", choices=SHAPES)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=2, help="rows at a time on each GPU")
    parser.add_argument("--resume", action="store_true", help="stop the large one, and take it up again")
    parser.add_argument("--folder", help="where checkpoints go [default: a temporary folder]")
    parser.add_argument("--cases", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cases:
        work(args)
        return
    numbers = sorted(map(int, args.gpus.split(",")))
    most, small, large = numbers[-1], f"ours:{args.small}", f"ours:{args.large}"
    print(f"{_device_name()}: length {args.length:,}, {ROWS_PER_STEP} rows a step, {args.batch} at a time on each GPU")
    losses: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        running: list[tuple[int, Any]] = []
        first_gpu = 0
        for n_gpus in numbers[:-1]:  # one after another where they do not fit beside each other
            if first_gpu + n_gpus > most:
                _report(running, losses, small)
                running, first_gpu = [], 0
            running.append((n_gpus, launch(n_gpus, first_gpu, [small], args, f"{folder}/{n_gpus}")))
            first_gpu += n_gpus
        _report(running, losses, small)
        cases = [small, large, f"trainer:{args.small}", f"trainer:{args.large}"] + [
            f"resume:{args.large}"
        ] * args.resume
        _report([(most, launch(most, 0, cases, args, f"{folder}/{most}"))], losses, small)


def _report(running: list[tuple[int, Any]], losses: dict[str, list[float]], small: str) -> None:
    for n_gpus, process in running:
        seen = 0
        for line in process.stdout:
            if not line.startswith("RESULT "):
                continue
            seen += 1
            result = json.loads(line[7:])
            name = f"  {n_gpus} GPU{'s' if n_gpus > 1 else ' '} {result['case']:12s}"
            if "error" in result:
                print(f"{name} did not run: {result['error']}", flush=True)
                continue
            found = result["losses"]
            losses[f"{n_gpus} {result['case']}"] = found
            text = f"{name} peak {result['peak'] / 2**30:6.1f} GiB a GPU"
            if "tokens_per_second" in result:
                text += f" {result['tokens_per_second']:9,.0f} tokens/s"
            text += f"   losses {found[0]:.5f} .. {found[-1]:.5f}"
            against = f"1 {small}" if result["case"] == small else f"{n_gpus} ours:{result['case'].split(':')[1]}"
            # Trainer takes the rows in another order
            if against in losses and losses[against] is not found and not result["case"].startswith("trainer"):
                pairs = zip(found, losses[against][-len(found) :], strict=True)
                text += f"   farthest from {against}: {max(abs(a - b) for a, b in pairs):.1e}"
            if "checkpoint_bytes" in result:
                text += f"   stopped, {result['checkpoint_bytes'] / 1e9:.0f} GB written after "
                text += (
                    f"{result['seconds_to_the_checkpoint']:.0f} s; resumed, done in {result['seconds_resumed']:.0f} s"
                )
            print(f"{text}   ({result['took']:.0f} s)", flush=True)
        error = process.stderr.read()
        if process.wait() != 0 or not seen:
            lines = [line for line in error.splitlines() if "Error" in line] or error.splitlines() or ["no output"]
            print(f"  {n_gpus} GPUs: ended with {process.returncode}: {lines[0][:300]}", flush=True)


def _device_name() -> str:
    if not torch.cuda.is_available():
        return "CPU"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
