"""The venue's own impact: what we trade moves the market that all see, and the parameters come back from it."""

import numpy as np
import pytest

from broker.gateway.machine import GatewayMachine, decode_state
from broker.sim.config import VenueConfig
from broker.sim.impact import DAY_NS, ImpactConfig, Push, pushed, shift
from broker.sim.terms import OrderTerms
from core.commands import DAY, MKT
from core.errors import ConfigError
from core.ids import BUY, SELL
from core.units import NANO
from research.impact import Trade, calibrate
from tests.fakes.gateway import RecordingPart, new_machine, new_world
from tests.fakes.tape import CENT, Tape, cents, shares
from tests.simulation import world as simulation

VENUE = VenueConfig(
    impact=ImpactConfig(
        permanent=1.0, temporary=1.0, exponent=0.5, decay_s=10.0, volatility_bp=200.0, average_volume=100_000.0
    )
)


def still(seconds: list[float]) -> Tape:
    tape = Tape()
    for second in seconds:
        tape = tape.quote(second, 10_000, 10_001, 10_000, 10_000).print(second, 10_000, 100)
    return tape


def bids(machine: GatewayMachine, seconds: list[float]) -> list[float]:
    """Best bid in cents after the rows of each second; a print at the bid moves with it."""
    found = []
    for second in seconds:
        rows = still([second]).array()
        machine.run_rows(rows, 0, len(rows))
        quote = machine.world.quotes[0]
        assert quote["last_px_nanos"] == quote["bid_px_nanos"] == quote["ask_px_nanos"] - CENT
        found.append(int(quote["bid_px_nanos"]) / CENT)
    return found


def trade(machine: GatewayMachine, order_id: int, side: int, size: float) -> None:
    terms = OrderTerms(order_id=order_id, inst=0, side=side, qty_nanos=shares(size), order_type=MKT, tif=DAY)
    machine.world.exchange.enter(terms, ts_ns=machine.world.now_ns)


def test_what_we_buy_moves_the_market_for_all() -> None:
    """Quotes and prints rise with our flow, fall back as it fades, and keep what one day's share is worth."""
    world, watch = new_world(config=VENUE)
    machine = new_machine(world, watch, {"one": RecordingPart(world)})
    assert bids(machine, [1, 2]) == [10_000, 10_000]
    trade(machine, 1, BUY, 1000)
    moved = bids(machine, [3, 13, 23, 600])
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > 10_000 + 20
    assert moved[-1] == 10_002  # 1 % of a day's volume times 200 bp
    trade(machine, 2, SELL, 1000)
    assert bids(machine, [601, 3000])[1] == 10_000


def test_off_by_default_and_never_below_a_tick() -> None:
    """Without settings rows stay what the tape says; the price stays above zero."""
    world, watch = new_world()
    machine = new_machine(world, watch, {})
    assert not world.exchange.moves_market
    trade(machine, 1, BUY, 1000)
    assert bids(machine, [1, 2]) == [10_000, 10_000]
    crushed, watch = new_world(config=VenueConfig(impact=ImpactConfig(permanent=100.0, volatility_bp=5000.0)))
    machine = new_machine(crushed, watch, {})
    bids(machine, [1])
    trade(machine, 1, SELL, 10_000_000)
    rows = still([2]).array()
    machine.run_rows(rows, 0, len(rows))
    assert rows["bid_px_nanos"][0] == cents(10_000)  # the feed's own row is left alone
    assert crushed.quotes[0]["bid_px_nanos"] > 0


def test_a_restart_keeps_the_push() -> None:
    """A machine from a snapshot goes on with the same prices."""
    world, watch = new_world(config=VENUE)
    machine = new_machine(world, watch, {})
    bids(machine, [1])
    trade(machine, 1, BUY, 500)
    bids(machine, [2])
    state = decode_state(machine.dump())
    again, watch = new_world(config=VENUE, state=state.exchange)
    other = new_machine(again, watch, {})
    other.load(state)
    assert bids(machine, [3, 9, 30]) == bids(other, [3, 9, 30])


@pytest.mark.parametrize("change", [{"exponent": 0.0}, {"decay_s": 0.0}, {"permanent": -1.0}, {"average_volume": 0.0}])
def test_settings_keep_their_bounds(change: dict[str, float]) -> None:
    """What means nothing is refused by name."""
    with pytest.raises(ConfigError, match=rf"venue\.impact\.{next(iter(change))}"):
        ImpactConfig(**change)


def test_a_trader_s_own_tape_cannot_move() -> None:
    """In the trader's own process the rows are read before the venue sees them: refused, with where it works."""
    with pytest.raises(ConfigError, match=r"venue\.impact: .* run a paper gateway"):
        simulation.new_machine(simulation.config_with(VENUE, reconcile_s=60))


@pytest.mark.slow
def test_the_model_is_recovered_from_the_venue_s_impact() -> None:
    """Steady trading through the venue's own law, with the market's moves on top: the calibration's intervals hold the
    venue's parameters, read as the model has them.
    """
    venue = ImpactConfig(
        permanent=1.2, temporary=0.25, exponent=0.6, decay_s=5.0, volatility_bp=100.0, average_volume=1e6
    )  # fmt: skip
    chance, sigma, trades = np.random.default_rng(11), 0.01, []
    for _ in range(600):
        days, size = float(chance.uniform(0.05, 0.5)), float(np.exp(chance.uniform(np.log(0.005), np.log(0.2))))
        steps, push, paid = 60, Push(), []
        for step in range(1, steps + 1):
            now = int(step * days * DAY_NS / steps)
            pushed(push, venue, signed_qty_nanos=int(size * 1e6 * NANO / steps), ts_ns=now)
            flow = size / days * (venue.decay_s * NANO / DAY_NS)  # in steady state, between two executions
            steady = Push(net_nanos=push.net_nanos, flow_nanos=flow * 1e6 * NANO, ts_ns=now)
            paid.append(shift(steady, venue, now))
        trend, wait = chance.normal(0.0, sigma * np.sqrt(days)), 0.1
        cost = float(np.mean(paid)) + 0.5 * trend + chance.normal(0.0, sigma * np.sqrt(days / 12.0))
        stayed = shift(push, venue, push.ts_ns + int(wait * DAY_NS)) + trend
        stayed += chance.normal(0.0, sigma * np.sqrt(wait))
        trades.append(
            Trade(
                size=size, days=days, wait_days=wait, volatility=sigma, cost=cost, stayed=stayed, turnover_days=1.0
            )
        )  # fmt: skip
    found = calibrate(tuple(trades), bootstraps=100)
    assert found.gamma.holds(venue.permanent)
    assert found.eta.holds(venue.temporary)
    assert found.beta.holds(venue.exponent)
