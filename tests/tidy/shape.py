"""Rules on the shape of every module outside tests/, and on every file of the repository."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from tests.tidy.source import Rule, Source, Violation

MODULE_LINES_MAX = 400
MODULE_LINES_HARD_MAX = 800
FUNCTION_LINES_MAX = 70
FILE_BYTES_MAX = 1 << 20

# The ratchet: path -> (lines it may have, why it is not split). Numbers only go down.
OVERSIZE_MODULES: dict[str, tuple[int, str]] = {}

PACKAGES = {"broker", "core", "daemon", "execution", "research", "risk", "strategies"}
EMPTY_NAMES = {"helper", "helpers", "manager", "managers", "misc", "util", "utils"}
BROAD_EXCEPTIONS = {"BaseException", "Exception"}
EDGE_COMMENT = re.compile(r"#\s*edge:\s*\S")

# Written in pieces, so that this file does not break its own rule.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npm" + "js", "org"),
        ("deb", "debian", "org"),
        ("crates", "io"),
    )
)
MACHINE_PATH = re.compile(r"(?<![\w.~*/-])/(?:work|farm|root|home|Users)/[\w.]")


def module_docstring(source: Source) -> Iterator[Violation]:
    if not ast.get_docstring(source.tree):
        yield Violation(1, "no module docstring: say what the module owns and what it must not know")


def module_size(source: Source) -> Iterator[Violation]:
    lines = len(source.text.splitlines())
    allowed, _reason = OVERSIZE_MODULES.get(source.path, (MODULE_LINES_MAX, ""))
    allowed = min(allowed, MODULE_LINES_HARD_MAX)
    if lines > allowed:
        yield Violation(lines, f"{lines} lines, allowed {allowed}: split the module by concern")
    if source.path in OVERSIZE_MODULES and lines <= MODULE_LINES_MAX:
        yield Violation(1, "short enough now: take it out of OVERSIZE_MODULES")


def function_size(source: Source) -> Iterator[Violation]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield Violation(node.lineno, f"{node.name} has {lines} lines, allowed {FUNCTION_LINES_MAX}: split it")


def module_name(source: Source) -> Iterator[Violation]:
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if EMPTY_NAMES & set(part.split("_")):
            yield Violation(1, f"'{part}' says nothing: name the module after what it holds")


def folders_without_init(paths: Iterable[str]) -> set[str]:
    """Folders of ours with modules but no `__init__.py`: import-linter and the installed package would skip them."""
    modules = [PurePosixPath(path) for path in paths if path.endswith(".py") and path.split("/")[0] in PACKAGES]
    return {str(module.parent) for module in modules} - {str(m.parent) for m in modules if m.name == "__init__.py"}


def broad_except(source: Source) -> Iterator[Violation]:
    """Broad handlers stand at the supervised edges only, each with its reason, and never in core."""
    for node in ast.walk(source.tree):
        if not _catches_everything(node):
            continue
        line: int = node.lineno  # type: ignore[attr-defined]  # both node types that get here have one
        if source.package == "core":
            yield Violation(line, "broad except in core: catch the typed fault, or let the shell cancel all and exit")
        elif not EDGE_COMMENT.search(source.comments.get(line, "")):
            yield Violation(line, "broad except: catch the typed fault, or add `# edge: <reason>` on this line")


def _catches_everything(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return node.type is None or _names_broad_exception(node.type)
    if isinstance(node, ast.Call) and _last_name(node.func) == "suppress":
        return any(_names_broad_exception(argument) for argument in node.args)
    return False


def _names_broad_exception(node: ast.expr) -> bool:
    members = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(_last_name(member) in BROAD_EXCEPTIONS for member in members)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def constant_assert(source: Source) -> Iterator[Violation]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant | ast.Tuple):
            yield Violation(node.lineno, "assert on a constant: raise Bug(...) with the object's story")


def host_or_machine_path(source: Source) -> Iterator[Violation]:
    """Nothing names a package registry or the machine the file was written on."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        for host in REGISTRY_HOSTS:
            if host in line:
                yield Violation(
                    number, f"names {host}: the machine's own package settings decide where packages come from"
                )
        if MACHINE_PATH.search(line):
            yield Violation(number, "names a path of one machine: make it relative or a setting")


def file_size(source: Source) -> Iterator[Violation]:
    if len(source.text) > FILE_BYTES_MAX:
        yield Violation(1, f"{len(source.text)} bytes, allowed {FILE_BYTES_MAX}: cut it down or build it in the test")


SHAPE_RULES: tuple[Rule, ...] = (
    module_docstring,
    module_size,
    function_size,
    module_name,
    broad_except,
    constant_assert,
)
# For every file, also binary ones; `text` holds one character per byte.
FILE_RULES: tuple[Rule, ...] = (host_or_machine_path, file_size)
