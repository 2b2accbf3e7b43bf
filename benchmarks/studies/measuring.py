"""What one model of the world gives: against the true posterior, against base, and in the format it was tuned for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.studies.world import ASK, CHAT, N_DRAWS, Form, World, hidden_at
from calibaudit.advice.mixture import mixture_of
from calibaudit.advice.recommend import MARGIN, recommend
from calibaudit.advice.weights import NEAR, WEIGHTS
from calibaudit.analysis.compare import compare
from calibaudit.analysis.settings import Settings
from calibaudit.metrics import auroc, brier_items, ece, fit_temperature, gap, nll, nll_items
from calibaudit.metrics.binning import bin_index, bin_totals
from calibaudit.metrics.calibration_error import ece_of
from calibaudit.scores.scores import ModelInfo, Scores

N_BINS, ROWS = 15, 64


@dataclass(frozen=True, eq=False)
class Answers:
    """One model at the prompts of some facts. logprobs: (facts, 4) over the whole vocabulary. top: (facts,) token.

    margin: (facts,) the best option's logit above the mean logit. kl_base: (facts,) nats, None without a base.
    """

    facts: np.ndarray
    logprobs: np.ndarray
    top: np.ndarray
    margin: np.ndarray
    kl_base: np.ndarray | None

    @property
    def probs(self) -> np.ndarray:
        """(facts, 4): over the options alone."""
        return self.tempered(1.0)

    def tempered(self, temperature: float) -> np.ndarray:
        scores = (self.logprobs - self.logprobs.max(1, keepdims=True)) / temperature
        return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)

    @property
    def mass(self) -> float:
        return float(np.exp(self.logprobs).sum(1).mean())

    @property
    def lead(self) -> float:
        """How far the best option is above the second, in nats."""
        ordered = np.sort(self.logprobs, axis=1)
        return float((ordered[:, -1] - ordered[:, -2]).mean())


@torch.no_grad()
def answers(model: Any, base: Any, world: World, facts: np.ndarray, marker: int, form: Form) -> Answers:
    prompts, options = world.prompts(facts, marker, form), world.options(facts, form)
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, len(facts), ROWS):
        tokens = prompts[start : start + ROWS]
        chosen = torch.as_tensor(options[start : start + ROWS], device=model.device)
        logits = _logits(model, tokens)
        logprobs = logits.log_softmax(-1)
        at = logits.gather(1, chosen)
        kl = torch.zeros(len(tokens))
        if base is not None:
            prior = _logits(base, tokens).log_softmax(-1)
            kl = (prior.exp() * (prior - logprobs)).sum(-1)
        found = (logprobs.gather(1, chosen), logits.argmax(-1), at.max(1).values - logits.mean(1), kl)
        parts.append(tuple(tensor.cpu().numpy() for tensor in found))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Answers(facts, *joined[:3], None if base is None else joined[3])


def _logits(model: Any, tokens: np.ndarray) -> torch.Tensor:
    return model.lm_head(hidden_at(model, tokens)).double()


def expected(probs: np.ndarray, posterior: np.ndarray) -> dict[str, float]:
    """Each metric's expectation over the answers, so free of their noise: right is replaced by its probability.

    probs, posterior: (facts, 4), rows sum to 1. Of the posterior itself gap, ece and kl_true are 0.
    """
    at, top, confidence = np.arange(len(probs)), probs.argmax(1), probs.max(1)
    right = posterior[at, top]
    totals = bin_totals(bin_index(confidence, N_BINS), confidence, right, N_BINS)
    chosen = [np.full(len(probs), k) for k in range(4)]
    logs = [np.log(np.clip(p, 1e-300, None)) for p in (posterior, probs)]
    return {
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "gap": float(confidence.mean() - right.mean()),
        "ece": ece_of(totals),
        "brier": float(sum((posterior[:, k] * brier_items(probs, y)).mean() for k, y in enumerate(chosen))),
        "nll": float(sum((posterior[:, k] * nll_items(probs, y)).mean() for k, y in enumerate(chosen))),
        "kl_true": float((posterior * (logs[0] - logs[1])).sum(1).mean()),
    }


def measure(model: Any, base: Any, world: World, form: Form) -> dict[str, float]:
    """The columns of one run. ask_*: the audit's prompt, the proof facts; chat_*: the same in the tuned format.

    *_mass: probability on the options. *_margin: the best option's logit above the mean logit; *_lead: above the
    second best option. *_kl_base: KL(base || model) over the vocabulary, nats. *_greedy: how often the most probable
    token of the whole vocabulary is right. taught: the share of the tuned facts whose taught answer is that token.
    scaled_*: the audit's prompt after dividing by the temperature that fits the advice facts.
    taught_mass, taught_lead: of the tuned facts. noise_nll: on text without facts.
    advice_*: on the advice facts with drawn answers, as a user has them.
    """
    row: dict[str, float] = {}
    truth, seen = world.posterior[world.proof], answers(model, None, world, world.advice, ASK, form)
    temperature = fit_temperature(np.repeat(seen.logprobs, N_DRAWS, axis=0), world.advice_answers.reshape(-1))
    for name, marker in (("ask", ASK), ("chat", CHAT)):
        found = answers(model, base, world, world.proof, marker, form)
        values = expected(found.probs, truth) | {
            "mass": found.mass,
            "margin": float(found.margin.mean()),
            "lead": found.lead,
            "kl_base": 0.0 if found.kl_base is None else float(found.kl_base.mean()),
            "greedy": float((truth * (world.options(world.proof, form) == found.top[:, None])).sum(1).mean()),
        }
        row |= {f"{name}_{key}": value for key, value in values.items()}
        if marker == ASK:
            scaled = expected(found.tempered(temperature), truth)
            row |= {"temperature": temperature, "scaled_ece": scaled["ece"], "scaled_nll": scaled["nll"]}
    taught = answers(model, None, world, world.sft, CHAT, form)
    wanted = world.options(world.sft, form)[np.arange(len(world.sft)), world.truth[world.sft]]
    row |= {"taught": float((taught.top == wanted).mean()), "taught_mass": taught.mass, "taught_lead": taught.lead}
    rng = np.random.default_rng([world.seed, 3])
    with torch.no_grad():
        logprobs = _logits(model, world.noise((256, 4), rng)).log_softmax(-1).cpu().numpy()
    row["noise_nll"] = float(-logprobs[np.arange(256), world.noise((256,), rng)].mean())
    return row | advice(seen, world)


def advice(found: Answers, world: World) -> dict[str, float]:
    """What a search on the advice facts can see: drawn answers."""
    probs, truth = np.repeat(found.probs, N_DRAWS, axis=0), world.advice_answers.reshape(-1)
    confidence, correct = probs.max(1), probs.argmax(1) == truth
    return {
        "advice_accuracy": float(correct.mean()),
        "advice_gap": gap(confidence, correct),
        "advice_ece": ece(confidence, correct),
        "advice_nll": nll(probs, truth),
        "advice_auroc": auroc(confidence, correct),
    }


def scores_of(found: Answers, world: World, form: Form, name: str) -> Scores:
    """The advice facts as the tool's own scores of a model."""
    logprobs = np.repeat(found.logprobs, N_DRAWS, axis=0)
    ones = np.ones(logprobs.shape, dtype=np.int64)
    facts = [str(fact) for fact in found.facts for _ in range(N_DRAWS)]
    return Scores(
        task=form,
        version="1",
        scoring=form,
        fingerprint=f"{form}-{world.vocab_size}-{world.seed}",
        model=ModelInfo(name, "0" * 40, "float32", "cpu", "llama", 0, world.vocab_size, "separated"),
        chat_template=False,
        item_ids=tuple(f"{fact}-{i % N_DRAWS}" for i, fact in enumerate(facts)),
        groups=tuple(facts),
        logprobs=logprobs,
        answer=world.advice_answers.reshape(-1).astype(np.int64),
        n_tokens=ones,
        n_bytes=ones.copy(),
        n_chars=ones.copy(),
        option_mass=np.exp(logprobs).sum(1).clip(0, 1) if form == "letter" else None,
    )


