"""Read a morning's report out of the published warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.features import series_read
from cbi_pipeline.issued import FOUNDING
from cbi_pipeline.registry import current_champion, newest_evidence, sort_decisions
from cbi_pipeline.report.morning import (
    Absence,
    DataDate,
    Gate,
    Ingestion,
    ModelCard,
    Morning,
    Quarantined,
    Score,
)
from cbi_pipeline.report.pages import Spoken, pages
from cbi_pipeline.settings import Settings
from cbi_pipeline.warehouse import Store

_SAMPLES_PER_RULE = 3
_DECISIONS_BY_HAND = 3
_DECISION = ["verdict", "reason", "recipe", "champion", "decided_at", "who", "as_of"]


def gather(
    store: Store,
    catalogue: Catalogue,
    settings: Settings,
    *,
    as_of: datetime | None = None,
    modified: Sequence[str] = (),
) -> Morning:
    """Everything the report of one as-of instant shows.

    Args:
        store: a published snapshot (``Warehouse.read()``).
        catalogue: commodities to show, in order.
        settings: tells a demonstration on closed records from a live report.
        as_of: instant of the live forecasts or abstentions to show; the newest by default.
        modified: archive files that differ from what was shipped.

    Raises:
        ValueError: nothing was ever issued, or nothing at ``as_of``.
    """
    as_of = as_of or _newest_as_of(store)
    live = store.table("issued.forecast", "track = 'live' AND as_of <= ?", [as_of])
    silent = store.table("issued.abstention", "track = 'live' AND as_of = ?", [as_of])
    scores = store.table("issued.score", "vintage = 'latest'")
    ruled = sort_decisions(store.table("registry.decision"))
    spoken = Spoken(as_of, live, silent, scores, live.clear(), _champion(ruled))
    current = spoken.current
    if current.is_empty() and silent.is_empty():
        raise ValueError(f"nothing was issued as of {as_of}")
    version = _speaker(current)
    model = _model(store, version)
    replayed, replay = _replay(store, as_of, model)
    evaluation_id = newest_evidence(ruled)
    return Morning(
        as_of=as_of,
        demonstration=settings.profile != "live",
        pages=pages(store, catalogue, replace(spoken, replay=replay)),
        model_version=version,
        model=model,
        modified=tuple(modified),
        replayed=replayed,
        scores=_scores(store, evaluation_id),
        absences=_absences(store, evaluation_id),
        gates=_gates(ruled, evaluation_id),
        refresh=_refresh(ruled, model),
        by_hand=_by_hand(ruled),
        quarantined=_quarantined(store),
        quarantine_sample=_quarantine_sample(store),
        data_dates=_data_dates(store, as_of, series_read(catalogue)),
        ingestions=_ingestions(store),
        state=current["state"][-1] if current.height else "",
        catalogue=catalogue.identity,
        evaluation_id=evaluation_id,
        issued=_ledger_head(store),
        issued_at=spoken.issued_at,
    )


def _speaker(current: pl.DataFrame) -> str | None:
    """The version that spoke; the founding model where it alone did, None where nobody did."""
    registered = current.filter(pl.col("model_version") != FOUNDING)["model_version"]
    spoken = current["model_version"] if registered.is_empty() else registered
    return spoken[-1] if spoken.len() else None


def _champion(ruled: pl.DataFrame) -> str | None:
    champion = current_champion(ruled)
    return str(champion.version) if champion and champion.version else None


def _newest_as_of(store: Store) -> datetime:
    newest: datetime | None = store.query(
        """
        SELECT max(as_of) AS newest FROM (
            SELECT as_of FROM issued.forecast WHERE track = 'live'
            UNION ALL SELECT as_of FROM issued.abstention WHERE track = 'live')"""
    )["newest"][0]
    if newest is None:
        raise ValueError("no forecast was ever issued")
    return newest


def _model(store: Store, version: str | None) -> ModelCard | None:
    if version is None or not version.isdigit():
        return None
    found = store.table("registry.version", "version = ?", [int(version)])
    if found.is_empty():
        return None
    row = found.row(0, named=True)
    return ModelCard(
        version=version,
        recipe=row["recipe"],
        recipe_id=row["recipe_id"],
        fingerprint=row["fingerprint"],
        state=row["state"],
        trained_to=row["as_of"],
        note=row["note"],
    )


def _replay(
    store: Store, as_of: datetime, model: ModelCard | None
) -> tuple[str | None, pl.DataFrame]:
    """Replayed forecasts of the recipe that speaks, or of the one replayed last."""
    rows = store.table("issued.forecast", "track = 'replay' AND as_of <= ?", [as_of]).with_columns(
        recipe=pl.col("model_version").str.split("@").list.first()
    )
    if rows.is_empty():
        return None, rows
    newest: str = rows.sort("sequence")["recipe"][-1]
    speaks = model is not None and (rows["recipe"] == model.recipe).any()
    shown = model.recipe if model is not None and speaks else newest
    return shown, rows.filter(pl.col("recipe") == shown)


def _refresh(ruled: pl.DataFrame, model: ModelCard | None) -> Gate | None:
    mine = pl.col("recipe") == (model.recipe if model else "")
    newest = ruled.filter(pl.col("who") == "refresh", mine).tail(1)
    return next(iter(_told(newest)), None)


def _by_hand(ruled: pl.DataFrame) -> tuple[Gate, ...]:
    people = ruled.filter(~pl.col("who").is_in(["gate", "refresh"])).reverse()
    return _told(people.head(_DECISIONS_BY_HAND))


def _gates(ruled: pl.DataFrame, evaluation_id: str) -> tuple[Gate, ...]:
    """Decisions on an evaluation; making the first version is none beside a real one."""
    rows = ruled.filter(pl.col("who") == "gate", pl.col("evaluation_id") == evaluation_id)
    real = rows.filter(pl.col("verdict") != "first")
    shown = real if real.height else rows
    return _told(shown.unique("recipe", keep="last", maintain_order=True))


def _told(rows: pl.DataFrame) -> tuple[Gate, ...]:
    return tuple(Gate(**row) for row in rows.select(_DECISION).iter_rows(named=True))


def _scores(store: Store, evaluation_id: str) -> tuple[Score, ...]:
    """Figures of the evaluation that the gate saw last, naive forecasts first as it wrote them."""
    rows = store.table("evaluation.score", "evaluation_id = ?", [evaluation_id])
    naive = [m.removeprefix("skill_vs_") for m in rows["metric"].unique() if "skill_vs_" in m]
    ordered = rows.sort(
        ~pl.col("recipe").is_in(naive), "recipe", "commodity", "horizon", "metric"
    ).drop("evaluation_id")
    return tuple(Score(**row) for row in ordered.iter_rows(named=True))


def _absences(store: Store, evaluation_id: str) -> tuple[Absence, ...]:
    rows = store.table("evaluation.absence", "evaluation_id = ?", [evaluation_id])
    ordered = rows.drop("evaluation_id").sort("recipe", "commodity")
    return tuple(Absence(**row) for row in ordered.iter_rows(named=True))


def _quarantined(store: Store) -> dict[str, int]:
    rows = store.query(
        "SELECT rule, count(*) AS number FROM quarantine.row WHERE fate = 'open' "
        "GROUP BY rule ORDER BY number DESC, rule"
    )
    return dict(rows.iter_rows())


def _quarantine_sample(store: Store) -> tuple[Quarantined, ...]:
    rows = store.query(
        """
        SELECT rule, series_id AS series, column_name AS "column", value, "row", fate
        FROM quarantine.row WHERE fate = 'open'
        QUALIFY row_number() OVER (
            PARTITION BY rule ORDER BY seen_at DESC, response_id, locator) <= ?
        ORDER BY rule, seen_at DESC, response_id, locator""",
        [_SAMPLES_PER_RULE],
    )
    return tuple(Quarantined(**row) for row in rows.iter_rows(named=True))


def _data_dates(store: Store, as_of: datetime, read: Sequence[str]) -> tuple[DataDate, ...]:
    """The newest of each family that is read; one that nothing reads any more grows old unasked."""
    every = store.table("ref.series").select("series_id", "family", "frequency")
    used = every.filter(pl.col("series_id").is_in(read)).select("family").unique()
    series = every.join(used, on="family", how="semi")
    newest = pl.col("period") == pl.col("period").max()
    rows = (
        store.as_of(as_of)
        .join(series, on="series_id")
        .group_by("family", "frequency")
        .agg(
            pl.col("series_id").n_unique().alias("series"),
            pl.col("period").max().alias("newest"),
            pl.col("available_at").filter(newest).max(),
            pl.col("available_basis").filter(newest).last().alias("basis"),
            (pl.col("available_basis") == "assumed").mean().alias("assumed"),
        )
        .rename({"family": "group"})
        .sort("group", "frequency")
    )
    return tuple(DataDate(**row) for row in rows.iter_rows(named=True))


def _ingestions(store: Store) -> tuple[Ingestion, ...]:
    names = list(Ingestion.__dataclass_fields__)
    newest = store.table("ledger.txn").sort("txn_id").unique("feed", keep="last").sort("feed")
    return tuple(Ingestion(**row) for row in newest.select(names).iter_rows(named=True))


def _ledger_head(store: Store) -> tuple[int, str]:
    rows = store.query(
        "SELECT sequence, row_hash FROM issued.forecast ORDER BY sequence DESC LIMIT 1"
    )
    return (rows["sequence"][0], rows["row_hash"][0]) if rows.height else (0, "")
