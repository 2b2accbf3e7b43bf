"""Rows of tokens -> what the network writes after each, the same whichever rows stand beside it.

The arithmetic of a padded batch is not bit for bit that of a row alone, and a choice between two nearly equal tokens
can fall otherwise for it. So where a choice is that close, the row is run once more, alone and without a cache, and
that decides. What is left to chance of the batch is then only what moves a logit by more than NEAR.

Samples are drawn by the Gumbel-max rule: the likeliest token after exponential noise of the row's own generator has
been put on all, which is a draw from the softmax. A choice is then a maximum, and as robust as a greedy one.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    StoppingCriteria,
    StoppingCriteriaList,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from calibaudit.models.head import probe_ids
from calibaudit.models.library import quiet
from calibaudit.models.model import Model
from calibaudit.scoring.encode import Tokens

NEAR = {torch.float32: 1e-4, torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""Between tokens whose logits differ by less, as a share of the row's largest |logit|, the row alone decides."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn, as in a generation_config; 0 (top_k, min_p) and 1 (top_p) leave all tokens in."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def kept(self, logits: Tensor, slack: float = 0.0) -> Tensor:
        """(rows, V) logits, divided by the temperature, -inf where a token is left out.

        slack, nats: keeps every token that would be kept if logits moved so far, or with a negative one only those
        that would be kept all the same.
        """
        scores, ids = logits / self.temperature, torch.empty((0, 0), dtype=torch.int64)
        if self.top_k and self.top_k < scores.shape[-1]:
            step = (slack > 0) - (slack < 0)
            scores = TopKLogitsWarper(max(1, self.top_k + step))(ids, scores)
        if self.top_p < 1:
            moved = self.top_p + self.top_p * (1 - self.top_p) * slack
            scores = TopPLogitsWarper(min(max(moved, 0.0), 1.0))(ids, scores)
        if self.min_p:
            least = self.min_p * math.exp(-slack)
            scores = MinPLogitsWarper(min(least, 1.0))(ids, scores)
        return scores


@dataclass(frozen=True)
class GivenRow:
    """tokens: what the network goes on from. limit: tokens that it may write, at least 1. close: the text that ends it.

    ends: ids that end it, too. seed: of its samples.
    """

    tokens: Tokens
    limit: int
    close: str
    ends: frozenset[int] = frozenset()
    seed: int = 0


@dataclass(frozen=True)
class WrittenRow:
    """tokens: what was written, with the closing text or end. closed, ended: by which of them; neither: the limit."""

    tokens: Tokens
    closed: bool
    ended: bool


def own_sampling(model: Model) -> Sampling:
    """What the model's generation_config asks for, as its `generate` reads it; plain draws where it asks for none."""
    config = model.network.generation_config
    if not config.do_sample:
        return Sampling()
    temperature, top_k, top_p, min_p = (
        default if (value := getattr(config, name, None)) is None else value
        for name, default in (("temperature", 1.0), ("top_k", 50), ("top_p", 1.0), ("min_p", 0.0))
    )
    return Sampling(temperature, int(top_k), top_p, min_p)


def write(model: Model, rows: Sequence[GivenRow], sampling: Sampling | None = None) -> list[WrittenRow]:
    """One pass of the network's `generate` over all rows, padded on the left. sampling: None takes the likeliest token.

    Raises whatever the network raises, for want of memory too.
    """
    ids, mask = _padded([row.tokens for row in rows], model.device)
    ending = _Ending(model.tokenizer, rows, ids.shape[1])
    choice = _Choice(model, rows, (mask == 0).sum(dim=1).tolist(), ending, sampling)
    with _greedy(model.network, max(row.limit for row in rows)):
        model.network.generate(
            ids,
            attention_mask=mask,
            logits_processor=LogitsProcessorList([choice]),
            stopping_criteria=StoppingCriteriaList([ending]),
        )
    return [written for written in ending.written if written is not None]


