"""A published warehouse with a night's forecasts on generated prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import load_catalogue
from cbi_pipeline.issued import (
    ABSTAINS,
    FOUNDING,
    IssuedLedger,
    Status,
    abstentions,
    calendar_target,
    from_model,
    from_walk_forward,
    rows,
    score,
)
from cbi_pipeline.market import sessions
from cbi_pipeline.operations.walk_forward_store import split_folds
from cbi_pipeline.warehouse import Store, Warehouse
from data_contracts import contract
from data_contracts.evaluation import FORECAST as WALKED
from tests.report.mornings import AS_OF, LEVELS, quantile_prices, walk

CATALOGUE = load_catalogue(profile="archive")
BEFORE = AS_OF - timedelta(days=7)
STARTS = {"wti": date(2016, 1, 4), "gasoline_mn": date(2015, 1, 5)}
STEPS = {commodity.id: commodity.steps for commodity in CATALOGUE.commodities}


def frame(table: str, lines: Sequence[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(lines), schema=contract(table).dtypes)


def records() -> dict[str, tuple[list[date], np.ndarray]]:
    """Sessions and prices per commodity, to the end of each archived record."""
    found = {}
    for number, commodity in enumerate(CATALOGUE.commodities):
        assert commodity.record_ends is not None
        days = sessions(commodity.calendar, STARTS[commodity.id], commodity.record_ends)
        start, step = (50.0, 0.02) if commodity.id == "wti" else (2.6, 0.015)
        found[commodity.id] = days, walk(number + 1, len(days), step, start)
    return found


def prices() -> pl.DataFrame:
    return frame(
        "market.session",
        [
            {
                "commodity": commodity,
                "session": session,
                "version": 1,
                "price": float(price),
                "held_instrument": CATALOGUE.commodity(commodity).price_series,
                "roll": False,
                "available_at": public(session),
                "available_basis": "assumed",
            }
            for commodity, (days, values) in records().items()
            for session, price in zip(days, values, strict=True)
        ],
    )


def public(session: date) -> datetime:
    return datetime(session.year, session.month, session.day, 22, tzinfo=UTC)


def walk_forward(recipe: str, count: int = 30) -> pl.DataFrame:
    """Weekly origins of one recipe, spread like the prior."""
    lines = []
    for commodity, (days, values) in records().items():
        spacing = 5 if commodity == "wti" else 1
        last = len(days) - 1 - max(STEPS[commodity])
        for at in range(last - spacing * count, last, spacing):
            for steps in STEPS[commodity]:
                returns = np.log(quantile_prices(values[: at + 1], at, steps) / values[at])
                lines += [
                    {
                        "evaluation_id": "e" * 64,
                        "recipe": recipe,
                        "fold": "2018Q1",
                        "commodity": commodity,
                        "origin_session": days[at],
                        "horizon": steps,
                        "quantile": level,
                        "as_of": public(days[at]) + timedelta(hours=5),
                        "value": float(value),
                        "up": 0.5,
                        "volatility": 0.1,
                        "origin_price": float(values[at]),
                    }
                    for level, value in zip(LEVELS, returns, strict=True)
                ]
    return pl.DataFrame(lines, schema=WALKED.dtypes)


def tonight(as_of: datetime, commodities: Sequence[str], last: int = -1) -> pl.DataFrame:
    """A model's forecasts from the newest price, or from the one before with ``last=-2``."""
    found, quantiles = records(), []
    origins = pl.DataFrame(
        [
            {"commodity": c, "session": found[c][0][last], "price": float(found[c][1][last])}
            for c in commodities
        ]
    )
    for c in commodities:
        days, values = found[c]
        at = len(days) + last
        quantiles.append(
            [np.log(quantile_prices(values, at, steps) / values[at]) for steps in STEPS[c]]
        )
    shape = (len(commodities), 3)
    return from_model(
        np.array(quantiles),
        np.full(shape, 0.53),
        np.full(shape, 0.1),
        origins=origins,
        levels=LEVELS,
        steps=STEPS,
        model_version="1",
        as_of=as_of,
    )


def publish(root: Path, *, silent: str | None = None, founding: str = "") -> Warehouse:
    """A warehouse after two nights.

    On the second ``silent`` abstained, and the founding model spoke for ``founding``.
    """
    warehouse = Warehouse(root / "warehouse")
    with warehouse.write() as store:
        _past(store)
        ledger = IssuedLedger(store, root / "issued")
        issue(ledger, store, "replay", from_walk_forward(walk_forward("prior"), "prior"), BEFORE)
        both = list(STEPS)
        issue(ledger, store, "live", tonight(BEFORE, both, last=-2), BEFORE)
        speaking = [commodity for commodity in both if commodity != silent]
        new = pl.when(pl.col("commodity") == founding).then(pl.lit(FOUNDING))
        said = tonight(AS_OF, speaking).with_columns(model_version=new.otherwise("model_version"))
        issue(ledger, store, "live", said, AS_OF)
        if silent:
            why = "newest price is of 2019-01-03; the limit is 21 days"
            given = [Status(silent, ABSTAINS, why)]
            store.append("issued.abstention", abstentions(given, track="live", as_of=AS_OF))
        store.replace("issued.score", score(store.table("issued.forecast"), prices(), AS_OF))
    warehouse.publish()
    return warehouse


