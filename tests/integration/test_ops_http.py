"""Probes and API of the ops process over TCP: what they say of a trader that is there, hangs, or is gone; who may read;
what is refused.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.rows import QUOTE
from core.units import NANO
from daemon.config import Config
from daemon.control import client
from daemon.ops import view as looking
from daemon.ops.http import books, gate, probes, server
from daemon.ops.http.rates import NAMES_MAX, Rates
from daemon.ops.http.server import HttpPart
from daemon.ops.mqtt import line
from daemon.ops.view import ABSENT, ANSWERS, SILENT
from daemon.probes.context import Look
from daemon.probes.finding import Finding
from daemon.probes.machine import check_running
from daemon.probes.running import Running, examine_running
from daemon.status.follower import DatabasePicture, FollowerPicture, LastDifference, Part
from daemon.status.picture import FeedRow, LatchRow
from tests.fakes.journal_book import Book
from tests.fakes.operations import FakeOperations, a_status
from tests.fakes.ops import DEADLINE_S, TOKEN, Ops, deaf_trader, fake_trader, give_token, ops_config, quiet_log, serving


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The ops process is on, with one token."""
    return ops_config(tmp_path)


@pytest.fixture
async def trader(config: Config) -> AsyncIterator[FakeOperations]:
    """A trader that answers."""
    async with fake_trader(config) as operations:
        yield operations


@pytest.fixture
async def ops(config: Config, trader: FakeOperations) -> AsyncIterator[Ops]:
    """Everything, and the trader has been seen."""
    async with serving(config) as running:
        await running.seen(lambda view: view.seen.trader == ANSWERS)
        yield running


# ---- liveness --------------------------------------------------------------------------------------------------
async def test_alive_while_the_trader_answers_or_is_away(config: Config) -> None:
    """A trader that is not there is nobody's fault here: its own supervisor starts it."""
    async with serving(config) as ops:
        await ops.seen(lambda view: view.seen.trader == ABSENT)
        away = await ops.ask("/livez")
        async with fake_trader(config):
            await ops.seen(lambda view: view.seen.trader == ANSWERS)
            there = await ops.ask("/livez")
    assert (away.status, away.json["trader"], there.status, there.json["trader"]) == (200, "absent", 200, "answers")
    assert 0 < there.json["loop_lag_s"] < 60
    assert "restart" in there.json["meaning"]


