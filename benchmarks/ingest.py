"""Ingestion side by side: ours, the bare path, and dlt, over the same pages from one server.

    python -m benchmarks.ingest [--rows 1000000] [--json out.json] [--without-peer]

Every path reads the same EIA-shaped pages over HTTP from a local server and ends with rows
committed to a DuckDB file. *Bare* is httpx, ``pl.read_json`` and one Arrow load, keeping nothing
else. *Ours* also keeps masked bytes by hash, versions, knowledge times, quarantine and a published
snapshot. *dlt* runs from ``benchmarks/.venv`` when it is there; otherwise that line says so. Each
path runs in a fresh process, and its peak memory is that process's own.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ingest_pages import KEY, PAGE, SERIES, code, write_pages

HERE = Path(__file__).parent
PEER = HERE / ".venv" / "bin" / "python"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The pages' server in a process of its own; yields its address."""
    command = [sys.executable, "-m", "benchmarks.ingest_pages", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def ours(base: str, home: Path, rows: int) -> dict[str, float]:
    """One first night."""
    from dataclasses import replace
    from datetime import UTC, datetime, timedelta

    from pydantic import SecretStr

    from benchmarks.ingest_pages import FIRST
    from cbi_pipeline import ingest
    from cbi_pipeline.feeds import eia
    from cbi_pipeline.feeds.eia_series import SERIES as FOLLOWED
    from cbi_pipeline.ledger import Ledger
    from cbi_pipeline.warehouse import Warehouse

    series = [
        replace(FOLLOWED[0], id=f"EIA.{code(number)}", code=code(number), since=FIRST)
        for number in range(SERIES)
    ]
    feed = eia.source(base, series)
    feed = replace(feed, service=replace(feed.asked, per_second=100_000))
    ledger, warehouse = Ledger(home / "ledger"), Warehouse(home / "warehouse")
    log = ingest.FaultLog(home / "ledger")
    now = datetime.now(UTC) + timedelta(days=365 * 400)
    begun, burnt = time.perf_counter(), time.process_time()
    landed = ingest.land_night(feed, feed.series, SecretStr(KEY), ledger, warehouse, now)
    report = ingest.deliver(feed, landed, ledger, warehouse, log)
    outcome = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - burnt,
        "rows": report.added,
    }
    assert not log.open("eia"), log.open("eia")
    return outcome


def bare(base: str, home: Path, rows: int) -> dict[str, float]:
    """httpx, polars and one Arrow load."""
    import duckdb
    import httpx
    import polars as pl

    begun, burnt = time.perf_counter(), time.process_time()
    frames = []
    with httpx.Client() as client:
        for offset in range(0, rows, PAGE):
            body = client.get(f"{base}/?offset={offset}").content
            data = pl.read_json(body).select(pl.col("response").struct.field("data"))
            frames.append(data.explode("data").unnest("data"))
    loaded = pl.concat(frames).to_arrow()
    with duckdb.connect(str(home / "bare.duckdb")) as connection:
        connection.register("loaded", loaded)
        connection.execute(
            "CREATE TABLE observation AS SELECT *, value::DOUBLE AS number FROM loaded"
        )
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - burnt,
        "rows": loaded.num_rows,
    }


DLT = """
import json, resource, sys, time, urllib.request
import dlt
base, rows, page, home = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

@dlt.resource(name="observation", write_disposition="append")
def pages():
    for offset in range(0, rows, page):
        with urllib.request.urlopen(f"{base}/?offset={offset}") as answer:
            yield json.load(answer)["response"]["data"]

begun, burnt = time.perf_counter(), time.process_time()
pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb(home + "/dlt.duckdb"),
                        dataset_name="raw", pipelines_dir=home + "/dlt")
pipeline.run(pages())
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": time.perf_counter() - begun, "cpu": time.process_time() - burnt,
                  "rows": rows, "peak_mb": used.ru_maxrss / 1024}))
"""


def measured(path: str, base: str, rows: int) -> dict[str, float] | None:
    """Run one path in a fresh process."""
    home = Path(tempfile.mkdtemp(prefix=f"bench-{path}-"))
    try:
        if path == "dlt":
            if not PEER.exists():
                return None
            command = [str(PEER), "-c", DLT, base, str(rows), str(PAGE), str(home)]
        else:
            command = [sys.executable, "-m", "benchmarks.ingest", "--path", path, "--base", base]
            command += ["--rows", str(rows), "--home", str(home)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        outcome: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return outcome
    finally:
        shutil.rmtree(home)


def main() -> None:
    """Measure every path and print ratios."""
    arguments = _arguments()
    if arguments.path:
        run = {"ours": ours, "bare": bare}[arguments.path]
        outcome = run(arguments.base, Path(arguments.home), arguments.rows)
        outcome["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(outcome))
        return
    # Pages of another shape may lie there from an earlier version.
    folder = Path(tempfile.gettempdir()) / f"bench-pages-{arguments.rows}-of-{SERIES}-series"
    write_pages(folder, arguments.rows)
    with serving(folder) as base:
        paths = ("bare", "ours") if arguments.without_peer else ("bare", "ours", "dlt")
        found = {path: measured(path, base, arguments.rows) for path in paths}
    print(_words(found, arguments.rows))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1) + "\n")


def _words(found: dict[str, dict[str, float] | None], rows: int) -> str:
    lines = [f"{rows} rows in {-(-rows // PAGE)} pages; processor seconds in brackets"]
    for path, outcome in found.items():
        if outcome is None:
            lines.append(f"{path:5} not installed in benchmarks/.venv: not measured")
        else:
            lines.append(
                f"{path:5} {outcome['seconds']:8.2f} s ({outcome['cpu']:.2f} s) "
                f"{outcome['peak_mb']:8.0f} MB"
            )
    own, bare_path, peer = found["ours"], found["bare"], found.get("dlt")
    assert own is not None
    assert bare_path is not None
    lines.append(f"ours / bare {_ratio(own, bare_path)} (aim: at most 2.5)")
    if peer:
        lines.append(f"dlt / ours {_ratio(peer, own)} (aim: at least 20)")
    return "\n".join(lines)


def _ratio(one: dict[str, float], other: dict[str, float]) -> str:
    return f"{one['seconds'] / other['seconds']:.2f} ({one['cpu'] / other['cpu']:.2f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json")
    parser.add_argument("--without-peer", action="store_true", help="leave dlt out: it takes long")
    parser.add_argument("--path", choices=["ours", "bare"])
    parser.add_argument("--base")
    parser.add_argument("--home")
    return parser.parse_args()


if __name__ == "__main__":
    main()
