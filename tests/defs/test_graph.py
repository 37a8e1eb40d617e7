"""The graph that operators know does not change unseen."""

import json

from tests.defs.graph import RECORDED, graph


def test_the_graph_is_the_recorded_one():
    # After a wanted change: python -m tests.defs.graph, and read the difference.
    assert graph() == json.loads(RECORDED.read_text())


def test_every_asset_says_what_it_is():
    assert all(len(asset["says"]) > 40 for asset in graph()["assets"].values())
