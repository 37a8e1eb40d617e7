"""``cbi commodity``: one command follows an own file, and a refused file changes nothing."""

from datetime import date, timedelta

import polars as pl
import pytest
import xlwt

from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from tests.own_files import END, make_prices, write_csv

RELEASE = "next business day 18:00 America/New_York"
PRICES = make_prices("eia_spot_daily", years=1.5)


@pytest.fixture
def add(cbi_here, tmp_path, monkeypatch):
    """Adds prices to a home, by default as own_gas."""
    monkeypatch.chdir(tmp_path)

    def run(prices, *options: str, header="Date,Price", **named):
        file = write_csv(tmp_path / "gas.csv", prices, header)
        given = {"--name": "Own gas", "--unit": "USD/MMBtu", "--release": RELEASE, **named}
        words = [word for pair in given.items() for word in pair]
        return cbi_here("commodity", "add", str(file), *words, *options, home=tmp_path / "home")

    return run


def observations(home) -> pl.DataFrame:
    with Warehouse(Settings(home=home).warehouse_dir).read() as store:
        return store.table("raw.observation", "series_id = 'OWN.OWN_GAS'")


def contents(home) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.suffix in (".toml", ".jsonl")
    }


def test_a_file_is_followed_with_what_it_says(add, cbi_here, tmp_path):
    done = add(PRICES)
    assert done.returncode == 0, done.stderr
    assert "dates from the column Date, as YYYY-MM-DD" in done.stdout
    assert "calendar eia_spot_daily" in done.stdout
    assert f"public since: {RELEASE}, as stated (assumed)" in done.stdout
    rows = observations(tmp_path / "home")
    assert set(rows["available_basis"]) == {"assumed"}
    assert dict(rows.select("period", "value").iter_rows()) == PRICES
    shown = cbi_here("catalogue", "show", "own_gas", home=tmp_path / "home")
    assert (shown.returncode, "eia_spot_daily" in shown.stdout) == (0, True)
    listed = cbi_here("commodity", "list", home=tmp_path / "home").stdout
    assert listed == "own_gas  Own gas, USD/MMBtu, eia_spot_daily\n"


def test_without_a_release_nothing_before_the_import_is_claimed(add, tmp_path):
    file = write_csv(tmp_path / "gas.csv", PRICES)
    assert file.is_file()
    done = add(PRICES, **{"--release": ""})
    assert done.returncode == 0, done.stderr
    assert "Nothing before it can be tested" in done.stderr
    assert set(observations(tmp_path / "home")["available_basis"]) == {"first_seen"}


def test_the_same_file_again_writes_nothing(add, tmp_path):
    add(PRICES)
    before = contents(tmp_path / "home")
    done = add(PRICES)
    assert (done.returncode, "says nothing new" in done.stdout) == (0, True)
    assert contents(tmp_path / "home") == before


def test_a_later_file_asks_what_becomes_of_the_rest_and_takes_the_release_of_the_first(
    add, tmp_path
):
    add(PRICES)
    later = {END + timedelta(days=1): 31.0}
    done = add(dict(list(PRICES.items())[-30:]) | later, **{"--release": RELEASE})
    assert (done.returncode, "--append" in done.stderr, "--replace" in done.stderr) == (2, 1, 1)
    done = add(dict(list(PRICES.items())[-30:]) | later, "--append")
    assert done.returncode == 0, done.stderr
    assert "1 versions added" in done.stdout
    assert len(observations(tmp_path / "home")) == len(PRICES) + 1
    entry = (tmp_path / "home" / "catalogue" / "own_gas.toml").read_text()
    assert ("record_ends" in entry) is ((date.today() - max(later)).days > 21)
    assert str(max(PRICES)) not in entry


def test_a_restated_day_is_a_version_known_since_now(add, tmp_path):
    add(PRICES)
    day = list(PRICES)[100]
    done = add(PRICES | {day: 33.333})
    assert "1 versions added" in done.stdout
    rows = observations(tmp_path / "home").filter(period=day).sort("version")
    assert rows["value"].to_list() == [PRICES[day], 33.333]
    assert rows["available_basis"].to_list() == ["assumed", "first_seen"]
    assert rows["available_at"][1] == rows["seen_at"][1]


def test_a_file_in_another_unit_is_refused_until_it_is_confirmed(add, tmp_path):
    add(PRICES)
    changed = {day: price * 1.05506 for day, price in PRICES.items()}
    done = add(changed)
    assert (done.returncode, "changed by the factor 1.05506" in done.stderr) == (2, True)
    assert len(observations(tmp_path / "home")) == len(PRICES)
    assert add(changed, "--confirm").returncode == 0
    assert len(observations(tmp_path / "home")) == 2 * len(PRICES)


def test_a_unit_that_changes_within_the_file_is_refused(add, tmp_path):
    half = {day: p * (100 if n > 200 else 1) for n, (day, p) in enumerate(PRICES.items())}
    done = add(half)
    assert (done.returncode, "as if the unit changed" in done.stderr) == (2, True)
    assert not (tmp_path / "home").exists()


