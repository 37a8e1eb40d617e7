"""Checkpoints of a run: whole, flushed to disk, and only ever resumed by the same run."""

from dataclasses import dataclass
from pathlib import Path

import torch

from cbi_pipeline.forecasting import storage
from cbi_pipeline.forecasting.config import canonical, encode
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import Recipe

FORMAT = 1


def run_identity(
    recipe: Recipe, panel: Panel, train_N: torch.Tensor, validation_M: torch.Tensor
) -> str:
    """The sha256 of recipe, data, rows and torch version: what a run's bits depend on."""
    rows = [storage.sha256(r.cpu().numpy().tobytes()) for r in (train_N, validation_M)]
    parts = [FORMAT, recipe.identity(), panel.identity(), *rows, torch.__version__]
    return storage.sha256(canonical(parts).encode())


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint folder of one run.

    Attributes:
        folder: holds `last.safetensors`.
        identity: of the run; a checkpoint of another run is left unread.
    """

    folder: Path
    identity: str

    def save(self, recipe: Recipe, panel: Panel, state: dict[str, object]) -> None:
        """Replaces the last checkpoint."""
        tree = {
            "identity": self.identity,
            "recipe": encode(recipe),
            "spec": encode(panel.spec),
            "state": state,
        }
        storage.write_atomic(self.folder / "last.safetensors", storage.pack(tree))

    def last(self) -> dict[str, object] | None:
        """The state to resume from, or none when there is no checkpoint of this run."""
        path = self.folder / "last.safetensors"
        if not path.exists():
            return None
        tree = storage.unpack(path.read_bytes())
        if tree["identity"] != self.identity:
            return None
        state = tree["state"]
        assert isinstance(state, dict)
        return state
