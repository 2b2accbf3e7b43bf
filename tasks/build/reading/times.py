"""Passages with days, years and hours: evening classes, a museum label, the watches of a lighthouse."""

from __future__ import annotations

import random
from itertools import combinations

from build.reading.cast import NUMBERS, Cast, Story, asks, clock, told
from build.wording import DAYS

SUBJECTS = ("pottery", "chess", "singing", "drawing", "knitting", "judo", "cooking", "Greek")
HALLS = ("blue room", "gym", "cellar", "tower room", "kitchen", "old stable")


def classes(rng: random.Random, cast: Cast) -> Story:
    """Evening classes of a week, two of which change days."""
    w, x, y, z = subjects = rng.sample(SUBJECTS, 4)
    a, b, c, d = people = cast.others[:4]
    days = DAYS[:4]
    one, other = rng.sample(HALLS, 2)
    fee, weeks, books = rng.randrange(3, 9), rng.randrange(4, 9), rng.randrange(5, 20)
    total = fee * weeks + books
    p, q = rng.sample(range(4), 2)
    now = list(subjects)
    now[p], now[q] = now[q], now[p]
    # Whoever takes this week's plan for the usual one must come to another class.
    after = [[*now[1:], ""][now.index(subject)] for subject in subjects]
    k = rng.choice([place for place in (0, 1, 2) if after[place] != subjects[place + 1]])
    others = ",".join(map(str, (fee, weeks, books, fee * (weeks + books), fee + weeks + books, fee * books + weeks)))
    passage = f"""
Notice from {cast.hero}, head of the evening school in {cast.place}:
/ {cast.hero} has put up a new notice at the evening school in {cast.place}:

{w} is on Monday with {a}, {x} on Tuesday with {b}, {y} on Wednesday with {c} and {z} on Thursday with {d}.
/ Monday is for {w} with {a}, Tuesday for {x} with {b}, Wednesday for {y} with {c} and Thursday for {z} with {d}.

Only {w} meets in the {one}, all others in the {other}.
/ The {one} is for {w}; all the others go to the {other}.

This week, because of the fair, {subjects[p]} and {subjects[q]} exchange their days.
/ This week only, {subjects[p]} and {subjects[q]} change days with each other.

A place in {y} costs {fee} crowns an evening for {NUMBERS[weeks]} weeks and {books} crowns for books; the rest is free.
/ For {y} one pays {fee} crowns an evening, {NUMBERS[weeks]} weeks long, and {books} crowns for books; the rest is free.
"""
    questions = f"""
1 | {c} | people
Who teaches {y}?
At the evening school of {cast.hero}, {y} is taught by {{}}.

1 | {z} | subjects
What does {d} teach?
At the evening school of {cast.hero}, {d} teaches {{}}.

2 | {w} | subjects
Which class does not meet in the {other}?
At the evening school of {cast.hero}, the class that does not meet in the {other} is {{}}.

3 | {subjects[k + 1]} | subjects
Which class is usually on the day after that of {people[k]}?
At the evening school of {cast.hero}, the class on the day after that of {people[k]} is usually {{}}.

4 | {days[q]} | days
On which day is {subjects[p]} this week?
At the evening school of {cast.hero}, {subjects[p]} is this week on {{}}.

4 | {subjects[q]} | subjects
Which class is on {days[p]} this week?
At the evening school of {cast.hero}, the class on {days[p]} is this week {{}}.

5 | {total} | 1: {fee * weeks} {fee + books} {total + fee} {total - fee} {weeks + books} | {others}
How many crowns does {y} cost in all?
At the evening school of {cast.hero}, the crowns that {y} costs in all are {{}}.
"""
    return told(rng, passage), asks(rng, questions, subjects=subjects, people=people, days=days)


WORKS = ("clock", "globe", "harp", "cradle", "telescope", "chess set", "carpet", "music box")


