"""Which precision and compilation train fastest on a device: measured, then put in the recipe.

The choice changes the last bits of a model, so it belongs to the recipe and is never made anew at
run time.
"""

import time
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch

from cbi_pipeline.forecasting import devices, windows
from cbi_pipeline.forecasting.anchor import Anchor, lay_beside
from cbi_pipeline.forecasting.panel import Panel
from cbi_pipeline.forecasting.recipe import Recipe
from cbi_pipeline.forecasting.train import Rows, Run

Precision = Literal["float32", "bfloat16"]
Compile = Literal["off", "default", "reduce-overhead"]


@dataclass(frozen=True)
class Execution:
    """One way to run a recipe's training steps, and how fast it was."""

    precision: Precision
    compile: Compile
    windows_per_second: float

    def apply(self, recipe: Recipe) -> Recipe:
        """The recipe, run this way."""
        return recipe.with_training(precision=self.precision, compile=self.compile)


def measure(
    recipe: Recipe,
    panel: Panel,
    train_rows_N: Rows,
    *,
    anchor: Anchor | None = None,
    device: str | torch.device | None = None,
    precisions: tuple[Precision, ...] = ("float32", "bfloat16"),
    compiles: tuple[Compile, ...] = ("off", "default", "reduce-overhead"),
    steps: int = 20,
) -> list[Execution]:
    """Times `steps` training steps of every combination, fastest first. Compiling takes minutes.

    The other arguments are those of `fit`.

    Raises:
        ValueError: fewer than one step.
    """
    if steps < 1:
        raise ValueError("measure: time at least one step")
    chosen = devices.choose_device(device)
    rows_N = torch.as_tensor(train_rows_N, dtype=torch.int64, device=chosen)
    panel = panel.to(chosen)
    beside, (rows_N,) = lay_beside(anchor, panel, rows_N)
    sampler = windows.make_sampler(panel, recipe.window, rows_N, recipe.mode, beside)
    timed = []
    for precision, compiled in product(precisions, compiles):
        config = recipe.with_training(precision=precision, compile=compiled)
        speed = _windows_per_second(config, sampler, rows_N, steps)
        timed.append(Execution(precision, compiled, speed))
    return sorted(timed, key=lambda execution: -execution.windows_per_second)


def _windows_per_second(
    recipe: Recipe, sampler: windows.WindowSampler, rows_N: torch.Tensor, steps: int
) -> float:
    threads = devices.cpu_threads(recipe.training.threads)
    with threads, devices.reproducible(recipe.training.seed, rows_N.device):
        network = recipe.build(sampler.panel.spec).to(rows_N.device).prepare(sampler.panel, rows_N)
        run = Run(recipe, network, sampler, sampler)
        network.train()
        index_B = torch.arange(min(recipe.training.batch_size, len(sampler)), device=rows_N.device)
        for _ in range(3):  # compiles, captures graphs, warms caches
            run.take_step(index_B, recipe.training.optimiser.rate)
        devices.wait(rows_N.device)
        began = time.perf_counter()
        for _ in range(steps):
            run.take_step(index_B, recipe.training.optimiser.rate)
        devices.wait(rows_N.device)
        return steps * len(index_B) / (time.perf_counter() - began)
