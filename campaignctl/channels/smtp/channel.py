"""`SmtpChannel`: messages to a relay, over a few connections at a time."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread

from campaignctl.channels.smtp.connection import Connection
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.errors import ChannelError
from campaignctl.ports import Outcome, Outgoing


class SmtpChannel:
    """
    A relay with some connections, each a thread that carries one message at a time.

    Threads start when there is work for them, and keep their connection for
    the next message.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._trust = trust_for(settings)
        self._waiting: SimpleQueue[Outgoing | None] = SimpleQueue()
        self._finished: SimpleQueue[Outcome | BaseException] = SimpleQueue()
        self._threads: list[Thread] = []
        self._in_flight = 0

    @property
    def capacity(self) -> int:
        return self._settings.connections

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def exchange(self, messages: Sequence[Outgoing]) -> Sequence[Outcome]:
        """See `ports.Channel.exchange`."""
        if len(messages) > self.capacity - self._in_flight:
            raise ValueError("more messages than the channel has room for")
        for message in messages:
            self._in_flight += 1
            if len(self._threads) < self._in_flight:
                self._start_thread()
            self._waiting.put(message)
        outcomes: list[Outcome] = []
        while self._in_flight and (not outcomes or not self._finished.empty()):
            finished = self._finished.get()
            if isinstance(finished, BaseException):
                if outcomes:  # they are true, whatever went wrong next to them
                    self._finished.put(finished)
                    break
                self._in_flight -= 1
                raise finished
            self._in_flight -= 1
            outcomes.append(finished)
        return outcomes

    def close(self) -> None:
        """Let each connection finish what it has, say QUIT, and end."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start_thread(self) -> None:
        # A daemon thread: a relay that hangs must not keep a process alive that was told to die.
        thread = Thread(target=self._work, name=f"smtp-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        connection = Connection(self._settings, self._trust)
        while (message := self._waiting.get()) is not None:
            try:
                outcome: Outcome | BaseException = connection.carry(message)
            except BaseException as bug:
                # `exchange` raises it again; swallowed here, the caller would wait for ever.
                connection.drop()
                outcome = bug
            self._finished.put(outcome)
        connection.close()


def trust_for(settings: SmtpSettings) -> ssl.SSLContext | None:
    """
    Whom to believe: the system's authorities, those of `ca_file`, anybody; None where there is no TLS.

    Raises:
        ChannelError: `ca_file` cannot be used.
    """
    if settings.security == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ChannelError(
            "D101",
            f"the certificates in `{settings.ca_file}` cannot be read",
            "name a file in PEM format that this user may read",
        ) from error
    if settings.security == "opportunistic":
        # Encryption with an unknown is worth more than none, and none is the alternative.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
