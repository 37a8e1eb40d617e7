"""Which services a profile asks: all that need no key in public, every series from one in each."""

from collections import Counter

import pytest

from cbi_pipeline import ingest
from cbi_pipeline.settings import Settings


@pytest.fixture
def settings(tmp_path):
    def make(profile: str) -> Settings:
        return Settings(_env_file=None, home=tmp_path, profile=profile)

    return make


def test_public_asks_no_service_that_needs_a_key(settings):
    feeds = ingest.profile_feeds(settings("public"))
    assert feeds
    assert not [
        one for one in feeds.values() if one.asked.credential and one.asked.credential.required
    ]


@pytest.mark.parametrize("profile", ["public", "live"])
def test_a_series_has_one_source(settings, profile):
    feeds = ingest.profile_feeds(settings(profile)).values()
    brought = Counter(series.id for feed in feeds for series in feed.series)
    assert set(brought.values()) == {1}


def test_what_public_brings_live_brings_under_the_same_name_unit_and_family(settings):
    public, live = (
        {
            series.id: (series.unit, series.family, series.frequency, series.dimensions)
            for feed in ingest.profile_feeds(settings(profile)).values()
            for series in feed.series
        }
        for profile in ("public", "live")
    )
    assert public.items() <= live.items()


@pytest.mark.parametrize(
    ("profile", "feed", "words"),
    [
        ("archive", "eia", "rests on embedded records; CBI_PROFILE=live asks it"),
        ("archive", "cftc", "CBI_PROFILE=live or CBI_PROFILE=public asks it"),
        ("public", "eia", "asks no service that needs a key; CBI_PROFILE=live asks it"),
        ("live", "eia_history", "has another source of its series; CBI_PROFILE=public asks it"),
    ],
)
def test_why_a_service_is_not_asked_is_told_with_who_asks_it(settings, profile, feed, words):
    assert words in (ingest.why_not_asked(settings(profile), feed) or "")
