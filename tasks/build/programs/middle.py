"""Programs of level 3: two ideas, or one that is often misremembered."""

from __future__ import annotations

import random

from build.programs.templates import Both, letters, numbers, quoted, template, word, words


@template("slices", 3)
def stepped(rng: random.Random) -> str:
    items = numbers(rng, rng.randrange(6, 9), 1, 20)
    part = rng.choice((f"{rng.randrange(0, 2)}::2", "::-2", f"::{rng.randrange(2, 4)}", f":{rng.randrange(1, 4)}:-1"))
    return f"items = {items}\nprint(items[{part}])"


@template("slices", 3)
def reversed_text(rng: random.Random) -> str:
    text = word(rng)
    part = rng.choice(("::-1", "::2", "1::2", f":-{rng.randrange(2, 4)}", f"-{rng.randrange(2, 4)}:"))
    return f'text = "{text}"\nprint(text[{part}] + text[{rng.randrange(-2, 0)}])'


@template("loops", 3)
def nested(rng: random.Random) -> str:
    n, m = rng.randrange(3, 6), rng.randrange(2, 5)
    test = rng.choice(("i < j", "i > j", "i != j", "i + j > 2"))
    return (
        f"count = 0\nfor i in range({n}):\n    for j in range({m}):\n        if {test}:\n"
        "            count += 1\nprint(count)"
    )


@template("loops", 3)
def stopped(rng: random.Random) -> str:
    items = numbers(rng, 7, 1, 12)
    limit = rng.randrange(15, 35)
    where = rng.choice(("        break\n    total += n\n", "        continue\n    total += n\n"))
    test = "total + n > limit" if "break" in where else f"n % {rng.randrange(2, 4)} == 0"
    return f"total, limit = 0, {limit}\nfor n in {items}:\n    if {test}:\n{where}print(total)"


@template("loops", 3)
def halving(rng: random.Random) -> str:
    n = rng.randrange(9, 60)
    return (
        f"n, steps = {n}, 0\nwhile n > 1:\n"
        f"    n = n // 2 if n % 2 == 0 else n - {rng.choice((1, 3))}\n    steps += 1\nprint(steps)"
    )


@template("comprehensions", 3)
def filtered(rng: random.Random) -> str:
    items, d, m = numbers(rng, 6, 1, 20), rng.randrange(2, 4), rng.randrange(2, 5)
    test = rng.choice((f"n % {d} == 0", f"n % {d} != 0", f"n > {rng.randrange(6, 12)}"))
    return f"items = {items}\nprint([n * {m} for n in items if {test}])"


@template("comprehensions", 3)
def first_letters(rng: random.Random) -> str:
    part = rng.choice(("w[0]", "w[-1]", "w[1]"))
    named, size = quoted(words(rng, 4)), rng.choice((4, 5))
    return f'words = {named}\nprint("".join([{part} for w in words if len(w) > {size}]))'


@template("dictionaries", 3)
def counting(rng: random.Random) -> str:
    text = "".join(rng.choice("abc") for _ in range(rng.randrange(6, 9)))
    return (
        f'counts = dict()\nfor c in "{text}":\n    counts[c] = counts.get(c, {rng.choice((0, 0, 1))}) + 1\n'
        f'print(counts.get("a", 0), counts.get("b", 0), counts.get("d", {rng.choice((0, 5, 7))}))'
    )


@template("dictionaries", 3)
def ordered(rng: random.Random) -> str:
    a, b, c, d = rng.sample("pqrstuvw", 4)
    x, y, z, w = numbers(rng, 4, 1, 9)
    again = rng.choice((a, b))
    return (
        f'd = dict({a}={x}, {b}={y}, {c}={z})\nd["{again}"] = {w}\nd["{d}"] = {x}\nprint("".join(d), sum(d.values()))'
    )


@template("lists", 3)
def edited(rng: random.Random) -> str:
    items = numbers(rng, 4, 1, 9)
    x = rng.randrange(10, 20)
    return (
        f"items = {items}\nitems.insert({rng.randrange(1, 3)}, {x})\nlast = items.pop()\n"
        f"items.remove({rng.choice(items[:2])})\nprint(items, last)"
    )


