"""The cost report over many executions: a journal made by the real runner (gate, schedules, books), each order filled
in fifty pieces, then read, measured and grouped as `quantd tca` does. Making the journal is not timed.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Final

from core import events as e
from core.units import NANO
from daemon.bench.orders import MARKET, Seesaw, quiet_collector
from daemon.bench.samples import Line, judged, reference_line
from daemon.bench.world import config_of, opened, tables_of
from daemon.tca.groups import group
from daemon.tca.measure import measure
from daemon.tca.reading import read

FILLS: Final = 100_000
PIECES: Final = 50  # of an order
PIECE_NS: Final = 10_000


def tca(*, fills: int = FILLS) -> Iterator[Line]:
    """The line `tca`."""
    with TemporaryDirectory() as folder:
        config = config_of(MARKET, Path(folder))
        with opened(config, tables_of(config), Path(folder)) as world:
            seesaw = Seesaw(world)
            for order in range(fills // PIECES):
                seesaw.order_ns()
                _fill(seesaw, order)
            world.runner.flush()
            directory = world.directory
        with quiet_collector():
            began, worked = perf_counter(), process_time()
            rows = measure(read(directory))
            groups = group(rows)
            spent, worked = perf_counter() - began, process_time() - worked
    line: Line = {
        "name": "tca",
        "schedules": len(rows),
        "fills": sum(len(row.executions) for row in rows),
        "groups": len(groups),
        "s": round(spent, 3),
        "cpu_s": round(worked, 3),  # without what other work on the machine took
    }
    yield reference_line()
    yield judged(line, s=5)


def _fill(seesaw: Seesaw, number: int) -> None:
    """Execute the order that was just placed, piece by piece, each with its cost."""
    runner, placed = seesaw.world.runner, seesaw.port.placed
    assert placed is not None, "order_ns places an order"
    intent = placed.order.intent
    runner.step(e.OrderAcknowledged(order_id=intent.order_id), seesaw.ts_ns)
    each = intent.qty_nanos // PIECES  # parts of a share, too
    for piece in range(PIECES):
        qty = each if piece else intent.qty_nanos - each * (PIECES - 1)
        seesaw.ts_ns += PIECE_NS
        exec_id = f"tca.{number}.{piece}.01"
        fill = e.OrderFilled(
            order_id=intent.order_id, exec_id=exec_id, side=intent.side, qty_nanos=qty,
            px_nanos=intent.limit_px_nanos, inst=intent.inst, exchange_ts_ns=seesaw.ts_ns, liquidity=2,
        )  # fmt: skip
        runner.step(fill, seesaw.ts_ns)
        runner.step(e.CommissionReported(exec_id=exec_id, commission_nanos=NANO // 10), seesaw.ts_ns)
    seesaw.port.placed = None
