"""Bytes of the TWS protocol on our side: frames cut out of socket reads, messages decoded, requests encoded.

Requests come from ib_async's `Client`, messages go through its `Decoder`, but neither its socket nor its upper layer
is used: its receive path copies the buffer once per message, its connection fires events, its throttle is one queue.
Handlers given to `watch` get a message's raw fields and bypass the decoder: market ticks for speed, and executions,
statuses and commissions because the decoder loses a fill over a time zone it does not know. No socket, no clock.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from ib_async.client import Client

from broker.ib.wrapper import DecoderFaults, Wrapper
from core.errors import BrokerFault

FRAME_BYTES_MAX: Final = 1 << 22  # the longest answer we ask for is 60 days of minute bars
VERSION_MIN: Final = 157
VERSION_MAX: Final = 178
_LENGTH: Final = struct.Struct(">I")

RawHandler = Callable[[list[bytes]], None]


class Codec(Client):
    """One connection's bytes. `feed` raises BrokerFault when the stream is no TWS stream: close it."""

    MaxRequests = 0

    def __init__(self, wrapper: Wrapper) -> None:
        super().__init__(wrapper)  # type: ignore[no-untyped-call]  # the library's methods carry no types
        self.decoder.logger = DecoderFaults(wrapper)  # type: ignore[assignment]  # not a logger, on purpose
        self._faults = wrapper
        self._raw: dict[bytes, RawHandler] = {}
        self._held = b""
        self._made: list[bytes] = []
        self.hello: Callable[[int, str], None] | None = None  # told the agreed version and the server's time
        self.messages = 0

    def watch(self, msg_id: int, handler: RawHandler) -> None:
        """Give every message of a kind, as its fields in bytes (the last one is empty), to a handler."""
        self._raw[b"%d" % msg_id] = handler

    def renew(self, client_id: int, capabilities: str) -> None:
        """Forget the connection before."""
        self.reset()  # type: ignore[no-untyped-call]
        self._held = b""
        self._made.clear()
        self.clientId = client_id
        self.optCapab = capabilities

    # ---- out ---------------------------------------------------------------------------------------------------
    def opening(self) -> bytes:
        """The first bytes of a connection."""
        text = f"v{VERSION_MIN}..{VERSION_MAX}".encode()
        return b"API\0" + _LENGTH.pack(len(text)) + text

    def encode(self, name: str, *arguments: Any) -> bytes:
        """The frame of one request, by its method of the library's client."""
        getattr(self, name)(*arguments)
        made, self._made = self._made, []
        return b"".join(made)

    def sendMsg(self, msg: str) -> None:
        """Where the library's encoders hand over a message."""
        payload = msg.encode()
        self._made.append(_LENGTH.pack(len(payload)) + payload)

    @property
    def version(self) -> int:
        """Agreed protocol version; 0 before the hello."""
        return int(self.serverVersion())

    # ---- in ----------------------------------------------------------------------------------------------------
    def feed(self, received: bytes) -> None:
        """Decode every message that is complete by now. What one of them does wrong becomes a fault of the wrapper."""
        stream = self._held + received if self._held else received
        at, end, raw = 0, len(stream), self._raw
        unpack = _LENGTH.unpack_from
        while end - at >= 4:
            length = unpack(stream, at)[0]
            if length > FRAME_BYTES_MAX:
                self._held = b""
                raise BrokerFault(f"a frame of {length} bytes: this is no TWS stream")
            stop = at + 4 + length
            if stop > end:
                break
            payload = stream[at + 4 : stop]
            fields = payload.split(b"\0")
            at = stop
            self.messages += 1
            handler = raw.get(fields[0])
            if handler is None or not self._serverVersion:
                self._decode(payload)
                continue
            try:
                handler(fields)
            except (ValueError, IndexError, OverflowError) as fault:
                self._faults.fault(f"message {fields[0][:20]!r}: {fault}")
        self._held = stream[at:]

    def decode_or(
        self, raw: list[bytes], ref_at: int, ours: Callable[[str], bool], instead: Callable[[], None]
    ) -> None:
        """Decode an order; if that fails and its ref (a field at a fixed place) is not ours, do something else instead.

        Somebody's order by hand with fields the library does not read must not stop ours at every synchronisation.
        """
        fields = [field.decode(errors="backslashreplace") for field in raw[:-1]]
        try:
            self.decoder.handlers[int(fields[0])](fields)
        except Exception as fault:  # edge: the decoder raises whatever a bad field makes it raise
            if len(fields) > ref_at and not ours(fields[ref_at]):
                instead()
            else:
                self._faults.fault(f"{type(fault).__name__}: {fault}; {fields}")

    def _decode(self, payload: bytes) -> None:
        fields = payload.decode(errors="backslashreplace").split("\0")
        fields.pop()  # what follows the last NUL
        if self._serverVersion:
            self.decoder.interpret(fields)  # type: ignore[no-untyped-call]
            return
        version = int(fields[0]) if len(fields) == 2 and fields[0].isdecimal() else 0
        if not VERSION_MIN <= version <= VERSION_MAX:
            raise BrokerFault(f"the gateway answers the hello with {fields[:2]}: versions 157 to 178 are understood")
        self._serverVersion = self.decoder.serverVersion = version
        self.connState = Client.CONNECTED
        if self.hello is not None:
            self.hello(version, fields[1])
