"""Each rule fires on a bad snippet and stays quiet on the good one beside it."""

import pytest

from tests.tidy import purity, shape
from tests.tidy.source import Rule, Source

LONG_MODULE = "x = 1\n" * (shape.MODULE_LINES_MAX + 1)
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * shape.FUNCTION_LINES_MAX
FULL_FUNCTION = "def f():\n" + "    x = 1\n" * (shape.FUNCTION_LINES_MAX - 1)
EXCEPT = "try:\n    f()\nexcept {}\n    pass\n"
HOST = shape.REGISTRY_HOSTS[0]

# rule, path, bad snippet, words the message must contain
BAD: list[tuple[Rule, str, str, str]] = [
    (shape.module_docstring, "core/a.py", "x = 1\n", "docstring"),
    (shape.module_size, "core/a.py", LONG_MODULE, "401 lines"),
    (shape.function_size, "core/a.py", LONG_FUNCTION, "f has 71 lines"),
    (shape.function_size, "core/a.py", LONG_FUNCTION.replace("def", "async def"), "f has 71 lines"),
    (shape.module_name, "daemon/utils.py", "", "utils"),
    (shape.module_name, "daemon/order_helpers/a.py", "", "order_helpers"),
    (shape.module_name, "risk/manager.py", "", "manager"),
    (shape.broad_except, "daemon/a.py", EXCEPT.format("Exception:"), "# edge:"),
    (shape.broad_except, "daemon/a.py", EXCEPT.format(":"), "# edge:"),
    (shape.broad_except, "daemon/a.py", EXCEPT.format("(ValueError, BaseException) as e:"), "# edge:"),
    (shape.broad_except, "daemon/a.py", EXCEPT.format("Exception:  # edge:"), "# edge:"),
    (shape.broad_except, "daemon/a.py", "with contextlib.suppress(Exception):\n    f()\n", "# edge:"),
    (shape.broad_except, "core/a.py", EXCEPT.format("Exception:  # edge: no excuse counts here"), "core"),
    (shape.constant_assert, "core/a.py", "assert False, 'never'\n", "Bug"),
    (shape.constant_assert, "core/a.py", "assert (x > 1, 'a tuple is always true')\n", "Bug"),
    (shape.host_or_machine_path, "Makefile", f"pip install -i https://{HOST}/simple x\n", HOST),
    (shape.host_or_machine_path, "a.toml", 'path = "' + "/wo" + 'rk/quantd"\n', "machine"),
    (shape.host_or_machine_path, "a.toml", 'path = "' + "/ho" + 'me/someone"\n', "machine"),
    (shape.file_size, "a.bin", "x" * (shape.FILE_BYTES_MAX + 1), "1048577 bytes"),
    (purity.banned_import_use, "core/a.py", "import time\nt = time.time()\n", "ts_ns"),
    (purity.banned_import_use, "core/a.py", "from time import monotonic_ns as now\nt = now()\n", "ts_ns"),
    (purity.banned_import_use, "core/a.py", "import time\nx = field(default_factory=time.time_ns)\n", "ts_ns"),
    (purity.banned_import_use, "core/a.py", "import datetime\nt = datetime.datetime.now()\n", "ts_ns"),
    (purity.banned_import_use, "core/a.py", "from datetime import datetime as d\nt = d.now()\n", "ts_ns"),
    (purity.banned_import_use, "core/a.py", "from datetime import date\nt = date.today()\n", "ts_ns"),
    (purity.banned_import_use, "core/a.py", "import random\nx = random.random()\n", "seeded"),
    (purity.banned_import_use, "core/a.py", "import numpy as np\nx = np.random.normal()\n", "seeded"),
    (purity.banned_import_use, "core/a.py", "import os\nx = os.environ\n", "shell"),
    (purity.banned_builtin_call, "core/a.py", "print(1)\n", "note"),
    (purity.banned_builtin_call, "core/a.py", "x = open('f').read()\n", "shell"),
    (purity.banned_builtin_call, "core/a.py", "x = hash('a') % 7\n", "crc32c"),
    (purity.banned_builtin_call, "core/a.py", "x = id(order)\n", "address"),
    (purity.set_iteration, "core/a.py", "for x in {1, 2}:\n    f(x)\n", "sorted"),
    (purity.set_iteration, "core/a.py", "for x in set(xs):\n    f(x)\n", "sorted"),
    (purity.set_iteration, "core/a.py", "y = [f(x) for x in frozenset(xs)]\n", "sorted"),
    (purity.set_iteration, "core/a.py", "y = {x: 1 for x in set(xs)}\n", "sorted"),
    (purity.set_iteration, "core/a.py", "y = list(a.keys() - b.keys())\n", "sorted"),
    (purity.set_iteration, "core/a.py", "y = sum({0.1, 0.2})\n", "sorted"),
    (purity.set_iteration, "core/a.py", "y = (*{1, 2}, 3)\n", "sorted"),
    (purity.set_iteration, "core/a.py", "y = ','.join(set(xs))\n", "sorted"),
    (purity.set_iteration, "core/a.py", "def f(xs: set[int]) -> None:\n    for x in xs:\n        g(x)\n", "sorted"),
    (purity.set_iteration, "core/a.py", "def f():\n    xs = set()\n    y = xs | ys\n    return list(y)\n", "sorted"),
    (
        purity.set_iteration,
        "core/a.py",
        "class A:\n    xs: set[int]\n    def f(self):\n        return [*self.xs]\n",
        "sorted",
    ),
    (
        purity.set_iteration,
        "core/a.py",
        "class A:\n    def f(self):\n        self.xs = set()\n        self.xs.pop()\n",
        "sorted",
    ),
    (purity.float_of_money, "core/a.py", "x = float(cash_nanos)\n", "float()"),
    (purity.float_of_money, "core/a.py", "x = float(order.px_nanos)\n", "float()"),
    (purity.float_of_money, "core/a.py", "x = order.px_nanos / 2\n", "rounding"),
    (purity.float_of_money, "core/a.py", "x = 1.5 * px_nanos\n", "rounding"),
    (purity.kernel_flag, "strategies/a.py", "@njit(fastmath=True)\ndef f(): ...\n", "CPU"),
    (purity.kernel_flag, "strategies/a.py", "f = njit('f8(f8)', parallel=True)(g)\n", "CPU"),
    (purity.purity, "risk/a.py", "print(1)\n", "note"),
    (purity.purity, "risk/a.py", "print(1)  # det-ok:\n", "note"),
    (purity.purity, "risk/a.py", "x = 1  # det-ok: nothing is wrong here\n", "excuses nothing"),
]

