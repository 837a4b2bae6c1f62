"""The rule that risk is a type: only `risk/gate.py` makes an `ApprovedOrder`; everyone else hands on what it made."""

import ast
from collections.abc import Iterator

from tests.tidy.source import Source, Violation

THE_ONLY_MAKER = "risk/gate.py"
NAME = "ApprovedOrder"


def approved_order(source: Source) -> Iterator[Violation]:
    """Fires on a call of the type, on an alias of it, and on `structs.replace` or `convert` that could forge one."""
    if source.path == THE_ONLY_MAKER:
        return
    aliases = {NAME}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom):
            aliases |= {alias.asname for alias in node.names if alias.name == NAME and alias.asname}
        elif isinstance(node, ast.Assign) and _named(node.value, aliases):
            yield Violation(node.lineno, f"another name for {NAME}: call it by its own")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _named(node.func, aliases):
            yield Violation(node.lineno, f"makes an {NAME}: only {THE_ONLY_MAKER} may; ask the gate")
        elif isinstance(node, ast.Call) and any(_named(argument, aliases) for argument in node.args):
            if _last_name(node.func) not in ("isinstance", "issubclass"):
                yield Violation(node.lineno, f"hands the type {NAME} to a call: only {THE_ONLY_MAKER} may make one")


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _named(node: ast.expr, names: set[str]) -> bool:
    return _last_name(node) in names
