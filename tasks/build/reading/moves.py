"""Passages in which things and people change places: a hidden thing, a race, a play, loans."""

from __future__ import annotations

import random

from build.reading.cast import NUMBERS, Cast, Story, asks, told
from build.wording import DAYS

THINGS = ("key", "ring", "letter", "medal", "map", "coin", "watch", "locket")
SPOTS = ("teapot", "piano", "stove", "bookcase", "wardrobe", "barrel", "basket", "trunk", "clock", "drawer", "boot")


def hiding(rng: random.Random, cast: Cast) -> Story:
    """A small thing that one person after the other puts somewhere else."""
    thing = rng.choice(THINGS)
    a, b, c, d = spots = rng.sample(SPOTS, 4)
    one, two, three, four = people = cast.others[:4]
    start = rng.randrange(0, 3)
    days = DAYS[start : start + 4]
    passage = f"""
{cast.hero} lived in a narrow house in {cast.place} and trusted nobody. On {days[0]} {cast.she} hid a {thing} in the
{a}.
/ On {days[0]}, before leaving {cast.place} for a week, {cast.hero} hid a {thing} in the {a} and told no one about it.

{one} found it there on {days[1]} while cleaning and put it in the {b}.
/ While cleaning on {days[1]}, {one} came across it and thought it safer in the {b}.

{two} wanted to play a trick, so on {days[2]} the {thing} went into the {c}.
/ Then {two} needed a laugh, and on {days[2]} the {thing} was moved to the {c}.

The day after, {three} took it out again and left it in the {d}. {four} only watched and never touched it.
/ On {days[3]} {three}, who knew nothing of all this, carried it to the {d}, while {four} stood by with folded arms.
"""
    questions = f"""
1 | {a} | spots
Where did {cast.first} hide the {thing}?
On {days[0]}, {cast.hero} hid a {thing} in the {{}}.

2 | {one} | people
Who put the {thing} in the {b}?
The {thing} that {cast.hero} hid was put in the {b} by {{}}.

3 | {four} | people
Who saw the last move of the {thing} but never moved it?
The {thing} that {cast.hero} hid was seen but never moved by {{}}.

4 | {d} | spots
Where was the {thing} on {days[3]} at midnight?
At midnight on {days[3]}, the {thing} that {cast.hero} hid was in the {{}}.

5 | {b} | spots
From which place did {two} take the {thing}?
{two} took the {thing} that {cast.hero} hid out of the {{}}.

5 | {c} | spots
From which place did {three} take the {thing}?
{three} took the {thing} that {cast.hero} hid out of the {{}}.
"""
    return told(rng, passage), asks(rng, questions, spots=spots, people=people)


PRIZES = ("silver cup", "new bicycle", "wool blanket", "basket of pears", "brass bell", "leather saddle")
OVERTAKING = (
    (
        "Then {2} overtook both {1} and {0}. Just before the end {0} stumbled and was passed by everyone.",
        (2, 0, 1, 3),
        (2, 1, 3, 0),
    ),
    (
        "Soon {3} passed {2} and {1}, but not {0}. On the last bend {1} got past {3} as well as {0}.",
        (0, 3, 1, 2),
        (1, 0, 3, 2),
    ),
    (
        "Then {0} lost a shoe and fell back behind {2}. A minute later {3} passed {0} and {2}.",
        (1, 2, 0, 3),
        (1, 3, 2, 0),
    ),
)
"""What happens to four runners, by their places at the mill; the order half-way, and at the end."""


def race(rng: random.Random, cast: Cast) -> Story:
    """A race whose order changes twice on the way."""
    one, two, three, four = people = cast.others[:4]
    first, second, last, helper = prizes = rng.sample(PRIZES, 4)
    event = rng.choice(("hill race", "village race", "forest race", "spring race"))
    happens, between, places = rng.choice(OVERTAKING)
    order = [people[place] for place in places]
    half = [people[place] for place in between]
    given = {0: first, 1: second, 2: "nothing", 3: last}

    def early(place: int) -> str:
        """What the one at a place of the end would get by the order at the mill, and half-way."""
        return f"{given[people.index(order[place])]}, {given[half.index(order[place])]}"

    mile = NUMBERS[rng.randrange(3, 9)]
    passage = f"""
{cast.hero} has watched the {event} of {cast.place} for years and tells it like this.
/ The {event} of {cast.place}, {mile} miles long, was started by {cast.hero} at noon.

At the old mill {one} led, {two} was second, {three} third and {four} last.
/ {one} was the first at the old mill, followed by {two}, {three} and, at the very end, {four}.

{happens.format(*people)} After that the order did not change.

The winner got a {first} and the second a {second}. The last one was given a {last} for comfort, and a {helper} went to
the oldest helper.
/ There was a {helper} for the oldest helper, a {last} to comfort the last, a {second} for the second and a {first} for
the winner.
"""
    questions = f"""
1 | {one} | people
Who led at the old mill?
In the {event} of {cast.place}, the one who led at the old mill was {{}}.

2 | {helper} | prizes
What did the oldest helper get?
In the {event} of {cast.place}, the oldest helper got a {{}}.

3 | {three} | but_two
Who was right behind {two} at the old mill?
In the {event} of {cast.place}, the one right behind {two} at the old mill was {{}}.

4 | {order[1]} | people | {two}, {half[1]}
Who finished second?
In the {event} of {cast.place}, the one who finished second was {{}}.

4 | {order[2]} | people | {three}, {half[2]}
Who finished third?
In the {event} of {cast.place}, the one who finished third was {{}}.

5 | {first} | prizes | {early(0)}
What did {order[0]} get?
In the {event} of {cast.place}, {order[0]} got a {{}}.

5 | {second} | prizes | {early(1)}
What did {order[1]} get?
In the {event} of {cast.place}, {order[1]} got a {{}}.

5 | {last} | prizes | {early(3)}
What did {order[3]} get?
In the {event} of {cast.place}, {order[3]} got a {{}}.
"""
    return told(rng, passage), asks(
        rng, questions, people=people, prizes=prizes, but_two=(one, four, three, cast.first)
    )


