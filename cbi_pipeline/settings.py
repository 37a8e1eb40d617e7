"""Settings: where things lie, which profile runs, and the secrets of the feeds.

Everything comes from ``CBI_*`` variables or a ``.env`` file and is frozen once read. Secrets are
``SecretStr``: they print as stars and are opened only while a request is signed.
"""

from __future__ import annotations

import os
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Profile = Literal["archive", "live", "tiny"]

PROJECT_ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = PROJECT_ROOT / ".env"
PACKAGED_ARCHIVE = Path(__file__).resolve().parent / "feeds" / "archive_data"


class Clock(Protocol):
    """Where a profile's notion of now comes from."""

    def now(self) -> datetime:
        """The current instant, UTC."""
        ...


class WallClock:
    """The machine's own clock, for the live profile."""

    def now(self) -> datetime:
        """The current instant, UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still: the end of the archived record."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant.astimezone(UTC)

    def now(self) -> datetime:
        """The instant given at construction, UTC."""
        return self._instant


class Settings(BaseSettings):
    """One frozen set of settings.

    Attributes:
        home: private folder that holds everything the product writes.
        profile: ``archive`` (embedded official records), ``tiny`` (the same records, a small
            recipe and few origins) or ``live`` (feeds whose keys are set).
        archive_dir: folder of the embedded records.
        catalogue_file: another catalogue than the packaged one.
        feed_urls: another address of a feed's service, by feed: a mirror, or a test server.
        feed_keys: keys of feeds that are not variables of the environment, by their names.
    """

    model_config = SettingsConfigDict(
        env_prefix="CBI_", env_file=ENV_FILE, extra="ignore", frozen=True
    )

    home: Path = Path(".cbi")
    profile: Profile = "archive"
    archive_dir: Path = PACKAGED_ARCHIVE
    catalogue_file: Path | None = None
    feed_urls: dict[str, str] = Field(default_factory=dict)
    feed_keys: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("home", "archive_dir", "catalogue_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # Dagster starts processes in folders of its own, so a relative path means the project.
        return path if path is None else (PROJECT_ROOT / path.expanduser()).resolve()

    @property
    def ledger_dir(self) -> Path:
        """Response bytes and their manifest."""
        return self.home / "ledger"

    @property
    def warehouse_dir(self) -> Path:
        """The DuckDB file and its published copies."""
        return self.home / "warehouse"

    @property
    def issued_dir(self) -> Path:
        """Plain-file copy of the issued forecasts."""
        return self.home / "issued"

    @property
    def reports_dir(self) -> Path:
        """Rendered reports."""
        return self.home / "reports"

    @property
    def checkpoints_dir(self) -> Path:
        """Training checkpoints and finished walk-forward folds."""
        return self.home / "checkpoints"

    @property
    def dagster_dir(self) -> Path:
        """Dagster's run and event storage."""
        return self.home / "dagster"

    @property
    def mlflow_dir(self) -> Path:
        """Tracking database and artifacts."""
        return self.home / "mlflow"

    @property
    def mlflow_uri(self) -> str:
        """Tracking address: a SQLite file in the private folder."""
        return f"sqlite:///{self.mlflow_dir / 'mlflow.db'}"

    @property
    def clock(self) -> Clock:
        """Wall clock when live; otherwise the recorded end of the archive.

        Raises:
            FileNotFoundError: the archive's PROVENANCE.toml is gone.
        """
        if self.profile == "live":
            return WallClock()
        provenance = self.archive_dir / "PROVENANCE.toml"
        if not provenance.is_file():
            raise FileNotFoundError(
                f"{provenance} is missing: restore the embedded archive or set CBI_ARCHIVE_DIR"
            )
        instant = tomllib.loads(provenance.read_text())["clock"]
        return FixedClock(instant)

    def secret(self, name: str) -> SecretStr | None:
        """The key of that name, from the environment or else from ``.env``; None without one."""
        if name in os.environ:
            return SecretStr(os.environ[name])
        return self.feed_keys.get(name)

    def make_home(self) -> Path:
        """Create the private folder, readable by its owner alone."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.home


def load_settings() -> Settings:
    """Settings from the environment and ``.env`` in the project folder."""
    lines = dotenv_values(ENV_FILE)
    # Which of these a feed asks for, only the feed knows.
    keys = {name: text for name, text in lines.items() if text and not name.startswith("CBI_")}
    return Settings(feed_keys={name: SecretStr(text) for name, text in keys.items()})
