"""The cluster's lease between an API server's socket and a real control socket: taken, renewed, lost, given back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import events as e
from core.errors import ConfigError
from daemon.config import Config, load_config
from daemon.lease import boottime_ns
from daemon.ops import cluster
from daemon.ops.cluster import ClusterPart, identity_of
from daemon.ops.elector import Elector
from daemon.ops.http.probes import readiness
from daemon.ops.kube import HOST_VARIABLE, PORT_VARIABLE, Kube
from daemon.ops.view import LeasePicture, View
from tests.fakes.api_server import api_server
from tests.fakes.certificates import self_signed
from tests.fakes.leases import Leases
from tests.fakes.operations import FakeOperations
from tests.fakes.ops import DEADLINE_S, LOOK_S, fake_trader, give_token, quiet_log
from tests.fakes.trader import write_config

TOKEN = "first"
NAME = "trading/quantd"
TABLES = """[guard]
cluster_lease = true
holder = "pod-a"

[ops]
enabled = true

[ops.cluster]
lease = "quantd"
namespace = "trading"
server = "{server}"
token_file = "token"
ca_file = "server.crt"
duration_s = 4
renew_s = 0.5
timeout_s = 0.5
{more}"""


def config_for(folder: Path, server: str, more: str = "") -> Config:
    """A checked config of a trader that asks a cluster."""
    give_token(folder / "token", TOKEN)
    config = load_config(write_config(folder, more=TABLES.format(server=server, more=more)))
    quick = msgspec.structs.replace(config.ops.cluster, duration_s=2, renew_s=0.05, timeout_s=0.3)
    return msgspec.structs.replace(config, ops=msgspec.structs.replace(config.ops, cluster=quick))


class Relay:
    """One part over one view."""

    def __init__(self, config: Config) -> None:
        self.log: list[Any] = []
        self.config = config
        self.view = View(config, look_s=LOOK_S)
        self.part = ClusterPart(config, quiet_log(self.log))

    async def until(self, good: Any) -> LeasePicture:
        """Wait for a state of the lease."""
        async with asyncio.timeout(DEADLINE_S):
            while self.view.lease is None or not good(self.view.lease):
                await self.view.next_look()
        return self.view.lease


@contextlib.asynccontextmanager
async def relaying(config: Config) -> AsyncIterator[Relay]:
    """Running until the end of the context, then stopped cleanly."""
    relay = Relay(config)
    async with relay.view:
        task = asyncio.create_task(relay.part.run(relay.view))
        try:
            yield relay
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                async with asyncio.timeout(DEADLINE_S):
                    await task


def grants(trader: FakeOperations) -> list[e.LeaseGranted]:
    """What the trader heard."""
    return [event for event in trader.events if isinstance(event, e.LeaseGranted)]


def leased(holder: str, **spec: Any) -> Leases:
    """A lease that somebody has."""
    leases = Leases()
    leases.at("POST", NAME, {"metadata": {"name": "quantd"}, "spec": {"holderIdentity": holder} | spec})
    return leases


@pytest.mark.slow
async def test_taken_renewed_and_given_back_over_tls(tmp_path: Path) -> None:
    """A released lease is had after its second; each renewal tells the trader what is left of it; the token may change;
    at the end it names nobody.
    """
    certificate = self_signed(tmp_path, "127.0.0.1")
    leases = leased("", leaseDurationSeconds=1)
    async with api_server(leases, TOKEN, certificate=certificate) as server:
        config = config_for(tmp_path, f"https://127.0.0.1:{server.port}")
        async with fake_trader(config) as trader, relaying(config) as relay:
            lease = await relay.until(lambda lease: lease.held and not lease.told)
            identity = identity_of("pod-a", Path(config.state_dir))
            first = grants(trader)[0]
            assert (first.holder, lease.holder) == ("pod-a", identity)
            assert 0 < first.until_ns - boottime_ns() <= 2e9
            server.token = "second"
            give_token(tmp_path / "token", "second")
            await relay.until(lambda lease: server.requests[-1][2] == 200 and len(grants(trader)) > 5)
            assert grants(trader)[-1].until_ns > first.until_ns
            spec = leases.objects[NAME]["spec"]
            assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (identity, 2, 0)
    assert leases.objects[NAME]["spec"] | {"renewTime": ""} == spec | {
        "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": "",
    }  # fmt: skip


@pytest.mark.slow
async def test_faults_of_the_server_extend_nothing(tmp_path: Path) -> None:
    """500, no answer, an answer that is lost after the write, garbage, one cut off or too long, a wrong token: each is
    told, the grant stays as it was confirmed, and the next good answer goes on.
    """
    leases = leased("", leaseDurationSeconds=1)
    async with api_server(leases, TOKEN) as server:
        config = config_for(tmp_path, f"http://127.0.0.1:{server.port}", more="")
        async with fake_trader(config), relaying(config) as relay:
            await relay.until(lambda lease: lease.held)
            for fault, words in (
                ("500", "etcdserver"), ("lost", "RemoteProtocolError"), ("hang", "no answer within"),
                ("garbage", "is this the API server?"), ("cut", "ProtocolError"), ("huge", "more than"),
            ):  # fmt: skip
                server.fault = fault
                before_ns = relay.part._elector.until_ns
                told = await relay.until(lambda lease: lease.fault)
                assert words in told.fault
                assert relay.part._elector.until_ns <= max(before_ns, _newest_confirmed(relay.part._elector))
                server.fault = ""
                await relay.until(lambda lease: lease.held and not lease.fault)
            server.token = "other"
            await relay.until(lambda lease: "401" in lease.fault)
            lost = await relay.until(lambda lease: not lease.held)
            assert lost.left_s == 0.0
            ready, body = readiness(relay.view)
            assert (ready, body["checks"][-1]["check"], body["checks"][-1]["status"]) == (False, "lease", "FAIL")


def _newest_confirmed(elector: Elector) -> int:
    return elector._sent_ns + 2 * 10**9


@pytest.mark.slow
async def test_anothers_lease(tmp_path: Path) -> None:
    """The trader hears who holds it; when that one has been quiet for its own duration by our clock, it is ours."""
    leases = leased("pod-b", leaseDurationSeconds=2, renewTime="2099-01-01T00:00:00.000000Z")
    async with api_server(leases, TOKEN) as server:
        config = config_for(tmp_path, f"http://127.0.0.1:{server.port}")
        async with fake_trader(config) as trader, relaying(config) as relay:
            lease = await relay.until(lambda lease: lease.holder)
            assert (lease.holder, lease.held) == ("pod-b", False)
            seen_ns = boottime_ns()
            await relay.until(lambda lease: lease.held)
            assert boottime_ns() - seen_ns > 1e9  # its renewTime is ahead of all our clocks, and counts for nothing
            heard = [event.holder for event in grants(trader)]
    assert heard == sorted(heard, reverse=True)
    assert set(heard) == {"pod-a", "pod-b"}


@pytest.mark.slow
async def test_it_is_kept_while_the_trader_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop goes on renewing while the trader's lock is held, and gives the lease back when it is free."""
    from daemon.state_dir import StateDirectory

    leases = leased("", leaseDurationSeconds=1)
    async with api_server(leases, TOKEN) as server:
        config = config_for(tmp_path, f"http://127.0.0.1:{server.port}")
        state = StateDirectory(Path(config.state_dir))
        state.lock()
        relay = Relay(config)
        async with relay.view:
            task = asyncio.create_task(relay.part.run(relay.view))
            await relay.until(lambda lease: lease.held)
            task.cancel()
            writes = leases.writes
            async with asyncio.timeout(DEADLINE_S):
                await server.until(lambda: leases.writes > writes + 1)
            assert leases.objects[NAME]["spec"]["holderIdentity"]
            state.unlock()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert leases.objects[NAME]["spec"]["holderIdentity"] == ""
        monkeypatch.setattr(cluster, "LEAVE_S", 0.0)
        state.lock()
        async with relaying(config) as again:
            await again.until(lambda lease: lease.held)
        state.unlock()
    assert leases.objects[NAME]["spec"]["holderIdentity"] == identity_of("pod-a", Path(config.state_dir))
    assert "runs out by itself" in str(again.log)


