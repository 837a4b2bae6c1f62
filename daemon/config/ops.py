"""The table `[ops]`: the process that tells others how the trader is, by HTTP and MQTT, and brings it the word of a
cluster. What it must mean: ops_check.py. Decides nothing and reads no file.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from daemon.config.guarding import NAME
from daemon.config.mqtt import MqttSettings


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may trade, by a Lease object of Kubernetes: taken, renewed and told to the trader by the ops process. The
    defaults are what every pod finds.
    """

    lease: Annotated[str, Meta(max_length=253)] = ""  # name of the Lease; empty = no cluster is asked
    namespace: Annotated[str, Meta(max_length=253)] = ""  # of the Lease; empty = of the pod, from namespace_file
    # Of the API server; empty = from the environment of the pod.
    server: Annotated[str, Meta(examples=["https://10.96.0.1:443"])] = ""
    # How long the lease holds without being renewed, and so how long another waits before it takes over.
    duration_s: Annotated[int, Meta(ge=4, le=300)] = 15
    renew_s: Annotated[float, Meta(ge=0.5, le=100.0)] = 3.0  # renewed this often; at most a third of duration_s
    timeout_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 3.0  # for one request; below duration_s - renew_s
    token_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # read anew for each request
    ca_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"  # who signs the API server's certificate
    namespace_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"  # the pod's own


class OpsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probes, metrics and a read-only API by HTTP, the MQTT bridge, the cluster's lease: `quantd ops`, a process apart,
    which the trader never waits for.
    """

    enabled: bool = False  # `quantd up` starts it
    host: str = "127.0.0.1"  # address it listens on; one that others can reach needs `tokens`
    port: Annotated[int, Meta(ge=0, le=65_535)] = 9470  # its port; 0 = any free one, told in the log
    # Who may read /api/v1: a name and the file with this one's token (`openssl rand -hex 32`, mode 600), relative to
    # this file; none = the API is off, and only probes and metrics answer.
    tokens: Annotated[dict[Annotated[str, Meta(pattern=NAME, examples=["console"])], str], Meta(max_length=32)] = {}
    metrics_token_file: str = ""  # a file with the token that /metrics wants; empty = it wants none
    certificate_file: str = ""  # TLS: the certificate and its chain, PEM; empty = plain HTTP
    key_file: str = ""  # TLS: its key, PEM
    requests_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 300  # of one token to /api/v1; beyond = 429
    mqtt: MqttSettings = MqttSettings()  # the bridge
    cluster: ClusterSettings = ClusterSettings()  # the lease
