from collections.abc import Callable

import numpy as np
import pytest
import torch

from cbi_pipeline.forecasting import Panel, PanelSpec
from cbi_pipeline.forecasting.panel import NEVER

DAY_US = 86_400_000_000
HORIZONS = ("1w", "1m")
STEPS = {"daily": (5, 21), "weekly": (1, 4), "other": (5, 21)}


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


def arrays(
    rows: dict[str, int],
    features: int = 3,
    signal: float = 0.0,
    scale_signal: float = 0.0,
    seed: int = 0,
    missing: float = 0.1,
) -> tuple[PanelSpec, dict[str, np.ndarray]]:
    """A panel of random walks: feature 0 foretells the return, feature 1 its scale, if asked.

    Both commodities share dates; the weekly one has a row every fifth day.
    """
    rng = np.random.default_rng(seed)
    spec = PanelSpec(
        feature_set="test-1",
        features=tuple(f"f{i}" for i in range(features)),
        groups=("g0", "g1"),
        commodities=tuple(rows),
        horizons=HORIZONS,
        steps=tuple(STEPS[name] for name in rows),
    )
    parts: dict[str, list[np.ndarray]] = {}
    for c, (name, count) in enumerate(rows.items()):
        gap = 5 if name == "weekly" else 1
        session = 10_000 + gap * np.arange(count)
        sigma = 0.02 if name == "weekly" else 0.01
        values = rng.standard_normal((count, features)).astype(np.float32)
        mask = rng.random((count, features)) >= missing
        values = np.where(mask, values, 0).astype(np.float32)
        steps = np.array(STEPS[name])
        unit = sigma * np.sqrt(steps)
        noise = rng.standard_t(6, (count, 2)) / np.sqrt(1.5)
        stretch = np.exp(scale_signal * values[:, 1:2])
        target = unit * (signal * values[:, :1] + stretch * noise)
        known = np.arange(count)[:, None] + steps < count
        decision = (session.astype(np.int64) + 1) * DAY_US
        available = np.where(known, decision[:, None] + gap * steps * DAY_US, NEVER)
        part = {
            "commodity_R": np.full(count, c),
            "session_R": session.astype(np.int32),
            "decision_at_R": decision,
            "values_RF": values,
            "mask_RF": mask,
            "age_RG": rng.integers(0, 9, (count, 2)).astype(np.float32),
            "variance_R2": np.full((count, 2), sigma**2, dtype=np.float32),
            "ready_R": np.arange(count) >= 3,
            "target_RH": np.where(known, target, 0).astype(np.float32),
            "target_mask_RH": known,
            "target_available_RH": available,
        }
        for key, value in part.items():
            parts.setdefault(key, []).append(value)
    joined = {key: np.concatenate(value) for key, value in parts.items()}
    dates = np.unique(joined["decision_at_R"])
    pos = np.full((dates.size, len(rows)), -1, dtype=np.int32)
    date = np.searchsorted(dates, joined["decision_at_R"])
    pos[date, joined["commodity_R"]] = np.arange(date.size)
    return spec, {**joined, "pos_DC": pos}


@pytest.fixture(scope="session")
def make_arrays() -> Callable:
    return arrays


@pytest.fixture(scope="session")
def make_panel() -> Callable[..., Panel]:
    def make(rows: dict[str, int] | None = None, **changes) -> Panel:
        spec, content = arrays(rows or {"daily": 400, "weekly": 120}, **changes)
        return Panel.from_numpy(spec, **content)

    return make


@pytest.fixture(scope="session")
def panel(make_panel) -> Panel:
    return make_panel()


@pytest.fixture(scope="session")
def split() -> Callable[[Panel], tuple[np.ndarray, np.ndarray]]:
    """Ready rows with known targets: the first 70 % of dates, and the rest."""

    def cut(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
        usable = (panel.ready_R & panel.target_mask_RH.all(dim=1)).nonzero().flatten().numpy()
        decision = panel.decision_at_R.numpy()[usable]
        border = np.quantile(decision, 0.7)
        return usable[decision <= border], usable[decision > border]

    return cut
