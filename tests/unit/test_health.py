"""Whether one process lives, as a container's health check asks."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from daemon import health
from daemon.status.follower import DatabasePicture, FollowerPicture, write_picture
from daemon.status.guard import GuardPicture, write_guard
from daemon.status.ship import ShipPicture, write_ship


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state directory."""
    monkeypatch.setenv("QUANTD_STATE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("given", [[], ["broker"], ["trader", "more"], ["ops"]])
def test_a_wrong_question_is_no_answer(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2: a health check that is misspelt must not look like a dead process."""
    assert health.main(given) == 2
    assert "usage" in capsys.readouterr().err


def test_a_trader_that_does_not_listen_is_not_alive(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The socket is named."""
    assert health.main(["trader"]) == 1
    assert str(state / "control.sock") in capsys.readouterr().out


@pytest.mark.parametrize("role", ["follower", "guard", "ship"])
def test_silence_is_not_life(state: Path, role: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing written, written now, written too long ago. What it says about broker or database does not count."""

    def write(age_s: float) -> None:
        wall_ns = time.time_ns() - round(age_s * 1e9)
        if role == "guard":
            write_guard(state, GuardPicture(pid=os.getpid(), wall_ns=wall_ns, state="acting"))
        elif role == "ship":
            write_ship(state, ShipPicture(pid=1, wall_ns=wall_ns, to="copy", fault="the disk is away"))
        else:
            away = DatabasePicture(fault="the database is away")
            write_picture(state, FollowerPicture(pid=1, wall_ns=wall_ns, state="diverged", database=away))

    assert health.main([role]) == 1
    write(0.0)
    assert health.main([role]) == 0
    write(health.SILENT_SECONDS_MAX + 5)
    assert health.main([role]) == 1
    assert "no word for 65 s" in capsys.readouterr().out


def test_ops_is_asked_by_http(capsys: pytest.CaptureFixture[str]) -> None:
    """200 is alive, anything else and nobody is not."""
    statuses = [200, 503]

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.pop(0) if self.path == "/livez/ops" else 404)
            self.end_headers()

        def log_message(self, *given: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        url = f"http://127.0.0.1:{server.server_port}/livez/ops"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            assert health.main(["ops", url]) == 0
            assert health.main(["ops", url]) == 1
        finally:
            server.shutdown()
            thread.join()
    assert health.main(["ops", url]) == 1
    assert health.main(["ops", "https://127.0.0.1/"]) == 1
    assert "answers 503" in capsys.readouterr().out
