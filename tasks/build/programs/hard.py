"""Programs of level 4: names and the objects behind them, scope, recursion, loops with an else."""

from __future__ import annotations

import random

from build.programs.templates import Both, letters, numbers, quoted, template, words


@template("mutation", 4)
def alias(rng: random.Random) -> Both:
    items, (x, y) = numbers(rng, 3, 1, 9), numbers(rng, 2, 10, 19)
    code = (
        f"a = {items}\nb = a\nc = a[:]\nb.append({x})\nc.append({y})\na[{rng.randrange(0, 3)}] = 0\n"
        "print(len(a), b, c[0])"
    )
    return code, [code.replace("b = a\n", "b = a[:]\n"), code.replace("a[:]", "a"), code.replace("a[:]", "b")]


@template("mutation", 4)
def rows(rng: random.Random) -> Both:
    wide, high = rng.randrange(2, 4), rng.randrange(2, 4)
    i, j, x = rng.randrange(0, high), rng.randrange(0, wide), rng.randrange(2, 9)
    code = f"rows = [[{x % 2}] * {wide}] * {high}\nrows[{i}][{j}] = {x}\nprint(rows[0], sum(rows[-1]), len(rows))"
    apart = code.replace(f"[[{x % 2}] * {wide}] * {high}", f"[[{x % 2}] * {wide} for _ in range({high})]")
    return code, [
        apart,
        apart.replace("rows[-1]", "rows[1]"),
        apart.replace(f"[{i}][{j}]", f"[{j % high}][{i % wide}]"),
    ]


@template("mutation", 4)
def passed(rng: random.Random) -> Both:
    items, (x, y) = numbers(rng, 2, 1, 9), numbers(rng, 2, 10, 19)
    code = (
        f"def f(p, n):\n    p.append(n)\n    p = [n]\n    n = n + {y}\n    return p\n\n"
        f"a, n = {items}, {x}\nb = f(a, n)\nprint(a, b, n)"
    ).replace("\n\n", "\n")
    return code, [code.replace("    p = [n]\n", ""), code.replace("p.append(n)\n    p = [n]", "p = p + [n]")]


@template("mutation", 4)
def sliced(rng: random.Random) -> str:
    items = numbers(rng, 6, 1, 20)
    i = rng.randrange(1, 3)
    new = numbers(rng, rng.randrange(1, 4), 21, 29)
    last = rng.choice((f"del items[{rng.randrange(0, 2)}]", "items[-1:] = []", "items[:0] = [0]"))
    return f"items = {items}\nitems[{i}:{i + 2}] = {new}\n{last}\nprint(items)"


@template("functions", 4)
def kept_default(rng: random.Random) -> Both:
    a, b, c = numbers(rng, 3, 1, 9)
    d = rng.randrange(10, 19)
    code = (
        f"def add(n, items=[{d}]):\n    items.append(n)\n    return items\nadd({a})\nadd({b}, [{c}])\nprint(add({c}))"
    )
    fresh = code.replace("items.append(n)\n    return items", "return items + [n]")
    return code, [fresh, code.replace(f"add({b}, [{c}])", f"add({b})"), code.replace(f"add({a})\n", "")]


@template("recursion", 4)
def recursive(rng: random.Random) -> str:
    a, b, n = rng.randrange(1, 4), rng.randrange(2, 4), rng.randrange(4, 8)
    step = rng.choice(("f(n - 1) + f(n - 2)", f"f(n - 1) + {b} * f(n - 2)", f"{b} * f(n - 1) - n", "n + f(n - 2)"))
    return f"def f(n):\n    if n < 2:\n        return {a}\n    return {step}\n\nprint(f({n}))"


@template("recursion", 4)
def backwards(rng: random.Random) -> str:
    text = letters(rng, 4)
    put = rng.choice(("f(s[1:]) + s[0]", "s[-1] + f(s[1:-1]) + s[0]", "s[0] + f(s[2:]) + s[1]", "s[-1] + f(s[:-1])"))
    return f'def f(s):\n    if len(s) < 2:\n        return s\n    return {put}\n\nprint(f("{text}"))'


