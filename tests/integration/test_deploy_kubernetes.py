"""The manifests as kustomize builds them: against the schemas of Kubernetes, each other, and the program."""

import copy
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from daemon.config import Config, load_config
from daemon.health import ROLES
from daemon.lease import HOLDER_VARIABLE
from daemon.ops.http.app import build_app
from daemon.ops.http.books import Books
from daemon.ops.view import View
from daemon.supervisor import GUARD_SECONDS, STOP_SECONDS_MAX
from tests.servers.deploy_tools import DeployTools, provision
from tests.servers.required import required

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = "1.29"  # the oldest with sidecars that are on by default
USER = 10001
OURS = "registry.example/quantd"
Object = dict[str, Any]


@pytest.fixture(scope="module")
def tools() -> DeployTools:
    """Missing is a failure on a build machine and a skip elsewhere."""
    return required(provision)


@pytest.fixture(scope="module")
def objects(tools: DeployTools) -> list[Object]:
    """All of them."""
    return tools.built(FOLDER)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, objects: list[Object]) -> Config:
    """The config in its ConfigMap, its secrets where they are here."""
    folder = tmp_path_factory.mktemp("mounted")
    for secret in examples():
        place = folder / secret["metadata"]["name"].removeprefix("quantd-")
        place.mkdir()
        for name, text in secret["stringData"].items():
            (place / name).write_text(text)
    (map_,) = of_kind(objects, "ConfigMap")
    path = folder / "quantd.toml"
    path.write_text(map_["data"]["quantd.toml"].replace("/run/secrets", str(folder)), encoding="utf-8")
    return load_config(path)


def examples() -> list[Object]:
    """The templates of secrets."""
    return list(yaml.safe_load_all((FOLDER / "secrets.example.yaml").read_text()))


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """In the order of their names."""
    return sorted((one for one in objects if one["kind"] == kind), key=lambda one: str(one["metadata"]["name"]))


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The one."""
    (found,) = (one for one in of_kind(objects, kind) if one["metadata"]["name"] == name)
    return found


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """(name, pod template) of everything that makes pods."""
    for one in objects:
        if "template" in one.get("spec", {}):
            yield one["metadata"]["name"], one["spec"]["template"]


def containers(template: Object) -> list[Object]:
    """All of a pod, those that run first first."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def container(objects: list[Object], name: str) -> Object:
    """One of the trader's pod."""
    template = named(objects, "StatefulSet", "quantd")["spec"]["template"]
    (found,) = (one for one in containers(template) if one["name"] == name)
    return found


def selected(selector: Object, labels: Object) -> bool:
    """Whether a label selector takes a pod."""
    for rule in selector.get("matchExpressions", ()):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())


