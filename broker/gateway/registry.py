"""Who is connected, which order id comes next for whom, and how fast a client may speak. Knows no socket, no message
and no clock: time comes in as nanoseconds of the gateway's.
"""

from collections import deque
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from broker.gateway.part import Client

NO_CLIENT: Final = -1
FIRST_ORDER_ID: Final = 1
ORDER_ID_MAX: Final = 2**31 - 1
CLIENT_IDS_MAX: Final = 10_000  # remembered; the ids of one more start over where another's would: at 1
ONE_SECOND_NS: Final = 1_000_000_000


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one client, and all together, may use of the gateway."""

    clients_max: Annotated[int, Meta(ge=1, le=32)] = 32  # connected at once
    messages_per_s_max: Annotated[int, Meta(ge=1, le=100_000)] = 50  # by client; 0.5 per market data line
    # What happens to a message beyond the rate. delay: it waits its turn. reject: it is answered with error 100, and
    # the third second in which that happens ends the session.
    pacing: Literal["delay", "reject"] = "delay"
    pacing_in_clock: bool = True  # seconds of the rate are the gateway's; false: of the wall clock
    unsent_bytes_max: Annotated[int, Meta(ge=65_536, le=1 << 30)] = 16 << 20  # a client that reads no faster is cut off


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    next_ids: dict[int, int]


class Registry:
    """Order ids outlive sessions and restarts: the next one of a client id is above every id used with it."""

    def __init__(self, *, master_client_id: int = NO_CLIENT, clients_max: int = 32) -> None:
        self.master_client_id = master_client_id
        self.clients_max = clients_max
        self.connected: dict[int, Client] = {}  # by client id
        self._next_ids: dict[int, int] = {}

    def connect(self, client: Client) -> bool:
        """Take a client in under its client id; False when somebody else has the id."""
        if client.client_id in self.connected:
            return False
        self.connected[client.client_id] = client
        return True

    def disconnect(self, client: Client) -> None:
        """Its connection is gone; the id is free at once."""
        if self.connected.get(client.client_id) is client:
            del self.connected[client.client_id]

    @property
    def full(self) -> bool:
        """As many clients as there may be."""
        return len(self.connected) >= self.clients_max

    def next_valid_id(self, client_id: int) -> int:
        """What nextValidId tells: the same until an order id at or above it is used."""
        return self._next_ids.get(client_id, FIRST_ORDER_ID)

    def used(self, client_id: int, order_id: int) -> None:
        """An order of this client has this id, or was bound to it. Negative ids (manual orders) do not count."""
        if order_id >= self.next_valid_id(client_id) and (
            client_id in self._next_ids or len(self._next_ids) < CLIENT_IDS_MAX
        ):
            self._next_ids[client_id] = min(order_id + 1, ORDER_ID_MAX)

    def roll_back(self, client_id: int, next_id: int) -> None:
        """A fault seen after restarts of real gateways: ids that were used already are given out again."""
        self._next_ids[client_id] = max(FIRST_ORDER_ID, next_id)

    def roll_back_all(self, count: int) -> None:
        """The same for every client, by so many ids."""
        for client_id, next_id in list(self._next_ids.items()):
            self.roll_back(client_id, next_id - count)

    def dump(self) -> bytes:
        """The ids."""
        return msgspec.msgpack.encode(_Kept(next_ids=self._next_ids))

    def load(self, state: bytes) -> None:
        """From `dump`."""
        self._next_ids = dict(msgspec.msgpack.decode(state, type=_Kept).next_ids)


class Pacer:
    """A sliding window over one client's messages: at most `per_s` in any stretch of `span_ns`."""

    __slots__ = ("_span_ns", "_taken", "per_s")

    def __init__(self, per_s: int, span_ns: int = ONE_SECOND_NS) -> None:
        self.per_s = per_s
        self._span_ns = span_ns
        self._taken: deque[int] = deque(maxlen=per_s)

    def free_ns(self, now_ns: int) -> int:
        """From when on the next message may pass; at or before `now_ns` = at once."""
        taken = self._taken
        return taken[0] + self._span_ns if len(taken) == self.per_s else now_ns

    def take(self, now_ns: int) -> None:
        """One message passes now."""
        self._taken.append(now_ns)
