"""Passages about ways: a ship with cargo, a walk of five days, a ferry, a camp."""

from __future__ import annotations

import random

from build.reading.cast import NUMBERS, Cast, Story, asks, clock, rest, told
from build.wording import DAYS

CARGO = ("barrels of oil", "sacks of salt", "crates of tea", "bales of wool", "boxes of nails", "casks of wine")


def ship(rng: random.Random, cast: Cast) -> Story:
    """A cargo that changes in two ports."""
    x, y, z = rng.sample(CARGO, 3)
    nx, ny, nz = rng.sample(range(30, 90, 5), 3)
    off, on, less = rng.choice((10, 15, 20)), rng.choice((5, 10, 15, 25)), rng.choice((5, 10))
    said = ",".join(map(str, (nx, ny, nz, off, on, less)))
    a, b, c, d = ports = [
        f"{name} {word}" for name, word in zip(cast.others, ("Rock", "Bay", "Point", "Cove"), strict=False)
    ]
    mate, cook, clerk, owner = people = cast.others[4:8]
    passage = f"""
The ship of Captain {cast.hero} left {cast.place} with {nx} {x}, {ny} {y} and {nz} {z}.
/ With {nx} {x}, {ny} {y} and {nz} {z} on board, Captain {cast.hero} sailed from {cast.place}.

{mate} was the mate, {cook} the cook, and {clerk} kept the books for {owner}.
/ {owner} had sent {clerk} to keep the books; {mate} was the mate and {cook} the cook.

At {a} they put ashore {off} {x} and took on {on} {y}.
/ At {a}, {off} {x} were unloaded and {on} {y} came aboard.

At {b} only water was taken. At {c} they sold {less} more {x} and all the {z}. Then a storm drove them into {d}.
/ They took water at {b}. At {c} another {less} {x} were sold, together with all the {z}, and they went home by way of
{d}.
"""
    questions = f"""
1 | {nz} | 5: {nx} {ny} {off}
How many {z} were on board at the start?
On the ship of Captain {cast.hero}, the number of {z} at the start was {{}}.

2 | {clerk} | people
Who kept the books?
On the ship of Captain {cast.hero}, the books were kept by {{}}.

3 | {c} | ports
Where were all the {z} sold?
On the ship of Captain {cast.hero}, all the {z} were sold at {{}}.

4 | {ny + on} | 5: {ny} {ny - on} {nx - off} {ny + off} | {said}, {nz + on}, {ny - off}, {nx + on}
How many {y} were on board after {a}?
On the ship of Captain {cast.hero}, the number of {y} on board after {a} was {{}}.

5 | {nx - off - less} | 5: {nx - off} {nx - less} {nx - off + less} {nx} | {said}, {nx - off - on}, {nx + off - less}
How many {x} were left in the end?
On the ship of Captain {cast.hero}, the number of {x} left in the end was {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people, ports=ports)


ORDINALS = ("first", "second", "third", "fourth", "fifth")


def walk(rng: random.Random, cast: Cast) -> Story:
    """Five days on foot, with a day of rain."""
    legs = rng.sample(range(6, 22), 4)
    ends = [f"{name} {word}" for name, word in zip(cast.others, ("Hut", "Lake", "Bridge", "Pass"), strict=False)]
    rain = rng.choice((2, 3))
    walked = [day for i, day in enumerate(ORDINALS) if i != rain]
    lost = rng.choice(("boot", "map", "hat", "knife"))
    him = "her" if cast.she == "she" else "him"
    parts = [
        f"on the {day} day {cast.she} went {leg} kilometres to {end}"
        if i % 2 == 0
        else f"the {day} day brought {him} {leg} kilometres farther, to {end}"
        for i, (day, leg, end) in enumerate(zip(walked, legs, ends, strict=True))
    ]
    parts.insert(rain, f"rain kept {him} in the tent all the {ORDINALS[rain]} day")
    way = " ".join(f"{part[0].upper()}{part[1:]}." for part in parts)
    k = rng.randrange(4)
    alone = ",".join(map(str, legs))
    total, before = sum(legs), sum(legs[:rain])
    longest, shortest = ends[legs.index(max(legs))], ends[legs.index(min(legs))]
    passage = f"""
{cast.hero} set out from {cast.place} alone, with bread for five days.
/ From {cast.place}, {cast.hero} walked into the hills for five days, carrying a tent and a diary.

