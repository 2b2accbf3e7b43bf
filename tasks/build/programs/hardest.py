"""Programs of level 5: when things are evaluated, what is shared, which operator binds first."""

from __future__ import annotations

import random

from build.programs.templates import Both, numbers, quoted, template, word, words


@template("closures", 5)
def late(rng: random.Random) -> Both:
    n, a = rng.randrange(3, 5), rng.randrange(2, 9)
    form = rng.choice((f"x * i + {a}", f"x + i * {a}", f"{a} * x - i", "x ** i"))
    code = (
        f"fs = []\nfor i in range({n}):\n    fs.append(lambda x: {form})\n"
        f"i = i + {rng.randrange(1, 3)}\nprint([f({rng.randrange(2, 5)}) for f in fs])"
    )
    return code, [code.replace("lambda x:", "lambda x, i=i:"), code.replace("lambda x:", "lambda x, i=i + 1:")]


@template("closures", 5)
def bound_default(rng: random.Random) -> Both:
    a, b, c, d = numbers(rng, 4, 2, 12)
    code = f"k = {a}\ndef f(x, m=k):\n    return x * m + k\nk = {b}\nprint(f({c}), f({d}, k))"
    return code, [code.replace("m=k", f"m={b}"), code.replace("* m + k", f"* m + {a}"), code.replace(f"k = {b}\n", "")]


@template("closures", 5)
def wrapped(rng: random.Random) -> str:
    a, b, c = numbers(rng, 3, 2, 9)
    return (
        f"def deco(f):\n    return lambda x: f(f(x)) {rng.choice('+-')} {a}\n@deco\n@deco\ndef g(x):\n"
        f"    return x {rng.choice(('* 2', '+ ' + str(b), '- ' + str(b)))}\nprint(g({c}))"
    )


@template("generators", 5)
def exhausted(rng: random.Random) -> Both:
    a, b, n = rng.randrange(2, 5), rng.randrange(2, 5), rng.randrange(5, 8)
    code = f"g = (x * {a} for x in range({n}))\na = [next(g) for _ in range({b})]\nb = sum(g)\nprint(a[-1], b, sum(g))"
    listed = code.replace("(x *", "[x *").replace(f"range({n}))", f"range({n})]").replace("next(g) for _", "g[_] for _")
    return code, [listed, listed.replace("b = sum(g)", f"b = sum(g[{b}:])"), code.replace("sum(g))", "b)")]


@template("generators", 5)
def twins(rng: random.Random) -> Both:
    items = numbers(rng, rng.randrange(5, 8), 1, 20)
    what = rng.choice(("a - b", "a + b", "b - a"))
    code = f"items = {items}\nit = iter(items)\nprint([{what} for a, b in zip(it, it)])"
    return code, [
        code.replace("zip(it, it)", "zip(items, items[1:])"),
        code.replace("zip(it, it)", "zip(items, items)"),
    ]


@template("classes", 5)
def shared_attribute(rng: random.Random) -> Both:
    a, b, c = numbers(rng, 3, 1, 9)
    code = (
        f"class A:\n    n, items = {a}, []\np, q = A(), A()\np.items.append({b})\np.n += {c}\nA.n = {b + c}\n"
        "print(p.n, q.n, len(q.items))"
    )
    apart = code.replace("n, items = ", "n, items = ").replace("A.n = ", "q.m = ")
    return code, [
        apart,
        code.replace("p.n += ", "A.n += "),
        code.replace("len(q.items)", "0"),
        code.replace("A.n =", "p.n ="),
    ]


@template("mutation", 5)
def removing(rng: random.Random) -> Both:
    d = rng.randrange(2, 4)
    items = [d * n for n in numbers(rng, 4, 1, 6)]
    items.insert(rng.randrange(1, 4), d * 7 + 1)
    code = f"items = {items}\nfor n in items:\n    if n % {d} == 0:\n        items.remove(n)\nprint(items)"
    return code, [code.replace("for n in items:", "for n in items[:]:"), code.replace("remove(n)", "remove(items[0])")]


