"""Training with label smoothing at a large vocabulary: tokens a second and peak memory, against the usual trainers.

    python benchmarks/fix.py [--hidden 2048 --layers 16 --vocab 128256 --length 4096] [--rows 1,2,4,8] [--steps 8]

One random Llama, rows of random tokens that are all learned from, bfloat16 autocast on a GPU, smoothing 0.1 towards the
uniform distribution. Every contender runs in a process of its own at each batch size: `ours` (what `calibaudit fix`
runs), `trainer` (transformers.Trainer with label_smoothing_factor), `trl` and `trl-liger` (SFTTrainer without and with
Liger's kernels, where trl and liger-kernel are installed). Times are medians over the steps after the second. The loss
of the first step must agree with a float64 loss of the same rows to 1 %, or no speed is printed.
The bars, on one H200: 1.2 times the best peer's tokens a second at the same batch, or twice its largest batch.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

SMOOTHING = 0.1
CONTENDERS = ("ours", "trainer", "trl", "trl-liger")
WARM_UP = 2


@dataclass(frozen=True)
class Size:
    """The network and the rows."""

    hidden: int
    layers: int
    vocab: int
    length: int
    steps: int


def network_of(size: Size) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size.vocab,
        hidden_size=size.hidden,
        intermediate_size=4 * size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=max(1, size.hidden // 128),
        num_key_value_heads=max(1, size.hidden // 512),
        max_position_embeddings=size.length,
        tie_word_embeddings=True,
        use_cache=False,
    )
    return LlamaForCausalLM(config).to(_device())


def rows_of(size: Size, n_rows: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(5, size.vocab, (n_rows, size.length), generator=generator).tolist()


@torch.no_grad()
def expected_loss(network: Any, rows: list[list[int]]) -> float:
    """Of the rows, in float64 from the final hidden states on, a row at a time."""
    total, n = 0.0, 0
    for row in rows:
        hidden = network.model(torch.tensor([row], device=_device())).last_hidden_state[0, :-1]
        for states, targets in zip(hidden.split(256), torch.tensor(row[1:], device=_device()).split(256), strict=True):
            logits = states.double() @ network.lm_head.weight.double().T
            loss = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=SMOOTHING, reduction="sum")
            total, n = total + loss.item(), n + len(targets)
    return total / n


class _Clock:
    """Seconds of each step, from one step's end to the next's."""

    def __init__(self) -> None:
        self._last: float | None = None
        self.seconds: list[float] = []

    def tick(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now


def run_ours(network: Any, rows: list[list[int]], n_rows: int, size: Size, folder: Path, clock: _Clock) -> float:
    from calibaudit.training.data.encode import Example
    from calibaudit.training.settings import TrainingSettings
    from calibaudit.training.train import train

    settings = TrainingSettings(
        label_smoothing=SMOOTHING, prior="uniform", batch_size=n_rows, max_steps=size.steps, warmup=0.0
    )
    losses: list[float] = []

    def progress(_step: int, _n_steps: int, loss: float, _speed: float) -> None:
        losses.append(loss)
        clock.tick()

    train(network, None, [Example(tuple(row), tuple(row)) for row in rows], folder, settings, progress=progress)
    return losses[0]


def run_trainer(
    kind: str, network: Any, rows: list[list[int]], n_rows: int, size: Size, folder: Path, clock: _Clock
) -> float:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    losses: list[float] = []

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

        def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                losses.append(float(logs["loss"]))

    common: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": n_rows,
        "max_steps": size.steps,
        "learning_rate": 2e-5,
        "lr_scheduler_type": "linear",
        "label_smoothing_factor": SMOOTHING,
        "bf16": torch.cuda.is_available(),
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
    }
    data = [{"input_ids": row, "labels": row} for row in rows]
    if kind == "trainer":
        stacked = lambda batch: {name: torch.tensor([row[name] for row in batch]) for name in ("input_ids", "labels")}  # noqa: E731
        trainer = Trainer(
            network, TrainingArguments(**common), data_collator=stacked, train_dataset=data, callbacks=[Watch()]
        )
    else:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        settings = SFTConfig(
            **common, use_liger_kernel=kind == "trl-liger", max_length=size.length, gradient_checkpointing=False,
            dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        trainer = SFTTrainer(
            network, settings, train_dataset=Dataset.from_list(data), processing_class=_tokenizer(), callbacks=[Watch()]
        )
    trainer.train()
    return losses[0]


def _tokenizer() -> Any:
    """SFTTrainer wants one, though the rows are tokens already."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1}, unk_token="<pad>")),
        pad_token="<pad>",
        eos_token="</s>",
    )


