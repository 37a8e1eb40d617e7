"""One flipped bit in anything that is kept is refused, with the path and what to do."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.forecasting import Ensemble, build_untrained, checkpoint, fit, storage
from cbi_pipeline.forecasting.checkpoint import load_checkpoint, run_identity
from cbi_pipeline.forecasting.forecaster import Forecaster
from tests.recipes import tiny

TREE = {"n": 7, "text": "caf\xe9", "x": [torch.arange(5.0), {"y": torch.tensor(True)}]}
PACKED = storage.pack(TREE)
SEALED = storage.seal({"epochs": [[0.5, 1]], "name": "caf\xe9"})


def recipe(**changes):
    return tiny("test-1").with_training(
        **{"batch_size": 64, "max_epochs": 3, "patience": 9, **changes}
    )


def flip(path: Path, bit: int) -> None:
    path.write_bytes(flipped(path.read_bytes(), bit))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.fixture(scope="module")
def run(panel, split, tmp_path_factory):
    """The checkpoints of a run stopped after its second epoch."""
    folder = tmp_path_factory.mktemp("run")

    def stop(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe(), panel, *split(panel), checkpoint_dir=folder, on_epoch=stop)
    return folder


@pytest.fixture
def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "run"))


@given(st.integers(0, 8 * len(PACKED) - 1))
def test_no_bit_of_a_tensor_file_can_flip(bit):
    with pytest.raises((storage.Damaged, storage.Unsealed)):
        storage.unpack(flipped(PACKED, bit))


@given(st.integers(0, 8 * len(SEALED) - 1))
def test_no_bit_of_a_plain_file_can_flip(tmp_path_factory, bit):
    path = tmp_path_factory.getbasetemp() / "sealed.json"
    path.write_bytes(flipped(SEALED, bit))
    with pytest.raises((storage.Damaged, storage.Unsealed), match=r"sealed\.json"):
        storage.read_sealed(path)


@pytest.mark.parametrize("cut", [0, 5, 100, len(PACKED) - 1])
def test_a_cut_off_tensor_file_is_damaged(cut):
    with pytest.raises(storage.Damaged):
        storage.unpack(PACKED[:cut])


@pytest.mark.parametrize("place", [-1, 8 * 9, 0.5, 0.9])
def test_a_damaged_checkpoint_is_not_resumed_and_its_path_is_told(copy, panel, split, place):
    last = copy / "last.safetensors"
    size = 8 * last.stat().st_size
    flip(last, size - 1 if place == -1 else int(place * size) if place < 1 else place)
    with pytest.raises(ValueError, match=r"last\.safetensors is damaged: .*; delete it") as refusal:
        fit(recipe(), panel, *split(panel), checkpoint_dir=copy)
    assert str(last) in str(refusal.value)
    last.unlink()
    fresh = fit(recipe(), panel, *split(panel), checkpoint_dir=copy)
    assert fresh.curve == fit(recipe(), panel, *split(panel)).curve


def test_a_damaged_index_is_refused_with_its_path(copy, panel, split):
    index = copy / "best.json"
    text = index.read_text()
    index.write_text(text.replace("[[0.", "[[1.", 1))
    assert index.read_text() != text
    with pytest.raises(ValueError, match=r"best\.json is damaged: .*; delete it"):
        fit(recipe(), panel, *split(panel), checkpoint_dir=copy)


def test_a_damaged_best_checkpoint_is_refused_with_its_path(copy):
    (best,) = copy.glob("best-*.safetensors")
    assert load_checkpoint(best)
    flip(best, 8 * best.stat().st_size - 9)
    with pytest.raises(ValueError, match=r"best-\d+\.safetensors is damaged: .*; delete it"):
        load_checkpoint(best)


def without_checksum(path: Path) -> None:
    """The file as the first version wrote it."""
    import safetensors.torch

    tree = storage.unpack(path.read_bytes())
    tensors: dict[str, torch.Tensor] = {}
    plain = storage._split(tree, "", tensors)
    path.write_bytes(safetensors.torch.save(tensors, metadata={"tree": json.dumps(plain)}))


def test_a_checkpoint_without_a_checksum_is_started_over_in_words(copy, panel, split):
    without_checksum(copy / "last.safetensors")
    with pytest.warns(UserWarning, match=r"last\.safetensors .*no checksum; training starts over"):
        again = fit(recipe(), panel, *split(panel), checkpoint_dir=copy)
    assert again.curve == fit(recipe(), panel, *split(panel)).curve
    (best, *_) = copy.glob("best-*.safetensors")
    without_checksum(best)
    with pytest.raises(ValueError, match=r"best-.* cannot be proved whole: it carries no checksum"):
        load_checkpoint(best)


def test_a_checkpoint_says_where_and_by_what_it_was_written(copy):
    tree = storage.read_tree(copy / "last.safetensors")
    assert tree["device"] == "cpu"
    assert tree["written_by"]["product"].startswith("cbi-pipeline ")


def test_a_run_on_another_device_is_another_run_of_the_same_recipe(panel, split, monkeypatch):
    rows = [torch.as_tensor(part) for part in split(panel)]
    here, name = run_identity(recipe(), panel, *rows), recipe().identity()
    monkeypatch.setattr(checkpoint.devices, "describe_device", lambda device: "cuda, another")
    assert run_identity(recipe(), panel, *rows) != here
    assert recipe().identity() == name


@pytest.mark.parametrize("file", ["forecaster.json", "weights.safetensors"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_damaged_model_is_refused_with_its_folder(panel, split, tmp_path, file, part):
    build_untrained(recipe(), panel, split(panel)[0]).save(tmp_path)
    path = tmp_path / file
    flip(path, int(8 * path.stat().st_size * part))
    with pytest.raises(ValueError, match=str(tmp_path)):
        Forecaster.load(tmp_path)


def test_weights_that_are_gone_are_missed_by_name(panel, split, tmp_path):
    build_untrained(recipe(), panel, split(panel)[0]).save(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"weights\.safetensors is missing"):
        Forecaster.load(tmp_path)


def test_a_damaged_ensemble_is_refused_with_its_path(panel, split, tmp_path):
    members = [build_untrained(recipe(seed=seed), panel, split(panel)[0]) for seed in (1, 2)]
    Ensemble.equal(members).save(tmp_path)
    assert Ensemble.load(tmp_path).weights == (0.5, 0.5)
    path = tmp_path / "ensemble.json"
    path.write_text(path.read_text().replace("[0.5,0.5]", "[0.4,0.6]"))
    with pytest.raises(ValueError, match=r"ensemble\.json is damaged"):
        Ensemble.load(tmp_path)


def test_weights_that_are_no_numbers_make_no_ensemble(panel, split):
    member = build_untrained(recipe(), panel, split(panel)[0])
    with pytest.raises(ValueError, match="must be positive and sum to 1"):
        Ensemble((member,), (float("nan"),))
