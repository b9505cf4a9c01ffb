"""Reading a request: forms that are split, forms that are parsed, and files on the disk."""

import io
from pathlib import Path

import pytest
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request

from scai.web import forms
from scai.web.forms import body_of, form_of

LIMIT = 200_000


def part(head: str, data: bytes) -> bytes:
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"


def file(data: bytes, name: str = "a.jpg", field: str = "photo") -> bytes:
    head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    return part(head + "Content-Type: image/jpeg", data)


def text(name: str, value: str) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', value.encode())


END = b"--b--\r\n"
USUAL = {
    "a file": file(b"\xff\xd8data") + END,
    "fields and files": text("model", "é") + file(b"1") + text("model", "2") + file(b"2") + END,
    "empty content": file(b"") + text("top_k", "") + END,
    "content with line ends": file(b"\r\n\r\n--\r\n--a--\n\n") + END,
    "another field": file(b"1", field="picture") + END,
    "no file name": file(b"1", name="") + END,
    "a name to decode": file(b"1", name='C:\\\\x \\"y\\".jpg') + END,
    "no line end behind": file(b"1") + b"--b--",
}
STRANGE = {
    "nothing": b"",
    "only the end": END,
    "lines end in LF": (file(b"1") + END).replace(b"\r\n", b"\n"),
    "words before": b"preamble\r\n" + file(b"1") + END,
    "a blank behind the boundary": b"--b \r\n" + file(b"1")[5:] + END,
    "no end": file(b"1"),
    "half a head": b"--b\r\nContent-Disposition: form-da",
    "no head": b"--b\r\n\r\n\r\n" + END,
    "a folded head": part('Content-Disposition: form-data;\r\n name="x"', b"1") + END,
    "a charset": part(
        'Content-Disposition: form-data; name="x"\r\nContent-Type: text/plain; charset=iso-8859-1',
        b"\xe9",
    )
    + END,
    "a longer boundary inside": file(b"1\r\n--bc\r\n") + END,
    "many parts": text("x", "1") * 150 + END,
    "no name": part("Content-Disposition: form-data", b"1") + END,
    "not UTF-8": b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n1\r\n' + END,
}


def request(body: bytes, type: str = "multipart/form-data; boundary=b") -> Request:
    made = Request.from_values("/", method="POST", input_stream=io.BytesIO(body), content_type=type)
    made.environ["CONTENT_LENGTH"] = str(len(body))
    made.max_form_parts = 1000
    made.max_form_memory_size = 500_000
    return made


def read(body: bytes, folder: Path, small_body: int = forms.SMALL_BODY) -> object:
    with form_of(request(body), "photo", folder, LIMIT, small_body=small_body) as form:
        return form.fields, [(photo.name, photo.picture) for photo in form.photos]


@pytest.mark.parametrize("body", USUAL.values(), ids=USUAL)
def test_splitting_a_form_gives_what_parsing_gives(body: bytes, tmp_path: Path) -> None:
    assert forms.split(body, b"b") is not None
    assert read(body, tmp_path) == read(body, tmp_path, small_body=0)


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE)
def test_forms_of_another_shape_are_parsed(body: bytes, tmp_path: Path) -> None:
    assert forms.split(body, b"b") is None
    try:
        form = read(body, tmp_path)
    except UnicodeDecodeError:
        pytest.fail("a head that is not UTF-8 is the client's mistake")
    assert form == read(body, tmp_path, small_body=0)


def test_a_field_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestEntityTooLarge):
        read(text("model", "x" * 600_000) + END, tmp_path)


@pytest.mark.parametrize("length", [1_100_000, 1_200_000])
def test_a_large_picture_lies_in_the_folder_until_the_end(tmp_path: Path, length: int) -> None:
    data = bytes(range(250)) * (length // 250)
    with form_of(request(file(data) + END), "photo", tmp_path, 2_000_000) as form:
        [photo] = form.photos
        path = photo.picture
        assert isinstance(path, Path) and path.parent == tmp_path and path.read_bytes() == data
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_moved_away_stays(tmp_path: Path) -> None:
    with body_of(request(b"x" * 1_500_000, "image/png"), tmp_path, 2_000_000) as spool:
        path = spool.picture
        assert isinstance(path, Path)
        path.rename(tmp_path / "kept")
    assert [f.name for f in tmp_path.iterdir()] == ["kept"]


def test_what_is_too_large_is_dropped_while_it_comes(tmp_path: Path) -> None:
    source = request(b"x" * 9_000_000, "image/png")
    with body_of(source, tmp_path, 2_000_000) as spool:
        assert spool.too_large and list(tmp_path.iterdir()) == []
        assert source.stream.tell() < 3_000_000
    with form_of(
        request(file(b"x" * 2_500_000) + file(b"y") + END), "photo", tmp_path, 2_000_000
    ) as f:
        assert [photo.too_large for photo in f.photos] == [True, False]
        assert list(tmp_path.iterdir()) == []


def test_uploads_of_in_process_tests_are_read_as_those_of_real_clients(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*arguments: object) -> None:
        raise AssertionError("the slow parser was asked")

    monkeypatch.setattr(forms, "parse", parse)
    assert site.post(KINDS[0], picture(), model="other")["sesskey"]
