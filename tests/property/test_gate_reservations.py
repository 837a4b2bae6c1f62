"""What the gate promises whatever happens next: concurrent orders never add up past a limit, an exit never makes a
position larger, and orders elsewhere change nothing.
"""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core.commands import ApprovedOrder, OrderIntent
from core.positions import value_at
from core.rates import RateLimit, conforms
from core.reservations import contribution
from core.units import NANO
from risk.gate import Gate
from risk.limits import AccountLimits, Cluster, Limits
from risk.resolve import resolve
from tests.fakes.context import ACCOUNT, CENT, NOON, SECOND, TAG, World, build_context

PX = 100 * NANO
LONG, SHORT, GROSS = 1_000 * NANO, 600 * NANO, 150_000 * NANO
TIGHT = Limits(
    account=AccountLimits(
        position_long_max=1_000,
        position_short_max=600,
        gross_max=150_000,
        order_equity_bp_max=1_000_000,
        position_equity_bp_max=1_000_000,
        gross_equity_bp_max=1_000_000,
        issuer_equity_bp_max=1_000_000,
        sector_unknown_equity_bp_max=1_000_000,
        country_equity_bp_max=1_000_000,
        margin_long_bp=1,
        margin_short_bp=1,
        rate_account_orders=1_000,
        rate_strategy_orders=1_000,
        rate_symbol_orders=1_000,
        working_per_side_max=100,
        working_orders_max=1_000,
        messages_second_max=1_000,
    )
)
ISSUER, SECTOR, CLUSTER = 60_000 * NANO, 80_000 * NANO, 40_000 * NANO
CROWDED = msgspec.structs.replace(
    TIGHT,
    account=msgspec.structs.replace(
        TIGHT.account,
        gross_max=10_000_000,
        position_short_max=1_000,
        issuer_equity_bp_max=600,
        sector_equity_bp_max=800,
        cluster_equity_bp_max=400,
    ),
    cluster=(Cluster(name="pair", symbols=("S1", "S2")),),
)
CAPS = {"issuer": ISSUER, "sector": SECTOR, "cluster": CLUSTER, "measured cluster": CLUSTER}
# S0 and S1 are of one issuer and sector; S2 of another issuer and the same sector; S3 stands alone.
BANKS = {0: {"sector": "banks", "issuer": "ACME"}, 1: {"sector": "banks", "issuer": "ACME"}, 2: {"sector": "banks"},
         3: {"sector": "tools"}}  # fmt: skip
# what (0 order, 1 fill, 2 cancel, 3 replace), instrument, side, shares in hundreds, which order, which strategy
MOVES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 1),
        st.sampled_from((1, -1)),
        st.integers(1, 7),
        st.integers(0, 50),
        st.sampled_from(("alpha", "beta")),
    ),
    max_size=40,
)
Move = tuple[int, int, int, int, int, str]


def send(world: World, gate: Gate, intent: OrderIntent) -> ApprovedOrder | None:
    """Ask the gate and, if it approves, send."""
    verdict = gate.approve(intent, world.ts_ns, world.money.seq + 1)
    if not isinstance(verdict, ApprovedOrder):
        return None
    world.place(verdict)
    return verdict


def assert_buckets(world: World) -> None:
    """The running sums are those of positions at their marks and reserved orders, added up anew."""
    context, money = world.context, world.money
    by_inst = [
        abs(value_at(held, mark)) for held, mark in zip(money.ledger.holdings, context.exposure.marks, strict=True)
    ]
    held = list(by_inst)
    for order in money.live_orders.values():
        reserved = contribution(order)
        assert reserved is not None
        by_inst[order.inst] += reserved.notional_nanos
    for number, bucket in enumerate(context.concentration.buckets):
        assert context.concentration.used[number] == sum(by_inst[inst] for inst in bucket.members), bucket
        assert sum(held[inst] for inst in bucket.members) <= CAPS.get(bucket.kind, 1 << 62), bucket


def limit_for(side: int) -> int:
    """A limit that rests and crosses nothing of ours; worth the offer to the gate either way."""
    return PX - CENT if side > 0 else PX + CENT


def apply(world: World, gate: Gate, move: Move) -> None:
    """One random move; the market stands still."""
    what, inst, side, hundreds, pick, strategy = move
    money = world.money
    if what == 0:
        qty = hundreds * 100 * NANO
        send(
            world,
            gate,
            world.intent(inst=inst, side=side, qty_nanos=qty, strategy=strategy, limit_px_nanos=limit_for(side)),
        )
        return
    live = list(money.live_orders.values())
    if not live:
        return
    order = live[pick % len(live)]
    if what == 1:
        qty = min(order.remaining_nanos, hundreds * 100 * NANO)
        world.fill(order.order_id, qty, PX)
    elif what == 2:
        world.cancel(order.order_id)
    else:
        intent = world.intent(
            order_id=order.order_id,
            version=order.version + 1,
            inst=order.inst,
            side=order.side,
            qty_nanos=order.filled_nanos + hundreds * 100 * NANO,
            strategy=order.strategy,
            limit_px_nanos=order.limit_px_nanos,
        )
        send(world, gate, intent)


