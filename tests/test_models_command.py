"""`scai models`: what is installed, what can be fetched, and that nothing is ever half there."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scai.errors import ConfigError, ScaiError
from scai.settings import ROOT
from tools import (
    model_archive,
    model_catalogue,
    model_download,
    model_report,
    model_sections,
    model_transfer,
)
from tools.models import main

BODY = bytes(range(256)) * 1200
LABELS = b"cat\ndog\n"
CLASSIFIERS = Path("usr/image_classification.config")
DETECTORS = Path("usr/object_detection.config")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Site:
    """A web server of this test. `files` by path; `asked` holds the Range of each request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    sizes: bool = True
    etag: str = '"one"'
    cuts: int = 0  # so many answers break off in the middle


class Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site, wish = self.site, self.headers.get("Range", "")
        site.asked.append((self.path, wish))
        self.close_connection = True
        if self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            return
        data = site.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = 0
        if wish and site.ranges and self.headers.get("If-Range") == site.etag:
            start = int(wish.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if site.sizes:
            self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", site.etag)
        self.send_header("Connection", "close")
        self.end_headers()
        body = data[start:]
        if site.cuts > 0:
            site.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


Scai = Callable[..., Result]


@pytest.fixture
def scai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scai:
    """The command, in a folder with the ini files as they ship."""
    (tmp_path / "usr/models").mkdir(parents=True)
    for name in (CLASSIFIERS, DETECTORS):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "net.tflite").write_bytes(BODY)
    (tmp_path / "names.txt").write_bytes(LABELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("ICCONFIG", "ODCONFIG", "CONFIG", "USEDCONFIG"):
        monkeypatch.delenv(f"SCAI_{name}", raising=False)
    return lambda *words, **more: CliRunner().invoke(main, [str(word) for word in words], **more)


FAKE = ("--set", "ENGINE=fake")
FILES = ("--graph", "net.tflite", "--labels", "names.txt")
CLASSIFY = ("--kind", "classification")


def snapshot() -> dict[str, bytes]:
    """Every file below usr/ and .cache/, hidden ones too."""
    return {
        str(path): path.read_bytes()
        for root in (Path("usr"), Path(".cache"))
        for path in root.rglob("*")
        if path.is_file()
    }


def refused(result: Result, *words: str) -> None:
    """Exit status 2 and one sentence that has these words."""
    assert result.exit_code == 2, result.output
    assert [line[:6] for line in result.stderr.splitlines() if line[-8:] != " fetched"] == [
        "scai: "
    ]
    for word in words:
        assert word in result.stderr


def done(result: Result) -> Result:
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


# --- the text of the ini files

TEXTS = [
    b"",  # nothing at all
    b"\n",
    b"# heading\n[a]\nGRAPH = x\n",  # a heading right above the first section
    b"[a]\nGRAPH = x",  # no newline at the end
    b"[a]\r\nGRAPH = x\r\n\r\n; about b\r\n[b]\r\nUSE=a\r\n",  # from Windows
    b"\xef\xbb\xbf[a]\nGRAPH = x\n\n\n# the end\n\n",  # a byte order mark, remarks at the end
]


@pytest.mark.parametrize("text", TEXTS)
def test_adding_and_dropping_a_section_leaves_every_byte(text: bytes) -> None:
    more = model_sections.put(text, "new", {"GRAPH": "m/x"}, ["A model."], "t")
    assert more.startswith(text) and model_sections.parse(more, "t")["new"] == {"graph": "m/x"}
    assert model_sections.drop(more, "new", "t") == text


def test_a_section_in_the_middle_goes_with_its_own_comments_only() -> None:
    text = b"# file\n\n# a's\n[a]\nX = 1\n# of X\n\n# nobody's\n\n# b's\n[b]\nX = 2\n"
    assert model_sections.drop(text, "a", "t") == b"# file\n\n# nobody's\n\n# b's\n[b]\nX = 2\n"


def test_a_section_is_replaced_where_it_stands() -> None:
    text = b"[a]\nX = 1\n\n[b]\nX = 2\n"
    new = model_sections.put(text, "a", {"Y": "3"}, [], "t")
    assert new == b"[a]\nY = 3\n\n[b]\nX = 2\n"


def test_default_is_pointed_elsewhere_by_one_word() -> None:
    text = b"[default]\n# why\nuse =  a  \n[a]\nX = 1\n"
    assert model_sections.point_default(text, "b", "t") == text.replace(b"  a  ", b"  b  ")
    with pytest.raises(ConfigError, match="is a model itself"):
        model_sections.point_default(b"[default]\nGRAPH = x\n", "b", "t")


def test_a_text_that_cannot_be_cut_by_lines_is_refused() -> None:
    with pytest.raises(ConfigError, match="change it by hand"):
        model_sections.drop(b"[a]\n [b]\nX = 1\n", "a", "t")


# --- install, remove, list, show


def test_install_and_remove_leave_the_installation_as_it_was(scai: Scai) -> None:
    os.chmod(CLASSIFIERS, 0o664)
    before = snapshot()
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE, "--set", "TOP_K=1"))
    assert Path("usr/models/pets/net.tflite").read_bytes() == BODY
    assert b"\n[pets]\nGRAPH = models/pets/net.tflite\n" in CLASSIFIERS.read_bytes()
    assert stat.S_IMODE(CLASSIFIERS.stat().st_mode) == 0o664
    done(scai("remove", "pets", "--yes"))
    assert snapshot() == before and not Path("usr/models/pets").exists()


