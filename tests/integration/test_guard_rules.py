"""When the guard acts and when it does not: leases of every kind, gateways that cannot be had, guards that died."""

from pathlib import Path

import msgspec
import pytest

from core.units import NANO
from daemon import lease
from daemon.config.guarding import GuardSettings
from daemon.killer import guard as rules
from daemon.killer import session
from daemon.killer.guard import Guard
from daemon.killer.latch import now_latch, read_latch, write_latch
from daemon.lease import LEASE_FILE, TraderLease
from daemon.log import open_log
from daemon.status.guard import ACTING, DONE, IDLE, WATCHING, GuardPicture, guard_news, news_beside, write_guard
from tests.fakes.live import config_of
from tests.fakes.scripted_gateway import LOGGED_IN, Answer, ScriptedGateway, error, serving

pytestmark = pytest.mark.slow
BOOT = 9_000 * NANO
EMPTY: dict[int, Answer] = {16: lambda fields: [(53, 1)], 49: lambda fields: [(49, 1, 1_790_000_000)]}
TAKEN: dict[int, Answer] = {71: lambda fields: [error(-1, 326, "in use")]}


class Rig:
    """One guard, its alerts and the lease it watches."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, port: int, **settings: object) -> None:
        self.folder = folder
        self.now_ns = BOOT
        patch.setattr(lease, "_boottime_ns", lambda clock: self.now_ns)
        patch.setattr(session, "AGAIN_S", 0.01)
        patch.setattr(rules, "BACKOFF_S_MIN", 0.0)
        patch.setattr(rules, "BACKOFF_S_MAX", 0.0)
        self.alerts: list[tuple[str, str]] = []
        config = config_of(folder)
        self.config = msgspec.structs.replace(
            config,
            ib=msgspec.structs.replace(config.ib, port=port),
            guard=GuardSettings(**settings),  # type: ignore[arg-type]
        )
        self.trader = TraderLease(folder, lease_s=10.0, every_s=0.25)
        self.guard = self.another()

    def another(self) -> Guard:
        """A guard that has just started."""
        return Guard(self.config, self.folder, open_log(), lambda code, _, text: self.alerts.append((code, text)))

    def look(self, guard: Guard | None = None) -> str:
        """Its state after one look."""
        found = guard or self.guard
        found.look()
        return found.state

    @property
    def codes(self) -> list[str]:
        """Of its alerts."""
        return [code for code, _ in self.alerts]


def test_it_acts_a_second_after_the_end_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lease, a running one, one second of grace; then latch, cancel, verify; a guard after it has nothing to do."""
    with serving(ScriptedGateway(dict(EMPTY))) as gateway:
        rig = Rig(tmp_path, monkeypatch, gateway.port, exclusive=True)
        assert rig.look() == IDLE
        rig.trader.begin(3, ladder=0, open_orders=7)
        assert rig.look() == WATCHING
        assert not rig.guard.may_leave(), "it has not seen yet that the trader lives"
        rig.now_ns += 11 * NANO - 1
        assert rig.look() == WATCHING
        assert not gateway.requests
        rig.now_ns += 1
        assert rig.look() == DONE
        assert [fields[0] for fields in gateway.requests] == ["71", "49", "16", "58", "49", "16", "49"]
        latch = read_latch(tmp_path)
        assert latch is not None
        assert (latch.verified, latch.lease_epoch, latch.by) == (True, 3, "guard")
        assert "with 7 orders open" in latch.reason
        assert rig.codes == ["GUARD_FIRED", "GUARD_VERIFIED"]
        assert rig.guard.may_leave()
        assert rig.look(rig.another()) == DONE
        assert len(gateway.requests) == 7
        rig.trader.begin(4, ladder=2, open_orders=0)
        assert rig.look() == WATCHING


