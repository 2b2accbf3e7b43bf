"""Programs of levels 1 and 2: one idea each."""

from __future__ import annotations

import random

from build.programs.templates import WORDS, Both, letters, numbers, template, word, words


@template("numbers", 1)
def arithmetic(rng: random.Random) -> str:
    a, b, c = numbers(rng, 3, 2, 9)
    return f"x = {a}\ny = {b}\nprint(x + y * {c})"


@template("numbers", 1)
def reassign(rng: random.Random) -> str:
    a, b, c = numbers(rng, 3, 2, 20)
    return f"n = {a}\nn = n + {b}\nn = n - {c}\nprint(n)"


@template("numbers", 1)
def swap(rng: random.Random) -> str:
    a, b, c = numbers(rng, 3, 1, 9)
    return f"a = {a}\nb = {b}\na, b = b, a\nprint(a, b + {c})"


@template("lists", 1)
def index(rng: random.Random) -> str:
    items = numbers(rng, rng.randrange(4, 7), 1, 30)
    return f"items = {items}\nprint(items[{rng.randrange(1, len(items) - 1)}])"


@template("lists", 1)
def length(rng: random.Random) -> str:
    items = numbers(rng, rng.randrange(3, 8), 1, 9)
    return f"items = {items}\nprint(len(items))"


@template("lists", 1)
def extremes(rng: random.Random) -> str:
    items = numbers(rng, rng.randrange(4, 6), 1, 30)
    return f"items = {items}\nprint({rng.choice(('max', 'min', 'sum'))}(items))"


@template("lists", 1)
def append(rng: random.Random) -> Both:
    *items, last = numbers(rng, rng.randrange(3, 5), 1, 9)
    code = f"items = {items}\nitems.append({last})\nprint(items)"
    others = (f"items.insert(0, {last})", f"items[0] = {last}", f"items = [{last}] + items[:-1]", f"items[-1] = {last}")
    return code, [code.replace(f"items.append({last})", other) for other in others]


@template("strings", 1)
def repeat(rng: random.Random) -> str:
    return f'text = "{letters(rng, rng.randrange(1, 4))}"\nprint(text * {rng.randrange(2, 5)})'


@template("strings", 1)
def concatenate(rng: random.Random) -> Both:
    a, b = letters(rng, 2), letters(rng, 3)
    code = f'a = "{a}"\nb = "{b}"\nprint(b + a + b)'
    others = ("a + b + a", "b + b + a", "a + b + b", "b + a + a", "b + a", "a + b")
    return code, [code.replace("b + a + b", other) for other in others]


@template("strings", 1)
def character(rng: random.Random) -> str:
    text = word(rng)
    return f'text = "{text}"\nprint(text[{rng.randrange(1, len(text) - 1)}])'


