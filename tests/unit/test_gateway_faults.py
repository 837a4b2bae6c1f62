"""Faults of the gateway: what each does to line, door, server and parts, for how long, and what outlives a restart."""

from typing import Any

import pytest

from broker.gateway import part
from broker.gateway.edge import CLOSE, CUT, SERVE, SILENT, WireFaults
from broker.gateway.faults.layer import FaultPart
from broker.gateway.faults.registry import ANSWERS, KINDS, parse
from broker.gateway.part import NEVER
from broker.gateway.settings import FaultSettings
from broker.gateway.wire import frame_of
from core.commands import DAY, MKT
from core.errors import ConfigError
from core.ids import BUY
from core.units import NANO
from tests.fakes.gateway import RecordingClient, RecordingPart, new_machine, new_world
from tests.fakes.tape import SECOND, Tape, at

STATUS = frame_of(3, 7, "Submitted")
EXECUTION = frame_of(11, -1, 7)


class RecordingEdge:
    """A server that writes down what it is asked."""

    def __init__(self) -> None:
        self.faults: WireFaults | None = None
        self.clock_offset_ns = 0
        self.asked: list[Any] = []

    def cut(self, connection: Any, reason: str, *, told: bool = False) -> None:
        """End one connection."""
        self.asked.append(("cut", connection.client_id))

    def cut_all(self, reason: str) -> None:
        """End all."""
        self.asked.append("cut all")

    def refuse_until(self, ts_ns: int) -> None:
        """Refuse new ones."""
        self.asked.append(("refuse", ts_ns))

    def announce_clock(self) -> None:
        """Tell the time."""
        self.asked.append(("clock", self.clock_offset_ns))


class Scene:
    """A machine with the fault part, another part, an edge and one client."""

    def __init__(self, *plan: FaultSettings, timezone: str = "UTC") -> None:
        self.world, watch = new_world()
        self.faults = FaultPart(self.world, plan, seed=3, timezone=timezone)
        self.world.faults = self.faults
        self.other = RecordingPart(self.world)
        self.machine = new_machine(self.world, watch, {"faults": self.faults, "other": self.other})
        self.faults.link_changed = self.machine.link_changed
        self.world.now_ns = at(0)
        self.edge = RecordingEdge()
        self.faults.attach(self.edge)
        self.faults.start(at(0))
        self.client = RecordingClient(7)
        self.machine.opened(self.client)

    def begin(self, name: str, lasts_s: float = 0, /, **given: str) -> str:
        """A fault by command."""
        return self.faults.begin(name, given, lasts_ns=round(lasts_s * SECOND))

    def until(self, seconds: float) -> "Scene":
        """Let time pass."""
        self.machine.advance_to(at(seconds))
        return self

    def hooked(self) -> bool:
        """Whether the server asks the line at all."""
        return self.edge.faults is not None

    def codes(self) -> list[Any]:
        """System errors the client was told."""
        return [fields[3] for fields in self.client.of(4)]

    def out(self, frame: bytes, client: RecordingClient | None = None) -> Any:
        """The line's verdict on a frame."""
        return None if self.edge.faults is None else self.edge.faults.outbound(client or self.client, frame)

    def into(self, payload: bytes) -> Any:
        """The line's verdict on a request."""
        return None if self.edge.faults is None else self.edge.faults.inbound(self.client, payload)


def test_without_a_fault_nobody_is_asked() -> None:
    """The server's hook is set while a fault of the line is active, and only then."""
    scene = Scene()
    assert not scene.hooked()
    scene.begin("drop", 5)
    assert scene.hooked()
    scene.until(5)
    assert not scene.hooked()
    assert scene.faults.next_due_ns == NEVER


