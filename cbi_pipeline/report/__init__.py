"""The morning report: gather it from the warehouse, render it, write it; and the house's charts.

Commands print a morning without a chart, so what draws (``charts``, ``page``) is imported by name.
"""

from cbi_pipeline.report.gather import gather
from cbi_pipeline.report.morning import Morning

__all__ = ["Morning", "gather"]
