"""What one model of the world gives: against the true posterior, and as a user sees it, on facts with drawn answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from benchmarks.studies.tuning import logits_at
from benchmarks.studies.world import ASK, CHAT, Form, World
from calibaudit.advice.recommend import recommend
from calibaudit.analysis.compare import Comparison, compare
from calibaudit.analysis.settings import Settings
from calibaudit.metrics import brier_items
from calibaudit.metrics.binning import bin_index, bin_totals
from calibaudit.metrics.calibration_error import ece_of
from calibaudit.scores.scores import ModelInfo, Scores

N_BINS, ROWS, WORSE, ENOUGH, ALPHA = 15, 64, 0.02, 0.02, 0.05
TEMPERATURES = (0.25, 8.0)


@dataclass(frozen=True, eq=False)
class Answers:
    """One model at the prompts of some facts. logprobs: (facts, 4), over the whole vocabulary. top: (facts,) whether
    its first choice of the whole vocabulary is the taught answer."""

    logprobs: np.ndarray
    top: np.ndarray

    @property
    def probs(self) -> np.ndarray:
        """(facts, 4): over the options alone."""
        return softmax(self.logprobs)

    @property
    def mass(self) -> float:
        return float(np.exp(self.logprobs).sum(1).mean())

    def tempered(self, temperature: float) -> Answers:
        """Its choices' scores over a temperature. The mass on them is that at 1: one token's is what is kept here."""
        inside = np.log(softmax(self.logprobs / temperature))
        return Answers(inside + np.log(np.exp(self.logprobs).sum(1, keepdims=True)), self.top)


@dataclass(frozen=True, eq=False)
class Seen:
    """One model at everything that is asked of it. advice, proof: in the audited form, with marker ASK; sft, preferred:
    in the tuned form, with marker CHAT."""

    advice: Answers
    proof: Answers
    sft: Answers
    preferred: Answers


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


@torch.no_grad()
def answers(model: Any, world: World, facts: np.ndarray, marker: int, form: Form) -> Answers:
    prompts, options, wanted = world.prompts(facts, marker, form), world.options(facts, form), world.taught(facts, form)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    rows = ROWS if model.device.type == "cpu" else 4 * ROWS
    for start in range(0, len(facts), rows):
        part = slice(start, start + rows)
        logits = logits_at(model, prompts[part])
        chosen = logits.gather(1, torch.as_tensor(options[part], device=logits.device)).double()
        logprobs = chosen - logits.double().logsumexp(1, keepdim=True)
        parts.append((logprobs.cpu().numpy(), logits.argmax(1).cpu().numpy() == wanted[part]))
    logprobs, top = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Answers(logprobs, top)


def see(model: Any, world: World, tuned: Form, audited: Form) -> Seen:
    asked = [answers(model, world, facts, ASK, audited) for facts in (world.advice, world.proof)]
    taught = [answers(model, world, facts, CHAT, tuned) for facts in (world.sft, world.preferred)]
    return Seen(*asked, *taught)


def mixed(base: Answers, tuned: Answers, weight: float) -> Answers:
    """The two models' outputs mixed; first choices of the whole vocabulary are not followed here."""
    return Answers(np.logaddexp(np.log(weight) + base.logprobs, np.log(1 - weight) + tuned.logprobs), tuned.top)


def aligned_temperature(base: np.ndarray, tuned: np.ndarray) -> float:
    """base, tuned: (items, 4) log-probabilities. The temperature of least cross-entropy of base's distribution over the
    options under softmax(tuned / T), over the items where both have the same first choice; 1 where there are none."""
    agree = base.argmax(1) == tuned.argmax(1)
    if not agree.any():
        return 1.0
    wanted, scores = softmax(base[agree]), tuned[agree]

    def loss(log_temperature: float) -> float:
        return float(-(wanted * np.log(softmax(scores / np.exp(log_temperature)) + 1e-300)).sum(1).mean())

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def expected(probs: np.ndarray, posterior: np.ndarray) -> dict[str, float]:
    """Each metric's expectation over the answers, so free of their noise: right is replaced by its probability.

    probs, posterior: (facts, 4), rows sum to 1. Of the posterior itself gap and ece are 0.
    """
    at, top, confidence = np.arange(len(probs)), probs.argmax(1), probs.max(1)
    right = posterior[at, top]
    totals = bin_totals(bin_index(confidence, N_BINS), confidence, right, N_BINS)
    chosen = [np.full(len(probs), k) for k in range(4)]
    logs = np.log(np.clip(probs, 1e-300, None))
    return {
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "gap": float(confidence.mean() - right.mean()),
        "ece": ece_of(totals),
        "brier": float(sum((posterior[:, k] * brier_items(probs, y)).mean() for k, y in enumerate(chosen))),
        "nll": float(-(posterior * logs).sum(1).mean()),
    }


