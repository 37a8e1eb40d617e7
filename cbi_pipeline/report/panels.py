"""A chart with the words around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Central bands that are drawn and written out, in percent.
LEVELS = (50, 80, 90)


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart, its title, and one sentence on what it shows."""

    title: str
    caption: str
    svg: Markup


def draw_panel(key: str, title: str, caption: str, draw: Callable[[], Figure]) -> Panel:
    """A chart, or why there is none: the rest of the report is as good without it.

    Args:
        key: letters, digits and hyphens, unique on the page.
        title: name of the chart.
        caption: what it shows, in a sentence.
        draw: draws it.
    """
    from cbi_pipeline.report import charts

    try:
        svg = charts.svg(draw(), key=key, title=title, description=caption)
    except Exception as error:
        why = f"{caption}. This chart could not be drawn: {type(error).__name__}: {error}"
        return Panel(title, why, Markup(""))
    return Panel(title, caption, Markup(svg))
