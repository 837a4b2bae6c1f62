"""What the table `[ops]` must mean: its paths, a token wherever other machines could read, and times that can hold a
lease.
"""

import ipaddress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from daemon.config.decode import Problems
from daemon.config.guarding import GuardSettings
from daemon.config.mqtt import PATHS as MQTT_PATHS
from daemon.config.ops import ClusterSettings, OpsSettings
from daemon.config.paths import absolute

PATHS: Final = ("metrics_token_file", "certificate_file", "key_file")
CLUSTER_PATHS: Final = ("token_file", "ca_file", "namespace_file")
RENEWALS_MIN: Final = 3  # times a lease is renewed while it holds: one lost answer must not end it


def with_ops_paths(ops: OpsSettings, folder: Path, problems: Problems) -> OpsSettings:
    """The table with every path made absolute."""
    return msgspec.structs.replace(
        ops,
        tokens={name: absolute(path, folder, f"ops.tokens.{name}", problems) for name, path in ops.tokens.items()},
        cluster=msgspec.structs.replace(
            ops.cluster, **_absolute(ops.cluster, CLUSTER_PATHS, folder, "ops.cluster", problems)
        ),
        mqtt=msgspec.structs.replace(ops.mqtt, **_absolute(ops.mqtt, MQTT_PATHS, folder, "ops.mqtt", problems)),
        **_absolute(ops, PATHS, folder, "ops", problems),
    )


def _absolute(
    table: msgspec.Struct, names: tuple[str, ...], folder: Path, field: str, problems: Problems
) -> dict[str, Any]:
    paths = {name: getattr(table, name) for name in names}
    return {name: absolute(path, folder, f"{field}.{name}", problems) for name, path in paths.items() if path}


def check_ops(ops: OpsSettings, guard: GuardSettings, problems: Problems) -> None:
    """Who may read, TLS whole or not at all, and the cluster's lease. Files are looked at where the process starts: a
    trader of the same config may run where they are not.
    """
    if bool(ops.certificate_file) != bool(ops.key_file):
        lacking = "key_file" if ops.certificate_file else "certificate_file"
        problems.add(f"ops.{lacking}", "is missing beside the other half of TLS", "give both, or neither")
    if not is_loopback(ops.host) and not ops.tokens:
        remedy = "name a token in [ops.tokens] (`openssl rand -hex 32 > FILE; chmod 600 FILE`), or listen on 127.0.0.1"
        problems.add("ops.host", f"{ops.host} can be reached from other machines, and no token is asked for", remedy)
    if ops.cluster.lease:
        check_cluster(ops.cluster, guard, problems)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A name other than localhost is not trusted to be."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(url: str) -> bool:
    """Whether a URL is of plain HTTP on this machine: a proxy that carries the request on, or a test."""
    parts = urlsplit(url)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


def check_cluster(cluster: ClusterSettings, guard: GuardSettings, problems: Problems) -> None:
    """The trader listens to the lease, and the times leave room for a lost answer."""
    if not guard.cluster_lease:
        remedy = "set guard.cluster_lease = true: without it the trader sends orders whoever holds the lease"
        problems.add("ops.cluster.lease", "is named, but guard.cluster_lease is off", remedy)
    if cluster.server and not (cluster.server.startswith("https://") or _is_local(cluster.server)):
        problems.add("ops.cluster.server", "is not https://", "the token would go over the line in the clear")
    if cluster.renew_s * RENEWALS_MIN > cluster.duration_s:
        remedy = f"set it to at most {cluster.duration_s / RENEWALS_MIN:g}"
        problems.add("ops.cluster.renew_s", f"{cluster.renew_s:g} is more than a third of duration_s", remedy)
    if cluster.timeout_s + cluster.renew_s >= cluster.duration_s:
        remedy = "a request that is given up must leave time for another: make it shorter"
        problems.add("ops.cluster.timeout_s", f"{cluster.timeout_s:g} and renew_s fill all of duration_s", remedy)
