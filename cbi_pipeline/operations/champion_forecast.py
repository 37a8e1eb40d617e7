"""What the champion says of the newest origins, each commodity on its own feet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cbi_pipeline.operations.aliases import find_champion
from cbi_pipeline.operations.calibrate import fit_recipe_calibration
from cbi_pipeline.operations.faults import failure, note_fault
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.operations.recipes import load_recipe
from cbi_pipeline.operations.training_data import TrainingData, narrow, read_state
from cbi_pipeline.registry import RegistryError

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import Calibration, Model, Panel, PanelSpec
    from cbi_pipeline.issued import Status
    from cbi_pipeline.registry import RegisteredVersion

#: In the fault log: no model can be asked.
SUBJECT = "champion version"


class TooShort(ValueError):
    """A commodity has too little history for the founding model."""


@dataclass(frozen=True)
class ChampionForecast:
    """Rows to issue, and what is to be said of each commodity that the champion did not forecast.

    The founding model forecast some of them; the others are forecast by nobody.
    """

    rows: pl.DataFrame
    statuses: Mapping[str, Status]


def forecast_newest(
    data: TrainingData, names: Sequence[str], pipeline: Pipeline
) -> ChampionForecast:
    """The champion's calibrated forecast of each commodity from its newest origin.

    A version reads its own commodities out of today's rows. One that it cannot read, or that has
    too little history for it, is forecast by the founding model. Where one cannot be forecast the
    others are, and a version that is missing or damaged silences all of them in words.
    """
    from cbi_pipeline.issued import CANNOT, FORECAST, Status

    try:
        version = find_champion(pipeline)
        model = pipeline.registry.load(version.version)
        calibration = pipeline.registry.load_calibration(version.version)
    except RegistryError as error:
        words = f"no model can be asked: {failure(error)}"
        # Where none was ever trained, the failed training is the fault that is told.
        note_fault(pipeline, SUBJECT, words if names and is_trained(pipeline) else None)
        silent = {name: Status(name, CANNOT, words, is_explained=True) for name in names}
        return ChampionForecast(no_rows(), silent)
    note_fault(pipeline, SUBJECT, None)
    strange = find_unreadable(version, model.spec, data, names, pipeline)
    strange |= find_too_short(version, model, data, [name for name in names if name not in strange])
    asked = [name for name in names if name not in strange]
    who = str(version.version)
    rows, failed = try_each(
        asked, lambda some: forecast_with(some, who, model, calibration, data, pipeline)
    )
    further, lost = try_each(list(strange), lambda some: forecast_founding(some, data, pipeline))
    reasons = {name: f"version {version.version} failed on it: {failed[name]}" for name in failed}
    for name, words in lost.items():
        reasons[name] = f"{strange[name]}, and the founding model failed on it: {words}"
    statuses = {name: Status(name, CANNOT, words) for name, words in reasons.items()}
    for name in strange.keys() - lost.keys():
        statuses[name] = Status(name, FORECAST, f"forecast by the founding model: {strange[name]}")
    return ChampionForecast(pl.concat([rows, further]), statuses)


def no_rows() -> pl.DataFrame:
    """No row to issue."""
    from data_contracts.issued import FORECAST

    return FORECAST.empty().drop("sequence", "prev_hash", "row_hash")


def is_trained(pipeline: Pipeline) -> bool:
    """Whether any version was ever recorded here."""
    with pipeline.warehouse.read() as store:
        return not store.query("SELECT 1 FROM registry.version LIMIT 1").is_empty()


def find_unreadable(
    version: RegisteredVersion,
    spec: PanelSpec,
    data: TrainingData,
    names: Sequence[str],
    pipeline: Pipeline,
) -> dict[str, str]:
    """The commodities whose rows of today a version cannot read, each with the reason."""
    who = f"version {version.version}, which forecasts until the next refresh,"
    reasons = {name: why_not_read(spec, name, data, pipeline) for name in names}
    return {name: f"{who} {why}" for name, why in reasons.items() if why is not None}


def find_too_short(
    version: RegisteredVersion, model: Model, data: TrainingData, names: Sequence[str]
) -> dict[str, str]:
    """The commodities that have too little history for a version, each with the reason."""
    if not names:
        return {}
    _, panel, origins = read_newest(model, data, names)
    who = f"version {version.version}, which forecasts until the next refresh, cannot forecast it"
    return {
        absence.commodity: f"{who}: {absence.reason}" for absence in model.absences(panel, origins)
    }


def why_not_read(spec: PanelSpec, name: str, data: TrainingData, pipeline: Pipeline) -> str | None:
    """Why a model of these axes cannot read a commodity's rows of today; None where it can."""
    from cbi_pipeline.features import why_unread

    steps = dict(zip(spec.commodities, spec.steps, strict=True))
    if name not in steps:
        return "was made before it could be forecast"
    if steps[name] != data.catalogue.commodity(name).steps:
        return "was made for other horizons"
    return why_unread(spec, name, pipeline.catalogue, data.feature_set)


