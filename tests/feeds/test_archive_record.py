import gzip
import hashlib
import tomllib
from datetime import UTC, date, datetime

import polars as pl
import pytest

from cbi_pipeline.feeds import UnexpectedShape, archive
from cbi_pipeline.feeds.errors import ArchiveChecksumMismatch, ArchiveFileMissing
from data_contracts.families import FAMILIES

FILES = [
    "eia-wti-daily.csv.gz",
    "eia-petroleum-weekly.csv.gz",
    "eia-mer-2017-06-28.csv.gz",
    "eia-mer-2017-07-26.csv.gz",
    "eia-mer-2019-03-26.csv.gz",
]


def files(folder=archive.PACKAGED):
    """The files that the archive of a folder asks to be opened."""
    return archive.source(folder).pulls((), {}, date.today())


def test_the_shipped_archive_is_whole_and_unmodified():
    assert [file.name for file in archive.verify()] == FILES
    assert archive.read_record().modified == ()


def test_files_are_read_in_recorded_order_so_issues_come_in_theirs():
    assert [pull.url for pull in files()] == [f"archive://{name}" for name in FILES]


def test_shipped_files_are_compact():
    assert all((archive.PACKAGED / name).stat().st_size < 200_000 for name in FILES)


def test_recorded_row_counts_are_those_of_the_files():
    for file in archive.read_record().files:
        plain = gzip.decompress((archive.PACKAGED / file.name).read_bytes())
        assert file.rows == len(plain.splitlines()) - 1


def test_the_clock_is_the_last_instant_at_which_a_value_became_public():
    frames = [archive.parse(pull.url, pull.path.read_bytes()).frame for pull in files()]
    assert archive.read_record().clock == pl.concat(frames)["available_at"].max()
    assert archive.read_record().clock == datetime(2020, 2, 12, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", [*FILES, archive.RECORD])
def test_a_deleted_file_is_named_and_nothing_is_offered(archive_dir, name):
    (archive_dir / name).unlink()
    with pytest.raises(ArchiveFileMissing, match=name):
        files(archive_dir)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 4, 5000, -1])
def test_one_flipped_bit_is_noticed_and_the_file_named(archive_dir, name, place):
    path = archive_dir / name
    body = bytearray(path.read_bytes())
    body[place] ^= 1
    path.write_bytes(body)
    with pytest.raises(ArchiveChecksumMismatch, match=name) as caught:
        archive.verify(archive_dir)
    assert "cbi archive seal" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "clock = ", "clock = 2020-01-01T00:00:00Z\n", "\xff"])
def test_an_unreadable_record_is_named(archive_dir, text):
    (archive_dir / archive.RECORD).write_text(text, encoding="latin-1")
    with pytest.raises(UnexpectedShape, match=archive.RECORD):
        archive.verify(archive_dir)


def test_an_edited_file_passes_once_sealed_and_is_marked_as_modified(archive_dir, edit):
    edit(FILES[0], "1/3/1986,26\r\n", "1/3/1986,27\r\n1/3/1986,28\r\n")
    assert archive.seal(archive_dir) == (FILES[0],)
    record = archive.read_record(archive_dir)
    assert record.modified == (FILES[0],)
    assert record.files[0].rows == 8612
    assert archive.verify(archive_dir)[0].sha256 == _sha256(archive_dir / FILES[0])


def test_sealing_changes_checksum_rows_and_mark_and_nothing_else(archive_dir, edit):
    before = _toml(archive_dir)
    edit(FILES[0], "1/3/2019,46.92", "1/3/2029,46.92")
    archive.seal(archive_dir)
    after = _toml(archive_dir)
    for entry in (before["file"][0], after["file"][0]):
        for name in ("sha256", "rows", "modified"):
            del entry[name]
    assert after == before


def test_sealing_an_unchanged_archive_changes_no_byte(archive_dir):
    before = (archive_dir / archive.RECORD).read_bytes()
    assert archive.seal(archive_dir) == ()
    assert (archive_dir / archive.RECORD).read_bytes() == before


def test_a_file_put_back_as_shipped_is_no_longer_modified(archive_dir, edit):
    shipped = (archive_dir / archive.RECORD).read_bytes()
    body = (archive_dir / FILES[0]).read_bytes()
    edit(FILES[0], "1/3/1986,26\r\n", "1/3/1986,27\r\n")
    archive.seal(archive_dir)
    (archive_dir / FILES[0]).write_bytes(body)
    archive.seal(archive_dir)
    assert (archive_dir / archive.RECORD).read_bytes() == shipped


def test_a_missing_file_cannot_be_sealed_away(archive_dir):
    (archive_dir / FILES[1]).unlink()
    with pytest.raises(ArchiveFileMissing, match=FILES[1]):
        archive.seal(archive_dir)


def test_a_ruined_file_cannot_be_sealed(archive_dir):
    before = (archive_dir / archive.RECORD).read_bytes()
    (archive_dir / FILES[1]).write_bytes(b"not gzip")
    with pytest.raises(UnexpectedShape, match=FILES[1]):
        archive.seal(archive_dir)
    assert (archive_dir / archive.RECORD).read_bytes() == before


def test_every_series_has_a_family_that_knows_its_unit_frequency_and_rights():
    series = archive.series_of()
    assert len({one.id for one in series}) == len(series) == 50
    for one in series:
        family = FAMILIES[one.family]
        assert one.unit in family.bounds
        assert one.frequency == family.frequency
        assert one.rights == family.rights == "public-domain"


def test_recorded_spans_are_those_of_the_rows():
    spans = {one.id: (one.first, one.last) for one in archive.series_of()}
    assert spans["EIA.RWTC"] == (date(1986, 1, 2), date(2019, 1, 3))
    assert spans["EIA.EMM_EPMMU_PTE_SMN_DPG"] == (date(2000, 6, 5), date(2020, 2, 10))
    assert spans["EIA.WTTSTUS1"] == (date(2000, 6, 2), date(2020, 2, 7))
    assert spans["EIA.MER.TETCBUS"] == (date(1973, 1, 1), date(2018, 12, 1))


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _toml(folder):
    return tomllib.loads((folder / archive.RECORD).read_text())