@pytest.mark.parametrize(
    ("name", "given", "status", "execution"),
    [
        ("drop", {}, [], []),
        ("drop", {"message": "orderStatus"}, [], None),
        ("drop", {"message": "11"}, None, []),
        ("drop", {"client": "8"}, None, None),
        ("delay", {"delay_s": "2", "message": "orderStatus"}, [(2 * SECOND, STATUS)], [(2 * SECOND, EXECUTION)]),
        ("duplicate", {"message": "execDetails"}, None, [(0, EXECUTION)] * 2),
        ("reorder", {"delay_s": "0.2", "message": "3"}, [(SECOND // 5, STATUS)], None),
        ("missing_status", {}, [], None),
        ("late_status", {}, [(2 * SECOND, STATUS)], None),
        ("fill_before_ack", {}, [(SECOND // 2, STATUS)], None),
        ("late_execution", {}, None, [(SECOND // 2, EXECUTION)]),
        ("late_commission", {}, None, None),
        ("half_open", {}, [], []),
        ("close_mid_frame", {}, [(0, STATUS[: len(STATUS) // 2]), (0, CUT)], None),
    ],
)
def test_what_a_fault_of_the_line_does(name: str, given: dict[str, str], status: Any, execution: Any) -> None:
    """A status and then an execution pass the line."""
    scene = Scene()
    scene.begin(name, 0, **given)
    assert scene.out(STATUS) == status
    assert scene.out(EXECUTION) == execution


def test_requests_are_lost_and_late() -> None:
    """By the name of the request; what comes after a late one waits behind it."""
    scene = Scene()
    scene.begin("drop_request", message="placeOrder")
    assert scene.into(b"3\x007\0") == []
    assert scene.into(b"49\x001\0") is None
    scene.faults.clear(0)
    scene.begin("delay_request", message="cancelOrder", delay_s="1")
    assert scene.into(b"4\x001\x007\0") == [(SECOND, b"4\x001\x007\0")]
    scene.until(0.25)
    assert scene.into(b"49\x001\0") == [(SECOND * 3 // 4, b"49\x001\0")]
    scene.until(1)
    assert scene.into(b"49\x001\0") is None


def test_half_open_passes_nothing_in_either_direction() -> None:
    """Of that client; others go on."""
    scene = Scene()
    scene.begin("half_open", client="7")
    assert (scene.out(STATUS), scene.into(b"49\x001\0")) == ([], [])
    assert scene.out(STATUS, RecordingClient(8, number=2)) is None


def test_chance_and_times_bound_the_strikes() -> None:
    """A chance of 0.3 strikes about so often, the same for the same seed; `times` ends it."""
    counts = []
    for _ in range(2):
        scene = Scene()
        scene.begin("drop", chance="0.3")
        counts.append([scene.out(STATUS) for _ in range(1_000)].count([]))
    assert counts[0] == counts[1]
    assert 250 < counts[0] < 350
    scene = Scene()
    scene.begin("drop", times="2")
    assert [scene.out(STATUS) for _ in range(4)] == [[], [], None, None]


@pytest.mark.parametrize(
    ("name", "given", "door"),
    [("accept_silent", {}, SILENT), ("accept_close", {}, CLOSE), ("weekly_logout", {"how": "close"}, CLOSE)],
)
def test_the_door(name: str, given: dict[str, str], door: str) -> None:
    """What new connections meet, until it ends."""
    scene = Scene()
    scene.begin(name, 10, **given)
    assert scene.edge.faults is not None
    assert scene.edge.faults.accept(4002) == door
    assert scene.faults.line.accept(4002) == door
    scene.until(10)
    assert scene.faults.line.accept(4002) == SERVE


def test_a_client_id_stays_stuck() -> None:
    """That one, and no other."""
    scene = Scene()
    scene.begin("client_id_stuck", client="7")
    assert [scene.faults.line.stuck(client_id) for client_id in (7, 8)] == [True, False]


@pytest.mark.parametrize(("data_lost", "code"), [("no", 1102), ("yes", 1101)])
def test_the_server_is_lost_and_comes_back(data_lost: str, code: int) -> None:
    """Clients are told before the parts; later clients are told at once; market and history stop meanwhile."""
    scene = Scene()
    scene.begin("server_lost", 10, data_lost=data_lost, repeat_s="4")
    faults = scene.faults
    assert (faults.server_lost, faults.market_stopped, faults.history_stopped, faults.hold_orders) == (True,) * 4
    late = RecordingClient(8, number=2)
    scene.machine.opened(late)
    assert [fields[3] for fields in late.of(4)] == [1100]
    scene.until(20)
    assert scene.codes() == [1100, 1100, 1100, code]
    assert not faults.server_lost
    assert [told for told in scene.other.told if told[0] == "link"] == [
        ("link", at(0), False), ("link", at(10), data_lost == "yes")
    ]  # fmt: skip


@pytest.mark.parametrize(("waits", "told_at_s"), [("yes", 10.0), ("no", 1.001)])
def test_executions_in_an_outage(waits: str, told_at_s: float) -> None:
    """They come when the server is back, or in the middle of it, as was seen too."""
    scene = Scene()
    rows = Tape().quote(1, 1000, 1002).array()
    scene.machine.run_rows(rows, 0, 1)
    scene.begin("server_lost", 9, executions_wait=waits)
    scene.world.exchange.foreign_order(inst=0, side=BUY, qty_nanos=NANO, order_type=MKT, tif=DAY, ts_ns=at(1))
    moments: list[int] = []
    scene.other.on_fact = lambda ts_ns, fact: moments.append(scene.world.now_ns)  # type: ignore[method-assign]
    scene.until(20)
    assert moments[0] == at(told_at_s)


@pytest.mark.parametrize(
    ("farm", "broken", "fine", "flag"),
    [
        ("market", 2103, 2104, "market_stopped"),
        ("history", 2105, 2106, "history_stopped"),
        ("secdef", 2157, 2158, "contracts_stopped"),
    ],
)
def test_a_farm_breaks(farm: str, broken: int, fine: int, flag: str) -> None:
    """Its data stop, the others' go on; a client that comes meanwhile is told of it instead of OK."""
    scene = Scene()
    scene.begin("farm_broken", 5, farm=farm)
    stopped = [getattr(scene.faults, name) for name in ("market_stopped", "history_stopped", "contracts_stopped")]
    assert stopped.count(True) == 1
    assert getattr(scene.faults, flag)
    assert [code for code, _ in scene.faults.farms()].count(broken) == 1
    scene.until(5)
    assert scene.codes() == [broken, fine]
    assert not getattr(scene.faults, flag)
    assert [code for code, _ in scene.faults.farms()] == [2104, 2106, 2158]


def test_a_competing_session_takes_the_data() -> None:
    """The order channel stays."""
    scene = Scene()
    scene.begin("competing_session", 5)
    assert (scene.faults.competing, scene.faults.market_stopped, scene.faults.server_lost) == (True, True, False)
    scene.until(5)
    assert not scene.faults.competing


def test_nightly_reset() -> None:
    """1100 first, then connections end and are refused until the end; ids roll back; facts are not held back then."""
    scene = Scene()
    rolled: list[int] = []
    scene.faults.roll_back_ids = rolled.append
    scene.begin("nightly_reset", 60, warning_s="15", roll_back="3")
    assert (scene.faults.server_lost, scene.codes(), scene.edge.asked) == (True, [1100], [])
    scene.until(15)
    assert not scene.faults.server_lost
    assert (rolled, scene.edge.asked) == ([3], ["cut all", ("refuse", at(75))])
    scene.until(75)
    assert scene.faults.listed() == []
    assert [told[2] for told in scene.other.told if told[0] == "link"] == [False, True]


def test_weekly_logout_refuses_until_it_is_cleared() -> None:
    """Without a length nobody gets in until an operator says so."""
    scene = Scene()
    scene.begin("weekly_logout", how="refuse")
    assert scene.edge.asked == ["cut all", ("refuse", NEVER)]
    assert scene.faults.clear(1) == 1
    assert scene.edge.asked[-1] == ("refuse", at(0))


def test_the_clock_is_off_and_told_anew() -> None:
    """Whoever asked for the clock hears of both changes."""
    scene = Scene()
    scene.begin("clock_offset", 5, offset_s="-2.5")
    assert scene.world.clock_offset_ns == -2_500_000_000
    scene.until(5)
    assert scene.edge.asked == [("clock", -2_500_000_000), ("clock", 0)]


def test_parts_are_told_by_seeded_chance_that_goes_on_after_a_restart() -> None:
    """The draws are part of the state: the same answers come with and without a restart in between."""
    answers = []
    for restarts in (False, True):
        scene = Scene()
        assert not scene.faults.strikes(part.REJECT_MODIFY)
        scene.begin("reject_modify", chance="0.5")
        drawn = [scene.faults.strikes(part.REJECT_MODIFY) for _ in range(50)]
        if restarts:
            restored = FaultPart(scene.world, seed=3)
            restored.load(scene.faults.dump())
            scene.faults = restored
        answers.append(drawn + [scene.faults.strikes(part.REJECT_MODIFY) for _ in range(50)])
    assert answers[0] == answers[1]
    assert 30 < answers[0].count(True) < 70


def test_the_plan_begins_faults_at_its_times_and_once() -> None:
    """Times count from the first start of all, also for a gateway that was restarted in between."""
    plan = (
        FaultSettings(name="competing_session", after_s=20, lasts_s=5),
        FaultSettings(name="server_lost", after_s=10, lasts_s=5, parameters={"data_lost": "yes"}),
    )
    scene = Scene(*plan)
    scene.until(12)
    assert [row["name"] for row in scene.faults.listed()] == ["server_lost"]
    restored = FaultPart(scene.world, plan)
    restored.load(scene.faults.dump())
    assert restored.server_lost
    assert restored.next_due_ns == at(15)
    scene.until(22)
    assert [row["name"] for row in scene.faults.listed()] == ["competing_session"]
    scene.until(30)
    assert scene.codes() == [1100, 1101]


def test_some_pass_first() -> None:
    """`skip` lets so many pass before the first strike."""
    scene = Scene()
    scene.begin("drop", skip="2", times="1")
    assert [scene.out(STATUS) for _ in range(4)] == [None, None, [], None]


def test_daily_faults_begin_at_their_local_times() -> None:
    """At 10:00 New York on the days named, day after day, each once, also over a restart."""
    entry = FaultSettings(name="competing_session", at="10:00", lasts_s=60, days=("monday", "wednesday"))
    scene = Scene(entry, timezone="America/New_York")  # the hand-made market opens on a Monday at 9:30
    began: list[int] = []
    for _ in range(2):
        began.append(scene.faults.next_due_ns)
        scene.machine.advance_to(began[-1])
        assert scene.faults.competing
        restored = FaultPart(scene.world, (entry,), timezone="America/New_York")
        restored.load(scene.faults.dump())
        assert restored.next_due_ns == scene.faults.next_due_ns == began[-1] + 60 * SECOND
        scene.machine.advance_to(began[-1] + 60 * SECOND)
        assert not scene.faults.competing
    assert began == [at(30 * 60), at(30 * 60 + 2 * 86_400)]
    assert scene.faults.next_due_ns == at(30 * 60 + 7 * 86_400)


def test_disconnect_cuts_once() -> None:
    """An act leaves nothing active."""
    scene = Scene()
    assert scene.begin("disconnect", client="9") == "disconnected: 0"
    assert scene.begin("disconnect") == "disconnected: 1"
    assert scene.edge.asked == [("cut", 7)]
    assert scene.faults.listed() == []


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("nothing", {}, "fault: 'nothing' is no fault; use one of drop"),
        ("drop", {"speed": "1"}, "drop.speed: drop has no such parameter"),
        ("drop", {"chance": "1.5"}, "drop.chance: '1.5' is not usable; give a number from 0 to 1"),
        ("drop", {"chance": "NaN"}, "drop.chance: 'NaN' is not usable"),
        ("drop", {"message": "orderState"}, "drop.message: 'orderState' is no message"),
        ("drop", {"client": "-1"}, "drop.client: '-1' is not usable"),
        ("delay", {"delay_s": "1e99"}, "delay.delay_s: '1e99' is not usable"),
        ("server_lost", {"data_lost": "maybe"}, "server_lost.data_lost: 'maybe' is not yes or no"),
        ("weekly_logout", {"how": "loudly"}, "weekly_logout.how: 'loudly' is not one of silent, close, refuse"),
        ("foreign_order", {}, "foreign_order.symbol: is missing"),
        ("foreign_order", {"symbol": "S0"}, "takes no orders by hand"),
    ],
)
def test_wrong_faults_are_refused(name: str, given: dict[str, str], words: str) -> None:
    """With the field and what it may be; nothing begins."""
    scene = Scene()
    with pytest.raises(ConfigError, match=words):
        scene.begin(name, 0, **given)
    assert scene.faults.listed() == []


def test_a_wrong_plan_stops_the_start() -> None:
    """The place in the file is named."""
    with pytest.raises(ConfigError, match=r"gateway.faults\[0\].parameters.farm: 'moon' is not one of"):
        Scene(FaultSettings(name="farm_broken", parameters={"farm": "moon"}))


def test_too_many_faults_are_refused() -> None:
    """The bound has a name."""
    scene = Scene()
    for _ in range(64):
        scene.begin("drop")
    with pytest.raises(ConfigError, match="64 are active"):
        scene.begin("drop")


def test_every_fault_of_the_registry_begins_and_ends() -> None:
    """With its defaults, and its own next moments; afterwards nothing is left of it."""
    for kind in KINDS:
        if kind.hook == "once":
            continue
        scene = Scene()
        scene.begin(kind.name, 3)
        assert [row["name"] for row in scene.faults.listed()] == [kind.name]
        scene.until(1_000)
        assert scene.faults.listed() == []
        assert not scene.hooked()
        faults = scene.faults
        flags = (faults.server_lost, faults.market_stopped, faults.history_stopped, faults.contracts_stopped)
        assert not any(flags)


def test_names_and_parameters_are_unique() -> None:
    """Else one would hide the other."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert len(set(ANSWERS.values())) == len(ANSWERS)
    assert parse(KINDS[0], {}, field="x") == {"message": -1, "client": -1, "chance": 1_000_000, "skip": 0, "times": 0}
