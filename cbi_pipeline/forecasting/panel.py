"""The panel: every commodity's rows on its own sessions, as torch tensors."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from cbi_pipeline.forecasting.config import Config, list_changed
from cbi_pipeline.forecasting.declarations import Count, Items, Label

NEVER = np.iinfo(np.int64).max
"""`target_available_RH` where the target price is not public yet."""

_DTYPES: dict[str, tuple[np.dtype, str]] = {
    "commodity_R": (np.dtype(np.int64), "R"),
    "session_R": (np.dtype(np.int32), "R"),
    "decision_at_R": (np.dtype(np.int64), "R"),
    "values_RF": (np.dtype(np.float32), "RF"),
    "mask_RF": (np.dtype(np.bool_), "RF"),
    "age_RG": (np.dtype(np.float32), "RG"),
    "variance_R2": (np.dtype(np.float32), "R2"),
    "price_R": (np.dtype(np.float64), "R"),
    "return_R": (np.dtype(np.float64), "R"),
    "rv_R": (np.dtype(np.float64), "R"),
    "ready_R": (np.dtype(np.bool_), "R"),
    "target_RH": (np.dtype(np.float32), "RH"),
    "target_mask_RH": (np.dtype(np.bool_), "RH"),
    "target_available_RH": (np.dtype(np.int64), "RH"),
    "pos_DC": (np.dtype(np.int32), "DC"),
}
_MARKET = ("price_R", "return_R", "rv_R")
_CHUNK = 1 << 20

Names: TypeAlias = Annotated[tuple[Label, ...], Items(at_least=1, order="distinct")]


@dataclass(frozen=True)
class PanelSpec(Config):
    """Names of a panel's axes.

    Attributes:
        feature_set: version of the feature code that made the values.
        features: F feature names, in column order; none where prices alone are read.
        groups: G release groups whose ages are known.
        commodities: C commodity ids; `commodity_R` indexes them.
        horizons: H labels, shared by all commodities.
        steps: [C][H] number of the commodity's own sessions from origin to target.
        meanings: [C] what each commodity's values were made from, for comparison with those of
            another day; empty where nobody said.
    """

    feature_set: Label
    features: Annotated[tuple[Label, ...], Items(order="distinct")]
    groups: Annotated[tuple[Label, ...], Items(order="distinct")]
    commodities: Names
    horizons: Names
    steps: Annotated[tuple[Annotated[tuple[Count, ...], Items()], ...], Items()]
    meanings: Annotated[tuple[Label, ...], Items()] = ()

    def check(self) -> None:
        """Every commodity states its sessions for every horizon."""
        shape = [len(row) for row in self.steps]
        if shape != [len(self.horizons)] * len(self.commodities):
            raise ValueError("PanelSpec.steps: give one row per commodity, one step per horizon")
        if len(self.meanings) not in (0, len(self.commodities)):
            raise ValueError("PanelSpec.meanings: give one per commodity, or none")

    def identity(self) -> str:
        """The sha256 of the names on the axes; a field left at its default adds nothing."""
        parts = (f"{name}={getattr(self, name)!r}" for name in list_changed(self))
        return hashlib.sha256(f"PanelSpec({', '.join(parts)})".encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Panel:
    """Rows sorted by (commodity, session), each as known at its own decision instant.

    Attributes:
        spec: names of the axes.
        commodity_R: int64, index into `spec.commodities`, non-decreasing.
        session_R: int32, days since 1970-01-01, increasing within a commodity.
        decision_at_R: int64, microseconds UTC, the instant the row was known.
        values_RF: float32 features; 0 where absent.
        mask_RF: bool, True where a feature is present.
        age_RG: float32, days since the group's newest value became public; 0 when never.
        variance_R2: float32, one-step log-return variance: EWMA 0.97, long-run mean.
        price_R: float64, price of the session in the commodity's unit; NaN where not given.
        return_R: float64, log return into the session from the session before it, both as known
            at the row's instant; NaN unless both prices are positive, and where not given.
        rv_R: float64, realised variance of the session, in squared log return; NaN where no bars
            exist.
        ready_R: bool, False where history is too short for the variances.
        target_RH: float32, log return from origin to target; 0 where unknown.
        target_mask_RH: bool, True where the target is known.
        target_available_RH: int64, microseconds UTC when the target became public, else NEVER.
        pos_DC: int32, row of each commodity at each decision date; -1 for none.
    """

    spec: PanelSpec
    commodity_R: Tensor
    session_R: Tensor
    decision_at_R: Tensor
    values_RF: Tensor
    mask_RF: Tensor
    age_RG: Tensor
    variance_R2: Tensor
    price_R: Tensor
    return_R: Tensor
    rv_R: Tensor
    ready_R: Tensor
    target_RH: Tensor
    target_mask_RH: Tensor
    target_available_RH: Tensor
    pos_DC: Tensor

    @classmethod
    def from_numpy(cls, spec: PanelSpec, **arrays: ArrayLike) -> Self:
        """Checks the arrays and wraps them without a copy where dtype and layout allow.

        ``price_R``, ``return_R`` and ``rv_R`` may be left out, as what serves a version registered
        earlier does; they are NaN then.

        Raises:
            ValueError: an array is missing, misshapen, of the wrong type, or breaks a rule; the
                message names the tensor and the remedy.
        """
        absent = {name: _nowhere(arrays) for name in _MARKET if name not in arrays}
        arrays = {**arrays, **absent}
        if set(arrays) != set(_DTYPES):
            missing, extra = set(_DTYPES) - set(arrays), set(arrays) - set(_DTYPES)
            raise ValueError(f"Panel: missing {sorted(missing)}, unknown {sorted(extra)}")
        checked = {
            name: _check_array(name, arrays[name], dtype) for name, (dtype, _) in _DTYPES.items()
        }
        _check_shapes(spec, checked)
        _check_content(spec, checked)
        return cls(spec=spec, **{name: torch.from_numpy(a) for name, a in checked.items()})

    @property
    def rows(self) -> int:
        """R, the number of rows."""
        return self.commodity_R.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.values_RF.device

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, in a fixed order."""
        return {name: getattr(self, name) for name in _DTYPES}

    def to(self, device: torch.device | str) -> Self:
        """The same panel on `device`; itself when it is there already.

        Prices, returns and realised variances stay where they are: no network reads them, and not
        every device has numbers of their precision.
        """
        if self.device == torch.device(device):
            return self
        moved = {
            name: tensor if name in _MARKET else tensor.to(device)
            for name, tensor in self.tensors().items()
        }
        return type(self)(spec=self.spec, **moved)

    def until(self, instant_us: int) -> Self:
        """The rows decided by an instant (microseconds UTC), with the targets public by then."""
        kept = self.decision_at_R <= instant_us
        is_public = self.target_mask_RH & (self.target_available_RH <= instant_us)
        moved = torch.where(kept, kept.cumsum(0) - 1, -1).to(self.pos_DC.dtype)
        pos = torch.where(self.pos_DC >= 0, moved[self.pos_DC.clamp(min=0).long()], -1)
        tensors = self.tensors() | {
            "target_RH": torch.where(is_public, self.target_RH, 0.0),
            "target_mask_RH": is_public,
            "target_available_RH": torch.where(is_public, self.target_available_RH, NEVER),
        }
        rows = {name: x[kept.to(x.device)] for name, x in tensors.items() if name != "pos_DC"}
        return type(self)(spec=self.spec, **rows, pos_DC=pos)

    def identity(self) -> str:
        """The sha256 of the spec and of every tensor's bytes."""
        digest = hashlib.sha256(self.spec.identity().encode())
        for name, tensor in self.tensors().items():
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def first_row_C(self) -> Tensor:
        """int64 [C], each commodity's first row; R for one without rows."""
        ids = torch.arange(len(self.spec.commodities), device=self.device)
        return torch.searchsorted(self.commodity_R, ids)


