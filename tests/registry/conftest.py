"""One SQLite store for all tests here: building its tables is slow, registered names are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cbi_pipeline.forecasting import EpochRecord
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.registry import RegisteredVersion, Registry, _mlflow
from tests.registry import world

_numbers = count()
_mlflow.prepare()  # before any test imports MLflow, as the product does


@dataclass(frozen=True)
class House:
    """A registry with two versions: 1 registered with everything, 2 with the least."""

    registry: Registry
    models: tuple[Forecaster, Forecaster]
    versions: tuple[RegisteredVersion, RegisteredVersion]


@pytest.fixture(scope="session")
def new_registry(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Registry]:
    folder = tmp_path_factory.mktemp("mlflow")

    def make() -> Registry:
        name = f"registry-{next(_numbers)}"
        return Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts", name)

    return make


@pytest.fixture
def registry(new_registry: Callable[[], Registry]) -> Registry:
    """A registry with nothing in it."""
    return new_registry()


@pytest.fixture(scope="session")
def house(new_registry: Callable[[], Registry]) -> House:
    registry = new_registry()
    models = world.forecaster(1), world.forecaster(2)
    first = registry.register(models[0], **world.candidate(**evidence()))
    second = registry.register(models[1], **world.candidate(state="6" * 64, note="second"))
    return House(registry, models, (first, second))


def evidence() -> dict[str, Any]:
    return {
        "calibration": world.CALIBRATION,
        "decision": world.decision("tiny", "first"),
        "scores": scores(),
        "curve": [epoch(0, None, 0.5), epoch(1, 0.4, 0.3)],
        "figures": {"curve": b"\x89PNG made for a test"},
    }


def scores() -> pl.DataFrame:
    lines = [("tiny", "wti", "1w", "crps", 0.012), ("tiny", "*", "*", "crps", 0.013)]
    lines += [("tiny", "wti", "1w", "bias", 0.02), ("tiny", "*", "*", "bias", 0.03)]
    lines.append(("prior", "wti", "1w", "crps", 0.011))
    lines.append(("tiny+conformal", "wti", "1w", "crps", 0.014))
    return pl.DataFrame(
        lines, schema=["recipe", "commodity", "horizon", "metric", "value"], orient="row"
    )


def epoch(number: int, train: float | None, validation: float) -> EpochRecord:
    return EpochRecord(
        epoch=number,
        step=number * 10,
        train_loss=train,
        validation_loss=validation,
        validation_CH=((validation,),),
        rate=1e-3,
        gradient_norm=1.0,
        skipped=0,
        best=True,
        seconds=0.1,
    )


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # MLflow's habit is to write below the current folder; each test starts in an empty one.
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