def label(rng: random.Random, cast: Cast) -> Story:
    """The label of a thing in a museum: who had it when."""
    work = rng.choice(WORKS)
    made = rng.randrange(1700, 1820)
    kept, owned, burnt = rng.randrange(6, 30), rng.randrange(11, 40), rng.randrange(3, 10)
    sold = made + kept
    given = sold + owned
    fire = given + burnt
    a, b, c, d, e = people = cast.others[:5]
    trade = rng.choice(("baker", "doctor", "banker", "brewer"))
    passage = f"""
This {work} was made by {cast.hero} in {cast.place} in {made}, with some help from {e}.
/ In {made} {cast.hero}, a master from {cast.place}, made this {work}; {e} helped.

It stood in the workshop for {kept} years and was then sold to {a}, a rich {trade}.
/ {a}, a rich {trade}, bought it {kept} years later.

{b}, the only child of the {trade}, gave it to our museum in {given}.
/ In {given} it came to our museum as a gift of {b}, the only child of the {trade}.

A fire damaged it {NUMBERS[burnt]} years after that; {c} repaired it in the same year, and {d} painted it anew.
/ It was damaged by fire {NUMBERS[burnt]} years after the gift, repaired at once by {c} and painted anew by {d}.
"""
    questions = f"""
1 | {made} | 1: {given} {sold} {fire} {made + 10}
In which year was the {work} made?
The {work} of {cast.hero} was made in the year {{}}.

1 | {given} | 1: {made} {sold} {fire} {given - 10}
In which year did it come to the museum?
The {work} of {cast.hero} came to the museum in the year {{}}.

2 | {c} | people
Who repaired the {work}?
The {work} of {cast.hero} was repaired by {{}}.

3 | {a} | people
Whose child gave it to the museum?
The {work} of {cast.hero} came to the museum from the child of {{}}.

4 | {sold} | 1: {made} {given} {given - kept} {made - kept} {sold + 10} {sold - 10} | {given - burnt}, {made + burnt}
In which year did the {trade} buy the {work}?
The {work} of {cast.hero} was bought by the {trade} in the year {{}}.

5 | {fire} | 1: {given} {made + burnt} {sold + burnt} {given - burnt} {fire + 10} {fire - 10}
In which year did the fire damage it?
The {work} of {cast.hero} was damaged by fire in the year {{}}.

5 | {owned} | 1: {kept} {kept + owned} {owned + burnt} {owned - 10} {owned + 10} | {burnt}, {kept + burnt}
How many years lie between its sale to the {trade} and its coming to the museum?
For the {work} of {cast.hero}, the years from its sale to the museum were {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people)


SIGHTED = ("whale", "red light", "white sail", "falling star", "seal", "rowing boat")


def watches(rng: random.Random, cast: Cast) -> Story:
    """Watches at a lighthouse, each of a given length."""
    a, b, c, d = people = cast.others[:4]
    start = 60 * rng.randrange(17, 20)
    hours = [rng.randrange(2, 5) for _ in range(3)]
    first, second, third = (start + 60 * sum(hours[: k + 1]) for k in range(3))
    seen = rng.sample(SIGHTED, 3)

    def astray(hours: list[int], n_before: int) -> str:
        """When a watch would begin if it had others before it."""
        return ",".join(str(start + 60 * sum(some)) for some in list(combinations(hours, n_before))[1:])

    lost = rng.choice(("kettle", "telescope", "whistle", "oil can"))
    passage = f"""
{cast.hero} keeps the lighthouse of {cast.place} and divides the night among four helpers.
/ At the lighthouse of {cast.place}, {cast.hero} has four helpers for the night.

{a} begins at {clock(start)} and watches for {NUMBERS[hours[0]]} hours, then {b} for {NUMBERS[hours[1]]} and {c} for
{NUMBERS[hours[2]]}; {d} has the rest until dawn.
/ The night begins at {clock(start)} with {a}, who stays for {NUMBERS[hours[0]]} hours. Then comes {b} for
{NUMBERS[hours[1]]}, {c} for {NUMBERS[hours[2]]}, and {d} for the rest until dawn.

Last night {a} saw a {seen[0]}, {b} a {seen[1]} and {c} nothing at all.
/ Last night there was a {seen[0]} for {a} to see, a {seen[1]} for {b} and nothing for {c}.

In the last watch a {seen[2]} passed, and the {lost} fell into the sea.
/ The last watch saw a {seen[2]} and let the {lost} fall into the sea.
"""
    things = (*seen, lost)
    questions = f"""
1 | {seen[1]} | things
What did {b} see?
At the lighthouse of {cast.hero}, {b} saw a {{}}.

2 | {lost} | things
What fell into the sea?
At the lighthouse of {cast.hero}, what fell into the sea was the {{}}.

3 | {d} | people
Who was on watch when something fell into the sea?
At the lighthouse of {cast.hero}, the one on watch when something fell into the sea was {{}}.

3 | {seen[2]} | things
What was seen in the watch of {d}?
At the lighthouse of {cast.hero}, the watch of {d} saw a {{}}.

4 | {second} | time: {first} {second + 60} {second - 60} {second + 120} | {astray(hours, 2)}
When does the watch of {c} begin?
At the lighthouse of {cast.hero}, the watch of {c} begins at {{}}.

4 | {first} | time: {first + 60} {first - 60} {second} {first + 120} | {astray(hours, 1)}
When does the watch of {b} begin?
At the lighthouse of {cast.hero}, the watch of {b} begins at {{}}.

5 | {third} | time: {second} {third + 60} {third - 60} {third + 120} | {start}
When does the last watch begin?
At the lighthouse of {cast.hero}, the last watch begins at {{}}.
"""
    return told(rng, passage), asks(rng, questions, things=things, people=people)
