"""Requests, imperative: all the engine can ask for. The first group goes to the broker port; the second changes the
money state itself, so that recovery can fold it without running a strategy, an algo or a check.
"""

from typing import Final

import msgspec

from core.book_commands import AnyBookCommand
from core.command_base import Command as Command
from core.ids import Side
from core.manual_commands import AnyManualCommand
from core.schedules import (
    INTENT_DISASTER,
    INTENT_FLATTEN,
    INTENT_MANUAL,
    INTENT_PROTECT,
    INTENT_SCHEDULE,
    STANDING,
    AdvanceParent,
    BeginSlice,
    EndParent,
    OpenParent,
    PauseParent,
    ReplanParent,
)

# Order types and times in force, as IBKR names them.
MKT: Final = 1
LMT: Final = 2
STP: Final = 3
STP_LMT: Final = 4
MOC: Final = 5
LOC: Final = 6
ORDER_TYPE_NAMES: Final = {MKT: "MKT", LMT: "LMT", STP: "STP", STP_LMT: "STP LMT", MOC: "MOC", LOC: "LOC"}

DAY: Final = 1
GTC: Final = 2
IOC: Final = 3
FOK: Final = 4
GTD: Final = 5
OPG: Final = 6
TIF_NAMES: Final = {DAY: "DAY", GTC: "GTC", IOC: "IOC", FOK: "FOK", GTD: "GTD", OPG: "OPG"}


# What becomes of the others of a group that trades, as IBKR numbers it: with a block only one is at a venue at a time.
OCA_CANCEL_WITH_BLOCK: Final = 1
OCA_REDUCE_WITH_BLOCK: Final = 2


