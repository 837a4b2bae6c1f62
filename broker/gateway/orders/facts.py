"""What the venue says of orders, and what becomes of the records by it: acknowledgements, executions and their costs,
corrections, replies to modifies and cancels, ends. Sends through the voice; decides nothing a client asked for.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from broker.gateway.contracts.hours import wire_zone
from broker.gateway.contracts.listing import Refusal
from broker.gateway.orders.draft import TIFS
from broker.gateway.orders.journal import OrderJournal
from broker.gateway.orders.lifecycle import BY_SYSTEM, BY_TRADER, Lifecycle
from broker.gateway.orders.record import (
    CANCELLED,
    DONE,
    FILLED,
    INACTIVE,
    PRE_SUBMITTED,
    SUBMITTED,
    Fill,
    OrderRecord,
)
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.orders.voice import Voice
from broker.gateway.part import World
from broker.sim.book import TRAIL
from broker.sim.hours import Hours, window
from core import events as e
from core.commands import FOK, IOC, MKT, OPG, STP, STP_LMT, TIF_NAMES
from core.units import NANO, notional_nanos

_TRIGGERED: Final = (STP, STP_LMT, TRAIL)


class FactReader:
    """One handler a fact; a fact of an order nobody knows is a Bug of the caller, but for silent ones."""

    def __init__(
        self, world: World, *, settings: OrderSettings, journal: OrderJournal, voice: Voice, lifecycle: Lifecycle
    ) -> None:
        self._world = world
        self._settings = settings
        self._journal = journal
        self._voice = voice
        self._lifecycle = lifecycle
        self._hours = {name: Hours(calendar) for name, calendar in world.calendars.items()}
        self._readers: Mapping[type, Callable[[OrderRecord, Any], None]] = {
            e.OrderAcknowledged: self._acknowledged,
            e.OrderFilled: self._filled,
            e.ExecutionCorrected: self._corrected,
            e.OrderCancelled: self._cancelled,
            e.OrderRejected: self._rejected,
            e.OrderReplaced: self._replaced,
            e.ReplaceRejected: self._replace_rejected,
            e.CancelRejected: self._cancel_rejected,
            e.OrderInactivated: self._inactivated,
        }

    def read(self, fact: Any) -> None:
        """One fact of the exchange or the feed; those that speak of no order pass."""
        reader = self._readers.get(type(fact))
        if reader is not None:
            record = self._journal.records.get(fact.order_id)
            if record is not None:
                reader(record, fact)
        elif type(fact) is e.CommissionReported:
            self._commission(fact)

    # ---- working -----------------------------------------------------------------------------------------------
    def _acknowledged(self, record: OrderRecord, fact: e.OrderAcknowledged) -> None:
        if record.stage == DONE:
            return
        if fact.status == e.PRE_SUBMITTED:
            record.status = PRE_SUBMITTED
            record.why_held = "trigger" if record.order_type in _TRIGGERED else ""
        else:
            # A market order is told as PreSubmitted until it trades, as real gateways do.
            first = not record.status and record.order_type == MKT
            record.status = PRE_SUBMITTED if first else SUBMITTED
            record.why_held = ""
        self._note_trail(record)
        self._voice.order(record)
        if fact.status == e.PRE_SUBMITTED and not record.warned:
            self._warn_of_hours(record)

    def _warn_of_hours(self, record: OrderRecord) -> None:
        """399: taken, but its hours have not come yet."""
        instrument = self._world.instruments[record.inst]
        session = self._hours[instrument.calendar].session_for(self._world.now_ns, record.request.flag("outsideRth"))
        if session is None or record.tif == OPG:
            return
        start_ns, _ = window(session, record.request.flag("outsideRth"))
        if self._world.now_ns >= start_ns:
            return
        record.warned = True
        name = wire_zone(self._world.calendars[instrument.calendar].table.timezone)
        start = datetime.fromtimestamp(start_ns // NANO, UTC).astimezone(ZoneInfo(name))
        words = f"{record.request.text('action')} {record.qty_nanos // NANO} {instrument.symbol}"
        self._voice.error(
            record,
            399,
            f"Order Message:\n{words}\nWarning: your order will not be placed at the exchange until "
            f"{start:%Y-%m-%d %H:%M:%S} {name}",
        )

    def _note_trail(self, record: OrderRecord) -> None:
        if record.order_type == TRAIL:
            order = self._world.exchange.order(record.number)
            record.trail_px_nanos = order.stop_px_nanos if order is not None else 0

    # ---- executions --------------------------------------------------------------------------------------------
    def _filled(self, record: OrderRecord, fact: e.OrderFilled) -> None:
        record.filled_nanos += fact.qty_nanos
        record.value_nanos += notional_nanos(fact.px_nanos, fact.qty_nanos)
        record.last_px_nanos = fact.px_nanos
        record.executions += 1
        fill = Fill(
            exec_id=fact.exec_id,
            number=record.number,
            qty_nanos=fact.qty_nanos,
            px_nanos=fact.px_nanos,
            cum_qty_nanos=record.filled_nanos,
            average_px_nanos=record.average_px_nanos,
            ts_ns=fact.exchange_ts_ns or self._world.now_ns,
            liquidity=fact.liquidity,
        )
        self._journal.fills[fill.exec_id] = fill
        self._voice.execution(record, fill)
        if not record.remaining_nanos:
            self._lifecycle.filled(record)
        elif record.stage != DONE:
            record.status, record.why_held = SUBMITTED, ""
        self._voice.order(record)
        if record.status == FILLED:
            self._lifecycle.children_of_filled(record)

    def _commission(self, fact: e.CommissionReported) -> None:
        fill = self._journal.fills.get(fact.exec_id)
        if fill is None:
            return  # corrected meanwhile, or of yesterday
        fill.commission_nanos, fill.currency = fact.commission_nanos, fact.currency
        execution = self._world.exchange.account.state.executions.get(fact.exec_id)
        if execution is not None:
            fill.realised_nanos, fill.closes = execution.realised_nanos, execution.closes
        self._voice.commission(self._journal.records[fill.number], fill)

    def _corrected(self, record: OrderRecord, fact: e.ExecutionCorrected) -> None:
        old = self._journal.fills.pop(fact.corrects, None)
        if old is None:
            return
        record.filled_nanos += fact.qty_nanos - old.qty_nanos
        record.value_nanos += notional_nanos(fact.px_nanos, fact.qty_nanos) - notional_nanos(
            old.px_nanos, old.qty_nanos
        )
        execution = self._world.exchange.account.state.executions.get(fact.exec_id)
        fill = Fill(
            exec_id=fact.exec_id,
            number=record.number,
            qty_nanos=fact.qty_nanos,
            px_nanos=fact.px_nanos,
            cum_qty_nanos=record.filled_nanos,
            average_px_nanos=record.average_px_nanos,
            ts_ns=old.ts_ns,
            liquidity=old.liquidity,
            commission_nanos=old.commission_nanos,
            currency=old.currency,
            realised_nanos=execution.realised_nanos if execution is not None else 0,
            closes=old.closes,
        )
        self._journal.fills[fill.exec_id] = fill
        self._voice.execution(record, fill)

    # ---- answers -----------------------------------------------------------------------------------------------
    def _replaced(self, record: OrderRecord, fact: e.OrderReplaced) -> None:
        """A modify was taken, or the venue cut the order to its group's rest."""
        request = record.pending.pop(fact.version, None)
        for version in [version for version in record.pending if version < fact.version]:
            del record.pending[version]
        if request is not None:
            record.request, record.tif = request, TIFS[request.text("tif").upper()]
        record.qty_nanos, record.limit_px_nanos = fact.qty_nanos, fact.limit_px_nanos
        if record.stage != DONE:
            self._note_trail(record)
            self._voice.order(record)

    def _replace_rejected(self, record: OrderRecord, fact: e.ReplaceRejected) -> None:
        record.pending.pop(fact.version, None)
        self._voice.error(record, fact.code, fact.text)

    def _cancel_rejected(self, record: OrderRecord, fact: e.CancelRejected) -> None:
        """It stays as it is."""
        record.cancelling = False
        self._voice.error(record, fact.code, fact.text)
        if record.stage != DONE and self._settings.tell_pending_cancel:
            self._voice.status(record)

    # ---- ends --------------------------------------------------------------------------------------------------
    def _cancelled(self, record: OrderRecord, fact: e.OrderCancelled) -> None:
        if record.stage == DONE:
            return
        if record.tif in (IOC, FOK) and not record.cancelling and self._settings.tell_pending_cancel:
            record.cancelling = True
            self._voice.status(record)
        by_trader = record.cancelling and record.tif not in (IOC, FOK)
        self._lifecycle.end(record, CANCELLED, BY_TRADER if by_trader else BY_SYSTEM)

    def _rejected(self, record: OrderRecord, fact: e.OrderRejected) -> None:
        if record.stage != DONE:
            self._lifecycle.reject(record, Refusal(fact.code, fact.text))

    def _inactivated(self, record: OrderRecord, fact: e.OrderInactivated) -> None:
        """A FOK without its quantity. Nothing revives it, so the venue is rid of it too."""
        if record.stage == DONE:
            return
        self._lifecycle.end(record, INACTIVE, f"Inactive {TIF_NAMES[record.tif]}", told=None)
        self._world.exchange.foreign_cancel(record.perm_id, ts_ns=self._world.now_ns)
