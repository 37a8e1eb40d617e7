import os
import subprocess
import sys
import threading

import duckdb
import pytest

from cbi_pipeline.warehouse import Warehouse, WarehouseBusy
from data_contracts import contract
from tests.warehouse.frames import rows_for

PRICES = rows_for(contract("market.session"), 20)


def test_a_second_writer_is_told_who_holds_the_warehouse(tmp_path):
    impatient = Warehouse(tmp_path, wait_s=0.2)
    with (
        Warehouse(tmp_path).write(),
        pytest.raises(WarehouseBusy, match=rf"process {os.getpid()} .* since .*waited 0\.2 s"),
        impatient.write(),
    ):
        pass


def test_a_waiting_writer_goes_on_when_the_first_is_done(tmp_path):
    warehouse = Warehouse(tmp_path, wait_s=30)

    def add(row):
        with warehouse.write() as store:
            store.append("market.session", PRICES[row : row + 1])

    threads = [threading.Thread(target=add, args=(row,)) for row in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with warehouse.write() as store:
        assert len(store.table("market.session")) == 6


def test_the_lock_dies_with_its_holder(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from cbi_pipeline.warehouse import Warehouse\n"
        "with Warehouse(Path(sys.argv[1])).write():\n    os._exit(9)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == 9
    with Warehouse(tmp_path, wait_s=0.2).write() as store:
        assert store.append("market.session", PRICES) == 20


def test_a_foreign_program_on_the_file_is_named(tmp_path):
    with Warehouse(tmp_path).write():
        pass
    code = (
        "import duckdb, sys\n"
        "with duckdb.connect(sys.argv[1]):\n    print('open', flush=True); sys.stdin.read()\n"
    )
    foreign = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "cbi.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    foreign.stdout.readline()
    complaint = rf"open in another program.*{foreign.pid}"
    with pytest.raises(WarehouseBusy, match=complaint), Warehouse(tmp_path, wait_s=0.2).write():
        pass
    foreign.communicate()


def test_a_damaged_database_is_reported_at_once(tmp_path):
    (tmp_path / "cbi.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(duckdb.IOException), Warehouse(tmp_path, wait_s=60).write():
        pass
