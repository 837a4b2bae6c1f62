"""The screen: everything that matters fits on 80 by 24, and nothing ever overflows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from daemon.status import picture as s
from daemon.status import screen
from daemon.status.follower import FollowerNews
from tests.fakes.operations import a_status

QUIET = FollowerNews(line="follower following  seq 7")
LOUD = FollowerNews(line="follower diverged", alarms=("follower: diverged at seq 7",))


def a_busy_status(**changes: Any) -> s.Status:
    """Three symbols, and every list longer than a small screen."""
    lists: dict[str, Any] = {
        "feed": tuple(
            s.FeedRow(symbol=f"SYM{i}", bid="25.1", ask="25.11", last="25.1", age_ms=3, state="", odd=(1, 0))
            for i in range(3)
        ),
        "positions": tuple(
            s.PositionRow(
                strategy="meanrev", symbol=f"SYM{i}", qty="100", average_px="25.1000", mark="25.105",
                unrealised="0.50", realised="-12.00", fees="1.00",
            )
            for i in range(3)
        ),
        "targets": (s.TargetRow(strategy="meanrev", symbol="SYM0", target="200", held="100"),),
        "parents": tuple(
            s.ParentRow(
                id=i, strategy="meanrev", symbol="SYM0", side="BUY", qty="100", filled="0", algo="twap",
                state="ACTIVE", end_ns=10**18,
            )
            for i in range(6)
        ),
        "children": tuple(
            s.ChildRow(id=i, parent=i, symbol="SYM0", side="BUY", qty="100", filled="0", limit="25.1", state="WORKING")
            for i in range(6)
        ),
        "fills": tuple(
            s.FillRow(ts_ns=i, order=i, strategy="meanrev", symbol="SYM0", side="BUY", qty="100", px="25.1")
            for i in range(8)
        ),
        "refusals": tuple(
            s.RefusalRow(
                ts_ns=i, strategy="meanrev", symbol="SYM0", side="BUY", control=5, code="POSITION", value="1", limit="0"
            )
            for i in range(8)
        ),
        "alerts": tuple(s.AlertRow(ts_ns=i, severity="warning", code="X", text="text") for i in range(8)),
    }  # fmt: skip
    return a_status(**(lists | changes))


def shown(status: s.Status, width: int, height: int) -> str:
    """What a terminal of this size shows."""
    console = Console(width=width, height=height, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    with console.file:
        lines = screen.page_lines(status, QUIET, Text("title"), width=width, height=height)
        for line in lines:
            console.print(screen._fitted(line, width))
    return console.export_text()


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 50)])
def test_every_list_has_its_place(size: tuple[int, int]) -> None:
    """Quotes, targets and positions, schedules, orders, fills, refusals, alerts, with state and profit on top."""
    text = shown(a_busy_status(), *size)
    for word in ("READY", "ACTIVE", "equity", "today", "QUOTES", "POSITIONS", "SCHEDULES", "ORDERS", "FILLS",
                 "REFUSALS", "5 POSITION", "ALERTS"):  # fmt: skip
        assert word in text, word
    assert "200" in text.split("POSITIONS")[1], "the target stands beside the position"


def test_a_small_screen_says_what_it_leaves_out() -> None:
    """The number counts rows cut here and rows cut from the picture."""
    text = shown(a_busy_status(more={"fills": 100}), 80, 24)
    heading = next(line for line in text.splitlines() if line.startswith("FILLS"))
    below = [line for line in text.splitlines() if "meanrev" in line and " at 25.1" in line]
    assert heading.split()[1] == f"+{8 + 100 - len(below)}"


@given(st.integers(1, 250), st.integers(1, 80), st.integers(0, 20), st.integers(0, 8))
def test_no_size_overflows(width: int, height: int, fills: int, latches: int) -> None:
    """Never more lines than the terminal has."""
    row = s.FillRow(ts_ns=1, order=1, strategy="meanrev", symbol="A" * 30, side="BUY", qty="1", px="1")
    latch = s.LatchRow(level="account", scope="", state="HALTED", code="X", reason="r" * 90, by="b", since_ns=1)
    status = a_busy_status(fills=(row,) * fills, latches=(latch,) * latches)
    lines = screen.page_lines(status, QUIET, Text("title"), width=width, height=height)
    assert len(lines) <= height
    assert all(screen._fitted(line, width).cell_len <= width for line in lines)


def test_blocks_stand_above_the_lists() -> None:
    """A halt, an unverified kill, a disabled strategy, a difference, an unknown order, SAFE, no disk, the follower."""
    status = a_busy_status(
        state="halted",
        latches=(
            s.LatchRow(level="account", scope="", state="HALTED", code="KILL", reason="[why]", by="ann", since_ns=1),
        ),
        kills=(s.KillRow(level="account", scope="", since_ns=1, verified_ns=0),),
        strategies=(s.StrategyRow(name="meanrev", enabled=False, reason="ZeroDivisionError"),),
        differences=("BAC: ours 1, broker 2",),
        unknown=(17,),
        safe=True,
        disk_available=False,
    )
    head = "\n".join(line.plain for line in screen.head(status, LOUD))
    for word in (
        "KILL: [why] (by ann",
        "not verified",
        "ZeroDivisionError",
        "ours 1, broker 2",
        "17",
        "SAFE",
        "disk",
        "diverged",
    ):
        assert word in head, word