def one(kind: str, n_rows: int, size: Size) -> dict[str, Any]:
    """One contender at one batch size: loss of the first step, tokens a second, peak bytes."""
    network, rows, clock = network_of(size), rows_of(size, n_rows * size.steps), _Clock()
    network.train()
    wanted = expected_loss(network, rows[:1])  # random tokens: every row's loss is the same to a fraction of 1 %
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        if kind == "ours":
            loss = run_ours(network, rows, n_rows, size, Path(folder), clock)
        else:
            loss = run_trainer(kind, network, rows, n_rows, size, Path(folder), clock)
    seconds = statistics.median(clock.seconds[WARM_UP - 1 :])
    peak = (
        torch.cuda.max_memory_allocated()
        if torch.cuda.is_available()
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {"loss": loss, "wanted": wanted, "tokens_per_second": n_rows * size.length / seconds, "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("hidden", 2048), ("layers", 16), ("vocab", 128_256), ("length", 4096), ("steps", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rows", default="1,2,4,8", help="batch sizes")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--one", nargs=2, metavar=("NAME", "ROWS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = Size(args.hidden, args.layers, args.vocab, args.length, args.steps)
    if args.one:
        print("RESULT " + json.dumps(one(args.one[0], int(args.one[1]), size)), flush=True)
        return
    n_parameters = sum(p.numel() for p in network_of(Size(size.hidden, size.layers, size.vocab, 8, 1)).parameters())
    print(
        f"{_device_name()}: random Llama of {n_parameters / 1e6:,.0f} M parameters, V {size.vocab:,}, "
        f"length {size.length:,}"
    )
    found: dict[tuple[str, int], float] = {}
    for n_rows in map(int, args.rows.split(",")):
        for kind in args.contenders.split(","):
            found |= _report(kind, n_rows, size)
        peers = [speed for (kind, rows), speed in found.items() if rows == n_rows and kind != "ours"]
        if ("ours", n_rows) in found and peers:
            print(f"  batch {n_rows}: ours / best peer = {found['ours', n_rows] / max(peers):.2f} (bar 1.20)")
    largest = {kind: max((rows for k, rows in found if k == kind), default=0) for kind in args.contenders.split(",")}
    print("largest batch that ran: " + ", ".join(f"{kind} {rows}" for kind, rows in largest.items()))


def _report(kind: str, n_rows: int, size: Size) -> dict[tuple[str, int], float]:
    shape = [f"--{name}={getattr(size, name)}" for name in ("hidden", "layers", "vocab", "length", "steps")]
    done = subprocess.run(
        [sys.executable, __file__, *shape, "--one", kind, str(n_rows)], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    name = f"  batch {n_rows}  {kind:10s}"
    if not lines:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"{name} did not run: {last[:150]}", flush=True)
        return {}
    result = json.loads(lines[0].removeprefix("RESULT "))
    if abs(result["loss"] / result["wanted"] - 1) > 0.01:
        print(f"{name} no speed: its loss is {result['loss']:.4f}, wanted {result['wanted']:.4f}", flush=True)
        return {}
    print(
        f"{name} {result['tokens_per_second']:10,.0f} tokens/s   peak {result['peak'] / 2**30:6.2f} GiB   "
        f"loss {result['loss']:.4f} (wanted {result['wanted']:.4f})",
        flush=True,
    )
    return {(kind, n_rows): result["tokens_per_second"]}


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


if __name__ == "__main__":
    main()
