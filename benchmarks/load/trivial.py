"""A server that only answers, to measure the cost of the clients alone."""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.load.loop import CONTENT_LENGTH

# Enough of SCAI's answers for its clients; both requests get the same one.
_BODY = json.dumps({"sessname": "d-1", "sesskey": "k", "state": "complete", "predictions": []})
_ANSWER = (
    f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    f"{_BODY}"
).encode()


class _Protocol(asyncio.Protocol):
    """Count the bytes of each request until it is complete."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._head = b""
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if not self._left:
            self._head += data
            head, separator, body = self._head.partition(b"\r\n\r\n")
            if not separator:
                return
            length = CONTENT_LENGTH.search(head)
            self._left = int(length[1]) if length else 0
            self._head, data = b"", body
        self._left -= len(data)
        if self._left <= 0:
            self._left = 0
            self._transport.write(_ANSWER)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Protocol, "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
