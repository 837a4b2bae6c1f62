"""Finds places where the order of a set could reach a result.

Not a type checker: a set is known by its literal, its constructor, its operators, or by a name in the same function
(an attribute: in the same module) that was annotated or assigned as one.
"""

import ast
from collections.abc import Iterator

SET_TYPES = {"AbstractSet", "FrozenSet", "MutableSet", "Set", "frozenset", "set"}
SET_METHODS = {"difference", "intersection", "symmetric_difference", "union"}
VIEW_METHODS = {"items", "keys"}  # `a.keys() & b.keys()` is a set
# What these make of an iterable depends on its order. sorted, min, max, len, any, all, set, frozenset do not.
ORDERED_CONSUMERS = {"dict", "enumerate", "filter", "fromkeys", "iter", "join", "list", "map", "next"}
ORDERED_CONSUMERS |= {"reversed", "sum", "tuple", "zip"}
ORDER_FREE_CONSUMERS = {"all", "any", "frozenset", "len", "max", "min", "set", "sorted"}
SET_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def unordered_iterations(tree: ast.Module) -> Iterator[int]:
    """Lines where a set is iterated and the order matters, each once."""
    yield from sorted(set(_Scope(tree, names=set(), attributes=_set_attributes(tree)).lines()))


def _set_attributes(tree: ast.Module) -> set[str]:
    """Names of fields and of `self.x` that hold sets anywhere in the module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    found |= {field.target.id} if _is_set_type(field.annotation) else set()
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
            found |= {node.target.attr} if _is_set_type(node.annotation) else set()
        elif isinstance(node, ast.Assign) and _is_set_expression(node.value, set(), set()):
            found |= {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
    return found


def _is_set_type(annotation: ast.expr | None) -> bool:
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    if isinstance(annotation, ast.BinOp):  # set[int] | None
        return _is_set_type(annotation.left) or _is_set_type(annotation.right)
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    return name in SET_TYPES


def _is_set_expression(node: ast.expr, names: set[str], attributes: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(attr=name):
            return name in attributes
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in SET_METHODS
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, SET_OPERATORS):
            sides = (left, right)
            return any(_is_set_expression(side, names, attributes) or _is_view(side) for side in sides)
        case ast.IfExp(body=body, orelse=orelse):
            return any(_is_set_expression(side, names, attributes) for side in (body, orelse))
    return False


def _is_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VIEW_METHODS


class _Scope:
    """One function (or the module) with the set names visible in it."""

    def __init__(self, root: ast.AST, *, names: set[str], attributes: set[str]) -> None:
        self.root = root
        self.attributes = attributes
        self.names = (names - self._bound()) | self._sets(names)

    def _own_nodes(self) -> Iterator[ast.AST]:
        """Nodes of this scope; a nested function is yielded but not entered."""
        pending = list(ast.iter_child_nodes(self.root))
        while pending:
            node = pending.pop(0)
            yield node
            if not isinstance(node, FUNCTIONS):
                pending.extend(ast.iter_child_nodes(node))

    def _bound(self) -> set[str]:
        arguments = {node.arg for node in self._own_nodes() if isinstance(node, ast.arg)}
        stores = {
            node.id for node in self._own_nodes() if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        return arguments | stores

    def _sets(self, outer: set[str]) -> set[str]:
        found: set[str] = set()
        for node in self._own_nodes():
            if isinstance(node, ast.arg) and _is_set_type(node.annotation):
                found.add(node.arg)
            elif (
                isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _is_set_type(node.annotation)
            ):
                found.add(node.target.id)
            elif isinstance(node, ast.Assign) and _is_set_expression(node.value, outer | found, self.attributes):
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        return found

    def _is_set(self, node: ast.expr) -> bool:
        return _is_set_expression(node, self.names, self.attributes)

    def lines(self) -> Iterator[int]:
        order_free = {id(node) for node in self._order_free_comprehensions()}
        for node in self._own_nodes():
            match node:
                case ast.For(iter=iterable) | ast.AsyncFor(iter=iterable) | ast.Starred(value=iterable):
                    yield from self._line_if_set(iterable)
                case (
                    ast.ListComp(generators=parts) | ast.DictComp(generators=parts) | ast.GeneratorExp(generators=parts)
                ):
                    if id(node) not in order_free:
                        for part in parts:
                            yield from self._line_if_set(part.iter)
                case ast.Call():
                    yield from self._call_lines(node)
            if isinstance(node, FUNCTIONS):
                yield from _Scope(node, names=self.names, attributes=self.attributes).lines()

    def _line_if_set(self, node: ast.expr) -> Iterator[int]:
        if self._is_set(node):
            yield node.lineno

    def _call_lines(self, node: ast.Call) -> Iterator[int]:
        name = _called(node)
        if name == "pop" and isinstance(node.func, ast.Attribute) and not node.args:
            yield from self._line_if_set(node.func.value)
        elif name in ORDERED_CONSUMERS:
            for argument in node.args:
                yield from self._line_if_set(argument)

    def _order_free_comprehensions(self) -> Iterator[ast.AST]:
        for node in self._own_nodes():
            if isinstance(node, ast.Call) and _called(node) in ORDER_FREE_CONSUMERS:
                yield from (argument for argument in node.args if isinstance(argument, ast.GeneratorExp | ast.ListComp))


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
