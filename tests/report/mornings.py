"""Mornings made from generated prices, for the report's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
from scipy.stats import t

from cbi_pipeline.report.forecasts import CommoditySection, EarlierForecast, HorizonForecast
from cbi_pipeline.report.morning import ModelCard, MorningReport, Part, Section
from cbi_pipeline.report.sections.data import DataDate, DataStatus, Ingestion, QuarantinedRow
from cbi_pipeline.report.sections.method import Proof
from cbi_pipeline.report.sections.model import Decision, Decisions
from cbi_pipeline.report.sections.track_record import Replay, TrackRecord
from cbi_pipeline.report.skill import Evidence, Score

LEVELS = (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95)
Z = t.ppf(LEVELS, 6) / np.sqrt(6 / 4)
HORIZONS = ("1w", "1m", "1q")
BASELINES = ("climatology", "ewma", "prior")
AS_OF = datetime(2020, 2, 12, 15, 30, tzinfo=UTC)


def walk(seed: int, count: int, step: float, start: float) -> np.ndarray:
    """A random walk of log prices with slowly changing volatility."""
    rng = np.random.default_rng(seed)
    scale = step * np.exp(0.4 * np.sin(np.arange(count) / 90))
    return start * np.exp(np.cumsum(scale * rng.standard_t(6, count) / np.sqrt(1.5)))


def business_days(end: date, count: int) -> list[date]:
    days = (end - timedelta(days=n) for n in range(2 * count))
    return sorted([day for day in days if day.weekday() < 5][:count])


def mondays(end: date, count: int) -> list[date]:
    return [end - timedelta(weeks=count - 1 - n) for n in range(count)]


def quantile_prices(prices: np.ndarray, at: int, steps: int) -> np.ndarray:
    returns = np.diff(np.log(prices[: at + 1]))
    weights = 0.97 ** np.arange(len(returns))[::-1]
    variance = 0.5 * np.average(returns**2, weights=weights) + 0.5 * np.mean(returns**2)
    return prices[at] * np.exp(np.sqrt(steps * variance) * Z)


def forecast(
    prices: np.ndarray, horizon: str, steps: int, target: date, *, passed: bool, up: float
) -> HorizonForecast:
    quantiles = quantile_prices(prices, len(prices) - 1, steps)
    return HorizonForecast(
        horizon=horizon,
        sessions=steps,
        target=target,
        quantiles=dict(zip(LEVELS, map(float, quantiles), strict=True)),
        up=up,
        passed=passed,
    )


def replay(
    sessions: Sequence[date], prices: np.ndarray, horizon: str, steps: int, spacing: int
) -> Replay:
    last = len(prices) - 1 - steps
    origins = list(range(last, max(60, last - 100 * spacing), -spacing))[::-1]
    rows = [quantile_prices(prices[: o + 1], o, steps) for o in origins]
    return Replay(
        horizon=horizon,
        origins=tuple(sessions[o] for o in origins),
        targets=tuple(sessions[o + steps] for o in origins),
        quantiles={level: tuple(float(row[n]) for row in rows) for n, level in enumerate(LEVELS)},
        actual=tuple(float(prices[o + steps]) for o in origins),
    )


def section(
    name: str,
    title: str,
    unit: str,
    sessions: Sequence[date],
    prices: np.ndarray,
    steps: Sequence[int],
    *,
    gap: float,
    passed: bool,
    note: str | None = None,
    before: bool = True,
) -> CommoditySection:
    forecasts = tuple(
        forecast(
            prices,
            horizon,
            count,
            sessions[-1] + timedelta(days=round(count * gap)),
            passed=passed,
            up=0.5 + 0.02 * n,
        )
        for n, (horizon, count) in enumerate(zip(HORIZONS, steps, strict=True))
    )
    return CommoditySection(
        id=name,
        name=title,
        unit=unit,
        horizons=HORIZONS,
        sessions=tuple(sessions),
        prices=tuple(map(float, prices)),
        forecasts=forecasts,
        origin=sessions[-1],
        price=float(prices[-1]),
        note=note,
        before=earlier(sessions, prices) if before else None,
    )


def replays(own: CommoditySection, steps: Sequence[int], spacing: int) -> tuple[Replay, ...]:
    return tuple(
        replay(own.sessions, np.array(own.prices), horizon, count, spacing)
        for horizon, count in zip(HORIZONS, steps, strict=True)
    )


def earlier(sessions: Sequence[date], prices: np.ndarray) -> EarlierForecast:
    return EarlierForecast(
        as_of=AS_OF - timedelta(days=7),
        origin=sessions[-2],
        price=float(prices[-2]),
        medians=dict.fromkeys(HORIZONS, float(prices[-2])),
        model="1",
    )


def scores(commodities: Sequence[str]) -> tuple[Score, ...]:
    rng = np.random.default_rng(5)
    found: list[Score] = []
    for commodity in commodities:
        for horizon in (*HORIZONS, "*"):
            for recipe in (*BASELINES, "anchored_gru"):
                crps = float(rng.uniform(0.01, 0.05))
                for metric, value, half in (
                    ("crps", crps, 0.004),
                    ("coverage_80", float(rng.uniform(0.74, 0.86)), 0.05),
                    ("width_80", 3 * crps, 0.01),
                    ("mae", 1.4 * crps, 0.004),
                    ("hit_rate", float(rng.uniform(0.46, 0.54)), 0.06),
                    *(
                        (f"skill_vs_{name}", float(rng.normal(0.004, 0.02)), 0.018)
                        for name in BASELINES
                        if name != recipe
                    ),
                ):
                    found.append(
                        Score(
                            recipe=recipe,
                            commodity=commodity,
                            horizon=horizon,
                            metric=metric,
                            value=value,
                            low=value - half,
                            high=value + half,
                            count=100,
                        )
                    )
    return tuple(found)


def oil(**changes: object) -> CommoditySection:
    given = {
        "sessions": business_days(date(2019, 1, 3), 900),
        "prices": walk(1, 900, 0.02, 52.0),
        "passed": True,
        "note": (
            "historical demonstration: the record of WTI crude oil, Cushing spot was closed on "
            "2019-01-03, 405 days before 2020-02-12; the forecast starts from its last price"
        ),
    }
    return section(
        "wti", "WTI crude oil, Cushing spot", "USD/bbl",
        steps=(5, 21, 63), gap=1.45, **{**given, **changes},
    )  # fmt: skip


def gasoline(**changes: object) -> CommoditySection:
    given = {
        "sessions": mondays(date(2020, 2, 10), 400),
        "prices": walk(2, 400, 0.018, 2.6),
        "passed": False,
    }
    return section(
        "gasoline_mn", "Midgrade gasoline, Minnesota retail", "USD/gal",
        steps=(1, 4, 13), gap=7, **{**given, **changes},
    )  # fmt: skip


def morning(**changes: object) -> MorningReport:
    """A full report's worth of plain data; name the fields to change."""
    wti, retail = oil(), gasoline()
    everything: dict[str, object] = {
        "as_of": AS_OF,
        "demonstration": True,
        "commodities": (wti, retail),
        "model_version": "1",
        "model": ModelCard(
            version="1",
            recipe="prior",
            recipe_id="5e" * 32,
            fingerprint="c0ffee" * 10,
            state="ab" * 32,
            trained_to=AS_OF - timedelta(days=1),
            note="prior is the first champion by the catalogue's choice; nothing was tested yet",
        ),
        "state": "9f" * 32,
        "parts": {
            "outlook": None,
            "markets": None,
            "track_record": TrackRecord(
                recipe="prior",
                replays={
                    "wti": replays(wti, (5, 21, 63), 5),
                    "gasoline_mn": replays(retail, (1, 4, 13), 1),
                },
            ),
            "skill": Evidence(
                scores=scores(("wti", "gasoline_mn")),
                in_use="prior",
                challengers=("anchored_gru",),
            ),
            "model": Decisions(gate=(NO_SKILL,)),
            "data": DATA,
            "method": Proof(
                catalogue="7a" * 32,
                evaluation_id="3d" * 32,
                issued=7878,
                newest_hash="be" * 32,
            ),
        },
    }
    return MorningReport(**{**everything, **changes})


