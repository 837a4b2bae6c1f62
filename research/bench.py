"""`python -m research.bench`, a TrainJob on stdin: how long its feed takes to become a training matrix, as one line of
JSON. `quantd bench matrix` starts it.
"""

import json
import sys
from time import perf_counter

from core.errors import QuantdError
from research.job import decode_job
from research.progress import Bars
from research.reading import collector_of, read_samples
from research.table import training_table


def main() -> int:
    """Entry point: files to labelled matrix, kernels loaded before; returns the exit status."""
    try:
        job = decode_job(sys.stdin.buffer.read())
        began = perf_counter()
        read = read_samples(job, lambda expected: collector_of(job, expected=expected), Bars(None))
        table = training_table(read.tape, job.train)
        spent = perf_counter() - began
    except QuantdError as fault:
        print(str(fault), file=sys.stderr)
        return 1
    found = {
        "events": read.rows_read,
        "rows": read.tape.rows,
        "samples": len(table.ts_ns),
        "inputs": table.values.shape[1],
    }
    print(json.dumps(found | {"s": round(spent, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
