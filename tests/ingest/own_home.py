"""A home that holds nothing but imports of own series."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from cbi_pipeline import ingest
from cbi_pipeline.ledger import Ledger, bind_warehouse
from cbi_pipeline.operations.import_csv import import_csv
from cbi_pipeline.settings import Settings


class Home:
    """A home with imports of own series, each a file of two values."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = Settings(_env_file=None, home=root, profile="archive")
        self.warehouse = bind_warehouse(self.settings)

    def bring(self, name: str, value: float) -> None:
        file = self.root.parent / f"{name}.csv"
        file.write_text(f"period,value\n2020-01-02,{value}\n2020-01-03,{value + 1}\n")
        import_csv(self.settings, file, series=f"DESK.{name}", unit="USD/t", source="desk book")

    def rebuild(self) -> ingest.Rebuilt:
        return ingest.rebuild(Ledger(self.settings.ledger_dir), self.warehouse, {})

    def history(self) -> pl.DataFrame:
        """Every version, with the instant since when we know it."""
        with self.warehouse.read() as store:
            return store.table("raw.observation").drop("response_id")

    def series(self) -> set[str]:
        return set(self.history()["series_id"])

    def copied(self, name: str) -> Callable[[], None]:
        """A copy of a folder of the home as it is now; calling it puts the copy back."""
        folder = self.root / name
        copy = shutil.copytree(folder, self.root.parent / f"copy-of-{name}", symlinks=True)

        def restore() -> None:
            shutil.rmtree(folder)
            shutil.copytree(copy, folder, symlinks=True)

        return restore
