"""Stopped at any stage and run again, a night ends as an undisturbed one."""

import random
import signal

import pytest

from tests.system.homes import STEPS, Home

pytestmark = pytest.mark.slow


def test_ten_kills_one_in_each_step_lose_and_change_nothing(undisturbed, tmp_path):
    home, chance = Home(tmp_path / ".cbi"), random.Random(2020)
    for step in STEPS:
        code, said = home.stop_run(step, chance.uniform(0.0, 0.8), signal.SIGKILL)
        assert code == -signal.SIGKILL, f"not killed in {step}: {said}"
    home.run()
    assert home.contents() == undisturbed.contents()
    assert home.cbi("ledger", "verify").returncode == 0


def test_ctrl_c_says_one_line_and_the_next_run_goes_on(undisturbed, tmp_path):
    home = Home(tmp_path / ".cbi")
    for step in ("archive", "evaluation__walk_forward"):
        code, said = home.stop_run(step, 0.3, signal.SIGINT)
        assert code == 130
        assert "Traceback" not in said
        assert said.strip().splitlines()[-1].startswith("cbi: interrupted")
    home.run()
    assert home.contents() == undisturbed.contents()