def _nowhere(arrays: Mapping[str, ArrayLike]) -> np.ndarray:
    return np.full(np.shape(arrays.get("session_R", ())), np.nan)


def _check_array(name: str, value: ArrayLike, dtype: np.dtype) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype != dtype:
        raise ValueError(f"{name}: dtype is {array.dtype}; convert it with .astype('{dtype}')")
    array = np.ascontiguousarray(array)
    return array if array.flags.writeable else array.copy()


def _check_shapes(spec: PanelSpec, arrays: dict[str, np.ndarray]) -> None:
    size = {
        "R": arrays["commodity_R"].shape[0] if arrays["commodity_R"].ndim else 0,
        "F": len(spec.features),
        "G": len(spec.groups),
        "H": len(spec.horizons),
        "C": len(spec.commodities),
        "D": arrays["pos_DC"].shape[0] if arrays["pos_DC"].ndim else 0,
        "2": 2,
    }
    for name, (_, axes) in _DTYPES.items():
        expected = tuple(size[axis] for axis in axes)
        if arrays[name].shape != expected:
            raise ValueError(
                f"{name}: shape is {arrays[name].shape}, the spec asks for {expected} ({axes}); "
                "align the array with the spec"
            )
    if size["R"] < 2:
        raise ValueError(f"commodity_R: {size['R']} rows; a panel needs at least two")


