"""Label files of both kinds become a mapping id -> label."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scai.errors import ConfigError
from scai.models import labels


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"cat\ndog\n", {0: "cat", 1: "dog"}),
        (b"cat  \r\ndog", {0: "cat", 1: "dog"}),
        (b"\xef\xbb\xbfcat\n", {0: "cat"}),  # byte order mark
        ("貓\n狗\n".encode(), {0: "貓", 1: "狗"}),
        (b"a\n\nb\n\n\n", {0: "a", 1: "", 2: "b"}),  # an empty line within keeps its number
    ],
)
def test_a_text_file_has_one_label_a_line(
    tmp_path: Path, data: bytes, expected: dict[int, str]
) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(data)
    assert labels.read(file) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('item { id: 1 name: "cat" }', {1: "cat"}),
        ('item {\n  name: "/m/01"\n  id: 1\n  display_name: "person"\n}\n', {1: "person"}),
        ("item { id: 2 name: 'cat' }  # a comment { }\n", {2: "cat"}),
        ('item { id: 1, name: "say \\"hi\\"", }', {1: 'say "hi"'}),
        ("item { id: 1 name: 'it\\'s' }", {1: "it's"}),
        ('item { id: 1 name: "a # b" }', {1: "a # b"}),
        ('item { id: 1 name: "\\350\\262\\223" }', {1: "貓"}),  # octal, as protobuf prints
        ('item { id: 1 name: "貓" }', {1: "貓"}),
        ('item { id: 1 name: "a\\tb\\x41\\8\\q" }', {1: "a\tbA\\8\\q"}),  # unknown ones stay
        ('item { id: 1 name: "a" "b" }', {1: "ab"}),  # adjacent strings are one
        ('item: < id: 1; name: "a" >', {1: "a"}),  # the other brackets
        ('item { id: 3 name: "p" keypoints { id: 9 label: "nose" } }', {3: "p"}),
        ('item{id:1 name:"a"}item{id:7 name:"b"}', {1: "a", 7: "b"}),
    ],
)
def test_a_label_map_is_read_as_protobuf_does(text: str, expected: dict[int, str]) -> None:
    assert labels.parse_pbtxt(text, "map") == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('item { name: "a" }', "map, line 1: expected a whole number as id, got none"),
        ("item { id: 1 }", "map, line 1: expected a name or display_name, got neither"),
        ('\nitem { id: x name: "a" }', "map, line 2: expected a whole number as id, got x"),
        ('item { id: 1 name: "a"', "map, line 1: expected '}' to close this item, got the end"),
        ('thing { id: 1 name: "a" }', "map, line 1: expected 'item {', got 'thing'"),
        ('item { name "a" id: 1 }', "map, line 1: expected ':' before 'a', got none"),
        ('item { "a" }', "map, line 1: expected ':' before 'a', got none"),
        ('item { id: 1 name: "a }', "map, line 1: expected a field, got '\"'"),
        (
            'item { id: 1 name: "a" }\nitem { id: 1 name: "b" }',
            "map, line 2: expected every id once, got id 1 again",
        ),
    ],
)
def test_a_damaged_label_map_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        labels.parse_pbtxt(text, "map")
    assert caught.value.message == sentence


def test_files_that_are_no_labels_are_config_errors(tmp_path: Path) -> None:
    for name, data in (("empty.txt", b"\n\n"), ("binary.txt", b"\xff\xfe\x00"), ("m.pbtxt", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError, match=name):
            labels.read(tmp_path / name)
    with pytest.raises(ConfigError, match="none.txt"):
        labels.read(tmp_path / "none.txt")


def test_whatever_is_damaged_in_a_label_map_it_is_read_or_refused_with_a_sentence() -> None:
    whole = (
        'item {\n  id: 1\n  name: "cat" "s"\n  keypoints { id: 2 }\n}\n'
        "item: < id: 7; name: 'b' >\n"
    )
    draw = random.Random(7)
    for _ in range(3000):
        text = list(whole)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(text))
            text[at : at + draw.randint(0, 3)] = draw.choice(
                ["", ":", '"', "{", "}", "\\8", " 9", "\n"]
            )
        try:
            found = labels.parse_pbtxt("".join(text), "map")
        except ConfigError as error:
            assert error.message.startswith("map, line ")
        else:
            assert all(isinstance(number, int) for number in found)
