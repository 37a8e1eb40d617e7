"""A user's own validated history, imported from a file with its source named."""

from datetime import timedelta

from data_contracts.family import Family

OWN_HISTORY = Family(
    name="own_history",
    title="Own history, imported from a file",
    agency="whom the import names as its source",
    frequency="daily",
    weekdays=(1, 2, 3, 4, 5, 6, 7),
    bounds={
        "USD/bbl": (-500.0, 1000.0),
        "USD/gal": (-10.0, 50.0),
        "USD/MMBtu": (-50.0, 500.0),
        "USD/t": (-1000.0, 1_000_000.0),
        "USD/bu": (-10.0, 200.0),
        "USD/lb": (-10.0, 1000.0),
        "USD/oz": (-100.0, 100_000.0),
        "kb": (0.0, 5_000_000.0),
        "kb/d": (0.0, 200_000.0),
        "Bcf": (0.0, 10_000.0),
        "percent": (-1000.0, 1000.0),
        "index": (0.0, 1_000_000.0),
        "contracts": (0.0, 100_000_000.0),
    },
    release=None,
    staleness=timedelta(days=31),
    revisions="a later import of the same series replaces what it restates",
    rights="no-redistribution",
)
