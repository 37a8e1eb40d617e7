"""Read a morning's report out of the published warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.report.commodities import read_commodities
from cbi_pipeline.report.morning import MorningReport, Section
from cbi_pipeline.report.sections import find_sections
from cbi_pipeline.report.source import ReportSource, find_newest_as_of
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Store


def read_report(
    store: Store,
    catalogue: Catalogue,
    settings: Settings,
    *,
    as_of: datetime | None = None,
    modified: Sequence[str] = (),
    sections: Sequence[Section[Any]] | None = None,
) -> MorningReport:
    """Everything the report of one as-of instant shows.

    Args:
        store: a published snapshot (``Warehouse.read()``).
        catalogue: commodities to show, in order.
        settings: tells a demonstration on closed records from a live report.
        as_of: instant of the live forecasts or abstentions to show; the newest by default.
        modified: archive files that differ from what was shipped.
        sections: sections to read; all of the page by default.

    Raises:
        ValueError: nothing was ever issued, or nothing at ``as_of``.
    """
    source = ReportSource(store, catalogue, as_of or find_newest_as_of(store))
    if source.current.is_empty() and source.abstentions.is_empty():
        raise ValueError(f"nothing was issued as of {as_of}")
    return MorningReport(
        as_of=source.as_of,
        issued_at=source.issued_at,
        demonstration=not settings.has_services,
        modified=tuple(modified),
        state=source.current["state"][-1] if source.current.height else "",
        model_version=source.model_version,
        model=source.model,
        commodities=read_commodities(source),
        parts={
            section.name: section.read(source)
            for section in (find_sections() if sections is None else sections)
        },
    )
