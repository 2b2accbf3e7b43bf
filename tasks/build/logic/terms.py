"""Puzzles about kinds: what one being must or cannot be, and syllogisms, both with invented nouns."""

from __future__ import annotations

import random
from functools import cache
from itertools import product

from build.logic.follows import BEINGS, NOUNS, Claim, Premise, given, n_needed, sure, told
from build.making import Question
from build.wording import article

Kinds = tuple[bool, ...]
"""A world of `kinds`: whether the being is of each kind."""


def kinds(rng: random.Random, level: int) -> Question | None:
    """What a being must be, or cannot be, from rules that say what every such thing is.

    Level 1: one rule is needed. 2: two, or one backwards ("is not"). 3: three with a "no". 4: three, of them two with
    "no" or backwards, or an "or". 5: four or more with at least two such.
    """
    n = 5 if level <= 2 else 6
    nouns = rng.sample(NOUNS, n)
    being = rng.choice(BEINGS)
    worlds = list(product((False, True), repeat=n))
    rules = [_rule(rng, nouns, level) for _ in range((3, 3, 4, 5, 6)[level - 1])]
    start = rng.randrange(n)
    fact = _is(being, nouns, start, negated=level >= 2 and rng.random() < 0.35)
    premises = [*rules, fact]
    if len({premise.text for premise in premises}) < len(premises) or _doubled(rules):
        return None
    positive = rng.random() < 0.5
    named = [i for i in range(n) if i != start and any(f" {nouns[i]}" in rule.text for rule in rules)]
    if len(named) < 4:
        return None
    chosen = rng.sample(named, 4)
    options: dict[str, Claim] = {article(nouns[i]): _claim(i, positive) for i in chosen}
    answer = sure(worlds, premises, options)
    if answer is None:
        return None
    needed = n_needed(worlds, premises, options[answer]) - 1
    turns = sum(premise.negated for premise in premises)
    wanted = {1: needed == 1 and turns == 0, 2: (needed, turns) in ((1, 1), (2, 0), (2, 1))}
    wanted |= {3: needed in (2, 3) and turns in (1, 2), 4: needed == 3 and turns >= 2, 5: needed >= 4 and turns >= 2}
    if not wanted[level]:
        return None
    rng.shuffle(rules)
    texts = [*[rule.text for rule in rules], fact.text] if rng.random() < 0.5 else [fact.text, *[r.text for r in rules]]
    ask, end = (f"What must {being} be?", "must be") if positive else (f"What is {being} certainly not?", "cannot be")
    return Question(
        fact=" ".join(sorted(texts)) + ask,
        topic="kinds",
        level=level,
        question=f"{told(texts)} {ask}",
        statement=f"{given(texts)}, then {being} {end} {{}}.",
        answer=answer,
        distractors=tuple(option for option in options if option != answer),
    )


def _rule(rng: random.Random, nouns: list[str], level: int) -> Premise:
    i, j, k = rng.sample(range(len(nouns)), 3)
    a, b, c = nouns[i], article(nouns[j]), article(nouns[k])
    draw = rng.random()
    if level >= 2 and draw < 0.3:
        return Premise(f"no {a} is {b}", lambda world: not (world[i] and world[j]), negated=True)
    if level >= 4 and draw < 0.5:
        # "or" may be read as excluding both.
        return Premise(
            f"every {a} is {b} or {c}",
            lambda world: not world[i] or world[j] or world[k],
            lambda world: not world[i] or world[j] != world[k],
        )
    return Premise(f"every {a} is {b}", lambda world: not world[i] or world[j])


def _is(being: str, nouns: list[str], i: int, negated: bool) -> Premise:
    if negated:
        return Premise(f"{being} is not {article(nouns[i])}", lambda world: not world[i], negated=True)
    return Premise(f"{being} is {article(nouns[i])}", lambda world: bool(world[i]))


def _claim(i: int, positive: bool) -> Claim:
    return lambda world: world[i] == positive


def _doubled(rules: list[Premise]) -> bool:
    """Whether two rules are about the same two kinds."""
    pairs = [
        frozenset(w for w in rule.text.split() if w not in ("every", "no", "is", "a", "an", "or")) for rule in rules
    ]
    return len(set(pairs)) < len(pairs)


FORMS = ("all", "no", "some", "some not")

Worlds = int
"""Worlds of `syllogism`, one bit each; a world is a number whose bits say which combinations of kinds exist."""


def syllogism(rng: random.Random, level: int) -> Question | None:
    """Which statement about two kinds must be true.

    Level 1: two "all" in order. 2: two of "all" and "no", in any order. 3: three kinds with "some", or four with "all".
    4: four kinds, with "no" or with "some". 5: four kinds, with both.
    """
    n = 3 if level <= 2 or (level == 3 and rng.random() < 0.7) else 4
    nouns = rng.sample(NOUNS, n)
    # Every kind is linked to the next; the statement is about the first and the last.
    forms = [rng.choice(FORMS[:1] if level == 1 else FORMS) for _ in range(n - 1)]
    n_no, n_some = forms.count("no"), forms.count("some") + forms.count("some not")
    all_all = not n_no and not n_some
    wanted = {1: True, 2: not n_some, 3: n_some or all_all, 4: bool(n_no) != bool(n_some), 5: n_no and n_some}
    if not wanted[level] or (level == 3 and n == 4 and not all_all):
        return None
    links = []
    for link, form in enumerate(forms):
        i, j = (link, link + 1) if level == 1 or rng.random() < 0.6 else (link + 1, link)
        links.append((form, i, j))
    wide = (1 << 2 ** (2**n)) - 1
    for form, i, j in links:
        wide &= _where(n, form, i, j)
    # Some readers take "all" to say that there are some.
    narrow = wide
    for kind in range(n):
        narrow &= _where(n, "some", kind, kind)
    # "No" and "some" say the same both ways round, so each is offered one way only.
    ends = [(form, 0, n - 1) for form in FORMS] + [(form, n - 1, 0) for form in ("all", "some not")]
    following = [end for end in ends if wide & ~_where(n, *end) == 0]
    others = [end for end in ends if narrow & ~_where(n, *end) != 0]
    if not narrow or len(following) != 1 or len(others) < 3:
        return None
    texts = [_said(nouns, *link) for link in links]
    if level > 1:
        rng.shuffle(texts)
    return Question(
        fact=" ".join(sorted(texts)),
        topic="syllogism",
        level=level,
        question=f"{told(texts)} What must be true?",
        statement=f"{given(texts)}, then {{}}.",
        answer=_said(nouns, *following[0]),
        distractors=tuple(_said(nouns, *end) for end in rng.sample(others, 3)),
    )


def _said(nouns: list[str], form: str, i: int, j: int) -> str:
    some_not = form == "some not"
    return f"{'some' if some_not else form} {nouns[i]}s are {'not ' if some_not else ''}{nouns[j]}s"


@cache
def _where(n: int, form: str, i: int, j: int) -> Worlds:
    """The worlds in which a statement about kinds i and j is true."""
    both = sum(1 << number for number in range(2**n) if number >> i & 1 and number >> j & 1)
    only = sum(1 << number for number in range(2**n) if number >> i & 1 and not number >> j & 1)
    mask, wanted = {"all": (only, False), "no": (both, False), "some": (both, True), "some not": (only, True)}[form]
    digits = "".join("1" if bool(world & mask) == wanted else "0" for world in reversed(range(2 ** (2**n))))
    return int(digits, 2)