def test_rows_that_break_a_rule_are_shown_with_it_and_too_many_refuse_the_file(add, tmp_path):
    one = add(PRICES | {list(PRICES)[5]: 9999.0})
    assert (one.returncode, "rule bounds: line 7 (value 9999" in one.stderr) == (0, True)
    many = {day: (9999.0 if n % 10 == 0 else p) for n, (day, p) in enumerate(PRICES.items())}
    done = add(many, "--confirm", **{"--name": "Other gas"})
    assert (done.returncode, "quarantined_share" in done.stderr) == (2, True)
    assert not (tmp_path / "home" / "catalogue" / "other_gas.toml").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"--unit": "USD/mmbtu"}, "nearest: USD/MMBtu"),
        ({"--calendar": "LSF"}, "no such calendar; nearest"),
        ({"--release": "tomorrow"}, "is no day, hour and zone"),
        ({"--date": "Tag"}, "no such column; there are Date, Price"),
        ({"--date-order": "yyy"}, "a date is written"),
        ({"--name": "WTI"}, "wti is followed already by"),
        ({"--vintage": "Prise"}, "no such column"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_and_changes_nothing(
    add, tmp_path, options, words
):
    done = add(PRICES, **options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_negative_price_is_a_price(add, tmp_path):
    day = list(PRICES)[300]
    assert add(PRICES | {day: -3.5}).returncode == 0
    assert observations(tmp_path / "home").filter(period=day)["value"].item() == -3.5


def test_alone_it_is_all_that_is_followed(add, cbi_here, tmp_path):
    assert add(make_prices("monthly", years=8), "--alone").returncode == 0
    shown = cbi_here("catalogue", "show", home=tmp_path / "home")
    assert (shown.returncode, "wti" in shown.stdout) == (0, False)
    assert [word for word in ("own_price", "own_gas") if word in shown.stdout] == [
        "own_price",
        "own_gas",
    ]
    done = cbi_here("commodity", "remove", "own_gas", home=tmp_path / "home")
    assert (done.returncode, "is what" in done.stderr) == (2, True)


def test_a_removed_commodity_is_followed_no_more_and_its_data_stay(add, cbi_here, tmp_path):
    add(PRICES)
    assert cbi_here("commodity", "remove", "own_gas", home=tmp_path / "home").returncode == 0
    assert "own_gas" not in cbi_here("catalogue", "show", home=tmp_path / "home").stdout
    assert len(observations(tmp_path / "home")) == len(PRICES)
    done = cbi_here("commodity", "remove", "wti", home=tmp_path / "home")
    assert (done.returncode, "those are: none" in done.stderr) == (2, True)
    assert add(PRICES).returncode == 0


def test_a_day_that_lies_ahead_is_refused(add, tmp_path):
    add(PRICES)
    done = add({date.today() + timedelta(days=40): 31.0}, "--append")
    assert (done.returncode, "not_from_the_future" in done.stderr) == (2, True)
    assert len(observations(tmp_path / "home")) == len(PRICES)


def test_one_appended_day_is_read_as_the_file_before(add, tmp_path):
    lines = {f"{day:%d/%m/%Y}": price for day, price in PRICES.items()}
    assert add(lines).returncode == 0
    assert add({"01/09/2026": 31.0}, "--append").returncode == 0
    newest = observations(tmp_path / "home").sort("period")[-1]
    assert newest["period"].item() == date(2026, 9, 1)


def write_workbook(path):
    book = xlwt.Workbook()
    book.add_sheet("Notes")
    sheet = book.add_sheet("Prices")
    for row, cells in enumerate([("Date", "Price"), *PRICES.items()]):
        sheet.write(row, 0, cells[0], xlwt.easyxf(num_format_str="yyyy-mm-dd"))
        sheet.write(row, 1, cells[1])
    book.save(path)


def write_parquet(path):
    frame = pl.DataFrame({"Date": list(PRICES), "Price": list(PRICES.values())})
    frame.write_parquet(path)


@pytest.mark.parametrize("write", [write_workbook, write_parquet])
def test_a_workbook_and_parquet_say_what_a_csv_does(add, cbi_here, tmp_path, write):
    add(PRICES)
    file = tmp_path / f"gas.{'xls' if write is write_workbook else 'parquet'}"
    write(file)
    own = ("--name", "Own gas", "--unit", "USD/MMBtu")
    done = cbi_here("commodity", "add", str(file), *own, home=tmp_path / "home")
    assert (done.returncode, "0 versions added" in done.stdout) == (0, True), done


def test_a_damaged_workbook_and_a_sheet_that_is_not_there_are_refused(cbi_here, tmp_path):
    file = tmp_path / "gas.xls"
    write_workbook(file)
    own = ("--name", "Own gas", "--unit", "USD/MMBtu", "--sheet", "Prises")
    done = cbi_here("commodity", "add", str(file), *own, home=tmp_path / "home")
    assert (done.returncode, "There are: Notes, Prices" in done.stderr) == (2, True)
    file.write_bytes(file.read_bytes()[:3000])
    done = cbi_here("commodity", "add", str(file), *own, home=tmp_path / "home")
    assert (done.returncode, "Save it as XLSX or CSV" in done.stderr) == (2, True)
