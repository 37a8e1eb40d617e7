import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_it_imports_and_trains_with_torch_numpy_and_safetensors_alone(tmp_path):
    """Runs a training in a process that refuses every package outside an allowed few.

    What torch itself imports counts as torch's.
    """
    script = textwrap.dedent(
        """
        import builtins, sys, tomllib
        ALLOWED = {"torch", "numpy", "safetensors", "cbi_pipeline", *sys.stdlib_module_names}
        real = builtins.__import__

        def guarded(name, globals=None, locals=None, fromlist=(), level=0):
            importer = (globals or {}).get("__name__", "").split(".")[0]
            ours = importer in ("cbi_pipeline", "__main__", "conftest")
            if ours and level == 0 and name.split(".")[0] not in ALLOWED:
                raise ImportError(f"{importer} imports {name}")
            return real(name, globals, locals, fromlist, level)

        builtins.__import__ = guarded
        import pkgutil
        import cbi_pipeline.forecasting as f
        for module in pkgutil.walk_packages(f.__path__, f.__name__ + "."):
            __import__(module.name)
        others = [n for n in sys.modules if n.startswith("cbi_pipeline.")
                  and not n.startswith("cbi_pipeline.forecasting")]
        assert not others, others
        for heavy in ("pandas", "polars", "duckdb", "mlflow", "dagster", "scipy", "pydantic"):
            assert heavy not in sys.modules, heavy
        import numpy as np
        n = 60
        spec = f.PanelSpec("s", ("x",), ("g",), ("a",), ("1d",), ((1,),))
        x = np.random.default_rng(0).standard_normal((n, 1)).astype(np.float32)
        known = np.arange(n)[:, None] < n - 1
        at = np.arange(n) * 86_400_000_000
        panel = f.Panel.from_numpy(
            spec, commodity_R=np.zeros(n, np.int64), session_R=np.arange(n, dtype=np.int32),
            decision_at_R=at, values_RF=x, mask_RF=np.ones((n, 1), bool),
            age_RG=np.zeros((n, 1), np.float32), variance_R2=np.full((n, 2), 1e-4, np.float32),
            ready_R=np.ones(n, bool), target_RH=np.where(known, 0.01 * x, 0).astype(np.float32),
            target_mask_RH=known, pos_DC=np.arange(n, dtype=np.int32)[:, None],
            target_available_RH=np.where(known, at[:, None] + 1, f.panel.NEVER),
        )
        with open("cbi_pipeline/catalogue/recipes/tiny.toml", "rb") as file:
            stated = tomllib.load(file)
        for said_to_people in ("kind", "summary"):
            del stated[said_to_people]
        recipe = f.Recipe.compose({**stated, "name": "tiny", "feature_set": "s"})
        result = f.fit(recipe, panel, np.arange(16, 45), np.arange(45, 58))
        result.forecaster.save(__import__("pathlib").Path(sys.argv[1]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model")],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "forecaster.json").exists()
