"""A source of files from its entry in the catalogue: imported like a person's own CSV."""

from datetime import date

import pytest

from cbi_pipeline.warehouse import Warehouse

ENTRY = '[file.{name}]\nmodule = "{module}"\nbrings = "Tables of the tide gauge"\n'
DAYS = range(1, 29)
TABLE = "Tag;Hoch;Tief\n" + "".join(f"{day:02}.02.2020;{day},5;{day / 4}\n" for day in DAYS)


@pytest.fixture
def cbi(cbi_here, tmp_path):
    def run(*arguments: str, name: str = "tide", module: str = "tests.ingest.tide_files"):
        catalogue = tmp_path / "catalogue.toml"
        catalogue.write_text(ENTRY.format(name=name, module=module))
        return cbi_here(*arguments, home=tmp_path / "home", CBI_CATALOGUE_FILE=str(catalogue))

    return run


@pytest.fixture
def bring(cbi, tmp_path):
    def run(text: str, *options: str):
        file = tmp_path / "table.csv"
        file.write_text(text)
        return cbi("feeds", "import", "tide", str(file), *options)

    return run


@pytest.fixture
def table(tmp_path):
    def read(name: str):
        with Warehouse(tmp_path / "home" / "warehouse").read() as store:
            return store.table(name)

    return read


def test_every_series_of_a_file_is_known_since_its_import(bring, table):
    done = bring(TABLE)
    assert done.returncode == 0, done.stderr
    assert "tide: 56 rows in, 56 accepted, 56 versions added" in done.stdout
    (row,) = (
        table("raw.observation").filter(series_id="TIDE.Hoch", period=date(2020, 2, 3)).to_dicts()
    )
    assert (row["value"], row["available_basis"]) == (3.5, "first_seen")
    assert row["available_at"] == row["seen_at"]
    assert "table.csv says nothing new" in bring(TABLE).stdout


def test_a_row_that_breaks_its_contract_is_set_aside_and_comes_back_with_a_file_that_keeps_it(
    bring, table
):
    done = bring(TABLE.replace(";3,5;", ";-3,5;"))
    assert "bounds: line 4 Hoch (value -3.5)" in done.stderr
    assert table("quarantine.row").select("feed", "period", "fate").rows() == [
        ("tide", date(2020, 2, 3), "open")
    ]
    bring(TABLE)
    assert table("quarantine.row")["fate"].to_list() == ["superseded"]


def test_a_part_settles_no_row_of_another_part(bring, table):
    bring(TABLE.replace(";3,5;", ";-3,5;"))
    later = bring("Tag;Hoch;Tief\n01.03.2020;1,5;1\n02.03.2020;1,75;1\n", "--append")
    assert later.returncode == 0, later.stderr
    assert table("quarantine.row")["fate"].to_list() == ["open"]


def test_a_file_that_lacks_periods_says_what_becomes_of_them(bring, table):
    bring(TABLE)
    short = TABLE.replace("28.02.2020;28,5;7.0\n", "")
    refused = bring(short)
    assert refused.returncode == 2
    assert "1 of 28 periods we hold of TIDE.Hoch are not in the file" in refused.stderr
    gone = bring(short, "--replace")
    assert "2 versions added (2 of them withdrawals)" in gone.stdout


def test_a_home_is_rebuilt_from_such_files(bring, cbi, table):
    bring(TABLE.replace(";3,5;", ";-3,5;"))
    bring(TABLE, "--replace")
    before = table("raw.observation")
    assert "the same as recorded" in cbi("rebuild").stdout
    assert table("raw.observation").equals(before)


def test_what_only_a_csv_needs_is_refused(bring):
    done = bring(TABLE, "--series", "OWN.TIDE")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--series: only a csv needs it; tide knows its own" in done.stderr


@pytest.mark.parametrize(
    ("name", "module", "words"),
    [
        ("ebb", "tests.ingest.tide_files", "describes no files named ebb"),
        ("tide", "tests.defs.new_feed", "describes no files named tide"),
        ("tide", "tests.ingest.no_files", "cannot be used: ModuleNotFoundError"),
    ],
)
def test_an_entry_that_means_nothing_is_named(cbi, tmp_path, name, module, words):
    file = tmp_path / "table.csv"
    file.write_text(TABLE)
    done = cbi("feeds", "import", "tide", str(file), name=name, module=module)
    assert done.returncode == 2
    assert f"[file.{name}]" in done.stderr
    assert words in done.stderr
