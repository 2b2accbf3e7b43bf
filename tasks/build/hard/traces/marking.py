"""Turns a program into one whose every step asks a reader whether, and how, to do it.

The marked program is compiled once and then run many times: by a reader who makes no mistake, and by readers who
overlook a statement once, take a branch the wrong way once or count a range one too far.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import CodeType

DO = "do"
"""A statement: may be overlooked."""
TEST = "test"
"""A condition: may be taken the wrong way."""
EDGE = "edge"
"""A comparison of sizes: `<` and `<=` may be exchanged."""
VALUE = "value"
"""Something computed: may come out wrong by one."""
BOUND = "bound"
"""The end of a range or slice: may be taken one too far or one too short."""
ORDER = "order"
"""An assignment of several names at once: may be read as one assignment after the other."""
COUNT = "count"
"""Only counted as a step."""

SIZES: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
PLAIN = (ast.Constant, ast.Name, ast.List, ast.Tuple, ast.Dict, ast.ListComp, ast.GeneratorExp, ast.Lambda, ast.Yield)
"""Expressions that are read off, or whose parts are marked."""


@dataclass(frozen=True)
class Marked:
    """code: asks `reader` at each site. kinds: of the sites, by number."""

    program: str
    code: CodeType
    kinds: tuple[str, ...]


def _unasked(kind: str, args: Sequence[ast.expr]) -> ast.expr:
    """What stands at a site where nothing is asked."""
    if kind in (DO, ORDER):
        return ast.Constant(True)
    if kind == EDGE:
        sign, left, right = args
        assert isinstance(sign, ast.Constant)
        return ast.Compare(left, [next(kind() for kind, text in SIZES.items() if text == sign.value)], [right])
    return args[0]


class _Marker(ast.NodeTransformer):
    def __init__(self, only: Collection[int] | None) -> None:
        self.kinds: list[str] = []
        self._only = only

    def _ask(self, kind: str, *args: ast.expr, always: bool = False) -> ast.expr:
        self.kinds.append(kind)
        site = ast.Constant(len(self.kinds) - 1)
        if self._only is not None and site.value not in self._only and not always:
            return _unasked(kind, args)
        return ast.Call(ast.Attribute(ast.Name("reader", ast.Load()), kind, ast.Load()), [site, *args], [])

    def _value(self, node: ast.expr) -> ast.expr:
        """Marked under a remainder or a mask, so that what comes out wrong is still in its range."""
        if isinstance(node, ast.Tuple):
            node.elts = [self._value(part) for part in node.elts]
            return node
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.BitAnd)):
            node.left = self._value(node.left)
            return node
        return node if isinstance(node, PLAIN) else self._ask(VALUE, node)

    def _doing(self, node: ast.stmt) -> ast.stmt:
        return ast.If(self._ask(DO), [node], [])

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        self.generic_visit(node)
        node.value = self._value(node.value)
        target = node.targets[0]
        if not (isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)):
            return self._doing(node)
        pairs = zip(target.elts, node.value.elts, strict=True)
        apart = [ast.Assign([name], value) for name, value in pairs]
        return self._doing(ast.If(self._ask(ORDER), [node], list(apart)))

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        self.generic_visit(node)
        node.value = self._value(node.value)
        return self._doing(node)

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        self.generic_visit(node)
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):  # print
            return node
        if isinstance(call, ast.Call):
            call.args = [self._value(arg) for arg in call.args]
        return self._doing(node)

    def visit_Delete(self, node: ast.Delete) -> ast.stmt:
        self.generic_visit(node)
        return self._doing(node)

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        self.generic_visit(node)
        if node.value is not None:
            node.value = self._ask(COUNT, self._value(node.value), always=True)
        return node

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        self.generic_visit(node)
        node.value = node.value and self._value(node.value)
        return node

    def _tested(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        node.test = self._ask(TEST, node.test, always=isinstance(node, ast.While))  # type: ignore[attr-defined]
        return node

    visit_If = visit_While = visit_IfExp = _tested

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs = [self._ask(TEST, test) for test in node.ifs]
        return node

    def _each(self, node: ast.ListComp | ast.GeneratorExp) -> ast.expr:
        self.generic_visit(node)
        node.elt = self._ask(COUNT, self._value(node.elt))
        return node

    visit_ListComp = visit_GeneratorExp = _each

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self.generic_visit(node)
        node.body = self._ask(COUNT, self._value(node.body))
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        sign = SIZES.get(type(node.ops[0]))
        if sign is None or len(node.ops) > 1:
            return node
        return self._ask(EDGE, ast.Constant(sign), node.left, node.comparators[0])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "range":
            place = min(1, len(node.args) - 1)
            node.args[place] = self._ask(BOUND, node.args[place])
        return node

    def visit_Slice(self, node: ast.Slice) -> ast.AST:
        self.generic_visit(node)
        if node.upper is not None:
            node.upper = self._ask(BOUND, node.upper)
        elif node.lower is not None:
            node.lower = self._ask(BOUND, node.lower)
        return node


def marked(program: str, only: Collection[int] | None = None) -> Marked:
    """only: the sites that ask, besides the heads of `while` and the ends of functions; others run as they stand."""
    marker = _Marker(only)
    tree = ast.fix_missing_locations(marker.visit(ast.parse(program)))
    return Marked(program, compile(tree, "program", "exec", dont_inherit=True), tuple(marker.kinds))


def last(program: str) -> CodeType:
    """The last statement alone: what is printed."""
    body = ast.parse(program).body[-1:]
    return compile(ast.Module(body, []), "program", "exec", dont_inherit=True)
