"""Charts of the house: each function draws plain data and returns a figure.

``svg`` turns a figure into an element of a page, ``png`` into bytes for run metadata.
"""

from cbi_pipeline.report.charts.evidence import (
    Skill,
    coverage,
    feature_overview,
    loss_curve,
    reliability,
    skill,
    tenths,
)
from cbi_pipeline.report.charts.prices import Knot, against_actual, fan, history
from cbi_pipeline.report.charts.style import png, svg

__all__ = [
    "Knot",
    "Skill",
    "against_actual",
    "coverage",
    "fan",
    "feature_overview",
    "history",
    "loss_curve",
    "png",
    "reliability",
    "skill",
    "svg",
    "tenths",
]
