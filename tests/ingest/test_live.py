"""Health, offline parsing, imports and the fault log, as the commands use them."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cbi_pipeline import ingest
from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.feeds import FeedUnavailable, IncompleteResponse, UnexpectedShape, archive, eia
from cbi_pipeline.feeds.cftc_series import SERIES as COT
from cbi_pipeline.ingest import Fault, FaultLog
from cbi_pipeline.ledger import Ledger
from cbi_pipeline.operations.import_csv import import_csv
from cbi_pipeline.settings import Settings, SettingsError
from cbi_pipeline.warehouse import Warehouse
from data_contracts.cftc import measures
from data_contracts.families import family
from tests.feed_servers.cftc_server import CftcServer, report_row
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import HASTY
from tests.ingest.archive_copy import footprint

NOW = datetime(2020, 6, 4, tzinfo=UTC)


def settings_of(tmp_path: Path, **given) -> Settings:
    return Settings(_env_file=None, home=tmp_path / "home", profile="live", **given)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("EIA_API_KEY", "CFTC_APP_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def servers():
    with EiaServer() as one, CftcServer() as other:
        yield one, other


def health(settings, **given):
    found = ingest.check_feeds(settings, patience=HASTY, **given)
    return {one.feed: one for one in found}


def test_a_missing_key_breaks_the_feed_that_needs_it_and_not_the_other(tmp_path, servers):
    settings = settings_of(tmp_path, feed_urls={"eia": servers[0].url, "cftc": servers[1].base})
    found = health(settings)
    assert found["eia"].key == "missing"
    assert any("EIA_API_KEY" in problem for problem in found["eia"].problems)
    assert found["cftc"].key == "not set"


def test_a_refused_key_is_told_from_an_accepted_one(tmp_path, servers, monkeypatch):
    monkeypatch.setenv("EIA_API_KEY", "wrong")
    monkeypatch.setenv("CFTC_APP_TOKEN", "stale")
    settings = settings_of(tmp_path, feed_urls={"eia": servers[0].url, "cftc": servers[1].base})
    found = health(settings)
    assert found["eia"].key == "refused"
    assert found["eia"].broken
    assert found["cftc"].key == "refused"
    assert any("went on without it" in notice for notice in found["cftc"].notices)
    monkeypatch.setenv("EIA_API_KEY", servers[0].key)
    assert health(settings_of(tmp_path, feed_urls={"eia": servers[0].url}))["eia"].key == "accepted"


def test_a_service_that_is_down_is_a_problem_in_words_and_no_exception(tmp_path, monkeypatch):
    monkeypatch.setenv("EIA_API_KEY", "k" * 40)
    settings = settings_of(
        tmp_path, feed_urls={"eia": "http://127.0.0.1:9/v2", "cftc": "http://127.0.0.1:9"}
    )
    assert all(one.broken for one in health(settings).values())


def test_no_service_is_asked_in_a_home_that_took_the_archive(ingested, servers):
    server = servers[0]
    settings = Settings(
        _env_file=None, home=ingested, profile="live", feed_urls={"eia": server.url}
    )
    asked = len(server.requests)
    with pytest.raises(SettingsError, match=r"closed records.*CBI_PROFILE=archive"):
        ingest.land_live(settings, "eia")
    assert len(server.requests) == asked


def test_one_night_through_the_settings_fills_the_warehouse_and_health_shows_its_age(
    tmp_path, servers, monkeypatch
):
    server = servers[0]
    monkeypatch.setenv("EIA_API_KEY", server.key)
    today = datetime.now(UTC).date()
    for back in range(3, 40):
        day = today - timedelta(days=back)
        if day.weekday() < 5:
            server.publisher.publish(NOW, "RWTC", day, "50.00")
    settings = settings_of(tmp_path, feed_urls={"eia": server.url, "cftc": servers[1].base})
    report = ingest.deliver_live(settings, ingest.land_live(settings, "eia"))
    assert report.changed
    found = health(settings, probe=False)["eia"]
    ages = {age.family: age for age in found.ages}
    assert not ages["eia_spot_daily"].stale
    assert ages["eia_gas_storage"].stale
    assert any("nothing of eia_gas_storage is held" in problem for problem in found.problems)


@pytest.mark.slow
def test_a_frozen_feed_is_stale_although_every_request_succeeds(tmp_path, servers, monkeypatch):
    server = servers[0]
    monkeypatch.setenv("EIA_API_KEY", server.key)
    server.publisher.publish(NOW, "RWTC", date(2020, 5, 28), "33.00")
    settings = settings_of(tmp_path, feed_urls={"eia": server.url, "cftc": servers[1].base})
    ingest.deliver_live(settings, ingest.land_live(settings, "eia"))
    problems = health(settings, probe=False)["eia"].problems
    assert any("2020-05-28" in problem and "contract allows 21" in problem for problem in problems)


def test_the_archive_profile_checks_the_embedded_records(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, profile="archive")
    (found,) = ingest.check_feeds(settings)
    assert (found.feed, found.broken, found.newest) == ("archive", False, None)


# Recorded answer of the EIA's API v2 (petroleum/pri/spt, 1986-01-03; public domain; key replaced).
RECORDED = (
    '{"response":{"total":"1","dateFormat":"YYYY-MM-DD","frequency":"weekly","data":[{"period":'
    '"1986-01-03","duoarea":"YCUOK","area-name":"NA","product":"EPCWTI","product-name":"WTI Crude '
    'Oil","process":"PF4","process-name":"Spot Price FOB","series":"RWTC","series-description":'
    '"Cushing, OK WTI Spot Price FOB (Dollars per Barrel)","value":"25.78","units":"$\\/BBL"}]},'
    '"request":{"params":{"api_key":"MOCK_API_KEY"}},"apiVersion":"2.1.13"}'
)


DAILY = RECORDED.replace('"weekly"', '"daily"')


@pytest.mark.parametrize(
    ("page", "stated"),
    [
        (RECORDED, "weekly"),
        (RECORDED.replace('"weekly"', '"monthly"'), "monthly"),
        (RECORDED.replace('"frequency":"weekly",', ""), "not stated"),
        (
            RECORDED.replace('"frequency":"weekly",', "").replace(
                '"params":{', '"params":{"frequency":"annual",'
            ),
            "annual",
        ),
    ],
    ids=["weekly", "monthly", "silent", "by its question"],
)
def test_a_row_of_another_frequency_is_none_of_the_series_that_has_its_code(tmp_path, page, stated):
    path = tmp_path / "answer.json"
    path.write_text(page)
    parsed = ingest.parse_file("eia", path)
    assert parsed.accepted.is_empty()
    assert parsed.rejected.select("rule", "offending", "period").rows() == [
        ("frequency_of_series", stated, date(1986, 1, 3))
    ]


def report_file(path, **marks):
    cells = {name: str(cell) for name, cell in report_row("legacy").items()}
    day = {"report_date_as_yyyy_mm_dd": "2020-01-07T00:00:00.000"}
    path.write_text(json.dumps([day | {"cftc_contract_market_code": "067651"} | cells | marks]))
    return path


@pytest.mark.parametrize(
    ("marks", "stated"),
    [
        ({"id": "200107067651C", "futonly_or_combined": "Combined"}, "Combined"),
        ({"id": "200107067651C"}, "200107067651C"),
        ({"futonly_or_combined": "Combined"}, "Combined"),
        ({}, "not stated"),
    ],
)
def test_a_row_on_futures_and_options_is_never_read_as_one_on_futures(tmp_path, marks, stated):
    parsed = ingest.parse_file("cftc", report_file(tmp_path / "rows.json", **marks))
    assert parsed.accepted.is_empty()
    assert set(parsed.rejected["rule"]) == {"futures_only"}
    assert set(parsed.rejected["offending"]) == {stated}


@pytest.mark.parametrize("marks", [{"id": "200107067651F"}, {"futonly_or_combined": "FutOnly"}])
def test_a_row_that_says_it_is_on_futures_alone_is_read(tmp_path, marks):
    parsed = ingest.parse_file("cftc", report_file(tmp_path / "rows.json", **marks))
    assert parsed.rejected.is_empty()
    assert len(parsed.accepted) == len(measures("legacy"))


def test_a_recorded_answer_is_parsed_offline(tmp_path):
    path = tmp_path / "answer.json"
    path.write_text(DAILY)
    parsed = ingest.parse_file("eia", path)
    row = parsed.accepted.row(0, named=True)
    assert (row["series_id"], row["value"], row["unit"]) == ("EIA.RWTC", 25.78, "USD/bbl")
    assert parsed.rejected.is_empty()
    path.write_text(DAILY.replace("25.78", "dear"))
    parsed = ingest.parse_file("eia", path)
    assert parsed.accepted.is_empty()
    assert parsed.rejected["rule"].to_list() == ["value_readable"]


def test_an_archived_file_is_parsed_offline_too():
    parsed = ingest.parse_file("archive", archive.PACKAGED / "eia-wti-daily.csv.gz")
    assert len(parsed.accepted) == 8611
    assert parsed.rejected.is_empty()


def test_a_row_after_the_end_of_its_record_is_refused_offline_too(tmp_path):
    path = tmp_path / "eia-wti-daily.csv.gz"
    path.write_bytes(gzip.compress(b"Date,DCOILWTICO\n1/3/2019,46.92\n1/14/2019,90.00\n"))
    parsed = ingest.parse_file("archive", path)
    assert len(parsed.accepted) == 1
    assert parsed.rejected.select("rule", "offending").rows() == [
        ("within_the_record", "2019-01-14")
    ]


def test_what_is_no_answer_of_the_feed_is_refused_in_words(tmp_path):
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"response": {}}))
    with pytest.raises(UnexpectedShape, match=r"without response\.data"):
        ingest.parse_file("eia", path)
    with pytest.raises(ValueError, match="archive, eia, eia_history, cftc, worldbank"):
        ingest.parse_file("fred", path)


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "palm.csv"
    file.write_text("period,value\n2020-01-02,801.5\n2020-01-03,\n2020-01-06,-3\n")
    settings = Settings(_env_file=None, home=tmp_path / "home", profile="archive")
    given = {"series": "DESK.CPO", "unit": "USD/t", "source": "desk settlement book, 2020"}
    return settings, file, given


def test_an_import_keeps_bytes_source_and_rights_and_is_known_since_the_import(own):
    settings, file, given = own
    before = datetime.now(UTC)
    report = import_csv(settings, file, **given)
    assert (report.accepted, report.added) == (3, 3)
    warehouse = Warehouse(settings.warehouse_dir)
    with warehouse.read() as store:
        rows, series = store.table("raw.observation"), store.table("ref.series")
        response = store.table("ledger.response").row(0, named=True)
    assert rows["status"].to_list() == ["value", "missing", "value"]
    assert set(rows["available_basis"]) == {"first_seen"}
    assert rows["available_at"].n_unique() == 1
    assert before <= rows["available_at"][0] <= datetime.now(UTC)
    assert rows["seen_at"].equals(rows["available_at"].rename("seen_at"))
    assert series["source"].item() == given["source"]
    assert series["rights"].item() == "no-redistribution"
    assert "desk%20settlement" in response["url"]


def test_the_same_file_again_writes_nothing(own):
    settings, file, given = own
    import_csv(settings, file, **given)
    before = footprint(settings.home)
    assert not import_csv(settings, file, **given).changed
    assert footprint(settings.home) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": " "}, "name the source"),
        ({"unit": "furlong"}, "units: USD/bbl"),
        ({"series": "EIA.RWTC"}, "belongs to an agency"),
        ({"series": "palm oil"}, "no series id"),
    ],
)
def test_an_import_without_provenance_is_refused_with_what_to_give(own, change, words):
    settings, file, given = own
    with pytest.raises(ValueError, match=words):
        import_csv(settings, file, **given | change)
    assert not (settings.home / "warehouse" / "cbi.duckdb").exists()


def test_a_bad_row_of_an_import_is_set_aside_and_a_bad_file_refused(own):
    settings, file, given = own
    good = "".join(f"{date(2019, 1, 1) + timedelta(days=n)},{n}.5\n" for n in range(60))
    file.write_text(f"period,value\n{good}2019-12-24,lots\n")
    report = import_csv(settings, file, **given)
    assert report.quarantined == 1
    assert report.refusals == ("1 row breaks the rule value_readable: line 62 (value_text lots)",)
    file.write_text(f"period,value\n{good}2031-12-24,5\n")
    assert import_csv(settings, file, **given).quarantined == 1
    file.write_text("day;price\n2019-12-24;1\n")
    with pytest.raises(UnexpectedShape, match="period and value"):
        import_csv(settings, file, **given)


def history(days: int) -> str:
    lines = (f"{date(2019, 1, 1) + timedelta(days=n)},{n}.5\n" for n in range(days))
    return f"period,value\n{''.join(lines)}"


def observed(settings):
    with Warehouse(settings.warehouse_dir).read() as store:
        return store.table("raw.observation")


@pytest.mark.parametrize("line", ["2019-12-24,80,25", "2019-12-24", '2019-12-24,"80,25"'])
def test_a_line_that_is_not_as_wide_as_its_header_is_set_aside_with_its_text(own, line):
    settings, file, given = own
    file.write_text(f"{history(60)}{line}\n")
    report = import_csv(settings, file, **given)
    assert (report.accepted, report.quarantined) == (60, 1)
    assert date(2019, 12, 24) not in observed(settings)["period"]
    with Warehouse(settings.warehouse_dir).read() as store:
        (refused,) = store.table("quarantine.row").to_dicts()
    assert refused["rule"] == "value_readable"
    assert "2019-12-24" in refused["row"]
    assert ("80" in refused["row"]) == ("80" in line)
    assert ("25" in refused["row"]) == ("25" in line)


def test_a_history_of_decimal_commas_is_refused_and_nothing_of_it_used(own):
    settings, file, given = own
    file.write_text("period,value\n2020-01-01,80,25\n2020-01-02,80,5\n")
    with pytest.raises(ingest.TableRuleBroken, match=r"DESK\.CPO"):
        import_csv(settings, file, **given)
    assert not (settings.home / "warehouse" / "cbi.duckdb").exists()


@pytest.mark.parametrize("kept", [47, pytest.param(5, marks=pytest.mark.slow)])
def test_a_file_cut_at_the_end_of_a_line_is_doubted_and_withdraws_nothing(own, kept):
    settings, file, given = own
    file.write_text(history(60))
    import_csv(settings, file, **given)
    before, landed = observed(settings), len(list(Ledger(settings.ledger_dir).responses()))
    file.write_text(history(kept))
    with pytest.raises(IncompleteResponse, match=rf"{60 - kept} of 60 periods .* DESK\.CPO"):
        import_csv(settings, file, **given)
    assert observed(settings).equals(before)
    with Warehouse(settings.warehouse_dir).read() as store:
        assert len(store.table("ledger.txn")) == 1
    assert len(list(Ledger(settings.ledger_dir).responses())) == landed + 1
    file.write_text(history(61))
    assert import_csv(settings, file, **given).added == 1


def test_a_file_of_other_periods_alone_is_doubted_however_short_the_history(own):
    settings, file, given = own
    import_csv(settings, file, **given)
    file.write_text("period,value\n2020-02-04,800\n")
    with pytest.raises(IncompleteResponse, match="3 of 3 periods"):
        import_csv(settings, file, **given)


def test_a_file_that_lacks_a_single_period_waits_for_a_word_about_it(own):
    settings, file, given = own
    file.write_text(history(60))
    import_csv(settings, file, **given)
    file.write_text(history(59))
    with pytest.raises(IncompleteResponse, match=r"1 of 60 periods.*--append.*--replace"):
        import_csv(settings, file, **given)
    assert import_csv(settings, file, **given, mode="append").withdrawn == 0
    assert observed(settings).filter(status="withdrawn").is_empty()
    report = import_csv(settings, file, **given, mode="replace")
    assert (report.changed, report.withdrawn) == (True, 1)


def test_a_part_of_a_history_is_appended_and_rebuilt_as_one(own):
    settings, file, given = own
    file.write_text(history(60))
    import_csv(settings, file, **given)
    file.write_text("period,value\n2019-01-01,900\n2019-06-01,901\n")
    assert import_csv(settings, file, **given, mode="append").added == 2
    before = observed(settings)
    assert before["period"].n_unique() == 61
    ingest.rebuild(Ledger(settings.ledger_dir), Warehouse(settings.warehouse_dir), {})
    assert observed(settings).equals(before)


def test_a_file_of_which_nothing_is_kept_shows_rule_rows_and_values(own):
    settings, file, given = own
    ahead = "".join(f"2031-12-{day},{day}.25\n" for day in range(10, 24))
    file.write_text(f"{history(50)}{ahead}2019-12-24,lots\n")
    with pytest.raises(ingest.TableRuleBroken) as refused:
        import_csv(settings, file, **given)
    words = str(refused.value)
    assert "14 rows break the rule not_from_the_future: line 52 (period 2031-12-10), " in words
    assert "line 54 (period 2031-12-12) and 11 more" in words
    assert "1 row breaks the rule value_readable: line 66 (value_text lots)" in words
    assert words.endswith("Nothing of it was used")


@pytest.mark.slow
def test_a_few_periods_gone_are_withdrawn_and_do_not_count_as_held_again(own):
    settings, file, given = own
    for days in (60, 48, 39):
        file.write_text(history(days))
        import_csv(settings, file, **given, mode="replace")
    assert observed(settings).filter(status="withdrawn").height == 21
    file.write_text(history(31))
    with pytest.raises(IncompleteResponse, match="8 of 39 periods"):
        import_csv(settings, file, **given)


def fault(problem="down"):
    return Fault.of(FeedUnavailable("eia", problem, "Wait"), "*")


def test_an_episode_of_faults_opens_once_and_closes_once(tmp_path):
    log = FaultLog(tmp_path)
    other = Fault.of(UnexpectedShape("eia", "odd", "Look"), "petroleum/pri/spt daily new")
    kinds = [
        log.settle("eia", faults, NOW + timedelta(days=day))
        for day, faults in enumerate([(), (fault(),), (fault("still"),), (other,), (), ()])
    ]
    assert [event and event.kind for event in kinds] == [
        None,
        "opened",
        None,
        "changed",
        "closed",
        None,
    ]
    assert log.since("eia") is None


def test_one_feeds_fault_is_not_anothers_and_a_torn_line_is_forgotten(tmp_path):
    log = FaultLog(tmp_path)
    log.settle("eia", [fault()], NOW)
    with (tmp_path / "faults.jsonl").open("a") as file:
        file.write('{"at": "2020-')
    assert log.open("cftc") == ()
    assert log.since("eia") == NOW
    log.settle("eia", [], NOW + timedelta(days=1))
    assert [event.kind for event in log.events()] == ["opened", "closed"]


def test_every_live_commodity_is_priced_by_a_followed_series_in_its_unit():
    units = {one.id: one.unit for one in eia.source().series}
    commodities = load_catalogue(profile="live").commodities
    assert len(commodities) == 8
    assert {one.price_series: one.unit for one in commodities}.items() <= units.items()


def test_the_archive_catalogue_is_untouched_by_the_live_one():
    assert [one.id for one in load_catalogue().commodities] == ["wti", "gasoline_mn"]


def test_every_followed_unit_has_bounds_in_its_family():
    settings = Settings(_env_file=None)
    for feed in ingest.live_feeds(settings).values():
        assert all(one.unit in family(one.family).bounds for one in feed.series)


def test_a_dead_feed_leaves_the_other_whole(tmp_path, servers, monkeypatch):
    monkeypatch.setenv("EIA_API_KEY", servers[0].key)
    servers[0].traps["error_500"] = 10_000
    report = date(2020, 5, 26)
    for kind, code in {(one.group, one.code) for one in COT}:
        servers[1].publisher.publish(NOW, (kind, code), report, json.dumps(report_row(kind)))
    settings = settings_of(tmp_path, feed_urls={"eia": servers[0].url, "cftc": servers[1].base})
    for name in ("eia", "cftc"):
        landed = ingest.land_live(settings, name, patience=HASTY)
        ingest.deliver_live(settings, landed)
    log = ingest.fault_log(settings)
    assert "answers 500" in str(log.open("eia")[0])
    assert log.open("cftc") == ()
    with Warehouse(settings.warehouse_dir).read() as store:
        assert store.table("raw.observation")["period"].unique().to_list() == [report]
