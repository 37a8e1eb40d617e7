"""When no forecast is issued, and the words that say why."""

from datetime import UTC, date, datetime

import pytest

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.issued import ABSTAINS, Status, abstentions, closed_records, staleness
from data_contracts.issued import ABSTENTION
from tests.issued.spoken import prices

AS_OF = datetime(2020, 2, 12, 15, 30, tzinfo=UTC)
KNOWN = datetime(2019, 1, 9, tzinfo=UTC)
WTI = ("wti", date(2019, 1, 3), 1, 46.92, KNOWN)
GASOLINE = ("gasoline_mn", date(2020, 2, 10), 1, 2.5, datetime(2020, 2, 10, 22, tzinfo=UTC))
ARCHIVE = load_catalogue(profile="archive")
# The same commodities, as a live profile would follow them: no record is closed.
LIVE = ARCHIVE.model_copy(
    update={
        "commodities": tuple(
            one.model_copy(update={"record_ends": None}) for one in ARCHIVE.commodities
        )
    }
)


def test_old_price_is_named_with_its_age_and_the_limit():
    assert staleness(prices(WTI, GASOLINE), LIVE, AS_OF) == {
        "wti": "newest price is of 2019-01-03, 405 days before 2020-02-12; the limit is 21 days",
        "gasoline_mn": None,
    }


@pytest.mark.parametrize(("day", "speaks"), [(24, True), (25, False)])
def test_price_speaks_up_to_the_limit_and_not_beyond(day, speaks):
    noon = datetime(2019, 1, day, 17, tzinfo=UTC)
    assert (staleness(prices(WTI), LIVE, noon)["wti"] is None) == speaks


def test_age_counts_the_desks_days_not_utc_days():
    # 23:00 in New York on 24 January is 25 January in UTC.
    late = datetime(2019, 1, 25, 4, tzinfo=UTC)
    assert staleness(prices(WTI), LIVE, late)["wti"] is None


def test_closed_record_is_not_stale_and_says_so_in_words():
    known = prices(WTI, GASOLINE)
    assert staleness(known, ARCHIVE, AS_OF)["wti"] is None
    words = closed_records(known, ARCHIVE, AS_OF)["wti"]
    assert "historical demonstration" in words
    assert "2019-01-03, 405 days before 2020-02-12" in words


def test_record_closed_later_than_its_newest_known_price_is_stale_like_any_other():
    early = prices(("wti", date(2018, 6, 1), 1, 65.0, datetime(2018, 6, 6, tzinfo=UTC)))
    as_of = datetime(2018, 9, 1, 3, tzinfo=UTC)
    assert "limit is 21 days" in str(staleness(early, ARCHIVE, as_of)["wti"])
    assert closed_records(early, ARCHIVE, as_of) == {}


def test_commodity_without_a_known_price_abstains():
    before = datetime(2019, 1, 8, tzinfo=UTC)
    assert "is known on 2019-01-07" in str(staleness(prices(WTI), LIVE, before)["wti"])


def test_withdrawn_price_does_not_count_as_the_newest():
    withdrawn = ("wti", date(2019, 1, 3), 2, None, datetime(2019, 1, 10, tzinfo=UTC))
    older = ("wti", date(2018, 12, 3), 1, 53.0, KNOWN)
    as_of = datetime(2019, 1, 11, 17, tzinfo=UTC)
    reason = staleness(prices(WTI, withdrawn, older), LIVE, as_of)["wti"]
    assert str(reason).startswith("newest price is of 2018-12-03, 39 days")


def test_price_below_zero_abstains_because_no_log_return_exists():
    day = date(2020, 4, 20)
    below = prices(("wti", day, 1, -36.98, datetime(2020, 4, 21, tzinfo=UTC)))
    reason = staleness(below, LIVE, datetime(2020, 4, 22, tzinfo=UTC))["wti"]
    assert "-36.98 USD/bbl" in str(reason)
    assert "positive" in str(reason)


def test_abstentions_are_rows_of_the_contract_for_those_with_a_reason():
    given = [Status("wti", ABSTAINS, "too old"), Status("gasoline_mn")]
    rows = abstentions(given, track="live", as_of=AS_OF)
    assert ABSTENTION.validate(rows).rows() == [("live", AS_OF, "wti", "abstains", "too old")]


def test_no_reason_gives_no_row():
    rows = abstentions([Status("wti")], track="live", as_of=AS_OF)
    assert ABSTENTION.validate(rows).is_empty()
