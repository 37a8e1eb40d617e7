"""A night scores what is new to it, and comes to what scoring everything anew would."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cbi_pipeline.issued import IssuedLedger, score
from cbi_pipeline.operations.score_issued import score_issued
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts.features import TARGET
from tests.issued.spoken import prices, spoken, unchained

FIRST = datetime(2019, 3, 4, 4, tzinfo=UTC)
MARKETS = ("wti", "brent")


class Home:
    """The part of a pipeline that scoring asks."""

    def __init__(self, folder):
        self.warehouse = Warehouse(folder / "warehouse")
        self.folder = folder
        self.as_of = FIRST
        self.versions = {}

    def newest_as_of(self):
        return self.as_of

    def issue(self, as_of, **changes):
        with self.warehouse.write() as store:
            ledger = IssuedLedger(store, self.folder / "issued")
            said = unchained(spoken(as_of, MARKETS, **changes), store.table("issued.forecast"))
            ledger.append(said)
        self.warehouse.publish()

    def publish(self, market, session, price, at):
        version = self.versions[market, session] = self.versions.get((market, session), 0) + 1
        with self.warehouse.write() as store:
            store.append("market.session", prices((market, session, version, price, at)))
        self.warehouse.publish()

    def table(self, name):
        with self.warehouse.read() as store:
            return store.table(name)

    def score_everything(self):
        return score(self.table("issued.forecast"), self.table("market.session"), self.as_of)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def at(night: int) -> datetime:
    return FIRST + timedelta(days=night)


def session(night: int) -> date:
    """The session whose price a night brings."""
    return at(night).date() - timedelta(days=1)


def spend_nights(home: Home, chance: Random, count: int = 12):
    """Nights with prices that come, are revised or withdrawn, and forecasts that are said again."""
    for night in range(count):
        home.as_of = at(night)
        for market in MARKETS:
            if chance.random() < 0.8:
                home.publish(market, session(night), 50 + chance.random(), at(night))
            earlier = [day for name, day in home.versions if name == market]
            if earlier and chance.random() < 0.4:
                price = None if chance.random() < 0.4 else 50 + chance.random()
                home.publish(market, chance.choice(earlier), price, at(night))
        home.issue(home.as_of, model=chance.choice("12"), origin=session(night))
        if chance.random() < 0.4:
            home.as_of += timedelta(hours=2)
            home.issue(home.as_of, model=chance.choice("12"), origin=session(night))
        yield night


@pytest.mark.parametrize("seed", range(4))
def test_after_every_night_the_scores_are_those_of_scoring_everything_anew(home, seed):
    for _ in spend_nights(home, Random(seed)):
        scored = score_issued(home)
        assert_frame_equal(home.table("issued.score"), home.score_everything())
        assert scored.rows == len(home.table("issued.score"))


def test_a_night_without_news_reads_no_forecast_anew_and_writes_nothing(home, monkeypatch):
    for _ in spend_nights(home, Random(1)):
        score_issued(home)
    read = []
    select = Store.select_rows
    monkeypatch.setattr(
        Store, "select_rows", lambda *given: read.append(select(*given)) or read[-1]
    )
    with home.warehouse.read() as store:
        before = store.content()
    assert score_issued(home).changed == 0
    assert [len(rows) for rows in read] == [0]
    with home.warehouse.read() as store:
        assert store.content() == before


def test_a_night_reads_the_forecasts_whose_price_came_however_many_there_are(home, monkeypatch):
    for night in range(30):
        home.issue(at(night), origin=session(night))
        for market in MARKETS:
            home.publish(market, session(night), 50.0 + night, at(night))
    home.as_of = at(29)
    assert score_issued(home).changed > 100
    home.publish("wti", session(30), 60.0, at(30))
    home.as_of = at(30)
    select, read = Store.select_rows, []
    monkeypatch.setattr(
        Store, "select_rows", lambda *given: read.append(select(*given)) or read[-1]
    )
    # A day ahead and five: one forecast each, by two vintages.
    assert score_issued(home).changed == 4
    assert set(read[0]["target_session"]) == {session(30)}
    assert len(read[0]) == 2 * 5


def test_what_is_asked_of_live_bands_is_one_line_of_each_origin_whose_outcome_came(home):
    home.issue(at(0), origin=session(0), horizons=[1])
    home.issue(at(1), origin=session(0), horizons=[1])
    home.publish("wti", session(1), 50.0, at(1))
    with home.warehouse.write() as store:
        store.append("features.target", target("wti", session(0), at(1)))
    home.warehouse.publish()
    home.as_of = at(2)
    scored = score_issued(home)
    assert scored.live_bands.rows(named=True) == [
        {
            "commodity": "wti",
            "horizon": 1,
            "origin_session": session(0),
            "as_of": at(0),
            "known_at": at(1),
            "covered": True,
        }
    ]
    assert scored.days == 2


def target(market, origin, known_at):
    row = {
        "commodity": market,
        "session": origin,
        "horizon": 1,
        "target_session": origin + timedelta(days=1),
        "version": 1,
        "value": 0.0,
        "price": 50.0,
        "available_at": known_at,
    }
    return pl.DataFrame([row], schema=TARGET.dtypes)


def test_the_summary_is_the_mean_over_the_scores(home):
    for _ in spend_nights(home, Random(3)):
        scored = score_issued(home)
    latest = home.table("issued.score").filter(vintage="latest")
    for row in scored.summary.rows(named=True):
        own = latest.filter(track=row["track"], commodity=row["commodity"], horizon=row["horizon"])
        assert row["forecasts"] == len(own)
        assert row["covered_80"] == pytest.approx(own["covered"].mean())
        assert row["hit_rate"] == own["hit"].mean()
        assert row["error"] == pytest.approx(own["error"].mean())
        assert row["no_change"] == pytest.approx(own["naive_error"].mean())
    assert sum(scored.summary["forecasts"]) == len(latest)


def test_before_anything_was_said_there_is_nothing_to_score(home):
    home.publish("wti", session(0), 50.0, at(0))
    scored = score_issued(home)
    assert (scored.rows, scored.changed, scored.days) == (0, 0, 0)
    assert scored.live_bands.is_empty()
