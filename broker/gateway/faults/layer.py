"""The part that carries the faults: which are active and until when, what they mean for server, farms and door, and
what clients are told of it. The other parts read it as `world.faults`; the server asks its line.

Deterministic and kept over restarts, but for the line (line.py). Owns no socket: `Edge` is what it asks of the server.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from broker.gateway.edge import CLOSE, SERVE, SILENT, WireFaults
from broker.gateway.faults.line import LineFaults, rules_of
from broker.gateway.faults.plan import Plan, PlanState
from broker.gateway.faults.registry import EVERY, FaultKind, Value, find_kind, parse
from broker.gateway.part import NEVER, Client, Handler, World
from broker.gateway.server import FARMS
from broker.gateway.settings import FaultSettings
from broker.sim.chance import Chance
from core.errors import ConfigError

ACTIVE_MAX: Final = 64
STRIKE: Final = 102  # purpose of the chance drawn
SYSTEM: Final = -1
RESET_NS: Final = 60 * 10**9  # how long a nightly reset refuses connections, unless told otherwise

LOST_TEXT: Final = "Connectivity between IBKR and Trader Workstation has been lost."
BACK: Final = {
    True: (1101, "Connectivity between IBKR and Trader Workstation has been restored - data lost."),
    False: (
        1102,
        "Connectivity between IBKR and Trader Workstation has been restored - data maintained. "
        "All data farms are connected: usfarm; ushmds; secdefil.",
    ),
}
FARM_BROKEN: Final = {
    "market": (2103, "Market data farm connection is broken:usfarm"),
    "history": (2105, "HMDS data farm connection is broken:ushmds"),
    "secdef": (2157, "Sec-def data farm connection is broken:secdefil"),
}
FARM_OK: Final = dict(zip(FARM_BROKEN, FARMS, strict=True))


class Edge(Protocol):
    """What faults ask of the server."""

    faults: WireFaults | None
    clock_offset_ns: int

    def cut(self, connection: Any, reason: str, *, told: bool = False) -> None: ...
    def cut_all(self, reason: str) -> None: ...
    def refuse_until(self, ts_ns: int) -> None: ...
    def announce_clock(self) -> None: ...


class Active(msgspec.Struct, array_like=True, kw_only=True):
    """A fault that is on."""

    number: int
    name: str
    given: dict[str, str]
    from_ns: int
    until_ns: int  # NEVER = until it is cleared
    stage_ns: int  # its own next moment
    draws: int = 0
    struck: int = 0


class _Kept(msgspec.Struct, array_like=True, kw_only=True):
    plan: PlanState
    numbers: int
    active: list[Active]


class FaultPart:
    """Faults by plan and by command. `link_changed` is the machine's; `place_manual` the orders part's."""

    def __init__(
        self, world: World, plan: tuple[FaultSettings, ...] = (), *, seed: int = 1, timezone: str = "UTC"
    ) -> None:
        self.world = world
        self.server_lost = self.hold_orders = self.facts_flow = self.competing = False
        self.market_stopped = self.history_stopped = self.contracts_stopped = False
        self.next_due_ns = NEVER
        self.link_changed: Callable[[bool], None] = _ignore
        self.roll_back_ids: Callable[[int], None] = _ignore
        self.new_session: Callable[[], None] = _nothing  # the gateway restarts
        self.place_manual: Callable[[dict[str, Value]], str] | None = None
        self._chance = Chance(seed)
        self.line = LineFaults(world, self._chance)
        self._plan = Plan(plan, timezone)
        for at, entry in enumerate(plan):
            field = f"gateway.faults[{at}]"
            parse(find_kind(entry.name, field=f"{field}.name"), entry.parameters, field=f"{field}.parameters")
        self._edge: Edge | None = None
        self._clients: dict[int, Client] = {}
        self._kept = _Kept(plan=self._plan.state, numbers=0, active=[])

    # ---- Part --------------------------------------------------------------------------------------------------
    def handlers(self) -> Mapping[int, Handler]:
        """It answers nothing."""
        return {}

    def opened(self, client: Client) -> None:
        """One more to be told."""
        self._clients[client.number] = client
        if self.server_lost:
            client.error(SYSTEM, 1100, LOST_TEXT)

    def closed(self, client: Client) -> None:
        """One less."""
        self._clients.pop(client.number, None)
        self.line.forget(client.number)

    def on_row(self, row: tuple[Any, ...]) -> None:
        """Nothing."""

    def on_fact(self, ts_ns: int, fact: Any) -> None:
        """Nothing."""

    def on_link(self, data_lost: bool) -> None:
        """It was us."""

    def advance(self, ts_ns: int) -> None:
        """Begin what the plan says, end what has lasted long enough, go on with what has stages."""
        if self._plan.next_ns <= ts_ns:
            for entry in self._plan.due(ts_ns):
                self.begin(entry.name, entry.parameters, lasts_ns=round(entry.lasts_s * 1e9))
        for fault in list(self._kept.active):
            if fault.until_ns <= ts_ns:
                self._end(fault)
            elif fault.stage_ns <= ts_ns:
                self._go_on(fault)
        self._plan_next()

    def dump(self) -> bytes:
        """Active faults and how far the plan is."""
        return msgspec.msgpack.encode(self._kept)

    def load(self, state: bytes) -> None:
        """From `dump`."""
        self._kept = msgspec.msgpack.decode(state, type=_Kept)
        self._plan.state = self._kept.plan
        self._refresh()
        self._plan_next()

    # ---- Faults ------------------------------------------------------------------------------------------------
    def strikes(self, name: str) -> bool:
        """One draw of every active fault of the name."""
        struck = False
        for fault in self._kept.active:
            if fault.name != name:
                continue
            values = self._values(fault)
            times = int(values.get("times", 0))
            if times and fault.struck >= times:
                continue
            fault.draws += 1
            if self._chance.hits(int(values["chance"]), fault.number, STRIKE, fault.draws):
                fault.struck += 1
                struck = True
        return struck

    # ---- commands ----------------------------------------------------------------------------------------------
    def start(self, ts_ns: int) -> None:
        """The gateway's first start: the plan's times count from here."""
        self._plan.start(ts_ns)
        self._kept.plan = self._plan.state
        self._plan_next()

    def attach(self, edge: Edge) -> None:
        """The server is there; what is active applies to it."""
        self._edge = edge
        self._refresh()
        until_ns = max((fault.until_ns for fault in self._kept.active if self._refuses(fault)), default=0)
        if until_ns > self.world.now_ns:
            edge.refuse_until(until_ns)

    def begin(self, name: str, given: dict[str, str], *, lasts_ns: int) -> str:
        """Begin a fault; 0 = until it is cleared, or by its nature. Returns a line about it. Raises ConfigError."""
        kind = find_kind(name, field="fault")
        values = parse(kind, given, field=name)
        if kind.hook == "once":
            return self._once(kind, values)
        if len(self._kept.active) >= ACTIVE_MAX:
            raise ConfigError(f"fault: {ACTIVE_MAX} are active; clear some")
        now_ns = self.world.now_ns
        self._kept.numbers += 1
        fault = Active(
            number=self._kept.numbers, name=name, given=given, from_ns=now_ns,
            until_ns=now_ns + lasts_ns if lasts_ns else NEVER, stage_ns=NEVER,
        )  # fmt: skip
        self._kept.active.append(fault)
        self._begin(fault, values)
        self._plan_next()
        return f"fault {fault.number}: {name}"

    def clear(self, number: int) -> int:
        """End one fault, or with 0 all; how many."""
        ended = [fault for fault in self._kept.active if number in (0, fault.number)]
        for fault in ended:
            self._end(fault)
        self._plan_next()
        return len(ended)

    def listed(self) -> list[dict[str, Any]]:
        """What is active, for a person."""
        return [
            {
                "number": fault.number,
                "name": fault.name,
                "parameters": " ".join(f"{name}={value}" for name, value in fault.given.items()),
                "since_ns": fault.from_ns,
                "struck": fault.struck,
                "until_ns": 0 if fault.until_ns == NEVER else fault.until_ns,
            }
            for fault in self._kept.active
        ]

    def farms(self) -> list[tuple[int, str]]:
        """Farm statuses as a new client is told them."""
        broken = [str(self._values(fault)["farm"]) for fault in self._named("farm_broken")]
        return [FARM_BROKEN[farm] if farm in broken else status for farm, status in FARM_OK.items()]

    # ---- what each does ----------------------------------------------------------------------------------------
    def _begin(self, fault: Active, values: dict[str, Value]) -> None:
        now_ns = self.world.now_ns
        if fault.name == "server_lost":
            if repeat_ns := int(values["repeat_s"]):
                fault.stage_ns = now_ns + repeat_ns
            self._changed(1100, LOST_TEXT)
        elif fault.name == "farm_broken":
            self._changed(*FARM_BROKEN[str(values["farm"])])
        elif fault.name == "nightly_reset":
            fault.stage_ns = now_ns + int(values["warning_s"])
            fault.until_ns = fault.stage_ns + (fault.until_ns - now_ns if fault.until_ns < NEVER else RESET_NS)
            self._changed(1100, LOST_TEXT)
        elif fault.name == "competing_session":
            self._changed()
        elif fault.name == "weekly_logout":
            self._refresh()
            self._cut_all("weekly logout")
        elif fault.name == "clock_offset":
            self._refresh()
            self._tell_clock()
        else:
            self._refresh()
        if self._refuses(fault) and fault.name != "nightly_reset" and self._edge is not None:
            self._edge.refuse_until(fault.until_ns)

    def _go_on(self, fault: Active) -> None:
        values, now_ns = self._values(fault), self.world.now_ns
        fault.stage_ns = NEVER
        if fault.name == "server_lost":
            fault.stage_ns = now_ns + int(values["repeat_s"])
            self._tell(1100, LOST_TEXT)
            return
        self._refresh()  # from here on nobody is connected: what happens at the venue is no longer held back
        self.roll_back_ids(int(values["roll_back"]))
        self._cut_all("nightly reset")
        self.new_session()
        if self._edge is not None:
            self._edge.refuse_until(fault.until_ns)
        self.link_changed(True)

    def _end(self, fault: Active) -> None:
        self._kept.active.remove(fault)
        values = self._values(fault)
        if fault.name == "server_lost":
            lost = bool(values["data_lost"])
            self._changed(*BACK[lost], data_lost=lost)
        elif fault.name == "farm_broken":
            self._changed(*FARM_OK[str(values["farm"])], data_lost=bool(values["dead"]))
        elif fault.name == "competing_session":
            self._changed()
        elif fault.name == "clock_offset":
            self._refresh()
            self._tell_clock()
        else:
            waits = fault.name == "nightly_reset" and fault.stage_ns < NEVER
            self._changed(*BACK[False]) if waits else self._refresh()
        if self._refuses(fault) and self._edge is not None:
            self._edge.refuse_until(self.world.now_ns)

    def _once(self, kind: FaultKind, values: dict[str, Value]) -> str:
        if kind.name == "disconnect":
            gone = [c for c in self._clients.values() if values["client"] in (EVERY, c.client_id)]
            for client in gone:
                if self._edge is not None:
                    self._edge.cut(client, "a fault")
            return f"disconnected: {len(gone)}"
        if self.place_manual is None:
            raise ConfigError("foreign_order: this gateway takes no orders by hand")
        return self.place_manual(values)

    # ---- the leaves --------------------------------------------------------------------------------------------
    def _changed(self, code: int = 0, text: str = "", *, data_lost: bool = False) -> None:
        """The state of the server or of a farm has changed: clients are told first, then the parts."""
        self._refresh()
        if code:
            self._tell(code, text)
        self.link_changed(data_lost)

    def _refresh(self) -> None:
        """Everything that follows from what is active."""
        lost = [f for f in self._kept.active if f.name == "server_lost" or (_is_reset(f) and f.stage_ns < NEVER)]
        self.server_lost = bool(lost)
        self.hold_orders = all(bool(self._values(fault).get("hold_orders", True)) for fault in lost)
        self.facts_flow = all(not self._values(fault).get("executions_wait", True) for fault in lost)
        self.competing = bool(self._named("competing_session"))
        farms = [self._values(fault)["farm"] for fault in self._named("farm_broken")]
        self.market_stopped = self.server_lost or self.competing or "market" in farms
        self.history_stopped = self.server_lost or "history" in farms
        self.contracts_stopped = self.server_lost or "secdef" in farms
        self._refresh_line()

    def _refresh_line(self) -> None:
        line, active = self.line, self._kept.active
        known = {rule.number: rule for rule in line.rules}
        line.rules = [
            known.get(fault.number, rule) if fault.name != "half_open" else rule
            for fault in active
            if find_kind(fault.name, field="fault").hook == "line"
            for rule in rules_of(fault.number, fault.name, self._values(fault))
        ]
        doors = [self._door(fault) for fault in active]
        line.door = SILENT if SILENT in doors else CLOSE if CLOSE in doors else SERVE
        line.stuck_ids = tuple(int(self._values(fault)["client"]) for fault in self._named("client_id_stuck"))
        offset_ns = sum(int(self._values(fault)["offset_s"]) for fault in self._named("clock_offset"))
        self.world.clock_offset_ns = offset_ns
        if self._edge is not None:
            self._edge.faults = line if line.active else None
            self._edge.clock_offset_ns = offset_ns

    def _door(self, fault: Active) -> str:
        if fault.name == "weekly_logout":
            return {"silent": SILENT, "close": CLOSE}.get(str(self._values(fault)["how"]), SERVE)
        return {"accept_silent": SILENT, "accept_close": CLOSE}.get(fault.name, SERVE)

    def _refuses(self, fault: Active) -> bool:
        if fault.name == "weekly_logout":
            return self._values(fault)["how"] == "refuse"
        return fault.name == "refuse" or (_is_reset(fault) and fault.stage_ns == NEVER)

    def _named(self, name: str) -> list[Active]:
        return [fault for fault in self._kept.active if fault.name == name]

    def _values(self, fault: Active) -> dict[str, Value]:
        return parse(find_kind(fault.name, field="fault"), fault.given, field=fault.name)

    def _tell(self, code: int, text: str) -> None:
        for client in self._clients.values():
            client.error(SYSTEM, code, text)

    def _tell_clock(self) -> None:
        if self._edge is not None:
            self._edge.announce_clock()

    def _cut_all(self, reason: str) -> None:
        if self._edge is not None:
            self._edge.cut_all(reason)

    def _plan_next(self) -> None:
        ends = [min(fault.until_ns, fault.stage_ns) for fault in self._kept.active]
        self.next_due_ns = min([self._plan.next_ns, *ends])


def _is_reset(fault: Active) -> bool:
    return fault.name == "nightly_reset"


def _ignore(_: Any) -> None:
    """Nobody is attached."""


def _nothing() -> None:
    """Nobody is attached."""
