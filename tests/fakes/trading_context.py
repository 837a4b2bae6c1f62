"""A trading context without a daemon: one or two instruments, one long session, a market that tests set by hand."""

from typing import Any

from core import commands as c
from core import events as e
from core.exposure import Exposure
from core.fee_plans import DEFAULT_PLANS
from core.fees import FeeTable
from core.instruments import Instrument, LotRule, TickRule
from core.market import MarketReader, new_market
from core.money.fold import fold_command, fold_input
from core.money.state import Money, MoneySettings
from core.ports import Context
from core.rates import RateLimit
from core.sessions import Calendar, Session, SessionTable
from core.units import NANO
from core.volume import Volumes
from execution.desk import NettingDesk
from execution.executor import ChaseExecutor
from execution.settings import DEFAULT_SETTINGS, ExecutionConfig, ExecutionSettings, resolve

FEES = FeeTable(DEFAULT_PLANS["ibkr_pro_fixed"])
DATE = 20240304
ADV = 10_000_000 * NANO
OPEN_NS = 1_700_000_000 * NANO
CLOSE_NS = OPEN_NS + 23_400 * NANO
CENT = NANO // 100
SHARE = NANO
RATE = RateLimit(1000, NANO)
MONEY = MoneySettings(
    account="DU1",
    account_tag="t",
    currency="USD",
    start_cash_nanos=1_000_000 * NANO,
    symbols=("AAA", "BBB"),
    strategies=("alpha", "beta"),
    duplicate_window_ns=NANO,
    rate_account=RATE,
    rate_strategy=RATE,
    rate_symbol=RATE,
)


