"""The composition as Docker Compose itself resolves it, what it mounts, the config in it. No container runs here."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

import paho.mqtt.client as mqtt
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from daemon.config import Config, load_config
from daemon.supervisor import GUARD_SECONDS, STOP_SECONDS_MAX
from tests.servers import mosquitto
from tests.servers.deploy_tools import DeployTools, provision
from tests.servers.promtool import Promtool
from tests.servers.promtool import provision as provision_promtool
from tests.servers.required import required

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "docker"
OURS = {"check", "kernels", "migrate", "trader", "follower", "guard", "ops", "ship"}
ONCE = {"check", "kernels", "migrate"}
WRITES_ITS_PROGRAMS = {"ib-gateway"}  # whose file system cannot be read-only, see compose.yaml
WRITES_OUTSIDE = {"ib-gateway": "gateway", "ship": "copy"}  # the folder that each writes beside its volumes
DEADLINE_S = 60.0
Service = dict[str, Any]


@pytest.fixture(scope="module")
def tools() -> DeployTools:
    """Missing is a failure on a build machine and a skip elsewhere."""
    return required(provision)


@pytest.fixture(scope="module")
def composition(tools: DeployTools) -> dict[str, Any]:
    """All of it, resolved."""
    return tools.composed(FOLDER / "compose.yaml", {"TWS_USERID": "somebody"})


@pytest.fixture(scope="module")
def services(composition: dict[str, Any]) -> dict[str, Service]:
    """By name."""
    found: dict[str, Service] = composition["services"]
    assert set(found) >= OURS
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What prepare.sh makes, the two files of a person filled in."""
    if os.getuid() != 0:
        pytest.skip("prepare.sh gives files to other users: needs root")
    folder = tmp_path_factory.mktemp("prepared")
    command = [str(FOLDER / "prepare.sh"), str(folder)]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == 1, first.stderr
    assert first.stderr.count("is empty: write it") == 2
    before = {path.name: path.read_bytes() for path in (folder / "secrets").iterdir()}
    for name in ("tws_password", "alert_urls"):
        (folder / "secrets" / name).write_text("json://127.0.0.1/\n")
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, ""), again.stderr
    kept = {path.name: path.read_bytes() for path in (folder / "secrets").iterdir()}
    assert {name: text for name, text in kept.items() if before[name]} == {n: t for n, t in before.items() if t}
    return folder / "secrets"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, secrets: Path) -> Config:
    """The config of the composition, its secrets where they are here."""
    path = tmp_path_factory.mktemp("composed") / "quantd.toml"
    text = (FOLDER / "quantd.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("/run/secrets", str(secrets)), encoding="utf-8")
    return load_config(path)


def seconds(text: str) -> float:
    """Of a span such as 1m30s."""
    spans = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * spans[unit] for number, unit in re.findall(r"([\d.]+)([hms])", text))


@pytest.mark.slow
def test_every_container_has_as_little_as_it_needs(services: dict[str, Service]) -> None:
    """No right of root, nothing to write but volumes, bounds on memory, processes and log; images named exactly."""
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert {"pid", "ipc", "devices", "userns_mode"} & set(service) == set(), name
        assert service.get("network_mode") != "host", name
        assert service.get("read_only", False) is (name not in WRITES_ITS_PROGRAMS), name
        if name not in WRITES_ITS_PROGRAMS:  # that image has an ordinary user of its own
            assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name
        limits = service["deploy"]["resources"]["limits"]
        assert int(limits["memory"]) > 0, name
        assert 0 < limits["pids"] <= 512, name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name
        tag = service["image"].rpartition(":")[2]
        assert re.search(r"\d", tag), name
        assert tag not in ("latest", "stable", "main"), name
        assert not any("docker.sock" in volume["source"] for volume in service.get("volumes", ())), name


@pytest.mark.slow
def test_who_reaches_whom(composition: dict[str, Any], services: dict[str, Service]) -> None:
    """The trader reaches the gateway and nobody else; what is published is on 127.0.0.1."""
    networks = {name: set(service.get("networks") or ()) for name, service in services.items()}
    members = {net: {name for name, nets in networks.items() if net in nets} for net in composition["networks"]}
    assert networks["trader"] == {"broker"}
    assert members["broker"] == {"ib-gateway", "trader", "guard"}
    assert members["record"] == {"timescaledb", "follower", "migrate"}
    assert members["outside"] == {"ib-gateway", "guard"}
    assert {net for net, made in composition["networks"].items() if made.get("internal")} == {
        "broker",
        "record",
        "watch",
    }
    masquerade = composition["networks"]["console"]["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"]
    assert masquerade == "false"
    for name in ("check", "kernels", "ship"):
        assert services[name]["network_mode"] == "none"
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert set(published) == {"ops", "mosquitto", "prometheus", "grafana"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}
    assert all("console" in networks[name] for name in published)


