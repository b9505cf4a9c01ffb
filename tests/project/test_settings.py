"""Where settings come from, and what is said of wrong ones."""

import logging
from pathlib import Path

import pytest

from scai import settings
from scai.errors import ConfigError


def test_flags_beat_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    ini = tmp_path / "scai.config"
    ini.write_text("[portal]\nport = 1\nhost = file\nthreads = 7\n")
    environment = {"SCAI_PORT": "2", "SCAI_HOST": "environment"}
    found = settings.load({"port": "3", "host": None}, environment, ini)
    assert (found.port, found.host, found.threads, found.batch) == (3, "environment", 7, 8)


def test_what_is_loaded_passes_unchanged_to_child_processes() -> None:
    first = settings.load({"port": "81", "keeptimeperiod": "2d", "max_upload_mb": "1.5"}, {})
    assert settings.load({}, settings.as_environment(first)) == first


WRONG = [
    ("[portal]\nport = high", r"\[portal\] port: expected a whole number, got 'high'"),
    ("[portal]\nport = 70000", r"\[portal\] port: expected between 1 and 65535, got 70000"),
    ("[portal]\nrunningmode = fast", r"expected one of runtime, job, got 'fast'"),
    ("[worker]\nbatch = 0", r"\[worker\] batch: expected between 1 and 256, got 0"),
    ("[cleaner]\nkeeptimeperiod = soon", r"\[cleaner\] keeptimeperiod: expected a number"),
    ("port = 1", r"scai\.config: cannot be read"),  # no section
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_a_wrong_value_is_one_sentence_with_file_section_and_key(
    tmp_path: Path, text: str, sentence: str
) -> None:
    ini = tmp_path / "scai.config"
    ini.write_text(text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        settings.load({}, {}, ini)
    assert "\n" not in caught.value.message


def test_a_wrong_variable_and_a_wrong_flag_are_named() -> None:
    with pytest.raises(ConfigError, match="environment variable SCAI_BATCH: expected a whole"):
        settings.load({}, {"SCAI_BATCH": "x"})
    with pytest.raises(ConfigError, match="option --port: expected a whole number"):
        settings.load({"port": "x"}, {})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        settings.load({}, {"SCAI_CONFIG": str(tmp_path / "none")})


def test_an_unknown_key_is_a_warning_with_the_nearest_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ini = tmp_path / "scai.config"
    ini.write_text("[portal]\nthread = 5\nbatch = 5\n")
    with caplog.at_level(logging.WARNING):
        assert settings.load({}, {}, ini).threads == 256
    assert "[portal] thread is unknown; did you mean [portal] threads?" in caplog.text
    assert "[portal] batch is unknown; did you mean [worker] batch?" in caplog.text
