"""``cbi feeds`` with the embedded records."""

from datetime import UTC, datetime

import pytest

from cbi_pipeline.warehouse import Warehouse
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
