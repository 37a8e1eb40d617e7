"""The morning report: gather it from the warehouse, render it, write it; and the house's charts."""

from cbi_pipeline.report import charts
from cbi_pipeline.report.gather import gather
from cbi_pipeline.report.morning import Morning
from cbi_pipeline.report.page import render, write

__all__ = ["Morning", "charts", "gather", "render", "write"]
