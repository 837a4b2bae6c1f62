"""The trader's lease: what follows when it runs out, when a guard has acted, when the cluster has another trader."""

import socket
from pathlib import Path

import pytest

from core import commands as c
from core import events as e
from core.latches import HALTED
from core.parents import ParentState
from core.records import OUTCOME, decode
from core.units import NANO
from daemon import lease
from daemon.config.guarding import GuardSettings
from daemon.journal import JournalReader
from daemon.killer.latch import is_latched, now_latch, read_latch, write_latch
from daemon.lease import BLOCK_BYTES, HOLDER_VARIABLE, LEASE_FILE, TraderLease, holder_name, read_lease, unpack
from daemon.presence import Presence
from daemon.recovery import verify_replay
from tests.fakes.live import LiveWorld, opened

BOOT = 7_000 * NANO


class BootClock:
    """CLOCK_BOOTTIME as a test wants it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_ns = BOOT
        patch.setattr(lease, "_boottime_ns", lambda clock: self.now_ns)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> BootClock:
    """The machine's."""
    return BootClock(monkeypatch)


def present(world: LiveWorld, folder: Path, **settings: object) -> Presence:
    """A trader with a lease, after its first turn."""
    presence = Presence(folder, GuardSettings(**settings), world.runner)  # type: ignore[arg-type]
    presence.turn()
    return presence


def latched(world: LiveWorld) -> dict[str, str]:
    """Codes and reasons of the account's latches."""
    return {latch.code: latch.reason for latch in world.runner.money.latches.held()}


def outcomes(world: LiveWorld) -> list[str]:
    """Why orders stayed here."""
    world.runner.flush()
    records = JournalReader(world.directory).records(frozenset({OUTCOME}))
    return [decode(OUTCOME, record.payload).reason for record in records]  # type: ignore[union-attr]


def test_a_lease_is_renewed_by_turns_and_never_after_its_end(tmp_path: Path, clock: BootClock) -> None:
    """What the file says is what the trader may do; a torn block is none; announced says so; another boot is over."""
    held = TraderLease(tmp_path, lease_s=10, every_s=0.25)
    assert (held.may_send(), held.held, read_lease(tmp_path)) == ("no lease yet", False, None)
    held.begin(3, ladder=1, open_orders=4)
    first = read_lease(tmp_path)
    assert first is not None
    assert (first.epoch, first.ladder, first.open_orders, first.announced, first.sequence) == (3, 1, 4, False, 1)
    assert first.until_ns == BOOT + 10 * NANO
    assert held.renew(ladder=0, open_orders=0)
    assert read_lease(tmp_path) == first, "not yet a quarter of a second"
    clock.now_ns += NANO
    assert held.renew(ladder=0, open_orders=0)
    second = read_lease(tmp_path)
    assert second is not None
    assert (second.until_ns, second.sequence) == (BOOT + 11 * NANO, 2)
    clock.now_ns = second.until_ns
    assert held.may_send() == ""
    clock.now_ns += 1
    assert (held.may_send(), held.renew(ladder=0, open_orders=0), held.late_ns()) == ("lease over", False, 1)
    assert second.over_ns(clock.now_ns, second.boot_id) == 1
    assert second.over_ns(clock.now_ns, b"another machine!") == clock.now_ns
    held.begin(3, ladder=0, open_orders=0)
    held.end()
    last = read_lease(tmp_path)
    assert last is not None
    assert (last.announced, held.may_send()) == (True, "no lease yet")
    block = bytearray((tmp_path / LEASE_FILE).read_bytes())
    block[30] ^= 1
    assert unpack(bytes(block)) is None
    (tmp_path / LEASE_FILE).write_bytes(bytes(BLOCK_BYTES))
    assert read_lease(tmp_path) is None


