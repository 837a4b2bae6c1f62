"""Whatever bytes come in, the control socket's decoder answers with a request or a BadRequest, and nothing else."""

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.control.messages import COMMANDS, BadRequest, decode_request, not_done

KEYS = st.sampled_from(["id", "command", "reason", "strategy", "symbol", "order_id", "outcome", "qty", "px", "sync_id"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(COMMANDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


def refusal_of(line: bytes) -> bytes:
    """The error line a server would write; empty for a good request."""
    try:
        decode_request(line)
    except BadRequest as fault:
        return not_done(fault.request_id, str(fault), refused=False)
    return b""


@given(st.binary(max_size=200))
def test_any_bytes(line: bytes) -> None:
    """Noise is a BadRequest whose reply can be written on one line."""
    assert refusal_of(line).count(b"\n") == 1


@settings(max_examples=40)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_object(fields: dict[str, Any]) -> None:
    """Wrong types, missing and surplus fields: refused, or a request that says what was written."""
    line = json.dumps(fields).encode()
    if refusal_of(line):
        return
    request = decode_request(line)
    assert fields["command"] in COMMANDS
    assert request.id == fields["id"]


@given(st.integers(1, 200_000), st.sampled_from([b"[", b'{"id":', b'{"command":{']))
def test_any_depth(depth: int, opening: bytes) -> None:
    """Nesting ends in a BadRequest, not in the interpreter's stack."""
    with contextlib.suppress(BadRequest):
        decode_request(opening * min(depth, 65_536 // len(opening)))
