"""One request and its answer: calls of the application in threads, and waits without any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from scai.errors import MISTAKE, ScaiError
from scai.jobs.deferral import KEY, Deferral
from scai.programs.front.answer import Answer, App, FileBlocks, Framing
from scai.programs.front.pool import Pool
from scai.programs.front.refusals import respond
from scai.programs.front.request import Request
from scai.programs.front.sink import Sink
from scai.web.forms import BODY

log = logging.getLogger(__name__)


class Exchange:
    """Begin with `start`; `leave` when the client is gone. Methods without _in_thread: in the loop.

    waiting: whether it waits for news, so that a client who stops sending has surely left
    """

    def __init__(
        self, request: Request, sink: Sink, app: App, pool: Pool, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.waiting = False
        self._request = request
        self._sink = sink
        self._app = app
        self._pool = pool
        self._loop = loop
        self._deferral = Deferral()
        self._answer = Answer()
        self._framing: Framing | None = None
        self._left = False
        self._busy = False
        self._stopping = False
        self._resume: Callable[[], None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def start(self) -> None:
        """Ask the application."""
        self._submit(self._ask_in_thread)

    def leave(self) -> None:
        """Forget it: the client is gone."""
        self._left = True
        self._forget_body()
        if not self._busy:
            self._end_wait()
            self._submit(self._clean_in_thread)

    def stop(self) -> None:
        """Answer with what there is, and end a stream: the server stops."""
        self._stopping = True
        if self.waiting:
            self._deferral.expire()
            self._go_on()

    def unblocked(self) -> None:
        """The client has read what was sent."""
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def _submit(self, work: Callable[[], Callable[[], None] | None]) -> None:
        """Run `work` in a thread, then what it returns in the loop."""
        self._busy = True

        def run() -> None:
            try:
                after = work()
            except Exception:
                log.exception("%s %s", self._request.method, self._request.path)
                after = self._break_off
            if after is not None:
                self._to_loop(after)

        try:
            self._pool.submit(run)
        except RuntimeError as error:  # there is no thread at all
            log.error("%s %s: %s", self._request.method, self._request.path, error)
            self._busy = False
            if not self._left and work == self._ask_in_thread:
                self._loop.call_soon(self._mistake)

    def _to_loop(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # the loop is closed: the server has stopped

    def _ask_in_thread(self) -> Callable[[], None] | None:
        """Call the application, and read the beginning of its answer."""
        if self._left:
            self._clean_in_thread()
            return lambda: None
        known = self._known_answer()
        if known is not None:
            return self._begin_in_thread(*known)
        request, answer, deferral = self._request, Answer(), self._deferral
        self._answer, deferral.pause = answer, None
        try:
            environ = request.environ()
            environ[KEY] = deferral
            environ["wsgi.file_wrapper"] = FileBlocks
            with request.open() as body:
                environ["wsgi.input"] = body
                if request.body is not None and request.body.file is not None:
                    environ[BODY] = request.body.file
                answer.ask(self._app, environ)
                if deferral.pause is None:
                    data = answer.portion()
        except Exception:
            log.exception("%s %s", request.method, request.path)
            answer.close()
            self._clean_in_thread()
            return self._mistake
        if deferral.pause is not None:
            answer.close()
            return self._wait_for_news
        return self._begin_in_thread(answer, data)

    def _known_answer(self) -> tuple[Answer, bytes] | None:
        """The answer and its body of a request that waited, if its route said how to get it."""
        dropped, deferral = self._answer, self._deferral
        try:
            body = deferral.answer() if deferral.pause is not None else None
        except Exception:
            return None  # the application says what is wrong
        if body is None or not dropped.status.startswith("200"):
            return None
        answer = Answer()
        answer.status, answer.over = dropped.status, True
        answer.headers = [each for each in dropped.headers if each[0].lower() != "content-length"]
        answer.headers.append(("Content-Length", str(len(body))))
        deferral.told()
        return answer, body

    def _begin_in_thread(self, answer: Answer, data: bytes) -> Callable[[], None] | None:
        """Send the beginning of an answer, which is all of it as a rule."""
        request, self._answer = self._request, answer
        self._deferral.close()
        if request.body is not None:
            request.body.remove()
        keep_alive = request.keep_alive and not self._stopping
        framing = Framing(answer, request.method, request.version, keep_alive)
        self._framing = framing
        first = framing.head + framing.frame(data, answer)
        rest = first[self._sink.send_in_thread(first) :]

        def after() -> None:
            self._portion(rest)

        if answer.over and not rest and framing.keep_alive:
            self._sink.finish_in_thread(after)
            return None
        return after

    def _more_in_thread(self) -> Callable[[], None]:
        assert self._framing is not None
        data = self._framing.frame(self._answer.portion(), self._answer)
        return lambda: self._portion(data)

    def _clean_in_thread(self) -> None:
        self._answer.close()
        self._deferral.close()
        if self._request.body is not None:
            self._request.body.remove()

    def _portion(self, data: bytes) -> None:
        """Send a portion of the answer, and ask for the next one."""
        self._busy = False
        answer, framing = self._answer, self._framing
        assert framing is not None
        if self._left:
            self._submit(self._clean_in_thread)
        elif answer.over:
            self._sink.send(data)
            self._forget_body()
            broken = answer.failed and framing.open_ended
            self._sink.answered(keep_alive=framing.keep_alive, broken=broken)
        elif self._stopping:
            self._sink.send(data)
            self._submit(self._clean_in_thread)
            self._forget_body()
            self._sink.answered(keep_alive=False, broken=framing.open_ended)
        else:
            self._sink.send(data)
            if answer.pause is not None:
                self._wait(answer.pause.bell, answer.pause.seconds)
            elif self._sink.blocked:
                self._resume = self._go_on
            else:
                self._go_on()

    def _mistake(self) -> None:
        self._busy = False
        if not self._left:
            self._forget_body()
            only_head = self._request.method == "HEAD"
            self._sink.send(respond(ScaiError(MISTAKE), only_head=only_head))
            self._sink.answered(keep_alive=False)

    def _break_off(self) -> None:
        """End the connection: of an answer that cannot be sent, something may have been."""
        self._busy = False
        if not self._left:
            self._forget_body()
            self._submit(self._clean_in_thread)
            broken = self._framing is not None and self._framing.open_ended
            self._sink.answered(keep_alive=False, broken=broken)

    def _forget_body(self) -> None:
        if self._request.body is not None:
            self._request.body.forget()

    def _wait_for_news(self) -> None:
        self._busy = False
        pause = self._deferral.pause
        assert pause is not None
        if self._left:
            self._submit(self._clean_in_thread)
        elif self._stopping:
            self._deferral.expire()
            self._submit(self._ask_in_thread)
        else:
            self._wait(pause.bell, pause.seconds)
            if self.waiting and pause.done is not None and pause.recheck < pause.seconds:
                self._later(pause.recheck, self._recheck)

    def _wait(self, bell: Any, seconds: float) -> None:
        """Go on when the bell rings, or after `seconds`."""
        self.waiting = True
        self._sink.rests()
        self._later(seconds, self._go_on)
        bell.listen(lambda: self._to_loop(self._go_on))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timers.append(self._loop.call_later(seconds, call))

    def _go_on(self) -> None:
        """Ask the application again, or for more."""
        if self._busy or self._left:
            return
        self._end_wait()
        self._submit(self._ask_in_thread if self._framing is None else self._more_in_thread)

    def _end_wait(self) -> None:
        self.waiting = False
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _recheck(self) -> None:
        """Look whether the bell should have rung."""
        pause = self._deferral.pause
        if not self.waiting or pause is None or pause.done is None:
            return
        done = pause.done

        def look() -> None:
            try:
                over = done()
            except Exception:
                over = True  # the application says what is wrong
            self._to_loop(self._go_on if over else again)

        def again() -> None:
            if self.waiting and self._deferral.pause is pause:
                self._later(pause.recheck, self._recheck)

        self._pool.submit(look)
