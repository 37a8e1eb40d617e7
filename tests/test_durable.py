"""A crash while a file is written leaves the one that was there, and nothing beside it."""

import os

import pytest

from cbi_pipeline.durable import write_durably


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_breaks_off_leaves_the_old_file_alone(tmp_path, monkeypatch, step):
    path = tmp_path / "notes" / "state.json"
    write_durably(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space left"):
        write_durably(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_what_is_written_and_the_folders_above_it_are_the_owners_alone(tmp_path):
    path = tmp_path / "a" / "b" / "state.json"
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert {one.stat().st_mode & 0o077 for one in (path, path.parent, path.parent.parent)} == {0}
