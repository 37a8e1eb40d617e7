"""Writing the morning report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cbi_pipeline.feeds.archive import read_record
from cbi_pipeline.operations.pipeline import Pipeline


def write_report(pipeline: Pipeline, as_of: datetime) -> Path:
    """Write the page of an as-of instant; it is the latest where nothing was issued later.

    Returns:
        The file.
    """
    from cbi_pipeline.report import read_report
    from cbi_pipeline.report.page import write_pages

    settings = pipeline.settings
    with pipeline.warehouse.read() as store:
        report = read_report(
            store,
            pipeline.catalogue,
            settings,
            as_of=as_of,
            modified=read_record(settings.archive_dir).modified,
        )
    return write_pages(report, settings.reports_dir, newest=as_of == pipeline.newest_issue())
