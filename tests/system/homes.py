"""A private folder of the product, driven by the real command in processes of their own."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Store, Warehouse
from tests.catalogues import SMALL
from tests.commands import PATIENCE_S, cbi

STEPS = (
    "archive",
    "market__session",
    "features__row",
    "features__target",
    "evaluation__walk_forward",
    "registry__decision",
    "forecasting__refresh",
    "issued__forecast",
    "issued__score",
    "report__morning",
)


def copied(home: Path, to: Path) -> Path:
    """A copy of a home, which reads and writes nothing outside itself."""
    shutil.copytree(home, to, symlinks=True)
    return to


@dataclass(frozen=True)
class Home:
    path: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.path, catalogue_file=SMALL)

    @property
    def environment(self) -> dict[str, str]:
        own = {"CBI_HOME": str(self.path), "CBI_CATALOGUE_FILE": "small.toml", "COLUMNS": "200"}
        return {**os.environ, **own, **self.variables}

    def cbi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return cbi(arguments, self.environment).wait()

    def run(self) -> subprocess.CompletedProcess[str]:
        done = self.cbi("run")
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def stop_run(self, step: str, delay_s: float, number: signal.Signals) -> tuple[int, str]:
        """Start a run and send a signal when ``step`` has begun; exit code and what was said."""
        before = self._runs()
        run = cbi(("run",), self.environment)
        deadline = time.monotonic() + PATIENCE_S
        while not self._began(step, before) and run.running():
            assert time.monotonic() < deadline, f"{step} never began"
            time.sleep(0.05)
        time.sleep(delay_s)
        run.signal(number)
        done = run.wait()
        return done.returncode, done.stdout + done.stderr

    def contents(self) -> dict[str, str]:
        """Hashes of everything that must not depend on how often the work was interrupted.

        When a decision was made and a forecast issued is told by the wall clock, so no two homes
        agree on that, nor on the hashes of the chain, which cover it.
        """
        with Warehouse(self.settings.warehouse_dir).read() as store:
            chain = store.table("issued.forecast")
            versions = store.table("registry.version")
            found = {
                "state": store.table("ledger.txn")["state_after"][-1],
                "features": rows_digest(store),
                "targets": digest(store.table("features.target")),
                "evidence": digest(store.query("FROM evaluation.forecast ORDER BY ALL")),
                "scores": digest(store.table("evaluation.score")),
                "decisions": digest(store.table("registry.decision").drop("decided_at")),
                "outcomes": digest(store.table("issued.score")),
                "models": str(versions.select("version", "recipe", "fingerprint").rows()),
                "forecast": digest(chain.drop("sequence", "issued_at", "prev_hash", "row_hash")),
            }
        weights = sorted(self.settings.mlflow_dir.rglob("*.safetensors"))
        hashes = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in weights)
        return {**found, "weights": str(hashes)}

    def _runs(self) -> set[Path]:
        return set(self.settings.dagster_dir.glob("history/runs/*-*.db"))

    def _began(self, step: str, before: set[Path]) -> bool:
        for path in self._runs() - before:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as events:
                try:
                    rows = events.execute(
                        "SELECT 1 FROM event_logs WHERE dagster_event_type = 'STEP_START' "
                        "AND step_key = ?",
                        [step],
                    ).fetchall()
                except sqlite3.OperationalError:  # its tables are just being made
                    continue
            if rows:
                return True
        return False


def rows_digest(store: Store) -> str:
    """Hash of the feature rows of every group, without when what they read was seen."""
    tables = sorted(
        table
        for (table,) in store.query(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'features' "
            "AND table_name NOT IN ('generation', 'target')"
        ).iter_rows()
    )
    every = "SELECT * EXCLUDE arrived_at"
    frames = (store.query(f"{every} FROM features.{name} ORDER BY ALL") for name in tables)
    return " ".join(map(digest, frames))


def digest(frame: pl.DataFrame) -> str:
    """Hash of a frame's rows in the order given; every bit of every number counts."""
    columns = [
        pl.col(name).struct.json_encode() if dtype == pl.Struct else pl.col(name)
        for name, dtype in frame.schema.items()
    ]
    # What lies under a null number is not part of the content, and differs from read to read.
    numbers = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
    plain = frame.select(
        *columns, *(pl.col(name).is_null().alias(f"{name} is null") for name in numbers)
    ).with_columns(pl.col(numbers).fill_null(0))
    return hashlib.sha256(plain.write_ipc(None).getvalue()).hexdigest()
