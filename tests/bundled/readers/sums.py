"""Answers questions with numbers, days and hours of the task `reading` from the text alone."""

from __future__ import annotations

import re

from bundled.readers.reading import DAYS, NAME, ORDINALS, clock, find, whole


def one(things: str) -> str:
    """The first word or words of a thing in the singular."""
    head, of, rest = things.partition(" of ")
    return {"loaves": "loaf", "bunches": "bunch"}.get(head, head.removesuffix("s")) + of + rest


def market(text: str, ask: str) -> str:
    goods = re.findall(r"(\d+) ([a-z ]+?)(?:,| and|\.| for sale)", text.split("coins")[0])
    stock = {thing: int(n) for n, thing in goods}
    price = {thing: int(n) for n, thing in re.findall(r"(\d+) coins for an? ([a-z ]+?)(?:,| and|\.)", text)}
    n, x, m, y = find(r"(?:took|bought) (\w+) ([a-z ]+?) and (\w+) ([a-z ]+?)\.", text)
    bought = {x: whole(n), y: whole(m)}
    if "sold cheese" in ask:
        return find(rf"(?:{NAME}, who sells cheese|cheese seller beside \w+, {NAME})", text)[0]
    if "price" in ask:
        pick = max if "highest" in ask else min
        return pick(stock, key=lambda thing: price[one(thing)])
    if "were left" in ask:
        thing = find(r"How many ([a-z ]+) were", ask)[0]
        return str(stock[thing] - bought[thing])
    if "pay for" in ask:
        thing = find(r"for the ([a-z ]+)\?", ask)[0]
        return str(bought[thing] * price[one(thing)])
    if "in all" in ask:
        return str(sum(number * price[one(thing)] for thing, number in bought.items()))
    return str(price[find(r"was an? ([a-z ]+)\?", ask)[0]])


def recipe(text: str, ask: str) -> str:
    grams = {food: int(n) for n, food in re.findall(r"(\d+) grams of (\w+)", text)}
    minutes = [int(n) for n in re.findall(r"(\d+) (?:minutes|more)", text)]
    times = 2 if "twice as much" in text else 3
    if "giant one?" in ask and ask.startswith("Who"):
        return find(rf"{NAME} (?:asked for|wanted) a giant", text)[0]
    if "Of which" in ask:
        return (min if "least" in ask else max)(grams, key=lambda food: grams[food])
    if "minutes" in ask:
        return str(sum(minutes))
    foods = [food for food in grams if re.search(rf"\b{food}\b", ask)]
    return str(sum(grams[food] for food in foods) * (times if "giant" in ask else 1))


def shelter(text: str, ask: str) -> str:
    start = {kind: int(n) for n, kind in re.findall(r"(\d+) (\w+)", text)}
    end = dict(start)
    n, kind = find(r"(?:month|away) (\w+) (\w+) (?:found|to a farm)", text)
    end[kind] -= whole(n)
    n, kind = find(r"(\w+) more (\w+)", text)
    end[kind] += whole(n)
    n, kind = find(r"(\w+) (\w+) were born", text)
    end[kind] += whole(n)
    if ask.startswith("Who brought"):
        return find(rf"(?:{NAME} brought|brought by {NAME})", text)[0]
    if ask.startswith("Who paid"):
        return find(rf"{NAME} paid", text)[0]
    if ask.startswith("Which"):
        return (max if "most" in ask else min)(start, key=lambda kind: start[kind])
    kinds = [kind for kind in start if f" {kind} " in ask]
    return str(sum((end if "end of May" in ask else start)[kind] for kind in kinds))


def ship(text: str, ask: str) -> str:
    thing = r"((?:barrels|sacks|crates|bales|boxes|casks) of \w+)"
    start = {name: int(n) for n, name in re.findall(rf"(\d+) {thing}", text.split(". ")[0])}
    off, x = find(rf"(?:ashore |, )(\d+) {thing}(?: and took| were unloaded)", text)
    on, y = find(rf"and (?:took on )?(\d+) {thing}(?: came aboard|$)", text.split(". ")[2])
    less = find(r"(?:sold (\d+) more|another (\d+))", text)[0]
    if "books" in ask:
        return find(rf"(?:{NAME} kept the books|sent {NAME} to keep)", text)[0]
    if ask.startswith("Where"):
        return find(r"At ([A-Z]\w+ \w+) (?:they sold|another)", text)[0]
    name = find(thing, ask)[0]
    if "at the start" in ask:
        return str(start[name])
    if "were left" in ask:
        assert name == x
        return str(start[x] - int(off) - int(less))
    assert name == y
    return str(start[y] + int(on))


def walk(text: str, ask: str) -> str:
    legs = {
        place: (day, int(n))
        for day, n, place in re.findall(
            r"(?:On the|The) (\w+) day (?:\w+ went|brought \w+) (\d+) kilometres (?:farther, )?to (\w+ \w+)\.", text
        )
    }
    rain = ORDINALS.index(find(r"tent all the (\w+) day", text)[0])
    place = next((place for place in legs if place in ask), "")
    if "sister" in ask:
        return find(r"at (\w+ \w+) \w+ sister", text.replace("At", "at"))[0]
    if "lost?" in ask:
        return legs[find(r"between \w+ \w+ and (\w+ \w+)", text)[0]][0]
    if "tent on" in ask:
        return next(place for place, (day, _) in legs.items() if ORDINALS.index(day) == rain - 1)
    if "longest" in ask or "shortest" in ask:
        return (max if "longest" in ask else min)(legs, key=lambda place: legs[place][1])
    if "whole walk" in ask:
        return str(sum(n for _, n in legs.values()))
    if "before the day of rain" in ask:
        return str(sum(n for day, n in legs.values() if ORDINALS.index(day) < rain))
    return str(legs[place][1])


