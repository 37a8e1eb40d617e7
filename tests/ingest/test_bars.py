"""Bars come in as values do: versions, withdrawals, refusals, retries, in a table of their own."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from cbi_pipeline import ingest
from cbi_pipeline.ingest._retry import retry
from cbi_pipeline.warehouse import lineage
from data_contracts.families import FAMILIES
from data_contracts.own_history import OWN_HISTORY
from data_contracts.shape import Shape
from data_contracts.versioned import BARS
from tests.feed_servers.night import FOREVER, Installation
from tests.ingest import bar_feed
from tests.ingest.bar_feed import HOUR, SERIES, UNDEFINED, Quay, candle

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
NIGHT = datetime(2024, 3, 21, 3, tzinfo=UTC)
LATER = NIGHT + timedelta(days=1)
STARTS = [FIRST + HOUR * number for number in range(300)]


@pytest.fixture
def quay():
    with Quay() as server:
        server.candles = [(start, candle(500 + start.hour)) for start in STARTS]
        yield server


@pytest.fixture
def installed(quay, tmp_path, monkeypatch) -> Installation:
    sized = replace(OWN_HISTORY, name="quay_rice", shape=Shape(scale_limit=20.0))
    monkeypatch.setitem(FAMILIES, "quay_rice", sized)
    return Installation(tmp_path, bar_feed.source(quay.base), None)


def bars(installed, at: datetime = FOREVER, knew: str = "public") -> dict[datetime, int]:
    """Last prices by start, as known at an instant."""
    with installed.warehouse.read() as store:
        rows = store.as_of(at, knew, [SERIES.id], BARS)
    return dict(rows.select("ts_event", "close").iter_rows())


def state(installed) -> str:
    with installed.warehouse.read() as store:
        return store.state(FOREVER, [SERIES.id])


def fates(installed) -> list[tuple[str, date | None, str]]:
    return installed.table("quarantine.row").select("rule", "period", "fate").rows()


def rebuilt(installed) -> ingest.Rebuilt:
    return ingest.rebuild(installed.ledger, installed.warehouse, {"quay": installed.feed})


def test_a_bar_is_stored_with_its_instrument_and_dated_by_its_end(installed):
    report = installed.night(NIGHT)
    row = installed.table("raw.bar").filter(ts_event=STARTS[5]).row(0, named=True)
    assert (report.parsed, report.accepted, report.added) == (300, 300, 300)
    assert [row[name] for name in ("dataset", "instrument", "width")] == ["QUAY", "RICE", "1h"]
    assert (row["open"], row["high"], row["low"]) == (505 * 10**9, 507 * 10**9, 503 * 10**9)
    assert (row["version"], row["status"], row["volume"]) == (1, "value", 10)
    assert (row["available_at"], row["available_basis"]) == (STARTS[6], "assumed")
    assert installed.table("raw.observation").is_empty()


def test_a_bar_that_changes_is_a_version_known_since_it_was_seen(installed, quay):
    installed.night(NIGHT)
    quay.candles[7] = (STARTS[7], candle(511))
    assert installed.night(LATER).added == 1
    assert bars(installed)[STARTS[7]] == 511 * 10**9
    assert bars(installed, LATER - HOUR)[STARTS[7]] == 507 * 10**9
    assert STARTS[7] not in bars(installed, STARTS[7])


def test_a_changed_volume_alone_is_a_version(installed, quay):
    installed.night(NIGHT)
    quay.candles[7] = (STARTS[7], candle(507, volume=11))
    assert installed.night(LATER).added == 1
    assert installed.table("raw.bar").filter(ts_event=STARTS[7])["volume"].to_list() == [10, 11]


def test_a_night_that_says_nothing_new_writes_nothing(installed):
    installed.night(NIGHT)
    assert not installed.night(LATER).changed


def test_a_bar_that_is_gone_when_asked_for_alone_is_withdrawn(installed, quay):
    installed.night(NIGHT)
    del quay.candles[7]
    assert installed.night(LATER).withdrawn == 1
    assert STARTS[7] not in bars(installed)
    assert STARTS[7] in bars(installed, LATER - HOUR)
    assert STARTS[8] in bars(installed)
    row = installed.table("raw.bar").filter(ts_event=STARTS[7], version=2).row(0, named=True)
    assert (row["instrument"], row["status"], row["close"]) == ("RICE", "withdrawn", None)


def test_a_bar_that_comes_when_its_day_is_asked_for_alone_was_lost_on_the_way(
    installed, quay, monkeypatch
):
    installed.night(NIGHT)
    whole = quay.answer

    def short(asked):
        if asked.one("to"):
            return whole(asked)
        quay.candles, candles = quay.candles[:7] + quay.candles[8:], quay.candles
        try:
            return whole(asked)
        finally:
            quay.candles = candles

    monkeypatch.setattr(quay, "answer", short)
    assert not installed.night(LATER).changed
    assert "was not in the answer" in installed.problem()


def test_equal_bars_are_counted_and_dropped_and_unequal_ones_are_all_set_aside(installed, quay):
    quay.candles[5:5] = [quay.candles[5]]
    quay.candles[9:9] = [(quay.candles[9][0], candle(999))]
    report = installed.night(NIGHT)
    assert (report.duplicates, report.accepted) == (1, 299)
    assert fates(installed) == [("conflicting_duplicate", date(2024, 3, 1), "open")] * 2


@pytest.mark.parametrize(
    ("changed", "rule", "period"),
    [
        ({"c": UNDEFINED}, "value_readable", date(2024, 3, 4)),
        ({"h": 400}, "is_high", date(2024, 3, 4)),
        ({"l": 600}, "is_low", date(2024, 3, 4)),
        ({"h": 2_000_000}, "bounds", date(2024, 3, 4)),
        ({"v": -1}, "greater_than_or_equal_to", date(2024, 3, 4)),
        ({"when": "noon"}, "period_readable", None),
    ],
)
def test_a_bar_that_breaks_a_rule_is_set_aside_with_its_day(
    installed, quay, monkeypatch, changed, rule, period
):
    start, good = quay.candles[80]
    quay.candles[80] = (start, good | changed)
    if "when" in changed:
        monkeypatch.setattr(quay, "answer", with_unread_start(quay, start))
    installed.night(NIGHT)
    assert (rule, period, "open") in fates(installed)
    assert start not in bars(installed)
    assert len(bars(installed)) == 299


def with_unread_start(quay, start):
    whole = quay.answer

    def answer(asked):
        reply = whole(asked)
        local = f"{start.astimezone(bar_feed.TOKYO):%Y-%m-%d %H:%M}".encode()
        reply.body = reply.body.replace(local, b"noon", 1)
        return reply

    return answer


def test_a_refused_bar_of_which_better_is_heard_is_superseded(installed, quay):
    start, good = quay.candles[80]
    quay.candles[80] = (start, good | {"h": 400})
    installed.night(NIGHT)
    quay.candles[80] = (start, good)
    installed.night(LATER)
    assert {fate for _, _, fate in fates(installed)} == {"superseded"}
    assert bars(installed)[start] == good["c"] * 10**9


def test_bars_restated_by_a_power_of_ten_are_believed_when_they_come_again(installed, quay):
    installed.night(NIGHT)
    quay.candles = [
        (start, candle(10 * one["c"])) if number >= 100 else (start, one)
        for number, (start, one) in enumerate(quay.candles)
    ]
    assert installed.night(LATER).added == 0
    assert "held for confirmation" in installed.problem()
    assert installed.night(LATER + timedelta(days=1)).added == 200
    assert set(fates(installed)) == {
        ("factor_of_10", (FIRST + timedelta(days=back)).date(), "accepted") for back in range(4, 13)
    }


def test_a_refused_bar_comes_back_under_a_wider_rule(installed, quay, monkeypatch):
    start = STARTS[80]
    quay.candles[80] = (start, candle(1_000_500))
    installed.night(NIGHT)
    wider = replace(FAMILIES["quay_rice"], bounds={"USD/t": (-1000.0, 2_000_000.0)})
    monkeypatch.setitem(FAMILIES, "quay_rice", wider)
    (done,) = retry(
        installed.ledger,
        installed.warehouse,
        {"quay": installed.feed},
        "bounds",
        lambda name: LATER,
    )
    assert (done.asked, done.accepted) == (1, 1)
    assert bars(installed)[start] == 1_000_500 * 10**9
    assert rebuilt(installed).changed_from is None


def test_a_rebuild_gives_the_same_bars_and_the_same_state(installed, quay):
    installed.night(NIGHT)
    quay.candles[7] = (STARTS[7], candle(511))
    del quay.candles[30]
    installed.night(LATER)
    before, known = installed.table("raw.bar"), state(installed)
    done = rebuilt(installed)
    assert (done.versions, done.changed_from) == (302, None)
    assert installed.table("raw.bar").equals(before)
    assert state(installed) == known
    with installed.warehouse.write() as store:
        assert ingest.verify_warehouse(installed.ledger, store) == []


def test_the_state_of_bars_is_that_of_their_content_alone(installed, quay, tmp_path):
    later = quay.candles[200:]
    quay.candles = quay.candles[:200]
    installed.night(NIGHT)
    first = state(installed)
    quay.candles += later
    installed.night(LATER)
    at_once = Installation(tmp_path / "other", bar_feed.source(quay.base), None)
    at_once.night(LATER)
    early = STARTS[150]
    assert state(installed) != first
    with installed.warehouse.read() as ours, at_once.warehouse.read() as theirs:
        assert ours.state(early, [SERIES.id]) == theirs.state(early, [SERIES.id])


def test_bars_that_a_wrong_clock_dated_are_dated_again(installed):
    installed.night(NIGHT + timedelta(days=400))
    assert not bars(installed, LATER, "ours")
    installed.night(LATER)
    (notice,) = installed.landed.notices
    assert notice.startswith("300 values were dated in the future")
    assert len(bars(installed, LATER, "ours")) == 300


def test_a_bar_is_traced_to_its_bytes(installed):
    installed.night(NIGHT)
    with installed.warehouse.read() as store:
        row = lineage(store, FOREVER, SERIES.id, 1).row(0, named=True)
    assert (row["period"], row["value"], row["unit"]) == (STARTS[-1], 511.0, "USD/t")
    assert row["locator"] == "[299]"
    assert row["url"].endswith("/candles?from=2024-03-01")


def test_a_series_of_bars_is_called_after_its_dimensions(quay):
    feed = bar_feed.source(quay.base)
    other = replace(SERIES, id="QUAY.WHEAT.1h")
    with pytest.raises(ValueError, match=r"QUAY\.WHEAT\.1h.*dataset, instrument, width"):
        replace(feed, series=(other,))


def test_the_parsed_columns_are_those_of_the_table_but_for_what_is_added_when_recorded():
    added = {"version", "seen_at", "txn_id", "response_id", *BARS.identity}
    kept = {name: kind for name, kind in BARS.contract.dtypes.items() if name not in added}
    assert BARS.parsed.dtypes.items() >= kept.items()
    assert BARS.parsed.dtypes.keys() - kept == {"unit", "row_json"}