@settings(max_examples=40)
@given(MOVES)
def test_concurrent_orders_never_pass_a_limit(moves: list[Move]) -> None:
    """After every move the worst case of all working orders is within position limits, and the gross within its cap."""
    world = build_context(limits=TIGHT)
    gate = Gate(world.context, TIGHT, ACCOUNT, TAG)
    reservations, holdings = world.money.reservations, world.money.ledger.holdings
    for move in moves:
        apply(world, gate, move)
        for inst, held in enumerate(holdings):
            assert held + reservations.buy_qty[inst] <= LONG
            assert reservations.sell_qty[inst] - held <= SHORT
        assert world.context.exposure.gross <= GROSS


@settings(max_examples=25)
@given(MOVES, st.integers(0, 40))
def test_no_sequence_takes_a_bucket_past_its_cap(moves: list[Move], at: int) -> None:
    """Whatever is ordered, filled, cancelled and replaced, and whenever a cluster is measured: issuer, sector and
    clusters hold no more than their caps, and the running sums are right.
    """
    world = build_context(limits=CROWDED, instruments=4, changes=BANKS)
    gate = Gate(world.context, CROWDED, ACCOUNT, TAG)
    assert_buckets(world)
    for number, (what, inst, side, hundreds, pick, strategy) in enumerate(moves):
        if number == at:  # what is measured late finds what is there: only then may a cap be broken already
            calm = not world.money.live_orders and not any(world.money.ledger.holdings)
            world.context.concentration.set_measured(((0, 3),) if calm else ())
        apply(world, gate, (what, (inst * 2 + pick) % 4, side, hundreds, pick, strategy))
        assert_buckets(world)


@settings(max_examples=40)
@given(st.sampled_from((500, -500)), MOVES)
def test_an_exit_never_makes_a_position_larger(start: int, moves: list[Move]) -> None:
    """Reducing: whatever is approved, filled, cancelled and replaced, no fill grows or turns a position."""
    world = build_context(limits=TIGHT)
    gate = Gate(world.context, TIGHT, ACCOUNT, TAG)
    world.hold(0, start)
    world.hold(0, start // 5, strategy="beta")
    world.command(c.MoveLadder(level=1, scope="", state=1, code="TEST", reason="test", by="test"))
    ledger = world.money.ledger
    sign = 1 if start > 0 else -1
    for move in moves:
        before = [abs(ledger.held_nanos("alpha", 0)), abs(ledger.held_nanos("beta", 0)), abs(ledger.holdings[0])]
        apply(world, gate, move)
        after = [ledger.held_nanos("alpha", 0) * sign, ledger.held_nanos("beta", 0) * sign, ledger.holdings[0] * sign]
        assert all(0 <= now <= then for now, then in zip(after, before, strict=True))
        assert not ledger.holdings[1]
    assert all(order.reduce_only for order in world.money.live_orders.values())


@settings(max_examples=25)
@given(st.integers(0, 60), st.sampled_from((1, -1)), st.integers(1, 12), st.integers(-400, 400))
def test_unrelated_working_orders_change_nothing(orders: int, side: int, hundreds: int, cents: int) -> None:
    """Orders in another symbol, below every total, leave verdict and failures as they are."""
    verdicts = []
    for count in (0, orders):
        world = build_context(limits=TIGHT)
        for _ in range(count):
            world.rest(inst=1, qty_nanos=NANO, limit_px_nanos=PX - CENT, strategy="beta")
        world.money.tats.clear()
        gate = Gate(world.context, TIGHT, ACCOUNT, TAG)
        intent = world.intent(side=side, qty_nanos=hundreds * 100 * NANO, limit_px_nanos=PX + cents * CENT)
        verdict = gate.approve(intent, NOON, 1)
        codes = () if isinstance(verdict, ApprovedOrder) else tuple(failure.code for failure in verdict.failures)
        verdicts.append(codes)
    assert verdicts[0] == verdicts[1]


@given(
    st.integers(1, 200),
    st.integers(1, 60),
    st.integers(-100 * SECOND, 100 * SECOND),
    st.sampled_from(("account", "symbol")),
)
def test_the_rate_check_is_the_folds_own_rule(orders: int, seconds: int, ahead: int, kind: str) -> None:
    """The tolerance worked out beforehand says the same as core.rates.conforms."""
    limits = Limits(
        account=AccountLimits(rate_account_orders=orders, rate_account_seconds=seconds)
        if kind == "account"
        else AccountLimits(rate_symbol_orders=orders, rate_symbol_seconds=seconds)
    )
    world = build_context(limits=limits)
    bounds = resolve(limits, instruments=world.context.instruments, strategies=("alpha",), currency="USD").account
    slack = bounds.account_slack_ns if kind == "account" else bounds.symbol_slack_ns
    rate = RateLimit(orders, seconds * SECOND)
    assert (ahead <= slack) == conforms(NOON + ahead, NOON, rate)
