"""Functions that call themselves, functions that remember, generators that feed each other."""

from __future__ import annotations

import random

from build.hard.traces.templates import Size, some, template


@template("recursion", (6, 7, 8))
def branching(rng: random.Random, size: Size) -> str:
    n = rng.randrange(4, 9 + 2 * (size.level - 6))
    k, a, b, m = rng.randrange(2, 4 + size.level - 6), rng.randrange(2, 6), rng.randrange(2, 8), size.modulus(rng)
    d = rng.randrange(2, 4)
    first = rng.choice(
        (f"f(n // {d}, k) - {a} * f(n - 2, k - 1)", f"f(n - {d}, k - 1) + f(n // 2, k)", f"k * f(n - {d}, k - 1)")
    )
    last = rng.choice(
        (f"({a} * f(n - 1, k) + f(n - 3, k - 1))", f"(f(n - 2, k) - {a} * f(n - 1, k - 1))", f"(f(n - 1, k - 1) + {a})")
    )
    return (
        f"def f(n, k):\n    if n < 2 or k < 1:\n        return n * {b} + k\n    if n % {d} == {rng.randrange(0, d)}:\n"
        f"        return {first}\n    return {last} % {m}\nprint(f({n}, {k}), f({n - 1}, {k + 1}))"
    )


