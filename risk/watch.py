"""What the triggers look at: every measure of the account, its books and its symbols, in integers. Keeps the rolling
counts; judges by a `Judge` that it is handed. Mark rule: positions are valued at the mid of a usable quote, else at the
last trade, else at their last mark; while a position has none at all, nothing that needs equity is judged.
"""

from typing import Final

import msgspec

from core.ids import Side
from core.latches import ACCOUNT, STRATEGY, SYMBOL
from core.market import FIELDS, INDEX
from core.money.state import READY
from core.orders import Order
from core.ports import Context
from core.sessions import CLOSED, REGULAR, Calendar
from core.units import BP, NANO, notional_nanos
from risk import triggers as t
from risk.bounds import Bounds, Resolved
from risk.crowds import bucket_bp
from risk.windows import Moves, Window

MINUTE_NS: Final = 60 * NANO
HOUR_NS: Final = 3_600 * NANO
SYNCS_MISSED: Final = 4  # syncs are rarer than the limit where a config says so: then so many must be missing
_ALIVE: Final = INDEX["alive_ts_ns"]
_QUOTED: Final = INDEX["quote_ts_ns"]
_BLIND: Final = INDEX["blind"]
_HALTED: Final = INDEX["halted"]
_FAR: Final = 1 << 62  # beyond any level: a limit of nothing


class WatchState(msgspec.Struct, kw_only=True):
    """Everything that is counted, for a snapshot."""

    orders: Window
    rejects: Window
    errors: Window
    slippage: dict[str, Window] = {}
    moves: dict[int, Moves] = {}
    clock_offset_ns: int = 0
    samples: list[tuple[int, str, str, int]] = []
    good_since: list[tuple[int, str, str, int]] = []


def new_state() -> WatchState:
    """Nothing counted yet."""
    return WatchState(
        orders=Window(span_ns=MINUTE_NS), rejects=Window(span_ns=MINUTE_NS), errors=Window(span_ns=10 * MINUTE_NS)
    )


