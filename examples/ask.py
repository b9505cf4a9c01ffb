"""Ask a running server what is in a picture, with Python's standard library alone.

python examples/ask.py photo.jpg objects
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

SERVER = os.environ.get("SCAI_SERVER", "http://127.0.0.1:5000")
TRIES = 5
WAIT = 20  # seconds that the server may hold a request for a result


def main(photo: Path, model: str) -> None:
    """Upload the picture, wait for the result, print it."""
    address = f"{SERVER}/imageclassification"
    # The picture alone is the body. Without this header urllib would declare a form.
    kind = {"Content-Type": "application/octet-stream"}
    upload = Request(f"{address}?{urlencode({'model': model})}", photo.read_bytes(), kind)
    job = call(upload)
    query = {"task": job["sessname"], "key": job["sesskey"], "wait": WAIT}
    result: dict[str, Any] = {"state": "initialization"}
    # A long poll: the server answers when there is a result, after WAIT seconds at the latest.
    while result["state"] not in ("complete", "failure"):
        result = call(Request(f"{address}/imgclassres?{urlencode(query)}"))
    if result["state"] == "failure":
        sys.exit(result["message"])
    for prediction in result["predictions"]:
        print(f"{prediction['score']:6.1%}  {prediction['label']}")


def call(request: Request) -> dict[str, Any]:
    """The JSON of the answer; an error of the server ends the program with its message."""
    # Your own server is not behind the proxy of the environment.
    opener = build_opener(ProxyHandler({}))
    for number in range(1, TRIES + 1):
        try:
            with opener.open(request, timeout=WAIT + 15) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            # A full queue states when to try again. Any other error would come again.
            if "Retry-After" not in error.headers or number == TRIES:
                sys.exit(json.load(error)["error"])
            pause = float(error.headers["Retry-After"])
        except (URLError, TimeoutError):
            # Perhaps the server is starting. Wait longer each time.
            if number == TRIES:
                sys.exit(f"{SERVER}: no answer; does a server run there?")
            pause = 2.0 ** (number - 2)
        time.sleep(pause)
    raise AssertionError("the last try has returned or ended the program")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/ask.py PHOTO MODEL")
    main(Path(sys.argv[1]), sys.argv[2])
