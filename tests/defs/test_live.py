"""The assets of the live feeds against services on loopback."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial

import dagster as dg
import pytest
from pydantic import SecretStr

from cbi_pipeline import feeds
from cbi_pipeline.defs.ingest.assets import archive_records
from cbi_pipeline.defs.ingest.live import check_answers, live_records
from cbi_pipeline.ingest import fault_log
from cbi_pipeline.ledger import Entry
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings
from tests.defs.trees import footprint
from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.eia_server import EiaServer

STORAGE = next(one.code for one in feeds.eia.SERIES if one.family == "eia_gas_storage")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def eia(monkeypatch):
    """Twenty sessions of WTI, the newest long public and still recent, and nothing else to ask."""
    asked = [one for one in feeds.eia.SERIES if one.code == "RWTC"]
    monkeypatch.setattr(feeds.eia, "source", partial(feeds.eia.source, series=asked))
    with EiaServer() as server:
        today = datetime.now(UTC).date()
        days = [today - timedelta(days=back) for back in range(40, 12, -1)]
        for day in (one for one in days if one.weekday() < 5):
            at = datetime(day.year, day.month, day.day, tzinfo=UTC)
            server.publisher.publish(at, "RWTC", day, f"{60 + day.day / 10:.2f}")
        yield server


@pytest.fixture
def cftc():
    with CftcServer() as server:
        today = datetime.now(UTC).date()
        tuesday = today - timedelta(days=(today.weekday() - 1) % 7 + 14)
        for week in range(8):
            day = tuesday - timedelta(days=7 * week)
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=3)
            row = json.dumps(report_row("disaggregated", 100_000 + week))
            server.publisher.publish(at, ("disaggregated", "067651"), day, row)
        yield server


def pipeline(tmp_path, **settings) -> Pipeline:
    return Pipeline(Settings(home=tmp_path / ".cbi", profile="live", **settings))


def with_key(tmp_path, eia, key=None) -> Pipeline:
    return pipeline(
        tmp_path, feed_urls={"eia": eia.url}, feed_keys={"EIA_API_KEY": SecretStr(key or eia.key)}
    )


def ingest(records, one: Pipeline) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [records],
        resources={"pipeline": one},
        run_config=QUIET,
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def checks(result) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def shown(result, stage: str, name: str) -> dict[str, object]:
    (event,) = (
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey([stage, name])
    )
    return {key: entry.value for key, entry in event.materialization.metadata.items()}


def test_a_night_of_the_eia_lands_its_answers_and_commits_their_rows(tmp_path, eia):
    one = with_key(tmp_path, eia)
    result = ingest(live_records("eia", "Prices", "raw.observation"), one)
    assert result.success
    assert shown(result, "landing", "eia")["faults"] == 0
    assert "price of wti" in shown(result, "landing", "eia")["series"]
    assert shown(result, "raw", "eia")["new versions"] == 20
    assert checks(result)["answered"].passed
    with one.warehouse.read() as store:
        assert len(store.table("raw.observation", "series_id = 'EIA.RWTC'")) == 20


@pytest.mark.slow
def test_the_cftc_is_asked_without_any_token(tmp_path, cftc):
    result = ingest(
        live_records("cftc", "Reports", "raw.observation"),
        pipeline(tmp_path, feed_urls={"cftc": cftc.base}),
    )
    assert result.success
    assert shown(result, "raw", "cftc")["accepted"] > 0


def test_a_feed_without_its_key_is_no_error_and_says_so(tmp_path, eia):
    result = ingest(
        live_records("eia", "Prices", "raw.observation"),
        pipeline(tmp_path, feed_urls={"eia": eia.url}),
    )
    assert result.success
    assert "EIA_API_KEY is not set" in shown(result, "raw", "eia")["asked"]
    for check in checks(result).values():
        assert not check.passed
        assert check.severity is dg.AssetCheckSeverity.WARN
        assert "not asked: EIA_API_KEY is not set" in check.description
    assert eia.requests == []
    assert fault_log(Settings(home=tmp_path / ".cbi")).events() == []


@pytest.mark.slow
def test_a_key_that_is_gone_after_it_worked_is_a_fault(tmp_path, eia):
    ingest(live_records("eia", "Prices", "raw.observation"), with_key(tmp_path, eia))
    result = ingest(
        live_records("eia", "Prices", "raw.observation"),
        pipeline(tmp_path, feed_urls={"eia": eia.url}),
    )
    assert result.success
    assert not checks(result)["answered"].passed
    assert "EIA_API_KEY is not set" in checks(result)["answered"].description


def test_no_service_is_asked_on_embedded_records(tmp_path, eia):
    one = Pipeline(
        Settings(
            home=tmp_path,
            profile="archive",
            feed_urls={"eia": eia.url},
            feed_keys={"EIA_API_KEY": SecretStr("k" * 40)},
        )
    )
    result = ingest(live_records("eia", "Prices", "raw.observation"), one)
    assert result.success
    assert "CBI_PROFILE=live" in shown(result, "raw", "eia")["asked"]
    assert eia.requests == []


@pytest.mark.slow
def test_embedded_records_are_not_mixed_into_a_live_warehouse(tmp_path, eia):
    one = with_key(tmp_path, eia)
    ingest(live_records("eia", "Prices", "raw.observation"), one)
    before = footprint(one.settings.home)
    result = ingest(archive_records, one)
    assert result.success
    assert "CBI_PROFILE=live" in shown(result, "raw", "archive")["asked"]
    assert footprint(one.settings.home) == before


def test_a_home_that_took_the_archive_never_asks_a_service(tmp_path, eia):
    one = with_key(tmp_path, eia)
    seen_at = datetime(2026, 1, 5, tzinfo=UTC)
    asked = {
        **{"kind": "files", "responses": [], "series": []},
        "known_until": seen_at.isoformat(),
    }
    one.ledger.log(Entry(1, "archive", seen_at, asked, {}))
    before = footprint(one.settings.home)
    result = ingest(live_records("eia", "Prices", "raw.observation"), one)
    assert not result.success
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    said = failed.step_failure_data.error.message
    assert "holds the archive's closed records" in said
    assert "set CBI_HOME to another folder" in said
    assert eia.requests == []
    assert footprint(one.settings.home) == before


def test_a_refused_key_fails_a_check_in_words_and_not_the_run(tmp_path, eia):
    result = ingest(
        live_records("eia", "Prices", "raw.observation"), with_key(tmp_path, eia, key="wrong" * 8)
    )
    assert result.success
    answered = checks(result)["answered"]
    assert not answered.passed
    assert answered.severity is dg.AssetCheckSeverity.ERROR
    assert "refused the key" in answered.description
    assert "Correct EIA_API_KEY" in answered.description


@pytest.mark.slow
def test_a_row_that_breaks_a_rule_warns_with_its_reason_and_the_rest_goes_through(tmp_path, eia):
    day = max(period for _, _, period, _ in eia.publisher.events)
    eia.publisher.publish(datetime.now(UTC), "RWTC", day, "99999")
    result = ingest(live_records("eia", "Prices", "raw.observation"), with_key(tmp_path, eia))
    assert result.success
    assert shown(result, "raw", "eia")["quarantined"] == 1
    rules = checks(result)["row_rules"]
    assert not rules.passed
    assert rules.severity is dg.AssetCheckSeverity.WARN


@pytest.mark.slow
def test_a_service_that_answers_well_with_old_news_is_stale_and_that_is_one_fault(tmp_path, eia):
    eia.publisher.events = [event for event in eia.publisher.events if event[2] < old()]
    one = with_key(tmp_path, eia)
    for _ in range(2):
        result = ingest(live_records("eia", "Prices", "raw.observation"), one)
        assert not checks(result)["fresh"].passed
        assert checks(result)["answered"].passed
    events = fault_log(one.settings).events()
    assert [(event.feed, event.kind) for event in events] == [("eia freshness", "opened")]


@pytest.mark.slow
def test_a_series_of_which_nothing_ever_came_is_one_fault_with_its_name(tmp_path, eia, monkeypatch):
    asked = [one for one in feeds.eia.SERIES if one.code in ("RWTC", STORAGE)]
    monkeypatch.setattr(feeds.eia, "source", partial(feeds.eia.source, series=asked))
    one = with_key(tmp_path, eia)
    for _ in range(2):
        assert not checks(ingest(live_records("eia", "Prices", "raw.observation"), one))[
            "fresh"
        ].passed
    (event,) = fault_log(one.settings).events()
    assert (event.feed, event.kind) == ("eia", "opened")
    assert STORAGE in str(event.faults[0])


def test_a_night_on_which_nothing_is_due_claims_no_answer():
    result = check_answers(dg.AssetKey(["raw", "eia"]), (), 0)
    assert not result.passed
    assert result.description == "not asked: nothing of it is due"


def old() -> date:
    return datetime.now(UTC).date() - timedelta(days=25)
