"""A connection's socket that never waits: what cannot be done now is tried again when the selector says so."""

from __future__ import annotations

import os
import socket
import ssl
from collections import deque
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import Final

from campaignctl.channels.smtp.lookup import Address, Lookup
from campaignctl.channels.smtp.settings import LOCAL_NAME

# A TLS record is no longer than this, so nothing stays behind where the selector does not see it.
_READ_SIZE: Final = 16384


class Line:
    """
    One TCP connection, from a host's name to its end, encrypted if that is asked for.

    It tells the selector what it waits for, in the name of its *owner*.
    """

    def __init__(self, host: str, port: int, selector: BaseSelector, owner: object) -> None:
        self._host = host
        self._port = port
        self._selector = selector
        self._owner = owner
        self._lookup: Lookup | None = None
        self._addresses: deque[Address] = deque()
        self._socket: socket.socket | None = None
        self._events = 0  # what the selector watches for; 0: not known to it

    def is_connected(self) -> bool:
        """
        Go on connecting; whether that is done. Addresses are tried in their order.

        Raises:
            OSError: the host has no address, or its last one cannot be reached.
        """
        if self._socket is None:
            self._lookup = self._lookup or Lookup(self._host, self._port)
            addresses = self._lookup.addresses()
            if addresses is None:
                self._watch(EVENT_READ)
            else:
                self._forget_lookup()
                self._addresses.extend(addresses)
                self.try_next()
            return False
        error = self._open_socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error and self._addresses:
            self.try_next()
        elif error:
            raise OSError(error, os.strerror(error))
        else:
            self._watch(EVENT_READ)
            return True
        return False

    @property
    def may_try_next(self) -> bool:
        """Whether the host has an address that was not tried."""
        return bool(self._addresses)

    def try_next(self) -> None:
        """
        Give up the present address for the next one.

        Raises:
            OSError: it is the last one, and cannot be reached.
        """
        self._drop_socket()
        family, address = self._addresses.popleft()
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            # What we write is whole; waiting for more would cost a round trip.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.connect(address)
        except BlockingIOError:
            pass  # as it should be: the selector says when it is connected
        except OSError:
            if not self._addresses:
                raise
            self.try_next()
            return
        self._watch(EVENT_WRITE)

    def wrap(self, trust: ssl.SSLContext) -> None:
        """Become encrypted; `is_secure` says when that is done."""
        plain = self._open_socket
        # From here on the wrapped socket owns the descriptor, also when the handshake fails.
        self._socket = trust.wrap_socket(plain, server_hostname=self._host, do_handshake_on_connect=False)

    def is_secure(self) -> bool:
        """
        Go on with the handshake; whether it is done.

        Raises:
            OSError: the other side does not shake hands, or is not to be trusted.
        """
        secured = self._open_socket
        assert isinstance(secured, ssl.SSLSocket), "wrapped before"
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(EVENT_READ)
            return False
        except ssl.SSLWantWriteError:
            self._watch(EVENT_WRITE)
            return False
        return True

    def send(self, data: bytes) -> int:
        """Hand over as much of *data* as goes now; how much that was."""
        try:
            return self._open_socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._watch(EVENT_WRITE)
        except ssl.SSLWantReadError:
            self._watch(EVENT_READ)
        return 0

    def receive(self) -> bytes | None:
        """What has come in: nothing (`b""`) at the end, and None where there is nothing yet."""
        try:
            return self._open_socket.recv(_READ_SIZE)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._watch(EVENT_READ)
        except ssl.SSLWantWriteError:
            self._watch(EVENT_WRITE)
        return None

    def await_data(self) -> None:
        """Have the selector say when something has come in."""
        self._watch(EVENT_READ)

    def close(self) -> None:
        """Close without a word."""
        self._forget_lookup()
        self._drop_socket()

    @property
    def name(self) -> str:
        """How to introduce ourselves: by a full name, else by the address (RFC 5321, 4.1.3)."""
        name = socket.gethostname()
        if "." in name and LOCAL_NAME.fullmatch(name):
            return name
        address = str(self._open_socket.getsockname()[0]).partition("%")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    @property
    def _open_socket(self) -> socket.socket:
        assert self._socket is not None, "there is one from the first address on"
        return self._socket

    def _watch(self, events: int) -> None:
        if events == self._events:
            return
        if self._events:
            self._selector.modify(self._number, events, self._owner)
        else:
            self._selector.register(self._number, events, self._owner)
        self._events = events

    def _unwatch(self) -> None:
        if self._events:
            self._selector.unregister(self._number)
            self._events = 0

    @property
    def _number(self) -> int:
        # Not the object: a wrapped socket is another one, with the same descriptor.
        return (self._lookup or self._open_socket).fileno()

    def _forget_lookup(self) -> None:
        if self._lookup is not None:
            self._unwatch()
            self._lookup.close()
            self._lookup = None

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._unwatch()
            self._socket.close()
            self._socket = None
