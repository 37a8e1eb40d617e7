"""Models of one's own: each a file in a copy of the package and a line, named by recipes at home.

Through two nights of the real command: judged, registered, promoted, refreshed, served.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from cbi_pipeline.forecasting import DEFAULT_LEVELS
from cbi_pipeline.registry import newest_evidence
from cbi_pipeline.settings import PROJECT_ROOT
from cbi_pipeline.warehouse import Warehouse
from tests.commands import CBI
from tests.system.homes import Home
from tests.system.package_copy import copy_package

pytestmark = pytest.mark.slow

#: A statistical model: no change, with the mean square of the newest returns.
MODEL = """
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from cbi_pipeline.forecasting import student
from cbi_pipeline.forecasting.declarations import Count, FileName
from cbi_pipeline.forecasting.models.estimator import Estimator, Fitted
from cbi_pipeline.forecasting.models.model import Forecasts, steps_of
from cbi_pipeline.forecasting.models.recipe import StatisticalRecipe
from cbi_pipeline.forecasting.models.statistical import StatisticalModel


@dataclass(frozen=True, kw_only=True)
class RecentRecipe(StatisticalRecipe, kind="recent"):
    name: FileName = "recent"
    returns: Count = 20


@dataclass(frozen=True, eq=False)
class RecentModel(StatisticalModel):
    recipe_type = RecentRecipe

    @property
    def history(self):
        return dict.fromkeys(self.spec.commodities, self.recipe.returns + 1)

    def predict(self, panel, rows_N):
        self.check_axes(panel.spec)
        back = rows_N[:, None] - np.arange(self.recipe.returns)
        variance = np.nanmean(panel.return_R.numpy()[back] ** 2, axis=1)
        scale = np.sqrt(variance[:, None] * steps_of(panel, rows_N))
        q = scale[..., None] * student.quantiles(self.recipe.levels).numpy()
        return Forecasts(q, np.full(scale.shape, 0.5), scale)

    def parameters(self):
        return {}

    @classmethod
    def of_parameters(cls, recipe, spec, parameters, named):
        return cls(recipe, spec, named=named)


@dataclass(frozen=True)
class Recent(Estimator):
    recipe: RecentRecipe = field(default_factory=RecentRecipe)
    recipe_type = RecentRecipe

    def fit(self, panel, fold, *, checkpoints=None, on_epoch=None):
        return Fitted(RecentModel(self.recipe, panel.spec))
"""
MODEL_LINE = '    "recent": ModelKind("cbi_pipeline.forecasting.models.recent:Recent"),\n'
#: A network: one linear layer over the newest row.
NETWORK = '''
from dataclasses import dataclass

from torch import nn

from cbi_pipeline.forecasting.declarations import Count
from cbi_pipeline.forecasting.networks.encoder import EncoderConfig


@dataclass(frozen=True, kw_only=True)
class LinearConfig(EncoderConfig, kind="linear"):
    """One layer over the newest row."""

    hidden: Count = 4

    def build(self, inputs, window, horizons):
        return LinearEncoder(self, inputs)


class LinearEncoder(nn.Module):
    def __init__(self, config, inputs):
        super().__init__()
        self.width = config.hidden
        self.layer = nn.Linear(inputs, config.hidden)

    def forward(self, x_NTI):
        return self.layer(x_NTI[:, -1])
'''
ONE_EPOCH = "[training]\nmax_epochs = 1\n"
RECIPES = {
    "quick": 'kind = "recent"\nreturns = 10\n',
    "line": f'kind = "network"\nwindow = 4\n[network]\nkind = "linear"\n{ONE_EPOCH}',
    "short": f'kind = "network"\nwindow = 8\ngroups = ["own_price"]\n{ONE_EPOCH}',
}
CHALLENGERS = 'challengers = ["quick", "line", "short"]'
#: What a program gets that has the folder of the champion and the exported frame.
SERVED = """
import json, sys, mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
frame = pandas.read_parquet(sys.argv[2])
said = model.predict(frame)
short = frame.groupby("commodity").tail(10)
try:
    model.predict(short)
