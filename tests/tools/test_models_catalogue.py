"""`scai models pull` from the catalogue: archives, hostile ones too, and the real models."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import models_installation
from support.models_installation import (
    BODY,
    CLASSIFIERS,
    LABELS,
    Scai,
    Site,
    digest,
    done,
    expect_refusal,
    parts,
    snapshot,
)

from scai.errors import ConfigError
from tools.models.archive import extract

scai, site = models_installation.scai, models_installation.site


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
    assert site.requests == [("/pets.zip", "")]
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
    expect_refusal(scai("pull", "pets", "--catalogue", own, "--mirror", site.url), sentence)
    assert snapshot() == before and parts() == []


def test_a_link_in_a_zip_is_no_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/hostname")
    with pytest.raises(ConfigError, match="plain file"):
        extract(tmp_path / "x.zip", "a", tmp_path / "out", 100)
    assert not (tmp_path / "out").exists()


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
