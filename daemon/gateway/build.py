"""The gateway's composition root: world, exchange, parts and machine out of a checked file and reference tables, empty
or from a snapshot. Starts nothing. `daemon.kernels` must have been configured before this is imported.
"""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.gateway.account.part import AccountPart
from broker.gateway.contracts.book import ContractBook
from broker.gateway.contracts.part import ContractPart
from broker.gateway.faults.layer import FaultPart
from broker.gateway.general import General
from broker.gateway.machine import GatewayMachine, MachineState
from broker.gateway.market.part import MarketPart
from broker.gateway.market.recorded import RecordedDays
from broker.gateway.orders.by_hand import ByHand
from broker.gateway.orders.part import OrderPart
from broker.gateway.part import Part, World
from broker.gateway.registry import Registry
from broker.sim.exchange import Exchange
from broker.sim.snapshot import decode
from core.fees import FeeTable
from core.market import new_market
from core.sessions import Calendar
from daemon.digests import digest
from daemon.gateway.config import GatewayConfig
from daemon.gateway.control import Commands
from daemon.gateway.history import read_bars
from daemon.reference.tables import ReferenceTables


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """The machine with the parts that the process talks to."""

    machine: GatewayMachine
    registry: Registry
    faults: FaultPart
    commands: Commands
    new_session: Callable[[], None]  # the gateway restarts: what was never transmitted is gone


def build_gateway(config: GatewayConfig, tables: ReferenceTables, *, state: MachineState | None = None) -> Built:
    """A machine, empty or as it was. Raises ConfigError naming what cannot be honoured."""
    settings, instruments = config.gateway, tables.contracts
    quotes, watch = new_market(len(instruments)), np.zeros(len(instruments), np.int64)
    world = World(
        accounts=settings.accounts,
        instruments=instruments,
        calendars=_calendars(tables),
        exchange=_exchange(config, tables, quotes, watch, state),
        quotes=quotes,
    )
    registry = Registry(master_client_id=settings.master_client_id, clients_max=settings.limits.clients_max)
    faults = FaultPart(world, settings.faults, seed=settings.fault_seed, timezone=settings.timezone)
    world.faults = faults
    book = ContractBook(instruments, now_ns=lambda: world.now_ns, settings=settings.contracts)
    orders = OrderPart(
        world, registry=registry, book=book, settings=settings.orders, account=settings.account,
        currency=settings.currency, timezone=settings.timezone,
        shortable=lambda symbol: settings.market.shortable.get(symbol, settings.market.shortable_shares),
    )  # fmt: skip
    parts: dict[str, Part] = {
        "orders": orders,
        "account": AccountPart(
            world, book=book, settings=settings.account, currency=settings.currency, timezone=settings.timezone
        ),
        "contracts": ContractPart(world, book),
        "market": MarketPart(world, book, settings.market, tables.slow, _recorded(config, tables)),
        "general": General(world, registry),
        "faults": faults,
    }
    machine = GatewayMachine(world, parts, watch=watch)
    faults.link_changed = machine.link_changed
    faults.roll_back_ids = registry.roll_back_all
    faults.new_session = orders.new_session
    commands = Commands(machine, faults, ByHand(world, book, orders))
    if state is not None:
        machine.load(state)
    return Built(machine=machine, registry=registry, faults=faults, commands=commands, new_session=orders.new_session)


def state_digest(config: GatewayConfig) -> str:
    """Of everything that must not change under a kept state; the speed may."""
    base = config.base
    feed = msgspec.structs.replace(base.feed, speed="1x")
    told = (feed, base.instruments, base.venue, base.fees, config.gateway.accounts)
    return digest([msgspec.json.encode(told, order="deterministic")])


def _calendars(tables: ReferenceTables) -> dict[str, Calendar]:
    """Readers of one's own: a reader keeps its place."""
    return {loaded.table.calendar: Calendar(loaded.table) for loaded in tables.sessions}


def _recorded(config: GatewayConfig, tables: ReferenceTables) -> tuple[RecordedDays, ...]:
    file = config.history_file
    if file is None:
        return ()
    return read_bars(file, tables.contracts, {loaded.table.calendar: loaded.table for loaded in tables.sessions})


def _exchange(
    config: GatewayConfig,
    tables: ReferenceTables,
    quotes: NDArray[np.void],
    watch: NDArray[np.int64],
    state: MachineState | None,
) -> Exchange:
    return Exchange(
        instruments=tables.contracts,
        calendars=_calendars(tables),
        fees=FeeTable(tables.fee_rows),
        config=config.base.venue,
        watch=watch,
        quotes=quotes,
        state=None if state is None else decode(state.exchange, config=config.base.venue),
    )
