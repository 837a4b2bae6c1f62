"""Faults of the line and of the door: what the server asks about every frame and every connection while one is active.

Draws of chance here are not part of the gateway's lasting state: a restart begins them anew.
"""

from typing import Final

import msgspec

from broker.gateway.edge import CLOSE, CUT, SERVE, SILENT, Verdict
from broker.gateway.faults.registry import ANSWERS, EVERY, Value
from broker.gateway.part import Client, World
from broker.sim.chance import Chance

STRIKE: Final = 101  # purpose of the chance drawn
DROP, DELAY, DUPLICATE, REORDER, BREAK = "drop", "delay", "duplicate", "reorder", "break"
OUT, IN = 0, 1

# What each fault of the line does: verb, direction, the messages it means unless a parameter says so.
_VERBS: Final[dict[str, tuple[str, int, tuple[str, ...]]]] = {
    "drop": (DROP, OUT, ()),
    "delay": (DELAY, OUT, ()),
    "duplicate": (DUPLICATE, OUT, ()),
    "reorder": (REORDER, OUT, ()),
    "drop_request": (DROP, IN, ()),
    "delay_request": (DELAY, IN, ()),
    "close_mid_frame": (BREAK, OUT, ()),
    "missing_status": (DROP, OUT, ("orderStatus",)),
    "late_status": (REORDER, OUT, ("orderStatus",)),
    "fill_before_ack": (REORDER, OUT, ("openOrder", "orderStatus")),
    "late_execution": (REORDER, OUT, ("execDetails",)),
    "late_commission": (REORDER, OUT, ("commissionReport",)),
    "missing_commission": (DROP, OUT, ("commissionReport",)),
    "missing_executions_end": (DROP, OUT, ("execDetailsEnd",)),
}


class Rule(msgspec.Struct, kw_only=True):
    """One active fault of the line."""

    number: int
    verb: str
    direction: int
    heads: tuple[bytes, ...]  # beginnings of the messages it means; none = every message
    client_id: int
    ppm: int
    delay_ns: int
    left: int  # strikes left; -1 = no end
    skip: int  # messages that pass first
    draws: int = 0


def rules_of(number: int, name: str, values: dict[str, Value]) -> list[Rule]:
    """The rules of one fault; half_open has two."""
    if name == "half_open":
        return [_rule(number, DROP, direction, (), values) for direction in (OUT, IN)]
    verb, direction, messages = _VERBS[name]
    ids = [ANSWERS[message] for message in messages] or [int(values.get("message", EVERY))]
    heads = () if EVERY in ids else tuple(b"%d\0" % msg_id for msg_id in ids)
    return [_rule(number, verb, direction, heads, values)]


def _rule(number: int, verb: str, direction: int, heads: tuple[bytes, ...], values: dict[str, Value]) -> Rule:
    times = int(values.get("times", 1 if verb == BREAK else 0))
    return Rule(
        number=number, verb=verb, direction=direction, heads=heads, client_id=int(values.get("client", EVERY)),
        ppm=int(values.get("chance", 1_000_000)), delay_ns=int(values.get("delay_s", 0)), left=times or -1,
        skip=int(values.get("skip", 0)),
    )  # fmt: skip


class LineFaults:
    """Implements edge.WireFaults for the rules and doors that are set."""

    def __init__(self, world: World, chance: Chance) -> None:
        self._world = world
        self._chance = chance
        self.rules: list[Rule] = []
        self.door = SERVE
        self.stuck_ids: tuple[int, ...] = ()
        self._held: dict[tuple[int, int], int] = {}  # (connection, direction) -> until when everything waits

    @property
    def active(self) -> bool:
        """Whether the server need ask at all."""
        return bool(self.rules or self.stuck_ids or self._held) or self.door != SERVE

    def accept(self, port: int) -> str:
        """What a new connection meets."""
        assert self.door in (SERVE, SILENT, CLOSE)
        return self.door

    def stuck(self, client_id: int) -> bool:
        """Whether the id counts as in use."""
        return client_id in self.stuck_ids or EVERY in self.stuck_ids

    def inbound(self, client: Client, payload: bytes) -> Verdict | None:
        """A message of a client."""
        return self._judge(IN, client, payload, 0)

    def outbound(self, client: Client, frame: bytes) -> Verdict | None:
        """A frame to a client."""
        return self._judge(OUT, client, frame, 4)

    def forget(self, number: int) -> None:
        """A connection is gone."""
        for direction in (OUT, IN):
            self._held.pop((number, direction), None)

    def _judge(self, direction: int, client: Client, frame: bytes, at: int) -> Verdict | None:
        wait_ns = self._wait_ns(client.number, direction)
        for rule in self.rules:
            if rule.direction != direction or not self._strikes(rule, client.client_id, frame, at):
                continue
            if rule.verb == DROP:
                return []
            if rule.verb == BREAK:
                return [(wait_ns, frame[: max(1, len(frame) // 2)]), (wait_ns, CUT)]
            if rule.verb == DUPLICATE:
                return [(wait_ns, frame), (wait_ns, frame)]
            if rule.verb == REORDER:
                return [(wait_ns + rule.delay_ns, frame)]
            wait_ns = max(wait_ns, rule.delay_ns)
            self._held[(client.number, direction)] = self._world.now_ns + wait_ns
            return [(wait_ns, frame)]
        return [(wait_ns, frame)] if wait_ns else None

    def _wait_ns(self, number: int, direction: int) -> int:
        """What is delayed in order holds up all that comes behind it."""
        until_ns = self._held.get((number, direction))
        if until_ns is None:
            return 0
        if until_ns <= self._world.now_ns:
            del self._held[(number, direction)]
            return 0
        return until_ns - self._world.now_ns

    def _strikes(self, rule: Rule, client_id: int, frame: bytes, at: int) -> bool:
        if not rule.left or rule.client_id not in (EVERY, client_id):
            return False
        if rule.heads and not frame.startswith(rule.heads, at):
            return False
        if rule.skip:
            rule.skip -= 1
            return False
        rule.draws += 1
        if not self._chance.hits(rule.ppm, rule.number, STRIKE, rule.draws):
            return False
        if rule.left > 0:
            rule.left -= 1
        return True
