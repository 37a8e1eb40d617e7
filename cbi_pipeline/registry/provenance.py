"""Where a model comes from besides its data: code, dependencies, contracts and catalogue."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cbi_pipeline import __version__

_TRACKED = "cbi_pipeline/__init__.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a version records of the code and configuration that made it.

    Attributes:
        catalogue: identity of the catalogue.
        contracts: version of every table and family contract.
        code: identity of the sources and libraries that train and judge.
        release: name and number of the package.
        git_commit: commit of the checkout; None when the project is not one.
        git_dirty: True when files differ from that commit; None without a commit.
        lock: sha256 of the dependency lock file; None when there is none.
    """

    catalogue: str
    contracts: Mapping[str, str]
    code: str
    release: str = f"cbi-pipeline {__version__}"
    git_commit: str | None = None
    git_dirty: bool | None = None
    lock: str | None = None

    @classmethod
    def collect(cls, root: Path | None, catalogue: str, code: str) -> Provenance:
        """Read the provenance of the project in ``root``; what cannot be known stays None.

        An installed package has no project folder; the folder it lies in may well be part of
        somebody else's repository.
        """
        from data_contracts.fingerprint import fingerprints

        versions = {name: entry["version"] for name, entry in fingerprints().items()}
        stated = cls(catalogue=catalogue, code=code, contracts=versions)
        if root is None:
            return stated
        lock = root / "requirements.lock"
        commit = _git(root, "rev-parse", "--verify", "HEAD") if _is_checkout(root) else None
        changes = _git(root, "status", "--porcelain", "--", ".") if commit else None
        return replace(
            stated,
            git_commit=commit,
            git_dirty=None if changes is None else bool(changes),
            lock=hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None,
        )

    @property
    def revision(self) -> str | None:
        """The commit, and whether files differ from it; None without one."""
        return f"{self.git_commit} with changes" if self.git_dirty else self.git_commit

    def tags(self) -> dict[str, str]:
        """Tags of the run and the version; nothing is said about what is not known."""
        named = {
            "catalogue": self.catalogue,
            "code": self.code,
            "contracts": json.dumps(dict(self.contracts), sort_keys=True),
            "git_commit": self.git_commit,
            "git_dirty": None if self.git_dirty is None else str(self.git_dirty).lower(),
            "lock": self.lock,
            "release": self.release,
        }
        return {name: value for name, value in named.items() if value is not None}


def _is_checkout(root: Path) -> bool:
    # A project unpacked inside some other repository is not a checkout of that repository.
    return _git(root, "ls-files", "--error-unmatch", "--", _TRACKED) is not None


def _git(root: Path, *arguments: str) -> str | None:
    # Inside a git hook, GIT_DIR and its kin would point at another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
    except FileNotFoundError:  # no git on this machine, so no commit can be told
        return None
    return done.stdout.strip() if done.returncode == 0 else None
