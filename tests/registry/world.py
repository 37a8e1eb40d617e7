"""A small made-up panel with a model on it, for tests of the registry."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import torch

from cbi_pipeline.features import panel_from_frame
from cbi_pipeline.forecasting import Calibration, Panel, PanelSpec, Recipe, build_untrained
from cbi_pipeline.forecasting.calibration import Move
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.panel import NEVER
from cbi_pipeline.registry import Provenance
from data_contracts.evaluation import DECISION, VERSION
from tests.recipes import tiny

SPEC = PanelSpec(
    feature_set="core-test",
    features=("momentum", "carry", "season"),
    groups=("own", "weekly"),
    commodities=("wti", "gasoline_mn"),
    horizons=("1w", "1m"),
    steps=((5, 21), (1, 4)),
)
AS_OF = datetime(2020, 2, 12, 15, 30, tzinfo=UTC)
STATE = "5" * 64
PROVENANCE = Provenance(
    catalogue="c" * 64, contracts={"table features.origin": "1.0.0"}, code="d" * 64
)
# Of gasoline a month ahead nothing is known.
CALIBRATION = Calibration(
    {
        "wti": {5: Move(1.3, 0.25, 0.55, 40), 21: Move(0.9, -0.5, 0.45, 12)},
        "gasoline_mn": {1: Move(width=1.1, independent=3)},
    }
)


def panel_frame(rows: int = 40, seed: int = 0) -> pl.DataFrame:
    """Daily and weekly rows, some features and ages absent, prices in no round numbers."""
    return pl.concat(
        [
            _commodity("wti", timedelta(days=1), rows, np.random.default_rng(seed)),
            _commodity("gasoline_mn", timedelta(days=7), rows, np.random.default_rng(seed + 1)),
        ]
    )


def _commodity(name: str, every: timedelta, rows: int, rng: np.random.Generator) -> pl.DataFrame:
    sessions = [date(2020, 2, 10) - every * back for back in range(rows)][::-1]
    frame = pl.DataFrame(
        {
            "commodity": [name] * rows,
            "session": sessions,
            "decision_at": [
                datetime(day.year, day.month, day.day, 4, tzinfo=UTC) + timedelta(days=2)
                for day in sessions
            ],
            "price": 50 * np.exp(rng.normal(0, 0.02, rows).cumsum()),
            "log_return": rng.normal(0, 0.02, rows),
            "realised_variance": rng.uniform(1e-4, 9e-4, rows),
            "variance_ewma": rng.uniform(1e-4, 9e-4, rows),
            "variance_long": rng.uniform(1e-4, 9e-4, rows),
            **{feature: rng.normal(size=rows).astype(np.float32) for feature in SPEC.features},
            **{f"age_{group}": rng.uniform(0, 9, rows).astype(np.float32) for group in SPEC.groups},
        },
        schema_overrides={"decision_at": pl.Datetime("us", "UTC")},
    )
    gaps = pl.Series(rng.random(rows) < 0.2)
    return frame.with_columns(
        carry=pl.when(~gaps).then("carry"), age_weekly=pl.when(~gaps).then("age_weekly")
    )


def forecaster(seed: int = 1, recipe: Recipe | None = None) -> Forecaster:
    """A network whose every weight is off its start, so that each input counts."""
    panel = panel_from_frame(panel_frame(), SPEC)
    made = build_untrained(recipe or tiny(SPEC.feature_set), panel, origins(panel))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.network.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return made


def train_panel(frame: pl.DataFrame) -> Panel:
    """The panel of a frame with random outcomes, each public when its horizon has passed."""
    panel = panel_from_frame(frame, SPEC)
    ahead = 86_400_000_000 * torch.tensor(SPEC.steps)[panel.commodity_R]
    at = panel.decision_at_R[:, None] + ahead
    is_public = at <= int(panel.decision_at_R.max())
    return dataclasses.replace(
        panel,
        target_available_RH=torch.where(is_public, at, NEVER),
        target_mask_RH=is_public,
        target_RH=0.02 * torch.randn(at.shape, generator=torch.Generator().manual_seed(0)),
    )


def joint_recipe() -> Recipe:
    return dataclasses.replace(tiny(SPEC.feature_set), name="tiny_joint", mode="joint")


def origins(panel: Panel) -> np.ndarray:
    """The newest row of each commodity."""
    commodity = panel.commodity_R.numpy()
    return np.array([np.flatnonzero(commodity == c).max() for c in np.unique(commodity)])


def calendar(days: int = 400) -> dict[str, list[date]]:
    start = date(2019, 12, 2)
    every = [start + timedelta(days=offset) for offset in range(days)]
    return {"wti": [day for day in every if day.weekday() < 5], "gasoline_mn": every[::7]}


def candidate(**changes: Any) -> dict[str, Any]:
    """Keyword arguments of ``Registry.register`` besides the forecaster."""
    return {
        "note": "made for a test",
        "state": STATE,
        "as_of": AS_OF,
        "panel_frame": panel_frame(),
        "calendar": calendar(),
        "provenance": PROVENANCE,
    } | changes


def decision(
    recipe: str,
    verdict: str,
    *,
    number: int = 0,
    champion: str = "",
    version: int | None = None,
    who: str = "gate",
) -> dict[str, Any]:
    """A row of registry.decision."""
    return {
        "decision_id": f"{recipe}-{verdict}-{number}",
        "decided_at": AS_OF + timedelta(days=number),
        "evaluation_id": "e" * 64,
        "recipe": recipe,
        "champion": champion or recipe,
        "verdict": verdict,
        "reason": "made for a test",
        "statistics": "{}",
        "who": who,
        "version": version,
    }


def decisions(*rows: dict[str, Any]) -> pl.DataFrame:
    """A frame of registry.decision."""
    return pl.DataFrame(list(rows), schema=DECISION.dtypes)


def versions(*rows: dict[str, Any]) -> pl.DataFrame:
    """A frame of registry.version."""
    return pl.DataFrame(list(rows), schema=VERSION.dtypes)
