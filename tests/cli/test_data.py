"""``cbi data as-of`` on a small warehouse, in this process."""

import json
from datetime import UTC, date, datetime

import pytest

from cbi_pipeline.cli import invoke
from cbi_pipeline.ledger import Ledger
from cbi_pipeline.warehouse import Warehouse
from data_contracts.published import PUBLISHED
from tests.warehouse.frames import parsed, period, reference

#: 10:30 in New York on 2020-01-08.
RELEASED = datetime(2020, 1, 8, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    home = tmp_path_factory.mktemp("told") / "home"
    response = Ledger(home / "ledger").land(feed="f", url="u", body=b"1", fetched_at=RELEASED)
    with Warehouse(home / "warehouse").write() as store:
        store.replace("ref.series", reference("EIA.RWTC", "EIA.RBRTE"))
        store.append("ledger.response", Ledger(home / "ledger").frame([response]))
        rows = parsed(
            {n: 50.0 + n for n in range(12)},
            series="EIA.RWTC",
            available=RELEASED,
            response=response.response_id,
        )
        store.record(rows, seen_at=RELEASED, txn_id=1)
    Warehouse(home / "warehouse").publish()
    return home, response


@pytest.fixture
def told(filled, monkeypatch):
    home, response = filled
    monkeypatch.setenv("CBI_HOME", str(home))
    return response


def ask(capsys, *arguments):
    code = invoke(["data", "as-of", *arguments, "--series", "EIA.RWTC", "--json"])
    assert code == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("when", "known"),
    [
        ("2020-01-07", False),
        ("2020-01-08", True),
        ("20200107", False),
        ("20200108", True),
        ("2020-W02-2", False),
        ("2020W023", True),
        ("2020-01-08T10:29:59", False),
        ("20200108T102959", False),
        ("20200108 1030", True),
        ("2020-W02-3T10:30", True),
        ("2020-01-08T10:30", True),
        ("2020-01-08T15:29:59+00:00", False),
        ("2020-01-08T15:30:00Z", True),
    ],
)
def test_a_day_means_its_evening_and_an_instant_its_zone_or_new_york(told, capsys, when, known):
    assert bool(ask(capsys, when)["rows"]) is known


def test_each_row_says_value_unit_instant_basis_and_bytes(told, capsys):
    rows = ask(capsys, "2020-01-08", "--last", "2")["rows"]
    assert len(rows) == 2
    assert date.fromisoformat(rows[0]["period"]) < date.fromisoformat(rows[1]["period"])
    newest = rows[1]
    assert (newest["value"], newest["unit"], newest["available_basis"]) == (
        61.0,
        "USD/bbl",
        "calendar",
    )
    assert datetime.fromisoformat(newest["available_at"]) == RELEASED
    assert newest["sha256"] == told.sha256


def test_the_table_shows_ten_periods_in_both_zones_and_explains_the_basis(told, capsys):
    assert invoke(["data", "as-of", "2020-01-08", "--series", "EIA.RWTC"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("USD/bbl") == 10
    assert "2020-01-08 10:30" in shown
    assert "2020-01-08 15:30" in shown
    assert told.sha256[:12] in shown
    assert "calendar: " in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["2020-01-08", "--series", "EIA.RWTCC"], "EIA.RWTC"),
        (["2020-02-30", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["yesterday", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["2020-W02", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["2020-008", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["2020-0108", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["2020-01", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["9999-12-31", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["\u0662020-01-08", "--series", "EIA.RWTC"], "write 2016-03-04"),
        (["2020-01-08"], "--series"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(told, capsys, arguments, words):
    assert invoke(["data", "as-of", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert words in printed.err


def test_before_anything_is_published_it_says_to_run_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CBI_HOME", str(tmp_path / "none"))
    assert invoke(["data", "as-of", "2020-01-08", "--series", "EIA.RWTC"]) == 2
    assert "cbi run" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "arguments", [["rebuild"], ["quarantine", "retry", "--rule", "bounds"]], ids=" ".join
)
def test_before_any_run_there_is_nothing_to_rebuild_or_retry(
    tmp_path, monkeypatch, capsys, arguments
):
    monkeypatch.setenv("CBI_HOME", str(tmp_path / "none"))
    assert invoke(arguments) == 2
    assert "cbi run" in capsys.readouterr().err


def test_the_published_tables_are_listed_and_each_says_what_its_columns_are(capsys):
    assert invoke(["data", "tables"]) == 0
    listed = capsys.readouterr().out
    for name, contract in PUBLISHED.items():
        assert name in listed
        assert invoke(["data", "tables", name]) == 0
        shown = capsys.readouterr().out
        for column in contract.columns:
            assert f"\n{column} " in shown


def test_a_table_that_is_not_published_is_refused_with_those_that_are(capsys):
    assert invoke(["data", "tables", "raw.observation"]) == 2
    assert "latest_forecast" in capsys.readouterr().err


def test_every_series_that_is_held_is_listed_with_its_newest_period(told, capsys):
    assert invoke(["data", "series", "--json"]) == 0
    rows = {row["series"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == ["EIA.RBRTE", "EIA.RWTC"]
    assert rows["EIA.RBRTE"]["newest"] is None
    assert rows["EIA.RWTC"]["newest"] == period(11).isoformat()
    assert set(rows["EIA.RWTC"]) == {"series", "name", "unit", "frequency", "newest", "source"}
    assert invoke(["data", "series"]) == 0
    said = capsys.readouterr().out
    assert f"{period(11)}" in said
    assert "never" in said


def test_a_series_that_is_not_held_is_told_where_all_are_listed(told, capsys):
    assert invoke(["data", "as-of", "2020-01-08", "--series", "EIA.WTI"]) == 2
    assert "`cbi data series` lists all of them" in capsys.readouterr().err
