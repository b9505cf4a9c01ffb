"""The models, and what is known of them."""

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

_SIZE: Schema = {"type": ["integer", "null"], "description": "Pixels; null: not known."}
_SCHEMAS: dict[str, Schema] = {
    "Model": record(
        "A section of the models file, and the card beside its model. What is not known is empty.",
        "kind name default aliases problem summary classes labels input metrics plots engine "
        "running speed",
        kind=text("The kind of recognition.", enum=KIND_NAMES),
        name=text("Its name, for the field `model` of an upload."),
        default=yes_no("Whether it is taken when an upload names none."),
        aliases=rows("Other names of it.", {"type": "string"}),
        problem=text("Why it cannot be used, if so."),
        summary=text("What it is for."),
        task=text("What it was made to do."),
        classes=whole("How many things it can tell apart."),
        labels=rows("The first of their labels.", {"type": "string"}),
        input=record(
            "What goes into it.",
            "width height resize",
            width=_SIZE,
            height=_SIZE,
            resize=text("How pictures are fitted."),
        ),
        metrics=rows(
            "How good it is, most telling first.",
            record(
                "A figure.",
                "name value unit title label",
                name=text("As its card says it."),
                value=number("The figure."),
                unit=text("`share` (0 to 1), `ms`, or nothing."),
                title=text("Its name without the label."),
                label=text("The label that it was measured for, if for one."),
            ),
        ),
        limits=rows("What it cannot do.", {"type": "string"}),
        data=text("What it learned from."),
        licence=text("Its licence."),
        date=text("When it was made."),
        trained_with=text("The command that made it."),
        measured_with=text("The command that measured it."),
        format=text("The format of its file."),
        files=rows(
            "Its files.",
            record("A file.", "name bytes", name=text("Its name."), bytes=whole("Its size.")),
        ),
        plots=rows(
            "Pictures about it.",
            record(
                "A plot.",
                "name url",
                name=text("Its name."),
                url=text("Where it is, on this server."),
                width=whole("Pixels."),
                height=whole("Pixels."),
            ),
        ),
        engine=text("The library that runs it."),
        device=text("What it runs on."),
        precision=text("The numbers it is computed with."),
        running=rows(
            "The workers that began with it: engine, plan, how many photos they did.",
            {"type": "object"},
        ),
        speed={
            "type": "object",
            "description": "How fast it was when engines were tried; empty: they were not.",
        },
    ),
}

GROUP = Group(
    "Models",
    "Which models there are, how good and how fast they are.",
    (
        Operation(
            "GET",
            "/models.json",
            "All models",
            "The default one of each kind comes first.",
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
            "The `plots` of a model name them. Their addresses change with their content.",
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
                    headers={"ETag": "Its mark, for `If-None-Match`."},
                ),
                Answer(304, "It is the one that `If-None-Match` names."),
                problem(NotFound, "No such plot.", "no such picture of a model"),
            ),
            save="plot.png",
        ),
    ),
    _SCHEMAS,
)
