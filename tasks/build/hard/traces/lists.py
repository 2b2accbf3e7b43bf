"""Lists under several names, queues, sorting."""

from __future__ import annotations

import random

from build.hard.traces.templates import Size, letters, some, spelt, template


def computed(rng: random.Random, n: int, size: Size) -> str:
    """A list of n numbers: written out while it is short."""
    top = {6: 20, 7: 40, 8: 99, 9: 99, 10: 199}[size.level]
    if n <= 8:
        return str(some(rng, n, 1, top))
    m = rng.randrange(max(n + 3, top // 2), 2 * top + n) | 1
    return f"[(i * i * {rng.randrange(2, 12)} + i * {rng.randrange(13, 40)}) % {m} for i in range({n})]"


@template("aliasing")
def shared_rows(rng: random.Random, size: Size) -> str:
    a, b, c, d, e, f = some(rng, 6, 1, 12)
    m, k = size.modulus(rng), rng.randrange(3, 6)
    return (
        f"rows = [[{a}, {b}], [{c}, {d}], [{e}, {f}]]\nrows.append(rows[{rng.randrange(0, 3)}])\ncur = rows[1]\n"
        f"for i in range({size.times(4.7)}):\n    cur.append((sum(cur) * {rng.randrange(2, 5)} + i) % {m})\n"
        f"    if len(cur) > {k}:\n        rows[i % 4] = cur[{rng.choice(('-2:', '1:3', '::2', '2:'))}]\n"
        f"    cur = rows[(i * {rng.randrange(2, 6)} + cur[0]) % 4]\n    cur[0] = (cur[0] + cur[-1]) % {m}\n"
        f"print([r[-1] for r in rows], sum(map(len, rows)))"
    )


@template("aliasing")
def renamed(rng: random.Random, size: Size) -> str:
    a, b, c, d = some(rng, 4, 1, 15)
    m, e = size.modulus(rng), rng.randrange(3, 5)
    first = rng.choice((f"b += [(a[-1] * {c} + i) % {m}]", f"b.insert(1, (a[0] + b[-1] * {c}) % {m})"))
    cut = rng.choice(("a = b[2:]", "a = b[::2]", "del b[:2]", "b = a[1:]"))
    other = rng.choice((f"a = a + [(b[0] * {d} + i) % {m}]", f"a[0] = (b[-1] + a[0] * {d}) % {m}", "a = a[1:] + a[:1]"))
    return (
        f"a, c = [{a}, {b}], [{c}, {d}]\nb = a\nfor i in range({size.times(4.1)}):\n    if (i + len(a)) % {e} == 1:\n"
        f"        a, b, c = c, a, b\n    elif len(b) > {rng.randrange(3, 6)}:\n        {cut}\n    else:\n"
        f"        {other}\n"
        f"    {first}\nprint(a[-1], b[0], len(c), sum(a + b + c) % {m})"
    )


@template("aliasing", (8, 9, 10))
def keyed(rng: random.Random, size: Size) -> str:
    x, y, z = sorted(letters(rng, 3))
    a, b, c = some(rng, 3, 1, 15)
    m, path = size.modulus(rng), spelt(rng, 6 + min(6, size.level - 6) * 2, x + y + z)
    again = max(1, round(size.steps / (4.0 * len(path))))
    loop = f'"{path}"' + (f" * {again}" if again > 1 else "")
    move = rng.choice(("d[k] = last + [v[0]]", "last.append(v[-1])", "d[k], last = last, v", "v[-1:] = last[:1]"))
    return (
        f"a, b = [{a}, {b}], [{c}]\nd = dict({x}=a, {y}=b, {z}=a)\nlast = b\nfor k in {loop}:\n    v = d[k]\n"
        f"    v[0] = (v[0] * {rng.randrange(2, 6)} + len(last)) % {m}\n    if v[0] % {rng.randrange(2, 4)} == 0:\n"
        f"        {move}\n    elif len(v) < 4:\n        v.append(last[-1] + {rng.randrange(1, 9)})\n"
        f"    last = v\nprint(d['{x}'][0], d['{y}'][0], d['{z}'][-1], sum(b) % {m})"
    ).replace("'", '"')


@template("aliasing", (7, 8, 9, 10))
def growing(rng: random.Random, size: Size) -> str:
    items, m = some(rng, 4, 3, 30), size.modulus(rng)
    d, top = rng.randrange(2, 5), size.times(3.5, 6)
    first = rng.choice((f"items.append((x * {rng.randrange(2, 7)} + t) % {m})", f"items.append((t + x) % {m})"))
    second = rng.choice(("items.insert(0, t % 9)", "items.pop(0)", "items.remove(x)", "items[-1] += t % 9"))
    return (
        f"items, t, n = {items}, {rng.randrange(1, 9)}, 0\nfor x in items:\n    n += 1\n    if n > {top}:\n"
        f"        break\n"
        f"    t = (t + x * n) % {m}\n    if t % {d} == 0:\n        {second}\n    {first}\n"
        f"print(t, items[0], sum(items) % {m})"
    )


@template("queues")
def counted_out(rng: random.Random, size: Size) -> str:
    n, m = size.times(4.4, 5), rng.randrange(5, 12)
    k, a = rng.randrange(2, 9), rng.randrange(2, 5)
    step = rng.choice((f"k = k * {a} % {m} + 2", f"k = (k + i) % {m} + 1", f"k = (k + x * {a}) % {m} + 1"))
    return (
        f"ring = list(range({rng.randrange(1, 9)}, {n + 8}))\n"
        f"k, i, t = {k}, {rng.randrange(0, 3)}, {rng.randrange(0, 9)}\n"
        f"while len(ring) > {rng.randrange(2, 4)}:\n    i = (i + k) % len(ring)\n    x = ring.pop(i)\n"
        f"    t = (t * {rng.randrange(2, 4)} + x) % {size.modulus(rng)}\n    {step}\nprint(t, ring[0], ring[-1])"
    )


@template("queues", (6, 7, 8))
def cards(rng: random.Random, size: Size) -> str:
    count = 4 if size.level < 8 else 6
    deck = some(rng, 2 * count, 1, 40 if size.level < 9 else 99)
    m, d = rng.randrange(5, 9), rng.randrange(2, 5)
    test = rng.choice((f"(x + n) % {m} > y % {m}", f"x * {d} % {m} > (y + n) % {m}", f"(x + y) % {m} > n % {d}"))
    return (
        f"a, b = {deck[:count]}, {deck[count:]}\nn, t = 0, {rng.randrange(1, 9)}\n"
        f"while a and b and n < {size.times(7.2)}:\n    x, y = a.pop(0), b.pop(0)\n    n += 1\n    if {test}:\n"
        f"        a += {rng.choice(('[y, x]', '[x, y]'))}\n        t = (t * {d} + x) % {size.modulus(rng)}\n    else:\n"
        f"        b += {rng.choice(('[y, x]', '[x, y]'))}\n        t += y\nprint(t, len(a), sum(a))"
    )


@template("queues")
def rounds(rng: random.Random, size: Size) -> str:
    names = letters(rng, 4)
    work = some(rng, 4, 4, 20 if size.level < 9 else 60)
    q, d = rng.randrange(3, 6), rng.randrange(2, 5)
    pairs = ", ".join(f'["{name}", {n}]' for name, n in zip(names, work, strict=True))
    return (
        f"queue = [{pairs}]\nclock, t = {rng.randrange(0, 9)}, {rng.randrange(1, 9)}\n"
        f"for i in range({size.times(6.3)}):\n"
        f"    name, left = queue.pop(0)\n    used = min(left, {q} + clock % {d})\n    clock += used\n"
        f"    t = (t * {rng.randrange(2, 5)} + left * clock) % {size.modulus(rng)}\n    if left > used:\n"
        f"        queue.append([name, left - used])\n    else:\n"
        f"        queue.insert({rng.randrange(0, 3)}, [name, t % {rng.randrange(11, 30)} + {q}])\n"
        "print(clock, t, queue[0][0], queue[-1][1])"
    )


@template("sorting")
def bubbling(rng: random.Random, size: Size) -> str:
    n = max(4, min(14 if size.level < 9 else 80, round((size.steps / 2.2) ** 0.5)))
    key, d = rng.choice(("%", "//")), rng.randrange(5, 14)
    test = rng.choice((f"a[j] {key} {d} > a[j + 1] {key} {d}", f"a[j] % {d} < a[j + 1] % {d}", "a[j] > a[j + 1]"))
    less = rng.choice(("", " - i"))
    by = rng.choice(("i", "j", "swaps"))
    passes = rng.randrange(2, max(3, round(size.steps / (2.2 * n))) + 1)
    return (
        f"a = {computed(rng, n, size)}\nswaps, t = 0, {rng.randrange(1, 9)}\nfor i in range({passes}):\n"
        f"    for j in range(len(a) - 1{less}):\n        if {test}:\n"
        f"            a[j], a[j + 1] = a[j + 1], a[j]\n            swaps += 1\n"
        f"            t = (t * {rng.randrange(2, 5)} + a[j] * {by}) % {size.modulus(rng)}\n"
        f"print(swaps, t, a[{n // 2}])"
    )


@template("sorting")
def gaps(rng: random.Random, size: Size) -> str:
    n = max(5, min(40 if size.level < 9 else 400, round(size.steps / 4.5)))
    first, last = rng.choice(((4, 1), (3, 1), (5, 2))) if n < 12 else rng.choice(((9, 2), (7, 1), (11, 3)))
    return (
        f"a = {computed(rng, n, size)}\nn = t = {rng.randrange(1, 6)}\nfor gap in ({first}, {last}):\n"
        f"    for i in range(gap, len(a)):\n        x, j = a[i], i\n        while j >= gap and a[j - gap] > x:\n"
        f"            a[j] = a[j - gap]\n            j -= gap\n            n += 1\n        a[j] = x\n"
        f"        t = (t * {rng.randrange(2, 5)} + j * x) % {size.modulus(rng)}\nprint(n, t)"
    )


@template("sorting", (7, 8, 9, 10))
def partitions(rng: random.Random, size: Size) -> str:
    n = size.times(11, 4)
    pivot = rng.choice(("a[0]", "a[-1]", "a[len(a) // 2]"))
    skip = {"a[0]": "a[1:]", "a[-1]": "a[:-1]", "a[len(a) // 2]": "a[:len(a) // 2]"}[pivot]
    low = rng.choice(("x < p", "x <= p", f"x % {rng.randrange(7, 19)} < p % {rng.randrange(7, 19)}"))
    return (
        f"t = {rng.randrange(1, 9)}\ndef f(a, d):\n    global t\n    if len(a) < 2:\n        return d\n"
        f"    p = {pivot}\n"
        f"    low = [x for x in {skip} if {low}]\n    high = [x for x in {skip} if x > p]\n"
        f"    t = (t * {rng.randrange(2, 5)} + p * d + len(low)) % {size.modulus(rng)}\n"
        f"    return f(high, d + 1) + f(low, d + {rng.randrange(1, 3)})\nx = f({computed(rng, n, size)}, 1)\n"
        f"print(x, t)"
    )


@template("sorting", (8, 9, 10))
def searches(rng: random.Random, size: Size) -> str:
    n, m = rng.randrange(12, 40), size.modulus(rng)
    a, b = rng.randrange(2, 8), rng.randrange(2, 20)
    form = rng.choice((f"i * i + {a} * i", f"i * {a} + i % {rng.randrange(3, 7)} * 2", f"i * i // {a} + {b} * i"))
    return (
        f"a = [{form} for i in range({n})]\nt, x = {rng.randrange(1, 9)}, {b}\n"
        f"for k in range({size.times(14)}):\n    lo, hi = 0, len(a)\n    x = (x * {rng.randrange(3, 12)} + t) % a[-1]\n"
        f"    while lo < hi:\n        mid = (lo + hi) // 2\n        t = (t * {rng.randrange(2, 4)} + a[mid]) % {m}\n"
        f"        if a[mid] < x:\n            lo = mid + 1\n        else:\n            hi = mid\n    t += lo\n"
        f"print(t, x)"
    )
