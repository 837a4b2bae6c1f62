"""Who holds a Lease (coordination.k8s.io/v1) and until when we may act on it: which request is due, and what an answer
means. Knows no clock, no socket and no trader: times come in as CLOCK_BOOTTIME nanoseconds.

Our time runs from before the request was sent that the server confirmed. Somebody else's time runs from when we first
saw the object as it is, by our own clock: clocks of other machines are never compared. An absent object may have been
deleted a moment ago while its holder acts on it, so it too is waited for.
"""

import copy
from typing import Any, Final

import msgspec

from core.units import NANO

ABSENT: Final = ""  # the version of an object that is not there
MARGIN_PART: Final = 50  # of the duration we do not use: clocks of two machines differ by less than 2 % in speed
RELEASED_S: Final = 1  # duration that a released lease carries
DURATION_S_MAX: Final = 86_400  # what somebody's record may say and be believed
API_VERSION: Final = "coordination.k8s.io/v1"
READ: Final = "GET"
CREATE: Final = "POST"
REPLACE: Final = "PUT"


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is due; `body` for all but reads."""

    method: str
    body: dict[str, Any] | None = None


class Elector:
    """One candidate, one request at a time: `request`, then `answered` or `unanswered`."""

    def __init__(self, identity: str, *, name: str, namespace: str, duration_s: int) -> None:
        self.identity = identity
        self.until_ns = 0  # we hold it so long; 0 = we do not
        self.holder = ""  # whom the object named when it was last seen
        self.fault = ""  # why the last request came to nothing
        self.fresh = False  # the last answer said how the object is: a write may be built on it
        self._name = name
        self._namespace = namespace
        self._duration_s = duration_s
        self._object: dict[str, Any] = {}
        self._version: str | None = None  # None = never seen
        self._seen_ns = 0  # since when it is as it is
        self._sent = Send(method=READ)
        self._sent_ns = 0

    def held(self, now_ns: int) -> bool:
        """Whether we may act on it now."""
        return now_ns < self.until_ns

    @property
    def has_seen_one(self) -> bool:
        """Whether there was an object at the last look."""
        return bool(self._version)

    # ---- what to ask -------------------------------------------------------------------------------------------
    def write_due(self, now_ns: int) -> bool:
        """Whether it is ours to write: to renew, or to take because nobody can hold it any more."""
        if self._version is None or not self.fresh:
            return False
        if self.holder == self.identity or (self._version == ABSENT and self.held(now_ns)):
            return True
        return now_ns - self._seen_ns >= self._waited_s() * NANO

    def _waited_s(self) -> int:
        """How long it must stand still until nobody holds it."""
        if self._version == ABSENT:
            return self._duration_s
        said = _spec(self._object).get("leaseDurationSeconds")
        good = isinstance(said, int) and not isinstance(said, bool) and 0 < said <= DURATION_S_MAX
        return said if good and isinstance(said, int) else self._duration_s

    def request(self, now_ns: int, wall: str) -> Send:
        """The one that is due now; `wall` is the present time as the record shows it to people (RFC 3339)."""
        if not self.write_due(now_ns):
            return self._send(Send(method=READ), now_ns)
        if self._version == ABSENT:
            metadata = {"name": self._name, "namespace": self._namespace}
            spec = self._taken({}, wall)
            body = {"apiVersion": API_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}
            return self._send(Send(method=CREATE, body=body), now_ns)
        body = copy.deepcopy(self._object)
        body["spec"] = self._taken(_spec(body), wall)
        return self._send(Send(method=REPLACE, body=body), now_ns)

    def _taken(self, spec: dict[str, Any], wall: str) -> dict[str, Any]:
        mine: dict[str, Any] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._duration_s,
            "renewTime": wall,
        }
        if spec.get("holderIdentity") != self.identity:
            changes = spec.get("leaseTransitions")
            mine |= {"acquireTime": wall, "leaseTransitions": changes + 1 if isinstance(changes, int) else 0}
        return spec | mine

    def release(self, now_ns: int, wall: str) -> Send | None:
        """Give it back, so that another need not wait: only when nobody acts on it here any more."""
        self.until_ns = 0
        if self.holder != self.identity or not self._object:
            return None
        body = copy.deepcopy(self._object)
        body["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": RELEASED_S, "renewTime": wall}
        return self._send(Send(method=REPLACE, body=body), now_ns)

    def _send(self, send: Send, now_ns: int) -> Send:
        self._sent, self._sent_ns, self.fresh = send, now_ns, False
        return send

    # ---- what came back ----------------------------------------------------------------------------------------
    def answered(self, now_ns: int, status: int, body: dict[str, Any]) -> None:
        """The answer to the last request, `body` as JSON."""
        self.fault = ""
        if status in (200, 201) and _version(body):
            self._see(now_ns, body)
            asked = self._sent.body is not None and _spec(self._sent.body).get("holderIdentity") == self.identity
            if asked and self.holder == self.identity:
                length_ns = self._duration_s * NANO
                self.until_ns = max(self.until_ns, self._sent_ns + length_ns - length_ns // MARGIN_PART)
        elif status == 404 and self._sent.method != CREATE:
            self._see_nothing(now_ns)
        elif status == 409:
            self.fault = "another was quicker"  # how it is now is read next
        else:
            self.fault = f"{self._sent.method}: status {status}: {str(body.get('message', ''))[:200]}"

    def unanswered(self, why: str) -> None:
        """None came in time: whether the server did it is not known, so it is read next."""
        self.fault = why

    def _see(self, now_ns: int, body: dict[str, Any]) -> None:
        version = _version(body)
        if version != self._version:
            self._version, self._seen_ns = version, now_ns
        self._object, self.fresh = body, True
        self.holder = str(_spec(body).get("holderIdentity") or "")
        if self.holder != self.identity:
            self.until_ns = 0  # it was taken from us, or given away by hand

    def _see_nothing(self, now_ns: int) -> None:
        if self._version != ABSENT:
            self._version, self._seen_ns = ABSENT, now_ns
        self._object, self.fresh, self.holder = {}, True, ""


def _spec(body: dict[str, Any]) -> dict[str, Any]:
    found = body.get("spec")
    return found if isinstance(found, dict) else {}


def _version(body: dict[str, Any]) -> str:
    metadata = body.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""
