"""Side-by-side measurements of the forecasting core, on generated data.

    python benchmarks/training.py [--quick] [--json FILE|-] [--device cuda] [--threads N]

Two ways of doing the same are timed step by step in turns within one process, and their ratio is
taken pair by pair, so that a busy machine slows both; with one CPU thread, the process's own
seconds count. A ratio is the median of its pairs with the lowest and the highest of the middle 90 %
of bootstrapped medians. Ratios above 1 favour this package.

Other libraries are measured where they are installed, which is not the project's own environment:

    python -m venv benchmarks/.venv
    benchmarks/.venv/bin/pip install -r benchmarks/training_peers.txt
    benchmarks/.venv/bin/python -m benchmarks.training_peers
"""

import argparse
import dataclasses
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from cbi_pipeline.forecasting import Network, Panel, PanelSpec, Recipe, TrainingConfig, windows
from cbi_pipeline.forecasting.networks.mlp import MlpConfig
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig
from cbi_pipeline.forecasting.networks.tcn import TcnConfig
from cbi_pipeline.forecasting.optimisers import OptimiserConfig
from cbi_pipeline.forecasting.stacked import Stack
from cbi_pipeline.forecasting.train import Run

WINDOW, BATCH, FEATURES = 64, 256, 30
Step = Callable[[int], object]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Seconds of two ways of doing the same work, pair by pair."""

    ours: list[float]
    other: list[float]
    windows: int

    def report(self) -> dict[str, float]:
        """Ratio with interval, and windows per second of both."""
        ratios = np.array(self.other) / np.array(self.ours)
        draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
        low, high = np.percentile(np.median(draws, axis=1), (5, 95))
        return {
            "ratio": round(float(np.median(ratios)), 3),
            "low": round(float(low), 3),
            "high": round(float(high), 3),
            "ours_per_second": round(self.windows / float(np.median(self.ours))),
            "other_per_second": round(self.windows / float(np.median(self.other))),
        }


def interleave(
    ours: Step, other: Step, steps: int, pairs: int, windows_per_step: int, device: torch.device
) -> Pairs:
    """Times both step by step in turns, after one untimed step of each.

    On a GPU a whole pair runs without a wait in between; only its end is waited for.
    """
    ways = (ours, other)
    for way in ways:
        way(0)
    spans = np.zeros((pairs, 2))
    for pair in range(pairs):
        if device.type == "cuda":
            for w in (0, 1) if pair % 2 else (1, 0):
                spans[pair, w] = _seconds(lambda w=w: [ways[w](i) for i in range(steps)], device)
            continue
        for i in range(steps):
            for w in (0, 1) if i % 2 else (1, 0):  # neither always goes first
                spans[pair, w] += _seconds(lambda w=w, i=i: ways[w](i), device)
    return Pairs(spans[:, 0].tolist(), spans[:, 1].tolist(), steps * windows_per_step)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    began = _clock(device)
    work()
    return _clock(device) - began


def _clock(device: torch.device) -> float:
    """The process's own seconds with one CPU thread, else wall-clock seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time() if alone else time.perf_counter()


def make_panel(commodities: int, days: int, features: int) -> Panel:
    """A panel of noise, every value present."""
    rng = np.random.default_rng(0)
    rows = commodities * days
    spec = PanelSpec(
        feature_set="noise",
        features=tuple(f"f{i}" for i in range(features)),
        groups=("g",),
        commodities=tuple(f"c{i}" for i in range(commodities)),
        horizons=("1w", "1m", "1q"),
        steps=((5, 21, 63),) * commodities,
    )
    return Panel.from_numpy(
        spec,
        commodity_R=np.repeat(np.arange(commodities), days),
        session_R=np.tile(np.arange(days, dtype=np.int32), commodities),
        decision_at_R=np.tile(np.arange(days), commodities),
        values_RF=rng.standard_normal((rows, features), dtype=np.float32),
        mask_RF=np.ones((rows, features), dtype=bool),
        age_RG=np.ones((rows, 1), dtype=np.float32),
        variance_R2=np.full((rows, 2), 1e-4, dtype=np.float32),
        ready_R=np.ones(rows, dtype=bool),
        target_RH=0.01 * rng.standard_normal((rows, 3), dtype=np.float32),
        target_mask_RH=np.ones((rows, 3), dtype=bool),
        target_available_RH=np.zeros((rows, 3), dtype=np.int64),
        pos_DC=np.arange(rows, dtype=np.int32).reshape(commodities, days).T,
    )


