"""Loops in loops, digits, tables filled from their neighbours."""

from __future__ import annotations

import random

from build.hard.traces.templates import Size, letters, some, spelt, template


@template("loops")
def nested(rng: random.Random, size: Size) -> str:
    n = size.times(3.6, 4)
    wide = rng.randrange(2, max(3, int(n**0.5)) + 1)
    high = max(2, round(n / wide))
    a, b, c = some(rng, 3, 2, 12)
    m, k, d = size.modulus(rng), rng.randrange(2, 7), rng.randrange(3, 5)
    test = rng.choice((f"(a + i * j) % {d} == 1", f"(b + j) % {d} < 2", f"a % {d} > j % 2", f"(a * i + j) % {d} == 2"))
    first = rng.choice((f"a = (a * {k} + j) % {m}", f"a = (a * {k} + b) % {m}", f"a = (a + b * {k} + i) % {m}"))
    last = rng.choice((f"b = (b + a * j + {k}) % {m}", f"b = (a + b + i * j) % {m}", f"b = (b * 3 + i) % {m}"))
    start = rng.choice(("1", "i", "2"))
    end = {"1": str(wide + 1), "2": str(wide + 2), "i": f"i + {wide}"}[start]
    return (
        f"a, b, c = {a}, {b}, {c}\nfor i in range({high}):\n    for j in range({start}, {end}):\n"
        f"        if {test}:\n            {first}\n        elif a < b:\n            a, b = b, a + c\n"
        f"        else:\n            {last}\n            c += 1\nprint(a, b, c)"
    )


@template("loops", (7, 8, 9, 10))
def digits(rng: random.Random, size: Size) -> str:
    k, step = rng.randrange(3, 30), rng.randrange(2, 12)
    start = rng.randrange(11, 60) if size.level < 8 else rng.randrange(120, 900)
    n = size.times(3.4 * len(str(start * k)) + 4)
    test = rng.choice(("r > n", "r % 3 == 1", "r % 4 > n % 3", "r < m * 2"))
    top = size.modulus(rng)
    update = rng.choice((f"t += r - n % {step + 3}", f"t = (t * 3 + r) % {top}", f"t = (t + r) % {top}"))
    other = rng.choice(("t -= n", f"t = t // 2 + {step}", "m += n % 7"))
    return (
        f"t, m = {rng.randrange(3, 20)}, {rng.randrange(1, 9)}\nfor i in range({n}):\n"
        f"    n, r = ({start} + i * {step}) * {k} + m, 0\n    while n > 0:\n        r = r * 10 + n % 10\n"
        f"        n //= 10\n    n = i * {rng.randrange(20, 90)}\n    if {test}:\n        {update}\n    else:\n"
        f"        {other}\n    m = (m + t) % {rng.randrange(7, 20)}\nprint(t, m)"
    )


