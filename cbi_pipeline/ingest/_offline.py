"""Parse a recorded answer without network, key or warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from cbi_pipeline.feeds import Answer, Parsed, Source
from cbi_pipeline.ingest._incidents import reading
from cbi_pipeline.ingest._screen import screen
from cbi_pipeline.ingest._sources import readable_sources
from cbi_pipeline.settings import load_settings


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A recorded answer as rows.

    Attributes:
        accepted: series_id, period, value, value_text, unit, status, available_at,
            available_basis, locator; rows that keep their contract.
        rejected: the same with ``rule``, ``column_name`` and ``offending``, one line per rule.
        ignored: source rows that are no observations, by reason.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    ignored: dict[str, int]


def parse_file(feed: str, path: Path, url: str | None = None) -> ParsedFile:
    """Parse and screen a recorded answer.

    Args:
        feed: a live feed or a source of files that knows its series.
        path: file with the answer's body.
        url: address it came from; by default one of the feed that fits the file.

    Raises:
        ValueError: no such feed.
        FileNotFoundError: no such file.
        FeedError: the body is no answer of that feed.
    """
    source = _source(feed)
    address = source.asked.probe if source.service is not None else f"{feed}://{path.name}"
    with reading(feed):
        parsed = source.parse(Answer(url or address, 200, {}, path.read_bytes()))
    return _screened(parsed, source)


def _source(name: str) -> Source:
    sources = readable_sources(load_settings())
    if name not in sources:
        raise ValueError(f"no feed {name!r}; feeds: {', '.join(sources)}")
    return sources[name]


def _screened(parsed: Parsed, source: Source) -> ParsedFile:
    known = {one.id: one for one in source.series}
    rows = source.table.with_period(parsed.sourced).with_columns(response_id=pl.lit("recorded"))
    own = rows.join(parsed.strangers, on="locator", how="anti", maintain_order="left")
    screened = screen(own, known, datetime.now(UTC), table=source.table)
    rejected = screened.rejected.drop("row", "contract_version", "response_id")
    strangers = rows.join(parsed.strangers, on="locator", maintain_order="left")
    return ParsedFile(
        accepted=screened.good.drop("row_json", "response_id"),
        rejected=pl.concat([strangers.select(rejected.columns), rejected]),
        ignored=dict(parsed.ignored),
    )
