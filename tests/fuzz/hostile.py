"""Values that a file from elsewhere may hold where a reader expects another: of every type, size and spelling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class Raw:
    """Text that stands in a file as it is, where a value of the format would."""

    text: str


class Pairs(list[Any]):
    """An object as (key, value) pairs, so that a key may stand in it twice."""


_NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 255, 0.0, -0.0, 0.5, 1.4, -1.5, 1e-320, 1e300, -1e300, 3.5e38, 1e-9),
    *(2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30),
)
_TEXTS: tuple[Any, ...] = (
    *("", " ", "\n", "a", "0", "nan", "NaN", "-inf", "1e999", "true", "null", "A", "é", "漢字", "🙂", "e\u0301"),
    *("\x00", "\x1b[31mred", "\x1b]8;;http://x\x07", "\u202eabc", "\u2028", "\ufeff", "\x85", "\r\n::error::x", "=1+1"),
    *("~nosuch/x", "~", ".", "..", "/", "/dev/zero", "/proc/self/mem", "/proc/self/environ", "../../../etc/passwd"),
    *("http://127.0.0.1:1/x", "a/b", "con", "*", "**/*", "a" * 300, "b/" * 150 + "c", "x" * 70_000, "%s%n", "${HOME}"),
    *("{{", "{{ x }}", "{{ 1/0 }}", "{% for i in range(99999) %}", "{{ 'a' * 10**10 }}", "{{ ''.__class__.__mro__ }}"),
    *("{{ [1] | random }}", "{{ cycler }}", "{% include 'x' %}", "{{ range(10**9) | list | length }}", "{{ self }}"),
    *(
        "{%- macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'a' | regex_replace('(a+)+$', 'b') }}",
        "(a+)+$",
        "(",
        "[z-a]",
    ),
    *("{{ ('a' * 40 ~ 'b') | regex_replace('(a|a)*c', '') }}", "{{ '%1000000000d' | format(1) }}", "{{ 10**10**10 }}"),
    *("{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}", "{{ 'a'.ljust(10**10) }}"),
)
_NESTED: tuple[Any, ...] = ([], Pairs(), [[]], [None], [0], [""], [1, "a", None], Pairs([("a", 1)]), [[[1]]], [0] * 500)
_JSON: tuple[Any, ...] = (
    *map(Raw, ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "-" + "9" * 5000, "1" + "0" * 400)),
    *map(Raw, ("0" * 30 + ".5", "1." + "3" * 4000, "1e-999", '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "nan")),
    *map(Raw, ("[" * 300 + "]" * 300, "[" * 9000 + "]" * 9000, "[" * 200_000, '{"a":' * 9000 + "1" + "}" * 9000)),
    *map(Raw, ('{"a":1,"a":2}', '{"":{"":{}}}', "tru", "'a'", "01", "+1", ".5", "1.", "0x10", "", ",", "}", "/*c*/1")),
)
_YAML: tuple[Any, ...] = (
    *map(Raw, ("!!bool foo", "!!int x", "!!float y", "!!null z", "!!binary '@@'", "!!set {a, b}", "!!omap [a]")),
    *map(Raw, ("!!timestamp '2001-99-99'", "2001-02-30", "2001-12-14t21:59:43.10-05:00", "!!pairs [a: 1]", "12:30:45")),
    *map(Raw, ("{[]: 1}", "{{}: 1}", "{? [a] : b}", "&a [*a]", "&a {b: *a}", "*nope", "{<<: [1]}", "{<<: {a: 1}}")),
    *map(Raw, ("!!python/object/apply:os.system [id]", "!function a.b", "!function [a]", "!x y", "!!str", "0o17")),
    *map(Raw, (".nan", "-.inf", "1e999", "9" * 5000, "0b1" + "0" * 5000, "190:20:30", "~", "=", "<<", "|", ">", "%")),
    *map(Raw, ("[" * 300 + "]" * 300, "[" * 9000 + "]" * 9000, "{a: " * 3000 + "}" * 3000, '"\\ud800"', '"\\x00"')),
    Raw("[&a [x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], "
        "&d [*c,*c,*c,*c,*c,*c,*c,*c,*c], &e [*d,*d,*d,*d,*d,*d,*d,*d,*d], &f [*e,*e,*e,*e,*e,*e,*e,*e,*e], "
        "&g [*f,*f,*f,*f,*f,*f,*f,*f,*f], &h [*g,*g,*g,*g,*g,*g,*g,*g,*g], *h]"),
)  # fmt: skip
_TOML: tuple[Any, ...] = (
    *map(Raw, ("nan", "-nan", "inf", "-inf", "1e999", "9" * 5000, "0x" + "f" * 5000, "1979-05-27", "07:32:00")),
    *map(Raw, ("1979-05-27T07:32:00Z", "2001-02-30", "[[1]]", "{a=1}", "{}", "[" * 300 + "]" * 300, "''", "'''x'''")),
    *map(Raw, ("[" * 9000 + "]" * 9000, "[" * 100_000, "{a=" * 3000 + "1" + "}" * 3000, '"\\ud800"', '"\\u0000"')),
    *map(Raw, ("1_000", "0o17", "true", "", "x", '"', "[1,]", "[,]", "+1", "1.", ".5", "-0.0", "5e-324")),
)
SPELLED: dict[str, Sequence[Any]] = {"json": _JSON, "yaml": _YAML, "toml": _TOML}
"""What only a format's own spelling can say."""


def hostile_value(rng: Random, form: str) -> Any:
    """A value for a node of a tree that is written in `form`; with Raw text only where the form has it."""
    kinds: list[Sequence[Any]] = [(None, True, False), _NUMBERS, _TEXTS, _NESTED]
    if form in SPELLED:
        kinds += [SPELLED[form]] * 2
    return rng.choice(rng.choice(kinds))


TOKENS: tuple[bytes, ...] = (
    *(
        b"NaN",
        b"Infinity",
        b"1e999",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"\\ud800",
        b"\\u0000",
        b"-",
        b"0",
        b"9" * 99,
    ),
    *(
        b'"',
        b"'",
        b",",
        b":",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\n",
        b"\r",
        b"\t",
        b" ",
        b"\\",
        b"\x00",
        b"\xff",
        b"\xc3",
        b"#",
    ),
    *(b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\x1b[2J", b"\x1f\x8b", b"PK\x03\x04"),
    *(b"{{", b"}}", b"{%", b"%}", b"{% for m in messages %}", b"{% endfor %}", b"{{ raise_exception('x') }}", b"|list"),
    *(b"&a ", b"*a", b"!!bool ", b"<<: ", b"---\n", b"...\n", b"? ", b"- ", b"%YAML 1.2\n", b"[[", b"]]", b"[a.b]\n"),
)
"""Bytes that mean something in one format or another."""