except Exception as error:
    print(json.dumps([len(said), str(error), list(frame.columns)]))
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the package beside a home; what it is told, it does in processes of its own."""

    folder: Path
    home: Home

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / "cbi_pipeline" / name
        text = path.read_text()
        assert text.count(old) == 1, name
        path.write_text(text.replace(old, new))

    def say(self, code: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, *arguments],
            cwd=self.folder,
            env={**self.home.environment, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def table(self, name: str) -> pl.DataFrame:
        with Warehouse(self.home.settings.warehouse_dir).read() as store:
            return store.query(f"FROM {name}")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Copy:
    """A copy of the package with two kinds of models more, and a catalogue that names recipes."""
    folder = tmp_path_factory.mktemp("copy")
    copy_package(folder)
    catalogue = folder / "models.toml"
    made = Copy(folder, Home(folder / ".cbi", {"CBI_CATALOGUE_FILE": str(catalogue)}))
    inside = folder / "cbi_pipeline" / "forecasting"
    (inside / "models" / "recent.py").write_text(MODEL)
    (inside / "networks" / "linear.py").write_text(NETWORK)
    made.edit("model_kinds.py", '    "ewma": ', MODEL_LINE + '    "ewma": ')
    made.edit("forecasting/networks/encoder.py", '"mlp", ', '"mlp", "linear", ')
    small = (PROJECT_ROOT / "cbi_pipeline/catalogue/shipped/small.toml").read_text()
    assert 'challengers = ["tiny"]' in small
    catalogue.write_text(small.replace('challengers = ["tiny"]', CHALLENGERS))
    recipes = folder / "recipes"
    recipes.mkdir()
    for name, text in RECIPES.items():
        (recipes / f"{name}.toml").write_text(text)
    return made


@pytest.fixture(scope="module")
def nights(copy) -> Copy:
    """A night that judges them, a person's promotion of the statistical one, and a night of it."""
    copy.say(CBI, "run")
    versions = copy.table("registry.version")
    number = versions.filter(recipe="quick")["version"].max()
    copy.say(CBI, "models", "promote", str(number), "--reason", "simpler")
    copy.say(CBI, "run")
    return copy


def test_each_is_judged_in_the_same_round_as_the_baselines(nights):
    decisions = nights.table("registry.decision")
    walked = nights.table("evaluation.forecast").filter(evaluation_id=newest_evidence(decisions))
    assert {"quick", "line", "short", "climatology", "ewma", "prior"} <= set(walked["recipe"])
    assert {"quick", "line", "short"} <= set(decisions.filter(who="gate")["recipe"])


def test_each_has_a_version_on_the_groups_that_it_reads(nights):
    versions = nights.table("registry.version")
    assert {"quick", "line", "short"} <= set(versions["recipe"])
    states = dict(versions.select("recipe", "state").iter_rows())
    # Prices alone, own prices too; the other reads every group.
    assert states["quick"] == states["short"] != states["line"]


def test_the_promoted_statistical_model_issues_the_forecasts(nights):
    issued = nights.table("issued.forecast").filter(track="live")
    newest = issued.filter(pl.col("issued_at") == pl.col("issued_at").max())
    version = nights.table("registry.version").filter(recipe="quick")["version"].max()
    assert set(newest["model_version"]) == {str(version)}
    assert set(newest["commodity"]) == {"wti", "gasoline_mn"}


def test_a_further_night_has_nothing_to_do(nights):
    assert "nothing to do" in nights.say(CBI, "run")


def test_the_champion_is_served_from_the_exported_frame_and_refuses_too_short_a_one(nights):
    file = nights.folder / "frame.parquet"
    nights.say(CBI, "panel", "export", str(file))
    folder = nights.say(CBI, "models", "uri").splitlines()[0]
    count, refusal, columns = json.loads(nights.say(SERVED, folder, str(file)).splitlines()[-1])
    assert count == 2 * 3 * len(DEFAULT_LEVELS)
    assert "has 10 rows, the model reads 11" in refusal
    assert not [name for name in columns if name.startswith("age_")]
