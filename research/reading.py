"""Reads a job's feed into samples, and keeps what the checks want to see again. Knows no label and no model."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from broker.feeds.columns import Rows
from broker.feeds.merge import ControlFact
from broker.feeds.process import open_feed
from core.profiles import PROFILES
from research.dataset import Collector, Tape, collect
from research.job import TrainJob
from research.progress import Bars
from strategies.models.card import digest_of

BEGIN_ROWS: Final = 150_000  # of the tape, kept to be run again with another future

MakeCollector = Callable[[int], Collector]  # given how many samples to expect


class Read(NamedTuple):
    """What is known of the feed when all of it was read."""

    tape: Tape
    begin: Rows
    digest: str  # of the feed's own digests
    rows_read: int  # from its sources, before a profile conflates them


def collector_of(job: TrainJob, *, expected: int) -> Collector:
    """What turns this job's rows into samples."""
    spec, settings = job.spec, job.train
    return Collector(
        profile=PROFILES[job.profile], leaders=job.leaders, sessions=job.sessions, columns=spec.columns,
        ready=spec.ready_mask, every_ns=settings.sample_ns, expected=expected,
    )  # fmt: skip


def read_samples(job: TrainJob, make: MakeCollector, shown: Bars) -> Read:
    """The whole feed, and a copy of its begin. Raises ConfigError, BrokerFault on a file that is broken."""
    feed = open_feed(job.feed)
    begin: list[Rows] = []

    def items() -> Iterator[Rows | ControlFact]:
        kept = 0
        for item in feed.items():
            if not isinstance(item, ControlFact) and kept < BEGIN_ROWS:
                begin.append(item[: BEGIN_ROWS - kept].copy())
                kept += len(begin[-1])
            yield item

    header = feed.header
    told = shown.stage("rows", header.rows_estimate)
    tape = collect(items(), make(header.rows_estimate), told=told)
    told(header.rows_estimate)
    return Read(
        tape=tape, begin=np.concatenate(begin), digest=digest_of(*(text.encode() for text in header.digests.values())),
        rows_read=sum(source.rows_read for source in feed.totals.sources),
    )  # fmt: skip
