"""People who lie or do not, and guests who come or do not: what holds is a bit for each of the 2 ** n cases."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache

from build.hard.deduction.parts.slips import Clue, gathered, joint, miscounted, spread
from build.hard.deduction.parts.telling import COUNTS, asked, people, unmentioned, upper
from build.making import Question
from build.wording import listed


class Cases:
    """The 2 ** n ways in which n things can be so or not; case i has thing k if bit k of i is set."""

    def __init__(self, n: int) -> None:
        self.n, self.n_cases = n, 1 << n
        self.every = (1 << self.n_cases) - 1
        self.so = [self.those(lambda case, k=k: bool(case >> k & 1)) for k in range(n)]  # type: ignore[misc]

    def those(self, test: Callable[[int], bool]) -> int:
        return sum(1 << case for case in range(self.n_cases) if test(case))

    def number(self, who: Sequence[int], test: Callable[[int], bool]) -> int:
        """The cases in which so many of the things pass the test."""
        chosen = sum(1 << k for k in who)
        return self.those(lambda case: test((case & chosen).bit_count()))


@cache
def cases_of(n: int) -> Cases:
    return Cases(n)


def _claim(rng: random.Random, cases: Cases, names: list[str], speaker: int, deep: bool) -> Clue:
    """What one of them says, as a clue; bits are set for those who tell the truth."""
    n, every = cases.n, cases.every
    others = [k for k in range(n) if k != speaker]
    a, b, c = rng.sample(others, 3)
    t, (x, y, z) = cases.so, (names[a], names[b], names[c])
    kind = rng.randrange(9 if deep else 5)
    if kind == 0:
        said, mask, slip = f"{x} is a liar", every ^ t[a], t[a]
    elif kind == 1:
        said, mask = f"{x} or {y} is a liar, or both are", every ^ (t[a] & t[b])
        slip = t[a] ^ t[b]
    elif kind == 2:
        said, mask = f"{x} and {y} are of the same kind", every ^ t[a] ^ t[b]
        slip = t[a] & t[b]
    elif kind == 3:
        k = rng.randrange(1, n - 1)
        liars = n - k
        word = f"exactly {COUNTS[k]} of the {COUNTS[n]} {'is a liar' if k == 1 else 'are liars'}"
        said, mask = word, cases.number(range(n), lambda m: m == liars)
        slip = cases.number(range(n), lambda m: m == k)
    elif kind == 4:
        k = rng.randrange(2, n - 1)
        said, mask = f"at least {COUNTS[k]} of the {COUNTS[n]} are liars", cases.number(range(n), lambda m: n - m >= k)
        slip = cases.number(range(n), lambda m: n - m > k)
    elif kind == 5:
        said, mask = f"if {x} is a liar, then {y} is a truth-teller", t[a] | t[b]
        slip = t[a] ^ t[b]
    elif kind == 6:
        said, mask = f"{x} would say that {y} is a liar", t[a] ^ t[b]
        slip = every ^ t[b]
    elif kind == 7:
        said = f"exactly one of {x}, {y} and {z} is a liar"
        mask = cases.number((a, b, c), lambda m: m == 2)
        slip = cases.number((a, b, c), lambda m: m == 1)
    else:
        said = f"{x} is a liar if and only if {y} and {z} are of the same kind"
        mask, slip = t[a] ^ (every ^ t[b] ^ t[c]), every ^ t[a] ^ (every ^ t[b] ^ t[c])
    own = t[speaker]
    misread = (every ^ own ^ slip, own & mask, mask)
    return Clue(f"{names[speaker]} says that {said}", every ^ own ^ mask, misread, (speaker, said))


LIARS = {
    5: ("who", 4, (1, 1), (3, 4)),
    6: ("who", 5, (1, 1), (4, 5)),
    7: ("who", 6, (1, 1), (5, 6)),
    8: ("number", 7, (1, 1), (6, 7)),
    9: ("count", 8, (8, 30), (4, 6)),
    10: ("count", 9, (14, 70), (4, 7)),
}
"""By level: what is asked, how many people, cases left, and statements."""


def liars(rng: random.Random, level: int) -> Question | None:
    """Knights and knaves."""
    kind, n, wanted, n_clues = LIARS[level]
    cases, names = cases_of(n), people(rng, n)
    speakers = list(range(n)) if kind != "count" else rng.sample(range(n), min(n, n_clues[1]))

    def draw() -> Clue:
        return _claim(rng, cases, names, rng.choice(speakers), deep=level > 6)

    clues = gathered(rng, cases.every, cases.n_cases, draw, wanted, n_clues)
    if clues is None:
        return None
    if kind == "count" and len(unmentioned(names, [clue.text for clue in clues])) > 1:
        return None
    if kind != "count" and len({clue.about[0] for clue in clues}) < len(clues):
        return None
    clues.sort(key=lambda clue: (clue.about[0], clue.text))
    opening = (
        f"Each of {listed(names)} is either a truth-teller, all of whose statements are true, or a liar, all of whose "
        "statements are false; to be of the same kind is to be both truth-tellers or both liars"
    )
    told = [opening, *(clue.text for clue in clues)]
    left = joint((clue.mask for clue in clues), cases.every)
    if kind == "count":
        n_left = left.bit_count()
        slips = miscounted(rng, clues, cases.every, cases.every)
        return asked(
            "liars",
            level,
            told,
            f"How many divisions of the {COUNTS[n]} into truth-tellers and liars are possible?",
            f"the number of divisions of the {COUNTS[n]} into truth-tellers and liars that are possible is {{}}",
            n_left,
            spread(rng, n_left, slips),
        )
    right = left.bit_length() - 1
    if kind == "number":
        n_liars = n - right.bit_count()
        if n_liars < 2:
            return None
        slips = [
            n - case.bit_count() for case in range(cases.n_cases) if sum(not c.mask >> case & 1 for c in clues) == 1
        ]
        return asked(
            "liars",
            level,
            told,
            f"How many of the {COUNTS[n]} are liars?",
            f"the number of liars among the {COUNTS[n]} is {{}}",
            n_liars,
            spread(rng, n_liars, slips, low=0, high=n),
        )
    # Divisions that break few of the statements, the fewest first; each needs a liar.
    broken = {
        case: sum(not clue.mask >> case & 1 for clue in clues) for case in range(cases.n_cases - 1) if case != right
    }
    if right == cases.n_cases - 1:
        return None
    order = sorted(broken, key=lambda case: (broken[case], rng.random()))
    texts = [listed([names[k] for k in range(n) if not case >> k & 1]) for case in (right, *order[:10])]
    if n - right.bit_count() < 2:
        return None
    return asked("liars", level, told, "Who are all the liars?", "all the liars are {}", texts[0], texts[1:])


def _rule(rng: random.Random, cases: Cases, names: list[str], deep: bool) -> Clue:
    """What is known of the guests."""
    every, so = cases.every, cases.so
    a, b, c, d = rng.sample(range(cases.n), 4)
    x, y, z, w = (names[k] for k in (a, b, c, d))
    na, nb, nc, nd = (every ^ so[k] for k in (a, b, c, d))
    kind = rng.randrange(12 if deep else 6)
    pair, trio, all_four = tuple(sorted((a, b))), tuple(sorted((a, b, c))), tuple(sorted((a, b, c, d)))
    if kind == 0:
        return Clue(f"if {x} comes, {y} comes", na | so[b], (so[a] | nb, every ^ so[a] ^ so[b]), pair)
    if kind == 1:
        return Clue(f"if {x} does not come, {y} comes", so[a] | so[b], (so[a] ^ so[b], na | nb), pair)
    if kind == 2:
        return Clue(f"{x} and {y} do not both come", na | nb, (na & nb, so[a] ^ so[b]), pair)
    if kind == 3:
        return Clue(f"{x} comes or {y} comes, or both", so[a] | so[b], (so[a] ^ so[b], so[a] & so[b]), pair)
    if kind == 4:
        return Clue(f"exactly one of {x} and {y} comes", so[a] ^ so[b], (so[a] | so[b], na | nb), pair)
    if kind == 5:
        text = f"if {x} and {y} both come, {z} does not come"
        return Clue(text, na | nb | nc, ((na & nb) | nc, every ^ (so[a] & so[b]) ^ nc), trio)
    if kind == 6:
        text = f"if neither {x} nor {y} comes, {z} comes"
        return Clue(text, so[a] | so[b] | so[c], ((so[a] & so[b]) | so[c], so[a] | so[b] | nc), trio)
    if kind == 7:
        mask = cases.number((a, b, c), lambda m: m == 2)
        slip = cases.number((a, b, c), lambda m: m >= 2)
        return Clue(f"exactly two of {x}, {y} and {z} come", mask, (slip,), trio)
    if kind == 8:
        mask = cases.number((a, b, c, d), lambda m: m >= 2)
        slips = (cases.number((a, b, c, d), lambda m: m == 2), cases.number((a, b, c, d), lambda m: m > 2))
        return Clue(f"at least two of {x}, {y}, {z} and {w} come", mask, slips, all_four)
    if kind == 9:
        text = f"{x} comes if and only if exactly one of {y} and {z} comes"
        return Clue(text, every ^ so[a] ^ so[b] ^ so[c], (na | (so[b] ^ so[c]), every ^ so[a] ^ (so[b] | so[c])), trio)
    if kind == 10:
        text = f"if {x} comes or {y} comes, then {z} and {w} do not both come"
        return Clue(text, (na & nb) | nc | nd, (na | nb | nc | nd, (na & nb) | (nc & nd)), all_four)
    mask = cases.number((a, b, c, d), lambda m: m <= 2)
    slips = (cases.number((a, b, c, d), lambda m: m < 2), cases.number((a, b, c, d), lambda m: m <= 3))
    return Clue(f"at most two of {x}, {y}, {z} and {w} come", mask, slips, all_four)


GUESTS = {
    5: (4, (3, 6), (2, 3)),
    6: (5, (4, 8), (3, 4)),
    7: (6, (6, 14), (4, 6)),
    8: (7, (10, 28), (5, 7)),
    9: (8, (24, 60), (6, 9)),
    10: (9, (50, 160), (7, 11)),
}
"""By level: how many people, cases left, and rules."""


def guests(rng: random.Random, level: int) -> Question | None:
    """Chains of conditionals about who comes."""
    n, wanted, n_clues = GUESTS[level]
    cases, names = cases_of(n), people(rng, n)
    kind = rng.choice(("count", "count", "part", "largest") if level in (7, 8) else ("count", "part"))
    clues = gathered(rng, cases.every, cases.n_cases, lambda: _rule(rng, cases, names, deep=level > 6), wanted, n_clues)
    if clues is None or unmentioned(names, [clue.text for clue in clues]):
        return None
    told = [f"{listed(names)} are invited, and nobody else", *(upper(clue.text) for clue in clues)]
    left = joint((clue.mask for clue in clues), cases.every)
    n_left = left.bit_count()
    if kind == "largest":
        sizes = [case.bit_count() for case in range(cases.n_cases) if left >> case & 1]
        best = max(sizes) if rng.random() < 0.5 else min(sizes)
        word = "largest" if best == max(sizes) else "smallest"
        if not 2 <= best < n or max(sizes) == min(sizes):
            return None
        pool = spread(rng, best, [], low=1, high=n)
        return asked(
            "guests",
            level,
            told,
            f"What is the {word} number of them that can come?",
            f"the {word} number of them that can come is {{}}",
            best,
            pool,
        )
    if kind == "count":
        slips = miscounted(rng, clues, cases.every, cases.every)
        return asked(
            "guests",
            level,
            [*told, "That nobody comes counts as a group too, if it is allowed"],
            "How many different groups of guests are possible?",
            "the number of different groups of guests that are possible is {}",
            n_left,
            spread(rng, n_left, slips),
        )
    who = rng.randrange(n)
    part = (left & cases.so[who]).bit_count()
    if not 0.25 < part / n_left < 0.85:
        return None
    slips = [n_left - part, *miscounted(rng, clues, cases.every, cases.so[who])]
    return asked(
        "guests",
        level,
        told,
        f"In how many of the possible groups of guests does {names[who]} come?",
        f"the number of possible groups of guests in which {names[who]} comes is {{}}",
        part,
        spread(rng, part, slips),
    )
