"""What a day says: the champion's live forecast, and replays by the models of their time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.defs.knowledge import Knowledge, followed_series, knowledge
from cbi_pipeline.defs.pipeline import ZONE, Pipeline
from cbi_pipeline.registry import newest_evidence, reign
from cbi_pipeline.warehouse import Store
from data_contracts.evaluation import CALIBRATED


@dataclass(frozen=True)
class Speech:
    """Rows to issue and commodities to be silent on, both in contract form."""

    rows: pl.DataFrame
    abstentions: pl.DataFrame


def spoken(pipeline: Pipeline, day: str) -> Speech:
    """The live forecast of the newest day, after every replay that is not issued yet."""
    from cbi_pipeline.issued import abstentions, staleness

    known = knowledge(pipeline, pipeline.as_of(day))
    with pipeline.warehouse.read() as store:
        reasons = staleness(store.table("market.price"), pipeline.catalogue, known.as_of)
    reasons = reasons | young(known, pipeline.catalogue, reasons)
    able = [name for name, reason in reasons.items() if reason is None]
    rows = pl.concat([replays(pipeline), live(known, able, pipeline)])
    return Speech(rows, abstentions(reasons, track="live", as_of=known.as_of))


def young(
    known: Knowledge, catalogue: Catalogue, reasons: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Why the commodities with recent prices and too little history are not forecast."""
    ready = {one.id for one in known.catalogue.commodities}
    return {
        one.id: f"the price history of {one.name} is still too short to forecast from"
        for one in catalogue.commodities
        if one.id not in ready and reasons[one.id] is None
    }


def replayed(pipeline: Pipeline, day: str) -> Speech:
    """What a past day would have said, by the walk-forward's model of that time."""
    from data_contracts.issued import ABSTENTION

    said = pl.col("as_of").dt.convert_time_zone(ZONE.key).dt.date().cast(pl.String)
    return Speech(replays(pipeline, said == day), ABSTENTION.empty())


def live(known: Knowledge, able: Iterable[str], pipeline: Pipeline) -> pl.DataFrame:
    """The champion's calibrated forecasts from each able commodity's newest row."""
    from cbi_pipeline.defs.forecasting.models import newest_fold
    from cbi_pipeline.issued import calendar_target, from_model, rows

    fold = newest_fold(known)
    version = pipeline.registry.champion()
    forecaster = pipeline.registry.load(version.version)
    forecasts = forecaster.predict(known.panel, fold.test_rows)
    said = from_model(
        *forecasts,
        origins=known.origins(fold.test_rows.tolist()),
        levels=forecaster.recipe.levels,
        steps={commodity.id: commodity.steps for commodity in known.catalogue.commodities},
        model_version=str(version.version),
        as_of=known.as_of,
    )
    with pipeline.warehouse.read() as store:
        previous = store.table("issued.forecast")
        past = evidence(store, version.recipe)
    return rows(
        calibrated(said.filter(pl.col("commodity").is_in(list(able))), past, known),
        track="live",
        issued_at=pipeline.now(),
        state=known.state,
        target_session=calendar_target(known.catalogue),
        previous=previous,
    )


def calibrated(said: pl.DataFrame, past: pl.DataFrame, known: Knowledge) -> pl.DataFrame:
    """What the model said, each band moved by how its recipe's past ones held."""
    from cbi_pipeline.evaluation import calibrate_newest
    from data_contracts.evaluation import FORECAST

    newest = said.with_columns(evaluation_id=pl.lit(""), recipe=pl.lit(""), fold=pl.lit("")).select(
        list(FORECAST.dtypes)
    )
    values = calibrate_newest(newest, past, known.targets)
    key = ["commodity", "horizon", "quantile"]
    return said.drop("value").join(values.select(*key, "value"), on=key, maintain_order="left")


def evidence(store: Store, recipe: str) -> pl.DataFrame:
    """A recipe's walk-forward forecasts in the evaluation that the gate saw last."""
    newest = newest_evidence(store.table("registry.decision"))
    return store.table("evaluation.forecast", "evaluation_id = ? AND recipe = ?", [newest, recipe])


def replays(pipeline: Pipeline, chosen: pl.Expr | None = None) -> pl.DataFrame:
    """The champion recipe's calibrated walk-forward forecasts that are not issued yet."""
    from cbi_pipeline.issued import calendar_target, from_walk_forward, rows
    from data_contracts.issued import FORECAST

    with pipeline.warehouse.read() as store:
        reigning = reign(store.table("registry.decision"))
        recipe = reigning.recipe if reigning else ""
        past = evidence(store, recipe + CALIBRATED).with_columns(recipe=pl.lit(recipe))
        previous = store.table("issued.forecast")
        said = from_walk_forward(past, recipe)
        key = [name for name in FORECAST.key if name != "track"]
        said = said.join(previous.filter(pl.col("track") == "replay"), on=key, how="anti")
        said = said if chosen is None else said.filter(chosen)
        # What each replay rests on.
        states = store.states(said["as_of"].unique().to_list(), followed_series(pipeline.catalogue))
    return rows(
        said,
        track="replay",
        issued_at=pipeline.now(),
        state=states,
        target_session=calendar_target(pipeline.catalogue),
        previous=previous,
    )
