from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cbi_pipeline.features import panel_from_frame
from cbi_pipeline.registry import Registry, RegistryDamaged, RegistryEmpty
from tests.registry import world
from tests.registry.conftest import House


def stored_folder(house: House, number: int) -> Path:
    folder = house.registry.find_folder(number)
    assert folder is not None
    return folder


@contextmanager
def changed(path: Path, content: bytes | None) -> Iterator[None]:
    """The file with other bytes, or gone, for a while."""
    original = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(original)


@pytest.mark.parametrize("number", [1, 2])
def test_a_loaded_model_forecasts_like_the_one_registered(house: House, number: int) -> None:
    panel = panel_from_frame(world.panel_frame(), world.SPEC)
    origins = world.origins(panel)
    expected = house.models[number - 1].predict(panel, origins)
    found = house.registry.load(number).predict(panel, origins)
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_an_alias_loads_the_version_it_points_to(house: House) -> None:
    house.registry.set_alias("champion", 2)
    assert house.registry.champion().version == 2
    assert house.registry.load("champion").fingerprint() == house.models[1].fingerprint()
    assert house.registry.get("2").aliases == ("champion",)


def test_one_flipped_byte_of_the_weights_is_refused_by_name(house: House) -> None:
    weights = stored_folder(house, 1) / "artifacts" / "forecaster" / "weights.safetensors"
    flipped = bytearray(weights.read_bytes())
    flipped[-1] ^= 1
    with changed(weights, bytes(flipped)), pytest.raises(RegistryDamaged, match="weights"):
        house.registry.load(1)
    assert house.registry.load(1)


def test_a_missing_calendar_is_refused_by_name(house: House) -> None:
    calendar = stored_folder(house, 1) / "artifacts" / "calendar.json"
    with changed(calendar, None), pytest.raises(RegistryDamaged, match=r"calendar.json is missing"):
        house.registry.load(1)


def test_registering_again_refuses_a_version_damaged_since(house: House) -> None:
    code = stored_folder(house, 2) / "pyfunc_model.py"
    with changed(code, b"import os"), pytest.raises(RegistryDamaged, match=r"pyfunc_model\.py"):
        house.registry.register(house.models[1], **world.candidate(state="6" * 64))


def test_a_missing_version_or_alias_is_one_line_that_says_what_there_is(house: House) -> None:
    for name in ("nobody", 9):
        with pytest.raises(RegistryEmpty, match=r"registered versions: 1, 2$") as error:
            house.registry.load(name)
        assert "\n" not in str(error.value)


def test_a_registry_that_is_not_there_says_so_and_is_not_made(tmp_path: Path) -> None:
    absent = Registry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    assert absent.versions() == []
    assert absent.reconcile(world.decisions(), world.versions()) == {}
    with pytest.raises(RegistryEmpty, match=r"no model registered yet .* run `cbi run` first"):
        absent.champion()
    assert [path.name for path in tmp_path.iterdir()] == ["cwd"]


def test_an_empty_registry_says_what_to_do(registry: Registry, house: House) -> None:
    with pytest.raises(RegistryEmpty, match="run `cbi run` first"):
        registry.champion()


def test_importing_the_package_imports_neither_mlflow_nor_torch() -> None:
    code = (
        "import sys, cbi_pipeline.registry;sys.exit(bool({'mlflow', 'torch'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