@template("branches", 1)
def branch(rng: random.Random) -> str:
    low, high = sorted(numbers(rng, 2, 5, 40))
    n = rng.choice((low - 2, low, (low + high) // 2, high, high + 3))
    a, b, c = numbers(rng, 3, 2, 9)
    return (
        f"n = {n}\nif n < {low}:\n    n = n + {a}\nelif n < {high}:\n    n = n * {b}\nelse:\n    n = n - {c}\nprint(n)"
    )


@template("loops", 1)
def summing(rng: random.Random) -> str:
    return f"total = {rng.randrange(0, 9)}\nfor i in range({rng.randrange(3, 7)}):\n    total = total + i\nprint(total)"


@template("dictionaries", 1)
def lookup(rng: random.Random) -> str:
    a, b, c, d = numbers(rng, 4, 1, 30)
    x, y, z = sorted(rng.sample(("ann", "bob", "eve", "joe", "kim", "max", "sue", "tom"), 3))
    return f'ages = dict({x}={a}, {y}={b}, {z}={c})\nprint(ages["{rng.choice((x, y, z))}"] + {d})'


@template("slices", 2)
def list_slice(rng: random.Random) -> str:
    items = numbers(rng, rng.randrange(5, 8), 1, 20)
    start = rng.randrange(1, 3)
    return f"items = {items}\nprint(items[{start}:{rng.randrange(start + 2, len(items))}])"


@template("slices", 2)
def text_slice(rng: random.Random) -> str:
    text = word(rng)
    start = rng.randrange(0, 3)
    return f'text = "{text}"\nprint(text[{start}:{rng.randrange(start + 2, len(text))}])'


@template("slices", 2)
def from_the_end(rng: random.Random) -> str:
    items = numbers(rng, rng.randrange(5, 8), 1, 30)
    return f"items = {items}\nprint(items[-{rng.randrange(1, 4)}] - items[{rng.randrange(0, 3)}])"


@template("numbers", 2)
def division(rng: random.Random) -> str:
    a, b = rng.randrange(17, 60), rng.randrange(4, 10)
    return f"n = {a}\nprint(n // {b}, n % {b})"


@template("loops", 2)
def countdown(rng: random.Random) -> str:
    n, step = rng.randrange(11, 30), rng.randrange(3, 6)
    return (
        f"n = {n}\ncount = 0\nwhile n > {rng.randrange(0, 4)}:\n    n = n - {step}\n"
        "    count = count + 1\nprint(n, count)"
    )


@template("loops", 2)
def conditional(rng: random.Random) -> str:
    items, d = numbers(rng, 6, 1, 20), rng.randrange(2, 4)
    return f"total = 0\nfor n in {items}:\n    if n % {d} == 0:\n        total += n\nprint(total)"


@template("loops", 2)
def ranges(rng: random.Random) -> str:
    start, step = rng.randrange(1, 6), rng.randrange(2, 5)
    return f"print(list(range({start}, {start + step * rng.randrange(3, 5) + rng.randrange(0, 2)}, {step})))"


@template("lists", 2)
def ordering(rng: random.Random) -> str:
    items = numbers(rng, 5, 1, 30)
    way = rng.choice(("", ", reverse=True"))
    return f"items = {items}\nprint(sorted(items{way})[{rng.randrange(1, 4)}])"


@template("lists", 2)
def joined(rng: random.Random) -> str:
    a, b = numbers(rng, 3, 1, 9), numbers(rng, 2, 1, 9)
    return f"a = {a}\nb = {b}\nc = b + a\nprint(c[{rng.randrange(1, 4)}] + len(c))"


@template("strings", 2)
def replaced(rng: random.Random) -> Both:
    text = rng.choice([w for w in WORDS if len(set(w)) < len(w)])
    old = rng.choice([c for c in sorted(set(text)) if text.count(c) > 1])
    new = rng.choice("jqxz")
    code = f'text = "{text}"\nprint(text.replace("{old}", "{new}"))'
    others = (f'"{old}", "{new}", 1', f'"{old}", ""', f'"{new}", "{old}"', f'"{old}", "{old}{new}"')
    first, last = text.index(old), text.rindex(old)
    parts = (text[:last] + new + text[last + 1 :], text[:first] + new + text[first + 1 : last] + text[last + 1 :])
    codes = [code.replace(f'"{old}", "{new}"', other) for other in others]
    return code, codes + [f'print("{part}")' for part in parts]


@template("strings", 2)
def separated(rng: random.Random) -> str:
    a, b, c = (str(n) for n in numbers(rng, 3, 1, 30))
    return f'parts = "{a}-{b}-{c}".split("-")\nprint(parts[{rng.randrange(0, 3)}] + parts[{rng.randrange(0, 3)}])'


@template("functions", 2)
def simple_call(rng: random.Random) -> str:
    a, b, c, d = numbers(rng, 4, 2, 9)
    return f"def f(a, b):\n    return a * {a} - b\n\nprint(f({b}, {c}) + {d})"


@template("comprehensions", 2)
def squares(rng: random.Random) -> str:
    what = rng.choice(
        (f"n * {rng.randrange(2, 6)}", f"n + {rng.randrange(3, 9)}", "n * n", f"{rng.randrange(9, 15)} - n")
    )
    return f"print([{what} for n in range({rng.randrange(1, 4)}, {rng.randrange(5, 8)})])"


@template("dictionaries", 2)
def updated(rng: random.Random) -> str:
    a, b, c = numbers(rng, 3, 1, 20)
    x, y = sorted(rng.sample(("cups", "forks", "knives", "plates", "spoons"), 2))
    return f'stock = dict({x}={a}, {y}={b})\nstock["{x}"] += {c}\nstock["bowls"] = {b}\nprint(len(stock), stock["{x}"])'


@template("strings", 2)
def counted(rng: random.Random) -> str:
    a, b = words(rng, 2)
    letter = rng.choice(sorted(set(a)))
    return f'text = "{a} {b}"\nprint(text.count("{letter}"), text.index("{letter}"))'
