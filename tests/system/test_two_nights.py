"""A second night, on a record that has grown: the version in use changes only by a decision."""

import gzip
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from cbi_pipeline.feeds import archive
from cbi_pipeline.registry import sort_decisions
from cbi_pipeline.warehouse import Warehouse
from tests.records import write
from tests.system.homes import Home

pytestmark = pytest.mark.slow

WEEKLY = "eia-petroleum-weekly.csv.gz"
DATED = re.compile(r"20\d\d-\d\d-\d\d")


def earlier(records: Path, folder: Path) -> Path:
    """The records as they stood on 4 December 2019."""
    shutil.copytree(records, folder)
    header, *lines = gzip.decompress((folder / WEEKLY).read_bytes()).decode().splitlines(True)
    kept = [line for line in lines if DATED.findall(line)[0] <= "2019-11-29"]
    write(folder / WEEKLY, header + "".join(kept))
    provenance = folder / "PROVENANCE.toml"
    text = provenance.read_text()
    provenance.write_text(text.replace("clock = 2020-02-12", "clock = 2019-12-04", 1))
    archive.seal(folder)
    return folder


def decisions(home: Home) -> pl.DataFrame:
    with Warehouse(home.settings.warehouse_dir).read() as store:
        return sort_decisions(store.table("registry.decision"))


def test_the_version_in_use_follows_refreshes_and_people_and_nothing_else(tmp_path, records):
    then = earlier(records, tmp_path / "archive")
    first = Home(tmp_path / ".cbi", {"CBI_ARCHIVE_DIR": str(then)})
    first.run()
    assert first.cbi("models", "promote", "2", "--reason", "learned tails").returncode == 0
    second = Home(tmp_path / ".cbi")
    told = second.run().stdout
    story = decisions(second).select("verdict", "recipe", "version", "who").rows()
    assert ("refresh", "prior", 1, "refresh") in story
    verdict, recipe, version, who = story[-1]
    assert (recipe, version, who) == ("tiny", 3, "refresh")
    assert "Version 3 against version 2." in decisions(second)["reason"][-1]
    speaks = {"refresh": 3, "hold": 2}[verdict]
    assert f"model     version {speaks}, tiny" in told
    with Warehouse(second.settings.warehouse_dir).read() as store:
        said = store.table("issued.forecast", "track = 'live'")
    newest = said.filter(pl.col("as_of") == pl.col("as_of").max())
    assert set(newest["model_version"]) == {str(speaks)}
    assert second.cbi("run").stdout.startswith("nothing to do")
    assert second.cbi("models", "rollback", "--reason", "as before").returncode == 0
    back = decisions(second).row(-1, named=True)
    assert (back["verdict"], back["version"]) == ("rollback", {3: 2, 2: 1}[speaks])
