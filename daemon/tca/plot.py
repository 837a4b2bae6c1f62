"""One schedule as a picture: the quote with decision, orders and executions above, quantity due and done below. Inline
SVG, nothing from elsewhere. Knows coordinates, no journal.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from core.units import decimal_text, exact_text

WIDTH: Final = 920
LEFT: Final = 70
RIGHT: Final = 910
PRICE: Final = (14, 190)  # top and bottom of the panels
PROGRESS: Final = (210, 290)
HEIGHT: Final = 312


class Dot(msgspec.Struct, frozen=True, kw_only=True):
    """One execution."""

    ts_ns: int
    px_nanos: int
    how: str  # added, removed or crossed
    label: str


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One order: its limit while it stood."""

    from_ns: int
    until_ns: int
    px_nanos: int
    label: str


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn; times are UTC ns, ascending."""

    from_ns: int
    until_ns: int
    quotes: tuple[tuple[int, int, int], ...]  # time, bid, ask
    moments: tuple[tuple[str, int], ...]  # decision, arrival, end
    decision_px_nanos: int
    bars: tuple[Bar, ...]
    dots: tuple[Dot, ...]
    due: tuple[tuple[int, int], ...]  # time, quantity from then on
    done: tuple[tuple[int, int], ...]
    qty_nanos: int
    clock: tuple[str, str]  # both ends in words


class _Frame:
    """From time, price and quantity to places."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        prices = [px for _, *both in picture.quotes for px in both if px]
        prices += [dot.px_nanos for dot in picture.dots]
        prices += [picture.decision_px_nanos] if picture.decision_px_nanos else []
        low, high = min(prices, default=0), max(prices, default=1)
        room = max((high - low) // 12, 1)
        self.low, self.high = low - room, high + room

    def x(self, ts_ns: int) -> float:
        """Never outside the frame."""
        picture = self.picture
        part = (ts_ns - picture.from_ns) / max(picture.until_ns - picture.from_ns, 1)
        return round(LEFT + min(max(part, 0.0), 1.0) * (RIGHT - LEFT), 1)

    def y(self, px_nanos: int) -> float:
        """A price; one far away lies on the edge."""
        part = (self.high - px_nanos) / (self.high - self.low)
        return round(PRICE[0] + min(max(part, 0.0), 1.0) * (PRICE[1] - PRICE[0]), 1)

    def level(self, qty_nanos: int) -> float:
        """A quantity."""
        part = qty_nanos / max(self.picture.qty_nanos, 1)
        return round(PROGRESS[1] - min(max(part, 0.0), 1.0) * (PROGRESS[1] - PROGRESS[0]), 1)


def svg(picture: Picture, *, title: str) -> str:
    """The picture as an element."""
    frame = _Frame(picture)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>',
        *(_box(*panel) for panel in (PRICE, PROGRESS)),
        *_axes(frame),
        *_market(frame),
        *_trading(frame),
        *_progress(frame),
        "</svg>",
    ]
    return "".join(parts)


def _box(top: int, bottom: int) -> str:
    return f'<rect class="box" x="{LEFT}" y="{top}" width="{RIGHT - LEFT}" height="{bottom - top}"/>'


def _text(x: float, y: float, text: str, anchor: str = "end") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _axes(frame: _Frame) -> list[str]:
    picture = frame.picture
    room = max((frame.high - frame.low) // 14, 1)
    prices = (frame.low + room, (frame.low + frame.high) // 2, frame.high - room)
    parts = [_text(LEFT - 6, frame.y(px) + 4, decimal_text(px, places=3)) for px in prices]
    parts += [_text(LEFT - 6, frame.level(qty) + 4, exact_text(qty)) for qty in (0, picture.qty_nanos)]
    parts += [_text(LEFT, HEIGHT - 6, picture.clock[0], "start"), _text(RIGHT, HEIGHT - 6, picture.clock[1])]
    for name, ts_ns in picture.moments:
        x = frame.x(ts_ns)
        parts.append(f'<line class="moment" x1="{x}" x2="{x}" y1="{PRICE[0]}" y2="{PROGRESS[1]}"/>')
        parts.append(_text(x + 3, PRICE[1] + 13, name, "start"))
    return parts


def _market(frame: _Frame) -> list[str]:
    known = [(frame.x(ts_ns), frame.y(bid), frame.y(ask)) for ts_ns, bid, ask in frame.picture.quotes if bid and ask]
    if not known:
        return []
    band = [f"{x},{bid}" for x, bid, _ in known] + [f"{x},{ask}" for x, _, ask in reversed(known)]
    mid = " ".join(f"{x},{(bid + ask) / 2:.1f}" for x, bid, ask in known)
    return [f'<polygon class="band" points="{" ".join(band)}"/>', f'<polyline class="mid" points="{mid}"/>']


def _trading(frame: _Frame) -> list[str]:
    picture = frame.picture
    parts = []
    if picture.decision_px_nanos:
        y = frame.y(picture.decision_px_nanos)
        parts.append(f'<line class="decision" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>')
    for bar in picture.bars:
        if frame.low <= bar.px_nanos <= frame.high:
            x, y, end = frame.x(bar.from_ns), frame.y(bar.px_nanos), frame.x(bar.until_ns)
            parts.append(
                f'<line class="order" x1="{x}" x2="{max(end, x + 1.5)}" y1="{y}" y2="{y}">'
                f"<title>{escape(bar.label)}</title></line>"
            )
    parts += [
        f'<circle class="{dot.how}" cx="{frame.x(dot.ts_ns)}" cy="{frame.y(dot.px_nanos)}" r="3.5">'
        f"<title>{escape(dot.label)}</title></circle>"
        for dot in picture.dots
    ]
    return parts


def _progress(frame: _Frame) -> list[str]:
    parts = []
    for name, steps in (("due", frame.picture.due), ("done", frame.picture.done)):
        if steps:
            parts.append(f'<polyline class="{name}" points="{_stairs(frame, steps)}"/>')
    return parts


def _stairs(frame: _Frame, steps: Sequence[tuple[int, int]]) -> str:
    places, level = [], frame.level(0)
    for ts_ns, qty in steps:
        x = frame.x(ts_ns)
        places += [f"{x},{level}", f"{x},{frame.level(qty)}"]
        level = frame.level(qty)
    return " ".join([*places, f"{frame.x(frame.picture.until_ns)},{level}"])
