"""Passages with quantities: a market stall, a kitchen, a shelter, a ship, a walk."""

from __future__ import annotations

import random

from build.reading.cast import NUMBERS, Cast, Story, asks, rest, told
from build.wording import listed

WARES = (
    *(("jar of honey", "jars of honey"), ("loaf of bread", "loaves of bread"), ("candle", "candles"), ("pie", "pies")),
    *(("basket of plums", "baskets of plums"), ("bar of soap", "bars of soap"), ("bunch of roses", "bunches of roses")),
)


def market(rng: random.Random, cast: Cast) -> Story:
    """A stall with four goods, their prices, a buyer and the neighbours."""
    goods = rng.sample(WARES, 4)
    names = [name for _, name in goods]
    prices = rng.sample(range(2, 10), 4)
    stock = rng.sample(range(6, 30), 4)
    a, b, c, d = people = cast.others[:4]
    i, j = rng.sample(range(4), 2)
    k = rng.randrange(4)
    n, m = rng.randrange(2, 6), rng.randrange(2, 6)
    first, second, turned = n * prices[i], m * prices[j], n * prices[j]
    both_ways = f"{first} {second} {turned + m * prices[i]}"
    others = f"{(n + m) * prices[j]}, {prices[i] + prices[j]}, {(n + m) * (prices[i] + prices[j])}"
    dearest, cheapest = names[prices.index(max(prices))], names[prices.index(min(prices))]
    mistaken = f"{stock[j] - n}, {stock[j] - m}, {stock[i] - first}"
    most, fewest = names[stock.index(max(stock))], names[stock.index(min(stock))]
    said = ",".join(map(str, (*prices, *stock, n, m)))
    brought = listed([f"{number} {name}" for number, name in zip(stock, names, strict=True)])
    priced = [f"{price} coins for a {one}" for (one, _), price in zip(goods, prices, strict=True)]
    passage = f"""
Every Saturday {cast.hero} sets up a stall on the market of {cast.place}. Last week {cast.she} brought {brought}.
/ Rain or shine, {cast.hero} is the first on the market of {cast.place}. Last Saturday there were {brought} for sale.

The prices were {listed(priced)}.
/ {cast.first} asked {listed(priced)}.

{a}, who sells cheese next to {cast.first}, took {NUMBERS[n]} {names[i]} and {NUMBERS[m]} {names[j]}.
/ The cheese seller beside {cast.first}, {a}, bought {NUMBERS[n]} {names[i]} and {NUMBERS[m]} {names[j]}.

{b} played the fiddle, {c} swept the square, and {d} lost a hat.
/ {d} looked for a lost hat, {c} swept the square, and {b} played the fiddle.
"""
    questions = f"""
1 | {prices[k]} | 1: {rest(prices, k)}
How many coins was a {goods[k][0]}?
At the stall of {cast.hero}, the number of coins for a {goods[k][0]} was {{}}.

2 | {a} | people
Who sold cheese?
At the stall next to {cast.hero}, cheese was sold by {{}}.

3 | {dearest} | names | {most}
Which things had the highest price?
At the stall of {cast.hero}, the things with the highest price were the {{}}.

3 | {cheapest} | names | {fewest}
Which things had the lowest price?
At the stall of {cast.hero}, the things with the lowest price were the {{}}.

4 | {stock[i] - n} | 1: {stock[i]} {stock[i] + n} {stock[i] - m} | {said}, {mistaken}
How many {names[i]} were left after the cheese seller had bought some?
At the stall of {cast.hero}, after the cheese seller had bought some {names[i]}, the number left was {{}}.

4 | {second} | 1: {m + prices[j]} {first} {m * prices[i]} {second + prices[j]} {second - prices[j]} | {said}, {turned}
How many coins did the cheese seller pay for the {names[j]}?
At the stall of {cast.hero}, the coins that the cheese seller paid for the {names[j]} were {{}}.

5 | {first + second} | 1: {both_ways} {(n + m) * prices[i]} {first + second + 5} | {said}, {others}
How many coins did the cheese seller pay in all?
At the stall of {cast.hero}, the coins that the cheese seller paid in all were {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people, names=names)


FOODS = ("flour", "butter", "sugar", "nuts", "raisins", "oats", "honey", "plums", "apples")
CAKES = ("farmer's cake", "harvest pie", "winter pudding", "Sunday cake", "brown bread")


def recipe(rng: random.Random, cast: Cast) -> Story:
    """Amounts, how long it takes, and more guests than expected."""
    foods = rng.sample(FOODS, 4)
    grams = rng.sample(range(60, 420, 20), 4)
    bake, cool = rng.sample((10, 15, 20, 25, 30, 35, 40, 45, 50), 2)
    a, b, c, d = people = cast.others[:4]
    cake = rng.choice(CAKES)
    times, word = rng.choice(((2, "twice"), (3, "three times")))
    k, m = rng.sample(range(4), 2)
    least, most = foods[grams.index(min(grams))], foods[grams.index(max(grams))]
    both = grams[k] + grams[m]
    halves = f"{grams[k] + times * grams[m]} {times * grams[k] + grams[m]}"
    said = ",".join(map(str, (*grams, bake, cool)))
    takes = listed([f"{number} grams of {food}" for number, food in zip(grams, foods, strict=True)])
    passage = f"""
The {cake} of {cast.hero} is known all over {cast.place}. It takes {takes}.
/ Nobody in {cast.place} makes a {cake} like {cast.hero}. The secret is {takes}.

