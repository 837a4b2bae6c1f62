"""A small synthetic world for tests of what reads a Context: instruments, a day of sessions, quotes, and short ways to
place and fill orders through core's own folds. No file, no clock: `NOON` is 12:00 New York on a Friday.
"""

from typing import Any, Final

import numpy as np

from core import commands as c
from core import events as e
from core.commands import ApprovedOrder, OrderIntent
from core.exposure import Exposure
from core.instruments import STK, Instrument, LotRule, TickRule
from core.market import MarketReader, apply_row, new_market
from core.money.fold import fold_command, fold_input
from core.money.state import Money, MoneySettings
from core.ports import Context
from core.rows import PRINT, QUOTE, ROW
from core.sessions import Calendar, Session, SessionTable
from core.units import NANO
from core.volume import Volumes
from risk.limits import Limits
from risk.resolve import rates

SECOND: Final = 1_000_000_000
HOUR: Final = 3600 * SECOND
MIDNIGHT: Final = 1_741_323_600 * SECOND  # 2025-03-07 00:00 in New York
DATE: Final = 20250307
NOON: Final = MIDNIGHT + 12 * HOUR
OPEN: Final = MIDNIGHT + 9 * HOUR + HOUR // 2
CLOSE: Final = MIDNIGHT + 16 * HOUR
CENT: Final = NANO // 100
FUNDS: Final = 1 << 62  # what the broker lets us use: a row about something else is not to meet its bound
ACCOUNT: Final = "DU000001"
TAG: Final = "test"
ADV: Final = 10_000_000 * NANO  # average daily volume of every instrument: 128,205 shares in five minutes


def session_table() -> SessionTable:
    """Two full days: 04:00 pre-open, 09:30 open, 16:00 close, 20:00 end; on-close orders until 15:50."""
    days = [
        Session(
            date=DATE + day,
            pre_open_ns=start + 4 * HOUR,
            open_ns=start + 9 * HOUR + HOUR // 2,
            close_ns=start + 16 * HOUR,
            post_close_ns=start + 20 * HOUR,
            moc_cutoff_ns=start + 15 * HOUR + 50 * 60 * SECOND,
        )
        for day, start in enumerate((MIDNIGHT, MIDNIGHT + 24 * HOUR))
    ]
    return SessionTable(
        calendar="XNYS",
        timezone="America/New_York",
        sessions=tuple(days),
        from_ns=MIDNIGHT,
        until_ns=MIDNIGHT + 48 * HOUR,
    )


def make_instrument(inst: int, **changes: Any) -> Instrument:
    """Symbol S0, S1, ...: a stock with a tick of one cent and round lots of 100, traded by the share."""
    fields: dict[str, Any] = {
        "inst": inst,
        "symbol": f"S{inst}",
        "con_id": 1000 + inst,
        "sec_type": STK,
        "exchange": "SMART",
        "primary_exchange": "NYSE",
        "currency": "USD",
        "calendar": "XNYS",
        "ticks": (TickRule(effective_from=20200101, increments=((0, CENT),)),),
        "lots": (
            LotRule(effective_from=20200101, round_lot_nanos=100 * NANO, increment_nanos=NANO, minimum_nanos=NANO),
        ),
    }
    return Instrument(**(fields | changes))


