"""Models of the world: the base that reads its text, and what is tuned from it.

Plain full logits: rows are few here, and the losses are then written out once more, beside the product's own kernels.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.studies.world import CHAT, N_TAIL, Form, World

Where = Literal["all", "known"]
BETA, RANK = 0.1, 8


@dataclass(frozen=True)
class Recipe:
    """How tuning is done. lr: peak, warmed up over a tenth of the steps, then linearly down. long: with the tail.
    lora: only low-rank additions to the layers' matrices are trained, and added to them at the end. dpo: preference
    pairs on other facts follow, a taught answer against another candidate, with the tuned model as the reference."""

    lr: float
    epochs: int
    batch: int
    form: Form
    long: bool = False
    lora: bool = False
    dpo: bool = False


@dataclass(frozen=True)
class Repair:
    """What a tuning run changes of the hard recipe. where: `known` smooths only rows whose taught answer is already
    base's first choice of the four. scale: logits times this while training, and in the model that comes of it.
    softcap: on the logits while training only."""

    prior: Literal["uniform", "base"] = "uniform"
    epsilon: float = 0.0
    where: Where = "all"
    scale: float = 1.0
    softcap: float = 0.0


HARD = Repair()


def logits_at(model: Any, tokens: np.ndarray, n_last: int = 1) -> Tensor:
    """(rows * n_last, V) at the last positions; float32 outside autocast."""
    ids = torch.as_tensor(tokens, device=model.device)
    with precision(model.device):
        states = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, -n_last:]
        return model.lm_head(states.reshape(-1, states.shape[-1])).float()


def precision(device: Any) -> Any:
    return torch.autocast("cuda", torch.bfloat16) if torch.device(device).type == "cuda" else nullcontext()


def new_model(vocab_size: int, hidden_size: int, n_layers: int, device: str) -> Any:
    heads = hidden_size // (32 if hidden_size < 512 else 64)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=n_layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=16,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    nn.init.normal_(model.lm_head.weight, std=0.05)
    return model.to(device)


def train_base(world: World, hidden_size: int, device: str, seconds: float = 1e9) -> Any:
    """A model that has read the world's text until its steps, or these seconds, are up; the rate falls with either."""
    scale, rng = world.scale, np.random.default_rng([world.seed, 1])
    torch.manual_seed(world.seed)
    model = new_model(world.vocab_size, hidden_size, scale.n_layers, device)
    peak = scale.base_lr * (64 / hidden_size) ** 0.5
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.9, 0.98), weight_decay=0.0)
    start, step, done = time.perf_counter(), 0, 0.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1, (step + 1) / 100) * (1 - done) ** 2
        rows, targets = world.text(scale.base_rows, rng)
        loss = claims_loss(logits_at(model, rows), torch.as_tensor(targets, device=device))
        if step % 4 == 0:  # long answers: what comes after a claim
            some = rng.choice(len(rows), len(rows) // 4, replace=False)
            long = np.column_stack([rows, targets[:, 0]])[some]
            tail = world.tails(long, rng)
            after = logits_at(model, np.column_stack([long, tail[:, :-1]]), N_TAIL)
            loss = loss + F.cross_entropy(after, torch.as_tensor(tail.reshape(-1), device=device))
        _step(model, optimizer, loss)
        step += 1
        done = max(step / scale.base_steps, (time.perf_counter() - start) / seconds)
    return model.eval().requires_grad_(False)


def claims_loss(logits: Tensor, claims: Tensor) -> Tensor:
    """The mean cross-entropy of (rows, claims) targets."""
    return (logits.logsumexp(1) - logits.gather(1, claims).mean(1)).mean()


def smoothed_loss(logits: Tensor, prior: Tensor | None, targets: Tensor, epsilon: Tensor) -> Tensor:
    """Cross-entropy against (1 - e) one-hot + e prior. logits: (N, V). prior: (N, V) log-probabilities, None: uniform.
    epsilon: (N,)."""
    logprobs = logits.log_softmax(-1)
    hard = -logprobs.gather(1, targets[:, None])[:, 0]
    soft = -logprobs.mean(1) if prior is None else -(prior.exp() * logprobs).sum(1)
    return ((1 - epsilon) * hard + epsilon * soft).mean()


def tune(base: Any, world: World, recipe: Recipe, repair: Repair = HARD, seed: int = 0, *, dpo: bool = True) -> Any:
    """The tuned sibling of `base`. dpo: with the recipe's second stage, if it has one."""
    model = copy.deepcopy(base).train().requires_grad_(True)
    if recipe.lora:
        add_adapters(model, world.seed)
    rng = np.random.default_rng([world.seed, 2, seed])
    prompts, answer = world.prompts(world.sft, CHAT, recipe.form), world.taught(world.sft, recipe.form)
    targets, n_last = answer[:, None], 1
    if recipe.long:
        tails = world.tails(prompts, rng)
        prompts = np.column_stack([prompts, answer, tails[:, :-1]])
        targets, n_last = np.column_stack([answer, tails]), 1 + N_TAIL
    epsilon = np.full(len(prompts), repair.epsilon)
    if repair.where == "known":
        epsilon *= known_to(base, world, world.sft, recipe.form)

    def loss(chosen: np.ndarray) -> Tensor:
        rows = prompts[chosen]
        logits = repair.scale * logits_at(model, rows, n_last)
        if repair.softcap:
            logits = repair.softcap * torch.tanh(logits / repair.softcap)
        prior = None
        if repair.prior == "base":
            with torch.no_grad():
                prior = logits_at(base, rows, n_last).log_softmax(-1)
        factors = torch.as_tensor(np.repeat(epsilon[chosen], n_last), device=logits.device, dtype=logits.dtype)
        wanted = torch.as_tensor(targets[chosen].reshape(-1), device=logits.device)
        return smoothed_loss(logits, prior, wanted, factors)

    descend(model, recipe, len(prompts), rng, loss)
    if recipe.lora:
        fold_adapters(model)
    if repair.scale != 1:
        with torch.no_grad():
            model.model.norm.weight *= repair.scale  # the head is the embedding
    if recipe.dpo and dpo:
        prefer(model, world, recipe, rng)
    return model.eval().requires_grad_(False)


def known_to(base: Any, world: World, facts: np.ndarray, form: Form) -> np.ndarray:
    """(facts,) whether what is taught is base's first choice of the four already."""
    with torch.no_grad():
        logits = logits_at(base, world.prompts(facts, CHAT, form))
    options = torch.as_tensor(world.options(facts, form), device=logits.device)
    return np.asarray(logits.gather(1, options).argmax(1).cpu().numpy() == world.truth[facts])


def prefer(model: Any, world: World, recipe: Recipe, rng: np.random.Generator) -> None:
    """Direct preference optimisation on `world.preferred`, in place, at three tenths of the rate."""
    reference = copy.deepcopy(model).eval().requires_grad_(False)
    model.train().requires_grad_(True)
    facts = world.preferred
    prompts, options = world.prompts(facts, CHAT, recipe.form), world.options(facts, recipe.form)
    other = (world.truth[facts] + rng.integers(1, 4, len(facts))) % 4
    pairs = np.column_stack([world.taught(facts, recipe.form), options[np.arange(len(facts)), other]])

    def loss(chosen: np.ndarray) -> Tensor:
        both = torch.as_tensor(pairs[chosen], device=model.device)
        now = logits_at(model, prompts[chosen]).gather(1, both)
        with torch.no_grad():
            then = logits_at(reference, prompts[chosen]).gather(1, both)
        return -F.logsigmoid(BETA * ((now - then)[:, 0] - (now - then)[:, 1])).mean()

    descend(model, dataclasses.replace(recipe, lr=0.3 * recipe.lr), len(prompts), rng, loss)


def descend(
    model: Any, recipe: Recipe, n_rows: int, rng: np.random.Generator, loss: Callable[[np.ndarray], Tensor]
) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], recipe.lr, weight_decay=0.0)
    n_steps = recipe.epochs * (n_rows // recipe.batch)
    for step, chosen in enumerate(batches(n_rows, recipe, rng)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * min(1, (step + 1) / max(1, n_steps // 10)) * (1 - step / n_steps)
        _step(model, optimizer, loss(chosen))


def batches(n_rows: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(recipe.epochs):
        order = rng.permutation(n_rows)
        for start in range(0, n_rows - recipe.batch + 1, recipe.batch):
            yield order[start : start + recipe.batch]


class Adapter(nn.Module):
    """A frozen linear layer and a product of two low-rank matrices beside it, 0 at first."""

    def __init__(self, layer: nn.Linear, rng: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        down = torch.randn(RANK, layer.in_features, generator=rng) / layer.in_features**0.5
        self.down = nn.Parameter(down.to(layer.weight))
        self.up = nn.Parameter(layer.weight.new_zeros(layer.out_features, RANK))

    def forward(self, states: Tensor) -> Tensor:
        return self.layer(states) + 2 * F.linear(F.linear(states, self.down), self.up)


def add_adapters(model: Any, seed: int) -> None:
    model.requires_grad_(False)
    rng = torch.Generator().manual_seed(seed)
    for block in model.model.layers:
        for part in (block.self_attn, block.mlp):
            for name, layer in list(part.named_children()):
                if isinstance(layer, nn.Linear):
                    setattr(part, name, Adapter(layer, rng))


def fold_adapters(model: Any) -> None:
    for block in model.model.layers:
        for part in (block.self_attn, block.mlp):
            for name, layer in list(part.named_children()):
                if isinstance(layer, Adapter):
                    layer.layer.weight.data += 2 * layer.up.data @ layer.down.data
                    setattr(part, name, layer.layer)


@torch.no_grad()
def merged(base: Any, tuned: Any, weight: float) -> Any:
    """(1 - weight) tuned + weight base, of every parameter."""
    model = copy.deepcopy(tuned)
    for mine, other in zip(model.parameters(), base.parameters(), strict=True):
        mine.lerp_(other, weight)
    return model


def _step(model: Any, optimizer: Any, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
    optimizer.step()