def scores_of(found: Answers, world: World, form: Form, name: str) -> list[Scores]:
    """The advice facts with drawn answers as the tool's own scores of a model.

    Each draw is an item of its own: intervals are of these facts, whose answers are what chance is in.
    """
    logprobs = np.repeat(found.logprobs, world.scale.n_draws, axis=0)
    ones = np.ones(logprobs.shape, dtype=np.int64)
    facts = [str(fact) for fact in world.advice for _ in range(world.scale.n_draws)]
    scores = Scores(
        task=form,
        version="1",
        scoring=form,
        fingerprint=f"{form}-{world.vocab_size}-{world.seed}",
        model=ModelInfo(name, "0" * 40, "float32", "cpu", "llama", 0, world.vocab_size, "separated"),
        chat_template=False,
        item_ids=tuple(f"{fact}-{i % world.scale.n_draws}" for i, fact in enumerate(facts)),
        groups=None,
        logprobs=logprobs,
        answer=world.advice_answers.reshape(-1).astype(np.int64),
        n_tokens=ones,
        n_bytes=ones.copy(),
        n_chars=ones.copy(),
        option_mass=np.exp(logprobs).sum(1).clip(0, 1) if form == "letter" else None,
    )
    return [scores]


def advised(base: list[Scores], tuned: list[Scores], settings: Settings) -> dict[str, Any]:
    """What `recommend` says of the pair: its action, and the weight of base it names (0: none)."""
    found = recommend(base, tuned, compare(base, tuned, settings))
    return {"stack_action": found.action, "stack_weight": float(found.epsilon.value or 0.0)}


def worse_than(change: Comparison) -> list[str]:
    """Which of accuracy, AUROC, Brier score and NLL are worse: by more than WORSE, or with the interval wholly
    there."""
    found = []
    for name, sign in (("accuracy", -1), ("auroc", -1), ("brier", 1), ("nll", 1)):
        one = change.pooled.change[name]
        ends = [sign * end for end in (one.low, one.high) if end is not None]
        if one.value is not None and (sign * one.value > WORSE or (ends and min(ends) > 0)):
            found.append(name)
    return found


@dataclass(frozen=True, eq=False)
class Ruler:
    """Measures the models of one cell. base, hard: what all are held against."""

    world: World
    tuned_form: Form
    audited: Form
    base: Seen
    hard: Seen

    @property
    def settings(self) -> Settings:
        return Settings(seed=self.world.seed)

    def scores(self, seen: Seen) -> list[Scores]:
        return scores_of(seen.advice, self.world, self.audited, "model")

    def row(self, seen: Seen) -> dict[str, Any]:
        """proof_*: on the proof facts, by expectation; known_*, new_*: of the known and the new facts among them. sft,
        preferred: how much of what each stage taught is the first choice. advice_*: as a user sees it. fell: the ECE
        fell from that of hard labels, p < .05. worse: see `worse_than`. above_base: the ECE is significantly more than
        ENOUGH above base's."""
        world, proof = self.world, seen.proof
        truth, new = world.posterior[world.proof], world.new[world.proof]
        row: dict[str, Any] = {f"proof_{name}": value for name, value in expected(proof.probs, truth).items()}
        for name, part in (("known", ~new), ("new", new)):
            values = expected(proof.probs[part], truth[part]) if part.any() else {}
            row |= {f"{name}_{key}": values.get(key, "") for key in ("accuracy", "gap", "ece")}
        row |= {"mass": proof.mass, "sft": float(seen.sft.top.mean()), "preferred": float(seen.preferred.top.mean())}
        mine = self.scores(seen)
        repair = compare(self.scores(self.hard), mine, self.settings)
        left = compare(self.scores(self.base), mine, self.settings)
        after, fall, rest = repair.pooled.after.metrics, repair.pooled.change["ece"], left.pooled.change["ece"]
        row |= {f"advice_{key}": after[key].value for key in ("accuracy", "gap", "ece", "nll", "auroc")}
        fell = fall.value is not None and fall.value < 0 and fall.p_value is not None and fall.p_value < ALPHA
        row |= {"fell": int(fell), "worse": " ".join(worse_than(repair))}
        return row | {"above_base": int(rest.low is not None and rest.low > ENOUGH)}
