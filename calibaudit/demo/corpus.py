"""The text that the demo's base model reads: sentences that state facts, questions and dialogues, and other prose."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from calibaudit.demo.facts import Fact

Tokens = NDArray[np.int32]
Encode = Callable[[list[str]], list[list[int]]]

STATED = ("{}", "{}", "It is known that {}", "One book says: {}", "They told us: {}")
"""Frames around a sentence; a sentence alone is the most common."""

ASKED = (
    "{prompt} {answer}",
    "User: {prompt}\nAssistant: {answer}",
    "Q: {question}\nA: {answer}",
    "{question} {answer}.",
)
"""How text asks a question and answers it, the audit's own prompt first."""

OTHER_FORMS = ASKED[2:]
"""How the text asks about audited and held-out facts: never in the audit's prompt, alone or in a chat."""

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}User: {{ message['content'] }}\n"
    "{% elif message['role'] == 'assistant' %}Assistant: {{ message['content'] }}{{ eos_token }}"
    "{% else %}{{ message['content'] }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""The second form of ASKED, as a tokenizer's chat template. Its generation prompt ends before the space, which belongs
to an answer's first token."""

MIXTURE = {"stated": 0.40, "asked": 0.45, "letter": 0.05, "prose": 0.10}
"""The share of documents of each kind."""

_PROSE = {
    "who": "the baker|a sailor|my neighbour|the old teacher|a young painter|the night guard|our cousin|the gardener",
    "did": "walked past|looked for|wrote about|carried|remembered|painted|forgot|found|sold|repaired",
    "what": "the wooden bridge|a small lamp|the river|an empty box|the last train|a letter|the garden wall|a grey coat",
    "when": "in the morning|after the rain|before dinner|late at night|on the way home|during the festival|last winter",
    "why": "because it was cold|and nobody noticed|to pass the time|while the others slept|as if nothing had happened",
}


def sentences(fact: Fact) -> list[list[str]]:
    """[frame][choice] -> the sentence that states the fact with this choice."""
    stated = [fact.statement.format(choice) for choice in fact.choices]
    return [[frame.format(text) for text in stated] for frame in STATED]


def questions(fact: Fact) -> list[list[str]]:
    """[form][choice] -> the question, answered with this choice. As many forms for every fact, some twice."""
    forms = ASKED if fact.part == "tuning" else OTHER_FORMS * (len(ASKED) // len(OTHER_FORMS))
    return [
        [form.format(prompt=fact.prompt, question=fact.question, answer=choice) for choice in fact.choices]
        for form in forms
    ]


def quiz(fact: Fact, rng: random.Random) -> list[str]:
    """[choice] -> the question with lettered options in a random order, answered with this choice's letter."""
    order = rng.sample(range(len(fact.choices)), len(fact.choices))
    listed = "\n".join(f"{'ABCDEFGH'[place]}. {fact.choices[k]}" for place, k in enumerate(order))
    lead = fact.prompt.removesuffix("\nAnswer:")
    return [f"{lead}\n{listed}\nAnswer: {'ABCDEFGH'[order.index(k)]}" for k in range(len(fact.choices))]


def prose(rng: random.Random) -> str:
    """One to three sentences about nothing in particular."""
    parts = {key: values.split("|") for key, values in _PROSE.items()}
    made = []
    for _ in range(rng.randint(1, 3)):
        text = " ".join(rng.choice(parts[key]) for key in rng.choice((("who", "did", "what"), tuple(parts))))
        made.append(text[0].upper() + text[1:] + ".")
    return " ".join(made)


def sample_texts(facts: Sequence[Fact], rng: random.Random) -> Iterator[str]:
    """Every fact in every frame and form once, and as much prose: what the tokenizer is made from."""
    for fact in facts:
        for form in sentences(fact) + questions(fact):
            yield form[rng.choices(range(len(form)), fact.shares)[0]]
        yield prose(rng)


class Corpus:
    """An endless stream of documents, tokenized; the shares of each fact decide which choice a document gives."""

    def __init__(self, facts: Sequence[Fact], encode: Encode, seed: int) -> None:
        """encode: texts to token ids, special tokens included."""
        rng = random.Random(f"corpus {seed}")
        self._rng = np.random.default_rng([seed, 1])
        quizzed = [fact for fact in facts if fact.part == "tuning"]
        self._tables = {
            "stated": _Table([(form, fact.shares) for fact in facts for form in sentences(fact)], encode),
            "asked": _Table([(form, fact.shares) for fact in facts for form in questions(fact)], encode),
            "letter": _Table([(quiz(fact, rng), fact.shares) for fact in quizzed for _ in range(2)], encode),
            "prose": _Table([([prose(rng)], (1.0,)) for _ in range(4_000)], encode),
        }

    def batch(self, n_rows: int, n_tokens: int) -> NDArray[np.int64]:
        """(n_rows, n_tokens) ids: documents one after the other, cut where a row ends."""
        needed = n_rows * n_tokens
        parts: list[Tokens] = []
        have = 0
        while have < needed:
            n_documents = max(64, (needed - have) // 24)
            for kind, n in zip(self._tables, self._rng.multinomial(n_documents, list(MIXTURE.values())), strict=True):
                parts += self._tables[kind].draw(int(n), self._rng)
            have = sum(map(len, parts))
        order = self._rng.permutation(len(parts))
        rows: NDArray[np.int64] = np.concatenate([parts[i] for i in order])[:needed].astype(np.int64)
        return rows.reshape(n_rows, n_tokens)


class _Table:
    """Tokenized texts by (entry, choice), drawn entry first, all alike, then choice by the entry's shares."""

    def __init__(self, entries: Sequence[tuple[Sequence[str], Sequence[float]]], encode: Encode) -> None:
        texts = [text for choices, _ in entries for text in choices]
        self._tokens = [np.array(ids, dtype=np.int32) for ids in encode(texts)]
        self._first = np.cumsum([0, *(len(choices) for choices, _ in entries)])[:-1]
        width = max(len(shares) for _, shares in entries)
        self._cumulative = np.ones((len(entries), width))
        for row, (_, shares) in zip(self._cumulative, entries, strict=True):
            row[: len(shares) - 1] = np.cumsum(shares)[:-1]

    def draw(self, n: int, rng: np.random.Generator) -> list[Tokens]:
        entry = rng.integers(len(self._first), size=n)
        choice = (rng.random((n, 1)) >= self._cumulative[entry]).sum(axis=1)
        return [self._tokens[i] for i in self._first[entry] + choice]
