"""Made-up records that are revised, withdrawn and late, and the scrambling of a record's future."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from cbi_pipeline.features import feature_set, series_read
from tests.features.records import CATALOGUE, as_observations

_MICROS = pl.Datetime("us", "UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2014, 1, 6, tzinfo=UTC)
WTI, RETAIL = "EIA.RWTC", "EIA.EMM_EPMMU_PTE_SMN_DPG"
MONTHLY = tuple(CATALOGUE.groups["petroleum_monthly"].values())
WEEKLY = tuple(CATALOGUE.groups["petroleum_weekly"].values())
POSITIONS, OPEN_INTEREST = "MADE_UP.POSITIONS", "MADE_UP.OPEN_INTEREST"


def world(seed: int, weeks: int = 120, revisions: int = 25) -> pl.DataFrame:
    """Observations of all series over ``weeks``: gaps, late values, corrections, withdrawals."""
    dice = np.random.default_rng(seed)
    monday = [START + timedelta(weeks=w) for w in range(weeks)]
    days = [m + timedelta(days=d) for m in monday for d in range(5)]
    months = [datetime(2012 + m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in range(weeks // 4 + 20)]
    frames = [
        _series(dice, WTI, [d for d in days if dice.random() > 0.03], (1, 4)),
        _series(dice, RETAIL, [m for m in monday if dice.random() > 0.03], (0.7, 1.2)),
        *(
            _series(dice, n, [m + timedelta(days=4) for m in monday if dice.random() > 0.1], (5, 8))
            for n in WEEKLY
        ),
        *(_series(dice, n, months, (60, 100)) for n in MONTHLY),
    ]
    first = pl.concat(frames)
    return as_observations(pl.concat([first, _revised(dice, first, revisions)]))


def positions(weeks: int = 300) -> pl.DataFrame:
    """Tuesday's positions, out on Friday or weeks late; open interest, out a day or more later."""
    dice = np.random.default_rng(0)
    monday = [START + timedelta(weeks=w) for w in range(weeks)]
    days = [m + timedelta(days=d) for m in monday for d in range(5)]
    tuesdays = [m + timedelta(days=1) for m in monday]
    frames = [
        _series(dice, POSITIONS, tuesdays, (3.85, 20)),
        _series(dice, OPEN_INTEREST, days, (1.66, 4)),
    ]
    return as_observations(pl.concat(frames))


#: What the groups of a commodity's own data read in :func:`own_world`, of WTI alone.
REPORT, STOCKS, STORAGE = "MADE_UP.REPORT", "MADE_UP.STOCKS", "MADE_UP.STORAGE"
OWN_GROUPS = {
    "positions": {"contract": REPORT},
    "own_supply": {"stocks": STOCKS},
    "gas_storage": {"storage": STORAGE},
}
OWN_CATALOGUE = CATALOGUE.model_copy(
    update={
        "commodities": tuple(
            one.model_copy(update={"groups": OWN_GROUPS if one.id == "wti" else {}})
            for one in CATALOGUE.commodities
        )
    }
)
OWN_SET = feature_set(OWN_CATALOGUE)
COLUMNS = tuple(one for one in series_read(OWN_CATALOGUE) if one.startswith(f"{REPORT}."))


def own_world(seed: int, weeks: int = 160, revisions: int = 60) -> pl.DataFrame:
    """A revised world with a report, stocks and storage beside it.

    The columns of a report come together but for one, and each is revised by itself.
    """
    dice = np.random.default_rng(seed)
    tuesdays = [START + timedelta(weeks=w, days=1) for w in range(weeks) if dice.random() > 0.05]
    lags = pl.Series([timedelta(days=float(d)) for d in dice.uniform(3, 20, len(tuesdays))])
    release = (pl.Series(tuesdays).cast(_MICROS) + lags).alias("available_at")
    frames = [
        _series(dice, name, tuesdays, (3, 20)).with_columns(*[release] * (name != COLUMNS[-1]))
        for name in COLUMNS
    ]
    fridays = [START + timedelta(weeks=w, days=4) for w in range(weeks) if dice.random() > 0.1]
    frames += [_series(dice, name, fridays, (5, 8)) for name in (STOCKS, STORAGE)]
    first = pl.concat(frames)
    own = as_observations(pl.concat([first, _revised(dice, first, revisions)]))
    return pl.concat([world(seed, weeks), own])


def _series(
    dice: np.random.Generator, name: str, periods: list[datetime], lag_days: tuple[float, float]
) -> pl.DataFrame:
    walk = 50 * np.exp(np.cumsum(dice.normal(0, 0.02, len(periods))))
    lags = dice.uniform(*lag_days, len(periods))
    return pl.DataFrame(
        {
            "series_id": name,
            "period": [p.date() for p in periods],
            "available_at": [p + timedelta(days=lag) for p, lag in zip(periods, lags, strict=True)],
            "available_basis": ["assumed" if d > 0.5 else "stamp" for d in dice.random(len(lags))],
            "value": walk,
            "status": "value",
        },
        schema_overrides={"available_at": pl.Datetime("us", "UTC")},
    )