@template("mutation", 5)
def in_place(rng: random.Random) -> Both:
    a, (x, y, z) = numbers(rng, 2, 1, 9), numbers(rng, 3, 10, 19)
    code = f"a = {a}\nb = a\na += [{x}]\na = a + [{y}]\nb += [{z}]\nprint(a, b)"
    return code, [
        code.replace("b = a\n", "b = a[:]\n"),
        code.replace("a = a + ", "a += "),
        code.replace("a += [", "a = a + ["),
    ]


@template("mutation", 5)
def nested_copy(rng: random.Random) -> Both:
    (a, b, c), (x, y) = numbers(rng, 3, 1, 9), numbers(rng, 2, 10, 19)
    code = (
        f"a = [[{a}], [{b}, {c}]]\nb = list(a)\nb[{rng.randrange(0, 2)}].append({x})\n"
        f"b.append([{y}])\na[0] = [{y}]\nprint(len(a), b[0], a[1])"
    )
    deep = code.replace("list(a)", "[r[:] for r in a]")
    return code, [deep, code.replace("list(a)", "a"), deep.replace(f"a[0] = [{y}]\n", "")]


@template("recursion", 5)
def mutual(rng: random.Random) -> str:
    a, b, n = rng.randrange(1, 4), rng.randrange(2, 4), rng.randrange(6, 10)
    less, sign = rng.randrange(1, 3), rng.choice(("2 * ", "3 * ", "-"))
    return (
        f"def f(n):\n    return {a} if n < 1 else n + g(n - {less})\n"
        f"def g(n):\n    return {b} if n < 1 else {sign}f(n - 2)\nprint(f({n}), g({n - 1}))"
    )


@template("recursion", 5)
def calls(rng: random.Random) -> str:
    n, low = rng.randrange(4, 7), rng.randrange(1, 3)
    return (
        f"calls = 0\ndef f(n):\n    global calls\n    calls += 1\n"
        f"    return n if n <= {low} else f(n - 1) + f(n - {rng.randrange(2, 4)})\nx = f({n})\nprint(x, calls)"
    )


@template("numbers", 5)
def precedence(rng: random.Random) -> Both:
    a, b, c, d = rng.randrange(2, 4), rng.randrange(2, 4), rng.randrange(2, 8), rng.randrange(1, 4)
    first, wrong = rng.choice(
        (
            (f"-{a} ** 2 + {c}", f"(-{a}) ** 2 + {c}"),
            (f"2 ** {a} ** 2 - {c}", f"(2 ** {a}) ** 2 - {c}"),
            (f"-{c} // {b + 1} * {d + 1}", f"-({c} // {b + 1}) * {d + 1}"),
        )
    )
    second, other = rng.choice(((f"1 << {d} + {a}", f"(1 << {d}) + {a}"), (f"{c} & {a} + {d}", f"({c} & {a}) + {d}")))
    code = f"x = {first}\ny = {second}\nprint(x, y)"
    return code, [f"x = {x}\ny = {y}\nprint(x, y)" for x, y in ((wrong, second), (first, other), (wrong, other))]


@template("strings", 5)
def rotated(rng: random.Random) -> str:
    text, step = (
        rng.choice([w for w in (word(rng) for _ in range(20)) if len(w) <= 6] or ["stone"]),
        rng.randrange(2, 6),
    )
    return (
        f'out = ""\nfor i, c in enumerate("{text}"):\n    k = (ord(c) - 97 + i * {step}) % 26\n'
        "    out = chr(97 + k) + out\nprint(out)"
    )


@template("lists", 5)
def tuple_keys(rng: random.Random) -> Both:
    keys = ["(-len(w), w[-1])", "(len(w) % 2, w[1])", '(w.count("e"), w[-1])', "(len(w), w[::-1])"]
    key = rng.choice(keys)
    code = f"words = {quoted(words(rng, 4))}\nwords.sort(key=lambda w: {key})\nprint(words[1], words[2])"
    others = [other for other in keys if other != key]
    reverse = code.replace(f": {key})", f": {key}, reverse=True)")
    return code, [reverse, *(code.replace(key, other) for other in ("w", *others, "0"))]
