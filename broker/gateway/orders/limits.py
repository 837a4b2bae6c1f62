"""What stands between a good order and the venue: how many orders a side may have, what the account carries, how far a
limit may lie from the market; and what a what-if answers. Reads the account and the market; changes nothing.
"""

from collections.abc import Callable
from typing import Final

from broker.gateway.account.margin import bound_at, mark_px_nanos, standing
from broker.gateway.account.settings import AccountSettings
from broker.gateway.contracts.listing import Refusal
from broker.gateway.orders.draft import Draft
from broker.gateway.orders.journal import OrderJournal
from broker.gateway.orders.record import SENT, WAITS, OrderRecord
from broker.gateway.orders.settings import OrderSettings
from broker.gateway.part import Field, World
from broker.gateway.wire import UNSET_DOUBLE, nanos_text
from broker.sim.chance import PPM
from core.commands import LMT
from core.ids import BUY, SELL
from core.units import CASH_NANOS_MAX, NANO, notional_nanos

PRECAUTION: Final = 109
SIZE_LIMIT: Final = 383


class Limits:
    """Asked once per order, right before it would go to the venue."""

    def __init__(
        self,
        world: World,
        settings: OrderSettings,
        account: AccountSettings,
        currency: str,
        journal: OrderJournal,
        shortable: Callable[[str], int],
    ) -> None:
        self._world = world
        self._settings = settings
        self._account = account
        self._currency = currency
        self._journal = journal
        self._shortable = shortable

    def refusal(self, record: OrderRecord) -> Refusal | None:
        """Why an order is not accepted; None = it is."""
        others = [other for other in self._journal.live.values() if other.open and other is not record]
        most = self._settings.orders_per_side_max
        same = sum(
            (other.inst, other.side, other.account) == (record.inst, record.side, record.account) for other in others
        )
        if same >= most:
            return Refusal(
                201,
                f"Order rejected - reason:there are {same} active orders on this side of the contract, at most {most}.",
            )
        if not self._settings.margin_check or record.parent:
            return None
        return self._margin_refusal(record, others)

    def precaution(self, draft: Draft, *, far: bool) -> Refusal | None:
        """A size no account here could mean; a limit beyond the percentage of TWS's preset, unless it may be `far`."""
        mark = mark_px_nanos(self._world, draft.inst)
        px, most = max(mark, draft.limit_px_nanos, draft.stop_px_nanos), self._settings.order_shares_max
        if draft.qty_nanos > most * NANO or notional_nanos(px, draft.qty_nanos) > CASH_NANOS_MAX:
            return Refusal(SIZE_LIMIT, f"The order size exceeds the size limit of this gateway, {most} shares.")
        ppm = self._settings.price_precaution_ppm
        if far or not ppm or not mark or not draft.limit_px_nanos:
            return None
        if abs(draft.limit_px_nanos - mark) * PPM <= mark * ppm:
            return None
        return Refusal(
            PRECAUTION, "The price specified would cause it to exceed the percentage constraint of this gateway."
        )

    def protected(self, record: OrderRecord, limit_px_nanos: int) -> bool:
        """Whether a limit goes so far through the market that it is taken for a mistake."""
        row, ppm = self._world.quotes[record.inst], self._settings.price_protection_ppm
        if not ppm or record.order_type != LMT or not row["usable"]:
            return False
        far = int(row["ask_px_nanos"] if record.side == BUY else row["bid_px_nanos"])
        return (limit_px_nanos - far) * record.side * PPM > far * ppm

    def what_if(self, draft: Draft, date: int) -> list[Field]:
        """The thirteen fields after the status: margins before, change and after; commission and its currency."""
        world, inst = self._world, draft.inst
        before = standing(world, self._account, self._currency)
        held = self._held(inst)
        now = bound_at(world, self._account, inst, held, draft.limit_px_nanos)
        then = bound_at(world, self._account, inst, held + draft.side * draft.qty_nanos, draft.limit_px_nanos)
        cost = world.exchange.account.estimate_nanos(
            inst,
            side=draft.side,
            qty_nanos=draft.qty_nanos,
            px_nanos=draft.limit_px_nanos or mark_px_nanos(world, inst),
            date=date,
        )
        old = (before.initial_nanos, before.maintenance_nanos, before.equity_nanos)
        change = (then[0] - now[0], then[1] - now[1], -cost)
        new = tuple(first + second for first, second in zip(old, change, strict=True))
        margins: list[Field] = [nanos_text(number) for number in (*old, *change, *new)]
        return [*margins, nanos_text(cost), UNSET_DOUBLE, UNSET_DOUBLE, self._currency, ""]

    def missing_shares(self, record: OrderRecord) -> int | None:
        """Of a sale that goes further short than shares can be borrowed: how many there are. None = it may be sent."""
        if record.side != SELL:
            return None
        working = [other for other in self._journal.live.values() if other.stage == SENT and other.inst == record.inst]
        short_nanos = _most([*working, record], SELL) - self._held(record.inst)
        shares = self._shortable(self._world.instruments[record.inst].symbol)
        return shares if short_nanos > shares * NANO else None

    def _margin_refusal(self, record: OrderRecord, others: list[OrderRecord]) -> Refusal | None:
        """Positions and working orders together must not bind more than the account is worth, unless the order adds
        nothing to what they bind.
        """
        if record.account != self._world.accounts[0]:
            return self._insufficient(0, 0)
        by_inst: dict[int, list[OrderRecord]] = {}
        for other in others:
            if other.stage != WAITS and other.account == record.account:
                by_inst.setdefault(other.inst, []).append(other)
        same = by_inst.pop(record.inst, [])
        positions = self._world.exchange.account.state.positions
        rest = sum(
            self._bound(inst, by_inst.get(inst, [])) for inst in sorted({*positions, *by_inst}) if inst != record.inst
        )
        without, needed = self._bound(record.inst, same), self._bound(record.inst, [*same, record])
        equity = standing(self._world, self._account, self._currency).equity_nanos
        if needed <= without or rest + needed <= equity:
            return None
        return self._insufficient(equity - rest - without, needed - without)

    def _bound(self, inst: int, orders: list[OrderRecord]) -> int:
        """Initial margin of one instrument if these orders traded: of the side that binds more."""
        held, px = self._held(inst), max((order.limit_px_nanos for order in orders), default=0)
        ends = (held + _most(orders, BUY), held - _most(orders, SELL))
        return max(bound_at(self._world, self._account, inst, end, px)[0] for end in ends)

    def _held(self, inst: int) -> int:
        held = self._world.exchange.account.state.positions.get(inst)
        return held.qty_nanos if held is not None else 0

    def _insufficient(self, available_nanos: int, needed_nanos: int) -> Refusal:
        have, need = nanos_text(available_nanos), nanos_text(needed_nanos)
        return Refusal(
            201,
            f"Order rejected - reason:the available funds are insufficient. Available: {have} {self._currency}, "
            f"needed: {need} {self._currency}.",
        )


def _most(orders: list[OrderRecord], side: int) -> int:
    """What the orders of one side can trade at most: of a group, its largest."""
    groups: dict[str, int] = {}
    alone = 0
    for order in orders:
        if order.side != side:
            continue
        if order.oca_group:
            groups[order.oca_group] = max(groups.get(order.oca_group, 0), order.remaining_nanos)
        else:
            alone += order.remaining_nanos
    return alone + sum(groups.values())
