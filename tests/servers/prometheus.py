"""A real Prometheus for tests: provisioned once by prometheus.sh into a folder, run as a process of ours that scrapes
one place every quarter of a second, asked by its own API. Knows no metric.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.servers.required import Unavailable

SCRIPT = Path(__file__).with_name("prometheus.sh")
FOLDER_VARIABLE = "QUANTD_PROMETHEUS_FOLDER"  # where it is provisioned; default in the temporary folder
DEADLINE_S = 120.0
SETTINGS = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}}
rule_files: {rules}
scrape_configs:
  - job_name: quantd
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def provision() -> Path:
    """The program. Raises Unavailable with the script's words."""
    default = Path(tempfile.gettempdir()) / f"quantd-prometheus-{os.getuid()}"
    folder = Path(os.environ.get(FOLDER_VARIABLE, default))
    done = subprocess.run([str(SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"no Prometheus: {' '.join((done.stderr or done.stdout).split())[-300:]}")
    return folder / "root" / "usr" / "bin" / "prometheus"


class PrometheusServer:
    """One server with its own data that scrapes one port of this machine. Use as a context: it is gone afterwards."""

    def __init__(self, program: Path, folder: Path, *, scraped: int, rules: tuple[Path, ...] = ()) -> None:
        self._port = _free_port()
        settings = folder / "prometheus.yml"
        settings.write_text(SETTINGS.format(port=scraped, rules=json.dumps([str(path) for path in rules])))
        self._log = folder / "prometheus.log"
        self._command = [
            "setpriv", "--pdeathsig=KILL", str(program), f"--config.file={settings}",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn",
        ]  # fmt: skip

    def __enter__(self) -> "PrometheusServer":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if self._get("/-/ready")[0] == 200:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError(self._log.read_text()[-2000:])

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now. Raises RuntimeError with its words on one that it refuses."""
        status, body = self._get(f"/api/v1/query?{urlencode({'query': expression})}")
        answer = json.loads(body)
        if status != 200:
            raise RuntimeError(f"{expression}: {answer.get('error', status)}")
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def labels(self, name: str, metric: str) -> list[str]:
        """Values of a label of a metric."""
        found: list[str] = json.loads(self._get(f"/api/v1/label/{name}/values?{urlencode({'match[]': metric})}")[1])[
            "data"
        ]
        return found

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
