"""Register one candidate so that a version exists whole or not at all.

Creating the version is the last step that counts: what comes before leaves a run that is not
finished and a model nobody points to, which the next registration sweeps away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cbi_pipeline.home import make_folders
from cbi_pipeline.registry import _package, _record, _seal, frame
from cbi_pipeline.registry.errors import RegistryDamaged
from cbi_pipeline.registry.versions import MODEL_TAG, SEAL_TAG, tag

if TYPE_CHECKING:
    import polars as pl
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion

    from cbi_pipeline.forecasting import Calibration
    from cbi_pipeline.registry._artifacts import Artifacts
    from cbi_pipeline.registry._record import Candidate

_SCRATCH = ".registering-"


@dataclass(frozen=True, slots=True)
class Registration:
    """Where candidates are registered.

    Attributes:
        client: of a store that exists.
        name: registered model, and experiment of its runs.
        artifacts: its run and model files.
    """

    client: MlflowClient
    name: str
    artifacts: Artifacts

    def publish(self, candidate: Candidate) -> ModelVersion:
        """Register a candidate that has no version yet.

        Raises:
            ValueError: the frame or calendar cannot serve the model.
            RegistryDamaged: what was stored is not what was built.
        """
        newest = frame.select_newest(candidate.panel_frame, candidate.model)
        _package.check_calendar(candidate.calendar, newest, candidate.model.spec)
        self._ensure_name()
        run = self._start(candidate)
        model = self._model(candidate, run)
        with TemporaryDirectory(prefix=_SCRATCH, dir=self.artifacts.folder) as scratch:
            digest = self._store(candidate, newest, run, model, Path(scratch))
        return self._commit(candidate, run, model, digest)

    def sweep(self) -> None:
        """Finish runs whose version exists; remove what other unfinished runs left behind."""
        for leftover in self.artifacts.folder.glob(f"{_SCRATCH}*"):
            shutil.rmtree(leftover)
        experiment = self._experiment()
        unfinished = "attributes.status != 'FINISHED'"
        for run in self.client.search_runs([experiment], filter_string=unfinished):
            versions = self.client.search_model_versions(f"run_id = '{run.info.run_id}'")
            for version in versions:
                self._finish(version)
            if not versions:
                self._remove(experiment, run)

    def _remove(self, experiment: str, run: Run) -> None:
        source = f"source_run_id = '{run.info.run_id}'"
        for model in self.client.search_logged_models([experiment], filter_string=source):
            self.artifacts.open(model.artifact_location).delete_artifacts()
            self.client.delete_logged_model(model.model_id)
        self.artifacts.open(run.info.artifact_uri).delete_artifacts()
        self.client.delete_run(run.info.run_id)

    def _experiment(self) -> str:
        experiment = self.client.get_experiment_by_name(self.name)
        if experiment is not None:
            return str(experiment.experiment_id)
        # Without an address of its own, an experiment writes below the current folder.
        root = self.artifacts.choose_root(self.name)
        return str(self.client.create_experiment(self.name, artifact_location=root))

    def _ensure_name(self) -> None:
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            self.client.create_registered_model(
                self.name, description="Commodity price forecasts: quantiles per horizon."
            )

    def _start(self, candidate: Candidate) -> Run:
        tags = candidate.tags() | {"mlflow.note.content": candidate.note}
        return self.client.create_run(self._experiment(), tags=tags, run_name=candidate.run_name)

    def _model(self, candidate: Candidate, run: Run) -> LoggedModel:
        from mlflow.entities import LoggedModelOutput

        model = self.client.create_logged_model(
            run.info.experiment_id,
            name=candidate.model.recipe.name,
            source_run_id=run.info.run_id,
            tags=candidate.key,
            model_type="forecaster",
        )
        output = LoggedModelOutput(model_id=model.model_id, step=0)
        self.client.log_outputs(run.info.run_id, [output])
        return model

    def _store(
        self,
        candidate: Candidate,
        newest: pl.DataFrame,
        run: Run,
        model: LoggedModel,
        scratch: Path,
    ) -> str:
        from mlflow.models import Model

        identity = Model(
            artifact_path=model.artifact_location, run_id=run.info.run_id, model_id=model.model_id
        )
        chosen = frame.choose_example(newest, candidate.model)
        example = frame.model_input(chosen, candidate.model.spec)
        folder, files = scratch / "model", scratch / "run"
        files.mkdir()
        _record.log(self.client, run.info.run_id, model.model_id, candidate, files)
        self.artifacts.open(run.info.artifact_uri).log_artifacts(str(files))
        _package.build(
            folder,
            candidate.model,
            candidate.calibration,
            example,
            candidate.calendar,
            identity,
            candidate.provenance.revision,
        )
        digest = _seal.seal(folder)
        self.artifacts.open(model.artifact_location).log_artifacts(str(folder))
        self.client.finalize_logged_model(model.model_id, "READY")
        with open_stored(self.artifacts, model.artifact_location, digest) as kept:
            _rehearse(kept, newest, candidate.calibration)
        return digest

    def _commit(
        self, candidate: Candidate, run: Run, model: LoggedModel, digest: str
    ) -> ModelVersion:
        version = self.client.create_model_version(
            self.name,
            # Not "models:/<id>": the store would look that up at MLflow's global address.
            source=model.artifact_location,
            run_id=run.info.run_id,
            # A server takes no address of its own scheme that it cannot tie to a run or a model.
            model_id=model.model_id,
            tags=candidate.tags() | {SEAL_TAG: digest, MODEL_TAG: model.model_id},
            description=candidate.note,
        )
        self._finish(version)
        return version

    def _finish(self, version: ModelVersion) -> None:
        from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

        # The MLflow pages follow this link from the model to its version.
        link = json.dumps([{"name": version.name, "version": int(version.version)}])
        self.client.set_logged_model_tags(tag(version, MODEL_TAG), {MLFLOW_MODEL_VERSIONS: link})
        self.client.set_terminated(str(version.run_id))


@contextmanager
def exclusive(artifacts: Path) -> Iterator[None]:
    """Let one process register at a time; the system frees the lock when the process dies."""
    from filelock import FileLock

    make_folders(artifacts)
    with FileLock(artifacts / ".registry.lock"):
        yield


@contextmanager
def open_stored(artifacts: Artifacts, location: str, digest: str) -> Iterator[Path]:
    """A stored model folder after a check of every file; a copy when a server keeps it.

    Raises:
        RegistryDamaged: the folder is gone, incomplete, or changed since it was sealed.
    """
    folder = artifacts.locate(location)
    if folder is not None:
        _seal.verify(folder, digest)
        yield folder
        return
    with TemporaryDirectory(prefix="cbi-model-") as scratch:
        folder = _download(artifacts, location, scratch)
        _seal.verify(folder, digest)
        yield folder


def _download(artifacts: Artifacts, location: str, scratch: str) -> Path:
    from mlflow.exceptions import MlflowException

    try:
        folder = artifacts.open(location).download_artifacts("", scratch)
    except (OSError, MlflowException) as error:
        raise RegistryDamaged(f"the model files at {location} cannot be read: {error}") from error
    return Path(folder)


def _rehearse(folder: Path, newest: pl.DataFrame, calibration: Calibration) -> None:
    """Load the stored copy as any user will: it must forecast what the panel does.

    So must its own example.

    Raises:
        RegistryDamaged: the figures differ in any bit.
    """
    import mlflow.pyfunc
    import numpy as np

    from cbi_pipeline.features import panel_from_frame
    from cbi_pipeline.forecasting import load_model

    model = mlflow.pyfunc.load_model(str(folder))
    kept = load_model(folder / "artifacts" / "forecaster")
    spec, example = kept.spec, frame.choose_example(newest, kept)
    for rows, given in (
        (newest, frame.model_input(newest, spec)),
        (example, model.input_example),
    ):
        panel, answer = panel_from_frame(rows, spec), model.predict(given)
        counts = panel.commodity_R.bincount(minlength=len(spec.commodities))
        codes = counts.nonzero().flatten().tolist()
        plain = kept.predict(panel, (counts.cumsum(0)[codes] - 1).numpy())
        names, steps = [spec.commodities[n] for n in codes], [spec.steps[n] for n in codes]
        expected = calibration.apply(plain, kept.recipe.levels, names, steps)
        for name, own, q_HQ in zip(names, steps, expected.q_NHQ, strict=True):
            returns = answer.loc[answer["commodity"] == name, "return"].to_numpy()
            shortest_first = np.argsort(own)
            if not np.array_equal(returns, q_HQ[shortest_first].reshape(-1)):
                raise RegistryDamaged(f"the stored model forecasts {name} otherwise than the panel")
