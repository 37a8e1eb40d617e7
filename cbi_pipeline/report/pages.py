"""Read each commodity's page of the report: price, forecasts, track record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity
from cbi_pipeline.issued import (
    ABSTAINS,
    FORECAST,
    FOUNDING,
    FOUNDING_WORDS,
    closed_records,
    describe_unconfirmed,
    desk_day,
)
from cbi_pipeline.market import latest_prices
from cbi_pipeline.report import formats
from cbi_pipeline.report.morning import Before, Outlook, Page, Replay, at_level
from cbi_pipeline.warehouse import Store

_FORECAST_KEY = ["track", "as_of", "commodity", "horizon", "model_version"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was issued, as the pages need it.

    Attributes:
        as_of: instant of the report.
        live: rows of issued.forecast on the live track up to then.
        silent: rows of issued.abstention of that instant, live.
        scores: rows of issued.score against the price as now known.
        replay: rows of issued.forecast on the replay track, of the recipe shown.
        champion: version in use, if a decision names one.
    """

    as_of: datetime
    live: pl.DataFrame
    silent: pl.DataFrame
    scores: pl.DataFrame
    replay: pl.DataFrame
    champion: str | None = None

    @property
    def current(self) -> pl.DataFrame:
        """Live rows of the instant, of the champion or else of whoever spoke last."""
        return last_spoken(self.live.filter(pl.col("as_of") == self.as_of), self.champion)

    @property
    def issued_at(self) -> datetime | None:
        """When the current rows were issued; None when there are none."""
        at: datetime | None = self.current["issued_at"].max()  # type: ignore[assignment]
        return at


def last_spoken(rows: pl.DataFrame, champion: str | None = None) -> pl.DataFrame:
    """The rows of one model per commodity: several may have spoken on the same instant.

    What a champion said is not said again when it comes back to power.
    """
    newest = (
        rows.sort(pl.col("model_version").eq_missing(pl.lit(champion)), "sequence")
        .unique("commodity", keep="last", maintain_order=True)
        .select("commodity", "model_version")
    )
    return rows.join(newest, on=["commodity", "model_version"]).sort("sequence")


def pages(store: Store, catalogue: Catalogue, spoken: Spoken) -> tuple[Page, ...]:
    """One page per commodity of the catalogue, in its order."""
    prices = store.table("market.session")
    known = latest_prices(prices, spoken.as_of).sort("session")
    notes = closed_records(prices, catalogue, spoken.as_of)
    told = []
    for one in catalogue.commodities:
        history = known.filter(pl.col("commodity") == one.id)
        newest = describe_unconfirmed(one, store, history, spoken.as_of)
        told.append(_page(one, history, spoken, (notes.get(one.id, ""), newest)))
    return tuple(told)


def _page(
    commodity: Commodity, history: pl.DataFrame, spoken: Spoken, notes: tuple[str, ...]
) -> Page:
    mine = pl.col("commodity") == commodity.id
    current = spoken.current.filter(mine)
    silent = spoken.silent.filter(mine) if current.is_empty() else spoken.silent.clear()
    return Page(
        id=commodity.id,
        name=commodity.name,
        unit=commodity.unit,
        horizons=tuple(commodity.horizons),
        sessions=tuple(history["session"]),
        prices=tuple(history["price"]),
        outlooks=_outlooks(commodity, current, spoken),
        origin=current["origin_session"][0] if current.height else None,
        price=current["origin_price"][0] if current.height else None,
        note="; ".join(filter(None, [_name_founding(current), *notes])) or None,
        abstention=silent["reason"][0] if silent.height else None,
        status=(silent["kind"][0] or ABSTAINS) if silent.height else FORECAST,
        before=_before(commodity, spoken.live.filter(mine), spoken.as_of),
        replays=_replays(commodity, spoken.replay.filter(mine), spoken),
    )


def _name_founding(current: pl.DataFrame) -> str:
    return FOUNDING_WORDS if FOUNDING in current["model_version"] else ""


def _label(commodity: Commodity, steps: int) -> str:
    labels = {count: label for label, count in commodity.horizons.items()}
    return labels.get(steps, f"{steps} sessions")


def _outlooks(commodity: Commodity, current: pl.DataFrame, spoken: Spoken) -> tuple[Outlook, ...]:
    # A forecast that was carried on has no score of its own; its outcome is that of its target.
    target = ["track", "commodity", "horizon", "target_session"]
    came = _outcomes(spoken.scores.join(current, on=target, how="semi"))
    today = formats.desk_day(spoken.as_of)
    return tuple(
        Outlook(
            horizon=_label(commodity, rows["horizon"][0]),
            sessions=rows["horizon"][0],
            target=rows["target_session"][0],
            quantiles=dict(zip(rows["quantile"], rows["price"], strict=True)),
            up=rows["up"][0],
            passed=rows["target_session"][0] < today,
            actual=came.get(rows["horizon"][0]),
        )
        for rows in current.sort("horizon", "quantile").partition_by("horizon", maintain_order=True)
    )


def _outcomes(scores: pl.DataFrame) -> Mapping[int, float]:
    return dict(zip(scores["horizon"], scores["actual_price"], strict=True))


def _before(commodity: Commodity, live: pl.DataFrame, as_of: datetime) -> Before | None:
    earlier = live.filter(desk_day(pl.col("as_of")) < formats.desk_day(as_of))
    if earlier.is_empty():
        return None
    rows = last_spoken(earlier.filter(pl.col("as_of") == pl.col("as_of").max()))
    first = rows.row(0, named=True)
    return Before(
        as_of=first["as_of"],
        origin=first["origin_session"],
        price=first["origin_price"],
        medians={
            _label(commodity, part["horizon"][0]): at_level(
                dict(zip(part["quantile"], part["price"], strict=True)), 0.5
            )
            for part in rows.partition_by("horizon", maintain_order=True)
        },
        model=first["model_version"],
    )


def _replays(commodity: Commodity, replay: pl.DataFrame, spoken: Spoken) -> tuple[Replay, ...]:
    came = spoken.scores.select(*_FORECAST_KEY, "actual_price")
    told = (
        replay.filter(pl.col("target_session") < formats.desk_day(spoken.as_of))
        .join(came, on=_FORECAST_KEY)
        .sort("horizon", "quantile", "target_session", "as_of")
    )
    return tuple(
        _replay(_label(commodity, rows["horizon"][0]), rows)
        for rows in told.partition_by("horizon", maintain_order=True)
    )


def _replay(label: str, rows: pl.DataFrame) -> Replay:
    levels = rows.partition_by("quantile", maintain_order=True)
    return Replay(
        horizon=label,
        origins=tuple(levels[0]["origin_session"]),
        targets=tuple(levels[0]["target_session"]),
        quantiles={level["quantile"][0]: tuple(level["price"]) for level in levels},
        actual=tuple(levels[0]["actual_price"]),
    )
