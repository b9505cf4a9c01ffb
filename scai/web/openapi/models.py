"""The operations on models."""

from __future__ import annotations

from scai.errors import NotFound
from scai.web.openapi.operations import (
    KIND_NAMES,
    Answer,
    Group,
    Operation,
    Schema,
    Value,
    number,
    problem,
    record,
    ref,
    rows,
    text,
    whole,
    yes_no,
)

_SIZE: Schema = {"type": ["integer", "null"], "description": "In pixels; null if unknown."}
_SCHEMAS: dict[str, Schema] = {
    "Model": record(
        "A section of the models file, with the card of its model. Unknown values are empty.",
        "kind name default aliases problem summary classes labels input metrics plots engine "
        "running speed",
        kind=text("The kind of recognition.", enum=KIND_NAMES),
        name=text("Its name, for the field `model` of an upload."),
        default=yes_no("Whether uploads that name no model use it."),
        aliases=rows("Other names for it.", {"type": "string"}),
        problem=text("Why it cannot be used, if it cannot."),
        summary=text("What it is for."),
        task=text("The task it was trained for."),
        classes=whole("Number of classes."),
        labels=rows("The first labels.", {"type": "string"}),
        input=record(
            "Input of the model.",
            "width height resize",
            width=_SIZE,
            height=_SIZE,
            resize=text("How pictures are resized."),
        ),
        metrics=rows(
            "Accuracy and other figures, the most important first.",
            record(
                "A figure.",
                "name value unit title label",
                name=text("Its name on the card."),
                value=number("The value."),
                unit=text("`share` (0 to 1), `ms`, or empty."),
                title=text("Its name without the label."),
                label=text("The label it was measured for, if any."),
            ),
        ),
        limits=rows("Known limits.", {"type": "string"}),
        data=text("Training data."),
        licence=text("Its licence."),
        date=text("Creation date."),
        trained_with=text("The command that trained it."),
        measured_with=text("The command that measured it."),
        format=text("The format of its file."),
        files=rows(
            "Its files.",
            record("A file.", "name bytes", name=text("Its name."), bytes=whole("Its size.")),
        ),
        plots=rows(
            "Plots of its evaluation.",
            record(
                "A plot.",
                "name url",
                name=text("Its name."),
                url=text("Its address on this server."),
                width=whole("In pixels."),
                height=whole("In pixels."),
            ),
        ),
        engine=text("The library that runs it."),
        device=text("The device it runs on."),
        precision=text("Numeric precision of the computation."),
        running=rows(
            "Workers that started with it: engine, plan, number of photos processed.",
            {"type": "object"},
        ),
        speed={
            "type": "object",
            "description": "Its speed in the comparison of engines; "
            "empty if they were not compared.",
        },
    ),
}

GROUP = Group(
    "Models",
    "The available models, their accuracy and their speed.",
    (
        Operation(
            "GET",
            "/models.json",
            "All models",
            "The default model of each kind comes first.",
            answers=(
                Answer(
                    200,
                    "The models.",
                    rows("The models.", ref("Model")),
                    [
                        {
                            "kind": "image_classification",
                            "name": "objects",
                            "default": True,
                            "summary": "Names one of ten things in a photo.",
                            "classes": 10,
                        }
                    ],
                ),
            ),
        ),
        Operation(
            "GET",
            "/models/{kind}/{name}/{file}",
            "A plot of a model",
            "The `plots` of a model list the addresses, which change with the content.",
            (
                Value(
                    "kind",
                    "The kind of recognition.",
                    {"type": "string", "enum": KIND_NAMES},
                    "path",
                    required=True,
                    example="image_classification",
                ),
                Value(
                    "name",
                    "The model.",
                    {"type": "string", "minLength": 1},
                    "path",
                    required=True,
                    example="objects",
                ),
                Value(
                    "file",
                    "The plot.",
                    {"type": "string", "minLength": 1},
                    "path",
                    required=True,
                    example="confusion.png",
                ),
            ),
            answers=(
                Answer(
                    200,
                    "The plot.",
                    {"type": "string", "format": "binary"},
                    type="image/png",
                    headers={"ETag": "Version of the content, for `If-None-Match`."},
                ),
                Answer(304, "Not changed since the version in `If-None-Match`."),
                problem(NotFound, "No such plot.", "no such picture of a model"),
            ),
            save="plot.png",
        ),
    ),
    _SCHEMAS,
)