def test_announced_is_nobodys_business_and_a_reboot_ends_every_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that was given back is never acted on, one of another boot at once."""
    with serving(ScriptedGateway(dict(EMPTY))) as gateway:
        rig = Rig(tmp_path, monkeypatch, gateway.port, exclusive=True)
        rig.trader.begin(3, ladder=0, open_orders=0)
        rig.trader.end()
        rig.now_ns += 3_600 * NANO
        assert rig.look() == IDLE
        rig.trader._boot = b"another boot, 16"
        rig.trader.begin(4, ladder=0, open_orders=0)
        assert rig.look() == DONE
        assert "the machine has started anew" in rig.alerts[0][1]


def test_a_gateway_that_is_away_is_tried_until_it_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told once in the same words; the latch is there from the start; the trader's return ends the trying."""
    gateway = ScriptedGateway(dict(EMPTY))
    port = gateway.port
    gateway._listening.close()
    rig = Rig(tmp_path, monkeypatch, port, exclusive=True)
    rig.trader.begin(3, ladder=0, open_orders=1)
    rig.now_ns += 20 * NANO
    assert [rig.look(), rig.look(), rig.look()] == [ACTING] * 3
    assert not rig.guard.may_leave()
    assert rig.codes == ["GUARD_FIRED", "GUARD_UNREACHABLE"]
    assert "refuses the connection" in rig.alerts[1][1]
    latch = read_latch(tmp_path)
    assert latch is not None
    assert not latch.verified
    other = rig.another()
    assert rig.look(other) == ACTING, "a guard that died over it goes on"
    rig.trader.begin(4, ladder=2, open_orders=0)
    assert rig.look() == WATCHING


def test_a_trader_that_hangs_keeps_its_client_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not exclusive: reported and tried again; everything is cancelled only where, and when, the config allows it."""
    with serving(ScriptedGateway(EMPTY | TAKEN)) as gateway:
        rig = Rig(tmp_path, monkeypatch, gateway.port, global_cancel_after_s=0.0)
        rig.trader.begin(3, ladder=0, open_orders=1)
        rig.now_ns += 20 * NANO
        assert rig.look() == ACTING
        assert rig.codes == ["GUARD_FIRED", "GUARD_UNREACHABLE"]
        assert "the trader hangs and still holds it" in rig.alerts[1][1]
    answers = dict(EMPTY)
    answers[71] = lambda fields: [error(-1, 326, "in use")] if fields[2] == "11" else LOGGED_IN
    with serving(ScriptedGateway(answers)) as gateway:
        folder = tmp_path / "second"
        folder.mkdir()
        rig = Rig(folder, monkeypatch, gateway.port, global_cancel_after_s=0.001)
        rig.trader.begin(3, ladder=0, open_orders=1)
        rig.now_ns += 20 * NANO
        while rig.look() != DONE:
            pass
        assert "58" in [fields[0] for fields in gateway.requests]
        assert rig.codes[-1] == "GUARD_VERIFIED"


def test_a_panic_s_latch_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It halts the next trader as well, and says more."""
    with serving(ScriptedGateway(dict(EMPTY))) as gateway:
        rig = Rig(tmp_path, monkeypatch, gateway.port, exclusive=True)
        rig.trader.begin(3, ladder=0, open_orders=1)
        write_latch(tmp_path, now_latch(by="panic", reason="fire drill", operator="ann"))
        rig.now_ns += 20 * NANO
        assert rig.look() == DONE
        latch = read_latch(tmp_path)
        assert latch is not None
        assert (latch.by, latch.operator, latch.verified) == ("panic", "ann", False)


def test_what_an_operator_sees_of_it(tmp_path: Path) -> None:
    """Nothing where there is nothing to guard; an alarm where a lease has no guard, it acts, or nobody hears."""
    assert guard_news(tmp_path) is None
    TraderLease(tmp_path, lease_s=10.0, every_s=0.25).begin(1, ladder=0, open_orders=0)
    news = guard_news(tmp_path)
    assert news is not None
    assert "nobody cancels when the trader dies" in news.alarms[0]
    assert (tmp_path / LEASE_FILE).stat().st_size == lease.BLOCK_BYTES
    from daemon.lock import hold_lock
    from daemon.status import alerts
    from daemon.status.guard import LOCK_NAME

    hold_lock(tmp_path / LOCK_NAME, "held")
    write_guard(tmp_path, GuardPicture(pid=1, wall_ns=2**62, state=ACTING, why="no gateway", lease="epoch 3, pid 9"))
    failing = alerts.TargetPicture(name="desk", undelivered=2, failing_s=9.0, error="no line")
    opened = alerts.OpenPicture(code="A", severity="warning", text="t", source="trader", since_ns=1, count=1)
    delivery = alerts.DeliveryPicture(pid=1, by="guard", wall_ns=2**62, open=(opened,), targets=(failing,))
    alerts.write_delivery(tmp_path, delivery)
    assert news_beside(tmp_path).line == "follower not running  guard acting (epoch 3, pid 9)"
    hold_lock(tmp_path / alerts.LOCK_NAME, "held")
    news = news_beside(tmp_path)
    assert news.line == "follower not running  guard acting (epoch 3, pid 9)  alerts open 1"
    assert news.alarms[1:] == ("guard acting: no gateway", "alerts: 2 not delivered to desk for 9 s: no line")
