"""A live source of hourly bars that ships nowhere: candles of a quay, by the clock of Tokyo."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl

from cbi_pipeline.feeds.source import Answer, Parsed, Pull, Series, Service, Source
from data_contracts.versioned import BARS
from tests.feed_servers.server import FeedServer, Reply

TOKYO = ZoneInfo("Asia/Tokyo")
HOUR = timedelta(hours=1)
#: What the quay gives for a price that is undefined.
UNDEFINED = 2**63 - 1
SERIES = Series(
    id="QUAY.RICE.1h",
    code="RICE",
    family="quay_rice",
    name="Rice at the quay, hourly",
    unit="USD/t",
    frequency="daily",
    group="candles",
    since=date(2024, 3, 1),
    dimensions={"dataset": "QUAY", "instrument": "RICE", "width": "1h"},
)


def candle(close: float, volume: int = 10) -> dict[str, object]:
    return {"o": close, "h": close + 2, "l": close - 2, "c": close, "v": volume}


@dataclass
class Quay(FeedServer):
    """Answers ``[{"when": "2024-03-01 09:00", "o": …, "h": …, "l": …, "c": …, "v": …}, …]``."""

    candles: list[tuple[datetime, dict[str, object]]] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def answer(self, asked):
        first, last = date.fromisoformat(asked.one("from")), asked.one("to")
        rows = [
            {"when": f"{start.astimezone(TOKYO):%Y-%m-%d %H:%M}", **one}
            for start, one in self.candles
            if first <= start.date() and (last is None or start.date() <= date.fromisoformat(last))
        ]
        return Reply(200, json.dumps(rows).encode())


class OnePage:
    def add(self, answer: Answer) -> str | None:
        return None


def source(base: str) -> Source:
    def asking(first: date, last: date | None = None) -> Pull:
        until = f"&to={last}" if last else ""
        url = f"{base}/candles?from={first}{until}"
        return Pull(f"candles from {first}", url, (SERIES.id,), first, last)

    def pulls(asked, held, today):
        newest = held.get(SERIES.id)
        return [asking(newest - timedelta(days=30) if newest else SERIES.since)]

    return Source(
        name="quay",
        title="Candles of the quay",
        zone=TOKYO,
        series=(SERIES,),
        pulls=pulls,
        parse=parse,
        table=BARS,
        service=Service(
            base=base,
            credential=None,
            per_second=1000,
            proof=lambda pull: OnePage(),
            refusal=lambda answer: None,
            probe=f"{base}/candles?from=2024-03-01",
            alone=lambda names, period: asking(period, period),
        ),
    )


def parse(answer: Answer) -> Parsed:
    rows = []
    for place, row in enumerate(json.loads(answer.body)):
        start = _start(row["when"])
        rows.append(
            {
                "series_id": SERIES.id,
                "ts_event": start,
                **{name: _nano(row[name[0]]) for name in ("open", "high", "low", "close")},
                "volume": row["v"],
                "unit": SERIES.unit,
                "status": "value",
                "available_at": start and start + HOUR,
                "available_basis": "assumed",
                "locator": f"[{place}]",
                "row_json": json.dumps(row),
            }
        )
    return Parsed(pl.DataFrame(rows, schema=BARS.parsed.dtypes))


def _start(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=TOKYO).astimezone(UTC)
    except ValueError:
        return None


def _nano(price: float) -> int | None:
    return None if price == UNDEFINED else int(Decimal(str(price)) * 10**9)
