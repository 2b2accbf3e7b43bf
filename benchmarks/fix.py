"""Training with label smoothing at a large vocabulary: tokens a second and peak memory, against the usual trainers.

    python benchmarks/fix.py [--hidden 2048 --layers 16 --vocab 128256 --length 4096] [--rows 1,2,4,8] [--steps 8]
    python benchmarks/fix.py --gradient-checkpointing

One random Llama, rows of random tokens that are all learned from, smoothing 0.1 towards the uniform distribution, AdamW
in float32. On all sides the same weights, rows, attention (torch's), optimizer (fused) and dtypes: float32 weights,
bfloat16 products on a GPU. Gradient checkpointing is off on all sides, or with its flag on on all. No side writes a
checkpoint while it is timed; what one costs, `benchmarks/tuning/writes.py` measures.

Contenders: `ours` (what `calibaudit fix` runs), `ours-fsdp` (the same with `--sharding fsdp`: bfloat16 weights gathered
from float32 ones, so that the activations are bfloat16 too, where autocast keeps some in float32), `ours-compiled`
(that with `--compile`), `trainer` (transformers.Trainer with label_smoothing_factor), `trainer-compiled` (that with
torch_compile), `trl` and `trl-liger` (SFTTrainer without and with Liger's kernels).
One that cannot run is named with the reason. Each has a process of its own. Times are medians over the steps after the
second. The loss of the first step must agree with a float64 loss of the same rows to 1 %, or no speed is printed.
The bars, on one H100 or H200: 1.25 times the tokens a second of the best peer at that peer's own best batch, and twice
the largest batch of any peer.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
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
CONTENDERS = ("ours", "ours-fsdp", "ours-compiled", "trainer", "trainer-compiled", "trl", "trl-liger")
WARM_UP = 2
SPEED_BAR, BATCH_BAR = 1.25, 2


@dataclass(frozen=True)
class Size:
    """The network and the rows."""

    hidden: int
    layers: int
    vocab: int
    length: int
    steps: int
    checkpointing: bool = False
    save_at: int | None = None


def network_of(size: Size) -> Any:
    torch.manual_seed(0)
    with torch.device(_device()):
        return _llama(size)


def _llama(size: Size) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

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
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


def rows_of(size: Size, n_rows: int) -> list[list[int]]:
    return torch.randint(5, size.vocab, (n_rows, size.length), generator=torch.Generator().manual_seed(1)).tolist()


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


class Clock:
    """Seconds of each step, from one step's end to the next's."""

    def __init__(self) -> None:
        self._last: float | None = None
        self.seconds: list[float] = []
        self.peak = 0

    def end(self) -> None:
        """After the last step."""
        self.peak = _peak()

    def tick(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now


class _EnoughError(Exception):
    """All steps that are timed are done."""


def run_ours(
    kind: str, network: Any, rows: list[list[int]], n_rows: int, size: Size, folder: Path, clock: Clock
) -> float:
    from calibaudit.training.data.encode import Example
    from calibaudit.training.settings import TrainingSettings
    from calibaudit.training.train import train

    settings = TrainingSettings(
        label_smoothing=SMOOTHING,
        prior="uniform",
        batch_size=n_rows,
        accumulation=1,
        max_steps=size.steps + 1,
        warmup=0.0,
        gradient_checkpointing=size.checkpointing,
        save_steps=size.save_at or size.steps + 1,  # which is never reached, so that no checkpoint is written
        sharding="none" if kind == "ours" else "fsdp",
        compiled=kind == "ours-compiled",
    )
    losses: list[float] = []

    def progress(_step: int, _n_steps: int, loss: float, _speed: float) -> None:
        losses.append(loss)
        clock.tick()
        if len(losses) == size.steps:
            clock.end()
            raise _EnoughError

    examples = [Example(tuple(row), tuple(row)) for row in rows]
    with contextlib.suppress(_EnoughError):
        train(network, None, examples, folder, settings, progress=progress)
    return losses[0]


def run_trainer(
    kind: str, network: Any, rows: list[list[int]], n_rows: int, size: Size, folder: Path, clock: Clock
) -> float:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    losses: list[float] = []

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            clock.end()

        def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                losses.append(float(logs["loss"]))

    common: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": n_rows,
        "max_steps": size.steps,
        "learning_rate": 2e-5,
        "lr_scheduler_type": "linear",
        "optim": "adamw_torch_fused",
        "gradient_checkpointing": size.checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if size.checkpointing else None,
        "label_smoothing_factor": SMOOTHING,
        "bf16": torch.cuda.is_available(),
        "logging_steps": 1,
        "torch_compile": kind == "trainer-compiled",
        "save_strategy": "steps" if size.save_at else "no",
        "save_steps": size.save_at or size.steps,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
    }
    data = [{"input_ids": row, "labels": row} for row in rows]
    if kind.startswith("trainer"):
        stacked = lambda batch: {name: torch.tensor([row[name] for row in batch]) for name in ("input_ids", "labels")}  # noqa: E731
        trainer = Trainer(
            network, TrainingArguments(**common), data_collator=stacked, train_dataset=data, callbacks=[Watch()]
        )
    else:
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        settings = SFTConfig(
            **common, use_liger_kernel=kind == "trl-liger", max_length=size.length,
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
    network, rows, clock = network_of(size), rows_of(size, n_rows * size.steps), Clock()
    network.train()
    wanted = expected_loss(network, rows[:1])  # random tokens: every row's loss is the same to a fraction of 1 %
    _fresh()
    with tempfile.TemporaryDirectory() as folder:
        run = run_ours if kind.startswith("ours") else run_trainer
        loss = run(kind, network, rows, n_rows, size, Path(folder), clock)
    seconds = statistics.median(clock.seconds[WARM_UP - 1 :])
    return {"loss": loss, "wanted": wanted, "tokens_per_second": n_rows * size.length / seconds, "peak": clock.peak}


def several(kind: str, batches: list[int], size: Size) -> None:
    """One contender at rising batch sizes, a line of JSON each, up to the first that does not run."""
    for n_rows in batches:
        try:
            result = one(kind, n_rows, size)
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            print(
                f"RESULT {json.dumps({'rows': n_rows, 'error': f'{type(error).__name__}: {lines[0]}'[:160]})}",
                flush=True,
            )
            return
        print(f"RESULT {json.dumps({'rows': n_rows, **result})}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("hidden", 2048), ("layers", 16), ("vocab", 128_256), ("length", 4096), ("steps", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rows", default="1,2,4,8,16", help="batch sizes, rising")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--gradient-checkpointing", action="store_true", help="on for all")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = Size(args.hidden, args.layers, args.vocab, args.length, args.steps, args.gradient_checkpointing)
    batches = sorted(map(int, args.rows.split(",")))
    if args.one:
        several(args.one, batches, size)
        return
    with torch.device("meta"):
        n_parameters = sum(p.numel() for p in _llama(size).parameters())
    print(
        f"{device_name()}: random Llama of {n_parameters / 1e6:,.0f} M parameters, V {size.vocab:,}, "
        f"length {size.length:,}, gradient checkpointing {'on' if size.checkpointing else 'off'}"
    )
    found: dict[tuple[str, int], float] = {}
    for kind in args.contenders.split(","):
        found |= _report(kind, batches, size)
    _verdict(found)


def _verdict(found: dict[tuple[str, int], float]) -> None:
    """Ours against the best peer, each at its own best batch, and the largest batches."""
    kinds = {kind for kind, _ in found}
    best = {kind: max((speed, rows) for (k, rows), speed in found.items() if k == kind) for kind in kinds}
    largest = {kind: max(rows for k, rows in found if k == kind) for kind in kinds}
    peers = [kind for kind in best if not kind.startswith("ours")]
    if not peers:
        return
    peer = max(peers, key=lambda kind: best[kind])
    most = max(largest[kind] for kind in peers)
    for kind in sorted(kinds.difference(peers)):
        (speed, rows), (theirs, their_rows) = best[kind], best[peer]
        print(
            f"  {kind}: {speed:,.0f} tokens/s at {rows} rows = {speed / theirs:.2f} x the best peer ({peer}, "
            f"{theirs:,.0f} at {their_rows}), bar {SPEED_BAR}; largest batch {largest[kind]} = "
            f"{largest[kind] / most:.1f} x the peers' {most}, bar {BATCH_BAR}"
        )


def _report(kind: str, batches: list[int], size: Size) -> dict[tuple[str, int], float]:
    shape = [f"--{name}={getattr(size, name)}" for name in ("hidden", "layers", "vocab", "length", "steps")]
    shape += ["--gradient-checkpointing"] * size.checkpointing + ["--rows", ",".join(map(str, batches))]
    command = [sys.executable, __file__, *shape, "--one", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    results = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not results:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"  {kind:16s} did not run: {last[:150]}", flush=True)
    found = {}
    for result in results:
        name = f"  {kind:16s} {result['rows']:3d} rows"
        if "error" in result:
            print(f"{name}  did not run: {result['error']}", flush=True)
        elif abs(result["loss"] / result["wanted"] - 1) > 0.01:
            print(f"{name}  no speed: its loss is {result['loss']:.4f}, wanted {result['wanted']:.4f}", flush=True)
        else:
            found[kind, result["rows"]] = result["tokens_per_second"]
            print(
                f"{name} {result['tokens_per_second']:10,.0f} tokens/s   peak {result['peak'] / 2**30:6.2f} GiB   "
                f"loss {result['loss']:.4f} (wanted {result['wanted']:.4f})",
                flush=True,
            )
    return found


def _fresh() -> None:
    """Nothing of an earlier run in the count."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


if __name__ == "__main__":
    main()
