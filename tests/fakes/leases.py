"""Leases as the API server of a cluster keeps them: versions of objects, and writes to an older one refused. As plain
calls for simulations; api_server.py serves it over HTTP.
"""

import copy
from typing import Any


class Leases:
    """One namespace. `at` is asked with method, name and body; it answers (status, JSON)."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.writes = 0

    def at(self, method: str, name: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """One request."""
        there = self.objects.get(name)
        if method == "GET":
            return (200, copy.deepcopy(there)) if there is not None else _status(404, f'leases "{name}" not found')
        if body is None or not isinstance(body.get("spec"), dict):
            return _status(422, "spec: Required value")
        if method == "POST":
            if there is not None:
                return _status(409, f'leases "{name}" already exists')
            return 201, self._store(name, body)
        if there is None:
            return _status(404, f'leases "{name}" not found')
        given = body["metadata"].get("resourceVersion")
        if given and given != there["metadata"]["resourceVersion"]:
            return _status(409, "the object has been modified; please apply your changes to the latest version")
        return 200, self._store(name, body)

    def _store(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.writes += 1
        kept = copy.deepcopy(body)
        kept["metadata"] = {**kept.get("metadata", {}), "name": name, "resourceVersion": str(self.version)}
        self.objects[name] = kept
        return copy.deepcopy(kept)


def _status(code: int, message: str) -> tuple[int, dict[str, Any]]:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