@template("loops")
def jumping(rng: random.Random, size: Size) -> str:
    m = size.modulus(rng)
    n, k, d = rng.randrange(m // 2, m), rng.randrange(3, 8), rng.randrange(2, 4)
    up = rng.choice((f"n = (n * {k} + i) % {m}", f"n = n * {k} % {m} + i", f"n = (n * {k} + t) % {m}"))
    down = rng.choice((f"n = n // {d} + t % 5", f"n //= {d}", f"n = n // {d} + i"))
    count = rng.choice(("t += i % 4", "t += n % 7", "t = t * 2 % 31 + 1"))
    return (
        f"n, t = {n}, {rng.randrange(1, 6)}\nfor i in range({size.times(3.5)}):\n    if n % {d} == 0:\n        {down}\n"
        f"        if n % {rng.randrange(3, 6)} == 1:\n            continue\n    else:\n        {up}\n    {count}\n"
        "print(n, t)"
    )


@template("tables")
def grid(rng: random.Random, size: Size) -> str:
    n = size.times(6.5, 4)
    wide = max(2, min(9, int(n**0.5) + rng.randrange(0, 2)))
    high = max(2, round(n / wide))
    a, b, c = some(rng, 3, 3, 11)
    d, m = rng.randrange(5, 10), size.modulus(rng)
    form = rng.choice(
        (
            f"max(up, left) + (i * {a} + j * {b}) % {d}",
            f"min(up, left) + (i * {a} + j * j * {b}) % {d}",
            f"(up * {c} + left + i * j) % {m}",
            f"(up + left * {c} + {b}) % {m}",
            f"abs(up - left) + (i * {a} + j * {b}) % {d}",
        )
    )
    return (
        f"w, h = {wide}, {high}\nt = [[0] * w for k in range(h)]\nfor i in range(h):\n    for j in range(w):\n"
        f"        up = t[i - 1][j] if i else j * {c}\n        left = t[i][j - 1] if j else i + {a}\n"
        f"        t[i][j] = {form}\nprint(t[-1][-1], t[h // 2][-2], sum(t[-1]) % {size.modulus(rng)})"
    )


@template("tables", (7, 8, 9, 10))
def coins(rng: random.Random, size: Size) -> str:
    total = size.times(3.2 * 2.2, 5)
    kinds = sorted(some(rng, 3, 2, max(5, min(9, total // 2))))
    start, m = rng.randrange(1, 5), size.modulus(rng)
    step = rng.choice(
        (
            f"ways[n] = (ways[n] * {rng.randrange(2, 5)} + ways[n - c]) % {m}",
            f"ways[n] = (ways[n] + ways[n - c] * {rng.randrange(2, 6)}) % {m}",
            f"ways[n] = (ways[n] + ways[n - c] * c + n) % {m}",
        )
    )
    test = rng.choice((f"n % {rng.randrange(3, 5)} != 1", "ways[n - c] % 3 < 2", f"(n + c) % {rng.randrange(3, 5)}"))
    order = rng.choice((f"range(c, {total + 3})", f"range({total + 2}, c - 1, -1)"))
    return (
        f"ways = [{start}] + [0, {rng.randrange(1, 4)}] * {(total + 3) // 2}\nfor c in {kinds}:\n"
        f"    for n in {order}:\n"
        f"        if {test}:\n            {step}\n        else:\n            ways[n] += c\n"
        f"print(ways[{total}], ways[{total - 1}], sum(ways) % {size.modulus(rng)})"
    )


@template("tables")
def alignment(rng: random.Random, size: Size) -> str:
    n = size.times(5.0, 4)
    wide = max(2, min(14 if size.level < 10 else 28, int(n**0.5) + rng.randrange(0, 2)))
    high = max(2, round(n / wide))
    of = letters(rng, 3)
    gap, hit, miss = rng.randrange(2, 5), rng.randrange(3, 9), rng.randrange(1, 4)
    best = rng.choice(
        (
            f"max(d + {hit} if x == y else d - {miss}, up - {gap}, row[j] - 1)",
            f"min(d - {miss} if x == y else d + {hit}, up + {gap}, row[j] + 1)",
            f"max(d + {hit} + k if x == y else d - {miss}, up - {gap}, row[j])",
        )
    )
    step = rng.choice(("k", "k * 2", f"k + {rng.randrange(1, 5)}", "-k"))
    return (
        f'k, row = 0, [{step} for k in range({wide + 1})]\nfor x in "{spelt(rng, high, of)}":\n'
        f"    k += {rng.randrange(1, 4)}\n    d, row[0] = row[0], k\n"
        f'    for j, y in enumerate("{spelt(rng, wide, of)}"):\n        up = row[j + 1]\n'
        f"        row[j + 1] = {best}\n        d = up + (j + k) % {rng.randrange(2, 4)}\n"
        f"print(row[-1], row[-2], sum(row))"
    )


@template("tables", (7, 8, 9, 10))
def takings(rng: random.Random, size: Size) -> str:
    moves = sorted(some(rng, 3, 1, 7))
    n, m, start = size.times(8.5, 3), rng.randrange(3, 6), rng.randrange(0, 3)
    return (
        f"g, t = [{start}], {rng.randrange(1, 9)}\nfor n in range(1, {n + 1}):\n"
        f"    near = [g[n - k] for k in {moves} if k <= n]\n    x = n // {rng.randrange(2, 6)} % {m}\n"
        f"    while x in near:\n        x += 1\n    g.append(x)\n"
        f"    t = (t * {rng.randrange(2, 5)} + x * n) % {size.modulus(rng)}\nprint(t, sum(g), g[-1])"
    )
