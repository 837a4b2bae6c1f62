"""The adapter's parts that need no socket: numbers and times of the wire, frames, budget, windows, whose order."""

from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ib_async import TagValue
from ib_async.contract import Contract
from ib_async.order import Order as IbOrder

from broker.gateway.wire import frame_of, nanos_text
from broker.ib.book import Book
from broker.ib.codec import Codec
from broker.ib.codes import CODES, Meaning, meaning_of
from broker.ib.config import (
    NIGHTLY,
    WEEKLY,
    IbSettings,
    RestartWindow,
    check_account,
    check_lines,
)
from broker.ib.frames import OrderFrames
from broker.ib.pacing import QUEUED_MAX, WINDOW_NS, Pacer
from broker.ib.seam import LANE_CANCEL, LANE_DATA, LANE_SYNC, NEVER
from broker.ib.translate import (
    execution_time_ns,
    nanos_of,
    nanos_of_bytes,
    nanos_of_float,
    text_of,
    version_of,
)
from broker.ib.windows import Windows
from broker.ib.wrapper import Wrapper
from core import commands as c
from core.errors import BrokerFault, ConfigError
from core.ids import BUY, SELL
from core.moments import utc_ns, utc_text
from core.units import NANO
from tests.fakes.sim_driver import order

SECOND = NANO


# ---- numbers and times ---------------------------------------------------------------------------------------------
@settings(max_examples=30)
@given(st.integers(-(10**18), 10**18))
def test_nanos_survive_the_wire(nanos: int) -> None:
    """What one side writes the other reads, to the last nano; and both sides write the same."""
    assert nanos_of(text_of(nanos)) == nanos
    assert text_of(nanos) == nanos_text(nanos)
    assert nanos_of_bytes(text_of(nanos).encode()) == nanos


@settings(max_examples=30)
@example(ticks=89_999_999_999)
@given(st.integers(0, 9_000_000 * 10**4))
def test_floats_of_the_decoder_are_exact_for_prices(ticks: int) -> None:
    """A price of four decimals below nine millions goes through the library's float unharmed."""
    nanos = ticks * 100_000
    assert nanos_of_float(float(text_of(nanos))) == nanos


def test_numbers_that_are_none() -> None:
    """Unset in every spelling is 0; what is no number raises."""
    assert [nanos_of(text) for text in ("", "1.7976931348623157E308", "2147483647", "1e-05", "100.0")] == [
        0, 0, 0, 10_000, 100 * NANO,
    ]  # fmt: skip
    assert nanos_of_float(1.7976931348623157e308) == nanos_of_float(None) == 0
    for text in ("NaN", "inf", "1e300", "x", "1.2.3", "1.٣", "9" * 40):
        with pytest.raises(ValueError, match=r"."):
            nanos_of(text)


