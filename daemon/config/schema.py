"""The config file as frozen structs: one struct per table, one field per key; docs/configuration.md is generated from
the comments here. Prices, quantities and cash are decimals as written; `contracts.py` turns them into nanos. Embeds the
settings of risk, execution, strategies and venue as these define them. Decides nothing and reads no file.

Paths are absolute once `load` has run.
"""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, field

from broker.feeds.spec import DirtyRates, Profile
from broker.ib.config import IbSettings
from broker.sim.config import VenueConfig
from core.instruments import STK
from core.units import parse_nanos
from daemon.config.guarding import NAME, AlertSettings, GuardSettings, PanicSettings
from daemon.config.ops import OpsSettings
from daemon.config.persons import AuthoritySettings
from daemon.config.shipping import ShipSettings
from execution.costs import DAYS_MAX, Fitted
from execution.settings import ExecutionConfig
from risk.limits import Limits
from risk.scenarios import RiskSettings

TICKER: Final = r"^[A-Z0-9][A-Z0-9 .]{0,15}$"
CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
SPEED: Final = r"^(max|(0*[1-9]\d*(\.\d+)?|0+\.\d*[1-9]\d*)x)$"  # above 0
DATE: Final = Meta(ge=19000101, le=29991231)
Cash = Annotated[Decimal, Meta(extra={"unit": "account currency"})]
Price = Annotated[Decimal, Meta(extra={"unit": "price"})]
Shares = Annotated[Decimal, Meta(extra={"unit": "shares"})]
ONE_SECOND_NS: Final = 1_000_000_000


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every table of the file."""


class AccountSettings(Table, frozen=True):
    """The one account this trader trades."""

    id: Annotated[str, Meta(pattern=r"^[A-Z0-9]{4,16}$", examples=["DU0000001"])]  # account number at the broker
    # In every order reference (q-TAG-EPOCH-SEQ, 32 characters at most): never change it while orders are open.
    tag: Annotated[str, Meta(pattern=r"^[a-z0-9]{1,8}$", examples=["du1"])]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$", examples=["USD"])] = "USD"  # base currency
    start_cash: Cash = Decimal(1_000_000)  # cash at the first start, in the base currency; above 0, at most 4e9
    day_roll: Annotated[str, Meta(pattern=CLOCK, examples=["20:00"])] = "20:00"  # when the trading day ends
    timezone: str = "America/New_York"  # of day_roll


class SyntheticMarket(Table, frozen=True):
    """How one made-up security behaves; an instrument without such a table takes the defaults."""

    symbol: str  # of an [[instruments]] table
    px: Price = Decimal(100)  # value at the first open
    events_per_second: Annotated[float, Meta(gt=0.0, le=100_000.0)] = 10.0  # mean; an event is one or two rows
    spread_ticks: Annotated[int, Meta(ge=1, le=1_000)] = 1  # usual spread
    size_lots: Annotated[float, Meta(ge=1.0, le=100_000.0)] = 10.0  # mean displayed size
    volatility_bp_per_hour: Annotated[float, Meta(ge=0.0, le=5_000.0)] = 50.0  # of the random walk, calm regime
    reversion_ticks: Annotated[float, Meta(ge=0.0, le=10_000.0)] = 2.0  # standard deviation of the transient part
    reversion_seconds: Annotated[float, Meta(ge=0.01, le=100_000.0)] = 30.0  # its time constant
    # How days differ: standard deviation of a day's mean rate, as a part of the usual; 0 = every day is the same.
    day_spread: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    # Time constant of a hidden signal of variance one, which drifts the value and leans the displayed sizes.
    signal_seconds: Annotated[float, Meta(ge=0.1, le=100_000.0)] = 60.0
    # Its drift at one standard deviation; 0 = none. 60 with a lean of 0.5 and all else by default give the mean queue
    # imbalance an information coefficient of 0.03 at 60 seconds.
    signal_bp_per_hour: Annotated[float, Meta(ge=0.0, le=50_000.0)] = 0.0
    # How much larger the favoured side shows at two deviations, and the other smaller; 0 = not at all.
    signal_lean: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0


class SyntheticSettings(Table, frozen=True):
    """A made-up market; the same settings give the same rows, bit for bit."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1  # another seed, another market
    # First session on or after it.
    start_date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["2026-01-05"])] = "2026-01-05"
    days: Annotated[int, Meta(ge=1, le=260)] = 1  # sessions
    endless: bool = False  # after the last session the same hours of the next weekdays follow
    print_share: Annotated[float, Meta(ge=0.0, le=0.9)] = 0.25  # part of the events that are trades
    jumps_per_hour: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.5  # sudden moves, mean
    jump_bp: Annotated[float, Meta(ge=0.0, le=1e6)] = 20.0  # their usual size
    halts_per_hour: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0  # trading halts, mean
    halt_seconds: Annotated[float, Meta(ge=0.001, le=86_400.0)] = 300.0  # their length
    gaps_per_hour: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0  # rows lost on the way, mean
    gap_seconds: Annotated[float, Meta(ge=0.001, le=86_400.0)] = 5.0  # their length
    latency_ns: Annotated[int, Meta(ge=0, le=60 * ONE_SECOND_NS)] = 0  # receipt less exchange time
    dirty: DirtyRates = DirtyRates()  # wrong rows on purpose
    instruments: tuple[SyntheticMarket, ...] = ()  # what differs from the defaults, by symbol


