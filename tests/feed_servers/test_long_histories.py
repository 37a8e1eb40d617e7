"""A pull too long to hold is judged and written in parts, and comes to the same."""

import random
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.feeds import eia
from cbi_pipeline.feeds.eia_series import SERIES
from cbi_pipeline.ingest import _stage, _validate, rebuild
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import eia_installation

CODES = ("RWTC", "RBRTE", "RNGWHHD", "EER_EPD2F_PF4_Y35NY_DPG")
TABLES = ("raw.observation", "quarantine.row", "ref.release", "ledger.txn", "ref.series")
LIMITS = ((_stage, "MANY", 25), (_validate, "MANY", 25), (_stage, "_PENDING", 50))
BEGIN = datetime(2020, 4, 20, 3, 0, tzinfo=UTC)
NIGHTS = (0, 20)


def publish_all(server: EiaServer, chance: random.Random) -> None:
    """Prices of every series; some are words, missing, restated or withdrawn."""
    for offset in range(100):
        day = date(2020, 1, 6) + timedelta(days=offset)
        if day.weekday() > 4:
            continue
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=6)
        for code in CODES:
            text = chance.choice([*[f"{chance.uniform(1, 3):.3f}"] * 60, None, "dear"])
            server.publisher.publish(at, code, day, text)
            if chance.random() < 0.15:
                change = chance.choice(["2.5", server.publisher.WITHDRAWN])
                later = at + timedelta(days=chance.randint(1, 60))
                server.publisher.publish(later, code, day, change)


@pytest.mark.slow
def test_nights_judged_in_parts_leave_the_tables_that_whole_ones_leave(tmp_path, monkeypatch):
    with EiaServer() as server:
        publish_all(server, random.Random(3))
        whole = eia_installation(tmp_path / "whole", server, CODES, page=70)
        parts = eia_installation(tmp_path / "parts", server, CODES, page=70)
        for night in NIGHTS:
            now = server.publisher.now = BEGIN + timedelta(days=night)
            whole.night(now)
        for module, name, rows in LIMITS:
            monkeypatch.setattr(module, name, rows)
        for night in NIGHTS:
            now = server.publisher.now = BEGIN + timedelta(days=night)
            parts.night(now)
    assert len(whole.table("quarantine.row"))
    assert whole.table("raw.observation")["version"].max() > 1
    for name in TABLES:
        assert parts.table(name).equals(whole.table(name)), name
    done = rebuild(parts.ledger, parts.warehouse, {"eia": parts.feed})
    assert done.state == whole.table("ledger.txn")["state_after"][-1]


@given(
    frames=st.lists(st.lists(st.sampled_from([*CODES, "UNKNOWN"]), max_size=8), min_size=1),
    pending=st.integers(1, 9),
)
def test_rows_put_down_come_back_by_block_in_their_order(tmp_path_factory, frames, pending):
    feed = eia.source(series=[one for one in SERIES if one.code in CODES])
    pull = feed.pulls(feed.series, {}, date(2020, 6, 4))[0]
    blocks = _stage.Blocks.of(feed, pull)
    spool = _stage.Spool(blocks, tmp_path_factory.getbasetemp())
    rows = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stage, "_PENDING", pending)
        for names in frames:
            new = [
                (f"EIA.{name}", date(2020, 1, 6) + timedelta(days=len(rows) + place))
                for place, name in enumerate(names)
            ]
            spool.put(pl.DataFrame(new, {"series_id": pl.String, "period": pl.Date}, orient="row"))
            rows += new
    first = min(blocks.members)
    for block in blocks.members:
        put = [row for row in rows if blocks.numbers.get(row[0], first) == block]
        assert spool.take([block]).rows() == put
        assert spool.sizes()[block] == len(put)
