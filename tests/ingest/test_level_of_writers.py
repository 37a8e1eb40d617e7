"""Whatever ingests is refused by a warehouse that is behind the ledger."""

import shutil
from dataclasses import replace

import duckdb
import pytest

from cbi_pipeline.warehouse import BehindLedger
from data_contracts.eia_spot import EIA_SPOT_DAILY
from data_contracts.families import FAMILIES
from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import eia_installation
from tests.feed_servers.test_nights import BEGIN
from tests.ingest.archive_copy import WTI, Pipe, edit
from tests.ingest.mixed_home import mixed_home


def put_back_an_older_copy(home):
    """As a copy of the warehouse from before its newest ingestion would look."""
    with duckdb.connect(str(home / "warehouse" / "cbi.duckdb")) as database:
        database.execute(
            "DELETE FROM ledger.txn WHERE txn_id = (SELECT max(txn_id) FROM ledger.txn)"
        )


def test_the_archive(pipe: Pipe):
    shutil.rmtree(pipe.home / "warehouse")
    with pytest.raises(BehindLedger, match="cbi rebuild"):
        pipe.run()


def test_the_archive_beside_an_older_copy(pipe: Pipe):
    put_back_an_older_copy(pipe.home)
    edit(pipe.archive_dir, WTI, "12/28/2018,45.15", "12/28/2018,45.16")
    with pytest.raises(BehindLedger, match="cbi rebuild"):
        pipe.run()


def test_a_live_night(tmp_path):
    with EiaServer() as server:
        server.publisher.publish(BEGIN, "RWTC", BEGIN.date(), "50.00")
        server.publisher.now = BEGIN
        one = eia_installation(tmp_path / "home", server)
        one.night(BEGIN)
        shutil.rmtree(one.home / "warehouse")
        with pytest.raises(BehindLedger, match="cbi rebuild"):
            one.night(BEGIN)


@pytest.mark.slow
def test_rows_taken_back_from_quarantine(tmp_path, monkeypatch):
    home = mixed_home(tmp_path / "home")
    put_back_an_older_copy(home.root)
    looser = replace(EIA_SPOT_DAILY, version="9.0.0", bounds={"USD/bbl": (-500.0, 9000.0)})
    monkeypatch.setitem(FAMILIES, "eia_spot_daily", looser)
    with pytest.raises(BehindLedger, match="cbi rebuild"):
        home.retry("bounds", BEGIN)
