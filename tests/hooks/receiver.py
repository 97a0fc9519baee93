"""A system that is told of events: it checks every signature, remembers what it takes, and answers as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

from standardwebhooks import Webhook

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQ="


class Told(NamedTuple):
    """A request that came in."""

    id: str
    type: str
    at: str
    data: dict[str, Any]
    body: bytes

    @property
    def short(self) -> tuple[str, str | None]:
        return self.type, self.data.get("contact") or self.data.get("step")


class Answer(NamedTuple):
    """What is answered to a request."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Answering = Callable[[Told], Answer]
TAKEN = Answer()


class Receiver:
    """Listens on a port of this machine; *answering* may wait before it says something."""

    def __init__(self, answering: Answering = lambda _: TAKEN) -> None:
        self.answering = answering
        self.heard: list[Told] = []  # all that came
        self.taken: list[Told] = []  # what was answered with 2xx
        self.headers: list[dict[str, str]] = []  # of all that came
        self.connections = 0
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/events"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _hear(self, told: Told, headers: Any) -> Answer:
        with self._lock:
            self.heard.append(told)
            self.headers.append(dict(headers))
        answer = self.answering(told)
        if answer.status == 200:
            with self._lock:
                self.taken.append(told)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                receiver.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if is_signed(self.headers, body):
                    answer = receiver._hear(told_by(self.headers, body), self.headers)
                else:
                    answer = Answer(401)
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 # the base class names it so
                """Nothing is printed."""

        return Handler


def is_signed(headers: Any, body: bytes) -> bool:
    """Whether the library of Standard Webhooks makes the same signature; the clock of a test may stand elsewhere."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    made = Webhook(SECRET).sign(headers["webhook-id"], at, body.decode())
    return bool(made == headers["webhook-signature"])


def told_by(headers: Any, body: bytes) -> Told:
    said = json.loads(body)
    assert said.keys() == {"type", "timestamp", "data"}
    return Told(headers["webhook-id"], said["type"], said["timestamp"], said["data"], body)
