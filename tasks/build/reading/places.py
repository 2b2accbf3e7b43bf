"""Passages in which it matters what is where: garden beds, rooms on the evening of a theft, an inheritance."""

from __future__ import annotations

import random

from build.reading.cast import NUMBERS, Cast, Story, asks, told

CROPS = ("beans", "carrots", "onions", "leeks", "peas", "beets", "tomatoes", "pumpkins", "radishes", "cabbages")


def garden(rng: random.Random, cast: Cast) -> Story:
    """Four beds, a crop that fails and two that change places the next year."""
    n, e, s, w, new = crops = rng.sample(CROPS, 5)
    a, b, c, d = people = cast.others[:4]
    sides = rng.sample(("north", "east", "south", "west"), 4)
    baskets = NUMBERS[rng.randrange(3, 9)]
    passage = f"""
{cast.hero} has four beds behind the house in {cast.place}. Last spring {n} were sown in the {sides[0]} bed, {e} in the
{sides[1]}, {s} in the {sides[2]} and {w} in the {sides[3]}.
/ Last spring the garden of {cast.hero} in {cast.place} had {n} in its {sides[0]} bed, {e} in the {sides[1]} bed, {s} in
the {sides[2]} bed and {w} in the {sides[3]} bed.

{a} gave the seeds, {b} dug, {c} watered and {d} kept the birds away.
/ The seeds came from {a}. {b} did the digging, {c} the watering, and {d} kept the birds away.

Snails ate all the {e}, so {new} were planted there in July.
/ In July snails ate the {e}, and {new} took their bed.

This year the {n} and the {s} have changed places; the rest is as it was last autumn. So far {baskets} baskets are full.
/ This year {n} and {s} have changed beds, and nothing else is new since autumn. {baskets} baskets are full already.
""".replace(f"autumn. {baskets}", f"autumn. {baskets.capitalize()}")
    questions = f"""
1 | {w} | crops
What grew in the {sides[3]} bed last spring?
In the garden of {cast.hero}, the {sides[3]} bed had last spring {{}}.

2 | {c} | people
Who did the watering?
In the garden of {cast.hero}, the watering was done by {{}}.

3 | {sides[1]} | sides
In which bed did snails eat everything?
In the garden of {cast.hero}, the bed in which snails ate everything was in the {{}}.

4 | {s} | crops
What grows in the {sides[0]} bed this year?
In the garden of {cast.hero}, the {sides[0]} bed has this year {{}}.

4 | {n} | crops
What grows in the {sides[2]} bed this year?
In the garden of {cast.hero}, the {sides[2]} bed has this year {{}}.

5 | {new} | crops
What grows in the {sides[1]} bed this year?
In the garden of {cast.hero}, the {sides[1]} bed has this year {{}}.

5 | {sides[2]} | sides
In which bed do the {n} grow this year?
In the garden of {cast.hero}, the bed where the {n} grow this year is in the {{}}.
"""
    return told(rng, passage), asks(rng, questions, crops=crops, people=people, sides=sides)


ROOMS = ("kitchen", "library", "cellar", "garden", "attic", "stable", "chapel", "hall")
CLUES = ("a wet glove", "a burnt match", "a red thread", "a broken button", "a dirty spoon")


