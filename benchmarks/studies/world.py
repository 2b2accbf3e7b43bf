"""A world whose answers' probabilities are known: what text claims, what tuning teaches, who is asked what.

Facts: every pair of an entity and a relation, with four candidates each. KNOWN facts: text claims a candidate drawn
anew each time, a favourite with probability q, drawn from 1/4 to 1, and three with (1 - q) / 3 each; the answer to a
question is one more such draw, so a reader who has learned the shares is calibrated. NEW facts: text only guesses, each
of the four as often; the answer is certain and stands nowhere in the text. Tuning may teach both kinds: of known facts
a single draw, of new ones the answer.

Rows of four tokens, and the target after them. Marker ASK: a question, always answered with a claim. Marker CHAT: in
the base's text half of its answers are noise; tuning teaches to answer there. Cloze, `CLOZE marker entity relation`:
the target is the candidate's own token. Letter, `marker entity relation LETTER`: one of four letters, the same four for
every fact, which stand for kinds of candidates; text also spells them out, `candidate LETTER` and its letter, so a
model may learn to go from fact to candidate to letter, and what it is taught in one form can show in the other. Long
answers go on for six tokens after the target (an echo of the question and tokens of style). The rest of the text is
noise: tokens of a Zipf distribution over the whole remaining vocabulary, which is how the vocabulary's size enters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Form = Literal["cloze", "letter"]
FORMS: tuple[Form, ...] = ("cloze", "letter")

ASK, CHAT, CLOZE, LETTER, SINCE, END, LETTERS, STYLE = 0, 1, 2, 3, 4, 5, 6, 10
N_STYLES, N_TAIL, N_CLAIMS = 16, 6, 64


@dataclass(frozen=True)
class Scale:
    """Sizes. n_new: facts whose answers no text tells. n_sft, n_preferred: facts that tuning teaches, in its two
    stages. n_advice, n_proof: known facts that are asked and never taught. base_*: steps, rows a step, learning rate at
    a hidden size of 64 (less above it, by the square root). n_draws: answers to each advice fact."""

    n_entities: int
    n_relations: int
    n_values: int
    n_new: int
    n_sft: int
    n_preferred: int
    n_advice: int
    n_proof: int
    n_layers: int
    base_steps: int
    base_rows: int
    base_lr: float
    n_draws: int


CPU = Scale(128, 8, 32, 256, 256, 96, 176, 240, 3, 1500, 144, 6e-3, 16)
NARROW = Scale(72, 8, 32, 144, 128, 48, 104, 152, 3, 2500, 144, 6e-3, 16)
"""For a hidden size of 64, which does not hold as many facts."""
GPU = Scale(512, 8, 64, 1024, 1024, 256, 640, 800, 12, 6000, 1024, 1.5e-3, 4)
TINY = Scale(24, 8, 8, 48, 48, 16, 40, 40, 1, 60, 64, 6e-3, 4)


class World:
    """The facts. candidates, letters: (facts, 4) token ids. claimed: (facts, 4), text's shares. posterior: (facts, 4),
    of the answers to questions: the claims' for known facts, certain for new ones. truth: (facts,) index of what is
    taught.

    new: whether a fact is new. sft, preferred: what tuning may teach, of which `shared` takes its part; advice, proof:
    what is asked. `new_share`: of the taught facts, so many are new; half of them is asked in `advice`, half in
    `proof`. advice_answers: (advice, draws), as many items of each fact.
    """

    def __init__(self, scale: Scale, vocab_size: int, seed: int, new_share: float = 0.0) -> None:
        rng = np.random.default_rng([seed, 0])
        self.scale, self.vocab_size, self.seed, self.new_share = scale, vocab_size, seed, new_share
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
        self.claimed = np.column_stack([favourite, *[(1 - favourite) / 3] * 3])
        order = rng.permutation(n)
        self.new = np.zeros(n, dtype=bool)
        self.new[order[: scale.n_new]] = True
        self.claimed[self.new] = 0.25
        self.truth = self.drawn(np.arange(n), self.claimed, rng)
        self.posterior = self.claimed.copy()
        self.posterior[self.new] = np.eye(4)[self.truth[self.new]]
        self._divide(order, scale, new_share)
        again = np.random.default_rng([seed, 4])
        self.advice_answers = np.column_stack(
            [self.drawn(self.advice, self.posterior, again) for _ in range(scale.n_draws)]
        )
        zipf = 1 / np.arange(1, vocab_size - self.first_noise + 1)
        self._zipf = np.cumsum(zipf / zipf.sum())

    def _divide(self, order: np.ndarray, scale: Scale, new_share: float) -> None:
        new, known = np.split(order, [scale.n_new])
        parts = [scale.n_sft, scale.n_preferred, scale.n_advice, scale.n_proof]
        taught = [round(new_share * n) for n in parts[:2]]
        if sum(parts) > len(known) or sum(taught) > len(new):
            raise ValueError(f"{sum(parts)} known and {sum(taught)} new facts wanted of {len(known)} and {len(new)}")
        sft, preferred, advice, proof = np.split(known[: sum(parts)], np.cumsum(parts)[:-1])
        first, second = new[: taught[0]], new[taught[0] : sum(taught)]
        self.sft = np.concatenate([sft[: len(sft) - len(first)], first])
        self.preferred = np.concatenate([preferred[: len(preferred) - len(second)], second])
        self.advice, self.proof = np.concatenate([advice, first[::2]]), np.concatenate([proof, first[1::2]])

    def drawn(self, facts: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One draw of each fact's shares: the index of a candidate."""
        return (rng.random((len(facts), 1)) > shares[facts].cumsum(1)).sum(1).clip(0, 3)

    def noise(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        drawn = np.searchsorted(self._zipf, rng.random(shape))
        return self.first_noise + drawn.clip(0, self.vocab_size - self.first_noise - 1)

    def options(self, facts: np.ndarray, form: Form) -> np.ndarray:
        return (self.candidates if form == "cloze" else self.letters)[facts]

    def taught(self, facts: np.ndarray, form: Form) -> np.ndarray:
        """(facts,) the tokens that tuning teaches."""
        return self.options(facts, form)[np.arange(len(facts)), self.truth[facts]]

    def prompts(self, facts: np.ndarray, marker: int, form: Form) -> np.ndarray:
        """(facts, 4) token ids."""
        entity, relation = np.divmod(facts, self.scale.n_relations)
        parts = [np.full_like(facts, marker), STYLE + N_STYLES + entity, self._relation + relation]
        separator = np.full_like(facts, CLOZE if form == "cloze" else LETTER)
        return np.column_stack([separator, *parts] if form == "cloze" else [*parts, separator])

    def tails(self, prompts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(rows, 6): how a long answer goes on after its target."""
        n = len(prompts)
        style = STYLE + rng.integers(N_STYLES, size=(n, 2))
        return np.column_stack([np.full(n, SINCE), prompts[:, 1:3], style, np.full(n, END)])

    def text(self, n_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The base's text: (rows, 4), and (rows, claims) targets: a row stands for as many sentences."""
        n_noise, n_spelled = n_rows // 9, n_rows // 6
        rows, targets = [self.noise((n_noise, 4), rng)], [self.noise((n_noise, N_CLAIMS), rng)]
        facts, which = rng.integers(self.n_facts, size=n_spelled), rng.integers(4, size=n_spelled)
        named = [np.full(n_spelled, token) for token in (ASK, SINCE, LETTER)]
        rows.append(np.column_stack([*named[:2], self.candidates[facts, which], named[2]]))
        targets.append(np.repeat(self.letters[facts, which][:, None], N_CLAIMS, axis=1))
        for marker, share in ((ASK, 0.6), (CHAT, 0.4)):
            for form in FORMS:
                facts = rng.integers(self.n_facts, size=round((n_rows - n_noise - n_spelled) * share / 2))
                drawn = rng.random((len(facts), N_CLAIMS, 1)) > self.claimed[facts].cumsum(1)[:, None, :]
                claims = drawn.sum(2).clip(0, 3)
                target = np.take_along_axis(self.options(facts, form), claims, axis=1)
                if marker == CHAT:
                    target = np.where(rng.random(target.shape) < 0.5, target, self.noise(target.shape, rng))
                rows.append(self.prompts(facts, marker, form))
                targets.append(target)
        return np.concatenate(rows), np.concatenate(targets)
