"""A ledger that an earlier version wrote gives what it held then, instant by instant."""

from datetime import datetime

import pytest

from cbi_pipeline.feeds import cftc, eia
from cbi_pipeline.feeds.cftc_series import SERIES as COT
from cbi_pipeline.feeds.eia_series import SERIES as EIA
from tests.ingest.mixed_home import Home
from tests.old_home import expected, unpack_ledger

NOWHERE = "http://127.0.0.1:9"
INSTANTS = [text for text in expected()["ledger"] if text != "end"]


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory) -> Home:
    feeds = {one.name: one for one in (eia.source(NOWHERE, EIA), cftc.source(NOWHERE, COT))}
    home = Home(unpack_ledger(tmp_path_factory.mktemp("old")), feeds)
    home.rebuild()
    return home


def test_the_last_state_is_the_recorded_one(rebuilt):
    assert rebuilt.table("ledger.txn")["state_after"][-1] == expected()["ledger"]["end"]["state"]


@pytest.mark.parametrize("instant", INSTANTS)
def test_what_was_public_at_an_instant_is_what_was_public(rebuilt, instant):
    then = expected()["ledger"][instant]
    at = datetime.fromisoformat(instant)
    with rebuilt.warehouse.read() as store:
        assert store.state(at, store.table("ref.series")["series_id"].to_list()) == then["state"]
        rows = store.as_of(at, series=["DESK.CPO", "EIA.RBRTE"])
    values = {(row["series_id"], str(row["period"])): row["value"] for row in rows.to_dicts()}
    assert len(values) == then["values"]
    assert then["watched"] == [[*key, values[key]] for key in map(tuple_of, then["watched"])]


def test_rows_refused_then_and_taken_back_later_are_told_apart(rebuilt):
    fates = rebuilt.table("quarantine.row").group_by("fate").len().sort("fate")
    assert dict(fates.iter_rows()) == {"accepted": 1, "open": 1}


def tuple_of(entry: list) -> tuple[str, str]:
    return entry[0], entry[1]
