"""A publisher that restates by a factor or in the mass is believed at second sight."""

from datetime import UTC, date, datetime, timedelta

import pytest

from cbi_pipeline.ingest._retry import retry
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import WTI, eia_installation
from tests.ingest.mixed_home import Home, assert_same

FIRST = datetime(2020, 6, 4, 3, tzinfo=UTC)
DAYS = [
    day for offset in range(150) if (day := date(2020, 1, 2) + timedelta(days=offset)).weekday() < 5
]
PRICES = {day: round(40 + number / 7, 2) for number, day in enumerate(DAYS)}
RECENT = DAYS[-46:]
NEXT_DAY = DAYS[-1] + timedelta(days=3)


@pytest.fixture
def server():
    with EiaServer() as running:
        for day, price in PRICES.items():
            running.publisher.publish(FIRST, "RWTC", day, f"{price:.2f}")
        yield running


@pytest.fixture
def installed(tmp_path, server):
    one = eia_installation(tmp_path / "home", server)
    night(one, server, 0)
    assert one.problem() == ""
    return one


def night(one, server, number: float):
    server.publisher.now = FIRST + timedelta(days=number)
    return one.night(server.publisher.now)


def restate(server, number: float, days, change):
    for day in days:
        at = FIRST + timedelta(days=number)
        server.publisher.publish(at, "RWTC", day, f"{change(PRICES[day]):.4f}")


def fates(one) -> dict[tuple[str, str], int]:
    found = one.table("quarantine.row").group_by("rule", "fate").len()
    return {(rule, fate): number for rule, fate, number in found.iter_rows()}


def test_a_tenfold_restatement_is_held_in_words_and_confirmed_by_a_second_night(installed, server):
    before = installed.values()
    restate(server, 1, RECENT, lambda price: price * 10)
    night(installed, server, 1)
    assert installed.values() == before
    assert fates(installed) == {("factor_of_10", "open"): 46}
    assert "EIA.RWTC is held for confirmation: 46 of 46 restated values" in installed.problem()
    night(installed, server, 2)
    assert installed.values()[RECENT[0]] == pytest.approx(PRICES[RECENT[0]] * 10, abs=0.1)
    assert fates(installed) == {("factor_of_10", "accepted"): 46}
    assert installed.problem() == ""


def test_the_sighting_of_a_confirmed_value_is_its_confirmation(installed, server):
    restate(server, 1, RECENT, lambda price: price * 10)
    night(installed, server, 1)
    night(installed, server, 2)
    rows = installed.table("raw.observation").filter(series_id=WTI, version=2)
    assert rows["seen_at"].unique().to_list() == [FIRST + timedelta(days=2)]
    assert rows["available_at"].unique().to_list() == [FIRST + timedelta(days=2)]


def test_looking_again_in_the_same_night_confirms_nothing(installed, server):
    restate(server, 1, RECENT, lambda price: price * 10)
    night(installed, server, 1)
    night(installed, server, 1.1)
    assert fates(installed) == {("factor_of_10", "open"): 46}


def test_a_restatement_that_is_taken_back_leaves_nothing(installed, server):
    before = installed.values()
    restate(server, 1, RECENT, lambda price: price * 10)
    night(installed, server, 1)
    restate(server, 2, RECENT, lambda price: price)
    night(installed, server, 2)
    assert installed.values() == before
    assert fates(installed) == {("factor_of_10", "superseded"): 46}
    assert installed.problem() == ""


def test_a_new_value_of_a_held_series_is_held_with_it(installed, server):
    restate(server, 1, RECENT, lambda price: price / 42)
    server.publisher.publish(FIRST + timedelta(days=1), "RWTC", NEXT_DAY, "1.30")
    night(installed, server, 1)
    assert NEXT_DAY not in installed.values()
    assert fates(installed) == {("factor_of_1/42", "open"): 47}
    night(installed, server, 2)
    assert installed.values()[NEXT_DAY] == 1.3
    night(installed, server, 3)
    assert installed.problem() == "", "the seam in its sizes is known"


def test_a_person_confirms_with_the_rule_that_is_told(installed, server):
    restate(server, 1, RECENT, lambda price: price * 10)
    night(installed, server, 1)
    (told,) = retry(
        installed.ledger,
        installed.warehouse,
        {"eia": installed.feed},
        "factor_of_10",
        lambda _: FIRST + timedelta(days=1.2),
    )
    assert (told.accepted, told.refused) == (46, 0)
    assert installed.values()[RECENT[-1]] == pytest.approx(PRICES[RECENT[-1]] * 10, abs=0.1)
    night(installed, server, 2)
    assert installed.problem() == ""


@pytest.mark.parametrize(
    ("days", "change", "rule"),
    [
        (RECENT[:1], lambda price: price / 10, "factor_of_1/10"),
        (RECENT, lambda price: price * 1.03, "mass_restatement"),
        (RECENT[:6], lambda price: price / 100, "factor_of_1/100"),
    ],
    ids=["one slip of the point", "all by three per cent", "some in hundreds"],
)
def test_other_changes_of_what_is_held_wait_for_a_second_sight(
    installed, server, days, change, rule
):
    restate(server, 1, days, change)
    night(installed, server, 1)
    assert fates(installed) == {(rule, "open"): len(days)}


@pytest.mark.parametrize("price", ["-36.98", "12.00", "130.00"], ids=str)
def test_any_other_jump_is_believed_at_once(installed, server, price):
    server.publisher.publish(FIRST + timedelta(days=1), "RWTC", NEXT_DAY, price)
    night(installed, server, 1)
    assert installed.values()[NEXT_DAY] == float(price)
    assert installed.problem() == ""


def test_a_new_level_that_no_factor_explains_is_stored_for_as_long_as_it_lasts(installed, server):
    days = [NEXT_DAY + timedelta(days=7 * week) for week in range(8)]
    for number, day in enumerate(days, start=1):
        at = FIRST + timedelta(days=7 * number)
        server.publisher.publish(at, "RWTC", day, f"{2.4 + number / 100:.2f}")
        night(installed, server, 7 * number)
        assert installed.values()[day] == pytest.approx(2.4 + number / 100)
    assert installed.problem() == ""
    home = Home(installed.home, {"eia": installed.feed})
    before = home.content()
    home.rebuild()
    assert_same(before, home.content())


def test_a_few_corrections_are_believed_at_once(installed, server):
    restate(server, 1, RECENT[:4], lambda price: price + 1)
    night(installed, server, 1)
    assert installed.values()[RECENT[0]] == pytest.approx(PRICES[RECENT[0]] + 1, abs=0.01)


def test_held_and_confirmed_nights_are_done_again_as_they_were(installed, server):
    restate(server, 1, RECENT, lambda price: price * 10)
    server.publisher.publish(FIRST + timedelta(days=1), "RWTC", NEXT_DAY, "560.00")
    for number in range(1, 5):
        night(installed, server, number)
    home = Home(installed.home, {"eia": installed.feed})
    before = home.content()
    home.rebuild()
    assert_same(before, home.content())