class Watch:
    """The measures, over one context."""

    __slots__ = ("_calendars", "_context", "_mark_ns", "_sync_ns", "state")

    def __init__(self, context: Context, *, mark_interval_ns: int, sync_interval_ns: int) -> None:
        self._context = context
        self._mark_ns = mark_interval_ns
        self._sync_ns = sync_interval_ns
        calendars: list[tuple[Calendar, list[int]]] = []  # instruments of one calendar share it
        for inst, calendar in enumerate(context.calendars):
            for known, instruments in calendars:
                if known is calendar:
                    instruments.append(inst)
                    break
            else:
                calendars.append((calendar, [inst]))
        self._calendars = tuple(calendars)
        self.state = new_state()

    # ---- counting ----------------------------------------------------------------------------------------------
    def count_fill(self, order: Order, side: Side, qty_nanos: int, px_nanos: int, ts_ns: int) -> None:
        """What a fill cost against the price at which its schedule began; > 0 = worse."""
        parent = self._context.money.parents.get(order.parent_id)
        if parent is None or not parent.arrival_mid_nanos:
            return
        window = self.state.slippage.get(order.strategy)
        if window is None:
            window = self.state.slippage[order.strategy] = Window(span_ns=HOUR_NS)
        arrival = parent.arrival_mid_nanos
        shares, rest = divmod(qty_nanos, NANO)  # whole shares need no wide product
        worse = (px_nanos - arrival) * side
        if rest:
            window.add(ts_ns, worse * qty_nanos // NANO, arrival * qty_nanos // NANO)
        else:
            window.add(ts_ns, worse * shares, arrival * shares)

    def sample_moves(self, ts_ns: int) -> None:
        """One mark of every instrument held, in its regular hours: marks that stand still over a night would leave
        nothing usual, and make the next morning a wild one.
        """
        marks, moves, held = self._context.exposure.marks, self.state.moves, self._context.money.ledger.holdings
        for calendar, instruments in self._calendars:
            if calendar.phase(ts_ns) != REGULAR:
                continue
            for inst in instruments:
                if held[inst] and marks[inst]:
                    known = moves.get(inst)
                    if known is None:
                        known = moves[inst] = Moves()
                    known.take(ts_ns, marks[inst], self._mark_ns)

    # ---- money -------------------------------------------------------------------------------------------------
    def losses(self, judge: t.Judge, resolved: Resolved) -> None:
        """Controls 24 and 25: the day's loss of account and strategies, the fall from the peak."""
        money = self._context.money
        latches, base, account = money.latches, money.day_base_equity_nanos, resolved.account
        loss = base - money.equity_nanos
        soft, hard = _part(base, account.day_loss_soft_bp), _part(base, account.day_loss_hard_bp)
        judge.least, judge.of = account.day_loss_marks, account.day_loss_marks
        judge.judge(latches, t.DAY_LOSS, ACCOUNT, "", loss, soft, hard)
        for strategy, book in resolved.books.items():
            soft, hard = _part(base, book.day_loss_soft_bp), _part(base, book.day_loss_hard_bp)
            judge.judge(latches, t.DAY_LOSS, STRATEGY, strategy, self._strategy_loss(strategy), soft, hard)
        watch = account.watch
        judge.least, judge.of = watch.trigger_breaches, watch.trigger_marks
        peak = money.high_water_nanos
        soft, hard = _part(peak, watch.drawdown_soft_bp), _part(peak, watch.drawdown_hard_bp)
        judge.judge(latches, t.DRAWDOWN, ACCOUNT, "", peak - money.equity_nanos, soft, hard)

    def _strategy_loss(self, strategy: str) -> int:
        """Loss since the day roll, > 0 = lost. A strategy's open profit counts in full, overnight ones included."""
        book = self._context.money.ledger.books.get(strategy)
        if book is None:
            return 0
        open_profit = self._context.exposure.strategy_unrealised.get(strategy, 0)
        return book.day_base_nanos - (book.realised_nanos - book.fees_nanos) - open_profit

    def exposures(self, judge: t.Judge, resolved: Resolved) -> None:
        """Controls 6 and 7 after the fact: what prices, corporate actions and others' trades made of the account."""
        context, account = self._context, resolved.account
        exposure, money = context.exposure, context.money
        latches, equity_bp = money.latches, money.equity_nanos // BP
        soft, hard = account.watch.breach_soft_bp, account.watch.breach_hard_bp
        most = min(account.gross_max_nanos, equity_bp * account.gross_equity_bp_max)
        share = max(_share(exposure.gross, most), _share(abs(exposure.net), account.net_max_nanos))
        judge.judge(latches, t.EXPOSURE, ACCOUNT, "", share, soft, hard)
        for strategy, gross in exposure.strategy_gross.items():
            book = resolved.books.get(strategy)
            if book is not None:
                most = min(book.gross_max_nanos, equity_bp * book.gross_equity_bp_max)
                judge.judge(latches, t.EXPOSURE, STRATEGY, strategy, _share(gross, most), soft, hard)
        worst, detail = 0, ""
        crowd = context.concentration
        for bucket, used in zip(crowd.buckets, crowd.used, strict=True):
            if used:
                share = _share(used, equity_bp * bucket_bp(account, bucket))
                if share > worst:
                    worst, detail = share, f"{bucket.kind} {bucket.name or 'unknown'}"
        judge.judge(latches, t.CROWD, ACCOUNT, "", worst, soft, hard, detail)

    def positions(self, judge: t.Judge, resolved: Resolved) -> None:
        """Control 5 after the fact, by quantity and by value; and how wildly what is held moves."""
        context, watch = self._context, resolved.account.watch
        money, marks = context.money, context.exposure.marks
        equity_bp, latches = money.equity_nanos // BP, money.latches
        calm, wild = watch.volatility_soft_multiple * 1_000, watch.volatility_hard_multiple * 1_000
        for inst, held in enumerate(money.ledger.holdings):
            if not held:
                continue
            bounds = resolved.strangers[inst]
            value = notional_nanos(marks[inst], abs(held))
            share = max(_quantity_share(held, bounds), _share(value, equity_bp * bounds.position_equity_bp_max))
            judge.judge(
                latches, t.POSITION, SYMBOL, bounds.symbol, share, watch.breach_soft_bp, watch.breach_hard_bp
            )  # fmt: skip
            moves = self.state.moves.get(inst)
            if moves is not None and moves.fast > moves.usual_square:
                judge.judge(latches, t.VOLATILITY, SYMBOL, bounds.symbol, moves.multiple_milli(), calm, wild)

    def within(self, resolved: Resolved, inst: int, strategy: str) -> bool:
        """Whether both the account's and the strategy's quantity are within their limits: the ordinary case."""
        ledger = self._context.money.ledger
        held, bounds = ledger.holdings[inst], resolved.strangers[inst]
        if held > bounds.position_long_max_nanos or -held > bounds.position_short_max_nanos:
            return False
        own = resolved.by_strategy.get(strategy)
        if own is None:
            return True
        qty, bounds = ledger.held_nanos(strategy, inst), own[inst]
        return -bounds.book_short_max_nanos <= qty <= bounds.book_long_max_nanos

    def filled(self, judge: t.Judge, resolved: Resolved, inst: int, strategy: str) -> None:
        """Control 5 right after a fill, by quantity: that is no matter of prices, so one look is enough."""
        money = self._context.money
        watch, latches = resolved.account.watch, money.latches
        judge.least = judge.of = 1
        held, bounds = money.ledger.holdings[inst], resolved.strangers[inst]
        if held:
            share = _quantity_share(held, bounds)
            if share >= watch.breach_soft_bp:
                judge.judge(
                    latches, t.POSITION, SYMBOL, bounds.symbol, share, watch.breach_soft_bp, watch.breach_hard_bp
                )  # fmt: skip
        own = resolved.by_strategy.get(strategy)
        position = money.ledger.positions.get((strategy, inst))
        if own is not None and position is not None and position.qty_nanos:
            qty, bounds = position.qty_nanos, own[inst]
            share = _share(abs(qty), bounds.book_long_max_nanos if qty > 0 else bounds.book_short_max_nanos)
            if share >= watch.breach_soft_bp:
                judge.judge(
                    latches, t.POSITION, STRATEGY, strategy, share, watch.breach_soft_bp, watch.breach_hard_bp,
                    bounds.symbol,
                )  # fmt: skip

    # ---- data and time -----------------------------------------------------------------------------------------
    def silences(self, judge: t.Judge, resolved: Resolved, ts_ns: int) -> None:
        """Control 22 for what is held or worked, in regular hours: a line, and the feed as a whole."""
        context, watch = self._context, resolved.account.watch
        money, view = context.money, context.market.view
        held, reserved, latches = money.ledger.holdings, money.reservations, money.latches
        newest, lines = 0, 0
        for calendar, instruments in self._calendars:
            session = calendar.session(ts_ns)
            if session is None or not session.open_ns <= ts_ns < session.close_ns:
                continue
            since = max(session.open_ns, money.link_since_ns)
            for inst in instruments:
                at = inst * FIELDS
                if view[at + _HALTED] > 0:
                    newest = ts_ns  # its silence says nothing of the feed
                    continue
                seen = max(view[at + (_QUOTED if view[at + _BLIND] else _ALIVE)], since)
                newest = max(newest, seen)
                lines += 1
                if held[inst] or reserved.buy_count[inst] or reserved.sell_count[inst]:
                    symbol = resolved.strangers[inst].symbol
                    age, most = ts_ns - seen, watch.line_seconds_soft
                    judge.judge(latches, t.STALE, SYMBOL, symbol, age, most, most)
        if lines > 1:  # the silence of a single line is no more than that
            most = watch.feed_seconds_soft
            judge.judge(latches, t.STALE, ACCOUNT, "", ts_ns - newest, most, most)

    def ages(self, judge: t.Judge, resolved: Resolved, ts_ns: int) -> None:
        """Age of the last complete sync (control 33) and of the measured risk."""
        money, watch = self._context.money, resolved.account.watch
        regular_ns, open_now = 0, False
        for calendar, _ in self._calendars:
            phase = calendar.phase(ts_ns)
            open_now = open_now or phase != CLOSED
            if phase == REGULAR:
                session = calendar.session(ts_ns)
                regular_ns = 0 if session is None else session.open_ns
        if regular_ns and money.link == READY:
            age = ts_ns - max(money.last_sync_ts_ns, regular_ns, money.link_since_ns)
            slack = SYNCS_MISSED * self._sync_ns
            soft, hard = max(watch.sync_seconds_soft, slack), max(watch.sync_seconds_hard, 2 * slack)
            judge.judge(money.latches, t.SYNC, ACCOUNT, "", age, soft, hard)
        if open_now and money.risk_since_ns:
            exposure = self._context.exposure
            any_risk = exposure.gross or exposure.unmarked or money.reservations.count
            age, most = ts_ns - money.risk_since_ns if any_risk else 0, watch.risk_seconds_soft
            judge.judge(money.latches, t.RISK_STALE, ACCOUNT, "", age, most, most)

    # ---- counts and measurements -------------------------------------------------------------------------------
    def rates(self, judge: t.Judge, resolved: Resolved, ts_ns: int) -> None:
        """Orders, rejects, errors; what fills cost."""
        watch, state, latches = resolved.account.watch, self.state, self._context.money.latches
        for trigger, window, soft, hard in (
            (t.ORDERS, state.orders, watch.orders_minute_soft, watch.orders_minute_hard),
            (t.REJECTS, state.rejects, watch.rejects_minute_soft, watch.rejects_minute_hard),
            (t.ERRORS, state.errors, watch.errors_soft, watch.errors_hard),
        ):
            if window.counts:
                judge.judge(latches, trigger, ACCOUNT, "", window.count(ts_ns), soft, hard)
        for strategy, window in state.slippage.items():
            count, mean_bp = window.mean_bp(ts_ns)
            value = mean_bp if count >= watch.slippage_fills_min else 0
            judge.judge(
                latches, t.SLIPPAGE, STRATEGY, strategy, value, watch.slippage_soft_bp, watch.slippage_hard_bp
            )  # fmt: skip

    def clock(self, judge: t.Judge, resolved: Resolved) -> None:
        """Control 36: the newest measured offset."""
        watch = resolved.account.watch
        offset = abs(self.state.clock_offset_ns) // 1_000_000
        judge.judge(
            self._context.money.latches, t.CLOCK, ACCOUNT, "", offset, watch.clock_soft_milliseconds,
            watch.clock_hard_milliseconds,
        )  # fmt: skip

    def measured(self, judge: t.Judge, resolved: Resolved) -> None:
        """The worker's newest numbers against equity as it was then."""
        money, watch = self._context.money, resolved.account.watch
        risk = money.risk
        if risk is None:
            return
        latches = money.latches
        for trigger, loss, soft, hard, detail in (
            (t.VAR, risk.var_nanos, watch.var_soft_bp, watch.var_hard_bp, ""),
            (t.CVAR, risk.cvar_nanos, watch.cvar_soft_bp, watch.cvar_hard_bp, ""),
            (t.STRESS, risk.worst_stress_nanos, watch.stress_soft_bp, watch.stress_hard_bp, risk.worst_stress),
        ):
            judge.judge(latches, trigger, ACCOUNT, "", _share(loss, risk.equity_nanos), soft, hard, detail)
        soft, hard = watch.exit_days_soft * 1_000, watch.exit_days_hard * 1_000
        symbols = money.settings.symbols
        detail = symbols[risk.slowest_inst] if 0 <= risk.slowest_inst < len(symbols) else ""
        judge.judge(latches, t.EXIT_DAYS, ACCOUNT, "", risk.days_to_exit_milli, soft, hard, detail)


def _part(base_nanos: int, bp: int) -> int:
    """So many basis points of an amount, up; of nothing or less: a level that anything breaches."""
    return -(-base_nanos * bp // BP) if base_nanos > 0 else -_FAR


def _share(value: int, limit: int) -> int:
    """A value as a share of its limit in basis points, down."""
    if value <= 0:
        return 0
    return value * BP // limit if limit > 0 else _FAR


def _quantity_share(held: int, bounds: Bounds) -> int:
    if held > 0:
        return _share(held, bounds.position_long_max_nanos)
    return _share(-held, bounds.position_short_max_nanos)