def theft(rng: random.Random, cast: Cast) -> Story:
    """Guests who go from room to room on the evening of a theft."""
    a, b, c, d = people = cast.others[:4]
    p, q, r, s = rooms = rng.sample(ROOMS, 4)
    loot = rng.choice(("vase", "necklace", "painting", "violin", "crown"))
    clue = rng.choice(CLUES)
    hour = rng.randrange(6, 10)
    now, later = NUMBERS[hour], NUMBERS[hour + 1]
    passage = f"""
A {loot} was stolen from a house in {cast.place}, and {cast.hero} questioned the guests.
/ When a {loot} was stolen in {cast.place}, {cast.hero} was called and asked everybody the same question.

At {now} {a} was in the {p}, {b} in the {q}, {c} in the {r} and {d} in the {s}.
/ {a} was in the {p} at {now}, and at the same time {b} was in the {q}, {c} in the {r} and {d} in the {s}.

At half past {now} {a} and {b} exchanged rooms. Ten minutes later {c} joined {d}.
/ Half an hour later {a} went to the {q} just as {b} left it for the {p}. Then {c} went to join {d}.

Nobody moved again before {later}, when the thief struck in the {q}. The cook had dropped {clue} in the {r} that
morning, which meant nothing.
/ When the clock struck {later}, all were still where they were, and the {loot} vanished from the {q}. In the {r} lay
only {clue} that the cook had dropped that morning.
"""
    questions = f"""
1 | {q} | rooms
Where was {b} at {now}?
In the theft that {cast.hero} looked into, {b} was at {now} in the {{}}.

2 | {r} | rooms
Where did the cook drop {clue}?
In the theft that {cast.hero} looked into, {clue} was dropped in the {{}}.

3 | {c} | people
Who was at {now} in the room where the cook had dropped {clue}?
In the theft that {cast.hero} looked into, the one who was at {now} in the room with {clue} was {{}}.

4 | {s} | rooms
Where was {c} at {later}?
In the theft that {cast.hero} looked into, {c} was at {later} in the {{}}.

4 | {p} | rooms
Where was {b} at {later}?
In the theft that {cast.hero} looked into, {b} was at {later} in the {{}}.

5 | {a} | people
Who was in the room of the theft when it happened?
In the theft that {cast.hero} looked into, the one in the room when it happened was {{}}.

5 | {r} | rooms
Which of these rooms had no guest in it at {later}?
In the theft that {cast.hero} looked into, the room without a guest at {later} was the {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people, rooms=rooms)


GOODS = ("house", "boat", "orchard", "piano", "mill", "shop", "vineyard", "coach")


def will(rng: random.Random, cast: Cast) -> Story:
    """An inheritance, and who is older than whom."""
    a, b, c, d, e, f = cast.others[:6]
    people = (a, b, c, d)
    goods = rng.sample(GOODS, 4)
    heirs = rng.sample(people, 4)
    share = dict(zip(heirs, goods, strict=True))
    after = {**share, b: share[d], d: share[b]}
    gold = rng.randrange(2, 9)
    k = rng.choice(people)
    passage = f"""
In the will of {cast.hero} of {cast.place}, the {goods[0]} went to {heirs[0]}, the {goods[1]} to {heirs[1]}, the
{goods[2]} to {heirs[2]} and the {goods[3]} to {heirs[3]}.
/ {cast.hero} of {cast.place} left the {goods[0]} to {heirs[0]}, the {goods[1]} to {heirs[1]}, the {goods[2]} to
{heirs[2]} and the {goods[3]} to {heirs[3]}.

{a} is the eldest of the four, {d} the youngest, and {b} is older than {c}.
/ Of these four, {b} is older than {c}, {a} is the eldest and {d} the youngest.

Whoever has the {goods[0]} must pay {NUMBERS[gold]} gold coins to each of the others.

{e} signed as witness, and {f} read the paper aloud. A week later the second eldest and the youngest exchanged their
shares.
/ The paper was read aloud by {f}; {e} had been the witness. Soon after, the second eldest and the youngest exchanged
what they had got.
"""
    questions = f"""
1 | {share[k]} | goods
What was {k} given in the will?
In the will of {cast.hero}, {k} was given the {{}}.

2 | {e} | all_named
Who was the witness?
In the will of {cast.hero}, the witness was {{}}.

3 | {share[a]} | goods | {goods[0]}
What did the will give to the eldest of the four?
In the will of {cast.hero}, the eldest of the four was given the {{}}.

3 | {share[d]} | goods | {goods[3]}
What did the will give to the youngest of the four?
In the will of {cast.hero}, the youngest of the four was given the {{}}.

4 | {c} | people | {heirs[2]}
Who is the third eldest of the four?
In the will of {cast.hero}, the third eldest of the four is {{}}.

4 | {b} | people | {heirs[1]}
Who is the second eldest of the four?
In the will of {cast.hero}, the second eldest of the four is {{}}.

4 | {3 * gold} | 1: {gold} {4 * gold} {2 * gold} {3 + gold}
How many gold coins must the owner of the {goods[0]} pay in all?
In the will of {cast.hero}, the gold coins that the owner of the {goods[0]} must pay are {{}}.

5 | {after[b]} | goods | {goods[1]}
What did the second eldest have after the exchange?
After the exchange that followed the will of {cast.hero}, the second eldest of the four had the {{}}.

5 | {after[d]} | goods | {goods[3]}
What did the youngest have after the exchange?
After the exchange that followed the will of {cast.hero}, the youngest of the four had the {{}}.
"""
    return told(rng, passage), asks(rng, questions, goods=goods, people=people, all_named=(e, f, *people))
