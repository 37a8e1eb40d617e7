import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.forecasting import fit, storage
from cbi_pipeline.forecasting.averaging import AveragingConfig
from cbi_pipeline.forecasting.checkpoint import Checkpoints, Keep, load_checkpoint
from tests.recipes import tiny


def recipe(**changes):
    return tiny("test-1").with_training(
        **{"batch_size": 64, "max_epochs": 5, "patience": 9, "shrinkage": (1.0,), **changes}
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_best_periodic_and_last_checkpoints_are_kept_with_an_index(panel, split, tmp_path):
    result = fit(
        recipe(), panel, *split(panel), checkpoint_dir=tmp_path, keep=Keep(best=2, every=2)
    )
    ranked = sorted(result.curve, key=lambda record: record.validation_loss)
    best = sorted(f"best-{record.epoch:04d}.safetensors" for record in ranked[:2])
    periodic = [f"epoch-{n:04d}.safetensors" for n in (0, 2, 4)]
    assert names(tmp_path) == sorted([*best, *periodic, "best.json", "last.safetensors"])
    index = json.loads((tmp_path / "best.json").read_text())["epochs"]
    assert index == [[r.validation_loss, r.epoch] for r in ranked[:2]]


def test_a_checkpoint_rebuilds_its_network_from_itself(panel, split, tmp_path):
    train, validation = split(panel)
    result = fit(recipe(), panel, train, validation, checkpoint_dir=tmp_path)
    (best,) = tmp_path.glob("best-*.safetensors")
    rebuilt = load_checkpoint(best)
    expected = min(result.curve, key=lambda record: record.validation_loss)
    assert best.stem == f"best-{expected.epoch:04d}"
    assert rebuilt.recipe == result.forecaster.recipe
    if expected.best:
        one, two = (f.predict(panel, validation) for f in (rebuilt, result.forecaster))
        np.testing.assert_array_equal(one.q_NHQ, two.q_NHQ)


def test_the_index_survives_a_restart(panel, split, tmp_path):
    train, validation = split(panel)

    def stop(record):
        if record.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe(), panel, train, validation, checkpoint_dir=tmp_path / "a", on_epoch=stop)
    fit(recipe(), panel, train, validation, checkpoint_dir=tmp_path / "a")
    fit(recipe(), panel, train, validation, checkpoint_dir=tmp_path / "b")
    assert names(tmp_path / "a") == names(tmp_path / "b")
    indices = [(tmp_path / x / "best.json").read_bytes() for x in "ab"]
    assert indices[0] == indices[1]


def test_a_loss_that_is_not_a_number_evicts_nothing(panel, split, tmp_path):
    result = fit(recipe(max_epochs=1), panel, *split(panel), checkpoint_dir=tmp_path)
    before = names(tmp_path)
    identity = json.loads((tmp_path / "best.json").read_text())["identity"]
    kept = Checkpoints(tmp_path, identity, recipe(), panel.spec, Keep())
    broken = dataclasses.replace(result.curve[1], epoch=9, validation_loss=float("nan"))
    with pytest.raises(ValueError, match="cannot be ranked"):
        kept.save(broken, {"scored": {}})
    assert names(tmp_path) == before
    assert len(kept.best()) == 1


@pytest.mark.parametrize("method", ["ema", "swa"])
def test_averaged_training_resumes_to_the_same_bits(panel, split, tmp_path, method):
    train, validation = split(panel)
    config = recipe(max_epochs=4, averaging=AveragingConfig(method=method, start=0.3))
    whole = fit(config, panel, train, validation)

    def stop(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(config, panel, train, validation, checkpoint_dir=tmp_path, on_epoch=stop)
    resumed = fit(config, panel, train, validation, checkpoint_dir=tmp_path)
    assert resumed.curve == whole.curve
    assert resumed.forecaster.fingerprint() == whole.forecaster.fingerprint()


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)


@given(
    st.dictionaries(
        st.text(max_size=4), st.recursive(leaves, lambda s: st.lists(s, max_size=3)), max_size=4
    )
)
def test_plain_trees_survive_packing(tree):
    assert storage.unpack(storage.pack({"tree": tree}))["tree"] == tree


def test_tensors_and_integer_keys_survive_packing():
    shared = torch.arange(6).view(2, 3)
    tree = {"a": {0: shared, 7: shared.t()}, "b": [torch.tensor(1.5), torch.tensor(True)]}
    found = storage.unpack(storage.pack(tree))
    assert torch.equal(found["a"][7], shared.t())
    assert torch.equal(found["a"][0], shared)
    assert found["b"][1].dtype == torch.bool


def test_packing_gives_the_same_bytes_every_time():
    tree = {"b": torch.ones(3), "a": torch.zeros(2), "n": {"x": 1, "y": 2.5}}
    assert storage.pack(tree) == storage.pack(dict(reversed(tree.items())))


@pytest.mark.parametrize("leaf", [np.float64(1.0), np.datetime64("2020-01-01"), {1, 2}])
def test_a_leaf_that_would_need_pickle_is_refused(leaf):
    if isinstance(leaf, float):
        assert storage.unpack(storage.pack({"x": leaf}))["x"] == 1.0
        return
    with pytest.raises(TypeError, match="use plain values"):
        storage.pack({"x": leaf})


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "state"
    storage.write_atomic(path, b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        storage.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["state"]
