"""What each commodity's state is, and why, from what is held."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.ingest import Fault, fault_log
from cbi_pipeline.issued import (
    Status,
    describe_unconfirmed,
    find_statuses,
    newest_statuses,
    note_faults,
    open_refusals,
)
from cbi_pipeline.market import build_sessions, latest_prices, sessions
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from data_contracts import contract
from data_contracts.features import ORIGIN
from tests.features.records import as_observations
from tests.warehouse.frames import reference

CATALOGUE = load_catalogue(profile="live")
BRENT = CATALOGUE.commodity("brent")
ONE = CATALOGUE.model_copy(update={"commodities": (BRENT,)})
AS_OF = datetime(2026, 8, 20, 3, tzinfo=UTC)
DAYS = sessions("london_spot_daily", date(2024, 1, 2), date(2026, 8, 18))
READY = pl.DataFrame(
    [{"commodity": "brent", "ready": True, "price": 60.0}], schema_overrides={"ready": pl.Boolean}
)
DEAD = Fault("eia", "*", "FeedUnavailable", "api.eia.gov answers 503", "The next run asks again")
OTHER = Fault(
    "eia", "natural-gas/stor/wkly weekly newest", "IncompleteResponse", "few rows", "Wait"
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / ".cbi", profile="live")


def observed(days: list[date], price=lambda day: 60 + day.day / 10, public=None) -> pl.DataFrame:
    at = [public or datetime(d.year, d.month, d.day, tzinfo=UTC) + timedelta(days=1) for d in days]
    return as_observations(
        pl.DataFrame(
            {
                "series_id": BRENT.price_series,
                "period": days,
                "available_at": at,
                "available_basis": "stamp",
                "value": [price(day) for day in days],
                "status": "value",
            },
            schema_overrides={"available_at": pl.Datetime("us", "UTC"), "value": pl.Float64},
        )
    )


def refused(count: int, period: date | None, rule: str = "bounds") -> pl.DataFrame:
    row = {
        "response_id": "r" * 16,
        "rule": rule,
        "feed": "eia",
        "series_id": BRENT.price_series,
        "period": period,
        "column_name": "value",
        "value": "99999",
        "row": "{}",
        "contract_version": "1.0.0",
        "fate": "open",
        "txn_id": 1,
        "seen_at": AS_OF,
    }
    rows = [row | {"locator": str(number)} for number in range(count)]
    return pl.DataFrame(rows, schema=contract("quarantine.row").dtypes)


def series_of(family: str) -> pl.DataFrame:
    return reference(BRENT.price_series).with_columns(family=pl.lit(family))


def status(
    settings,
    *,
    prices=None,
    aside=0,
    period=None,
    rule="bounds",
    family=None,
    rows=READY,
    catalogue=ONE,
    waiting=None,
) -> Status:
    warehouse = Warehouse(settings.warehouse_dir)
    with warehouse.write() as store:
        if prices is not None:
            store.append("raw.observation", prices)
        if aside:
            store.append("quarantine.row", refused(aside, period, rule))
        if family is not None:
            store.replace("ref.series", series_of(family))
    warehouse.publish()
    with warehouse.read() as store:
        (found,) = find_statuses(store, catalogue, settings, AS_OF, rows, waiting or {}).values()
    return found


def unconfirmed(settings, prices) -> str:
    known = latest_prices(build_sessions(prices, BRENT), AS_OF)
    with Warehouse(settings.warehouse_dir).read() as store:
        refused = open_refusals(store, BRENT.price_series)
    return describe_unconfirmed(BRENT, refused, known, AS_OF)


def kind_and_explained(found: Status) -> tuple[str, bool]:
    return found.kind, found.is_explained


def test_recent_prices_on_the_markets_own_calendar_are_forecast(settings):
    assert status(settings, prices=observed(DAYS)) == Status("brent")


def test_a_series_that_was_asked_for_and_never_came_is_a_fault(settings):
    found = status(settings)
    assert kind_and_explained(found) == ("cannot be forecast", False)
    assert "nothing was ever published to us as EIA.RBRTE" in found.reason


def test_a_series_whose_feed_waits_for_its_key_waits(settings):
    found = status(settings, waiting={"brent": "EIA_API_KEY is not set"})
    assert found == Status("brent", "waits", "EIA_API_KEY is not set")


def test_prices_in_hand_are_forecast_while_their_feed_waits_for_its_key(settings):
    found = status(settings, prices=observed(DAYS), waiting={"brent": "EIA_API_KEY is not set"})
    assert found == Status("brent")


def test_a_dead_feed_is_the_reason_and_has_told_it_already(settings):
    fault_log(settings).settle("eia", [OTHER, DEAD], AS_OF)
    found = status(settings)
    assert kind_and_explained(found) == ("cannot be forecast", True)
    assert "because eia has a fault: api.eia.gov answers 503" in found.reason


def test_a_fault_of_other_series_is_not_the_reason(settings):
    fault_log(settings).settle("eia", [OTHER], AS_OF)
    assert "nothing was ever published to us" in status(settings).reason


def test_rows_that_are_all_set_aside_name_their_rule(settings):
    found = status(settings, aside=3)
    assert kind_and_explained(found) == ("cannot be forecast", False)
    assert "all 3 rows of EIA.RBRTE are set aside by the rule bounds" in found.reason


def test_no_price_is_known_is_said_only_where_none_is_held(settings):
    found = status(settings, prices=observed(DAYS, public=AS_OF + timedelta(days=1)))
    assert found.kind == "abstains"
    assert "was public on 2026-08-19 yet" in found.reason


def test_a_history_with_too_many_holes_is_told_with_year_share_and_limit(settings):
    holes = [day for day in DAYS if not (day.year == 2025 and day.month == 3)]
    found = status(settings, prices=observed(holes))
    assert kind_and_explained(found) == ("cannot be forecast", False)
    assert "8.3% of the sessions" in found.reason
    assert "expects in 2025 have no price, the limit is 5%" in found.reason


def test_a_calendar_of_another_rhythm_is_told_as_one(settings):
    monthly = BRENT.model_copy(update={"calendar": "eia_retail_weekly"})
    catalogue = ONE.model_copy(update={"commodities": (monthly,)})
    found = status(settings, prices=observed(DAYS), catalogue=catalogue)
    assert found.kind == "cannot be forecast"
    assert found.reason.startswith("the calendar eia_retail_weekly does not fit")


@pytest.mark.parametrize("price", [-37.63, 0.0])
def test_a_newest_price_without_a_log_return_abstains(settings, price):
    prices = observed(DAYS, lambda day: price if day == DAYS[-1] else 60.0)
    found = status(settings, prices=prices)
    assert kind_and_explained(found) == ("abstains", False)
    assert f"is {price:g} USD/bbl; a log return needs a positive price" in found.reason


def test_old_prices_abstain_and_say_what_was_set_aside_since(settings):
    found = status(settings, prices=observed(DAYS[:-30]), aside=2)
    assert kind_and_explained(found) == ("abstains", False)
    assert "the limit is 21 days; 2 rows of EIA.RBRTE are set aside" in found.reason


def test_a_short_history_says_how_many_returns_it_has_and_needs(settings):
    found = status(settings, prices=observed(DAYS[-100:]), rows=ORIGIN.empty())
    assert found.kind == "cannot be forecast"
    assert "99 one-session returns are known, 260 are needed" in found.reason


def test_a_price_that_never_moved_is_not_called_short(settings):
    found = status(settings, prices=observed(DAYS, lambda day: 60.0), rows=ORIGIN.empty())
    assert found.kind == "cannot be forecast"
    assert "never moved" in found.reason


def edges(settings) -> list[tuple[str, str]]:
    return [(event.feed, event.kind) for event in fault_log(settings).events()]


def test_a_fault_opens_once_and_closes_once(settings):
    broken, well = Status("brent", "cannot be forecast", "holes"), Status("brent")
    for night, one in enumerate([broken, broken, well, well]):
        note_faults([one, Status("wti")], settings, AS_OF + timedelta(days=night))
    assert edges(settings) == [("brent forecast", "opened"), ("brent forecast", "closed")]


def test_what_a_feed_tells_neither_opens_nor_closes_a_fault(settings):
    open_one = Status("wti", "cannot be forecast", "holes")
    note_faults([open_one], settings, AS_OF)
    explained = [
        Status(name, "cannot be forecast", "the feed is dead", is_explained=True)
        for name in ("wti", "brent")
    ]
    note_faults(explained, settings, AS_OF + timedelta(days=1))
    assert edges(settings) == [("wti forecast", "opened")]


def test_a_commodity_that_is_followed_no_more_has_no_open_fault(settings):
    note_faults([Status("brent", "cannot be forecast", "holes")], settings, AS_OF)
    note_faults([Status("wti")], settings, AS_OF + timedelta(days=1))
    assert edges(settings)[-1] == ("brent forecast", "closed")


def test_an_abstention_of_the_first_version_stands_as_one(settings):
    warehouse = Warehouse(settings.warehouse_dir)
    row = {"track": "live", "as_of": AS_OF, "commodity": "wti", "kind": None, "reason": "too old"}
    with warehouse.write() as store:
        store.append(
            "issued.abstention", pl.DataFrame([row], schema=contract("issued.abstention").dtypes)
        )
    warehouse.publish()
    with warehouse.read() as store:
        assert newest_statuses(store) == (Status("wti", "abstains", "too old"),)


@pytest.mark.parametrize("rule", ["factor_of_10", "factor_of_1/42", "mass_restatement"])
def test_a_series_restated_by_a_factor_or_in_the_mass_is_held_and_says_who_confirms(settings, rule):
    found = status(settings, prices=observed(DAYS[:-1]), aside=1, period=DAYS[-1], rule=rule)
    assert kind_and_explained(found) == ("abstains", False)
    assert found.reason == (
        f"the value of 2026-08-18 is held for confirmation: value 99999 breaks the rule {rule}, and"
        " the newest price in use is of 2026-08-17. A second night that says the same confirms it, "
        f"or `cbi quarantine retry --rule {rule}`"
    )


def test_a_restatement_of_the_newest_price_that_is_set_aside_is_held_too(settings):
    found = status(settings, prices=observed(DAYS), aside=1, period=DAYS[-1], rule="factor_of_10")
    assert "the value of 2026-08-18 is held for confirmation" in found.reason


@pytest.mark.parametrize("rule", ["bounds", "value_readable", "conflicting_duplicate"])
def test_a_newest_value_that_another_rule_sets_aside_is_told_and_silences_nothing(settings, rule):
    prices = observed(DAYS[:-1])
    found = status(settings, prices=prices, aside=1, period=DAYS[-1], rule=rule)
    assert found == Status("brent")
    assert unconfirmed(settings, prices) == (
        "unconfirmed: the value of 2026-08-18 was set aside, because value 99999 breaks the rule "
        f"{rule}; the newest price in use is of 2026-08-17, see `cbi quarantine list`"
    )


@pytest.mark.parametrize("price", [-36.98, 12.0, 130.0])
def test_any_other_jump_is_marked_unconfirmed(settings, price):
    prices = observed(DAYS, lambda day: price if day == DAYS[-1] else 60 + day.day / 10)
    status(settings, prices=prices)
    assert unconfirmed(settings, prices) == (
        f"unconfirmed: the value of 2026-08-18, {price:g} USD/bbl, is far from those before it; "
        "it is used as it came"
    )


def test_a_day_below_zero_silences_its_own_commodity_and_no_other(settings):
    wti = CATALOGUE.commodity("wti")
    below = observed(DAYS, lambda day: -36.98 if day == DAYS[-1] else 60 + day.day / 10)
    other = observed(DAYS).with_columns(series_id=pl.lit(wti.price_series))
    alike = wti.model_copy(update={"calendar": BRENT.calendar})
    both = CATALOGUE.model_copy(update={"commodities": (BRENT, alike)})
    warehouse = Warehouse(settings.warehouse_dir)
    with warehouse.write() as store:
        store.append("raw.observation", pl.concat([below, other]))
    warehouse.publish()
    rows = pl.concat([READY, READY.with_columns(commodity=pl.lit("wti"))])
    with warehouse.read() as store:
        found = find_statuses(store, both, settings, AS_OF, rows, {})
    assert {name: one.kind for name, one in found.items()} == {
        "brent": "abstains",
        "wti": "forecast",
    }


@pytest.mark.parametrize(
    "period",
    [DAYS[-2], date(2026, 8, 15), date(2027, 1, 5), None],
    ids=["an older session", "a Saturday", "a day ahead", "no readable day"],
)
def test_other_rows_that_are_set_aside_hold_no_forecast_back(settings, period):
    found = status(settings, prices=observed(DAYS), aside=1, period=period)
    assert found == Status("brent")


def test_old_prices_whose_release_is_past_due_say_so(settings):
    found = status(settings, prices=observed(DAYS[:-30]), family="eia_spot_daily")
    assert kind_and_explained(found) == ("abstains", False)
    # The Wednesday itself is too near to its own weekly posting.
    assert found.reason.endswith(
        "; missed release: the value of 2026-07-08 was due on 2026-07-16 at 01:30 UTC and has not "
        "come"
    )


def test_a_series_without_a_release_rule_misses_none(settings):
    found = status(settings, prices=observed(DAYS[:-30]), family="own_history")
    assert found.reason.endswith("the limit is 21 days")
