"""What the account is worth and what its positions bind, in exact nanos of the base currency. Pure arithmetic over the
broker's truth and the market's marks; knows no client and no message.
"""

from typing import Final

import msgspec

from broker.gateway.account.settings import AccountSettings
from broker.gateway.part import World
from broker.sim.margin import bound_nanos
from core.units import notional_nanos


class Holding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One position at its mark."""

    inst: int
    qty_nanos: int
    cost_nanos: int
    mark_px_nanos: int

    @property
    def value_nanos(self) -> int:
        """At the mark, signed."""
        return notional_nanos(self.mark_px_nanos, self.qty_nanos)

    @property
    def unrealised_nanos(self) -> int:
        """Against cost."""
        return self.value_nanos - self.cost_nanos


class Standing(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The account at one moment."""

    cash_nanos: int
    equity_nanos: int  # cash and positions at their marks
    gross_nanos: int
    initial_nanos: int
    maintenance_nanos: int
    unrealised_nanos: int
    realised_nanos: int  # of the day, after commissions

    @property
    def stock_nanos(self) -> int:
        """Value of the positions, signed."""
        return self.equity_nanos - self.cash_nanos

    @property
    def available_nanos(self) -> int:
        """What new positions may bind."""
        return self.equity_nanos - self.initial_nanos

    @property
    def excess_nanos(self) -> int:
        """What may be lost before positions are closed."""
        return self.equity_nanos - self.maintenance_nanos


def mark_px_nanos(world: World, inst: int, fallback: int = 0) -> int:
    """The last price, else the mid of a usable quote, else what the caller says (the average cost)."""
    row = world.quotes[inst]
    if last := int(row["last_px_nanos"]):
        return last
    if row["usable"]:
        return (int(row["bid_px_nanos"]) + int(row["ask_px_nanos"])) // 2
    return fallback


def holdings(world: World) -> list[Holding]:
    """All positions that are not flat, by instrument."""
    positions = world.exchange.account.state.positions
    return [
        Holding(
            inst=inst,
            qty_nanos=held.qty_nanos,
            cost_nanos=held.cost_nanos,
            mark_px_nanos=mark_px_nanos(world, inst, held.average_cost_nanos),
        )
        for inst, held in sorted(positions.items())
        if held.qty_nanos
    ]


def standing(world: World, settings: AccountSettings, currency: str, *, realised_nanos: int = 0) -> Standing:
    """The first account now; what its day realised is the caller's to know. Cash in other currencies is not counted
    here: the ledger tells it.
    """
    state = world.exchange.account.state
    held = holdings(world)
    cash = state.cash_nanos.get(currency, 0)
    initial = maintenance = 0
    for holding in held:
        first, second = bound_nanos(settings, holding.value_nanos)
        initial, maintenance = initial + first, maintenance + second
    return Standing(
        cash_nanos=cash,
        equity_nanos=cash + sum(holding.value_nanos for holding in held),
        gross_nanos=sum(abs(holding.value_nanos) for holding in held),
        initial_nanos=initial,
        maintenance_nanos=maintenance,
        unrealised_nanos=sum(holding.unrealised_nanos for holding in held),
        realised_nanos=realised_nanos,
    )


EMPTY: Final = Standing(
    cash_nanos=0, equity_nanos=0, gross_nanos=0, initial_nanos=0, maintenance_nanos=0, unrealised_nanos=0,
    realised_nanos=0,
)  # fmt: skip  # the accounts that do not trade


def bound_at(world: World, settings: AccountSettings, inst: int, qty_nanos: int, px_nanos: int) -> tuple[int, int]:
    """Initial and maintenance margin of a quantity at the mark; at `px_nanos` where there is no market yet."""
    held = world.exchange.account.state.positions.get(inst)
    fallback = held.average_cost_nanos if held is not None and held.qty_nanos else px_nanos
    return bound_nanos(settings, notional_nanos(mark_px_nanos(world, inst, fallback), qty_nanos))
