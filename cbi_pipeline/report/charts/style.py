"""One look for every chart: palette, type, panel sizes, and crisp inline SVG or PNG.

Panels are drawn at the size they are read at (390 units is a phone's width), so type keeps its
size everywhere: a wide page sets several panels side by side instead of enlarging one.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from cbi_pipeline.printable import make_printable

# Blue for what was forecast, ink for what is known, vermilion for what came out otherwise:
# told apart by lightness as well as hue, so also in grey print and with any colour vision.
INK = "#1b2530"
MUTED = "#5a6672"
RULE = "#dcd7cc"
FORECAST = "#0b4f8a"
BANDS = {50: "#5e97c6", 80: "#a3c5e0", 90: "#d3e3f0"}
OUTCOME = "#c2410c"
BETTER = "#0f766e"
NEUTRAL = "#8b95a0"
SERIES = ("#0b4f8a", "#c2410c", "#0f766e", "#a16207", "#7c3aed", "#be185d", "#4d7c0f", "#5a6672")

WIDTH, HEIGHT = 390, 250
_POINTS = 72
_LABEL_HEIGHT = 13  # a line of text
_FAMILIES = ("Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")
_STACK = "'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


def _list_installed() -> list[str]:
    names = {font.name for font in fontManager.ttflist}
    return [family for family in _FAMILIES if family in names]


RC: dict[Any, Any] = {
    "font.family": _list_installed(),
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11.5,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 11.5,
    "ytick.labelsize": 11.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "figure.dpi": _POINTS,  # so that a pixel is a unit of the panel
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "cbi",
    "legend.frameon": False,
    "date.epoch": "1970-01-01T00:00:00",
}

styled = rc_context(RC)


def figure(width: float, height: float) -> Figure:
    """An empty figure, in units of 1/72 inch."""
    layout = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.03)
    return Figure(figsize=(width / _POINTS, height / _POINTS), layout=layout)


def panel(width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """A figure of the house's size with one empty chart."""
    empty = figure(width, height)
    return empty, empty.add_subplot()


def date_axis(axes: Axes) -> None:
    """Few dates, each as short as it can be."""
    locator = AutoDateLocator(minticks=3, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def price_axis(axes: Axes) -> None:
    """Round prices, with the decimals that tell the ticks apart."""
    axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))


def end_labels(axes: Axes, x: float, labels: Mapping[str, tuple[float, str]]) -> None:
    """Names at the right end of lines, moved apart where they would cover each other.

    Args:
        axes: chart whose vertical limits are final.
        x: where the lines end.
        labels: per text, the line's last value and its colour.
    """
    bottom, top = axes.get_ylim()
    gap = (top - bottom) * _LABEL_HEIGHT / axes.bbox.height
    lowest = -np.inf
    for text, (value, colour) in sorted(labels.items(), key=lambda label: label[1][0]):
        lowest = max(value, lowest + gap)
        axes.annotate(
            text,
            (x, lowest),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            weight="bold",
        )


def _settle(figure: Figure) -> None:
    """Lay the figure out once; saving would do it twice, a third of the time a chart takes."""
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


@styled
def png(figure: Figure, title: str = "") -> bytes:
    """A chart as PNG on white, at twice its size, with its title drawn in."""
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    buffer = io.BytesIO()
    _settle(figure)
    figure.savefig(buffer, format="png", dpi=2 * _POINTS, facecolor="white")
    return buffer.getvalue()


@styled
def svg(figure: Figure, *, key: str, title: str, description: str) -> str:
    """A chart as an SVG element to set into a page.

    The same chart gives the same text. Nothing in it refers to another address, and its ids begin
    with ``key``, so that several charts can share a page.

    Args:
        figure: the chart.
        key: letters, digits and hyphens, unique on the page.
        title: name of the chart, read out by screen readers.
        description: what it shows, read out after the title.
    """
    buffer = io.StringIO()
    _settle(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    raw = buffer.getvalue()
    view = re.search(r'viewBox="([^"]+)"', raw)
    assert view is not None, "matplotlib writes a viewBox"
    body = _own_ids(_plain_body(raw), key)
    return (
        f'<svg viewBox="{view[1]}" role="img" aria-labelledby="{key}-t {key}-d" '
        'style="stroke-linejoin:round;stroke-linecap:butt">'
        f'<title id="{key}-t">{_escape(title)}</title>'
        f'<desc id="{key}-d">{_escape(description)}</desc>{body}</svg>'
    )


def _escape(text: str) -> str:
    return html.escape(make_printable(text))


def _plain_body(raw: str) -> str:
    body = raw[raw.index(">", raw.index("<svg")) + 1 : raw.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href").replace("<defs>\n </defs>", "")
    body = re.sub(r"(font: [^;\"]*?px) [^;\"]*", rf"\1 {_STACK}", body)
    body = re.sub(r"<[^>]*>", _shorter_coordinates, body)
    return re.sub(r"\n\s*", "\n", body).strip()


def _shorter_coordinates(tag: re.Match[str]) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", tag[0])


def _own_ids(body: str, key: str) -> str:
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))
    kept = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", body)
    pattern = r'(id="|url\(#|href="#)(' + "|".join(map(re.escape, sorted(used))) + r')(?=["\)])'
    return re.sub(pattern, rf"\1{key}-\2", kept) if used else kept
