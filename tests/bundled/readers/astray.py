"""Where hasty ways through a passage of the task `reading` lead: the numbers, hours, days and names they end with."""

from __future__ import annotations

import re
from itertools import combinations

from bundled.readers.reading import DAYS, NAME, THING, WORDS, clock, find, whole
from bundled.readers.sums import one


def stated(text: str) -> set[str]:
    """Every number of a passage, written in figures or as a word."""
    words = re.findall(r"[a-z]+", text.lower())
    return set(re.findall(r"(?<![\d:])\d+(?![\d:])", text)) | {
        str(WORDS.index(word)) for word in words if word in WORDS
    }


def texts(*numbers: int) -> set[str]:
    return {str(number) for number in numbers}


def market(text: str, ask: str) -> set[str]:
    """The other ware's number or price, the coins for the wares, the most of a ware for the dearest."""
    goods = re.findall(r"(\d+) ([a-z ]+?)(?:,| and|\.| for sale)", text.split("coins")[0])
    stock = {thing: int(n) for n, thing in goods}
    price = {thing: int(n) for n, thing in re.findall(r"(\d+) coins for an? ([a-z ]+?)(?:,| and|\.)", text)}
    n, x, m, y = find(r"(?:took|bought) (\w+) ([a-z ]+?) and (\w+) ([a-z ]+?)\.", text)
    (a, b), (p, q) = (whole(n), whole(m)), (price[one(x)], price[one(y)])
    if "highest price" in ask or "lowest price" in ask:
        return {(max if "highest" in ask else min)(stock, key=lambda thing: stock[thing])}
    if "were left" in ask:
        return texts(stock[x] - b, stock[y] - a, stock[y] - b, stock[x] + a)
    if "pay for" in ask:
        return texts(a * q, b * p, a * p, b + q)
    return texts(a * q + b * p, (a + b) * p, (a + b) * q, p + q, a * p, b * q) if "in all" in ask else set()


def shelter(text: str, ask: str) -> set[str]:
    """The change of another kind of animal, or a change the other way."""
    if "end of May" not in ask:
        return set()
    start = {kind: int(n) for n, kind in re.findall(r"(\d+) (\w+)", text)}
    n, kind = find(r"(?:month|away) (\w+) (\w+) (?:found|to a farm)", text)
    steps = {kind: -whole(n)}
    for pattern in (r"(\w+) more (\w+)", r"(\w+) (\w+) were born"):
        n, kind = find(pattern, text)
        steps[kind] = whole(n)
    asked = [kind for kind in steps if f" {kind} " in ask]
    if len(asked) == 1:
        (kind,) = asked
        return texts(*(start[kind] + sign * step for step in steps.values() for sign in (1, -1))) - texts(
            start[kind] + steps[kind]
        ) | texts(*(start[kind] + abs(step) for other, step in steps.items() if other != kind))
    a, b = asked
    base = start[a] + start[b]
    return texts(base, base - steps[a] - steps[b], base + steps[a] - steps[b], base - steps[a] + steps[b])


def label(text: str, ask: str) -> set[str]:
    """Another span of years, or the same one counted from another year."""
    made, given = (int(year) for year in re.findall(r"\b1[78]\d\d\b", text))
    kept = int(find(r"(\d+) years (?:and was|later)", text)[0])
    burnt = whole(find(r"(\w+) years after", text)[0])
    if "How many years" in ask:
        return texts(kept, burnt, given - made, kept + burnt)
    if "fire damage" in ask:
        return texts(made + burnt, made + kept + burnt, given - burnt, given + kept)
    return texts(given - kept, made + burnt, given - burnt) if "buy" in ask else set()


def ship(text: str, ask: str) -> set[str]:
    """Loaded for unloaded, one port forgotten, or the number of another port."""
    if " after " not in ask and " in the end" not in ask:
        return set()
    thing = r"((?:barrels|sacks|crates|bales|boxes|casks) of \w+)"
    start = {name: int(n) for n, name in re.findall(rf"(\d+) {thing}", text.split(". ")[0])}
    off = int(find(rf"(?:ashore |, )(\d+) {thing}(?: and took| were unloaded)", text)[0])
    on = int(find(rf"and (?:took on )?(\d+) {thing}(?: came aboard|$)", text.split(". ")[2])[0])
    less = int(find(r"(?:sold (\d+) more|another (\d+))", text)[0])
    n = start[find(thing, ask)[0]]
    if "in the end" in ask:
        return texts(n - off, n - less, n - off + less, n + off - less, n - off - on)
    return texts(n - on, n + off, n - off)


