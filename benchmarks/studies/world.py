"""A world whose true posterior is known, a base that learns it from noisy claims, and tuning on hard answers.

Facts: every pair of an entity and a relation. A fact has four candidates: a favourite with
probability q, drawn from 1/4 to 1, and three with (1 - q) / 3 each; its answer is one draw from that posterior. Text
claims a candidate drawn anew each time, so a reader who has learned the shares is calibrated.

Rows of four tokens, `marker entity relation separator`, and the target after them. Marker ASK: a question, always
answered with a claim. Marker CHAT: in the base's text half of its answers are noise; tuning teaches to answer there.
Separator CLOZE: the target is the candidate's own token; LETTER: one of four letters, the same four for every fact.
Long answers go on for six tokens after the target (an echo of the question and tokens of style).
The rest of the text is noise: tokens of a Zipf distribution over the whole remaining vocabulary, which is how the
vocabulary's size enters.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from calibaudit.kernels import anchored_cross_entropy, linear_cross_entropy

Form = Literal["cloze", "letter"]
Prior = Literal["uniform", "base"]

ASK, CHAT, CLOZE, LETTER, SINCE, END, LETTERS, STYLE = 0, 1, 2, 3, 4, 5, 6, 10
N_STYLES, N_TAIL, N_CLAIMS, N_DRAWS = 16, 6, 64, 3


@dataclass(frozen=True)
class Scale:
    """Sizes. n_*: facts, in three parts that no tuning shares. base_*: steps, rows a step, learning rate at
    a hidden size of 64 (less above it, by the square root)."""

    n_entities: int
    n_relations: int
    n_values: int
    n_sft: int
    n_advice: int
    n_proof: int
    n_layers: int
    base_steps: int
    base_rows: int
    base_lr: float
    sft_rows: int


SMALL = Scale(160, 8, 32, 320, 448, 512, 2, 3200, 128, 6e-3, 32)
FULL = Scale(1024, 16, 48, 4000, 6000, 6000, 4, 6000, 2048, 3e-3, 64)


@dataclass(frozen=True)
class Recipe:
    """How tuning is done. lr: peak, warmed up over a tenth of the steps, then linearly down. long: with the tail."""

    lr: float
    epochs: int
    form: Form = "cloze"
    long: bool = False


class World:
    """The facts. candidates, letters: (facts, 4) token ids. posterior: (facts, 4). truth: (facts,) index of the answer.

    sft, advice, proof: fact numbers. advice_answers: (advice, draws), as many items of each fact.
    """

    def __init__(self, scale: Scale, vocab_size: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 0])
        self.scale, self.vocab_size, self.seed = scale, vocab_size, seed
        self.n_facts = n = scale.n_entities * scale.n_relations
        self._relation = STYLE + N_STYLES + scale.n_entities
        values = self._relation + scale.n_relations
        self.first_noise = values + scale.n_relations * scale.n_values
        if self.first_noise >= vocab_size:
            raise ValueError(f"vocab_size {vocab_size} has no room for {self.first_noise} tokens and noise")
        # One value of each residue: a value's letter is its residue, the same for every fact.
        own = np.stack([4 * rng.integers(scale.n_values // 4, size=4) + rng.permutation(4) for _ in range(n)])
        self.candidates = values + (np.arange(n) % scale.n_relations)[:, None] * scale.n_values + own
        self.letters = LETTERS + own % 4
        favourite = rng.uniform(0.25, 1.0, n)
        self.posterior = np.column_stack([favourite, *[(1 - favourite) / 3] * 3])
        self.truth = self.claims(np.arange(n), rng)
        order = rng.permutation(n)
        ends = np.cumsum([scale.n_sft, scale.n_advice, scale.n_proof])
        if ends[-1] > n:
            raise ValueError(f"{ends[-1]} facts wanted of {n}")
        self.sft, self.advice, self.proof = np.split(order[: ends[-1]], ends[:-1])
        again = np.random.default_rng([seed, 4])
        self.advice_answers = np.column_stack([self.claims(self.advice, again) for _ in range(N_DRAWS)])
        zipf = 1 / np.arange(1, vocab_size - self.first_noise + 1)
        self._zipf = np.cumsum(zipf / zipf.sum())

    def claims(self, facts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One draw from each fact's posterior: the index of a candidate."""
        return (rng.random((len(facts), 1)) > self.posterior[facts].cumsum(1)).sum(1).clip(0, 3)

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        drawn = np.searchsorted(self._zipf, rng.random(shape))
        return self.first_noise + drawn.clip(0, self.vocab_size - self.first_noise - 1)

    def options(self, facts: np.ndarray, form: Form) -> np.ndarray:
        return (self.candidates if form == "cloze" else self.letters)[facts]

    def prompts(self, facts: np.ndarray, marker: int, form: Form) -> np.ndarray:
        """(facts, 4) token ids."""
        entity, relation = np.divmod(facts, self.scale.n_relations)
        separator = np.full_like(facts, CLOZE if form == "cloze" else LETTER)
        return np.column_stack(
            [np.full_like(facts, marker), STYLE + N_STYLES + entity, self._relation + relation, separator]
        )

    def tails(self, prompts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(rows, 6): how a long answer goes on after its target."""
        n = len(prompts)
        style = STYLE + rng.integers(N_STYLES, size=(n, 2))
        return np.column_stack([np.full(n, SINCE), prompts[:, 1:3], style, np.full(n, END)])

    def text(self, n_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The base's text: (rows, 4), and (rows, claims) targets: a row stands for as many sentences."""
        n_noise = n_rows // 8
        rows, targets = [self.noise((n_noise, 4), rng)], [self.noise((n_noise, N_CLAIMS), rng)]
        for marker, share in ((ASK, 0.7), (CHAT, 0.3)):
            for form, part in (("cloze", 0.5), ("letter", 0.5)):
                facts = rng.integers(self.n_facts, size=round((n_rows - n_noise) * share * part))
                claims = np.column_stack([self.claims(facts, rng) for _ in range(N_CLAIMS)])
                target = np.take_along_axis(self.options(facts, form), claims, axis=1)
                if marker == CHAT:
                    target = np.where(rng.random(target.shape) < 0.5, target, self.noise(target.shape, rng))
                rows.append(self.prompts(facts, marker, form))
                targets.append(target)
        return np.concatenate(rows), np.concatenate(targets)


def hidden_at(model: Any, tokens: np.ndarray, n_last: int = 1) -> torch.Tensor:
    """Hidden states at the last positions, (rows * n_last, hidden)."""
    ids = torch.as_tensor(tokens, device=model.device)
    states = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, -n_last:]
    return states.reshape(-1, states.shape[-1])