async def test_a_trader_that_does_not_take_it(tmp_path: Path) -> None:
    """Its words are told once, and readiness has them."""
    from daemon.control.server import Reply

    leases = leased("", leaseDurationSeconds=1)
    async with api_server(leases, TOKEN) as server:
        config = config_for(tmp_path, f"http://127.0.0.1:{server.port}")
        async with fake_trader(config) as trader, relaying(config) as relay:
            trader.reply = Reply(False, "guard.cluster_lease is off: this trader asks no cluster")
            lease = await relay.until(lambda lease: lease.told)
            assert "cluster_lease is off" in lease.told
    assert len([line for line in relay.log if line["event"] == "the trader did not take the lease"]) == 1


async def test_a_grant_that_waited_is_not_longer_for_it(tmp_path: Path) -> None:
    """It counts from when it was asked for; a moment of another machine's clock is refused."""
    from core.errors import Refused
    from daemon.control.client import connected
    from daemon.control.messages import LINE_BYTES_MAX

    assert LINE_BYTES_MAX
    config = config_for(tmp_path, "http://127.0.0.1:1")

    def tell(asked_ns: int) -> None:
        with connected(Path(config.control.socket)) as client:
            client.request("lease", holder="pod-a", valid_s=10.0, asked_ns=asked_ns)

    async with fake_trader(config) as trader:
        asked_ns = boottime_ns() - 3 * 10**9
        await asyncio.to_thread(tell, asked_ns)
        assert grants(trader)[0].until_ns == asked_ns + 10 * 10**9
        for wrong in (boottime_ns() + 10**12, 1, -5):
            with pytest.raises(Refused, match="asked_ns"):
                await asyncio.to_thread(tell, wrong)


