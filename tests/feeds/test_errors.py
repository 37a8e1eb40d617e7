import pickle

import pytest

from cbi_pipeline.feeds import errors

LEAVES = [
    errors.MissingCredential,
    errors.RejectedCredential,
    errors.RateLimited,
    errors.FeedUnavailable,
    errors.UnexpectedShape,
    errors.IncompleteResponse,
    errors.ArchiveFileMissing,
    errors.ArchiveChecksumMismatch,
]


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_says_which_feed_what_happened_and_what_to_do(kind):
    error = kind("eia", "no key is set", "Set EIA_API_KEY")
    assert isinstance(error, errors.FeedError)
    assert str(error) == "eia: no key is set. Set EIA_API_KEY."


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_survives_the_way_out_of_a_child_process(kind):
    error = pickle.loads(pickle.dumps(kind("eia", "no key is set", "Set EIA_API_KEY")))
    assert type(error) is kind
    assert error.remedy == "Set EIA_API_KEY"


def test_every_error_is_drawn_in_the_tree():
    for kind in [*LEAVES, errors.ArchiveError]:
        assert kind.__name__ in (errors.__doc__ or "")