@template("recursion", (6, 7, 8))
def remembered(rng: random.Random, size: Size) -> str:
    m, start = size.modulus(rng), max(6, size.steps // 4) + rng.randrange(0, 9)
    a, b, c = some(rng, 3, 2, 9)
    i, j = sorted(some(rng, 2, 1, 3 if size.level < 10 else 2))
    parts = rng.choice(
        (
            (f"n // {i + 1}", f"n // {j + 1}"),
            (f"n - {j}", f"n // {i + 1}"),
            (f"n - {c}", f"n // {j}"),
            (f"n // {j}", f"n - {c + 4}"),
        )
    )
    return (
        f"memo = dict()\ndef f(n):\n    if n < {rng.randrange(3, 6)}:\n        return n + {b}\n    if n not in memo:\n"
        f"        memo[n] = ({a} * f({parts[0]}) + f({parts[1]}) * n) % {m}\n"
        f"        memo[n] += len(memo) % {rng.randrange(2, 5)}\n    return memo[n]\nx = f({start})\n"
        f"print(x, f({start - b}), len(memo))"
    )


@template("recursion")
def splitting(rng: random.Random, size: Size) -> str:
    n, m = size.times(3.6, 4), size.modulus(rng)
    cut, parts = rng.choice((("lo + hi", 2), ("lo * 2 + hi", 3), ("lo + hi * 2", 3)))
    a, b, c = some(rng, 3, 2, 9)
    join = rng.choice((f"(x * {a} - y)", f"(x + y * {a} + d)", f"(x * d + y * {a})"))
    return (
        f"log = [{b}]\ndef f(lo, hi, d):\n    if hi - lo < 2:\n"
        f"        log.append((lo * d + log[-1]) % {rng.choice((7, 9, 11))})\n"
        f"        return lo * {c} + d\n    mid = ({cut} + 1) // {parts}\n"
        f"    x, y = f(lo, mid, d + 1), f(mid, hi, d + {rng.randrange(2, 4)})\n    if x > y:\n        log.append(d)\n"
        f"    return {join} % {m}\nx = f({rng.randrange(0, 9)}, {n + rng.randrange(0, 9)}, {rng.randrange(1, 4)})\n"
        "print(x, sum(log), log[-1])"
    )


@template("recursion", (6, 7))
def mutual(rng: random.Random, size: Size) -> str:
    m, n = size.modulus(rng), max(6, size.steps // 2 + rng.randrange(-3, 4))
    a, b, c = some(rng, 3, 2, 7)
    d = rng.randrange(2, 4)
    last = rng.choice((f"f(n - {d}, k) + g(n - k - 1, k)", f"g(n - {d}, k) - f(n // 2, k + 1)", f"k * f(n - {d}, k)"))
    return (
        f"t = {a}\ndef f(n, k):\n    global t\n    t = (t * {b} + n) % {m}\n    if n < {c}:\n        return n + k\n"
        f"    return f(n - k, k + 1) if t % {d} else g(n * 2 // 3, k)\ndef g(n, k):\n    global t\n"
        f"    t = (t + n * k) % {m}\n    return k if n < {d} else {last}\nx = f({n}, {rng.randrange(1, 4)})\n"
        f"print(x, t)"
    )


@template("recursion", (8, 9, 10))
def paths(rng: random.Random, size: Size) -> str:
    """Remembered by two numbers, so that no call is deep."""
    m, (a, b, c) = size.modulus(rng), some(rng, 3, 2, 9)
    n = size.times(4.6, 12)
    wide = rng.randrange(max(3, int(n**0.5) // 2), int(n**0.5) + 1)
    d = rng.randrange(2, 5)
    first = rng.choice((f"x * {a} + y", f"x - y * {a}", "x * y + i"))
    last = rng.choice((f"y * {b} - x + j", "x * x + y", f"x + y * j + {b}"))
    return (
        f"memo = dict()\ndef f(i, j):\n    if i < 1 or j < 1:\n        return i * {b} + j * {c} + {a}\n"
        f"    if (i, j) not in memo:\n        x, y = f(i - 1, j), f(i, j - 1)\n        if (x + y) % {d}:\n"
        f"            z = {first}\n        else:\n            z = {last}\n        memo[i, j] = (z + len(memo)) % {m}\n"
        f"    return memo[i, j]\nx = f({wide}, {round(n / wide)})\nprint(x, memo[{wide - 1}, {round(n / wide) - 1}])"
    )


@template("closures")
def counters(rng: random.Random, size: Size) -> str:
    a, b, c, d = some(rng, 4, 1, 12)
    m, k, e = size.modulus(rng), rng.randrange(2, 6), rng.randrange(2, 4)
    first = rng.choice((f"(a * x + b) % {m}", f"(a + b * {k} + x) % {m}", f"(b * x + a * {k}) % {m}"))
    second = rng.choice((f"a = (a + b) % {m}", f"b = (b + a // {e}) % {m}", f"a, b = b, (a + {k}) % {m}"))
    return (
        f"def make(a, b):\n    def put(x):\n        nonlocal a, b\n        a, b = b, {first}\n        return a\n"
        f"    def get():\n        nonlocal a, b\n        {second}\n        return a - b\n    return put, get\n"
        f"p, q = make({a}, {b})\nr, s = make({c}, {d})\nt = {rng.randrange(1, 9)}\nfor i in range({size.times(4.2)}):\n"
        f"    t = t % {rng.choice((7, 9, 11))} + (p(i) + s() if t % {e} else r(t) - q())\nprint(t, q(), s())"
    )


@template("closures")
def windows(rng: random.Random, size: Size) -> str:
    m, keep = size.modulus(rng), rng.randrange(2, 5)
    back = rng.choice((f"sum(seen) % {m}", f"max(seen) - x % {rng.randrange(5, 12)}", "seen[0] + x"))
    n = len(seeds := some(rng, 3, 2, 11))
    return (
        f"def make(k):\n    seen = [k]\n    def f(x):\n        seen.append((x * k + seen[-1]) % {m})\n"
        f"        if len(seen) > {keep}:\n            seen.pop(0)\n        return {back}\n    return f\n"
        f"fs = [make(k) for k in {seeds}]\nx, t = {rng.randrange(1, 9)}, 0\nfor i in range({size.times(5.6)}):\n"
        f"    x = fs[(x + i) % {n}](x % {rng.randrange(11, 40)} + i)\n    t = (t * {rng.randrange(2, 4)} + x) % {m}\n"
        "print(x, t)"
    )


@template("closures")
def composed(rng: random.Random, size: Size) -> str:
    m, (a, b, c) = size.modulus(rng), some(rng, 3, 2, 9)
    d = rng.randrange(3, 5)
    forms = [
        f"fs.append(lambda x, i=i: (x * i + {a}) % {m})",
        f"fs.append(lambda x, f=fs[-1]: f(x + {b}) % {m})",
        f"fs.append(lambda x, f=fs[i // 2]: f(x) * {c} % {m})",
        f"fs.append(lambda x, g=fs[0], f=fs[-1]: (f(x) + g(x)) % {m})",
        f"fs.append(lambda x, i=i: x // {d} + i * {b})",
    ]
    one, other, last = rng.sample(forms, 3)
    n = rng.randrange(4, 9)
    return (
        f"fs = [lambda x: x * {a} + {c}]\nfor i in range(1, {n}):\n    if i % {d} == 1:\n        {one}\n"
        f"    elif i % {d} == 2:\n        {other}\n    else:\n        {last}\n"
        f"x, t = {rng.randrange(3, 30)}, {rng.randrange(1, 9)}\nfor i in range({size.times(7.5)}):\n"
        f"    x = fs[(i * {rng.randrange(2, 7)} + x) % {n}](x)\n    t = (t + x * {rng.randrange(2, 6)}) % {m}\n"
        f"print(x, t)"
    )


@template("generators")
def chained(rng: random.Random, size: Size) -> str:
    m, (a, b, c) = size.modulus(rng), some(rng, 3, 2, 9)
    square = f"x * {a}" if size.level < 8 else f"x * x + {a}"
    out = rng.choice(("x - last", "x + last * 2", "abs(x - last) + last % 3"))
    test = rng.choice((f"x % {c} != last % {c}", f"(x + last) % {c} > 1", f"x % {c} >= last % {c}"))
    return (
        f"def source(x, n):\n    while n:\n        yield x\n        x = ({square} + n) % {m}\n        n -= 1\n"
        f"def kept(it, last):\n    for x in it:\n        if {test}:\n            yield {out}\n            last = x\n"
        f"t = {rng.randrange(1, 20)}\nfor x in kept(source({rng.randrange(3, 40)}, {size.times(6.2)}), {b}):\n"
        f"    t = (t * {rng.randrange(2, 6)} + x) % {size.modulus(rng)}\nprint(x, t)"
    )


@template("generators")
def sent(rng: random.Random, size: Size) -> str:
    m, (a, b, c) = size.modulus(rng), some(rng, 3, 2, 9)
    d = rng.randrange(2, 4)
    return (
        f"def gen(t, k):\n    while True:\n        x = yield t\n        if x % {d}:\n"
        f"            t = (t * k + x) % {m}\n"
        f"        else:\n            t, k = abs(t - x // {rng.randrange(2, 5)}), k % {a + 3} + 1\n"
        f"g, h = gen({b}, {c}), gen({a}, {rng.randrange(2, 9)})\na, b = next(g), next(h)\n"
        f"for i in range({size.times(9.2)}):\n"
        f"    a, b = h.send(a + i), g.send(b{rng.choice(('', ' + a', ' * 2', ' - i'))})\n"
        "print(a, b)"
    )


@template("generators")
def drained(rng: random.Random, size: Size) -> str:
    m, (a, b, c) = size.modulus(rng), some(rng, 3, 2, 9)
    d = rng.randrange(2, 5)
    what = rng.choice((f"(i * i + {b}) * {a} % {m}", f"(i * {m // 3 + a} + {b}) % {m}", f"i * (i + {a}) * {c} % {m}"))
    return (
        f"g = ({what} for i in range({size.times(4.4, 4)}))\nt, n = {rng.randrange(1, 9)}, 0\nfor x in g:\n"
        f"    if x % {d} == {rng.randrange(0, 2)}:\n        y = next(g, {rng.randrange(3, 30)})\n"
        f"        t = (t + x * y) % {m}\n    elif x > t:\n        t, n = x - t % {c}, n + 1\n    else:\n"
        f"        t = t - x + next(g, {rng.randrange(3, 30)})\n"
        + ("print(t, n, x)" if size.level < 8 else "print(t, n)")
    )
