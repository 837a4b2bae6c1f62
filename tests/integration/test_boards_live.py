"""The boards against a real Prometheus that scrapes everything that can be exported: each query finds something."""

import math
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from daemon.ops.metrics.collect import CONTENT_TYPE, MetricsPage
from daemon.ops.view import View
from daemon.status import measures as m
from tests.boards.board import ALERTS, RATE, queries_of
from tests.boards.every import BOARDS
from tests.fakes.metrics_view import ROOT, TIMES, a_config, a_view, full_measures, full_seen
from tests.servers.prometheus import PrometheusServer, provision
from tests.servers.required import required

DEADLINE_S = 120.0


class Growing:
    """The exposition of a trader that works: each scrape has more of everything that counts."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._page = MetricsPage(view)
        self.scrapes = 0

    def render(self) -> bytes:
        """What the next scrape gets."""
        self.scrapes += 1
        n = self.scrapes
        measures = full_measures(
            times={name: m.Times(sum_ns=3_000 * n, counts=(n, 2 * n, 0, 4 * n)) for name in TIMES},
            requests={"place": 5 * n}, answers={"acknowledged": 4 * n}, refusals={"16 PRICE_BAND": 2 * n},
            written_bytes=5_000 * n, synced_bytes=4_000 * n, raised={"warning": n},
        )  # fmt: skip
        self._view._seen = full_seen(measures=m.encode_measures(measures))
        return self._page.render()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Growing, int]]:
    """It, and the port where it is served."""
    growing = Growing(a_view(a_config(tmp_path_factory.mktemp("state")), full_seen()))

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = growing.render()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield growing, server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def prometheus(exported: tuple[Growing, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """One that has scraped a few times. Missing is a failure on a build machine and a skip elsewhere."""
    program = required(provision)
    growing, port = exported
    folder = tmp_path_factory.mktemp("prometheus")
    rules = tuple(sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml")))
    with PrometheusServer(program, folder, scraped=port, rules=rules) as server:
        deadline = time.monotonic() + DEADLINE_S
        while (growing.scrapes < 6 or not server.query("ALERTS")) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield server


@pytest.mark.slow
def test_every_query_of_every_board_finds_something(prometheus: PrometheusServer) -> None:
    """With all accounts and strategies chosen, as a board opens."""
    empty, asked = set(), 0
    for board in BOARDS:
        for query in queries_of(board):
            if query == ALERTS:  # nothing has to fire
                continue
            chosen = query.replace(RATE, "1m").replace("$account", ".*").replace("$strategy", ".*")
            asked += 1
            if not prometheus.query(chosen):
                empty.add((board.name, query))
    assert asked > 100
    assert not empty


@pytest.mark.slow
def test_variables_list_what_there_is(prometheus: PrometheusServer) -> None:
    """Accounts and strategies to choose from; a choice takes the others out."""
    (account,) = prometheus.labels("instance", "quantd_up")
    assert "signal" in prometheus.labels("strategy", f'quantd_strategy_enabled{{instance=~"{account}"}}')
    assert prometheus.query(f'quantd_strategy_fees{{instance=~"{account}",strategy=~"signal"}}')
    assert not prometheus.query(f'quantd_strategy_fees{{instance=~"{account}",strategy=~"another"}}')
    alerts = ALERTS.replace("$account", account)
    assert prometheus.query(alerts) == [] or prometheus.query(alerts)[0]["metric"]["alertstate"] == "firing"


@pytest.mark.slow
def test_a_quantile_is_a_time_of_its_stage(prometheus: PrometheusServer) -> None:
    """Buckets, rates and sums fit together: the number is one of the trader's, not a NaN."""
    (board,) = (board for board in BOARDS if board.name == "execution")
    query = next(query for query in queries_of(board) if "0.99" in query and "tick_to_order" in query)
    (found,) = prometheus.query(query.replace(RATE, "1m").replace("$account", ".*"))
    value = float(found["value"][1])
    assert math.isfinite(value)
    assert 1e-6 <= value <= 1e-5  # the fourth bucket of those the fixture fills
