"""The home page: a form for each kind of recognition."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app
from flask.wrappers import Response

from scai.jobs import inputs
from scai.jobs.service import JobService
from scai.kinds import PICTURE, Kind
from scai.models.model import Model
from scai.models.shelf import ModelShelf
from scai.settings import Settings
from scai.web import addresses, page

# A model with exactly these labels reads the digits that people draw on the pad.
_DIGITS = set("0123456789")


def blueprint(service: JobService, settings: Settings) -> Blueprint:
    """The routes of the home page."""
    pages = Blueprint("pages", __name__)
    shelf = ModelShelf(settings)

    @pages.get("/")
    def home() -> Response:
        return page.render(
            "index.html",
            "home",
            kinds=[
                _card(kind, service.models(kind.name), shelf) for kind in settings.kinds.values()
            ],
            accept=",".join(inputs.INPUT_TYPES[PICTURE].media_types),
            max_bytes=settings.max_upload_bytes,
            max_mb=f"{settings.max_upload_mb:g}",
            max_megapixels=f"{settings.max_megapixels:g}",
            origin=addresses.server(),
            known=current_app.view_functions,
        )

    @pages.get("/favicon.ico")
    def icon() -> Response:
        """Where browsers ask for the icon of answers that are not pages, such as JSON."""
        return current_app.send_static_file("favicon.svg")

    return pages


def _card(kind: Kind, names: list[str], shelf: ModelShelf) -> dict[str, Any]:
    """What the page needs of one kind: its values and its models, the default model first.

    `pad` is the model that reads digits drawn by hand, `problem` why the models file cannot be
    read; "" if there is none.
    """
    models_by_name = {model.name: model for model in shelf.models(kind.name)}
    models = [models_by_name.get(name, Model(kind.name, name)) for name in names]
    digits = [model.name for model in models if set(model.labels) == _DIGITS]
    return {
        **kind.to_dict(),
        "models": models,
        "pad": digits[0] if digits else "",
        "problem": shelf.problem(kind.name),
    }