@template("lists", 3)
def pairs(rng: random.Random) -> str:
    a, b = numbers(rng, 4, 1, 9), numbers(rng, 3, 1, 9)
    what = rng.choice(("x * y", "x - y", "x + 2 * y", "max(x, y)"))
    return f"a = {a}\nb = {b}\nprint([{what} for x, y in zip(a, b)])"


@template("lists", 3)
def enumerated(rng: random.Random) -> str:
    items = numbers(rng, 5, 1, 12)
    start = rng.choice(("", f", {rng.randrange(1, 3)}"))
    return f"total = 0\nfor i, n in enumerate({items}{start}):\n    total += i * n\nprint(total)"


@template("strings", 3)
def rejoined(rng: random.Random) -> str:
    a, b, c = words(rng, 3)
    way = rng.choice(("parts[::-1]", "sorted(parts)", "parts[1:] + parts[:1]"))
    return f'parts = "{a} {b} {c}".split()\nprint("{rng.choice("-+/")}".join({way}))'


@template("strings", 3)
def found(rng: random.Random) -> str:
    a, b = words(rng, 2)
    letter = rng.choice(sorted(set(a + b)))
    return f'text = "{a}-{b}"\nprint(text.find("{letter}"), text.rfind("{letter}"), text.find("{rng.choice("jqz")}"))'


@template("functions", 3)
def defaults(rng: random.Random) -> str:
    a, b, c, d, e = numbers(rng, 5, 1, 9)
    return f"def f(a, b={a}, c={b}):\n    return a * b - c\n\nprint(f({c}), f({d}, {e}), f({d}, c={e}))"


@template("functions", 3)
def unpacked(rng: random.Random) -> str:
    items = numbers(rng, rng.randrange(5, 7), 1, 20)
    names = rng.choice(
        ("first, *rest = items\nprint(first, len(rest), rest[-1])", "*rest, last = items\nprint(rest[1:], last)")
    )
    return f"items = {items}\n{names}"


@template("numbers", 3)
def negative_division(rng: random.Random) -> Both:
    a, b = rng.randrange(7, 40), rng.randrange(3, 9)
    if a % b == 0:
        a += 1
    code = f"n = -{a}\nprint(n // {b}, n % {b})"
    toward_zero = [f"print(-({a} // {b}), -({a} % {b}))", f"print(-({a} // {b}), {a} % {b})"]
    return code, [*toward_zero, f"print(-({a} // {b}) - 1, {a} % {b})", f"print(-({a} // {b}), {-a % b})"]


@template("numbers", 3)
def truth(rng: random.Random) -> str:
    a, b, c = rng.choice((0, 3, 7)), rng.choice((0, 4, 9)), rng.randrange(1, 9)
    form = rng.choice(("a or b and c", "a and b or c", "(a or b) and c", "not a or b", "a > b or c"))
    other = rng.choice(("b or c", "a and c", "c and b"))
    return f"a, b, c = {a}, {b}, {c}\nprint({form}, {other})"


@template("strings", 3)
def by_key(rng: random.Random) -> Both:
    keys = ["len", "lambda w: w[-1]", "lambda w: w[1]"]
    key, second = rng.choice(keys), rng.choice((1, 2, 3))
    code = f"words = {quoted(words(rng, 4))}\nwords.sort(key={key})\nprint(words[0], words[{second}])"
    others = [other for other in keys if other != key]
    reverse = code.replace(f"{key})", f"{key}, reverse=True)")
    return code, [*(code.replace(key, other) for other in ("lambda w: w", *others, "lambda w: 0")), reverse]


@template("strings", 3)
def mapped(rng: random.Random) -> str:
    text = letters(rng, 4)
    step = rng.randrange(1, 4)
    return (
        f'out = ""\nfor c in "{text}":\n    out = c + out\n    if len(out) == {step + 1}:\n'
        '        out = out + "-"\nprint(out)'
    )
