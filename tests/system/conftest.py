"""One undisturbed night, shared by the tests that only look at it."""

import pytest

from tests.system.homes import Home, copied


@pytest.fixture(scope="session")
def undisturbed(one_night, tmp_path_factory) -> Home:
    folder = tmp_path_factory.mktemp("undisturbed") / ".cbi"
    return Home(copied(one_night, folder))