class FeedSettings(Table, frozen=True):
    """Where market data come from."""

    # A recorded market, a made-up one, or the broker's own ([ib]).
    kind: Literal["replay", "synthetic", "ib"] = "replay"
    # "max", or a multiple of real time such as "1x" or "0.5x".
    speed: Annotated[str, Meta(pattern=SPEED, examples=["50x"])] = "max"
    quotes: tuple[str, ...] = ()  # Parquet files of quotes; relative to this file, $VARIABLES and ~ are expanded
    trades: tuple[str, ...] = ()  # Parquet files of trades
    start: str = ""  # first moment, included: ISO date or date-time; empty = from the first row
    end: str = ""  # last moment: a date is included whole, a date-time is excluded; empty = to the last row
    timezone: str = "America/New_York"  # of start and end when they carry no offset
    other_symbols: Literal["refuse", "skip"] = "refuse"  # what a file may hold besides the declared symbols
    # What the market is served as: tick by tick; as a market-data line, at most every 250 ms; as 5-second trade bars.
    profile: Profile = "tbt"
    synthetic: SyntheticSettings = SyntheticSettings()  # read when kind is "synthetic"

    @property
    def speed_factor(self) -> float:
        """Multiple of real time; 0 = as fast as possible."""
        return 0.0 if self.speed == "max" else float(self.speed.removesuffix("x"))


class Dated(Table, frozen=True):
    """Base of the rows that hold from a day on."""

    effective_from: Annotated[int, DATE] = field(name="from")  # first day, yyyymmdd


class DatedTick(Dated, frozen=True):
    """Price increments from a day on."""

    increments: Annotated[tuple[tuple[Price, Price], ...], Meta(min_length=1)]  # [low edge, tick], ascending from 0


class DatedLot(Dated, frozen=True):
    """Order sizes from a day on, in shares."""

    round_lot: Shares  # shares that the exchange displays and protects as one
    lot: Shares = Decimal(1)  # step of order sizes
    minimum: Shares = Decimal(1)  # smallest order


class DatedTier(Dated, frozen=True):
    """Limit Up / Limit Down tier from a day on."""

    tier: Literal[1, 2]  # 1 = S&P 500, Russell 1000 and some exchange-traded products; 2 = the rest


class DatedReference(Dated, frozen=True):
    """Slow numbers known before a day's open; they hold for that day alone."""

    previous_close: Price = Decimal(0)  # official close of the day before; 0 = not known
    adv: Shares = Decimal(0)  # average daily volume of the 20 days before, shares; 0 = not known


