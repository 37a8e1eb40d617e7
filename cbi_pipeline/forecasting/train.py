"""The training loop, top to bottom.

Nothing inside a step waits for the device: sums, norms and broken-step counts stay there and are
read once per epoch, where the text says "host sync". Suffixes: B batch, N samples, C commodities,
H horizons.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cbi_pipeline.forecasting import devices, windows
from cbi_pipeline.forecasting.anchor import Anchor, lay_beside
from cbi_pipeline.forecasting.augment import Augmented
from cbi_pipeline.forecasting.averaging import Average
from cbi_pipeline.forecasting.checkpoint import Checkpoints, Keep, run_identity
from cbi_pipeline.forecasting.clipping import clip
from cbi_pipeline.forecasting.config import decode
from cbi_pipeline.forecasting.forecaster import Forecaster, check_anchor
from cbi_pipeline.forecasting.networks.network import Network
from cbi_pipeline.forecasting.networks.output import Output
from cbi_pipeline.forecasting.optimisers import step_unless
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import Recipe
from cbi_pipeline.forecasting.records import EpochRecord, FitResult
from cbi_pipeline.forecasting.stopping import EarlyStopping, TrainingFailed

Rows = NDArray[np.int64] | Tensor


def fit(
    recipe: Recipe,
    panel: Panel,
    train_rows_N: Rows,
    validation_rows_M: Rows,
    *,
    anchor: Anchor | None = None,
    device: str | torch.device | None = None,
    checkpoint_dir: Path | None = None,
    keep: Keep | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> FitResult:
    """Trains a recipe and returns the weights that were best on the validation rows.

    With `checkpoint_dir`, an interrupted run of the same recipe, data and rows continues there
    and ends with the same bits as an uninterrupted one; `keep` says which epochs stay on disk.
    A recipe with an anchor takes it fitted; rows that it cannot forecast train nothing.

    Raises:
        ValueError: the rows, the panel or the anchor do not suit the recipe, or the checkpoint is
            damaged.
        TrainingFailed: losses or too many gradients were not finite.
    """
    check_anchor(recipe, anchor)
    chosen = devices.choose_device(device)
    panel = panel.to(chosen)
    train_N = torch.as_tensor(train_rows_N, dtype=torch.int64, device=chosen)
    validation_M = torch.as_tensor(validation_rows_M, dtype=torch.int64, device=chosen)
    beside, (train_N, validation_M) = lay_beside(anchor, panel, train_N, validation_M)
    threads = devices.cpu_threads(recipe.training.threads)
    with threads, devices.reproducible(recipe.training.seed, chosen):
        train = windows.make_sampler(panel, recipe.window, train_N, recipe.mode, beside)
        network = recipe.build(panel.spec).to(chosen).prepare(panel, train_N)
        if recipe.training.max_epochs == 0:
            idle = Forecaster(recipe, panel.spec, network.eval(), anchor=anchor)
            return FitResult(idle, (), "untrained")
        validation = windows.make_sampler(panel, recipe.window, validation_M, recipe.mode, beside)
        run = Run(recipe, network, train, validation, anchor)
        checkpoints = None
        if checkpoint_dir is not None:
            identity = run_identity(recipe, panel, train_N, validation_M, anchor)
            checkpoints = Checkpoints(
                checkpoint_dir,
                identity,
                recipe,
                panel.spec,
                keep or Keep(),
                devices.describe_device(chosen),
                anchor,
            )
            if (state := checkpoints.last()) is not None:
                run.restore(state)
        while not run.stopped:
            record = run.next_epoch()
            if checkpoints is not None:
                checkpoints.save(record, run.state())
            if on_epoch is not None:
                on_epoch(record)
    return FitResult(run.forecaster(), tuple(run.curve), run.stopped)


def build_untrained(
    recipe: Recipe, panel: Panel, rows_N: Rows, *, anchor: Anchor | None = None
) -> Forecaster:
    """The recipe's network before its first step, its scaler fitted on the rows.

    An anchored network is then its anchor, or the prior itself.
    """
    idle = recipe.with_training(max_epochs=0)
    return fit(idle, panel, rows_N, rows_N, anchor=anchor, device=panel.device).forecaster


class Run:
    """The state of one training run, and the loop's body."""

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        train: windows.WindowSampler,
        validation: windows.WindowSampler,
        anchor: Anchor | None = None,
    ) -> None:
        self.recipe, self.training, self.network = recipe, recipe.training, network
        self.anchor = anchor
        self.train, self.validation = train, validation
        self.device = train.row_NC.device
        self.objective = self.training.objective.build(recipe.levels).to(self.device)
        self.optimiser = self.training.optimiser.build([network, self.objective])
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.unclipped = frozenset(id(p) for p in network.heads.parameters())
        self.generator = torch.Generator(self.device).manual_seed(self.training.seed)
        self.source: windows.WindowSampler | Augmented = train
        if self.training.augment is not None:
            spread = network.scaler.inverse_F
            self.source = Augmented(self.training.augment, train, spread, self.generator)
        average = self.training.averaging
        self.average = Average(average, network) if average is not None else None
        self.scored = network if self.average is None else self.average.network
        self.total_steps = -(-len(train) // self.training.batch_size) * self.training.max_epochs
        low = self.training.precision == "bfloat16"
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=low)
        self.forward: Callable[[windows.Inputs], Output] = network
        if self.training.compile != "off":
            # The compiler would else choose between kernels by how long each took today.
            graphs = self.training.compile == "reduce-overhead"
            self.forward = torch.compile(
                network, options={"deterministic": True, "triton.cudagraphs": graphs}
            )
        self.stopping = EarlyStopping(self.training.patience, self.training.minimum_gain)
        self.steps_per_epoch = -(-len(train) // self.training.batch_size)
        self.curve: list[EpochRecord] = []
        self.step, self.drops, self.rate, self.stopped = 0, 0, 0.0, ""
        self.best = self._copy_weights()

    def next_epoch(self) -> EpochRecord:
        """One pass over the training rows (none at epoch 0), one over the validation rows."""
        began = time.monotonic()
        epoch = len(self.curve)
        sums = self._train_epoch() if epoch else torch.zeros(4, device=self.device)
        train_loss, norm, skipped = self._read_sums(sums)
        loss, by_CH = self._validate()
        improved = self.stopping.record_epoch(loss)
        if improved:
            self.best = self._copy_weights()
        elif self.stopping.waited % self.training.schedule.every == 0:
            self.drops += 1
        record = EpochRecord(
            epoch=epoch,
            step=self.step,
            train_loss=train_loss if epoch else None,
            validation_loss=loss,
            validation_CH=by_CH,
            rate=self.rate,
            gradient_norm=norm,
            skipped=skipped,
            best=improved,
            seconds=time.monotonic() - began,
        )
        self.curve.append(record)
        if self.stopping.exhausted:
            self.stopped = "no improvement"
        elif epoch == self.training.max_epochs:
            self.stopped = "all epochs done"
        return record

    def _train_epoch(self) -> Tensor:
        """[4] on the device: sums of loss, of targets, of gradient norms, of broken steps."""
        self.network.train().shrinkage_CH.fill_(1.0)
        sums = torch.zeros(4, device=self.device)
        order_N = torch.randperm(len(self.train), generator=self.generator, device=self.device)
        for index_B in order_N.split(self.training.batch_size):
            sums += self.take_step(index_B, self._rate())
        return sums

    def take_step(self, index_B: Tensor, rate: float) -> Tensor:
        """One optimiser step on the samples `index_B`, in `accumulate` pieces, one true divisor.

        Returns the step's [4] of loss times targets, targets, gradient norm, broken.
        """
        self.rate = rate
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        count = self.train.target_count(index_B).clamp(min=1)
        loss = torch.zeros((), device=self.device)
        for piece_B in index_B.chunk(self.training.accumulate):
            batch = self.source.batch(piece_B)
            with self.autocast:
                output = self.forward(batch.inputs)
            prior_BHC = self.network.prior_scale(batch.inputs)
            part = self.objective(output, batch.target_BHC, batch.weight_BHC, prior_BHC, count)
            if batch.partner is not None:
                part = part + self.objective(output, *batch.partner, prior_BHC, count)
            part.backward()
            loss += part.detach()
        norm = clip(self.parameters, self.training.clip, self.unclipped)
        broken = ~(norm.isfinite() & loss.isfinite())
        step_unless(self.optimiser, broken.float())
        self.optimiser.zero_grad()
        if self.average is not None:
            self.average.update(self.step, self.total_steps)
        self.step += 1
        taken = torch.stack([loss * count, count.float(), norm, torch.zeros_like(norm)])
        return torch.where(broken, taken.new_tensor([0.0, 0.0, 0.0, 1.0]), taken)

    def _rate(self) -> float:
        schedule = self.training.schedule
        factor = schedule.factor(self.step, self.total_steps, self.steps_per_epoch, self.drops)
        return self.training.optimiser.rate * factor

    def _read_sums(self, sums: Tensor) -> tuple[float, float, int]:
        """Mean loss per target, mean gradient norm, broken steps. Host sync, once per epoch."""
        loss, targets, norms, broken = sums.tolist()
        if broken > self.training.skip_limit:
            raise TrainingFailed(
                f"{int(broken)} of {self.steps_per_epoch} steps had non-finite losses or "
                "gradients; lower the learning rate or look at the inputs"
            )
        taken = max(self.steps_per_epoch - broken, 1.0)
        return loss / max(targets, 1.0), norms / taken, int(broken)

    def _validate(self) -> tuple[float, tuple[tuple[float | None, ...], ...]]:
        """Mean loss per target, overall and by cell, each cell at its best share.

        Host sync, once per epoch.
        """
        shares = torch.tensor(self.training.shrinkage, device=self.device)
        losses_SCH, counts_CH = self._losses(shares)
        best_CH = losses_SCH.argmin(dim=0)  # the smallest share among equals
        self.scored.shrinkage_CH.copy_(shares[best_CH])
        lowest_CH, counts_CH = losses_SCH.amin(dim=0).cpu(), counts_CH.cpu()
        if not counts_CH.sum() > 0:
            raise ValueError("validation_rows_M: no known target to validate on; give later rows")
        by_CH = [
            tuple(x / n if n else None for x, n in zip(*line, strict=True))
            for line in zip(lowest_CH.tolist(), counts_CH.tolist(), strict=True)
        ]
        return float(lowest_CH.sum() / counts_CH.sum()), tuple(by_CH)

    def _losses(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of validation losses [S, C, H] at each share, and of targets [C, H]."""
        network = self.scored.eval()
        cells = network.steps_CH.shape
        sums = torch.zeros(len(shares) + 1, *cells, dtype=torch.float64, device=self.device)
        every_N = torch.arange(len(self.validation), device=self.device)
        with torch.no_grad():
            for index_B in every_N.split(self.training.batch_size):
                batch = self.validation.batch(index_B)
                target, weight = batch.target_BHC, batch.weight_BHC
                prior, raw = network.prior_scale(batch.inputs), network.raw(batch.inputs)
                outputs = [network.adjust(raw, batch.inputs, s.expand(cells)) for s in shares]
                lines = [self.objective.score(o, target, weight, prior) for o in outputs]
                commodity = batch.inputs.commodity_BC.flatten()
                for total_CH, x_BHC in zip(sums, [*lines, weight], strict=True):
                    total_CH.index_add_(0, commodity, x_BHC.double().transpose(1, 2).flatten(0, 1))
        return sums[:-1], sums[-1]

    def _copy_weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.scored.state_dict().items()}

    def forecaster(self) -> Forecaster:
        """The best weights so far, as a forecaster."""
        self.network.load_state_dict(self.best)
        spec, network = self.train.panel.spec, self.network.eval()
        return Forecaster(self.recipe, spec, network, anchor=self.anchor)

    def state(self) -> dict[str, object]:
        """All that a later process needs to go on as if nothing had happened."""
        return {
            "network": self.network.state_dict(),
            "scored": self.scored.state_dict(),
            "best": self.best,
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "stopping": asdict(self.stopping),
            "generator": self.generator.get_state(),
            "random": devices.random_states(self.device),
            "curve": [asdict(record) for record in self.curve],
            "counters": [self.step, self.drops, self.rate, self.stopped],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.network.load_state_dict(state["network"])
        self.scored.load_state_dict(state["scored"])
        self.best = {name: value.to(self.device) for name, value in state["best"].items()}
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.stopping = EarlyStopping(**state["stopping"])
        self.generator.set_state(state["generator"])
        devices.restore_random_states(state["random"], self.device)
        self.curve = [decode(EpochRecord, record) for record in state["curve"]]
        self.step, self.drops, self.rate, self.stopped = state["counters"]