@pytest.mark.slow
def test_it_starts_restarts_and_stops_as_the_supervisor_would(services: dict[str, Service], config: Config) -> None:
    """A clean end of the trader is its end; a crash is not; nobody is killed before its time is over."""
    restarts = {name: service["restart"] for name, service in services.items()}
    assert restarts["trader"].startswith("on-failure:")
    assert {restarts[name] for name in ("follower", "guard", "ops", "ship")} == {"unless-stopped"}
    assert all(restarts[name] == "no" or restarts[name].startswith("on-failure:") for name in ONCE)
    trader = services["trader"]["depends_on"]
    assert {name: one["condition"] for name, one in trader.items()} == {
        "check": "service_completed_successfully",
        "kernels": "service_completed_successfully",
        "guard": "service_started",
    }
    grace = {name: seconds(services[name].get("stop_grace_period", "10s")) for name in services}
    assert min(grace[name] for name in ("trader", "follower", "ops", "ship")) > STOP_SECONDS_MAX
    assert grace["guard"] >= config.guard.lease_s + GUARD_SECONDS
    for name in ("trader", "follower", "guard", "ship"):
        assert services[name]["healthcheck"]["test"] == ["CMD", "python", "-m", "daemon.health", name]
    assert services["ops"]["healthcheck"]["test"][3:] == [
        "daemon.health", "ops", f"http://127.0.0.1:{config.ops.port}/livez/ops",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_config_and_the_containers_agree(services: dict[str, Service], config: Config) -> None:
    """Names, ports, client ids and the gateway's restart are the same on both sides."""
    gateway = services["ib-gateway"]["environment"]
    assert config.ib.host in services
    assert (gateway["TRADING_MODE"], config.mode, config.ib.port) == ("paper", "paper", 4004)
    assert int(gateway["TWS_MASTER_CLIENT_ID"]) == config.ib.client_id
    hour, minute, half = re.fullmatch(r"(\d+):(\d+) ([AP]M)", gateway["AUTO_RESTART_TIME"]).groups()  # type: ignore[union-attr]
    restart = (int(hour) % 12 + 12 * (half == "PM")) * 60 + int(minute)
    (window,) = config.ib.windows
    begins = int(window.start[:2]) * 60 + int(window.start[3:])
    assert begins <= restart < begins + window.minutes
    assert ZoneInfo(gateway["TIME_ZONE"]) == ZoneInfo(config.ib.windows_timezone)
    assert "@timescaledb:5432/" in config.record.database
    assert (config.ops.mqtt.host, config.ops.mqtt.port_used) == ("mosquitto", 8883)
    assert f"listener {config.ops.mqtt.port_used}\n" in (FOLDER / "mosquitto" / "mosquitto.conf").read_text()
    assert f"{config.ops.port}" in {port["published"] for port in services["ops"]["ports"]}
    assert config.ops.host == "0.0.0.0"
    assert f'"ops:{config.ops.port}"' in (FOLDER / "prometheus.yml").read_text()


@pytest.mark.slow
def test_what_is_mounted_is_there_and_can_be_read(
    composition: dict[str, Any], services: dict[str, Service], secrets: Path
) -> None:
    """Files of the repository exist, secrets are made, and each belongs to the user of the container that reads it."""
    made = {path.name: path.stat() for path in secrets.iterdir()}
    assert {name: Path(one["file"]).name for name, one in composition["secrets"].items()} == {
        name: name for name in composition["secrets"]
    }
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            if volume["type"] == "bind":
                source = Path(volume["source"])
                if volume.get("read_only"):
                    assert source.exists(), f"{name}: {source}"
                else:
                    assert source == FOLDER / WRITES_OUTSIDE[name]
            else:
                assert volume["source"] in composition["volumes"]
        user = int(service["user"].partition(":")[0]) if "user" in service else 1000
        for secret in service.get("secrets", ()):
            status = made[secret["source"]]
            assert status.st_uid == user or status.st_mode & stat.S_IROTH, f"{name}: {secret['source']}"
    public = {name for name, status in made.items() if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)}
    assert public == {"mqtt_ca"}
    assert (secrets.parent / "gateway").stat().st_uid == 1000


