import csv
import gzip
import json
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.feeds import UnexpectedShape, archive
from cbi_pipeline.feeds.archive_rows import ANNUAL_TOTAL, BLANK_LINE, number
from cbi_pipeline.feeds.source import PARSED_SCHEMA
from data_contracts.observation import PARSED

WTI = "archive://eia-wti-daily.csv.gz"
WEEKLY = "archive://eia-petroleum-weekly.csv.gz"
MER = "archive://eia-mer-2019-03-26.csv.gz"
RETAIL = "EIA.EMM_EPMMU_PTE_SMN_DPG"


def shipped(url):
    return (archive.PACKAGED / url.removeprefix("archive://")).read_bytes()


def parsed(url):
    return archive.parse(url, shipped(url))


def parse_text(url, text):
    return archive.parse(url, gzip.compress(text.encode(), mtime=0))


def wti_rows(*lines):
    return parse_text(WTI, "\n".join(["Date,DCOILWTICO", *lines, ""])).frame


def only(frame, **where):
    (row,) = frame.filter(*(pl.col(name) == value for name, value in where.items())).to_dicts()
    return row


@pytest.mark.parametrize("url", [WTI, WEEKLY, MER])
def test_rows_have_the_columns_the_contract_asks_for(url):
    frame = parsed(url).frame
    assert dict(frame.schema) == dict(PARSED_SCHEMA) == PARSED.dtypes
    PARSED.validate(frame)


def test_the_contract_and_an_empty_file_agree_on_types():
    assert dict(wti_rows().schema) == PARSED.dtypes


def test_wti_keeps_every_session_and_marks_holidays_missing():
    frame = parsed(WTI).frame
    assert frame["status"].value_counts(sort=True).rows() == [("value", 8321), ("missing", 290)]
    assert frame.filter(pl.col("value").is_null())["value_text"].unique().to_list() == ["."]
    assert only(frame, period=date(2008, 7, 3))["value"] == 145.31


def test_wti_is_public_with_the_weekly_posting_after_it():
    row = only(parsed(WTI).frame, period=date(2018, 12, 18))
    assert row["available_at"] == datetime(2018, 12, 29, 2, 30, tzinfo=UTC)
    assert row["available_basis"] == "assumed"


def test_weekly_series_have_a_row_for_each_of_1028_weeks():
    counts = parsed(WEEKLY).frame.group_by("series_id").len()
    assert counts.height == 9
    assert set(counts["len"]) == {1028}


def test_petroleum_weeks_end_on_fridays_and_retail_prices_fall_on_mondays():
    frame = parsed(WEEKLY).frame.with_columns(weekday=pl.col("period").dt.weekday())
    retail = pl.col("series_id") == RETAIL
    assert set(frame.filter(retail)["weekday"]) == {1}
    assert set(frame.filter(~retail)["weekday"]) == {5}


def test_the_jump_after_the_hurricane_is_dated_after_the_hurricane():
    frame = parsed(WEEKLY).frame.filter(pl.col("series_id") == RETAIL)
    row = only(frame, period=date(2005, 9, 5))
    assert row["value"] == 2.917
    assert json.loads(row["row_json"])["datetime"] == "2005-09-02"
    # Labor Day: the prices came out on the Tuesday, at 17:00 Eastern.
    assert row["available_at"] == datetime(2005, 9, 6, 21, 0, tzinfo=UTC)


def test_binary_noise_in_the_source_is_kept_as_text():
    row = only(parsed(WEEKLY).frame, series_id=RETAIL, period=date(2000, 6, 12))
    assert row["value_text"] == "1.8259999999999998"
    assert row["value"] == float("1.8259999999999998")


@pytest.mark.parametrize(
    ("issue", "months", "annual", "instant"),
    [
        ("2017-06-28", 21240, 2720, datetime(2017, 6, 29, 3, 59, tzinfo=UTC)),
        ("2017-07-26", 21280, 2720, datetime(2017, 7, 27, 3, 59, tzinfo=UTC)),
        ("2019-03-26", 22080, 2800, datetime(2019, 3, 27, 3, 59, tzinfo=UTC)),
    ],
)
def test_an_issue_gives_months_counts_annual_totals_and_is_public_at_its_date(
    issue, months, annual, instant
):
    result = parsed(f"archive://eia-mer-{issue}.csv.gz")
    assert result.frame.height == months
    assert result.ignored == {ANNUAL_TOTAL: annual}
    assert result.frame["available_at"].unique().to_list() == [instant]
    assert set(result.frame["available_basis"]) == {"calendar"}


def test_not_available_is_missing_and_keeps_its_words():
    missing = parsed(MER).frame.filter(pl.col("status") == "missing")
    assert missing.height == 828
    assert missing["value"].null_count() == 828
    assert set(missing["value_text"]) == {"Not Available"}


def test_later_issues_revise_earlier_months():
    first, last = parsed("archive://eia-mer-2017-06-28.csv.gz").frame, parsed(MER).frame
    both = first.join(last, on=["series_id", "period"], suffix="_later")
    assert both.filter(pl.col("value") != pl.col("value_later")).height > 1000


@pytest.mark.parametrize("url", [WTI, WEEKLY, MER])
def test_a_locator_leads_back_to_the_source_line(url):
    lines = gzip.decompress(shipped(url)).decode().splitlines()
    header = next(csv.reader(lines[:1]))
    for row in parsed(url).frame.sample(50, seed=7).to_dicts():
        line = lines[int(row["locator"].removeprefix("line ")) - 1]
        cells = dict(zip(header, next(csv.reader([line])), strict=True))
        assert json.loads(row["row_json"]) == cells
        assert row["value_text"] in cells.values()


