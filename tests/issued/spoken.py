"""Generated forecasts for the tests of the issued ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from cbi_pipeline.issued import rows
from cbi_pipeline.issued.chain import chain
from data_contracts.issued import FORECAST
from data_contracts.market import SESSION

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
MONDAY = datetime(2019, 3, 4, 4, tzinfo=UTC)
EMPTY = FORECAST.empty()


def spoken(
    as_of: datetime = MONDAY,
    commodities: Sequence[str] = ("wti", "gasoline_mn"),
    horizons: Sequence[int] = (1, 5),
    *,
    price: float = 50.0,
    model: str = "1",
    origin: date | None = None,
) -> pl.DataFrame:
    """One forecast per commodity and horizon, quantiles spread evenly around no change."""
    lines = [
        {
            "as_of": as_of,
            "commodity": commodity,
            "horizon": horizon,
            "model_version": model,
            "quantile": level,
            "origin_session": origin or as_of.date() - timedelta(days=3),
            "origin_price": price,
            "value": 0.1 * horizon**0.5 * (level - 0.5),
            "up": 0.5,
            "volatility": 0.03 * horizon**0.5,
        }
        for commodity in commodities
        for horizon in horizons
        for level in LEVELS
    ]
    return pl.DataFrame(lines).with_columns(pl.col("as_of").cast(pl.Datetime("us", "UTC")))


def daily(commodity: str, origin: date, sessions: int) -> date:
    """A calendar on which every day is a session."""
    return origin + timedelta(days=sessions)


def unchained(frame: pl.DataFrame | None = None, previous: pl.DataFrame = EMPTY) -> pl.DataFrame:
    return rows(
        spoken() if frame is None else frame,
        track="live",
        issued_at=MONDAY,
        state="5" * 64,
        target_session=daily,
        previous=previous,
    )


def nights(count: int, **changes: object) -> list[pl.DataFrame]:
    """Unchained rows of consecutive nights."""
    return [unchained(spoken(MONDAY + timedelta(days=n), **changes)) for n in range(count)]


def chained(count: int = 2) -> pl.DataFrame:
    """A chain over some nights."""
    return chain(pl.concat(nights(count)))


def prices(*given: tuple[str, date, int, float | None, datetime]) -> pl.DataFrame:
    """Rows of market.session from (commodity, session, version, price, available_at)."""
    return pl.DataFrame(
        [
            {
                "commodity": commodity,
                "session": session,
                "version": version,
                "price": price,
                "held_instrument": "EIA.RWTC",
                "roll": False,
                "available_at": available_at,
                "available_basis": "calendar",
            }
            for commodity, session, version, price, available_at in given
        ],
        schema=SESSION.dtypes,
    )