def ferry(text: str, ask: str) -> set[str]:
    """A leg taken for another, or the stay forgotten."""
    if "reach" not in ask:
        return set()
    hour, minute = find(r"(?:at|At) (\d+):(\d+)", text)
    spans = [int(n) for n in re.findall(r"(?<![:\d])(\d+)(?= minutes| more|\. )", text)]
    islands = list(dict.fromkeys(re.findall(r"\w+ Island", text)))
    place = islands.index(find(r"reach (\w+ Island)", ask)[0])
    n_spans = (1, 3, 4)[place]
    start = 60 * int(hour) + int(minute)
    right = tuple(range(n_spans))
    return {clock(start + sum(spans[i] for i in some)) for some in combinations(range(4), n_spans) if some != right}


def watches(text: str, ask: str) -> set[str]:
    """The hours of other watches."""
    if "begin" not in ask or "last" in ask:
        return set()
    start = int(find(r"begins at (\d+):00", text)[0])
    hours = [whole(n) for n in re.findall(rf"for ({'|'.join(WORDS)})\b", text)]
    assert len(hours) == 3, text
    names = re.findall(rf"(?:comes|then) {NAME} for|(?:,| and) {NAME} for", text)
    after = [a or b for a, b in names].index(find(rf"watch of {NAME}", ask)[0]) + 1
    return {clock(60 * (start + sum(some))) for some in list(combinations(hours, after))[1:]}


def classes(text: str, ask: str) -> set[str]:
    if "cost in all" not in ask:
        return set()
    fee, n, books = find(r"(\d+) crowns an evening(?: for|,) (\w+) weeks.*? (\d+) crowns for books", text)
    a, b, c = int(fee), whole(n), int(books)
    return texts(a * b, a + b + c, a * (b + c), a * c + b)


def camp(text: str, ask: str) -> set[str]:
    """For the way home, every day that the letter names or means."""
    if "be home" not in ask:
        return set()
    today = DAYS.index(find(r"(?:Today is|It is) (\w+)", text)[0])
    return {DAYS[today], DAYS[today - 1], DAYS[(today + 1) % 7], find(r"on (\w+day)", text)[0]}


def race(text: str, ask: str) -> set[str]:
    """The places at the mill for those at the end."""
    if "was second" in text:
        mill = find(rf"mill {NAME} led, {NAME} was second, {NAME} third and {NAME} last", text)
    else:
        mill = find(rf"{NAME} was the first at the old mill, followed by {NAME}, {NAME} and, .*?, {NAME}\.", text)
    if "finished" in ask:
        return {mill[{"second": 1, "third": 2}[find(r"finished (\w+)", ask)[0]]]}
    if "What did" in ask and "helper" not in ask:
        if "The winner got" in text:
            prizes = find(rf"winner got a {THING} and the second a {THING}\. .* given a {THING} for comfort", text)
        else:
            pattern = rf"helper, a {THING} to comfort the last, a {THING} for the second and a {THING} for the"
            prizes = find(pattern, text)[::-1]
        place = mill.index(find(rf"did {NAME} get", ask)[0])
        return {(*prizes[:2], "nothing", prizes[2])[place]}
    return set()


def recipe(text: str, ask: str) -> set[str]:
    """Everything in place of two things, a part not multiplied, one of two times."""
    grams = {food: int(n) for n, food in re.findall(r"(\d+) grams of (\w+)", text)}
    times = 2 if "twice as much" in text else 3
    foods = [food for food in grams if re.search(rf"\b{food}\b", ask)]
    if "together" in ask:
        a, b = (grams[food] for food in foods)
        return texts(a + b, times * a + b, a + times * b, sum(grams.values()))
    return texts(*(times * n for food, n in grams.items() if food not in foods)) if "went into" in ask else set()


def will(text: str, ask: str) -> set[str]:
    """The order of the list for the order of age."""
    goods = r"(house|boat|orchard|piano|mill|shop|vineyard|coach)"
    listed = re.findall(rf"the {goods} (?:went )?to {NAME}", text)
    assert len(listed) == 4
    if match := re.match(r"Who is the (second|third) eldest", ask):
        return {listed[1 if match[1] == "second" else 2][1]}
    if match := re.match(r"What did the (will give to the )?(eldest|second eldest|youngest)", ask):
        return {listed[{"eldest": 0, "second eldest": 1, "youngest": 3}[match[2]]][0]}
    return set()
