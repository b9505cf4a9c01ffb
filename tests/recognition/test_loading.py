"""Which engine a model file is given to."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.engine_makers import DIGITS

from scai import plugins
from scai.engines.base import ModelFile
from scai.errors import ConfigError, UnsupportedModel
from scai.models.cards import CLASSIFICATION, DETECTION, ModelCard
from scai.recognition.loading import candidates, load_engine, model_file


def card(graph: Path, **values: object) -> ModelCard:
    return ModelCard(CLASSIFICATION, Path("m.config"), "m", graph=graph, **values)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("m.pb", "openvino"),
        ("m.tflite", "litert"),
        ("m.onnx", "openvino"),
        ("m.keras", "tensorflow"),
    ],
)
def test_the_fastest_engine_is_asked_first(name: str, first: str) -> None:
    assert candidates(card(Path(name)))[0] == first


def test_a_folder_is_a_saved_model(tmp_path: Path) -> None:
    assert candidates(card(tmp_path)) == ["openvino", "tensorflow"]
    # named by its inner file, too
    assert candidates(card(tmp_path / "saved_model.pb")) == ["openvino", "tensorflow"]
    assert model_file(card(tmp_path / "saved_model.pb"), "", 0, 0).path == tmp_path


def test_an_unknown_kind_of_file_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"expected a \.pb, .* got m\.docx"):
        candidates(card(Path("m.docx")))


def test_an_engine_that_refuses_is_followed_by_the_next(monkeypatch, caplog) -> None:
    litert = plugins.load("engines", "litert")

    def refuse(self: object, model: ModelFile) -> None:
        raise UnsupportedModel("litert has a bad day")

    monkeypatch.setattr(litert.Engine, "__init__", refuse)
    with caplog.at_level("INFO"):
        engine = load_engine(card(DIGITS / "digits.tflite"))
    assert engine.name == "openvino"
    assert [r.getMessage() for r in caplog.records if "litert has a bad day" in r.getMessage()]
    engine.close()
    with pytest.raises(UnsupportedModel, match="bad day"):
        load_engine(card(DIGITS / "digits.tflite", engine="litert"))


def test_an_engine_that_is_not_installed_is_not_asked(monkeypatch) -> None:
    monkeypatch.setattr(plugins.load("engines", "openvino"), "available", lambda: False)
    assert candidates(card(Path("m.pb"))) == ["tensorflow"]
    monkeypatch.setattr(plugins.load("engines", "tensorflow"), "available", lambda: False)
    with pytest.raises(ConfigError, match="openvino or tensorflow to be installed"):
        candidates(card(Path("m.pb")))


def test_the_wrong_layer_is_blamed_on_the_section() -> None:
    with pytest.raises(
        ConfigError, match=r"^m\.config: \[m\] OUTPUT_LAYER: .*expected a layer named 'x'"
    ):
        load_engine(card(DIGITS / "digits.tflite", output_layer="x"))


def test_fake_serves_both_kinds() -> None:
    for kind, outputs in ((CLASSIFICATION, 1), (DETECTION, 4)):
        engine = load_engine(ModelCard(kind, Path("c"), "m", engine="fake"), classes=3)
        assert len(engine.outputs) == outputs
