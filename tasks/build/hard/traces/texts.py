"""Texts rewritten: by rules, by regular expressions, letter by letter."""

from __future__ import annotations

import random

from build.hard.traces.templates import Size, letters, spelt, template


def _rules(rng: random.Random, of: str) -> list[tuple[str, str]]:
    """Pairs of letters with what they become; no two of them the same."""
    pairs = [a + b for a in of for b in of]
    return [(old, spelt(rng, rng.randrange(1, 4), "".join(rng.sample(of, 2)))) for old in rng.sample(pairs, 3)]


@template("rewriting")
def tagged(rng: random.Random, size: Size) -> str:
    a, b, c = letters(rng, 3)
    rules = [spelt(rng, rng.randrange(1, 5), "".join(rng.sample(a + b + c, rng.randrange(2, 4)))) for _ in range(3)]
    m, d = size.modulus(rng), rng.randrange(2, 4)
    more = "" if size.level < 8 else " + t % 2"
    return (
        f'rules = dict({a}="{rules[0]}", {b}="{rules[1]}", {c}="{rules[2]}")\n'
        f's, t = "{spelt(rng, rng.randrange(5, 9), a + b + c)}", {rng.randrange(1, 9)}\n'
        f"for n in range({size.times(4.4)}):\n    s = s[{d}{more}:] + rules[s[0]]\n    if len(s) < {d + 4}:\n"
        f'        s = s + "{spelt(rng, 4, a + b + c)}"\n'
        f'    t = (t * {rng.randrange(2, 5)} + len(s) * s.count("{a}")) % {m}\n'
        f"print(s[:{rng.randrange(4, 7)}], len(s), t)"
    )


@template("rewriting", (6, 7, 8))
def replaced(rng: random.Random, size: Size) -> str:
    of = letters(rng, 3)
    rules = ", ".join(f'("{old}", "{new}")' for old, new in _rules(rng, of))
    d = rng.randrange(2, 5)
    return (
        f'rules = [{rules}]\ns, t = "{spelt(rng, rng.randrange(7, 12), of)}", {rng.randrange(1, 9)}\n'
        f"for n in range({size.times(6.4)}):\n    for old, new in rules:\n        if old in s:\n"
        f"            t += s.index(old) * n\n"
        f"            s = s.replace(old, new, 1)\n            break\n    else:\n        s = s[{d}:] + s[:{d}]\n"
        f'    if len(s) < {d + 4}:\n        s += "{spelt(rng, 5, of)}"\nprint(s[-6:], len(s), t)'
    )


@template("rewriting")
def substituted(rng: random.Random, size: Size) -> str:
    a, b, c = of = letters(rng, 3)
    patterns = (f"{a}{b}|{c}", f"{a}+{b}?", f"{b}.{a}|{c}{c}", f"{a}.|{b}{c}", f"[{a}{b}]{c}+", f"{c}?{a}|{b}{b}")
    pattern = rng.choice(patterns)
    new = rng.choice((f'm[0][::-1] + "{c}"', f'"{b}" + m[0][-1]', f'm[0][1:] + "{a}{b}"', f'"{c}{a}" + m[0][:1]'))
    keep, d = rng.randrange(9, 16), rng.randrange(2, 5)
    few = f"k < {rng.randrange(2, 4)}" if size.level < 8 else f"(k + t) % {rng.randrange(3, 6)} < 2"
    start = spelt(rng, rng.randrange(7, keep), of)
    return (
        f'import re\ns, t = "{start}", {rng.randrange(1, 9)}\nfor n in range({size.times(7.4)}):\n'
        f'    s, k = re.subn("{pattern}", lambda m: {new}, s)\n    s = s[-{keep}:]\n'
        f"    t = (t * {rng.randrange(2, 5)} + k * n + len(s)) % {size.modulus(rng)}\n"
        f"    if {few}:\n"
        f'        s = s[{d}:] + "{spelt(rng, d, of)}" + s[:{d}]\nprint(s[:7], t, s.count("{a}"))'
    )


@template("rewriting")
def told(rng: random.Random, size: Size) -> str:
    start = "".join(rng.choice("12345") for _ in range(rng.randrange(4, 7)))
    d, add = rng.randrange(2, 4), rng.choice(("len(m[0])", "len(m[0]) + 1", "len(m[0]) * 2", "len(m[0]) + int(m[1])"))
    keep = rng.randrange(9, 15)
    return (
        f'import re\ns, t = "{start}", {rng.randrange(1, 9)}\nfor n in range({size.times(9.5)}):\n'
        f'    s = re.sub(r"(.)\\1*", lambda m: str({add}) + m[1], s)\n    s = s[-{keep}:]\n'
        f"    t = (t * {rng.randrange(2, 4)} + int(s[-{d}:]) * n + len(s)) % {size.modulus(rng)}\n"
        f"    s = s[{d if size.level < 8 else f't % {d + 2}'}:] + s[:{d}]\nprint(s[:8], t)"
    )


@template("rewriting")
def shuffled(rng: random.Random, size: Size) -> str:
    of = letters(rng, rng.randrange(8, 12))
    a, b, c = rng.randrange(2, 6), rng.randrange(3, 9), rng.randrange(1, 4)
    m = size.modulus(rng)
    return (
        f's, t, k = "{of}", {rng.randrange(1, 9)}, {c}\nfor n in range({size.times(5.2)}):\n'
        f"    if s[k] < s[-1]:\n        s = s[k:] + s[:k]\n    else:\n        s = s[:k][::-1] + s[k + 1:] + s[k]\n"
        f'    t = (t * {a} + s.index("{of[c]}") * {b} + n) % {m}\n'
        f"    k = (k * {a} + t) % {rng.randrange(4, len(of))} + 1\n"
        f"print(s[:{rng.randrange(5, 8)}], t)"
    )
