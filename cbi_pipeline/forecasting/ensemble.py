"""Several forecasters as one: weighted mean, spread of opinion, every member's forecast kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from cbi_pipeline.forecasting import storage
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.models.model import Floats, Forecasts
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.version import describe_writer, writer

FORMAT = 2
_FILE = "ensemble.json"


class EnsembleForecasts(NamedTuple):
    """An ensemble's forecasts in log returns; N rows, H horizons, Q levels.

    Attributes:
        q_NHQ: weighted mean of the members' quantiles, level by level: they cannot cross.
        up_NH: weighted mean of the members' probabilities.
        vol_NH: root of the mean variance plus the variance of the members' medians.
        disagreement_NH: weighted standard deviation of the members' medians.
        members: each member's own forecasts.
    """

    q_NHQ: Floats
    up_NH: Floats
    vol_NH: Floats
    disagreement_NH: Floats
    members: tuple[Forecasts, ...]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Forecasters for one panel spec and one set of levels, with weights that sum to 1."""

    members: tuple[Forecaster, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.members or len(self.weights) != len(self.members):
            raise ValueError("Ensemble: give one weight per member, at least one member")
        if not (min(self.weights) >= 0 and abs(sum(self.weights) - 1.0) <= 1e-6):
            raise ValueError(f"Ensemble: weights {self.weights} must be positive and sum to 1")
        axes = {(m.recipe.levels, m.spec) for m in self.members}
        if len(axes) != 1:
            raise ValueError("Ensemble: members differ in quantile levels or in panel spec")

    @classmethod
    def equal(cls, members: Sequence[Forecaster]) -> Self:
        """All members with the same weight."""
        return cls(tuple(members), (1.0 / max(len(members), 1),) * len(members))

    def predict(self, panel: Panel, rows_N: NDArray[np.int64] | torch.Tensor) -> EnsembleForecasts:
        """Forecasts of all members, and their mean.

        Raises:
            ValueError: as `Forecaster.predict`.
        """
        each = tuple(member.predict(panel, rows_N) for member in self.members)
        levels = self.members[0].recipe.levels
        middle = min(range(len(levels)), key=lambda i: abs(levels[i] - 0.5))
        medians = np.stack([f.q_NHQ[..., middle] for f in each])
        centre = self._mean(medians)
        disagreement = self._mean((medians - centre) ** 2)
        variance = self._mean(np.stack([f.vol_NH**2 for f in each]))
        return EnsembleForecasts(
            q_NHQ=self._mean(np.stack([f.q_NHQ for f in each])),
            up_NH=self._mean(np.stack([f.up_NH for f in each])),
            vol_NH=np.sqrt(variance + disagreement),
            disagreement_NH=np.sqrt(disagreement),
            members=each,
        )

    def save(self, folder: Path) -> None:
        """Every member in a folder of its own, then the weights with the members' fingerprints."""
        for i, member in enumerate(self.members):
            member.save(folder / f"member-{i:02d}")
        tree = {
            "format": FORMAT,
            "weights": list(self.weights),
            "fingerprints": [member.fingerprint() for member in self.members],
            "written_by": writer(),
        }
        storage.write_atomic(folder / _FILE, storage.seal(tree))

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu") -> Self:
        """The ensemble saved in `folder`.

        Raises:
            ValueError: it is missing, damaged, or a member was exchanged.
        """
        tree = _description(folder)
        count = len(tree["weights"])
        members = tuple(Forecaster.load(folder / f"member-{i:02d}", device) for i in range(count))
        if [member.fingerprint() for member in members] != tree["fingerprints"]:
            raise ValueError(f"{folder}: a member is not the one that was saved; save it again")
        return cls(members, tuple(tree["weights"]))

    def _mean(self, stacked: Floats) -> Floats:
        mean: Floats = np.tensordot(np.array(self.weights), stacked, axes=1)
        return mean


def _description(folder: Path) -> dict[str, Any]:
    """Weights and fingerprints of the members.

    Raises:
        ValueError: nothing is saved there, it is damaged, or a later version wrote it.
    """
    path = folder / _FILE
    try:
        tree: dict[str, Any] = storage.read_sealed(path)
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no saved ensemble: {error}") from error
    except storage.Unsealed:  # the first format had no checksum; the members prove themselves
        tree = json.loads(path.read_bytes())
        if tree.get("format") == 1:
            return tree
    if tree.get("format") != FORMAT:
        raise ValueError(
            f"{folder}: format {tree.get('format')} cannot be read here; load it with the version "
            f"that wrote it ({describe_writer(tree.get('written_by'))}) or a later one"
        )
    return tree
