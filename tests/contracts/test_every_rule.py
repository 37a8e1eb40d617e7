"""Every rule that a contract declares is broken once, and refused by that rule's name."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import polars as pl
import pytest
from pandera.errors import SchemaErrors

from data_contracts import CONTRACTS, Contract
from data_contracts.cftc import OPEN_INTEREST, SIDES, measures
from data_contracts.exchange import PARSED_BAR
from data_contracts.families import FAMILIES
from data_contracts.family import Family
from data_contracts.observation import PARSED
from data_contracts.published import PUBLISHED
from data_contracts.split import RowRule, row_rules, split
from data_contracts.versioned import BARS
from tests.warehouse.frames import rows_for

TABLES = {one.table: one for one in (PARSED, PARSED_BAR, *CONTRACTS.values(), *PUBLISHED.values())}
SEEN = datetime(2030, 1, 1, tzinfo=UTC)
SPAN = (date(2020, 1, 1), date(2020, 12, 31))


def declared() -> Iterator[tuple[str, str, str]]:
    """Table, column and rule of every declaration about a single cell."""
    for table, contract in TABLES.items():
        for name, column in contract.columns.items():
            if not column.nullable:
                yield table, name, "not_nullable"
            for check in column.checks:
                yield table, name, check.name


def beyond(contract: Contract, name: str, rule: str) -> object:
    """A cell that breaks a rule."""
    if rule == "not_nullable":
        return None
    (given,) = [one.statistics for one in contract.columns[name].checks if one.name == rule]
    return {
        "greater_than": lambda: given["min_value"],
        "greater_than_or_equal_to": lambda: given["min_value"] - 1,
        "less_than": lambda: given["max_value"],
        "less_than_or_equal_to": lambda: given["max_value"] + 1,
        "in_range": lambda: given["max_value"] + 1,
        "isin": lambda: "none of them",
        "str_length": lambda: "",
    }[rule]()


def with_cell(contract: Contract, name: str, cell: object) -> pl.DataFrame:
    rows = rows_for(contract, 3)
    cells = [cell, *rows[name].to_list()[1:]]
    return rows.with_columns(pl.Series(name, cells, dtype=rows.schema[name]))


@pytest.mark.parametrize("table", TABLES)
def test_rows_that_keep_every_rule_pass(table):
    rows = rows_for(TABLES[table], 3)
    assert TABLES[table].validate(rows).equals(rows)


@pytest.mark.parametrize(
    ("table", "name", "rule"), [pytest.param(*d, id="-".join(d)) for d in declared()]
)
def test_a_table_refuses_a_cell_by_the_name_of_the_rule_it_breaks(table, name, rule):
    contract = TABLES[table]
    with pytest.raises(SchemaErrors) as refused:
        contract.validate(with_cell(contract, name, beyond(contract, name, rule)))
    cases = refused.value.failure_cases
    assert (name, rule) in {
        (column, check.split("(")[0])
        for column, check in cases.select("column", "check").iter_rows()
    }


@pytest.mark.parametrize("table", TABLES)
def test_a_table_refuses_a_column_that_it_does_not_name_one_that_is_gone_and_one_of_another_type(
    table,
):
    contract, rows = TABLES[table], rows_for(TABLES[table], 3)
    name = rows.columns[0]
    other = pl.Series(name, [b"x"] * 3)
    for changed, words in (
        (rows.with_columns(stranger=1), "stranger"),
        (rows.drop(name), name),
        (rows.with_columns(other), "dtype"),
    ):
        with pytest.raises(SchemaErrors, match=words):
            contract.validate(changed)


def parsed(family: Family, in_unit: str, **changed: object) -> dict[str, object]:
    """A row that keeps every rule of a family, but for what is changed."""
    weekday = family.weekdays[0] if family.weekdays else None
    days = [date(2020, 6, 1 + number) for number in range(7)]
    period = next(day for day in days if weekday in (None, day.isoweekday()))
    low, high = family.bounds[in_unit]
    return {
        "series_id": "S",
        "period": period,
        "value_text": "a number",
        "value": (low + high) / 2,
        "unit": in_unit,
        "status": "value",
        "available_at": datetime(2020, 7, 1, tzinfo=UTC),
        "available_basis": "calendar",
        "locator": "row 1",
        "row_json": "{}",
    } | changed


def broken_by(rows: list[dict[str, object]], rules: list[RowRule]) -> set[str]:
    frame = pl.DataFrame(rows, schema=PARSED.dtypes)
    return set(split(frame, PARSED, rules).rejected["rule"])


def off_calendar(family: Family) -> date:
    if not family.weekdays:
        return date(2020, 6, 2)
    days = (date(2020, 6, number) for number in range(1, 8))
    return next((day for day in days if day.isoweekday() not in family.weekdays), date.max)


def family_cases() -> Iterator[tuple[str, str, str, dict[str, object]]]:
    for name, family in FAMILIES.items():
        for unit, (low, high) in family.bounds.items():
            yield name, unit, "period_readable", {"period": None}
            yield name, unit, "value_readable", {"value": None}
            yield name, unit, "unit", {"unit": "furlong"}
            yield name, unit, "bounds", {"value": low - 1}
            yield name, unit, "bounds", {"value": high + 1}
            if len(family.weekdays) < 7:
                yield name, unit, "calendar_day", {"period": off_calendar(family)}
            yield name, unit, "not_from_the_future", {"available_at": SEEN.replace(year=2031)}
            yield name, unit, "not_from_the_future", {"available_at": None}
            yield name, unit, "within_the_record", {"period": date(2019, 12, 31)}
            yield name, unit, "within_the_record", {"period": date(2021, 1, 1)}


@pytest.mark.parametrize(("name", "unit", "rule", "changed"), list(family_cases()))
def test_a_family_refuses_a_row_by_the_name_of_the_rule_it_breaks(name, unit, rule, changed):
    family = FAMILIES[name]
    # What the columns of one report say of each other is broken below.
    rules = [one for one in family.rules(unit, SEEN, SPAN) if one not in family.extra]
    assert broken_by([parsed(family, unit)], rules) == set()
    assert rule in broken_by([parsed(family, unit, **changed)], rules)


def test_no_rule_of_a_family_is_left_out():
    for name, family in FAMILIES.items():
        unit = next(iter(family.bounds))
        rules = {rule.name for rule in family.rules(unit, SEEN, SPAN)}
        covered = {case[2] for case in family_cases() if case[0] == name}
        own = {"open_interest_identity_long", "open_interest_identity_short", "report_spacing"}
        daily = {"calendar_day"} if len(family.weekdays) == 7 else set()
        assert rules - covered - daily == (own if family.extra else set()), name


def report(kind: str, period: date, **changed: float) -> list[dict[str, object]]:
    """A report whose sides add up, but for what is changed."""
    family = FAMILIES[f"cftc_{kind}"]
    shared = [name for name in SIDES[kind]["long"] if name in SIDES[kind]["short"]]
    values = dict.fromkeys(measures(kind), 0.0) | dict.fromkeys(shared, 5.0)
    for side in SIDES[kind].values():
        values[next(name for name in side if name not in shared)] = 90.0
    values[OPEN_INTEREST] = 90.0 + 5.0 * len(shared)
    return [
        parsed(
            family,
            "contracts",
            series_id=f"CFTC.{kind}.067651.{name}",
            period=period,
            value=value,
            locator=name,
        )
        for name, value in (values | changed).items()
    ]


@pytest.mark.parametrize("kind", SIDES)
@pytest.mark.parametrize("side", ["long", "short"])
def test_a_report_whose_side_does_not_add_up_is_refused_by_that_sides_rule(kind, side):
    rules = list(FAMILIES[f"cftc_{kind}"].extra)
    tuesday = date(2020, 6, 2)
    assert broken_by(report(kind, tuesday), rules) == set()
    shared = SIDES[kind]["long" if side == "short" else "short"]
    name = next(name for name in SIDES[kind][side] if name not in shared)
    assert broken_by(report(kind, tuesday, **{name: 91.0}), rules) == {
        f"open_interest_identity_{side}"
    }


@pytest.mark.parametrize("kind", SIDES)
def test_two_reports_within_a_week_are_refused_by_their_spacing(kind):
    rules = list(FAMILIES[f"cftc_{kind}"].extra)
    rows = [*report(kind, date(2020, 6, 2)), *report(kind, date(2020, 6, 7))]
    assert broken_by(rows, rules) == {"report_spacing"}
    rows = [*report(kind, date(2020, 6, 2)), *report(kind, date(2020, 6, 8))]
    assert broken_by(rows, rules) == set()


@pytest.mark.parametrize("rule", row_rules(PARSED), ids=lambda rule: f"{rule.column}-{rule.name}")
def test_a_parsed_row_is_refused_by_the_name_of_the_columns_rule_it_breaks(rule):
    family = FAMILIES["eia_spot_daily"]
    cell = {"not_null": None, "isin": "none of them", "finite": float("inf")}[rule.name]
    rows = [parsed(family, "USD/bbl", **{rule.column: cell})]
    assert rule.name in broken_by(rows, [])


def bar(**changed: object) -> dict[str, object]:
    """A bar that keeps every rule, but for what is changed."""
    return {
        "series_id": "S",
        "ts_event": datetime(2020, 6, 2, 9, tzinfo=UTC),
        **{"open": 50 * 10**9, "high": 60 * 10**9, "low": 40 * 10**9, "close": 55 * 10**9},
        "volume": 7,
        "unit": "USD/bbl",
        "status": "value",
        "available_at": datetime(2020, 6, 2, 10, tzinfo=UTC),
        "available_basis": "calendar",
        "locator": "row 1",
        "row_json": "{}",
    } | changed


def bar_rules() -> list[RowRule]:
    return FAMILIES["eia_spot_daily"].rules("USD/bbl", SEEN, SPAN, BARS)


def broken_by_bar(rules: list[RowRule], **changed: object) -> set[str]:
    frame = pl.DataFrame([bar(**changed)], schema=PARSED_BAR.dtypes)
    return set(split(frame, PARSED_BAR, rules).rejected["rule"])


BAR_CASES = [
    ("period_readable", {"ts_event": None}),
    *(("value_readable", {name: None}) for name in ("open", "high", "low", "close", "volume")),
    ("unit", {"unit": "furlong"}),
    ("bounds", {"high": 5001 * 10**9}),
    ("bounds", {"low": -5001 * 10**9}),
    *(("is_high", {name: 61 * 10**9}) for name in ("open", "low", "close")),
    *(("is_low", {name: 39 * 10**9}) for name in ("open", "high", "close")),
    ("calendar_day", {"ts_event": datetime(2020, 6, 7, 9, tzinfo=UTC)}),
    ("not_from_the_future", {"available_at": SEEN.replace(year=2031)}),
    ("not_from_the_future", {"available_at": None}),
    ("within_the_record", {"ts_event": datetime(2021, 1, 1, tzinfo=UTC)}),
]


@pytest.mark.parametrize(("rule", "changed"), BAR_CASES)
def test_a_family_refuses_a_bar_by_the_name_of_the_rule_it_breaks(rule, changed):
    assert broken_by_bar(bar_rules()) == set()
    assert rule in broken_by_bar(bar_rules(), **changed)


def test_no_rule_of_a_bar_is_left_out():
    assert {rule.name for rule in bar_rules()} == {rule for rule, _ in BAR_CASES}


@pytest.mark.parametrize(
    "rule", row_rules(PARSED_BAR), ids=lambda rule: f"{rule.column}-{rule.name}"
)
def test_a_parsed_bar_is_refused_by_the_name_of_the_columns_rule_it_breaks(rule):
    cell = {"not_null": None, "isin": "none of them", "greater_than_or_equal_to": -1}[rule.name]
    assert rule.name in broken_by_bar([], **{rule.column: cell})
