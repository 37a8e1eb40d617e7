"""Copies of the package on disk, edited and run as processes of their own over one small home."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Warehouse
from tests.catalogues import ALONE
from tests.features.records import prices
from tests.features.worlds import world
from tests.system.package_copy import copy_package
from tests.warehouse.frames import reference

NIGHT = """
import json
import polars as pl
from cbi_pipeline.market import build_sessions
from cbi_pipeline.operations.store_sessions import store_sessions
from cbi_pipeline.operations.build_features import build, store_rows
from cbi_pipeline.operations.pipeline import Pipeline
pipeline = Pipeline.from_environment()
commodities = pipeline.catalogue.commodities
with pipeline.warehouse.read() as store:
    observations = store.table("raw.observation")
sessions = pl.concat(build_sessions(observations, one) for one in commodities)
stored = store_sessions(pipeline, sessions)
built = build(pipeline)
store_rows(pipeline, built)
frames = {"origin": built.rows.origins} | {g.name: rows for g, rows in built.rows.groups.items()}
print(json.dumps({
    "new": {f"{name} {commodity}": count for name, rows in frames.items()
            for commodity, count in sorted(rows.group_by("commodity").len().iter_rows())},
    "why": {f"{group} {commodity}": why for group, commodity, why
            in built.generations.changes.select("feature_group", "commodity", "why").iter_rows()},
    "sessions": dict(stored.renewed),
    "meanings": built.generations.meanings,
}))
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the package, and a home that only it writes to.

    Attributes:
        folder: holds the packages and the home.
    """

    folder: Path

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(Settings(_env_file=None, home=self.folder / "home").warehouse_dir)

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue.toml"

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands in a file, wherever it does."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    def night(self) -> dict[str, Any]:
        """Build the rows in a process of its own; what was built, why, and what rows mean."""
        own = {"CBI_HOME": str(self.folder / "home"), "CBI_CATALOGUE_FILE": str(self.catalogue)}
        done = subprocess.run(
            [sys.executable, "-c", NIGHT],
            cwd=self.folder,
            env={**os.environ, **own, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rows(self, table: str) -> pl.DataFrame:
        """Every row of a table, of all generations."""
        with self.warehouse.read() as store:
            return store.query(f"FROM {table}")


def make(folder: Path) -> Copy:
    """The package as it is, a home with two years of made-up records, and a night's rows in it."""
    copy_package(folder)
    copy = Copy(folder)
    copy.catalogue.write_text(ALONE)
    observed = world(3, weeks=110)
    with copy.warehouse.write() as store, store.transaction():
        store.replace("ref.series", reference(*observed["series_id"].unique().sort().to_list()))
        store.append("raw.observation", observed)
        store.append("market.session", prices(observed))
    copy.warehouse.publish()
    copy.night()
    return copy
