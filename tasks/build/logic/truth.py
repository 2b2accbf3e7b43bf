"""Puzzles about truth: chains of conditions, people who always lie or never do, labels on boxes."""

from __future__ import annotations

import random
from itertools import combinations, pairwise, product

from build.logic.follows import MEN, WOMEN, Claim, Premise, n_needed, supposed, sure, told
from build.making import Question
from build.wording import listed

EVENTS = tuple(
    line.split(" / ")
    for line in """the bell rings / the bell does not ring
the gate opens / the gate does not open
the dog barks / the dog does not bark
the lamp is on / the lamp is not on
the tap runs / the tap does not run
the bird sings / the bird does not sing
the shop is open / the shop is closed
the train is late / the train is not late
the river is high / the river is not high
the horn sounds / the horn does not sound
the fan turns / the fan does not turn
the baby sleeps / the baby is awake
the window is open / the window is shut
the soup is hot / the soup is not hot
the flag is up / the flag is not up
the road is wet / the road is dry
the clock is right / the clock is wrong
the cat is inside / the cat is outside
the box is full / the box is not full
the fire burns / the fire does not burn
the boat leaves / the boat does not leave
the phone rings / the phone does not ring
the band plays / the band does not play
the bus comes / the bus does not come""".splitlines()
)


def conditions(rng: random.Random, level: int) -> Question | None:
    """What follows from conditions and one event.

    Level 1: one condition is needed. 2: two in a row, or one from its negated end. 3: three, or two with a negation.
    4: three with negations, "only if" among the ways to say it. 5: four, with "unless" and "or".
    """
    n = (4, 4, 5, 5, 6)[level - 1]
    events = rng.sample(EVENTS, n)
    worlds = list(product((False, True), repeat=n))
    signs = [level < 2 or rng.random() < 0.6 for _ in range(n)]
    rules = [_condition(rng, events, i, j, signs[i], signs[j], level) for i, j in pairwise(range(n))]
    if level == 1:
        rules = rng.sample(rules, 3)
    start = rng.randrange(n)
    state = rng.random() < 0.5 if level >= 2 else True
    told_event = Premise(events[start][not state], lambda world: world[start] == state, negated=not state)
    premises = [*rules, told_event]
    literals: dict[str, Claim] = {}
    for i in range(n):
        if i != start:
            for sign in (True, False):
                literals[events[i][not sign]] = _literal(i, sign)
    allowed = [world for world in worlds if all(premise.holds(world) for premise in premises)]
    following = [text for text, claim in literals.items() if all(claim(world) for world in allowed)]
    if not allowed or not following:
        return None
    # The farthest consequence; the wrong options do not follow, at least one of them is the answer's opposite event.
    answer = max(following, key=lambda text: (n_needed(worlds, premises, literals[text]), text))
    needed = n_needed(worlds, premises, literals[answer]) - 1
    turns = sum(premise.negated for premise in premises) + (start > 0 and needed > 0)
    wanted = {
        1: needed == 1,
        2: (needed == 2 and turns <= 1) or (needed == 1 and turns >= 1),
        3: needed in (2, 3) and turns,
    }
    wanted |= {4: (needed == 3 and turns >= 2) or needed == 4, 5: needed >= 3 and turns >= 3}
    if not wanted[level]:
        return None
    opposite = next(pair[1 - pair.index(answer)] for pair in events if answer in pair)
    rest = [text for text in literals if text not in following and text != opposite]
    rng.shuffle(rest)
    wrong = [opposite, *rest][:3] if rng.random() < 0.6 else rest[:3]
    if len(wrong) < 3:
        return None
    options = {text: literals[text] for text in (answer, *wrong)}
    if sure(worlds, premises, options) != answer:
        return None
    rng.shuffle(rules)
    texts = [*[rule.text for rule in rules], told_event.text]
    return Question(
        fact=" ".join(sorted(texts)),
        topic="conditions",
        level=level,
        question=f"{told(texts)} What follows?",
        statement=f"{supposed(texts)} Then {{}}.",
        answer=answer,
        distractors=tuple(wrong),
    )


def _literal(i: int, sign: bool) -> Claim:
    return lambda world: world[i] == sign


