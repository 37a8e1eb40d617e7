"""Homes of earlier versions, brought up to date where they lie.

To add a column: declare it in its contract, anywhere among the others, and add one line at the end
of ``MIGRATIONS`` that says what the table's rows are now, from what they were:

    Migration(
        "decisions name the instant they were made at",
        "registry.decision",
        "SELECT *, decided_at AS made_at FROM registry.decision",
    ),

The first writer, or the first reader, of an older home runs what is missing in one transaction and
publishes the outcome; every later one finds it done. A new table needs no line: it is made empty.

* A table that is called otherwise than before names what it was in ``was``; that one goes.
* The SELECT takes every row. A new value is NULL (``NULL::TIMESTAMPTZ AS made_at``, the column
  nullable in its contract) or follows from stored values. It is never invented.
* Its order and its constraints do not matter: a migrated table is made again from its contract, and
  a row that breaks a constraint stops the migration with the old home unchanged.
* A line is never edited, moved or removed once it was released. The names run so far are stored,
  and a home with a name that is not in the list is of a newer version and refused.
* Rows that are hashed or live outside the database keep their columns: ``issued.forecast`` (its
  chain and its plain-file copy cover them), and the ledger's log, whose entries get new fields with
  a default.
* The ``pub`` views only ever gain columns, at their end.

A change with no such line, or one that no SELECT can make, is refused as ``LayoutChanged``:
`cbi rebuild` makes the tables again from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

import duckdb

from cbi_pipeline.warehouse import _rows_by_group
from cbi_pipeline.warehouse._columns import columns_of
from cbi_pipeline.warehouse._errors import LayoutChanged, LayoutTooNew
from data_contracts import CONTRACTS, contract

MIGRATIONS_DDL = (
    "CREATE TABLE IF NOT EXISTS meta.migration (name VARCHAR NOT NULL, program VARCHAR NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One change of one table.

    Attributes:
        name: what is true afterwards, in words; identifies the migration for ever.
        table: table of a contract.
        rows: SELECT of the table's rows as they are now, from the table as it was.
        was: table that the rows came from where that is another one; it goes with the last
            migration that reads it.
    """

    name: str
    table: str
    rows: str
    was: str = ""

    @property
    def origin(self) -> str:
        """The table as it was."""
        return self.was or self.table


_FOLD_ID = "sha256(concat_ws(' ', evaluation_id, recipe, fold, commodity))"

