"""ZIP files of strangers: what is taken out of them, and what is not."""

from __future__ import annotations

import io
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from scai.errors import ArchiveTooLarge, BadArchive
from scai.jobs.batches.unzip import RATIO, Unpacking

MANY, LARGE = 20, 10_000_000


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def with_info(change: Callable[[zipfile.ZipInfo], None], data: bytes = b"data") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.jpg")
        change(info)
        archive.writestr(info, data)
    return out.getvalue()


def unpack(data: bytes, most: int = MANY, limit: int = LARGE) -> Unpacking:
    return Unpacking(io.BytesIO(data), most, limit)


def contents(data: bytes) -> dict[str, bytes]:
    unpacking = unpack(data)
    return {entry.name: b"".join(unpacking.read(entry)) for entry in unpacking.entries}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in(method: int) -> None:
    files = {"a.jpg": b"x" * 200_000, "folder/b.png": bytes(range(256)) * 900, "empty.jpg": b""}
    assert contents(packed(files, method)) == files


def test_a_zip_that_was_written_as_a_stream_is_read() -> None:
    class OneWay(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    out = OneWay()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("a.jpg", b"x" * 5000)
    assert contents(out.data) == {"a.jpg": b"x" * 5000}


def test_a_zip_of_the_large_form_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a.jpg", "w", force_zip64=True) as file:
        file.write(b"data")
    assert contents(out.getvalue()) == {"a.jpg": b"data"}
    # The end of the list in its large form, too, as of a ZIP of more than 65,535 files.
    data = out.getvalue()
    end = data.rfind(b"PK\x05\x06")
    count, size, start = struct.unpack_from("<HLL", data, end + 10)
    large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    place = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    full = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    assert contents(data[:end] + large + place + full) == {"a.jpg": b"data"}


def test_names_come_in_utf8_and_in_the_letters_of_old_programs() -> None:
    data = packed({"貓.jpg": b"1"})
    assert list(contents(data)) == ["貓.jpg"]
    old = packed({"xx.jpg": b"1"}).replace(b"xx.jpg", b"\x84\x81.jpg")
    assert list(contents(old)) == ["äü.jpg"]


def test_what_systems_put_beside_files_is_left_out_without_a_word() -> None:
    beside = ["__MACOSX/._a.jpg", "x/.DS_Store", "Thumbs.db", "._b.jpg", "folder/"]
    files = {"a.jpg": b"1", **dict.fromkeys(beside, b"")}
    assert list(contents(packed(files))) == ["a.jpg"]


@pytest.mark.parametrize(
    "name",
    [
        "../a.jpg",
        "x/../../a.jpg",
        "/etc/a.jpg",
        "C:/a.jpg",
        "c:a.jpg",
        "..\\a.jpg",
        "\\\\host\\a.jpg",
    ],
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    # zipfile would repair some of these names, so they are put in afterwards.
    plain = "n" * len(name)
    data = packed({plain: b"1"}).replace(plain.encode(), name.encode())
    unpacking = unpack(data)
    [entry] = unpacking.entries
    assert "leads out" in entry.refusal
    with pytest.raises(BadArchive, match="leads out"):
        list(unpacking.read(entry))


def refusal_of(change: Callable[[zipfile.ZipInfo], None]) -> str:
    [entry] = unpack(with_info(change)).entries
    return entry.refusal


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16

    assert "link" in refusal_of(change)


def test_a_link_that_says_it_comes_from_another_system_is_refused() -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.create_system = 0
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert "link" in refusal_of(change)


def test_an_encrypted_file_is_refused_wherever_it_says_so() -> None:
    data = packed({"a.jpg": b"1"}, zipfile.ZIP_STORED)
    local, listed = data.index(b"PK\3\4") + 6, data.index(b"PK\1\2") + 8
    for at in (local, listed):
        changed = bytearray(data)
        changed[at] |= 1
        assert "encrypted" in unpack(bytes(changed)).entries[0].refusal


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_odd_ways_of_packing_are_refused(method: int) -> None:
    assert "deflate" in unpack(packed({"a.jpg": b"1"}, method)).entries[0].refusal


@pytest.mark.parametrize("name", ["b.zip", "x/b.ZIP", "b.tar.gz", "b.7z"])
def test_an_archive_in_the_archive_is_not_opened(name: str) -> None:
    assert "archive in an archive" in unpack(packed({name: b"1"})).entries[0].refusal


def test_a_bomb_is_stopped_where_it_begins_to_be_one() -> None:
    unpacking = unpack(packed({"a.jpg": bytes(9_000_000)}))
    total = 0
    with pytest.raises(BadArchive, match=f"{RATIO} times"):
        for piece in unpacking.read(unpacking.entries[0]):
            total += len(piece)
    assert total <= 1_100_000


def test_a_header_that_claims_less_is_found_out() -> None:
    data = packed({"a.jpg": bytes(range(256)) * 8})
    for place in (data.index(b"PK\3\4") + 22, data.index(b"PK\1\2") + 24):
        data = data[:place] + struct.pack("<L", 100) + data[place + 4 :]
    unpacking = unpack(data)
    with pytest.raises(BadArchive, match="longer than the ZIP says"):
        list(unpacking.read(unpacking.entries[0]))


def test_bytes_are_counted_over_all_files() -> None:
    data = packed({f"{n}.jpg": bytes([n]) * 100 for n in range(5)})
    with pytest.raises(ArchiveTooLarge) as caught:
        unpack(data, limit=450)
    assert caught.value.details["setting"] == "max_batch_mb"
    unpacking = unpack(data, limit=500)
    for entry in unpacking.entries:
        list(unpacking.read(entry))
    with pytest.raises(ArchiveTooLarge):  # also when one is asked for twice
        list(unpacking.read(unpacking.entries[0]))


def test_too_many_files_are_too_many() -> None:
    data = packed({f"{n}.jpg": b"1" for n in range(MANY + 1)})
    with pytest.raises(ArchiveTooLarge) as caught:
        unpack(data)
    assert caught.value.details == {"limit": MANY, "setting": "max_batch_photos"}
    with pytest.raises(ArchiveTooLarge):  # folders cost time as well
        unpack(packed({f"{n}/": b"" for n in range(4 * MANY + 101)}))


def test_a_list_of_many_entries_costs_no_memory() -> None:
    data = packed({f"{n}/": b"" for n in range(20_000)})
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveTooLarge):
            unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data) + 500_000
        file = io.BytesIO(data)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(ArchiveTooLarge):
            Unpacking(file, MANY, LARGE)
        assert tracemalloc.get_traced_memory()[1] - before < 300_000
    finally:
        tracemalloc.stop()


