from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbi_pipeline.registry import RegistryDamaged, _seal

FILES = st.dictionaries(
    st.sampled_from(["MLmodel", "artifacts/a.json", "artifacts/deep/er/b.bin"]),
    st.binary(min_size=1, max_size=30),
    min_size=1,
)


def written(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return _seal.seal(folder)


@given(FILES, st.data())
def test_any_changed_byte_breaks_the_seal(files: dict[str, bytes], data: st.DataObject) -> None:
    with TemporaryDirectory() as scratch:
        digest = written(Path(scratch), files)
        _seal.verify(Path(scratch), digest)
        name = data.draw(st.sampled_from([*files, _seal.SEAL]))
        content = bytearray((Path(scratch) / name).read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        (Path(scratch) / name).write_bytes(content)
        with pytest.raises(RegistryDamaged):
            _seal.verify(Path(scratch), digest)


def test_the_seal_is_one_that_the_standard_tool_checks(tmp_path: Path) -> None:
    written(tmp_path, {"MLmodel": b"x", "artifacts/a.json": b"{}"})
    done = subprocess.run(["sha256sum", "-c", _seal.SEAL], cwd=tmp_path, check=False)
    assert done.returncode == 0
