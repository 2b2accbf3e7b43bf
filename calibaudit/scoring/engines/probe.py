"""What a server can do, found on a few short texts: how it takes prompts, where its log-probabilities stand, and that
they are those of the tokens beside them.

The known answer is the server's own: the log-probability that it gives to its next token must be the one that this
token has once it stands at the end of the prompt. A list that is off by one place fails that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from calibaudit.errors import ModelError
from calibaudit.scoring.encode import Encoder, Tokens
from calibaudit.scoring.engines.asking import Asker, Mode, Reading
from calibaudit.scoring.engines.connection import Refused
from calibaudit.scoring.engines.replies import Reply, Token, Unreadable, alike

TEXTS = (
    "The capital of France is Paris, and the capital of Italy is",
    "One, two, three, four, five,",
    "Question: Is the sky blue or green?\nAnswer:",
    "def add(a, b):\n    return a +",
    "Monday, Tuesday, Wednesday,",
)

TOLERANCE = 0.15
"""Nats between one token's log-probability as the next and as the last; half-precision engines differ by less."""

MOST_OTHERS = 0.2
"""Share of the probe's tokens whose text may differ between server and local tokenizer."""

LISTS = (20, 5)
"""How many of the next token's most probable are asked for: vLLM's most, then OpenAI's."""

_NO_ACCESS = (401, 403)


@dataclass(frozen=True)
class Probed:
    """mode: how the server is asked. values: log-probabilities on the texts, by which the model is known again.

    fallback: why only the next token's can be had; "" where the whole prompt's can.
    """

    mode: Mode
    values: tuple[float, ...]
    fallback: str = ""


def probe(asker: Asker, encoder: Encoder, name: str) -> Probed:
    """The best mode that the server was seen to serve. Raises ModelError with what it said to each."""
    rows = encoder.contexts([(text, True) for text in TEXTS])
    said: dict[tuple[Reading, bool], str] = {}
    for mode in _modes():
        fault = _why_not(asker, mode, rows)
        if fault is not None and fault.startswith(_OTHER):
            raise ModelError(f"{name}: {fault}; name the served model's own with --tokenizer")
        if fault is not None:
            _note(said, mode, fault)
        elif mode.reading == "next":
            best = [_best(asker.ask(mode, ids, probing=True)).logprob or 0.0 for ids in rows]
            whole = {way: text for way, text in said.items() if way[0] != "next"}
            return Probed(mode, tuple(best), _reasons(whole))
        else:
            replies = [asker.ask(mode, ids, probing=True) for ids in rows]
            return Probed(mode, tuple(t.logprob for r in replies for t in r.prompt if t.logprob is not None))
    raise ModelError(f"{name}: no way was found to ask it for log-probabilities ({_reasons(said)})")


def _note(said: dict[tuple[Reading, bool], str], mode: Mode, fault: str) -> None:
    """Of one way of asking the first fault, which is the plainest form's; but what is misplaced tells more."""
    way = mode.reading, mode.as_text
    if way not in said or (fault.startswith(_OFF) and not said[way].startswith(_OFF)):
        said[way] = fault


def _reasons(said: Mapping[tuple[Reading, bool], str]) -> str:
    """Why each kind of log-probabilities cannot be had: with token ids and as text, once where both say the same."""
    names = {"echo": "echo with logprobs", "next": "the next token's most probable"}
    found = []
    for kind in dict.fromkeys(reading for reading, _ in said):
        ids, text = said.get((kind, False)), said.get((kind, True))
        both = [f"with token ids {ids}", f"as text {text}"] if ids and text and ids != text else [ids or text or ""]
        found.append(f"{names.get(kind, kind)}: {', '.join(both)}")
    return "; ".join(found)


_OFF = "the log-probability of"
_OTHER = "another tokenizer"


_WHOLE: tuple[tuple[Reading, int], ...] = (("prompt_logprobs", 1), ("echo", 1), ("echo", 0))

_WAYS = ((False, False, False), (True, False, False), (True, True, False), (True, True, True))
"""as_text, adds_bos, hides_bos."""


def _modes() -> Iterator[Mode]:
    """The best first."""
    for reading, max_tokens in _WHOLE:
        for as_text, adds, hides in _WAYS:
            yield Mode(reading, as_text, max_tokens, 1, adds, hides, names_ids=reading == "prompt_logprobs")
    for n_next in LISTS:
        for as_text, adds, hides in _WAYS:
            if not hides:
                yield Mode("next", as_text, 1, n_next, adds)


def _why_not(asker: Asker, mode: Mode, rows: list[Tokens]) -> str | None:
    """Why the mode cannot be used; None where it was seen to be right. Raises Refused where the key is at fault."""
    try:
        reply = asker.ask(mode, rows[0], probing=True)
        if mode.reading != "next":
            return _misplaced(asker, mode, rows)
        if fault := _another_tokenizer(asker, [(t.id, t.text) for t in reply.next if t.id is not None and t.text]):
            return fault
        total = sum(math.exp(token.logprob) for token in reply.next if token.logprob is not None)
        return f"its numbers are not log-probabilities: they sum to {total:.3g}" if total > 1.01 else None
    except Refused as error:
        if error.status in _NO_ACCESS:
            raise
        return str(error)
    except Unreadable as fault:
        return str(fault)


def _best(reply: Reply) -> Token:
    return max(reply.next, key=lambda token: -math.inf if token.logprob is None else token.logprob)


def _misplaced(asker: Asker, mode: Mode, rows: list[Tokens]) -> str | None:
    checked = 0
    texts: list[tuple[int, str]] = []
    for ids in rows:
        reply = asker.ask(mode.of_next(1), ids, probing=True)
        best = _best(reply)
        texts += [] if best.id is None else [(best.id, reply.generated)]
        longer = _with(asker, mode, ids, reply, best.id)
        if longer is None or best.logprob is None:
            continue
        prompt = asker.ask(mode, longer, probing=True).prompt
        texts += [(token.id, token.text) for token in prompt if token.id is not None and token.text is not None]
        found = prompt[-1].logprob
        assert found is not None
        if abs(found - best.logprob) > TOLERANCE:
            return (
                f"{_OFF} one token is {best.logprob:.3f} as the next and {found:.3f} as the last of the prompt, "
                "so what stands beside the prompt's tokens is not theirs"
            )
        checked += 1
    if (fault := _another_tokenizer(asker, texts)) is not None:
        return fault
    return None if checked >= 2 else "it generates no text to ask about, so its positions cannot be checked"


def _another_tokenizer(asker: Asker, texts: Sequence[tuple[int, str]]) -> str | None:
    """Where token ids go there and back, their texts show whether both sides mean the same by them. texts: the
    server's, a few of which may be written otherwise."""
    other = [(id_, text) for id_, text in texts if not alike(text, asker.text_of(id_))]
    if len(other) <= MOST_OTHERS * len(texts):
        return None
    id_, text = other[0]
    return f"{_OTHER}: token {id_} is {asker.text_of(id_)!r:.40} here and {text!r:.40} there"


def _with(asker: Asker, mode: Mode, ids: Tokens, reply: Reply, generated: int | None) -> Tokens | None:
    """The prompt with the token that was generated behind it; None where that cannot be told, or cannot be sent."""
    if generated is None:
        rest = asker.plain_ids("a" + reply.generated)[1:]
        if len(rest) != 1 or asker.text_of(rest[0]) != reply.generated:
            return None
        generated = rest[0]
    longer = (*ids, generated)
    return longer if asker.can_send(mode, longer) else None
