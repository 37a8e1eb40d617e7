"""What the tracking run of a registration says: parameters, tags, metrics, files."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cbi_pipeline.registry._package import Calendar
from cbi_pipeline.registry.provenance import Provenance
from data_contracts.evaluation import CALIBRATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from cbi_pipeline.forecasting import Calibration, EpochRecord, Model
    from cbi_pipeline.forecasting.panel import PanelSpec

# MLflow takes at most 1000 metrics and 100 parameters in one call.
_METRICS, _PARAMETERS = 1000, 100
#: What is a metric of the run for each commodity as well. All figures of all of them are thousands,
#: a megabyte of MLflow's database for every version of every night; the file of scores has them.
_OF_EACH_COMMODITY = ("crps", "coverage_80")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Everything handed in with one model to register."""

    model: Model
    calibration: Calibration
    note: str
    state: str
    as_of: datetime
    panel_frame: pl.DataFrame
    calendar: Calendar
    provenance: Provenance
    decision: Mapping[str, object] | None = None
    scores: pl.DataFrame | None = None
    curve: Sequence[EpochRecord] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def key(self) -> dict[str, str]:
        """What makes a version the same: what it says, the state of its data, and the code."""
        return {
            "fingerprint": self.model.fingerprint(),
            "calibration": self.calibration.identity(),
            "state": self.state,
            "code": self.provenance.code,
        }

    @property
    def recipe_document(self) -> dict[str, Any]:
        """The recipe as a plain tree."""
        return cast("dict[str, Any]", self.model.recipe.to_json())

    @property
    def run_name(self) -> str:
        """For people, in the MLflow pages."""
        return f"{self.model.recipe.name} {self.as_of.astimezone(UTC):%Y-%m-%d}"

    def tags(self) -> dict[str, str]:
        """Tags of the run and of the version."""
        from cbi_pipeline.forecasting import describe_device, product

        recipe = self.model.recipe
        return {
            **self.key,
            **self.provenance.tags(),
            **self._decision_tags(),
            "axes": panel_spec_id(self.model.spec),
            "as_of": self.as_of.astimezone(UTC).isoformat(),
            "device": describe_device(self.model.device),
            "product": product(),
            "feature_set": recipe.feature_set,
            "note": self.note,
            "recipe": recipe.name,
            "recipe_id": recipe.identity(),
        }

    def _decision_tags(self) -> dict[str, str]:
        if self.decision is None:
            return {}
        return {name: str(self.decision[name]) for name in ("decision_id", "verdict")}


def panel_spec_id(spec: PanelSpec) -> str:
    """Hash of the names on a panel's axes, horizons and their sessions included."""
    return spec.identity()


def log(
    client: MlflowClient, run_id: str, model_id: str, candidate: Candidate, scratch: Path
) -> None:
    """Write a candidate's parameters and metrics into its run, and its files into a folder."""
    for chunk in _chunks(_parameters(candidate), _PARAMETERS):
        client.log_batch(run_id, params=chunk)
    for chunk in _chunks(_metrics(candidate, model_id), _METRICS):
        client.log_batch(run_id, metrics=chunk)
    _write_files(candidate, scratch)


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _parameters(candidate: Candidate) -> list[Any]:
    from mlflow.entities import Param

    flat = flatten(candidate.recipe_document)
    return [Param(name, value) for name, value in flat.items()]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A nested document as dotted names and JSON values; strings stay as they are."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _metrics(candidate: Candidate, model_id: str) -> list[Metric]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    figures = [*_curve(candidate), *_scores(candidate)]
    return [Metric(name, value, now, step, model_id=model_id) for name, value, step in figures]


def _curve(candidate: Candidate) -> Iterator[tuple[str, float, int]]:
    for record in candidate.curve:
        for name in ("train_loss", "validation_loss", "rate", "gradient_norm", "skipped"):
            value = getattr(record, name)
            if value is not None:
                yield f"curve/{name}", float(value), record.epoch


def _scores(candidate: Candidate) -> Iterator[tuple[str, float, int]]:
    if candidate.scores is None:
        return
    name = candidate.model.recipe.name
    folders = {name: "score", f"{name}{CALIBRATED}": "calibrated"}
    for row in candidate.scores.iter_rows(named=True):
        is_of_all = row["commodity"] == "*"
        if row["recipe"] in folders and (is_of_all or row["metric"] in _OF_EACH_COMMODITY):
            where = f"{row['commodity']}/{row['horizon']}".replace("*", "all")
            yield f"{folders[row['recipe']]}/{row['metric']}/{where}", row["value"], 0


def _write_files(candidate: Candidate, folder: Path) -> None:
    _write_json(folder / "recipe.json", candidate.recipe_document)
    if candidate.decision is not None:
        _write_json(folder / "decision.json", dict(candidate.decision))
    if candidate.scores is not None:
        # Packed: the same figures go with every version until there is a new evaluation.
        text = candidate.scores.write_csv().encode()
        (folder / "scores.csv.gz").write_bytes(gzip.compress(text, mtime=0))
    for name, image in candidate.figures.items():
        path = folder / "figures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(image)


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1, default=_iso))


def encode_row(row: Mapping[str, object]) -> dict[str, Any]:
    """A row of a table with its dates as text."""
    return cast("dict[str, Any]", json.loads(json.dumps(row, default=_iso)))


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form agreed")
