"""How far float32 itself moves log-likelihoods: calibaudit, a harness's log, the harness run again, and float64.

    python benchmarks/reference_noise.py MODEL LOG -t TASK [--peer-python PYTHON] [--peer-batch-size 1 16 64]

MODEL is a Llama checkpoint, LOG the samples file that lm-evaluation-harness wrote for it and TASK (`--log_samples`).
Prints the largest difference, in nats, over all choices of all items. The float64 run is a Llama written out below:
whole rows, one at a time, every product, norm, angle and softmax in float64. (A network turned to float64 by
transformers keeps its norms and rotary angles in float32, and with them most of the noise.) `--peer-python` is an
interpreter that has `lm-eval[hf]` installed (the default is the running one).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scoring import child, ours
from torch import Tensor

Rows = list[list[float]]


def logged(log: Path) -> tuple[Rows, list[list[list[str]]]]:
    """Log-likelihoods and (context, continuation) texts of each item of a samples file."""
    samples = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    values = [[float(response[0][0]) for response in sample["resps"]] for sample in samples]
    texts = [[[pair["arg_0"], pair["arg_1"]] for pair in sample["arguments"].values()] for sample in samples]
    return values, texts


def llama_logits(weights: dict[str, Tensor], config: Any, ids: list[int]) -> Tensor:
    """(T, V) logits of a Llama (Touvron et al. 2023, arXiv 2302.13971), in the weights' dtype throughout."""
    n_heads, n_groups, width = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    dtype, length = weights["model.norm.weight"].dtype, len(ids)
    frequency = config.rope_parameters["rope_theta"] ** (-torch.arange(0, width, 2, dtype=dtype) / width)
    angle = (torch.arange(length, dtype=dtype)[:, None] * frequency).repeat(1, 2)
    later = torch.ones((length, length), dtype=torch.bool).triu(1)

    def normed(x: Tensor, name: str) -> Tensor:
        return x * (x.pow(2).mean(-1, keepdim=True) + config.rms_norm_eps).rsqrt() * weights[f"{name}.weight"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ weights[f"{name}.weight"].T

    def heads(x: Tensor, name: str, count: int) -> Tensor:
        return linear(x, name).view(length, count, width).transpose(0, 1).repeat_interleave(n_heads // count, dim=0)

    def rotated(x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        return x * angle.cos() + torch.cat([-second, first], dim=-1) * angle.sin()

    x = weights["model.embed_tokens.weight"][torch.tensor(ids)]
    for layer in range(config.num_hidden_layers):
        name = f"model.layers.{layer}"
        h = normed(x, f"{name}.input_layernorm")
        query = rotated(heads(h, f"{name}.self_attn.q_proj", n_heads))
        key = rotated(heads(h, f"{name}.self_attn.k_proj", n_groups))
        scores = (query @ key.transpose(1, 2) / width**0.5).masked_fill(later, -torch.inf).softmax(-1)
        mixed = (scores @ heads(h, f"{name}.self_attn.v_proj", n_groups)).transpose(0, 1).reshape(length, -1)
        x = x + linear(mixed, f"{name}.self_attn.o_proj")
        h = normed(x, f"{name}.post_attention_layernorm")
        gate = torch.nn.functional.silu(linear(h, f"{name}.mlp.gate_proj"))
        x = x + linear(gate * linear(h, f"{name}.mlp.up_proj"), f"{name}.mlp.down_proj")
    return linear(normed(x, "model.norm"), "lm_head")


@torch.no_grad()
def exact(model: str, task: str, limit: int) -> tuple[Rows, list[list[list[str]]]]:
    """Log-likelihoods in float64, and the texts they are of."""
    from calibaudit import load_model, load_tasks
    from calibaudit.scoring.encode import Encoder
    from calibaudit.scoring.prompts import plain_prompt

    checkpoint = load_model(model, dtype="float32", device="cpu")
    config = checkpoint.network.config
    if config.model_type != "llama" or config.rope_parameters["rope_type"] != "default":
        sys.exit(f"{model}: the float64 run is written for a Llama with plain rotary positions")
    weights = {name: tensor.double() for name, tensor in checkpoint.network.state_dict().items()}
    (loaded,) = load_tasks([task], limit=limit)
    prompts = [plain_prompt(item, loaded.name) for item in loaded.items]
    encoder = Encoder(checkpoint.tokenizer, checkpoint.prefix_token_id, checkpoint.max_length)
    values = []
    for encoded in encoder.encode(prompts):
        found: dict[int, float] = {}
        for row in encoded.rows:
            for choice, tokens in zip(row.choices, row.continuations, strict=True):
                logits = llama_logits(weights, config, [*row.context, *tokens[:-1]])[len(row.context) - 1 :]
                found[choice] = float(logits.log_softmax(-1).gather(1, torch.tensor(tokens)[:, None]).sum())
        values.append([found[choice] for choice in sorted(found)])
    return values, [[list(pair) for pair in prompt.pairs] for prompt in prompts]


def largest(a: Rows, b: Rows) -> float:
    return max(float(np.abs(np.subtract(x, y)).max()) for x, y in zip(a, b, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("log", type=Path)
    parser.add_argument("-t", "--task", required=True)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-batch-size", type=int, nargs="+", default=[1, 16, 64])
    args = parser.parse_args()
    log, texts = logged(args.log)
    reference, prompts = exact(args.model, args.task, len(log))
    if prompts != texts:
        sys.exit(f"{args.log}: its texts are not those of {args.task}")
    mine = ours(args.model, [args.task], len(log), None)[1]
    print(f"{Path(args.model).name}, {len(log)} items\n")
    print("| compared | with | largest difference, nats |")
    print("| --- | --- | ---: |")
    print(f"| calibaudit | the log | {largest(mine, log):.1e} |", flush=True)
    again = {}
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests.json"
        requests.write_text(json.dumps(texts))
        for size in args.peer_batch_size:
            run = [f"--run=peer:{size}", args.model, f"--requests={requests}"]
            again[size] = child(run, args.peer_python)["rows"]
            print(f"| harness run again, batch {size} | the log | {largest(again[size], log):.1e} |", flush=True)
    for name, values in {"calibaudit": mine, "the log": log}.items():
        print(f"| {name} | float64 | {largest(values, reference):.1e} |")
    for size, values in again.items():
        print(f"| harness run again, batch {size} | float64 | {largest(values, reference):.1e} |")


if __name__ == "__main__":
    main()
