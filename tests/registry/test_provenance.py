from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from cbi_pipeline import __version__
from cbi_pipeline.registry import Provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def project(folder: Path) -> Path:
    (folder / "cbi_pipeline").mkdir(parents=True)
    (folder / "cbi_pipeline" / "__init__.py").write_text("")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = project(tmp_path / "project")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_a_clean_checkout_is_named_by_its_commit(checkout: Path) -> None:
    found = Provenance.collect(checkout, "catalogue", "code")
    assert found.git_commit == git(checkout, "rev-parse", "HEAD")
    assert found.git_dirty is False
    assert found.tags()["git_dirty"] == "false"


@pytest.mark.parametrize("name", ["cbi_pipeline/__init__.py", "cbi_pipeline/new.py"])
def test_a_changed_or_added_file_makes_it_dirty(checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed = 1")
    assert Provenance.collect(checkout, "catalogue", "code").git_dirty is True


def test_a_hook_of_another_repository_does_not_mislead(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert Provenance.collect(checkout, "catalogue", "code").git_commit is not None


def test_without_a_checkout_nothing_is_said_about_git(tmp_path: Path) -> None:
    found = Provenance.collect(project(tmp_path / "unpacked"), "catalogue", "code")
    assert (found.git_commit, found.git_dirty) == (None, None)
    assert not [name for name in found.tags() if name.startswith("git")]


def test_a_copy_inside_another_repository_is_not_a_checkout_of_it(checkout: Path) -> None:
    found = Provenance.collect(project(checkout / "vendor" / "copy"), "catalogue", "code")
    assert found.git_commit is None


def test_an_installed_package_says_nothing_of_the_repository_it_lies_in() -> None:
    tags = Provenance.collect(None, "catalogue", "code").tags()
    assert set(tags) == {"catalogue", "code", "contracts", "release"}
    assert tags["release"] == f"cbi-pipeline {__version__}"


def test_a_checkout_without_a_commit_has_none(tmp_path: Path) -> None:
    folder = project(tmp_path / "fresh")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    assert Provenance.collect(folder, "catalogue", "code").git_commit is None


def test_the_lock_file_is_named_by_its_hash(tmp_path: Path) -> None:
    assert Provenance.collect(tmp_path, "catalogue", "code").lock is None
    (tmp_path / "requirements.lock").write_bytes(b"torch==2.13.0\n")
    expected = hashlib.sha256(b"torch==2.13.0\n").hexdigest()
    assert Provenance.collect(tmp_path, "catalogue", "code").tags()["lock"] == expected


def test_contracts_are_named_with_their_versions(tmp_path: Path) -> None:
    contracts = Provenance.collect(tmp_path, "catalogue", "code").contracts
    assert contracts["table features.origin"]
    assert contracts["family eia_spot_daily"]
