"""Checkpoints of a run: whole, flushed to disk, and only ever resumed by the same run."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cbi_pipeline.forecasting import devices, storage
from cbi_pipeline.forecasting.anchor import Anchor
from cbi_pipeline.forecasting.config import Config, decode, encode, encode_canonical
from cbi_pipeline.forecasting.declarations import Natural
from cbi_pipeline.forecasting.forecaster import Forecaster
from cbi_pipeline.forecasting.panel import Panel, PanelSpec
from cbi_pipeline.forecasting.recipe import Recipe
from cbi_pipeline.forecasting.records import EpochRecord
from cbi_pipeline.forecasting.version import writer

FORMAT = 2
_LAST, _INDEX = "last.safetensors", "best.json"


@dataclass(frozen=True)
class Keep(Config):
    """Which checkpoints stay beside the last one; changes no bits of a run.

    Attributes:
        best: how many epochs with the lowest validation loss.
        every: also each epoch divisible by this; 0 for none.
    """

    best: Natural = 1
    every: Natural = 0


def run_identity(
    recipe: Recipe,
    panel: Panel,
    train_N: Tensor,
    validation_M: Tensor,
    anchor: Anchor | None = None,
) -> str:
    """The sha256 of what a run's bits depend on: recipe, data, rows, anchor, torch and device."""
    rows = [storage.sha256(r.cpu().numpy().tobytes()) for r in (train_N, validation_M)]
    device = devices.describe_device(panel.device)
    parts = [FORMAT, recipe.identity(), panel.identity(), *rows, torch.__version__, device]
    if anchor is not None:
        parts.append(anchor.fingerprint())
    return storage.sha256(encode_canonical(parts).encode())


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint folder of one run.

    Attributes:
        folder: holds `last.safetensors`, the best epochs with their index `best.json`, and
            periodic ones.
        identity: of the run; a checkpoint of another run is left unread.
        recipe: so that a checkpoint rebuilds its network from itself.
        spec: the panel's axes, for the same reason.
        keep: what stays.
        device: where the run computes, in words.
        anchor: what the network adjusts, for the same reason.
    """

    folder: Path
    identity: str
    recipe: Recipe
    spec: PanelSpec
    keep: Keep
    device: str = "cpu"
    anchor: Anchor | None = None

    def save(self, record: EpochRecord, state: Mapping[str, object]) -> None:
        """Writes what the policy keeps, and the last checkpoint after it."""
        whole = self._pack(state)
        if self.keep.every and record.epoch % self.keep.every == 0:
            storage.write_atomic(self.folder / f"epoch-{record.epoch:04d}.safetensors", whole)
        self._keep_best(record.epoch, record.validation_loss, state["scored"])
        storage.write_atomic(self.folder / _LAST, whole)

    def last(self) -> dict[str, object] | None:
        """The state to resume from, or none when there is no checkpoint of this run.

        A checkpoint without a checksum, from a version that kept none, is not resumed: a warning
        says that the run starts over.

        Raises:
            ValueError: the checkpoint is damaged; names it and says to delete it.
        """
        path = self.folder / _LAST
        try:
            tree = storage.read_tree(path) if path.exists() else {}
        except storage.Unsealed as error:
            warnings.warn(f"{error}; training starts over", stacklevel=2)
            return None
        if tree.get("identity") != self.identity:
            return None
        state = tree["state"]
        assert isinstance(state, dict)
        return state

    def best(self) -> list[tuple[float, int]]:
        """(validation loss, epoch) of the kept epochs, best first.

        Raises:
            ValueError: the index is damaged; names it and says to delete it.
        """
        path = self.folder / _INDEX
        try:
            index: Any = storage.read_sealed(path) if path.exists() else {}
        except storage.Unsealed:  # the checkpoint beside it is as old, and `last` has said so
            return []
        if index.get("identity") != self.identity:
            return []
        return [(float(loss), int(epoch)) for loss, epoch in index["epochs"]]

    def _keep_best(self, epoch: int, loss: float, weights: object) -> None:
        """Loss and index are checked and written first, so a NaN can evict nothing."""
        if not math.isfinite(loss):
            raise ValueError(f"a validation loss of {loss} cannot be ranked")
        before = [line for line in self.best() if line[1] != epoch]
        after = sorted([*before, (loss, epoch)])[: self.keep.best]
        if (loss, epoch) in after:
            storage.write_atomic(self._best_path(epoch), self._pack({"scored": weights}))
        index = {"identity": self.identity, "epochs": after}
        storage.write_atomic(self.folder / _INDEX, storage.seal(index))
        for _, gone in set(before) - set(after):
            self._best_path(gone).unlink(missing_ok=True)

    def _best_path(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch:04d}.safetensors"

    def _pack(self, state: Mapping[str, object]) -> bytes:
        head: dict[str, object] = {
            "identity": self.identity,
            "recipe": encode(self.recipe),
            "spec": encode(self.spec),
            "device": self.device,
            "written_by": writer(),
        }
        if self.anchor is not None:
            head["anchor"] = self.anchor.to_json()
        return storage.pack({**head, "state": state})


def load_checkpoint(path: Path) -> Forecaster:
    """The forecaster of any checkpoint file, rebuilt from the file alone.

    Raises:
        ValueError: the file is damaged, carries no checksum, or was written with options that
            this version lacks; names the file.
    """
    tree = storage.read_tree(path)
    try:
        recipe = Recipe.from_json(tree["recipe"], tree["written_by"])
        spec = decode(PanelSpec, tree["spec"], tree["written_by"])
        anchor = None
        if isinstance(saved := tree.get("anchor"), dict):
            anchor = Anchor.from_json(saved, str(path), tree["written_by"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    state = tree["state"]
    assert isinstance(state, dict)
    network = recipe.build(spec)
    network.load_state_dict(state["scored"])
    return Forecaster(recipe, spec, network.eval(), anchor=anchor)
