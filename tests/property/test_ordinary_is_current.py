"""Keeps the short way (risk/ordinary.py) with the checks it stands for: whoever changes what a check asks, or what the
view reads for it, is sent there.
"""

import ast
import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the short way was written against. On a difference: read the change, bring risk/ordinary.py and risk/envelope.py
# in line (or see that they are), extend tests/property/test_ordinary.py if state is new, then note the new digest here.
KNOWN = {
    "risk/crowds.py": "16c9eb3fd8e4",
    "risk/history.py": "db18580138ad",
    "risk/holdings.py": "1981d3e2d5f1",
    "risk/laid_down.py": "1bb2143748bc",
    "risk/levels.py": "5ce2cf115f4b",
    "risk/liquidity.py": "40fc3ef7e58c",
    "risk/needs.py": "0792dd431ae2",
    "risk/rules.py": "9c6e8a3d3343",
    "risk/view.py": "93d832c3f98d",
    "risk/checks/__init__.py": "2cb158c4513b",
    "risk/checks/clock.py": "9fc9678758bc",
    "risk/checks/concentration.py": "4b5f43414b87",
    "risk/checks/day_loss.py": "65bed1efb24e",
    "risk/checks/deployment.py": "97b0d9ded5d6",
    "risk/checks/drawdown.py": "fd337dfcc1ca",
    "risk/checks/duplicate_order.py": "1e37d7b115da",
    "risk/checks/fail_closed.py": "9940bcde398c",
    "risk/checks/gross_exposure.py": "28119761c504",
    "risk/checks/intraday_margin.py": "6adacd9c6859",
    "risk/checks/ladder_state.py": "f3203a140136",
    "risk/checks/link_ready.py": "6453073db348",
    "risk/checks/margin.py": "78eb947fc1ba",
    "risk/checks/market_quality.py": "7eaba4323651",
    "risk/checks/message_budget.py": "37a16565deaf",
    "risk/checks/order_notional.py": "aa019165b17d",
    "risk/checks/order_quantity.py": "117772467f6a",
    "risk/checks/order_rate.py": "d5c41b6c6241",
    "risk/checks/order_validity.py": "e1b8a0261c42",
    "risk/checks/participation.py": "504f87c996a1",
    "risk/checks/position.py": "9ddcd312832f",
    "risk/checks/price_bands.py": "eadc7012c2fc",
    "risk/checks/price_collar.py": "f7122d3dc130",
    "risk/checks/repeated_execution.py": "374957dfa8d4",
    "risk/checks/restricted.py": "8bea7af22360",
    "risk/checks/risk_measured.py": "108de7f1a52b",
    "risk/checks/self_trade.py": "f2f8d63ac00e",
    "risk/checks/session_hours.py": "5ededaa09e65",
    "risk/checks/short_sale.py": "d8b174617afd",
    "risk/checks/unexplained_difference.py": "4c3be902d430",
    "risk/checks/unknown_order.py": "13e205d95bc9",
    "risk/checks/value_window.py": "a49874b55d13",
    "risk/checks/working_orders.py": "a600f2e9fa78",
}


def digest_of(path: Path) -> str:
    """Of what the code does: without comments, docstrings, `explain` and layout."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            texts = [s for s in node.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)]
            told = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "explain"]
            node.body = [s for s in node.body if s not in texts and s not in told]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


def checked() -> list[str]:
    """The checks, and everything that reads or caches state for them."""
    names = ("crowds", "history", "holdings", "laid_down", "levels", "liquidity", "needs", "rules", "view")
    return [
        *(f"risk/{name}.py" for name in names),
        *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "risk" / "checks").glob("*.py")),
    ]


@pytest.mark.parametrize("path", checked())
def test_the_short_way_knows_this_module(path: str) -> None:
    """A change here is a change there, or was seen to be none."""
    found = digest_of(ROOT / path)
    assert KNOWN.get(path) == found, f"{path} changed: see that risk/ordinary.py still implies it, then note {found!r}"


def test_nothing_is_known_that_is_gone() -> None:
    """A check that went away takes its part of the short way with it."""
    assert set(KNOWN) == set(checked())
