"""When another night would come to the same."""

import pytest

from cbi_pipeline.operations import change_detection
from cbi_pipeline.operations.pipeline import Pipeline
from cbi_pipeline.settings import Settings


@pytest.fixture
def root(tmp_path):
    for name in ("cbi_pipeline", "data_contracts"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "one.py").write_text("one = 1\n")
    (tmp_path / "requirements.lock").write_text("polars==2.1.0\n")
    return tmp_path


def test_there_is_something_to_do_in_an_empty_home_and_looking_makes_no_file(tmp_path):
    pipeline = Pipeline(Settings(home=tmp_path / ".cbi"))
    assert not change_detection.is_unchanged(pipeline)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["last_night.json", "standing.json"])
def test_the_note_of_a_night_is_read_by_the_name_that_earlier_versions_gave_it_too(
    tmp_path, monkeypatch, name
):
    pipeline = Pipeline(Settings(home=tmp_path))
    for product in change_detection._products(pipeline):
        product.parent.mkdir(parents=True, exist_ok=True)
        product.touch()
    monkeypatch.setattr(change_detection, "basis", lambda _: {"state": "s"})
    (tmp_path / name).write_text('{"state": "s"}')
    assert change_detection.is_unchanged(pipeline)
    (tmp_path / name).write_text('{"state": "t"}')
    assert not change_detection.is_unchanged(pipeline)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cbi_pipeline/inner/one.py", "one = 2\n"),
        ("data_contracts/inner/two.py", "one = 1\n"),
        ("cbi_pipeline/catalogue.toml", "[commodity]\n"),
        ("requirements.lock", "polars==2.2.0\n"),
    ],
)
def test_a_changed_source_or_pin_is_another_configuration(root, name, text):
    before = change_detection.code(root)
    (root / name).write_text(text)
    assert change_detection.code(root) != before


def test_without_a_lock_another_library_is_another_configuration(root, tmp_path, monkeypatch):
    (root / "requirements.lock").unlink()
    before = change_detection.code(root)
    library = tmp_path / "site" / "library-1.0.dist-info"
    library.mkdir(parents=True)
    (library / "METADATA").write_text("Metadata-Version: 2.1\nName: library\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert change_detection.code(root) != before


def test_a_moved_source_is_another_configuration(root):
    before = change_detection.code(root)
    (root / "cbi_pipeline/inner/one.py").rename(root / "cbi_pipeline/inner/other.py")
    assert change_detection.code(root) != before


def test_compiled_files_and_other_folders_are_not_configuration(root):
    before = change_detection.code(root)
    (root / "cbi_pipeline/inner/one.cpython-311.pyc").write_bytes(b"\x00")
    (root / "README.md").write_text("words")
    assert change_detection.code(root) == before