#: In the order they are run; see the module's text for how to add one.
MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        "decisions say what was known",
        "registry.decision",
        "SELECT *, NULL::TIMESTAMPTZ AS as_of FROM registry.decision",
    ),
    Migration(
        "abstentions name their kind",
        "issued.abstention",
        "SELECT *, NULL::VARCHAR AS kind FROM issued.abstention",
    ),
    Migration(
        "prices are sessions",
        "market.session",
        "SELECT commodity, session, version, price, NULL::DOUBLE AS open, NULL::DOUBLE AS high, "
        "NULL::DOUBLE AS low, NULL::BIGINT AS volume, NULL::BIGINT AS open_interest, "
        "NULL::DOUBLE AS realised_variance, instrument AS held_instrument, roll, "
        "NULL::DOUBLE AS roll_gap, available_at, available_basis FROM market.price",
        was="market.price",
    ),
    # Earlier versions set aside rows of these columns; other rows keep their period unread.
    Migration(
        "quarantined rows name their period",
        "quarantine.row",
        """
        SELECT *, CASE WHEN json_valid("row") THEN TRY_CAST(regexp_extract(
            coalesce("row" ->> '$.period', "row" ->> '$.report_date_as_yyyy_mm_dd'),
            '^[0-9]{4}-[0-9]{2}-[0-9]{2}') AS DATE) END AS period
        FROM quarantine.row""",
    ),
    Migration(
        "rows stand in a table of origins",
        "features.origin",
        _rows_by_group.ORIGINS,
        _rows_by_group.SOURCE,
    ),
    *(
        Migration(f"columns of {table} are named", table, select, _rows_by_group.SOURCE)
        for table, select in _rows_by_group.selects()
    ),
    Migration("targets belong to no feature set", "features.target", _rows_by_group.TARGETS),
    Migration(
        "origins note what had arrived",
        "features.origin",
        "SELECT *, NULL::TIMESTAMPTZ AS arrived_at FROM features.origin",
    ),
    Migration(
        "generations note code and arrivals",
        "features.generation",
        "SELECT *, NULL::VARCHAR AS source, NULL::TIMESTAMPTZ AS arrived_at "
        "FROM features.generation",
    ),
    Migration(
        "bars name their series and status",
        "raw.bar",
        "SELECT *, concat_ws('.', dataset, instrument, width) AS series_id, 'value' AS status "
        "FROM raw.bar",
    ),
    # Forecasts of earlier rounds keep names of their own; those of later ones are named by content.
    Migration(
        "evaluations are lists of folds",
        "evaluation.fold",
        f"SELECT DISTINCT evaluation_id, recipe, fold, commodity, {_FOLD_ID} AS fold_id "
        "FROM evaluation.forecast",
        was="evaluation.forecast",
    ),
    Migration(
        "forecasts of a fold are stored once",
        "evaluation.fold_forecast",
        f"SELECT {_FOLD_ID} AS fold_id, * EXCLUDE (evaluation_id, recipe, fold) "
        "FROM evaluation.forecast",
        was="evaluation.forecast",
    ),
    # Outcomes were those of the h-th session with a price; the next night builds them all anew.
    Migration(
        "outcomes are of the session that forecasts name",
        "features.target",
        "SELECT * FROM features.target WHERE false",
    ),
    # The index of half a million rows is read whole by every run, and written anew by every night.
    Migration(
        "issued forecasts have no index",
        "issued.forecast",
        "SELECT * FROM issued.forecast ORDER BY sequence",
    ),
    Migration(
        "decisions name the look that they came from",
        "registry.decision",
        """
        SELECT * EXCLUDE (noted, entrant), entrant ->> 'recipe_id' AS recipe_id,
               entrant ->> 'code' AS code, nullif(noted ->> 'round', '') AS round_id,
               (noted -> '$.look.field')::VARCHAR AS field,
               (noted ->> '$.look.left')::DOUBLE AS level_left
        FROM (SELECT *, noted -> '$.look.field' -> concat('$."', recipe, '"') AS entrant
              FROM (SELECT *, CASE WHEN json_valid(statistics) THEN statistics::JSON END AS noted
                    FROM registry.decision))""",
    ),
)


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Run what is missing, inside the running transaction.

    Raises:
        LayoutTooNew: a newer version wrote the database.
        LayoutChanged: stored rows do not allow a migration.
    """
    stored = columns_of(connection)
    pending = [step for step in pending_migrations(connection) if step.origin in stored]
    for step in pending:
        _change(connection, step)
    # The table of a feature group has no contract here: it is compiled from the group.
    for table in dict.fromkeys(step.table for step in pending if step.table in CONTRACTS):
        _make_again(connection, table)
    for table in dict.fromkeys(step.was for step in pending if step.was):
        connection.execute(f"DROP TABLE {table}")


def note_migrations(connection: duckdb.DuckDBPyConnection) -> None:
    """Store that every migration was run, inside the running transaction."""
    program = metadata.version("cbi-pipeline")
    done = _read_done(connection)
    rows = [(step.name, program) for step in MIGRATIONS if step.name not in done]
    if rows:
        connection.executemany("INSERT INTO meta.migration VALUES (?, ?)", rows)


def pending_migrations(connection: duckdb.DuckDBPyConnection) -> list[Migration]:
    """Migrations that a database has not seen, in order.

    Raises:
        LayoutTooNew: a newer version wrote the database; names it.
    """
    done = _read_done(connection)
    _require_listed(done)
    return [step for step in MIGRATIONS if step.name not in done]


def _read_done(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Name of each migration that was run, and the version of the program that ran it."""
    noted = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'meta' AND table_name = 'migration' "
        "AND database_name = current_database()"
    ).fetchall()
    if not noted:
        return {}
    return dict(connection.execute("SELECT name, program FROM meta.migration").fetchall())


def _require_listed(done: dict[str, str]) -> None:
    listed = {step.name for step in MIGRATIONS}
    newer = {name: program for name, program in done.items() if name not in listed}
    if not newer:
        return
    raise LayoutTooNew(
        f"this home was written by a newer version of the program ({_programs(newer.values())}: "
        f"{'; '.join(newer)}), this one is {metadata.version('cbi-pipeline')}. Nothing was "
        "changed; install that version or a newer one"
    )


def _programs(programs: Iterable[str]) -> str:
    return ", ".join(sorted(set(programs)))


def _change(connection: duckdb.DuckDBPyConnection, step: Migration) -> None:
    try:
        connection.execute(f"CREATE OR REPLACE TABLE {step.table} AS {step.rows}")
    except (duckdb.BinderException, duckdb.ConversionException) as error:
        raise _make_error(step.table, error) from error


def _make_again(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    connection.execute(f"CREATE TABLE meta.migrating AS FROM {table}")
    connection.execute(f"DROP TABLE {table}")
    connection.execute(contract(table).ddl())
    try:
        connection.execute(f"INSERT INTO {table} BY NAME FROM meta.migrating")
    except (
        duckdb.BinderException,
        duckdb.ConversionException,
        duckdb.ConstraintException,
    ) as error:
        raise _make_error(table, error) from error
    connection.execute("DROP TABLE meta.migrating")


def _make_error(table: str, error: duckdb.Error) -> LayoutChanged:
    why = str(error).splitlines()[0]
    return LayoutChanged(
        f"{table} of an earlier version cannot be brought up to date ({why}); nothing was changed: "
        "run `cbi rebuild`"
    )
