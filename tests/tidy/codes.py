"""Every code an operator can meet, found in the source: alerts, latches, and what the guard tells. Reads text, runs
nothing.
"""

import ast
from collections.abc import Iterator
from functools import cache

from tests.tidy.source import python_sources

CALLS = (
    "alert", "tell", "_tell", "halt", "reduce", "RaiseAlert", "MoveLadder", "_again", "_hold", "_latch", "Alert",
    "Rule", "Own", "_rule", "_leave", "move", "TriggerFired",
)  # fmt: skip
PACKAGES = ("core", "risk", "execution", "strategies", "broker", "daemon")


@cache
def codes() -> dict[str, str]:
    """Code -> the file that uses it."""
    trees = _trees()
    everywhere = {name: text for tree in trees.values() for name, text in _constants(tree)}
    found: dict[str, str] = {}
    for path, tree in trees.items():
        constants = everywhere | dict(_constants(tree))  # its own name first: several modules have a MISSING
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if _name(call.func) in CALLS:
                for given in (*call.args[:2], *(word.value for word in call.keywords if word.arg in ("code", "name"))):
                    code = _text(given, constants)
                    if code and code.isupper():
                        found.setdefault(code, path)
    return found


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """NAME = "CODE" of a module."""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Constant):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            text = node.value.value
            if isinstance(target, ast.Name) and isinstance(text, str) and text.isupper():
                yield target.id, text


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _text(given: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(given, ast.Constant):
        return given.value if isinstance(given.value, str) else ""
    return constants.get(_name(given), "")


def severities() -> dict[str, set[str]]:
    """Code -> the severities that calls of `alert` and `tell` give it in words."""
    found: dict[str, set[str]] = {}
    for tree in _trees().values():
        for code, words in severities_in(tree, dict(_constants(tree))):
            found.setdefault(code, set()).update(words)
    return found


@cache
def _trees() -> dict[str, ast.Module]:
    return {source.path: source.tree for source in python_sources() if source.package in PACKAGES}


def severities_in(tree: ast.Module, constants: dict[str, str]) -> Iterator[tuple[str, set[str]]]:
    """The same of one module."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _name(call.func) in ("alert", "tell", "_tell") and len(call.args) == 3:
            code = _text(call.args[0], constants)
            words = {
                node.value
                for node in ast.walk(call.args[1])
                if isinstance(node, ast.Constant) and node.value in ("info", "warning", "critical")
            }
            if code.isupper() and words:
                yield code, words
