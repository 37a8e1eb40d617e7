"""Prints what the leak detector caught after the run."""

import pytest

POWER = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def power(request) -> dict[str, str]:
    """Where a leak test notes how often it was caught."""
    return request.config.stash.setdefault(POWER, {})


def pytest_terminal_summary(terminalreporter, config) -> None:
    caught = config.stash.get(POWER, {})
    if caught:
        terminalreporter.section("power of the leak detector (planted leaks caught, of instants)")
        for leak, share in sorted(caught.items()):
            terminalreporter.write_line(f"{share:>8}  {leak}")
