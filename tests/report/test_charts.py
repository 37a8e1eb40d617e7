"""Charts: valid SVG, the expected shapes, and the data where they should be."""

import re
from collections import Counter
from datetime import date, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.dates import date2num

from cbi_pipeline.report import charts, formats
from cbi_pipeline.report.charts import style
from cbi_pipeline.report.charts.evidence import chance_range
from cbi_pipeline.report.charts.strip import strip

DAYS = [date(2020, 1, 6) + timedelta(weeks=n) for n in range(80)]
PRICES = [50 + 5 * float(np.sin(n / 9)) for n in range(80)]


def knot(days: int, spread: float) -> charts.Knot:
    return charts.Knot(
        session=DAYS[-1] + timedelta(days=days),
        median=PRICES[-1] * 1.01,
        bands={
            50: (PRICES[-1] - spread, PRICES[-1] + 1.5 * spread),
            80: (PRICES[-1] - 2 * spread, PRICES[-1] + 3 * spread),
            90: (PRICES[-1] - 3 * spread, PRICES[-1] + 4.5 * spread),
        },
    )


KNOTS = [knot(7, 1.0), knot(28, 2.0), knot(91, 4.0)]


def drawings():
    hits = [n % 5 != 0 for n in range(80)]
    mask = np.arange(80 * 3).reshape(80, 3) % 7 > 0
    figures = [charts.Skill(horizon="1w", baseline="prior", value=0.01, low=-0.01, high=0.03)]
    return {
        "fan": charts.fan(DAYS, PRICES, KNOTS, "USD/bbl", actual=51.0),
        "actual": charts.against_actual(
            DAYS, [p - 2 for p in PRICES], PRICES, [p + 2 for p in PRICES], PRICES[::-1]
        ),
        "coverage": charts.coverage(DAYS, {50: hits, 80: hits, 90: hits}),
        "skill": charts.skill(figures),
        "loss": charts.loss_curve([1, 2, 3], [3.0, 2.0, 1.5], [3.1, 2.5, 2.6]),
        "history": charts.history(DAYS, PRICES, "USD/bbl"),
        "overview": charts.feature_overview(
            DAYS, ["a", "b", "c"], mask, ["wpsr", "spot"], np.ones((80, 2))
        ),
        "tenths": charts.tenths([0.12, 0.08] * 5),
        "reliability": charts.reliability([0.4, 0.5, 0.6] * 20, hits[:60]),
    }


@pytest.fixture(scope="module")
def figures():
    return drawings()


def fills(text: str) -> Counter:
    return Counter(re.findall(r"fill: (#[0-9a-f]{6})", text))


@pytest.mark.parametrize("name", list(drawings()))
def test_every_chart_is_valid_svg_that_names_and_describes_itself(figures, name):
    text = charts.svg(figures[name], key=f"k-{name}", title="A < B", description='say "so"')
    root = ElementTree.fromstring(text)
    assert root.find("title").text == "A < B"
    assert root.find("desc").text == 'say "so"'
    ids = [node.attrib["id"] for node in root.iter() if "id" in node.attrib]
    assert root.attrib["aria-labelledby"].split() == ids[:2]
    assert len(ids) == len(set(ids))
    assert all(one.startswith(f"k-{name}-") for one in ids)


@pytest.mark.parametrize("name", list(drawings()))
def test_no_chart_refers_to_anything_outside_itself(figures, name):
    text = charts.svg(figures[name], key="k", title="t", description="d")
    assert "http" not in text
    assert "<style" not in text
    targets = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    assert targets <= set(re.findall(r'id="([^"]+)"', text))
    assert not re.search(r'href="[^#]', text)


def test_the_same_chart_gives_the_same_text():
    one, two = drawings()["fan"], drawings()["fan"]
    arguments = {"key": "k", "title": "t", "description": "d"}
    assert charts.svg(one, **arguments) == charts.svg(two, **arguments)


