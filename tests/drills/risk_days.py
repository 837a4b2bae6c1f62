"""The drill `risk_days`: the five BAC and IBM days with every control on its factory limit. Every refusal must explain
itself: which control, what was there, what was allowed, who lifts it. Refusals are counted by control and day.
"""

import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from core import commands as c
from core import notes as n
from core.latches import LEVEL_NAMES, STATE_NAMES
from core.records import COMMAND, NOTE, decode
from daemon.journal import JournalReader
from risk.controls import CONTROLS
from tests.drills.kill9 import drill_config, market_data
from tests.fakes.process import run_whole, verify

NEW_YORK: Final = ZoneInfo("America/New_York")
SHOWN_MAX: Final = 1  # refusals shown in full for each control and day


def run_part(number: int) -> dict[str, Any]:
    """The whole tape once, as `quantd run` does it; in odd parts the strategy wants ten times as much."""
    if market_data() is None:
        return {"counts": {}, "failures": ["no recorded market data: set QUANTD_MARKET_DATA"]}
    with tempfile.TemporaryDirectory(prefix="qr-") as name:
        config = drill_config(Path(name))
        text = config.read_text()
        if number % 2:
            text = text.replace("position_dollars = 50_000", "position_dollars = 500_000")  # far beyond the limits
        head, journal = text[: text.index("[limits.account]")], text[text.index("[journal]") :]
        config.write_text(head + journal)  # not one limit is set
        summary = run_whole(config)
        return judged(summary, Path(name) / "journal", trades=number % 2 == 0)


def judged(summary: dict[str, Any], journal: Path, *, trades: bool) -> dict[str, Any]:
    """Refusals and moves of the ladder of a journal, and what is wrong with them."""
    by_day: dict[str, Counter[str]] = {}
    shown: dict[str, list[str]] = {}
    failures: list[str] = []
    for record in JournalReader(journal).records({NOTE}):
        note = decode(NOTE, record.payload)
        if type(note) is not n.Refusal:
            continue
        day, first = _day(record.ts_ns), note.failures[0]
        kind = f"{first.control} {first.code}"
        by_day.setdefault(day, Counter())[kind] += 1
        failures += unexplained(note, record.seq)
        examples = shown.setdefault(f"{day} {kind}", [])
        if len(examples) < SHOWN_MAX:
            examples.append(f"{first.value} against {first.limit}; {first.lift}")
    if trades and not summary["fills"]:
        failures.append("nothing was traded")
    verify(journal)
    refused = sum(sum(counts.values()) for counts in by_day.values())
    return {
        "equity": summary["equity"],
        "refusals": {day: dict(sorted(counts.items())) for day, counts in by_day.items()},
        "examples": shown,
        "ladder": moves(journal),
        "counts": {"orders": summary["children"], "fills": summary["fills"], "refusals": refused,
                   "unexplained": len(failures)},
        "failures": failures[:50],
    }  # fmt: skip


def unexplained(note: n.Refusal, seq: int) -> list[str]:
    """What a refusal lacks: a control of the list, a value, a limit, somebody who lifts it."""
    found = []
    known = {control.number for control in CONTROLS}
    for failure in note.failures:
        lacking = [name for name in ("code", "value", "limit", "lift") if not getattr(failure, name)]
        if failure.control not in known:
            lacking.append("control")
        if lacking:
            found.append(f"record {seq}: {failure.control} {failure.code} says no {', '.join(lacking)}")
    return found or ([] if note.failures else [f"record {seq}: a refusal without a reason"])


def moves(journal: Path) -> list[str]:
    """Every move of the ladder, in words."""
    found = []
    for record in JournalReader(journal).records({COMMAND}):
        move = decode(COMMAND, record.payload)
        if type(move) is c.MoveLadder:
            where = f"{LEVEL_NAMES[move.level]} {move.scope}".strip()
            found.append(
                f"{_day(record.ts_ns)} {where} {STATE_NAMES[move.state]} {move.code}: {move.reason} "
                f"({move.value} against {move.limit})"
            )
    return found


def _day(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 10**9, NEW_YORK).date().isoformat()