{way}

A {lost} was lost between {ends[0]} and {ends[1]}. At {ends[3]} {cast.her} sister was waiting with soup.
/ Somewhere between {ends[0]} and {ends[1]} a {lost} was lost, and at {ends[3]} {cast.her} sister waited with soup.
"""
    questions = f"""
1 | {legs[k]} | 1: {rest(legs, k)}
How many kilometres long was the day's walk that ended at {ends[k]}?
On the walk of {cast.hero}, the kilometres of the day that ended at {ends[k]} were {{}}.

2 | {ends[3]} | ends
Where was the sister waiting?
On the walk of {cast.hero}, the sister was waiting at {{}}.

3 | {walked[1]} | walked
On which day was the {lost} lost?
On the walk of {cast.hero}, the {lost} was lost on the day that was the {{}}.

3 | {ends[rain - 1]} | ends
Where was the tent on the day of rain?
On the walk of {cast.hero}, the tent was on the day of rain at {{}}.

4 | {longest} | ends
Where did the longest day's walk end?
On the walk of {cast.hero}, the longest day's walk ended at {{}}.

4 | {shortest} | ends
Where did the shortest day's walk end?
On the walk of {cast.hero}, the shortest day's walk ended at {{}}.

5 | {total} | 1: {total - legs[3]} {total - legs[0]} {total - legs[1]} {total + 10}
How many kilometres was the whole walk?
On the walk of {cast.hero}, all the kilometres together were {{}}.

5 | {before} | 1: {before - legs[0]} {total - before} {before + legs[rain]} {before + 10} | {alone}
How many kilometres had been walked before the day of rain?
On the walk of {cast.hero}, the kilometres walked before the day of rain were {{}}.
"""
    return told(rng, passage), asks(rng, questions, ends=ends, walked=walked)


def ferry(rng: random.Random, cast: Cast) -> Story:
    """A boat that calls at three islands."""
    start = rng.randrange(7 * 60, 10 * 60, 5)
    first, second, third = rng.sample(range(20, 60, 5), 3)
    stay = rng.choice((10, 15, 20))
    a, b, c = (f"{name} Island" for name in cast.others[:3])
    mate, cook, boy, guard = people = cast.others[3:7]
    cars, bikes, free, music = days = rng.sample(DAYS, 4)
    at_a, off_a = start + first, start + first + stay
    at_b = off_a + second
    at_c = at_b + third
    passage = f"""
The ferry of {cast.hero} leaves {cast.place} at {clock(start)} in the morning.
/ At {clock(start)} every morning {cast.hero} takes the ferry out of {cast.place}.

It needs {first} minutes to {a}, where it waits for {stay} minutes, then {second} minutes to {b}, where nobody waits,
and {third} more to {c}.
/ {a} is reached after {first} minutes. After a stay of {stay} minutes it goes on to {b}, which takes {second} minutes,
and without a stop from there to {c} in another {third}.

{mate} sells the tickets, {cook} makes the coffee, {boy} ties the ropes and {guard} counts the heads.
/ Tickets are sold by {mate}, coffee is made by {cook}, {guard} counts the heads and {boy} ties the ropes.

There is no room for cars on {cars} or for bicycles on {bikes}. Children sail free on {free}, and {music} has music.
/ On {music} there is music, on {free} children sail free, no cars may come on {cars} and no bicycles on {bikes}.
"""
    questions = f"""
1 | {free} | days
On which day do children sail free?
On the ferry of {cast.hero}, children sail free on {{}}.

