"""An endpoint of the project: where requests go, what they are signed with, and how far it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from campaignctl.channels.http.exchange import HttpRequest
from campaignctl.channels.http.signing import signed


@dataclass(frozen=True)
class EndpointSettings:
    """A named HTTP address, as requests need it."""

    name: str
    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_private: bool = False

    def request(self, key: str, content: bytes, now: datetime, content_type: str = "application/json") -> HttpRequest:
        """
        A request with its idempotency key, signed where the endpoint has a secret.

        The key is the same at each try, so that the other side can tell one
        that it had from a new one.
        """
        identity = identity_of(key)
        headers = {"Content-Type": content_type, "Idempotency-Key": identity, **self.headers}
        if self.secret is not None:
            headers |= signed(self.secret, identity, now, content)
        return HttpRequest("POST", self.url, headers, content)


def identity_of(key: str) -> str:
    """
    What names a delivery to other systems: it holds no contact's key, which may be an address.

    >>> identity_of("sale/first/ada@example.org/s1")
    'msg_19463a2fb7337e2f4a386b9b'
    """
    return f"msg_{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