It bakes for {bake} minutes and must then rest for {cool} more before {cast.she} cuts it.
/ After {bake} minutes in the oven it rests for {cool} minutes, and only then is it cut.

{a} wrote the recipe down, {b} always wants the first slice and {c} the last.
/ The first slice is always for {b} and the last for {c}; {a} has written the recipe down.

For the feast, {d} asked for a giant one, so {cast.first} took {word} as much of everything.
/ Last week {d} wanted a giant one for the feast, with {word} as much of everything in it.
"""
    questions = f"""
1 | {grams[k]} | 20: {rest(grams, k)}
How many grams of {foods[k]} does the {cake} take?
For the {cake} of {cast.hero}, the grams of {foods[k]} needed are {{}}.

2 | {d} | people
Who wanted a giant one?
For the {cake} of {cast.hero}, the one who wanted a giant one was {{}}.

3 | {least} | foods
Of which thing does it take the least?
For the {cake} of {cast.hero}, the thing of which the least is needed is {{}}.

3 | {most} | foods
Of which thing does it take the most?
For the {cake} of {cast.hero}, the thing of which the most is needed is {{}}.

4 | {times * grams[m]} | 20: {grams[m]} {(5 - times) * grams[m]} {times * grams[k]} | {said}
How many grams of {foods[m]} went into the giant one?
For the giant {cake} of {cast.hero}, the grams of {foods[m]} needed were {{}}.

4 | {bake + cool} | 5: {bake} {cool} {abs(bake - cool)} {2 * bake} | {said}, {2 * cool}
How many minutes after it goes into the oven is it cut?
For the {cake} of {cast.hero}, the minutes from the oven to the first cut are {{}}.

5 | {times * both} | 20: {both} {halves} {(5 - times) * both} | {said}, {sum(grams)}
How many grams of {foods[k]} and {foods[m]} together are in the giant one?
For the giant {cake} of {cast.hero}, the grams of {foods[k]} and {foods[m]} together were {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people, foods=foods)


ANIMALS = ("dogs", "cats", "rabbits", "goats", "ponies", "hens", "donkeys", "geese")


def shelter(rng: random.Random, cast: Cast) -> Story:
    """Animals that come and go in a month."""
    p, q, r, s = kinds = rng.sample(ANIMALS, 4)
    start = dict(zip(kinds, rng.sample(range(5, 19), 4), strict=True))
    gone, come, born = rng.randrange(2, 5), rng.randrange(2, 8), rng.randrange(2, 6)
    moves = {p: (-gone, gone), q: (come, -come), r: (born, -born)}
    end = {p: start[p] - gone, q: start[q] + come, r: start[r] + born, s: start[s]}
    a, b, c, d = people = cast.others[:4]
    k, changed = rng.choice(kinds), rng.choice((p, q, r))
    x, y = rng.sample((p, q, r), 2)
    most = max(kinds, key=start.__getitem__)
    fewest = min(kinds, key=start.__getitem__)
    said = ",".join(map(str, (*start.values(), gone, come, born)))
    misread = ",".join(str(start[changed] + step) for other in (p, q, r) if other != changed for step in moves[other])
    both = start[x] + start[y]
    turned = ",".join(str(both + a + b) for a in moves[x] for b in moves[y] if (a, b) != (moves[x][0], moves[y][0]))
    had = listed([f"{start[kind]} {kind}" for kind in kinds])
    passage = f"""
{cast.hero} runs the animal shelter in {cast.place}. At the start of May it had {had}.
/ The animal shelter in {cast.place} is the work of {cast.hero}. At the start of May there were {had}.

During the month {NUMBERS[gone]} {p} found a new home with {a},
/ By the end of the month {a} had taken away {NUMBERS[gone]} {p} to a farm,

{b} brought {NUMBERS[come]} more {q}, and {NUMBERS[born]} {r} were born.
/ {NUMBERS[born]} {r} were born, and {NUMBERS[come]} more {q} were brought by {b}.

{c}, the vet, came twice. {d} paid for the food, and the {s} stayed as they were.
/ Nothing changed among the {s}. {c} came as the vet and {d} paid for the food.
"""
    questions = f"""
1 | {start[k]} | 1: {" ".join(str(start[kind]) for kind in kinds if kind != k)}
How many {k} were there at the start of May?
In the shelter of {cast.hero}, the number of {k} at the start of May was {{}}.

2 | {b} | people
Who brought more {q}?
In the shelter of {cast.hero}, the one who brought more {q} was {{}}.

2 | {d} | people
Who paid for the food?
In the shelter of {cast.hero}, the food was paid for by {{}}.

3 | {most} | kinds
Which animals were the most at the start of May?
In the shelter of {cast.hero}, the animals that were the most at the start of May were the {{}}.

3 | {fewest} | kinds
Which animals were the fewest at the start of May?
In the shelter of {cast.hero}, the animals that were the fewest at the start of May were the {{}}.

4 | {end[changed]} | 1: {start[changed]} {2 * start[changed] - end[changed]} {end[s]} | {said}, {misread}
How many {changed} were there at the end of May?
In the shelter of {cast.hero}, the number of {changed} at the end of May was {{}}.

5 | {end[x] + end[y]} | 1: {start[x] + start[y]} {end[x] + start[y]} {start[x] + end[y]} | {said}, {turned}
How many {x} and {y} were there together at the end of May?
In the shelter of {cast.hero}, the number of {x} and {y} together at the end of May was {{}}.
"""
    return told(rng, passage), asks(rng, questions, people=people, kinds=kinds)
