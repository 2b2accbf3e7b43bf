"""Numbers of a fixed width, machines with a stack or registers, automata and walks."""

from __future__ import annotations

import random

from build.hard.traces.templates import Size, letters, some, template

BITS = {6: 6, 7: 8, 8: 12, 9: 20, 10: 32}
"""Width of a word, by level."""


@template("bits")
def signed(rng: random.Random, size: Size) -> str:
    n_bits = BITS[size.level]
    mask, top = hex(2**n_bits - 1), hex(2 ** (n_bits - 1))
    mask, top = (str(int(mask, 16)), str(int(top, 16))) if n_bits < 8 else (mask.upper(), top.upper())
    a, b, shift = rng.randrange(3, 40) | 1, rng.randrange(5, 90), rng.randrange(2, max(3, n_bits // 3))
    wrap = f"x &= {mask}".replace("0X", "0x")
    high = top.replace("0X", "0x")
    down = rng.choice((f"h ^= h >> {shift}", f"h = h ^ h >> {shift}", f"h = wrap(-h ^ h >> {shift})"))
    text = letters(rng, min(14, size.times(7.5)))
    again = max(1, round(size.steps / (7.5 * len(text))))
    loop = f'"{text}"' + (f" * {again}" if again > 1 else "")
    return (
        f"def wrap(x):\n    {wrap}\n    return x - {high} * 2 if x & {high} else x\nh, t = {rng.randrange(3, 30)}, 0\n"
        f"for c in {loop}:\n    h = wrap(h * {a} + ord(c) * {b})\n    if h < 0:\n        {down}\n        t += 1\n"
        f"print(h // {max(2, 2 ** (n_bits // 4))}, t, h % {rng.choice((7, 11, 13, 17, 19))})"
    )


@template("bits")
def shifted(rng: random.Random, size: Size) -> str:
    n_bits = BITS[size.level]
    mask = hex(2**n_bits - 1).upper().replace("X", "x") if n_bits >= 8 else str(2**n_bits - 1)
    a, b, c = some(rng, 3, 1, max(4, n_bits // 2))
    d = rng.randrange(3, 6)
    third = f"x ^= x << {c} & {mask}" if size.level < 8 else f"x = (x ^ x << {c}) + t & {mask}"
    return (
        f"x, t = {rng.randrange(2 ** (n_bits - 3), 2 ** (n_bits - 1)) | 1}, {rng.randrange(1, 9)}\n"
        f"for i in range({size.times(5.8)}):\n    x ^= x << {a} & {mask}\n    x ^= x >> {b}\n"
        f"    {third}\n"
        f"    if x % {d} == {rng.randrange(0, 2)}:\n"
        f"        t = t * {rng.randrange(2, 4)} + x % {rng.randrange(7, 30)}\n"
        f"    t %= {size.modulus(rng)}\nprint(x >> {max(1, n_bits // 5)}, t)"
    )


@template("bits")
def ones(rng: random.Random, size: Size) -> str:
    a, b, c = rng.randrange(11, 99), rng.randrange(1, 4), rng.randrange(2, 9)
    scale = {6: 20, 7: 60, 8: 400, 9: 3000, 10: 60000}[size.level]
    n_ones = {6: 3, 7: 3.5, 8: 5, 9: 6.5, 10: 8}[size.level]
    start = rng.randrange(scale // 4, scale)
    return (
        f"t, u = {rng.randrange(1, 9)}, {start}\nfor n in range({size.times(4 + 3.1 * n_ones)}):\n"
        f"    m, k = u ^ u >> {b}, {rng.randrange(0, 3)}\n    while m:\n        m &= m - 1\n        k += 1\n"
        f"    if k % 2:\n        t ^= u + k\n    else:\n        t = (t + k * {c}) % {scale}\n"
        f"    u = (u * {a} + {'n' if size.level < 8 else 't'}) % {scale + rng.randrange(1, scale)}\nprint(t, k, u)"
    )


@template("bits")
def registers_of_bits(rng: random.Random, size: Size) -> str:
    n_bits = BITS[size.level]
    fed = "x" if size.level < 8 else "t"
    taps = sorted(some(rng, 2, 1, n_bits - 1))
    start = rng.randrange(2 ** (n_bits - 2), 2 ** (n_bits - 1)) | 1
    return (
        f"x, t, run = {start}, 0, {rng.randrange(0, 3)}\nfor i in range({size.times(4.6)}):\n"
        f"    b = (x ^ x >> {taps[0]} ^ {fed} >> {taps[1]}) & 1\n    x = x >> 1 | b << {n_bits - 1}\n    if b:\n"
        f"        run += 1\n        t += run * (x % {rng.randrange(5, 12)})\n    else:\n        run = 0\n"
        f"print(x, t)"
    )


@template("bits")
def congruential(rng: random.Random, size: Size) -> str:
    n_bits = BITS[size.level]
    mask = 2**n_bits - 1
    a = rng.randrange(5, min(mask, 99999)) // 4 * 4 + 1
    n, (p, q) = rng.randrange(4, 7), some(rng, 2, 3, 9)
    mixed = "x" if size.level < 8 else f"(x ^ x >> {rng.randrange(3, n_bits)})"
    return (
        f"x, bins = {rng.randrange(1, mask)}, [{p}] * {n}\nfor i in range({size.times(4.5)}):\n"
        f"    x = {mixed} * {a} + {rng.randrange(3, mask) | 1} & {mask}\n    k = (x >> {n_bits // 2}) % {n}\n"
        f"    if bins[k] > i % {q}:\n        bins[k] -= 1\n        bins[k - 1] += 2\n    else:\n"
        f"        bins[k] += x % {rng.randrange(3, 8)}\nprint(x >> {max(1, n_bits // 4)}, bins)"
    )


@template("machines", (6, 7, 8))
def stack(rng: random.Random, size: Size) -> str:
    n, m = size.times(3.9, 5), size.modulus(rng)
    length = min(n, rng.randrange(24, 31))
    again = max(1, round(n / length))
    depth, ops = 3, ""
    while len(ops) < length - 1 or depth < 3:
        op = rng.choice("dsr0123456789" + "+-*+-*" * (depth > 3))
        op = rng.choice("23456789") if depth < 3 else op
        depth += 1 if op == "d" or op.isdigit() else -1 if op in "+-*" else 0
        ops += op
    a, b, c = some(rng, 3, 1, 9)
    loop = f'"{ops}"' + (f" * {again}" if again > 1 else "")
    return (
        f"st = [{a}, {b}, {c}]\nfor op in {loop}:\n    if op.isdigit():\n        st.append(int(op))\n"
        f'    elif op == "d":\n        st.append(st[-1])\n    elif op == "s":\n'
        f"        st[-1], st[-2] = st[-2], st[-1]\n"
        f'    elif op == "r":\n        st.insert(0, st.pop())\n    else:\n        b, a = st.pop(), st.pop()\n'
        f'        x = a + b if op == "+" else a - b if op == "-" else a * b\n        st.append(x % {m})\n'
        f"print(st[-1], st[-2], sum(st) % {size.modulus(rng)})"
    )


@template("machines")
def registers(rng: random.Random, size: Size) -> str:
    m, n = size.modulus(rng), size.times(5.4)
    ops = []
    for place in range(rng.randrange(5, 8)):
        a, b = some(rng, 2, 0, 3)
        ops.append(rng.choice(((0, a, b), (0, a, b), (1, a, rng.randrange(2, 9)), (2, a, b), (3, a, place // 2))))
    if all(op != 3 for op, *_ in ops):
        ops[-1] = (3, rng.randrange(0, 4), rng.randrange(0, 3))
    half = len(ops) // 2
    lines = [", ".join(map(str, part)) for part in (ops[:half], ops[half:])]
    start = some(rng, 4, 1, 12)
    return (
        f"r, pc = {start}, 0\nops = [{lines[0]},\n       {lines[1]}]\nfor n in range({n}):\n    op, a, b = ops[pc]\n"
        f"    pc = (pc + 1) % {len(ops)}\n    if op == 0:\n        r[a] = (r[a] * {rng.randrange(2, 4)} + r[b]) % {m}\n"
        f"    elif op == 1:\n        r[a] += b * n\n    elif op == 2:\n        r[a], r[b] = r[b] - pc, r[a]\n"
        f"    elif r[a] % {rng.randrange(2, 4)}:\n        pc = b\nprint(*r, pc)"
    )


@template("machines")
def tape(rng: random.Random, size: Size) -> str:
    n, m = size.times(3.7, 5), size.modulus(rng)
    length = min(n, rng.randrange(18, 28))
    ops = "".join(rng.choice("><+-*=?") for _ in range(length))
    again = max(1, round(n / length))
    cells = some(rng, 4, 1, 12)
    loop = f'"{ops}"' + (f" * {again}" if again > 1 else "")
    return (
        f't, p = {cells}, {rng.randrange(0, 4)}\nfor op in {loop}:\n    if op in "<>":\n'
        f'        p = (p + (1 if op == ">" else 3)) % 4\n    elif op == "+":\n        t[p] += t[p - 1]\n'
        f'    elif op == "-":\n        t[p] = abs(t[p] - {rng.randrange(3, 12)})\n    elif op == "*":\n'
        f'        t[p] = t[p] * {rng.randrange(2, 8)} % {m}\n    elif op == "=":\n        t[p - 2] = t[p] % {m}\n'
        f"    elif t[p] > t[p - 1]:\n        p = t[p] % 4\nprint(*t, p)"
    )


@template("automata", (7, 8, 9, 10))
def rule(rng: random.Random, size: Size) -> str:
    wide = {6: 5, 7: 6, 8: 8, 9: 10, 10: 15}[size.level] + rng.randrange(0, 2 + size.level // 8)
    number = rng.choice((18, 22, 26, 30, 41, 45, 54, 60, 73, 89, 90, 101, 105, 106, 109, 110, 124, 135, 146, 150, 169))
    cells = [rng.randrange(0, 2) for _ in range(wide)]
    flip = "" if size.level < 8 else "    row[t % w] ^= 1\n"
    start = str(cells) if wide < 8 else f'[int(c) for c in "{"".join(map(str, cells))}"]'
    return (
        f"w, row, t = {wide}, {start}, {rng.randrange(1, 20)}\n"
        f"for k in range({size.times(wide * (1 if wide < 8 else 1.1) + 3)}):\n"
        f"    code = [4 * row[i - 1] + 2 * row[i] + row[(i + 1) % w]\n            for i in range(w)]\n"
        f"    row = [{number} >> c & 1 for c in code]\n"
        f"{flip}    t = (t * {rng.randrange(2, 4)} + sum(row) * k + row[{rng.randrange(0, wide)}])"
        f" % {size.modulus(rng)}\n"
        f"print(sum(b << i for i, b in enumerate(row)), t)"
    )


@template("automata")
def ant(rng: random.Random, size: Size) -> str:
    wide = 4 if size.level < 8 else rng.randrange(4, 7)
    colours = 2 if size.level < 7 else 3
    turns = [rng.randrange(0, 4) for _ in range(colours)]
    x, y, d, a = (*some(rng, 2, 0, wide - 1), rng.randrange(0, 4), rng.randrange(2, 9))
    return (
        f"g, t = [[0] * {wide} for k in range({wide})], {a}\nx, y, d = {x}, {y}, {d}\n"
        f"for n in range({size.times(7.6)}):\n"
        f"    d = (d + {turns}[g[y][x]] + n % {rng.randrange(2, 5)}) % 4\n    g[y][x] = (g[y][x] + 1) % {colours}\n"
        f"    t = (t * {rng.randrange(2, 4)} + x * {rng.randrange(2, 9)} + y) % {size.modulus(rng)}\n"
        f"    if d % 2:\n        x = (x + d - 2) % {wide}\n    else:\n        y = (y + d - 1) % {wide}\n"
        f"print(x, y, t, sum(g[y]))"
    )


@template("automata", (6, 7, 8))
def sieve(rng: random.Random, size: Size) -> str:
    a, b, c = rng.randrange(2, 9), rng.randrange(2, 5), rng.randrange(2, 6)
    n = size.times(5, 3)
    steps = (f"k = nums[i] % {c + 4} + 2", f"k = nums[i % {c}] % 7 + {c}", f"k = (nums[-1] + i) % {c + 3} + 2")
    step = rng.choice(steps)
    return (
        f"nums, i, t = list(range({a}, {a + b * (3 * n + 12)}, {b})), 1, {rng.randrange(1, 9)}\n"
        f"while i < len(nums) and i < {n}:\n    {step}\n    gone = nums[k::{rng.choice(('k', 'k + 1'))}]\n"
        f"    del nums[k::k + {rng.randrange(3, 9)}]\n"
        f"    t = (t * {rng.randrange(2, 4)} + sum(gone) + k) % {size.modulus(rng)}\n"
        f"    i += 1\nprint(t, len(nums), nums[-1])"
    )


@template("automata")
def sand(rng: random.Random, size: Size) -> str:
    wide, n = rng.randrange(4, 8), size.times(9.5)
    piles = [rng.randrange(0, 3) for _ in range(wide)]
    top = rng.randrange(2, 4)
    return (
        f"p, t = {piles}, {rng.randrange(1, 9)}\nfor n in range({n}):\n"
        f"    k = (n * {rng.randrange(2, 9)} + t) % {wide}\n"
        f"    p[k] += {rng.randrange(1, 4)}\n    while p[k] > {top}:\n        p[k] -= {top}\n"
        f"        k = (k + {rng.randrange(1, wide - 1)}) % {wide}\n"
        f"        p[k] += {max(1, top - rng.randrange(1, 3))}\n"
        f"    t = (t * {rng.randrange(2, 4)} + k * p[k] + n) % {size.modulus(rng)}\nprint(t, k, p)"
    )
