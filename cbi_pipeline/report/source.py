"""What the sections of a report read from: each question is asked of the warehouse once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from cbi_pipeline.catalogue import Catalogue
from cbi_pipeline.issued import FOUNDING
from cbi_pipeline.registry import current_champion, newest_evidence, sort_decisions
from cbi_pipeline.report import formats
from cbi_pipeline.report.morning import ModelCard
from cbi_pipeline.warehouse import Store


@dataclass(frozen=True)
class ReportSource:
    """The published tables as one report needs them; whatever several sections read is kept.

    Attributes:
        store: a published snapshot.
        catalogue: commodities to show, in order.
        as_of: instant of the live forecasts or abstentions to show.
    """

    store: Store
    catalogue: Catalogue
    as_of: datetime

    @cached_property
    def live(self) -> pl.DataFrame:
        """Live rows of issued.forecast: the instant's, and each commodity's of the time before.

        The time before is the newest instant on an earlier day of the desk; how long the ledger is
        makes no difference to what is read.
        """
        return self.store.table(
            "issued.forecast",
            """
            track = 'live' AND (as_of = ? OR (commodity, as_of) IN (
                SELECT (commodity, max(as_of)) FROM issued.forecast
                WHERE track = 'live' AND as_of < ? GROUP BY commodity))""",
            [self.as_of, formats.desk_midnight(self.as_of)],
        )

    @cached_property
    def abstentions(self) -> pl.DataFrame:
        """Rows of issued.abstention of the instant, live."""
        return self.store.table("issued.abstention", "track = 'live' AND as_of = ?", [self.as_of])

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """Rows of issued.score against the newest version of each price."""
        return self.store.table("issued.score", "vintage = 'latest'")

    @cached_property
    def decisions(self) -> pl.DataFrame:
        """Rows of registry.decision, oldest first."""
        return sort_decisions(self.store.table("registry.decision"))

    @cached_property
    def evaluation_id(self) -> str:
        """The evaluation that the gate saw last; empty before it saw one."""
        return newest_evidence(self.decisions)

    @cached_property
    def tested(self) -> frozenset[str]:
        """Commodities of which past forecasts were judged in that evaluation."""
        scored = self.store.query(
            "SELECT DISTINCT commodity FROM evaluation.score WHERE evaluation_id = ?",
            [self.evaluation_id],
        )
        return frozenset(scored["commodity"])

    @cached_property
    def current(self) -> pl.DataFrame:
        """Live rows of the instant, of the champion or else of the version issued last."""
        champion = current_champion(self.decisions)
        version = str(champion.version) if champion and champion.version else None
        return select_newest_version(self.live.filter(pl.col("as_of") == self.as_of), version)

    @cached_property
    def earlier(self) -> pl.DataFrame:
        """Each commodity's live rows of its newest instant on an earlier day of the desk."""
        midnight = formats.desk_midnight(self.as_of)
        return select_newest_version(self.live.filter(pl.col("as_of") < midnight))

    @cached_property
    def issued_at(self) -> datetime | None:
        """When the current rows were issued; None when there are none."""
        at: datetime | None = self.current["issued_at"].max()  # type: ignore[assignment]
        return at

    @cached_property
    def model_version(self) -> str | None:
        """The version in use; the founding model where it alone is, None where none is."""
        versions = self.current["model_version"]
        registered = versions.filter(versions != FOUNDING)
        used = versions if registered.is_empty() else registered
        return used[-1] if used.len() else None

    @cached_property
    def model(self) -> ModelCard | None:
        """The registered version in use; None where it is in no registry."""
        version = self.model_version
        if version is None or not version.isdigit():
            return None
        rows = self.store.table("registry.version", "version = ?", [int(version)])
        if rows.is_empty():
            return None
        row = rows.row(0, named=True)
        return ModelCard(
            version=version,
            recipe=row["recipe"],
            recipe_id=row["recipe_id"],
            fingerprint=row["fingerprint"],
            state=row["state"],
            trained_to=row["as_of"],
            note=row["note"],
        )


def find_newest_as_of(store: Store) -> datetime:
    """The newest instant of a live forecast or abstention.

    Raises:
        ValueError: nothing was ever issued.
    """
    newest: datetime | None = store.query(
        """
        SELECT max(as_of) AS newest FROM (
            SELECT as_of FROM issued.forecast WHERE track = 'live'
            UNION ALL SELECT as_of FROM issued.abstention WHERE track = 'live')"""
    )["newest"][0]
    if newest is None:
        raise ValueError("no forecast was ever issued")
    return newest


def select_newest_version(rows: pl.DataFrame, champion: str | None = None) -> pl.DataFrame:
    """The rows of one version per commodity, where several were issued at one instant.

    The champion's, wherever it has any: what it issued is not issued again when it is promoted
    anew. Otherwise those of the version issued last.
    """
    newest = (
        rows.sort(pl.col("model_version").eq_missing(pl.lit(champion)), "sequence")
        .unique("commodity", keep="last", maintain_order=True)
        .select("commodity", "model_version")
    )
    return rows.join(newest, on=["commodity", "model_version"]).sort("sequence")
