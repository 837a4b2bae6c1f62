"""The status picture: bounded in bytes, complete in counts, and right about money, market and blocks."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import commands as c
from core import events as e
from core import notes as n
from core.exposure import Exposure
from core.instruments import STK, Instrument
from core.latches import ACCOUNT, HALTED, Latch
from core.market import MarketReader, new_market
from core.money.fold import fold_command, fold_input
from core.money.state import Money, MoneySettings
from core.parents import Parent
from core.ports import Context
from core.rates import RateLimit
from core.units import NANO
from daemon.status import picture as s
from daemon.status.build import ProcessFacts, Tally, build_status
from daemon.status.rows import parent_row
from tests.fakes.operations import a_status

LIMIT = RateLimit(events=100, window_ns=NANO)
PROCESS = ProcessFacts(pid=7, mode="replay", state="ready", seq=99, ts_ns=50 * NANO, wall_ns=1)


def a_context(symbols: tuple[str, ...] = ("BAC", "IBM")) -> Context:
    """An empty account that may trade these symbols."""
    settings = MoneySettings(
        account="DU1",
        account_tag="t",
        currency="USD",
        start_cash_nanos=1_000 * NANO,
        symbols=symbols,
        strategies=("meanrev",),
        duplicate_window_ns=NANO,
        rate_account=LIMIT,
        rate_strategy=LIMIT,
        rate_symbol=LIMIT,
    )
    instruments = tuple(
        Instrument(
            inst=inst,
            symbol=symbol,
            con_id=inst,
            sec_type=STK,
            exchange="SMART",
            primary_exchange="NYSE",
            currency="USD",
            calendar="XNYS",
            ticks=(),
            lots=(),
        )
        for inst, symbol in enumerate(symbols)
    )
    return Context(
        instruments=instruments,
        calendars=(),
        previous_close_nanos=[0] * len(symbols),
        money=Money(settings),
        market=MarketReader(new_market(len(symbols))),
        exposure=Exposure(len(symbols)),
    )


def place(money: Money, order_id: int, *, inst: int = 0, seq: int = 1) -> None:
    """Record a 10-share buy at 20 as the engine would."""
    intent = c.OrderIntent(
        order_id=order_id,
        parent_id=0,
        slice_no=0,
        strategy="meanrev",
        inst=inst,
        side=1,
        qty_nanos=10 * NANO,
        order_type=c.LMT,
        limit_px_nanos=20 * NANO,
    )
    approved = c.ApprovedOrder(
        intent=intent, account="DU1", order_ref="q-t-1-1", reduce_only=False, notional_nanos=200 * NANO, ladder_epoch=0
    )
    fold_command(money, seq, seq, c.PlaceOrder(order=approved))


def a_fill(order_id: int, exec_id: str) -> e.OrderFilled:
    """Four shares at 20."""
    return e.OrderFilled(order_id=order_id, exec_id=exec_id, side=1, qty_nanos=4 * NANO, px_nanos=20 * NANO, inst=0)


def test_twenty_full_symbols_fit_into_the_bound() -> None:
    """The case the bound was made for loses no feed row, position, parent or child."""
    feed = tuple(
        s.FeedRow(symbol=f"SYM{i}", bid="123.45", ask="123.46", last="123.45", age_ms=250, state="", odd=(12,) * 9)
        for i in range(20)
    )
    positions = tuple(
        s.PositionRow(
            strategy="meanrev", symbol=f"SYM{i}", qty="-1200", average_px="123.4567", mark="123.455",
            unrealised="-1234.56", realised="1234.56", fees="12.34",
        )
        for i in range(20)
    )  # fmt: skip
    targets = tuple(s.TargetRow(strategy="meanrev", symbol=f"SYM{i}", target="1200", held="-1200") for i in range(20))
    children = tuple(
        s.ChildRow(id=i, parent=i, symbol="SYM1", side="SELL", qty="1200", filled="0", limit="123.45", state="WORKING")
        for i in range(s.WORKING_MAX)
    )
    parents = tuple(
        s.ParentRow(
            id=i, strategy="meanrev", symbol="SYM1", side="SELL", qty="1200", filled="0", algo="twap", state="ACTIVE",
            end_ns=10**18,
        )
        for i in range(s.WORKING_MAX)
    )  # fmt: skip
    fills = tuple(
        s.FillRow(ts_ns=10**18, order=i, strategy="meanrev", symbol="SYM1", side="BUY", qty="100", px="123.45")
        for i in range(s.RECENT_MAX)
    )
    picture = a_status(feed=feed, positions=positions, targets=targets, children=children, parents=parents, fills=fills)
    packed = s.encode_status(picture)
    assert len(packed) <= s.STATUS_BYTES_MAX
    assert s.decode_status(packed) == picture, "nothing had to be left out"


@settings(max_examples=25)
@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.text(max_size=s.TEXT_LENGTH_MAX),
    st.sampled_from(["\x00", "é", "𝄞", '"']),
)
def test_the_bound_holds_whatever_the_lists_and_texts(alerts: int, latches: int, text: str, filler: str) -> None:
    """Rows give way, and `more` counts every one of them."""
    worst = s.cut(text + filler * s.TEXT_LENGTH_MAX)
    picture = a_status(
        alerts=tuple(s.AlertRow(ts_ns=i, severity="warning", code="X", text=worst) for i in range(alerts)),
        latches=tuple(
            s.LatchRow(level="account", scope="", state="HALTED", code="X", reason=worst, by=worst, since_ns=1)
            for _ in range(latches)
        ),
    )
    packed = s.encode_status(picture)
    shown = s.decode_status(packed)
    assert len(packed) <= s.STATUS_BYTES_MAX
    assert len(shown.alerts) + shown.more.get("alerts", 0) == alerts
    assert len(shown.latches) + shown.more.get("latches", 0) == latches


def test_even_one_row_that_is_too_big_gives_way() -> None:
    """The halving ends at nothing, not at one."""
    shown = s.decode_status(s.encode_status(a_status(differences=("x" * s.STATUS_BYTES_MAX,))))
    assert (shown.differences, shown.more) == ((), {"differences": 1})


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\x1b[2Jb\nc", "a [2Jb c"), ("x" * 97, "x" * 95 + "…"), ("x" * 96, "x" * 96)],
)
def test_texts_are_cut_and_cannot_steer_a_terminal(text: str, shown: str) -> None:
    """Broker texts and reasons reach terminals."""
    assert s.cut(text) == shown


def test_named_gives_fields_and_oddities_their_names() -> None:
    """What `--json` prints is made of objects, not of positional arrays."""
    plain = s.named(a_status())
    assert plain["feed"][0] == {
        "symbol": "BAC", "bid": "25.1", "ask": "25.11", "last": "25.1", "age_ms": 3, "state": "", "odd": {"crossed": 1},
        "why": "",
    }  # fmt: skip
    assert plain["counters"]["refusals"] == {"16 PRICE_BAND": 2}
    assert msgspec.json.encode(plain)


def test_a_fill_is_counted_when_it_is_booked_and_only_then() -> None:
    """A repeated execution, or one a sync repeats, is no second fill."""
    money, tally = a_context().money, Tally(("BAC", "IBM"))
    place(money, 1)
    for seq, event in ((2, a_fill(1, "x1")), (3, a_fill(1, "x1")), (4, a_fill(1, "x2"))):
        fold_input(money, seq, seq, event)
        tally.take_event(seq, seq, event, money)
    assert (tally.events, tally.fills) == (3, 2)
    assert [(row.symbol, row.side, row.qty, row.px) for row in tally.last_fills] == [("BAC", "BUY", "4", "20")] * 2


def test_refusals_count_by_the_first_control_that_said_no() -> None:
    """One refusal is one count, however many checks failed."""
    tally = Tally(("BAC",))
    first = n.Failure(control=16, code="DENIED", value="BAC", limit="allow list", lift="config")
    second = n.Failure(control=22, code="STALE", value="9 s", limit="5 s", lift="itself")
    note = n.Refusal(
        order_id=1, parent_id=1, strategy="meanrev", inst=0, side=-1, qty_nanos=NANO, limit_px_nanos=0,
        failures=(first, second),
    )  # fmt: skip
    tally.take_note(5, note)
    tally.take_note(6, note)
    assert tally.refusals == {"16 DENIED": 2}
    assert (tally.last_refusals[0].code, tally.last_refusals[0].side) == ("DENIED", "SELL")


def test_commands_are_counted_by_what_they_start() -> None:
    """Parents, children and alerts."""
    tally = Tally(("BAC",))
    tally.take_command(1, c.RaiseAlert(code="X", severity="critical", text="bad\nthing"))
    parent = c.OpenParent(
        parent_id=1, strategy="m", inst=0, side=1, qty_nanos=1, algo="twap", start_ts_ns=0, end_ts_ns=1, slices=1
    )
    tally.take_command(2, parent)
    assert (tally.parents, tally.children, tally.alerts) == (1, 0, 1)
    assert tally.last_alerts[0].text == "bad thing"


def test_the_picture_shows_orders_positions_and_equity() -> None:
    """Cash, mark and fees add up to the equity that is shown, exactly."""
    context = a_context()
    money, tally = context.money, Tally(("BAC", "IBM"))
    place(money, 1)
    fold_input(money, 2, 2, e.OrderAcknowledged(order_id=1))
    fold_input(money, 3, 3, a_fill(1, "x1"))
    fold_input(money, 4, 4, e.CommissionReported(exec_id="x1", commission_nanos=NANO // 3))
    context.exposure.mark(0, 21 * NANO + 1, money.ledger)
    picture = build_status(context, tally, PROCESS)
    assert (picture.cash, picture.equity) == ("919.666666667", "1003.666666671")
    assert picture.day_pnl == "3.666666671"
    child = picture.children[0]
    assert (child.id, child.filled, child.qty, child.limit, child.state) == (1, "4", "10", "20", "WORKING")
    position = picture.positions[0]
    assert (position.symbol, position.qty, position.unrealised, position.fees) == ("BAC", "4", "4.00", "0.33")


def test_an_unmarked_holding_does_not_look_worthless() -> None:
    """Without a price the equity last marked is shown, not cash alone."""
    context = a_context()
    place(context.money, 1)
    fold_input(context.money, 2, 2, a_fill(1, "x1"))
    picture = build_status(context, Tally(("BAC", "IBM")), PROCESS)
    assert picture.equity == "1000"
    assert (picture.positions[0].mark, picture.positions[0].unrealised) == ("", "")


def test_the_picture_shows_what_blocks() -> None:
    """Latches, unknown orders, the ladder and the link."""
    context = a_context()
    money = context.money
    place(money, 1)
    fold_input(money, 2, 2, e.LinkLost(reason="gone"))
    money.latches.move(
        Latch(level=ACCOUNT, scope="", code="OPERATOR", state=HALTED, reason="test", by="root", since_ns=5)
    )
    picture = build_status(context, Tally(("BAC", "IBM")), PROCESS)
    assert (picture.state, picture.link, picture.ladder, picture.unknown) == ("halted", "DOWN", "HALTED", (1,))
    assert (picture.latches[0].code, picture.latches[0].by) == ("OPERATOR", "root")


def test_a_market_never_seen_is_told_from_an_old_one() -> None:
    """-1 and blind before the first row; then the age in engine time."""
    context = a_context()
    context.market.state[1]["alive_ts_ns"] = 49 * NANO
    context.market.state[1]["blind"] = 0
    context.market.state[1]["crossed"] = 3
    never, seen = build_status(context, Tally(("BAC", "IBM")), PROCESS).feed
    assert (never.age_ms, never.state) == (-1, "blind")
    assert (seen.age_ms, seen.state, seen.odd[0]) == (1000, "unusable", 3)


def test_long_lists_are_cut_and_counted() -> None:
    """More symbols than the screen holds: the rest is a number."""
    symbols = tuple(f"S{i}" for i in range(23))
    picture = build_status(a_context(symbols), Tally(symbols), PROCESS)
    assert (len(picture.feed), picture.more) == (20, {"feed": 3})


def test_a_schedule_shows_what_it_was_expected_to_cost() -> None:
    """In basis points of its value when it began, beside the prices it met; nothing is said that is not known."""
    plain = Parent(
        parent_id=1, strategy="a", inst=0, side=1, qty_nanos=200 * NANO, algo="vwap", start_ts_ns=0, end_ts_ns=1,
        slices=3, limit_px_nanos=0, arrival_mid_nanos=0, purpose=1, urgency=0,
    )  # fmt: skip
    row = parent_row(plain, ("AAA",))
    assert (row.arrival_px, row.average_px, row.expected_bp) == ("", "", "")
    known = msgspec.structs.replace(
        plain, arrival_mid_nanos=50 * NANO + NANO // 4, filled_nanos=3 * NANO, value_nanos=151 * NANO,
        expected_cost_nanos=201 * NANO // 100, expected_risk_nanos=1_005 * NANO // 100,
    )  # fmt: skip
    row = parent_row(known, ("AAA",))
    assert (row.arrival_px, row.average_px, row.expected_bp) == ("50.25", "50.3333", "2.0±10.0")
