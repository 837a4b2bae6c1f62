"""Nothing but the gate makes an `ApprovedOrder`; the rule is shown to fire."""

import pytest

from tests.tidy.approved import THE_ONLY_MAKER, approved_order
from tests.tidy.source import Source, python_sources

BAD = (
    "from core.commands import ApprovedOrder\nx = ApprovedOrder(intent=i)\n",
    "from core import commands as c\nx = c.ApprovedOrder(intent=i)\n",
    "from core.commands import ApprovedOrder as A\nx = A(intent=i)\n",
    "from core.commands import ApprovedOrder\nmake = ApprovedOrder\n",
    "from core.commands import ApprovedOrder\nx = msgspec.convert(raw, ApprovedOrder)\n",
)
GOOD = (
    "def f(o: ApprovedOrder) -> bool:\n    return isinstance(o, ApprovedOrder)\n",
    "class PlaceOrder:\n    order: ApprovedOrder\n",
)


def test_only_the_gate_makes_one() -> None:
    """Every file outside tests/, the gate itself excepted."""
    found = [f"{s.path}:{v.line}: {v.message}" for s in python_sources() for v in approved_order(s)]
    assert not found, "\n".join(found)


def test_the_gate_makes_one() -> None:
    """If the maker moves, the exception must move with it."""
    gate = next(source for source in python_sources() if source.path == THE_ONLY_MAKER)
    assert list(approved_order(Source("risk/elsewhere.py", gate.text)))


@pytest.mark.parametrize("text", BAD)
def test_fires(text: str) -> None:
    """On a call, an alias and a conversion."""
    assert list(approved_order(Source("broker/a.py", text)))
    assert not list(approved_order(Source(THE_ONLY_MAKER, text)))


@pytest.mark.parametrize("text", GOOD)
def test_is_quiet(text: str) -> None:
    """Naming the type in an annotation or a test of type makes nothing."""
    assert not list(approved_order(Source("broker/a.py", text)))
