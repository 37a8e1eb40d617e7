"""The log of what is wrong with a feed: one line per edge, whoever looks at it at once."""

import multiprocessing
from datetime import UTC, datetime

from cbi_pipeline.ingest import Fault, FaultLog

FORK = multiprocessing.get_context("fork")
AT = datetime(2020, 1, 6, 22, tzinfo=UTC)
FEEDS = [f"feed_{number}" for number in range(40)]


def tell(folder, together, told):
    log = FaultLog(folder)
    for feed in FEEDS:
        together.wait(30)
        event = log.settle(feed, [Fault(feed, "*", "FeedUnavailable", "down", "wait")], AT)
        told.put(None if event is None else feed)


def test_two_runs_that_find_one_fault_at_once_tell_of_it_once(tmp_path):
    together, told = FORK.Barrier(2), FORK.Queue()
    runs = [FORK.Process(target=tell, args=(tmp_path, together, told)) for _ in range(2)]
    for run in runs:
        run.start()
    heard = [told.get(timeout=60) for _ in range(2 * len(FEEDS))]
    for run in runs:
        run.join(60)
    assert sorted(feed for feed in heard if feed) == sorted(FEEDS)
    assert [event.feed for event in FaultLog(tmp_path).events()] == FEEDS
