"""The morning report: read it from the warehouse, render it, write it; and the house's charts.

Commands print a report without a chart, so what draws (``charts``, ``page``) is imported by name.
A new part of the page is a new file in ``sections`` and its name in a list there.
"""

from cbi_pipeline.report.morning import MorningReport
from cbi_pipeline.report.reading import read_report

__all__ = ["MorningReport", "read_report"]
