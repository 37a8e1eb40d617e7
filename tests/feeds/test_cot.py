"""Commitments of Traders: real rows, the identity they keep, and when they became public.

The rows are corn's legacy futures-only reports of June and July 2023 (CFTC, public domain): one is
dated on the Monday before a holiday, and the market code is padded as the service sends it.
"""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from cbi_pipeline.feeds import Answer, Series, UnexpectedShape, cftc
from cbi_pipeline.ingest._screen import screen
from data_contracts.cftc import measures
from data_contracts.cftc_release import cftc_weekly
from data_contracts.eia_storage import eia_storage_weekly
from data_contracts.release import is_closed

COLUMNS = [
    "report_date_as_yyyy_mm_dd",
    "cftc_contract_market_code",
    "cftc_market_code",
    "open_interest_all",
    "noncomm_positions_long_all",
    "noncomm_positions_short_all",
    "noncomm_postions_spread_all",
    "comm_positions_long_all",
    "comm_positions_short_all",
    "nonrept_positions_long_all",
    "nonrept_positions_short_all",
]
CORN = """\
2023-06-20T00:00:00.000,002602,CBT ,1290348,342125,223352,203541,623477,681507,121205,181948
2023-06-27T00:00:00.000,002602,CBT ,1246075,296186,182748,223543,605531,665560,120815,174224
2023-07-03T00:00:00.000,002602,CBT ,1246983,270772,224369,243087,610770,610246,122354,169281
2023-07-11T00:00:00.000,002602,CBT ,1241940,268196,260385,243712,600948,565733,129084,172110
2023-07-18T00:00:00.000,002602,CBT ,1285176,270722,250852,267297,624697,593429,122460,173598
"""
URL = "https://publicreporting.cftc.gov/resource/6dca-aqww.json"
IDS = frozenset(cftc.series_id("legacy", "002602", name) for name in measures("legacy"))
FOLLOWED = {
    name: Series(
        id=name,
        code="002602",
        family="cftc_legacy",
        name=name,
        unit="contracts",
        frequency="weekly",
        group="legacy",
        since=date(2009, 1, 1),
    )
    for name in IDS
}


def rows():
    lines = [line.split(",") for line in CORN.splitlines()]
    return [
        {":id": f"row-{n}", **dict(zip(COLUMNS, cells, strict=True))}
        for n, cells in enumerate(lines)
    ]


def screened(given):
    body = json.dumps(given).encode()
    parsed = cftc.parse(Answer(URL, 200, {}, body), IDS, frozenset({"002602"}))
    frame = parsed.frame.with_columns(response_id=pl.lit("recorded"))
    return screen(frame, FOLLOWED, datetime(2024, 1, 1, tzinfo=UTC))


def test_real_rows_keep_every_rule_a_monday_report_and_padded_codes_included():
    outcome = screened(rows())
    assert outcome.rejected.is_empty()
    assert len(outcome.good) == 5 * len(measures("legacy"))
    assert set(outcome.good["series_id"]) == IDS


def test_a_single_changed_position_breaks_the_identity_of_its_week_alone():
    changed = rows()
    changed[2]["comm_positions_short_all"] = "610247"
    outcome = screened(changed)
    assert set(outcome.rejected["rule"]) == {"open_interest_identity_short"}
    assert set(outcome.rejected["period"]) == {date(2023, 7, 3)}
    assert len(outcome.good) == 4 * len(measures("legacy"))


def test_contract_codes_keep_their_leading_zeros_and_lose_their_padding():
    padded = [row | {"cftc_contract_market_code": "002602 "} for row in rows()]
    assert set(screened(padded).good["series_id"]) == IDS


def test_a_followed_column_that_is_gone_is_named():
    gone = [{k: v for k, v in row.items() if k != "comm_positions_long_all"} for row in rows()]
    with pytest.raises(UnexpectedShape, match="comm_positions_long_all"):
        screened(gone)


# From the agency's schedule after the shutdown of 2025: report, first announced, published.
SCHEDULE = [
    ("2025-09-30", "2025-11-19"),
    ("2025-10-28", "2025-12-05"),
    ("2025-11-10", "2025-12-12"),
    ("2025-11-25", "2025-12-19"),
    ("2025-12-30", "2026-01-13"),
    ("2026-01-20", "2026-01-23"),
]


@pytest.mark.parametrize(("report", "published"), SCHEDULE)
def test_a_report_is_public_when_the_agency_published_it(report, published):
    instant = cftc_weekly.rule(date.fromisoformat(report))
    assert instant == datetime.fromisoformat(f"{published}T20:30:00+00:00")


@pytest.mark.parametrize(
    ("report", "published"),
    [
        ("2020-03-03", "2020-03-06T20:30:00+00:00"),  # the last before clocks go forward
        ("2020-03-10", "2020-03-13T19:30:00+00:00"),
        ("2020-10-27", "2020-10-30T19:30:00+00:00"),
        ("2020-11-03", "2020-11-06T20:30:00+00:00"),  # the first after they went back
        ("2019-07-02", "2019-07-08T19:30:00+00:00"),  # Thursday a holiday: Monday
        ("2018-12-24", "2019-02-01T20:30:00+00:00"),  # held back by a shutdown
    ],
)
def test_the_hour_of_publication_follows_washingtons_clocks_and_holidays(report, published):
    assert cftc_weekly.rule(date.fromisoformat(report)) == datetime.fromisoformat(published)


def test_reports_are_never_public_before_the_report_before_them():
    tuesdays = [date.fromordinal(day) for day in range(date(2012, 6, 5).toordinal(), 740_000, 7)]
    reports = [day - timedelta(days=1) if is_closed(day) else day for day in tuesdays]
    known = [cftc_weekly.rule(day) for day in reports]
    assert known == sorted(known)


def test_gas_storage_is_public_on_thursday_or_after_a_holiday():
    assert eia_storage_weekly.rule(date(2020, 3, 6)).isoformat() == "2020-03-12T14:30:00+00:00"
    assert eia_storage_weekly.rule(date(2020, 11, 20)).isoformat() == "2020-11-27T15:30:00+00:00"
