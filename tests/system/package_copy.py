"""A copy of the package on disk, to which files are added and whose own command is run."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cbi_pipeline.settings import PROJECT_ROOT
from cbi_pipeline.warehouse import Warehouse


@dataclass
class Copy:
    """A copy of the package, and a home that it works on.

    What each command said is kept, and what stood in some tables after the first night.
    """

    folder: Path
    variables: dict[str, str]
    done: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    rows: pl.DataFrame | None = None
    aside: pl.DataFrame | None = None

    @property
    def home(self) -> Path:
        return self.folder / ".cbi"

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        own = {"CBI_HOME": str(self.home), "COLUMNS": "200", "PYTHONPATH": str(self.folder)}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.variables, **own},
            capture_output=True,
            text=True,
            check=False,
        )

    def cbi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("-c", "from cbi_pipeline.cli import main; main()", *arguments)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def table(self, name: str) -> pl.DataFrame:
        with Warehouse(self.home / "warehouse").read() as store:
            return store.table(name)

    def add_family(self, module: str, family: str) -> None:
        """Name a family of a module of contracts in the list of all."""
        families = "data_contracts/families.py"
        line = f"from data_contracts.{module} import {family}\n\nFAMILIES: "
        self.edit(families, "\nFAMILIES: ", line)
        self.edit(families, "        OWN_HISTORY,\n", f"        OWN_HISTORY,\n        {family},\n")


def copy_package(folder: Path) -> None:
    """Copy the package and its contracts into a folder."""
    for package in ("cbi_pipeline", "data_contracts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT_ROOT / package, folder / package, ignore=ignored)


def copied(folder: Path, variables: dict[str, str]) -> Copy:
    """A copy of the package in a folder."""
    copy_package(folder)
    shutil.copy(PROJECT_ROOT / "pyproject.toml", folder)
    return Copy(folder, variables)
