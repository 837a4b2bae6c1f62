"""Facts: everything the engine can be told, in the past tense. One tagged union; fields are only ever appended.

Prices, quantities and cash are nanos. Times are UTC nanoseconds. Text is as the broker or operator gave it.
"""

from typing import Final

import msgspec

from core.events.base import Event
from core.events.books import BooksCorrected, CorporateActionApplied
from core.events.manual import OrderGiven, OrderWithdrawn
from core.events.market import (
    BandChanged,
    ClockOffsetMeasured,
    CorporateActionAnnounced,
    ExternalFeatureReceived,
    FeedEnded,
    FeedGapped,
    HaltChanged,
    LeaseGranted,
    MarketRuleChanged,
    QuoteChanged,
    ReferenceArrived,
    RiskMeasured,
    ShortableChanged,
    TradePrinted,
    TriggerFired,
    WhatIfAnswered,
    WhatIfRefused,
)
from core.events.operator import (
    STEER_CANCEL,
    STEER_PAUSE,
    STEER_RESUME,
    AccountAdopted,
    AlertAcknowledged,
    AuditSealed,
    CommandRefused,
    DayRolled,
    DeployArmed,
    DifferenceAcknowledged,
    DiskReserveChanged,
    HighWaterReset,
    LeaseLapsed,
    LimitChanged,
    OperatorFlattened,
    OperatorHalted,
    OperatorKilled,
    OperatorResumed,
    OrderResolved,
    OverrideGranted,
    ScheduleSteered,
    StepFailed,
    TimeAdvanced,
    TraderStarted,
    TraderStopped,
)
from core.events.orders import (
    PENDING_CANCEL,
    PENDING_SUBMIT,
    PRE_SUBMITTED,
    STATUS_CANCELLED,
    STATUS_FILLED,
    STATUS_INACTIVE,
    SUBMITTED,
    CancelRejected,
    CommissionReported,
    ExecutionCorrected,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderInactivated,
    OrderRejected,
    OrderReplaced,
    ReplaceRejected,
)
from core.events.sync import (
    AccountValued,
    CashAdjusted,
    CashReported,
    CompletedOrderReported,
    ExecutionReported,
    LinkDegraded,
    LinkLost,
    LinkRestored,
    OpenOrderReported,
    OrderIdsSeen,
    PositionReported,
    SyncCompleted,
    SyncStarted,
)

MARKET_EVENTS: Final = (QuoteChanged, TradePrinted, FeedGapped, FeedEnded)

AnyEvent = (
    QuoteChanged | TradePrinted | FeedGapped | FeedEnded
    | OrderAcknowledged | OrderFilled | ExecutionCorrected | CommissionReported | OrderCancelled | OrderRejected
    | OrderReplaced | ReplaceRejected | CancelRejected | OrderInactivated
    | SyncStarted | OpenOrderReported | CompletedOrderReported | ExecutionReported | PositionReported | CashReported
    | AccountValued | SyncCompleted
    | LinkRestored | LinkDegraded | LinkLost | CashAdjusted
    | HaltChanged | ShortableChanged | BandChanged | WhatIfAnswered | WhatIfRefused | ClockOffsetMeasured
    | MarketRuleChanged | CorporateActionAnnounced | ExternalFeatureReceived | TriggerFired | LeaseGranted
    | RiskMeasured | OrderIdsSeen | ReferenceArrived
    | TimeAdvanced | DayRolled
    | OperatorHalted | OperatorKilled | OperatorFlattened | OperatorResumed | OrderResolved | DifferenceAcknowledged
    | AccountAdopted | DeployArmed | CommandRefused | AuditSealed
    | HighWaterReset | ScheduleSteered
    | TraderStarted | TraderStopped | StepFailed | DiskReserveChanged
    | LimitChanged | OverrideGranted | LeaseLapsed | AlertAcknowledged
    | CorporateActionApplied | BooksCorrected | OrderGiven | OrderWithdrawn
)  # fmt: skip


class Stamped(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event with its place in the one order of records."""

    seq: int
    ts_ns: int
    event: AnyEvent
    cause_seq: int = 0


__all__ = [
    "MARKET_EVENTS",
    "PENDING_CANCEL",
    "PENDING_SUBMIT",
    "PRE_SUBMITTED",
    "STATUS_CANCELLED",
    "STATUS_FILLED",
    "STATUS_INACTIVE",
    "STEER_CANCEL",
    "STEER_PAUSE",
    "STEER_RESUME",
    "SUBMITTED",
    "AccountAdopted",
    "AccountValued",
    "AlertAcknowledged",
    "AnyEvent",
    "AuditSealed",
    "BandChanged",
    "BooksCorrected",
    "CancelRejected",
    "CashAdjusted",
    "CashReported",
    "ClockOffsetMeasured",
    "CommandRefused",
    "CommissionReported",
    "CompletedOrderReported",
    "CorporateActionAnnounced",
    "CorporateActionApplied",
    "DayRolled",
    "DeployArmed",
    "DifferenceAcknowledged",
    "DiskReserveChanged",
    "Event",
    "ExecutionCorrected",
    "ExecutionReported",
    "ExternalFeatureReceived",
    "FeedEnded",
    "FeedGapped",
    "HaltChanged",
    "HighWaterReset",
    "LeaseGranted",
    "LeaseLapsed",
    "LimitChanged",
    "LinkDegraded",
    "LinkLost",
    "LinkRestored",
    "MarketRuleChanged",
    "OpenOrderReported",
    "OperatorFlattened",
    "OperatorHalted",
    "OperatorKilled",
    "OperatorResumed",
    "OrderAcknowledged",
    "OrderCancelled",
    "OrderFilled",
    "OrderGiven",
    "OrderIdsSeen",
    "OrderInactivated",
    "OrderRejected",
    "OrderReplaced",
    "OrderResolved",
    "OrderWithdrawn",
    "OverrideGranted",
    "PositionReported",
    "QuoteChanged",
    "ReferenceArrived",
    "ReplaceRejected",
    "RiskMeasured",
    "ScheduleSteered",
    "ShortableChanged",
    "Stamped",
    "StepFailed",
    "SyncCompleted",
    "SyncStarted",
    "TimeAdvanced",
    "TradePrinted",
    "TraderStarted",
    "TraderStopped",
    "TriggerFired",
    "WhatIfAnswered",
    "WhatIfRefused",
]
