"""A home that took the archive is refused to the live services, before any of them is asked."""

from datetime import UTC, datetime

import pytest

from cbi_pipeline.ledger import Entry, Ledger
from tests.defs.trees import footprint

NOWHERE = '{"eia": "http://127.0.0.1:9/v2", "cftc": "http://127.0.0.1:9"}'


@pytest.mark.parametrize("command", ["run", "feeds pull eia", "feeds pull cftc"])
def test_a_home_of_the_archive_is_refused_in_one_line(cbi_here, tmp_path, command):
    home = tmp_path / "home"
    seen_at = datetime(2026, 1, 5, tzinfo=UTC)
    asked = {
        **{"kind": "files", "responses": [], "series": []},
        "known_until": seen_at.isoformat(),
    }
    Ledger(home / "ledger").log(Entry(1, "archive", seen_at, asked, {}))
    before = footprint(home)
    live = {"CBI_PROFILE": "live", "CBI_FEED_URLS": NOWHERE, "EIA_API_KEY": "k" * 40}
    done = cbi_here(*command.split(), home=home, **live)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"{home} holds the archive's closed records" in done.stderr
    assert "set CBI_HOME to another folder, or CBI_PROFILE=archive" in done.stderr
    assert footprint(home) == before
