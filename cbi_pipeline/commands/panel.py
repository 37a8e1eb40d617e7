"""``cbi panel``: feature rows for programs that call a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cbi_pipeline.commands.console import Refusal, console, writing

app = typer.Typer(help="Feature rows as a model takes them.", no_args_is_help=True)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Target, .parquet or .csv.")],
) -> None:
    """Write the long panel frame: one line per commodity and session."""
    if file.suffix not in (".parquet", ".csv"):
        raise Refusal(f"{file} must end in .parquet or .csv")
    from cbi_pipeline.defs.knowledge import feature_set
    from cbi_pipeline.defs.pipeline import Pipeline
    from cbi_pipeline.features import panel_frame, panel_spec

    pipeline = Pipeline.from_environment()
    chosen = feature_set(pipeline.catalogue)
    with pipeline.warehouse.read() as store:
        rows = store.table("features.row", "feature_set = ?", [chosen.name])
    if rows.is_empty():
        raise Refusal("no feature row is built yet; run `cbi run` first")
    frame = panel_frame(rows, panel_spec(pipeline.catalogue, chosen))
    write = frame.write_parquet if file.suffix == ".parquet" else frame.write_csv
    with writing(file), file.open("wb") as target:
        write(target)
    console.print(f"{len(frame):,} rows, {len(frame.columns)} columns: {file}")
