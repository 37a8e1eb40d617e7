"""``cbi panel``: feature rows for programs that call a registered model."""

from __future__ import annotations

from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cbi_pipeline.commands.console import Refusal, console, errors, refuse_unwritable

if TYPE_CHECKING:
    import polars as pl

    from cbi_pipeline.forecasting import PanelSpec
    from cbi_pipeline.operations.pipeline import Pipeline

app = typer.Typer(help="Feature rows as a model takes them.", no_args_is_help=True)

_READ_WITH = {
    ".parquet": "read_parquet({file!r})",
    ".csv": "read_csv({file!r})",
    # By default pandas turns decision_at into instants and misses last bits of prices.
    ".json": "read_json({file!r}, dtype=False, precise_float=True)",
    ".jsonl": "read_json({file!r}, lines=True, dtype=False, precise_float=True)",
}


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Target: .parquet, .csv, .json or .jsonl.")],
) -> None:
    """Write the long panel frame that the champion reads: one line per commodity and session.

    Numbers are doubles, session and decision_at are ISO text, alike in every format. A .json file
    is a list of records, a .jsonl file has a record per line.
    """
    if file.suffix not in _READ_WITH:
        raise Refusal(f"{file} must end in {', '.join(_READ_WITH)}")
    from cbi_pipeline.operations.pipeline import Pipeline

    frame = _frame(Pipeline.from_environment(), file.suffix)
    with refuse_unwritable(file), file.open("wb") as target:
        _write(frame, file.suffix, target)
    console.print(f"{len(frame):,} rows, {len(frame.columns)} columns: {file}", soft_wrap=True)
    call = _READ_WITH[file.suffix].format(file=str(file))
    console.print(f"read it with pandas.{call}", style="dim", soft_wrap=True)


def _frame(pipeline: Pipeline, suffix: str) -> pl.DataFrame:
    from cbi_pipeline.features import panel_frame
    from cbi_pipeline.registry import cast_frame, input_types

    spec, types = _choose_panel(pipeline)
    rows = _read_panel_rows(pipeline, spec)
    with pipeline.warehouse.read() as store:
        prices = store.table("market.session")
    if "datetime" in types.values() and suffix != ".parquet":
        errors.print(
            "cbi: the champion was registered by an earlier release and reads the .parquet file "
            "alone; the next `cbi run` registers it anew"
        )
        types = input_types(spec)
    return cast_frame(panel_frame(rows, prices, spec), types)


def _read_panel_rows(pipeline: Pipeline, spec: PanelSpec) -> pl.DataFrame:
    """The rows that a model reads; says which commodities it cannot."""
    import polars as pl

    from cbi_pipeline.features import read_generations, read_rows, why_unread
    from cbi_pipeline.operations.training_data import feature_set

    catalogue, chosen = pipeline.catalogue, feature_set(pipeline.catalogue)
    with pipeline.warehouse.read() as store:
        used = read_generations(store, catalogue, chosen, pipeline.now())
        rows = read_rows(store, chosen, used)
    today = used.give_meaning(chosen)
    if rows.is_empty():
        raise Refusal("no feature row is built yet; run `cbi run` first")
    names = set(rows["commodity"])
    left_out = sorted(names - set(spec.commodities))
    if left_out:
        errors.print(f"cbi: left out, unknown to the champion: {', '.join(left_out)}")
    reasons = {
        name: why_unread(spec, name, catalogue, today) for name in names & set(spec.commodities)
    }
    unread = {name: why for name, why in sorted(reasons.items()) if why is not None}
    for name, why in unread.items():
        errors.print(f"cbi: left out: {name}, the champion {why}", soft_wrap=True)
    readable = rows.filter(~pl.col("commodity").is_in([*left_out, *unread]))
    if readable.is_empty():
        raise Refusal("the champion reads no row of today; the next `cbi run` trains one that does")
    return readable


def _choose_panel(pipeline: Pipeline) -> tuple[PanelSpec, dict[str, str]]:
    """Axes and column types of the champion; of today's catalogue while there is none."""
    from cbi_pipeline.features import panel_spec
    from cbi_pipeline.operations.aliases import find_champion
    from cbi_pipeline.operations.training_data import feature_set
    from cbi_pipeline.registry import RegistryEmpty, input_types

    today = panel_spec(pipeline.catalogue, feature_set(pipeline.catalogue))
    try:
        champion = find_champion(pipeline).version
    except RegistryEmpty:
        return today, input_types(today)
    return pipeline.registry.load(champion).spec, pipeline.registry.input_types(champion)


def _write(frame: pl.DataFrame, suffix: str, target: BufferedWriter) -> None:
    if suffix == ".parquet":
        frame.write_parquet(target)
    elif suffix == ".csv":
        frame.write_csv(target)
    elif suffix == ".json":
        frame.write_json(target)
    else:
        frame.write_ndjson(target)
