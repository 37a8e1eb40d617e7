"""Warehouse and ledger of a home belong together, whichever of them was lost or put back."""

import shutil
from collections.abc import Callable
from contextlib import suppress

import pytest

from cbi_pipeline.ledger import Ledger, LedgerDamaged
from cbi_pipeline.warehouse import AheadOfLedger, BehindLedger, WarehouseError
from tests.ingest.own_home import Home


class Killed(BaseException):
    """Stands for a process that died; nothing may catch it."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Home:
    made = Home(tmp_path_factory.mktemp("filled") / "home")
    made.bring("A", 1.0)
    made.bring("B", 3.0)
    return made


@pytest.fixture
def home(filled, tmp_path) -> Home:
    """A home with two imports, A and B."""
    return Home(shutil.copytree(filled.root, tmp_path / "home", symlinks=True))


def lose(home: Home, name: str) -> None:
    path = home.root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("lost", ["warehouse", "warehouse/cbi.duckdb"])
def test_nothing_is_imported_into_a_lost_warehouse_and_a_rebuild_brings_all_back(home, lost):
    before = home.history()
    lose(home, lost)
    with pytest.raises(BehindLedger, match="cbi rebuild"):
        home.bring("C", 5.0)
    home.rebuild()
    assert home.history().equals(before)
    home.bring("C", 5.0)
    assert home.series() == {"DESK.A", "DESK.B", "DESK.C"}
    home.rebuild()
    assert home.series() == {"DESK.A", "DESK.B", "DESK.C"}


@pytest.mark.parametrize("lost", ["warehouse", "warehouse/cbi.duckdb"])
def test_the_only_import_counts_as_much(tmp_path, lost):
    home = Home(tmp_path / "home")
    home.bring("A", 1.0)
    lose(home, lost)
    with pytest.raises(BehindLedger, match="cbi rebuild"):
        home.bring("B", 3.0)
    home.rebuild()
    assert home.series() == {"DESK.A"}


def test_an_emptied_database_is_a_lost_one(home):
    (home.root / "warehouse" / "cbi.duckdb").write_bytes(b"")
    with pytest.raises(WarehouseError, match="cbi rebuild"):
        home.bring("C", 5.0)
    home.rebuild()
    assert home.series() == {"DESK.A", "DESK.B"}


@pytest.mark.parametrize("more", [1, 2])
def test_nothing_is_imported_into_an_older_copy_of_the_warehouse(home, more):
    restore = home.copied("warehouse")
    for number in range(more):
        home.bring(f"C{number}", 5.0)
    before = home.history()
    restore()
    with pytest.raises(BehindLedger, match=f"transaction 2.*transaction {2 + more}.*cbi rebuild"):
        home.bring("D", 7.0)
    home.rebuild()
    assert home.history().equals(before)


def test_what_is_made_from_values_is_not_written_behind_the_ledger_either(home):
    restore = home.copied("warehouse")
    home.bring("C", 5.0)
    restore()
    with pytest.raises(BehindLedger), home.warehouse.write():
        pass


def test_a_lost_warehouse_is_not_begun_by_a_publication(home):
    (home.root / "warehouse" / "cbi.duckdb").unlink()
    with pytest.raises(BehindLedger, match="cbi rebuild"):
        home.warehouse.publish()
    assert home.series() == {"DESK.A", "DESK.B"}


def test_a_reader_of_a_lost_warehouse_is_told_to_rebuild(home):
    lose(home, "warehouse")
    with pytest.raises(BehindLedger, match="cbi rebuild"):
        home.series()


def test_nothing_is_imported_beside_a_lost_ledger(home):
    lose(home, "ledger")
    with pytest.raises(AheadOfLedger, match=r"transactions\.jsonl.*newest copy"):
        home.bring("C", 5.0)
    assert home.series() == {"DESK.A", "DESK.B"}


def test_nothing_is_imported_beside_an_older_copy_of_the_ledger(home):
    restore = home.copied("ledger")
    home.bring("C", 5.0)
    restore()
    with pytest.raises(AheadOfLedger, match=r"transaction 3.*transaction 2.*newest copy"):
        home.bring("D", 7.0)


def test_a_rebuild_from_an_older_copy_of_the_ledger_is_refused(home):
    restore = home.copied("ledger")
    home.bring("C", 5.0)
    before = home.history()
    restore()
    with pytest.raises(AheadOfLedger, match="transaction 3"):
        home.rebuild()
    assert home.history().equals(before)


def test_a_warehouse_of_another_home_is_refused(home, tmp_path):
    (tmp_path / "beside").mkdir()
    other = Home(tmp_path / "beside" / "home")
    other.bring("X", 1.0)
    other.bring("Y", 3.0)
    shutil.rmtree(home.root / "warehouse")
    shutil.copytree(other.root / "warehouse", home.root / "warehouse", symlinks=True)
    with pytest.raises(BehindLedger, match=r"DESK\.Y.*DESK\.B.*cbi rebuild"):
        home.bring("C", 5.0)


def killed_at(monkeypatch, owner: object, name: str, *, after: bool, act: Callable[[], None]):
    """Do something in a process that dies before or after a call."""
    whole = getattr(owner, name)

    def mortal(self, *args, **kwargs):
        if after:
            whole(self, *args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(owner, name, mortal)
        act()
        pytest.fail("it lived")


def test_an_entry_whose_transaction_never_came_to_be_is_passed_over(home, monkeypatch):
    before = home.history()
    killed_at(monkeypatch, Ledger, "log", after=True, act=lambda: home.bring("C", 5.0))
    assert home.history().equals(before)
    home.bring("D", 7.0)
    home.bring("E", 9.0)
    assert home.series() == {"DESK.A", "DESK.B", "DESK.D", "DESK.E"}
    before = home.history()
    home.rebuild()
    assert home.history().equals(before)


def test_a_first_import_that_was_killed_is_no_lost_warehouse(tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    killed_at(monkeypatch, Ledger, "log", after=True, act=lambda: home.bring("A", 1.0))
    home.bring("A", 1.0)
    assert home.series() == {"DESK.A"}


def test_a_transaction_that_came_to_be_before_its_process_died_counts(home, monkeypatch):
    killed_at(monkeypatch, Ledger, "_commit", after=False, act=lambda: home.bring("C", 5.0))
    home.bring("D", 7.0)
    assert home.series() == {"DESK.A", "DESK.B", "DESK.C", "DESK.D"}
    before = home.history()
    home.rebuild()
    assert home.history().equals(before)


def test_numbers_go_on_after_kills_between_log_and_transaction(home, monkeypatch):
    for name in "CDE":
        killed_at(monkeypatch, Ledger, "log", after=True, act=lambda n=name: home.bring(n, 5.0))
        home.bring(name, 5.0)
    entries = Ledger(home.settings.ledger_dir).entries()
    assert [entry.txn_id for entry in entries] == [1, 2, 3, 4, 5]


def test_a_home_of_an_earlier_version_has_no_mark_and_gets_one(home):
    mark = home.root / "ledger" / "committed.json"
    mark.unlink()
    home.warehouse.check()
    assert mark.exists()
    home.bring("C", 5.0)
    assert home.series() == {"DESK.A", "DESK.B", "DESK.C"}


@pytest.mark.parametrize("name", ["transactions.jsonl", "manifest.jsonl"])
@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_nothing_is_imported_into_a_ledger_that_lost_lines(home, name, keep):
    path = home.root / "ledger" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises((LedgerDamaged, AheadOfLedger), match=name):
        home.bring("C", 5.0)
    assert home.series() == {"DESK.A", "DESK.B"}


def test_a_write_that_fails_after_its_entry_was_logged_changes_nothing(home, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):

        def full(connection):
            raise OSError(28, "No space left on device")

        patch.setattr("cbi_pipeline.warehouse._store.mark_commit", full)
        home.bring("C", 5.0)
    home.bring("D", 7.0)
    assert home.series() == {"DESK.A", "DESK.B", "DESK.D"}