@pytest.mark.slow
def test_the_schemas_take_them(objects: list[Object]) -> None:
    """Strict: a misspelt key is refused, as an API server would with strict validation."""
    for one in [*objects, *examples()]:
        kubernetes_validate.validate(one, VERSION, strict=True)
    wrong = {**named(objects, "Service", "quantd"), "specification": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.slow
def test_every_container_is_restricted(objects: list[Object]) -> None:
    """The restricted profile of the pod security standards, which the namespace enforces; and more than it asks."""
    (namespace,) = of_kind(objects, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    found = dict(pods(objects))
    assert set(found) == {"quantd", "ib-gateway", "quantd-migrate"}
    for name, template in found.items():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec) == set(), name
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        kinds = {next(key for key in volume if key != "name") for volume in spec["volumes"]}
        assert kinds <= {"configMap", "secret", "emptyDir", "projected"}, name
        for one in containers(template):
            own = one["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, one["name"]
            assert own["capabilities"] == {"drop": ["ALL"]}, one["name"]
            assert own.get("readOnlyRootFilesystem", False) is (one["name"] != "ib-gateway"), one["name"]
            assert "memory" in one["resources"]["limits"], one["name"]
            assert {"cpu", "memory"} <= set(one["resources"]["requests"]), one["name"]
            assert re.search(r":\d+\.\d+", one["image"]), one["image"]
            if one["image"].startswith(OURS):
                assert context["runAsUser"] == USER


@pytest.mark.slow
def test_whatever_is_named_is_there(objects: list[Object]) -> None:
    """Labels, ports, volumes, maps, secrets and accounts: each reference has its object."""
    templates = dict(pods(objects))
    labels = {name: template["metadata"]["labels"] for name, template in templates.items()}
    for one in of_kind(objects, "StatefulSet"):
        assert selected(one["spec"]["selector"], one["spec"]["template"]["metadata"]["labels"])
        assert named(objects, "Service", one["spec"]["serviceName"])
        assert one["spec"]["replicas"] == 1
    for budget in of_kind(objects, "PodDisruptionBudget"):
        assert [name for name in labels if selected(budget["spec"]["selector"], labels[name])] == [
            budget["metadata"]["name"]
        ]
        assert budget["spec"]["maxUnavailable"] == 0
    for service in of_kind(objects, "Service"):
        name = service["metadata"]["name"]
        assert [one for one in labels if selected({"matchLabels": service["spec"]["selector"]}, labels[one])] == [name]
        open_ports = {port["name"] for one in containers(templates[name]) for port in one.get("ports", ())}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports
    secrets = {one["metadata"]["name"]: set(one["stringData"]) for one in examples()}
    maps = {one["metadata"]["name"] for one in of_kind(objects, "ConfigMap")}
    accounts = {one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")}
    for name, template in templates.items():
        claims = [
            claim["metadata"]["name"]
            for one in of_kind(objects, "StatefulSet")
            if one["metadata"]["name"] == name
            for claim in one["spec"]["volumeClaimTemplates"]
        ]
        spec = template["spec"]
        assert spec.get("serviceAccountName", "default") in accounts | {"default"}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounted = {mount["name"] for one in containers(template) for mount in one["volumeMounts"]}
        assert mounted == set(volumes) | set(claims), name
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
            if "secret" in volume:
                keys = secrets[volume["secret"]["secretName"]]
                assert {item["key"] for item in volume["secret"].get("items", ())} <= keys
                assert volume["secret"]["defaultMode"] == stat.S_IRUSR
        for one in containers(template):
            for variable in one.get("env", ()):
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    key = variable["valueFrom"]["secretKeyRef"]
                    assert key["key"] in secrets[key["name"]]


@pytest.mark.slow
def test_the_pod_starts_and_stops_in_order(objects: list[Object], config: Config) -> None:
    """Config and kernels are looked at first; the sidecars start before the trader and end after it, ops the last."""
    spec = named(objects, "StatefulSet", "quantd")["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["containers"]] == ["trader"]
    assert [(one["name"], one.get("restartPolicy")) for one in spec["initContainers"]] == [
        ("check", None), ("kernels", None), ("ops", "Always"), ("guard", "Always"), ("follower", "Always"),
    ]  # fmt: skip
    # A sidecar with a startup probe holds up all that follow, and the trader waits for nobody.
    assert not any("startupProbe" in one for one in spec["initContainers"])
    needed_s = 3 * STOP_SECONDS_MAX + config.guard.lease_s + GUARD_SECONDS
    assert spec["terminationGracePeriodSeconds"] >= needed_s
    commands = {one["name"]: one["args"][0] for one in containers({"spec": spec})}
    assert commands == {
        "check": "check", "kernels": "warm", "ops": "ops", "guard": "guard", "follower": "follow", "trader": "run",
    }  # fmt: skip


@pytest.mark.slow
def test_probes_ask_for_what_exists_and_never_for_the_broker(objects: list[Object], config: Config) -> None:
    """Liveness is a process's own loop; only readiness knows of the broker, and readiness restarts nothing."""
    view = View(config)
    paths = {route.path for route in build_app(view, Books(view.state)).routes}  # type: ignore[attr-defined]
    ops = container(objects, "ops")
    assert {ops["livenessProbe"]["httpGet"]["path"], ops["readinessProbe"]["httpGet"]["path"]} <= paths
    assert ops["livenessProbe"]["httpGet"]["path"] == "/livez/ops"
    assert {port["name"]: port["containerPort"] for port in ops["ports"]} == {"ops": config.ops.port}
    assert ops["livenessProbe"]["httpGet"]["port"] == ops["readinessProbe"]["httpGet"]["port"] == "ops"
    for name in ("trader", "guard", "follower"):
        one = container(objects, name)
        assert one["livenessProbe"]["exec"]["command"] == ["python", "-m", "daemon.health", name]
        assert name in ROLES
        assert "readinessProbe" not in one
    trader = container(objects, "trader")
    startup = trader["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 3600
    # The guard has acted before a hanging trader is started again.
    live = trader["livenessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] > config.guard.lease_s + 1
    gateway = named(objects, "StatefulSet", "ib-gateway")["spec"]["template"]["spec"]["containers"][0]
    assert "livenessProbe" not in gateway
    assert "startupProbe" not in gateway


@pytest.mark.slow
def test_the_pod_may_touch_one_lease_and_only_ops_has_the_token(objects: list[Object], config: Config) -> None:
    """Get and update of the Lease that the config names; who we are there no other pod is."""
    assert config.guard.cluster_lease
    lease = named(objects, "Lease", config.ops.cluster.lease)
    (role,) = of_kind(objects, "Role")
    assert role["rules"] == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [lease["metadata"]["name"]],
            "verbs": ["get", "update"],
        }
    ]
    (binding,) = of_kind(objects, "RoleBinding")
    (subject,) = binding["subjects"]
    spec = named(objects, "StatefulSet", "quantd")["spec"]["template"]["spec"]
    assert subject == {"kind": "ServiceAccount", "name": spec["serviceAccountName"], "namespace": "quantd"}
    assert not of_kind(objects, "ClusterRole")
    holders = [
        one["name"] for one in containers({"spec": spec}) if any(m["name"] == "api-server" for m in one["volumeMounts"])
    ]
    assert holders == ["ops"]
    (mount,) = (m for m in container(objects, "ops")["volumeMounts"] if m["name"] == "api-server")
    assert Path(config.ops.cluster.token_file).is_relative_to(mount["mountPath"])
    for name in ("ops", "trader"):
        environment = {one["name"]: one for one in container(objects, name)["env"]}
        assert "$(POD_UID)" in environment[HOLDER_VARIABLE]["value"]
        assert environment["POD_UID"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
        assert environment["QUANTD_STATE"]["value"] == config.state_dir
    (claim,) = named(objects, "StatefulSet", "quantd")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


@pytest.mark.slow
def test_nobody_reaches_what_is_not_named(objects: list[Object], config: Config) -> None:
    """Everything is denied first; the gateway's API is for the trader's pod alone."""
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(objects, "NetworkPolicy")}
    assert policies.pop("deny-all") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = {name: template["metadata"]["labels"] for name, template in pods(objects)}
    reached = {
        name: {one for one in labels if selected(spec["podSelector"], labels[one])} for name, spec in policies.items()
    }
    assert reached == {
        "names": set(labels),
        "gateway": {"ib-gateway"},
        "trader": {"quantd"},
        "database": {"quantd", "quantd-migrate"},
        "api-server": {"quantd"},
        "alerts": {"quantd"},
    }
    (rule,) = policies["gateway"]["ingress"]
    (source,) = rule["from"]
    assert {name for name in labels if selected(source["podSelector"], labels[name])} == {"quantd"}
    assert set(source) == {"podSelector"}  # of this namespace
    gateway = named(objects, "StatefulSet", "ib-gateway")["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert ports == {"api": config.ib.port}
    for spec in policies.values():
        for rule in [*spec.get("egress", ()), *spec.get("ingress", ())]:
            for peer in rule.get("to", ()):
                block = peer.get("ipBlock")
                if block and block["cidr"] == "0.0.0.0/0":
                    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} <= set(block["except"])


@pytest.mark.slow
def test_the_config_and_the_manifests_agree(objects: list[Object], config: Config) -> None:
    """Names, ports, client ids, restart; and every path of a secret is mounted where it is read."""
    gateway = named(objects, "StatefulSet", "ib-gateway")["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one.get("value") for one in gateway["env"]}
    assert named(objects, "Service", config.ib.host)["spec"]["ports"][0]["port"] == config.ib.port
    assert (environment["TRADING_MODE"], config.mode) == ("paper", "paper")
    assert environment["TWS_MASTER_CLIENT_ID"] == str(config.ib.client_id)
    assert environment["AUTO_RESTART_TIME"] == "11:45 PM"
    assert config.ib.windows[0].start == "23:45"
    text = (FOLDER / "quantd.toml").read_text()
    wanted = {Path(path).parent for path in re.findall(r'"(/run/secrets/[^"]+)"', text)}
    mounts = {
        one["name"]: {Path(mount["mountPath"]) for mount in one["volumeMounts"]}
        for _, template in pods(objects)
        for one in containers(template)
    }
    alerts, record, ops = (Path("/run/secrets") / name for name in ("alerts", "record", "ops"))
    assert wanted == {alerts, record, ops}
    assert all(alerts in mounts[name] for name in ("check", "trader", "follower", "guard", "ops", "migrate"))
    assert {name for name in mounts if record in mounts[name]} == {"follower", "migrate"}
    assert {name for name in mounts if ops in mounts[name]} == {"ops"}


@pytest.mark.slow
def test_the_copy_of_the_journal_is_a_component(tools: DeployTools, objects: list[Object], tmp_path: Path) -> None:
    """With what stands in the files behind `#`: one sidecar more, between guard and follower, with a volume of its own;
    nothing else changes.
    """
    folder = tmp_path / "kubernetes"
    shutil.copytree(FOLDER, folder)
    for name, wanted in (
        ("kustomization.yaml", r"components: \[ship\]"),
        ("quantd.toml", r'\[ship\].*\n# to = "[^"]+"'),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        (found,) = re.findall(rf"^# {wanted}", text, re.MULTILINE)
        (folder / name).write_text(
            text.replace(found, found.removeprefix("# ").replace("\n# ", "\n")), encoding="utf-8"
        )
    built = tools.built(folder)
    for one in built:
        kubernetes_validate.validate(one, VERSION, strict=True)
    (claim,) = of_kind(built, "PersistentVolumeClaim")
    spec, before = (
        copy.deepcopy(named(which, "StatefulSet", "quantd")["spec"]["template"]["spec"]) for which in (built, objects)
    )
    order = [one["name"] for one in spec["initContainers"]]
    assert order == ["check", "kernels", "ops", "guard", "ship", "follower"]
    assert spec["terminationGracePeriodSeconds"] == before["terminationGracePeriodSeconds"] + STOP_SECONDS_MAX
    ship, guard = spec["initContainers"].pop(4), container(objects, "guard")
    assert spec["volumes"].pop() == {"name": "copy", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    (map_,) = of_kind(built, "ConfigMap")
    for each in (spec, before):  # the config is another, and so is its name
        each["volumes"] = [volume for volume in each["volumes"] if "configMap" not in volume]
        each.pop("terminationGracePeriodSeconds")
    assert spec == before
    to = Path(re.findall(r'^to = "(.+)"$', map_["data"]["quantd.toml"], re.MULTILINE)[0])
    mounts = {mount["name"]: mount for mount in ship["volumeMounts"]}
    assert to.parent == Path(mounts.pop("copy")["mountPath"]), "a folder in the volume: its root holds other things"
    assert list(mounts.values()) == guard["volumeMounts"]
    assert [ship[key] for key in ("image", "restartPolicy", "securityContext")] == [
        guard[key] for key in ("image", "restartPolicy", "securityContext")
    ]
    assert ship["args"] == ["journal", "ship", "--config", "/etc/quantd/quantd.toml"]
    assert ship["livenessProbe"]["exec"]["command"] == ["python", "-m", "daemon.health", "ship"]
    assert "ship" in ROLES
    assert "startupProbe" not in ship
    assert ship["env"] == [one for one in guard["env"] if one["name"] == "QUANTD_STATE"]


@pytest.mark.slow
def test_both_deployments_trade_alike(config: Config) -> None:
    """The two configs differ in places and in the lease, not in what is traded."""
    kubernetes = (FOLDER / "quantd.toml").read_text()
    docker = (ROOT / "deploy" / "docker" / "quantd.toml").read_text()
    begin = "[[instruments]]"
    assert kubernetes[kubernetes.index(begin) :] == docker[docker.index(begin) :]
    assert config.instruments