def instrument(inst: int, *, lot_nanos: int = SHARE) -> Instrument:
    """A stock with a cent tick above one dollar and a hundredth of it below."""
    return Instrument(
        inst=inst,
        symbol=MONEY.symbols[inst],
        con_id=inst + 1,
        sec_type="STK",
        exchange="SMART",
        primary_exchange="NYSE",
        currency="USD",
        calendar="XNYS",
        ticks=(TickRule(effective_from=20200101, increments=((0, CENT // 100), (NANO, CENT))),),
        lots=(
            LotRule(
                effective_from=20200101,
                round_lot_nanos=100 * SHARE,
                increment_nanos=lot_nanos,
                minimum_nanos=lot_nanos,
            ),
        ),
    )


def session_table() -> SessionTable:
    """Two days of the same hours; the second a day later."""
    days = [
        Session(
            date=DATE + day,
            pre_open_ns=OPEN_NS + shift - 3600 * NANO,
            open_ns=OPEN_NS + shift,
            close_ns=CLOSE_NS + shift,
            post_close_ns=CLOSE_NS + shift + 3600 * NANO,
            moc_cutoff_ns=CLOSE_NS + shift - 600 * NANO,
        )
        for day, shift in ((0, 0), (1, 86_400 * NANO))
    ]
    return SessionTable(
        calendar="XNYS",
        timezone="America/New_York",
        sessions=tuple(days),
        from_ns=OPEN_NS - 86_400 * NANO,
        until_ns=OPEN_NS + 2 * 86_400 * NANO,
    )


class Bench:
    """A context, its executor and the folds, with a sequence number of its own."""

    def __init__(self, *, lot_nanos: int = SHARE, settings: ExecutionSettings = DEFAULT_SETTINGS) -> None:
        table = session_table()
        self.settings = settings
        self.context = Context(
            instruments=(instrument(0, lot_nanos=lot_nanos), instrument(1, lot_nanos=lot_nanos)),
            calendars=(Calendar(table), Calendar(table)),
            previous_close_nanos=[0, 0],
            volumes=Volumes(2, adv_nanos=[ADV, ADV]),
            money=Money(MONEY),
            market=MarketReader(new_market(2)),
            exposure=Exposure(2),
        )
        self.ts_ns = OPEN_NS
        self.seq = 0
        self.executor = ChaseExecutor(self.context, settings={}, default=settings)
        self.fold(e.LinkRestored())
        self.context.money.last_sync_ts_ns = self.context.money.ts_ns  # a complete sync came with it
        self.context.money.risk_since_ns = 1 << 62  # a worker measures at any time
        self.fold(e.DayRolled(date=DATE))
        self.quote(0, 1000, 1002)
        self.quote(1, 2000, 2001)

    @property
    def money(self) -> Money:
        """The account."""
        return self.context.money

    def fold(self, message: Any) -> None:
        """Fold a command or a fact at the present time."""
        self.seq += 1
        fold = fold_command if isinstance(message, c.Command) else fold_input
        fold(self.context.money, self.seq, self.ts_ns, message)

    def quote(self, inst: int, bid_cents: int, ask_cents: int, **fields: int) -> None:
        """Set the market of an instrument."""
        row = self.context.market.state[inst]
        row["bid_px_nanos"], row["ask_px_nanos"] = bid_cents * CENT, ask_cents * CENT
        row["usable"], row["blind"], row["halted"] = 1, 0, 0
        for name, value in fields.items():
            row[name] = value

    def place(self, intent: c.OrderIntent) -> None:
        """Fold an intent as the gate and the runner would: placed, or replaced when it has a version."""
        order = c.ApprovedOrder(
            intent=intent,
            account="DU1",
            order_ref=f"q-t-1-{intent.order_id}",
            reduce_only=False,
            notional_nanos=intent.qty_nanos,
            ladder_epoch=0,
        )
        self.fold(c.ReplaceOrder(order=order) if intent.version else c.PlaceOrder(order=order))

    def fill(self, order_id: int, shares: int, *, exec_id: str = "", px_cents: int = 1000) -> None:
        """Fold one execution of an order."""
        order = self.money.orders[order_id]
        self.fold(
            e.OrderFilled(
                order_id=order_id,
                exec_id=exec_id or f"x{self.seq}",
                side=order.side,
                qty_nanos=shares * SHARE,
                px_nanos=px_cents * CENT,
                inst=order.inst,
            )
        )

    def hold(self, strategy: str, inst: int, shares: int) -> None:
        """Give a strategy a position through a filled order."""
        order_id = self.money.next_order_id
        self.place(
            c.OrderIntent(
                order_id=order_id,
                parent_id=0,
                slice_no=0,
                strategy=strategy,
                inst=inst,
                side=1 if shares > 0 else -1,
                qty_nanos=abs(shares) * SHARE,
                order_type=c.LMT,
                limit_px_nanos=10 * NANO,
            )
        )
        self.fill(order_id, abs(shares))

    def plan(self, shares: int, settings: ExecutionSettings) -> int:
        """Open a parent of strategy alpha in instrument 0 as the desk plans it, by its settings; returns its id."""
        self.fold(c.SetTarget(strategy="alpha", inst=0, qty_nanos=shares * SHARE))
        plan = NettingDesk(self.context, settings={}, default=settings, fees=FEES).plan("alpha", 0, self.ts_ns)
        assert plan is not None
        assert plan.open is not None, plan
        self.fold(plan.open)
        return plan.open.parent_id

    def open(self, *, shares: int, side: int = 1, slices: int = 5, seconds: int = 100, **fields: Any) -> int:
        """Open a parent of strategy alpha in instrument 0 now; returns its id."""
        parent_id = self.money.next_parent_id
        command: dict[str, Any] = {
            "strategy": "alpha",
            "inst": 0,
            "algo": "twap",
            "start_ts_ns": self.ts_ns,
            "end_ts_ns": self.ts_ns + seconds * NANO,
        } | fields
        self.fold(c.OpenParent(parent_id=parent_id, side=side, qty_nanos=shares * SHARE, slices=slices, **command))
        return parent_id


def settings_of(**fields: Any) -> ExecutionSettings:
    """Execution settings as a config would give them."""
    return resolve(ExecutionConfig(**fields), field="execution")
