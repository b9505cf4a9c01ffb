"""`scai models pull` of an address: transfers that break off, files that are not what they seem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import models_installation
from support.models_installation import (
    BODY,
    CLASSIFIERS,
    CLASSIFY,
    LABELS,
    Scai,
    Site,
    digest,
    done,
    expect_refusal,
    parts,
    pull,
    resumed,
    snapshot,
)

from scai.errors import ScaiError
from tools.models import download, report, transfer

scai, site = models_installation.scai, models_installation.site
pets, one_attempt = models_installation.pets, models_installation.one_attempt


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
    assert pets.requests[0] == ("/net.tflite", "") and resumed(pets)
    assert Path("usr/models/pets/net.tflite").read_bytes() == BODY


@pytest.mark.usefixtures("one_attempt")
def test_a_broken_transfer_goes_on_with_the_next_command(scai: Scai, pets: Site) -> None:
    pets.cuts = 1
    expect_refusal(pull(scai, pets), "broke off", "to resume it")
    assert parts() == [".json", ".part"] and not Path("usr/models/pets").exists()
    done(pull(scai, pets))
    assert resumed(pets) and parts() == []


@pytest.mark.usefixtures("one_attempt")
@pytest.mark.parametrize("change", ["no ranges", "another file", "a weak tag"])
def test_a_part_of_another_file_is_thrown_away(scai: Scai, pets: Site, change: str) -> None:
    pets.cuts = 1
    if change == "a weak tag":
        pets.etag = 'W/"one"'
    expect_refusal(pull(scai, pets), "broke off")
    if change == "no ranges":
        pets.ranges = False
    elif change == "another file":
        pets.files["/net.tflite"], pets.etag = BODY[::-1], '"two"'
    done(pull(scai, pets))
    assert Path("usr/models/pets/net.tflite").read_bytes() == pets.files["/net.tflite"]


@pytest.mark.usefixtures("one_attempt")
def test_what_is_not_the_file_is_never_installed(scai: Scai, pets: Site) -> None:
    before = snapshot()
    expect_refusal(pull(scai, pets, "--sha256", "0" * 64), "expected sha256 000", digest(BODY))
    pets.sizes = False
    expect_refusal(pull(scai, pets), "does not state the size")
    pets.sizes = True
    pets.redirects["/net.tflite"] = "/net.tflite"
    expect_refusal(pull(scai, pets), "redirects")
    pets.redirects["/net.tflite"] = "ftp://127.0.0.1/net.tflite"
    expect_refusal(pull(scai, pets), "cannot be fetched")
    pets.redirects.clear()
    del pets.files["/net.tflite"]
    expect_refusal(pull(scai, pets), "404")
    pets.files["/net.tflite"] = b"broken"
    expect_refusal(pull(scai, pets, "--no-check", "--set", "INPUT_STD=0"), "INPUT_STD")
    assert snapshot() == before and parts() == []


def test_two_commands_never_write_one_part(tmp_path: Path, pets: Site) -> None:
    request = transfer.FileRequest(f"{pets.url}/net.tflite")
    with download.fetch(request, tmp_path) as whole:
        with pytest.raises(ScaiError, match="another command"):
            with download.fetch(request, tmp_path):
                pass
        assert whole.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == []


def test_only_http_is_spoken(scai: Scai) -> None:
    words = ("pull", "file:///etc/hostname", *CLASSIFY, "--labels", "names.txt")
    expect_refusal(scai(*words), "expected an http or https address")
    result = scai("pull", "https://user:secret@127.0.0.1:1/", *CLASSIFY, "--labels", "names.txt")
    expect_refusal(result, "address of a file")
    assert "secret" not in result.output


def test_progress_tells_the_time_left() -> None:
    assert report.progress("x", 500_000, 1_500_000, 250_000, 2.0) == (
        "x  33%  500 kB of 1.5 MB  8 s left"
    )
    assert report.progress("x", 2, None, 2, 1.0) == "x  2 B"
