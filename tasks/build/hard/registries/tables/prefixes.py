"""Prefixes whose holders are in long lists: network cards' makers, publishers' blocks, Austrian towns."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from stdnum import ean, isbn, numdb

from build.drafting import Draft, shuffled, words
from build.hard.registries.tables.multibyte import window

NAMES = (6, 42)
"""Organisations' names of so many characters are asked for."""

NEXT = (1, 2, 3, 4, 5, 6, 7, 8, 9)
"""How far off in their list the wrong options stand, on either side."""

PUBLISHING = words(
    "80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 600 601 602 603 604 605 606 607 608 609 611 612 613 615 616 617 618 "
    "619 620 621 623 624 625 626 627 628 629 950 951 952 953 954 955 956 957 958 959 960 961 962 963 964 965 966 967 "
    "968 970 971 972 973 974 975 976 977 978 979 980 981 982 983 984 985 986 987 988 989"
)
"""Groups of ISBNs whose publishers' numbers have from one to six digits."""


def holders() -> list[tuple[str, str]]:
    """Blocks of 2^24 addresses whose holder has no other, in order."""
    found = [(low, info["o"]) for _, low, _, info, _ in numdb.get("oui").prefixes if info and len(low) == 6]
    counts = Counter(name.casefold().split()[0] for _, name in found)
    return [
        (prefix, name)
        for prefix, name in found
        if counts[name.casefold().split()[0]] == 1 and name.isascii() and NAMES[0] <= len(name) <= NAMES[1]
    ]


def cards(rng: random.Random) -> Iterator[Draft]:
    """Makers of network cards by the first three bytes of the cards' addresses; the oldest ones are best known."""
    listed = holders()
    early = [place for place, (prefix, _) in enumerate(listed) if prefix < "000200" and place > 9]
    late = [place for place, (prefix, _) in enumerate(listed) if "000200" <= prefix < "00D000"]
    for level, places in ((9, early), (10, late)):
        stretch = len(places) // 24
        for index in range(24):
            place = places[index * stretch + rng.randrange(max(1, stretch - 4))]
            prefix, name = listed[place]
            shape = "-".join((prefix[:2], prefix[2:4], prefix[4:]))
            fact = f"oui {prefix}"
            if index % 2:
                question = f"To which organisation did the IEEE assign the MAC address prefix {shape}?"
                statement = f"The organisation to which the IEEE assigned the MAC address prefix {shape} is {{}}."
                near = window(rng, place, NEXT, len(listed))
                yield Draft(
                    fact,
                    "prefix's holder",
                    level,
                    question,
                    statement,
                    name,
                    shuffled(rng, [listed[o][1] for o in near]),
                )
            else:
                question = f"Which MAC address prefix did the IEEE assign to {name}?"
                statement = f"The MAC address prefix that the IEEE assigned to {name} is {{}}."
                near = window(rng, place, NEXT, len(listed))
                wrong = ["-".join((p[:2], p[2:4], p[4:])) for p in (listed[o][0] for o in near)]
                yield Draft(fact, "MAC prefix", level, question, statement, shape, shuffled(rng, wrong))


def hyphens(rng: random.Random) -> Iterator[Draft]:
    """Where an ISBN's hyphens stand depends on the blocks that its country has given out."""
    for group in rng.sample(PUBLISHING, 40):
        for _ in range(60):
            body = f"978{group}" + "".join(rng.choices("0123456789", k=9 - len(group)))
            number = body + ean.calc_check_digit(body)
            parts = isbn.split(number)
            if len(parts) == 5 and all(parts) and parts[1] == group and 2 <= len(parts[2]) <= 5:
                break
        else:
            continue
        rest = number[3 + len(group) : 12]
        shapes = ["-".join(("978", group, rest[:n], rest[n:], number[12])) for n in range(1, len(rest))]
        answer = "-".join(parts)
        question = f"How is the ISBN {number} written with hyphens?"
        statement = f"With hyphens, the ISBN {number} is written {{}}."
        wrong = shuffled(rng, [shape for shape in shapes if shape != answer])
        yield Draft(f"isbn {group}", "ISBN's hyphens", 9, question, statement, answer, wrong)


def towns(rng: random.Random) -> Iterator[Draft]:
    """Austrian post codes, of places that have one only."""
    found = [(low, info["location"], info["region"]) for _, low, _, info, _ in numdb.get("at/postleitzahl").prefixes]
    counts = Counter(name for _, name, _ in found)
    plain = [
        (low, name, land) for low, name, land in found if counts[name] == 1 and all(map(str.isalpha, name.split(" ")))
    ]
    stretch = (len(plain) - 20) // 24
    for index in range(24):
        place = 10 + index * stretch + rng.randrange(stretch - 12)
        number, name, _ = plain[place]
        if index % 2:
            question = f"Which place has the Austrian post code {number}?"
            statement = f"The place with the Austrian post code {number} is {{}}."
            near = window(rng, place, NEXT, len(plain))
            yield Draft(
                f"post {number}",
                "post code's place",
                9,
                question,
                statement,
                name,
                shuffled(rng, [plain[o][1] for o in near]),
            )
        else:
            question = f"What is the Austrian post code of {name}?"
            statement = f"The Austrian post code of {name} is {{}}."
            near = window(rng, place, NEXT, len(plain))
            yield Draft(
                f"post {number}",
                "post code",
                9,
                question,
                statement,
                number,
                shuffled(rng, [plain[o][0] for o in near]),
            )
