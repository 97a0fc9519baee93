"""Where requests may go: public addresses over TLS, unless an endpoint says that it may be private."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

import httpx

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

# RFC 6052 and RFC 8215: the last 32 bits are the IPv4 address that a translator goes on to.
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
# What browsers and the C library take for an IPv4 address: `2130706433`, `0x7f.1`, `127.1`.
_LIKE_A_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)
_NAME: Final = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+\.?|[0-9a-f:.]+", re.IGNORECASE)
_PORTS: Final = {"http": 80, "https": 443}
_DOTTED: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")


class NotAllowedError(Exception):
    """A request must not go there; the text says why, for people."""


class Target(NamedTuple):
    """Where an URL leads, before its name is resolved."""

    scheme: str
    host: str
    port: int
    path: bytes

    @property
    def authority(self) -> str:
        """Host and port, as the `Host` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str, *, allow_private: bool) -> Target:
    """
    Where *url* leads.

    Without *allow_private* it has to be `https`: what crosses the public
    network in the clear is not only ours to lose.

    Raises:
        NotAllowedError: no request may be made of it. The text never quotes the URL, which may hold a secret.
    """
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise NotAllowedError("the address of the endpoint cannot be read") from None
    if not 0 < (parsed.port or 1) <= 65535:
        raise NotAllowedError("the address of the endpoint cannot be read: its port is none")
    if parsed.scheme not in _PORTS or not _NAME.fullmatch(host):
        raise NotAllowedError("the address of an endpoint begins with `https://` and names a host")
    if parsed.userinfo:
        raise NotAllowedError("the address of an endpoint holds no user and no password: use `headers`")
    if parsed.scheme == "http" and not allow_private:
        raise NotAllowedError("`http://` is not encrypted: use `https://`, or say `allow_private: true`")
    if _LIKE_A_NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) and not _DOTTED.fullmatch(host):
        raise NotAllowedError(f"`{host}` is an odd way to write an address: use four decimal numbers")
    return Target(parsed.scheme, host, parsed.port or _PORTS[parsed.scheme], parsed.raw_path)


def system_addresses(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def allowed(addresses: Sequence[str], *, allow_private: bool) -> Sequence[Address]:
    """
    The *addresses* that a host name led to, if a connection may be made to all of them.

    One that is not public refuses the others with it: who has a name lead to
    both a public and an inner address is not to be trusted with either.

    Raises:
        NotAllowedError: there is none, or one that is not public.
    """
    found = [ip_address(address) for address in addresses]
    if not found:
        raise NotAllowedError("the name of the endpoint has no address")
    for address in found:
        if not allow_private and not is_public(address):
            raise NotAllowedError(f"the endpoint leads to {address}, which is not public: say `allow_private: true`")
    return found


def is_public(address: Address) -> bool:
    """
    Whether an address belongs to the public network, whatever it is wrapped in.

    >>> [is_public(ip_address(each)) for each in ("9.9.9.9", "2620:fe::fe", "64:ff9b::909:909")]
    [True, True, True]
    >>> [is_public(ip_address(each)) for each in ("127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::")]
    [False, False, False, False]
    """
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        # A mapped or translated address is reserved itself; what counts is where it leads.
        return isinstance(address, IPv6Address) and bool(_leads_to(address)) and _all_public(address)
    if isinstance(address, IPv4Address):
        return True
    return not address.is_site_local and _all_public(address)


def _all_public(address: IPv6Address) -> bool:
    return all(is_public(inner) for inner in _leads_to(address))


def _leads_to(address: IPv6Address) -> Sequence[IPv4Address]:
    """The IPv4 addresses inside an IPv6 one that packets are handed on to."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in _TRANSLATED:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return []
