"""The page of a photo and the plain form, without a browser."""

from __future__ import annotations

import html
import io
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from PIL import Image
from support.helpers import picture
from support.inprocess import Site
from support.kinds import IC, OD
from werkzeug.test import TestResponse

from scai.errors import EngineError
from scai.storage.session import Session
from scai.web import csrf


def send(site: Site, *files: tuple[bytes, str], kind: str = IC.name, **fields: str) -> TestResponse:
    """Send the plain form with the token of this browser."""
    token = "ab" * 20
    site.http.set_cookie(csrf.COOKIE, token)
    photos = [(io.BytesIO(data), name) for data, name in files]
    data: dict[str, Any] = {csrf.FIELD: token, "kind": kind, "photo": photos, **fields}
    return site.http.post("/photo", data=data, content_type="multipart/form-data")


def pairs_of(address: str) -> list[dict[str, str]]:
    """Name and key of each photo that an address of the page names."""
    fields_of_query = parse_qsl(urlsplit(address).query)
    keys = [value for name, value in fields_of_query if name == "key"]
    tasks = [value for name, value in fields_of_query if name == "task"]
    return [{"task": task, "key": key} for task, key in zip(tasks, keys, strict=True)]


def text_of(response: TestResponse) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text)))


def test_the_form_leads_to_a_page_that_waits_and_then_shows_the_result(site: Site) -> None:
    sent = send(site, (picture(), "three.jpg"))
    assert sent.status_code == 303
    waiting = site.http.get(sent.location)
    assert waiting.status_code == 200
    assert 'http-equiv="refresh"' in waiting.text
    assert "This photo is next." in text_of(waiting)
    assert "three.jpg" in text_of(waiting)
    site.workers[IC.name].step()
    done = site.http.get(sent.location)
    assert 'http-equiv="refresh"' not in done.text
    assert re.search(r"grey\s+\d+\.\d%", text_of(done))
    assert done.headers["Cache-Control"] == "no-store"


def test_the_page_says_how_many_wait_before_a_photo(site: Site) -> None:
    sent = [send(site, (picture(), "a.jpg")) for _ in range(3)]
    pages = [text_of(site.http.get(each.location)) for each in sent]
    assert "This photo is next." in pages[0]
    assert "1 photo is ahead of this one." in pages[1]
    assert "2 photos are ahead of this one." in pages[2]


def with_a_dark_square() -> bytes:
    """White, with a square in which the engine of these tests finds one object."""
    image = Image.new("RGB", (64, 48), "white")
    image.paste("black", (10, 12, 30, 32))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_detection_shows_the_drawn_picture_and_a_table_of_boxes(site: Site) -> None:
    sent = send(site, (with_a_dark_square(), "boxes.png"), kind=OD.name)
    site.workers[OD.name].step()
    reply = site.http.get(sent.location)
    (pair,) = pairs_of(sent.location)
    assert f"{OD.output}?task={pair['task']}&amp;key={pair['key']}" in reply.text
    found = site.http.get(OD.result, query_string=pair).get_json()["predictions"]
    assert len(found) == 1
    assert "1 object" in text_of(reply)
    assert re.search(r"black 90.0% 10, 12 20 × 20", text_of(reply))


def test_a_failure_says_why_and_what_to_do(site: Site) -> None:
    sent = send(site, (picture(), "bad.jpg"))
    (pair,) = pairs_of(sent.location)
    session = Session(site.settings.sessionpath, pair["task"])
    session.fail(EngineError("the engine is <b>out of order</b>"))
    reply = site.http.get(sent.location)
    assert "The model could not process this photo." in text_of(reply)
    assert "the engine is &lt;b&gt;out of order&lt;/b&gt;" in reply.text
    assert 'http-equiv="refresh"' not in reply.text


def test_names_and_labels_of_strangers_are_text(site: Site) -> None:
    (site.settings.icconfig.parent / "labels.txt").write_text("<i>'\">&\nx\ny\nz\nw\n")
    sent = send(site, (picture(color=0), '<img src=x onerror="x">.jpg'))
    site.workers[IC.name].step()
    reply = site.http.get(sent.location).text
    assert "<img src=x" not in reply
    assert "<i>" not in reply
    assert "&lt;i&gt;" in reply


@pytest.mark.parametrize("query", ["", "?task=x&key=y", "?task=d-20260101-" + "0" * 40 + "&key="])
def test_an_unknown_photo_is_404_in_words(site: Site, query: str) -> None:
    reply = site.http.get(f"/photo{query}")
    assert reply.status_code == 404
    assert "There is no photo at this address" in text_of(reply)


def test_a_wrong_key_opens_nothing(site: Site) -> None:
    sent = send(site, (picture(), "secret.jpg"))
    (pair,) = pairs_of(sent.location)
    reply = site.http.get("/photo", query_string={"task": pair["task"], "key": "0" * 40})
    assert reply.status_code == 404
    assert "secret.jpg" not in reply.text