def _check_content(spec: PanelSpec, arrays: dict[str, np.ndarray]) -> None:
    _check_order(spec, arrays)
    _check_positions(arrays)
    for name in ("values_RF", "age_RG", "variance_R2", "target_RH"):
        _check_finite(name, arrays[name])
    for name in _MARKET:
        if np.isinf(arrays[name]).any():
            raise ValueError(f"{name}: infinite values; set absent entries to NaN")
    if (arrays["rv_R"] < 0).any():
        raise ValueError("rv_R: negative; a realised variance is a sum of squares")
    if (arrays["age_RG"] < 0).any():
        raise ValueError("age_RG: negative ages; a value cannot be used before it is public")
    flat = (arrays["variance_R2"] <= 0).any(axis=1) & arrays["ready_R"]
    if flat.any():
        raise ValueError(
            f"variance_R2: zero or negative variance at ready row {int(flat.argmax())}; "
            "set ready_R to False until the price has moved"
        )
    public = arrays["target_mask_RH"] & (arrays["target_available_RH"] == NEVER)
    if public.any():
        raise ValueError("target_available_RH: known targets need the instant they became public")


def _check_order(spec: PanelSpec, arrays: dict[str, np.ndarray]) -> None:
    commodity, session = arrays["commodity_R"], arrays["session_R"].astype(np.int64)
    if commodity.min() < 0 or commodity.max() >= len(spec.commodities):
        raise ValueError("commodity_R: an index lies outside spec.commodities")
    step = np.diff(commodity)
    if (step < 0).any() or ((step == 0) & (np.diff(session) <= 0)).any():
        raise ValueError("session_R: rows must be unique and sorted by (commodity, session)")
    if ((step == 0) & (np.diff(arrays["decision_at_R"]) < 0)).any():
        raise ValueError("decision_at_R: must not decrease within a commodity")


def _check_positions(arrays: dict[str, np.ndarray]) -> None:
    pos, commodity = arrays["pos_DC"], arrays["commodity_R"]
    if pos.size and (pos.min() < -1 or pos.max() >= commodity.shape[0]):
        raise ValueError("pos_DC: an entry is neither -1 nor a row index")
    _, column = np.nonzero(pos >= 0)
    if (commodity[pos[pos >= 0]] != column).any():
        raise ValueError("pos_DC: an entry points to a row of another commodity")


def _check_finite(name: str, array: np.ndarray) -> None:
    flat = array.reshape(-1)
    for start in range(0, flat.size, _CHUNK):  # in pieces, so that a large panel is not doubled
        if not np.isfinite(flat[start : start + _CHUNK]).all():
            raise ValueError(
                f"{name}: NaN or infinite values; set absent entries to 0 and their mask to False"
            )
