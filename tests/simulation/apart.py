"""What stands between the trader and a broker that is not in its process: what an adapter tells when a session begins
and when a sync ends, the broker's own life while the trader is away, and a journal whose tail is lost.
"""

from pathlib import Path
from typing import Any

from broker.sim.agenda import WhatIfAsk
from broker.sim.exchange import Exchange
from broker.sim.told import borrow_fact, what_if_fact
from core import events as e
from daemon.journal import JournalReader


def cut_tail(directory: Path, *, frames: int, keep_seq: int) -> None:
    """Take the last frames of a closed journal away, as a power cut does that came before they were on the disk."""
    reader = JournalReader(directory)
    ends = [(*reader.position, frame[-1].last_seq) for frame in reader.frames()]
    kept = [end for end in ends[: len(ends) - frames] if end[2] > keep_seq]
    if not kept:
        return
    name, at, _ = kept[-1]
    for path in sorted(directory.glob("segment-*.qj")):
        if path.name > name:
            path.unlink()
    with (directory / name).open("r+b") as file:
        file.truncate(at)


def show_row(exchange: Exchange, row: Any) -> None:
    ts_ns, _, inst, kind, flags, bid, ask, bid_qty, ask_qty = row.item()
    exchange.on_row(
        ts_ns=ts_ns, inst=inst, kind=kind, flags=flags, bid_px_nanos=bid, ask_px_nanos=ask, bid_qty_nanos=bid_qty,
        ask_qty_nanos=ask_qty,
    )  # fmt: skip


def account_values(exchange: Exchange, sync_id: int) -> e.AccountValued:
    """Equity and funds as the broker has them, at its own prices: an order of no size changes nothing."""
    nothing = WhatIfAsk(request_id=0, inst=0, side=1, qty_nanos=0, limit_px_nanos=0)
    now = what_if_fact(nothing, exchange.account, exchange._config, exchange._mark_nanos)
    equity = now.equity_with_loan_nanos
    return e.AccountValued(
        sync_id=sync_id,
        equity_with_loan_nanos=equity,
        available_nanos=equity - now.initial_margin_after_nanos,
        excess_nanos=equity - now.maintenance_margin_after_nanos,
    )


def session_facts(exchange: Exchange, instruments: int) -> list[e.AnyEvent]:
    """What every session begins with: the time compared, and shares to borrow on every line."""
    told = [borrow_fact(exchange._config.borrow, inst) for inst in range(instruments)]
    return [e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0), *told]
