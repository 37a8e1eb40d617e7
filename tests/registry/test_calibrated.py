"""A version's calibration: part of what it is, and of what it answers."""

import json

import pytest

from cbi_pipeline.forecasting import Calibration
from cbi_pipeline.registry import RegistryDamaged
from tests.registry import world


def test_the_calibration_is_read_back_as_it_was_registered(house):
    assert house.registry.load_calibration(1) == world.CALIBRATION
    assert house.registry.load_calibration(2) == Calibration()


def test_the_same_model_of_another_calibration_is_another_version(registry):
    model = world.forecaster()
    plain = registry.register(model, **world.candidate())
    moved = registry.register(model, **world.candidate(calibration=world.CALIBRATION))
    again = registry.register(model, **world.candidate(calibration=world.CALIBRATION))
    assert (plain.version, moved.version, again.version) == (1, 2, 2)
    assert plain.fingerprint == moved.fingerprint
    assert moved.calibration == world.CALIBRATION.identity()


def test_a_calibration_changed_behind_the_registry_is_noticed(registry):
    registry.register(world.forecaster(), **world.candidate(calibration=world.CALIBRATION))
    file = registry.find_folder(1) / "artifacts" / "calibration.json"
    wider = json.loads(file.read_text())
    wider["wti"]["5"]["width"] = 2.0
    file.write_text(json.dumps(wider))
    with pytest.raises(RegistryDamaged):
        registry.load_calibration(1)