@template("closures", 4)
def counter(rng: random.Random) -> Both:
    start, step, more = rng.randrange(0, 6), rng.randrange(2, 6), rng.randrange(2, 4)
    code = (
        f"def make(n):\n    def step():\n        nonlocal n\n        n += {step}\n        return n\n    return step\n"
        f"a, b = make({start}), make({start + more})\nprint(a(), a(), b(), a())"
    )
    shared = f"n = {start}\ndef a():\n    global n\n    n += {step}\n    return n\nb = a\nprint(a(), a(), b(), a())"
    return code, [shared, code.replace("nonlocal n\n        n += ", f"nonlocal n\n        return {start} + ")]


@template("scope", 4)
def shadowed(rng: random.Random) -> Both:
    a, b, c = numbers(rng, 3, 2, 12)
    code = f"x = {a}\ndef f(y):\n    x = y + {b}\n    return x\ny = f(x) + f({c})\nprint(x, y)"
    return code, [code.replace("def f(y):\n", "def f(y):\n    global x\n"), code.replace("y = f(x) + f(", "y = f(x + ")]


@template("generators", 4)
def pulled(rng: random.Random) -> str:
    a, b = rng.randrange(1, 6), rng.randrange(2, 4)
    return (
        f"def gen(n):\n    while True:\n        yield n\n        n = n * {b} + {a}\n"
        f"g = gen({rng.randrange(1, 5)})\nnext(g)\nx = next(g)\nprint(x, next(g) - x)"
    )


@template("comprehensions", 4)
def crossed(rng: random.Random) -> str:
    a, b = sorted(numbers(rng, 3, 1, 6)), sorted(numbers(rng, 2, 1, 6))
    test = rng.choice(("x != y", "x < y", "x > y", "(x + y) % 2"))
    form = rng.choice(("x * y", "10 * x + y", "x + y"))
    return f"print([{form} for x in {a} for y in {b} if {test}])"


@template("loops", 4)
def loop_else(rng: random.Random) -> Both:
    items, d = numbers(rng, 4, 5, 30), rng.randrange(3, 6)
    a = rng.randrange(50, 99)
    code = (
        f"last = 0\nfor n in {items}:\n    if n % {d} == 0:\n        break\n    last += n\nelse:\n"
        f"    last += {a}\nprint(last, n)"
    )
    return code, [code.replace("else:\n    last", "last"), code.replace(f"else:\n    last += {a}\n", "")]


@template("exceptions", 4)
def caught(rng: random.Random) -> Both:
    items = rng.sample(('"7"', '"x"', '"12"', '"3.5"', '"4"', '"-2"'), 4)
    a, b = numbers(rng, 2, 10, 30)
    code = (
        f"n = 0\nfor s in [{', '.join(items)}]:\n    try:\n        n += int(s)\n"
        f"    except ValueError:\n        n += {a}\nprint(n, {b} - n)"
    )
    return code, [
        code.replace("    except ValueError", "        break\n    except ValueError"),
        code.replace("int(s)", "float(s)"),
    ]


@template("dictionaries", 4)
def grouped(rng: random.Random) -> Both:
    listed, key = quoted(words(rng, 5)), rng.choice(("len(w)", "len(w) % 2", 'w[0] < "m"'))
    add = f"groups.setdefault({key}, []).append(w[0])"
    code = f"groups = dict()\nfor w in {listed}:\n    {add}\nprint(list(groups.values()))"
    others = (
        f"groups[{key}] = [w[0]]",
        f"groups.setdefault({key}, [w[0]])",
        f"groups.setdefault({key}, []).insert(0, w[0])",
    )
    turned = [code.replace("(list(groups.values()))", "([groups[k] for k in sorted(groups)])")]
    turned.append(code.replace("values())", "values())[::-1]"))
    return code, [*turned, *(code.replace(add, other) for other in others)]
