"""Many nights with random faults end where nights without any end, and every fault is seen."""

import random
import shutil
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from tests.feed_servers.eia_server import EiaServer
from tests.feed_servers.night import WTI, Installation, eia_installation

BEGIN = datetime(2020, 3, 2, 3, 0, tzinfo=UTC)
FAULTS = [
    "error_429",
    "error_429_late",
    "error_500",
    "html_200",
    "truncated",
    "hangup",
    "cut",
    "empty",
    "cap",
    "warning",
    "filter_ignored",
    "bounds_ignored",
    "column_removed",
    "retyped",
    "weekly",
    "old_500",
    "elsewhere",
]


def publish_year(server: EiaServer, chance: random.Random, nights: int) -> None:
    """Prices published on Wednesday evenings, some late, restated or withdrawn."""
    publisher = server.publisher
    for offset in range(-60, nights):
        day = BEGIN.date() + timedelta(days=offset)
        if day.weekday() > 4:
            continue
        wait = (2 - day.weekday()) % 7 or 7
        release = datetime(day.year, day.month, day.day, 1, 45, tzinfo=UTC)
        release += timedelta(days=wait + 1 + chance.choice([0, 0, 0, 0, 2, 7]))
        price = round(chance.uniform(-40, 120), 2)
        publisher.publish(release, "RWTC", day, str(price))
        if chance.random() < 0.08:
            changed = release + timedelta(days=chance.randint(1, 25))
            text = chance.choice([str(price + 1), publisher.WITHDRAWN, None])
            publisher.publish(changed, "RWTC", day, text)


def simulate(one: Installation, server: EiaServer, nights: int, faults: dict[int, str]) -> list:
    """Run the nights; return (night, broken as the log says) for each."""
    seen = []
    for night in range(nights):
        now = BEGIN + timedelta(days=night)
        server.publisher.now = now
        server.traps = {faults[night]: 10_000} if night in faults else {}
        one.night(now)
        assert_nothing_wrong_is_held(one, server)
        seen.append(bool(one.problem()))
    return seen


def assert_nothing_wrong_is_held(one: Installation, server: EiaServer) -> None:
    said = {(period, text and float(text)) for _, _, period, text in said_ever(server)}
    wrong = [held for held in one.values().items() if held not in said]
    assert not wrong, f"never published: {wrong}"


def said_ever(server):
    hidden = server.publisher.WITHDRAWN
    return [event for event in server.publisher.events if event[3] not in (hidden, None)]


def first_known(one: Installation) -> dict[date, datetime]:
    rows = one.table("raw.observation").filter(series_id=WTI, version=1)
    return dict(rows.select("period", "available_at").iter_rows())


def check(tmp_path, nights: int, seed: int) -> None:
    chance = random.Random(seed)
    # The first night loads the history and the last three are quiet; between them, one in three.
    faults = {
        night: chance.choice(FAULTS) for night in range(1, nights - 3) if chance.random() < 0.33
    }
    with EiaServer() as server:
        publish_year(server, chance, nights)
        calm = eia_installation(tmp_path / "calm", server)
        assert not any(simulate(calm, server, nights, {}))
        rough = eia_installation(tmp_path / "rough", server)
        seen = simulate(rough, server, nights, faults)
    assert [night for night, broken in enumerate(seen) if broken] == sorted(faults)
    assert rough.content() == calm.content()
    known = first_known(calm)
    assert {day for day, at in first_known(rough).items() if at < known.get(day, at)} == set()
    events = [event.kind for event in rough.faults.events() if event.kind != "changed"]
    episodes = sum(night in faults and night - 1 not in faults for night in range(nights))
    assert events == ["opened", "closed"] * episodes


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_a_hundred_nights_with_random_faults_end_where_calm_ones_do(tmp_path, seed):
    check(tmp_path, nights=100, seed=seed)


class Killed(BaseException):
    """Stands for a process that died; nothing may catch it."""


def kill_points() -> list[tuple[object, str]]:
    from cbi_pipeline.ledger import Ledger
    from cbi_pipeline.warehouse import Store, Warehouse

    return [
        (Ledger, "land"),
        (Store, "record"),
        (Store, "append"),
        (Store, "replace"),
        (Store, "state"),
        (Warehouse, "publish"),
    ]


def kill_once(one: Installation, now: datetime, chance: random.Random, patch) -> bool:
    owner, name = chance.choice(kill_points())
    survive, after = chance.randint(0, 2), chance.random() < 0.5
    whole = getattr(owner, name)

    def mortal(self, *args, **kwargs):
        nonlocal survive
        survive -= 1
        if survive >= 0:
            return whole(self, *args, **kwargs)
        if after:
            whole(self, *args, **kwargs)
        raise Killed

    with patch.context() as patched:
        patched.setattr(owner, name, mortal)
        try:
            one.night(now)
        except Killed:
            return True
    return False


def kills(tmp_path, monkeypatch, count: int, nights: int, seed: int) -> None:
    chance = random.Random(seed)
    with EiaServer() as server:
        publish_year(server, chance, nights)
        calm = eia_installation(tmp_path / "calm", server)
        simulate(calm, server, nights, {})
        rough = eia_installation(tmp_path / "rough", server)
        died, night = 0, 0
        while died < count or night < nights:
            now = BEGIN + timedelta(days=min(night, nights - 1))
            server.publisher.now = now
            whole = False
            if died < count:
                whole = not kill_once(rough, now, chance, monkeypatch)
                died += not whole
                assert rough.ledger.damage() == []
                if not whole and chance.random() < 0.5:
                    continue  # into the next kill
            if not whole:
                rough.night(now)
            night += 1
            if night >= nights and died < count:
                assert rough.content() == calm.content()
                shutil.rmtree(rough.home)
                night = 0
        rough.night(now)
    assert rough.content() == calm.content()
    assert_every_row_is_traced(rough)


def assert_every_row_is_traced(one: Installation) -> None:
    rows, txns = one.table("raw.observation"), one.table("ledger.txn")
    landed = {response.response_id for response in one.ledger.responses()}
    assert set(rows["response_id"]) <= landed
    assert set(rows["txn_id"]) <= set(txns["txn_id"])
    assert txns["state_before"][1:].equals(txns["state_after"][:-1])
    assert rows.select(pl.struct("series_id", "period", "version").is_unique().all()).item()


@pytest.mark.slow
def test_fifty_random_kills_end_with_the_same_content(tmp_path, monkeypatch):
    kills(tmp_path, monkeypatch, count=50, nights=25, seed=4)