def try_each(
    names: Sequence[str], work: Callable[[Sequence[str]], pl.DataFrame]
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The work on all names at once; where that fails on each alone, and why it failed on some."""
    parts, failed = [no_rows()], dict[str, str]()
    if not names:
        return no_rows(), failed
    try:
        return work(names), failed
    except Exception as error:
        if len(names) == 1:
            return no_rows(), {names[0]: failure(error)}
    for name in names:
        rows, why = try_each([name], work)
        parts.append(rows)
        failed |= why
    return pl.concat(parts), failed


def forecast_with(
    names: Sequence[str],
    version: str,
    model: Model,
    calibration: Calibration,
    data: TrainingData,
    pipeline: Pipeline,
) -> pl.DataFrame:
    """Rows of issued.forecast of these commodities, without their links.

    Args:
        names: that the model can forecast.
        version: what the rows name as their model.
        model: that forecasts.
        calibration: how its forecasts are moved.
        data: what was known.
        pipeline: the home.
    """
    from cbi_pipeline.issued import from_model

    spec, (frame, panel, chosen) = model.spec, read_newest(model, data, names)
    steps = dict(zip(spec.commodities, spec.steps, strict=True))
    origins = frame.select("commodity", "session", "price")[chosen.tolist()]
    whose = origins["commodity"].to_list()
    plain, levels = model.predict(panel, chosen), model.recipe.levels
    rows = from_model(
        *calibration.apply(plain, levels, whose, [steps[name] for name in whose]),
        origins=origins,
        levels=levels,
        steps=steps,
        model_version=version,
        as_of=data.as_of,
    )
    # The data behind it are those that it reads, whatever further groups there are.
    state = read_state(pipeline, data.as_of, spec.feature_set)
    return prepare_rows(rows, state, data, pipeline)


def read_newest(
    model: Model, data: TrainingData, names: Sequence[str]
) -> tuple[pl.DataFrame, Panel, NDArray[np.int64]]:
    """Today's rows as a model reads them, flat and as a panel, and these commodities' origins."""
    from cbi_pipeline.features import panel_frame, panel_from_frame
    from cbi_pipeline.forecasting import newest_origins

    frame = panel_frame(data.rows, data.prices, model.spec, data.as_of)
    panel = panel_from_frame(frame, model.spec)
    newest = newest_origins(panel, data.as_of_us)
    return frame, panel, newest[frame["commodity"].gather(newest).is_in(list(names)).to_numpy()]


def forecast_founding(names: Sequence[str], data: TrainingData, pipeline: Pipeline) -> pl.DataFrame:
    """What the founding model says of these commodities, fitted on what is known tonight.

    Raises:
        TooShort: one of them has too little history for it; in words.
    """
    from cbi_pipeline.evaluation import estimator_of
    from cbi_pipeline.forecasting.models.model import by_commodity
    from cbi_pipeline.issued import FOUNDING
    from cbi_pipeline.operations.train import newest_fold

    recipe = load_recipe(pipeline.catalogue.evaluation.founder, pipeline)
    own = narrow(data, recipe.feature_set, pipeline)
    estimator = estimator_of(recipe)
    fold = newest_fold(own, learns=estimator.learns)
    newest = by_commodity(own.panel, fold.test_rows)
    if absent := [name for name in names if name not in newest]:
        raise TooShort(f"there is no row yet of {', '.join(absent)} to forecast from")
    asked = replace(fold, test_rows=np.concatenate([newest[name] for name in sorted(names)]))
    if absences := estimator.absences(own.panel, asked):
        raise TooShort("; ".join(absence.reason for absence in absences))
    model = estimator.fit(own.panel, asked).model
    calibration = fit_recipe_calibration(recipe.name, data, pipeline)
    return forecast_with(names, FOUNDING, model, calibration, data, pipeline)


def prepare_rows(
    forecasts: pl.DataFrame, state: str, data: TrainingData, pipeline: Pipeline
) -> pl.DataFrame:
    """Forecasts as rows to issue."""
    from cbi_pipeline.issued import calendar_target, read_origins, rows

    with pipeline.warehouse.read() as store:
        previous = read_origins(store)
    return rows(
        forecasts,
        track="live",
        issued_at=pipeline.now(),
        state=state,
        target_session=calendar_target(data.catalogue),
        previous=previous,
    )
