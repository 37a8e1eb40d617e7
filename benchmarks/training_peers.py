"""Feeding and training beside pytorch-forecasting and neuralforecast, on the same generated data.

    benchmarks/.venv/bin/python -m benchmarks.training_peers [--quick] [--json FILE|-]

Made with `benchmarks/training_peers.txt`; of this project only the forecasting core is imported,
which needs no more than torch, numpy and safetensors. One CPU thread, the process's own seconds, in
turns, as in `benchmarks/training.py`. Ratios above 1 favour this package.
"""

import argparse
import logging
import time
import warnings
from datetime import UTC, datetime
from importlib import metadata

import numpy as np
import pandas as pd
import torch

from benchmarks.training import (
    BATCH,
    WINDOW,
    Pairs,
    full_rows,
    interleave,
    make_panel,
    recipe,
    start,
    tell,
)
from cbi_pipeline.forecasting import DEFAULT_LEVELS, Panel, windows
from cbi_pipeline.forecasting.networks.recurrent import RecurrentConfig

WARM_UP = 3


def long_frame(panel: Panel, days: str) -> pd.DataFrame:
    """The panel as these libraries take it: one line per commodity and day."""
    frame = pd.DataFrame(panel.values_RF.numpy(), columns=list(panel.spec.features))
    frame["unique_id"] = [panel.spec.commodities[c] for c in panel.commodity_R.tolist()]
    sessions = panel.session_R.numpy().astype(np.int64)
    frame[days] = pd.Timestamp("2000-01-01") + pd.to_timedelta(sessions, unit="D")
    frame["y"] = panel.target_RH[:, 0].numpy()
    return frame


def measure_feed(pairs: int) -> dict[str, float]:
    """Windows delivered per second beside pytorch-forecasting's TimeSeriesDataSet."""
    from pytorch_forecasting import TimeSeriesDataSet

    panel = make_panel(5, 400, 30)
    frame = long_frame(panel, "ds").assign(step=panel.session_R.numpy().astype(np.int64))
    dataset = TimeSeriesDataSet(
        frame,
        time_idx="step",
        target="y",
        group_ids=["unique_id"],
        min_encoder_length=WINDOW,
        max_encoder_length=WINDOW,
        max_prediction_length=1,
        time_varying_unknown_reals=list(panel.spec.features),
    )
    loader = dataset.to_dataloader(train=True, batch_size=BATCH, num_workers=0)
    rows = full_rows(panel)
    sampler = windows.pooled_sampler(panel, WINDOW, rows)
    done = len(loader) * BATCH  # its loader drops the last, partial batch

    def ours(_: int) -> None:
        for index in torch.randperm(len(rows))[:done].split(BATCH):
            sampler.batch(index)

    def other(_: int) -> None:
        for _batch in loader:
            pass

    return interleave(ours, other, 1, pairs, done, panel.device).report()


class Stopwatch:
    """Counts the process's seconds of training steps after the first few."""

    def __init__(self) -> None:
        from pytorch_lightning import Callback

        watch = self

        class Watch(Callback):
            """Told by Lightning where its steps end."""

            def on_train_batch_end(self, *_: object) -> None:
                watch.ends.append(time.process_time())

        self.ends: list[float] = []
        self.callback = Watch()

    @property
    def seconds(self) -> float:
        """From the end of the warm-up to the end of the last step."""
        return self.ends[-1] - self.ends[WARM_UP - 1]


def train_other(frame: pd.DataFrame, hidden: int, layers: int, steps: int) -> float:
    """Seconds of neuralforecast's LSTM for `steps` steps of one batch of windows each."""
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import LSTM

    watch = Stopwatch()
    model = LSTM(
        h=3,
        input_size=WINDOW,
        encoder_n_layers=layers,
        encoder_hidden_size=hidden,
        decoder_hidden_size=hidden,
        decoder_layers=1,
        hist_exog_list=[name for name in frame.columns if name.startswith("f")],
        loss=MQLoss(quantiles=list(DEFAULT_LEVELS)),
        max_steps=WARM_UP + steps,
        batch_size=frame["unique_id"].nunique(),
        windows_batch_size=BATCH,
        scaler_type="identity",
        callbacks=[watch.callback],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    NeuralForecast(models=[model], freq="D").fit(frame)
    return watch.seconds


def measure_training(panel: Panel, hidden: int, layers: int, steps: int, pairs: int) -> Pairs:
    """Our loop and neuralforecast's, each for `steps` steps at a time."""
    frame = long_frame(panel, "ds")
    run, sampler = start(recipe(RecurrentConfig(cell="lstm", hidden=hidden, layers=layers)), panel)

    def train_ours() -> float:
        order = torch.randperm(len(sampler))[: (WARM_UP + steps) * BATCH].split(BATCH)
        for i, index in enumerate(order):
            if i == WARM_UP:
                began = time.process_time()
            run.take_step(index, 1e-3)
        return time.process_time() - began

    ours, other = [], []
    for pair in range(pairs):
        for mine in (True, False) if pair % 2 else (False, True):
            if mine:
                ours.append(train_ours())
            else:
                other.append(train_other(frame, hidden, layers, steps))
    return Pairs(ours, other, steps * BATCH)


def measure(*, quick: bool) -> dict[str, object]:
    """Every measurement; `quick` takes fewer and smaller ones."""
    pairs, steps = (3, 5) if quick else (10, 10)
    found: dict[str, object] = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            name: metadata.version(name)
            for name in ("torch", "pytorch-forecasting", "neuralforecast")
        },
        "feed_vs_pytorch_forecasting": measure_feed(pairs),
    }
    panel = make_panel(10, 2000, 30)
    for hidden, layers in [(64, 1)] if quick else [(64, 1), (128, 1), (128, 2)]:
        pair = measure_training(panel, hidden, layers, steps, pairs)
        found[f"training_vs_neuralforecast_lstm_{hidden}x{layers}"] = pair.report()
    return found


def main() -> None:
    """Reads the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller measurements")
    parser.add_argument("--json", metavar="FILE", help="where to write one JSON line; - to print")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    tell(measure(quick=arguments.quick), arguments.json)


if __name__ == "__main__":
    main()
