"""The clock's offset from answers in whole seconds: never more than the truth, and close to it before long."""

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.ib.offset import ANSWERS_KEPT, OffsetEstimate
from core.units import NANO

BASE = 1_700_000_000 * NANO


def answer(estimate: OffsetEstimate, *, sent: int, trip: int, offset: int) -> int:
    """One question at `sent` by our clock, which is `offset` ahead; the broker reads its clock halfway."""
    broker = sent + trip // 2 - offset
    return estimate.take(sent_ns=sent, received_ns=sent + trip, broker_second_ns=broker // NANO * NANO)


@settings(max_examples=60, deadline=None)
@given(
    offset=st.integers(-5 * NANO, 5 * NANO),
    waits=st.lists(st.tuples(st.integers(1, 12 * NANO), st.integers(0, NANO // 5)), min_size=1, max_size=20),
)
def test_it_never_says_more_than_is_so(offset: int, waits: list[tuple[int, int]]) -> None:
    """Whatever the moments and round trips: same sign, not larger."""
    estimate, now = OffsetEstimate(), BASE
    for wait, trip in waits:
        now += wait
        found = answer(estimate, sent=now, trip=trip, offset=offset)
        assert 0 <= found <= offset or offset <= found <= 0
        now += trip


@settings(max_examples=40, deadline=None)
@given(offset=st.integers(-3 * NANO, 3 * NANO), phase=st.integers(0, NANO))
def test_it_is_close_after_a_few_answers(offset: int, phase: int) -> None:
    """Questions spread over the second leave little room: within a tenth of a second of the truth, or zero."""
    estimate, found = OffsetEstimate(), 0
    for number in range(ANSWERS_KEPT):
        sent = BASE + phase + number * (10 * NANO + 83_333_333)
        found = answer(estimate, sent=sent, trip=NANO // 100, offset=offset)
    assert abs(found - offset) <= NANO // 10 + NANO // 100


def test_a_step_of_the_clock_starts_anew() -> None:
    """Answers that no one offset explains: the newest counts."""
    estimate = OffsetEstimate()
    assert answer(estimate, sent=BASE, trip=0, offset=0) == 0
    assert answer(estimate, sent=BASE + NANO, trip=0, offset=10 * NANO) >= 9 * NANO