def _condition(rng: random.Random, events: list[list[str]], i: int, j: int, a: bool, b: bool, level: int) -> Premise:
    """Event i in state a brings event j in state b, said in one of the ways that the level allows.

    No "not" stands before "only if", "unless" or a bare "or": it could be heard to deny all that follows.
    """
    first, then, against, failing = events[i][not a], events[j][not b], events[i][a], events[j][b]
    negated = not (a and b)

    def holds(world: tuple[bool, ...]) -> bool:
        return world[i] != a or world[j] == b

    def both_ways(world: tuple[bool, ...]) -> bool:
        return (world[i] == a) == (world[j] == b)

    draw = rng.random()
    if level >= 5 and draw < 0.25:
        said = f"unless {against}, {then}" if _denies(then) else f"{then} unless {against}"
        return Premise(said, holds, both_ways, negated=True)
    if level >= 5 and draw < 0.45:
        return Premise(f"either {against} or {then}", holds, both_ways, negated=True)
    if level >= 4 and draw < 0.6:
        said = f"if {first}, {then}"
        if not _denies(first):
            said = f"{first} only if {then}"
        elif not _denies(failing):
            said = f"{failing} only if {against}"
        return Premise(said, holds, both_ways, negated=negated)
    return Premise(f"if {first}, {then}", holds, negated=negated)


def _denies(text: str) -> bool:
    return " not " in text


def liars(rng: random.Random, level: int) -> Question | None:
    """People who always tell the truth or always lie.

    Level 2: three plain sayings and one liar (or one truth teller) among four. 3: two people who speak of each other.
    4: one liar (or one truth teller) among four, with compound sayings. 5: how many of three or four lie.
    """
    n = {2: 4, 3: 2, 4: 4, 5: rng.choice((3, 4))}[level]
    people = rng.sample(WOMEN + MEN, n)
    worlds = list(product((False, True), repeat=n))  # True: tells the truth
    says = [_saying(rng, people, speaker, level) for speaker in range(n if level != 2 else 3)]
    if len({premise.text.split(" says ")[1] for premise in says}) < len(says):
        return None
    opening = f"each of {listed(people)} either always lies or never lies"
    options: dict[str, Claim]
    if level in (2, 4):
        liar = rng.random() < 0.6
        total = 1 if liar else n - 1
        says.append(
            Premise(f"exactly one of the four {'lies' if liar else 'never lies'}", lambda w: w.count(False) == total)
        )
        options = {name: _literal(i, not liar) for i, name in enumerate(people)}
        ask = "Who lies?" if liar else "Who never lies?"
        end = "the one who lies is {}" if liar else "the one who never lies is {}"
    elif level == 3:
        options = {
            "both": lambda world: not any(world),
            "neither": lambda world: all(world),
            f"only {people[0]}": lambda world: world == (False, True),
            f"only {people[1]}": lambda world: world == (True, False),
        }
        ask, end = "Who lies?", "the right answer to who of the two lies is {}"
    else:
        options = {str(k): _total(k) for k in range(n + 1)}
        ask, end = "How many of them lie?", "the number of them who lie is {}"
    answer = sure(worlds, says, options)
    if answer is None:
        return None
    wrong = [option for option in options if option != answer]
    if level == 5:
        wrong.sort(key=lambda option: (abs(int(option) - int(answer)), rng.random()))
    texts = [opening, *[premise.text for premise in says]]
    return Question(
        fact=" ".join(texts),
        topic="liars",
        level=level,
        question=f"{told(texts)} {ask}",
        statement=f"{supposed(texts)} Then {end}.",
        answer=answer,
        distractors=tuple(wrong[:3]),
    )


def _total(k: int) -> Claim:
    return lambda world: world.count(False) == k


