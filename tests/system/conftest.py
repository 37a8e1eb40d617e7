"""One undisturbed night, shared by the tests that only look at it."""

import pytest

from tests.system.homes import Home


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Home:
    home = Home(tmp_path_factory.mktemp("undisturbed") / ".cbi")
    home.run()
    return home