def test_execution_times() -> None:
    """IANA and Windows zones, UTC, epoch; what nobody can read is 0 and raises nothing."""
    ns = 1_745_609_034 * NANO
    for text in ("20250425 15:23:54 US/Eastern", "20250425  15:23:54 Eastern Standard Time", "20250425-19:23:54"):
        assert execution_time_ns(text) == ns
    assert execution_time_ns(str(ns // NANO)) == ns
    for text in (
        "", "20250425", "20250425 15:23:54", "20250425 15:23:54 ../../etc", "soon", "20250425 99:00:00 UTC",
        "00260105 10:00:00 UTC", "99991231-23:59:59", "9" * 30,
    ):  # fmt: skip
        assert execution_time_ns(text) == 0
    assert utc_text(ns) == "20250425-19:23:54"
    assert utc_ns(utc_text(ns)) == ns
    assert utc_ns("20250425 19:23:54") is utc_ns("20250425-19:23:61") is None


def test_versions_of_execution_ids() -> None:
    """The last segment counts corrections."""
    assert version_of("0000e0d5.69dd7411.01.02") == ("0000e0d5.69dd7411.01", 2)
    assert version_of("settled") == ("settled", 0)


# ---- frames --------------------------------------------------------------------------------------------------------
KINDS: dict[str, dict[str, Any]] = {
    "limit": {"kind": c.LMT, "limit": 1234},
    "market": {"kind": c.MKT, "side": SELL},
    "stop": {"kind": c.STP, "stop": 990},
    "stop limit": {"kind": c.STP_LMT, "stop": 990, "limit": 989.5},
    "on close": {"kind": c.MOC},
    "limit on close": {"kind": c.LOC, "limit": 1000},
    "on open": {"kind": c.MKT, "tif": c.OPG},
    "until cancelled": {"kind": c.LMT, "limit": 1000, "tif": c.GTC},
    "immediate": {"kind": c.LMT, "limit": 1000, "tif": c.IOC},
    "fill or kill": {"kind": c.LMT, "limit": 1000, "tif": c.FOK},
    "good till date": {"kind": c.LMT, "limit": 1000, "tif": c.GTD, "gtd_ts_ns": 1_745_609_034 * NANO},
    "outside hours": {"kind": c.LMT, "limit": 1000, "outside_rth": True, "size": 7},
    "broker's algo": {"kind": c.LMT, "limit": 1000, "algo": ("Vwap", (("maxPctVol", "0.1"), ("noTakeLiq", "1")))},
    "bare algo": {"kind": c.LMT, "limit": 1000, "algo": ("Adaptive", ())},
    "one of a group": {"kind": c.LMT, "limit": 1000, "group": ("q-du1-exit", 2)},
    "stop of a group": {"kind": c.STP, "stop": 990, "group": ("q-du1-exit", 1)},
}


@pytest.mark.parametrize("version", [157, 163, 166, 170, 176, 177, 178])
@pytest.mark.parametrize("kind", KINDS)
def test_order_frames_equal_the_library_s(kind: str, version: int) -> None:
    """Byte for byte what ib_async's Client.placeOrder makes of the same order, in every version."""
    codec = Codec(Wrapper())
    codec.feed(frame_of(version, "20260105 09:31:00 EST"))
    contract = Contract(
        conId=4, symbol="BAC", secType="STK", exchange="SMART", primaryExchange="NYSE", currency="USD",
        localSymbol="BAC", tradingClass="BAC",
    )  # fmt: skip
    approved = order(17, **KINDS[kind])
    intent = approved.intent
    library = IbOrder(
        orderId=17,
        action="BUY" if intent.side == BUY else "SELL",
        totalQuantity=Decimal(text_of(intent.qty_nanos)),  # type: ignore[arg-type]  # written as it stands
        orderType=c.ORDER_TYPE_NAMES[intent.order_type],
        tif=c.TIF_NAMES[intent.tif],
        account="DU1",
        orderRef=approved.order_ref,
        outsideRth=intent.outside_rth,
        goodTillDate=utc_text(intent.gtd_ts_ns) if intent.gtd_ts_ns else "",
        ocaGroup=intent.oca_group,
        ocaType=intent.oca_type,
    )
    if intent.limit_px_nanos:
        library.lmtPrice = Decimal(text_of(intent.limit_px_nanos))
    if intent.broker_algo:
        library.algoStrategy = intent.broker_algo
        library.algoParams = [TagValue(*pair) for pair in intent.broker_params]
    if intent.stop_px_nanos:
        library.auxPrice = Decimal(text_of(intent.stop_px_nanos))
    made = OrderFrames(codec, contract, "DU1").frame(17, intent, approved.order_ref)
    assert made == codec.encode("placeOrder", 17, contract, library)


def test_codec_cuts_frames_wherever_the_read_ends() -> None:
    """Every split of a stream gives the same entries; a length no frame may have ends the stream."""
    stream = b"".join(frame_of(4, 2, -1, code, f"words {code}", "") for code in (2104, 2106, 2158))
    expected = [("error", -1, code, f"words {code}", "") for code in (2104, 2106, 2158)]
    codec = Codec(Wrapper())
    for cut in range(len(stream) + 1):
        wrapper = Wrapper()
        codec = Codec(wrapper)
        codec.feed(frame_of(178, "now"))
        codec.feed(stream[:cut])
        codec.feed(stream[cut:])
        assert wrapper.take() == expected
    with pytest.raises(BrokerFault, match="no TWS stream"):
        codec.feed(b"\xff\xff\xff\xff")


def test_codec_agrees_on_versions_it_knows_alone() -> None:
    """A hello below 157 or above 178 is no gateway we can read."""
    for hello in (("156", "now"), ("179", "now"), ("x", "now"), ("178",), ("178", "now", "more")):
        with pytest.raises(BrokerFault, match="157 to 178"):
            Codec(Wrapper()).feed(frame_of(*hello))


# ---- budget --------------------------------------------------------------------------------------------------------
def drained(pacer: Pacer, start_ns: int = 0) -> list[tuple[int, bytes]]:
    """Everything queued with the time it leaves."""
    out: list[tuple[int, bytes]] = []
    now_ns = start_ns
    while True:
        out += [(now_ns, frame) for frame in pacer.pump(now_ns)]
        if pacer.next_ns == NEVER:
            return out
        now_ns = pacer.next_ns


def most_in_a_second(times: list[int]) -> int:
    """The fullest second, as the gateway counts."""
    window: deque[int] = deque()
    most = 0
    for ts_ns in times:
        window.append(ts_ns)
        while ts_ns - window[0] >= SECOND:
            window.popleft()
        most = max(most, len(window))
    return most


def test_a_kill_of_two_hundred_leaves_in_five_seconds_within_the_rate() -> None:
    """First cancel at once, the last before five seconds, never more than 50 in a second."""
    pacer = Pacer()
    for number in range(200):
        assert pacer.put(LANE_CANCEL, b"%d" % number, number + 1)
    left = drained(pacer)
    assert [frame for _, frame in left] == [b"%d" % number for number in range(200)]
    assert left[0][0] == 0
    assert left[-1][0] <= 5 * SECOND
    assert most_in_a_second([ts_ns for ts_ns, _ in left]) <= 50


def test_a_cancel_passes_four_hundred_data_requests() -> None:
    """It leaves at once, and so does an order; data keep to ten a second."""
    pacer = Pacer()
    pacer.data_limited = True
    for _ in range(400):
        pacer.put(LANE_DATA, b"data")
    assert pacer.pump(0) == [b"data"] * 10
    pacer.put(LANE_CANCEL, b"cancel")
    assert pacer.pump(1) == [b"cancel"]
    assert pacer.order(2)
    left = drained(pacer, 3)
    assert most_in_a_second([ts_ns for ts_ns, _ in left]) <= 10


@given(
    st.lists(st.tuples(st.sampled_from(["order", "cancel", "sync", "data"]), st.integers(0, SECOND // 8)), max_size=300)
)
def test_no_second_holds_more_than_fifty(steps: list[tuple[str, int]]) -> None:
    """Whatever is asked for in whatever order, READY or not."""
    pacer = Pacer()
    lanes = {"cancel": LANE_CANCEL, "sync": LANE_SYNC, "data": LANE_DATA}
    now_ns, times = 0, []
    for what, wait_ns in steps:
        now_ns += wait_ns
        if what == "order":
            times += [now_ns] if pacer.order(now_ns) else []
        else:
            pacer.put(lanes[what], b"x")
        times += [now_ns] * len(pacer.pump(now_ns))
    assert most_in_a_second(times) <= 50


def test_a_cancel_that_waits_is_not_queued_twice() -> None:
    """A kill repeats itself every two seconds; the queue does not grow by that."""
    pacer = Pacer()
    for _ in range(3):
        for number in range(1, QUEUED_MAX + 3):
            pacer.put(LANE_CANCEL, b"%d" % number, number)
    assert len(drained(pacer)) == QUEUED_MAX + 2
    assert WINDOW_NS > SECOND


# ---- restarts ------------------------------------------------------------------------------------------------------
def utc(text: str) -> int:
    """A UTC time as nanoseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NANO


def test_nightly_and_weekly_windows_are_known_in_advance() -> None:
    """In local time, a minute early, over the change of summer time; a weekly one on its day alone."""
    windows = Windows(IbSettings())
    assert windows.now(utc("2026-03-06T20:00:00")) == ""
    start_ns, name = windows.next(utc("2026-03-06T20:00:00"))
    assert (start_ns, name.split(",")[0]) == (utc("2026-03-07T04:44:00"), NIGHTLY.name)  # 23:44 EST
    assert NIGHTLY.name in windows.now(utc("2026-03-07T04:44:00"))
    assert windows.now(utc("2026-03-07T05:45:00")) == ""
    assert WEEKLY.name in windows.now(utc("2026-03-08T06:00:00"))  # Sunday 01:00 EST
    assert windows.next(utc("2026-03-09T12:00:00"))[0] == utc("2026-03-10T03:44:00")  # 23:44 EDT
    assert Windows(IbSettings(windows=())).now(utc("2026-03-07T05:00:00")) == ""
    with pytest.raises(ConfigError, match="windows_timezone"):
        Windows(IbSettings(windows_timezone="Mars/Phobos"))


def test_settings_name_what_is_wrong() -> None:
    """Account, port, mode and arming must agree; lines and windows have bounds."""
    paper, live = IbSettings(port=4002), IbSettings(port=4001, arm_live="U1234567")
    check_account(paper, account="DU1234567", mode="paper")
    check_account(live, account="U1234567", mode="live")
    check_account(IbSettings(port=4001), account="U1234567", mode="shadow")
    bad: list[tuple[IbSettings, str, str, str]] = [
        (paper, "U1234567", "paper", "account.id"),
        (live, "DU1234567", "live", "account.id"),
        (paper, "X1", "paper", "account.id"),
        (IbSettings(port=4001), "DU1234567", "paper", "ib.port"),
        (IbSettings(port=4002, arm_live="U1234567"), "U1234567", "live", "ib.port"),
        (IbSettings(port=4001), "U1234567", "live", "ib.arm_live"),
        (IbSettings(port=7496, arm_live="U7654321"), "U1234567", "live", "ib.arm_live"),
        (IbSettings(port=7496, arm_live="U1234567", clock="gateway"), "U1234567", "live", "ib.clock"),
    ]
    for made, account, mode, field in bad:
        with pytest.raises(ConfigError, match=f"^{field}"):
            check_account(made, account=account, mode=mode)
    check_lines(paper, profile="l1_250", instruments=95)
    with pytest.raises(ConfigError, match="lines_reserve"):
        check_lines(paper, profile="l1_250", instruments=96)
    with pytest.raises(ConfigError, match="tick_streams_max"):
        check_lines(paper, profile="tbt", instruments=2)
    wrongs: tuple[dict[str, Any], ...] = (
        {"lines_reserve": 100},
        {"backoff_min_s": 60.0},
        {"repair_min_s": 90.0},
        {"ping_timeout_s": 10.0},
    )
    for wrong in wrongs:
        with pytest.raises(ConfigError, match=r"^ib\."):
            IbSettings(**wrong)
    windows: tuple[dict[str, Any], ...] = ({"start": "24:00"}, {"days": ("someday",)}, {"days": ()})
    for window in windows:
        with pytest.raises(ConfigError, match=r"^ib\.windows"):
            RestartWindow(**window)


# ---- codes and orders ----------------------------------------------------------------------------------------------
def test_codes_conclude_what_the_broker_says() -> None:
    """What informs is no end; farms are never the link; an unknown code concludes nothing."""
    for code in (10349, 399, 404, 2109, 2137, 2107, 2119, 300, 366):
        assert CODES[code] is Meaning.NOTE, code
    for code in (2103, 2105, 2157):
        assert CODES[code] is Meaning.FARM_BROKEN
    assert meaning_of(321, "API interface is currently in Read-Only mode") is Meaning.READ_ONLY
    assert meaning_of(321, "Error validating request") is Meaning.REFUSED
    assert meaning_of(31_999, "") is None


# Every code that research names (C1), by what an adapter has to do about it.
RESEARCH_CODES = (
    1100, 1101, 1102, 1300, 2103, 2105, 2157, 2104, 2106, 2158, 2107, 2108, 2119, 2110, 2100, 2101, 2102, 2109, 2137,
    100, 101, 309, 10190, 322, 102, 300, 310, 366, 103, 10149, 104, 105, 106, 107, 109, 110, 135, 136, 161, 162, 165,
    200, 201, 203, 202, 320, 321, 326, 354, 10089, 10090, 10091, 10167, 10168, 10186, 10197, 399, 404, 434, 481, 420,
    10182, 10189, 10225, 10147, 10148, 10349, 317, 316, 502, 503, 504, 507, 111, 413, 435, 10006, 10314, 2174,
)  # fmt: skip


def test_every_known_code_has_a_meaning() -> None:
    """None of them is left to "unknown"."""
    assert [code for code in RESEARCH_CODES if code not in CODES] == []


def test_memory_of_ended_orders_and_executions_is_bounded() -> None:
    """The library keeps 14 kB of each trade until it disconnects."""
    book = Book(account_tag="t", client_id=11)
    for number in range(1, 5_001):
        own = book.add(number, f"q-t-1-{number}", 0, BUY, NANO)
        book.bind(own, 10_000 + number)
        own.ended = number % 5 != 0
    assert len(book.own) <= 4_096 + 1
    assert all(not own.ended or own.order_id > 500 for own in book.own.values())
    assert book.by_perm(10_001) is None
    assert book.by_perm(10_005) is book.own[5]


def test_whose_order_it_is() -> None:
    """permId first, then ref; a second permId for one ref is another order; a number given again changes nothing."""
    book = Book(account_tag="t", client_id=11)
    own = book.add(7, "q-t-1-7", 0, BUY, 100 * NANO)
    assert book.find(perm_id=500, ref="q-t-1-7", client_id=11, wire_id=7) is own
    assert book.find(perm_id=500, ref="", client_id=0, wire_id=0) is own
    assert book.find(perm_id=501, ref="q-t-1-7", client_id=11, wire_id=7) is None
    assert book.find(perm_id=502, ref="q-x-1-7", client_id=11, wire_id=7) is None
    twin = book.meet(perm_id=501, ref="q-t-1-7", client_id=11, wire_id=7, inst=0, side=BUY, qty_nanos=NANO)
    assert (twin.order_id, twin.wire_id, own.order_id) == (8, 7, 7)
    assert book.by_perm(501) is twin
    lost = book.meet(perm_id=503, ref="q-t-1-9", client_id=11, wire_id=40, inst=0, side=BUY, qty_nanos=NANO)
    assert (lost.order_id, book.order_id_next) == (40, 41)
    other = book.meet(perm_id=504, ref="q-t-0-9", client_id=3, wire_id=2, inst=0, side=BUY, qty_nanos=NANO)
    assert (other.order_id, other.client_id) == (41, 3)
