"""Frames, fields and texts of the TWS protocol as research and the client libraries have them."""

import math
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.gateway import versions as v
from broker.gateway.part import Field
from broker.gateway.wire import (
    FIELDS_MAX,
    UNSET_DOUBLE,
    UNSET_INTEGER,
    FieldReader,
    FrameReader,
    Malformed,
    escape,
    frame_of,
    framed,
    nanos_text,
    split_fields,
    tags_of,
    tags_text,
)
from core.units import NANO

UNSET = ["", UNSET_INTEGER, UNSET_DOUBLE, "1.7976931348623157e+308", "1.7976931348623157E+308"]


def reader(*fields: str) -> FieldReader:
    """A reader over the given fields."""
    return FieldReader(list(fields))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (None, ""), (True, "1"), (False, "0"), (7, "7"), (-1, "-1"), (2.5, "2.5"), (100.0, "100"), (1e-05, "1e-05"),
        (math.inf, "Infinite"), (math.nan, ""), (1.7976931348623157e308, UNSET_DOUBLE), ("a b", "a b"), ("", ""),
        ("Zürich", "Z\\u00fcrich"), ("a\\b", "a\\b"), ("😀", "\\ud83d\\ude00"),
    ],
)  # fmt: skip
def test_a_field_goes_out_as_clients_read_it(field: Field, text: str) -> None:
    """Bools as 1 and 0, no `.0`, ASCII only, the unset numbers in TWS's spelling."""
    payload = text.encode() + b"\0"
    assert frame_of(field) == len(payload).to_bytes(4, "big") + payload == framed(payload)


@given(st.text(st.characters(exclude_characters="\0")))
def test_escaped_text_survives_the_clients_decoding(text: str) -> None:
    """What ibapi and ib_async unicode-escape-decode comes out as the same UTF-16 text."""
    decoded = escape(text).encode("ascii").decode("unicode-escape")
    assert decoded.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


@pytest.mark.parametrize("text", UNSET)
def test_every_spelling_of_unset(text: str) -> None:
    """An unset number is the default or None, never a value."""
    assert reader(text).integer(-5) == -5
    assert reader(text).number() is None
    assert reader(text).nanos() is None


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("100", 100 * NANO), ("100.0", 100 * NANO), ("12.34", 12_340_000_000), ("1e-05", 10_000), ("-0.5", -NANO // 2),
        (".5", NANO // 2), ("5.", 5 * NANO), ("0.0000000005", 0), ("0.0000000015", 2), ("1E2", 100 * NANO),
        ("1e-9999", 0), ("9223372036.854775807", 2**63 - 1),
    ],
)  # fmt: skip
def test_amounts_are_exact(text: str, nanos: int) -> None:
    """Decimal texts become nanos without a float between, half-even beyond nine decimals."""
    assert reader(text).nanos() == nanos


@pytest.mark.parametrize(
    "text",
    [
        "x", "1,5", "nan", "NaN", "inf", "1e", "--1", " 1", "1_0", "0x10", "9" * 65, "1e999", "9223372036.9", "१",
        "Infinite",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_malformed(text: str) -> None:
    """Never a wrong number, never another exception."""
    with pytest.raises(Malformed, match="field 0"):
        reader(text).nanos()


def test_numbers_flags_and_integers() -> None:
    """The kinds a request has, in one pass, and what each refuses."""
    fields = reader("Infinite", "1e-05", "100.0", "7", "1", "0", "", "true", "2", "rest", "more")
    assert (fields.number(), fields.number(), fields.number()) == (math.inf, 1e-05, 100.0)
    assert fields.integer() == 7
    assert [fields.flag() for _ in range(5)] == [True, False, False, True, True]
    assert (fields.left, fields.text(), fields.left) == (2, "rest", 1)
    fields.skip(1)
    with pytest.raises(Malformed, match="missing"):
        fields.text()
    for text in ("1.5", "1e30", "ten"):
        with pytest.raises(Malformed):
            reader(text).integer()
    with pytest.raises(Malformed):
        reader("maybe").flag()
    with pytest.raises(Malformed):
        reader("1e999").number()
    with pytest.raises(Malformed):
        reader("a").skip(2)


@given(st.integers(-(2**62), 2**62))
def test_nanos_come_back(nanos: int) -> None:
    """Text and back is exact, and never ends in `.0`."""
    text = nanos_text(nanos)
    assert reader(text).nanos() == nanos
    assert not text.endswith((".0", "."))


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=12))
def test_nanos_round_half_even(value: Decimal) -> None:
    """Beyond nine decimals as the decimal module rounds."""
    assert reader(f"{value:f}").nanos() == int((value * NANO).to_integral_value(ROUND_HALF_EVEN))


@given(st.lists(st.binary(max_size=40), max_size=12), st.data())
def test_frames_survive_any_segmentation(payloads: list[bytes], data: st.DataObject) -> None:
    """However the stream is cut, the same payloads come out in order, and nothing is held at the end."""
    stream = b"".join(framed(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    frames = FrameReader()
    received: list[bytes] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += frames.feed(stream[start:stop])
    assert received == payloads
    assert frames.held == 0


def test_a_frame_too_long_is_malformed_at_its_length() -> None:
    """Refused before its bytes come, also when the length itself comes in pieces."""
    with pytest.raises(Malformed, match="at most"):
        FrameReader().feed(b"\x01\x00\x00\x00")
    frames = FrameReader(max_bytes=8)
    assert frames.feed(b"\0\0") == []
    with pytest.raises(Malformed):
        frames.feed(b"\0\x09")


def test_fields_of_a_payload() -> None:
    """NUL ends a field; empty fields count; text is UTF-8."""
    assert split_fields(b"71\x002\x00\x00") == ["71", "2", ""]
    assert split_fields(b"8\x001") == ["8", "1"]
    assert split_fields(b"") == []
    assert split_fields("é\0".encode()) == ["é"]
    assert split_fields(b"\xff\0") == ["\ufffd"]
    assert split_fields(b"1" + bytes(FIELDS_MAX + 1)) == []


def test_tag_lists() -> None:
    """Algo parameters and options."""
    pairs = [("startTime", "09:43:00 US/Eastern"), ("allowPastEndTime", "1"), ("x", "a=b")]
    assert tags_of(tags_text(pairs)) == pairs
    assert tags_of("") == []
    with pytest.raises(Malformed):
        tags_of("novalue;")


@pytest.mark.parametrize(
    ("offer", "agreed"),
    [
        ((157, 178), 178),
        ((157, 176), 176),
        ((100, 157), 157),
        ((100, 225), 178),
        ((100, 156), 0),
        ((179, 200), 0),
        ((170, 160), 0),
    ],
)
def test_the_version_both_speak(offer: tuple[int, int], agreed: int) -> None:
    """min(178, client's newest), and none outside 157 to 178."""
    assert v.agreed(*offer) == agreed
