"""Batches of bars in files: overlapping ones, ones brought twice, and ones that contradict."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cbi_pipeline.ingest import IngestReport, TableRuleBroken, import_file
from cbi_pipeline.ledger import bind_warehouse
from cbi_pipeline.settings import Settings
from data_contracts.versioned import BARS
from tests.ingest.bar_feed import HOUR, SERIES, TOKYO, candle

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path) -> Settings:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(
        '[file.candles]\nmodule = "tests.ingest.bar_files"\nbrings = "Batches of candles"\n'
    )
    return Settings(_env_file=None, home=tmp_path / "home", catalogue_file=catalogue)


def batch(folder: Path, first: int, last: int, **closes: float) -> Path:
    """Candles of the hours from ``first`` to before ``last``; ``h5=…`` gives that hour's price."""
    rows = [
        {
            "when": f"{(FIRST + HOUR * number).astimezone(TOKYO):%Y-%m-%d %H:%M}",
            **candle(closes.get(f"h{number}", 500 + number % 7)),
        }
        for number in range(first, last)
    ]
    path = folder / f"{first}-{last}-{len(closes)}.json"
    path.write_text(json.dumps(rows))
    return path


def brought(settings: Settings, path: Path) -> IngestReport:
    return import_file(settings, path, kind="candles", mode="append")


def held(settings: Settings):
    with bind_warehouse(settings).read() as store:
        return store.table("raw.bar"), store.state(NOW, [SERIES.id])


def test_overlapping_batches_add_each_bar_once(settings, tmp_path):
    assert brought(settings, batch(tmp_path, 0, 200)).added == 200
    assert brought(settings, batch(tmp_path, 150, 300)).added == 100
    rows, _ = held(settings)
    assert len(rows) == 300 and set(rows["version"]) == {1}


def test_a_batch_brought_twice_writes_nothing(settings, tmp_path):
    path = batch(tmp_path, 0, 200)
    brought(settings, path)
    before = held(settings)
    assert not brought(settings, path).changed
    after = held(settings)
    assert after[0].equals(before[0]) and after[1] == before[1]


def test_a_batch_that_contradicts_an_earlier_one_makes_versions(settings, tmp_path):
    brought(settings, batch(tmp_path, 0, 200))
    assert brought(settings, batch(tmp_path, 0, 200, h5=502.5)).added == 1
    with bind_warehouse(settings).read() as store:
        rows = store.as_of(NOW, series=[SERIES.id], table=BARS)
    assert rows.filter(ts_event=FIRST + 5 * HOUR)["close"].to_list() == [502_500_000_000]


def test_a_batch_most_of_which_breaks_its_contract_is_not_used(settings, tmp_path):
    dear = {f"h{number}": 2_000_000 for number in range(50)}
    with pytest.raises(TableRuleBroken, match="50 rows break the rule bounds"):
        brought(settings, batch(tmp_path, 0, 200, **dear))