def test_several_photos_get_one_page_with_the_state_of_each(site: Site) -> None:
    sent = send(site, (picture(), "one.jpg"), (picture(color=0), "two.jpg"))
    assert sent.status_code == 303
    pairs = pairs_of(sent.location)
    assert len(pairs) == 2
    site.workers[IC.name].step()
    gone = site.http.delete(IC.result, query_string=pairs[1])
    assert gone.status_code == 200
    reply = text_of(site.http.get(sent.location))
    assert "one.jpg" in reply and "two.jpg" not in reply
    assert "Done" in reply and "Deleted" in reply


REFUSED = [
    # What is sent, the status, and the words.
    ([(b"no picture", "notes.txt")], 415, "This file is not a picture SCAI can read."),
    ([(b"\xff\xd8\xff\xe0 broken", "a.jpg")], 400, "This picture could not be read."),
    ([(picture() + bytes(300_000), "big.jpg")], 413, "This photo is too large."),
    ([], 400, "The server did not understand this upload."),
    ([(b"", "")], 400, "The server did not understand this upload."),
]


@pytest.mark.parametrize("files, status, words", REFUSED)
def test_a_refusal_is_a_page_with_the_reason_and_the_true_status(
    site: Site, files: list[tuple[bytes, str]], status: int, words: str
) -> None:
    answer = send(site, *files)
    assert answer.status_code == status
    assert words in text_of(answer)
    assert "Nothing was sent" in text_of(answer)
    assert 'href="/"' in answer.text
    assert len(site.queues[IC.name]) == 0


def test_one_bad_photo_does_not_keep_the_others_back(site: Site) -> None:
    answer = send(site, (picture(), "good.jpg"), (b"no", "bad.txt"))
    assert answer.status_code == 200
    assert "1 photo was not accepted" in text_of(answer)
    assert "good.jpg" in text_of(answer)
    assert len(site.queues[IC.name]) == 1


def test_a_full_queue_is_told_with_the_time_to_come_back(site: Site) -> None:
    for _ in range(site.settings.max_waiting):
        assert send(site, (picture(), "a.jpg")).status_code == 303
    answer = send(site, (picture(), "a.jpg"))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert "The server is busy right now." in text_of(answer)


@pytest.mark.parametrize(
    "field, value", [("kind", "cooking"), ("model", "none"), ("threshold", "2")]
)
def test_a_parameter_that_makes_no_sense_is_refused(site: Site, field: str, value: str) -> None:
    fields = {"kind": IC.name, field: value}
    answer = send(site, (picture(), "a.jpg"), **fields)
    assert answer.status_code == 400
    assert len(site.queues[IC.name]) == 0


def test_a_form_from_elsewhere_is_refused(site: Site) -> None:
    data = {"kind": IC.name, "photo": (io.BytesIO(picture()), "a.jpg"), csrf.FIELD: "ab" * 20}
    answer = site.http.post("/photo", data=data)
    assert answer.status_code == 400
    assert "Reload the page" in text_of(answer)
    assert len(site.queues[IC.name]) == 0


def test_the_model_of_the_form_is_the_one_that_answers(site: Site) -> None:
    sent = send(site, (picture(), "a.jpg"), model="other")
    (pair,) = pairs_of(sent.location)
    assert site.http.get(IC.result, query_string=pair).get_json()["model"] == "other"


def test_the_page_speaks_the_readers_language(site: Site) -> None:
    sent = send(site, (picture(), "a.jpg"))
    reply = site.http.get(sent.location, headers={"Accept-Language": "zh-TW"})
    assert "下一張就輪到這張照片。" in reply.text


def remove(site: Site, token: str = "ab" * 20, **pair: str) -> TestResponse:
    site.http.set_cookie(csrf.COOKIE, "ab" * 20)
    return site.http.post("/photo/remove", data={csrf.FIELD: token, **pair})


def test_the_page_removes_its_photo(site: Site) -> None:
    sent = send(site, (picture(), "a.jpg"))
    (pair,) = pairs_of(sent.location)
    reply = site.http.get(sent.location)
    assert 'action="/photo/remove"' in reply.text
    removed = remove(site, **pair)
    assert removed.status_code == 200
    assert "The photo was deleted" in text_of(removed)
    assert site.http.get(sent.location).status_code == 404
    assert remove(site, **pair).status_code == 404


def test_a_photo_is_not_removed_by_forms_from_elsewhere_nor_while_it_is_recognised(
    site: Site,
) -> None:
    sent = send(site, (picture(), "a.jpg"))
    (pair,) = pairs_of(sent.location)
    assert remove(site, token="cd" * 20, **pair).status_code == 400
    with Session(site.settings.sessionpath, pair["task"]).lock():
        refused = remove(site, **pair)
    assert refused.status_code == 409
    assert "This photo is being recognised right now." in text_of(refused)
    assert remove(site, task=pair["task"], key="0" * 40).status_code == 404
    assert site.http.get(sent.location).status_code == 200