def full_rows(panel: Panel, window: int = WINDOW) -> torch.Tensor:
    """Every row with a full window behind it."""
    first = panel.first_row_C()[panel.commodity_R]
    return (torch.arange(panel.rows, device=panel.device) - first >= window - 1).nonzero().flatten()


class NumpyWindows(torch.utils.data.Dataset):
    """The usual per-item loader, at its best: slices of contiguous numpy arrays."""

    def __init__(self, panel: Panel, rows: torch.Tensor) -> None:
        self.x, self.mask = panel.values_RF.cpu().numpy(), panel.mask_RF.cpu().numpy()
        self.y, self.rows = panel.target_RH.cpu().numpy(), rows.cpu().numpy()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r = self.rows[i]
        return self.x[r - WINDOW + 1 : r + 1], self.mask[r - WINDOW + 1 : r + 1], self.y[r]


def measure_feed(panel: Panel, batches: int, pairs: int) -> dict[str, float]:
    """Contiguous windows, masks and targets: our gather against the numpy loader."""
    rows = full_rows(panel)
    sampler = windows.pooled_sampler(panel, WINDOW, rows)
    order = torch.randperm(len(rows), device=panel.device)[: batches * BATCH]
    dataset = torch.utils.data.Subset(NumpyWindows(panel, rows), order.tolist())
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH)

    def ours(_: int) -> None:
        for index in order.split(BATCH):
            sampler.batch(index)

    def other(_: int) -> None:
        for batch in loader:
            [part.to(panel.device) for part in batch]

    return interleave(ours, other, 1, pairs, batches * BATCH, panel.device).report()


def recipe(network: object, batch: int = BATCH, threads: int = 1) -> Recipe:
    """A recipe with an hour-long run ahead, so that the schedule plays no part."""
    training = TrainingConfig(
        batch_size=batch, max_epochs=100, threads=threads, optimiser=OptimiserConfig(rate=1e-3)
    )
    return Recipe(
        name="bench", feature_set="noise", window=WINDOW, network=network, training=training
    )


def start(config: Recipe, panel: Panel) -> tuple[Run, windows.WindowSampler]:
    """A run on all full rows."""
    rows = full_rows(panel)
    sampler = windows.pooled_sampler(panel, WINDOW, rows)
    torch.manual_seed(0)
    network = config.build(panel.spec).to(panel.device).prepare(panel, rows)
    network.train()
    return Run(config, network, sampler, sampler), sampler