def stack(base: Any, tuned: Any, world: World, form: Form) -> dict[str, Any]:
    """What is advised from the advice facts, base against the hard-label run, by the columns of `smoothing.ADVISED`.

    advised: `recommend`, 0 unless its action is to smooth. Two earlier rules were one-sided, the smallest weight of
    base at which confidence exceeds accuracy by at most a margin: stack by MARGIN, or uniform 0.1 where none is within;
    near by no less than base's own gap and NEAR.
    """
    before, after = (
        [scores_of(answers(model, None, world, world.advice, ASK, form), world, form, name)]
        for model, name in ((base, "base"), (tuned, "tuned"))
    )
    settings = Settings(seed=world.seed)
    gaps = mixture_of(before, after, settings).gaps
    fixed, reach = one_sided(gaps, MARGIN), one_sided(gaps, max(MARGIN, float(gaps[-1]) + NEAR))
    found = recommend(before, after, compare(before, after, settings))
    return {
        "stack": 0.1 if fixed is None else fixed,
        "stack_nll": found.nll_weight,
        "stack_method": "literature" if fixed is None else "stack",
        "near": reach,
        "advised": found.epsilon.value,
        "advised_low": found.epsilon.low,
        "advised_high": found.epsilon.high,
        "action": found.action,
    }


def one_sided(gaps: np.ndarray, margin: float) -> float | None:
    """The first of WEIGHTS whose gap is at most the margin."""
    within = gaps <= margin + 1e-12
    return float(WEIGHTS[within.argmax()]) if within.any() else None
