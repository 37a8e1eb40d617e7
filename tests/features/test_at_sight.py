"""A price that is known since we saw it, where no desk's night follows."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.features.origins import origins
from tests.issued.spoken import prices

SEEN = datetime(2026, 3, 10, 15, 4, 5, 678901, tzinfo=UTC)
WTI = load_catalogue().commodity("wti")
HISTORY = prices(
    *(("wti", date(2026, 1, 5) + timedelta(days=n), 1, 60.0 + n, SEEN) for n in range(30))
)


def decisions(frame: pl.DataFrame, as_of: datetime, *, at_sight: bool) -> set[datetime]:
    found = origins(frame, WTI, as_of, at_sight=at_sight).decision
    return set(pl.Series(found).cast(pl.Datetime("us", "UTC")).to_list())


def first_seen(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(available_basis=pl.lit("first_seen"))


def test_the_whole_history_of_an_import_is_decided_when_it_was_seen():
    due = origins(first_seen(HISTORY), WTI, SEEN, at_sight=True)
    assert due.size == 30
    assert decisions(first_seen(HISTORY), SEEN, at_sight=True) == {SEEN}


def test_where_a_night_follows_it_waits_for_the_night():
    assert decisions(first_seen(HISTORY), SEEN, at_sight=False) == set()
    night = datetime(2026, 3, 11, 3, tzinfo=UTC)
    assert decisions(first_seen(HISTORY), night, at_sight=False) == {night}


def test_a_price_whose_release_is_stated_waits_for_its_night_everywhere():
    assert decisions(HISTORY, SEEN, at_sight=True) == set()


def test_a_correction_that_was_seen_later_moves_no_decision():
    corrected = prices(("wti", date(2026, 1, 5), 2, 99.0, SEEN + timedelta(hours=2)))
    both = pl.concat([HISTORY, first_seen(corrected)])
    night = datetime(2026, 3, 11, 3, tzinfo=UTC)
    assert decisions(both, night, at_sight=True) == {night}