def test_files_that_lie_over_each_other_are_a_trick() -> None:
    """Two entries of the list, one place in the file: how a small ZIP holds petabytes."""
    data = packed({"a.jpg": b"1" * 50, "b.jpg": b"2" * 50})
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    changed = data[: second + 42] + struct.pack("<L", 0) + data[second + 46 :]
    with pytest.raises(BadArchive, match="over each other"):
        unpack(changed)


def test_a_file_that_reaches_into_the_list_is_a_trick() -> None:
    data = packed({"a.jpg": b"1" * 50}, zipfile.ZIP_STORED)
    listed = data.index(b"PK\1\2")
    changed = data[: listed + 20] + struct.pack("<LL", 120, 120) + data[listed + 28 :]
    with pytest.raises(BadArchive, match="over each other"):
        unpack(changed)


def test_damage_is_told_of_its_file_only() -> None:
    data = packed({"a.jpg": b"first!" * 9, "b.jpg": b"second" * 9}, zipfile.ZIP_STORED)
    unpacking = unpack(data.replace(b"first!", b"worst!", 1))
    bad, good = unpacking.entries
    with pytest.raises(BadArchive, match="damaged"):
        list(unpacking.read(bad))
    assert b"".join(unpacking.read(good)) == b"second" * 9
    squeezed = packed({"a.jpg": bytes(range(256)) * 40})
    at = squeezed.index(b"a.jpg") + 30
    unpacking = unpack(squeezed[:at] + b"\xff\xff\xff\xff" + squeezed[at + 4 :])
    with pytest.raises(BadArchive, match="damaged"):
        list(unpacking.read(unpacking.entries[0]))


def test_what_is_no_zip_is_told() -> None:
    data = packed({"a.jpg": b"1" * 100})
    end = data.rfind(b"PK\5\6")
    bad = [
        b"",
        b"PK",
        b"\xff\xd8 a picture",
        data[:-1],
        data[: len(data) // 2],
        data[20:],
        data.replace(b"PK\1\2", b"XX\1\2"),
        data.replace(b"PK\3\4", b"XX\3\4"),
        data[:end] + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 2**32 - 2, 2**32 - 2, 0),
        data[:end] + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 10, 0, 0),
    ]
    for each in bad:
        with pytest.raises(BadArchive, match="not a ZIP file"):
            unpack(each)
    in_parts = data[: end + 4] + struct.pack("<H", 3) + data[end + 6 :]
    with pytest.raises(BadArchive, match="several parts"):
        unpack(in_parts)


def test_no_byte_that_is_changed_does_more_than_be_refused() -> None:
    """Every byte of a small ZIP, set to three values: an answer or BadArchive, nothing else."""
    data = packed({"a.jpg": b"abc" * 30, "b/c.png": b"xyz"})
    for at in range(len(data)):
        for value in (0, 0x7F, 0xFF):
            changed = data[:at] + bytes([value]) + data[at + 1 :]
            try:
                unpacking = unpack(changed)
                for entry in unpacking.entries:
                    list(unpacking.read(entry))
            except BadArchive:
                pass