def test_removing_asks_first(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    before = snapshot()
    assert scai("remove", "pets", input="n\n").exit_code == 1
    assert snapshot() == before
    assert "would delete" in done(scai("remove", "pets", input="y\n")).output


def test_a_name_is_taken_once_unless_forced(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    refused(scai("install", "pets", *CLASSIFY, *FILES, *FAKE), "pets", "--force")
    refused(scai("install", "pets", "--kind", "detection", *FILES, *FAKE), "pets")
    Path("other.tflite").write_bytes(b"2")
    other = ("--graph", "other.tflite", "--labels", "names.txt")
    done(scai("install", "pets", *CLASSIFY, *other, *FAKE, "--force"))
    assert sorted(os.listdir("usr/models/pets")) == ["names.txt", "other.tflite"]


BAD = [
    (("install", "a/b", *CLASSIFY, *FILES), "letters, digits"),
    (("install", "default", *CLASSIFY, *FILES), "not 'default'"),
    (("install", "x", *CLASSIFY, *FILES, "--set", "GRAPH=y"), "'GRAPH'"),
    (("install", "x", *CLASSIFY, *FILES, "--set", "USE=y"), "'USE'"),
    (("install", "x", *CLASSIFY, *FILES, "--set", "TOP_K=1\n[y]"), "one line"),
    (("install", "x", *CLASSIFY, *FILES, "--set", "INPUT_STD=0"), "INPUT_STD"),
    (("install", "x", *CLASSIFY, "--graph", "none.pb", "--labels", "names.txt"), "none.pb"),
    (("install", "x", *CLASSIFY, "--graph", "net.tflite"), "LABELS"),
    (("install", "x", *CLASSIFY, "--graph", "names.txt", "--labels", "names.txt"), "twice"),
    # The model cannot be read: the files and the section were there, and go again.
    (("install", "x", *CLASSIFY, *FILES, "--set", "ENGINE=litert", "--default"), "net.tflite"),
    (("remove", "nobody", "--yes"), "nobody"),
    (("show", "nobody"), "nobody"),
    (("show", "default"), "--kind"),
    (("remove", "digits", "--yes"), "[default] USE"),
    (("pull", "nobody"), "mobilenet-v2"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD)
def test_what_is_refused_changes_nothing(scai: Scai, words: tuple[str, ...], sentence: str) -> None:
    before = snapshot()
    refused(scai(*words), sentence)
    assert snapshot() == before and os.listdir("usr/models") == []


def test_a_forced_replacement_that_fails_brings_the_old_model_back(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    before = snapshot()
    Path("net.tflite").write_bytes(b"broken")
    refused(scai("install", "pets", *CLASSIFY, *FILES, "--set", "ENGINE=litert", "--force"))
    assert snapshot() == before


def test_default_is_set_and_then_protected(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE, "--default"))
    assert b"\nUSE = pets\n" in CLASSIFIERS.read_bytes()
    refused(scai("remove", "pets", "--yes"), "[default] USE")


def test_files_that_two_sections_use_stay_until_the_last_is_gone(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    with CLASSIFIERS.open("a") as file:
        file.write("\n[twin]\nGRAPH = models/pets/net.tflite\nLABELS = models/pets/names.txt\n")
    assert "left usr/models/pets" in done(scai("remove", "pets", "--yes")).output
    assert Path("usr/models/pets/net.tflite").exists()
    # They are not in the twin's own folder, so it does not delete them either.
    done(scai("remove", "twin", "--yes"))
    assert Path("usr/models/pets/net.tflite").exists()


def test_removing_never_follows_links(scai: Scai, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "net.tflite").write_bytes(BODY)
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    Path("usr/models/pets/net.tflite").unlink()
    Path("usr/models/pets/net.tflite").symlink_to(outside / "net.tflite")
    done(scai("remove", "pets", "--yes"))
    Path("usr/models/linked").symlink_to(outside)
    with CLASSIFIERS.open("a") as file:
        file.write("\n[linked]\nGRAPH = models/linked/net.tflite\nLABELS = ../names.txt\n")
    done(scai("remove", "linked", "--yes"))
    assert (outside / "net.tflite").read_bytes() == BODY and Path("names.txt").exists()


def test_a_model_that_lies_in_its_folder_is_taken_where_it_is(scai: Scai) -> None:
    folder = Path("usr/models/mine")
    folder.mkdir()
    for name in ("net.tflite", "names.txt"):
        (folder / name).write_bytes(Path(name).read_bytes())
    files = ("--graph", folder / "net.tflite", "--labels", folder / "names.txt")
    done(scai("install", "mine", *CLASSIFY, *files, *FAKE))
    assert sorted(os.listdir(folder)) == ["names.txt", "net.tflite"]


def test_a_saved_model_is_a_folder_that_comes_and_goes_whole(scai: Scai) -> None:
    before = snapshot()
    Path("saved/variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/v.index"):
        (Path("saved") / name).write_bytes(b"x")
    files = ("--graph", "saved/saved_model.pb", "--labels", "names.txt")
    done(scai("install", "pets", *CLASSIFY, *files, *FAKE))
    assert Path("usr/models/pets/saved/variables/v.index").read_bytes() == b"x"
    done(scai("remove", "pets", "--yes"))
    assert snapshot() == before and not Path("usr/models/pets").exists()


def test_force_never_replaces_what_others_use(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    with CLASSIFIERS.open("a") as file:
        file.write("\n[twin]\nGRAPH = models/pets/net.tflite\nLABELS = ../names.txt\n")
    before = snapshot()
    Path("net.tflite").write_bytes(b"new")
    refused(scai("install", "pets", *CLASSIFY, *FILES, *FAKE, "--force"), "others use")
    assert snapshot() == before


def test_list_and_show_tell_what_is_there(scai: Scai) -> None:
    facts = {"metrics": {"accuracy": 0.5}, "data": "photos", "files": {"net.tflite": {}}}
    Path("card.json").write_text(json.dumps(facts))
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    told = json.loads(done(scai("list", "--json")).output)
    rows = {row["name"]: row for row in told["installed"] if row["kind"] == "image_classification"}
    assert rows["default"]["alias_of"] == "digits"
    assert rows["digits"]["files"] is False and "digits.tflite" in rows["digits"]["problem"]
    assert (rows["pets"]["engine"], rows["pets"]["bytes"]) == ("fake", len(BODY))
    assert rows["pets"]["metrics"] == {"accuracy": 0.5}
    assert {offer["name"] for offer in told["catalogue"]} == set(model_catalogue.read())
    assert "cannot be used" in done(scai("list")).output
    shown = json.loads(done(scai("show", "pets", "--json", "--run")).output)
    assert shown["card"]["top_k"] == 5 and shown["facts"]["data"] == "photos"
    assert shown["files"][0]["sha256"] == digest(BODY)
    assert shown["run"]["runs"] == 20 and shown["run"]["images_per_s"] > 0
    assert "images/s" in done(scai("show", "pets", "--run")).output


def test_the_settings_say_which_files_are_meant(
    scai: Scai, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/ic.config").write_text("[default]\nENGINE = fake\n")
    monkeypatch.setenv("SCAI_ICCONFIG", "elsewhere/ic.config")
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    assert Path("elsewhere/models/pets/net.tflite").exists()


# --- pull


def pull(scai: Scai, site: Site, *more: object) -> Result:
    return scai(
        *("pull", f"{site.url}/net.tflite", *CLASSIFY, "--labels", f"{site.url}/names.txt"),
        *("--name", "pets", *FAKE, *more),
    )


@pytest.fixture
def pets(site: Site) -> Site:
    site.files |= {"/net.tflite": BODY, "/names.txt": LABELS}
    return site


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_download, "ATTEMPTS", 1)


def parts() -> list[str]:
    folder = Path(".cache/downloads")
    return sorted(path.suffix for path in folder.iterdir()) if folder.exists() else []


def resumed(site: Site) -> bool:
    """Whether the second request went on where the first broke off, or a buffer before."""
    path, wish = site.asked[1]
    start = int(wish.removeprefix("bytes=").removesuffix("-") or 0)
    return path == "/net.tflite" and 0 < start <= len(BODY) // 2


def test_an_address_is_fetched_and_installed(scai: Scai, pets: Site) -> None:
    result = done(pull(scai, pets, "--sha256", digest(BODY).upper()))
    assert f"sha256 {digest(LABELS)}  names.txt" in result.output
    assert Path("usr/models/pets/net.tflite").read_bytes() == BODY
    assert f"\n[pets]\n# From {pets.url}/net.tflite.\n".encode() in CLASSIFIERS.read_bytes()
    assert json.loads(Path("usr/models/pets/card.json").read_text())["name"] == "pets"
    assert parts() == []


def test_a_broken_transfer_goes_on_within_one_command(scai: Scai, pets: Site) -> None:
    pets.cuts = 1
    done(pull(scai, pets))
    assert pets.asked[0] == ("/net.tflite", "") and resumed(pets)
    assert Path("usr/models/pets/net.tflite").read_bytes() == BODY


@pytest.mark.usefixtures("one_attempt")
def test_a_broken_transfer_goes_on_with_the_next_command(scai: Scai, pets: Site) -> None:
    pets.cuts = 1
    refused(pull(scai, pets), "broke off", "continues")
    assert parts() == [".json", ".part"] and not Path("usr/models/pets").exists()
    done(pull(scai, pets))
    assert resumed(pets) and parts() == []


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("change", ["no ranges", "another file", "a weak tag"])
def test_a_part_of_another_file_is_thrown_away(scai: Scai, pets: Site, change: str) -> None:
    pets.cuts = 1
    if change == "a weak tag":
        pets.etag = 'W/"one"'
    refused(pull(scai, pets), "broke off")
    if change == "no ranges":
        pets.ranges = False
    elif change == "another file":
        pets.files["/net.tflite"], pets.etag = BODY[::-1], '"two"'
    done(pull(scai, pets))
    assert Path("usr/models/pets/net.tflite").read_bytes() == pets.files["/net.tflite"]


@pytest.mark.usefixtures("one_attempt")
def test_what_is_not_the_file_is_never_installed(scai: Scai, pets: Site) -> None:
    before = snapshot()
    refused(pull(scai, pets, "--sha256", "0" * 64), "expected sha256 000", digest(BODY))
    pets.sizes = False
    refused(pull(scai, pets), "does not tell the size")
    pets.sizes = True
    pets.redirects["/net.tflite"] = "/net.tflite"
    refused(pull(scai, pets), "redirects")
    pets.redirects["/net.tflite"] = "ftp://127.0.0.1/net.tflite"
    refused(pull(scai, pets), "cannot be fetched")
    pets.redirects.clear()
    del pets.files["/net.tflite"]
    refused(pull(scai, pets), "404")
    pets.files["/net.tflite"] = b"broken"
    refused(pull(scai, pets, "--no-check", "--set", "INPUT_STD=0"), "INPUT_STD")
    assert snapshot() == before and parts() == []


def test_two_commands_never_write_one_part(tmp_path: Path, pets: Site) -> None:
    wanted = model_transfer.Wanted(f"{pets.url}/net.tflite")
    with model_download.fetch(wanted, tmp_path) as whole:
        with pytest.raises(ScaiError, match="another command"):
            with model_download.fetch(wanted, tmp_path):
                pass
        assert whole.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == []


def test_only_http_is_spoken(scai: Scai) -> None:
    words = ("pull", "file:///etc/hostname", *CLASSIFY, "--labels", "names.txt")
    refused(scai(*words), "expected an http or https address")
    result = scai("pull", "https://user:secret@127.0.0.1:1/", *CLASSIFY, "--labels", "names.txt")
    refused(result, "address of a file")
    assert "secret" not in result.output


def catalogue(site: Site, data: bytes, **change: object) -> Path:
    """A catalogue of one model whose two files are in /pets.zip, the archive `data`."""
    site.files["/pets.zip"] = data
    graph = {"member": "in/net.tflite", "file": "net.tflite", "size": len(BODY), **change}
    graph.setdefault("sha256", digest(BODY))
    lines = ["[pets]", 'kind="image_classification"', 'title="Pets"', 'licence="MIT"']
    lines += ['source="http://nowhere.invalid/"', "[pets.keys]", 'ENGINE="fake"', "[pets.graph]"]
    lines += ['url="http://nowhere.invalid/deep/pets.zip"']
    lines += [f"{key}={json.dumps(value)}" for key, value in graph.items()]
    lines += ["[pets.labels]", 'url="http://nowhere.invalid/deep/pets.zip"', 'file="names.txt"']
    lines += ['member="names.txt"', f"size={len(LABELS)}", f'sha256="{digest(LABELS)}"']
    path = Path("catalogue.toml")
    path.write_text("\n".join(lines))
    return path


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: dict[str, bytes], link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
            archive.addfile(info)
    return out.getvalue()


MEMBERS = {"in/net.tflite": BODY, "names.txt": LABELS, "../evil": b"x", "/evil": b"x"}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_model_of_the_catalogue_comes_out_of_an_archive(
    scai: Scai, site: Site, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    own = catalogue(site, pack(MEMBERS))
    done(scai("pull", "pets", "--catalogue", own, "--mirror", f"{site.url}/"))
    assert site.asked == [("/pets.zip", "")]
    assert sorted(os.listdir("usr/models/pets")) == ["card.json", "names.txt", "net.tflite"]
    assert not list(Path("..").glob("evil")) and parts() == []
    assert b"[pets]\n# Pets.\n# From http://nowhere.invalid/, licence MIT.\nGRAPH" in (
        CLASSIFIERS.read_bytes()
    )
    assert "http://nowhere.invalid/" in done(scai("show", "pets")).output


LINK = {"names.txt": LABELS}
HOSTILE = [
    (zipped(MEMBERS), {"member": "../evil"}, "relative name"),
    (zipped(MEMBERS), {"member": "/evil"}, "relative name"),
    (zipped(MEMBERS), {"file": "../x"}, "plain name"),
    (zipped(MEMBERS), {"sha256": "0" * 64}, "expected sha256 000"),
    (zipped(MEMBERS), {"size": 10}, "of 10 bytes, got more"),
    (zipped(MEMBERS), {"size": len(BODY) + 1}, "bytes, got"),
    (zipped(LINK), {}, "one file in/net.tflite, got none"),
    (tarred(LINK), {}, "one file in/net.tflite, got none"),
    (tarred(LINK, link="in/net.tflite"), {}, "plain file"),
    (b"no archive", {}, "expected a .zip or .tar.gz"),
]


@pytest.mark.parametrize(("data", "change", "sentence"), HOSTILE)
def test_a_hostile_archive_installs_nothing(
    scai: Scai, site: Site, data: bytes, change: dict[str, object], sentence: str
) -> None:
    before = snapshot()
    own = catalogue(site, data, **change)
    refused(scai("pull", "pets", "--catalogue", own, "--mirror", site.url), sentence)
    assert snapshot() == before and parts() == []


def test_a_link_in_a_zip_is_no_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/hostname")
    with pytest.raises(ConfigError, match="plain file"):
        model_archive.extract(tmp_path / "x.zip", "a", tmp_path / "out", 100)
    assert not (tmp_path / "out").exists()


def test_progress_tells_the_time_left() -> None:
    assert model_report.progress("x", 500_000, 1_500_000, 250_000, 2.0) == (
        "x  33%  500.0 kB of 1.5 MB  8 s left"
    )
    assert model_report.progress("x", 2, None, 2, 1.0) == "x  2 B"


@pytest.mark.slow
def test_the_real_models_of_the_catalogue_are_pulled_and_run(
    scai: Scai, site: Site, shared: Path
) -> None:
    """The label map here has one word otherwise than the published archive."""
    models = shared / "models"
    names = (models / "coco_labelmap.txt").read_bytes().replace(b"T.V.", b"tv")
    graph = (models / "coco_ssd_mobilenet_v1_quant.tflite").read_bytes()
    archive = zipped({"detect.tflite": graph, "labelmap.txt": names})
    site.files["/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.zip"] = archive
    for name in ("mobilenet_v2_1.0_224_quant.tflite", "imagenet_labels.txt"):
        site.files[f"/{name}"] = (models / name).read_bytes()
    for name in ("coco-ssd-mobilenet-v1", "mobilenet-v2"):
        done(scai("pull", name, "--mirror", site.url))
        run = json.loads(done(scai("show", name, "--run", "--json")).output)["run"]
        assert run["latency_ms"] > 0 and "litert" in run["engine"]
