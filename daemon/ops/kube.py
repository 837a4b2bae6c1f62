"""The API server of a Kubernetes cluster, as far as one Lease goes: address, certificate, token, and requests by HTTP.
Knows nothing of who may hold it.
"""

import asyncio
import json
import os
import ssl
from pathlib import Path
from typing import Any, Final

import httpx

from core.errors import ConfigError, QuantdError
from daemon.config.ops import ClusterSettings

HOST_VARIABLE: Final = "KUBERNETES_SERVICE_HOST"
PORT_VARIABLE: Final = "KUBERNETES_SERVICE_PORT"
BODY_BYTES_MAX: Final = 256 * 1024
TOKEN_BYTES_MAX: Final = 64 * 1024


class KubeFault(QuantdError):
    """No answer that can be read."""


class Kube:
    """One client. Use as an async context; each use reads the certificate anew. Raises ConfigError when it is made
    where no cluster can be found.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self.server = settings.server or _from_environment()
        self.namespace = settings.namespace or _namespace(Path(settings.namespace_file))
        self._base = f"{self.server}/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> "Kube":
        verify: ssl.SSLContext | bool = False
        if self.server.startswith("https://"):
            verify = await asyncio.to_thread(_context, self._settings.ca_file)
        # No proxy of the environment: the token is for the API server. Deadlines are the caller's.
        self._client = httpx.AsyncClient(verify=verify, trust_env=False, timeout=None, limits=_LIMITS)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def lease(self, method: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        """One request about the Lease: (status, JSON). Raises KubeFault; whether a write was done is then unknown."""
        assert self._client is not None, "use it as a context"
        url = self._base if method == "POST" else f"{self._base}/{self._settings.lease}"
        headers = {"accept": "application/json", "accept-encoding": "identity", "content-type": "application/json"}
        token = await asyncio.to_thread(_token, Path(self._settings.token_file))
        headers["authorization"] = f"Bearer {token}"
        content = None if body is None else json.dumps(body).encode()
        try:
            async with self._client.stream(method, url, headers=headers, content=content) as answer:
                received = bytearray()
                async for chunk in answer.aiter_raw():
                    received += chunk
                    if len(received) > BODY_BYTES_MAX:
                        raise KubeFault(f"{self.server}: an answer of more than {BODY_BYTES_MAX} bytes")
                return answer.status_code, _decoded(answer.status_code, bytes(received))
        except (httpx.HTTPError, OSError) as fault:
            raise KubeFault(f"{self.server}: {type(fault).__name__}: {fault}") from fault


_LIMITS: Final = httpx.Limits(max_connections=2, max_keepalive_connections=1)


def _decoded(status: int, content: bytes) -> dict[str, Any]:
    """An object. A good status with anything else is no answer; of a bad one the status says enough."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    if status < 400:
        raise KubeFault(f"status {status} without a JSON object: is this the API server?")
    return {}


def _from_environment() -> str:
    host, port = os.environ.get(HOST_VARIABLE, ""), os.environ.get(PORT_VARIABLE, "443")
    if not host:
        raise ConfigError(
            f"ops.cluster.server: is not given, and this is no pod (${HOST_VARIABLE} is not set): give it"
        )
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _namespace(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as fault:
        raise ConfigError(
            f"ops.cluster.namespace: is not given, and {path}: {fault.strerror}: give it, or mount the service account"
        ) from fault


def _token(path: Path) -> str:
    """As it is now: the cluster replaces it while we run."""
    try:
        with path.open("rb") as file:
            return file.read(TOKEN_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise KubeFault(f"ops.cluster.token_file: {path}: {fault}: mount the service account's token") from fault


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as fault:
        raise KubeFault(f"ops.cluster.ca_file: {ca_file}: {fault}: mount the service account's ca.crt") from fault