def _saying(rng: random.Random, people: list[str], speaker: int, level: int) -> Premise:
    name = people[speaker]
    others = [i for i in range(len(people)) if i != speaker]
    x = rng.choice(others)
    kinds = ["lies", "lies", "never lies"]
    if level == 3:
        kinds += ["both", "one", "same", "different"]
    if level >= 4:
        kinds = ["lies", "never lies", "pair", "pair", "same", "different"] + ["count", "count"] * (level == 5)
    kind = rng.choice(kinds)
    claim: Claim
    if kind in ("lies", "never lies"):
        text, claim = f"{people[x]} {kind}", _literal(x, kind != "lies")
    elif kind == "both":
        text, claim = "both of them lie", lambda world: not any(world)
    elif kind == "one":
        text, claim = "at least one of them lies", lambda world: not all(world)
    elif kind in ("same", "different"):
        same = kind == "same"
        told_of = f"{name} and {people[x]} are of {'the same kind' if same else 'different kinds'}"
        text, claim = told_of, lambda world: (world[speaker] == world[x]) == same
    elif kind == "count":
        k = rng.randrange(1, len(people))
        text, claim = f"exactly {('one', 'two', 'three')[k - 1]} of them {'lies' if k == 1 else 'lie'}", _total(k)
    else:
        y = rng.choice([i for i in others if i != x])
        low, high = sorted((x, y))
        text, claim = f"at least one of {people[low]} and {people[high]} lies", lambda w: not (w[low] and w[high])
    return Premise(f"{name} says that {text}", lambda world: world[speaker] == claim(world))


COLOURS = ["red", "blue", "green", "white", "black", "yellow", "brown", "grey"]
THINGS = ["coin", "ring", "key", "pearl", "stamp", "button", "ticket", "map"]


def boxes(rng: random.Random, level: int) -> Question | None:
    """In which of four boxes a thing is.

    Level 1: three boxes are excluded. 2: two hints that leave one box. 3: every label is false or every label is true.
    4: exactly one label is true. 5: exactly two labels, or three, are true.
    """
    colours = rng.sample(COLOURS, 4)
    thing = rng.choice(THINGS)
    worlds = range(4)
    opening = f"a {thing} is in the {listed(colours, 'or')} box"
    premises: list[Premise]
    if level == 1:
        out = rng.sample(range(4), 3)
        premises = [Premise(f"it is not in the {colours[i]} box", _not_in(i), negated=True) for i in out]
    elif level == 2:
        one, two = sorted(rng.sample(range(4), 2)), sorted(rng.sample(range(4), 2))
        either = f"it is in the {colours[one[0]]} or the {colours[one[1]]} box"
        neither = f"it is neither in the {colours[two[0]]} nor in the {colours[two[1]]} box"
        premises = [Premise(either, lambda w: w in one), Premise(neither, lambda w: w not in two, negated=True)]
    else:
        labels = [_label(rng, colours, level) for _ in range(4)]
        if len({text for text, _ in labels}) < 3:
            return None
        n_true = {3: rng.choice((0, 4)), 4: 1, 5: rng.choice((2, 3))}[level]
        rule = {0: "all four labels are false", 4: "all four labels are true", 1: "exactly one label is true"}.get(
            n_true, f"exactly {'two' if n_true == 2 else 'three'} labels are true"
        )
        named = [f'the {colours[i]} box says "{labels[i][0]}"' for i in range(4)]
        claims = [claim for _, claim in labels]
        premises = [Premise(text, lambda _: True) for text in named]
        premises.append(Premise(rule, lambda world: sum(claim(world) for claim in claims) == n_true))
    options = {colour: _in(i) for i, colour in enumerate(colours)}
    answer = sure(worlds, premises, options)
    if answer is None or (level == 2 and any(sure(worlds, [premise], options) for premise in premises)):
        return None
    if level >= 3 and any(f"it is in the {answer} box" == text for text, _ in labels) and n_true == 4:
        return None
    texts = [opening, *[premise.text for premise in premises]]
    return Question(
        fact=" ".join(texts),
        topic="boxes",
        level=level,
        question=f"{told(texts)} Which box is the {thing} in?",
        statement=f"{supposed(texts)} Then the box that the {thing} is in is {{}}.",
        answer=answer,
        distractors=tuple(colour for colour in colours if colour != answer),
    )


def _in(i: int) -> Claim:
    return lambda world: world == i


def _not_in(i: int) -> Claim:
    return lambda world: world != i


def _label(rng: random.Random, colours: list[str], level: int) -> tuple[str, Claim]:
    i, j = rng.choice(list(combinations(range(4), 2)))
    kind = rng.choice(("in", "not in") if level == 3 else ("in", "not in", "either", "not in"))
    if kind == "in":
        return f"it is in the {colours[i]} box", _in(i)
    if kind == "not in":
        return f"it is not in the {colours[j]} box", _not_in(j)
    return f"it is in the {colours[i]} or the {colours[j]} box", lambda world: world in (i, j)