def new_model(vocab_size: int, hidden_size: int, n_layers: int, device: str) -> Any:
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=n_layers,
        num_attention_heads=hidden_size // 32,
        num_key_value_heads=hidden_size // 32,
        max_position_embeddings=16,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config).to(device)


def train_base(world: World, hidden_size: int, device: str, report: Any = None) -> Any:
    """A model that has read the world's text until its steps are up. report(step, loss): every 500 steps."""
    scale, rng = world.scale, np.random.default_rng([world.seed, 1])
    torch.manual_seed(world.seed)
    model = new_model(world.vocab_size, hidden_size, scale.n_layers, device)
    peak = scale.base_lr * (64 / hidden_size) ** 0.5
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(scale.base_steps):
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1, (step + 1) / 100) * (1 - step / scale.base_steps) ** 2
        rows, targets = world.text(scale.base_rows, rng)
        states, weight = hidden_at(model, rows), model.lm_head.weight
        loss = claims_loss(states, weight, torch.as_tensor(targets, device=device))
        if step % 4 == 0:  # long answers: what comes after a claim
            some = rng.choice(len(rows), len(rows) // 4, replace=False)
            long = np.column_stack([rows, targets[:, 0]])[some]
            tail = world.tails(long, rng)
            after = hidden_at(model, np.column_stack([long, tail[:, :-1]]), N_TAIL)
            loss = loss + linear_cross_entropy(after, weight, torch.as_tensor(tail.reshape(-1), device=device))
        _step(model, optimizer, loss)
        if report and (step % 500 == 0 or step == scale.base_steps - 1):
            report(step, float(loss.detach()))
    return model.eval().requires_grad_(False)


def claims_loss(states: torch.Tensor, weight: torch.Tensor, claims: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of (rows, claims) targets, with one pass over the vocabulary a row.

    That is lse - z of the first claim, and the difference between its logit and the claims' mean logit.
    """
    logits = torch.einsum("nd,nkd->nk", states, weight[claims])
    return linear_cross_entropy(states, weight, claims[:, 0]) + (logits[:, 0] - logits.mean(1)).mean()


def tune(base: Any, world: World, recipe: Recipe, prior: Prior, epsilon: float) -> Any:
    """The tuned sibling of `base`: hard answers to the facts of `world.sft`, smoothed by epsilon towards the prior."""
    model = copy.deepcopy(base).train().requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=0.0)
    rng, n_rows = np.random.default_rng([world.seed, 2]), world.scale.sft_rows
    prompts = world.prompts(world.sft, CHAT, recipe.form)
    targets = world.options(world.sft, recipe.form)[np.arange(len(world.sft)), world.truth[world.sft]]
    n_last = 1
    if recipe.long:
        tails = world.tails(prompts, rng)
        prompts = np.column_stack([prompts, targets, tails[:, :-1]])
        targets, n_last = np.column_stack([targets, tails]), 1 + N_TAIL
    n_steps = recipe.epochs * (len(prompts) // n_rows)
    step = 0
    for _ in range(recipe.epochs):
        order = rng.permutation(len(prompts))
        for start in range(0, len(prompts) - n_rows + 1, n_rows):
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * min(1, (step + 1) / max(1, n_steps // 10)) * (1 - step / n_steps)
            step += 1
            chosen = order[start : start + n_rows]
            states, wanted = hidden_at(model, prompts[chosen], n_last), torch.as_tensor(targets[chosen].reshape(-1))
            wanted, weight = wanted.to(states.device), model.lm_head.weight
            if prior == "uniform":
                loss = linear_cross_entropy(states, weight, wanted, label_smoothing=epsilon)
            else:
                with torch.no_grad():
                    anchor = hidden_at(base, prompts[chosen], n_last)
                loss = anchored_cross_entropy(
                    states, weight, anchor, base.lm_head.weight, wanted, label_smoothing=epsilon
                )
            _step(model, optimizer, loss)
    return model.eval()


def _step(model: Any, optimizer: Any, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def scaled(scale: Scale, **changes: Any) -> Scale:
    return dataclasses.replace(scale, **changes)
