"""The original's contract over HTTP, with a queue in memory and a worker stepped by hand."""

import copy
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from support.helpers import picture
from support.inprocess import Site
from support.kinds import IC, KINDS, OD

from scai.jobs.times import JobTimes
from scai.kinds import Kind
from scai.settings import ROOT
from scai.storage.session import Session
from scai.storage.upload_spool import IN_MEMORY

UPLOAD_KEYS = {"status", "filename", "datetime", "sessname", "sesskey"}
RESULT_KEYS = {"state", "job", "message", "result", "result_image"}


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Make a site with other settings than `site` has."""
    sites: list[Site] = []

    def make(*arguments: JobTimes, **settings: object) -> Site:
        sites.append(Site(tmp_path, *arguments, **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.mark.parametrize("routes", KINDS, ids=lambda r: r.name)
def test_an_upload_is_answered_with_the_five_keys(site: Site, routes: Kind) -> None:
    answer = site.post(routes, picture(), "My.JPG")
    assert set(answer) == UPLOAD_KEYS
    assert all(isinstance(value, str) for value in answer.values())
    assert answer["status"] == "success"
    assert answer["filename"] == "My.JPG"
    assert re.fullmatch(r"d-\d{8}-[0-9a-f]{40}", answer["sessname"])
    assert re.fullmatch(r"[0-9a-f]{40}", answer["sesskey"])
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", answer["datetime"])
    assert (site.settings.sessionpath / answer["sessname"] / "input.JPG").exists()


@pytest.mark.parametrize("routes", KINDS, ids=lambda r: r.name)
def test_from_upload_to_verdict(site: Site, routes: Kind) -> None:
    answer = site.post(routes, picture(color=(250, 250, 250)))
    first = site.get(routes.result, answer)
    assert set(first) >= RESULT_KEYS
    assert (first["state"], first["job"], first["result"]) == ("initialization", routes.name, "")
    site.workers[routes.name].step()
    last = site.get(routes.result, answer)
    assert last["state"] == "complete"
    assert "key" not in last and "input_image" not in last
    assert last["image"] == {"width": 64, "height": 48, "orientation": 1}
    assert set(last["timing"]) >= {"waited_ms", "decode_ms", "infer_ms", "draw_ms"}
    if routes is IC:
        scores = json.loads(last["result"])
        assert list(scores)[0] == "white" and scores["white"] == "90.0%"
        assert all(re.fullmatch(r"\d+\.\d%", text) for text in scores.values())
        assert len(scores) <= 5
        assert last["result_image"] == ""
    else:
        assert (last["result"], last["result_image"]) == ("", "output.png")


def test_detections_are_in_pixels_of_the_upright_picture(site: Site) -> None:
    """A white bar in a black picture that the camera held sideways (orientation 6)."""
    image = Image.new("RGB", (100, 60))
    image.paste((255, 255, 255), (10, 20, 40, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "PNG", exif=exif)
    answer = site.post(OD, out.getvalue(), "phone.png")
    site.workers[OD.name].step()
    result = site.get(OD.result, answer)
    assert result["image"] == {"width": 60, "height": 100, "orientation": 6}
    [found] = result["predictions"]
    # Turned clockwise by 90 degrees, (x, y) comes to (59 - y, x).
    corners = {"x_min": 30, "y_min": 10, "x_max": 40, "y_max": 40}
    assert found["box"] == pytest.approx(corners, abs=1)
    assert OD.output is not None
    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    drawn = site.http.get(OD.output, query_string=query, buffered=True)
    assert Image.open(io.BytesIO(drawn.data)).size == (60, 100)
    assert drawn.mimetype == "image/png"


@pytest.mark.parametrize("routes", KINDS, ids=lambda r: r.name)
@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("GET", {}, 200),
        ("OPTIONS", {}, 200),
        ("POST", {}, 400),
        ("POST", {"data": {"picture": (io.BytesIO(b"x"), "a.jpg")}}, 400),  # another field
        ("POST", {"data": {"photo": "text"}}, 400),
        ("POST", {"json": {"photo": "x"}}, 400),
    ],
)
def test_without_a_photo_the_api_says_how_to_use_it(
    site: Site, routes: Kind, method: str, body: dict, status: int
) -> None:
    answer = site.http.open(routes.upload, method=method, **copy.deepcopy(body))
    assert answer.status_code == status
    assert ("usage" in answer.get_json()) == (status == 200)
    assert (
        answer.get_json().items()
        >= {
            "status": "error",
            "sessname": "please follow the api instruction",
            "filename": "",
            "datetime": "",
            "sesskey": "",
        }.items()
    )


REFUSED = [
    # what is sent, under which name, the text, the status
    (b"hello", "notes.txt", "not supported file format (jpg, png)", 415),
    (b"hello", "noextension", "not supported file format (jpg, png)", 415),
    (b"<svg/>", "a.svg", "not supported file format (jpg, png)", 415),
    (b"hello", "a.jpg", "expected a JPEG, PNG", 415),
    (b"", "a.jpg", "empty", 415),
    (picture()[:40], "cut.jpg", "damaged or cut off", 400),
    (picture((2000, 1000)), "big.jpg", "1 megapixel", 413),
    (picture() + b"x" * 300_000, "long.jpg", "0.2 MB", 413),
    (picture() + b"x" * 205_000, "bit-too-long.jpg", "0.2 MB", 413),
    (picture(), "", "upload process was error", 400),
]


@pytest.mark.parametrize(("data", "name", "text", "status"), REFUSED, ids=lambda v: str(v)[:20])
def test_what_cannot_be_recognised_is_refused_and_leaves_nothing(
    site: Site, data: bytes, name: str, text: str, status: int
) -> None:
    answer = site.http.post(IC.upload, data={"photo": (io.BytesIO(data), name)})
    body = answer.get_json()
    assert answer.status_code == status
    assert set(body) >= UPLOAD_KEYS | {"error", "code"}
    assert body["status"] == "error"
    assert text in body["sessname"]
    assert body["error"] == body["sessname"]
    assert list(site.settings.sessionpath.iterdir()) == []
    assert len(site.queues[IC.name]) == 0


@pytest.mark.parametrize(
    "name", ["../../evil.py", "..\\..\\evil.jpg", "/etc/passwd", "a\x00b.jpg", "x" * 4000 + ".jpg"]
)
def test_a_hostile_file_name_is_only_a_label(site: Site, name: str, tmp_path: Path) -> None:
    answer = site.post(IC, picture(), name)
    assert answer["status"] == "success"
    folder = site.settings.sessionpath / answer["sessname"]
    assert sorted(f.name for f in folder.iterdir()) == ["input.jpg", "process.json"]
    assert "/" not in answer["filename"] and "\\" not in answer["filename"]
    assert len(answer["filename"]) <= 255
    assert not list(tmp_path.rglob("evil*"))


def test_content_decides_and_not_the_name(site: Site) -> None:
    answer = site.post(IC, picture(format="PNG"), "really.txt")
    assert answer["status"] == "success"
    site.workers[IC.name].step()
    assert site.get(IC.result, answer)["state"] == "complete"


@pytest.mark.parametrize("routes", KINDS, ids=lambda r: r.name)
def test_only_name_and_key_together_show_a_session(site: Site, routes: Kind) -> None:
    answer = site.post(routes, picture())
    other = OD if routes is IC else IC
    task, key = answer["sessname"], answer["sesskey"]
    queries = [
        {},
        {"task": task},
        {"key": key},
        {"task": task, "key": "0" * 40},
        {"task": task, "key": ""},
        {"task": "..", "key": key},
        {"task": "d-20180521-" + "0" * 40, "key": key},
    ]
    refused = [(routes, query) for query in queries] + [(other, {"task": task, "key": key})]
    for asked, query in refused:
        got = site.http.get(asked.result, query_string=query, buffered=True)
        assert got.status_code == 404
        assert got.get_json()["sessname"] == "no available task, key or job"
        for path in filter(None, (asked.input, asked.output)):
            image = site.http.get(path, query_string=query, buffered=True)
            assert (image.status_code, image.mimetype) == (404, "image/jpeg")
            assert image.data == (ROOT / "usr" / "task404.jpg").read_bytes()


def test_the_input_comes_back_as_it_was_sent(site: Site) -> None:
    data = picture(format="PNG")
    answer = site.post(IC, data, "a.png")
    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    got = site.http.get(IC.input, query_string=query, buffered=True)
    assert (got.status_code, got.data, got.mimetype) == (200, data, "image/png")
    conditions = {"If-None-Match": got.headers["ETag"]}
    with site.http.get(IC.input, query_string=query, headers=conditions) as again:
        assert (again.status_code, again.data) == (304, b"")
    assert "immutable" in got.headers["Cache-Control"]
    with site.http.get(IC.input, query_string=query, headers={"Range": "bytes=1-3"}) as some:
        assert (some.status_code, some.data) == (206, data[1:4])
    with site.http.head(IC.input, query_string=query) as head:
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Content-Length"] == str(len(data))


def test_there_is_no_annotated_picture_before_the_verdict(site: Site) -> None:
    answer = site.post(OD, picture())
    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    assert OD.output is not None
    got = site.http.get(OD.output, query_string=query, buffered=True)
    assert got.status_code == 404
    assert got.data == (ROOT / "usr" / "task404.jpg").read_bytes()


def test_a_model_can_be_chosen_and_an_unknown_one_is_refused(site: Site) -> None:
    assert site.service.models(IC.name) == ["default", "other"]
    assert site.post(IC, picture(), model="other")["status"] == "success"
    refused = site.http.post(
        IC.upload, data={"photo": (io.BytesIO(picture()), "a.jpg"), "model": "<b>x"}
    )
    assert refused.status_code == 400
    assert "there are: default, other" in refused.get_json()["sessname"]


def test_several_photos_at_once_get_an_array_of_answers(site: Site) -> None:
    photos = [
        (io.BytesIO(data), f"{n}.jpg") for n, data in enumerate([picture(), b"no", picture()])
    ]
    answers = site.http.post(IC.upload, data={"photo": photos})
    assert answers.status_code == 200
    assert [a["status"] for a in answers.get_json()] == ["success", "error", "success"]
    assert [a["filename"] for a in answers.get_json()] == ["0.jpg", "", "2.jpg"]
    nothing = site.http.post(IC.upload, data={"photo": [(io.BytesIO(b"no"), "a.jpg")] * 1})
    assert nothing.status_code == 415


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("type", ["application/x-www-form-urlencoded", "image/png", None])
def test_a_picture_can_be_the_body(site: Site, method: str, type: str | None) -> None:
    query = {"model": "other", "filename": "a.png"}
    data = picture(format="PNG")
    answer = site.http.open(
        IC.upload, method=method, data=data, content_type=type, query_string=query
    )
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json()["filename"] == "a.png"
    site.workers[IC.name].step()
    assert site.get(IC.result, answer.get_json())["model"] == "other"


@pytest.mark.parametrize("how", ["form", "body", "chunked"])
def test_a_large_picture_becomes_its_session_without_debris(
    make_site: Callable[..., Site], how: str
) -> None:
    site = make_site(max_upload_mb=2.0)
    data = picture() + b"\0" * (IN_MEMORY + 500_000)
    if how == "form":
        answer = site.post(IC, data)
    elif how == "body":
        answer = site.http.post(IC.upload, data=data).get_json()
    else:
        answer = site.http.post(
            IC.upload,
            input_stream=io.BytesIO(data),
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        ).get_json()
    folder = site.settings.sessionpath / answer["sessname"]
    assert (folder / "input.jpg").read_bytes() == data
    assert list(site.settings.sessionpath.iterdir()) == [folder]
    refused = site.post(IC, b"x" * (IN_MEMORY + 500_000))
    assert refused["status"] == "error"
    assert list(site.settings.sessionpath.iterdir()) == [folder]


def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    answer = site.http.put(IC.upload, data=picture() + b"x" * 300_000)
    assert answer.status_code == 413
    assert "0.2 MB" in answer.get_json()["sessname"]


def test_threshold_and_top_k_are_the_clients(site: Site) -> None:
    few = site.post(IC, picture(), top_k="2")
    sure = site.post(IC, picture(), threshold="0.5")
    box = io.BytesIO()
    image = Image.new("RGB", (60, 60))
    image.paste((255, 255, 255), (10, 20, 40, 30))
    image.save(box, "PNG")
    none = site.post(OD, box.getvalue(), threshold="0.95")
    some = site.post(OD, box.getvalue(), threshold="0.5")
    for worker in site.workers.values():
        worker.step()
    assert len(site.get(IC.result, few)["predictions"]) == 2
    assert len(site.get(IC.result, sure)["predictions"]) == 1
    assert site.get(OD.result, none)["predictions"] == []
    assert len(site.get(OD.result, some)["predictions"]) == 1
    assert site.get(OD.result, some)["threshold"] == 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", "1.5"),
        ("threshold", "nan"),
        ("threshold", "high"),
        ("top_k", "0"),
        ("top_k", "2.5"),
    ],
)
def test_a_parameter_out_of_range_is_refused(site: Site, name: str, value: str) -> None:
    refused = site.http.post(
        IC.upload, data={"photo": (io.BytesIO(picture()), "a.jpg"), name: value}
    )
    assert refused.status_code == 400
    assert refused.get_json()["error"].startswith(f"{name}: expected a number from")


def test_a_full_queue_refuses_with_the_time_to_come_back(site: Site) -> None:
    for _ in range(5):
        assert site.post(IC, picture())["status"] == "success"
    refused = site.http.post(IC.upload, data={"photo": (io.BytesIO(picture()), "a.jpg")})
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert site.post(OD, picture())["status"] == "success"


def test_a_full_disk_is_507_and_leaves_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Session:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Session, "create", refuse)
    refused = site.http.post(IC.upload, data={"photo": (io.BytesIO(picture()), "a.jpg")})
    assert refused.status_code == 507
    assert "no room" in refused.get_json()["sessname"]


def test_a_long_poll_is_answered_when_the_verdict_is_there(site: Site) -> None:
    answer = site.post(IC, picture())
    timer = threading.Timer(0.2, site.workers[IC.name].step)
    timer.start()
    assert site.get(IC.result, answer, wait="30")["state"] == "complete"
    timer.join()


def test_those_who_find_no_room_to_wait_pause_before_they_ask_again(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(threads=2)
    answer = site.post(IC, picture())
    stream = site.service.follow([(answer["sessname"], answer["sesskey"])])
    assert site.get(IC.result, answer, wait="30")["state"] == "initialization"
    stream.close()


def test_a_verdict_ends_the_pause_of_those_who_find_no_room_to_wait(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(JobTimes(short_wait=30), threads=2)
    answer = site.post(IC, picture())
    stream = site.service.follow([(answer["sessname"], answer["sesskey"])])
    timer = threading.Timer(0.2, site.workers[IC.name].step)
    timer.start()
    assert site.get(IC.result, answer, wait="30")["state"] == "complete"
    timer.join()
    stream.close()


@pytest.mark.parametrize("wait", ["0", "0.05", "nonsense", "-3", "nan"])
def test_a_long_poll_ends_in_time(site: Site, wait: str) -> None:
    answer = site.post(IC, picture())
    assert site.get(IC.result, answer, wait=wait)["state"] == "initialization"
