"""Profit of the day: against the account and the positions as they stood when the day began. Owns that standing, which
outlives a restart. Knows no client.
"""

from typing import Final

import msgspec

from broker.gateway.account.margin import Standing, holdings, mark_px_nanos, standing
from broker.gateway.account.settings import AccountSettings
from broker.gateway.part import World
from core.units import notional_nanos


class Opening(msgspec.Struct, array_like=True, kw_only=True):
    """The account at the beginning of a day."""

    since_ns: int
    equity_nanos: int
    values_nanos: dict[int, int]  # of the positions, signed, by instrument


class Position(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What reqPnLSingle tells of one contract."""

    qty_nanos: int
    daily_nanos: int
    unrealised_nanos: int
    realised_nanos: int
    value_nanos: int


NOT_BEGUN: Final = -1


class Flow(msgspec.Struct, gc=False, kw_only=True):
    """What the day's executions of one instrument did."""

    paid_nanos: int = 0  # for shares and commissions, less what sales brought in
    realised_nanos: int = 0  # after commissions


_decoder: Final = msgspec.msgpack.Decoder(Opening)


class DayProfit:
    """Daily profit counts commissions; unrealised does not, realised does."""

    def __init__(self, world: World, settings: AccountSettings, currency: str) -> None:
        self._world = world
        self._settings = settings
        self._currency = currency
        self.opening = Opening(since_ns=NOT_BEGUN, equity_nanos=0, values_nanos={})
        self._flows_key: tuple[int, ...] = ()
        self._flows: dict[int, Flow] = {}

    def begin_day(self) -> None:
        """The account as it stands is what the day counts from."""
        now = standing(self._world, self._settings, self._currency)
        values = {holding.inst: holding.value_nanos for holding in holdings(self._world)}
        self.opening = Opening(since_ns=self._world.now_ns, equity_nanos=now.equity_nanos, values_nanos=values)

    @property
    def begun(self) -> bool:
        """Whether a day has begun at all."""
        return self.opening.since_ns >= 0

    def standing(self) -> Standing:
        """The account now, with what its day realised."""
        realised = sum(flow.realised_nanos for flow in self._day_flows().values())
        return standing(self._world, self._settings, self._currency, realised_nanos=realised)

    def account(self) -> tuple[int, int, int]:
        """Daily, unrealised and realised profit of the account."""
        now = self.standing()
        return now.equity_nanos - self.opening.equity_nanos, now.unrealised_nanos, now.realised_nanos

    def position(self, inst: int) -> Position:
        """The same of one instrument; flat ones have a day too."""
        world = self._world
        held = world.exchange.account.state.positions.get(inst)
        qty, cost = (held.qty_nanos, held.cost_nanos) if held is not None else (0, 0)
        fallback = held.average_cost_nanos if held is not None else 0
        value = notional_nanos(mark_px_nanos(world, inst, fallback), qty)
        flow = self._day_flows().get(inst, Flow())
        opened = self.opening.values_nanos.get(inst, 0)
        return Position(
            qty_nanos=qty,
            daily_nanos=value - opened - flow.paid_nanos,
            unrealised_nanos=value - cost,
            realised_nanos=flow.realised_nanos,
            value_nanos=value,
        )

    def _day_flows(self) -> dict[int, Flow]:
        """By instrument. One pass over the day's executions, kept until one is added, corrected or forgotten: each of
        these changes their number or the cash.
        """
        state, since_ns = self._world.exchange.account.state, self.opening.since_ns
        key = (since_ns, len(state.executions), *state.cash_nanos.values())
        if key != self._flows_key:
            self._flows_key, self._flows = key, {}
            for execution in state.executions.values():
                if execution.ts_ns >= since_ns:
                    flow = self._flows.setdefault(execution.inst, Flow())
                    flow.paid_nanos += execution.side * notional_nanos(execution.px_nanos, execution.qty_nanos)
                    flow.paid_nanos += execution.commission_nanos
                    flow.realised_nanos += execution.realised_nanos - execution.commission_nanos
        return self._flows

    def dump(self) -> bytes:
        """The opening."""
        return msgspec.msgpack.encode(self.opening)

    def load(self, state: bytes) -> None:
        """From `dump`."""
        self.opening = _decoder.decode(state)
