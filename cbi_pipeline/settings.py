"""Settings: where things lie, which profile runs, and the secrets of the feeds.

Everything comes from ``CBI_*`` variables or a ``.env`` file and is frozen once read. Secrets are
``SecretStr``: they print as stars and are opened only while a request is signed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSource

from cbi_pipeline.home import HomeRefused, make_private

Profile = Literal["archive", "public", "live"]

#: The folder that holds the packages: of a checkout the project folder, else where pip put them.
PROJECT_ROOT = Path(__file__).resolve().parent.parent


def _holds_the_project(folder: Path) -> bool:
    # Read as text: a project file that is just being edited is still the project's.
    try:
        return 'name = "cbi-pipeline"' in (folder / "pyproject.toml").read_text(errors="replace")
    except OSError:
        return False


IS_CHECKOUT = _holds_the_project(PROJECT_ROOT)
#: A relative file is looked for in the working folder whenever settings are read.
ENV_FILE = PROJECT_ROOT / ".env" if IS_CHECKOUT else Path(".env")
SHIPPED_CATALOGUES = Path(__file__).resolve().parent / "catalogue" / "shipped"
PACKAGED_ARCHIVE = Path(__file__).resolve().parent / "feeds" / "archive_data"


def base_folder() -> Path:
    """The folder that relative paths start from.

    In a checkout that is the project folder, from wherever a command is given; an installed
    package has none, so there it is the working folder.
    """
    return PROJECT_ROOT if IS_CHECKOUT else Path.cwd()


class SettingsError(Exception):
    """A setting cannot be used; the message names it and quotes nothing that may be a key."""


class Settings(BaseSettings):
    """One frozen set of settings.

    Attributes:
        home: private folder that holds everything the product writes.
        profile: ``archive`` (embedded official records), ``public`` (every service that needs no
            key) or ``live`` (those whose keys are set beside these).
        archive_dir: folder of the embedded records.
        catalogue_file: a catalogue that is laid over the one that ships and over the home's own; a
            name without a folder may be that of another one that ships.
        mlflow_uri: address of an MLflow tracking server; where unset, of a file in ``home``.
        mlflow_page: where people open MLflow's pages, for links to a run; where unset, the tracking
            server, or what ``cbi ui`` serves.
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
    mlflow_uri: str = Field(default="", validate_default=True)
    mlflow_page: str | None = Field(default=None, pattern="^https?://")
    feed_urls: dict[str, str] = Field(default_factory=dict)
    feed_keys: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("catalogue_file", mode="before")
    @classmethod
    def _drop_empty(cls, given: object) -> object:
        # So that a line of .env is taken back for one command.
        return None if given == "" else given

    @field_validator("catalogue_file")
    @classmethod
    def _by_name(cls, path: Path | None) -> Path | None:
        if path is None or path.name != str(path) or (base_folder() / path).exists():
            return path
        shipped = SHIPPED_CATALOGUES / path
        return shipped if shipped.exists() else path

    @field_validator("home", "archive_dir", "catalogue_file")
    @classmethod
    def _make_absolute(cls, path: Path | None) -> Path | None:
        try:
            return path if path is None else (base_folder() / path.expanduser()).resolve()
        except RuntimeError as error:  # no such user after ~, or links that go round in a circle
            raise ValueError(str(error)) from error
        except FileNotFoundError as error:
            raise ValueError("the working folder is gone; change to another") from error

    @field_validator("mlflow_uri")
    @classmethod
    def _server_or_own(cls, address: str, info: ValidationInfo) -> str:
        own = f"sqlite:///{info.data.get('home', Path())}/mlflow/mlflow.db"
        if address in ("", own):
            return own
        if not re.fullmatch(r"https?://[^/@\s]+(/\S*)?", address):
            raise ValueError(
                "give the http:// or https:// address of a tracking server; a name and a password "
                "for it go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return address

    @field_validator("home")
    @classmethod
    def _can_be_a_folder(cls, home: Path) -> Path:
        there = next(path for path in (home, *home.parents) if os.access(path, os.F_OK))
        if not there.is_dir():
            raise ValueError(f"{there} is a file, so nothing can be kept in it")
        if not os.access(there, os.X_OK):
            raise ValueError(f"{there} may not be entered by you")
        return home

    @property
    def has_services(self) -> bool:
        """Whether services are asked, by the wall clock; the archive's records are closed."""
        return self.profile != "archive"

    @property
    def catalogue_dir(self) -> Path:
        """Catalogue files of this home, and its ``recipes``."""
        return self.home / "catalogue"

    @property
    def catalogue_files(self) -> tuple[Path, ...]:
        """What is laid over the catalogue that ships, in turn."""
        last = () if self.catalogue_file is None else (self.catalogue_file,)
        own = (file for file in sorted(self.catalogue_dir.glob("*.toml")) if file not in last)
        return (*own, *last)

    @property
    def recipe_folders(self) -> tuple[Path, ...]:
        """Where recipes are looked for beside those that ship; the last counts."""
        folders = [self.catalogue_dir]
        if self.catalogue_file is not None:
            folders.append(self.catalogue_file.parent)
        return tuple(folder / "recipes" for folder in folders)

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
    def plots_dir(self) -> Path:
        """Plots that Dagster's pages show."""
        return self.home / "plots"

    @property
    def checkpoints_dir(self) -> Path:
        """Training checkpoints and finished walk-forward folds."""
        return self.home / "checkpoints"

    @property
    def folds_dir(self) -> Path:
        """Finished walk-forward folds, a folder per recipe."""
        return self.checkpoints_dir / "walk_forward"

    @property
    def dagster_dir(self) -> Path:
        """Dagster's run and event storage."""
        return self.home / "dagster"

    @property
    def mlflow_dir(self) -> Path:
        """Tracking database and artifacts."""
        return self.home / "mlflow"

    @property
    def has_mlflow_server(self) -> bool:
        """Whether runs and models go to a tracking server."""
        return not self.mlflow_uri.startswith("sqlite:")

    def secret(self, name: str) -> SecretStr | None:
        """The key of that name, from the environment or else from ``.env``; None without one."""
        if name in os.environ:
            return SecretStr(os.environ[name])
        return self.feed_keys.get(name)

    def make_home(self) -> Path:
        """Create the private folder, or close the one that is there to everyone but its owner.

        Raises:
            SettingsError: it cannot be made or closed, or holds things of others.
        """
        try:
            make_private(self.home)
        except HomeRefused as error:
            raise SettingsError(f"CBI_HOME: {error}") from error
        except OSError as error:
            raise SettingsError(
                f"CBI_HOME: {self.home} cannot be made private to you ({error.strerror}); "
                "set it to a folder that you may write to"
            ) from error
        return self.home


def load_settings() -> Settings:
    """Settings from the environment and the ``.env`` of :func:`base_folder`.

    Raises:
        SettingsError: a setting cannot be used.
    """
    try:
        lines = dotenv_values(ENV_FILE)
    except (OSError, UnicodeDecodeError) as error:
        # Not chained, as below: a decoding error holds the whole text.
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SettingsError(f"{ENV_FILE} cannot be read: {why}") from None
    # Which of these a feed asks for, only the feed knows.
    keys = {name: text for name, text in lines.items() if text and not name.startswith("CBI_")}
    try:
        return Settings(feed_keys={name: SecretStr(text) for name, text in keys.items()})
    except (ValidationError, UnreadableSource) as error:
        # Not chained: the error itself quotes what it was given, which may be a key.
        raise SettingsError(f"{_faults(error)}; correct it in the environment or .env") from None


def _faults(error: ValidationError | UnreadableSource) -> str:
    if isinstance(error, UnreadableSource):
        return f"CBI_FEED_URLS and CBI_FEED_KEYS take a JSON object ({error})"
    return "; ".join(
        f"CBI_{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_input=False, include_url=False)
    )
