"""The addresses of the seed's API, one row a kind of recognition."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Routes:
    """Where to post a picture and where to fetch what came of it; `output` for kinds that draw."""

    kind: str
    upload: str
    result: str
    input: str
    output: str | None


ROUTES = (
    Routes(
        kind="image_classification",
        upload="/imageclassification",
        result="/imageclassification/imgclassres",
        input="/imageclassification/imgclassres/iciptimg",
        output=None,
    ),
    Routes(
        kind="object_detection",
        upload="/objectdetection",
        result="/objectdetection/odres",
        input="/objectdetection/odres/odiptimg",
        output="/objectdetection/odres/odresimg",
    ),
)
