"""A forecast as a strip the height of a line of text, for tables."""

from __future__ import annotations

from collections.abc import Mapping

from cbi_pipeline.report.charts.style import BANDS, FORECAST, INK

WIDTH, HEIGHT = 180, 16


def strip(
    bands: Mapping[int, tuple[float, float]],
    median: float,
    origin: float,
    scale: tuple[float, float],
) -> str:
    """Nested bands, the median and the last price on a common scale, as decorative inline SVG.

    Args:
        bands: per level in percent, low and high price.
        median: price at the median.
        origin: last price, drawn as a broken line.
        scale: prices at the strip's left and right end, equal for strips to be compared.

    Raises:
        ValueError: the scale has no extent.
    """
    left, right = scale
    if right <= left:
        raise ValueError(f"a strip needs a scale with extent, got {scale}")

    def x(price: float) -> float:
        return round(2 + (WIDTH - 4) * (price - left) / (right - left), 1)

    boxes = "".join(
        f'<rect x="{x(low)}" y="3" width="{round(x(high) - x(low), 1)}" height="10" '
        f'fill="{BANDS[level]}"/>'
        for level, (low, high) in sorted(bands.items(), reverse=True)
    )
    return (
        f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{boxes}'
        f'<path d="M{x(origin)} 0V{HEIGHT}" stroke="{INK}" stroke-dasharray="2 1.6"/>'
        f'<path d="M{x(median)} 2V14" stroke="{FORECAST}" stroke-width="2"/></svg>'
    )