def test_png_is_an_image_of_twice_the_size(figures):
    image = charts.png(drawings()["fan"], title="WTI")
    assert image.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(image[16:20], "big") == 2 * style.WIDTH


def test_fan_has_three_bands_one_history_and_the_outcome(figures):
    text = charts.svg(figures["fan"], key="k", title="t", description="d")
    assert [fills(text)[style.BANDS[level]] for level in (50, 80, 90)] == [1, 1, 1]
    assert "came: 51.00" in text
    assert "came" not in charts.svg(
        charts.fan(DAYS, PRICES, KNOTS, "USD/bbl"), key="k", title="t", description="d"
    )


@pytest.mark.parametrize("unit", ["USD/bbl", "USD/gal", "JPY"])
def test_fan_names_median_and_80_percent_ends_as_they_are_formatted(unit):
    figure = charts.fan(DAYS, PRICES, KNOTS, unit)
    text = charts.svg(figure, key="k", title="t", description="d")
    target = KNOTS[-1]
    for value in (target.median, *target.bands[80]):
        assert f">{formats.price(value, unit)}</text>" in text


def band_at(figure, number: int, day: date) -> tuple[float, float]:
    """Lowest and highest price of a drawn band on a day."""
    (path,) = figure.axes[0].collections[number].get_paths()
    values = [price for x, price in path.vertices if x == date2num(day)]
    return min(values), max(values)


def test_fan_bands_meet_every_forecast_exactly_and_start_at_the_last_price(figures):
    for number, level in enumerate((90, 80, 50)):
        for one in KNOTS:
            drawn = band_at(figures["fan"], number, one.session)
            assert drawn == pytest.approx(one.bands[level], rel=1e-12)
        start = band_at(figures["fan"], number, DAYS[-1])
        assert start == pytest.approx((PRICES[-1], PRICES[-1]), rel=1e-12)


def test_fan_bands_are_nested_on_every_day(figures):
    for ahead in range(1, 92):
        wide, middle, narrow = (
            band_at(figures["fan"], n, DAYS[-1] + timedelta(days=ahead)) for n in range(3)
        )
        assert wide[0] < middle[0] < narrow[0] < narrow[1] < middle[1] < wide[1]


def test_fan_history_grows_with_the_horizon_and_never_vanishes():
    week, quarter = (charts.fan(DAYS, PRICES, KNOTS[:n], "x").axes[0].lines[1] for n in (1, 3))
    assert len(week.get_xdata()) == 13
    assert len(quarter.get_xdata()) == 66
    lonely = charts.fan(DAYS[-1:], PRICES[-1:], KNOTS, "x").axes[0].lines[1]
    assert lonely.get_ydata().tolist() == PRICES[-1:]


@pytest.mark.parametrize(("sessions", "knots"), [([], KNOTS), (DAYS, [])])
def test_fan_without_history_or_forecast_is_refused(sessions, knots):
    with pytest.raises(ValueError, match="at least one"):
        charts.fan(sessions, PRICES[: len(sessions)], knots, "USD/bbl")


def test_outcomes_outside_the_band_are_the_ones_marked():
    low, high = [p - 1 for p in PRICES], [p + 1 for p in PRICES]
    actual = [p + (2 if n % 10 == 0 else 0) for n, p in enumerate(PRICES)]
    figure = charts.against_actual(DAYS, low, PRICES, high, actual)
    marked = figure.axes[0].lines[-1]
    assert marked.get_xdata().tolist() == date2num(DAYS[::10]).tolist()
    assert marked.get_ydata().tolist() == actual[::10]


@settings(deadline=None, max_examples=15)
@given(hits=st.lists(st.booleans(), min_size=3, max_size=60), window=st.integers(1, 30))
def test_coverage_line_is_the_plain_rolling_share(hits, window):
    days = DAYS[: len(hits)]
    figure = charts.coverage(days, {80: hits}, window=window)
    line = figure.axes[0].lines[1]
    width = min(window, len(hits))
    shares = [sum(hits[n - width : n]) / width for n in range(width, len(hits) + 1)]
    assert line.get_ydata().tolist() == pytest.approx(shares)
    assert line.get_xdata().tolist() == date2num(days[width - 1 :]).tolist()


