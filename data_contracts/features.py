"""Contracts of feature rows and targets.

The table of a feature group is compiled from the group's own declaration by `group_contract`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from data_contracts.core import Contract, Instant, Table, column


class Origin(Table):
    """One commodity on one session as known at its decision instant; built once, never rebuilt."""

    generation: str = column("Generation of the commodity's rows that it belongs to")
    commodity: str = column("Commodity")
    session: pl.Date = column("Newest session of the commodity that the row knows")
    decision_at: Instant = column("Instant at which the row was knowable")
    price: float = column("Price of the session as known then")
    variance_ewma: float = column("EWMA(0.97) one-session log-return variance", ge=0, nullable=True)
    variance_long: float = column(
        "Expanding mean of squared one-session log returns", ge=0, nullable=True
    )
    ready: bool = column("True when the history suffices to forecast from")
    arrived_at: Instant = column(
        "Newest sighting among the observations there were when the row was built; null for rows "
        "of versions that did not note it",
        nullable=True,
    )


class Generation(Table):
    """What is in use of a feature group, or of the origins, of one commodity, and since when."""

    feature_group: str = column("Feature group; origin for the rows that all of them stand beside")
    commodity: str = column("Commodity")
    number: int = column("Counts the notes from 1; the last one tells what is in use", ge=1)
    generation: str = column("Name of the generation in the group's table")
    meaning: str = column(
        "Hash of the declaration, numbered where equal words built other rows: equal for rows that "
        "mean the same"
    )
    declaration: str = column("Formulas and inputs the rows are made of, JSON")
    why: str = column("What changed")
    noted_at: Instant = column("When it was noted")
    source: str = column(
        "Hash of the code and the libraries that rows were built with, or built anew and found "
        "equal; null in notes of versions that had none",
        nullable=True,
    )
    arrived_at: Instant = column(
        "Newest sighting among the observations that its rows take account of; null in notes of "
        "versions that had none",
        nullable=True,
    )


class Target(Table):
    """Log return from a session to the h-th of its calendar after it, and when it became public."""

    commodity: str = column("Commodity")
    session: pl.Date = column("Origin session")
    horizon: int = column("Sessions ahead", unit="session", ge=1)
    target_session: pl.Date = column("Session forecast")
    version: int = column("1 for the first target known, then counting", ge=1)
    value: float = column("Log return from origin to target; null when withdrawn", nullable=True)
    price: float = column("Price on the target session", nullable=True)
    available_at: Instant = column("When the target price became public")


ORIGIN = Contract(
    table="features.origin",
    model=Origin,
    key=("generation", "commodity", "session"),
    version="1.1.0",
)
GENERATION = Contract(
    table="features.generation",
    model=Generation,
    key=("feature_group", "commodity", "number"),
    version="1.1.0",
)
TARGET = Contract(
    table="features.target",
    model=Target,
    key=("commodity", "session", "horizon", "version"),
    version="2.0.0",
)


def group_contract(group: str, words: str, columns: Mapping[str, tuple[str, str]]) -> Contract:
    """The table of a feature group.

    Args:
        group: its name; the table is ``features.<group>``.
        words: what it holds.
        columns: meaning and unit of each column, by name, in order.
    """
    fixed = {
        "generation": (str, column("Generation of the rows")),
        "commodity": (str, column("Commodity")),
        "session": (pl.Date, column("Session of the row")),
        "decision_at": (Instant, column("Instant at which the row was knowable")),
    }
    features = {
        name: (pl.Float32, column(meaning, unit=unit, nullable=True))
        for name, (meaning, unit) in columns.items()
    }
    last = {
        "age": (
            pl.Float32,
            column("Days since the newest value it reads became public", unit="day", nullable=True),
        ),
        "assumed": (
            float,
            column(
                "Share of present columns resting on an assumed release time; null for rows of "
                "versions that counted it over all groups",
                ge=0,
                le=1,
                nullable=True,
            ),
        ),
        "arrived_at": (
            Instant,
            column(
                "Newest sighting among the observations there were when the row was built; null "
                "for rows of versions that did not note it",
                nullable=True,
            ),
        ),
    }
    declared = {**fixed, **features, **last}
    body = {
        "__doc__": words,
        "__module__": __name__,
        "__annotations__": {name: kind for name, (kind, _) in declared.items()},
        **{name: field for name, (_, field) in declared.items()},
    }
    return Contract(
        table=f"features.{group}",
        model=type(group, (Table,), body),
        key=("generation", "commodity", "session"),
        # Keys are unique by construction: only sessions without a row are built.
        indexed=False,
    )