class InstrumentSettings(Table, frozen=True):
    """One security. Give `tick` or `ticks`, and `round_lot` or `lots`: neither has a default."""

    symbol: Annotated[str, Meta(pattern=TICKER, examples=["BAC"])]  # as in the feed's files
    con_id: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0  # the broker's contract id; 0 = not known
    sec_type: str = STK  # STK (stocks and ETFs); this release trades nothing else
    exchange: str = "SMART"  # where orders are routed
    primary_exchange: str = ""  # listing exchange
    # Must be the account's: no FX conversion yet.
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$", examples=["USD"])] = "USD"
    calendar: str = "XNYS"  # trading hours: XNYS or XNAS
    etf: bool = False  # an exchange-traded fund
    sector: str = ""  # for limits by sector; empty = unknown, one bucket with all others whose sector is unknown
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$", examples=["US"])] = "US"  # of the issuer, for limits by country
    issuer: str = ""  # for limits by issuer; not given = the symbol: give share classes of one company the same
    tick: Price | None = None  # price increment, when it never changed
    ticks: tuple[DatedTick, ...] = ()  # dated price increments, instead of tick
    round_lot: Shares | None = None  # round lot in shares, when it never changed
    lot: Shares = Decimal(1)  # step of order sizes in shares, with round_lot
    minimum: Shares | None = None  # smallest order in shares, with round_lot; not given = one lot
    lots: tuple[DatedLot, ...] = ()  # dated order sizes, instead of round_lot, lot and minimum
    # Limit Up / Limit Down tier, when it never changed: 1 = S&P 500, Russell 1000, some exchange-traded products; not
    # given = 2, whose bands are wider.
    luld_tier: Literal[1, 2] | None = None
    luld_tiers: tuple[DatedTier, ...] = ()  # dated tiers, instead of luld_tier
    reference: tuple[DatedReference, ...] = ()  # dated slow numbers
    # CSV file of daily closes (yyyymmdd,close; ascending) for the risk worker on a tape, relative to this file; empty =
    # a high volatility is assumed. A broker's feed brings its own.
    history: str = ""


class MarketSettings(Table, frozen=True):
    """What is watched of the market as a whole."""

    # Declared instrument that stands for the S&P 500 (such as SPY): at 7, 13 and 20 % below its previous close the
    # market-wide breaker stops new risk; empty = none is watched, and only the exchange's own halts do.
    index: str = ""


class StrategySettings(Table, frozen=True):
    """One strategy, by its name in books and commands."""

    kind: str  # what it runs; see the registry of strategies
    symbols: Annotated[tuple[str, ...], Meta(min_length=1)]  # declared instruments it may trade
    enabled: bool = True  # false = it is not asked, and its positions stay
    on_disable: Literal["park", "hold", "flatten"] = "park"  # after an exception: see the operator guide
    on_stop: Literal["park", "hold", "flatten"] = "park"  # at a clean stop
    params: dict[str, Any] = {}  # of the kind
    execution: ExecutionConfig = ExecutionConfig()  # how its targets are traded


class DeskSettings(Table, frozen=True):
    """How targets are traded, for all strategies together."""

    # true = where one strategy wants to buy what another wants to sell, their books trade with each other at the mid,
    # and only the net goes to the market; false = they take turns.
    cross_internally: bool = False


class VenueFee(Dated, frozen=True):
    """What one exchange charges a share from a day on; below 0 = it pays."""

    venue: str  # as the instruments' primary_exchange; empty = every exchange without rows of its own
    added: Price  # for an order that rested there
    removed: Price  # for an order that took what rested there


class FeeSettings(Table, frozen=True):
    """What executions cost."""

    plan: str = "ibkr_pro_fixed"  # a dated fee table: ibkr_pro_fixed or ibkr_pro_tiered
    # Exchange fees, which the tiered plan passes on; without rows the most that Rule 610(c) allows is counted.
    venues: tuple[VenueFee, ...] = ()