class OrderIntent(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """What a parent or operator wants to send; only the gate can turn it into an `ApprovedOrder`."""

    order_id: int
    parent_id: int
    slice_no: int  # the parent's own child counter: makes equal slices different orders
    strategy: str
    inst: int
    side: Side
    qty_nanos: int
    order_type: int
    limit_px_nanos: int = 0
    stop_px_nanos: int = 0
    tif: int = DAY
    gtd_ts_ns: int = 0
    outside_rth: bool = False
    purpose: int = INTENT_SCHEDULE
    algo: str = ""
    operator: str = ""
    version: int = 0  # 0 = new order, else the replace version
    broker_algo: str = ""  # the broker's own algorithm that works it; "" = none
    broker_params: tuple[tuple[str, str], ...] = ()  # its tags and values
    oca_group: str = ""  # the broker's one-cancels-all group; "" = none
    oca_type: int = 0  # how its group goes on when it trades, as IBKR numbers it
    bracket: int = 0  # the manual order whose fills it closes; 0 = none


class ApprovedOrder(msgspec.Struct, frozen=True, gc=False, array_like=True, kw_only=True):
    """An intent that passed every check. Made by `risk/gate.py` alone (a tidy test holds this)."""

    intent: OrderIntent
    account: str
    order_ref: str
    reduce_only: bool
    notional_nanos: int  # as valued by the gate: worst of limit and far touch
    ladder_epoch: int  # the port refuses the order if the ladder moved since
    override: int = 0  # id of the override that let it fail one control; the order uses it up


# ---- to the broker ---------------------------------------------------------------------------------------------
class PlaceOrder(Command, frozen=True, tag=1):
    """Send a new order."""

    order: ApprovedOrder


class ReplaceOrder(Command, frozen=True, tag=2):
    """Change price or quantity of a working order; max(old, new) stays reserved until confirmed."""

    order: ApprovedOrder


class CancelOrder(Command, frozen=True, tag=3):
    """Take one order off the book."""

    order_id: int
    reason: str


class CancelAllOrders(Command, frozen=True, tag=4):
    """IBKR reqGlobalCancel: every order of the account, foreign ones included."""

    reason: str


class RequestSync(Command, frozen=True, tag=5):
    """Ask the adapter for a synchronisation: everything that is open, and what was done since `since_ns` (0 = the
    broker's day).
    """

    reason: str
    since_ns: int = 0


class RaiseAlert(Command, frozen=True, tag=6):
    """Tell a person. `code` is stable; severity is info, warning or critical."""

    code: str
    severity: str
    text: str


class AskWhatIf(Command, frozen=True, tag=7):
    """Ask the broker what an order would bind, without sending it (placeOrder with whatIf set). `order_id` is used up
    by the question, and names it; the schedule waits for the answer until `due_ns`.
    """

    order_id: int
    parent_id: int
    inst: int
    side: Side
    qty_nanos: int
    limit_px_nanos: int
    due_ns: int


# ---- to our own books ------------------------------------------------------------------------------------------
class SetTarget(Command, frozen=True, tag=20):
    """A strategy wants to hold `qty_nanos` (signed) of an instrument."""

    strategy: str
    inst: int
    qty_nanos: int
    mid_nanos: int = 0  # what it was decided at


class MoveLadder(Command, frozen=True, tag=25):
    """Set the latch of a scope: 0 ACTIVE, 1 REDUCING, 2 HALTED."""

    level: int
    scope: str
    state: int
    code: str
    reason: str
    by: str
    value: str = ""
    limit: str = ""


class SetStrategy(Command, frozen=True, tag=26):
    """Enable or disable a strategy."""

    strategy: str
    enabled: bool
    reason: str


class MarkEquity(Command, frozen=True, tag=27):
    """Equity at the marks of this moment; moves the high-water mark and the day's low."""

    equity_nanos: int
    unrealised_nanos: int


class SettleOrder(Command, frozen=True, tag=28):
    """Evidence or an operator settled an UNKNOWN order."""

    order_id: int
    outcome: str  # lost | cancelled | filled
    reason: str
    qty_nanos: int = 0
    px_nanos: int = 0


class AdjustCash(Command, frozen=True, tag=29):
    """Book a cash difference the broker reports and no trade explains (control 33: small ones only)."""

    currency: str
    amount_nanos: int
    reason: str
    kind: str = ""  # "deposit" = the owner's money, neither profit nor loss


class DoubtOrder(Command, frozen=True, tag=30):
    """No answer in time: the order is UNKNOWN from now on and keeps its risk reserved."""

    order_id: int
    reason: str


class VerifyKill(Command, frozen=True, tag=31):
    """A complete sync showed no open order in the scope of a kill."""

    level: int
    scope: str
    sync_id: int


class TellKill(Command, frozen=True, tag=65):
    """People are told that a kill is not verified after so long, and what is left."""

    level: int
    scope: str
    left: str


class MeasureRisk(Command, frozen=True, tag=55):
    """Ask the worker for `RiskMeasured` of the account as it stands. `first`: there was nothing to measure before, so
    the age of the answer counts from now.
    """

    first: bool = False


class TransferPosition(Command, frozen=True, tag=32):
    """Take over a position difference an operator acknowledged, at a mark, into the book of nobody; no cash moves. Or
    one that was adopted: into a strategy's book, at what it cost, its present value being a deposit.
    """

    inst: int
    qty_nanos: int  # signed change
    px_nanos: int
    reason: str
    strategy: str = ""  # whose book; "" = nobody's
    deposit_nanos: int = 0  # signed value that joins the account as neither profit nor loss


class SetLimit(Command, frozen=True, tag=33):
    """An operator's change of one limit (control 39); texts as the config writes them."""

    scope: str
    name: str
    value: str
    old: str
    until_ns: int
    reason: str
    by: str
    authority: str = ""
    second: str = ""
    raises: bool = False


class RevertLimit(Command, frozen=True, tag=34):
    """A change of a limit is over: its time has come, or an operator took it back."""

    change_id: int
    reason: str
    by: str


class GrantOverride(Command, frozen=True, tag=35):
    """One order may fail one control, once (control 40). It is used up by the `ApprovedOrder` that names it."""

    control: int
    strategy: str
    inst: int
    side: Side
    qty_nanos: int
    px_nanos: int
    until_ns: int
    reason: str
    by: str
    authority: str = ""
    second: str = ""


class DropOverride(Command, frozen=True, tag=36):
    """An override ended unused."""

    override_id: int
    reason: str


ENDED: Final = "trader"  # `by` of alerts that nobody needs to see any more: their cause has passed


class CloseAlerts(Command, frozen=True, tag=70):
    """A person has seen these alerts, or they have ended: nobody is told of them again until they are raised anew."""

    codes: tuple[str, ...]
    by: str


class KeepApproval(Command, frozen=True, tag=60):
    """One person gave a command that needs two (control 41): it waits for another person's same command."""

    digest: str
    what: str
    operator: str
    authority: str
    until_ns: int


class SpendApproval(Command, frozen=True, tag=61):
    """The second person came: the command is carried out, and the approval is used up."""

    digest: str
    operator: str  # who had given it
    second: str


class RestrictShorts(Command, frozen=True, tag=45):
    """The short-sale restriction of Rule 201 has set in: for the day and the trading day after it, `until` included."""

    inst: int
    until: int  # yyyymmdd
    low_px_nanos: int
    previous_close_nanos: int


class TripBreaker(Command, frozen=True, tag=46):
    """The index proxy has fallen to a level of the market-wide breaker: no new risk before `until_ns` (0 = at once)."""

    level: int
    until_ns: int
    px_nanos: int
    previous_close_nanos: int


class CountRefusal(Command, frozen=True, tag=50):
    """The gate refused an order of a strategy in a way that only a mistake explains: how often is remembered."""

    strategy: str
    control: int


BROKER_COMMANDS: Final = (PlaceOrder, ReplaceOrder, CancelOrder, CancelAllOrders, RequestSync, AskWhatIf)

AnyCommand = (
    PlaceOrder | ReplaceOrder | CancelOrder | CancelAllOrders | RequestSync | AskWhatIf | RaiseAlert
    | SetTarget | OpenParent | EndParent | PauseParent | AdvanceParent | MoveLadder | SetStrategy | MarkEquity
    | SettleOrder | AdjustCash | DoubtOrder | VerifyKill | TransferPosition | SetLimit | RevertLimit
    | GrantOverride | DropOverride | CloseAlerts | KeepApproval | SpendApproval | TellKill | RestrictShorts
    | TripBreaker | CountRefusal | MeasureRisk | ReplanParent | BeginSlice | AnyBookCommand
    | AnyManualCommand
)  # fmt: skip


CANCEL: Final = -1  # in place of a version


class NotSent(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1, kw_only=True):
    """Outcome: the port refused the command locally (lease, ladder epoch, link, disk); it never left."""

    order_id: int
    version: int  # CANCEL = a cancel
    reason: str


class Sent(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2, kw_only=True):
    """Outcome: the command was written to the socket. Without it after a crash the command is UNKNOWN."""

    order_id: int
    version: int


AnyOutcome = NotSent | Sent

# What comes from core/schedules.py and is read from here.
__all__ = [
    "INTENT_DISASTER",
    "INTENT_FLATTEN",
    "INTENT_MANUAL",
    "INTENT_PROTECT",
    "INTENT_SCHEDULE",
    "STANDING",
    "AdvanceParent",
    "BeginSlice",
    "Command",
    "EndParent",
    "OpenParent",
    "PauseParent",
    "ReplanParent",
]
