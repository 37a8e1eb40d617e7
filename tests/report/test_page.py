"""The rendered report: self-contained, complete, faithful to its input, safe."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import polars as pl
import pytest

from cbi_pipeline.catalogue import NAIVE
from cbi_pipeline.report import MorningReport, charts, formats
from cbi_pipeline.report.charts.strip import strip
from cbi_pipeline.report.page import render_report, write_pages
from cbi_pipeline.report.sections import data, model, outlook, skill, track_record
from cbi_pipeline.report.sections.data import DataStatus
from cbi_pipeline.report.sections.method import Proof
from cbi_pipeline.report.sections.model import Decision, Decisions
from cbi_pipeline.report.sections.track_record import TrackRecord
from cbi_pipeline.report.skill import Evidence, Score
from tests.report.mornings import gasoline, morning, oil, with_part

VOID = {"meta", "br", "hr", "img", "link", "input", "path", "rect", "use"}


class Reader(HTMLParser):
    """Collects tags, attributes and the text of the document."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def words(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(read(page).text).replace("\u00a0", " "))


@pytest.fixture(scope="module")
def given() -> MorningReport:
    return morning()


@pytest.fixture(scope="module")
def page(given) -> str:
    return render_report(given)


@pytest.fixture(scope="module")
def slim(given) -> MorningReport:
    """One commodity, one horizon, no track record: renders fast."""
    commodity = gasoline()
    first = replace(commodity, forecasts=commodity.forecasts[:1])
    bare = with_part(given, track_record.SECTION, TrackRecord(replays={}))
    return with_part(replace(bare, commodities=(first,)), skill.SECTION, Evidence())


def test_nothing_is_loaded_from_anywhere(page):
    reader = read(page)
    assert "http" not in page
    assert "@import" not in page
    assert not {"script", "link", "iframe", "img", "object", "embed"} & {t for t, _ in reader.tags}
    addresses = [
        value
        for _, attributes in reader.tags
        for name, value in attributes.items()
        if name in {"src", "href", "action", "srcset", "data", "poster"}
    ]
    assert addresses
    assert all(str(value).startswith("#") for value in addresses)
    assert not re.search(r"url\((?!#)", page)
    assert not [n for _, a in reader.tags for n in a if n.startswith("on")]


def test_document_is_well_formed_with_unique_ids_and_working_links(page):
    reader = read(page)
    assert reader.open == []
    assert reader.unbalanced == []
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(a["href"])[1:] for tag, a in reader.tags if tag == "a"}
    assert links <= set(ids)
    named = {i for _, a in reader.tags for i in str(a.get("aria-labelledby") or "").split()}
    assert named <= set(ids)


def test_every_chart_is_named_or_hidden_from_screen_readers(page):
    svgs = [attributes for tag, attributes in read(page).tags if tag == "svg"]
    assert len(svgs) > 15
    assert all(("aria-labelledby" in a) != (a.get("aria-hidden") == "true") for a in svgs)


@pytest.mark.slow
def test_same_morning_gives_the_same_bytes(given, page):
    assert render_report(given) == page


def test_every_outlook_shows_its_figures_as_given(given, page):
    shown = words(page)
    for commodity in given.commodities:
        assert formats.money(commodity.price, commodity.unit).replace("\u00a0", " ") in shown
        for one in commodity.forecasts:
            ranges = [formats.span(*one.band(p), commodity.unit) for p in (50, 80, 90)]
            day = formats.day(one.target).replace("\u00a0", " ")
            passed = " target date already passed" if one.passed else ""
            line = (
                f"{day}{passed} {formats.price(one.median, commodity.unit)} {' '.join(ranges)} "
                f"{formats.percent(one.up)} {formats.chance(one.up)}"
            )
            assert line.replace(formats.NARROW, " ") in shown.replace(formats.NARROW, " ")


