"""What a night asks for is what the catalogue reads, and what it keeps with a reason."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from cbi_pipeline import ingest
from cbi_pipeline.feeds import eia
from cbi_pipeline.operations.describe_readers import describe_readers
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from tests.feed_servers.cftc_server import CftcServer
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import HASTY
from tests.warehouse.frames import parsed, period

WTI_REPORT, DOLLAR = "CFTC.disaggregated.067651", "CFTC.financial.098662"
OIL = """
remove = ["commodity"]

[[profile.live.commodity]]
id = "wti"
name = "WTI"
unit = "USD/bbl"
price_series = "EIA.RWTC"
calendar = "eia_spot_daily"
sessions_per_year = 252
horizons = { "1w" = 5 }
liquid = true
stale_after_days = 21

[evaluation]
years = 1
origins = 8
refits = "yearly"
"""


@pytest.fixture
def follow(tmp_path):
    """Settings of a home whose catalogue is WTI and some more lines."""

    def follow(*lines: str, **given) -> Settings:
        file = tmp_path / "catalogue.toml"
        file.write_text("\n".join([OIL, *lines]))
        return Settings(
            _env_file=None, home=tmp_path / "home", profile="live", catalogue_file=file, **given
        )

    return follow


def asked(settings: Settings, name: str) -> set[str]:
    return {one.id for one in ingest.asked_series(settings, ingest.live_feed(settings, name))}


def reports(ids: set[str]) -> set[str]:
    return {name.rsplit(".", 1)[0] for name in ids}


def test_the_shipped_markets_ask_for_no_report_that_nothing_reads(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, profile="live")
    assert asked(settings, "eia") == {one.id for one in eia.SERIES}
    markets = ("067651", "023651", "111659", "022651")
    assert reports(asked(settings, "cftc")) == {f"CFTC.disaggregated.{code}" for code in markets}


def test_a_market_asks_for_its_price_and_for_what_its_groups_read(follow):
    names = asked(follow(), "eia")
    assert "EIA.RWTC" in names
    assert "EIA.WTTSTUS1" in names
    assert not names & {"EIA.RBRTE", "EIA.WCESTUS1"}


def test_a_report_is_asked_for_whole_whichever_of_its_columns_is_named(follow):
    name = f"{WTI_REPORT}.open_interest_all"
    names = asked(follow("[feed.cftc]", f'keep = {{ "{name}" = "the desk reads it" }}'), "cftc")
    assert name in names
    assert len(names) > 10
    assert reports(names) == {WTI_REPORT}


def test_one_reason_keeps_everything_that_a_feed_can_be_asked_for(follow):
    settings = follow("[feed.eia]", 'keep = "a spreadsheet reads all of it"')
    assert asked(settings, "eia") == {one.id for one in eia.SERIES}


def test_each_series_says_what_reads_it(follow):
    lines = ("[feed.eia]", 'keep = { "EIA.RBRTE" = "the desk looks at it" }')
    settings = follow(*lines)
    words = describe_readers(settings, ingest.live_feed(settings, "eia"))
    assert words["EIA.RWTC"] == "price of wti"
    assert words["EIA.WTTSTUS1"] == "petroleum_weekly.stocks of wti"
    assert words["EIA.RBRTE"] == "kept: the desk looks at it"
    assert words["EIA.WCESTUS1"] == ""
    shipped = Settings(_env_file=None, home=settings.home, profile="live")
    words = describe_readers(shipped, ingest.live_feed(shipped, "cftc"))
    assert words[f"{WTI_REPORT}.open_interest_all"] == "positions.contract of wti"
    assert words[f"{DOLLAR}.open_interest_all"] == ""


def test_a_feed_of_which_nothing_is_read_is_not_asked_and_says_how_to_ask_it(follow):
    why = ingest.why_not_asked(follow(), "cftc")
    assert "nothing reads a series of it" in why
    assert "[feed.cftc]" in why
    assert ingest.why_not_asked(follow("[feed.cftc]", 'keep = "the desk"'), "cftc") is None


@pytest.fixture
def services():
    with EiaServer() as one, CftcServer() as other:
        today = datetime.now(UTC).date()
        for code in ("RWTC", "RBRTE"):
            for day in (today - timedelta(days=back) for back in range(40, 12, -1)):
                if day.weekday() < 5:
                    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
                    one.publisher.publish(at, code, day, f"{60 + day.day / 10:.2f}")
        yield one, other


def night(settings: Settings) -> ingest.IngestReport:
    landed = ingest.land_live(settings, "eia", patience=HASTY)
    return ingest.deliver_live(settings, landed)


def codes(server: EiaServer) -> set[str]:
    return {code for asked in server.requests for code in asked.every("facets[series][]")}


def list_fresh(settings: Settings) -> set[str]:
    """Series in the published view of freshness."""
    with Warehouse(settings.warehouse_dir).read() as store:
        return set(store.query("SELECT series_id FROM pub.freshness")["series_id"])


@pytest.mark.slow
def test_a_home_keeps_the_rows_of_a_series_that_is_asked_no_longer_and_health_is_silent_of_it(
    follow, services
):
    server = services[0]
    given = {
        "feed_urls": {"eia": server.url, "cftc": services[1].base},
        "feed_keys": {"EIA_API_KEY": SecretStr(server.key)},
    }
    keep = ("[feed.eia]", 'keep = { "EIA.RBRTE" = "the desk looks at it" }')
    kept = follow(*keep, **given)
    night(kept)
    assert {"RWTC", "RBRTE"} <= codes(server)
    with Warehouse(kept.warehouse_dir).read() as store:
        before = store.table("raw.observation", "series_id = 'EIA.RBRTE'")
    assert len(before) > 10

    server.requests.clear()
    dropped = follow(**given)
    assert "EIA.RBRTE" in list_fresh(kept)
    newest = max(day for _, code, day, _ in server.publisher.events if code == "RWTC")
    server.publisher.publish(
        datetime.now(UTC) - timedelta(days=1), "RWTC", newest + timedelta(days=3), "61.00"
    )
    night(dropped)
    assert "RBRTE" not in codes(server)
    with Warehouse(kept.warehouse_dir).read() as store:
        assert store.table("raw.observation", "series_id = 'EIA.RBRTE'").equals(before)
    (health,) = (one for one in ingest.check_feeds(dropped, probe=False) if one.feed == "eia")
    assert "RBRTE" not in " ".join(health.problems)
    assert "EIA.RWTC" in list_fresh(kept)
    assert "EIA.RBRTE" not in list_fresh(kept)
    night(follow(*keep, **given))
    assert "EIA.RBRTE" in list_fresh(kept)


@pytest.mark.slow
def test_a_series_leaves_the_view_of_freshness_although_no_night_asks_the_feed(follow, services):
    given = {
        "feed_urls": {"eia": services[0].url, "cftc": services[1].base},
        "feed_keys": {"EIA_API_KEY": SecretStr(services[0].key)},
    }
    night(follow(**given))
    assert "EIA.RWTC" in list_fresh(follow(**given))
    palm = OIL.replace('"wti"', '"palm"').replace("EIA.RWTC", "DESK.CPO")
    other = follow(**given)
    other.catalogue_files[-1].write_text(palm)
    ingest.note_asked(other, "eia")
    assert list_fresh(other) == asked(other, "eia")


def test_the_newest_value_that_health_names_is_of_what_is_asked(follow):
    settings = follow()
    warehouse = Warehouse(settings.warehouse_dir)
    at = datetime(2026, 1, 8, tzinfo=UTC)
    with warehouse.write() as store:
        store.record(parsed({1: 50.0}, series="EIA.RWTC", available=at), seen_at=at, txn_id=1)
        store.record(parsed({9: 50.0}, series="EIA.RBRTE", available=at), seen_at=at, txn_id=1)
    warehouse.publish()
    (health,) = (one for one in ingest.check_feeds(settings, probe=False) if one.feed == "eia")
    assert health.newest == period(1)
