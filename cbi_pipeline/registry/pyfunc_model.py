"""The registered model as MLflow runs it: long panel frame in, quantiles per horizon out.

MLflow copies this one file into each model version and executes it on load, so it imports
nothing of the project but ``cbi_pipeline.forecasting``, which travels with the version and is
used where the project is not installed. See :mod:`cbi_pipeline.registry.frame` for the columns.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from cbi_pipeline.forecasting import Forecasts, Panel, PanelSpec

_NEVER = np.iinfo(np.int64).max
# As in the training panel: a commodity whose newest row is older counts as absent side by side.
_ABSENT_AFTER_US = 31 * 86_400_000_000


class CommodityForecaster(PythonModel):
    """Forecasts from the newest row of each commodity in the frame."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401  (MLflow names no public type)
        """Load the model and its calendar.

        Raises:
            ValueError: a file is not the one that was registered.
        """
        _check_files(Path(context.artifacts["panel"]).parents[1])
        if not _has_own_code():
            sys.path.append(context.artifacts["code"])
        from cbi_pipeline.forecasting import load_model, read_calibration

        meta = json.loads(Path(context.artifacts["panel"]).read_text())
        calendar = json.loads(Path(context.artifacts["calendar"]).read_text())
        self._model = load_model(Path(context.artifacts["forecaster"]))
        self._calibration = read_calibration(Path(context.artifacts["calibration"]))
        self._calendar = {
            commodity: [date.fromisoformat(session) for session in sessions]
            for commodity, sessions in calendar.items()
        }
        if self._model.fingerprint() != meta["fingerprint"]:
            raise ValueError("the model differs from the one registered; register it again")

    def predict(
        self,
        context: Any,  # noqa: ANN401
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Forecast every commodity of the frame from its newest session.

        Args:
            context: unused; artifacts are read once on load.
            model_input: the newest rows of each commodity, as many as the model's history
                counts, in any order, as ``cbi panel export`` writes them.
            params: the model has none.

        Returns:
            What is issued from these rows, calibrated as the version was when it was registered.
            One line per commodity, horizon (sessions ahead) and quantile, sorted by these:
            price, log return, probability that the return is positive, standard deviation of
            the return, origin and target session.

        Raises:
            ValueError: the frame cannot be forecast from; names the commodity and the remedy.
        """
        spec = self._model.spec
        frame = read_frame(model_input, spec)
        _check(frame, self._model.history)
        panel = panel_of(frame, spec)
        origins = np.flatnonzero(~frame["commodity"].duplicated(keep="last").to_numpy())
        _check_origins(frame, panel, origins)
        names = frame["commodity"].iloc[origins].tolist()
        steps = [spec.steps[spec.commodities.index(name)] for name in names]
        plain = self._model.predict(panel, origins)
        forecasts = self._calibration.apply(plain, self._model.recipe.levels, names, steps)
        lines = [
            self._lines(frame.iloc[row], forecasts, n) for n, row in enumerate(origins.tolist())
        ]
        keys = ["commodity", "horizon", "quantile"]
        return pd.concat(lines).sort_values(keys, ignore_index=True)

    def _lines(self, origin: pd.Series[Any], forecasts: Forecasts, n: int) -> pd.DataFrame:
        spec, levels = self._model.spec, self._model.recipe.levels
        commodity, session = origin["commodity"], origin["session"]
        steps = spec.steps[spec.commodities.index(commodity)]
        targets = [self._target(commodity, session.date(), step) for step in steps]
        returns = forecasts.q_NHQ[n].reshape(-1)
        return pd.DataFrame(
            {
                "commodity": commodity,
                "horizon": np.repeat(np.asarray(steps, dtype=np.int64), len(levels)),
                "quantile": np.tile(np.asarray(levels, dtype=np.float64), len(steps)),
                "price": origin["price"] * np.exp(returns),
                "return": returns,
                "up": np.repeat(forecasts.up_NH[n], len(levels)),
                "volatility": np.repeat(forecasts.vol_NH[n], len(levels)),
                "origin_session": session,
                "target_session": np.repeat(np.asarray(targets, "datetime64[ns]"), len(levels)),
            }
        )

    def _target(self, commodity: str, origin: date, steps: int) -> date:
        sessions = self._calendar[commodity]
        target = bisect_right(sessions, origin) + steps - 1
        if origin < sessions[0] or target >= len(sessions):
            raise ValueError(
                f"{commodity}: the version's calendar runs from {sessions[0]} to {sessions[-1]}, "
                f"too short for {steps} sessions after {origin}; load the newest version"
            )
        return sessions[target]


def read_frame(given: pd.DataFrame, spec: PanelSpec) -> pd.DataFrame:
    """The given rows in the order of the panel, with days and instants (UTC) in place of text.

    Raises:
        ValueError: a commodity, day, instant or number cannot be used; names it.
    """
    _check_commodities(given, spec.commodities)
    frame = given.reset_index(drop=True)
    instants = _parse_instants(frame, "decision_at", "an ISO instant such as 2020-02-10T04:00:00Z")
    days = _parse_instants(frame, "session", "an ISO day such as 2020-02-10")
    _refuse(
        frame, days != days.dt.normalize(), "session", "a day without a time such as 2020-02-10"
    )
    _check_numbers(frame, spec)
    frame = frame.assign(session=days, decision_at=instants)
    order = {commodity: index for index, commodity in enumerate(spec.commodities)}
    frame["_place"] = frame["commodity"].map(order)
    return frame.sort_values(["_place", "session"], ignore_index=True)


def _check_files(folder: Path) -> None:
    listing = folder / "SHA256SUMS"
    if not listing.is_file():  # MLflow loads a model once while it is still being built
        return
    for line in listing.read_text().splitlines():
        digest, name = line.split("  ", maxsplit=1)
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise ValueError(
                f"{path} is missing or is not the file that was registered; "
                "restore it, or register the model again"
            )


def panel_of(frame: pd.DataFrame, spec: PanelSpec) -> Panel:
    """The panel of an ordered frame; targets are unknown.

    A feature is absent where it is NaN, an age is 0 where it is NaN, and a row is ready where
    both variances are known and positive.
    """
    from cbi_pipeline.forecasting import Panel

    values = frame[list(spec.features)].to_numpy(np.float32)
    ages = frame[[f"age_{group}" for group in spec.groups]].to_numpy(np.float32)
    variance = frame[["variance_ewma", "variance_long"]].to_numpy(np.float64)
    is_finite = np.isfinite(variance)
    targets = (len(frame), len(spec.horizons))
    order = {commodity: index for index, commodity in enumerate(spec.commodities)}
    decision = frame["decision_at"].to_numpy("datetime64[us]").astype(np.int64)
    commodity = frame["commodity"].map(order).to_numpy(np.int64)
    session = frame["session"].to_numpy("datetime64[D]").astype(np.int32)
    return Panel.from_numpy(
        spec,
        commodity_R=commodity,
        session_R=session,
        decision_at_R=decision,
        values_RF=np.nan_to_num(values, nan=0.0),
        mask_RF=~np.isnan(values),
        age_RG=np.nan_to_num(ages, nan=0.0),
        price_R=frame["price"].to_numpy(np.float64),
        return_R=frame["log_return"].to_numpy(np.float64),
        rv_R=frame["realised_variance"].to_numpy(np.float64),
        variance_R2=np.where(is_finite, variance, 0.0).astype(np.float32),
        ready_R=(is_finite & (np.nan_to_num(variance).astype(np.float32) > 0)).all(axis=1),
        target_RH=np.zeros(targets, np.float32),
        target_mask_RH=np.zeros(targets, np.bool_),
        target_available_RH=np.full(targets, _NEVER, np.int64),
        pos_DC=_positions(commodity, session, decision, len(spec.commodities)),
    )


def _positions(
    commodity: np.ndarray, session: np.ndarray, decision: np.ndarray, commodities: int
) -> np.ndarray:
    """Newest row of each commodity at each distinct (decision, session), -1 when none is fresh."""
    moments, moment = np.unique(np.column_stack([decision, session]), axis=0, return_inverse=True)
    newest = np.full((len(moments), commodities), -1, np.int32)
    newest[moment.reshape(-1), commodity] = np.arange(len(commodity))
    newest = np.maximum.accumulate(newest, axis=0)
    old = moments[:, :1] - decision[newest] > _ABSENT_AFTER_US
    return np.where(old, np.int32(-1), newest)


def _has_own_code() -> bool:
    try:
        return importlib.util.find_spec("cbi_pipeline.forecasting") is not None
    except ModuleNotFoundError:
        return False


def _check_commodities(given: pd.DataFrame, commodities: tuple[str, ...]) -> None:
    unknown = sorted({str(name) for name in given["commodity"]} - set(commodities))
    if unknown:
        raise ValueError(
            f"commodities {unknown} are unknown to this model, which knows {commodities}; "
            "leave their lines out"
        )


def _parse_instants(frame: pd.DataFrame, name: str, wanted: str) -> pd.Series[Any]:
    given = frame[name]
    if not pd.api.types.is_datetime64_any_dtype(given):
        # A number would be read as nanoseconds since 1970.
        given = given.map(lambda value: value if isinstance(value, str | date) else None)
    parsed = pd.to_datetime(given, utc=True, format="ISO8601", errors="coerce")
    _refuse(frame, parsed.isna(), name, wanted)
    return parsed.dt.tz_localize(None).astype("datetime64[ns]")


def _check_numbers(frame: pd.DataFrame, spec: PanelSpec) -> None:
    for name in (*spec.features, *(f"age_{group}" for group in spec.groups)):
        with np.errstate(over="ignore"):
            numbers = frame[name].to_numpy(np.float32)
        _refuse(frame, np.isinf(numbers), name, "a finite number, or absent")


def _refuse(frame: pd.DataFrame, wrong: Any, name: str, wanted: str) -> None:  # noqa: ANN401
    if np.any(wrong):
        line = frame[np.asarray(wrong)].iloc[0]
        value = repr(line[name]) if isinstance(line[name], str) else line[name]
        raise ValueError(
            f"{line['commodity']}, session {line['session']}: {name} is {value}; "
            f"the model takes {wanted}"
        )


def _check(frame: pd.DataFrame, history: Mapping[str, int]) -> None:
    if frame.empty:
        raise ValueError("the frame has no row; give the newest rows of each commodity")
    twice = frame[frame.duplicated(["commodity", "session"])]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(f"{first['commodity']} has {first['session'].date()} twice; keep one row")
    for commodity, count in frame["commodity"].value_counts().items():
        if count < history[str(commodity)]:
            raise ValueError(
                f"{commodity} has {count} rows, the model reads {history[str(commodity)]}; "
                "give its newest rows, as `cbi panel export` writes them"
            )


def _check_origins(frame: pd.DataFrame, panel: Panel, origins: np.ndarray) -> None:
    for row in origins.tolist():
        line = frame.iloc[row]
        where = f"{line['commodity']} on {line['session'].date()}"
        if not bool(panel.ready_R[row]):
            raise ValueError(f"{where}: variance_ewma and variance_long must be known and positive")
        if not line["price"] > 0:
            raise ValueError(f"{where}: a log return needs a positive price, got {line['price']}")


set_model(CommodityForecaster())
