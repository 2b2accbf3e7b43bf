"""Runs a short program and returns what it prints; makes programs that a hasty reader would have run instead."""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from types import FrameType
from typing import Any

MOST_STEPS = 4000
"""Events of the interpreter after which a program counts as endless. The longest program needs a few hundred."""

LONGEST = 40
"""Characters of a line that can be an option."""


class TooLong(Exception):
    """A program did not end."""


def run(code: str) -> str | None:
    """The one line that a program prints; None if it fails, goes on too long, prints nothing or more than a line."""
    steps = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps > MOST_STEPS:
            raise TooLong
        return count

    printed = io.StringIO()
    before = sys.gettrace()
    try:
        compiled = compile(code, "program", "exec", dont_inherit=True)
        with redirect_stdout(printed):
            sys.settrace(count)
            exec(compiled, {"__name__": "__main__"})
    except (Exception, TooLong):
        return None
    finally:
        sys.settrace(before)
    text = printed.getvalue()
    line = text[:-1] if text.endswith("\n") else text
    if not line.strip() or line != line.strip() or "\n" in line or len(line) > LONGEST or not line.isascii():
        return None
    return line


Edit = Callable[[ast.AST], Iterator[Callable[[ast.AST], None]]]
"""Finds what could be misread at a node; each result makes one such change to that node, by setting an attribute."""

OPERATORS: dict[type[ast.operator], tuple[ast.operator, ...]] = {
    ast.FloorDiv: (ast.Mod(), ast.Div()),
    ast.Mod: (ast.FloorDiv(),),
    ast.Add: (ast.Sub(),),
    ast.Sub: (ast.Add(),),
    ast.Mult: (ast.Add(),),
    ast.Pow: (ast.Mult(),),
    ast.BitAnd: (ast.BitOr(),),
    ast.BitOr: (ast.BitXor(), ast.BitAnd()),
    ast.BitXor: (ast.BitOr(),),
    ast.LShift: (ast.Mult(),),
    ast.RShift: (ast.FloorDiv(),),
}
COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
METHODS = {
    "append": "extend",
    "extend": "append",
    "find": "rfind",
    "split": "rsplit",
    "startswith": "endswith",
    "endswith": "startswith",
    "keys": "values",
    "values": "keys",
    "lstrip": "rstrip",
    "rstrip": "lstrip",
    "strip": "lstrip",
    "rjust": "ljust",
    "ljust": "rjust",
}
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any", "sum": "len", "len": "sum", "sorted": "list"}


def _set(field: str, value: Any) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, field, value)


def _plus(node: ast.expr | None, step: int) -> ast.expr:
    if node is None:
        return ast.Constant(step)
    return ast.BinOp(node, ast.Add(), ast.Constant(step))


def _bounds(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """A slice or a range that includes its end; an index or a slice that counts from one."""
    if isinstance(node, ast.Slice):
        if node.upper is not None:
            yield _set("upper", _plus(node.upper, 1))
            yield _set("upper", _plus(node.upper, -1))
        if node.lower is not None:
            yield _set("lower", _plus(node.lower, -1))
            yield _set("lower", _plus(node.lower, 1))
        if node.step is not None:
            yield _set("step", None)
            yield _set("step", ast.UnaryOp(ast.USub(), node.step))
    elif isinstance(node, ast.Subscript) and not isinstance(node.slice, (ast.Slice, ast.Tuple)):
        if not (isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)):
            yield _set("slice", _plus(node.slice, -1))
            yield _set("slice", _plus(node.slice, 1))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        place = min(1, len(node.args) - 1)
        for step in (1, -1):
            yield _set("args", [_plus(arg, step) if i == place else arg for i, arg in enumerate(node.args)])
        if len(node.args) == 1:
            yield _set("args", [ast.Constant(1), *node.args])
            yield _set("args", [ast.Constant(1), _plus(node.args[0], 1)])


def _words(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """Another method or function of the same kind; a pop from the other end; a sort the other way."""
    if isinstance(node, ast.Attribute) and node.attr in METHODS:
        yield _set("attr", METHODS[node.attr])
    elif isinstance(node, ast.Name) and node.id in FUNCTIONS:
        yield _set("id", FUNCTIONS[node.id])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pop":
        yield _set("args", [ast.Constant(0)] if not node.args else [])
    elif isinstance(node, ast.keyword) and node.arg == "reverse":
        yield _set("value", ast.Constant(False))
    elif isinstance(node, ast.If):
        yield _set("test", ast.UnaryOp(ast.Not(), node.test))


def _operators(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        for operator in OPERATORS.get(type(node.op), ()):
            yield _set("op", operator)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield _set("ops", [COMPARISONS[type(node.ops[0])], *node.ops[1:]])
    elif isinstance(node, ast.BoolOp):
        yield _set("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield _set("ifs", [])


def _statements(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """A statement overlooked, or two in the other order."""
    for field in ("body", "orelse", "finalbody"):
        body = getattr(node, field, None)
        if not isinstance(body, list) or isinstance(node, ast.ClassDef):
            continue
        for i, statement in enumerate(body):
            if isinstance(statement, (ast.Expr, ast.AugAssign, ast.Delete)) or (
                i and isinstance(statement, ast.Assign)
            ):
                yield _set(field, [*body[:i], ast.Pass(), *body[i + 1 :]])
            if i + 1 < len(body) and isinstance(statement, (ast.Expr, ast.AugAssign, ast.Assign)):
                yield _set(field, [*body[:i], body[i + 1], statement, *body[i + 2 :]])


def _numbers(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield _set("value", node.value + 1)
        yield _set("value", node.value - 1)


EDITS: tuple[Edit, ...] = (_bounds, _words, _operators, _statements, _numbers)
"""The most plausible misreadings first."""


def misread(code: str) -> Iterator[str]:
    """Programs that differ from `code` in one thing that is easily misread."""
    tree = ast.parse(code)
    nodes = list(ast.walk(tree))
    for edit in EDITS:
        for node in nodes:
            for change in edit(node):
                right = dict(vars(node))
                change(node)
                wrong = ast.unparse(tree)
                vars(node).update(right)
                yield wrong