class World:
    """A Context with the moves a test needs. Every move goes through core's folds, as in the engine."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.money = context.money
        self.ts_ns = NOON

    # ---- market ------------------------------------------------------------------------------------------------
    def quote(self, inst: int, bid: int, ask: int, *, ts_ns: int | None = None, size: int = 1000) -> None:
        """A quote in nanos per share, `size` shares on each side."""
        self._row(inst, QUOTE, bid, ask, size * NANO, size * NANO, ts_ns)

    def print_trade(self, inst: int, px: int, *, ts_ns: int | None = None, size: int = 100) -> None:
        """A trade."""
        self._row(inst, PRINT, px, 0, size * NANO, 0, ts_ns)

    def _row(self, inst: int, kind: int, px: int, ask: int, qty: int, ask_qty: int, ts_ns: int | None) -> None:
        at = self.ts_ns if ts_ns is None else ts_ns
        row = np.array([(at, at, inst, kind, 0, px, ask, qty, ask_qty)], ROW)
        apply_row(self.context.market.state[inst], row[0])

    def mark(self) -> None:
        """Re-mark all positions and the equity, as the engine does on its timer."""
        ledger, exposure = self.money.ledger, self.context.exposure
        exposure.mark_all(self.context.market, ledger)
        equity = ledger.equity_nanos(exposure.marks)
        self.command(c.MarkEquity(equity_nanos=equity, unrealised_nanos=ledger.unrealised_nanos(exposure.marks)))

    # ---- folds -------------------------------------------------------------------------------------------------
    def command(self, command: Any) -> None:
        """Fold one command at the present moment."""
        fold_command(self.money, self.money.seq + 1, self.ts_ns, command)

    def event(self, event: Any) -> None:
        """Fold one fact at the present moment."""
        fold_input(self.money, self.money.seq + 1, self.ts_ns, event)

    def intent(self, **changes: Any) -> OrderIntent:
        """A passive buy of 100 shares of instrument 0 by strategy "alpha", with a fresh id and slice number."""
        order_id = self.money.next_order_id
        fields: dict[str, Any] = {
            "order_id": order_id,
            "parent_id": 0,
            "slice_no": order_id,
            "strategy": "alpha",
            "inst": 0,
            "side": 1,
            "qty_nanos": 100 * NANO,
            "order_type": c.LMT,
        }
        fields |= changes
        if "limit_px_nanos" not in fields and fields["order_type"] in (c.LMT, c.LOC):
            side = "bid_px_nanos" if fields["side"] > 0 else "ask_px_nanos"
            fields["limit_px_nanos"] = self.context.market.get(fields["inst"], side)
        return OrderIntent(**fields)

    def approved(self, intent: OrderIntent, *, notional_nanos: int = 0, reduce_only: bool = False) -> ApprovedOrder:
        """An approval without a gate: for worlds that must start with orders no gate would take."""
        make = ApprovedOrder
        return make(
            intent=intent,
            account=ACCOUNT,
            order_ref=f"q-{TAG}-1-{intent.order_id}",
            reduce_only=reduce_only,
            notional_nanos=notional_nanos or intent.limit_px_nanos * intent.qty_nanos // NANO,
            ladder_epoch=self.money.latches.moves,
        )

    def place(self, order: ApprovedOrder, *, acknowledged: bool = True) -> int:
        """Fold the placing (or replacing) of an approved order; returns its id."""
        intent = order.intent
        self.command(c.ReplaceOrder(order=order) if intent.version else c.PlaceOrder(order=order))
        if acknowledged and not intent.version:
            self.event(e.OrderAcknowledged(order_id=intent.order_id))
        return intent.order_id

    def rest(self, **changes: Any) -> int:
        """A working order that no gate judged; see `intent` for the fields."""
        return self.place(self.approved(self.intent(**changes)))

    def fill(self, order_id: int, qty: int, px: int) -> None:
        """An execution of `qty` nanos at `px` nanos, marked as the engine does."""
        order = self.money.orders[order_id]
        self.event(
            e.OrderFilled(
                order_id=order_id,
                exec_id=f"x{self.money.seq}",
                side=order.side,
                qty_nanos=qty,
                px_nanos=px,
                inst=order.inst,
            )
        )
        context = self.context
        context.exposure.mark(order.inst, context.market.mark_nanos(order.inst), self.money.ledger)

    def hold(self, inst: int, shares: int, *, strategy: str = "alpha", px: int = 100 * NANO) -> None:
        """Give a strategy a position, bought or sold at `px`, by an order of its own."""
        side = 1 if shares > 0 else -1
        qty = abs(shares) * NANO
        order_id = self.rest(inst=inst, side=side, strategy=strategy, qty_nanos=qty, limit_px_nanos=px)
        self.fill(order_id, qty, px)
        self.money.tats.clear()  # the way to the position is no part of the test
        self.mark()

    def cancel(self, order_id: int) -> None:
        """Cancel asked and confirmed."""
        self.command(c.CancelOrder(order_id=order_id, reason="test"))
        self.event(e.OrderCancelled(order_id=order_id))


def build_context(
    *,
    instruments: int = 2,
    strategies: tuple[str, ...] = ("alpha", "beta"),
    cash_nanos: int = 1_000_000 * NANO,
    limits: Limits | None = None,
    changes: dict[int, dict[str, Any]] | None = None,
    quoted: bool = True,
) -> World:
    """A READY world at noon, flat, each instrument quoted 99.99 / 100.01. `changes` alters instruments by number."""
    made = tuple(make_instrument(at, **(changes or {}).get(at, {})) for at in range(instruments))
    pace = rates(limits or Limits())
    settings = MoneySettings(
        account=ACCOUNT,
        account_tag=TAG,
        currency="USD",
        start_cash_nanos=cash_nanos,
        symbols=tuple(instrument.symbol for instrument in made),
        strategies=strategies,
        duplicate_window_ns=pace.duplicate_window_ns,
        rate_account=pace.account,
        rate_strategy=pace.strategy,
        rate_symbol=pace.symbol,
    )
    context = Context(
        instruments=made,
        calendars=tuple(Calendar(session_table()) for _ in made),
        previous_close_nanos=[100 * NANO] * instruments,
        volumes=Volumes(instruments, adv_nanos=[ADV] * instruments),
        money=Money(settings),
        market=MarketReader(new_market(instruments)),
        exposure=Exposure(instruments),
    )
    world = World(context)
    world.event(
        e.TraderStarted(epoch=1, mode="paper", ended="new", after_crash="halted", guard_fired=False, changed="")
    )
    world.event(e.LinkRestored(reason="test"))
    world.event(e.AccountValued(sync_id=1, equity_with_loan_nanos=FUNDS, available_nanos=FUNDS, excess_nanos=FUNDS))
    world.money.last_sync_ts_ns = world.money.ts_ns  # a complete sync came with it
    world.money.risk_since_ns = 1 << 62  # a worker measures at any time
    world.event(e.ClockOffsetMeasured(offset_ns=0, round_trip_ns=0))
    for inst in range(instruments):
        world.event(e.ShortableChanged(inst=inst, level_milli=3_000))
        world.context.market.set_session(inst, OPEN, CLOSE)
    if quoted:
        for inst in range(instruments):
            world.quote(inst, 100 * NANO - CENT, 100 * NANO + CENT)
    world.mark()
    return world
