"""Writes all checks into one function at start-up: calling twenty functions costs an order more than what they compute.

Owns the translation and nothing else: it takes each check's own source and keeps every statement and its order. It
understands assignments to names, ifs and returns; anything else in a check stops start-up (Bug). The checks stay
ordinary functions: on a failure each is asked by itself, and the contract tests hold both forms to the same rows.
"""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from core.commands import OrderIntent
from core.errors import Bug
from risk.simplify import copied, simplified
from risk.view import GateView

CheckFunction = Callable[[OrderIntent, GateView], int]
_ORDER: Final = "o"
_VIEW: Final = "v"


@cache
def merged(checks: tuple[CheckFunction, ...]) -> CheckFunction:
    """One function that answers as `checks` do when asked in turn: the first failure's control, 0 = all passed.

    Raises Bug on a check it does not understand.
    """
    names: dict[str, Any] = {}
    body: list[ast.stmt] = []
    for number, check in enumerate(checks):
        body += _Translation(check, number, names).statements()
    body = simplified(body)
    body.append(ast.Return(ast.Constant(0)))
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg(_ORDER), ast.arg(_VIEW)], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.FunctionDef(name="all_checks", args=arguments, body=body, decorator_list=[])
    module = ast.fix_missing_locations(ast.Module(body=[function], type_ignores=[]))
    exec(compile(module, "<all checks in one>", "exec"), names)
    found: CheckFunction = names["all_checks"]
    return found


class _Translation(ast.NodeTransformer):
    """One check: its names made its own, its globals bound or, where they are integers, written out."""

    def __init__(self, check: CheckFunction, number: int, names: dict[str, Any]) -> None:
        self._where = f"check {check.__module__}"
        self._globals: dict[str, Any] = check.__globals__
        self._number = number
        self._names = names
        tree = ast.parse(textwrap.dedent(inspect.getsource(check))).body[0]
        if not isinstance(tree, ast.FunctionDef) or [a.arg for a in tree.args.args] != [_ORDER, _VIEW]:
            raise Bug(f"{self._where}: a check is a plain function check({_ORDER}, {_VIEW})")
        self._body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
        self._locals = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}

    def statements(self) -> list[ast.stmt]:
        """The body, falling through where the check passes and returning its control where it fails."""
        return [self.visit(statement) for statement in self._passing(self._body)]

    def _passing(self, body: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for at, statement in enumerate(body):
            rest = body[at + 1 :]
            if isinstance(statement, ast.Return):
                return done + self._verdict(statement.value)
            if isinstance(statement, ast.If):
                if not _may_pass(statement):
                    kept, other = self._inside(statement.body), self._inside(statement.orelse)
                    done += _branch(statement.test, kept, other)
                    continue
                # An early pass skips the rest of this check alone, so the rest moves into the branches that go on.
                taken = statement.body if _ends(statement.body) else statement.body + rest
                other = statement.orelse if _ends(statement.orelse) else statement.orelse + copied(rest)
                return done + _branch(statement.test, self._passing(taken), self._passing(other))
            if not (isinstance(statement, ast.Assign) and all(isinstance(t, ast.Name) for t in statement.targets)):
                raise Bug(f"{self._where}: {ast.unparse(statement)!r} cannot be merged: use names, ifs and returns")
            done.append(statement)
        raise Bug(f"{self._where}: it ends without a return")

    def _inside(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A branch without an early pass: it fails, or goes on behind the if."""
        return self._passing(body) if _ends(body) else self._passing([*body, ast.Return(ast.Constant(0))])

    def _verdict(self, value: ast.expr | None) -> list[ast.stmt]:
        """`return 0`, `return CONTROL`, or one of them by a condition."""
        if isinstance(value, ast.Constant) and value.value == 0:
            return []
        if isinstance(value, ast.Name) and value.id == "CONTROL":
            return [ast.Return(value)]
        if isinstance(value, ast.IfExp):
            return _branch(value.test, self._verdict(value.body), self._verdict(value.orelse))
        raise Bug(f"{self._where}: it returns 0 or CONTROL, by a condition at most")

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A local gets this check's number; a global is bound under it, an integer written out."""
        name = node.id
        if name in (_ORDER, _VIEW):
            return node
        own = f"c{self._number}_{name}"
        if name in self._locals:
            return ast.Name(own, node.ctx)
        if name not in self._globals:
            if hasattr(builtins, name):
                return node
            raise Bug(f"{self._where}: name {name} is not known")
        value = self._globals[name]
        if type(value) is int:
            return ast.Constant(value)
        self._names[own] = value
        return ast.Name(own, node.ctx)


def _may_pass(statement: ast.If) -> bool:
    """Whether a return inside may say 0: the rest of the check must then be skipped."""
    returns = [node for node in ast.walk(statement) if isinstance(node, ast.Return)]
    return any(not (isinstance(node.value, ast.Name) and node.value.id == "CONTROL") for node in returns)


def _ends(body: list[ast.stmt]) -> bool:
    """Whether nothing behind these statements is reached."""
    if not body:
        return False
    last = body[-1]
    return isinstance(last, ast.Return) or (isinstance(last, ast.If) and _ends(last.body) and _ends(last.orelse))


def _branch(test: ast.expr, taken: list[ast.stmt], other: list[ast.stmt]) -> list[ast.stmt]:
    if taken:
        return [ast.If(test, taken, other)]
    return [ast.If(ast.UnaryOp(ast.Not(), test), other, [])] if other else []
