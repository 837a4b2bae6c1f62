"""Rules on the code that decides (core, strategies, risk, execution): same input, same output, on every machine.

A line that breaks a rule for a good reason says so with `# det-ok: <reason>`; one that excuses nothing is a violation.
"""

import ast
import re
from collections.abc import Iterator

from tests.tidy.sets import unordered_iterations
from tests.tidy.source import Rule, Source, Violation

PURE_PACKAGES = {"core", "execution", "risk", "strategies"}
EXCUSE = re.compile(r"#\s*det-ok:\s*\S")

TIME_INSTEAD = "read ts_ns of the stamped input; ask for timers with next_deadline_ns()"
CHANCE_INSTEAD = "ids come from the engine's counters, seeded numbers as an argument"
# Dotted name, or a prefix ending in '.', -> what to do instead.
BANNED_IMPORTS = {
    "time.": TIME_INSTEAD,
    "datetime.date.today": TIME_INSTEAD,
    "datetime.datetime.now": TIME_INSTEAD,
    "datetime.datetime.today": TIME_INSTEAD,
    "datetime.datetime.utcnow": TIME_INSTEAD,
    "numpy.random.": CHANCE_INSTEAD,
    "os.": "the shell reads the machine and hands in values",
    "random.": CHANCE_INSTEAD,
    "secrets.": CHANCE_INSTEAD,
    "uuid.": CHANCE_INSTEAD,
}
BANNED_BUILTINS = {
    "hash": "str and bytes hash differently in every process: use the value itself, or crc32c",
    "id": "an address differs in every process: use the object's own id field",
    "input": "the operator speaks through events",
    "open": "the shell reads the file and hands in its content",
    "print": "return a note or RaiseAlert",
}
BANNED_KERNEL_FLAGS = {"fastmath", "parallel"}


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Local name -> dotted name it stands for, imports inside functions included."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def dotted_name(node: ast.expr, imports: dict[str, str]) -> str:
    """`dt.now` -> 'datetime.datetime.now' when `dt` was imported so; '' for anything that is not an import."""
    if isinstance(node, ast.Name):
        return imports.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = dotted_name(node.value, imports)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def banned_import_use(source: Source) -> Iterator[Violation]:
    """References count, not only calls: `default_factory=time.time_ns` asks for the time as well."""
    imports = imported_names(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = dotted_name(node, imports)
            for banned, instead in BANNED_IMPORTS.items():
                if name == banned or (banned.endswith(".") and name.startswith(banned)):
                    yield Violation(node.lineno, f"{name}: {instead}")


def banned_builtin_call(source: Source) -> Iterator[Violation]:
    imports = imported_names(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in imports:
            instead = BANNED_BUILTINS.get(node.func.id)
            if instead:
                yield Violation(node.lineno, f"{node.func.id}(): {instead}")


def set_iteration(source: Source) -> Iterator[Violation]:
    for line in unordered_iterations(source.tree):
        yield Violation(line, "the order of a set differs between processes: iterate sorted(...), or keep a dict")


def float_of_money(source: Source) -> Iterator[Violation]:
    """Money is integers (*_nanos): no float(), no true division, no float factor."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            if any(_is_nanos(argument) for argument in node.args):
                yield Violation(node.lineno, "float() of money: stay in integer nanos; floats are for features")
        elif isinstance(node, ast.BinOp) and (_is_nanos(node.left) or _is_nanos(node.right)):
            if isinstance(node.op, ast.Div):
                yield Violation(
                    node.lineno, "true division of money: use the division in core/units that names its rounding"
                )
            elif _is_float(node.left) or _is_float(node.right):
                yield Violation(node.lineno, "float factor on money: use an integer ratio and a named rounding")


def _is_nanos(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.endswith("_nanos")


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def kernel_flag(source: Source) -> Iterator[Violation]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in BANNED_KERNEL_FLAGS and not _is_off(keyword.value):
                    yield Violation(node.lineno, f"{keyword.arg}: results would depend on the CPU; leave it off")


def _is_off(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


PURITY_RULES: tuple[Rule, ...] = (
    banned_import_use,
    banned_builtin_call,
    set_iteration,
    float_of_money,
    kernel_flag,
)


def purity(source: Source) -> Iterator[Violation]:
    """All of the above for one file of the pure packages, less what `# det-ok: <reason>` excuses."""
    if source.package not in PURE_PACKAGES:
        return
    excuses = {line for line, comment in source.comments.items() if EXCUSE.search(comment)}
    found = [violation for rule in PURITY_RULES for violation in rule(source)]
    yield from (violation for violation in found if violation.line not in excuses)
    for line in sorted(excuses - {violation.line for violation in found}):
        yield Violation(line, "det-ok excuses nothing on this line: remove it, or put it where the violation is")
