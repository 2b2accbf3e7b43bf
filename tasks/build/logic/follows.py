"""What follows from premises, by trying every world; and the names and nouns that the puzzles use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from build.wording import listed

Claim = Callable[[Any], bool]
"""Whether something is so in a world."""

_WOMEN = """
Ada Beth Cora Dina Ella Faye Gina Hana Iris Jane Kate Lena Mary Nina Olga Petra Rosa Sara Tess Vera
Amy Bella Clara Doris Elsa Flora Greta Heidi Irene Julia Laura Maria Nora Paula Ruth Susan Tina Wanda Emma Lucy
"""
_MEN = """
Adam Ben Carl Dan Eric Fred Gus Hugo Ivan Jack Karl Leo Max Noah Otto Paul Ralf Sam Tom Will
Alan Brian Colin David Edgar Frank Gavin Henry Isaac James Kevin Louis Martin Neil Oscar Peter Robert Simon Tim Victor
"""
_NOUNS = """
wug mork plim snid drem tulp frub jeld krin lorb rund selp thob welb yold zank brop clend flim hilk
gleb nool prag skev trom vand womp zorn blick dorp fenk grint jarn mib noft plonk rilt stoom quab
"""
_BEINGS = "Pim Zed Kiko Bolo Nax Tibo Rulo Mip Dodo Fen Lub Wim Yaz Koto Rax Sef"
WOMEN, MEN, NOUNS, BEINGS = _WOMEN.split(), _MEN.split(), _NOUNS.split(), _BEINGS.split()


@dataclass(frozen=True)
class Premise:
    """text: a clause without a full stop. holds: what it surely says. narrow: what some readers hear besides."""

    text: str
    holds: Claim
    narrow: Claim | None = None
    negated: bool = False


def sure(worlds: Iterable[Any], premises: Sequence[Premise], options: Mapping[str, Claim]) -> str | None:
    """The one option that is true in every world of the premises, or None unless exactly one is.

    It follows from the wide readings, and no other option follows even from the narrow ones.
    """
    wide = list(worlds)
    for premise in premises:  # one after the other: each leaves fewer to look at
        wide = list(filter(premise.holds, wide))
    narrow = wide
    for heard in (premise.narrow for premise in premises if premise.narrow is not None):
        narrow = list(filter(heard, narrow))
    if not narrow:
        return None
    right = [text for text, claim in options.items() if all(map(claim, wide))]
    others = [text for text, claim in options.items() if all(map(claim, narrow))]
    return right[0] if len(right) == 1 and others == right else None


def n_needed(worlds: Sequence[Any], premises: Sequence[Premise], claim: Claim) -> int:
    """How many premises the shortest proof uses: the size of the smallest subset from which the claim follows."""
    tables = [{i for i, holds in enumerate(map(premise.holds, worlds)) if not holds} for premise in premises]
    against = {i for i, holds in enumerate(map(claim, worlds)) if not holds}
    for size in range(len(premises) + 1):
        for chosen in combinations(tables, size):
            if against <= set().union(*chosen):
                return size
    raise ValueError("the claim does not follow")


def told(clauses: Iterable[str]) -> str:
    """Clauses as sentences."""
    return " ".join(clause[0].upper() + clause[1:] + "." for clause in clauses)


def given(clauses: Sequence[str]) -> str:
    """Clauses as one condition."""
    return f"If {listed(clauses)}"


def supposed(clauses: Iterable[str]) -> str:
    """Clauses as one condition, where they are long or have an "if" of their own."""
    return f"Suppose this: {'; '.join(clauses)}."
