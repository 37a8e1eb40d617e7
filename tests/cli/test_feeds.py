"""``cbi feeds`` with the embedded records."""

import json
from datetime import UTC, date, datetime

import pytest

from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.eia_history_server import make_workbook
from tests.warehouse.frames import parsed, period

SEEN = datetime(2020, 1, 8, 15, 30, tzinfo=UTC)


def test_before_the_first_ingestion_the_check_says_that_nothing_is_ingested(cbi_here, tmp_path):
    done = cbi_here("feeds", "check", home=tmp_path / "home")
    assert done.returncode == 0
    assert "nothing ingested yet" in done.stdout
    assert "newest" not in done.stdout


def test_the_check_names_the_newest_observation_that_was_ingested(cbi_here, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    rows = parsed({1: 50.0, 2: 51.0}, series="EIA.RWTC", available=SEEN)
    with warehouse.write() as store:
        store.record(rows, seen_at=SEEN, txn_id=1)
    warehouse.publish()
    done = cbi_here("feeds", "check", home=tmp_path)
    assert f"newest {period(2)}" in done.stdout


def test_a_new_live_home_holds_nothing_yet_and_has_no_age(cbi_here, tmp_path):
    variables = {"CBI_PROFILE": "live", "EIA_API_KEY": "k" * 40}
    done = cbi_here("feeds", "check", "--offline", home=tmp_path / "home", **variables)
    assert done.returncode == 1
    assert "None" not in done.stdout
    assert "eia_spot_daily: nothing held yet, limit 21 days" in done.stdout
    assert "Ask for it with `cbi feeds pull eia`" in done.stdout


def test_a_feed_shows_each_series_with_what_reads_it(cbi_here, tmp_path):
    done = cbi_here("feeds", "show", "cftc", home=tmp_path, CBI_PROFILE="live")
    assert done.returncode == 0
    (read,) = (
        line
        for line in done.stdout.splitlines()
        if "CFTC.disaggregated.067651.open_interest_all" in line
    )
    assert read.rstrip().endswith("positions.contract of wti")
    (unread,) = (
        line
        for line in done.stdout.splitlines()
        if "CFTC.financial.098662.open_interest_all" in line
    )
    assert unread.rstrip().endswith("nothing, so it is not asked for")
    listed = cbi_here("feeds", "list", home=tmp_path, CBI_PROFILE="live")
    assert "22 of" in listed.stdout


def test_a_feed_that_is_none_is_not_shown(cbi_here, tmp_path):
    done = cbi_here("feeds", "show", "eai", home=tmp_path, CBI_PROFILE="live")
    there = "eia, eia_history, cftc, worldbank"
    assert (done.returncode, done.stderr) == (2, f"cbi: no live feed 'eai'; there are: {there}\n")


@pytest.mark.parametrize(
    ("profile", "words"),
    [("live", "EIA_API_KEY is not set. Get a key at"), ("archive", "CBI_PROFILE=live asks it")],
)
def test_a_feed_that_cannot_be_asked_is_not_pulled(cbi_here, tmp_path, monkeypatch, profile, words):
    monkeypatch.delenv("EIA_API_KEY", raising=False)
    home = tmp_path / "home"
    done = cbi_here("feeds", "pull", "eia", home=home, CBI_PROFILE=profile)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "eia is not asked: " in done.stderr
    assert words in done.stderr
    assert not home.exists()


PRICES = "period,value\n" + "".join(f"2019-01-{day:02},{day}.5\n" for day in range(1, 31))


@pytest.fixture
def bring(cbi_here, tmp_path):
    """``cbi feeds import csv`` of texts, each a file."""

    def run(*texts: str, options: tuple[str, ...] = (), source: str = "csv"):
        files = [tmp_path / f"{number}.csv" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        given = ("--series", "OWN.PALM", "--unit", "USD/t", "--source", "the desk", *options)
        home = tmp_path / "home"
        return cbi_here("feeds", "import", source, *map(str, files), *given, home=home)

    return run


def test_an_import_says_what_it_did_and_which_rows_it_set_aside(bring):
    done = bring(PRICES + "2019-02-01,lots\n")
    assert done.returncode == 0, done.stderr
    assert "OWN.PALM: 31 rows in, 30 accepted, 30 versions added" in done.stdout
    assert "value_readable: line 32 (value_text lots)" in done.stderr
    assert "0.csv says nothing new" in bring(PRICES + "2019-02-01,lots\n").stdout


def test_a_shorter_file_is_appended_or_put_in_place_as_it_is_told(bring):
    bring(PRICES)
    part = PRICES[: PRICES.index("2019-01-21")]
    refused = bring(part)
    assert refused.returncode == 2
    assert "10 of 30 periods" in refused.stderr
    assert "--append to keep them, or --replace" in refused.stderr
    kept = bring(part.replace("1.5", "1.75"), options=("--append",))
    assert "(0 of them withdrawals), 0 quarantined, appended to what is held" in kept.stdout
    gone = bring(part, options=("--replace",))
    assert "(10 of them withdrawals), 0 quarantined, in place of what was held" in gone.stdout


def test_prices_restated_by_a_factor_are_imported_once_it_is_said_that_this_is_meant(bring):
    bring(PRICES)
    tenfold = PRICES.replace(".5\n", "5\n")
    held = bring(tenfold)
    assert held.returncode == 2
    assert "OWN.PALM is held for confirmation: 30 of 30 restated values" in held.stderr
    assert "say --confirm if it is meant" in held.stderr
    done = bring(tenfold, options=("--confirm",))
    assert (done.returncode, "30 versions added" in done.stdout) == (0, True)
    assert "changed by the factor 10, which is confirmed" in done.stderr


def test_a_newest_price_far_from_the_rest_is_imported_and_marked(bring):
    done = bring(PRICES + "2019-01-31,99\n")
    assert "31 accepted, 31 versions added" in done.stdout
    assert "OWN.PALM: unconfirmed: the value of 2019-01-31, 99 USD/t, is far from" in done.stderr


def test_several_files_are_parts_of_one_history(bring):
    half = PRICES.index("2019-01-16")
    done = bring(PRICES[:half], "period,value\n" + PRICES[half:])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("15 versions added (0 of them withdrawals)") == 2
    both = bring(PRICES, PRICES, options=("--replace",))
    assert "replaced by one file alone" in both.stderr


def test_a_file_source_that_there_is_not_is_refused_with_those_there_are(bring):
    done = bring(PRICES, source="xls")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no file source 'xls'; there are: csv" in done.stderr


def test_a_history_file_that_was_saved_is_read_offline(cbi_here, tmp_path):
    rows = ((date(2020, 1, 6), 63.27), (date(2020, 1, 7), 62.7))
    file = tmp_path / "RWTCd.xls"
    title = "Cushing, OK WTI Spot Price FOB (Dollars per Barrel)"
    file.write_bytes(make_workbook("RWTC", title, rows, "Daily"))
    done = cbi_here("feeds", "parse", "eia_history", str(file), home=tmp_path / "home")
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [(row["series_id"], row["period"], row["value"]) for row in read] == [
        ("EIA.RWTC", "2020-01-06", 63.27),
        ("EIA.RWTC", "2020-01-07", 62.7),
    ]
