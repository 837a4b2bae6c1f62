"""The gateway's market: the feed process and the reference tables of the days it covers."""

from datetime import timedelta
from typing import Final

from broker.feeds.client import FeedClient
from daemon.config import Config
from daemon.config.feed_spec import feed_spec
from daemon.reference.tables import ReferenceTables, build_reference, covered_days

HISTORY: Final = timedelta(days=400)  # sessions before the feed, for clients that ask for a year of daily bars


async def open_market(config: Config, *, skip_rows: int) -> tuple[FeedClient, ReferenceTables]:
    """A started feed that begins after so many rows, and the tables. Raises ConfigError, BrokerFault."""
    if config.feed.kind == "synthetic":
        first, last = covered_days(config)
        tables = build_reference(config, first=first - HISTORY, last=last)
        sessions = tables.session_table(config.instruments[0].calendar)
        spec = feed_spec(config, instruments=tables.contracts, sessions=sessions, skip_rows=skip_rows)
        return await _started(FeedClient(spec)), tables
    feed = await _started(FeedClient(feed_spec(config, instruments=(), sessions=None, skip_rows=skip_rows)))
    header = feed.header
    first, last = covered_days(config, first_ns=header.first_ns, last_ns=header.last_ns)
    return feed, build_reference(config, first=first - HISTORY, last=last)


async def _started(feed: FeedClient) -> FeedClient:
    await feed.start()
    return feed