2 | {boy} | people
Who ties the ropes?
On the ferry of {cast.hero}, the ropes are tied by {{}}.

3 | {at_a} | time: {off_a} {at_a - 5} {at_a + 10} | {start + stay}, {start + second}, {start + third}
When does the ferry reach {a}?
The ferry of {cast.hero} reaches {a} at {{}}.

4 | {at_b} | time: {at_b - stay} {off_a} {at_b + 10} | {at_a + third}, {off_a + third}, {at_a + second + third}
When does the ferry reach {b}?
The ferry of {cast.hero} reaches {b} at {{}}.

5 | {at_c} | time: {at_c - stay} {at_b} {at_c + stay} | {start + stay + second + third}, {off_a + second}
When does the ferry reach {c}?
The ferry of {cast.hero} reaches {c} at {{}}.
"""
    return told(rng, passage), asks(rng, questions, days=days, people=people)


SIGHTS = ("lake", "cave", "mill", "castle", "waterfall", "lighthouse")
BELONGINGS = ("spoon", "shoe", "lamp", "book", "towel", "blanket", "whistle")


def camp(rng: random.Random, cast: Cast) -> Story:
    """A letter home from a camp."""
    to, b, c, d, e = people = cast.others[:5]
    today = rng.randrange(2, 6)
    before, late, after = DAYS[today - 1], DAYS[today], DAYS[(today + 1) % 7]
    came = DAYS[today - 2]
    seen, planned = rng.sample(SIGHTS, 2)
    mine, second, third, found = things = rng.sample(BELONGINGS, 4)
    stay = rng.randrange(3, 6)
    home = DAYS[(today + stay) % 7]
    near = (home, DAYS[(today + stay - 1) % 7], DAYS[(today + stay + 1) % 7], late, came)
    passage = f"""
Dear {to}, I came to the camp in {cast.place} on {came}.
/ Dear {to}, the bus to {cast.place} was full, but on {came} I reached the camp.

{b} and {c} share my tent; {d} sleeps in the next one with {e}.
/ My tent is for {b}, {c} and me, and the one beside it for {d} and {e}.

Today is {late}. Yesterday we walked to the {seen}, and tomorrow we shall see the {planned}.
/ It is {late} now. We went to the {seen} yesterday and are off to the {planned} tomorrow.

I have lost my {mine}, {b} a {second} and {d} a {third}. {c} found a {found} that belongs to {e}.
/ {b} has lost a {second}, {d} a {third} and I my {mine}, but {c} found a {found}, which {e} had missed.

In {NUMBERS[stay]} days I shall be home. Yours, {cast.hero}
/ I am coming home {NUMBERS[stay]} days from now. Love, {cast.hero}
"""
    questions = f"""
1 | {third} | things
What did {d} lose?
In the letter of {cast.hero}, {d} has lost a {{}}.

2 | {e} | people
To whom does the {found} belong?
In the letter of {cast.hero}, the {found} belongs to {{}}.

3 | {second} | things
What was lost by someone else in the tent of {cast.first}?
In the letter of {cast.hero}, someone else in the same tent has lost a {{}}.

3 | {d} | tents
In whose tent does the owner of the {found} sleep?
In the letter of {cast.hero}, the owner of the {found} sleeps in a tent with {{}}.

4 | {before} | around
On which day was the walk to the {seen}?
In the letter of {cast.hero}, the walk to the {seen} was on {{}}.

4 | {after} | around
On which day will they see the {planned}?
In the letter of {cast.hero}, the {planned} will be seen on {{}}.

5 | {home} | near | {late}, {came}, {before}, {after}
On which day will {cast.first} be home?
In the letter of {cast.hero}, the day of coming home will be {{}}.
"""
    tents = (d, b, c, to)
    around = (before, late, after, came, DAYS[(today + 2) % 7])
    return told(rng, passage), asks(rng, questions, things=things, people=people, tents=tents, around=around, near=near)
