"""A small generated panel: two commodities, one with daily and one with weekly sessions."""

from datetime import date

import numpy as np
import polars as pl

from cbi_pipeline.catalogue import Catalogue, Commodity, EvaluationPlan
from cbi_pipeline.forecasting.panel import NEVER, Panel, PanelSpec
from data_contracts.core import UTC_MICROSECONDS

DAY_US = 86_400_000_000
FIRST_DAY = (date(2010, 1, 4) - date(1970, 1, 1)).days  # a Monday
STEPS = {"daily": (5, 20), "weekly": (1, 4)}
DAYS = {"daily": (0, 1, 2, 3, 4), "weekly": (0,)}


def catalogue(*, years: int = 2, origins: int = 100, refits: str = "quarterly") -> Catalogue:
    return Catalogue(
        commodities=tuple(
            Commodity(
                id=name,
                name=name,
                unit="USD",
                price_series=name.upper(),
                calendar=name,
                sessions_per_year=260,
                horizons=dict(zip(("1w", "1m"), steps, strict=True)),
                liquid=True,
                stale_after_days=10,
            )
            for name, steps in STEPS.items()
        ),
        evaluation=EvaluationPlan(years=years, origins=origins, refits=refits),
    )


def panel(weeks: int = 260, *, seed: int = 0, until: int | None = None, warm_up: int = 60) -> Panel:
    """Random walks; ``until`` cuts the record after that many weeks, leaving the rest the same."""
    cut = weeks if until is None else until
    parts = [_commodity(c, name, weeks, cut, warm_up, seed) for c, name in enumerate(STEPS)]
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    spec = PanelSpec("f-1", ("a", "b"), ("own",), tuple(STEPS), ("1w", "1m"), tuple(STEPS.values()))
    return Panel.from_numpy(spec, **arrays, pos_DC=_positions(arrays))


def rows(of: Panel) -> pl.DataFrame:
    """The columns of feature rows that a plan needs; the price is the row's number."""
    names = np.array(of.spec.commodities)[of.commodity_R.numpy()]
    return pl.DataFrame(
        {
            "commodity": names.tolist(),
            "session": pl.Series(of.session_R.numpy()).cast(pl.Date),
            "price": np.arange(of.rows, dtype=np.float64) + 1.0,
        }
    )


def targets(of: Panel) -> pl.DataFrame:
    """``features.target`` rows of the panel's known targets."""
    known = np.argwhere(of.target_mask_RH.numpy())
    commodity, session = of.commodity_R.numpy(), of.session_R.numpy()
    steps = np.array(of.spec.steps)
    return pl.DataFrame(
        {
            "commodity": [of.spec.commodities[commodity[r]] for r, _ in known],
            "session": pl.Series(session[known[:, 0]]).cast(pl.Date),
            "horizon": steps[commodity[known[:, 0]], known[:, 1]].astype(np.int64),
            "version": np.ones(len(known), dtype=np.int64),
            "value": of.target_RH.numpy()[known[:, 0], known[:, 1]].astype(np.float64),
            "price": np.full(len(known), 100.0),
            "available_at": pl.Series(
                of.target_available_RH.numpy()[known[:, 0], known[:, 1]]
            ).cast(UTC_MICROSECONDS),
        }
    )


def _commodity(c, name, weeks, cut, warm_up, seed):
    rng = np.random.default_rng([seed, c])
    session = (FIRST_DAY + 7 * np.arange(weeks)[:, None] + np.array(DAYS[name])).ravel()
    count = len(session)
    log_price = np.cumsum(0.01 * rng.standard_normal(count))
    values = rng.standard_normal((count, 2)).astype(np.float32)
    decision = (session.astype(np.int64) + 1) * DAY_US
    last = decision[session < FIRST_DAY + 7 * cut].max()
    target, available = np.zeros((count, 2), np.float32), np.full((count, 2), NEVER)
    for h, steps in enumerate(STEPS[name]):
        target[:-steps, h] = log_price[steps:] - log_price[:-steps]
        available[:-steps, h] = decision[steps:]
    known = available <= last
    part = {
        "commodity_R": np.full(count, c),
        "session_R": session.astype(np.int32),
        "decision_at_R": decision,
        "values_RF": values,
        "mask_RF": np.ones((count, 2), bool),
        "age_RG": np.zeros((count, 1), np.float32),
        "variance_R2": np.full((count, 2), 1e-4, np.float32),
        "price_R": 50.0 * np.exp(log_price),
        "return_R": np.diff(log_price, prepend=np.nan),
        "ready_R": np.arange(count) >= warm_up * len(DAYS[name]),
        "target_RH": np.where(known, target, 0).astype(np.float32),
        "target_mask_RH": known,
        "target_available_RH": np.where(known, available, NEVER),
    }
    return {key: array[decision <= last] for key, array in part.items()}


def _positions(arrays):
    decision, commodity = arrays["decision_at_R"], arrays["commodity_R"]
    dates = np.unique(decision)
    pos = np.full((len(dates), len(STEPS)), -1, np.int32)
    pos[np.searchsorted(dates, decision), commodity] = np.arange(len(decision))
    return pos
