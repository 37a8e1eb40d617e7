"""The registry: one registered model, its versions, its aliases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cbi_pipeline.registry import _mlflow, _publish, _record
from cbi_pipeline.registry._aliasing import Aliases, Deviation, find_deviations
from cbi_pipeline.registry._artifacts import Artifacts, migrate
from cbi_pipeline.registry._package import Calendar
from cbi_pipeline.registry._record import Candidate
from cbi_pipeline.registry._sqlite import StoredModel, stored_model
from cbi_pipeline.registry.aliases import derive
from cbi_pipeline.registry.errors import (
    RegistryDamaged,
    RegistryEmpty,
    RegistryUnreadable,
)
from cbi_pipeline.registry.provenance import Provenance
from cbi_pipeline.registry.versions import (
    DECIDED_TAG,
    MODEL_TAG,
    SEAL_TAG,
    RegisteredVersion,
    Trace,
    read,
    tag,
)

if TYPE_CHECKING:
    import polars as pl
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from cbi_pipeline.forecasting import Calibration, EpochRecord, Model

NAME = "cbi-forecaster"

_WRITER_TAGS = {"product": "product", "commit": "git_commit"}

_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter for an alias


@dataclass(frozen=True, slots=True)
class Registry:
    """Versions of one registered model in an MLflow store.

    Attributes:
        tracking_uri: address of the store: ``sqlite:////abs/.cbi/mlflow/mlflow.db``, or that of a
            tracking server.
        artifacts_dir: absolute folder for model and run files, where no server keeps them.
        name: registered model, and experiment of its runs.
    """

    tracking_uri: str
    artifacts_dir: Path
    name: str = NAME

    def register(
        self,
        model: Model,
        *,
        note: str,
        state: str,
        as_of: datetime,
        panel_frame: pl.DataFrame,
        calendar: Calendar,
        provenance: Provenance,
        calibration: Calibration | None = None,
        decision: Mapping[str, object] | None = None,
        scores: pl.DataFrame | None = None,
        curve: Sequence[EpochRecord] = (),
        figures: Mapping[str, bytes] | None = None,
    ) -> RegisteredVersion:
        """Register a model, or return the version that says the same by the same state.

        Args:
            model: what to register.
            note: what a reader must know, e.g. ``no learned skill``.
            state: state of the data it was trained on.
            as_of: knowledge instant of its training rows, aware.
            panel_frame: long panel frame; its newest rows become the input example.
            calendar: sessions of each commodity, from its newest row or earlier to past the
                longest horizon; further ones let the version date later forecasts.
            provenance: code, dependencies, contracts and catalogue.
            calibration: how its forecasts are moved; by default they are not.
            decision: row of registry.decision that let it in.
            scores: rows of evaluation.score; those of its own recipe become metrics.
            curve: learning curve.
            figures: PNG images by name.

        Raises:
            ValueError: frame or calendar cannot serve the model, or ``as_of`` has no zone.
            RegistryDamaged: the stored model is not the one handed in.
        """
        if as_of.tzinfo is None:
            raise ValueError("as_of has no time zone; give an aware instant")
        from cbi_pipeline.forecasting import Calibration

        candidate = Candidate(
            model=model,
            calibration=calibration or Calibration(),
            note=note,
            state=state,
            as_of=as_of,
            panel_frame=panel_frame,
            calendar=calendar,
            provenance=provenance,
            decision=decision,
            scores=scores,
            curve=curve,
            figures=figures or {},
        )
        with _publish.exclusive(self.artifacts_dir):
            return self._register(candidate)

    def _register(self, candidate: Candidate) -> RegisteredVersion:
        _mlflow.create(self.tracking_uri)
        client = self._client()
        registration = _publish.Registration(client, self.name, self._artifacts)
        registration.sweep()
        conditions = [f"tags.{tag} = '{value}'" for tag, value in candidate.key.items()]
        same = client.search_model_versions(" and ".join([f"name = '{self.name}'", *conditions]))
        if same:
            # Raises when the version has been damaged since.
            with self._open_stored(client, same[0]):
                return self._version(client, same[0])
        return self._version(client, registration.publish(candidate))

    def versions(self) -> list[RegisteredVersion]:
        """Every version, oldest first; empty when nothing is registered."""
        if not _mlflow.exists(self.tracking_uri):
            return []
        if stored := self._stored_model():
            return [read(version, stored.current()) for version in stored.versions()]
        client = _mlflow.connect(self.tracking_uri)
        read_versions = (self._version(client, version) for version in self._search(client))
        return sorted(read_versions, key=lambda version: version.version)

    def get(self, version: int | str) -> RegisteredVersion:
        """The version of that number or alias.

        Raises:
            RegistryEmpty: there is none.
        """
        client = self._client()
        return self._version(client, self._find(client, version))

    def champion(self) -> RegisteredVersion:
        """The version under the alias champion.

        Raises:
            RegistryEmpty: there is none.
        """
        return self.get("champion")

    def load(self, version: int | str) -> Model:
        """The model of a version or alias, verified against what was registered.

        Raises:
            RegistryEmpty: no such version or alias.
            RegistryDamaged: its files are missing or changed.
            RegistryUnreadable: it has options that this version of the code lacks; names them and
                the version that wrote it.
        """
        from cbi_pipeline.forecasting import load_model

        client = self._client()
        registered = self._find(client, version)
        written_by = {name: registered.tags.get(t) for name, t in _WRITER_TAGS.items()}
        with self._open_stored(client, registered) as folder:
            try:
                model = load_model(folder / "artifacts" / "forecaster", written_by=written_by)
            except ValueError as error:  # whole as registered, so it is the code that differs
                raise RegistryUnreadable(
                    f"version {registered.version} of {self.name} cannot be read: {error}"
                ) from error
        if model.fingerprint() != tag(registered, "fingerprint"):
            raise RegistryDamaged(
                f"version {registered.version} does not load to the model that was registered; "
                f"register it again"
            )
        return model

    def load_calibration(self, version: int | str) -> Calibration:
        """How the forecasts of a version or alias are moved before they are issued.

        Raises:
            RegistryEmpty: no such version or alias.
            RegistryDamaged: its files are missing or changed.
        """
        from cbi_pipeline.forecasting import read_calibration

        client = self._client()
        with self._open_stored(client, self._find(client, version)) as folder:
            return read_calibration(folder / "artifacts" / "calibration.json")

    def find_folder(self, version: int | str) -> Path | None:
        """The folder that MLflow loads a version or alias from; None where a server keeps it.

        Raises:
            RegistryEmpty: no such version or alias.
        """
        client = self._client()
        return self._artifacts.locate(self._address(client, self._find(client, version)))

    def input_types(self, version: int | str) -> dict[str, str]:
        """MLflow type of each column that a version or alias takes, in order.

        Raises:
            RegistryEmpty: no such version or alias.
            RegistryDamaged: its files are missing or changed.
        """
        client = self._client()
        with self._open_stored(client, self._find(client, version)) as folder:
            described = json.loads((folder / "artifacts" / "panel.json").read_text())
        return {column["column"]: column["type"] for column in described["input"]}

    def trace(self, version: int | str) -> Trace:
        """What a version or alias was made from.

        Raises:
            RegistryEmpty: no such version or alias.
        """
        client = self._client()
        registered = self._find(client, version)
        run = client.get_run(str(registered.run_id))
        decision = None
        if "decision_id" in registered.tags:
            decision = self._artifacts.read_json(run.info.artifact_uri, "decision.json")
        return Trace(
            self._version(client, registered), dict(registered.tags), run.data.params, decision
        )

    def set_alias(self, alias: str, version: int) -> None:
        """Point an alias to a version.

        Raises:
            RegistryEmpty: no such version.
        """
        client = self._client()
        self._find(client, version)
        client.set_registered_model_alias(self.name, alias, str(version))

    def record(self, decision: Mapping[str, object]) -> None:
        """Keep a decision with the version it names: a file of its run, and tags.

        Args:
            decision: row of registry.decision that names a version.

        Raises:
            RegistryEmpty: no such version.
        """
        client = self._client()
        registered = self._find(client, str(decision["version"]))
        words = f"{decision['verdict']}, {decision['who']}: {decision['reason']}"
        run = client.get_run(str(registered.run_id))
        file = f"decisions/{decision['decision_id']}.json"
        self._artifacts.write_json(run.info.artifact_uri, file, _record.encode_row(decision))
        client.set_tag(str(registered.run_id), DECIDED_TAG, words)
        client.set_model_version_tag(self.name, registered.version, DECIDED_TAG, words)

    def reconcile(
        self,
        decisions: pl.DataFrame,
        versions: pl.DataFrame,
        tonight: Mapping[str, int] | None = None,
    ) -> dict[str, int]:
        """Make champion and challenger what the decisions say; other aliases are left alone.

        Args:
            decisions: rows of registry.decision, oldest first.
            versions: rows of registry.version.
            tonight: as for `derive`.

        Returns:
            Version of each of the two aliases now set; a challenger that is no longer registered
            has none.

        Raises:
            RegistryEmpty: nothing is registered, or the champion's version is not.
            RegistryMismatch: a version to be named holds another model.
        """
        if not derive(decisions, versions) and not _mlflow.exists(self.tracking_uri):
            return {}
        aliases = self._aliases()
        wanted = aliases.called_for(decisions, versions, tonight)
        aliases.apply(wanted)
        return wanted

    def deviations(self, decisions: pl.DataFrame, versions: pl.DataFrame) -> list[Deviation]:
        """How champion and challenger differ from what the decisions say; changes nothing.

        Args:
            decisions: rows of registry.decision.
            versions: rows of registry.version.

        Raises:
            RegistryMismatch: the champion has no recorded version.
        """
        if not _mlflow.exists(self.tracking_uri):
            return []
        model = self._stored_model() or self._aliases()
        return list(find_deviations(model, self._aliases, decisions, versions))

    def restore_run(self, version: int) -> bool:
        """Take back the deletion of a version's tracking run; False when it was not deleted.

        Raises:
            RegistryEmpty: no such version.
        """
        client = self._client()
        self._find(client, version)
        aliases = Aliases(client, self.name)
        if is_deleted := aliases.is_run_deleted(version):
            aliases.restore_run(version)
        return is_deleted

    def migrate(self) -> None:
        """Bring a store that an earlier version made up to date; without one, do nothing.

        Raises:
            RegistryError: it cannot be written.
        """
        database = _mlflow.database(self.tracking_uri)
        if database is not None and database.is_file():
            migrate(database, self.name)

    @property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.tracking_uri, self.artifacts_dir)

    def _stored_model(self) -> StoredModel | None:
        return stored_model(_mlflow.database(self.tracking_uri), self.name)

    def _aliases(self) -> Aliases:
        return Aliases(self._client(), self.name)

    def _client(self) -> MlflowClient:
        if not _mlflow.exists(self.tracking_uri):
            raise RegistryEmpty(
                f"no model registered yet at {self.tracking_uri}; run `cbi run` first"
            )
        self.migrate()
        return _mlflow.connect(self.tracking_uri)

    def _find(self, client: MlflowClient, version: int | str) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            if str(version).isdigit():
                return client.get_model_version(self.name, str(version))
            return client.get_model_version_by_alias(self.name, str(version))
        except MlflowException as error:
            if error.error_code in _ABSENT:
                raise RegistryEmpty(self._nothing(version)) from error
            raise

    def _nothing(self, version: int | str) -> str:
        numbers = [str(version.version) for version in self.versions()]
        if not numbers:
            return f"no version of {self.name} is registered yet; run `cbi run` first"
        kind = "version" if str(version).isdigit() else "alias"
        return f"{self.name} has no {kind} {version}; registered versions: {', '.join(numbers)}"

    def _version(self, client: MlflowClient, version: ModelVersion) -> RegisteredVersion:
        return read(version, Aliases(client, self.name).current())

    def _search(self, client: MlflowClient) -> Iterator[ModelVersion]:
        token: str | None = ""
        while token is not None:
            page = client.search_model_versions(f"name = '{self.name}'", page_token=token or None)
            yield from page
            token = page.token or None

    @contextmanager
    def _open_stored(self, client: MlflowClient, version: ModelVersion) -> Iterator[Path]:
        address = self._address(client, version)
        with _publish.open_stored(self._artifacts, address, tag(version, SEAL_TAG)) as folder:
            yield folder

    def _address(self, client: MlflowClient, version: ModelVersion) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(client.get_logged_model(tag(version, MODEL_TAG)).artifact_location)
        except MlflowException as error:
            raise RegistryDamaged(
                f"version {version.version} has lost its model: {error}"
            ) from error
