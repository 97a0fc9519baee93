"""Requests and their answers: one deadline for all of it, nothing followed, no more read than was promised."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Final, NamedTuple

import httpcore

from campaignctl.channels.http.connecting import Conversation, GuardedBackend
from campaignctl.channels.http.guard import NotAllowedError, Resolver, system_addresses, target_of
from campaignctl.errors import ChannelError

MOST_OF_AN_ANSWER: Final = 64 * 1024
_DEADLINE: Final = timedelta(seconds=10)
_DOWNLOAD_DEADLINE: Final = timedelta(minutes=10)
_KEPT_FOR: Final = 30.0  # seconds that an idle connection is kept
_FAILURES: Final = (
    OSError,
    NotAllowedError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
)
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_USER_AGENT: Final = f"campaignctl/{version('campaignctl')}"


class HttpRequest(NamedTuple):
    """What is asked of another system."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes = b""


class HttpAnswer(NamedTuple):
    """
    What it said: names of headers in small letters, and the first 64 KiB of the content.

    Where `is_whole` is false the content was longer, or broke off; what the
    status says holds all the same.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    is_whole: bool = True


class HttpFailure(NamedTuple):
    """
    No answer came; `detail` says why, for people.

    `may_have_arrived` says that bytes of the request had been written.
    `was_broken_off` says that nobody waited for the answer any more.
    """

    may_have_arrived: bool
    detail: str
    was_broken_off: bool = False


class HttpClient:
    """
    Asks other systems, from any number of threads, with a few connections at a time.

    Addresses are resolved once and checked (`guard`), redirects are answers
    like others, and no variable of the environment has a say. TLS is always
    verified, by the system's authorities or by *trust*.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        deadline: timedelta = _DEADLINE,
        connections: int = 8,
        resolver: Resolver = system_addresses,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._deadline = deadline
        self._under_way: set[Conversation] = set()
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust or ssl.create_default_context(),
            max_connections=connections,
            keepalive_expiry=_KEPT_FOR,
            network_backend=GuardedBackend(resolver, allow_private=allow_private),
        )

    def ask(self, request: HttpRequest) -> HttpAnswer | HttpFailure:
        """The answer to *request*, or why there is none. It never raises for what the other side does."""
        conversation = self._begun(self._deadline)
        try:
            with conversation.is_current():
                answer = self._answer(conversation, request)
                content, is_whole = _beginning(answer)
        except _FAILURES as failure:
            return _failure(conversation, failure)
        finally:
            self._under_way.discard(conversation)
        return HttpAnswer(answer.status, _headers(answer), content, is_whole)

    def download(
        self,
        url: str,
        *,
        most: int,
        headers: Mapping[str, str] | None = None,
        deadline: timedelta = _DOWNLOAD_DEADLINE,
    ) -> Iterator[bytes]:
        """
        The content of *url*, as it comes in, *most* bytes of it at the most.

        Raises:
            ChannelError: D120, it cannot be had, or not to its end; what was given out before is then incomplete.
        """
        conversation = self._begun(deadline)
        answer: httpcore.Response | None = None
        try:
            with conversation.is_current():
                answer = self._answer(conversation, HttpRequest("GET", url, headers or {}))
            if answer.status != 200:
                raise _not_downloaded(f"the answer was {answer.status}")
            chunks, size = answer.iter_stream(), 0
            while True:
                # Whoever takes the chunks may ask for other things in between.
                with conversation.is_current():
                    chunk = next(chunks, None)
                if chunk is None:
                    return
                size += len(chunk)
                if size > most:
                    raise _not_downloaded(f"there is more of it than {most} bytes")
                yield chunk
        except _FAILURES as failure:
            raise _not_downloaded(_failure(conversation, failure).detail) from failure
        finally:
            self._under_way.discard(conversation)
            if answer is not None:
                answer.close()

    def break_off(self) -> None:
        """Have every request fail that is under way; may be called from another thread."""
        for conversation in tuple(self._under_way):
            conversation.break_off()

    def close(self) -> None:
        """Break off what is under way, and close every connection."""
        self.break_off()
        self._pool.close()

    def _begun(self, deadline: timedelta) -> Conversation:
        conversation = Conversation(deadline.total_seconds())
        self._under_way.add(conversation)
        return conversation

    def _answer(self, conversation: Conversation, request: HttpRequest) -> httpcore.Response:
        """The status and the headers; the content is still to be read."""
        target = target_of(request.url, allow_private=self._allow_private)
        content = request.content
        ours = {"Host": target.authority, "Content-Length": str(len(content))}
        if request.method == "GET" and not content:
            del ours["Content-Length"]
        theirs = {name: value for name, value in request.headers.items() if name.lower() not in _OURS}
        headers = {"User-Agent": _USER_AGENT, "Accept": "*/*"} | theirs | ours
        return self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path),
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=content,
                extensions={"timeout": {"pool": conversation.left()}},
            )
        )


def _beginning(answer: httpcore.Response) -> tuple[bytes, bool]:
    """The first 64 KiB of the content, and whether that is all of it."""
    content = bytearray()
    try:
        for chunk in answer.iter_stream():
            content += chunk
            if len(content) > MOST_OF_AN_ANSWER:
                return bytes(content[:MOST_OF_AN_ANSWER]), False
    except _FAILURES:
        # What the status said holds, whatever becomes of the rest.
        return bytes(content), False
    finally:
        answer.close()
    return bytes(content), True


def _headers(answer: httpcore.Response) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}


def _failure(conversation: Conversation, failure: Exception) -> HttpFailure:
    return HttpFailure(conversation.has_written, _sentence(conversation, failure), conversation.is_broken_off)


def _sentence(conversation: Conversation, failure: Exception) -> str:
    """What went wrong, without what was in the request."""
    match failure:
        case _ if conversation.is_broken_off:
            return "the request was broken off"
        case NotAllowedError():
            return str(failure)
        case ssl.SSLCertVerificationError():
            return f"its certificate is not to be trusted: {failure.verify_message}"
        case ssl.SSLError():
            return f"TLS did not come about: {failure.reason or 'the other side broke off'}"
        case TimeoutError() | httpcore.TimeoutException():
            return "no answer in time" if conversation.has_written else "no connection in time"
        case httpcore.LocalProtocolError():
            return "a header of the request cannot be sent"
        case httpcore.RemoteProtocolError():
            return "what it answered is no HTTP, or broke off"
        case OSError():
            return failure.strerror or str(failure) or "the connection broke"
        case _:
            return "the connection broke"


def _not_downloaded(why: str) -> ChannelError:
    return ChannelError(
        "D120", f"the download did not succeed: {why}", "see whether the address answers, and try again"
    )