def _padded(rows: Sequence[Tokens], device: torch.device) -> tuple[Tensor, Tensor]:
    """(rows, longest) ids with padding on the left, and the mask that is 0 there."""
    width = max(map(len, rows))
    ids = [[*[0] * (width - len(row)), *row] for row in rows]
    mask = [[*[0] * (width - len(row)), *[1] * len(row)] for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@contextmanager
def _greedy(network: Any, n_tokens: int, **settings: Any) -> Iterator[None]:
    """The checkpoint's own settings put aside: `generate` would take penalties, bans and the like from them."""
    own = network.generation_config
    network.generation_config = GenerationConfig(
        max_new_tokens=n_tokens,
        do_sample=False,
        use_cache=True,
        cache_implementation=getattr(own, "cache_implementation", None),  # Gemma's, in transformers 4
        **settings,
    )
    try:
        with quiet():
            yield
    finally:
        network.generation_config = own


def pads_truly(model: Model) -> bool:
    """Whether padding on the left, behind a mask, changes nothing: two rows of a batch against each alone."""
    probe = tuple(probe_ids(model.network, 16, seed=3)[0].tolist())
    rows = [probe[:8], probe[8:13]]

    def logits(batch: list[Tokens]) -> list[Tensor]:
        ids, mask = _padded(batch, model.device)
        with _greedy(model.network, 2, return_dict_in_generate=True, output_logits=True):
            output = model.network.generate(ids, attention_mask=mask)
        return [step.float() for step in output.logits]

    both = logits(rows)
    for r, row in enumerate(rows):
        for together, alone in zip(both, logits([row]), strict=True):
            finite = alone[0].isfinite()
            difference = (together[r] - alone[0])[finite].abs().max()
            if not difference <= _near(model, alone).max():
                return False
            if together[r].argmax() != alone[0].argmax():  # the second tokens follow other ones
                break
    return True


def _near(model: Model, logits: Tensor) -> Tensor:
    """(rows,) below which difference of two logits (rows, V) the row alone decides."""
    size = logits.where(logits.isfinite(), 0.0).abs().amax(dim=-1)
    return size * NEAR.get(model.network.dtype, NEAR[torch.float32])


class _Ending(StoppingCriteria):  # type: ignore[misc]
    """Ends each row at its closing text, its end of turn or its limit, and keeps what it wrote."""

    def __init__(self, tokenizer: Any, rows: Sequence[GivenRow], width: int) -> None:
        self._tokenizer, self._rows, self._width = tokenizer, rows, width
        self._n_last = max(len(row.close.encode()) for row in rows)  # a token is a byte at least
        self.written: list[WrittenRow | None] = [None] * len(rows)

    @property
    def open(self) -> list[int]:
        """The rows that are still being written."""
        return [r for r, written in enumerate(self.written) if written is None]

    def __call__(self, input_ids: Tensor, scores: Any, **options: Any) -> Tensor:
        rows, n_written = self.open, input_ids.shape[1] - self._width
        last = input_ids[:, max(self._width, input_ids.shape[1] - self._n_last) :].tolist()
        texts = self._tokenizer.batch_decode(
            [last[r] for r in rows], skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        for r, text in zip(rows, texts, strict=True):
            row = self._rows[r]
            closed, ended = row.close in text, last[r][-1] in row.ends
            if closed or ended or n_written >= row.limit:
                tokens = tuple(input_ids[r, self._width :].tolist())
                self.written[r] = WrittenRow(tokens, closed, ended and not closed)
        return torch.tensor([written is not None for written in self.written], device=input_ids.device)


class _Choice(LogitsProcessor):  # type: ignore[misc]
    """Leaves of each row's logits only the token that comes next."""

    def __init__(
        self, model: Model, rows: Sequence[GivenRow], pads: Sequence[int], ending: _Ending, sampling: Sampling | None
    ) -> None:
        self._model, self._pads, self._ending, self._sampling = model, pads, ending, sampling
        device = model.device if model.device.type == "cuda" else torch.device("cpu")
        self._generators = [torch.Generator(device).manual_seed(row.seed) for row in rows] if sampling else []
        self._keeps = "logits_to_keep" in inspect.signature(model.network.forward).parameters

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        rows = self._ending.open
        if not rows:  # on a GPU, `generate` may look at what has ended a step later
            return scores
        logits = scores[rows]
        noise = self._noise(rows, logits)
        slack = _near(self._model, logits)
        chosen, certain = self._choose(logits, noise, slack)
        for i in (~certain).nonzero()[:, 0].tolist():
            alone = self._alone(input_ids[rows[i], self._pads[rows[i]] :]).to(logits.device)
            chosen[i] = self._best(alone, None if noise is None else noise[i : i + 1])[0]
        result = torch.full_like(scores, -torch.inf)
        result[:, 0] = 0.0  # what has ended is padded with something
        result[rows] = torch.full_like(logits, -torch.inf).scatter_(1, chosen[:, None], 0.0)
        return result

    def _noise(self, rows: Sequence[int], logits: Tensor) -> Tensor | None:
        """-log of exponential draws: added to log-probabilities, the largest is a draw from them."""
        if self._sampling is None:
            return None
        generators = [self._generators[r] for r in rows]
        draws = torch.stack(
            [torch.empty(logits.shape[-1], device=g.device).exponential_(generator=g) for g in generators]
        )
        return -draws.clamp_min_(torch.finfo(draws.dtype).tiny).log_().to(logits.device)

    def _best(self, logits: Tensor, noise: Tensor | None, slack: float = 0.0) -> Tensor:
        return self._scores(logits, noise, slack).argmax(dim=-1)

    def _scores(self, logits: Tensor, noise: Tensor | None, slack: float) -> Tensor:
        if self._sampling is None or noise is None:
            return logits
        return self._sampling.kept(logits, slack) + noise

    def _choose(self, logits: Tensor, noise: Tensor | None, near: Tensor) -> tuple[Tensor, Tensor]:
        """The next token of each row, and whether it is that one for certain."""
        temperature = self._sampling.temperature if self._sampling else 1.0
        slack = (near.max() / temperature).item()
        top = self._scores(logits, noise, slack).topk(2, dim=-1)
        chosen = top.indices[:, 0].clone()
        certain = top.values[:, 0] - top.values[:, 1] > near / temperature
        if self._sampling:
            certain &= self._best(logits, noise, -slack) == chosen
        return chosen, certain

    def _alone(self, tokens: Tensor) -> Tensor:
        """(1, V) float32: the row's next logits, without batch, padding or cache."""
        options = {"logits_to_keep": 1} if self._keeps else {}
        logits: Tensor = self._model.network(input_ids=tokens[None], use_cache=False, **options).logits
        return logits[:, -1].float()