GOOD: list[tuple[Rule, str, str]] = [
    (shape.module_docstring, "core/a.py", '"""Owns a; must not know b."""\n'),
    (shape.module_size, "core/a.py", "x = 1\n" * shape.MODULE_LINES_MAX),
    (shape.function_size, "core/a.py", FULL_FUNCTION),
    (shape.module_name, "core/utility_curve.py", ""),
    (shape.broad_except, "daemon/a.py", EXCEPT.format("Exception:  # edge: one bad client must not stop the others")),
    (shape.broad_except, "core/a.py", EXCEPT.format("ValueError:")),
    (shape.constant_assert, "core/a.py", "assert x is False\n"),
    (shape.host_or_machine_path, "README.md", "see docs/work/plan.md and https://example.org/work/a\n"),
    (shape.file_size, "a.bin", "x" * shape.FILE_BYTES_MAX),
    (purity.banned_import_use, "core/a.py", "from datetime import datetime\nx = datetime.fromtimestamp(0, tz)\n"),
    (purity.banned_import_use, "core/a.py", "def f(time):\n    return time.hour\n"),
    (purity.banned_builtin_call, "core/a.py", "x = bar.open()\nid = 3\n"),
    (purity.set_iteration, "core/a.py", "for x in sorted({1, 2}):\n    f(x)\n"),
    (purity.set_iteration, "core/a.py", "y = sorted(x for x in set(xs))\nn = len(set(xs))\nz = 1 in {1, 2}\n"),
    (purity.set_iteration, "core/a.py", "def f():\n    xs = {1}\ndef g(xs: list[int]):\n    return list(xs)\n"),
    (purity.float_of_money, "core/a.py", "x = float(age_ms)\ny = px_nanos * 3\nz = px_nanos // tick_nanos\n"),
    (purity.kernel_flag, "strategies/a.py", "@njit('f8(f8)', fastmath=False, cache=True)\ndef f(x): ...\n"),
    (purity.purity, "daemon/a.py", "print(1)\n"),
    (purity.purity, "risk/a.py", "print(1)  # det-ok: a reason\n"),
    (purity.purity, "risk/a.py", "x = '# det-ok: only a string'\n"),
]


def messages(rule: Rule, path: str, text: str) -> str:
    return "\n".join(violation.message for violation in rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text", "words"), BAD)
def test_fires_on_the_bad_snippet(rule: Rule, path: str, text: str, words: str) -> None:
    """And says what to do instead."""
    assert words in messages(rule, path, text)


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_is_quiet_on_the_good_snippet(rule: Rule, path: str, text: str) -> None:
    """A rule that cries wolf gets switched off."""
    assert not messages(rule, path, text)


def test_every_rule_has_both_snippets() -> None:
    """A rule nobody has seen firing proves nothing."""
    rules = {*shape.SHAPE_RULES, *shape.FILE_RULES, *purity.PURITY_RULES, purity.purity}
    assert {rule for rule, *_ in BAD} == rules
    assert {rule for rule, *_ in GOOD} == rules


def test_finds_a_folder_without_init() -> None:
    """A folder whose parent is a package still needs its own."""
    paths = ["core/__init__.py", "core/a.py", "core/deep/b.py", "docs/conf.py"]
    assert shape.folders_without_init(paths) == {"core/deep"}


def test_ratchet_allows_its_number_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A named exception may stay as long as it is, may not grow, and goes once it is short enough."""
    monkeypatch.setitem(shape.OVERSIZE_MODULES, "core/a.py", (500, "one table"))
    assert not messages(shape.module_size, "core/a.py", "x = 1\n" * 500)
    assert "allowed 500" in messages(shape.module_size, "core/a.py", "x = 1\n" * 501)
    assert "OVERSIZE_MODULES" in messages(shape.module_size, "core/a.py", "x = 1\n")
    monkeypatch.setitem(shape.OVERSIZE_MODULES, "core/a.py", (900, "too much"))
    assert "allowed 800" in messages(shape.module_size, "core/a.py", "x = 1\n" * 850)