def _revised(dice: np.random.Generator, first: pl.DataFrame, count: int) -> pl.DataFrame:
    """Later versions of some periods: a third of them withdrawals."""
    if count == 0:
        return first.clear()
    picked = first[dice.choice(len(first), count)]
    delays = [timedelta(days=float(d)) for d in dice.exponential(40, count)]
    gone = dice.random(count) < 1 / 3
    return picked.with_columns(
        available_at=pl.col("available_at") + pl.Series(delays),
        available_basis=pl.lit("first_seen"),
        value=pl.when(pl.Series(~gone)).then(
            pl.col("value") * pl.Series(dice.uniform(0.9, 1.1, count))
        ),
        status=pl.when(pl.Series(gone)).then(pl.lit("withdrawn")).otherwise(pl.lit("value")),
    )


def scramble(
    observed: pl.DataFrame, after: datetime, seed: int, series: tuple[str, ...] = ()
) -> pl.DataFrame:
    """The record with everything that became public after ``after`` replaced by something else.

    Values change, some vanish, some turn into withdrawals, releases come later or in another
    order, periods known by then are corrected, and holes of the past are filled. What was public by
    then stays. ``series`` limits the damage.
    """
    dice = np.random.default_rng(seed)
    hit = pl.col("series_id").is_in(list(series)) if series else pl.lit(True)
    future = (pl.col("available_at") > after) & hit
    known, later = observed.filter(~future), observed.filter(future)
    later = later.filter(pl.Series(dice.random(len(later)) > 0.1))
    later = _dealt_anew(later, dice)
    past = known.filter(hit, pl.col("status") == "value").sample(fraction=0.3, seed=seed)
    moments = [after + timedelta(hours=float(h)) for h in dice.uniform(0.01, 900, 3)]
    past = past.with_columns(
        available_at=pl.Series(dice.choice(moments, len(past)).tolist()).cast(_MICROS)
    )
    changed = pl.concat([later, past, _filled(known.filter(hit), after, dice)])
    gone = pl.Series(dice.random(len(changed)) < 0.1)
    noise = pl.Series(np.exp(dice.normal(0, 0.3, len(changed))))
    changed = changed.with_columns(
        status=pl.when(gone).then(pl.lit("withdrawn")).otherwise("status"),
        value=pl.when(~gone).then(pl.col("value") * noise),
    )
    return as_observations(pl.concat([known, changed]))


def _dealt_anew(later: pl.DataFrame, dice: np.random.Generator) -> pl.DataFrame:
    """Every series late by some days of its own, and a few releases swapped."""
    if later.is_empty():
        return later
    delay = {name: float(dice.uniform(0, 40)) for name in later["series_id"].unique().sort()}
    days = pl.col("series_id").replace_strict(delay, return_dtype=pl.Float64)
    shifted = later.with_columns(
        available_at=pl.col("available_at")
        + pl.duration(microseconds=(days * 86.4e9).cast(pl.Int64))
    )
    swapped = pl.Series(dice.random(len(later)) < 10 / max(len(later), 1))
    other = pl.col("available_at").shuffle(seed=int(dice.integers(2**31))).over("series_id")
    return shifted.with_columns(available_at=pl.when(swapped).then(other).otherwise("available_at"))


def _filled(known: pl.DataFrame, after: datetime, dice: np.random.Generator) -> pl.DataFrame:
    """Periods of the past that each series lacked until after ``after``: some inside, one before.

    A hole is a day on which the series could have had a value: a weekday of a daily series, its own
    weekday of a weekly one, the first of a month of a monthly one.
    """
    filled = [known.clear()]
    ordered = known.sort("series_id", "period")
    for (name,), own in ordered.group_by("series_id", maintain_order=True):
        first, last = own["period"].min(), own["period"].max()
        days = pl.DataFrame({"period": pl.date_range(first - timedelta(31), last, eager=True)})
        day = pl.col("period").dt
        usual = {"daily": day.weekday() < 6, "monthly": day.day() == 1}.get(
            _frequency(name), day.weekday() == first.isoweekday()
        )
        holes = days.filter(usual).join(own, on="period", how="anti")["period"]
        inside = holes.filter(holes > first)
        chosen = [*holes.filter(holes < first).tail(1), *inside.sample(min(3, len(inside)), seed=1)]
        late = own.sample(len(chosen), seed=2, with_replacement=True).with_columns(
            period=pl.Series(chosen, dtype=pl.Date),
            status=pl.lit("value"),
            value=pl.lit(float(own["value"].drop_nulls().median() or 1.0)),
            available_at=pl.Series(
                [after + timedelta(hours=float(h)) for h in dice.uniform(0.01, 900, len(chosen))],
                dtype=_MICROS,
            ),
        )
        filled.append(late)
    return pl.concat(filled)


def _frequency(series: str) -> str:
    if series in MONTHLY:
        return "monthly"
    return "daily" if series in (WTI, OPEN_INTEREST) else "weekly"
