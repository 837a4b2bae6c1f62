"""A gateway fed by another one through our own adapter: its market, its orders, its restart, and a lost connection."""

from pathlib import Path
from typing import Any

import pytest
from ib_async import LimitOrder, MarketOrder

from broker.gateway.machine import decode_state
from core.errors import ConfigError
from daemon.gateway.arrivals import UpstreamTape
from daemon.gateway.build import build_gateway, state_digest
from daemon.gateway.config import GatewayConfig
from daemon.gateway.recovery import run_again
from daemon.gateway.store import Store
from daemon.gateway.turns import Turns
from daemon.gateway.upstream import Upstream
from tests.fakes.gateway_built import FILE, ORIGIN, Run, gateway_config, gateway_tables, random_rows
from tests.fakes.gateway_serving import serving
from tests.fakes.gateway_wire import eventually

UPSTREAM = (
    FILE.replace('"synthetic"\nspeed = "1x"\n[feed.synthetic]\nstart_date = 2026-01-05', '"ib"\nprofile = "l1_250"')
    .replace("[gateway]", '[gateway]\nupstream_account = "DU0000001"')
    .replace("[[instruments]]", '[ib]\nport = PORT\nclock = "gateway"\nclient_id = 31\n\n[[instruments]]', 1)
)  # fmt: skip


class Log:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        """A line."""
        self.told.append((event, fields))

    warning = info


def downstream(folder: Path, port: int) -> GatewayConfig:
    """The file of a gateway that is fed from a port."""
    return gateway_config(folder, text=UPSTREAM.replace("PORT", str(port)))


@pytest.mark.slow
async def test_a_gateway_feeds_another(tmp_path: Path) -> None:
    """The market downstream is the market upstream; orders stay downstream; a death forgets neither rows nor orders; a
    lost connection shows as a broken farm.
    """
    rows = random_rows(5, count=20_000, seconds=3_600)
    async with serving(tmp_path / "up", rows, speed=50.0) as source:
        config = downstream(tmp_path / "down", source.port)
        run = Run.__new__(Run)
        run.config, run.tables, run.clients, run.numbers = config, gateway_tables(), {}, 0
        run.store = Store(config.state_dir, config_digest=state_digest(config))
        run.built = built = build_gateway(config, run.tables)
        machine, tape, log = built.machine, UpstreamTape(built.machine), Log()
        upstream = Upstream(config.base, log)
        await upstream.learn_clock()
        machine.world.now_ns = upstream.clock.now_ns()
        built.faults.start(machine.world.now_ns)
        run.store.save(machine, origin=ORIGIN, controls=[])
        turns = Turns(machine, upstream.clock, tape, run.store.flush)
        machine.record = tape.record = run.store.add
        machine.catch_up = turns.before_input
        await upstream.start(machine, tape, run.tables, turns.soon)
        assert [fault["name"] for fault in built.faults.listed()] == ["farm_broken"]
        await eventually(lambda: not built.faults.listed() and machine.rows_done > 50)
        bids = source.run.built.machine.world.quotes["bid_px_nanos"]
        here = machine.world.quotes["bid_px_nanos"]
        assert (abs(here - bids) < 50 * 10**7).all()
        run.place(5, 1, MarketOrder("BUY", 100, tif="DAY"))
        run.place(5, 2, LimitOrder("BUY", 100, 5.0, tif="GTC"))
        await eventually(lambda: built.commands.desk.executions())
        assert source.run.built.commands.desk.listed() == []
        run.leave()
        turns.catch_up()
        run.store.flush()
        machine.record = tape.record = None
        before = machine.dump()
        again = build_gateway(config, run.tables, state=decode_state(_snapshot(run.store)))
        assert await run_again(again.machine, again.registry, UpstreamTape(again.machine), run.store.logged()) > 3
        again.new_session()
        again.machine.advance_to(machine.world.now_ns)
        assert again.machine.dump() == before
        source.server.cut_all("the test says so")
        await eventually(lambda: [fault["name"] for fault in built.faults.listed()] == ["farm_broken"])
        await upstream.close()
        turns.stop()
        run.store.close()
    assert ("upstream", {"link": "up"}) in log.told


def _snapshot(store: Store) -> bytes:
    found = store.load()
    assert found is not None
    return found.machine


def test_a_state_of_a_later_market_is_refused(tmp_path: Path) -> None:
    """Time never goes back."""
    upstream = Upstream(downstream(tmp_path, 1).base, Log())
    upstream.check(upstream.clock.now_ns())
    with pytest.raises(ConfigError, match="use a fresh state_dir"):
        upstream.check(upstream.clock.now_ns() + 10**12)
