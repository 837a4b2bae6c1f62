"""The whole state of an exchange as bytes, and back: the continuation after a restore is the same to the bit.

Only state is kept. What an exchange is built from (instruments, calendars, fees, config, quotes, watch) is given again.
"""

from typing import Final

import msgspec

from broker.sim.account import AccountState, opening_state
from broker.sim.agenda import Entry
from broker.sim.book import Book, VenueState
from broker.sim.config import VenueConfig
from broker.sim.inbox import InboxState
from broker.sim.outbox import Link
from core.errors import ConfigError
from core.instruments import Instrument

FORMAT: Final = 1


class ExchangeState(msgspec.Struct, gc=False, array_like=True, kw_only=True, eq=False):
    """Everything that changes; `config` is kept to be compared."""

    format: int
    config: VenueConfig
    now_ns: int
    agenda: list[Entry]
    pushed: int
    link: Link
    inbox: InboxState
    venue: VenueState
    account: AccountState


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(ExchangeState)


def opening(config: VenueConfig, instruments: tuple[Instrument, ...]) -> ExchangeState:
    """The state a run begins with."""
    return ExchangeState(
        format=FORMAT,
        config=config,
        now_ns=0,
        agenda=[],
        pushed=0,
        link=Link(),
        inbox=InboxState(waiting=[]),
        venue=VenueState(
            orders={},
            order_ids={},
            books=[Book(inst=number) for number in range(len(instruments))],
            perm_id_next=config.perm_id_first,
        ),
        account=opening_state(config, instruments),
    )


def encode(state: ExchangeState) -> bytes:
    """Bytes of a state; agenda entries must be in time order, so that equal states give equal bytes."""
    return _ENCODER.encode(state)


def decode(payload: bytes, *, config: VenueConfig) -> ExchangeState:
    """The state, with the books' orders being the venue's own objects again.

    Raises ConfigError if it was taken under another format or config, msgspec.DecodeError if it is no snapshot.
    """
    state = _DECODER.decode(payload)
    if state.format != FORMAT or state.config != config:
        raise ConfigError("venue: the snapshot was taken under another venue config; start without it")
    for book in state.venue.books:
        book.orders = [state.venue.orders[order.perm_id] for order in book.orders]
    return state
