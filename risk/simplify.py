"""Makes the function of all checks short, once its statements are written (risk/merge.py): one branch for each profile
and side, in which what is settled is not asked again, and every attribute that is read often read once.

Owns these three steps over statements; knows no check. They hold because no check changes what another reads.
"""

import ast
from collections import Counter
from typing import Any, Final

ROOTS: Final = ("o", "v")
# What most checks ask first, as they write it.
SETTLED: Final = ("v.reduce_only", "o.side > 0")
_OFTEN: Final = 3  # reads from which a local is worth its assignment; what is read twice is mostly in two branches


def simplified(body: list[ast.stmt]) -> list[ast.stmt]:
    """The same answers in fewer steps."""
    return _by_profile(_without_copies(body), list(SETTLED))


def copied(body: list[ast.stmt]) -> list[ast.stmt]:
    """The same statements as nodes of their own. `copy.deepcopy` cost a quarter of a second of every start."""
    return [_copy(statement) for statement in body]


def chain_of(node: ast.AST) -> str:
    """`v.bounds.book` as text; "" = no chain of attributes of order or view."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not names or not isinstance(node, ast.Name) or node.id not in ROOTS:
        return ""
    return ".".join((node.id, *reversed(names)))


# ---- names that only stand for an attribute -----------------------------------------------------------------------
def _without_copies(body: list[ast.stmt]) -> list[ast.stmt]:
    """`b = v.bounds` goes, and `b.known` becomes `v.bounds.known`: the same attribute of two checks is then seen."""
    values: dict[str, set[str]] = {}
    for node in _nodes(body):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    values.setdefault(target.id, set()).add(chain_of(node.value))
    copies = {name: chain for name, chains in values.items() for chain in chains if len(chains) == 1 and chain}

    class Substitute(ast.NodeTransformer):
        def visit_Assign(self, node: ast.Assign) -> ast.stmt | None:
            target = node.targets[0]
            if len(node.targets) == 1 and isinstance(target, ast.Name) and target.id in copies:
                return None
            self.generic_visit(node)
            return node

        def visit_Name(self, node: ast.Name) -> ast.expr:
            chain = copies.get(node.id, "")
            return _expression(chain) if chain and isinstance(node.ctx, ast.Load) else node

    left = [kept for statement in body if (kept := Substitute().visit(statement)) is not None]
    return _without_copies(left) if copies else left  # a copy of a copy shows only now


# ---- one branch for each profile -----------------------------------------------------------------------------------
def _by_profile(body: list[ast.stmt], conditions: list[str]) -> list[ast.stmt]:
    if not conditions:
        return _read_once(body)
    condition, *rest = conditions
    test = _expression(condition)
    if not any(_same(node, test) for node in _nodes(body)):
        return _by_profile(body, rest)
    holds, fails = (_by_profile(_Settled(test, value).body(copied(body)), rest) for value in (True, False))
    return [ast.If(test, holds or [ast.Pass()], fails)]


class _Settled(ast.NodeTransformer):
    """Statements in which one condition is known."""

    def __init__(self, wanted: ast.expr, value: bool) -> None:
        self._wanted = wanted
        self._value = value

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for statement in statements:
            changed = self.visit(statement)
            done += changed if isinstance(changed, list) else [changed]
        return done

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        test = self._test(node.test)
        if isinstance(test, bool):
            return self.body(node.body if test else node.orelse)
        taken, other = self.body(node.body), self.body(node.orelse)
        if not taken and not other:
            return []
        return ast.If(test, taken, other) if taken else ast.If(ast.UnaryOp(ast.Not(), test), other, [])

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self._test(node.test)
        taken: ast.expr = self.visit(node.body)
        other: ast.expr = self.visit(node.orelse)
        if isinstance(test, bool):
            return taken if test else other
        return ast.IfExp(test, taken, other)

    def _test(self, node: ast.expr) -> ast.expr | bool:
        """A condition, or what it is known to be."""
        if _same(node, self._wanted):
            return self._value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._test(node.operand)
            return not inner if isinstance(inner, bool) else ast.UnaryOp(node.op, inner)
        if isinstance(node, ast.BoolOp):
            decides = isinstance(node.op, ast.Or)
            parts = [self._test(value) for value in node.values]
            for at, part in enumerate(parts):
                if part is decides:
                    parts = parts[: at + 1]
                    break
            open_parts = [part for part in parts if not isinstance(part, bool)]
            if decides in parts:  # what is asked before may be skipped: a condition changes nothing
                return decides
            if not open_parts:
                return not decides
            return open_parts[0] if len(open_parts) == 1 else ast.BoolOp(node.op, open_parts)
        changed: ast.expr = self.visit(node)
        return changed


# ---- what is read often is read once -------------------------------------------------------------------------------
def _read_once(body: list[ast.stmt]) -> list[ast.stmt]:
    """Attributes read often become locals. Nothing behind one that may be None is read ahead of its question."""
    reads: Counter[str] = Counter()
    doubtful: list[str] = []
    for node in _nodes(body):
        chain = chain_of(node)
        if chain:
            reads[chain] += 1
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Is | ast.IsNot):
            doubtful.append(chain_of(node.left) + ".")
    often = [
        chain
        for chain, count in sorted(reads.items(), key=lambda item: item[0].count("."))
        if count >= _OFTEN and not any(chain.startswith(prefix) for prefix in doubtful)
    ]
    names = {chain: chain.replace(".", "_") for chain in often}

    class Locals(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
            name = names.get(chain_of(node))
            if name is not None:
                return ast.Name(name, node.ctx)
            self.generic_visit(node)
            return node

    first: list[ast.stmt] = []
    for chain in often:
        value = _expression(chain)
        assert isinstance(value, ast.Attribute), "a chain ends in an attribute"
        value.value = Locals().visit(value.value)
        first.append(ast.Assign([ast.Name(names[chain], ast.Store())], value))
    return [*first, *(Locals().visit(statement) for statement in body)]


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _copy(part: Any) -> Any:
    if isinstance(part, list):
        return [_copy(one) for one in part]
    if not isinstance(part, ast.AST):
        return part
    return type(part)(**{name: _copy(value) for name, value in ast.iter_fields(part)})


def _same(one: Any, other: Any) -> bool:
    """Whether two nodes say the same, wherever they stand. Most differ in their type: asked far faster than as text."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if not isinstance(one, ast.AST):
        return bool(one == other)
    return all(_same(value, getattr(other, name)) for name, value in ast.iter_fields(one))


def _nodes(body: list[ast.stmt]) -> list[ast.AST]:
    return [node for statement in body for node in ast.walk(statement)]
