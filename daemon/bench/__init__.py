"""`quantd bench`: the speed of the public steps, one JSON object per line. Goals are those of docs/performance.md."""

import json
from collections.abc import Callable, Iterator
from typing import Final

from core.errors import ConfigError
from daemon.bench.samples import Line, reference_line

Bench = Callable[[], Iterator[Line]]


def main(names: list[str], *, as_json: bool) -> int:
    """Run the named benches (all without a name) and print their lines; returns 0. Raises ConfigError on a name."""
    chosen: dict[Bench, None] = {}
    wanted: set[str] = set()
    for name in names or list(BENCHES):
        bench = BENCHES.get(name.partition(".")[0])
        if bench is None:
            raise ConfigError(f"bench: {name!r} is unknown; use one of {', '.join(BENCHES)}")
        chosen[bench] = None
        wanted.update((name, *BESIDE.get(name.partition(".")[0], ())))
    for bench in chosen:
        for line in bench():
            if not names or line["name"] in wanted or line["name"].partition(".")[0] in wanted:
                print(json.dumps(line) if as_json else text_of(line), flush=True)
    return 0


def text_of(line: Line) -> str:
    """A line for people: what was measured, then what was wanted."""
    numbers = {name: value for name, value in line.items() if name not in ("name", "goal", "met", "port", "data")}
    shown = "  ".join(f"{name} {_number(value)}" for name, value in numbers.items())
    verdict = f"  [{'met' if line['met'] else 'NOT MET'}: {line['goal']}]" if line.get("goal") else ""
    return f"{line['name']:<22} {shown}{verdict}"


def _number(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _orders() -> Iterator[Line]:
    from daemon.bench import orders, tape

    yield reference_line()
    yield orders.fsync()
    yield from orders.tick_to_order()
    yield from tape.natural()


def _gate() -> Iterator[Line]:
    from daemon.bench import orders

    yield from orders.gate()


def _monitor() -> Iterator[Line]:
    from daemon.bench import risk

    yield from risk.monitor()


def _risk_worker() -> Iterator[Line]:
    from daemon.bench import risk

    yield from risk.worker()


def _replay() -> Iterator[Line]:
    from daemon.bench import tape

    yield tape.replay()


def _scored() -> Iterator[Line]:
    from daemon.bench import scored

    yield reference_line()
    yield from scored.tick_to_order()
    yield from scored.natural()


def _replay_model() -> Iterator[Line]:
    from daemon.bench import scored

    yield scored.replay()


def _recover() -> Iterator[Line]:
    from daemon.bench import tape

    yield from tape.recover_lines()


def _memory() -> Iterator[Line]:
    from daemon.bench import tape

    yield tape.memory()


def _follow() -> Iterator[Line]:
    from daemon.bench import follow

    yield from follow.follow()


def _tca() -> Iterator[Line]:
    from daemon.bench import tca

    yield from tca.tca()


def _parents() -> Iterator[Line]:
    from daemon.bench import parents

    yield from parents.parents()


def _features() -> Iterator[Line]:
    from daemon.bench import features

    yield from features.features()


def _score() -> Iterator[Line]:
    from daemon.bench import learned

    yield reference_line()
    yield learned.score()


def _matrix() -> Iterator[Line]:
    from daemon.bench import learned

    yield from learned.matrix()


def _wire() -> Iterator[Line]:
    from daemon.bench import wire

    yield reference_line()
    yield from wire.wire()


def _kill() -> Iterator[Line]:
    from daemon.bench import kill

    yield reference_line()
    yield from kill.kill()


def _gateway() -> Iterator[Line]:
    from daemon.bench import gateway

    yield from gateway.stream()


BESIDE: Final = {
    "wire": ("reference",),
    "kill": ("reference",),
    "parents": ("reference",),
    "tca": ("reference",),
    "tick_to_order": ("reference", "fsync"),
    "features": ("reference",),
    "score": ("reference",),
    "step_score": ("reference",),
    "tick_to_order_model": ("reference",),
}  # what its numbers are read against
BENCHES: Final[dict[str, Bench]] = {
    "reference": _orders,
    "fsync": _orders,
    "step_quote": _orders,
    "gate": _gate,
    "monitor": _monitor,
    "risk_worker": _risk_worker,
    "features": _features,
    "tick_to_order": _orders,
    "replay": _replay,
    "score": _score,
    "step_score": _scored,
    "tick_to_order_model": _scored,
    "replay_model": _replay_model,
    "matrix": _matrix,
    "recover": _recover,
    "memory": _memory,
    "follow": _follow,
    "tca": _tca,
    "parents": _parents,
    "wire": _wire,
    "kill": _kill,
    "gateway": _gateway,
}