def test_two_state_directories_are_two_candidates(tmp_path: Path) -> None:
    """Also under one name on one machine; the same one is the same, and a missing one is refused."""
    names = [identity_of("pod", tmp_path), identity_of("pod", tmp_path), identity_of("pod", tmp_path.parent)]
    assert names[0] == names[1] != names[2]
    with pytest.raises(ConfigError, match="state_dir"):
        identity_of("pod", tmp_path / "none")


def test_where_the_cluster_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the pod's environment and files where the config does not say; elsewhere a line that says what to give."""
    given = config_for(tmp_path, "http://127.0.0.1:1").ops.cluster
    settings = msgspec.structs.replace(given, server="", namespace="", namespace_file=str(tmp_path / "ns"))
    monkeypatch.delenv(HOST_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="is no pod"):
        Kube(settings)
    monkeypatch.setenv(HOST_VARIABLE, "fd00::1")
    monkeypatch.setenv(PORT_VARIABLE, "6443")
    with pytest.raises(ConfigError, match="mount the service account"):
        Kube(settings)
    (tmp_path / "ns").write_text("trading\n")
    made = Kube(settings)
    assert (made.server, made.namespace) == ("https://[fd00::1]:6443", "trading")


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ('server = "http://10.0.0.1"', "ops.cluster.server: is not https://"),
        ("renew_s = 2.0", "ops.cluster.renew_s: 2 is more than a third"),
        ("timeout_s = 3.5", "ops.cluster.timeout_s: 3.5 and renew_s"),
    ],
)
def test_times_and_addresses_that_cannot_hold(tmp_path: Path, more: str, wrong: str) -> None:
    """Refused before anything starts."""
    key = more.partition(" ")[0]
    text = "\n".join(line for line in TABLES.splitlines() if not line.startswith(key))
    with pytest.raises(ConfigError, match=wrong):
        load_config(write_config(tmp_path, more=text.format(server="http://127.0.0.1:1", more=more)))


def test_a_lease_that_the_trader_would_not_hear(tmp_path: Path) -> None:
    """Two candidates would take turns, and both traders would trade."""
    text = TABLES.replace("cluster_lease = true", "cluster_lease = false")
    with pytest.raises(ConfigError, match="but guard"):
        load_config(write_config(tmp_path, more=text.format(server="http://127.0.0.1:1", more="")))


async def test_nobody_listens(tmp_path: Path) -> None:
    """The API server is away: told, and nothing is granted."""
    config = config_for(tmp_path, "http://127.0.0.1:1")
    async with fake_trader(config) as trader, relaying(config) as relay:
        lease = await relay.until(lambda lease: lease.fault)
        assert ("ConnectError" in lease.fault, lease.held, grants(trader)) == (True, False, [])