def ferry(text: str, ask: str) -> str:
    hour, minute = find(r"(?:at|At) (\d+):(\d+)", text)
    first, stay, second, third = (int(n) for n in re.findall(r"(?<![:\d])(\d+)(?= minutes| more|\. )", text))
    islands = list(dict.fromkeys(re.findall(r"\w+ Island", text)))
    at = 60 * int(hour) + int(minute) + first
    times = [at, at + stay + second, at + stay + second + third]
    if "children" in ask:
        return find(r"(?:free on (\w+day)|on (\w+day) children)", text)[0]
    if "ropes" in ask:
        return find(rf"{NAME} ties", text)[0]
    return clock(times[islands.index(find(r"reach (\w+ Island)", ask)[0])])


def camp(text: str, ask: str) -> str:
    own = set(find(rf"(?:{NAME} and {NAME} share my|tent is for {NAME}, {NAME} and me)", text))
    pair = find(rf"(?:{NAME} sleeps in the next one with {NAME}|beside it for {NAME} and {NAME})", text)
    lost = dict(re.findall(rf"{NAME} (?:has lost )?a (\w+)(?=,| and|\.)", text))
    (owner,) = find(rf"found a \w+(?: that belongs to|, which) {NAME}", text)
    today = DAYS.index(find(r"(?:Today is|It is) (\w+)", text)[0])
    if ask.startswith("What did"):
        return lost[find(rf"did {NAME}", ask)[0]]
    if ask.startswith("To whom"):
        return owner
    if ask.startswith("What was lost"):
        (thing,) = [thing for name, thing in lost.items() if name in own]
        return thing
    if ask.startswith("In whose"):
        (other,) = set(pair) - {owner}
        return other
    if "walk to" in ask:
        return DAYS[today - 1]
    if "they see" in ask:
        return DAYS[(today + 1) % 7]
    return DAYS[(today + whole(find(r"(\w+) days (?:I shall|from)", text)[0])) % 7]


def classes(text: str, ask: str) -> str:
    if "is on Monday" in text:
        found = re.findall(rf"(\w+)(?: is)? on (\w+day) with {NAME}", text)
    else:
        found = [(s, d, n) for d, s, n in re.findall(rf"(\w+day)(?: is)? for (\w+) with {NAME}", text)]
    day = {subject: d for subject, d, _ in found}
    teacher = {name: subject for subject, _, name in found}
    assert len(day) == 4
    a, b = find(r"(\w+) and (\w+) (?:exchange|change)", text)
    now = {**day, a: day[b], b: day[a]}
    if ask.startswith("Who teaches"):
        return next(name for name, subject in teacher.items() if subject == find(r"teaches (\w+)", ask)[0])
    if ask.startswith("What does"):
        return teacher[find(rf"does {NAME}", ask)[0]]
    if "not meet" in ask:
        return find(r"(?:Only (\w+) meets|is for (\w+);)", text)[0]
    if "day after" in ask:
        mine = DAYS.index(day[teacher[find(rf"that of {NAME}", ask)[0]]])
        return next(subject for subject in day if DAYS.index(day[subject]) == mine + 1)
    if ask.startswith("On which"):
        return now[find(r"is (\w+) this", ask)[0]]
    if ask.startswith("Which class is on"):
        return next(subject for subject in now if now[subject] == find(r"on (\w+)", ask)[0])
    fee, weeks, books = find(r"(\d+) crowns an evening(?: for|,) (\w+) weeks.*? (\d+) crowns for books", text)
    return str(int(fee) * whole(weeks) + int(books))


def label(text: str, ask: str) -> str:
    made, given = (int(year) for year in re.findall(r"\b1[78]\d\d\b", text))
    kept = int(find(r"(\d+) years (?:and was|later)", text)[0])
    burnt = whole(find(r"(\w+) years after", text)[0])
    if "was the" in ask and "made" in ask:
        return str(made)
    if "come to the museum" in ask:
        return str(given)
    if "repaired" in ask:
        return find(rf"(?:{NAME} repaired|repaired at once by {NAME})", text)[0]
    if "Whose child" in ask:
        return find(rf"(?:sold to {NAME}|{NAME}, a rich)", text)[0]
    if "buy" in ask:
        return str(made + kept)
    return str(given + burnt) if "fire" in ask else str(given - made - kept)


def watches(text: str, ask: str) -> str:
    start = int(find(r"begins at (\d+):00", text)[0])
    a, n = find(rf"(?:with {NAME}, who stays|{NAME} begins .*?) for (\w+) hours", text)
    b, m, c, k, d = find(rf"(?:comes|then) {NAME} for (\w+)(?:,| and) {NAME} for (\w+)(?:, and|;) {NAME}", text)
    begin = {b: start + whole(n), c: start + whole(n) + whole(m), d: start + whole(n) + whole(m) + whole(k)}
    saw = list(find(r"(?:saw|was) a ([a-z ]+?)(?:,| for).*? a ([a-z ]+?) (?:and|for)", text))
    last, lost = find(r"(?:watch a|watch saw a) ([a-z ]+?) (?:passed|and let).*?the ([a-z ]+?) (?:fell|fall)", text)
    if ask.startswith("What did"):
        return dict(zip((a, b), saw, strict=True))[find(rf"did {NAME}", ask)[0]]
    if ask.startswith("What fell"):
        return lost
    if ask.startswith("Who"):
        return d
    if ask.startswith("What was seen"):
        return last
    return clock(60 * begin[d if "last watch" in ask else find(rf"watch of {NAME}", ask)[0]])
