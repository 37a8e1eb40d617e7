"""Who hears how far long work is."""

from contextlib import contextmanager

import pytest

from cbi_pipeline.operations import progress


def test_nobody_needs_to_watch():
    with progress.track("work", 2) as done:
        done("one")


def test_a_watcher_hears_titles_steps_and_notes_until_it_leaves():
    heard = []

    @contextmanager
    def watcher(title, steps):
        heard.append((title, steps))
        yield heard.append

    with progress.watched_by(watcher), progress.track("training", 3) as done:
        done("epoch 1")
    with progress.track("unheard", 1) as done:
        done("nothing")
    assert heard == [("training", 3), "epoch 1"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40, "40 s"), (100, "2 min"), (5_940, "99 min"), (12_600, "3.5 h")],
)
def test_a_duration_is_told_in_its_own_unit(seconds, words):
    assert progress.describe_duration(seconds) == words
