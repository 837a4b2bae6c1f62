"""The placeOrder frame. The library builds its 114 fields anew for each order (19 us); all but ten never change, so the
library builds each kind once per connection and contract, and an order fills in the ten.

A test holds every kind of order we send byte-equal to what the library's `Client.placeOrder` makes.
"""

import struct
from typing import Final

from ib_async.contract import Contract
from ib_async.order import Order

from broker.ib.codec import Codec
from broker.ib.translate import ACTIONS, text_of
from core import commands as c
from core.commands import OrderIntent
from core.errors import Bug
from core.moments import utc_text

_LENGTH: Final = struct.Struct(">I")
# Places of the fields that change, in the frame of a stock order.
_ACTION: Final = 16
_TYPE: Final = 18
_TIF: Final = 21
_GROUP: Final = 22
_ACCOUNT: Final = 23
_REF: Final = 26
_OUTSIDE: Final = 33
_GTD: Final = 38
_PROBE: Final = "algo"
_TYPE_PROBE: Final = 2
_LIMITED: Final = (c.LMT, c.STP_LMT, c.LOC)
_STOPPED: Final = (c.STP, c.STP_LMT)


class OrderFrames:
    """Frames of one contract on one connection."""

    def __init__(self, codec: Codec, contract: Contract, account: str) -> None:
        probe = Order(
            orderId=0, action="BUY", totalQuantity=1, orderType="LMT", lmtPrice=1, tif="GTD", account=account,
            orderRef="ref", outsideRth=True, goodTillDate="gtd", ocaGroup="group",
        )  # fmt: skip
        fields = codec.encode("placeOrder", 0, contract, probe)[4:].decode().split("\0")
        expected = (("BUY", _ACTION), ("LMT", _TYPE), ("GTD", _TIF), ("group", _GROUP), (account, _ACCOUNT))
        for value, at in (*expected, ("ref", _REF), ("1", _OUTSIDE), ("gtd", _GTD)):
            if fields[at] != value:
                raise Bug(f"placeOrder of the library has {fields[at]!r} in field {at}, not {value!r}")
        self._contract = "\0".join(fields[2:_ACTION])
        self._to_account = "\0".join(fields[_GROUP + 1 : _REF])
        self._to_outside = "\0".join(fields[_REF + 1 : _OUTSIDE])
        self._to_gtd = "\0".join(fields[_OUTSIDE + 1 : _GTD])
        self._tail = "\0".join(fields[_GTD + 1 :])
        probe.ocaType = _TYPE_PROBE
        grouped = codec.encode("placeOrder", 0, contract, probe)[4:].decode().split("\0")
        differs = [at for at, value in enumerate(grouped) if value != fields[at]]
        if len(differs) != 1 or differs[0] <= _GTD:
            raise Bug(f"placeOrder of the library has the group's type in the fields {differs}, not in one of its end")
        self._to_oca_type = "\0".join(fields[_GTD + 1 : differs[0]])
        self._from_oca_type = "\0".join(fields[differs[0] + 1 :])
        probe.ocaType = 0
        probe.algoStrategy = _PROBE
        at = codec.encode("placeOrder", 0, contract, probe)[4:].decode().split("\0").index(_PROBE)
        if fields[at]:
            raise Bug(f"placeOrder of the library has {fields[at]!r} in field {at}, not the algorithm's name")
        self._to_algo = "\0".join(fields[_GTD + 1 : at])
        self._from_algo = "\0".join(fields[at + 1 :])

    def frame(self, wire_id: int, intent: OrderIntent, order_ref: str) -> bytes:
        """One new order or modify."""
        kind = intent.order_type
        limit = text_of(intent.limit_px_nanos) if kind in _LIMITED else ""
        stop = text_of(intent.stop_px_nanos) if kind in _STOPPED else ""
        gtd = utc_text(intent.gtd_ts_ns) if intent.tif == c.GTD else ""
        tail = self._with_algo(intent) if intent.broker_algo else self._tail
        if intent.oca_group:
            tail = f"{self._to_oca_type}\0{intent.oca_type}\0{self._from_oca_type}"
        payload = (
            f"3\0{wire_id}\0{self._contract}\0{ACTIONS[intent.side]}\0{text_of(intent.qty_nanos)}\0"
            f"{c.ORDER_TYPE_NAMES[kind]}\0{limit}\0{stop}\0{c.TIF_NAMES[intent.tif]}\0{intent.oca_group}\0"
            f"{self._to_account}\0{order_ref}\0{self._to_outside}\0{'1' if intent.outside_rth else '0'}\0"
            f"{self._to_gtd}\0{gtd}\0{tail}"
        ).encode()
        return _LENGTH.pack(len(payload)) + payload

    def _with_algo(self, intent: OrderIntent) -> str:
        """What follows the time, with the broker's own algorithm and its tags."""
        pairs = "".join(f"{tag}\0{value}\0" for tag, value in intent.broker_params)
        return f"{self._to_algo}\0{intent.broker_algo}\0{len(intent.broker_params)}\0{pairs}{self._from_algo}"
