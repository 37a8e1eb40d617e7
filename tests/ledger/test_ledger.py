"""What was landed can be read back exactly, and damage is named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbi_pipeline.ledger import Ledger, LedgerDamaged, Response, verify_files
from data_contracts import contract

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def land(
    ledger: Ledger, body: bytes = b"body", url: str = "archive://a", **more: object
) -> Response:
    return ledger.land(feed="archive", url=url, body=body, fetched_at=NOW, **more)  # type: ignore[arg-type]


@settings(max_examples=30)
@given(body=st.binary(max_size=300))
def test_bytes_come_back_as_they_were_landed(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    assert ledger.body(land(ledger, body)) == body


def test_landing_the_same_answer_twice_leaves_one_response(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert land(ledger) == land(ledger)
    assert len(ledger.responses()) == 1


def test_another_answer_from_the_same_address_is_another_response(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    land(ledger, b"one")
    land(ledger, b"two")
    assert [ledger.body(response) for response in ledger.responses("archive")] == [b"one", b"two"]


def test_a_new_process_reads_what_an_old_one_landed(tmp_path: Path) -> None:
    landed = land(Ledger(tmp_path))
    assert Ledger(tmp_path).responses() == [landed]


def test_a_changed_byte_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    response = land(ledger)
    blob = tmp_path / response.blob
    blob.write_bytes(b"bodY")
    with pytest.raises(LedgerDamaged, match=response.sha256):
        ledger.body(response)
    assert len(ledger.damage()) == 1


def test_missing_bytes_are_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    response = land(ledger)
    (tmp_path / response.blob).unlink()
    with pytest.raises(LedgerDamaged, match="missing"):
        ledger.body(response)


def test_a_line_cut_off_by_a_crash_is_dropped_and_the_next_landing_is_whole(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = land(ledger, b"one")
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write('{"response_id": "cut o')
    assert ledger.responses() == [first]
    second = land(ledger, b"two")
    assert Ledger(tmp_path).responses() == [first, second]


def test_a_secret_in_body_address_or_headers_is_masked_before_the_first_write(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path)
    key = "sentinel-0123456789abcdef"
    response = land(
        ledger,
        body=f'{{"request": {{"api_key": "{key}"}}}}'.encode(),
        url=f"https://example.test/?api_key={key}",
        headers={"location": f"/?api_key={key}"},
        secrets=[key],
    )
    assert response.masked != "[]"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes()


def test_rows_of_the_response_table_keep_their_contract(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    land(ledger)
    contract("ledger.response").validate(ledger.frame(ledger.responses()))


def test_an_answer_landed_meanwhile_by_another_process_is_known(tmp_path: Path) -> None:
    mine, other = Ledger(tmp_path), Ledger(tmp_path)
    land(mine, b"one")
    theirs = land(other, b"two")
    assert land(mine, b"two") == theirs
    assert len(mine.responses()) == 2


def test_a_manifest_that_was_taken_away_is_begun_anew(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    landed = land(ledger)
    (tmp_path / "manifest.jsonl").unlink()
    assert land(ledger) == landed
    assert ledger.responses() == [landed]


SAID = [
    {"status": 200, "headers": {"x-fields": "a,b", "date": "Mon"}},
    {"status": 200, "headers": {"x-fields": "a", "date": "Mon"}},
    {"status": 203, "headers": {"x-fields": "a,b", "date": "Mon"}},
]


def test_the_same_bytes_with_another_status_or_headers_are_another_response(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    landed = [land(ledger, **said) for said in SAID]
    assert len({response.response_id for response in landed}) == 3
    assert len(list(ledger.stored_bodies())) == 1
    again = Ledger(tmp_path)
    assert [land(again, **said) for said in SAID] == landed == again.responses()
    assert verify_files(again) == []


def test_the_hour_of_an_answer_alone_makes_no_other_response(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = land(ledger, headers={"date": "Mon", "etag": "1"})
    assert land(ledger, headers={"date": "Tue", "etag": "1"}) == first


def test_a_second_sighting_whose_headers_were_changed_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for said in SAID[:2]:
        land(ledger, **said)
    text = ledger.manifest.read_text().splitlines()
    text[1] = text[1].replace('x-fields\\": \\"a', 'x-fields\\": \\"c')
    ledger.manifest.write_text("\n".join(text) + "\n")
    (fault,) = verify_files(Ledger(tmp_path))
    assert "line 2 was changed" in fault
