"""Where a counted link leads: as it was published, and on the project's own hosts with a token of the message."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

# Nothing but a host may stand between `//` and the path: no user, no backslash.
_WEB: Final = re.compile(r"https?://([A-Za-z0-9.-]+)(?::\d{1,5})?(?=[/?#]|$)", re.IGNORECASE)


class Landing:
    """Adds a parameter to the addresses of some hosts."""

    def __init__(self, parameter: str | None, hosts: Collection[str]) -> None:
        self._parameter = parameter
        self._hosts = frozenset(host.lower() for host in hosts)

    def is_for(self, url: str) -> bool:
        """Whether the address gets the parameter: its host is one of those, as written."""
        found = _WEB.match(url)
        return self._parameter is not None and found is not None and found[1].lower() in self._hosts

    def with_token(self, url: str, token: str) -> str:
        """
        The address with the parameter last in its query.

        One that is there already is taken out: links are copied from browsers,
        and what a message to somebody else was called is nothing of this one.

        >>> Landing("cctl", ["shop.example"]).with_token("https://shop.example/a?b=1&cctl=old#c", "T")
        'https://shop.example/a?b=1&cctl=T#c'
        """
        start, hash_, fragment = url.partition("#")
        path, _, query = start.partition("?")
        kept = [part for part in query.split("&") if part and part.partition("=")[0] != self._parameter]
        return f"{path}?{'&'.join([*kept, f'{self._parameter}={token}'])}{hash_}{fragment}"