async def test_not_alive_when_the_trader_hangs(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens and does not answer: after a while 503, and only /livez/ops stays well. Then it answers again."""
    monkeypatch.setattr(looking, "ANSWER_S", 0.01)
    monkeypatch.setattr(probes, "SILENT_S_MAX", 0.05)
    async with serving(config) as ops:
        with deaf_trader(config):
            await ops.seen(lambda view: view.seen.trader == SILENT)
            since_s = ops.view.seen.silent_since_s
            await ops.seen(lambda view: time.monotonic() - since_s > 0.05)
            hangs, own = await ops.ask("/livez"), await ops.ask("/livez/ops")
            assert ops.view.seen.silent_since_s == since_s
            ready = await ops.ask("/readyz")
        monkeypatch.setattr(looking, "ANSWER_S", DEADLINE_S)
        async with fake_trader(config):
            await ops.seen(lambda view: view.seen.trader == ANSWERS)
            again = await ops.ask("/livez")
    assert (hangs.status, hangs.json["alive"], hangs.json["trader"]) == (503, False, "silent")
    assert hangs.json["loop_lag_s"] > 0.05
    assert (own.status, again.status) == (200, 200)
    assert (ready.status, ready.json["checks"][0]["check"], ready.json["checks"][0]["status"]) == (
        503,
        "trader",
        "FAIL",
    )


# ---- readiness -------------------------------------------------------------------------------------------------
def follower(**changes: object) -> FollowerPicture:
    """One that keeps up."""
    fields = {"pid": 1, "wall_ns": time.time_ns(), "state": "following", "database": DatabasePicture(edition="sqlite")}
    return FollowerPicture(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trader", "beside", "failing"),
    [
        ({}, {}, []),
        ({"ladder": "HALTED", "state": "halted"}, {}, []),
        ({"state": "draining"}, {}, ["trader"]),
        ({"safe": True}, {}, ["trader"]),
        ({"link": "DOWN", "link_why": "1100 lost"}, {}, ["link"]),
        ({"link": "UNSYNCED"}, {}, ["link"]),
        ({"differences": ("AAA: 5 at the broker",), "difference_sync_id": 3}, {}, ["reconcile"]),
        ({"unknown": (7,)}, {}, ["reconcile"]),
        ({"disk_available": False}, {}, ["disk"]),
        ({}, {"follower": None}, ["follower", "database"]),
        ({}, {"follower_runs": False}, ["follower", "database"]),
        ({}, {"follower": {"wall_ns": 1}}, ["follower"]),
        ({}, {"follower": {"restep": Part(lag_s=99.0)}}, ["follower"]),
        (
            {},
            {"follower": {"differences": 1, "last_difference": LastDifference(seq=1, wall_ns=1, text="AAA 5")}},
            ["follower"],
        ),
        ({}, {"follower": {"database": DatabasePicture(fault="refused")}}, ["database"]),
        ({}, {"follower": {"database": DatabasePicture(part=Part(lag_s=60.0))}}, ["database"]),
    ],
)
def test_each_check_fails_for_its_own_reason(
    config: Config, trader: dict[str, object], beside: dict[str, object], failing: list[str]
) -> None:
    """One thing wrong, one check that says so, with a remedy; nothing names a symbol."""
    fields: dict[str, object] = {"follower_runs": True, "follower": follower()}
    if isinstance(changes := beside.get("follower"), dict):
        beside = {"follower": follower(**changes)}
    found = examine_running(Running(config=config, status=a_status(**trader), **(fields | beside)))  # type: ignore[arg-type]
    assert [one.check for one in found if one.status == "FAIL"] == failing
    assert all(one.remedy for one in found if one.status == "FAIL")
    assert not any("AAA" in one.text + one.remedy for one in found)


@pytest.mark.parametrize(("state", "good"), [("", True), ("halted", True), ("blind", False), ("not ready", False)])
def test_a_symbol_that_is_not_seen(config: Config, state: str, good: bool) -> None:
    """Counted; one that the exchange halted is seen all the same."""
    row = FeedRow(symbol="AAA", bid="1", ask="2", last="1", age_ms=1, state=state, odd=())
    status = a_status(feed=(row, *a_status().feed), more={"feed": 3})
    found = examine_running(Running(config=config, status=status, follower_runs=True, follower=follower()))
    (feed,) = [one for one in found if one.check == "feed"]
    assert (feed.status == "ok") == good
    assert "5 symbols" in feed.text


async def test_ready_and_not_with_every_check_in_the_body(ops: Ops, trader: FakeOperations) -> None:
    """No follower runs: 503, and the body names each check with text and remedy."""
    answer = await ops.ask("/readyz")
    assert answer.status == 503
    checks = {one["check"]: one for one in answer.json["checks"]}
    assert list(checks) == ["trader", "link", "feed", "reconcile", "disk", "ladder", "follower", "database", "guard"]
    assert {name for name, one in checks.items() if one["status"] == "FAIL"} == {"follower", "database"}
    assert "quantd follow" in checks["follower"]["remedy"]
    trader.picture = a_status(link="DOWN", link_why="1100 lost")
    await ops.seen(lambda view: view.status is not None and view.status.link == "DOWN")
    assert "1100 lost" in (await ops.ask("/readyz")).body.decode()


async def test_the_doctor_says_the_same(config: Config, trader: FakeOperations) -> None:
    """Of a trader that runs; without one it has nothing to say of it."""
    trader.picture = a_status(unknown=(7,))

    def examined() -> list[Finding]:
        look = Look(config, now_ns=1)
        try:
            return check_running(look)
        finally:
            look.close()

    found = await asyncio.to_thread(examined)
    bad = [one.text.partition(":")[0] for one in found if one.status == "FAIL"]
    assert bad == ["reconcile", "follower", "database"]
    assert {one.check for one in found} == {"running"}


def test_the_doctor_without_a_trader(config: Config) -> None:
    """One line, and no failure."""
    (found,) = check_running(Look(config, now_ns=1))
    assert (found.status, "no trader runs" in found.text) == ("ok", True)


async def test_a_trader_that_starts_is_told_apart(config: Config) -> None:
    """It holds its lock and does not listen yet: it reads its journal."""
    from daemon.state_dir import StateDirectory

    state = StateDirectory(Path(config.state_dir))
    state.lock()
    try:
        async with serving(config) as ops:
            await ops.seen(lambda view: view.seen.trader_runs)
            answer = await ops.ask("/readyz")
    finally:
        state.unlock()
    assert answer.json["checks"][0]["text"].startswith("starting")


# ---- who may read ----------------------------------------------------------------------------------------------
async def test_the_api_wants_a_token(ops: Ops) -> None:
    """None, another's, the wrong scheme, two at once: 401. A wrong one is counted and told in the log."""
    none = await ops.ask("/api/v1/status")
    wrong = await ops.ask("/api/v1/status", token=TOKEN[:-1] + "x")
    basic = await ops.ask("/api/v1/status", more=f"Authorization: Basic {TOKEN}\r\n")
    twice = await ops.ask("/api/v1/status", token=TOKEN, more=f"Authorization: Bearer {TOKEN}\r\n")
    good = await ops.ask("/api/v1/status", token=TOKEN)
    assert [one.status for one in (none, wrong, basic, twice, good)] == [401, 401, 401, 401, 200]
    assert "www-authenticate" in none.headers
    assert good.json["follower"] == {"running": False}
    assert ops.http.counts.wrong_tokens == 3
    told = [line for line in ops.log if line["event"] == "wrong token"]
    assert (len(told), told[0]["address"], told[0]["level"]) == (3, "127.0.0.1", "warning")
    assert TOKEN[:-1] not in str(ops.log)


async def test_what_was_answered_is_counted(ops: Ops) -> None:
    """By path and class of status; a path that is none of ours, and whatever somebody makes up, is one."""
    for path, token in (("/livez/ops", ""), ("/api/v1/ping", TOKEN), ("/api/v1/ping", ""), ("/a", ""), ("/b?c=d", "")):
        await ops.ask(path, token=token)
    await ops.raw(b"nonsense\r\n\r\n")
    await ops.ask("/metrics")
    text = (await ops.ask("/metrics")).body.decode()
    wanted = (
        ("requests_total", "/livez/ops", "2xx", 1), ("requests_total", "/api/v1/ping", "2xx", 1),
        ("requests_total", "/api/v1/ping", "4xx", 1), ("requests_total", "other", "4xx", 2),
        ("requests_total", "/metrics", "2xx", 1),
    )  # fmt: skip
    for name, route, status, count in wanted:
        assert f'quantd_http_{name}{{route="{route}",status="{status}"}} {count}.0\n' in text
    assert 'quantd_http_request_seconds_count{route="/api/v1/ping"} 2.0\n' in text
    assert "quantd_http_malformed_total 1.0\n" in text
    assert 'quantd_beside_open_fds{process="ops"} ' in text


async def test_guessing_is_slowed_down_and_owners_are_not(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many wrong tokens an address is told to wait; the right one still gets in, and the log stays short."""
    monkeypatch.setattr(gate, "FAILURES_PER_MINUTE", 1)
    monkeypatch.setattr(gate, "FAILURES_LOGGED_PER_MINUTE", 2)
    async with serving(config) as ops:
        wrong = [await ops.ask("/api/v1/ping", token="x" * 64) for _ in range(4)]
        right = await ops.ask("/api/v1/ping", token=TOKEN)
    assert [answer.status for answer in wrong] == [401, 429, 429, 429]
    assert wrong[-1].headers["retry-after"].isdigit()
    assert (right.status, ops.http.counts.wrong_tokens) == (200, 4)
    assert len([line for line in ops.log if line["event"] == "wrong token"]) == 2


def test_rates_are_refilled_and_bounded() -> None:
    """A third of a minute brings back a third; names that were quiet longest are forgotten."""
    made = Rates(3)
    assert [made.take("a", 0.0) > 0 for _ in range(4)] == [False, False, False, True]
    assert made.take("a", 0.0) == pytest.approx(20.0)
    assert (made.take("a", 20.0), made.take("a", 20.0) > 0, made.take("b", 20.0)) == (0.0, True, 0.0)
    for number in range(NAMES_MAX):
        made.take(str(number), 20.0)
    assert made.take("a", 20.0) == 0.0


async def test_each_token_has_its_own_rate(tmp_path: Path) -> None:
    """One that asks too often is told when to come again; the other goes on, and so do the probes."""
    config = ops_config(tmp_path, "requests_per_minute = 3", bot="b" * 40)
    async with serving(config) as ops:
        first = [(await ops.ask("/api/v1/ping", token=TOKEN)).status for _ in range(4)]
        other = await ops.ask("/api/v1/ping", token="b" * 40)
        probe = await ops.ask("/livez")
    assert (first, other.status, probe.status) == ([200, 200, 200, 429], 200, 200)


async def test_without_tokens_the_api_is_off(tmp_path: Path) -> None:
    """On loopback too: other users of this machine are not asked who they are."""
    config = ops_config(tmp_path)
    config = _without_tokens(config)
    async with serving(config) as ops:
        answer, probe = await ops.ask("/api/v1/status", token=TOKEN), await ops.ask("/livez")
    assert (answer.status, probe.status) == (403, 200)
    assert "ops.tokens" in answer.json["remedy"]


def _without_tokens(config: Config) -> Config:
    import msgspec

    return msgspec.structs.replace(config, ops=msgspec.structs.replace(config.ops, tokens={}))


# ---- what is said ----------------------------------------------------------------------------------------------
async def test_the_picture_by_parts(ops: Ops, trader: FakeOperations) -> None:
    """Each endpoint that reads the view."""
    latch = LatchRow(level="account", scope="", state="HALTED", code="HALT", reason="r", by="ann", since_ns=5)
    trader.picture = a_status(latches=(latch,), ladder="HALTED", running={"version": "1"})
    await ops.seen(lambda view: view.status is not None and bool(view.status.latches))
    answers = {
        name: (await ops.ask(f"/api/v1/{name}", token=TOKEN)).json
        for name in ("latches", "feed", "refusals", "alerts", "version", "ping")
    }
    assert (answers["latches"]["ladder"], answers["latches"]["latches"][0]["by"]) == ("HALTED", "ann")
    assert answers["feed"][0]["odd"] == {"crossed": 1}
    assert answers["refusals"]["count"] == {"16 PRICE_BAND": 2}
    assert answers["alerts"] == {"newest": [], "open": [], "targets": []}
    assert answers["version"]["trader"] == {"version": "1"}


async def test_the_trader_is_asked_and_not_twice(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blockers, limits, kills come from it; the same question again is answered from a moment ago."""
    why = await ops.ask("/api/v1/why-not?symbol=AAA", token=TOKEN)
    limits = await ops.ask("/api/v1/limits?symbol=AAA&strategy=reversion", token=TOKEN)
    kills = await ops.ask("/api/v1/kills", token=TOKEN)
    assert (why.json[0]["code"], why.json[0]["symbol"]) == ("HALTED", "AAA")
    assert (limits.json[0]["symbol"], limits.json[0]["strategy"], kills.json) == ("AAA", "reversion", [])
    asked: list[str] = []
    monkeypatch.setattr(ops.view, "ask", lambda command, **fields: asked.append(command))
    assert (await ops.ask("/api/v1/why-not?symbol=AAA", token=TOKEN)).json == why.json
    assert asked == []


async def test_wrong_questions(ops: Ops) -> None:
    """An unknown symbol, parameter, number, path, method: an error line and a remedy each."""
    asked = {
        "/api/v1/why-not?symbol=ZZZ": 400, "/api/v1/why-not?symbol=": 400, "/api/v1/why-not?symbl=AAA": 400,
        "/api/v1/fills?limit=0": 400, "/api/v1/fills?limit=x": 400, "/api/v1/fills?limit=%D9%A1": 400,
        "/api/v1/orders?all=maybe": 400, "/api/v1/nothing": 404, "/api/v1/": 404, "/api/v2/status": 404,
        "/api/v1/../v1/status": 404, "/livez/": 404, "/": 404, f"/{'a' * 600}": 414, f"/livez?{'a' * 600}": 414,
    }  # fmt: skip
    for path, status in asked.items():
        answer = await ops.ask(path, token=TOKEN)
        assert answer.status == status, path
        assert set(answer.json) == {"error", "remedy"}, path
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        answer = await ops.ask("/api/v1/status", token=TOKEN, method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    body = await ops.ask("/livez", more="Content-Length: 5\r\n")
    assert (body.status, body.headers["connection"]) == (413, "close")


async def test_no_trader_is_an_answer(config: Config) -> None:
    """What needs it says 503 and why; the index and the ping do not need it."""
    async with serving(config) as ops:
        for path in ("status", "pnl", "alerts", "latches", "feed", "why-not", "positions"):
            answer = await ops.ask(f"/api/v1/{path}", token=TOKEN)
            assert (answer.status, bool(answer.json["remedy"])) == (503, True), path
        index = await ops.ask("/api/v1", token=TOKEN)
        ping = await ops.ask("/api/v1/ping", token=TOKEN)
    assert [one["takes"] for one in index.json if one["path"] == "/api/v1/orders"] == [["all"]]
    assert ping.json == {"ops": True, "trader": False}


async def test_headers_and_head(ops: Ops) -> None:
    """Every answer, an error's too, may not be cached, framed or sniffed; it names no server; HEAD has no body."""
    for path, token in (("/livez", ""), ("/api/v1/status", TOKEN), ("/api/v1/status", ""), ("/none", "")):
        answer = await ops.ask(path, token=token)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/json"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "date" in answer.headers
        assert not {"server", "strict-transport-security"} & set(answer.headers)
    head = await ops.ask("/livez", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 0


async def test_a_fault_of_ours_is_an_answer(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 without a word of what broke, which is in the log; too slow is 503; the server goes on."""
    monkeypatch.setattr(ops.view, "ask", _fail)
    broken = await ops.ask("/api/v1/kills", token=TOKEN)
    monkeypatch.setattr(ops.view, "ask", _hang)
    monkeypatch.setattr(gate, "ANSWER_S", 0.01)
    slow = await ops.ask("/api/v1/kills", token=TOKEN)
    monkeypatch.setattr(gate, "ANSWER_S", 10.0)
    assert (broken.status, b"secret" in broken.body, slow.status) == (500, False, 503)
    assert any("secret" in str(line.get("fault")) for line in ops.log)
    assert (await ops.ask("/livez")).status == 200


async def _fail(command: str, **fields: object) -> None:
    raise ValueError("secret")


async def _hang(command: str, **fields: object) -> None:
    await asyncio.Event().wait()


# ---- the books -------------------------------------------------------------------------------------------------
async def test_the_books_are_the_journals(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders, fills, positions, cash, lots, schedules: without a trader, as far as a journal goes; then of another."""
    monkeypatch.setattr(books, "FRESH_S", 0.0)
    book = Book(Path(config.state_dir) / "journal")
    book.begin()
    book.fill("x1")
    async with serving(config) as ops:
        told = {
            path: (await ops.ask(f"/api/v1/{path}", token=TOKEN)).json
            for path in ("positions", "orders", "orders?all=true", "fills", "cash", "lots", "schedules")
        }
        book.fill("x2")
        async with asyncio.timeout(DEADLINE_S):
            while len(fills := (await ops.ask("/api/v1/fills", token=TOKEN)).json) < 2:
                await ops.view.next_look()
        newest = await ops.ask("/api/v1/fills?limit=1", token=TOKEN)
        book.directory.rename(book.directory.with_name("before"))
        Book(book.directory, created_ns=2).begin()
        async with asyncio.timeout(DEADLINE_S):
            while (await ops.ask("/api/v1/fills", token=TOKEN)).json:
                await ops.view.next_look()
    assert (told["positions"][0]["symbol"], told["positions"][0]["qty"]) == ("BAC", "4")
    assert told["orders"] == told["orders?all=true"]
    assert (told["orders"][0]["id"], told["orders"][0]["filled"]) == (1, "4")
    assert [(row["qty"], row["px"]) for row in told["fills"]] == [("4", "20")]
    assert {row["kind"]: row["amount"] for row in told["cash"]}["trades"] == "-80"
    assert (told["lots"][0]["symbol"], told["schedules"], newest.json) == ("BAC", [], fills[-1:])


async def test_profit_by_strategy(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the books, beside the account's from the trader; without a price the open part stays empty."""
    monkeypatch.setattr(books, "FRESH_S", 0.0)
    book = Book(Path(config.state_dir) / "journal")
    book.begin()
    book.fill("x1")
    async with fake_trader(config), serving(config) as ops:
        await ops.seen(lambda view: view.status is not None)
        blind = (await ops.ask("/api/v1/pnl", token=TOKEN)).json
        book.add_rows((0, QUOTE, 21 * NANO, 21 * NANO))
        async with asyncio.timeout(DEADLINE_S):
            while not (told := (await ops.ask("/api/v1/pnl", token=TOKEN)).json)["strategies"][0]["unrealised"]:
                await ops.view.next_look()
    assert (blind["equity"], blind["strategies"][0]["unrealised"]) == ("0", "")
    assert (told["strategies"][0]["strategy"], told["strategies"][0]["unrealised"]) == ("meanrev", "4.00")


def test_half_of_tls(tmp_path: Path) -> None:
    """Refused with the other half's name; so is a pair that does not belong together, when the part is made."""
    with pytest.raises(ConfigError, match=r"ops\.key_file: is missing"):
        ops_config(tmp_path, 'certificate_file = "a.pem"')
    (tmp_path / "a.pem").write_text("no certificate")
    config = ops_config(tmp_path, 'certificate_file = "a.pem"\nkey_file = "a.pem"')
    with pytest.raises(ConfigError, match="give a PEM pair"):
        HttpPart(config, quiet_log([]))


# ---- secrets and addresses -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("token", "mode", "wrong"),
    [
        ("short", 0o600, "32 to 512 visible"),
        ("a" * 600, 0o600, "32 to 512 visible"),
        ("two words that are long enough to pass", 0o600, "32 to 512 visible"),
        (TOKEN, 0o644, "others may read it"),
        (TOKEN, 0o640, "others may read it"),
    ],
)
def test_tokens_that_are_none(tmp_path: Path, token: str, mode: int, wrong: str) -> None:
    """Named by field and file, never shown."""
    config = ops_config(tmp_path)
    give_token(tmp_path / "console.token", token, mode)
    with pytest.raises(ConfigError, match=wrong) as caught:
        HttpPart(config, quiet_log([]))
    assert str(caught.value).startswith("ops.tokens.console: ")
    assert token not in str(caught.value)


def test_two_names_with_one_token(tmp_path: Path) -> None:
    """The log could not tell them apart. A file that is not there is named, too."""
    with pytest.raises(ConfigError, match="has the token of console"):
        HttpPart(ops_config(tmp_path, bot=TOKEN), quiet_log([]))
    config = ops_config(tmp_path)
    (tmp_path / "console.token").unlink()
    with pytest.raises(ConfigError, match="openssl rand"):
        HttpPart(config, quiet_log([]))


async def test_metrics_may_want_a_token_of_its_own(tmp_path: Path) -> None:
    """Not that of the API."""
    give_token(tmp_path / "metrics.token", "m" * 40)
    config = ops_config(tmp_path, 'metrics_token_file = "metrics.token"')
    async with serving(config) as ops:
        statuses = [(await ops.ask("/metrics", token=token)).status for token in ("", TOKEN, "m" * 40)]
    assert statuses[:2] == [401, 401]
    assert statuses[2] != 401


@pytest.mark.slow
async def test_tls(tmp_path: Path) -> None:
    """With a certificate the same answers, a promise never to go back to plain HTTP, and no plain HTTP."""
    from tests.fakes.certificates import self_signed

    certificate, key = self_signed(tmp_path, "127.0.0.1")
    config = ops_config(tmp_path, f'certificate_file = "{certificate.name}"\nkey_file = "{key.name}"')
    context = ssl.create_default_context(cafile=str(certificate))
    async with serving(config) as ops:
        answer = await ops.ask("/livez", context=context)
        plain = await ops.raw(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer.status, "strict-transport-security" in answer.headers) == (200, True)
    assert b"200" not in plain


async def test_an_address_that_is_taken(config: Config) -> None:
    """The part fails with a line that says what to change; it is started again, and the others go on."""
    import msgspec

    from core.errors import QuantdError

    async with serving(config) as ops:
        taken = msgspec.structs.replace(config.ops, port=ops.http.port)
        other = HttpPart(msgspec.structs.replace(config, ops=taken), quiet_log([]))
        with pytest.raises(QuantdError, match="choose another"):
            await other.run(ops.view)


def test_the_servers_words_are_used() -> None:
    """Time-outs of the view are shorter than those of an answer, so that it is the view that says why."""
    assert line.ANSWER_S < gate.ANSWER_S
    assert server.LEAVE_S < client.TIMEOUT_SECONDS