def bare_step(network: Network, sampler: windows.WindowSampler, config: Recipe) -> Step:
    """The least a training step can be: one resident batch, forward, loss, backward, clip, step."""
    batch = sampler.batch(torch.arange(config.training.batch_size, device=sampler.row_NC.device))
    prior = network.prior_scale(batch.inputs)
    objective = config.training.objective.build(config.levels).to(prior.device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    count = batch.weight_BHC.sum()

    def step(i: int) -> None:
        optimiser.zero_grad()
        output = network(batch.inputs)
        objective(output, batch.target_BHC, batch.weight_BHC, prior, count).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    return step


def measure_step(
    panel: Panel, network: RecurrentConfig, steps: int, pairs: int, threads: int
) -> tuple[dict[str, float], float]:
    """The whole loop against the bare step, and the share of a step spent on the feed."""
    config = recipe(network, threads=threads)
    run, sampler = start(config, panel)
    twin = config.build(panel.spec).to(panel.device).prepare(panel, full_rows(panel)).train()
    bare = bare_step(twin, sampler, config)
    order = torch.randperm(len(sampler), device=panel.device)[: steps * BATCH].split(BATCH)

    def feeding(i: int) -> None:
        sampler.target_count(order[i])
        sampler.batch(order[i])

    def ours(i: int) -> None:
        run.take_step(order[i], 1e-3)

    loop = interleave(ours, bare, steps, pairs, BATCH, panel.device)
    data = interleave(feeding, ours, steps, pairs, BATCH, panel.device)
    share = float(np.median(np.array(data.ours) / np.array(data.other)))
    return loop.report(), round(share, 4)


def measure_stack(
    panel: Panel, network: object, members: int, steps: int, pairs: int, threads: int
) -> dict[str, float]:
    """Members trained side by side against the same steps one member after another."""
    batch = 32
    config = recipe(network, batch, threads)
    rows = full_rows(panel)
    stack = Stack(config, panel, rows, rows[:BATCH], list(range(members)))
    stack.network.train()
    runs = [start(config, panel)[0] for _ in range(members)]
    orders = [torch.randperm(len(rows), device=panel.device) for _ in range(members)]
    index = torch.stack([order[: steps * batch] for order in orders]).split(batch, dim=1)

    def other(i: int) -> None:
        for m, run in enumerate(runs):
            run.take_step(index[i][m], 1e-3)

    return interleave(
        lambda i: stack.take_step(index[i], 1e-3),
        other,
        steps,
        pairs,
        members * batch,
        panel.device,
    ).report()


def measure_memory(commodities: int, days: int, features: int) -> dict[str, float]:
    """Peak memory of a fit above the start, over the panel's own bytes, in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", f"{commodities},{days},{features}"],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def memory_child(commodities: int, days: int, features: int) -> None:
    """Prints the peak of building and using a panel as a JSON line."""
    tiny = make_panel(2, 200, 2)  # warms up what is allocated once
    _train_a_little(tiny)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    panel = make_panel(commodities, days, features)
    size = sum(tensor.nbytes for tensor in panel.tensors().values())
    _train_a_little(panel)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    found = {"panel_mib": size / 2**20, "peak_mib": peak / 2**20, "peak_over_panel": peak / size}
    print(json.dumps({key: round(value, 3) for key, value in found.items()}))


def _train_a_little(panel: Panel) -> None:
    run, sampler = start(recipe(RecurrentConfig(hidden=32)), panel)
    for _ in range(3):
        run.take_step(torch.randperm(len(sampler))[:BATCH], 1e-3)


def measure(*, quick: bool, device: torch.device, threads: int) -> dict[str, object]:
    """Every measurement; `quick` takes fewer and smaller ones."""
    pairs, steps = (5, 4) if quick else (10, 20)
    panel = make_panel(10, 2000, FEATURES).to(device)
    feed = measure_feed(panel, 20 if quick else 60, pairs)
    found: dict[str, object] = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "machine": f"{platform.machine()}, {threads} threads",
        "torch": torch.__version__,
        "feed": feed,
        "feed_vs_numpy_loader": feed["ratio"],
    }
    sizes = [(32, 1)] if quick else [(32, 1), (64, 1), (128, 1), (128, 2)]
    for hidden, layers in sizes:
        network = RecurrentConfig(cell="lstm", hidden=hidden, layers=layers)
        loop, share = measure_step(panel, network, steps, pairs, threads)
        found[f"loop_vs_bare_step_lstm_{hidden}x{layers}"] = loop
        found.setdefault("data_share_of_step", share)
    members = 4 if quick else 16
    stacked = {
        "mlp_16x2": MlpConfig(hidden=16, layers=2),
        "mlp_32x2": MlpConfig(hidden=32, layers=2),
        "tcn_8x2": TcnConfig(hidden=8, blocks=2, dropout=0.0),
        "tcn_8x3": TcnConfig(hidden=8, blocks=3, dropout=0.0),
    }
    for name, small in stacked.items():
        result = measure_stack(panel, small, members, steps, pairs, threads)
        found[f"stacked_{members}_{name}"] = result
    if device.type == "cpu":
        found["memory"] = measure_memory(*((50, 4000, 200) if quick else (100, 5000, 200)))
    return found


def tell(found: dict[str, object], target: str | None) -> None:
    """Prints the figures, as one JSON line where `target` is "-", and writes them to that file."""
    if target == "-":
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40} {value}")
    if target:
        Path(target).write_text(json.dumps(found) + "\n")


def main() -> None:
    """Reads the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller measurements")
    parser.add_argument("--json", metavar="FILE", help="where to write one JSON line; - to print")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", metavar="C,D,F", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory:
        memory_child(*(int(x) for x in arguments.memory.split(",")))
        return
    device = torch.device(arguments.device)
    found = measure(quick=arguments.quick, device=device, threads=arguments.threads)
    tell(found, arguments.json)


if __name__ == "__main__":
    main()