@pytest.mark.parametrize("url", [WTI, WEEKLY, MER])
def test_a_file_names_the_series_it_carries_whole(url):
    result = parsed(url)
    assert set(result.complete) == set(result.frame["series_id"])


@pytest.mark.parametrize("text", ["abc", "", "nan", "inf", "1_000", " 26", "26 USD", "1e999", "٢٦"])
def test_a_value_that_is_no_number_stays_as_text_for_the_row_rules(text):
    row = only(wti_rows(f"1/3/1986,{text}", "1/6/1986,26.53"), locator="line 2")
    assert (row["value_text"], row["value"], row["status"]) == (text, None, "value")
    assert row["period"] == date(1986, 1, 3)


@pytest.mark.parametrize("text", ["1986-01-03", "2/30/1986", "13/1/1986", "soon", "", "1/3/86"])
def test_an_unreadable_date_leaves_the_row_without_period_and_release(text):
    frame = wti_rows(f"{text},26", "1/6/1986,26.53")
    assert frame["period"].to_list() == [None, date(1986, 1, 6)]
    assert frame["available_at"].null_count() == 1
    assert frame["value"].to_list() == [26.0, 26.53]


@pytest.mark.parametrize(
    "line", ["1/3/1986", "1/3/1986,1,026", "1/3/1986,26,", "1/3\r1986,26", "x" * 200_000]
)
def test_a_row_with_too_few_or_too_many_cells_has_no_value(line):
    row = only(wti_rows(line, "1/6/1986,26.53"), locator="line 2")
    assert (row["value_text"], row["value"], row["status"]) == (line, None, "value")


def test_a_stray_quote_costs_its_own_row_only():
    frame = wti_rows('1/3/1986,"26', "1/6/1986,26.53", "1/7/1986,25.85")
    assert frame["value"].to_list()[1:] == [26.53, 25.85]


def test_a_byte_that_is_no_text_costs_its_own_row_only():
    body = gzip.compress(b"Date,DCOILWTICO\n1/3/1986,2\xff\n1/6/1986,26.53\n", mtime=0)
    assert archive.parse(WTI, body).frame["value"].to_list() == [None, 26.53]


def test_blank_lines_are_counted():
    assert parse_text(WTI, "Date,DCOILWTICO\n\n1/3/1986,26\n").ignored == {BLANK_LINE: 1}


def test_a_further_column_does_not_disturb_the_others():
    frame = parse_text(WTI, "Note,Date,DCOILWTICO\nx,1/3/1986,26\n").frame
    assert frame["value"].to_list() == [26.0]


def test_duplicates_and_future_dates_are_passed_on_as_rows():
    frame = wti_rows("1/3/1986,26", "1/3/1986,27", "1/3/2999,28")
    assert frame["period"].to_list() == [date(1986, 1, 3), date(1986, 1, 3), date(2999, 1, 3)]
    assert frame["available_at"][2].year == 2999


def test_an_unknown_label_is_passed_on_under_its_own_name():
    text = "datetime,series_id,value\n2005-09-02,Weekly U.S. Something,1.0\n"
    row = only(parse_text(WEEKLY, text).frame)
    assert (row["series_id"], row["available_at"]) == ("Weekly U.S. Something", None)


def test_a_changed_unit_is_passed_on_as_received():
    text = "MSN,YYYYMM,Value,Unit\nCLTCBUS,201801,1.0,Quadrillion Btu\nCLTCBUS,201802,1.0,Joule\n"
    assert parse_text(MER, text).frame["unit"].to_list() == ["quadrillion Btu", "Joule"]


def test_a_month_that_is_neither_month_nor_total_stays_a_row_without_period():
    text = "MSN,YYYYMM,Value,Unit\nCLTCBUS,201814,1.0,Quadrillion Btu\n"
    assert parse_text(MER, text).frame["period"].to_list() == [None]


@pytest.mark.parametrize(
    ("url", "body", "words"),
    [
        (WTI, b"Date,DCOILWTICO\n", "gzip"),
        (WTI, shipped(WTI)[:2000], "gzip"),
        (WTI, b"", "DCOILWTICO"),
        (WTI, gzip.compress(b"Date,Price\n1/3/1986,26\n", mtime=0), "DCOILWTICO"),
        (WEEKLY, gzip.compress(b"", mtime=0), "series_id"),
        ("archive://prices.csv.gz", gzip.compress(b"", mtime=0), "prices.csv.gz"),
        ("archive://eia-mer-2019-13-26.csv.gz", gzip.compress(b"", mtime=0), "eia-mer-2019-13-26"),
    ],
)
def test_a_file_without_usable_structure_is_refused_with_what_was_expected(url, body, words):
    with pytest.raises(UnexpectedShape, match=words) as caught:
        archive.parse(url, body)
    assert "expected" in str(caught.value)


@given(st.lists(st.text(), max_size=8), st.sampled_from([WTI, WEEKLY, MER]))
@settings(deadline=None)
def test_no_line_whatever_it_holds_takes_others_with_it(lines, url):
    good = gzip.decompress(shipped(url)).decode().splitlines()[:30]
    before = parse_text(url, "\n".join(good) + "\n").frame
    text = "\n".join([*good, *lines, good[1]]) + "\n"
    after = archive.parse(url, gzip.compress(text.encode(errors="surrogatepass"), mtime=0)).frame
    assert after.head(before.height).equals(before)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_back_to_the_bit(value):
    assert number(repr(value)) == value
