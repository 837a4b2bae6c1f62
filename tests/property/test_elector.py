"""Candidates for one lease, against a server that loses, delays and answers late: never two that may act at once."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.units import NANO
from daemon.ops.elector import MARGIN_PART, Elector, Send
from tests.fakes.leases import Leases

NAME = "quantd"
DURATION_S = 15
RENEW_NS = 3 * NANO
TIMEOUT_NS = 3 * NANO
LOST = 5 * NANO  # what is longer than the time-out
STEP_NS = NANO // 4
RUN_NS = 300 * NANO


def elector(name: str = "a", duration_s: int = DURATION_S) -> Elector:
    """A candidate."""
    return Elector(name, name=NAME, namespace="trading", duration_s=duration_s)


def turn(candidate: Elector, leases: Leases, now_ns: int, *, took_ns: int = 0) -> Send:
    """One request and its answer."""
    send = candidate.request(now_ns, wall(now_ns))
    candidate.answered(now_ns + took_ns, *leases.at(send.method, NAME, send.body))
    return send


def wall(ns: int) -> str:
    """Some time; a frozen clock is as good."""
    return "2026-01-05T14:30:00.000000Z"


def holding(candidate: Elector, leases: Leases, now_ns: int = 0) -> int:
    """Let a candidate take a lease that is not there; the time then."""
    for _ in range(2):
        turn(candidate, leases, now_ns)
    now_ns += DURATION_S * NANO
    turn(candidate, leases, now_ns)
    turn(candidate, leases, now_ns)
    assert candidate.held(now_ns)
    return now_ns


# ---- one by one ------------------------------------------------------------------------------------------------
def test_an_absent_lease_is_waited_for() -> None:
    """It may have been deleted a moment ago, while its holder acts on it."""
    mine, leases = elector(), Leases()
    assert [turn(mine, leases, at * NANO).method for at in (0, 5, 14)] == ["GET", "GET", "GET"]
    turn(mine, leases, 15 * NANO - 1)
    assert turn(mine, leases, 15 * NANO).method == "POST"
    assert mine.held(15 * NANO)


def test_time_runs_from_before_the_request() -> None:
    """However long the answer takes, and a margin is left."""
    mine, leases = elector(), Leases()
    now_ns = holding(mine, leases)
    turn(mine, leases, now_ns + NANO, took_ns=10 * NANO)
    assert mine.until_ns == now_ns + NANO + DURATION_S * NANO * (MARGIN_PART - 1) // MARGIN_PART


def test_anothers_lease_is_waited_for_by_our_clock() -> None:
    """From when we first saw it, for as long as its own record says; each renewal begins the wait anew."""
    other, mine, leases = elector("b", duration_s=40), elector(), Leases()
    other_ns = 1_000_000 * NANO  # its clock has nothing to do with ours
    for at in (0, 0, 40, 40):
        turn(other, leases, other_ns + at * NANO)
    assert other.held(other_ns + 41 * NANO)
    assert turn(mine, leases, 0).method == "GET"
    turn(mine, leases, 39 * NANO)
    assert mine.holder == "b"
    turn(other, leases, other_ns + 43 * NANO)  # renewed
    assert turn(mine, leases, 40 * NANO).method == "PUT"  # its time would be over, had it not been renewed
    assert (mine.fault, mine.held(40 * NANO)) == ("another was quicker", False)
    turn(mine, leases, 41 * NANO)
    assert not mine.write_due(81 * NANO - 1)
    assert turn(mine, leases, 81 * NANO).method == "PUT"
    assert (mine.held(81 * NANO), other.held(other_ns + 83 * NANO)) == (True, False)
    assert leases.objects[NAME]["spec"]["leaseTransitions"] == 1


def test_the_loser_of_a_race_reads_again() -> None:
    """409, then the object names the other."""
    mine, other, leases = elector(), elector("b"), Leases()
    for candidate in (mine, other):
        turn(candidate, leases, 0)
    now_ns = DURATION_S * NANO
    mine_send, other_send = mine.request(now_ns, ""), other.request(now_ns, "")
    mine.answered(now_ns, *leases.at(mine_send.method, NAME, mine_send.body))
    other.answered(now_ns, *leases.at(other_send.method, NAME, other_send.body))
    assert (mine.held(now_ns), other.held(now_ns), other.fault) == (True, False, "another was quicker")
    assert turn(other, leases, now_ns).method == "GET"
    assert other.holder == "a"


def test_an_answer_that_was_lost_extends_nothing_and_costs_nothing() -> None:
    """The write was stored; what we may act on is what was confirmed; the next read finds us and renews."""
    mine, leases = elector(), Leases()
    now_ns = holding(mine, leases)
    until_ns = mine.until_ns
    send = mine.request(now_ns + 3 * NANO, "")
    leases.at(send.method, NAME, send.body)
    mine.unanswered("nothing came")
    assert mine.until_ns == until_ns
    assert [turn(mine, leases, now_ns + 6 * NANO).method for _ in range(2)] == ["GET", "PUT"]
    assert mine.until_ns > until_ns


def test_whoever_was_replaced_stops_at_once() -> None:
    """Somebody edited the object: our grant is over when we see it."""
    mine, leases = elector(), Leases()
    now_ns = holding(mine, leases)
    _, body = leases.at("GET", NAME)
    body["spec"]["holderIdentity"] = "b"
    leases.at("PUT", NAME, body)
    turn(mine, leases, now_ns + NANO)
    assert (mine.fault, mine.held(now_ns + NANO)) == ("another was quicker", True)
    turn(mine, leases, now_ns + NANO)
    assert (mine.held(now_ns + NANO), mine.holder) == (False, "b")


def test_a_deleted_lease_is_made_again_by_its_holder_only() -> None:
    """Ours while we hold it; another waits until ours would be over."""
    mine, other, leases = elector(), elector("b"), Leases()
    now_ns = holding(mine, leases)
    turn(other, leases, 0)
    leases.objects.clear()
    turn(other, leases, NANO)
    assert not other.write_due(10 * NANO)
    assert [turn(mine, leases, now_ns + NANO).method for _ in range(2)] == ["PUT", "POST"]


def test_released_for_the_next_one() -> None:
    """A second after it has seen that, another may have it; a restart of the same one goes on at once."""
    mine, leases = elector(), Leases()
    now_ns = holding(mine, leases)
    again = elector()
    assert [turn(again, leases, now_ns).method for _ in range(2)] == ["GET", "PUT"]
    assert again.held(now_ns)
    send = again.release(now_ns, "")
    assert send is not None
    again.answered(now_ns, *leases.at(send.method, NAME, send.body))
    assert (again.held(now_ns), leases.objects[NAME]["spec"]["holderIdentity"]) == (False, "")
    other = elector("b")
    turn(other, leases, 0)
    assert not other.write_due(NANO - 1)
    turn(other, leases, NANO)
    assert [turn(other, leases, NANO).method, other.held(NANO)] == ["PUT", True]
    assert elector("c").release(0, "") is None


@pytest.mark.parametrize("spec", [None, {}, {"leaseDurationSeconds": 0}, {"leaseDurationSeconds": True}, "none", []])
def test_a_record_that_says_nothing_is_waited_for_as_ours(spec: Any) -> None:
    """Made by hand, or by something else."""
    mine, leases = elector(), Leases()
    leases.objects[NAME] = {"metadata": {"name": NAME, "resourceVersion": "7", "labels": {"a": "b"}}, "spec": spec}
    turn(mine, leases, 0)
    assert not mine.write_due(DURATION_S * NANO - 1)
    turn(mine, leases, DURATION_S * NANO)
    turn(mine, leases, DURATION_S * NANO)
    assert leases.objects[NAME]["metadata"]["labels"] == {"a": "b"}
    assert mine.held(DURATION_S * NANO)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_server_that_cannot(status: int) -> None:
    """Nothing is extended; the fault has its words."""
    mine, leases = elector(), Leases()
    now_ns = holding(mine, leases)
    until_ns = mine.until_ns
    mine.request(now_ns + NANO, "")
    mine.answered(now_ns + NANO, status, {"message": "etcd is away"})
    assert (mine.until_ns, str(status) in mine.fault, "etcd" in mine.fault) == (until_ns, True, True)


# ---- all together ----------------------------------------------------------------------------------------------
class Machine:
    """A candidate with a clock of its own offset and speed, over a line that loses and delays."""

    def __init__(self, name: str, leases: Leases, chance: random.Random) -> None:
        self.name = name
        self.leases = leases
        self.chance = chance
        self.offset_ns = chance.randrange(10**15)
        self.speed_ppm = chance.randrange(-5_000, 5_001)  # half a per cent: no clock is as bad
        self.elector = elector(name)
        self.next_ns = 0
        self.waiting: list[tuple[int, Callable[[], None]]] = []  # (when, what)
        self.busy_until_ns = 0

    def clock(self, ns: int) -> int:
        """Its CLOCK_BOOTTIME at a moment."""
        return self.offset_ns + ns + ns * self.speed_ppm // 1_000_000

    def acts(self, ns: int) -> bool:
        """Whether a trader here may send."""
        return self.elector.held(self.clock(ns))

    def step(self, ns: int) -> None:
        """What is due at a moment."""
        due = [item for item in self.waiting if item[0] <= ns]
        self.waiting = [item for item in self.waiting if item[0] > ns]
        for _, act in due:
            act()
        if ns >= self.next_ns and not self.waiting:
            self._ask(ns)

    def _ask(self, ns: int) -> None:
        chance, mine = self.chance, self.elector
        if chance.random() < 0.01:  # a restart: it forgets all, and is the same candidate or another one
            self.elector = mine = elector(self.name if chance.random() < 0.5 else f"{self.name}'")
            self.name = mine.identity
        send = mine.request(self.clock(ns), wall(ns))
        there_ns = chance.choice((0, STEP_NS, 2 * NANO, LOST))
        back_ns = chance.choice((0, STEP_NS, 2 * NANO, LOST))
        self.waiting.append((ns + there_ns, lambda: self._arrives(ns + there_ns + back_ns, ns + TIMEOUT_NS, send)))
        self.next_ns = ns + (0 if chance.random() < 0.3 else RENEW_NS)

    def _arrives(self, back_ns: int, patience_ns: int, send: Send) -> None:
        """At the server: it is done, whether or not anybody hears of it."""
        mine = self.elector
        status, body = (503, {}) if self.chance.random() < 0.1 else self.leases.at(send.method, NAME, send.body)
        if back_ns > patience_ns:
            mine.unanswered("nothing came")  # at the latest now; earlier would be as safe
        else:
            self.waiting.append((back_ns, lambda: mine.answered(self.clock(back_ns), status, body)))


@pytest.mark.slow
@given(st.integers(0, 2**32))
def test_never_two_at_once(seed: int) -> None:
    """Three machines for minutes, losses, late answers, restarts, deletions by hand: at no moment do two act."""
    run(seed)


def run(seed: int) -> None:
    """One history. Fails when two act at once, and when nobody ever did."""
    chance, leases = random.Random(seed), Leases()
    machines = [Machine(name, leases, chance) for name in "abc"]
    acted = set()
    for ns in range(0, RUN_NS, STEP_NS):
        for machine in chance.sample(machines, 3):
            machine.step(ns)
        acting = [machine.name for machine in machines if machine.acts(ns)]
        assert len(acting) <= 1, f"seed {seed}, {ns / NANO} s: {acting}"
        acted.update(acting)
        # Nothing helps a candidate that sees no object twice, if between the two it was made and deleted.
        if chance.random() < 0.002 and all(machine.elector.has_seen_one for machine in machines):
            leases.objects.clear()
    assert acted


def test_the_simulation_finds_a_candidate_that_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates that take what they see are caught: the check above can fail."""
    monkeypatch.setattr(Elector, "_waited_s", lambda self: 3)
    with pytest.raises(AssertionError, match="seed"):
        many_runs()


def many_runs() -> None:
    """Some seeds."""
    for seed in range(20):
        run(seed)
