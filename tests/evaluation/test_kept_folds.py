"""A finished fold proves itself when it is read, and is read on the device that made it alone."""

import dataclasses
import shutil

import numpy as np
import pytest

from cbi_pipeline.evaluation import plan, walk_forward
from cbi_pipeline.forecasting import Forecasts
from cbi_pipeline.forecasting.forecaster import Forecaster
from tests.evaluation import panels
from tests.evaluation.models import Scripted, recipe

LEVELS = (0.1, 0.5, 0.9)


@dataclasses.dataclass(frozen=True)
class Counted(Scripted):
    """Forecasts nothing worth knowing, and keeps the folds that it is asked for."""

    recipe: object = recipe("counted", LEVELS)
    asked: list = dataclasses.field(default_factory=list)

    def forecast(self, panel, fold, folder):
        self.asked.append(fold)
        shape = (len(fold.test_rows), len(panel.spec.horizons))
        q = np.broadcast_to(np.array([-0.1, 0.0, 0.1]), (*shape, 3)).copy()
        return Forecasts(q, np.full(shape, 0.5), np.full(shape, 0.1))


@pytest.fixture(scope="module")
def panel():
    return panels.panel()


@pytest.fixture(scope="module")
def planned(panel):
    return plan(panel, panels.catalogue(), panels.rows(panel))


def walk(panel, planned, folder):
    counted = Counted()
    known = panels.targets(panel)
    frame = walk_forward(
        panel, [counted], planned, targets=known, evaluation_id="e", cache_dir=folder
    )
    return frame, len(counted.asked)


@pytest.mark.parametrize("file", ["forecasts.parquet", "finished.json"])
@pytest.mark.parametrize("part", [0.2, 0.9])
def test_a_damaged_fold_is_refused_with_its_path(panel, planned, tmp_path, file, part):
    whole, folds = walk(panel, planned, tmp_path)
    victim = sorted(tmp_path.glob(f"counted/*/{file}"))[1]
    data = bytearray(victim.read_bytes())
    data[int(part * len(data))] ^= 4
    victim.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=rf"{victim}.*delete "):
        walk(panel, planned, tmp_path)
    shutil.rmtree(victim.parent)
    again, asked = walk(panel, planned, tmp_path)
    assert again.equals(whole)
    assert asked == 1 < folds


def test_forecasts_that_are_gone_are_missed(panel, planned, tmp_path):
    walk(panel, planned, tmp_path)
    victim = next(tmp_path.glob("counted/*/forecasts.parquet"))
    victim.unlink()
    with pytest.raises(ValueError, match=r"forecasts\.parquet is missing"):
        walk(panel, planned, tmp_path)


def test_a_fold_that_was_not_concluded_is_computed_again(panel, planned, tmp_path):
    walk(panel, planned, tmp_path)
    next(tmp_path.glob("counted/*/finished.json")).unlink()
    assert walk(panel, planned, tmp_path)[1] == 1


def test_a_finished_fold_keeps_its_forecasts_and_their_note_alone(panel, planned, tmp_path):
    whole, _ = walk(panel, planned, tmp_path)
    for folder in tmp_path.glob("counted/*"):
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "last.safetensors").write_bytes(b"of an earlier version")
    assert walk(panel, planned, tmp_path)[0].equals(whole)
    held = {path.name for path in tmp_path.glob("counted/*/*")}
    assert held == {"forecasts.parquet", "finished.json"}


def test_training_leaves_no_checkpoint_in_a_fold_that_it_finished(panel, planned, tmp_path):
    from tests.recipes import tiny

    known = panels.targets(panel)
    walk_forward(
        panel,
        [tiny("f-1")],
        planned,
        targets=known,
        evaluation_id="e",
        cache_dir=tmp_path,
    )
    held = {path.name for path in tmp_path.glob("tiny/*/*")}
    assert held == {"forecasts.parquet", "finished.json"}


def test_another_device_computes_its_own_folds(panel, planned, tmp_path, monkeypatch):
    from cbi_pipeline.forecasting import devices

    _, folds = walk(panel, planned, tmp_path)
    monkeypatch.setattr(devices, "describe_device", lambda device: "cuda, another")
    assert walk(panel, planned, tmp_path)[1] == folds


def test_the_model_of_a_fold_is_refused_when_damaged(tmp_path, panel):
    from cbi_pipeline.forecasting import build_untrained
    from tests.recipes import tiny

    ready = np.flatnonzero(panel.ready_R.numpy())
    build_untrained(tiny("f-1"), panel, ready).save(tmp_path)
    path = tmp_path / "forecaster.json"
    path.write_text(path.read_text().replace('"dropout":0.0', '"dropout":0.5'))
    with pytest.raises(ValueError, match=r"forecaster\.json is damaged"):
        Forecaster.load(tmp_path)