def test_coverage_has_a_nominal_line_per_level_and_one_strip_of_chance(figures):
    axes = figures["coverage"].axes[0]
    flat = [line.get_ydata()[0] for line in axes.lines if len(line.get_ydata()) == 2]
    assert flat == [0.5, 0.8, 0.9]
    assert len(axes.collections) == 1


def test_chance_range_holds_at_least_nine_tenths_of_the_binomial():
    rng = np.random.default_rng(1)
    for effective in (2, 6, 26, 100):
        low, high = chance_range(0.8, effective)
        share = rng.binomial(effective, 0.8, 20000) / effective
        assert np.mean((share >= low) & (share <= high)) > 0.89


def test_overlapping_forecasts_widen_the_strip_of_chance():
    wide, narrow = chance_range(0.8, 6), chance_range(0.8, 26)
    assert wide[0] < narrow[0] < narrow[1] <= wide[1]


@pytest.mark.parametrize(
    ("low", "high", "colour"),
    [
        (0.01, 0.03, style.BETTER),
        (-0.03, -0.01, style.OUTCOME),
        (-0.01, 0.03, style.NEUTRAL),
        (None, None, style.NEUTRAL),
    ],
)
def test_skill_bar_is_coloured_only_when_its_interval_excludes_zero(low, high, colour):
    one = charts.Skill(horizon="1w", baseline="prior", value=0.01, low=low, high=high)
    (bar,) = charts.skill([one]).axes[0].patches
    assert to_rgb(bar.get_facecolor()) == to_rgb(colour)
    assert bar.get_width() == 0.01


def test_reliability_of_a_model_that_says_one_half_is_one_point():
    figure = charts.reliability([0.5] * 40, [True] * 10 + [False] * 30)
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [(p.get_xdata()[0], p.get_ydata()[0]) for p in points] == [(0.5, 0.25)]


def test_history_leaves_long_gaps_open():
    days = [*DAYS[:40], *(day + timedelta(days=90) for day in DAYS[40:])]
    lines = charts.history(days, PRICES, "USD/bbl").axes[0].lines
    assert [len(line.get_xdata()) for line in lines[:2]] == [40, 40]


@settings(deadline=None)
@given(origin=st.floats(20, 80), median=st.floats(20, 80))
def test_strip_places_its_marks_in_proportion(origin, median):
    text = strip({80: (30.0, 70.0)}, median, origin, (20.0, 80.0))
    left = float(re.search(r'<rect x="([\d.]+)"', text)[1])
    right = left + float(re.search(r'width="([\d.]+)"', text)[1])
    marks = [float(x) for x in re.findall(r"M([\d.]+) ", text)]
    expected = [2 + 176 * (price - 20) / 60 for price in (30, 70, origin, median)]
    assert [left, right, *marks] == pytest.approx(expected, abs=0.11)


def test_strip_needs_a_scale_with_extent():
    with pytest.raises(ValueError, match="extent"):
        strip({80: (1.0, 1.0)}, 1.0, 1.0, (1.0, 1.0))


def luminance(colour: str) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("ink", [style.INK, style.MUTED, style.FORECAST, style.OUTCOME])
def test_text_colours_keep_a_contrast_of_at_least_four_and_a_half(ink):
    paper = luminance("#fcfaf6")
    assert (paper + 0.05) / (luminance(ink) + 0.05) >= 4.5


def test_bands_darken_towards_the_middle_so_grey_print_tells_them_apart():
    shades = [luminance(style.BANDS[level]) for level in (50, 80, 90)]
    assert shades[0] + 0.1 < shades[1] < shades[2] - 0.1
