"""The control socket's client for the command line: one request, one answer, a deadline. Blocking on purpose."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import QuantdError, Refused
from daemon.authority.proof import Prover
from daemon.control.endpoint import connect_control
from daemon.control.messages import LINE_BYTES_MAX, PROVEN, BadRequest, Challenge, decode_request
from daemon.control.request import Proof
from daemon.status.picture import Status, decode_status

TIMEOUT_SECONDS: Final = 5.0
REPLY_BYTES_MAX: Final = 4 << 20  # why-not over many symbols is the longest


class NotReachable(QuantdError):
    """No daemon answers on the socket."""


class CommandFailed(QuantdError):
    """The daemon answered that the request was wrong or failed."""


class Answer(msgspec.Struct, frozen=True):
    """One reply line."""

    id: int
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    refused: bool = False
    error: str = ""


decode_answer: Final = msgspec.json.Decoder(Answer).decode


class ControlClient:
    """One connection. Raises NotReachable, CommandFailed, and core's Refused. A `prover` proves who gives a command
    that adds risk.
    """

    def __init__(self, path: Path, *, timeout_s: float = TIMEOUT_SECONDS, prover: Prover | None = None) -> None:
        self._path = path
        self._prover = prover
        self._timeout_s = timeout_s
        self._next_id = 1
        self._left = b""
        try:
            self._socket = connect_control(path, timeout_s)
        except OSError as fault:
            raise NotReachable(
                f"daemon not reachable at {path} ({fault.strerror or fault}): is it running, is --state right?"
            ) from fault

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def request(self, command: str, **fields: Any) -> msgspec.Raw:
        """The raw JSON result of one command; fields that are None are left out."""
        given = {"command": command} | {name: value for name, value in fields.items() if value is not None}
        if self._prover is not None and command in PROVEN:
            given["proof"] = self._proof(self._prover, given)
        return self._send(given)

    def _proof(self, prover: Prover, given: dict[str, Any]) -> Proof:
        """Over the request as the trader will read it, for the account and the run that it names."""
        challenge = msgspec.json.decode(self._send({"command": "challenge"}), type=Challenge)
        try:
            request = decode_request(msgspec.json.encode({"id": 0} | given))
        except BadRequest as fault:
            raise CommandFailed(str(fault)) from fault
        return prover.prove(request, account=challenge.account, epoch=challenge.epoch)

    def _send(self, given: dict[str, Any]) -> msgspec.Raw:
        request_id, self._next_id = self._next_id, self._next_id + 1
        line = msgspec.json.encode({"id": request_id} | given) + b"\n"
        if len(line) > LINE_BYTES_MAX:
            raise CommandFailed(
                f"{given['command']}: the request is longer than {LINE_BYTES_MAX} bytes: shorten the reason"
            )
        answer = self._exchange(line)
        if answer.ok:
            return answer.result
        raise Refused(answer.error) if answer.refused else CommandFailed(answer.error)

    def status(self) -> Status:
        """The picture of this moment."""
        return decode_status(self.request("status"))

    def _exchange(self, line: bytes) -> Answer:
        deadline_s = time.monotonic() + self._timeout_s
        try:
            self._socket.sendall(line)
            return decode_answer(self._read_line(deadline_s))
        except TimeoutError as fault:
            raise NotReachable(f"daemon at {self._path} did not answer within {self._timeout_s:g} s") from fault
        except OSError as fault:
            raise NotReachable(f"daemon at {self._path} hung up: {fault.strerror or fault}") from fault
        except msgspec.DecodeError as fault:
            raise CommandFailed(f"daemon at {self._path} answered in another language: {fault}") from fault

    def _read_line(self, deadline_s: float) -> bytes:
        while b"\n" not in self._left:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            received = self._socket.recv(65536)
            if not received:
                raise ConnectionResetError("end of stream")
            self._left += received
            if len(self._left) > REPLY_BYTES_MAX:
                raise CommandFailed(f"daemon at {self._path}: an answer of more than {REPLY_BYTES_MAX} bytes")
        line, _, self._left = self._left.partition(b"\n")
        return line


@contextlib.contextmanager
def connected(
    path: Path, *, timeout_s: float = TIMEOUT_SECONDS, prover: Prover | None = None
) -> Iterator[ControlClient]:
    """A client for a few requests."""
    client = ControlClient(path, timeout_s=timeout_s, prover=prover)
    try:
        yield client
    finally:
        client.close()


def is_alive(path: Path, *, timeout_s: float = 1.0) -> bool:
    """Whether a daemon answers on the socket."""
    try:
        with connected(path, timeout_s=timeout_s) as client:
            client.request("ping")
    except (NotReachable, CommandFailed):
        return False
    return True
