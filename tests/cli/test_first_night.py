"""A first night without any network, as a user meets it."""

import pytest

pytestmark = pytest.mark.slow

NOWHERE = '{"eia": "https://eia.invalid/v2", "cftc": "https://cftc.invalid"}'


def test_it_says_that_the_services_could_not_be_reached_and_not_to_do_what_is_being_done(
    cbi, tmp_path
):
    live = {"CBI_PROFILE": "live", "CBI_FEED_URLS": NOWHERE, "EIA_API_KEY": "k" * 40}
    done = cbi("run", home=tmp_path / "home", **live)
    assert done.returncode == 1
    assert "eia.invalid could not be reached" in done.stderr
    assert "cftc.invalid could not be reached" in done.stderr
    assert "no source has brought anything yet" in done.stderr
    assert "cbi run" not in done.stderr