def with_part(given: MorningReport, section: Section[Part], part: Part) -> MorningReport:
    """A report in which a section read something else."""
    return replace(given, parts={**given.parts, section.name: part})


NO_SKILL = Decision(
    verdict="no_skill",
    reason="anchored_gru saves 0.4 % of the prior's CRPS on WTI (90 % interval -1.4 to "
    "2.2) and is not shown better on gasoline; the champion stays.",
    recipe="anchored_gru",
    champion="prior",
    decided_at=AS_OF,
    who="gate",
)
DATA = DataStatus(
    quarantined={"value_is_a_number": 2, "conflicting_duplicate": 1},
    sample=(
        QuarantinedRow(
            rule="value_is_a_number",
            series="EIA.RWTC",
            column="value",
            value="n/a",
            row='{"DATE": "2008-07-03", "DCOILWTICO": "n/a"}',
            fate="open",
        ),
        QuarantinedRow(
            rule="conflicting_duplicate",
            series="EIA.WCRFPUS2",
            column="value",
            value=None,
            row='{"Week": "2013-05-17", "value": "7300"}',
            fate="open",
        ),
    ),
    dates=(
        DataDate(
            group="eia_spot_daily",
            frequency="daily",
            series=1,
            newest=date(2019, 1, 3),
            available_at=datetime(2019, 1, 10, 2, 30, tzinfo=UTC),
            basis="assumed",
            assumed=1.0,
        ),
        DataDate(
            group="eia_wpsr",
            frequency="weekly",
            series=8,
            newest=date(2020, 2, 7),
            available_at=AS_OF,
            basis="calendar",
            assumed=0.37,
        ),
    ),
    ingestions=(
        Ingestion(
            feed="archive",
            seen_at=AS_OF,
            parsed=81463,
            accepted=81460,
            added=64187,
            quarantined=3,
            duplicates=0,
            ignored=8240,
        ),
    ),
)