class CostSettings(Table, frozen=True):
    """What estimates believe about our own impact."""

    file: str = ""  # parameters fitted to own fills, as `quantd costs calibrate --write` made it; empty = as published
    # Older ones (by the last day of their fills) give way to the published ones, and each schedule says so.
    days_max: Annotated[int, Meta(ge=1, le=3_660)] = DAYS_MAX
    fitted: Fitted = Fitted()  # what the file says: filled in at the start, never by hand


class JournalSettings(Table, frozen=True):
    """How the account of everything is kept."""

    # fsync = orders wait until their records are on the disk; not given = "fsync" when mode is "live".
    durability: Literal["os", "fsync"] = "os"
    segment_mib: Annotated[int, Meta(ge=1, le=1_024)] = 32  # size of one file
    reserve_mib: Annotated[int, Meta(ge=0, le=1_048_576)] = 256  # disk kept free; none left = no new orders
    snapshot_every: Annotated[int, Meta(ge=1_000, le=1_000_000_000)] = 1_000_000  # records between two snapshots
    keep_rows_days: Annotated[int, Meta(ge=1, le=36_500)] = 30  # then market rows become Parquet; the rest stays


class RecordSettings(Table, frozen=True):
    """Where the follower keeps the record of everything in SQL."""

    # SQLite or PostgreSQL (TimescaleDB), without a password; empty = quantd.db in state_dir. $VARIABLES are expanded.
    database: Annotated[str, Meta(examples=["postgresql://quantd@db.example:5432/quantd"])] = ""
    password_variable: str = ""  # environment variable that holds the database's password
    password_file: str = ""  # or a file that holds nothing else; relative to this file
    ticks: bool = False  # every market row too, not only the bars made of them
    # Longest wait for the database; then the follower connects anew and takes the same records again.
    timeout_s: Annotated[float, Meta(ge=1.0, le=600.0)] = 10.0
    batch_records: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000  # records written in one transaction, at most
    # Market rows older than this, counted from the newest record, are dropped (TimescaleDB: whole chunks, of every
    # journal); 0 = they stay.
    ticks_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    records_days: Annotated[int, Meta(ge=0, le=36_500)] = 0  # the same for the journal's messages as JSON
    bars_days: Annotated[int, Meta(ge=0, le=36_500)] = 0  # and for bars of one minute; of an hour and a day stay


class StartSettings(Table, frozen=True):
    """How a run begins."""

    # After a crash that left no difference and nothing unknown: go on as latched, or HALTED until resumed; not given =
    # "halted" when mode is "live".
    after_crash: Literal["as_latched", "halted"] = "as_latched"


class ControlSettings(Table, frozen=True):
    """The operator's socket."""

    socket: str = ""  # path of the unix socket; empty = control.sock in state_dir


