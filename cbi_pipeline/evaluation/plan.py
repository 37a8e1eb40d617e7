"""Which origins are forecast, when models are trained again, and the name of an evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, EvaluationPlan
from cbi_pipeline.forecasting import folds
from cbi_pipeline.forecasting.models.estimator import Estimator
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from data_contracts.core import UTC_MICROSECONDS

# Targets must be public before a refit (the purge), which already keeps the longest horizon
# between the last training origin and the refit; the embargo adds a week to that.
EMBARGO_DAYS = 7.0
VALIDATION_SHARE = 0.15

_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, eq=False)
class Plan:
    """Origins and refits of a walk-forward.

    Attributes:
        origins: one line per origin: row (of the panel), commodity, session, decision_at, price.
        refits: instants at which every recipe is trained on what was known, increasing.
        embargo_days: days before a refit in which training targets may not become public.
        validation_share: newest share of the known rows, kept for early stopping.
    """

    origins: pl.DataFrame
    refits: tuple[datetime, ...]
    embargo_days: float = EMBARGO_DAYS
    validation_share: float = VALIDATION_SHARE

    def identity(self) -> str:
        """The sha256 of origins (by commodity and session, not row), refits and gaps."""
        lines = self.origins.select("commodity", pl.col("session").cast(pl.String)).rows()
        return _hash(
            [lines, [str(t) for t in self.refits], self.embargo_days, self.validation_share]
        )


def plan(panel: Panel, catalogue: Catalogue, rows: pl.DataFrame) -> Plan:
    """Weekly origins over each commodity's own record, and calendar refits.

    A week's origin is the newest session known at the week's first decision instant. The catalogue
    may ask for the last years alone, and for fewer origins: then every n-th week is taken, the
    newest included. Origins whose targets are still unknown are forecast too. Each commodity starts
    where its own record allows, and none before the first refit at which there is something to
    train on; a commodity that has no origin yet is simply not there.

    Args:
        panel: rows and targets.
        catalogue: years, number of origins and refit rhythm.
        rows: feature rows of the panel, for the origin prices.

    Raises:
        ValueError: no commodity has a row that can be forecast from, or a row has no price.
    """
    frame = _ready(panel)
    picked = [
        _origins(part, catalogue.evaluation)
        for part in frame.partition_by("commodity", maintain_order=True)
    ]
    if not picked:
        raise ValueError("no row of the panel is ready to forecast from; load more history")
    origins = _add_prices(pl.concat(picked), rows)
    first, last = origins["decision_at"].min(), origins["decision_at"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    refits = _trainable(panel, refit_instants(first, last, catalogue.evaluation.refits))
    return Plan(origins.filter(pl.col("decision_at") >= refits[0]), refits)


def select_development(whole: Plan, targets: pl.DataFrame, share: float) -> Plan:
    """The part of a plan that the gate never reads: the first origins of each commodity.

    It counts the origins that have an outcome, as the gate does, so that none of those that are
    taken here is read there.

    Args:
        whole: the plan.
        targets: rows of ``features.target``.
        share: of each commodity's origins, as `EvaluationPlan.development` states it.

    Raises:
        ValueError: no commodity has an origin in it.
    """
    outcomes = targets.filter(pl.col("value").is_not_null()).select("commodity", "session").unique()
    number, count = pl.col("session").rank("ordinal"), pl.len()
    early = (number <= (share * count).floor()).over("commodity")
    origins = whole.origins.join(
        outcomes, on=["commodity", "session"], how="semi", maintain_order="left"
    ).filter(early)
    if origins.is_empty():
        raise ValueError(
            f"the first {share:.0%} of the origins, which the gate leaves for trying, are none: "
            "the record is too short, or [evaluation] development too small"
        )
    last = origins["decision_at"].max()
    assert isinstance(last, datetime)
    refits = tuple(refit for refit in whole.refits if refit <= last)
    return replace(whole, origins=origins, refits=refits)


def refit_instants(first: datetime, last: datetime, rhythm: str) -> tuple[datetime, ...]:
    """Starts (UTC) of the calendar quarters or years from the one holding ``first`` to ``last``.

    Calendar instants stay where they are as the record grows, so finished folds stay finished.
    """
    months = 3 if rhythm == "quarterly" else 12
    start = datetime(first.year, (first.month - 1) // months * months + 1, 1, tzinfo=UTC)
    dates = pl.datetime_range(start, last, f"{months}mo", time_zone="UTC", eager=True)
    return tuple(dates.to_list())


def evaluation_id(
    state: str,
    as_of: datetime,
    estimators: Iterable[Estimator],
    plan: Plan,
    spec: PanelSpec,
    code: Mapping[str, str] | None = None,
) -> str:
    """Name of an evaluation: data, knowledge instant, recipes, plan, axes, and code.

    Args:
        state: hash of the observations.
        as_of: what was known.
        estimators: who is compared.
        plan: origins and refits.
        spec: axes of the panel.
        code: name of the code that gives each one's forecasts, and under ``""`` of that
            which calibrates and scores them.
    """
    identities = sorted((c.name, c.identity()) for c in estimators)
    instant = as_of.astimezone(UTC).isoformat()
    named = sorted((code or {}).items())
    return _hash([state, instant, identities, plan.identity(), spec.identity(), named])


def _trainable(panel: Panel, refits: tuple[datetime, ...]) -> tuple[datetime, ...]:
    """The refits from the first one on at which a model can be trained; all where none can."""
    for number, refit in enumerate(refits):
        if folds.is_trainable(
            panel,
            int(refit.timestamp() * 1_000_000),
            embargo_days=EMBARGO_DAYS,
            validation_share=VALIDATION_SHARE,
        ):
            return refits[number:]
    return refits


def _ready(panel: Panel) -> pl.DataFrame:
    ready = np.flatnonzero(panel.ready_R.cpu().numpy())
    names = np.array(panel.spec.commodities, dtype=object)
    return pl.DataFrame(
        {
            "row": ready,
            "commodity": pl.Series(names[panel.commodity_R.cpu().numpy()[ready]], dtype=pl.String),
            "session": pl.Series(panel.session_R.cpu().numpy()[ready]).cast(pl.Date),
            "decision_at": pl.Series(panel.decision_at_R.cpu().numpy()[ready]).cast(
                UTC_MICROSECONDS
            ),
        }
    )


def _origins(rows: pl.DataFrame, wanted: EvaluationPlan) -> pl.DataFrame:
    if wanted.years is not None:
        span = pl.duration(days=wanted.years * _DAYS_PER_YEAR)
        rows = rows.filter(pl.col("decision_at") > pl.col("decision_at").max() - span)
    week = pl.col("decision_at").dt.truncate("1w")
    first = rows.filter(pl.col("decision_at") == pl.col("decision_at").min().over(week))
    weekly = first.sort("session").group_by(week.alias("week"), maintain_order=True).last()
    count = weekly.height if wanted.origins is None else wanted.origins
    newest_first = weekly.reverse().gather_every(max(1, weekly.height // count)).head(count)
    return newest_first.reverse().drop("week")


def _add_prices(origins: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    prices = rows.select("commodity", "session", "price").unique(["commodity", "session"])
    priced = origins.join(prices, on=["commodity", "session"], how="left", maintain_order="left")
    missing = priced.filter(pl.col("price").is_null())
    if missing.height:
        raise ValueError(
            f"no price for the origin {missing.row(0)[1:3]}; pass the rows the panel was made from"
        )
    return priced


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()