def issue(
    ledger: IssuedLedger, store: Store, track: str, spoken: pl.DataFrame, at: datetime
) -> None:
    ledger.append(
        rows(
            spoken,
            track=track,
            issued_at=at,
            state="9f" * 32,
            target_session=calendar_target(CATALOGUE),
            previous=store.table("issued.forecast"),
        )
    )


def _past(store: Store) -> None:
    store.append("market.session", prices())
    for table, part in split_folds(walk_forward("prior")).items():
        store.append(table, part)
    store.append("evaluation.score", scores())
    store.append("registry.version", frame("registry.version", [VERSION]))
    store.append("registry.decision", frame("registry.decision", DECISIONS))
    store.replace("ref.series", frame("ref.series", SERIES))
    store.append("raw.observation", observations())
    store.append("ledger.txn", frame("ledger.txn", [TRANSACTION]))
    store.replace("quarantine.row", frame("quarantine.row", QUARANTINED))


def scores() -> pl.DataFrame:
    return frame(
        "evaluation.score",
        [
            {
                "evaluation_id": "e" * 64,
                "recipe": recipe,
                "commodity": commodity,
                "horizon": horizon,
                "metric": metric,
                "value": value,
                "low": value - 0.01,
                "high": value + 0.01,
                "count": 30,
            }
            for recipe in ("anchored_gru", "climatology", "prior")
            for commodity in STEPS
            for horizon in ("1w", "1m", "1q", "*")
            for metric, value in (
                ("crps", 0.0213),
                ("coverage_80", 0.789),
                ("skill_vs_climatology", 0.0123),
                ("skill_vs_prior", -0.004),
            )
            if metric != f"skill_vs_{recipe}"
        ],
    )


def observations() -> pl.DataFrame:
    lines = [
        ("EIA.RWTC", date(2019, 1, 2), "assumed"),
        ("EIA.RWTC", date(2019, 1, 3), "assumed"),
        ("EIA.WCRFPUS2", date(2020, 1, 31), "assumed"),
        ("EIA.WCRFPUS2", date(2020, 2, 7), "calendar"),
    ]
    return frame(
        "raw.observation",
        [
            {
                "series_id": series,
                "period": period,
                "version": 1,
                "available_at": public(period),
                "available_basis": basis,
                "seen_at": AS_OF,
                "txn_id": 1,
                "value": 1.0,
                "value_text": "1",
                "status": "value",
                "response_id": "r" * 16,
                "locator": f"line {number}",
            }
            for number, (series, period, basis) in enumerate(lines)
        ],
    )


VERSION = {
    "version": 1,
    "recipe": "prior",
    "recipe_id": "5e" * 32,
    "fingerprint": "c0ffee" * 10,
    "state": "ab" * 32,
    "as_of": BEFORE,
    "run_id": "run",
    "note": "the catalogue's founder",
}
NO_SKILL = {
    "decision_id": "2" * 64,
    "decided_at": AS_OF,
    "evaluation_id": "e" * 64,
    "recipe": "anchored_gru",
    "champion": "prior",
    "verdict": "no_skill",
    "reason": "not shown better than the prior",
    "statistics": "{}",
    "who": "gate",
}
FIRST = {
    **NO_SKILL,
    "decision_id": "3" * 64,
    "verdict": "first",
    "reason": "by construction",
    "recipe": "prior",
}
REFRESH = {
    **FIRST,
    "decision_id": "4" * 64,
    "verdict": "refresh",
    "reason": "no worse than the version before",
    "version": 1,
    "who": "refresh",
}
BY_HAND = {
    **REFRESH,
    "decision_id": "5" * 64,
    "decided_at": BEFORE,
    "verdict": "promote",
    "reason": "the desk knows this network",
    "who": "ada",
}
DECISIONS = [FIRST, NO_SKILL, REFRESH, BY_HAND]
SERIES = [
    {
        "series_id": series,
        "family": family,
        "name": series,
        "unit": "USD/bbl",
        "frequency": frequency,
        "dimensions": "{}",
        "source": "archive",
        "rights": "public-domain",
        "contract_version": "1.0.0",
    }
    for series, family, frequency in (
        ("EIA.RWTC", "eia_spot_daily", "daily"),
        ("EIA.WCRFPUS2", "eia_wpsr", "weekly"),
    )
]
TRANSACTION = {
    "txn_id": 1,
    "feed": "archive",
    "seen_at": AS_OF,
    "response_ids": ["r" * 16],
    "state_before": "0",
    "state_after": "1",
    "parsed": 81463,
    "accepted": 81460,
    "added": 64187,
    "quarantined": 3,
    "duplicates": 2,
    "ignored": 8240,
}
QUARANTINED = [
    {
        "response_id": "r" * 16,
        "locator": f"line {number}",
        "rule": rule,
        "feed": "archive",
        "series_id": "EIA.RWTC",
        "column_name": "value",
        "value": value,
        "row": f'{{"DATE": "2008-07-0{number}"}}',
        "contract_version": "1.0.0",
        "fate": fate,
        "txn_id": 1,
        "seen_at": AS_OF,
    }
    for number, (rule, value, fate) in enumerate(
        [("not_a_number", "n/a", "open")] * 5
        + [("in_the_future", None, "open"), ("not_a_number", "come back", "accepted")],
        start=1,
    )
]