class EngineIntervals(Table, frozen=True):
    """Intervals and tolerances of the engine."""

    mark_interval_s: Annotated[float, Meta(ge=0.1, le=3_600.0)] = 1.0  # equity is marked this often
    reconcile_s: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 30.0  # a full synchronisation this often
    ack_timeout_s: Annotated[float, Meta(ge=0.1, le=600.0)] = 5.0  # an order without an answer is then UNKNOWN
    kill_retry_s: Annotated[float, Meta(ge=0.1, le=600.0)] = 2.0  # an unverified kill cancels again this often
    kill_alert_s: Annotated[float, Meta(ge=1.0, le=600.0)] = 10.0  # a kill not verified by then is told as such
    equity_note_interval_s: Annotated[float, Meta(ge=0.1, le=86_400.0)] = 60.0  # equity is journalled this often
    # Without a link for so long, known restarts apart, LINK_AWAY is told, and again as often; 0 = never.
    link_alert_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 120.0
    keep_warm: bool = False  # while nothing happens, run the order path on a shadow that can send nothing
    # An unexplained difference of cash within the larger of the two bounds is booked, beyond it halts.
    cash_tolerance_bp: Annotated[int, Meta(ge=0, le=1_000)] = 10  # (part of equity)
    cash_tolerance: Cash = Decimal(500)  # at most 1,000,000

    @property
    def mark_interval_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.mark_interval_s * ONE_SECOND_NS)

    @property
    def reconcile_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.reconcile_s * ONE_SECOND_NS)

    @property
    def ack_timeout_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.ack_timeout_s * ONE_SECOND_NS)

    @property
    def kill_retry_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.kill_retry_s * ONE_SECOND_NS)

    @property
    def link_alert_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.link_alert_s * ONE_SECOND_NS)

    @property
    def kill_alert_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.kill_alert_s * ONE_SECOND_NS)

    @property
    def equity_note_interval_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.equity_note_interval_s * ONE_SECOND_NS)

    @property
    def cash_tolerance_nanos(self) -> int:
        """The same in nanos; exact, because `check` refuses more than nine decimals."""
        return parse_nanos(str(self.cash_tolerance), field="engine.cash_tolerance")


class UpSettings(Table, frozen=True):
    """What `quantd up` and `quantd demo` start beside the trader."""

    gateway: str = ""  # a paper gateway's file, relative to this one; empty = no gateway


class Config(Table, frozen=True):
    """The whole file."""

    account: AccountSettings  # whose money
    feed: FeedSettings  # market data
    instruments: Annotated[tuple[InstrumentSettings, ...], Meta(min_length=1)]  # what may be traded
    # replay = a recorded or made-up tape, simulated venue. With feed.kind "ib": paper = a paper account (DU…), live = a
    # live one, armed by ib.arm_live; shadow = data and account of the broker, orders to the simulated venue.
    mode: Literal["replay", "paper", "live", "shadow"] = "replay"
    state_dir: str = "state"  # journal, snapshots, reference tables and socket; relative to this file
    strategies: dict[Annotated[str, Meta(pattern=NAME, examples=["reversion"])], StrategySettings] = {}  # who trades
    execution: DeskSettings = DeskSettings()  # between strategies
    limits: Limits = Limits()  # what is allowed
    market: MarketSettings = MarketSettings()  # the market as a whole
    venue: VenueConfig = VenueConfig()  # the simulated venue; its cash and currency come from [account]
    fees: FeeSettings = FeeSettings()  # costs
    costs: CostSettings = CostSettings()  # impact of our own
    journal: JournalSettings = JournalSettings()  # records
    record: RecordSettings = RecordSettings()  # the record in SQL
    start: StartSettings = StartSettings()  # beginning
    control: ControlSettings = ControlSettings()  # commands
    authority: AuthoritySettings = AuthoritySettings()  # operators
    engine: EngineIntervals = EngineIntervals()  # intervals
    risk: RiskSettings = RiskSettings()  # the measure of risk
    ib: IbSettings = IbSettings()  # the broker
    up: UpSettings = UpSettings()  # processes
    guard: GuardSettings = GuardSettings()  # dead man's switch
    panic: PanicSettings = PanicSettings()  # everything off
    alerts: AlertSettings = AlertSettings()  # who is told
    ops: OpsSettings = OpsSettings()  # who may look
    ship: ShipSettings = ShipSettings()  # the journal's copy elsewhere

    @property
    def broker_feed(self) -> bool:
        """Market data come from the broker, not from a tape."""
        return self.feed.kind == "ib"

    @property
    def guarded(self) -> bool:
        """Orders rest at a broker: there is a lease, and something for a guard to do."""
        return self.broker_feed and self.mode != "shadow"

    @property
    def venue_in_process(self) -> bool:
        """Orders go to the simulated venue, which is recovered with us."""
        return not self.broker_feed or self.mode == "shadow"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Declared symbols; the place of each is its instrument row."""
        return tuple(instrument.symbol for instrument in self.instruments)