def test_who_was_away_sends_nothing_and_is_halted(tmp_path: Path, clock: BootClock) -> None:
    """After its end no order leaves, whatever the engine wants; the next turn tells, halts and takes a new lease."""
    world = opened(tmp_path)
    presence = present(world, tmp_path)
    clock.now_ns += 60 * NANO
    world.make_it_buy()
    assert world.broker.orders() == []
    assert outcomes(world) == ["lease over"]
    presence.turn()
    assert latched(world) == {"LEASE": "the trader was away: its lease had been over for 50000 ms"}
    assert world.runner.money.latches.everywhere == HALTED
    assert world.machine.may_send is not None
    assert world.machine.may_send() == ""
    presence.turn()
    presence.leave()
    assert world.runner.tally.alerts == 1
    verified(world)


def test_a_guard_s_latch_halts_and_ends_schedules(tmp_path: Path, clock: BootClock) -> None:
    """Also one that appears while the trader runs: journalled first, then put aside; its words are the reason."""
    world = opened(tmp_path)
    presence = present(world, tmp_path)
    world.make_it_buy()
    (order,) = world.broker.orders()
    world.tell(e.OrderAcknowledged(order_id=order.order_id, perm_id=5))
    write_latch(tmp_path, now_latch(by="guard", reason="the lease ran out"))
    presence.turn()
    (parent,) = world.runner.money.parents.values()
    assert parent.state is ParentState.CANCELLED
    assert world.broker.kinds()[-2:] == ["CancelOrder", "RequestSync"]
    assert latched(world) == {"GUARD": "guard: the lease ran out; not verified: orders may still be open"}
    assert not is_latched(tmp_path)
    assert len(list(tmp_path.glob("guard.latch.1.*"))) == 1
    (tmp_path / "guard.latch").write_text("{")
    found = read_latch(tmp_path)
    assert found is not None
    assert "cannot be read" in found.text
    verified(world)


def test_orders_leave_only_while_the_cluster_says_so(tmp_path: Path, clock: BootClock) -> None:
    """No word: nothing leaves. Another holder, or a word that ran out: HALTED, and a later word alone lifts nothing."""
    world = opened(tmp_path)
    presence = present(world, tmp_path, cluster_lease=True, holder="pod-0", lease_s=300.0)
    world.make_it_buy()
    assert outcomes(world) == ["the cluster has not said that we are the trader"]
    until_ns = clock.now_ns + 5 * NANO
    assert presence.granted(e.LeaseGranted(holder="pod-0", until_ns=until_ns)) == ""
    assert world.machine.may_send is not None
    assert world.machine.may_send() == ""
    presence.turn()
    assert latched(world) == {}
    clock.now_ns = until_ns + 1
    assert world.machine.may_send() == "the cluster's lease is over"
    presence.turn()
    assert latched(world) == {"LEASE": "the cluster's lease ran out and was not renewed"}
    assert presence.granted(e.LeaseGranted(holder="pod-0", until_ns=clock.now_ns + NANO)) == ""
    presence.turn()
    assert latched(world)
    other = presence.granted(e.LeaseGranted(holder="pod-1", until_ns=clock.now_ns + NANO))
    assert other == "the cluster's lease is held by pod-1, and we are pod-0"
    assert world.machine.may_send() == other
    world.close()


def test_without_a_cluster_its_word_is_refused(tmp_path: Path, clock: BootClock) -> None:
    """A relay that speaks to the wrong trader is told so."""
    world = opened(tmp_path)
    presence = present(world, tmp_path)
    assert "cluster_lease is off" in presence.granted(e.LeaseGranted(holder="x", until_ns=clock.now_ns + NANO))
    assert c.PlaceOrder not in {type(command) for command in world.broker.sent}
    world.close()


def verified(world: LiveWorld) -> None:
    """Replay makes every record again."""
    world.runner.flush()
    world.close()
    report = verify_replay(world.directory)
    assert report.ok, report.difference


def test_who_we_are_in_the_clusters_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config's word, else the environment's, which a pod fills with what no other pod has; else the host's name."""
    monkeypatch.setenv(HOLDER_VARIABLE, "quantd-0/7f0c")
    assert holder_name("desk") == "desk"
    assert holder_name("") == "quantd-0/7f0c"
    monkeypatch.delenv(HOLDER_VARIABLE)
    assert holder_name("") == socket.gethostname()