PARTS = ("king", "queen", "thief", "judge", "witch", "miller", "soldier", "ghost")


def stage(rng: random.Random, cast: Cast) -> Story:
    """A play whose parts are dealt anew when somebody falls ill."""
    a, b, c, d, e, f = people = cast.others[:6]
    k, q, t, j = parts = rng.sample(PARTS, 4)
    deed = rng.choice(("painted the walls", "sewed the costumes", "played the flute", "sold the tickets"))
    cause = rng.choice(("caught a bad cold", "could not speak any more", "broke a foot on the ice"))
    passage = f"""
{cast.hero} wrote a play for the school in {cast.place}. At first {a} was the {k}, {b} the {q}, {c} the {t} and {d} the
{j}. {e} {deed}.
/ The school in {cast.place} put on a play by {cast.hero}, with {a} as the {k}, {b} as the {q}, {c} as the {t} and {d}
as the {j}. {e} {deed}.

A week before the show {b} {cause}. So {c}, who knew the lines, became the {q}, and {e} took over what {c} gave up.
/ Then {b} {cause}. The part went to {c}, and {e} learned what {c} should have played.

On the evening itself {a} and {d} exchanged their parts, because a hat was too small for {a}. {f} held the curtain.
/ {f} held the curtain. At the last minute {a} and {d} changed parts with each other, which nobody in the hall noticed.
"""
    questions = f"""
1 | {a} | people
Who was the {k} at first?
In the play by {cast.hero}, the {k} was at first played by {{}}.

2 | {f} | people
Who held the curtain?
In the play by {cast.hero}, the curtain was held by {{}}.

3 | {q} | parts
Which part did {b} have to give up?
In the play by {cast.hero}, the part that {b} had to give up was the {{}}.

4 | {e} | people
Who played the {t} in the end?
In the play by {cast.hero}, the {t} was in the end played by {{}}.

4 | {c} | people
Who played the {q} in the end?
In the play by {cast.hero}, the {q} was in the end played by {{}}.

5 | {d} | people
Who played the {k} in the end?
In the play by {cast.hero}, the {k} was in the end played by {{}}.

5 | {k} | parts
Which part did {d} play in the end?
In the play by {cast.hero}, {d} in the end played the {{}}.

5 | {t} | parts
Which part did {e} play in the end?
In the play by {cast.hero}, {e} in the end played the {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people, parts=parts)


TOOLS = ("ladder", "saw", "drill", "tent", "kayak", "lamp", "spade", "sledge", "camera", "stove")


def loans(rng: random.Random, cast: Cast) -> Story:
    """Things lent, passed on and brought back."""
    a, b, c, d = people = cast.others[:4]
    w, x, y, z = tools = rng.sample(TOOLS, 4)
    need = rng.choice(("for the roof", "for a film", "for the fair", "for a long trip"))
    passage = f"""
{cast.hero} never says no to the neighbours in {cast.place}.
/ In {cast.place} everybody borrows from {cast.hero}.

In spring {a} borrowed the {w}, {b} the {x}, {c} the {y} and {d} the {z}.
/ This spring the {w} went to {a}, the {x} to {b}, the {y} to {c} and the {z} to {d}.

In June {a} handed the {w} on to {c}, who needed it {need}.
/ {c} needed the {w} {need} in June, and {a} gave it up.

{b} brought the {x} back a month later, and {d} came at once to fetch it.
/ A month later the {x} was brought back by {b} and fetched at once by {d}.

In autumn only {d} remembered to return something, the {z}, and brought a cake along.
/ Autumn came, and nobody had said a word of thanks, but {d} returned the {z} with a cake.
"""
    questions = f"""
1 | {c} | people
Who borrowed the {y} in spring?
Of the things that {cast.hero} lent, the {y} was borrowed in spring by {{}}.

2 | {w} | tools
What was needed {need}?
Of the things that {cast.hero} lent, the one needed {need} was the {{}}.

3 | {z} | tools
What came back together with a cake?
Of the things that {cast.hero} lent, the one that came back with a cake was the {{}}.

4 | {c} | people
Who had the {w} at the end of autumn?
Of the things that {cast.hero} lent, the {w} was at the end of autumn with {{}}.

4 | {d} | people
Who had the {x} at the end of autumn?
Of the things that {cast.hero} lent, the {x} was at the end of autumn with {{}}.

5 | {x} | tools
What did {d} still have at the end of autumn?
Of the things that {cast.hero} lent, {d} still had at the end of autumn the {{}}.

5 | {d} | people
At the end of summer, who had two of the things, but not the one needed {need}?
Of those who borrowed from {cast.hero}, the one with two things at summer's end, but not that needed {need}, was {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people, tools=tools)