@pytest.mark.parametrize("level", [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
def test_no_shown_level_is_taken_from_another(slim, level):
    (commodity,) = slim.commodities
    odd = {**commodity.forecasts[0].quantiles, level: 1.2345}
    changed = replace(commodity, forecasts=(replace(commodity.forecasts[0], quantiles=odd),))
    assert words(render_report(slim)).count("1.234") == 0
    assert words(render_report(replace(slim, commodities=(changed,)))).count("1.234") >= 1


def test_strips_of_a_commodity_share_one_scale_and_mark_median_and_last_price(slim):
    first = slim.commodities[0].forecasts[0]
    wide = replace(first, quantiles={k: v + 10 * (k - 0.5) for k, v in first.quantiles.items()})
    commodity = replace(slim.commodities[0], forecasts=(first, wide), price=first.median + 0.5)
    scale = wide.band(90)
    assert outlook.draw_strips(commodity) == [
        strip({p: one.band(p) for p in (50, 80, 90)}, one.median, commodity.price, scale)
        for one in (first, wide)
    ]


def test_what_moved_shows_before_now_and_the_difference(given, page):
    shown = words(page)
    for commodity in given.commodities:
        before, unit = commodity.before, commodity.unit
        difference = formats.change(commodity.price - before.price, unit, commodity.price)
        assert (
            f"Last price {formats.price(before.price, unit)} "
            f"{formats.price(commodity.price, unit)} {difference}"
        ) in shown


def test_carried_forecast_says_that_there_is_no_new_price(slim):
    (commodity,) = slim.commodities
    carried = replace(commodity, before=replace(commodity.before, origin=commodity.origin))
    shown = words(render_report(replace(slim, commodities=(carried,))))
    assert "No new price since the forecast of 5 Feb 2020: its origin is carried on." in shown


def test_first_forecast_says_that_nothing_came_before(slim):
    (commodity,) = slim.commodities
    assert "first live forecast" in words(
        render_report(replace(slim, commodities=(replace(commodity, before=None),)))
    )


def test_scores_show_every_figure_with_its_interval(given, page):
    shown = words(page).replace(formats.NARROW, " ")
    for score in given.part(skill.SECTION).scores:
        decimals = {"crps": 2, "mae": 2, "coverage_80": 0, "hit_rate": 0, "width_80": 1}
        if score.metric in decimals:
            write_out = lambda v, d=decimals[score.metric]: formats.percent(v, d)  # noqa: E731
        else:
            write_out = formats.signed_percent
        text = f"{write_out(score.value)} {write_out(score.low)} to {write_out(score.high)}"
        value, low, high = re.findall(r"[^ ]+(?=\u202f%)", text)
        assert f"{value} % {low} to {high} " in shown


def test_data_and_model_figures_are_shown_as_given(given, page):
    shown = words(page).replace(formats.NARROW, " ")
    for expected in (
        "81,463 81,460 64,187 3 0 8,240",
        "100 %",
        "37 %",
        "3 Jan 2019 9 Jan 2019, 21:30 New York (02:30 UTC) assumed",
        "5e5e5e5e5e5e",
        "c0ffeec0ffee",
        "9f" * 32,
        "be" * 32,
        "7,878 rows",
        '{"DATE": "2008-07-03", "DCOILWTICO": "n/a"}',
        "value_is_a_number",
        "No skill shown: the champion stays.",
        given.part(model.SECTION).gate[0].reason,
        given.model.note,
    ):
        assert expected in shown


def test_demonstration_carries_its_banner_in_the_agreed_words(slim):
    assert "historical demonstration, data as of 12 Feb 2020" in words(render_report(slim))
    live = words(render_report(replace(slim, demonstration=False)))
    assert "historical demonstration" not in live


def test_modified_archive_raises_the_red_banner_and_names_the_files(slim):
    changed = render_report(replace(slim, modified=("a.csv", "b.csv")))
    assert 'role="alert"' in changed
    assert "The archive was modified. These files differ" in words(changed)
    assert "a.csv" in changed
    assert "b.csv" in changed
    assert 'role="alert"' not in render_report(slim)


def test_no_skill_is_said_at_the_top_unless_the_evidence_shows_it(slim):
    shown = words(render_report(slim))
    assert shown.index("No skill shown.") < shown.index("Target date")
    where = {"recipe": "proven", "commodity": "*", "horizon": "*", "count": 300}

    def page(low: float | None) -> str:
        scores = tuple(
            Score(**where, metric=f"skill_vs_{name}", value=0.03, low=low, high=0.05)
            for name in NAIVE
        )
        evidence = Evidence(scores=scores, in_use="proven")
        return words(render_report(with_part(slim, skill.SECTION, evidence)))

    assert "No skill shown." not in page(0.01)
    assert "No skill shown." in page(-0.01)
    assert "No skill shown." in page(None)


def test_abstention_is_shown_in_words_and_without_a_forecast(slim):
    reason = "newest price is of 2019-01-03, 405 days before 2020-02-12; the limit is 21 days"
    silent = replace(
        oil(),
        forecasts=(),
        origin=None,
        price=None,
        before=None,
        abstention=reason,
        note=None,
    )
    shown = words(render_report(replace(slim, commodities=(silent, *slim.commodities))))
    assert f"WTI crude oil, Cushing spot: no forecast. N{reason[1:]}." in shown
    assert "target date already passed" not in shown


@pytest.mark.parametrize("status", ["abstains", "waits", "cannot be forecast"])
def test_the_page_tells_what_has_to_be_mended_from_what_has_not(slim, status):
    silent = replace(slim.commodities[0], forecasts=(), abstention="because", status=status)
    shown = words(render_report(replace(slim, commodities=(silent,))))
    assert f"no forecast. Because. {status}" in shown


def test_a_chart_that_cannot_be_drawn_says_so_and_the_rest_stands(slim, monkeypatch):
    def fan(*arguments, **options):
        raise ValueError("no such colour")

    monkeypatch.setattr(charts, "fan", fan)
    shown = words(render_report(slim))
    assert "This chart could not be drawn: ValueError: no such colour" in shown
    assert "Track record" in words(render_report(morning()))


def test_a_morning_on_which_everything_abstained_still_renders(given):
    silent = tuple(
        replace(p, forecasts=(), origin=None, price=None, before=None, abstention="x")
        for p in given.commodities
    )
    empty = {
        "track_record": TrackRecord(replays={}), "skill": Evidence(), "model": Decisions(),
        "data": DataStatus(), "method": Proof(), "outlook": None, "markets": None,
    }  # fmt: skip
    bare = MorningReport(
        as_of=given.as_of,
        demonstration=False,
        commodities=silent,
        model_version=None,
        parts=empty,
    )
    shown = words(render_report(bare))
    assert "No decision has been taken yet." in shown
    assert "No walk-forward evaluation has been run yet" in shown
    assert "every row received kept its contract" in shown


def test_the_page_names_who_decided_by_hand_and_what_the_refresh_came_to(given):
    promoted = Decision(
        verdict="promote", reason="the desk knows this network", recipe="gru",
        champion="prior", decided_at=given.as_of, who="ada",
    )  # fmt: skip
    held = replace(promoted, verdict="hold", reason="CRPS +4 %", who="refresh")
    decided = Decisions(by_hand=(promoted,), refresh=held)
    shown = words(render_report(with_part(replace(given, commodities=()), model.SECTION, decided)))
    assert "the desk knows this network" in shown
    assert "by hand: ada" in shown
    assert "Held back: the version in use stays. CRPS +4 %" in shown


def test_the_page_names_the_round_the_settings_and_the_code_that_the_gate_judged(given):
    judged = Decision(
        verdict="keep", reason="no gain shown", recipe="gru", champion="prior",
        decided_at=given.as_of, who="gate", round_id="aa" * 32, recipe_id="bb" * 32,
        code="cc" * 32,
    )  # fmt: skip
    page = with_part(replace(given, commodities=()), model.SECTION, Decisions(gate=(judged,)))
    named = words(render_report(page))
    for own in ("aa", "bb", "cc"):
        assert formats.short_hash(own * 32) in named


def test_a_decision_of_an_earlier_release_names_calibrated_variants_by_that_word():
    rows = pl.DataFrame(
        [
            {
                "verdict": "keep", "recipe": "gru", "champion": "prior", "who": "gate",
                "reason": "Among the best: prior+conformal, gru.", "as_of": None,
                "decided_at": datetime(2019, 1, 1, tzinfo=UTC),
                "recipe_id": None, "code": None, "round_id": None,
            }
        ]
    )  # fmt: skip
    (decision,) = model._to_decisions(rows)
    assert decision.reason == "Among the best: prior (calibrated), gru."


HOSTILE = "<script>alert('x')</script>\"&</style></svg>\x1b[31m\u202e"


def poisoned(value):
    """The same plain data with every text made hostile."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, tuple):
        return tuple(poisoned(one) for one in value)
    if isinstance(value, Mapping):
        return {name: poisoned(one) for name, one in value.items()}
    if dataclasses.is_dataclass(value):
        kept = {"horizon", "metric", "verdict", "commodity", "id", "horizons"}
        return replace(
            value,
            **{
                field.name: poisoned(getattr(value, field.name))
                for field in dataclasses.fields(value)
                if field.name not in kept
            },
        )
    return value


def test_hostile_text_anywhere_in_the_data_stays_text(given):
    hostile = poisoned(given)
    counted = replace(hostile.part(data.SECTION), quarantined={"rule" + HOSTILE: 2})
    page = render_report(with_part(hostile, data.SECTION, counted))
    reader = read(page)
    assert not {"script"} & {tag for tag, _ in reader.tags}
    assert page.count("</style>") == 1
    assert reader.open == []
    assert reader.unbalanced == []
    assert "alert('x')" in words(page)
    assert not {"\x1b", "\u202e"} & set(page)


def test_report_is_written_dated_and_as_latest_with_the_same_bytes(slim, tmp_path):
    path = write_pages(slim, tmp_path / "reports")
    assert path.name == "morning-2020-02-12.html"
    assert path.read_text(encoding="utf-8") == render_report(slim)
    assert (path.parent / "latest.html").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in path.parent.iterdir()) == ["latest.html", path.name]


def test_report_that_cannot_be_rendered_leaves_the_last_one_in_place(slim, tmp_path):
    write_pages(slim, tmp_path)
    before = (tmp_path / "latest.html").read_bytes()
    thin = replace(slim.commodities[0].forecasts[0], quantiles={0.5: 40.0})
    broken = replace(slim, commodities=(replace(slim.commodities[0], forecasts=(thin,)),))
    with pytest.raises(ValueError, match="quantile"):
        write_pages(broken, tmp_path)
    assert (tmp_path / "latest.html").read_bytes() == before
