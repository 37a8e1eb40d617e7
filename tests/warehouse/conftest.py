from contextlib import contextmanager, suppress

import pytest

from cbi_pipeline.warehouse import Warehouse


class _Undo(Exception):
    pass


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture(scope="module")
def undone(tmp_path_factory):
    """A context that gives an empty store and rolls back what was written: far quicker than a
    new database for each generated example."""
    with Warehouse(tmp_path_factory.mktemp("warehouse")).write() as store:

        @contextmanager
        def transaction():
            with suppress(_Undo), store.transaction():
                yield store
                raise _Undo

        yield transaction


@pytest.fixture
def store(undone):
    with undone() as opened:
        yield opened