@pytest.mark.slow
def test_prometheus_takes_its_settings_and_all_rules(tmp_path: Path) -> None:
    """promtool, with the rules where the composition mounts them."""
    checked = Promtool(required(provision_promtool))
    text = (FOLDER / "prometheus.yml").read_text()
    assert "/etc/prometheus/rules/*.yml" in text
    path = tmp_path / "prometheus.yml"
    path.write_text(text.replace("/etc/prometheus/rules", str(ROOT / "deploy" / "prometheus" / "rules")))
    assert checked.config(path) == ""
    ours, theirs = (
        yaml.safe_load(file.read_text())["scrape_configs"][0]["job_name"]
        for file in (path, ROOT / "deploy" / "prometheus" / "prometheus.yml")
    )
    assert ours == theirs  # rules name it


@pytest.mark.slow
def test_whoever_reads_the_config_has_the_secrets_it_needs(services: dict[str, Service]) -> None:
    """A path in the config that is not mounted would stop that container, and no other test would see it."""
    everybody, named = {"alert_urls"}, {"database_password", "ops_token", "mqtt_password", "mqtt_ca"}
    text = (FOLDER / "quantd.toml").read_text()
    assert set(re.findall(r"/run/secrets/(\w+)", text)) == everybody | named
    mounted = {name: {one["source"] for one in services[name].get("secrets", ())} for name in OURS}
    assert mounted["ops"] == everybody | (named - {"database_password"})
    assert mounted["follower"] == mounted["migrate"] == {*everybody, "database_password"}
    assert mounted["trader"] == mounted["guard"] == mounted["check"] == mounted["ship"] == everybody
    for name in OURS - {"kernels"}:
        config = next(one for one in services[name]["volumes"] if one["type"] == "bind")
        assert config["target"] in services[name]["command"]


@pytest.mark.slow
def test_mqtt_takes_the_prepared_passwords_and_keeps_to_the_rights(secrets: Path, tmp_path: Path) -> None:
    """Mosquitto itself, with the composition's settings: TLS, a password each, and a reader gives no command."""
    programs = required(mosquitto.provision)
    shutil.copytree(FOLDER / "mosquitto", tmp_path / "conf")
    with mosquitto.MosquittoServer(programs, tmp_path / "server") as server:
        server.kill()
        text = (tmp_path / "conf" / "mosquitto.conf").read_text()
        (tmp_path / "data").mkdir()
        for there, here in (
            ("listener 8883", f"listener {server.port} 127.0.0.1"),
            ("/run/secrets", str(secrets)),
            ("/mosquitto/config/rights", str(tmp_path / "conf" / "rights")),
            ("/mosquitto/data/", f"{tmp_path}/data/"),
            ("log_dest stdout", "log_dest stderr\nuser root"),
        ):
            assert there in text
            text = text.replace(there, here)
        (tmp_path / "server" / "mosquitto.conf").write_text(text)
        server.start()
        password = (secrets / "mqtt_reader_password").read_text()
        assert talk(server.port, secrets, "quantd", (secrets / "mqtt_password").read_text()) == (True, True)
        assert talk(server.port, secrets, "operator", (secrets / "mqtt_operator_password").read_text()) == (True, True)
        assert talk(server.port, secrets, "reader", password) == (True, False)
        assert talk(server.port, secrets, "reader", password[:-1]) == (False, False)


def talk(port: int, secrets: Path, user: str, password: str) -> tuple[bool, bool]:
    """(the broker let us in, it took a command from us)."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    answers: SimpleQueue[bool] = SimpleQueue()
    client.on_connect = lambda *given: answers.put(not given[3].is_failure)
    client.on_publish = lambda *given: answers.put(not given[3].is_failure)
    client.username_pw_set(user, password)
    client.tls_set(ca_certs=str(secrets / "mqtt_ca"))
    client.connect("localhost", port)
    client.loop_start()
    try:
        if not answers.get(timeout=DEADLINE_S):
            return False, False
        client.publish("quantd/du1/command", b"{}", qos=1)
        return True, answers.get(timeout=DEADLINE_S)
    finally:
        client.disconnect()
        client.loop_stop()
