"""`scai models`: what is installed, and that nothing is ever half there."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from support import models_installation
from support.models_installation import (
    BODY,
    CLASSIFIERS,
    CLASSIFY,
    FAKE,
    FILES,
    Scai,
    digest,
    done,
    expect_refusal,
    snapshot,
)

from scai.engines.base import ModelFile, Plan
from scai.recognition import speed_records
from scai.recognition.speed_records import SpeedRecord
from tools.models import catalogue

scai = models_installation.scai


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
    expect_refusal(scai("install", "pets", *CLASSIFY, *FILES, *FAKE), "pets", "--force")
    expect_refusal(scai("install", "pets", "--kind", "detection", *FILES, *FAKE), "pets")
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
    (("remove", "objects", "--yes"), "[default] USE"),
    (("pull", "nobody"), "mobilenet-v2"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD)
def test_what_is_refused_changes_nothing(scai: Scai, words: tuple[str, ...], sentence: str) -> None:
    before = snapshot()
    expect_refusal(scai(*words), sentence)
    assert snapshot() == before and os.listdir("usr/models") == []


def test_a_forced_replacement_that_fails_brings_the_old_model_back(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    before = snapshot()
    Path("net.tflite").write_bytes(b"broken")
    expect_refusal(scai("install", "pets", *CLASSIFY, *FILES, "--set", "ENGINE=litert", "--force"))
    assert snapshot() == before


def test_default_is_set_and_then_protected(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE, "--default"))
    assert b"\nUSE = pets\n" in CLASSIFIERS.read_bytes()
    expect_refusal(scai("remove", "pets", "--yes"), "[default] USE")


def test_files_that_two_sections_use_stay_until_the_last_is_gone(scai: Scai) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    with CLASSIFIERS.open("a") as file:
        file.write("\n[twin]\nGRAPH = models/pets/net.tflite\nLABELS = models/pets/names.txt\n")
    assert "kept usr/models/pets" in done(scai("remove", "pets", "--yes")).output
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
    expect_refusal(scai("install", "pets", *CLASSIFY, *FILES, *FAKE, "--force"), "other models use")
    assert snapshot() == before


def test_list_and_show_tell_what_is_there(scai: Scai) -> None:
    facts = {"metrics": {"accuracy": 0.5}, "data": "photos", "files": {"net.tflite": {}}}
    Path("card.json").write_text(json.dumps(facts))
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    document = json.loads(done(scai("list", "--json")).output)
    rows = {
        row["name"]: row for row in document["installed"] if row["kind"] == "image_classification"
    }
    assert rows["default"]["alias_of"] == "objects"
    assert rows["digits"]["files"] is False and "digits.tflite" in rows["digits"]["problem"]
    assert (rows["pets"]["engine"], rows["pets"]["bytes"]) == ("fake", len(BODY))
    assert rows["pets"]["metrics"] == {"accuracy": 0.5}
    assert {offer["name"] for offer in document["catalogue"]} == set(catalogue.read_catalogue())
    assert "cannot be used" in done(scai("list")).output
    answer = json.loads(done(scai("show", "pets", "--json", "--run")).output)
    assert answer["card"]["top_k"] == 5 and answer["facts"]["data"] == "photos"
    assert answer["files"][0]["sha256"] == digest(BODY)
    assert answer["run"]["runs"] == 20 and answer["run"]["images_per_s"] > 0
    assert "images/s" in done(scai("show", "pets", "--run")).output


def test_show_tells_what_was_measured(scai: Scai, monkeypatch: pytest.MonkeyPatch) -> None:
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    monkeypatch.setenv("SCAI_CACHEPATH", "cache")
    assert json.loads(done(scai("show", "pets", "--json")).output)["measured"] is None
    found = SpeedRecord(
        "fake", Plan(2), 8, 200.0, 250.0, "litert", 180.0, 190.0, {"openvino": "no"}
    )
    key = speed_records.key(ModelFile(Path("usr/models/pets/net.tflite")), ["fake"])
    speed_records.write(Path("cache"), key, found)
    document = json.loads(done(scai("show", "pets", "--json")).output)["measured"]
    assert document == found.to_dict()
    answer = done(scai("show", "pets")).output
    for part in ("fake, 2 lanes", "250.0 images/s", "plain 190.0", found.date[:10], "not openvino"):
        assert part in answer


def test_the_settings_say_which_files_are_meant(
    scai: Scai, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/ic.config").write_text("[default]\nENGINE = fake\n")
    monkeypatch.setenv("SCAI_ICCONFIG", "elsewhere/ic.config")
    done(scai("install", "pets", *CLASSIFY, *FILES, *FAKE))
    assert Path("elsewhere/models/pets/net.tflite").exists()
