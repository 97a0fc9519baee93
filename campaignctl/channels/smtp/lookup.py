"""A host's name on its way to becoming addresses."""

from __future__ import annotations

import socket
from threading import Thread
from typing import Final

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

_NUMBERS_ONLY: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Lookup:
    """
    Asks the system for the addresses of a host, and becomes readable once it knows.

    A name is looked up in a thread, the only one in the channel: the system's
    resolver can neither be asked without waiting nor told to stop, and a name
    server that is away must not hold up the conversations that go on, nor a
    shutdown. What is an address already needs none.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._found: list[Address] | OSError | None = None
        self._ends: tuple[socket.socket, socket.socket] | None = None
        try:
            self._found = _addresses(host, port, _NUMBERS_ONLY)
        except OSError:
            self._ends = socket.socketpair()
            # A daemon thread: it may outlive us by as long as the resolver likes.
            Thread(target=self._ask, args=[self._ends[1]], name="smtp-lookup", daemon=True).start()

    def fileno(self) -> int:
        assert self._ends is not None, "an address is known at once"
        return self._ends[0].fileno()

    def addresses(self) -> list[Address] | None:
        """
        What was found; None while that is not known.

        Raises:
            OSError: there is nothing to be found.
        """
        if isinstance(self._found, OSError):
            raise self._found
        return self._found

    def close(self) -> None:
        """Want no answer any more."""
        if self._ends is not None:
            self._ends[0].close()

    def _ask(self, end: socket.socket) -> None:
        try:
            self._found = _addresses(self._host, self._port, 0)
        except OSError as failure:
            self._found = failure
        finally:
            end.close()


def _addresses(host: str, port: int, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]
